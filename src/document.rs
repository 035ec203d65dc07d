//! Reads a TOML text table by table and collects every mistake with its place.
//!
//! Must not know what any key means, and must not open files. Serde stops at the first mistake;
//! a person with five typos wants to see all five.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, nearest};

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file, quotes included.
    pub span: Range<usize>,
}

/// A string with where its content starts in the file, when file and content agree byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedText {
    /// The decoded string.
    pub text: String,
    /// Its bytes in the file, quotes included.
    pub span: Range<usize>,
    /// File offset of the first byte of the content; `None` when escapes make them differ.
    pub content_start: Option<usize>,
}

impl PlacedText {
    /// Where a byte range of the content stands in the file; the whole string if that is not known.
    #[must_use]
    pub fn place(&self, inner: &Range<usize>) -> Range<usize> {
        match self.content_start {
            Some(start) => start + inner.start..start + inner.end,
            None => self.span.clone(),
        }
    }

    /// A mistake inside the content, moved to its place in the file.
    #[must_use]
    pub fn relocate(&self, mut problem: Diagnostic) -> Diagnostic {
        problem.span = Some(problem.span.map_or(self.span.clone(), |inner| self.place(&inner)));
        problem
    }
}

fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

type Problems = Rc<RefCell<Vec<Diagnostic>>>;

/// A table being read: asks for keys by name; what was not asked for is an unknown key.
pub struct Table<'a, 't> {
    text: &'t str,
    name: String,
    /// Where the table stands in the file.
    pub span: Range<usize>,
    entries: &'a DeTable<'t>,
    asked: BTreeSet<&'static str>,
    problems: Problems,
}

/// Parses a text and hands its root table to `read`.
///
/// # Errors
/// Every mistake: of TOML itself, and those `read` found through the tables.
pub fn read<T>(text: &str, read: impl FnOnce(&mut Table<'_, '_>) -> Option<T>) -> Result<T, Vec<Diagnostic>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| Diagnostic {
                message: error.message().to_owned(),
                span: error.span(),
                help: None,
                subject: None,
            })
            .collect());
    }
    let problems: Problems = Rc::default();
    let mut table = Table {
        text,
        name: String::new(),
        span: 0..0,
        entries: root.get_ref(),
        asked: BTreeSet::new(),
        problems: Rc::clone(&problems),
    };
    let value = read(&mut table);
    table.finish();
    let mut found = problems.take();
    found.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    match value {
        Some(value) if found.is_empty() => Ok(value),
        _ => Err(found),
    }
}

impl<'a, 't> Table<'a, 't> {
    /// Reports a mistake.
    pub fn problem(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(problem);
    }

