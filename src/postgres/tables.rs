//! How tables are stored: size, dead rows, statistics of the planner. Must only read, and must not wait long for
//! anybody's lock.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::error::Error;
use super::sql_text::query;

/// A table as the last ANALYZE, VACUUM and the cumulative statistics know it.
#[derive(Debug, Clone, Copy)]
pub struct TableState {
    /// Bytes with TOAST, without indexes.
    pub bytes: i64,
    /// Rows at the last ANALYZE or VACUUM; absent where there was none.
    pub rows: Option<i64>,
    /// Rows that are dead and not yet removed.
    pub dead_rows: i64,
    /// Rows changed since the planner last looked.
    pub modified_rows: i64,
    /// The planner has statistics of it.
    pub analyzed: bool,
}

/// Every ordinary table of the database outside the system's schemas, by its qualified name.
///
/// `pg_stats` shows rows only for columns this role may read; so does a scenario.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(connection: &mut PgConnection) -> Result<BTreeMap<String, TableState>, Error> {
    let doing = |e| Error::doing("read how tables are stored", e);
    let mut transaction = connection.begin().await.map_err(doing)?;
    // Asking for a size waits for the session that rewrites the table. Nothing of it stays in a pooler's session.
    query("SET LOCAL lock_timeout = '1s'").execute(&mut *transaction).await.map_err(doing)?;
    let rows = query(
        "SELECT format('%s.%s', n.nspname, c.relname), coalesce(pg_table_size(c.oid), 0), nullif(c.reltuples,
         -1)::bigint,
                coalesce(s.n_dead_tup, 0), coalesce(s.n_mod_since_analyze, 0),
                EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(doing)?;
    transaction.rollback().await.map_err(doing)?;
    let state = |row: &sqlx::postgres::PgRow| -> Result<(String, TableState), sqlx::Error> {
        let state = TableState {
            bytes: row.try_get(1)?,
            rows: row.try_get(2)?,
            dead_rows: row.try_get(3)?,
            modified_rows: row.try_get(4)?,
            analyzed: row.try_get(5)?,
        };
        Ok((row.try_get(0)?, state))
    };
    rows.iter().map(state).collect::<Result<_, _>>().map_err(doing)
}
