//! Expressions of a dataset spec to cells: what a column will hold, compiled once. Must find every mistake here.

mod across;
mod made;

use std::sync::Arc;

use super::cell::Cell;
use super::growth::Growth;
use super::pattern::Pattern;
use super::plan::Planner;
use super::plan::base_type;
use super::plan::fans::slot_digit;
use super::pools::Pool;
use super::shape::Shape;
use super::state::Want;
use crate::diagnostic::{Diagnostic, nearest};
use crate::expression::distribution::number;
use crate::expression::{Argument, Distribution, Expr, Key, Node, SqlType, Value, Weights};
use crate::postgres::catalog::{Type, TypeKind};

/// Where an expression stands while it is compiled.
pub(super) struct Place<'a> {
    pub(super) table: usize,
    pub(super) key: Key,
    pub(super) draws: u64,
    pub(super) labels: &'a [String],
    pub(super) column: &'a str,
    /// The type of what is compiled, where that is known: of the column, or of an element or a field of it.
    pub(super) kind: Option<&'a Type>,
}

impl Place<'_> {
    /// The stream of the next random value in this column.
    fn next_key(&mut self) -> Key {
        self.draws += 1;
        self.key.numbered(self.draws)
    }
}

impl Planner<'_> {
    pub(super) fn compile(&self, expr: &Expr, place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
        match &expr.node {
            Node::Number(n) if *n == libm::trunc(*n) && n.abs() < 9e15 => Ok(Cell::Const(Value::Int(*n as i64))),
            Node::Number(n) | Node::Percent(n) => Ok(Cell::Const(Value::Float(*n))),
            Node::Duration(micros) => Ok(Cell::Const(Value::Int(*micros))),
            Node::Text(text) => {
                check_label(text, expr, place.labels)?;
                Ok(Cell::Const(Value::Text(text.clone().into())))
            }
            Node::Path(path) => self.path(path, expr, place),
            Node::Call(name, arguments) => self.call(name, arguments, expr, place),
            Node::Binary(operator, left, right) => {
                let left = self.compile(left, place)?;
                let right = self.compile(right, place)?;
                Ok(combined(*operator, left, right))
            }
            Node::Choice(branches) => {
                let given: f64 = branches.iter().filter_map(|(share, _)| *share).sum();
                let open = branches.iter().filter(|(share, _)| share.is_none()).count();
                if 1.0 + 1e-9 < given || (open == 0 && (given - 1.0).abs() > 1e-9) {
                    return Err(Diagnostic::at(
                        expr.span.clone(),
                        "the shares of the alternatives must add up to 100%",
                    ));
                }
                let rest = (1.0 - given).max(0.0) / open.max(1) as f64;
                let shares: Vec<f64> = branches.iter().map(|(share, _)| share.unwrap_or(rest)).collect();
                let key = place.next_key();
                let cells = branches.iter().map(|(_, branch)| self.compile(branch, place)).collect::<Result<_, _>>()?;
                Ok(Cell::Choice(key, Weights::new(&shares), cells))
            }
        }
    }

    fn path(&self, path: &[String], expr: &Expr, place: &Place<'_>) -> Result<Cell, Diagnostic> {
        if let [name] = path {
            return match name.as_str() {
                "null" => Ok(Cell::Const(Value::Null)),
                "true" => Ok(Cell::Const(Value::Bool(true))),
                "false" => Ok(Cell::Const(Value::Bool(false))),
                "now" => Ok(Cell::Const(Value::Time(self.spec.now))),
                _ => match self.position(place.table, name) {
                    Some(column) => Ok(Cell::Own(column)),
                    None if place.labels.contains(name) => Ok(Cell::Const(Value::Text(name.clone().into()))),
                    None => Err(self.unknown_column(place.table, name, expr)),
                },
            };
        }
        let Some((column, way)) = path.split_last() else {
            return Err(Diagnostic::at(expr.span.clone(), "a column has a name"));
        };
        self.ancestor(place.table, way, column, expr)
    }

    pub(super) fn unknown_column(&self, table: usize, name: &str, expr: &Expr) -> Diagnostic {
        let known = self.written(table);
        let message = format!("the spec fills no column `{name}` of `{}`", self.spec.tables[table].name.value);
        let problem = Diagnostic::at(expr.span.clone(), message);
        match nearest(name, known) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("texts stand in single quotes: 'text'"),
        }
    }

    fn call(&self, name: &str, arguments: &[Argument], expr: &Expr, place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
        let wrong = |message: &str| Err(Diagnostic::at(expr.span.clone(), message));
        if Distribution::NAMES.contains(&name) {
            return Ok(Cell::Distribution(place.next_key(), Distribution::read(expr)?));
        }
        if let Some((_, pool)) = Pool::NAMES.iter().find(|(pool, _)| *pool == name) {
            return match arguments {
                [] => Ok(Cell::Pool(place.next_key(), *pool)),
                [locale] if pool.has_locales() => {
                    let key = place.next_key();
                    Ok(Cell::Local(key, *pool, Box::new(self.compile(&locale.value, place)?)))
                }
                _ => wrong("only names, companies and cities have locales, such as first_name(locale)"),
            };
        }
        if let Some(made) = self.made(name, arguments, expr, place) {
            return made;
        }
        match (name, arguments) {
            ("row", []) => Ok(Cell::Row),
            ("uuid", []) => Ok(Cell::Uuid(place.next_key())),
            ("uuid", [number]) => Ok(Cell::UuidOf(self.shared_key(), Box::new(self.compile(&number.value, place)?))),
            ("class", [root]) => match &root.value.node {
                Node::Text(root) => Ok(Cell::Class(self.classes(root))),
                _ => wrong("`class` takes the name of the classes in quotes, such as 'tenants of 20'"),
            },
            ("weights", [_, ..]) => weights(arguments, place),
            ("nth", [column]) => self.nth(column, place.table),
            ("growth", [curve]) => match (&curve.value.node, &self.growth[place.table]) {
                (Node::Path(path), Some(growth)) if self.shape(&path[0]).is_some() => Ok(Cell::Growth(growth.clone())),
                _ => wrong("no such growth curve; define it as [growth.NAME]"),
            },
            ("state", [_] | [_, _]) => self.state(expr, place, Want::State),
            ("pick", [column, rest @ ..]) => self.pick(column, rest, expr, place),
            ("sum", [table, value, rest @ ..]) => self.sum(table, Some(value), rest, expr, place),
            ("count", [table, rest @ ..]) => self.sum(table, None, rest, expr, place),
            ("step", [value, step]) => match number(&step.value)? {
                step if 0.0 < step => Ok(Cell::Step(Box::new(self.compile(&value.value, place)?), step)),
                _ => wrong("the step must be above 0"),
            },
            ("after", [base, delay]) => {
                let base = self.compile(&base.value, place)?;
                Ok(Cell::After(Box::new(base), place.next_key(), Distribution::read(&delay.value)?))
            }
            ("latest" | "first", [_, ..]) => {
                let cells = arguments.iter().map(|a| self.compile(&a.value, place)).collect::<Result<_, _>>()?;
                Ok(if name == "latest" { Cell::Latest(cells) } else { Cell::First(cells) })
            }
            ("lower" | "slug", [text]) => {
                let inner = Box::new(self.compile(&text.value, place)?);
                Ok(Cell::Lower { inner, slug: name == "slug" })
            }
            ("upper" | "initcap", [text]) => {
                Ok(Cell::Upper(Box::new(self.compile(&text.value, place)?), name == "initcap"))
            }
            ("template", [text]) => match &text.value.node {
                Node::Text(template) => self.template(template, &text.value, place),
                _ => wrong("`template` takes a text in quotes, such as 'u{id}@example.com'"),
            },
            ("words", [low, high]) => match (number(&low.value)?, number(&high.value)?) {
                (low, high) if 1.0 <= low && low <= high => Ok(Cell::Words(place.next_key(), low as u64, high as u64)),
                _ => wrong("`words` takes the fewest and the most words"),
            },
            ("words", [count]) => match number(&count.value)? {
                count if 1.0 <= count => Ok(Cell::Words(place.next_key(), count as u64, count as u64)),
                _ => wrong("`words` takes the fewest and the most words"),
            },
            ("spread", [low, high]) => {
                let rows = self.rows_of(place.table);
                let shape = self.shape("linear").expect("needs no definition");
                let growth = Growth { shape, rows, key: place.next_key() };
                let mut bound = |expr| self.compile(expr, place).map(|cell| moment(cell, expr));
                Ok(Cell::Spread(Box::new(bound(&low.value)??), Box::new(bound(&high.value)??), growth))
            }
            ("cases", [_, ..]) => {
                let cases = self.cases(place.table, arguments)?;
                let cells = arguments.iter().map(|a| self.compile(&a.value, place));
                Ok(Cell::Cases(cases, cells.collect::<Result<_, _>>()?))
            }
            ("pattern" | "unique_pattern", [text, ..]) => {
                let Some(pattern) = read_pattern(arguments) else {
                    return Err(Diagnostic::at(
                        text.value.span.clone(),
                        "`pattern` takes a regular expression in quotes",
                    ));
                };
                let pattern = pattern.map_err(|problem| Diagnostic::at(text.value.span.clone(), problem))?;
                Ok(Cell::Pattern(place.next_key(), Arc::new(pattern), name == "unique_pattern"))
            }
            ("fit", [text, low, high]) => {
                let inner = Box::new(self.compile(&text.value, place)?);
                Ok(Cell::Fit(inner, number(&low.value)? as usize, number(&high.value)? as usize))
            }
            ("clamp", [value, low, high]) => {
                let inner = Box::new(self.compile(&value.value, place)?);
                let mut bound =
                    |expr| -> Result<Box<Cell>, Diagnostic> { Ok(Box::new(bound_cell(self.compile(expr, place)?))) };
                let low = bound(&low.value)?;
                Ok(Cell::Clamp(inner, low, bound(&high.value)?))
            }
            ("slots", [_, ..]) => {
                let wrong_digit = "write slots(group, a, b) or slots(group, from 1, to 9), and nothing around it";
                let Some(digit) = slot_digit(expr) else { return wrong(wrong_digit) };
                let ranges = digit.from.is_some() && digit.to.is_some_and(|to| digit.from <= Some(to));
                let lists = digit.from.is_none() && digit.to.is_none() && !digit.values.is_empty();
                if !(ranges || lists) || !self.is_digit(place.table, &digit.group, place.column) {
                    return wrong(wrong_digit);
                }
                let (slots, index) = self.slots(place.table, &digit.group, place.column);
                Ok(match digit.from {
                    Some(from) => Cell::Slot(slots, index, from),
                    None => Cell::SlotOf(slots, index, digit.values),
                })
            }
            ("array", [element, low, high]) => {
                let (low, high) = (number(&low.value)? as usize, number(&high.value)? as usize);
                if high < low || 64 < high {
                    return wrong("`array` takes an element and how many at least and at most, up to 64");
                }
                let key = place.next_key();
                let inner = part(place.kind, 0);
                let cells = (0..high).map(|_| self.part(&element.value, inner, place));
                Ok(Cell::Array(key, low, cells.collect::<Result<_, _>>()?))
            }
            ("range", [low, high]) => {
                let inner = part(place.kind, 0);
                let low = self.part(&low.value, inner, place)?;
                Ok(Cell::Range(Box::new(low), Box::new(self.part(&high.value, inner, place)?)))
            }
            ("composite", [_, ..]) => {
                let kind = place.kind;
                let cells =
                    arguments.iter().enumerate().map(|(index, a)| self.part(&a.value, part(kind, index), place));
                Ok(Cell::Composite(cells.collect::<Result<_, _>>()?))
            }
            ("wkt", [name, x, y, size]) => match &name.value.node {
                Node::Text(text) => match Shape::read(text) {
                    Some(shape) => {
                        let place_of = [self.compile(&x.value, place)?, self.compile(&y.value, place)?];
                        Ok(Cell::Shape(Arc::new(shape), Box::new(place_of), number(&size.value)?))
                    }
                    None => {
                        wrong("shapes: Point, LineString, Polygon, Multi… of each, GeometryCollection, with Z or M")
                    }
                },
                _ => wrong("`wkt` takes the name of a shape in quotes, a place and a size: wkt('Point', x, y, 0)"),
            },
            ("hex", [bytes]) => Ok(Cell::Hex(place.next_key(), number(&bytes.value)? as u64)),
            ("digits", [count]) => Ok(Cell::Digits(place.next_key(), number(&count.value)? as u64, 10)),
            ("bits", [count]) => Ok(Cell::Digits(place.next_key(), number(&count.value)? as u64, 2)),
            ("base36", [inner]) => Ok(Cell::Base36(Box::new(self.compile(&inner.value, place)?))),
            ("held", []) => {
                let table = self.spec.tables[place.table].name.value.clone();
                match self.held.get(&(table, place.column.to_owned())) {
                    Some(values) => Ok(Cell::Held(Arc::clone(values))),
                    None => wrong("`held` stands for rows that are there already, and there are none"),
                }
            }
            ("by", [subject, arms @ ..]) if !arms.is_empty() => self.by(&subject.value, arms, expr, place),
            _ => Err(unknown_call(name, expr)),
        }
    }

    /// An element of an array, a bound of a range, a field of a composite: as its own type holds it.
    fn part<'p>(&self, expr: &Expr, kind: Option<&'p Type>, place: &mut Place<'p>) -> Result<Cell, Diagnostic> {
        let outer = std::mem::replace(&mut place.kind, kind);
        let cell = self.compile(expr, place);
        place.kind = outer;
        let kind = kind.filter(|kind| kind.kind == TypeKind::Base).map(base_type);
        Ok(match (cell?, kind) {
            // Texts and moments are written as they are.
            (cell, None | Some(SqlType::Text | SqlType::Timestamp | SqlType::Other | SqlType::Uuid)) => cell,
            (cell, Some(kind)) => Cell::Typed(Box::new(cell), kind),
        })
    }

    fn by(&self, subject: &Expr, arms: &[Argument], expr: &Expr, place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
        let subject = Box::new(self.compile(subject, place)?);
        let mut compiled: Vec<(String, Cell)> = Vec::new();
        let mut otherwise = Cell::Const(Value::Null);
        for arm in arms {
            let Some(label) = &arm.label else {
                return Err(Diagnostic::at(arm.value.span.clone(), "write `value -> expression`"));
            };
            let cell = self.compile(&arm.value, place)?;
            if label == "else" {
                otherwise = cell;
            } else if compiled.iter().any(|(known, _)| known == label) {
                return Err(Diagnostic::at(expr.span.clone(), format!("`{label}` stands twice")));
            } else {
                compiled.push((label.clone(), cell));
            }
        }
        Ok(Cell::By(subject, compiled, Box::new(otherwise)))
    }

    fn template(&self, template: &str, expr: &Expr, place: &Place<'_>) -> Result<Cell, Diagnostic> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else {
                return Err(Diagnostic::at(expr.span.clone(), "a `{` in the template is not closed"));
            };
            parts.push(Cell::Const(Value::Text(rest[..open].to_owned().into())));
            let inner = &rest[open + 1..open + close];
            if inner.starts_with('"') || inner.is_empty() {
                // A brace of JSON, not a place for a column.
                parts.push(Cell::Const(Value::Text("{".into())));
                rest = &rest[open + 1..];
                continue;
            }
            let path: Vec<String> = inner.split('.').map(|part| part.trim().to_owned()).collect();
            parts.push(self.path(&path, expr, place)?);
            rest = &rest[open + close + 1..];
        }
        parts.push(Cell::Const(Value::Text(rest.to_owned().into())));
        Ok(Cell::Join(parts))
    }
}

