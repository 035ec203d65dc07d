//! Which migrations can be applied and reverted over and over on somebody's rows. Must go by words alone, and refuse one too many
//! rather than one too few.

use std::collections::BTreeSet;

use super::error::TrialError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::in_transaction;
use crate::sql;

/// Checks up files and the files that revert them: neither may change rows or steer a transaction, the first must be undone by the
/// second, and the second may drop only what the first ones make.
///
/// # Errors
/// When a statement is not known to be harmless, with its place.
pub(super) fn check(files: &[(&SourceFile, &SourceFile)]) -> Result<(), TrialError> {
    let statements = |file: &SourceFile| -> Vec<String> {
        sql::statements(&file.text).into_iter().map(|span| file.text[span].to_owned()).collect()
    };
    let ups: Vec<String> = files.iter().flat_map(|(up, _)| statements(up)).collect();
    // Under another name something else may stand where something was made.
    let renamed = ups.iter().any(|statement| words(statement).iter().any(|word| word == "rename"));
    let made: BTreeSet<String> = ups.iter().filter(|_| !renamed).flat_map(|statement| made_by(statement)).collect();
    for (up, down) in files {
        let alone = !in_transaction(up);
        // Of an index the database is asked whether it is there.
        let makes = |statement: &str| {
            let words = words(statement);
            words.first().is_some_and(|first| first == "create") && kind_of(&words) != "index"
        };
        let left = |statement: &str| {
            let rows = made_by(statement).iter().any(|made| !made.starts_with("index "));
            (alone && (makes(statement) || rows))
                .then_some("this stays where a later statement fails, and what was there already would be taken for it")
        };
        refuse_in(up, |statement| control(statement).or_else(|| loses(statement)).or_else(|| left(statement)))?;
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

/// What may be altered.
const ALTERED: [&str; 6] = ["table", "index", "view", "function", "policy", "statistics"];

/// What may not be done in either direction.
fn harms(words: &[String]) -> Option<&'static str> {
    let has = |sequence: &[&str]| words.windows(sequence.len()).any(|window| window == sequence);
    let first = words.first().map(String::as_str)?;
    let second = words.get(1).map_or("", String::as_str);
    if !KNOWN.contains(&first) {
        return Some("this may change rows, and does so every time");
    }
    if first == "create" && kind_of(words) == "table" && has(&["as", "with"]) {
        return Some("this may change rows while it makes a table");
    }
    if first == "alter" && !ALTERED.contains(&second) {
        return Some("this changes what cannot be brought back for certain");
    }
    if first == "alter" && words.iter().any(|word| word == "restart") {
        return Some("this starts a sequence anew, under keys that are there");
    }
    None
}

/// What an up file's statement may lose, or may not have made.
fn loses(statement: &str) -> Option<&'static str> {
    let words = words(statement);
    let has = |sequence: &[&str]| words.windows(sequence.len()).any(|window| window == sequence);
    let first = words.first().map(String::as_str)?;
    let second = words.get(1).map_or("", String::as_str);
    if let Some(harm) = harms(&words) {
        return Some(harm);
    }
    if has(&["if", "not", "exists"]) || has(&["or", "replace"]) {
        return Some("this does nothing, or something else, where there is one already, and reverting would drop that");
    }
    let temporary = words.iter().take(4).any(|word| ["temp", "temporary"].contains(&word.as_str()));
    if first == "create" && (temporary || !ROWLESS.iter().chain(&COMPARED).any(|kind| *kind == kind_of(&words))) {
        return Some("whether reverting takes this away again is not known");
    }
    let on = words.iter().position(|word| word == "on").map(|at| words.get(at + 1).map_or("", String::as_str));
    if ["comment", "grant", "revoke"].contains(&first) && on.is_none_or(|on| ELSEWHERE.contains(&on)) {
        return Some("whether reverting takes this away again is not known");
    }
    if first == "create" && kind_of(&words) == "index" && made_by(statement).is_empty() {
        return Some("the server chooses a name for this index, and reverting may drop another of that name");
    }
    if first == "create" && kind_of(&words) == "table" && (has(&["partition", "of"]) || has(&["inherits"])) {
        return Some("this takes rows that belong to another table, and reverting may drop them");
    }
    if first == "drop" && !ROWLESS.contains(&second) {
        return Some("this drops what may hold rows, which reverting does not bring back");
    }
    if first == "alter" && second == "table" {
        if has(&["set", "schema"]) || has(&["attach", "partition"]) || has(&["inherit"]) {
            return Some("this moves rows to where reverting may drop them");
        }
        if !dropped_columns(statement).is_empty() {
            return Some("this drops what may hold values, which reverting does not bring back");
        }
        let pieces = pieces(statement);
        if (0..pieces.len()).any(|at| pieces[at] == "type" && of_alter(&pieces, at)) {
            return Some("this changes the type of a column, and reverting does not bring its values back");
        }
    }
    None
}

