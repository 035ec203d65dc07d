//! One connection that sends statements: PostgreSQL's, or a simulated one for tests of timing. Must not time anything.

use std::time::Duration;

use super::failure::Failure;
use super::sqlx_client::SqlxClient;
use super::wire_client::WireClient;
use crate::expression::Value;
use crate::postgres::{Error, Target};
use crate::scenario::Workload;

/// A connection that can send statements, and what it takes to make it anew.
pub struct Client {
    target: Option<Target>,
    session: Session,
    broken: bool,
}

enum Session {
    /// The protocol itself.
    Wire(Box<WireClient>),
    /// Where a password or encryption is asked for.
    Sqlx(Box<SqlxClient>),
    /// Takes as long as it is told: each statement the next duration, around and around.
    Simulated { service: Vec<Duration>, next: usize },
}

/// Values of captured columns, row after row, in the order of the step's captures.
pub type Kept = Vec<Vec<Value<'static>>>;

impl Client {
    /// Connects and prepares every statement of the workload.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub async fn connect(target: &Target, workload: &Workload) -> Result<Self, Error> {
        let session = match WireClient::connect(target, workload).await? {
            Some(client) => Session::Wire(Box::new(client)),
            None => Session::Sqlx(Box::new(SqlxClient::connect(target, workload).await?)),
        };
        Ok(Self { target: Some(target.clone()), session, broken: false })
    }

    /// One without a server.
    #[must_use]
    pub fn simulated(service: Vec<Duration>) -> Self {
        Self { target: None, session: Session::Simulated { service, next: 0 }, broken: false }
    }

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
        let step = &workload.actions[place.0].steps[place.1];
        let result = match &mut self.session {
            Session::Wire(client) => client.send(step, place, arguments, kept).await,
            Session::Sqlx(client) => client.send(step, place, arguments, kept).await,
            Session::Simulated { service, next } => {
                let duration = service[*next % service.len()];
                *next += 1;
                tokio::time::sleep(duration).await;
                Ok(1)
            }
        };
        self.noticed(result)
    }

    /// Sends a statement without values, such as `BEGIN`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        let result = match &mut self.session {
            Session::Wire(client) => client.command(sql).await,
            Session::Sqlx(client) => client.command(sql).await,
            Session::Simulated { .. } => Ok(()),
        };
        self.noticed(result)
    }

    fn noticed<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.broken |= result.as_ref().is_err_and(|failure| failure.connection_lost);
        result
    }

    /// Whether the connection was lost; nothing can be sent until it is made anew.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Makes the connection anew.
    ///
    /// # Errors
    /// When the server refuses it; the old one is then as it was.
    pub async fn reconnect(&mut self, workload: &Workload) -> Result<(), Error> {
        if let Some(target) = &self.target {
            *self = Self::connect(target, workload).await?;
        }
        Ok(())
    }

    /// Makes this session's counters visible: itself from 15 on, by ending the session before.
    ///
    /// # Errors
    /// When the server cannot be reached again.
    pub async fn flush(&mut self, workload: &Workload) -> Result<(), Error> {
        let flushed = !self.broken
            && match &mut self.session {
                Session::Wire(client) => client.flush().await?,
                Session::Sqlx(client) => client.flush().await?,
                Session::Simulated { .. } => true,
            };
        if flushed { Ok(()) } else { self.reconnect(workload).await }
    }
}
