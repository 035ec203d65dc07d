//! What the server does for single operations on idle sides, counted: the evidence no noise can touch.
//!
//! Must hold no value of a parameter and no row: answers are checksums.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One action on one side, asked with the same parameters as on the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CountedAction {
    /// Distinct plans; sets and `generic` name them by position.
    pub plans: Vec<PlanShape>,
    /// One for each set of parameters, the same sets on every side.
    pub sets: Vec<CountedSet>,
    /// How many of them, the last, were drawn because the planner treats them as none of the others; absent before
    /// format 5.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub rare: u32,
    /// Which draws those are; absent before format 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rare_draws: Vec<u64>,
    /// Kinds of sets, as the planner treats them, of which none was executed, because there are too many; the nearest
    /// stand for them.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub kinds_left: u32,
    /// The plan that fits any parameters, of each step that has one.
    pub generic: Vec<u32>,
    /// Every set was planned by the plans that fit any parameters too, and executed by those that are others than its
    /// own on one side; absent before format 8, and where a statement could not be prepared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generic_asked: bool,
    /// Sets that were not executed so, for others took too long; absent before format 8.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub generic_left: u32,
    /// Whether the server takes the plan that fits any parameters, of each step where it is another than a set's own;
    /// absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<PlanChoice>,
    /// Tables that its writes touched and that were not looked into: too large, not to be read, or no tables on both
    /// sides.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub untraced: BTreeSet<String>,
    /// What it does to the rows of each table that it updates, where their pages have room for another version of a
    /// row; absent before format 8, and where the sides are no clones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub updates: BTreeMap<String, RoomyUpdates>,
    /// What operations cost in such pages; absent where `updates` are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roomy: Option<RoomyCost>,
    /// Functions of the user's own, neither built in nor in C, that run when it is asked, by name; read only where the
    /// migration changes any of the schema's, and absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub functions: BTreeMap<String, FunctionUse>,
    /// An operation wrote or locked something, which a query that calls a function may do too; absent before format 7.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrote: bool,
}

/// A function that runs when an action is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FunctionUse {
    /// Of its definition.
    pub digest: String,
    /// Where it is called, itself or by another.
    pub places: BTreeSet<FunctionPlace>,
}

/// Where a function is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FunctionPlace {
    /// `statement`, `CHECK`, `domain`, `default`, `generated column`, `trigger`, `policy`, `index` or `partition key`.
    pub kind: String,
    /// The table; empty for a statement.
    pub table: String,
    /// The name of the constraint, column, trigger, policy or index; empty for a statement.
    pub name: String,
}

impl FunctionPlace {
    /// Such as `CHECK amount_ok of payments`.
    #[must_use]
    pub fn text(&self) -> String {
        let table = self.table.strip_prefix("public.").unwrap_or(&self.table);
        if table.is_empty() { format!("the {}", self.kind) } else { format!("{} {} of {table}", self.kind, self.name) }
    }
}

/// Updates of a table in pages with room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomyUpdates {
    /// Rows that were updated.
    pub updated: u64,
    /// Of those, heap-only (HOT): no index got an entry for them.
    pub hot: u64,
    /// Indexes that hold a column which the updates change, each with those columns.
    pub holders: BTreeMap<String, BTreeSet<String>>,
}

/// What operations cost in pages with room, in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomyCost {
    /// Sets of parameters.
    pub sets: u32,
    /// Blocks touched.
    pub blocks: u64,
    /// Bytes of WAL without full-page images.
    pub wal_bytes: u64,
}

/// What the actions cost on `after` without one of its indexes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ablated {
    /// The index, schema-qualified.
    pub index: String,
    /// Sets of parameters of each action.
    pub sets: u32,
    /// Mean blocks of an operation with it, by action; absent where the server refused one.
    pub blocks: Vec<Option<f64>>,
    /// Mean blocks of an operation without it; absent where the server refused one, such as for its time.
    pub blocks_without: Vec<Option<f64>>,
}

/// What a plan is made of, without costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanShape {
    /// Node types and what they read, as one line.
    pub shape: String,
    /// How relations are read.
    pub paths: Vec<AccessPath>,
    /// Joins by node type.
    pub joins: BTreeMap<String, u32>,
    /// Sorts.
    pub sorts: u32,
    /// Aggregates by strategy.
    pub aggregates: BTreeMap<String, u32>,
    /// Workers are planned.
    pub parallel: bool,
    /// Tables it reads or writes; absent before format 3.
    #[serde(default)]
    pub relations: Vec<String>,
    /// Triggers that fired, as `table.trigger`, those that check keys by the names of their constraints; absent before
    /// format 4.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub triggers: BTreeSet<String>,
    /// Settings of the planner that were not the server's defaults when it was made; absent before format 4.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// How a plan reads a relation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccessPath {
    /// Its alias in the statement.
    pub relation: String,
    /// The scan's node type.
    pub scan: String,
    /// The indexes it goes through.
    pub indexes: Vec<String>,
}

