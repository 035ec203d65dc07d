//! How near a measurement came to its limits: the clock and the way to the server below, what the server can do above. Must only warn:
//! what is hidden there is hidden on all sides.

use super::check::{CheckName, Consequence};
use super::conditions::Found;
use super::metric::{pooled, ratios};
use crate::evidence::{ChunkFacts, Evidence, LoadFacts, Side, Subject};
use crate::stats::histogram::quantile;
use crate::units::{change_text, count_text, percent_text};

/// A latency shorter than so many readings of the clock is partly theirs.
const READINGS: f64 = 50.0;

/// Where the way takes more of a latency than this, what the server does is a small part of it.
const WAY: f64 = 0.3;

/// Above this share of what a server can do its latencies are those of a queue. Of a queue with one server that is 3.3 times the service
/// time (M/M/1: 1 / (1 − ρ)).
const QUEUE: f64 = 0.7;

/// Median latencies of an action before and after, in microseconds.
fn p50_us(evidence: &Evidence, action: usize) -> Option<[f64; 2]> {
    let of = |side: Side| Some(quantile(&pooled(evidence, side, action)?, 0.50)? as f64 / 1e3);
    Some([of(Side::Before)?, of(Side::After)?])
}

/// The driver reads its clock twice for each operation.
pub(super) fn clock(evidence: &Evidence) -> Found {
    let cost_us = evidence.limits.as_ref()?.clock_ns / 1e3;
    let shortest = (0..evidence.actions.len()).filter_map(|a| p50_us(evidence, a)).flatten().reduce(f64::min)?;
    (shortest < READINGS * cost_us).then(|| {
        let message = format!(
            "a reading of the clock costs {:.0} ns and the shortest median latency is {shortest:.1} µs: latencies are partly those of the clock; use the tsc \
             clock source, if this is a virtual machine that may",
            cost_us * 1e3
        );
        (CheckName::Clock, Consequence::Warning, message)
    })
}

/// Each statement of an operation has its way (one at least, where their number depends), which is the same on every side and makes every change look smaller than it is for the
/// server. Where the change of p50 is beside zero, and both sides are on one server, what is left without the way is told too.
pub(super) fn way(evidence: &Evidence) -> Found {
    let trip = evidence.limits.as_ref()?.trip_us_p50;
    let of_action = |a: usize| {
        let [before, after] = p50_us(evidence, a)?;
        let facts = &evidence.actions[a];
        let way = trip * f64::from(facts.trips.unwrap_or(1));
        let share = way / before.min(after);
        if share <= WAY {
            return None;
        }
        let changed = ratios(evidence, Side::After, a, 0.50)
            .and_then(|ratios| super::effect_of(evidence, &ratios))
            .is_some_and(|effect| 0.0 < effect.interval95.0 * effect.interval95.1);
        let one_server = !matches!(evidence.design.subject, Subject::Given { .. }) && facts.sql_after.is_empty();
        let without = match changed && one_server && facts.trips.is_some() && share < 1.0 {
            true => {
                let change = |before: f64, after: f64| change_text(after / before - 1.0);
                format!("; without it {} instead of {}", change(before - way, after - way), change(before, after))
            }
            false => String::new(),
        };
        Some(format!("{} ({}{without})", facts.name, percent_text(share.min(1.0))))
    };
    let short: Vec<String> = (0..evidence.actions.len()).filter_map(of_action).collect();
    (!short.is_empty()).then(|| {
        let message = format!(
            "SELECT 1 takes {trip:.0} µs, the way there and back, which for each of its statements is more than {} of p50 of {}: a change of what the server \
             does may be larger than it looks",
            percent_text(WAY),
            short.join(", ")
        );
        (CheckName::NetworkFloor, Consequence::Warning, message)
    })
}

/// Near what a server can do, a small change of the work makes a large one of the latency.
pub(super) fn saturation(evidence: &Evidence) -> Found {
    let LoadFacts::Open { rate_per_s, connections } = evidence.design.load else { return None };
    let found =
        beyond_capacity(evidence, rate_per_s, connections).or_else(|| busy_connections(evidence, connections))?;
    let message = format!(
        "{found}: latencies there are those of a queue, and a small change of the work makes a large one of theirs; lower the rate to compare the \
         work"
    );
    Some((CheckName::Saturation, Consequence::Warning, message))
}

/// The load against what a side answered when many operations were due at once.
fn beyond_capacity(evidence: &Evidence, rate_per_s: f64, connections: u32) -> Option<String> {
    let capacity = &evidence.limits.as_ref()?.capacity_per_s;
    let (side, most) = capacity.iter().filter(|(_, most)| 0.0 < **most).min_by(|a, b| a.1.total_cmp(b.1))?;
    (QUEUE < rate_per_s / most).then(|| {
        format!(
            "the load of {} operations a second is {} of what {} did at most, {} a second on {connections} connections",
            count_text(rate_per_s as u64),
            percent_text(rate_per_s / most),
            side.name(),
            count_text(*most as u64)
        )
    })
}

