//! What a comparison has to say beside its figures, as data: an id, how much it weighs, what it is about, its values and what to do. Must hold
//! no sentence: words are `report::finding`'s.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Verdict;
use super::updates::HotChange;
use crate::evidence::row_security::Exemption;
use crate::evidence::{MissingPart, Policy, Side};

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was found, with its values.
    #[serde(flatten)]
    pub fact: Fact,
    /// What follows from it for verdicts.
    pub severity: Severity,
    /// The action it is about; absent where it is about all of them, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The table, index or key it is about, by its name without the schema `public`; absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The largest change that is not called because of it, as a share; absent where it bounds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// What to do about it; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Whether a gate of the project names it, so that the proof fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fails: bool,
    /// Why the project accepts it; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// What a finding does to verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// There is no verdict, or none for the action it names.
    Invalid,
    /// Only `after` could not keep up: it can be called slower, and nothing else.
    OnlyRegressions,
    /// Only the sides without the migration could not keep up: `after` can be called faster, and nothing else.
    OnlyImprovements,
    /// Nothing is called the same, and no change up to the finding's bound.
    OnlyBeyond,
    /// It changes no verdict, and a reader should know it.
    Warning,
    /// It is about the schema, and what the migration does to it.
    Note,
}

/// A value for each side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sides<T> {
    /// Before the migration.
    pub before: T,
    /// On the control, which is `before` once more.
    pub control: T,
    /// After the migration.
    pub after: T,
}

impl<T> From<[T; 3]> for Sides<T> {
    fn from([before, control, after]: [T; 3]) -> Self {
        Self { before, control, after }
    }
}

