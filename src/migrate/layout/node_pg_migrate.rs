//! node-pg-migrate: SQL files with `-- Up Migration` and `-- Down Migration`. Must order by its prefixes, not by names.
//!
//! Source: node-pg-migrate `sqlMigration.ts` (`^\s*--[\s-]*(up|down)\s+migration`, any case, either order; no
//! marker: all is up) and
//! `migration.ts` (a prefix of seventeen digits is a UTC date, any other number is itself).

use std::ops::Range;

use jiff::civil::DateTime;

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, never};
use crate::migrate::folder::{Entry, Folder, leading_digits, lines};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct NodePgMigrate;

/// Whether a line marks a direction, and which.
fn marker(line: &str) -> Option<bool> {
    let rest = line.trim_start().strip_prefix("--")?.trim_start_matches([' ', '\t', '-']).to_ascii_lowercase();
    let mut words = rest.split_whitespace();
    let up = match words.next()? {
        "up" => true,
        "down" => false,
        _ => return None,
    };
    words.next()?.starts_with("migration").then_some(up)
}

fn named(entry: &Entry) -> Option<(u64, bool)> {
    let code =
        [".js", ".ts", ".cjs", ".mjs"].iter().any(|end| entry.name.ends_with(end)) && !entry.name.ends_with(".d.ts");
    if entry.name.contains('/') || !(code || entry.name.ends_with(".sql")) {
        return None;
    }
    let (digits, _) = leading_digits(&entry.name)?;
    Some((moment(digits)?, code))
}

/// Milliseconds for a date of seventeen digits, or the number itself.
fn moment(digits: &str) -> Option<u64> {
    if digits.len() != 17 {
        return digits.parse().ok();
    }
    let number = |range: Range<usize>| digits[range].parse::<i16>().ok();
    let small = |range: Range<usize>| digits[range].parse::<i8>().ok();
    let millis = i32::from(number(14..17)?) * 1_000_000;
    let date =
        DateTime::new(number(0..4)?, small(4..6)?, small(6..8)?, small(8..10)?, small(10..12)?, small(12..14)?, millis)
            .ok()?;
    let moment = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(moment).ok()
}

impl Tool for NodePgMigrate {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let files: Vec<&Entry> = folder.top().filter(|entry| named(entry).is_some_and(|(_, code)| !code)).collect();
        let own = files.iter().find(|entry| lines(entry.text()).any(|(_, line)| marker(line).is_some()));
        if let Some(own) = own {
            return Sign::own(format!("{} has a line `-- Up Migration` or `-- Down Migration`", own.name));
        }
        let (place, file) = folder.around(&["package.json"]).filter(|_| !files.is_empty())?;
        let uses = std::fs::read_to_string(place.join(file)).is_ok_and(|text| text.contains("\"node-pg-migrate\""));
        if uses { Sign::own("numbered files in a project whose package.json names node-pg-migrate") } else { None }
    }

    fn read(&self, folder: &Folder, options: &Options) -> Reading {
        let mut reading = Reading::default();
        for entry in folder.top() {
            let Some((version, code)) = named(entry) else { continue };
            let label = entry.name.rsplit_once('.').map_or(entry.name.as_str(), |(label, _)| label).to_owned();
            let version = version.to_string();
            if code {
                if options.skip_code {
                    let message =
                        "this step is a JavaScript program and is left out: what it does to the schema is missing";
                    reading.warn(Warning::new("code-step-skipped", &entry.path, message));
                    continue;
                }
                let up = Part::code(entry.source(), Layout::NodePgMigrate);
                reading.migrations.push(Migration { version, label, up, down: None, expected_down: None });
                continue;
            }
            if !reading.check(entry, Some("node-pg-migrate")) {
                continue;
            }
            let (up, down) = halves(entry.text());
            let part = |span: Range<usize>| Part::as_one(entry.source(), Layout::NodePgMigrate, span, true);
            reading.migrations.push(Migration {
                version,
                label,
                up: part(up),
                down: down.map(part),
                expected_down: None,
            });
        }
        let by_name: Vec<String> = reading.migrations.iter().map(|migration| migration.label.clone()).collect();
        reading.migrations.sort_by_key(|migration| migration.version.parse::<u64>().unwrap_or_default());
        let moved = reading.migrations.iter().zip(&by_name).find(|(migration, name)| migration.label != **name);
        if let Some((migration, _)) = moved {
            let message = format!(
                "prefixes of two kinds: node-pg-migrate applies {} earlier than the names suggest",
                migration.label
            );
            let warning = Warning::new("mixed-prefixes", &migration.up.file.path, message);
            reading.warn(warning.help("give every file the same kind of prefix"));
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "pgmigrations",
            qualified: "pgmigrations",
            make: "CREATE TABLE IF NOT EXISTS pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, \
                run_on timestamp NOT NULL)",
            enter: "INSERT INTO pgmigrations (name, run_on) VALUES ({description}, now())",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(never("node-pg-migrate (of an SQL file)"))
    }
}

/// The stretches of both directions.
fn halves(text: &str) -> (Range<usize>, Option<Range<usize>>) {
    let marks: Vec<(usize, bool)> = lines(text).filter_map(|(at, line)| Some((at, marker(line)?))).collect();
    let first = |wanted: bool| marks.iter().find(|(_, up)| *up == wanted).map(|(at, _)| *at);
    match (first(true), first(false)) {
        (None, None) => (0..text.len(), None),
        (Some(up), None) => (up..text.len(), None),
        (None, Some(down)) => (0..down, Some(down..text.len())),
        (Some(up), Some(down)) if up < down => (up..down, Some(down..text.len())),
        (Some(up), Some(down)) => (up..text.len(), Some(down..up)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_in_either_order_and_any_case() {
        let text = "-- Down Migration\nDROP TABLE t;\n  --- UP  migration\nCREATE TABLE t (a int);\n";
        let (up, down) = halves(text);
        assert!(text[up].contains("CREATE") && text[down.unwrap()].contains("DROP"));
        assert_eq!(halves("SELECT 1;\n"), (0..10, None));
        assert_eq!(marker("-- upgrade migration"), None);
    }

    #[test]
    fn a_date_of_seventeen_digits_is_its_milliseconds() {
        assert_eq!(moment("20240102030405678"), Some(1_704_164_645_678));
        assert_eq!(moment("1704164645678"), Some(1_704_164_645_678));
        assert_eq!(moment("0003"), Some(3));
    }
}
