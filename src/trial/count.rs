//! Single operations on idle sides, counted and compared answer by answer. Must leave no row changed: every one is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};

use super::answer::{
    Comparable, Rows, Tables, Unsteady, add_answers, comparable, sorted_part, takes_a_part, untraced, with_ties,
};
use super::error::TrialError;
use super::event::{Event, Listener};
use super::survey::{PLANNED, Planned, Survey, planned};
use super::trace::{Tracer, columns_of_tables, small_tables};
use crate::evidence::{AccessPath, CountedAction, CountedSet, PlanFacts, PlanShape, Side};
use crate::expression::Value;
use crate::postgres::error::database_error;
use crate::postgres::explain::{Executed, Plan};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::{identifier, trusted};
use crate::postgres::{Error, Target};
use crate::scenario::program::{Keep, Protocol};
use crate::scenario::workload::{PlannedAction, PlannedStep};
use crate::scenario::{Stream, Workload};
use crate::sql;

/// The stream of the parameters: none of the load's.
const STREAM: u64 = u64::MAX;

/// A side that is asked.
pub(super) struct Asked<'w> {
    pub(super) connection: PgConnection,
    pub(super) workload: &'w Workload,
    /// Looks up what writes do to tables; only where nobody else writes.
    tracer: Option<Tracer>,
}

/// Asks every action with the same sets of parameters on every side; by side and action. Where nobody else is (`alone`), rows that
/// writes leave and take away are looked up too.
///
/// # Errors
/// When a server is lost. What it refuses is part of the evidence.
pub async fn count<'w>(
    targets: &[(Side, Target); 3],
    of: impl Fn(Side) -> &'w Workload,
    (sets, alone): (u32, bool),
    listener: &Listener,
) -> Result<BTreeMap<Side, Vec<CountedAction>>, TrialError> {
    let mut sides = Vec::new();
    for (side, target) in targets {
        let tracer = if alone { Some(Tracer::new(target).await?) } else { None };
        sides.push(Asked { connection: quiet(target).await?, workload: of(*side), tracer });
    }
    let control = targets.iter().position(|(side, _)| *side == Side::Control).unwrap_or_default();
    let mut tables = Tables::new();
    if alone {
        // Whatever the role that asks may see.
        let mut catalog = quiet(&targets[0].1.own()).await?;
        tables = columns_of_tables(&mut catalog).await?;
        if let Some(after) = targets.iter().position(|(side, _)| *side == Side::After) {
            // What a migration turns into something else is found elsewhere.
            let mut catalog_after = quiet(&targets[after].1.own()).await?;
            let of_after = columns_of_tables(&mut catalog_after).await?;
            tables.retain(|table, _| of_after.contains_key(table));
            let small = small_tables(&mut catalog).await?;
            let small: BTreeSet<String> =
                small.intersection(&small_tables(&mut catalog_after).await?).cloned().collect();
            sides.iter_mut().filter_map(|side| side.tracer.as_mut()).for_each(|tracer| tracer.small = small.clone());
        }
    }
    let actions = &of(Side::Before).actions;
    let counted = vec![vec![CountedAction::default(); actions.len()]; targets.len()];
    let mut counting = Counting { sides, control, tables, counted };
    let total = actions.len() as u32;
    for (done, action) in order(actions).into_iter().enumerate() {
        let tell = |sets: (usize, usize)| listener(Event::Counting { done: done as u32 + 1, total, sets });
        counting.action(action, sets, tell).await?;
    }
    Ok(targets.iter().map(|(side, _)| *side).zip(counting.counted).collect())
}

/// Sides that are there at the same time.
struct Counting<'w> {
    /// `before` first, `after` last.
    sides: Vec<Asked<'w>>,
    control: usize,
    /// What writes are looked up in.
    tables: Tables,
    /// By side and action.
    counted: Vec<Vec<CountedAction>>,
}

