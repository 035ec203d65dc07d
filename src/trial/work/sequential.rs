//! Single operations of sides that are one database in turn: counted one side after the other, compared when all are
//! known. Must leave no row changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::Connection;

use super::answer::{Comparable, Rows, Tables, Unsteady, add_answers, comparable};
use super::count::{order, warm_up};
use super::functions;
use super::generic::generic;
use super::operation::{Asked, operation};
use super::survey::{Planned, Survey, planned};
use crate::evidence::{CountedAction, Side};
use crate::postgres::Target;
use crate::scenario::Workload;
use crate::trial::error::TrialError;
use crate::trial::event::{Event, Listener};

/// Counts of sides that are not there at the same time, with their answers until all of them are known.
#[derive(Default)]
pub(in crate::trial) struct SequentialCounter {
    sides: Vec<(Side, Vec<CountedAction>)>,
    /// By side, action and set.
    answers: Vec<Vec<Vec<Vec<Rows>>>>,
    /// By action, how `after` plans sets, until `before` is there to be put beside it.
    foreseen: Vec<Option<Planned>>,
    /// By action.
    surveys: Vec<Option<Survey>>,
}

impl SequentialCounter {
    /// Plans sets of every action on `after`, which is there now, so that `before`, when it is there first of all,
    /// knows which to execute.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn foresee(
        &mut self,
        target: &Target,
        workload: &Workload,
        sets: u32,
    ) -> Result<(), TrialError> {
        let mut asked = Asked::new(target, workload, false).await?;
        for action in 0..workload.actions.len() {
            self.foreseen.push(planned(&mut asked, action, sets).await?);
        }
        let _ = asked.connection.close().await;
        Ok(())
    }

    /// Asks every action on a side that is there now.
    ///
    /// # Errors
    /// When the server is lost. What it refuses is part of the evidence.
    pub(in crate::trial) async fn add(
        &mut self,
        (side, target): (Side, &Target),
        workload: &Workload,
        sets: u32,
        listener: &Listener,
    ) -> Result<(), TrialError> {
        let mut asked = Asked::new(target, workload, false).await?;
        let actions = &workload.actions;
        for (action, after) in std::mem::take(&mut self.foreseen).into_iter().enumerate() {
            self.surveys.push(Survey::of(planned(&mut asked, action, sets).await?, after, sets));
        }
        let routines = functions::of_side(target).await?;
        let mut counted = vec![CountedAction::default(); actions.len()];
        let mut answers: Vec<Vec<Vec<Rows>>> = vec![Vec::new(); actions.len()];
        let total = actions.len() as u32;
        for (done, action) in order(actions).into_iter().enumerate() {
            let survey = self.surveys.get(action).and_then(Option::as_ref);
            let executed = Survey::executed(survey, sets);
            let tell = |sets: (usize, usize)| listener(Event::Counting { done: done as u32 + 1, total, sets });
            tell((0, executed.len()));
            operation(&mut asked, action, warm_up(sets), &mut CountedAction::default()).await?;
            asked.longest = Duration::ZERO;
            for (begun, set) in executed.iter().copied().enumerate() {
                tell((begun + 1, executed.len()));
                answers[action].push(operation(&mut asked, action, set, &mut counted[action]).await?);
            }
            survey.iter().for_each(|survey| survey.weigh(&mut counted[action]));
            let side = std::slice::from_mut(&mut asked);
            generic(side, (action, &executed), std::slice::from_mut(&mut counted)).await?;
            if !routines.routines.is_empty() {
                functions::look_for(&mut asked, (action, executed[0]), &routines, &mut counted[action]).await?;
            }
        }
        let _ = asked.connection.close().await;
        self.sides.push((side, counted));
        self.answers.push(answers);
        Ok(())
    }

    /// What was counted, answers compared.
    pub(in crate::trial) fn finish(self) -> BTreeMap<Side, Vec<CountedAction>> {
        let (sides, mut counted): (Vec<Side>, Vec<Vec<CountedAction>>) = self.sides.into_iter().unzip();
        let control = sides.iter().position(|side| *side == Side::Control).unwrap_or_default();
        let actions = counted.first().map_or(0, Vec::len);
        let mut answers = self.answers;
        for action in 0..actions {
            let mut of_sides: Vec<_> = answers.iter_mut().map(|side| side[action].drain(..)).collect();
            let next = || of_sides.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>();
            // What writes do to tables is not looked up here.
            let all: Vec<Comparable> =
                std::iter::from_fn(next).map(|of_set| comparable(&of_set, &Tables::new(), &BTreeSet::new())).collect();
            let mut unsteady = Unsteady::default();
            all.iter().for_each(|of_set| unsteady.learn(of_set, control));
            for (set, of_set) in all.into_iter().enumerate() {
                add_answers(&mut counted, control, (action, set), of_set, &unsteady);
            }
        }
        sides.into_iter().zip(counted).collect()
    }
}
