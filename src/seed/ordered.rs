//! Two parents of a row of which one comes before the other: `CHECK (a_id < b_id)`. Must be closed form, distinct where
//! the schema wants the two unique together.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use super::fan::{Fan, FanKind, Parents};
use super::plan::Plan;
use crate::expression::{Key, Permutation, Value};

/// Two fan-outs of a table whose parents are in order.
#[derive(Debug)]
pub struct Ordered {
    /// Where the compared values are: the parent's position and its column's, of the lower and of the upper.
    pub places: [(usize, usize); 2],
    /// Parents of the lower and of the upper.
    pub parents: [u64; 2],
    /// How rows spread over the parents where they need not be unique together: both fan-outs by themselves.
    pub draws: Option<Box<[Fan; 2]>>,
    /// The rows that are unique together; `None` where they need not be.
    pub distinct: Option<Distinct>,
    /// The stream of the pairs.
    pub key: Key,
    /// The order of the parents, once their values are known.
    pub order: OnceLock<Order>,
}

/// Rows that each have a pair of their own.
#[derive(Debug, Clone)]
pub struct Distinct {
    /// The first of them; pairs of those before are not used again.
    pub first: u64,
    /// Parents that were there before the first.
    pub known: u64,
    /// Rows of each epoch from its first on, and parents born by its end.
    pub epochs: Vec<Epoch>,
}

/// Rows whose pairs are of parents born by the end of it.
#[derive(Debug, Clone, Copy)]
pub struct Epoch {
    /// The first row.
    pub begins: u64,
    /// Rows in it.
    pub rows: u64,
    /// Parents born by its end.
    pub born: u64,
}

/// The order of parents by the values that are compared.
#[derive(Debug)]
pub enum Order {
    /// Both are of one table: place by row; `None` where values rise with rows.
    Same(Option<Vec<u32>>),
    /// Two tables, each by value, and how many pairs there are with the lower parents before each place.
    Apart {
        /// Rows of the lower parents.
        lower: Vec<u32>,
        /// Rows of the upper parents.
        upper: Vec<u32>,
        /// Pairs before each lower parent; the last is all of them.
        before: Vec<u64>,
    },
}

/// Pairs among this many: of the second and the first, of the third and each before it, and so on.
#[must_use]
pub fn pairs_among(count: u64) -> u64 {
    count.saturating_mul(count.saturating_sub(1)) / 2
}

/// The pair with this number, the smaller first: pairs among the first parents have the first numbers.
fn pair(number: u64) -> (u64, u64) {
    let mut upper = ((1.0 + (1.0 + 8.0 * number as f64).sqrt()) / 2.0) as u64;
    while pairs_among(upper) > number {
        upper -= 1;
    }
    while pairs_among(upper + 1) <= number {
        upper += 1;
    }
    (number - pairs_among(upper), upper)
}

impl Ordered {
    /// Whether both parents are compared by the same column of one table.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.places[0] == self.places[1]
    }

    /// The rows of the lower and of the upper parent.
    pub(super) fn of(&self, row: u64) -> (u64, u64) {
        match self.order.get() {
            Some(Order::Apart { lower, upper, before }) => self.apart(row, lower, upper, before),
            Some(Order::Same(ranks)) => self.same(row, ranks.as_deref()),
            None => self.same(row, None),
        }
    }

    fn same(&self, row: u64, ranks: Option<&[u32]>) -> (u64, u64) {
        let (x, y) = match (&self.distinct, &self.draws) {
            (Some(distinct), _) => distinct.pair(row, self.key, self.parents[0]),
            (None, Some(draws)) => {
                let alone = |fan: &Fan| fan.drawn_row(&[], row, &Parents::new()).unwrap_or(0);
                let (x, y) = (alone(&draws[0]), alone(&draws[1]));
                if x != y { (x, y) } else { (x, if y > 0 { y - 1 } else { 1.min(self.parents[0] - 1) }) }
            }
            (None, None) => pair(self.key.below(row, pairs_among(self.parents[0]).max(1))),
        };
        let place = |parent: u64| ranks.map_or(parent, |ranks| u64::from(ranks[parent as usize]));
        if place(x) <= place(y) { (x, y) } else { (y, x) }
    }

    fn apart(&self, row: u64, lower: &[u32], upper: &[u32], before: &[u64]) -> (u64, u64) {
        let all = before.last().copied().unwrap_or(0).max(1);
        let number = match &self.distinct {
            Some(distinct) => Permutation::new(self.key, all).apply((row - distinct.first) % all),
            None => self.key.below(row, all),
        };
        let at = before.partition_point(|count| *count <= number).saturating_sub(1).min(lower.len() - 1);
        // The upper parents that come after this lower one are the last of them.
        let after = before[at + 1] - before[at];
        let offset = (number - before[at]).min(after.saturating_sub(1));
        let place = upper.len() as u64 - after.max(1) + offset;
        (u64::from(lower[at]), u64::from(upper[place as usize]))
    }

    /// How many rows can have a pair of their own.
    fn capacity(&self) -> u64 {
        match self.order.get() {
            Some(Order::Apart { before, .. }) => before.last().copied().unwrap_or(0),
            _ => pairs_among(self.parents[0]),
        }
    }
}

