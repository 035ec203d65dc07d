//! Rows that only the new schema can hold, written before it is reverted. Must keep every write small and take back
//! what the schema refuses.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::evidence::round_trip::{Difference, Loss};
use crate::postgres::sql_text::{identifier, query, trusted};
use crate::postgres::{Error, Target, catalog};
use crate::seed;
use crate::seed::load::append::{Triggers, append};
use crate::seed::load::held;
use crate::seed::load::session::session;
use crate::units::Seed;

/// Rows that are written of each column.
const MAX_ROWS: i64 = 100;

/// Writes what the changes of a step allow: values of new and of wider columns, NULL where it was not allowed, a new
/// value of an enum.
///
/// # Errors
/// When the server is lost.
pub(super) async fn write(connection: &mut PgConnection, changes: &[Difference]) -> Result<Vec<Loss>, Error> {
    let mut written = Vec::new();
    for change in changes.iter().filter(|change| change.kind == "column") {
        let Some(after) = &change.after else { continue };
        let Some((table, column)) = split(&change.name) else { continue };
        if !is_table(connection, &table).await? || after.contains("generated=s") || after.contains("identity=a") {
            continue;
        }
        let may_be_null = |definition: &str| !definition.contains("NOT NULL");
        let value = match &change.before {
            Some(before) if !may_be_null(before) && may_be_null(after) => Some("NULL".to_owned()),
            Some(before) if kind(before) == kind(after) => None,
            _ => value(connection, &table, &column).await?,
        };
        let Some(value) = value else { continue };
        let rows = update(connection, &table, &column, &value).await?;
        if rows > 0 {
            written.push(Loss { table, column: Some(column), rows, is_changed: false });
        }
    }
    written.extend(enums(connection, changes).await?);
    Ok(written)
}

/// Fills tables that a step makes, as a dataset without a spec is filled. What cannot be made up stays empty.
///
/// # Errors
/// When the server is lost.
pub(super) async fn fill_new_tables(target: &Target, changes: &[Difference]) -> Result<Vec<Loss>, Error> {
    let new: Vec<&str> =
        changes.iter().filter(|c| c.kind == "table" && c.before.is_none()).map(|change| change.name.as_str()).collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = session(target).await?;
    let catalog = catalog::read(&mut connection).await?;
    let held = held::held(&mut connection, &catalog).await?;
    let compared = seed::infer::Compared::read(std::iter::empty(), &catalog);
    let (spec, refusals) = seed::infer::whole(&catalog, &held, &compared, MAX_ROWS as u64);
    let Ok(plan) = seed::plan::plan(&spec, &catalog, &held, 1.0, Seed(42)) else { return Ok(Vec::new()) };
    if !refusals.is_empty() {
        return Ok(Vec::new());
    }
    let listener: seed::load::Listener = Arc::new(|_| {});
    let plan = Arc::new(plan);
    if append(target, &plan, &catalog, Triggers::Off, &listener).await.is_err() {
        return Ok(Vec::new());
    }
    let mut written = Vec::new();
    for table in new {
        let count = query(format!("SELECT count(*) FROM {table}")).fetch_one(&mut connection).await;
        let rows: i64 = count.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("count new rows", e))?;
        if rows > 0 {
            written.push(Loss { table: table.to_owned(), column: None, rows, is_changed: false });
        }
    }
    Ok(written)
}

/// Writes the last value of an enum that has more values than before into every column of it.
async fn enums(connection: &mut PgConnection, changes: &[Difference]) -> Result<Vec<Loss>, Error> {
    let mut written = Vec::new();
    for change in changes.iter().filter(|change| change.kind == "enum") {
        let (Some(before), Some(after)) = (&change.before, &change.after) else { continue };
        let known: Vec<&str> = before.split(',').collect();
        let Some(new) = after.split(',').find(|label| !known.contains(label)) else { continue };
        let rows = query(
            "SELECT format('%I.%I', n.nspname, c.relname), a.attname::text FROM pg_attribute a JOIN pg_class c ON
                c.oid = a.attrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.atttypid = to_regtype($1) AND c.relkind = 'r' AND
             NOT a.attisdropped",
        );
        let rows = rows.bind(change.name.clone()).fetch_all(&mut *connection).await;
        for row in rows.map_err(|e| Error::doing("look for columns of a type", e))? {
            let (table, column): (String, String) =
                (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
            let value = format!("{}::{}", crate::postgres::sql_text::literal(new), change.name);
            let rows = update(connection, &table, &column, &value).await?;
            if rows > 0 {
                written.push(Loss { table, column: Some(column), rows, is_changed: false });
            }
        }
    }
    Ok(written)
}

/// Updates some rows by themselves; what the schema refuses is taken back.
async fn update(connection: &mut PgConnection, table: &str, column: &str, value: &str) -> Result<i64, Error> {
    let name = identifier(column);
    let sql = format!(
        "UPDATE {table} t SET {name} = {value} FROM (SELECT ctid, tableoid, row_number() OVER () AS n FROM {table}
            LIMIT {MAX_ROWS}) r
         WHERE t.ctid = r.ctid AND t.tableoid = r.tableoid"
    );
    match connection.execute(sqlx::raw_sql(trusted(sql))).await {
        Ok(done) => Ok(done.rows_affected() as i64),
        // A constraint does not allow it: then no application writes it either.
        Err(error) if crate::postgres::error::database_error(&error).is_some() => Ok(0),
        Err(error) => Err(Error::doing("write on the new schema", error)),
    }
}

