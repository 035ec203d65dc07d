//! Columns that are unique together and drawn as one combination. Must give no combination twice.

use super::fans::{SlotDigit, digits_of};
use super::{Planner, reference_of};
use crate::expression::Permutation;
use crate::seed::slots::{Epoch, Slots, Stretch, countable};

/// Epochs of the rows: the more of them, the closer a row is to its time; fewer where combinations are few.
const EPOCHS: [u64; 3] = [8, 4, 2];

impl Planner<'_> {
    /// The digit of a combination whose parents became more since the dataset was made: new combinations have new ones.
    /// Of several, the one whose parents sum these rows up, for sums that are there stay.
    pub(super) fn grown_digit(&self, table: usize, group: &str) -> Option<String> {
        self.base?;
        let digits = digits_of(&self.spec.tables[table]).into_iter().filter(|(_, digit)| digit.group == group);
        let parents = digits.filter_map(|(name, _)| Some((self.digit_parent(table, &name)?, name)));
        let grown: Vec<(usize, String)> =
            parents.filter(|(parent, _)| self.first(*parent) < self.rows[*parent]).collect();
        let summed = grown.iter().find(|(parent, _)| self.is_summed_up(*parent, table));
        summed.or(grown.first()).map(|(_, name)| name.clone())
    }

    fn digit_parent(&self, table: usize, column: &str) -> Option<usize> {
        let found = self.catalog.table(&self.spec.tables[table].name.value)?;
        self.index_of(&reference_of(found, column)?.table)
    }

    /// Whether a column is a digit of a combination: its expression is that and nothing else.
    pub(in crate::seed) fn is_digit(&self, table: usize, group: &str, column: &str) -> bool {
        digits_of(&self.spec.tables[table]).iter().any(|(name, digit)| name == column && digit.group == group)
    }

    /// The combination a column is a digit of, and which digit.
    pub(in crate::seed) fn slots(&self, table: usize, group: &str, column: &str) -> (Slots, usize) {
        let digits: Vec<(String, SlotDigit)> =
            digits_of(&self.spec.tables[table]).into_iter().filter(|(_, digit)| digit.group == group).collect();
        let index = digits.iter().position(|(name, _)| name == column).unwrap_or(0);
        let root = digits.iter().rev().find_map(|(_, digit)| digit.class.as_deref());
        let classes = root.map_or(1, |root| self.classes(root));
        let radices = countable(digits.iter().map(|(name, digit)| self.radix(table, name, digit, None)).collect());
        let first = if self.grown_digit(table, group).is_some() { self.first(table) } else { 0 };
        let slots = Slots { radices, first, classes, divided: 0, epochs: Vec::new(), stretches: Vec::new() };
        let epochs = |count: u64| self.in_epochs(slots.clone(), table, group, &digits, count);
        let slots = EPOCHS.iter().find_map(|count| epochs(*count)).unwrap_or_else(|| {
            let order = self.slot_order(table, group, first, &slots.radices);
            let epochs = vec![Epoch { radices: slots.radices.clone(), order }];
            Slots { epochs, stretches: vec![Stretch { begins: 0, epoch: 0, taken: 0 }], ..slots.clone() }
        });
        (slots, index)
    }

    fn slot_order(&self, table: usize, group: &str, number: u64, radices: &[u64]) -> Permutation {
        let key = self.column_key(table, group).named("slots").numbered(number);
        Permutation::new(key, radices.iter().product::<u64>().max(1))
    }

    /// The combinations divided into this many epochs; nothing when there are too few for that, or nobody is born.
    fn in_epochs(
        &self,
        mut slots: Slots,
        table: usize,
        group: &str,
        digits: &[(String, SlotDigit)],
        count: u64,
    ) -> Option<Slots> {
        let parents: Vec<Option<usize>> = digits.iter().map(|(name, _)| self.digit_parent(table, name)).collect();
        // Rows that are added have parents of their own, or take what was left by those before.
        let as_at_first = |parent: &usize| self.rows[*parent] == self.rows_at_first(*parent);
        if 0 < slots.first || !parents.iter().flatten().all(as_at_first) {
            return None;
        }
        let own = self.births(table)?;
        parents.iter().flatten().find(|parent| self.births(**parent).is_some())?;
        slots.divided = (0..digits.len()).max_by_key(|at| slots.radices[*at])?;
        let rows = self.rows_at_first(table).div_ceil(slots.classes);
        let begins = |epoch: u64| (u128::from(rows) * u128::from(epoch) / u128::from(count)) as u64;
        for at in 0..count {
            let wanted = begins(at + 1) - begins(at);
            let enough = (at..count).find_map(|until| {
                // The last epoch has everybody.
                let share = (until + 1) as f64 / count as f64;
                let moment = (until + 1 < count).then(|| own.shape.moment(share));
                let mut radices: Vec<u64> =
                    digits.iter().map(|(name, digit)| self.radix(table, name, digit, moment)).collect();
                radices[slots.divided] /= count;
                let radices = countable(radices);
                (wanted <= radices.iter().product()).then_some(radices)
            })?;
            let order = self.slot_order(table, group, count + at, &enough);
            slots.epochs.push(Epoch { radices: enough, order });
            slots.stretches.push(Stretch { begins: begins(at), epoch: at as usize, taken: 0 });
        }
        // Rows that are added later take what is left, of the last epoch first: whatever was there stays as it is.
        let mut next = rows;
        for at in (0..count).rev() {
            let taken = begins(at + 1) - begins(at);
            slots.stretches.push(Stretch { begins: next, epoch: at as usize, taken });
            next += slots.epochs[at as usize].capacity() - taken;
        }
        // By what the dataset was first made with: rows that are there keep the combinations they have.
        (rows <= next).then_some(slots)
    }

    /// How many values a digit has, by a moment of the history or in the end.
    fn radix(&self, table: usize, column: &str, digit: &SlotDigit, moment: Option<f64>) -> u64 {
        if let (Some(from), Some(to)) = (digit.from, digit.to) {
            return (to - from + 1).max(1) as u64;
        }
        if !digit.values.is_empty() {
            return digit.values.len() as u64;
        }
        let Some(parent) = self.digit_parent(table, column) else { return 1 };
        let classes = digit.class.as_ref().map_or(1, |root| self.classes(root));
        let less = u64::from(self.differs_from(table, column).is_some());
        let grown = self.grown_digit(table, &digit.group).as_deref() == Some(column);
        let born = moment.and_then(|moment| Some(self.births(parent)?.born(moment))).unwrap_or(self.rows[parent]);
        ((born.min(self.rows[parent]) - if grown { self.first(parent) } else { 0 }) / classes).saturating_sub(less)
    }
}