/// One operation with one set of parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CountedSet {
    /// How many sets the planner treats as it, and how many of these were executed: it stands for its share of them.
    /// Absent where sets were not planned beside those that were executed, and before format 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<(u32, u32)>,
    /// Rows returned or changed.
    pub rows: u64,
    /// Rows that scans gave which ran once and to their end, by alias (of partitions, without their numbers): what the
    /// parameters find, though the statement returns fewer, or a sum. Absent before format 5.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows_found: BTreeMap<String, u64>,
    /// Blocks found in shared buffers.
    pub blocks_hit: u64,
    /// Blocks read from the kernel.
    pub blocks_read: u64,
    /// Blocks of temporary files.
    pub temp_blocks: u64,
    /// Records of WAL, of the last execution: of three where a statement writes (of two before format 8).
    pub wal_records: u64,
    /// Full-page images of the first execution; none on the embedded server, where they are off meanwhile.
    pub wal_full_pages: u64,
    /// Full-page images of the last execution, whose bytes hold them then; absent before format 8.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub wal_full_pages_left: u64,
    /// Bytes of WAL, of the last execution.
    pub wal_bytes: u64,
    /// Rows the planner expected.
    pub planned_rows: f64,
    /// Cost the planner expected, in its own units.
    pub planned_cost: f64,
    /// The plan of each step.
    pub plans: Vec<u32>,
    /// Work by step, where there are several; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepWork>,
    /// Steps by the plan that fits any parameters, where that is another than the set's own on one side; absent before
    /// format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generic: Vec<GenericStep>,
    /// The answer of each step, and of some sets that write the rows they leave in each table they touch and those they
    /// take away or replace.
    pub answers: Vec<Answer>,
    /// SQLSTATE of what the server refused; what follows it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Work of one step of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepWork {
    /// Its position in the action.
    pub step: u32,
    /// Blocks touched.
    pub blocks: u64,
    /// Blocks of temporary files.
    pub temp_blocks: u64,
}

/// A step that was executed by the plan that fits any parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenericStep {
    /// Its position in the action.
    pub step: u32,
    /// That plan, with what it leaves out for the values; absent where it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<u32>,
    /// Blocks touched.
    pub blocks: u64,
    /// Blocks of temporary files.
    pub temp_blocks: u64,
    /// SQLSTATE of what the server refused: 57014 where it was stopped after five seconds, or twice the longest
    /// operation of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How a server plans a prepared statement once it may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanChoice {
    /// The position of the step in the action.
    pub step: u32,
    /// Sessions that were watched.
    pub sessions: u32,
    /// Of those, which took the plan that fits any parameters, within 51 executions.
    pub generic: u32,
}

/// An answer, as far as it must be the same on every side. For a statement that writes without saying what: the rows it
/// leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Rows.
    pub rows: u64,
    /// Of the columns both schema states have, whatever the order of the rows; empty where there is no such column.
    pub checksum: String,
    /// Of the same in the order they came.
    pub ordered: String,
    /// A new plan alone may change it: the statement takes a part of what it finds, gathers rows in the order they
    /// come, or numbers ties.
    pub partial: bool,
    /// The statement's order says the place of each row; asked of a few sets whose rows come in another order on
    /// `after`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub total: bool,
    /// Columns that differ between sides without the migration too, such as a clock, and were not compared; absent
    /// before format 4.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub left_out: u32,
    /// Columns that only the side `before` has, and that were not compared; absent before format 5.
    #[serde(default, skip_serializing_if = "super::omitted::is_zero")]
    pub columns_gone: u32,
    /// Where it is what a write did to a table: `left in` it, or `gone from` it; absent for what a step gave, and
    /// before format 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

impl CountedAction {
    /// An operation changes rows, in its plan or in a function.
    #[must_use]
    pub fn changes_rows(&self) -> bool {
        let in_plan = |node: &str| self.plans.iter().any(|plan| plan.shape.contains(node));
        in_plan("ModifyTable") || self.wrote && !in_plan("LockRows")
    }

    /// Sets that were drawn one after the other from the first.
    #[must_use]
    pub fn sampled(&self) -> usize {
        self.sets.len().saturating_sub(self.rare as usize)
    }
}

impl CountedSet {
    /// How many sets it stands for, itself where nothing else is known.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.stands_for.map_or(1.0, |(sets, executed)| f64::from(sets) / f64::from(executed.max(1)))
    }

    /// Blocks touched, found or read.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks_hit + self.blocks_read
    }
}

/// An index that is not there, on a foreign key that has none, and an action that would use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hypothetical {
    /// Its table and columns, as `table (columns)`.
    pub index: String,
    /// The action.
    pub action: String,
    /// The planner's cost of its statements that would use it, without it.
    pub cost: f64,
    /// The same with it.
    pub cost_with: f64,
}
