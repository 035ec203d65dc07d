//! What the machine says of itself: clock, timer, stolen and throttled time. Must say that something is not seen rather
//! than guess: all but clock and timer is Linux's.

use super::{Finding, Grade};
use crate::clock::{Clock, Readings, try_out};
use crate::drive::timer::Timer;
use crate::host::{Counters, pressure};
use crate::units::percent_text;

/// A reading of the clock that takes longer than this shows in latencies.
const CLOCK_NS_MOST: f64 = 100.0;

/// The timer may wake this late, in microseconds at p99.
const TIMER_US_MOST: f64 = 1_000.0;

/// Time stolen by other guests of the same host.
const STEAL_MOST: f64 = 0.01;

/// Share of the last ten seconds in which a task waited for a CPU (CPU contention).
const PRESSURE_MOST: f64 = 0.10;

/// What one reading of the clock costs, its finest step, and whether it ever went back.
pub(super) fn clock(clock: &Clock) -> Finding {
    let Readings { cost_ns, finest_ns, back } = try_out(clock);
    graded_clock(cost_ns, finest_ns, back)
}

fn graded_clock(cost_ns: f64, finest_ns: u64, back: bool) -> Finding {
    Finding::new("clock", format!("{cost_ns:.0} ns to read, steps of {finest_ns} ns"))
        .when(
            CLOCK_NS_MOST < cost_ns,
            Grade::Warning,
            "use the tsc clock source, if this is a virtual machine that may",
        )
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
    graded_timer(at(0.50), at(0.99), timer.is_precise())
}

fn graded_timer(p50: f64, p99: f64, precise: bool) -> Finding {
    if p99.is_nan() {
        return Finding::new("timer", "not seen")
            .graded(Grade::Unfit, "the timer never woke: arrivals cannot be timed");
    }
    Finding::new("timer", format!("wakes {p50:.0} µs late at p50, {p99:.0} µs at p99"))
        .when(!precise, Grade::Warning, "arrivals are precise to a millisecond only: measure from Linux")
        .when(
            TIMER_US_MOST < p99,
            Grade::Warning,
            "end what else runs here: arrivals come late, and the checks of a proof will say so",
        )
}

/// Processors, stolen time, throttling and pressure since `before`.
pub(super) fn machine(before: &Counters) -> Vec<Finding> {
    let now = Counters::read();
    graded_machine(
        std::thread::available_parallelism().map_or(1, usize::from),
        before.stolen_since(&now),
        before.throttled_since(&now),
        pressure(),
    )
}

fn graded_machine(
    processors: usize,
    stolen: Option<f64>,
    throttled: Option<u64>,
    pressure: Option<f64>,
) -> Vec<Finding> {
    let alone = "driver and server share the only one";
    let processors = Finding::new("processors", processors.to_string()).when(processors < 2, Grade::Warning, alone);
    let steal = stolen.map_or(Finding::new("steal", "not seen"), |share| {
        let advice = "other guests take this machine's processors: measure elsewhere, or longer";
        Finding::new("steal", percent_text(share)).when(STEAL_MOST < share, Grade::Warning, advice)
    });
    let throttling = throttled.map_or(Finding::new("throttling", "no limit seen"), |times| {
        let advice = "raise the container's limit on processor time: a throttled driver measures its own waits";
        Finding::new("throttling", format!("{times} times")).when(0 < times, Grade::Unfit, advice)
    });
    let pressure = pressure.map(|share| {
        let advice = "something else wants the processors: end it, or expect to need more chunks";
        Finding::new("pressure", percent_text(share)).when(PRESSURE_MOST < share, Grade::Warning, advice)
    });
    [processors, steal, throttling].into_iter().chain(pressure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(findings: &[Finding]) -> Vec<Grade> {
        findings.iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_machine_is_graded_by_what_others_take_of_it() {
        use Grade::{Good, Unfit, Warning};
        assert_eq!(grades(&graded_machine(2, Some(0.01), Some(0), Some(0.10))), [Good; 4]);
        let busy = graded_machine(1, Some(0.02), Some(3), Some(0.11));
        assert_eq!(grades(&busy), [Warning, Warning, Unfit, Warning]);
        // What is not seen is reported, and no fault.
        let unseen = graded_machine(2, None, None, None);
        assert_eq!((grades(&unseen), &*unseen[1].found), (vec![Good; 3], "not seen"));
    }

    #[test]
    fn a_clock_that_goes_back_is_unfit_and_a_late_timer_a_warning() {
        assert_eq!(graded_clock(25.0, 10, false).grade, Grade::Good);
        assert_eq!(graded_clock(250.0, 10, false).grade, Grade::Warning);
        assert_eq!(graded_clock(25.0, 10, true).grade, Grade::Unfit);
        assert_eq!(graded_timer(50.0, 900.0, true).grade, Grade::Good);
        assert_eq!(graded_timer(50.0, 1_100.0, true).grade, Grade::Warning);
        assert_eq!(graded_timer(50.0, 900.0, false).grade, Grade::Warning);
        assert_eq!(graded_timer(f64::NAN, f64::NAN, true).grade, Grade::Unfit, "it never woke");
    }
}
