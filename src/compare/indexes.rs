//! Index usage deltas: what is new, lost, changed, or used differently. Must match by name, never by OID.

use serde::Serialize;

use crate::evidence::{Evidence, IndexUse, Side};

/// One index on both sides.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexComparison {
    /// Schema-qualified name.
    pub name: String,
    /// What the migration did to it.
    pub fate: Fate,
    /// Use before; absent when it is new.
    pub before: Option<IndexUse>,
    /// Use after; absent when it is lost.
    pub after: Option<IndexUse>,
    /// Operations of the mix that were answered while its use before was counted: what to divide it by.
    pub operations_before: u64,
    /// The same after.
    pub operations_after: u64,
    /// Actions whose plans name it before.
    pub used_by_before: Vec<String>,
    /// Actions whose plans name it after.
    pub used_by_after: Vec<String>,
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

/// Every index that is new, lost or changed, and every kept one whose scans differ; by name.
#[must_use]
pub fn compare_all(evidence: &Evidence) -> Vec<IndexComparison> {
    let (Some(before), Some(after)) = (evidence.counters.get(&Side::Before), evidence.counters.get(&Side::After))
    else {
        return Vec::new();
    };
    if before.reset || after.reset {
        return Vec::new();
    }
    let operations = [Side::Before, Side::After].map(|side| operations(evidence, side));
    let names: std::collections::BTreeSet<&String> = before.indexes.keys().chain(after.indexes.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (before.indexes.get(name), after.indexes.get(name));
            let fate = fate(old, new, operations)?;
            Some(IndexComparison {
                name: name.clone(),
                fate,
                before: old.cloned(),
                after: new.cloned(),
                operations_before: operations[0],
                operations_after: operations[1],
                used_by_before: users(evidence, Side::Before, name),
                used_by_after: users(evidence, Side::After, name),
            })
        })
        .collect()
}

/// Operations answered while a side was counted; before format 4 those of its chunks.
fn operations(evidence: &Evidence, side: Side) -> u64 {
    let of_chunks = || {
        let sides = evidence.chunks.iter().filter_map(|chunk| chunk.sides.get(&side));
        sides.flat_map(|side| &side.actions).map(|counts| counts.ok).sum()
    };
    evidence.counters.get(&side).and_then(|counters| counters.operations).unwrap_or_else(of_chunks)
}

/// `None` for a kept index that is used alike by as many operations.
fn fate(old: Option<&IndexUse>, new: Option<&IndexUse>, [before, after]: [u64; 2]) -> Option<Fate> {
    match (old, new) {
        (None, Some(_)) => Some(Fate::New),
        (Some(_), None) => Some(Fate::Lost),
        (Some(old), Some(new)) if old.definition != new.definition => Some(Fate::Changed),
        (Some(old), Some(new)) => {
            let (old, new) = (old.scans as f64 * after as f64 / before.max(1) as f64, new.scans as f64);
            let differs = (old.max(new) * SAME_USE).max(10.0) < (old - new).abs();
            differs.then_some(Fate::Kept)
        }
        (None, None) => None,
    }
}

/// Plans name an index without its schema.
fn users(evidence: &Evidence, side: Side, index: &str) -> Vec<String> {
    let bare = index.split_once('.').map_or(index, |(_, bare)| bare);
    let Some(plans) = evidence.plans.get(&side) else { return Vec::new() };
    let actions = evidence.actions.iter().zip(plans);
    actions.filter(|(_, plan)| plan.indexes.iter().any(|i| i == bare)).map(|(action, _)| action.name.clone()).collect()
}
