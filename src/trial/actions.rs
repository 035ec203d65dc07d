//! Scenarios against a real schema: parameter types and plans. Must draw mistakes against the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgErrorPosition, PgTypeInfo, PgTypeKind};
use sqlx::{Either, Executor, Row, SqlSafeStr, Statement, TypeInfo};

use super::error::TrialError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::drive::client::Prepared;
use crate::evidence::{PlanFacts, Side};
use crate::expression::{SqlType, Value};
use crate::postgres::error::{database_error, describe};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{trusted, trusted_shared};
use crate::postgres::{Error, explain};
use crate::scenario::spec::Step;
use crate::scenario::workload::{PlannedStep, tag};
use crate::scenario::{Scenario, Workload};

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
