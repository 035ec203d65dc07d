//! Sample rows before a load: the server itself says which constraint they break, and which index they cannot enter.
//! Must leave nothing behind.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::statement::run;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql_text::{identifier, literal, qualified, query};
use crate::postgres::{Error, error};
use crate::seed::encode::{self, EncodeError};
use crate::seed::infer::Refusal;
use crate::seed::plan::{Plan, TablePlan};

/// Rows of each table that are tried: from both ends and spread between.
const EACH_PART: u64 = 150;

/// Tries rows of every table against a copy of it without foreign keys: types, NOT NULL, domains, uniques, expressions
/// of indexes, CHECKs, partitions.
///
/// # Errors
/// When the server cannot be asked; what rows break is no error but in the list.
pub async fn probe(connection: &mut PgConnection, plan: &Plan, catalog: &Catalog) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for (index, table) in
        plan.tables.iter().enumerate().filter(|(_, t)| !t.held && t.first < t.rows && !t.columns.is_empty())
    {
        run(connection, "BEGIN", "begin a probe").await?;
        let tried = probe_table(connection, plan, index, catalog, &mut refusals).await;
        run(connection, "ROLLBACK", "end a probe").await?;
        if let Err(problem) = tried {
            refusals.push(refusal(table, &problem.subject, &problem.reason));
        }
    }
    Ok(refusals)
}

/// What a sample row broke, by the name that the user's schema has for it, and the server's words.
struct Broken {
    subject: String,
    reason: String,
}

/// What rows break that no constraint or column is named for, such as an error in the function of an index.
const ROWS: &str = "sample rows";

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        let server = error::database_error(&error);
        let named = server.and_then(|e| e.constraint().or(e.column()).map(str::to_owned));
        let subject = named.or_else(|| server.and_then(|e| copied_column(e.r#where()?)));
        Self { subject: subject.unwrap_or_else(|| ROWS.to_owned()), reason: error::describe(&error) }
    }
}

impl From<EncodeError> for Broken {
    fn from(error: EncodeError) -> Self {
        Self { subject: error.column.clone(), reason: error.to_string() }
    }
}

/// The column in the context of an error of COPY: `COPY users, line 3, column born: "x"`.
fn copied_column(context: &str) -> Option<String> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let rest = line.split_once(", column ")?.1;
    Some(rest.split_once(": ").map_or(rest, |(column, _)| column).to_owned())
}

async fn probe_table(
    connection: &mut PgConnection,
    plan: &Plan,
    index: usize,
    catalog: &Catalog,
    refusals: &mut Vec<Refusal>,
) -> Result<(), Broken> {
    let table = &plan.tables[index];
    let found = catalog.table(&table.name).expect("planned from this catalog");
    let make = format!(
        "CREATE TEMP TABLE weighbridge_probe (LIKE {} INCLUDING GENERATED INCLUDING INDEXES) ON COMMIT DROP",
        table.sql_name
    );
    query(make).execute(&mut *connection).await?;
    let columns: Vec<String> = table.columns.iter().map(|c| identifier(&c.name)).collect();
    name_as_the_users(connection, &found.schema, &found.name).await?;
    let copy_of = format!("pg_temp.{}", identifier(&found.name));
    // What the server fills may be NOT NULL here without the default that fills it. A default that takes a
    // number from a sequence would take it for good.
    for column in found.columns.iter().filter(|c| c.required && !c.generated) {
        if table.columns.iter().all(|c| c.name != column.name) {
            let change = match column.default.as_deref().filter(|default| !default.contains("nextval")) {
                Some(default) => format!("SET DEFAULT {default}"),
                None => "DROP NOT NULL".to_owned(),
            };
            let name = identifier(&column.name);
            let alter = format!("ALTER TABLE {copy_of} ALTER COLUMN {name} {change}");
            query(alter).execute(&mut *connection).await?;
        }
    }
    let format = if table.text { "text" } else { "binary" };
    let copy = format!("COPY {copy_of} ({}) FROM STDIN (FORMAT {format})", columns.join(", "));
    let mut bytes = if table.text { Vec::new() } else { encode::HEADER.to_vec() };
    for range in sample(table.rows - table.first) {
        let rows = range.map(|row| table.first + row);
        encode::rows(plan, index, rows, &mut bytes)?;
    }
    if !table.text {
        bytes.extend_from_slice(encode::TRAILER);
    }
    let mut copy = connection.copy_in_raw(&copy).await?;
    copy.send(bytes).await?;
    copy.finish().await?;
    let mut conditions: Vec<(String, String)> =
        found.checks.iter().map(|check| (check.name.clone(), check.expression.clone())).collect();
    if !found.partitions.is_empty() && found.partitions.iter().all(Option::is_some) {
        let leaves: Vec<String> = found.partitions.iter().flatten().map(|p| format!("({p})")).collect();
        conditions.push(("bounds of its partitions".to_owned(), leaves.join(" OR ")));
    }
    for (name, condition) in conditions {
        let count = format!("SELECT count(*), (SELECT count(*) FROM {copy_of}) FROM {copy_of} WHERE NOT ({condition})");
        let row = query(count).fetch_one(&mut *connection).await?;
        let (broken, all): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if 0 < broken {
            refusals.push(refusal(table, &name, &format!("{broken} of {all} sample rows break it: {condition}")));
        }
    }
    Ok(())
}

