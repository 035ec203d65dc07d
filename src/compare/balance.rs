//! What a migration does to indexes beside making queries faster or slower. Must tell what the migration changed from
//! what was so before it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ActionComparison;
use super::bare;
use super::candidates::{Facts, candidates};
use super::counts::MIN_BLOCKS;
use super::fact::{Fact, UnusedSince};
use super::finding::{Finding, Remedy, Severity};
use super::parameters::Moved;
use super::updates::{HotChange, hot_changes};
use crate::evidence::{Evidence, Hypothetical, IndexAdvice, MissingPart, Side, TableUse};

/// Debts and gains of a migration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// Indexes another one can stand in for now and could not before, with that one.
    pub made_redundant: Vec<(String, String)>,
    /// Indexes plans used before and none uses after, though they are still there, unless they enforce something.
    pub no_longer_used: Vec<String>,
    /// Foreign keys that have lost the index that led to them, or came without one.
    pub unindexed: Vec<String>,
    /// Foreign keys that no index led to before the migration either.
    pub unindexed_before: Vec<String>,
    /// Indexes the migration left invalid.
    pub invalid: Vec<InvalidIndex>,
    /// Indexes that were invalid before it.
    pub invalid_before: Vec<InvalidIndex>,
    /// Indexes that are used, with one that could stand in for them and that no action uses: one of the two is enough.
    pub overlapping: Vec<(String, String)>,
    /// Indexes some action needs, with the action that needs it most; empty where no index was hidden.
    pub needed: Vec<Needed>,
    /// Indexes hidden without any action noticing, of the sets that were asked.
    pub not_needed: Vec<String>,
    /// Indexes of which that is not known, for an action could not be asked.
    pub not_told: Vec<String>,
    /// Indexes that no action uses, with the migration or without it, and that enforce nothing: of this mix, on this
    /// server.
    pub unused: Vec<String>,
    /// Indexes another one could stand in for before the migration too, with that one.
    pub redundant: Vec<(String, String)>,
    /// Indexes that are not there and that actions would use, as the planner says.
    pub wanted: Vec<Hypothetical>,
    /// Indexes that are new, or of another definition, and that no action's plan names; those that enforce something or
    /// lead a foreign key that had none are left out. What triggers and functions do is in no plan.
    pub new_unused: Vec<String>,
    /// Tables whose updates changed between in place and not, under load.
    pub hot_updates: Vec<HotUpdates>,
    /// Actions whose updates changed between HOT and not, as single operations show.
    pub hot_changes: Vec<HotChange>,
}

/// An index that serves no query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InvalidIndex {
    /// The index.
    pub index: String,
    /// Of the index of a partitioned table: it has no build of its own, its parts have.
    pub partitioned: bool,
    /// The partitions that it lacks a valid part for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
}

/// What an index is worth to the action that needs it most.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// The index.
    pub index: String,
    /// The action.
    pub action: String,
    /// Mean blocks of its operations with the index.
    pub blocks: f64,
    /// Mean blocks of its operations without; absent where the server refused one without it.
    pub blocks_without: Option<f64>,
}

/// Heap-only updates of a table: they touch no index.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HotUpdates {
    /// The table.
    pub table: String,
    /// Share of its updates that were in place before, from 0 to 1.
    pub share_before: f64,
    /// The same after.
    pub share_after: f64,
}

/// Shares of in-place updates that differ by less than this are the same, as are those that differ by no more than two
/// standard errors or the sides without the migration do.
const SAME_SHARE: f64 = 0.05;

/// Fewer updates than this say nothing about a share.
const FEWEST_UPDATES: i64 = 50;

/// What the evidence says of indexes and updates in place.
#[must_use]
pub fn balance(evidence: &Evidence) -> Balance {
    let none = IndexAdvice::default();
    let advice = |side: Side| evidence.advice.get(&side).unwrap_or(&none);
    let (before, after) = (advice(Side::Before), advice(Side::After));
    let known: BTreeSet<&String> = before.redundant.iter().map(|(index, _)| index).collect();
    let (needed, not_needed, not_told) = needed(evidence);
    let (unindexed, unindexed_before) = apart(&before.unindexed, &after.unindexed);
    let (invalid, invalid_before) = apart(&before.invalid, &after.invalid);
    let invalid_index = |index: String| {
        let whole = after.partitioned.get(&index);
        let missing = whole.map(|whole| whole.missing.clone()).unwrap_or_default();
        InvalidIndex { partitioned: whole.is_some(), missing, index }
    };
    let advice = candidates(&Facts {
        redundant: &after.redundant,
        keys: &after.keys,
        invalid: &after.invalid,
        needed: needed.iter().map(|needed| needed.index.clone()).collect(),
        not_needed,
        no_longer_used: no_longer_used(evidence),
        unused: unused(evidence),
    });
    let (redundant, made_redundant) = advice.redundant.into_iter().partition(|(index, _)| known.contains(index));
    Balance {
        needed,
        not_needed: advice.not_needed,
        not_told,
        made_redundant,
        no_longer_used: advice.no_longer_used,
        unused: advice.unused,
        redundant,
        overlapping: advice.overlapping,
        wanted: evidence.hypothetical.clone(),
        unindexed,
        unindexed_before,
        invalid: invalid.into_iter().map(invalid_index).collect(),
        invalid_before: invalid_before.into_iter().map(invalid_index).collect(),
        new_unused: new_unused(evidence),
        hot_updates: hot_updates(evidence),
        hot_changes: hot_changes(evidence),
    }
}

