//! Latency histograms per chunk, side and action, and the file they are kept in. Must lose no count.
//!
//! `chunks.hlog` is an HdrHistogram interval log (V2, deflated): one line per chunk, side, action and
//! kind, tagged `side:action:kind`. Values are nanoseconds; the interval is the chunk's number.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;

use super::log_lines::{LogLine, log_lines};
use super::{ActionCounts, ChunkFacts, Side};
use crate::diagnostic::Advice;
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
    /// A name cannot be a tag.
    #[error("`{0}` cannot be the tag of a histogram")]
    Tag(String),
    /// A tag or a count could not be written.
    #[error("a histogram could not be written: {0}")]
    Write(String),
}

impl Advice for HlogError {}

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
                for kind in Kind::ALL {
                    let (histogram, text) = (kind.of(action), tag(*side, name, kind.name()));
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

/// What a log holds.
#[derive(Debug)]
pub(super) struct ChunkLog {
    /// Its whole chunks from the first on, as far as the facts of chunks go.
    pub(super) chunks: Vec<Histograms>,
    /// How many chunks it begins.
    pub(super) begun: usize,
    /// What is wrong with the first chunk that is not whole.
    pub(super) flaw: Option<Flaw>,
}

/// Why a chunk of a saved result is not used, nor those after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Flaw {
    /// A line is no interval of a histogram, or the file is cut off in it.
    Unreadable {
        /// Its number in `chunks.hlog`.
        line: usize,
    },
    /// A line is of an earlier chunk than the one before it, or leaves one out.
    Misplaced {
        /// Its number in `chunks.hlog`.
        line: usize,
    },
    /// A line is of a side, an action or a kind that this trial does not have.
    Foreign {
        /// Its number in `chunks.hlog`.
        line: usize,
        /// What it says it is of.
        tag: String,
    },
    /// A histogram is there twice.
    Repeated {
        /// The number of the second line in `chunks.hlog`.
        line: usize,
        /// What it is of.
        tag: String,
    },
    /// A histogram is not there.
    Missing {
        /// What it is of.
        tag: String,
    },
    /// A histogram holds another number of operations than `trial.json` says.
    Counts {
        /// What it is of.
        tag: String,
        /// Operations in `chunks.hlog`.
        in_log: u64,
        /// Operations in `trial.json`.
        in_facts: u64,
    },
    /// `chunks.hlog` has none of it: it was cut off, or replaced by an older one.
    NotInLog,
    /// `trial.json` does not know it yet: the program was ended after it wrote `chunks.hlog`.
    NotInFacts,
}

/// Reads a log back as far as its chunks are whole: every side, action and kind once, with as many operations as the
/// facts of the chunk say. `counted` is false for formats of which that is not known.
pub(super) fn read(bytes: &[u8], actions: &[String], facts: &[ChunkFacts], counted: bool) -> ChunkLog {
    let mut reader = Reader { actions, facts, counted, chunks: Vec::new(), open: OpenChunk::default() };
    let mut begun = 0;
    let mut flaw = None;
    for line in log_lines(bytes) {
        let taken = line.map_err(|line| Flaw::Unreadable { line }).and_then(|line| {
            let taken = reader.take(line);
            begun = begun.max(reader.chunks.len() + 1);
            taken
        });
        if let Err(found) = taken {
            flaw = Some(found);
            break;
        }
    }
    // A chunk that the facts do not know may be cut off.
    let closed = if flaw.is_none() && begun > 0 { reader.close() } else { Ok(()) };
    let flaw = flaw.or(closed.err()).filter(|_| reader.chunks.len() < facts.len());
    let Reader { mut chunks, .. } = reader;
    chunks.truncate(facts.len());
    ChunkLog { chunks, begun, flaw }
}

/// A log that is being read.
struct Reader<'l> {
    actions: &'l [String],
    facts: &'l [ChunkFacts],
    counted: bool,
    /// Those that are whole.
    chunks: Vec<Histograms>,
    open: OpenChunk,
}

/// A chunk of which some lines were read.
#[derive(Default)]
struct OpenChunk {
    histograms: BTreeMap<(Side, usize, Kind), Histogram<u64>>,
}

