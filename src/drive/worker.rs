//! One slice of load on one side, by the clients of one thread. Must behave the same on a simulated clock.
//!
//! Clients take the next due operation from a shared cursor, wait for it if it is ahead, and run it.
//! While a client is free no operation waits, and while none is free operations wait in order: the
//! same as one queue in front of all connections, without a queue.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::arrivals::Arrivals;
use super::backoff::{FIRST_BACKOFF_NS, LONGEST_BACKOFF_NS};
use super::client::Client;
use super::failure::{Failure, MAY_WRITE};
use super::patience::until_over;
use super::perform::{Frame, Operation, perform};
use super::pool::{Pool, Unserved};
use super::recorder::{LogEntry, LogOutcome, Moments, Recording, Slow};
use super::slice::{DriveError, Seat, Slice};
use super::timer::Timer;
use crate::clock::Clock;
use crate::scenario::{Load, Workload};

/// A sleeping client looks this often whether it should stop.
const LONGEST_SLEEP_NS: u64 = 100_000_000;

/// Where arrivals are few, a client wakes this long before its operation is due and waits for the moment awake: waking
/// takes a processor some fifty microseconds, which would be in every latency. At this many arrivals a second for each
/// thread that costs 3 % of a processor (ADR 20).
const LEAD_NS: u64 = 30_000;
const FEW_PER_S: f64 = 1_000.0;

/// A client that is not wanted now looks again after this long.
const IDLE_NS: u64 = 50_000_000;

/// Drives one slice and returns when every operation due in it has an outcome; returns how many there were. An
/// operation that is not answered long after the end has failed.
///
/// # Errors
/// When the driver itself fails; what was recorded so far stays in `recording`.
pub(super) async fn drive(
    seats: &mut [Seat],
    pool: Option<&Pool>,
    workload: &Workload,
    slice: &Slice,
    clock: &Clock,
    recording: &RefCell<Recording>,
) -> Result<u64, DriveError> {
    let round = Round {
        pool,
        arrivals: RefCell::new(Arrivals::new(workload, slice.stream, &slice.shape)),
        taken: Cell::new(0),
        lead_ns: match slice.rules.awake && slice.shape.peak() <= FEW_PER_S * slice.stream.of as f64 {
            true => LEAD_NS,
            false => 0,
        },
        in_flight: Cell::new(0),
        flown_ns: Cell::new(0),
        booked_ns: Cell::new(clock.now_ns()),
        slice,
        workload,
        clock,
        recording,
    };
    let mut clients: FuturesUnordered<_> = seats.iter_mut().map(|seat| round.client(seat)).collect();
    let over = until_over(slice, clock);
    tokio::pin!(over);
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = clients.next() => outcome,
            () = &mut over => None,
        };
        let Some(outcome) = outcome else { break };
        if outcome.is_err() {
            // The other threads' clients need not go on either.
            slice.stop.store(true, Ordering::Relaxed);
        }
        outcome?;
    }
    drop(clients);
    if slice.stop.load(Ordering::Relaxed) {
        round.give_up();
    }
    Ok(round.taken.get())
}

struct Round<'r> {
    pool: Option<&'r Pool>,
    arrivals: RefCell<Arrivals<'r>>,
    taken: Cell<u64>,
    lead_ns: u64,
    /// Operations sent and not answered, how long they were so together since the last answer, and until when that is
    /// known.
    in_flight: Cell<u64>,
    flown_ns: Cell<u64>,
    booked_ns: Cell<u64>,
    slice: &'r Slice,
    workload: &'r Workload,
    clock: &'r Clock,
    recording: &'r RefCell<Recording>,
}

/// An operation a client has turned to.
#[derive(Clone, Copy)]
struct Who {
    /// The client's number.
    number: usize,
    operation: Operation,
    /// A hash of what it sends.
    digest: u64,
    due: u64,
    /// When the client turned to it.
    asked: u64,
}

/// An operation that a client has turned to. Where the client is dropped in the middle of it, it has failed.
struct Asked<'a, 'r> {
    round: &'a Round<'r>,
    who: Who,
    /// When it was sent, once it was.
    began: Option<u64>,
    has_outcome: bool,
}

