//! A client that speaks the protocol itself. Must time nothing, and must leave a session that is to read only no way to
//! write.

use std::time::Duration;

use super::client::Kept;
use super::failure::Failure;
use crate::expression::Value;
use crate::postgres::observe::{PLAN_COUNTS, tagged};
use crate::postgres::wire::{Values, Wire, WireError};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::{Protocol, Role};
use crate::scenario::workload::{Bracket, PlannedStep};

/// A dedicated connection with every statement prepared that is sent that way.
pub struct WireClient {
    wire: Wire,
    /// Names of statements, or texts of those parsed each time, by action and step.
    statements: Vec<Vec<String>>,
    /// Whether each transaction is set to read only: a pooler may give the next one a session in which somebody else
    /// has turned the default off.
    each_read_only: bool,
    /// Whether an action has begun a transaction.
    in_transaction: bool,
}

/// How long connecting and preparing may take: a table that is locked holds it up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps a transaction from writing, whatever is the default of its session.
const BEGIN: &str = "BEGIN READ ONLY";

impl WireClient {
    /// Connects and prepares every statement, or those for one role.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload, role: Option<Role>) -> Result<Self, Error> {
        Self::connect_for(target, workload, |_, step| role.is_none_or(|role| role == step.role)).await
    }

    /// Connects and prepares the statements of one action alone.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect_for_action(target: &Target, workload: &Workload, action: usize) -> Result<Self, Error> {
        Self::connect_for(target, workload, |of, _| of == action).await
    }

    async fn connect_for(
        target: &Target,
        workload: &Workload,
        wanted: impl Fn(usize, &PlannedStep) -> bool,
    ) -> Result<Self, Error> {
        let attempt = tokio::time::timeout(PATIENCE, Self::try_connect(target, workload, wanted)).await;
        attempt.unwrap_or_else(|_| Err(Error::NoAnswer { target: target.describe(), seconds: PATIENCE.as_secs() }))
    }

    async fn try_connect(
        target: &Target,
        workload: &Workload,
        wanted: impl Fn(usize, &PlannedStep) -> bool,
    ) -> Result<Self, Error> {
        let mut wire = target.wire().await?;
        let each_read_only = target.is_read_only() && !wire.is_direct().await;
        let mut statements = Vec::new();
        for (action, planned) in workload.actions.iter().enumerate() {
            let mut names = Vec::new();
            for (index, step) in planned.steps.iter().enumerate() {
                if !wanted(action, step) {
                    names.push(String::new());
                    continue;
                }
                let text = tagged(&step.sql, &step.tag);
                if step.protocol != Protocol::Prepared {
                    names.push(text);
                    continue;
                }
                let name = prepared_name(action, index);
                wire.parse(&name, &text);
                wire.sync();
                let prepared = wire.exchange(|_| {}).await;
                prepared.map_err(|e| Error::wire(format!("prepare the action `{}`", planned.name), &e))?;
                names.push(name);
            }
            statements.push(names);
        }
        Ok(Self { wire, statements, each_read_only, in_transaction: false })
    }

    /// The number of the server's process at the other end; nothing behind a pooler, which may be another for every
    /// transaction.
    pub async fn process(&mut self) -> Option<u32> {
        if self.wire.is_direct().await { Some(self.wire.process()) } else { None }
    }

    /// Sends SQL whose rows nobody needs.
    ///
    /// # Errors
    /// When the server refuses it or is lost.
    pub async fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.wire.query(sql.as_bytes());
        self.wire.exchange(|_| {}).await.map(drop).map_err(|error| Failure::from(&error))
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

    /// What the server reports of this session's plans; see [`PLAN_COUNTS`].
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
    ///
    /// # Errors
    /// When the server refuses it or is lost.
    pub async fn send(
        &mut self,
        step: &PlannedStep,
        (action, index): (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        let statement = &self.statements[action][index];
        let count = step.arguments.len() as u16;
        // What an action has begun itself is set when it begins.
        let alone = self.each_read_only && !self.in_transaction;
        let execute = |wire: &mut Wire, sql: &str| {
            wire.parse("", sql);
            wire.bind("", 0, &[]);
        };
        if step.protocol == Protocol::Simple && alone {
            let around = [BEGIN.as_bytes(), b";\n", arguments, b"\n;COMMIT"].concat();
            self.wire.query(&around);
        } else if step.protocol == Protocol::Simple {
            self.wire.query(arguments);
        } else {
            if alone {
                execute(&mut self.wire, BEGIN);
            }
            if step.protocol == Protocol::Extended {
                self.wire.parse("", statement);
                self.wire.bind("", count, arguments);
            } else {
                self.wire.bind(statement, count, arguments);
            }
            if alone {
                execute(&mut self.wire, "COMMIT");
            }
            self.wire.sync();
        }
        let result = match kept {
            None => self.wire.exchange(|_| {}).await,
            Some(kept) => {
                kept.clear();
                self.wire.exchange(|row| kept.push(captured(step, row))).await
            }
        };
        if alone && matches!(result, Err(WireError::Server { .. })) {
            self.command("ROLLBACK").await?;
        }
        self.begun(step.bracket, result.is_ok()).await?;
        result.map_err(|error| Failure::from(&error))
    }

    /// Keeps count of transactions that steps of scripts begin and end, where it matters.
    async fn begun(&mut self, bracket: Option<Bracket>, done: bool) -> Result<(), Failure> {
        match bracket {
            Some(Bracket::Begins) if self.each_read_only && done => {
                self.in_transaction = true;
                self.command("SET TRANSACTION READ ONLY").await
            }
            Some(Bracket::Ends) => {
                self.in_transaction = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends a statement without values; `BEGIN` and what ends a transaction are known by their first words.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.wire.query(sql.as_bytes());
        self.wire.exchange(|_| {}).await.map(drop).map_err(|error| Failure::from(&error))?;
        if sql.starts_with("BEGIN") && self.each_read_only {
            self.in_transaction = true;
            self.wire.query(b"SET TRANSACTION READ ONLY");
            self.wire.exchange(|_| {}).await.map(drop).map_err(|error| Failure::from(&error))?;
        } else if sql == "COMMIT" || sql == "ROLLBACK" {
            self.in_transaction = false;
        }
        Ok(())
    }
}

/// The name under which a step is prepared.
#[must_use]
pub fn prepared_name(action: usize, step: usize) -> String {
    format!("weighbridge_{action}_{step}")
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
            WireError::Malformed { .. } | WireError::NeverReady => {
                Self::connection("a message was too long to be read")
            }
            WireError::MayWrite => Self::may_write(),
        }
    }
}
