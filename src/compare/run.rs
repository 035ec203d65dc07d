//! What one load test comes to, from its evidence alone. Must measure nothing and hold no words.

pub mod finding;

use serde::Serialize;

use finding::RunFinding;

use super::finding::Severity;
use crate::evidence::run::{ActionResult, Ended, GateResult, ProbeFacts, RunEvidence, SearchFacts};

/// What a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// It ran as planned and every gate holds.
    Passed,
    /// A gate does not hold, a rule ended the run, nothing was answered, or most operations failed.
    Failed,
    /// A gate cannot be evaluated, and nothing else fails. Absent before format 3.
    Inconclusive,
    /// The driver or the machine was the limit: the figures are not the server's.
    Limited,
    /// Somebody interrupted it.
    Interrupted,
    /// The server could not be reached any more. Absent before format 3.
    ServerLost,
}

/// A verdict with everything that speaks for it.
#[derive(Debug)]
pub struct RunConclusion<'r> {
    /// The verdict.
    pub verdict: RunVerdict,
    /// Why the run failed, or cannot be judged; the most important first. Empty where it passed.
    pub reasons: Vec<Reason<'r>>,
    /// What a reader should know of the driver, the machine and the server; the most important first.
    pub findings: Vec<RunFinding>,
}

/// Why a run failed, or cannot be judged.
#[derive(Debug, PartialEq)]
pub enum Reason<'r> {
    /// A rule of the scenario, or a gate with `abort`, ended it.
    Aborted(&'r str),
    /// No operation was answered.
    NoAnswer,
    /// More than half of the operations that were sent failed, and no gate allows it.
    MostFailed,
    /// No rate was found at which the objective holds.
    NoRate,
    /// At no rate that was tried could the objective be evaluated, or it held.
    ObjectiveUnknown,
    /// Gates beside the objective of a search that do not hold.
    GatesFail(Vec<&'r GateResult>),
    /// Findings that a gate of the project names, by their ids.
    FindingsFail(Vec<&'static str>),
    /// Gates beside the objective of a search that cannot be evaluated.
    GatesUnknown(Vec<&'r GateResult>),
}

impl Reason<'_> {
    /// Whether it makes a run fail, rather than leave it open.
    fn fails(&self) -> bool {
        !matches!(self, Self::ObjectiveUnknown | Self::GatesUnknown(_))
    }
}

impl RunVerdict {
    /// The verdict of a run.
    #[must_use]
    pub fn of(run: &RunEvidence) -> Self {
        conclude(run).verdict
    }
}

/// What a run comes to. A gate that fails says more than a limit: the figures are no better than they were seen.
#[must_use]
pub fn conclude(run: &RunEvidence) -> RunConclusion<'_> {
    let findings = finding::findings(run);
    let reasons = reasons(run, &findings);
    let verdict = match &run.ended {
        Ended::Interrupted | Ended::CutOff => RunVerdict::Interrupted,
        Ended::ServerLost => RunVerdict::ServerLost,
        _ if reasons.iter().any(Reason::fails) => RunVerdict::Failed,
        _ if !reasons.is_empty() => RunVerdict::Inconclusive,
        _ if findings.iter().any(|finding| finding.severity == Severity::Invalid) => RunVerdict::Limited,
        _ => RunVerdict::Passed,
    };
    RunConclusion { verdict, reasons, findings }
}

/// Actions of which no operation was answered though some were sent, where others were answered.
pub fn never_answered(run: &RunEvidence) -> impl Iterator<Item = &ActionResult> {
    run.actions.iter().filter(|action| run.all.ok > 0 && action.ok == 0 && action.failed > 0)
}

/// The gates of a run that are not the objective of its search.
#[must_use]
pub fn own_gates(run: &RunEvidence) -> &[GateResult] {
    let objective = run.search.as_ref().map_or(0, |search| search.objective.len());
    run.gates.get(objective..).unwrap_or_default()
}

fn reasons<'r>(run: &'r RunEvidence, findings: &[RunFinding]) -> Vec<Reason<'r>> {
    let mut reasons = Vec::new();
    if let Ended::Aborted(rule) = &run.ended {
        reasons.push(Reason::Aborted(rule));
    }
    if run.all.ok == 0 {
        reasons.push(Reason::NoAnswer);
    } else if run.all.failed > run.all.ok && !allows_errors(run) {
        reasons.push(Reason::MostFailed);
    }
    if let Some(search) = run.search.as_ref().filter(|search| !search.confirmed) {
        reasons.push(if is_open(search) { Reason::ObjectiveUnknown } else { Reason::NoRate });
    }
    // Of a search that found nothing, the probes say what the objective came to.
    let (unknown, failing): (Vec<_>, Vec<_>) =
        own_gates(run).iter().filter(|gate| !gate.holds).partition(|gate| gate.observed.is_none());
    if !failing.is_empty() {
        reasons.push(Reason::GatesFail(failing));
    }
    let mut ids: Vec<&str> = findings.iter().filter(|finding| finding.fails).map(RunFinding::id).collect();
    ids.dedup();
    if !ids.is_empty() {
        reasons.push(Reason::FindingsFail(ids));
    }
    if !unknown.is_empty() {
        reasons.push(Reason::GatesUnknown(unknown));
    }
    // What makes it fail comes first.
    reasons.sort_by_key(|reason| !reason.fails());
    reasons
}

