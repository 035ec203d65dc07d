//! Which sets of parameters an action treats in another way: the heavy ones, and those whose cost or plan moved. Must
//! name no value of a parameter: only how many rows they give or find.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counts::{Counts, means, rounded};
use crate::evidence::{CountedAction, CountedSet};

/// Means over the sets of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Which kind.
    pub class: ParameterClass,
    /// The rows that tell kinds apart.
    pub by: Measure,
    /// Sets of it, with those that were only planned and for which the executed ones stand.
    pub sets: u32,
    /// Sets of it that were executed.
    pub executed: u32,
    /// Fewest rows of any of these.
    pub rows_min: u64,
    /// Means of an operation before.
    pub before: Counts,
    /// Means of an operation after.
    pub after: Counts,
}

/// A kind of parameters, by rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ParameterClass {
    /// None.
    None,
    /// What is usual.
    Normal,
    /// At least [`HEAVY`] times the median of those that have some.
    Heavy,
}

/// Sets of parameters whose cost moved far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// How many, with those that were only planned and for which the executed ones stand.
    pub sets: u32,
    /// How many of them were executed.
    pub executed: u32,
    /// The farthest, blocks after over blocks before.
    pub factor: f64,
    /// What distinguishes them from the others; absent where nothing does, or they are all.
    pub apart: Option<Apart>,
    /// The plans of the farthest before.
    pub plan_before: String,
    /// Its plans after.
    pub plan_after: String,
}

/// What distinguishes executed sets from others: they have at least twice as many rows, or at most half as many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// Which rows.
    pub by: Measure,
    /// Fewest and most of the sets.
    pub sets: (u64, u64),
    /// Fewest and most of the others.
    pub others: (u64, u64),
}

/// Rows by which sets of parameters can be distinguished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Rows returned or changed before.
    Rows,
    /// Rows that the scan of an alias finds before.
    FoundBefore(String),
    /// The same after, where an index gives before no more than what is returned.
    FoundAfter(String),
}

/// Sets with this many times the median of rows are heavy.
pub const HEAVY: f64 = 4.0;

/// This many times as many rows tell sets from others.
const APART: u64 = 2;

/// One set before and after.
pub(super) type Pair<'s> = (&'s CountedSet, &'s CountedSet);

impl Measure {
    /// Those that are known of every set, in the order they are tried.
    fn known(pairs: &[Pair<'_>]) -> Vec<Self> {
        let Some((before, after)) = pairs.first() else { return Vec::new() };
        let before =
            before.rows_found.keys().filter(|key| pairs.iter().all(|(old, _)| old.rows_found.contains_key(*key)));
        let after =
            after.rows_found.keys().filter(|key| pairs.iter().all(|(_, new)| new.rows_found.contains_key(*key)));
        let found = before.cloned().map(Self::FoundBefore).chain(after.cloned().map(Self::FoundAfter));
        std::iter::once(Self::Rows).chain(found).collect()
    }

    fn of(&self, (old, new): &Pair<'_>) -> u64 {
        match self {
            Self::Rows => old.rows,
            Self::FoundBefore(alias) => old.rows_found.get(alias).copied().unwrap_or_default(),
            Self::FoundAfter(alias) => new.rows_found.get(alias).copied().unwrap_or_default(),
        }
    }
}

/// Sets that were executed on both sides.
pub(super) fn executed<'s>([before, after]: [&'s CountedAction; 2]) -> Vec<Pair<'s>> {
    let pairs = before.sets.iter().zip(&after.sets);
    pairs.filter(|(old, new)| old.failed.is_none() && new.failed.is_none()).collect()
}

