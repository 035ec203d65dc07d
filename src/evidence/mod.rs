//! What a trial leaves behind: plain structures with a format number, and the files they are kept in.
//!
//! Must hold no password, no connection URL and no row of user data, and no opinion: verdicts are
//! made from evidence by `compare`, this year or next.

pub mod count;
mod cut_off;
pub mod design;
pub mod files;
pub mod histograms;
pub mod interval_log;
pub mod isolated;
pub mod limits;
pub mod listing;
mod log_lines;
mod policy;
pub mod round_trip;
pub mod row_security;
pub mod run;
pub mod store;
pub mod validate;
pub mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::seconds;

pub use count::{
    Ablated, AccessPath, Answer, CountedAction, CountedSet, FunctionPlace, FunctionUse, GenericStep, Hypothetical,
    PlanChoice, PlanShape, RoomyCost, RoomyUpdates, StepWork,
};
pub use design::{Autovacuum, CloneFacts, Design, Interleave, LoadFacts, Subject};
pub use histograms::{ActionHistograms, Flaw, Histograms};
pub use isolated::{ConnectionSet, Isolated, IsolatedAction, LeftOut, ParameterTimes, Pinning, ProcessorTime, Times};
pub use limits::Limits;
pub use policy::{Ignored, Policy};
pub use row_security::{Denied, RowSecurity};
pub use validate::MAX_COUNT;

/// The number of the format of `trial.json`; a reader refuses a newer one.
pub const FORMAT: u32 = 9;

/// A database in one schema state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Without the migration.
    Before,
    /// Without the migration too: what differs from `before` is noise.
    Control,
    /// With the migration.
    After,
}

impl Side {
    /// All, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Before, Self::Control, Self::After];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Control => "control",
            Self::After => "after",
        }
    }
}

/// Everything a trial saw but the histograms, which stand in `chunks.hlog` beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// When the trial began, RFC 3339 in UTC.
    pub started_at: String,
    /// Whether every planned chunk was measured.
    pub complete: bool,
    /// The change that was weighed.
    pub migration: MigrationFacts,
    /// The rows it was weighed on, where they were made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetFacts>,
    /// The server it was weighed on.
    pub server: ServerFacts,
    /// The server of `after`, where its version, a setting or an extension is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_after: Option<ServerFacts>,
    /// The server of `control`, where that is a database of its own and its version, a setting or an extension is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_control: Option<ServerFacts>,
    /// How the tables of given databases lay when it began, by side; clones lie alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<Side, BTreeMap<String, TableFacts>>,
    /// What the machine took from it while chunks were measured.
    #[serde(default)]
    pub machine: MachineFacts,
    /// Between which limits it was measured; absent before format 6, and where nothing was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How it was weighed.
    pub design: Design,
    /// The mix that was driven, in the order of the scenario files.
    pub actions: Vec<ActionFacts>,
    /// The chunks that were measured.
    pub chunks: Vec<ChunkFacts>,
    /// What the server counted between the first and the last chunk, by side; empty until the end.
    pub counters: BTreeMap<Side, SideCounters>,
    /// What single operations cost on idle sides, by side and action; absent before format 2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Side, Vec<CountedAction>>,
    /// What single operations take on idle sides; absent before format 9, and where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolated: Option<Isolated>,
    /// What the actions cost without each index of `after`; absent where that was not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ablated: Vec<Ablated>,
    /// What the catalog says about indexes, by side; absent before format 2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub advice: BTreeMap<Side, IndexAdvice>,
    /// Indexes that actions would use on foreign keys of `after` that have none; absent without `hypopg`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hypothetical: Vec<Hypothetical>,
    /// Tables with row-level security that the actions touch, by side; absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row_security: BTreeMap<Side, RowSecurity>,
    /// Statements that the role may not run; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Denied>,
    /// Which plans the server makes for the actions, by side.
    pub plans: BTreeMap<Side, Vec<PlanFacts>>,
    /// The histograms, one set per chunk.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub histograms: Vec<Histograms>,
    /// Chunks of its files that are not used; found when it is read.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub dropped: Option<Dropped>,
}

/// Chunks that the files of a saved result begin and that are not used, because the two files do not agree on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Chunks before them, which are whole in both files.
    pub kept: usize,
    /// Chunks that are begun in `trial.json`.
    pub in_facts: usize,
    /// Chunks that are begun in `chunks.hlog`.
    pub in_log: usize,
    /// What is wrong with the first that is not used.
    pub flaw: Flaw,
}

/// A change: a migration that was applied to the side `after`, or another database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MigrationFacts {
    /// Number and name, or the first and last of a range; the names of two databases that were given.
    pub label: String,
    /// Its statements and the times they took at first; none of databases that were given.
    pub statements: Vec<StatementFacts>,
    /// All of it, in milliseconds.
    pub duration_ms: f64,
    /// Size of the database before it, in bytes.
    pub size_bytes_before: i64,
    /// Size of the database after it, in bytes.
    pub size_bytes_after: i64,
    /// Tables in partitions that have no statistics as a whole after it and were not so before; absent before format 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsampled: Vec<String>,
    /// What its `IF NOT EXISTS` did not make; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedObject>,
    /// Tables that it wrote to new files, row by row; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<String>,
    /// The strongest lock on each table that was there, where it runs in a transaction; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockFacts>,
}

