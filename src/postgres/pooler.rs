//! Whether a session is its client's own, or a pooler gives it to the next client that asks. Must leave nothing in a
//! session.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::connect::Target;
use super::error::Error;

/// Poolers hand the session on that was given back last, or the next of a ring: a few turns show either.
const TURNS: usize = 5;

/// A pool of one session that is its client's own has none for a second client: then this passes in vain.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether what one client leaves in its session, such as a prepared statement, is found by others: so behind a pooler
/// in transaction mode.
///
/// # Errors
/// When the server cannot be reached.
pub async fn shares_sessions(target: &Target) -> Result<bool, Error> {
    if target.is_direct().await == Some(true) {
        return Ok(false);
    }
    let mut first = target.connect().await?;
    let shared = match tokio::time::timeout(PATIENCE, target.connect()).await {
        Ok(second) => {
            let mut second = second?;
            let shared = tokio::time::timeout(PATIENCE, mixed_up(&mut first, &mut second)).await;
            drop(second.close().await);
            shared
        }
        Err(elapsed) => Err(elapsed),
    };
    drop(first.close().await);
    shared.unwrap_or(Ok(false)).map_err(|e| Error::doing("see whether a pooler shares sessions", e))
}

/// Whether either connection is answered by another process than before, or by that of the other.
async fn mixed_up(first: &mut PgConnection, second: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let known = process(first).await?;
    for _ in 0..TURNS {
        if process(second).await? == known || process(first).await? != known {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process that answers, as one message that no pooler can divide.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    connection.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()")).await?.try_get(0)
}
