//! `[gates]` of `weighbridge.toml` and `--gate`: conditions on figures, and findings that fail. Must evaluate none of
//! them.

use std::ops::Range;

use super::exit::Failure;
use super::project::Project;
use super::scenarios::{self, Placed};
use crate::compare::run::finding::all_ids;
use crate::diagnostic::{Diagnostic, Message, nearest};
use crate::document::Table;
use crate::evidence::Policy;
use crate::scenario::gate::{Figure, Gate, check_metric, metric_words};
use crate::scenario::spec::unknown_action;

/// A gate of the project with the place of its key.
#[derive(Debug, Clone)]
pub(super) struct PlacedGate {
    pub(super) gate: Gate,
    key: Range<usize>,
}

/// What `--gate` names: a figure with its limit, or a finding.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Such as `payment_history.p95 < 20ms`.
    Figure(Gate),
    /// Such as `hot-updates-lost`.
    Finding(&'static str),
}

impl Condition {
    /// Reads a flag.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(id) = all_ids().into_iter().find(|id| *id == text.trim()) {
            return Ok(Self::Finding(id));
        }
        match text.contains(['<', '>']) {
            true => Gate::read(text).map(Self::Figure),
            false => match nearest(text, all_ids()) {
                Some(meant) => Err(format!("there is no finding `{text}`; did you mean `{meant}`?")),
                None => Err("a gate is a condition such as p95 < 20ms, or the id of a finding".to_owned()),
            },
        }
    }
}

/// Reads `[gates]`: `"payment_history.p95" = "< 20ms"`, or `"hot-updates-lost" = "fail"`.
pub(super) fn read(mut table: Table<'_, '_>, policy: &mut Policy) -> Vec<PlacedGate> {
    let ids = all_ids();
    let mut gates = Vec::new();
    for (key, value) in table.named_texts() {
        if ids.contains(&key.value.as_str()) {
            if value.text == "fail" {
                policy.fail.push(key.value);
                continue;
            }
            let message = format!("a gate on the finding `{}` is \"fail\"", key.value);
            let help = "leave the key out where the finding is not to fail";
            table.problem(Diagnostic::at(value.span, message).help(help));
        } else if let Err(message) = check_metric(&key.value) {
            table.problem(unknown_key(&key.value, key.span, message, &ids));
        } else {
            match Gate::of(&key.value, &value.text) {
                Ok(gate) => gates.push(PlacedGate { gate, key: key.span }),
                Err(message) => table.problem(Diagnostic::at(value.span, message)),
            }
        }
    }
    gates
}

/// A key that is neither a figure nor the id of a finding, with the nearest name.
fn unknown_key(key: &str, span: Range<usize>, of_figure: String, ids: &[&'static str]) -> Diagnostic {
    let (action, word) = key.rsplit_once('.').map_or((None, key), |(action, word)| (Some(action), word));
    let is_figure = action.is_some() || !key.contains('-');
    let figure = nearest(word, metric_words()).map(|meant| match action {
        Some(action) => format!("{action}.{meant}"),
        None => meant.to_owned(),
    });
    let finding = nearest(key, ids.iter().copied()).map(str::to_owned);
    let meant = if is_figure { figure.or(finding) } else { finding.or(figure) };
    let message = match is_figure {
        true => of_figure,
        false => format!("`{key}` is neither a figure nor the id of a finding"),
    };
    let problem = Diagnostic::at(span, message);
    match meant {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help("docs/findings/ lists the findings, docs/formats/scenario.md the figures"),
    }
}

/// Refuses gates of the project on actions that none of its scenarios has, nor those that are driven: such a gate
/// would always pass.
pub(super) fn check_actions(project: &Project, driven: &[Placed]) -> Result<(), Failure> {
    let Some(file) = project.file.as_ref().filter(|_| !project.gates.is_empty()) else { return Ok(()) };
    let paths: Vec<_> = project.scenarios.iter().map(|path| project.root.join(path)).collect();
    let mut mistakes = Vec::new();
    let own = scenarios::read(&paths, &mut mistakes);
    if !mistakes.is_empty() {
        // Nobody knows which actions a scenario has that cannot be read.
        return Ok(());
    }
    let all = own.iter().chain(driven).flat_map(|(_, scenario)| &scenario.actions);
    let names: Vec<&str> = all.map(|action| action.name.value.as_str()).collect();
    let unknown = project.gates.iter().filter_map(|placed| {
        let problem = unknown_action(&placed.gate, names.iter().copied())?;
        Some(Diagnostic { span: Some(placed.key.clone()), ..problem })
    });
    let unknown: Vec<Diagnostic> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Failure::usage(file.clone().problems(unknown))) }
}