/// The type of what stands at a place inside a type.
fn part(kind: Option<&Type>, index: usize) -> Option<&Type> {
    match &kind?.kind {
        TypeKind::Array(inner) | TypeKind::Range(inner) | TypeKind::Multirange(inner) => Some(inner),
        TypeKind::Composite(fields) => fields.get(index).map(|(_, kind)| kind),
        _ => None,
    }
}

/// `a + b`; where one of them is surely a text, both are texts one after the other.
fn combined(operator: char, left: Cell, right: Cell) -> Cell {
    let is_text = |cell: &Cell| {
        matches!(
            cell,
            Cell::Const(Value::Text(_))
                | Cell::Pool(..)
                | Cell::Local(..)
                | Cell::Words(..)
                | Cell::Concat(_)
                | Cell::Join(_)
                | Cell::Lower { .. }
                | Cell::Upper(..)
                | Cell::Shape(..)
                | Cell::Hex(..)
                | Cell::Digits(..)
                | Cell::Base36(_)
                | Cell::Phrase(..)
                | Cell::OwnPhrase(..)
                | Cell::Prose(..)
                | Cell::Listed(..)
                | Cell::Ip(_)
                | Cell::Object(_)
                | Cell::List(..)
        )
    };
    match (operator, left, right) {
        ('+', Cell::Concat(mut parts), right) => {
            parts.push(right);
            Cell::Concat(parts)
        }
        ('+', left, right) if is_text(&left) || is_text(&right) => Cell::Concat(vec![left, right]),
        (_, left, right) => Cell::Binary(operator, Box::new(left), Box::new(right)),
    }
}