/// Gives the copy and its indexes the names of the table and indexes they are copies of, so that the server's own
/// messages name what the user knows. Temporary tables have a schema of their own.
async fn name_as_the_users(connection: &mut PgConnection, schema: &str, table: &str) -> Result<(), sqlx::Error> {
    let original = format!("{}::regclass", literal(&qualified(schema, table)));
    let indexes = format!(
        "WITH defined AS (
             SELECT c.relname, i.indrelid, row_number() OVER (PARTITION BY i.indrelid, d.text
             ORDER BY c.oid) AS copy, d.text
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             CROSS JOIN LATERAL (SELECT concat_ws(' ', i.indisunique, i.indisprimary, c.relam, pg_get_expr(i.indpred,
             i.indrelid),
                 (SELECT string_agg(pg_get_indexdef(c.oid, n, true), ', ' ORDER BY n) FROM generate_series(1,
                 i.indnatts) n)) AS text) d
             WHERE i.indrelid IN ('pg_temp.weighbridge_probe'::regclass, {original}))
         SELECT copied.relname::text, users.relname::text FROM defined copied JOIN defined users USING (text, copy)
         WHERE copied.indrelid = 'pg_temp.weighbridge_probe'::regclass AND users.indrelid = {original}"
    );
    let rows = query(indexes).fetch_all(&mut *connection).await?;
    // Two steps, so that no name is taken yet.
    let mut renames: Vec<(String, String)> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let (copied, users): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let between = format!("weighbridge_probe_{number}");
        renames.insert(0, (copied, between.clone()));
        renames.push((between, users));
    }
    for (from, to) in renames {
        let rename = format!("ALTER INDEX pg_temp.{} RENAME TO {}", identifier(&from), identifier(&to));
        query(rename).execute(&mut *connection).await?;
    }
    let rename = format!("ALTER TABLE pg_temp.weighbridge_probe RENAME TO {}", identifier(table));
    query(rename).execute(connection).await.map(drop)
}

fn refusal(table: &TablePlan, constraint: &str, reason: &str) -> Refusal {
    Refusal {
        table: table.name.clone(),
        constraint: constraint.to_owned(),
        reason: reason.to_owned(),
        line: "COLUMN = \"an expression that fulfils it\"".to_owned(),
    }
}

/// From both ends and spread between.
fn sample(rows: u64) -> Vec<std::ops::Range<u64>> {
    if rows <= 3 * EACH_PART {
        return std::iter::once(0..rows).collect();
    }
    let step = (rows - 2 * EACH_PART) / EACH_PART;
    let between = (0..EACH_PART).map(|n| EACH_PART + n * step).map(|row| row..row + 1);
    std::iter::once(0..EACH_PART).chain(between).chain(std::iter::once(rows - EACH_PART..rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_read_from_the_context_of_copy() {
        let column = |context| copied_column(context);
        assert_eq!(column("COPY users, line 3, column born: \"x\"").as_deref(), Some("born"));
        assert_eq!(column("SQL function f\nCOPY a, line 1, column odd name").as_deref(), Some("odd name"));
        assert_eq!(column("COPY users, line 3"), None);
    }

    #[test]
    fn a_sample_is_of_rows_there_are_and_none_twice() {
        for rows in [1, 2, 3, 10, 449, 450, 451, 10_000] {
            let sampled: Vec<u64> = sample(rows).into_iter().flatten().collect();
            let mut once = sampled.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), sampled.len(), "{rows}: {sampled:?}");
            assert!(
                once.contains(&0) && once.contains(&(rows - 1)) && *once.last().unwrap() < rows,
                "{rows}: {sampled:?}"
            );
        }
    }
}
