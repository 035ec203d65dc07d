//! The verdict of the whole trial, and what it rests on. Must look at nothing but what was found of actions and the
//! harness.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{Claim, ClaimKind, ClaimedAction, Reason, SomeSets};
use super::finding::{Finding, Severity};
use super::functions::FunctionChange;
use super::generic::GenericPlans;
use super::parameters::Moved;
use super::{ActionComparison, Balance, CountComparison, Verdict};
use crate::evidence::Evidence;
use crate::stats::paired;

/// A verdict, and the claims that it rests on, the most important first.
pub(super) type Conclusion = (Verdict, Vec<Claim>);

/// What a trial comes to.
pub(super) fn conclude(
    evidence: &Evidence,
    findings: &[Finding],
    actions: &[ActionComparison],
    balance: &Balance,
) -> Conclusion {
    let (verdict, mut claims) = conclude_actions(evidence, findings, actions);
    let lost: BTreeSet<&str> = balance.hot_changes.iter().filter(|c| c.is_lost()).map(|c| c.action.as_str()).collect();
    if verdict != Verdict::Invalid {
        claims.extend(Claim::of(ClaimKind::HotUpdatesLost, lost));
    }
    (verdict, claims)
}

/// What actions and findings come to.
fn conclude_actions(evidence: &Evidence, findings: &[Finding], actions: &[ActionComparison]) -> Conclusion {
    if let Some(finding) = findings.iter().find(|finding| finding.stops_everything()) {
        return (Verdict::Invalid, vec![stopped_by(finding)]);
    }
    let any = |verdict: Verdict| actions.iter().any(|a| a.verdict == verdict);
    let is_decided = |action: &ActionComparison| action.decision.is_some();
    if evidence.design.chunks_planned == 0 && !actions.iter().any(is_decided) {
        return conclude_counts(actions);
    }
    // What a few parameters cost more shows in no percentile, and is known before any load.
    let few = few_dearer(actions);
    let (chunks, chunks_min) = (evidence.chunks.len(), paired::FEWEST_PAIRS);
    let is_called = actions.iter().any(is_decided) || any(Verdict::Regressed) || any(Verdict::Improved);
    if chunks < chunks_min && few.is_none() && !is_called {
        return or_by_counts(
            actions,
            Verdict::Inconclusive,
            Claim::of_all(ClaimKind::FewChunks { chunks, chunks_min }),
        );
    }
    if few.is_some() || any(Verdict::Regressed) {
        let faster = if few.is_some() { claimed(actions, Verdict::Improved) } else { Vec::new() };
        (Verdict::Regressed, claimed(actions, Verdict::Regressed).into_iter().chain(few).chain(faster).collect())
    } else if let Some(finding) = findings.iter().find(|finding| finding.severity == Severity::Invalid) {
        // An action that fails or answers otherwise outweighs another's gain.
        (Verdict::Invalid, vec![stopped_by(finding)])
    } else if any(Verdict::Improved) {
        conclude_improved(actions)
    } else if actions.iter().all(|a| a.verdict == Verdict::Same) {
        // One set shows nothing of how another set would differ.
        let same = Claim::of_all(ClaimKind::AllSame { on_one_set: evidence.design.replicates <= 1 });
        let heavier = of_verdict(actions, ClaimKind::MoreWork, |a| counted(a) == Some(Verdict::Regressed));
        (Verdict::Same, [same].into_iter().chain(heavier).collect())
    } else if let Some(claim) = withheld(actions) {
        (Verdict::Inconclusive, vec![claim])
    } else if let Some(claim) = of_verdict(actions, ClaimKind::NotDecided, |a| a.verdict == Verdict::Inconclusive) {
        or_by_counts(actions, Verdict::Inconclusive, claim)
    } else {
        let invalid = of_verdict(actions, ClaimKind::NotComparable, |a| a.verdict == Verdict::Invalid);
        or_by_counts(actions, Verdict::Invalid, invalid.unwrap_or(Claim::of_all(ClaimKind::NotComparable)))
    }
}

fn stopped_by(finding: &Finding) -> Claim {
    let kind = ClaimKind::StoppedBy { finding: finding.id().to_owned() };
    let action = finding.action.iter().map(|action| ClaimedAction { action: action.clone(), ..Default::default() });
    Claim { kind, actions: action.collect() }
}

