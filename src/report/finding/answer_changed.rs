//! `answer-changed`: the same parameters give another answer. Must decide nothing.

use super::super::claim::difference_text;
use super::Words;
use crate::compare::fact::AnswerDifference;

pub(super) fn words(action: &str, difference: &AnswerDifference, is_given: bool) -> Words {
    let who = if is_given { "the databases hold other rows" } else { "the migration changes the answer" };
    Words {
        short: format!("`{action}` {}", difference_text(difference)),
        long: format!(
            "`{action}`, asked with the same parameters on both sides, {}: {who}",
            difference_text(difference)
        ),
    }
}
