//! What the server counted on every side between two moments. Must take deltas only.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Connection;

use crate::drive::Crew;
use crate::evidence::{IndexUse, Side, SideCounters, TableUse, WorkPerCall};
use crate::postgres::Target;
use crate::postgres::observe::{self, Snapshot, StatementCounters};
use crate::scenario::Workload;
use crate::scenario::workload::PlannedAction;
use crate::trial::error::TrialError;
use crate::trial::prepare::Sitting;

/// Snapshots of all sides, after every worker has made its counters visible.
pub(super) async fn snapshots(
    crew: &Crew,
    targets: &[(Side, Target); 3],
) -> Result<BTreeMap<Side, Snapshot>, TrialError> {
    crew.flush().await?;
    let mut taken = BTreeMap::new();
    for (side, target) in targets {
        taken.insert(*side, snapshot(target).await?);
    }
    Ok(taken)
}

/// Adds what extensions know of the state of each index, where they are there and the role may ask them.
pub(super) async fn add_state(target: &Target, counters: &mut SideCounters) -> Result<(), TrialError> {
    let mut connection = target.connect().await?;
    let cached = observe::cached_blocks(&mut connection).await;
    let dense = observe::leaf_density(&mut connection).await;
    let _ = connection.close().await;
    for (name, index) in &mut counters.indexes {
        index.cached_blocks = cached.as_ref().map(|cached| cached.get(name).copied().unwrap_or_default());
        index.leaf_density = dense.as_ref().and_then(|dense| dense.get(name).copied());
    }
    Ok(())
}

/// A snapshot of one database, once what ended sessions counted is visible.
pub(super) async fn snapshot(target: &Target) -> Result<Snapshot, TrialError> {
    let mut connection = target.connect().await?;
    observe::settle(&connection).await;
    let taken = observe::snapshot(&mut connection).await?;
    let _ = connection.close().await;
    Ok(taken)
}

/// The indexes and tables of both schemas where no load is driven: nothing was counted of them.
pub(in crate::trial) async fn without_load(sitting: &Sitting) -> Result<BTreeMap<Side, SideCounters>, TrialError> {
    let mut counters = BTreeMap::new();
    for side in [Side::Before, Side::After] {
        let mut connection = sitting.target(side).connect().await?;
        let now = Snapshot { statements: None, ..observe::snapshot(&mut connection).await? };
        let _ = connection.close().await;
        let nothing = side_counters(&now, &now, sitting.of(side));
        counters.insert(side, SideCounters { operations: Some(0), ..nothing });
    }
    Ok(counters)
}

/// What was counted of one database in several stretches of time: index by index and table by table, added up.
#[derive(Default)]
pub(super) struct Stretches(Snapshot);

impl Stretches {
    /// Adds what was counted between two moments.
    pub(super) fn add(&mut self, first: &Snapshot, last: &Snapshot) {
        let Self(sum) = self;
        for (name, end) in &last.indexes {
            let grown = end.with(&first.indexes.get(name).cloned().unwrap_or_default(), i64::wrapping_sub);
            let known = sum.indexes.remove(name).unwrap_or_default();
            sum.indexes.insert(name.clone(), grown.with(&known, i64::wrapping_add));
        }
        for (name, end) in &last.tables {
            let grown = end.with(&first.tables.get(name).cloned().unwrap_or_default(), i64::wrapping_sub);
            let known = sum.tables.remove(name).unwrap_or_default();
            sum.tables.insert(name.clone(), grown.with(&known, i64::wrapping_add));
        }
        if let (Some(first), Some(last)) = (&first.statements, &last.statements) {
            let statements = sum.statements.get_or_insert_default();
            for (tag, end) in last {
                let grown = end.since(&first.get(tag).copied().unwrap_or_default());
                let known = statements.entry(tag.clone()).or_default();
                *known = known.and(&grown);
            }
        }
    }