    /// The places of the keys this table holds.
    pub fn keys(&self) -> impl Iterator<Item = Placed<&'a str>> {
        self.entries.iter().map(|(key, _)| Placed { value: key.get_ref().as_ref(), span: key.span() })
    }

    /// A string, or `None` when it is absent or of another kind.
    pub fn text(&mut self, key: &'static str) -> Option<PlacedText> {
        let value = self.get(key)?;
        self.expect_text(key, value)
    }

    /// A string that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Option<PlacedText> {
        self.require(key)?;
        self.text(key)
    }

    /// A whole number that fits an unsigned word.
    pub fn whole(&mut self, key: &'static str) -> Option<Placed<u64>> {
        let value = self.get(key)?;
        let parsed = value.get_ref().as_integer().and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        self.expect(key, "a whole number, 0 or more", value, parsed)
    }

    /// A number, whole or not.
    pub fn number(&mut self, key: &'static str) -> Option<Placed<f64>> {
        let value = self.get(key)?;
        self.expect(key, "a number", value, as_number(value.get_ref()))
    }

    /// Two numbers, the first not above the second.
    pub fn bounds(&mut self, key: &'static str) -> Option<Placed<(f64, f64)>> {
        let value = self.get(key)?;
        let numbers: Option<Vec<f64>> =
            value.get_ref().as_array().and_then(|list| list.iter().map(|item| as_number(item.get_ref())).collect());
        let parsed = numbers.and_then(|list| match list.as_slice() {
            [low, high] if low <= high => Some((*low, *high)),
            _ => None,
        });
        self.expect(key, "two numbers such as [0.02, 0.04]", value, parsed)
    }

    /// This many numbers.
    pub fn numbers(&mut self, key: &'static str, count: usize) -> Option<Placed<Vec<f64>>> {
        let value = self.get(key)?;
        let numbers: Option<Vec<f64>> =
            value.get_ref().as_array().and_then(|list| list.iter().map(|item| as_number(item.get_ref())).collect());
        self.expect(key, &format!("{count} numbers"), value, numbers.filter(|list| list.len() == count))
    }

    /// True or false.
    pub fn boolean(&mut self, key: &'static str) -> Option<Placed<bool>> {
        let value = self.get(key)?;
        self.expect(key, "true or false", value, value.get_ref().as_bool())
    }

    /// A TOML date with time, as its text.
    pub fn datetime(&mut self, key: &'static str) -> Option<Placed<String>> {
        let value = self.get(key)?;
        let parsed = value.get_ref().as_datetime().map(ToString::to_string);
        self.expect(key, "a date with time, such as 2026-01-01T00:00:00Z", value, parsed)
    }

    /// A list of strings.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<PlacedText>> {
        let value = self.get(key)?;
        let Some(list) = value.get_ref().as_array() else {
            return self.expect(key, "a list of strings", value, None::<()>).and(None);
        };
        list.iter().map(|item| self.expect_text(key, item)).collect()
    }

    /// A table under a key.
    pub fn table(&mut self, key: &'static str) -> Option<Table<'a, 't>> {
        let value = self.get(key)?;
        self.as_table(key, value)
    }

    /// A list of tables (`[[key]]`); empty when absent.
    pub fn tables(&mut self, key: &'static str) -> Vec<Table<'a, 't>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|item| self.as_table(key, item)).collect(),
            None => {
                self.expect(key, "a list of tables, written [[…]]", value, None::<()>);
                Vec::new()
            }
        }
    }

    /// Every entry of a table whose keys are the user's own names, as tables.
    pub fn named_tables(self) -> Vec<(Placed<String>, Table<'a, 't>)> {
        let entries = self.entries;
        entries
            .iter()
            .filter_map(|(key, value)| {
                let name = Placed { value: key.get_ref().to_string(), span: key.span() };
                Some((name, self.as_table(key.get_ref(), value)?))
            })
            .collect()
    }

    /// The strings under some keys.
    pub fn texts_of(&self, keys: &[String]) -> Vec<(String, PlacedText)> {
        let entry = |key: &String| Some((key.clone(), self.expect_text(key, self.entries.get(key.as_str())?)?));
        keys.iter().filter_map(entry).collect()
    }

    /// Every entry of a table whose keys are the user's own names, as tables: one (`{ … }`), or a list of them.
    pub fn named_lists(self) -> Vec<(Placed<String>, Vec<Table<'a, 't>>)> {
        let entries = self.entries;
        let of = |(key, value): (&'a Spanned<DeString<'t>>, &'a Spanned<DeValue<'t>>)| {
            let name = Placed { value: key.get_ref().to_string(), span: key.span() };
            let tables = match value.get_ref().as_array() {
                Some(list) => list.iter().filter_map(|item| self.as_table(key.get_ref(), item)).collect(),
                None => self.as_table(key.get_ref(), value).into_iter().collect(),
            };
            (name, tables)
        };
        entries.iter().map(of).collect()
    }

    /// Every entry not asked for so far, as strings; for tables whose keys are the user's own names.
    pub fn named_texts(&mut self) -> Vec<(Placed<String>, PlacedText)> {
        let entries = self.entries;
        let rest: Vec<_> = entries.iter().filter(|(key, _)| !self.asked.contains(key.get_ref().as_ref())).collect();
        rest.into_iter()
            .filter_map(|(key, value)| {
                let name = Placed { value: key.get_ref().to_string(), span: key.span() };
                Some((name, self.expect_text(key.get_ref(), value)?))
            })
            .collect()
    }

    /// Reports every key that was never asked for. A table read by name must end with it.
    pub fn finish(&mut self) {
        for (key, _) in self.entries {
            let word = key.get_ref().as_ref();
            if self.asked.contains(word) {
                continue;
            }
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let known: Vec<&str> = self.asked.iter().copied().collect();
            let help = match nearest(word, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            self.problem(Diagnostic::at(key.span(), format!("unknown key `{word}`{place}")).help(help));
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.asked.insert(key);
        self.entries.get(key)
    }

    fn require(&mut self, key: &'static str) -> Option<()> {
        if self.get(key).is_some() {
            return Some(());
        }
        let place = if self.name.is_empty() { "the file".to_owned() } else { format!("`{}`", self.name) };
        let problem = Diagnostic::whole(format!("{place} needs the key `{key}`"));
        self.problem(if self.span.is_empty() {
            problem
        } else {
            Diagnostic { span: Some(self.span.clone()), ..problem }
        });
        None
    }

    fn expect<T>(&self, key: &str, kind: &str, value: &Spanned<DeValue<'t>>, parsed: Option<T>) -> Option<Placed<T>> {
        if parsed.is_none() {
            let found = value.get_ref().type_str();
            self.problem(Diagnostic::at(value.span(), format!("`{key}` must be {kind}, not a {found}")));
        }
        parsed.map(|parsed| Placed { value: parsed, span: value.span() })
    }

    fn expect_text(&self, key: &str, value: &Spanned<DeValue<'t>>) -> Option<PlacedText> {
        let text = value.get_ref().as_str().map(str::to_owned);
        let placed = self.expect(key, "a string", value, text)?;
        let content_start = content_start(self.text, &placed.span, &placed.value);
        Some(PlacedText { text: placed.value, span: placed.span, content_start })
    }

    fn as_table(&self, key: &str, value: &'a Spanned<DeValue<'t>>) -> Option<Table<'a, 't>> {
        let Some(entries) = value.get_ref().as_table() else {
            self.expect(key, "a table", value, None::<()>);
            return None;
        };
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Some(Table {
            text: self.text,
            name,
            span: value.span(),
            entries,
            asked: BTreeSet::new(),
            problems: Rc::clone(&self.problems),
        })
    }
}

/// File offset of a string's content, if the raw text between the quotes is the content itself.
fn content_start(file: &str, span: &Range<usize>, content: &str) -> Option<usize> {
    let raw = file.get(span.clone())?;
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| raw.starts_with(quote))?;
    let mut start = quotes.len();
    if quotes.len() == 3 {
        start += raw[start..].starts_with("\r\n") as usize + raw[start..].starts_with(['\r', '\n']) as usize;
    }
    raw.get(start..start + content.len()).filter(|raw| *raw == content)?;
    Some(span.start + start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let result = read(text, |root| {
            let name = root.required_text("name");
            let mut load = root.table("load")?;
            load.number("rate");
            load.finish();
            name
        });
        result.err().unwrap_or_default().into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let found = messages("nmae = 1\n[load]\nrate = \"x\"\nburst = 2\n");
        assert_eq!(
            found,
            [
                "the file needs the key `name`",
                "unknown key `nmae`",
                "`rate` must be a number, not a string",
                "unknown key `burst` in `load`"
            ]
        );
    }

    #[test]
    fn the_content_of_a_plain_string_has_a_place_in_the_file() {
        let text = "sql = \"\"\"\nSELECT 1\"\"\"\nescaped = \"a\\tb\"\n";
        let (plain, escaped) = read(text, |root| Some((root.text("sql")?, root.text("escaped")?))).unwrap();
        assert_eq!(&text[plain.place(&(0..6))], "SELECT");
        assert_eq!(escaped.content_start, None);
        assert_eq!(&text[escaped.place(&(0..1))], "\"a\\tb\"");
    }
}
