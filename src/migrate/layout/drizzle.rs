//! Drizzle: the files that `meta/_journal.json` lists, in its order, cut at `--> statement-breakpoint`. Must ignore
//! what the journal does not list.
//!
//! Source: drizzle-orm `migrator.ts` and `pg-core/dialect.ts`: statements run in one transaction, and a step is
//! pending by the journal's `when`.

use serde::Deserialize;

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::folder::{Entry, Folder};
use crate::migrate::migration::Migration;
use crate::migrate::part::{Part, Piece};

pub(super) struct Drizzle;

const JOURNAL: &str = "meta/_journal.json";
const BREAKPOINT: &str = "--> statement-breakpoint";

#[derive(Deserialize)]
struct Journal {
    entries: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    tag: String,
    #[serde(default)]
    when: f64,
}

impl Tool for Drizzle {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        if folder.file(JOURNAL).is_some() {
            return Sign::own("there is a meta/_journal.json");
        }
        let snapshot = |name: &String| {
            folder.file(&format!("{name}/snapshot.json")).is_some()
                && folder.file(&format!("{name}/migration.sql")).is_some()
        };
        if folder.folders.iter().any(snapshot) {
            Sign::own("folders with a migration.sql and a snapshot.json")
        } else {
            None
        }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        match folder.file(JOURNAL) {
            Some(journal) => listed(folder, journal, &mut reading),
            None => {
                for name in folder.folders.iter().filter(|name| !name.contains('/')) {
                    if let Some(entry) = folder.file(&format!("{name}/migration.sql")) {
                        add(entry, name, &mut reading);
                    }
                }
            }
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "__drizzle_migrations",
            qualified: "drizzle.__drizzle_migrations",
            make: "CREATE SCHEMA IF NOT EXISTS drizzle; CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations \
                   (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)",
            enter: "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ({checksum}, {nanos})",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(format!(
            "Drizzle runs all steps in one transaction: end it with `COMMIT;` and `{BREAKPOINT}` before this \
                statement, or run it by hand"
        ))
    }
}

fn listed(folder: &Folder, journal: &Entry, reading: &mut Reading) {
    reading.beside.push(journal.path.clone());
    let read: Journal = match serde_json::from_str(journal.text()) {
        Ok(read) => read,
        Err(error) => {
            let problem = Diagnostic::whole(format!("Drizzle cannot read its journal: {error}"));
            return reading.refuse(journal.source(), problem);
        }
    };
    let mut latest = f64::NEG_INFINITY;
    for step in &read.entries {
        let place = journal.text().find(&format!("\"{}\"", step.tag)).unwrap_or_default();
        match folder.file(&format!("{}.sql", step.tag)) {
            Some(entry) => add(entry, &step.tag, reading),
            None => {
                let span = place..place + step.tag.len() + 2;
                let problem =
                    Diagnostic::at(span, format!("Drizzle's journal lists {}.sql, which is not there", step.tag));
                reading
                    .refuse(journal.source(), problem.help("restore the file, or take the entry out of the journal"));
            }
        }
        if step.when < latest {
            let message = format!(
                "`when` of {} is older than an earlier step's: Drizzle skips it where that one is applied",
                step.tag
            );
            reading.warn(Warning::new("journal-goes-back", &journal.path, message).at(journal.text(), place));
        }
        latest = latest.max(step.when);
    }
    for entry in folder.top().filter(|entry| entry.name.ends_with(".sql")) {
        let tag = entry.name.trim_end_matches(".sql");
        if !read.entries.iter().any(|step| step.tag == tag) {
            let message = "the journal does not list this file, so Drizzle never applies it";
            let warning = Warning::new("not-in-journal", &entry.path, message);
            reading.warn(warning.help("make it with `drizzle-kit generate`, or add it to meta/_journal.json"));
        }
    }
}

fn add(entry: &Entry, tag: &str, reading: &mut Reading) {
    if !reading.check(entry, Some("Drizzle")) {
        return;
    }
    let file = entry.source();
    let version = tag.split('_').next().unwrap_or(tag).to_owned();
    let up = Part::of_pieces(file.clone(), Layout::Drizzle, pieces(&file), true);
    reading.migrations.push(Migration { version, label: tag.to_owned(), up, down: None, expected_down: None });
}

/// The stretches between breakpoints.
fn pieces(file: &SourceFile) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for stretch in file.text.split(BREAKPOINT) {
        let trimmed = stretch.trim();
        if !crate::sql::statements(stretch).is_empty() {
            let start = at + (stretch.len() - stretch.trim_start().len());
            pieces.push(Piece::of(start..start + trimmed.len()));
        }
        at += stretch.len() + BREAKPOINT.len();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_breakpoints() {
        let text = "CREATE TABLE t (a int);\n--> statement-breakpoint\nCOMMIT;--> statement-breakpoint\nCREATE INDEX \
            CONCURRENTLY i ON t (a);\n";
        let file = SourceFile { path: "m.sql".into(), text: text.to_owned() };
        let texts: Vec<&str> = pieces(&file).into_iter().map(|piece| &text[piece.span]).collect();
        assert_eq!(texts, ["CREATE TABLE t (a int);", "COMMIT;", "CREATE INDEX CONCURRENTLY i ON t (a);"]);
    }
}
