//! Snapshots of the server's counters. Must take deltas only: `pg_stat_reset` would also change autovacuum.
//!
//! Counters of a session appear when it flushes: at its end, or from 15 on when it calls
//! `pg_stat_force_next_flush()` itself. Take snapshots in autocommit, after every worker has flushed.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::sql_text::query;

/// Counters of one index since the database was made or last crashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexCounters {
    /// `CREATE INDEX …` as the server prints it.
    pub definition: String,
    /// Schema-qualified table.
    pub table: String,
    /// Backs a primary key, a unique or an exclusion constraint, or is unique.
    pub unique: bool,
    /// False while a concurrent build failed or is running.
    pub valid: bool,
    /// Scans started.
    pub scans: i64,
    /// Index entries returned.
    pub tuples_read: i64,
    /// Live rows fetched by simple scans.
    pub tuples_fetched: i64,
    /// Blocks read from the kernel.
    pub blocks_read: i64,
    /// Blocks found in shared buffers.
    pub blocks_hit: i64,
    /// Size now, in bytes.
    pub bytes: i64,
    /// The index of a partitioned table, where it is a part of one.
    pub part_of: Option<String>,
}

impl IndexCounters {
    /// Every count of this one with the same of another, such as its difference to an earlier one; the rest is this
    /// one's.
    #[must_use]
    pub fn with(&self, other: &Self, each: fn(i64, i64) -> i64) -> Self {
        Self {
            scans: each(self.scans, other.scans),
            tuples_read: each(self.tuples_read, other.tuples_read),
            tuples_fetched: each(self.tuples_fetched, other.tuples_fetched),
            blocks_read: each(self.blocks_read, other.blocks_read),
            blocks_hit: each(self.blocks_hit, other.blocks_hit),
            ..self.clone()
        }
    }
}

/// Counters of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableCounters {
    /// Sequential scans.
    pub sequential_scans: i64,
    /// Rows read by them.
    pub sequential_rows: i64,
    /// Index scans.
    pub index_scans: i64,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows updated in place (heap-only tuples).
    pub updated_hot: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// Size now with indexes and TOAST, in bytes.
    pub bytes: i64,
}

impl TableCounters {
    /// Every count of this one with the same of another, such as its difference to an earlier one; the rest is this
    /// one's.
    #[must_use]
    pub fn with(&self, other: &Self, each: fn(i64, i64) -> i64) -> Self {
        Self {
            sequential_scans: each(self.sequential_scans, other.sequential_scans),
            sequential_rows: each(self.sequential_rows, other.sequential_rows),
            index_scans: each(self.index_scans, other.index_scans),
            inserted: each(self.inserted, other.inserted),
            updated: each(self.updated, other.updated),
            updated_hot: each(self.updated_hot, other.updated_hot),
            deleted: each(self.deleted, other.deleted),
            bytes: self.bytes,
        }
    }
}

/// Counters of the statements that carry one tag, from `pg_stat_statements`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StatementCounters {
    /// Executions.
    pub calls: i64,
    /// Rows returned or changed.
    pub rows: i64,
    /// Shared blocks found in shared buffers.
    pub blocks_hit: i64,
    /// Shared blocks read from the kernel.
    pub blocks_read: i64,
    /// Bytes of WAL written.
    pub wal_bytes: i64,
    /// Full-page images among them, which depend on where a checkpoint falls.
    pub wal_full_pages: i64,
    /// Time executing, in milliseconds.
    pub exec_ms: f64,
}

impl StatementCounters {
    /// What was added since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            rows: self.rows - earlier.rows,
            blocks_hit: self.blocks_hit - earlier.blocks_hit,
            blocks_read: self.blocks_read - earlier.blocks_read,
            wal_bytes: self.wal_bytes - earlier.wal_bytes,
            wal_full_pages: self.wal_full_pages - earlier.wal_full_pages,
            exec_ms: self.exec_ms - earlier.exec_ms,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            rows: self.rows + other.rows,
            blocks_hit: self.blocks_hit + other.blocks_hit,
            blocks_read: self.blocks_read + other.blocks_read,
            wal_bytes: self.wal_bytes + other.wal_bytes,
            wal_full_pages: self.wal_full_pages + other.wal_full_pages,
            exec_ms: self.exec_ms + other.exec_ms,
        }
    }
}

