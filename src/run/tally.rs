//! The books of a run: what its threads hand over, interval by interval, and what it adds up to.
//!
//! Must lose nothing: the sum of the intervals is the run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::lag::LagWatch;
use super::watch::Watch;
use crate::drive::Recording;
use crate::drive::crew::{Interval, PoolSize};
use crate::drive::recorder::PoolRecording;
use crate::evidence::run::{ActionResult, FailureFacts, IntervalFacts, Quantiles};
use crate::evidence::view::PoolFacts;
use crate::scenario::Workload;
use crate::stats::histogram::empty;

/// Shares of an interval shorter than this say nothing.
const SHORT_S: f64 = 0.2;

/// The books.
pub(super) struct Tally {
    names: Vec<(String, f64)>,
    threads: usize,
    /// Intervals that not every thread has handed over yet.
    open: BTreeMap<u64, (Recording, usize)>,
    /// The sum of all closed intervals.
    pub(super) total: Recording,
    /// Every closed interval.
    pub(super) intervals: Vec<IntervalFacts>,
    closed_s: f64,
    size: Option<PoolSize>,
    /// Who looks at the server.
    pub(super) watch: Option<Watch>,
    /// Who looks at the replicas.
    pub(super) lag: LagWatch,
}

impl Tally {
    /// Empty books of a workload driven by this many threads.
    #[must_use]
    pub(super) fn new(
        workload: &Workload,
        threads: usize,
        size: Option<PoolSize>,
        watch: Option<Watch>,
        lag: LagWatch,
    ) -> Self {
        let names: Vec<(String, f64)> = workload.actions.iter().map(|a| (a.name.clone(), a.share)).collect();
        let total = Recording::new(names.len());
        let (open, intervals) = (BTreeMap::new(), Vec::new());
        Self { names, threads, open, total, intervals, closed_s: 0.0, size, watch, lag }
    }

    /// Takes what a thread hands over; returns the interval when it was the last thread's.
    pub(super) fn take(&mut self, interval: Interval) -> Option<Recording> {
        let Interval { number, recording } = interval;
        let (sum, threads) = self.open.entry(number).or_insert_with(|| (Recording::new(self.names.len()), 0));
        sum.merge(&recording);
        *threads += 1;
        if *threads < self.threads {
            return None;
        }
        let (sum, _) = self.open.remove(&number)?;
        Some(self.close(sum))
    }

    /// The intervals that some threads never came to, because they ended before.
    pub(super) fn rest(&mut self) -> Vec<Recording> {
        let open = std::mem::take(&mut self.open);
        open.into_values().map(|(sum, _)| self.close(sum)).collect()
    }

    fn close(&mut self, mut recording: Recording) -> Recording {
        let counts = recording.counts();
        let length_s = recording.elapsed_ns as f64 / 1e9;
        let mut latency = empty();
        for action in &recording.actions {
            latency.add(&action.latency).expect("all histograms have the same bounds");
        }
        self.intervals.push(IntervalFacts {
            at_s: self.closed_s,
            length_s,
            due: counts.due,
            ok: counts.ok,
            failed: counts.failed,
            skipped: counts.skipped,
            unsent: counts.unsent,
            retries: counts.retries,
            latency: Quantiles::of(&latency),
            reconnects: recording.reconnects,
            driver_cpu_share_max: recording.cpu_share_max,
            server: self.watch.as_mut().and_then(Watch::sample),
            pool: self.size.map(|size| pool_facts(size, &recording.pool, recording.elapsed_ns)),
            replica_lag_us_max: self.lag.latest_us(),
        });
        self.closed_s += length_s;
        let (elapsed, busiest, waiting) =
            (self.total.elapsed_ns, self.total.cpu_share_max, self.total.pool.waiting_max);
        // The log of operations is written interval by interval; all of it would not fit into memory.
        let log = std::mem::take(&mut recording.log);
        self.total.merge(&recording);
        recording.log = log;
        // Threads run side by side, intervals one after another.
        self.total.elapsed_ns = elapsed + recording.elapsed_ns;
        self.total.pool.waiting_max = waiting.max(recording.pool.waiting_max);
        // The last interval may be a moment in which a thread does nothing but end.
        if length_s < SHORT_S {
            self.total.cpu_share_max = busiest;
        }
        recording
    }

    /// Seconds of the closed intervals.
    #[must_use]
    pub(super) fn seconds(&self) -> f64 {
        self.closed_s
    }

    /// The results of every action over a recording of this many seconds.
    #[must_use]
    pub(super) fn results(&self, recording: &Recording, seconds: f64) -> Vec<ActionResult> {
        let of = |((name, share), action): (&(String, f64), &crate::drive::recorder::ActionRecording)| {
            result(name, *share, action.counts, seconds, [&action.latency, &action.service, &action.lag])
        };
        self.names.iter().zip(&recording.actions).map(of).collect()
    }

    /// The result of all actions together.
    #[must_use]
    pub(super) fn all(&self, recording: &Recording, seconds: f64) -> ActionResult {
        let mut sums = [empty(), empty(), empty()];
        for action in &recording.actions {
            for (sum, part) in sums.iter_mut().zip([&action.latency, &action.service, &action.lag]) {
                sum.add(part).expect("all histograms have the same bounds");
            }
        }
        let [latency, service, lag] = &sums;
        result("all", 1.0, recording.counts(), seconds, [latency, service, lag])
    }

    /// The pool so far, where there is one.
    #[must_use]
    pub(super) fn pool(&self) -> Option<PoolFacts> {
        self.size.map(|size| pool_facts(size, &self.total.pool, self.total.elapsed_ns))
    }

    /// The failures so far.
    #[must_use]
    pub(super) fn failures(&self) -> BTreeMap<String, FailureFacts> {
        let facts = |seen: &crate::drive::recorder::Seen| FailureFacts { count: seen.count, texts: seen.texts.clone() };
        self.total.failures.iter().map(|(class, seen)| (class.clone(), facts(seen))).collect()
    }
}

fn pool_facts(size: PoolSize, recorded: &PoolRecording, elapsed_ns: u64) -> PoolFacts {
    let in_use_mean = recorded.in_use_ns as f64 / elapsed_ns.max(1) as f64;
    PoolFacts {
        connections: size.connections as u32,
        wait: Quantiles::of(&recorded.wait),
        timeouts: recorded.timeouts,
        in_use_mean,
        idle_mean: (size.connections as f64 - in_use_mean).max(0.0),
        waiting_max: recorded.waiting_max,
    }
}

fn result(
    name: &str,
    share: f64,
    counts: crate::drive::Counts,
    seconds: f64,
    [latency, service, lag]: [&Histogram<u64>; 3],
) -> ActionResult {
    let crate::drive::Counts { due, skipped, unsent, ok, failed, rows, retries, late, misses, slow } = counts;
    ActionResult {
        name: name.to_owned(),
        share,
        due,
        skipped,
        unsent,
        ok,
        failed,
        rows,
        retries,
        late,
        misses,
        slow,
        rate_per_s: ok as f64 / seconds.max(1e-9),
        latency: Quantiles::of(latency),
        service: Quantiles::of(service),
        lag: Quantiles::of(lag),
    }
}