/// Which of the three times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Latency,
    Service,
    Lag,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Latency, Self::Service, Self::Lag];

    fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Service => "service",
            Self::Lag => "lag",
        }
    }

    fn of(self, action: &ActionHistograms) -> &Histogram<u64> {
        match self {
            Self::Latency => &action.latency,
            Self::Service => &action.service,
            Self::Lag => &action.lag,
        }
    }

    /// How many operations it holds: what was never sent enters the latency alone.
    fn operations(self, counts: &ActionCounts) -> u64 {
        match self {
            Self::Latency => counts.ok + counts.skipped,
            Self::Service | Self::Lag => counts.ok,
        }
    }
}

impl Reader<'_> {
    fn take(&mut self, line: LogLine<'_>) -> Result<(), Flaw> {
        let (number, place) = (line.number, line.at.as_secs());
        if place == self.chunks.len() as u64 + 1 && !self.open.histograms.is_empty() {
            self.close()?;
        }
        if place != self.chunks.len() as u64 {
            return Err(Flaw::Misplaced { line: number });
        }
        let tag = || line.tag.to_owned();
        let (side, action, kind) = self.place_of(line.tag).ok_or_else(|| Flaw::Foreign { line: number, tag: tag() })?;
        match self.open.histograms.entry((side, action, kind)) {
            Entry::Occupied(_) => Err(Flaw::Repeated { line: number, tag: tag() }),
            Entry::Vacant(place) => {
                place.insert(line.histogram);
                Ok(())
            }
        }
    }

    /// The side, action and kind that a tag names.
    fn place_of(&self, tag: &str) -> Option<(Side, usize, Kind)> {
        let (side, rest) = tag.split_once(':')?;
        let (action, kind) = rest.rsplit_once(':')?;
        let side = Side::ALL.into_iter().find(|known| known.name() == side)?;
        let action = self.actions.iter().position(|known| known == action)?;
        Some((side, action, Kind::ALL.into_iter().find(|known| known.name() == kind)?))
    }

    /// Ends the open chunk, which is whole.
    fn close(&mut self) -> Result<(), Flaw> {
        let tag = |side: Side, action: usize, kind: Kind| tag(side, &self.actions[action], kind.name());
        let facts = self.facts.get(self.chunks.len());
        let mut open = std::mem::take(&mut self.open).histograms;
        let mut whole = Histograms::new();
        for side in Side::ALL {
            let mut recorded = Vec::with_capacity(self.actions.len());
            for action in 0..self.actions.len() {
                let counts = facts.and_then(|facts| facts.sides.get(&side)?.actions.get(action));
                let mut take = |kind: Kind| {
                    let found = open.remove(&(side, action, kind));
                    let histogram = found.ok_or_else(|| Flaw::Missing { tag: tag(side, action, kind) })?;
                    let in_log = histogram.len();
                    let in_facts = counts.filter(|_| self.counted).map_or(in_log, |counts| kind.operations(counts));
                    let differs = Flaw::Counts { tag: tag(side, action, kind), in_log, in_facts };
                    if in_log == in_facts { Ok(histogram) } else { Err(differs) }
                };
                let (latency, service, lag) = (take(Kind::Latency)?, take(Kind::Service)?, take(Kind::Lag)?);
                recorded.push(ActionHistograms { latency, service, lag });
            }
            whole.insert(side, recorded);
        }
        self.chunks.push(whole);
        Ok(())
    }
}