/// Everything counted in one database at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// By schema-qualified index name. Names, never OIDs: clones and rebuilds keep only names.
    pub indexes: BTreeMap<String, IndexCounters>,
    /// By schema-qualified table name.
    pub tables: BTreeMap<String, TableCounters>,
    /// By tag; `None` when `pg_stat_statements` is not there.
    pub statements: Option<BTreeMap<String, StatementCounters>>,
}

/// A statement with the comment that ties it to us in `pg_stat_statements`, where it survives normalisation.
///
/// It stands at the end: from 18 on the server cuts comments before a statement off. On a line of its
/// own, in case the statement ends in a comment.
#[must_use]
pub fn tagged(sql: &str, tag: &str) -> String {
    format!("{sql}\n/* weighbridge:{tag} */")
}

/// How often each prepared statement of ours was planned for all values and for its own, in this session: the tag and
/// two numbers, separated by blanks. The columns are there from 14 on.
pub const PLAN_COUNTS: &str =
    "SELECT substring(statement FROM '/\\* weighbridge:(.*) \\*/$') || ' ' || generic_plans || ' ' || custom_plans
     FROM pg_prepared_statements WHERE statement LIKE '%/* weighbridge:% */'";

/// Waits until counters of sessions that have ended are visible: before 15 a collector process takes
/// up to half a second to show them, from 15 on they are in shared memory at once.
pub async fn settle(connection: &PgConnection) {
    if connection.server_version_num().is_some_and(|version| version < 150_000) {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
}

/// Takes a snapshot of the connected database.
///
/// # Errors
/// When a view cannot be read.
pub async fn snapshot(connection: &mut PgConnection) -> Result<Snapshot, Error> {
    let doing = |e| Error::doing("read the server's counters", e);
    let indexes = query(
        "SELECT s.schemaname || '.' || s.indexrelname, pg_get_indexdef(s.indexrelid), s.schemaname || '.' || s.relname,
                i.indisunique OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid
                AND c.contype IN ('p','u','x')),
                i.indisvalid, s.idx_scan, s.idx_tup_read, s.idx_tup_fetch, io.idx_blks_read, io.idx_blks_hit,
                pg_relation_size(s.indexrelid), (SELECT n.nspname || '.' || c.relname FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                                                       WHERE c.oid = pg_partition_root(s.indexrelid)
                                                       AND c.oid <> s.indexrelid)
         FROM pg_stat_user_indexes s
         JOIN pg_statio_user_indexes io USING (indexrelid)
         JOIN pg_index i USING (indexrelid)",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(doing)?;
    let tables = query(
        "SELECT schemaname || '.' || relname, seq_scan, seq_tup_read, coalesce(idx_scan, 0), n_tup_ins, n_tup_upd,
                n_tup_hot_upd, n_tup_del, pg_total_relation_size(relid)
         FROM pg_stat_user_tables",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(doing)?;
    let statements = statements(connection).await;
    let index = |row: &sqlx::postgres::PgRow| -> Result<_, sqlx::Error> {
        Ok((
            row.try_get(0)?,
            IndexCounters {
                definition: row.try_get(1)?,
                table: row.try_get(2)?,
                unique: row.try_get(3)?,
                valid: row.try_get(4)?,
                scans: row.try_get(5)?,
                tuples_read: row.try_get(6)?,
                tuples_fetched: row.try_get(7)?,
                blocks_read: row.try_get(8)?,
                blocks_hit: row.try_get(9)?,
                bytes: row.try_get(10)?,
                part_of: row.try_get(11)?,
            },
        ))
    };
    let table = |row: &sqlx::postgres::PgRow| -> Result<_, sqlx::Error> {
        Ok((
            row.try_get(0)?,
            TableCounters {
                sequential_scans: row.try_get(1)?,
                sequential_rows: row.try_get(2)?,
                index_scans: row.try_get(3)?,
                inserted: row.try_get(4)?,
                updated: row.try_get(5)?,
                updated_hot: row.try_get(6)?,
                deleted: row.try_get(7)?,
                bytes: row.try_get(8)?,
            },
        ))
    };
    Ok(Snapshot {
        indexes: indexes.iter().map(index).collect::<Result<_, _>>().map_err(doing)?,
        tables: tables.iter().map(table).collect::<Result<_, _>>().map_err(doing)?,
        statements,
    })
}

/// Makes the extensions that show work per statement, fill the cache and look at indexes, where the role may.
/// Without them a trial has no work per call, primes by its load alone, and says less of indexes.
pub async fn prepare(connection: &mut PgConnection) {
    for extension in ["pg_stat_statements", "pg_prewarm", "pg_buffercache", "pgstattuple", "hypopg"] {
        let _ = query(format!("CREATE EXTENSION IF NOT EXISTS {extension}")).execute(&mut *connection).await;
    }
}

/// Blocks of each index of the connected database in shared buffers, by schema-qualified name; `None` without
/// `pg_buffercache` or the right to ask it.
pub async fn cached_blocks(connection: &mut PgConnection) -> Option<BTreeMap<String, i64>> {
    let rows = query(
        "SELECT n.nspname || '.' || c.relname, count(*)
         FROM pg_buffercache b JOIN pg_class c ON pg_relation_filenode(c.oid) = b.relfilenode
              JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'i' AND n.nspname !~ '^pg_'
           AND b.reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
         GROUP BY 1",
    );
    let rows = rows.fetch_all(connection).await.ok()?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>().ok()
}

/// How full the leaf pages of each btree are, in percent, by schema-qualified name; `None` without `pgstattuple` or the
/// right to ask it. It reads them whole, so those of 256 MiB and more are left out.
pub async fn leaf_density(connection: &mut PgConnection) -> Option<BTreeMap<String, f64>> {
    let rows = query(
        "SELECT n.nspname || '.' || c.relname, (pgstatindex(c.oid::regclass)).avg_leaf_density
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid
         WHERE c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND c.relpersistence = 'p'
         AND n.nspname !~ '^pg_'
           AND pg_relation_size(c.oid) < 256 << 20",
    );
    let rows = rows.fetch_all(connection).await.ok()?;
    // Of an index without a leaf it says NaN.
    let read = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get::<f64, _>(1)?));
    let all: BTreeMap<String, f64> = rows.iter().map(read).collect::<Result<_, sqlx::Error>>().ok()?;
    Some(all.into_iter().filter(|(_, density)| density.is_finite()).collect())
}

async fn statements(connection: &mut PgConnection) -> Option<BTreeMap<String, StatementCounters>> {
    let rows = query(
        "SELECT (regexp_match(query, '/\\* weighbridge:([^ ]+) \\*/$'))[1], sum(calls)::int8, sum(rows)::int8,
                sum(shared_blks_hit)::int8, sum(shared_blks_read)::int8, sum(wal_bytes)::int8, sum(wal_fpi)::int8,
                sum(total_exec_time)
         FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND query ~ '/\\* weighbridge:[^ ]+ \\*/$'
         GROUP BY 1",
    )
    .fetch_all(connection)
    .await
    .ok()?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get(0)?,
                StatementCounters {
                    calls: row.try_get(1)?,
                    rows: row.try_get(2)?,
                    blocks_hit: row.try_get(3)?,
                    blocks_read: row.try_get(4)?,
                    wal_bytes: row.try_get(5)?,
                    wal_full_pages: row.try_get(6)?,
                    exec_ms: row.try_get(7)?,
                },
            ))
        })
        .collect::<Result<_, sqlx::Error>>()
        .ok()
}
