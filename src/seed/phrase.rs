//! Texts that people write, made from forms and lists. Must be a function of the stream and the row alone.
//!
//! A kind of text is a few forms with places for words of lists. Any text of a kind has a number, so that rows can have
//! texts of their own: a permutation of all of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::expression::{Key, Permutation, Weights};

/// The files that say what each kind of text looks like.
const FILES: [&str; 3] =
    [include_str!("phrases/learning.txt"), include_str!("phrases/talk.txt"), include_str!("phrases/work.txt")];

/// Kinds of which no text stands twice.
const OWN: [&str; 6] = ["tag", "category", "product", "course", "project", "team"];

/// Every kind of text by its name.
static KINDS: LazyLock<BTreeMap<&'static str, Phrase>> = LazyLock::new(|| read(&FILES));

/// A kind of text.
#[derive(Debug)]
pub struct Phrase {
    forms: Vec<Form>,
    weights: Weights,
    /// How many texts there are.
    texts: u64,
}

/// Text with places for words.
#[derive(Debug)]
struct Form {
    parts: Vec<Part>,
    /// How many texts it has.
    texts: u64,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// Words of a list; with a capital letter if it is true.
    Word(Vec<&'static str>, bool),
    /// A whole number between two.
    Number(u64, u64),
}

impl Part {
    fn choices(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Word(words, _) => words.len() as u64,
            Self::Number(low, high) => high - low + 1,
        }
    }

    fn append(&self, choice: u64, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Word(words, is_capital) => {
                let before = out.len();
                out.extend_from_slice(words[choice as usize].as_bytes());
                if *is_capital {
                    out[before..=before].make_ascii_uppercase();
                }
            }
            Self::Number(low, _) => crate::expression::Value::Int((low + choice) as i64).append_text(out),
        }
    }
}

impl Form {
    /// Appends a text whose words a stream draws.
    fn append(&self, words: Key, out: &mut Vec<u8>) {
        for (place, part) in self.parts.iter().enumerate() {
            let choice = if let Part::Text(_) = part { 0 } else { words.below(place as u64, part.choices()) };
            part.append(choice, out);
        }
    }
}

impl Phrase {
    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.get(name)
    }

    /// Names of all kinds, for a message.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        KINDS.keys().copied().collect()
    }

    /// Whether no two of its texts are the same, in any letters, so that rows can have texts of their own.
    #[must_use]
    pub fn has_own(&self) -> bool {
        OWN.iter().any(|kind| Self::named(kind).is_some_and(|own| std::ptr::eq(own, self)))
    }

    /// How many texts there are.
    #[must_use]
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// Appends a text that a row of a stream draws: forms by their weight, words with equal chance.
    pub(super) fn append(&self, key: Key, row: u64, out: &mut Vec<u8>) {
        self.forms[self.weights.choose(key.cell(row))].append(key.numbered(row), out);
    }

    /// Appends this many sentences, of which no two that follow each other have the same form.
    pub(super) fn append_prose(&self, key: Key, (low, high): (u64, u64), row: u64, out: &mut Vec<u8>) {
        let stream = key.numbered(row);
        let count = low + stream.below(u64::MAX, high - low + 1);
        let mut last = usize::MAX;
        for sentence in 0..count {
            if sentence != 0 {
                out.push(b' ');
            }
            let mut form = self.weights.choose(stream.cell(sentence));
            if form == last {
                form = (form + 1) % self.forms.len();
            }
            last = form;
            self.forms[form].append(stream.numbered(sentence), out);
        }
    }

    /// Appends the text of a row of its own; when there are no more, the first ones again with a number.
    pub(super) fn append_own(&self, order: &Permutation, row: u64, out: &mut Vec<u8>) {
        self.append_nth(order.apply(row % self.texts), out);
        if row >= self.texts {
            out.extend_from_slice(format!(" ({})", row / self.texts + 1).as_bytes());
        }
    }

    fn append_nth(&self, mut number: u64, out: &mut Vec<u8>) {
        let Some(form) = self.forms.iter().find(|form| {
            let is_of = number < form.texts;
            number -= if is_of { 0 } else { form.texts };
            is_of
        }) else {
            return;
        };
        for part in &form.parts {
            part.append(number % part.choices(), out);
            number /= part.choices();
        }
    }
}