/// What counts decide where the load does not; else what the load leaves open.
pub(super) fn or_by_counts(actions: &[ActionComparison], verdict: Verdict, open: Claim) -> Conclusion {
    match by_counts(actions) {
        Some((verdict, claims)) => (verdict, claims.into_iter().chain([open]).collect()),
        None => (verdict, vec![open]),
    }
}

/// What counts decide where the load does not: a full proof says no less than its counts alone. Nothing where answers
/// or failures differ, or counts decide nothing.
fn by_counts(actions: &[ActionComparison]) -> Option<Conclusion> {
    if actions.iter().any(|action| counted(action) == Some(Verdict::Invalid)) {
        return None;
    }
    let of = |kind, verdict: Verdict| of_verdict(actions, kind, |a| is_open(a) && counted(a) == Some(verdict));
    let heavier = of(ClaimKind::MoreWork, Verdict::Regressed).map(|claim| (Verdict::Regressed, vec![claim]));
    heavier.or_else(|| of(ClaimKind::LessWork, Verdict::Improved).map(|claim| (Verdict::Improved, vec![claim])))
}

/// The verdict of counts alone; nothing where none was counted.
pub(super) fn of_counts(actions: &[ActionComparison]) -> Option<Verdict> {
    actions.iter().any(|action| action.counts.is_some()).then(|| conclude_counts(actions).0)
}

/// The verdict of latencies alone.
pub(super) fn of_load(findings: &[Finding], actions: &[ActionComparison]) -> Verdict {
    let any = |verdict: Verdict| actions.iter().any(|action| action.verdict == verdict);
    let invalid =
        findings.iter().any(Finding::stops_everything) || actions.iter().all(|a| a.verdict == Verdict::Invalid);
    match () {
        () if invalid => Verdict::Invalid,
        () if any(Verdict::Regressed) => Verdict::Regressed,
        () if any(Verdict::Invalid) => Verdict::Invalid,
        () if any(Verdict::Improved) => Verdict::Improved,
        () if any(Verdict::Inconclusive) => Verdict::Inconclusive,
        () => Verdict::Same,
    }
}

/// The verdict of an action's counts.
fn counted(action: &ActionComparison) -> Option<Verdict> {
    action.counts.as_ref().map(|counts| counts.verdict)
}

/// Neither decided under load nor proven not slower.
fn is_open(action: &ActionComparison) -> bool {
    !matches!(action.verdict, Verdict::Improved | Verdict::Same) && !action.not_slower
}

/// A claim about the actions of which something holds.
fn of_verdict(
    actions: &[ActionComparison],
    kind: ClaimKind,
    holds: impl Fn(&ActionComparison) -> bool,
) -> Option<Claim> {
    Claim::of(kind, actions.iter().filter(|action| holds(action)).map(|action| action.name.as_str()))
}

/// Actions whose policies changed without being exercised; the reason of the first, which others have too.
fn withheld(actions: &[ActionComparison]) -> Option<Claim> {
    let first = actions.iter().find(|action| action.is_withheld())?;
    let kind = match &first.reason {
        Some(Reason::PoliciesNotExercised { table, role, exemption }) => {
            ClaimKind::PoliciesNotExercised { table: table.clone(), role: role.clone(), exemption: *exemption }
        }
        _ => ClaimKind::NotDecided,
    };
    of_verdict(actions, kind, ActionComparison::is_withheld)
}

/// Single operations touch more blocks or fail.
fn is_heavier(action: &ActionComparison) -> bool {
    matches!(counted(action), Some(Verdict::Regressed | Verdict::Invalid))
}

/// Actions that take more work with a few parameters, of which p50 and p95 need not tell.
fn few_dearer(actions: &[ActionComparison]) -> Option<Claim> {
    let few = |action: &ActionComparison| {
        let counts = action.counts.as_ref()?;
        Some(of_sets(action, counts, counts.few_dearer()?))
    };
    Claim::of_claimed(ClaimKind::MoreWorkForFewParameters, actions.iter().filter_map(few).collect())
}

