//! `cache-unequal`: equal sides find other shares of their blocks in shared buffers. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(before: f64, control: f64, after: Option<f64>) -> Words {
    let after = after.map(|after| format!(" and {} on after", percent_text(after))).unwrap_or_default();
    Words {
        short: "the sides push each other out of shared buffers".to_owned(),
        long: format!(
            "{} of the blocks were found in shared buffers on before, {} on control{after}: the sides push each other \
             out of the cache",
            percent_text(before),
            percent_text(control)
        ),
    }
}
