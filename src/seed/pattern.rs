//! Texts that match a regular expression. Must draw from the row's own stream only.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::expression::Key;

/// A regular expression as something that can be written out.
#[derive(Debug, Clone)]
pub struct Pattern {
    hir: Hir,
    low: usize,
    high: usize,
}

/// An open repetition goes on for at most this many more.
const MORE: u32 = 8;

/// Where choices come from: a row's number read digit by digit, so that texts differ, or a stream.
enum Source {
    Number(u64),
    Stream(Key, u64),
}

impl Source {
    fn below(&mut self, bound: u64) -> u64 {
        match self {
            Self::Number(rest) => {
                let digit = *rest % bound;
                *rest /= bound;
                digit
            }
            Self::Stream(key, n) => {
                *n += 1;
                key.below(*n, bound)
            }
        }
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        match self {
            // A fixed length, so that two numbers never give one text.
            Self::Number(_) => high,
            Self::Stream(..) => low + self.below(u64::from(high - low) + 1) as u32,
        }
    }
}

impl Pattern {
    /// Reads a pattern; texts will have from `low` to `high` characters where the pattern allows it.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the parser.
    pub fn read(text: &str, low: usize, high: usize) -> Result<Self, String> {
        let hir = regex_syntax::parse(text).map_err(|error| error.to_string())?;
        Ok(Self { hir, low, high })
    }

    /// How many different texts rows numbered one by one can have.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        capacity(&self.hir)
    }

    /// A text; its own for each row when asked, else a drawn one.
    #[must_use]
    pub fn text(&self, key: Key, row: u64, each: bool) -> String {
        let mut text = String::new();
        if each {
            write(&self.hir, &mut Source::Number(row), &mut text);
            return text;
        }
        for attempt in 0..32 {
            text.clear();
            write(&self.hir, &mut Source::Stream(key.numbered(row), attempt * 1000), &mut text);
            let length = text.chars().count();
            if self.low <= length && length <= self.high {
                break;
            }
        }
        text
    }
}

fn write(hir: &Hir, source: &mut Source, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => out.push(pick(class, source)),
        HirKind::Repetition(repetition) => {
            let high = repetition.max.unwrap_or(repetition.min + MORE);
            for _ in 0..source.between(repetition.min, high) {
                write(&repetition.sub, source, out);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, source, out),
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, source, out);
            }
        }
        HirKind::Alternation(parts) => {
            let chosen = match source {
                // One arm for all rows, the one with the most texts, so that two numbers never give one text.
                Source::Number(_) => roomiest(parts),
                Source::Stream(..) => source.below(parts.len() as u64) as usize,
            };
            write(&parts[chosen], source, out);
        }
    }
}

fn roomiest(parts: &[Hir]) -> usize {
    (0..parts.len()).max_by_key(|part| (capacity(&parts[*part]), std::cmp::Reverse(*part))).unwrap_or(0)
}

/// The members of a class for texts that must differ: letters of one case only, as an index may fold it.
fn folded(class: &Class) -> Vec<(u32, u32)> {
    let ranges = members(class);
    let is_upper = |range: &(u32, u32)| (0x41..=0x5a).contains(&range.0) && range.1 <= 0x5a;
    let is_lower = |range: &(u32, u32)| (0x61..=0x7a).contains(&range.0) && range.1 <= 0x7a;
    if ranges.iter().any(is_lower) && ranges.iter().any(is_upper) {
        return ranges.into_iter().filter(|range| !is_upper(range)).collect();
    }
    ranges
}

/// The printable ASCII of a class; all of it when there is none.
fn members(class: &Class) -> Vec<(u32, u32)> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    let within = |low: u32, high: u32| -> Vec<(u32, u32)> {
        let cut = ranges.iter().map(|(a, b)| ((*a).max(low), (*b).min(high)));
        cut.filter(|(a, b)| a <= b).collect()
    };
    // Letters and digits read better than every sign a negated class allows.
    let plain: Vec<(u32, u32)> =
        [(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)].iter().flat_map(|(a, b)| within(*a, *b)).collect();
    let printable = within(0x20, 0x7e);
    let count = |list: &[(u32, u32)]| list.iter().map(|(a, b)| b - a + 1).sum::<u32>();
    if 5 < count(&plain) {
        plain
    } else if printable.is_empty() {
        ranges
    } else {
        printable
    }
}

fn pick(class: &Class, source: &mut Source) -> char {
    let ranges = if matches!(source, Source::Number(_)) { folded(class) } else { members(class) };
    let count: u32 = ranges.iter().map(|(a, b)| b - a + 1).sum();
    let mut chosen = source.below(u64::from(count.max(1))) as u32;
    for (low, high) in ranges {
        if chosen <= high - low {
            return char::from_u32(low + chosen).unwrap_or('x');
        }
        chosen -= high - low + 1;
    }
    'x'
}

fn capacity(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 1,
        HirKind::Class(class) => folded(class).iter().map(|(a, b)| u64::from(b - a) + 1).sum(),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min + MORE);
            capacity(&repetition.sub).saturating_pow(times)
        }
        HirKind::Capture(capture) => capacity(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(capacity).fold(1, u64::saturating_mul),
        HirKind::Alternation(parts) => parts.iter().map(capacity).max().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_form_and_differ_when_asked() {
        let pattern = Pattern::read("^[A-Z]{2}-[0-9]{3}$", 0, 99).unwrap();
        assert_eq!(pattern.capacity(), 676_000);
        let mut seen: Vec<String> = (0..5_000).map(|row| pattern.text(Key::new(1), row, true)).collect();
        assert!(seen.iter().all(|t| t.len() == 6 && t.as_bytes()[2] == b'-' && t[3..].parse::<u32>().is_ok()));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5_000);
        let folded = Pattern::read("(x|[A-Za-z0-9]{3}|y)", 0, 9).unwrap();
        assert_eq!(folded.capacity(), 36 * 36 * 36);
        let mut seen: Vec<String> = (0..46_656).map(|row| folded.text(Key::new(1), row, true).to_lowercase()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 46_656);
        let bounded = Pattern::read("^[a-z]+$", 3, 5).unwrap();
        assert!((0..100).all(|row| (3..=5).contains(&bounded.text(Key::new(1), row, false).len())));
        assert!(Pattern::read("(", 0, 1).is_err());
    }
}
