//! Every number of a trial on a terminal. Must read well without colour, and must hold every number the Markdown holds
//! but the use of indexes that are used as before and the A/A of each action.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, TableStyle};

use super::page::Page;
use super::printable::PrintableTrial;
use super::{Trial, claim, counted, dropped_text, finding, gates, isolated, summary, words};

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    let trial = printable.trial();
    let Trial { evidence, comparison } = trial;
    let headline = format!("{} · {}", comparison.verdict.word(), claim::headline(comparison));
    writeln!(out, "{}   {headline}\n", evidence.migration.label)?;
    let gates = gates::lines(&summary::gates(comparison), &Page::default());
    gates.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    if !gates.is_empty() {
        writeln!(out)?;
    }
    for statement in words::statements(evidence) {
        writeln!(out, "  {statement}")?;
    }
    writeln!(out, "  {}\n", words::migration(evidence))?;
    writeln!(out, "  {}\n", words::setting(evidence, comparison))?;
    if !evidence.complete {
        let planned = evidence.design.chunks_planned;
        writeln!(out, "  interrupted: {} of {planned} chunks were measured\n", evidence.chunks.len())?;
    }
    if let Some(dropped) = &comparison.dropped {
        writeln!(out, "  {}\n", dropped_text(dropped))?;
    }
    if evidence.design.chunks_planned == 0 {
        counts(trial, out)?;
        timed(trial, out)?;
        indexes(trial, out)?;
    } else {
        actions(trial, out)?;
        timed(trial, out)?;
        indexes(trial, out)?;
        counts(trial, out)?;
    }
    notes(trial, out)
}

fn actions(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut table =
        plain(&["action", "weight", "p50 ms", "p95 ms", "p99 ms", "change of p95", "work per call", "verdict"]);
    for action in &trial.comparison.actions {
        table.add_row(vec![
            action.name.clone(),
            format!("{:.0} %", action.share * 100.0),
            words::both_ms(action.p50.as_ref()),
            words::both_ms(action.p95.as_ref()),
            words::both_ms(action.p99.as_ref()),
            words::change(action.p95.as_ref().and_then(|p95| p95.change)),
            words::work(action),
            action.verdict.word().to_owned(),
        ]);
    }
    align_right(&mut table, 1..=5);
    print(&table, out)?;
    if let Some(workload) = words::workload(trial.comparison) {
        writeln!(out, "  workload: {workload}")?;
    }
    if let Some(impact) = words::impact(trial.comparison) {
        writeln!(out, "  {impact}")?;
    }
    if let Some(proven) = words::not_slower(trial.comparison) {
        writeln!(out, "  {proven}")?;
    }
    writeln!(out)
}

/// What single operations cost, beside the latencies or alone.
fn counts(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let rows = counted::rows(trial.comparison);
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = plain(&counted::HEADER);
    for row in rows {
        table.add_row(row);
    }
    align_right(&mut table, 1..=5);
    writeln!(out, "  {}", words::counted(trial.evidence))?;
    print(&table, out)?;
    writeln!(out)
}

/// What single operations take on idle sides.
fn timed(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(title) = isolated::title(trial.evidence) else { return Ok(()) };
    writeln!(out, "  {title}")?;
    let rows = isolated::rows(trial.comparison);
    if !rows.is_empty() {
        let mut table = plain(&isolated::HEADER);
        for row in rows {
            table.add_row(row);
        }
        align_right(&mut table, 1..=3);
        print(&table, out)?;
    }
    for line in isolated::lines(trial.evidence, trial.comparison) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out)
}

fn indexes(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let (unchanged, others): (Vec<_>, Vec<_>) = trial.comparison.indexes.iter().partition(|index| index.unchanged);
    if others.is_empty() {
        let counters = &trial.evidence.counters;
        let counted = !counters.is_empty() && counters.values().all(|side| !side.reset);
        return if counted { writeln!(out, "  every index is used as before\n") } else { Ok(()) };
    }
    let mut table = plain(&["", "index", "actions that use it", "scans/op", "entries/op", "blocks/op", "size"]);
    for index in others {
        table.add_row(vec![
            words::mark(index).to_owned(),
            words::index_name(index),
            words::users(index),
            words::scans(index),
            words::index_tuples(index),
            words::index_blocks(index),
            words::size(index),
        ]);
    }
    align_right(&mut table, 3..=6);
    print(&table, out)?;
    match unchanged.len() {
        0 => writeln!(out),
        1 => writeln!(out, "     and 1 index that is used as before (report.md)\n"),
        more => writeln!(out, "     and {more} indexes that are used as before (report.md)\n"),
    }
}

fn notes(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut any = false;
    for note in words::notes(trial.evidence, trial.comparison) {
        writeln!(out, "  {note}")?;
        any = true;
    }
    for found in &trial.comparison.findings {
        let kind = finding::kind(found.severity);
        writeln!(out, "  {kind}: {} ({})", finding::long(found), found.id())?;
        any = true;
    }
    if any { writeln!(out) } else { Ok(()) }
}

/// Lines of cells under a header, the numbers of the second to the fourth column to the right.
#[must_use]
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = plain(header);
    for row in rows {
        table.add_row(row);
    }
    align_right(&mut table, 1..=header.len().saturating_sub(2));
    let mut out = Vec::new();
    // Writing to a vector does not fail.
    let _ = print(&table, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header.to_vec());
    table
}

fn align_right(table: &mut Table, columns: std::ops::RangeInclusive<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn print(table: &Table, out: &mut impl Write) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, " {}", line.trim_end())?;
    }
    Ok(())
}
