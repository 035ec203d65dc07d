//! `driver-lag`: the load driver woke clients late. Must decide nothing.

use super::Words;
use crate::compare::fact::Sides;

pub(super) fn words(late_us_p99: &Sides<f64>, is_uneven: bool) -> Words {
    let so = if is_uneven {
        ": before and control differ in it, so the machine changed during the trial"
    } else {
        ": smaller changes than that are not called"
    };
    Words {
        short: format!("driver lag p99 {:.1} ms", late_us_p99.before / 1e3),
        long: format!(
            "driver lag p99: {:.1} ms (before), {:.1} ms (control), {:.1} ms (after){so}",
            late_us_p99.before / 1e3,
            late_us_p99.control / 1e3,
            late_us_p99.after / 1e3
        ),
    }
}

/// Of one database.
pub(super) fn of_run(late_us_p99: f64) -> Words {
    let late_ms = late_us_p99 / 1e3;
    Words {
        short: format!("driver lag {late_ms:.1} ms (p99): processors are scarce"),
        long: format!(
            "driver lag p99 {late_ms:.1} ms: processors are scarce, and latencies are partly \
             those of the driver"
        ),
    }
}
