//! The plan the server makes for a step and the values it is sent. Must only be asked outside counted windows.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::prepared::Prepared;
use crate::expression::Value;
use crate::postgres::explain::Plan;
use crate::postgres::sql_text::trusted_shared;
use crate::scenario::workload::PlannedStep;

/// A step's plan; nothing when it cannot be explained.
pub async fn explain_step(connection: &mut PgConnection, step: &PlannedStep, values: &[Value<'_>]) -> Option<Plan> {
    let mut encoded = Vec::new();
    step.encode(values, &mut encoded).ok()?;
    let sql: Arc<str> = format!("EXPLAIN (FORMAT JSON) {}", step.sql).into();
    let prepared = Prepared::new(connection, Arc::clone(&sql)).await.ok()?;
    let (arguments, _) = prepared.bind(&encoded).ok()?;
    let row = connection.fetch_one(sqlx::query_with(trusted_shared(sql), arguments)).await.ok()?;
    // json is sent as its text in the binary protocol too.
    let raw = row.try_get_raw(0).ok()?;
    Some(Plan::read(&serde_json::from_slice(raw.as_bytes().ok()?).ok()?))
}
