//! One migration of a folder: its number, its name and its files. Must read none of them.

use std::path::PathBuf;

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: u64,
    /// Number and name as in the file, such as `0003_payment_history`.
    pub label: String,
    /// What applies it.
    pub up: PathBuf,
    /// What reverts it.
    pub down: Option<PathBuf>,
    /// Written as `.up.sql`, which promises a `.down.sql`.
    pub reversible: bool,
}
