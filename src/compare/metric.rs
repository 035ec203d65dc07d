//! One quantile of one action on both sides: the effect, what it must exceed, a verdict. Must claim nothing within the
//! noise.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::checks;
use super::effectiveness::Effectiveness;
use super::{Change, Verdict};
use crate::evidence::{ActionHistograms, Evidence, Histograms, Side};
use crate::stats::histogram::{empty, quantile, sampling_interval};
use crate::stats::paired::{Effect, groups_in_all, pairs_needed};

/// One quantile of one action's latency.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricComparison {
    /// Before, over all chunks, in microseconds.
    pub before_us: f64,
    /// After, over all chunks, in microseconds.
    pub after_us: f64,
    /// Between which latencies it is before with 95 %, in microseconds, by order statistics: chance of sampling
    /// alone, without drift; absent with too few operations.
    pub sampling_us_before: Option<(f64, f64)>,
    /// The same after.
    pub sampling_us_after: Option<(f64, f64)>,
    /// After against before, from the chunks; absent below eight of them.
    pub change: Option<Change>,
    /// Control against before: what noise alone did.
    pub control: Option<Change>,
    /// The largest change of this metric that noise alone could make, as a share.
    pub noise_floor: Option<f64>,
    /// How much of the change the load driver's own lateness could make, as a share of `before`: twice
    /// the difference of its lag between the sides at this quantile, once for sending, once for receiving.
    pub driver_floor: f64,
    /// The largest change that another set of clones, or other databases, may make for no reason of the migration, as a
    /// share; absent where several sets tell it, or the sides are one database.
    pub sibling_floor: Option<f64>,
    /// Changes within this can be called the same, as a share: the part of the margin that is the server's, for the
    /// driver's lateness is in every latency of every side and hides as much of a change.
    pub equal_within: f64,
    /// p of the paired t test, corrected for all actions and metrics (Benjamini-Hochberg), not for the looks.
    pub p_adjusted: Option<f64>,
    /// The look's one-sided interval is below what can be called the same, and the control's within the margin.
    pub not_slower: bool,
    /// Of this metric alone.
    pub verdict: Verdict,
}

impl MetricComparison {
    /// Neither faster nor proven not slower.
    pub(super) fn is_open(&self) -> bool {
        self.verdict != Verdict::Improved && !self.not_slower
    }

    /// How far its estimate is from no change, as a share; 0 where there is none.
    pub(super) fn moved(&self) -> f64 {
        self.change.map_or(0.0, |change| change.change.abs())
    }
}

pub(super) const QUANTILES: [f64; 3] = [0.50, 0.95, 0.99];

/// p99 is shown only: a chunk holds too few operations beyond it for a claim.
pub(super) const DECIDING: usize = 2;

/// Share of false finds accepted among all claims (Benjamini-Hochberg).
const FALSE_DISCOVERY: f64 = 0.05;

pub(super) struct Measured {
    pub(super) before_us: f64,
    pub(super) after_us: f64,
    pub(super) sampling_us: [Option<(f64, f64)>; 2],
    /// How late the driver was on `before` at this quantile.
    pub(super) lag_us: f64,
    pub(super) lag_difference_us: f64,
    /// What its interval rests on: ratios of chunks, or of several sets of clones their means.
    pub(super) ratios: Vec<f64>,
    pub(super) effect: Option<Effect>,
    pub(super) control: Option<Effect>,
}

/// What the other metrics and actions say of one.
pub(super) struct Beside {
    pub(super) p_adjusted: Option<f64>,
    pub(super) control_p: Option<f64>,
    pub(super) sibling_floor: Option<f64>,
}

