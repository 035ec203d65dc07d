//! Every number of a run as Markdown: `report.md`. Must stay readable as plain text.

use std::io::{self, Write};

use super::summary::Summary;
use super::{latency, search};
use crate::compare::run::finding::is_open_loop;
use crate::evidence::run::RunEvidence;
use crate::report::finding::{kind, of_run};
use crate::report::full::{cell, gates};
use crate::report::printable::with_printable_names;
use crate::report::view;
use crate::units::{count_text, percent_text};

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let summary = Summary::of(printable.as_ref().unwrap_or(run));
    writeln!(out, "## `{}`: {}\n\n{}\n", summary.run.name, summary.word(), summary.claims.join("; "))?;
    gates(&summary.gates, out)?;
    body(&summary, out)
}

/// All of it but its head.
pub(super) fn body(summary: &Summary<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", summary.setting.join(" · "))?;
    writeln!(out, "| {} |", latency::FULL_HEADER.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(latency::FULL_HEADER.len() - 1))?;
    for row in latency::full_rows(summary.run) {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)?;
    for line in notes(summary) {
        writeln!(out, "- {}", line.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    Ok(())
}

/// What was seen beside the latencies, one line each.
pub(in crate::report) fn notes(summary: &Summary<'_>) -> Vec<String> {
    let run = summary.run;
    let mut lines: Vec<String> = search::lines(run, true).into_iter().map(|line| format!("rate   {line}")).collect();
    for (class, seen) in &run.failures {
        lines.push(format!("failed {class} {} times: {}", count_text(seen.count), seen.texts.join(" / ")));
    }
    lines.extend(view::lines(run));
    lines.push(driver(run));
    for finding in &summary.findings {
        lines.push(format!("{} {} ({})", kind(finding.severity), of_run::long(finding), finding.id()));
    }
    lines
}

fn driver(run: &RunEvidence) -> String {
    let driver = &run.driver;
    let mut parts = vec![
        format!("driver busiest thread {} of a processor", percent_text(driver.cpu_share_max)),
        format!("{:.1} µs per operation", driver.cpu_us_per_operation),
    ];
    if is_open_loop(run) {
        let (p50, p99) = (driver.timer_lag.us_p50 / 1e3, driver.timer_lag.us_p99 / 1e3);
        parts.push(format!("timer late p50 {p50:.3} ms, p99 {p99:.3} ms"));
    }
    parts.push(format!("clock {:.0} ns", driver.clock_ns));
    if let Some(in_flight) = run.in_flight {
        parts.push(format!("{:.3} operations in flight on average", in_flight.counted_mean));
    }
    parts.push(format!("streams {}", driver.digest));
    if driver.reconnects > 0 {
        parts.push(format!("{} reconnects", driver.reconnects));
    }
    parts.join(" · ")
}
