//! What single operations cost on both sides, and whether they answer the same. Must need no statistics: the same
//! counts come again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Verdict;
use super::answers::{Answers, answers, refused};
use super::fact::AnswerDifference;
use super::functions::{self, FunctionChange};
use super::generic::{GenericPlans, generic_plans};
use super::growth::{Growth, Moves};
use super::hollow;
use super::indexes::redefined;
use super::minimum::TooLittle;
use super::parameters::{ClassCounts, Moved, classes, executed, moved};
use super::plan_change::{PlanChange, changes};
use super::weighed::Weighed;
use super::work::{MoreUnderLoad, more_under_load};
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
    /// Means of an operation before, by the plans that the server takes.
    pub before: Counts,
    /// Means of an operation after, by the plans that the server takes.
    pub after: Counts,
    /// The same apart for sets that find nothing, much, and what is usual; empty where all are of one kind.
    pub classes: Vec<ClassCounts>,
    /// How plans differ, each with the number of sets whose plans do.
    pub plan_changes: Vec<(PlanChange, u32)>,
    /// How the plans that fit any parameters differ.
    pub generic_changes: Vec<PlanChange>,
    /// What these plans cost where they are others than the sets' own; absent where they are not, and before format 8.
    pub generic: Option<GenericPlans>,
    /// Sets that touch at least twice as many blocks after.
    pub dearer: Option<Moved>,
    /// Sets that touch at most half as many blocks after.
    pub cheaper: Option<Moved>,
    /// Sets whose plans changed, where those of others did not; absent where they are just those that became more
    /// expensive or cheaper.
    pub flipped: Option<Moved>,
    /// A change that is not called, for it is too little among this many actions.
    pub too_little: Option<TooLittle>,
    /// Functions of the user's own that run on one side alone, or are defined otherwise: their work in the processor is
    /// in no count.
    pub functions: Vec<FunctionChange>,
    /// Whether both sides answer the same.
    pub answers: Answers,
    /// What the migration changes of the answer, such as `gives other rows`, or that the server refuses it; absent
    /// where the answers are not different and as many operations fail.
    pub different: Option<AnswerDifference>,
    /// The mean of blocks moves by as much as a search for free space takes, with the plans and the records of WAL of
    /// before: a freshly written table has its free space elsewhere, which is no lasting cost and no lasting gain.
    pub searches_free_space: bool,
    /// It touches more blocks a call under load though its single operations do not: then these prove no gain.
    pub more_under_load: Option<MoreUnderLoad>,
    /// It takes less work, and its rows cannot show a gain: it finds none, or an index it uses holds nothing or
    /// everything.
    pub is_hollow: bool,
    /// No execution of a set was free of full-page images on every side: the bytes of WAL hold them.
    pub wal_holds_images: bool,
    /// Columns of an answer that differ between the sides without the migration too, such as a clock, and were not
    /// compared.
    pub columns_left_out: u32,
    /// Columns of an answer that the migration takes away: they were not compared.
    pub columns_gone: u32,
    /// Tables that its writes touch and that were not compared: too large, not to be read, or no tables on both sides.
    pub untraced: BTreeSet<String>,
    /// Of the counts alone: regressed when blocks or temporary files grow in the mean, by the margin and at least
    /// [`MIN_BLOCKS`] an operation, or those of any executed set to twice as many (for one that writes, by 32 at
    /// least), against both sides without the migration; improved when they shrink so; invalid when the answers differ;
    /// inconclusive when no operation could be counted, more triggers fire or keys are checked than before, a function
    /// of the user's own runs on one side alone or is defined otherwise, or only the plan that fits any parameters
    /// changed.
    pub verdict: Verdict,
}

impl CountComparison {
    /// Sets that make the verdict where the mean does not move by the margin, a share: a few that became more
    /// expensive, or cheaper.
    #[must_use]
    pub fn only_some(&self, margin: f64) -> Option<&Moved> {
        match self.verdict {
            Verdict::Regressed => {
                self.dearer.as_ref().filter(|_| !self.before.exceeded_by(&self.after, margin, MIN_BLOCKS))
            }
            Verdict::Improved => {
                self.cheaper.as_ref().filter(|_| !self.after.exceeded_by(&self.before, margin, MIN_BLOCKS))
            }
            _ => None,
        }
    }

    /// Sets that became more expensive and are so few that neither p50 nor p95 need show it.
    #[must_use]
    pub fn few_dearer(&self) -> Option<&Moved> {
        let few = |dearer: &&Moved| f64::from(dearer.sets) <= FEW * f64::from(self.sets);
        self.dearer.as_ref().filter(few).filter(|_| self.verdict == Verdict::Regressed)
    }

    /// All that is not known is what a plan that fits any parameters costs, which changed otherwise than those of the
    /// sets.
    #[must_use]
    pub fn is_open_by_generic_plans(&self) -> bool {
        self.verdict == Verdict::Inconclusive
            && self.is_counted
            && !self.fires_more()
            && self.functions.is_empty()
            && self.more_under_load.is_none()
            && !self.is_hollow
    }

