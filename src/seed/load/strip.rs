//! What slows COPY: off before the load, back exactly after it, and recorded in between.
//!
//! The journal stands in the database itself, made in the transaction that drops, so that nothing can be
//! off without being recorded. Must never drop what it could not make again.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::journal::{Kind, ROW_SECURITY, Taken};
use super::statement::run;
use super::{LoadError, Order};
use crate::postgres::Error;
use crate::postgres::catalog::Catalog;
use crate::postgres::row_security;
use crate::postgres::sql_text::{literal, query};
use crate::seed::plan::{Plan, TablePlan};

const OFF: &str = "take indexes and constraints off for the load";

const TABLES: [&str; 4] = [
    "CREATE SCHEMA weighbridge",
    "CREATE TABLE weighbridge.seed_load (digest text, parts int, catalog text)",
    "CREATE TABLE weighbridge.seed_tables (name text, own_rows text, part int, loaded bool)",
    "CREATE TABLE weighbridge.seed_restore
         (number serial, relation text, is_foreign_key bool, drop_it text, statements text[], kind text)",
];

/// Drops foreign keys, unique constraints and plain indexes of the tables that will be filled, silences their
/// triggers, which would write rows of their own, and lifts FORCE ROW LEVEL SECURITY, which would hide rows from their
/// owner. Primary keys stay: rows come in their order. So does what could not be made again exactly: clustered and
/// replica identity indexes, other tablespaces, storage parameters of constraints, indexes of partitioned tables.
pub(super) async fn take_off(
    connection: &mut PgConnection,
    plan: &Plan,
    catalog: &Catalog,
    order: &Order,
) -> Result<(), LoadError> {
    let doing = |e| Error::doing(OFF, e);
    let tables: Vec<&TablePlan> = plan.tables.iter().filter(|t| !t.held && 0 < t.rows).collect();
    let list = tables.iter().map(|t| format!("{}::regclass", literal(&t.sql_name))).collect::<Vec<_>>().join(", ");
    run(connection, "BEGIN", OFF).await?;
    // Every name the server writes then has its schema, and means the same to the process that undoes the load.
    run(connection, "SET LOCAL search_path = ''", OFF).await?;
    let secured = row_security::secured(connection).await?;
    row_security::refuse_others(connection, &secured).await?;
    row_security::lift(connection, &secured).await?;
    // Every writer has ended by now, and what was written is seen.
    for table in &tables {
        run(connection, &format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.own_rows), OFF).await?;
        if super::copy::holds_rows(connection, &table.own_rows).await.map_err(doing)? {
            return Err(LoadError::NotEmpty(table.name.clone()));
        }
    }
    for sql in TABLES {
        run(connection, sql, OFF).await?;
    }
    let written = serde_json::to_string(catalog).expect("a catalog is plain data");
    query("INSERT INTO weighbridge.seed_load VALUES ($1, $2, $3)")
        .bind(order.digest.clone())
        .bind(order.part.1 as i32)
        .bind(written)
        .execute(&mut *connection)
        .await
        .map_err(doing)?;
    for table in &tables {
        query("INSERT INTO weighbridge.seed_tables SELECT $1, $2, part, false FROM generate_series(1, $3) part")
            .bind(table.sql_name.clone())
            .bind(table.own_rows.clone())
            .bind(order.part.1 as i32)
            .execute(&mut *connection)
            .await
            .map_err(doing)?;
    }
    for table in &secured {
        query(
            "INSERT INTO weighbridge.seed_restore (relation, is_foreign_key, drop_it, statements, kind) VALUES ($1, \
             false, $2, $3, $4)",
        )
        .bind(table.table.clone())
        .bind(table.lift())
        .bind(vec![table.put_back()])
        .bind(ROW_SECURITY)
        .execute(&mut *connection)
        .await
        .map_err(doing)?;
    }
    let rows = if tables.is_empty() {
        Vec::new()
    } else {
        query(what_to_drop(&list)).fetch_all(&mut *connection).await.map_err(doing)?
    };
    for row in &rows {
        take_one(connection, row).await?;
    }
    Ok(run(connection, "COMMIT", OFF).await?)
}

