//! A folder of migrations as text or JSON. Must print every step on a line of its own.

use std::io::{self, Write};

use super::printable::printable_json;
use crate::evidence::listing::{ListedPart, Listing};
use crate::units::plural;

/// For a terminal.
///
/// # Errors
/// When the writer fails.
pub fn write(listing: &Listing, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "layout  {}: {}", listing.layout, listing.reason)?;
    writeln!(out, "folder  {} · {}\n", listing.folder, plural(listing.migrations.len(), "migration"))?;
    let rows: Vec<[String; 3]> = listing
        .migrations
        .iter()
        .map(|migration| {
            let down = migration.down.as_ref().map_or_else(|| "down: none".to_owned(), |down| part("down", down));
            [migration.label.clone(), part("up", &migration.up), down]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (label, up) = (width(0), width(1));
    for row in &rows {
        writeln!(out, "  {:label$}  {:up$}  {}", row[0], row[1], row[2])?;
    }
    let names =
        listing.migrations.iter().flat_map(|m| std::iter::once(&m.up).chain(&m.down)).flat_map(|p| &p.placeholders);
    let mut names: Vec<String> = names
        .map(|(name, value)| match value {
            Some(value) => format!("{name} = {value}"),
            None => format!("{name} (no value: the steps that name it cannot be applied)"),
        })
        .collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        writeln!(out, "\nplaceholders")?;
        names.iter().try_for_each(|name| writeln!(out, "  {name}"))?;
    }
    if !listing.warnings.is_empty() {
        writeln!(out, "\nwarnings")?;
    }
    for warning in &listing.warnings {
        let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
        writeln!(out, "  {}  {}{line}: {}", warning.name, warning.file, warning.message)?;
        warning.help.iter().try_for_each(|help| writeln!(out, "    help: {help}"))?;
    }
    Ok(())
}

fn part(direction: &str, part: &ListedPart) -> String {
    match (part.is_empty, part.messages) {
        (true, _) => format!("{direction}: empty"),
        (false, 0) => format!("{direction}: {}", part.sent),
        (false, messages) => format!("{direction}: {}, {}", part.sent, plural(messages, "statement")),
    }
}

/// For programs.
///
/// # Errors
/// When the writer fails.
pub fn json(listing: &Listing, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(listing)?))
}
