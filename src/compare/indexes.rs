//! Index usage deltas: what is new, lost, changed, or kept and used. Must match by name, never by OID.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::bare;
use super::{ActionComparison, Change};
use crate::evidence::{Evidence, IndexUse, Side, SideCounters};
use crate::sql::{Command, Script};

/// One index on both sides.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexComparison {
    /// Schema-qualified name.
    pub name: String,
    /// Of the index of a partitioned table: how many of them have a part of it, with the migration if it is there
    /// then. Its figures are those of all parts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// What the migration did to it.
    pub fate: Fate,
    /// It is kept, by as many scans and the same actions.
    pub unchanged: bool,
    /// Use before; absent when it is new.
    pub before: Option<IndexUse>,
    /// Use after; absent when it is lost.
    pub after: Option<IndexUse>,
    /// Operations of the mix that were answered while its use before was counted: what to divide it by.
    pub operations_before: u64,
    /// The same after.
    pub operations_after: u64,
    /// How long the migration took to build it, in milliseconds; absent where no statement of the migration names it.
    pub build_ms: Option<f64>,
    /// What it does to actions that write to its table, where the migration made, dropped or changed it.
    pub writes: Vec<WriteEffect>,
    /// Other indexes of its table that the migration made, dropped or changed too: the effect on writes is that of all
    /// together.
    pub together_with: Vec<String>,
    /// Actions whose plans name it before.
    pub used_by_before: Vec<String>,
    /// Actions whose plans name it after.
    pub used_by_after: Vec<String>,
}

/// What a change of indexes does to an action that writes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WriteEffect {
    /// The action.
    pub action: String,
    /// Bytes of WAL of one operation before, without full-page images.
    pub wal_bytes_before: f64,
    /// The same after.
    pub wal_bytes_after: f64,
    /// Change of its median latency; absent below eight chunks.
    pub p50: Option<Change>,
}

/// What a migration did to an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Only after.
    New,
    /// Only before.
    Lost,
    /// Another definition under the same name.
    Changed,
    /// The same on both sides.
    Kept,
}

/// Scans that differ by less than this share of the larger count are the same use.
const SAME_USE: f64 = 0.02;

/// Every index that is new, lost or changed, and every kept one that is scanned or that an action's plan names, on
/// either side; by name.
#[must_use]
pub fn compare_all(evidence: &Evidence, actions: &[ActionComparison]) -> Vec<IndexComparison> {
    let (Some(before), Some(after)) = (evidence.counters.get(&Side::Before), evidence.counters.get(&Side::After))
    else {
        return Vec::new();
    };
    if before.reset || after.reset {
        return Vec::new();
    }
    let operations = [Side::Before, Side::After].map(|side| operations(evidence, side));
    let loaded = evidence.design.chunks_planned != 0;
    let (before, after) = (listed(evidence, Side::Before, before), listed(evidence, Side::After, after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found: Vec<IndexComparison> = names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (before.get(name), after.get(name));
            let users = [(Side::Before, old), (Side::After, new)].map(|(side, of)| users(evidence, side, of));
            let parts = new.or(old).and_then(|listed| listed.parts.as_ref()).map(|parts| parts.len() as u32);
            let (old, new) = (old.map(|listed| &listed.used), new.map(|listed| &listed.used));
            let fate = fate(old, new)?;
            let scanned = [old, new].into_iter().flatten().any(|index| 0 < index.scans);
            if fate == Fate::Kept && !scanned && users.iter().all(Vec::is_empty) {
                return None;
            }
            let same_use = users[0] == users[1] && (!loaded || scanned_equally(old, new, operations));
            let [used_by_before, used_by_after] = users;
            Some(IndexComparison {
                name: name.clone(),
                parts,
                fate,
                unchanged: fate == Fate::Kept && same_use,
                before: old.cloned(),
                after: new.cloned(),
                operations_before: operations[0],
                operations_after: operations[1],
                used_by_before,
                used_by_after,
                // Without a load everything is the same from run to run.
                build_ms: new.filter(|_| loaded).and_then(|_| build_ms(evidence, name)),
                writes: Vec::new(),
                together_with: Vec::new(),
            })
        })
        .collect();
    let touched: Vec<(String, String)> = found.iter().filter(|i| i.fate != Fate::Kept).map(named).collect();
    for index in found.iter_mut().filter(|index| index.fate != Fate::Kept) {
        let (name, table) = named(index);
        let others = touched.iter().filter(|(other, of)| *of == table && *other != name);
        index.together_with = others.map(|(other, _)| other.clone()).collect();
        index.writes = writes(evidence, actions, bare(&table));
    }
    found
}

