//! What single operations cost on both sides, and whether they answer alike. Must need no statistics: the same counts come again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Verdict;
use super::parameters::{ClassCounts, Moved, classes, factor, moved, plan_text};
use super::plan_change::{PlanChange, changes};
use crate::evidence::{CountedAction, CountedSet, Evidence, Side};

/// An action, counted on both sides with the same sets of parameters.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CountComparison {
    /// Sets of parameters: those that were executed, and those that were only planned, for which executed ones stand.
    pub sets: u32,
    /// Sets that were executed.
    pub executed: u32,
    /// Means of an operation before.
    pub before: Counts,
    /// Means of an operation after.
    pub after: Counts,
    /// The same apart for sets that find nothing, much, and what is usual; empty where all are of one kind.
    pub classes: Vec<ClassCounts>,
    /// How plans differ, each with the number of sets whose plans do.
    pub plan_changes: Vec<(PlanChange, u32)>,
    /// How the plans that fit any parameters differ.
    pub generic_changes: Vec<PlanChange>,
    /// Sets that touch at least twice as many blocks after.
    pub dearer: Option<Moved>,
    /// Sets that touch at most half as many blocks after.
    pub cheaper: Option<Moved>,
    /// Sets whose plans changed, where those of others did not.
    pub flipped: Option<Moved>,
    /// Whether both sides answer alike.
    pub answers: Answers,
    /// Columns of an answer that differ between the sides without the migration too, such as a clock, and were not compared.
    pub columns_left_out: u32,
    /// Tables that its writes touch and that were not compared: too large, not to be read, or no tables on both sides.
    pub untraced: BTreeSet<String>,
    /// Of the counts alone: regressed when blocks or temporary files grow, improved when they shrink, by the margin and at least
    /// [`FEWEST_BLOCKS`] an operation; invalid when the answers differ, inconclusive when no operation could be counted.
    pub verdict: Verdict,
}

impl CountComparison {
    /// Whether single operations have the plans, blocks and WAL they had.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let work = |counts: &Counts| (counts.blocks, counts.wal_records);
        self.verdict == Verdict::Same
            && self.plan_changes.is_empty()
            && self.generic_changes.is_empty()
            && work(&self.before) == work(&self.after)
    }
}

/// Means over the sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows returned or changed.
    pub rows: f64,
    /// Blocks touched, found or read.
    pub blocks: f64,
    /// Blocks of temporary files.
    pub temp_blocks: f64,
    /// Records of WAL.
    pub wal_records: f64,
    /// Bytes of WAL, without the full-page images of a first touch.
    pub wal_bytes: f64,
    /// Rows the planner expected.
    pub planned_rows: f64,
    /// Cost the planner expected.
    pub planned_cost: f64,
}

/// Whether answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Row for row, in the columns both sides have.
    Same,
    /// The same rows in another order.
    OtherOrder,
    /// Other rows of as many, where the statement takes a part of what it finds: its order may not say which.
    OtherPart,
    /// Other rows: a faster wrong answer is no gain.
    Different,
    /// The sides without the migration differ too, as with a clock or a random number, or no column is common to both states: nothing
    /// can be said.
    Unrepeatable,
}

/// Fewer blocks than this are what one more index costs an operation that writes.
pub const FEWEST_BLOCKS: f64 = 4.0;

/// A set that costs this many times as much, or as little, is named.
const FAR: f64 = 2.0;

/// Compares every action that was counted; by position in the mix.
#[must_use]
pub fn compare_all(evidence: &Evidence) -> Vec<Option<CountComparison>> {
    let of = |side: Side, action: usize| evidence.counts.get(&side).and_then(|counted| counted.get(action));
    let actions = evidence.actions.iter().enumerate();
    actions
        .map(|(action, facts)| {
            let (before, control, after) =
                (of(Side::Before, action)?, of(Side::Control, action)?, of(Side::After, action)?);
            (!before.sets.is_empty()).then(|| compare([before, control, after], facts.margin))
        })
        .collect()
}

