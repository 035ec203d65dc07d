//! The one kind of histogram used everywhere: nanoseconds, three significant digits, an hour at most.
//!
//! Must not be shared between threads: each worker has its own, and merging is exact.

use hdrhistogram::Histogram;

use super::ranks::ranks;

/// Largest latency that is distinguished, in nanoseconds: one hour. Longer ones are counted as this.
pub const LARGEST_NS: u64 = 3_600_000_000_000;

/// An empty histogram of nanoseconds; a recorded value is off by at most 0.1 %.
#[must_use]
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LARGEST_NS, 3).expect("the bounds are constants HdrHistogram accepts")
}

/// The latency at `quantile` (0 to 1) in nanoseconds, or `None` when too few values are beyond it.
///
/// A quantile is shown only if at least ten values are expected above it: n(1 − p) ≥ 10.
#[must_use]
pub fn quantile(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    let beyond = histogram.len() as f64 * (1.0 - quantile);
    (10.0 <= beyond + 1e-9).then(|| histogram.value_at_quantile(quantile))
}

/// Values a quantile (0 to 1) needs before it is shown.
#[must_use]
pub fn values_needed(quantile: f64) -> u64 {
    (10.0 / (1.0 - quantile).max(f64::EPSILON) - 1e-6).ceil() as u64
}

/// Between which latencies, in nanoseconds, the `quantile` is with 95 %, as far as chance of sampling goes; `None`
/// with too few.
#[must_use]
pub fn sampling_interval(histogram: &Histogram<u64>, quantile: f64) -> Option<(u64, u64)> {
    let n = histogram.len();
    let (low, high) = ranks(n, quantile, 0.95)?;
    // The middle of a rank, so that no rounding takes a neighbour's.
    let at = |rank: u64| histogram.value_at_quantile((rank as f64 - 0.5) / n as f64);
    Some((at(low), at(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_sampling_is_that_of_the_ranks() {
        let mut histogram = empty();
        (1..=5_000).for_each(|value| histogram.record(value * 1_000).unwrap());
        let (low, high) = sampling_interval(&histogram, 0.95).unwrap();
        assert!(low.abs_diff(4_719_000) <= 5_000 && high.abs_diff(4_780_000) <= 5_000, "{low} {high}");
        assert_eq!(sampling_interval(&empty(), 0.95), None);
    }

    #[test]
    fn a_quantile_needs_ten_values_beyond_it() {
        let mut histogram = empty();
        for value in 1..=199 {
            histogram.record(value * 1_000_000).unwrap();
        }
        assert_eq!(quantile(&histogram, 0.95), None);
        histogram.record(200_000_000).unwrap();
        let p95 = quantile(&histogram, 0.95).unwrap();
        assert!((189_000_000..=191_000_000).contains(&p95), "{p95}");
        assert_eq!(quantile(&histogram, 0.99), None);
        assert_eq!([0.5, 0.9, 0.95, 0.99, 0.999].map(values_needed), [20, 100, 200, 1_000, 10_000]);
    }
}
