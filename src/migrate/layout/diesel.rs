//! Diesel: `<version>_name/up.sql` and `down.sql`, with `metadata.toml` for the transaction. Must read that file's
//! absent key as Diesel does.
//!
//! Source: diesel_migrations `file_based_migrations.rs` and migrations_internals `lib.rs`.

use toml::de::DeTable;

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, alone};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::folder::{Entry, Folder};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Diesel;

impl Tool for Diesel {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let steps: Vec<&String> = folder.folders.iter().filter(|name| is_step(folder, name)).collect();
        let first = steps.first()?;
        if steps.iter().any(|name| {
            folder.file(&format!("{name}/metadata.toml")).is_some() || name.ends_with("diesel_initial_setup")
        }) {
            return Sign::own("folders with an up.sql, and a file that Diesel alone reads");
        }
        // Hasura's versions are digits alone.
        if first.split('_').next().is_some_and(|version| version.contains('-')) {
            return Sign::own("folders called as Diesel calls them, with an up.sql");
        }
        match folder.around(&["diesel.toml", "Cargo.toml"]) {
            Some((_, file)) => Sign::project(format!("folders with an up.sql in a project with {file}")),
            None => Sign::names("folders with an up.sql"),
        }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        for name in folder.folders.iter().filter(|name| !name.contains('/')) {
            let inside = |entry: &&Entry| entry.parent() == name;
            // An empty folder is skipped.
            if !folder.files.iter().any(|entry| inside(&entry)) {
                continue;
            }
            let Some(entry) = folder.file(&format!("{name}/up.sql")) else {
                let file = SourceFile { path: folder.path.join(name), text: String::new() };
                let help = "write the file, or move the folder out of the folder of migrations";
                reading.refuse(file, Diagnostic::whole("Diesel refuses a folder without an up.sql").help(help));
                continue;
            };
            if !reading.check(entry, Some("Diesel")) {
                continue;
            }
            if entry.text().trim().is_empty() {
                reading.refuse(entry.source(), Diagnostic::whole("Diesel refuses an empty up.sql"));
                continue;
            }
            let transaction = transaction(folder, name, &mut reading);
            let down = folder.file(&format!("{name}/down.sql")).filter(|down| reading.check(down, Some("Diesel")));
            let version = name.split('_').next().unwrap_or_default().replace('-', "");
            reading.migrations.push(Migration {
                version,
                label: name.clone(),
                up: part(entry, transaction),
                down: down.map(|down| part(down, transaction)),
                expected_down: Some(entry.path.with_file_name("down.sql")),
            });
        }
        reading.migrations.sort_by(|a, b| a.version.cmp(&b.version));
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "__diesel_schema_migrations",
            qualified: "__diesel_schema_migrations",
            make: "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL, \
                   run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            enter: "INSERT INTO __diesel_schema_migrations (version) VALUES ({version}) ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, part: &Part) -> Option<String> {
        Some(match part.in_transaction() && part.pieces.len() == 1 {
            true => "write `run_in_transaction = false` into a metadata.toml beside the file".to_owned(),
            false => format!("{}, with `run_in_transaction = false` in a metadata.toml beside it", alone("Diesel")),
        })
    }
}

fn is_step(folder: &Folder, name: &str) -> bool {
    !name.contains('/') && folder.file(&format!("{name}/up.sql")).is_some()
}

/// Without the file a step runs in a transaction; with the file and without the key it does not.
fn transaction(folder: &Folder, name: &str, reading: &mut Reading) -> bool {
    let Some(metadata) = folder.file(&format!("{name}/metadata.toml")) else { return true };
    reading.beside.push(metadata.path.clone());
    let Ok(table) = DeTable::parse(metadata.text()) else {
        let message = "Diesel cannot read this file, and runs the step in a transaction";
        reading.warn(Warning::new("metadata-unreadable", &metadata.path, message));
        return true;
    };
    let value = table.get_ref().get("run_in_transaction");
    match value.and_then(|value| value.get_ref().as_bool()) {
        Some(says) => says,
        None => {
            let message = "without the key `run_in_transaction` Diesel runs the step without a transaction";
            let warning = Warning::new("metadata-without-key", &metadata.path, message);
            reading.warn(warning.help("write `run_in_transaction = true` or `= false`"));
            false
        }
    }
}

fn part(entry: &Entry, transaction: bool) -> Part {
    let file = entry.source();
    let whole = 0..file.text.len();
    Part::as_one(file, Layout::Diesel, whole, transaction)
}
