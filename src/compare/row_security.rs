//! Policies that were not exercised, because they do not apply to the role that asked. Must call no action the same, or
//! better, whose policies the migration changed and nobody asked through.

use std::collections::BTreeSet;

use serde::Serialize;

use super::claim::Reason;
use super::fact::Fact;
use super::finding::{Finding, Remedy, Severity};
use super::{ActionComparison, Verdict};
use crate::evidence::row_security::{Denied, Exemption, RowSecurity};
use crate::evidence::{CountedAction, Evidence, Side};

/// Policies of a table that an action touches and that did not apply to the role that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unexercised {
    /// The table.
    pub table: String,
    /// Their names: those that differ between the sides, or all of them where none does.
    pub policies: Vec<String>,
    /// The role that asked.
    pub role: String,
    /// Why they do not apply to it.
    pub exempt: Exemption,
    /// Whether they differ between the sides, so that what they cost does too.
    pub changed: bool,
}

/// What each action touches without its policies, by position in the mix.
pub(super) fn unexercised(evidence: &Evidence) -> Vec<Vec<Unexercised>> {
    let of = |side: Side| evidence.row_security.get(&side);
    let (before, after) = (of(Side::Before), of(Side::After));
    let tables: BTreeSet<&String> = [before, after].into_iter().flatten().flat_map(|of| of.tables.keys()).collect();
    let actions = 0..evidence.actions.len();
    let of_action = |action: usize| {
        let touched = touched(evidence, action);
        tables.iter().filter_map(|table| unexercised_table(table, [before, after], &touched)).collect()
    };
    actions.map(of_action).collect()
}

/// Relations that the plans of an action name, on either side.
fn touched(evidence: &Evidence, action: usize) -> BTreeSet<&String> {
    let of_sides = [Side::Before, Side::After].into_iter().filter_map(|side| evidence.counts.get(&side)?.get(action));
    of_sides.flat_map(|counted: &CountedAction| &counted.plans).flat_map(|plan| &plan.relations).collect()
}

fn unexercised_table(name: &str, sides: [Option<&RowSecurity>; 2], touched: &BTreeSet<&String>) -> Option<Unexercised> {
    let [before, after] = sides.map(|side| side.and_then(|side| Some((side, side.tables.get(name)?))));
    let tables = [before, after].into_iter().flatten();
    let is_touched = tables.clone().any(|(_, table)| table.relations.iter().any(|relation| touched.contains(relation)));
    let exempt = tables.clone().find_map(|(side, table)| Some((side.role.clone(), table.exempt?)));
    let (role, exempt) = exempt.filter(|_| is_touched)?;
    let [old, new] = [before, after].map(|side| side.map(|(_, table)| &table.policies));
    let all: BTreeSet<&String> = old.into_iter().chain(new).flat_map(|policies| policies.keys()).collect();
    let differs = |name: &&&String| old.and_then(|old| old.get(**name)) != new.and_then(|new| new.get(**name));
    let changed = old != new;
    let named = all.iter().filter(|name| !changed || differs(name)).map(|name| (*name).clone());
    Some(Unexercised { table: name.to_owned(), policies: named.collect(), role, exempt, changed })
}

/// Takes the verdicts `same` and `improved` from actions whose policies changed without being exercised.
pub(super) fn withhold(evidence: &Evidence, actions: &mut [ActionComparison]) {
    for (action, unexercised) in actions.iter_mut().zip(unexercised(evidence)) {
        action.unexercised = unexercised;
        let Some(changed) = action.unexercised.iter().find(|table| table.changed) else { continue };
        let unproven = |verdict: Verdict| matches!(verdict, Verdict::Same | Verdict::Improved | Verdict::Inconclusive);
        if let Some(counts) = action.counts.as_mut().filter(|counts| unproven(counts.verdict)) {
            counts.verdict = Verdict::Inconclusive;
        }
        if unproven(action.verdict) {
            let (table, role, exemption) = (changed.table.clone(), changed.role.clone(), changed.exempt);
            let reason = Reason::PoliciesNotExercised { table, role, exemption };
            (action.verdict, action.reason) = (Verdict::Inconclusive, Some(reason));
            (action.chunks_needed, action.sets_needed) = (None, None);
        }
    }
}

