//! Scenarios against a real schema: parameter types, values to pick from, plans. Must draw mistakes against the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgErrorPosition, PgTypeInfo, PgTypeKind};
use sqlx::{Either, Executor, Row, SqlSafeStr, Statement, TypeInfo};

use super::error::TrialError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::drive::client::Prepared;
use crate::evidence::{PlanFacts, Side};
use crate::expression::{Key, SqlType, Value};
use crate::postgres::error::{database_error, describe};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{identifier, query, trusted, trusted_shared};
use crate::postgres::{Error, explain};
use crate::scenario::parameter::{Pick, Pool};
use crate::scenario::spec::Step;
use crate::scenario::workload::{PlannedStep, tag};
use crate::scenario::{Scenario, Workload};

/// Most values a pick draws from; a column with more is sampled.
const MOST_VALUES: i64 = 200_000;

/// Fraction digits a numeric parameter is sent with; the column or comparison rounds as it needs.
const NUMERIC_DIGITS: u16 = 6;

/// Parameter types by scenario, action, step and number.
pub type Types = Vec<Vec<Vec<Vec<SqlType>>>>;

/// Asks the server for the types of every parameter.
///
/// # Errors
/// Every statement the server refuses, with its message and place in the scenario's file.
pub async fn describe_all(
    connection: &mut PgConnection,
    scenarios: &[(SourceFile, Scenario)],
    side: Side,
) -> Result<Types, TrialError> {
    let mut all = Vec::new();
    for (file, scenario) in scenarios {
        let mut problems = Vec::new();
        let mut actions = Vec::new();
        for action in &scenario.actions {
            let mut steps = Vec::new();
            for (index, step) in action.steps.iter().enumerate() {
                // Tagged like the load: the server keeps the text it saw first for equal statements.
                let sql = tagged(&step.statement.sql, &tag(&action.name.value, index));
                match connection.prepare(trusted(sql).into_sql_str()).await {
                    Ok(statement) => {
                        let found = match statement.parameters() {
                            Some(Either::Left(types)) => types,
                            _ => &[],
                        };
                        steps.push(sql_types(step, found, &mut problems));
                    }
                    Err(error) => problems.push(refused(step, &error, side)?),
                }
            }
            actions.push(steps);
        }
        if !problems.is_empty() {
            return Err(TrialError::File(Box::new(file.clone().problems(problems))));
        }
        all.push(actions);
    }
    Ok(all)
}

fn sql_types(step: &Step, found: &[PgTypeInfo], problems: &mut Vec<Diagnostic>) -> Vec<SqlType> {
    let mut types = Vec::with_capacity(found.len());
    for (position, info) in found.iter().enumerate() {
        let name = info.name().to_lowercase();
        let kind = match info.kind() {
            PgTypeKind::Enum(_) => Some(SqlType::Text),
            _ => SqlType::from_name(if name == "char" { "bpchar" } else { &name }, Some(NUMERIC_DIGITS)),
        };
        match kind {
            Some(kind) => types.push(kind),
            None => {
                let place = step.statement.uses.iter().find(|(p, _)| *p == position).map(|(_, place)| place.clone());
                let span = place.map_or(step.source.span.clone(), |place| step.source.place(&place));
                problems.push(
                    Diagnostic::at(span, format!("parameters of type `{name}` cannot be sent yet"))
                        .help("write the parameter as text and cast it in the SQL: :value::text::inet"),
                );
            }
        }
    }
    types
}

/// The server's refusal as a mistake in the file, or as an error when it is none of the file's.
fn refused(step: &Step, error: &sqlx::Error, side: Side) -> Result<Diagnostic, TrialError> {
    let Some(server) = database_error(error) else {
        return Err(Error::doing("prepare the scenario", sqlx::Error::Protocol(error.to_string())).into());
    };
    let span = match server.position() {
        Some(PgErrorPosition::Original(character)) => {
            let at = step.statement.server_position(character);
            let text = &step.source.text[at.min(step.source.text.len())..];
            let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()).max(1);
            step.source.place(&(at..at + length))
        }
        _ => step.source.span.clone(),
    };
    let whose = match side {
        Side::After => "after the migration, the server refuses this statement",
        _ => "the server refuses this statement",
    };
    Ok(Diagnostic::at(span, format!("{whose}: {}", describe(error))))
}