/// What was found: the id of a finding with the values that belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, strum::IntoStaticStr, strum::VariantNames)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "id", content = "values", rename_all = "kebab-case", rename_all_fields = "snake_case")]
#[strum(serialize_all = "kebab-case")]
pub enum Fact {
    /// The sides did not reach the offered rate.
    RateNotReached {
        /// Offered actions a second; absent for a closed loop.
        rate_per_s: Option<f64>,
        /// Share of the operations that were due and not sent.
        skipped_share: Sides<f64>,
    },
    /// A closed loop carried another load on one side.
    UnequalLoad {
        /// Operations after over operations before.
        operations_ratio: f64,
    },
    /// Operations failed.
    OperationsFailed {
        /// Where.
        side: Side,
        /// Failed operations over due ones.
        failed_share: f64,
        /// Failures of all actions there by SQLSTATE, or by the driver's own class.
        failures: BTreeMap<String, u64>,
    },
    /// A thread of the load driver had no processor time to spare.
    DriverBusy {
        /// Share of one processor that the busiest thread used.
        cpu_share_max: f64,
    },
    /// The load driver woke clients late.
    DriverLag {
        /// 99th percentile of how late, in microseconds.
        late_us_p99: Sides<f64>,
        /// Whether `before` and `control` differ in it.
        is_uneven: bool,
    },
    /// A limit on the container's processor time took effect.
    CpuThrottled {
        /// How often.
        times: u64,
    },
    /// Other guests of the host used processor time.
    CpuStolen {
        /// Share of the processor time.
        share: f64,
    },
    /// Processes waited for a processor.
    CpuContention {
        /// Share of the time in which at least one did.
        share: f64,
    },
    /// The same parameters give another answer.
    AnswerChanged {
        /// How it differs.
        difference: AnswerDifference,
        /// Whether the sides are databases that were given, which may hold other rows.
        is_given: bool,
    },
    /// The same parameters give as many rows, but other ones, and the statement does not say which.
    AnswerUnordered {},
    /// An action returns and changes no row in any executed set of parameters.
    ActionFindsNoRows {
        /// Executed sets.
        sets: usize,
    },
    /// An index that is compared has no entries.
    IndexHoldsNothing {
        /// The index.
        index: String,
        /// Its table.
        table: String,
        /// Its WHERE.
        predicate: String,
    },
    /// A partial index that is compared contains every row.
    IndexHoldsEveryRow {
        /// The index.
        index: String,
        /// Its table.
        table: String,
        /// Its WHERE.
        predicate: String,
    },
    /// A column that the WHERE of a compared index names has one value in every row.
    PredicateColumnConstant {
        /// The index.
        index: String,
        /// Its table.
        table: String,
        /// The column.
        column: String,
    },
    /// Counters of the server went backwards.
    CountersReset {},
    /// An action touches more blocks a call under load, though its single operations do not.
    WorkUnderLoad {
        /// Blocks a call.
        blocks_per_call: Sides<f64>,
    },
    /// `IF NOT EXISTS` made nothing.
    IfNotExistsSkipped {
        /// `index`, `table` ...
        kind: String,
        /// The object that was there.
        name: String,
        /// Whether it is an invalid index.
        invalid: bool,
        /// Its definition, where that is another than the one asked for.
        found: Option<String>,
        /// The definition that was asked for.
        wanted: Option<String>,
    },
    /// The beginning of a slice is slower than the rest.
    SliceWarmUp {
        /// By how much, as a share.
        share: f64,
    },
    /// The order of the sides in a round shows in their latencies.
    SliceOrder {
        /// Change of `after` against `before` where it comes first against where it comes last, as a share.
        change: f64,
    },
    /// The sides were not sent the same parameters: a fault of this program.
    UnequalParameters {
        /// Chunks with unequal parameters.
        chunks: usize,
        /// Chunks in all.
        chunks_measured: usize,
    },
    /// Two accounts of the operations in flight disagree (Little's law): a fault of this program or the clock.
    InFlightMismatch {
        /// Mean number that was counted.
        counted: f64,
        /// Mean number that answers and service times make.
        expected: f64,
    },
    /// Something else was at work on the server.
    BackgroundActivity {
        /// Slices in which a checkpoint began.
        checkpoints: Sides<usize>,
        /// Slices with autovacuum at work.
        autovacuum: Sides<usize>,
        /// Slices with other sessions at work.
        sessions: Sides<usize>,
        /// Slices with sessions whose state the role may not see.
        unseen: usize,
        /// Slices of each side.
        slices: usize,
        /// Whether the sides differ in it.
        is_uneven: bool,
    },
    /// Sides without the migration find other shares of their blocks in shared buffers.
    CacheUnequal {
        /// Share before.
        before: f64,
        /// Share on control.
        control: f64,
        /// Share after; absent where it is unknown.
        after: Option<f64>,
    },
    /// Answers were still becoming faster when the measurement began.
    NotPrimed {
        /// Rounds of load that were not counted.
        rounds: u32,
    },
    /// The sides are databases that were given.
    SidesGiven {
        /// Whether `control` is a database of its own.
        own_control: bool,
    },
    /// The sides are one database in turns.
    SidesInPlace {
        /// How the schema differed at the end from that of the beginning.
        schema_changes: Vec<String>,
    },
    /// The sides' servers differ in settings, version or extensions.
    SettingsDiffer {
        /// The side that differs from `before`.
        side: Side,
        /// Settings and the version: name, before, there.
        settings: Vec<Difference>,
        /// Extensions: name, version before, version there.
        extensions: Vec<Difference>,
    },
    /// Tables of the sides could not be looked at.
    TablesUnread {
        /// The sides.
        sides: Vec<Side>,
    },
    /// Tables of the sides differ beside their schema.
    TablesDiffer {
        /// By side that differs from `before`.
        tables: BTreeMap<Side, Vec<TableDifference>>,
    },
    /// The server used generic plans for another share of executions.
    PlanKindsDiffer {
        /// By action and side.
        shares: Vec<PlanKindDifference>,
    },
    /// A table in partitions has no statistics as a whole.
    PartitionedWithoutStatistics {
        /// The tables.
        tables: Vec<String>,
    },
    /// Reading the clock is a part of the shortest latencies.
    ClockCost {
        /// Nanoseconds that one reading takes.
        reading_ns: f64,
        /// Shortest median latency, in microseconds.
        latency_us_p50: f64,
    },
    /// The way to the server is a large part of latencies.
    NetworkFloor {
        /// Microseconds that `SELECT 1` takes.
        trip_us_p50: f64,
        /// Actions for which it is.
        actions: Vec<TripShare>,
    },
    /// The load is near what the server can do.
    NearSaturation {
        /// The side.
        side: Side,
        /// Offered operations a second, and what the side answered at most; absent where only its connections show it.
        rate: Option<CapacityUse>,
        /// Connections of the load.
        connections: u32,
        /// Share of what the side can do.
        share: f64,
    },
    /// Chunks follow each other beyond chance.
    DependentChunks {
        /// Correlation of neighbours.
        correlation: f64,
        /// How many times as wide its intervals are for it.
        widening: f64,
    },
    /// Chunks in which a checkpoint or autovacuum fell on some sides alone.
    DisturbedChunks {
        /// Such chunks.
        chunks: usize,
        /// Chunks in all.
        chunks_measured: usize,
        /// Verdicts that are others without them; absent where too few are left to know.
        changed: Option<Vec<OtherVerdict>>,
    },
    /// Row-level security does not apply to the role that asks.
    PoliciesNotExercised {
        /// The table.
        table: String,
        /// Its policies.
        policies: Vec<String>,
        /// The role that asked.
        role: String,
        /// Why they do not apply.
        exemption: Exemption,
        /// Whether the migration changes them.
        is_changed: bool,
        /// Actions that touch the table.
        actions: Vec<String>,
    },
    /// An index that another one can serve for.
    RedundantIndex {
        /// The index.
        index: String,
        /// The one that serves for it.
        by: String,
        /// Whether the migration makes it so.
        is_new: bool,
    },
    /// An index that is used, with one that could serve for it and that no action uses.
    OverlappingIndex {
        /// The index that is used.
        index: String,
        /// The other one.
        by: String,
    },
    /// A foreign key that no index leads to.
    UnindexedForeignKey {
        /// The table with the columns of the key.
        key: String,
        /// Whether the migration makes it so.
        is_new: bool,
    },
    /// An index that writes pay for and no query can use.
    InvalidIndex {
        /// The index.
        index: String,
        /// Whether it is that of a table in partitions.
        partitioned: bool,
        /// Partitions that lack a valid part of it.
        missing: Vec<MissingPart>,
        /// Whether the migration leaves it so.
        is_new: bool,
    },
    /// An index that no action's plan names.
    UnusedIndex {
        /// The index.
        index: String,
        /// Since when.
        since: UnusedSince,
    },
    /// An index that is not there and that an action would use.
    IndexWanted {
        /// The table and the columns.
        index: String,
        /// The planner's cost without it.
        cost: f64,
        /// The planner's cost with it.
        cost_with: f64,
    },
    /// Updates that were heap-only (HOT) are no longer.
    HotUpdatesLost {
        /// The change, with what it costs.
        change: HotChange,
    },
    /// Updates are heap-only (HOT) that were not.
    HotUpdatesWon {
        /// The change, with what it saves.
        change: HotChange,
    },
    /// The server may answer by another plan than before, with some parameters or once it uses the generic plan.
    PlanFlip {
        /// Sets of parameters with another plan.
        sets: u32,
        /// Sets in all.
        sets_in_all: u32,
        /// The plan before.
        plan_before: String,
        /// The plan after.
        plan_after: String,
    },
    /// Tables that the migration writes to new files, row by row.
    RowsRewritten {
        /// The tables.
        tables: Vec<String>,
    },
    /// The role that asks may not run a statement.
    PermissionDenied {
        /// Where.
        side: Side,
        /// What the server says.
        message: String,
    },
}

