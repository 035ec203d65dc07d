//! Evidence to verdicts: effects, noise floor, checks of the harness, index usage deltas.
//!
//! Must be a pure function of the evidence: the same file gives the same verdicts next year. Must
//! never call a difference that the control shows too a win or a loss.

pub mod actions;
pub mod answers;
pub mod balance;
pub mod bill;
mod candidates;
pub mod checks;
pub mod claim;
mod clone_variance;
mod conclusion;
mod conditions;
pub mod counts;
pub mod curves;
mod decide;
mod effectiveness;
pub mod fact;
pub mod finding;
pub mod functions;
pub mod gates;
pub mod generic;
mod growth;
mod hollow;
pub mod indexes;
mod limits;
pub mod measurement;
mod metric;
mod migration;
pub mod minimum;
pub mod parameters;
pub mod plan_change;
mod remedy;
pub mod round_trip;
pub mod row_security;
pub mod run;
mod sides;
#[cfg(test)]
mod simulation;
mod undecided;
pub mod updates;
pub mod verdict;
mod weighed;
pub mod work;

use serde::Serialize;

pub use actions::ActionComparison;
pub use answers::Answers;
pub use balance::Balance;
pub use claim::{Claim, Reason};
pub use counts::CountComparison;
pub use finding::Finding;
pub use indexes::IndexComparison;
pub use metric::MetricComparison;

use claim::ClaimKind;
use fact::{Fact, OtherVerdict};
use finding::{Remedy, Severity};

use crate::evidence::run::GateResult;
use crate::evidence::{Dropped, Evidence, Side};
use crate::stats::paired::{self, Effect};

/// The version of the rules by which verdicts follow from evidence; results of another version are verified by their
/// estimates alone. 1: up to format 7. 2: a gain beside more work per call under load is none, generic plans are
/// measured, functions leave counts open.
pub const RULES: u32 = 3;

/// What a trial says of one metric, one action, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Proven better, by the margin or more.
    Improved,
    /// Proven worse, by the margin or more.
    Regressed,
    /// Proven equal within the margin.
    Same,
    /// Nothing was proven; more chunks may.
    Inconclusive,
    /// A check of the harness failed, so there is no verdict.
    Invalid,
}

impl Verdict {
    /// As reports print it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
            Self::Invalid => "invalid",
        }
    }
}

/// What the evidence says.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The version of the rules that verdicts follow from; absent before format 8.
    pub rules: u32,
    /// Of the whole trial: invalid if the harness was the limit, else regressed if any action is, or touches twice the
    /// blocks or more for a few parameters, else invalid if one fails or answers otherwise, else improved if any is
    /// (inconclusive if another that is not decided takes more work in the server or fails), else same if all are, else
    /// inconclusive.
    pub verdict: Verdict,
    /// What it rests on, the most important first.
    pub claims: Vec<Claim>,
    /// What single operations decide alone; absent where none was counted.
    pub verdict_of_counts: Option<Verdict>,
    /// What the load decides alone; absent where none was driven.
    pub verdict_of_load: Option<Verdict>,
    /// Conditions of the project on figures of `after` under load, with what was observed; absent where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateResult>,
    /// What a reader should know of the harness, the machine, the answers and the schema.
    pub findings: Vec<Finding>,
    /// The largest difference in p95 between `before` and `control` that cannot be distinguished from none, as a
    /// share: the noisiest action's. Absent below eight chunks.
    pub noise_floor: Option<f64>,
    /// Change of the mean service time over the mix, as a share with a 95 % interval; absent when the trial is invalid,
    /// an action was never answered on a side, or a side could not keep up.
    pub workload: Option<Change>,
    /// The same of `control`: what noise did to it.
    pub workload_control: Option<Change>,
    /// By position in the mix.
    pub actions: Vec<ActionComparison>,
    /// Processor time of the mix; absent where an action was not measured in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bill: Option<bill::Bill>,
    /// Indexes that are new, lost or changed, and kept ones that are used.
    pub indexes: Vec<IndexComparison>,
    /// What the migration does to indexes beside that.
    pub balance: Balance,
    /// Chunks of a saved result that are not used, because its files do not agree on them; absent before format 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
}

