//! Gates of a proof: figures of `after` under load against the conditions of the project. Must not look at `before`.

use hdrhistogram::Histogram;

use super::{Comparison, Verdict};
use crate::evidence::gate::{Figures, judge};
use crate::evidence::run::{ActionResult, GateResult, Quantiles, Unevaluated};
use crate::evidence::{ActionFacts, Evidence, LoadFacts, Side};
use crate::stats::histogram::empty;

/// What a proof says to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is worse, and every gate holds.
    Passed,
    /// A gate fails, or a regression is proven.
    Failed,
    /// Nothing fails, and a verdict or a gate is open.
    Open,
}

impl Comparison {
    /// What verdict and gates come to. A gate that fails decides before a verdict that is open.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let fails = self.gates.iter().any(|gate| gate.unevaluated.is_none() && !gate.holds);
        if fails || self.failed_gates().next().is_some() || self.verdict == Verdict::Regressed {
            return Outcome::Failed;
        }
        let is_open = matches!(self.verdict, Verdict::Inconclusive | Verdict::Invalid);
        match is_open || self.gates.iter().any(|gate| gate.unevaluated.is_some()) {
            true => Outcome::Open,
            false => Outcome::Passed,
        }
    }
}

/// The gates of the project with what was observed on `after`.
pub(super) fn judge_all(evidence: &Evidence) -> Vec<GateResult> {
    let gates = &evidence.design.policy.gates;
    if gates.is_empty() {
        return Vec::new();
    }
    if evidence.chunks.is_empty() {
        let unevaluated = Some(Unevaluated::NoLoad);
        let of = |gate: &String| GateResult { gate: gate.clone(), observed: None, holds: false, unevaluated };
        return gates.iter().map(|gate| of(&gate.text)).collect();
    }
    let elapsed_s: f64 =
        evidence.chunks.iter().filter_map(|chunk| chunk.sides.get(&Side::After)).map(|s| s.elapsed_s).sum();
    let seconds = elapsed_s.max(1e-9);
    let (actions, all) = results(evidence, seconds);
    let offered_per_s = match evidence.design.load {
        LoadFacts::Open { rate_per_s, .. } => Some(rate_per_s),
        LoadFacts::Closed { .. } => None,
    };
    let figures = Figures { actions: &actions, all: &all, offered_per_s, pool: None, replicas: &[] };
    gates.iter().map(|gate| judge(gate, &figures)).collect()
}

/// What became of the operations of `after`, by action and of the mix as the scenario has it.
fn results(evidence: &Evidence, seconds: f64) -> (Vec<ActionResult>, ActionResult) {
    let mut all = ActionResult { name: "all".to_owned(), share: 1.0, ..ActionResult::default() };
    let mut mix = empty();
    let weights = weights(&evidence.actions);
    let mut actions = Vec::new();
    for (position, facts) in evidence.actions.iter().enumerate() {
        let mut latency = empty();
        let recorded = evidence.histograms.iter().filter_map(|chunk| chunk.get(&Side::After)?.get(position));
        for histograms in recorded {
            latency.add(&histograms.latency).expect("all histograms have the same bounds");
        }
        let share = facts.driven_share.unwrap_or(facts.share);
        let mut of = ActionResult { name: facts.name.clone(), share, ..ActionResult::default() };
        let counts = evidence.chunks.iter().filter_map(|chunk| chunk.sides.get(&Side::After)?.actions.get(position));
        for counts in counts {
            of.due += counts.due;
            of.skipped += counts.skipped;
            of.ok += counts.ok;
            of.failed += counts.failed;
            of.rows += counts.rows;
        }
        of.rate_per_s = of.ok as f64 / seconds;
        of.latency = Quantiles::of(&latency);
        let weighed = |count: u64| (count as f64 * weights[position]).round() as u64;
        all.due += weighed(of.due);
        all.skipped += weighed(of.skipped);
        all.ok += weighed(of.ok);
        all.failed += weighed(of.failed);
        all.rate_per_s += of.rate_per_s;
        add_weighed(&mut mix, &latency, weights[position]);
        actions.push(of);
    }
    all.latency = Quantiles::of(&mix);
    (actions, all)
}

/// How much an operation of each action counts in the mix, 1 at most: an action that was driven more often than the
/// mix has it counts less.
fn weights(actions: &[ActionFacts]) -> Vec<f64> {
    let ratio = |of: &ActionFacts| of.driven_share.map_or(1.0, |driven| of.share / driven.max(1e-12));
    let ratios: Vec<f64> = actions.iter().map(ratio).collect();
    let largest = ratios.iter().copied().fold(1e-12, f64::max);
    ratios.into_iter().map(|ratio| ratio / largest).collect()
}

