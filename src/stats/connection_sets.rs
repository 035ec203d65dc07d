//! Effects over connection sets, of which there are a dozen or so on one set of clones. Must not forget that another
//! set of clones would give another estimate: the interval includes the variance between clones.
//!
//! A connection set gives one number for the change and one for the control. The estimate is Hodges-Lehmann's over the
//! sets. Its error has two parts: between connection sets, by Wilcoxon's exact distribution, and between clones, by the
//! contrast of two clones without a change, pooled over all actions (J. Rice, "Mathematical Statistics and Data
//! Analysis", 12.2: a component of variance) with what calibration found before (a conjugate prior: Gelman et al.,
//! "Bayesian Data Analysis", 2.6).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::paired::{Effect, effect, signed_rank_p};

/// How far apart two identical clones are, on the scale of logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CloneVariance {
    /// Variance of the contrast of two clones.
    pub contrast: f64,
    /// Degrees of freedom that it was estimated with.
    pub freedom: f64,
}

/// What calibration found: the standard deviation of the contrast of two clones (docs/method.md), and with how many
/// contrasts' weight it counts.
const CONTRAST_HUGE_PAGES: f64 = 0.007;
const CONTRAST_SMALL_PAGES: f64 = 0.018;
const PRIOR_FREEDOM: f64 = 8.0;

/// A contrast of two clones without a change: its estimate and the variance of the estimate on these clones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Mean over connection sets.
    pub estimate: f64,
    /// Its squared standard error.
    pub error: f64,
}

impl Contrast {
    /// Of connection sets on one set of clones; `None` with fewer than two.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let estimate = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - estimate).powi(2)).sum::<f64>() / (n - 1.0);
        (values.len() >= 2 && variance.is_finite()).then_some(Self { estimate, error: variance / n })
    }
}

impl CloneVariance {
    /// What calibration found, with what these contrasts add to it.
    #[must_use]
    pub fn pooled(contrasts: &[Contrast], huge_pages: bool) -> Self {
        let prior = if huge_pages { CONTRAST_HUGE_PAGES } else { CONTRAST_SMALL_PAGES };
        let freedom = PRIOR_FREEDOM + contrasts.len() as f64;
        let between: f64 = contrasts.iter().map(|contrast| contrast.estimate.powi(2) - contrast.error).sum();
        let contrast = (PRIOR_FREEDOM * prior.powi(2) + between).max(0.0) / freedom;
        // Never less than a quarter of what calibration found: a few contrasts may all be small by chance.
        Self { contrast: contrast.max(prior.powi(2) / 4.0), freedom }
    }

    /// Of a change over `replicates` sets of clones: against the mean of two clones it has three quarters of a
    /// contrast's variance, against one all of it.
    #[must_use]
    pub fn of_change(self, own_control: bool, replicates: usize) -> Self {
        let share = if own_control { 0.75 } else { 1.0 };
        Self { contrast: self.contrast * share / replicates.max(1) as f64, ..self }
    }
}

/// The effect over connection sets with claims at level `alpha`, clones included; `comparisons` are made at once, which
/// decides whether Wilcoxon's exact p can reach the corrected level. `None` with fewer than eight sets or a value that
/// is no number.
#[must_use]
pub fn effect_of_sets(values: &[f64], clones: CloneVariance, comparisons: usize) -> Option<Effect> {
    let own = effect(values, 0.05)?;
    let wider = |(low, high): (f64, f64), alpha: f64| {
        let clone = StudentsT::new(0.0, 1.0, clones.freedom).map_or(2.0, |t| t.inverse_cdf(1.0 - alpha / 2.0));
        let half = |within: f64| (within.powi(2) + clone.powi(2) * clones.contrast).sqrt();
        (own.estimate - half(own.estimate - low), own.estimate + half(high - own.estimate))
    };
    Some(Effect {
        estimate: own.estimate,
        interval95: wider(own.interval95, 0.05),
        of_difference: wider(own.of_difference, 0.05),
        of_equivalence: wider(own.of_equivalence, 0.10),
        p_value: own_p(values, own.p_value, comparisons).max(p_with_clones(values, own.estimate, clones)),
    })
}