impl Comparison {
    /// Findings that a gate of the project names.
    pub fn failed_gates(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.fails)
    }

    /// Whether there are intervals that decide something, and all are as narrow, on both sides of their estimates.
    /// Where too few operations give none, more chunks give none either, so that is no reason to go on.
    #[must_use]
    pub fn is_narrow(&self, precision: f64) -> bool {
        let half = |change: Change| (change.high - change.low) / 2.0 / (1.0 + change.change);
        let metrics = self.actions.iter().flat_map(|action| [&action.p50, &action.p95]).flatten();
        let mut changes = metrics.filter_map(|metric| metric.change).peekable();
        changes.peek().is_some() && changes.all(|change| half(change) <= precision)
    }
}

/// A relative change with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// After over before, less one: −0.25 is a quarter less.
    pub change: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl From<&Effect> for Change {
    fn from(effect: &Effect) -> Self {
        let share = |log: f64| log.exp() - 1.0;
        Self { change: share(effect.estimate), low: share(effect.interval95.0), high: share(effect.interval95.1) }
    }
}

/// The level of each planned look.
fn level(evidence: &Evidence) -> f64 {
    let design = &evidence.design;
    if design.precision.is_some() {
        // Stopping on precision looks at the width alone, which says little of the estimate: a little is left for it.
        0.04
    } else if design.looks.is_empty() || 1 < design.replicates {
        // Before there were looks, the end was the only one; of replicates it is.
        0.05
    } else {
        paired::level(design.looks.len())
    }
}

/// An effect of the ratios of chunks; of what their sets of clones have in common, where there are several.
fn effect_of(evidence: &Evidence, ratios: &[f64]) -> Option<Effect> {
    if evidence.design.replicates <= 1 {
        return paired::effect_in_time(ratios, level(evidence));
    }
    paired::effect_of_groups(&by_set(evidence, ratios), level(evidence))
}

/// The ratios of chunks by the set of clones they were measured on.
fn by_set(evidence: &Evidence, ratios: &[f64]) -> Vec<Vec<f64>> {
    let mut groups: Vec<Vec<f64>> = vec![Vec::new(); evidence.design.replicates as usize];
    for (chunk, ratio) in evidence.chunks.iter().zip(ratios) {
        if let Some(group) = groups.get_mut(chunk.replicate as usize) {
            group.push(*ratio);
        }
    }
    groups
}

/// What an interval rests on: the ratios of chunks, or of several sets of clones their means.
fn units(evidence: &Evidence, ratios: Vec<f64>) -> Vec<f64> {
    if evidence.design.replicates <= 1 {
        return ratios;
    }
    let groups = by_set(evidence, &ratios);
    groups.iter().filter(|group| !group.is_empty()).map(|g| g.iter().sum::<f64>() / g.len() as f64).collect()
}

/// Compares the sides of a trial.
#[must_use]
pub fn compare(evidence: &Evidence) -> Comparison {
    if evidence.design.precision.is_some() && !evidence.complete {
        return unfinished(compare_all(evidence), evidence.chunks.len());
    }
    let Some(paid) = until_paid(evidence) else { return compare_all(evidence) };
    let mut comparison = compare_all(&paid);
    let (chunks, look) = (evidence.chunks.len(), paid.chunks.len());
    let cut_off = match look {
        0 => ClaimKind::CutOffBeforeFirstLook { chunks },
        _ => ClaimKind::CutOffAfterLook { chunks, look },
    };
    if look == 0 && comparison.verdict == Verdict::Inconclusive {
        comparison.claims.clear();
    }
    comparison.claims.push(Claim::of_all(cut_off));
    comparison
}

