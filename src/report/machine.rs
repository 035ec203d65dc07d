//! A result as a list of cases, for programs of others: gates, verdicts of actions, findings, and figures. Must hold
//! each once, whatever the format.

use super::gates::{Fate, rows};
use super::printable::{PrintableTrial, with_printable_names};
use super::{Trial, claim, finding, summary};
use crate::compare::finding::Severity;
use crate::compare::run::{RunVerdict, conclude, own_gates};
use crate::compare::{ActionComparison, MetricComparison, Verdict};
use crate::evidence::run::{Quantiles, RunEvidence};

/// A proof, a run or a check of migrations, as programs of others take it.
pub struct Document {
    /// The migration or the scenario.
    pub(super) name: String,
    /// One sentence.
    pub(super) headline: String,
    /// When it began, RFC 3339 in UTC; absent where that is not kept.
    pub(super) started_at: Option<String>,
    /// What it took, in seconds; 0 where nothing was driven.
    pub(super) seconds: f64,
    /// The groups it has, in their order; one of them may be empty.
    pub(super) groups: &'static [Group],
    pub(super) cases: Vec<Case>,
    pub(super) figures: Vec<Figure>,
}

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Gates,
    Actions,
    Migrations,
    Findings,
}

impl Group {
    /// Those of a proof and of a run.
    pub(super) const MEASURED: &'static [Self] = &[Self::Gates, Self::Actions, Self::Findings];
    /// Those of a check.
    pub(super) const CHECKED: &'static [Self] = &[Self::Migrations, Self::Findings];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gates => "gates",
            Self::Actions => "actions",
            Self::Migrations => "migrations",
            Self::Findings => "findings",
        }
    }
}

/// How severe a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It makes the exit code 1.
    Error,
    /// It is not decided.
    Open,
    /// A reader should know it.
    Warning,
    /// It is about the schema.
    Note,
    /// Nothing is wrong.
    Pass,
}

/// One thing that is so.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) group: Group,
    pub(super) level: Level,
    /// Stable: the id of a finding, `gate`, or the verdict of an action.
    pub(super) id: &'static str,
    /// The gate, the action, or what the finding is about.
    pub(super) subject: String,
    pub(super) text: String,
    /// Where it is, for what is about a file.
    pub(super) place: Option<Place>,
    /// Why the project accepts it.
    pub(super) ignored: Option<String>,
}

/// A place in a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As it was named, relative to the current folder or absolute.
    pub(super) file: String,
    /// From 1; absent where it is the file as a whole.
    pub(super) line: Option<usize>,
}

/// A figure with its unit.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) action: String,
    /// Such as `p95`.
    pub(super) metric: &'static str,
    /// `before`, `control` or `after`; absent of a run.
    pub(super) side: Option<&'static str>,
    /// `seconds` or `blocks`.
    pub(super) unit: &'static str,
    pub(super) value: f64,
    /// Its 95 % interval, relative to `before`, with the estimate: change, low, high; only of `after`.
    pub(super) change: Option<[f64; 3]>,
}

impl Document {
    /// That of a proof.
    #[must_use]
    pub fn of_trial(trial: Trial<'_>) -> Self {
        Self::of_printable_trial(PrintableTrial::of(trial).trial())
    }

    fn of_printable_trial(trial: Trial<'_>) -> Self {
        let Trial { evidence, comparison } = trial;
        let mut cases: Vec<Case> = rows(&comparison.gates, &[]).into_iter().map(gate).collect();
        cases.extend(comparison.actions.iter().map(|action| of_action(trial, action)));
        cases.extend(comparison.findings.iter().map(|of| Case {
            group: Group::Findings,
            level: level(of.severity, of.fails, of.ignored.is_some()),
            id: of.id(),
            subject: of.object.clone().or_else(|| of.action.clone()).unwrap_or_default(),
            text: finding::long(of),
            place: None,
            ignored: of.ignored.clone(),
        }));
        let seconds = evidence.chunks.iter().flat_map(|chunk| chunk.sides.values()).map(|side| side.elapsed_s).sum();
        Self {
            name: evidence.migration.label.clone(),
            headline: format!("{}: {}", comparison.verdict.word(), claim::headline(comparison)),
            started_at: Some(evidence.started_at.clone()),
            seconds,
            groups: Group::MEASURED,
            cases,
            figures: comparison.actions.iter().flat_map(figures).collect(),
        }
    }

    /// That of a run.
    #[must_use]
    pub fn of_run(run: &RunEvidence) -> Self {
        Self::of_printable_run(with_printable_names(run).as_ref().unwrap_or(run))
    }

