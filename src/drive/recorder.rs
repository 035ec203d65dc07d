//! What one thread saw on one side: histograms and counts. Must be plain memory: no lock, no atomics.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::failure::Failure;
use super::perform::Operation;
use crate::stats::histogram::{LARGEST_NS, empty};

/// How many operations there were. Always due = skipped + unsent + ok + failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrived by schedule (closed loop: asked).
    pub due: u64,
    /// Given up, because it could not be sent within the time the load allows for that.
    pub skipped: u64,
    /// Never sent, because the slice or run and its grace had passed.
    pub unsent: u64,
    /// Answered.
    pub ok: u64,
    /// Answered with an error, or lost.
    pub failed: u64,
    /// Rows returned or changed by the answered ones.
    pub rows: u64,
    /// Tries after the first one, of all of them.
    pub retries: u64,
    /// Answered, but later than the load's limit.
    pub late: u64,
    /// Answers of a replica that did not hold yet what the same operation had just written.
    pub misses: u64,
    /// Answered, but served slower than the run's limit for that.
    pub slow: u64,
}

impl Counts {
    /// Those that were sent.
    #[must_use]
    pub fn sent(self) -> u64 {
        self.ok + self.failed
    }

    /// Adds another count; a new field breaks the build here.
    pub fn add(&mut self, other: Self) {
        let Self { due, skipped, unsent, ok, failed, rows, retries, late, misses, slow } = other;
        self.due += due;
        self.skipped += skipped;
        self.unsent += unsent;
        self.ok += ok;
        self.failed += failed;
        self.rows += rows;
        self.retries += retries;
        self.late += late;
        self.misses += misses;
        self.slow += slow;
        self.check();
    }

    /// Asserts the accounting identity.
    ///
    /// # Panics
    /// When an operation was lost or counted twice: a bug here, never a measurement.
    pub fn check(&self) {
        assert_eq!(self.due, self.skipped + self.unsent + self.ok + self.failed, "every due operation has one outcome");
    }
}

/// One action's recording.
#[derive(Debug, Clone)]
pub struct ActionRecording {
    /// From the intended start to the answer: what a user feels. Those never sent enter with the
    /// time they had waited when they were given up, a lower bound.
    pub latency: Histogram<u64>,
    /// From the actual start to the answer.
    pub service: Histogram<u64>,
    /// From the intended start to the moment a client turned to it.
    pub lag: Histogram<u64>,
    /// How many.
    pub counts: Counts,
}

/// What was seen on one side during one chunk.
#[derive(Debug, Clone)]
pub struct Recording {
    /// By position in the workload.
    pub actions: Vec<ActionRecording>,
    /// Failed operations by class.
    pub failures: BTreeMap<String, Seen>,
    /// Sum over all sent operations of a hash of what was sent: equal streams give equal sums, in any order.
    pub digest: u64,
    /// How often a lost connection was reopened.
    pub reconnects: u64,
    /// A lost connection could not be made again within the rules' limit, which ended the slice.
    pub gave_up: bool,
    /// Processor time of the driver's threads, in nanoseconds.
    pub cpu_ns: u64,
    /// How late the timer woke clients that were waiting: the driver's own fault, never the server's.
    pub timer_lag: Histogram<u64>,
    /// Busiest driver thread, as a share of one processor over the slices of this side.
    pub cpu_share_max: f64,
    /// Sum of the slices' lengths including their drains, in nanoseconds.
    pub elapsed_ns: u64,
    /// Operations in flight, over time: counted when one is sent and when it has an outcome, apart from the histograms.
    pub in_flight_ns: u64,
    /// Time from sending to the outcome of those that failed, which no histogram holds.
    pub failed_ns: u64,
    /// How fast answers came, over all actions.
    pub pace: Pace,
    /// What was due before this moment of the driver's clock is early in its slice.
    pub early_until_ns: u64,
    /// What waiting for a connection of the pool took, where there is one.
    pub pool: PoolRecording,
    /// The slowest operations over the run's limit.
    pub slowest: Vec<Slow>,
    /// Every operation, when a log was asked for.
    pub log: Vec<LogEntry>,
}

/// Answers and their service times, those at the beginning of a slice apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Answers.
    pub answers: u64,
    /// Their service times together.
    pub service_ns: u64,
    /// Answers to what was due early.
    pub early: u64,
    /// Their service times together.
    pub early_ns: u64,
}

impl Pace {
    /// Adds another pace.
    pub fn add(&mut self, other: Self) {
        let Self { answers, service_ns, early, early_ns } = other;
        self.answers += answers;
        self.service_ns += service_ns;
        self.early += early;
        self.early_ns += early_ns;
    }
}

