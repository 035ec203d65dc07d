//! Gives every action the verdict of all measurements. Must leave results without isolated timing as they were.

use super::Verdict;
use super::actions::ActionComparison;
use super::claim::Reason;
use super::counts::CountComparison;
use super::effectiveness::for_action;
use super::finding::Finding;
use super::measurement::isolated::{Claim, Direction, IsolatedComparison};
use super::metric::MetricComparison;
use super::verdict::{Measurements, Row, Timing, Work};

/// Decides every action that was timed in isolation; by position in the mix.
pub(super) fn decide_all(
    actions: &mut [ActionComparison],
    findings: &[Finding],
    isolated: Vec<Option<IsolatedComparison>>,
    driven: bool,
) {
    for (action, isolated) in actions.iter_mut().zip(isolated) {
        let Some(isolated) = isolated else { continue };
        // What voids an action, such as another answer, voids it whatever was timed.
        let is_void = for_action(findings, &action.name).invalid.is_some();
        let (cpu, wall) = isolated.timings();
        let measurements = Measurements {
            work: work(action.counts.as_ref()),
            cpu,
            wall,
            slower_class: isolated.slower_class(),
            load: if driven { load(action) } else { Timing::default() },
        };
        let measured = isolated.cpu.is_some() || isolated.wall.is_some();
        action.isolated = Some(isolated);
        if is_void || !measured {
            continue;
        }
        let decision = measurements.decide();
        action.decision = Some(decision);
        action.verdict = decision.verdict;
        action.reason = match (decision.verdict, decision.row, action.reason.take()) {
            // What the load could not decide says more than that nothing did.
            (Verdict::Inconclusive, Row::Open, Some(under_load)) => Some(under_load),
            (Verdict::Inconclusive, row, _) => Some(Reason::Measurements { row }),
            _ => None,
        };
        if decision.verdict != Verdict::Inconclusive {
            (action.chunks_needed, action.sets_needed, action.need) = (None, None, None);
        }
        action.not_slower |= decision.verdict == Verdict::Same;
    }
}

/// What was counted of an action.
fn work(counts: Option<&CountComparison>) -> Work {
    let Some(counts) = counts else { return Work::Unknown };
    let uncounted = counts.is_open_by_functions() || counts.fires_more() || counts.is_open_by_generic_plans();
    match counts.verdict {
        Verdict::Same => Work::Equal,
        Verdict::Improved => Work::Less,
        Verdict::Regressed => Work::More,
        Verdict::Invalid => Work::Different,
        Verdict::Inconclusive if uncounted => Work::Uncounted,
        Verdict::Inconclusive => Work::Unknown,
    }
}

/// What the load says of an action, before isolated timing is asked.
fn load(action: &ActionComparison) -> Timing {
    let claim = match action.verdict {
        Verdict::Improved => Claim::Faster,
        Verdict::Regressed => Claim::Slower,
        Verdict::Same => Claim::Same,
        Verdict::Inconclusive | Verdict::Invalid => Claim::Open,
    };
    let metrics = || [&action.p50, &action.p95].into_iter().flatten();
    let beside = |metric: &&MetricComparison, slower: bool| {
        let corrected = metric.p_adjusted.is_some_and(|p| p <= 0.05);
        corrected && metric.change.is_some_and(|change| if slower { change.low > 0.0 } else { change.high < 0.0 })
    };
    let slower = metrics().any(|metric| beside(&metric, true));
    let faster = metrics().any(|metric| beside(&metric, false));
    // One quantile each way is no direction, unless something is claimed.
    let direction = match (claim, slower, faster) {
        (Claim::Slower, ..) | (_, true, false) => Some(Direction::Slower),
        (Claim::Faster, ..) | (_, false, true) => Some(Direction::Faster),
        _ => None,
    };
    Timing { claim, direction }
}
