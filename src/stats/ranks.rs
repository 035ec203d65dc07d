//! Which values of a sample hold a quantile between them, by chance of sampling alone. Must claim nothing of drift:
//! values of one stretch of time are similar.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Ranks (from 1) of the order statistics between which the `quantile` of the population is with at least this
/// `confidence`, with at most half of what is left beyond each. `None` where `n` values are too few: below 72 for p95
/// and 368 for p99 at 95 %.
///
/// The number of values below the quantile is binomial, whatever their distribution (David & Nagaraja, "Order
/// Statistics", 7.1).
#[must_use]
pub fn ranks(n: u64, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
    let tail = (1.0 - confidence) / 2.0;
    let below = Binomial::new(quantile, n).ok()?;
    // The largest rank with P(B < rank) within the tail, and the smallest with P(B ≥ rank) within it.
    let low = first(n, |rank| tail < below.cdf(rank))?;
    let high = first(n, |rank| below.sf(rank) <= tail)? + 1;
    (0 < low && high <= n).then_some((low, high))
}

/// The smallest number up to `n` for which something holds that then goes on holding.
fn first(n: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    holds(low).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn a_quantile_far_out_needs_many_values() {
        for (quantile, fewest) in [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3_688)] {
            assert_eq!(ranks(fewest - 1, quantile, 0.95), None);
            assert!(ranks(fewest, quantile, 0.95).is_some(), "{quantile}");
        }
        assert_eq!(ranks(5_000, 0.95, 0.95), Some((4_719, 4_781)));
    }
}
