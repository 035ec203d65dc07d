//! Isolated timing as a table and a few lines. Must say what was not measured, and what would make it finer.

use super::words::with_interval;
use crate::compare::measurement::isolated::{Claim, ClassTimes, IsolatedComparison, TimeComparison};
use crate::compare::parameters::ParameterClass;
use crate::compare::verdict::Row;
use crate::compare::{ActionComparison, Comparison};
use crate::evidence::{Evidence, Isolated, LeftOut, Pinning, ProcessorTime};
use crate::units::{percent_text, plural};

/// Heads of the columns.
pub(super) const HEADER: [&str; 5] = ["action", "CPU µs", "change of CPU", "change on the clock", "verdict"];

/// A line for each action that was timed.
pub(super) fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let row = |action: &ActionComparison| {
        let isolated = action.isolated.as_ref()?;
        let change = |time: Option<TimeComparison>| time.map_or_else(String::new, |time| with_interval(time.change));
        let cpu = isolated.cpu.map_or_else(String::new, |cpu| format!("{:.0} → {:.0}", cpu.before_us, cpu.after_us));
        let verdict = match action.decision.map(|decision| decision.row) {
            Some(Row::SameWallTimeOnly) => format!("{} (wall time only)", action.verdict.word()),
            _ => action.verdict.word().to_owned(),
        };
        Some(vec![action.name.clone(), cpu, change(isolated.cpu), change(isolated.wall), verdict])
    };
    comparison.actions.iter().filter_map(row).collect()
}

/// Processor time of an operation before and after; empty where it is not known.
pub(super) fn cpu(action: &ActionComparison) -> String {
    let cpu = action.isolated.as_ref().and_then(|isolated| isolated.cpu);
    cpu.map_or_else(String::new, |cpu| format!("{:.0} → {:.0} µs", cpu.before_us, cpu.after_us))
}

/// Its change; that on the clock where processor time is not known.
pub(super) fn cpu_change(action: &ActionComparison) -> String {
    let time = action.isolated.as_ref().and_then(|isolated| isolated.cpu.or(isolated.wall));
    time.map_or_else(String::new, |time| with_interval(time.change))
}

/// What stands above the table.
pub(super) fn title(evidence: &Evidence) -> Option<String> {
    let isolated = evidence.isolated.as_ref()?;
    if isolated.left_out == Some(LeftOut::InPlace) {
        return Some("no isolated timing: one database is all sides in turn".to_owned());
    }
    let sets = || isolated.actions.iter().map(|action| action.sets.len()).filter(|sets| *sets > 0);
    let (fewest, most) = (sets().min().unwrap_or_default(), sets().max().unwrap_or_default());
    let sets = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    let how = match (isolated.processor_time, isolated.pinning) {
        (ProcessorTime::Read, Pinning::Pinned) => "pinned to one processor",
        (ProcessorTime::Read, _) => "not pinned, for the system refuses it",
        (ProcessorTime::Pooled, _) => "on the clock alone, for a pooler is between",
        (ProcessorTime::Unseen, _) => "on the clock alone, for the server's processes are not seen from here",
    };
    Some(format!("isolated timing: {sets} connection sets an action in {:.0} s, {how}", isolated.elapsed_s))
}

/// What stands below it.
pub(super) fn lines(evidence: &Evidence, comparison: &Comparison) -> Vec<String> {
    let Some(isolated) = &evidence.isolated else { return Vec::new() };
    let mut lines: Vec<String> = bill(comparison).into_iter().collect();
    lines.extend(comparison.actions.iter().flat_map(classes));
    let waiting = comparison.actions.iter().filter(|action| action.decision.is_some_and(|decision| decision.waiting));
    lines.extend(waiting.map(|action| {
        format!("{}: the same processor time, another time on the clock: it waits longer or shorter", action.name)
    }));
    lines.extend(comparison.actions.iter().filter_map(left_out));
    lines.extend(noise(evidence, isolated, comparison).map(|noise| format!("noise: {noise}")));
    lines
}

/// What the migration does to the bill.
pub(super) fn bill(comparison: &Comparison) -> Option<String> {
    let bill = comparison.bill?;
    let cpu = format!("CPU of the mix: {:.0} → {:.0} µs/op", bill.before_us, bill.after_us);
    Some(match (bill.processors(), bill.rate_per_s) {
        (Some((before, after)), Some(rate)) => {
            format!("{cpu}, {before:.3} → {after:.3} processors at {rate:.0} operations a second")
        }
        _ => cpu,
    })
}

/// Classes of parameters that are proven to change.
fn classes(action: &ActionComparison) -> Vec<String> {
    let classes = action.isolated.iter().flat_map(|isolated| &isolated.classes);
    let changed = classes.filter(|class| matches!(class.claim, Claim::Faster | Claim::Slower));
    let word = |class: &ClassTimes| match class.class {
        ParameterClass::None => "that find nothing",
        ParameterClass::Normal => "that find the usual",
        ParameterClass::Heavy => "that find much",
    };
    let text = |class: &ClassTimes| {
        let sets = plural(class.sets as usize, "set");
        format!("{}: {sets} of parameters {}: {}", action.name, word(class), with_interval(class.change))
    };
    changed.map(text).collect()
}

/// An action that was not measured, or not as finely as it was to be.
fn left_out(action: &ActionComparison) -> Option<String> {
    let isolated: &IsolatedComparison = action.isolated.as_ref()?;
    let why = match isolated.left_out {
        Some(LeftOut::Refused) => "the server refuses it",
        Some(LeftOut::NotCounted) => "no operation of it was counted",
        Some(LeftOut::TooSlow) => "one operation takes more than ten seconds",
        Some(LeftOut::Lost) => "the connection was lost",
        Some(LeftOut::InPlace) => return None,
        None if isolated.unfinished => "the time was used before its interval was narrow",
        None => return None,
    };
    Some(format!("{}: {} of isolated timing, {why}", action.name, plural(isolated.sets as usize, "connection set")))
}

/// How far identical clones differ here, and the one command that makes that less.
pub(super) fn noise(evidence: &Evidence, isolated: &Isolated, comparison: &Comparison) -> Option<String> {
    let cpu = || comparison.actions.iter().filter_map(|action| action.isolated.as_ref()?.cpu);
    let largest = cpu().map(|cpu| cpu.control.change.abs()).reduce(f64::max)?;
    let pages = match isolated.huge_pages {
        Some(true) => ", on huge pages".to_owned(),
        Some(false) => match evidence.server.settings.get("shared_memory_size_in_huge_pages") {
            Some(pages) => format!("; sudo sysctl -w vm.nr_hugepages={pages} before the server starts halves it"),
            None => "; huge pages halve it (vm.nr_hugepages)".to_owned(),
        },
        None => String::new(),
    };
    Some(format!("identical clones differ by up to {} in processor time{pages}", percent_text(largest)))
}
