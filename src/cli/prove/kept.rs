//! Where the parts of a change that is in no folder are kept among the inputs of a result. Must name each once.

use std::path::PathBuf;

use crate::migrate::{Directory, Migration, Sending};

/// The schema before the change.
pub(super) const SCHEMA: &str = "schema.sql";

/// The change, and what reverts it.
pub(super) const CHANGE: &str = "change.sql";
pub(super) const REVERT: &str = "revert.sql";

/// Whether a migration was given by flags, and is in no folder.
pub(super) fn is_change(migration: &Migration) -> bool {
    migration.version == "change"
}

/// Names and texts of what is in no folder.
pub(super) fn files(directory: &Directory) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let is_schema = directory.path.as_os_str().is_empty();
    for (position, migration) in directory.migrations.iter().enumerate() {
        let parts = match (is_schema && position == 0, is_change(migration)) {
            (true, _) => vec![(SCHEMA, Some(&migration.up))],
            (_, true) => vec![(CHANGE, Some(&migration.up)), (REVERT, migration.down.as_ref())],
            _ => Vec::new(),
        };
        let sql = parts.into_iter().filter_map(|(name, part)| Some((name, part?)));
        let sql = sql.filter(|(_, part)| part.sending != Sending::Command);
        files.extend(sql.map(|(name, part)| (PathBuf::from(name), part.file.text.clone())));
    }
    files
}
