//! The report for a pull request: what changed open, what did not folded. Must stay readable as plain text, and render
//! the same on GitHub and GitLab.

use std::io::{self, Write};

use super::printable::PrintableTrial;
use super::summary::{self, Summary};
use super::{Trial, dropped_text, full, words};

/// The mark by which a comment is found again and updated in place.
pub const MARKER: &str = "<!-- weighbridge -->";

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    let trial = printable.trial();
    let summary = Summary::of(trial, None);
    let evidence = trial.evidence;
    writeln!(out, "{MARKER}\n## `{}`: {}\n", summary.label, summary.verdict.word())?;
    writeln!(out, "{}\n", summary.claims.join("; "))?;
    if !evidence.complete {
        let planned = evidence.design.chunks_planned;
        writeln!(out, "**Interrupted**: {} of {planned} chunks were measured.\n", evidence.chunks.len())?;
    }
    if let Some(dropped) = &trial.comparison.dropped {
        writeln!(out, "**Warning**: {}.\n", dropped_text(dropped))?;
    }
    full::gates(&summary.gates, out)?;
    if !summary.changed.is_empty() {
        writeln!(out, "| action | p95 before → after | change (95 % CI) | work/op | verdict |")?;
        writeln!(out, "| --- | ---: | ---: | ---: | --- |")?;
        for action in &summary.changed {
            writeln!(
                out,
                "| {} | {} | {} | {} | **{}** |",
                full::cell(&action.name),
                summary::latency(action),
                summary::change(action),
                summary::work(action),
                action.verdict.word()
            )?;
        }
        writeln!(out)?;
    }
    for (label, items) in &summary.lines {
        writeln!(out, "- **{label}**: {}", items.join(" · "))?;
    }
    if let Some(text) = summary::unchanged_text(&summary) {
        fold(out, &text, &summary::names(&summary.unchanged))?;
    }
    let statements: Vec<String> = words::statements(evidence).iter().map(|sql| format!("{sql};")).collect();
    fold(out, &summary.applied.join(" · "), &format!("```sql\n{}\n```", statements.join("\n")))?;
    let mut detail = Vec::new();
    full::body(trial, &mut detail)?;
    fold(out, "every number", &String::from_utf8_lossy(&detail))
}

/// A part that is closed until a reader opens it.
pub(super) fn fold(out: &mut impl Write, title: &str, body: &str) -> io::Result<()> {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(out, "\n<details><summary>{title}</summary>\n\n{}\n\n</details>", body.trim())
}
