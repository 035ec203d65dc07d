//! A plan to values: any cell of any row, by itself. Must do no I/O and remember nothing between cells.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::growth::Growth;
use super::plan::Plan;
use super::pools::Pool;
use crate::expression::{Distribution, Key, Permutation, Value, Weights, Zipf};

/// How one cell is made.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Always the same.
    Const(Value<'static>),
    /// The row's number from 1.
    Row,
    /// Another column of the same row, by position.
    Own(usize),
    /// A column of the row's parent, recomputed.
    Parent {
        /// Which fan-out leads there.
        fan: usize,
        /// The parent's column, by position.
        column: usize,
    },
    /// A number from a distribution.
    Distribution(Key, Distribution),
    /// The moment the row came into being.
    Growth(Growth),
    /// A moment some time after another; never later than the dataset's end.
    After(Box<Cell>, Key, Distribution),
    /// The latest of several moments; missing ones do not count.
    Latest(Vec<Cell>),
    /// One of several, by weight.
    Choice(Key, Weights, Vec<Cell>),
    /// By the text of a value; what is not named takes the last.
    By(Box<Cell>, BTreeMap<String, Cell>, Box<Cell>),
    /// A text from a list.
    Pool(Key, Pool),
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
}

impl Cell {
    /// Calls `seen` with this cell and every cell inside it.
    pub fn visit(&self, seen: &mut impl FnMut(&Cell)) {
        seen(self);
        match self {
            Self::After(inner, ..) | Self::Lower { inner, .. } => inner.visit(seen),
            Self::Latest(cells) | Self::Choice(_, _, cells) | Self::Join(cells) => {
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
            Self::Binary(_, left, right) => {
                left.visit(seen);
                right.visit(seen);
            }
            _ => {}
        }
    }
}

/// How the rows of a table spread over the rows of a parent.
#[derive(Debug, Clone)]
pub struct Fan {
    /// The foreign key column.
    pub column: String,
    /// The parent's position in the plan.
    pub parent: usize,
    /// Rows of the parent.
    pub parents: u64,
    /// The referenced column.
    pub target: String,
    /// Which parent a row has.
    pub kind: FanKind,
    /// Share of rows without a parent.
    pub null_share: f64,
    /// The stream of this fan-out.
    pub key: Key,
}

/// Which parent a row has.
#[derive(Debug, Clone)]
pub enum FanKind {
    /// The parent with the same number.
    Each,
    /// A skewed draw among the parents already born when the row came.
    Draw {
        /// How skewed.
        zipf: Zipf,
        /// Which parent holds which rank.
        order: Permutation,
        /// The growth of the table and of the parent, if both grow.
        growth: Option<(Growth, Growth)>,
    },
    /// The first of two that are unique together.
    Owner(Box<Pair>),
    /// The second of two that are unique together.
    Member(Box<Pair>),
}

/// Pairs of parents, all distinct, both sides skewed, in closed form.
///
/// A permutation sends the row to a child number; children of one owner form an interval (systematic
/// rounding of the Zipf integral), and child e of k takes the member at (e + phase) / k of the
/// members' mass: distinct because no member holds 1/k of it (systematic sampling with
/// probability proportional to size; Madow 1949).
#[derive(Debug, Clone)]
pub struct Pair {
    /// Rows of the table.
    pub rows: u64,
    /// How skewed the owners are.
    pub owners: Zipf,
    /// Which owner holds which rank.
    pub owner_order: Permutation,
    /// How skewed the members are; flat enough that the largest owner's members differ.
    pub members: Zipf,
    /// Which member holds which rank.
    pub member_order: Permutation,
    /// Which child stands in which row.
    pub order: Permutation,
    /// The stream of the phases.
    pub key: Key,
}

impl Pair {
    /// First child of an owner's rank.
    fn start(&self, rank: u64) -> u64 {
        let below = self.owners.mass_below(rank as f64) * self.rows as f64 - 0.5;
        (libm::ceil(below).max(0.0) as u64).min(self.rows)
    }

    /// How many children the owner at a rank has.
    #[must_use]
    pub fn children(&self, rank: u64) -> u64 {
        self.start(rank + 1) - self.start(rank)
    }

    /// The most children any owner can have: rounding gives some of them one more than the first has.
    #[must_use]
    pub fn most_children(&self) -> u64 {
        (libm::ceil(self.owners.mass_below(1.0) * self.rows as f64) as u64).max(1)
    }

    /// Rank of the owner, number of the child, number of its siblings and itself.
    fn child(&self, row: u64) -> (u64, u64, u64) {
        let child = self.order.apply(row);
        let mut rank = self.owners.rank_at((child as f64 + 0.5) / self.rows as f64);
        // Rounding may place the rank one off; the starts decide.
        while child < self.start(rank) {
            rank -= 1;
        }
        while self.start(rank + 1) <= child && rank + 1 < self.owners.count() {
            rank += 1;
        }
        (rank, child - self.start(rank), self.children(rank))
    }

    fn owner(&self, row: u64) -> u64 {
        self.owner_order.apply(self.child(row).0)
    }

