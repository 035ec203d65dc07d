//! Sessions whose snapshots are older than the rows of a load: until they end, VACUUM marks no page of those rows
//! all-visible. Must not end a session, and waits for a bounded time.
//!
//! An autovacuum worker that analyzes a table while another is loaded is such a session. Source: PostgreSQL,
//! `ComputeXidHorizons` in procarray.c: the horizon of a table is the oldest `xmin` or `xid` of a session of its
//! database.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::postgres::Error;
use crate::postgres::sql_text::query;

/// How often is looked, and how many times: ten seconds in all.
const INTERVAL: Duration = Duration::from_millis(100);
const MAX_LOOKS: u32 = 100;

/// Waits until no session of the database has a snapshot from before now; otherwise names those that still have one,
/// as `process id (application or kind)`.
pub(super) async fn wait_for_older_snapshots(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    let doing = |e| Error::doing("look for sessions with older snapshots", e);
    let limit: String = query("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(doing)?;
    let mut sessions = None;
    for _ in 0..MAX_LOOKS {
        sessions = query(
            "SELECT string_agg(format('%s (%s)', pid, coalesce(nullif(application_name, ''), backend_type)), ', '
             ORDER BY pid)
             FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND greatest(age(backend_xmin), age(backend_xid)) > age($1::text::xid)",
        )
        .bind(limit.clone())
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(doing)?;
        if sessions.is_none() {
            return Ok(None);
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(sessions)
}