pub(super) fn judge(
    metric: &Measured,
    margin: f64,
    beside: &Beside,
    level: f64,
    scope: &Effectiveness<'_>,
) -> MetricComparison {
    let change = metric.effect.as_ref().map(Change::from);
    let control = metric.control.as_ref().map(Change::from);
    let noise_floor = control.map(|c| c.low.abs().max(c.high.abs()));
    let driver_floor = 2.0 * metric.lag_difference_us / metric.before_us;
    let equal_within = equal_within(metric, margin);
    // Sides that differ by more without a change cannot be called the same.
    let equal = if noise_floor.is_some_and(|floor| floor <= margin) { equal_within } else { 0.0 };
    let verdict = match (&metric.effect, &metric.control) {
        _ if scope.invalid.is_some() => Verdict::Invalid,
        (Some(effect), Some(control)) if differs(control, margin, beside.control_p) && !dwarfs(effect, control) => {
            Verdict::Invalid
        }
        (Some(effect), Some(control)) => {
            // The share of false finds is divided among the looks, as the level is.
            let p_adjusted = beside.p_adjusted.map(|p| p * 0.05 / level);
            let bounds = [noise_floor, Some(driver_floor), beside.sibling_floor, scope.beyond.map(|(_, bound)| bound)];
            let floor = bounds.into_iter().flatten().fold(0.0, f64::max);
            match verdict(effect, (margin, equal), p_adjusted, floor, scope) {
                Verdict::Improved | Verdict::Regressed if may_be_clone_variance(effect, control) => {
                    Verdict::Inconclusive
                }
                other => other,
            }
        }
        _ => Verdict::Inconclusive,
    };
    MetricComparison {
        before_us: metric.before_us,
        after_us: metric.after_us,
        sampling_us_before: metric.sampling_us[0],
        sampling_us_after: metric.sampling_us[1],
        change,
        control,
        noise_floor,
        driver_floor,
        sibling_floor: beside.sibling_floor,
        equal_within,
        p_adjusted: beside.p_adjusted,
        not_slower: verdict != Verdict::Invalid
            && scope.one_sided.is_none()
            && scope.beyond.is_none()
            && below(metric, equal),
        verdict,
    }
}

/// The rule, in one place. A claim needs all of: the look's interval of a difference excludes zero, an estimate of at
/// least the margin, more than the control's noise and the driver's lateness, and to survive the correction over all
/// comparisons. Equality needs the look's interval of equivalence inside the margins (two one-sided tests), as far as
/// they are the server's.
pub(super) fn verdict(
    effect: &Effect,
    (margin, equal): (f64, f64),
    p_adjusted: Option<f64>,
    floor: f64,
    scope: &Effectiveness<'_>,
) -> Verdict {
    let share = |log: f64| log.exp() - 1.0;
    let change = share(effect.estimate);
    let beyond = margin <= change.abs() && floor < change.abs();
    let found = p_adjusted.is_none_or(|p| p <= FALSE_DISCOVERY) && beyond;
    if found && 0.0 < effect.of_difference.0 && scope.may_regress {
        Verdict::Regressed
    } else if found && effect.of_difference.1 < 0.0 && scope.may_improve {
        Verdict::Improved
    } else if -equal < share(effect.of_equivalence.0)
        && share(effect.of_equivalence.1) < equal
        && scope.one_sided.is_none()
        && scope.beyond.is_none()
    {
        Verdict::Same
    } else {
        Verdict::Inconclusive
    }
}

/// Whether a change of the margin or more to the worse is excluded.
fn below(metric: &Measured, margin: f64) -> bool {
    metric.effect.as_ref().is_some_and(|effect| effect.of_equivalence.1.exp() - 1.0 < margin)
}

/// Two clones without the migration must not differ: beyond half the margin, and beyond chance.
fn differs(control: &Effect, margin: f64, p_adjusted: Option<f64>) -> bool {
    let change = Change::from(control);
    let half = margin / 2.0;
    (half < change.low || change.high < -half) && p_adjusted.is_none_or(|p| p <= FALSE_DISCOVERY)
}

/// A change whose whole interval is beyond this many times the control's worst is no bias between clones.
const DWARFS: f64 = 3.0;

/// Whether a change may be clone variance: clones without the migration differ beyond chance, and the
/// change is not far beyond what they differ by. More chunks on the same clones cannot tell; other clones can.
fn may_be_clone_variance(effect: &Effect, control: &Effect) -> bool {
    let (low, high) = control.interval95;
    (0.0 < low || high < 0.0) && !dwarfs(effect, control)
}

/// An eightfold change is not made by clones that differ by a fifth: such a control bounds what is called, and voids
/// nothing.
fn dwarfs(effect: &Effect, control: &Effect) -> bool {
    let (low, high) = effect.interval95;
    let nearest = if low <= 0.0 && 0.0 <= high { 0.0 } else { low.abs().min(high.abs()) };
    let worst = control.interval95.0.abs().max(control.interval95.1.abs());
    DWARFS * worst < nearest
}

/// The part of the margin that is the server's.
fn equal_within(metric: &Measured, margin: f64) -> f64 {
    margin * (1.0 - metric.lag_us / metric.before_us).max(0.0)
}

