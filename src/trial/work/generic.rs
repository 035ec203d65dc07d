//! The plan that fits any parameters, which the server may take after five executions of a prepared statement: what it
//! costs where it is another than a set's own, and whether the server takes it. Must leave no row changed and no
//! statement prepared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;
use sqlx::Row;

use super::operation::{Asked, document, drawn, fetch, known, returning, run, take, text_of};
use crate::clock::Clock;
use crate::evidence::{CountedAction, GenericStep, PlanChoice};
use crate::expression::Value;
use crate::postgres::explain::{Executed, Plan};
use crate::scenario::program::Protocol;
use crate::scenario::workload::{PlannedAction, PlannedStep};
use crate::trial::error::TrialError;

/// Sessions that are watched on the way to their choice.
const SESSIONS: u64 = 5;

/// Executions of a session that are planned at most: with five sessions as many sets as are planned for the survey.
const PLANNED: u64 = 51;

/// A session chooses with its sixth execution (PostgreSQL source, `choose_custom_plan`).
const BEFORE_CHOICE: u64 = 6;

/// A plan that fits any parameters is stopped after so long, or after this many times the longest operation by plans of
/// its own.
const MIN_LIMIT: Duration = Duration::from_secs(5);
const MAX_TIMES: u32 = 2;

/// This many executions of an action are stopped; the sets behind them are left out.
const MAX_STOPPED: usize = 2;

/// All such executions of an action, on every side; the sets behind them are left out.
const MAX_TIME: Duration = Duration::from_secs(60);

/// What two ways of planning a statement make of it.
struct Planned {
    own: Json,
    generic: Json,
}

/// How a side plans an action: by set and step, where the two plans differ.
#[derive(Default)]
struct Survey {
    differing: Vec<BTreeSet<usize>>,
    /// By step, the planner's costs of own plans and of the generic one, and the tables it reads.
    costs: BTreeMap<usize, (Vec<f64>, f64, usize)>,
    /// Every set could be planned.
    whole: bool,
}

