//! One migration of a folder: its version, its name, and what applies and reverts it. Must not read a file.

use std::path::PathBuf;

use super::part::Part;

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// As the tool records it; empty where a step has none.
    pub version: String,
    /// Number and name as in the file, such as `0003_payment_history`.
    pub label: String,
    /// What applies it.
    pub up: Part,
    /// What reverts it.
    pub down: Option<Part>,
    /// Where the tool looks for what reverts it, in a layout of pairs.
    pub expected_down: Option<PathBuf>,
}
