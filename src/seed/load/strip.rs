//! What slows COPY: off before the load, back exactly after it, and written down in between.
//!
//! The journal stands in the database itself, made in the transaction that drops, so that nothing can be
//! off without being written down. Must never drop what it could not make again.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::run;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql_text::{literal, query};
use crate::postgres::{Error, Target};
use crate::seed::plan::Plan;

/// Something that was dropped and how to make it again.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// Its number in the journal.
    pub(super) number: i32,
    /// The table it belongs to, as SQL.
    pub(super) table: String,
    /// A foreign key: comes back last.
    pub(super) is_foreign_key: bool,
    /// Statements, in order.
    pub(super) restore: Vec<String>,
}

/// The journal of a load that has not ended.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Names spec, seed and scale.
    pub digest: String,
    /// The catalog before anything was taken off: the plan is made from it again.
    pub catalog: Catalog,
    /// Tables it fills, as SQL, and whether each is loaded.
    pub tables: Vec<(String, bool)>,
    pub(super) taken: Vec<Taken>,
}

const OFF: &str = "take indexes and constraints off for the load";

/// Drops foreign keys, unique constraints and plain indexes of the tables that will be filled, and silences their
/// triggers, which would write rows of their own. Primary keys stay: rows come in their order. So does what could
/// not be made again exactly: clustered and replica identity indexes, other tablespaces, storage parameters of
/// constraints, indexes of partitioned tables.
pub(super) async fn take_off(
    connection: &mut PgConnection,
    plan: &Plan,
    catalog: &Catalog,
    digest: &str,
) -> Result<(), Error> {
    let doing = |e| Error::doing(OFF, e);
    let tables: Vec<&str> = plan.tables.iter().filter(|t| !t.held && 0 < t.rows).map(|t| t.sql_name.as_str()).collect();
    let list = tables.iter().map(|t| format!("{}::regclass", literal(t))).collect::<Vec<_>>().join(", ");
    run(connection, "BEGIN", OFF).await?;
    // Every name the server writes then has its schema, and means the same to whoever undoes the load.
    run(connection, "SET LOCAL search_path = ''", OFF).await?;
    run(connection, "CREATE SCHEMA weighbridge", OFF).await?;
    run(connection, "CREATE TABLE weighbridge.seed_load (digest text, catalog text)", OFF).await?;
    run(connection, "CREATE TABLE weighbridge.seed_tables (name text, loaded bool)", OFF).await?;
    run(
        connection,
        "CREATE TABLE weighbridge.seed_restore (number serial, relation text, is_foreign_key bool, statements text[])",
        OFF,
    )
    .await?;
    let written = serde_json::to_string(catalog).expect("a catalog is plain data");
    query("INSERT INTO weighbridge.seed_load VALUES ($1, $2)")
        .bind(digest.to_owned())
        .bind(written)
        .execute(&mut *connection)
        .await
        .map_err(doing)?;
    for table in &tables {
        query("INSERT INTO weighbridge.seed_tables VALUES ($1, false)")
            .bind((*table).to_owned())
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
        let text = |index: usize| row.try_get::<String, _>(index).map_err(doing);
        let mut restore = vec![text(3)?];
        if let Some(comment) = row.try_get::<Option<String>, _>(5).map_err(doing)? {
            restore.push(format!("{} IS {}", text(4)?, literal(&comment)));
        }
        restore.extend(row.try_get::<Vec<String>, _>(6).map_err(doing)?);
        // What something else depends on stays where it is.
        run(connection, "SAVEPOINT one", OFF).await?;
        if run(connection, &text(2)?, OFF).await.is_err() {
            run(connection, "ROLLBACK TO one", OFF).await?;
            continue;
        }
        query("INSERT INTO weighbridge.seed_restore (relation, is_foreign_key, statements) VALUES ($1, $2, $3)")
            .bind(text(1)?)
            .bind(row.try_get::<bool, _>(0).map_err(doing)?)
            .bind(restore)
            .execute(&mut *connection)
            .await
            .map_err(doing)?;
    }
    run(connection, "COMMIT", OFF).await
}

/// Whether it is a foreign key, its table, the statement that drops it, the one that makes it, what COMMENT calls it,
/// its comment, and statistics targets of its expressions.
fn what_to_drop(tables: &str) -> String {
    let named = |oid: &str| {
        format!(
            "(SELECT format('\"%s\".\"%s\"', replace(nt.nspname, '\"', '\"\"'), replace(ct.relname, '\"', '\"\"'))
              FROM pg_class ct JOIN pg_namespace nt ON nt.oid = ct.relnamespace WHERE ct.oid = {oid})"
        )
    };
    let (conrelid, indrelid, tgrelid) = (named("k.conrelid"), named("i.indrelid"), named("t.tgrelid"));
    format!(
        "SELECT k.contype = 'f' AS foreign_key, {conrelid}, format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
                format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
                'COMMENT ON CONSTRAINT ' || format('%I ON %s', k.conname, k.conrelid::regclass),
                obj_description(k.oid, 'pg_constraint'), '{{}}'::text[]
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype = 'u'
         LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE k.contype IN ('f', 'u') AND k.conparentid = 0 AND (k.conrelid IN ({tables}) OR k.contype = 'f' AND k.confrelid IN ({tables}))
           AND (k.contype = 'f' OR c.relkind = 'r' AND NOT c.relispartition AND NOT i.indisreplident AND NOT i.indisclustered
                                    AND ic.reloptions IS NULL AND ic.reltablespace = 0)
         UNION ALL
         SELECT false, {indrelid}, format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid),
                format('COMMENT ON INDEX %s', i.indexrelid::regclass), obj_description(i.indexrelid, 'pg_class'),
                ARRAY(SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.indexrelid::regclass, a.attnum, a.attstattarget)
                      FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND 0 <= a.attstattarget ORDER BY a.attnum)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE i.indrelid IN ({tables}) AND c.relkind = 'r' AND NOT c.relispartition
           AND NOT i.indisreplident AND NOT i.indisclustered AND i.indisvalid AND ic.reltablespace = 0
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
         UNION ALL
         SELECT false, {tgrelid}, format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
                format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                       CASE t.tgenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname),
                '', NULL, '{{}}'::text[]
         FROM pg_trigger t
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND t.tgrelid IN ({tables})
         ORDER BY 1 DESC, 3"
    )
}

