//! A run for a pull request: verdict, gates and the table open, everything else folded. Must render the same on GitHub
//! and GitLab.

use std::io::{self, Write};

use super::summary::{self, Summary};
use super::{full, latency, search};
use crate::evidence::run::RunEvidence;
use crate::report::full::{cell, gates};
use crate::report::markdown::{MARKER, fold};
use crate::report::printable::with_printable_names;

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let summary = Summary::of(printable.as_ref().unwrap_or(run));
    writeln!(out, "{MARKER}\n## `{}`: {}\n\n{}\n", summary.run.name, summary.word(), summary.claims.join("; "))?;
    gates(&summary.gates, out)?;
    writeln!(out, "| {} |", latency::HEADER.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(latency::HEADER.len() - 1))?;
    for row in latency::rows(summary.run) {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)?;
    let rates = search::lines(summary.run, false);
    if !rates.is_empty() {
        writeln!(out, "- **rates**: {}", rates.join("<br>"))?;
    }
    for (kind, text) in summary.important() {
        writeln!(out, "- **{kind}**: {text}")?;
    }
    writeln!(out, "- **driver**: {}", summary::driver(summary.run).join(" · "))?;
    let mut detail = Vec::new();
    full::body(&summary, &mut detail)?;
    fold(out, "every number", &String::from_utf8_lossy(&detail))
}
