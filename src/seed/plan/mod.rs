//! Spec and catalog to a plan: what each column of each row will hold. Must find every mistake before a row is made.

mod checks;
pub(super) mod fans;
mod order;
mod pairs;
mod slots;
pub(super) mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::births::{self, Births};
use super::cell::Cell;
use super::compile::Place;
use super::fan::Fan;
use super::growth::{Curve, Growth, Rate, Shape};
use super::spec::{HeapOrder, Spec, TableSpec, row_count};
use super::state::{Machine, Want};
use super::sum;
use crate::diagnostic::Diagnostic;
use crate::expression::{Expr, Key, Node, SqlType, Value};
use crate::postgres::catalog::{self, Catalog, TypeKind};
use crate::units::Seed;

/// Everything needed to make any row of the dataset.
#[derive(Debug)]
pub struct Plan {
    /// In the order of the spec.
    pub tables: Vec<TablePlan>,
    /// First moment of the history, microseconds since PostgreSQL's epoch.
    pub start: i64,
    /// Its length in microseconds.
    pub span: i64,
    /// The plan of the rows that are there already, when a dataset grows.
    pub base: Option<Box<Plan>>,
}

impl Plan {
    /// Whether rows come beside rows.
    #[must_use]
    pub fn adds(&self) -> bool {
        self.tables.iter().any(|t| !t.held && t.first < t.rows && (t.beside || 0 < t.first))
    }

    /// Rows that will be made.
    #[must_use]
    pub fn new_rows(&self, table: usize) -> u64 {
        let table = &self.tables[table];
        if table.held { 0 } else { table.rows - table.first }
    }
}

/// What one table will hold.
#[derive(Debug)]
pub struct TablePlan {
    /// As the spec calls it.
    pub name: String,
    /// As SQL, quoted.
    pub sql_name: String,
    /// As a FROM needs it to read this table's own rows.
    pub own_rows: String,
    /// Divided into partitions, which cannot be filled frozen.
    pub partitioned: bool,
    /// Its rows are there already and stay as they are.
    pub held: bool,
    /// Number of rows, with those of the base.
    pub rows: u64,
    /// Rows before this one are there already, as the base has them.
    pub first: u64,
    /// The table holds rows of somebody else beside ours.
    pub beside: bool,
    /// Added to the row's number, so that keys go on after those of somebody else.
    pub above: u64,
    /// The order of the heap.
    pub heap: Heap,
    /// Fewer rows than were asked for, and why.
    pub lowered: Option<String>,
    /// The columns that are written, in the order of the spec.
    pub columns: Vec<ColumnPlan>,
    /// Where each row's parents are.
    pub fans: Vec<Fan>,
    /// How the table grows, if a column says so.
    pub growth: Option<Growth>,
    /// Identity or serial columns that must continue after the rows.
    pub counted_columns: Vec<String>,
    /// A column has a type only COPY in text form can carry.
    pub text: bool,
    /// Moments children ask for, once they are known.
    pub births: Option<Births>,
}

/// The order in which rows stand in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heap {
    /// As they came.
    Time,
    /// By the parent this fan-out leads to.
    Parent(usize),
    /// By this stream.
    Random(Key),
}

/// What one column will hold.
#[derive(Debug)]
pub struct ColumnPlan {
    /// Its name.
    pub name: String,
    /// Its type on the wire.
    pub kind: SqlType,
    /// How each cell is made.
    pub cell: Cell,
    /// Another column of the table reads it.
    pub is_read: bool,
}

/// Values of columns that tables hold already, by table and column.
pub type Held = BTreeMap<(String, String), Arc<Vec<Value<'static>>>>;

/// Makes the plan of a dataset.
///
/// # Errors
/// Every mistake: unknown tables and columns, types that cannot be written, columns nobody fills, loops.
pub fn plan(spec: &Spec, catalog: &Catalog, held: &Held, scale: f64, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    plan_on(None, spec, catalog, held, scale, seed)
}

