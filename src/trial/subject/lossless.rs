//! Which migrations can be applied and reverted over and over on somebody's rows. Must go by what statements ask for
//! alone, and refuse one too many rather than one too few.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::Part;
use crate::sql::{Command, Name, Object, Script, TableAction};
use crate::trial::error::TrialError;

/// Something that holds rows or values, or an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Object(Object, Name),
    /// A column of a table.
    Column(Name, String),
}

/// Checks up files and the files that revert them: neither may change rows or steer a transaction, the first must be
/// undone by the second, and the second may drop only what the first ones make.
///
/// # Errors
/// When a statement is not known to be harmless, with its place.
pub(super) fn check(files: &[(&Part, &Part)]) -> Result<(), TrialError> {
    let ups: Vec<Command> = files.iter().flat_map(|(up, _)| Script::parse(&up.file.text).commands()).collect();
    // Under another name something else may stand where something was made.
    let renamed = ups.iter().any(Command::renames);
    let made: BTreeSet<Thing> = ups.iter().filter(|_| !renamed).flat_map(made_by).collect();
    for (up, down) in files {
        let alone = !up.in_transaction();
        // Of an index the database is asked whether it is there.
        let left = |command: &Command| {
            let makes = command.created().is_some_and(|created| created.object != Object::Index);
            (alone && (makes || made_by(command).iter().any(|thing| matches!(thing, Thing::Column(..)))))
                .then_some("this stays where a later statement fails, and what was there already would be taken for it")
        };
        refuse_in(&up.file, |command| control(command).or_else(|| loses(command)).or_else(|| left(command)))?;
        refuse_in(&down.file, |command| control(command).or_else(|| takes(command, &made)))?;
    }
    Ok(())
}

fn refuse_in(file: &SourceFile, wrong: impl Fn(&Command) -> Option<&'static str>) -> Result<(), TrialError> {
    let statements = Script::parse(&file.text).statements.into_iter();
    let found = statements.filter_map(|statement| Some((wrong(&statement.command)?, statement.span)));
    let problems: Vec<Diagnostic> = found
        .map(|(what, span)| {
            let line = file.text[span.clone()].lines().next().map_or(0, str::len);
            Diagnostic::at(span.start..span.start + line, format!("{what}, so this cannot be proven in place"))
                .help("prove it on clones (--url), or on two databases of your own (--before, --after)")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(TrialError::File(Box::new(file.clone().problems(problems)))) }
}

fn control(command: &Command) -> Option<&'static str> {
    matches!(command, Command::Transaction(_)).then_some("this steers a transaction, and a file is one already")
}

/// What holds no row.
const ROWLESS: [Object; 9] = [
    Object::Index,
    Object::View,
    Object::Trigger,
    Object::Function,
    Object::Procedure,
    Object::Aggregate,
    Object::Rule,
    Object::Policy,
    Object::Statistics,
];

/// What is compared after a reversal, besides what holds no row.
const COMPARED: [Object; 7] = [
    Object::Table,
    Object::MaterializedView,
    Object::Type,
    Object::Domain,
    Object::Sequence,
    Object::Schema,
    Object::Extension,
];

/// What is not compared after a reversal.
const ELSEWHERE: [Object; 10] = [
    Object::Database,
    Object::Role,
    Object::Tablespace,
    Object::Language,
    Object::LargeObject,
    Object::Parameter,
    Object::ForeignTable,
    Object::ForeignDataWrapper,
    Object::Server,
    Object::UserMapping,
];

/// What may not be done in either direction.
fn harms(command: &Command) -> Option<&'static str> {
    const UNCERTAIN: &str = "this changes what cannot be brought back for certain";
    match command {
        Command::Other => Some("this cannot be parsed, so it may change rows"),
        Command::CreateTableAs { query, .. } => query
            .as_ref()
            .is_none_or(|query| query.may_write())
            .then_some("this may change rows while it makes a table"),
        Command::CreateView { query, .. } => query.may_write().then_some("this may change rows while it makes a table"),
        Command::AlterTable(table) if table.foreign => Some(UNCERTAIN),
        Command::AlterTable(table) => table.actions.iter().find_map(|action| match action {
            TableAction::RestartIdentity(_) => Some("this restarts a sequence, under keys that are there"),
            TableAction::MovePartitions | TableAction::Other => Some(UNCERTAIN),
            _ => None,
        }),
        Command::Alter { object: Object::View | Object::Function | Object::Policy | Object::Statistics, .. }
        | Command::AlterIndex { .. }
        | Command::Drop(_)
        | Command::Comment { .. }
        | Command::Grant(_)
        | Command::Set(_)
        | Command::SetRole
        | Command::SetTransaction(_)
        | Command::SetConstraints
        | Command::Analyze { .. }
        | Command::Vacuum { .. }
        | Command::Reindex { .. } => None,
        Command::Alter { .. } | Command::AlterType { .. } | Command::DefaultPrivileges | Command::AlterSystem => {
            Some(UNCERTAIN)
        }
        command if command.created().is_some() => None,
        _ => Some("this may change rows, and does so every time"),
    }
}

