//! What partial indexes hold of their tables: nothing, some rows or every row, and which columns of their WHERE have
//! one value. Must only read, and must give up where that takes long.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::sql_text::{identifier, query};

/// A valid index with a WHERE, of a table that has rows and is no partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialIndex {
    /// Schema-qualified.
    pub name: String,
    /// Its table, schema-qualified.
    pub table: String,
    /// Its WHERE, as SQL.
    pub predicate: String,
    /// Some row is inside.
    pub holds_some: bool,
    /// Some row is outside.
    pub leaves_some: bool,
    /// Columns that the WHERE names.
    pub columns: Vec<String>,
    /// Those of them that have one value, or NULL, in every row.
    pub constant: Vec<String>,
}

const INDEXES: &str = "
    SELECT n.nspname || '.' || c.relname, tn.nspname || '.' || t.relname, format('%I.%I', tn.nspname, t.relname),
           pg_get_expr(i.indpred, i.indrelid),
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = t.oid AND 0 < a.attnum AND NOT a.attisdropped
                   AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                               AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
                               AND d.refobjsubid = a.attnum)
                   AND pg_get_expr(i.indpred, i.indrelid) ~ ('(^|\\W)' || regexp_replace(a.attname, '\\W', '.',
                   'g') || '($|\\W)')
                 ORDER BY a.attnum)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE i.indpred IS NOT NULL AND i.indisvalid AND NOT c.relispartition
      AND tn.nspname NOT IN ('pg_catalog', 'information_schema') AND tn.nspname !~ '^pg_toast'
    ORDER BY 1";

/// Every partial index; without those of which it cannot be found out within five seconds a question.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn partial_indexes(connection: &mut PgConnection) -> Result<Vec<PartialIndex>, Error> {
    let failed = |e| Error::doing("read what partial indexes hold", e);
    query("SET statement_timeout = '5s'").execute(&mut *connection).await.map_err(failed)?;
    let rows = query(INDEXES).fetch_all(&mut *connection).await.map_err(failed)?;
    let mut found = Vec::new();
    for row in rows {
        let text = |at: usize| row.try_get::<String, _>(at).map_err(failed);
        let (name, table, from, predicate) = (text(0)?, text(1)?, text(2)?, text(3)?);
        let columns: Vec<String> = row.try_get(4).map_err(failed)?;
        let Some(true) = exists(connection, &from).await else { continue };
        let inside = exists(connection, &format!("{from} WHERE {predicate}")).await;
        let outside = exists(connection, &format!("{from} WHERE ({predicate}) IS NOT TRUE")).await;
        let (Some(holds_some), Some(leaves_some)) = (inside, outside) else { continue };
        let mut constant = Vec::new();
        for column in &columns {
            let name = identifier(column);
            let other = format!("{from} WHERE {name} IS DISTINCT FROM (SELECT {name} FROM {from} LIMIT 1)");
            if exists(connection, &other).await == Some(false) {
                constant.push(column.clone());
            }
        }
        found.push(PartialIndex { name, table, predicate, holds_some, leaves_some, columns, constant });
    }
    Ok(found)
}

/// Whether there is such a row; `None` where the server does not say in time, or the role may not look.
async fn exists(connection: &mut PgConnection, from: &str) -> Option<bool> {
    let sql = format!("SELECT EXISTS (SELECT FROM {from})");
    query(sql).fetch_one(connection).await.ok()?.try_get(0).ok()
}