/// Makes the plan of a dataset that is there already, made by `base`, and becomes larger.
///
/// # Errors
/// As [`plan`], and tables that cannot grow.
pub fn plan_on(
    base: Option<Plan>,
    spec: &Spec,
    catalog: &Catalog,
    held: &Held,
    scale: f64,
    seed: Seed,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut planner = Planner {
        spec,
        catalog,
        held,
        base: base.as_ref(),
        root: Key::new(seed.0),
        layouts: Vec::new(),
        rows: Vec::new(),
        lowered: Vec::new(),
        growth: Vec::new(),
        fans: Vec::new(),
        problems: Vec::new(),
    };
    planner.check_names();
    planner.count_rows(scale);
    if !planner.problems.is_empty() {
        return Err(planner.problems);
    }
    let tables = 0..spec.tables.len();
    planner.layouts = tables.clone().map(|t| planner.layout(t)).collect();
    planner.lower_rows();
    planner.growth = tables.clone().map(|t| planner.table_growth(t)).collect();
    planner.fans = tables.clone().map(|t| planner.about(t, |planner| planner.fans(t))).collect();
    let mut made = Vec::new();
    if planner.problems.is_empty() {
        made = tables.filter_map(|t| planner.about(t, |planner| planner.table(t))).collect();
    }
    if planner.problems.is_empty() {
        planner.check_loops(&made);
    }
    if !planner.problems.is_empty() {
        return Err(planner.problems);
    }
    let start = planner.start();
    births::keep(&mut made);
    births::keep_sums(&made);
    let plan = Plan { tables: made, start, span: spec.span, base: base.map(Box::new) };
    let problems = plan.settle_orders().into_iter().map(|(table, why)| {
        let name = &spec.tables[table].name;
        Diagnostic::at(name.span.clone(), format!("`{}` has too many rows: {why}", name.value))
    });
    let problems: Vec<Diagnostic> = problems.collect();
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

/// A column that will be written, and by what.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// Where a column's values come from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The expression at this position among the spec's columns.
    Expression(usize),
    /// The fan-out at this position, and the parent's column; also in a row whose other columns of the key are NULL,
    /// when the last is set.
    Parent(usize, String, bool),
    /// A moment set by the state machine that the expression at this position names.
    Set(usize, usize),
}

pub(super) struct Planner<'a> {
    pub(super) spec: &'a Spec,
    pub(super) catalog: &'a Catalog,
    pub(super) held: &'a Held,
    base: Option<&'a Plan>,
    root: Key,
    layouts: Vec<Vec<Written>>,
    rows: Vec<u64>,
    lowered: Vec<Option<String>>,
    pub(super) growth: Vec<Option<Growth>>,
    pub(super) fans: Vec<Vec<Fan>>,
    problems: Vec<Diagnostic>,
}

impl<'a> Planner<'a> {
    /// What no line of a file is to blame for is of this table.
    fn about<T>(&mut self, table: usize, find: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.problems.len();
        let found = find(self);
        for problem in self.problems[before..].iter_mut().filter(|p| p.is_placeless() && p.subject.is_none()) {
            problem.subject = Some(self.spec.tables[table].name.value.clone());
        }
        found
    }

