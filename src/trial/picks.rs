//! Values for the parameters of scenarios, sampled once so that every side draws from the same. Must only read.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::error::TrialError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::expression::{Key, Value};
use crate::postgres::error::describe;
use crate::postgres::sql_text::{identifier, query};
use crate::scenario::Scenario;
use crate::scenario::parameter::{Pick, Pool};
use crate::seed::spec::{Class, KeySet};

/// Most values a pick draws from; a column with more is sampled.
const MOST_VALUES: i64 = 200_000;

/// Samples the values of every pick, in an order that does not depend on where rows stand.
///
/// # Errors
/// When a table or column is not there, with the place in the scenario's file.
pub(super) async fn sample_picks(
    connection: &mut PgConnection,
    scenarios: &[(SourceFile, Scenario)],
    sets: &[KeySet],
    seed: u64,
) -> Result<Vec<(Pick, Pool)>, TrialError> {
    let mut pools: Vec<(Pick, Pool)> = Vec::new();
    for (file, scenario) in scenarios {
        let mut problems = Vec::new();
        for parameter in scenario.actions.iter().flat_map(|a| &a.parameters) {
            let mut picks = Vec::new();
            parameter.draw.picks(&mut picks);
            for pick in picks {
                if pools.iter().any(|(known, _)| known == pick) {
                    continue;
                }
                match sample(connection, pick, sets, seed).await {
                    Ok(values) if values.is_empty() => problems.push(
                        Diagnostic::at(
                            parameter.source.span.clone(),
                            format!("`{}` holds no rows to pick from", pick.table),
                        )
                        .help("fill it in the dataset spec, or raise --scale"),
                    ),
                    Ok(values) => pools.push((pick.clone(), Pool { values })),
                    Err(error) => {
                        let message = format!("cannot pick from {}.{}: {}", pick.table, pick.column, describe(&error));
                        problems.push(Diagnostic::at(parameter.source.span.clone(), message));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(TrialError::File(Box::new(file.clone().problems(problems))));
        }
    }
    Ok(pools)
}

/// Distinct values for a skewed pick, rows for an even one; at most [`MOST_VALUES`], then shuffled by the seed.
async fn sample(
    connection: &mut PgConnection,
    pick: &Pick,
    sets: &[KeySet],
    seed: u64,
) -> Result<Vec<Value<'static>>, sqlx::Error> {
    let set = sets.iter().find(|set| set.name.value == pick.table);
    let (distinct, source) = match set {
        Some(set) => ("", of_set(connection, set, &pick.column).await?),
        None => (if pick.zipf.is_some() { "DISTINCT" } else { "" }, of_column(connection, pick, seed).await?),
    };
    // Ordered by a hash, so that the limit cuts no end of the values off.
    let sql = format!(
        "SELECT value, kind FROM (
             SELECT {distinct} v::text AS value,
                    (SELECT format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
                     FROM pg_type t WHERE t.oid = pg_typeof(v)) AS kind
             FROM ({source}) s WHERE v IS NOT NULL) d
         ORDER BY hashtextextended(value, {}), value LIMIT {MOST_VALUES}",
        seed % 1_000_000
    );
    // Times are read back as UTC.
    connection.execute(sqlx::raw_sql("SET timezone = 'UTC'; SET datestyle = 'ISO'")).await?;
    let rows = query(sql).fetch_all(connection).await?;
    let mut values: Vec<Value<'static>> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (text, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        values.push(read_value(text, &kind));
    }
    let order =
        crate::expression::Permutation::new(Key::new(seed).named(&pick.table).named(&pick.column), values.len() as u64);
    Ok((0..values.len() as u64).map(|n| values[order.apply(n) as usize].clone()).collect())
}

/// A query of a column's values; of a long table, a sample of its rows.
async fn of_column(connection: &mut PgConnection, pick: &Pick, seed: u64) -> Result<String, sqlx::Error> {
    let (table, column) = (quoted(&pick.table), identifier(&pick.column));
    let rows: i64 = query(format!(
        "SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = '{}'::regclass",
        table.replace('\'', "''")
    ))
    .fetch_one(connection)
    .await?
    .try_get(0)?;
    if rows <= MOST_VALUES {
        return Ok(format!("SELECT {column} AS v FROM {table}"));
    }
    let percent = (MOST_VALUES as f64 / rows as f64 * 100.0).min(100.0);
    Ok(format!("SELECT {column} AS v FROM {table} TABLESAMPLE BERNOULLI ({percent}) REPEATABLE ({})", seed % 1_000_000))
}

/// A query of the keys of a class: by how many rows refer to each, as the dataset spec's `[params.NAME]` says.
async fn of_set(connection: &mut PgConnection, set: &KeySet, class: &str) -> Result<String, sqlx::Error> {
    let unknown = |what: String| sqlx::Error::Configuration(what.into());
    let Some(found) = set.classes.get(class) else {
        let known: Vec<&str> = set.classes.keys().map(String::as_str).collect();
        return Err(unknown(format!("`{}` has no class `{class}`, but {}", set.name.value, known.join(", "))));
    };
    let (table, column) = set.by.text.rsplit_once('.').unwrap_or((&set.by.text, ""));
    let (child, key) = (quoted(table), identifier(column));
    match found {
        Class::Between(low, high) => Ok(format!(
            "SELECT v FROM (SELECT {key} AS v, percent_rank() OVER (ORDER BY count(*), {key}) AS place
                            FROM {child} WHERE {key} IS NOT NULL GROUP BY {key}) r WHERE {low} <= place AND place <= {high}"
        )),
        Class::Zero => {
            let row = query(
                "SELECT confrelid::regclass::text, format('%I', t.attname) FROM pg_constraint k
                 JOIN pg_attribute c ON c.attrelid = k.conrelid AND k.conkey = ARRAY[c.attnum]
                 JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1]
                 WHERE k.contype = 'f' AND k.conrelid = $1::regclass AND c.attname = $2",
            )
            .bind(child.clone())
            .bind(column.to_owned())
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| unknown(format!("`{}` is no foreign key, so nobody knows whose keys have no rows", set.by.text)))?;
            let (parent, target): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok(format!(
                "SELECT p.{target} AS v FROM {parent} p WHERE NOT EXISTS (SELECT FROM {child} c WHERE c.{key} = p.{target})"
            ))
        }
    }
}

fn quoted(table: &str) -> String {
    table.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

fn instant(text: &str) -> Option<Value<'static>> {
    crate::expression::value::parse_time(&text.replacen(' ', "T", 1)).map(Value::Time)
}

fn read_value(text: String, kind: &str) -> Value<'static> {
    let parsed = match kind {
        "smallint" | "integer" | "bigint" => text.parse().ok().map(Value::Int),
        "real" | "double precision" | "numeric" => text.parse().ok().map(Value::Float),
        "boolean" => Some(Value::Bool(text == "true")),
        "uuid" => u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Value::Uuid),
        "timestamp with time zone" => instant(&text.replacen("+00", "Z", 1)),
        "timestamp without time zone" => instant(&format!("{text}Z")),
        "date" => instant(&format!("{text} 00:00:00Z")),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::Text(text.into()))
}