/// An index and its table.
fn named(index: &IndexComparison) -> (String, String) {
    let used = index.after.as_ref().or(index.before.as_ref());
    (index.name.clone(), used.map(|used| used.table.clone()).unwrap_or_default())
}

/// What became of the actions that write to a table.
fn writes(evidence: &Evidence, actions: &[ActionComparison], table: &str) -> Vec<WriteEffect> {
    let on_table = |position: usize| {
        let counted = evidence.counts.get(&Side::After).and_then(|counted| counted.get(position));
        let node = format!("ModifyTable {table}");
        let mut nodes =
            counted.into_iter().flat_map(|counted| &counted.plans).flat_map(|plan| plan.shape.split(['(', ')', ',']));
        nodes.any(|found| found.trim() == node)
    };
    let written = actions.iter().enumerate().filter(|(position, _)| on_table(*position));
    let effects = written.filter_map(|(_, action)| {
        let counts = action.counts.as_ref()?;
        Some(WriteEffect {
            action: action.name.clone(),
            wal_bytes_before: counts.before.wal_bytes,
            wal_bytes_after: counts.after.wal_bytes,
            p50: action.p50.as_ref().and_then(|metric| metric.change),
        })
    });
    effects.collect()
}

/// The time of the statement that creates an index of this name.
fn build_ms(evidence: &Evidence, index: &str) -> Option<f64> {
    let creates = |sql: &str| {
        let commands = Script::parse(sql).commands();
        let mut names = commands.filter_map(|command| match command {
            Command::CreateIndex(index) => index.name,
            _ => None,
        });
        names.any(|name| name == bare(index))
    };
    evidence.migration.statements.iter().find(|statement| creates(&statement.sql)).map(|found| found.duration_ms)
}

/// Operations answered while a side was counted; before format 4 those of its chunks.
fn operations(evidence: &Evidence, side: Side) -> u64 {
    let of_chunks = || {
        let sides = evidence.chunks.iter().filter_map(|chunk| chunk.sides.get(&side));
        sides.flat_map(|side| &side.actions).map(|counts| counts.ok).sum()
    };
    evidence.counters.get(&side).and_then(|counters| counters.operations).unwrap_or_else(of_chunks)
}

/// Names of indexes that are there before and after and have another definition, as plans write them: without a schema.
/// Where another schema has one of that name that is not, a plan does not say which it means, and neither is reported.
pub(super) fn redefined(evidence: &Evidence) -> BTreeSet<String> {
    let of = |side: Side| evidence.advice.get(&side).map(|advice| &advice.structures);
    let (Some(before), Some(after)) = (of(Side::Before), of(Side::After)) else { return BTreeSet::new() };
    // The name of an index may hold a dot; that of its schema hardly ever does.
    let own = |name: &str| name.split_once('.').map_or(name, |(_, own)| own).to_owned();
    let kept = before.iter().filter_map(|(name, old)| Some((own(name), after.get(name)? != old)));
    let (changed, unchanged): (Vec<_>, Vec<_>) = kept.partition(|(_, changed)| *changed);
    let unchanged: BTreeSet<String> = unchanged.into_iter().map(|(name, _)| name).collect();
    changed.into_iter().map(|(name, _)| name).filter(|name| !unchanged.contains(name)).collect()
}

fn fate(old: Option<&IndexUse>, new: Option<&IndexUse>) -> Option<Fate> {
    match (old, new) {
        (None, Some(_)) => Some(Fate::New),
        (Some(_), None) => Some(Fate::Lost),
        (Some(old), Some(new)) if old.definition != new.definition => Some(Fate::Changed),
        (Some(_), Some(_)) => Some(Fate::Kept),
        (None, None) => None,
    }
}