impl Counting<'_> {
    /// Asks an action with `sets` sets of parameters, and with more where the planner treats some as it treats none of these; says which
    /// of how many it begins.
    async fn action(&mut self, action: usize, sets: u32, tell: impl Fn((usize, usize))) -> Result<(), TrialError> {
        let survey = match &mut self.sides[..] {
            [before, .., after] => {
                let both = (planned(before, action, sets).await?, planned(after, action, sets).await?);
                Survey::of(both.0, both.1, sets)
            }
            _ => None,
        };
        let executed = Survey::executed(survey.as_ref(), sets);
        tell((0, executed.len()));
        self.set(action, warm_up(sets)).await?;
        self.counted.iter_mut().for_each(|side| side[action] = CountedAction::default());
        let mut answers = Vec::with_capacity(executed.len());
        for (begun, set) in executed.iter().enumerate() {
            tell((begun + 1, executed.len()));
            answers.push(self.set(action, *set).await?);
        }
        self.take_answers(action, &executed, &answers).await?;
        for (asked, counted) in self.sides.iter_mut().zip(&mut self.counted) {
            let counted = &mut counted[action];
            survey.iter().for_each(|survey| survey.weigh(counted));
            generic(asked, action, counted).await?;
        }
        Ok(())
    }

    /// One set on every side, so that what one does to the server's caches another does next; what each side answered.
    async fn set(&mut self, action: usize, set: u64) -> Result<Vec<Vec<Rows>>, TrialError> {
        let mut answers = Vec::new();
        for (asked, counted) in self.sides.iter_mut().zip(&mut self.counted) {
            answers.push(operation(asked, action, set, &mut counted[action]).await?);
        }
        Ok(answers)
    }

    /// Compares what the sides answered in all sets.
    async fn take_answers(
        &mut self,
        action: usize,
        sets: &[u64],
        answers: &[Vec<Vec<Rows>>],
    ) -> Result<(), TrialError> {
        let untraced = untraced(&mut self.counted, action, answers, &self.tables);
        // What is refused on one side leaves nothing there, which is told as what it is.
        let failed = |place: usize| self.counted.iter().any(|side| side[action].sets[place].failed.is_some());
        let nowhere = Tables::new();
        let tables = |place: usize| if failed(place) { &nowhere } else { &self.tables };
        let of_sets = answers.iter().enumerate();
        let all: Vec<Comparable> =
            of_sets.map(|(place, of_set)| comparable(of_set, tables(place), &untraced)).collect();
        let mut unsteady = Unsteady::default();
        all.iter().for_each(|of_set| unsteady.learn(of_set, self.control));
        let differing = (0..sets.len()).filter(|place| unsteady.differs(&all[*place])).take(AGAIN);
        for place in differing.collect::<Vec<usize>>() {
            let mut again = Vec::new();
            for asked in &mut self.sides {
                again.push(operation(asked, action, sets[place], &mut CountedAction::default()).await?);
            }
            let again = comparable(&again, &self.tables, &untraced);
            unsteady.learn(&again, self.control);
            unsteady.learn_again(&all[place], &again);
        }
        let mut looked = 0;
        for (place, of_set) in all.into_iter().enumerate() {
            add_answers(&mut self.counted, self.control, (action, place), of_set, &unsteady);
            if looked < ORDERED_SETS && in_another_order(&self.counted, self.control, (action, place)) {
                looked += 1;
                let wrote = self.counted[0][action].wrote;
                let places = if wrote { Vec::new() } else { places(&mut self.sides[0], action, sets[place]).await? };
                let answers = &mut self.counted[0][action].sets[place].answers;
                answers.iter_mut().zip(places).for_each(|(answer, total)| answer.total = total);
            }
        }
        Ok(())
    }
}

/// Counts of sides that are not there at the same time, with their answers until all of them are known.
#[derive(Default)]
pub(super) struct Apart {
    sides: Vec<(Side, Vec<CountedAction>)>,
    /// By side, action and set.
    answers: Vec<Vec<Vec<Vec<Rows>>>>,
    /// By action, how `after` plans sets, until `before` is there to be put beside it.
    foreseen: Vec<Option<Planned>>,
    /// By action.
    surveys: Vec<Option<Survey>>,
}

