//! The dataset spec as its file says it: TOML in, checked structure out. Must open no file and know no catalog.

use std::collections::BTreeMap;

use super::growth::{Burst, Curve, Rate};
use super::infer::evidence::Evidence;
use super::state::{Edge, MOST_SETS, Machine, Step, steps};
use crate::diagnostic::{Diagnostic, NOWHERE};
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
    pub growth: BTreeMap<String, Rate>,
    /// State machines by name.
    pub states: BTreeMap<String, Machine>,
    /// Sets of keys that scenarios can name.
    pub key_sets: Vec<KeySet>,
    /// Tables in the order of the file.
    pub tables: Vec<TableSpec>,
    /// What must be true of the filled database.
    pub asserts: Vec<Assert>,
}

/// A query of one number, and the bounds it must be between.
#[derive(Debug, Clone)]
pub struct Assert {
    /// The query.
    pub sql: String,
    /// At least and at most.
    pub between: (f64, f64),
}

impl Assert {
    /// Whether a value is within the bounds.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (self.between.0..=self.between.1).contains(&value)
    }
}

/// The order in which rows stand in a table's heap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HeapOrder {
    /// As they came, like production's.
    #[default]
    Time,
    /// Rows of one parent side by side: the foreign key with this column.
    Parent(String),
    /// As after years of updates.
    Random,
}

/// Keys of a table by how many rows of another refer to them: curated parameters for scenarios.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// Its name.
    pub name: Placed<String>,
    /// The referring column, as `table.column`.
    pub by: PlacedText,
    /// Shares of the keys that have rows, ordered by how many: `normal`, `heavy`; `none` are those without.
    pub classes: BTreeMap<String, Class>,
}

/// Which keys belong to a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Class {
    /// Between two shares of the keys with rows, fewest rows first.
    Between(f64, f64),
    /// Without any row.
    Zero,
}

/// What the spec says of one table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name and place.
    pub name: Placed<String>,
    /// How many rows at a scale.
    pub row_count: PlacedExpr,
    /// The number was not asked for, or with `up_to`: what the schema cannot hold may be left out.
    pub flexible: bool,
    /// The order of its heap.
    pub heap_order: HeapOrder,
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
    /// The table or column it was made for, when it was made from the catalog; empty otherwise.
    pub subject: String,
    /// What decided it, where it was made from the catalog and something did.
    pub evidence: Option<Evidence>,
}

impl PlacedExpr {
    /// An expression this program made from the catalog, for a table or a column.
    ///
    /// # Panics
    /// When the text is no expression, which is a bug here.
    #[must_use]
    pub fn inferred(subject: &str, text: &str) -> Self {
        let expr = parse(text).unwrap_or_else(|problem| panic!("inferred `{text}`: {}", problem.message));
        let source = PlacedText { text: text.to_owned(), span: NOWHERE, content_start: None };
        Self { expr, source, subject: subject.to_owned(), evidence: None }
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
            let message = format!("{} (in `{}`, made from the catalog)", problem.message, self.source.text);
            return Diagnostic::whole(message).help(help).about(self.subject.as_str());
        }
        self.source.relocate(problem)
    }
}

/// Reads a spec.
///
/// # Errors
/// Every mistake that can be seen without a database.
pub fn parse_spec(text: &str) -> Result<Spec, Vec<Diagnostic>> {
    document::read(text, |root| {
        let (now, span, other_tables) = read_dataset(root);
        let growth = read_growth(root);
        let states = read_states(root);
        let key_sets = read_key_sets(root);
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
            states,
            key_sets,
            tables: tables.into_iter().collect::<Option<_>>()?,
            asserts,
        })
    })
}

/// Where no spec says otherwise, the history ends here and is three years long: never the wall clock.
const DEFAULT_NOW: &str = "2026-01-01T00:00:00Z";
pub(super) const DEFAULT_SPAN: i64 = 3 * 365 * 86_400_000_000;

/// The end of the history where no spec says it.
pub(super) fn default_now() -> i64 {
    parse_time(DEFAULT_NOW).expect("a constant that is a time")
}

fn read_dataset(root: &mut Table<'_, '_>) -> (Option<i64>, Option<i64>, Option<PlacedExpr>) {
    let Some(mut dataset) = root.table("dataset") else { return (Some(default_now()), Some(DEFAULT_SPAN), None) };
    let has = |dataset: &Table<'_, '_>, key: &str| dataset.keys().any(|known| known.value == key);
    let now = match has(&dataset, "now") {
        false => Some(default_now()),
        true => dataset.datetime("now").and_then(|now| {
            let micros = parse_time(&now.value);
            if micros.is_none() {
                let message = "`now` needs a time and a zone, such as 2026-01-01T00:00:00Z";
                dataset.problem(Diagnostic::at(now.span, message));
            }
            micros
        }),
    };
    let span = match has(&dataset, "span") {
        false => Some(DEFAULT_SPAN),
        true => read_span(&mut dataset),
    };
    let others = dataset.text("other-tables").and_then(|source| parse_placed(&dataset, source));
    dataset.finish();
    (now, span, others)
}

