//! A random-looking order of 0 … n−1 that needs no memory. Must be a bijection for every n.

use super::hash::Key;

/// A keyed permutation of 0 … n−1: a four-round Feistel network over the next power of two, its halves a bit apart
/// where they must be, walked until the value is inside (cycle walking; Black & Rogaway 2002).
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    keys: [Key; 4],
    size: u64,
    bits: u32,
}

impl Permutation {
    /// The permutation of 0 … `size`−1 that `key` names.
    #[must_use]
    pub fn new(key: Key, size: u64) -> Self {
        Self { keys: [0, 1, 2, 3].map(|round| key.numbered(round)), size, bits: bits(size) }
    }

    /// Where `index` goes; `index` must be below the size.
    #[must_use]
    pub fn apply(&self, index: u64) -> u64 {
        self.walk(index, self.size, self.bits)
    }

    /// Where `index` goes among 0 … `size`−1, for any size up to the permutation's own; `index` must be below it.
    ///
    /// One more member changes the place of one: sizes from a quarter of the whole share its network, at the price of
    /// longer walks, and smaller ones that of their power of two.
    #[must_use]
    pub fn apply_among(&self, index: u64, size: u64) -> u64 {
        let bits = if self.size <= 4 * size { self.bits } else { bits(size) };
        self.walk(index, size, bits)
    }

    fn walk(&self, index: u64, size: u64, bits: u32) -> u64 {
        debug_assert!(index < size);
        // What is outside could walk for ever.
        let index = if index < size { index } else { 0 };
        let mut value = self.rounds(index, bits);
        while size <= value {
            value = self.rounds(value, bits);
        }
        value
    }

    fn rounds(&self, value: u64, bits: u32) -> u64 {
        let low_bits = bits - bits / 2;
        let (mut mask, mut other) = ((1_u64 << (bits / 2)) - 1, (1_u64 << low_bits) - 1);
        let (mut left, mut right) = (value >> low_bits, value & other);
        for key in self.keys {
            (left, right) = (right, left ^ (key.mix(right) & mask));
            (mask, other) = (other, mask);
        }
        (left << low_bits) | right
    }
}

fn bits(size: u64) -> u32 {
    (u64::BITS - size.saturating_sub(1).leading_zeros()).max(2)
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