/// Chunks until the interval is narrow enough and the control quiet enough, or sets of clones where there are
/// `several`; both narrow with √n. Nothing where no number helps: the estimate is too large to be the same and too
/// small to be called, or the control is off by more than there is room.
pub(super) fn units_needed(metric: &Measured, margin: f64, level: f64, several: bool) -> Option<usize> {
    let effect = metric.effect.as_ref()?;
    let control = Change::from(metric.control.as_ref()?);
    let (size, equal) = ((effect.estimate.exp() - 1.0).abs(), equal_within(metric, margin));
    if equal <= size && size < margin {
        return None;
    }
    let room = margin.max(size) - control.change.abs();
    let wide = (control.high - control.low) / 2.0 / room;
    let for_control = (metric.ratios.len() as f64 * wide * wide).ceil() as usize;
    let log_margin = (1.0 + equal).ln();
    let for_effect = match several {
        false => pairs_needed(&metric.ratios, effect, log_margin, level)?,
        true => groups_in_all(&metric.ratios, effect, log_margin, level)?.max(metric.ratios.len() + 1),
    };
    (0.0 < room).then(|| for_effect.max(for_control))
}

/// Latencies of an action on a side over all chunks.
pub(super) fn pooled(evidence: &Evidence, side: Side, action: usize) -> Option<Histogram<u64>> {
    let mut sum = empty();
    for chunk in &evidence.histograms {
        sum.add(latency(chunk.get(&side)?, action)?).ok()?;
    }
    Some(sum)
}

pub(super) fn measure(evidence: &Evidence, action: usize, q: f64) -> Option<Measured> {
    let (before, after) = (pooled(evidence, Side::Before, action)?, pooled(evidence, Side::After, action)?);
    let us = |ns: u64| ns as f64 / 1e3;
    let sampling = |of: &Histogram<u64>| sampling_interval(of, q).map(|(low, high)| (us(low), us(high)));
    let (before_us, after_us) = (us(quantile(&before, q)?), us(quantile(&after, q)?));
    let sampling_us = [sampling(&before), sampling(&after)];
    let after = ratios(evidence, Side::After, action, q).unwrap_or_default();
    let lag_us = checks::timer_lag_us(evidence, Side::Before, q);
    Some(Measured {
        before_us,
        after_us,
        sampling_us,
        lag_us,
        lag_difference_us: (checks::timer_lag_us(evidence, Side::After, q) - lag_us).abs(),
        effect: super::effect_of(evidence, &after),
        control: super::effect_of(evidence, &ratios(evidence, Side::Control, action, q).unwrap_or_default()),
        ratios: super::units(evidence, after),
    })
}

/// ln of the ratios of an action's quantile between a side and `before`, chunk by chunk; nothing where one has too few
/// operations.
pub(super) fn ratios(evidence: &Evidence, side: Side, action: usize, q: f64) -> Option<Vec<f64>> {
    let of_chunk = |chunk: &Histograms| {
        let base = at_quantile(latency(chunk.get(&Side::Before)?, action)?, q)?;
        let other = at_quantile(latency(chunk.get(&side)?, action)?, q)?;
        Some((other / base).ln())
    };
    evidence.histograms.iter().map(of_chunk).collect()
}

fn latency(side: &[ActionHistograms], action: usize) -> Option<&Histogram<u64>> {
    side.get(action).map(|a| &a.latency)
}

