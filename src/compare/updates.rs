//! Updates that an index takes out of place: HOT before and not after, or the reverse. Must rest on what was counted,
//! not on a load.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::evidence::{CountedAction, Evidence, RoomyCost, Side};

/// An action whose updates of a table are heap-only (HOT) in another share than before, in pages with room for another
/// version.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HotChange {
    /// The table.
    pub table: String,
    /// The action.
    pub action: String,
    /// Rows that were updated before, and of those HOT.
    pub before: (u64, u64),
    /// The same after.
    pub after: (u64, u64),
    /// Indexes of one side alone that hold a column the updates change, each with those columns.
    pub holders: BTreeMap<String, BTreeSet<String>>,
    /// Means of an operation in such pages before; absent where it was not counted.
    pub cost_before: Option<RoomyMeans>,
    /// The same after.
    pub cost_after: Option<RoomyMeans>,
}

/// Means of an operation in pages with room.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomyMeans {
    /// Blocks touched.
    pub blocks: f64,
    /// Bytes of WAL.
    pub wal_bytes: f64,
}

impl HotChange {
    /// Whether fewer updates are HOT.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        share(self.after) < share(self.before)
    }
}

fn share((updated, hot): (u64, u64)) -> f64 {
    hot as f64 / updated.max(1) as f64
}

/// Shares that differ by less are the same: a page fills up now and then.
const SAME_SHARE: f64 = 0.25;

/// Every action and table whose share moved, and moved from the control's too.
pub(super) fn hot_changes(evidence: &Evidence) -> Vec<HotChange> {
    let of = |side: Side, action: usize| evidence.counts.get(&side)?.get(action);
    let mut changes = Vec::new();
    for (position, facts) in evidence.actions.iter().enumerate() {
        let (Some(before), Some(control), Some(after)) =
            (of(Side::Before, position), of(Side::Control, position), of(Side::After, position))
        else {
            continue;
        };
        for (table, old) in &before.updates {
            let Some(new) = after.updates.get(table) else { continue };
            let (old_rows, new_rows) = ((old.updated, old.hot), (new.updated, new.hot));
            let known = control.updates.get(table).map_or(old_rows, |same| (same.updated, same.hot));
            let moved = |rows: (u64, u64)| (share(rows) - share(new_rows)).abs() > SAME_SHARE;
            if old.updated == 0 || new.updated == 0 || !moved(old_rows) || !moved(known) {
                continue;
            }
            let (these, those) = if share(new_rows) < share(old_rows) {
                (&new.holders, &old.holders)
            } else {
                (&old.holders, &new.holders)
            };
            let holders = these.iter().filter(|(index, _)| !those.contains_key(*index));
            changes.push(HotChange {
                table: table.clone(),
                action: facts.name.clone(),
                before: old_rows,
                after: new_rows,
                holders: holders.map(|(index, columns)| (index.clone(), columns.clone())).collect(),
                cost_before: means(before),
                cost_after: means(after),
            });
        }
    }
    changes
}

fn means(action: &CountedAction) -> Option<RoomyMeans> {
    let RoomyCost { sets, blocks, wal_bytes } = action.roomy.filter(|cost| cost.sets > 0)?;
    let mean = |sum: u64| sum as f64 / f64::from(sets);
    Some(RoomyMeans { blocks: mean(blocks), wal_bytes: mean(wal_bytes) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::saved;
    use super::*;
    use crate::evidence::RoomyUpdates;

    #[test]
    fn an_index_on_an_updated_column_is_named_and_what_the_control_does_too_is_not() {
        let updates = |hot: u64, index: Option<&str>| RoomyUpdates {
            updated: 4,
            hot,
            holders: index.map(|name| (name.to_owned(), ["tokens".to_owned()].into())).into_iter().collect(),
        };
        let changes = |[before, control, after]: [RoomyUpdates; 3]| {
            let mut evidence = saved();
            for (side, of) in Side::ALL.into_iter().zip([before, control, after]) {
                let counted = &mut evidence.counts.get_mut(&side).unwrap()[0];
                counted.updates = [("t".to_owned(), of)].into();
                counted.roomy = Some(RoomyCost { sets: 2, blocks: 12, wal_bytes: 300 });
            }
            hot_changes(&evidence)
        };
        let lost = changes([updates(4, None), updates(4, None), updates(0, Some("i"))]);
        assert_eq!(lost.len(), 1);
        assert!(lost[0].is_lost() && lost[0].holders["i"].contains("tokens"));
        assert_eq!(lost[0].cost_after, Some(RoomyMeans { blocks: 6.0, wal_bytes: 150.0 }));
        let gained = changes([updates(0, Some("i")), updates(0, Some("i")), updates(4, None)]);
        assert!(!gained[0].is_lost() && gained[0].holders.contains_key("i"));
        assert!(changes([updates(4, None), updates(0, None), updates(0, None)]).is_empty());
        assert!(changes([updates(4, None), updates(4, None), updates(3, None)]).is_empty());
    }
}
