//! What was counted in a chunk of load, by side, slice and action. Must hold sums and no judgement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::side::Side;

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
    /// Its position in its round, from 0.
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
    /// Sessions that were there at its end and of which the role may not see whether they executed something; absent
    /// before format 7.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub others_unseen: u64,
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