/// What an up file's statement may lose, or may not have made.
fn loses(command: &Command) -> Option<&'static str> {
    const UNKNOWN: &str = "whether reverting takes this away again is not known";
    if let Some(harm) = harms(command) {
        return Some(harm);
    }
    if let Some(created) = command.created() {
        if created.may_exist {
            return Some(EXISTING);
        }
        if created.temporary || !ROWLESS.iter().chain(&COMPARED).any(|object| *object == created.object) {
            return Some(UNKNOWN);
        }
    }
    match command {
        Command::Comment { object: Some(object), .. } if ELSEWHERE.contains(object) => Some(UNKNOWN),
        Command::Grant(grant) if grant.on.is_none_or(|object| ELSEWHERE.contains(&object)) => Some(UNKNOWN),
        Command::CreateIndex(index) if index.name.is_none() => {
            Some("the server chooses a name for this index, and reverting may drop another of that name")
        }
        Command::CreateTable(table) if table.partition_of.is_some() || !table.inherits.is_empty() => {
            Some("this takes rows that belong to another table, and reverting may drop them")
        }
        Command::Drop(drop) if !ROWLESS.contains(&drop.object) => {
            Some("this drops what may hold rows, which reverting does not bring back")
        }
        Command::AlterTable(table) => table.actions.iter().find_map(lost_by),
        _ => None,
    }
}

const EXISTING: &str =
    "this does nothing, or something else, where there is one already, and reverting would drop that";

/// What an action on a table may lose.
fn lost_by(action: &TableAction) -> Option<&'static str> {
    match action {
        TableAction::AddColumn { if_not_exists: true, .. } => Some(EXISTING),
        TableAction::SetSchema(_) | TableAction::AttachPartition(_) | TableAction::Inherit(_) => {
            Some("this moves rows to where reverting may drop them")
        }
        TableAction::DropColumn { .. } | TableAction::DropIdentity(_) => {
            Some("this drops what may hold values, which reverting does not bring back")
        }
        TableAction::SetType { .. } => {
            Some("this changes the type of a column, and reverting does not bring its values back")
        }
        _ => None,
    }
}

/// What a reversal takes that its up files did not make.
fn takes(command: &Command, made: &BTreeSet<Thing>) -> Option<&'static str> {
    const TAKEN: &str = "this drops what the up file does not make under this name, and rows with it";
    if let Some(harm) = harms(command) {
        return Some(harm);
    }
    match command {
        Command::Drop(drop) if drop.object == Object::Index || !ROWLESS.contains(&drop.object) => {
            // An index is in the schema of its table, so it has no other in its name where it is made.
            let bare = |name: &Name| if drop.object == Object::Index { Name::bare(&name.name) } else { name.clone() };
            let own = drop.names.iter().all(|name| made.contains(&Thing::Object(drop.object, bare(name))));
            let foreign = match drop.object {
                Object::Index => "this drops an index that the up file does not make under this name",
                _ => TAKEN,
            };
            (!own).then_some(foreign)
        }
        Command::AlterTable(table) => table.actions.iter().find_map(|action| match action {
            TableAction::DropColumn { column, .. } => {
                (!made.contains(&Thing::Column(table.name.clone(), column.clone()))).then_some(TAKEN)
            }
            TableAction::DropIdentity(_) => Some(TAKEN),
            TableAction::SetType { .. } => Some("this changes the type of a column, and its values with it"),
            _ => None,
        }),
        _ => None,
    }
}

/// The names of the indexes that a file makes, and of those that it drops.
pub(super) fn indexes(file: &SourceFile) -> [Vec<String>; 2] {
    let (mut made, mut gone) = (Vec::new(), Vec::new());
    for command in Script::parse(&file.text).commands() {
        match command {
            Command::CreateIndex(index) => made.extend(index.name),
            Command::Drop(drop) if drop.object == Object::Index => {
                gone.extend(drop.names.into_iter().map(|name| name.name));
            }
            _ => {}
        }
    }
    [made, gone]
}