/// Executes the sets of an action by the plans that fit any parameters, on every side where they differ from the sets'
/// own on one.
///
/// # Errors
/// When a server is lost.
pub(super) async fn generic(
    sides: &mut [Asked<'_>],
    (action, sets): (usize, &[u64]),
    counted: &mut [Vec<CountedAction>],
) -> Result<(), TrialError> {
    let mut surveys = Vec::new();
    for (asked, counted) in sides.iter_mut().zip(counted.iter_mut()) {
        prepare(asked, action, &mut counted[action]).await?;
        surveys.push(survey(asked, (action, sets), &mut counted[action]).await?);
    }
    let wanted = |set: usize| -> BTreeSet<usize> {
        surveys.iter().filter_map(|survey| survey.differing.get(set)).flatten().copied().collect()
    };
    let wanted: Vec<BTreeSet<usize>> = (0..sets.len()).map(wanted).collect();
    let limit = sides.iter().map(|asked| asked.longest).max().unwrap_or_default() * MAX_TIMES;
    let limit = limit.max(MIN_LIMIT);
    let clock = Clock::start();
    let mut stopped = 0;
    for (position, (set, steps)) in sets.iter().zip(&wanted).enumerate().filter(|(_, (_, steps))| !steps.is_empty()) {
        let leave = stopped >= MAX_STOPPED || Duration::from_nanos(clock.now_ns()) >= MAX_TIME;
        for (asked, counted) in sides.iter_mut().zip(counted.iter_mut()) {
            if leave {
                counted[action].generic_left += 1;
                continue;
            }
            let found = execute(asked, (action, *set), (steps, limit), &mut counted[action]).await?;
            stopped += usize::from(found.iter().any(|step| step.failed.is_some()));
            if let Some(set) = counted[action].sets.get_mut(position) {
                set.generic = found;
            }
        }
    }
    for ((asked, counted), survey) in sides.iter_mut().zip(counted.iter_mut()).zip(&surveys) {
        let steps: BTreeSet<usize> = survey.differing.iter().flatten().copied().collect();
        for step in steps {
            let choice = choice(asked, (action, step), survey).await?;
            counted[action].choices.push(choice);
        }
        counted[action].generic_asked = survey.whole;
        release(asked, action).await?;
    }
    Ok(())
}

/// Statements that are prepared with parameters, with their positions.
fn prepared(action: &PlannedAction) -> impl Iterator<Item = (usize, &PlannedStep)> {
    let sent = action.steps.iter().enumerate();
    sent.filter(|(_, step)| !step.arguments.is_empty() && step.protocol == Protocol::Prepared)
}

fn name(step: usize) -> String {
    format!("weighbridge_{step}")
}

/// Prepares the statements, and plans each for any parameters.
async fn prepare(asked: &mut Asked<'_>, action: usize, found: &mut CountedAction) -> Result<(), TrialError> {
    asked.prepared.clear();
    for (position, step) in prepared(&asked.workload.actions[action]) {
        let name = name(position);
        if fetch(&mut asked.connection, &format!("PREPARE {name} AS {}", step.sql)).await?.is_err() {
            continue;
        }
        asked.prepared.insert(position);
        let nulls = vec!["NULL"; step.arguments.len()].join(", ");
        run(&mut asked.connection, "BEGIN").await?;
        run(&mut asked.connection, "SET LOCAL plan_cache_mode = force_generic_plan").await?;
        let sql = format!("EXPLAIN (FORMAT JSON) EXECUTE {name}({nulls})");
        if let Ok(rows) = fetch(&mut asked.connection, &sql).await? {
            let plan = known(found, Plan::read(&document(&rows)));
            found.generic.push(plan);
        }
        run(&mut asked.connection, "ROLLBACK").await?;
    }
    Ok(())
}

async fn release(asked: &mut Asked<'_>, action: usize) -> Result<(), TrialError> {
    for (position, _) in prepared(&asked.workload.actions[action]) {
        if asked.prepared.remove(&position) {
            fetch(&mut asked.connection, &format!("DEALLOCATE {}", name(position))).await?.ok();
        }
    }
    Ok(())
}

/// Plans every set both ways.
async fn survey(
    asked: &mut Asked<'_>,
    (action, sets): (usize, &[u64]),
    found: &mut CountedAction,
) -> Result<Survey, TrialError> {
    let planned = &asked.workload.actions[action];
    let mut survey =
        Survey { whole: prepared(planned).all(|(step, _)| asked.prepared.contains(&step)), ..Survey::default() };
    if asked.prepared.is_empty() {
        return Ok(survey);
    }
    for (position, set) in sets.iter().enumerate() {
        // What is refused is counted as what it is.
        let refused = found.sets.get(position).is_some_and(|set| set.failed.is_some());
        let mut differing = BTreeSet::new();
        run(&mut asked.connection, "BEGIN").await?;
        let mut values = drawn(asked.workload, action, *set);
        for (at, step) in planned.steps.iter().enumerate().filter(|(_, step)| !refused && step.bracket.is_none()) {
            if asked.prepared.contains(&at)
                && let Some(both) = both(asked, (at, step), &values).await?
            {
                let (own, generic) = (Plan::read(&both.own), Plan::read(&both.generic));
                let costs = survey.costs.entry(at).or_default();
                costs.0.push(own.planned_cost);
                (costs.1, costs.2) = (generic.planned_cost, generic.relations.len());
                if signature(&both.own) != signature(&both.generic) {
                    differing.insert(at);
                }
            }
            if !go_on(asked, planned, at, &mut values).await? {
                break;
            }
        }
        run(&mut asked.connection, "ROLLBACK").await?;
        survey.differing.push(differing);
    }
    Ok(survey)
}

/// Executes a step where later ones may need what it does or answers; false where the server refuses.
async fn go_on<'v>(
    asked: &mut Asked<'_>,
    action: &'v PlannedAction,
    at: usize,
    values: &mut Vec<Value<'v>>,
) -> Result<bool, TrialError> {
    let step = &action.steps[at];
    if action.steps[at + 1..].iter().all(|step| step.bracket.is_some()) {
        return Ok(true);
    }
    let Some(text) = text_of(action, step, values) else { return Ok(true) };
    let Ok(rows) = fetch(&mut asked.connection, &returning(&text)).await? else { return Ok(false) };
    take(step, &rows, values);
    Ok(true)
}