fn compare([before, control, after]: [&CountedAction; 3], margin: f64) -> CountComparison {
    let (old, new) = (means(&before.sets), means(&after.sets));
    let (mut plan_changes, mut generic_changes) = (BTreeMap::<PlanChange, f64>::new(), Vec::new());
    for (old, new) in before.sets.iter().zip(&after.sets) {
        let weight = old.weight();
        let steps = old.plans.iter().zip(&new.plans);
        let of_set: BTreeSet<PlanChange> =
            steps.flat_map(|(old, new)| changes(&before.plans[*old as usize], &after.plans[*new as usize])).collect();
        of_set.into_iter().for_each(|change| *plan_changes.entry(change).or_default() += weight);
    }
    for (old, new) in before.generic.iter().zip(&after.generic) {
        generic_changes.extend(changes(&before.plans[*old as usize], &after.plans[*new as usize]));
    }
    let answers = answers([before, control, after]);
    let far = |is_far: fn(f64) -> bool| {
        move |old: &CountedSet, new: &CountedSet| {
            is_far(factor(old, new)) && FEWEST_BLOCKS <= old.blocks().abs_diff(new.blocks()) as f64
        }
    };
    let dearer = moved([before, after], far(|factor| FAR <= factor));
    let cheaper = moved([before, after], far(|factor| factor <= 1.0 / FAR));
    let flipped = moved([before, after], |old, new| plan_text(before, old) != plan_text(after, new));
    let failed = |action: &CountedAction| action.sets.iter().filter(|set| set.failed.is_some()).count();
    let counted = |action: &CountedAction| action.sets.iter().any(|set| set.failed.is_none() && !set.plans.is_empty());
    let grew = |old: f64, new: f64| old * (1.0 + margin) < new && old + FEWEST_BLOCKS <= new;
    let verdict = if answers == Answers::Different || failed(before) != failed(after) {
        Verdict::Invalid
    } else if !counted(before) || !counted(after) {
        // Refused on every side, or a value that only a script's run sets: nothing was seen.
        Verdict::Inconclusive
    } else if grew(old.blocks, new.blocks) || grew(old.temp_blocks, new.temp_blocks) || dearer.is_some() {
        Verdict::Regressed
    } else if grew(new.blocks, old.blocks) || grew(new.temp_blocks, old.temp_blocks) || cheaper.is_some() {
        Verdict::Improved
    } else {
        Verdict::Same
    };
    let sets = rounded(before.sets.iter().map(CountedSet::weight).sum());
    CountComparison {
        sets,
        executed: before.sets.len() as u32,
        before: old,
        after: new,
        classes: classes(&before.sets, &after.sets),
        plan_changes: plan_changes.into_iter().map(|(change, weight)| (change, rounded(weight))).collect(),
        generic_changes,
        dearer,
        cheaper,
        flipped: flipped.filter(|flipped| flipped.sets < sets),
        answers,
        columns_left_out: before.sets.iter().flat_map(|set| &set.answers).map(|a| a.left_out).max().unwrap_or_default(),
        untraced: before.untraced.union(&after.untraced).cloned().collect(),
        verdict,
    }
}

/// Sets that a weight comes to: what was found is never none.
pub(super) fn rounded(weight: f64) -> u32 {
    weight.round().max(1.0) as u32
}

/// Means over sets, each as heavy as the sets it stands for.
pub(super) fn means<'s>(sets: impl IntoIterator<Item = &'s CountedSet>) -> Counts {
    let sets: Vec<&CountedSet> = sets.into_iter().filter(|set| set.failed.is_none()).collect();
    let weight: f64 = sets.iter().map(|set| set.weight()).sum();
    let mean = |of: fn(&CountedSet) -> f64| match sets.is_empty() {
        true => 0.0,
        false => sets.iter().map(|set| set.weight() * of(set)).sum::<f64>() / weight,
    };
    Counts {
        rows: mean(|set| set.rows as f64),
        blocks: mean(|set| set.blocks() as f64),
        temp_blocks: mean(|set| set.temp_blocks as f64),
        wal_records: mean(|set| set.wal_records as f64),
        wal_bytes: mean(|set| set.wal_bytes as f64),
        planned_rows: mean(|set| set.planned_rows),
        planned_cost: mean(|set| set.planned_cost),
    }
}

