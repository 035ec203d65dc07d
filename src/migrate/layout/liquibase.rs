//! Liquibase formatted SQL: every changeset is a step. Must refuse what only its XML and YAML can say.
//!
//! Source: Liquibase's documentation: `--changeset author:id key:value`, `--rollback`, `/* liquibase rollback */`,
//! `splitStatements`,
//! `endDelimiter`, `runInTransaction`.

use std::ops::Range;

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::folder::{Entry, Folder, lines};
use crate::migrate::migration::Migration;
use crate::migrate::part::{Part, Piece, masked};

pub(super) struct Liquibase;

/// The words of a comment line, in lower case up to the first colon.
fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("--").map(str::trim)
}

fn is_formatted(text: &str) -> bool {
    let first = lines(text).find(|(_, line)| !line.trim().is_empty());
    first
        .and_then(|(_, line)| comment(line))
        .is_some_and(|words| words.to_ascii_lowercase().starts_with("liquibase formatted sql"))
}

/// One changeset.
#[derive(Debug)]
struct Changeset<'t> {
    at: usize,
    author: &'t str,
    id: &'t str,
    attributes: Vec<(String, &'t str)>,
    end: usize,
}

impl Changeset<'_> {
    fn says(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    fn is_off(&self, key: &str) -> bool {
        self.says(key).is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }
}

fn changesets(text: &str) -> Vec<Changeset<'_>> {
    let mut found: Vec<Changeset<'_>> = Vec::new();
    for (at, line) in lines(text) {
        let Some(words) = comment(line) else { continue };
        let Some(rest) =
            words.get(..9).filter(|word| word.eq_ignore_ascii_case("changeset")).map(|_| words[9..].trim())
        else {
            continue;
        };
        let mut parts = rest.split_whitespace();
        let Some((author, id)) = parts.next().and_then(|name| name.split_once(':')) else { continue };
        let attributes = parts
            .filter_map(|part| part.split_once(':'))
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .collect();
        if let Some(last) = found.last_mut() {
            last.end = at;
        }
        found.push(Changeset { at, author, id, attributes, end: text.len() });
    }
    found
}

impl Tool for Liquibase {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let own = folder.files.iter().find(|entry| entry.name.ends_with(".sql") && is_formatted(entry.text()))?;
        Sign::own(format!("{} begins with `--liquibase formatted sql`", own.name))
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        let formatted = |entry: &&Entry| entry.name.ends_with(".sql") && is_formatted(entry.text());
        let mut files: Vec<&Entry> = folder.files.iter().filter(formatted).collect();
        order(folder, &mut files, &mut reading);
        for entry in files {
            if !reading.check(entry, None) {
                continue;
            }
            let text = entry.text();
            let steps = changesets(text);
            if steps.is_empty() {
                let help = "a changeset begins with a line `--changeset author:id`";
                reading.refuse(
                    entry.source(),
                    Diagnostic::whole("Liquibase refuses a file without a changeset").help(help),
                );
            }
            for step in steps {
                let version = format!("{}:{}", step.author, step.id);
                let (up, down) = parts(entry, &step);
                let stem = entry.name.trim_end_matches(".sql");
                let label = format!("{stem}:{version}");
                reading.migrations.push(Migration { version: label.clone(), label, up, down, expected_down: None });
            }
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "databasechangelog",
            qualified: "databasechangelog",
            make: "CREATE TABLE IF NOT EXISTS databasechangelog (id varchar(255) NOT NULL, author varchar(255) NOT \
                NULL, \
                   filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL, orderexecuted integer NOT NULL, \
                   exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255), comments \
                   varchar(255), tag varchar(255), \
                   liquibase varchar(20), contexts varchar(255), labels varchar(255), deployment_id varchar(10))",
            enter: "INSERT INTO databasechangelog (id, author, filename, dateexecuted, orderexecuted, exectype) \
                    SELECT split_part({version}, ':', 3), split_part({version}, ':', 2), split_part({version}, ':', \
                    1), now(), \
                    coalesce(max(orderexecuted), 0) + 1, 'EXECUTED' FROM databasechangelog",
        })
    }

    fn outside(&self, part: &Part) -> Option<String> {
        part.in_transaction().then(|| "write `runInTransaction:false` behind the changeset's `author:id`".to_owned())
    }
}

/// The order of a master changelog that names the files, or their names' own.
fn order(folder: &Folder, files: &mut Vec<&Entry>, reading: &mut Reading) {
    let is_master = |entry: &&Entry| {
        let own = entry.own().to_ascii_lowercase();
        own.contains("master") || own.contains("changelog") && !own.ends_with(".sql")
    };
    let Some(master) =
        folder.files.iter().filter(is_master).find(|entry| files.iter().any(|file| entry.text().contains(file.own())))
    else {
        return;
    };
    reading.beside.push(master.path.clone());
    let place = |entry: &&Entry| master.text().find(entry.own());
    for entry in files.iter().filter(|entry| place(entry).is_none()) {
        let message = format!("{} does not name this file, so Liquibase never applies it", master.name);
        reading.warn(Warning::new("not-in-changelog", &entry.path, message));
    }
    files.retain(|entry| place(entry).is_some());
    files.sort_by_key(place);
}