/// A statement that executes a prepared one with values.
fn execution(at: usize, step: &PlannedStep, values: &[Value<'_>]) -> Option<String> {
    let literals = step.literals(values).ok()?;
    Some(format!("EXECUTE {}({})", name(at), literals.join(", ")))
}

async fn both(
    asked: &mut Asked<'_>,
    (at, step): (usize, &PlannedStep),
    values: &[Value<'_>],
) -> Result<Option<Planned>, TrialError> {
    let Some(execute) = execution(at, step, values) else { return Ok(None) };
    run(&mut asked.connection, "SAVEPOINT two_plans").await?;
    let mut plans = Vec::new();
    for mode in ["SET LOCAL plan_cache_mode = force_custom_plan", "SET LOCAL plan_cache_mode = force_generic_plan"] {
        run(&mut asked.connection, mode).await?;
        match fetch(&mut asked.connection, &format!("EXPLAIN (FORMAT JSON) {execute}")).await? {
            Ok(rows) => plans.push(document(&rows)),
            Err(_) => break,
        }
    }
    run(&mut asked.connection, "ROLLBACK TO SAVEPOINT two_plans").await?;
    let generic = plans.pop().filter(|_| plans.len() == 1);
    Ok(generic.zip(plans.pop()).map(|(generic, own)| Planned { own, generic }))
}

/// A plan as far as it decides what is read: its nodes, what they read, and by how many conditions an index leads
/// there.
fn signature(document: &Json) -> String {
    fn walk(node: &Json, out: &mut String) {
        let text = |key: &str| node.get(key).and_then(Json::as_str).unwrap_or_default();
        let conditions = |key: &str| match text(key) {
            "" => 0,
            condition => without_strings(condition).matches(" AND ").count() + 1,
        };
        let reads = if text("Index Name").is_empty() { text("Relation Name") } else { text("Index Name") };
        let (strategy, parallel) = (text("Strategy"), node.get("Workers Planned").is_some());
        out.push_str(&format!(
            "{} {strategy} {} {reads} {} {} {parallel}(",
            text("Node Type"),
            text("Join Type"),
            conditions("Index Cond"),
            text("Scan Direction")
        ));
        for child in node.get("Plans").and_then(Json::as_array).into_iter().flatten() {
            walk(child, out);
        }
        out.push(')');
    }
    let mut out = String::new();
    if let Some(top) = document.get(0).and_then(|one| one.get("Plan")) {
        walk(top, &mut out);
    }
    out
}

/// A condition without what stands in quotes.
fn without_strings(condition: &str) -> String {
    condition.split('\'').step_by(2).collect()
}

/// One set with these steps by their generic plans.
async fn execute(
    asked: &mut Asked<'_>,
    (action, set): (usize, u64),
    (steps, limit): (&BTreeSet<usize>, Duration),
    found: &mut CountedAction,
) -> Result<Vec<GenericStep>, TrialError> {
    let planned = &asked.workload.actions[action];
    let mut values = drawn(asked.workload, action, set);
    let mut done = Vec::new();
    run(&mut asked.connection, "BEGIN").await?;
    for (at, step) in planned.steps.iter().enumerate().filter(|(_, step)| step.bracket.is_none()) {
        if steps.contains(&at)
            && let Some(execute) = execution(at, step, &values)
        {
            run(&mut asked.connection, "SAVEPOINT executed").await?;
            run(&mut asked.connection, "SET LOCAL plan_cache_mode = force_generic_plan").await?;
            let limit = format!("SET LOCAL statement_timeout = {}", limit.as_millis());
            let _ = fetch(&mut asked.connection, &limit).await?;
            let sql = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {execute}");
            let outcome = fetch(&mut asked.connection, &sql).await?;
            run(&mut asked.connection, "ROLLBACK TO SAVEPOINT executed").await?;
            let step = u32::try_from(at).unwrap_or(u32::MAX);
            done.push(match outcome {
                Ok(rows) => {
                    let document = document(&rows);
                    let executed = Executed::read(&document);
                    GenericStep {
                        step,
                        plan: Some(known(found, Plan::read(&document))),
                        blocks: executed.blocks_hit + executed.blocks_read,
                        temp_blocks: executed.temp_blocks,
                        failed: None,
                    }
                }
                Err(code) => GenericStep { step, failed: Some(code), ..GenericStep::default() },
            });
        }
        if !go_on(asked, planned, at, &mut values).await? {
            break;
        }
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok(done)
}

/// In how many sessions the server takes the generic plan of a step: as sessions show that plan the sets one after the
/// other, as executing them would. Where values come from earlier steps, by the server's own comparison of costs.
async fn choice(
    asked: &mut Asked<'_>,
    (action, at): (usize, usize),
    survey: &Survey,
) -> Result<PlanChoice, TrialError> {
    let planned = &asked.workload.actions[action];
    let step = &planned.steps[at];
    let mut choice = PlanChoice { step: u32::try_from(at).unwrap_or(u32::MAX), sessions: 0, generic: 0 };
    if !step.arguments.iter().all(|(slot, _)| planned.is_parameter(*slot)) {
        let Some((own, generic, relations)) = survey.costs.get(&at) else { return Ok(choice) };
        let first: Vec<f64> = own.iter().take(BEFORE_CHOICE as usize - 1).copied().collect();
        let mean = first.iter().sum::<f64>() / first.len().max(1) as f64;
        (choice.sessions, choice.generic) = (1, u32::from(*generic < mean + planning_cost(*relations)));
        return Ok(choice);
    }
    for session in 0..SESSIONS {
        if fetch(&mut asked.connection, &format!("PREPARE weighbridge_chosen AS {}", step.sql)).await?.is_err() {
            continue;
        }
        run(&mut asked.connection, "BEGIN").await?;
        let mut is_generic = false;
        for n in 0..PLANNED {
            let values = drawn(asked.workload, action, session * PLANNED + n);
            let Ok(literals) = step.literals(&values) else { continue };
            let sql = format!("EXPLAIN EXECUTE weighbridge_chosen({})", literals.join(", "));
            if fetch(&mut asked.connection, &sql).await?.is_err() {
                break;
            }
            if n + 1 == BEFORE_CHOICE || n + 1 == PLANNED {
                is_generic |= has_chosen(asked).await?;
            }
            if is_generic {
                break;
            }
        }
        run(&mut asked.connection, "ROLLBACK").await?;
        fetch(&mut asked.connection, "DEALLOCATE weighbridge_chosen").await?.ok();
        choice.sessions += 1;
        choice.generic += u32::from(is_generic);
    }
    Ok(choice)
}

async fn has_chosen(asked: &mut Asked<'_>) -> Result<bool, TrialError> {
    let sql = "SELECT (generic_plans > 0)::text FROM pg_prepared_statements WHERE name = 'weighbridge_chosen'";
    let Ok(rows) = fetch(&mut asked.connection, sql).await? else { return Ok(false) };
    Ok(rows.first().and_then(|row| row.try_get::<String, _>(0).ok()).is_some_and(|is| is == "true"))
}

/// What the server adds to the cost of a custom plan for making it: a thousand operators for each table and one more
/// (PostgreSQL source, `cached_plan_cost`), at the default `cpu_operator_cost`.
fn planning_cost(relations: usize) -> f64 {
    1_000.0 * 0.0025 * (relations as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_conditions_do_not_lead_to_is_another_plan() {
        let plan = |condition: Json| {
            serde_json::json!([{"Plan": {"Node Type": "Limit", "Plans": [
                {"Node Type": "Index Scan", "Index Name": "i", "Index Cond": condition}]}}])
        };
        let of = |condition: Json| signature(&plan(condition));
        assert_eq!(of("(f = 6)".into()), of("(f = $1)".into()));
        assert_ne!(of("(f = 6)".into()), of(Json::Null));
        assert_eq!(of("((f = 6) AND (g = 'a AND b'::text))".into()), of("((f = $1) AND (g = $2))".into()));
        assert_ne!(of("((f >= 'a') AND (f < 'b'))".into()), of("(f = $1)".into()));
    }
}
