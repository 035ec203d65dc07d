//! Values of named parameters as pure streams. Must not allocate for numbers, and must hold no state.

use super::text::{json, letters, words};
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
    /// Another column of the row that another parameter was picked from.
    Same {
        /// The other parameter, by position; always a [`Draw::Pick`].
        leader: usize,
        /// As the scenario names it.
        column: String,
        /// Its position among the columns of the leader's pool.
        place: usize,
    },
    /// One of several, by weight.
    Choice(Weights, Vec<Value<'static>>),
    /// A number; durations are microseconds.
    Distribution(Distribution),
    /// A whole number from 1 on, low ones more often.
    Zipf(Zipf),
    /// A whole number that no other operation of the same run is given.
    Sequence(i64),
    /// Letters and digits, this many at least and at most.
    Letters(u64, u64),
    /// Words, this many at least and at most.
    Words(u64, u64),
    /// An object of JSON.
    Json(Vec<(String, Draw)>),
    /// Text around other parameters.
    Template(Vec<Piece>),
    /// The end of the dataset's history.
    Now,
    /// Another parameter of the same action, by position.
    Parameter(usize),
    /// `+` or `-` between numbers, or a time and a duration.
    Binary(char, Box<Draw>, Box<Draw>),
    /// A random uuid.
    Uuid,
}

/// A stretch of a [`Draw::Template`].
#[derive(Debug, Clone)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// A parameter, by position.
    Parameter(usize),
}

/// Values of a column, sampled once before the load so that every side draws from the same list.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// As the scenario names it.
    pub table: String,
    /// The columns, that of the parameter itself first.
    pub columns: Vec<String>,
    /// Skew over distinct values; without it rows are drawn evenly, so frequent values come often.
    pub zipf: Option<f64>,
    /// Position of its pool in the workload.
    pub pool: usize,
}

impl Pick {
    /// Whether one pool serves both.
    #[must_use]
    pub fn draws_like(&self, other: &Self) -> bool {
        (&self.table, &self.columns, self.zipf) == (&other.table, &other.columns, other.zipf)
    }

    /// Which of `count` rows a stream draws at `n`.
    fn row(&self, key: Key, n: u64, count: u64) -> u64 {
        match self.zipf {
            Some(s) => Zipf::new(s, count).draw(key, n),
            None => below(key.cell(n), count),
        }
    }
}

/// The rows a [`Pick`] draws from.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Row after row, in an order that does not depend on where rows stand.
    pub values: Vec<Value<'static>>,
    /// Values of a row.
    pub width: usize,
}

impl Pool {
    fn rows(&self) -> u64 {
        (self.values.len() / self.width.max(1)) as u64
    }
}

/// Where in a stream a value is drawn, and what it may look at.
#[derive(Clone, Copy)]
pub struct Place<'c, 'w> {
    /// Which operation of the stream.
    pub n: u64,
    /// Which operation of all streams together.
    pub ordinal: u64,
    /// The end of the dataset's history.
    pub now: i64,
    /// The pools of every pick.
    pub pools: &'w [Pool],
    /// All parameters of the action with their streams.
    pub parameters: &'w [(Draw, Key)],
    /// The values drawn so far, by position.
    pub earlier: &'c [Value<'w>],
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
        Node::Call(name, arguments) => call(name, arguments, expr, names),
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

