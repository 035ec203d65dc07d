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
    let names: std::collections::BTreeSet<&String> = before.indexes.keys().chain(after.indexes.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (before.indexes.get(name), after.indexes.get(name));
            let fate = fate(old, new)?;
            Some(IndexComparison {
                name: name.clone(),
                fate,
                before: old.cloned(),
                after: new.cloned(),
                used_by_before: users(evidence, Side::Before, name),
                used_by_after: users(evidence, Side::After, name),
            })
        })
        .collect()
}

/// `None` for a kept index that is used alike.
fn fate(old: Option<&IndexUse>, new: Option<&IndexUse>) -> Option<Fate> {
    match (old, new) {
        (None, Some(_)) => Some(Fate::New),
        (Some(_), None) => Some(Fate::Lost),
        (Some(old), Some(new)) if old.definition != new.definition => Some(Fate::Changed),
        (Some(old), Some(new)) => {
            let larger = old.scans.max(new.scans) as f64;
            let differs = (larger * SAME_USE).max(10.0) < (old.scans - new.scans).abs() as f64;
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
