//! How one plan differs from another, by kind: what a reviewer looks for first. Must not look at costs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::evidence::{AccessPath, PlanShape};

/// One difference between two plans.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlanChange {
    /// A relation is read whole that an index led to.
    IndexToSequential {
        /// Its alias.
        relation: String,
        /// The indexes no longer used.
        from: String,
    },
    /// An index leads to a relation that was read whole.
    SequentialToIndex {
        /// Its alias.
        relation: String,
        /// The indexes.
        to: String,
    },
    /// Another index leads to a relation.
    IndexChanged {
        /// Its alias.
        relation: String,
        /// The indexes before.
        from: String,
        /// The indexes after.
        to: String,
    },
    /// An index of the same name leads to a relation, and another definition.
    IndexRedefined {
        /// The relation's alias.
        relation: String,
        /// The index.
        index: String,
    },
    /// Another kind of scan: the same index without visiting the table, or a view or function in the table's place.
    ScanChanged {
        /// The relation's alias.
        relation: String,
        /// The scan before.
        from: String,
        /// The scan after.
        to: String,
    },
    /// A relation is read that was not, or one that was is not.
    Relations {
        /// Aliases only the plan before reads.
        from: String,
        /// Aliases only the plan after reads.
        to: String,
    },
    /// Joins are of other types.
    Joins {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// Rows are sorted that came in order.
    SortAdded,
    /// Rows come in order that were sorted.
    SortRemoved,
    /// Rows are grouped in another way.
    Aggregates {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// Other triggers fire, whose work no plan shows.
    Triggers {
        /// That fire before alone.
        from: String,
        /// That fire after alone.
        to: String,
    },
    /// Workers are planned.
    ParallelAdded,
    /// Workers are no longer planned.
    ParallelRemoved,
    /// The shape differs in something else.
    Other,
}

impl PlanChange {
    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::IndexToSequential { relation, from } => format!("{relation}: {from} → sequential scan"),
            Self::SequentialToIndex { relation, to } => format!("{relation}: sequential scan → {to}"),
            Self::IndexChanged { relation, from, to } => format!("{relation}: {from} → {to}"),
            Self::ScanChanged { relation, from, to } => format!("{relation}: {from} → {to}"),
            Self::IndexRedefined { relation, index } => {
                format!("{relation}: {index} → {index} as it is defined after")
            }
            Self::Relations { from, to } => format!("relations read: {} → {}", or_none(from), or_none(to)),
            Self::Joins { from, to } => format!("joins: {} → {}", or_none(from), or_none(to)),
            Self::SortAdded => "sort added".to_owned(),
            Self::SortRemoved => "sort removed".to_owned(),
            Self::Aggregates { from, to } => format!("aggregates: {} → {}", or_none(from), or_none(to)),
            Self::Triggers { from, to } => {
                format!(
                    "triggers and keys checked: {} → {}; their work is in no block count here",
                    or_none(from),
                    or_none(to)
                )
            }
            Self::ParallelAdded => "parallel workers added".to_owned(),
            Self::ParallelRemoved => "parallel workers removed".to_owned(),
            Self::Other => "another shape".to_owned(),
        }
    }
}

