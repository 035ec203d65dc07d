//! `cpu-contention`: processes waited for a processor. Must decide nothing.

use super::Words;
use crate::units::percent_text;

pub(super) fn words(share: f64) -> Words {
    Words {
        short: format!("CPU contention {} of the time", percent_text(share)),
        long: format!(
            "CPU contention: in {} of the time a process waited for a CPU, the server and the load driver \
             included; latencies are partly those of that queue",
            percent_text(share)
        ),
    }
}
