//! The catalog to expressions: what a spec leaves unsaid. Must name what it cannot satisfy before a row is loaded.
//!
//! Everything inferred is text of the spec language, so that `seed init` can write it, a user can change
//! it, and one compiler reads both.

mod bounds;
mod classes;
mod columns;
mod complete;
mod content;
mod keys;
mod sample;

use std::collections::{BTreeMap, BTreeSet};

pub use complete::{complete, drop_keys_to_empty};

use super::condition::{Case, Tree, both, cases, parse};
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
    refusals: Vec<Refusal>,
    /// An expression that is unique and the same for every row.
    most_rows: Option<u64>,
}

/// A spec for every table of the catalog; `rows` is the number of rows of each at scale 1.
/// Tables that hold rows stay as they are, and others refer to them.
#[must_use]
pub fn whole(catalog: &Catalog, held: &Held, rows: u64) -> (Spec, Vec<Refusal>) {
    let mut refusals = Vec::new();
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
        let (mut spec, found) = draft(catalog, &classes, name, held);
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

fn draft<'a>(
    catalog: &'a Catalog,
    classes: &'a classes::Classes,
    name: &'a str,
    held: &Held,
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
        refusals: Vec::new(),
        most_rows: None,
    };
    draft.read_conditions();
    draft.separate_ranges();
    draft.make_unique();
    let fan_out = draft.fan_outs(held);
    let columns = draft.columns(&fan_out);
    let columns = columns.iter().map(|(column, text)| placed(name, column, text)).collect();
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
    /// CHECKs of the table and of its domains, and the bounds of its partitions, as cases.
    fn read_conditions(&mut self) {
        let table = self.table;
        if !table.partitions.is_empty() && table.partitions.iter().all(Option::is_some) {
            let leaves: Vec<Case> =
                table.partitions.iter().flatten().flat_map(|text| cases(&parse(text), true)).collect();
            // A hash partition takes whatever falls to it.
            if leaves.iter().all(|case| case.unknown.is_empty()) {
                self.cases = bounds::joined(leaves);
            }
        }
        for check in &table.checks {
            self.narrow(&check.name, &parse(&check.expression));
        }
        for column in &table.columns {
            for (name, text) in &column.kind.domain_checks {
                let tree = renamed(&parse(text), &column.name);
                self.narrow(name, &tree);
            }
        }
        // A way that asks for NULL where the column is NOT NULL is none.
        let may = |case: &Case| {
            case.columns.iter().all(|(name, d)| d.null != Some(true) || table.column(name).is_none_or(|c| !c.required))
        };
        if self.cases.iter().any(may) {
            self.cases.retain(may);
        }
        let understood = self.cases.iter().any(|case| case.unknown.is_empty());
        if understood {
            self.cases.retain(|case| case.unknown.is_empty());
        }
        self.cases.truncate(8);
    }

    fn narrow(&mut self, constraint: &str, tree: &Tree) {
        // Whether a value is there is decided elsewhere: of `x IS NULL OR …x…` only the second half says something.
        let tree = &match tree {
            Tree::Or(list) => Tree::Or(list.iter().filter(|part| !is_spare(part, list)).cloned().collect()),
            other => other.clone(),
        };
        let narrowed = both(&self.cases, &cases(tree, true));
        if narrowed.is_empty() {
            self.refuse(constraint, "nothing was found that fulfils it beside the other constraints", "COLUMN = \"…\"");
        } else {
            self.cases = narrowed;
        }
    }

    fn refuse(&mut self, constraint: &str, reason: &str, line: &str) {
        self.refusals.push(Refusal {
            table: self.name.to_owned(),
            constraint: constraint.to_owned(),
            reason: reason.to_owned(),
            line: line.to_owned(),
        });
    }
}

/// `x IS NULL` beside conditions on x alone.
fn is_spare(part: &Tree, list: &[Tree]) -> bool {
    let Tree::IsNull(inner) = part else { return false };
    let Tree::Column(name) = &**inner else { return false };
    let others: Vec<Case> = list.iter().filter(|other| *other != part).flat_map(|other| cases(other, true)).collect();
    !others.is_empty()
        && others.iter().all(|case| {
            case.unknown.is_empty()
                && case.relations.is_empty()
                && case.columns.keys().eq([name])
                && case.columns[name].null.is_none()
        })
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