    fn of_printable_run(run: &RunEvidence) -> Self {
        let conclusion = conclude(run);
        let gates = if run.search.is_some() { own_gates(run) } else { &run.gates };
        let mut cases: Vec<Case> = rows(gates, &[]).into_iter().map(gate).collect();
        cases.extend(conclusion.findings.iter().map(|of| Case {
            group: Group::Findings,
            level: level(of.severity, of.fails, of.ignored.is_some()),
            id: of.id(),
            subject: of.action.clone().unwrap_or_default(),
            text: finding::of_run::long(of),
            place: None,
            ignored: of.ignored.clone(),
        }));
        let summary = super::run::RunSummary::of(run);
        let headline = format!("{}: {}", summary.word(), summary.claims.join("; "));
        // What makes a run fail beside gates and findings: a rule, no answer, a search that ends without a rate.
        let says_it = cases.iter().any(|case| case.level == Level::Error);
        if conclusion.verdict == RunVerdict::Failed && !says_it {
            let (group, level, id) = (Group::Gates, Level::Error, "run-failed");
            let (subject, text) = (run.name.clone(), headline.clone());
            cases.push(Case { group, level, id, subject, text, place: None, ignored: None });
        }
        Self {
            name: run.name.clone(),
            headline,
            started_at: Some(run.started_at.clone()),
            seconds: run.measured_s,
            groups: Group::MEASURED,
            cases,
            figures: run.actions.iter().flat_map(|action| of_quantiles(&action.name, &action.latency)).collect(),
        }
    }

    /// Cases of a group, in their order.
    pub(super) fn cases(&self, group: Group) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |case| case.group == group)
    }

    /// Whether nothing makes the exit code 1 or leaves it open.
    pub(super) fn is_passed(&self) -> bool {
        !self.cases.iter().any(|case| matches!(case.level, Level::Error | Level::Open))
    }
}

fn gate(row: super::gates::GateRow) -> Case {
    let level = match row.fate {
        Fate::Fails => Level::Error,
        Fate::Open => Level::Open,
        Fate::Holds => Level::Pass,
    };
    let text = match row.fate {
        Fate::Fails => format!("the gate `{}` fails: observed {}", row.gate, row.observed),
        Fate::Open => format!("the gate `{}` is not evaluated: {}", row.gate, row.observed),
        Fate::Holds => format!("the gate `{}` holds: observed {}", row.gate, row.observed),
    };
    Case { group: Group::Gates, level, id: "gate", subject: row.gate, text, place: None, ignored: None }
}

fn of_action(trial: Trial<'_>, action: &ActionComparison) -> Case {
    let (level, id) = match action.verdict {
        Verdict::Regressed => (Level::Error, "action-regressed"),
        Verdict::Inconclusive => (Level::Open, "action-inconclusive"),
        Verdict::Invalid => (Level::Open, "action-invalid"),
        Verdict::Improved => (Level::Pass, "action-improved"),
        Verdict::Same => (Level::Pass, "action-same"),
    };
    let reason = action.reason.as_ref().map(|of| claim::reason_text(trial.comparison, &action.name, of));
    let figures = [summary::latency(action), summary::change(action), summary::work(action)];
    let figures: Vec<String> = figures.into_iter().filter(|text| text != "–").collect();
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let text = format!("`{}` {}: {}{reason}", action.name, action.verdict.word(), figures.join(", "));
    Case { group: Group::Actions, level, id, subject: action.name.clone(), text, place: None, ignored: None }
}

fn level(severity: Severity, fails: bool, is_ignored: bool) -> Level {
    match severity {
        _ if fails => Level::Error,
        _ if is_ignored => Level::Pass,
        Severity::Note => Level::Note,
        _ => Level::Warning,
    }
}

fn figures(action: &ActionComparison) -> Vec<Figure> {
    let of = |metric: &'static str, of: &Option<MetricComparison>| {
        let Some(of) = of else { return Vec::new() };
        let figure = |side: &'static str, us: f64, change: Option<[f64; 3]>| Figure {
            action: action.name.clone(),
            metric,
            side: Some(side),
            unit: "seconds",
            value: us / 1e6,
            change,
        };
        let change = of.change.map(|change| [change.change, change.low, change.high]);
        vec![figure("before", of.before_us, None), figure("after", of.after_us, change)]
    };
    let mut figures = [("p50", &action.p50), ("p95", &action.p95), ("p99", &action.p99)]
        .into_iter()
        .flat_map(|(name, metric)| of(name, metric))
        .collect::<Vec<_>>();
    if let Some(counts) = &action.counts {
        for (side, value) in [("before", counts.before.blocks), ("after", counts.after.blocks)] {
            let (action, metric) = (action.name.clone(), "blocks");
            figures.push(Figure { action, metric, side: Some(side), unit: "blocks", value, change: None });
        }
    }
    figures
}

fn of_quantiles(action: &str, of: &Quantiles) -> Vec<Figure> {
    let known = [("p50", of.us_p50), ("p95", of.us_p95), ("p99", of.us_p99), ("p999", of.us_p999)];
    let figure = |(metric, us): (&'static str, Option<f64>)| {
        let (action, unit) = (action.to_owned(), "seconds");
        Some(Figure { action, metric, side: None, unit, value: us? / 1e6, change: None })
    };
    known.into_iter().filter_map(figure).collect()
}