impl PlanChange {
    /// More triggers fire or keys are checked than before: another name is none more.
    #[must_use]
    pub fn fires_more(&self) -> bool {
        let count = |names: &str| names.split(", ").filter(|name| !name.is_empty()).count();
        matches!(self, Self::Triggers { from, to } if count(from) < count(to))
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Every difference; none for equal plans through equal indexes. `redefined` are names of indexes whose definitions
/// differ.
#[must_use]
pub fn changes(before: &PlanShape, after: &PlanShape, redefined: &BTreeSet<String>) -> Vec<PlanChange> {
    let mut found = through_redefined(before, after, redefined);
    if before == after {
        return found;
    }
    let paths = |plan: &PlanShape| -> BTreeMap<String, AccessPath> {
        plan.paths.iter().map(|path| (path.relation.clone(), path.clone())).collect()
    };
    let (old, new) = (paths(before), paths(after));
    for (relation, old) in &old {
        let Some(new) = new.get(relation).filter(|new| *new != old) else { continue };
        let (relation, from, to) = (relation.clone(), old.indexes.join(" + "), new.indexes.join(" + "));
        // A view or a function in the table's place has no index either, and is no sequential scan.
        let sequential = |path: &AccessPath| path.scan.ends_with("Seq Scan");
        found.push(match (old.indexes.is_empty(), new.indexes.is_empty()) {
            (false, true) if sequential(new) => PlanChange::IndexToSequential { relation, from },
            (true, false) if sequential(old) => PlanChange::SequentialToIndex { relation, to },
            (false, false) if from != to => PlanChange::IndexChanged { relation, from, to },
            _ => PlanChange::ScanChanged { relation, from: old.scan.clone(), to: new.scan.clone() },
        });
    }
    let only = |these: &BTreeMap<String, AccessPath>, those: &BTreeMap<String, AccessPath>| {
        let names: Vec<&str> = these.keys().filter(|name| !those.contains_key(*name)).map(String::as_str).collect();
        names.join(", ")
    };
    let (from, to) = (only(&old, &new), only(&new, &old));
    if !(from.is_empty() && to.is_empty()) {
        found.push(PlanChange::Relations { from, to });
    }
    if before.joins != after.joins {
        found.push(PlanChange::Joins { from: counted(&before.joins), to: counted(&after.joins) });
    }
    if before.triggers != after.triggers {
        let only = |these: &PlanShape, those: &PlanShape| {
            these.triggers.difference(&those.triggers).cloned().collect::<Vec<_>>().join(", ")
        };
        found.push(PlanChange::Triggers { from: only(before, after), to: only(after, before) });
    }
    match before.sorts.cmp(&after.sorts) {
        std::cmp::Ordering::Less => found.push(PlanChange::SortAdded),
        std::cmp::Ordering::Greater => found.push(PlanChange::SortRemoved),
        std::cmp::Ordering::Equal => {}
    }
    if before.aggregates != after.aggregates {
        found.push(PlanChange::Aggregates { from: counted(&before.aggregates), to: counted(&after.aggregates) });
    }
    match (before.parallel, after.parallel) {
        (false, true) => found.push(PlanChange::ParallelAdded),
        (true, false) => found.push(PlanChange::ParallelRemoved),
        _ => {}
    }
    if found.is_empty() {
        found.push(PlanChange::Other);
    }
    found
}

/// Indexes of one name and two definitions that lead to the same relations.
fn through_redefined(before: &PlanShape, after: &PlanShape, redefined: &BTreeSet<String>) -> Vec<PlanChange> {
    let uses = |plan: &PlanShape| -> BTreeSet<(String, String)> {
        let of_path = |path: &AccessPath| {
            let own = path.indexes.iter().filter(|index| redefined.contains(*index));
            own.map(|index| (path.relation.clone(), index.clone())).collect::<Vec<_>>()
        };
        plan.paths.iter().flat_map(of_path).collect()
    };
    let both = uses(before).intersection(&uses(after)).cloned().collect::<Vec<_>>();
    both.into_iter().map(|(relation, index)| PlanChange::IndexRedefined { relation, index }).collect()
}

fn counted(of: &BTreeMap<String, u32>) -> String {
    let each = of.iter().map(|(name, count)| if *count == 1 { name.clone() } else { format!("{count} {name}") });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scan: &str, indexes: &[&str]) -> PlanShape {
        let indexes: Vec<String> = indexes.iter().map(|i| (*i).to_owned()).collect();
        let paths = vec![AccessPath { relation: "p".to_owned(), scan: scan.to_owned(), indexes: indexes.clone() }];
        PlanShape { shape: format!("{scan} {}", indexes.join(" ")), paths, ..PlanShape::default() }
    }

    fn words(before: &PlanShape, after: &PlanShape) -> Vec<String> {
        changes(before, after, &BTreeSet::new()).iter().map(PlanChange::text).collect()
    }

    #[test]
    fn each_kind_of_change_is_named() {
        let (sequential, a, b) = (plan("Seq Scan", &[]), plan("Index Scan", &["a"]), plan("Index Scan", &["b"]));
        assert_eq!(words(&a, &a), Vec::<String>::new());
        assert_eq!(words(&sequential, &a), ["p: sequential scan → a"]);
        assert_eq!(words(&a, &sequential), ["p: a → sequential scan"]);
        assert_eq!(words(&a, &b), ["p: a → b"]);
        let redefined = [&["a".to_owned()].into(), &["b".to_owned()].into()].map(|names| changes(&a, &a, names).len());
        assert_eq!(redefined, [1, 0]);
        assert_eq!(changes(&a, &b, &["a".to_owned()].into()).len(), 1, "it is used before alone");
        assert_eq!(words(&a, &plan("Function Scan", &[])), ["p: Index Scan → Function Scan"]);
        assert_eq!(words(&a, &plan("Index Only Scan", &["a"])), ["p: Index Scan → Index Only Scan"]);
        let joins = [("Hash Join".to_owned(), 2)].into();
        let sorted = PlanShape { sorts: 1, parallel: true, joins, ..a.clone() };
        assert_eq!(words(&a, &sorted), ["joins: none → 2 Hash Join", "sort added", "parallel workers added"]);
        assert_eq!(words(&sorted, &a)[1..], ["sort removed", "parallel workers removed"]);
        let fires =
            |from: &str, to: &str| PlanChange::Triggers { from: from.to_owned(), to: to.to_owned() }.fires_more();
        assert!(fires("", "t.a") && fires("t.a", "t.b, t.c") && !fires("t.a", "t.b") && !fires("t.a", ""));
        assert_eq!(words(&a, &PlanShape { shape: "Limit(…)".to_owned(), ..a.clone() }), ["another shape"]);
    }
}
