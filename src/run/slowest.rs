//! The slowest operations of a run, with their plans where those are asked for. Must change nothing: what is planned is
//! undone.

use std::sync::atomic::Ordering;

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::settings::Settings;
use super::tally::Tally;
use crate::drive::explain::explain_step;
use crate::drive::perform::Operation;
use crate::evidence::view::SlowFacts;
use crate::postgres::sql_text::trusted;
use crate::scenario::Workload;
use crate::sql;

/// The slowest operations over the limit, with the plans of their statements when those were asked for.
pub(super) async fn slowest(settings: &Settings, tally: &Tally, workload: &Workload, began: u64) -> Vec<SlowFacts> {
    let mut connection = match settings.slow_plans && !settings.interrupt.load(Ordering::Relaxed) {
        true => settings.targets.primary.connect().await.ok(),
        false => None,
    };
    let mut found = Vec::new();
    for slow in &tally.total.slowest {
        let plans = match &mut connection {
            Some(connection) => explain(connection, workload, slow.operation).await.unwrap_or_default(),
            None => Vec::new(),
        };
        found.push(SlowFacts {
            action: workload.actions[slow.operation.action].name.clone(),
            service_ms: slow.service_ns as f64 / 1e6,
            at_s: slow.began_ns.saturating_sub(began) as f64 / 1e9,
            operation: (slow.operation.stream.id, slow.operation.n),
            plans,
        });
    }
    found
}

/// Shapes of the plans of an operation's statements; a statement that takes captured values is left out. In a
/// transaction that is undone: planning may call functions, and steps that only set something are executed for those
/// that follow.
async fn explain(
    connection: &mut PgConnection,
    workload: &Workload,
    operation: Operation,
) -> Result<Vec<String>, sqlx::Error> {
    let action = &workload.actions[operation.action];
    let mut values = Vec::new();
    workload.draw(operation.action, operation.stream, operation.n, &mut values);
    let mut shapes = Vec::new();
    connection.execute(sqlx::raw_sql("BEGIN READ ONLY")).await?;
    for step in action.steps.iter().filter(|step| step.bracket.is_none()) {
        if !step.arguments.iter().all(|(slot, _)| action.is_parameter(*slot)) {
            continue;
        }
        let mut text = Vec::new();
        if sql::only_sets(&step.sql) && step.as_text(&values, &mut text).is_ok() {
            connection.execute(sqlx::raw_sql(trusted(String::from_utf8_lossy(&text)))).await?;
            continue;
        }
        connection.execute(sqlx::raw_sql("SAVEPOINT planned")).await?;
        let plan = explain_step(connection, step, &values).await;
        connection.execute(sqlx::raw_sql("ROLLBACK TO SAVEPOINT planned")).await?;
        shapes.extend(plan.map(|plan| plan.shape));
    }
    connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
    Ok(shapes)
}
