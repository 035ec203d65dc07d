//! After the rows: sequences, the end of the journal, materialized views, vacuum. Must not undo what is in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

use super::journal::Taken;
use super::session::session;
use super::statement::run;
use super::{Listener, Progress, horizon, journal};
use crate::postgres::sql_text::{identifier, literal, query};
use crate::postgres::{Error, Target};
use crate::seed::plan::Plan;

/// How many parts of the dataset are not wholly in.
pub(super) async fn missing_parts(connection: &mut PgConnection) -> Result<u32, Error> {
    query("SELECT count(DISTINCT part) FROM weighbridge.seed_tables WHERE NOT loaded")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map(|n| n as u32)
        .map_err(|e| Error::doing("count the parts that are in", e))
}

/// Sequences go on after the last row, and nothing is off any more: the load is whole.
pub(super) async fn end(connection: &mut PgConnection, plan: &Plan, secured: &[Taken]) -> Result<(), Error> {
    const END: &str = "end the load";
    run(connection, "BEGIN", END).await?;
    continue_sequences(connection, plan).await?;
    for sql in secured.iter().flat_map(|taken| &taken.restore) {
        run(connection, sql, END).await?;
    }
    journal::forget(connection).await?;
    run(connection, "COMMIT", END).await
}

/// The sequences behind identity columns and `nextval` defaults, owned or not; none of them goes backwards.
pub(super) async fn continue_sequences(connection: &mut PgConnection, plan: &Plan) -> Result<(), Error> {
    for table in plan.tables.iter().filter(|t| 0 < t.rows && !t.held) {
        let doing = |e| Error::doing(format!("continue the sequences of `{}`", table.name), e);
        for column in &table.counted_columns {
            let rows = query(
                "SELECT DISTINCT d.seq::regclass::text FROM (
                     SELECT d.objid AS seq FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid
                     AND a.attnum = d.refobjsubid
                     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                     AND d.deptype IN ('a', 'i')
                       AND d.refobjid = $1::regclass AND a.attname = $2
                     UNION ALL
                     SELECT d.refobjid FROM pg_attrdef v JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass
                     AND d.objid = v.oid
                     JOIN pg_attribute a ON a.attrelid = v.adrelid AND a.attnum = v.adnum
                     WHERE d.refclassid = 'pg_class'::regclass AND v.adrelid = $1::regclass AND a.attname = $2) d
                 JOIN pg_class s ON s.oid = d.seq AND s.relkind = 'S'",
            )
            .bind(table.sql_name.clone())
            .bind(column.clone())
            .fetch_all(&mut *connection)
            .await
            .map_err(doing)?;
            for row in rows {
                let sequence: String = row.try_get(0).map_err(doing)?;
                let highest = format!("(SELECT coalesce(max({}), 0) FROM {})", identifier(column), table.own_rows);
                let go_on = format!(
                    "SELECT setval({}, greatest({highest}, CASE WHEN is_called THEN last_value ELSE 0 END, 1),
                                   0 < {highest} OR is_called) FROM {sequence}",
                    literal(&sequence)
                );
                run(connection, &go_on, "continue a sequence").await?;
            }
        }
    }
    Ok(())
}

