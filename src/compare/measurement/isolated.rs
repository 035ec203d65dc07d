//! Isolated timing as effects with intervals: processor time and the clock, by action and by class of parameters. Must
//! correct for how many are compared, and must not forget how far identical clones differ.

use serde::Serialize;

use crate::compare::Change;
use crate::compare::counts::CountComparison;
use crate::compare::parameters::{ParameterClass, positions};
use crate::evidence::{ConnectionSet, Evidence, Isolated, IsolatedAction, LeftOut, Side, Subject, Times};
use crate::stats::connection_sets::{CloneVariance, Contrast, effect_of_sets};
use crate::stats::discovery::benjamini_hochberg;
use crate::stats::paired::{Effect, effect};

/// Share of false finds accepted among all claims (Benjamini-Hochberg).
const FALSE_DISCOVERY: f64 = 0.05;

/// What isolated timing says of an action.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IsolatedComparison {
    /// Why it was not measured; absent where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Connection sets.
    pub sets: u32,
    /// Executions on each side.
    pub rounds: u32,
    /// The time was used before its interval was as narrow as it was to be.
    pub unfinished: bool,
    /// Processor time of the backend; absent where it is not seen, and of plans with workers.
    pub cpu: Option<TimeComparison>,
    /// Time on the clock.
    pub wall: Option<TimeComparison>,
    /// The same by class of parameters; empty where all are of one class.
    pub classes: Vec<ClassTimes>,
}

/// A class of parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassTimes {
    /// Which.
    pub class: ParameterClass,
    /// Sets of parameters that were measured.
    pub sets: u32,
    /// Processor time, or the clock where that is not seen.
    pub change: Change,
    /// p, corrected for all classes of all actions.
    pub p_adjusted: f64,
    /// What it proves.
    pub claim: Claim,
}

/// One clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeComparison {
    /// An operation before, in microseconds: the median over connection sets of their means.
    pub before_us: f64,
    /// The same of the control.
    pub control_us: f64,
    /// The same after.
    pub after_us: f64,
    /// After against the mean of before and control, with an interval of 95 % that holds what other clones would give.
    pub change: Change,
    /// The same with the error on these clones alone.
    pub on_these_clones: Change,
    /// Control against before, on these clones.
    pub control: Change,
    /// p of the change, corrected for all actions in processor time and on the clock (Benjamini-Hochberg).
    pub p_adjusted: f64,
    /// What it proves.
    pub claim: Claim,
    /// Where its corrected interval is, if that excludes zero.
    pub direction: Option<Direction>,
}

/// What one measurement proves of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// It was not measured.
    #[default]
    Unmeasured,
    /// Nothing.
    Open,
    /// Equal within the margin.
    Same,
    /// Faster by the margin or more.
    Faster,
    /// Slower by the margin or more.
    Slower,
}

/// A side of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Less time.
    Faster,
    /// More time.
    Slower,
}

/// Compares every action; nothing where isolated timing was not asked.
#[must_use]
pub fn compare_all(evidence: &Evidence, counts: &[Option<CountComparison>]) -> Vec<Option<IsolatedComparison>> {
    let Some(isolated) = evidence.isolated.as_ref().filter(|isolated| isolated.left_out.is_none()) else {
        return vec![None; evidence.actions.len()];
    };
    let clones = [Clock::Cpu, Clock::Wall].map(|clock| clone_variance(evidence, isolated, clock));
    let measured: Vec<[Option<Effect>; 2]> = isolated
        .actions
        .iter()
        .map(|action| {
            let of = |clock: Clock| {
                effect_of_sets(&after(action, clock)?, clones[clock as usize], 2 * isolated.actions.len())
            };
            [of(Clock::Cpu), of(Clock::Wall)]
        })
        .collect();
    let p_values: Vec<f64> = measured.iter().flatten().flatten().map(|effect| effect.p_value).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    let mut comparisons: Vec<Option<IsolatedComparison>> = Vec::new();
    for ((action, effects), facts) in isolated.actions.iter().zip(&measured).zip(&evidence.actions) {
        let mut of = |clock: Clock| {
            let effect = effects[clock as usize]?;
            let p_adjusted = adjusted.next().unwrap_or(1.0);
            Some(time_comparison(action, clock, &effect, (p_adjusted, facts.margin)))
        };
        let (cpu, wall) = (of(Clock::Cpu), of(Clock::Wall));
        comparisons.push(Some(IsolatedComparison {
            left_out: action.left_out,
            sets: action.sets.len() as u32,
            rounds: action.sets.iter().map(|set| set.rounds).sum(),
            unfinished: action.unfinished,
            cpu,
            wall,
            classes: Vec::new(),
        }));
    }
    add_classes(evidence, isolated, counts, (clones, &mut comparisons));
    comparisons
}

