//! What single operations cost on both sides, and whether they answer alike. Must need no statistics: the same counts come again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Verdict;
use super::indexes::redefined;
use super::parameters::{ClassCounts, Moved, Pair, classes, executed, factor, moved, plan_text};
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
    /// Kinds of sets, as the planner treats them, of which none was executed; the nearest stand for them.
    pub kinds_left: u32,
    /// At least one was, on both sides.
    pub is_counted: bool,
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
    /// Sets whose plans changed, where those of others did not; absent where they are just those that became dearer or cheaper.
    pub flipped: Option<Moved>,
    /// Whether both sides answer alike.
    pub answers: Answers,
    /// What the migration changes of the answer, such as `gives other rows`, or that the server refuses it; absent where the answers are not
    /// different and as many operations fail.
    pub different: Option<String>,
    /// Columns of an answer that differ between the sides without the migration too, such as a clock, and were not compared.
    pub columns_left_out: u32,
    /// Columns of an answer that the migration takes away: they were not compared.
    pub columns_gone: u32,
    /// Tables that its writes touch and that were not compared: too large, not to be read, or no tables on both sides.
    pub untraced: BTreeSet<String>,
    /// Of the counts alone: regressed when blocks or temporary files grow in the mean, by the margin and at least [`FEWEST_BLOCKS`] an
    /// operation, or those of any executed set to twice as many (for one that writes, by 32 at least), against both sides without the migration; improved when they shrink so; invalid when the answers differ;
    /// inconclusive when no operation could be counted, more triggers fire or keys are checked than before, or only the plan that fits any
    /// parameters changed.
    pub verdict: Verdict,
}

impl CountComparison {
    /// Sets that make the verdict where the mean does not move by the margin, a share: a few that became dearer, or cheaper.
    #[must_use]
    pub fn only_some(&self, margin: f64) -> Option<&Moved> {
        match self.verdict {
            Verdict::Regressed => self.dearer.as_ref().filter(|_| !self.before.exceeded_by(&self.after, margin)),
            Verdict::Improved => self.cheaper.as_ref().filter(|_| !self.after.exceeded_by(&self.before, margin)),
            _ => None,
        }
    }

    /// Sets that became dearer and are so few that neither p50 nor p95 need show it.
    #[must_use]
    pub fn few_dearer(&self) -> Option<&Moved> {
        let few = |dearer: &&Moved| f64::from(dearer.sets) <= FEW * f64::from(self.sets);
        self.dearer.as_ref().filter(few).filter(|_| self.verdict == Verdict::Regressed)
    }

    /// All that is not known is what a plan that fits any parameters costs, which changed otherwise than those of the sets.
    #[must_use]
    pub fn is_open_by_generic_plans(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.is_counted && !self.fires_more()
    }