    /// What is not known is what functions do that run on one side alone or are defined otherwise.
    #[must_use]
    pub fn is_open_by_functions(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.is_counted && !self.functions.is_empty()
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
    /// Bytes of WAL, without full-page images unless the comparison says so.
    pub wal_bytes: f64,
    /// Rows the planner expected.
    pub planned_rows: f64,
    /// Cost the planner expected.
    pub planned_cost: f64,
}

impl Counts {
    /// Whether others have more blocks or temporary files, by the margin and by enough blocks an operation.
    pub(super) fn exceeded_by(&self, other: &Self, margin: f64, min_blocks: f64) -> bool {
        let grew = |own: f64, other: f64, min: f64| other > own * (1.0 + margin) && other >= own + min;
        grew(self.blocks, other.blocks, min_blocks) || grew(self.temp_blocks, other.temp_blocks, MIN_BLOCKS)
    }
}

/// Fewer blocks than this are what one more index costs an operation that writes.
pub const MIN_BLOCKS: f64 = 4.0;

/// A share of the operations that p95 need not show: half of it may be below.
const FEW: f64 = 0.1;

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
            let among = Among { margin: facts.margin, redefined: &redefined, actions: evidence.actions.len() };
            let mut counted = (!before.sets.is_empty()).then(|| compare([before, control, after], &among))?;
            counted.more_under_load = more_under_load(evidence, action, &counted);
            counted.is_hollow = counted.verdict == Verdict::Improved && !hollow::of_action(evidence, action).is_empty();
            if counted.verdict == Verdict::Improved && (counted.more_under_load.is_some() || counted.is_hollow) {
                counted.verdict = Verdict::Inconclusive;
            }
            Some(counted)
        })
        .collect()
}

/// What an action is compared by and among.
pub(super) struct Among<'a> {
    /// Changes smaller than this count as the same, as a share.
    pub(super) margin: f64,
    /// Indexes whose definitions differ.
    redefined: &'a BTreeSet<String>,
    /// How many actions are compared.
    pub(super) actions: usize,
}

fn compare(sides: [&CountedAction; 3], among: &Among<'_>) -> CountComparison {
    let [own_before, control, own_after] = sides;
    let differ =
        |old: u32, new: u32| changes(&own_before.plans[old as usize], &own_after.plans[new as usize], among.redefined);
    let plan_changes = plan_changes(own_before, own_after, differ);
    let generic = own_before.generic.iter().zip(&own_after.generic);
    let generic_changes = generic.flat_map(|(old, new)| differ(*old, *new)).collect();
    let (answers, different) = answers([own_before, control, own_after]);
    let failed = |action: &CountedAction| action.sets.iter().filter(|set| set.failed.is_some()).count();
    let different =
        if failed(own_before) == failed(own_after) { different } else { Some(refused(own_before, own_after)) };
    let counted = |action: &CountedAction| action.sets.iter().any(|set| set.failed.is_none() && !set.plans.is_empty());

    let weighed = Weighed::new(sides);
    let [before, control, after] = &weighed.sides;
    let pairs = executed([before, after]);
    let writes = before.changes_rows() || after.changes_rows();
    let moves = Moves::new(&weighed.sides, &pairs, writes);
    let both = own_before.sets.iter().map(|set| &set.answers).chain(own_after.sets.iter().map(|set| &set.answers));
    let most = |of: fn(&crate::evidence::Answer) -> u32| both.clone().flatten().map(of).max().unwrap_or_default();
    let mut comparison = CountComparison {
        sets: rounded(before.sets.iter().map(CountedSet::weight).sum()),
        executed: before.sets.len() as u32,
        is_counted: counted(own_before) && counted(own_after),
        before: means(&before.sets),
        after: means(&after.sets),
        kinds_left: before.kinds_left,
        classes: classes(&pairs),
        plan_changes,
        generic_changes,
        generic: generic_plans(own_before, own_after),
        flipped: moves.flipped([before, after]),
        too_little: None,
        dearer: moved([before, after], &pairs, |pair| moves.is_dearer(pair)),
        cheaper: moved([before, after], &pairs, |pair| moves.is_cheaper(pair)),
        functions: functions::changes(own_before, own_after),
        answers,
        different,
        searches_free_space: false,
        wal_holds_images: writes && before.sets.iter().all(|set| set.wal_full_pages_left != 0),
        more_under_load: None,
        is_hollow: false,
        columns_gone: most(|answer| answer.columns_gone),
        columns_left_out: most(|answer| answer.left_out),
        untraced: own_before.untraced.union(&own_after.untraced).cloned().collect(),
        verdict: Verdict::Invalid,
    };
    let stopped = (0..before.sets.len()).filter(|set| {
        let of = |side: usize| weighed.stopped[side].get(*set).copied().unwrap_or_default();
        of(2) && !of(0) && !of(1)
    });
    let growth = Growth { unchanged: means(&control.sets), moves: &moves, writes, stopped: stopped.count() as u32 };
    if failed(own_before) == failed(own_after) && answers != Answers::Different {
        growth.judge(&mut comparison, among, own_before.generic_asked && own_after.generic_asked);
    }
    comparison
}

