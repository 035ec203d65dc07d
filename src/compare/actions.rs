//! One action on both sides: its metrics, work per call, a verdict of all. Must correct for how many are compared.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Verdict;
use super::claim::Reason;
use super::clone_variance::{sibling_floor, unchanged_actions};
use super::counts::CountComparison;
use super::effectiveness::{Effectiveness, for_action};
use super::finding::{Finding, Remedy};
use super::measurement::isolated::IsolatedComparison;
use super::metric::{Beside, DECIDING, Measured, MetricComparison, QUANTILES, judge, measure};
use super::remedy::{self, Need};
use super::row_security::Unexercised;
use super::undecided::{
    may_be_clone_variance, more_chunks_help, more_sets_help, needed, needed_by_sampling, why_undecided,
};
use super::verdict::Decision;
use crate::evidence::{Evidence, Side, WorkPerCall};
use crate::stats::discovery::benjamini_hochberg;
use crate::stats::paired::Effect;

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
    /// From p50 and p95: regressed if either is, else improved if either is and the other does not seem to be slower,
    /// else same if both are.
    pub verdict: Verdict,
    /// Proven not to be slower by its margin or more, in p50 and p95 (non-inferiority; an intersection-union test, so
    /// that it needs no correction over actions: Berger 1982).
    pub not_slower: bool,
    /// Why, when it is inconclusive or invalid.
    pub reason: Option<Reason>,
    /// What it needs to be decided, beside more chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<Remedy>,
    /// Chunks that would probably decide it, when it is inconclusive.
    pub chunks_needed: Option<u32>,
    /// Sets of clones that would probably decide it, when it is inconclusive on several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets_needed: Option<u32>,
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
    /// Share of the mix's time in the server that this action wins (negative) or loses, weighted by how often it is
    /// asked; absent without `pg_stat_statements`.
    pub impact: Option<f64>,
    /// Indexes its plans name before.
    pub indexes_before: Vec<String>,
    /// Indexes its plans name after.
    pub indexes_after: Vec<String>,
    /// Its plans have another shape after.
    pub plan_changed: bool,
    /// What single operations cost; absent where none was counted.
    pub counts: Option<CountComparison>,
    /// What it takes on idle sides; absent where it was not timed there, and before format 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<IsolatedComparison>,
    /// The row of the decision table that gives its verdict; absent where load or counts alone do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Policies of tables it touches that do not apply to the role that asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexercised: Vec<Unexercised>,
}

impl ActionComparison {
    /// Whether policies differ between the sides and nobody asked through them, so that nothing is known of what they
    /// cost.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.unexercised.iter().any(|table| table.changed)
    }

    /// Whether its time in isolation differs from before, which no other action's load can make.
    #[must_use]
    pub fn is_timed_apart(&self) -> bool {
        self.isolated.as_ref().is_some_and(|isolated| {
            let (cpu, wall) = isolated.timings();
            cpu.direction.is_some() || wall.direction.is_some()
        })
    }

    /// Whether its plan, its work or its time in isolation differs from before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let counted = self.counts.as_ref().is_some_and(|counts| !counts.is_unchanged());
        self.plan_changed || counted || self.is_timed_apart()
    }

    /// Which of p50 and p95 is neither faster nor proven not slower.
    #[must_use]
    pub fn open_quantile(&self) -> Option<&'static str> {
        if self.decision.is_some() {
            // It is not a quantile that proves it.
            return None;
        }
        let open = |metric: &Option<MetricComparison>| metric.as_ref().is_none_or(MetricComparison::is_open);
        [("p50", &self.p50), ("p95", &self.p95)].into_iter().find(|(_, metric)| open(metric)).map(|(name, _)| name)
    }

    /// Whether it moved beyond its margin beside a control that differs beyond chance, so that it may be clone
    /// variance. Where the control differs by chance alone, more chunks show it.
    #[must_use]
    pub fn may_be_clone_variance(&self) -> bool {
        [&self.p50, &self.p95].into_iter().flatten().any(|metric| may_be_clone_variance(metric, self.margin))
    }
}

