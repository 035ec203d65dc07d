//! What a run's figures say: gates, rules that end it, checks of the driver and the machine. Must measure nothing.

use super::tally::Tally;
use crate::drive::Recording;
use crate::evidence::run::{
    ActionResult, DriverFacts, GateResult, IntervalFacts, Quantiles, RunCheck, RunCheckName, Unevaluated,
};
use crate::evidence::view::{PoolFacts, ReplicaFacts};
use crate::scenario::Load;
use crate::scenario::gate::{Figure, Gate};
use crate::stats::histogram::values_needed;
use crate::units::{duration_text, percent_text, seconds};

/// Below this share of what was offered the driver or the server could not keep up.
const ACHIEVED_LEAST: f64 = 0.99;

/// A driver thread busier than this is the bottleneck, not the server.
const CPU_MOST: f64 = 0.8;

/// Wake-ups later than this, or than a share of the median latency, are in every figure.
const LAG_LEAST_US: f64 = 1_000.0;
const LAG_SHARE_OF_P50: f64 = 0.05;

/// Fewer clock readings than this in the median latency make the clock a part of what is measured.
const CLOCK_LEAST: f64 = 50.0;

/// Little's law may be off by this share: histograms are exact to a thousandth.
const LITTLE_APART: f64 = 0.02;

/// Everything a gate may look at.
pub(super) struct Figures<'f> {
    /// By action.
    pub(super) actions: &'f [ActionResult],
    /// All together.
    pub(super) all: &'f ActionResult,
    /// What the load asked for, a second; nothing in a closed loop.
    pub(super) offered_per_s: Option<f64>,
    /// The pool, where there is one.
    pub(super) pool: Option<&'f PoolFacts>,
    /// The replicas.
    pub(super) replicas: &'f [ReplicaFacts],
}

/// A gate with what was observed.
#[must_use]
pub(super) fn judge(gate: &Gate, figures: &Figures<'_>) -> GateResult {
    let observed = observe(gate, figures);
    let asked = figures.offered_per_s.unwrap_or_default() * share(gate, figures);
    GateResult {
        gate: gate.text.clone(),
        observed: observed.ok().map(|value| text(gate, value)),
        holds: observed.is_ok_and(|value| gate.holds(value, asked)),
        unevaluated: observed.err(),
    }
}

/// A gate of a saved run whose text cannot be read.
#[must_use]
pub(super) fn unreadable(text: &str) -> GateResult {
    GateResult { gate: text.to_owned(), observed: None, holds: false, unevaluated: Some(Unevaluated::Unreadable) }
}

/// The share of the load that a gate's action has.
fn share(gate: &Gate, figures: &Figures<'_>) -> f64 {
    let of = |name: &String| figures.actions.iter().find(|a| a.name == *name).map_or(0.0, |a| a.share);
    gate.metric.action.as_ref().map_or(1.0, of)
}

fn observe(gate: &Gate, figures: &Figures<'_>) -> Result<f64, Unevaluated> {
    let result = match &gate.metric.action {
        Some(name) => figures.actions.iter().find(|a| a.name == *name).ok_or(Unevaluated::NoAction)?,
        None => figures.all,
    };
    let part = |count: u64| match result.due {
        0 => Err(Unevaluated::NothingDue),
        due => Ok(count as f64 / due as f64),
    };
    let latency = &result.latency;
    match gate.metric.figure {
        Figure::Latency(q) => quantile_ns(latency, q),
        Figure::PoolWait(q) => quantile_ns(&figures.pool.ok_or(Unevaluated::NoPool)?.wait, q),
        Figure::ReplicaLag => {
            let seen = figures.replicas.iter().filter(|replica| replica.lag.count > 0);
            let largest = seen.map(|replica| replica.lag.us_max * 1e3).reduce(f64::max);
            largest.ok_or(Unevaluated::NoReplica)
        }
        Figure::Mean if latency.count == 0 => Err(Unevaluated::NoAnswer),
        Figure::Mean => Ok(latency.us_mean * 1e3),
        Figure::Errors => part(result.failed),
        Figure::Skipped => part(result.skipped),
        Figure::Unsent => part(result.unsent),
        Figure::Late => part(result.late),
        Figure::Misses => part(result.misses),
        Figure::Rate if gate.relative && figures.offered_per_s.is_none() => Err(Unevaluated::NoRate),
        Figure::Rate => Ok(result.rate_per_s),
    }
}

fn quantile_ns(of: &Quantiles, q: f64) -> Result<f64, Unevaluated> {
    let us = match q {
        _ if q >= 1.0 => (of.count > 0).then_some(of.us_max),
        _ if q >= 0.999 => of.us_p999,
        _ if q >= 0.99 => of.us_p99,
        _ if q >= 0.95 => of.us_p95,
        _ if q >= 0.9 => of.us_p90,
        _ => of.us_p50,
    };
    us.map(|us| us * 1e3).ok_or(match of.count {
        0 => Unevaluated::NoAnswer,
        values => Unevaluated::TooFew { values, needed: values_needed(q) },
    })
}