fn call(name: &str, arguments: &[Argument], expr: &Expr, names: &[String]) -> Result<Draw, Diagnostic> {
    if Distribution::NAMES.contains(&name) {
        return Distribution::read(expr).map(Draw::Distribution);
    }
    match (name, arguments) {
        ("uuid", []) => Ok(Draw::Uuid),
        ("pick", [column, rest @ ..]) => pick(column, rest, expr, names),
        ("weights", [_, ..]) => weights(arguments),
        ("zipf", [count, exponent]) => {
            let (count, exponent) = (whole(count, 1)?, number(&exponent.value)?);
            if exponent < 0.0 {
                return Err(Diagnostic::at(expr.span.clone(), "the skew must not be below 0"));
            }
            Ok(Draw::Zipf(Zipf::new(exponent, count)))
        }
        ("sequence", []) => Ok(Draw::Sequence(1)),
        ("sequence", [first]) => Ok(Draw::Sequence(whole(first, 0)? as i64)),
        ("letters" | "words", [least, most]) => {
            let (least, most) = (whole(least, 0)?, whole(most, 0)?);
            if most < least || 1_000_000 < most {
                let message = format!("`{name}` takes the least and the most, up to 1,000,000");
                return Err(Diagnostic::at(expr.span.clone(), message));
            }
            Ok(if name == "words" { Draw::Words(least, most) } else { Draw::Letters(least, most) })
        }
        ("json", [_, ..]) => {
            let member = |argument: &Argument| match &argument.label {
                Some(label) => Ok((label.clone(), read(&argument.value, names)?)),
                None => Err(Diagnostic::at(
                    argument.value.span.clone(),
                    "write each member with its name: json(kind weights(a 1, b 2), amount uniform(1, 9))",
                )),
            };
            arguments.iter().map(member).collect::<Result<_, _>>().map(Draw::Json)
        }
        ("template", [Argument { label: None, value: Expr { node: Node::Text(text), span }, .. }]) => {
            template(text, span, names)
        }
        _ => Err(Diagnostic::at(expr.span.clone(), format!("`{name}` is unknown, or takes other arguments")).help(
            "known: pick(table.column, zipf 1.1), weights(a 85, b 15), uniform, normal, lognormal, exp, zipf(1000, \
             1.1), sequence(1), letters(5, 20), words(3, 12), json(kind weights(a 1, b 2)), template('user-{id}'), \
             uuid()",
        )),
    }
}

fn whole(argument: &Argument, least: u64) -> Result<u64, Diagnostic> {
    let found = number(&argument.value)?;
    if found < least as f64 || found != libm::trunc(found) || 9e15 < found {
        let message = format!("this must be a whole number, {least} or more");
        return Err(Diagnostic::at(argument.value.span.clone(), message));
    }
    Ok(found as u64)
}

/// `'a {name} b'` in pieces; `{{` and `}}` stand for the brackets themselves.
fn template(text: &str, span: &std::ops::Range<usize>, names: &[String]) -> Result<Draw, Diagnostic> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let bracket = &rest[at..at + 1];
        if rest[at + 1..].starts_with(bracket) {
            plain.push_str(bracket);
            rest = &rest[at + 2..];
            continue;
        }
        let Some(end) = rest[at..].find('}').filter(|_| bracket == "{") else {
            return Err(Diagnostic::at(span.clone(), "a `{` and its `}` belong together; `{{` stands for the bracket"));
        };
        let name = &rest[at + 1..at + end];
        let Some(position) = names.iter().position(|known| known == name) else {
            return Err(Diagnostic::at(span.clone(), format!("`{name}` is no parameter of this action")));
        };
        pieces.push(Piece::Text(std::mem::take(&mut plain)));
        pieces.push(Piece::Parameter(position));
        rest = &rest[at + end + 1..];
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(Draw::Template(pieces))
}

