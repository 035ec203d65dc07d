//! How far sets of clones differ for no reason of the migration, which bounds what one set can call. Must take for
//! counts only actions whose single operations are unchanged.

use super::counts::CountComparison;
use super::metric::{DECIDING, Measured, MetricComparison};
use crate::evidence::{Evidence, Subject};
use crate::stats::prediction::prediction_interval;

/// One set of clones shows a change of p50 with a standard deviation of about 5 % from set to set (docs/adr/0003); this
/// is 1.6 of them. No smaller change is called on one set, unless enough unchanged actions show how far sets differ
/// here. Clone variance moves an action that changed as much as any other.
const CLONE_VARIANCE: f64 = 0.08;

/// This many other actions whose operations are unchanged show how far sets of clones differ here.
const MIN_UNCHANGED_ACTIONS: usize = 10;

/// Actions whose single operations are unchanged: they show how far one set of clones differs for no reason.
/// Nothing where several sets show it, or where the sides are the same files.
pub(super) fn unchanged_actions(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Option<Vec<usize>> {
    let design = &evidence.design;
    if 1 < design.replicates || design.subject == Subject::InPlace {
        return None;
    }
    let is_unchanged = |counts: &Option<CountComparison>| counts.as_ref().is_some_and(CountComparison::is_unchanged);
    Some((0..counts.len()).filter(|a| is_unchanged(&counts[*a])).collect())
}

/// The largest change of a metric that another set of clones may make for no reason of the migration:
/// [`CLONE_VARIANCE`], or the farther end of where one more of the unchanged actions would be, where these are closer
/// together. At every look the clones are the same, so that looks need no correction here.
pub(super) fn sibling_floor(
    measured: &[Vec<Option<Measured>>],
    unchanged_actions: &[usize],
    a: usize,
    m: usize,
) -> f64 {
    let effect = |other: &usize| Some(measured[*other][m].as_ref()?.effect?.estimate);
    let others: Vec<f64> = unchanged_actions.iter().filter(|other| **other != a).filter_map(effect).collect();
    let family = DECIDING * measured.len();
    let seen = (MIN_UNCHANGED_ACTIONS <= others.len()).then(|| prediction_interval(&others, family)).flatten();
    seen.map_or(CLONE_VARIANCE, |(low, high)| low.abs().max(high.abs()).exp_m1().min(CLONE_VARIANCE))
}

/// A change beyond the margin and whose interval excludes zero that is no larger than what clones differ by.
pub(super) fn is_within_clone_variance(metric: &MetricComparison, margin: f64) -> bool {
    let floor = metric.sibling_floor.unwrap_or_default();
    metric.change.is_some_and(|c| margin <= c.change.abs() && c.change.abs() <= floor && 0.0 < c.low * c.high)
}

#[cfg(test)]
mod tests {
    use super::super::metric::tests::{effect_of, measured};
    use super::*;

    #[test]
    fn enough_unchanged_actions_show_how_far_clones_differ() {
        let with = |centers: &[f64]| -> Vec<Vec<Option<Measured>>> {
            centers.iter().map(|c| vec![Some(measured(effect_of(*c, 0.02), effect_of(0.0, 0.01)))]).collect()
        };
        let quiet: Vec<f64> = (0..11).map(|n| if n == 3 { 0.07 } else { 0.01 * (f64::from(n % 3) - 1.0) }).collect();
        let all: Vec<usize> = (0..11).collect();
        let floor = sibling_floor(&with(&quiet), &all, 3, 0);
        assert!((0.02..0.05).contains(&floor), "{floor}");
        // Among the others it shows itself that they differ by more.
        assert!(0.06 < sibling_floor(&with(&quiet), &all, 4, 0));
        // Nine are too few, and a trial in which they are far apart has the bound of every trial.
        assert_eq!(sibling_floor(&with(&quiet), &all[..10], 3, 0), CLONE_VARIANCE);
        let loud: Vec<f64> = quiet.iter().map(|c| c * 5.0).collect();
        assert_eq!(sibling_floor(&with(&loud), &all, 3, 0), CLONE_VARIANCE);
    }

    #[test]
    fn on_one_set_every_action_is_bounded_and_on_several_none() {
        use crate::evidence::Subject;

        let floors = |change: fn(&mut Evidence)| -> Vec<Option<f64>> {
            let mut evidence = super::super::tests::saved();
            change(&mut evidence);
            let actions = super::super::compare(&evidence).actions;
            actions.iter().map(|action| action.p50.as_ref().unwrap().sibling_floor).collect()
        };
        let unchanged = |evidence: &Evidence| {
            let counts = super::super::counts::compare_all(evidence);
            unchanged_actions(evidence, &counts).unwrap().len()
        };
        let saved = super::super::tests::saved();
        assert!(unchanged(&saved) < saved.actions.len(), "an action that changed is among them");
        let all = vec![Some(CLONE_VARIANCE); saved.actions.len()];
        assert_eq!(floors(|_| {}), all);
        assert_eq!(floors(|evidence| evidence.design.subject = Subject::Given { own_control: true }), all);
        assert_eq!(floors(|evidence| evidence.design.subject = Subject::InPlace), vec![None; saved.actions.len()]);
        assert_eq!(floors(|evidence| evidence.design.replicates = 2), vec![None; saved.actions.len()]);
    }
}
