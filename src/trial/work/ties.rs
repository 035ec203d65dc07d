//! Whether the order of a statement says the place of each row it returns. Must execute only statements that read.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::answer::{Rows, sorted_part, with_ties};
use super::operation::{Asked, PATIENCE, drawn, fetch, run, steps};
use crate::evidence::CountedAction;
use crate::trial::error::TrialError;

/// Of each step of an operation, which must only read, whether it says the place of each of its rows.
pub(super) async fn places(asked: &mut Asked<'_>, action: usize, set: u64) -> Result<Vec<bool>, TrialError> {
    let planned = &asked.workload.actions[action];
    let values = drawn(asked.workload, action, set);
    run(&mut asked.connection, "BEGIN").await?;
    run(&mut asked.connection, PATIENCE).await?;
    let (_, rows) = steps(&mut asked.connection, planned, values, (&mut CountedAction::default(), true)).await?;
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok(rows.iter().map(Rows::is_total).collect())
}

/// Whether the order of a statement that takes the first rows says which they are: as many come with all that tie with
/// the last.
pub(super) async fn ends_without_ties(
    connection: &mut PgConnection,
    text: &str,
    rows: usize,
) -> Result<bool, TrialError> {
    let Some(text) = with_ties(text) else { return Ok(false) };
    let more = rows + 1;
    let sql =
        format!("SELECT count(*)::text FROM (SELECT 1 FROM ({text}) all_of_them LIMIT {more}) no_more_than_needed");
    run(connection, "SAVEPOINT counted").await?;
    let found = fetch(connection, &sql).await?;
    run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    let found = found.ok().and_then(|found| found.first()?.try_get::<String, _>(0).ok()?.parse::<usize>().ok());
    Ok(found == Some(rows))
}

/// More rows than these are not looked through for ties.
const ORDERED_ROWS: usize = 32;

/// Whether the order of a statement says the place of each of its rows: no row ties with the next.
pub(super) async fn orders_totally(connection: &mut PgConnection, text: &str, rows: usize) -> Result<bool, TrialError> {
    let Some(sorted) = sorted_part(text).filter(|_| (2..=ORDERED_ROWS).contains(&rows)) else { return Ok(false) };
    let alone = (1..rows).map(|n| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM ({sorted}FETCH FIRST ({n}) ROWS WITH TIES) ties LIMIT {n} + 1) \
             no_more) = {n}"
        )
    });
    let sql = format!("SELECT ({})::text", alone.collect::<Vec<_>>().join(" AND "));
    run(connection, "SAVEPOINT counted").await?;
    let found = fetch(connection, &sql).await?;
    run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    Ok(found
        .is_ok_and(|found| found.first().is_some_and(|row| row.try_get::<String, _>(0).is_ok_and(|is| is == "true"))))
}