fn text(gate: &Gate, value: f64) -> String {
    match gate.metric.figure {
        Figure::Errors | Figure::Skipped | Figure::Unsent | Figure::Late | Figure::Misses => {
            format!("{:.3} %", value * 100.0)
        }
        Figure::Rate => format!("{value:.1}/s"),
        _ => format!("{:.3} ms", value / 1e6),
    }
}

/// Whether a rule (`errors > 5% for 10s`) has held over the last intervals.
#[must_use]
pub(super) fn is_met(rule: &Gate, intervals: &[IntervalFacts], offered_per_s: Option<f64>) -> bool {
    let mut seconds = 0.0;
    let mut window = Vec::new();
    for interval in intervals.iter().rev() {
        window.push(interval);
        seconds += interval.length_s;
        if rule.delay_s <= seconds + 0.05 {
            break;
        }
    }
    // A little short, because intervals end when the timer wakes.
    if window.is_empty() || seconds + 0.05 < rule.delay_s {
        return false;
    }
    let sum = |of: fn(&IntervalFacts) -> u64| window.iter().map(|i| of(i)).sum::<u64>() as f64;
    let due = sum(|i| i.due);
    let asked = offered_per_s.unwrap_or_default();
    match rule.metric.figure {
        Figure::Errors => 0.0 < due && rule.holds(sum(|i| i.failed) / due, asked),
        Figure::Skipped => 0.0 < due && rule.holds(sum(|i| i.skipped) / due, asked),
        Figure::Rate => rule.holds(sum(|i| i.ok) / seconds, asked),
        Figure::Latency(q) => window.iter().all(|i| {
            let us = if q >= 0.99 {
                i.latency.us_p99
            } else if q >= 0.95 {
                i.latency.us_p95
            } else {
                i.latency.us_p50
            };
            us.is_some_and(|us| rule.holds(us * 1e3, asked))
        }),
        _ => false,
    }
}

/// Checks of the driver and the machine that found something.
#[must_use]
pub(super) fn checks(
    load: Load,
    offered: f64,
    driver: &DriverFacts,
    all: &ActionResult,
    total: &Recording,
) -> Vec<RunCheck> {
    let mut found = Vec::new();
    let mut limit = |name, limits: bool, message: String| found.push(RunCheck { name, limits, message });
    if CPU_MOST < driver.cpu_share_max {
        limit(
            RunCheckName::DriverCpu,
            true,
            format!(
                "a thread of the driver used {} of a processor: the driver was the limit, not the server; raise \
                 --threads, or drive from another machine",
                percent_text(driver.cpu_share_max)
            ),
        );
    }
    let open = matches!(load, Load::Open { .. });
    let achieved = all.ok as f64 + all.failed as f64;
    // Three deviations of a Poisson count are chance.
    let chance = if all.due as f64 + 0.5 < offered { 3.0 * offered.sqrt() } else { 0.0 };
    if open && 0.0 < offered && achieved < ACHIEVED_LEAST * offered - chance {
        limit(
            RunCheckName::AchievedRate,
            true,
            format!(
                "only {} of the offered operations got an answer: this rate is more than the server or the driver can \
                 do; latencies are lower bounds",
                percent_text(achieved / offered)
            ),
        );
    }
    let bound_us = LAG_LEAST_US.max(LAG_SHARE_OF_P50 * all.latency.us_p50.unwrap_or_default());
    if open && bound_us < driver.timer_lag.us_p99 {
        limit(
            RunCheckName::TimerLag,
            true,
            format!(
                "the driver's timer woke clients late, 1 of 100 by {:.1} ms or more: processors are scarce; drive from \
                 another machine",
                driver.timer_lag.us_p99 / 1e3
            ),
        );
    }
    let readings = all.service.us_p50.unwrap_or(f64::MAX) * 1e3 / driver.clock_ns.max(1e-9);
    if readings < CLOCK_LEAST {
        limit(
            RunCheckName::ClockCost,
            false,
            format!(
                "one reading of the clock takes {:.0} ns, which is much of the median service time; mind small \
                 differences",
                driver.clock_ns
            ),
        );
    }
    if let Some((counted, expected)) = little(total) {
        limit(
            RunCheckName::Bookkeeping,
            true,
            format!(
                "{counted:.3} operations were in flight on average, but answers and their service times make \
                 {expected:.3}: figures are missing or the clock went wrong; please report this"
            ),
        );
    }
    found
}

/// Both sides of Little's law, when they are apart.
fn little(total: &Recording) -> Option<(f64, f64)> {
    let (counted, expected) = total.in_flight();
    let apart = (counted - expected).abs();
    (LITTLE_APART * counted.max(expected) < apart && 1e-6 < apart).then_some((counted, expected))
}

