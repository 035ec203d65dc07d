//! How the rows of a table spread over the rows of a parent. Must be closed form: any row's parent by itself.

use std::cell::Cell;
use std::sync::Arc;

use super::cases::Cases;
use super::growth::Growth;
use super::ordered::Ordered;
use super::pair::Pair;
use super::runs::Runs;
use super::slots::Slots;
use super::state::Walk;
use crate::expression::{Key, Permutation, Ranks};

/// One foreign key of a table, and which parent each row has.
#[derive(Debug, Clone)]
pub struct Fan {
    /// The foreign key's columns and what each of them refers to.
    pub columns: Vec<(String, String)>,
    /// The parent's position in the plan.
    pub parent: usize,
    /// Rows of the parent.
    pub parents: u64,
    /// Parents before this one are not drawn: a dataset that grows adds nothing to what was unique or summed up.
    pub low: u64,
    /// Which parent a row has.
    pub kind: FanKind,
    /// Share of rows without a parent.
    pub null_share: f64,
    /// Rows without a parent because their case says so.
    pub absent: Option<(Cases, Vec<bool>)>,
    /// Never the same parent as this other fan of the table.
    pub other_than: Option<usize>,
    /// The stream of this fan-out.
    pub key: Key,
    /// The stream that says which rows have no parent.
    pub null_key: Key,
}

/// Which parent a row has.
#[derive(Debug, Clone)]
pub enum FanKind {
    /// The parent with the same number.
    Each,
    /// A skewed draw among the parents already born when the row came.
    Draw {
        /// How skewed.
        ranks: Ranks,
        /// Which parent holds which rank.
        order: Permutation,
        /// The growth of the table and of the parent, if both grow.
        growth: Option<Box<(Growth, Growth)>>,
        /// The first ranks belong to the parents born last, not to any.
        latest: bool,
        /// Share of the parents that never have any rows; where neither grows there are fewer ranks instead.
        none: f64,
    },
    /// The parent with the number of the row among those of some cases: each of them has one row at most there.
    EachAmong(Cases, Arc<[bool]>),
    /// By the row's case, where it has a parent at all.
    ByCase(Cases, Vec<Option<Box<FanKind>>>),
    /// The first of two that are unique together, and the position of the second.
    Owner(Arc<Pair>, usize),
    /// The second of two that are unique together, and the position of the first.
    Member(Arc<Pair>, usize),
    /// One of two whose parents are in order: the lower is 0, the upper 1.
    Ordered(Arc<Ordered>, usize),
    /// The rows of a parent stand side by side, from a first row and a first parent on.
    Run {
        /// Which rows are whose, counted from these firsts.
        runs: Runs,
        /// The first row.
        first: u64,
        /// The first parent.
        low: u64,
    },
    /// A digit of what is unique together: every combination stands once.
    Slot(Slots, usize),
    /// Among the parents of the row's own class: row mod classes. The root of the classes is the class itself.
    Class {
        /// How many classes.
        classes: u64,
        /// The parent is the root.
        root: bool,
    },
    /// An earlier row of the same table, in the row's own class; the first of each class has none, or itself.
    Before {
        /// How many classes.
        classes: u64,
        /// The first of each class refers to itself.
        itself: bool,
    },
}

/// Draws before one is made among those born, even if it should have no rows.
const TRIES: u64 = 8;

/// What was found out of one row already: when it came, its walk through states, and its parents by fan-out. More
/// fan-outs than there are places are found again.
#[derive(Debug)]
pub struct Parents {
    rows: [Cell<u64>; 6],
    moment: Cell<f64>,
    walk: Cell<Option<(Key, i64, Walk)>>,
}

const UNKNOWN: u64 = u64::MAX;
const NONE: u64 = u64::MAX - 1;

impl Parents {
    /// None found yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: [const { Cell::new(UNKNOWN) }; 6], moment: Cell::new(f64::NAN), walk: Cell::new(None) }
    }

    /// The walk of the row through a state machine, by its stream and its beginning; the last one is known already.
    pub fn walk(&self, key: Key, begin: i64, make: impl FnOnce() -> Walk) -> Walk {
        if let Some((_, _, known)) = self.walk.get().filter(|(of, from, _)| (*of, *from) == (key, begin)) {
            return known;
        }
        let walk = make();
        self.walk.set(Some((key, begin, walk)));
        walk
    }

    /// When the row came, by the growth of its table.
    pub fn moment(&self, growth: &Growth, row: u64) -> f64 {
        if self.moment.get().is_nan() {
            self.moment.set(growth.moment(row));
        }
        self.moment.get()
    }

    /// The row of a parent, found at most once.
    pub fn row(&self, fans: &[Fan], fan: usize, row: u64) -> Option<u64> {
        match self.rows.get(fan).map_or(UNKNOWN, Cell::get) {
            UNKNOWN => {}
            NONE => return None,
            parent => return Some(parent),
        }
        let found = fans[fan].find(fans, row, self);
        self.keep(fan, found);
        found
    }

    fn keep(&self, fan: usize, parent: Option<u64>) {
        if let Some(place) = self.rows.get(fan) {
            place.set(parent.unwrap_or(NONE));
        }
    }
}

