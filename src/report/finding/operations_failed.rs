//! `operations-failed`: operations failed. Must decide nothing.

use super::Words;
use crate::evidence::Side;
use crate::units::{count_text, list_text, percent_text};
use std::collections::BTreeMap;

pub(super) fn words(action: Option<&str>, side: Side, failed_share: f64, failures: &BTreeMap<String, u64>) -> Words {
    let whose = action.map_or("the operations".to_owned(), |name| format!("`{name}`"));
    let among = if action.is_some() { "among all actions there: " } else { "" };
    let classes: Vec<String> = failures.iter().map(|(class, count)| format!("{class} {count} times")).collect();
    let share = percent_text(failed_share);
    Words {
        short: format!("{share} of {whose} on {} failed", side.name()),
        long: format!(
            "{share} of {whose} on {} failed ({among}SQLSTATE {}): a fast error is no fast answer",
            side.name(),
            list_text(&classes)
        ),
    }
}

/// Of one database.
pub(super) fn of_run(action: Option<&str>, failed: u64, failed_share: f64, failures: &BTreeMap<String, u64>) -> Words {
    let classes: Vec<String> =
        failures.iter().map(|(class, count)| format!("{class} {} times", count_text(*count))).collect();
    let classes = if classes.is_empty() { String::new() } else { format!(" (SQLSTATE {})", list_text(&classes)) };
    match action {
        Some(name) => Words {
            short: format!("every operation of `{name}` failed"),
            long: format!("every operation of `{name}` failed, {}: it has no latency", count_text(failed)),
        },
        None => Words {
            short: format!("{} of the operations failed{classes}", percent_text(failed_share)),
            long: format!(
                "{} operations failed, {} of those that were due{classes}: failed operations are in no latency",
                count_text(failed),
                percent_text(failed_share)
            ),
        },
    }
}
