//! Single operations on idle sides, counted and compared answer by answer. Must leave no row changed: every one is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Column, Connection, Executor, Row, TypeInfo};

use super::error::TrialError;
use super::event::{Event, Listener};
use crate::evidence::{AccessPath, Answer, CountedAction, CountedSet, PlanFacts, PlanShape, Side};
use crate::expression::Value;
use crate::postgres::error::database_error;
use crate::postgres::explain::{Executed, Plan};
use crate::postgres::observe::tagged;
use crate::postgres::sql_text::trusted;
use crate::postgres::{Error, Target};
use crate::scenario::program::Keep;
use crate::scenario::workload::{PlannedAction, PlannedStep};
use crate::scenario::{Stream, Workload};
use crate::sql;

/// The stream of the parameters: none of the load's.
pub(super) const STREAM: u64 = u64::MAX;

/// A side that is asked.
struct Asked<'w> {
    connection: PgConnection,
    workload: &'w Workload,
    /// Sees what a transaction that has not ended takes away; only where nobody else writes.
    witness: Option<PgConnection>,
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
        let witness = if alone { Some(witness(target).await?) } else { None };
        sides.push(Asked { connection: quiet(target).await?, workload: of(*side), witness });
    }
    let actions = &of(Side::Before).actions;
    let mut counted = vec![vec![CountedAction::default(); actions.len()]; targets.len()];
    for (done, action) in order(actions).into_iter().enumerate() {
        listener(Event::Counting { done: done as u32 + 1, total: actions.len() as u32 });
        // Set by set, so that what one side does to the server's caches another does next.
        for set in sets_of(sets) {
            let mut answers = Vec::new();
            for (asked, counted) in sides.iter_mut().zip(&mut counted) {
                answers.push(operation(asked, action, set, &mut counted[action]).await?);
            }
            if set == u64::from(sets) {
                counted.iter_mut().for_each(|side| side[action] = CountedAction::default());
            } else {
                add_answers(&mut counted, (action, set as usize), &answers);
            }
        }
        for (asked, counted) in sides.iter_mut().zip(&mut counted) {
            generic(asked, action, &mut counted[action]).await?;
        }
    }
    Ok(targets.iter().map(|(side, _)| *side).zip(counted).collect())
}

/// Counts of sides that are not there at the same time, with their answers until all of them are known.
#[derive(Default)]
pub(super) struct Apart {
    sides: Vec<(Side, Vec<CountedAction>)>,
    /// By side, action and set.
    answers: Vec<Vec<Vec<Vec<Rows>>>>,
}

impl Apart {
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
        let mut asked = Asked { connection: quiet(target).await?, workload, witness: None };
        let actions = &workload.actions;
        let mut counted = vec![CountedAction::default(); actions.len()];
        let mut answers: Vec<Vec<Vec<Rows>>> = vec![Vec::new(); actions.len()];
        for (done, action) in order(actions).into_iter().enumerate() {
            listener(Event::Counting { done: done as u32 + 1, total: actions.len() as u32 });
            for set in sets_of(sets) {
                let rows = operation(&mut asked, action, set, &mut counted[action]).await?;
                if set == u64::from(sets) {
                    counted[action] = CountedAction::default();
                } else {
                    answers[action].push(rows);
                }
            }
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
        let actions = counted.first().map_or(0, Vec::len);
        let mut answers = self.answers;
        for action in 0..actions {
            let mut of_sides: Vec<_> = answers.iter_mut().map(|side| side[action].drain(..)).collect();
            let mut set = 0;
            while let Some(of_set) = of_sides.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
                add_answers(&mut counted, (action, set), &of_set);
                set += 1;
            }
        }
        sides.into_iter().zip(counted).collect()
    }
}

/// Actions that only read come first: what the others leave behind costs blocks.
fn order(actions: &[PlannedAction]) -> Vec<usize> {
    let writes = |action: &PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let mut order: Vec<usize> = (0..actions.len()).collect();
    order.sort_by_key(|action| writes(&actions[*action]));
    order
}

