//! One slice of load on one side, by the clients of one thread. Must behave the same on a simulated clock.
//!
//! Clients take the next due operation from a shared cursor, wait for it if it lies ahead, and run it.
//! While a client is free no operation waits, and while none is free operations wait in order: the
//! same as one queue in front of all connections, without a queue.

use std::cell::{Cell, RefCell};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::arrivals::due_times;
use super::client::Client;
use super::recorder::Recording;
use super::timer::Timer;
use crate::clock::Clock;
use crate::expression::Value;
use crate::scenario::{Load, Workload};

/// A client and its timer.
pub struct Seat {
    /// The connection.
    pub client: Client,
    /// Its timer.
    pub timer: Timer,
}

/// What one thread has to do in a slice.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Names the arrivals and parameters; the same number on every side gives the same ones.
    pub stream: u64,
    /// When it starts, on the threads' common clock.
    pub start_ns: u64,
    /// How long operations become due.
    pub length_ns: u64,
    /// How long after its end a due operation may still be sent.
    pub grace_ns: u64,
    /// Which thread this is.
    pub thread: usize,
    /// Of how many.
    pub threads: usize,
}

/// Why a slice could not be driven to its end; the server's refusals are counted, not raised.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The kernel's timer failed.
    #[error("the timer of the load driver failed: {0}")]
    Timer(#[from] std::io::Error),
    /// A parameter's value does not fit the type the server inferred.
    #[error("action `{action}`: {misfit}")]
    Misfit {
        /// The action.
        action: String,
        /// The value and the type.
        misfit: crate::expression::value::Misfit,
    },
}

/// Drives one slice and returns when every operation due in it has an outcome.
///
/// # Errors
/// When the driver itself fails; what was recorded so far stays in `recording`.
pub async fn drive(
    seats: &mut [Seat],
    workload: &Workload,
    slice: Slice,
    clock: &Clock,
    recording: &RefCell<Recording>,
) -> Result<(), DriveError> {
    let stream = slice.stream * slice.threads as u64 + slice.thread as u64;
    let round = Round {
        due: match workload.load {
            Load::Open { rate, .. } => due_times(workload, stream, rate, slice.threads, slice.length_ns),
            Load::Closed { .. } => Vec::new(),
        },
        next: Cell::new(0),
        stream,
        slice,
        workload,
        clock,
        recording,
    };
    let mut clients: FuturesUnordered<_> = seats.iter_mut().map(|seat| round.client(seat)).collect();
    while let Some(outcome) = clients.next().await {
        outcome?;
    }
    Ok(())
}

struct Round<'r> {
    due: Vec<u64>,
    next: Cell<usize>,
    stream: u64,
    slice: Slice,
    workload: &'r Workload,
    clock: &'r Clock,
    recording: &'r RefCell<Recording>,
}

impl<'r> Round<'r> {
    async fn client(&self, seat: &mut Seat) -> Result<(), DriveError> {
        let mut values: Vec<Value<'r>> = Vec::with_capacity(16);
        let mut arguments: Vec<u8> = Vec::with_capacity(512);
        seat.timer.sleep_until(self.clock, self.slice.start_ns).await?;
        while let Some((number, due)) = self.take() {
            let action = self.workload.action(self.stream, number);
            self.prepare(action, number, &mut values, &mut arguments)?;
            let due = match due {
                Some(due) => {
                    if self.clock.now_ns() < due {
                        seat.timer.sleep_until(self.clock, due).await?;
                        self.recording.borrow_mut().woke(self.clock.now_ns().saturating_sub(due));
                    }
                    due
                }
                None => self.clock.now_ns(),
            };
            let began = self.clock.now_ns();
            if self.slice.start_ns + self.slice.length_ns + self.slice.grace_ns < began {
                self.recording.borrow_mut().skipped(action, due, began);
                continue;
            }
            let outcome = seat.client.run(self.workload, action, &arguments).await;
            let ended = self.clock.now_ns();
            let mut recording = self.recording.borrow_mut();
            match outcome {
                Ok(rows) => recording.answered(action, due, began, ended, rows),
                Err(failure) => recording.failed(action, &failure.class),
            }
        }
        Ok(())
    }