/// A table lock of a migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LockFacts {
    /// Schema-qualified table.
    pub table: String,
    /// Such as `AccessExclusiveLock`.
    pub mode: String,
    /// From the start of the statement that takes it to the end of the transaction, in milliseconds.
    pub held_ms: f64,
}

/// One statement of a migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatementFacts {
    /// Its text.
    pub sql: String,
    /// Its time, in milliseconds.
    pub duration_ms: f64,
}

impl Evidence {
    /// How long `chunks` chunks take, in place with a migration each; without what else happens between slices.
    #[must_use]
    pub fn time_of(&self, chunks: f64) -> Duration {
        let migrating_ms = if self.design.subject == Subject::InPlace { self.migration.duration_ms } else { 0.0 };
        seconds(chunks * (self.design.chunk_ms() + migrating_ms) / 1e3)
    }
}

/// A dataset.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DatasetFacts {
    /// Name of the spec's file.
    pub spec: String,
    /// Names (spec, base schema, scale, seed, server version) as one key.
    pub digest: String,
    /// Its scale.
    pub scale: f64,
    /// Its seed.
    pub seed: u64,
    /// The migration it was filled at.
    pub at: String,
    /// Whether a template from an earlier run was used.
    pub reused: bool,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerFacts {
    /// Such as `15.18`.
    pub version: String,
    /// Whether it was this program's own.
    pub embedded: bool,
    /// Settings that can change a measurement.
    pub settings: BTreeMap<String, String>,
    /// Extensions of the database and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, String>,
}

/// How a table of a given database lay when the trial began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableFacts {
    /// Bytes with TOAST, without indexes.
    pub bytes: i64,
    /// Rows at the last ANALYZE or VACUUM; absent where there was none.
    pub rows: Option<i64>,
    /// Rows that are dead and not yet removed.
    pub dead_rows: i64,
    /// Rows changed since the planner last looked.
    pub modified_rows: i64,
    /// The planner has statistics of it.
    pub analyzed: bool,
}

/// What a machine took from a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineFacts {
    /// Share of all processor time that other guests of the host took; absent where that is not seen.
    pub stolen_share: Option<f64>,
    /// How often the program's control group was throttled; absent where that is not seen.
    pub throttled: Option<u64>,
    /// Share of the time in which something waited for a processor, in place also while the migration was applied; absent where that is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_share: Option<f64>,
}

/// One action of the mix.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionFacts {
    /// Its name.
    pub name: String,
    /// Its share of the mix, from 0 to 1.
    pub share: f64,
    /// Its share of what was driven, where that is another: for focus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driven_share: Option<f64>,
    /// Its margin, as a share.
    pub margin: f64,
    /// Its statements.
    pub sql: Vec<String>,
    /// How often an operation goes to the server and comes back, with those that begin and end a transaction; absent before format 6, and
    /// where it depends on chance or on what is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trips: Option<u32>,
    /// What is asked instead after the migration; absent where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql_after: Vec<String>,
}

impl ActionFacts {
    /// Its share of what was driven, where it got more than the mix gives it.
    #[must_use]
    pub fn focus(&self) -> Option<f64> {
        self.driven_share.filter(|driven| self.share < *driven)
    }
}

/// What was counted in a chunk, by side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChunkFacts {
    /// Which set of clones it was measured on, from 0.
    #[serde(default)]
    pub replicate: u32,
    /// By side.
    pub sides: BTreeMap<Side, ChunkSide>,
}

/// What was counted in a chunk on one side.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChunkSide {
    /// By position of the action. Always due = skipped + ok + failed.
    pub actions: Vec<ActionCounts>,
    /// Failed operations by SQLSTATE, or `connection`.
    pub failures: BTreeMap<String, u64>,
    /// How late the driver's timer woke clients that were waiting: its own fault, never the server's.
    pub timer_lag: TimerLag,
    /// Busiest driver thread as a share of one processor.
    pub driver_cpu_share_max: f64,
    /// Length of the slices with their drains, in seconds.
    pub elapsed_s: f64,
    /// A sum over what was sent, in any order: the same where the same was sent. Absent before format 3.
    #[serde(default)]
    pub digest: String,
    /// Operations in flight on average, from a sum of its own; absent before format 3.
    #[serde(default)]
    pub in_flight_mean: Option<f64>,
    /// What throughput and times in service make of it (Little's law).
    #[serde(default)]
    pub in_flight_expected: Option<f64>,
    /// Its slices in the order of rounds; absent before format 3.
    #[serde(default)]
    pub slices: Vec<SliceFacts>,
}

