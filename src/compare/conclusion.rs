//! The verdict of the whole trial, and why. Must look at nothing but what was said of actions and checks.

use std::collections::BTreeSet;

use super::check::Consequence;
use super::functions::FunctionChange;
use super::generic::GenericPlans;
use super::parameters::Moved;
use super::{ActionComparison, Balance, Check, CountComparison, Verdict};
use crate::evidence::Evidence;
use crate::stats::paired;
use crate::units::list_text;

/// What a trial comes to, in one sentence.
pub(super) fn conclude(
    evidence: &Evidence,
    checks: &[Check],
    actions: &[ActionComparison],
    balance: &Balance,
) -> (Verdict, String) {
    let (verdict, reason) = conclude_actions(evidence, checks, actions);
    let lost: BTreeSet<&str> = balance.hot_changes.iter().filter(|c| c.is_lost()).map(|c| c.action.as_str()).collect();
    let lost: Vec<&str> = lost.into_iter().collect();
    match lost.is_empty() || verdict == Verdict::Invalid {
        true => (verdict, reason),
        false => (verdict, format!("{reason}; updates that are no longer HOT: {}", list_text(&lost))),
    }
}

/// What actions and checks come to.
fn conclude_actions(evidence: &Evidence, checks: &[Check], actions: &[ActionComparison]) -> (Verdict, String) {
    if let Some(check) = checks.iter().find(|check| check.stops_everything()) {
        return (Verdict::Invalid, check.message.clone());
    }
    let named = |verdict: Verdict| names(actions, |action| action.verdict == verdict);
    let any = |verdict: Verdict| actions.iter().any(|a| a.verdict == verdict);
    if evidence.design.chunks_planned == 0 {
        return conclude_counts(actions);
    }
    // What a few parameters cost more shows in no percentile, and is known before any load.
    let few = few_dearer(actions);
    if evidence.chunks.len() < paired::FEWEST_PAIRS
        && few.is_none()
        && !any(Verdict::Regressed)
        && !any(Verdict::Improved)
    {
        let message = format!("{} of at least {} chunks were measured", evidence.chunks.len(), paired::FEWEST_PAIRS);
        return by_counts(actions, &message).unwrap_or((Verdict::Inconclusive, message));
    }
    if few.is_some() || any(Verdict::Regressed) {
        let slower = any(Verdict::Regressed).then(|| claimed(actions, Verdict::Regressed, "slower"));
        let faster = any(Verdict::Improved).then(|| claimed(actions, Verdict::Improved, "faster"));
        let faster = faster.filter(|_| few.is_some());
        (Verdict::Regressed, slower.into_iter().chain(few).chain(faster).collect::<Vec<_>>().join("; "))
    } else if let Some(check) = checks.iter().find(|check| check.consequence == Consequence::Invalid) {
        // An action that fails or answers otherwise outweighs another's gain.
        (Verdict::Invalid, check.message.clone())
    } else if any(Verdict::Improved) {
        conclude_improved(actions, claimed(actions, Verdict::Improved, "faster"))
    } else if actions.iter().all(|a| a.verdict == Verdict::Same) {
        // One set tells nothing of how another would lie.
        let here = if evidence.design.replicates <= 1 { ", on this set of databases" } else { "" };
        let heavier =
            names(actions, |action| action.counts.as_ref().is_some_and(|of| of.verdict == Verdict::Regressed));
        let heavier = if heavier.is_empty() { heavier } else { format!("; more work in the server: {heavier}") };
        (Verdict::Same, format!("every action is as fast as before, within its margin{here}{heavier}"))
    } else if let Some(reason) = withheld(actions) {
        (Verdict::Inconclusive, reason)
    } else if any(Verdict::Inconclusive) {
        let undecided = named(Verdict::Inconclusive);
        by_counts(actions, &undecided).unwrap_or_else(|| (Verdict::Inconclusive, format!("not decided: {undecided}")))
    } else {
        let invalid = named(Verdict::Invalid);
        by_counts(actions, &invalid).unwrap_or_else(|| (Verdict::Invalid, format!("not comparable: {invalid}")))
    }
}

/// What counts decide where the load does not: a full proof says no less than its counts alone. What is undecided under load stands behind it.
/// Nothing where answers or failures differ, or counts decide nothing.
pub(super) fn by_counts(actions: &[ActionComparison], undecided: &str) -> Option<(Verdict, String)> {
    let counted = |action: &ActionComparison| action.counts.as_ref().map(|counts| counts.verdict);
    if actions.iter().any(|action| counted(action) == Some(Verdict::Invalid)) {
        return None;
    }
    let of = |verdict: Verdict| names(actions, |action| is_open(action) && counted(action) == Some(verdict));
    let (heavier, lighter) = (of(Verdict::Regressed), of(Verdict::Improved));
    let (verdict, reason) = match (heavier.is_empty(), lighter.is_empty()) {
        (false, _) => (Verdict::Regressed, format!("more work in the server: {heavier}")),
        (true, false) => (Verdict::Improved, format!("less work in the server: {lighter}")),
        (true, true) => return None,
    };
    Some((verdict, format!("{reason}; undecided under load: {undecided}")))
}

