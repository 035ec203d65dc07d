//! A plan to values: any cell of any row, by itself. Must do no I/O, and give the same value whatever was
//! asked before.

use std::borrow::Cow;

use super::cell::Cell;
use super::fan::Parents;
use super::letters::{base36, digits, element, fit, hex, ip, lower, upper, words};
use super::object;
use super::place;
use super::plan::Plan;
use super::state::Want;
use crate::expression::{Key, SqlType, Value, power};

/// A row while it is made: what of it is known already.
struct Row<'r, 'p> {
    table: usize,
    row: u64,
    known: &'r [Value<'p>],
    parents: &'r Parents,
}

impl Plan {
    /// The value of a column in a row, all by position.
    #[must_use]
    pub fn value(&self, table: usize, column: usize, row: u64) -> Value<'_> {
        self.of_row(table, row).value_after(table, column, row, &[], &Parents::new())
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
        self.eval(cell, &Row { table, row, known: &[], parents: &Parents::new() })
    }

    /// The value of a column, when the values of the row's first columns and some of its parents are known already.
    pub(super) fn value_after<'p>(
        &'p self,
        table: usize,
        column: usize,
        row: u64,
        known: &[Value<'p>],
        parents: &Parents,
    ) -> Value<'p> {
        self.column(column, &Row { table, row, known, parents })
    }

    /// A column's value as the server will hold it, so that every reader reads the same.
    fn column<'p>(&'p self, column: usize, at: &Row<'_, 'p>) -> Value<'p> {
        let column = &self.tables[at.table].columns[column];
        self.eval(&column.cell, at).stored_as(column.kind)
    }

    /// Appends the text of a column; false, and nothing appended, when it is NULL.
    pub(super) fn text_after<'p>(
        &'p self,
        table: usize,
        column: usize,
        row: u64,
        known: &[Value<'p>],
        parents: &Parents,
        out: &mut Vec<u8>,
    ) -> bool {
        self.text(&self.tables[table].columns[column].cell, &Row { table, row, known, parents }, out)
    }

    /// The row's number, beside rows of somebody else.
    fn number(&self, at: &Row<'_, '_>) -> u64 {
        at.row + self.tables[at.table].above
    }

    fn eval<'p>(&'p self, cell: &'p Cell, at: &Row<'_, 'p>) -> Value<'p> {
        match cell {
            Cell::Const(value) => value.borrowed(),
            Cell::Row => Value::Int(self.number(at) as i64 + 1),
            Cell::Own(column) => match at.known.get(*column) {
                Some(value) => value.clone(),
                None => self.column(*column, at),
            },
            Cell::Parent { way, column, always } => self.ancestor(way, *column, *always, at),
            Cell::Class(classes) => Value::Int((at.row % classes) as i64 + 1),
            Cell::Pick(fan, column) => {
                fan.parent_row(&[], at.row).map_or(Value::Null, |parent| self.value(fan.parent, *column, parent))
            }
            Cell::Sum(sum) => sum.of(self, at.row),
            Cell::State(machine, key, begin, want) => match self.eval(begin, at) {
                Value::Time(begin) => {
                    let make = || machine.walk(*key, at.row, begin, self.start + self.span);
                    let walk = at.parents.walk(*key, begin, make);
                    match want {
                        Want::State => Value::Text(Cow::Borrowed(&machine.states[walk.state])),
                        Want::Set(column) => walk.set(*column).into(),
                    }
                }
                _ => Value::Null,
            },
            Cell::Distribution(key, distribution) => Value::Float(distribution.draw(key.cell(at.row))),
            Cell::Growth(growth) => {
                Value::Time(self.start + (at.parents.moment(growth, at.row) * self.span as f64) as i64)
            }
            Cell::After(base, key, delay) => match self.eval(base, at) {
                Value::Time(base) => {
                    let end = self.start + self.span;
                    Value::Time((base + delay.draw(key.cell(at.row)).max(0.0) as i64).min(end.max(base)))
                }
                _ => Value::Null,
            },
            Cell::Latest(cells) => cells.iter().filter_map(|cell| moment(&self.eval(cell, at))).max().into(),
            Cell::First(cells) => {
                cells.iter().map(|cell| self.eval(cell, at)).find(|value| *value != Value::Null).unwrap_or(Value::Null)
            }
            Cell::Choice(key, weights, cells) => self.eval(&cells[weights.choose(key.cell(at.row))], at),
            Cell::By(subject, arms, otherwise) => self.eval(self.arm(subject, arms, otherwise, at), at),
            Cell::Cases(cases, cells) => self.eval(&cells[cases.of(at.row)], at),
            Cell::Pool(key, pool) => Value::Text(Cow::Borrowed(pool.pick(key.cell(at.row)))),
            Cell::Local(key, pool, locale) => {
                Value::Text(Cow::Borrowed(pool.pick_in(&self.eval(locale, at).to_text(), key.cell(at.row))))
            }
            Cell::Listed(list, column) => Value::Text(Cow::Borrowed(list.get(*column, self.number(at)))),
            Cell::Place(key, field, None) => place::of(*key, at.row, *field, None),
            Cell::Place(key, field, Some(country)) => {
                place::of(*key, at.row, *field, Some(&self.eval(country, at).to_text()))
            }
            Cell::Step(inner, step) => match self.eval(inner, at).number() {
                Some(number) => Value::Float(power::round(number / step) as f64 * step),
                None => Value::Null,
            },
            Cell::Binary(operator, left, right) => binary(*operator, &self.eval(left, at), &self.eval(right, at)),
            Cell::Uuid(key) => Value::Uuid(uuid(*key, at.row)),
            Cell::UuidOf(key, number) => match self.eval(number, at).whole() {
                Some(number) => Value::Uuid(uuid(*key, number as u64)),
                None => Value::Null,
            },
            Cell::Held(values) => values.get(at.row as usize).map_or(Value::Null, Value::borrowed),
            Cell::Nth(fan) => {
                let place = self.tables[at.table].fans[*fan].place(at.row);
                place.map_or(Value::Null, |place| Value::Int(place as i64 + 1))
            }
            Cell::Slot(slots, digit, first) => Value::Int(first + slots.digit(*digit, at.row) as i64),
            Cell::SlotOf(slots, digit, values) => values[slots.digit(*digit, at.row) as usize].borrowed(),
            Cell::Spread(low, high, growth) => match (self.eval(low, at), self.eval(high, at)) {
                (Value::Time(low), Value::Time(high)) => {
                    Value::Time(low + (growth.moment(at.row) * (high - low) as f64) as i64)
                }
                _ => Value::Null,
            },
            Cell::Clamp(inner, low, high) => clamp(self.eval(inner, at), &self.eval(low, at), &self.eval(high, at)),
            Cell::Typed(inner, kind) => typed(self.eval(inner, at), *kind),
            _ => {
                let mut text = Vec::new();
                match self.text(cell, at, &mut text) {
                    true => Value::Text(Cow::Owned(String::from_utf8(text).expect("cells are made of texts"))),
                    false => Value::Null,
                }
            }
        }
    }

    fn ancestor<'p>(&'p self, way: &[usize], column: usize, always: bool, at: &Row<'_, 'p>) -> Value<'p> {
        let Some((first, rest)) = way.split_first() else { return Value::Null };
        let fans = &self.tables[at.table].fans;
        let parent = if always {
            fans[*first].drawn_row(fans, at.row, at.parents)
        } else {
            at.parents.row(fans, *first, at.row)
        };
        let Some(mut row) = parent else { return Value::Null };
        let mut table = fans[*first].parent;
        if table == at.table && row == at.row {
            // The first of them, which is its own parent, refers to itself and has nothing before it.
            let name = &self.tables[table].columns[column].name;
            if !rest.is_empty() || !fans[*first].columns.iter().any(|(_, target)| target == name) {
                return Value::Null;
            }
        }
        let mut plan = self.of_row(table, row);
        for fan in rest {
            let fans = &plan.tables[table].fans;
            let Some(parent) = fans[*fan].parent_row(fans, row) else { return Value::Null };
            (table, row) = (fans[*fan].parent, parent);
            plan = plan.of_row(table, row);
        }
        let make = || plan.value_after(table, column, row, &[], &Parents::new());
        match &plan.tables[table].births {
            Some(births) => births.get(column, row, make),
            None => make(),
        }
    }

    fn arm<'p>(
        &'p self,
        subject: &'p Cell,
        arms: &'p [(String, Cell)],
        otherwise: &'p Cell,
        at: &Row<'_, 'p>,
    ) -> &'p Cell {
        let subject = self.eval(subject, at);
        let text = subject.to_text();
        arms.iter().find(|(label, _)| *label == text).map_or(otherwise, |(_, arm)| arm)
    }

    /// Appends the text of a cell; false, and nothing appended, when it is NULL.
    fn text<'p>(&'p self, cell: &'p Cell, at: &Row<'_, 'p>, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        match cell {
            Cell::Own(column) => match at.known.get(*column) {
                Some(value) => {
                    value.append_text(out);
                    return *value != Value::Null;
                }
                None => {
                    let value = self.column(*column, at);
                    value.append_text(out);
                    return value != Value::Null;
                }
            },
            Cell::Choice(key, weights, cells) => {
                return self.text(&cells[weights.choose(key.cell(at.row))], at, out);
            }
            Cell::By(subject, arms, otherwise) => return self.text(self.arm(subject, arms, otherwise, at), at, out),
            Cell::Cases(cases, cells) => return self.text(&cells[cases.of(at.row)], at, out),
            Cell::Words(key, low, high) => words(*key, *low, *high, at.row, out),
            Cell::Join(cells) => cells.iter().for_each(|cell| {
                self.text(cell, at, out);
            }),
            Cell::Concat(cells) => {
                if !cells.iter().all(|cell| self.text(cell, at, out)) {
                    out.truncate(before);
                    return false;
                }
            }
            Cell::Lower { inner, slug } => {
                let found = self.text(inner, at, out);
                lower(out, before, *slug);
                return found;
            }
            Cell::Upper(inner, first) => {
                let found = self.text(inner, at, out);
                upper(out, before, *first);
                return found;
            }
            Cell::Fit(inner, low, high) => {
                let found = self.text(inner, at, out);
                fit(out, before, *low, *high);
                return found;
            }
            Cell::Pattern(key, pattern, each) => {
                let row = self.number(at);
                out.extend_from_slice(pattern.text(*key, row, *each).as_bytes());
            }
            Cell::Range(low, high) => {
                let (low, high) = (self.eval(low, at), self.eval(high, at));
                if low == Value::Null || high == Value::Null {
                    return false;
                }
                out.push(b'[');
                low.append_text(out);
                out.push(b',');
                high.append_text(out);
                out.push(b')');
            }
            Cell::Array(key, low, cells) => {
                let count = low + key.below(at.row, (cells.len() - low + 1) as u64) as usize;
                self.elements([b'{', b'}'], &cells[..count], "NULL", at, out);
            }
            Cell::Composite(cells) => self.elements([b'(', b')'], cells, "", at, out),
            Cell::Shape(shape, place, size) => {
                let (Some(x), Some(y)) = (self.eval(&place[0], at).number(), self.eval(&place[1], at).number()) else {
                    return false;
                };
                shape.write(x, y, *size, out);
            }
            Cell::Phrase(key, phrase) => phrase.append(*key, at.row, out),
            Cell::OwnPhrase(order, phrase) => phrase.append_own(order, self.number(at), out),
            Cell::Prose(key, phrase, low, high) => phrase.append_prose(*key, (*low, *high), at.row, out),
            Cell::Ip(key) => ip(key.cell(at.row), out),
            Cell::Object(members) => self.object(members, at, out),
            Cell::List(key, low, cells) => {
                let count = low + key.below(at.row, (cells.len() - low + 1) as u64) as usize;
                self.list(&cells[..count], at, out);
            }
            Cell::Hex(key, bytes) => hex(key.numbered(at.row), *bytes as usize * 2, out),
            Cell::Digits(key, count, base) => digits(key.numbered(at.row), *count, *base, out),
            Cell::Base36(inner) => base36(self.eval(inner, at).whole().unwrap_or(0).unsigned_abs(), out),
            other => {
                let value = self.eval(other, at);
                value.append_text(out);
                return value != Value::Null;
            }
        }
        true
    }

    fn object<'p>(&'p self, members: &'p [(String, Cell)], at: &Row<'_, 'p>, out: &mut Vec<u8>) {
        out.push(b'{');
        let first = out.len();
        for (name, cell) in members {
            let before = out.len();
            if before != first {
                out.extend_from_slice(b", ");
            }
            let begin = object::begin_text(out);
            out.extend_from_slice(name.as_bytes());
            object::end_text(begin, out);
            out.extend_from_slice(b": ");
            if !self.part(cell, at, out) {
                out.truncate(before);
            }
        }
        out.push(b'}');
    }

    fn list<'p>(&'p self, cells: &'p [Cell], at: &Row<'_, 'p>, out: &mut Vec<u8>) {
        out.push(b'[');
        let first = out.len();
        for cell in cells {
            let before = out.len();
            if before != first {
                out.extend_from_slice(b", ");
            }
            if !self.part(cell, at, out) {
                out.truncate(before);
            }
        }
        out.push(b']');
    }

    /// Appends a member or an element of JSON; false when it is NULL. Texts go straight into the buffer.
    fn part<'p>(&'p self, cell: &'p Cell, at: &Row<'_, 'p>, out: &mut Vec<u8>) -> bool {
        match cell {
            Cell::Object(_) | Cell::List(..) => self.text(cell, at, out),
            Cell::Choice(key, weights, cells) => self.part(&cells[weights.choose(key.cell(at.row))], at, out),
            Cell::By(subject, arms, otherwise) => self.part(self.arm(subject, arms, otherwise, at), at, out),
            Cell::Cases(cases, cells) => self.part(&cells[cases.of(at.row)], at, out),
            Cell::Words(..)
            | Cell::Join(_)
            | Cell::Concat(_)
            | Cell::Lower { .. }
            | Cell::Fit(..)
            | Cell::Pattern(..)
            | Cell::Phrase(..)
            | Cell::OwnPhrase(..)
            | Cell::Prose(..)
            | Cell::Ip(_)
            | Cell::Hex(..)
            | Cell::Digits(..)
            | Cell::Base36(_) => {
                let begin = object::begin_text(out);
                if !self.text(cell, at, out) {
                    out.truncate(begin - 1);
                    return false;
                }
                object::end_text(begin, out);
                true
            }
            other => object::append(&self.eval(other, at), out),
        }
    }

    fn elements<'p>(&'p self, ends: [u8; 2], cells: &'p [Cell], null: &str, at: &Row<'_, 'p>, out: &mut Vec<u8>) {
        out.push(ends[0]);
        for (place, cell) in cells.iter().enumerate() {
            if place != 0 {
                out.push(b',');
            }
            element(&self.eval(cell, at), null, out);
        }
        out.push(ends[1]);
    }
}

/// A value as the text form of its type has it, where that is not the value's own.
fn typed<'v>(value: Value<'v>, kind: SqlType) -> Value<'v> {
    let value = value.stored_as(kind);
    if value == Value::Null || !matches!(kind, SqlType::Date | SqlType::Time | SqlType::Interval | SqlType::Money) {
        return value;
    }
    let mut text = Vec::new();
    match value.write_field(kind, &mut text) {
        Ok(()) => Value::Text(Cow::Owned(String::from_utf8(text).expect("digits and signs"))),
        // What the type cannot hold the server refuses by name.
        Err(_) => value,
    }
}

fn moment(value: &Value<'_>) -> Option<i64> {
    if let Value::Time(micros) = value { Some(*micros) } else { None }
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