/// One slice on one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SliceFacts {
    /// The how many-th of its round, from 0.
    pub place: u32,
    /// Answers.
    pub answers: u64,
    /// Mean of their service times, in microseconds.
    pub service_us_mean: f64,
    /// The same of what was due in the first tenth of the slice; absent where there was none.
    pub early_us_mean: Option<f64>,
    /// Checkpoints that began.
    pub checkpoints: u64,
    /// Autovacuum workers at its end.
    pub autovacuum_workers: u64,
    /// Sessions of others that executed something at its end.
    pub others_active: u64,
    /// Sessions that were there at its end and of which the role may not see whether they executed something; absent before format 7.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others_unseen: u64,
}

/// What a format leaves out.
fn is_zero<N: PartialEq + Default>(number: &N) -> bool {
    *number == N::default()
}

/// Quantiles of the timer's lateness, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimerLag {
    /// Median.
    pub us_p50: f64,
    /// 95th percentile.
    pub us_p95: f64,
    /// 99th percentile.
    pub us_p99: f64,
}

/// How many operations of an action there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionCounts {
    /// By schedule (closed loop: asked).
    pub due: u64,
    /// Given up unsent, because their slice had long passed.
    pub skipped: u64,
    /// Answered.
    pub ok: u64,
    /// Answered with an error, or lost.
    pub failed: u64,
    /// Rows returned or changed.
    pub rows: u64,
}

/// What the server counted on one side between the first and the last chunk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SideCounters {
    /// Operations answered meanwhile, warm-ups included; absent before format 4. Where two sides share a database, those of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// By schema-qualified index name.
    pub indexes: BTreeMap<String, IndexUse>,
    /// By schema-qualified table name.
    pub tables: BTreeMap<String, TableUse>,
    /// By position of the action; absent without `pg_stat_statements`. An action whose statement another
    /// action has too is null: the server counts the two as one.
    pub work: Option<Vec<Option<WorkPerCall>>>,
    /// Plans of each action's prepared statements in the driver's sessions since they connected (before 15: since they last made their
    /// counters visible), without the first five of each; absent before format 4 and where the server does not say.
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

/// What the catalog says about indexes, without any load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexAdvice {
    /// Indexes that another one could stand in for, with that one.
    pub redundant: Vec<(String, String)>,
    /// Foreign keys no index leads to, as `table (columns)`.
    pub unindexed: Vec<String>,
    /// Foreign keys, as `table (columns)`, with the indexes that lead to them; of a table in partitions once for each different list of its
    /// partitions. Absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(String, Vec<String>)>,
    /// Indexes a failed build left behind, and those of tables in partitions that lack a part.
    pub invalid: Vec<String>,
    /// Indexes of tables in partitions, by schema-qualified name; absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitioned: BTreeMap<String, PartitionedIndex>,
    /// Partial indexes of tables that have rows, by schema-qualified name; absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partial: BTreeMap<String, PartialIndex>,
    /// What each index is made of, by schema-qualified name: whatever its columns are called; absent before format 6.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub structures: BTreeMap<String, String>,
}

/// What a partial index holds of its table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartialIndex {
    /// Its table, schema-qualified.
    pub table: String,
    /// Its WHERE, as SQL.
    pub predicate: String,
    /// Some row lies inside.
    pub holds_some: bool,
    /// Some row lies outside.
    pub leaves_some: bool,
    /// Columns that the WHERE names.
    pub columns: Vec<String>,
    /// Those of them that have one value, or NULL, in every row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constant: Vec<String>,
}

/// What a migration's `IF NOT EXISTS` did not make, because something of that name was there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SkippedObject {
    /// `index`, `table`, `materialized view` or `sequence`.
    pub kind: String,
    /// Its name, with its schema.
    pub name: String,
    /// It is an index that is invalid: no query uses it.
    pub invalid: bool,
    /// Of an index that is made otherwise: how it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// How the statement would have made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
}

/// The index of a table in partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartitionedIndex {
    /// Its table, by schema-qualified name.
    pub table: String,
    /// `CREATE INDEX …` as the server prints it.
    pub definition: String,
    /// Partitions without a valid attached index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
}

/// A partition without a valid index attached to that of the whole table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MissingPart {
    /// The partition, by schema-qualified name.
    pub partition: String,
    /// The index that is attached and invalid; absent where none is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
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
    /// The index of a whole table in partitions, where it is a part of one and cannot be dropped alone; absent before format 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Its blocks in shared buffers at the end; absent without `pg_buffercache`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_blocks: Option<i64>,
    /// How full its leaf pages are at the end, in percent, for a btree: a fresh one has about 90; absent without `pgstattuple`.
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

/// The plans of one action on one side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanFacts {
    /// Indexes named by any plan.
    pub indexes: Vec<String>,
    /// Distinct shapes over the sampled parameters, with how many of them had it.
    pub shapes: BTreeMap<String, u32>,
}