/// Both directions of a changeset.
fn parts(entry: &Entry, step: &Changeset<'_>) -> (Part, Option<Part>) {
    let text = entry.text();
    let (mut up, mut down) = (masked(text, &(step.at..step.end)), masked(text, &(0..0)));
    let mut has_down = false;
    let mut in_block = false;
    for (at, line) in lines(&text[step.at..step.end]) {
        let span = step.at + at..step.at + at + line.len();
        let lower = line.trim().to_ascii_lowercase();
        let blank = " ".repeat(span.len());
        if lower.starts_with("/*") && lower.contains("liquibase rollback") {
            in_block = !lower.ends_with("*/");
            has_down = true;
            up.replace_range(span, &blank);
            continue;
        }
        if in_block {
            in_block = !lower.contains("*/");
            if !lower.contains("*/") {
                down.replace_range(span.clone(), line);
            }
            up.replace_range(span, &blank);
            continue;
        }
        let Some(words) =
            comment(line).filter(|words| words.get(..8).is_some_and(|word| word.eq_ignore_ascii_case("rollback")))
        else {
            continue;
        };
        has_down = true;
        let sql = words[8..].trim();
        // `empty` and `not required` say that there is nothing to do.
        if !["empty", "not required"].contains(&sql.to_ascii_lowercase().as_str()) {
            let start = span.start + line.find(sql).unwrap_or_default();
            down.replace_range(start..start + sql.len(), sql);
        }
        up.replace_range(span, &blank);
    }
    let transaction = !step.is_off("runintransaction");
    let make = |text: String| {
        let file = SourceFile { path: entry.path.clone(), text };
        let pieces = pieces(&file.text, step);
        Part::of_pieces(file, Layout::Liquibase, pieces, transaction)
    };
    (make(up), has_down.then(|| make(down)))
}

/// What is sent of a changeset.
fn pieces(text: &str, step: &Changeset<'_>) -> Vec<Piece> {
    let whole = || text.len() - text.trim_start().len()..text.trim_end().len();
    if crate::sql::statements(text).is_empty() {
        return Vec::new();
    }
    if step.is_off("splitstatements") {
        return vec![Piece::of(whole())];
    }
    match step.says("enddelimiter") {
        None | Some(";") => crate::sql::statements(text).into_iter().map(Piece::of).collect(),
        Some(delimiter) => {
            let mut at = 0;
            let mut found: Vec<Range<usize>> = Vec::new();
            for stretch in text.split(delimiter) {
                if !crate::sql::statements(stretch).is_empty() {
                    let start = at + stretch.len() - stretch.trim_start().len();
                    found.push(start..start + stretch.trim().len());
                }
                at += stretch.len() + delimiter.len();
            }
            found.into_iter().map(Piece::of).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            name: "a.sql".into(),
            path: "a.sql".into(),
            text: Some(text.to_owned()),
            marked: false,
            unreadable: None,
        }
    }

    #[test]
    fn a_changeset_has_its_statements_and_its_rollback() {
        let text = "--liquibase formatted sql\n--changeset ann:1 runInTransaction:false endDelimiter:@@\nSELECT \
            1;@@\nSELECT 2@@\n--rollback DROP TABLE t;\n\
                    --changeset bob:2 splitStatements:false\nSELECT 1; SELECT 2;\n/* liquibase rollback\nDROP TABLE \
                    u;\n*/\n--changeset bob:3\nSELECT 3;\n";
        let entry = entry(text);
        let steps = changesets(text);
        let texts = |part: &Part| {
            part.pieces.iter().map(|piece| part.file.text[piece.span.clone()].trim().to_owned()).collect::<Vec<_>>()
        };
        let (up, down) = parts(&entry, &steps[0]);
        assert_eq!(texts(&up)[1], "SELECT 2");
        assert_eq!((texts(&down.unwrap()), up.in_transaction()), (vec!["DROP TABLE t;".to_owned()], false));
        let (up, down) = parts(&entry, &steps[1]);
        assert_eq!(texts(&up).len(), 1);
        assert!(up.in_transaction() && texts(&up)[0].contains("SELECT 1; SELECT 2;"), "{:?}", texts(&up));
        assert_eq!(texts(&down.unwrap()), ["DROP TABLE u;"]);
        assert!(parts(&entry, &steps[2]).1.is_none());
    }
}