/// What a line of the log is of.
fn tag(side: Side, action: &str, kind: &str) -> String {
    format!("{}:{action}:{kind}", side.name())
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
    use crate::evidence::ChunkSide;

    /// A chunk of two actions whose second was answered 999 times on every side.
    fn chunk() -> (Histograms, ChunkFacts) {
        let mut histograms = Histograms::new();
        let mut sides = BTreeMap::new();
        for (n, side) in Side::ALL.into_iter().enumerate() {
            let mut recorded = vec![ActionHistograms::new(), ActionHistograms::new()];
            for value in 1..1_000_u64 {
                let ActionHistograms { latency, service, lag } = &mut recorded[1];
                for of in [latency, service, lag] {
                    of.record(value * 977 * (n as u64 + 1)).unwrap();
                }
            }
            histograms.insert(side, recorded);
            let counts = ActionCounts { due: 999, ok: 999, ..ActionCounts::default() };
            let facts = ChunkSide { actions: vec![ActionCounts::default(), counts], ..ChunkSide::default() };
            sides.insert(side, facts);
        }
        (histograms, ChunkFacts { replicate: 0, sides })
    }

    fn names() -> Vec<String> {
        ["a".to_owned(), "b-2".to_owned()].into()
    }

    /// The lines of a log of two chunks.
    fn two() -> (Vec<String>, Vec<ChunkFacts>) {
        let (histograms, facts) = chunk();
        let bytes = write(&[histograms.clone(), histograms], &names()).unwrap();
        let lines = String::from_utf8(bytes).unwrap().lines().map(|line| format!("{line}\n")).collect();
        (lines, vec![facts.clone(), facts])
    }

    fn found(lines: &[String], facts: &[ChunkFacts]) -> (usize, usize, Option<Flaw>) {
        let log = read(lines.concat().as_bytes(), &names(), facts, true);
        (log.chunks.len(), log.begun, log.flaw)
    }

    #[test]
    fn a_log_comes_back_with_every_count() {
        let (lines, facts) = two();
        let log = read(lines.concat().as_bytes(), &names(), &facts, true);
        let (expected, _) = chunk();
        assert_eq!((log.chunks.len(), log.begun, log.flaw), (2, 2, None));
        assert_eq!(log.chunks[1][&Side::After][1].latency, expected[&Side::After][1].latency);
        assert_eq!(log.chunks[0][&Side::Before][0].lag.len(), 0);
        assert!(write(&[expected], &["two, words".to_owned()]).is_err());
    }

    #[test]
    fn chunks_are_read_up_to_the_first_that_is_not_whole() {
        let (lines, facts) = two();
        let first_of_second = lines.len() - 18;
        let of = |at: usize| lines[at].split([',', '=']).nth(1).unwrap().to_owned();
        let mut missing = lines.clone();
        missing.remove(first_of_second + 2);
        let tag = of(first_of_second + 2);
        assert_eq!(found(&missing, &facts), (1, 2, Some(Flaw::Missing { tag })));
        let mut repeated = lines.clone();
        repeated.insert(first_of_second, lines[first_of_second].clone());
        let (line, tag) = (first_of_second + 2, of(first_of_second));
        assert_eq!(found(&repeated, &facts), (1, 2, Some(Flaw::Repeated { line, tag })));
        let mut of_first = lines.clone();
        of_first.insert(8, lines[8].clone());
        assert_eq!(found(&of_first, &facts).0, 0, "what follows is not used either");
        let mut cut = lines.clone();
        let half = cut[lines.len() - 1].len() / 2;
        cut.last_mut().unwrap().truncate(half);
        assert_eq!(found(&cut, &facts), (1, 2, Some(Flaw::Unreadable { line: lines.len() })));
        let mut swapped = lines.clone();
        swapped.swap(first_of_second - 1, first_of_second);
        assert!(matches!(found(&swapped, &facts), (0, 1, Some(Flaw::Missing { .. }))));
        let foreign: Vec<String> = lines.iter().map(|line| line.replace("b-2", "other")).collect();
        assert!(matches!(found(&foreign, &facts), (0, 1, Some(Flaw::Foreign { .. }))));
    }

    #[test]
    fn a_chunk_holds_as_many_operations_as_its_facts() {
        let (lines, mut facts) = two();
        facts[1].sides.get_mut(&Side::Control).unwrap().actions[1].ok = 998;
        let flaw = Flaw::Counts { tag: "control:b-2:latency".to_owned(), in_log: 999, in_facts: 998 };
        assert_eq!(found(&lines, &facts), (1, 2, Some(flaw)));
        let log = read(lines.concat().as_bytes(), &names(), &facts, false);
        assert_eq!(log.chunks.len(), 2, "of the oldest formats it is not known");
    }

    #[test]
    fn what_the_facts_do_not_know_yet_may_be_cut_off() {
        let (lines, facts) = two();
        assert_eq!(found(&lines, &facts[..1]), (1, 2, None));
        assert_eq!(found(&lines[..lines.len() - 3], &facts[..1]), (1, 2, None));
        assert_eq!(found(&lines[..lines.len() - 18], &facts), (1, 1, None));
        assert_eq!(found(&[], &facts), (0, 0, None));
    }
}
