//! What a run leaves behind: `run.json`. Must hold no password, no connection URL and no row of user data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::quantiles::Quantiles;
use super::view::{PoolFacts, ReplicaFacts, ServerSample, ServerView, SlowFacts};
use super::{LoadFacts, Policy, ServerFacts, TimerLag};

/// The number of the format of `run.json`; a reader refuses a newer one.
pub const RUN_FORMAT: u32 = 4;

/// Everything a run saw but the histograms, which stand in `intervals.hlog` beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunEvidence {
    /// The scenarios' names, joined by `+`.
    pub name: String,
    /// When the measurement began, RFC 3339 in UTC.
    pub started_at: String,
    /// Why it ended.
    pub ended: Ended,
    /// The server.
    pub server: ServerFacts,
    /// What was asked for.
    pub design: RunDesign,
    /// How long was measured, in seconds, to the last answer.
    pub measured_s: f64,
    /// By action, in the order of the files.
    pub actions: Vec<ActionResult>,
    /// All actions together.
    pub all: ActionResult,
    /// Failed operations by SQLSTATE, `connection` or `script`.
    pub failures: BTreeMap<String, FailureFacts>,
    /// Second by second, or as often as was asked for.
    pub intervals: Vec<IntervalFacts>,
    /// The driver's own part in what was measured.
    pub driver: DriverFacts,
    /// Conditions on the exit code with what was observed.
    pub gates: Vec<GateResult>,
    /// Checks of the driver and the machine that found something.
    pub checks: Vec<RunCheck>,
    /// Operations that the load asked for; absent for a closed loop and before format 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<f64>,
    /// Operations in flight; absent before format 4, and where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Row-level security that does not apply to the role that asks; absent where there is none, and before format 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexercised: Option<UnexercisedPolicies>,
    /// The server while it was driven, when it could be observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ServerView>,
    /// The pool in front of the server, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolFacts>,
    /// The replicas, in the order they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaFacts>,
    /// The slowest operations over the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slowest: Vec<SlowFacts>,
    /// How the rate was found, when that was asked for; this run is then the one that confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchFacts>,
}

/// How the highest rate was found at which an objective holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchFacts {
    /// The objective, as it was written.
    pub objective: Vec<String>,
    /// Every rate that was tried, in order.
    pub probes: Vec<ProbeFacts>,
    /// Whether the rate of this run holds over its whole duration.
    pub confirmed: bool,
}

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProbeFacts {
    /// Actions a second that were offered.
    pub rate_per_s: f64,
    /// How long, in seconds.
    pub seconds: f64,
    /// The objective with what was observed.
    pub gates: Vec<GateResult>,
    /// Whether it holds.
    pub holds: bool,
    /// The id of the finding that limited it, if it was not the server; a sentence before format 4.
    pub limited: Option<String>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ended {
    /// Everything that was asked for was done.
    AsPlanned,
    /// A rule of the scenario, or a gate with `abort`, ended it.
    Aborted(String),
    /// Somebody interrupted it.
    Interrupted,
    /// The program was killed before it could say: figures are those of the intervals it had written. Absent before
    /// format 3.
    CutOff,
    /// The server could not be reached any more. Absent before format 3.
    ServerLost,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunDesign {
    /// Names the parameters and arrivals.
    pub seed: u64,
    /// How operations arrived.
    pub load: LoadFacts,
    /// The level over time: seconds, level at their beginning, level at their end.
    pub shape: Vec<(f64, f64, f64)>,
    /// How long was asked for, in seconds; absent when a number of operations was.
    pub duration_s: Option<f64>,
    /// How many operations were asked for.
    pub operations: Option<u64>,
    /// How long the warm-up took, in seconds, and why it ended.
    pub warm_up_s: f64,
    /// How the end of the warm-up was found.
    pub warm_up: WarmUpEnd,
    /// How statements were sent.
    pub protocol: String,
    /// Most tries of an operation.
    pub max_tries: u32,
    /// Driver threads.
    pub threads: u32,
    /// Connections of the pool in front of the clients, and how long a client waits for one, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<(u32, f64)>,
    /// How many replicas were asked.
    #[serde(default)]
    pub replicas: u32,
    /// A hash of all statements.
    #[serde(default)]
    pub statements: String,
    /// Answers served slower than this count as slow, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_after_ms: Option<f64>,
    /// Which of several machines this was, and of how many.
    pub shard: (u32, u32),
    /// What the project makes of findings; absent before format 4.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
}

/// Operations in flight on average, by two accounts that must agree (Little's law).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InFlight {
    /// A sum of its own.
    pub counted_mean: f64,
    /// What throughput and times in service make of it.
    pub expected_mean: f64,
}

/// Tables that the statements name and whose policies do not apply to the role that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UnexercisedPolicies {
    /// The role.
    pub role: String,
    /// The tables.
    pub tables: Vec<String>,
}