impl Fact {
    /// Its stable name, in kebab-case: that of its page in `docs/findings/`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.into()
    }

    /// The names of all findings.
    #[must_use]
    pub fn ids() -> &'static [&'static str] {
        <Self as strum::VariantNames>::VARIANTS
    }
}

/// Since when an index is used by no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UnusedSince {
    /// It is new, and no action uses it.
    Made,
    /// Actions used it before the migration.
    Migration,
    /// No action uses it before or after.
    Always,
}

/// How answers differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum AnswerDifference {
    /// Other rows.
    Rows,
    /// Another order, though the statement's ORDER BY gives each row its place.
    Order,
    /// Other rows of a table are written.
    Writes {
        /// Which, and how.
        change: String,
    },
    /// Another number of rows a call.
    RowsPerCall {
        /// Before.
        before: f64,
        /// After.
        after: f64,
    },
    /// Statements are refused.
    Refused {
        /// Before.
        before: Refusals,
        /// After.
        after: Refusals,
    },
}

/// Sets of parameters that the server refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusals {
    /// How many.
    pub refused: usize,
    /// Of how many.
    pub sets: usize,
    /// Their SQLSTATEs.
    pub codes: Vec<String>,
}

/// Something that differs from `before` on another side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// Before; absent where it has none there.
    pub before: Option<String>,
    /// On the other side; absent where it has none there.
    pub other: Option<String>,
}

