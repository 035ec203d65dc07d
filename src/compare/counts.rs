//! What single operations cost on both sides, and whether they answer alike. Must need no statistics: the same counts come again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Verdict;
use super::plan_change::{PlanChange, changes};
use crate::evidence::{CountedAction, CountedSet, Evidence, Side};

/// An action, counted on both sides with the same sets of parameters.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CountComparison {
    /// Sets of parameters.
    pub sets: u32,
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

/// Means over the sets of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Which kind.
    pub class: ParameterClass,
    /// Sets of it.
    pub sets: u32,
    /// Fewest rows any of them gives before.
    pub rows_min: u64,
    /// Means of an operation before.
    pub before: Counts,
    /// Means of an operation after.
    pub after: Counts,
}

/// A kind of parameters, by the rows an operation gives before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ParameterClass {
    /// It finds nothing.
    None,
    /// It finds what is usual.
    Normal,
    /// It finds at least [`HEAVY`] times the median of those that find something.
    Heavy,
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

/// Sets of parameters whose cost moved far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// How many.
    pub sets: u32,
    /// The farthest, blocks after over blocks before.
    pub factor: f64,
    /// Fewest rows any of them returned or changed before.
    pub rows_min: u64,
    /// Most rows any of the other sets returned or changed before; absent when they are all.
    pub rows_max_of_others: Option<u64>,
    /// The plans of the farthest before.
    pub plan_before: String,
    /// Its plans after.
    pub plan_after: String,
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

/// Sets that give so many times the median of rows are heavy.
pub const HEAVY: f64 = 4.0;

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
    let pairs = || before.sets.iter().zip(&after.sets);
    let (mut plan_changes, mut generic_changes) = (BTreeMap::<PlanChange, u32>::new(), Vec::new());
    for (old, new) in pairs() {
        let steps = old.plans.iter().zip(&new.plans);
        let of_set: BTreeSet<PlanChange> =
            steps.flat_map(|(old, new)| changes(&before.plans[*old as usize], &after.plans[*new as usize])).collect();
        of_set.into_iter().for_each(|change| *plan_changes.entry(change).or_default() += 1);
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
    CountComparison {
        sets: before.sets.len() as u32,
        before: old,
        after: new,
        classes: classes(&before.sets, &after.sets),
        plan_changes: plan_changes.into_iter().collect(),
        generic_changes,
        dearer,
        cheaper,
        flipped: flipped.filter(|flipped| flipped.rows_max_of_others.is_some()),
        answers,
        columns_left_out: before.sets.iter().flat_map(|set| &set.answers).map(|a| a.left_out).max().unwrap_or_default(),
        untraced: before.untraced.union(&after.untraced).cloned().collect(),
        verdict,
    }
}

/// Blocks after over blocks before.
fn factor(old: &CountedSet, new: &CountedSet) -> f64 {
    new.blocks().max(1) as f64 / old.blocks().max(1) as f64
}

/// The plans of a set, as one line.
fn plan_text(action: &CountedAction, set: &CountedSet) -> String {
    let shapes: Vec<&str> = set.plans.iter().map(|plan| action.plans[*plan as usize].shape.as_str()).collect();
    shapes.join("; ")
}

/// The kinds of parameters, apart.
fn classes(before: &[CountedSet], after: &[CountedSet]) -> Vec<ClassCounts> {
    let mut rows: Vec<u64> = before.iter().map(|set| set.rows).filter(|rows| 0 < *rows).collect();
    rows.sort_unstable();
    let median = rows.get(rows.len() / 2).copied().unwrap_or_default() as f64;
    let class = |set: &CountedSet| match set.rows {
        0 => ParameterClass::None,
        rows if HEAVY * median <= rows as f64 => ParameterClass::Heavy,
        _ => ParameterClass::Normal,
    };
    let mut pairs: BTreeMap<ParameterClass, Vec<(&CountedSet, &CountedSet)>> = BTreeMap::new();
    let counted = before.iter().zip(after).filter(|(old, new)| old.failed.is_none() && new.failed.is_none());
    counted.for_each(|(old, new)| pairs.entry(class(old)).or_default().push((old, new)));
    if pairs.len() < 2 {
        return Vec::new();
    }
    let counts = pairs.into_iter().map(|(class, pairs)| {
        let rows_min = pairs.iter().map(|(old, _)| old.rows).min().unwrap_or_default();
        let sets = pairs.len() as u32;
        let (old, new): (Vec<&CountedSet>, Vec<&CountedSet>) = pairs.into_iter().unzip();
        ClassCounts { class, sets, rows_min, before: means(old), after: means(new) }
    });
    counts.collect()
}

