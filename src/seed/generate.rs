//! A plan to values: any cell of any row, by itself. Must do no I/O, and give the same value whatever was
//! asked before.

use std::borrow::Cow;
use std::collections::BTreeMap;

use std::sync::Arc;

use super::fan::{Cases, Fan, Slots};
use super::growth::Growth;
use super::pattern::Pattern;
use super::plan::Plan;
use super::pools::Pool;
use super::state::{Machine, Walked, Want};
use super::sum::Sum;
use crate::expression::{Distribution, Key, Value, Weights};

/// How one cell is made.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Always the same.
    Const(Value<'static>),
    /// The row's number from 1.
    Row,
    /// Another column of the same row, by position.
    Own(usize),
    /// A column of the row's parent, or of the parent's, recomputed.
    Parent {
        /// Which fan-outs lead there, one after the other.
        way: Box<[usize]>,
        /// The column there, by position.
        column: usize,
    },
    /// A column of a row of another table no foreign key names.
    Pick(Box<Fan>, usize),
    /// What rows of another table add up to.
    Sum(Arc<Sum>),
    /// A state, or a moment set on the way there: the walk, its stream, where it begins, the states.
    State(Arc<Machine>, Key, Box<Cell>, Want),
    /// A number from a distribution.
    Distribution(Key, Distribution),
    /// The moment the row came into being.
    Growth(Growth),
    /// A moment some time after another; never later than the dataset's end.
    After(Box<Cell>, Key, Distribution),
    /// The latest of several moments; missing ones do not count.
    Latest(Vec<Cell>),
    /// The first that is not NULL.
    First(Vec<Cell>),
    /// One of several, by weight.
    Choice(Key, Weights, Vec<Cell>),
    /// By the text of a value; what is not named takes the last.
    By(Box<Cell>, BTreeMap<String, Cell>, Box<Cell>),
    /// A text from a list.
    Pool(Key, Pool),
    /// A text from the list of a locale.
    Local(Key, Pool, Box<Cell>),
    /// Rounded to a multiple of a step.
    Step(Box<Cell>, f64),
    /// So many words from the list of words.
    Words(Key, u64, u64),
    /// Texts one after the other.
    Join(Vec<Cell>),
    /// Lower case; as a slug, with dashes for everything but letters and digits.
    Lower {
        /// The text.
        inner: Box<Cell>,
        /// Whether only letters, digits and dashes may stay.
        slug: bool,
    },
    /// Arithmetic, or `+` between texts.
    Binary(char, Box<Cell>, Box<Cell>),
    /// A random uuid (version 4).
    Uuid(Key),
    /// By the row's case.
    Cases(Cases, Vec<Cell>),
    /// A text that matches a pattern: any, or each row its own.
    Pattern(Key, Arc<Pattern>, bool),
    /// A text of at least and at most so many characters.
    Fit(Box<Cell>, usize, usize),
    /// A number or a moment within bounds; a bound that is NULL does not bind.
    Clamp(Box<Cell>, Box<Cell>, Box<Cell>),
    /// Rising with the row between two moments.
    Spread(Box<Cell>, Box<Cell>, Growth),
    /// Whole numbers of a combination that stands once, from a first value on.
    Slot(Slots, usize, i64),
    /// One of several by the digit of a combination that stands once.
    SlotOf(Slots, usize, Vec<Value<'static>>),
    /// `{a,b}`: so many of the elements, at least.
    Array(Key, usize, Vec<Cell>),
    /// `[a,b)`
    Range(Box<Cell>, Box<Cell>),
    /// `(a,b)`
    Composite(Vec<Cell>),
    /// So many random bytes, in hexadecimal digits.
    Hex(Key, u64),
    /// So many random digits of a base up to 10.
    Digits(Key, u64, u64),
    /// A whole number in base 36.
    Base36(Box<Cell>),
    /// Values a table holds already, by row.
    Held(Arc<Vec<Value<'static>>>),
}

impl Cell {
    /// Calls `seen` with this cell and every cell inside it.
    pub fn visit(&self, seen: &mut impl FnMut(&Cell)) {
        seen(self);
        match self {
            Self::After(inner, ..)
            | Self::Lower { inner, .. }
            | Self::Fit(inner, ..)
            | Self::Base36(inner)
            | Self::Local(_, _, inner)
            | Self::Step(inner, _)
            | Self::State(_, _, inner, _) => {
                inner.visit(seen);
            }
            Self::Clamp(inner, low, high) => {
                for cell in [inner, low, high] {
                    cell.visit(seen);
                }
            }
            Self::Latest(cells)
            | Self::First(cells)
            | Self::Choice(_, _, cells)
            | Self::Join(cells)
            | Self::Cases(_, cells)
            | Self::Array(_, _, cells)
            | Self::Composite(cells) => {
                for cell in cells {
                    cell.visit(seen);
                }
            }
            Self::By(subject, arms, otherwise) => {
                subject.visit(seen);
                for cell in arms.values() {
                    cell.visit(seen);
                }
                otherwise.visit(seen);
            }
            Self::Binary(_, left, right) | Self::Range(left, right) | Self::Spread(left, right, _) => {
                left.visit(seen);
                right.visit(seen);
            }
            _ => {}
        }
    }
}

impl Plan {
    /// The value of a column in a row, all by position.
    #[must_use]
    pub fn value(&self, table: usize, column: usize, row: u64) -> Value<'_> {
        self.of_row(table, row).value_after(table, column, row, &[])
    }

    /// The plan that made a row: the one a dataset grew from has its own rows.
    pub(super) fn of_row(&self, table: usize, row: u64) -> &Self {
        match &self.base {
            Some(base) if row < self.tables[table].first => base.of_row(table, row),
            _ => self,
        }
    }

    /// A cell of a row that is no column of its own.
    pub(super) fn cell<'p>(&'p self, cell: &'p Cell, table: usize, row: u64) -> Value<'p> {
        self.eval(cell, table, row, &[])
    }

    /// The same, when the values of the row's first columns are known already: they are not made again.
    #[must_use]
    pub fn value_after<'p>(&'p self, table: usize, column: usize, row: u64, known: &[Value<'p>]) -> Value<'p> {
        self.eval(&self.tables[table].columns[column].cell, table, row, known)
    }

    fn eval<'p>(&'p self, cell: &'p Cell, table: usize, row: u64, known: &[Value<'p>]) -> Value<'p> {
        match cell {
            Cell::Const(Value::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Cell::Const(value) => value.clone(),
            Cell::Row => Value::Int((row + self.tables[table].above) as i64 + 1),
            Cell::Own(column) => match known.get(*column) {
                Some(value) => value.clone(),
                None => self.value_after(table, *column, row, known),
            },
            Cell::Parent { way, column } => {
                let (mut plan, mut table, mut row) = (self, table, row);
                for fan in way {
                    let fans = &plan.tables[table].fans;
                    let Some(parent) = fans[*fan].parent_row(fans, row) else { return Value::Null };
                    (table, row) = (fans[*fan].parent, parent);
                    plan = plan.of_row(table, row);
                }
                plan.value_after(table, *column, row, &[])
            }
            Cell::Pick(fan, column) => {
                fan.parent_row(&[], row).map_or(Value::Null, |parent| self.value(fan.parent, *column, parent))
            }
            Cell::Sum(sum) => sum.of(self, row),
            Cell::State(machine, key, begin, want) => match self.eval(begin, table, row, known) {
                Value::Time(begin) => match machine.walk(*key, row, begin, self.start + self.span, *want) {
                    Walked::State(state) => Value::Text(Cow::Borrowed(&machine.states[state])),
                    Walked::At(moment) => Value::Time(moment),
                    Walked::Never => Value::Null,
                },
                _ => Value::Null,
            },
            Cell::Distribution(key, distribution) => Value::Float(distribution.draw(key.cell(row))),
            Cell::Growth(growth) => Value::Time(self.start + (growth.moment(row) * self.span as f64) as i64),
            Cell::After(base, key, delay) => match self.eval(base, table, row, known) {
                Value::Time(base) => {
                    let end = self.start + self.span;
                    Value::Time((base + delay.draw(key.cell(row)).max(0.0) as i64).min(end.max(base)))
                }
                _ => Value::Null,
            },
            Cell::Latest(cells) => cells
                .iter()
                .filter_map(|cell| match self.eval(cell, table, row, known) {
                    Value::Time(micros) => Some(micros),
                    _ => None,
                })
                .max()
                .map_or(Value::Null, Value::Time),
            Cell::First(cells) => cells
                .iter()
                .map(|cell| self.eval(cell, table, row, known))
                .find(|value| *value != Value::Null)
                .unwrap_or(Value::Null),
            Cell::Choice(key, weights, cells) => self.eval(&cells[weights.choose(key.cell(row))], table, row, known),
            Cell::By(subject, arms, otherwise) => {
                let subject = self.eval(subject, table, row, known);
                let arm = arms.get(subject.to_text().as_ref()).unwrap_or(otherwise);
                self.eval(arm, table, row, known)
            }
            Cell::Pool(key, pool) => Value::Text(Cow::Borrowed(pool.pick(key.cell(row)))),
            Cell::Local(key, pool, locale) => {
                let locale = self.eval(locale, table, row, known);
                Value::Text(Cow::Borrowed(pool.pick_in(&locale.to_text(), key.cell(row))))
            }
            Cell::Step(inner, step) => match self.eval(inner, table, row, known).number() {
                Some(number) => Value::Float(libm::round(number / step) * step),
                None => Value::Null,
            },
            Cell::Words(key, low, high) => Value::Text(Cow::Owned(words(*key, *low, *high, row))),
            Cell::Join(cells) => {
                let mut text = String::new();
                for cell in cells {
                    text.push_str(&self.eval(cell, table, row, known).to_text());
                }
                Value::Text(Cow::Owned(text))
            }
            Cell::Lower { inner, slug } => {
                let text = self.eval(inner, table, row, known).to_text().to_lowercase();
                Value::Text(Cow::Owned(if *slug { dashed(&text) } else { text }))
            }
            Cell::Binary(operator, left, right) => {
                binary(*operator, &self.eval(left, table, row, known), &self.eval(right, table, row, known))
            }
            Cell::Uuid(key) => Value::Uuid(uuid(*key, row)),
            Cell::Cases(cases, cells) => self.eval(&cells[cases.of(row)], table, row, known),
            Cell::Held(values) => values.get(row as usize).map_or(Value::Null, borrowed),
            Cell::Slot(slots, digit, first) => Value::Int(first + slots.digit(*digit, row) as i64),
            Cell::SlotOf(slots, digit, values) => borrowed(&values[slots.digit(*digit, row) as usize]),
            Cell::Spread(low, high, growth) => {
                match (self.eval(low, table, row, known), self.eval(high, table, row, known)) {
                    (Value::Time(low), Value::Time(high)) => {
                        Value::Time(low + (growth.moment(row) * (high - low) as f64) as i64)
                    }
                    _ => Value::Null,
                }
            }
            Cell::Clamp(inner, low, high) => {
                let value = self.eval(inner, table, row, known);
                clamp(value, &self.eval(low, table, row, known), &self.eval(high, table, row, known))
            }
            Cell::Range(low, high) => match (self.eval(low, table, row, known), self.eval(high, table, row, known)) {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (low, high) => Value::Text(Cow::Owned(format!("[{},{})", low.to_text(), high.to_text()))),
            },
            _ => Value::Text(Cow::Owned(self.built_text(cell, table, row, known))),
        }
    }

    /// The cells that are a text put together.
    fn built_text<'p>(&'p self, cell: &'p Cell, table: usize, row: u64, known: &[Value<'p>]) -> String {
        match cell {
            Cell::Pattern(key, pattern, each) => pattern.text(*key, row + self.tables[table].above, *each),
            Cell::Fit(inner, low, high) => {
                let text = self.eval(inner, table, row, known).to_text().into_owned();
                let mut fitted: String = text.chars().take(*high).collect();
                let missing = low.saturating_sub(fitted.chars().count());
                fitted.extend(std::iter::repeat_n('x', missing));
                fitted
            }
            Cell::Array(key, low, cells) => {
                let count = low + key.below(row, (cells.len() - low + 1) as u64) as usize;
                let elements: Vec<String> =
                    cells[..count].iter().map(|c| element(&self.eval(c, table, row, known), "NULL")).collect();
                format!("{{{}}}", elements.join(","))
            }
            Cell::Composite(cells) => {
                let fields: Vec<String> = cells.iter().map(|c| element(&self.eval(c, table, row, known), "")).collect();
                format!("({})", fields.join(","))
            }
            Cell::Hex(key, bytes) => {
                let stream = key.numbered(row);
                let mut text: String = (0..bytes.div_ceil(8)).map(|n| format!("{:016x}", stream.cell(n))).collect();
                text.truncate(*bytes as usize * 2);
                text
            }
            Cell::Digits(key, count, base) => {
                let stream = key.numbered(row);
                (0..*count).map(|n| char::from(b'0' + stream.below(n, *base) as u8)).collect()
            }
            Cell::Base36(inner) => base36(self.eval(inner, table, row, known).whole().unwrap_or(0).unsigned_abs()),
            other => unreachable!("{other:?} is no text put together"),
        }
    }
}

fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        other => other.clone(),
    }
}

fn clamp<'v>(value: Value<'v>, low: &Value<'_>, high: &Value<'_>) -> Value<'v> {
    match (&value, low.time(), high.time()) {
        (Value::Null, ..) => return value,
        (Value::Time(at), low, high) => {
            return Value::Time((*at).min(high.unwrap_or(i64::MAX)).max(low.unwrap_or(i64::MIN)));
        }
        _ => {}
    }
    let Some(mut number) = value.number() else { return value };
    let high = high.number().unwrap_or(f64::INFINITY);
    let low = low.number().unwrap_or(f64::NEG_INFINITY);
    if low <= number && number <= high {
        return value;
    }
    number = number.min(high).max(low);
    Value::Float(number)
}

/// A field of an array or a composite: always quoted, as the server reads it back either way.
fn element(value: &Value<'_>, null: &str) -> String {
    match value {
        Value::Null => null.to_owned(),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => value.to_text().into_owned(),
        other => format!("\"{}\"", other.to_text().replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            digits.reverse();
            return String::from_utf8_lossy(&digits).into_owned();
        }
    }
}

fn words(key: Key, low: u64, high: u64, row: u64) -> String {
    let count = low + key.below(row, high - low + 1);
    let stream = key.numbered(row);
    let mut text = String::with_capacity(count as usize * 7);
    for n in 0..count {
        if n != 0 {
            text.push(' ');
        }
        text.push_str(Pool::Word.pick(stream.cell(n)));
    }
    text
}

