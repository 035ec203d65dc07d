//! Result folders on disk. Must never leave half a file, and never overwrite another trial's result.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::histograms::{self, HlogError};
use super::run::{RUN_FORMAT, RunEvidence};
use super::{Evidence, FORMAT, interval_log};

/// Why a result cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}\n  = help: {help}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// The file is of a newer format.
    #[error("{} has format {found}, this build reads up to {known}\n  = help: read it with the version that wrote it, or a later one", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest one that is read.
        known: u32,
    },
    /// The file is no result.
    #[error("{} is not a result: {reason}\n  = help: name a folder under results/, such as the one the report printed", path.display())]
    NotAResult {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
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

/// Reads the evidence of a saved trial: `trial.json` or the folder that holds it.
///
/// # Errors
/// When it is missing, damaged, or newer than this build.
pub fn read(path: &Path) -> Result<Evidence, StoreError> {
    let file = if path.is_dir() { path.join("trial.json") } else { path.to_owned() };
    let not = |reason: String| StoreError::NotAResult { path: file.clone(), reason };
    let mut evidence: Evidence = read_document(&file, FORMAT)?;
    let hlog = file.with_file_name("chunks.hlog");
    let bytes = read_bytes(&hlog)?;
    let names: Vec<String> = evidence.actions.iter().map(|a| a.name.clone()).collect();
    evidence.histograms = histograms::read(&bytes, &names).map_err(|e: HlogError| not(format!("chunks.hlog: {e}")))?;
    if evidence.histograms.len() != evidence.chunks.len() {
        let (found, expected) = (evidence.histograms.len(), evidence.chunks.len());
        return Err(not(format!("chunks.hlog holds {found} chunks, trial.json {expected}")));
    }
    Ok(evidence)
}

/// Reads what a saved trial says of its own evidence, and the number of its format.
///
/// # Errors
/// As [`read`].
pub fn read_comparison(path: &Path) -> Result<(serde_json::Value, u64), StoreError> {
    let file = if path.is_dir() { path.join("trial.json") } else { path.to_owned() };
    let document: serde_json::Value = serde_json::from_slice(&read_bytes(&file)?)
        .map_err(|e| StoreError::NotAResult { path: file.clone(), reason: e.to_string() })?;
    let format = document.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    Ok((document.get("comparison").cloned().unwrap_or_default(), format))
}

/// Reads the document of a saved run: `run.json` or the folder that holds it.
///
/// # Errors
/// When it is missing, damaged, or newer than this build.
pub fn read_run(path: &Path) -> Result<RunEvidence, StoreError> {
    let file = if path.is_dir() { path.join("run.json") } else { path.to_owned() };
    read_document(&file, RUN_FORMAT)
}

/// The evidence in a document whose format is not newer than the one that is known.
fn read_document<T: serde::de::DeserializeOwned>(file: &Path, known: u32) -> Result<T, StoreError> {
    let not = |reason: String| StoreError::NotAResult { path: file.to_owned(), reason };
    let document: serde_json::Value = serde_json::from_slice(&read_bytes(file)?).map_err(|e| not(e.to_string()))?;
    match document.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found <= u64::from(known) => {}
        Some(found) => return Err(StoreError::Format { path: file.to_owned(), found, known }),
        None => return Err(not("it has no format number".to_owned())),
    }
    let evidence = document.get("evidence").cloned().unwrap_or_default();
    serde_json::from_value(evidence).map_err(|e| not(e.to_string()))
}

/// Reads the histograms of a saved run: `intervals.hlog` beside its `run.json`.
///
/// # Errors
/// When it is missing or damaged.
pub fn read_intervals(path: &Path) -> Result<Vec<interval_log::Interval>, StoreError> {
    let file = if path.is_dir() { path.join("intervals.hlog") } else { path.with_file_name("intervals.hlog") };
    let bytes = read_bytes(&file)?;
    interval_log::read(&bytes).map_err(|e| StoreError::NotAResult { path: file, reason: e.to_string() })
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, StoreError> {
    let path = file.to_owned();
    let help = "name a folder under results/";
    std::fs::read(file).map_err(|source| StoreError::Io { doing: "read", path, source, help })
}

/// Writes beside the place, flushes to the disk, and renames: a reader sees the old file or the new one.
///
/// # Errors
/// When any of the three fails; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.{}", std::process::id()));
    let result = (|| {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        assert!(write_atomic(&folder.path().join("missing/a.json"), b"two").is_err());
        write_atomic(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
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
        assert!(matches!(read(folder.path()), Err(StoreError::Format { found: 999, .. })));
    }
}