    /// The state machine an expression names.
    pub(super) fn machine(&self, expr: &Expr) -> Option<&'a Machine> {
        let name = called(expr, "state")?;
        self.spec.states.get(name)
    }

    fn count_rows(&mut self, scale: f64) {
        self.lowered = vec![None; self.spec.tables.len()];
        for table in &self.spec.tables {
            match row_count(&table.row_count.expr, scale) {
                Ok(rows) => {
                    let index = self.rows.len();
                    self.rows.push(rows.max(self.first(index)));
                }
                Err(problem) => {
                    self.rows.push(0);
                    self.problems.push(table.row_count.relocate(problem));
                }
            }
        }
    }

    pub(super) fn index_of(&self, table: &str) -> Option<usize> {
        let bare = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
        self.spec.tables.iter().position(|t| bare(&t.name.value) == bare(table))
    }

    pub(super) fn column_key(&self, table: usize, column: &str) -> Key {
        self.root.named(&self.spec.tables[table].name.value).named(column)
    }

    /// The stream of values that are the same in every column.
    pub(super) fn shared_key(&self) -> Key {
        self.root.named("shared")
    }

    /// The stream of the places of a table's rows, one for all columns that ask for the same one.
    pub(super) fn place_key(&self, table: usize, group: &str) -> Key {
        self.root.named(&self.spec.tables[table].name.value).named("place").named(group)
    }

    /// The stream of a table's walks through a state machine.
    pub(super) fn state_key(&self, table: usize, machine: &str) -> Key {
        self.root.named(&self.spec.tables[table].name.value).named("state").named(machine)
    }

    /// Rows of a table that are there already.
    pub(super) fn first(&self, table: usize) -> u64 {
        self.base.map_or(0, |base| base.tables[table].rows)
    }

    /// Rows of a table when the dataset was first made: what divides it stays as it was then.
    pub(super) fn rows_at_first(&self, table: usize) -> u64 {
        let mut rows = self.rows[table];
        let mut base = self.base;
        while let Some(plan) = base {
            rows = plan.tables[table].rows;
            base = plan.base.as_deref();
        }
        rows
    }

    /// First moment of the history.
    pub(super) fn start(&self) -> i64 {
        self.spec.now - self.spec.span
    }

    /// The shape of a rate by its name in the spec; `linear` needs no definition.
    pub(super) fn shape(&self, name: &str) -> Option<Shape> {
        let linear = Rate::from(Curve::Power(1.0));
        let rate = self.spec.growth.get(name).or_else(|| (name == "linear").then_some(&linear))?;
        Some(Shape::new(rate, self.start(), self.spec.span))
    }

    /// The growth of a table is that of its first column that grows.
    fn table_growth(&mut self, table: usize) -> Option<Growth> {
        let spec = &self.spec.tables[table];
        spec.columns.iter().find_map(|(column, source)| {
            let shape = self.shape(growth_name(&source.expr)?)?;
            Some(Growth { shape, rows: self.rows[table], key: self.column_key(table, &column.value).named("growth") })
        })
    }

    /// The columns that are written: those with expressions, then those of foreign keys.
    fn layout(&self, table: usize) -> Vec<Written> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let named = spec.columns.iter().enumerate();
        let mut written: Vec<Written> = named
            .map(|(index, (name, _))| Written { name: name.value.clone(), origin: Origin::Expression(index) })
            .collect();
        for (index, (_, source)) in spec.columns.iter().enumerate() {
            let sets = self.machine(&source.expr).map_or(&[][..], |machine| &machine.sets).iter().enumerate();
            written.extend(sets.map(|(set, name)| Written { name: name.clone(), origin: Origin::Set(index, set) }));
        }
        let keys: Vec<(usize, &catalog::Reference)> = spec
            .fan_out
            .iter()
            .enumerate()
            .filter_map(|(index, (column, _))| Some((index, reference_of(found, &column.value)?)))
            .collect();
        for own in keys.iter().flat_map(|(_, reference)| &reference.columns) {
            if written.iter().any(|w| w.name == *own) {
                continue;
            }
            // Of two keys that share a column the one that always has a parent gives its value.
            let sharing = || keys.iter().filter(|(_, reference)| reference.columns.contains(own));
            let may_miss = |index: usize| fans::may_miss(&spec.fan_out[index].1);
            let Some((index, reference)) = sharing().find(|(index, _)| !may_miss(*index)).or_else(|| sharing().next())
            else {
                continue;
            };
            let target = reference.columns.iter().position(|column| column == own).map(|at| &reference.targets[at]);
            let always = may_miss(*index) && found.column(own).is_some_and(|c| c.required);
            written.extend(
                target.map(|target| Written {
                    name: own.clone(),
                    origin: Origin::Parent(*index, target.clone(), always),
                }),
            );
        }
        written
    }

    /// Position of a column among those that are written.
    pub(super) fn position(&self, table: usize, column: &str) -> Option<usize> {
        self.layouts[table].iter().position(|written| written.name == column)
    }

    /// Rows of a table.
    pub(super) fn rows_of(&self, table: usize) -> u64 {
        self.rows[table]
    }

    /// Names of the columns that are written.
    pub(super) fn written(&self, table: usize) -> impl Iterator<Item = &str> {
        self.layouts[table].iter().map(|written| written.name.as_str())
    }

    /// The column in which a table's rows come into being.
    pub(super) fn birth_column(&self, table: usize) -> Option<usize> {
        let columns = self.spec.tables[table].columns.iter();
        columns.clone().position(|(_, source)| growth_name(&source.expr).is_some())
    }

    fn heap(&mut self, table: usize) -> Heap {
        match &self.spec.tables[table].heap_order {
            HeapOrder::Time => Heap::Time,
            HeapOrder::Random => Heap::Random(self.column_key(table, "heap-order")),
            HeapOrder::Parent(column) => {
                let fan = self.fans[table].iter().position(|fan| fan.columns.iter().any(|(own, _)| own == column));
                if fan.is_none() {
                    let name = &self.spec.tables[table].name;
                    let message = format!("heap-order: `{column}` has no fan-out");
                    self.problems.push(Diagnostic::at(name.span.clone(), message));
                }
                fan.map_or(Heap::Time, Heap::Parent)
            }
        }
    }

    fn table(&mut self, index: usize) -> Option<TablePlan> {
        let spec = &self.spec.tables[index];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let before = self.problems.len();
        let mut columns = Vec::new();
        let mut counted_columns = Vec::new();
        for written in &self.layouts[index] {
            let column = found.column(&written.name).expect("names were checked");
            let labels = if let TypeKind::Enum(labels) = &column.kind.kind { labels.as_slice() } else { &[] };
            let key = self.column_key(index, &written.name);
            let kind = Some(&column.kind);
            let mut place = Place { table: index, key, draws: 0, labels, column: &written.name, kind };
            let (cell, source) = match &written.origin {
                Origin::Expression(at) => {
                    let source = &spec.columns[*at].1;
                    (self.compile(&source.expr, &mut place), source)
                }
                Origin::Set(at, set) => {
                    let source = &spec.columns[*at].1;
                    (self.state(&source.expr, &mut place, Want::Set(*set)), source)
                }
                Origin::Parent(fan, target, always) => {
                    let source = &spec.fan_out[*fan].1;
                    let cell = self.parent_cell(index, &[*fan], target, &source.expr);
                    (cell.map(|cell| if *always { cell.of_drawn_parent() } else { cell }), source)
                }
            };
            match cell {
                Ok(cell) => {
                    if column.counted {
                        counted_columns.push(written.name.clone());
                    }
                    let kind = sql_type(column);
                    columns.push(ColumnPlan { name: written.name.clone(), kind, cell, is_read: false });
                }
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        let mut read = Vec::new();
        for column in &columns {
            column.cell.visit(&mut |cell| read.extend(if let Cell::Own(own) = cell { Some(*own) } else { None }));
        }
        for (place, column) in columns.iter_mut().enumerate() {
            column.is_read = read.contains(&place);
        }
        let held = is_held(spec);
        let heap = self.heap(index);
        if heap != Heap::Time && columns.iter().any(|c| c.cell.holds_sum()) && sum::BLOCK < self.rows[index] {
            let message =
                format!("a table of more than {} rows that holds sums stays in the order of time", sum::BLOCK);
            self.problems.push(Diagnostic::at(spec.name.span.clone(), message).help("leave heap-order out"));
        }
        (self.problems.len() == before).then(|| TablePlan {
            name: spec.name.value.clone(),
            sql_name: found.sql(),
            own_rows: found.own_rows(),
            partitioned: found.partitioned,
            held,
            rows: self.rows[index],
            first: self.first(index),
            beside: found.has_rows && !held,
            above: if found.has_rows && !held { found.highest_key } else { 0 },
            heap,
            lowered: self.lowered[index].clone(),
            text: columns.iter().any(|c| c.kind == SqlType::Other),
            columns,
            fans: self.fans[index].clone(),
            growth: self.growth[index].clone(),
            counted_columns,
            births: None,
        })
    }
}

/// The name a call such as `state(payment)` has as its first argument, wherever it stands in an expression.
pub(super) fn called<'e>(expr: &'e Expr, wanted: &str) -> Option<&'e str> {
    match &expr.node {
        Node::Call(name, arguments) if name == wanted => match &arguments.first()?.value.node {
            Node::Path(path) => path.first().map(String::as_str),
            _ => None,
        },
        Node::Call(_, arguments) => arguments.iter().find_map(|a| called(&a.value, wanted)),
        Node::Choice(branches) => branches.iter().find_map(|(_, branch)| called(branch, wanted)),
        Node::Binary(_, left, right) => called(left, wanted).or_else(|| called(right, wanted)),
        _ => None,
    }
}

