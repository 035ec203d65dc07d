//! Which plans the server makes for the actions. Must only be asked outside counted windows.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use super::error::TrialError;
use crate::drive::explain::explain_step;
use crate::evidence::PlanFacts;
use crate::scenario::{Stream, Workload};

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
            workload.draw(position, Stream::lane(u64::MAX, 0, 1), n, &mut values);
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
