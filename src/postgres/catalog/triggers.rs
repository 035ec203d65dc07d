//! What an INSERT fires beside the constraints: triggers and rules of the user's. Must leave the server's own out.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Catalog, NAME, OURS};
use crate::postgres::sql_text::query;

/// A trigger or rule that an INSERT of a row fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: FiredBy,
}

/// What fires on an INSERT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FiredBy {
    /// CREATE TRIGGER and CREATE CONSTRAINT TRIGGER: COPY fires it too.
    Trigger,
    /// CREATE RULE: COPY never fires it.
    Rule,
}

/// Reads those that are enabled for an ordinary session (pg_trigger.h: bit 2 of `tgtype` is INSERT).
pub(super) async fn read(connection: &mut PgConnection, catalog: &mut Catalog) -> Result<(), sqlx::Error> {
    let rows = query(format!(
        "SELECT {NAME}, t.tgname::text, false
         FROM pg_trigger t JOIN pg_class c ON c.oid = coalesce(pg_partition_root(t.tgrelid), t.tgrelid)
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A') AND t.tgtype & 4 <> 0 AND {OURS}
         UNION
         SELECT {NAME}, r.rulename::text, true
         FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.ev_type = '3' AND r.ev_enabled IN ('O', 'A') AND c.relkind IN ('r', 'p') AND {OURS}
         ORDER BY 1, 2"
    ))
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(table) = catalog.tables.get_mut(&row.try_get::<String, _>(0)?) else { continue };
        let kind = if row.try_get(2)? { FiredBy::Rule } else { FiredBy::Trigger };
        table.triggers.push(Trigger { name: row.try_get(1)?, kind });
    }
    Ok(())
}
