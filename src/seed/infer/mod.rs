//! The catalog to expressions: what a spec leaves unsaid. Must name what it cannot satisfy before a row is loaded.
//!
//! Everything inferred is text of the spec language, so that `seed init` can write it, a user can change
//! it, and one compiler reads both.

mod bounds;
mod classes;
mod columns;
pub mod compared;
mod complete;
mod content;
mod documents;
pub mod evidence;
mod hints;
mod json;
mod keys;
mod lexicon;
mod moments;
mod money;
mod numbers;
mod sample;
mod states;
mod sums;
mod texts;
mod theme;
mod uniques;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

pub use compared::Compared;
pub use complete::{complete, drop_keys_to_empty};
pub(super) use keys::names;

use super::condition::{Case, Tree};
use super::plan::Held;
use super::spec::{DEFAULT_SPAN, HeapOrder, PlacedExpr, Spec, TableSpec, default_now};
use crate::diagnostic::NOWHERE;
use crate::document::Placed;
use crate::postgres::catalog::{Catalog, Table};

/// Something the catalog asks for that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The table.
    pub table: String,
    /// The constraint or column.
    pub constraint: String,
    /// Why it cannot be satisfied.
    pub reason: String,
    /// What to write in a spec.
    pub line: String,
}

/// What a table is filled with, while it is found out.
struct Draft<'a> {
    name: &'a str,
    table: &'a Table,
    catalog: &'a Catalog,
    classes: &'a classes::Classes,
    cases: Vec<Case>,
    /// Columns that are made different in every row.
    unique: BTreeSet<String>,
    /// Digits of combinations: column to group.
    slots: BTreeMap<String, String>,
    /// Columns whose expression is already known.
    fixed: BTreeMap<String, String>,
    /// Columns that follow from others, by case.
    solved: sums::Solved,
    refusals: Vec<Refusal>,
    /// What says which values columns hold.
    hints: BTreeMap<String, hints::Hint>,
    /// Values that scenarios compare columns with.
    compared: BTreeMap<String, Vec<Tree>>,
    /// Keys whose rows stand side by side and are counted within their parent.
    runs: BTreeSet<String>,
    /// Keys of which every parent has one row at most inside these partial unique indexes.
    each_inside: BTreeMap<String, BTreeSet<String>>,
    /// Columns whose values tell rows inside a partial unique index from those outside.
    told_by: BTreeSet<String>,
    /// A partial unique index that holds one row.
    single: Option<String>,
    /// Columns that must be there in every row, whatever their type allows.
    present: BTreeSet<String>,
    /// Columns that a spec fills, which follow nothing here.
    said: BTreeSet<String>,
    /// First and last moment of the history.
    history: (i64, i64),
    /// Tables that are filled beside this one.
    filled: &'a BTreeSet<String>,
    /// How many rows were asked for; `None` when there may be fewer.
    asked: Option<u64>,
    /// An expression that is unique and the same for every row.
    most_rows: Option<u64>,
}

/// A spec for every table of the catalog; `rows` is the number of rows of each at scale 1.
/// Tables that hold rows stay as they are, and others refer to them.
#[must_use]
pub fn whole(catalog: &Catalog, held: &Held, compared: &Compared, rows: u64) -> (Spec, Vec<Refusal>) {
    let mut refusals = Vec::new();
    let now = default_now();
    let history = (now - DEFAULT_SPAN, now);
    let filled = empty_tables(catalog).collect();
    let beside = Beside { held, compared, history, said: BTreeSet::new(), filled, asked: None };
    let classes = classes::Classes::new(catalog, &mut refusals);
    let mut tables = Vec::new();
    for name in keys::parents_first(catalog) {
        let table = &catalog.tables[name];
        if table.has_rows {
            tables.extend(held_table(name, held));
            continue;
        }
        if table.bookkeeping {
            continue;
        }
        let (mut spec, found) = draft(catalog, &classes, name, &beside);
        if spec.row_count.source.text == "0" {
            spec.row_count = PlacedExpr::inferred(name, &format!("{rows} * scale"));
        }
        refusals.extend(found);
        tables.push(spec);
    }
    let spec = Spec {
        now: default_now(),
        span: DEFAULT_SPAN,
        other_tables: None,
        growth: BTreeMap::new(),
        states: BTreeMap::new(),
        key_sets: Vec::new(),
        tables,
        asserts: Vec::new(),
    };
    (spec, refusals)
}

fn bare(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}