/// Names of `after` that are new, and those that `before` has too.
fn apart(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    after.iter().cloned().partition(|name| !before.contains(name))
}

/// An action notices a hidden index when it touches at least [`MIN_BLOCKS`] blocks more, and a tenth more, without it.
fn needed(evidence: &Evidence) -> (Vec<Needed>, Vec<String>, Vec<String>) {
    const NOTICED: f64 = 1.1;
    let (mut needed, mut not_needed, mut not_told) = (Vec::new(), Vec::new(), Vec::new());
    for ablated in &evidence.ablated {
        let costs = ablated.blocks.iter().zip(&ablated.blocks_without).zip(&evidence.actions);
        // What is refused only without the index, such as for its time, needs it most of all.
        let costs = costs.filter_map(|((with, without), action)| Some((with.as_ref()?, *without, action)));
        let noticed = costs.filter(|(with, without, _)| {
            without.is_none_or(|without| **with * NOTICED < without && **with + MIN_BLOCKS <= without)
        });
        let lost = |with: &f64, without: Option<f64>| without.map_or(f64::INFINITY, |without| without - with);
        match noticed.max_by(|(a, b, _), (c, d, _)| lost(a, *b).total_cmp(&lost(c, *d))) {
            Some((with, without, action)) => needed.push(Needed {
                index: ablated.index.clone(),
                action: action.name.clone(),
                blocks: *with,
                blocks_without: without,
            }),
            None if ablated.blocks.iter().any(Option::is_none) => not_told.push(ablated.index.clone()),
            None => not_needed.push(ablated.index.clone()),
        }
    }
    (needed, not_needed, not_told)
}

fn no_longer_used(evidence: &Evidence) -> Vec<String> {
    let (before, after) = (in_plans(evidence, Side::Before), in_plans(evidence, Side::After));
    let named = |plans: &BTreeSet<&str>, parts: &[&String]| parts.iter().any(|name| plans.contains(bare(name)));
    let gone = idle(evidence).into_iter().filter(|(_, parts)| named(&before, parts) && !named(&after, parts));
    gone.map(|(name, _)| name.clone()).collect()
}

fn unused(evidence: &Evidence) -> Vec<String> {
    let (before, after) = (in_plans(evidence, Side::Before), in_plans(evidence, Side::After));
    let known = evidence.counters.get(&Side::Before);
    // Scanned on neither side, for the mix may need it where the migration took another away; a new one has no other
    // side.
    let scanned =
        |name: &&String| known.and_then(|counters| counters.indexes.get(*name)).is_some_and(|index| 0 < index.scans);
    let named = |name: &&String| before.contains(bare(name)) || after.contains(bare(name));
    let idle = idle(evidence).into_iter().filter(|(_, parts)| !parts.iter().any(|part| scanned(part) || named(part)));
    idle.map(|(name, _)| name.clone()).collect()
}

/// Indexes of `after` alone, or redefined, that are in no plan.
fn new_unused(evidence: &Evidence) -> Vec<String> {
    let (Some(before), Some(after)) = (evidence.counters.get(&Side::Before), evidence.counters.get(&Side::After))
    else {
        return Vec::new();
    };
    let none = IndexAdvice::default();
    let advice = |side: Side| evidence.advice.get(&side).unwrap_or(&none);
    let plans = in_plans(evidence, Side::After);
    let is_new =
        |name: &str, definition: &str| before.indexes.get(name).is_none_or(|known| known.definition != definition);
    // A foreign key that had no index needs it when a parent goes.
    let leads_a_key = |table: &str| {
        let (old, now) = (&advice(Side::Before).unindexed, &advice(Side::After).unindexed);
        old.iter().any(|key| !now.contains(key) && key.split(" (").next() == Some(bare(table)))
    };
    let mut found: BTreeMap<&String, bool> = BTreeMap::new();
    for (name, index) in after.indexes.iter().filter(|(name, index)| is_new(name, &index.definition)) {
        let used = plans.contains(bare(name)) || index.unique || index.scans > 0 || leads_a_key(&index.table);
        *found.entry(index.part_of.as_ref().unwrap_or(name)).or_default() |= used;
    }
    found.into_iter().filter(|(_, used)| !used).map(|(name, _)| name.clone()).collect()
}

