//! One action on both sides: latency with an interval, work per call, a verdict. Must claim nothing within the noise.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::checks::{self, Check, Effectiveness};
use super::counts::CountComparison;
use super::{Change, Verdict};
use crate::evidence::{ActionHistograms, Evidence, Histograms, Side, Subject, WorkPerCall};
use crate::stats::discovery::benjamini_hochberg;
use crate::stats::histogram::{empty, quantile, sampling_interval};
use crate::stats::paired::{Effect, pairs_needed};
use crate::stats::prediction::prediction_interval;

/// One action.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionComparison {
    /// Its name.
    pub name: String,
    /// Its share of the mix, from 0 to 1.
    pub share: f64,
    /// Changes smaller than this count as the same, as a share.
    pub margin: f64,
    /// From p50 and p95: regressed if either is, else improved if either is, else same if both are.
    pub verdict: Verdict,
    /// Proven not to be slower by its margin or more, in p50 and p95 (non-inferiority; an intersection-union test, so that it
    /// needs no correction over actions: Berger 1982).
    pub not_slower: bool,
    /// Why, when it is inconclusive or invalid.
    pub reason: Option<String>,
    /// Chunks that would probably decide it, when it is inconclusive.
    pub chunks_needed: Option<u32>,
    /// Median latency; absent with too few operations.
    pub p50: Option<MetricComparison>,
    /// 95th percentile.
    pub p95: Option<MetricComparison>,
    /// 99th percentile; shown, but decides nothing.
    pub p99: Option<MetricComparison>,
    /// Work of the server per call before; absent without `pg_stat_statements`.
    pub work_before: Option<WorkPerCall>,
    /// Work of the server per call after.
    pub work_after: Option<WorkPerCall>,
    /// Share of the mix's time in the server that this action wins (negative) or loses, weighted by how often it is asked; absent
    /// without `pg_stat_statements`.
    pub impact: Option<f64>,
    /// Indexes its plans name before.
    pub indexes_before: Vec<String>,
    /// Indexes its plans name after.
    pub indexes_after: Vec<String>,
    /// Its plans have another shape after.
    pub plan_changed: bool,
    /// What single operations cost; absent where none was counted.
    pub counts: Option<CountComparison>,
}

impl ActionComparison {
    /// Whether it moved beyond its margin beside a control that differs beyond chance, so that it may be how one clone lies. Where
    /// the control differs by chance alone, more chunks show it.
    #[must_use]
    pub fn looks_like_luck(&self) -> bool {
        [&self.p50, &self.p95].into_iter().flatten().any(|metric| looks_like_luck(metric, self.margin))
    }
}

/// One quantile of one action's latency.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricComparison {
    /// Before, over all chunks, in microseconds.
    pub before_us: f64,
    /// After, over all chunks, in microseconds.
    pub after_us: f64,
    /// Between which latencies it lies before with 95 %, in microseconds, by order statistics: chance of sampling alone, without drift;
    /// absent with too few operations.
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
    /// The largest change that another set of clones may make, as a share, where single operations do exactly what they did on one set;
    /// absent where they do not, or the sets are several.
    pub sibling_floor: Option<f64>,
    /// p of the paired t test, corrected for all actions and metrics (Benjamini-Hochberg), not for the looks.
    pub p_adjusted: Option<f64>,
    /// The look's one-sided interval lies below the margin.
    pub not_slower: bool,
    /// Of this metric alone.
    pub verdict: Verdict,
}

impl MetricComparison {
    /// How far its estimate lies from no change, as a share; 0 where there is none.
    fn moved(&self) -> f64 {
        self.change.map_or(0.0, |change| change.change.abs())
    }
}

const QUANTILES: [f64; 3] = [0.50, 0.95, 0.99];

/// p99 is shown only: a chunk holds too few operations beyond it for a claim.
const DECIDING: usize = 2;

/// Share of false finds accepted among all claims (Benjamini-Hochberg).
const FALSE_DISCOVERY: f64 = 0.05;

/// One set of clones tells a change of p50 with a standard deviation of about 5 % from set to set (docs/adr/0003); this is 1.6 of them.
/// Where single operations do exactly what they did, no smaller change is called on one set, unless enough others tell how far sets
/// differ here.
const SIBLINGS: f64 = 0.08;

