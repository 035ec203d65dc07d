//! The verdict of the whole trial, and why. Must look at nothing but what was said of actions and checks.

use super::checks::Consequence;
use super::parameters::Moved;
use super::{ActionComparison, Check, CountComparison, Verdict};
use crate::evidence::Evidence;
use crate::stats::paired;

/// What a trial comes to, in one sentence.
pub(super) fn conclude(evidence: &Evidence, checks: &[Check], actions: &[ActionComparison]) -> (Verdict, String) {
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
        return (Verdict::Inconclusive, message);
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
        (Verdict::Inconclusive, format!("not decided: {}", named(Verdict::Inconclusive)))
    } else {
        (Verdict::Invalid, format!("not comparable: {}", named(Verdict::Invalid)))
    }
}

fn names(actions: &[ActionComparison], of: impl Fn(&ActionComparison) -> bool) -> String {
    actions.iter().filter(|action| of(action)).map(|action| action.name.as_str()).collect::<Vec<_>>().join(", ")
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
    (!few.is_empty()).then(|| format!("more work in the server for a few parameters: {}", few.join(", ")))
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
    let name = |action: &&ActionComparison| match action.open_quantile().filter(|_| verdict == Verdict::Improved) {
        Some(quantile) => format!("{} ({quantile} not decided)", action.name),
        None => action.name.clone(),
    };
    let names = |of: &[&ActionComparison]| of.iter().map(name).collect::<Vec<_>>().join(", ");
    const SAME: &str = "with the plans, blocks and WAL they had";
    match (other.is_empty(), same.is_empty()) {
        (_, true) => format!("{word}: {}", names(&other)),
        (true, false) => format!("{word}, {SAME}: {}", names(&same)),
        (false, false) => {
            format!("{word}: {}; and {SAME}, by the load of the others or luck: {}", names(&other), names(&same))
        }
    }
}

/// Where something got faster and nothing is proven slower: what is not proven either way is named, and where that takes more work in
/// the server or fails, nobody may call the whole a gain.
fn conclude_improved(actions: &[ActionComparison], faster: String) -> (Verdict, String) {
    let is_open = |a: &ActionComparison| !matches!(a.verdict, Verdict::Improved | Verdict::Same) && !a.not_slower;
    let heavier = names(actions, |action| is_open(action) && is_heavier(action));
    if !heavier.is_empty() {
        let reason = format!("{faster}; but more work in the server or failures, and not proven how slow: {heavier}");
        return (Verdict::Inconclusive, reason);
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
            Some(few) => of_sets(action, counts, few),
            None => action.name.clone(),
        });
        names.collect::<Vec<_>>().join(", ")
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
    if !fires_more.is_empty() {
        let reason = "more triggers fire or keys are checked, whose work no plan counts; a proof under load tells";
        return (Verdict::Inconclusive, format!("{reason}: {}", fires_more.join(", ")));
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
        assert_eq!(conclude(&evidence, &[], &actions), (Verdict::Improved, faster.clone()));
        actions[1].verdict = Verdict::Inconclusive;
        assert_eq!(conclude(&evidence, &[], &actions).1, faster, "it is proven not slower");
        actions[1].not_slower = false;
        let undecided = format!("{faster}; not decided: {}", actions[1].name);
        assert_eq!(conclude(&evidence, &[], &actions), (Verdict::Improved, undecided));
        actions[1].counts.as_mut().unwrap().verdict = Verdict::Regressed;
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.ends_with(&format!("not proven how slow: {}", actions[1].name)), "{reason}");
        actions[1].verdict = Verdict::Invalid;
        assert_eq!(conclude(&evidence, &[], &actions).0, Verdict::Inconclusive);
        actions[1].verdict = Verdict::Same;
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Improved);
        assert!(reason.ends_with(&format!("; more work in the server: {}", actions[1].name)), "{reason}");
        // What does what it did is faster by what others leave it.
        let unchanged = actions[1].counts.as_mut().unwrap();
        (unchanged.verdict, unchanged.after) = (Verdict::Same, unchanged.before);
        (unchanged.plan_changes, unchanged.generic_changes) = (Vec::new(), Vec::new());
        actions[1].verdict = Verdict::Improved;
        let (_, reason) = conclude(&evidence, &[], &actions);
        assert!(
            reason.starts_with(&faster) && reason.contains(&format!("the others or luck: {}", actions[1].name)),
            "{reason}"
        );
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
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Improved);
        assert!(reason.contains(&format!("{} (p95 not decided)", actions[0].name)), "{reason}");
        actions[0].p95 = None;
        assert_eq!(actions[0].open_quantile(), Some("p95"));
    }

    #[test]
    fn what_a_few_parameters_cost_more_is_a_regression_that_no_percentile_shows() {
        let (evidence, mut actions) = all_the_same();
        assert_eq!(conclude(&evidence, &[], &actions).0, Verdict::Same);
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
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Regressed);
        assert!(reason.ends_with(&few), "{reason}");
        actions[1].verdict = Verdict::Improved;
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Regressed);
        assert!(reason.contains(&few) && reason.contains("; faster"), "{reason}");
        // Of many p95 tells, and what is as fast says that it takes more work.
        actions[1].verdict = Verdict::Same;
        actions[0].counts.as_mut().unwrap().dearer = Some(dearer(27));
        let (verdict, reason) = conclude(&evidence, &[], &actions);
        assert_eq!(verdict, Verdict::Same);
        assert!(reason.ends_with(&format!("; more work in the server: {}", actions[0].name)), "{reason}");
    }
}
