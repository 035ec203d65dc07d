//! Annotations of GitHub Actions: one workflow command for each failure, open case, warning and note. Must let no
//! text begin a command of its own.

use std::io::{self, Write};

use super::machine::{Case, Document, Level};

/// Writes a proof, a run or a check.
///
/// # Errors
/// When the writer fails.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
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
