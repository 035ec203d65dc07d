//! How many operations a margin needs, and which actions get more of them than the mix gives. Must be decided before
//! anything is timed.

use hdrhistogram::Histogram;

use crate::drive::Recording;
use crate::evidence::{ActionFacts, CountedAction, Evidence, LoadFacts, PlanShape, Side};
use crate::scenario::Workload;
use crate::stats::histogram::sampling_interval;

/// Latencies spread like this, as the standard deviation of their logarithm, until something is measured
/// (docs/method.md).
const SPREAD: f64 = 0.7;

/// √(p (1 − p)) / φ(z) of a normal distribution at p95: the standard error of ln p95 is this times the spread over
/// √n.
const P95: f64 = 2.11;

/// Standard normal quantiles of the level of a look and of a power of 80 %, added.
const CERTAINTY: f64 = 2.24 + 0.84;

/// Standard errors on either side of an estimate that an interval of 95 % holds.
const NORMAL_95: f64 = 1.96;

/// Changed actions together get at most this share.
const MOST: f64 = 0.5;

/// Less more than this is not worth another mix.
const WORTH_IT: f64 = 1.2;

/// The standard error of ln p95 over one operation, until something is measured.
const ERROR: f64 = P95 * SPREAD;

/// Operations of a side that tell a change of p95 by `margin` from none, by sampling alone; `error` is that of ln p95
/// over one operation, and shrinks with √n.
fn operations_needed(margin: f64, error: f64) -> f64 {
    // Both sides have their error.
    2.0 * (CERTAINTY * error / (1.0 + margin).ln()).powi(2)
}

/// The standard error of ln p95 over one operation, as it was seen; nothing with too few operations.
fn error_seen(latency: &Histogram<u64>) -> Option<f64> {
    let (low, high) = sampling_interval(latency, 0.95)?;
    Some((high as f64 / low as f64).ln() / 2.0 / NORMAL_95 * (latency.len() as f64).sqrt())
}

/// Operations of a side in a chunk; nothing in a closed loop, where only the server knows.
fn operations_per_chunk(evidence: &Evidence) -> Option<f64> {
    let design = &evidence.design;
    let LoadFacts::Open { rate_per_s, .. } = design.load else { return None };
    Some(rate_per_s * f64::from(design.rounds_per_chunk) * design.slice_ms as f64 / 1e3)
}

/// Chunks until sampling alone decides each action's p95, by the share of the operations it gets.
#[must_use]
pub(in crate::trial) fn chunks_needed(evidence: &Evidence) -> Option<Vec<f64>> {
    chunks_with(evidence, |_| ERROR)
}

/// The same by what was seen while nothing counted: how latencies spread here, on this machine. An action that was
/// asked too rarely keeps the estimate of [`chunks_needed`].
#[must_use]
pub(super) fn chunks_needed_here(evidence: &Evidence, seen: &Recording) -> Option<Vec<f64>> {
    chunks_with(evidence, |action| {
        seen.actions.get(action).and_then(|action| error_seen(&action.latency)).unwrap_or(ERROR)
    })
}

fn chunks_with(evidence: &Evidence, error: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
    let all = operations_per_chunk(evidence)?;
    let of = |(position, action): (usize, &ActionFacts)| {
        let share = action.driven_share.unwrap_or(action.share);
        operations_needed(action.margin, error(position)) / (all * share).max(1e-9)
    };
    Some(evidence.actions.iter().enumerate().map(of).collect())
}

/// Gives actions that changed more of the operations, where the mix gives them too few for their margins: up to half of
/// all together. The others' shares shrink in proportion.
pub(in crate::trial) fn focus(evidence: &mut Evidence, workloads: [&mut Workload; 2]) {
    let Some(all) = operations_per_chunk(evidence).map(|ops| ops * f64::from(evidence.design.chunks_planned)) else {
        return;
    };
    let shares: Vec<f64> = evidence.actions.iter().map(|action| action.share).collect();
    let wanted: Vec<f64> = evidence
        .actions
        .iter()
        .enumerate()
        .map(|(position, action)| match changed(evidence, position) {
            true => action.share.max(operations_needed(action.margin, ERROR) / all),
            false => 0.0,
        })
        .collect();
    let Some(driven) = divide(&shares, &wanted) else { return };
    for workload in workloads {
        workload.drive_as(&driven);
    }
    for (action, share) in evidence.actions.iter_mut().zip(driven) {
        action.driven_share = Some(share);
    }
}

