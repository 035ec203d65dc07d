//! Results of several machines that drove parts of one load, added up exactly. Must measure nothing and guess nothing.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::judge::{self, Figures};
use crate::diagnostic::Advice;
use crate::drive::recorder::MOST_SLOW;
use crate::evidence::interval_log::{Interval, POOL_TAG};
use crate::evidence::run::{ActionResult, Ended, InFlight, IntervalFacts, Quantiles, RunCheck, RunEvidence};
use crate::evidence::view::{PoolFacts, ReplicaFacts};
use crate::evidence::{LoadFacts, TimerLag};
use crate::scenario::gate::Gate;
use crate::stats::histogram::empty;

/// Parts that ran side by side for less of the shortest one's time are not one load.
const OVERLAP_LEAST: f64 = 0.5;

/// One machine's part: what its folder holds.
pub struct Part {
    /// `run.json`.
    pub run: RunEvidence,
    /// `intervals.hlog`.
    pub log: Vec<Interval>,
}

/// Why parts are not one run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MergeError {
    /// They were asked for different things.
    #[error("the results are not parts of one run: {what} differs ({first} and {other})")]
    Different {
        /// What.
        what: &'static str,
        /// In the first result.
        first: String,
        /// In another.
        other: String,
    },
    /// A part is missing, or there twice.
    #[error("of {all} parts these are here: {here}")]
    Parts {
        /// How many there should be.
        all: u32,
        /// Which are here.
        here: String,
    },
    /// One of them looked for a rate of its own.
    #[error("part {part} was looking for a rate, which is not that of the other machines")]
    Search {
        /// Which part.
        part: u32,
    },
    /// They did not run at the same time.
    #[error("the parts ran side by side for only {percent} % of their time, so their rates do not add up")]
    Apart {
        /// Of the shortest part, how much.
        percent: u32,
    },
    /// A log does not hold what its `run.json` says.
    #[error("intervals.hlog of part {part} holds {found} answers of `{action}`, run.json says {expected}")]
    Incomplete {
        /// Which part.
        part: u32,
        /// The action.
        action: String,
        /// In the log.
        found: u64,
        /// In the document.
        expected: u64,
    },
}

impl Advice for MergeError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Different { .. } => {
                "give every machine the same scenario, seed and load, and --shard I/N of its own".to_owned()
            }
            Self::Parts { .. } => "name the result of every part once".to_owned(),
            Self::Search { .. } => "run all of them at one --rate, without --find-rate".to_owned(),
            Self::Apart { .. } => "start all machines at once".to_owned(),
            _ => return None,
        })
    }
}

/// Adds parts up: counts and histograms exactly, gates judged again over the whole.
///
/// # Errors
/// When they do not belong together.
pub fn merge(parts: &[Part]) -> Result<RunEvidence, MergeError> {
    belong_together(parts)?;
    let first = &parts[0].run;
    let measured_s = parts.iter().map(|part| part.run.measured_s).fold(0.0, f64::max);
    let mut actions = Vec::new();
    let mut sums = [empty(), empty(), empty()];
    for action in &first.actions {
        let histograms = ["", ":service", ":lag"].map(|kind| total(parts, &format!("{}{kind}", action.name)));
        complete(parts, &action.name)?;
        for (sum, histogram) in sums.iter_mut().zip(&histograms) {
            sum.add(histogram).expect("all histograms have the same bounds");
        }
        let of = |part: &'_ Part| part.run.actions.iter().find(|a| a.name == action.name).cloned();
        actions.push(added(parts.iter().filter_map(of), &histograms, measured_s));
    }
    let all = added(parts.iter().map(|part| part.run.all.clone()), &sums, measured_s);
    let offered_per_s =
        matches!(first.design.load, LoadFacts::Open { .. }).then(|| all.due as f64 / measured_s.max(1e-9));
    let (pool, replicas) = (pool(parts), replicas(parts));
    let figures = Figures { actions: &actions, all: &all, offered_per_s, pool: pool.as_ref(), replicas: &replicas };
    let gates = first.gates.iter().map(|saved| match Gate::read(&saved.gate) {
        Ok(gate) => judge::judge(&gate, &figures),
        Err(_) => judge::unreadable(&saved.gate),
    });
    let gates = gates.collect();
    let mut merged = first.clone();
    merged.gates = gates;
    merged.intervals = intervals(parts);
    merged.ended = parts
        .iter()
        .map(|part| part.run.ended.clone())
        .find(|end| *end != Ended::AsPlanned)
        .unwrap_or(Ended::AsPlanned);
    merged.design.shard = (1, 1);
    merged.design.threads = parts.iter().map(|part| part.run.design.threads).sum();
    merged.driver = driver(parts);
    merged.checks = checks(parts);
    merged.offered = parts.iter().map(|part| part.run.offered).sum();
    merged.in_flight = in_flight(parts);
    merged.failures = BTreeMap::new();
    for (class, seen) in parts.iter().flat_map(|part| &part.run.failures) {
        let sum = merged.failures.entry(class.clone()).or_default();
        sum.count += seen.count;
        let fresh: Vec<String> = seen.texts.iter().filter(|text| !sum.texts.contains(text)).cloned().collect();
        sum.texts.extend(fresh);
    }
    (merged.pool, merged.replicas) = (pool, replicas);
    merged.slowest = parts.iter().flat_map(|part| part.run.slowest.clone()).collect();
    merged.slowest.sort_by(|a, b| b.service_ms.total_cmp(&a.service_ms));
    merged.slowest.truncate(MOST_SLOW);
    // Each part watched the same server: adding up what they saw would count it several times.
    merged.view = None;
    (merged.measured_s, merged.actions, merged.all) = (measured_s, actions, all);
    Ok(merged)
}

