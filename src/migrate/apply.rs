//! Applies a migration as its tool would, and times each statement. Must send the user's text unchanged.
//!
//! Several statements in one message share a transaction by themselves, so what stands alone is split here.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::Migration;
use super::command;
use super::locks::{self, HeldLock};
use super::part::{Part, Piece, Sending};
use super::refusal::{Refusal, refuse_unready};
use super::skipped::{Skipped, Watched};
use crate::clock::Clock;
use crate::diagnostic::{FileProblems, ReadError, SourceFile};
use crate::postgres::sql_text::{query, trusted};
use crate::postgres::{Error, Target};
use crate::sql;

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
    /// A command failed.
    #[error("{0}")]
    Command(String),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The connection or the commit failed.
    #[error(transparent)]
    Server(#[from] Error),
}

/// How a part is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'m> {
    /// Whether the database outlives a failure, and with it what a file without a transaction did before.
    pub lasting: bool,
    /// Migrations that come after it, in order, which an index left by a failure would mislead.
    pub later: [&'m [Migration]; 2],
    /// The database, for a step that is a command.
    pub target: Option<&'m Target>,
    /// A statement of ours behind it, in the same transaction if there is one.
    pub then: Option<&'m str>,
}

/// Applies one direction of a migration as its tool sends it.
///
/// # Errors
/// When the server refuses a statement: with its message and place. In a transaction nothing is
/// left of the migration; without one, the statements before it stay.
pub async fn apply(
    connection: &mut PgConnection,
    part: &Part,
    manner: &Manner<'_>,
    clock: &Clock,
) -> Result<Applied, ApplyError> {
    refuse_unready(part)?;
    if let (Sending::Command, Some(target)) = (part.sending, manner.target) {
        return command::run(part, target, clock).await;
    }
    let file = &part.file;
    let in_transaction = part.in_transaction();
    let control = |e| ApplyError::Server(Error::doing(format!("apply {}", file.path.display()), e));
    let watched = Watched::before(connection, &file.text).await?;
    let invalid = if in_transaction { BTreeSet::new() } else { invalid_indexes(connection).await? };
    let tables = if in_transaction { locks::tables(connection).await? } else { Vec::new() };
    let mut locks = Vec::new();
    let began = clock.now_ns();
    if in_transaction {
        connection.execute(sqlx::raw_sql("BEGIN")).await.map_err(control)?;
    }
    let count = part.pieces.len();
    let mut statements = Vec::with_capacity(count);
    for (index, piece) in part.pieces.iter().enumerate() {
        let text = &file.text[piece.span.clone()];
        let before = clock.now_ns();
        if let Err(error) = send(connection, file, piece).await {
            let left = match in_transaction {
                true => BTreeSet::new(),
                false => invalid_indexes(connection).await.unwrap_or_default().difference(&invalid).cloned().collect(),
            };
            let refusal = Refusal { part, start: piece.span.start, text, number: index + 1, count, manner, left };
            return Err(refusal.error(&error));
        }
        statements.push((text.trim().to_owned(), Duration::from_nanos(clock.now_ns() - before)));
        if in_transaction && locks::are_read_after(&sql::words(text)) {
            locks::add(&mut locks, locks::held(connection, &tables).await?, before);
        }
    }
    if let Some(ours) = manner.then {
        connection.execute(sqlx::raw_sql(trusted(ours))).await.map_err(control)?;
    }
    if in_transaction {
        connection.execute(sqlx::raw_sql("COMMIT")).await.map_err(control)?;
    }
    let ended = clock.now_ns();
    let held = |(table, mode, since)| HeldLock { table, mode, held: Duration::from_nanos(ended - since) };
    let locks = locks.into_iter().map(held).collect();
    let duration = Duration::from_nanos(ended - began);
    Ok(Applied { statements, duration, skipped: watched.after(connection).await?, locks })
}

/// Sends one message, with the rows of a COPY behind it.
///
/// # Errors
/// When the server refuses it.
pub async fn send(connection: &mut PgConnection, file: &SourceFile, piece: &Piece) -> Result<(), sqlx::Error> {
    let text = &file.text[piece.span.clone()];
    let Some(rows) = &piece.rows else {
        return connection.execute(sqlx::raw_sql(trusted(text))).await.map(drop);
    };
    let mut copy = connection.copy_in_raw(text).await?;
    copy.send(rows.as_bytes()).await?;
    copy.finish().await.map(drop)
}

/// Every index that is invalid, as it is written in SQL.
pub(super) async fn invalid_indexes(connection: &mut PgConnection) -> Result<BTreeSet<String>, Error> {
    let doing = |e| Error::doing("look for invalid indexes", e);
    let rows = query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid");
    let rows = rows.fetch_all(connection).await.map_err(doing)?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(doing)
}
