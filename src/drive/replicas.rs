//! A client's connections to replicas, asked in turn. Must keep one that is down from holding up the others.

use std::time::Duration;

use super::backoff::{FIRST_BACKOFF_NS, LONGEST_BACKOFF_NS};
use super::client::{Kept, Session};
use super::failure::{CONNECTION, Failure};
use crate::clock::Clock;
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::scenario::program::Role;

/// How long an operation waits for a lost replica, when another one could answer and when none could.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);
const LONG_PATIENCE: Duration = Duration::from_secs(2);

/// One client's connections, one to each replica.
pub(super) struct Replicas {
    links: Vec<Link>,
    /// Who is asked next.
    turn: usize,
    clock: Clock,
    /// Connections reopened since they were asked for last.
    reconnects: u64,
}

struct Link {
    target: Target,
    session: Option<Session>,
    /// When a lost one may be tried again, and how long to wait after that.
    retry_at_ns: u64,
    backoff_ns: u64,
}

impl Replicas {
    /// Connects to all of them and prepares the statements they are asked; clients begin with different ones.
    ///
    /// # Errors
    /// When one of them cannot be reached, or refuses a statement.
    pub(super) async fn connect(
        targets: &[Target],
        workload: &Workload,
        clock: Clock,
        number: usize,
    ) -> Result<Self, Error> {
        let mut links = Vec::with_capacity(targets.len());
        for target in targets {
            let session = Some(Session::connect(target, workload, Some(Role::Replica)).await?);
            links.push(Link { target: target.clone(), session, retry_at_ns: 0, backoff_ns: FIRST_BACKOFF_NS });
        }
        let turn = if links.is_empty() { 0 } else { number % links.len() };
        Ok(Self { links, turn, clock, reconnects: 0 })
    }

    /// Closes all connections: one of them is still to answer what nobody waits for.
    pub(super) fn reset(&mut self) {
        for link in &mut self.links {
            (link.session, link.retry_at_ns) = (None, 0);
        }
    }

    /// How many connections were reopened since the last time.
    pub(super) fn take_reconnects(&mut self) -> u64 {
        std::mem::take(&mut self.reconnects)
    }

    /// Asks the next replica that is up; where none is, waits until one may be tried again and tries it once.
    pub(super) async fn send(
        &mut self,
        workload: &Workload,
        place: (usize, usize),
        arguments: &[u8],
        kept: Option<&mut Kept>,
    ) -> Result<u64, Failure> {
        let count = self.links.len();
        let mut found = None;
        let turn = self.turn;
        for at in (0..count).map(|step| (turn + step) % count) {
            if self.is_up(at, workload).await {
                found = Some(at);
                break;
            }
        }
        if found.is_none() {
            let next = (0..count).min_by_key(|at| self.links[*at].retry_at_ns).expect("there are replicas");
            tokio::time::sleep_until(self.clock.instant(self.links[next].retry_at_ns)).await;
            found = self.is_up(next, workload).await.then_some(next);
        }
        let Some(at) = found else {
            return Err(Failure {
                class: CONNECTION.to_owned(),
                text: "no replica can be reached".to_owned(),
                connection_lost: false,
            });
        };
        self.turn = (at + 1) % count;
        let session = self.links[at].session.as_mut().expect("it is up");
        let result = session.send(workload, place, arguments, kept).await;
        result.map_err(|failure| {
            if failure.connection_lost {
                self.links[at].session = None;
                self.links[at].retry_at_ns = self.clock.now_ns() + FIRST_BACKOFF_NS;
            }
            // The connection to the primary is as it was.
            Failure { connection_lost: false, ..failure }
        })
    }

    /// Whether a replica is connected, after another try when it is time for one.
    ///
    /// The operation waits for the try: not long while another replica is up.
    async fn is_up(&mut self, at: usize, workload: &Workload) -> bool {
        let others = self.links.iter().enumerate().any(|(other, link)| other != at && link.session.is_some());
        let patience = if others { SHORT_PATIENCE } else { LONG_PATIENCE };
        let link = &mut self.links[at];
        if link.session.is_some() {
            return true;
        }
        if self.clock.now_ns() < link.retry_at_ns {
            return false;
        }
        let attempt = Session::connect(&link.target, workload, Some(Role::Replica));
        match tokio::time::timeout(patience, attempt).await {
            Ok(Ok(session)) => {
                link.session = Some(session);
                link.backoff_ns = FIRST_BACKOFF_NS;
                self.reconnects += 1;
                true
            }
            Ok(Err(_)) | Err(_) => {
                link.retry_at_ns = self.clock.now_ns() + link.backoff_ns;
                link.backoff_ns = (link.backoff_ns * 2).min(LONGEST_BACKOFF_NS);
                false
            }
        }
    }
}
