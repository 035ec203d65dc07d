//! Supabase: `supabase/migrations/<time>_name.sql`, forward only. Must send statement by statement in one transaction.
//!
//! Source: Supabase's CLI `pkg/migration/file.go`: one pipeline with the row of its history, which is one transaction.

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, never};
use crate::migrate::folder::{Entry, Folder, leading_digits};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Supabase;

fn named(entry: &Entry) -> Option<(&str, &str)> {
    let stem = entry.name.strip_suffix(".sql").filter(|_| !entry.name.contains('/'))?;
    let (digits, rest) = leading_digits(stem)?;
    rest.starts_with('_').then_some((digits, stem))
}

impl Tool for Supabase {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let any = folder.top().any(|entry| named(entry).is_some());
        if any && folder.is_at("supabase/migrations") {
            Sign::own("numbered files in supabase/migrations")
        } else {
            None
        }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        for entry in folder.top().filter(|entry| entry.name.ends_with(".sql")) {
            let Some((version, label)) = named(entry) else {
                let message = "Supabase skips a file that is not called `<time>_name.sql`";
                reading.warn(Warning::new("file-skipped", &entry.path, message));
                continue;
            };
            if !reading.check(entry, Some("Supabase")) {
                continue;
            }
            let file = entry.source();
            let whole = 0..file.text.len();
            let up = Part::split(file, Layout::Supabase, &whole, true);
            let (version, label) = (version.to_owned(), label.to_owned());
            reading.migrations.push(Migration { version, label, up, down: None, expected_down: None });
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "schema_migrations",
            qualified: "supabase_migrations.schema_migrations",
            make: "CREATE SCHEMA IF NOT EXISTS supabase_migrations; CREATE TABLE IF NOT EXISTS \
                supabase_migrations.schema_migrations \
                   (version text NOT NULL PRIMARY KEY, statements text[], name text)",
            enter: "INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ({version}, \
                {description}) ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(never("Supabase"))
    }
}
