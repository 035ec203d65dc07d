//! Pairs of parents that are unique together, such as a user's enrolments. Must be closed form: any row's pair by
//! itself.

use crate::expression::{Key, Permutation, Ranks};

/// Pairs of parents, all distinct, both sides skewed, and both sides born by the time of the row.
///
/// The rows are divided into epochs, each with the owners and members born by its end. Within one, a permutation sends
/// the row to a child number; children of one owner form an interval (systematic rounding of the law's integral), and
/// child e of k takes the member at (e + phase) / k of the members' mass: distinct because no member holds 1/k of it
/// (systematic sampling with probability proportional to size; Madow 1949). Members are divided into as many strata as
/// there are epochs, and no owner meets a stratum twice: so what is distinct in each epoch is distinct in all.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Rows of the table that are pairs of this kind.
    pub rows: u64,
    /// The row the first pair stands in.
    pub first: u64,
    /// Who has pairs.
    pub owners: Side,
    /// With whom.
    pub members: Side,
    /// One after the other in the order of rows; equally long but for rounding.
    pub epochs: Vec<Epoch>,
    /// The stream of the phases.
    pub key: Key,
    /// Owner and member are rows of one table and must differ: the last rank of each stratum is spare.
    pub differ: bool,
}

/// The parents on one side of the pairs.
#[derive(Debug, Clone)]
pub struct Side {
    /// Parents before this one have their pairs already.
    pub low: u64,
    /// Parents there are for each that has any pairs: 1 when all do.
    pub thinned: f64,
    /// The stream that says which of them have none.
    pub key: Key,
    /// Which of those with pairs holds which rank, in each stratum.
    pub orders: Vec<Permutation>,
}

/// A stretch of the rows, in time.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// Rows of the epochs before it.
    pub begins: u64,
    /// Rows of it.
    pub rows: u64,
    /// How skewed the owners born by its end are.
    pub owners: Ranks,
    /// How skewed the members of a stratum born by its end are; flat enough that the largest owner's members differ.
    pub members: Ranks,
    /// Which child stands in which row.
    pub order: Permutation,
    /// What is added before a number of children is rounded down, so that it is not always the same owners who gain.
    pub phase: f64,
}

impl Side {
    /// How many of the first `born` parents have pairs.
    #[must_use]
    pub fn among(&self, born: u64) -> u64 {
        ((born - self.low) as f64 / self.thinned) as u64
    }

    /// The parent at an index among those with pairs: of each stretch of `thinned` one, never later than its end.
    fn parent(&self, index: u64) -> u64 {
        if self.thinned <= 1.0 {
            return self.low + index;
        }
        self.low + (index as f64 * self.thinned + self.key.unit(index) * (self.thinned - 1.0)) as u64
    }
}

impl Epoch {
    /// First child of an owner's rank.
    fn start(&self, rank: u64) -> u64 {
        let below = self.owners.mass_below(rank as f64) * self.rows as f64 - self.phase;
        (libm::ceil(below).max(0.0) as u64).min(self.rows)
    }

    /// How many children the owner at a rank has.
    #[must_use]
    #[cfg(test)]
    pub fn children(&self, rank: u64) -> u64 {
        self.start(rank + 1) - self.start(rank)
    }

    /// The most children any owner can have: rounding gives some of them one more than the first has.
    #[must_use]
    pub fn most_children(&self) -> u64 {
        // What is a whole number but for the last digits gets no more than that.
        (libm::ceil(self.owners.mass_below(1.0) * self.rows as f64 - 1e-6) as u64).max(1)
    }

    /// Rank of the owner, number of the child, number of children of that owner.
    fn child(&self, row: u64) -> (u64, u64, u64) {
        let child = self.order.apply(row);
        let mut rank = self.owners.rank_at((child as f64 + self.phase) / self.rows as f64);
        let (mut start, mut next) = (self.start(rank), self.start(rank + 1));
        // Rounding may place the rank one off; the starts decide.
        while child < start {
            rank -= 1;
            (start, next) = (self.start(rank), start);
        }
        while next <= child && rank + 1 < self.owners.count() {
            rank += 1;
            (start, next) = (next, self.start(rank + 1));
        }
        (rank, child - start, next - start)
    }
}

impl Pair {
    /// The epoch of a row and the row's place in it.
    fn epoch(&self, row: u64) -> (usize, u64) {
        let row = row - self.first;
        let last = self.epochs.len() - 1;
        // Epochs are equally long but for rounding: a guess is at most one off.
        let mut at = ((row as f64 / self.rows as f64 * self.epochs.len() as f64) as usize).min(last);
        while row < self.epochs[at].begins {
            at -= 1;
        }
        while at < last && self.epochs[at + 1].begins <= row {
            at += 1;
        }
        (at, row - self.epochs[at].begins)
    }

