//! The effect of a change from paired measurements, with an interval. Must not decide what it means.
//!
//! The pairs are chunks: r_k = ln q(after_k) − ln q(before_k). The estimate is the Hodges-Lehmann
//! median of Walsh averages; its interval inverts the exact distribution of Wilcoxon's signed-rank
//! statistic (Hollander & Wolfe, "Nonparametric Statistical Methods", 3.2 and 3.3).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Fewest pairs a verdict may rest on: the exact two-sided p of 8 pairs can reach 0.0078.
pub const FEWEST_PAIRS: usize = 8;

/// A paired effect on the scale of logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Estimate of ln(after / before): Hodges-Lehmann's of pairs, the mean of means of groups.
    pub estimate: f64,
    /// Interval of at least 95 %, on the same scale: Wilcoxon's exact one of pairs, Student's of groups; so are the
    /// others.
    pub interval95: (f64, f64),
    /// Interval of at least 1 − alpha: where it excludes zero it claims a difference at this look.
    pub of_difference: (f64, f64),
    /// Interval of at least 1 − 2 alpha: inside the margins it proves equivalence at this look (two one-sided
    /// tests at alpha; Schuirmann 1987).
    pub of_equivalence: (f64, f64),
    /// Two-sided p of the paired t test, for the correction over many comparisons.
    pub p_value: f64,
}

/// Numbers of pairs after which a trial is examined; it may end at each.
pub const LOOKS: [u32; 4] = [8, 16, 32, 64];

/// The looks of a trial of at most this many pairs, its end included.
#[must_use]
pub fn looks(most: u32) -> Vec<u32> {
    let mut looks: Vec<u32> = LOOKS.into_iter().filter(|look| *look < most).collect();
    looks.push(most);
    looks
}

/// The level of each of this many looks, so that all together err with 5 % at most (Bonferroni). The four of [`LOOKS`]
/// are always paid for: a trial that ended early can go on.
#[must_use]
pub fn level(looks: usize) -> f64 {
    0.05 / looks.max(LOOKS.len()) as f64
}

/// The effect of paired log-ratios with claims at level `alpha`, or `None` with fewer than [`FEWEST_PAIRS`] or a value
/// that is no number.
#[must_use]
pub fn effect(log_ratios: &[f64], alpha: f64) -> Option<Effect> {
    if log_ratios.len() < FEWEST_PAIRS || log_ratios.iter().any(|r| !r.is_finite()) {
        return None;
    }
    let walsh = walsh_averages(log_ratios);
    Some(Effect {
        estimate: middle(&walsh),
        interval95: wilcoxon_interval(&walsh, log_ratios.len(), 0.05),
        of_difference: wilcoxon_interval(&walsh, log_ratios.len(), alpha),
        of_equivalence: wilcoxon_interval(&walsh, log_ratios.len(), 2.0 * alpha),
        p_value: paired_t(log_ratios, 1.0),
    })
}

/// From this many values on their correlation is known well enough to be reckoned with, and less than this of it is
/// chance's.
const FEWEST_OF_A_SERIES: usize = 16;
const CORRELATED: f64 = 0.2;

/// By how much wider intervals must be because each value follows the last: √((1 + ρ) / (1 − ρ)) of the
/// correlation ρ at lag 1 (Box & Jenkins, "Time Series Analysis", 2.1.5: the variance of a mean of a first-order
/// series); 1 below 16 values or a correlation of 0.2.
#[must_use]
pub fn widening(values: &[f64]) -> f64 {
    let correlation = lag1(values).filter(|rho| FEWEST_OF_A_SERIES <= values.len() && CORRELATED < *rho);
    // A series that only drifts has a correlation near one, and an interval that is nearly endless.
    correlation.map_or(1.0, |rho| ((1.0 + rho) / (1.0 - rho).max(0.01)).sqrt())
}

/// The effect of log-ratios in the order of time: as [`effect`], wider about its estimate by [`widening`].
#[must_use]
pub fn effect_in_time(log_ratios: &[f64], alpha: f64) -> Option<Effect> {
    let found = effect(log_ratios, alpha)?;
    let factor = widening(log_ratios);
    let wider = |(low, high): (f64, f64)| {
        (found.estimate - factor * (found.estimate - low), found.estimate + factor * (high - found.estimate))
    };
    Some(Effect {
        estimate: found.estimate,
        interval95: wider(found.interval95),
        of_difference: wider(found.of_difference),
        of_equivalence: wider(found.of_equivalence),
        p_value: paired_t(log_ratios, factor),
    })
}

