//! What applying, reverting and applying migrations again showed on clones, and what each statement did. Must hold
//! no row of user data.

use serde::Serialize;

/// Number of the format of these facts.
pub const FORMAT: u32 = 1;

/// Migrations that were applied and reverted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundTrip {
    /// Number of this format.
    pub format: u32,
    /// First and last migration.
    pub label: String,
    /// The tool whose files they are.
    pub layout: String,
    /// Version of the server, such as `15.18`.
    pub server: String,
    /// Rows of the database before the first of them.
    pub rows: i64,
    /// Each migration by itself.
    pub steps: Vec<Step>,
    /// All of them as one, where there are several.
    pub range: Option<Trip>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub label: String,
    /// Its file.
    pub file: String,
    /// Whether it is applied as a whole or not at all.
    pub in_transaction: bool,
    /// Up, down and up again.
    pub trip: Trip,
    /// Up, rows written on the new schema, down.
    pub new_rows: Option<NewRows>,
    /// What each statement did, from a further clone.
    pub statements: Vec<StatementFacts>,
    /// Why the statements could not all be sent one by one.
    pub statement_error: Option<Refused>,
    /// What the up changes in the schema.
    pub changes: Vec<Difference>,
    /// Indexes that are invalid afterwards and were not before.
    pub invalid_indexes: Vec<String>,
    /// Roles and tablespaces that were made: they belong to no database.
    pub cluster_objects: Vec<String>,
    /// Statements of the application that the old schema answers and the new one refuses.
    pub refused_actions: Vec<RefusedAction>,
    /// Statements of the application that were asked.
    pub actions_asked: usize,
    /// Rows of old data that a constraint of the step does not allow, with the query.
    pub violations: Vec<Violation>,
}

/// Up, down, up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trip {
    /// The first up.
    pub up: Outcome,
    /// What reverts it.
    pub down: Down,
    /// The second up; absent where it was not reached.
    pub second_up: Option<Outcome>,
    /// How the schema after the down differs from the one before the up.
    pub after_down: Vec<Difference>,
    /// How the schema after the second up differs from the one after the first.
    pub after_second_up: Vec<Difference>,
    /// Rows and values that were there before the up and are not after the down.
    pub lost: Vec<Loss>,
}

/// What a direction came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was applied.
    Applied {
        /// How long it took.
        duration_ms: f64,
    },
    /// The server refused it.
    Refused(Refused),
}

/// A refusal of the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// SQLSTATE, where the server gives one.
    pub code: Option<String>,
    /// The message, with its place in the file.
    pub message: String,
}

/// How a step is reverted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "down", rename_all = "kebab-case")]
pub enum Down {
    /// Nothing reverts it.
    Absent,
    /// Its text is empty, or comments alone.
    Empty,
    /// It was sent.
    Sent(Outcome),
    /// The up failed before it.
    NotReached,
}

/// A difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `table`, `column`, `index`, `enum`.
    pub kind: String,
    /// The object.
    pub name: String,
    /// How it was; absent where it was not there.
    pub before: Option<String>,
    /// How it is; absent where it is gone.
    pub after: Option<String>,
}

/// Rows or values that are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The table.
    pub table: String,
    /// The column; absent where whole rows are gone.
    pub column: Option<String>,
    /// Rows, or values that are not NULL.
    pub rows: i64,
    /// As many values are there, and not all of them are those that were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_changed: bool,
}

/// What happened to rows that only the new schema can hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewRows {
    /// Rows written, by table and column.
    pub written: Vec<Loss>,
    /// The down over them.
    pub down: Outcome,
    /// What of them is gone.
    pub lost: Vec<Loss>,
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatementFacts {
    /// Its text.
    pub sql: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// How long it took.
    pub duration_ms: f64,
    /// WAL that was written meanwhile on the server.
    pub wal_bytes: i64,
    /// By how much the database grew.
    pub size_bytes: i64,
    /// Locks it took on relations that were there before the file.
    pub locks: Vec<Lock>,
    /// Tables that were there and have another file now, each with its rows.
    pub rewritten: Vec<Touched>,
    /// Tables that were there and were read as a whole, each with the rows that were read.
    pub scanned: Vec<Touched>,
    /// Tables that were there whose rows it changed, with their number.
    pub changed: Vec<Touched>,
    /// Indexes that were built on tables that were there, each with the table's rows.
    pub built: Vec<Touched>,
    /// The lock_timeout it ran with, in milliseconds; 0 for none.
    pub lock_timeout_ms: i64,
}

/// A relation that was there before the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lock {
    /// The relation.
    pub relation: String,
    /// The strongest mode, such as `AccessExclusiveLock`.
    pub mode: String,
    /// From the statement's begin to the end of the transaction.
    pub held_ms: f64,
    /// Its rows, as the server estimates them.
    pub rows: i64,
    /// Whether the statement names it.
    pub is_named: bool,
}

/// A table and a number of its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Touched {
    /// The table, or the index.
    pub relation: String,
    /// Rows.
    pub rows: i64,
}

/// A statement of the application that the new schema refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedAction {
    /// The action.
    pub action: String,
    /// SQLSTATE.
    pub code: String,
    /// The server's message.
    pub message: String,
}

/// Rows that a constraint does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The table.
    pub table: String,
    /// What is asked of its rows, such as `email NOT NULL`.
    pub rule: String,
    /// How many rows break it.
    pub rows: i64,
    /// The query that finds them.
    pub query: String,
}

impl Outcome {
    /// Whether it was applied.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied { .. })
    }

    /// Why it was not.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Applied { .. } => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}
