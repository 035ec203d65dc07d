//! `sides-in-place`: the sides are one database in turns. Must decide nothing.

use super::Words;
use crate::units::list_text;

pub(super) fn words(schema_changes: &[String]) -> Words {
    let changed = match schema_changes.is_empty() {
        true => String::new(),
        false => format!(
            "; at the end the schema was not as before, though the first reversal had restored it, so another session \
             may have changed it: {}",
            list_text(schema_changes)
        ),
    };
    Words {
        short: "the sides are one database in turns, not clones: what the load writes stays".to_owned(),
        long: format!(
            "the sides are one database, migrated and reverted in turns, not clones: they are as far apart in time as \
             a migration takes, and what the load writes stays for the next turn{changed}"
        ),
    }
}