/// The sets of an action: one that none of the others is comes first, fills the caches of the sessions and is forgotten.
fn sets_of(sets: u32) -> impl Iterator<Item = u64> {
    std::iter::once(u64::from(sets)).chain(0..u64::from(sets))
}

/// A session whose statements are not counted among the load's, where the role may say so.
pub(super) async fn quiet(target: &Target) -> Result<PgConnection, Error> {
    let mut connection = target.connect().await?;
    let _ = fetch(&mut connection, "SET pg_stat_statements.track = 'none'").await?;
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
    let mut values = Vec::new();
    asked.workload.draw(action, Stream::lane(STREAM, 0, 1), set, &mut values);
    let planned = &asked.workload.actions[action];
    let (counted, mut rows) = steps(&mut asked.connection, planned, values, found).await?;
    let writes = planned.steps.iter().any(|step| sql::may_write(&step.sql));
    if let Some(witness) = asked.witness.as_mut().filter(|_| writes && set < TRACED_SETS && counted.failed.is_none()) {
        rows.extend(traces(&mut asked.connection, witness).await?);
    }
    run(&mut asked.connection, "ROLLBACK").await?;
    found.sets.push(counted);
    Ok(rows)
}

/// Sets of an action whose writes are looked up in the tables, which are read whole for it.
const TRACED_SETS: u64 = 2;

/// The rows that the transaction leaves in every table it touched and those it takes away, through triggers and cascades too; of
/// tables that are not too large to be read whole.
async fn traces(connection: &mut PgConnection, witness: &mut PgConnection) -> Result<Vec<Rows>, TrialError> {
    let touched =
        "SELECT relid::regclass::text, pg_current_xact_id_if_assigned()::xid::text FROM pg_stat_xact_user_tables
                   WHERE 0 < n_tup_ins + n_tup_upd + n_tup_del AND pg_table_size(relid) < 256 << 20 ORDER BY 1";
    let mut found = Vec::new();
    let Ok(tables) = fetch(connection, touched).await? else { return Ok(found) };
    for row in tables {
        let (Ok(table), Ok(own)) = (row.try_get::<String, _>(0), row.try_get::<String, _>(1)) else { continue };
        run(connection, "SAVEPOINT counted").await?;
        // No older than the transaction: what follows a savepoint has a number of its own.
        let sql = format!("SELECT * FROM {table} WHERE age(xmin) <= age('{own}'::xid)");
        if let (Ok(left), Some(gone)) = (fetch(connection, &sql).await?, gone(connection, witness, &table, &own).await?)
        {
            found.push(Rows { of: Of::Left(table.clone()), ..Rows::new(&left, false) });
            found.push(Rows { of: Of::Gone(table), ..Rows::new(&gone, false) });
        }
        run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
    }
    Ok(found)
}

/// The rows of a table as they were that the transaction `own` deletes or replaces: another session still sees them, marked by it; a
/// row that it only locks is marked too, but is still there for it. Nothing where they cannot be read. A row that it locks first and
/// a block of its with an exception handler deletes then is overlooked: the server gives such a mark a number of another kind.
async fn gone(
    connection: &mut PgConnection,
    witness: &mut PgConnection,
    table: &str,
    own: &str,
) -> Result<Option<Vec<PgRow>>, TrialError> {
    let marked = format!("SELECT ctid::text FROM {table} WHERE age(xmax) <= age('{own}'::xid)");
    let Ok(marked) = fetch(witness, &marked).await? else { return Ok(None) };
    let place = |row: &PgRow| row.try_get::<String, _>(0).unwrap_or_default();
    let at = |places: &BTreeSet<String>| {
        let places: Vec<String> = places.iter().map(|place| format!("'{place}'")).collect();
        format!("ctid = ANY (ARRAY[{}]::tid[])", places.join(", "))
    };
    let mut places: BTreeSet<String> = marked.iter().map(place).collect();
    let still_there = format!("SELECT ctid::text FROM {table} WHERE {}", at(&places));
    let Ok(still_there) = fetch(connection, &still_there).await? else { return Ok(None) };
    let still_there: BTreeSet<String> = still_there.iter().map(place).collect();
    places.retain(|place| !still_there.contains(place));
    Ok(fetch(witness, &format!("SELECT * FROM {table} WHERE {}", at(&places))).await?.ok())
}