/// Whether as many operations scan an index as often.
fn scanned_equally(old: Option<&IndexUse>, new: Option<&IndexUse>, [before, after]: [u64; 2]) -> bool {
    let scans = |index: Option<&IndexUse>| index.map_or(0, |index| index.scans) as f64;
    let (old, new) = (scans(old) * after as f64 / before.max(1) as f64, scans(new));
    (old - new).abs() <= (old.max(new) * SAME_USE).max(10.0)
}

/// An index of a side as it is listed.
struct Listed {
    used: IndexUse,
    /// Its name as plans have it: without a schema.
    name: String,
    /// The same of its parts, where its table is in partitions.
    parts: Option<Vec<String>>,
}

/// The indexes of a side. The parts of the index of a partitioned table are added up under its name.
fn listed(evidence: &Evidence, side: Side, counters: &SideCounters) -> BTreeMap<String, Listed> {
    let advice = evidence.advice.get(&side);
    let wholes = advice.into_iter().flat_map(|advice| &advice.partitioned);
    let mut listed: BTreeMap<String, Listed> = wholes
        .map(|(name, whole)| {
            let valid = !advice.is_some_and(|advice| advice.invalid.contains(name));
            let (definition, table) = (whole.definition.clone(), whole.table.clone());
            let used = IndexUse { definition, table, valid, ..IndexUse::default() };
            (name.clone(), Listed { used, name: bare(name).to_owned(), parts: Some(Vec::new()) })
        })
        .collect();
    for (name, used) in &counters.indexes {
        let own = bare(name).to_owned();
        match used.part_of.as_ref().and_then(|whole| listed.get_mut(whole)) {
            Some(Listed { used: sum, parts: Some(parts), .. }) => {
                parts.push(own);
                add(sum, used);
            }
            _ => drop(listed.insert(name.clone(), Listed { used: used.clone(), name: own, parts: None })),
        }
    }
    listed
}

/// Adds a part to the index of the whole table.
fn add(sum: &mut IndexUse, part: &IndexUse) {
    sum.unique |= part.unique;
    sum.scans += part.scans;
    sum.tuples_read += part.tuples_read;
    sum.tuples_fetched += part.tuples_fetched;
    sum.blocks_read += part.blocks_read;
    sum.blocks_hit += part.blocks_hit;
    sum.size_bytes += part.size_bytes;
    let cached = sum.cached_blocks.unwrap_or_default();
    sum.cached_blocks = part.cached_blocks.map(|blocks| cached + blocks);
}

/// Actions whose plans name an index, or a part of it.
fn users(evidence: &Evidence, side: Side, index: Option<&Listed>) -> Vec<String> {
    let (Some(index), Some(plans)) = (index, evidence.plans.get(&side)) else { return Vec::new() };
    let is_named = |name: &String| *name == index.name || index.parts.as_ref().is_some_and(|p| p.contains(name));
    let actions = evidence.actions.iter().zip(plans);
    actions.filter(|(_, plan)| plan.indexes.iter().any(is_named)).map(|(action, _)| action.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::conditions::tests::evidence;
    use super::*;

    #[test]
    fn an_index_is_redefined_where_it_is_made_otherwise_under_the_only_name_there_is() {
        let mut evidence = evidence(|_, _, _| {});
        let mut made = |side: Side, of: &[(&str, &str)]| {
            let structures = of.iter().map(|(name, made)| ((*name).to_owned(), (*made).to_owned())).collect();
            evidence.advice.insert(side, crate::evidence::IndexAdvice { structures, ..Default::default() });
        };
        let same = [("public.kept", "btree 1"), ("b.twice", "btree 1")];
        made(
            Side::Before,
            &[&same[..], &[("public.other", "btree 1"), ("a.twice", "btree 1"), ("public.gone", "hash 1")]].concat(),
        );
        made(Side::After, &[&same[..], &[("public.other", "btree 1 2"), ("a.twice", "btree 2")]].concat());
        assert_eq!(redefined(&evidence), ["other".to_owned()].into());
        evidence.advice.clear();
        assert_eq!(redefined(&evidence), BTreeSet::new(), "before format 6 nobody knows");
    }
}
