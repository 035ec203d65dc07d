//! golang-migrate: `<number>_<name>.up.sql` and `.down.sql`, each sent as one string. Must cut where the tool cuts,
//! also where that is wrong.
//!
//! Source: `source/parse.go` (`^([0-9]+)_(.*)\.(down|up)\.(.*)$`) and `database/multistmt` (every `;` byte).

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning, alone};
use crate::migrate::folder::{Entry, Folder, leading_digits};
use crate::migrate::migration::Migration;
use crate::migrate::part::{Part, Piece};
use crate::sql;

pub(super) struct GolangMigrate;

/// Number, label and whether it is the up half.
fn named(entry: &Entry) -> Option<(u64, &str, bool)> {
    let name = entry.name.as_str();
    let (digits, rest) = leading_digits(name)?;
    if name.contains('/') || !rest.starts_with('_') {
        return None;
    }
    // The last direction counts: `.*` is greedy.
    let (at, up) = match (name.rfind(".up."), name.rfind(".down.")) {
        (Some(up), down) if down.is_none_or(|down| up > down) => (up, true),
        (_, Some(down)) => (down, false),
        _ => return None,
    };
    Some((digits.parse().ok()?, &name[..at], up))
}

impl Tool for GolangMigrate {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let numbered = |entry: &&Entry| entry.name.ends_with(".sql") && leading_digits(&entry.name).is_some();
        let files: Vec<&Entry> = folder.top().filter(numbered).collect();
        if files.is_empty() || !files.iter().all(|entry| named(entry).is_some()) {
            return None;
        }
        if folder.file("atlas.sum").is_some() {
            return Sign::own("every file has a direction, with an atlas.sum beside them");
        }
        match folder.around(&["Cargo.toml", ".sqlx", "go.mod"]) {
            Some((_, file)) if file == "go.mod" => {
                Sign::project("every file has a direction, in a project with go.mod")
            }
            _ => Sign::names("every file has a direction"),
        }
    }

    fn read(&self, folder: &Folder, options: &Options) -> Reading {
        let mut reading = Reading::default();
        reading.beside.extend(folder.file("atlas.sum").map(|entry| entry.path.clone()));
        for entry in folder.top() {
            let Some((number, label, true)) = named(entry) else { continue };
            if !reading.check(entry, Some("golang-migrate")) {
                continue;
            }
            let down = folder.top().find(|other| named(other).is_some_and(|(n, _, up)| n == number && !up));
            let down = down.filter(|down| reading.check(down, Some("golang-migrate")));
            for file in std::iter::once(entry).chain(down) {
                reading.warnings.extend(options.multi_statement.then(|| cut(file)).flatten());
            }
            let expected = entry.path.with_file_name(entry.own().replacen(".up.", ".down.", 1));
            reading.migrations.push(Migration {
                version: number.to_string(),
                label: label.to_owned(),
                up: part(entry, options),
                down: down.map(|down| part(down, options)),
                expected_down: Some(expected),
            });
        }
        reading.migrations.sort_by_key(|migration| migration.version.parse::<u64>().unwrap_or_default());
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "schema_migrations",
            qualified: "schema_migrations",
            make: "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean \
                NOT NULL)",
            // One row: the version the schema is at.
            enter: "WITH gone AS (DELETE FROM schema_migrations WHERE version <> {version}::bigint) \
                    INSERT INTO schema_migrations VALUES ({version}::bigint, false) ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, _part: &Part) -> Option<String> {
        Some(alone("golang-migrate"))
    }
}

fn part(entry: &Entry, options: &Options) -> Part {
    let file = entry.source();
    if options.multi_statement {
        let pieces = at_every_semicolon(&file.text);
        return Part::of_pieces(file, Layout::GolangMigrate, pieces, false);
    }
    let whole = 0..file.text.len();
    Part::as_one(file, Layout::GolangMigrate, whole, false)
}

/// The stretches between semicolons, wherever these stand; those without a word are not sent.
fn at_every_semicolon(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(';').chain([(text.len(), "")]) {
        let stretch = &text[start..at];
        if !stretch.trim().is_empty() {
            pieces.push(Piece::of(start..at));
        }
        start = (at + 1).min(text.len());
    }
    pieces
}

/// A semicolon inside of a statement at which `x-multi-statement` cuts it.
fn cut(entry: &Entry) -> Option<Warning> {
    let text = entry.text();
    let statements = sql::statements(text);
    let inside = |at: &usize| statements.iter().any(|span| span.contains(at));
    let at = text.match_indices(';').map(|(at, _)| at).find(inside)?;
    let message =
        "x-multi-statement cuts at every `;`, also inside strings, `$$` and comments: this statement is cut here";
    Some(
        Warning::new("statement-cut", &entry.path, message)
            .at(text, at)
            .help("leave x-multi-statement out for this file"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multi_statement_cuts_at_every_semicolon() {
        let text = "DO $$ BEGIN PERFORM 1; END $$;\nSELECT ';';\n";
        let pieces: Vec<&str> = at_every_semicolon(text).into_iter().map(|piece| &text[piece.span]).collect();
        assert_eq!(pieces, ["DO $$ BEGIN PERFORM 1", " END $$", "\nSELECT '", "'"]);
    }
}