/// An action with how many of its sets of parameters it is about.
fn of_sets(action: &ActionComparison, counts: &CountComparison, few: &Moved) -> ClaimedAction {
    let sets = SomeSets { sets: few.sets, executed: few.executed, sets_in_all: counts.sets };
    ClaimedAction { action: action.name.clone(), sets: Some(sets), ..ClaimedAction::default() }
}

/// The actions that became faster or slower; those apart that have unchanged work: the others may leave
/// them more of it or less.
fn claimed(actions: &[ActionComparison], verdict: Verdict) -> Vec<Claim> {
    let (same, other): (Vec<&ActionComparison>, Vec<&ActionComparison>) =
        actions.iter().filter(|action| action.verdict == verdict).partition(|action| {
            action.counts.as_ref().is_some_and(CountComparison::is_unchanged) && !action.is_timed_apart()
        });
    let is_gain = verdict == Verdict::Improved;
    let named = |action: &&ActionComparison| ClaimedAction {
        action: action.name.clone(),
        open_quantile: action.open_quantile().filter(|_| is_gain),
        functions: match is_gain {
            true => Vec::new(),
            false => action.counts.iter().flat_map(|counts| counts.functions.clone()).collect(),
        },
        ..ClaimedAction::default()
    };
    let (word, with_same_work) = match is_gain {
        true => (ClaimKind::Faster, ClaimKind::FasterWithSameWork),
        false => (ClaimKind::Slower, ClaimKind::SlowerWithSameWork),
    };
    let of = |kind, actions: &[&ActionComparison]| Claim::of_claimed(kind, actions.iter().map(named).collect());
    of(word, &other).into_iter().chain(of(with_same_work, &same)).collect()
}

/// Where something got faster and nothing is proven slower: what is not proven either way is named. What takes more
/// work in the server beside it is a regression, as it is by counts alone; where something fails, nobody may call the
/// whole a gain.
fn conclude_improved(actions: &[ActionComparison]) -> Conclusion {
    let faster = claimed(actions, Verdict::Improved);
    let of = |kind, verdict: Verdict| of_verdict(actions, kind, |a| is_open(a) && counted(a) == Some(verdict));
    if let Some(failing) = of(ClaimKind::OtherAnswers, Verdict::Invalid) {
        return (Verdict::Inconclusive, faster.into_iter().chain([failing]).collect());
    }
    if let Some(heavier) = of(ClaimKind::MoreWork, Verdict::Regressed) {
        let open = of_verdict(actions, ClaimKind::NotDecided, is_open);
        return (Verdict::Regressed, [heavier].into_iter().chain(faster).chain(open).collect());
    }
    let open = of_verdict(actions, ClaimKind::NotDecided, is_open);
    let heavier = of_verdict(actions, ClaimKind::MoreWork, |action| !is_open(action) && is_heavier(action));
    (Verdict::Improved, faster.into_iter().chain(open).chain(heavier).collect())
}

/// What counts alone say: nothing of them is left to chance, so the worst is the verdict.
fn conclude_counts(actions: &[ActionComparison]) -> Conclusion {
    let named = |kind: ClaimKind, verdict: Verdict| {
        let of = actions.iter().filter_map(|a| Some((a, a.counts.as_ref()?)));
        let known = |action: &ActionComparison| verdict != Verdict::Inconclusive || !action.is_withheld();
        let of = of.filter(|(action, counts)| counts.verdict == verdict && known(action));
        let claimed = of.map(|(action, counts)| match counts.only_some(action.margin) {
            _ if verdict == Verdict::Regressed && counts.generic.as_ref().is_some_and(GenericPlans::is_dearer) => {
                ClaimedAction { action: action.name.clone(), by_generic_plan: true, ..ClaimedAction::default() }
            }
            Some(few) => of_sets(action, counts, few),
            None => ClaimedAction { action: action.name.clone(), ..ClaimedAction::default() },
        });
        Claim::of_claimed(kind, claimed.collect())
    };
    let uncounted = named(ClaimKind::NotCounted, Verdict::Inconclusive);
    for (verdict, kind) in [
        (Verdict::Invalid, ClaimKind::OtherAnswers),
        (Verdict::Regressed, ClaimKind::MoreWork),
        (Verdict::Improved, ClaimKind::LessWork),
    ] {
        if let Some(claim) = named(kind, verdict) {
            return (verdict, [claim].into_iter().chain(uncounted).collect());
        }
    }
    let open = of_counts_that(actions, ClaimKind::GainNotShown, |counts| counts.is_hollow)
        .or_else(|| withheld(actions))
        .or_else(|| by_functions(actions))
        .or_else(|| of_counts_that(actions, ClaimKind::TriggersNotCounted, CountComparison::fires_more))
        .or_else(|| {
            let is_open = CountComparison::is_open_by_generic_plans;
            of_counts_that(actions, ClaimKind::GenericPlanNotExecuted, is_open)
        })
        .or(uncounted);
    match open {
        Some(claim) => (Verdict::Inconclusive, vec![claim]),
        None => (Verdict::Same, vec![Claim::of_all(ClaimKind::SameWork)]),
    }
}

