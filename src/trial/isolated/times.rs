//! Rounds of a connection set as one number each for the change and the control. Must weigh parameters as they stand
//! for others.

use std::collections::BTreeMap;

use super::operation::Parameters;
use super::session::Taken;
use crate::evidence::{ParameterTimes, Side, Times};

/// One set of parameters on every side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// Which.
    pub(super) parameters: Parameters,
    /// What it took, in the order of [`Side::ALL`].
    pub(super) taken: [Taken; 3],
}

/// Share of the rounds that is left out at each end of a mean: one that an interrupt hit on one side says nothing of
/// the sides. On the clock more are hit, for it goes on while another program has the processor.
const TRIMMED_CPU: f64 = 0.1;
const TRIMMED_WALL: f64 = 0.25;

/// A clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Processor time of the backend.
    Cpu,
    /// The wall clock.
    Wall,
}

impl Round {
    fn us(&self, by: By) -> Option<[f64; 3]> {
        let us = |taken: &Taken| match by {
            By::Cpu => taken.cpu_ns.map(|ns| ns as f64 / 1e3),
            By::Wall => Some(taken.wall_ns as f64 / 1e3),
        };
        let [before, control, after] = &self.taken;
        Some([us(before)?, us(control)?, us(after)?])
    }

    /// ln after − ln before, ln after − ln control, ln control − ln before.
    fn ratios(&self, by: By) -> Option<[f64; 3]> {
        let [before, control, after] = self.us(by)?.map(f64::ln);
        Some([after - before, after - control, control - before])
    }
}

/// What the rounds of a connection set come to; nothing where there is no round with a time on every side.
pub(super) fn times(rounds: &[Round], by: By) -> Option<Times> {
    let known: Vec<(f64, [f64; 3], [f64; 3])> =
        rounds.iter().filter_map(|round| Some((round.parameters.weight, round.us(by)?, round.ratios(by)?))).collect();
    let weight: f64 = known.iter().map(|(weight, ..)| weight).sum();
    if known.is_empty() || weight <= 0.0 {
        return None;
    }
    let mean = |side: usize| known.iter().map(|(weight, us, _)| weight * us[side]).sum::<f64>() / weight;
    // Of pairs of sides, for these are as often disturbed on one as on the other: of after against the mean of two,
    // which is not, a trimmed mean would be below zero where nothing changed.
    let of = |pair: usize| {
        let trimmed = if by == By::Cpu { TRIMMED_CPU } else { TRIMMED_WALL };
        trimmed_mean(known.iter().map(|(weight, _, ratios)| (ratios[pair], *weight)).collect(), trimmed)
    };
    let mean_us = Side::ALL.into_iter().enumerate().map(|(at, side)| (side, rounded(mean(at), 1e3)));
    Some(Times {
        mean_us: mean_us.collect::<BTreeMap<_, _>>(),
        after: rounded((of(0) + of(1)) / 2.0, 1e6),
        control: rounded(of(2), 1e6),
    })
}

/// Adds what each set of parameters showed in a connection set.
pub(super) fn add_by_parameters(known: &mut [ParameterTimes], rounds: &[Round]) {
    for (position, times) in known.iter_mut().enumerate() {
        let own = rounds.iter().filter(|round| round.parameters.position == position);
        let mean = |by: By| {
            let ratios = own.clone().filter_map(|round| round.ratios(by));
            let ratios: Vec<f64> = ratios.map(|[before, control, _]| (before + control) / 2.0).collect();
            (!ratios.is_empty()).then(|| rounded(ratios.iter().sum::<f64>() / ratios.len() as f64, 1e5))
        };
        times.cpu.push(mean(By::Cpu));
        times.wall.push(mean(By::Wall));
    }
}

/// The mean of weighted values without this share of their weight at each end.
fn trimmed_mean(mut values: Vec<(f64, f64)>, trimmed: f64) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = values.iter().map(|(_, weight)| weight).sum();
    let (low, high) = (all * trimmed, all * (1.0 - trimmed));
    let (mut below, mut sum, mut kept) = (0.0, 0.0, 0.0);
    for (value, weight) in values {
        let inside = (below + weight).min(high) - f64::max(below, low);
        if inside > 0.0 {
            sum += value * inside;
            kept += inside;
        }
        below += weight;
    }
    sum / kept
}

/// What is saved holds no more digits than it means.
fn rounded(value: f64, digits: f64) -> f64 {
    (value * digits).round() / digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(position: usize, weight: f64, us: [u64; 3]) -> Round {
        let taken = us.map(|us| Taken { wall_ns: us * 1_000, cpu_ns: Some(us * 500) });
        Round { parameters: Parameters { draw: 0, position, weight }, taken }
    }

    #[test]
    fn a_round_that_was_disturbed_does_not_move_the_mean() {
        let mut rounds: Vec<Round> = (0..19).map(|_| round(0, 1.0, [100, 100, 110])).collect();
        rounds.push(round(0, 1.0, [100, 100, 100_000]));
        let wall = times(&rounds, By::Wall).unwrap();
        assert!((wall.after - 1.1_f64.ln()).abs() < 1e-6 && wall.control == 0.0, "{wall:?}");
        let cpu = times(&rounds, By::Cpu).unwrap();
        assert_eq!((cpu.after, cpu.mean_us[&Side::Before]), (wall.after, 50.0));
    }

    #[test]
    fn noise_that_only_adds_time_moves_no_side() {
        // Every third operation is disturbed, whichever side it is: by a factor of up to four.
        let us = |n: u64| if n.is_multiple_of(3) { 100 + (n * 7919) % 300 } else { 100 };
        let rounds: Vec<Round> =
            (0..900).map(|n| round(0, 1.0, [us(n * 31 + 5), us(n * 17 + 11), us(n * 13 + 2)])).collect();
        let wall = times(&rounds, By::Wall).unwrap();
        assert!(wall.after.abs() < 0.01 && wall.control.abs() < 0.01, "{wall:?}");
    }

    #[test]
    fn parameters_count_as_often_as_they_stand_for_others() {
        let rounds = [round(0, 9.0, [100, 100, 100]), round(1, 1.0, [100, 100, 800])];
        let wall = times(&rounds, By::Wall).unwrap();
        assert!((wall.mean_us[&Side::After] - 170.0).abs() < 1e-9, "{wall:?}");
        assert!(wall.after.abs() < 1e-6, "a tenth is beyond the outer tenth");
        let mut known = vec![ParameterTimes::default(); 3];
        add_by_parameters(&mut known, &rounds);
        assert_eq!((known[0].wall[0], known[2].wall[0]), (Some(0.0), None));
        assert!((known[1].cpu[0].unwrap() - 8.0_f64.ln()).abs() < 1e-5);
    }

    #[test]
    fn without_processor_time_there_is_the_clock() {
        let mut blind = round(0, 1.0, [100, 100, 100]);
        blind.taken.iter_mut().for_each(|taken| taken.cpu_ns = None);
        assert!(times(&[blind], By::Cpu).is_none() && times(&[blind], By::Wall).is_some());
    }
}
