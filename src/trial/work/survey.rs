//! Which sets of parameters the planner plans the same way, before and after: many are planned, so that a group too
//! small to be among the few that are executed is found all the same. Must execute no statement but `SET`, undone after
//! each set.

use std::cmp::Reverse;
use std::ops::Range;

use super::operation::{Asked, PATIENCE, document, drawn, fetch, run, text_of};
use crate::evidence::CountedAction;
use crate::postgres::explain::Plan;
use crate::scenario::workload::PlannedStep;
use crate::sql::{Command, parse_one};
use crate::trial::error::TrialError;

/// Sets that are planned: of 256 a group of 1 % is missed once in thirteen times, of 32 in three of four.
pub(super) const PLANNED: u32 = 256;

/// Sets that are planned in one message; a trip for each statement took longer than its planning.
const AT_ONCE: u64 = 32;

/// Kinds that are executed at most because none of the sets that are executed anyway is of them.
const MOST_RARE: usize = 8;

/// How one set is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    /// Its plans before and after.
    plans: [Vec<String>; 2],
    /// How far the planner's cost moved, in steps of a factor of four.
    moved: i32,
}

/// How a side plans each set: its plans, and what they cost.
pub(super) type Planned = Vec<(Vec<String>, f64)>;

/// Sets of an action by how they are planned, in the order they are drawn.
pub(super) struct Survey {
    kinds: Vec<Kind>,
    /// How many of them are executed anyway: the first.
    sampled: usize,
    /// One of each kind that none of those is, in the order they are drawn: to be executed beside them.
    rare: Vec<usize>,
    /// Kinds of which none is executed: there are too many.
    kinds_left: u32,
}

impl Survey {
    /// What two sides plan, put together; nothing where one of them plans nothing.
    pub(super) fn of(before: Option<Planned>, after: Option<Planned>, sampled: u32) -> Option<Self> {
        let kinds = before?.into_iter().zip(after?);
        let kind = |((old, cost), (new, other)): (_, (_, f64))| Kind { plans: [old, new], moved: moved(cost, other) };
        Some(Self::new(kinds.map(kind).collect(), sampled as usize))
    }

    fn new(kinds: Vec<Kind>, sampled: usize) -> Self {
        let mut rare: Vec<usize> = (sampled..kinds.len()).filter(|set| !kinds[..*set].contains(&kinds[*set])).collect();
        let has_plans = |set: &usize| kinds[..sampled].iter().any(|kind| kind.plans == kinds[*set].plans);
        // Other plans first, then what moved farthest.
        rare.sort_by_key(|set| (has_plans(set), Reverse(kinds[*set].moved.abs()), *set));
        let kinds_left = rare.len().saturating_sub(MOST_RARE) as u32;
        rare.truncate(MOST_RARE);
        rare.sort_unstable();
        Self { kinds, sampled, rare, kinds_left }
    }

    /// The sets that are executed, in the order they are drawn: the first, and where there is a survey one of each kind
    /// that none of those is.
    pub(super) fn executed(survey: Option<&Self>, sampled: u32) -> Vec<u64> {
        let rare = survey.into_iter().flat_map(|survey| survey.rare.iter().map(|set| *set as u64));
        (0..u64::from(sampled)).chain(rare).collect()
    }

    /// Gives a side's counts what each of its sets stands for.
    pub(super) fn weigh(&self, counted: &mut CountedAction) {
        counted.rare = self.rare.len() as u32;
        counted.kinds_left = self.kinds_left;
        counted.sets.iter_mut().zip(self.stand_for()).for_each(|(set, stands)| set.stands_for = Some(stands));
    }

    /// For each set that is executed, how many sets its kind has and how many of these are executed. A kind of which
    /// none is counts to the nearest.
    fn stand_for(&self) -> Vec<(u32, u32)> {
        let executed = || (0..self.sampled).chain(self.rare.iter().copied()).map(|set| &self.kinds[set]);
        let nearest = |kind: &Kind| {
            let distance = |other: &&Kind| ((other.plans != kind.plans), other.moved.abs_diff(kind.moved));
            executed().min_by_key(distance).expect("a set is executed")
        };
        let stands: Vec<&Kind> = self.kinds.iter().map(nearest).collect();
        let count = |kind: &Kind, of: &mut dyn Iterator<Item = &Kind>| of.filter(|other| *other == kind).count() as u32;
        executed().map(|kind| (count(kind, &mut stands.iter().copied()), count(kind, &mut executed()))).collect()
    }
}

/// How often a cost has to be multiplied by four to come to another, rounded: what the planner sees in another sample
/// of a table is rarely as far.
fn moved(cost: f64, other: f64) -> i32 {
    ((other.max(1.0) / cost.max(1.0)).log2() / 2.0).round() as i32
}

