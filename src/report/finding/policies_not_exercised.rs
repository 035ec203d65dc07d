//! `policies-not-exercised`: row-level security does not apply to the role that asks. Must decide nothing.

use super::Words;
use crate::units::list_text;

pub(super) fn words(table: &str, policies: &[String], who: &str, is_changed: bool, actions: &[String]) -> Words {
    let (changed, effect) = if is_changed {
        (", and the migration changes them", "the change of its policies was not exercised")
    } else {
        ("", "its policies are in no count and no latency")
    };
    Words {
        short: format!("policies of {table} do not apply to {who}{changed}"),
        long: format!(
            "row-level security of {table} ({}) does not apply to {who}, so {effect} ({})",
            list_text(policies),
            list_text(actions)
        ),
    }
}

/// Of one database.
pub(super) fn of_run(role: &str, tables: &[String]) -> Words {
    let tables = list_text(tables);
    Words {
        short: format!("row-level security of {tables} does not apply to `{role}`"),
        long: format!("row-level security of {tables} does not apply to `{role}`, so its policies are in no figure"),
    }
}