    fn member(&self, row: u64) -> u64 {
        let (rank, child, children) = self.child(row);
        let share = (child as f64 + self.key.unit(rank)) / children as f64;
        self.member_order.apply(self.members.rank_at(share))
    }
}

/// Tries before a draw settles for any parent already born; the first rows of a table need them.
const TRIES: u64 = 8;

impl Fan {
    /// The parent's row, or `None` when this row has no parent.
    #[must_use]
    pub fn parent_row(&self, row: u64) -> Option<u64> {
        if 0.0 < self.null_share && self.key.named("null").unit(row) < self.null_share {
            return None;
        }
        Some(match &self.kind {
            FanKind::Each => row,
            FanKind::Owner(pair) => pair.owner(row),
            FanKind::Member(pair) => pair.member(row),
            FanKind::Draw { zipf, order, growth } => {
                let born = match growth {
                    Some((own, parent)) => parent.born(own.moment(row)).max(1),
                    None => self.parents,
                };
                (0..TRIES)
                    .map(|attempt| order.apply(zipf.draw(self.key.numbered(attempt), row)))
                    .find(|parent| *parent < born)
                    .unwrap_or_else(|| self.key.numbered(TRIES).below(row, born))
            }
        })
    }
}

impl Plan {
    /// The value of a column in a row, all by position.
    #[must_use]
    pub fn value(&self, table: usize, column: usize, row: u64) -> Value<'_> {
        self.eval(&self.tables[table].columns[column].cell, table, row)
    }

    fn eval<'p>(&'p self, cell: &'p Cell, table: usize, row: u64) -> Value<'p> {
        match cell {
            Cell::Const(Value::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Cell::Const(value) => value.clone(),
            Cell::Row => Value::Int(row as i64 + 1),
            Cell::Own(column) => self.value(table, *column, row),
            Cell::Parent { fan, column } => {
                let fan = &self.tables[table].fans[*fan];
                fan.parent_row(row).map_or(Value::Null, |parent| self.value(fan.parent, *column, parent))
            }
            Cell::Distribution(key, distribution) => Value::Float(distribution.draw(key.cell(row))),
            Cell::Growth(growth) => Value::Time(self.start + (growth.moment(row) * self.span as f64) as i64),
            Cell::After(base, key, delay) => match self.eval(base, table, row) {
                Value::Time(base) => {
                    let end = self.start + self.span;
                    Value::Time((base + delay.draw(key.cell(row)).max(0.0) as i64).min(end.max(base)))
                }
                _ => Value::Null,
            },
            Cell::Latest(cells) => cells
                .iter()
                .filter_map(|cell| match self.eval(cell, table, row) {
                    Value::Time(micros) => Some(micros),
                    _ => None,
                })
                .max()
                .map_or(Value::Null, Value::Time),
            Cell::Choice(key, weights, cells) => self.eval(&cells[weights.choose(key.cell(row))], table, row),
            Cell::By(subject, arms, otherwise) => {
                let subject = self.eval(subject, table, row);
                let arm = arms.get(subject.to_text().as_ref()).unwrap_or(otherwise);
                self.eval(arm, table, row)
            }
            Cell::Pool(key, pool) => Value::Text(Cow::Borrowed(pool.pick(key.cell(row)))),
            Cell::Words(key, low, high) => Value::Text(Cow::Owned(words(*key, *low, *high, row))),
            Cell::Join(cells) => {
                let mut text = String::new();
                for cell in cells {
                    text.push_str(&self.eval(cell, table, row).to_text());
                }
                Value::Text(Cow::Owned(text))
            }
            Cell::Lower { inner, slug } => {
                let text = self.eval(inner, table, row).to_text().to_lowercase();
                Value::Text(Cow::Owned(if *slug { dashed(&text) } else { text }))
            }
            Cell::Binary(operator, left, right) => {
                binary(*operator, &self.eval(left, table, row), &self.eval(right, table, row))
            }
            Cell::Uuid(key) => Value::Uuid(uuid(*key, row)),
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

    fn pair(rows: u64, owners: u64, members: u64, exponent: f64) -> Pair {
        let key = Key::new(11);
        let mut pair = Pair {
            rows,
            owners: Zipf::with_top_share(exponent, members as f64 / 2.0 / rows as f64, owners),
            owner_order: Permutation::new(key.numbered(1), owners),
            members: Zipf::new(0.9, members),
            member_order: Permutation::new(key.numbered(2), members),
            order: Permutation::new(key.numbered(3), rows),
            key,
        };
        pair.members = pair.members.flattened_to(0.999 / pair.most_children() as f64);
        pair
    }

    #[test]
    fn pairs_are_distinct_and_skewed() {
        // Also row counts at which rounding gives some owners one child more than the first.
        for (rows, owners, members, exponent) in
            [(50_000, 4_000, 300, 0.8), (1_310, 300, 50, 0.0), (1_939, 300, 50, 0.0), (1, 1, 2, 1.0)]
        {
            let pair = pair(rows, owners, members, exponent);
            let mut seen: Vec<(u64, u64)> = (0..rows).map(|row| (pair.owner(row), pair.member(row))).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len() as u64, rows, "every pair stands once among {rows} rows");
        }
        let most = pair(50_000, 4_000, 300, 0.8).children(0);
        assert!(50_000 / 4_000 * 5 < most && most <= 151, "the largest owner has {most}");
    }

    #[test]
    fn a_uuid_is_version_4() {
        let text = Value::Uuid(uuid(Key::new(1), 7)).to_text().into_owned();
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]), "{text}");
    }
}
