//! `answers-late`: answers came after the limit of the load. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(answers: u64) -> Words {
    let answers = plural(answers as usize, "answer");
    Words {
        short: format!("{answers} came after the load's limit"),
        long: format!("{answers} came later than the load's `late_after`: their latencies are in every percentile"),
    }
}
