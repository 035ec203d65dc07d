//! Whether both sides answer the same, and what they refuse. Must call nothing different that differs without the
//! migration too.

use std::collections::BTreeSet;

use serde::Serialize;

use super::fact::{AnswerDifference, Refusals};
use crate::evidence::CountedAction;

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
    /// The sides without the migration differ too, as with a clock or a random number: nothing is known.
    Unrepeatable,
    /// No column is common to both states: nothing is known.
    NothingCommon,
}

/// On which side the server refuses how many sets, and why.
pub(super) fn refused(before: &CountedAction, after: &CountedAction) -> AnswerDifference {
    let refusals = |action: &CountedAction| {
        let codes: BTreeSet<&str> = action.sets.iter().filter_map(|set| set.failed.as_deref()).collect();
        Refusals {
            refused: action.sets.iter().filter(|set| set.failed.is_some()).count(),
            sets: action.sets.len(),
            codes: codes.into_iter().map(str::to_owned).collect(),
        }
    };
    AnswerDifference::Refused { before: refusals(before), after: refusals(after) }
}

/// The worst of all sets, and what is different where it is that.
pub(super) fn answers([before, control, after]: [&CountedAction; 3]) -> (Answers, Option<AnswerDifference>) {
    // An order by a random number says the place of each row too, and agrees now and then by chance.
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
                    different.get_or_insert(AnswerDifference::Order);
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
                Some(change) => AnswerDifference::Writes { change: change.to_owned() },
                None => AnswerDifference::Rows,
            });
        }
        if rank(worst) < rank(found) {
            worst = found;
        }
    }
    (worst, different)
}