/// So many other actions whose operations do exactly what they did tell how far sets of clones differ here.
const WITNESSES: usize = 10;

struct Measured {
    before_us: f64,
    after_us: f64,
    sampling_us: [Option<(f64, f64)>; 2],
    /// How late the driver was on `before` at this quantile.
    lag_us: f64,
    lag_difference_us: f64,
    ratios: Vec<f64>,
    effect: Option<Effect>,
    control: Option<Effect>,
}

/// Compares every action.
#[must_use]
pub fn compare_all(
    evidence: &Evidence,
    checks: &[Check],
    counts: Vec<Option<CountComparison>>,
) -> Vec<ActionComparison> {
    let count = evidence.actions.len();
    let measured: Vec<Vec<Option<Measured>>> =
        (0..count).map(|a| QUANTILES.iter().map(|q| measure(evidence, a, *q)).collect()).collect();
    let adjusted = corrected(&measured, |metric| metric.effect.as_ref());
    // The control is looked at as often as the effect, and would by chance differ somewhere as often.
    let control_adjusted = corrected(&measured, |metric| metric.control.as_ref());
    let unchanged = unchanged(evidence, &counts);
    let floors: Vec<Vec<Option<f64>>> = (0..count)
        .map(|a| (0..QUANTILES.len()).map(|m| sibling_floor(&measured, &unchanged, a, m)).collect())
        .collect();
    measured
        .into_iter()
        .zip(counts)
        .enumerate()
        .map(|(a, (metrics, counts))| {
            let scope = checks::for_action(checks, &evidence.actions[a].name);
            let p = |of: &BTreeMap<(usize, usize), f64>, m: usize| of.get(&(a, m)).copied();
            let beside = |m: usize| Beside {
                p_adjusted: p(&adjusted, m),
                control_p: p(&control_adjusted, m),
                sibling_floor: floors[a][m],
            };
            let compared = assemble(evidence, a, metrics, &scope, beside);
            let (verdict, reason) = match &counts {
                // Nothing was timed: the counts are all there is.
                Some(counts) if evidence.design.chunks_planned == 0 => (counts.verdict, None),
                _ => (compared.verdict, compared.reason.clone()),
            };
            ActionComparison { counts, verdict, reason, ..compared }
        })
        .collect()
}

/// What each action wins or loses of the mix's time in the server: Oracle's SQL Performance Analyzer calls it the impact on the
/// workload.
pub fn weigh(actions: &mut [ActionComparison]) {
    let time = |action: &ActionComparison, work: Option<WorkPerCall>| work.map(|work| action.share * work.exec_ms);
    let total: Option<f64> = actions.iter().map(|action| time(action, action.work_before)).sum();
    let Some(total) = total.filter(|total| 0.0 < *total) else { return };
    for action in actions {
        let (before, after) = (time(action, action.work_before), time(action, action.work_after));
        action.impact = before.zip(after).map(|(before, after)| (after - before) / total);
    }
}

/// p-values corrected over one family: every metric that can decide something, of every action.
fn corrected(
    measured: &[Vec<Option<Measured>>],
    of: impl Fn(&Measured) -> Option<&Effect>,
) -> BTreeMap<(usize, usize), f64> {
    let mut places = Vec::new();
    let mut p_values = Vec::new();
    for (a, metrics) in measured.iter().enumerate() {
        for (m, metric) in metrics[..DECIDING].iter().enumerate() {
            if let Some(effect) = metric.as_ref().and_then(&of) {
                places.push((a, m));
                p_values.push(effect.p_value);
            }
        }
    }
    places.into_iter().zip(benjamini_hochberg(&p_values)).collect()
}

