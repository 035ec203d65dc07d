//! The ways a table's rows can be, one for each row. Must be closed form both ways: the way of a row, and its place
//! among the rows of the same way.

use std::sync::Arc;

use crate::expression::{Key, Permutation};

/// Which of several alternatives a row is, the same for all columns of its table.
#[derive(Debug, Clone)]
pub enum Cases {
    /// All are as common; drawn by this stream.
    Even(Key, u64),
    /// Each has a share of the rows.
    Shares(Arc<Shares>),
}

/// This many rows of every block of rows for each alternative, in an order of the block that looks random.
#[derive(Debug)]
pub struct Shares {
    order: Permutation,
    rows: u64,
    /// Where each alternative ends among the rows of a block.
    ends: Vec<u64>,
}

/// How common an alternative is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// In any unit.
    Weight(f64),
    /// One row of them all.
    One,
}

/// Alternatives that can hold no more than this many rows together.
#[derive(Debug, Clone)]
pub struct Cap {
    /// Which alternatives.
    pub set: Vec<bool>,
    /// The most rows of a block.
    pub most: u64,
}

impl Cases {
    /// Alternatives with shares of blocks of `rows` rows, none beyond what it can hold.
    #[must_use]
    pub fn with_shares(key: Key, shares: &[Share], caps: &[Cap], rows: u64) -> Self {
        let rows = rows.max(1);
        let mut counts = counts(shares, caps, rows);
        let ends = counts.iter_mut().scan(0, |end, count| {
            *end += *count;
            Some(*end)
        });
        let ends = ends.collect();
        Self::Shares(Arc::new(Shares { order: Permutation::new(key, rows), rows, ends }))
    }

    /// The alternative of a row.
    #[must_use]
    pub fn of(&self, row: u64) -> usize {
        match self {
            Self::Even(key, count) => key.below(row, *count) as usize,
            Self::Shares(shares) => shares.at(shares.order.apply(row % shares.rows)),
        }
    }

    /// The number of a row among the rows of some alternatives; the row must be one of them.
    #[must_use]
    pub fn place_among(&self, row: u64, set: &[bool]) -> u64 {
        let Self::Shares(shares) = self else { return row };
        let place = shares.order.apply(row % shares.rows);
        let own = shares.at(place);
        let before: u64 = (0..own).filter(|case| set[*case]).map(|case| shares.count(case)).sum();
        row / shares.rows * shares.among(set) + before + place - shares.begin(own)
    }

    /// How many numbers rows of some alternatives can have among the first rows.
    #[must_use]
    pub fn places_among(&self, rows: u64, set: &[bool]) -> u64 {
        match self {
            Self::Shares(shares) => rows.div_ceil(shares.rows) * shares.among(set),
            Self::Even(..) => rows,
        }
    }
}

impl Shares {
    fn at(&self, place: u64) -> usize {
        self.ends.partition_point(|end| *end <= place).min(self.ends.len() - 1)
    }

    fn begin(&self, case: usize) -> u64 {
        if case == 0 { 0 } else { self.ends[case - 1] }
    }

    fn count(&self, case: usize) -> u64 {
        self.ends[case] - self.begin(case)
    }

    fn among(&self, set: &[bool]) -> u64 {
        (0..self.ends.len()).filter(|case| set[*case]).map(|case| self.count(case)).sum()
    }
}

/// Rows of a block for each alternative: by weight, one where there is one, none above its cap.
fn counts(shares: &[Share], caps: &[Cap], rows: u64) -> Vec<u64> {
    let weight = |share: &Share| if let Share::Weight(weight) = share { *weight } else { 0.0 };
    let total: f64 = shares.iter().map(weight).sum();
    let singles = shares.iter().filter(|share| **share == Share::One).count() as f64;
    let room = (rows as f64 - singles).max(0.0);
    let mut wanted: Vec<f64> = shares.iter().map(|share| weight(share) / total.max(1e-9) * room).collect();
    // What is taken from some goes to those beside them; two or three rounds settle caps that overlap.
    for _ in 0..8 {
        for cap in caps {
            let inside: f64 = (0..wanted.len()).filter(|case| cap.set[*case]).map(|case| wanted[case]).sum();
            let outside: f64 = (0..wanted.len()).filter(|case| !cap.set[*case]).map(|case| wanted[case]).sum();
            let most = cap.most as f64;
            if inside > most && outside > 0.0 {
                for (case, rows) in wanted.iter_mut().enumerate() {
                    *rows *= if cap.set[case] { most / inside } else { (outside + inside - most) / outside };
                }
            }
        }
    }
    let mut counts: Vec<u64> = wanted.iter().map(|rows| libm::floor(rows + 1e-9) as u64).collect();
    let is_single = |case: usize| shares[case] == Share::One;
    (0..counts.len()).filter(|case| is_single(*case)).for_each(|case| counts[case] = u64::from(rows > 1));
    // Rounding leaves a few rows: to the most common that nothing holds down.
    let left = rows.saturating_sub(counts.iter().sum());
    let free = |case: &usize| !is_single(*case) && caps.iter().all(|cap| !cap.set[*case]);
    let common = |case: &usize| (counts[*case], std::cmp::Reverse(*case));
    let place = (0..counts.len()).filter(free).max_by_key(common);
    let place = place.or_else(|| (0..counts.len()).filter(|case| !is_single(*case)).max_by_key(common)).unwrap_or(0);
    counts[place] += left;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_hold_and_places_are_distinct_in_every_block() {
        let shares = [Share::Weight(80.0), Share::Weight(15.0), Share::Weight(5.0), Share::One];
        let cap = Cap { set: vec![true, false, true, false], most: 700 };
        let cases = Cases::with_shares(Key::new(3), &shares, std::slice::from_ref(&cap), 1000);
        let mut counts = [0; 4];
        let mut places = std::collections::BTreeSet::new();
        for row in 0..2500 {
            let case = cases.of(row);
            counts[case] += u64::from(row < 1000);
            if cap.set[case] {
                let place = cases.place_among(row, &cap.set);
                assert!(places.insert(place) && place < cases.places_among(2500, &cap.set));
            }
        }
        assert!(counts[0] + counts[2] <= 700 && counts[1] >= 290 && counts[3] == 1, "{counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), 1000);
    }

    #[test]
    fn small_tables_and_small_capacities_come_out_whole() {
        for rows in [1, 2, 3, 7] {
            let cap = Cap { set: vec![true, false], most: 1 };
            let counts = counts(&[Share::Weight(90.0), Share::Weight(10.0)], &[cap], rows);
            assert!(counts[0] <= 1 && counts.iter().sum::<u64>() == rows, "{rows}: {counts:?}");
        }
        assert_eq!(counts(&[Share::Weight(1.0), Share::One], &[], 100), [99, 1]);
    }
}