/// A session that never waits for what the counted one locks.
async fn witness(target: &Target) -> Result<PgConnection, Error> {
    let mut connection = quiet(target).await?;
    run(&mut connection, "SET lock_timeout = '1s'").await?;
    Ok(connection)
}

/// Adds the answers of all sides to one set, in the columns that all of them have: a migration may add one without changing what
/// was there.
fn add_answers(sides: &mut [Vec<CountedAction>], (action, set): (usize, usize), answers: &[Vec<Rows>]) {
    let Some(first) = answers.first() else { return };
    let of_steps = |side: &Vec<Rows>| side.iter().filter(|rows| rows.of == Of::Answer).count();
    let steps = answers.iter().map(of_steps).min().unwrap_or(0);
    let step = (0..steps).map(|step| answers.iter().map(|side| &side[step]).collect());
    // A table that `before` does not touch is the migration's own, such as a log that a new trigger writes; one that another side
    // does not touch has no row there.
    let none = Rows::new(&[], false);
    let table = first.iter().filter(|rows| rows.of != Of::Answer).map(|rows| {
        let same = |side: &'_ Vec<Rows>| side.iter().position(|other| other.of == rows.of);
        answers.iter().map(|side| same(side).map_or(&none, |at| &side[at])).collect()
    });
    let compared: Vec<Vec<&Rows>> = step.chain(table).collect();
    for of_sides in compared {
        let mut columns = of_sides[0].columns.clone();
        columns.retain(|column| of_sides.iter().all(|rows| rows.is_empty() || rows.columns.contains(column)));
        for (found, rows) in sides.iter_mut().zip(of_sides) {
            if let Some(set) = found[action].sets.get_mut(set) {
                set.answers.push(rows.answer(&columns));
            }
        }
    }
}

/// Every step once; those that need a value no earlier step gave are left out.
pub(super) async fn steps<'v>(
    connection: &mut PgConnection,
    action: &'v PlannedAction,
    mut values: Vec<Value<'v>>,
    found: &mut CountedAction,
) -> Result<(CountedSet, Vec<Rows>), TrialError> {
    let mut counted = CountedSet::default();
    let mut answers = Vec::new();
    for step in action.steps.iter().filter(|step| step.bracket.is_none()) {
        let missing = |slot: &usize| !action.is_parameter(*slot) && values[*slot] == Value::Null;
        let mut text = Vec::new();
        if step.arguments.iter().any(|(slot, _)| missing(slot)) || step.as_text(&values, &mut text).is_err() {
            continue;
        }
        // Tagged as the load's: the server keeps the text it saw first for equal statements.
        let text = String::from_utf8_lossy(&text).into_owned();
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
                answers.push(Rows::new(&rows, takes_a_part(&text)));
            }
            Err(code) => {
                counted.failed = Some(code);
                break;
            }
        }
    }
    Ok((counted, answers))
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
    let Plan { shape, paths, joins, sorts, aggregates, parallel, relations, settings, .. } = plan;
    let paths = paths.into_iter().map(|(relation, scan, indexes)| AccessPath { relation, scan, indexes }).collect();
    let relations = relations.into_iter().collect();
    let shape = PlanShape { shape, paths, joins, sorts, aggregates, parallel, relations, settings };
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
    for step in asked.workload.actions[action].steps.iter().filter(|step| !step.arguments.is_empty()) {
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
    let words: Vec<String> = words(text);
    let writes = words.first().is_some_and(|first| ["insert", "update", "delete"].contains(&first.as_str()));
    if writes && !words.iter().any(|word| word == "returning") {
        format!("{text}\nRETURNING *")
    } else {
        text.to_owned()
    }
}