impl Drop for Asked<'_, '_> {
    fn drop(&mut self) {
        if self.has_outcome {
            return;
        }
        let Self { round, who, began, .. } = self;
        let (now, action) = (round.clock.now_ns(), who.operation.action);
        let sent = began.unwrap_or(now);
        let mut recording = round.recording.borrow_mut();
        if began.is_some() {
            round.book(now, -1);
            recording.sent(action, who.digest, 0, 0);
            recording.in_flight_ns += round.flown_ns.take();
        }
        recording.failed(action, &Failure::unanswered(), now.saturating_sub(sent));
        drop(recording);
        round.log(who, sent, now, LogOutcome::Failed, 0);
    }
}

/// What a client does next.
enum Next {
    /// An operation, due at a moment; without one, at once.
    Operation(u64, Option<u64>),
    /// Nothing for now.
    Idle,
    /// Nothing any more.
    End,
}

impl<'r> Round<'r> {
    async fn client(&self, seat: &mut Seat) -> Result<(), DriveError> {
        let mut frame = Frame::new(seat.number);
        seat.timer.sleep_until(self.clock, self.slice.start_ns).await?;
        loop {
            match self.take(seat.number) {
                Next::Operation(number, due) => self.operation(seat, &mut frame, number, due).await?,
                Next::Idle => seat.timer.sleep_until(self.clock, self.clock.now_ns() + IDLE_NS).await?,
                Next::End => return Ok(()),
            }
        }
    }

    /// Waits for an operation's time, performs and records it.
    async fn operation(
        &self,
        seat: &mut Seat,
        frame: &mut Frame<'r>,
        n: u64,
        due: Option<u64>,
    ) -> Result<(), DriveError> {
        let stream = self.slice.stream;
        let operation = Operation { action: self.workload.action(stream, n), stream, n };
        let action = operation.action;
        frame
            .prepare(self.workload, operation)
            .map_err(|misfit| DriveError::Misfit { action: self.workload.actions[action].name.clone(), misfit })?;
        let digest = frame.digest(operation);
        // Clock readings are few: each is a thing of the timed path.
        let mut asked = self.clock.now_ns();
        let due = due.unwrap_or(asked);
        if asked < due {
            let lead = if seat.timer.is_precise() { self.lead_ns } else { 0 };
            if !self.sleep_until(seat, due.saturating_sub(lead)).await? {
                return Ok(());
            }
            asked = self.clock.now_ns();
            while asked < due {
                // Answers to other clients are taken meanwhile.
                tokio::task::yield_now().await;
                asked = self.clock.now_ns();
            }
            self.recording.borrow_mut().woke(asked.saturating_sub(due));
        }
        let who = Who { number: seat.number, operation, digest, due, asked };
        if self.given_up(&who, asked) {
            return Ok(());
        }
        match (self.pool, &mut seat.client) {
            (None, Some(client)) => self.ask((client, &seat.timer), frame, who).await?,
            (Some(pool), _) => {
                let most_ns = self.latest(due).saturating_sub(asked);
                match pool.lease(most_ns, &self.slice.stop, self.clock, self.recording).await {
                    Ok(mut lease) => self.ask((lease.client(), &seat.timer), frame, who).await?,
                    Err(Unserved::Impatient) => self.gave_up_waiting(&who),
                    Err(Unserved::Over) => {
                        let now = self.clock.now_ns();
                        if !self.given_up(&who, now) {
                            self.unsent(&who, now);
                        }
                    }
                }
            }
            (None, None) => unreachable!("a client without a pool has connections"),
        }
        if let Some(think) = &self.workload.actions[action].think {
            let micros = self.workload.wait_us(action, think, u64::MAX, stream, n);
            let until = (self.clock.now_ns() + micros * 1_000).min(self.end());
            self.sleep_until(seat, until).await?;
        }
        Ok(())
    }

    /// The latest moment at which an operation may still be sent.
    fn latest(&self, due: u64) -> u64 {
        let skip_after = self.slice.rules.skip_after_ns.unwrap_or(u64::MAX);
        due.saturating_add(skip_after).min(self.end().saturating_add(self.slice.grace_ns))
    }

    /// Records an operation that may not be sent any more; false when it may.
    fn given_up(&self, who: &Who, now: u64) -> bool {
        if now <= self.latest(who.due) {
            return false;
        }
        let skip_after = self.slice.rules.skip_after_ns.unwrap_or(u64::MAX);
        if skip_after < now - who.due.min(now) {
            self.recording.borrow_mut().skipped(who.operation.action, who.due, now);
            self.log(who, now, now, LogOutcome::Skipped, 0);
            return true;
        }
        self.unsent(who, now);
        true
    }

