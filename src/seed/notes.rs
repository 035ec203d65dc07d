//! What a person should know of a dataset although nothing is wrong with it, as data. Must hold no sentence.

use super::cell::Cell;
use super::fan::Fan;
use super::plan::{Plan, TablePlan};
use crate::expression::Value;
use crate::postgres::catalog::{Catalog, Reference, Table, Trigger};

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Triggers and rules of a table that the load does not fire: what they enforce, fill or write is missing.
    Unfired {
        /// The table.
        table: String,
        /// Those that an INSERT fires.
        triggers: Vec<Trigger>,
    },
    /// What a trigger did with sample rows that were inserted again.
    Tried {
        /// The table.
        table: String,
        /// The trigger.
        trigger: String,
        /// What came of it.
        outcome: Outcome,
    },
    /// The rows a migration inserted are the only parents of many rows.
    FewParents {
        /// The table that held rows already.
        parent: String,
        /// How many.
        held: u64,
        /// Filled tables that refer to it, with their rows.
        children: Vec<(String, u64)>,
    },
    /// No row of a filled table has a parent by this foreign key.
    EmptyKey {
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<String>,
        /// The parent.
        parent: String,
        /// Whether the parent gets or holds rows that it could refer to.
        has_parents: bool,
    },
}

/// What a trigger did with sample rows, each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that were tried.
    pub rows: u64,
    /// Rows for which it raised an error.
    pub raised: u64,
    /// Rows that it changed.
    pub changed: u64,
    /// Rows that it left out.
    pub skipped: u64,
    /// One of the errors.
    pub message: Option<String>,
}

/// Parents that held rows already are few up to this number.
const MAX_FEW: u64 = 4;

/// Rows for each of them from which on they are worth a note.
const MIN_ROWS_EACH: u64 = 10;

/// Triggers and rules of filled tables that the load does not fire.
#[must_use]
pub fn unfired(plan: &Plan, catalog: &Catalog) -> Vec<Note> {
    let of = |(planned, table): (&TablePlan, &Table)| {
        let triggers = table.triggers.clone();
        (!triggers.is_empty()).then(|| Note::Unfired { table: planned.name.clone(), triggers })
    };
    filled(plan, catalog).filter_map(of).collect()
}

/// Tables with so few rows of their own that everything else belongs to the same parent.
#[must_use]
pub fn few_parents(plan: &Plan) -> Vec<Note> {
    let held = plan.tables.iter().enumerate().filter(|(_, t)| t.held && (1..=MAX_FEW).contains(&t.rows));
    let note = |(index, parent): (usize, &TablePlan)| {
        let refers = |t: &&TablePlan| t.fans.iter().any(|fan| fan.parent == index);
        let new = |t: &TablePlan| t.rows - t.first;
        let children = plan.tables.iter().filter(|t| !t.held && MIN_ROWS_EACH * parent.rows <= new(t)).filter(refers);
        let children: Vec<(String, u64)> = children.map(|t| (t.name.clone(), new(t))).collect();
        let (parent, held) = (parent.name.clone(), parent.rows);
        (!children.is_empty()).then_some(Note::FewParents { parent, held, children })
    };
    held.filter_map(note).collect()
}

/// Foreign keys of filled tables that the plan leaves NULL in every row.
#[must_use]
pub fn empty_keys(plan: &Plan, catalog: &Catalog) -> Vec<Note> {
    let of = |(planned, table): (&TablePlan, &Table)| -> Vec<Note> {
        let empty = table.references.iter().filter(|reference| stays_empty(planned, table, reference));
        empty.map(|reference| empty_key(plan, planned, reference)).collect()
    };
    filled(plan, catalog).flat_map(of).collect()
}

/// A key without a parent in any row.
pub(super) fn empty_key(plan: &Plan, planned: &TablePlan, reference: &Reference) -> Note {
    let bare = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
    let (table, columns) = (planned.name.clone(), reference.columns.clone());
    let has_parents = plan.tables.iter().any(|t| bare(&t.name) == reference.table && 0 < t.rows);
    Note::EmptyKey { table, columns, parent: reference.table.clone(), has_parents }
}

fn stays_empty(planned: &TablePlan, table: &Table, reference: &Reference) -> bool {
    let never =
        |fan: &Fan| 1.0 <= fan.null_share || fan.absent.as_ref().is_some_and(|(_, absent)| absent.iter().all(|a| *a));
    reference.columns.iter().any(|name| {
        if let Some(fan) = planned.fans.iter().find(|fan| fan.columns.iter().any(|(own, _)| own == name)) {
            return never(fan);
        }
        match planned.columns.iter().find(|column| column.name == *name) {
            Some(column) => matches!(column.cell, Cell::Const(Value::Null)),
            None => table.column(name).is_none_or(|column| !column.filled_by_server()),
        }
    })
}

/// Tables that get rows, with what the catalog says of them.
pub(super) fn filled<'p>(plan: &'p Plan, catalog: &'p Catalog) -> impl Iterator<Item = (&'p TablePlan, &'p Table)> {
    let planned = plan.tables.iter().filter(|t| !t.held && t.first < t.rows);
    planned.filter_map(|t| Some((t, catalog.table(&t.name)?)))
}
