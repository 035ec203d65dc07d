//! Applies a migration as its tool would, and times each statement. Must send the user's text unchanged.
//!
//! Several statements in one message share a transaction by themselves, so what stands alone is split here.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgErrorPosition};
use sqlx::{Executor, Row};

use super::Migration;
use super::layout::{Layout, NO_TRANSACTION};
use super::locks::{self, HeldLock};
use super::skipped::{Skipped, Watched};
use crate::clock::Clock;
use crate::diagnostic::{Advice, Diagnostic, FileProblems, ReadError, SourceFile};
use crate::postgres::Error;
use crate::postgres::error::{database_error, describe};
use crate::postgres::sql_text::{query, trusted};
use crate::sql::{self, Command, CreateIndex, Script};

/// What applying a migration took.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Each statement and its time, in order.
    pub statements: Vec<(String, Duration)>,
    /// From the first statement to the end of the commit.
    pub duration: Duration,
    /// What its `IF NOT EXISTS` did not make.
    pub skipped: Vec<Skipped>,
    /// The strongest lock on each table; none where the file runs without a transaction, for they end with each
    /// statement.
    pub locks: Vec<HeldLock>,
}

/// Why a migration was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The server refused a statement; drawn against the file.
    #[error("{0}")]
    Refused(Box<FileProblems>),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The connection or the commit failed.
    #[error(transparent)]
    Server(#[from] Error),
}

impl Advice for ApplyError {
    fn inner(&self) -> Option<&dyn Advice> {
        Some(match self {
            Self::Refused(problems) => problems.as_ref(),
            Self::Read(error) => error,
            Self::Server(error) => error,
        })
    }
}

/// How a file is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'m> {
    /// Whose files they are.
    pub layout: Layout,
    /// Whether the database outlives a failure, and with it what a file without a transaction did before.
    pub lasting: bool,
    /// Migrations that come after it, which an index left by a failure would mislead.
    pub later: &'m [Migration],
    /// A statement of ours behind it, in the same transaction if there is one.
    pub then: Option<&'m str>,
}

/// In how many pieces a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// One transaction for the whole file.
    Transaction,
    /// Each statement by itself.
    Each,
    /// As one string.
    Whole,
}

impl Sending {
    fn of(file: &SourceFile, layout: Layout) -> Self {
        match layout {
            Layout::Sqlx if file.text.starts_with(NO_TRANSACTION) => Self::Each,
            Layout::Sqlx => Self::Transaction,
            Layout::GolangMigrate => {
                let statements = Script::parse(&file.text).statements;
                let is_alone = statements.iter().any(|of| of.forbids_transaction() || of.controls_transaction());
                match (is_alone, statements.len()) {
                    // Several statements of one string share a transaction, as those between BEGIN and COMMIT do.
                    (false, _) => Self::Transaction,
                    (true, 0 | 1) => Self::Each,
                    (true, _) => Self::Whole,
                }
            }
        }
    }
}

/// Whether a migration is applied as a whole or not at all.
#[must_use]
pub fn in_transaction(file: &SourceFile, layout: Layout) -> bool {
    Sending::of(file, layout) == Sending::Transaction
}

