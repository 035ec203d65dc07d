//! Interval logs of HdrHistogram (V2, deflated), line by line as a run goes on. Must lose no count.
//!
//! Other tools read them: values are nanoseconds, the divisor makes milliseconds of them, the tag is
//! `action` for latency, and `action:service` and `action:lag` for the other two times.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::histograms::HlogError;
use super::log_lines::{LogLine, log_lines};

/// The tag of the waits for a connection of the pool: no action can be called so.
pub const POOL_TAG: &str = "pool:wait";

/// Nanoseconds in a millisecond, the unit of the log's maximum.
const DIVISOR: f64 = 1e6;

/// The lines before the first interval; `start_s` is the wall clock at the beginning, in seconds since 1970.
#[must_use]
pub fn header(start_s: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_secs_f64(start_s);
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("[Weighbridge run; values are nanoseconds]").with_start_time(start).with_base_time(start);
    // Writing to a vector does not fail.
    drop(builder.begin_log_with(&mut bytes, &mut serializer));
    bytes.extend_from_slice(
        b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
    );
    bytes
}

/// The line of one interval.
///
/// # Errors
/// When the tag cannot be one.
pub fn line(tag: &str, at_s: f64, length_s: f64, histogram: &Histogram<u64>) -> Result<Vec<u8>, HlogError> {
    let failed = |e: &dyn std::fmt::Debug| HlogError::Write(format!("{e:?}"));
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(DIVISOR);
    let mut log = builder.begin_log_with(&mut bytes, &mut serializer).map_err(|e| failed(&e))?;
    let written = Tag::new(tag).ok_or_else(|| HlogError::Tag(tag.to_owned()))?;
    let (at, length) = (Duration::from_secs_f64(at_s.max(0.0)), Duration::from_secs_f64(length_s.max(0.0)));
    log.write_histogram(histogram, at, length, Some(written)).map_err(|e| failed(&e))?;
    // Each line is made by a log of its own: its comments are not repeated.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with('"'));
    Ok(lines.flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect())
}

/// An interval read back.
#[derive(Debug, Clone)]
pub struct Interval {
    /// What it is of.
    pub tag: String,
    /// Its beginning, in seconds after the log's.
    pub at_s: f64,
    /// Its length, in seconds.
    pub length_s: f64,
    /// In nanoseconds.
    pub histogram: Histogram<u64>,
}

/// Reads a log back.
///
/// # Errors
/// The first line that is no interval.
pub fn read(bytes: &[u8]) -> Result<Vec<Interval>, HlogError> {
    log_lines(bytes).map(|line| line.map(Interval::from).map_err(HlogError::Line)).collect()
}

/// Reads a log back as far as it is one: a program that was killed may have left half a line at its end.
#[must_use]
pub fn read_prefix(bytes: &[u8]) -> Vec<Interval> {
    log_lines(bytes).map_while(Result::ok).map(Interval::from).collect()
}

impl From<LogLine<'_>> for Interval {
    fn from(line: LogLine<'_>) -> Self {
        let LogLine { tag, at, length, histogram, .. } = line;
        Self { tag: tag.to_owned(), at_s: at.as_secs_f64(), length_s: length.as_secs_f64(), histogram }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram::empty;

    #[test]
    fn a_log_comes_back_with_every_count() {
        let mut histogram = empty();
        for value in 1..5_000_u64 {
            histogram.record(value * 977).unwrap();
        }
        let mut bytes = header(1_700_000_000.0);
        bytes.extend(line("payment_history", 0.0, 1.0, &histogram).unwrap());
        bytes.extend(line("payment_history:lag", 1.0, 0.5, &histogram).unwrap());
        let found = read(&bytes).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].histogram, histogram);
        assert_eq!((found[1].tag.as_str(), found[1].at_s, found[1].length_s), ("payment_history:lag", 1.0, 0.5));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("#[Weighbridge run"), "{text}");
        assert!(line("two words", 0.0, 1.0, &histogram).is_err() || line("a,b", 0.0, 1.0, &histogram).is_err());
    }
}