/// A way of timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Cpu,
    Wall,
}

/// What a connection set says by a clock.
fn times(set: &ConnectionSet, clock: Clock) -> Option<&Times> {
    match clock {
        Clock::Cpu => set.cpu.as_ref(),
        Clock::Wall => Some(&set.wall),
    }
}

/// What every connection set says of the change; nothing where one says nothing.
fn after(action: &IsolatedAction, clock: Clock) -> Option<Vec<f64>> {
    action.sets.iter().map(|set| Some(times(set, clock)?.after)).collect()
}

/// What clones differ by without a change, as calibration and the control of every action show it.
fn clone_variance(evidence: &Evidence, isolated: &Isolated, clock: Clock) -> CloneVariance {
    let own_control = match evidence.design.subject {
        Subject::Given { own_control } => own_control,
        Subject::Clones | Subject::InPlace => true,
    };
    let replicates = evidence.design.replicates.max(1);
    let contrasts = isolated.actions.iter().filter(|_| own_control).flat_map(|action| {
        (0..replicates).filter_map(|replicate| {
            let own = action.sets.iter().filter(|set| set.replicate == replicate);
            let values: Option<Vec<f64>> = own.map(|set| Some(times(set, clock)?.control)).collect();
            Contrast::of(&values?)
        })
    });
    let contrasts: Vec<Contrast> = contrasts.collect();
    let pooled = CloneVariance::pooled(&contrasts, isolated.huge_pages == Some(true));
    pooled.of_change(own_control, replicates as usize)
}

fn time_comparison(
    action: &IsolatedAction,
    clock: Clock,
    effect_with_clones: &Effect,
    (p_adjusted, margin): (f64, f64),
) -> TimeComparison {
    let all = || action.sets.iter().filter_map(|set| times(set, clock));
    let us = |side: Side| median(all().filter_map(|times| times.mean_us.get(&side).copied()).collect());
    let own = |values: Vec<f64>| effect(&values, 0.05).map_or(NO_CHANGE, |effect| Change::from(&effect));
    TimeComparison {
        before_us: us(Side::Before),
        control_us: us(Side::Control),
        after_us: us(Side::After),
        change: Change::from(effect_with_clones),
        on_these_clones: own(all().map(|times| times.after).collect()),
        control: own(all().map(|times| times.control).collect()),
        p_adjusted,
        claim: claim(effect_with_clones, p_adjusted, margin),
        direction: direction(effect_with_clones, p_adjusted),
    }
}

const NO_CHANGE: Change = Change { change: 0.0, low: 0.0, high: 0.0 };

/// What an effect proves: a difference of the margin or more that is beyond chance, or equality within the margin (two
/// one-sided tests).
fn claim(effect: &Effect, p_adjusted: f64, margin: f64) -> Claim {
    let share = |log: f64| log.exp_m1();
    match direction(effect, p_adjusted) {
        Some(Direction::Slower) if share(effect.estimate) >= margin => Claim::Slower,
        Some(Direction::Faster) if share(effect.estimate) <= -margin => Claim::Faster,
        _ if -margin < share(effect.of_equivalence.0) && share(effect.of_equivalence.1) < margin => Claim::Same,
        _ => Claim::Open,
    }
}

fn direction(effect: &Effect, p_adjusted: f64) -> Option<Direction> {
    let (low, high) = effect.of_difference;
    match p_adjusted <= FALSE_DISCOVERY {
        true if low > 0.0 => Some(Direction::Slower),
        true if high < 0.0 => Some(Direction::Faster),
        _ => None,
    }
}

