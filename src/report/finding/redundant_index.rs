//! `redundant-index`: an index that another one can serve for. Must decide nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn words(index: &str, by: &str, is_new: bool) -> Words {
    let since = if is_new { "now redundant" } else { "redundant, as before" };
    Words {
        short: format!("{} is {since} (by {})", bare(index), bare(by)),
        long: format!("{} is {since}: {} can serve whatever it serves", bare(index), bare(by)),
    }
}
