//! Each index hidden in turn on the side `after`: which of them the actions need. Must leave every index as it was:
//! each is dropped in a transaction that is rolled back.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::operation::{drawn, fetch, quiet, run, steps};
use crate::diagnostic::Message;
use crate::evidence::{Ablated, CountedAction};
use crate::postgres::sql_text::{identifier, query};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::trial::error::TrialError;
use crate::trial::event::{Event, Listener};

/// Sets of parameters an action is asked with for each index: enough to see what it costs to do without.
const MOST_SETS: usize = 8;

/// Asks every action without each index its plans name, one index at a time. Indexes that enforce something are left
/// out: they are needed whether anybody scans them or not.
///
/// # Errors
/// When the server is lost.
pub async fn ablate(
    target: &Target,
    workload: &Workload,
    counted: &[CountedAction],
    listener: &Listener,
) -> Result<Vec<Ablated>, TrialError> {
    let mut connection = quiet(target).await?;
    let role = target.role().map_or_else(|| "NONE".to_owned(), identifier);
    let plans = counted.iter().flat_map(|action| &action.plans);
    let named: BTreeSet<String> = plans.flat_map(|plan| &plan.paths).flat_map(|path| path.indexes.clone()).collect();
    let indexes = droppable(&mut connection, named.into_iter().collect()).await?;
    let mut found = Vec::new();
    for (done, index) in indexes.iter().enumerate() {
        listener(Event::Ablating { index, done: done as u32 + 1, total: indexes.len() as u32 });
        let mut ablated = Ablated { index: index.clone(), ..Ablated::default() };
        for (action, known) in counted.iter().enumerate() {
            let asked = known.sampled().min(MOST_SETS);
            let (mut with, mut without) = (Some(0), Some(0));
            for set in 0..asked as u64 {
                // One after the other: what was rolled back before costs both the same.
                let each = blocks(&mut connection, workload, (action, set), (None, &role)).await?;
                with = with.zip(each).map(|(sum, blocks)| sum + blocks);
                let each = blocks(&mut connection, workload, (action, set), (Some(index), &role)).await?;
                without = without.zip(each).map(|(sum, blocks)| sum + blocks);
            }
            ablated.sets = asked as u32;
            let mean = |sum: Option<u64>| sum.map(|sum| sum as f64 / asked.max(1) as f64);
            ablated.blocks.push(mean(with));
            ablated.blocks_without.push(mean(without));
        }
        found.push(ablated);
    }
    Ok(found)
}

/// Qualified names of those indexes that enforce nothing.
async fn droppable(connection: &mut PgConnection, named: Vec<String>) -> Result<Vec<String>, Error> {
    let rows = query(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = ANY ($1) AND c.relkind = 'i' AND NOT i.indisunique AND NOT i.indisexclusion
         AND NOT i.indisreplident
           AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
         ORDER BY 1",
    )
    .bind(named)
    .fetch_all(connection)
    .await
    .map_err(|e| Error::doing("read the indexes", e))?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// Blocks one operation touches, without an index if one is named; nothing when the server refuses, such as for its
/// time.
async fn blocks(
    connection: &mut PgConnection,
    workload: &Workload,
    (action, set): (usize, u64),
    (without, role): (Option<&str>, &str),
) -> Result<Option<u64>, TrialError> {
    run(connection, "BEGIN").await?;
    if let Some(index) = without {
        // As the user, who owns it: the role that asks may not drop anything.
        let dropped =
            fetch(connection, &format!("SET LOCAL ROLE NONE; DROP INDEX {index}; SET LOCAL ROLE {role}")).await?;
        if let Err(code) = dropped {
            run(connection, "ROLLBACK").await?;
            return Err(TrialError::Asked(
                Message::new(format!("{index} cannot be hidden (SQLSTATE {code})"))
                    .help("prove without --ablate, or let the role own the tables"),
            ));
        }
    }
    let values = drawn(workload, action, set);
    let mut found = CountedAction::default();
    let counted = steps(connection, &workload.actions[action], values, (&mut found, false)).await?.0;
    run(connection, "ROLLBACK").await?;
    Ok(counted.failed.is_none().then(|| counted.blocks()))
}
