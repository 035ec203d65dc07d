//! refinery: `V1__name.sql` and `U1__name.sql`, each in one transaction. Must not take `U` for undo: it is a step
//! without a strict order.
//!
//! Source: refinery_core `util.rs`: `^([U|V])(\d+(?:\.\d+)?)__(\w+)\.(rs|sql)$`, recursive; versions are `i32`
//! without a feature.

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, never};
use crate::diagnostic::Diagnostic;
use crate::migrate::folder::{Entry, Folder};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Refinery;

/// Kind, number, name and whether it is code.
fn named(entry: &Entry) -> Option<(char, &str, bool)> {
    let own = entry.own();
    let (stem, code) = match (own.strip_suffix(".sql"), own.strip_suffix(".rs")) {
        (Some(stem), _) => (stem, false),
        (_, Some(stem)) => (stem, true),
        _ => return None,
    };
    let kind = stem.chars().next().filter(|kind| "UV|".contains(*kind))?;
    let (number, name) = stem[1..].split_once("__")?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = number.split('.').collect();
    let fits = parts.len() <= 2 && parts.iter().all(|part| is_number(part));
    (fits && !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some((kind, number, code))
}

impl Tool for Refinery {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let steps: Vec<bool> = folder.files.iter().filter_map(named).map(|(.., code)| code).collect();
        if steps.is_empty() {
            return None;
        }
        if steps.contains(&true) {
            return Sign::own("a step in Rust, called `V1__name.rs`");
        }
        match folder.around(&["refinery.toml", "Cargo.toml"]) {
            Some((_, file)) if file == "refinery.toml" => Sign::own("`V1__name.sql` in a project with refinery.toml"),
            Some((_, file)) => Sign::project(format!("`V1__name.sql` in a project with {file}")),
            None => Sign::names("`V1__name.sql`"),
        }
    }

    fn read(&self, folder: &Folder, options: &Options) -> Reading {
        let mut reading = Reading::default();
        for entry in &folder.files {
            let Some((_, number, code)) = named(entry) else { continue };
            let label = entry.own().rsplit_once('.').map_or(entry.own(), |(label, _)| label).to_owned();
            let Ok(version) = number.parse::<i64>() else {
                let message = format!(
                    "refinery refuses the version `{number}`: it matches the pattern of names and is no whole number"
                );
                reading.refuse(entry.source(), Diagnostic::whole(message).help("write a whole number"));
                continue;
            };
            if i32::try_from(version).is_err() {
                let message = format!(
                    "the version {version} needs refinery's feature `int8-versions`: without it refinery refuses the \
                        file"
                );
                reading.warn(Warning::new("version-needs-feature", &entry.path, message));
            }
            if code {
                if options.skip_code {
                    let message = "this step is a Rust program and is left out: what it does to the schema is missing";
                    reading.warn(Warning::new("code-step-skipped", &entry.path, message));
                    continue;
                }
                let up = Part::code(entry.source(), Layout::Refinery);
                reading.migrations.push(Migration {
                    version: version.to_string(),
                    label,
                    up,
                    down: None,
                    expected_down: None,
                });
                continue;
            }
            if !reading.check(entry, Some("refinery")) {
                continue;
            }
            let file = entry.source();
            let whole = 0..file.text.len();
            let up = Part::as_one(file, Layout::Refinery, whole, true);
            reading.migrations.push(Migration {
                version: version.to_string(),
                label,
                up,
                down: None,
                expected_down: None,
            });
        }
        reading.migrations.sort_by_key(|migration| migration.version.parse::<i64>().unwrap_or_default());
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "refinery_schema_history",
            qualified: "refinery_schema_history",
            make: "CREATE TABLE IF NOT EXISTS refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), \
                   applied_on varchar(255), checksum varchar(255))",
            enter: "INSERT INTO refinery_schema_history VALUES ({version}::int4, {description}, now()::text, \
                left({checksum}, 16)) \
                    ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(never("refinery"))
    }
}