fn in_plans(evidence: &Evidence, side: Side) -> BTreeSet<&str> {
    let plans = evidence.plans.get(&side).into_iter().flatten();
    plans.flat_map(|plan| &plan.indexes).map(String::as_str).collect()
}

/// Indexes of `after` that enforce nothing and that the server did not scan during the trial, whatever the sampled
/// plans name, with their parts: the index of a partitioned table is that of all of them, of which the mix may
/// need the newest alone.
fn idle(evidence: &Evidence) -> BTreeMap<&String, Vec<&String>> {
    // Where nothing was driven, nothing was scanned for keys, triggers or functions either.
    let driven = evidence.design.chunks_planned != 0;
    let there = evidence.counters.get(&Side::After).filter(|_| driven).into_iter().flat_map(|there| &there.indexes);
    let mut idle: BTreeMap<&String, (bool, Vec<&String>)> = BTreeMap::new();
    for (name, index) in there {
        let (is_idle, parts) = idle.entry(index.part_of.as_ref().unwrap_or(name)).or_insert((true, Vec::new()));
        *is_idle &= !index.unique && index.scans == 0;
        parts.push(name);
    }
    idle.into_iter().filter(|(_, (is_idle, _))| *is_idle).map(|(name, (_, parts))| (name, parts)).collect()
}

fn hot_updates(evidence: &Evidence) -> Vec<HotUpdates> {
    let (Some(before), Some(after)) = (evidence.counters.get(&Side::Before), evidence.counters.get(&Side::After))
    else {
        return Vec::new();
    };
    let control = evidence.counters.get(&Side::Control);
    let share =
        |table: &TableUse| (FEWEST_UPDATES <= table.updated).then(|| table.updated_hot as f64 / table.updated as f64);
    // The variance of a share of this many updates.
    let variance = |share: f64, table: &TableUse| share * (1.0 - share) / table.updated as f64;
    let tables = before.tables.iter().filter_map(|(name, before)| {
        let after = after.tables.get(name)?;
        let (old, new) = (share(before)?, share(after)?);
        let chance = 2.0 * (variance(old, before) + variance(new, after)).sqrt();
        let noise = control.and_then(|control| share(control.tables.get(name)?)).map_or(0.0, |same| (old - same).abs());
        let moved = SAME_SHARE.max(chance).max(noise) < (old - new).abs();
        moved.then(|| HotUpdates { table: name.clone(), share_before: old, share_after: new })
    });
    tables.collect()
}

/// Actions of which some sets of parameters have another plan than the others of their action.
pub(super) fn plan_flips(actions: &[ActionComparison]) -> Vec<Finding> {
    let flip = |action: &ActionComparison| {
        let counts = action.counts.as_ref()?;
        let Moved { sets, plan_before, plan_after, .. } = counts.flipped.clone()?;
        let fact = Fact::PlanFlip { sets, sets_in_all: counts.sets, plan_before, plan_after };
        Some(Finding::new(Severity::Note, fact).of(&action.name))
    };
    actions.iter().filter_map(flip).collect()
}

/// What the migration does to indexes and updates, and what was so before, as findings.
pub(super) fn findings(evidence: &Evidence, balance: &Balance) -> Vec<Finding> {
    let note = |fact| Finding::new(Severity::Note, fact);
    let drop_of = |index: &str| Remedy::RunSql { sql: format!("DROP INDEX CONCURRENTLY {}", bare(index)) };
    let mut found = Vec::new();
    for (pairs, is_new) in [(&balance.made_redundant, true), (&balance.redundant, false)] {
        found.extend(pairs.iter().map(|(index, by)| {
            let fact = Fact::RedundantIndex { index: index.clone(), by: by.clone(), is_new };
            note(fact).on(index).remedy(drop_of(index))
        }));
    }
    found.extend(
        balance
            .overlapping
            .iter()
            .map(|(index, by)| note(Fact::OverlappingIndex { index: index.clone(), by: by.clone() }).on(index)),
    );
    for (keys, is_new) in [(&balance.unindexed, true), (&balance.unindexed_before, false)] {
        found.extend(keys.iter().map(|key| note(Fact::UnindexedForeignKey { key: key.clone(), is_new }).on(key)));
    }
    for (all, is_new) in [(&balance.invalid, true), (&balance.invalid_before, false)] {
        found.extend(all.iter().map(|of| invalid_finding(of, is_new)));
    }
    for (names, since) in [
        (&balance.no_longer_used, UnusedSince::Migration),
        (&balance.new_unused, UnusedSince::Made),
        (&balance.unused, UnusedSince::Always),
    ] {
        found.extend(names.iter().map(|name| note(Fact::UnusedIndex { index: name.clone(), since }).on(name)));
    }
    found.extend(balance.wanted.iter().map(|Hypothetical { index, action, cost, cost_with }| {
        note(Fact::IndexWanted { index: index.clone(), cost: *cost, cost_with: *cost_with }).of(action).on(index)
    }));
    found.extend(balance.hot_changes.iter().map(|change| {
        let (change, table, action) = (change.clone(), &change.table, &change.action);
        let fact = if change.is_lost() { Fact::HotUpdatesLost { change } } else { Fact::HotUpdatesWon { change } };
        note(fact).of(action).on(table)
    }));
    let tables = evidence.migration.rewritten.clone();
    if let Some(first) = tables.first().cloned() {
        found.push(note(Fact::RowsRewritten { tables }).on(&first));
    }
    found
}

