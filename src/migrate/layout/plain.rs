//! Numbered SQL files that are given to psql one after another. Must send every statement by itself, as psql does.

use std::path::Path;

use super::{Books, Options, Reading, Sign, Tool, Warning};
use crate::migrate::folder::{Entry, Folder, leading_digits};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;
use crate::sql::Script;

pub(super) struct Plain;

fn named(entry: &Entry) -> Option<(u64, &str)> {
    let stem = entry.name.strip_suffix(".sql").filter(|_| !entry.name.contains('/'))?;
    if stem.ends_with(".down") {
        return None;
    }
    let (digits, _) = leading_digits(stem)?;
    Some((digits.parse().ok()?, stem))
}

impl Tool for Plain {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let any = folder.top().any(|entry| named(entry).is_some());
        if any { Sign::names("numbered files") } else { None }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        for entry in folder.top() {
            let Some((version, stem)) = named(entry) else { continue };
            if !reading.check(entry, None) {
                continue;
            }
            let label = stem.strip_suffix(".up").unwrap_or(stem);
            let down = folder.file(&format!("{label}.down.sql")).filter(|down| reading.check(down, None));
            for file in std::iter::once(entry).chain(down) {
                reading.warnings.extend(skipped_commands(file.text(), &file.path));
            }
            reading.migrations.push(Migration {
                version: version.to_string(),
                label: label.to_owned(),
                up: Part::as_psql(entry.source()),
                down: down.map(|down| Part::as_psql(down.source())),
                expected_down: stem.ends_with(".up").then(|| entry.path.with_file_name(format!("{label}.down.sql"))),
            });
        }
        reading.migrations.sort_by_key(|migration| migration.version.parse::<u64>().unwrap_or_default());
        reading
    }

    fn books(&self) -> Option<Books> {
        None
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        None
    }
}

/// Commands of psql that are left out, by name.
pub(in crate::migrate) fn skipped_commands(text: &str, path: &Path) -> Option<Warning> {
    let script = Script::parse_psql(text);
    let first = script.psql.first()?;
    let mut names: Vec<String> = script.psql.iter().map(|command| format!("\\{}", command.name)).collect();
    names.sort();
    names.dedup();
    let message = format!("commands of psql are skipped: {}", names.join(", "));
    Some(Warning::new("psql-command-skipped", path, message).at(text, first.span.start))
}
