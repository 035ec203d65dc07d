//! Why an action is not decided, and what would decide it. Must promise nothing that more chunks cannot do.

use super::claim::Reason;
use super::clone_variance::is_within_clone_variance;
use super::finding::Finding;
use super::metric::{Measured, MetricComparison, units_needed};
use super::remedy::Need;
use crate::evidence::{Evidence, Subject};

/// Why an action is not decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Why {
    /// What stands in the way.
    pub(super) found: Reason,
    /// What it needs, where that depends on what the rest of the report asks for.
    pub(super) need: Option<Need>,
}

impl From<Reason> for Why {
    fn from(found: Reason) -> Self {
        Self { found, need: None }
    }
}

pub(super) fn why_undecided(
    evidence: &Evidence,
    metrics: &[Option<MetricComparison>],
    margin: f64,
    beyond: Option<(&Finding, f64)>,
) -> Why {
    let chunks_min = crate::stats::paired::FEWEST_PAIRS;
    if evidence.chunks.len() < chunks_min {
        return Reason::FewChunks { chunks: evidence.chunks.len(), chunks_min }.into();
    }
    let all = || metrics.iter().flatten();
    let moved = MetricComparison::moved;
    if let Some((finding, bound)) = beyond
        && all().all(|m| m.change.is_some() && moved(m) <= bound.max(margin))
    {
        return Reason::of(&finding.fact).into();
    }
    // A claim rests on one metric, equality on both.
    let may_be_claimed = all().any(|m| moved(m) >= margin);
    if !may_be_claimed && metrics.iter().any(|m| m.as_ref().is_none_or(|m| m.change.is_none())) {
        return Why { found: Reason::FewOperations, need: Some(Need::Operations) };
    }
    let floor = all().filter_map(|m| m.noise_floor).fold(0.0, f64::max);
    if all().any(|m| moved(m) > margin && moved(m) > m.noise_floor.unwrap_or(0.0) && moved(m) <= m.driver_floor) {
        return Reason::WithinDriverLag.into();
    }
    if evidence.design.replicates > 1 && all().any(|m| may_be_clone_variance(m, margin)) {
        return Reason::SetsDiffer.into();
    }
    let are_clones = evidence.design.subject == Subject::Clones;
    // Four sets of clones, with four chunks each.
    let replicates_s = evidence.time_of(16.0).as_secs_f64();
    if all().any(|m| may_be_clone_variance(m, margin)) {
        return Reason::MayBeClone { are_clones, replicates_s }.into();
    }
    if all().any(|m| is_within_clone_variance(m, margin)) {
        return Reason::MayBeSet { are_clones, replicates_s }.into();
    }
    let inside = |m: &MetricComparison, most: f64| m.change.is_some_and(|c| -most < c.low && c.high < most);
    if let Some(metric) = all().find(|m| inside(m, margin) && !inside(m, m.equal_within)) {
        let (share, equal_within) = (1.0 - metric.equal_within / margin, metric.equal_within);
        return Why { found: Reason::DriverLagHides { share, equal_within }, need: Some(Need::Processors) };
    }
    if let Some(share) = sampling_alone(metrics).filter(|share| *share > margin) {
        return Why { found: Reason::Sampling { share }, need: Some(Need::Operations) };
    }
    let certain = |m: &MetricComparison| m.change.is_some_and(|c| c.low * c.high > 0.0);
    if all().any(|m| moved(m) >= margin && moved(m) > floor && certain(m)) {
        return Reason::NotCertain.into();
    }
    if floor > margin {
        return Reason::NoiseFloor { floor, margin }.into();
    }
    Reason::WideInterval.into()
}

/// Whether more chunks on the same databases can decide at all: they show nothing of the variance between databases,
/// and nothing up to the bound of what slices carry over.
pub(super) fn more_chunks_help(
    metrics: &[Option<MetricComparison>],
    margin: f64,
    beyond: Option<(&Finding, f64)>,
) -> bool {
    let all = || metrics.iter().flatten();
    more_sets_help(metrics, margin, beyond)
        && !all().any(|m| may_be_clone_variance(m, margin) || is_within_clone_variance(m, margin))
}