    /// Records an operation that was not sent by the end.
    fn unsent(&self, who: &Who, now: u64) {
        self.recording.borrow_mut().unsent(who.operation.action, who.due, now);
        self.log(who, now, now, LogOutcome::Skipped, 0);
    }

    /// Records an operation whose client lost its patience with the pool. Its wait was at least so long.
    fn gave_up_waiting(&self, who: &Who) {
        let now = self.clock.now_ns();
        let mut recording = self.recording.borrow_mut();
        recording.waited(now.saturating_sub(who.asked));
        recording.pool.timeouts += 1;
        recording.failed(who.operation.action, &Failure::pool(), 0);
        drop(recording);
        self.log(who, now, now, LogOutcome::Failed, 0);
    }

    /// Adds up what was in flight since the last call.
    fn book(&self, now: u64, change: i64) {
        let passed = now.saturating_sub(self.booked_ns.replace(now));
        let flying = self.in_flight.get();
        self.flown_ns.set(self.flown_ns.get() + passed * flying);
        self.in_flight.set(flying.saturating_add_signed(change));
    }

    /// Sends a prepared operation on a connection and records what became of it.
    async fn ask(
        &self,
        (client, timer): (&mut Client, &Timer),
        frame: &mut Frame<'r>,
        mut who: Who,
    ) -> Result<(), DriveError> {
        let action = who.operation.action;
        let mut began = if self.pool.is_some() { self.clock.now_ns() } else { who.asked };
        let mut asked = Asked { round: self, who, began: None, has_outcome: false };
        if !client.is_fit() {
            if !self.reconnect(client, timer).await? {
                let ended = self.clock.now_ns();
                asked.has_outcome = true;
                let failure = Failure::connection("no new connection could be made");
                self.recording.borrow_mut().failed(action, &failure, 0);
                self.log(&who, ended, ended, LogOutcome::Failed, 0);
                return Ok(());
            }
            began = self.clock.now_ns();
            if self.given_up(&who, began) {
                asked.has_outcome = true;
                return Ok(());
            }
        }
        if self.pool.is_some() {
            self.recording.borrow_mut().waited(began.saturating_sub(who.asked));
        } else {
            // Until a new connection was there, nothing could be sent: that is lag, not service.
            who.asked = began;
        }
        self.book(began, 1);
        asked.began = Some(began);
        client.begin();
        let tries = 1 + self.slice.rules.more_tries;
        let outcome = perform(client, self.workload, who.operation, frame, (timer, self.clock), tries).await;
        client.end();
        asked.has_outcome = true;
        let ended = self.clock.now_ns();
        self.book(ended, -1);
        let at = Moments { due: who.due, asked: who.asked, began, ended };
        let mut recording = self.recording.borrow_mut();
        recording.sent(action, who.digest, outcome.retries, outcome.misses);
        recording.reconnects += client.take_reconnects();
        recording.in_flight_ns += self.flown_ns.take();
        let rules = &self.slice.rules;
        let over = |limit: Option<u64>, took: u64| limit.is_some_and(|limit| limit < took);
        match &outcome.result {
            Ok(rows) => {
                recording.answered(action, at, *rows, over(rules.late_after_ns, ended.saturating_sub(who.due)));
                if over(rules.slow_after_ns, ended - began) {
                    recording.slow(Slow { service_ns: ended - began, operation: who.operation, began_ns: began });
                }
            }
            Err(failure) => recording.failed(action, failure, ended - began),
        }
        drop(recording);
        if outcome.result.as_ref().is_err_and(|failure| failure.class == MAY_WRITE) {
            return Err(DriveError::MayWrite(self.workload.actions[action].name.clone()));
        }
        let became = outcome.result.as_ref().map_or_else(LogOutcome::from, |_| LogOutcome::Ok);
        self.log(&who, began, ended, became, outcome.retries);
        Ok(())
    }

    /// Keeps an operation for the log of transactions, when one was asked for.
    fn log(&self, who: &Who, began: u64, ended: u64, outcome: LogOutcome, retries: u32) {
        if self.slice.rules.log {
            let at = Moments { due: who.due, asked: who.asked, began, ended };
            let (client, action) = (who.number, who.operation.action);
            self.recording.borrow_mut().log.push(LogEntry { client, action, at, outcome, retries });
        }
    }