/// A proof to a precision that has not come to its end: who stops it when it suits has one more chance to err. Its
/// estimates stand, its verdicts do not.
fn unfinished(mut comparison: Comparison, chunks: usize) -> Comparison {
    if comparison.findings.iter().any(Finding::stops_everything) {
        return comparison;
    }
    comparison.findings.retain(|finding| !matches!(finding.fact, Fact::DisturbedChunks { .. }));
    for action in &mut comparison.actions {
        for metric in [&mut action.p50, &mut action.p95, &mut action.p99].into_iter().flatten() {
            metric.not_slower = false;
            if metric.verdict != Verdict::Invalid {
                metric.verdict = Verdict::Inconclusive;
            }
        }
        action.not_slower = false;
        if action.verdict != Verdict::Invalid {
            (action.verdict, action.reason) = (Verdict::Inconclusive, Some(Reason::CutOffBeforePrecision { chunks }));
        }
    }
    let cut_off = Claim::of_all(ClaimKind::CutOffBeforePrecision { chunks });
    let (verdict, claims) = conclusion::or_by_counts(&comparison.actions, Verdict::Inconclusive, cut_off);
    Comparison { verdict, claims, verdict_of_load: Some(Verdict::Inconclusive), ..comparison }
}

/// A proof that was cut off between two planned looks, as it was at the last of them: a look when it suits would be one
/// more chance to err, which nobody paid for. Nothing where all of it counts.
fn until_paid(evidence: &Evidence) -> Option<Evidence> {
    let done = evidence.chunks.len();
    let looks = evidence.design.looks.iter().map(|look| *look as usize);
    // Below the fewest chunks no verdict is given anyhow.
    if evidence.complete || evidence.design.looks.is_empty() || done < paired::FEWEST_PAIRS {
        return None;
    }
    let paid = looks.filter(|look| *look <= done).max().unwrap_or_default();
    (paid < done).then(|| without_chunks(evidence, |chunk| chunk < paid))
}

/// The same evidence with some of its chunks alone.
fn without_chunks(evidence: &Evidence, keep: impl Fn(usize) -> bool) -> Evidence {
    let mut fewer = evidence.clone();
    let mut number = 0..;
    fewer.chunks.retain(|_| number.next().is_some_and(&keep));
    let mut number = 0..;
    fewer.histograms.retain(|_| number.next().is_some_and(&keep));
    fewer
}

fn compare_all(evidence: &Evidence) -> Comparison {
    let counts = counts::compare_all(evidence);
    let mut findings = checks::run(evidence, &counts);
    let of_counts = counts.clone();
    let mut actions = actions::compare_all(evidence, &findings, counts.clone());
    findings.extend(independence(evidence));
    findings.extend(without_disturbed(evidence, &findings, counts, &actions));
    actions::weigh(&mut actions);
    let verdict_of_load = (evidence.design.chunks_planned != 0).then(|| conclusion::of_load(&findings, &actions));
    let isolated = measurement::isolated::compare_all(evidence, &of_counts);
    decide::decide_all(&mut actions, &findings, isolated, !evidence.chunks.is_empty());
    let bill = bill::bill(evidence, &actions);
    row_security::withhold(evidence, &mut actions);
    findings.extend(row_security::checks(&actions));
    findings.extend(row_security::denied(evidence));
    let balance = balance::balance(evidence);
    findings.extend(balance::findings(evidence, &balance));
    findings.extend(balance::plan_flips(&actions));
    findings.iter_mut().for_each(|finding| finding.under(&evidence.design.policy));
    let (verdict, claims) = conclusion::conclude(evidence, &findings, &actions, &balance);
    let noise_floor = actions.iter().filter_map(|a| a.p95.as_ref()?.noise_floor).reduce(f64::max);
    // A fast wrong answer makes no workload cheaper.
    let is_behind = |finding: &Finding| matches!(finding.fact, Fact::RateNotReached { .. });
    let sums = verdict != Verdict::Invalid && !findings.iter().any(is_behind);
    let workload = |side: Side| sums.then(|| workload_change(evidence, side)).flatten();
    Comparison {
        rules: RULES,
        verdict,
        claims,
        verdict_of_counts: conclusion::of_counts(&actions),
        verdict_of_load,
        gates: gates::judge_all(evidence),
        noise_floor,
        workload: workload(Side::After),
        workload_control: workload(Side::Control),
        indexes: indexes::compare_all(evidence, &actions),
        actions,
        balance,
        bill,
        findings,
        dropped: evidence.dropped.clone(),
    }
}

