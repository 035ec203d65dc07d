//! Which sets of parameters an action treats in another way: the heavy ones, and those whose cost or plan moved. Must name no value of
//! a parameter: only how many rows they give or find.

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
    /// Sets of it.
    pub sets: u32,
    /// Fewest rows any of them gives, or finds where sets are told apart by that.
    pub rows_min: u64,
    /// Means of an operation before.
    pub before: Counts,
    /// Means of an operation after.
    pub after: Counts,
}

/// A kind of parameters, by the rows an operation gives before, or those that a scan of it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ParameterClass {
    /// It finds nothing.
    None,
    /// It finds what is usual.
    Normal,
    /// It finds at least [`HEAVY`] times the median of those that find something.
    Heavy,
}

/// Sets of parameters whose cost moved far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// How many, with those that were only planned and that they stand for.
    pub sets: u32,
    /// The farthest, blocks after over blocks before.
    pub factor: f64,
    /// What tells them from the others; absent where nothing does, or they are all.
    pub apart: Option<Apart>,
    /// The plans of the farthest before.
    pub plan_before: String,
    /// Its plans after.
    pub plan_after: String,
}

/// What tells sets from others: so many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// Which rows.
    pub by: Measure,
    /// Fewest of any of the sets.
    pub least: u64,
    /// Most of any of the others: fewer.
    pub most_of_others: u64,
}

/// Rows by which sets of parameters can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Rows returned or changed before.
    Rows,
    /// Rows found before by the scan that found most.
    RowsFoundBefore,
    /// The same after, where an index gives before no more than what is returned.
    RowsFoundAfter,
}

impl Measure {
    /// All, in the order they are tried.
    const ALL: [Self; 3] = [Self::Rows, Self::RowsFoundBefore, Self::RowsFoundAfter];

    fn of(self, (old, new): &(&CountedSet, &CountedSet)) -> u64 {
        match self {
            Self::Rows => old.rows,
            Self::RowsFoundBefore => old.rows_found,
            Self::RowsFoundAfter => new.rows_found,
        }
    }
}

/// Sets that give so many times the median of rows are heavy.
pub const HEAVY: f64 = 4.0;

/// The kinds of parameters, apart: by the rows they give, or where that tells fewer kinds (as under a `LIMIT`) by those a scan finds.
pub(super) fn classes(before: &[CountedSet], after: &[CountedSet]) -> Vec<ClassCounts> {
    let counted = before.iter().zip(after).filter(|(old, new)| old.failed.is_none() && new.failed.is_none());
    let counted: Vec<(&CountedSet, &CountedSet)> = counted.collect();
    let mut most = Vec::new();
    for measure in Measure::ALL {
        let classes = classes_by(measure, &counted);
        if most.len().max(1) < classes.len() {
            most = classes;
        }
    }
    most
}

fn classes_by(measure: Measure, counted: &[(&CountedSet, &CountedSet)]) -> Vec<ClassCounts> {
    let mut rows: Vec<u64> = counted.iter().map(|pair| measure.of(pair)).filter(|rows| 0 < *rows).collect();
    rows.sort_unstable();
    let median = rows.get(rows.len() / 2).copied().unwrap_or_default() as f64;
    let mut pairs: BTreeMap<ParameterClass, Vec<(&CountedSet, &CountedSet)>> = BTreeMap::new();
    for pair in counted {
        let class = match measure.of(pair) {
            0 => ParameterClass::None,
            rows if HEAVY * median <= rows as f64 => ParameterClass::Heavy,
            _ => ParameterClass::Normal,
        };
        pairs.entry(class).or_default().push(*pair);
    }
    let counts = pairs.into_iter().map(|(class, pairs)| {
        let rows_min = pairs.iter().map(|pair| measure.of(pair)).min().unwrap_or_default();
        let sets = rounded(pairs.iter().map(|(old, _)| old.weight()).sum());
        let (old, new): (Vec<&CountedSet>, Vec<&CountedSet>) = pairs.into_iter().unzip();
        ClassCounts { class, sets, rows_min, before: means(old), after: means(new) }
    });
    counts.collect()
}

