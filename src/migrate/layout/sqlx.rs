//! sqlx: `<number>_<name>.sql`, or `.up.sql` and `.down.sql`. Must take the mark only from a file's very first bytes.
//!
//! Source: sqlx-core 0.9 `migrate/source.rs`, sqlx-postgres 0.9 `migrate.rs`: a file is one string, in a transaction
//! or not.

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, alone};
use crate::diagnostic::Diagnostic;
use crate::migrate::folder::{Entry, Folder, leading_digits, lines};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

/// The first bytes of a file that sqlx sends without a transaction.
pub const NO_TRANSACTION: &str = "-- no-transaction";

pub(super) struct Sqlx;

/// A file's number, name and direction.
struct Named<'n> {
    number: &'n str,
    label: &'n str,
    direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Simple,
    Up,
    Down,
}

fn named(entry: &Entry) -> Option<Named<'_>> {
    let stem = entry.name.strip_suffix(".sql").filter(|_| !entry.name.contains('/'))?;
    let (label, direction) = match (stem.strip_suffix(".up"), stem.strip_suffix(".down")) {
        (Some(label), _) => (label, Direction::Up),
        (_, Some(label)) => (label, Direction::Down),
        _ => (stem, Direction::Simple),
    };
    // A file without `_` is ignored.
    let (number, _) = label.split_once('_')?;
    Some(Named { number, label, direction })
}

/// A numbered file that sqlx takes for something else.
fn is_ignored(entry: &Entry) -> bool {
    entry.name.ends_with(".sql") && leading_digits(&entry.name).is_some() && named(entry).is_none()
}

impl Tool for Sqlx {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let files: Vec<&Entry> =
            folder.top().filter(|entry| named(entry).is_some_and(|n| n.number.parse::<i64>().is_ok())).collect();
        if files.is_empty() {
            return None;
        }
        if let Some(entry) = files.iter().find(|entry| entry.text().starts_with(NO_TRANSACTION)) {
            return Sign::own(format!("{} begins with `{NO_TRANSACTION}`", entry.name));
        }
        match folder.around(&["Cargo.toml", ".sqlx", "go.mod"]) {
            Some((_, file)) if file != "go.mod" => Sign::project(format!("numbered files in a project with {file}")),
            // Its numbers end with `_`.
            _ if folder.top().any(is_ignored) => None,
            _ => Sign::names("numbered files"),
        }
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        for entry in folder.top() {
            if is_ignored(entry) {
                let message = "sqlx ignores a file without `_` behind its number";
                reading.warn(Warning::new("file-skipped", &entry.path, message));
            }
            let Some(Named { number, label, direction }) = named(entry) else { continue };
            if direction == Direction::Down || !reading.check(entry, Some("sqlx")) {
                continue;
            }
            let Ok(version) = number.parse::<i64>() else {
                let message = format!("sqlx refuses the folder: `{number}` before the first `_` is no number");
                reading.refuse(
                    entry.source(),
                    Diagnostic::whole(message).help("rename the file, or move it out of the folder"),
                );
                continue;
            };
            let down_name = format!("{label}.down.sql");
            let down = (direction == Direction::Up).then(|| folder.file(&down_name)).flatten();
            let down = down.filter(|down| reading.check(down, Some("sqlx")));
            for file in std::iter::once(entry).chain(down) {
                reading.warnings.extend(misplaced(file));
            }
            reading.migrations.push(Migration {
                version: version.to_string(),
                label: label.to_owned(),
                up: part(entry),
                down: down.map(part),
                expected_down: (direction == Direction::Up).then(|| entry.path.with_file_name(down_name)),
            });
        }
        reading.migrations.sort_by_key(|migration| migration.version.parse::<i64>().unwrap_or_default());
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "_sqlx_migrations",
            qualified: "_sqlx_migrations",
            make: "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
                   installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
                   execution_time bigint NOT NULL)",
            enter: "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES \
                    ({version}::bigint, {description}, true, decode({checksum}, 'hex'), {nanos}) ON CONFLICT DO \
                    NOTHING",
        })
    }

    fn outside(&self, part: &Part) -> Option<String> {
        if !part.in_transaction() {
            return Some(alone("sqlx"));
        }
        if part.file.text.starts_with(NO_TRANSACTION) {
            return Some(alone("sqlx"));
        }
        Some(match mark_line(&part.file.text) {
            Some(line) => format!(
                "`{NO_TRANSACTION}` stands in line {line}, and sqlx looks for it in the file's very first bytes: put \
                    nothing before it"
            ),
            None => format!(
                "make the file's first line `{NO_TRANSACTION}` and the statement its only one (for golang-migrate: \
                    --layout \
                 golang-migrate, or layout under [migrations] in weighbridge.toml)"
            ),
        })
    }
}

/// A byte order mark stands before the mark, so that it counts for nothing.
fn part(entry: &Entry) -> Part {
    let file = entry.source();
    let without = file.text.starts_with(NO_TRANSACTION) && !entry.marked;
    let whole = 0..file.text.len();
    Part::as_one(file, Layout::Sqlx, whole, !without)
}

/// The mark where sqlx does not look for it.
fn misplaced(entry: &Entry) -> Option<Warning> {
    let text = entry.text();
    if text.starts_with(NO_TRANSACTION) && !entry.marked {
        return None;
    }
    let line = mark_line(text)?;
    let byte = lines(text).nth(line - 1).map_or(0, |(at, _)| at);
    let why = if line == 1 { "a byte order mark" } else { "what stands before it" };
    let message = format!("sqlx does not see `{NO_TRANSACTION}` because of {why}: the file runs in a transaction");
    let warning = Warning::new("no-transaction-not-first", &entry.path, message).at(text, byte);
    Some(warning.help("make it the very first bytes of the file"))
}

/// The line, from 1, that begins with the mark.
fn mark_line(text: &str) -> Option<usize> {
    lines(text).position(|(_, line)| line.trim_start().starts_with(NO_TRANSACTION)).map(|line| line + 1)
}