/// Shares that give actions what they want, zero for those that want nothing of their own; nothing when the mix does.
fn divide(shares: &[f64], wanted: &[f64]) -> Option<Vec<f64>> {
    let has: f64 = shares.iter().zip(wanted).filter(|(_, wanted)| 0.0 < **wanted).map(|(share, _)| share).sum();
    let wants: f64 = wanted.iter().sum();
    let gets = wants.min(MOST);
    let others = 1.0 - has;
    if has <= 0.0 || others <= 0.0 || gets <= has * WORTH_IT {
        return None;
    }
    let share = |(share, wanted): (&f64, &f64)| {
        if 0.0 < *wanted { wanted * gets / wants } else { share * (1.0 - gets) / others }
    };
    let driven: Vec<f64> = shares.iter().zip(wanted).map(share).collect();
    // Nobody who changed may lose by it.
    let loses = shares.iter().zip(wanted).zip(&driven).any(|((share, wanted), driven)| 0.0 < *wanted && driven < share);
    (!loses).then_some(driven)
}

/// Whether single operations of an action have other plans, blocks or WAL after.
fn changed(evidence: &Evidence, position: usize) -> bool {
    let of = |side: Side| evidence.counts.get(&side).and_then(|counted| counted.get(position));
    let (Some(before), Some(after)) = (of(Side::Before), of(Side::After)) else { return false };
    let plans = |action: &CountedAction| -> Vec<PlanShape> {
        let plans = action.sets.iter().flat_map(|set| &set.plans).chain(&action.generic);
        plans.map(|plan| action.plans[*plan as usize].clone()).collect()
    };
    let sum = |action: &CountedAction| {
        action.sets.iter().fold((0, 0), |(blocks, records), set| (blocks + set.blocks(), records + set.wal_records))
    };
    plans(before) != plans(after) || sum(before) != sum(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_per_cent_of_p95_takes_some_seventeen_thousand_operations() {
        assert!((15_000.0..20_000.0).contains(&operations_needed(0.05, ERROR)), "{}", operations_needed(0.05, ERROR));
        assert!((operations_needed(0.05, ERROR) / operations_needed(0.10, ERROR) - 3.8).abs() < 0.1);
    }

    #[test]
    fn the_error_that_is_seen_is_the_one_that_is_estimated() {
        // Latencies whose logarithm spreads by 0.35, half of what is estimated.
        let mut steady = crate::stats::histogram::empty();
        for n in 1..=4_000_u32 {
            // The logistic distribution is near enough to the normal one at p95.
            let p = f64::from(n) / 4_001.0;
            let spread = 0.35 / 1.814 * (p / (1.0 - p)).ln();
            steady.record((1e6 * spread.exp()) as u64).unwrap();
        }
        let (seen, estimated) = (error_seen(&steady).unwrap(), P95 * 0.35);
        assert!((0.7..1.4).contains(&(seen / estimated)), "{seen} {estimated}");
        assert_eq!(error_seen(&crate::stats::histogram::empty()), None);
    }

    #[test]
    fn a_rare_action_that_changed_gets_what_it_needs_and_no_more_than_half() {
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        };
        close(divide(&[0.1, 0.6, 0.3], &[0.3, 0.0, 0.0]).unwrap(), &[0.3, 0.7 * 2.0 / 3.0, 0.7 / 3.0]);
        close(divide(&[0.1, 0.6, 0.3], &[0.9, 0.0, 0.0]).unwrap(), &[0.5, 0.5 * 2.0 / 3.0, 0.5 / 3.0]);
        assert_eq!(divide(&[0.4, 0.6], &[0.42, 0.0]), None, "hardly more");
        assert_eq!(divide(&[0.4, 0.6], &[0.0, 0.0]), None, "nothing changed");
        assert_eq!(divide(&[1.0], &[1.0]), None, "it is alone");
        assert_eq!(divide(&[0.05, 0.45, 0.5], &[0.4, 0.45, 0.0]), None, "one would lose");
    }
}
