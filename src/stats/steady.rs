//! When a series has become steady: MSER-5, the marginal standard error rule on means of five. Must look at nothing but
//! the series.
//!
//! K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69 (1997);
//! batches of five: K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics for
//! simulation", WSC 2000.

const BATCH: usize = 5;

/// How many values at the beginning to leave out so that the mean of the rest has the least standard error: a multiple
/// of five. Values after the last full batch of five are not examined.
///
/// Looks at cuts up to half of the batches, as the rule asks: a cut at the half says that the series is too short.
#[must_use]
pub fn truncation(values: &[f64]) -> usize {
    BATCH * cut(&batches(values))
}

fn batches(values: &[f64]) -> Vec<f64> {
    values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect()
}

fn cut(values: &[f64]) -> usize {
    let error = |cut: usize| {
        let rest = &values[cut..];
        let n = rest.len() as f64;
        let mean = rest.iter().sum::<f64>() / n;
        rest.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n * n)
    };
    (0..=values.len() / 2).min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0)
}

/// Whether a series has become steady: long enough, and the best cut is before its half.
#[must_use]
pub fn is_steady(values: &[f64]) -> bool {
    const FEWEST: usize = 8;
    let batches = batches(values);
    FEWEST <= batches.len() && cut(&batches) + 1 < batches.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_is_cut_off_and_a_trend_is_never_steady() {
        let noise = |n: usize| ((n * 7_919) % 13) as f64 / 13.0;
        let falling: Vec<f64> = (0..80).map(|n| 10.0 + 50.0 * (-(n as f64) / 3.0).exp() + noise(n)).collect();
        let cut = truncation(&falling);
        assert!((10..25).contains(&cut), "{cut}");
        assert!(is_steady(&falling) && !is_steady(&falling[..39]) && is_steady(&falling[cut..][..40]));
        let trend: Vec<f64> = (0..80).map(|n| 100.0 - n as f64 + noise(n)).collect();
        assert!(!is_steady(&trend), "cut at {}", truncation(&trend));
    }
}
