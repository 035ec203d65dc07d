//! The search for a rate as lines: each rate that was tried, and what became of it. Must decide nothing.

use crate::compare::run::is_unevaluated;
use crate::evidence::run::{ProbeFacts, RunEvidence, SearchFacts};
use crate::report::gates::unknown_text;
use crate::units::plural;

/// Rates that a summary shows.
const MAX_SHOWN: usize = 4;

/// What became of a rate that was tried.
#[must_use]
pub fn probe_word(probe: &ProbeFacts) -> &'static str {
    match (probe.holds, is_unevaluated(probe)) {
        (true, _) => "holds",
        (false, true) => "unknown",
        (false, false) => "fails",
    }
}

/// The last rates of a search; all of them where `is_whole`.
pub(super) fn lines(run: &RunEvidence, is_whole: bool) -> Vec<String> {
    let Some(search) = &run.search else { return Vec::new() };
    let hidden = if is_whole { 0 } else { search.probes.len().saturating_sub(MAX_SHOWN) };
    let mut lines: Vec<String> = search.probes[hidden..].iter().map(probe).collect();
    if hidden > 0 {
        lines.insert(0, format!("{} before, see --detail", plural(hidden, "rate")));
    }
    lines
}

fn probe(probe: &ProbeFacts) -> String {
    let observed = |gate: &crate::evidence::run::GateResult| {
        format!("{}: {}", gate.gate, gate.observed.clone().unwrap_or_else(|| unknown_text(gate)))
    };
    let mut parts: Vec<String> = probe.gates.iter().map(observed).collect();
    parts.extend(probe.limited.clone().filter(|_| probe.gates.iter().all(|gate| gate.holds)));
    format!("{:.1}/s {}  {}", probe.rate_per_s, probe_word(probe), parts.join(" · "))
}

/// What a search says of the rate, and of the rates above it.
pub(super) fn headline(run: &RunEvidence, search: &SearchFacts) -> Vec<String> {
    let rate = run.design.shape.first().map_or(0.0, |(_, from, _)| *from);
    let mut parts = vec![format!("{rate:.0}/s holds the objective, confirmed")];
    if search.probes.iter().any(|probe| !probe.holds && probe.gates.iter().all(|gate| gate.holds)) {
        parts.push("above it a rate was not reached rather than too slow".to_owned());
    }
    parts
}
