//! Values for the parameters of scenarios, sampled once so that every side draws from the same. Must only read.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::BindError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::expression::{Key, Permutation, Value};
use crate::postgres::error::describe;
use crate::postgres::sql_text::{identifier, query};
use crate::scenario::Scenario;
use crate::scenario::parameter::{Pick, Pool};
use crate::scenario::workload::picks;
use crate::seed::spec::{Class, KeySet};

/// Most values a pick draws from; a column with more is sampled.
const MOST_VALUES: i64 = 200_000;

/// Samples the rows of every pick, in the order of [`picks`] and in one that does not depend on where rows stand.
///
/// # Errors
/// When a table or column is not there, with the place in the scenario's file.
pub async fn sample_picks(
    connection: &mut PgConnection,
    files: &[(SourceFile, Scenario)],
    sets: &[KeySet],
    seed: u64,
) -> Result<Vec<Pool>, BindError> {
    let scenarios: Vec<Scenario> = files.iter().map(|(_, scenario)| scenario.clone()).collect();
    let mut pools = Vec::new();
    for pick in picks(&scenarios) {
        let problem = match sample(connection, &pick, sets, seed).await {
            Ok(values) if values.is_empty() => nothing_to_pick(connection, &pick, sets).await,
            Ok(values) => {
                pools.push(Pool { values, width: pick.columns.len() });
                continue;
            }
            Err(error) => Diagnostic::whole(format!(
                "cannot pick from {}.{}: {}",
                pick.table,
                pick.columns.join(", "),
                describe(&error)
            )),
        };
        return Err(at(files, &pick, problem));
    }
    Ok(pools)
}

/// Refuses picks that find nothing, without sampling any. What the server refuses is left to [`sample_picks`].
///
/// # Errors
/// When there is nothing to pick from, with the place in the scenario's file and the line that fills the column.
pub async fn check_picks(
    connection: &mut PgConnection,
    files: &[(SourceFile, Scenario)],
    sets: &[KeySet],
) -> Result<(), BindError> {
    let scenarios: Vec<Scenario> = files.iter().map(|(_, scenario)| scenario.clone()).collect();
    for pick in picks(&scenarios) {
        if is_empty(connection, &pick, sets).await.unwrap_or(false) {
            let problem = nothing_to_pick(connection, &pick, sets).await;
            return Err(at(files, &pick, problem));
        }
    }
    Ok(())
}

fn at(files: &[(SourceFile, Scenario)], pick: &Pick, problem: Diagnostic) -> BindError {
    let (file, span) = place(files, pick);
    BindError::File(Box::new(file.clone().problems(vec![Diagnostic { span: Some(span), ..problem }])))
}

async fn is_empty(connection: &mut PgConnection, pick: &Pick, sets: &[KeySet]) -> Result<bool, sqlx::Error> {
    let source = match sets.iter().find(|set| set.name.value == pick.table) {
        Some(set) => of_set(connection, set, &pick.columns[0]).await?,
        None => format!("SELECT {} AS v0 FROM {}", identifier(&pick.columns[0]), quoted(&pick.table)),
    };
    let sql = format!("SELECT NOT EXISTS (SELECT FROM ({source}) s WHERE v0 IS NOT NULL)");
    query(sql).fetch_one(connection).await?.try_get(0)
}

/// Why a pick finds nothing, and the line of a dataset spec that gives it something.
async fn nothing_to_pick(connection: &mut PgConnection, pick: &Pick, sets: &[KeySet]) -> Diagnostic {
    let (table, column) = (&pick.table, &pick.columns[0]);
    if let Some(set) = sets.iter().find(|set| set.name.value == *table) {
        let (child, key) = set.by.text.rsplit_once('.').unwrap_or((&set.by.text, ""));
        let message = format!("no key of `{}` is in the class `{column}` of `{table}`", set.by.text);
        return Diagnostic::whole(message).help(match set.classes.get(column) {
            Some(Class::Zero) => format!(
                "in the dataset spec, under [table.{child}], write fan-out.{key} = \"zipf(s 0.8, none 10%)\": `none` \
                 leaves keys without rows"
            ),
            _ => format!("raise --scale, or widen the class in the dataset spec, under [params.{table}]"),
        });
    }
    let rows = query(format!("SELECT EXISTS (SELECT FROM {})", quoted(table))).fetch_one(&mut *connection).await;
    if !rows.and_then(|row| row.try_get::<bool, _>(0)).unwrap_or(false) {
        return Diagnostic::whole(format!("the table `{table}` holds no row, so there is no `{column}` to pick"))
            .help(format!("in the dataset spec, under [table.{table}], write row-count = \"1_000 * scale\""));
    }
    let is_key = query(
        "SELECT EXISTS (SELECT FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid
         AND a.attnum = ANY (k.conkey)
                        WHERE k.contype = 'f' AND k.conrelid = to_regclass($1) AND a.attname = $2)",
    )
    .bind(quoted(table))
    .bind(column.clone())
    .fetch_one(connection)
    .await;
    let line = match is_key.and_then(|row| row.try_get(0)) {
        Ok(true) => format!("fan-out.{column} = \"zipf(s 0.8)\""),
        _ => format!("{column} = \"…\", an expression of its values"),
    };
    Diagnostic::whole(format!("`{table}.{column}` is NULL in every row, so there is nothing to pick"))
        .help(format!("in the dataset spec, under [table.{table}], write {line}"))
}

