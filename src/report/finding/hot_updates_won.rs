//! `hot-updates-won`: updates are heap-only (HOT) that were not. Must decide nothing.

use super::super::counted::hot_change;
use super::super::words::bare;
use super::Words;
use crate::compare::updates::HotChange;

pub(super) fn words(change: &HotChange) -> Words {
    Words {
        short: format!("{}: updates of {} are HOT now", change.action, bare(&change.table)),
        long: hot_change(change),
    }
}
