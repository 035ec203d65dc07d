//! A proof as one page. Must show what `report.md` shows, with the charts of it.

use std::io::{self, Write};

use askama::Template;

use super::action::{ActionView, actions};
use super::{FindingRow, FoldedTable, Shell};
use crate::compare::IndexComparison;
use crate::compare::curves::{curves, events};
use crate::report::printable::PrintableTrial;
use crate::report::summary::Summary;
use crate::report::{Trial, chart, claim, counted, dropped_text, finding, isolated, words};

#[derive(Template)]
#[template(path = "trial.html")]
struct TrialPage<'t> {
    shell: Shell,
    statements: Vec<String>,
    applied: String,
    lines: Vec<(&'t str, Vec<String>)>,
    is_timed: bool,
    actions: Vec<ActionView>,
    indexes: Vec<IndexRow>,
}

/// An index with its use on both sides.
struct IndexRow {
    name: String,
    fate: &'static str,
    users: String,
    size: String,
    size_value: f64,
    size_bars: String,
    scans: String,
    scans_value: f64,
    scan_bars: String,
    blocks: String,
}

/// Writes the page; `folder` is where the result stands.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, folder: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    let trial = printable.trial();
    let Trial { evidence, comparison } = trial;
    let summary = Summary::of(trial, folder);
    let mut shell = Shell::new(summary.label, summary.verdict.word(), summary.verdict.word());
    shell.claims = std::iter::once(claim::headline(comparison)).chain(warnings(trial)).collect();
    shell.gates = summary.gates;
    shell.findings = findings(trial);
    shell.tables = tables(trial);
    shell.method = std::iter::once(words::setting(evidence, comparison))
        .chain(
            [words::workload(comparison), words::impact(comparison), words::not_slower(comparison)]
                .into_iter()
                .flatten(),
        )
        .chain(words::notes(evidence, comparison))
        .collect();
    shell.commands = folder.map(commands).unwrap_or_default();
    shell.started_at.clone_from(&evidence.started_at);
    let page = TrialPage {
        shell,
        statements: words::statements(evidence).iter().map(|sql| format!("{sql};")).collect(),
        applied: words::migration(evidence),
        // What is to be done next is under the heading of its own.
        lines: summary.lines.into_iter().filter(|(label, _)| *label != "next").collect(),
        is_timed: evidence.design.chunks_planned > 0,
        actions: actions(trial, &curves(evidence), &events(evidence)),
        indexes: indexes(&comparison.indexes),
    };
    page.write_into(out).map_err(io::Error::other)
}

/// What limits the whole result.
fn warnings(trial: Trial<'_>) -> Vec<String> {
    let Trial { evidence, comparison } = trial;
    let planned = evidence.design.chunks_planned;
    let cut_off = (!evidence.complete)
        .then(|| format!("Interrupted: {} of {planned} chunks were measured.", evidence.chunks.len()));
    cut_off.into_iter().chain(comparison.dropped.as_ref().map(dropped_text)).collect()
}

fn findings(trial: Trial<'_>) -> Vec<FindingRow> {
    let row = |of: &crate::compare::Finding| FindingRow {
        kind: finding::kind(of.severity),
        id: of.id(),
        text: finding::long(of),
        fails: of.fails,
    };
    trial.comparison.findings.iter().map(row).collect()
}

/// Work and time of single operations.
fn tables(trial: Trial<'_>) -> Vec<FoldedTable> {
    let Trial { evidence, comparison } = trial;
    let mut tables = Vec::new();
    let rows = counted::rows(comparison);
    if !rows.is_empty() {
        let lines = vec![words::counted(evidence)];
        let title = "Work of single operations".to_owned();
        tables.push(FoldedTable { title, lines, header: counted::HEADER.to_vec(), rows });
    }
    if let Some(line) = isolated::title(evidence) {
        let lines = std::iter::once(line).chain(isolated::lines(evidence, comparison)).collect();
        let (header, rows) = (isolated::HEADER.to_vec(), isolated::rows(comparison));
        tables.push(FoldedTable { title: "Time of single operations".to_owned(), lines, header, rows });
    }
    tables
}

/// How to see more of it and how to do it again.
fn commands(folder: &str) -> Vec<String> {
    vec![
        format!("weighbridge report {folder} --detail"),
        format!("weighbridge verify {folder}"),
        format!("sh {folder}/inputs/repeat.sh"),
    ]
}

fn indexes(indexes: &[IndexComparison]) -> Vec<IndexRow> {
    let sizes = |index: &IndexComparison| [&index.before, &index.after].map(|of| size(of.as_ref()));
    let scans = |index: &IndexComparison| {
        [(&index.before, index.operations_before), (&index.after, index.operations_after)]
            .map(|(of, operations)| of.as_ref().map_or(0.0, |of| of.scans as f64 / operations.max(1) as f64))
    };
    let most = |of: &dyn Fn(&IndexComparison) -> [f64; 2]| indexes.iter().flat_map(of).fold(0.0, f64::max);
    let (largest, busiest) = (most(&sizes), most(&scans));
    let row = |index: &IndexComparison| {
        let ([size_before, size_after], [scans_before, scans_after]) = (sizes(index), scans(index));
        IndexRow {
            name: words::index_name(index),
            fate: fate(index),
            users: words::users(index),
            size: words::size(index),
            size_value: size_after.max(size_before),
            size_bars: chart::bars(size_before, size_after, largest),
            scans: words::scans(index),
            scans_value: scans_after,
            scan_bars: chart::bars(scans_before, scans_after, busiest),
            blocks: words::index_blocks(index),
        }
    };
    indexes.iter().map(row).collect()
}

fn size(of: Option<&crate::evidence::IndexUse>) -> f64 {
    of.map_or(0.0, |of| of.size_bytes as f64)
}

fn fate(index: &IndexComparison) -> &'static str {
    use crate::compare::indexes::Fate;
    match index.fate {
        Fate::New => "new",
        Fate::Lost => "dropped",
        Fate::Changed => "changed",
        Fate::Kept if index.unchanged => "as before",
        Fate::Kept => "used otherwise",
    }
}
