//! How a trial was planned, as its evidence has it. Must be fixed before the first slice, but for what the clones
//! took.

use serde::{Deserialize, Serialize};

use super::Policy;

/// Sets of clones a trial may have: each takes copies of the data and a migration.
pub const MOST_REPLICATES: u32 = 12;

/// How a trial was planned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// Where the sides were: how much may be claimed.
    #[serde(default)]
    pub subject: Subject,
    /// What the project makes of findings; absent before format 8.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The role that asked, where it was named; absent before format 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Which databases were given or migrated in place, as digests that outlive a restart of the server; none of
    /// clones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// A digest of the definitions in each of these; empty for clones, where they could not be read, and before format
    /// 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// In place, what of the schema was not as before at the end, after it had been once; absent before format 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_changes: Vec<String>,
    /// Names the parameters, arrivals and the order of slices.
    pub seed: u64,
    /// Chunks that were planned; none when operations were only counted.
    pub chunks_planned: u32,
    /// After how many chunks verdicts were planned, the last of them at the end; without any the end is the only one,
    /// at 5 %.
    #[serde(default)]
    pub looks: Vec<u32>,
    /// Names the text of the scenarios, and of migrations applied to every side.
    #[serde(default)]
    pub scenarios: String,
    /// How the sides took turns.
    #[serde(default)]
    pub interleave: Interleave,
    /// Why so, where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interleave_reason: Option<String>,
    /// It was to end when every interval of 95 % is this narrow on both sides of its estimate, as a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// How many sets of clones were made, each with statistics of its own.
    #[serde(default = "first")]
    pub replicates: u32,
    /// A checkpoint was written before each chunk (in blocks: before each block), so that every side pays for its full
    /// pages the same way.
    #[serde(default)]
    pub checkpointed: bool,
    /// Every chunk had new connections to every side; absent before format 9.
    #[serde(default)]
    pub reconnected: bool,
    /// What autovacuum could do meanwhile.
    #[serde(default)]
    pub autovacuum: Autovacuum,
    /// The clones, in the order they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clones: Vec<CloneFacts>,
    /// Tables and indexes that the actions' plans name, on all sides together, in bytes: what they can touch.
    #[serde(default)]
    pub working_set_bytes: u64,
    /// Sides share a database that is written to, so each counts its operations (`sequence()`) apart.
    #[serde(default)]
    pub sequences_apart: bool,
    /// Rounds of load before anything was counted.
    #[serde(default)]
    pub priming_rounds: u32,
    /// Whether answers had stopped becoming faster by then.
    #[serde(default = "yes")]
    pub primed: bool,
    /// The number of this attempt at the same comparison, from 1; this was, by the results that were kept.
    #[serde(default = "first")]
    pub attempt: u32,
    /// Rounds in a chunk; in each, every side has one slice.
    pub rounds_per_chunk: u32,
    /// Length of a slice, in milliseconds.
    pub slice_ms: u64,
    /// Changes smaller than this count as the same, as a share, where an action names no other.
    pub margin: f64,
    /// How operations arrived.
    pub load: LoadFacts,
    /// Threads of the load driver.
    pub driver_threads: u32,
}

impl Design {
    /// A block is preceded by this part of its length of load that does not count.
    pub const WARM_PART: u64 = 10;

    /// How long the load of a chunk takes with the warm-ups of blocks, in milliseconds.
    #[must_use]
    pub fn chunk_ms(&self) -> f64 {
        let warm = if self.interleave == Interleave::Block { self.slice_ms / Self::WARM_PART } else { 0 };
        (u64::from(self.rounds_per_chunk) * 3 * (self.slice_ms + warm)) as f64
    }
}

/// Before it was counted.
fn first() -> u32 {
    1
}

/// Before it was asked.
fn yes() -> bool {
    true
}

/// Where the sides are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// Clones of one template: nothing differs but the migration.
    #[default]
    Clones,
    /// Databases that were given: everything they differ in is measured.
    Given {
        /// Whether `control` is a database of its own, and not `before` once more.
        own_control: bool,
    },
    /// One database, migrated and reverted in turns.
    InPlace,
}

/// How the sides take turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Interleave {
    /// About a second each.
    #[default]
    Slice,
    /// Every operation on every side.
    Op,
    /// Many seconds each, after a warm-up that does not count.
    Block,
}

/// What autovacuum can do during a trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Autovacuum {
    /// The server has it off.
    Off,
    /// It was turned off for every table of the clones.
    OffForTables,
    /// It may run.
    #[default]
    Running,
}

/// A clone that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CloneFacts {
    /// Its side.
    pub side: String,
    /// Which set of clones it belongs to, from 0.
    pub replicate: u32,
    /// `wal_log` or `file_copy`; absent before PostgreSQL 15, which knows one way only.
    pub strategy: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Settings of the template, or its privileges, that the role may not give to a clone; absent before format 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// How operations arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LoadFacts {
    /// A Poisson process.
    Open {
        /// Actions a second on the side that has the slice.
        rate_per_s: f64,
        /// Most in flight.
        connections: u32,
    },
    /// As fast as they are answered.
    Closed {
        /// Connections.
        clients: u32,
    },
}