/// p on these clones: Wilcoxon's, or Student's where so few sets cannot reach the corrected level.
fn own_p(values: &[f64], of_student: f64, comparisons: usize) -> f64 {
    let least = 2.0 * 0.5_f64.powi(values.len() as i32);
    if least * comparisons.max(1) as f64 > 0.05 { of_student } else { signed_rank_p(values) }
}

/// p of Student's t with both parts of the error; degrees of freedom by Satterthwaite (1946).
fn p_with_clones(values: &[f64], estimate: f64, clones: CloneVariance) -> f64 {
    let Some(Contrast { error, .. }) = Contrast::of(values) else { return 1.0 };
    let total = error + clones.contrast;
    if total == 0.0 {
        return if estimate == 0.0 { 1.0 } else { 0.0 };
    }
    let parts = error.powi(2) / (values.len() as f64 - 1.0) + clones.contrast.powi(2) / clones.freedom;
    let freedom = total.powi(2) / parts;
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |t| 2.0 * t.sf(estimate.abs() / total.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLONES: CloneVariance = CloneVariance { contrast: 0.0001, freedom: 14.0 };
    const SURE: CloneVariance = CloneVariance { contrast: 0.0, freedom: 14.0 };

    /// A dozen values around a center, a thousandth apart.
    fn around(center: f64, count: usize) -> Vec<f64> {
        (0..count).map(|n| center + 0.001 * (n as f64 - (count as f64 - 1.0) / 2.0)).collect()
    }

    #[test]
    fn the_interval_is_wider_by_what_clones_differ() {
        let alone = effect_of_sets(&around(0.05, 12), SURE, 12).unwrap();
        let found = effect_of_sets(&around(0.05, 12), CLONES, 12).unwrap();
        assert!((found.estimate - 0.05).abs() < 1e-12);
        let half = |interval: (f64, f64)| (interval.1 - interval.0) / 2.0;
        // Student's 97.5 % at 14 degrees is 2.1448.
        let expected = (half(alone.interval95).powi(2) + (2.1448_f64 * 0.01).powi(2)).sqrt();
        assert!((half(found.interval95) - expected).abs() < 1e-5, "{found:?}");
        assert!(half(found.of_equivalence) < half(found.interval95));
        assert!(found.p_value > 1e-4 && found.p_value < 1e-3, "5 % is five standard errors of clones: {found:?}");
    }

    #[test]
    fn few_sets_among_many_comparisons_are_judged_by_students_t() {
        let values = around(0.05, 8);
        let least = 2.0 / 256.0;
        assert!(
            (effect_of_sets(&values, SURE, 6).unwrap().p_value - least).abs() < 1e-12,
            "Wilcoxon's, as low as it gets"
        );
        assert!(effect_of_sets(&values, SURE, 7).unwrap().p_value < 1e-6, "0.0078 × 7 is above 5 %");
        assert!(effect_of_sets(&values[..7], SURE, 1).is_none());
    }

    #[test]
    fn contrasts_of_clones_are_pooled_with_what_calibration_found() {
        assert!((CloneVariance::pooled(&[], true).contrast - 0.007_f64.powi(2)).abs() < 1e-12);
        let far = Contrast { estimate: 0.03, error: 0.0001 };
        let pooled = CloneVariance::pooled(&[far; 8], true);
        assert_eq!(pooled.freedom, 16.0);
        assert!((pooled.contrast - (0.007_f64.powi(2) + 0.0008) / 2.0).abs() < 1e-9, "{pooled:?}");
        let near = Contrast { estimate: 0.0, error: 0.001 };
        assert!((CloneVariance::pooled(&[near; 8], false).contrast - 0.018_f64.powi(2) / 4.0).abs() < 1e-12);
        assert!((pooled.of_change(true, 3).contrast - pooled.contrast / 4.0).abs() < 1e-12);
    }
}
