//! Which sets of parameters the planner treats alike, before and after: many are planned, so that a group too small to be among the
//! few that are executed is found all the same. Must execute nothing.

use std::collections::BTreeMap;

use super::count::{Asked, STREAM, document, fetch, run};
use super::error::TrialError;
use crate::expression::Value;
use crate::postgres::explain::Plan;
use crate::scenario::Stream;

/// Sets that are planned: of 256 a group of 1 % is missed once in thirteen times, of 32 in three of four.
const PLANNED: u32 = 256;

/// Sets that are executed at most because no other was planned as they are.
const MOST_RARE: usize = 8;

/// How one set is planned: its plans before and after, and how often the planner's cost doubled.
type Kind = (Vec<String>, Vec<String>, i32);

/// Sets of an action by how they are planned; those that are executed anyway come first.
pub(super) struct Survey {
    kinds: Vec<Kind>,
    executed: usize,
}

impl Survey {
    /// Plans sets of an action before and after. Nothing where as many are executed anyway, an operation needs what a step before it
    /// answered, or a side refuses to plan it.
    ///
    /// # Errors
    /// When a server is lost.
    pub(super) async fn of(
        [before, after]: [&mut Asked<'_>; 2],
        action: usize,
        executed: u32,
    ) -> Result<Option<Self>, TrialError> {
        if PLANNED <= executed {
            return Ok(None);
        }
        let mut kinds = Vec::new();
        for set in 0..u64::from(PLANNED) {
            let (old, new) = (planned(before, action, set).await?, planned(after, action, set).await?);
            let Some(((old, cost), (new, cost_after))) = old.zip(new) else { return Ok(None) };
            kinds.push((old, new, doublings(cost, cost_after)));
        }
        Ok(Some(Self { kinds, executed: executed as usize }))
    }

    /// The first set of each kind that none of those executed anyway is, the farthest changes first.
    pub(super) fn rare(&self) -> Vec<u64> {
        let (executed, others) = self.kinds.split_at(self.executed);
        let mut rare: Vec<usize> = (0..others.len())
            .filter(|place| !executed.contains(&others[*place]) && !others[..*place].contains(&others[*place]))
            .collect();
        rare.sort_by_key(|place| std::cmp::Reverse(others[*place].2.abs()));
        rare.truncate(MOST_RARE);
        rare.sort_unstable();
        rare.into_iter().map(|place| (self.executed + place) as u64).collect()
    }

    /// How many of the sets that were planned each that was executed stands for: with the others of its kind, for all of it.
    pub(super) fn weights(&self) -> Vec<f64> {
        let executed: Vec<&Kind> = self.kinds[..self.executed]
            .iter()
            .chain(self.rare().iter().map(|set| &self.kinds[*set as usize]))
            .collect();
        let count = |kinds: &mut dyn Iterator<Item = &Kind>| -> BTreeMap<Kind, u32> {
            kinds.fold(BTreeMap::new(), |mut counts, kind| {
                *counts.entry(kind.clone()).or_default() += 1;
                counts
            })
        };
        let (of_all, of_executed) = (count(&mut self.kinds.iter()), count(&mut executed.iter().copied()));
        executed.iter().map(|kind| f64::from(of_all[*kind]) / f64::from(of_executed[*kind])).collect()
    }
}

/// How often a cost has to be doubled to come to another, rounded.
fn doublings(cost: f64, other: f64) -> i32 {
    (other.max(1.0) / cost.max(1.0)).log2().round() as i32
}

/// The plans of an operation with one set of parameters and their cost.
async fn planned(asked: &mut Asked<'_>, action: usize, set: u64) -> Result<Option<(Vec<String>, f64)>, TrialError> {
    let planned = &asked.workload.actions[action];
    let mut values = Vec::new();
    asked.workload.draw(action, Stream::lane(STREAM, 0, 1), set, &mut values);
    let (mut shapes, mut cost) = (Vec::new(), 0.0);
    run(&mut asked.connection, "BEGIN").await?;
    for step in planned.steps.iter().filter(|step| step.bracket.is_none()) {
        let answered = |(slot, _): &(usize, _)| !planned.is_parameter(*slot) && values[*slot] == Value::Null;
        let mut text = Vec::new();
        if step.arguments.iter().any(answered) || step.as_text(&values, &mut text).is_err() {
            shapes.clear();
            break;
        }
        let sql = format!("EXPLAIN (FORMAT JSON) {}", String::from_utf8_lossy(&text));
        let Ok(rows) = fetch(&mut asked.connection, &sql).await? else {
            shapes.clear();
            break;
        };
        let plan = Plan::read(&document(&rows));
        cost += plan.planned_cost;
        shapes.push(plan.shape);
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok((!shapes.is_empty()).then_some((shapes, cost)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(before: &str, after: &str, doublings: i32) -> Kind {
        (vec![before.to_owned()], vec![after.to_owned()], doublings)
    }

    #[test]
    fn a_kind_that_no_executed_set_is_is_executed_once_and_stands_for_all_of_it() {
        let (usual, heavy, flipped) = (kind("a", "b", -1), kind("a", "b", 3), kind("a", "c", 0));
        let mut kinds = vec![usual.clone(); 14];
        kinds.extend([heavy.clone(), flipped, heavy.clone(), usual]);
        kinds.swap(1, 16);
        let survey = Survey { kinds, executed: 4 };
        // Of 18 sets: 15 as usual, 2 of them heavy, one flipped; the four executed ones hold one that is heavy.
        assert_eq!(survey.rare(), [15], "only the flipped one is of a new kind");
        let weights = survey.weights();
        assert_eq!(weights.len(), 5);
        assert_eq!((weights[1], weights[4]), (2.0, 1.0));
        assert!((weights.iter().sum::<f64>() - 18.0).abs() < 1e-9, "{weights:?}");
    }

    #[test]
    fn the_farthest_changes_are_executed_where_there_are_too_many() {
        let kinds = (0..20).map(|n| kind("a", "b", -n)).collect();
        let survey = Survey { kinds, executed: 2 };
        assert_eq!(survey.rare(), (12..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_cost_eight_times_as_high_is_three_doublings() {
        assert_eq!((doublings(10.0, 80.0), doublings(80.0, 10.0), doublings(0.2, 0.4)), (3, -3, 0));
    }
}