/// A claim about the actions whose counts something holds for.
fn of_counts_that(
    actions: &[ActionComparison],
    kind: ClaimKind,
    holds: impl Fn(&CountComparison) -> bool,
) -> Option<Claim> {
    of_verdict(actions, kind, |action| action.counts.as_ref().is_some_and(&holds))
}

/// What functions leave open, with the functions.
fn by_functions(actions: &[ActionComparison]) -> Option<Claim> {
    let open = actions.iter().filter_map(|action| action.counts.as_ref()).filter(|c| c.is_open_by_functions());
    let functions: BTreeMap<&str, &FunctionChange> =
        open.flat_map(|counts| &counts.functions).map(|change| (change.function.as_str(), change)).collect();
    let functions = functions.into_values().cloned().collect();
    of_counts_that(actions, ClaimKind::FunctionsNotCounted { functions }, CountComparison::is_open_by_functions)
}

#[cfg(test)]
mod tests {
    use super::super::compare;
    use super::super::tests::saved;
    use super::*;

    fn all_the_same() -> (Evidence, Vec<ActionComparison>) {
        let evidence = saved();
        let mut actions = compare(&evidence).actions;
        for action in &mut actions {
            (action.verdict, action.not_slower) = (Verdict::Same, true);
            action.counts.as_mut().unwrap().verdict = Verdict::Same;
        }
        (evidence, actions)
    }

