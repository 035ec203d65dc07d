//! A filled database against its plan: rows, foreign keys, uniques, CHECKs, and a digest per table. Must only read.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::expression::{SqlType, Value};
use crate::postgres::Error;
use crate::postgres::catalog::{Catalog, Reference, Table};
use crate::postgres::sql_text::{identifier, query};
use crate::seed::cell::Cell;
use crate::seed::notes::{self, Note};
use crate::seed::plan::Plan;
use crate::seed::spec::Assert;

/// What was found of one table.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its name.
    pub table: String,
    /// Rows it holds.
    pub rows: u64,
    /// Sixteen hexadecimal digits that do not depend on the order of the rows: the sum of `hashtextextended` over them.
    pub digest: String,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

/// Checks every table of the plan.
///
/// # Errors
/// When a table cannot be read.
pub async fn check(connection: &mut PgConnection, plan: &Plan, catalog: &Catalog) -> Result<Vec<Checked>, Error> {
    let mut found = Vec::new();
    for planned in plan.tables.iter().filter(|t| !t.held) {
        let table = catalog.table(&planned.name).expect("planned from this catalog");
        let doing = |e| Error::doing(format!("check `{}`", planned.name), e);
        let from = table.own_rows();
        let row = query(format!(
            "SELECT count(*), coalesce(to_hex((mod(sum(hashtextextended((t.*)::text,
             0)::numeric) + 18446744073709551616::numeric * count(*),
                    9223372036854775807))::bigint), '0') FROM {from} t"
        ))
        .fetch_one(&mut *connection)
        .await
        .map_err(doing)?;
        let rows = row.try_get::<i64, _>(0).map_err(doing)? as u64;
        let digest: String = row.try_get(1).map_err(doing)?;
        let mut problems = Vec::new();
        let other = if planned.beside { rows < planned.rows } else { rows != planned.rows };
        if other {
            problems.push(format!("{rows} rows where {} were planned", planned.rows));
        }
        for (what, sql) in questions(table, catalog, &from) {
            let count: i64 =
                query(sql).fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(doing)?;
            if 0 < count {
                problems.push(format!("{count} {what}"));
            }
        }
        found.push(Checked { table: planned.name.clone(), rows, digest: format!("{digest:0>16}"), problems });
    }
    Ok(found)
}

/// Foreign keys of filled tables that are NULL in every row.
///
/// # Errors
/// When a table cannot be read.
pub async fn empty_keys(connection: &mut PgConnection, plan: &Plan, catalog: &Catalog) -> Result<Vec<Note>, Error> {
    let mut found = Vec::new();
    for (planned, table) in notes::filled(plan, catalog) {
        let may_be_null = |r: &&Reference| r.columns.iter().any(|c| table.column(c).is_some_and(|c| !c.required));
        for reference in table.references.iter().filter(may_be_null) {
            let present: Vec<String> =
                reference.columns.iter().map(|c| format!("{} IS NOT NULL", identifier(c))).collect();
            let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE {})", table.own_rows(), present.join(" AND "));
            let row = query(sql).fetch_one(&mut *connection).await;
            let exists: bool = row
                .and_then(|row| row.try_get(0))
                .map_err(|e| Error::doing(format!("look for parents of `{}`", planned.name), e))?;
            if !exists {
                found.push(notes::empty_key(plan, planned, reference));
            }
        }
    }
    Ok(found)
}

/// The value of each assert of a spec, in order; `None` when the query gives no number.
///
/// # Errors
/// When the server refuses a query.
pub async fn asserted(connection: &mut PgConnection, asserts: &[Assert]) -> Result<Vec<Option<f64>>, Error> {
    let mut found = Vec::new();
    for assert in asserts {
        let row = query(format!("SELECT ({})::float8", assert.sql)).fetch_one(&mut *connection).await;
        found.push(
            row.and_then(|row| row.try_get(0))
                .map_err(|e| Error::doing(format!("check the assert `{}`", assert.sql), e))?,
        );
    }
    Ok(found)
}