fn read_span(dataset: &mut Table<'_, '_>) -> Option<i64> {
    let text = dataset.text("span")?;
    let problem = match parse(&text.text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if micros > 0 => return Some(micros),
        Ok(_) => Diagnostic::at(0..text.text.len(), "`span` is a duration such as 3y"),
        Err(problem) => problem,
    };
    dataset.problem(text.relocate(problem));
    None
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

fn read_growth(root: &mut Table<'_, '_>) -> BTreeMap<String, Rate> {
    let mut rates = BTreeMap::new();
    for (name, mut table) in root.table("growth").map(Table::named_tables).unwrap_or_default() {
        let curve = read_expr(&mut table, "curve").and_then(|curve| match Curve::read(&curve.expr) {
            Ok(curve) => Some(curve),
            Err(problem) => {
                table.problem(curve.relocate(problem));
                None
            }
        });
        let weekly = table.numbers("weekly", 7).map_or([1.0; 7], |list| {
            if list.value.iter().any(|w| *w < 0.0) || list.value.iter().all(|w| *w == 0.0) {
                let message = "weights of weekdays must not be below 0, and one must be above 0";
                table.problem(Diagnostic::at(list.span.clone(), message));
            }
            std::array::from_fn(|day| list.value[day])
        });
        let mut bursts = Vec::new();
        for text in table.texts("bursts").unwrap_or_default() {
            match Burst::read(&text.text) {
                Ok(burst) => bursts.push(burst),
                Err(problem) => table.problem(text.relocate(problem)),
            }
        }
        table.finish();
        if let Some(curve) = curve {
            rates.insert(name.value, Rate { curve, weekly, bursts });
        }
    }
    rates
}

/// `[state.payment]`: `start`, and a key for every state something leads out of.
fn read_states(root: &mut Table<'_, '_>) -> BTreeMap<String, Machine> {
    let mut machines = BTreeMap::new();
    for (name, mut table) in root.table("state").map(Table::named_tables).unwrap_or_default() {
        let Some(start) = table.required_text("start") else { continue };
        let mut read: Vec<(String, Vec<Step>)> = Vec::new();
        for (state, text) in table.named_texts() {
            match steps(&text.text) {
                Ok(found) => read.push((state.value, found)),
                Err(problem) => table.problem(text.relocate(problem)),
            }
        }
        let machine = machine(start.text, &read);
        if MOST_SETS < machine.sets.len() {
            let message =
                format!("the steps of `{}` set {} columns, more than {MOST_SETS}", name.value, machine.sets.len());
            table.problem(Diagnostic::at(name.span, message).help("let two machines set them"));
        }
        machines.insert(name.value, machine);
    }
    machines
}

/// States in the order in which they are named.
fn machine(start: String, read: &[(String, Vec<Step>)]) -> Machine {
    let mut states = vec![start];
    let mut sets: Vec<String> = Vec::new();
    let position = |list: &mut Vec<String>, name: &String| {
        list.iter().position(|known| known == name).unwrap_or_else(|| {
            list.push(name.clone());
            list.len() - 1
        })
    };
    let mut edges: Vec<(usize, Vec<Edge>)> = Vec::new();
    for (state, steps) in read {
        let from = position(&mut states, state);
        let each = steps.iter().map(|step| Edge {
            to: position(&mut states, &step.to),
            share: step.share,
            dwell: step.dwell,
            sets: step.sets.as_ref().map(|column| position(&mut sets, column)),
        });
        edges.push((from, each.collect()));
    }
    let mut ways = vec![Vec::new(); states.len()];
    edges.into_iter().for_each(|(from, edges)| ways[from] = edges);
    Machine { start: 0, states, edges: ways, sets }
}

/// `[params.busy_users]`: `by = "enrollments.user_id"`, and classes such as `heavy = "top 1%"`.
fn read_key_sets(root: &mut Table<'_, '_>) -> Vec<KeySet> {
    let mut sets = Vec::new();
    for (name, mut table) in root.table("params").map(Table::named_tables).unwrap_or_default() {
        let Some(by) = table.required_text("by") else { continue };
        if by.text.split('.').count() < 2 {
            table.problem(
                by.relocate(Diagnostic::at(0..by.text.len(), "name a column with its table: enrollments.user_id")),
            );
        }
        let mut classes = BTreeMap::from([
            ("normal".to_owned(), Class::Between(0.4, 0.6)),
            ("heavy".to_owned(), Class::Between(0.999, 1.0)),
            ("none".to_owned(), Class::Zero),
        ]);
        for (class, text) in table.named_texts() {
            match read_class(&text.text) {
                Some(read) => drop(classes.insert(class.value, read)),
                None => table.problem(
                    text.relocate(Diagnostic::at(0..text.text.len(), "this is no class of keys"))
                        .help("write p40..p60, top 0.1%, bottom 10% or zero"),
                ),
            }
        }
        sets.push(KeySet { name, by, classes });
    }
    sets
}

fn read_class(text: &str) -> Option<Class> {
    let share = |text: &str| text.trim().parse::<f64>().ok().map(|n| n / 100.0).filter(|n| (0.0..=1.0).contains(n));
    if text.trim() == "zero" {
        return Some(Class::Zero);
    }
    let percent = |word: &str| share(text.trim().strip_prefix(word)?.trim().strip_suffix('%')?);
    if let Some(top) = percent("top ") {
        return Some(Class::Between(1.0 - top, 1.0));
    }
    if let Some(bottom) = percent("bottom ") {
        return Some(Class::Between(0.0, bottom));
    }
    let (low, high) = text.split_once("..")?;
    let (low, high) = (share(low.trim().strip_prefix('p')?)?, share(high.trim().strip_prefix('p')?)?);
    (low <= high).then_some(Class::Between(low, high))
}

fn read_table(name: Placed<String>, mut table: Table<'_, '_>) -> Option<TableSpec> {
    let row_count = read_expr(&mut table, "row-count");
    let fan_out = table.table("fan-out").map(|mut fans| read_exprs(&mut fans)).unwrap_or_default();
    let heap_order = table.text("heap-order").map_or(HeapOrder::Time, |text| match text.text.trim() {
        "time" => HeapOrder::Time,
        "random" => HeapOrder::Random,
        other => match other.strip_prefix("parent ") {
            Some(column) => HeapOrder::Parent(column.trim().to_owned()),
            None => {
                let problem = Diagnostic::at(0..text.text.len(), "unknown order of the heap");
                table.problem(text.relocate(problem.help("time, random, or parent COLUMN")));
                HeapOrder::Time
            }
        },
    });
    let columns = read_exprs(&mut table);
    let row_count = row_count?;
    let flexible = matches!(&row_count.expr.node, Node::Call(call, _) if call == UP_TO);
    Some(TableSpec { name, row_count, flexible, heap_order, fan_out, columns })
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
        Ok(expr) => Some(PlacedExpr { expr, source, subject: String::new(), evidence: None }),
        Err(problem) => {
            table.problem(source.relocate(problem));
            None
        }
    }
}

