//! What the server is doing right now, in one question. Must not wait for anybody's lock, and must only read.
//!
//! Views and columns: PostgreSQL documentation, "The Cumulative Statistics System"; those of the checkpointer moved to
//! `pg_stat_checkpointer` in 17.

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::error::Error;
use super::sql_text::trusted;

/// One look at the server. Counters are since the database was made or last crashed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Activity {
    /// Sessions of this database that execute something.
    pub active: u64,
    /// Sessions that idle inside a transaction.
    pub idle_in_transaction: u64,
    /// What executing sessions wait for, `type:event`, and how many do.
    pub waits: std::collections::BTreeMap<String, u64>,
    /// Sessions of the server that wait for a lock.
    pub blocked: u64,
    /// How long the longest of them has waited, in seconds.
    pub blocked_s_max: f64,
    /// Transactions committed in this database.
    pub commits: u64,
    /// Transactions rolled back in it.
    pub rollbacks: u64,
    /// Deadlocks found in it.
    pub deadlocks: u64,
    /// Blocks found in shared buffers.
    pub blocks_hit: u64,
    /// Blocks read from the kernel.
    pub blocks_read: u64,
    /// Bytes of temporary files.
    pub temp_bytes: u64,
    /// Position of the WAL, in bytes; absent on a replica.
    pub wal_bytes: Option<u64>,
    /// Checkpoints of the server.
    pub checkpoints: u64,
    /// Autovacuum workers at work.
    pub autovacuum_workers: u64,
}

/// Looks at the server.
///
/// # Errors
/// When it cannot be asked.
pub async fn activity(connection: &mut PgConnection) -> Result<Activity, Error> {
    let checkpoints = checkpoints(connection);
    let sql = format!(
        "WITH sessions AS MATERIALIZED (
           SELECT state, wait_event_type || ':' || wait_event AS event, wait_event_type = 'Client' AS idle
           FROM pg_stat_activity
           WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid())
         SELECT json_build_object(
           'active', (SELECT count(*) FROM sessions WHERE state = 'active'),
           'idle_in_transaction', (SELECT count(*) FROM sessions WHERE state LIKE 'idle in transaction%'),
           'waits', (SELECT coalesce(json_object_agg(event, n), '{{}}') FROM
              (SELECT event, count(*) AS n FROM sessions WHERE state = 'active' AND NOT idle GROUP BY 1) w),
           'blocked', (SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted),
           'blocked_s_max', (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8
              FROM pg_locks WHERE NOT granted),
           'commits', d.xact_commit, 'rollbacks', d.xact_rollback, 'deadlocks', d.deadlocks,
           'blocks_hit', d.blks_hit, 'blocks_read', d.blks_read, 'temp_bytes', d.temp_bytes,
           'wal_bytes', CASE WHEN pg_is_in_recovery() THEN NULL
              ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 END,
           'checkpoints', ({checkpoints}),
           'autovacuum_workers', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'))::text
         FROM pg_stat_database d WHERE d.datname = current_database()"
    );
    let doing = |e| Error::doing("look at what the server is doing", e);
    // As one text: a pooler may give every question to another session.
    let row = connection.fetch_one(sqlx::raw_sql(trusted(sql))).await.map_err(doing)?;
    let text: String = row.try_get(0).map_err(doing)?;
    serde_json::from_str(&text).map_err(|e| doing(sqlx::Error::Decode(e.into())))
}

/// What else a server does beside a trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Background {
    /// Checkpoints so far.
    pub checkpoints: u64,
    /// Autovacuum workers at work.
    pub autovacuum_workers: u64,
    /// Sessions that execute something and have another name than the one that looks, in any database.
    pub others_active: u64,
    /// Sessions of other roles, and autovacuum workers, of which this role may not see whether they execute something
    /// (`pg_stat_get_activity` shows them to nobody without `pg_read_all_stats`).
    pub others_unseen: u64,
}

/// Looks at what else the server does.
///
/// # Errors
/// When it cannot be asked.
pub async fn background(connection: &mut PgConnection) -> Result<Background, Error> {
    let checkpoints = checkpoints(connection);
    let sql = format!(
        "SELECT ({checkpoints})::int8, count(*) FILTER (WHERE backend_type = 'autovacuum worker'),
                count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
                                   AND application_name <> current_setting('application_name')),
                count(*) FILTER (WHERE datid IS NOT NULL AND backend_type IS NULL)
         FROM pg_stat_activity"
    );
    let doing = |e| Error::doing("look at what else the server does", e);
    let row = connection.fetch_one(sqlx::raw_sql(trusted(sql))).await.map_err(doing)?;
    // A raw statement answers in text.
    let number = |at: usize| -> Result<u64, Error> {
        let text = row.try_get_raw(at).map_err(doing)?.as_str().map(str::to_owned);
        Ok(text.ok().and_then(|text| text.parse().ok()).unwrap_or_default())
    };
    let (checkpoints, autovacuum_workers) = (number(0)?, number(1)?);
    Ok(Background { checkpoints, autovacuum_workers, others_active: number(2)?, others_unseen: number(3)? })
}

/// The query of how many checkpoints there were.
fn checkpoints(connection: &PgConnection) -> &'static str {
    if connection.server_version_num().unwrap_or_default() < 170_000 {
        "SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"
    } else {
        "SELECT num_timed + num_requested FROM pg_stat_checkpointer"
    }
}

/// Where a server is in the WAL, in bytes: what a primary has flushed, or what a replica has replayed.
///
/// # Errors
/// When it cannot be asked.
pub async fn wal_position(connection: &mut PgConnection) -> Result<u64, Error> {
    const SQL: &str = "SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                              ELSE pg_current_wal_flush_lsn() END, '0/0')::text";
    let doing = |e| Error::doing("ask how far the WAL has come", e);
    let row = connection.fetch_one(sqlx::raw_sql(SQL)).await.map_err(doing)?;
    let text: Option<String> = row.try_get(0).map_err(doing)?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
}
