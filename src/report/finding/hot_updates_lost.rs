//! `hot-updates-lost`: updates that were heap-only (HOT) are no longer. Must decide nothing.

use super::super::counted::hot_change;
use super::super::words::bare;
use super::Words;
use crate::compare::updates::HotChange;

pub(super) fn words(change: &HotChange) -> Words {
    Words {
        short: format!("{}: updates of {} are no longer HOT", change.action, bare(&change.table)),
        long: hot_change(change),
    }
}