fn pick(column: &Argument, rest: &[Argument], expr: &Expr, names: &[String]) -> Result<Draw, Diagnostic> {
    let Node::Path(path) = &column.value.node else {
        return Err(Diagnostic::at(column.value.span.clone(), "`pick` takes a column: pick(users.id)"));
    };
    let Some((column_name, table)) = path.split_last().filter(|(_, table)| !table.is_empty()) else {
        return Err(Diagnostic::at(column.value.span.clone(), "name the table too: pick(users.id)"));
    };
    let zipf = match rest {
        [] => None,
        [Argument { label: Some(label), value, .. }] if label == "zipf" => Some(number(value)?),
        [Argument { label: Some(label), value: Expr { node: Node::Path(other), span }, .. }] if label == "same" => {
            let leader = names.iter().position(|known| [known] == *other.iter().collect::<Vec<_>>());
            let leader = leader.ok_or_else(|| {
                Diagnostic::at(span.clone(), format!("`{}` is no parameter of this action", other.join(".")))
            })?;
            return Ok(Draw::Same { leader, column: path.join("."), place: 0 });
        }
        _ => {
            let message =
                "`pick` takes a column and perhaps a skew (zipf 1.1) or a parameter of the same row (same user)";
            return Err(Diagnostic::at(expr.span.clone(), message));
        }
    };
    if zipf.is_some_and(|s| s < 0.0) {
        return Err(Diagnostic::at(expr.span.clone(), "the skew must not be below 0"));
    }
    Ok(Draw::Pick(Pick { table: table.join("."), columns: vec![column_name.clone()], zipf, pool: 0 }))
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
    /// The picks inside.
    pub fn picks<'d>(&'d mut self, found: &mut Vec<&'d mut Pick>) {
        match self {
            Self::Pick(pick) => found.push(pick),
            Self::Binary(_, left, right) => {
                left.picks(found);
                right.picks(found);
            }
            Self::Json(members) => members.iter_mut().for_each(|(_, member)| member.picks(found)),
            _ => {}
        }
    }

    /// Whether something in it follows another parameter's row.
    #[must_use]
    pub fn holds_same(&self) -> bool {
        match self {
            Self::Same { .. } => true,
            Self::Binary(_, left, right) => left.holds_same() || right.holds_same(),
            Self::Json(members) => members.iter().any(|(_, member)| member.holds_same()),
            _ => false,
        }
    }

    /// The parameters this value is made from, by position.
    pub fn sources<'d>(&'d mut self, found: &mut Vec<&'d mut usize>) {
        match self {
            Self::Parameter(position) | Self::Same { leader: position, .. } => found.push(position),
            Self::Binary(_, left, right) => {
                left.sources(found);
                right.sources(found);
            }
            Self::Json(members) => members.iter_mut().for_each(|(_, member)| member.sources(found)),
            Self::Template(pieces) => found.extend(pieces.iter_mut().filter_map(|piece| match piece {
                Piece::Parameter(position) => Some(position),
                Piece::Text(_) => None,
            })),
            _ => {}
        }
    }

    /// The value of a stream at a place.
    pub fn value<'w>(&'w self, key: Key, at: Place<'_, 'w>) -> Value<'w> {
        let n = at.n;
        match self {
            Self::Const(value) => value.borrowed(),
            Self::Choice(weights, values) => values[weights.choose(key.cell(n))].borrowed(),
            Self::Distribution(distribution) => Value::Float(distribution.draw(key.cell(n))),
            Self::Zipf(zipf) => Value::Int(zipf.draw(key, n) as i64 + 1),
            Self::Sequence(first) => Value::Int(first + at.ordinal as i64),
            Self::Letters(least, most) => Value::Text(letters(key, n, *least, *most).into()),
            Self::Words(least, most) => Value::Text(words(key, n, *least, *most).into()),
            Self::Json(members) => {
                let member = |(name, draw): &'w (String, Self)| (name.as_str(), draw.value(key.named(name), at));
                Value::Text(json(members.iter().map(member)).into())
            }
            Self::Template(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Parameter(position) => text.push_str(&at.earlier[*position].to_text()),
                    }
                }
                Value::Text(text.into())
            }
            Self::Now => Value::Time(at.now),
            Self::Parameter(position) => at.earlier[*position].clone(),
            Self::Uuid => Value::Uuid((u128::from(key.cell(n)) << 64) | u128::from(key.numbered(1).cell(n))),
            Self::Pick(pick) => picked(pick, key, at, 0),
            Self::Same { leader, place, .. } => match &at.parameters[*leader] {
                (Self::Pick(pick), key) => picked(pick, *key, at, *place),
                _ => Value::Null,
            },
            Self::Binary(operator, left, right) => {
                let left = left.value(key.numbered(1), at);
                let right = right.value(key.numbered(2), at);
                combine(*operator, &left, &right)
            }
        }
    }
}

