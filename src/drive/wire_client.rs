//! A client that speaks the protocol itself: the fast way, where the server asks for no password and no encryption.
//! Must time nothing.

use super::client::Kept;
use super::failure::Failure;
use crate::expression::Value;
use crate::postgres::observe::{PLAN_COUNTS, tagged};
use crate::postgres::wire::{Values, Wire, WireError};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::{Protocol, Role};
use crate::scenario::workload::PlannedStep;

/// A dedicated connection with every statement prepared that is sent that way.
pub struct WireClient {
    wire: Wire,
    /// Names of statements, or texts of those parsed each time, by action and step.
    statements: Vec<Vec<String>>,
}

impl WireClient {
    /// Connects and prepares every statement, or those for one role; `None` where this client cannot be used.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload, role: Option<Role>) -> Result<Option<Self>, Error> {
        let Some(mut wire) = target.wire().await? else { return Ok(None) };
        let mut statements = Vec::new();
        for (action, planned) in workload.actions.iter().enumerate() {
            let mut names = Vec::new();
            for (index, step) in planned.steps.iter().enumerate() {
                if role.is_some_and(|role| role != step.role) {
                    names.push(String::new());
                    continue;
                }
                let text = tagged(&step.sql, &step.tag);
                if step.protocol != Protocol::Prepared {
                    names.push(text);
                    continue;
                }
                let name = format!("weighbridge_{action}_{index}");
                wire.parse(&name, &text);
                wire.sync();
                let prepared = wire.exchange(|_| {}).await;
                prepared.map_err(|e| Error::wire(format!("prepare the action `{}`", planned.name), &e))?;
                names.push(name);
            }
            statements.push(names);
        }
        Ok(Some(Self { wire, statements }))
    }

    /// Makes this session's counters visible; false where only its end can, before PostgreSQL 15.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn flush(&mut self) -> Result<bool, Error> {
        if self.wire.version() < 150_000 {
            return Ok(false);
        }
        self.wire.query(b"SELECT pg_stat_force_next_flush()");
        let flushed = self.wire.exchange(|_| {}).await;
        flushed.map(|_| true).map_err(|e| Error::wire("make the counters visible", &e))
    }

    /// What the server tells of this session's plans; see [`PLAN_COUNTS`].
    ///
    /// # Errors
    /// When the server refuses or is lost.
    pub(super) async fn plan_counts(&mut self) -> Result<Vec<String>, Error> {
        let mut told = Vec::new();
        self.wire.query(PLAN_COUNTS.as_bytes());
        let asked = self
            .wire
            .exchange(|row| told.extend(row.flatten().map(|text| String::from_utf8_lossy(text).into_owned())))
            .await;
        asked.map(|_| told).map_err(|e| Error::wire("ask how statements were planned", &e))
    }

    /// Sends a step; see [`super::Client::send`].
    pub(super) async fn send(
        &mut self,
        step: &PlannedStep,
        (action, index): (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        let statement = &self.statements[action][index];
        let count = step.arguments.len() as u16;
        match step.protocol {
            Protocol::Prepared => self.wire.bind(statement, count, arguments),
            Protocol::Extended => {
                self.wire.parse("", statement);
                self.wire.bind("", count, arguments);
            }
            Protocol::Simple => self.wire.query(arguments),
        }
        if step.protocol != Protocol::Simple {
            self.wire.sync();
        }
        let result = match kept {
            None => self.wire.exchange(|_| {}).await,
            Some(kept) => {
                kept.clear();
                self.wire.exchange(|row| kept.push(captured(step, row))).await
            }
        };
        result.map_err(|error| Failure::from(&error))
    }

    /// Sends a statement without values.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.wire.query(sql.as_bytes());
        self.wire.exchange(|_| {}).await.map(drop).map_err(|error| Failure::from(&error))
    }
}

/// The captured values of a row, in the order of the captures.
fn captured(step: &PlannedStep, row: Values<'_>) -> Vec<Value<'static>> {
    let mut values = vec![Value::Null; step.captures.len()];
    for (column, bytes) in row.enumerate() {
        let wanted = step.captures.iter().enumerate().filter(|(_, (position, ..))| *position == column);
        for (place, (_, _, kind)) in wanted {
            values[place] = match bytes {
                None => Value::Null,
                Some(bytes) if step.protocol == Protocol::Simple => {
                    Value::Text(String::from_utf8_lossy(bytes).into_owned().into())
                }
                Some(bytes) => Value::read(*kind, bytes).unwrap_or(Value::Null),
            };
        }
    }
    values
}

impl From<&WireError> for Failure {
    fn from(error: &WireError) -> Self {
        match error {
            WireError::Server { code, message } => Self::of_server(code, message),
            WireError::Lost(_) => Self::connection("the connection was lost"),
        }
    }
}
