//! What the plans that fit any parameters cost beside the sets' own, and how often the server takes them. Must weigh
//! neither: that is done with all counts.

use serde::Serialize;

use super::counts::rounded;
use super::parameters::plan_text;
use super::weighed::{own_work, share};
use crate::evidence::{CountedAction, CountedSet};

/// Plans for any parameters that are others than those of some sets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenericPlans {
    /// Before.
    pub before: PlanWork,
    /// After.
    pub after: PlanWork,
    /// Sets that were executed both ways, with those that were only planned and for which they stand.
    pub sets: u32,
    /// How many of them were executed.
    pub executed: u32,
    /// Sets that were left out because others took too long.
    pub left: u32,
    /// Where the generic plan after is farthest from a set's own; absent where it is no other.
    pub farthest: Option<GenericSet>,
}

/// Work by the two kinds of plans on one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanWork {
    /// Share of sessions in which the server takes the generic plan, of the step where it is largest.
    pub share: f64,
    /// Mean blocks of an operation by the sets' own plans.
    pub own: f64,
    /// Mean blocks of an operation by generic plans, over the sets that were not stopped.
    pub generic: f64,
    /// Sets of which the generic plan was stopped for its time.
    pub stopped: u32,
}

/// One set by both plans.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenericSet {
    /// Blocks by its own plan.
    pub blocks_own: u64,
    /// Blocks by the generic plan.
    pub blocks_generic: u64,
    /// Its own plan.
    pub plan_own: String,
    /// The generic plan.
    pub plan_generic: String,
}

impl GenericPlans {
    /// The server takes a generic plan after that costs at least twice what the sets' own plans do.
    #[must_use]
    pub fn is_dearer(&self) -> bool {
        self.after.share > 0.0 && (self.after.stopped > 0 || self.after.generic >= 2.0 * self.after.own.max(1.0))
    }

    /// The server takes a generic plan on one side, and sets were left out or stopped, so that it is not known what
    /// they cost.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let taken = self.before.share.max(self.after.share) > 0.0;
        taken && self.left + self.before.stopped + self.after.stopped > 0
    }
}

/// What generic plans cost; nothing where none is another than the sets' own.
pub(super) fn generic_plans(before: &CountedAction, after: &CountedAction) -> Option<GenericPlans> {
    let differ = |side: &CountedAction| side.sets.iter().any(|set| !set.generic.is_empty());
    if !differ(before) && !differ(after) && before.generic_left == 0 {
        return None;
    }
    let executed: Vec<&CountedSet> = after.sets.iter().filter(|set| !set.generic.is_empty()).collect();
    Some(GenericPlans {
        before: work(before),
        after: work(after),
        sets: rounded(executed.iter().map(|set| set.weight()).sum()),
        executed: executed.len() as u32,
        left: before.generic_left.max(after.generic_left),
        farthest: farthest(after),
    })
}

fn work(side: &CountedAction) -> PlanWork {
    let stopped = |set: &&CountedSet| set.generic.iter().any(|step| step.failed.is_some());
    let known: Vec<&CountedSet> = side.sets.iter().filter(|set| set.failed.is_none() && !stopped(set)).collect();
    let weight = known.iter().map(|set| set.weight()).sum::<f64>().max(f64::MIN_POSITIVE);
    let mean = |of: fn(&CountedSet) -> f64| known.iter().map(|set| set.weight() * of(set)).sum::<f64>() / weight;
    PlanWork {
        share: side.choices.iter().map(|choice| share(&side.choices, choice.step)).fold(0.0, f64::max),
        own: mean(|set| set.blocks() as f64),
        generic: mean(|set| by_generic(set) as f64),
        stopped: side.sets.iter().filter(stopped).count() as u32,
    }
}

/// Blocks of a set whose steps all go by their generic plans.
fn by_generic(set: &CountedSet) -> u64 {
    let own: u64 = set.generic.iter().map(|step| own_work(set, step.step).blocks).sum();
    let generic: u64 = set.generic.iter().map(|step| step.blocks).sum();
    set.blocks().saturating_sub(own) + generic
}

fn farthest(side: &CountedAction) -> Option<GenericSet> {
    let known = side.sets.iter().filter(|set| !set.generic.is_empty());
    let known = known.filter(|set| set.generic.iter().all(|step| step.failed.is_none()));
    let factor = |set: &CountedSet| (by_generic(set).max(1) as f64 / set.blocks().max(1) as f64).ln().abs();
    let set = known.max_by(|a, b| factor(a).total_cmp(&factor(b)))?;
    let plans = set.generic.iter().filter_map(|step| side.plans.get(step.plan? as usize));
    Some(GenericSet {
        blocks_own: set.blocks(),
        blocks_generic: by_generic(set),
        plan_own: plan_text(side, set),
        plan_generic: plans.map(|plan| plan.shape.as_str()).collect::<Vec<_>>().join("; "),
    })
}
