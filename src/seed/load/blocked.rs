//! Sessions of a load that wait for locks, and who holds them. Must not end a session or cancel a statement.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::session::NAME;
use crate::postgres::Error;
use crate::postgres::sql_text::query;

/// A session that holds what a session of the load waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// The table that the load waits for; `None` where the lock is on something else.
    pub relation: Option<String>,
    /// The process of the session that holds the lock.
    pub pid: i32,
    /// Its application, or what kind of process it is.
    pub application: String,
    /// Seconds since its transaction began; `None` where it has none, or the role may not see it.
    pub transaction_s: Option<i64>,
}

/// Who blocks the sessions of a load in this database; empty where none of them waits for a lock.
///
/// Source: `pg_blocking_pids()`, which names a prepared transaction as 0.
///
/// # Errors
/// When the server refuses the query.
pub async fn blockers(connection: &mut PgConnection) -> Result<Vec<Blocker>, Error> {
    let doing = |e| Error::doing("look for locks that the load waits for", e);
    let rows = query(
        "SELECT DISTINCT w.relation::regclass::text, b.pid,
                coalesce(nullif(b.application_name, ''), b.backend_type, ''),
                extract(epoch FROM clock_timestamp() - b.xact_start)::bigint
         FROM pg_stat_activity a
         CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS blocking (pid)
         JOIN pg_stat_activity b ON b.pid = blocking.pid
         LEFT JOIN pg_locks w ON w.pid = a.pid AND NOT w.granted
         WHERE a.datname = current_database() AND a.application_name = $1 AND b.application_name IS DISTINCT FROM $1
         ORDER BY b.pid",
    )
    .bind(NAME)
    .fetch_all(connection)
    .await
    .map_err(doing)?;
    let blocker = |row: &sqlx::postgres::PgRow| {
        Ok(Blocker {
            relation: row.try_get(0)?,
            pid: row.try_get(1)?,
            application: row.try_get(2)?,
            transaction_s: row.try_get(3)?,
        })
    };
    rows.iter().map(blocker).collect::<Result<_, sqlx::Error>>().map_err(doing)
}