/// The journal of a load that has not ended, if there is one.
///
/// # Errors
/// When it cannot be read.
pub async fn journal(connection: &mut PgConnection) -> Result<Option<Journal>, Error> {
    let doing = |e| Error::doing("read the journal of a load", e);
    let there = query("SELECT to_regclass('weighbridge.seed_restore') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(doing)?;
    if !there.try_get::<bool, _>(0).map_err(doing)? {
        return Ok(None);
    }
    let digest =
        query("SELECT digest, catalog FROM weighbridge.seed_load").fetch_one(&mut *connection).await.map_err(doing)?;
    let tables =
        query("SELECT name, loaded FROM weighbridge.seed_tables").fetch_all(&mut *connection).await.map_err(doing)?;
    let rows =
        query("SELECT number, relation, is_foreign_key, statements FROM weighbridge.seed_restore ORDER BY number")
            .fetch_all(&mut *connection)
            .await
            .map_err(doing)?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(Taken {
            number: row.try_get(0)?,
            table: row.try_get(1)?,
            is_foreign_key: row.try_get(2)?,
            restore: row.try_get(3)?,
        })
    };
    let written: String = digest.try_get(1).map_err(doing)?;
    let catalog = serde_json::from_str(&written).map_err(|e| doing(sqlx::Error::Decode(Box::new(e))))?;
    Ok(Some(Journal {
        digest: digest.try_get(0).map_err(doing)?,
        catalog,
        tables: tables
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, _>>()
            .map_err(doing)?,
        taken: rows.iter().map(read).collect::<Result<_, _>>().map_err(doing)?,
    }))
}

/// Makes one of them again, and strikes it from the journal in the same transaction.
pub(super) async fn put_back(connection: &mut PgConnection, taken: &Taken) -> Result<(), Error> {
    const BACK: &str = "put an index or a constraint back";
    run(connection, "BEGIN", BACK).await?;
    for sql in &taken.restore {
        run(connection, sql, BACK).await?;
    }
    run(connection, &format!("DELETE FROM weighbridge.seed_restore WHERE number = {}", taken.number), BACK).await?;
    run(connection, "COMMIT", BACK).await
}

/// Waits until no other load is at work in this database, and keeps others out for as long as the connection lives.
///
/// # Errors
/// When another load is at work for ten seconds more.
pub(super) async fn alone(connection: &mut PgConnection) -> Result<(), Error> {
    const ALONE: &str = "wait for another load of this database to end";
    run(connection, "SET lock_timeout = '10s'", ALONE).await?;
    run(connection, "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('weighbridge seed'))", ALONE).await?;
    run(connection, "RESET lock_timeout", ALONE).await
}

/// Nothing is off any more.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<(), Error> {
    run(connection, "DROP SCHEMA weighbridge CASCADE", "remove the journal of the load").await
}

/// Undoes a load that has not ended, in one transaction: its tables are empty again, as they were, and everything is back.
///
/// # Errors
/// When the server refuses; the journal is then still there, and [`Journal::sql`] says what it holds.
pub async fn undo(target: &Target) -> Result<(), Error> {
    const UNDO: &str = "undo the load";
    let mut connection = target.connect().await?;
    alone(&mut connection).await?;
    let Some(journal) = journal(&mut connection).await? else { return Ok(()) };
    run(&mut connection, "BEGIN", UNDO).await?;
    for sql in journal.sql() {
        run(&mut connection, &sql, UNDO).await?;
    }
    run(&mut connection, "COMMIT", UNDO).await
}

impl Journal {
    /// The statements that bring the database back to what it was before the load.
    #[must_use]
    pub fn sql(&self) -> Vec<String> {
        let mut statements = Vec::new();
        if !self.tables.is_empty() {
            let tables: Vec<&str> = self.tables.iter().map(|(name, _)| name.as_str()).collect();
            // Tables that inherit from one of them are in the list themselves, or are not ours.
            statements.push(format!("TRUNCATE {}", tables.join(", ")));
        }
        let (keys, others): (Vec<&Taken>, Vec<&Taken>) = self.taken.iter().partition(|t| t.is_foreign_key);
        statements.extend(others.into_iter().chain(keys).flat_map(|taken| taken.restore.iter().cloned()));
        statements.push("DROP SCHEMA weighbridge CASCADE".to_owned());
        statements
    }
}
