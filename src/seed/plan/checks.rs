//! What can be wrong with a spec before its expressions are read: names, columns nobody fills, loops. Must find all of
//! it.

use super::{Planner, TablePlan, is_held};
use crate::diagnostic::{Diagnostic, nearest};
use crate::postgres::catalog;
use crate::seed::cell::Cell;
use crate::seed::fan::FanKind;
use crate::seed::spec::TableSpec;

impl Planner<'_> {
    pub(super) fn check_names(&mut self) {
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
            self.check_sets(table, found);
            // A table without rows needs no values.
            if !is_held(table) && table.row_count.source.text.trim() != "0" {
                self.check_filled(table, found);
            }
        }
    }

    /// Columns a state machine sets must be there, and nothing else may fill them.
    fn check_sets(&mut self, table: &TableSpec, found: &catalog::Table) {
        for (status, source) in &table.columns {
            let Some(machine) = self.machine(&source.expr) else { continue };
            for set in &machine.sets {
                let twice = table.columns.iter().chain(&table.fan_out).find(|(name, _)| name.value == *set);
                let message = match (found.column(set), twice) {
                    (None, _) => format!("its state machine sets `{set}`, which `{}` does not have", table.name.value),
                    (_, Some(_)) => format!("its state machine sets `{set}`, which has an expression too"),
                    _ => continue,
                };
                self.problems.push(Diagnostic::at(status.span.clone(), message));
            }
        }
    }

    /// A column that must have a value and gets none would only fail in the middle of the load.
    fn check_filled(&mut self, table: &TableSpec, found: &catalog::Table) {
        for column in &found.columns {
            let named = table.columns.iter().chain(&table.fan_out).find(|(name, _)| name.value == column.name);
            match named {
                None if self.filled_by_parent(table, found, &column.name) => {}
                None if self.set_by_state(table, &column.name) => {}
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

    fn set_by_state(&self, table: &TableSpec, column: &str) -> bool {
        table
            .columns
            .iter()
            .any(|(_, source)| self.machine(&source.expr).is_some_and(|m| m.sets.iter().any(|s| s == column)))
    }

    /// A column that reads itself, directly or through others, would never end.
    pub(super) fn check_loops(&mut self, tables: &[TablePlan]) {
        let mut states: Vec<Vec<u8>> = tables.iter().map(|t| vec![0; t.columns.len()]).collect();
        for (table, plan) in tables.iter().enumerate().filter(|(_, plan)| 0 < plan.rows) {
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
    let mut next = Vec::new();
    read_by(tables, table, &tables[table].columns[column].cell, &mut next);
    let found = next.into_iter().any(|(table, column)| visit(tables, table, column, states));
    states[table][column] = 2;
    found
}

/// The columns a cell of a table reads, by table and position.
fn read_by(tables: &[TablePlan], table: usize, cell: &Cell, found: &mut Vec<(usize, usize)>) {
    cell.visit(&mut |cell| match cell {
        Cell::Own(own) => found.push((table, *own)),
        // An earlier row of the table, which reads one before it, and so on to the first.
        Cell::Parent { way, .. } if way.len() == 1 && is_earlier_row(tables, table, way[0]) => {}
        Cell::Parent { way, column, .. } => {
            found.push((way.iter().fold(table, |table, fan| tables[table].fans[*fan].parent), *column));
        }
        Cell::Pick(fan, column) => found.push((fan.parent, *column)),
        Cell::Sum(sum) => read_by(tables, sum.table, &sum.inner, found),
        _ => {}
    });
}

fn is_earlier_row(tables: &[TablePlan], table: usize, fan: usize) -> bool {
    let fan = &tables[table].fans[fan];
    fan.parent == table && matches!(fan.kind, FanKind::Before { .. })
}
