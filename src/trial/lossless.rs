//! Which migrations can be applied and reverted over and over on somebody's rows. Must go by words alone, and refuse one too many
//! rather than one too few.

use std::collections::BTreeSet;

use super::error::TrialError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::sql;

/// Checks up files and the files that revert them: neither may change rows or steer a transaction, the first must be undone by the
/// second, and the second may drop only what the first ones make.
///
/// # Errors
/// When a statement is not known to be harmless, with its place.
pub(super) fn check(files: &[(&SourceFile, &SourceFile)]) -> Result<(), TrialError> {
    let of_file = |file: &SourceFile| -> Vec<(String, String)> {
        sql::statements(&file.text).into_iter().flat_map(|span| made_by(&file.text[span])).collect()
    };
    let made: BTreeSet<(String, String)> = files.iter().flat_map(|(up, _)| of_file(up)).collect();
    for (up, down) in files {
        refuse_in(up, |statement| control(statement).or_else(|| loses(statement)))?;
        refuse_in(down, |statement| control(statement).or_else(|| takes(statement, &made)))?;
    }
    Ok(())
}

fn refuse_in(file: &SourceFile, wrong: impl Fn(&str) -> Option<&'static str>) -> Result<(), TrialError> {
    let statements = sql::statements(&file.text).into_iter();
    let found = statements.filter_map(|span| Some((wrong(&file.text[span.clone()])?, span)));
    let problems: Vec<Diagnostic> = found
        .map(|(what, span)| {
            let line = file.text[span.clone()].lines().next().map_or(0, str::len);
            Diagnostic::at(span.start..span.start + line, format!("{what}, so this cannot be weighed in place"))
                .help("weigh it on clones (--url), or on two databases of your own (--before, --after)")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(TrialError::File(Box::new(file.clone().problems(problems)))) }
}

fn control(statement: &str) -> Option<&'static str> {
    const CONTROL: [&str; 9] =
        ["begin", "start", "commit", "end", "rollback", "abort", "prepare", "savepoint", "release"];
    let first = words(statement).into_iter().next()?;
    CONTROL.contains(&first.as_str()).then_some("this steers a transaction, and a file is one already")
}

/// Statements that change definitions and no row.
const KNOWN: [&str; 11] =
    ["create", "alter", "drop", "comment", "grant", "revoke", "set", "reset", "analyze", "vacuum", "reindex"];

/// What holds no row.
const ROWLESS: [&str; 9] =
    ["index", "view", "trigger", "function", "procedure", "aggregate", "rule", "policy", "statistics"];

/// What is compared after a reversal, besides what holds no row.
const COMPARED: [&str; 6] = ["table", "type", "domain", "sequence", "schema", "extension"];

/// What is not compared after a reversal.
const ELSEWHERE: [&str; 7] = ["database", "role", "tablespace", "language", "large", "parameter", "foreign"];

/// What an up file's statement may lose, or may not have made.
fn loses(statement: &str) -> Option<&'static str> {
    let words = words(statement);
    let has = |sequence: &[&str]| words.windows(sequence.len()).any(|window| window == sequence);
    let first = words.first().map(String::as_str)?;
    let second = words.get(1).map_or("", String::as_str);
    if !KNOWN.contains(&first) {
        return Some("this may change rows, which reverting does not bring back");
    }
    if has(&["if", "not", "exists"]) || has(&["or", "replace"]) {
        return Some("this does nothing, or something else, where there is one already, and reverting would drop that");
    }
    if first == "create" && !ROWLESS.iter().chain(&COMPARED).any(|kind| *kind == kind_of(&words)) {
        return Some("whether reverting takes this away again is not known");
    }
    let on = words.iter().position(|word| word == "on").map(|at| words.get(at + 1).map_or("", String::as_str));
    if ["comment", "grant", "revoke"].contains(&first) && on.is_none_or(|on| ELSEWHERE.contains(&on)) {
        return Some("whether reverting takes this away again is not known");
    }
    if first == "drop" && !ROWLESS.contains(&second) {
        return Some("this drops what may hold rows, which reverting does not bring back");
    }
    if first == "alter" && !["table", "index", "view", "function", "policy", "statistics"].contains(&second) {
        return Some("this changes what reverting may not bring back");
    }
    if first == "alter" && second == "table" {
        if !dropped_columns(statement).is_empty() {
            return Some("this drops what may hold values, which reverting does not bring back");
        }
        if words.iter().any(|word| word == "type") {
            return Some("this changes the type of a column, and reverting does not bring its values back");
        }
    }
    None
}