/// What clients saw of a pool of connections.
#[derive(Debug, Clone)]
pub struct PoolRecording {
    /// How long they waited for a connection.
    pub wait: Histogram<u64>,
    /// How often they gave up.
    pub timeouts: u64,
    /// Connections in use, over time.
    pub in_use_ns: u64,
    /// Most clients that waited at a time.
    pub waiting_max: u64,
}

impl PoolRecording {
    /// This many clients wait now.
    pub fn waiting(&mut self, clients: u64) {
        self.waiting_max = self.waiting_max.max(clients);
    }
}

/// An operation that took long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// From sending to the answer, in nanoseconds.
    pub service_ns: u64,
    /// Which: it can be drawn again.
    pub operation: Operation,
    /// When it was sent, in nanoseconds of the driver's clock.
    pub began_ns: u64,
}

/// An operation as the log of transactions has it.
#[derive(Debug, Clone, Copy)]
pub struct LogEntry {
    /// The client's number.
    pub client: usize,
    /// Position of the action.
    pub action: usize,
    /// When it was due, sent and ended.
    pub at: Moments,
    /// What became of it.
    pub outcome: LogOutcome,
    /// Tries after the first.
    pub retries: u32,
}

/// What became of an operation in the log of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOutcome {
    /// Answered.
    Ok,
    /// Never sent.
    Skipped,
    /// A serialization failure.
    Serialization,
    /// A deadlock.
    Deadlock,
    /// Another failure.
    Failed,
}

impl From<&Failure> for LogOutcome {
    fn from(failure: &Failure) -> Self {
        match failure.class.as_str() {
            "40001" => Self::Serialization,
            "40P01" => Self::Deadlock,
            _ => Self::Failed,
        }
    }
}

/// Slow operations that are kept: the slowest of them.
pub const MOST_SLOW: usize = 20;

/// Failures of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// The first different texts, without user data.
    pub texts: Vec<String>,
}

/// Texts kept of a class.
const MOST_TEXTS: usize = 3;

impl Seen {
    fn add(&mut self, count: u64, text: &str) {
        self.count += count;
        if self.texts.len() < MOST_TEXTS && !self.texts.iter().any(|known| known == text) {
            self.texts.push(text.to_owned());
        }
    }
}

/// Moments of an operation, in nanoseconds of one clock.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// When it was due.
    pub due: u64,
    /// When a client turned to it; with a pool it asks for a connection then.
    pub asked: u64,
    /// When it was sent.
    pub began: u64,
    /// When it was answered.
    pub ended: u64,
}

impl Recording {
    /// An empty recording for this many actions.
    #[must_use]
    pub fn new(actions: usize) -> Self {
        let action = || ActionRecording { latency: empty(), service: empty(), lag: empty(), counts: Counts::default() };
        Self {
            actions: std::iter::repeat_with(action).take(actions).collect(),
            failures: BTreeMap::new(),
            digest: 0,
            reconnects: 0,
            gave_up: false,
            cpu_ns: 0,
            timer_lag: empty(),
            cpu_share_max: 0.0,
            elapsed_ns: 0,
            in_flight_ns: 0,
            failed_ns: 0,
            pace: Pace::default(),
            early_until_ns: 0,
            pool: PoolRecording { wait: empty(), timeouts: 0, in_use_ns: 0, waiting_max: 0 },
            slowest: Vec::new(),
            log: Vec::new(),
        }
    }

    /// An answered operation; `late` by the load's own limit.
    pub fn answered(&mut self, action: usize, at: Moments, rows: u64, late: bool) {
        let service_ns = at.ended.saturating_sub(at.began);
        self.pace.answers += 1;
        self.pace.service_ns += service_ns;
        if at.due < self.early_until_ns {
            self.pace.early += 1;
            self.pace.early_ns += service_ns;
        }
        let action = &mut self.actions[action];
        action.counts.due += 1;
        action.counts.ok += 1;
        action.counts.rows += rows;
        action.counts.late += u64::from(late);
        put(&mut action.latency, at.ended.saturating_sub(at.due));
        put(&mut action.service, service_ns);
        put(&mut action.lag, at.asked.saturating_sub(at.due));
    }

    /// An answered operation was served slower than the run's limit.
    pub fn slow(&mut self, slow: Slow) {
        self.actions[slow.operation.action].counts.slow += 1;
        self.keep_slow(slow);
    }

    fn keep_slow(&mut self, slow: Slow) {
        self.slowest.push(slow);
        self.slowest.sort_by_key(|slow| std::cmp::Reverse(slow.service_ns));
        self.slowest.truncate(MOST_SLOW);
    }