/// The kinds of parameters, apart: by the rows they give, or where that distinguishes fewer kinds (as under a `LIMIT`)
/// by those a scan finds.
pub(super) fn classes(pairs: &[Pair<'_>]) -> Vec<ClassCounts> {
    let mut most = Vec::new();
    for measure in Measure::known(pairs) {
        let classes = classes_by(&measure, pairs);
        if most.len().max(1) < classes.len() {
            most = classes;
        }
    }
    most
}

/// The class of a set of parameters, by the median of rows over all.
fn class(measure: &Measure, pair: &Pair<'_>, median: f64) -> ParameterClass {
    match measure.of(pair) {
        0 => ParameterClass::None,
        rows if rows as f64 >= HEAVY * median => ParameterClass::Heavy,
        _ => ParameterClass::Normal,
    }
}

/// Positions of the counted sets of each class; empty where all are of one.
pub(super) fn positions(
    classes: &[ClassCounts],
    [before, after]: [&CountedAction; 2],
) -> BTreeMap<ParameterClass, Vec<usize>> {
    let mut positions: BTreeMap<ParameterClass, Vec<usize>> = BTreeMap::new();
    let Some(ClassCounts { by, .. }) = classes.first() else { return positions };
    let median = median(by, &executed([before, after])) as f64;
    for (position, pair) in before.sets.iter().zip(&after.sets).enumerate() {
        if pair.0.failed.is_none() && pair.1.failed.is_none() {
            positions.entry(class(by, &pair, median)).or_default().push(position);
        }
    }
    positions
}

fn classes_by(measure: &Measure, pairs: &[Pair<'_>]) -> Vec<ClassCounts> {
    let median = median(measure, pairs) as f64;
    let mut of_class: BTreeMap<ParameterClass, Vec<Pair<'_>>> = BTreeMap::new();
    for pair in pairs {
        of_class.entry(class(measure, pair, median)).or_default().push(*pair);
    }
    let counts = of_class.into_iter().map(|(class, pairs)| ClassCounts {
        class,
        by: measure.clone(),
        sets: weight(&pairs),
        executed: pairs.len() as u32,
        rows_min: pairs.iter().map(|pair| measure.of(pair)).min().unwrap_or_default(),
        before: means(pairs.iter().map(|(old, _)| *old)),
        after: means(pairs.iter().map(|(_, new)| *new)),
    });
    counts.collect()
}

/// The median over the sets that have rows, each as heavy as those it stands for.
fn median(measure: &Measure, pairs: &[Pair<'_>]) -> u64 {
    let rows = pairs.iter().map(|pair| (measure.of(pair), pair.0.weight()));
    let mut rows: Vec<(u64, f64)> = rows.filter(|(rows, _)| 0 < *rows).collect();
    rows.sort_unstable_by_key(|(rows, _)| *rows);
    let half = rows.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    let reaches = |(_, weight): &&(u64, f64)| {
        below += weight;
        half < below
    };
    rows.iter().find(reaches).map_or(0, |(rows, _)| *rows)
}

/// The sets that are `far` from what they were.
pub(super) fn moved(
    [before, after]: [&CountedAction; 2],
    pairs: &[Pair<'_>],
    far: impl Fn(&Pair<'_>) -> bool,
) -> Option<Moved> {
    let (moved, others): (Vec<Pair<'_>>, Vec<Pair<'_>>) = pairs.iter().partition(|pair| far(pair));
    let size = |pair: &&Pair<'_>| factor(pair).ln().abs();
    let farthest = moved.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Moved {
        sets: weight(&moved),
        executed: moved.len() as u32,
        factor: factor(farthest),
        apart: apart(&moved, &others),
        plan_before: plan_text(before, farthest.0),
        plan_after: plan_text(after, farthest.1),
    })
}

/// Blocks after over blocks before.
pub(super) fn factor((old, new): &Pair<'_>) -> f64 {
    new.blocks().max(1) as f64 / old.blocks().max(1) as f64
}

/// The plans of a set, as one line.
pub(super) fn plan_text(action: &CountedAction, set: &CountedSet) -> String {
    let shapes: Vec<&str> = set.plans.iter().map(|plan| action.plans[*plan as usize].shape.as_str()).collect();
    shapes.join("; ")
}

/// How many sets these stand for.
fn weight(pairs: &[Pair<'_>]) -> u32 {
    rounded(pairs.iter().map(|(old, _)| old.weight()).sum())
}

/// What the sets that moved have more of than every other, or less.
fn apart(moved: &[Pair<'_>], others: &[Pair<'_>]) -> Option<Apart> {
    let all: Vec<Pair<'_>> = moved.iter().chain(others).copied().collect();
    Measure::known(&all).into_iter().find_map(|by| {
        let range = |pairs: &[Pair<'_>]| {
            let rows = || pairs.iter().map(|pair| by.of(pair));
            Some((rows().min()?, rows().max()?))
        };
        let (sets, others) = (range(moved)?, range(others)?);
        let below = |most: u64, least: u64| most < least && most.saturating_mul(APART) <= least;
        (below(others.1, sets.0) || below(sets.1, others.0)).then_some(Apart { by, sets, others })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Verdict;
    use crate::compare::counts::tests::{both, set};

    #[test]
    fn a_set_that_costs_eight_times_as_much_is_named_by_its_rows() {
        let before = vec![set(3, 10, "a"), set(5, 12, "b"), set(900, 100, "c")];
        let after = vec![set(3, 4, "a"), set(5, 4, "b"), set(900, 800, "c")];
        let found = both(before, after);
        let dearer = found.dearer.unwrap();
        let by_rows = Apart { by: Measure::Rows, sets: (900, 900), others: (3, 5) };
        assert_eq!((dearer.sets, dearer.factor, dearer.apart), (1, 8.0, Some(by_rows)));
        assert_eq!(found.cheaper.unwrap().sets, 2);
        assert_eq!(found.verdict, Verdict::Regressed);
    }

    #[test]
    fn parameters_that_find_nothing_much_and_the_usual_are_told_apart() {
        let before = vec![set(0, 3, "a"), set(5, 12, "b"), set(6, 14, "c"), set(900, 100, "d")];
        let after = vec![set(0, 3, "a"), set(5, 4, "b"), set(6, 6, "c"), set(900, 800, "d")];
        let found = both(before.clone(), after).classes;
        let blocks: Vec<_> = found.iter().map(|c| (c.class, c.sets, c.before.blocks, c.after.blocks)).collect();
        let expected = [
            (ParameterClass::None, 1, 3.0, 3.0),
            (ParameterClass::Normal, 2, 13.0, 5.0),
            (ParameterClass::Heavy, 1, 100.0, 800.0),
        ];
        assert_eq!(blocks, expected);
        assert!(both(before[1..3].to_vec(), before[1..3].to_vec()).classes.is_empty());
    }

    fn limited(found: u64, blocks: u64) -> CountedSet {
        CountedSet { rows_found: [("p".to_owned(), found)].into(), ..set(20, blocks, "a") }
    }

    #[test]
    fn under_a_limit_sets_are_told_apart_by_what_a_scan_finds() {
        // A sort reads all that is found before; after, an index gives the first twenty.
        let all: Vec<_> = [(30, 6), (40, 7), (900, 200)].map(|(found, blocks)| limited(found, blocks)).into();
        let first = vec![limited(20, 4); 3];
        let improved = both(all.clone(), first.clone());
        let by = Measure::FoundBefore("p".to_owned());
        assert_eq!(improved.cheaper.unwrap().apart, Some(Apart { by, sets: (900, 900), others: (30, 40) }));
        let classes: Vec<_> = improved.classes.iter().map(|c| (c.class, c.sets, c.executed, c.rows_min)).collect();
        assert_eq!(classes, [(ParameterClass::Normal, 2, 2, 30), (ParameterClass::Heavy, 1, 1, 900)]);
        let by = Measure::FoundAfter("p".to_owned());
        let worse = both(first, all).dearer.unwrap();
        assert_eq!(worse.apart, Some(Apart { by, sets: (900, 900), others: (30, 40) }));
    }

    #[test]
    fn sets_that_find_little_are_told_too_and_a_small_difference_is_not() {
        // The wrong index for an order: few rows mean a long way to the twentieth.
        let before = vec![limited(3, 10), limited(400, 10), limited(500, 10)];
        let after = vec![limited(3, 900), limited(400, 10), limited(500, 10)];
        let apart = both(before, after).dearer.unwrap().apart;
        assert_eq!(apart.map(|apart| (apart.sets, apart.others)), Some(((3, 3), (400, 500))));
        let before = vec![limited(16, 10), limited(17, 10)];
        let after = vec![limited(16, 10), limited(17, 80)];
        assert_eq!(both(before, after).dearer.unwrap().apart, None);
        // A scan that not every set has says nothing.
        let before = vec![set(20, 10, "a"), limited(900, 10)];
        let after = vec![set(20, 10, "a"), limited(900, 80)];
        assert_eq!(both(before, after).dearer.unwrap().apart, None);
    }

    #[test]
    fn a_set_that_stands_for_others_weighs_as_much_as_they() {
        let standing =
            |rows: u64, blocks: u64, sets: u32| CountedSet { stands_for: Some((sets, 1)), ..set(rows, blocks, "a") };
        let before = vec![standing(3, 10, 124), standing(4, 10, 124), standing(900, 100, 4), standing(900, 100, 4)];
        let mut after = before.clone();
        after[2].blocks_hit = 800;
        after[3].blocks_hit = 800;
        let found = both(before, after);
        let dearer = found.dearer.unwrap();
        assert_eq!((found.sets, found.executed, dearer.sets, dearer.executed), (256, 4, 8, 2));
        let means = (found.before.blocks, found.after.blocks);
        assert_eq!(means, ((248.0 * 10.0 + 800.0) / 256.0, (248.0 * 10.0 + 6400.0) / 256.0));
        // Half of the executed sets are heavy; what is usual is shown by those for which the others stand.
        let classes: Vec<_> = found.classes.iter().map(|c| (c.class, c.sets, c.executed)).collect();
        assert_eq!(classes, [(ParameterClass::Normal, 248, 2), (ParameterClass::Heavy, 8, 2)]);
    }
}