    /// The owner and the member of a row.
    #[must_use]
    pub fn of(&self, row: u64) -> (u64, u64) {
        let (at, place) = self.epoch(row);
        let epoch = &self.epochs[at];
        let (rank, child, children) = epoch.child(place);
        let owner = self.owners.orders[0].apply_among(rank, epoch.owners.count());
        let strata = self.members.orders.len() as u64;
        let phase = self.key.cell(owner);
        let stratum = (phase + at as u64) % strata;
        let share = (child as f64 + self.key.numbered(at as u64).unit(owner)) / children as f64;
        let order = &self.members.orders[stratum as usize];
        let born = epoch.members.count() + u64::from(self.differ);
        let member = |rank| self.members.parent(order.apply_among(rank, born) * strata + stratum);
        let owner = self.owners.parent(owner);
        match member(epoch.members.rank_at(share)) {
            // No draw reaches the spare rank, so it stays distinct; and it is not the owner, who was just drawn.
            drawn if self.differ && drawn == owner => (owner, member(epoch.members.count())),
            drawn => (owner, drawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Zipf;

    /// Pairs over this many epochs, whose parents become more from one to the next.
    fn pair(rows: u64, owners: u64, members: u64, exponent: f64, epochs: u64, differ: bool) -> Pair {
        let key = Key::new(11);
        let epoch = |at: u64| {
            let begins = rows * at / epochs;
            let rows = rows * (at + 1) / epochs - begins;
            let (owners, members) = (owners * (at + 1) / epochs, members * (at + 1) / epochs / epochs);
            let members = members - u64::from(differ);
            let law = Zipf::with_top_share(exponent, members as f64 / 2.0 / rows as f64, owners);
            let mut epoch = Epoch {
                begins,
                rows,
                owners: Ranks::Zipf(law),
                members: Ranks::Zipf(Zipf::new(0.9, members)),
                order: Permutation::new(key.numbered(at), rows),
                phase: (0.5 + at as f64 * 0.618) % 1.0,
            };
            epoch.members = epoch.members.flattened_to(0.999 / epoch.most_children() as f64);
            epoch
        };
        let side = |count: u64, strata: u64| Side {
            low: 0,
            thinned: 1.25,
            key: key.named("none"),
            orders: (0..strata).map(|n| Permutation::new(key.named("side").numbered(n), count / strata)).collect(),
        };
        let (epochs, strata) = ((0..epochs).map(epoch).collect(), epochs);
        Pair { rows, first: 0, owners: side(owners, 1), members: side(members, strata), epochs, key, differ }
    }

    #[test]
    fn pairs_are_distinct_and_skewed() {
        // Also row counts at which rounding gives some owners one child more than the first.
        for (rows, owners, members, exponent, epochs) in [
            (50_000, 4_000, 300, 0.8, 1),
            (50_001, 4_000, 1_200, 0.8, 4),
            (1_310, 300, 50, 0.0, 1),
            (1_939, 300, 50, 0.0, 1),
            (1_939, 300, 200, 0.0, 3),
            (1, 1, 2, 1.0, 1),
        ] {
            let pair = pair(rows, owners, members, exponent, epochs, false);
            let mut seen: Vec<(u64, u64)> = (0..rows).map(|row| pair.of(row)).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len() as u64, rows, "every pair stands once among {rows} rows");
        }
        let most = pair(50_000, 4_000, 300, 0.8, 1, false).epochs[0].children(0);
        assert!(50_000 / 4_000 * 5 < most && most <= 151, "the largest owner has {most}");
    }

    #[test]
    fn nobody_has_pairs_before_the_end_of_the_epoch_of_his_birth() {
        let pair = pair(50_000, 4_000, 1_200, 0.8, 4, false);
        for row in 0..50_000 {
            let epoch = row * 4 / 50_000 + 1;
            let (owner, member) = pair.of(row);
            assert!(owner < 5_000 * epoch / 4 && member < 1_500 * epoch / 4, "row {row}: {owner}, {member}");
        }
    }

    #[test]
    fn followers_are_distinct_pairs_and_nobody_follows_himself() {
        for epochs in [1, 2] {
            let pair = pair(3_000, 200, 200, 0.6, epochs, true);
            let mut seen: Vec<(u64, u64)> = (0..3_000).map(|row| pair.of(row)).collect();
            assert!(seen.iter().all(|(owner, member)| owner != member && *member < 250));
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 3_000);
        }
    }
}
