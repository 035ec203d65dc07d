//! `clock-cost`: reading the clock is a part of the shortest latencies. Must decide nothing.

use super::Words;

pub(super) fn words(reading_ns: f64, latency_us_p50: f64) -> Words {
    Words {
        short: "latencies are partly those of reading the clock".to_owned(),
        long: format!(
            "a reading of the clock takes {reading_ns:.0} ns and the shortest median latency is {latency_us_p50:.1} \
             µs: latencies are partly those of the clock"
        ),
    }
}
