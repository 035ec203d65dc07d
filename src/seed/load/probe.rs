//! Sample rows before a load: the server itself says which constraint they break, and which index they cannot enter. Must leave nothing behind.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::run;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql_text::{identifier, query};
use crate::postgres::{Error, error};
use crate::seed::encode;
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
            refusals.push(refusal(table, &problem.0, &problem.1));
        }
    }
    Ok(refusals)
}

/// The constraint a row broke, and the server's words.
struct Broken(String, String);

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error::database_error(&error).and_then(|e| e.constraint().or(e.column()).map(str::to_owned));
        Self(constraint.unwrap_or_else(|| "(type)".to_owned()), error::describe(&error))
    }
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
    // What the server fills may be NOT NULL here without the default that fills it. A default that takes a
    // number from a sequence would take it for good.
    for column in found.columns.iter().filter(|c| c.required && !c.generated) {
        if table.columns.iter().all(|c| c.name != column.name) {
            let change = match column.default.as_deref().filter(|default| !default.contains("nextval")) {
                Some(default) => format!("SET DEFAULT {default}"),
                None => "DROP NOT NULL".to_owned(),
            };
            let name = identifier(&column.name);
            let alter = format!("ALTER TABLE weighbridge_probe ALTER COLUMN {name} {change}");
            query(alter).execute(&mut *connection).await?;
        }
    }
    let format = if table.text { "text" } else { "binary" };
    let copy = format!("COPY weighbridge_probe ({}) FROM STDIN (FORMAT {format})", columns.join(", "));
    let mut bytes = if table.text { Vec::new() } else { encode::HEADER.to_vec() };
    for range in sample(table.rows - table.first) {
        let rows = range.map(|row| table.first + row);
        encode::rows(plan, index, rows, &mut bytes).map_err(|e| Broken("(type)".to_owned(), e.to_string()))?;
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
        conditions.push(("(partitions)".to_owned(), leaves.join(" OR ")));
    }
    for (name, condition) in conditions {
        let count = format!(
            "SELECT count(*), (SELECT count(*) FROM weighbridge_probe) FROM weighbridge_probe WHERE NOT ({condition})"
        );
        let row = query(count).fetch_one(&mut *connection).await?;
        let (broken, all): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if 0 < broken {
            refusals.push(refusal(table, &name, &format!("{broken} of {all} sample rows break it: {condition}")));
        }
    }
    Ok(())
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