/// How the end of a warm-up was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarmUpEnd {
    /// As long as was asked for.
    Fixed,
    /// Latency had become steady (MSER).
    Steady,
    /// It had not become steady within the bound.
    Bound,
}

/// What became of an action's operations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionResult {
    /// Its name.
    pub name: String,
    /// Its share of the mix, from 0 to 1.
    pub share: f64,
    /// Operations by schedule (closed loop: asked). Always due = skipped + unsent + ok + failed.
    pub due: u64,
    /// Given up, because they could not be sent within the load's `skip_after`.
    pub skipped: u64,
    /// Not sent by the end of the run and ten seconds of grace.
    #[serde(default)]
    pub unsent: u64,
    /// Answered.
    pub ok: u64,
    /// Answered with an error, or lost.
    pub failed: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Tries after the first one.
    pub retries: u64,
    /// Answered later than the load's limit.
    pub late: u64,
    /// Answers of a replica that did not hold yet what the same operation had just written.
    #[serde(default)]
    pub misses: u64,
    /// Answered, but served slower than the run's limit for that.
    #[serde(default)]
    pub slow: u64,
    /// Answers a second.
    pub rate_per_s: f64,
    /// From the intended start to the answer: what a user feels.
    pub latency: Quantiles,
    /// From the actual start to the answer.
    pub service: Quantiles,
    /// From the intended start to the moment a client turned to it.
    pub lag: Quantiles,
}

/// Failures of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FailureFacts {
    /// How many.
    pub count: u64,
    /// The first different messages, without what may be user data.
    pub texts: Vec<String>,
}

/// What happened in an interval.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IntervalFacts {
    /// Its beginning, in seconds from that of the measurement.
    pub at_s: f64,
    /// Its length, in seconds.
    pub length_s: f64,
    /// Operations that got an outcome in it.
    pub due: u64,
    /// Answered.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Given up, by the load's `skip_after`.
    pub skipped: u64,
    /// Not sent by the end.
    #[serde(default)]
    pub unsent: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Latency of the answered ones.
    pub latency: Quantiles,
    /// Lost connections that were reopened.
    pub reconnects: u64,
    /// Busiest driver thread as a share of a processor.
    pub driver_cpu_share_max: f64,
    /// The server in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSample>,
    /// The pool in it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolFacts>,
    /// The largest lag of each replica in it, in microseconds; absent while it could not be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica_lag_us_max: Vec<Option<f64>>,
}

/// The driver's own part in what was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DriverFacts {
    /// Busiest thread over the run, as a share of a processor.
    pub cpu_share_max: f64,
    /// Processor time of all threads per operation, in microseconds.
    pub cpu_us_per_operation: f64,
    /// How late the timer woke waiting clients.
    pub timer_lag: TimerLag,
    /// What one reading of the clock costs, in nanoseconds.
    pub clock_ns: f64,
    /// Sum over all operations of a hash of what was sent: equal for equal streams.
    pub digest: String,
    /// Lost connections that were reopened.
    pub reconnects: u64,
}

/// A gate and what was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// As it was written.
    pub gate: String,
    /// What was observed, in the gate's unit; absent when there was too little to tell.
    pub observed: Option<String>,
    /// Whether it holds.
    pub holds: bool,
    /// Why nothing was observed. Absent before format 3, and where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unevaluated: Option<Unevaluated>,
}

/// Why a gate cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Unevaluated {
    /// No operation became due.
    NothingDue,
    /// No operation was answered.
    NoAnswer,
    /// A quantile has fewer than ten values beyond it.
    TooFew {
        /// Values there are.
        values: u64,
        /// Values it needs.
        needed: u64,
    },
    /// A share of the load's rate, and a closed loop has no rate.
    NoRate,
    /// The run has no pool.
    NoPool,
    /// No lag of a replica was measured.
    NoReplica,
    /// The run has no action of this name.
    NoAction,
    /// The text of the gate cannot be read.
    Unreadable,
    /// Nothing was driven: a proof without load.
    NoLoad,
}

/// The checks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunCheckName {
    /// The driver had processor time to spare.
    DriverCpu,
    /// Nearly every due operation was sent.
    AchievedRate,
    /// The driver's timer woke clients in time.
    TimerLag,
    /// A reading of the clock costs little.
    ClockCost,
    /// What was in flight agrees with throughput and service time (Little's law): the books are right.
    Bookkeeping,
}

/// A check of the driver or the machine that found something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunCheck {
    /// Which check.
    pub name: RunCheckName,
    /// The driver or the machine was the limit: the figures are not the server's.
    pub limits: bool,
    /// What was found, and what to do, as a sentence; absent from format 4 on, where figures say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
