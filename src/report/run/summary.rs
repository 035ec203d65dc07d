//! What a reader who has a minute needs of a run: the verdict, the gates, what is wrong. Must hold each fact once,
//! for every renderer.

use crate::compare::Verdict;
use crate::compare::finding::Severity;
use crate::compare::run::finding::{RunFact, RunFinding, is_open_loop};
use crate::compare::run::{Reason, RunConclusion, RunVerdict, conclude, own_gates};
use crate::evidence::LoadFacts;
use crate::evidence::run::{Ended, GateResult, RunEvidence, WarmUpEnd};
use crate::report::finding::of_run;
use crate::report::gates::{self, GateRow};
use crate::units::{self, count_text, duration_text, percent_text, plural};

/// Gates that the headline names.
const MAX_GATES: usize = 3;

/// The summary of a run.
pub(in crate::report) struct Summary<'r> {
    /// Its verdict.
    pub(in crate::report) verdict: RunVerdict,
    /// What the verdict rests on, the most important first.
    pub(in crate::report) claims: Vec<String>,
    /// Its gates.
    pub(in crate::report) gates: Vec<GateRow>,
    /// Under which load, and where.
    pub(in crate::report) setting: Vec<String>,
    /// Findings.
    pub(in crate::report) findings: Vec<RunFinding>,
    /// The run.
    pub(in crate::report) run: &'r RunEvidence,
}

impl<'r> Summary<'r> {
    pub(in crate::report) fn of(run: &'r RunEvidence) -> Self {
        let conclusion = conclude(run);
        let failing = conclusion.findings.iter().filter(|finding| finding.fails);
        let failing: Vec<(&'static str, String)> = failing.map(|of| (of.id(), of_run::short(of))).collect();
        // The objective of a search is in what became of its rates.
        let gates = if run.search.is_some() { own_gates(run) } else { &run.gates };
        Self {
            verdict: conclusion.verdict,
            claims: claims(run, &conclusion),
            gates: gates::rows(gates, &failing),
            setting: setting(run),
            findings: conclusion.findings,
            run,
        }
    }

    /// The verdict as a word.
    pub(in crate::report) fn word(&self) -> &'static str {
        match self.verdict {
            RunVerdict::Passed if self.gates.is_empty() && self.run.search.is_none() => "done",
            RunVerdict::Passed => "passed",
            RunVerdict::Failed => "failed",
            RunVerdict::Inconclusive => "inconclusive",
            RunVerdict::Limited => "limited",
            RunVerdict::Interrupted if self.run.ended == Ended::CutOff => "cut off",
            RunVerdict::Interrupted => "interrupted",
            RunVerdict::ServerLost => "server lost",
        }
    }

    /// The colour of the verdict: that of a verdict of a proof that means as much.
    pub(in crate::report) fn colour(&self) -> Verdict {
        match self.verdict {
            RunVerdict::Passed => Verdict::Improved,
            RunVerdict::Failed | RunVerdict::ServerLost => Verdict::Regressed,
            RunVerdict::Inconclusive | RunVerdict::Interrupted => Verdict::Inconclusive,
            RunVerdict::Limited => Verdict::Invalid,
        }
    }

    /// Findings that a reader must know, one line each, with what they are called.
    pub(in crate::report) fn important(&self) -> impl Iterator<Item = (&'static str, String)> {
        let shown = self.findings.iter().filter(|of| of.severity != Severity::Note && of.ignored.is_none());
        shown.map(|of| (crate::report::finding::kind(of.severity), of_run::short(of)))
    }

    /// Findings that are counted.
    pub(in crate::report) fn others(&self) -> Vec<String> {
        let notes = self.findings.iter().filter(|of| of.severity == Severity::Note && of.ignored.is_none());
        notes.map(of_run::short).collect()
    }
}

fn claims(run: &RunEvidence, conclusion: &RunConclusion<'_>) -> Vec<String> {
    let verdict = conclusion.verdict;
    let mut claims = Vec::new();
    match verdict {
        RunVerdict::Interrupted if run.ended == Ended::CutOff => {
            claims.push(format!("the program was killed; {} are kept", plural(run.intervals.len(), "interval")));
        }
        RunVerdict::Interrupted => claims.push("what was measured by then".to_owned()),
        RunVerdict::ServerLost => {
            claims.push("it could not be reached at the end; what was measured by then".to_owned());
        }
        RunVerdict::Passed if run.search.is_none() => claims.push(match run.gates.len() {
            0 => "no gates".to_owned(),
            1 => "the gate holds".to_owned(),
            gates => format!("all {gates} gates hold"),
        }),
        RunVerdict::Limited => {
            claims.push("the driver or the machine was the limit: the figures are not the server's alone".to_owned());
        }
        _ => {}
    }
    if let Some(search) = run.search.as_ref().filter(|search| search.confirmed) {
        claims.extend(super::search::headline(run, search));
    }
    if verdict != RunVerdict::Interrupted {
        claims.extend(conclusion.reasons.iter().map(|reason| reason_text(run, reason)));
        let silent = conclusion.findings.iter().filter(|of| matches!(of.fact, RunFact::OperationsFailed { .. }));
        let silent: Vec<&str> = silent.filter_map(|of| of.action.as_deref()).collect();
        if !silent.is_empty() {
            claims.push(format!("every operation failed: {}", shortened(&silent)));
        }
    }
    claims
}

