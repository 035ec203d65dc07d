//! One operation of an action on one side: executed, counted and rolled back. Must leave no row changed.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};

use super::answer::{Rows, takes_a_part};
use super::ties::{ends_without_ties, orders_totally};
use super::trace::Tracer;
use crate::clock::Clock;
use crate::evidence::{AccessPath, CountedAction, CountedSet, PlanShape, StepWork};
use crate::expression::Value;
use crate::postgres::error::database_error;
use crate::postgres::explain::{Executed, Plan};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{identifier, trusted};
use crate::postgres::{Error, Target};
use crate::scenario::program::Keep;
use crate::scenario::workload::{PlannedAction, PlannedStep};
use crate::scenario::{Stream, Workload};
use crate::sql;
use crate::trial::error::TrialError;

/// Executions of a statement that writes, of which the last shows its WAL: the first changes of pages after a
/// checkpoint write them whole, and what is rolled back leaves the second another page.
const WRITE_EXECUTIONS: u32 = 3;

/// Sets of an action whose writes are looked up in the tables, which are read whole for it.
const TRACED_SETS: u64 = 2;

/// The stream of the parameters: none of the load's.
pub(in crate::trial) const STREAM: u64 = u64::MAX;

/// A statement that takes longer is not asked many times.
pub(super) const PATIENCE: &str = "SET LOCAL statement_timeout = '5s'";

/// A side that is asked.
pub(super) struct Asked<'w> {
    pub(super) connection: PgConnection,
    pub(super) workload: &'w Workload,
    /// Looks up what writes do to tables; only where nobody else writes.
    pub(super) tracer: Option<Tracer>,
    /// Steps of the action that is asked whose statements are prepared in the session.
    pub(super) prepared: BTreeSet<usize>,
    /// The longest operation of that action, with all its executions.
    pub(super) longest: Duration,
}

impl<'w> Asked<'w> {
    /// Connects to a side; `alone` where nobody else writes there.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn new(target: &Target, workload: &'w Workload, alone: bool) -> Result<Self, TrialError> {
        let tracer = if alone { Some(Tracer::new(target).await?) } else { None };
        let (connection, prepared, longest) = (quiet(target).await?, BTreeSet::new(), Duration::ZERO);
        Ok(Self { connection, workload, tracer, prepared, longest })
    }
}

