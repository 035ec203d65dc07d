//! A client over sqlx: for servers that ask for a password or encryption. Must time nothing.

use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};

use super::client::Kept;
use super::failure::Failure;
use super::prepared::Prepared;
use crate::expression::Value;
use crate::postgres::observe::{PLAN_COUNTS, tagged};
use crate::postgres::sql_text::{trusted, trusted_shared};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::{Protocol, Role};
use crate::scenario::workload::PlannedStep;

/// A dedicated connection with every statement prepared.
pub struct SqlxClient {
    connection: PgConnection,
    /// By action and step; nothing for statements sent as one text.
    statements: Arc<Vec<Vec<Option<Prepared>>>>,
}

impl SqlxClient {
    /// Connects and prepares every statement of the workload, or those for one role.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload, role: Option<Role>) -> Result<Self, Error> {
        let mut connection = target.connect().await?;
        let mut statements = Vec::new();
        for action in &workload.actions {
            let mut steps = Vec::new();
            for step in &action.steps {
                let prepared = match step.protocol {
                    Protocol::Simple => None,
                    _ if role.is_some_and(|role| role != step.role) => None,
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
        Ok(Self { connection, statements: Arc::new(statements) })
    }

    /// Makes this session's counters visible; false where only its end can, before PostgreSQL 15.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn flush(&mut self) -> Result<bool, Error> {
        if self.connection.server_version_num().is_none_or(|version| version < 150_000) {
            return Ok(false);
        }
        let flushed = self.connection.execute(sqlx::raw_sql("SELECT pg_stat_force_next_flush()")).await;
        flushed.map(|_| true).map_err(|e| Error::doing("make the counters visible", e))
    }

    /// What the server tells of this session's plans; see [`PLAN_COUNTS`].
    ///
    /// # Errors
    /// When the server refuses or is lost.
    pub(super) async fn plan_counts(&mut self) -> Result<Vec<String>, Error> {
        let asked = self.connection.fetch_all(sqlx::raw_sql(PLAN_COUNTS)).await;
        let told = asked.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
        told.map_err(|e| Error::doing("ask how statements were planned", e))
    }

    /// Sends a step; see [`super::Client::send`].
    pub(super) async fn send(
        &mut self,
        step: &PlannedStep,
        place: (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        self.try_send(step, place, arguments, kept).await.map_err(|error| Failure::from(&error))
    }

    /// Sends a statement without values.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.connection.execute(sqlx::raw_sql(sql)).await.map(drop).map_err(|error| Failure::from(&error))
    }

    async fn try_send(
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
