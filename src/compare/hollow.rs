//! Gains that the rows cannot show: an action that finds nothing, an index that holds nothing or everything, a
//! predicate on a column with one value. Must call none of them.

use std::collections::BTreeMap;

use super::fact::Fact;
use super::finding::{Finding, Remedy, Severity};
use crate::evidence::{CountedAction, Evidence, PartialIndex, Side};

/// What keeps a gain of an action from being called.
pub(super) fn of_action(evidence: &Evidence, position: usize) -> Vec<Finding> {
    let counted = [Side::Before, Side::After].map(|side| evidence.counts.get(&side).and_then(|all| all.get(position)));
    let [Some(before), Some(after)] = counted else { return Vec::new() };
    let Some(action) = evidence.actions.get(position) else { return Vec::new() };
    let mut found = Vec::new();
    if finds_nothing(before) && finds_nothing(after) {
        let sets = before.sets.iter().filter(|set| set.failed.is_none()).count();
        found.push(Finding::new(Severity::OnlyRegressions, Fact::ActionFindsNoRows { sets }));
    }
    let uses = |of: &CountedAction, name: &str| {
        let bare = name.rsplit_once('.').map_or(name, |(_, bare)| bare);
        let mut paths = of.plans.iter().flat_map(|plan| &plan.paths).flat_map(|path| &path.indexes);
        paths.any(|index| index == bare || index == name)
    };
    let used = weighed(evidence).into_iter().filter(|(name, _)| uses(before, name) || uses(after, name));
    found.extend(used.filter_map(|(name, index)| finding(name, index, Severity::OnlyRegressions)));
    found.into_iter().map(|finding| finding.of(&action.name)).collect()
}

/// Findings of every action, and of judged indexes that no action uses.
pub(super) fn checks(evidence: &Evidence, found: &mut Vec<Finding>) {
    let of_actions: Vec<Finding> =
        (0..evidence.actions.len()).flat_map(|position| of_action(evidence, position)).collect();
    let known = |fact: &Fact| of_actions.iter().any(|finding| finding.fact == *fact);
    let unused = weighed(evidence).into_iter().filter_map(|(name, index)| finding(name, index, Severity::Warning));
    let unused: Vec<Finding> = unused.filter(|finding| !known(&finding.fact)).collect();
    found.extend(of_actions);
    found.extend(unused);
}

/// No executed set returned or changed a row, nor did a scan give one.
fn finds_nothing(counted: &CountedAction) -> bool {
    let mut sets = counted.sets.iter().filter(|set| set.failed.is_none() && !set.plans.is_empty()).peekable();
    sets.peek().is_some()
        && sets.all(|set| {
            let scans = &set.rows_found;
            scans.values().all(|rows| *rows == 0) && (set.rows == 0 || !scans.is_empty())
        })
}

/// Partial indexes that one side alone has, or that are defined otherwise.
fn weighed(evidence: &Evidence) -> BTreeMap<&String, &PartialIndex> {
    let of = |side: Side| evidence.advice.get(&side).map(|advice| &advice.partial);
    let (Some(before), Some(after)) = (of(Side::Before), of(Side::After)) else { return BTreeMap::new() };
    let differs =
        |name: &String| before.get(name).map(|index| &index.predicate) != after.get(name).map(|i| &i.predicate);
    before.iter().chain(after).filter(|(name, _)| differs(name)).collect()
}

fn finding(name: &str, index: &PartialIndex, severity: Severity) -> Option<Finding> {
    let (table, predicate) = (index.table.clone(), index.predicate.clone());
    let column = index.constant.first().or(index.columns.first()).cloned();
    let fact = match (index.holds_some, index.leaves_some) {
        (false, _) => Fact::IndexHoldsNothing { index: name.to_owned(), table, predicate },
        (_, false) => Fact::IndexHoldsEveryRow { index: name.to_owned(), table, predicate },
        _ => Fact::PredicateColumnConstant { index: name.to_owned(), table, column: index.constant.first()?.clone() },
    };
    let made = Finding::new(severity, fact);
    Some(match column {
        Some(column) => made.remedy(Remedy::NameValues { table: index.table.clone(), column }),
        None => made,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::saved;
    use super::super::{Verdict, compare};
    use super::*;

    /// The recorded proof, in which the first action finds these rows and gains.
    fn gaining(rows: u64, scans: &[u64]) -> Evidence {
        let mut evidence = saved();
        for side in Side::ALL {
            for set in &mut evidence.counts.get_mut(&side).unwrap()[0].sets {
                set.rows = rows;
                set.rows_found = scans.iter().map(|rows| ("t".to_owned(), *rows)).collect();
            }
        }
        evidence
    }

    fn ids(evidence: &Evidence) -> Vec<&'static str> {
        of_action(evidence, 0).iter().map(Finding::id).collect()
    }

    #[test]
    fn an_action_that_finds_nothing_gains_nothing() {
        assert_eq!(ids(&gaining(0, &[])), ["action-finds-no-rows"]);
        assert_eq!(ids(&gaining(1, &[0])), ["action-finds-no-rows"], "a count of nothing");
        assert_eq!(ids(&gaining(1, &[3])), [""; 0]);
        assert_eq!(ids(&gaining(1, &[])), [""; 0], "an INSERT");
        let verdict = |evidence: &Evidence| compare(evidence).actions[0].counts.as_ref().unwrap().verdict;
        assert_ne!(verdict(&gaining(0, &[])), Verdict::Improved);
    }

    #[test]
    fn an_index_that_holds_nothing_everything_or_rests_on_one_value_proves_nothing() {
        let mut evidence = gaining(1, &[3]);
        let of = |holds_some, leaves_some, constant: &[&str]| PartialIndex {
            table: "public.t".to_owned(),
            predicate: "(a = 1)".to_owned(),
            holds_some,
            leaves_some,
            columns: vec!["a".to_owned()],
            constant: constant.iter().map(|c| (*c).to_owned()).collect(),
        };
        let mut found = |index: PartialIndex, is_used: bool| {
            evidence.advice.entry(Side::Before).or_default();
            evidence.advice.entry(Side::After).or_default().partial = [("public.t_a".to_owned(), index)].into();
            let plans = &mut evidence.counts.get_mut(&Side::After).unwrap()[0].plans;
            plans[0].paths = vec![crate::evidence::AccessPath {
                indexes: vec![if is_used { "t_a" } else { "t_b" }.to_owned()],
                ..Default::default()
            }];
            let mut found = Vec::new();
            checks(&evidence, &mut found);
            found
                .into_iter()
                .map(|finding| (finding.id(), finding.severity, finding.remedy.is_some()))
                .collect::<Vec<_>>()
        };
        let stops = Severity::OnlyRegressions;
        assert_eq!(found(of(false, true, &[]), true), [("index-holds-nothing", stops, true)]);
        assert_eq!(found(of(true, false, &[]), true), [("index-holds-every-row", stops, true)]);
        assert_eq!(found(of(true, true, &["a"]), true), [("predicate-column-constant", stops, true)]);
        assert_eq!(found(of(true, true, &[]), true), []);
        assert_eq!(found(of(false, true, &[]), false), [("index-holds-nothing", Severity::Warning, true)]);
    }
}
