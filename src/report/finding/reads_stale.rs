//! `reads-stale`: reads of a replica missed what was just written. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(reads: u64) -> Words {
    let reads = plural(reads as usize, "read");
    Words {
        short: format!("{reads} of a replica missed what was just written"),
        long: format!("{reads} of a replica did not see what the same operation had just written to the primary"),
    }
}