/// Whether the ratios of chunks follow each other beyond chance: their correlation at lag 1, of the action that shows
/// it most, beyond three standard errors (1/√n; Box & Jenkins 2.1). Intervals are wider for it already.
fn independence(evidence: &Evidence) -> Option<Finding> {
    const ERRORS: f64 = 3.0;
    // Chunks of one set of clones share what it brings, and intervals rest on the sets.
    if 1 < evidence.design.replicates {
        return None;
    }
    let correlated = evidence.actions.iter().enumerate().filter_map(|(position, action)| {
        let ratios = metric::ratios(evidence, Side::After, position, 0.50)?;
        let correlation = paired::lag1(&ratios)?;
        let (wider, beyond_chance) = (paired::widening(&ratios), ERRORS / (ratios.len() as f64).sqrt() < correlation);
        (1.0 < wider && beyond_chance).then_some((action, correlation, wider))
    });
    let (action, correlation, wider) = correlated.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let fact = Fact::DependentChunks { correlation, widening: wider };
    Some(Finding::new(Severity::Warning, fact).of(&action.name).remedy(Remedy::MoreChunks))
}

/// The verdicts without the chunks in which a checkpoint or autovacuum fell on some sides alone, beside those with
/// them.
fn without_disturbed(
    evidence: &Evidence,
    findings: &[Finding],
    counts: Vec<Option<CountComparison>>,
    compared: &[ActionComparison],
) -> Option<Finding> {
    let uneven = conditions::uneven_chunks(evidence);
    if uneven.is_empty() {
        return None;
    }
    let rest = evidence.chunks.len() - uneven.len();
    let changed = (rest >= paired::FEWEST_PAIRS).then(|| {
        let fewer = without_chunks(evidence, |chunk| !uneven.contains(&chunk));
        let without = actions::compare_all(&fewer, findings, counts);
        let other = compared.iter().zip(without).filter(|(with, without)| with.verdict != without.verdict);
        let other = other.map(|(with, without)| OtherVerdict {
            action: with.name.clone(),
            with: with.verdict,
            without: without.verdict,
        });
        other.collect()
    });
    let fact = Fact::DisturbedChunks { chunks: uneven.len(), chunks_measured: evidence.chunks.len(), changed };
    Some(Finding::new(Severity::Warning, fact))
}

/// A name as people write it: without the schema nobody writes.
fn bare(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}