impl Distinct {
    fn pair(&self, row: u64, key: Key, parents: u64) -> (u64, u64) {
        if self.first > 0 {
            let (low, high) = (pairs_among(self.known), pairs_among(parents));
            let size = (high - low).max(1);
            return pair(low + Permutation::new(key.numbered(self.first), size).apply((row - self.first) % size));
        }
        let at = self.epochs.partition_point(|epoch| epoch.begins <= row).saturating_sub(1);
        let (epoch, count) = (self.epochs[at], self.epochs.len() as u64);
        // Numbers of different epochs leave different rests.
        let size = share(epoch.born, at as u64, count).max(1);
        let place = Permutation::new(key.numbered(at as u64), size).apply((row - epoch.begins) % size);
        pair(place * count + at as u64)
    }

    /// The most epochs that have pairs enough, up to eight.
    pub(super) fn in_epochs(rows: u64, parents: u64, born: impl Fn(f64) -> u64, grows: bool) -> Vec<Epoch> {
        let counts: &[u64] = if grows { &[8, 4, 2] } else { &[] };
        let begins = |at: u64, count: u64| (u128::from(rows) * u128::from(at) / u128::from(count)) as u64;
        let made = counts.iter().find_map(|count| {
            (0..*count)
                .map(|at| {
                    let (from, until) = (begins(at, *count), begins(at + 1, *count));
                    let enough = (at..*count).map(|n| born((n + 1) as f64 / *count as f64)).chain([parents]);
                    let born = enough.into_iter().find(|born| share(*born, at, *count) >= until - from)?;
                    Some(Epoch { begins: from, rows: until - from, born })
                })
                .collect::<Option<Vec<Epoch>>>()
        });
        made.unwrap_or_else(|| vec![Epoch { begins: 0, rows, born: parents }])
    }
}

/// Pairs among the first parents whose number leaves this rest.
fn share(born: u64, rest: u64, count: u64) -> u64 {
    (pairs_among(born) + count - 1 - rest) / count
}

impl Plan {
    /// Finds the order of parents that CHECKs compare; what is wrong with it, by table.
    pub(super) fn settle_orders(&self) -> Vec<(usize, String)> {
        let mut problems = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            for fan in &table.fans {
                let FanKind::Ordered(ordered, 0) = &fan.kind else { continue };
                if table.rows > table.first && ordered.order.get().is_none() {
                    let _ = ordered.order.set(self.order(ordered));
                    if let Some(distinct) = &ordered.distinct {
                        let (rows, most) = (table.rows - distinct.first, ordered.capacity());
                        if most < rows {
                            problems.push((index, format!("only {most} pairs of its parents are in order")));
                        }
                    }
                }
            }
        }
        problems
    }

    fn order(&self, ordered: &Ordered) -> Order {
        let rises =
            |(table, column): (usize, usize)| matches!(self.tables[table].columns[column].cell, super::cell::Cell::Row);
        if ordered.is_same() && rises(ordered.places[0]) {
            return Order::Same(None);
        }
        let [(lower, mine), (upper, theirs)] =
            [0, 1].map(|side| self.by_value(ordered.places[side], ordered.parents[side]));
        if ordered.is_same() {
            let mut ranks = vec![0; lower.len()];
            lower.iter().enumerate().for_each(|(rank, row)| ranks[*row as usize] = rank as u32);
            return Order::Same(Some(ranks));
        }
        let mut before = vec![0];
        for row in &lower {
            let value = &mine[*row as usize];
            let passed = upper.partition_point(|other| by_value(&theirs[*other as usize], value) != Ordering::Greater);
            before.push(before.last().copied().unwrap_or(0) + (upper.len() - passed) as u64);
        }
        Order::Apart { lower, upper, before }
    }

    /// Rows of a table by the value of a column, and the values by row.
    fn by_value(&self, (table, column): (usize, usize), rows: u64) -> (Vec<u32>, Vec<Value<'_>>) {
        let values: Vec<Value<'_>> = (0..rows).map(|row| self.value(table, column, row)).collect();
        let mut order: Vec<u32> = (0..rows as u32).filter(|row| values[*row as usize] != Value::Null).collect();
        order.sort_by(|a, b| by_value(&values[*a as usize], &values[*b as usize]).then(a.cmp(b)));
        (order, values)
    }
}