/// Every machine has a pool of its own: their waits add up, and so do their connections.
fn pool(parts: &[Part]) -> Option<PoolFacts> {
    let mut sum = PoolFacts::default();
    for part in parts {
        let PoolFacts { connections, timeouts, in_use_mean, idle_mean, waiting_max, wait: _ } =
            part.run.pool.as_ref()?;
        sum.connections += connections;
        sum.timeouts += timeouts;
        sum.in_use_mean += in_use_mean;
        sum.idle_mean += idle_mean;
        sum.waiting_max += waiting_max;
    }
    sum.wait = Quantiles::of(&total(parts, POOL_TAG));
    Some(sum)
}

/// Every machine watched the same replicas: of each the one that saw it furthest behind.
fn replicas(parts: &[Part]) -> Vec<ReplicaFacts> {
    let count = parts.iter().map(|part| part.run.replicas.len()).min().unwrap_or(0);
    let of = |replica: usize| {
        let seen = parts.iter().map(|part| &part.run.replicas[replica]);
        seen.max_by(|a, b| a.lag.us_max.total_cmp(&b.lag.us_max)).cloned().unwrap_or_default()
    };
    (0..count).map(of).collect()
}

fn belong_together(parts: &[Part]) -> Result<(), MergeError> {
    let first = &parts[0].run;
    for part in parts {
        let of = |run: &RunEvidence| {
            let names: Vec<&str> = run.actions.iter().map(|a| a.name.as_str()).collect();
            [
                ("the scenario", run.name.clone()),
                ("the seed", run.design.seed.to_string()),
                ("the load", format!("{:?}", run.design.load)),
                ("the shape of the load", format!("{:?}", run.design.shape)),
                ("the protocol", run.design.protocol.clone()),
                ("the most tries", run.design.max_tries.to_string()),
                ("the pool", format!("{:?}", run.design.pool)),
                ("the number of replicas", run.design.replicas.to_string()),
                ("what is asked", run.design.statements.clone()),
                ("the server's version", run.server.version.clone()),
                ("the number of parts", run.design.shard.1.to_string()),
                ("the mix", names.join(", ")),
            ]
        };
        for ((what, first), (_, other)) in of(first).into_iter().zip(of(&part.run)) {
            if first != other {
                return Err(MergeError::Different { what, first, other });
            }
        }
    }
    if let Some(part) = parts.iter().find(|part| part.run.search.is_some()) {
        return Err(MergeError::Search { part: part.run.design.shard.0 });
    }
    overlap(parts)?;
    let mut here: Vec<u32> = parts.iter().map(|part| part.run.design.shard.0).collect();
    here.sort_unstable();
    let all = first.design.shard.1;
    if here != (1..=all).collect::<Vec<_>>() {
        let here: Vec<String> = here.iter().map(u32::to_string).collect();
        return Err(MergeError::Parts { all, here: here.join(", ") });
    }
    Ok(())
}

/// Rates add up only while the parts ran side by side.
fn overlap(parts: &[Part]) -> Result<(), MergeError> {
    let spans = parts.iter().filter_map(|part| {
        let start = part.run.started_at.parse::<jiff::Timestamp>().ok()?.as_microsecond() as f64 / 1e6;
        Some((start, start + part.run.measured_s))
    });
    let spans: Vec<(f64, f64)> = spans.collect();
    let last_start = spans.iter().map(|span| span.0).fold(f64::MIN, f64::max);
    let first_end = spans.iter().map(|span| span.1).fold(f64::MAX, f64::min);
    let shortest = parts.iter().map(|part| part.run.measured_s).fold(f64::MAX, f64::min);
    let together = (first_end - last_start).max(0.0) / shortest.max(1e-9);
    if together < OVERLAP_LEAST {
        return Err(MergeError::Apart { percent: (together * 100.0) as u32 });
    }
    Ok(())
}

/// Every answer of a document is in its log.
fn complete(parts: &[Part], action: &str) -> Result<(), MergeError> {
    for part in parts {
        let counts = part.run.actions.iter().find(|a| a.name == action);
        let expected = counts.map_or(0, |a| a.ok);
        let logged = part.log.iter().filter(|i| i.tag == format!("{action}:service"));
        let found = logged.map(|i| i.histogram.len()).sum();
        if found != expected {
            let (part, action) = (part.run.design.shard.0, action.to_owned());
            return Err(MergeError::Incomplete { part, action, found, expected });
        }
    }
    Ok(())
}