/// A bound written as a text that spells a moment is that moment.
fn bound_cell(cell: Cell) -> Cell {
    match &cell {
        Cell::Const(Value::Text(text)) => match crate::expression::value::parse_time(text) {
            Some(micros) => Cell::Const(Value::Time(micros)),
            None => cell,
        },
        _ => cell,
    }
}

fn moment(cell: Cell, expr: &Expr) -> Result<Cell, Diagnostic> {
    match bound_cell(cell) {
        Cell::Const(Value::Text(_)) => {
            Err(Diagnostic::at(expr.span.clone(), "expected a moment such as '2025-01-31T00:00:00Z'"))
        }
        other => Ok(other),
    }
}

/// `pattern('…')`, `pattern('…', 3, 20)`, `unique_pattern('…', mixed)`.
fn read_pattern(arguments: &[Argument]) -> Option<Result<Pattern, String>> {
    let Node::Text(text) = &arguments.first()?.value.node else { return None };
    let is_mixed =
        |argument: &Argument| matches!(&argument.value.node, Node::Path(path) if path.as_slice() == ["mixed"]);
    let bounds: Vec<&Argument> = arguments[1..].iter().filter(|argument| !is_mixed(argument)).collect();
    let bound = |index: usize, otherwise: usize| match bounds.get(index) {
        Some(argument) => number(&argument.value).map_or(otherwise, |n| n as usize),
        None => otherwise,
    };
    let pattern = Pattern::read(text, bound(0, 0), bound(1, usize::MAX));
    Some(if arguments.iter().any(is_mixed) { pattern.map(Pattern::mixed) } else { pattern })
}