/// Whether other databases can: nothing up to the bound of what slices carry over.
pub(super) fn more_sets_help(
    metrics: &[Option<MetricComparison>],
    margin: f64,
    beyond: Option<(&Finding, f64)>,
) -> bool {
    beyond.is_none_or(|(_, bound)| metrics.iter().flatten().any(|m| bound.max(margin) < m.moved()))
}

/// Chunks that would probably decide an action, or sets of clones where there are `several`: a claim rests on the first
/// metric that moved beyond the margin, equality on all. More of them help only where every chunk has enough
/// operations.
pub(super) fn needed(metrics: &[Option<Measured>], margin: f64, level: f64, several: bool) -> Option<usize> {
    let of = |metric: &Option<Measured>| units_needed(metric.as_ref()?, margin, level, several);
    let moved = |metric: &&Option<Measured>| {
        let effect = metric.as_ref().and_then(|metric| metric.effect);
        effect.is_some_and(|effect| margin <= (effect.estimate.exp() - 1.0).abs())
    };
    if metrics.iter().any(|metric| moved(&metric)) {
        return metrics.iter().filter(moved).filter_map(of).min();
    }
    let all: Option<Vec<usize>> = metrics.iter().map(of).collect();
    all?.into_iter().max()
}

/// Chunks after which chance of sampling alone is no more than the margin, where it is more by now: an estimate that is
/// too large to be the same and too small to be called may be that chance.
pub(super) fn needed_by_sampling(metrics: &[Option<MetricComparison>], margin: f64, chunks: usize) -> Option<usize> {
    let share = sampling_alone(metrics).filter(|share| margin < *share)?;
    let times = share.ln_1p() / margin.ln_1p();
    Some((chunks as f64 * times * times).ceil() as usize)
}

/// A change beyond the margin beside a control that differs beyond chance: which may be clone variance.
pub(super) fn may_be_clone_variance(metric: &MetricComparison, margin: f64) -> bool {
    let both = metric.change.zip(metric.control);
    both.is_some_and(|(change, control)| margin < change.change.abs() && 0.0 < control.low * control.high)
}