fn busy_connections(evidence: &Evidence, connections: u32) -> Option<String> {
    let busy = |side: Side| {
        let in_flight = |chunk: &ChunkFacts| chunk.sides.get(&side)?.in_flight_mean;
        let all: Vec<f64> = evidence.chunks.iter().filter_map(in_flight).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64 / f64::from(connections.max(1))
    };
    let busiest = Side::ALL.into_iter().max_by(|a, b| busy(*a).total_cmp(&busy(*b)))?;
    (QUEUE < busy(busiest)).then(|| {
        format!("{} of the connections were busy on {} on average", percent_text(busy(busiest)), busiest.name())
    })
}

#[cfg(test)]
mod tests {
    use super::super::conditions::tests::evidence;
    use super::super::tests::saved;
    use super::*;
    use crate::evidence::Limits;

    fn limits(evidence: &mut Evidence, clock_ns: f64, trip_us_p50: f64, after_per_s: f64) {
        let capacity_per_s = [(Side::Before, 1_000.0), (Side::After, after_per_s)].into();
        evidence.limits = Some(Limits { clock_ns, trip_us_p50, capacity_per_s });
    }

    #[test]
    fn what_the_way_takes_of_a_latency_is_told_with_the_change_without_it() {
        let mut evidence = saved();
        assert!(way(&evidence).is_none() && clock(&evidence).is_none(), "not asked before format 6");
        let [before, after] = p50_us(&evidence, 0).unwrap();
        let shorter = before.min(after);
        let name = evidence.actions[0].name.clone();
        let told = |evidence: &Evidence| way(evidence).is_some_and(|found| found.2.contains(&format!("{name} (")));
        evidence.actions[0].trips = Some(1);
        limits(&mut evidence, 25.0, shorter * 0.29, 1_000.0);
        assert!(!told(&evidence));
        // Every statement goes there and comes back.
        let mut two = evidence.clone();
        two.actions[0].trips = Some(2);
        assert!(told(&two));
        limits(&mut evidence, 25.0, shorter * 0.5, 1_000.0);
        let (check, consequence, message) = way(&evidence).unwrap();
        assert_eq!((check, consequence), (CheckName::NetworkFloor, Consequence::Warning));
        let trip = shorter * 0.5;
        let without = change_text((after - trip) / (before - trip) - 1.0);
        assert!(message.contains(&format!("{name} (50.0 %; without it {without} instead of ")), "{message}");
        // Nothing is left without a way that takes all of it.
        limits(&mut evidence, 25.0, shorter * 1.5, 1_000.0);
        assert!(way(&evidence).unwrap().2.contains(&format!("{name} (100.0 %)")), "{:?}", way(&evidence));
    }

    #[test]
    fn a_dear_clock_is_told() {
        let mut evidence = saved();
        let of = |a: usize| p50_us(&evidence, a).unwrap();
        let shortest = (0..evidence.actions.len()).flat_map(of).fold(f64::INFINITY, f64::min);
        limits(&mut evidence, shortest * 1e3 / 51.0, 1.0, 1_000.0);
        assert!(clock(&evidence).is_none());
        limits(&mut evidence, shortest * 1e3 / 49.0, 1.0, 1_000.0);
        assert_eq!(clock(&evidence).unwrap().0, CheckName::Clock);
    }

    #[test]
    fn a_load_near_what_a_side_can_do_is_told() {
        let mut near = evidence(|_, _, _| {});
        let LoadFacts::Open { rate_per_s, connections } = near.design.load else { panic!("it is open") };
        assert!(saturation(&near).is_none());
        limits(&mut near, 25.0, 1.0, rate_per_s / 0.69);
        near.limits.as_mut().unwrap().capacity_per_s.remove(&Side::Before);
        assert!(saturation(&near).is_none());
        limits(&mut near, 25.0, 1.0, rate_per_s / 0.71);
        let message = saturation(&near).unwrap().2;
        assert!(message.contains("is 71.0 % of what after did at most"), "{message}");
        let in_flight = f64::from(connections) * 0.71;
        let busy = evidence(|_, side, facts| {
            if side == "control" {
                facts["in_flight_mean"] = serde_json::json!(in_flight);
            }
        });
        let message = saturation(&busy).unwrap().2;
        assert!(message.contains("71.0 % of the connections were busy on control"), "{message}");
    }
}
