//! The results of earlier proofs in a folder. Must skip whatever is none.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::evidence::files::{MAX_DOCUMENT_BYTES, read_regular};

/// Every proof's document below a folder of results, with its own folder.
pub(super) fn documents(results: &Path) -> impl Iterator<Item = (PathBuf, Value)> {
    let folders = std::fs::read_dir(results).into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let bytes = read_regular(&folder.path().join("trial.json"), MAX_DOCUMENT_BYTES).ok()?;
        Some((folder.path(), serde_json::from_slice(&bytes).ok()?))
    })
}