    /// The next operation's number and, in an open loop, when it is due.
    fn take(&self) -> Option<(u64, Option<u64>)> {
        let number = self.next.get();
        match self.workload.load {
            Load::Open { .. } => {
                let due = *self.due.get(number)?;
                self.next.set(number + 1);
                Some((number as u64, Some(self.slice.start_ns + due)))
            }
            Load::Closed { .. } => {
                self.next.set(number + 1);
                let end = self.slice.start_ns + self.slice.length_ns;
                (self.clock.now_ns() < end).then_some((number as u64, None))
            }
        }
    }

    /// Draws and encodes the parameters ahead of the due time, outside what is timed.
    fn prepare(
        &self,
        action: usize,
        number: u64,
        values: &mut Vec<Value<'r>>,
        arguments: &mut Vec<u8>,
    ) -> Result<(), DriveError> {
        self.workload.draw(action, self.stream, number, values);
        arguments.clear();
        let planned = &self.workload.actions[action];
        planned
            .steps
            .iter()
            .try_for_each(|step| step.encode(values, arguments))
            .map_err(|misfit| DriveError::Misfit { action: planned.name.clone(), misfit })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::spec::parse_scenario;
    use crate::units::Seed;

    fn workload(load: &str) -> Workload {
        let text = format!("name = 's'\n[load]\n{load}\n[[action]]\nname = 'x'\nsql = 'SELECT 1'\n");
        let scenario = parse_scenario(&text).unwrap();
        Workload::new(std::slice::from_ref(&scenario), scenario.load, &[vec![vec![vec![]]]], Vec::new(), 0, Seed(1))
    }

    /// Drives a slice of `length` on a paused clock; every operation takes the next of `service_ms`.
    async fn simulate(load: &str, clients: usize, length: Duration, service_ms: &[u64]) -> Recording {
        let workload = workload(load);
        let clock = Clock::start();
        let service: Vec<Duration> = service_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let mut seats: Vec<Seat> = (0..clients)
            .map(|_| Seat { client: Client::Simulated { service: service.clone(), next: 0 }, timer: Timer::Tokio })
            .collect();
        let recording = RefCell::new(Recording::new(1));
        let length_ns = length.as_nanos() as u64;
        let slice = Slice { stream: 1, start_ns: 0, length_ns, grace_ns: length_ns / 2, thread: 0, threads: 1 };
        drive(&mut seats, &workload, slice, &clock, &recording).await.unwrap();
        recording.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_felt_by_every_operation_that_was_due_meanwhile() {
        let mut service = vec![1; 1_000];
        service[20] = 2_000;
        let recording = simulate("rate = 100", 1, Duration::from_secs(5), &service).await;
        let action = &recording.actions[0];
        let late = action.latency.len() - action.latency.count_between(0, 100_000_000);
        assert_eq!(action.service.len() - action.service.count_between(0, 100_000_000), 1, "one slow service");
        assert!((150..=250).contains(&late), "{late} operations were due during the stall");
        action.counts.check();
        assert_eq!(action.counts.skipped, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_in_time_is_counted_and_enters_the_histogram() {
        let recording = simulate("rate = 1000", 1, Duration::from_secs(1), &[10]).await;
        let action = &recording.actions[0];
        action.counts.check();
        assert!(800 < action.counts.skipped, "{:?}", action.counts);
        assert_eq!(action.latency.len(), action.counts.ok + action.counts.skipped);
        // Half of them were due before 0.6 s and were given up at 1.5 s.
        assert!(800_000_000 < action.latency.value_at_quantile(0.5), "{}", action.latency.value_at_quantile(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_asks_again_as_soon_as_it_was_answered() {
        let recording = simulate("clients = 4", 4, Duration::from_secs(1), &[10]).await;
        let counts = recording.actions[0].counts;
        assert!((396..=404).contains(&counts.ok), "{counts:?}");
        assert_eq!(recording.actions[0].lag.max(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn equal_streams_have_equal_arrivals() {
        let workload = workload("rate = 500");
        let due = |stream| due_times(&workload, stream, 500.0, 1, 1_000_000_000);
        assert_eq!(due(7), due(7));
        assert_ne!(due(7), due(8));
        assert!((430..570).contains(&due(7).len()));
    }
}