/// How many rows a pattern that gives each its own text is good for.
pub(super) fn pattern_capacity(expr: &Expr) -> Option<u64> {
    let Node::Call(name, arguments) = &expr.node else { return None };
    if name != "unique_pattern" {
        return made::capacity(expr);
    }
    read_pattern(arguments)?.ok().map(|p| p.capacity())
}

fn weights(arguments: &[Argument], place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
    let mut shares = Vec::new();
    let mut cells = Vec::new();
    for argument in arguments {
        let Some(label) = &argument.label else {
            return Err(Diagnostic::at(argument.value.span.clone(), "write each outcome with its weight: active 70"));
        };
        check_label(label, &argument.value, place.labels)?;
        let share = number(&argument.value)?;
        if share < 0.0 {
            return Err(Diagnostic::at(argument.value.span.clone(), "a weight must not be below 0"));
        }
        shares.push(share);
        cells.push(Cell::Const(match label.as_str() {
            // What stands in quotes is a text, also when it looks like something else: '007'.
            text if argument.quoted => Value::Text(text.to_owned().into()),
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => match text.parse::<i64>() {
                Ok(whole) if place.labels.is_empty() => Value::Int(whole),
                _ => Value::Text(text.to_owned().into()),
            },
        }));
    }
    if shares.iter().sum::<f64>() <= 0.0 {
        return Err(Diagnostic::at(arguments[0].value.span.clone(), "at least one weight must be above 0"));
    }
    Ok(Cell::Choice(place.next_key(), Weights::new(&shares), cells))
}

