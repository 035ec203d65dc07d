//! Result folders on disk. Must never leave half a file, and never overwrite another trial's result.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{MAX_DOCUMENT_BYTES, MAX_LOG_BYTES, read_regular, write_atomic};
use super::histograms::{self, ChunkLog};
use super::run::{Ended, RUN_FORMAT, RunEvidence};
use super::validate::{self, COUNTED_SINCE};
use super::{Dropped, Evidence, FORMAT, Flaw, cut_off, interval_log};
use crate::diagnostic::Advice;
use crate::units::printable;

/// Why a result cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The message of the system.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// The file is of a newer format.
    #[error("{} has format {found}, this build reads up to {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest one that is read.
        known: u32,
    },
    /// The file is no result.
    #[error("{} is not a result: {reason}", path.display())]
    NotAResult {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Advice for StoreError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Io { help, .. } => help.to_string(),
            Self::Format { .. } => "read it with the version that wrote it, or a later one".to_owned(),
            Self::NotAResult { .. } => "name a folder under results/, such as the one the report printed".to_owned(),
        })
    }
}

/// A folder that holds one trial.
#[derive(Debug, Clone)]
pub struct ResultFolder {
    /// Where it is.
    pub path: PathBuf,
}

impl ResultFolder {
    /// Makes `parent/<time>-<label>`, with a number behind if that exists already.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(parent: &Path, time: &str, label: &str) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io {
                doing: "make the folder",
                path,
                source,
                help: "choose another place with --results",
            }
        };
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
        for attempt in 1..1_000 {
            let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
            let path = parent.join(format!("{time}-{label}{suffix}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path)(error)),
            }
        }
        Err(failed(parent)(io::Error::other("a thousand results have this name")))
    }

    /// Writes a file of the folder whole, or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        write_atomic(&path, bytes).map_err(|source| StoreError::Io {
            doing: "write",
            path,
            source,
            help: "results measured so far stay in the folder; free space there and run again",
        })
    }

    /// Keeps the files that an experiment was made of, under `inputs/`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn keep_inputs(&self, files: &[(PathBuf, String)]) -> Result<(), StoreError> {
        for (name, text) in files {
            let path = self.path.join("inputs").join(name);
            let folder = path.parent().unwrap_or(&self.path);
            let written = std::fs::create_dir_all(folder).and_then(|()| write_atomic(&path, text.as_bytes()));
            let help = "results measured so far stay in the folder; free space there and run again";
            written.map_err(|source| StoreError::Io { doing: "write", path, source, help })?;
        }
        Ok(())
    }

    /// Writes the histograms of a trial.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_histograms(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let names: Vec<String> = evidence.actions.iter().map(|a| a.name.clone()).collect();
        let bytes = histograms::write(&evidence.histograms, &names)
            .map_err(|e| StoreError::NotAResult { path: self.path.join("chunks.hlog"), reason: e.to_string() })?;
        self.write("chunks.hlog", &bytes)
    }

    /// Removes the folder if nothing was ever written into it.
    pub fn remove_if_empty(&self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// A saved trial.
#[derive(Debug, Clone)]
pub struct SavedTrial {
    /// What was seen, as far as both of its files hold it.
    pub evidence: Evidence,
    /// What its own version wrote.
    pub comparison: Value,
    /// The number of its format.
    pub format: u64,
}

/// Reads the evidence of a saved trial: `trial.json` or the folder that holds it.
///
/// # Errors
/// When it is missing, damaged, or newer than this build.
pub fn read(path: &Path) -> Result<Evidence, StoreError> {
    read_trial(path).map(|saved| saved.evidence)
}

/// Reads a saved trial: `trial.json` or the folder that holds it. The two files are written one after the other: where
/// the program was ended in between, or one of them is cut off, the chunks that are whole in both are read.
///
/// # Errors
/// When it is missing, damaged, or newer than this build.
pub fn read_trial(path: &Path) -> Result<SavedTrial, StoreError> {
    let file = if path.is_dir() { path.join("trial.json") } else { path.to_owned() };
    let not = |reason: String| not_a_result(&file, &reason);
    let (mut document, format) = read_document(&file, FORMAT)?;
    let mut evidence: Evidence = evidence_of(&mut document, &file)?;
    validate::trial(&evidence, format).map_err(|unsound| not(unsound.to_string()))?;
    let bytes = read_bytes(&file.with_file_name("chunks.hlog"), MAX_LOG_BYTES)?;
    let names: Vec<String> = evidence.actions.iter().map(|a| a.name.clone()).collect();
    let log = histograms::read(&bytes, &names, &evidence.chunks, format >= COUNTED_SINCE);
    if let (0, Some(Flaw::Foreign { line, tag })) = (log.chunks.len(), &log.flaw) {
        return Err(not(format!("line {line} of chunks.hlog is of `{tag}`, which this trial does not have")));
    }
    take_chunks(&mut evidence, log);
    let comparison = document.get_mut("comparison").map(Value::take).unwrap_or_default();
    Ok(SavedTrial { evidence, comparison, format })
}

/// Gives a trial the chunks that are whole in both of its files, and says which are not.
fn take_chunks(evidence: &mut Evidence, log: ChunkLog) {
    let ChunkLog { chunks, begun: in_log, flaw } = log;
    let (kept, in_facts) = (chunks.len(), evidence.chunks.len());
    evidence.histograms = chunks;
    evidence.chunks.truncate(kept);
    // A proof that stops before the end judges as at the last look that was planned.
    evidence.complete &= kept == in_facts;
    let absent = if kept < in_facts { Flaw::NotInLog } else { Flaw::NotInFacts };
    let flaw = flaw.or((kept < in_facts.max(in_log)).then_some(absent));
    evidence.dropped = flaw.map(|flaw| Dropped { kept, in_facts, in_log, flaw });
}

/// Reads the document of a saved run: `run.json` or the folder that holds it.
///
/// # Errors
/// When it is missing, damaged, or newer than this build.
pub fn read_run(path: &Path) -> Result<RunEvidence, StoreError> {
    let file = if path.is_dir() { path.join("run.json") } else { path.to_owned() };
    let (mut document, _) = read_document(&file, RUN_FORMAT)?;
    let mut run: RunEvidence = evidence_of(&mut document, &file)?;
    validate::run(&run).map_err(|unsound| not_a_result(&file, &unsound.to_string()))?;
    if run.ended == Ended::CutOff {
        // Where a log is not there either, nothing was measured.
        let lines = read_regular(&file.with_file_name("intervals.jsonl"), MAX_LOG_BYTES).unwrap_or_default();
        let log = read_regular(&file.with_file_name("intervals.hlog"), MAX_LOG_BYTES).unwrap_or_default();
        cut_off::fill(&mut run, &lines, interval_log::read_prefix(&log));
    }
    Ok(run)
}

/// A reason may quote what the file holds.
fn not_a_result(file: &Path, reason: &str) -> StoreError {
    StoreError::NotAResult { path: file.to_owned(), reason: printable(reason).into_owned() }
}

/// A document whose format is not newer than the one that is known, and the number of that.
fn read_document(file: &Path, known: u32) -> Result<(Value, u64), StoreError> {
    let not = |reason: String| not_a_result(file, &reason);
    let document: Value =
        serde_json::from_slice(&read_bytes(file, MAX_DOCUMENT_BYTES)?).map_err(|e| not(e.to_string()))?;
    match document.get("format").and_then(Value::as_u64) {
        Some(found) if found <= u64::from(known) => Ok((document, found)),
        Some(found) => Err(StoreError::Format { path: file.to_owned(), found, known }),
        None => Err(not("it has no format number".to_owned())),
    }
}

/// The evidence in a document, every number of which is one that this program writes.
fn evidence_of<T: serde::de::DeserializeOwned>(document: &mut Value, file: &Path) -> Result<T, StoreError> {
    let not = |reason: String| not_a_result(file, &reason);
    let evidence = document.get_mut("evidence").map(Value::take).unwrap_or_default();
    validate::numbers(&evidence).map_err(|unsound| not(unsound.to_string()))?;
    serde_json::from_value(evidence).map_err(|e| not(e.to_string()))
}

/// Reads the histograms of a saved run: `intervals.hlog` beside its `run.json`.
///
/// # Errors
/// When it is missing or damaged.
pub fn read_intervals(path: &Path) -> Result<Vec<interval_log::Interval>, StoreError> {
    let file = if path.is_dir() { path.join("intervals.hlog") } else { path.with_file_name("intervals.hlog") };
    let bytes = read_bytes(&file, MAX_LOG_BYTES)?;
    interval_log::read(&bytes).map_err(|e| not_a_result(&file, &e.to_string()))
}

fn read_bytes(file: &Path, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
    let path = file.to_owned();
    let help = "name a folder under results/";
    read_regular(file, max_bytes).map_err(|source| StoreError::Io { doing: "read", path, source, help })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A result of `tests/data/results`.
    pub(crate) fn fixture(name: &str) -> Evidence {
        read(&folder_of(name)).unwrap()
    }

    pub(crate) fn folder_of(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/results").join(name)
    }

    /// A copy of a result that can be changed.
    fn copy_of(name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in ["trial.json", "chunks.hlog"] {
            std::fs::copy(folder_of(name).join(file), folder.path().join(file)).unwrap();
        }
        folder
    }

    fn json_of(folder: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(folder.join("trial.json")).unwrap()).unwrap()
    }

    #[test]
    fn results_of_the_same_second_have_folders_of_their_own() {
        let parent = tempfile::tempdir().unwrap();
        let first = ResultFolder::create(parent.path(), "t", "x").unwrap();
        let second = ResultFolder::create(parent.path(), "t", "x").unwrap();
        assert_ne!(first.path, second.path);
        first.remove_if_empty();
        assert!(!first.path.exists());
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_atomic(&folder.path().join("trial.json"), b"{\"format\": 999}").unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Format { found: 999, .. }));
        assert!(error.to_string().contains("has format 999, this build reads up to 9"), "{error}");
    }

    #[test]
    fn results_of_every_format_are_whole() {
        for (name, chunks) in
            [("format-3", 8), ("format-7/platform", 8), ("format-7/regressed", 8), ("format-7/counts", 0)]
        {
            let evidence = fixture(name);
            assert_eq!((evidence.chunks.len(), evidence.histograms.len()), (chunks, chunks), "{name}");
            assert_eq!((&evidence.dropped, evidence.complete), (&None, true), "{name}");
        }
    }

    #[test]
    fn a_program_that_was_killed_between_its_two_files_leaves_what_both_hold() {
        let folder = copy_of("format-3");
        let mut document = json_of(folder.path());
        document["evidence"]["chunks"].as_array_mut().unwrap().pop();
        document["evidence"]["complete"] = false.into();
        write_atomic(&folder.path().join("trial.json"), document.to_string().as_bytes()).unwrap();
        let killed = read(folder.path()).unwrap();
        let dropped = Dropped { kept: 7, in_facts: 7, in_log: 8, flaw: Flaw::NotInFacts };
        assert_eq!((killed.chunks.len(), killed.histograms.len(), killed.dropped), (7, 7, Some(dropped)));
    }

    #[test]
    fn a_log_that_is_shorter_than_the_facts_leaves_what_both_hold() {
        let folder = copy_of("format-3");
        let path = folder.path().join("chunks.hlog");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        write_atomic(&path, lines[..lines.len() - 2 * 27].concat().as_bytes()).unwrap();
        let short = read(folder.path()).unwrap();
        let dropped = Dropped { kept: 6, in_facts: 8, in_log: 6, flaw: Flaw::NotInLog };
        assert_eq!((short.chunks.len(), short.complete, short.dropped), (6, false, Some(dropped)));
        write_atomic(&path, &text.as_bytes()[..text.len() / 2]).unwrap();
        let cut = read(folder.path()).unwrap();
        assert_eq!((cut.chunks.len(), cut.histograms.len()), (4, 4));
        assert!(
            matches!(cut.dropped, Some(Dropped { kept: 4, flaw: Flaw::Unreadable { .. }, .. })),
            "{:?}",
            cut.dropped
        );
    }

    #[test]
    fn logs_of_another_trial_are_refused() {
        let folder = copy_of("format-3");
        std::fs::copy(folder_of("format-7/platform").join("chunks.hlog"), folder.path().join("chunks.hlog")).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("of chunks.hlog is of `before:enrollments_by_status:latency`"), "{error}");
    }
}