/// The sets that are `far` from what they were.
pub(super) fn moved(
    [before, after]: [&CountedAction; 2],
    far: impl Fn(&CountedSet, &CountedSet) -> bool,
) -> Option<Moved> {
    let (moved, others): (Vec<_>, Vec<_>) = before.sets.iter().zip(&after.sets).partition(|(old, new)| far(old, new));
    let size = |(old, new): &&(&CountedSet, &CountedSet)| factor(old, new).ln().abs();
    let (old, new) = moved.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Moved {
        sets: rounded(moved.iter().map(|(old, _)| old.weight()).sum()),
        factor: factor(old, new),
        apart: apart(&moved, &others),
        plan_before: plan_text(before, old),
        plan_after: plan_text(after, new),
    })
}

/// Blocks after over blocks before.
pub(super) fn factor(old: &CountedSet, new: &CountedSet) -> f64 {
    new.blocks().max(1) as f64 / old.blocks().max(1) as f64
}

/// The plans of a set, as one line.
pub(super) fn plan_text(action: &CountedAction, set: &CountedSet) -> String {
    let shapes: Vec<&str> = set.plans.iter().map(|plan| action.plans[*plan as usize].shape.as_str()).collect();
    shapes.join("; ")
}

/// What the sets that moved have more of than every other.
fn apart(moved: &[(&CountedSet, &CountedSet)], others: &[(&CountedSet, &CountedSet)]) -> Option<Apart> {
    Measure::ALL.into_iter().find_map(|by| {
        let least = moved.iter().map(|pair| by.of(pair)).min()?;
        let most_of_others = others.iter().map(|pair| by.of(pair)).max()?;
        (most_of_others < least).then_some(Apart { by, least, most_of_others })
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
        let by_rows = Apart { by: Measure::Rows, least: 900, most_of_others: 5 };
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

    #[test]
    fn under_a_limit_sets_are_told_apart_by_what_a_scan_finds() {
        let limited = |found: u64, blocks: u64| CountedSet { rows_found: found, ..set(20, blocks, "a") };
        // A sort reads all that is found before; after, an index gives the first twenty.
        let all = |blocks: [u64; 3]| {
            [30, 40, 900].into_iter().zip(blocks).map(|(found, blocks)| limited(found, blocks)).collect()
        };
        let first = || vec![limited(20, 4), limited(20, 4), limited(20, 4)];
        let improved = both(all([6, 7, 200]), first());
        assert_eq!(
            improved.cheaper.unwrap().apart,
            Some(Apart { by: Measure::RowsFoundBefore, least: 900, most_of_others: 40 })
        );
        assert_eq!(
            improved.classes.iter().map(|c| (c.class, c.sets, c.rows_min)).collect::<Vec<_>>(),
            [(ParameterClass::Normal, 2, 30), (ParameterClass::Heavy, 1, 900)]
        );
        let worse = both(first(), all([6, 7, 200])).dearer.unwrap();
        assert_eq!(worse.apart, Some(Apart { by: Measure::RowsFoundAfter, least: 900, most_of_others: 40 }));
    }

    #[test]
    fn a_set_that_stands_for_others_weighs_as_much_as_they() {
        let standing =
            |rows: u64, blocks: u64, sets: f64| CountedSet { stands_for: Some(sets), ..set(rows, blocks, "a") };
        let before = vec![standing(3, 10, 124.0), standing(4, 10, 124.0), standing(900, 100, 8.0)];
        let mut after = before.clone();
        after[2].blocks_hit = 800;
        let found = both(before, after);
        assert_eq!((found.sets, found.executed, found.dearer.unwrap().sets), (256, 3, 8));
        assert_eq!(
            (found.before.blocks, found.after.blocks),
            ((248.0 * 10.0 + 800.0) / 256.0, (248.0 * 10.0 + 6400.0) / 256.0)
        );
    }
}