/// One for each table, with the actions that touch it.
pub(super) fn checks(actions: &[ActionComparison]) -> Vec<Finding> {
    let tables: BTreeSet<&String> = actions.iter().flat_map(|a| &a.unexercised).map(|of| &of.table).collect();
    let finding = |table: &String| {
        let touching: Vec<(&str, &Unexercised)> = actions
            .iter()
            .filter_map(|a| Some((a.name.as_str(), a.unexercised.iter().find(|of| of.table == *table)?)))
            .collect();
        let (_, of) = touching.first()?;
        let fact = Fact::PoliciesNotExercised {
            table: table.clone(),
            policies: of.policies.clone(),
            role: of.role.clone(),
            exemption: of.exempt,
            is_changed: of.changed,
            actions: touching.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        Some(Finding::new(Severity::Warning, fact).remedy(Remedy::NameRole))
    };
    tables.into_iter().filter_map(finding).collect()
}

/// Statements that the role may not run, with what would permit them.
pub(super) fn denied(evidence: &Evidence) -> Vec<Finding> {
    let finding = |denied: &Denied| {
        let fact = Fact::PermissionDenied { side: denied.side, message: denied.message.clone() };
        let remedy = denied.grant.clone().map(|sql| Remedy::RunSql { sql });
        Finding { remedy, ..Finding::new(Severity::Warning, fact).of(&denied.action) }
    };
    evidence.denied.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::saved;
    use super::super::{Comparison, compare};
    use super::*;
    use crate::evidence::row_security::SecuredTable;

    fn secured(relation: &str, exempt: Option<Exemption>, policy: &str) -> RowSecurity {
        let table = SecuredTable {
            relations: BTreeSet::from([relation.to_owned()]),
            exempt,
            policies: BTreeMap::from([
                ("reads".to_owned(), policy.to_owned()),
                ("other".to_owned(), "true".to_owned()),
            ]),
        };
        RowSecurity { role: "owner".to_owned(), tables: BTreeMap::from([("t".to_owned(), table)]) }
    }

    /// The saved evidence without load, with policies on a relation that its first action touches.
    fn evidence(policies: [&str; 2], exempt: Option<Exemption>) -> Evidence {
        let mut evidence = saved();
        evidence.design.chunks_planned = 0;
        let counted = evidence.counts[&Side::Before].clone();
        // What is compared is the same on both sides.
        evidence.counts.insert(Side::After, counted.clone());
        let relation = counted[0].plans[0].relations[0].clone();
        for (side, policy) in [Side::Before, Side::After].into_iter().zip(policies) {
            evidence.row_security.insert(side, secured(&relation, exempt, policy));
        }
        evidence
    }

    #[test]
    fn a_changed_policy_that_nobody_asked_through_is_never_the_same() {
        let changed = compare(&evidence(["a", "b"], Some(Exemption::Owner)));
        let action = &changed.actions[0];
        assert_eq!((changed.verdict, action.verdict), (Verdict::Inconclusive, Verdict::Inconclusive));
        assert_eq!(action.unexercised[0].policies, ["reads"], "the one that differs is named");
        let (table, role, exemption) = ("t".to_owned(), "owner".to_owned(), Exemption::Owner);
        assert_eq!(action.reason, Some(Reason::PoliciesNotExercised { table, role, exemption }));
        let policies = |comparison: &Comparison| {
            let mut found = comparison.findings.iter().map(|finding| (&finding.fact, &finding.remedy));
            found.find_map(|(fact, remedy)| match fact {
                Fact::PoliciesNotExercised { policies, .. } => Some((policies.clone(), remedy.clone())),
                _ => None,
            })
        };
        assert_eq!(policies(&changed), Some((vec!["reads".to_owned()], Some(Remedy::NameRole))));

        let unchanged = compare(&evidence(["a", "a"], Some(Exemption::Superuser)));
        assert_eq!(unchanged.verdict, Verdict::Same, "{:?}", unchanged.claims);
        assert_eq!(policies(&unchanged).unwrap().0, ["other", "reads"]);

        let applied = compare(&evidence(["a", "b"], None));
        assert_eq!(applied.verdict, Verdict::Same);
        assert_eq!(policies(&applied), None);
    }

    #[test]
    fn a_migration_that_enables_policies_changes_them_and_a_regression_stays_one() {
        let mut enabled = evidence(["a", "a"], Some(Exemption::Superuser));
        enabled.row_security.get_mut(&Side::Before).unwrap().tables.clear();
        assert_eq!(compare(&enabled).verdict, Verdict::Inconclusive);
        for counted in enabled.counts.get_mut(&Side::After).unwrap().iter_mut().flat_map(|action| &mut action.sets) {
            counted.blocks_hit = (counted.blocks_hit + 10) * 9;
        }
        assert_eq!(compare(&enabled).verdict, Verdict::Regressed);
    }
}