/// Whether a new plan alone may change the answer: the statement takes a part of what it finds, or gathers rows in whatever order
/// they come.
fn takes_a_part(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "limit",
        "fetch",
        "offset",
        "array_agg",
        "string_agg",
        "json_agg",
        "jsonb_agg",
        "json_object_agg",
        "jsonb_object_agg",
        "xmlagg",
        "over",
        "distinct",
        "tablesample",
    ];
    words(text).iter().any(|word| WORDS.contains(&word.as_str()))
}

fn words(text: &str) -> Vec<String> {
    let words = sql::tokens(text).into_iter().filter(|token| token.kind == sql::Kind::Word);
    words.map(|token| text[token.span].to_ascii_lowercase()).collect()
}

/// Gives slots the values of the first row of a result.
fn take(step: &PlannedStep, rows: &[PgRow], values: &mut [Value<'_>]) {
    let Some(row) = rows.first().filter(|_| step.keep != Keep::Nothing) else { return };
    for (column, slot, _) in &step.captures {
        let text = row.try_get_raw(*column).ok().and_then(|raw| raw.as_str().ok().map(str::to_owned));
        values[*slot] = text.map_or(Value::Null, |text| Value::Text(text.into()));
    }
}

/// Rows of a result with the names of their columns.
#[derive(Clone)]
pub(super) struct Rows {
    of: Of,
    columns: Vec<String>,
    rows: Vec<Vec<Option<Vec<u8>>>>,
    partial: bool,
}

/// Where rows come from.
#[derive(Clone, PartialEq, Eq)]
enum Of {
    /// A statement gave them.
    Answer,
    /// They are left in a table.
    Left(String),
    /// They are no longer in a table.
    Gone(String),
}

impl Rows {
    fn new(found: &[PgRow], partial: bool) -> Self {
        let mut columns: Vec<String> = Vec::new();
        let mut inexact = false;
        for column in found.first().map_or(&[][..], |row| row.columns()) {
            // Names may come twice: the second is another column.
            let same = |known: &&String| known.split('\0').next() == Some(column.name());
            let nth = columns.iter().filter(same).count();
            columns.push(format!("{}\0{nth}", column.name()));
            // Sums of floating point depend on their order.
            inexact |= ["FLOAT4", "FLOAT8"].contains(&column.type_info().name());
        }
        let partial = partial || inexact;
        let value = |row: &PgRow, column: usize| row.try_get_raw(column).ok()?.as_bytes().ok().map(<[u8]>::to_vec);
        let rows = found.iter().map(|row| (0..row.columns().len()).map(|column| value(row, column)).collect());
        Self { of: Of::Answer, rows: rows.collect(), columns, partial }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn answer(&self, columns: &[String]) -> Answer {
        let places: Vec<usize> =
            columns.iter().filter_map(|column| self.columns.iter().position(|own| own == column)).collect();
        if places.is_empty() && !self.rows.is_empty() {
            return Answer { rows: self.rows.len() as u64, partial: self.partial, ..Answer::default() };
        }
        let (mut sum, mut ordered) = (0_u64, Sha256::new());
        for row in &self.rows {
            let mut hash = Sha256::new();
            for value in places.iter().map(|place| &row[*place]) {
                // The length keeps ("a", "b") and ("ab", "") apart, and NULL from the empty text.
                hash.update(value.as_ref().map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
                hash.update(value.as_deref().unwrap_or_default());
            }
            let digest = hash.finalize();
            sum = sum.wrapping_add(u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes")));
            ordered.update(digest);
        }
        // Rows in a table have no order.
        let ordered = if self.of == Of::Answer { ordered } else { Sha256::new() };
        let ordered: String = ordered.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Answer { rows: self.rows.len() as u64, checksum: format!("{sum:016x}"), ordered, partial: self.partial }
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
        assert!(takes_a_part("SELECT 1 ORDER BY 1 LIMIT 3") && !takes_a_part("SELECT 'limit' AS \"limit\""));
    }
}