impl Default for Parents {
    fn default() -> Self {
        Self::new()
    }
}

impl Fan {
    /// The parent's row, or `None` when this row has no parent. `fans` are all of the table.
    #[must_use]
    pub fn parent_row(&self, fans: &[Fan], row: u64) -> Option<u64> {
        self.find(fans, row, &Parents::new())
    }

    /// The place of a row among those of its parent, from 0, where these stand side by side.
    #[must_use]
    pub fn place(&self, row: u64) -> Option<u64> {
        let FanKind::Run { runs, first, .. } = &self.kind else { return None };
        Some(runs.parent(row.saturating_sub(*first)).1)
    }

    fn find(&self, fans: &[Fan], row: u64, known: &Parents) -> Option<u64> {
        if 0.0 < self.null_share && self.null_key.unit(row) < self.null_share {
            return None;
        }
        if let Some((cases, absent)) = &self.absent
            && absent[cases.of(row)]
        {
            return None;
        }
        self.drawn_row(fans, row, known)
    }

    /// The parent's row, also where the row's case or its share of NULLs leaves it without one.
    pub(super) fn drawn_row(&self, fans: &[Fan], row: u64, known: &Parents) -> Option<u64> {
        let parent = self.drawn(row, known)?;
        let Some(other) = self.other_than.and_then(|fan| known.row(fans, fan, row)) else { return Some(parent) };
        Some(match self.kind {
            FanKind::Slot(ref slots, _) => parent + slots.classes * u64::from(other <= parent),
            FanKind::Member(..) | FanKind::Owner(..) | FanKind::Ordered(..) => parent,
            _ if parent == other => (parent + 1) % self.parents,
            _ => parent,
        })
    }

    fn drawn(&self, row: u64, known: &Parents) -> Option<u64> {
        self.drawn_by(&self.kind, row, known)
    }

    fn drawn_by(&self, kind: &FanKind, row: u64, known: &Parents) -> Option<u64> {
        Some(match kind {
            FanKind::Each => row,
            FanKind::EachAmong(cases, set) => cases.place_among(row, set) % self.parents.max(1),
            FanKind::ByCase(cases, kinds) => {
                let kind = kinds.get(cases.of(row))?.as_ref()?;
                return self.drawn_by(kind, row, known);
            }
            FanKind::Owner(pair, second) => {
                let (owner, member) = pair.of(row);
                known.keep(*second, Some(member));
                owner
            }
            FanKind::Member(pair, first) => {
                let (owner, member) = pair.of(row);
                known.keep(*first, Some(owner));
                member
            }
            FanKind::Ordered(ordered, side) => {
                let (lower, upper) = ordered.of(row);
                if *side == 0 { lower } else { upper }
            }
            FanKind::Run { runs, first, low } => low + runs.parent(row.saturating_sub(*first)).0,
            FanKind::Slot(slots, digit) => {
                let low = self.low.saturating_sub(row % slots.classes).div_ceil(slots.classes);
                row % slots.classes + slots.classes * (low + slots.digit(*digit, row))
            }
            FanKind::Class { classes, root: true } => row % classes,
            FanKind::Class { classes, root: false } => {
                let class = row % classes;
                let members = (self.parents - class).div_ceil(*classes);
                class + classes * self.key.below(row, members)
            }
            FanKind::Before { classes, itself } => {
                let earlier = row / classes;
                if earlier == 0 {
                    return itself.then_some(row);
                }
                row % classes + classes * self.key.below(row, earlier)
            }
            FanKind::Draw { ranks, order, growth: None, latest: false, .. } => {
                self.low + order.apply(ranks.draw(self.key, row))
            }
            FanKind::Draw { ranks, order, growth, latest, none } => {
                let born = match growth.as_deref() {
                    Some((own, parent)) => parent.born(known.moment(own, row)).clamp(self.low + 1, self.parents),
                    None => self.parents,
                } - self.low;
                let place = |rank| self.low + if *latest { born - 1 - rank } else { order.apply_among(rank, born) };
                let rank = |attempt| ranks.draw(self.key.numbered(attempt), row);
                // Ranks nobody holds yet and parents that never have any rows are drawn again; at the very beginning
                // there may be nobody else.
                (0..TRIES)
                    .map(rank)
                    .filter(|rank| *rank < born)
                    .map(place)
                    .find(|parent| *none <= 0.0 || *none <= self.null_key.unit(!parent))
                    .unwrap_or_else(|| place(ranks.among(born).draw(self.key.numbered(TRIES), row)))
            }
        })
    }
}