    /// Sleeps, but not past the moment at which the slice is stopped; false when it was.
    async fn sleep_until(&self, seat: &Seat, at_ns: u64) -> Result<bool, DriveError> {
        loop {
            let now = self.clock.now_ns();
            if self.slice.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            if at_ns <= now {
                return Ok(true);
            }
            seat.timer.sleep_until(self.clock, at_ns.min(now + LONGEST_SLEEP_NS)).await?;
        }
    }

    /// What was due when the slice was stopped, and no client had come to, was offered too.
    fn give_up(&self) {
        if !matches!(self.workload.load, Load::Open { .. }) {
            return;
        }
        let now = self.clock.now_ns();
        let mut arrivals = self.arrivals.borrow_mut();
        while let Some((number, due)) = arrivals.next().filter(|(_, due)| *due < self.slice.length_ns) {
            let due = self.slice.start_ns + due;
            if now <= due {
                return;
            }
            let action = self.workload.action(self.slice.stream, number);
            self.recording.borrow_mut().unsent(action, due, now);
        }
    }

    /// Reopens a lost connection, waiting longer after each refusal; false when the slice has ended.
    async fn reconnect(&self, client: &mut Client, timer: &Timer) -> Result<bool, DriveError> {
        let mut backoff = FIRST_BACKOFF_NS;
        let began = self.clock.now_ns();
        loop {
            if client.reconnect(self.workload).await.is_ok() {
                self.recording.borrow_mut().reconnects += 1;
                return Ok(true);
            }
            if self.is_over() {
                return Ok(false);
            }
            let waited = self.clock.now_ns() - began;
            if self.slice.rules.reconnect_within_ns.is_some_and(|limit| waited > limit) {
                self.recording.borrow_mut().gave_up = true;
                self.slice.stop.store(true, Ordering::Relaxed);
                return Ok(false);
            }
            timer.sleep_until(self.clock, self.clock.now_ns() + backoff).await?;
            backoff = (backoff * 2).min(LONGEST_BACKOFF_NS);
        }
    }

    fn end(&self) -> u64 {
        self.slice.start_ns.saturating_add(self.slice.length_ns)
    }

    fn is_over(&self) -> bool {
        self.end() <= self.clock.now_ns() || self.slice.stop.load(Ordering::Relaxed)
    }