/// Whether gates say how many operations of every action that mostly failed may fail.
fn allows_errors(run: &RunEvidence) -> bool {
    let metrics: Vec<&str> =
        run.gates.iter().map(|gate| gate.gate.split(['<', '>']).next().unwrap_or_default().trim()).collect();
    let is_gated =
        |action: &ActionResult| metrics.iter().any(|of| of.strip_suffix(".errors") == Some(action.name.as_str()));
    let mut failing = run.actions.iter().filter(|action| action.failed > action.ok);
    metrics.iter().any(|of| ["errors", "*.errors"].contains(of)) || failing.all(is_gated)
}

/// Whether a rate of a search was not found to hold only because the objective could not be evaluated at it.
#[must_use]
pub fn is_unevaluated(probe: &ProbeFacts) -> bool {
    let mut missed = probe.gates.iter().filter(|gate| !gate.holds).peekable();
    probe.limited.is_none() && missed.peek().is_some() && missed.all(|gate| gate.observed.is_none())
}

/// Whether a search found no rate only because nothing could be evaluated at those it tried.
fn is_open(search: &SearchFacts) -> bool {
    let mut failed = search.probes.iter().filter(|probe| !probe.holds).peekable();
    failed.peek().is_some() && failed.all(is_unevaluated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::run::{RunCheck, RunCheckName};
    use crate::evidence::{Ignored, store};

    fn saved() -> RunEvidence {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/run-2");
        store::read_run(path.as_ref()).unwrap()
    }

    fn plain() -> RunEvidence {
        let mut run = saved();
        (run.gates, run.checks, run.search, run.ended) = (Vec::new(), Vec::new(), None, Ended::AsPlanned);
        run.actions.iter_mut().for_each(|action| (action.ok, action.failed) = (100, 0));
        (run.all.ok, run.all.failed) = (100 * run.actions.len() as u64, 0);
        run
    }

    fn gate(text: &str, observed: Option<&str>, holds: bool) -> GateResult {
        GateResult { gate: text.to_owned(), observed: observed.map(str::to_owned), holds, unevaluated: None }
    }

    #[test]
    fn a_run_without_answers_or_mostly_failed_is_failed() {
        let mut run = plain();
        assert_eq!(RunVerdict::of(&run), RunVerdict::Passed);
        (run.all.ok, run.all.failed) = (0, 500);
        assert_eq!(conclude(&run).reasons, [Reason::NoAnswer]);
        // No gate allows that nothing is answered.
        run.gates = vec![gate("errors < 100%", Some("99 %"), true)];
        assert_eq!(RunVerdict::of(&run), RunVerdict::Failed);
        let name = run.actions[0].name.clone();
        (run.all.ok, run.all.failed) = (100, 101);
        run.actions.iter_mut().for_each(|action| (action.ok, action.failed) = (100, 0));
        (run.actions[0].ok, run.actions[0].failed) = (0, 101);
        run.gates.clear();
        assert_eq!(conclude(&run).reasons, [Reason::MostFailed]);
        for allowed in ["errors < 90%", "*.errors < 90%", &format!("{name}.errors <= 100%")] {
            run.gates = vec![gate(allowed, Some("50 %"), true)];
            assert_eq!(RunVerdict::of(&run), RunVerdict::Passed, "{allowed}");
        }
        run.gates = vec![gate("other.errors < 90%", Some("0 %"), true)];
        assert_eq!(RunVerdict::of(&run), RunVerdict::Failed);
        (run.all.ok, run.all.failed) = (101, 101);
        assert_eq!(RunVerdict::of(&run), RunVerdict::Passed, "half of them is not more than half");
        assert_eq!(never_answered(&run).map(|action| &action.name).collect::<Vec<_>>(), [&name]);
    }

    #[test]
    fn a_gate_that_cannot_be_evaluated_does_not_fail() {
        let mut run = plain();
        run.gates = vec![gate("p99 < 1s", None, false), gate("p50 < 1s", Some("1 ms"), true)];
        assert_eq!(RunVerdict::of(&run), RunVerdict::Inconclusive);
        run.gates[1].holds = false;
        let conclusion = conclude(&run);
        assert_eq!(conclusion.verdict, RunVerdict::Failed);
        let [Reason::GatesFail(fail), Reason::GatesUnknown(unknown)] = &conclusion.reasons[..] else {
            panic!("{:?}", conclusion.reasons)
        };
        assert_eq!((fail.len(), unknown.len()), (1, 1));
        run.ended = Ended::ServerLost;
        assert_eq!(RunVerdict::of(&run), RunVerdict::ServerLost);
    }

    #[test]
    fn a_search_that_holds_may_fail_for_another_gate_and_says_so() {
        let mut run = plain();
        let probe = |holds, gates| ProbeFacts { rate_per_s: 10.0, seconds: 5.0, gates, holds, limited: None };
        let held = gate("p99 < 1s", Some("2 ms"), true);
        run.gates = vec![held.clone(), gate("errors < 1%", Some("2 %"), false)];
        let objective = vec!["p99 < 1s".to_owned()];
        let probes = vec![probe(true, vec![held])];
        run.search = Some(SearchFacts { objective, probes, confirmed: true });
        assert!(matches!(&conclude(&run).reasons[..], [Reason::GatesFail(gates)] if gates[0].gate == "errors < 1%"));
        let search = run.search.as_mut().unwrap();
        search.confirmed = false;
        search.probes = vec![probe(false, vec![gate("p99 < 1s", None, false)])];
        run.gates.truncate(1);
        assert_eq!(conclude(&run).reasons, [Reason::ObjectiveUnknown]);
        assert_eq!(RunVerdict::of(&run), RunVerdict::Inconclusive);
        let slow = probe(false, vec![gate("p99 < 1s", Some("3 s"), false)]);
        run.search.as_mut().unwrap().probes.push(slow);
        assert_eq!(conclude(&run).reasons, [Reason::NoRate]);
    }

    #[test]
    fn findings_follow_from_what_was_seen_and_the_project_decides_what_they_do() {
        let mut run = plain();
        let ids = |run: &RunEvidence| finding::findings(run).iter().map(RunFinding::id).collect::<Vec<_>>();
        run.design.warm_up = crate::evidence::run::WarmUpEnd::Fixed;
        (run.view, run.design.slow_after_ms) = (None, None);
        run.actions.iter_mut().for_each(|action| (action.late, action.slow, action.misses) = (0, 0, 0));
        assert_eq!(ids(&run), Vec::<&str>::new());
        let view = crate::evidence::view::ServerView { deadlocks: 2, blocked_max: 3, ..Default::default() };
        run.view = Some(view);
        run.actions[0].late = 4;
        assert_eq!(ids(&run), ["answers-late", "deadlocks", "lock-waits"]);
        assert_eq!(RunVerdict::of(&run), RunVerdict::Passed);
        run.design.policy.fail = vec!["lock-waits".to_owned()];
        assert_eq!(conclude(&run).reasons, [Reason::FindingsFail(vec!["lock-waits"])]);
        let because = "a test".to_owned();
        run.design.policy.ignore = vec![Ignored { finding: "lock-waits".to_owned(), on: None, because }];
        assert_eq!(RunVerdict::of(&run), RunVerdict::Passed);
        // A limit is never ignored.
        let check = RunCheck { name: RunCheckName::DriverCpu, limits: true, message: None };
        run.checks = vec![check];
        run.design.policy.ignore[0].finding = "driver-busy".to_owned();
        run.design.policy.fail.clear();
        let found = finding::findings(&run).swap_remove(0);
        assert_eq!((found.id(), found.ignored), ("driver-busy", None));
        assert_eq!(RunVerdict::of(&run), RunVerdict::Limited);
    }
}