/// Adds a share of a histogram's values; what rounding leaves of a value goes to the next larger one.
fn add_weighed(sum: &mut Histogram<u64>, of: &Histogram<u64>, weight: f64) {
    let mut rest = 0.0;
    for value in of.iter_recorded() {
        let count = value.count_at_value() as f64 * weight + rest;
        let whole = (count + 0.5).floor();
        rest = count - whole;
        sum.record_n(value.value_iterated_to(), whole as u64).expect("all histograms have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::compare::finding::Severity;
    use crate::compare::tests::saved;
    use crate::evidence::gate::{Comparison as Sign, Figure, Gate, Metric};

    fn gate(action: Option<&str>, figure: Figure, comparison: Sign, limit: f64) -> Gate {
        let metric = Metric { action: action.map(str::to_owned), figure };
        let text = "a gate".to_owned();
        Gate { metric, comparison, limit, relative: false, abort: false, delay_s: 0.0, text }
    }

    #[test]
    fn a_gate_is_judged_by_after_alone() {
        let mut evidence = saved();
        let name = evidence.actions[0].name.clone();
        let merged = |evidence: &Evidence, side: Side| {
            let mut sum = empty();
            evidence.histograms.iter().for_each(|chunk| sum.add(&chunk[&side][0].latency).unwrap());
            Quantiles::of(&sum).us_p95.unwrap() * 1e3
        };
        let after = merged(&evidence, Side::After);
        let of = |limit: f64| gate(Some(&name), Figure::Latency(0.95), Sign::Below, limit);
        evidence.design.policy.gates = vec![of(after * 1.01), of(after * 0.99), of(after * 0.99)];
        evidence.design.policy.gates[2].metric.figure = Figure::Latency(0.999_9);
        let gates = compare(&evidence).gates;
        assert!(gates[0].holds && !gates[1].holds, "{gates:?}");
        // Whatever `before` shows.
        for chunk in &mut evidence.histograms {
            chunk.get_mut(&Side::Before).unwrap()[0].latency.reset();
        }
        assert_eq!(judge_all(&evidence), gates);
    }

    #[test]
    fn a_gate_that_fails_decides_before_an_open_verdict_and_one_without_load_is_open() {
        let mut evidence = saved();
        evidence.counts.clear();
        let mut comparison = compare(&evidence);
        comparison.verdict = Verdict::Same;
        assert_eq!(comparison.outcome(), Outcome::Passed);
        evidence.design.policy.gates = vec![gate(None, Figure::Errors, Sign::Below, 1.0)];
        comparison.gates = judge_all(&evidence);
        assert_eq!(comparison.outcome(), Outcome::Passed, "{:?}", comparison.gates);
        evidence.chunks.clear();
        comparison.gates = judge_all(&evidence);
        assert_eq!(comparison.gates[0].unevaluated, Some(Unevaluated::NoLoad));
        assert_eq!(comparison.outcome(), Outcome::Open);
        comparison.gates[0].unevaluated = None;
        comparison.verdict = Verdict::Inconclusive;
        assert_eq!(comparison.outcome(), Outcome::Failed);
        comparison.gates.clear();
        assert_eq!(comparison.outcome(), Outcome::Open);
        let named = comparison.findings.iter_mut().find(|finding| finding.severity >= Severity::Warning).unwrap();
        named.fails = true;
        assert_eq!(comparison.outcome(), Outcome::Failed);
    }

    #[test]
    fn an_action_that_was_driven_more_often_counts_less_in_the_mix() {
        let mut evidence = saved();
        assert!(weights(&evidence.actions).iter().all(|weight| *weight == 1.0));
        let share = evidence.actions[0].share;
        evidence.actions[0].driven_share = Some(share * 4.0);
        assert_eq!(weights(&evidence.actions)[0], 0.25);
        let mut hundred = empty();
        hundred.record_n(1_000, 90).unwrap();
        hundred.record_n(9_000, 10).unwrap();
        let mut sum = empty();
        add_weighed(&mut sum, &hundred, 0.25);
        assert_eq!(
            (sum.len(), sum.count_at(9_000)),
            (25, 2),
            "a quarter of each, and what is left goes to larger ones"
        );
    }
}
