//! Latency histograms per chunk, side and action, and the file they are kept in. Must lose no count.
//!
//! `chunks.hlog` is an HdrHistogram interval log (V2, deflated): one line per chunk, side, action and
//! kind, tagged `side:action:kind`. Values are nanoseconds; the interval is the chunk's number.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::Side;
use crate::stats::histogram::empty;

/// The three times of an action, in nanoseconds.
#[derive(Debug, Clone)]
pub struct ActionHistograms {
    /// From the intended start to the answer.
    pub latency: Histogram<u64>,
    /// From the actual start to the answer.
    pub service: Histogram<u64>,
    /// From the intended to the actual start.
    pub lag: Histogram<u64>,
}

/// One chunk: by side and by position of the action.
pub type Histograms = BTreeMap<Side, Vec<ActionHistograms>>;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HlogError {
    /// A line is no interval of a histogram.
    #[error("line {0} is not an interval of an HdrHistogram log")]
    Line(usize),
    /// A tag names no side or action of this trial.
    #[error("the tag `{0}` names nothing of this trial")]
    Tag(String),
    /// A tag or a count could not be written.
    #[error("a histogram could not be written: {0}")]
    Write(String),
}

/// The log of all chunks as bytes. `actions` are names by position.
///
/// # Errors
/// When a name cannot be a tag.
pub fn write(chunks: &[Histograms], actions: &[String]) -> Result<Vec<u8>, HlogError> {
    let failed = |e: &dyn std::fmt::Debug| HlogError::Write(format!("{e:?}"));
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Weighbridge chunks; Tag=side:action:kind; StartTimestamp is the chunk; values are nanoseconds]")
        .with_start_time(UNIX_EPOCH)
        .with_base_time(UNIX_EPOCH)
        .with_max_value_divisor(1_000_000.0);
    let mut log = builder.begin_log_with(&mut bytes, &mut serializer).map_err(|e| failed(&e))?;
    for (number, chunk) in chunks.iter().enumerate() {
        for (side, recorded) in chunk {
            for (name, action) in actions.iter().zip(recorded) {
                for (kind, histogram) in
                    [("latency", &action.latency), ("service", &action.service), ("lag", &action.lag)]
                {
                    let text = format!("{}:{name}:{kind}", side.name());
                    let tag = Tag::new(&text).ok_or_else(|| HlogError::Tag(text.clone()))?;
                    log.write_histogram(
                        histogram,
                        Duration::from_secs(number as u64),
                        Duration::from_secs(1),
                        Some(tag),
                    )
                    .map_err(|e| failed(&e))?;
                }
            }
        }
    }
    Ok(bytes)
}

/// Reads a log back.
///
/// # Errors
/// When it is no such log, or not of these actions.
pub fn read(bytes: &[u8], actions: &[String]) -> Result<Vec<Histograms>, HlogError> {
    let mut chunks: Vec<Histograms> = Vec::new();
    let mut deserializer = Deserializer::new();
    for (line, entry) in IntervalLogIterator::new(bytes).enumerate() {
        let entry = entry.map_err(|_| HlogError::Line(line + 1))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let tag = interval.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let number = interval.start_timestamp().as_secs() as usize;
        let raw = base64::engine::general_purpose::STANDARD
            .decode(interval.encoded_histogram())
            .map_err(|_| HlogError::Line(line + 1))?;
        let histogram: Histogram<u64> =
            deserializer.deserialize(&mut raw.as_slice()).map_err(|_| HlogError::Line(line + 1))?;
        let mut parts = tag.splitn(2, ':');
        let side = parts.next().and_then(|name| Side::ALL.into_iter().find(|side| side.name() == name));
        let rest = parts.next().and_then(|rest| rest.rsplit_once(':'));
        let (Some(side), Some((action, kind))) = (side, rest) else { return Err(HlogError::Tag(tag)) };
        let Some(position) = actions.iter().position(|name| name == action) else { return Err(HlogError::Tag(tag)) };
        if 100_000 < number {
            return Err(HlogError::Line(line + 1));
        }
        while chunks.len() <= number {
            chunks.push(Histograms::new());
        }
        let recorded =
            chunks[number].entry(side).or_insert_with(|| actions.iter().map(|_| ActionHistograms::new()).collect());
        let mine = match kind {
            "latency" => &mut recorded[position].latency,
            "service" => &mut recorded[position].service,
            "lag" => &mut recorded[position].lag,
            _ => return Err(HlogError::Tag(tag)),
        };
        mine.add(&histogram).map_err(|_| HlogError::Line(line + 1))?;
    }
    Ok(chunks)
}

impl ActionHistograms {
    /// Three empty histograms.
    #[must_use]
    pub fn new() -> Self {
        Self { latency: empty(), service: empty(), lag: empty() }
    }
}

impl Default for ActionHistograms {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_comes_back_with_every_count() {
        let actions = ["a".to_owned(), "b-2".to_owned()];
        let mut chunk = Histograms::new();
        for (n, side) in Side::ALL.into_iter().enumerate() {
            let mut recorded = vec![ActionHistograms::new(), ActionHistograms::new()];
            for value in 1..1_000_u64 {
                recorded[1].latency.record(value * 977 * (n as u64 + 1)).unwrap();
            }
            chunk.insert(side, recorded);
        }
        let bytes = write(&[chunk.clone(), chunk.clone()], &actions).unwrap();
        let back = read(&bytes, &actions).unwrap();
        assert_eq!(back.len(), 2);
        assert_eq!(back[1][&Side::After][1].latency, chunk[&Side::After][1].latency);
        assert_eq!(back[0][&Side::Before][0].lag.len(), 0);
        assert!(matches!(read(&bytes, &["other".to_owned()]), Err(HlogError::Tag(_))));
    }
}