    /// The next operation's number and, in an open loop, when it is due.
    fn take(&self, client: usize) -> Next {
        if self.slice.stop.load(Ordering::Relaxed) || self.slice.most.is_some_and(|most| most <= self.taken.get()) {
            return Next::End;
        }
        let next = match self.workload.load {
            Load::Open { .. } => match self.arrivals.borrow_mut().next() {
                Some((number, due)) if due < self.slice.length_ns => {
                    Next::Operation(number, Some(self.slice.start_ns + due))
                }
                _ => return Next::End,
            },
            Load::Closed { .. } => {
                let now = self.clock.now_ns();
                if self.end() <= now {
                    return Next::End;
                }
                let level = self.slice.shape.level(now.saturating_sub(self.slice.start_ns) as f64 / 1e9);
                if level <= client as f64 {
                    return Next::Idle;
                }
                Next::Operation(self.taken.get(), None)
            }
        };
        self.taken.set(self.taken.get() + 1);
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::drive::slice::Rules;
    use crate::scenario::Stream;
    use crate::scenario::shape::Shape;
    use crate::scenario::spec::parse_scenario;
    use crate::scenario::workload::{BoundStep, Setting};

    fn workload(load: &str) -> Workload {
        let text = format!("name = 's'\n[load]\n{load}\n[[action]]\nname = 'x'\nsql = 'SELECT 1'\n");
        let scenario = parse_scenario(&text).unwrap();
        let bound = vec![vec![vec![BoundStep::default()]]];
        Workload::new(std::slice::from_ref(&scenario), Setting::plain(scenario.load, &bound))
    }

    /// Drives a slice of `length` on a paused clock; every operation takes the next of `service_ms`.
    async fn simulate(load: &str, clients: usize, length: Duration, service_ms: &[u64]) -> Recording {
        let workload = workload(load);
        let clock = Clock::start();
        let service: Vec<Duration> = service_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let mut seats: Vec<Seat> = (0..clients)
            .map(|number| Seat { client: Some(Client::simulated(service.clone())), timer: Timer::Tokio, number })
            .collect();
        let recording = RefCell::new(Recording::new(1));
        let length_ns = length.as_nanos() as u64;
        let shape = Arc::new(Shape::steady(workload.load.level(), length.as_secs_f64()));
        let slice = Slice {
            stream: Stream::lane(1, 0, 1),
            start_ns: 0,
            length_ns,
            grace_ns: length_ns / 2,
            shape,
            most: None,
            rules: Rules::default(),
            stop: Arc::default(),
        };
        drive(&mut seats, None, &workload, &slice, &clock, &recording).await.unwrap();
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
        assert_eq!((action.counts.skipped, action.counts.unsent), (0, 0));
        let ms = |histogram: &hdrhistogram::Histogram<u64>| {
            let at = |q: f64| histogram.value_at_quantile(q) as f64 / 1e6;
            format!(
                "p10 {:6.1}  p50 {:6.1}  p90 {:6.1}  p99 {:6.1}  max {:6.1}",
                at(0.1),
                at(0.5),
                at(0.9),
                at(0.99),
                at(1.0)
            )
        };
        let table =
            format!("latency {}\nservice {}\nlag     {}", ms(&action.latency), ms(&action.service), ms(&action.lag));
        insta::assert_snapshot!(table, @r"
        latency p10    1.2  p50    1.9  p90 1511.0  p99 1867.5  max 2001.7
        service p10    1.0  p50    1.0  p90    1.0  p99    1.0  max 2000.7
        lag     p10    0.2  p50    0.9  p90 1509.9  p99 1865.4  max 1964.0
        ");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_in_time_is_counted_and_enters_the_histogram() {
        let recording = simulate("rate = 1000", 1, Duration::from_secs(1), &[10]).await;
        let action = &recording.actions[0];
        action.counts.check();
        assert!(800 < action.counts.unsent, "{:?}", action.counts);
        assert_eq!(action.latency.len(), action.counts.ok + action.counts.unsent);
        // Half of them were due before 0.6 s and were given up at 1.5 s.
        assert!(800_000_000 < action.latency.value_at_quantile(0.5), "{}", action.latency.value_at_quantile(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_does_not_hold_up_the_end() {
        let day = 86_400_000;
        let recording = simulate("rate = 10", 2, Duration::from_secs(1), &[1, 1, day]).await;
        let (action, failures) = (&recording.actions[0], &recording.failures);
        action.counts.check();
        // Each of the two clients meets it at its third operation.
        assert_eq!((action.counts.ok, action.counts.failed), (4, 2), "{:?}", action.counts);
        assert_eq!(failures["connection"].count, 2);
        let waited_s = recording.failed_ns as f64 / 2e9;
        assert!((60.0..62.0).contains(&waited_s), "{waited_s}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_a_load_early_waits_a_second_for_answers() {
        let workload = workload("clients = 2");
        let clock = Clock::start();
        let client = |number, ms| Seat {
            client: Some(Client::simulated(vec![Duration::from_millis(ms)])),
            timer: Timer::Tokio,
            number,
        };
        let mut seats = [client(0, 5_600), client(1, 86_400_000)];
        let (recording, stop) = (RefCell::new(Recording::new(1)), Arc::new(AtomicBool::new(false)));
        let slice = Slice {
            stream: Stream::lane(1, 0, 1),
            start_ns: 0,
            length_ns: 3_600_000_000_000,
            grace_ns: 0,
            shape: Arc::new(Shape::steady(2.0, 3_600.0)),
            most: None,
            rules: Rules::default(),
            stop: Arc::clone(&stop),
        };
        let stopper = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.store(true, Ordering::Relaxed);
        };
        let driven = drive(&mut seats, None, &workload, &slice, &clock, &recording);
        let (driven, ()) = tokio::join!(driven, stopper);
        assert_eq!(driven.unwrap(), 2);
        let counts = recording.borrow().actions[0].counts;
        assert_eq!((counts.ok, counts.failed), (1, 1), "one answers within the second");
        assert!(clock.now_ns() < 6_500_000_000, "{}", clock.now_ns());
        assert!(seats[0].client.as_ref().unwrap().is_fit() && !seats[1].client.as_ref().unwrap().is_fit());
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
        let due = |part| -> Vec<(u64, u64)> {
            Arrivals::new(&workload, Stream::lane(part, 0, 1), &Shape::steady(500.0, 1.0)).collect()
        };
        assert_eq!(due(7), due(7));
        assert_ne!(due(7), due(8));
        assert!((430..570).contains(&due(7).len()));
    }
}
