//! Values of named parameters as pure streams. Must not allocate for numbers, and must hold no state.

use crate::diagnostic::{Diagnostic, nearest};
use crate::expression::distribution::number;
use crate::expression::hash::below;
use crate::expression::{Argument, Distribution, Expr, Key, Node, Value, Weights, Zipf};

/// How a parameter's value is made from its stream.
#[derive(Debug, Clone)]
pub enum Draw {
    /// Always the same.
    Const(Value<'static>),
    /// One of the values a column of the database holds.
    Pick(Pick),
    /// One of several, by weight.
    Choice(Weights, Vec<Value<'static>>),
    /// A number; durations are microseconds.
    Distribution(Distribution),
    /// The end of the dataset's history.
    Now,
    /// Another parameter of the same action, by position.
    Parameter(usize),
    /// `+` or `-` between numbers, or a time and a duration.
    Binary(char, Box<Draw>, Box<Draw>),
    /// A random uuid.
    Uuid,
}

/// Values of a column, sampled once before the load so that every side draws from the same list.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// As the scenario names it.
    pub table: String,
    /// The column.
    pub column: String,
    /// Skew over distinct values; without it rows are drawn evenly, so frequent values come often.
    pub zipf: Option<f64>,
}

/// The values a [`Pick`] draws from.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// In an order that does not depend on where rows stand.
    pub values: Vec<Value<'static>>,
}

/// Reads a parameter's expression. `names` are the parameters of the action, in order.
///
/// # Errors
/// When it is no such expression.
pub fn read(expr: &Expr, names: &[String]) -> Result<Draw, Diagnostic> {
    match &expr.node {
        Node::Number(n) if *n == libm::trunc(*n) && n.abs() < 9e15 => Ok(Draw::Const(Value::Int(*n as i64))),
        Node::Number(n) | Node::Percent(n) => Ok(Draw::Const(Value::Float(*n))),
        Node::Duration(micros) => Ok(Draw::Const(Value::Int(*micros))),
        Node::Text(text) => Ok(Draw::Const(Value::Text(text.clone().into()))),
        Node::Path(path) if path.len() == 1 => named(&path[0], expr, names),
        Node::Path(_) => Err(Diagnostic::at(expr.span.clone(), "a column's values are drawn with pick(table.column)")),
        Node::Call(name, arguments) => call(name, arguments, expr),
        Node::Binary(operator @ ('+' | '-'), left, right) => {
            Ok(Draw::Binary(*operator, Box::new(read(left, names)?), Box::new(read(right, names)?)))
        }
        Node::Binary(..) | Node::Choice(_) => {
            Err(Diagnostic::at(expr.span.clone(), "only + and - can be used between parameters"))
        }
    }
}

fn named(name: &str, expr: &Expr, names: &[String]) -> Result<Draw, Diagnostic> {
    match name {
        "null" => Ok(Draw::Const(Value::Null)),
        "true" => Ok(Draw::Const(Value::Bool(true))),
        "false" => Ok(Draw::Const(Value::Bool(false))),
        "now" => Ok(Draw::Now),
        _ => names.iter().position(|known| known == name).map(Draw::Parameter).ok_or_else(|| {
            let problem = Diagnostic::at(expr.span.clone(), format!("`{name}` is no parameter of this action"));
            match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help("texts stand in single quotes: 'text'"),
            }
        }),
    }
}

fn call(name: &str, arguments: &[Argument], expr: &Expr) -> Result<Draw, Diagnostic> {
    if Distribution::NAMES.contains(&name) {
        return Distribution::read(expr).map(Draw::Distribution);
    }
    match (name, arguments) {
        ("uuid", []) => Ok(Draw::Uuid),
        ("pick", [column, rest @ ..]) => pick(column, rest, expr),
        ("weights", [_, ..]) => weights(arguments),
        _ => Err(Diagnostic::at(expr.span.clone(), format!("`{name}` is unknown, or takes other arguments"))
            .help("known: pick(table.column, zipf 1.1), weights(a 85, b 15), uniform, normal, lognormal, exp, uuid()")),
    }
}

fn pick(column: &Argument, rest: &[Argument], expr: &Expr) -> Result<Draw, Diagnostic> {
    let Node::Path(path) = &column.value.node else {
        return Err(Diagnostic::at(column.value.span.clone(), "`pick` takes a column: pick(users.id)"));
    };
    let Some((column_name, table)) = path.split_last().filter(|(_, table)| !table.is_empty()) else {
        return Err(Diagnostic::at(column.value.span.clone(), "name the table too: pick(users.id)"));
    };
    let zipf = match rest {
        [] => None,
        [Argument { label: Some(label), value, .. }] if label == "zipf" => Some(number(value)?),
        _ => return Err(Diagnostic::at(expr.span.clone(), "`pick` takes a column and perhaps a skew: zipf 1.1")),
    };
    if zipf.is_some_and(|s| s < 0.0) {
        return Err(Diagnostic::at(expr.span.clone(), "the skew must not be below 0"));
    }
    Ok(Draw::Pick(Pick { table: table.join("."), column: column_name.clone(), zipf }))
}

