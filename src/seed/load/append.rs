//! Rows beside rows: into tables that are not empty, with every constraint in place. Must be one transaction, so that
//! whatever happens leaves the database as it was.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::session::session;
use super::statement::run;
use super::{Listener, LoadError, Progress, copy, finish};
use crate::postgres::catalog::{Catalog, Table};
use crate::postgres::row_security;
use crate::postgres::sql_text::query;
use crate::postgres::{Error, Target};
use crate::seed::plan::{Plan, TablePlan};

/// Whether triggers of the user's fire for the rows that are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggers {
    /// They are dropped, as in a load of empty tables.
    Off,
    /// They are left on.
    Fire,
}

/// Adds the plan's new rows.
///
/// # Errors
/// When the server refuses or a value does not fit; nothing of it is kept.
pub async fn append(
    target: &Target,
    plan: &Arc<Plan>,
    catalog: &Catalog,
    triggers: Triggers,
    listener: &Listener,
) -> Result<(), LoadError> {
    const APPEND: &str = "add rows";
    let mut connection = session(target).await?;
    run(&mut connection, "BEGIN", APPEND).await?;
    let order = parents_first(plan);
    let total = order.iter().map(|t| plan.tables[*t].rows - plan.tables[*t].first).sum();
    let mut done = 0;
    let mut back = Vec::new();
    let secured = row_security::secured(&mut connection).await?;
    row_security::refuse_others(&mut connection, &secured).await?;
    row_security::lift(&mut connection, &secured).await?;
    for (place, table) in order.iter().enumerate() {
        let later = cycle_keys(plan, catalog, *table, &order[place + 1..]);
        back.extend(take_off(&mut connection, &plan.tables[*table], &later, triggers).await?);
    }
    for table in order {
        let planned = &plan.tables[table];
        // Its keys would meet those of rows that the trigger of a table before it wrote.
        if planned.first == 0 && !planned.beside && triggers == Triggers::Fire {
            let holds_rows = copy::holds_rows(&mut connection, &planned.own_rows).await;
            if holds_rows.map_err(|e| Error::doing(APPEND, e))? {
                return Err(LoadError::FilledByTrigger(planned.name.clone()));
            }
        }
        let before = done;
        let sent = std::cell::Cell::new(0);
        let tell = |rows: u64, bytes: u64| {
            sent.set(sent.get() + rows);
            let (table, done) = (planned.name.clone(), before + sent.get());
            listener(Progress::Rows { table, sent: (rows, bytes), done, total });
        };
        copy::copy_rows(&mut connection, plan, table, planned.first..planned.rows, "", tell).await?;
        done += sent.get();
    }
    listener(Progress::Indexed);
    // What is still to be checked would keep tables from being altered.
    run(&mut connection, "SET CONSTRAINTS ALL IMMEDIATE", APPEND).await?;
    for sql in back {
        run(&mut connection, &sql, APPEND).await?;
    }
    finish::continue_sequences(&mut connection, plan).await?;
    for table in &secured {
        run(&mut connection, &table.put_back(), APPEND).await?;
    }
    run(&mut connection, "COMMIT", APPEND).await?;
    listener(Progress::Bound);
    finish::tidy_up(target, plan, false, 1, listener).await;
    Ok(())
}

/// Tables that get rows, parents before children as far as cycles allow.
fn parents_first(plan: &Plan) -> Vec<usize> {
    fn visit(plan: &Plan, table: usize, seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
        if !seen.insert(table) {
            return;
        }
        for fan in &plan.tables[table].fans {
            visit(plan, fan.parent, seen, order);
        }
        order.push(table);
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for table in 0..plan.tables.len() {
        visit(plan, table, &mut seen, &mut order);
    }
    order.retain(|t| !plan.tables[*t].held && plan.tables[*t].first < plan.tables[*t].rows);
    order
}

/// Foreign keys to tables that are filled later: cycles have them.
fn cycle_keys(plan: &Plan, catalog: &Catalog, table: usize, later: &[usize]) -> Vec<String> {
    let Some(found) = catalog.table(&plan.tables[table].name) else { return Vec::new() };
    let is_later = |parent: &str| {
        let sql = catalog.table(parent).map(Table::sql);
        later.iter().any(|t| Some(&plan.tables[*t].sql_name) == sql.as_ref())
    };
    found.references.iter().filter(|r| is_later(&r.table)).map(|r| r.name.clone()).collect()
}

/// Takes triggers off, which would write rows of their own, and keys of cycles, which cannot hold while tables are
/// filled one after the other. Gives the statements that bring both back, for the same transaction.
async fn take_off(
    connection: &mut PgConnection,
    table: &TablePlan,
    keys: &[String],
    triggers: Triggers,
) -> Result<Vec<String>, Error> {
    let doing = |e| Error::doing("take triggers and keys of cycles off", e);
    let rows = query(
        "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
                format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::regclass,
                       CASE tgenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname), NULL
         FROM pg_trigger WHERE coalesce(pg_partition_root(tgrelid), tgrelid) = $1::regclass AND $3
         AND NOT tgisinternal AND tgparentid = 0 AND tgenabled <> 'D'
         UNION ALL
         SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)),
                format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, conrelid::regclass, obj_description(oid,
                'pg_constraint'))
         FROM pg_constraint WHERE conrelid = $1::regclass AND conname = ANY($2) AND conparentid = 0",
    )
    .bind(table.sql_name.clone())
    .bind(keys.to_vec())
    .bind(triggers == Triggers::Off)
    .fetch_all(&mut *connection)
    .await
    .map_err(doing)?;
    let mut back = Vec::new();
    for row in rows {
        let text = |index: usize| row.try_get::<Option<String>, _>(index).map_err(doing);
        run(connection, &text(0)?.unwrap_or_default(), "add rows").await?;
        back.extend([text(1)?, text(2)?].into_iter().flatten());
    }
    Ok(back)
}
