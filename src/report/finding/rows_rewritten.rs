//! `rows-rewritten`: tables that the migration writes to new files, row by row. Must decide nothing.

use super::Words;
use crate::units::list_text;

pub(super) fn words(tables: &[String]) -> Words {
    Words {
        short: format!("the migration rewrites {}", list_text(tables)),
        long: format!(
            "the migration writes each row of {} to a new file, and holds AccessExclusive meanwhile",
            list_text(tables)
        ),
    }
}
