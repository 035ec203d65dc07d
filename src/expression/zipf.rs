//! Skewed ranks: few are picked often, many rarely. Must be closed form; no table of weights.

use super::hash::Key;
use super::power;

/// A Zipf-Mandelbrot law over ranks 0 … n−1: weight (rank + 1 + q)^−s.
///
/// The continuous form is used throughout: the mass below rank x is H(x) − H(0) with
/// H(x) = ((x + 1 + q)^(1−s) − 1) / (1−s), so both directions are O(1).
#[derive(Debug, Clone, Copy)]
pub struct Zipf {
    exponent: f64,
    shift: f64,
    count: u64,
    low: f64,
    high: f64,
    /// 1/(1−s).
    inverse: f64,
}

impl Zipf {
    /// The law with exponent `s` ≥ 0 over `count` ranks.
    #[must_use]
    pub fn new(exponent: f64, count: u64) -> Self {
        Self::shifted(exponent, 0.0, count)
    }

    /// The law flattened just enough that no rank holds more than `share` of the mass.
    #[must_use]
    pub fn with_top_share(exponent: f64, share: f64, count: u64) -> Self {
        Self::new(exponent, count).flattened_to(share)
    }

    /// The same law flattened until no rank holds more than `share` of the mass.
    #[must_use]
    pub fn flattened_to(self, share: f64) -> Self {
        let mut zipf = self;
        while share < zipf.mass_below(1.0) && zipf.shift < 1e3 * self.count as f64 {
            zipf = Self::shifted(self.exponent, (zipf.shift + 0.5) * 1.5, self.count);
        }
        zipf
    }

    /// The law's first `count` ranks alone.
    #[must_use]
    pub fn among(&self, count: u64) -> Self {
        Self { count, high: self.integral(count as f64), ..*self }
    }

    /// How skewed it is.
    #[must_use]
    pub fn exponent(&self) -> f64 {
        self.exponent
    }

    /// How many ranks there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    fn shifted(exponent: f64, shift: f64, count: u64) -> Self {
        let inverse = 1.0 / (1.0 - exponent);
        let mut zipf = Self { exponent, shift, count, low: 0.0, high: 1.0, inverse };
        (zipf.low, zipf.high) = (zipf.integral(0.0), zipf.integral(count as f64));
        zipf
    }

    /// The share of the mass held by ranks below `rank`, from 0 to 1.
    #[must_use]
    pub fn mass_below(&self, rank: f64) -> f64 {
        (self.integral(rank) - self.low) / (self.high - self.low)
    }

    /// The rank at which the mass below reaches `share`; always under the count.
    #[must_use]
    pub fn rank_at(&self, share: f64) -> u64 {
        let target = self.low + share * (self.high - self.low);
        let base = 1.0 + self.shift;
        let position = if self.exponent == 0.0 {
            target - self.shift
        } else if (self.exponent - 1.0).abs() < 1e-9 {
            power::exp(target) - base
        } else {
            power::pow(1.0 + target * (1.0 - self.exponent), self.inverse) - base
        };
        (position.max(0.0) as u64).min(self.count.saturating_sub(1))
    }

    /// A rank drawn from a stream at `n`.
    #[must_use]
    pub fn draw(&self, key: Key, n: u64) -> u64 {
        self.rank_at(key.unit(n))
    }

    fn integral(&self, rank: f64) -> f64 {
        let x = rank + 1.0 + self.shift;
        if (self.exponent - 1.0).abs() < 1e-9 {
            power::ln(x)
        } else {
            (power::pow(x, 1.0 - self.exponent) - 1.0) * self.inverse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_first_rank_is_the_integral() {
        for exponent in [0.0, 0.7, 1.0, 1.3] {
            let zipf = Zipf::new(exponent, 1000);
            let key = Key::new(3);
            let n = 200_000;
            let first = (0..n).filter(|i| zipf.draw(key, *i) == 0).count() as f64 / n as f64;
            assert!((first - zipf.mass_below(1.0)).abs() < 0.003, "s = {exponent}: {first}");
            assert!((0..n).all(|i| zipf.draw(key, i) < 1000));
        }
    }

    #[test]
    fn rank_and_mass_are_inverse() {
        let zipf = Zipf::with_top_share(1.1, 0.01, 500);
        assert!(zipf.mass_below(1.0) <= 0.01);
        for rank in 0..500 {
            let middle = (zipf.mass_below(f64::from(rank)) + zipf.mass_below(f64::from(rank) + 1.0)) / 2.0;
            assert_eq!(zipf.rank_at(middle), rank as u64);
        }
    }
}
