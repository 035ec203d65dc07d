//! A run whose program was killed: what its intervals hold. Must add up nothing that is not in both of their files.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Deserialize;

use super::interval_log::Interval;
use super::run::{ActionResult, IntervalFacts, Quantiles, RunEvidence};
use super::validate;
use crate::stats::histogram::empty;

/// A line of `intervals.jsonl`.
#[derive(Debug, Deserialize)]
struct Line {
    interval: IntervalFacts,
    actions: Vec<ActionResult>,
}

/// Two moments of a log that are nearer than this are the same: its times have milliseconds.
const SAME_MOMENT_S: f64 = 0.002;

/// Gives a run that was begun what its intervals add up to: `lines` is `intervals.jsonl`, `log` what `intervals.hlog`
/// holds.
pub(super) fn fill(run: &mut RunEvidence, lines: &[u8], log: Vec<Interval>) {
    let log = of_last_measurement(log);
    let mut known: Vec<Line> = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        // A line that a killed program left half written is its last.
        let Some(line) = read(line, run) else { break };
        // `--find-rate` measures one rate after another, each from its own beginning.
        if known.last().is_some_and(|last| line.interval.at_s <= last.interval.at_s) {
            known.clear();
        }
        known.push(line);
    }
    let mut histograms: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    for Interval { tag, at_s, histogram, .. } in &log {
        if known.iter().any(|line| (line.interval.at_s - at_s).abs() < SAME_MOMENT_S) {
            let sum = histograms.entry(tag.clone()).or_insert_with(empty);
            sum.add(histogram).expect("all histograms have the same bounds");
        }
    }
    run.measured_s = known.last().map_or(0.0, |line| line.interval.at_s + line.interval.length_s);
    let seconds = run.measured_s.max(1e-9);
    let mut sums = [empty(), empty(), empty()];
    let mut all = ActionResult { name: run.all.name.clone(), share: run.all.share, ..ActionResult::default() };
    for (position, action) in run.actions.iter_mut().enumerate() {
        let (name, share) = (action.name.clone(), action.share);
        *action = ActionResult { name, share, ..ActionResult::default() };
        for line in &known {
            add(action, &line.actions[position]);
        }
        add(&mut all, action);
        action.rate_per_s = action.ok as f64 / seconds;
        let of = |kind: &str| histograms.get(&format!("{}{kind}", action.name)).cloned().unwrap_or_else(empty);
        let own = ["", ":service", ":lag"].map(of);
        for (sum, own) in sums.iter_mut().zip(&own) {
            sum.add(own).expect("all histograms have the same bounds");
        }
        [action.latency, action.service, action.lag] = own.each_ref().map(Quantiles::of);
    }
    all.rate_per_s = all.ok as f64 / seconds;
    [all.latency, all.service, all.lag] = sums.each_ref().map(Quantiles::of);
    run.all = all;
    let busiest = known.iter().map(|line| line.interval.driver_cpu_share_max).fold(0.0, f64::max);
    run.driver.cpu_share_max = busiest;
    run.driver.reconnects = known.iter().map(|line| line.interval.reconnects).sum();
    run.intervals = known.into_iter().map(|line| line.interval).collect();
}

/// A whole line of this run.
fn read(line: &[u8], run: &RunEvidence) -> Option<Line> {
    let value: serde_json::Value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    validate::numbers(&value).ok()?;
    let line: Line = serde_json::from_value(value).ok()?;
    let names = |actions: &[ActionResult]| actions.iter().map(|action| action.name.clone()).collect::<Vec<_>>();
    (names(&line.actions) == names(&run.actions)).then_some(line)
}

/// The intervals after the last one that begins before its forerunner.
fn of_last_measurement(log: Vec<Interval>) -> Vec<Interval> {
    let mut latest: BTreeMap<String, f64> = BTreeMap::new();
    let mut kept = Vec::new();
    for interval in log {
        if latest.get(&interval.tag).is_some_and(|at_s| interval.at_s <= *at_s) {
            latest.clear();
            kept.clear();
        }
        latest.insert(interval.tag.clone(), interval.at_s);
        kept.push(interval);
    }
    kept
}

/// Adds counts; a new field breaks the build here.
fn add(sum: &mut ActionResult, other: &ActionResult) {
    let ActionResult { due, skipped, unsent, ok, failed, rows, retries, late, misses, slow, .. } = other;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::interval_log;
    use crate::evidence::run::Ended;
    use crate::evidence::store::{read_run, tests::folder_of};

    fn whole() -> (RunEvidence, Vec<u8>, Vec<u8>) {
        let folder = folder_of("run-2");
        let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
        (read_run(&folder).unwrap(), file("intervals.jsonl"), file("intervals.hlog"))
    }

    /// A run as it stands in its file while it is measured.
    fn begun(whole: &RunEvidence) -> RunEvidence {
        let mut begun = whole.clone();
        (begun.ended, begun.measured_s) = (Ended::CutOff, 0.0);
        begun.intervals.clear();
        let nothing =
            |of: &ActionResult| ActionResult { name: of.name.clone(), share: of.share, ..ActionResult::default() };
        begun.actions = begun.actions.iter().map(nothing).collect();
        begun.all = nothing(&begun.all);
        begun
    }

    #[test]
    fn all_intervals_together_are_the_run() {
        let (whole, lines, log) = whole();
        let mut run = begun(&whole);
        fill(&mut run, &lines, interval_log::read_prefix(&log));
        assert_eq!((run.intervals.len(), run.all.due), (whole.intervals.len(), whole.all.due));
        for (found, expected) in run.actions.iter().zip(&whole.actions).chain([(&run.all, &whole.all)]) {
            assert_eq!((found.ok, found.rows, found.due), (expected.ok, expected.rows, expected.due));
            assert_eq!((found.latency, found.service, found.lag), (expected.latency, expected.service, expected.lag));
        }
        assert!((run.measured_s - whole.measured_s).abs() < 0.1, "{} {}", run.measured_s, whole.measured_s);
    }

    #[test]
    fn half_a_line_ends_what_is_read() {
        let (whole, lines, log) = whole();
        let mut run = begun(&whole);
        let second = lines.iter().position(|byte| *byte == b'\n').unwrap() + 40;
        fill(&mut run, &lines[..second], interval_log::read_prefix(&log[..log.len() / 2]));
        assert_eq!(run.intervals.len(), 1);
        assert_eq!(run.all.ok, whole.intervals[0].ok);
        assert_eq!(run.all.latency, whole.intervals[0].latency);
        let mut none = begun(&whole);
        fill(&mut none, b"", Vec::new());
        assert_eq!((none.measured_s, none.all.ok, none.intervals.len()), (0.0, 0, 0));
    }

    #[test]
    fn of_several_measurements_the_last_counts() {
        let (whole, lines, log) = whole();
        let mut run = begun(&whole);
        let twice = [log.clone(), log].concat();
        fill(&mut run, &[lines.clone(), lines].concat(), interval_log::read_prefix(&twice));
        assert_eq!((run.all.ok, run.all.latency), (whole.all.ok, whole.all.latency));
    }
}
