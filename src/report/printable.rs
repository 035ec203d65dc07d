//! Results as they may be printed. Must let no character through that moves a cursor, starts a line or turns the
//! direction of text: names come from catalogs, scenarios and files of others.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Trial;
use crate::compare::{Comparison, compare};
use crate::evidence::Evidence;
use crate::units::{is_printable, printable, printable_lines};

/// Keys of texts that have lines of their own, which no report prints as they are.
const WITH_LINES: [&str; 2] = ["sql", "sql_after"];

/// A trial whose names are printable.
pub(super) struct PrintableTrial<'t> {
    evidence: Cow<'t, Evidence>,
    comparison: Cow<'t, Comparison>,
}

impl<'t> PrintableTrial<'t> {
    pub(super) fn of(trial: Trial<'t>) -> Self {
        let Trial { evidence, comparison } = trial;
        let Some(clean) = with_printable_names(evidence) else {
            return Self { evidence: Cow::Borrowed(evidence), comparison: Cow::Borrowed(comparison) };
        };
        let (histograms, dropped) = (evidence.histograms.clone(), evidence.dropped.clone());
        let evidence = Evidence { histograms, dropped, ..clean };
        Self { comparison: Cow::Owned(compare(&evidence)), evidence: Cow::Owned(evidence) }
    }

    pub(super) fn trial(&self) -> Trial<'_> {
        Trial { evidence: &self.evidence, comparison: &self.comparison }
    }
}

/// The same result with printable names; nothing where they are so already.
pub(super) fn with_printable_names<E: Serialize + DeserializeOwned>(evidence: &E) -> Option<E> {
    let mut value = serde_json::to_value(evidence).ok()?;
    if !escape(&mut value, false) {
        return None;
    }
    serde_json::from_value(value).ok()
}

/// Escapes every text and key of a document; whether there was anything to escape.
fn escape(value: &mut Value, with_lines: bool) -> bool {
    match value {
        Value::String(text) => {
            let escaped = if with_lines { printable_lines(text) } else { printable(text) };
            let Cow::Owned(escaped) = escaped else { return false };
            *text = escaped;
            true
        }
        Value::Array(entries) => entries.iter_mut().fold(false, |any, entry| escape(entry, with_lines) | any),
        Value::Object(fields) => {
            let mut any = false;
            for (key, field) in fields.iter_mut() {
                any |= escape(field, WITH_LINES.contains(&key.as_str()));
            }
            if fields.keys().any(|key| !key.chars().all(is_printable)) {
                any = true;
                *fields =
                    std::mem::take(fields).into_iter().map(|(key, of)| (printable(&key).into_owned(), of)).collect();
            }
            any
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A JSON document with every character escaped that is not printable; it stands for the same values.
pub(super) fn printable_json(document: &str) -> Cow<'_, str> {
    let plain = |c: char| is_printable(c) || c == '\n';
    if document.chars().all(plain) {
        return Cow::Borrowed(document);
    }
    let mut text = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if plain(c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::saved;
    use crate::report::{json, markdown, terminal};

    #[test]
    fn names_of_others_are_escaped_by_every_renderer() {
        let mut evidence = saved();
        evidence.actions[0].name = "pay\u{1b}[2J\nverified · improved".to_owned();
        evidence.migration.label = "\u{202e}0002".to_owned();
        evidence.migration.statements[0].sql = "CREATE INDEX\n  \u{9b}31m".to_owned();
        let comparison = compare(&evidence);
        let trial = Trial { evidence: &evidence, comparison: &comparison };
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            write(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        let terminal = text(&|out| terminal::write(trial, &super::super::page::Page::default(), None, out).unwrap());
        assert!(terminal.contains(r"pay\u{1b}[2J\u{a}verified · improved"), "{terminal}");
        assert!(terminal.contains(r"\u{202e}0002") && terminal.contains(r"CREATE INDEX \u{9b}31m"), "{terminal}");
        let markdown = text(&|out| markdown::write(trial, out).unwrap());
        let json = text(&|out| json::write(trial, out).unwrap());
        for text in [&terminal, &markdown, &json] {
            assert!(text.chars().all(|c| is_printable(c) || c == '\n'), "{text}");
        }
        let document: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(document["evidence"]["actions"][0]["name"], evidence.actions[0].name.as_str());
        assert_eq!(document["evidence"]["migration"]["label"], "\u{202e}0002");
    }
}
