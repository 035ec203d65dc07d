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
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        let half_bits = bits.div_ceil(2).max(1);
        Self { keys: [0, 1, 2, 3].map(|round| key.numbered(round)), size, half_bits }
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

    fn rounds(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (key.cell(right) & mask));
        }
        (left << self.half_bits) | right
    }
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
        }
    }
}
