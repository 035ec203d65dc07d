//! Rows of one parent side by side, as lessons stand in a course. Must be closed form both ways: the parent of a row,
//! and the rows of a parent.

use crate::expression::Key;

/// Rows that follow one another in the order of their parents, about as many for each.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// All rows.
    rows: u64,
    /// Parents that have rows.
    active: u64,
    /// All parents.
    parents: u64,
    /// How far from the mean the number of rows of a parent can be, as a share of the mean.
    spread: f64,
    /// The stream that decides.
    key: Key,
}

impl Runs {
    /// `none` is the share of the parents without rows, `spread` how unlike the others are.
    #[must_use]
    pub fn new(rows: u64, parents: u64, none: f64, spread: f64, key: Key) -> Self {
        let active = (libm::ceil(parents as f64 * (1.0 - none)) as u64).clamp(1, parents.max(1));
        Self { rows, active, parents, spread: spread.clamp(0.0, 1.0), key }
    }

    fn mean(&self) -> f64 {
        self.rows as f64 / self.active as f64
    }

    /// The fewest and the most rows of a parent that has any.
    #[must_use]
    pub fn bounds(&self) -> (u64, u64) {
        let (low, high) = (self.mean() * (1.0 - self.spread), self.mean() * (1.0 + self.spread));
        (libm::floor(low + 1e-9) as u64, libm::ceil(high - 1e-9) as u64)
    }

    /// The first row of a parent, by its place among those that have rows. The bound between two is moved by up to half
    /// of the spread to either side, so that the order stays.
    fn start(&self, place: u64) -> u64 {
        if place == 0 || place >= self.active {
            return if place == 0 { 0 } else { self.rows };
        }
        let moved = (self.key.unit(place) - 0.5) * self.spread;
        (libm::floor((place as f64 + moved) * self.mean() + 1e-9) as u64).min(self.rows)
    }

    fn place_of(&self, row: u64) -> u64 {
        let mut place = (((row as f64 + 0.5) / self.mean()) as u64).min(self.active - 1);
        while place > 0 && row < self.start(place) {
            place -= 1;
        }
        while place + 1 < self.active && self.start(place + 1) <= row {
            place += 1;
        }
        place
    }

    /// The parent at a place among those that have rows: of each stretch of them one.
    fn parent_at(&self, place: u64) -> u64 {
        let thinned = self.parents as f64 / self.active as f64;
        if thinned <= 1.0 {
            return place;
        }
        let moved = self.key.numbered(1).unit(place) * (thinned - 1.0);
        ((place as f64 * thinned + moved) as u64).min(self.parents - 1)
    }

    /// The parent of a row, and the row's place among the rows of this parent, from 0.
    #[must_use]
    pub fn parent(&self, row: u64) -> (u64, u64) {
        let place = self.place_of(row);
        (self.parent_at(place), row - self.start(place))
    }

    /// The rows of a parent.
    #[must_use]
    pub fn children(&self, parent: u64) -> std::ops::Range<u64> {
        let thinned = self.parents as f64 / self.active as f64;
        let guess = (parent as f64 / thinned) as u64;
        let places = guess.saturating_sub(1)..=(guess + 1).min(self.active - 1);
        match places.into_iter().find(|place| self.parent_at(*place) == parent) {
            Some(place) => self.start(place)..self.start(place + 1),
            None => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_parents_find_each_other_and_every_row_has_its_place() {
        for (rows, parents, none, spread) in [
            (1_000, 130, 0.0, 0.6),
            (1_000, 130, 0.8, 0.3),
            (90, 100, 0.0, 0.5),
            (60, 100, 0.4, 0.0),
            (5, 1, 0.0, 0.9),
            (7, 700, 0.9, 1.0),
        ] {
            let runs = Runs::new(rows, parents, none, spread, Key::new(4));
            let (low, high) = runs.bounds();
            let (mut seen, mut before) = (0, 0);
            for parent in 0..parents {
                let children = runs.children(parent);
                for (place, row) in children.clone().enumerate() {
                    assert_eq!(runs.parent(row), (parent, place as u64), "{rows} rows of {parents}");
                    assert_eq!(row, seen, "in the order of their parents");
                    seen += 1;
                }
                let count = children.end - children.start;
                assert!(count == 0 && none > 0.0 || low <= count && count <= high.max(1), "{count}: {low}..{high}");
                before = before.max(count);
            }
            assert_eq!(seen, rows, "{rows} rows of {parents}");
            assert!(before >= rows / parents);
        }
    }

    #[test]
    fn parents_have_unlike_numbers_of_rows() {
        let runs = Runs::new(50_000, 10_000, 0.0, 0.6, Key::new(9));
        let counts: Vec<u64> =
            (0..10_000).map(|parent| runs.children(parent)).map(|rows| rows.end - rows.start).collect();
        let of = |count: u64| counts.iter().filter(|c| **c == count).count();
        assert!(counts.iter().all(|count| (2..=8).contains(count)), "{:?}", counts.iter().max());
        assert!(of(3) > 500 && of(5) > 1_000 && of(7) > 300, "{} {} {}", of(3), of(5), of(7));
    }
}
