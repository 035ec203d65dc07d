//! Texts that match a regular expression. Must draw from the row's own stream only.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::expression::{Key, Permutation};

/// A regular expression as something that can be written out.
#[derive(Debug, Clone)]
pub struct Pattern {
    hir: Hir,
    low: usize,
    high: usize,
    /// How often repetitions without an end, or without a length of their own, repeat where every row has a text of its
    /// own; `None` where the row's number is written out as it is.
    repeats: Option<Repeats>,
}

/// How often a repetition repeats in texts that must differ: always as often, so that two numbers never give one text.
#[derive(Debug, Clone, Copy)]
struct Repeats {
    times: u32,
    /// Bounded repetitions too: a handle of 3 to 12 letters need not have 12.
    all: bool,
}

impl Repeats {
    /// Without an end in sight nothing is written.
    const NONE: Self = Self { times: 0, all: false };

    fn of(self, repetition: &Repetition) -> u32 {
        match repetition.max {
            Some(max) if self.all => self.times.clamp(repetition.min, max),
            Some(max) => max,
            None => self.times.max(repetition.min),
        }
    }
}

/// An open repetition goes on for at most this many more.
const MORE: u32 = 8;

/// Texts of their own that open repetitions are made long enough for: no table has as many rows.
const ENOUGH: u64 = 1 << 40;

/// Where choices come from: a row's number read digit by digit, so that texts differ, or a stream.
enum Source {
    Number(u64, Repeats),
    Stream(Key, u64),
}

impl Source {
    fn below(&mut self, bound: u64) -> u64 {
        match self {
            Self::Number(rest, _) => {
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
            Self::Number(..) => high,
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
        let repeats = is_open(&hir).then(|| enough(&hir, low, high, false));
        Ok(Self { hir, low, high, repeats })
    }

    /// The same pattern, its texts for each row neither in the order of rows nor longer than they need be.
    #[must_use]
    pub fn mixed(self) -> Self {
        let repeats = Some(enough(&self.hir, self.low, self.high, true));
        Self { repeats, ..self }
    }

    /// How many different texts rows numbered one by one can have.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        capacity(&self.hir, self.repeats.unwrap_or(Repeats::NONE))
    }

    /// Whether a text matches, as `~` has it: anywhere in it unless anchored.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        (0..=letters.len()).any(|start| matches(&self.hir, &letters, start, &mut |_| true))
    }

    /// A text; its own for each row when asked, else a drawn one.
    #[must_use]
    pub fn text(&self, key: Key, row: u64, each: bool) -> String {
        let mut text = String::new();
        if each {
            // Open repetitions have far more texts than there are rows: a short number would fill them with zeros.
            let number = self.repeats.map_or(row, |_| {
                let size = self.capacity().min(1 << 60);
                Permutation::new(key, size).apply(row % size.max(1))
            });
            write(&self.hir, &mut Source::Number(number, self.repeats.unwrap_or(Repeats::NONE)), &mut text);
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
            let high = match source {
                Source::Number(_, repeats) => repeats.of(repetition),
                Source::Stream(..) => repetition.max.unwrap_or(repetition.min + MORE),
            };
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
                Source::Number(_, repeats) => roomiest(parts, *repeats),
                Source::Stream(..) => source.below(parts.len() as u64) as usize,
            };
            write(&parts[chosen], source, out);
        }
    }
}

fn roomiest(parts: &[Hir], repeats: Repeats) -> usize {
    (0..parts.len()).max_by_key(|part| (capacity(&parts[*part], repeats), std::cmp::Reverse(*part))).unwrap_or(0)
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
    let ranges = if matches!(source, Source::Number(..)) { folded(class) } else { members(class) };
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

/// The fewest repetitions with far more texts than any table has rows, as far as their length allows it.
fn enough(hir: &Hir, low: usize, high: usize, all: bool) -> Repeats {
    let repeats = |times: u32| Repeats { times, all };
    let roomy = |times: u32| capacity(hir, repeats(times)) >= ENOUGH && length(hir, repeats(times)) >= low;
    let shorter = (1..=64).take_while(|times| *times == 1 || length(hir, repeats(*times)) <= high);
    repeats(shorter.clone().find(|times| roomy(*times)).or(shorter.last()).unwrap_or(1))
}

/// How many texts a number can name.
fn capacity(hir: &Hir, repeats: Repeats) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 1,
        HirKind::Class(class) => folded(class).iter().map(|(a, b)| u64::from(b - a) + 1).sum(),
        HirKind::Repetition(repetition) => capacity(&repetition.sub, repeats).saturating_pow(repeats.of(repetition)),
        HirKind::Capture(capture) => capacity(&capture.sub, repeats),
        HirKind::Concat(parts) => parts.iter().map(|part| capacity(part, repeats)).fold(1, u64::saturating_mul),
        HirKind::Alternation(parts) => parts.iter().map(|part| capacity(part, repeats)).max().unwrap_or(1),
    }
}

