//! `unindexed-foreign-key`: a foreign key that no index leads to. Must decide nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn words(key: &str, is_new: bool) -> Words {
    let since = if is_new { "" } else { ", as before" };
    Words {
        short: format!("foreign key without an index{since}: {}", bare(key)),
        long: format!(
            "{} is a foreign key without an index{since}: deleting a parent reads the whole table",
            bare(key)
        ),
    }
}
