//! What a column may hold, and what two such domains have in common. Must allow no value that either of them forbids.

use super::parse::Tree;
use crate::expression::value::parse_time;

/// What a column may hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Domain {
    /// `Some(true)`: must be NULL; `Some(false)`: must not.
    pub null: Option<bool>,
    /// Only one of these.
    pub values: Option<Vec<Tree>>,
    /// None of these.
    pub excluded: Vec<Tree>,
    /// At least this; more than this when the flag is set.
    pub low: Option<(Tree, bool)>,
    /// At most this; less than this when the flag is set.
    pub high: Option<(Tree, bool)>,
    /// Fewest and most characters or elements.
    pub length: (u32, Option<u32>),
    /// A regular expression it must match.
    pub pattern: Option<String>,
    /// How its letters are written.
    pub letters: Option<Letters>,
    /// A multiple of the first number and this much more.
    pub multiple: Option<(f64, f64)>,
    /// The kind of a JSON value.
    pub json: Option<JsonKind>,
    /// Elements of an array are among these.
    pub elements: Option<Vec<Tree>>,
}

/// How the letters of a text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// As `lower` has them.
    Lower,
    /// As `upper` has them.
    Upper,
    /// As `initcap` has them.
    Initcap,
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

impl Domain {
    /// Whether a value is within it.
    #[must_use]
    pub fn allows(&self, value: &Tree) -> bool {
        let is_equal = |other: &Tree| match (other, value) {
            (Tree::Number(n), Tree::Text(text)) | (Tree::Text(text), Tree::Number(n)) => text.parse() == Ok(*n),
            _ => other == value,
        };
        let (long, letters, accepted) = match value {
            Tree::Text(text) => {
                let count = text.chars().count();
                let long = self.length.0 as usize <= count && self.length.1.is_none_or(|most| count <= most as usize);
                let letters = match self.letters {
                    Some(Letters::Lower) => *text == text.to_lowercase(),
                    Some(Letters::Upper) => *text == text.to_uppercase(),
                    _ => true,
                };
                let accepts = |pattern: &String| {
                    crate::seed::pattern::Pattern::read(pattern, 0, usize::MAX)
                        .is_ok_and(|pattern| pattern.accepts(text))
                };
                (long, letters, self.pattern.as_ref().is_none_or(accepts))
            }
            Tree::Number(n) => {
                let multiple = |(divisor, rest): &(f64, f64)| libm::fmod(*n - rest, *divisor) == 0.0;
                (true, true, self.multiple.as_ref().is_none_or(multiple))
            }
            _ => (true, true, true),
        };
        self.null != Some(true)
            && self.values.as_ref().is_none_or(|values| values.iter().any(is_equal))
            && !self.excluded.iter().any(is_equal)
            && self.low.as_ref().is_none_or(|(low, strict)| above(value, low, *strict))
            && self.high.as_ref().is_none_or(|(high, strict)| above(high, value, *strict))
            && long
            && letters
            && accepted
    }
}

/// What both domains allow, or `None` when that is nothing.
pub(super) fn meet(a: &Domain, b: &Domain) -> Option<Domain> {
    let null = match (a.null, b.null) {
        (Some(x), Some(y)) if x != y => return None,
        (x, y) => x.or(y),
    };
    let mut excluded = a.excluded.clone();
    excluded.extend(b.excluded.iter().cloned());
    let low = tighter(&a.low, &b.low, false);
    let high = tighter(&a.high, &b.high, true);
    let values = match (&a.values, &b.values) {
        (Some(x), Some(y)) => Some(x.iter().filter(|v| y.contains(v)).cloned().collect()),
        (x, y) => x.clone().or_else(|| y.clone()),
    };
    let values: Option<Vec<Tree>> = values.map(|list| {
        list.into_iter()
            .filter(|v| !excluded.contains(v))
            .filter(|v| low.as_ref().is_none_or(|(l, strict)| above(v, l, *strict)))
            .filter(|v| high.as_ref().is_none_or(|(h, strict)| above(h, v, *strict)))
            .collect()
    });
    if values.as_ref().is_some_and(Vec::is_empty) && null != Some(true) {
        return None;
    }
    if let (Some((l, ls)), Some((h, hs))) = (&low, &high)
        && !above(h, l, *ls || *hs)
    {
        return None;
    }
    let length = (a.length.0.max(b.length.0), a.length.1.into_iter().chain(b.length.1).min());
    if length.1.is_some_and(|most| most < length.0) {
        return None;
    }
    if a.json.is_some() && b.json.is_some() && a.json != b.json {
        return None;
    }
    let elements = match (&a.elements, &b.elements) {
        (Some(x), Some(y)) => Some(x.iter().filter(|v| y.contains(v)).cloned().collect()),
        (x, y) => x.clone().or_else(|| y.clone()),
    };
    Some(Domain {
        null,
        values,
        excluded,
        low,
        high,
        length,
        pattern: a.pattern.clone().or_else(|| b.pattern.clone()),
        letters: a.letters.or(b.letters),
        multiple: a.multiple.or(b.multiple),
        json: a.json.or(b.json),
        elements,
    })
}

pub(super) fn tighter(a: &Option<(Tree, bool)>, b: &Option<(Tree, bool)>, lowest: bool) -> Option<(Tree, bool)> {
    match (a, b) {
        (Some(x), Some(y)) => {
            let y_is_tighter = if lowest { !above(&y.0, &x.0, false) } else { above(&y.0, &x.0, false) };
            Some(if y_is_tighter { y.clone() } else { x.clone() })
        }
        (x, y) => x.clone().or_else(|| y.clone()),
    }
}

/// `a >= b`, or `a > b`; numbers by value, times by moment, other texts by their letters.
#[must_use]
pub fn above(a: &Tree, b: &Tree, strictly: bool) -> bool {
    let order = match (a, b) {
        (Tree::Number(x), Tree::Number(y)) => x.total_cmp(y),
        (Tree::Interval(..), Tree::Interval(..)) => micros(a).total_cmp(&micros(b)),
        (Tree::Text(x), Tree::Text(y)) => match (parse_time(x), parse_time(y)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.cmp(y),
        },
        _ => return true,
    };
    if strictly { order.is_gt() } else { order.is_ge() }
}

/// About how long an interval is.
fn micros(interval: &Tree) -> f64 {
    match interval {
        Tree::Interval(months, micros) => *months as f64 * 30.0 * 86_400e6 + *micros as f64,
        _ => 0.0,
    }
}
