//! What queries and the commands that change rows do, as far as it decides whether they may write. Must hold facts of
//! the text: what a function of the user's does, only the server knows.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::expression::{called, calls};
use super::name::Name;

/// A query: SELECT, VALUES, TABLE and their combinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `SELECT … INTO` this table.
    pub into: Option<Name>,
    /// `FOR UPDATE`, `FOR SHARE` and the like, which write to the rows they lock.
    pub locks_rows: bool,
    /// A WITH query inserts, updates, deletes or merges.
    pub changes_rows: bool,
    /// Parameters that it sets with `set_config`; nothing where a name is no constant.
    pub sets: Vec<Option<String>>,
    /// The functions it calls, those of subqueries too.
    pub calls: Vec<Name>,
}

/// INSERT, UPDATE, DELETE or MERGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The table or view.
    pub table: Name,
    /// `RETURNING`.
    pub returning: bool,
    /// `WHERE`; no UPDATE or DELETE without it leaves a row alone.
    pub filtered: bool,
    /// `ON CONFLICT`.
    pub on_conflict: bool,
    /// The functions it calls, those of subqueries too.
    pub calls: Vec<Name>,
}

impl Query {
    pub(super) fn read(node: &SyntaxNode) -> Self {
        let mut query =
            Self { into: None, locks_rows: false, changes_rows: false, sets: Vec::new(), calls: Vec::new() };
        for inner in node.descendants() {
            match inner.kind() {
                SyntaxKind::INTO_CLAUSE => {
                    query.into = ast::IntoClause::cast(inner).and_then(|it| Name::read(it.table_name()?.syntax()));
                }
                SyntaxKind::LOCKING_CLAUSE => query.locks_rows = true,
                SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE => {
                    query.changes_rows = true;
                }
                SyntaxKind::CALL_EXPR => {
                    let Some(call) = ast::CallExpr::cast(inner) else { continue };
                    let Some(name) = called(&call) else { continue };
                    if name.name == "set_config" {
                        query.sets.push(first_constant(&call));
                    }
                    query.calls.push(name);
                }
                _ => {}
            }
        }
        query
    }

    /// Whether it may write, as far as its text shows: a function of the user's may write behind it.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.into.is_some()
            || self.locks_rows
            || self.changes_rows
            || self.sets.iter().any(|parameter| may_end_read_only(parameter.as_deref()))
            || self.calls.iter().any(acts)
    }
}

/// Whether a session that only reads may write after this parameter is set, or all where none is named.
pub(super) fn may_end_read_only(parameter: Option<&str>) -> bool {
    parameter.is_none_or(|parameter| parameter.to_ascii_lowercase().contains("read_only"))
}

/// The first argument of a call, where it is a string constant.
fn first_constant(call: &ast::CallExpr) -> Option<String> {
    let argument = call.arg_list()?.syntax().children().next()?;
    let literal = ast::Literal::cast(argument.first_child()?)?;
    matches!(literal.kind(), Some(ast::LitKind::String(_) | ast::LitKind::EscString(_)))
        .then(|| literal.string_value())?
}

impl Write {
    pub(super) fn read(table: Option<&SyntaxNode>, node: &SyntaxNode) -> Option<Self> {
        let has = |kind: SyntaxKind| node.children().any(|child| child.kind() == kind);
        Some(Self {
            table: Name::read(table?)?,
            returning: has(SyntaxKind::RETURNING_CLAUSE),
            filtered: has(SyntaxKind::WHERE_CLAUSE) || has(SyntaxKind::WHERE_CURRENT_OF),
            on_conflict: has(SyntaxKind::ON_CONFLICT_CLAUSE),
            calls: calls(node),
        })
    }
}

/// Functions of PostgreSQL itself that do something besides answering, sorted; names that end in `_` stand for all that
/// begin so. PostgreSQL documentation, "9.17 Sequence Manipulation Functions", "9.28 System Administration Functions",
/// "9.15 XML Functions", "35.4 Server-Side Functions" (large objects), "F.11 dblink".
const ACTING: [&str; 45] = [
    "brin_desummarize_range",
    "brin_summarize_new_values",
    "brin_summarize_range",
    "cursor_to_xml",
    "dblink",
    "dblink_",
    "gin_clean_pending_list",
    "lo_creat",
    "lo_create",
    "lo_export",
    "lo_from_bytea",
    "lo_import",
    "lo_open",
    "lo_put",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "lowrite",
    "nextval",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_cancel_backend",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_",
    "pg_drop_replication_slot",
    "pg_file_",
    "pg_import_system_collations",
    "pg_log_",
    "pg_logical_emit_message",
    "pg_logical_slot_get_",
    "pg_notify",
    "pg_promote",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_stat_reset",
    "pg_stat_reset_",
    "pg_stat_statements_reset",
    "pg_switch_wal",
    "pg_sync_replication_slots",
    "pg_terminate_backend",
    "pg_wal_replay_",
    "query_to_xml",
    "setval",
];

/// Whether a function of PostgreSQL itself does something besides answering.
fn acts(call: &Name) -> bool {
    if call.schema.as_ref().is_some_and(|schema| schema != "pg_catalog" && schema != "public") {
        return false;
    }
    let named = |known: &str| match known.strip_suffix('_') {
        Some(_) => call.name.starts_with(known),
        None => call.name == known,
    };
    ACTING.iter().any(|known| named(known))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_one};
    use super::*;

    #[test]
    fn the_functions_that_act_are_sorted_and_no_query_needs_one() {
        assert!(ACTING.is_sorted(), "{ACTING:?}");
        let Some(Command::Select(query)) =
            parse_one("SELECT count(*), s.\"F\"(1), now() + a.b(2), extract(day FROM c) FROM unnest(d)")
                .map(|it| it.command)
        else {
            panic!()
        };
        let calls: Vec<String> = query.calls.iter().map(ToString::to_string).collect();
        assert_eq!(calls, ["count", "s.F", "now", "a.b", "extract", "unnest"]);
        assert!(!query.may_write());
    }

    #[test]
    fn what_a_write_does_is_told_apart_from_what_its_queries_do() {
        let write = |sql: &str| match parse_one(sql).unwrap().command {
            Command::Insert(write) | Command::Update(write) | Command::Delete(write) | Command::Merge(write) => {
                (write.returning, write.filtered, write.on_conflict)
            }
            other => panic!("{sql}: {other:?}"),
        };
        let inner = "WITH a AS (DELETE FROM u WHERE true RETURNING *)";
        assert_eq!(write(&format!("{inner} INSERT INTO t SELECT * FROM a WHERE b")), (false, false, false));
        assert_eq!(
            write("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1 RETURNING a"),
            (true, false, true)
        );
        assert_eq!(write("UPDATE t SET a = (SELECT 1 WHERE true)"), (false, false, false));
        assert_eq!(write("DELETE FROM t WHERE CURRENT OF c RETURNING *"), (true, true, false));
    }
}
