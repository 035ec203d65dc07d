//! `overlapping-index`: an index that is used, with one that could serve for it and that no action uses. Must decide
//! nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn words(index: &str, by: &str) -> Words {
    let (index, by) = (bare(index), bare(by));
    Words {
        short: format!("{} and {} overlap", bare(index), bare(by)),
        long: format!(
            "{index} and {by} overlap: {by} can serve whatever {index} serves, but the actions use {index} and none \
             uses {by}; keep {by} only for what is not in this mix"
        ),
    }
}
