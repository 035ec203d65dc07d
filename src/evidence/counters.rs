//! What the server counted on one side. Must hold what the server reported, and no judgement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the server counted on one side between the first and the last chunk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SideCounters {
    /// Operations answered meanwhile, warm-ups included; absent before format 4. Where two sides share a database,
    /// those of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// By schema-qualified index name.
    pub indexes: BTreeMap<String, IndexUse>,
    /// By schema-qualified table name.
    pub tables: BTreeMap<String, TableUse>,
    /// By position of the action; absent without `pg_stat_statements`. An action whose statement another
    /// action has too is null: the server counts the two as one.
    pub work: Option<Vec<Option<WorkPerCall>>>,
    /// Plans of each action's prepared statements in the driver's sessions since they connected (before 15: since they
    /// last made their counters visible), without the first five of each; absent before format 4 and where the server
    /// does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_counts: Option<Vec<PlanCounts>>,
    /// Counters went backwards, so a reset or a crash fell into the window and nothing above can be trusted.
    pub reset: bool,
}

/// How often the server executed an action by a plan for all values, and by one for its own values, once it may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanCounts {
    /// By a plan for all values.
    pub generic: u64,
    /// By a plan for its own.
    pub custom: u64,
}

/// Use of an index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexUse {
    /// `CREATE INDEX …` as the server prints it.
    pub definition: String,
    /// Its table.
    pub table: String,
    /// Enforces something, used or not.
    pub unique: bool,
    /// False when a concurrent build failed.
    pub valid: bool,
    /// Scans started.
    pub scans: i64,
    /// Entries returned.
    pub tuples_read: i64,
    /// Rows fetched by simple scans.
    pub tuples_fetched: i64,
    /// Blocks read from the kernel.
    pub blocks_read: i64,
    /// Blocks found in shared buffers.
    pub blocks_hit: i64,
    /// Size at the end, in bytes.
    pub size_bytes: i64,
    /// The index of a partitioned table, where it is a part of one and cannot be dropped alone; absent before
    /// format 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Its blocks in shared buffers at the end; absent without `pg_buffercache`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_blocks: Option<i64>,
    /// How full its leaf pages are at the end, in percent, for a btree: a fresh one has about 90; absent without
    /// `pgstattuple`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_density: Option<f64>,
}

/// Use of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableUse {
    /// Sequential scans.
    pub sequential_scans: i64,
    /// Rows they read.
    pub sequential_rows: i64,
    /// Index scans.
    pub index_scans: i64,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Of those, in place (heap-only tuples).
    pub updated_hot: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// Size at the end with indexes, in bytes.
    pub size_bytes: i64,
}

/// Work of the server per call of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WorkPerCall {
    /// Calls counted.
    pub calls: i64,
    /// Rows.
    pub rows: f64,
    /// Blocks touched, found and read together.
    pub blocks: f64,
    /// Blocks read from the kernel.
    pub blocks_read: f64,
    /// Bytes of WAL, full-page images included.
    pub wal_bytes: f64,
    /// Full-page images in that WAL: one for each page touched first after a checkpoint.
    pub wal_full_pages: f64,
    /// Time executing, in milliseconds.
    pub exec_ms: f64,
}
