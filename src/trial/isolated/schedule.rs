//! Which action gets the next connection set, and when it is enough. Must look at the width of intervals, and never end
//! where one has just come to say something.

use crate::evidence::ConnectionSet;
use crate::stats::paired::effect;

/// Connection sets of an action before anybody asks how wide its interval is: Wilcoxon's exact p of twelve can reach
/// 0.0005.
pub(super) const MIN_SETS: usize = 12;

/// Connection sets at most: four times as many halve an interval once more.
const MAX_SETS: usize = 40;

/// Seconds for all actions at least, and for each.
const MIN_SECONDS: f64 = 60.0;
const SECONDS_AN_ACTION: f64 = 5.0;

/// Half of an interval in processor time, on one set of clones, is no wider than this, nor than a third of the margin.
const NARROW_CPU: f64 = 0.02;
const PART_OF_MARGIN_CPU: f64 = 1.0 / 3.0;

/// Half of an interval on the clock is no wider than this part of the margin.
const PART_OF_MARGIN_WALL: f64 = 0.5;

/// How long it may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Budget {
    /// Seconds.
    pub(super) seconds: f64,
}

impl Budget {
    /// For this many actions, on each of this many sets of clones.
    pub(super) fn new(actions: usize, replicates: u32) -> Self {
        let seconds = (SECONDS_AN_ACTION * actions as f64).max(MIN_SECONDS);
        Self { seconds: seconds / f64::from(replicates.max(1)) }
    }
}

/// How far an action is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standing {
    /// Nothing more is to be measured of it.
    pub(super) closed: bool,
    /// Connection sets it has.
    pub(super) sets: usize,
    /// Seconds that its last one took.
    pub(super) seconds: f64,
    /// Width of its widest interval over what it is to be; nothing while there are too few sets.
    pub(super) width: Option<f64>,
}

impl Standing {
    /// Whether more connection sets are wanted.
    pub(super) fn is_open(&self) -> bool {
        !self.closed && (self.sets < MIN_SETS || self.sets < MAX_SETS && self.width.is_none_or(|width| width > 1.0))
    }
}

/// The action that gets the next connection set, if there is one that needs it and has the time: the action with too
/// few, then the action with the widest interval.
pub(super) fn next(standings: &[Standing], seconds_left: f64) -> Option<usize> {
    let fits = |standing: &Standing| standing.is_open() && standing.seconds <= seconds_left;
    let open = || standings.iter().enumerate().filter(|(_, standing)| fits(standing));
    let few = open().filter(|(_, standing)| standing.sets < MIN_SETS).min_by_key(|(_, standing)| standing.sets);
    let width = |standing: &Standing| standing.width.unwrap_or(f64::INFINITY);
    let widest = || open().max_by(|(_, a), (_, b)| width(a).total_cmp(&width(b)));
    few.or_else(widest).map(|(action, _)| action)
}

/// An interval that is beyond this many times the margin needs not be narrow.
const FAR: f64 = 2.0;

/// Width of the widest interval of an action over what it is to be.
pub(super) fn width(sets: &[ConnectionSet], margin: f64) -> Option<f64> {
    let half = |values: Vec<f64>| {
        let (low, high) = effect(&values, 0.05)?.interval95;
        let nearest = if low * high > 0.0 { low.abs().min(high.abs()) } else { 0.0 };
        Some(if nearest > FAR * margin { 0.0 } else { (high - low) / 2.0 })
    };
    let wall = half(sets.iter().map(|set| set.wall.after).collect())? / (margin * PART_OF_MARGIN_WALL);
    let cpu: Option<Vec<f64>> = sets.iter().map(|set| Some(set.cpu.as_ref()?.after)).collect();
    let cpu = cpu.and_then(half).map(|half| half / NARROW_CPU.min(margin * PART_OF_MARGIN_CPU));
    Some(cpu.map_or(wall, |cpu| cpu.max(wall)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Times;

    fn standing(sets: usize, width: Option<f64>) -> Standing {
        Standing { sets, width, seconds: 0.2, closed: false }
    }

    #[test]
    fn every_action_gets_a_dozen_then_the_widest_interval_is_next() {
        assert_eq!(next(&[standing(12, Some(9.0)), standing(3, None), standing(2, None)], 60.0), Some(2));
        assert_eq!(next(&[standing(12, Some(1.5)), standing(14, Some(2.0)), standing(12, Some(0.5))], 60.0), Some(1));
        assert_eq!(next(&[standing(12, Some(0.9)), standing(MAX_SETS, Some(2.0))], 60.0), None);
        assert_eq!(next(&[standing(12, Some(1.5))], 0.1), None, "no time is left");
        assert_eq!(next(&[Standing { closed: true, ..standing(1, None) }], 60.0), None);
    }

    #[test]
    fn the_budget_is_a_minute_or_five_seconds_an_action() {
        let seconds = |actions, replicates| Budget::new(actions, replicates).seconds;
        assert_eq!((seconds(6, 1), seconds(20, 1), seconds(6, 3)), (60.0, 100.0, 20.0));
    }

    #[test]
    fn the_width_is_that_of_the_worse_clock() {
        let sets = |cpu: f64, wall: f64| -> Vec<ConnectionSet> {
            let of = |n: usize, spread: f64| Times { after: spread * (n as f64 - 5.5), ..Times::default() };
            let set = |n| ConnectionSet { cpu: Some(of(n, cpu)), wall: of(n, wall), ..ConnectionSet::default() };
            (0..12).map(set).collect()
        };
        let (cpu, wall) = (width(&sets(0.01, 0.0001), 0.05).unwrap(), width(&sets(0.0001, 0.01), 0.05).unwrap());
        assert!(cpu > wall && wall > 0.5, "{cpu} {wall}");
        let mut blind = sets(0.01, 0.0001);
        blind.iter_mut().for_each(|set| set.cpu = None);
        assert!(width(&blind, 0.05).unwrap() < 0.1);
        assert_eq!(width(&blind[..7], 0.05), None);
        let mut far = sets(0.01, 0.01);
        far.iter_mut().for_each(|set| set.wall.after -= 0.5);
        far.iter_mut().filter_map(|set| set.cpu.as_mut()).for_each(|cpu| cpu.after -= 0.5);
        assert_eq!(width(&far, 0.05), Some(0.0), "it is decided");
    }
}