/// Effects by class of parameters, of which each is a mean over its sets of parameters.
fn add_classes(
    evidence: &Evidence,
    isolated: &Isolated,
    counts: &[Option<CountComparison>],
    (clones, comparisons): ([CloneVariance; 2], &mut [Option<IsolatedComparison>]),
) {
    struct Found {
        action: usize,
        class: ParameterClass,
        sets: u32,
        effect: Effect,
    }
    let mut all: Vec<Found> = Vec::new();
    for (action, measured) in isolated.actions.iter().enumerate() {
        let counted = |side: Side| evidence.counts.get(&side).and_then(|counted| counted.get(action));
        let (Some(Some(compared)), Some(before), Some(now)) =
            (counts.get(action), counted(Side::Before), counted(Side::After))
        else {
            continue;
        };
        let seen = measured.sets.iter().all(|set| set.cpu.is_some());
        for (class, members) in positions(&compared.classes, [before, now]) {
            let own = || members.iter().filter_map(|position| measured.parameters.get(*position));
            let values: Vec<f64> = (0..measured.sets.len())
                .filter_map(|set| {
                    let of_set = own().filter_map(|times| *if seen { &times.cpu } else { &times.wall }.get(set)?);
                    let of_set: Vec<f64> = of_set.collect();
                    (!of_set.is_empty()).then(|| of_set.iter().sum::<f64>() / of_set.len() as f64)
                })
                .collect();
            let clones = clones[if seen { Clock::Cpu } else { Clock::Wall } as usize];
            if let Some(effect) = effect_of_sets(&values, clones, 2 * isolated.actions.len()) {
                all.push(Found { action, class, sets: members.len() as u32, effect });
            }
        }
    }
    let p_values: Vec<f64> = all.iter().map(|found| found.effect.p_value).collect();
    for (found, p_adjusted) in all.iter().zip(benjamini_hochberg(&p_values)) {
        let margin = evidence.actions[found.action].margin;
        let Some(comparison) = comparisons.get_mut(found.action).and_then(Option::as_mut) else { continue };
        comparison.classes.push(ClassTimes {
            class: found.class,
            sets: found.sets,
            change: Change::from(&found.effect),
            p_adjusted,
            claim: claim(&found.effect, p_adjusted, margin),
        });
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[half],
        _ => (values[half - 1] + values[half]) / 2.0,
    }
}

#[cfg(test)]
pub(in crate::compare) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Twelve connection sets in which a clock shows this change and this control, a thousandth apart.
    pub(in crate::compare) fn action(cpu: Option<f64>, wall: f64) -> IsolatedAction {
        let times = |center: f64, n: usize| Times {
            mean_us: BTreeMap::from(Side::ALL.map(|side| (side, 100.0))),
            after: center + 0.001 * (n as f64 - 5.5),
            control: 0.0005 * (n as f64 - 5.5),
        };
        let set = |n: usize| ConnectionSet {
            replicate: 0,
            processor: Some((n % 2) as u32),
            rounds: 100,
            cpu: cpu.map(|center| times(center, n)),
            wall: times(wall, n),
        };
        IsolatedAction { sets: (0..12).map(set).collect(), ..IsolatedAction::default() }
    }

    fn compared(actions: Vec<IsolatedAction>, huge_pages: bool) -> Vec<IsolatedComparison> {
        let mut evidence = crate::compare::tests::saved();
        let facts = evidence.actions[0].clone();
        evidence.actions = vec![facts; actions.len()];
        evidence.counts.clear();
        evidence.isolated = Some(Isolated { actions, huge_pages: Some(huge_pages), ..Isolated::default() });
        let none = vec![None; evidence.actions.len()];
        compare_all(&evidence, &none).into_iter().flatten().collect()
    }

    #[test]
    fn a_change_of_the_margin_is_claimed_and_none_is_proven_to_be_none() {
        let margin = crate::compare::tests::saved().actions[0].margin;
        let (more, less) = ((1.0 + 1.6 * margin).ln(), (1.0 - 1.6 * margin).ln());
        let found = compared(vec![action(Some(more), 0.0), action(Some(0.0), less), action(None, 0.0)], true);
        let claims = |of: &IsolatedComparison| (of.cpu.map(|cpu| cpu.claim), of.wall.map(|wall| wall.claim));
        assert_eq!(claims(&found[0]), (Some(Claim::Slower), Some(Claim::Same)));
        assert_eq!(claims(&found[1]), (Some(Claim::Same), Some(Claim::Faster)));
        assert_eq!(claims(&found[2]), (None, Some(Claim::Same)));
        assert_eq!(found[0].cpu.unwrap().direction, Some(Direction::Slower));
        assert_eq!((found[0].sets, found[0].rounds), (12, 1_200));
    }

    #[test]
    fn what_small_pages_make_of_clones_is_in_the_interval() {
        let half = |huge_pages: bool| {
            let change = compared(vec![action(Some(0.0), 0.0)], huge_pages)[0].cpu.unwrap().change;
            (change.high - change.low) / 2.0
        };
        assert!(half(false) > 1.6 * half(true), "{} {}", half(false), half(true));
        let on_these = compared(vec![action(Some(0.0), 0.0)], false)[0].cpu.unwrap().on_these_clones;
        assert!((on_these.high - on_these.low) / 2.0 < 0.005, "{on_these:?}");
    }

    #[test]
    fn fewer_than_eight_connection_sets_say_nothing() {
        let mut few = action(Some(0.3), 0.3);
        few.sets.truncate(7);
        let found = compared(vec![few], true);
        assert_eq!((found[0].cpu, found[0].wall, found[0].sets), (None, None, 7));
    }
}