fn held_table(name: &str, held: &Held) -> Option<TableSpec> {
    let columns: Vec<(&String, usize)> = held
        .iter()
        .filter(|((table, _), _)| table == name)
        .map(|((_, column), values)| (column, values.len()))
        .collect();
    let rows = columns.first()?.1;
    let columns = columns.into_iter().map(|(column, _)| placed(name, column, "held()")).collect();
    let row_count = PlacedExpr::inferred(name, &rows.to_string());
    let heap_order = HeapOrder::Time;
    Some(TableSpec { name: named(name), row_count, flexible: false, heap_order, fan_out: Vec::new(), columns })
}

/// What decides the content of a table beside the catalog.
struct Beside<'a> {
    held: &'a Held,
    compared: &'a Compared,
    /// First and last moment of the history.
    history: (i64, i64),
    /// Columns of the table that a spec fills.
    said: BTreeSet<String>,
    /// Tables that are filled.
    filled: BTreeSet<String>,
    /// How many rows a spec asks for; `None` when there may be fewer.
    asked: Option<u64>,
}

/// Tables of an application that hold no rows yet.
fn empty_tables(catalog: &Catalog) -> impl Iterator<Item = String> {
    catalog.tables.iter().filter(|(_, table)| !table.has_rows && !table.bookkeeping).map(|(name, _)| name.clone())
}

fn draft<'a>(
    catalog: &'a Catalog,
    classes: &'a classes::Classes,
    name: &'a str,
    beside: &'a Beside<'_>,
) -> (TableSpec, Vec<Refusal>) {
    let table = &catalog.tables[name];
    let mut draft = Draft {
        name,
        table,
        catalog,
        classes,
        cases: vec![Case::default()],
        unique: BTreeSet::new(),
        slots: BTreeMap::new(),
        fixed: BTreeMap::new(),
        solved: sums::Solved::new(),
        refusals: Vec::new(),
        hints: BTreeMap::new(),
        compared: beside.compared.values(name),
        runs: BTreeSet::new(),
        each_inside: BTreeMap::new(),
        told_by: BTreeSet::new(),
        single: None,
        present: BTreeSet::new(),
        said: beside.said.clone(),
        history: beside.history,
        filled: &beside.filled,
        asked: beside.asked,
        most_rows: None,
    };
    draft.read_conditions();
    draft.read_hints();
    draft.separate_ranges();
    draft.make_unique();
    draft.weigh_ways();
    draft.solve_sums();
    let fan_out = draft.fan_outs(beside.held);
    let columns = draft.columns(&fan_out);
    let columns = columns.into_iter().map(|(column, (text, evidence))| {
        let (column, expr) = placed(name, &column, &text);
        (column, PlacedExpr { evidence, ..expr })
    });
    let columns = columns.collect();
    let fan_out = fan_out.iter().map(|(column, text)| placed(name, column, text)).collect();
    let row_count = PlacedExpr::inferred(name, &draft.most_rows.unwrap_or(0).to_string());
    let heap_order = HeapOrder::Time;
    (TableSpec { name: named(name), row_count, flexible: true, heap_order, fan_out, columns }, draft.refusals)
}

fn named(name: &str) -> Placed<String> {
    Placed { value: name.to_owned(), span: NOWHERE }
}

fn placed(table: &str, column: &str, text: &str) -> (Placed<String>, PlacedExpr) {
    (named(column), PlacedExpr::inferred(&format!("{table}.{column}"), text))
}

impl Draft<'_> {
    fn refuse(&mut self, constraint: &str, reason: &str, line: &str) {
        self.refusals.push(Refusal {
            table: self.name.to_owned(),
            constraint: constraint.to_owned(),
            reason: reason.to_owned(),
            line: line.to_owned(),
        });
    }
}

/// VALUE of a domain's CHECK is the column.
fn renamed(tree: &Tree, column: &str) -> Tree {
    let one = |tree: &Tree| Box::new(renamed(tree, column));
    let all = |list: &[Tree]| list.iter().map(|tree| renamed(tree, column)).collect::<Vec<_>>();
    match tree {
        Tree::Column(name) if name == "value" => Tree::Column(column.to_owned()),
        Tree::Call(name, arguments) => Tree::Call(name.clone(), all(arguments)),
        Tree::And(list) => Tree::And(all(list)),
        Tree::Or(list) => Tree::Or(all(list)),
        Tree::Not(inner) => Tree::Not(one(inner)),
        Tree::IsNull(inner) => Tree::IsNull(one(inner)),
        Tree::Binary(operator, a, b) => Tree::Binary(operator.clone(), one(a), one(b)),
        Tree::Any(operator, subject, list) => Tree::Any(operator.clone(), one(subject), list.clone()),
        Tree::All(operator, subject, list) => Tree::All(operator.clone(), one(subject), list.clone()),
        other => other.clone(),
    }
}