/// What a reversal takes that its up files did not make.
fn takes(statement: &str, made: &BTreeSet<(String, String)>) -> Option<&'static str> {
    const TAKEN: &str = "this drops what the up file does not make, and rows with it";
    let words = words(statement);
    let first = words.first().map(String::as_str)?;
    let second = words.get(1).map_or("", String::as_str);
    if !KNOWN.contains(&first) {
        return Some("this may change rows every time the migration is reverted");
    }
    if first == "drop" && !ROWLESS.contains(&second) {
        let kind = kind_of(&words);
        let all_made = dropped(statement).into_iter().all(|name| made.contains(&(kind.to_owned(), name)));
        return (!all_made).then_some(TAKEN);
    }
    if first == "alter" && second == "table" {
        let of_column = |name: String| made.contains(&("column".to_owned(), name));
        if !dropped_columns(statement).into_iter().all(of_column) {
            return Some(TAKEN);
        }
        if (0..words.len()).any(|at| words[at] == "type" && of_alter(&words, at)) {
            return Some("this changes the type of a column, and its values with it");
        }
    }
    None
}

/// The kind of thing that a CREATE or DROP is about.
fn kind_of(words: &[String]) -> &str {
    const ADJECTIVES: [&str; 9] =
        ["unique", "unlogged", "temp", "temporary", "global", "local", "materialized", "constraint", "recursive"];
    let kind = words.iter().skip(1).find(|word| !ADJECTIVES.contains(&word.as_str()));
    kind.map_or("", String::as_str)
}

/// What a statement makes that may hold rows or values: kinds and names, without their schema.
fn made_by(statement: &str) -> Vec<(String, String)> {
    let pieces = pieces(statement);
    let words = words(statement);
    match words.first().map(String::as_str) {
        Some("create") => {
            let kind = kind_of(&words);
            let Some(at) = pieces.iter().position(|piece| piece == kind) else { return Vec::new() };
            name_at(&pieces, at + 1).map(|name| (kind.to_owned(), name)).into_iter().collect()
        }
        Some("alter") if words.get(1).is_some_and(|second| second == "table") => {
            const OTHER: [&str; 7] = ["constraint", "foreign", "primary", "unique", "check", "exclude", "generated"];
            let adds = pieces.iter().enumerate().filter(|(_, piece)| *piece == "add");
            let names = adds.filter_map(|(at, _)| name_at(&pieces, at + 1));
            names.filter(|name| !OTHER.contains(&name.as_str())).map(|name| ("column".to_owned(), name)).collect()
        }
        _ => Vec::new(),
    }
}

/// The names that a DROP drops, without their schemas.
fn dropped(statement: &str) -> Vec<String> {
    let pieces = pieces(statement);
    let kind = kind_of(&words(statement)).to_owned();
    let Some(at) = pieces.iter().position(|piece| *piece == kind) else { return Vec::new() };
    pieces[at + 1..].split(|piece| piece == ",").filter_map(|names| name_at(names, 0)).collect()
}

/// The columns that an ALTER TABLE drops.
fn dropped_columns(statement: &str) -> Vec<String> {
    let (pieces, mut found) = (pieces(statement), Vec::new());
    for (at, _) in pieces.iter().enumerate().filter(|(_, piece)| *piece == "drop") {
        let harmless = match pieces.get(at + 1).map(String::as_str) {
            Some("constraint") => pieces.get(at + 2).is_some_and(|piece| piece != ","),
            Some("not" | "default" | "expression") => of_alter(&pieces, at),
            _ => false,
        };
        if !harmless {
            found.push(name_at(&pieces, at + 1).unwrap_or_default());
        }
    }
    found
}

/// Whether the word at this place belongs to an ALTER COLUMN.
fn of_alter(words: &[String], at: usize) -> bool {
    words[..at].iter().rev().take(5).any(|word| word == "alter")
}

/// The last part of the name that stands at a place, behind words that are none.
fn name_at(pieces: &[String], at: usize) -> Option<String> {
    const NOT_NAMES: [&str; 6] = ["if", "not", "exists", "column", "only", "concurrently"];
    let mut rest = pieces.get(at..)?.iter().skip_while(|piece| NOT_NAMES.contains(&piece.as_str()));
    let mut name = rest.next()?;
    while rest.next().is_some_and(|piece| piece == ".") {
        name = rest.next()?;
    }
    Some(name.trim_matches('"').to_owned())
}

