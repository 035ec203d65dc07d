//! `pool-timeouts`: clients gave up waiting for a connection of the pool. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(timeouts: u64, connections: u32, waiting_max: u64) -> Words {
    let times = plural(timeouts as usize, "time");
    Words {
        short: format!("clients gave up waiting for the pool {times}"),
        long: format!(
            "clients gave up waiting for one of {} of the pool {times}; {waiting_max} waited at a time at most",
            plural(connections as usize, "connection")
        ),
    }
}