fn invalid_finding(of: &InvalidIndex, is_new: bool) -> Finding {
    let InvalidIndex { index, partitioned, missing } = of.clone();
    let name = bare(&of.index);
    let sql = format!("DROP INDEX CONCURRENTLY {name}; or REINDEX INDEX CONCURRENTLY {name}");
    let remedy = (!partitioned).then_some(Remedy::RunSql { sql });
    let fact = Fact::InvalidIndex { index, partitioned, missing, is_new };
    Finding { remedy, ..Finding::new(Severity::Note, fact).on(&of.index) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::saved;
    use super::*;
    use crate::evidence::{Ablated, IndexUse};

    #[test]
    fn an_index_is_needed_not_needed_or_that_is_not_known() {
        let mut evidence = saved();
        let hidden = |index: &str, blocks: [Option<f64>; 2], without: [Option<f64>; 2]| Ablated {
            index: index.to_owned(),
            sets: 8,
            blocks: blocks.into(),
            blocks_without: without.into(),
        };
        evidence.ablated = vec![
            hidden("needed", [Some(10.0), Some(3.0)], [Some(500.0), Some(3.0)]),
            hidden("refused", [Some(10.0), Some(3.0)], [Some(10.0), None]),
            hidden("idle", [Some(10.0), Some(3.0)], [Some(13.0), Some(3.0)]),
            hidden("unknown", [Some(10.0), None], [Some(10.0), None]),
        ];
        let balance = balance(&evidence);
        let needed: Vec<&str> = balance.needed.iter().map(|needed| &*needed.index).collect();
        assert_eq!(needed, ["needed", "refused"]);
        assert_eq!((balance.not_needed, balance.not_told), (vec!["idle".to_owned()], vec!["unknown".to_owned()]));
    }

    #[test]
    fn updates_in_place_that_moved_by_chance_are_no_news() {
        let moved = |[before, control, after]: [(i64, i64); 3]| {
            let mut evidence = saved();
            for (side, (updated, hot)) in Side::ALL.into_iter().zip([before, control, after]) {
                let table = TableUse { updated, updated_hot: hot, ..TableUse::default() };
                evidence.counters.entry(side).or_default().tables = [("t".to_owned(), table)].into();
            }
            hot_updates(&evidence).len()
        };
        assert_eq!(Side::ALL, [Side::Before, Side::Control, Side::After]);
        assert_eq!(moved([(1_000, 620), (1_000, 615), (1_000, 550)]), 1);
        assert_eq!(moved([(60, 37), (60, 37), (60, 33)]), 0, "sixty updates tell no seven points");
        assert_eq!(moved([(1_000, 620), (1_000, 540), (1_000, 550)]), 0, "the control moved as far");
        assert_eq!(moved([(40, 40), (40, 40), (40, 0)]), 0, "too few");
    }

    #[test]
    fn the_index_of_a_whole_is_unused_where_all_of_its_parts_are() {
        let unused = |scans: [i64; 2]| {
            let mut evidence = saved();
            let known = evidence.counters[&Side::After].indexes.values().next().unwrap().clone();
            for side in [Side::Before, Side::After] {
                let indexes = &mut evidence.counters.get_mut(&side).unwrap().indexes;
                for (name, scans) in ["public.old", "public.new"].into_iter().zip(scans) {
                    let part_of = Some("public.whole".to_owned());
                    indexes.insert(name.to_owned(), IndexUse { unique: false, scans, part_of, ..known.clone() });
                }
            }
            let unused = balance(&evidence).unused;
            assert!(!unused.iter().any(|name| ["public.old", "public.new"].contains(&name.as_str())), "{unused:?}");
            unused.contains(&"public.whole".to_owned())
        };
        assert!(unused([0, 0]) && !unused([0, 7]));
    }
}