    /// The verdict, and each claim with its actions.
    fn brief((verdict, claims): Conclusion) -> (Verdict, Vec<(&'static str, Vec<String>)>) {
        let actions = |claim: &Claim| claim.actions.iter().map(|of| of.action.clone()).collect();
        (verdict, claims.iter().map(|claim| (claim.kind.id(), actions(claim))).collect())
    }

    #[test]
    fn a_gain_names_what_is_not_decided_and_is_none_beside_what_takes_more_work() {
        let (evidence, mut actions) = all_the_same();
        actions[0].verdict = Verdict::Improved;
        actions[0].counts.as_mut().unwrap().after.blocks -= 1.0;
        actions.iter_mut().flat_map(|action| [&mut action.p50, &mut action.p95]).flatten().for_each(|metric| {
            (metric.verdict, metric.not_slower) = (Verdict::Same, true);
        });
        let faster = ("faster", vec![actions[0].name.clone()]);
        let conclude = |actions: &[ActionComparison]| brief(conclude_actions(&evidence, &[], actions));
        assert_eq!(conclude(&actions), (Verdict::Improved, vec![faster.clone()]));
        actions[1].verdict = Verdict::Inconclusive;
        assert_eq!(conclude(&actions).1, std::slice::from_ref(&faster), "it is proven not slower");
        actions[1].not_slower = false;
        let second = vec![actions[1].name.clone()];
        let undecided = ("not-decided", second.clone());
        assert_eq!(conclude(&actions), (Verdict::Improved, vec![faster.clone(), undecided.clone()]));
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Regressed;
        let heavier = ("more-work", second.clone());
        let claims = vec![heavier.clone(), faster.clone(), undecided];
        assert_eq!(conclude(&actions), (Verdict::Regressed, claims), "as by its counts alone");
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Invalid;
        assert_eq!(conclude(&actions).0, Verdict::Inconclusive);
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Regressed;
        actions[1].verdict = Verdict::Same;
        assert_eq!(conclude(&actions), (Verdict::Improved, vec![faster.clone(), heavier]));
        // An action with unchanged work can be faster because others use less.
        let unchanged = actions[1].counts.as_mut().unwrap();
        (unchanged.verdict, unchanged.after) = (Verdict::Same, unchanged.before);
        (unchanged.plan_changes, unchanged.generic_changes) = (Vec::new(), Vec::new());
        actions[1].verdict = Verdict::Improved;
        assert_eq!(conclude(&actions).1, [faster, ("faster-with-same-work", second)]);
    }

    #[test]
    fn what_counts_decide_stands_where_the_load_does_not() {
        let (evidence, mut actions) = all_the_same();
        for action in &mut actions {
            (action.verdict, action.not_slower) = (Verdict::Inconclusive, false);
        }
        let decide = |actions: &mut [ActionComparison], verdict: Verdict| {
            actions[0].counts.as_mut().unwrap().verdict = verdict;
            brief(conclude_actions(&evidence, &[], actions))
        };
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Same;
        assert_eq!(decide(&mut actions, Verdict::Same).0, Verdict::Inconclusive);
        let (verdict, claims) = decide(&mut actions, Verdict::Improved);
        assert_eq!(verdict, Verdict::Improved);
        let all: Vec<String> = actions.iter().map(|action| action.name.clone()).collect();
        assert_eq!(claims, [("less-work", vec![actions[0].name.clone()]), ("not-decided", all)]);
        assert_eq!(decide(&mut actions, Verdict::Regressed).0, Verdict::Regressed);
        actions[0].not_slower = true;
        assert_eq!(decide(&mut actions, Verdict::Regressed).0, Verdict::Inconclusive, "it is proven not slower");
    }

    #[test]
    fn a_gain_says_which_quantile_of_it_is_open() {
        let evidence = saved();
        let mut actions = compare(&evidence).actions;
        for action in &mut actions {
            (action.verdict, action.not_slower) = (Verdict::Improved, false);
        }
        let p95 = actions[0].p95.as_mut().unwrap();
        (p95.verdict, p95.not_slower) = (Verdict::Inconclusive, false);
        let p50 = actions[0].p50.as_mut().unwrap();
        (p50.verdict, p50.not_slower) = (Verdict::Improved, true);
        let (verdict, claims) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Improved);
        assert_eq!(claims[0].actions[0].open_quantile, Some("p95"));
        actions[0].p95 = None;
        assert_eq!(actions[0].open_quantile(), Some("p95"));
    }

    #[test]
    fn what_a_few_parameters_cost_more_is_a_regression_that_no_percentile_shows() {
        let (evidence, mut actions) = all_the_same();
        assert_eq!(conclude_actions(&evidence, &[], &actions).0, Verdict::Same);
        let dearer = |sets: u32| Moved {
            sets,
            executed: sets,
            factor: 8.0,
            apart: None,
            plan_before: String::new(),
            plan_after: String::new(),
        };
        let counts = actions[0].counts.as_mut().unwrap();
        (counts.verdict, counts.sets, counts.dearer) = (Verdict::Regressed, 256, Some(dearer(8)));
        let conclude = |actions: &[ActionComparison]| conclude_actions(&evidence, &[], actions);
        let few = SomeSets { sets: 8, executed: 8, sets_in_all: 256 };
        let of_few = |claims: &[Claim]| {
            let found = claims.iter().find(|claim| claim.kind == ClaimKind::MoreWorkForFewParameters);
            found.and_then(|claim| claim.actions[0].sets)
        };
        let (verdict, claims) = conclude(&actions);
        assert_eq!((verdict, of_few(&claims)), (Verdict::Regressed, Some(few)));
        actions[1].verdict = Verdict::Improved;
        let (verdict, claims) = conclude(&actions);
        assert_eq!((verdict, of_few(&claims)), (Verdict::Regressed, Some(few)));
        assert_eq!(claims.last().unwrap().kind, ClaimKind::FasterWithSameWork);
        // Of many p95 decides, and what is as fast says that it takes more work.
        actions[1].verdict = Verdict::Same;
        actions[0].counts.as_mut().unwrap().dearer = Some(dearer(27));
        let (verdict, claims) = brief(conclude(&actions));
        assert_eq!((verdict, claims[1].clone()), (Verdict::Same, ("more-work", vec![actions[0].name.clone()])));
    }
}
