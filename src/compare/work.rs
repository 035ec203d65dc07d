//! Work that the server counted under load against what single operations cost on idle sides. Must call no
//! contradiction what chance or the control shows too.

use serde::Serialize;

use super::counts::{CountComparison, MIN_BLOCKS};
use super::fact::{Fact, Sides};
use super::finding::{Finding, Severity};
use crate::evidence::{CountedAction, CountedSet, Evidence, Side, WorkPerCall};

/// An action that touches more blocks a call under load though its single operations touch no more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoreUnderLoad {
    /// Blocks a call before.
    pub before: f64,
    /// The same on the control.
    pub control: f64,
    /// The same after.
    pub after: f64,
}

/// Standard errors of the mean that are chance.
const ERRORS: f64 = 3.0;

/// This many times as many calls are another load: a closed loop goes further on the faster side, and its tables grow
/// with it.
const SAME_CALLS: f64 = 1.1;

/// Whether an action touches more blocks a call under load than before and the control do, by the margin, by four and
/// beyond what these differ by and what parameters drawn otherwise could make; nothing where its single operations do
/// so too.
pub(super) fn more_under_load(evidence: &Evidence, position: usize, counts: &CountComparison) -> Option<MoreUnderLoad> {
    let margin = evidence.actions.get(position)?.margin;
    if counts.after.blocks > counts.before.blocks * (1.0 + margin) {
        return None;
    }
    let of = |side: Side| -> Option<WorkPerCall> {
        let counters = evidence.counters.get(&side).filter(|counters| !counters.reset)?;
        counters.work.as_ref()?.get(position).copied().flatten().filter(|work| work.calls > 0)
    };
    let [before, control, after] = [of(Side::Before)?, of(Side::Control)?, of(Side::After)?];
    if after.calls as f64 > before.calls as f64 * SAME_CALLS {
        return None;
    }
    let most = before.blocks.max(control.blocks);
    let chance =
        ERRORS * (error(evidence, Side::Before, position, before).hypot(error(evidence, Side::After, position, after)));
    let noise = MIN_BLOCKS.max(2.0 * (before.blocks - control.blocks).abs()).max(chance);
    let is_more = after.blocks > most * (1.0 + margin) && after.blocks >= most + noise;
    is_more.then_some(MoreUnderLoad { before: before.blocks, control: control.blocks, after: after.blocks })
}

/// The standard error of the mean over this many calls, by how blocks differ from set to set.
fn error(evidence: &Evidence, side: Side, position: usize, work: WorkPerCall) -> f64 {
    let Some(counted) = evidence.counts.get(&side).and_then(|side| side.get(position)) else { return 0.0 };
    (variance(counted) / work.calls.max(1) as f64).sqrt()
}

fn variance(counted: &CountedAction) -> f64 {
    let sets: Vec<&CountedSet> = counted.sets.iter().filter(|set| set.failed.is_none()).collect();
    let weight = sets.iter().map(|set| set.weight()).sum::<f64>().max(f64::MIN_POSITIVE);
    let mean = sets.iter().map(|set| set.weight() * set.blocks() as f64).sum::<f64>() / weight;
    sets.iter().map(|set| set.weight() * (set.blocks() as f64 - mean).powi(2)).sum::<f64>() / weight
}

/// What it means: such an action is not called faster.
pub(super) fn checks(evidence: &Evidence, counts: &[Option<CountComparison>], found: &mut Vec<Finding>) {
    for (action, counted) in evidence.actions.iter().zip(counts) {
        let Some(more) = counted.as_ref().and_then(|of| of.more_under_load) else { continue };
        let blocks_per_call = Sides { before: more.before, control: more.control, after: more.after };
        let fact = Fact::WorkUnderLoad { blocks_per_call };
        found.push(Finding::new(Severity::OnlyRegressions, fact).of(&action.name));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::saved;
    use super::super::{CountComparison, compare};
    use super::*;

    #[test]
    fn more_work_under_load_is_a_contradiction_beyond_chance_and_the_control() {
        let evidence = saved();
        let counts: CountComparison = compare(&evidence).actions[0].counts.clone().unwrap();
        let found = |blocks: [f64; 3], calls: i64, counts: &CountComparison| {
            let mut evidence = evidence.clone();
            for (side, blocks) in Side::ALL.into_iter().zip(blocks) {
                let work = evidence.counters.entry(side).or_default().work.get_or_insert_default();
                work.resize(2, None);
                work[0] = Some(WorkPerCall { calls, blocks, ..WorkPerCall::default() });
            }
            more_under_load(&evidence, 0, counts).is_some()
        };
        let mut same = counts.clone();
        same.after = same.before;
        assert!(found([1_303.0, 1_310.0, 4_540.0], 100_000, &same));
        assert!(!found([1_303.0, 2_950.0, 4_540.0], 100_000, &same), "the control differs as much");
        assert!(!found([10.0, 10.0, 13.0], 100_000, &same), "less than four blocks");
        assert!(!found([1_303.0, 1_310.0, 4_540.0], 1, &same) || variance(&evidence.counts[&Side::Before][0]) < 1e5);
        let mut heavier = same.clone();
        heavier.after.blocks = heavier.before.blocks * 2.0 + 1.0;
        assert!(!found([1_303.0, 1_310.0, 4_540.0], 100_000, &heavier), "single operations say so too");
    }
}
