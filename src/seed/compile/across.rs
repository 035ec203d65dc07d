//! Expressions that read other tables, or tie columns of a row together. Must refuse what could not be recomputed.

use std::sync::Arc;

use super::Place;
use crate::diagnostic::{Diagnostic, nearest};
use crate::expression::{Argument, Expr, Node, SqlType};
use crate::seed::cell::Cell;
use crate::seed::fan::{Fan, FanKind};
use crate::seed::plan::{Planner, sql_type};
use crate::seed::state::Want;
use crate::seed::sum::Sum;

impl Planner<'_> {
    /// A column of the row that foreign keys lead to, one after the other.
    pub(super) fn ancestor(&self, table: usize, way: &[String], column: &str, expr: &Expr) -> Result<Cell, Diagnostic> {
        let mut fans = Vec::new();
        let mut at = table;
        for name in way {
            let found = self.fans[at].iter().position(|fan| fan.columns.iter().any(|(own, _)| own == name));
            let Some(fan) = found else {
                let message = format!("`{name}` has no fan-out, so its parent is not known");
                return Err(
                    Diagnostic::at(expr.span.clone(), message).help(format!("add fan-out.{name} = \"zipf(s 1.0)\""))
                );
            };
            fans.push(fan);
            at = self.fans[at][fan].parent;
        }
        self.parent_cell(table, &fans, column, expr)
    }

    /// `nth(course_id)`: the row's place among those of its parent.
    pub(super) fn nth(&self, column: &Argument, table: usize) -> Result<Cell, Diagnostic> {
        let named = if let Node::Path(path) = &column.value.node { path.first() } else { None };
        let fan = self.fans[table].iter().position(|fan| fan.columns.iter().any(|(own, _)| Some(own) == named));
        match fan.filter(|fan| matches!(self.fans[table][*fan].kind, FanKind::Run { .. })) {
            Some(fan) => Ok(Cell::Nth(fan)),
            None => {
                let message = "`nth` counts the rows of a parent where they stand side by side";
                let name = named.map_or("COLUMN", String::as_str);
                Err(Diagnostic::at(column.value.span.clone(), message).help(format!("fan-out.{name} = \"runs()\"")))
            }
        }
    }

    /// A column of the row at the end of these fan-outs.
    pub(in crate::seed) fn parent_cell(
        &self,
        table: usize,
        way: &[usize],
        column: &str,
        expr: &Expr,
    ) -> Result<Cell, Diagnostic> {
        let parent = way.iter().fold(table, |table, fan| self.fans[table][*fan].parent);
        if self.is_sum(parent, column) {
            let message = format!("`{column}` is a sum over other rows, which cannot be read from a child");
            return Err(Diagnostic::at(expr.span.clone(), message));
        }
        match self.position(parent, column) {
            Some(column) => Ok(Cell::Parent { way: way.into(), column, always: false }),
            None => Err(self.unknown_column(parent, column, expr)),
        }
    }

    fn is_sum(&self, table: usize, column: &str) -> bool {
        let said = self.spec.tables[table].columns.iter().find(|(name, _)| name.value == column);
        said.is_some_and(|(_, source)| source.source.text.contains("sum(") || source.source.text.contains("count("))
    }

    /// `pick(lessons.id, zipf 0.8, latest)`: a reference the schema does not know of.
    pub(super) fn pick(
        &self,
        column: &Argument,
        rest: &[Argument],
        expr: &Expr,
        place: &mut Place<'_>,
    ) -> Result<Cell, Diagnostic> {
        let path = match &column.value.node {
            Node::Path(path) if 2 <= path.len() => path,
            _ => return Err(Diagnostic::at(column.value.span.clone(), "`pick` takes a column: pick(lessons.id)")),
        };
        let (column_name, table) = path.split_last().expect("two parts at least");
        let parent = self.known_table(&table.join("."), &column.value)?;
        let Some(position) = self.position(parent, column_name) else {
            return Err(self.unknown_column(parent, column_name, &column.value));
        };
        let mut arguments = Vec::new();
        for argument in rest {
            match (argument.label.as_deref(), &argument.value.node) {
                (Some("zipf"), _) => arguments.push(Argument { label: Some("s".to_owned()), ..argument.clone() }),
                (None, Node::Path(path)) if path.len() == 1 && path[0] == "latest" => arguments.push(argument.clone()),
                _ => {
                    let message = "`pick` takes a column, a skew such as zipf 0.8, and `latest`";
                    return Err(Diagnostic::at(expr.span.clone(), message));
                }
            }
        }
        let spread = Expr { node: Node::Call("zipf".to_owned(), arguments), span: expr.span.clone() };
        let key = place.next_key();
        let fan = Fan {
            columns: Vec::new(),
            parent,
            parents: self.rows_of(parent),
            low: 0,
            kind: self.draw(&spread, Some(place.table), parent, 0, key)?,
            null_share: 0.0,
            absent: None,
            other_than: None,
            key,
            null_key: key,
        };
        Ok(Cell::Pick(Box::new(fan), position))
    }

    fn known_table(&self, name: &str, expr: &Expr) -> Result<usize, Diagnostic> {
        self.index_of(name).ok_or_else(|| {
            let problem = Diagnostic::at(expr.span.clone(), format!("the spec fills no table `{name}`"));
            match nearest(name, self.spec.tables.iter().map(|t| t.name.value.as_str())) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem,
            }
        })
    }

    /// `sum(transactions, amount)`, `count(lessons)`, `sum(orders, total, by buyer_id)`.
    pub(super) fn sum(
        &self,
        table: &Argument,
        value: Option<&Argument>,
        rest: &[Argument],
        expr: &Expr,
        place: &Place<'_>,
    ) -> Result<Cell, Diagnostic> {
        let wrong = |message: String| Err(Diagnostic::at(expr.span.clone(), message));
        let Node::Path(name) = &table.value.node else {
            return wrong("the first argument is the table whose rows are added up".to_owned());
        };
        let child = self.known_table(&name.join("."), &table.value)?;
        let by = match rest {
            [] => None,
            [Argument { label: Some(label), value: Expr { node: Node::Path(path), .. }, .. }] if label == "by" => {
                path.first()
            }
            _ => {
                return wrong(
                    "after what is added up comes nothing but `by COLUMN`, the foreign key that leads here".to_owned(),
                );
            }
        };
        let leads_here: Vec<usize> = (0..self.fans[child].len())
            .filter(|fan| {
                let fan = &self.fans[child][*fan];
                fan.parent == place.table && by.is_none_or(|by| fan.columns.iter().any(|(own, _)| own == by))
            })
            .collect();
        let [fan] = leads_here.as_slice() else {
            return wrong(format!(
                "{} foreign keys of `{}` lead to `{}`; name the one that is meant with `by COLUMN`",
                leads_here.len(),
                name.join("."),
                self.spec.tables[place.table].name.value
            ));
        };
        let inner = match value {
            Some(value) => {
                let key = self.column_key(child, "sum").named(place.column);
                let mut inside = Place { table: child, key, draws: 0, labels: &[], column: place.column, kind: None };
                self.compile(&value.value, &mut inside)?
            }
            None => Cell::Const(crate::expression::Value::Int(1)),
        };
        let unit = libm::pow(10.0, f64::from(self.digits_of(child, &inner, place)));
        Ok(Cell::Sum(Arc::new(Sum::new(child, *fan, inner, unit))))
    }

    /// Digits after the point of what is added up: those of the columns it reads, or else of the column it fills.
    fn digits_of(&self, child: usize, inner: &Cell, place: &Place<'_>) -> u16 {
        let digits = |table: usize, column: &str| {
            let found = self.catalog.table(&self.spec.tables[table].name.value)?.column(column)?;
            match sql_type(found) {
                SqlType::Numeric(digits) => Some(digits),
                SqlType::Money => Some(2),
                SqlType::Float4 | SqlType::Float8 => Some(6),
                _ => Some(0),
            }
        };
        let mut most = None;
        inner.visit(&mut |cell| {
            if let Cell::Own(column) = cell {
                let name = self.written(child).nth(*column).and_then(|name| digits(child, name));
                most = most.max(name);
            }
        });
        most.or_else(|| digits(place.table, place.column)).unwrap_or(0)
    }

    /// `state(payment)`, `state(payment, created_at)`: a status, or a moment that was set on the way there.
    pub(in crate::seed) fn state(&self, expr: &Expr, place: &mut Place<'_>, want: Want) -> Result<Cell, Diagnostic> {
        let arguments = match &expr.node {
            Node::Call(name, arguments) if name == "state" => arguments,
            _ => {
                let message = "a `state` that sets columns stands alone: by() or null would hide what it sets";
                return Err(Diagnostic::at(expr.span.clone(), message));
            }
        };
        let (Some(machine), Some(Node::Path(name))) = (self.machine(expr), arguments.first().map(|a| &a.value.node))
        else {
            let problem = Diagnostic::at(expr.span.clone(), "no such state machine; define it as [state.NAME]");
            return Err(
                problem.help(format!("known: {}", self.spec.states.keys().cloned().collect::<Vec<_>>().join(", ")))
            );
        };
        if want == Want::State {
            for state in &machine.states {
                super::check_label(state, expr, place.labels)?;
            }
        }
        let begin = match arguments.get(1) {
            Some(begin) => self.compile(&begin.value, place)?,
            None => match self.birth_column(place.table) {
                Some(column) => Cell::Own(column),
                None => {
                    let message = "when does it begin? No column of this table grows";
                    return Err(Diagnostic::at(expr.span.clone(), message).help("write state(name, created_at)"));
                }
            },
        };
        let key = self.state_key(place.table, &name[0]);
        Ok(Cell::State(Arc::new(machine.clone()), key, Box::new(begin), want))
    }
}
