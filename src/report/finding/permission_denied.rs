//! `permission-denied`: the role that asks may not run a statement. Must decide nothing.

use super::Words;
use crate::evidence::Side;

pub(super) fn words(action: &str, side: Side, message: &str) -> Words {
    Words {
        short: format!("`{action}` is refused on {}: {message}", side.name()),
        long: format!("`{action}` is refused on {}: {message} (SQLSTATE 42501)", side.name()),
    }
}
