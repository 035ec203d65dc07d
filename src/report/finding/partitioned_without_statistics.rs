//! `partitioned-without-statistics`: a partitioned table has no statistics as a whole. Must decide nothing.

use super::Words;
use crate::units::list_text;

pub(super) fn words(tables: &[String]) -> Words {
    Words {
        short: format!("{} has no statistics as a whole", list_text(tables)),
        long: format!(
            "autovacuum never makes statistics of a partitioned table, so {} is planned by guesses where the \
             plan needs them, here as in production",
            list_text(tables)
        ),
    }
}