/// One operation of an action on a side, undone; what it answered.
pub(super) async fn operation(
    asked: &mut Asked<'_>,
    action: usize,
    set: u64,
    found: &mut CountedAction,
) -> Result<Vec<Rows>, TrialError> {
    let clock = Clock::start();
    run(&mut asked.connection, "BEGIN").await?;
    let values = drawn(asked.workload, action, set);
    let planned = &asked.workload.actions[action];
    if let Some(tracer) = &mut asked.tracer {
        tracer.begin(&mut asked.connection).await?;
    }
    let (mut counted, mut rows) = steps(&mut asked.connection, planned, values, (found, false)).await?;
    asked.longest = asked.longest.max(Duration::from_nanos(clock.now_ns()));
    // A function that a query calls may write too: only the server knows.
    let own = if counted.failed.is_none() { transaction(&mut asked.connection).await? } else { None };
    found.wrote |= own.is_some();
    if let (Some(own), Some(tracer)) = (own, &mut asked.tracer) {
        // What waits for the end of the transaction, which never comes.
        run(&mut asked.connection, "SAVEPOINT counted").await?;
        if let Err(code) = fetch(&mut asked.connection, "SET CONSTRAINTS ALL IMMEDIATE").await? {
            run(&mut asked.connection, "ROLLBACK TO SAVEPOINT counted").await?;
            // Half an operation may be refused by right.
            let whole = rows.len() == planned.steps.iter().filter(|step| step.bracket.is_none()).count();
            counted.failed = Some(code).filter(|_| whole);
        }
        let untraced = &mut found.untraced;
        rows.extend(tracer.end(&mut asked.connection, &own, untraced, set < TRACED_SETS).await?);
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    found.sets.push(counted);
    Ok(rows)
}

/// The number of the transaction, where it wrote or locked anything.
pub(super) async fn transaction(connection: &mut PgConnection) -> Result<Option<String>, TrialError> {
    let own = fetch(connection, "SELECT pg_current_xact_id_if_assigned()::xid::text").await?;
    Ok(own.ok().and_then(|rows| rows.first()?.try_get::<String, _>(0).ok()))
}

/// Every step once; those that need a value no earlier step gave are left out. Where `ordered` is asked, also whether a
/// statement says the place of each row.
pub(super) async fn steps<'v>(
    connection: &mut PgConnection,
    action: &'v PlannedAction,
    mut values: Vec<Value<'v>>,
    (found, ordered): (&mut CountedAction, bool),
) -> Result<(CountedSet, Vec<Rows>), TrialError> {
    let mut counted = CountedSet::default();
    let mut answers = Vec::new();
    for (position, step) in action.steps.iter().enumerate().filter(|(_, step)| step.bracket.is_none()) {
        let Some(text) = text_of(action, step, &values) else { continue };
        // Tagged as the load's: the server keeps the text it saw first for equal statements.
        let tag = &step.tag;
        if let Ok(document) = explained(connection, &tagged(&text, tag)).await? {
            let mut executed = Executed::read(&document);
            counted.wal_full_pages += executed.wal_full_pages;
            // Always, so that sequences come as far on every side.
            for _ in 1..if sql::may_write(&step.sql) { WRITE_EXECUTIONS } else { 1 } {
                if let Ok(again) = explained(connection, &tagged(&text, tag)).await? {
                    let again = Executed::read(&again);
                    let Executed { wal_records, wal_bytes, wal_full_pages, .. } = again;
                    executed = Executed { wal_records, wal_bytes, wal_full_pages, ..executed };
                }
            }
            let (blocks, temp_blocks) = (executed.blocks_hit + executed.blocks_read, executed.temp_blocks);
            counted.steps.push(StepWork { step: position as u32, blocks, temp_blocks });
            add(&mut counted, found, executed, Plan::read(&document));
        }
        match fetch(connection, &tagged(&returning(&text), tag)).await? {
            Ok(rows) => {
                take(step, &rows, &mut values);
                let partial = takes_a_part(&text) && !ends_without_ties(connection, &text, rows.len()).await?;
                let total = ordered && orders_totally(connection, &text, rows.len()).await?;
                answers.push(Rows::new(&rows, &text, partial).ordered(total));
            }
            Err(code) => {
                counted.failed = Some(code);
                break;
            }
        }
    }
    if counted.steps.len() == 1 {
        // It is all of it.
        counted.steps.clear();
    }
    Ok((counted, answers))
}

