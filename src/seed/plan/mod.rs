//! Spec and catalog to a plan: what each column of each row will hold. Must find every mistake before a row is made.

pub(super) mod fans;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::Place;
use super::fan::{Cases, Fan};
use super::generate::Cell;
use super::growth::{Curve, Growth};
use super::spec::{Spec, TableSpec, row_count};
use crate::diagnostic::{Diagnostic, nearest};
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
    /// Number of rows.
    pub rows: u64,
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
}

/// Values of columns that tables hold already, by table and column.
pub type Held = BTreeMap<(String, String), Arc<Vec<Value<'static>>>>;

/// Makes the plan.
///
/// # Errors
/// Every mistake: unknown tables and columns, types that cannot be written, columns nobody fills, loops.
pub fn plan(spec: &Spec, catalog: &Catalog, held: &Held, scale: f64, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    let root = Key::new(seed.0);
    let layouts = Vec::new();
    let mut planner =
        Planner { spec, catalog, held, root, layouts, rows: Vec::new(), lowered: Vec::new(), problems: Vec::new() };
    planner.check_names();
    planner.count_rows(scale);
    if !planner.problems.is_empty() {
        return Err(planner.problems);
    }
    planner.layouts = (0..spec.tables.len()).map(|t| planner.layout(t)).collect();
    planner.lower_rows();
    let growth: Vec<Option<Growth>> = (0..spec.tables.len()).map(|t| planner.table_growth(t)).collect();
    let fans: Vec<Vec<Fan>> = (0..spec.tables.len()).map(|t| planner.fans(t, &growth)).collect();
    let mut tables = Vec::new();
    if planner.problems.is_empty() {
        for (index, fans) in fans.into_iter().enumerate() {
            tables.extend(planner.table(index, fans, growth[index]));
        }
    }
    if planner.problems.is_empty() {
        planner.check_loops(&tables);
    }
    if planner.problems.is_empty() {
        Ok(Plan { tables, start: spec.now - spec.span, span: spec.span })
    } else {
        Err(planner.problems)
    }
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
    /// The fan-out at this position, and the parent's column.
    Parent(usize, String),
}

pub(super) struct Planner<'a> {
    pub(super) spec: &'a Spec,
    pub(super) catalog: &'a Catalog,
    pub(super) held: &'a Held,
    root: Key,
    layouts: Vec<Vec<Written>>,
    rows: Vec<u64>,
    lowered: Vec<Option<String>>,
    problems: Vec<Diagnostic>,
}

impl<'a> Planner<'a> {
    fn check_names(&mut self) {
        for table in &self.spec.tables {
            let Some(found) = self.catalog.table(&table.name.value) else {
                let problem = Diagnostic::at(
                    table.name.span.clone(),
                    format!("the database has no table `{}`", table.name.value),
                );
                let known = self.catalog.tables.keys().map(String::as_str);
                let help = match nearest(&table.name.value, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "the spec is read against the schema at the migration the data is filled at".to_owned(),
                };
                self.problems.push(problem.help(help));
                continue;
            };
            for (column, _) in table.columns.iter().chain(&table.fan_out) {
                if found.column(&column.value).is_none() {
                    let message = format!("the table `{}` has no column `{}`", table.name.value, column.value);
                    let mut problem = Diagnostic::at(column.span.clone(), message);
                    if let Some(meant) = nearest(&column.value, found.columns.iter().map(|c| c.name.as_str())) {
                        problem = problem.help(format!("did you mean `{meant}`?"));
                    }
                    self.problems.push(problem);
                }
            }
            for (column, _) in &table.fan_out {
                if let Some((twice, _)) = table.columns.iter().find(|(c, _)| c.value == column.value) {
                    let message = format!("`{}` is filled by its fan-out and by an expression", column.value);
                    self.problems.push(Diagnostic::at(twice.span.clone(), message).help("keep one of the two"));
                }
            }
            if !is_held(table) {
                self.check_filled(table, found);
            }
        }
    }

    /// A column that must have a value and gets none would only fail in the middle of the load.
    fn check_filled(&mut self, table: &TableSpec, found: &catalog::Table) {
        for column in &found.columns {
            let named = table.columns.iter().chain(&table.fan_out).find(|(name, _)| name.value == column.name);
            match named {
                None if self.filled_by_parent(table, found, &column.name) => {}
                None if column.required && !column.filled_by_server() => self.problems.push(
                    Diagnostic::at(
                        table.name.span.clone(),
                        format!(
                            "`{}.{}` is NOT NULL, has no default, and the spec does not fill it",
                            found.name, column.name
                        ),
                    )
                    .help(format!("add a line such as {} = \"…\"", column.name)),
                ),
                Some((name, _)) if column.generated => self.problems.push(
                    Diagnostic::at(
                        name.span.clone(),
                        format!("`{}` is a generated column: the server fills it", column.name),
                    )
                    .help("leave it out of the spec"),
                ),
                _ => {}
            }
        }
    }

    /// One of several columns of a foreign key whose fan-out another column names.
    fn filled_by_parent(&self, table: &TableSpec, found: &catalog::Table, column: &str) -> bool {
        table.fan_out.iter().any(|(named, _)| {
            found.references.iter().any(|r| r.columns.contains(&named.value) && r.columns.iter().any(|c| c == column))
        })
    }