/// Materialized views that read what was filled, and vacuum: without it an index-only scan fetches the heap and the
/// planner guesses. The rows are in by now, so that a failure is a warning. Rows that came `frozen` are visible to all.
pub(super) async fn tidy_up(target: &Target, plan: &Plan, frozen: bool, connections: usize, listener: &Listener) {
    let warn = |error: Error| listener(Progress::Warning(error.to_string()));
    let filled = plan.tables.iter().filter(|t| !t.held && 0 < t.rows);
    let list: Vec<String> = filled.map(|t| format!("{}::regclass", literal(&t.sql_name))).collect();
    if list.is_empty() {
        return;
    }
    match statements(target, &list.join(", ")).await {
        Ok((refreshes, vacuums)) => {
            let views = run_all(target, refreshes, 1, &warn, || {}).await;
            if !frozen {
                wait_for_older_snapshots(target, &warn, listener).await;
            }
            let done = AtomicUsize::new(0);
            let total = vacuums.len();
            let tell = || listener(Progress::Vacuumed { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            for outcome in [views, run_all(target, vacuums, connections, &warn, tell).await] {
                outcome.unwrap_or_else(warn);
            }
        }
        Err(error) => warn(error),
    }
}

/// Waits for sessions that would keep VACUUM from marking pages all-visible, and names those that still do.
async fn wait_for_older_snapshots(target: &Target, warn: &impl Fn(Error), listener: &Listener) {
    let looked = match session(target).await {
        Ok(mut connection) => horizon::wait_for_older_snapshots(&mut connection).await,
        Err(error) => Err(error),
    };
    match looked {
        Ok(None) => {}
        Ok(Some(sessions)) => listener(Progress::Warning(format!(
            "sessions with snapshots older than the rows keep VACUUM from marking pages all-visible: {sessions}; \
             index-only scans read the table until VACUUM runs again after they have ended"
        ))),
        Err(error) => warn(error),
    }
}

/// Views to refresh, in the order they were made, so that one may read another; tables to vacuum, largest first.
async fn statements(target: &Target, list: &str) -> Result<(Vec<String>, Vec<String>), Error> {
    let doing = |e| Error::doing("list what to refresh and to vacuum", e);
    let mut connection = session(target).await?;
    let readers = format!(
        "WITH RECURSIVE readers(oid) AS (
             SELECT c.oid FROM pg_class c WHERE c.oid IN ({list})
             UNION
             SELECT w.ev_class FROM readers r
             JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
             AND d.classid = 'pg_rewrite'::regclass
             JOIN pg_rewrite w ON w.oid = d.objid)"
    );
    let views = query(format!(
        "{readers} SELECT format('SET row_security = on; REFRESH MATERIALIZED VIEW %s', c.oid::regclass)
         FROM pg_class c JOIN readers USING (oid)
         WHERE c.relkind = 'm' AND c.relispopulated ORDER BY c.oid"
    ));
    let tables = query(format!(
        "{readers} SELECT format(CASE c.relkind WHEN 'p' THEN 'ANALYZE %s' ELSE 'VACUUM (FREEZE, ANALYZE) %s' END,
         c.oid::regclass)
         FROM pg_class c
         WHERE c.oid IN ({list}) OR c.relkind = 'm' AND c.relispopulated AND c.oid IN (SELECT oid FROM readers)
               OR c.relispartition AND c.relkind = 'r' AND pg_partition_root(c.oid) IN ({list})
         ORDER BY pg_table_size(c.oid) DESC"
    ));
    let mut lists = Vec::new();
    for list in [views, tables] {
        let rows = list.fetch_all(&mut connection).await.map_err(doing)?;
        lists.push(rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>().map_err(doing)?);
    }
    let tables = lists.pop().unwrap_or_default();
    Ok((lists.pop().unwrap_or_default(), tables))
}

/// Runs statements over several connections; one that fails is reported, and the others go on.
async fn run_all(
    target: &Target,
    statements: Vec<String>,
    connections: usize,
    warn: impl Fn(Error),
    tell: impl Fn(),
) -> Result<(), Error> {
    let queue = Arc::new(Mutex::new(VecDeque::from(statements)));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for _ in 0..connections.max(1) {
        let (target, queue, sender) = (target.clone(), Arc::clone(&queue), sender.clone());
        workers.spawn(async move {
            let mut connection = session(&target).await?;
            loop {
                let next = queue.lock().expect("no holder panics").pop_front();
                let Some(sql) = next else { return Ok::<(), Error>(()) };
                let _ = sender.send(run(&mut connection, &sql, "refresh or vacuum").await);
            }
        });
    }
    drop(sender);
    while let Some(outcome) = receiver.recv().await {
        outcome.unwrap_or_else(&warn);
        tell();
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("a loader task does not panic")?;
    }
    Ok(())
}
