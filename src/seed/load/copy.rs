//! One table into the server: rows made on a thread, sent through COPY in large chunks. Must know nothing of indexes.

use std::ops::Range;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;

use super::LoadError;
use super::statement::run;
use crate::postgres::Error;
use crate::postgres::sql_text::{identifier, query};
use crate::seed::encode::{self, EncodeError};
use crate::seed::heap;
use crate::seed::plan::Plan;

/// Bytes handed to the driver at a time; 8 KiB to 1 MiB measure the same, rows one by one do not.
const CHUNK_BYTES: usize = 256 << 10;

/// The rows of a table that belong to a part.
pub(super) fn range(plan: &Plan, table: usize, part: (u32, u32)) -> Range<u64> {
    let first = plan.tables[table].first;
    let rows = u128::from(plan.tables[table].rows - first);
    let until = |n: u32| (rows * u128::from(n) / u128::from(part.1)) as u64;
    first + until(part.0 - 1)..first + until(part.0)
}

/// Fills one table, or one part of it, and writes so into the journal in the same transaction.
pub(super) async fn fill_table(
    connection: &mut PgConnection,
    plan: &Arc<Plan>,
    table: usize,
    part: (u32, u32),
    tell: impl Fn(u64, u64),
) -> Result<(), LoadError> {
    let spec = &plan.tables[table];
    let doing = |e| Error::doing(format!("load the table `{}`", spec.name), e);
    run(connection, "BEGIN", "begin a load").await?;
    // A table truncated in this transaction may be filled frozen, all-visible from the start.
    let frozen = !spec.partitioned && part.1 == 1;
    if part.1 == 1 {
        // Before the look, so that what somebody has written but not committed is not truncated.
        run(connection, &format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", spec.own_rows), "lock a table").await?;
    }
    if part.1 == 1 && holds_rows(connection, &spec.own_rows).await.map_err(doing)? {
        return Err(LoadError::NotEmpty(spec.name.clone()));
    }
    if frozen {
        run(connection, &format!("TRUNCATE {}", spec.own_rows), "truncate a table for the load").await?;
    }
    copy_rows(connection, plan, table, range(plan, table, part), if frozen { ", FREEZE" } else { "" }, tell).await?;
    query("UPDATE weighbridge.seed_tables SET loaded = true WHERE name = $1 AND part = $2")
        .bind(spec.sql_name.clone())
        .bind(part.0 as i32)
        .execute(&mut *connection)
        .await
        .map_err(doing)?;
    Ok(run(connection, "COMMIT", "commit a load").await?)
}

pub(super) async fn holds_rows(connection: &mut PgConnection, own_rows: &str) -> Result<bool, sqlx::Error> {
    query(format!("SELECT EXISTS (SELECT FROM {own_rows})")).fetch_one(connection).await?.try_get(0)
}

/// Sends rows of a table through COPY, inside a transaction of the caller; reports rows and bytes of each chunk.
pub(super) async fn copy_rows(
    connection: &mut PgConnection,
    plan: &Arc<Plan>,
    table: usize,
    rows: Range<u64>,
    option: &str,
    tell: impl Fn(u64, u64),
) -> Result<(), LoadError> {
    let spec = &plan.tables[table];
    let doing = |e| Error::doing(format!("load the table `{}`", spec.name), e);
    let planned = rows.end - rows.start;
    if spec.columns.is_empty() {
        // COPY has no form for rows that the server fills as a whole.
        let sql = format!("INSERT INTO {} SELECT FROM generate_series(1, {planned})", spec.sql_name);
        query(sql).execute(&mut *connection).await.map_err(doing)?;
        tell(planned, 0);
        return Ok(());
    }
    let columns: Vec<String> = spec.columns.iter().map(|c| identifier(&c.name)).collect();
    let format = if spec.text { "text" } else { "binary" };
    let statement = format!("COPY {} ({}) FROM STDIN (FORMAT {format}{option})", spec.sql_name, columns.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await.map_err(doing)?;
    let mut chunks = generate(Arc::clone(plan), table, rows);
    if !spec.text {
        copy.send(encode::HEADER).await.map_err(doing)?;
    }
    let mut sent = 0;
    while let Some(chunk) = chunks.recv().await {
        let (bytes, rows) = chunk?;
        let size = bytes.len() as u64;
        copy.send(bytes).await.map_err(doing)?;
        sent += rows;
        tell(rows, size);
    }
    if sent != planned {
        return Err(LoadError::CutShort { table: spec.name.clone(), sent, planned });
    }
    if !spec.text {
        copy.send(encode::TRAILER).await.map_err(doing)?;
    }
    copy.finish().await.map(drop).map_err(|e| doing(e).into())
}

type Chunk = Result<(Vec<u8>, u64), EncodeError>;

/// Makes a table's rows on a thread of its own, a few chunks ahead of the connection.
fn generate(plan: Arc<Plan>, table: usize, rows: Range<u64>) -> mpsc::Receiver<Chunk> {
    const ROWS_AT_ONCE: usize = 512;
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut left = rows.end - rows.start;
        let mut rows = heap::rows(&plan, table, rows);
        while 0 < left {
            let mut bytes = Vec::with_capacity(CHUNK_BYTES + (64 << 10));
            let before = left;
            while 0 < left && bytes.len() < CHUNK_BYTES {
                if let Err(error) = encode::rows(&plan, table, rows.by_ref().take(ROWS_AT_ONCE), &mut bytes) {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
                left = left.saturating_sub(ROWS_AT_ONCE as u64);
            }
            // The receiver is gone when the load was given up.
            if sender.blocking_send(Ok((bytes, before - left))).is_err() {
                return;
            }
        }
    });
    receiver
}