/// The verdict of counts alone; nothing where none was counted.
pub(super) fn of_counts(actions: &[ActionComparison]) -> Option<Verdict> {
    actions.iter().any(|action| action.counts.is_some()).then(|| conclude_counts(actions).0)
}

/// The verdict of latencies alone.
pub(super) fn of_load(checks: &[Check], actions: &[ActionComparison]) -> Verdict {
    let any = |verdict: Verdict| actions.iter().any(|action| action.verdict == verdict);
    let invalid = checks.iter().any(Check::stops_everything) || actions.iter().all(|a| a.verdict == Verdict::Invalid);
    match () {
        () if invalid => Verdict::Invalid,
        () if any(Verdict::Regressed) => Verdict::Regressed,
        () if any(Verdict::Invalid) => Verdict::Invalid,
        () if any(Verdict::Improved) => Verdict::Improved,
        () if any(Verdict::Inconclusive) => Verdict::Inconclusive,
        () => Verdict::Same,
    }
}

/// Neither decided under load nor proven not slower.
fn is_open(action: &ActionComparison) -> bool {
    !matches!(action.verdict, Verdict::Improved | Verdict::Same) && !action.not_slower
}

fn names(actions: &[ActionComparison], of: impl Fn(&ActionComparison) -> bool) -> String {
    list_text(&actions.iter().filter(|action| of(action)).map(|action| action.name.as_str()).collect::<Vec<_>>())
}

/// Actions whose policies changed without being exercised; the reason of the first, which others have too.
fn withheld(actions: &[ActionComparison]) -> Option<String> {
    let first = actions.iter().find(|action| action.is_withheld())?;
    let reason = first.reason.clone().unwrap_or_default();
    Some(format!("{reason}: {}", names(actions, ActionComparison::is_withheld)))
}

/// Single operations touch more blocks or fail.
fn is_heavier(action: &ActionComparison) -> bool {
    let counted = action.counts.as_ref().map(|counts| counts.verdict);
    matches!(counted, Some(Verdict::Regressed | Verdict::Invalid))
}

/// Actions that take more work with a few parameters, of which p50 and p95 need not tell.
fn few_dearer(actions: &[ActionComparison]) -> Option<String> {
    let few = |action: &ActionComparison| {
        let counts = action.counts.as_ref()?;
        Some(of_sets(action, counts, counts.few_dearer()?))
    };
    let few: Vec<String> = actions.iter().filter_map(few).collect();
    (!few.is_empty()).then(|| format!("more work in the server for a few parameters: {}", list_text(&few)))
}

/// An action with how many of its sets of parameters it is about.
fn of_sets(action: &ActionComparison, counts: &CountComparison, few: &Moved) -> String {
    let (name, all) = (&action.name, counts.sets);
    if few.sets == few.executed {
        format!("{name} ({} of {all} sets of parameters)", few.sets)
    } else {
        format!("{name} (about {} of {all} sets of parameters, {} of them executed)", few.sets, few.executed)
    }
}

/// The actions that became faster or slower; those apart that do in the server what they did: the others may leave
/// them more of it or less.
fn claimed(actions: &[ActionComparison], verdict: Verdict, word: &str) -> String {
    let (same, other): (Vec<&ActionComparison>, Vec<&ActionComparison>) = actions
        .iter()
        .filter(|action| action.verdict == verdict)
        .partition(|action| action.counts.as_ref().is_some_and(CountComparison::is_unchanged));
    let name = |action: &&ActionComparison| {
        match action.open_quantile().filter(|_| verdict == Verdict::Improved) {
            Some(quantile) => return format!("{} ({quantile} not decided)", action.name),
            None if verdict == Verdict::Improved => return action.name.clone(),
            None => {}
        }
        let functions: Vec<String> =
            action.counts.iter().flat_map(|counts| &counts.functions).map(FunctionChange::text).collect();
        if functions.is_empty() { action.name.clone() } else { format!("{} ({})", action.name, list_text(&functions)) }
    };
    let names = |of: &[&ActionComparison]| list_text(&of.iter().map(name).collect::<Vec<_>>());
    const SAME: &str = "with the plans, blocks and WAL they had";
    match (other.is_empty(), same.is_empty()) {
        (_, true) => format!("{word}: {}", names(&other)),
        (true, false) => format!("{word}, {SAME}: {}", names(&same)),
        (false, false) => {
            format!("{word}: {}; and {SAME}, by the load of the others or luck: {}", names(&other), names(&same))
        }
    }
}

