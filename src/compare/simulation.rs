//! The rule that calls a change, on simulated trials of a machine that drifts. Must hold tests alone.

use super::Verdict;
use super::effectiveness::Effectiveness;
use super::metric::verdict;
use crate::stats::discovery::benjamini_hochberg;
use crate::stats::paired::{Effect, LOOKS, effect, effect_in_time, level};

/// A stream of numbers that is the same on every machine (SplitMix64).
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Slices of a side in a chunk, and operations in a slice.
const SLICES: usize = 6;
const OPERATIONS: usize = 25;

/// ln of the ratio of the 95th percentiles of one chunk: lognormal latencies on a machine that drifts (an AR(1) walk of
/// 8 % with a time constant of 40 slices) and has a burst now and then, in slices ABBA; `after` is slower by `shift`.
fn chunk(draws: &mut Draws, drift: &mut f64, shift: f64) -> f64 {
    let (keep, spread) = ((-1.0_f64 / 40.0).exp(), 0.08);
    let mut sides = [Vec::new(), Vec::new()];
    for slice in 0..SLICES {
        for side in if slice % 2 == 0 { [0, 1] } else { [1, 0] } {
            *drift = keep * *drift + spread * (1.0 - keep * keep).sqrt() * draws.normal();
            let burst = if draws.unit() < 0.02 { 0.4 } else { 0.0 };
            let level = *drift + burst + shift * side as f64;
            sides[side].extend((0..OPERATIONS).map(|_| level + 0.3 * draws.normal()));
        }
    }
    let p95 = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[(values.len() as f64 * 0.95) as usize]
    };
    let [before, after] = &mut sides;
    p95(after) - p95(before)
}

/// Ratios of as many chunks as the last look has, of one action; `shift` is the truth.
fn ratios(trial: u64, shift: f64, chunks: u32) -> Vec<f64> {
    let mut draws = Draws(trial.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ shift.to_bits());
    let mut drift = 0.08 * draws.normal();
    (0..chunks).map(|_| chunk(&mut draws, &mut drift, shift)).collect()
}

/// At a look of this many chunks.
fn at(ratios: &[f64], look: u32) -> Effect {
    effect_in_time(&ratios[..look as usize], level(LOOKS.len())).expect("eight pairs at least")
}

const MARGIN: f64 = 0.1;

/// What is called of an effect whose p is corrected for all comparisons.
fn called(effect: &Effect, p_adjusted: f64) -> Verdict {
    let p_adjusted = Some(p_adjusted * 0.05 / level(LOOKS.len()));
    verdict(effect, (MARGIN, MARGIN), p_adjusted, 0.0, &Effectiveness::default())
}

/// How trials end.
#[derive(Debug, Default)]
struct Ends {
    slower: f64,
    faster: f64,
    same: f64,
    /// The interval of 95 % after 16 chunks holds the truth.
    covered: f64,
}

/// Shares of `trials` simulated trials of one action, examined as a proof is.
fn simulate(trials: u64, shift: f64) -> Ends {
    let mut ends = Ends::default();
    let share = 1.0 / trials as f64;
    for trial in 0..trials {
        let ratios = ratios(trial, shift, LOOKS[3]);
        let (low, high) = at(&ratios, LOOKS[1]).interval95;
        ends.covered += share * f64::from(u8::from((low..=high).contains(&shift)));
        let looks = LOOKS.into_iter().map(|look| at(&ratios, look)).map(|found| called(&found, found.p_value));
        match looks.into_iter().find(|verdict| *verdict != Verdict::Inconclusive) {
            Some(Verdict::Regressed) => ends.slower += share,
            Some(Verdict::Improved) => ends.faster += share,
            Some(Verdict::Same) => ends.same += share,
            _ => {}
        }
    }
    ends
}

#[test]
fn on_a_machine_that_drifts_verdicts_err_as_seldom_as_they_promise() {
    // Bounds of the method: intervals cover in 93 to 98 % of trials, here with the error of 400 of them; a null is
    // hardly ever called, a change of twice the margin nearly always.
    let null = simulate(400, 0.0);
    assert!(null.slower + null.faster <= 0.02 && 0.9 <= null.same, "{null:?}");
    let slower = simulate(400, 1.2_f64.ln());
    assert!(0.95 <= slower.slower && slower.faster == 0.0 && slower.same <= 0.01, "{slower:?}");
    for ends in [&null, &slower] {
        assert!((0.91..=0.985).contains(&ends.covered), "{ends:?}");
    }
}

#[test]
fn chunks_that_follow_each_other_do_not_make_intervals_too_narrow() {
    // A first-order series with a correlation of 0.5, of which 32 chunks tell as much as eleven that are independent.
    let covers = |of: fn(&[f64], f64) -> Option<Effect>| {
        let trials = 400;
        let held = (0..trials).filter(|trial| {
            let mut draws = Draws(*trial * 7_919 + 1);
            let mut last = draws.normal();
            let series: Vec<f64> = (0..32)
                .map(|_| {
                    last = 0.5 * last + 0.75_f64.sqrt() * draws.normal();
                    last
                })
                .collect();
            let (low, high) = of(&series, 0.05).expect("enough").interval95;
            (low..=high).contains(&0.0)
        });
        held.count() as f64 / trials as f64
    };
    let (alone, wider) = (covers(effect), covers(effect_in_time));
    assert!(alone < 0.80, "{alone}");
    assert!((0.88..=0.97).contains(&wider), "{wider}");
}

#[test]
fn of_twenty_actions_a_regression_is_named_and_no_other() {
    // Twenty actions have twenty machines here: nothing they share hides that they are many.
    let (mut false_trials, mut found, trials) = (0, 0, 60);
    for trial in 0..trials {
        let shift = |action: u64| if action == 7 && trial % 2 == 0 { 1.3_f64.ln() } else { 0.0 };
        let all: Vec<Vec<f64>> =
            (0..20).map(|action| ratios(1_000 * trial + action, shift(action), LOOKS[1])).collect();
        let mut named = std::collections::BTreeSet::new();
        for look in [LOOKS[0], LOOKS[1]] {
            let effects: Vec<Effect> = all.iter().map(|ratios| at(ratios, look)).collect();
            let adjusted = benjamini_hochberg(&effects.iter().map(|effect| effect.p_value).collect::<Vec<_>>());
            let verdicts = effects.iter().zip(adjusted).map(|(effect, p)| called(effect, p)).enumerate();
            named.extend(verdicts.filter(|(_, v)| matches!(v, Verdict::Regressed | Verdict::Improved)).map(|(a, _)| a));
        }
        found += u32::from(trial % 2 == 0 && named.remove(&7));
        false_trials += u32::from(!named.is_empty());
    }
    assert!(false_trials <= 3, "{false_trials} of {trials} trials called an action that had not changed");
    assert!(28 <= found, "the regression was named in {found} of 30 trials");
}