/// Executes every step once for what it does; false where the server refuses one.
///
/// # Errors
/// When the server is lost.
pub(super) async fn perform<'v>(
    connection: &mut PgConnection,
    action: &'v PlannedAction,
    mut values: Vec<Value<'v>>,
) -> Result<bool, TrialError> {
    for step in action.steps.iter().filter(|step| step.bracket.is_none()) {
        let Some(text) = text_of(action, step, &values) else { continue };
        match fetch(connection, &tagged(&text, &step.tag)).await? {
            Ok(rows) => take(step, &rows, &mut values),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// A statement executed and undone, with what it cost.
pub(super) async fn explained(
    connection: &mut PgConnection,
    text: &str,
) -> Result<Result<serde_json::Value, String>, Error> {
    run(connection, "SAVEPOINT counted").await?;
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS, WAL, SETTINGS, TIMING OFF, FORMAT JSON) {text}");
    let rows = fetch(connection, &sql).await?;
    run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    Ok(rows.map(|rows| document(&rows)))
}

/// Adds what an execution cost, and its plan.
fn add(counted: &mut CountedSet, found: &mut CountedAction, executed: Executed, plan: Plan) {
    counted.rows += executed.rows;
    for (table, rows) in executed.rows_found {
        *counted.rows_found.entry(table).or_default() += rows;
    }
    counted.blocks_hit += executed.blocks_hit;
    counted.blocks_read += executed.blocks_read;
    counted.temp_blocks += executed.temp_blocks;
    counted.wal_records += executed.wal_records;
    counted.wal_full_pages_left += executed.wal_full_pages;
    counted.wal_bytes += executed.wal_bytes;
    counted.planned_rows += plan.planned_rows;
    counted.planned_cost += plan.planned_cost;
    counted.plans.push(known(found, plan));
}

/// The position of a plan among those found.
pub(super) fn known(found: &mut CountedAction, plan: Plan) -> u32 {
    let Plan { shape, paths, joins, sorts, aggregates, parallel, relations, triggers, settings, .. } = plan;
    let paths = paths.into_iter().map(|(relation, scan, indexes)| AccessPath { relation, scan, indexes }).collect();
    let relations = relations.into_iter().collect();
    let shape = PlanShape { shape, paths, joins, sorts, aggregates, parallel, relations, triggers, settings };
    let position = found.plans.iter().position(|known| *known == shape).unwrap_or_else(|| {
        found.plans.push(shape);
        found.plans.len() - 1
    });
    position as u32
}

/// The values of an action's slots for a set of parameters.
pub(in crate::trial) fn drawn(workload: &Workload, action: usize, set: u64) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    workload.draw(action, Stream::lane(STREAM, 0, 1), set, &mut values);
    values
}

/// A step as SQL with its values; nothing where it needs one that no earlier step gave.
pub(in crate::trial) fn text_of(action: &PlannedAction, step: &PlannedStep, values: &[Value<'_>]) -> Option<String> {
    let missing = |slot: &usize| !action.is_parameter(*slot) && values[*slot] == Value::Null;
    let mut text = Vec::new();
    let whole = step.arguments.iter().all(|(slot, _)| !missing(slot)) && step.as_text(values, &mut text).is_ok();
    whole.then(|| String::from_utf8_lossy(&text).into_owned())
}

/// A statement that writes without saying what it wrote, made to say it.
pub(super) fn returning(text: &str) -> String {
    let words = sql::words(text);
    let writes = words.first().is_some_and(|first| ["insert", "update", "delete"].contains(&first.as_str()));
    if writes && !words.iter().any(|word| word == "returning") {
        format!("{text}\nRETURNING *")
    } else {
        text.to_owned()
    }
}

/// Gives slots the values of the first row of a result.
pub(in crate::trial) fn take(step: &PlannedStep, rows: &[PgRow], values: &mut [Value<'_>]) {
    let Some(row) = rows.first().filter(|_| step.keep != Keep::Nothing) else { return };
    for (column, slot, _) in &step.captures {
        let text = row.try_get_raw(*column).ok().and_then(|raw| raw.as_str().ok().map(str::to_owned));
        values[*slot] = text.map_or(Value::Null, |text| Value::Text(text.into()));
    }
}

/// A session whose statements are not counted among the load's, where the role may say so.
pub(super) async fn quiet(target: &Target) -> Result<PgConnection, Error> {
    let mut connection = target.own().connect().await?;
    let _ = fetch(&mut connection, "SET pg_stat_statements.track = 'none'").await?;
    if let Some(role) = target.role() {
        let set = format!("SET ROLE {}", identifier(role));
        let set = connection.execute(sqlx::raw_sql(trusted(set))).await;
        set.map_err(|e| Error::doing(format!("act as the role `{role}`"), e))?;
    }
    Ok(connection)
}

pub(super) fn document(rows: &[PgRow]) -> serde_json::Value {
    let bytes = rows.first().and_then(|row| row.try_get_raw(0).ok()?.as_bytes().ok().map(<[u8]>::to_vec));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The rows of a text of SQL, or the SQLSTATE of the server's refusal.
pub(super) async fn fetch(connection: &mut PgConnection, sql: &str) -> Result<Result<Vec<PgRow>, String>, Error> {
    match connection.fetch_all(sqlx::raw_sql(trusted(sql))).await {
        Ok(rows) => Ok(Ok(rows)),
        Err(error) => match database_error(&error) {
            Some(refused) => Ok(Err(refused.code().to_owned())),
            None => Err(Error::doing("count what an operation costs", error)),
        },
    }
}

pub(super) async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql(sql)).await.map(drop).map_err(|e| Error::doing("count what an operation costs", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_made_to_say_what_it_wrote() {
        assert_eq!(returning("DELETE FROM t WHERE id = 1"), "DELETE FROM t WHERE id = 1\nRETURNING *");
        let said = "UPDATE t SET a = 'returning' WHERE id = 1";
        assert_eq!(returning(said), format!("{said}\nRETURNING *"));
        for same in ["INSERT INTO t VALUES (1) RETURNING id", "SELECT 1", "WITH a AS (SELECT 1) INSERT INTO t SELECT 1"]
        {
            assert_eq!(returning(same), same);
        }
    }
}
