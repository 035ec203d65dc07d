//! Whether the blocks of an action grew or shrank: by all its sets, by a few, beyond what the sides without the
//! migration differ by. Must call nothing that searching for free space explains.

use super::Verdict;
use super::counts::{Among, CountComparison, Counts, MIN_BLOCKS};
use super::functions::FunctionFate;
use super::generic::GenericPlans;
use super::minimum::too_little;
use super::parameters::{Moved, Pair, factor, moved, plan_text};
use super::plan_change::PlanChange;
use crate::evidence::{CountedAction, CountedSet};

/// The same for one set of an action that writes: where a page of an index is full it touches some more, whatever its
/// parameters.
const MIN_WRITTEN: f64 = 32.0;

/// A search for a page with room for one row touches at most this many more blocks: three levels of the free space map
/// twice, and a page that had less room than the map says.
const MAX_SEARCH_BLOCKS: f64 = 8.0;

/// Records of WAL of one operation that differ by less are as many: a page splits now and then.
const SAME_RECORDS: f64 = 0.5;

/// A set that costs this many times as much, or as little, is named.
const FAR: f64 = 2.0;

/// How far sets moved from both sides without the migration.
pub(super) struct Moves<'s> {
    sides: &'s [CountedAction; 3],
    pairs: &'s [Pair<'s>],
    min_far: f64,
}

impl<'s> Moves<'s> {
    pub(super) fn new(sides: &'s [CountedAction; 3], pairs: &'s [Pair<'s>], writes: bool) -> Self {
        Self { sides, pairs, min_far: if writes { MIN_WRITTEN } else { MIN_BLOCKS } }
    }

    /// Of a pair: the set on the control, whatever others write meanwhile shows what is none of the migration's.
    fn control(&self, pair: &Pair<'_>) -> Option<&CountedSet> {
        let place = self.sides[0].sets.iter().position(|set| std::ptr::eq(set, pair.0));
        place.and_then(|place| self.sides[1].sets.get(place)).filter(|set| set.failed.is_none())
    }

    fn both(&self, pair: &Pair<'_>, of: impl Fn(&Pair<'_>) -> bool) -> bool {
        of(pair) && self.control(pair).is_none_or(|control| of(&(control, pair.1)))
    }

    fn is_far(&self, pair: &Pair<'_>) -> bool {
        pair.0.blocks().abs_diff(pair.1.blocks()) as f64 >= self.min_far
    }

    pub(super) fn is_dearer(&self, pair: &Pair<'_>) -> bool {
        self.both(pair, |pair| self.is_far(pair) && factor(pair) >= FAR)
    }

    pub(super) fn is_cheaper(&self, pair: &Pair<'_>) -> bool {
        self.both(pair, |pair| self.is_far(pair) && factor(pair) <= 1.0 / FAR)
    }

    /// Sets whose plans changed, where it is not all, and not just those that moved far.
    pub(super) fn flipped(&self, both: [&CountedAction; 2]) -> Option<Moved> {
        let is_flipped = |(old, new): &Pair<'_>| plan_text(both[0], old) != plan_text(both[1], new);
        let same = |other: &dyn Fn(&Pair<'_>) -> bool| self.pairs.iter().all(|pair| is_flipped(pair) == other(pair));
        let known = same(&|pair| self.is_dearer(pair)) || same(&|pair| self.is_cheaper(pair));
        let every = self.pairs.iter().all(is_flipped);
        moved(both, self.pairs, is_flipped).filter(|_| !every && !known)
    }

    /// How many of some sets moved in a direction, and by how many blocks, temporary ones too, together.
    fn moved_by(&self, up: bool, of: impl Fn(&Pair<'_>) -> bool) -> (u32, f64) {
        let by = |pair: &Pair<'_>| {
            let work = |set: &CountedSet| (set.blocks() + set.temp_blocks) as f64;
            let (old, new) = (work(pair.0), work(pair.1));
            let same = self.control(pair).map_or(old, work);
            if up { new - old.max(same) } else { old.min(same) - new }
        };
        let all = self.pairs.iter().filter(|pair| of(pair)).map(by).filter(|by| *by > 0.0);
        all.fold((0, 0.0), |(sets, sum), by| (sets + 1, sum + by))
    }
}

/// What decides an action whose answers are the same.
pub(super) struct Growth<'s> {
    /// Means of the control.
    pub(super) unchanged: Counts,
    pub(super) moves: &'s Moves<'s>,
    /// It changes rows.
    pub(super) writes: bool,
    /// Sets that only after were stopped for their time, by a plan that the server takes.
    pub(super) stopped: u32,
}

impl Growth<'_> {
    pub(super) fn judge(&self, of: &mut CountComparison, among: &Among<'_>, generic_asked: bool) {
        let (old, new, same) = (of.before, of.after, self.unchanged);
        let as_many = (old.wal_records - new.wal_records).abs() < SAME_RECORDS;
        let as_written = self.writes && of.plan_changes.is_empty() && as_many;
        let min = if as_written { MIN_BLOCKS.max(MAX_SEARCH_BLOCKS * old.rows) } else { MIN_BLOCKS };
        let exceeds = |min: f64, up: bool| {
            let grew = |from: &Counts, to: &Counts| from.exceeded_by(to, among.margin, min);
            if up { grew(&old, &new) && grew(&same, &new) } else { grew(&new, &old) && grew(&new, &same) }
        };
        let any = |min: f64| exceeds(min, true) || exceeds(min, false);
        of.searches_free_space = any(MIN_BLOCKS) && !any(min);
        let all = |_: &Pair<'_>| true;
        let too_little_of = |moved: (u32, f64)| too_little(among.actions, moved);
        let mut called = |is_so: bool, moved: (u32, f64)| {
            let little = too_little_of(moved).filter(|_| is_so);
            of.too_little = of.too_little.or(little);
            is_so && little.is_none()
        };
        let dearer = called(of.dearer.is_some(), self.moves.moved_by(true, |pair| self.moves.is_dearer(pair)));
        let regressed = called(exceeds(min, true), self.moves.moved_by(true, all)) || dearer || self.stopped > 0;
        let cheaper = called(of.cheaper.is_some(), self.moves.moved_by(false, |pair| self.moves.is_cheaper(pair)));
        let improved = called(exceeds(min, false), self.moves.moved_by(false, all)) || cheaper;
        if regressed || improved {
            of.too_little = None;
        }
        let fires_more = of.plan_changes.iter().any(|(change, _)| change.fires_more());
        let known = |change: &PlanChange| of.plan_changes.iter().any(|(other, _)| other == change);
        let generic_open = match generic_asked {
            true => of.generic.as_ref().is_some_and(GenericPlans::is_open),
            false => !of.generic_changes.iter().all(known),
        };
        of.verdict = if !of.is_counted {
            // Refused on every side, or a value that only a script's run sets: nothing was seen.
            Verdict::Inconclusive
        } else if regressed {
            Verdict::Regressed
        } else if fires_more || of.functions.iter().any(|of| of.change != FunctionFate::Removed) {
            // Work that no count holds: fewer blocks are no gain either.
            Verdict::Inconclusive
        } else if improved && !(generic_asked && generic_open) {
            Verdict::Improved
        } else if generic_open || !of.functions.is_empty() {
            // What the server does by a plan that it may take was not executed.
            Verdict::Inconclusive
        } else {
            Verdict::Same
        };
    }
}