/// As the server compares them, as far as texts are compared byte by byte.
fn by_value(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            _ => a.cmp(b),
        },
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        _ => a.number().unwrap_or(0.0).total_cmp(&b.number().unwrap_or(0.0)),
    }
}

/// Both fan-outs of a pair share it.
pub(super) fn kinds(ordered: Ordered) -> [FanKind; 2] {
    let shared = Arc::new(ordered);
    [FanKind::Ordered(Arc::clone(&shared), 0), FanKind::Ordered(shared, 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ordered(parents: [u64; 2], distinct: Option<Distinct>, places: [(usize, usize); 2]) -> Ordered {
        let key = Key::new(4);
        Ordered { places, parents, draws: None, distinct, key, order: OnceLock::new() }
    }

    #[test]
    fn every_number_is_one_pair_and_the_first_parents_have_the_first_numbers() {
        let found: BTreeSet<(u64, u64)> = (0..pairs_among(60)).map(pair).collect();
        assert_eq!(found.len() as u64, pairs_among(60));
        assert!(found.iter().all(|(a, b)| a < b && *b < 60));
        assert!((0..pairs_among(7)).all(|number| pair(number).1 < 7));
        assert_eq!(pair(pairs_among(4_000_000)), (0, 4_000_000));
    }

    #[test]
    fn pairs_are_distinct_in_order_and_of_parents_that_are_born() {
        let born = |share: f64| (share * 100.0) as u64;
        let epochs = Distinct::in_epochs(800, 100, born, true);
        assert!(epochs.len() > 1);
        let one = ordered([100, 100], Some(Distinct { first: 0, known: 0, epochs: epochs.clone() }), [(0, 0); 2]);
        let found: Vec<(u64, u64)> = (0..800).map(|row| one.of(row)).collect();
        assert!(found.iter().all(|(a, b)| a < b));
        assert!((0..epochs[0].rows).all(|row| found[row as usize].1 < epochs[0].born));
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 800);
        // As many as there are.
        let all = Distinct { first: 0, known: 0, epochs: Distinct::in_epochs(4950, 100, born, true) };
        let all = ordered([100, 100], Some(all), [(0, 0); 2]);
        assert_eq!((0..4950).map(|row| all.of(row)).collect::<BTreeSet<_>>().len(), 4950);
        // Rows that are added have pairs with a parent that is new.
        let more = Distinct { first: 4950, known: 100, epochs: Vec::new() };
        let more = ordered([120, 120], Some(more), [(0, 0); 2]);
        assert!((4950..5500).all(|row| more.of(row).1 >= 100));
    }

    #[test]
    fn parents_of_two_tables_are_in_order_by_value() {
        // Values 5, 1, 9 below values 4, 8, 2, 6.
        let one = ordered([3, 4], Some(Distinct { first: 0, known: 0, epochs: Vec::new() }), [(0, 0), (1, 0)]);
        let (mine, theirs) = ([5, 1, 9], [4, 8, 2, 6]);
        let order = Order::Apart { lower: vec![1, 0, 2], upper: vec![2, 0, 3, 1], before: vec![0, 4, 6, 6] };
        one.order.set(order).unwrap();
        let found: BTreeSet<(u64, u64)> = (0..6).map(|row| one.of(row)).collect();
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|(a, b)| mine[*a as usize] < theirs[*b as usize]), "{found:?}");
    }
}
