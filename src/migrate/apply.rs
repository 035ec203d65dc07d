//! Applies a migration statement by statement and times each. Must send the user's text unchanged.
//!
//! One transaction for the whole file, unless its first line is `-- no-transaction` (sqlx's mark):
//! several statements in one message would share a transaction by themselves, so they are split here.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnection, PgErrorPosition};

use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, FileProblems, SourceFile};
use crate::postgres::Error;
use crate::postgres::error::{database_error, describe};
use crate::postgres::sql_text::trusted;
use crate::sql;

/// What applying a migration took.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Each statement and its time, in order.
    pub statements: Vec<(String, Duration)>,
    /// From the first statement to the end of the commit.
    pub duration: Duration,
}

/// Why a migration was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The server refused a statement; drawn against the file.
    #[error("{0}")]
    Refused(Box<FileProblems>),
    /// The connection or the commit failed.
    #[error(transparent)]
    Server(#[from] Error),
}

/// Applies the text of a migration.
///
/// # Errors
/// When the server refuses a statement: with its message and place. In a transaction nothing is
/// left of the migration; without one, the statements before it stay.
pub async fn apply(connection: &mut PgConnection, file: &SourceFile, clock: &Clock) -> Result<Applied, ApplyError> {
    apply_and(connection, file, clock, None).await
}

/// Whether a migration is applied as a whole or not at all.
#[must_use]
pub fn in_transaction(file: &SourceFile) -> bool {
    !file.text.starts_with("-- no-transaction")
}

/// The same with a statement of ours behind it, in the same transaction if there is one.
///
/// # Errors
/// As those of [`apply`].
pub async fn apply_and(
    connection: &mut PgConnection,
    file: &SourceFile,
    clock: &Clock,
    ours: Option<&str>,
) -> Result<Applied, ApplyError> {
    let in_transaction = in_transaction(file);
    let control = |e| ApplyError::Server(Error::doing(format!("apply {}", file.path.display()), e));
    let began = clock.now_ns();
    if in_transaction {
        connection.execute(sqlx::raw_sql("BEGIN")).await.map_err(control)?;
    }
    let spans = sql::statements(&file.text);
    let count = spans.len();
    let mut statements = Vec::with_capacity(count);
    for (index, span) in spans.into_iter().enumerate() {
        let text = &file.text[span.clone()];
        let before = clock.now_ns();
        if let Err(error) = connection.execute(sqlx::raw_sql(trusted(text))).await {
            return Err(refused(file, span.start, text, &error, (index + 1, count), in_transaction));
        }
        statements.push((text.to_owned(), Duration::from_nanos(clock.now_ns() - before)));
    }
    if let Some(ours) = ours {
        connection.execute(sqlx::raw_sql(trusted(ours))).await.map_err(control)?;
    }
    if in_transaction {
        connection.execute(sqlx::raw_sql("COMMIT")).await.map_err(control)?;
    }
    Ok(Applied { statements, duration: Duration::from_nanos(clock.now_ns() - began) })
}

fn refused(
    file: &SourceFile,
    start: usize,
    text: &str,
    error: &sqlx::Error,
    (number, count): (usize, usize),
    in_transaction: bool,
) -> ApplyError {
    let Some(server) = database_error(error) else {
        let doing = format!("apply statement {number} of {}", file.path.display());
        return ApplyError::Server(Error::doing(doing, sqlx::Error::Protocol(error.to_string())));
    };
    if matches!(server.code(), "53100" | "53200") {
        let help = "free space where the server keeps its data, or use a smaller --scale".to_owned();
        let doing = format!("apply statement {number} of {}", file.path.display());
        return ApplyError::Server(Error::NoSpace { doing, message: server.message().to_owned(), help });
    }
    let span = match server.position() {
        Some(PgErrorPosition::Original(character)) => {
            let byte = text.char_indices().nth(character.saturating_sub(1)).map_or(0, |(byte, _)| byte);
            let length = text[byte..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(1).max(1);
            start + byte..start + byte + length
        }
        _ => start..start + text.lines().next().map_or(0, str::len),
    };
    let left = if in_transaction { "the transaction was rolled back" } else { "the statements before it stay applied" };
    let message = format!("the server refuses statement {number} of {count}: {}; {left}", describe(error));
    let mut problem = Diagnostic::at(span, message);
    if server.code() == "25001" && in_transaction {
        problem = problem.help("make the file's first line `-- no-transaction`, so that each statement runs by itself");
    }
    ApplyError::Refused(Box::new(file.clone().problems(vec![problem])))
}
