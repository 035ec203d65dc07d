//! One statement of a load, with what it was for. Must leave transactions to the caller.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::postgres::Error;
use crate::postgres::sql_text::trusted;

/// Executes SQL that returns nothing worth reading; `doing` follows "failed to".
pub(super) async fn run(connection: &mut PgConnection, sql: &str, doing: &str) -> Result<(), Error> {
    connection
        .execute(sqlx::raw_sql(trusted(sql)))
        .await
        .map(drop)
        .map_err(|e| Error::doing(format!("{doing} ({sql})"), e))
}