/// Samples the values of every pick, in an order that does not depend on where rows stand.
///
/// # Errors
/// When a table or column is not there, with the place in the scenario's file.
pub async fn sample_picks(
    connection: &mut PgConnection,
    scenarios: &[(SourceFile, Scenario)],
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
                match sample(connection, pick, seed).await {
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
async fn sample(connection: &mut PgConnection, pick: &Pick, seed: u64) -> Result<Vec<Value<'static>>, sqlx::Error> {
    let table: Vec<String> = pick.table.split('.').map(identifier).collect();
    let (table, column) = (table.join("."), identifier(&pick.column));
    let rows: i64 = query(format!(
        "SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = '{}'::regclass",
        table.replace('\'', "''")
    ))
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    let sampled = if MOST_VALUES < rows {
        let percent = (MOST_VALUES as f64 / rows as f64 * 100.0).min(100.0);
        format!("{table} TABLESAMPLE BERNOULLI ({percent}) REPEATABLE ({})", seed % 1_000_000)
    } else {
        table
    };
    let distinct = if pick.zipf.is_some() { "DISTINCT" } else { "" };
    // Ordered by a hash, so that the limit cuts no end of the values off.
    let sql = format!(
        "SELECT value, kind FROM (
             SELECT {distinct} v::text AS value,
                    (SELECT format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
                     FROM pg_type t WHERE t.oid = pg_typeof(v)) AS kind
             FROM (SELECT {column} AS v FROM {sampled}) s WHERE v IS NOT NULL) d
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

/// How many parameter sets a plan is asked for; enough to see the skewed ones.
const PLANS_PER_ACTION: u64 = 16;

/// The plans of every action for sampled parameters. Only outside counted windows.
///
/// # Errors
/// When the server is lost; a statement that cannot be explained is left out.
pub async fn explain_all(connection: &mut PgConnection, workload: &Workload) -> Result<Vec<PlanFacts>, TrialError> {
    let mut all = Vec::new();
    for (position, action) in workload.actions.iter().enumerate() {
        let mut facts = PlanFacts::default();
        let mut shapes: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..PLANS_PER_ACTION {
            let mut values = Vec::new();
            workload.draw(position, u64::MAX, n, &mut values);
            for step in &action.steps {
                if let Some((indexes, shape)) = explain_step(connection, step, &values).await {
                    *shapes.entry(shape).or_default() += 1;
                    for index in indexes {
                        if !facts.indexes.contains(&index) {
                            facts.indexes.push(index);
                        }
                    }
                }
            }
        }
        facts.indexes.sort();
        facts.shapes = shapes;
        all.push(facts);
    }
    Ok(all)
}

async fn explain_step(
    connection: &mut PgConnection,
    step: &PlannedStep,
    values: &[Value<'_>],
) -> Option<(BTreeSet<String>, String)> {
    let mut encoded = Vec::new();
    step.encode(values, &mut encoded).ok()?;
    let sql: Arc<str> = format!("EXPLAIN (FORMAT JSON) {}", step.sql).into();
    let prepared = Prepared::new(connection, Arc::clone(&sql)).await.ok()?;
    let (arguments, _) = prepared.bind(&encoded).ok()?;
    let row = connection.fetch_one(sqlx::query_with(trusted_shared(sql), arguments)).await.ok()?;
    // json is sent as its text in the binary protocol too.
    let raw = row.try_get_raw(0).ok()?;
    Some(explain::read_plan(&serde_json::from_slice(raw.as_bytes().ok()?).ok()?))
}
