//! Isolated timing: one operation at a time on idle sides, with the same parameters, over many short connections. Must
//! hold ratios and times, no value of a parameter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Side;

/// What isolated timing measured, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Isolated {
    /// Why nothing was measured; absent where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Whether the processor time of the server's processes could be read.
    pub processor_time: ProcessorTime,
    /// Whether backends were kept on one processor while they were measured.
    pub pinning: Pinning,
    /// Processors that connection sets took turns on, by their numbers; empty without pinning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<u32>,
    /// The shared memory of the server is in huge pages; absent where that is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages: Option<bool>,
    /// Seconds it might take.
    pub budget_s: f64,
    /// Seconds it took.
    pub elapsed_s: f64,
    /// Deferred triggers and constraints were fired at the end of each operation that writes, on every side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fires_deferred: bool,
    /// By position in the mix.
    pub actions: Vec<IsolatedAction>,
    /// `SELECT 1` on every side, measured in the same way: what the harness itself makes of no change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub harness: Vec<ConnectionSet>,
}

/// Why nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The sides are one database in turn, and never there at the same time.
    InPlace,
    /// The server refused the operation with at least one set of parameters on a side.
    Refused,
    /// No operation could be counted before.
    NotCounted,
    /// One operation takes longer than the budget has room for.
    TooSlow,
    /// The connection was lost.
    Lost,
}

/// Whether the processor time of the server's processes can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessorTime {
    /// It was read.
    Read,
    /// The server is on another machine, or its processes are not seen from here.
    #[default]
    Unseen,
    /// A pooler is between: the process may be another for each transaction.
    Pooled,
}

/// Whether backends are kept on one processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pinning {
    /// All backends of a connection set and the client ran on one processor.
    Pinned,
    /// The system does not permit it for the server's processes.
    Refused,
    /// The processes are not seen from here.
    #[default]
    Unseen,
}

/// One action.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IsolatedAction {
    /// Why it was not measured; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// A plan has workers, whose processor time is not the backend's: only the time on the clock counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
    /// The budget ended before its interval was as narrow as it was to be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// The connection sets, in the order they were measured.
    pub sets: Vec<ConnectionSet>,
    /// The same by set of parameters, in the order of the counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterTimes>,
}

/// Connections to every side that were made together, measured and closed: the unit of analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnectionSet {
    /// Which set of clones it was measured on, from 0.
    pub replicate: u32,
    /// The processor its backends were kept on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<u32>,
    /// Rounds: in each, every side executed the operation once with the same parameters.
    pub rounds: u32,
    /// Processor time of the backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Times>,
    /// Time on the clock, from the first byte sent to the last one read.
    pub wall: Times,
}

/// What the rounds of a connection set come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Mean of an operation, in microseconds; each set of parameters counts as often as it stands for others.
    pub mean_us: BTreeMap<Side, f64>,
    /// Half the sum of the means over the rounds of ln after − ln before and of ln after − ln control, without the
    /// outer tenths (quarters on the clock).
    pub after: f64,
    /// The same of ln control − ln before.
    pub control: f64,
}

/// What one set of parameters showed in each connection set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParameterTimes {
    /// Mean over its rounds of ln after − ½ (ln before + ln control) in processor time, by connection set; absent
    /// where it had no round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<Option<f64>>,
    /// The same on the clock.
    pub wall: Vec<Option<f64>>,
}
