//! How far sets of clones differ for no reason of the migration, which bounds what one set can call. Must look at nothing but actions
//! whose single operations do exactly what they did.

use super::counts::CountComparison;
use super::metric::{DECIDING, Measured, MetricComparison};
use crate::evidence::{Evidence, Subject};
use crate::stats::prediction::prediction_interval;

/// One set of clones tells a change of p50 with a standard deviation of about 5 % from set to set (docs/adr/0003); this is 1.6 of them.
/// Where single operations do exactly what they did, no smaller change is called on one set, unless enough others tell how far sets
/// differ here.
const SIBLINGS: f64 = 0.08;

/// So many other actions whose operations do exactly what they did tell how far sets of clones differ here.
const WITNESSES: usize = 10;

/// Positions of actions whose single operations do exactly what they did, where one set of clones alone tells of them.
pub(super) fn unchanged(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Vec<usize> {
    let design = &evidence.design;
    // In place the sides without the change are the same files as the one with it.
    if 1 < design.replicates || design.subject == Subject::InPlace {
        return Vec::new();
    }
    let is_unchanged = |counts: &Option<CountComparison>| counts.as_ref().is_some_and(CountComparison::is_unchanged);
    (0..counts.len()).filter(|a| is_unchanged(&counts[*a])).collect()
}

/// The largest change of a metric that another set of clones may make where operations do exactly what they did: [`SIBLINGS`], or
/// the farther end of where one more of them would lie, where the others of this trial lie closer together. At every look the clones
/// are the same, so that looks need no correction here.
pub(super) fn sibling_floor(
    measured: &[Vec<Option<Measured>>],
    unchanged: &[usize],
    a: usize,
    m: usize,
) -> Option<f64> {
    unchanged.contains(&a).then(|| {
        let effect = |other: &usize| Some(measured[*other][m].as_ref()?.effect?.estimate);
        let others: Vec<f64> = unchanged.iter().filter(|other| **other != a).filter_map(effect).collect();
        let family = DECIDING * unchanged.len();
        let seen = (WITNESSES <= others.len()).then(|| prediction_interval(&others, family)).flatten();
        seen.map_or(SIBLINGS, |(low, high)| low.abs().max(high.abs()).exp_m1().min(SIBLINGS))
    })
}

/// A change beyond the margin and beside zero that is no larger than what siblings differ by.
pub(super) fn may_be_siblings(metric: &MetricComparison, margin: f64) -> bool {
    let floor = metric.sibling_floor.unwrap_or_default();
    metric.change.is_some_and(|c| margin <= c.change.abs() && c.change.abs() <= floor && 0.0 < c.low * c.high)
}

#[cfg(test)]
mod tests {
    use super::super::metric::tests::{effect_of, measured};
    use super::*;

    #[test]
    fn enough_others_that_do_what_they_did_tell_how_far_siblings_differ() {
        let with = |centers: &[f64]| -> Vec<Vec<Option<Measured>>> {
            centers.iter().map(|c| vec![Some(measured(effect_of(*c, 0.02), effect_of(0.0, 0.01)))]).collect()
        };
        let quiet: Vec<f64> = (0..11).map(|n| if n == 3 { 0.07 } else { 0.01 * (f64::from(n % 3) - 1.0) }).collect();
        let all: Vec<usize> = (0..11).collect();
        let floor = sibling_floor(&with(&quiet), &all, 3, 0).unwrap();
        assert!((0.02..0.05).contains(&floor), "{floor}");
        // Among the others it is itself a witness that they differ by more.
        assert!(0.06 < sibling_floor(&with(&quiet), &all, 4, 0).unwrap());
        // Nine are too few, a trial in which they lie far apart has the bound of every trial, and what changed has none.
        assert_eq!(sibling_floor(&with(&quiet), &all[..10], 3, 0), Some(SIBLINGS));
        let loud: Vec<f64> = quiet.iter().map(|c| c * 5.0).collect();
        assert_eq!(sibling_floor(&with(&loud), &all, 3, 0), Some(SIBLINGS));
        assert_eq!(sibling_floor(&with(&quiet), &all[4..], 3, 0), None);
    }
}