/// Applies the text of a migration.
///
/// # Errors
/// When the server refuses a statement: with its message and place. In a transaction nothing is
/// left of the migration; without one, the statements before it stay.
pub async fn apply(
    connection: &mut PgConnection,
    file: &SourceFile,
    manner: &Manner<'_>,
    clock: &Clock,
) -> Result<Applied, ApplyError> {
    let sending = Sending::of(file, manner.layout);
    let control = |e| ApplyError::Server(Error::doing(format!("apply {}", file.path.display()), e));
    let watched = Watched::before(connection, &file.text).await?;
    let invalid = if sending == Sending::Transaction { BTreeSet::new() } else { invalid_indexes(connection).await? };
    let tables = if sending == Sending::Transaction { locks::tables(connection).await? } else { Vec::new() };
    let mut locks = Vec::new();
    let began = clock.now_ns();
    if sending == Sending::Transaction {
        connection.execute(sqlx::raw_sql("BEGIN")).await.map_err(control)?;
    }
    let spans = match sending {
        Sending::Whole => std::iter::once(0..file.text.len()).collect(),
        Sending::Transaction | Sending::Each => sql::statements(&file.text),
    };
    let count = spans.len();
    let mut statements = Vec::with_capacity(count);
    for (index, span) in spans.into_iter().enumerate() {
        let text = &file.text[span.clone()];
        let before = clock.now_ns();
        if let Err(error) = connection.execute(sqlx::raw_sql(trusted(text))).await {
            let left = match sending {
                Sending::Transaction => BTreeSet::new(),
                _ => invalid_indexes(connection).await.unwrap_or_default().difference(&invalid).cloned().collect(),
            };
            let refusal = Refusal { file, start: span.start, text, number: index + 1, count, sending, manner, left };
            return Err(refusal.error(&error));
        }
        statements.push((text.trim().to_owned(), Duration::from_nanos(clock.now_ns() - before)));
        if sending == Sending::Transaction && locks::are_read_after(&sql::words(text)) {
            locks::add(&mut locks, locks::held(connection, &tables).await?, before);
        }
    }
    if let Some(ours) = manner.then {
        connection.execute(sqlx::raw_sql(trusted(ours))).await.map_err(control)?;
    }
    if sending == Sending::Transaction {
        connection.execute(sqlx::raw_sql("COMMIT")).await.map_err(control)?;
    }
    let ended = clock.now_ns();
    let held = |(table, mode, since)| HeldLock { table, mode, held: Duration::from_nanos(ended - since) };
    let locks = locks.into_iter().map(held).collect();
    let duration = Duration::from_nanos(ended - began);
    Ok(Applied { statements, duration, skipped: watched.after(connection).await?, locks })
}

/// Every index that is invalid, as it is written in SQL.
async fn invalid_indexes(connection: &mut PgConnection) -> Result<BTreeSet<String>, Error> {
    let doing = |e| Error::doing("look for invalid indexes", e);
    let rows = query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid");
    let rows = rows.fetch_all(connection).await.map_err(doing)?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(doing)
}

/// A statement that the server refused.
struct Refusal<'r> {
    file: &'r SourceFile,
    /// Where it begins in the file.
    start: usize,
    text: &'r str,
    number: usize,
    count: usize,
    sending: Sending,
    manner: &'r Manner<'r>,
    /// Invalid indexes that it left.
    left: BTreeSet<String>,
}