fn assemble(
    evidence: &Evidence,
    a: usize,
    metrics: Vec<Option<Measured>>,
    scope: &Effectiveness<'_>,
    beside: impl Fn(usize) -> Beside,
) -> ActionComparison {
    let facts = &evidence.actions[a];
    let margin = facts.margin;
    let level = super::level(evidence);
    let needed = needed(&metrics[..DECIDING], margin, level);
    let mut compared: Vec<Option<MetricComparison>> = metrics
        .into_iter()
        .enumerate()
        .map(|(m, metric)| metric.map(|metric| judge(&metric, margin, &beside(m), level, scope)))
        .collect();
    let deciding: Vec<Verdict> = compared[..DECIDING].iter().flatten().map(|m| m.verdict).collect();
    let (verdict, reason) = combine(&deciding, scope);
    let reason = reason.or_else(|| {
        (verdict == Verdict::Inconclusive).then(|| why_undecided(evidence, &compared[..DECIDING], margin, scope.beyond))
    });
    let work = |side: Side| evidence.counters.get(&side).filter(|c| !c.reset).and_then(|c| *c.work.as_ref()?.get(a)?);
    let plan = |side: Side| evidence.plans.get(&side).and_then(|plans| plans.get(a));
    let indexes = |side: Side| plan(side).map(|p| p.indexes.clone()).unwrap_or_default();
    let shapes = |side: Side| plan(side).map(|p| p.shapes.keys().collect::<Vec<_>>());
    let not_slower = compared[..DECIDING].iter().all(|m| m.as_ref().is_some_and(|m| m.not_slower));
    ActionComparison {
        not_slower,
        name: facts.name.clone(),
        share: facts.share,
        margin,
        verdict,
        reason,
        // More chunks on the same clones say nothing of the clones.
        chunks_needed: needed
            .filter(|_| verdict == Verdict::Inconclusive && evidence.design.replicates <= 1)
            .filter(|_| {
                scope.beyond.is_none_or(|(_, bound)| compared[..DECIDING].iter().flatten().any(|m| bound < m.moved()))
            })
            .filter(|_| {
                let mut deciding = compared.iter().take(DECIDING).flatten();
                !deciding.any(|metric| looks_like_luck(metric, margin) || may_be_siblings(metric, margin))
            })
            .map(|n| n as u32),
        p99: compared.pop().flatten(),
        p95: compared.pop().flatten(),
        p50: compared.pop().flatten(),
        work_before: work(Side::Before),
        work_after: work(Side::After),
        impact: None,
        indexes_before: indexes(Side::Before),
        indexes_after: indexes(Side::After),
        plan_changed: shapes(Side::Before) != shapes(Side::After),
        counts: None,
    }
}