fn picked<'w>(pick: &Pick, key: Key, at: Place<'_, 'w>, column: usize) -> Value<'w> {
    let Some(pool) = at.pools.get(pick.pool).filter(|pool| !pool.values.is_empty()) else { return Value::Null };
    pool.values[pick.row(key, at.n, pool.rows()) as usize * pool.width + column].borrowed()
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

    fn place<'c, 'w>(n: u64, pools: &'w [Pool], earlier: &'c [Value<'w>]) -> Place<'c, 'w> {
        Place { n, ordinal: n, now: 0, pools, parameters: &[], earlier }
    }

    #[test]
    fn values_are_a_function_of_stream_and_number() {
        let pools = [Pool { values: (1..=100).map(Value::Int).collect(), width: 1 }];
        let draw = draw("pick(users.id, zipf 1.1)").unwrap();
        let key = Key::new(1);
        let first: Vec<_> = (0..50).map(|n| draw.value(key, place(n, &pools, &[]))).collect();
        let again: Vec<_> = (0..50).map(|n| draw.value(key, place(n, &pools, &[]))).collect();
        assert_eq!(first, again);
        assert!(first.iter().any(|v| *v != first[0]));
    }

    #[test]
    fn a_follower_comes_from_the_row_of_its_leader() {
        let values = (0..100).flat_map(|n| [Value::Int(n), Value::Int(n * 7)]).collect();
        let pools = [Pool { values, width: 2 }];
        let columns = vec!["user_id".to_owned(), "course_id".to_owned()];
        let leader = Draw::Pick(Pick { table: "enrollments".to_owned(), columns, zipf: None, pool: 0 });
        let follower = Draw::Same { leader: 0, column: "course_id".to_owned(), place: 1 };
        let parameters = [(leader, Key::new(1)), (follower, Key::new(2))];
        for n in 0..20 {
            let at = Place { parameters: &parameters, ..place(n, &pools, &[]) };
            let (user, course) = (parameters[0].0.value(Key::new(1), at), parameters[1].0.value(Key::new(2), at));
            assert_eq!(user.whole().unwrap() * 7, course.whole().unwrap());
        }
    }

    #[test]
    fn times_move_by_durations_and_texts_are_put_together() {
        let earlier = [Value::Time(1_000)];
        let at = draw("from + 2s").unwrap();
        assert_eq!(at.value(Key::new(1), place(0, &[], &earlier)), Value::Time(2_001_000));
        let text = draw("template('{{x}} {from}')").unwrap();
        assert_eq!(text.value(Key::new(1), place(0, &[], &[Value::Int(5)])), Value::Text("{x} 5".into()));
        let sequence = draw("sequence(100)").unwrap();
        assert_eq!(sequence.value(Key::new(1), place(7, &[], &[])), Value::Int(107));
        let word = draw("letters(3, 30)").unwrap();
        for n in 0..50 {
            let length = word.value(Key::new(3), place(n, &[], &[])).to_text().len();
            assert!((3..=30).contains(&length), "{length}");
        }
    }

    #[test]
    fn mistakes() {
        assert_eq!(draw("form").unwrap_err(), "`form` is no parameter of this action");
        assert_eq!(draw("pick(id)").unwrap_err(), "name the table too: pick(users.id)");
        assert_eq!(draw("weights(a 0)").unwrap_err(), "weights must not be below 0, and one must be above 0");
        assert_eq!(
            draw("pick(users.id, 3)").unwrap_err(),
            "`pick` takes a column and perhaps a skew (zipf 1.1) or a parameter of the same row (same user)"
        );
        assert_eq!(draw("pick(users.id, same who)").unwrap_err(), "`who` is no parameter of this action");
        assert_eq!(draw("template('{who}')").unwrap_err(), "`who` is no parameter of this action");
    }
}
