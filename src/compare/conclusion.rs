//! The verdict of the whole trial, and why. Must look at nothing but what was said of actions and checks.

use super::checks::Consequence;
use super::{ActionComparison, Check, CountComparison, Verdict};
use crate::evidence::Evidence;
use crate::stats::paired;

/// What a trial comes to, in one sentence.
pub(super) fn conclude(evidence: &Evidence, checks: &[Check], actions: &[ActionComparison]) -> (Verdict, String) {
    if let Some(check) = checks.iter().find(|check| check.stops_everything()) {
        return (Verdict::Invalid, check.message.clone());
    }
    let named = |verdict: Verdict| {
        let names: Vec<&str> = actions.iter().filter(|a| a.verdict == verdict).map(|a| a.name.as_str()).collect();
        names.join(", ")
    };
    let any = |verdict: Verdict| actions.iter().any(|a| a.verdict == verdict);
    if evidence.design.chunks_planned == 0 {
        return conclude_counts(actions);
    }
    if evidence.chunks.len() < paired::FEWEST_PAIRS && !any(Verdict::Regressed) && !any(Verdict::Improved) {
        let message = format!("{} of at least {} chunks were measured", evidence.chunks.len(), paired::FEWEST_PAIRS);
        return (Verdict::Inconclusive, message);
    }
    if any(Verdict::Regressed) {
        (Verdict::Regressed, claimed(actions, Verdict::Regressed, "slower"))
    } else if let Some(check) = checks.iter().find(|check| check.consequence == Consequence::Invalid) {
        // An action that fails or answers otherwise outweighs another's gain.
        (Verdict::Invalid, check.message.clone())
    } else if any(Verdict::Improved) {
        conclude_improved(actions, claimed(actions, Verdict::Improved, "faster"))
    } else if actions.iter().all(|a| a.verdict == Verdict::Same) {
        // One set tells nothing of how another would lie.
        let here = if evidence.design.replicates <= 1 { ", on this set of databases" } else { "" };
        (Verdict::Same, format!("every action is as fast as before, within its margin{here}"))
    } else if any(Verdict::Inconclusive) {
        (Verdict::Inconclusive, format!("not decided: {}", named(Verdict::Inconclusive)))
    } else {
        (Verdict::Invalid, format!("not comparable: {}", named(Verdict::Invalid)))
    }
}

/// The actions that became faster or slower; those apart that do in the server what they did: the others may leave
/// them more of it or less.
fn claimed(actions: &[ActionComparison], verdict: Verdict, word: &str) -> String {
    let (same, other): (Vec<&ActionComparison>, Vec<&ActionComparison>) = actions
        .iter()
        .filter(|action| action.verdict == verdict)
        .partition(|action| action.counts.as_ref().is_some_and(CountComparison::is_unchanged));
    let names = |of: &[&ActionComparison]| of.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
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
    let names = |of: &dyn Fn(&ActionComparison) -> bool| {
        actions.iter().filter(|action| of(action)).map(|action| action.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let is_open = |a: &ActionComparison| !matches!(a.verdict, Verdict::Improved | Verdict::Same) && !a.not_slower;
    let counted = |a: &ActionComparison| a.counts.as_ref().map(|counts| counts.verdict);
    let is_heavier = |a: &ActionComparison| matches!(counted(a), Some(Verdict::Regressed | Verdict::Invalid));
    let heavier = names(&|action| is_open(action) && is_heavier(action));
    if !heavier.is_empty() {
        let reason = format!("{faster}; but more work in the server or failures, and not proven how slow: {heavier}");
        return (Verdict::Inconclusive, reason);
    }
    let mut reason = faster;
    for (what, names) in [
        ("not decided", names(&is_open)),
        ("more work in the server", names(&|action| !is_open(action) && is_heavier(action))),
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
        let of = counted.filter(|(_, counts)| counts.verdict == verdict);
        let names = of.map(|(action, counts)| match counts.only_some(action.margin) {
            Some(few) if few.sets == few.executed => {
                format!("{} ({} of {} sets of parameters)", action.name, few.sets, counts.sets)
            }
            Some(few) => format!(
                "{} (about {} of {} sets of parameters, {} of them executed)",
                action.name, few.sets, counts.sets, few.executed
            ),
            None => action.name.clone(),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let unseen = |action: &&ActionComparison| action.counts.as_ref().is_some_and(CountComparison::fires_more);
    let fires_more: Vec<&str> = actions.iter().filter(unseen).map(|action| action.name.as_str()).collect();
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
    if !fires_more.is_empty() {
        let reason = "more triggers fire or keys are checked, whose work no plan counts; a proof under load tells";
        return (Verdict::Inconclusive, format!("{reason}: {}", fires_more.join(", ")));
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

    #[test]
    fn a_gain_names_what_is_not_decided_and_is_none_beside_what_takes_more_work() {
        let evidence = saved();
        let mut actions = compare(&evidence).actions;
        for action in &mut actions {
            (action.verdict, action.not_slower) = (Verdict::Same, true);
            action.counts.as_mut().unwrap().verdict = Verdict::Same;
        }
        actions[0].verdict = Verdict::Improved;
        actions[0].counts.as_mut().unwrap().after.blocks -= 1.0;
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
            reason.starts_with(&faster) && reason.ends_with(&format!("the others or luck: {}", actions[1].name)),
            "{reason}"
        );
    }
}
