//! How near a measurement came to its limits: the clock and the round trip below, what the server can do above.
//! Must only warn: what is hidden there is hidden on all sides.

use super::fact::{CapacityUse, Fact, TripShare};
use super::finding::{Finding, Remedy, Severity};
use super::metric::{pooled, ratios};
use crate::evidence::{ChunkFacts, Evidence, LoadFacts, Side, Subject};
use crate::stats::histogram::quantile;

/// A latency shorter than this many readings of the clock is partly theirs.
const READINGS: f64 = 50.0;

/// Where the way takes more of a latency than this, what the server does is a small part of it.
const WAY: f64 = 0.3;

/// Above this share of what a server can do its latencies are those of a queue. Of a queue with one server that is 3.3
/// times the service time (M/M/1: 1 / (1 − ρ)).
const QUEUE: f64 = 0.7;

/// Median latencies of an action before and after, in microseconds.
fn p50_us(evidence: &Evidence, action: usize) -> Option<[f64; 2]> {
    let of = |side: Side| Some(quantile(&pooled(evidence, side, action)?, 0.50)? as f64 / 1e3);
    Some([of(Side::Before)?, of(Side::After)?])
}

/// The driver reads its clock twice for each operation.
pub(super) fn clock(evidence: &Evidence) -> Option<Finding> {
    let reading_ns = evidence.limits.as_ref()?.clock_ns;
    let latency_us_p50 = (0..evidence.actions.len()).filter_map(|a| p50_us(evidence, a)).flatten().reduce(f64::min)?;
    let fact = Fact::ClockCost { reading_ns, latency_us_p50 };
    (latency_us_p50 < READINGS * reading_ns / 1e3)
        .then(|| Finding::new(Severity::Warning, fact).remedy(Remedy::TscClock))
}

/// Each statement of an operation has its way (one at least, where their number depends), which is the same on every
/// side and makes every change look smaller than it is for the server. Where the change of p50 excludes zero, and both
/// sides are on one server, what is left without the way is known too.
pub(super) fn way(evidence: &Evidence) -> Option<Finding> {
    let trip_us_p50 = evidence.limits.as_ref()?.trip_us_p50;
    let of_action = |a: usize| {
        let [before, after] = p50_us(evidence, a)?;
        let facts = &evidence.actions[a];
        let way = trip_us_p50 * f64::from(facts.trips.unwrap_or(1));
        let share = way / before.min(after);
        if share <= WAY {
            return None;
        }
        let changed = ratios(evidence, Side::After, a, 0.50)
            .and_then(|ratios| super::effect_of(evidence, &ratios))
            .is_some_and(|effect| effect.interval95.0 * effect.interval95.1 > 0.0);
        let one_server = !matches!(evidence.design.subject, Subject::Given { .. }) && facts.sql_after.is_empty();
        let is_known = changed && one_server && facts.trips.is_some() && share < 1.0;
        let change = is_known.then(|| (after / before - 1.0, (after - way) / (before - way) - 1.0));
        Some(TripShare { action: facts.name.clone(), share: share.min(1.0), change })
    };
    let actions: Vec<TripShare> = (0..evidence.actions.len()).filter_map(of_action).collect();
    let is_found = !actions.is_empty();
    is_found.then(|| Finding::new(Severity::Warning, Fact::NetworkFloor { trip_us_p50, actions }))
}

/// Near what a server can do, a small change of the work makes a large one of the latency.
pub(super) fn saturation(evidence: &Evidence) -> Option<Finding> {
    let LoadFacts::Open { rate_per_s, connections } = evidence.design.load else { return None };
    let fact =
        beyond_capacity(evidence, rate_per_s, connections).or_else(|| busy_connections(evidence, connections))?;
    Some(Finding::new(Severity::Warning, fact).remedy(Remedy::LowerRate))
}

/// The load against what a side answered when many operations were due at once.
fn beyond_capacity(evidence: &Evidence, rate_per_s: f64, connections: u32) -> Option<Fact> {
    let capacity = &evidence.limits.as_ref()?.capacity_per_s;
    let (side, most) = capacity.iter().filter(|(_, most)| **most > 0.0).min_by(|a, b| a.1.total_cmp(b.1))?;
    let (side, share, capacity_per_s) = (*side, rate_per_s / most, *most);
    let rate = Some(CapacityUse { rate_per_s, capacity_per_s });
    (share > QUEUE).then_some(Fact::NearSaturation { side, rate, connections, share })
}

fn busy_connections(evidence: &Evidence, connections: u32) -> Option<Fact> {
    let busy = |side: Side| {
        let in_flight = |chunk: &ChunkFacts| chunk.sides.get(&side)?.in_flight_mean;
        let all: Vec<f64> = evidence.chunks.iter().filter_map(in_flight).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64 / f64::from(connections.max(1))
    };
    let side = Side::ALL.into_iter().max_by(|a, b| busy(*a).total_cmp(&busy(*b)))?;
    let share = busy(side);
    (share > QUEUE).then_some(Fact::NearSaturation { side, rate: None, connections, share })
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
        let of_first = |evidence: &Evidence| match way(evidence)?.fact {
            Fact::NetworkFloor { actions, .. } => actions.into_iter().find(|trip| trip.action == name),
            other => panic!("{other:?}"),
        };
        evidence.actions[0].trips = Some(1);
        limits(&mut evidence, 25.0, shorter * 0.29, 1_000.0);
        assert_eq!(of_first(&evidence), None);
        // Every statement goes there and comes back.
        let mut two = evidence.clone();
        two.actions[0].trips = Some(2);
        assert!(of_first(&two).is_some());
        limits(&mut evidence, 25.0, shorter * 0.5, 1_000.0);
        let found = of_first(&evidence).unwrap();
        let trip = shorter * 0.5;
        assert!((found.share - 0.5).abs() < 1e-9, "{found:?}");
        assert!((found.change.unwrap().1 - ((after - trip) / (before - trip) - 1.0)).abs() < 1e-9, "{found:?}");
        // Nothing is left without a way that takes all of it.
        limits(&mut evidence, 25.0, shorter * 1.5, 1_000.0);
        let found = of_first(&evidence).unwrap();
        assert_eq!((found.share, found.change), (1.0, None));
    }

    #[test]
    fn a_dear_clock_is_told() {
        let mut evidence = saved();
        let of = |a: usize| p50_us(&evidence, a).unwrap();
        let shortest = (0..evidence.actions.len()).flat_map(of).fold(f64::INFINITY, f64::min);
        limits(&mut evidence, shortest * 1e3 / 51.0, 1.0, 1_000.0);
        assert!(clock(&evidence).is_none());
        limits(&mut evidence, shortest * 1e3 / 49.0, 1.0, 1_000.0);
        assert_eq!(clock(&evidence).unwrap().id(), "clock-cost");
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
        let saturated = |evidence: &Evidence| match saturation(evidence).unwrap().fact {
            Fact::NearSaturation { side, rate, share, .. } => (side, rate.is_some(), (share * 1e3).round()),
            other => panic!("{other:?}"),
        };
        assert_eq!(saturated(&near), (Side::After, true, 710.0));
        let in_flight = f64::from(connections) * 0.71;
        let busy = evidence(|_, side, facts| {
            if side == "control" {
                facts["in_flight_mean"] = serde_json::json!(in_flight);
            }
        });
        assert_eq!(saturated(&busy), (Side::Control, false, 710.0));
    }
}