/// The effect of log-ratios in groups that share a bias each, such as sets of clones: the mean of the groups' means,
/// with t intervals over them. More values in a group make nothing certain about the bias (docs/method.md). `None` with
/// fewer than three groups, fewer than [`FEWEST_PAIRS`] values, an empty group or a value that is no number.
#[must_use]
pub fn effect_of_groups(groups: &[Vec<f64>], alpha: f64) -> Option<Effect> {
    let count: usize = groups.iter().map(Vec::len).sum();
    if groups.len() < 3 || count < FEWEST_PAIRS || groups.iter().any(Vec::is_empty) {
        return None;
    }
    let means: Vec<f64> = groups.iter().map(|group| group.iter().sum::<f64>() / group.len() as f64).collect();
    if means.iter().any(|mean| !mean.is_finite()) {
        return None;
    }
    let n = means.len() as f64;
    let estimate = means.iter().sum::<f64>() / n;
    let error = (means.iter().map(|mean| (mean - estimate).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    let interval = |alpha: f64| {
        let half = t.inverse_cdf(1.0 - alpha / 2.0) * error;
        (estimate - half, estimate + half)
    };
    Some(Effect {
        estimate,
        interval95: interval(0.05),
        of_difference: interval(alpha),
        of_equivalence: interval(2.0 * alpha),
        p_value: paired_t(&means, 1.0),
    })
}

/// All (r_i + r_j) / 2 with i ≤ j, sorted.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|b| (a + b) / 2.0));
    }
    averages.sort_by(f64::total_cmp);
    averages
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

/// The k-th smallest and largest Walsh average, k as large as the level allows; all numbers where it allows none.
fn wilcoxon_interval(walsh: &[f64], pairs: usize, alpha: f64) -> (f64, f64) {
    let distribution = signed_rank_distribution(pairs);
    let mut below = 0.0;
    let mut k = 0;
    for probability in distribution {
        below += probability;
        if alpha / 2.0 < below {
            break;
        }
        k += 1;
    }
    if k == 0 { (f64::NEG_INFINITY, f64::INFINITY) } else { (walsh[k - 1], walsh[walsh.len() - k]) }
}

/// P(T = 0), P(T = 1), … of the signed-rank statistic of `pairs` untied pairs, by dynamic programming.
fn signed_rank_distribution(pairs: usize) -> Vec<f64> {
    let largest = pairs * (pairs + 1) / 2;
    let mut probability = vec![0.0; largest + 1];
    probability[0] = 1.0;
    for rank in 1..=pairs {
        for sum in (0..=largest).rev() {
            let with = if rank <= sum { probability[sum - rank] } else { 0.0 };
            probability[sum] = (probability[sum] + with) / 2.0;
        }
    }
    probability
}

/// Two-sided exact p of Wilcoxon's signed-rank test; equal sizes share their ranks' mean, rounded against a find.
#[must_use]
pub fn signed_rank_p(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().copied().filter(|value| *value != 0.0).collect();
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let rank = |size: f64| {
        let below = sizes.iter().filter(|other| other.abs() < size.abs()).count();
        let equal = sizes.iter().filter(|other| other.abs() == size.abs()).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    let sum = |positive: bool| -> f64 { sizes.iter().filter(|v| (**v > 0.0) == positive).map(|v| rank(*v)).sum() };
    let smaller = sum(true).min(sum(false)).ceil() as usize;
    let below: f64 = signed_rank_distribution(sizes.len()).iter().take(smaller + 1).sum();
    (2.0 * below).min(1.0)
}

/// Two-sided p of the paired t test, whose standard error is `widened` times that of independent pairs. Pairs that are
/// all equal leave no doubt either way.
fn paired_t(values: &[f64], widened: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance == 0.0 {
        return if mean == 0.0 { 1.0 } else { 0.0 };
    }
    let t = mean / (variance / n).sqrt() / widened;
    let distribution = StudentsT::new(0.0, 1.0, n - 1.0).expect("at least two pairs");
    2.0 * distribution.sf(t.abs())
}

/// The correlation of each value with the next; `None` where all are equal or there are fewer than [`FEWEST_PAIRS`].
#[must_use]
pub fn lag1(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let product: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    (FEWEST_PAIRS <= values.len() && 0.0 < square).then(|| product / square)
}

/// How many pairs a decision still needs, by the usual power formulas at 80 %.
///
/// A difference at level alpha: ((t(1 − alpha/2) + t.80) s / |estimate|)²; equivalence within `margin` (log scale):
/// ((t(1 − alpha) + t.80) s / (margin − |estimate|))². The nearer one is returned, at least one more than
/// there are. `None` when the estimate stands on the margin, where no number helps.
#[must_use]
pub fn pairs_needed(values: &[f64], effect: &Effect, margin: f64, alpha: f64) -> Option<usize> {
    pairs_in_all(values, effect, margin, alpha).map(|needed| needed.max(values.len() + 1))
}

/// How many groups a decision needs in all, as [`pairs_in_all`]: with few of them Student's t at the number that is
/// looked for is what matters. `None` beyond a hundred.
#[must_use]
pub fn groups_in_all(means: &[f64], effect: &Effect, margin: f64, alpha: f64) -> Option<usize> {
    (means.len().max(3)..=100).find(|n| {
        let Ok(t) = StudentsT::new(0.0, 1.0, *n as f64 - 1.0) else { return false };
        needed_at(&t, means, effect, margin, alpha) <= *n as f64
    })
}

/// The same, however many there are.
#[must_use]
pub fn pairs_in_all(values: &[f64], effect: &Effect, margin: f64, alpha: f64) -> Option<usize> {
    let t = StudentsT::new(0.0, 1.0, values.len() as f64 - 1.0).ok()?;
    let needed = needed_at(&t, values, effect, margin, alpha) * widening(values).powi(2);
    (needed.is_finite() && needed < 10_000.0).then_some(needed.ceil() as usize)
}

/// The formulas of [`pairs_needed`] with the quantiles of this distribution; infinite on the margin.
fn needed_at(t: &StudentsT, values: &[f64], effect: &Effect, margin: f64, alpha: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let power = t.inverse_cdf(0.80);
    let size = effect.estimate.abs();
    if margin <= size {
        ((t.inverse_cdf(1.0 - alpha / 2.0) + power) * deviation / size).powi(2)
    } else {
        ((t.inverse_cdf(1.0 - alpha) + power) * deviation / (margin - size)).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_p_of_signed_ranks_agrees_with_r() {
        // R: wilcox.test(c(0.1, 0.2, -0.05, 0.4, 0.3, 0.25, 0.6, 0.7), exact = TRUE)$p.value
        let found = signed_rank_p(&[0.1, 0.2, -0.05, 0.4, 0.3, 0.25, 0.6, 0.7]);
        assert!((found - 0.015_625).abs() < 1e-12, "{found}");
        let all = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        assert!((signed_rank_p(&all) - 2.0 / 4096.0).abs() < 1e-12);
        assert!((signed_rank_p(&[1.0, -1.0]) - 1.0).abs() < 1e-12 && (signed_rank_p(&[]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_interval_is_the_fourth_walsh_average_of_eight_pairs() {
        // By hand: 36 Walsh averages, median 0.19; P(T ≤ 3) = 5/256 < 2.5 %, so the 4th from each end.
        let effect = effect(&[0.3, -0.1, 0.2, 0.05, 0.45, 0.12, 0.33, 0.18], 0.05).unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{effect:?}");
        close(effect.estimate, 0.19);
        close(effect.interval95.0, 0.04);
        close(effect.interval95.1, 0.33);
        assert_eq!(effect.of_difference, effect.interval95);
        assert!(effect.interval95.0 < effect.of_equivalence.0 && effect.of_equivalence.1 < effect.interval95.1);
    }

    #[test]
    fn the_signed_rank_distribution_is_exact() {
        // Hollander & Wolfe, table A.4, n = 8: P(T ≥ 33) = 0.020, so P(T ≤ 3) = 5/256.
        let distribution = signed_rank_distribution(8);
        assert!((distribution.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((distribution[..=3].iter().sum::<f64>() - 5.0 / 256.0).abs() < 1e-12);
    }

    #[test]
    fn the_t_test_agrees_with_scipy() {
        // scipy.stats.ttest_1samp([1, 2, 3, 4, 5, 6, 7, 9], 3).pvalue
        let shifted: Vec<f64> = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0].iter().map(|x| x - 3.0).collect();
        assert!((paired_t(&shifted, 1.0) - 0.128_761_713).abs() < 1e-8, "{}", paired_t(&shifted, 1.0));
    }

    #[test]
    fn values_that_follow_each_other_are_correlated() {
        let drifts: Vec<f64> = (0..16).map(f64::from).collect();
        assert!(0.75 < lag1(&drifts).unwrap());
        let alternates: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
        assert!(lag1(&alternates).unwrap() < -0.9);
        assert_eq!((lag1(&[1.0; 16]), lag1(&drifts[..7])), (None, None));
    }

    #[test]
    fn what_follows_each_other_has_wider_intervals() {
        let steps: Vec<f64> = (0..16).map(|i| f64::from(i / 4 % 2)).collect();
        let (rho, alone, wider) =
            (lag1(&steps).unwrap(), effect(&steps, 0.05).unwrap(), effect_in_time(&steps, 0.05).unwrap());
        let factor = ((1.0 + rho) / (1.0 - rho)).sqrt();
        assert!(1.5 < factor && (widening(&steps) - factor).abs() < 1e-12, "{factor}");
        let width = |(low, high): (f64, f64)| high - low;
        assert!((width(wider.of_difference) - factor * width(alone.of_difference)).abs() < 1e-12);
        assert!(wider.estimate == alone.estimate && alone.p_value < wider.p_value);
        // Of eight nothing is known, and what does not follow has the interval it had.
        assert_eq!(effect_in_time(&steps[..8], 0.05), effect(&steps[..8], 0.05));
        let alternates: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
        assert_eq!(effect_in_time(&alternates, 0.05), effect(&alternates, 0.05));
    }

    #[test]
    fn every_look_is_paid_for() {
        assert_eq!((looks(8), looks(12), looks(64)), (vec![8], vec![8, 12], vec![8, 16, 32, 64]));
        assert_eq!((level(1), level(4), level(5)), (0.0125, 0.0125, 0.01));
        // Eight pairs reach the level of a look: the smallest two-sided p is 2/256.
        let effect = effect(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], level(1)).unwrap();
        assert_eq!(effect.of_difference, (0.1, 0.8));
        assert_eq!(super::effect(&[0.1; 8], 0.001).unwrap().of_difference.0, f64::NEG_INFINITY);
    }

    #[test]
    fn groups_that_share_a_bias_count_once_each() {
        // Three sets of clones that are off by 2 % each way: a hundred chunks in each make it no finding.
        let group = |bias: f64| (0..100).map(|i| bias + 0.001 * f64::from(i % 3 - 1)).collect::<Vec<f64>>();
        let groups = [group(0.02), group(-0.01), group(0.015)];
        let found = effect_of_groups(&groups, 0.05).unwrap();
        assert!(found.of_difference.0 < 0.0 && 0.0 < found.of_difference.1, "{found:?}");
        let all: Vec<f64> = groups.iter().flatten().copied().collect();
        assert!(0.0 < effect(&all, 0.05).unwrap().of_difference.0, "chunk by chunk it would be one");
        // By hand: means 0.1, 0.2, 0.3, t(0.975; 2) = 4.303, s/√3 = 0.0577.
        let three = [vec![0.1; 3], vec![0.2; 3], vec![0.3; 3]];
        let found = effect_of_groups(&three, 0.05).unwrap();
        assert!((found.estimate - 0.2).abs() < 1e-12 && (found.interval95.1 - 0.448_4).abs() < 1e-4, "{found:?}");
        assert_eq!(effect_of_groups(&three[..2], 0.05), None);
        // Three quarters of the effect apart: at the t of three groups there would have to be 17, at that of the number
        // itself 7 do.
        let means = [0.025, 0.1, 0.175];
        let apart = effect_of_groups(&means.map(|mean| vec![mean; 3]), 0.05).unwrap();
        let needed = [pairs_in_all, groups_in_all].map(|of| of(&means, &apart, 0.05, 0.05));
        assert_eq!(needed, [Some(17), Some(7)]);
        assert_eq!(effect_of_groups(&[vec![0.1], vec![0.2], vec![0.3]], 0.05), None, "too few chunks");
    }

    #[test]
    fn too_few_pairs_or_no_number_give_no_effect() {
        assert_eq!(effect(&[0.1; 7], 0.05), None);
        assert_eq!(effect(&[f64::NAN; 8], 0.05), None);
        assert!(effect(&[0.1; 8], 0.05).is_some());
    }
}
