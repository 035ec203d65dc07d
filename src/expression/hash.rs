//! The counter hash: every random value is a pure function of a key and a number. Must never hold state.
//!
//! `cell(key, n) = mum(mum(n ⊕ A, key ⊕ B), C)` with the folded 128-bit multiplication of wyhash.
//! The constants and the golden values in the tests are part of the file format of every dataset:
//! changing one changes the bytes of all of them.

use std::convert::Infallible;

use rand::TryRng;

const A: u64 = 0xa076_1d64_78bd_642f;
const B: u64 = 0xe703_7ed1_a0b4_28db;
const C: u64 = 0x8ebc_6af0_9c88_c6e3;

/// Names one stream of random values, such as "column `email` of table `users` at seed 42".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mum(seed ^ A, B))
    }

    /// The stream of a name under this one; keyed by name so that unrelated changes move nothing.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let mut hash = self.0 ^ name.len() as u64;
        for chunk in name.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = mum(hash ^ u64::from_le_bytes(word) ^ A, B);
        }
        Self(mum(hash ^ C, A))
    }

    /// The stream of a number under this one.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        Self(mum(self.0 ^ number ^ C, B))
    }

    /// The value of this stream at `n`: 64 uniform bits.
    #[must_use]
    pub fn cell(self, n: u64) -> u64 {
        mum(mum(n ^ A, self.0 ^ B), C)
    }

    /// Bits that depend on all of `n`, for rounds of a permutation: half the work of [`Key::cell`].
    #[must_use]
    pub fn mix(self, n: u64) -> u64 {
        mum(n ^ self.0, C)
    }

    /// The value at `n` as a uniform number in [0, 1).
    #[must_use]
    pub fn unit(self, n: u64) -> f64 {
        unit(self.cell(n))
    }

    /// A whole number below `bound` at `n`; `bound` 0 gives 0.
    #[must_use]
    pub fn below(self, n: u64, bound: u64) -> u64 {
        below(self.cell(n), bound)
    }
}

/// 64 bits as a uniform number in [0, 1), from the upper 53.
#[must_use]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// 64 bits as a whole number below `bound` (Lemire's multiplication; the bias is below 2⁻³² for our sizes).
#[must_use]
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

fn mum(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A stream as a generator of the `rand` crate, for word lists of other crates; never for cells.
#[derive(Debug, Clone)]
pub struct CellRng {
    key: Key,
    next: u64,
}

impl CellRng {
    /// The generator that reads a stream from its start.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, next: 0 }
    }

    fn draw(&mut self) -> u64 {
        self.next += 1;
        self.key.cell(self.next - 1)
    }
}

impl TryRng for CellRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.draw() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.draw().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values_never_change() {
        let key = Key::new(42).named("users").named("email");
        let found = [key.cell(0), key.cell(1), key.numbered(7).cell(0)];
        assert_eq!(found, [2_414_433_516_174_720_197, 6_966_834_819_494_124_057, 6_297_741_237_061_537_357]);
    }

    #[test]
    fn streams_are_uniform_and_unrelated() {
        let a = Key::new(1).named("a");
        let b = Key::new(1).named("b");
        let n = 100_000;
        let mean = (0..n).map(|i| a.unit(i)).sum::<f64>() / n as f64;
        let product = (0..n).map(|i| (a.unit(i) - 0.5) * (b.unit(i) - 0.5)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!(product.abs() < 0.002, "{product}");
        assert_ne!(Key::new(1).named("ab").named("c"), Key::new(1).named("a").named("bc"));
    }
}