impl Apart {
    /// Plans sets of every action on `after`, which is there now, so that `before`, when it is there first of all, knows which to
    /// execute.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn foresee(&mut self, target: &Target, workload: &Workload, sets: u32) -> Result<(), TrialError> {
        let mut asked = Asked { connection: quiet(target).await?, workload, tracer: None };
        for action in 0..workload.actions.len() {
            self.foreseen.push(planned(&mut asked, action, sets).await?);
        }
        let _ = asked.connection.close().await;
        Ok(())
    }

    /// Asks every action on a side that is there now.
    ///
    /// # Errors
    /// When the server is lost. What it refuses is part of the evidence.
    pub(super) async fn add(
        &mut self,
        (side, target): (Side, &Target),
        workload: &Workload,
        sets: u32,
        listener: &Listener,
    ) -> Result<(), TrialError> {
        let mut asked = Asked { connection: quiet(target).await?, workload, tracer: None };
        let actions = &workload.actions;
        for (action, after) in std::mem::take(&mut self.foreseen).into_iter().enumerate() {
            self.surveys.push(Survey::of(planned(&mut asked, action, sets).await?, after, sets));
        }
        let mut counted = vec![CountedAction::default(); actions.len()];
        let mut answers: Vec<Vec<Vec<Rows>>> = vec![Vec::new(); actions.len()];
        let total = actions.len() as u32;
        for (done, action) in order(actions).into_iter().enumerate() {
            let survey = self.surveys.get(action).and_then(Option::as_ref);
            let executed = Survey::executed(survey, sets);
            let tell = |sets: (usize, usize)| listener(Event::Counting { done: done as u32 + 1, total, sets });
            tell((0, executed.len()));
            operation(&mut asked, action, warm_up(sets), &mut CountedAction::default()).await?;
            for (begun, set) in executed.iter().copied().enumerate() {
                tell((begun + 1, executed.len()));
                answers[action].push(operation(&mut asked, action, set, &mut counted[action]).await?);
            }
            survey.iter().for_each(|survey| survey.weigh(&mut counted[action]));
            generic(&mut asked, action, &mut counted[action]).await?;
        }
        let _ = asked.connection.close().await;
        self.sides.push((side, counted));
        self.answers.push(answers);
        Ok(())
    }

    /// What was counted, answers compared.
    pub(super) fn finish(self) -> BTreeMap<Side, Vec<CountedAction>> {
        let (sides, mut counted): (Vec<Side>, Vec<Vec<CountedAction>>) = self.sides.into_iter().unzip();
        let control = sides.iter().position(|side| *side == Side::Control).unwrap_or_default();
        let actions = counted.first().map_or(0, Vec::len);
        let mut answers = self.answers;
        for action in 0..actions {
            let mut of_sides: Vec<_> = answers.iter_mut().map(|side| side[action].drain(..)).collect();
            let next = || of_sides.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>();
            // What writes do to tables is not looked up here.
            let all: Vec<Comparable> =
                std::iter::from_fn(next).map(|of_set| comparable(&of_set, &Tables::new(), &BTreeSet::new())).collect();
            let mut unsteady = Unsteady::default();
            all.iter().for_each(|of_set| unsteady.learn(of_set, control));
            for (set, of_set) in all.into_iter().enumerate() {
                add_answers(&mut counted, control, (action, set), of_set, &unsteady);
            }
        }
        sides.into_iter().zip(counted).collect()
    }
}

/// Actions that only read, by their words, come first: what the others leave behind costs blocks.
fn order(actions: &[PlannedAction]) -> Vec<usize> {
    let writes = |action: &PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let mut order: Vec<usize> = (0..actions.len()).collect();
    order.sort_by_key(|action| writes(&actions[*action]));
    order
}

/// A set that none of the others is: it comes first, fills the caches of the sessions and is forgotten.
fn warm_up(sets: u32) -> u64 {
    u64::from(sets.max(PLANNED))
}

/// Sets of an action whose writes are looked up in the tables, which are read whole for it.
const TRACED_SETS: u64 = 2;

/// Sets in which the sides differ are asked again, so many: what a clock did between them is not there again.
const AGAIN: usize = 4;

/// Sets of an action whose rows come in another order on `after` of which is asked whether the order says the place of each: every row
/// costs the statement once more.
const ORDERED_SETS: u32 = 4;

/// Whether the last side gives the rows of a set in another order than the first, which agrees with the control.
fn in_another_order(counted: &[Vec<CountedAction>], control: usize, (action, set): (usize, usize)) -> bool {
    let of = |side: usize| counted.get(side)?.get(action)?.sets.get(set);
    let (Some(before), Some(control), Some(after)) = (of(0), of(control), of(counted.len() - 1)) else { return false };
    before.answers.iter().zip(&control.answers).zip(&after.answers).any(|((before, control), after)| {
        before.ordered == control.ordered && before.checksum == after.checksum && before.ordered != after.ordered
    })
}

/// Of each step of an operation, which must only read, whether it says the place of each of its rows.
async fn places(asked: &mut Asked<'_>, action: usize, set: u64) -> Result<Vec<bool>, TrialError> {
    let planned = &asked.workload.actions[action];
    let values = drawn(asked.workload, action, set);
    run(&mut asked.connection, "BEGIN").await?;
    run(&mut asked.connection, PATIENCE).await?;
    let (_, rows) = steps(&mut asked.connection, planned, values, (&mut CountedAction::default(), true)).await?;
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok(rows.iter().map(Rows::is_total).collect())
}

