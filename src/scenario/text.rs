//! Texts that parameters hold: letters, words, JSON. Must be a function of stream and number.

use crate::expression::hash::below;
use crate::expression::{Key, Value};

/// The sixty-four words that texts are made of: common ones, so that searches find some.
const WORDS: [&str; 64] = [
    "the", "of", "and", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as", "with", "his",
    "they", "at", "be", "this", "have", "from", "or", "one", "had", "by", "word", "but", "not", "what", "all", "were",
    "we", "when", "your", "can", "said", "there", "use", "an", "each", "which", "she", "do", "how", "their", "if",
    "will", "up", "other", "about", "out", "many", "then", "them", "these", "so", "some", "her", "would", "make",
    "like", "him",
];

/// This many letters and digits.
pub(super) fn letters(key: Key, n: u64, least: u64, most: u64) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01";
    let length = least + below(key.cell(n), most - least + 1);
    let words = (0..length.div_ceil(10)).map(|word| key.numbered(word + 1).cell(n));
    let text =
        words.flat_map(|word| (0..10).map(move |place| char::from(LETTERS[(word >> (6 * place)) as usize & 63])));
    text.take(length as usize).collect()
}

/// This many words.
pub(super) fn words(key: Key, n: u64, least: u64, most: u64) -> String {
    let count = least + below(key.cell(n), most - least + 1);
    let mut text = String::new();
    for word in 0..count {
        let bits = key.numbered(word / 10 + 1).cell(n) >> (6 * (word % 10));
        if word != 0 {
            text.push(' ');
        }
        text.push_str(WORDS[bits as usize & 63]);
    }
    text
}

/// An object of JSON; numbers, truth values and NULL are what they are, everything else is text.
pub(super) fn json<'v>(members: impl Iterator<Item = (&'v str, Value<'v>)>) -> String {
    let value = |value: Value<'_>| match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => truth.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        other => other.to_text().into_owned().into(),
    };
    let object: serde_json::Map<String, serde_json::Value> =
        members.map(|(name, member)| (name.to_owned(), value(member))).collect();
    serde_json::Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_are_the_same_again() {
        let key = Key::new(5);
        for n in 0..200 {
            let text = words(key, n, 3, 12);
            assert!((3..=12).contains(&text.split(' ').count()), "{text}");
            assert_eq!(text, words(key, n, 3, 12));
        }
        let members = [("kind", Value::Text("a \"b\"".into())), ("n", Value::Int(3)), ("x", Value::Null)];
        assert_eq!(json(members.into_iter()), r#"{"kind":"a \"b\"","n":3,"x":null}"#);
    }
}
