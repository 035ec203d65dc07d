//! `cpu-contention`: processes waited for a CPU. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(share: f64) -> Words {
    Words {
        short: format!("CPU contention {} of the time", percent_text(share)),
        long: format!(
            "CPU contention {} of the time, the server and the load driver included: latencies contain time in the \
             run queue",
            percent_text(share)
        ),
    }
}