    /// More triggers fire or keys are checked than before; their work is in no block count.
    #[must_use]
    pub fn fires_more(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.plan_changes.iter().any(|(change, _)| change.fires_more())
    }

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

impl Counts {
    /// Whether others have more blocks or temporary files, by the margin and by enough an operation.
    fn exceeded_by(&self, other: &Self, margin: f64) -> bool {
        let grew = |own: f64, other: f64| own * (1.0 + margin) < other && own + FEWEST_BLOCKS <= other;
        grew(self.blocks, other.blocks) || grew(self.temp_blocks, other.temp_blocks)
    }
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
    /// The sides without the migration differ too, as with a clock or a random number: nothing can be said.
    Unrepeatable,
    /// No column is common to both states: nothing can be said.
    NothingCommon,
}

/// Fewer blocks than this are what one more index costs an operation that writes.
pub const FEWEST_BLOCKS: f64 = 4.0;

/// The same for one set of an action that writes: where a page of an index is full it touches some more, whatever its parameters.
const FEWEST_WRITTEN: f64 = 32.0;

/// A share of the operations that p95 need not show: half of it may lie below.
const FEW: f64 = 0.1;

/// A set that costs this many times as much, or as little, is named.
const FAR: f64 = 2.0;

/// Compares every action that was counted; by position in the mix.
#[must_use]
pub fn compare_all(evidence: &Evidence) -> Vec<Option<CountComparison>> {
    let of = |side: Side, action: usize| evidence.counts.get(&side).and_then(|counted| counted.get(action));
    let redefined = redefined(evidence);
    let actions = evidence.actions.iter().enumerate();
    actions
        .map(|(action, facts)| {
            let (before, control, after) =
                (of(Side::Before, action)?, of(Side::Control, action)?, of(Side::After, action)?);
            (!before.sets.is_empty()).then(|| compare([before, control, after], facts.margin, &redefined))
        })
        .collect()
}

fn compare(
    [before, control, after]: [&CountedAction; 3],
    margin: f64,
    redefined: &BTreeSet<String>,
) -> CountComparison {
    let (old, new, unchanged) = (means(&before.sets), means(&after.sets), means(&control.sets));
    let differ = |old: u32, new: u32| changes(&before.plans[old as usize], &after.plans[new as usize], redefined);
    let (mut plan_changes, mut generic_changes) = (BTreeMap::<PlanChange, f64>::new(), Vec::new());
    for (old, new) in before.sets.iter().zip(&after.sets) {
        let weight = old.weight();
        let steps = old.plans.iter().zip(&new.plans);
        let of_set: BTreeSet<PlanChange> = steps.flat_map(|(old, new)| differ(*old, *new)).collect();
        of_set.into_iter().for_each(|change| *plan_changes.entry(change).or_default() += weight);
    }
    for (old, new) in before.generic.iter().zip(&after.generic) {
        generic_changes.extend(differ(*old, *new));
    }
    let (answers, different) = answers([before, control, after]);
    let pairs = executed([before, after]);
    let fewest = if before.changes_rows() || after.changes_rows() { FEWEST_WRITTEN } else { FEWEST_BLOCKS };
    let far = |pair: &Pair<'_>| fewest <= pair.0.blocks().abs_diff(pair.1.blocks()) as f64;
    // Where others write meanwhile, the side that was asked last tells what is none of the migration's.
    let both = |of: &dyn Fn(&Pair<'_>) -> bool, pair: &Pair<'_>| {
        let place = before.sets.iter().position(|set| std::ptr::eq(set, pair.0));
        let control = place.and_then(|place| control.sets.get(place)).filter(|set| set.failed.is_none());
        of(pair) && control.is_none_or(|control| of(&(control, pair.1)))
    };
    let is_dearer = |pair: &Pair<'_>| both(&|pair| far(pair) && FAR <= factor(pair), pair);
    let is_cheaper = |pair: &Pair<'_>| both(&|pair| far(pair) && factor(pair) <= 1.0 / FAR, pair);
    let is_flipped = |(old, new): &Pair<'_>| plan_text(before, old) != plan_text(after, new);
    let dearer = moved([before, after], &pairs, is_dearer);
    let cheaper = moved([before, after], &pairs, is_cheaper);
    let said = |other: &dyn Fn(&Pair<'_>) -> bool| pairs.iter().all(|pair| is_flipped(pair) == other(pair));
    let every = pairs.iter().all(is_flipped);
    let flipped =
        moved([before, after], &pairs, is_flipped).filter(|_| !every && !said(&is_dearer) && !said(&is_cheaper));
    let failed = |action: &CountedAction| action.sets.iter().filter(|set| set.failed.is_some()).count();
    let different = if failed(before) == failed(after) { different } else { Some(refused(before, after)) };
    let counted = |action: &CountedAction| action.sets.iter().any(|set| set.failed.is_none() && !set.plans.is_empty());
    let fires_more = plan_changes.keys().any(PlanChange::fires_more);
    let only_generic = !generic_changes.iter().all(|change| plan_changes.contains_key(change));
    let is_counted = counted(before) && counted(after);
    let verdict = if answers == Answers::Different || failed(before) != failed(after) {
        Verdict::Invalid
    } else if !is_counted {
        // Refused on every side, or a value that only a script's run sets: nothing was seen.
        Verdict::Inconclusive
    } else if old.exceeded_by(&new, margin) && unchanged.exceeded_by(&new, margin) || dearer.is_some() {
        Verdict::Regressed
    } else if fires_more {
        // What it does more is in no count, so fewer blocks are no gain either.
        Verdict::Inconclusive
    } else if new.exceeded_by(&old, margin) && new.exceeded_by(&unchanged, margin) || cheaper.is_some() {
        Verdict::Improved
    } else if only_generic {
        // Operations were planned for their parameters; what the server does without that was not executed.
        Verdict::Inconclusive
    } else {
        Verdict::Same
    };
    let sets = rounded(before.sets.iter().map(CountedSet::weight).sum());
    CountComparison {
        sets,
        executed: before.sets.len() as u32,
        is_counted,
        before: old,
        after: new,
        kinds_left: before.kinds_left,
        classes: classes(&pairs),
        plan_changes: plan_changes.into_iter().map(|(change, weight)| (change, rounded(weight))).collect(),
        generic_changes,
        dearer,
        cheaper,
        flipped,
        answers,
        different,
        columns_gone: before.sets.iter().flat_map(|set| &set.answers).map(|a| a.columns_gone).max().unwrap_or_default(),
        columns_left_out: before.sets.iter().flat_map(|set| &set.answers).map(|a| a.left_out).max().unwrap_or_default(),
        untraced: before.untraced.union(&after.untraced).cloned().collect(),
        verdict,
    }
}

/// On which side the server refuses how many sets, and why.
fn refused(before: &CountedAction, after: &CountedAction) -> String {
    let codes = |action: &CountedAction| {
        let codes: BTreeSet<&str> = action.sets.iter().filter_map(|set| set.failed.as_deref()).collect();
        let count = action.sets.iter().filter(|set| set.failed.is_some()).count();
        match codes.is_empty() {
            true => count.to_string(),
            false => format!("{count} (SQLSTATE {})", codes.into_iter().collect::<Vec<_>>().join(", ")),
        }
    };
    format!(
        "is refused after the migration with {} of {} sets and before with {}",
        codes(after),
        after.sets.len(),
        codes(before)
    )
}

/// Sets that a weight comes to.
pub(super) fn rounded(weight: f64) -> u32 {
    weight.round() as u32
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

/// The worst of all sets, and what is different where it is that.
fn answers([before, control, after]: [&CountedAction; 3]) -> (Answers, Option<String>) {
    // An order by a random number says the place of each row too, and agrees now and then by luck.
    let unsteady: BTreeSet<usize> = (before.sets.iter().zip(&control.sets))
        .flat_map(|(before, control)| before.answers.iter().zip(&control.answers).enumerate())
        .filter(|(_, (before, control))| before.ordered != control.ordered)
        .map(|(step, _)| step)
        .collect();
    let all = before.sets.iter().zip(&control.sets).zip(&after.sets).flat_map(|((before, control), after)| {
        before.answers.iter().zip(&control.answers).zip(&after.answers).enumerate()
    });
    let (mut worst, mut different) = (Answers::Same, None);
    for (step, ((before, control), after)) in all {
        let found = if before.rows == control.rows && before.rows != after.rows {
            Answers::Different
        } else if before.columns_gone != 0 && before.left_out == 0 && before.checksum.is_empty() {
            Answers::NothingCommon
        } else if before.checksum != control.checksum || before.checksum.is_empty() {
            Answers::Unrepeatable
        } else if before.checksum == after.checksum && before.rows == after.rows {
            match (before.ordered == after.ordered, before.total && !unsteady.contains(&step)) {
                (true, _) => Answers::Same,
                (false, true) => {
                    different
                        .get_or_insert("gives its rows in another order, though it says the place of each".to_owned());
                    Answers::Different
                }
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
            Answers::NothingCommon => 3,
            Answers::OtherPart => 4,
            Answers::Different => 5,
        };
        if found == Answers::Different {
            different.get_or_insert_with(|| match before.change.as_deref() {
                Some(change) => format!("writes otherwise: other rows are {change}"),
                None => "gives other rows".to_owned(),
            });
        }
        if rank(worst) < rank(found) {
            worst = found;
        }
    }
    (worst, different)
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
        CountedAction { plans: vec![PlanShape::default()], sets, generic: vec![0], ..CountedAction::default() }
    }

    pub(in crate::compare) fn both(before: Vec<CountedSet>, after: Vec<CountedSet>) -> CountComparison {
        let before = counted(before);
        compare([&before, &before.clone(), &counted(after)], 0.05, &BTreeSet::new())
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
        assert_eq!(
            compare([&before, &control, &counted(vec![set(0, 2, "")])], 0.05, &BTreeSet::new()).answers,
            Answers::Different
        );
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
        assert_eq!(compare([&before, &control, &control], 0.05, &BTreeSet::new()).answers, Answers::Unrepeatable);
    }

    #[test]
    fn a_verdict_of_a_few_sets_says_so() {
        let before: Vec<CountedSet> = (0..40).map(|_| set(1, 100, "a")).collect();
        let mut after: Vec<CountedSet> = (0..40).map(|_| set(1, 50, "a")).collect();
        after[7].blocks_hit = 800;
        let found = both(before.clone(), after.clone());
        assert_eq!((found.verdict, found.only_some(0.05).map(|few| few.sets)), (Verdict::Regressed, Some(1)));
        let all: Vec<CountedSet> = (0..40).map(|_| set(1, 800, "a")).collect();
        assert_eq!(both(before.clone(), all).only_some(0.05), None);
        after[7] = set(1, 100, "a");
        assert_eq!(both(after, before).only_some(0.05), None);
    }

    #[test]
    fn a_page_that_splits_is_no_set_that_became_dearer() {
        let with = |blocks: u64, shape: &str| {
            let mut action = counted((0..40).map(|_| set(1, 12, "a")).collect());
            action.sets[7].blocks_hit = blocks;
            shape.clone_into(&mut action.plans[0].shape);
            action
        };
        let dearer = |blocks: u64, shape: &str| {
            let before = with(12, shape);
            compare([&before, &before.clone(), &with(blocks, shape)], 0.05, &BTreeSet::new()).dearer.is_some()
        };
        assert!(!dearer(30, "ModifyTable t(Result)") && dearer(44, "ModifyTable t(Result)"));
        assert!(dearer(30, "Seq Scan t"));
    }

    #[test]
    fn what_grew_meanwhile_without_the_migration_is_none_of_it() {
        let grown = |blocks: u64| {
            let mut sets: Vec<CountedSet> = (0..40).map(|_| set(1, 12, "a")).collect();
            sets[7].blocks_hit = blocks;
            counted(sets)
        };
        let found = |control: u64| compare([&grown(12), &grown(control), &grown(60)], 0.05, &BTreeSet::new());
        assert_eq!((found(12).verdict, found(12).few_dearer().is_some()), (Verdict::Regressed, true));
        assert_eq!(found(60).dearer, None);
        let all = |blocks: u64| counted(vec![set(1, blocks, "a")]);
        assert_eq!(compare([&all(12), &all(20), &all(20)], 0.05, &BTreeSet::new()).verdict, Verdict::Same);
    }

    #[test]
    fn what_fires_more_is_not_the_same() {
        let before = counted(vec![set(1, 6, "a")]);
        let mut after = before.clone();
        after.plans[0].triggers.insert("t.audit".to_owned());
        let found = compare([&before, &before, &after], 0.05, &BTreeSet::new());
        assert_eq!((found.verdict, found.fires_more()), (Verdict::Inconclusive, true));
        assert_eq!(compare([&after, &after, &before], 0.05, &BTreeSet::new()).verdict, Verdict::Same, "one less");
    }

    #[test]
    fn a_plan_for_any_parameters_that_alone_changed_is_not_the_same() {
        let plan = |index: &str| PlanShape {
            paths: vec![crate::evidence::AccessPath {
                relation: "t".to_owned(),
                scan: "Index Scan".to_owned(),
                indexes: vec![index.to_owned()],
            }],
            ..PlanShape::default()
        };
        let action = |plans: [&str; 2]| CountedAction {
            plans: plans.map(plan).to_vec(),
            generic: vec![1],
            ..counted(vec![set(1, 6, "a")])
        };
        let compared = |after: [&str; 2]| {
            let before = action(["i", "i"]);
            compare([&before, &before.clone(), &action(after)], 0.05, &BTreeSet::new())
        };
        assert_eq!(compared(["i", "i"]).verdict, Verdict::Same);
        let found = compared(["i", "j"]);
        assert_eq!((found.verdict, found.is_open_by_generic_plans()), (Verdict::Inconclusive, true));
        // What the sets show too was executed.
        let found = compared(["j", "j"]);
        assert_eq!((found.verdict, found.is_open_by_generic_plans()), (Verdict::Same, false));
    }

    #[test]
    fn what_is_different_is_named() {
        let changed = |change: Option<&str>, checksum: &str| {
            let mut set = set(1, 6, checksum);
            set.answers[0].change = change.map(str::to_owned);
            set
        };
        let different = |change: Option<&str>| both(vec![changed(change, "a")], vec![changed(change, "b")]).different;
        assert_eq!(different(None).as_deref(), Some("gives other rows"));
        assert_eq!(different(Some("left in t")).as_deref(), Some("writes otherwise: other rows are left in t"));
        assert_eq!(both(vec![set(1, 6, "a")], vec![set(1, 6, "a")]).different, None);
        let ordered = |ordered: &str| {
            let mut set = set(2, 6, "a");
            (set.answers[0].ordered, set.answers[0].total) = (ordered.to_owned(), true);
            set
        };
        let different = both(vec![ordered("x")], vec![ordered("y")]).different.unwrap();
        assert!(different.contains("in another order"), "{different}");
    }

    #[test]
    fn states_without_a_common_column_are_no_clock() {
        let mut gone = set(1, 6, "");
        gone.answers[0].columns_gone = 1;
        let found = both(vec![gone.clone()], vec![gone]);
        assert_eq!((found.answers, found.columns_gone), (Answers::NothingCommon, 1));
    }
}
