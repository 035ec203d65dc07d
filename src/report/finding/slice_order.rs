//! `slice-order`: the order of the sides in a round shows in their latencies. Must decide nothing.

use super::Words;
use crate::units::{change_text, percent_text};

pub(super) fn words(change: f64, bound: f64) -> Words {
    Words {
        short: format!("the order of slices shows: no change up to {} is called", percent_text(bound)),
        long: format!(
            "`after` is {} against `before` when it comes first in a round instead of last: slices show what came \
             before them; nothing is called the same, and no change up to {}",
            change_text(change),
            percent_text(bound)
        ),
    }
}
