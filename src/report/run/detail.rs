//! Every number of a run on a terminal: server, waits, locks, index use, slow operations and the driver's own part.
//! Must hold every number that
//! `report.md` has.

use std::io::{self, Write};

use super::summary::Summary;
use super::{full, latency, terminal};
use crate::evidence::run::RunEvidence;
use crate::report::detail::table;
use crate::report::page::Page;
use crate::report::printable::with_printable_names;

/// Writes the report.
///
/// # Errors
/// When the writer fails.
pub fn write(run: &RunEvidence, page: &Page, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let summary = Summary::of(printable.as_ref().unwrap_or(run));
    let mut lines = terminal::head(&summary, page);
    lines.push(String::new());
    lines.extend(page.items(&summary.setting));
    lines.push(String::new());
    lines.extend(table(&latency::FULL_HEADER, latency::full_rows(summary.run)).lines().map(str::to_owned));
    lines.push(String::new());
    for note in full::notes(&summary) {
        let (label, text) = note.split_once(' ').unwrap_or((note.as_str(), ""));
        lines.extend(page.labelled(label, &[text.trim_start().to_owned()]));
    }
    for line in lines {
        writeln!(out, "{}", page.text(&line))?;
    }
    Ok(())
}
