//! `not-primed`: answers were still becoming faster when the measurement began. Must decide nothing.

use super::Words;
use crate::units::{duration_text, plural, seconds};

pub(super) fn words(rounds: u32) -> Words {
    Words {
        short: "the cache was still filling when the measurement began".to_owned(),
        long: format!(
            "answers were still becoming faster after {} of load that are not counted: the first chunks may be those \
             of a colder cache",
            plural(rounds as usize, "round")
        ),
    }
}

/// Of one database.
pub(super) fn of_run(warm_up_s: f64) -> Words {
    let time = duration_text(seconds(warm_up_s));
    Words {
        short: format!("latency was not steady after {time} of warm-up"),
        long: format!(
            "latency was not steady after {time} of warm-up, which is its bound: the first intervals may be those of \
             a colder cache (--warm-up)"
        ),
    }
}