    /// An operation that failed, and how long it had been under way. Its time is not a latency: a fast error is not a
    /// fast answer.
    pub fn failed(&mut self, action: usize, failure: &Failure, took_ns: u64) {
        self.failed_ns += took_ns;
        let counts = &mut self.actions[action].counts;
        counts.due += 1;
        counts.failed += 1;
        match self.failures.get_mut(&failure.class) {
            Some(seen) => seen.add(1, &failure.text),
            None => {
                let mut seen = Seen::default();
                seen.add(1, &failure.text);
                self.failures.insert(failure.class.clone(), seen);
            }
        }
    }

    /// An operation that was sent, with a hash of what; its outcome is recorded apart.
    pub fn sent(&mut self, action: usize, digest: u64, retries: u32, misses: u32) {
        self.digest = self.digest.wrapping_add(digest);
        let counts = &mut self.actions[action].counts;
        counts.retries += u64::from(retries);
        counts.misses += u64::from(misses);
    }

    /// A client waited so long for a connection of the pool.
    pub fn waited(&mut self, nanos: u64) {
        put(&mut self.pool.wait, nanos);
    }

    /// An operation given up at `now` without being sent, by the load's own limit.
    pub fn skipped(&mut self, action: usize, due: u64, now: u64) {
        self.actions[action].counts.skipped += 1;
        self.never_sent(action, due, now);
    }

    /// An operation that was not sent by `now`, when the slice or run and its grace had passed.
    pub fn unsent(&mut self, action: usize, due: u64, now: u64) {
        self.actions[action].counts.unsent += 1;
        self.never_sent(action, due, now);
    }

    fn never_sent(&mut self, action: usize, due: u64, now: u64) {
        let action = &mut self.actions[action];
        action.counts.due += 1;
        put(&mut action.latency, now.saturating_sub(due));
    }

    /// The timer woke a waiting client this late.
    pub fn woke(&mut self, late_ns: u64) {
        put(&mut self.timer_lag, late_ns);
    }

    /// Adds another thread's recording of the same slices.
    pub fn merge(&mut self, other: &Self) {
        let Self { actions, failures, digest, reconnects, cpu_ns, timer_lag, cpu_share_max, elapsed_ns, .. } = other;
        let Self { in_flight_ns, failed_ns, pace, pool, slowest, log, .. } = other;
        self.pace.add(*pace);
        self.cpu_ns += cpu_ns;
        self.in_flight_ns += in_flight_ns;
        self.failed_ns += failed_ns;
        merge(&mut self.pool.wait, &pool.wait);
        self.pool.timeouts += pool.timeouts;
        self.pool.in_use_ns += pool.in_use_ns;
        self.pool.waiting_max += pool.waiting_max;
        slowest.iter().for_each(|slow| self.keep_slow(*slow));
        self.log.extend_from_slice(log);
        for (mine, theirs) in self.actions.iter_mut().zip(actions) {
            let ActionRecording { latency, service, lag, counts } = theirs;
            merge(&mut mine.latency, latency);
            merge(&mut mine.service, service);
            merge(&mut mine.lag, lag);
            mine.counts.add(*counts);
        }
        for (class, theirs) in failures {
            let mine = self.failures.entry(class.clone()).or_default();
            mine.count += theirs.count;
            theirs.texts.iter().for_each(|text| mine.add(0, text));
        }
        self.digest = self.digest.wrapping_add(*digest);
        self.reconnects += reconnects;
        self.gave_up |= other.gave_up;
        merge(&mut self.timer_lag, timer_lag);
        self.cpu_share_max = self.cpu_share_max.max(*cpu_share_max);
        self.elapsed_ns = self.elapsed_ns.max(*elapsed_ns);
    }

    /// Little's law: operations in flight on average, and what throughput times time in service makes them. The first
    /// comes from a sum kept beside the histograms, the second from the histograms.
    #[must_use]
    pub fn in_flight(&self) -> (f64, f64) {
        let elapsed = self.elapsed_ns.max(1) as f64;
        let served: f64 = self.actions.iter().map(|a| a.service.mean() * a.service.len() as f64).sum();
        (self.in_flight_ns as f64 / elapsed, (served + self.failed_ns as f64) / elapsed)
    }

    /// The counts of all actions together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for action in &self.actions {
            sum.add(action.counts);
        }
        sum
    }
}

fn put(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.clamp(1, LARGEST_NS));
}

fn merge(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    into.add(from).expect("all histograms have the same bounds");
}