/// The worst of all sets.
fn answers([before, control, after]: [&CountedAction; 3]) -> Answers {
    // An order by a random number says the place of each row too, and agrees now and then by luck.
    let unsteady: BTreeSet<usize> = (before.sets.iter().zip(&control.sets))
        .flat_map(|(before, control)| before.answers.iter().zip(&control.answers).enumerate())
        .filter(|(_, (before, control))| before.ordered != control.ordered)
        .map(|(step, _)| step)
        .collect();
    let all = before.sets.iter().zip(&control.sets).zip(&after.sets).flat_map(|((before, control), after)| {
        before.answers.iter().zip(&control.answers).zip(&after.answers).enumerate()
    });
    let mut worst = Answers::Same;
    for (step, ((before, control), after)) in all {
        let found = if before.rows == control.rows && before.rows != after.rows {
            Answers::Different
        } else if before.checksum != control.checksum || before.checksum.is_empty() {
            Answers::Unrepeatable
        } else if before.checksum == after.checksum && before.rows == after.rows {
            match (before.ordered == after.ordered, before.total && !unsteady.contains(&step)) {
                (true, _) => Answers::Same,
                (false, true) => Answers::Different,
                (false, false) => Answers::OtherOrder,
            }
        } else if before.partial && before.rows == after.rows {
            Answers::OtherPart
        } else {
            Answers::Different
        };
        let rank = |answers: Answers| match answers {
            Answers::Same => 0,
            Answers::OtherOrder => 1,
            Answers::Unrepeatable => 2,
            Answers::OtherPart => 3,
            Answers::Different => 4,
        };
        if rank(worst) < rank(found) {
            worst = found;
        }
    }
    worst
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evidence::{Answer, PlanShape};

    pub(in crate::compare) fn set(rows: u64, blocks: u64, checksum: &str) -> CountedSet {
        let answer = Answer { rows, checksum: checksum.to_owned(), ..Answer::default() };
        CountedSet { rows, blocks_hit: blocks, plans: vec![0], answers: vec![answer], ..CountedSet::default() }
    }

    fn counted(sets: Vec<CountedSet>) -> CountedAction {
        CountedAction { plans: vec![PlanShape::default()], sets, generic: vec![0], untraced: BTreeSet::new() }
    }

    pub(in crate::compare) fn both(before: Vec<CountedSet>, after: Vec<CountedSet>) -> CountComparison {
        let before = counted(before);
        compare([&before, &before.clone(), &counted(after)], 0.05)
    }

    #[test]
    fn what_one_more_index_costs_a_write_is_no_regression() {
        let dearer = both(vec![set(1, 6, "a")], vec![set(1, 9, "a")]);
        assert_eq!((dearer.verdict, dearer.is_unchanged()), (Verdict::Same, false));
        assert!(both(vec![set(1, 6, "a")], vec![set(1, 6, "a")]).is_unchanged());
        assert_eq!(both(vec![set(1, 6, "a")], vec![set(1, 11, "a")]).verdict, Verdict::Regressed);
        assert_eq!(both(vec![set(1, 600, "a")], vec![set(1, 6, "a")]).verdict, Verdict::Improved);
    }

    #[test]
    fn what_was_refused_on_every_side_is_not_the_same() {
        let refused = CountedSet { failed: Some("57014".to_owned()), ..CountedSet::default() };
        assert_eq!(both(vec![refused.clone()], vec![refused.clone()]).verdict, Verdict::Inconclusive);
        assert_eq!(both(vec![CountedSet::default()], vec![CountedSet::default()]).verdict, Verdict::Inconclusive);
        assert_eq!(both(vec![set(1, 6, "a"), set(1, 6, "a")], vec![set(1, 6, "a"), refused]).verdict, Verdict::Invalid);
    }

    #[test]
    fn another_number_of_rows_is_another_answer_even_of_a_clock() {
        let (before, control) = (counted(vec![set(3, 6, "a")]), counted(vec![set(3, 6, "b")]));
        assert_eq!(compare([&before, &control, &counted(vec![set(0, 2, "")])], 0.05).answers, Answers::Different);
    }

    #[test]
    fn a_faster_wrong_answer_is_no_gain() {
        let found = both(vec![set(1, 600, "a")], vec![set(1, 6, "b")]);
        assert_eq!((found.answers, found.verdict), (Answers::Different, Verdict::Invalid));
        let mut part = set(1, 600, "b");
        part.answers[0].partial = true;
        let mut other = part.clone();
        other.answers[0].checksum = "c".to_owned();
        assert_eq!(both(vec![part.clone()], vec![other]).answers, Answers::OtherPart);
        let mut fewer = part.clone();
        fewer.answers[0].rows = 0;
        assert_eq!(both(vec![part], vec![fewer]).answers, Answers::Different);
        let before = counted(vec![set(1, 6, "a")]);
        let control = counted(vec![set(1, 6, "b")]);
        assert_eq!(compare([&before, &control, &control], 0.05).answers, Answers::Unrepeatable);
    }
}
