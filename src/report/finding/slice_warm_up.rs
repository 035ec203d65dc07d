//! `slice-warm-up`: the beginning of a slice is slower than the rest. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(share: f64, bound: f64) -> Words {
    Words {
        short: format!("slices warm up: no change up to {} is called", percent_text(bound)),
        long: format!(
            "the first tenth of a slice is {} slower than the slice as a whole: a side still warms up after the \
             others' turn; nothing is called the same, and no change up to {}",
            percent_text(share),
            percent_text(bound)
        ),
    }
}