fn means<'s>(sets: impl IntoIterator<Item = &'s CountedSet>) -> Counts {
    let sets: Vec<&CountedSet> = sets.into_iter().filter(|set| set.failed.is_none()).collect();
    let mean = |of: fn(&CountedSet) -> f64| sets.iter().map(|set| of(set)).sum::<f64>() / sets.len().max(1) as f64;
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

/// The sets that are `far` from what they were.
fn moved([before, after]: [&CountedAction; 2], far: impl Fn(&CountedSet, &CountedSet) -> bool) -> Option<Moved> {
    let (moved, others): (Vec<_>, Vec<_>) = before.sets.iter().zip(&after.sets).partition(|(old, new)| far(old, new));
    let size = |(old, new): &&(&CountedSet, &CountedSet)| factor(old, new).ln().abs();
    let (old, new) = moved.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Moved {
        sets: moved.len() as u32,
        factor: factor(old, new),
        rows_min: moved.iter().map(|(old, _)| old.rows).min().unwrap_or(0),
        rows_max_of_others: others.iter().map(|(old, _)| old.rows).max(),
        plan_before: plan_text(before, old),
        plan_after: plan_text(after, new),
    })
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
mod tests {
    use super::*;
    use crate::evidence::{Answer, PlanShape};

    fn set(rows: u64, blocks: u64, checksum: &str) -> CountedSet {
        let answer = Answer { rows, checksum: checksum.to_owned(), ..Answer::default() };
        CountedSet { rows, blocks_hit: blocks, plans: vec![0], answers: vec![answer], ..CountedSet::default() }
    }

    fn counted(sets: Vec<CountedSet>) -> CountedAction {
        CountedAction { plans: vec![PlanShape::default()], sets, generic: vec![0], untraced: BTreeSet::new() }
    }

    fn both(before: Vec<CountedSet>, after: Vec<CountedSet>) -> CountComparison {
        let before = counted(before);
        compare([&before, &before.clone(), &counted(after)], 0.05)
    }

    #[test]
    fn a_set_that_costs_eight_times_as_much_is_named_by_its_rows() {
        let before = vec![set(3, 10, "a"), set(5, 12, "b"), set(900, 100, "c")];
        let after = vec![set(3, 4, "a"), set(5, 4, "b"), set(900, 800, "c")];
        let found = both(before, after);
        let dearer = found.dearer.unwrap();
        assert_eq!((dearer.sets, dearer.factor, dearer.rows_min, dearer.rows_max_of_others), (1, 8.0, 900, Some(5)));
        assert_eq!(found.cheaper.unwrap().sets, 2);
        assert_eq!(found.verdict, Verdict::Regressed);
    }

    #[test]
    fn parameters_that_find_nothing_much_and_the_usual_are_told_apart() {
        let before = vec![set(0, 3, "a"), set(5, 12, "b"), set(6, 14, "c"), set(900, 100, "d")];
        let after = vec![set(0, 3, "a"), set(5, 4, "b"), set(6, 6, "c"), set(900, 800, "d")];
        let found = both(before.clone(), after).classes;
        let blocks: Vec<_> = found.iter().map(|c| (c.class, c.sets, c.before.blocks, c.after.blocks)).collect();
        let expected = [
            (ParameterClass::None, 1, 3.0, 3.0),
            (ParameterClass::Normal, 2, 13.0, 5.0),
            (ParameterClass::Heavy, 1, 100.0, 800.0),
        ];
        assert_eq!(blocks, expected);
        assert!(both(before[1..3].to_vec(), before[1..3].to_vec()).classes.is_empty());
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
