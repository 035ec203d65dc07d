//! What a migration took to apply, by statement, and what it skipped. Must hold no judgement.

use serde::{Deserialize, Serialize};

/// A change: a migration that was applied to the side `after`, or another database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MigrationFacts {
    /// Number and name, or the first and last of a range; the names of two databases that were given.
    pub label: String,
    /// Its statements and the times they took at first; none of databases that were given.
    pub statements: Vec<StatementFacts>,
    /// All of it, in milliseconds.
    pub duration_ms: f64,
    /// Size of the database before it, in bytes.
    pub size_bytes_before: i64,
    /// Size of the database after it, in bytes.
    pub size_bytes_after: i64,
    /// Partitioned tables that have no statistics as a whole after it and were not so before; absent before format 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsampled: Vec<String>,
    /// What its `IF NOT EXISTS` did not make; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedObject>,
    /// Tables that it wrote to new files, row by row; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<String>,
    /// The strongest lock on each table that was there, where it runs in a transaction; absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockFacts>,
}

/// A table lock of a migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LockFacts {
    /// Schema-qualified table.
    pub table: String,
    /// Such as `AccessExclusiveLock`.
    pub mode: String,
    /// From the start of the statement that takes it to the end of the transaction, in milliseconds.
    pub held_ms: f64,
}

/// One statement of a migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatementFacts {
    /// Its text.
    pub sql: String,
    /// Its time, in milliseconds.
    pub duration_ms: f64,
}

/// What a migration's `IF NOT EXISTS` did not make, because something of that name was there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SkippedObject {
    /// `index`, `table`, `materialized view` or `sequence`.
    pub kind: String,
    /// Its name, with its schema.
    pub name: String,
    /// It is an index that is invalid: no query uses it.
    pub invalid: bool,
    /// Of an index that has another definition: how it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// How the statement would have made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
}
