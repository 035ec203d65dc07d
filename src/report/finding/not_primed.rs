//! `not-primed`: answers were still becoming faster when the measurement began. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn words(rounds: u32) -> Words {
    Words {
        short: "the cache was still filling when the measurement began".to_owned(),
        long: format!(
            "answers were still becoming faster after {} of load that are not counted: the first chunks may be those \
             of a colder cache",
            plural(rounds as usize, "round")
        ),
    }
}
