//! Updates of rows whose pages have room for another version: whether they are heap-only (HOT), and what they cost
//! there. A seeded table's pages are full, so that its first updates are HOT under no schema. Must run on clones alone,
//! and leave no row moved.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::operation::{Asked, drawn, fetch, perform, run, steps, transaction};
use super::trace::Tracer;
use crate::evidence::{CountedAction, RoomyCost, RoomyUpdates};
use crate::postgres::sql_text::{identifier, literal};
use crate::trial::error::TrialError;

/// Sets of an action whose updates are examined: what an index forbids it forbids for every parameter.
const MAX_SETS: usize = 4;

/// Operations that update more rows are not examined.
const MAX_ROWS: usize = 1_000;

/// Moves the rows that an action updates to pages with room, on every side, and asks it there. What cannot be moved on
/// one side is asked on none, so that sequences come as far on every side.
///
/// # Errors
/// When a server is lost.
pub(super) async fn in_pages_with_room(
    sides: &mut [Asked<'_>],
    (action, sets): (usize, &[u64]),
    counted: &mut [Vec<CountedAction>],
) -> Result<(), TrialError> {
    let writes = counted.iter().any(|side| side[action].changes_rows());
    if !writes || sides.iter().any(|asked| asked.tracer.is_none()) {
        return Ok(());
    }
    for set in sets.iter().take(MAX_SETS) {
        let mut found = Vec::new();
        for (asked, counted) in sides.iter_mut().zip(counted.iter_mut()) {
            run(&mut asked.connection, "BEGIN").await?;
            found.push(replaced(asked, (action, *set), &mut counted[action]).await?);
        }
        for ((asked, counted), places) in sides.iter_mut().zip(counted.iter_mut()).zip(&found) {
            if let (Some(places), true) = (places, found.iter().all(Option::is_some)) {
                ask_there(asked, (action, *set), places, &mut counted[action]).await?;
            }
            run(&mut asked.connection, "ROLLBACK").await?;
        }
    }
    Ok(())
}

/// Places of rows by table.
type Places = BTreeMap<String, BTreeSet<String>>;

/// The rows that a set updates, and the indexes that hold what it changes; nothing where it updates none, or too many.
async fn replaced(
    asked: &mut Asked<'_>,
    (action, set): (usize, u64),
    found: &mut CountedAction,
) -> Result<Option<Places>, TrialError> {
    let values = drawn(asked.workload, action, set);
    let (Some(tracer), connection) = (&mut asked.tracer, &mut asked.connection) else { return Ok(None) };
    run(connection, "SAVEPOINT as_found").await?;
    let none = updates(tracer, connection).await?;
    if !perform(connection, &asked.workload.actions[action], values).await? {
        return Ok(None);
    }
    let tables = since(&none, updates(tracer, connection).await?);
    // Undone with the savepoint.
    tracer.as_user(connection).await?;
    let Some(own) = transaction(connection).await?.filter(|_| !tables.is_empty()) else { return Ok(None) };
    let mut all = Places::new();
    for table in tables.into_keys() {
        let Some(places) = tracer.replaced(connection, &table).await? else { return Ok(None) };
        if places.is_empty() || places.len() > MAX_ROWS {
            return Ok(None);
        }
        if let Some([left, gone]) = tracer.table(connection, &table, &own).await? {
            let holders = holders(connection, &table, &left.changed_columns(&gone)).await?;
            found.updates.entry(table.clone()).or_default().holders.extend(holders);
        }
        all.insert(table, places);
    }
    run(connection, "ROLLBACK TO SAVEPOINT as_found").await?;
    Ok(Some(all))
}

async fn ask_there(
    asked: &mut Asked<'_>,
    (action, set): (usize, u64),
    places: &Places,
    found: &mut CountedAction,
) -> Result<(), TrialError> {
    let planned = &asked.workload.actions[action];
    let values = || drawn(asked.workload, action, set);
    let (Some(tracer), connection) = (&asked.tracer, &mut asked.connection) else { return Ok(()) };
    // The role that asks need not own the tables.
    tracer.as_user(connection).await?;
    for (table, places) in places {
        if !moved(connection, table, places).await? {
            return Ok(());
        }
    }
    tracer.as_role(connection).await?;
    run(connection, "SAVEPOINT moved").await?;
    let none = updates(tracer, connection).await?;
    if !perform(connection, planned, values()).await? {
        return Ok(());
    }
    for (table, (updated, hot)) in since(&none, updates(tracer, connection).await?) {
        let known: &mut RoomyUpdates = found.updates.entry(table).or_default();
        (known.updated, known.hot) = (known.updated + updated, known.hot + hot);
    }
    run(connection, "ROLLBACK TO SAVEPOINT moved").await?;
    let (counted, _) = steps(connection, planned, values(), (&mut CountedAction::default(), false)).await?;
    if counted.failed.is_none() && counted.wal_full_pages_left == 0 {
        let cost = found.roomy.get_or_insert_with(RoomyCost::default);
        cost.sets += 1;
        cost.blocks += counted.blocks();
        cost.wal_bytes += counted.wal_bytes;
    }
    Ok(())
}

/// Updated rows and HOT updates of each table, by the name that the user knows it by, as far as this transaction knows.
async fn updates(tracer: &Tracer, connection: &mut PgConnection) -> Result<BTreeMap<String, (u64, u64)>, TrialError> {
    tracer.as_user(connection).await?;
    let found = updated(connection).await;
    tracer.as_role(connection).await?;
    found
}

async fn updated(connection: &mut PgConnection) -> Result<BTreeMap<String, (u64, u64)>, TrialError> {
    let sql = "SELECT relid::regclass::text, n_tup_upd::text, n_tup_hot_upd::text FROM pg_stat_xact_user_tables \
               WHERE n_tup_upd > 0";
    let Ok(rows) = fetch(connection, sql).await? else { return Ok(BTreeMap::new()) };
    let number = |row: &PgRow, at: usize| row.try_get::<String, _>(at).ok()?.parse::<u64>().ok();
    let of = |row: &PgRow| Some((row.try_get(0).ok()?, (number(row, 1)?, number(row, 2)?)));
    Ok(rows.iter().filter_map(of).collect())
}

/// What was added.
fn since(before: &BTreeMap<String, (u64, u64)>, now: BTreeMap<String, (u64, u64)>) -> BTreeMap<String, (u64, u64)> {
    let known = |table: &String| before.get(table).copied().unwrap_or_default();
    let grown = now.into_iter().map(|(table, (updated, hot))| {
        let (old, old_hot) = known(&table);
        (table, (updated.saturating_sub(old), hot.saturating_sub(old_hot)))
    });
    grown.filter(|(_, (updated, _))| *updated > 0).collect()
}

/// Moves rows of a table, unchanged, to pages that are nearly empty; false where the role may not.
async fn moved(connection: &mut PgConnection, table: &str, places: &BTreeSet<String>) -> Result<bool, TrialError> {
    let column = format!(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped
           AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum LIMIT 1",
        literal(table)
    );
    let Ok(rows) = fetch(connection, &column).await? else { return Ok(false) };
    let Some(column) = rows.first().and_then(|row| row.try_get::<String, _>(0).ok()) else { return Ok(false) };
    run(connection, "SAVEPOINT role").await?;
    // Triggers see no such update, where the role may say so.
    if fetch(connection, "SET LOCAL session_replication_role = replica").await?.is_err() {
        run(connection, "ROLLBACK TO SAVEPOINT role").await?;
    }
    let column = identifier(&column);
    let places: Vec<String> = places.iter().map(|place| literal(place)).collect();
    let places = places.join(", ");
    for sql in [
        format!("ALTER TABLE {table} SET (fillfactor = 10)"),
        format!("UPDATE ONLY {table} SET {column} = {column} WHERE ctid = ANY (ARRAY[{places}]::tid[])"),
        "SET LOCAL session_replication_role = origin".to_owned(),
    ] {
        run(connection, "SAVEPOINT step").await?;
        if fetch(connection, &sql).await?.is_err() {
            run(connection, "ROLLBACK TO SAVEPOINT step").await?;
            if !sql.starts_with("SET") {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Indexes of a table that hold one of these columns, each with those it holds. From 16 on a BRIN index is no reason
/// against HOT.
async fn holders(
    connection: &mut PgConnection,
    table: &str,
    changed: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, TrialError> {
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), a.attname::text
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_am m ON m.oid = c.relam JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0
         WHERE i.indrelid = {}::regclass AND NOT (m.amname = 'brin' AND current_setting('server_version_num')::int >=
         160000)
           AND (a.attnum = ANY (i.indkey) OR EXISTS (
                  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))",
        literal(table)
    );
    let Ok(rows) = fetch(connection, &sql).await? else { return Ok(BTreeMap::new()) };
    let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &rows {
        let (Ok(index), Ok(column)) = (row.try_get::<String, _>(0), row.try_get::<String, _>(1)) else { continue };
        if changed.contains(&column) {
            holders.entry(index).or_default().insert(column);
        }
    }
    Ok(holders)
}