fn dashed(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn binary(operator: char, left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    if *left == Value::Null || *right == Value::Null {
        return Value::Null;
    }
    match (operator, left, right) {
        ('+', Value::Int(a), Value::Int(b)) => return Value::Int(a.wrapping_add(*b)),
        ('+', Value::Time(a), Value::Int(b)) => return Value::Time(a + b),
        ('-', Value::Time(a), Value::Int(b)) => return Value::Time(a - b),
        ('*', Value::Int(a), Value::Int(b)) => return Value::Int(a.wrapping_mul(*b)),
        ('-', Value::Int(a), Value::Int(b)) => return Value::Int(a.wrapping_sub(*b)),
        ('+', Value::Time(a), Value::Float(b)) => return Value::Time(a + *b as i64),
        ('-', Value::Time(a), Value::Float(b)) => return Value::Time(a - *b as i64),
        _ => {}
    }
    match (left.number(), right.number()) {
        (Some(a), Some(b)) if !matches!((left, right), (Value::Text(_), _) | (_, Value::Text(_))) => {
            Value::Float(match operator {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                _ => a / b,
            })
        }
        _ => Value::Text(Cow::Owned(format!("{}{}", left.to_text(), right.to_text()))),
    }
}

/// RFC 9562, version 4: random bits with version and variant set.
fn uuid(key: Key, row: u64) -> u128 {
    let bits = (u128::from(key.cell(row)) << 64) | u128::from(key.numbered(1).cell(row));
    (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_version_4() {
        let text = Value::Uuid(uuid(Key::new(1), 7)).to_text().into_owned();
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]), "{text}");
    }
}