/// How many rows there are.
///
/// # Errors
/// When they cannot be counted.
pub async fn count(connection: &mut PgConnection, own_rows: &str) -> Result<u64, Error> {
    query(format!("SELECT count(*) FROM {own_rows}"))
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map(|n| n as u64)
        .map_err(|e| Error::doing("count rows", e))
}

/// Whether a table holds this plan's rows rather than rows of its own: the first or the last one is there. `None` when
/// no column would tell.
///
/// # Errors
/// When the table cannot be read.
pub async fn is_filled(
    connection: &mut PgConnection,
    plan: &Plan,
    catalog: &Catalog,
    index: usize,
) -> Result<Option<bool>, Error> {
    let table = &plan.tables[index];
    // What is not unique, a number, a flag or an entry of a list would be found by chance: of a list only the number of
    // rows decides.
    let found = catalog.table(&table.name);
    let is_unique = |name: &str| found.is_some_and(|t| t.uniques.iter().any(|u| u.columns.as_slice() == [name]));
    if table.columns.iter().any(|c| matches!(c.cell, Cell::Listed(..)) && is_unique(&c.name)) {
        return Ok(Some(count(connection, &table.own_rows).await? == table.rows));
    }
    let tells = |column: &&crate::seed::plan::ColumnPlan| matches!(column.kind, SqlType::Text | SqlType::Uuid);
    let telling = table.columns.iter().position(|c| tells(&c) && is_unique(&c.name));
    let Some(column) = telling.filter(|_| 0 < table.rows) else { return Ok(None) };
    let (first, last) = (plan.value(index, column, 0), plan.value(index, column, table.rows - 1));
    // A table of one row may hold the only value its CHECK allows, no matter who put it there.
    if first == Value::Null || last == Value::Null || first == last {
        return Ok(None);
    }
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {} WHERE {}::text IN ($1, $2))",
        table.sql_name,
        identifier(&table.columns[column].name)
    );
    query(sql)
        .bind(first.to_text().into_owned())
        .bind(last.to_text().into_owned())
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map(Some)
        .map_err(|e| Error::doing(format!("look into `{}`", table.name), e))
}

/// Counts of what must not be, and what each counts.
fn questions(table: &Table, catalog: &Catalog, from: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for reference in &table.references {
        let Some(parent) = catalog.table(&reference.table) else { continue };
        let pairs = reference.columns.iter().zip(&reference.targets);
        let same: Vec<String> =
            pairs.map(|(own, target)| format!("p.{} = t.{}", identifier(target), identifier(own))).collect();
        let present: Vec<String> =
            reference.columns.iter().map(|c| format!("t.{} IS NOT NULL", identifier(c))).collect();
        found.push((
            format!("rows without their parent ({})", reference.name),
            format!(
                "SELECT count(*) FROM {from} t WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})",
                present.join(" AND "),
                parent.sql(),
                same.join(" AND ")
            ),
        ));
    }
    for unique in table.uniques.iter().filter(|u| u.expressions.is_empty() && !u.columns.is_empty()) {
        let columns: Vec<String> = unique.columns.iter().map(|c| identifier(c)).collect();
        let present: Vec<String> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
        let filter = unique.predicate.as_ref().map_or(String::new(), |p| format!(" AND ({p})"));
        found.push((
            format!("values more than once ({})", unique.name),
            format!(
                "SELECT count(*) FROM (SELECT FROM {from} WHERE {}{filter} GROUP BY {} HAVING 1 < count(*)) s",
                present.join(" AND "),
                columns.join(", ")
            ),
        ));
    }
    for check in &table.checks {
        found.push((
            format!("rows that break {}", check.name),
            format!("SELECT count(*) FROM {from} WHERE NOT ({})", check.expression),
        ));
    }
    found
}