/// Compares every action.
#[must_use]
pub fn compare_all(
    evidence: &Evidence,
    findings: &[Finding],
    counts: Vec<Option<CountComparison>>,
) -> Vec<ActionComparison> {
    let count = evidence.actions.len();
    let measured: Vec<Vec<Option<Measured>>> =
        (0..count).map(|a| QUANTILES.iter().map(|q| measure(evidence, a, *q)).collect()).collect();
    let adjusted = corrected(&measured, |metric| metric.effect.as_ref());
    // The control is examined as often as the effect, and would by chance differ somewhere as often.
    let control_adjusted = corrected(&measured, |metric| metric.control.as_ref());
    let unchanged_actions = unchanged_actions(evidence, &counts);
    let floor = |a: usize, m: usize| unchanged_actions.as_ref().map(|of| sibling_floor(&measured, of, a, m));
    let floors: Vec<Vec<Option<f64>>> =
        (0..count).map(|a| (0..QUANTILES.len()).map(|m| floor(a, m)).collect()).collect();
    let (mut actions, needs): (Vec<ActionComparison>, Vec<Option<Need>>) = measured
        .into_iter()
        .zip(counts)
        .enumerate()
        .map(|(a, (metrics, counts))| {
            let scope = for_action(findings, &evidence.actions[a].name);
            let p = |of: &BTreeMap<(usize, usize), f64>, m: usize| of.get(&(a, m)).copied();
            let beside = |m: usize| Beside {
                p_adjusted: p(&adjusted, m),
                control_p: p(&control_adjusted, m),
                sibling_floor: floors[a][m],
            };
            let (compared, need) = assemble(evidence, a, metrics, &scope, beside);
            let (verdict, reason) = match &counts {
                // Nothing was timed: the counts are all there is.
                Some(counts) if evidence.design.chunks_planned == 0 => (counts.verdict, None),
                _ => (compared.verdict, compared.reason.clone()),
            };
            (ActionComparison { counts, verdict, reason, ..compared }, need)
        })
        .unzip();
    let is_pressed = remedy::is_pressed(findings, needs.iter().copied());
    for (action, need) in actions.iter_mut().zip(needs) {
        action.need = need.filter(|_| action.reason.is_some()).map(|need| need.remedy(is_pressed));
    }
    actions
}

/// What each action wins or loses of the mix's time in the server: Oracle's SQL Performance Analyzer calls it the
/// impact on the workload.
pub fn weigh(actions: &mut [ActionComparison]) {
    let time = |action: &ActionComparison, work: Option<WorkPerCall>| work.map(|work| action.share * work.exec_ms);
    let total: Option<f64> = actions.iter().map(|action| time(action, action.work_before)).sum();
    let Some(total) = total.filter(|total| 0.0 < *total) else { return };
    for action in actions {
        let (before, after) = (time(action, action.work_before), time(action, action.work_after));
        action.impact = before.zip(after).map(|(before, after)| (after - before) / total);
    }
}

