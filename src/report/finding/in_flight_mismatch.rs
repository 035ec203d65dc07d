//! `in-flight-mismatch`: two accounts of the operations in flight disagree. Must decide nothing.

use super::Words;

pub(super) fn words(counted: f64, expected: f64) -> Words {
    Words {
        short: "the driver's figures disagree with each other".to_owned(),
        long: format!(
            "{counted:.3} operations were in flight on average, but answers and their service times make {expected:.3} \
             (Little's law): figures are missing or the clock went wrong"
        ),
    }
}