/// How far chance of sampling alone can move the change of p95, as a share: both sides have theirs.
fn sampling_alone(metrics: &[Option<MetricComparison>]) -> Option<f64> {
    let p95 = metrics.last()?.as_ref()?;
    let half = |(low, high): (f64, f64)| (high / low).ln() / 2.0;
    let (before, after) = (half(p95.sampling_us_before?), half(p95.sampling_us_after?));
    Some(before.hypot(after).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::super::conditions::tests::evidence;
    use super::super::effectiveness::Effectiveness;
    use super::super::fact::Fact;
    use super::super::finding::Severity;
    use super::super::metric::tests::{effect_of, measured};
    use super::super::metric::{Beside, judge};
    use super::*;
    use crate::stats::paired::effect;

    #[test]
    fn chance_of_sampling_shrinks_with_the_root_of_the_chunks() {
        let beside = Beside { p_adjusted: Some(0.5), control_p: Some(0.5), sibling_floor: None };
        let metric = judge(
            &measured(effect_of(0.04, 0.02), effect_of(0.0, 0.01)),
            0.05,
            &beside,
            0.05,
            &Effectiveness::default(),
        );
        let of = |half: f64| {
            let interval = Some((100.0 * (-half).exp(), 100.0 * half.exp()));
            let metric =
                MetricComparison { sampling_us_before: interval, sampling_us_after: interval, ..metric.clone() };
            needed_by_sampling(&[None, Some(metric)], 0.05, 16)
        };
        // Both sides together have √2 of it: 9.9 % where each has 7 %, in logarithms nearly twice the margin.
        assert_eq!(of(1.99 * 1.05_f64.ln() / 2.0_f64.sqrt()), Some(64));
        assert_eq!(of(0.01), None);
    }

    #[test]
    fn what_slices_carry_over_is_the_reason_only_where_it_is_what_stands_in_the_way() {
        let order = Finding::new(Severity::OnlyBeyond, Fact::SliceOrder { change: 0.06 });
        let beyond = Some((&order, 0.06));
        let by_order = Reason::of(&order.fact);
        let of = |center: f64, control: f64, sibling_floor: Option<f64>| {
            let beside = Beside { p_adjusted: Some(0.5), control_p: Some(0.5), sibling_floor };
            let scope = Effectiveness { beyond, ..Effectiveness::default() };
            let metric =
                judge(&measured(effect_of(center, 0.02), effect_of(control, 0.01)), 0.05, &beside, 0.05, &scope);
            [Some(metric.clone()), Some(metric)]
        };
        let evidence = evidence(|_, _, _| {});
        let why = |metrics: &[Option<MetricComparison>]| why_undecided(&evidence, metrics, 0.05, beyond).found;
        let (small, large) = (of(0.01, 0.0, None), of(0.2, 0.0, None));
        assert_eq!(why(&small), by_order);
        assert_ne!(why(&large), by_order);
        // A change beyond the bound may be decided by more chunks, one within it by none.
        assert!(more_chunks_help(&large, 0.05, beyond) && !more_chunks_help(&small, 0.05, beyond));
        assert!(more_chunks_help(&small, 0.05, None));
        // Beyond the bound and below the margin it is neither.
        let (narrow, between) = (Some((&order, 0.028)), of(0.03, 0.0, None));
        assert_eq!(why_undecided(&evidence, &between, 0.05, narrow).found, by_order);
        assert!(!more_chunks_help(&between, 0.05, narrow));
        // Nor one that may be the variance of a set of clones.
        assert!(!more_chunks_help(&of(0.07, 0.0, Some(0.08)), 0.05, None));
        assert!(!more_chunks_help(&of(0.07, 0.02, None), 0.05, None));
    }

    #[test]
    fn a_claim_needs_one_metric_and_equality_all() {
        let metric = |center: f64, spread: f64| {
            let ratios: Vec<f64> = (0..8).map(|i| center + spread * (f64::from(i) - 3.5) / 3.5).collect();
            let (effect, control) = (effect(&ratios, 0.0125), Some(effect_of(0.0, 0.001)));
            Some(Measured { ratios, ..measured(effect.unwrap(), control.unwrap()) })
        };
        let (certain, noisy, quiet) = (metric(0.12, 0.06), metric(0.09, 0.6), metric(0.0, 0.06));
        let alone = needed(&[certain], 0.05, 0.0125, false).unwrap();
        assert!(alone < 20, "{alone}");
        assert_eq!(needed(&[metric(0.12, 0.06), noisy], 0.05, 0.0125, false), Some(alone));
        let noisy_alone = needed(&[metric(0.0, 0.6)], 0.05, 0.0125, false);
        assert!(Some(alone) < noisy_alone, "{noisy_alone:?}");
        assert_eq!(needed(&[quiet, metric(0.0, 0.6)], 0.05, 0.0125, false), noisy_alone);
        assert_eq!(needed(&[None, metric(0.0, 0.06)], 0.05, 0.0125, false), None);
        // Of three sets of clones more of them, by the t they will have.
        let means = [0.025, 0.1, 0.175];
        let sets = crate::stats::paired::effect_of_groups(&means.map(|mean| vec![mean; 3]), 0.05).unwrap();
        let of_sets = [Some(Measured { ratios: means.to_vec(), ..measured(sets, effect_of(0.0, 0.001)) })];
        assert_eq!(needed(&of_sets, 0.05, 0.05, true), Some(7));
        // Lateness that is half of the latency leaves half of the margin: 3 % is neither the same nor a change then.
        let late = |center: f64| metric(center, 0.06).map(|metric| Measured { lag_us: 50.0, ..metric });
        assert_eq!(needed(&[late(0.03)], 0.05, 0.0125, false), None);
        assert!(needed(&[metric(0.01, 0.06)], 0.05, 0.0125, false) < needed(&[late(0.01)], 0.05, 0.0125, false));
    }
}
