//! Combinations of small ranges that are unique together. Must be closed form: any row's combination by itself.

use crate::expression::Permutation;

/// Every combination stands once: a permutation of all of them, read digit by digit.
///
/// Where parents are born over time the rows are divided into epochs, each with the combinations of the parents born by
/// its end. No combination is of two epochs: the sum of its digits, modulo the number of epochs, is the epoch.
#[derive(Debug, Clone)]
pub struct Slots {
    /// How many values each digit has.
    pub radices: Vec<u64>,
    /// The row the first combination stands in.
    pub first: u64,
    /// Rows of different classes share combinations: their class already differs.
    pub classes: u64,
    /// The digit that is divided among the epochs.
    pub divided: usize,
    /// At least one.
    pub epochs: Vec<Epoch>,
    /// Which rows of a class take theirs from which epoch, in the order of rows.
    pub stretches: Vec<Stretch>,
}

/// The combinations of a time.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// How many values each digit has by then; the divided one's share of them.
    pub radices: Vec<u64>,
    /// Which combination stands where.
    pub order: Permutation,
}

impl Epoch {
    /// How many combinations there are.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.radices.iter().product()
    }
}

/// Rows of a class that take their combinations from one epoch.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// The first of them.
    pub begins: u64,
    /// The epoch.
    pub epoch: usize,
    /// Combinations of the epoch that were taken before.
    pub taken: u64,
}

impl Slots {
    /// How many rows there can be at most, with those before the first.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        let combinations = match self.epochs.as_slice() {
            [] | [_] => self.radices.iter().product::<u64>(),
            epochs => epochs.iter().map(Epoch::capacity).sum(),
        };
        (self.first / self.classes + combinations).saturating_mul(self.classes)
    }

    /// The value of a digit in a row.
    #[must_use]
    pub fn digit(&self, index: usize, row: u64) -> u64 {
        let place = row / self.classes - self.first / self.classes;
        let stretch = match self.stretches.as_slice() {
            [one] => one,
            several => &several[several.partition_point(|s| s.begins <= place) - 1],
        };
        let epoch = &self.epochs[stretch.epoch];
        let mut rest = epoch.order.apply(place - stretch.begins + stretch.taken);
        if self.epochs.len() == 1 {
            return rest / epoch.radices[..index].iter().product::<u64>() % epoch.radices[index];
        }
        let (mut divided, mut sum) = (0, 0);
        for (at, radix) in epoch.radices.iter().enumerate() {
            let value = rest % radix;
            rest /= radix;
            match at == self.divided {
                true => divided = value,
                false if at == index => return value,
                false => sum += value,
            }
        }
        let count = self.epochs.len() as u64;
        divided * count + (stretch.epoch as u64 + count - sum % count) % count
    }
}

/// Radices whose product is a number of combinations that can be counted; what is beyond is never needed.
#[must_use]
pub fn countable(mut radices: Vec<u64>) -> Vec<u64> {
    let mut room = 1_u64 << 60;
    for radix in &mut radices {
        *radix = (*radix).min(room);
        room /= (*radix).max(1);
    }
    radices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Key;

    fn epoch(radices: [u64; 3]) -> Epoch {
        Epoch { radices: radices.into(), order: Permutation::new(Key::new(2), radices.iter().product()) }
    }

    fn distinct(slots: &Slots, rows: u64) -> usize {
        let digits = |row| (row % slots.classes, slots.digit(0, row), slots.digit(1, row), slots.digit(2, row));
        let mut seen: Vec<(u64, u64, u64, u64)> = (0..rows).map(digits).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    }

    #[test]
    fn every_combination_stands_once_in_each_class() {
        let stretches = vec![Stretch { begins: 0, epoch: 0, taken: 0 }];
        let epochs = vec![epoch([3, 4, 5])];
        let slots = Slots { radices: vec![3, 4, 5], first: 0, classes: 7, divided: 0, epochs, stretches };
        assert_eq!(distinct(&slots, 420), 420);
    }

    #[test]
    fn combinations_of_an_epoch_are_of_digits_there_are_and_of_no_other_epoch() {
        // Digits of 10, 4 and 5 values, half of them there in the first epoch; the first digit is divided.
        let epochs = vec![epoch([2, 2, 3]), epoch([5, 4, 5])];
        let stretch = |begins, epoch, taken| Stretch { begins, epoch, taken };
        let stretches = vec![stretch(0, 0, 0), stretch(10, 1, 0), stretch(100, 0, 10)];
        let slots = Slots { radices: vec![10, 4, 5], first: 0, classes: 1, divided: 0, epochs, stretches };
        assert_eq!(distinct(&slots, 102), 102);
        assert!((0..10).all(|row| slots.digit(0, row) < 4 && slots.digit(1, row) < 2 && slots.digit(2, row) < 3));
        assert!((10..102).all(|row| slots.digit(0, row) < 10 && slots.digit(1, row) < 4 && slots.digit(2, row) < 5));
    }
}
