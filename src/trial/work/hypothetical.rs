//! Indexes that are not there, as the planner sees them: whether an action would use one on a foreign key that has
//! none. Must build nothing, and be silent where `hypopg` is not installed.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::operation::{drawn, fetch, quiet, run};
use crate::evidence::{CountedAction, Hypothetical};
use crate::postgres::Target;
use crate::postgres::explain::Plan;
use crate::postgres::sql_text::literal;
use crate::scenario::Workload;
use crate::trial::error::TrialError;

/// Sets of parameters an action is planned with.
const MOST_SETS: usize = 8;

/// Asks the planner about an index on each of these foreign keys, given as `table (columns)`.
///
/// # Errors
/// When the server is lost.
pub(in crate::trial) async fn hypothetical(
    target: &Target,
    workload: &Workload,
    counted: &[CountedAction],
    keys: &[String],
) -> Result<Vec<Hypothetical>, TrialError> {
    let mut connection = quiet(target).await?;
    let mut found = Vec::new();
    if fetch(&mut connection, "SELECT hypopg_reset()").await?.is_ok() {
        for key in keys {
            let create = format!(
                "SELECT indexname::text FROM hypopg_create_index({})",
                literal(&format!("CREATE INDEX ON {key}"))
            );
            let Ok(rows) = fetch(&mut connection, &create).await? else { continue };
            let name: String = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
            for (action, known) in counted.iter().enumerate() {
                let cost = cost_with(&mut connection, workload, (action, known), &name).await?;
                found.extend(cost.map(|(cost, cost_with)| Hypothetical {
                    index: key.clone(),
                    action: workload.actions[action].name.clone(),
                    cost,
                    cost_with,
                }));
            }
            let _ = fetch(&mut connection, "SELECT hypopg_reset()").await?;
        }
    }
    let _ = connection.close().await;
    Ok(found)
}

/// The planner's mean cost of the statements that would use an index, without it and with it; nothing when none would.
async fn cost_with(
    connection: &mut PgConnection,
    workload: &Workload,
    (action, known): (usize, &CountedAction),
    index: &str,
) -> Result<Option<(f64, f64)>, TrialError> {
    let (mut sum, mut sum_with, mut used) = (0.0, 0.0, 0_u32);
    for set in 0..known.sampled().min(MOST_SETS) as u64 {
        let values = drawn(workload, action, set);
        for step in workload.actions[action].steps.iter().filter(|step| step.bracket.is_none()) {
            let mut text = Vec::new();
            if step.as_text(&values, &mut text).is_err() {
                continue;
            }
            let explain = format!("EXPLAIN (FORMAT JSON) {}", String::from_utf8_lossy(&text));
            let Some(with) = planned(connection, &explain).await? else { continue };
            if !with.indexes.contains(index) {
                continue;
            }
            run(connection, "SET hypopg.enabled = off").await?;
            let without = planned(connection, &explain).await?;
            run(connection, "SET hypopg.enabled = on").await?;
            if let Some(without) = without {
                sum += without.planned_cost;
                sum_with += with.planned_cost;
                used += 1;
            }
        }
    }
    Ok((0 < used).then(|| (sum / f64::from(used), sum_with / f64::from(used))))
}

async fn planned(connection: &mut PgConnection, explain: &str) -> Result<Option<Plan>, TrialError> {
    let Ok(rows) = fetch(connection, explain).await? else { return Ok(None) };
    Ok(Some(Plan::read(&super::operation::document(&rows))))
}