/// Chunks that would probably decide an action: a claim rests on the first metric that moved beyond the margin, equality on all. More
/// of them help only where every chunk has enough operations.
fn needed(metrics: &[Option<Measured>], margin: f64, level: f64) -> Option<usize> {
    let of = |metric: &Option<Measured>| chunks_needed(metric.as_ref()?, margin, level);
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

fn combine(deciding: &[Verdict], scope: &Effectiveness<'_>) -> (Verdict, Option<String>) {
    if let Some(message) = scope.invalid {
        return (Verdict::Invalid, Some(message.to_owned()));
    }
    let any = |verdict: Verdict| deciding.contains(&verdict);
    if deciding.is_empty() {
        return (Verdict::Inconclusive, Some("too few operations for any percentile".to_owned()));
    }
    if any(Verdict::Invalid) {
        return (
            Verdict::Invalid,
            Some("before and control differ more than half the margin, so noise was no noise".to_owned()),
        );
    }
    if any(Verdict::Regressed) {
        (Verdict::Regressed, None)
    } else if any(Verdict::Improved) {
        (Verdict::Improved, None)
    } else if deciding.len() == DECIDING && deciding.iter().all(|v| *v == Verdict::Same) {
        (Verdict::Same, None)
    } else {
        (Verdict::Inconclusive, scope.one_sided.map(str::to_owned))
    }
}

/// A change beyond the margin beside a control that differs beyond chance: see [`may_be_luck`].
fn looks_like_luck(metric: &MetricComparison, margin: f64) -> bool {
    let both = metric.change.zip(metric.control);
    both.is_some_and(|(change, control)| margin < change.change.abs() && 0.0 < control.low * control.high)
}

/// Positions of actions whose single operations do exactly what they did, where one set of clones alone tells of them.
fn unchanged(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Vec<usize> {
    let design = &evidence.design;
    // In place the sides without the change are the same files as the one with it.
    if 1 < design.replicates || design.subject == Subject::InPlace {
        return Vec::new();
    }
    let is_unchanged = |counts: &Option<CountComparison>| counts.as_ref().is_some_and(CountComparison::is_unchanged);
    (0..counts.len()).filter(|a| is_unchanged(&counts[*a])).collect()
}

/// The largest change of a metric that another set of clones may make where operations do exactly what they did: [`SIBLINGS`], or
/// the farther end of where one more of them would lie, where the others of this trial lie closer together. At every look the clones
/// are the same, so that looks need no correction here.
fn sibling_floor(measured: &[Vec<Option<Measured>>], unchanged: &[usize], a: usize, m: usize) -> Option<f64> {
    unchanged.contains(&a).then(|| {
        let effect = |other: &usize| Some(measured[*other][m].as_ref()?.effect?.estimate);
        let others: Vec<f64> = unchanged.iter().filter(|other| **other != a).filter_map(effect).collect();
        let family = DECIDING * unchanged.len();
        let seen = (WITNESSES <= others.len()).then(|| prediction_interval(&others, family)).flatten();
        seen.map_or(SIBLINGS, |(low, high)| low.abs().max(high.abs()).exp_m1().min(SIBLINGS))
    })
}

/// A change beyond the margin and beside zero that is no larger than what siblings differ by.
fn may_be_siblings(metric: &MetricComparison, margin: f64) -> bool {
    let floor = metric.sibling_floor.unwrap_or_default();
    metric.change.is_some_and(|c| margin <= c.change.abs() && c.change.abs() <= floor && 0.0 < c.low * c.high)
}

fn why_undecided(
    evidence: &Evidence,
    metrics: &[Option<MetricComparison>],
    margin: f64,
    beyond: Option<(&str, f64)>,
) -> String {
    let fewest = crate::stats::paired::FEWEST_PAIRS;
    if evidence.chunks.len() < fewest {
        return format!("{} of at least {fewest} chunks", evidence.chunks.len());
    }
    let all = || metrics.iter().flatten();
    let moved = MetricComparison::moved;
    if let Some((message, bound)) = beyond
        && all().all(|m| m.change.is_some() && moved(m) <= bound)
    {
        return message.to_owned();
    }
    // A claim rests on one metric, equality on both.
    let may_be_claimed = all().any(|m| margin <= moved(m));
    if !may_be_claimed && metrics.iter().any(|m| m.as_ref().is_none_or(|m| m.change.is_none())) {
        return "too few operations in a chunk for p95; raise the rate or the action's weight, or --slice".to_owned();
    }
    let floor = all().filter_map(|m| m.noise_floor).fold(0.0, f64::max);
    if all().any(|m| margin < moved(m) && m.noise_floor.unwrap_or(0.0) < moved(m) && moved(m) <= m.driver_floor) {
        return "the change is no larger than the load driver's own lateness on this machine".to_owned();
    }
    if 1 < evidence.design.replicates && all().any(|m| looks_like_luck(m, margin)) {
        return "sets of clones without the migration differ by as much; more sets (--replicates) tell".to_owned();
    }
    if all().any(|m| looks_like_luck(m, margin)) {
        if evidence.design.subject != Subject::Clones {
            return "the sides without the change differ too, so this may be how one of them lies, or its time; clones (--url) tell".to_owned();
        }
        return "clones without the migration differ too, so the change may be the luck of how one clone lies; --replicates 4 tells".to_owned();
    }
    if all().any(|m| may_be_siblings(m, margin)) {
        return "single operations do exactly what they did, and another set of clones may differ by as much; --replicates 4 tells".to_owned();
    }
    if let Some(share) = sampling_alone(metrics).filter(|share| margin < *share) {
        return format!(
            "so few operations leave ±{:.1} % of p95 to chance of sampling alone; raise the rate or the action's weight",
            share * 100.0
        );
    }
    let certain = |m: &MetricComparison| m.change.is_some_and(|c| 0.0 < c.low * c.high);
    if all().any(|m| margin <= moved(m) && floor < moved(m) && certain(m)) {
        return "the change is not certain enough for one of so many comparisons and looks".to_owned();
    }
    if margin < floor {
        return format!("noise floor ±{:.1} % is above the margin of {:.0} %", floor * 100.0, margin * 100.0);
    }
    "the interval is wider than the margin allows".to_owned()
}

/// How far chance of sampling alone can move the change of p95, as a share: both sides have theirs.
fn sampling_alone(metrics: &[Option<MetricComparison>]) -> Option<f64> {
    let p95 = metrics.last()?.as_ref()?;
    let half = |(low, high): (f64, f64)| (high / low).ln() / 2.0;
    let (before, after) = (half(p95.sampling_us_before?), half(p95.sampling_us_after?));
    Some(before.hypot(after).exp_m1())
}

/// What the other metrics and actions say of one.
struct Beside {
    p_adjusted: Option<f64>,
    control_p: Option<f64>,
    sibling_floor: Option<f64>,
}

fn judge(metric: &Measured, margin: f64, beside: &Beside, level: f64, scope: &Effectiveness<'_>) -> MetricComparison {
    let change = metric.effect.as_ref().map(Change::from);
    let control = metric.control.as_ref().map(Change::from);
    let noise_floor = control.map(|c| c.low.abs().max(c.high.abs()));
    let driver_floor = 2.0 * metric.lag_difference_us / metric.before_us;
    // Sides that differ by more without a change cannot be told to be the same, and what the driver adds to every side hides a
    // part of a change.
    let equal = margin * (1.0 - metric.lag_us / metric.before_us).max(0.0);
    let equal = if noise_floor.is_some_and(|floor| floor <= margin) { equal } else { 0.0 };
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
                Verdict::Improved | Verdict::Regressed if may_be_luck(effect, control) => Verdict::Inconclusive,
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
        p_adjusted: beside.p_adjusted,
        not_slower: verdict != Verdict::Invalid
            && scope.one_sided.is_none()
            && scope.beyond.is_none()
            && below(metric, equal),
        verdict,
    }
}

/// The rule, in one place. A claim needs all of: the look's interval of a difference beside zero, an estimate of at least
/// the margin, more than the control's noise and the driver's lateness, and to survive the correction over all comparisons.
/// Equality needs the look's interval of equivalence inside the margins (two one-sided tests), as far as they are the server's.
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

/// A change whose whole interval lies beyond this many times the control's worst is no bias between clones.
const DWARFS: f64 = 3.0;

/// Whether a change may be the luck of how one clone lies: clones without the migration differ beyond chance, and the change is not
/// far beyond what they differ by. More chunks on the same clones cannot tell; other clones can.
fn may_be_luck(effect: &Effect, control: &Effect) -> bool {
    let (low, high) = control.interval95;
    (0.0 < low || high < 0.0) && !dwarfs(effect, control)
}

/// An eightfold change is not made by clones that differ by a fifth: such a control bounds what is called, and voids nothing.
fn dwarfs(effect: &Effect, control: &Effect) -> bool {
    let (low, high) = effect.interval95;
    let nearest = if low <= 0.0 && 0.0 <= high { 0.0 } else { low.abs().min(high.abs()) };
    let worst = control.interval95.0.abs().max(control.interval95.1.abs());
    DWARFS * worst < nearest
}

/// Chunks until the interval is narrow enough and the control quiet enough; both narrow with √n.
fn chunks_needed(metric: &Measured, margin: f64, level: f64) -> Option<usize> {
    let effect = metric.effect.as_ref()?;
    let control = Change::from(metric.control.as_ref()?);
    let quiet = (control.high - control.low) / 2.0 / margin.max((effect.estimate.exp() - 1.0).abs());
    let for_control = metric.ratios.len() as f64 * quiet * quiet;
    Some(pairs_needed(&metric.ratios, effect, (1.0 + margin).ln(), level)?.max(for_control.ceil() as usize))
}

fn measure(evidence: &Evidence, action: usize, q: f64) -> Option<Measured> {
    let pooled = |side: Side| -> Option<Histogram<u64>> {
        let mut sum = empty();
        for chunk in &evidence.histograms {
            sum.add(latency(chunk.get(&side)?, action)?).ok()?;
        }
        Some(sum)
    };
    let (before, after) = (pooled(Side::Before)?, pooled(Side::After)?);
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
        ratios: after,
    })
}