fn total(parts: &[Part], tag: &str) -> Histogram<u64> {
    let mut sum = empty();
    for interval in parts.iter().flat_map(|part| &part.log).filter(|interval| interval.tag == tag) {
        sum.add(&interval.histogram).expect("all histograms have the same bounds");
    }
    sum
}

fn added(results: impl Iterator<Item = ActionResult>, histograms: &[Histogram<u64>; 3], seconds: f64) -> ActionResult {
    let mut sum = ActionResult::default();
    for result in results {
        let ActionResult { name, share, due, skipped, unsent, ok, failed, rows, retries, late, misses, slow, .. } =
            result;
        (sum.name, sum.share) = (name, share);
        sum.due += due;
        sum.skipped += skipped;
        sum.unsent += unsent;
        sum.ok += ok;
        sum.failed += failed;
        sum.rows += rows;
        sum.retries += retries;
        sum.late += late;
        sum.misses += misses;
        sum.slow += slow;
    }
    sum.rate_per_s = sum.ok as f64 / seconds.max(1e-9);
    [sum.latency, sum.service, sum.lag] = histograms.each_ref().map(Quantiles::of);
    sum
}

/// Intervals by their number, each part counted from its own beginning.
fn intervals(parts: &[Part]) -> Vec<IntervalFacts> {
    let most = parts.iter().map(|part| part.run.intervals.len()).max().unwrap_or(0);
    (0..most).map(|number| interval(parts, number)).collect()
}

fn interval(parts: &[Part], number: usize) -> IntervalFacts {
    let mut sum = IntervalFacts::default();
    let mut latency = empty();
    for part in parts {
        let Some(facts) = part.run.intervals.get(number) else { continue };
        sum.at_s = sum.at_s.max(facts.at_s);
        sum.length_s = sum.length_s.max(facts.length_s);
        sum.due += facts.due;
        sum.ok += facts.ok;
        sum.failed += facts.failed;
        sum.skipped += facts.skipped;
        sum.unsent += facts.unsent;
        sum.retries += facts.retries;
        sum.reconnects += facts.reconnects;
        sum.driver_cpu_share_max = sum.driver_cpu_share_max.max(facts.driver_cpu_share_max);
        // Times of the log have milliseconds.
        let here = part.log.iter().filter(|i| !i.tag.contains(':') && (i.at_s - facts.at_s).abs() < 0.002);
        for interval in here {
            latency.add(&interval.histogram).expect("all histograms have the same bounds");
        }
    }
    sum.latency = Quantiles::of(&latency);
    sum
}

fn driver(parts: &[Part]) -> crate::evidence::run::DriverFacts {
    let mut sum = parts[0].run.driver.clone();
    let most = |of: fn(&RunEvidence) -> f64| parts.iter().map(|part| of(&part.run)).fold(0.0, f64::max);
    let operations: u64 = parts.iter().map(|part| part.run.all.ok + part.run.all.failed).sum();
    let cpu: f64 = parts
        .iter()
        .map(|part| part.run.driver.cpu_us_per_operation * (part.run.all.ok + part.run.all.failed) as f64)
        .sum();
    sum.cpu_share_max = most(|run| run.driver.cpu_share_max);
    sum.cpu_us_per_operation = cpu / operations.max(1) as f64;
    sum.clock_ns = most(|run| run.driver.clock_ns);
    sum.timer_lag = TimerLag {
        us_p50: most(|run| run.driver.timer_lag.us_p50),
        us_p95: most(|run| run.driver.timer_lag.us_p95),
        us_p99: most(|run| run.driver.timer_lag.us_p99),
    };
    let digests = parts.iter().filter_map(|part| u64::from_str_radix(&part.run.driver.digest, 16).ok());
    sum.digest = format!("{:016x}", digests.fold(0_u64, u64::wrapping_add));
    sum.reconnects = parts.iter().map(|part| part.run.driver.reconnects).sum();
    sum
}

/// What limited any part limits the whole.
fn checks(parts: &[Part]) -> Vec<RunCheck> {
    let mut checks: Vec<RunCheck> = Vec::new();
    for check in parts.iter().flat_map(|part| &part.run.checks) {
        match checks.iter_mut().find(|known| known.name == check.name) {
            Some(known) => known.limits |= check.limits,
            None => checks.push(check.clone()),
        }
    }
    checks
}

/// Operations in flight on all machines; nothing where a part does not say it.
fn in_flight(parts: &[Part]) -> Option<InFlight> {
    parts.iter().map(|part| part.run.in_flight).try_fold(InFlight::default(), |sum, of| {
        let of = of?;
        Some(InFlight {
            counted_mean: sum.counted_mean + of.counted_mean,
            expected_mean: sum.expected_mean + of.expected_mean,
        })
    })
}
