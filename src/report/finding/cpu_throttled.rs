//! `cpu-throttled`: a limit on the container's processor time took effect. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn words(times: u64) -> Words {
    Words {
        short: format!("the container was throttled {}", plural(times as usize, "time")),
        long: format!(
            "the container was throttled {}: latencies are those of its limit on processor time",
            plural(times as usize, "time")
        ),
    }
}