fn check_label(label: &str, expr: &Expr, labels: &[String]) -> Result<(), Diagnostic> {
    if labels.is_empty() || label == "null" || labels.iter().any(|known| known == label) {
        return Ok(());
    }
    let problem = Diagnostic::at(expr.span.clone(), format!("`{label}` is not a value of this enum"));
    Err(problem.help(format!("its values: {}", labels.join(", "))))
}

fn unknown_call(name: &str, expr: &Expr) -> Diagnostic {
    const OTHERS: [&str; 45] = [
        "nth",
        "wkt",
        "upper",
        "initcap",
        "class",
        "first",
        "state",
        "pick",
        "sum",
        "count",
        "step",
        "row",
        "uuid",
        "weights",
        "growth",
        "after",
        "latest",
        "lower",
        "slug",
        "template",
        "words",
        "by",
        "sentence",
        "spread",
        "cases",
        "pattern",
        "unique_pattern",
        "fit",
        "clamp",
        "slots",
        "array",
        "range",
        "composite",
        "hex",
        "digits",
        "bits",
        "base36",
        "phrase",
        "unique_phrase",
        "prose",
        "listed",
        "place",
        "ip",
        "json",
        "list",
    ];
    let known = OTHERS.into_iter().chain(Distribution::NAMES).chain(Pool::NAMES.iter().map(|(name, _)| *name));
    let known: Vec<&str> = known.collect();
    let problem = Diagnostic::at(expr.span.clone(), format!("`{name}` is unknown, or takes other arguments"));
    match nearest(name, known.iter().copied()) {
        Some(meant) if meant != name => problem.help(format!("did you mean `{meant}`?")),
        _ => problem.help(format!("known: {}", known.join(", "))),
    }
}
