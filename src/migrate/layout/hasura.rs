//! Hasura: `<database>/<milliseconds>_name/up.sql` and `down.sql`. Must read one database's steps at a time.
//!
//! Source: Hasura's CLI sends a file through `run_sql`, which is one transaction.

use super::{Books, Layout, Options, Reading, Sign, Tool, never};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::folder::{Entry, Folder, leading_digits};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Hasura;

/// A version is the milliseconds since 1970, at least thirteen digits.
const MIN_DIGITS: usize = 13;

/// Version and folder of a step, and the database's folder before it.
fn named(entry: &Entry) -> Option<(u64, &str, &str)> {
    let parent = entry.parent();
    let (database, step) = parent.rsplit_once('/').unwrap_or(("", parent));
    let (digits, rest) = leading_digits(step)?;
    let fits = digits.len() >= MIN_DIGITS && (rest.is_empty() || rest.starts_with('_'));
    if fits { Some((digits.parse().ok()?, step, database)) } else { None }
}

impl Tool for Hasura {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let first = folder.files.iter().find(|entry| entry.own() == "up.sql" && named(entry).is_some())?;
        if first.parent().contains('/') {
            return Sign::own("folders of a database, with steps called by milliseconds");
        }
        let around = folder.around(&["config.yaml", "hasura"]);
        if around.is_some() || folder.is_at("migrations/default") {
            return Sign::own("steps called by milliseconds in a Hasura project");
        }
        Sign::names("folders with an up.sql, called by milliseconds")
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        let steps = |name: &str| folder.files.iter().filter(|entry| entry.own() == name).collect::<Vec<_>>();
        let ups: Vec<_> = steps("up.sql").into_iter().filter_map(|entry| Some((named(entry)?, entry))).collect();
        let mut databases: Vec<&str> = ups.iter().map(|((.., database), _)| *database).collect();
        databases.sort_unstable();
        databases.dedup();
        if let [first, _, ..] = databases[..] {
            let file = SourceFile { path: folder.path.clone(), text: String::new() };
            let problem = Diagnostic::whole(format!(
                "there are steps of {} databases: {}",
                databases.len(),
                databases.join(", ")
            ));
            let help = format!("name one of them, such as --migrations {}", folder.path.join(first).display());
            reading.refuse(file, problem.help(help));
            return reading;
        }
        for ((version, label, _), entry) in ups {
            if !reading.check(entry, Some("Hasura")) {
                continue;
            }
            let down =
                folder.file(&format!("{}/down.sql", entry.parent())).filter(|down| reading.check(down, Some("Hasura")));
            reading.migrations.push(Migration {
                version: version.to_string(),
                label: label.to_owned(),
                up: part(entry),
                down: down.map(part),
                expected_down: Some(entry.path.with_file_name("down.sql")),
            });
        }
        reading.migrations.sort_by_key(|migration| migration.version.parse::<u64>().unwrap_or_default());
        reading
    }

    fn books(&self) -> Option<Books> {
        None
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(never("Hasura"))
    }
}

fn part(entry: &Entry) -> Part {
    let file = entry.source();
    let whole = 0..file.text.len();
    Part::as_one(file, Layout::Hasura, whole, true)
}