impl Refusal<'_> {
    fn error(&self, error: &sqlx::Error) -> ApplyError {
        let doing = || format!("apply statement {} of {}", self.number, self.file.path.display());
        let Some(server) = database_error(error) else {
            return ApplyError::Server(Error::Exchange { doing: doing(), message: describe(error), help: None });
        };
        if matches!(server.code(), "53100" | "53200") {
            let help = "free space where the server keeps its data, or use a smaller --scale".to_owned();
            return ApplyError::Server(Error::NoSpace { doing: doing(), message: server.message().to_owned(), help });
        }
        let span = match server.position() {
            Some(PgErrorPosition::Original(character)) => {
                let byte = self.text.char_indices().nth(character.saturating_sub(1)).map_or(0, |(byte, _)| byte);
                let length = self.text[byte..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(1).max(1);
                self.start + byte..self.start + byte + length
            }
            _ => self.start..self.start + self.text.lines().next().map_or(0, str::len),
        };
        let which = match self.sending {
            Sending::Whole => "a statement of the file, which is sent as one string".to_owned(),
            _ => format!("statement {} of {}", self.number, self.count),
        };
        // What stays stands beside the reason, before the lines of the server's detail and hint.
        let reason = describe(error);
        let (first, more) = reason.split_at(reason.find('\n').unwrap_or(reason.len()));
        let message = format!("the server refuses {which}: {first}{}{more}", self.what_stays());
        let mut problem = Diagnostic::at(span, message);
        problem.help = self.remedy(server.code());
        ApplyError::Refused(Box::new(self.file.clone().problems(vec![problem])))
    }

    /// What of the migration stays in the database.
    fn what_stays(&self) -> &'static str {
        match (self.sending, self.number, self.manner.lasting) {
            (Sending::Transaction, ..) => "; the transaction was rolled back",
            (Sending::Each, 1, _) | (Sending::Whole, ..) => "",
            (Sending::Each, _, true) => "; the statements before it stay applied",
            (Sending::Each, _, false) => "; where you deploy it, the statements before it would stay applied",
        }
    }

    fn remedy(&self, code: &str) -> Option<String> {
        if !self.left.is_empty() {
            return Some(self.invalid_left());
        }
        // active_sql_transaction
        if code != "25001" {
            return None;
        }
        Some(match (self.manner.layout, self.sending) {
            (Layout::GolangMigrate, _) => {
                "golang-migrate sends a file as one string, which is one transaction: put this statement into a file \
                 of its own"
                    .to_owned()
            }
            (Layout::Sqlx, Sending::Transaction) => match misplaced_mark(&self.file.text) {
                Some(line) => format!(
                    "`{NO_TRANSACTION}` stands in line {line}, and sqlx looks for it in the file's very first bytes: \
                     put nothing before it"
                ),
                None => format!(
                    "make the file's first line `{NO_TRANSACTION}`, so that each statement runs by itself (for \
                     golang-migrate: [migrations] layout = \"golang-migrate\" in weighbridge.toml)"
                ),
            },
            (Layout::Sqlx, _) => return None,
        })
    }

    /// What a failed concurrent build leaves, who takes it for the index, and what removes it.
    fn invalid_left(&self) -> String {
        let names: Vec<&str> = self.left.iter().map(String::as_str).collect();
        let (names, noun) = (names.join(", "), if self.left.len() == 1 { "index" } else { "indexes" });
        let place = if self.manner.lasting { "it leaves" } else { "where you deploy it, it leaves" };
        let builds = sql::parse_one(self.text).and_then(|statement| as_index(statement.command));
        let skips = match (builds, self.skipping()) {
            // What REINDEX leaves has a name of its own.
            (None, _) => String::new(),
            (_, skips) if skips.is_empty() => "; a later IF NOT EXISTS takes it for the index and skips it".to_owned(),
            (_, skips) => format!("; IF NOT EXISTS of {} takes it for the index and skips it", skips.join(", ")),
        };
        let drops: Vec<String> = self.left.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};")).collect();
        format!(
            "{place} the invalid {noun} {names}, which every write pays for and no query uses{skips}\n\
             before it is tried again: {}",
            drops.join(" ")
        )
    }

    /// Later migrations that would skip an index which this one leaves, and the file itself when it is tried again.
    fn skipping(&self) -> Vec<String> {
        let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
        let left: BTreeSet<String> = self.left.iter().map(|name| bare(name)).collect();
        let skips = |text: &str| {
            let named = |index: &CreateIndex| index.name.as_ref().is_some_and(|name| left.contains(name));
            Script::parse(text).commands().filter_map(as_index).any(|index| index.if_not_exists && named(&index))
        };
        let again = skips(&self.file.text).then(|| "this file, when it is tried again,".to_owned());
        let later = self
            .manner
            .later
            .iter()
            .filter(|migration| std::fs::read_to_string(&migration.up).is_ok_and(|text| skips(&text)));
        again.into_iter().chain(later.map(|migration| migration.label.clone())).collect()
    }
}

fn as_index(command: Command) -> Option<Box<CreateIndex>> {
    match command {
        Command::CreateIndex(index) => Some(index),
        _ => None,
    }
}

/// The line, from 1, of sqlx's mark where it does not stand first.
fn misplaced_mark(text: &str) -> Option<usize> {
    let is_mark = |line: &str| line.trim_start_matches(['\u{feff}', ' ', '\t']).starts_with(NO_TRANSACTION);
    text.lines().position(is_mark).map(|line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_as_its_tool_sends_it() {
        let of = |text: &str, layout| Sending::of(&SourceFile { path: "m.sql".into(), text: text.to_owned() }, layout);
        let alone = "CREATE INDEX CONCURRENTLY i ON t (a);\n";
        let two = "CREATE INDEX CONCURRENTLY i ON t (a);\nSELECT 1;\n";
        let marked = format!("-- no-transaction\n{two}");
        for (text, sqlx, golang) in [
            (alone, Sending::Transaction, Sending::Each),
            (two, Sending::Transaction, Sending::Whole),
            (&marked, Sending::Each, Sending::Whole),
            ("ALTER TABLE t ADD a int; ALTER TABLE t ADD b int", Sending::Transaction, Sending::Transaction),
            ("BEGIN; ALTER TABLE t ADD a int; COMMIT;", Sending::Transaction, Sending::Whole),
            ("\n-- no-transaction\nSELECT 1", Sending::Transaction, Sending::Transaction),
        ] {
            assert_eq!((of(text, Layout::Sqlx), of(text, Layout::GolangMigrate)), (sqlx, golang), "{text}");
        }
        assert_eq!(misplaced_mark("\u{feff}-- no-transaction\nSELECT 1"), Some(1));
        assert_eq!(misplaced_mark("-- licence\n\n-- no-transaction\n"), Some(3));
        assert_eq!(misplaced_mark("SELECT 1"), None);
    }
}