/// A chunk's own quantile needs a few values beyond it, fewer than a printed one: it is one of many.
fn at_quantile(histogram: &Histogram<u64>, q: f64) -> Option<f64> {
    (3.0 <= histogram.len() as f64 * (1.0 - q)).then(|| histogram.value_at_quantile(q) as f64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fact::Fact;
    use super::super::finding::{Finding, Severity};
    use super::*;
    use crate::stats::paired::effect;

    pub(in crate::compare) fn effect_of(center: f64, spread: f64) -> Effect {
        let ratios: Vec<f64> = (0..8).map(|i| center + spread * (f64::from(i) - 3.5) / 3.5).collect();
        effect(&ratios, 0.05).unwrap()
    }

    fn judged(center: f64, spread: f64, control: f64) -> Verdict {
        judged_from(None, center, spread, control)
    }

    pub(in crate::compare) fn measured(effect: Effect, control: Effect) -> Measured {
        let (effect, control, ratios) = (Some(effect), Some(control), Vec::new());
        let (sampling_us, lag_us, lag_difference_us) = ([None, None], 0.0, 0.0);
        Measured { before_us: 100.0, after_us: 100.0, sampling_us, lag_us, lag_difference_us, ratios, effect, control }
    }

    fn judged_from(sibling_floor: Option<f64>, center: f64, spread: f64, control: f64) -> Verdict {
        let metric = measured(effect_of(center, spread), effect_of(control, 0.01));
        let p = |effect: &Option<Effect>| effect.map(|e| e.p_value);
        let beside = Beside { p_adjusted: p(&metric.effect), control_p: p(&metric.control), sibling_floor };
        judge(&metric, 0.05, &beside, 0.05, &Effectiveness::default()).verdict
    }

    #[test]
    fn a_claim_needs_size_certainty_and_a_quiet_control() {
        assert_eq!(judged(0.10, 0.02, 0.0), Verdict::Regressed);
        assert_eq!(judged(-0.10, 0.02, 0.0), Verdict::Improved);
        assert_eq!(judged(0.0, 0.02, 0.0), Verdict::Same);
        assert_eq!(judged(0.0, 0.20, 0.0), Verdict::Inconclusive);
        // Certain, but smaller than the margin.
        assert_eq!(judged(0.03, 0.01, 0.0), Verdict::Same);
        // The control differs as much: nothing is proven.
        assert_eq!(judged(0.10, 0.02, 0.10), Verdict::Invalid);
        // The control differs, and what is claimed is far beyond anything it could explain.
        assert_eq!(judged(1.80, 0.20, 0.15), Verdict::Regressed);
        assert_eq!(judged(-1.80, 0.20, -0.15), Verdict::Improved);
        assert_eq!(judged(0.50, 0.02, 0.15), Verdict::Regressed);
        assert_eq!(judged(0.46, 0.02, 0.15), Verdict::Invalid);
        // The control differs by less than half the margin, but certainly: a change of that order may be a clone's
        // chance.
        assert_eq!(judged(0.08, 0.005, 0.02), Verdict::Inconclusive);
        assert_eq!(judged(0.20, 0.005, 0.02), Verdict::Regressed);
    }

    #[test]
    fn what_the_driver_adds_and_what_the_control_leaves_open_is_not_called_the_same() {
        let judged = |lag_us: f64, control_spread: f64| {
            let metric = Measured { lag_us, ..measured(effect_of(0.01, 0.03), effect_of(0.0, control_spread)) };
            let beside = Beside { p_adjusted: Some(0.5), control_p: Some(0.5), sibling_floor: None };
            let judged = judge(&metric, 0.05, &beside, 0.05, &Effectiveness::default());
            (judged.verdict, judged.not_slower)
        };
        assert_eq!(judged(0.0, 0.01), (Verdict::Same, true));
        // Half of what is timed is the driver's lateness: 3 % of the whole are 6 % of the server's part.
        assert_eq!(judged(50.0, 0.01), (Verdict::Inconclusive, false));
        // The sides without the change may differ by more than the margin.
        assert_eq!(judged(0.0, 0.2), (Verdict::Inconclusive, false));
    }

    #[test]
    fn unchanged_operations_must_move_by_more_than_clones_differ() {
        assert_eq!(judged(0.06, 0.01, 0.0), Verdict::Regressed);
        assert_eq!(judged_from(Some(0.08), 0.06, 0.01, 0.0), Verdict::Inconclusive);
        assert_eq!(judged_from(Some(0.08), 0.10, 0.01, 0.0), Verdict::Regressed);
        assert_eq!(judged_from(Some(0.08), 0.0, 0.01, 0.0), Verdict::Same);
    }

    #[test]
    fn what_slices_carry_over_bounds_what_is_called() {
        let order = Finding::new(Severity::OnlyBeyond, Fact::SliceOrder { change: 0.06 });
        let scope = Effectiveness { beyond: Some((&order, 0.06)), ..Effectiveness::default() };
        let called = |center: f64| verdict(&effect_of(center, 0.001), (0.05, 0.05), Some(0.0), 0.06, &scope);
        assert_eq!(called(0.0), Verdict::Inconclusive);
        assert_eq!(called(0.055), Verdict::Inconclusive);
        assert_eq!(called(0.10), Verdict::Regressed);
    }

    #[test]
    fn an_effect_within_the_noise_is_no_claim() {
        let found = effect_of(0.06, 0.001);
        let verdict = verdict(&found, (0.05, 0.05), Some(0.0), 0.09, &Effectiveness::default());
        assert_eq!(verdict, Verdict::Inconclusive);
    }
}
