//! What a run saw of the servers while it drove them. Must hold no text of anybody's statements and no row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantiles::Quantiles;

/// The server during an interval: counters are what was added in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerSample {
    /// Sessions of the database that were executing something.
    pub active: u64,
    /// What they waited for, `type:event`, and how many did; `Client` waits are none of the server's.
    pub waits: BTreeMap<String, u64>,
    /// Sessions that idled inside a transaction.
    pub idle_in_transaction: u64,
    /// Sessions of the whole server that waited for a lock.
    pub blocked: u64,
    /// How long the longest of them had waited, in seconds.
    pub blocked_s_max: f64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Deadlocks found.
    pub deadlocks: u64,
    /// Blocks found in shared buffers.
    pub blocks_hit: u64,
    /// Blocks read from the kernel.
    pub blocks_read: u64,
    /// Bytes written to temporary files.
    pub temp_bytes: u64,
    /// Bytes of WAL written by the whole server; absent on a replica.
    pub wal_bytes: Option<u64>,
    /// Checkpoints begun or asked for.
    pub checkpoints: u64,
    /// Autovacuum workers at work.
    pub autovacuum_workers: u64,
    /// What taking the sample took, in milliseconds.
    pub sample_ms: f64,
}

/// The server over the whole measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerView {
    /// How many samples were taken, one for each interval at most.
    pub samples: u64,
    /// What they took on average, in milliseconds: the server's time and the way there.
    pub sample_ms_mean: f64,
    /// What the longest took.
    pub sample_ms_max: f64,
    /// Sessions that were executing, on average over the samples.
    pub active_mean: f64,
    /// Sessions that waited for each thing, on average over the samples; the first ten.
    pub waits_mean: BTreeMap<String, f64>,
    /// Most sessions that waited for a lock at a time.
    pub blocked_max: u64,
    /// The longest wait for a lock that was seen, in seconds.
    pub blocked_s_max: f64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Deadlocks found.
    pub deadlocks: u64,
    /// Blocks found in shared buffers.
    pub blocks_hit: u64,
    /// Blocks read from the kernel.
    pub blocks_read: u64,
    /// Bytes written to temporary files.
    pub temp_bytes: u64,
    /// Bytes of WAL; absent on a replica.
    pub wal_bytes: Option<u64>,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Samples in which an autovacuum worker was at work.
    pub autovacuum_samples: u64,
    /// Work of each action's statements, from `pg_stat_statements`; absent without it.
    pub statements: Option<BTreeMap<String, StatementWork>>,
    /// Scans of each index that was used, by its name with the schema.
    pub index_scans: BTreeMap<String, u64>,
    /// Counters went back on the way, as after a crash: what was counted between two looks around that is missing.
    pub reset: bool,
    /// What could not be seen, or why nothing more was seen from some moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// What the server did for the statements of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatementWork {
    /// Executions.
    pub calls: u64,
    /// Time executing per call, in milliseconds.
    pub exec_ms_mean: f64,
    /// Shared blocks per call, found or read.
    pub blocks_per_call: f64,
    /// Blocks read from the kernel per call.
    pub blocks_read_per_call: f64,
    /// Rows returned or changed per call.
    pub rows_per_call: f64,
    /// Bytes of WAL per call.
    pub wal_bytes_per_call: f64,
}

/// What clients saw of a pool of connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolFacts {
    /// Connections of the pool.
    pub connections: u32,
    /// How long clients waited for one.
    pub wait: Quantiles,
    /// How often a client gave up.
    pub timeouts: u64,
    /// Connections in use, on average over time.
    pub in_use_mean: f64,
    /// Connections nobody used, on average over time.
    pub idle_mean: f64,
    /// Most clients that waited at a time.
    pub waiting_max: u64,
}

/// How far a replica was behind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplicaFacts {
    /// How long what the primary had written was not to be seen, over all looks at it.
    pub lag: Quantiles,
    /// Most bytes of WAL it was behind.
    pub lag_bytes_max: u64,
    /// Looks that found it unreachable.
    pub unreachable: u64,
}

/// Statements over the run's limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SlowFacts {
    /// Its action.
    pub action: String,
    /// From sending to the answer, in milliseconds.
    pub service_ms: f64,
    /// When it was sent, in seconds from the beginning of the measurement.
    pub at_s: f64,
    /// The stream and number that draw its parameters again.
    pub operation: (u64, u64),
    /// The shape of the plan the server makes for its parameters, when that was asked for; one for each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
}