    /// As the evidence of a side has it.
    pub(super) fn counters(&self, workload: &Workload) -> SideCounters {
        let Self(sum) = self;
        let none = Snapshot { statements: sum.statements.as_ref().map(|_| BTreeMap::new()), ..Snapshot::default() };
        side_counters(&none, sum, workload)
    }
}

pub(super) fn counters<'w>(
    first: &BTreeMap<Side, Snapshot>,
    last: &BTreeMap<Side, Snapshot>,
    of: impl Fn(Side) -> &'w Arc<Workload>,
) -> BTreeMap<Side, SideCounters> {
    last.iter().map(|(side, last)| (*side, side_counters(&first[side], last, of(*side)))).collect()
}

fn side_counters(first: &Snapshot, last: &Snapshot, workload: &Workload) -> SideCounters {
    let mut counters = SideCounters::default();
    for (name, end) in &last.indexes {
        let grown = end.with(&first.indexes.get(name).cloned().unwrap_or_default(), i64::wrapping_sub);
        counters.reset |= grown.scans < 0;
        counters.indexes.insert(
            name.clone(),
            IndexUse {
                definition: end.definition.clone(),
                table: end.table.clone(),
                unique: end.unique,
                valid: end.valid,
                scans: grown.scans,
                tuples_read: grown.tuples_read,
                tuples_fetched: grown.tuples_fetched,
                blocks_read: grown.blocks_read,
                blocks_hit: grown.blocks_hit,
                size_bytes: end.bytes,
                part_of: end.part_of.clone(),
                cached_blocks: None,
                leaf_density: None,
            },
        );
    }
    for (name, end) in &last.tables {
        let grown = end.with(&first.tables.get(name).cloned().unwrap_or_default(), i64::wrapping_sub);
        counters.reset |= grown.sequential_scans < 0;
        counters.tables.insert(
            name.clone(),
            TableUse {
                sequential_scans: grown.sequential_scans,
                sequential_rows: grown.sequential_rows,
                index_scans: grown.index_scans,
                inserted: grown.inserted,
                updated: grown.updated,
                updated_hot: grown.updated_hot,
                deleted: grown.deleted,
                size_bytes: end.bytes,
            },
        );
    }
    if let (Some(first), Some(last)) = (&first.statements, &last.statements) {
        let calls = |tags: &BTreeMap<String, StatementCounters>, tag: &String| tags.get(tag).map_or(0, |c| c.calls);
        counters.reset |= first.keys().any(|tag| calls(last, tag) < calls(first, tag));
        counters.work =
            Some(workload.actions.iter().map(|action| work_per_call(workload, action, first, last)).collect());
    }
    counters
}

/// The statements of an action together, per call of its first one; `None` when they cannot be distinguished
/// from another action's, or were not counted.
fn work_per_call(
    workload: &Workload,
    action: &PlannedAction,
    first: &BTreeMap<String, StatementCounters>,
    last: &BTreeMap<String, StatementCounters>,
) -> Option<WorkPerCall> {
    if workload.shares_a_statement(action) {
        return None;
    }
    let mut sum = StatementCounters::default();
    let mut calls = 0;
    for (position, step) in action.steps.iter().enumerate() {
        let end = last.get(&step.tag).copied().unwrap_or_default();
        let grown = end.since(&first.get(&step.tag).copied().unwrap_or_default());
        if position == 0 {
            calls = grown.calls;
        }
        sum = sum.and(&grown);
    }
    let per_call = |total: i64| total as f64 / calls as f64;
    (0 < calls).then(|| WorkPerCall {
        calls,
        rows: per_call(sum.rows),
        blocks: per_call(sum.blocks_hit + sum.blocks_read),
        blocks_read: per_call(sum.blocks_read),
        wal_bytes: per_call(sum.wal_bytes),
        wal_full_pages: per_call(sum.wal_full_pages),
        exec_ms: sum.exec_ms / calls as f64,
    })
}
