//! When what was measured is enough. Must be asked at planned looks only.

use crate::compare::{ActionComparison, CountComparison, Verdict, compare};
use crate::evidence::Evidence;

/// More chunks than this many times the most will not become enough by waiting.
const HOPELESS: u32 = 2;

/// Whether every action is decided by now, or no more chunks than `most` are likely to decide the others.
#[must_use]
pub fn enough(evidence: &Evidence, most: u32) -> bool {
    let comparison = compare(evidence);
    if comparison.findings.iter().any(crate::compare::Finding::stops_everything) {
        return true;
    }
    if let Some(precision) = evidence.design.precision {
        return comparison.is_narrow(precision);
    }
    if comparison.actions.iter().any(|action| action.decision.is_some()) {
        // Load shows what single operations do not; of what did not change it is no more asked than until its first
        // look.
        return comparison.actions.iter().all(|action| !action.is_changed() || action.verdict != Verdict::Inconclusive);
    }
    // An action with unchanged work needs no more than not to be slower.
    let unchanged = |action: &ActionComparison| action.counts.as_ref().is_some_and(CountComparison::is_unchanged);
    comparison.actions.iter().all(|action| {
        action.verdict != Verdict::Inconclusive
            || action.not_slower && unchanged(action)
            // A control that differs by chance alone does so no more with the chunks there may be.
            || !action.may_be_clone_variance() && action.chunks_needed.is_none_or(|needed| HOPELESS * most < needed)
    })
}