/// Mean service time over the mix as planned, of a side against `before`, chunk by chunk: each action by its share,
/// however often it ran.
fn workload_change(evidence: &Evidence, side: Side) -> Option<Change> {
    let total = |chunk: &crate::evidence::Histograms, side: Side| -> Option<f64> {
        let recorded = chunk.get(&side)?.iter().zip(&evidence.actions);
        let mut sum = 0.0;
        for (action, facts) in recorded {
            if action.service.is_empty() {
                return None;
            }
            sum += facts.share * action.service.mean();
        }
        (0.0 < sum).then_some(sum)
    };
    let ratios: Option<Vec<f64>> = evidence
        .histograms
        .iter()
        .map(|chunk| Some((total(chunk, side)? / total(chunk, Side::Before)?).ln()))
        .collect();
    effect_of(evidence, &ratios?).as_ref().map(Change::from)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::evidence::store;

    #[test]
    fn several_sets_of_clones_rest_on_their_means() {
        let mut evidence = saved();
        let ratios: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(units(&evidence, ratios.clone()), ratios);
        evidence.design.replicates = 4;
        evidence.chunks.iter_mut().zip(0..).for_each(|(chunk, number)| chunk.replicate = number / 2);
        assert_eq!(units(&evidence, ratios), [0.5, 2.5, 4.5, 6.5]);
    }

    #[test]
    fn the_impact_of_an_action_is_its_time_weighted_by_how_often_it_is_asked() {
        let mut evidence = saved();
        for (side, first_ms) in [(Side::Before, 2.0), (Side::After, 5.0)] {
            let work = evidence.counters.get_mut(&side).unwrap().work.as_mut().unwrap();
            for (position, work) in work.iter_mut().enumerate() {
                work.as_mut().unwrap().exec_ms = if position == 0 { first_ms } else { 2.0 };
            }
        }
        let compared = compare(&evidence).actions;
        let impacts: Vec<f64> = compared.iter().map(|action| action.impact.unwrap()).collect();
        assert!((impacts[0] - compared[0].share * 3.0 / 2.0).abs() < 1e-9, "{impacts:?}");
        assert!(impacts[1..].iter().all(|impact| *impact == 0.0), "{impacts:?}");
    }

    #[test]
    fn what_is_cut_off_between_looks_is_judged_as_at_the_last_of_them() {
        let mut evidence = saved();
        evidence.design.looks = vec![8, 16];
        let at_look = compare(&evidence);
        evidence.complete = false;
        assert_eq!(compare(&evidence).claims, at_look.claims, "a look is being held");
        for chunk in 0..3 {
            evidence.chunks.push(evidence.chunks[chunk].clone());
            evidence.histograms.push(evidence.histograms[chunk].clone());
        }
        let cut = compare(&evidence);
        let json = |of: &Comparison| serde_json::to_value(&of.actions).unwrap();
        assert_eq!((cut.verdict, json(&cut)), (at_look.verdict, json(&at_look)));
        let kind = |of: &Comparison| of.claims.last().unwrap().kind.clone();
        assert_eq!(kind(&cut), ClaimKind::CutOffAfterLook { chunks: 11, look: 8 });
        evidence.design.looks = vec![11];
        assert_eq!(compare(&evidence).verdict, Verdict::Regressed);
        evidence.design.looks = vec![16];
        let early = compare(&evidence);
        assert_eq!(early.verdict, Verdict::Regressed, "as by its counts");
        assert!(early.claims.iter().any(|claim| matches!(claim.kind, ClaimKind::FewChunks { chunks: 0, .. })));
        evidence.counts.clear();
        let early = compare(&evidence);
        assert_eq!(early.verdict, Verdict::Inconclusive);
        assert_eq!(kind(&early), ClaimKind::CutOffBeforeFirstLook { chunks: 11 });
    }

    pub(crate) fn saved() -> Evidence {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/format-3");
        store::read(std::path::Path::new(path)).unwrap()
    }

    #[test]
    fn a_proof_to_a_precision_says_nothing_before_its_end() {
        let mut evidence = saved();
        evidence.design.precision = Some(0.02);
        assert_eq!(compare(&evidence).verdict, Verdict::Regressed);
        evidence.complete = false;
        let cut = compare(&evidence);
        assert_eq!((cut.verdict, cut.verdict_of_load), (Verdict::Regressed, Some(Verdict::Inconclusive)));
        assert_eq!(cut.claims.last().unwrap().kind, ClaimKind::CutOffBeforePrecision { chunks: 8 });
        evidence.counts.clear();
        let cut = compare(&evidence);
        assert_eq!(cut.verdict, Verdict::Inconclusive);
        assert!(cut.actions.iter().all(|action| action.verdict == Verdict::Inconclusive && !action.not_slower));
        let estimated = |action: &ActionComparison| action.p50.as_ref().is_some_and(|p50| p50.change.is_some());
        assert!(cut.actions.iter().any(estimated), "the estimates stand");
        assert!(!cut.is_narrow(0.02));
    }
}
