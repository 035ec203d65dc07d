//! `connections-lost`: connections were lost and made again. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(connections: u64) -> Words {
    let connections = plural(connections as usize, "connection");
    Words {
        short: format!("{connections} lost and made again"),
        long: format!("{connections} lost and made again: the operations in flight on them failed"),
    }
}
