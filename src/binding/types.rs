//! Types of parameters and captured columns as the server infers them. Must draw mistakes against the scenario's file.

use sqlx::postgres::{PgConnection, PgErrorPosition, PgStatement, PgTypeInfo, PgTypeKind};
use sqlx::{Column, Connection, Either, Executor, SqlSafeStr, Statement, TypeInfo};

use super::BindError;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::expression::{SqlType, Value};
use crate::postgres::Error;
use crate::postgres::error::{database_error, describe as describe_error};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::trusted;
use crate::scenario::program::{Keep, Op, Step};
use crate::scenario::script::GIVEN;
use crate::scenario::workload::{Bound, BoundStep, tag};
use crate::scenario::{Action, Scenario};

/// Fraction digits a numeric parameter is sent with; the column or comparison rounds as it needs.
const NUMERIC_DIGITS: u16 = 6;

/// Asks the server for the types of every parameter, and for the columns that give slots their values.
///
/// # Errors
/// Every statement the server refuses, with its message and place in the scenario's file.
pub async fn describe_all(
    connection: &mut PgConnection,
    scenarios: &[(SourceFile, Scenario)],
    whose: &str,
) -> Result<Bound, BindError> {
    let mut all = Vec::new();
    for (file, scenario) in scenarios {
        let mut problems = Vec::new();
        let mut actions = Vec::new();
        for action in &scenario.actions {
            actions.push(describe(connection, action, whose, &mut problems).await?);
        }
        if !problems.is_empty() {
            return Err(BindError::File(Box::new(file.clone().problems(problems))));
        }
        all.push(actions);
    }
    Ok(all)
}

async fn describe(
    connection: &mut PgConnection,
    action: &Action,
    whose: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<BoundStep>, BindError> {
    let mut steps: Vec<BoundStep> = Vec::new();
    // Slots that have a value when a step begins; those of a script may be set anywhere.
    let mut filled: Vec<usize> = (0..action.parameters.len()).collect();
    filled.extend(action.program.iter().filter_map(|op| match op {
        Op::Set { slot, .. } => Some(*slot),
        _ => None,
    }));
    let given = |slot: &usize| GIVEN.contains(&action.slots[*slot].as_str());
    filled.extend((action.parameters.len()..action.slots.len()).filter(given));
    for (index, step) in action.steps.iter().enumerate() {
        for (position, slot) in step.arguments.iter().enumerate().filter(|(_, slot)| !filled.contains(slot)) {
            let place = step.statement.uses.iter().find(|(p, _)| *p == position).map(|(_, place)| place.clone());
            let message = format!("`:{}` is neither a parameter nor a column of an earlier step", action.slots[*slot]);
            let problem = Diagnostic::at(place.map_or(step.source.span.clone(), |p| step.source.place(&p)), message);
            problems.push(
                problem.help("say under `with` how it is made, or let an earlier step return it: RETURNING id AS name"),
            );
        }
        // Tagged like the load: the server keeps the text it saw first for equal statements.
        let sql = tagged(&step.statement.sql, &tag(&action.name.value, index));
        match prepare(connection, sql).await {
            Ok(statement) => {
                let found = match statement.parameters() {
                    Some(Either::Left(types)) => types,
                    _ => &[],
                };
                let arguments = sql_types(step, found, problems);
                let columns: Vec<(&str, &PgTypeInfo)> =
                    statement.columns().iter().map(|column| (column.name(), column.type_info())).collect();
                let captures = captures(action, step, &columns, problems);
                filled.extend(captures.iter().map(|(_, slot, _)| *slot));
                steps.push(BoundStep { arguments, captures });
            }
            Err(error) => problems.push(refused(step, &error, whose)?),
        }
    }
    Ok(steps)
}

/// Prepares a statement in a transaction of its own and leaves nothing of it in the session: behind a pooler that
/// session is somebody else's a moment later.
async fn prepare(connection: &mut PgConnection, sql: String) -> Result<PgStatement, sqlx::Error> {
    connection.execute(sqlx::raw_sql("BEGIN")).await?;
    let prepared = connection.prepare(trusted(sql).into_sql_str()).await;
    if prepared.is_ok() {
        connection.clear_cached_statements().await?;
    }
    connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
    prepared
}

/// The columns of a result that give slots their values.
fn captures(
    action: &Action,
    step: &Step,
    columns: &[(&str, &PgTypeInfo)],
    problems: &mut Vec<Diagnostic>,
) -> Vec<(usize, usize, SqlType)> {
    let prefix = match &step.keep {
        Keep::Nothing => return Vec::new(),
        Keep::First | Keep::Every => "",
        Keep::One(prefix) | Keep::Last(prefix) => prefix,
    };
    let mut found = Vec::new();
    for (position, (name, kind)) in columns.iter().enumerate() {
        let wanted = |slot: &String| slot.strip_prefix(prefix).is_some_and(|rest| rest == *name);
        let Some(slot) = action.slots.iter().position(wanted).filter(|slot| action.parameters.len() <= *slot) else {
            continue;
        };
        match sql_type(kind).filter(|kind| Value::can_read(*kind)) {
            Some(kind) => found.push((position, slot, kind)),
            None => {
                let kind = kind.name().to_lowercase();
                let problem =
                    Diagnostic::at(step.source.span.clone(), format!("values of type `{kind}` cannot be captured"));
                problems.push(problem.help(format!("cast the column: {name}::text AS {name}")));
            }
        }
    }
    found
}

fn sql_type(info: &PgTypeInfo) -> Option<SqlType> {
    let name = info.name().to_lowercase();
    match info.kind() {
        PgTypeKind::Enum(_) => Some(SqlType::Text),
        // A value is sent as one of the type below it, and checked by the server.
        PgTypeKind::Domain(base) => sql_type(base),
        _ => SqlType::from_name(if name == "char" { "bpchar" } else { &name }, Some(NUMERIC_DIGITS)),
    }
}

fn sql_types(step: &Step, found: &[PgTypeInfo], problems: &mut Vec<Diagnostic>) -> Vec<SqlType> {
    let mut types = Vec::with_capacity(found.len());
    for (position, info) in found.iter().enumerate() {
        match sql_type(info) {
            Some(kind) => types.push(kind),
            None => {
                let name = info.name().to_lowercase();
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
fn refused(step: &Step, error: &sqlx::Error, whose: &str) -> Result<Diagnostic, BindError> {
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
    Ok(Diagnostic::at(span, format!("{whose}the server refuses this statement: {}", describe_error(error))))
}