/// A value that is far from what an older, narrower type holds, as SQL; `r.n` numbers the rows.
async fn value(connection: &mut PgConnection, table: &str, column: &str) -> Result<Option<String>, Error> {
    let row = query(
        "SELECT t.typname::text, t.typtype::text, a.atttypmod, a.atttypid::regtype::text,
                (SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder DESC LIMIT 1)
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass($1) AND a.attname =
         $2",
    );
    let row = row.bind(table.to_owned()).bind(column.to_owned()).fetch_optional(connection).await;
    let Some(row) = row.map_err(|e| Error::doing("look for the type of a column", e))? else { return Ok(None) };
    let text = |at: usize| row.try_get::<String, _>(at).unwrap_or_default();
    let (name, kind, limit, full) = (text(0), text(1), row.try_get::<i32, _>(2).unwrap_or(-1), text(3));
    if kind == "e" {
        return Ok(row
            .try_get::<Option<String>, _>(4)
            .ok()
            .flatten()
            .map(|label| format!("{}::{full}", crate::postgres::sql_text::literal(&label))));
    }
    // The type modifier of varchar(n) is n + 4 (pg_attribute).
    let length = if limit > 4 { limit - 4 } else { 300 };
    Ok(match name.as_str() {
        "text" | "varchar" | "bpchar" | "citext" => Some(format!("lpad('w' || r.n, {length}, 'w')")),
        "int2" => Some("(1000 + r.n)::int2".to_owned()),
        "int4" => Some("(100000 + r.n)::int4".to_owned()),
        "int8" => Some("5000000000 + r.n".to_owned()),
        "numeric" => Some("(r.n % 9)::numeric + 0.25".to_owned()),
        "float4" | "float8" => Some("1.0625".to_owned()),
        "bool" => Some("true".to_owned()),
        "uuid" => Some("md5(r.n::text)::uuid".to_owned()),
        "date" => Some("date '2024-02-29'".to_owned()),
        "timestamp" | "timestamptz" => Some("timestamp '2024-02-29 12:34:56.789'".to_owned()),
        "json" | "jsonb" => Some(format!("'{{\"w\": 1}}'::{name}")),
        "bytea" => Some("'\\x77'::bytea".to_owned()),
        _ if name.starts_with('_') => Some(format!("'{{}}'::{full}")),
        _ => None,
    })
}

async fn is_table(connection: &mut PgConnection, name: &str) -> Result<bool, Error> {
    query("SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind IN ('r', 'p'))")
        .bind(name.to_owned())
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("look for a table", e))
}

/// The type at the front of a column's definition.
fn kind(definition: &str) -> &str {
    let end = [" NOT NULL", " identity="].iter().filter_map(|end| definition.find(end)).min();
    &definition[..end.unwrap_or(definition.len())]
}

/// Table and column of `schema.table.column`; quotes of the column are removed.
fn split(name: &str) -> Option<(String, String)> {
    let at = match name.strip_suffix('"') {
        Some(quoted) => quoted.rfind(".\"")?,
        None => name.rfind('.')?,
    };
    let column = name[at + 1..].trim_matches('"').replace("\"\"", "\"");
    Some((name[..at].to_owned(), column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(split("public.t.a"), Some(("public.t".into(), "a".into())));
        assert_eq!(split("public.\"T\".\"a.b\""), Some(("public.\"T\"".into(), "a.b".into())));
        assert_eq!(kind("character varying(20) NOT NULL identity= x"), "character varying(20)");
        assert_eq!(kind("text identity="), "text");
    }
}
