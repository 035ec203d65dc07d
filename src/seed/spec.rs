//! The dataset spec as its file says it: TOML in, checked structure out. Must open no file and know no catalog.

use std::collections::BTreeMap;

use super::growth::Curve;
use crate::diagnostic::Diagnostic;
use crate::document::{self, Placed, PlacedText, Table};
use crate::expression::distribution::number;
use crate::expression::parse::parse;
use crate::expression::value::parse_time;
use crate::expression::{Expr, Node};

/// A dataset spec.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The moment the dataset ends, in microseconds since PostgreSQL's epoch: never the wall clock.
    pub now: i64,
    /// The history before it, in microseconds.
    pub span: i64,
    /// How many rows each table has that the spec does not name; `None` leaves them empty.
    pub other_tables: Option<PlacedExpr>,
    /// Growth curves by name.
    pub growth: BTreeMap<String, Curve>,
    /// Tables in the order of the file.
    pub tables: Vec<TableSpec>,
    /// What must be true of the filled database.
    pub asserts: Vec<Assert>,
}

/// A query of one number, and the bounds it must lie between.
#[derive(Debug, Clone)]
pub struct Assert {
    /// The query.
    pub sql: String,
    /// At least and at most.
    pub between: (f64, f64),
}

/// What the spec says of one table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name and place.
    pub name: Placed<String>,
    /// How many rows at a scale.
    pub row_count: PlacedExpr,
    /// The number was not asked for: what the schema cannot hold may be left out.
    pub flexible: bool,
    /// How the rows spread over their parents, by foreign key column.
    pub fan_out: Vec<(Placed<String>, PlacedExpr)>,
    /// What each column holds.
    pub columns: Vec<(Placed<String>, PlacedExpr)>,
}

/// An expression with the text it came from.
#[derive(Debug, Clone)]
pub struct PlacedExpr {
    /// The tree; spans are into `source.text`.
    pub expr: Expr,
    /// The string in the file.
    pub source: PlacedText,
}

impl PlacedExpr {
    /// An expression this program made from the catalog.
    ///
    /// # Panics
    /// When the text is no expression, which is a bug here.
    #[must_use]
    pub fn inferred(text: &str) -> Self {
        let expr = parse(text).unwrap_or_else(|problem| panic!("inferred `{text}`: {}", problem.message));
        Self { expr, source: PlacedText { text: text.to_owned(), span: NOWHERE, content_start: None } }
    }

    /// Whether it was made from the catalog rather than read from a file.
    #[must_use]
    pub fn is_inferred(&self) -> bool {
        self.source.span == NOWHERE
    }

    /// A mistake inside the expression, moved to its place in the file.
    #[must_use]
    pub fn relocate(&self, problem: Diagnostic) -> Diagnostic {
        if self.is_inferred() {
            let help = problem.help.unwrap_or_else(|| "say in a spec what this column holds".to_owned());
            let message = format!("{} (in `{}`, taken from the catalog)", problem.message, self.source.text);
            return Diagnostic::whole(message).help(help);
        }
        self.source.relocate(problem)
    }
}

/// Where what no file says stands.
pub const NOWHERE: std::ops::Range<usize> = usize::MAX..usize::MAX;

/// Reads a spec.
///
/// # Errors
/// Every mistake that can be seen without a database.
pub fn parse_spec(text: &str) -> Result<Spec, Vec<Diagnostic>> {
    document::read(text, |root| {
        let (now, span, other_tables) = read_dataset(root);
        let growth = read_growth(root);
        let tables = root.table("table").map(Table::named_tables).unwrap_or_default();
        if tables.is_empty() && other_tables.is_none() {
            root.problem(
                Diagnostic::whole("the spec names no table").help("add [table.NAME] with `row-count` and columns"),
            );
        }
        let asserts = read_asserts(root);
        let tables: Vec<Option<TableSpec>> = tables.into_iter().map(|(name, table)| read_table(name, table)).collect();
        Some(Spec {
            now: now?,
            span: span?,
            other_tables,
            growth,
            tables: tables.into_iter().collect::<Option<_>>()?,
            asserts,
        })
    })
}

fn read_dataset(root: &mut Table<'_, '_>) -> (Option<i64>, Option<i64>, Option<PlacedExpr>) {
    let Some(mut dataset) = root.table("dataset") else {
        root.problem(Diagnostic::whole("the spec needs a [dataset] table with `now` and `span`"));
        return (None, None, None);
    };
    let now = dataset.datetime("now").and_then(|now| {
        let micros = parse_time(&now.value);
        if micros.is_none() {
            dataset.problem(Diagnostic::at(now.span, "`now` needs a time and a zone, such as 2026-01-01T00:00:00Z"));
        }
        micros
    });
    let span = dataset.required_text("span").and_then(|text| match parse(&text.text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if 0 < micros => Some(micros),
        Ok(_) => {
            dataset.problem(text.relocate(Diagnostic::at(0..text.text.len(), "`span` is a duration such as 3y")));
            None
        }
        Err(problem) => {
            dataset.problem(text.relocate(problem));
            None
        }
    });
    if now.is_none() && !dataset.keys().any(|key| key.value == "now") {
        dataset.problem(Diagnostic::at(dataset.span.clone(), "`dataset` needs the key `now`"));
    }
    let others = dataset.text("other-tables").and_then(|source| parse_placed(&dataset, source));
    dataset.finish();
    (now, span, others)
}

