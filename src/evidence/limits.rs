//! Between which limits a trial measured: what no answer can be faster than, and how much the server can do. Must be
//! asked before anything counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Side;

/// What was asked of clock, way and server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// What a reading of the clock costs, in nanoseconds.
    pub clock_ns: f64,
    /// What the shortest question took, in microseconds: the round trip of `before`, at the median.
    pub trip_us_p50: f64,
    /// Operations of the mix answered a second while all connections were busy, by their number and the mean service
    /// time; empty in a closed loop, which says it itself, and where databases were given.
    pub capacity_per_s: BTreeMap<Side, f64>,
}