/// Characters of the text a number names.
fn length(hir: &Hir, repeats: Repeats) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).chars().count(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            length(&repetition.sub, repeats).saturating_mul(repeats.of(repetition) as usize)
        }
        HirKind::Capture(capture) => length(&capture.sub, repeats),
        HirKind::Concat(parts) => parts.iter().map(|part| length(part, repeats)).sum(),
        HirKind::Alternation(parts) => length(&parts[roomiest(parts, repeats)], repeats),
    }
}

/// Whether a repetition has no end.
fn is_open(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => repetition.max.is_none() || is_open(&repetition.sub),
        HirKind::Capture(capture) => is_open(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(is_open),
        _ => false,
    }
}

/// Whether the text from a place on matches, and what follows it as well.
fn matches(hir: &Hir, text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    match hir.kind() {
        HirKind::Empty => then(at),
        HirKind::Look(look) => {
            let holds = match look {
                Look::Start | Look::StartLF | Look::StartCRLF => at == 0,
                Look::End | Look::EndLF | Look::EndCRLF => at == text.len(),
                _ => true,
            };
            holds && then(at)
        }
        HirKind::Literal(literal) => {
            let wanted: Vec<char> = String::from_utf8_lossy(&literal.0).chars().collect();
            text[at..].starts_with(&wanted) && then(at + wanted.len())
        }
        HirKind::Class(class) => {
            let within = |c: u32| match class {
                Class::Unicode(class) => {
                    class.ranges().iter().any(|r| (r.start() as u32..=r.end() as u32).contains(&c))
                }
                Class::Bytes(class) => class.ranges().iter().any(|r| (r.start().into()..=r.end().into()).contains(&c)),
            };
            text.get(at).is_some_and(|c| within(*c as u32)) && then(at + 1)
        }
        HirKind::Repetition(repetition) => repeated(repetition, 0, text, at, then),
        HirKind::Capture(capture) => matches(&capture.sub, text, at, then),
        HirKind::Concat(parts) => in_turn(parts, text, at, then),
        HirKind::Alternation(parts) => parts.iter().any(|part| matches(part, text, at, then)),
    }
}

fn in_turn(parts: &[Hir], text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    match parts.split_first() {
        Some((first, rest)) => matches(first, text, at, &mut |at| in_turn(rest, text, at, then)),
        None => then(at),
    }
}

fn repeated(
    repetition: &Repetition,
    count: u32,
    text: &[char],
    at: usize,
    then: &mut dyn FnMut(usize) -> bool,
) -> bool {
    let more = repetition.max.is_none_or(|max| count < max)
        && matches(&repetition.sub, text, at, &mut |next| {
            next > at && repeated(repetition, count + 1, text, next, then)
        });
    more || count >= repetition.min && then(at)
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

    #[test]
    fn open_patterns_give_texts_of_a_believable_length_that_differ() {
        let slug = Pattern::read("^[a-z0-9]+(-[a-z0-9]+)*$", 0, usize::MAX).unwrap();
        let mut seen: Vec<String> = (0..5_000).map(|row| slug.text(Key::new(1), row, true)).collect();
        assert!(seen.iter().all(|text| (8..=24).contains(&text.len()) && slug.accepts(text)), "{:?}", &seen[..3]);
        assert!(seen.iter().filter(|text| text.starts_with("0")).count() < 500, "{:?}", &seen[..3]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5_000);
        let short = Pattern::read("^[a-z]+$", 4, 6).unwrap();
        assert!((0..50).all(|row| (4..=6).contains(&short.text(Key::new(1), row, true).len())));
        assert_eq!(short.capacity(), 26_u64.pow(6));
        let handle = Pattern::read("^[a-z0-9_]{3,40}$", 0, usize::MAX).unwrap().mixed();
        assert_eq!(handle.text(Key::new(1), 5, true).len(), 8);
        assert_ne!(handle.text(Key::new(1), 5, true)[1..], handle.text(Key::new(1), 6, true)[1..]);
    }

    #[test]
    fn a_text_is_accepted_where_the_server_would_accept_it() {
        let accepts = |pattern: &str, text: &str| Pattern::read(pattern, 0, 99).unwrap().accepts(text);
        assert!(accepts("^[a-z0-9]+(-[a-z0-9]+)*$", "universal-static-1f") && !accepts("^[a-z]+$", "a-b"));
        assert!(accepts(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "a.b@example.com") && accepts("b", "abc"));
        assert!(!accepts("^(ab|c){2,3}$", "ab") && accepts("^(ab|c){2,3}$", "abcab") && !accepts("^a*$", "aab"));
    }
}