/// Words, names and symbols of a statement, folded; what is quoted keeps its quotes.
fn pieces(statement: &str) -> Vec<String> {
    let tokens = sql::tokens(statement).into_iter().filter(|token| token.kind != sql::Kind::Space);
    let fold = |token: sql::Token| match token.kind {
        sql::Kind::Word => statement[token.span].to_ascii_lowercase(),
        _ => statement[token.span].to_owned(),
    };
    tokens.map(fold).collect()
}

/// The same without symbols.
fn words(statement: &str) -> Vec<String> {
    let tokens = sql::tokens(statement).into_iter();
    let words = tokens.filter(|token| matches!(token.kind, sql::Kind::Word | sql::Kind::Quoted));
    let fold = |token: sql::Token| match token.kind {
        sql::Kind::Word => statement[token.span].to_ascii_lowercase(),
        _ => statement[token.span].to_owned(),
    };
    words.map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reverting_would_not_bring_back_is_refused() {
        for lost in [
            "DROP TABLE t",
            "ALTER TABLE t DROP c",
            "ALTER TABLE t DROP COLUMN c",
            "ALTER TABLE t DROP \"Meta\"",
            "ALTER TABLE insurance DROP policy",
            "ALTER TABLE t ALTER id DROP IDENTITY",
            "alter table t alter c set data type int",
            "ALTER TABLE t ALTER c TYPE int",
            "DELETE FROM t",
            "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
            "UPDATE t SET a = 1",
            "TRUNCATE t",
            "DO $$ BEGIN END $$",
            "CALL backfill()",
            "SELECT setval('s', 1)",
            "INSERT INTO t VALUES (1)",
            "ALTER SEQUENCE s RESTART",
            "ALTER TYPE s ADD VALUE 'x'",
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS c int",
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE PUBLICATION p FOR ALL TABLES",
            "CREATE ROLE anna",
            "GRANT anna TO otto",
            "GRANT CONNECT ON DATABASE d TO anna",
            "COMMENT ON DATABASE d IS 'x'",
        ] {
            assert!(loses(lost).is_some(), "{lost}");
        }
        for kept in [
            "CREATE INDEX i ON t (type)",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "DROP INDEX i",
            "ALTER TABLE t DROP CONSTRAINT c",
            "ALTER TABLE t ALTER c DROP NOT NULL",
            "ALTER TABLE t ALTER COLUMN c DROP DEFAULT",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b ON DELETE CASCADE ON UPDATE SET NULL",
            "CREATE TRIGGER a BEFORE UPDATE OR DELETE ON t EXECUTE FUNCTION f()",
            "ALTER TABLE t ADD COLUMN updated timestamptz",
            "COMMENT ON TABLE t IS 'DROP TABLE t'",
            "GRANT SELECT ON t TO anna",
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
        ] {
            assert_eq!(loses(kept), None, "{kept}");
        }
        assert!(control("COMMIT").is_some() && control("begin").is_some());
        assert_eq!(control("CREATE TABLE begin (a int)"), None);
    }

    #[test]
    fn a_reversal_takes_only_what_was_made() {
        let up = [
            "CREATE TABLE app.notes (id int REFERENCES users)",
            "ALTER TABLE users ADD COLUMN nick text, ADD \"Age\" int, ADD CONSTRAINT c CHECK (true)",
            "CREATE SEQUENCE IF NOT EXISTS s",
        ];
        let made: BTreeSet<_> = up.iter().flat_map(|statement| made_by(statement)).collect();
        for fine in [
            "DROP TABLE app.notes",
            "drop table if exists \"notes\" CASCADE",
            "ALTER TABLE users DROP COLUMN IF EXISTS nick, DROP \"Age\", DROP CONSTRAINT c",
            "DROP SEQUENCE s",
            "DROP INDEX CONCURRENTLY i",
            "ALTER TABLE users ALTER nick SET NOT NULL",
        ] {
            assert_eq!(takes(fine, &made), None, "{fine}");
        }
        for taken in [
            "DROP TABLE users",
            "DROP TABLE notes, users",
            "ALTER TABLE users DROP email",
            "ALTER TABLE users DROP COLUMN nick, DROP COLUMN email",
            "DROP SCHEMA app CASCADE",
            "UPDATE users SET email = ''",
            "SELECT clean()",
            "ALTER TABLE users ALTER COLUMN nick SET DATA TYPE int",
        ] {
            assert!(takes(taken, &made).is_some(), "{taken}");
        }
    }
}