/// Reads the files: `[kind]`, then forms, or lists of words after a colon. Lists of `[lists]` are for every kind.
///
/// # Panics
/// When a file is wrong, which the tests would find.
fn read(files: &[&'static str]) -> BTreeMap<&'static str, Phrase> {
    let mut lists: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    let mut forms: BTreeMap<&'static str, Vec<(f64, &'static str)>> = BTreeMap::new();
    for file in files {
        let mut kind = "";
        for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                kind = name;
            } else if let Some((weight, form)) =
                line.split_once("= ").filter(|(w, _)| w.parse::<f64>().is_ok() || w.is_empty())
            {
                forms.entry(kind).or_default().push((weight.parse().unwrap_or(1.0), form));
            } else {
                let (name, words) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` is no form and no list"));
                lists.insert(name, words.split(" | ").collect());
            }
        }
    }
    let kind = |(name, forms): (&'static str, Vec<(f64, &'static str)>)| {
        let weights: Vec<f64> = forms.iter().map(|(weight, _)| *weight).collect();
        let forms: Vec<Form> = forms.iter().map(|(_, text)| form(text, &lists)).collect();
        let texts = forms.iter().map(|form| form.texts).sum();
        (name, Phrase { forms, weights: Weights::new(&weights), texts })
    };
    forms.into_iter().map(kind).collect()
}

fn form(text: &'static str, lists: &BTreeMap<&str, Vec<&'static str>>) -> Form {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let doubled = rest[at..].starts_with("{{") || rest[at..].starts_with("}}");
        if doubled {
            plain.push_str(&rest[at..=at]);
            rest = &rest[at + 2..];
            continue;
        }
        let end = at + rest[at..].find('}').unwrap_or_else(|| panic!("a brace of `{text}` is not closed"));
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(place(&rest[at + 1..end], lists).unwrap_or_else(|| panic!("`{text}` names no list")));
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    let texts = parts.iter().map(Part::choices).product();
    Form { parts, texts }
}

/// `topic`, `Topic`, `2..9`
fn place(name: &str, lists: &BTreeMap<&str, Vec<&'static str>>) -> Option<Part> {
    if let Some((low, high)) = name.split_once("..") {
        return Some(Part::Number(low.parse().ok()?, high.parse().ok()?));
    }
    let words = lists.get(name.to_lowercase().as_str())?;
    Some(Part::Word(words.clone(), name.starts_with(|c: char| c.is_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_the_same_everywhere() {
        let drawn = |kind: &str, row| text(|out| Phrase::named(kind).unwrap().append(Key::new(1), row, out));
        assert_eq!(drawn("course", 7), "Advanced Yoga");
        let all: String = KINDS.keys().flat_map(|kind| (0..50).map(|row| drawn(kind, row))).collect();
        assert_eq!(Key::new(0).named(&all).cell(0), 10_078_527_667_317_490_628);
    }

    #[test]
    fn every_text_of_a_kind_that_rows_own_stands_once() {
        // Also in lower case: an index on lower(name) keeps them apart.
        for kind in OWN {
            let phrase = Phrase::named(kind).unwrap();
            let order = Permutation::new(Key::new(3), phrase.texts());
            let rows = phrase.texts().min(60_000);
            let more = phrase.texts()..phrase.texts() + 1_000;
            let own = |row| text(|out| phrase.append_own(&order, row, out)).to_lowercase();
            let seen: BTreeSet<String> = (0..rows).chain(more).map(own).collect();
            assert_eq!(seen.len() as u64, rows + 1_000, "{kind}");
        }
    }

    #[test]
    fn every_form_can_be_written() {
        for (name, phrase) in KINDS.iter() {
            for row in 0..500 {
                let made = text(|out| phrase.append(Key::new(5), row, out));
                assert!(!made.is_empty() && made.trim() == made && !made.contains("  "), "{name}: `{made}`");
                let is_open = made.replace("{{", "").replace("}}", "").contains(['{', '}']);
                assert!(!is_open, "{name}: `{made}`");
            }
        }
    }
}
