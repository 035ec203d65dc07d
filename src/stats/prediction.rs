//! Where one more value of a sample may be by chance. Must not know what the values are.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics;

/// The interval in which each of `family` further values like `others` is with 95 % for all of them together
/// (Bonferroni): mean ± t·s·√(1 + 1/n). `None` below two values.
///
/// G. J. Hahn, W. Q. Meeker, "Statistical Intervals", 4.7: prediction of a future observation from a normal
/// distribution.
#[must_use]
pub fn prediction_interval(others: &[f64], family: usize) -> Option<(f64, f64)> {
    if others.len() < 2 {
        return None;
    }
    let n = others.len() as f64;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(1.0 - 0.05 / (2.0 * family.max(1) as f64));
    let reach = t * others.std_dev() * (1.0 + 1.0 / n).sqrt();
    Some((others.mean() - reach, others.mean() + reach))
}
