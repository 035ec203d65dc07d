//! Checks of the harness and the machine: when one fails, a verdict would be a guess. Must say what to do.

use super::answers::Answers;
use super::check::{Check, CheckName, Consequence};
use super::conditions;
use super::counts::CountComparison;
use super::work;
use crate::evidence::{ActionCounts, ChunkSide, Evidence, LoadFacts, Side, Subject};
use crate::stats::paired::FEWEST_PAIRS;
use crate::units::percent_text;

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
pub fn run(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Vec<Check> {
    let mut checks = Vec::new();
    same_answers(evidence, counts, &mut checks);
    work::checks(evidence, counts, &mut checks);
    achieved_rate(evidence, &mut checks);
    same_load(evidence, &mut checks);
    failures(evidence, &mut checks);
    driver_cpu(evidence, &mut checks);
    timer_lag(evidence, &mut checks);
    same_work(evidence, &mut checks);
    machine(evidence, &mut checks);
    conditions::run(evidence, &mut checks);
    super::migration::run(evidence, &mut checks);
    if evidence.counters.values().any(|c| c.reset) {
        let message = "counters of the server went backwards during the trial (a reset, or a crash): index use and \
                       work per call are not shown"
            .to_owned();
        checks.push(Check::new(CheckName::CountersReset, Consequence::Warning, message));
    }
    checks
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

fn achieved_rate(evidence: &Evidence, checks: &mut Vec<Check>) {
    let skipped = Side::ALL.map(|s| share(total(evidence, s, |c| c.skipped), total(evidence, s, |c| c.due)));
    let fewest = skipped.into_iter().fold(1.0, f64::min);
    let [before, control, after] = skipped.map(|s| SKIPPED_MOST < s || fewest + SKIPPED_APART < s);
    let rate = match evidence.design.load {
        LoadFacts::Open { rate_per_s, .. } => format!("{rate_per_s:.0} actions a second"),
        LoadFacts::Closed { .. } => "the load".to_owned(),
    };
    let (consequence, message) = match (before, control, after) {
        (false, false, false) => return,
        (false, false, true) => (
            Consequence::OnlyRegressions,
            format!(
                "with the migration the server could not keep up with {rate}: {} were given up, so its latencies are lower bounds",
                percent_text(skipped[2])
            ),
        ),
        (true, true, false) => (
            Consequence::OnlyImprovements,
            format!(
                "without the migration the server could not keep up with {rate}: {} were given up, so its latencies are lower bounds",
                percent_text(skipped[0])
            ),
        ),
        _ if skipped.into_iter().any(|s| s <= SKIPPED_MOST) => (
            Consequence::Invalid,
            format!(
                "the sides gave up different shares of {rate} ({} on before, {} on control, {} on after), so they were not under the same load; \
                 measure again on a machine with less company, or lower the rate",
                percent_text(skipped[0]),
                percent_text(skipped[1]),
                percent_text(skipped[2])
            ),
        ),
        _ => (
            Consequence::Invalid,
            format!(
                "{rate} is more than this machine can do on every side: {} of the operations on before, {} on control and {} on after \
                 were given up; lower the rate in the scenario",
                percent_text(skipped[0]),
                percent_text(skipped[1]),
                percent_text(skipped[2])
            ),
        ),
    };
    checks.push(Check::new(CheckName::AchievedRate, consequence, message));
}

/// A closed loop asks again as soon as it was answered: the side that answers faster carries more, and there the
/// others' latencies are those of a higher load.
fn same_load(evidence: &Evidence, checks: &mut Vec<Check>) {
    let LoadFacts::Closed { .. } = evidence.design.load else { return };
    let answered = |side| total(evidence, side, |c| c.ok) as f64;
    let ratio = answered(Side::After) / answered(Side::Before).max(1.0);
    let (consequence, more, claim) = if SAME_LOAD_MOST < ratio {
        (Consequence::OnlyImprovements, ratio, "nothing can be called slower")
    } else if ratio < 1.0 / SAME_LOAD_MOST {
        (Consequence::OnlyRegressions, 1.0 / ratio.max(1e-9), "nothing can be called faster")
    } else {
        return;
    };
    let side = if consequence == Consequence::OnlyImprovements { "with" } else { "without" };
    let message = format!(
        "the loop is closed, and {side} the migration it got through {more:.1} times as many operations: latencies there are \
         those of a higher load, so {claim}; give the scenario a `rate` to compare at the same load"
    );
    checks.push(Check::new(CheckName::SameLoad, consequence, message));
}

/// Over the whole mix and for each action: an action that seldom runs must not hide its failures in the mix.
fn failures(evidence: &Evidence, checks: &mut Vec<Check>) {
    for side in Side::ALL {
        let mut classes: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
        for (class, count) in sides(evidence, side).flat_map(|s| &s.failures) {
            *classes.entry(class).or_default() += count;
        }
        let list: Vec<String> = classes.iter().map(|(class, count)| format!("{class} {count} times")).collect();
        let list = list.join(", ");
        let mut check = |failed: u64, due: u64, action: Option<&str>| {
            let failed = share(failed, due);
            let too_many = FAILED_MOST < failed;
            if too_many {
                let whose = action.map_or("the operations".to_owned(), |name| format!("`{name}`"));
                let message = format!(
                    "{} of {whose} on {} failed ({}SQLSTATE {list}); a fast error is no fast answer",
                    percent_text(failed),
                    side.name(),
                    if action.is_some() { "among all actions there " } else { "" }
                );
                checks.push(Check::new(CheckName::Failures, Consequence::Invalid, message).of(action));
            }
            too_many
        };
        let all = total(evidence, side, |c| c.failed);
        let told = check(all, total(evidence, side, |c| c.due), None);
        for (position, action) in evidence.actions.iter().enumerate() {
            let counts = sides(evidence, side).filter_map(|s| s.actions.get(position));
            let (failed, due) = counts.fold((0, 0), |(failed, due), c| (failed + c.failed, due + c.due));
            // Those of the only action that fails are told of all already.
            if !told || failed < all {
                check(failed, due, Some(&action.name));
            }
        }
    }
}

fn driver_cpu(evidence: &Evidence, checks: &mut Vec<Check>) {
    let busiest =
        Side::ALL.iter().flat_map(|s| sides(evidence, *s)).map(|s| s.driver_cpu_share_max).fold(0.0, f64::max);
    if CPU_MOST < busiest {
        let message = format!(
            "a thread of the load driver used {} of a processor, so the driver was the limit; lower the rate or raise --threads",
            percent_text(busiest)
        );
        checks.push(Check::new(CheckName::DriverCpu, Consequence::Invalid, message));
    }
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
/// machine changed under the trial; otherwise claims must exceed it (see `driver_floor`), and it is printed.
fn timer_lag(evidence: &Evidence, checks: &mut Vec<Check>) {
    const LATE_US: f64 = 1_000.0;
    let [before, control, after] = Side::ALL.map(|side| timer_lag_us(evidence, side, 0.99));
    if before.max(control).max(after) <= LATE_US {
        return;
    }
    // p95, because p99 of a short chunk is its single worst wake-up; and not from a handful of chunks.
    let [before95, control95] = [Side::Before, Side::Control].map(|side| timer_lag_us(evidence, side, 0.95));
    let uneven =
        2.0 * before95.min(control95).max(LATE_US) < before95.max(control95) && FEWEST_PAIRS <= evidence.chunks.len();
    let found = format!(
        "the load driver woke up late: 1 of 100 operations by {:.1} ms or more on before, {:.1} on control, {:.1} on after",
        before / 1e3,
        control / 1e3,
        after / 1e3
    );
    let (consequence, advice) = if uneven {
        (
            Consequence::Invalid,
            "before and control should not differ in it; measure again on a machine with less company",
        )
    } else {
        (Consequence::Warning, "processors are scarce here, and smaller changes than that were not called")
    };
    let message = format!("{found}; {advice}");
    checks.push(Check::new(CheckName::TimerLag, consequence, message));
}

/// Processor time taken by others of the same host, as a share, that is worth a word.
const STOLEN_MOST: f64 = 0.01;

/// Share of the time in which something waits for a processor that is worth a word.
const WAITING_MOST: f64 = 0.1;

fn machine(evidence: &Evidence, checks: &mut Vec<Check>) {
    let mut found = |consequence, message| {
        checks.push(Check::new(CheckName::Machine, consequence, message));
    };
    if let Some(times) = evidence.machine.throttled.filter(|times| 0 < *times) {
        let message = format!(
            "the container was throttled {times} times: latencies are those of its limit on processor time; raise it, or lower the rate"
        );
        found(Consequence::Invalid, message);
    }
    if let Some(share) = evidence.machine.stolen_share.filter(|share| STOLEN_MOST < *share) {
        let message = format!(
            "other guests of this host took {} of the processor time: expect to need more chunks",
            percent_text(share)
        );
        found(Consequence::Warning, message);
    }
    if let Some(share) = evidence.machine.waiting_share.filter(|share| WAITING_MOST < *share) {
        let message = format!(
            "something waited for a processor in {} of the time, the load's own server and driver included: latencies are partly those of that queue; \
             lower the rate, or leave the machine to the proof",
            percent_text(share)
        );
        found(Consequence::Warning, message);
    }
}

fn same_answers(evidence: &Evidence, counts: &[Option<CountComparison>], checks: &mut Vec<Check>) {
    for (action, counted) in evidence.actions.iter().zip(counts) {
        let Some(counted) = counted else { continue };
        let (consequence, what) = match (&counted.different, counted.answers) {
            (Some(different), _) => (Consequence::Invalid, format!("{different}: {}", who_changes(evidence))),
            (None, Answers::OtherPart) => (
                Consequence::Warning,
                "gives as many rows, but other ones. A new plan alone may do that where a statement takes a part of what it finds (LIMIT, OFFSET), gathers \
                 rows as they come or numbers ties, and so may a migration that changes the answer: order it by a unique key to know"
                    .to_owned(),
            ),
            _ => continue,
        };
        let message = format!("`{}`, asked with the same parameters on both sides, {what}", action.name);
        checks.push(Check::new(CheckName::SameAnswers, consequence, message).of(Some(&action.name)));
    }
}

/// Two databases that were given may differ in their rows.
fn who_changes(evidence: &Evidence) -> &'static str {
    match evidence.design.subject {
        Subject::Given { .. } => "the databases answer otherwise",
        Subject::Clones | Subject::InPlace => "the migration changes the answer",
    }
}

/// Equal parameters must give equally many rows; a fast wrong answer is no improvement.
///
/// Only in an open loop of which every side answered all: a closed one gets further on the faster side, and what was given up or failed may
/// be what gives many rows. What control and before differ by is allowed to after too.
fn same_work(evidence: &Evidence, checks: &mut Vec<Check>) {
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
        if noise + ROWS_MOST * before.max(after).max(1e-9) < (before - after).abs() {
            let message = format!(
                "`{}` gives {before:.2} rows a call before and {after:.2} after for the same parameters: {}",
                action.name,
                who_changes(evidence)
            );
            checks.push(Check::new(CheckName::SameWork, Consequence::Invalid, message).of(Some(&action.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::conditions::tests::evidence;
    use super::*;

    /// What is found when every chunk of the named sides is changed.
    fn found(of: &[&str], change: impl Fn(&mut Value)) -> Vec<(CheckName, Consequence, Option<String>)> {
        checked(&evidence(|_, side, facts| {
            if of.contains(&side) {
                change(facts);
            }
        }))
    }

    fn checked(evidence: &Evidence) -> Vec<(CheckName, Consequence, Option<String>)> {
        run(evidence, &[]).into_iter().map(|check| (check.name, check.consequence, check.action)).collect()
    }

    const ALL: [&str; 3] = ["before", "control", "after"];

    #[test]
    fn what_a_side_gives_up_decides_what_can_be_called() {
        let gave_up = |of: &[&str], skipped: u64| {
            found(of, |facts| {
                (facts["actions"][0]["skipped"], facts["actions"][0]["ok"]) = (json!(skipped), json!(100 - skipped));
            })
        };
        let consequence = |found: &[(CheckName, Consequence, Option<String>)]| {
            found.iter().find(|check| check.0 == CheckName::AchievedRate).map(|check| check.1)
        };
        assert_eq!(consequence(&gave_up(&ALL, 1)), None, "one of a hundred may be");
        assert_eq!(consequence(&gave_up(&ALL, 2)), Some(Consequence::Invalid));
        assert_eq!(consequence(&gave_up(&["after"], 2)), Some(Consequence::OnlyRegressions));
        assert_eq!(consequence(&gave_up(&["before", "control"], 2)), Some(Consequence::OnlyImprovements));
        assert_eq!(consequence(&gave_up(&["control"], 2)), Some(Consequence::Invalid));
        // Few, but on one side alone.
        assert_eq!(consequence(&gave_up(&["control"], 1)), Some(Consequence::Invalid));
        assert_eq!(consequence(&gave_up(&["after"], 1)), Some(Consequence::OnlyRegressions));
    }

    #[test]
    fn failures_other_rows_and_a_busy_driver_are_invalid() {
        let failed = found(&["after"], |facts| {
            (facts["actions"][0]["failed"], facts["actions"][0]["ok"]) = (json!(1), json!(99));
            facts["failures"] = json!({ "23505": 1 });
        });
        assert!(failed.contains(&(CheckName::Failures, Consequence::Invalid, None)), "{failed:?}");
        // An action that is seldom asked fails often, and the mix hardly ever.
        let mut rare = evidence(|_, side, facts| {
            let failed = u64::from(side == "after");
            let often = json!({ "due": 9_990, "skipped": 0, "ok": 9_990, "failed": 0, "rows": 9_990 });
            let seldom = json!({ "due": 10, "skipped": 0, "ok": 10 - failed, "failed": failed, "rows": 10 - failed });
            facts["actions"] = json!([seldom, often]);
            facts["failures"] = json!({ "23505": failed });
        });
        rare.actions.push(crate::evidence::ActionFacts { name: "often".to_owned(), ..rare.actions[0].clone() });
        let failed = checked(&rare);
        assert!(failed.contains(&(CheckName::Failures, Consequence::Invalid, Some("a".to_owned()))), "{failed:?}");
        let rows = found(&["after"], |facts| facts["actions"][0]["rows"] = json!(101));
        assert_eq!(rows, [(CheckName::SameWork, Consequence::Invalid, Some("a".to_owned()))]);
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
            [(CheckName::DriverCpu, Consequence::Invalid, None)]
        );
        assert_eq!(found(&ALL, |facts| facts["driver_cpu_share_max"] = json!(0.79)), []);
    }

    #[test]
    fn a_late_driver_is_told_and_one_that_is_late_on_one_equal_side_is_invalid() {
        let late = |of: &[&str], us: f64| {
            found(of, |facts| facts["timer_lag"] = json!({ "us_p50": 60.0, "us_p95": us, "us_p99": us }))
        };
        assert_eq!(late(&ALL, 900.0), []);
        assert_eq!(late(&ALL, 2_100.0), [(CheckName::TimerLag, Consequence::Warning, None)]);
        assert_eq!(late(&["control"], 2_100.0), [(CheckName::TimerLag, Consequence::Invalid, None)]);
        assert_eq!(late(&["after"], 2_100.0), [(CheckName::TimerLag, Consequence::Warning, None)]);
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
        assert_eq!(machine(Some(1), None, None), [(CheckName::Machine, Consequence::Invalid, None)]);
        let warning = (CheckName::Machine, Consequence::Warning, None);
        assert_eq!(machine(None, Some(0.02), Some(0.2)), [warning.clone(), warning]);
        let mut evidence = evidence(|_, _, _| {});
        let reset = crate::evidence::SideCounters { reset: true, ..Default::default() };
        evidence.counters.insert(Side::After, reset);
        assert_eq!(checked(&evidence), [(CheckName::CountersReset, Consequence::Warning, None)]);
    }
}
