//! Numbers with a meaning, and the one way each is printed. Must know nothing of where they come from.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What makes a dataset or a parameter stream repeatable: the same seed gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// This many seconds; none where the number is below zero or no number, and the longest duration where it is longer.
#[must_use]
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}

/// A duration as a person reads it: `350 ms`, `1.9 s`, `4 min 05 s`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

/// Bytes in binary units with three significant digits: `41.0 MiB`.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while 1024.0 <= value && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{} {}", three_digits(value), UNITS[unit]) }
}

/// A change of bytes with its sign: `+41.0 MiB`, `−3.00 KiB`.
#[must_use]
pub fn bytes_change_text(bytes: i64) -> String {
    let sign = if bytes < 0 { "−" } else { "+" };
    format!("{sign}{}", bytes_text(bytes.unsigned_abs()))
}

/// A whole number with thousands separated: `24,310`.
#[must_use]
pub fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count per call: three significant digits below a thousand, separated thousands above.
#[must_use]
pub fn per_call_text(value: f64) -> String {
    if 1000.0 <= value {
        count_text(value.round() as u64)
    } else if (value - value.round()).abs() < 0.005 {
        format!("{value:.0}")
    } else {
        three_digits(value)
    }
}

/// Nanoseconds as milliseconds with three significant digits, no unit: `0.213`, `14.1`.
#[must_use]
pub fn ms_text(nanos: u64) -> String {
    three_digits(nanos as f64 / 1e6)
}

/// A relative change as a percentage with its sign and one decimal: `−95.6 %`, `+0.4 %`.
///
/// A change to twice as much or more is printed as a factor (`×3.2`), which reads better.
#[must_use]
pub fn change_text(change: f64) -> String {
    if 1.0 <= change {
        return format!("×{}", three_digits(change + 1.0));
    }
    format!("{} %", signed(change * 100.0))
}

/// An interval of relative changes: `[−96.1 … −95.0]`, in per cent.
#[must_use]
pub fn interval_text(low: f64, high: f64) -> String {
    let side =
        |change: f64| if 1.0 <= change { format!("×{}", three_digits(change + 1.0)) } else { signed(change * 100.0) };
    format!("[{} … {}]", side(low), side(high))
}

/// A share of one as a percentage without sign: `±3.1 %` takes the `3.1 %` from here.
#[must_use]
pub fn percent_text(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Whether a character only shows itself: no control character (which may move a terminal's cursor or start a line) and
/// none that is invisible and turns or hides what stands beside it (Unicode Standard Annex 9, bidirectional controls;
/// zero-width characters; tags).
#[must_use]
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        && !matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text of others on one line: what is not printable is escaped, as `\u{1b}`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_printable)
}

/// A text of others with the lines and tabulators it has.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_printable(c) || c == '\n' || c == '\t')
}

fn escaped(text: &str, plain: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if plain(c) { escaped.push(c) } else { escaped.extend(c.escape_unicode()) }
    }
    Cow::Owned(escaped)
}

/// `1 chunk`, `8 chunks`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn signed(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded < 0.0 { format!("−{:.1}", -rounded) } else { format!("+{:.1}", rounded.abs()) }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 1.0 {
        3
    } else if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

/// Names that a list shows; of more it says how many.
pub const MAX_NAMES: usize = 5;

/// The first few names of a list, and how many more there are.
#[must_use]
pub fn list_text<S: AsRef<str>>(names: &[S]) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let first: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_one_way() {
        assert_eq!(duration_text(Duration::from_millis(350)), "350 ms");
        assert_eq!(duration_text(Duration::from_millis(1_940)), "1.9 s");
        assert_eq!(duration_text(Duration::from_secs(245)), "4 min 05 s");
        let odd = [-1.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY, 1e300, 0.5].map(seconds);
        let zero = Duration::ZERO;
        assert_eq!(odd, [zero, zero, zero, Duration::MAX, Duration::MAX, Duration::from_millis(500)]);
        assert_eq!(bytes_text(512), "512 B");
        assert_eq!(bytes_text(42_991_616), "41.0 MiB");
        assert_eq!(bytes_change_text(-3072), "−3.00 KiB");
        assert_eq!(count_text(24_310), "24,310");
        assert_eq!(count_text(999), "999");
        assert_eq!(ms_text(213_000), "0.213");
        assert_eq!(ms_text(14_100_000), "14.1");
        assert_eq!(per_call_text(6.0), "6");
        assert_eq!(per_call_text(1_204.2), "1,204");
        assert_eq!(change_text(-0.9561), "−95.6 %");
        assert_eq!(change_text(0.004), "+0.4 %");
        assert_eq!(change_text(2.2), "×3.20");
        assert_eq!(change_text(-0.0001), "+0.0 %");
        assert_eq!(interval_text(-0.012, 0.02), "[−1.2 … +2.0]");
        assert_eq!(plural(1, "chunk"), "1 chunk");
        assert_eq!(plural(8, "chunk"), "8 chunks");
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nb\tc"), r"a\u{1b}[31m\u{a}b\u{9}c");
        assert_eq!(printable_lines("a\r\n\u{202e}b\tc"), "a\\u{d}\n\\u{202e}b\tc");
        assert_eq!(printable("\u{7f}\u{9b}\u{feff}\u{2066}"), r"\u{7f}\u{9b}\u{feff}\u{2066}");
        let plain = "Größe · −5 % 漢字 🙂 e\u{301} می\u{200c}خواهم";
        assert!(matches!(printable(plain), Cow::Borrowed(_)));
    }
}
