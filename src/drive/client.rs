//! One client's connections: to the primary and its replicas, or a simulated one for tests of timing. Must not time
//! anything.

use std::time::Duration;

use super::failure::Failure;
use super::replicas::Replicas;
use super::wire_client::WireClient;
use crate::clock::Clock;
use crate::evidence::PlanCounts;
use crate::expression::Value;
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::Role;
use crate::scenario::workload::PlannedAction;

/// The servers a side is made of.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Takes everything that does not ask for a replica.
    pub primary: Target,
    /// Asked in turn; without any the primary answers for them.
    pub replicas: Vec<Target>,
}

impl From<Target> for Targets {
    fn from(primary: Target) -> Self {
        Self { primary, replicas: Vec::new() }
    }
}

/// Connections that can send statements, and what it takes to reopen them.
pub struct Client {
    target: Option<Target>,
    session: Session,
    broken: bool,
    /// An operation is under way; where it was dropped, what it was sent is still to be answered.
    busy: bool,
    /// Nothing where there are none: then nothing of it is moved when a client changes hands.
    replicas: Option<Box<Replicas>>,
}

/// One connection.
pub(super) enum Session {
    /// A server's.
    Wire(Box<WireClient>),
    /// Takes as long as it is given: each statement the next duration, around and around.
    Simulated { service: Vec<Duration>, next: usize },
}

/// So often a session plans a statement for its values before it may do otherwise (`choose_custom_plan` of
/// plancache.c).
const ALWAYS_CUSTOM: u64 = 5;

/// Values of captured columns, row after row, in the order of the step's captures.
pub type Kept = Vec<Vec<Value<'static>>>;

impl Session {
    /// Connects and prepares every statement that is sent to servers of this role, or every one.
    pub(super) async fn connect(target: &Target, workload: &Workload, role: Option<Role>) -> Result<Self, Error> {
        Ok(Self::Wire(Box::new(WireClient::connect(target, workload, role).await?)))
    }

    pub(super) async fn send(
        &mut self,
        workload: &Workload,
        place: (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        let step = &workload.actions[place.0].steps[place.1];
        match self {
            Self::Wire(client) => client.send(step, place, arguments, kept).await,
            Self::Simulated { service, next } => {
                let duration = service[*next % service.len()];
                *next += 1;
                tokio::time::sleep(duration).await;
                Ok(1)
            }
        }
    }
}

impl Client {
    /// Connects client `number` and prepares every statement of the workload.
    ///
    /// # Errors
    /// When a server refuses the connection or a statement.
    pub async fn connect(targets: &Targets, workload: &Workload, clock: Clock, number: usize) -> Result<Self, Error> {
        let asked = workload.actions.iter().flat_map(|action| &action.steps).any(|step| step.role == Role::Replica);
        let replicas = match asked && !targets.replicas.is_empty() {
            true => Some(Box::new(Replicas::connect(&targets.replicas, workload, clock, number).await?)),
            false => None,
        };
        let role = if replicas.is_some() { Some(Role::Primary) } else { None };
        let session = Session::connect(&targets.primary, workload, role).await?;
        Ok(Self { target: Some(targets.primary.clone()), session, broken: false, busy: false, replicas })
    }

    /// One without a server.
    #[must_use]
    pub fn simulated(service: Vec<Duration>) -> Self {
        Self {
            target: None,
            session: Session::Simulated { service, next: 0 },
            broken: false,
            busy: false,
            replicas: None,
        }
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
        if let Some(replicas) = &mut self.replicas
            && workload.actions[place.0].steps[place.1].role == Role::Replica
        {
            return replicas.send(workload, place, arguments, kept).await;
        }
        let result = self.session.send(workload, place, arguments, kept).await;
        self.noticed(result)
    }

    /// Sends a statement without values, such as `BEGIN`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        let result = match &mut self.session {
            Session::Wire(client) => client.command(sql).await,
            Session::Simulated { .. } => Ok(()),
        };
        self.noticed(result)
    }

    fn noticed<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.broken |= result.as_ref().is_err_and(|failure| failure.connection_lost);
        result
    }

    /// An operation begins: where it is dropped before it has ended, this client's connections are made again before
    /// the next one.
    pub(super) fn begin(&mut self) {
        self.busy = true;
    }

    /// The operation has an outcome.
    pub(super) fn end(&mut self) {
        self.busy = false;
    }

    /// Whether an operation can begin on its connections.
    pub(super) fn is_fit(&self) -> bool {
        !self.broken && !self.busy
    }

    /// Whether the connection was lost; nothing can be sent until it is reopened.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Connections to replicas that were reopened since the last time.
    #[must_use]
    pub fn take_reconnects(&mut self) -> u64 {
        self.replicas.as_mut().map_or(0, |replicas| replicas.take_reconnects())
    }

    /// Reopens the connection to the primary.
    ///
    /// # Errors
    /// When the server refuses it; the old one is then as it was.
    pub async fn reconnect(&mut self, workload: &Workload) -> Result<(), Error> {
        if let Some(target) = &self.target {
            let role = if self.replicas.is_some() { Some(Role::Primary) } else { None };
            self.session = Session::connect(target, workload, role).await?;
            self.broken = false;
        }
        if std::mem::take(&mut self.busy)
            && let Some(replicas) = &mut self.replicas
        {
            replicas.reset();
        }
        Ok(())
    }

    /// How each action's prepared statements were planned in this session, after the first five of each.
    ///
    /// # Errors
    /// When the server refuses or is lost.
    pub async fn plan_counts(&mut self, workload: &Workload) -> Result<Vec<PlanCounts>, Error> {
        let told = match &mut self.session {
            Session::Wire(client) => client.plan_counts().await?,
            Session::Simulated { .. } => Vec::new(),
        };
        let mut counts = vec![PlanCounts::default(); workload.actions.len()];
        for line in &told {
            let (tag, settled) = settled(line);
            let of = |action: &PlannedAction| action.steps.iter().any(|step| step.tag == tag);
            if let Some(position) = workload.actions.iter().position(of) {
                counts[position].generic += settled.generic;
                counts[position].custom += settled.custom;
            }
        }
        Ok(counts)
    }

    /// Makes this session's counters visible: itself from 15 on, by ending the session before.
    ///
    /// # Errors
    /// When the server cannot be reached again.
    pub async fn flush(&mut self, workload: &Workload) -> Result<(), Error> {
        let flushed = self.is_fit()
            && match &mut self.session {
                Session::Wire(client) => client.flush().await?,
                Session::Simulated { .. } => true,
            };
        if flushed { Ok(()) } else { self.reconnect(workload).await }
    }
}

/// The tag of a statement and its plans once the server could choose, from a line of `observe::PLAN_COUNTS`: the first
/// five of every session are made for their values always.
fn settled(line: &str) -> (&str, PlanCounts) {
    let mut words = line.rsplitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    let (custom, generic) = (number().saturating_sub(ALWAYS_CUSTOM), number());
    (words.next().unwrap_or_default(), PlanCounts { generic, custom })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plans_of_a_session_are_not_counted() {
        assert_eq!(settled("read.1 90 5"), ("read.1", PlanCounts { generic: 90, custom: 0 }));
        assert_eq!(settled("a b 0 25"), ("a b", PlanCounts { generic: 0, custom: 20 }));
        assert_eq!(settled("new 0 3"), ("new", PlanCounts::default()));
    }
}
