//! Prisma: `<time>_name/migration.sql`, in the order of the folders' names, sent as one string. Must add no
//! transaction.
//!
//! Source: Prisma's schema engine sends the script with the simple query protocol; `down.sql` is written by hand
//! beside it.

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, alone};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::folder::{Entry, Folder};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Prisma;

const FILE: &str = "migration.sql";

impl Tool for Prisma {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        if folder.file("migration_lock.toml").is_some() {
            return Sign::own("there is a migration_lock.toml");
        }
        let inside =
            folder.folders.iter().any(|name| !name.contains('/') && folder.file(&format!("{name}/{FILE}")).is_some());
        let snapshot = folder.files.iter().any(|entry| entry.own() == "snapshot.json");
        if inside && !snapshot { Sign::own("folders with a migration.sql") } else { None }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        match folder.file("migration_lock.toml") {
            Some(lock) => {
                reading.beside.push(lock.path.clone());
                if lock.text().contains("provider") && !lock.text().contains("postgresql") {
                    let message = "these migrations are for another database: its provider is not postgresql";
                    reading.warn(Warning::new("another-provider", &lock.path, message));
                }
            }
            None => {
                let path = folder.path.join("migration_lock.toml");
                let message =
                    "there is no migration_lock.toml, so Prisma does not know for which database the folder is";
                reading.warn(Warning::new("no-migration-lock", &path, message));
            }
        }
        for name in folder.folders.iter().filter(|name| !name.contains('/')) {
            let Some(entry) = folder.file(&format!("{name}/{FILE}")) else {
                let file = SourceFile { path: folder.path.join(name), text: String::new() };
                let problem = Diagnostic::whole("Prisma refuses a folder without a migration.sql (P3015)");
                reading.refuse(file, problem.help("remove the folder, or write the file"));
                continue;
            };
            if !reading.check(entry, Some("Prisma")) {
                continue;
            }
            let down = folder.file(&format!("{name}/down.sql")).filter(|down| reading.check(down, None));
            reading.migrations.push(Migration {
                version: name.clone(),
                label: name.clone(),
                up: part(entry),
                down: down.map(part),
                expected_down: None,
            });
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "_prisma_migrations",
            qualified: "_prisma_migrations",
            make: "CREATE TABLE IF NOT EXISTS _prisma_migrations (id varchar(36) PRIMARY KEY NOT NULL, checksum \
                varchar(64) NOT NULL, \
                   finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at \
                   timestamptz, \
                   started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)",
            enter: "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) \
                    VALUES (md5({version})::uuid, left({checksum}, 64), now(), {version}, 1) ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(alone("Prisma"))
    }
}

fn part(entry: &Entry) -> Part {
    let file = entry.source();
    let whole = 0..file.text.len();
    Part::as_one(file, Layout::Prisma, whole, false)
}
