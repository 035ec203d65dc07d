//! `deadlocks`: the server found deadlocks. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(deadlocks: u64) -> Words {
    let deadlocks = plural(deadlocks as usize, "deadlock");
    Words {
        short: deadlocks.clone(),
        long: format!("the server found {deadlocks} and ended a transaction for each (SQLSTATE 40P01)"),
    }
}