async fn take_one(connection: &mut PgConnection, row: &PgRow) -> Result<(), Error> {
    let doing = |e| Error::doing(OFF, e);
    let text = |index: usize| row.try_get::<String, _>(index).map_err(doing);
    let is_foreign_key: bool = row.try_get(0).map_err(doing)?;
    let mut restore = vec![text(3)?];
    restore.extend(row.try_get::<Vec<String>, _>(4).map_err(doing)?);
    run(connection, "SAVEPOINT one", OFF).await?;
    let dropped = run(connection, &text(2)?, OFF).await;
    match dropped {
        Ok(()) => {}
        // Rows come in no order that a foreign key could live with.
        Err(error) if is_foreign_key => return Err(error),
        // What something else depends on stays where it is.
        Err(_) => return run(connection, "ROLLBACK TO one", OFF).await,
    }
    query(
        "INSERT INTO weighbridge.seed_restore (relation, is_foreign_key, drop_it, statements) VALUES ($1, $2, $3, $4)",
    )
    .bind(text(1)?)
    .bind(is_foreign_key)
    .bind(text(2)?)
    .bind(restore)
    .execute(&mut *connection)
    .await
    .map(drop)
    .map_err(doing)
}

/// Whether it is a foreign key, its table, the statement that drops it, the one that makes it, and more statements
/// that bring back its comments and the statistics targets of its expressions.
fn what_to_drop(tables: &str) -> String {
    let named = |oid: &str| {
        format!(
            "(SELECT format('\"%s\".\"%s\"', replace(nt.nspname, '\"', '\"\"'), replace(ct.relname, '\"', '\"\"'))
              FROM pg_class ct JOIN pg_namespace nt ON nt.oid = ct.relnamespace WHERE ct.oid = {oid})"
        )
    };
    // A trigger of a partition comes back when the partitioned table is filled.
    let (conrelid, indrelid, tgrelid) =
        (named("k.conrelid"), named("i.indrelid"), named("coalesce(pg_partition_root(t.tgrelid), t.tgrelid)"));
    let comment = |of: &str, what: &str, oid: &str, catalog: &str| {
        format!(
            "SELECT format('COMMENT ON {what} IS %L', {of}, obj_description({oid}, '{catalog}')) \
             WHERE obj_description({oid}, '{catalog}') IS NOT NULL"
        )
    };
    let on_constraint = comment("k.conname, k.conrelid::regclass", "CONSTRAINT %I ON %s", "k.oid", "pg_constraint");
    let on_its_index = comment("i.indexrelid::regclass", "INDEX %s", "i.indexrelid", "pg_class");
    format!(
        "SELECT k.contype = 'f' AS foreign_key, {conrelid},
                format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', k.conrelid::regclass, k.conname),
                format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname,
                pg_get_constraintdef(k.oid)),
                ARRAY({on_constraint} UNION ALL {on_its_index})
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype = 'u'
         LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE k.contype IN ('f', 'u') AND k.conparentid = 0 AND (k.conrelid IN ({tables}) OR k.contype = 'f'
         AND k.confrelid IN ({tables}))
           AND (k.contype = 'f' OR c.relkind = 'r' AND NOT c.relispartition AND NOT i.indisreplident
           AND NOT i.indisclustered
                                    AND ic.reloptions IS NULL AND ic.reltablespace = 0)
         UNION ALL
         SELECT false, {indrelid}, format('DROP INDEX IF EXISTS %s', i.indexrelid::regclass),
         pg_get_indexdef(i.indexrelid),
                ARRAY({on_its_index} UNION ALL
                      SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.indexrelid::regclass,
                      a.attnum, a.attstattarget)
                      FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND 0 <= a.attstattarget)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE i.indrelid IN ({tables}) AND c.relkind = 'r' AND NOT c.relispartition
           AND NOT i.indisreplident AND NOT i.indisclustered AND i.indisvalid AND ic.reltablespace = 0
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
         UNION ALL
         SELECT false, {tgrelid}, format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
                format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                       CASE t.tgenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname),
                '{{}}'::text[]
         FROM pg_trigger t
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D'
           AND coalesce(pg_partition_root(t.tgrelid), t.tgrelid) IN ({tables})
         ORDER BY 1 DESC, 3"
    )
}

/// Makes one of them again. A foreign key stays in the journal, so that an undo can take it off once more.
pub(super) async fn put_back(connection: &mut PgConnection, taken: &Taken) -> Result<(), Error> {
    const BACK: &str = "put an index or a constraint back";
    run(connection, "BEGIN", BACK).await?;
    let strike = format!("DELETE FROM weighbridge.seed_restore WHERE number = {}", taken.number);
    if taken.kind == Kind::ForeignKey {
        run(connection, &taken.drop, BACK).await?;
    } else {
        run(connection, &strike, BACK).await?;
    }
    for sql in &taken.restore {
        run(connection, sql, BACK).await?;
    }
    run(connection, "COMMIT", BACK).await
}
