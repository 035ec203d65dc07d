//! Single operations on idle sides, counted and compared answer by answer. Must leave no row changed: every one is
//! rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::answer::{Comparable, Rows, Tables, Unsteady, add_answers, comparable, untraced};
use super::functions;
use super::generic::generic;
use super::operation::{Asked, operation, quiet};
use super::survey::{PLANNED, Survey, planned};
use super::ties::places;
use super::trace::{columns_of_tables, small_tables};
use super::updates::in_pages_with_room;
use crate::evidence::{CountedAction, PlanFacts, Side};
use crate::postgres::Target;
use crate::postgres::functions::Routines;
use crate::scenario::Workload;
use crate::scenario::workload::PlannedAction;
use crate::sql;
use crate::trial::error::TrialError;
use crate::trial::event::{Event, Listener};

/// Asks every action with the same sets of parameters on every side; by side and action. Where nobody else is
/// (`alone`), rows that writes leave and take away are looked up too.
///
/// # Errors
/// When a server is lost. What it refuses is part of the evidence.
pub async fn count<'w>(
    targets: &[(Side, Target); 3],
    of: impl Fn(Side) -> &'w Workload,
    (sets, alone): (u32, bool),
    listener: &Listener,
) -> Result<BTreeMap<Side, Vec<CountedAction>>, TrialError> {
    let mut sides = Vec::new();
    for (side, target) in targets {
        sides.push(Asked::new(target, of(*side), alone).await?);
    }
    let control = targets.iter().position(|(side, _)| *side == Side::Control).unwrap_or_default();
    let mut tables = Tables::new();
    if alone {
        // Whatever the role that asks may see.
        let mut catalog = quiet(&targets[0].1.own()).await?;
        tables = columns_of_tables(&mut catalog).await?;
        if let Some(after) = targets.iter().position(|(side, _)| *side == Side::After) {
            // What a migration turns into something else is found elsewhere.
            let mut catalog_after = quiet(&targets[after].1.own()).await?;
            let of_after = columns_of_tables(&mut catalog_after).await?;
            tables.retain(|table, _| of_after.contains_key(table));
            let small = small_tables(&mut catalog).await?;
            let small: BTreeSet<String> =
                small.intersection(&small_tables(&mut catalog_after).await?).cloned().collect();
            sides.iter_mut().filter_map(|side| side.tracer.as_mut()).for_each(|tracer| tracer.small = small.clone());
        }
    }
    let mut routines = Vec::new();
    for (_, target) in targets {
        routines.push(functions::of_side(target).await?);
    }
    // What is the same on every side runs the same way.
    if routines.first() == routines.last() {
        routines.clear();
    }
    let actions = &of(Side::Before).actions;
    let counted = vec![vec![CountedAction::default(); actions.len()]; targets.len()];
    let mut counting = Counting { sides, control, tables, routines, counted };
    let total = actions.len() as u32;
    for (done, action) in order(actions).into_iter().enumerate() {
        let tell = |sets: (usize, usize)| listener(Event::Counting { done: done as u32 + 1, total, sets });
        counting.action(action, sets, tell).await?;
    }
    Ok(targets.iter().map(|(side, _)| *side).zip(counting.counted).collect())
}

/// Sides that are there at the same time.
struct Counting<'w> {
    /// `before` first, `after` last.
    sides: Vec<Asked<'w>>,
    control: usize,
    /// What writes are looked up in.
    tables: Tables,
    /// What each side knows of functions; empty where that is the same.
    routines: Vec<Routines>,
    /// By side and action.
    counted: Vec<Vec<CountedAction>>,
}

