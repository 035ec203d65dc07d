//! A run on a terminal that a reader takes in at a glance: gates, one table, findings. Must fit its page and leave
//! every other number to
//! `--detail`.

use std::io::{self, Write};

use super::summary::{self, Summary};
use super::{latency, search};
use crate::evidence::run::RunEvidence;
use crate::report::gates;
use crate::report::page::{Grid, Page};
use crate::report::printable::with_printable_names;
use crate::units::plural;

/// Writes the report; `folder` is where the result stands.
///
/// # Errors
/// When the writer fails.
pub fn write(run: &RunEvidence, page: &Page, folder: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let summary = Summary::of(printable.as_ref().unwrap_or(run));
    let mut lines = head(&summary, page);
    lines.push(String::new());
    lines.extend(page.items(&summary.setting));
    lines.push(String::new());
    lines.extend(table(&summary, page));
    lines.push(String::new());
    let rates = search::lines(summary.run, false);
    lines.extend(
        rates.iter().enumerate().flat_map(|(number, rate)| {
            page.labelled(if number == 0 { "rates" } else { "" }, std::slice::from_ref(rate))
        }),
    );
    lines.extend(summary.important().flat_map(|(kind, text)| page.labelled(kind, &[text])));
    let others = summary.others();
    if !others.is_empty() {
        let rest = format!("{}, see --detail", plural(others.len(), "note"));
        lines.extend(page.labelled("notes", &if others.len() > 3 { vec![rest] } else { others }));
    }
    lines.extend(page.labelled("driver", &summary::driver(summary.run)));
    if let Some(folder) = folder {
        lines.extend(page.labelled("details", &[format!("weighbridge report {folder} --detail")]));
    }
    for line in lines {
        writeln!(out, "{}", page.text(&line))?;
    }
    Ok(())
}

/// The verdict, what it rests on, and the gates.
pub(super) fn head(summary: &Summary<'_>, page: &Page) -> Vec<String> {
    let word = summary.word().to_uppercase();
    let mut lines = vec![format!("{}    {}", summary.run.name, page.verdict(summary.colour(), &word))];
    lines.extend(page.wrapped(&summary.claims.join("; ")));
    let gates = gates::lines(&summary.gates, page);
    if !gates.is_empty() {
        lines.push(String::new());
        lines.extend(gates);
    }
    lines
}

fn table(summary: &Summary<'_>, page: &Page) -> Vec<String> {
    let rows = latency::rows(summary.run);
    let grid = Grid {
        header: latency::HEADER.to_vec(),
        to_the_right: (0..latency::HEADER.len()).map(|column| column > 0).collect(),
        least_important: latency::LEAST_IMPORTANT.to_vec(),
        rows,
    };
    grid.lines(page, |_, cell| cell.to_owned())
}
