//! `near-saturation`: the load is near what the server can do. Must decide nothing.

use super::Words;
use crate::compare::fact::CapacityUse;
use crate::evidence::Side;
use crate::units::{count_text, percent_text};

pub(super) fn words(side: Side, rate: Option<CapacityUse>, connections: u32, share: f64) -> Words {
    let found = match rate {
        Some(CapacityUse { rate_per_s, capacity_per_s }) => format!(
            "the load of {} operations/s is {} of what {} did at most, {}/s on {connections} connections",
            count_text(rate_per_s as u64),
            percent_text(share),
            side.name(),
            count_text(capacity_per_s as u64)
        ),
        None => format!("{} of the connections were busy on {} on average", percent_text(share), side.name()),
    };
    Words {
        short: format!(
            "the load is {} of what {} can do: latencies are those of a queue",
            percent_text(share),
            side.name()
        ),
        long: format!(
            "{found}: latencies there are those of a queue, and a small change of the work makes a large one of theirs"
        ),
    }
}