/// What the project and the flags ask of a proof: gates on what it measures of actions it drives, and findings.
pub(super) fn of_proof(project: &Project, flags: &[Condition], driven: &[Placed]) -> Result<Policy, Failure> {
    check_actions(project, driven)?;
    let actions = driven.iter().flat_map(|(_, scenario)| &scenario.actions);
    let names: Vec<&str> = actions.map(|action| action.name.value.as_str()).collect();
    let is_driven = |gate: &&Gate| unknown_action(gate, names.iter().copied()).is_none();
    let own = project.gates.iter().map(|placed| &placed.gate).filter(|gate| is_measured(gate)).filter(is_driven);
    let mut policy = Policy { gates: own.cloned().collect(), ..project.policy.clone() };
    for flag in flags {
        match flag {
            Condition::Finding(id) => policy.fail.push((*id).to_owned()),
            Condition::Figure(gate) => {
                check(gate, &names)?;
                if !is_measured(gate) {
                    let message = format!("the gate `{gate}` is about a figure that a proof does not measure");
                    return Err(Failure::usage(Message::new(message).help(
                        "a proof has p50 to p999, max, mean, errors, skipped and rate; `weighbridge run` has the \
                         others",
                    )));
                }
                policy.gates.push(gate.clone());
            }
        }
    }
    Ok(policy)
}

/// Refuses a gate of a flag on an action that is not there: it would always pass.
pub(super) fn check(gate: &Gate, names: &[&str]) -> Result<(), Failure> {
    let Some(problem) = unknown_action(gate, names.iter().copied()) else { return Ok(()) };
    let message = Message::new(problem.message);
    Err(Failure::usage(problem.help.into_iter().fold(message, Message::help)))
}

/// Whether the load of a proof has the figure. Pools, replicas and limits on answers are those of a run.
fn is_measured(gate: &Gate) -> bool {
    match gate.metric.figure {
        Figure::Latency(_) | Figure::Mean | Figure::Errors | Figure::Skipped | Figure::Rate => true,
        Figure::Unsent | Figure::Late | Figure::Misses | Figure::PoolWait(_) | Figure::ReplicaLag => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    fn read_text(text: &str) -> Result<(Vec<PlacedGate>, Policy), Vec<String>> {
        let mut policy = Policy::default();
        let gates = document::read(text, |root| root.table("gates").map(|table| read(table, &mut policy)));
        let drawn = |of: Diagnostic| {
            let place = of.span.map(|span| text[span].to_owned()).unwrap_or_default();
            format!("{place}: {} ({})", of.message, of.help.unwrap_or_default())
        };
        gates.map(|gates| (gates, policy)).map_err(|list| list.into_iter().map(drawn).collect())
    }

    #[test]
    fn gates_name_figures_and_findings_of_proofs_and_runs() {
        let text = "[gates]\n'payment_history.p95' = '< 20ms'\n'hot-updates-lost' = 'fail'\n'lock-waits' = 'fail'\n";
        let (gates, policy) = read_text(text).unwrap();
        assert_eq!(gates.iter().map(|of| of.gate.text.as_str()).collect::<Vec<_>>(), ["payment_history.p95 < 20ms"]);
        assert_eq!(policy.fail, ["hot-updates-lost", "lock-waits"]);
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_the_nearest_name() {
        let text = "[gates]\n'payment_history.p59' = '< 20ms'\nhot-updates-lots = 'fail'\nerrros = '< 1%'\n\
                    plan-flip = 'warn'\np95 = '< 20'\n";
        let problems = read_text(text).unwrap_err();
        for (problem, parts) in problems.iter().zip([
            ["'payment_history.p59': ", "did you mean `payment_history.p5"],
            ["hot-updates-lots: ", "did you mean `hot-updates-lost`?"],
            ["errros: ", "did you mean `errors`?"],
            ["'warn': ", "a gate on the finding `plan-flip` is \"fail\""],
            ["'< 20': ", "`20` must be a duration"],
        ]) {
            assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
        }
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }

    #[test]
    fn a_flag_names_a_figure_or_a_finding() {
        assert!(matches!(Condition::read("p95 < 20ms"), Ok(Condition::Figure(_))));
        assert!(matches!(Condition::read("plan-flip"), Ok(Condition::Finding("plan-flip"))));
        assert_eq!(
            Condition::read("plan-flop").unwrap_err(),
            "there is no finding `plan-flop`; did you mean `plan-flip`?"
        );
    }
}
