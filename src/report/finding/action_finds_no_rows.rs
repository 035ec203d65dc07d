//! `action-finds-no-rows`: no executed set of parameters finds a row. Must decide nothing.

use super::Words;

pub(super) fn words(action: &str, sets: usize) -> Words {
    Words {
        short: format!("{action} finds no row: no gain of it is called"),
        long: format!(
            "{action} finds no row with any of {sets} executed sets of parameters: what it costs when it finds some is \
             not measured; draw its parameters from the data, pick(table.column)"
        ),
    }
}
