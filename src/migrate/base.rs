//! A schema and a change to it that are in no folder of migrations. Must send a schema as psql does, and leave out
//! psql's own commands by name.

use std::path::PathBuf;

use super::directory::Directory;
use super::layout::{Layout, Warning};
use super::migration::Migration;
use super::part::{Part, Sending};
use crate::diagnostic::SourceFile;
use crate::sql::{Script, Statement};

/// The base schema as the first of two steps.
#[must_use]
pub fn schema(file: SourceFile) -> Migration {
    let label = "schema".to_owned();
    Migration { version: "0".to_owned(), label, up: Part::as_psql(file), down: None, expected_down: None }
}

/// A change as the step to weigh: in a transaction, unless a statement of it forbids or steers one.
#[must_use]
pub fn change(up: Part, down: Option<Part>) -> Migration {
    Migration { version: "change".to_owned(), label: "change".to_owned(), up, down, expected_down: None }
}

/// Statements of a user's.
#[must_use]
pub fn statements(file: SourceFile) -> Part {
    let script = Script::parse(&file.text);
    let alone = script.statements.iter().any(|s: &Statement| s.forbids_transaction() || s.controls_transaction());
    let whole = 0..file.text.len();
    Part::split(file, Layout::Plain, &whole, !alone)
}

/// A command of a shell, which gets the database in `DATABASE_URL`.
#[must_use]
pub fn command(command: &str) -> Part {
    let file = SourceFile { path: PathBuf::from(command), text: String::new() };
    let (layout, sending) = (Layout::Plain, Sending::Command);
    Part { file, layout, sending, pieces: Vec::new(), placeholders: Vec::new() }
}

impl Directory {
    /// Steps that are in no folder.
    #[must_use]
    pub fn of(migrations: Vec<Migration>, reason: String) -> Self {
        let warnings = migrations.iter().filter_map(|migration| skipped_commands(&migration.up.file)).collect();
        let (path, layout) = (PathBuf::new(), Layout::Plain);
        Self { path, migrations, layout, reason, warnings, beside: Vec::new(), names_books: false }
    }

    /// The same with a step behind its last one.
    #[must_use]
    pub fn with(mut self, migration: Migration) -> Self {
        self.migrations.push(migration);
        self
    }
}

/// Commands of psql in a schema file that are left out.
fn skipped_commands(file: &SourceFile) -> Option<Warning> {
    let text = std::fs::read_to_string(&file.path).ok()?;
    super::layout::skipped_commands(&text, &file.path)
}