    fn count_rows(&mut self, scale: f64) {
        self.lowered = vec![None; self.spec.tables.len()];
        for table in &self.spec.tables {
            match row_count(&table.row_count.expr, scale) {
                Ok(rows) => self.rows.push(rows),
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

    /// The stream that chooses a row's case, one for all columns of a table.
    pub(super) fn cases(&self, table: usize, count: usize) -> Cases {
        Cases { key: self.root.named(&self.spec.tables[table].name.value).named("case"), count: count as u64 }
    }

    /// A curve by its name in the spec; `linear` needs no definition.
    pub(super) fn curve(&self, name: &str) -> Option<Curve> {
        self.spec.growth.get(name).copied().or_else(|| (name == "linear").then_some(Curve::Power(1.0)))
    }

    /// The growth of a table is that of its first column that grows.
    fn table_growth(&mut self, table: usize) -> Option<Growth> {
        let spec = &self.spec.tables[table];
        spec.columns.iter().find_map(|(column, source)| {
            let curve = self.curve(growth_name(&source.expr)?)?;
            Some(Growth { curve, rows: self.rows[table], key: self.column_key(table, &column.value).named("growth") })
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
        for (index, (column, _)) in spec.fan_out.iter().enumerate() {
            let Some(reference) = reference_of(found, &column.value) else { continue };
            for (own, target) in reference.columns.iter().zip(&reference.targets) {
                if written.iter().all(|w| w.name != *own) {
                    written.push(Written { name: own.clone(), origin: Origin::Parent(index, target.clone()) });
                }
            }
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

    fn table(&mut self, index: usize, fans: Vec<Fan>, growth: Option<Growth>) -> Option<TablePlan> {
        let spec = &self.spec.tables[index];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let before = self.problems.len();
        let mut columns = Vec::new();
        let mut counted_columns = Vec::new();
        for written in &self.layouts[index] {
            let column = found.column(&written.name).expect("names were checked");
            let labels = if let TypeKind::Enum(labels) = &column.kind.kind { labels.as_slice() } else { &[] };
            let key = self.column_key(index, &written.name);
            let mut place = Place { table: index, key, draws: 0, labels, column: &written.name };
            let (cell, source) = match &written.origin {
                Origin::Expression(at) => {
                    let source = &spec.columns[*at].1;
                    (self.compile(&source.expr, &mut place, &fans, growth), source)
                }
                Origin::Parent(fan, target) => {
                    let source = &spec.fan_out[*fan].1;
                    (self.parent_cell(&fans, *fan, target, &source.expr), source)
                }
            };
            match cell {
                Ok(cell) => {
                    if column.counted && matches!(cell, Cell::Row) {
                        counted_columns.push(written.name.clone());
                    }
                    columns.push(ColumnPlan { name: written.name.clone(), kind: sql_type(column), cell });
                }
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        let held = is_held(spec);
        (self.problems.len() == before).then(|| TablePlan {
            name: spec.name.value.clone(),
            sql_name: found.sql(),
            own_rows: found.own_rows(),
            partitioned: found.partitioned,
            held,
            rows: self.rows[index],
            lowered: self.lowered[index].clone(),
            text: columns.iter().any(|c| c.kind == SqlType::Other),
            columns,
            fans,
            growth,
            counted_columns,
        })
    }

    /// A column that reads itself, directly or through others, would never end.
    fn check_loops(&mut self, tables: &[TablePlan]) {
        let mut states: Vec<Vec<u8>> = tables.iter().map(|t| vec![0; t.columns.len()]).collect();
        for (table, plan) in tables.iter().enumerate() {
            for column in 0..plan.columns.len() {
                if visit(tables, table, column, &mut states) {
                    let spec = &self.spec.tables[table];
                    let name = &plan.columns[column].name;
                    let place = spec.columns.iter().chain(&spec.fan_out).find(|(c, _)| c.value == *name);
                    let span = place.map_or(spec.name.span.clone(), |(c, _)| c.span.clone());
                    self.problems.push(Diagnostic::at(span, format!("`{}.{name}` depends on itself", plan.name)));
                    return;
                }
            }
        }
    }
}

/// Depth first: 1 is on the way, 2 is done. True when a column is met on its own way.
fn visit(tables: &[TablePlan], table: usize, column: usize, states: &mut [Vec<u8>]) -> bool {
    match states[table][column] {
        2 => return false,
        1 => return true,
        _ => states[table][column] = 1,
    }
    let plan = &tables[table];
    let mut next = Vec::new();
    plan.columns[column].cell.visit(&mut |cell| match cell {
        Cell::Own(own) => next.push((table, *own)),
        Cell::Parent { fan, column } => next.push((plan.fans[*fan].parent, *column)),
        _ => {}
    });
    let found = next.into_iter().any(|(table, column)| visit(tables, table, column, states));
    states[table][column] = 2;
    found
}

fn growth_name(expr: &Expr) -> Option<&str> {
    match &expr.node {
        Node::Call(name, arguments) if name == "growth" => match &arguments.first()?.value.node {
            Node::Path(path) => path.first().map(String::as_str),
            _ => None,
        },
        Node::Call(_, arguments) => arguments.iter().find_map(|a| growth_name(&a.value)),
        Node::Choice(branches) => branches.iter().find_map(|(_, branch)| growth_name(branch)),
        Node::Binary(_, left, right) => growth_name(left).or_else(|| growth_name(right)),
        _ => None,
    }
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
fn sql_type(column: &catalog::Column) -> SqlType {
    match &column.kind.kind {
        TypeKind::Enum(_) => SqlType::Text,
        TypeKind::Base => {
            let digits = column.kind.precision.map(|(_, scale)| scale);
            SqlType::from_name(&column.kind.name, digits).unwrap_or(SqlType::Other)
        }
        _ => SqlType::Other,
    }
}