impl Counting<'_> {
    /// Asks an action with `sets` sets of parameters, and with more where the planner treats some as it treats none of
    /// these; says which of how many it begins.
    async fn action(&mut self, action: usize, sets: u32, tell: impl Fn((usize, usize))) -> Result<(), TrialError> {
        let survey = match &mut self.sides[..] {
            [before, .., after] => {
                let both = (planned(before, action, sets).await?, planned(after, action, sets).await?);
                Survey::of(both.0, both.1, sets)
            }
            _ => None,
        };
        let executed = Survey::executed(survey.as_ref(), sets);
        tell((0, executed.len()));
        self.set(action, warm_up(sets)).await?;
        self.sides.iter_mut().for_each(|asked| asked.longest = Duration::ZERO);
        self.counted.iter_mut().for_each(|side| side[action] = CountedAction::default());
        let mut answers = Vec::with_capacity(executed.len());
        for (begun, set) in executed.iter().enumerate() {
            tell((begun + 1, executed.len()));
            answers.push(self.set(action, *set).await?);
        }
        self.take_answers(action, &executed, &answers).await?;
        self.counted.iter_mut().for_each(|side| survey.iter().for_each(|survey| survey.weigh(&mut side[action])));
        let rare = executed.get(sets as usize..).unwrap_or_default();
        self.counted.iter_mut().for_each(|side| side[action].rare_draws = rare.to_vec());
        generic(&mut self.sides, (action, &executed), &mut self.counted).await?;
        in_pages_with_room(&mut self.sides, (action, &executed), &mut self.counted).await?;
        for ((asked, counted), routines) in self.sides.iter_mut().zip(&mut self.counted).zip(&self.routines) {
            functions::look_for(asked, (action, executed[0]), routines, &mut counted[action]).await?;
        }
        Ok(())
    }

    /// One set on every side, so that what one does to the server's caches another does next; what each side answered.
    async fn set(&mut self, action: usize, set: u64) -> Result<Vec<Vec<Rows>>, TrialError> {
        let mut answers = Vec::new();
        for (asked, counted) in self.sides.iter_mut().zip(&mut self.counted) {
            answers.push(operation(asked, action, set, &mut counted[action]).await?);
        }
        Ok(answers)
    }

    /// Compares what the sides answered in all sets.
    async fn take_answers(
        &mut self,
        action: usize,
        sets: &[u64],
        answers: &[Vec<Vec<Rows>>],
    ) -> Result<(), TrialError> {
        let untraced = untraced(&mut self.counted, action, answers, &self.tables);
        // What is refused on one side leaves nothing there, which is reported as what it is.
        let failed = |place: usize| self.counted.iter().any(|side| side[action].sets[place].failed.is_some());
        let nowhere = Tables::new();
        let tables = |place: usize| if failed(place) { &nowhere } else { &self.tables };
        let of_sets = answers.iter().enumerate();
        let all: Vec<Comparable> =
            of_sets.map(|(place, of_set)| comparable(of_set, tables(place), &untraced)).collect();
        let mut unsteady = Unsteady::default();
        all.iter().for_each(|of_set| unsteady.learn(of_set, self.control));
        let differing = (0..sets.len()).filter(|place| unsteady.differs(&all[*place])).take(AGAIN);
        for place in differing.collect::<Vec<usize>>() {
            let mut again = Vec::new();
            for asked in &mut self.sides {
                again.push(operation(asked, action, sets[place], &mut CountedAction::default()).await?);
            }
            let again = comparable(&again, &self.tables, &untraced);
            unsteady.learn(&again, self.control);
            unsteady.learn_again(&all[place], &again);
        }
        let mut looked = 0;
        for (place, of_set) in all.into_iter().enumerate() {
            add_answers(&mut self.counted, self.control, (action, place), of_set, &unsteady);
            if looked < ORDERED_SETS && in_another_order(&self.counted, self.control, (action, place)) {
                looked += 1;
                let wrote = self.counted[0][action].wrote;
                let places = if wrote { Vec::new() } else { places(&mut self.sides[0], action, sets[place]).await? };
                let answers = &mut self.counted[0][action].sets[place].answers;
                answers.iter_mut().zip(places).for_each(|(answer, total)| answer.total = total);
            }
        }
        Ok(())
    }
}

/// Actions that only read, by their words, come first: what the others leave behind costs blocks.
pub(super) fn order(actions: &[PlannedAction]) -> Vec<usize> {
    let writes = |action: &PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let mut order: Vec<usize> = (0..actions.len()).collect();
    order.sort_by_key(|action| writes(&actions[*action]));
    order
}

/// A set that none of the others is: it comes first, fills the caches of the sessions and is forgotten.
pub(super) fn warm_up(sets: u32) -> u64 {
    u64::from(sets.max(PLANNED))
}

/// Sets in which the sides differ are asked again, this many: what a clock did between them is not there again.
const AGAIN: usize = 4;

/// Sets of an action whose rows come in another order on `after` of which is asked whether the order says the place of
/// each: every row costs the statement once more.
const ORDERED_SETS: u32 = 4;

/// Whether the last side gives the rows of a set in another order than the first, which agrees with the control.
fn in_another_order(counted: &[Vec<CountedAction>], control: usize, (action, set): (usize, usize)) -> bool {
    let of = |side: usize| counted.get(side)?.get(action)?.sets.get(set);
    let (Some(before), Some(control), Some(after)) = (of(0), of(control), of(counted.len() - 1)) else { return false };
    before.answers.iter().zip(&control.answers).zip(&after.answers).any(|((before, control), after)| {
        before.ordered == control.ordered && before.checksum == after.checksum && before.ordered != after.ordered
    })
}

/// The plans as a trial's evidence names them: shapes with how many sets had them, and every index.
#[must_use]
pub fn plan_facts(counted: &[CountedAction]) -> Vec<PlanFacts> {
    let facts = |action: &CountedAction| {
        let mut facts = PlanFacts::default();
        for plan in action.sets.iter().flat_map(|set| &set.plans).map(|plan| &action.plans[*plan as usize]) {
            *facts.shapes.entry(plan.shape.clone()).or_default() += 1;
            facts.indexes.extend(plan.paths.iter().flat_map(|path| path.indexes.clone()));
        }
        let generic = action.generic.iter().flat_map(|plan| &action.plans[*plan as usize].paths);
        facts.indexes.extend(generic.flat_map(|path| path.indexes.clone()));
        facts.indexes.sort();
        facts.indexes.dedup();
        facts
    };
    counted.iter().map(facts).collect()
}
