//! Lists of words and names, filled once with the `fake` crate. Must never be drawn from per cell by `fake` itself.

use std::sync::LazyLock;

use fake::Fake;
use fake::faker::address::en::{CityName, StreetName};
use fake::faker::company::en::{CatchPhrase, CompanyName};
use fake::faker::lorem::en::{Sentence, Word};
use fake::faker::name::en::{FirstName, LastName};

use crate::expression::{CellRng, Key};

/// A list of texts by the name a spec calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// First names.
    FirstName,
    /// Last names.
    LastName,
    /// Company names.
    Company,
    /// Cities.
    City,
    /// Street names.
    Street,
    /// Short phrases that pass for titles.
    Title,
    /// Single words.
    Word,
    /// Sentences of 6 to 20 words.
    Sentence,
}

/// How many texts a pool holds.
const SIZE: usize = 2_000;

impl Pool {
    /// The names a spec may call, in the order of the help.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("first_name", Self::FirstName),
        ("last_name", Self::LastName),
        ("company", Self::Company),
        ("city", Self::City),
        ("street", Self::Street),
        ("title", Self::Title),
        ("word", Self::Word),
        ("sentence", Self::Sentence),
    ];

    /// The text that 64 uniform bits choose.
    #[must_use]
    pub fn pick(self, bits: u64) -> &'static str {
        let list = &POOLS[self as usize];
        &list[crate::expression::hash::below(bits, list.len() as u64) as usize]
    }
}

/// The pools do not depend on the dataset's seed: the lists are the same everywhere, the choice is not.
static POOLS: LazyLock<[Vec<String>; 8]> = LazyLock::new(|| {
    Pool::NAMES.map(|(name, pool)| {
        let mut rng = CellRng::new(Key::new(0).named("pool").named(name));
        (0..SIZE)
            .map(|_| match pool {
                Pool::FirstName => FirstName().fake_with_rng(&mut rng),
                Pool::LastName => LastName().fake_with_rng(&mut rng),
                Pool::Company => CompanyName().fake_with_rng(&mut rng),
                Pool::City => CityName().fake_with_rng(&mut rng),
                Pool::Street => StreetName().fake_with_rng(&mut rng),
                Pool::Title => CatchPhrase().fake_with_rng(&mut rng),
                Pool::Word => Word().fake_with_rng(&mut rng),
                Pool::Sentence => Sentence(6..20).fake_with_rng(&mut rng),
            })
            .collect()
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_the_same_everywhere() {
        let firsts: Vec<&str> = Pool::NAMES.iter().map(|(_, pool)| pool.pick(0)).collect();
        let expected = [
            "Amani",
            "Williamson",
            "Orn LLC",
            "Lake Reese Baileychester",
            "Bechtelar Streets",
            "Universal static function",
            "voluptatem",
            "animi quasi ullam non sunt assumenda aut dolores nam non voluptatem aut deleniti omnis quis quae.",
        ];
        assert_eq!(firsts, expected);
    }
}
