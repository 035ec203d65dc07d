//! Annotations of GitHub Actions: one workflow command for each failure, open case, warning and note. Must let no
//! text begin a command of its own.

use std::io::{self, Write};

use super::Trial;
use super::machine::{Case, Document, Level};
use super::printable::{PrintableTrial, with_printable_names};
use super::round_trip::Checked;
use crate::evidence::run::RunEvidence;

/// Writes a proof.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    document(&Document::of_trial(printable.trial()), out)
}

/// Writes a run.
///
/// # Errors
/// When the writer fails.
pub fn write_run(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    document(&Document::of_run(printable.as_ref().unwrap_or(run)), out)
}

/// Writes a check of migrations.
///
/// # Errors
/// When the writer fails.
pub fn write_check(checked: Checked<'_>, out: &mut impl Write) -> io::Result<()> {
    document(&Document::of_check(checked), out)
}

fn document(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let mut cases: Vec<&Case> = document.cases.iter().filter(|case| case.level != Level::Pass).collect();
    // GitHub shows ten of each kind: the most severe comes first.
    cases.sort_by_key(|case| case.level);
    for case in cases {
        let command = match case.level {
            Level::Error => "error",
            Level::Open | Level::Warning => "warning",
            Level::Note | Level::Pass => "notice",
        };
        let title = property(&format!("weighbridge {}: {}", document.name, case.id));
        let place = case.place.as_ref().map(|place| {
            let line = place.line.map(|line| format!("line={line},")).unwrap_or_default();
            format!("file={},{line}", property(place.file.trim_start_matches("./")))
        });
        writeln!(out, "::{command} {}title={title}::{}", place.unwrap_or_default(), data(&case.text))?;
    }
    let word = if document.is_passed() { "notice" } else { "warning" };
    let title = property(&format!("weighbridge {}", document.name));
    writeln!(out, "::{word} title={title}::{}", data(&document.headline))
}

/// The text of a command (actions/toolkit, `escapeData`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property (actions/toolkit, `escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
