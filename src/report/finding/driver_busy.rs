//! `driver-busy`: a thread of the load driver was busy. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(cpu_share_max: f64) -> Words {
    Words {
        short: format!("the load driver was the limit: a thread used {} of a processor", percent_text(cpu_share_max)),
        long: format!(
            "a thread of the load driver used {} of a processor: latencies are partly those of the driver, not of the \
             server",
            percent_text(cpu_share_max)
        ),
    }
}
