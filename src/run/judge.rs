//! What a run's figures say: gates, rules that end it, checks of the driver and the machine. Must measure nothing.

use super::tally::Tally;
use crate::drive::Recording;
use crate::evidence::run::{ActionResult, DriverFacts, InFlight, IntervalFacts, RunCheck, RunCheckName};
use crate::scenario::Load;
use crate::scenario::gate::{Figure, Gate};
use crate::units::{duration_text, seconds};

pub(super) use crate::evidence::gate::{Figures, judge, unreadable};

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

/// Checks of the driver and the machine that found something. `offered` is what the load asked for, in operations.
#[must_use]
pub(super) fn checks(
    load: Load,
    offered: f64,
    driver: &DriverFacts,
    all: &ActionResult,
    in_flight: &InFlight,
) -> Vec<RunCheck> {
    let open = matches!(load, Load::Open { .. });
    let achieved = all.ok as f64 + all.failed as f64;
    // Three deviations of a Poisson count are chance.
    let chance = if all.due as f64 + 0.5 < offered { 3.0 * offered.sqrt() } else { 0.0 };
    let lag_us_max = LAG_LEAST_US.max(LAG_SHARE_OF_P50 * all.latency.us_p50.unwrap_or_default());
    let readings = all.service.us_p50.unwrap_or(f64::MAX) * 1e3 / driver.clock_ns.max(1e-9);
    let checks = [
        (RunCheckName::DriverCpu, true, driver.cpu_share_max > CPU_MOST),
        (RunCheckName::AchievedRate, true, open && offered > 0.0 && achieved < ACHIEVED_LEAST * offered - chance),
        (RunCheckName::TimerLag, true, open && driver.timer_lag.us_p99 > lag_us_max),
        (RunCheckName::ClockCost, false, readings < CLOCK_LEAST),
        (RunCheckName::Bookkeeping, true, is_apart(in_flight)),
    ];
    let failing = checks.into_iter().filter(|(.., fails)| *fails);
    failing.map(|(name, limits, _)| RunCheck { name, limits, message: None }).collect()
}

/// Both sides of Little's law.
#[must_use]
pub(super) fn in_flight(total: &Recording) -> InFlight {
    let (counted_mean, expected_mean) = total.in_flight();
    InFlight { counted_mean, expected_mean }
}

/// Whether they disagree.
fn is_apart(of: &InFlight) -> bool {
    let apart = (of.counted_mean - of.expected_mean).abs();
    apart > LITTLE_APART * of.counted_mean.max(of.expected_mean) && apart > 1e-6
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
    use crate::evidence::run::Quantiles;

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
            let checks = checks(load, 1_000.0, driver, &all, &InFlight::default());
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
        assert!(!is_apart(&in_flight(&total)));
        // Three answers that never entered a histogram.
        total.in_flight_ns += 15_000_000;
        assert!(is_apart(&in_flight(&total)));
    }
}
