//! One connection that sends statements: PostgreSQL's, or a simulated one for tests of timing. Must not time anything.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};

use super::failure::Failure;
use super::prepared::Prepared;
use crate::expression::Value;
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{trusted, trusted_shared};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::Protocol;
use crate::scenario::workload::PlannedStep;

/// A connection that can send statements.
pub enum Client {
    /// A real one.
    Postgres(Box<PgClient>),
    /// One that takes as long as it is told: each statement the next duration, around and around.
    Simulated {
        /// Durations of statements.
        service: Vec<Duration>,
        /// Which one is next.
        next: usize,
    },
}

/// A dedicated connection with every statement prepared.
pub struct PgClient {
    connection: PgConnection,
    target: Target,
    /// By action and step; nothing for statements sent as one text.
    statements: Arc<Vec<Vec<Option<Prepared>>>>,
    broken: bool,
}

/// Values of captured columns, row after row, in the order of the step's captures.
pub type Kept = Vec<Vec<Value<'static>>>;

impl PgClient {
    /// Connects and prepares every statement of the workload that this target is asked.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload) -> Result<Self, Error> {
        let mut connection = target.connect().await?;
        let mut statements = Vec::new();
        for action in &workload.actions {
            let mut steps = Vec::new();
            for step in &action.steps {
                let prepared = match step.protocol {
                    Protocol::Simple => None,
                    _ => {
                        let sql: Arc<str> = tagged(&step.sql, &step.tag).into();
                        let prepared = Prepared::new(&mut connection, sql).await;
                        Some(prepared.map_err(|e| Error::doing(format!("prepare the action `{}`", action.name), e))?)
                    }
                };
                steps.push(prepared);
            }
            statements.push(steps);
        }
        let extended = |step: &PlannedStep| step.protocol == Protocol::Extended;
        if workload.actions.iter().flat_map(|a| &a.steps).any(extended) {
            // What was prepared to learn its types must not be found prepared; the others prepare themselves again.
            let forgotten = connection.clear_cached_statements().await;
            forgotten.map_err(|e| Error::doing("forget prepared statements", e))?;
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

    async fn send(
        &mut self,
        step: &PlannedStep,
        place: (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, sqlx::Error> {
        let statements = Arc::clone(&self.statements);
        let Some(prepared) = &statements[place.0][place.1] else {
            // The text holds its values; see `PlannedStep::as_text`.
            let text = String::from_utf8_lossy(arguments).into_owned();
            let query = sqlx::raw_sql(trusted(text));
            return match kept {
                None => Ok(self.connection.execute(query).await?.rows_affected()),
                Some(kept) => {
                    let rows = self.connection.fetch_all(query).await?;
                    keep(&rows, step, kept)
                }
            };
        };
        let bound = prepared.bind(arguments).map_err(sqlx::Error::Encode)?.0;
        let query = sqlx::query_with(trusted_shared(Arc::clone(&prepared.sql)), bound);
        let query = query.persistent(step.protocol == Protocol::Prepared);
        match kept {
            None => Ok(self.connection.execute(query).await?.rows_affected()),
            Some(kept) => {
                let rows = self.connection.fetch_all(query).await?;
                keep(&rows, step, kept)
            }
        }
    }
}

/// Keeps captured columns: of a binary answer by its type, of a text as text.
fn keep(rows: &[PgRow], step: &PlannedStep, kept: &mut Kept) -> Result<u64, sqlx::Error> {
    kept.clear();
    for row in rows {
        let mut values = Vec::with_capacity(step.captures.len());
        for (column, _, kind) in &step.captures {
            let raw = row.try_get_raw(*column)?;
            let value = match raw.as_bytes() {
                Err(_) => Value::Null,
                Ok(bytes) if step.protocol == Protocol::Simple => {
                    Value::Text(String::from_utf8_lossy(bytes).into_owned().into())
                }
                Ok(bytes) => Value::read(*kind, bytes).unwrap_or(Value::Null),
            };
            values.push(value);
        }
        kept.push(values);
    }
    Ok(rows.len() as u64)
}

impl Client {
    /// Sends a step of an action; returns rows returned or changed. `arguments` are what `encode` of the
    /// step made. Captured columns go into `kept`, if it is given.
    ///
    /// # Errors
    /// When the server refused it or was lost.
    pub async fn send(
        &mut self,
        workload: &Workload,
        place: (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        match self {
            Self::Simulated { service, next } => {
                let duration = service[*next % service.len()];
                *next += 1;
                tokio::time::sleep(duration).await;
                Ok(1)
            }
            Self::Postgres(client) => {
                let step = &workload.actions[place.0].steps[place.1];
                let result = client.send(step, place, arguments, kept).await;
                result.map_err(|error| client.failed(&error))
            }
        }
    }

    /// Sends a statement without values, such as `BEGIN`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        match self {
            Self::Simulated { .. } => Ok(()),
            Self::Postgres(client) => {
                let result = client.connection.execute(sqlx::raw_sql(sql)).await;
                result.map(drop).map_err(|error| client.failed(&error))
            }
        }
    }

    /// Whether the connection was lost; nothing can be sent until it is made anew.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Postgres(client) if client.broken)
    }

    /// Makes a lost connection anew.
    ///
    /// # Errors
    /// When the server refuses it; it stays lost.
    pub async fn reconnect(&mut self, workload: &Workload) -> Result<(), Failure> {
        if let Self::Postgres(client) = self {
            match PgClient::connect(&client.target, workload).await {
                Ok(fresh) => **client = fresh,
                Err(_) => return Err(Failure::connection("no new connection could be made")),
            }
        }
        Ok(())
    }
}

impl PgClient {
    fn failed(&mut self, error: &sqlx::Error) -> Failure {
        let failure = Failure::from(error);
        self.broken |= failure.connection_lost;
        failure
    }
}