/// The tables whose rows an expression adds up or counts.
fn tables_summed(expr: &Expr, found: &mut Vec<String>) {
    match &expr.node {
        Node::Call(name, arguments) => {
            if let ("sum" | "count", Some(Node::Path(path))) = (name.as_str(), arguments.first().map(|a| &a.value.node))
            {
                found.push(path.join("."));
            }
            arguments.iter().for_each(|argument| tables_summed(&argument.value, found));
        }
        Node::Choice(branches) => branches.iter().for_each(|(_, branch)| tables_summed(branch, found)),
        Node::Binary(_, left, right) => [left, right].into_iter().for_each(|side| tables_summed(side, found)),
        _ => {}
    }
}

fn growth_name(expr: &Expr) -> Option<&str> {
    called(expr, "growth")
}

/// The foreign key that a fan-out named by one of its columns means: one of that column alone, if there is one.
pub(in crate::seed) fn reference_of<'t>(table: &'t catalog::Table, column: &str) -> Option<&'t catalog::Reference> {
    let alone = table.references.iter().find(|r| r.columns.len() == 1 && r.columns[0] == column);
    alone.or_else(|| table.references.iter().find(|r| r.columns.iter().any(|c| c == column)))
}

/// Its rows are there already.
fn is_held(table: &TableSpec) -> bool {
    table.columns.iter().any(|(_, source)| is_call(&source.expr, "held"))
}

fn is_call(expr: &Expr, wanted: &str) -> bool {
    matches!(&expr.node, Node::Call(name, _) if name == wanted)
}

/// How values of a column travel.
pub(super) fn sql_type(column: &catalog::Column) -> SqlType {
    match &column.kind.kind {
        TypeKind::Enum(_) => SqlType::Text,
        TypeKind::Base => base_type(&column.kind),
        _ => SqlType::Other,
    }
}

/// How values of a base type travel.
pub(super) fn base_type(kind: &catalog::Type) -> SqlType {
    SqlType::from_name(&kind.name, kind.precision.map(|(_, scale)| scale)).unwrap_or(SqlType::Other)
}