/// How the plans of sets differ, each difference with the number of sets.
fn plan_changes(
    before: &CountedAction,
    after: &CountedAction,
    differ: impl Fn(u32, u32) -> Vec<PlanChange>,
) -> Vec<(PlanChange, u32)> {
    let mut plan_changes = BTreeMap::<PlanChange, f64>::new();
    for (old, new) in before.sets.iter().zip(&after.sets) {
        let steps = old.plans.iter().zip(&new.plans);
        let of_set: BTreeSet<PlanChange> = steps.flat_map(|(old, new)| differ(*old, *new)).collect();
        of_set.into_iter().for_each(|change| *plan_changes.entry(change).or_default() += old.weight());
    }
    plan_changes.into_iter().map(|(change, weight)| (change, rounded(weight))).collect()
}

/// Sets that a weight comes to.
pub(super) fn rounded(weight: f64) -> u32 {
    weight.round() as u32
}

/// Means over sets, each as heavy as the sets it stands for.
pub(super) fn means<'s>(sets: impl IntoIterator<Item = &'s CountedSet>) -> Counts {
    let sets: Vec<&CountedSet> = sets.into_iter().filter(|set| set.failed.is_none()).collect();
    let without_images: Vec<&CountedSet> = sets.iter().copied().filter(|set| set.wal_full_pages_left == 0).collect();
    let mean_of = |sets: &[&CountedSet], of: fn(&CountedSet) -> f64| match sets.is_empty() {
        true => 0.0,
        false => {
            let weight: f64 = sets.iter().map(|set| set.weight()).sum();
            sets.iter().map(|set| set.weight() * of(set)).sum::<f64>() / weight
        }
    };
    let mean = |of: fn(&CountedSet) -> f64| mean_of(&sets, of);
    let wal = if without_images.is_empty() { &sets } else { &without_images };
    Counts {
        rows: mean(|set| set.rows as f64),
        blocks: mean(|set| set.blocks() as f64),
        temp_blocks: mean(|set| set.temp_blocks as f64),
        wal_records: mean_of(wal, |set| set.wal_records as f64),
        wal_bytes: mean_of(wal, |set| set.wal_bytes as f64),
        planned_rows: mean(|set| set.planned_rows),
        planned_cost: mean(|set| set.planned_cost),
    }
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

    fn compared(sides: [&CountedAction; 3]) -> CountComparison {
        compare(sides, &Among { margin: 0.05, redefined: &BTreeSet::new(), actions: 1 })
    }

    pub(in crate::compare) fn both(before: Vec<CountedSet>, after: Vec<CountedSet>) -> CountComparison {
        let before = counted(before);
        compared([&before, &before.clone(), &counted(after)])
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
        assert_eq!(compared([&before, &control, &counted(vec![set(0, 2, "")])]).answers, Answers::Different);
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
        assert_eq!(compared([&before, &control, &control]).answers, Answers::Unrepeatable);
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
            compared([&before, &before.clone(), &with(blocks, shape)]).dearer.is_some()
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
        let found = |control: u64| compared([&grown(12), &grown(control), &grown(60)]);
        assert_eq!((found(12).verdict, found(12).few_dearer().is_some()), (Verdict::Regressed, true));
        assert_eq!(found(60).dearer, None);
        let all = |blocks: u64| counted(vec![set(1, blocks, "a")]);
        assert_eq!(compared([&all(12), &all(20), &all(20)]).verdict, Verdict::Same);
    }

    #[test]
    fn what_fires_more_is_not_the_same() {
        let before = counted(vec![set(1, 6, "a")]);
        let mut after = before.clone();
        after.plans[0].triggers.insert("t.audit".to_owned());
        let found = compared([&before, &before, &after]);
        assert_eq!((found.verdict, found.fires_more()), (Verdict::Inconclusive, true));
        assert_eq!(compared([&after, &after, &before]).verdict, Verdict::Same, "one less");
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
            compared([&before, &before.clone(), &action(after)])
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
        assert_eq!(different(None), Some(AnswerDifference::Rows));
        let change = "left in t".to_owned();
        assert_eq!(different(Some("left in t")), Some(AnswerDifference::Writes { change }));
        assert_eq!(both(vec![set(1, 6, "a")], vec![set(1, 6, "a")]).different, None);
        let ordered = |ordered: &str| {
            let mut set = set(2, 6, "a");
            (set.answers[0].ordered, set.answers[0].total) = (ordered.to_owned(), true);
            set
        };
        assert_eq!(both(vec![ordered("x")], vec![ordered("y")]).different, Some(AnswerDifference::Order));
    }

    #[test]
    fn states_without_a_common_column_are_no_clock() {
        let mut gone = set(1, 6, "");
        gone.answers[0].columns_gone = 1;
        let found = both(vec![gone.clone()], vec![gone]);
        assert_eq!((found.answers, found.columns_gone), (Answers::NothingCommon, 1));
    }
}
