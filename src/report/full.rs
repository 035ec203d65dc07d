//! Every number of a trial as Markdown: `report.md`. Must stay readable as plain text.

use std::io::{self, Write};

use super::gates::GateRow;
use super::printable::PrintableTrial;
use super::{Trial, claim, counted, dropped_text, finding, isolated, summary, words};

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    let trial = printable.trial();
    let Trial { evidence, comparison } = trial;
    writeln!(out, "## `{}`: {}\n", evidence.migration.label, comparison.verdict.word())?;
    writeln!(out, "{}\n", claim::headline(comparison))?;
    gates(&summary::gates(comparison), out)?;
    writeln!(out, "```sql")?;
    for statement in words::statements(evidence) {
        writeln!(out, "{statement};")?;
    }
    writeln!(out, "```\n{}\n", words::migration(evidence))?;
    body(trial, out)
}

/// Gates as a table.
pub(super) fn gates(rows: &[GateRow], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "| gate | observed | |\n| --- | ---: | --- |")?;
    for row in rows {
        writeln!(out, "| `{}` | {} | **{}** |", cell(&row.gate), cell(&row.observed), row.fate.word())?;
    }
    writeln!(out)
}

/// All of it but its head.
pub(super) fn body(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let Trial { evidence, comparison } = trial;
    writeln!(out, "{}\n", words::setting(evidence, comparison))?;
    if !evidence.complete {
        let planned = evidence.design.chunks_planned;
        writeln!(out, "**Interrupted**: {} of {planned} chunks were measured.\n", evidence.chunks.len())?;
    }
    if let Some(dropped) = &comparison.dropped {
        writeln!(out, "**Warning**: {}.\n", dropped_text(dropped))?;
    }
    if evidence.design.chunks_planned != 0 {
        measured(trial, out)?;
    }
    timed(trial, out)?;
    indexes(trial, out)?;
    counts(trial, out)?;
    let findings = comparison.findings.iter().map(|found| {
        let kind = finding::kind(found.severity);
        format!("{kind}: {} (`{}`)", finding::long(found), found.id())
    });
    let lines: Vec<String> = words::notes(evidence, comparison).into_iter().chain(findings).collect();
    if !lines.is_empty() {
        writeln!(out)?;
        for line in lines {
            writeln!(out, "- {line}")?;
        }
    }
    Ok(())
}

/// What single operations cost, beside the latencies or alone.
fn counts(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let rows = counted::rows(trial.comparison);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}\n", words::counted(trial.evidence))?;
    writeln!(out, "| {} |", counted::HEADER.join(" | "))?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |")?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// What single operations take on idle sides.
fn timed(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(title) = isolated::title(trial.evidence) else { return Ok(()) };
    writeln!(out, "\n{title}\n")?;
    let rows = isolated::rows(trial.comparison);
    if !rows.is_empty() {
        writeln!(out, "| {} |", isolated::HEADER.join(" | "))?;
        writeln!(out, "| --- | ---: | ---: | ---: | --- |")?;
    }
    for row in rows {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)?;
    for line in isolated::lines(trial.evidence, trial.comparison) {
        writeln!(out, "- {line}")?;
    }
    writeln!(out)
}

/// Latencies.
fn measured(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let Trial { comparison, .. } = trial;
    writeln!(out, "| action | weight | p50 ms | p95 ms | p99 ms | change of p95 | A/A | work per call | verdict |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |")?;
    for action in &comparison.actions {
        writeln!(
            out,
            "| {} | {:.0} % | {} | {} | {} | {} | {} | {} | **{}** |",
            cell(&action.name),
            action.share * 100.0,
            words::both_ms(action.p50.as_ref()),
            words::both_ms(action.p95.as_ref()),
            words::both_ms(action.p99.as_ref()),
            words::change(action.p95.as_ref().and_then(|p95| p95.change)),
            words::change(action.p95.as_ref().and_then(|p95| p95.control)),
            words::work(action),
            action.verdict.word(),
        )?;
    }
    writeln!(out, "\n| action | change of p50 | A/A | change of p99, which decides nothing | A/A |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: |")?;
    for action in &comparison.actions {
        let cells = [&action.p50, &action.p99].into_iter().flat_map(|metric| {
            let metric = metric.as_ref();
            [words::change(metric.and_then(|m| m.change)), words::change(metric.and_then(|m| m.control))]
        });
        writeln!(out, "| {} | {} |", cell(&action.name), cells.collect::<Vec<_>>().join(" | "))?;
    }
    if let Some(workload) = words::workload(comparison) {
        writeln!(out, "\nWorkload: {workload}.")?;
    }
    if let Some(impact) = words::impact(comparison) {
        writeln!(out, "\nThe {impact}.")?;
    }
    if let Some(proven) = words::not_slower(comparison) {
        writeln!(out, "\nActions {proven}.")?;
    }
    Ok(())
}

/// The use of indexes.
fn indexes(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let Trial { comparison, .. } = trial;
    if !comparison.indexes.is_empty() {
        writeln!(out, "\n| | index | actions that use it | scans/op | entries/op | blocks/op | size |")?;
        writeln!(out, "| --- | --- | --- | ---: | ---: | ---: | ---: |")?;
        for index in &comparison.indexes {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                words::mark(index).trim(),
                cell(&words::index_name(index)),
                words::users(index),
                words::scans(index),
                words::index_tuples(index),
                words::index_blocks(index),
                words::size(index),
            )?;
        }
    }
    Ok(())
}

pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