fn reason_text(run: &RunEvidence, reason: &Reason<'_>) -> String {
    let all = &run.all;
    let other = if run.search.is_some() { "other " } else { "" };
    let total = own_gates(run).len();
    match reason {
        Reason::Aborted(rule) => format!("ended early: {rule}"),
        Reason::NoAnswer if all.due == 0 => "no operation was due".to_owned(),
        Reason::NoAnswer if all.failed == 0 => format!("no operation was answered of {} due", count_text(all.due)),
        Reason::NoAnswer => format!("no operation was answered, {} failed", count_text(all.failed)),
        Reason::MostFailed => format!(
            "{} of {} operations failed (a gate on `errors` can allow that)",
            count_text(all.failed),
            count_text(all.failed + all.ok)
        ),
        Reason::NoRate => {
            "no rate was found at which the objective holds; begin lower, or look at what is slow at the lowest"
                .to_owned()
        }
        Reason::ObjectiveUnknown => {
            "the objective cannot be evaluated at the rates that were tried; give --probe more time".to_owned()
        }
        Reason::GatesFail(failing) => {
            format!("{} of {total} {other}gates fail: {}", failing.len(), gate_names(failing))
        }
        Reason::FindingsFail(ids) => format!("a gate fails: {}", shortened(ids)),
        Reason::GatesUnknown(unknown) => {
            format!("{} of {total} {other}gates cannot be evaluated: {}", unknown.len(), gate_names(unknown))
        }
    }
}

fn gate_names(gates: &[&GateResult]) -> String {
    shortened(&gates.iter().map(|gate| gate.gate.as_str()).collect::<Vec<_>>())
}

/// The first few names.
fn shortened(names: &[&str]) -> String {
    let first = names.iter().take(MAX_GATES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_GATES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn setting(run: &RunEvidence) -> Vec<String> {
    let design = &run.design;
    let is_changing = design.shape.len() > 1 || design.shape.iter().any(|(_, from, to)| from != to);
    let load = match (&design.load, is_changing) {
        (LoadFacts::Open { connections, .. }, true) => format!("open loop in stages, {connections} connections"),
        (LoadFacts::Open { rate_per_s, connections }, false) => {
            format!("open loop {rate_per_s:.0}/s, {connections} connections")
        }
        (LoadFacts::Closed { clients }, true) => format!("closed loop in stages, {clients} clients at most"),
        (LoadFacts::Closed { clients }, false) => format!("closed loop, {}", plural(*clients as usize, "client")),
    };
    let seconds = |s: f64| duration_text(units::seconds(s));
    let warm_up = match design.warm_up {
        _ if design.warm_up_s == 0.0 => "no warm-up".to_owned(),
        WarmUpEnd::Fixed => format!("{} of warm-up", seconds(design.warm_up_s)),
        WarmUpEnd::Steady => format!("steady after {} of warm-up", seconds(design.warm_up_s)),
        WarmUpEnd::Bound => format!("not yet steady after {} of warm-up", seconds(design.warm_up_s)),
    };
    let mut parts = vec![
        format!("PostgreSQL {}", run.server.version),
        load,
        seconds(run.measured_s),
        warm_up,
        design.protocol.clone(),
        plural(design.threads as usize, "thread"),
        format!("seed {}", design.seed),
    ];
    if design.shard.1 > 1 {
        parts.push(format!("machine {} of {}", design.shard.0, design.shard.1));
    }
    parts
}

/// The driver's own part in what was measured: what bounds every figure.
pub(super) fn driver(run: &RunEvidence) -> Vec<String> {
    let driver = &run.driver;
    let mut parts = vec![format!("busiest thread {} of a processor", percent_text(driver.cpu_share_max))];
    if is_open_loop(run) {
        parts.push(format!("late p99 {:.3} ms", driver.timer_lag.us_p99 / 1e3));
    }
    parts.push(format!("clock reading {:.0} ns", driver.clock_ns));
    parts
}