/// What a reversal takes that its up files did not make.
fn takes(statement: &str, made: &BTreeSet<String>) -> Option<&'static str> {
    const TAKEN: &str = "this drops what the up file does not make under this name, and rows with it";
    let words = words(statement);
    let first = words.first().map(String::as_str)?;
    let second = words.get(1).map_or("", String::as_str);
    if let Some(harm) = harms(&words) {
        return Some(harm);
    }
    let own = || dropped(statement).iter().all(|name| made.contains(name));
    if first == "drop" && second == "index" && !own() {
        return Some("this drops an index that the up file does not make under this name");
    }
    if first == "drop" && !ROWLESS.contains(&second) && !own() {
        return Some(TAKEN);
    }
    if first == "alter" && second == "table" {
        if !dropped_columns(statement).iter().all(|name| made.contains(name)) {
            return Some(TAKEN);
        }
        let pieces = pieces(statement);
        if (0..pieces.len()).any(|at| pieces[at] == "type" && of_alter(&pieces, at)) {
            return Some("this changes the type of a column, and its values with it");
        }
    }
    None
}

/// The names of the indexes that a file makes, and of those that it drops.
pub(super) fn indexes(file: &SourceFile) -> [Vec<String>; 2] {
    let (mut made, mut gone) = (Vec::new(), Vec::new());
    for statement in sql::statements(&file.text).into_iter().map(|span| &file.text[span]) {
        let words = words(statement);
        let names = |of: Vec<String>| of.into_iter().filter_map(|name| name.strip_prefix("index ").map(str::to_owned));
        match words.first().map(String::as_str) {
            Some("create") => made.extend(names(made_by(statement))),
            Some("drop") => gone.extend(names(dropped(statement))),
            _ => {}
        }
    }
    [made, gone]
}

/// The kind of thing that a CREATE or DROP is about.
fn kind_of(words: &[String]) -> &str {
    const ADJECTIVES: [&str; 9] =
        ["unique", "unlogged", "temp", "temporary", "global", "local", "materialized", "constraint", "recursive"];
    let kind = words.iter().skip(1).find(|word| !ADJECTIVES.contains(&word.as_str()));
    kind.map_or("", String::as_str)
}

/// What a statement makes that may hold rows or values, and indexes: kinds and names, as they are written.
fn made_by(statement: &str) -> Vec<String> {
    let pieces = pieces(statement);
    let words = words(statement);
    match words.first().map(String::as_str) {
        // An index is in the schema of its table, so it has no other in its name.
        Some("create") if kind_of(&words) == "index" => {
            let at = pieces.iter().position(|piece| piece == "index").unwrap_or(pieces.len());
            let name = name_at(&pieces, at + 1).filter(|name| name != "on");
            name.map(|name| format!("index {name}")).into_iter().collect()
        }
        Some("create") if COMPARED.contains(&kind_of(&words)) => {
            let kind = kind_of(&words);
            let at = pieces.iter().position(|piece| piece == kind).unwrap_or(pieces.len());
            name_at(&pieces, at + 1).map(|name| format!("{kind} {name}")).into_iter().collect()
        }
        Some("alter") if words.get(1).is_some_and(|second| second == "table") => {
            const OTHER: [&str; 7] = ["constraint", "foreign", "primary", "unique", "check", "exclude", "generated"];
            let table = name_at(&pieces, 2).unwrap_or_default();
            let adds = pieces.iter().enumerate().filter(|(_, piece)| *piece == "add");
            let names = adds.filter_map(|(at, _)| name_at(&pieces, at + 1));
            names.filter(|name| !OTHER.contains(&name.as_str())).map(|name| format!("column {table}.{name}")).collect()
        }
        _ => Vec::new(),
    }
}

/// What a DROP drops: kinds and names, as they are written.
fn dropped(statement: &str) -> Vec<String> {
    let pieces = pieces(statement);
    let kind = kind_of(&words(statement)).to_owned();
    let at = pieces.iter().position(|piece| *piece == kind).unwrap_or_default();
    let names = pieces[at + 1..].split(|piece| piece == ",").map(|names| name_at(names, 0).unwrap_or_default());
    let bare = |name: String| match kind == "index" {
        true => name.rsplit('.').next().unwrap_or_default().to_owned(),
        false => name,
    };
    names.map(|name| format!("{kind} {}", bare(name))).collect()
}

/// The columns that an ALTER TABLE drops.
fn dropped_columns(statement: &str) -> Vec<String> {
    let (pieces, mut found) = (pieces(statement), Vec::new());
    let table = name_at(&pieces, 2).unwrap_or_default();
    for (at, _) in pieces.iter().enumerate().filter(|(_, piece)| *piece == "drop") {
        let harmless = match pieces.get(at + 1).map(String::as_str) {
            Some("constraint") => pieces.get(at + 2).is_some_and(|piece| piece != ","),
            Some("not" | "default" | "expression") => of_alter(&pieces, at),
            _ => false,
        };
        if !harmless {
            found.push(format!("column {table}.{}", name_at(&pieces, at + 1).unwrap_or_default()));
        }
    }
    found
}