fn read_asserts(root: &mut Table<'_, '_>) -> Vec<Assert> {
    let mut asserts = Vec::new();
    for mut table in root.tables("assert") {
        let (sql, between) = (table.required_text("sql"), table.bounds("between"));
        if between.is_none() && !table.keys().any(|key| key.value == "between") {
            table.problem(Diagnostic::at(
                table.span.clone(),
                "an `assert` needs the key `between`, such as [0.02, 0.04]",
            ));
        }
        table.finish();
        asserts.extend(sql.zip(between).map(|(sql, between)| Assert { sql: sql.text, between: between.value }));
    }
    asserts
}

fn read_growth(root: &mut Table<'_, '_>) -> BTreeMap<String, Curve> {
    let mut curves = BTreeMap::new();
    for (name, mut table) in root.table("growth").map(Table::named_tables).unwrap_or_default() {
        if let Some(curve) = read_expr(&mut table, "curve") {
            match Curve::read(&curve.expr) {
                Ok(curve) => drop(curves.insert(name.value, curve)),
                Err(problem) => table.problem(curve.relocate(problem)),
            }
        }
        table.finish();
    }
    curves
}

fn read_table(name: Placed<String>, mut table: Table<'_, '_>) -> Option<TableSpec> {
    let row_count = read_expr(&mut table, "row-count");
    let fan_out = table.table("fan-out").map(|mut fans| read_exprs(&mut fans)).unwrap_or_default();
    let columns = read_exprs(&mut table);
    Some(TableSpec { name, row_count: row_count?, flexible: false, fan_out, columns })
}

fn read_expr(table: &mut Table<'_, '_>, key: &'static str) -> Option<PlacedExpr> {
    let source = table.required_text(key)?;
    parse_placed(table, source)
}

fn read_exprs(table: &mut Table<'_, '_>) -> Vec<(Placed<String>, PlacedExpr)> {
    let texts = table.named_texts();
    texts.into_iter().filter_map(|(name, source)| Some((name, parse_placed(table, source)?))).collect()
}

fn parse_placed(table: &Table<'_, '_>, source: PlacedText) -> Option<PlacedExpr> {
    match parse(&source.text) {
        Ok(expr) => Some(PlacedExpr { expr, source }),
        Err(problem) => {
            table.problem(source.relocate(problem));
            None
        }
    }
}

/// The number of rows `row-count` asks for at a scale: arithmetic over `scale`, `sqrt()`, numbers.
///
/// # Errors
/// When the expression is anything else, or gives no number of rows.
pub fn row_count(expr: &Expr, scale: f64) -> Result<u64, Diagnostic> {
    let rows = libm::round(arithmetic(expr, scale)?);
    if (0.0..1e12).contains(&rows) {
        return Ok(rows as u64);
    }
    Err(Diagnostic::at(expr.span.clone(), format!("{rows} is no number of rows")))
}

fn arithmetic(expr: &Expr, scale: f64) -> Result<f64, Diagnostic> {
    match &expr.node {
        Node::Path(path) if path.len() == 1 && path[0] == "scale" => Ok(scale),
        Node::Call(name, arguments) if name == "sqrt" && arguments.len() == 1 => {
            Ok(libm::sqrt(arithmetic(&arguments[0].value, scale)?))
        }
        Node::Call(name, arguments) if (name == "min" || name == "max") && arguments.len() == 2 => {
            let (a, b) = (arithmetic(&arguments[0].value, scale)?, arithmetic(&arguments[1].value, scale)?);
            Ok(if name == "min" { a.min(b) } else { a.max(b) })
        }
        Node::Binary(operator, left, right) => {
            let (left, right) = (arithmetic(left, scale)?, arithmetic(right, scale)?);
            Ok(match operator {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            })
        }
        Node::Number(_) => number(expr),
        _ => Err(Diagnostic::at(expr.span.clone(), "expected a number of rows")
            .help("arithmetic over numbers, `scale` and sqrt(), such as 20_000 * sqrt(scale)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[dataset]
now = 2026-01-01T00:00:00Z
span = "3y"
[growth.signups]
curve = "power(1.5)"
[table.users]
row-count = "100 * sqrt(scale)"
email = "template('u{id}@example.com')"
[table.payments]
row-count = "1_000 * scale"
fan-out.user_id = "zipf(s 1.1)"
"#;

    #[test]
    fn a_spec_is_read_in_the_order_of_its_file() {
        let spec = parse_spec(GOOD).unwrap();
        assert_eq!(spec.span, 3 * 365 * 86_400_000_000);
        assert_eq!(row_count(&spec.tables[0].row_count.expr, 4.0).unwrap_or(0), 200);
        assert_eq!(spec.tables.len(), 2);
    }

    #[test]
    fn mistakes_are_all_reported_with_their_place() {
        let text = GOOD.replace("\"3y\"", "\"3 years\"").replace("power(1.5)", "exponential(2)").replace("'u{", "u{");
        let problems = parse_spec(&text).unwrap_err();
        let found: Vec<(&str, String)> =
            problems.iter().map(|p| (&text[p.span.clone().unwrap()], p.message.clone())).collect();
        assert_eq!(found[0], ("y", "expected the end, found `y`".to_owned()));
        assert_eq!(found[1].0, "exponential(2)");
        assert_eq!(found[2].0, "{");
        assert_eq!(found.len(), 3);
    }
}