/// What a statement makes that may hold rows or values, and indexes.
fn made_by(command: &Command) -> Vec<Thing> {
    if let Command::AlterTable(table) = command {
        let column = |action: &TableAction| match action {
            TableAction::AddColumn { column, .. } => Some(Thing::Column(table.name.clone(), column.name.clone())),
            _ => None,
        };
        return table.actions.iter().filter_map(column).collect();
    }
    let holds = |object: &Object| *object == Object::Index || COMPARED.contains(object);
    let created = command.created().filter(|created| holds(&created.object));
    created.and_then(|created| Some(Thing::Object(created.object, created.name?))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::Layout;

    fn one(statement: &str) -> Command {
        Script::parse(statement).commands().next().unwrap()
    }

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
            "CREATE MATERIALIZED VIEW v AS SELECT nextval('s')",
            "CREATE TABLE x AS EXECUTE q",
            "CREATE FOREIGN TABLE f (a int) SERVER s",
            "ALTER FOREIGN TABLE f ADD a int",
            "ALTER TABLE t ALTER c SET GENERATED ALWAYS RESTART WITH 1",
            "DROP MATERIALIZED VIEW v",
            "DROP OWNED BY anna",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO anna",
            "SECURITY LABEL ON TABLE t IS 'x'",
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
            "CREATE TABLE t (a int,, b int)",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SELECT 1",
        ] {
            assert!(loses(&one(lost)).is_some(), "{lost}");
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
            "CREATE INDEX i ON t ((\"if\" IS NOT NULL)) WHERE exists",
            "CREATE TABLE \"or replace\" (\"if not exists\" int)",
            "CREATE TABLE x AS SELECT 'WITH' AS \"with\"",
            "ALTER TABLE t ADD COLUMN set_schema text, ADD COLUMN inherit bool DEFAULT 'inherit'",
            "COMMENT ON COLUMN t.c IS 'x'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA app TO anna",
            "ALTER VIEW v SET (security_barrier)",
        ] {
            assert_eq!(loses(&one(kept)), None, "{kept}");
        }
        assert!(control(&one("COMMIT")).is_some() && control(&one("begin")).is_some());
        assert_eq!(control(&one("CREATE TABLE begin (a int)")), None);
    }

    #[test]
    fn a_reversal_takes_only_what_was_made() {
        let up = [
            "CREATE TABLE app.notes (id int REFERENCES users)",
            "ALTER TABLE users ADD COLUMN nick text, ADD \"Age\" int, ADD CONSTRAINT c CHECK (true)",
            "CREATE SEQUENCE IF NOT EXISTS s",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON users (nick)",
            "CREATE MATERIALIZED VIEW \"totals\" AS SELECT 1",
        ];
        let made: BTreeSet<_> = up.iter().flat_map(|statement| made_by(&one(statement))).collect();
        for fine in [
            "DROP TABLE app.notes",
            "drop table if exists app.\"notes\" CASCADE",
            "ALTER TABLE users DROP COLUMN IF EXISTS nick, DROP \"Age\", DROP CONSTRAINT c",
            "DROP SEQUENCE s",
            "DROP INDEX CONCURRENTLY i",
            "DROP INDEX app.i",
            "ALTER TABLE users ALTER nick SET NOT NULL",
            "DROP MATERIALIZED VIEW totals",
            "ALTER TABLE ONLY \"users\" DROP NICK",
        ] {
            assert_eq!(takes(&one(fine), &made), None, "{fine}");
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
            assert!(takes(&one(taken), &made).is_some(), "{taken}");
        }
        let file = |text: &str| SourceFile { path: "m.sql".into(), text: text.to_owned() };
        let up = file("ALTER TABLE users ADD nick text;\nCREATE INDEX i ON users (nick);\n");
        let down = file("ALTER TABLE users DROP nick;\n");
        let part = |file: &SourceFile| Part::new(file.clone(), Layout::Sqlx);
        let check = |files: &[(&SourceFile, &SourceFile)]| {
            let parts: Vec<(Part, Part)> = files.iter().map(|(up, down)| (part(up), part(down))).collect();
            check(&parts.iter().map(|(up, down)| (up, down)).collect::<Vec<_>>())
        };
        check(&[(&up, &down)]).unwrap();
        let alone = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (a);\nDROP INDEX app.\"J\", k;\n\
                     CREATE INDEX ON t (b);\n";
        assert_eq!(indexes(&file(alone)), [vec!["i".to_owned()], vec!["J".to_owned(), "k".to_owned()]]);
        let view = file("-- no-transaction\nCREATE VIEW v AS SELECT 1;\n");
        assert!(check(&[(&view, &file("DROP VIEW v;\n"))]).is_err());
        for up in [
            "-- no-transaction\nALTER TABLE users ADD nick text;\n".to_owned(),
            format!("{}ALTER TABLE a RENAME TO b;\n", up.text),
        ] {
            assert!(check(&[(&file(&up), &down)]).is_err(), "{up}");
        }
    }
}
