//! Checks of the harness and the machine: when one fails, a verdict would be a guess. Must find facts, and leave words
//! to reports.

use super::answers::Answers;
use super::conditions;
use super::counts::CountComparison;
use super::fact::{AnswerDifference, Fact};
use super::finding::{Finding, Remedy, Severity};
use super::work;
use crate::evidence::{ActionCounts, ChunkSide, Evidence, LoadFacts, Side, Subject};
use crate::stats::paired::FEWEST_PAIRS;

/// Operations given up above this share spoil a comparison.
const SKIPPED_MOST: f64 = 0.01;

/// Sides that gave up shares farther apart than this were under different loads.
const SKIPPED_APART: f64 = 0.005;

/// Operations failed above this share spoil a comparison.
const FAILED_MOST: f64 = 0.001;

/// Sides of a closed loop that got through more than this times as much are under different loads.
const SAME_LOAD_MOST: f64 = 1.1;

/// A driver thread busier than this is the bottleneck, not the server.
const CPU_MOST: f64 = 0.8;

/// Rows per call may differ this much between sides that write concurrently; more is another answer.
const ROWS_MOST: f64 = 0.005;

/// Runs every check.
#[must_use]
pub fn run(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Vec<Finding> {
    let mut found = Vec::new();
    same_answers(evidence, counts, &mut found);
    work::checks(evidence, counts, &mut found);
    super::hollow::checks(evidence, &mut found);
    found.extend(achieved_rate(evidence));
    found.extend(same_load(evidence));
    failures(evidence, &mut found);
    found.extend(driver_cpu(evidence));
    found.extend(timer_lag(evidence));
    same_work(evidence, &mut found);
    machine(evidence, &mut found);
    conditions::run(evidence, &mut found);
    super::migration::run(evidence, &mut found);
    if evidence.counters.values().any(|c| c.reset) {
        found.push(Finding::new(Severity::Warning, Fact::CountersReset {}));
    }
    found
}

fn total(evidence: &Evidence, side: Side, of: impl Fn(&crate::evidence::ActionCounts) -> u64) -> u64 {
    sides(evidence, side).flat_map(|s| &s.actions).map(of).sum()
}

fn sides(evidence: &Evidence, side: Side) -> impl Iterator<Item = &ChunkSide> {
    evidence.chunks.iter().filter_map(move |chunk| chunk.sides.get(&side))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn achieved_rate(evidence: &Evidence) -> Option<Finding> {
    let skipped = Side::ALL.map(|s| share(total(evidence, s, |c| c.skipped), total(evidence, s, |c| c.due)));
    let fewest = skipped.into_iter().fold(1.0, f64::min);
    let rate_per_s = match evidence.design.load {
        LoadFacts::Open { rate_per_s, .. } => Some(rate_per_s),
        LoadFacts::Closed { .. } => None,
    };
    let (severity, remedy) = match skipped.map(|s| s > SKIPPED_MOST || s > fewest + SKIPPED_APART) {
        [false, false, false] => return None,
        [false, false, true] => (Severity::OnlyRegressions, Remedy::LowerRate),
        [true, true, false] => (Severity::OnlyImprovements, Remedy::LowerRate),
        _ if skipped.into_iter().any(|s| s <= SKIPPED_MOST) => (Severity::Invalid, Remedy::QuietMachine),
        _ => (Severity::Invalid, Remedy::LowerRate),
    };
    let fact = Fact::RateNotReached { rate_per_s, skipped_share: skipped.into() };
    Some(Finding::new(severity, fact).remedy(remedy))
}

/// A closed loop asks again as soon as it was answered: the side that answers faster carries more, and there the
/// others' latencies are those of a higher load.
fn same_load(evidence: &Evidence) -> Option<Finding> {
    let LoadFacts::Closed { .. } = evidence.design.load else { return None };
    let answered = |side| total(evidence, side, |c| c.ok) as f64;
    let operations_ratio = answered(Side::After) / answered(Side::Before).max(1.0);
    let severity = match operations_ratio {
        ratio if ratio > SAME_LOAD_MOST => Severity::OnlyImprovements,
        ratio if ratio < 1.0 / SAME_LOAD_MOST => Severity::OnlyRegressions,
        _ => return None,
    };
    Some(Finding::new(severity, Fact::UnequalLoad { operations_ratio }).remedy(Remedy::GiveRate))
}

/// Over the whole mix and for each action: an action that rarely runs must not hide its failures in the mix.
fn failures(evidence: &Evidence, found: &mut Vec<Finding>) {
    for side in Side::ALL {
        let mut failures: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for (class, count) in sides(evidence, side).flat_map(|s| &s.failures) {
            *failures.entry(class.clone()).or_default() += count;
        }
        let finding = |failed: u64, due: u64| {
            let failed_share = share(failed, due);
            let fact = Fact::OperationsFailed { side, failed_share, failures: failures.clone() };
            (failed_share > FAILED_MOST).then(|| Finding::new(Severity::Invalid, fact))
        };
        let all = total(evidence, side, |c| c.failed);
        let of_all = finding(all, total(evidence, side, |c| c.due));
        let is_known = of_all.is_some();
        found.extend(of_all);
        for (position, action) in evidence.actions.iter().enumerate() {
            let counts = sides(evidence, side).filter_map(|s| s.actions.get(position));
            let (failed, due) = counts.fold((0, 0), |(failed, due), c| (failed + c.failed, due + c.due));
            // Failures of the only action that fails are those of all.
            if !is_known || failed < all {
                found.extend(finding(failed, due).map(|finding| finding.of(&action.name)));
            }
        }
    }
}

fn driver_cpu(evidence: &Evidence) -> Option<Finding> {
    let cpu_share_max =
        Side::ALL.iter().flat_map(|s| sides(evidence, *s)).map(|s| s.driver_cpu_share_max).fold(0.0, f64::max);
    let fact = Fact::DriverBusy { cpu_share_max };
    (cpu_share_max > CPU_MOST).then(|| Finding::new(Severity::Invalid, fact).remedy(Remedy::MoreDriverThreads))
}

/// How late the driver's timer woke waiting clients on a side, in microseconds: the median chunk's quantile.
#[must_use]
pub fn timer_lag_us(evidence: &Evidence, side: Side, q: f64) -> f64 {
    let of = |s: &ChunkSide| {
        let lag = s.timer_lag;
        if q < 0.9 {
            lag.us_p50
        } else if q < 0.97 {
            lag.us_p95
        } else {
            lag.us_p99
        }
    };
    let mut lags: Vec<f64> = sides(evidence, side).map(of).collect();
    lags.sort_by(f64::total_cmp);
    lags.get(lags.len() / 2).copied().unwrap_or_default()
}

/// The timer's lateness is in every latency. Where the sides without the migration differ in it, the
/// machine changed under the trial; otherwise claims must exceed it (see `driver_floor`).
fn timer_lag(evidence: &Evidence) -> Option<Finding> {
    const LATE_US: f64 = 1_000.0;
    let late = Side::ALL.map(|side| timer_lag_us(evidence, side, 0.99));
    if late.into_iter().all(|us| us <= LATE_US) {
        return None;
    }
    // p95, because p99 of a short chunk is its single worst wake-up; and not from a handful of chunks.
    let [before95, control95] = [Side::Before, Side::Control].map(|side| timer_lag_us(evidence, side, 0.95));
    let is_uneven =
        before95.max(control95) > 2.0 * before95.min(control95).max(LATE_US) && evidence.chunks.len() >= FEWEST_PAIRS;
    let severity = if is_uneven { Severity::Invalid } else { Severity::Warning };
    let fact = Fact::DriverLag { late_us_p99: late.into(), is_uneven };
    Some(Finding::new(severity, fact).remedy(Remedy::QuietMachine))
}

/// Processor time taken by others of the same host, as a share, that is worth a word.
const STOLEN_MOST: f64 = 0.01;

/// Share of the time in which a task waits for a CPU that is worth a word.
const WAITING_MOST: f64 = 0.1;

fn machine(evidence: &Evidence, found: &mut Vec<Finding>) {
    let machine = &evidence.machine;
    if let Some(times) = machine.throttled.filter(|times| *times > 0) {
        found.push(Finding::new(Severity::Invalid, Fact::CpuThrottled { times }).remedy(Remedy::RaiseCpuLimit));
    }
    if let Some(share) = machine.stolen_share.filter(|share| *share > STOLEN_MOST) {
        found.push(Finding::new(Severity::Warning, Fact::CpuStolen { share }).remedy(Remedy::MoreChunks));
    }
    if let Some(share) = machine.waiting_share.filter(|share| *share > WAITING_MOST) {
        found.push(Finding::new(Severity::Warning, Fact::CpuContention { share }).remedy(Remedy::LowerRate));
    }
}

fn same_answers(evidence: &Evidence, counts: &[Option<CountComparison>], found: &mut Vec<Finding>) {
    for (action, counted) in evidence.actions.iter().zip(counts) {
        let Some(counted) = counted else { continue };
        let finding = match (&counted.different, counted.answers) {
            (Some(difference), _) => answer_changed(evidence, difference.clone()),
            (None, Answers::OtherPart) => {
                Finding::new(Severity::Warning, Fact::AnswerUnordered {}).remedy(Remedy::OrderByUniqueKey)
            }
            _ => continue,
        };
        found.push(finding.of(&action.name));
    }
}

fn answer_changed(evidence: &Evidence, difference: AnswerDifference) -> Finding {
    let is_given = matches!(evidence.design.subject, Subject::Given { .. });
    Finding::new(Severity::Invalid, Fact::AnswerChanged { difference, is_given })
}

/// Equal parameters must give equally many rows; a fast wrong answer is no improvement.
///
/// Only in an open loop of which every side answered all: a closed one gets further on the faster side, and what was
/// given up or failed may be what gives many rows. What control and before differ by is allowed to after too.
fn same_work(evidence: &Evidence, found: &mut Vec<Finding>) {
    let LoadFacts::Open { .. } = evidence.design.load else { return };
    for (position, action) in evidence.actions.iter().enumerate() {
        let [before, control, after] = Side::ALL.map(|side| {
            let counts = sides(evidence, side).filter_map(|s| s.actions.get(position));
            let of = |(rows, ok, lost), c: &ActionCounts| (rows + c.rows, ok + c.ok, lost + c.skipped + c.failed);
            let (rows, ok, lost) = counts.fold((0, 0, 0), of);
            (rows as f64 / ok.max(1) as f64, ok, lost)
        });
        let whole = [before, control, after].iter().all(|(_, ok, lost)| *lost == 0 && *ok == before.1);
        if !whole || before.1 == 0 {
            continue;
        }
        let noise = 2.0 * (before.0 - control.0).abs();
        let (before, after) = (before.0, after.0);
        if (before - after).abs() > noise + ROWS_MOST * before.max(after).max(1e-9) {
            found.push(answer_changed(evidence, AnswerDifference::RowsPerCall { before, after }).of(&action.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::conditions::tests::evidence;
    use super::*;

    /// Id, severity and action of a finding.
    type Brief = (&'static str, Severity, Option<String>);

    /// What is found when every chunk of the named sides is changed.
    fn found(of: &[&str], change: impl Fn(&mut Value)) -> Vec<Brief> {
        checked(&evidence(|_, side, facts| {
            if of.contains(&side) {
                change(facts);
            }
        }))
    }

    fn checked(evidence: &Evidence) -> Vec<Brief> {
        run(evidence, &[]).into_iter().map(|found| (found.id(), found.severity, found.action)).collect()
    }

    const ALL: [&str; 3] = ["before", "control", "after"];

    #[test]
    fn what_a_side_gives_up_decides_what_can_be_called() {
        let gave_up = |of: &[&str], skipped: u64| {
            found(of, |facts| {
                (facts["actions"][0]["skipped"], facts["actions"][0]["ok"]) = (json!(skipped), json!(100 - skipped));
            })
        };
        let severity = |found: &[Brief]| found.iter().find(|brief| brief.0 == "rate-not-reached").map(|brief| brief.1);
        assert_eq!(severity(&gave_up(&ALL, 1)), None, "one of a hundred may be");
        assert_eq!(severity(&gave_up(&ALL, 2)), Some(Severity::Invalid));
        assert_eq!(severity(&gave_up(&["after"], 2)), Some(Severity::OnlyRegressions));
        assert_eq!(severity(&gave_up(&["before", "control"], 2)), Some(Severity::OnlyImprovements));
        assert_eq!(severity(&gave_up(&["control"], 2)), Some(Severity::Invalid));
        // Few, but on one side alone.
        assert_eq!(severity(&gave_up(&["control"], 1)), Some(Severity::Invalid));
        assert_eq!(severity(&gave_up(&["after"], 1)), Some(Severity::OnlyRegressions));
    }

    #[test]
    fn failures_other_rows_and_a_busy_driver_are_invalid() {
        let failed = found(&["after"], |facts| {
            (facts["actions"][0]["failed"], facts["actions"][0]["ok"]) = (json!(1), json!(99));
            facts["failures"] = json!({ "23505": 1 });
        });
        assert!(failed.contains(&("operations-failed", Severity::Invalid, None)), "{failed:?}");
        // An action that is rarely asked fails often, and the mix hardly ever.
        let mut rare = evidence(|_, side, facts| {
            let failed = u64::from(side == "after");
            let often = json!({ "due": 9_990, "skipped": 0, "ok": 9_990, "failed": 0, "rows": 9_990 });
            let seldom = json!({ "due": 10, "skipped": 0, "ok": 10 - failed, "failed": failed, "rows": 10 - failed });
            facts["actions"] = json!([seldom, often]);
            facts["failures"] = json!({ "23505": failed });
        });
        rare.actions.push(crate::evidence::ActionFacts { name: "often".to_owned(), ..rare.actions[0].clone() });
        let failed = checked(&rare);
        assert!(failed.contains(&("operations-failed", Severity::Invalid, Some("a".to_owned()))), "{failed:?}");
        let rows = found(&["after"], |facts| facts["actions"][0]["rows"] = json!(101));
        assert_eq!(rows, [("answer-changed", Severity::Invalid, Some("a".to_owned()))]);
        // Operations that fail where there is no index yet may be those that give many rows.
        let slow = evidence(|chunk, side, facts| {
            let lost = u64::from(side != "after" && chunk == 0);
            let rows = if lost == 0 { 1_000 } else { 500 };
            facts["actions"][0] =
                json!({ "due": 1_000, "skipped": 0, "ok": 1_000 - lost, "failed": lost, "rows": rows });
        });
        assert_eq!(checked(&slow), []);
        assert_eq!(found(&ALL, |facts| facts["actions"][0]["rows"] = json!(101)), []);
        assert_eq!(
            found(&["control"], |facts| facts["driver_cpu_share_max"] = json!(0.81)),
            [("driver-busy", Severity::Invalid, None)]
        );
        assert_eq!(found(&ALL, |facts| facts["driver_cpu_share_max"] = json!(0.79)), []);
    }

    #[test]
    fn a_late_driver_is_told_and_one_that_is_late_on_one_equal_side_is_invalid() {
        let late = |of: &[&str], us: f64| {
            found(of, |facts| facts["timer_lag"] = json!({ "us_p50": 60.0, "us_p95": us, "us_p99": us }))
        };
        assert_eq!(late(&ALL, 900.0), []);
        assert_eq!(late(&ALL, 2_100.0), [("driver-lag", Severity::Warning, None)]);
        assert_eq!(late(&["control"], 2_100.0), [("driver-lag", Severity::Invalid, None)]);
        assert_eq!(late(&["after"], 2_100.0), [("driver-lag", Severity::Warning, None)]);
    }

    #[test]
    fn what_the_machine_took_is_told() {
        let machine = |throttled: Option<u64>, stolen: Option<f64>, waiting: Option<f64>| {
            let mut evidence = evidence(|_, _, _| {});
            evidence.machine.throttled = throttled;
            evidence.machine.stolen_share = stolen;
            evidence.machine.waiting_share = waiting;
            checked(&evidence)
        };
        assert_eq!(machine(Some(0), Some(0.009), Some(0.09)), []);
        assert_eq!(machine(Some(1), None, None), [("cpu-throttled", Severity::Invalid, None)]);
        let both = ["cpu-stolen", "cpu-contention"].map(|id| (id, Severity::Warning, None));
        assert_eq!(machine(None, Some(0.02), Some(0.2)), both);
        let mut evidence = evidence(|_, _, _| {});
        let reset = crate::evidence::SideCounters { reset: true, ..Default::default() };
        evidence.counters.insert(Side::After, reset);
        assert_eq!(checked(&evidence), [("counters-reset", Severity::Warning, None)]);
    }
}