/// Plans sets of an action on a side. Nothing where as many are executed anyway, there are no parameters, a step needs
/// what an earlier one answered, or the side refuses to plan one.
///
/// # Errors
/// When a server is lost.
pub(super) async fn planned(asked: &mut Asked<'_>, action: usize, sampled: u32) -> Result<Option<Planned>, TrialError> {
    if PLANNED <= sampled || asked.workload.actions[action].steps.iter().all(|step| step.arguments.is_empty()) {
        return Ok(None);
    }
    run(&mut asked.connection, "BEGIN").await?;
    run(&mut asked.connection, PATIENCE).await?;
    let mut sets = Vec::new();
    while sets.len() < PLANNED as usize {
        let first = sets.len() as u64;
        match planned_sets(asked, action, first..first + AT_ONCE).await? {
            Some(planned) => sets.extend(planned),
            None => break,
        }
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok((sets.len() == PLANNED as usize).then_some(sets))
}

/// A row that a message of several statements gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// The plan of a statement.
    Plan,
    /// What a parameter was set to.
    Setting,
}

/// The row that a statement gives. What only sets something for later steps is executed, and `SELECT set_config(…)`
/// gives a row for it.
fn row_of(sql: &str) -> Option<Row> {
    match parse_one(sql) {
        Some(statement) if !statement.only_sets() => Some(Row::Plan),
        Some(statement) => matches!(statement.command, Command::Select(_)).then_some(Row::Setting),
        None => None,
    }
}

/// The shapes of the plans of each set, and their cost: planned in one message.
async fn planned_sets(asked: &mut Asked<'_>, action: usize, sets: Range<u64>) -> Result<Option<Planned>, TrialError> {
    let planned = &asked.workload.actions[action];
    let (mut message, mut plans) = (String::new(), Vec::new());
    let steps = planned.steps.iter().filter(|step| step.bracket.is_none());
    let steps: Vec<(&PlannedStep, Option<Row>)> = steps.map(|step| (step, row_of(&step.sql))).collect();
    for set in sets {
        let values = drawn(asked.workload, action, set);
        message.push_str("SAVEPOINT planned;\n");
        for (step, row) in &steps {
            let Some(text) = text_of(planned, step, &values) else { return Ok(None) };
            if *row == Some(Row::Plan) {
                message.push_str("EXPLAIN (FORMAT JSON) ");
            }
            message.push_str(&text);
            // The text may end in a comment.
            message.push_str("\n;\n");
        }
        message.push_str("ROLLBACK TO SAVEPOINT planned;\n");
        plans.push(steps.iter().filter_map(|(_, row)| *row).collect::<Vec<Row>>());
    }
    let Ok(rows) = fetch(&mut asked.connection, &message).await? else { return Ok(None) };
    let mut rows = rows.iter();
    let of_set = |expected: Vec<Row>| {
        let read = |row| Plan::read(&document(std::slice::from_ref(row)));
        let given = expected.into_iter().zip(rows.by_ref());
        let plans: Vec<Plan> = given.filter(|(row, _)| *row == Row::Plan).map(|(_, row)| read(row)).collect();
        let cost = plans.iter().map(|plan| plan.planned_cost).sum();
        (plans.into_iter().map(|plan| plan.shape).collect(), cost)
    };
    Ok(Some(plans.into_iter().map(of_set).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(before: &str, after: &str, moved: i32) -> Kind {
        Kind { plans: [vec![before.to_owned()], vec![after.to_owned()]], moved }
    }

    #[test]
    fn a_kind_that_no_sampled_set_is_is_executed_once_and_every_set_is_stood_for() {
        let (usual, heavy, flipped) = (kind("a", "b", -1), kind("a", "b", 3), kind("a", "c", 0));
        let mut kinds = vec![usual.clone(); 14];
        kinds.extend([heavy.clone(), flipped, heavy, usual]);
        kinds.swap(1, 16);
        let survey = Survey::new(kinds, 4);
        // Of 18 sets: 15 as usual, 2 of them heavy, one flipped; the four sampled ones hold one that is heavy.
        assert_eq!(survey.rare, [15], "only the flipped one is of a new kind");
        assert_eq!(survey.stand_for(), [(15, 3), (2, 1), (15, 3), (15, 3), (1, 1)]);
        assert_eq!(survey.kinds_left, 0);
    }

    #[test]
    fn where_kinds_are_too_many_flips_and_the_farthest_are_executed_and_the_nearest_stand_for_the_rest() {
        let mut kinds: Vec<Kind> = (0..20).map(|n| kind("a", "b", -n)).collect();
        kinds.push(kind("a", "c", 0));
        let survey = Survey::new(kinds, 2);
        assert_eq!(survey.rare, [13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(survey.kinds_left, 11);
        // −2 … −7 are nearer to −1 (at −7 as near, and earlier), −8 … −12 to −13.
        let sizes: Vec<u32> = survey.stand_for().iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [1, 7, 6, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(sizes.iter().sum::<u32>(), 21);
    }

    #[test]
    fn a_cost_sixteen_times_as_high_moved_two_steps() {
        assert_eq!((moved(10.0, 160.0), moved(160.0, 10.0), moved(10.0, 19.0), moved(0.2, 0.9)), (2, -2, 0, 0));
    }
}
