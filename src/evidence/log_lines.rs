//! An HdrHistogram interval log as lines. Must allocate no more for a line than a histogram of ours takes, whatever the
//! line says.

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry};

use super::MAX_COUNT;
use crate::stats::histogram::LARGEST_NS;

/// A line of a log: an interval of one histogram.
pub(super) struct LogLine<'l> {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    /// What it is of; empty without a tag.
    pub(super) tag: &'l str,
    /// Its beginning.
    pub(super) at: Duration,
    /// Its length.
    pub(super) length: Duration,
    /// In nanoseconds.
    pub(super) histogram: Histogram<u64>,
}

/// The intervals of a log in the order of the file; for a line that is none, its number. Comments and the legend are
/// passed over.
pub(super) fn log_lines(bytes: &[u8]) -> impl Iterator<Item = Result<LogLine<'_>, usize>> {
    let mut deserializer = Deserializer::new();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    lines.filter(|(line, _)| !matches!(line.first(), Some(b'#' | b'"'))).map(move |(line, number)| {
        let interval = interval(line).ok_or(number)?;
        let histogram = decode(interval.encoded_histogram(), &mut deserializer).ok_or(number)?;
        let tag = interval.tag().map(|tag| tag.as_str()).unwrap_or_default();
        Ok(LogLine { number, tag, at: interval.start_timestamp(), length: interval.duration(), histogram })
    })
}

/// The interval of a line that is one, with its end.
fn interval(line: &[u8]) -> Option<IntervalLogHistogram<'_>> {
    match IntervalLogIterator::new(line).next()?.ok()? {
        LogEntry::Interval(interval) => Some(interval),
        _ => None,
    }
}

/// Cookies of HdrHistogram's second encoding, deflated and plain.
const COOKIE_DEFLATED: u32 = 0x1c84_9314;
const COOKIE_PLAIN: u32 = 0x1c84_9313;

/// Bytes before the counts of a plain histogram: cookie, length, offset, digits, lowest, highest, ratio.
const HEADER_BYTES: usize = 40;

/// Bytes of the largest histogram of ours: nine for each of its counts.
const MAX_PLAIN_BYTES: u64 = 1 << 19;

/// The histogram of a line. Its length and bounds are checked before anything is allocated for them.
fn decode(text: &str, deserializer: &mut Deserializer) -> Option<Histogram<u64>> {
    let raw = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let (cookie, rest) = number32(&raw)?;
    let (length, deflated) = number32(rest)?;
    let deflated = deflated.get(..length as usize).filter(|_| cookie == COOKIE_DEFLATED)?;
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(deflated).take(MAX_PLAIN_BYTES).read_to_end(&mut plain).ok()?;
    let (cookie, rest) = number32(&plain)?;
    let (counts_bytes, rest) = number32(rest)?;
    let (_offset, rest) = number32(rest)?;
    let (digits, rest) = number32(rest)?;
    let (lowest, rest) = number64(rest)?;
    let (highest, _) = number64(rest)?;
    let ours = cookie == COOKIE_PLAIN && digits == 3 && lowest == 1 && highest == LARGEST_NS;
    if !ours || plain.len() != HEADER_BYTES + counts_bytes as usize {
        return None;
    }
    let histogram: Histogram<u64> = deserializer.deserialize(&mut plain.as_slice()).ok()?;
    (histogram.len() <= MAX_COUNT).then_some(histogram)
}

fn number32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn number64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