/// A statement that takes longer is not asked many times.
pub(super) const PATIENCE: &str = "SET LOCAL statement_timeout = '5s'";

/// The values of an action's slots for a set of parameters.
pub(super) fn drawn(workload: &Workload, action: usize, set: u64) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    workload.draw(action, Stream::lane(STREAM, 0, 1), set, &mut values);
    values
}

/// A step as SQL with its values; nothing where it needs one that no earlier step gave.
pub(super) fn text_of(action: &PlannedAction, step: &PlannedStep, values: &[Value<'_>]) -> Option<String> {
    let missing = |slot: &usize| !action.is_parameter(*slot) && values[*slot] == Value::Null;
    let mut text = Vec::new();
    let whole = step.arguments.iter().all(|(slot, _)| !missing(slot)) && step.as_text(values, &mut text).is_ok();
    whole.then(|| String::from_utf8_lossy(&text).into_owned())
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

/// The plans as a trial's evidence names them: shapes with how many sets had them, and every index.
#[must_use]
pub fn plan_facts(counted: &[CountedAction]) -> Vec<PlanFacts> {
    let facts = |action: &CountedAction| {
        let mut facts = PlanFacts::default();
        for plan in action.sets.iter().flat_map(|set| &set.plans).map(|plan| &action.plans[*plan as usize]) {
            *facts.shapes.entry(plan.shape.clone()).or_default() += 1;
            facts.indexes.extend(plan.paths.iter().flat_map(|path| path.indexes.clone()));
        }
        let generic = action.generic.iter().flat_map(|plan| &action.plans[*plan as usize].paths);
        facts.indexes.extend(generic.flat_map(|path| path.indexes.clone()));
        facts.indexes.sort();
        facts.indexes.dedup();
        facts
    };
    counted.iter().map(facts).collect()
}

/// One operation of an action on a side, undone; what it answered.
async fn operation(
    asked: &mut Asked<'_>,
    action: usize,
    set: u64,
    found: &mut CountedAction,
) -> Result<Vec<Rows>, TrialError> {
    run(&mut asked.connection, "BEGIN").await?;
    let values = drawn(asked.workload, action, set);
    let planned = &asked.workload.actions[action];
    if let Some(tracer) = &mut asked.tracer {
        tracer.begin(&mut asked.connection).await?;
    }
    let (mut counted, mut rows) = steps(&mut asked.connection, planned, values, (found, false)).await?;
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
async fn transaction(connection: &mut PgConnection) -> Result<Option<String>, TrialError> {
    let own = fetch(connection, "SELECT pg_current_xact_id_if_assigned()::xid::text").await?;
    Ok(own.ok().and_then(|rows| rows.first()?.try_get::<String, _>(0).ok()))
}

/// Every step once; those that need a value no earlier step gave are left out. Where `ordered` is asked, also whether a statement
/// says the place of each row.
pub(super) async fn steps<'v>(
    connection: &mut PgConnection,
    action: &'v PlannedAction,
    mut values: Vec<Value<'v>>,
    (found, ordered): (&mut CountedAction, bool),
) -> Result<(CountedSet, Vec<Rows>), TrialError> {
    let mut counted = CountedSet::default();
    let mut answers = Vec::new();
    for step in action.steps.iter().filter(|step| step.bracket.is_none()) {
        let Some(text) = text_of(action, step, &values) else { continue };
        // Tagged as the load's: the server keeps the text it saw first for equal statements.
        let tag = &step.tag;
        if let Ok(document) = explained(connection, &tagged(&text, tag)).await? {
            let mut executed = Executed::read(&document);
            // The first to touch a page after a checkpoint writes it whole: what the second does is the operation's own. Always,
            // so that sequences come as far on every side.
            if sql::may_write(&step.sql)
                && let Ok(again) = explained(connection, &tagged(&text, tag)).await?
            {
                let again = Executed::read(&again);
                (executed.wal_records, executed.wal_bytes) = (again.wal_records, again.wal_bytes);
            }
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
    Ok((counted, answers))
}

/// Whether the order of a statement that takes the first rows says which they are: as many come with all that tie with the last.
async fn ends_without_ties(connection: &mut PgConnection, text: &str, rows: usize) -> Result<bool, TrialError> {
    let Some(text) = with_ties(text) else { return Ok(false) };
    let more = rows + 1;
    let sql =
        format!("SELECT count(*)::text FROM (SELECT 1 FROM ({text}) all_of_them LIMIT {more}) no_more_than_needed");
    run(connection, "SAVEPOINT counted").await?;
    let found = fetch(connection, &sql).await?;
    run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    let found = found.ok().and_then(|found| found.first()?.try_get::<String, _>(0).ok()?.parse::<usize>().ok());
    Ok(found == Some(rows))
}

/// More rows than these are not looked through for ties.
const ORDERED_ROWS: usize = 32;

/// Whether the order of a statement says the place of each of its rows: no row ties with the next.
async fn orders_totally(connection: &mut PgConnection, text: &str, rows: usize) -> Result<bool, TrialError> {
    let Some(sorted) = sorted_part(text).filter(|_| (2..=ORDERED_ROWS).contains(&rows)) else { return Ok(false) };
    let alone = (1..rows).map(|n| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM ({sorted}FETCH FIRST ({n}) ROWS WITH TIES) ties LIMIT {n} + 1) no_more) = {n}"
        )
    });
    let sql = format!("SELECT ({})::text", alone.collect::<Vec<_>>().join(" AND "));
    run(connection, "SAVEPOINT counted").await?;
    let found = fetch(connection, &sql).await?;
    run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    Ok(found
        .is_ok_and(|found| found.first().is_some_and(|row| row.try_get::<String, _>(0).is_ok_and(|is| is == "true"))))
}