fn assemble(
    evidence: &Evidence,
    a: usize,
    metrics: Vec<Option<Measured>>,
    scope: &Effectiveness<'_>,
    beside: impl Fn(usize) -> Beside,
) -> (ActionComparison, Option<Need>) {
    let facts = &evidence.actions[a];
    let margin = facts.margin;
    let level = super::level(evidence);
    let several = 1 < evidence.design.replicates;
    let needed = needed(&metrics[..DECIDING], margin, level, several).map(|n| n as u32);
    let mut compared: Vec<Option<MetricComparison>> = metrics
        .into_iter()
        .enumerate()
        .map(|(m, metric)| metric.map(|metric| judge(&metric, margin, &beside(m), level, scope)))
        .collect();
    let (verdict, reason) = combine(&compared[..DECIDING], margin, scope);
    let is_open = verdict == Verdict::Inconclusive && reason.is_none();
    let why = is_open.then(|| why_undecided(evidence, &compared[..DECIDING], margin, scope.beyond));
    let need = why.as_ref().and_then(|why| why.need);
    let reason = reason.or(why.map(|why| why.found));
    let by_sampling = || needed_by_sampling(&compared[..DECIDING], margin, evidence.chunks.len());
    let needed = needed.or_else(|| by_sampling().filter(|_| !several).map(|n| n as u32));
    let needed = needed.filter(|_| verdict == Verdict::Inconclusive);
    let work = |side: Side| evidence.counters.get(&side).filter(|c| !c.reset).and_then(|c| *c.work.as_ref()?.get(a)?);
    let plan = |side: Side| evidence.plans.get(&side).and_then(|plans| plans.get(a));
    let indexes = |side: Side| plan(side).map(|p| p.indexes.clone()).unwrap_or_default();
    let shapes = |side: Side| plan(side).map(|p| p.shapes.keys().collect::<Vec<_>>());
    let not_slower = compared[..DECIDING].iter().all(|m| m.as_ref().is_some_and(|m| m.not_slower));
    let compared = ActionComparison {
        not_slower,
        name: facts.name.clone(),
        share: facts.share,
        margin,
        verdict,
        reason,
        need: None,
        // More chunks on the same clones say nothing of the clones.
        chunks_needed: needed.filter(|_| !several && more_chunks_help(&compared[..DECIDING], margin, scope.beyond)),
        sets_needed: needed.filter(|_| several && more_sets_help(&compared[..DECIDING], margin, scope.beyond)),
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
        isolated: None,
        decision: None,
        unexercised: Vec::new(),
    };
    (compared, need)
}

fn combine(metrics: &[Option<MetricComparison>], margin: f64, scope: &Effectiveness<'_>) -> (Verdict, Option<Reason>) {
    if let Some(finding) = scope.invalid {
        return (Verdict::Invalid, Some(Reason::of(&finding.fact)));
    }
    let deciding: Vec<&MetricComparison> = metrics.iter().flatten().collect();
    let any = |verdict: Verdict| deciding.iter().any(|metric| metric.verdict == verdict);
    if deciding.is_empty() {
        return (Verdict::Inconclusive, Some(Reason::NoPercentile));
    }
    if any(Verdict::Invalid) {
        return (Verdict::Invalid, Some(Reason::ControlDiffers));
    }
    if any(Verdict::Regressed) {
        (Verdict::Regressed, None)
    } else if any(Verdict::Improved) {
        match deciding.iter().find_map(|metric| metric.change.filter(|c| metric.is_open() && margin <= c.change)) {
            Some(slower) => (Verdict::Inconclusive, Some(Reason::OtherQuantileSlower { change: slower.change })),
            None => (Verdict::Improved, None),
        }
    } else if deciding.len() == DECIDING && deciding.iter().all(|metric| metric.verdict == Verdict::Same) {
        (Verdict::Same, None)
    } else {
        (Verdict::Inconclusive, scope.one_sided.map(|finding| Reason::of(&finding.fact)))
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

#[cfg(test)]
mod tests {
    use super::super::metric::tests::{effect_of, measured};
    use super::*;

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
    fn what_one_quantile_gains_the_other_must_not_seem_to_lose() {
        let judged = |verdict: Verdict, center: f64, spread: f64, not_slower: bool| {
            let metric = measured(effect_of(center, spread), effect_of(0.0, 0.01));
            let beside = Beside { p_adjusted: Some(0.5), control_p: Some(0.5), sibling_floor: None };
            let judged = judge(&metric, 0.05, &beside, 0.05, &Effectiveness::default());
            Some(MetricComparison { verdict, not_slower, ..judged })
        };
        let combined = |p95: Option<MetricComparison>| {
            combine(&[judged(Verdict::Improved, -0.3, 0.02, true), p95], 0.05, &Effectiveness::default())
        };
        let (verdict, reason) = combined(judged(Verdict::Inconclusive, 0.3, 0.6, false));
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(matches!(reason, Some(Reason::OtherQuantileSlower { change }) if change > 0.05), "{reason:?}");
        assert_eq!(combined(judged(Verdict::Inconclusive, -0.3, 0.6, false)).0, Verdict::Improved);
        assert_eq!(combined(judged(Verdict::Same, 0.02, 0.02, true)).0, Verdict::Improved);
        assert_eq!(combined(None).0, Verdict::Improved);
    }
}
