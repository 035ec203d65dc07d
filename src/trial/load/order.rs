//! In which order the sides get their slices. Must be pure: the same seed gives the same order.
//!
//! Rounds come in pairs: the second runs the first backwards (ABBA with three sides), so a drift in
//! a straight line cancels; each pair begins in a random order, so no side always comes first.

use crate::evidence::Side;
use crate::expression::Key;

/// The sides in the order of their slices in a round; `round` counts through the whole trial.
#[must_use]
pub fn order(seed: u64, round: u64) -> [Side; 3] {
    let mut sides = Side::ALL;
    let key = Key::new(seed).named("order");
    // Fisher and Yates over three.
    sides.swap(2, key.below(round / 2 * 2, 3) as usize);
    sides.swap(1, key.below(round / 2 * 2 + 1, 2) as usize);
    if round % 2 == 1 {
        sides.reverse();
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_runs_backwards_and_no_side_is_preferred() {
        let mut first = [0_u32; 3];
        for pair in 0..3_000 {
            let forth = order(42, pair * 2);
            let mut back = order(42, pair * 2 + 1);
            back.reverse();
            assert_eq!(forth, back);
            first[Side::ALL.iter().position(|s| *s == forth[0]).unwrap()] += 1;
        }
        assert!(first.iter().all(|n| (900..1_100).contains(n)), "{first:?}");
    }
}