/// What the driver itself did.
#[must_use]
pub(super) fn driver(tally: &Tally, clock_ns: f64) -> DriverFacts {
    let total = &tally.total;
    let lag_us = |q: f64| total.timer_lag.value_at_quantile(q) as f64 / 1e3;
    let counts = total.counts();
    DriverFacts {
        cpu_share_max: total.cpu_share_max,
        cpu_us_per_operation: total.cpu_ns as f64 / 1e3 / counts.sent().max(1) as f64,
        timer_lag: crate::evidence::TimerLag { us_p50: lag_us(0.5), us_p95: lag_us(0.95), us_p99: lag_us(0.99) },
        clock_ns,
        digest: format!("{:016x}", total.digest),
        reconnects: total.reconnects,
    }
}

/// What an aborted run says.
#[must_use]
pub(super) fn why(rule: &Gate) -> String {
    if rule.delay_s == 0.0 {
        return rule.text.clone();
    }
    format!("{} for {}", rule.text, duration_text(seconds(rule.delay_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::failure::Failure;
    use crate::drive::recorder::Moments;

    #[test]
    fn a_rule_looks_at_the_last_intervals_only() {
        let rule = Gate::read("errors > 5% for 3s").unwrap();
        let interval =
            |failed| IntervalFacts { length_s: 1.0, due: 100, failed, ok: 100 - failed, ..IntervalFacts::default() };
        let bad = [interval(50), interval(50), interval(0), interval(0), interval(0)];
        assert!(!is_met(&rule, &bad, None));
        assert!(is_met(&rule, &bad[..3], None));
        assert!(!is_met(&rule, &bad[..2], None), "two seconds are not three");
    }

    #[test]
    fn a_dear_clock_is_warned_of_and_a_late_timer_or_a_busy_driver_limits() {
        let quantiles = Quantiles { count: 1_000, us_p50: Some(2.0), ..Quantiles::default() };
        let all =
            ActionResult { due: 1_000, ok: 1_000, service: quantiles, latency: quantiles, ..ActionResult::default() };
        let found = |driver: &DriverFacts| {
            let load = Load::Open { rate: 100.0, connections: 4 };
            let checks = checks(load, 1_000.0, driver, &all, &Recording::new(1));
            checks.into_iter().map(|check| (check.name, check.limits)).collect::<Vec<_>>()
        };
        let fine = DriverFacts { clock_ns: 25.0, ..DriverFacts::default() };
        assert_eq!(found(&fine), []);
        // Fifty readings of 41 ns are more than the median service time of 2 µs.
        let dear = DriverFacts { clock_ns: 41.0, ..fine.clone() };
        assert_eq!(found(&dear), [(RunCheckName::ClockCost, false)]);
        let lag = crate::evidence::TimerLag { us_p99: 1_200.0, ..crate::evidence::TimerLag::default() };
        assert_eq!(found(&DriverFacts { timer_lag: lag, ..fine.clone() }), [(RunCheckName::TimerLag, true)]);
        assert_eq!(found(&DriverFacts { cpu_share_max: 0.81, ..fine }), [(RunCheckName::DriverCpu, true)]);
    }

    #[test]
    fn books_that_lost_an_answer_are_found_out() {
        let mut total = Recording::new(1);
        total.elapsed_ns = 1_000_000_000;
        for n in 0..100 {
            let began = n * 10_000_000;
            let at = Moments { due: began, asked: began, began, ended: began + 5_000_000 };
            total.answered(0, at, 1, false);
        }
        total.failed(0, &Failure::script("x"), 7_000_000);
        // What the driver counts while operations come and go.
        total.in_flight_ns = 507_000_000;
        assert_eq!(little(&total), None);
        // Three answers that never entered a histogram.
        total.in_flight_ns += 15_000_000;
        assert!(little(&total).is_some());
    }

    #[test]
    fn a_gate_without_enough_values_does_not_hold() {
        let latency = Quantiles { count: 5, ..Quantiles::default() };
        let all = ActionResult { due: 5, ok: 5, latency, ..ActionResult::default() };
        let figures = Figures { actions: &[], all: &all, offered_per_s: None, pool: None, replicas: &[] };
        let judged = |text| judge(&Gate::read(text).unwrap(), &figures);
        let result = judged("p99 < 1s");
        assert_eq!((result.observed, result.holds), (None, false));
        assert_eq!(result.unevaluated, Some(Unevaluated::TooFew { values: 5, needed: 1_000 }));
        assert!(judged("errors < 0.1%").holds);
        // A share of a rate that nobody asked for is 0, which every rate reaches.
        assert_eq!(judged("rate >= 95%").unevaluated, Some(Unevaluated::NoRate));
        assert!(judged("rate >= 0").holds);
        assert_eq!(judged("gone.p50 < 1s").unevaluated, Some(Unevaluated::NoAction));
        assert_eq!(judged("pool.wait.p99 < 1s").unevaluated, Some(Unevaluated::NoPool));
    }
}
