//! Scenario files, and the files whose actions they use. Must connect to nothing.

use std::path::{Path, PathBuf};

use super::exit::Failure;
use crate::diagnostic::{Advice, Diagnostic, Message, SourceFile, nearest};
use crate::scenario::Scenario;
use crate::scenario::spec::{parse_part, parse_scenario, unknown_action};

/// A scenario with the file it stands in, for mistakes that only a server can find.
pub(super) type Placed = (SourceFile, Scenario);

/// Files deeper than this use each other.
const DEEPEST: usize = 16;

/// Reads scenarios; each is followed by the files it uses. Mistakes of all files are added to `problems`.
pub(super) fn read(paths: &[PathBuf], problems: &mut Vec<String>) -> Vec<Placed> {
    paths.iter().filter_map(|path| read_one(path, problems)).flatten().collect()
}

fn read_one(path: &Path, problems: &mut Vec<String>) -> Option<Vec<Placed>> {
    let (file, mut scenario) = parsed(path, parse_scenario, problems)?;
    let mut parts = Vec::new();
    let found = used(&file, &scenario, 1.0, 0, &mut parts);
    if let Err(list) = found {
        problems.extend(list);
        return None;
    }
    // The mix is one: everybody's part of it is the sum of his weights.
    let weights = |scenario: &Scenario| scenario.actions.iter().map(|action| action.weight).sum::<f64>();
    let total = weights(&scenario) + parts.iter().map(|(_, part)| weights(part)).sum::<f64>();
    let level = scenario.load.level();
    scenario.level = level * weights(&scenario) / total;
    for (_, part) in &mut parts {
        part.level = level * weights(part) / total;
    }
    let all = std::iter::once(&scenario).chain(parts.iter().map(|(_, part)| part));
    let names = all.flat_map(|scenario| &scenario.actions).map(|action| action.name.value.as_str());
    let wrong = scenario.conditions.gates.iter().filter_map(|gate| unknown_action(gate, names.clone()));
    let wrong: Vec<Diagnostic> = wrong.collect();
    if !wrong.is_empty() {
        problems.push(file.problems(wrong).draw());
        return None;
    }
    Some(std::iter::once((file, scenario)).chain(parts).collect())
}

fn parsed(
    path: &Path,
    parse: impl Fn(&str) -> Result<Scenario, Vec<Diagnostic>>,
    problems: &mut Vec<String>,
) -> Option<Placed> {
    match SourceFile::read(path) {
        Ok(file) => match parse(&file.text) {
            Ok(scenario) => return Some((file, scenario)),
            Err(list) => problems.push(file.problems(list).draw()),
        },
        Err(error) => problems.push(error.message().draw("error")),
    }
    None
}

/// Reads what a file uses, and what that uses, with weights multiplied on the way.
fn used(
    file: &SourceFile,
    scenario: &Scenario,
    factor: f64,
    depth: usize,
    parts: &mut Vec<Placed>,
) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    for of in &scenario.uses {
        let wrong = |span: &std::ops::Range<usize>, message: String, help: String| {
            file.clone().problems(vec![Diagnostic::at(span.clone(), message).help(help)]).draw()
        };
        if DEEPEST < depth {
            let help = "leave one of the [[use]] out".to_owned();
            problems.push(wrong(&of.file.span, format!("`{}` uses itself", of.file.text), help));
            continue;
        }
        let path = file.path.parent().unwrap_or(Path::new("")).join(&of.file.text);
        if !path.exists() {
            let help = "its path is counted from the folder of this file".to_owned();
            problems.push(wrong(&of.file.span, format!("{} does not exist", path.display()), help));
            continue;
        }
        let Some((part_file, mut part)) = parsed(&path, parse_part, &mut problems) else { continue };
        let factor = factor * of.weight;
        let mut its = Vec::new();
        if let Err(list) = used(&part_file, &part, factor, depth + 1, &mut its) {
            problems.extend(list);
            continue;
        }
        part.actions.iter_mut().for_each(|action| action.weight *= factor);
        part.used = true;
        its.insert(0, (part_file, part));
        let known: Vec<String> =
            its.iter().flat_map(|(_, part)| &part.actions).map(|action| action.name.value.clone()).collect();
        for wanted in of.actions.iter().filter(|wanted| !known.contains(&wanted.text)) {
            let help = match nearest(&wanted.text, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it has: {}", known.join(", ")),
            };
            problems.push(wrong(&wanted.span, format!("`{}` has no action `{}`", of.file.text, wanted.text), help));
        }
        for (_, part) in &mut its {
            part.actions.retain(|action| {
                of.actions.is_empty() || of.actions.iter().any(|wanted| wanted.text == action.name.value)
            });
        }
        parts.extend(its.into_iter().filter(|(_, part)| !part.actions.is_empty()));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The files that a scenario says it uses.
pub(super) fn uses(file: &SourceFile) -> Vec<PathBuf> {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let uses = parse_part(&file.text).map(|scenario| scenario.uses).unwrap_or_default();
    uses.iter().map(|of| folder.join(&of.file.text)).collect()
}

/// The scenarios as the application asks with this many migrations applied; see [`Scenario::at`].
pub(super) fn at(
    scenarios: &[Placed],
    applied: Option<usize>,
    position: impl Fn(&str) -> Option<usize>,
) -> Result<Vec<Placed>, Failure> {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (file, scenario) in scenarios {
        match scenario.at(applied, &position) {
            Ok(scenario) => found.push((file.clone(), scenario)),
            Err(list) => problems.push(file.clone().problems(list).draw()),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::usage(Message::drawn(problems.join("\n\n")))) }
}

/// Statements that write, on a server that nobody has permitted to be written to. The sessions are read-only too, so
/// that the server refuses what a function does that a query calls; one in which a function turns that off is closed
/// before its next statement.
///
/// # Errors
/// When a statement may write: with its place.
pub(super) fn refuse_writes(scenarios: &[Placed]) -> Result<(), Failure> {
    for (file, scenario) in scenarios {
        let steps = scenario.actions.iter().flat_map(|action| &action.steps);
        let writing = steps.filter(|step| crate::sql::may_write(&step.statement.sql)).map(|step| {
            Diagnostic::at(step.source.span.clone(), "this statement may write, and the server is not the embedded one")
                .help("add --allow-writes if it is no production server")
        });
        let problems: Vec<Diagnostic> = writing.collect();
        if !problems.is_empty() {
            return Err(Failure::usage(file.clone().problems(problems)));
        }
    }
    Ok(())
}
