//! The one kind of histogram used everywhere: nanoseconds, three significant digits, an hour at most.
//!
//! Must not be shared between threads: each worker has its own, and merging is exact.

use hdrhistogram::Histogram;

/// Largest latency that is told apart, in nanoseconds: one hour. Longer ones are counted as this.
pub const LARGEST_NS: u64 = 3_600_000_000_000;

/// An empty histogram of nanoseconds; a recorded value is off by at most 0.1 %.
#[must_use]
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LARGEST_NS, 3).expect("the bounds are constants HdrHistogram accepts")
}

/// The latency at `quantile` (0 to 1) in nanoseconds, or `None` when too few values lie beyond it.
///
/// A quantile is shown only if at least ten values are expected above it: n(1 − p) ≥ 10.
#[must_use]
pub fn quantile(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    let beyond = histogram.len() as f64 * (1.0 - quantile);
    (10.0 <= beyond + 1e-9).then(|| histogram.value_at_quantile(quantile))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