/// ln of the ratios of an action's quantile between a side and `before`, chunk by chunk; nothing where one has too few operations.
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
mod tests {
    use super::*;
    use crate::stats::paired::effect;

    fn effect_of(center: f64, spread: f64) -> Effect {
        let ratios: Vec<f64> = (0..8).map(|i| center + spread * (f64::from(i) - 3.5) / 3.5).collect();
        effect(&ratios, 0.05).unwrap()
    }

    fn judged(center: f64, spread: f64, control: f64) -> Verdict {
        judged_from(None, center, spread, control)
    }

    fn measured(effect: Effect, control: Effect) -> Measured {
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
        // The control differs by less than half the margin, but certainly: a change of that order may be a clone's luck.
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
    fn operations_that_do_what_they_did_must_move_by_more_than_siblings_differ() {
        assert_eq!(judged(0.06, 0.01, 0.0), Verdict::Regressed);
        assert_eq!(judged_from(Some(SIBLINGS), 0.06, 0.01, 0.0), Verdict::Inconclusive);
        assert_eq!(judged_from(Some(SIBLINGS), 0.10, 0.01, 0.0), Verdict::Regressed);
        assert_eq!(judged_from(Some(SIBLINGS), 0.0, 0.01, 0.0), Verdict::Same);
    }

    #[test]
    fn enough_others_that_do_what_they_did_tell_how_far_siblings_differ() {
        let with = |centers: &[f64]| -> Vec<Vec<Option<Measured>>> {
            centers.iter().map(|c| vec![Some(measured(effect_of(*c, 0.02), effect_of(0.0, 0.01)))]).collect()
        };
        let quiet: Vec<f64> = (0..11).map(|n| if n == 3 { 0.07 } else { 0.01 * (f64::from(n % 3) - 1.0) }).collect();
        let all: Vec<usize> = (0..11).collect();
        let floor = sibling_floor(&with(&quiet), &all, 3, 0).unwrap();
        assert!((0.02..0.05).contains(&floor), "{floor}");
        // Among the others it is itself a witness that they differ by more.
        assert!(0.06 < sibling_floor(&with(&quiet), &all, 4, 0).unwrap());
        // Nine are too few, a trial in which they lie far apart has the bound of every trial, and what changed has none.
        assert_eq!(sibling_floor(&with(&quiet), &all[..10], 3, 0), Some(SIBLINGS));
        let loud: Vec<f64> = quiet.iter().map(|c| c * 5.0).collect();
        assert_eq!(sibling_floor(&with(&loud), &all, 3, 0), Some(SIBLINGS));
        assert_eq!(sibling_floor(&with(&quiet), &all[4..], 3, 0), None);
    }

    #[test]
    fn a_claim_needs_one_metric_and_equality_all() {
        let metric = |center: f64, spread: f64| {
            let ratios: Vec<f64> = (0..8).map(|i| center + spread * (f64::from(i) - 3.5) / 3.5).collect();
            let (effect, control) = (effect(&ratios, 0.0125), Some(effect_of(0.0, 0.001)));
            Some(Measured { ratios, ..measured(effect.unwrap(), control.unwrap()) })
        };
        let (certain, noisy, quiet) = (metric(0.12, 0.06), metric(0.09, 0.6), metric(0.0, 0.06));
        let alone = needed(&[certain], 0.05, 0.0125).unwrap();
        assert!(alone < 20, "{alone}");
        assert_eq!(needed(&[metric(0.12, 0.06), noisy], 0.05, 0.0125), Some(alone));
        let noisy_alone = needed(&[metric(0.0, 0.6)], 0.05, 0.0125);
        assert!(Some(alone) < noisy_alone, "{noisy_alone:?}");
        assert_eq!(needed(&[quiet, metric(0.0, 0.6)], 0.05, 0.0125), noisy_alone);
        assert_eq!(needed(&[None, metric(0.0, 0.06)], 0.05, 0.0125), None);
    }

    #[test]
    fn one_find_among_many_comparisons_must_be_surer_than_one_alone() {
        let alone =
            |center: f64, spread: f64| vec![Some(measured(effect_of(center, spread), effect_of(0.0, 0.01))), None];
        let p_of_first = |metrics: &[Vec<Option<Measured>>]| corrected(metrics, |m| m.effect.as_ref())[&(0, 0)];
        let found = p_of_first(&[alone(0.06, 0.08)]);
        assert!((0.001..0.05).contains(&found), "{found}");
        let many: Vec<_> = (0..20).map(|n| alone(if n == 0 { 0.06 } else { 0.0 }, 0.08)).collect();
        assert!((p_of_first(&many) - 20.0 * found).abs() < 1e-9);
        // Many finds together allow each other more.
        let all: Vec<_> = (0..20).map(|_| alone(0.06, 0.08)).collect();
        assert!((p_of_first(&all) - found).abs() < 1e-9);
    }

    #[test]
    fn what_slices_carry_over_bounds_what_is_called() {
        let scope = Effectiveness { beyond: Some(("order", 0.06)), ..Effectiveness::default() };
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
