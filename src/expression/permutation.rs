//! A random-looking order of 0 … n−1 that needs no memory. Must be a bijection for every n.

use super::hash::Key;

/// A keyed permutation of 0 … n−1: a four-round Feistel network over the next even power of two,
/// walked until the value lies inside (cycle walking; Black & Rogaway 2002).
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    keys: [Key; 4],
    size: u64,
    half_bits: u32,
}

impl Permutation {
    /// The permutation of 0 … `size`−1 that `key` names.
    #[must_use]
    pub fn new(key: Key, size: u64) -> Self {
        Self { keys: [0, 1, 2, 3].map(|round| key.numbered(round)), size, half_bits: half_bits(size) }
    }

    /// Where `index` goes; `index` must be below the size.
    #[must_use]
    pub fn apply(&self, index: u64) -> u64 {
        debug_assert!(index < self.size);
        let mut value = self.rounds(index);
        while self.size <= value {
            value = self.rounds(value);
        }
        value
    }

    /// Where `index` goes among 0 … `size`−1, for any size up to the permutation's own; `index` must be below it.
    ///
    /// Sizes between two powers of four share one network, so that what one more member changes is the place of one.
    #[must_use]
    pub fn apply_among(&self, index: u64, size: u64) -> u64 {
        Self { keys: self.keys, size, half_bits: half_bits(size) }.apply(index)
    }

    fn rounds(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (key.mix(right) & mask));
        }
        (left << self.half_bits) | right
    }
}

fn half_bits(size: u64) -> u32 {
    let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
    bits.div_ceil(2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_a_bijection() {
        for size in [1, 2, 3, 5, 64, 100, 1000, 4097] {
            let permutation = Permutation::new(Key::new(9), size);
            let mut seen: Vec<u64> = (0..size).map(|i| permutation.apply(i)).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..size), "size {size}");
            let larger = Permutation::new(Key::new(9), 100_000);
            let mut seen: Vec<u64> = (0..size).map(|i| larger.apply_among(i, size)).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..size), "size {size} of 100,000");
        }
    }
}
