//! What a trial leaves behind: plain structures with a format number, and the files they are kept in.
//!
//! Must hold no password, no connection URL and no row of user data, and no opinion: verdicts are
//! made from evidence by `compare`, this year or next.

mod advice;
mod chunk;
pub mod count;
mod counters;
mod cut_off;
pub mod design;
pub mod files;
pub mod gate;
pub mod histograms;
pub mod interval_log;
pub mod isolated;
pub mod limits;
pub mod listing;
mod log_lines;
mod migration;
mod omitted;
mod policy;
mod quantiles;
pub mod round_trip;
pub mod row_security;
pub mod run;
mod side;
pub mod store;
pub mod validate;
pub mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::seconds;

pub use advice::{IndexAdvice, MissingPart, PartialIndex, PartitionedIndex};
pub use chunk::{ActionCounts, ChunkFacts, ChunkSide, SliceFacts, TimerLag};
pub use count::{
    Ablated, AccessPath, Answer, CountedAction, CountedSet, FunctionPlace, FunctionUse, GenericStep, Hypothetical,
    PlanChoice, PlanShape, RoomyCost, RoomyUpdates, StepWork,
};
pub use counters::{IndexUse, PlanCounts, SideCounters, TableUse, WorkPerCall};
pub use design::{Autovacuum, CloneFacts, Design, Interleave, LoadFacts, Subject};
pub use histograms::{ActionHistograms, Flaw, Histograms};
pub use isolated::{ConnectionSet, Isolated, IsolatedAction, LeftOut, ParameterTimes, Pinning, ProcessorTime, Times};
pub use limits::Limits;
pub use migration::{LockFacts, MigrationFacts, SkippedObject, StatementFacts};
pub use policy::{Ignored, Policy};
pub use row_security::{Denied, RowSecurity};
pub use side::Side;
pub use validate::MAX_COUNT;

/// The number of the format of `trial.json`; a reader refuses a newer one.
pub const FORMAT: u32 = 9;

/// Everything a trial saw but the histograms, which stand in `chunks.hlog` beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// When the trial began, RFC 3339 in UTC.
    pub started_at: String,
    /// Whether every planned chunk was measured.
    pub complete: bool,
    /// The change that was measured.
    pub migration: MigrationFacts,
    /// The rows it was measured on, where they were made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetFacts>,
    /// The server it was measured on.
    pub server: ServerFacts,
    /// The server of `after`, where its version, a setting or an extension is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_after: Option<ServerFacts>,
    /// The server of `control`, where that is a database of its own and its version, a setting or an extension is
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_control: Option<ServerFacts>,
    /// How the tables of given databases lay when it began, by side; clones have the same layout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<Side, BTreeMap<String, TableFacts>>,
    /// What the machine took from it while chunks were measured.
    #[serde(default)]
    pub machine: MachineFacts,
    /// Between which limits it was measured; absent before format 6, and where nothing was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How it was measured.
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
    /// Share of the time in which a task waited for a CPU (CPU contention), in place also while the migration was
    /// applied; absent where that is not seen.
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
    /// How often an operation goes to the server and comes back, with those that begin and end a transaction; absent
    /// before format 6, and where it depends on chance or on what is found.
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
