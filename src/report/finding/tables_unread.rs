//! `tables-unread`: tables of the sides could not be read. Must decide nothing.

use super::Words;
use crate::evidence::Side;

pub(super) fn words(sides: &[Side]) -> Words {
    let names = sides.iter().map(|side| side.name()).collect::<Vec<_>>().join(" and ");
    Words {
        short: format!("tables on {names} could not be read"),
        long: format!(
            "size, dead rows and statistics of the tables on {names} could not be read within a second (a lock, or a \
             missing right): how they differ is not known"
        ),
    }
}
