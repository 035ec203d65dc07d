//! `unused-index`: an index that no action's plan names. Must decide nothing.

use super::super::words::bare;
use super::Words;
use crate::compare::fact::UnusedSince;

pub(super) fn words(index: &str, since: UnusedSince) -> Words {
    let index = bare(index);
    let short = match since {
        UnusedSince::Made => format!("no action uses the new {index}"),
        UnusedSince::Migration => format!("{index} is used by no action any more"),
        UnusedSince::Always => format!("{index} is used by no action, before or after"),
    };
    Words { long: format!("{short}: a candidate for dropping, if nothing outside of this mix needs it"), short }
}
