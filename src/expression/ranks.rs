//! How unevenly something is spread over ranks: by a power law, or like the sizes of most things. Must be closed form.

use super::distribution::{normal_below, normal_quantile};
use super::hash::Key;
use super::zipf::Zipf;

/// Ranks 0 … n−1 with falling weights.
#[derive(Debug, Clone, Copy)]
pub enum Ranks {
    /// A power law.
    Zipf(Zipf),
    /// Weights that are lognormal with this standard deviation of the logarithm, over this many ranks.
    ///
    /// The share of the mass that the largest part q holds is the Lorenz curve Φ(σ − Φ⁻¹(1 − q)).
    LogNormal(f64, u64),
}

impl Ranks {
    /// How many ranks there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Zipf(zipf) => zipf.count(),
            Self::LogNormal(_, count) => *count,
        }
    }

    /// The same law over another number of ranks.
    #[must_use]
    pub fn over(&self, count: u64) -> Self {
        match self {
            Self::Zipf(zipf) => Self::Zipf(Zipf::new(zipf.exponent(), count)),
            Self::LogNormal(sigma, _) => Self::LogNormal(*sigma, count),
        }
    }

    /// The law's first `count` ranks alone.
    #[must_use]
    pub fn among(&self, count: u64) -> Self {
        match self {
            Self::Zipf(zipf) => Self::Zipf(zipf.among(count)),
            Self::LogNormal(sigma, _) => Self::LogNormal(*sigma, count),
        }
    }

    /// The share of the mass held by ranks below `rank`, from 0 to 1.
    #[must_use]
    pub fn mass_below(&self, rank: f64) -> f64 {
        match self {
            Self::Zipf(zipf) => zipf.mass_below(rank),
            Self::LogNormal(_, count) if *count as f64 <= rank => 1.0,
            Self::LogNormal(..) if rank <= 0.0 => 0.0,
            Self::LogNormal(sigma, count) => normal_below(sigma - normal_quantile(1.0 - rank / *count as f64)),
        }
    }

    /// The rank at which the mass below reaches `share`; always under the count.
    #[must_use]
    pub fn rank_at(&self, share: f64) -> u64 {
        match self {
            Self::Zipf(zipf) => zipf.rank_at(share),
            Self::LogNormal(sigma, count) => {
                let part = 1.0 - normal_below(normal_quantile(1.0 - share) + sigma);
                ((part * *count as f64) as u64).min(count.saturating_sub(1))
            }
        }
    }

    /// The rank drawn at `n` of a stream.
    #[must_use]
    pub fn draw(&self, key: Key, n: u64) -> u64 {
        match self {
            Self::Zipf(zipf) => zipf.draw(key, n),
            Self::LogNormal(..) => self.rank_at(key.unit(n)),
        }
    }

    /// The same law flattened until no rank holds more than `share` of the mass.
    #[must_use]
    pub fn flattened_to(self, share: f64) -> Self {
        match self {
            Self::Zipf(zipf) => Self::Zipf(zipf.flattened_to(share)),
            Self::LogNormal(mut sigma, count) => {
                while share < Self::LogNormal(sigma, count).mass_below(1.0) && 1e-3 < sigma {
                    sigma *= 0.9;
                }
                Self::LogNormal(sigma, count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lognormal_ranks_have_the_shape_of_a_lognormal() {
        let ranks = Ranks::LogNormal(1.0, 10_000);
        let mut sizes = vec![0_u32; 10_000];
        for n in 0..2_000_000 {
            sizes[ranks.draw(Key::new(1), n) as usize] += 1;
        }
        assert!(sizes[10] > sizes[1_000] && sizes[1_000] > sizes[9_000]);
        // ln(p95 / median) of a lognormal with sigma 1 is 1.645.
        let ratio = f64::from(sizes[500]) / f64::from(sizes[5_000]);
        assert!((ratio.ln() - 1.645).abs() < 0.15, "{ratio}");
        for rank in [0, 1, 50, 5_000, 9_999] {
            let middle = (ranks.mass_below(f64::from(rank)) + ranks.mass_below(f64::from(rank) + 1.0)) / 2.0;
            assert_eq!(ranks.rank_at(middle), rank as u64);
        }
        assert!(Ranks::LogNormal(3.0, 100).flattened_to(0.05).mass_below(1.0) <= 0.05);
    }
}
