//! One connection that runs actions: PostgreSQL's, or a simulated one for tests of timing. Must not time anything.

use std::sync::Arc;
use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments, Connection, Either, Encode, Executor, Postgres, SqlSafeStr, Statement, Type};

use super::failure::Failure;
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{trusted, trusted_shared};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;

/// A connection that can run actions.
pub enum Client {
    /// A real one.
    Postgres(Box<PgClient>),
    /// One that takes as long as it is told: each operation the next duration, around and around.
    Simulated {
        /// Durations of operations.
        service: Vec<Duration>,
        /// Which one is next.
        next: usize,
    },
}

/// A dedicated connection with every statement prepared.
pub struct PgClient {
    connection: PgConnection,
    target: Target,
    statements: Arc<Vec<Vec<Prepared>>>,
    broken: bool,
}

/// A statement as it is sent: tagged text and the types the server inferred.
#[derive(Debug)]
pub struct Prepared {
    sql: Arc<str>,
    types: Vec<PgTypeInfo>,
}

impl PgClient {
    /// Connects and prepares every statement of the workload.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload) -> Result<Self, Error> {
        let mut connection = target.connect().await?;
        let mut statements = Vec::new();
        for action in &workload.actions {
            let mut steps = Vec::new();
            for step in &action.steps {
                let sql: Arc<str> = tagged(&step.sql, &step.tag).into();
                let prepared = Prepared::new(&mut connection, sql).await;
                steps.push(prepared.map_err(|e| Error::doing(format!("prepare the action `{}`", action.name), e))?);
            }
            statements.push(steps);
        }
        Ok(Self { connection, target: target.clone(), statements: Arc::new(statements), broken: false })
    }

    /// Makes this session's counters visible: itself from 15 on, by ending the session before.
    ///
    /// # Errors
    /// When the server cannot be reached again.
    pub async fn flush(&mut self, workload: &Workload) -> Result<(), Error> {
        if self.connection.server_version_num().is_some_and(|version| 150_000 <= version) && !self.broken {
            self.connection
                .execute(sqlx::raw_sql("SELECT pg_stat_force_next_flush()"))
                .await
                .map(drop)
                .map_err(|e| Error::doing("make the counters visible", e))
        } else {
            let fresh = Self::connect(&self.target, workload).await?;
            let old = std::mem::replace(self, fresh);
            let _ = old.connection.close().await;
            Ok(())
        }
    }

    async fn run(&mut self, workload: &Workload, action: usize, arguments: &[u8]) -> Result<u64, sqlx::Error> {
        let planned = &workload.actions[action];
        let statements = Arc::clone(&self.statements);
        if planned.transaction {
            self.connection.execute(sqlx::raw_sql("BEGIN")).await?;
        }
        let mut rows = 0;
        let mut rest = arguments;
        for prepared in &statements[action] {
            let (bound, tail) = prepared.bind(rest).map_err(sqlx::Error::Encode)?;
            rest = tail;
            let query = sqlx::query_with(trusted_shared(Arc::clone(&prepared.sql)), bound);
            rows += self.connection.execute(query).await?.rows_affected();
        }
        if planned.transaction {
            self.connection.execute(sqlx::raw_sql("COMMIT")).await?;
        }
        Ok(rows)
    }
}

impl Prepared {
    /// Prepares a statement on a connection, which keeps it under its text.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn new(connection: &mut PgConnection, sql: Arc<str>) -> Result<Self, sqlx::Error> {
        let statement = connection.prepare(trusted(&*sql).into_sql_str()).await?;
        let types = match statement.parameters() {
            Some(Either::Left(types)) => types.to_vec(),
            _ => Vec::new(),
        };
        Ok(Self { sql, types })
    }

    /// Takes this statement's arguments off a list of lengths and bytes; returns the rest of the list.
    ///
    /// # Errors
    /// When a value is too long for the protocol.
    pub fn bind<'l>(&self, list: &'l [u8]) -> Result<(PgArguments, &'l [u8]), BoxDynError> {
        let mut bound = PgArguments::default();
        bound.reserve(self.types.len(), list.len());
        let mut rest = list;
        for kind in &self.types {
            let (value, tail) = split(rest);
            rest = tail;
            bound.add(Bound { value, kind })?;
        }
        Ok((bound, rest))
    }
}

impl Client {
    /// Runs an action whose arguments were encoded step after step; returns rows returned or changed.
    ///
    /// # Errors
    /// When the server refused it or was lost; the session is then fit for the next action, or will be
    /// connected anew by the next call.
    pub async fn run(&mut self, workload: &Workload, action: usize, arguments: &[u8]) -> Result<u64, Failure> {
        match self {
            Self::Simulated { service, next } => {
                let duration = service[*next % service.len()];
                *next += 1;
                tokio::time::sleep(duration).await;
                Ok(1)
            }
            Self::Postgres(client) => {
                if client.broken {
                    let fresh = PgClient::connect(&client.target, workload).await;
                    **client = fresh.map_err(|_| Failure { class: "connection".to_owned(), connection_lost: true })?;
                }
                let result = client.run(workload, action, arguments).await;
                let Err(error) = result else { return result.map_err(|e| Failure::from(&e)) };
                let failure = Failure::from(&error);
                client.broken = failure.connection_lost
                    || (workload.actions[action].transaction
                        && client.connection.execute(sqlx::raw_sql("ROLLBACK")).await.is_err());
                Err(failure)
            }
        }
    }
}

/// Takes one value off a list of lengths and bytes; −1 is NULL.
fn split(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (length, rest) = list.split_at(4);
    let length = i32::from_be_bytes(length.try_into().expect("four bytes were split off"));
    match usize::try_from(length) {
        Ok(length) => (Some(&rest[..length]), &rest[length..]),
        Err(_) => (None, rest),
    }
}

/// A value already in the server's form, with the type the server asked for.
struct Bound<'v> {
    value: Option<&'v [u8]>,
    kind: &'v PgTypeInfo,
}

impl Type<Postgres> for Bound<'_> {
    /// Never asked: `produces` answers for each value.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("text")
    }
}

impl<'q> Encode<'q, Postgres> for Bound<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(value) = self.value else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }

    fn size_hint(&self) -> usize {
        self.value.map_or(0, <[u8]>::len)
    }
}
