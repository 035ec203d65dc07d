//! Triggers tried on sample rows of a filled table, in a transaction that is rolled back: what would they have done?
//! Must leave nothing behind, and must take no answer for a proof: a row that is inserted again meets itself.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::statement::run;
use crate::postgres::Error;
use crate::postgres::catalog::{Catalog, FiredBy, Table};
use crate::postgres::sql_text::{literal, query};
use crate::seed::notes::{self, Note, Outcome};
use crate::seed::plan::{Plan, TablePlan};

/// Rows of a table that are tried.
const MAX_ROWS: u64 = 100;

const TRY: &str = "try triggers on sample rows";

/// Fires each trigger of the plan's tables for sample rows, on a copy of the table without constraints.
///
/// # Errors
/// When the connection is lost. A trigger that cannot be tried is left out.
pub async fn tried(connection: &mut PgConnection, plan: &Plan, catalog: &Catalog) -> Result<Vec<Note>, Error> {
    let mut found = Vec::new();
    for (planned, table) in notes::filled(plan, catalog) {
        for trigger in table.triggers.iter().filter(|trigger| trigger.kind == FiredBy::Trigger) {
            run(connection, "BEGIN", TRY).await?;
            let outcome = outcome(connection, planned, table, &trigger.name).await;
            run(connection, "ROLLBACK", TRY).await?;
            if let Ok(outcome) = outcome {
                found.push(Note::Tried { table: planned.name.clone(), trigger: trigger.name.clone(), outcome });
            }
        }
    }
    Ok(found)
}

async fn outcome(
    connection: &mut PgConnection,
    planned: &TablePlan,
    table: &Table,
    trigger: &str,
) -> Result<Outcome, sqlx::Error> {
    let name = table.sql();
    let definition: String = query(
        "SELECT replace(pg_get_triggerdef(t.oid), format(' ON %I.%I ', n.nspname, c.relname),
         ' ON pg_temp.weighbridge_tried ')
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgrelid = $1::regclass AND t.tgname = $2",
    )
    .bind(name.clone())
    .bind(trigger.to_owned())
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    // About ten times as many as are wanted from pages here and there; all rows of a small table.
    let share = (1e5 * MAX_ROWS as f64 / 10.0 / planned.rows.max(1) as f64).min(100.0);
    let sample = if share < 100.0 { format!("TABLESAMPLE SYSTEM ({share}) REPEATABLE (1)") } else { String::new() };
    let each = format!(
        "DECLARE
             stored record; made record;
         BEGIN
             FOR stored IN SELECT t AS kept FROM {} t {sample} LIMIT {MAX_ROWS} LOOP
                 BEGIN
                     INSERT INTO pg_temp.weighbridge_tried SELECT (stored.kept).* RETURNING * INTO made;
                     IF NOT FOUND THEN
                         INSERT INTO pg_temp.weighbridge_outcome VALUES ('skipped', NULL);
                     ELSIF made::text IS DISTINCT FROM stored.kept::text THEN
                         INSERT INTO pg_temp.weighbridge_outcome VALUES ('changed', NULL);
                     ELSE
                         INSERT INTO pg_temp.weighbridge_outcome VALUES ('accepted', NULL);
                     END IF;
                 EXCEPTION WHEN OTHERS THEN
                     INSERT INTO pg_temp.weighbridge_outcome VALUES ('raised', SQLERRM);
                 END;
             END LOOP;
         END",
        table.own_rows()
    );
    for sql in [
        "SET LOCAL statement_timeout = '5s'".to_owned(),
        format!("CREATE TEMP TABLE weighbridge_tried (LIKE {name}) ON COMMIT DROP"),
        "CREATE TEMP TABLE weighbridge_outcome (what text, message text) ON COMMIT DROP".to_owned(),
        definition,
        "SET CONSTRAINTS ALL IMMEDIATE".to_owned(),
        format!("DO {}", literal(&each)),
    ] {
        query(sql).execute(&mut *connection).await?;
    }
    let row = query(
        "SELECT count(*), count(*) FILTER (WHERE what = 'raised'), count(*) FILTER (WHERE what = 'changed'),
                count(*) FILTER (WHERE what = 'skipped'), min(message) FROM pg_temp.weighbridge_outcome",
    )
    .fetch_one(connection)
    .await?;
    let count = |index: usize| row.try_get::<i64, _>(index).map(|n| n as u64);
    Ok(Outcome { rows: count(0)?, raised: count(1)?, changed: count(2)?, skipped: count(3)?, message: row.try_get(4)? })
}
