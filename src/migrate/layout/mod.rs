//! Whose migration files these are, and what each tool makes of them. Must guess no tool that the files do not show.
//!
//! One file for each tool: how it is recognised, which files are steps, in which order, and how their texts are sent.

pub(super) mod books;
mod dbmate;
mod detect;
mod diesel;
mod drizzle;
mod flyway;
mod golang_migrate;
mod goose;
mod hasura;
mod liquibase;
mod node_pg_migrate;
mod plain;
mod prisma;
mod refinery;
mod sqlx;
mod supabase;
mod warning;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use books::Books;
pub use detect::PLACES;
pub(super) use detect::{Detected, detect};
pub(super) use plain::skipped_commands;
pub use sqlx::NO_TRANSACTION;
pub use warning::Warning;

use super::folder::Folder;
use super::migration::Migration;
use super::part::Part;
use crate::diagnostic::{Diagnostic, FileProblems, SourceFile};

/// Declares the layouts: a variant, its documentation, its name in `weighbridge.toml`, and the tool that reads it.
macro_rules! layouts {
    ($($(#[$doc:meta])* $variant:ident $name:literal $tool:expr;)*) => {
        /// A tool whose files are read, and sent as it sends them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum Layout {
            $($(#[$doc])* $variant,)*
        }

        impl Layout {
            /// Every layout that is read.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The tool, as it is written in `weighbridge.toml`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(super) fn tool(self) -> &'static dyn Tool {
                match self { $(Self::$variant => &$tool,)* }
            }
        }
    };
}

layouts! {
    /// sqlx: a file is one transaction, unless its very first bytes are [`NO_TRANSACTION`].
    #[default]
    Sqlx "sqlx" sqlx::Sqlx;
    /// golang-migrate: a file is sent as one string.
    GolangMigrate "golang-migrate" golang_migrate::GolangMigrate;
    /// goose: both directions in one file, cut at its own annotations and lines.
    Goose "goose" goose::Goose;
    /// dbmate: both directions in one file, each sent as one string.
    Dbmate "dbmate" dbmate::Dbmate;
    /// Flyway: `V1_2__name.sql`, split into statements.
    Flyway "flyway" flyway::Flyway;
    /// Prisma: `<time>_name/migration.sql`, sent as one string.
    Prisma "prisma" prisma::Prisma;
    /// Diesel: `<version>_name/up.sql` and `down.sql`.
    Diesel "diesel" diesel::Diesel;
    /// refinery: `V1__name.sql`, one transaction each.
    Refinery "refinery" refinery::Refinery;
    /// Drizzle: files in the order of `meta/_journal.json`.
    Drizzle "drizzle" drizzle::Drizzle;
    /// Hasura: `<database>/<time>_name/up.sql` and `down.sql`.
    Hasura "hasura" hasura::Hasura;
    /// Supabase: `<time>_name.sql`, forward only.
    Supabase "supabase" supabase::Supabase;
    /// node-pg-migrate: SQL files with both directions.
    NodePgMigrate "node-pg-migrate" node_pg_migrate::NodePgMigrate;
    /// Liquibase: formatted SQL, one step for each changeset.
    Liquibase "liquibase" liquibase::Liquibase;
    /// Numbered SQL files that psql is given one after another.
    Plain "plain" plain::Plain;
}

/// What one tool makes of a folder.
pub(super) trait Tool: Sync {
    /// Why a folder may be this tool's.
    fn recognise(&self, folder: &Folder) -> Option<Sign>;

    /// The steps of a folder, in the tool's order.
    fn read(&self, folder: &Folder, options: &Options) -> Reading;

    /// The table in which it writes down what it has applied; none where it has none.
    fn books(&self) -> Option<Books>;

    /// What to do about a statement that the server refuses inside a transaction.
    fn outside(&self, part: &Part) -> Option<String>;
}

/// Why a folder may be of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) strength: Strength,
    /// As a fragment, such as "every file has a direction".
    pub(super) reason: String,
}

/// How much a sign proves, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Names of files fit.
    Names,
    /// The project around has a file of the tool.
    Project,
    /// Files that only this tool reads, or annotations in them.
    Own,
}

impl Sign {
    fn names(reason: impl Into<String>) -> Option<Self> {
        Some(Self { strength: Strength::Names, reason: reason.into() })
    }

    fn project(reason: impl Into<String>) -> Option<Self> {
        Some(Self { strength: Strength::Project, reason: reason.into() })
    }

    fn own(reason: impl Into<String>) -> Option<Self> {
        Some(Self { strength: Strength::Own, reason: reason.into() })
    }
}

/// What a project says of its files beside the layout.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Steps in code are left out.
    pub skip_code: bool,
    /// golang-migrate's `x-multi-statement`.
    pub multi_statement: bool,
    /// Values of placeholders.
    pub placeholders: BTreeMap<String, String>,
}

/// The steps of a folder.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) migrations: Vec<Migration>,
    pub(super) warnings: Vec<Warning>,
    /// Files that the tool refuses.
    pub(super) problems: Vec<FileProblems>,
    /// Files beside the steps that decide how they are read, such as a journal.
    pub(super) beside: Vec<PathBuf>,
}

impl Reading {
    fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    fn refuse(&mut self, file: SourceFile, problem: Diagnostic) {
        self.problems.push(file.problems(vec![problem]));
    }

    /// A file whose text cannot be read is refused; its byte order mark is named where the tool sends it.
    fn check(&mut self, entry: &super::folder::Entry, sends_mark: Option<&str>) -> bool {
        if let Some(error) = &entry.unreadable {
            let file = SourceFile { path: entry.path.clone(), text: String::new() };
            self.refuse(file, Diagnostic::whole(error.to_string()));
            return false;
        }
        if let (true, Some(tool)) = (entry.marked, sends_mark) {
            self.warn(
                Warning::new(
                    "byte-order-mark",
                    &entry.path,
                    format!("{tool} sends its byte order mark, which is no SQL"),
                )
                .help("save the file as UTF-8 without a byte order mark"),
            );
        }
        true
    }
}

impl Layout {
    /// The tool of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|layout| layout.name() == name)
    }

    /// The names of all tools, for errors.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.iter().map(|layout| layout.name()).collect::<Vec<_>>().join(", ")
    }

    /// The table in which the tool writes down what it has applied.
    #[must_use]
    pub fn books(self) -> Option<Books> {
        self.tool().books()
    }

    /// What to do about a statement that the server refuses inside a transaction.
    #[must_use]
    pub fn outside(self, part: &Part) -> Option<String> {
        self.tool().outside(part)
    }
}

/// The help where one string is one transaction.
fn alone(tool: &str) -> String {
    format!("{tool} sends a file as one string, which is one transaction: put this statement into a file of its own")
}

/// The help for a tool that has no way to send a file without a transaction.
fn never(tool: &str) -> String {
    format!("{tool} sends every migration in a transaction, so it can never apply this one: run the statement by hand")
}
