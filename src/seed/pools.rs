//! Lists of words and names, filled once with the `fake` crate. Must never be drawn from per cell by `fake` itself.

use std::sync::LazyLock;

use fake::Fake;
use fake::faker::address::en::StreetName;
use fake::faker::address::raw::CityName;
use fake::faker::company::en::CatchPhrase;
use fake::faker::company::raw::CompanyName;
use fake::faker::impls::address::CityNameGenFn;
use fake::faker::lorem::en::{Sentence, Word};
use fake::faker::name::raw::{FirstName, LastName};
use fake::locales::{AR_SA, DE_DE, Data, EN, FA_IR, FR_FR, IT_IT, JA_JP, NL_NL, PT_BR, PT_PT, TR_TR, ZH_CN, ZH_TW};

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
        POOLS[self as usize].pick(bits)
    }

    /// Whether it has a list for each locale.
    #[must_use]
    pub fn has_locales(self) -> bool {
        (self as usize) < LOCAL
    }

    /// The text that 64 uniform bits choose, of a locale such as `de` or `pt_BR`; English for what is not known.
    #[must_use]
    pub fn pick_in(self, locale: &str, bits: u64) -> &'static str {
        match locale_place(locale) {
            Some(place) if self.has_locales() => LOCAL_POOLS[place][self as usize].pick(bits),
            _ => self.pick(bits),
        }
    }
}

/// The first locale of the same language, or the very one. Asked for every row, so it compares few bytes.
fn locale_place(locale: &str) -> Option<usize> {
    let wanted = locale.as_bytes();
    let same = |known: &str| {
        let known = known.as_bytes();
        2 <= wanted.len() && known[0] == wanted[0].to_ascii_lowercase() && known[1] == wanted[1].to_ascii_lowercase()
    };
    let first = LOCALES.iter().position(|known| same(known))?;
    let exact = || LOCALES.iter().position(|known| known.eq_ignore_ascii_case(&locale.replace('-', "_")));
    if wanted.len() == 2 { Some(first) } else { exact().or(Some(first)) }
}

/// How many pools, from the first, have a list for each locale.
const LOCAL: usize = 4;

/// Locales there are lists for, beside English. The first of a language stands for the language.
const LOCALES: [&str; 12] =
    ["de_DE", "fr_FR", "it_IT", "nl_NL", "pt_BR", "pt_PT", "tr_TR", "ja_JP", "zh_CN", "zh_TW", "ar_SA", "fa_IR"];

static LOCAL_POOLS: LazyLock<[[Texts; LOCAL]; LOCALES.len()]> = LazyLock::new(|| {
    [
        local(DE_DE, "de_DE"),
        local(FR_FR, "fr_FR"),
        local(IT_IT, "it_IT"),
        local(NL_NL, "nl_NL"),
        local(PT_BR, "pt_BR"),
        local(PT_PT, "pt_PT"),
        local(TR_TR, "tr_TR"),
        local(JA_JP, "ja_JP"),
        local(ZH_CN, "zh_CN"),
        local(ZH_TW, "zh_TW"),
        local(AR_SA, "ar_SA"),
        local(FA_IR, "fa_IR"),
    ]
});

fn local<L: Data + CityNameGenFn + Copy>(locale: L, name: &str) -> [Texts; LOCAL] {
    std::array::from_fn(|pool| {
        let mut rng = CellRng::new(Key::new(0).named("pool").named(Pool::NAMES[pool].0).named(name));
        let mut one = || match Pool::NAMES[pool].1 {
            Pool::FirstName => FirstName(locale).fake_with_rng(&mut rng),
            Pool::LastName => LastName(locale).fake_with_rng(&mut rng),
            Pool::Company => CompanyName(locale).fake_with_rng(&mut rng),
            _ => CityName(locale).fake_with_rng(&mut rng),
        };
        Texts::new((0..SIZE).map(|_| one()).collect())
    })
}

/// The pools do not depend on the dataset's seed: the lists are the same everywhere, the choice is not.
static POOLS: LazyLock<[Texts; 8]> = LazyLock::new(|| {
    Pool::NAMES.map(|(name, pool)| {
        let mut rng = CellRng::new(Key::new(0).named("pool").named(name));
        let texts: Vec<String> = (0..SIZE)
            .map(|_| match pool {
                Pool::FirstName => FirstName(EN).fake_with_rng(&mut rng),
                Pool::LastName => LastName(EN).fake_with_rng(&mut rng),
                Pool::Company => CompanyName(EN).fake_with_rng(&mut rng),
                Pool::City => CityName(EN).fake_with_rng(&mut rng),
                Pool::Street => StreetName().fake_with_rng(&mut rng),
                Pool::Title => CatchPhrase().fake_with_rng(&mut rng),
                Pool::Word => Word().fake_with_rng(&mut rng),
                Pool::Sentence => Sentence(6..20).fake_with_rng(&mut rng),
            })
            .collect();
        Texts::new(texts)
    })
});

/// Texts side by side in one piece of memory.
struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Texts {
    fn new(texts: Vec<String>) -> Self {
        let mut ends = vec![0];
        let mut all = String::new();
        for text in texts {
            all.push_str(&text);
            ends.push(all.len() as u32);
        }
        Self { all, ends }
    }

    fn pick(&self, bits: u64) -> &str {
        let place = crate::expression::hash::below(bits, self.ends.len() as u64 - 1) as usize;
        &self.all[self.ends[place] as usize..self.ends[place + 1] as usize]
    }
}

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