/// Whether the word at this place belongs to an ALTER COLUMN: the first ALTER is that of the table, and a comma ends one.
fn of_alter(pieces: &[String], at: usize) -> bool {
    let before = pieces[1..at.max(1)].iter().rev().take_while(|piece| *piece != ",");
    before.into_iter().any(|piece| piece == "alter")
}

/// The name that stands at a place, behind words that are none.
fn name_at(pieces: &[String], at: usize) -> Option<String> {
    const NOT_NAMES: [&str; 6] = ["if", "not", "exists", "column", "only", "concurrently"];
    let mut rest = pieces.get(at..)?.iter().skip_while(|piece| NOT_NAMES.contains(&piece.as_str()));
    let mut name = rest.next()?.trim_matches('"').to_owned();
    while rest.next().is_some_and(|piece| piece == ".") {
        name = format!("{name}.{}", rest.next()?.trim_matches('"'));
    }
    Some(name)
}

/// Words, names and symbols of a statement, folded; what is quoted keeps its quotes.
fn pieces(statement: &str) -> Vec<String> {
    folded(statement, |kind| kind != sql::Kind::Space)
}

/// The same without symbols.
fn words(statement: &str) -> Vec<String> {
    folded(statement, |kind| matches!(kind, sql::Kind::Word | sql::Kind::Quoted))
}

fn folded(statement: &str, keep: impl Fn(sql::Kind) -> bool) -> Vec<String> {
    let tokens = sql::tokens(statement).into_iter().filter(|token| keep(token.kind));
    let fold = |token: sql::Token| match token.kind {
        sql::Kind::Word => statement[token.span].to_ascii_lowercase(),
        _ => statement[token.span].to_owned(),
    };
    tokens.map(fold).collect()
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
            "CREATE TEMP TABLE users (id int)",
            "CREATE TABLE x AS WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
            "ALTER TABLE users SET SCHEMA app",
            "ALTER TABLE p ATTACH PARTITION orders DEFAULT",
            "ALTER TABLE orders INHERIT p",
            "ALTER TABLE rules DROP expression",
            "ALTER TABLE rules ALTER a DROP DEFAULT, DROP expression",
            "ALTER TABLE t ALTER id RESTART",
            "CREATE TABLE events_2026 PARTITION OF events FOR VALUES IN (1)",
            "CREATE TABLE part (a int) INHERITS (orders)",
            "CREATE INDEX CONCURRENTLY ON t (b)",
        ] {
            assert!(loses(lost).is_some(), "{lost}");
        }
        for kept in [
            "CREATE INDEX i ON t (type)",
            "ALTER TABLE events ADD COLUMN type text",
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
            "CREATE UNIQUE INDEX CONCURRENTLY i ON users (nick)",
        ];
        let made: BTreeSet<_> = up.iter().flat_map(|statement| made_by(statement)).collect();
        for fine in [
            "DROP TABLE app.notes",
            "drop table if exists app.\"notes\" CASCADE",
            "ALTER TABLE users DROP COLUMN IF EXISTS nick, DROP \"Age\", DROP CONSTRAINT c",
            "DROP SEQUENCE s",
            "DROP INDEX CONCURRENTLY i",
            "DROP INDEX app.i",
            "ALTER TABLE users ALTER nick SET NOT NULL",
        ] {
            assert_eq!(takes(fine, &made), None, "{fine}");
        }
        for taken in [
            "DROP INDEX users_nick_idx",
            "DROP INDEX i, users_email_key",
            "DROP TABLE users",
            "DROP TABLE notes",
            "DROP TABLE app.notes, users",
            "ALTER TABLE orders DROP nick",
            "ALTER TYPE address DROP ATTRIBUTE zip CASCADE",
            "ALTER SEQUENCE s RESTART",
            "ALTER TABLE users DROP email",
            "ALTER TABLE users DROP COLUMN nick, DROP COLUMN email",
            "DROP SCHEMA app CASCADE",
            "UPDATE users SET email = ''",
            "SELECT clean()",
            "ALTER TABLE users ALTER COLUMN nick SET DATA TYPE int",
        ] {
            assert!(takes(taken, &made).is_some(), "{taken}");
        }
        let file = |text: &str| SourceFile { path: "m.sql".into(), text: text.to_owned() };
        let up = file("ALTER TABLE users ADD nick text;\nCREATE INDEX i ON users (nick);\n");
        let down = file("ALTER TABLE users DROP nick;\n");
        check(&[(&up, &down)]).unwrap();
        let alone = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (a);\nDROP INDEX app.\"J\", k;\nCREATE INDEX ON t (b);\n";
        assert_eq!(indexes(&file(alone)), [vec!["i".to_owned()], vec!["J".to_owned(), "k".to_owned()]]);
        let view = file("-- no-transaction\nCREATE VIEW v AS SELECT 1;\n");
        assert!(check(&[(&view, &file("DROP VIEW v;\n"))]).is_err());
        for up in [format!("-- no-transaction\n{}", up.text), format!("{}ALTER TABLE a RENAME TO b;\n", up.text)] {
            assert!(check(&[(&file(&up), &down)]).is_err(), "{up}");
        }
    }
}