/// Where a pick stands first.
fn place<'f>(files: &'f [(SourceFile, Scenario)], pick: &Pick) -> (&'f SourceFile, std::ops::Range<usize>) {
    for (file, scenario) in files {
        for parameter in scenario.actions.iter().flat_map(|a| &a.parameters) {
            let mut draw = parameter.draw.clone();
            let mut found = Vec::new();
            draw.picks(&mut found);
            if found.iter().any(|other| other.draws_like(pick)) {
                return (file, parameter.source.span.clone());
            }
        }
    }
    (&files[0].0, 0..0)
}

/// Distinct values for a skewed pick, rows for an even one; at most [`MOST_VALUES`], then shuffled by the seed.
/// Further columns come from the row of the first.
async fn sample(
    connection: &mut PgConnection,
    pick: &Pick,
    sets: &[KeySet],
    seed: u64,
) -> Result<Vec<Value<'static>>, sqlx::Error> {
    let set = sets.iter().find(|set| set.name.value == pick.table);
    let (distinct, source) = match set {
        Some(set) if pick.columns.len() == 1 => ("", of_set(connection, set, &pick.columns[0]).await?),
        Some(_) => return Err(sqlx::Error::Configuration("a key set has no other columns".into())),
        None if pick.zipf.is_some() => ("DISTINCT ON (v0)", of_columns(connection, pick, seed).await?),
        None => ("", of_columns(connection, pick, seed).await?),
    };
    let width = pick.columns.len();
    let columns: Vec<String> = (0..width)
        .map(|n| {
            format!(
                "v{n}::text AS value{n},
                 (SELECT format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
                  FROM pg_type t WHERE t.oid = pg_typeof(v{n})) AS kind{n}"
            )
        })
        .collect();
    // Ordered by a hash, so that the limit cuts no end of the values off.
    let all: Vec<String> = (0..width).map(|n| format!("value{n}")).collect();
    let sql = format!(
        "SELECT * FROM (SELECT {distinct} {} FROM ({source}) s WHERE v0 IS NOT NULL {}) d
         ORDER BY hashtextextended(concat_ws(',', {}), {}), {} LIMIT {MOST_VALUES}",
        columns.join(", "),
        // Of the rows of a value always the same one, whatever order the server finds them in.
        if distinct.is_empty() || width == 1 {
            String::new()
        } else {
            format!("ORDER BY {}", all.join(", ").replace("value0", "v0"))
        },
        all.join(", "),
        seed % 1_000_000,
        all.join(", ")
    );
    // Times are read back as UTC.
    connection.execute(sqlx::raw_sql("SET timezone = 'UTC'; SET datestyle = 'ISO'")).await?;
    let rows = query(sql).fetch_all(connection).await?;
    let mut values: Vec<Value<'static>> = Vec::with_capacity(rows.len() * width);
    let order = Permutation::new(Key::new(seed).named(&pick.table).named(&pick.columns[0]), rows.len() as u64);
    for place in 0..rows.len() as u64 {
        let row = &rows[order.apply(place) as usize];
        for column in 0..width {
            let text: Option<String> = row.try_get(2 * column)?;
            let kind: Option<String> = row.try_get(2 * column + 1)?;
            values.push(text.map_or(Value::Null, |text| read_value(text, kind.as_deref().unwrap_or_default())));
        }
    }
    Ok(values)
}

/// A query of columns' values; of a long table, a sample of its rows.
async fn of_columns(connection: &mut PgConnection, pick: &Pick, seed: u64) -> Result<String, sqlx::Error> {
    let table = quoted(&pick.table);
    let columns: Vec<String> =
        pick.columns.iter().enumerate().map(|(n, column)| format!("{} AS v{n}", identifier(column))).collect();
    let columns = columns.join(", ");
    let (rows, is_table): (i64, bool) = {
        let row = query(format!(
            "SELECT greatest(reltuples, 0)::int8, relkind IN ('r', 'm') FROM pg_class WHERE oid = '{}'::regclass",
            table.replace('\'', "''")
        ))
        .fetch_one(connection)
        .await?;
        (row.try_get(0)?, row.try_get(1)?)
    };
    if rows <= MOST_VALUES || !is_table {
        return Ok(format!("SELECT {columns} FROM {table}"));
    }
    // Whole pages of very long tables: a sample of their rows would read every page.
    let (method, share) = if rows <= 50 * MOST_VALUES { ("BERNOULLI", 1.0) } else { ("SYSTEM", 1.2) };
    let percent = (share * MOST_VALUES as f64 / rows as f64 * 100.0).min(100.0);
    Ok(format!("SELECT {columns} FROM {table} TABLESAMPLE {method} ({percent}) REPEATABLE ({})", seed % 1_000_000))
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
            "SELECT v AS v0 FROM (SELECT {key} AS v, percent_rank() OVER (ORDER BY count(*), {key}) AS place
                            FROM {child} WHERE {key} IS NOT NULL GROUP BY {key}) r WHERE {low} <= place
                            AND place <= {high}"
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
            .ok_or_else(|| {
                unknown(format!(
                    "`{}` is no foreign key, so nobody knows whose keys have no \
                                            rows",
                    set.by.text
                ))
            })?;
            let (parent, target): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok(format!(
                "SELECT p.{target} AS v0 FROM {parent} p WHERE NOT EXISTS (SELECT FROM {child} c \
                 WHERE c.{key} = p.{target})"
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
