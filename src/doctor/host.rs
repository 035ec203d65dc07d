//! What the machine says of itself: clock, timer, stolen and throttled time. Must say that something is not seen rather than guess:
//! all but clock and timer is Linux's.

use super::{Finding, Grade};
use crate::clock::Clock;
use crate::drive::timer::Timer;
use crate::host::{Counters, pressure};
use crate::units::percent_text;

/// A reading of the clock dearer than this shows in latencies.
const CLOCK_NS_MOST: f64 = 100.0;

/// The timer may wake this late, in microseconds at p99.
const TIMER_US_MOST: f64 = 1_000.0;

/// Time stolen by other guests of the same host.
const STEAL_MOST: f64 = 0.01;

/// Share of the last ten seconds in which something waited for a processor.
const PRESSURE_MOST: f64 = 0.10;

/// What one reading of the clock costs, its finest step, and whether it ever went back.
pub(super) fn clock(clock: &Clock) -> Finding {
    const READINGS: u64 = 100_000;
    let began = clock.now_ns();
    let (mut last, mut finest, mut back) = (began, u64::MAX, false);
    for _ in 0..READINGS {
        let now = clock.now_ns();
        back |= now < last;
        if last < now {
            finest = finest.min(now - last);
        }
        last = now;
    }
    let cost = (last - began) as f64 / READINGS as f64;
    Finding::new("clock", format!("{cost:.0} ns to read, steps of {finest} ns"))
        .when(CLOCK_NS_MOST < cost, Grade::Warning, "use the tsc clock source, if this is a virtual machine that may")
        .when(back, Grade::Unfit, "the clock went back: nothing timed here can be trusted")
}

/// How late the timer wakes.
pub(super) async fn timer(clock: &Clock) -> Finding {
    const TIMES: usize = 300;
    let Ok(timer) = Timer::precise() else {
        return Finding::new("timer", "none").graded(Grade::Unfit, "the kernel gives no timer");
    };
    let mut late = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let due = clock.now_ns() + 1_000_000;
        if timer.sleep_until(clock, due).await.is_ok() {
            late.push(clock.now_ns().saturating_sub(due) as f64 / 1e3);
        }
    }
    late.sort_by(f64::total_cmp);
    let at = |q: f64| {
        late.get(((late.len() as f64 * q) as usize).min(late.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    Finding::new("timer", format!("wakes {:.0} µs late at p50, {:.0} µs at p99", at(0.50), at(0.99)))
        .when(!timer.is_precise(), Grade::Warning, "arrivals are precise to a millisecond only: measure from Linux")
        .when(
            TIMER_US_MOST < at(0.99),
            Grade::Warning,
            "end what else runs here: arrivals come late, and the checks of a proof will say so",
        )
}

/// Processors, stolen time, throttling and pressure since `before`.
pub(super) fn machine(before: &Counters) -> Vec<Finding> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut findings = vec![Finding::new("processors", processors.to_string()).when(
        processors < 2,
        Grade::Warning,
        "driver and server share the only one",
    )];
    let now = Counters::read();
    findings.push(match before.stolen_since(&now) {
        Some(share) => {
            let advice = "other guests take this machine's processors: measure elsewhere, or longer";
            Finding::new("steal", percent_text(share)).when(STEAL_MOST < share, Grade::Warning, advice)
        }
        None => Finding::new("steal", "not seen"),
    });
    findings.push(match before.throttled_since(&now) {
        Some(times) => {
            let advice = "raise the container's limit on processor time: a throttled driver measures its own waits";
            Finding::new("throttling", format!("{times} times")).when(0 < times, Grade::Unfit, advice)
        }
        None => Finding::new("throttling", "no limit seen"),
    });
    if let Some(share) = pressure() {
        let advice = "something else wants the processors: end it, or expect to need more chunks";
        findings.push(Finding::new("pressure", percent_text(share)).when(
            PRESSURE_MOST < share,
            Grade::Warning,
            advice,
        ));
    }
    findings
}
