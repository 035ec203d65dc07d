//! Spec and catalog to a plan: what each column of each row will hold. Must find every mistake before a row is made.

use super::compile::Place;
use super::generate::{Cell, Fan, FanKind, Pair};
use super::growth::Growth;
use super::spec::{PlacedExpr, Spec, TableSpec, row_count};
use crate::diagnostic::{Diagnostic, nearest};
use crate::expression::distribution::number;
use crate::expression::{Expr, Key, Node, Permutation, SqlType, Zipf};
use crate::postgres::catalog::{self, Catalog};
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
    /// Divided into partitions, which cannot be filled frozen.
    pub partitioned: bool,
    /// Number of rows.
    pub rows: u64,
    /// The columns that are written, in the order of the spec.
    pub columns: Vec<ColumnPlan>,
    /// Where each row's parents are.
    pub fans: Vec<Fan>,
    /// How the table grows, if a column says so.
    pub growth: Option<Growth>,
    /// An identity or serial column that must continue after the rows, if one is written.
    pub counted_column: Option<String>,
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

/// Makes the plan.
///
/// # Errors
/// Every mistake: unknown tables and columns, types that cannot be written, columns nobody fills, loops.
pub fn plan(spec: &Spec, catalog: &Catalog, scale: f64, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    let mut planner = Planner { spec, catalog, root: Key::new(seed.0), rows: Vec::new(), problems: Vec::new() };
    planner.check_names();
    planner.count_rows(scale);
    if !planner.problems.is_empty() {
        return Err(planner.problems);
    }
    let growth: Vec<Option<Growth>> = (0..spec.tables.len()).map(|t| planner.table_growth(t)).collect();
    let mut tables = Vec::new();
    for index in 0..spec.tables.len() {
        let fans = planner.fans(index, &growth);
        tables.extend(planner.table(index, fans, growth[index]));
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

pub(super) struct Planner<'a> {
    pub(super) spec: &'a Spec,
    catalog: &'a Catalog,
    root: Key,
    rows: Vec<u64>,
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
                if found.columns.iter().all(|c| c.name != column.value) {
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
            self.check_filled(table, found);
        }
    }

    /// A column that must have a value and gets none would only fail in the middle of the load.
    fn check_filled(&mut self, table: &TableSpec, found: &catalog::Table) {
        for column in &found.columns {
            let named = table.columns.iter().chain(&table.fan_out).find(|(name, _)| name.value == column.name);
            match named {
                None if column.required && !column.filled_by_server => self.problems.push(
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
                Some((name, _)) if sql_type(column).is_none() => self.problems.push(
                    Diagnostic::at(
                        name.span.clone(),
                        format!("columns of type `{}` cannot be filled yet", column.type_name),
                    )
                    .help("leave the column out if it may be NULL or has a default"),
                ),
                _ => {}
            }
        }
    }

    fn count_rows(&mut self, scale: f64) {
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

    fn index_of(&self, table: &str) -> Option<usize> {
        let bare = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
        self.spec.tables.iter().position(|t| bare(&t.name.value) == bare(table))
    }

    fn column_key(&self, table: usize, column: &str) -> Key {
        self.root.named(&self.spec.tables[table].name.value).named(column)
    }

    /// The growth of a table is that of its first column that grows.
    fn table_growth(&mut self, table: usize) -> Option<Growth> {
        let spec = &self.spec.tables[table];
        spec.columns.iter().find_map(|(column, source)| {
            let name = growth_name(&source.expr)?;
            let curve = *self.spec.growth.get(name)?;
            Some(Growth { curve, rows: self.rows[table], key: self.column_key(table, &column.value).named("growth") })
        })
    }

    fn fans(&mut self, table: usize, growth: &[Option<Growth>]) -> Vec<Fan> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let mut fans = Vec::new();
        for (column, source) in &spec.fan_out {
            let Some(reference) = found.references.iter().find(|r| r.column == column.value) else {
                self.problems.push(
                    Diagnostic::at(
                        column.span.clone(),
                        format!("`{}` is not a foreign key of one column", column.value),
                    )
                    .help("fan-out spreads rows over the parents a foreign key names"),
                );
                continue;
            };
            let Some(parent) = self.index_of(&reference.table) else {
                self.problems.push(Diagnostic::at(
                    column.span.clone(),
                    format!("`{}` refers to `{}`, which the spec does not fill", column.value, reference.table),
                ));
                continue;
            };
            match self.fan(table, parent, column.value.clone(), &reference.target, source, growth) {
                Ok(fan) => fans.push(fan),
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        self.pair_up(table, found, &mut fans);
        fans
    }

    fn fan(
        &self,
        table: usize,
        parent: usize,
        column: String,
        target: &str,
        source: &PlacedExpr,
        growth: &[Option<Growth>],
    ) -> Result<Fan, Diagnostic> {
        let (null_share, expr) = match &source.expr.node {
            Node::Choice(branches) => match branches.as_slice() {
                [(Some(share), null), (None, rest)] if is_name(null, "null") => (*share, rest),
                _ => return Err(Diagnostic::at(source.expr.span.clone(), "write `null 20% | zipf(…)`")),
            },
            _ => (0.0, &source.expr),
        };
        let (rows, parents) = (self.rows[table], self.rows[parent]);
        let key = self.column_key(table, &column).named("fan-out");
        if parents == 0 && 0 < rows {
            return Err(Diagnostic::at(expr.span.clone(), "the parent table has no rows at this scale"));
        }
        let kind = if is_name(expr, "each") {
            if parents < rows {
                let message =
                    format!("`each` gives every row its own parent, but {rows} rows have only {parents} parents");
                return Err(Diagnostic::at(expr.span.clone(), message));
            }
            FanKind::Each
        } else {
            let (exponent, max, none) = zipf_arguments(expr)?;
            let ranks = libm::ceil(parents as f64 * (1.0 - none)).max(1.0) as u64;
            let share = max.map_or(1.0, |max| max / rows.max(1) as f64);
            FanKind::Draw {
                zipf: Zipf::with_top_share(exponent, share, ranks),
                order: Permutation::new(key.named("order"), parents),
                growth: growth[table].zip(growth[parent]),
            }
        };
        Ok(Fan { column, parent, parents, target: target.to_owned(), kind, null_share, key })
    }

    /// Two fan-outs that must be unique together become a pair: closed form, distinct by construction.
    fn pair_up(&mut self, table: usize, found: &catalog::Table, fans: &mut [Fan]) {
        for unique in &found.uniques {
            let [first, second] = unique.as_slice() else { continue };
            let position = |name: &String| fans.iter().position(|fan| fan.column == *name);
            let (Some(owner), Some(member)) = (position(first), position(second)) else { continue };
            let (
                FanKind::Draw { zipf: owners, order: owner_order, .. },
                FanKind::Draw { zipf: members, order: member_order, .. },
            ) = (fans[owner].kind.clone(), fans[member].kind.clone())
            else {
                continue;
            };
            let rows = self.rows[table];
            let mut pair = Pair {
                rows,
                owners,
                owner_order,
                members,
                member_order,
                order: Permutation::new(fans[owner].key.named("pair"), rows.max(1)),
                key: fans[owner].key.named("phase"),
            };
            let most = pair.most_children();
            let share = 0.999 / most as f64;
            if fans[member].parents < most + most / 2 {
                let (column, source) = &self.spec.tables[table].fan_out[owner];
                self.problems.push(
                    Diagnostic::at(
                        column.span.clone(),
                        format!(
                            "a single `{first}` would have {most} rows, but `{second}` has only {} values",
                            fans[member].parents
                        ),
                    )
                    .help(format!(
                        "bound it: {} with max {}",
                        source.source.text,
                        fans[member].parents / 2
                    )),
                );
                continue;
            }
            pair.members = members.flattened_to(share);
            fans[owner].kind = FanKind::Owner(Box::new(pair.clone()));
            fans[member].kind = FanKind::Member(Box::new(pair));
        }
    }

    fn table(&mut self, index: usize, fans: Vec<Fan>, growth: Option<Growth>) -> Option<TablePlan> {
        let spec = &self.spec.tables[index];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let before = self.problems.len();
        let mut columns = Vec::new();
        let mut counted_column = None;
        for (name, source) in spec.columns.iter().chain(&spec.fan_out) {
            let column = found.columns.iter().find(|c| c.name == name.value).expect("names were checked");
            let mut place =
                Place { table: index, key: self.column_key(index, &name.value), draws: 0, labels: &column.labels };
            let fan = fans.iter().position(|fan| fan.column == name.value);
            let cell = match fan {
                Some(fan) => {
                    let target = fans[fan].target.clone();
                    self.parent_cell(&fans, fan, &target, &source.expr)
                }
                None if spec.fan_out.iter().any(|(fan, _)| fan.value == name.value) => continue,
                None => self.compile(&source.expr, &mut place, &fans, growth),
            };
            match cell {
                Ok(cell) => {
                    if column.filled_by_server && matches!(cell, Cell::Row) {
                        counted_column = Some(name.value.clone());
                    }
                    let kind = sql_type(column).expect("types were checked");
                    columns.push(ColumnPlan { name: name.value.clone(), kind, cell });
                }
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        (self.problems.len() == before).then(|| TablePlan {
            name: spec.name.value.clone(),
            sql_name: found.sql(),
            partitioned: found.partitioned,
            rows: self.rows[index],
            columns,
            fans,
            growth,
            counted_column,
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
        _ => None,
    }
}

fn zipf_arguments(expr: &Expr) -> Result<(f64, Option<f64>, f64), Diagnostic> {
    let Node::Call(name, arguments) = &expr.node else { return Err(bad_fan(expr)) };
    if name != "zipf" && name != "uniform" {
        return Err(bad_fan(expr));
    }
    let (mut exponent, mut max, mut none) = (0.0, None, 0.0);
    for argument in arguments {
        let value = number(&argument.value)?;
        match argument.label.as_deref() {
            Some("s") | None if name == "zipf" && 0.0 <= value => exponent = value,
            Some("max") if 1.0 <= value => max = Some(value),
            Some("none") if (0.0..1.0).contains(&value) => none = value,
            _ => return Err(bad_fan(expr)),
        }
    }
    Ok((exponent, max, none))
}

fn bad_fan(expr: &Expr) -> Diagnostic {
    Diagnostic::at(expr.span.clone(), "unknown way to spread rows over parents")
        .help("zipf(s 1.1, max 400, none 15%), uniform(none 10%), or each; `null 20% | …` leaves some without")
}

fn is_name(expr: &Expr, name: &str) -> bool {
    matches!(&expr.node, Node::Path(path) if path.len() == 1 && path[0] == name)
}

fn sql_type(column: &catalog::Column) -> Option<SqlType> {
    if column.labels.is_empty() {
        SqlType::from_name(&column.type_name, column.fraction_digits)
    } else {
        Some(SqlType::Text)
    }
}
