//! Table locks that a migration's transaction holds until it ends. Must only read, and must not be the transaction's
//! first query.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::postgres::Error;
use crate::postgres::sql_text::query;

/// A lock on a table that was there before the migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Schema-qualified table.
    pub table: String,
    /// Such as `AccessExclusiveLock`.
    pub mode: String,
    /// From the start of the statement that takes it to the end of the transaction.
    pub held: Duration,
}

/// Modes that block somebody, weakest first (PostgreSQL documentation, "Explicit Locking").
const MODES: [&str; 5] =
    ["ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// Statements that take no such lock, or may not be followed by a query of ours: `SET TRANSACTION` must come before
/// any.
const WITHOUT: [&str; 8] = ["set", "reset", "insert", "update", "delete", "grant", "revoke", "comment"];

/// Whether the locks are read after a statement.
pub(super) fn are_read_after(words: &[String]) -> bool {
    words.first().is_some_and(|first| !WITHOUT.contains(&first.as_str()))
}

/// Identifiers of the tables that are there.
///
/// # Errors
/// When the catalog cannot be read.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let rows = query(
        "SELECT c.oid::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', \
         'weighbridge')",
    );
    let rows = rows.fetch_all(connection).await.map_err(|e| Error::doing("list the tables", e))?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// Tables of these that the session has locked, each with its strongest mode.
///
/// # Errors
/// When the view cannot be read.
pub(super) async fn held(connection: &mut PgConnection, tables: &[i64]) -> Result<Vec<(String, String)>, Error> {
    let rows = query(
        "SELECT format('%I.%I', n.nspname, c.relname), l.mode
         FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation' AND c.oid::int8 = ANY ($1)
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    let rows = rows.bind(tables).fetch_all(connection).await.map_err(|e| Error::doing("read the locks", e))?;
    let rank = |mode: &str| MODES.iter().position(|known| *known == mode);
    let mut found: Vec<(String, String)> = Vec::new();
    for row in &rows {
        let (Ok(table), Ok(mode)) = (row.try_get::<String, _>(0), row.try_get::<String, _>(1)) else { continue };
        if rank(&mode).is_none() {
            continue;
        }
        match found.iter_mut().find(|(known, _)| *known == table) {
            Some((_, known)) if rank(known) < rank(&mode) => *known = mode,
            Some(_) => {}
            None => found.push((table, mode)),
        }
    }
    Ok(found)
}

/// Adds what is held now to what was: a stronger mode begins anew.
pub(super) fn add(locks: &mut Vec<(String, String, u64)>, now: Vec<(String, String)>, began_ns: u64) {
    for (table, mode) in now {
        match locks.iter_mut().find(|(known, ..)| *known == table) {
            Some((_, known, _)) if *known == mode => {}
            Some(lock) => *lock = (table, mode, began_ns),
            None => locks.push((table, mode, began_ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_lock_is_held_from_the_statement_that_takes_it() {
        let lock = |mode: &str| vec![("public.t".to_owned(), mode.to_owned())];
        let mut locks = Vec::new();
        add(&mut locks, lock("ShareLock"), 1);
        add(&mut locks, lock("ShareLock"), 2);
        add(&mut locks, lock("AccessExclusiveLock"), 3);
        assert_eq!(locks, [("public.t".to_owned(), "AccessExclusiveLock".to_owned(), 3)]);
    }

    #[test]
    fn no_query_follows_a_setting_or_a_row() {
        let read = |sql: &str| are_read_after(&crate::sql::words(sql));
        assert!(!read("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE") && !read("INSERT INTO t VALUES (1)"));
        assert!(read("ALTER TABLE t ADD a int"));
    }
}
