//! A choice among a few labelled outcomes. Must take one hash and no loop per choice.

use super::hash::unit;

/// Outcomes with weights, as Walker's alias table (Vose 1991): O(1) per choice.
#[derive(Debug, Clone)]
pub struct Weights {
    keep: Vec<f64>,
    alias: Vec<u32>,
}

impl Weights {
    /// A table of positive weights in any unit. At least one must be above 0 and none below.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let count = weights.len();
        let total: f64 = weights.iter().sum();
        let mut scaled: Vec<f64> = weights.iter().map(|w| w * count as f64 / total).collect();
        let mut keep = vec![1.0; count];
        let mut alias: Vec<u32> = (0..count as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..count).partition(|i| scaled[*i] < 1.0);
        while let (Some(under), Some(&over)) = (small.pop(), large.last()) {
            keep[under] = scaled[under];
            alias[under] = over as u32;
            scaled[over] -= 1.0 - scaled[under];
            if scaled[over] < 1.0 {
                large.pop();
                small.push(over);
            }
        }
        Self { keep, alias }
    }

    /// The outcome that 64 uniform bits choose.
    #[must_use]
    pub fn choose(&self, bits: u64) -> usize {
        let position = unit(bits) * self.keep.len() as f64;
        let slot = (position as usize).min(self.keep.len() - 1);
        if position - (slot as f64) < self.keep[slot] { slot } else { self.alias[slot] as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Key;

    #[test]
    fn shares_follow_the_weights() {
        let weights = Weights::new(&[85.0, 10.0, 5.0, 0.0]);
        let mut counts = [0_u32; 4];
        for n in 0..100_000 {
            counts[weights.choose(Key::new(5).cell(n))] += 1;
        }
        assert!((counts[0] as f64 / 1e5 - 0.85).abs() < 0.005, "{counts:?}");
        assert!((counts[2] as f64 / 1e5 - 0.05).abs() < 0.003, "{counts:?}");
        assert_eq!(counts[3], 0);
    }
}
