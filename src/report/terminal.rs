//! The report on a terminal that a reader takes in at a glance. Must fit its page and leave every other number to
//! `--detail`.

use std::io::{self, Write};

use super::page::{Grid, Page, cut};
use super::printable::PrintableTrial;
use super::summary::{self, Summary};
use super::{Trial, dropped_text, gates, isolated};

/// Writes the report; `folder` is where the result stands.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, page: &Page, folder: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    let trial = printable.trial();
    let summary = Summary::of(trial, folder);
    let mut lines = Vec::new();
    lines.push(format!(
        "{}    {}",
        summary.label,
        page.verdict(summary.verdict, &summary.verdict.word().to_uppercase())
    ));
    lines.extend(page.wrapped(&summary.claims.join("; ")));
    lines.push(String::new());
    let gates = gates::lines(&summary.gates, page);
    if !gates.is_empty() {
        lines.extend(gates);
        lines.push(String::new());
    }
    let room = page.columns() - 2;
    lines.extend(summary.statements.iter().map(|statement| format!("  {}", cut(statement, room))));
    lines.extend(page.wrapped(&summary.applied.join(" · ")));
    let evidence = trial.evidence;
    if !evidence.complete {
        let planned = evidence.design.chunks_planned;
        lines.push(format!("  interrupted: {} of {planned} chunks were measured", evidence.chunks.len()));
    }
    if let Some(dropped) = &trial.comparison.dropped {
        lines.extend(page.wrapped(&dropped_text(dropped)));
    }
    lines.push(String::new());
    lines.extend(actions(&summary, page, evidence.design.chunks_planned > 0));
    lines.push(String::new());
    lines.extend(summary.lines.iter().flat_map(|(label, items)| page.labelled(label, items)));
    if let Some(folder) = folder {
        lines.extend(page.labelled("details", &[format!("weighbridge report {folder} --detail")]));
    }
    for line in lines {
        writeln!(out, "{}", page.text(&line))?;
    }
    Ok(())
}

/// A line for each action that changed, one for all others.
fn actions(summary: &Summary<'_>, page: &Page, is_timed: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !summary.changed.is_empty() {
        let row = |action: &&crate::compare::ActionComparison| {
            // Without load the processor time of single operations is what there is.
            let timed = |text: String, alone: fn(&crate::compare::ActionComparison) -> String| {
                if is_timed { text } else { alone(action) }
            };
            vec![
                action.name.clone(),
                timed(summary::latency(action), isolated::cpu),
                timed(summary::change(action), isolated::cpu_change),
                summary::work(action),
                action.verdict.word().to_owned(),
            ]
        };
        let grid = Grid {
            header: vec![
                "action",
                if is_timed { "p95 before → after" } else { "CPU before → after" },
                "change (95 % CI)",
                "work/op",
                "verdict",
            ],
            to_the_right: vec![false, true, true, true, false],
            least_important: vec![3, 1],
            rows: summary.changed.iter().map(row).collect(),
        };
        lines.extend(grid.lines(page, |number, word| page.verdict(summary.changed[number].verdict, word)));
    }
    lines.extend(summary::unchanged_text(summary).iter().flat_map(|text| page.wrapped(text)));
    lines
}
