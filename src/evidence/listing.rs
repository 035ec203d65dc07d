//! A folder of migrations as it was recognised. Must hold facts of its files alone.

use serde::Serialize;

/// A folder of migrations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// The folder.
    pub folder: String,
    /// The tool whose files they are.
    pub layout: String,
    /// Why, as a fragment.
    pub reason: String,
    /// In the order in which the tool applies them.
    pub migrations: Vec<ListedMigration>,
    /// Mistakes that the tool accepts silently.
    pub warnings: Vec<ListedWarning>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedMigration {
    /// As the tool writes it down.
    pub version: String,
    /// Number and name.
    pub label: String,
    /// What applies it.
    pub up: ListedPart,
    /// What reverts it; absent where nothing does.
    pub down: Option<ListedPart>,
}

/// One direction of a migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedPart {
    /// Its file.
    pub file: String,
    /// In how many transactions it is sent, in words.
    pub sent: &'static str,
    /// Stretches that are sent by themselves, or timed by themselves in a transaction.
    pub messages: usize,
    /// Whether it is applied as a whole or not at all.
    pub in_transaction: bool,
    /// Whether it asks for nothing.
    pub is_empty: bool,
    /// Placeholders and their values; null where nobody gives one.
    pub placeholders: Vec<(String, Option<String>)>,
}

/// A mistake that the tool accepts silently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedWarning {
    /// Its stable name.
    pub name: &'static str,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}
