//! Functions of the user's own that run when an action is asked: called by its statements, and where its tables call
//! them. Their work in the processor is in no count. Must name functions, never their bodies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sqlx::Row;

use super::operation::{Asked, document, drawn, fetch, run, take, text_of};
use crate::evidence::{CountedAction, FunctionPlace, FunctionUse};
use crate::postgres::Target;
use crate::postgres::functions::{Routines, routines};
use crate::trial::error::TrialError;

/// What a side's catalog says of functions.
///
/// # Errors
/// When the server is lost.
pub(super) async fn of_side(target: &Target) -> Result<Routines, TrialError> {
    use sqlx::Connection;
    let mut connection = target.own().connect().await?;
    // Where a role may not read it, nothing is known of functions.
    let found = routines(&mut connection).await.unwrap_or_default();
    let _ = connection.close().await;
    Ok(found)
}

/// Tables by what is done to them: some of `r`, `i`, `u`, `d`.
type Touched = BTreeMap<String, BTreeSet<char>>;

/// Finds the functions that run when an action is asked with a set of parameters.
///
/// # Errors
/// When the server is lost.
pub(super) async fn look_for(
    asked: &mut Asked<'_>,
    (action, set): (usize, u64),
    routines: &Routines,
    found: &mut CountedAction,
) -> Result<(), TrialError> {
    let planned = &asked.workload.actions[action];
    let mut values = drawn(asked.workload, action, set);
    let (mut called, mut touched) = (BTreeSet::new(), Touched::new());
    run(&mut asked.connection, "BEGIN").await?;
    for step in planned.steps.iter().filter(|step| step.bracket.is_none()) {
        let Some(text) = text_of(planned, step, &values) else {
            called.extend(routines.called_in(&step.sql));
            continue;
        };
        run(&mut asked.connection, "SAVEPOINT looked").await?;
        match fetch(&mut asked.connection, &format!("EXPLAIN (VERBOSE, FORMAT JSON) {text}")).await? {
            // Functions in SQL that the planner has taken apart are in the plan as what they do.
            Ok(rows) => read_plan(&document(&rows), &mut |text| called.extend(routines.called_in(text)), &mut touched),
            Err(_) => {
                called.extend(routines.called_in(&step.sql));
                run(&mut asked.connection, "ROLLBACK TO SAVEPOINT looked").await?;
            }
        }
        match fetch(&mut asked.connection, &text).await? {
            Ok(rows) => take(step, &rows, &mut values),
            Err(_) => {
                run(&mut asked.connection, "ROLLBACK TO SAVEPOINT looked").await?;
                break;
            }
        }
    }
    written(asked, &mut touched).await?;
    run(&mut asked.connection, "ROLLBACK").await?;
    let mut uses: BTreeMap<String, BTreeSet<FunctionPlace>> = BTreeMap::new();
    let mut add = |routine: String, place: FunctionPlace| {
        for key in routines.with_all_they_call([routine].into()) {
            uses.entry(key).or_default().insert(place.clone());
        }
    };
    for routine in called {
        add(routine, FunctionPlace { kind: "statement".to_owned(), ..FunctionPlace::default() });
    }
    for place in &routines.places {
        let runs = touched.get(&place.table).is_some_and(|done| done.iter().any(|event| place.events.contains(*event)));
        if runs {
            let (kind, table, name) = (place.kind.clone(), place.table.clone(), place.name.clone());
            add(place.routine.clone(), FunctionPlace { kind, table, name });
        }
    }
    let of = |(key, places): (String, BTreeSet<FunctionPlace>)| {
        let digest = routines.routines.get(&key).map(|routine| routine.digest.clone()).unwrap_or_default();
        (key, FunctionUse { digest, places })
    };
    found.functions = uses.into_iter().map(of).collect();
    Ok(())
}

/// Adds the tables that the transaction wrote to, however it came to that, and the tables they are parts of.
async fn written(asked: &mut Asked<'_>, touched: &mut Touched) -> Result<(), TrialError> {
    let sql = "SELECT concat(n.nspname, '.', c.relname), concat(CASE WHEN s.n_tup_ins > 0 THEN 'i' END, CASE
               WHEN s.n_tup_upd > 0 THEN 'u' END,
                      CASE WHEN s.n_tup_del > 0 THEN 'd' END)
               FROM pg_stat_xact_user_tables s
               CROSS JOIN LATERAL (SELECT s.relid AS relid UNION SELECT a.relid
               FROM pg_partition_ancestors(s.relid) a) t
               JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0";
    let Ok(rows) = fetch(&mut asked.connection, sql).await? else { return Ok(()) };
    for row in &rows {
        let (Ok(table), Ok(events)) = (row.try_get::<String, _>(0), row.try_get::<String, _>(1)) else { continue };
        touched.entry(table).or_default().extend(events.chars());
    }
    Ok(())
}

/// Hands on every expression of a plan, and adds the tables that it reads and writes.
fn read_plan(node: &Json, expression: &mut impl FnMut(&str), touched: &mut Touched) {
    match node {
        Json::String(text) => expression(text),
        Json::Array(all) => all.iter().for_each(|one| read_plan(one, expression, touched)),
        Json::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Json::as_str);
            if let (Some(schema), Some(relation)) = (text("Schema"), text("Relation Name")) {
                let name = format!("{schema}.{relation}");
                let event = match text("Operation") {
                    Some("Insert") => "iu",
                    Some("Update") => "u",
                    Some("Delete") => "d",
                    Some("Merge") => "iud",
                    _ => "r",
                };
                // Without a conflict an INSERT updates nothing.
                let event = if event == "iu" && text("Conflict Resolution") != Some("UPDATE") { "i" } else { event };
                touched.entry(name).or_default().extend(event.chars());
            }
            fields.values().for_each(|value| read_plan(value, expression, touched));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_what_it_calls_and_what_it_does_to_tables() {
        let plan = serde_json::json!([{"Plan": {"Node Type": "ModifyTable", "Operation": "Insert", "Schema": "public",
            "Relation Name": "order", "Conflict Resolution": "UPDATE",
            "Plans": [{"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "t",
                       "Filter": "(slow_ok(t.a) > 1)", "Output": ["a", "f(b)"]}]}}]);
        let (mut texts, mut touched) = (Vec::new(), Touched::new());
        read_plan(&plan, &mut |text| texts.push(text.to_owned()), &mut touched);
        assert!(texts.iter().any(|text| text == "(slow_ok(t.a) > 1)") && texts.iter().any(|text| text == "f(b)"));
        assert_eq!(touched["public.order"], ['i', 'u'].into());
        assert_eq!(touched["public.t"], ['r'].into());
    }
}