fn weights(arguments: &[Argument]) -> Result<Draw, Diagnostic> {
    let mut shares = Vec::new();
    let mut values = Vec::new();
    for argument in arguments {
        let Some(label) = &argument.label else {
            return Err(Diagnostic::at(argument.value.span.clone(), "write each outcome with its weight: active 70"));
        };
        shares.push(number(&argument.value)?);
        values.push(match label.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => text.parse().map_or_else(|_| Value::Text(text.to_owned().into()), Value::Int),
        });
    }
    if shares.iter().any(|s| *s < 0.0) || shares.iter().sum::<f64>() <= 0.0 {
        let span = arguments[0].value.span.clone();
        return Err(Diagnostic::at(span, "weights must not be below 0, and one must be above 0"));
    }
    Ok(Draw::Choice(Weights::new(&shares), values))
}

impl Draw {
    /// The columns this value is picked from.
    pub fn picks<'d>(&'d self, found: &mut Vec<&'d Pick>) {
        match self {
            Self::Pick(pick) => found.push(pick),
            Self::Binary(_, left, right) => {
                left.picks(found);
                right.picks(found);
            }
            _ => {}
        }
    }

    /// The parameters this value is made from, by position.
    pub fn sources(&self, found: &mut Vec<usize>) {
        match self {
            Self::Parameter(position) => found.push(*position),
            Self::Binary(_, left, right) => {
                left.sources(found);
                right.sources(found);
            }
            _ => {}
        }
    }

    /// The value at `n` of a stream. `pool` finds the values of a pick, `earlier` those already drawn.
    pub fn value<'w>(
        &'w self,
        key: Key,
        n: u64,
        now: i64,
        pool: &impl Fn(&Pick) -> &'w [Value<'static>],
        earlier: &[Value<'w>],
    ) -> Value<'w> {
        match self {
            Self::Const(value) => value.clone(),
            Self::Choice(weights, values) => values[weights.choose(key.cell(n))].clone(),
            Self::Distribution(distribution) => Value::Float(distribution.draw(key.cell(n))),
            Self::Now => Value::Time(now),
            Self::Parameter(position) => earlier[*position].clone(),
            Self::Uuid => Value::Uuid((u128::from(key.cell(n)) << 64) | u128::from(key.numbered(1).cell(n))),
            Self::Pick(pick) => {
                let values = pool(pick);
                if values.is_empty() {
                    return Value::Null;
                }
                let count = values.len() as u64;
                let index = match pick.zipf {
                    Some(s) => Zipf::new(s, count).draw(key, n),
                    None => below(key.cell(n), count),
                };
                values[index as usize].clone()
            }
            Self::Binary(operator, left, right) => {
                let left = left.value(key.numbered(1), n, now, pool, earlier);
                let right = right.value(key.numbered(2), n, now, pool, earlier);
                combine(*operator, &left, &right)
            }
        }
    }
}

fn combine(operator: char, left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    let (Some(a), Some(b)) = (left.number(), right.number()) else { return Value::Null };
    let result = if operator == '+' { a + b } else { a - b };
    match left {
        Value::Time(_) => Value::Time(result as i64),
        Value::Int(_) if matches!(right, Value::Int(_)) => Value::Int(result as i64),
        _ => Value::Float(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse::parse;

    fn draw(text: &str) -> Result<Draw, String> {
        read(&parse(text).unwrap(), &["from".to_owned()]).map_err(|p| p.message)
    }

    #[test]
    fn values_are_a_function_of_stream_and_number() {
        let values: Vec<Value<'static>> = (1..=100).map(Value::Int).collect();
        let pool = |_: &Pick| values.as_slice();
        let draw = draw("pick(users.id, zipf 1.1)").unwrap();
        let key = Key::new(1);
        let first: Vec<_> = (0..50).map(|n| draw.value(key, n, 0, &pool, &[])).collect();
        let again: Vec<_> = (0..50).map(|n| draw.value(key, n, 0, &pool, &[])).collect();
        assert_eq!(first, again);
        assert!(first.iter().any(|v| *v != first[0]));
    }

    #[test]
    fn times_move_by_durations() {
        let earlier = [Value::Time(1_000)];
        let draw = draw("from + 2s").unwrap();
        assert_eq!(draw.value(Key::new(1), 0, 0, &|_| &[], &earlier), Value::Time(2_001_000));
    }

    #[test]
    fn mistakes() {
        assert_eq!(draw("form").unwrap_err(), "`form` is no parameter of this action");
        assert_eq!(draw("pick(id)").unwrap_err(), "name the table too: pick(users.id)");
        assert_eq!(draw("weights(a 0)").unwrap_err(), "weights must not be below 0, and one must be above 0");
        assert_eq!(draw("pick(users.id, 3)").unwrap_err(), "`pick` takes a column and perhaps a skew: zipf 1.1");
    }
}