/// Where something got faster and nothing is proven slower: what is not proven either way is named. What takes more work in the server beside it
/// is a regression, as it is by counts alone; where something fails, nobody may call the whole a gain.
fn conclude_improved(actions: &[ActionComparison], faster: String) -> (Verdict, String) {
    let counted = |action: &ActionComparison| action.counts.as_ref().map(|counts| counts.verdict);
    let of = |verdict: Verdict| names(actions, |action| is_open(action) && counted(action) == Some(verdict));
    let failing = of(Verdict::Invalid);
    if !failing.is_empty() {
        return (Verdict::Inconclusive, format!("{faster}; but other answers or failures: {failing}"));
    }
    let heavier = of(Verdict::Regressed);
    if !heavier.is_empty() {
        let reason = format!("more work in the server, and not proven how slow under load: {heavier}; {faster}");
        return (Verdict::Regressed, reason);
    }
    let mut reason = faster;
    for (what, names) in [
        ("not decided", names(actions, is_open)),
        ("more work in the server", names(actions, |action| !is_open(action) && is_heavier(action))),
    ] {
        if !names.is_empty() {
            reason.push_str(&format!("; {what}: {names}"));
        }
    }
    (Verdict::Improved, reason)
}

/// What counts alone say: nothing of them is left to chance, so the worst is the verdict.
fn conclude_counts(actions: &[ActionComparison]) -> (Verdict, String) {
    let named = |verdict: Verdict| {
        let counted = actions.iter().filter_map(|a| Some((a, a.counts.as_ref()?)));
        let known = |action: &ActionComparison| verdict != Verdict::Inconclusive || !action.is_withheld();
        let of = counted.filter(|(action, counts)| counts.verdict == verdict && known(action));
        let names = of.map(|(action, counts)| match counts.only_some(action.margin) {
            _ if verdict == Verdict::Regressed && counts.generic.as_ref().is_some_and(GenericPlans::is_dearer) => {
                format!("{} (by its generic plan)", action.name)
            }
            Some(few) => of_sets(action, counts, few),
            None => action.name.clone(),
        });
        list_text(&names.collect::<Vec<_>>())
    };
    let unseen = |action: &&ActionComparison| action.counts.as_ref().is_some_and(CountComparison::fires_more);
    let fires_more: Vec<&str> = actions.iter().filter(unseen).map(|action| action.name.as_str()).collect();
    let generic =
        names(actions, |action| action.counts.as_ref().is_some_and(CountComparison::is_open_by_generic_plans));
    let uncounted = named(Verdict::Inconclusive);
    for (verdict, what) in [
        (Verdict::Invalid, "not comparable, for answers or failures differ"),
        (Verdict::Regressed, "more work in the server"),
        (Verdict::Improved, "less work in the server"),
    ] {
        let names = named(verdict);
        if !names.is_empty() {
            let open = if uncounted.is_empty() { String::new() } else { format!("; not known: {uncounted}") };
            return (verdict, format!("{what}: {names}{open}"));
        }
    }
    if let Some(reason) = withheld(actions) {
        return (Verdict::Inconclusive, reason);
    }
    let by_functions: Vec<&CountComparison> =
        actions.iter().filter_map(|action| action.counts.as_ref()).filter(|c| c.is_open_by_functions()).collect();
    if !by_functions.is_empty() {
        let functions: BTreeSet<String> =
            by_functions.iter().flat_map(|counts| &counts.functions).map(FunctionChange::text).collect();
        let functions: Vec<String> = functions.into_iter().collect();
        let names = names(actions, |action| action.counts.as_ref().is_some_and(CountComparison::is_open_by_functions));
        let functions = list_text(&functions);
        let reason = format!("no count sees what a function does: {functions}; a proof under load decides: {names}");
        return (Verdict::Inconclusive, reason);
    }
    if !fires_more.is_empty() {
        let reason = "more triggers fire or keys are checked, whose work no plan counts; a proof under load tells";
        return (Verdict::Inconclusive, format!("{reason}: {}", list_text(&fires_more)));
    }
    if !generic.is_empty() {
        let reason = "the plan that fits any parameters changed otherwise than those executed, and the server may take it after five executions; a proof under load tells";
        return (Verdict::Inconclusive, format!("{reason}: {generic}"));
    }
    if !uncounted.is_empty() {
        return (
            Verdict::Inconclusive,
            format!("could not be counted, for every operation was refused or needs a value of a script: {uncounted}"),
        );
    }
    (Verdict::Same, "no action's blocks move by its margin and by four an operation".to_owned())
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

    #[test]
    fn a_gain_names_what_is_not_decided_and_is_none_beside_what_takes_more_work() {
        let (evidence, mut actions) = all_the_same();
        actions[0].verdict = Verdict::Improved;
        actions[0].counts.as_mut().unwrap().after.blocks -= 1.0;
        actions.iter_mut().flat_map(|action| [&mut action.p50, &mut action.p95]).flatten().for_each(|metric| {
            (metric.verdict, metric.not_slower) = (Verdict::Same, true);
        });
        let faster = format!("faster: {}", actions[0].name);
        assert_eq!(conclude_actions(&evidence, &[], &actions), (Verdict::Improved, faster.clone()));
        actions[1].verdict = Verdict::Inconclusive;
        assert_eq!(conclude_actions(&evidence, &[], &actions).1, faster, "it is proven not slower");
        actions[1].not_slower = false;
        let undecided = format!("{faster}; not decided: {}", actions[1].name);
        assert_eq!(conclude_actions(&evidence, &[], &actions), (Verdict::Improved, undecided));
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Regressed;
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Regressed, "as by its counts alone");
        assert!(reason.contains(&format!("not proven how slow under load: {}; {faster}", actions[1].name)), "{reason}");
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Invalid;
        assert_eq!(conclude_actions(&evidence, &[], &actions).0, Verdict::Inconclusive);
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Regressed;
        actions[1].verdict = Verdict::Same;
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Improved);
        assert!(reason.ends_with(&format!("; more work in the server: {}", actions[1].name)), "{reason}");
        // What does what it did is faster by what others leave it.
        let unchanged = actions[1].counts.as_mut().unwrap();
        (unchanged.verdict, unchanged.after) = (Verdict::Same, unchanged.before);
        (unchanged.plan_changes, unchanged.generic_changes) = (Vec::new(), Vec::new());
        actions[1].verdict = Verdict::Improved;
        let (_, reason) = conclude_actions(&evidence, &[], &actions);
        assert!(
            reason.starts_with(&faster) && reason.contains(&format!("the others or luck: {}", actions[1].name)),
            "{reason}"
        );
    }

    #[test]
    fn what_counts_decide_stands_where_the_load_does_not() {
        let (evidence, mut actions) = all_the_same();
        for action in &mut actions {
            (action.verdict, action.not_slower) = (Verdict::Inconclusive, false);
        }
        let decide = |actions: &mut [ActionComparison], verdict: Verdict| {
            actions[0].counts.as_mut().unwrap().verdict = verdict;
            conclude_actions(&evidence, &[], actions)
        };
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Same;
        assert_eq!(decide(&mut actions, Verdict::Same).0, Verdict::Inconclusive);
        let (verdict, reason) = decide(&mut actions, Verdict::Improved);
        assert_eq!(verdict, Verdict::Improved);
        let all: Vec<&str> = actions.iter().map(|action| action.name.as_str()).collect();
        let undecided = format!("; undecided under load: {}", all.join(", "));
        assert_eq!(reason, format!("less work in the server: {}{undecided}", actions[0].name));
        assert_eq!(decide(&mut actions, Verdict::Regressed).0, Verdict::Regressed);
        actions[0].not_slower = true;
        assert_eq!(decide(&mut actions, Verdict::Regressed).0, Verdict::Inconclusive, "it is proven not slower");
    }

    #[test]
    fn a_headline_names_a_few_and_says_how_many_more() {
        let (mut evidence, actions) = all_the_same();
        evidence.design.chunks_planned = 0;
        let mut many: Vec<ActionComparison> = (0..120).map(|_| actions[0].clone()).collect();
        for (number, action) in many.iter_mut().enumerate() {
            action.name = format!("an_action_with_a_long_name_{number}");
            action.counts.as_mut().unwrap().verdict = Verdict::Regressed;
        }
        let (_, reason) = conclude_actions(&evidence, &[], &many);
        assert!(reason.ends_with(" and 115 more") && reason.len() < 250, "{reason}");
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
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Improved);
        assert!(reason.contains(&format!("{} (p95 not decided)", actions[0].name)), "{reason}");
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
        let few = format!("a few parameters: {} (8 of 256 sets of parameters)", actions[0].name);
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Regressed);
        assert!(reason.ends_with(&few), "{reason}");
        actions[1].verdict = Verdict::Improved;
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Regressed);
        assert!(reason.contains(&few) && reason.contains("; faster"), "{reason}");
        // Of many p95 tells, and what is as fast says that it takes more work.
        actions[1].verdict = Verdict::Same;
        actions[0].counts.as_mut().unwrap().dearer = Some(dearer(27));
        let (verdict, reason) = conclude_actions(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Same);
        assert!(reason.ends_with(&format!("; more work in the server: {}", actions[0].name)), "{reason}");
    }
}