/// A statement executed and undone, with what it cost.
async fn explained(connection: &mut PgConnection, text: &str) -> Result<Result<serde_json::Value, String>, Error> {
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
    counted.wal_full_pages += executed.wal_full_pages;
    counted.wal_bytes += executed.wal_bytes;
    counted.planned_rows += plan.planned_rows;
    counted.planned_cost += plan.planned_cost;
    counted.plans.push(known(found, plan));
}

/// The position of a plan among those found.
fn known(found: &mut CountedAction, plan: Plan) -> u32 {
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

/// The plans that fit any parameters, which the server may take after five executions.
async fn generic(asked: &mut Asked<'_>, action: usize, found: &mut CountedAction) -> Result<(), TrialError> {
    run(&mut asked.connection, "BEGIN").await?;
    run(&mut asked.connection, "SET LOCAL plan_cache_mode = force_generic_plan").await?;
    let prepared = |step: &&PlannedStep| !step.arguments.is_empty() && step.protocol == Protocol::Prepared;
    for step in asked.workload.actions[action].steps.iter().filter(prepared) {
        run(&mut asked.connection, "SAVEPOINT counted").await?;
        let nulls = vec!["NULL"; step.arguments.len()].join(", ");
        let prepared = fetch(&mut asked.connection, &format!("PREPARE weighbridge_generic AS {}", step.sql)).await?;
        if prepared.is_ok() {
            let sql = format!("EXPLAIN (FORMAT JSON) EXECUTE weighbridge_generic({nulls})");
            if let Ok(rows) = fetch(&mut asked.connection, &sql).await? {
                let position = known(found, Plan::read(&document(&rows)));
                found.generic.push(position);
            }
            // Prepared statements outlive a rollback.
            run(&mut asked.connection, "ROLLBACK TO SAVEPOINT counted").await?;
            run(&mut asked.connection, "DEALLOCATE weighbridge_generic").await?;
        } else {
            run(&mut asked.connection, "ROLLBACK TO SAVEPOINT counted").await?;
        }
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    Ok(())
}

/// A statement that writes without saying what it wrote, made to say it.
fn returning(text: &str) -> String {
    let words = sql::words(text);
    let writes = words.first().is_some_and(|first| ["insert", "update", "delete"].contains(&first.as_str()));
    if writes && !words.iter().any(|word| word == "returning") {
        format!("{text}\nRETURNING *")
    } else {
        text.to_owned()
    }
}

/// Gives slots the values of the first row of a result.
pub(super) fn take(step: &PlannedStep, rows: &[PgRow], values: &mut [Value<'_>]) {
    let Some(row) = rows.first().filter(|_| step.keep != Keep::Nothing) else { return };
    for (column, slot, _) in &step.captures {
        let text = row.try_get_raw(*column).ok().and_then(|raw| raw.as_str().ok().map(str::to_owned));
        values[*slot] = text.map_or(Value::Null, |text| Value::Text(text.into()));
    }
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
