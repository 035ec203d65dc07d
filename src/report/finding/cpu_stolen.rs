//! `cpu-stolen`: other guests of the host used processor time. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(share: f64) -> Words {
    Words {
        short: format!("other guests of this host used {} of the processor time", percent_text(share)),
        long: format!(
            "other guests of this host used {} of the processor time (steal): intervals are wider for it",
            percent_text(share)
        ),
    }
}