/// How a table differs from that of `before`; absent where it does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TableDifference {
    /// The table.
    pub table: String,
    /// Rows, before and there.
    pub rows: Option<(i64, i64)>,
    /// Size in bytes.
    pub bytes: Option<(i64, i64)>,
    /// Share of dead rows.
    pub dead_share: Option<(f64, f64)>,
    /// Whether it was analyzed.
    pub analyzed: Option<(bool, bool)>,
    /// Share of rows changed since ANALYZE.
    pub modified_share: Option<(f64, f64)>,
}

/// Shares of an action's executions by a generic plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanKindDifference {
    /// The action.
    pub action: String,
    /// The side that differs from `before`.
    pub side: Side,
    /// Share before.
    pub before: f64,
    /// Share there.
    pub other: f64,
}

/// The way to the server as a part of an action's latency.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TripShare {
    /// The action.
    pub action: String,
    /// Share of p50.
    pub share: f64,
    /// Change of p50 with the way and without it, as shares; absent where it is not known.
    pub change: Option<(f64, f64)>,
}

/// An offered rate beside what a side can do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapacityUse {
    /// Offered operations a second.
    pub rate_per_s: f64,
    /// Operations a second that the side answered at most.
    pub capacity_per_s: f64,
}

/// A verdict that another choice of chunks changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherVerdict {
    /// The action.
    pub action: String,
    /// Its verdict from all chunks.
    pub with: Verdict,
    /// Its verdict without the disturbed ones.
    pub without: Verdict,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Remedy {
    /// Lower the scenario's rate.
    LowerRate,
    /// Lower the rate, or give the load driver more threads.
    MoreDriverThreads,
    /// Give the scenario a rate.
    GiveRate,
    /// Measure again where nothing else runs.
    QuietMachine,
    /// Measure again on a server of its own, or for longer.
    OwnServer,
    /// Raise the container's limit on processor time.
    RaiseCpuLimit,
    /// Measure more chunks.
    MoreChunks,
    /// Order the statement by a unique key.
    OrderByUniqueKey,
    /// Longer slices, or turns in blocks.
    LongerTurns {
        /// Whether the sides take turns in blocks already.
        in_blocks: bool,
    },
    /// Raise `shared_buffers`, or longer turns.
    MoreSharedBuffers {
        /// Whether the sides take turns in blocks already.
        in_blocks: bool,
    },
    /// Run this SQL.
    RunSql {
        /// The statements.
        sql: String,
    },
    /// Give a second database without the migration.
    SecondBefore,
    /// `VACUUM (ANALYZE)` on all sides.
    VacuumSides,
    /// Use the `tsc` clock source.
    TscClock,
    /// Name the application's role.
    NameRole,
    /// Name the values of a column in the dataset spec.
    NameValues {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Report it to the authors.
    ReportBug,
    /// Raise the rate, or the action's weight.
    RaiseRateOrWeight,
    /// Raise the action's weight or its margin, for the machine is near its limit already.
    RaiseWeightOrMargin,
    /// Lower the rate, or measure on more processors.
    LowerRateOrMoreProcessors,
}

impl Finding {
    /// One about the trial as a whole that bounds no size of change.
    #[must_use]
    pub fn new(severity: Severity, fact: Fact) -> Self {
        Self { fact, severity, action: None, object: None, bound: None, remedy: None, fails: false, ignored: None }
    }

    /// The same about one action.
    #[must_use]
    pub fn of(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    /// The same about a table, an index or a key.
    #[must_use]
    pub fn on(self, object: &str) -> Self {
        Self { object: Some(super::bare(object).to_owned()), ..self }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn remedy(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    /// Its stable name.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.fact.id()
    }

    /// What the project makes of it. A finding that takes a verdict away is never ignored.
    pub(super) fn under(&mut self, policy: &Policy) {
        let subjects = [self.object.as_deref(), self.action.as_deref()];
        let ignored = policy.ignored(self.id(), &subjects).filter(|_| self.severity >= Severity::Warning);
        self.ignored = ignored.map(str::to_owned);
        self.fails = self.ignored.is_none() && policy.fails(self.id());
    }

    /// Whether the trial as a whole is invalid.
    #[must_use]
    pub fn stops_everything(&self) -> bool {
        self.severity == Severity::Invalid && self.action.is_none()
    }

    /// Whether it is about an action: about this one, or about all.
    #[must_use]
    pub fn is_about(&self, action: &str) -> bool {
        self.action.as_deref().is_none_or(|name| name == action)
    }
}