/// `up_to(1_000 * scale)`: as many rows, or as many as the schema can hold.
const UP_TO: &str = "up_to";

/// The number of rows `row-count` asks for at a scale: arithmetic over `scale`, `sqrt()`, numbers.
///
/// # Errors
/// When the expression is anything else, or gives no number of rows.
pub fn row_count(expr: &Expr, scale: f64) -> Result<u64, Diagnostic> {
    let asked = match &expr.node {
        Node::Call(name, arguments) if name == UP_TO && arguments.len() == 1 => &arguments[0].value,
        _ => expr,
    };
    let rows = libm::round(arithmetic(asked, scale)?);
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
    fn a_spec_without_a_history_has_that_of_no_spec() {
        let tables = "[table.users]\nrow-count = \"10\"\n";
        for text in [tables.to_owned(), format!("[dataset]\n{tables}")] {
            let spec = parse_spec(&text).unwrap();
            assert_eq!((spec.now, spec.span), (default_now(), DEFAULT_SPAN));
        }
        let spec = parse_spec(&format!("[dataset]\nspan = \"2y\"\n{tables}")).unwrap();
        assert_eq!((spec.now, spec.span), (default_now(), 2 * 365 * 86_400_000_000));
        assert!(parse_spec(&format!("[dataset]\nspan = 3\n{tables}")).is_err());
        assert!(parse_spec(&format!("[dataset]\nnow = \"today\"\n{tables}")).is_err());
    }

    #[test]
    fn a_spec_is_read_in_the_order_of_its_file() {
        let spec = parse_spec(GOOD).unwrap();
        assert_eq!(spec.span, 3 * 365 * 86_400_000_000);
        assert_eq!(row_count(&spec.tables[0].row_count.expr, 4.0).unwrap_or(0), 200);
        let bounded = parse_spec(&GOOD.replace("1_000 * scale", "up_to(1_000 * scale)")).unwrap();
        assert_eq!(row_count(&bounded.tables[1].row_count.expr, 2.0).unwrap_or(0), 2_000);
        assert!(bounded.tables[1].flexible && !bounded.tables[0].flexible);
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
