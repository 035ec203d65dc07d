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

/// Of one database; without the two means, where they are not known.
pub(super) fn of_run(counted: Option<f64>, expected: Option<f64>) -> Words {
    match (counted, expected) {
        (Some(counted), Some(expected)) => words(counted, expected),
        _ => {
            let short = "the driver's figures disagree with each other".to_owned();
            Words { long: format!("{short} (Little's law): figures are missing or the clock went wrong"), short }
        }
    }
}
