//! Puts a plan's rows into empty tables: off with what slows COPY, load, back on exactly, vacuum.
//!
//! Must leave the journal of [`strip`] behind whenever something is off.

pub mod check;
pub mod held;
pub mod probe;
pub mod strip;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::encode::{self, EncodeError};
use super::plan::Plan;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql_text::{identifier, literal, query, trusted};
use crate::postgres::{Error, Target};
use strip::Taken;

/// Bytes handed to the driver at a time; 8 KiB to 1 MiB measured alike, rows one by one do not.
const CHUNK_BYTES: usize = 256 << 10;

/// What the loader is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Rows sent so far, of all tables.
    Rows {
        /// The table that was sent last.
        table: String,
        /// Rows sent.
        done: u64,
        /// Rows there will be.
        total: u64,
    },
    /// Indexes and constraints put back so far.
    Restored {
        /// How many.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// Rows are in and indexes back; foreign keys follow.
    Indexed,
    /// Foreign keys are back; vacuum follows.
    Bound,
    /// Tables vacuumed so far.
    Vacuumed {
        /// How many.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// Hears progress, from any thread.
pub type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Why a load failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The server refused something.
    #[error(transparent)]
    Server(#[from] Error),
    /// A value did not fit its column.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The generator ended before its last row: a bug here; nothing of the table is kept.
    #[error("only {sent} of {planned} rows of `{table}` were made; this is a bug of weighbridge")]
    CutShort {
        /// The table.
        table: String,
        /// Rows that were made.
        sent: u64,
        /// Rows there should be.
        planned: u64,
    },
    /// A table the spec fills holds rows already.
    #[error("the table `{0}` holds rows already, put there by a migration\n  = help: leave it out of the dataset spec")]
    NotEmpty(String),
}

/// Loads every table of the plan over `connections` connections, each table through one of them,
/// so that rows stand in the heap in the order of the plan whatever their number. Goes on where a load
/// that was cut off stopped, if its journal is there.
///
/// # Errors
/// When the server refuses or a value does not fit; the journal then says what [`strip::undo`] will undo.
pub async fn load(
    target: &Target,
    plan: Arc<Plan>,
    catalog: &Catalog,
    digest: &str,
    connections: usize,
    listener: Listener,
) -> Result<(), LoadError> {
    let mut connection = target.connect().await?;
    strip::alone(&mut connection).await?;
    if strip::journal(&mut connection).await?.is_none() {
        strip::take_off(&mut connection, &plan, catalog, digest).await?;
    }
    let journal = strip::journal(&mut connection).await?.expect("it was just written");
    let keys: Vec<Taken> = journal.taken.iter().filter(|t| t.is_foreign_key).cloned().collect();
    fill(target, &plan, journal, connections, &listener).await?;
    listener(Progress::Indexed);
    let (total, mut done) = (keys.len(), 0);
    // One at a time: each locks two tables, and two of them could wait for each other.
    for key in &keys {
        strip::put_back(&mut connection, key).await?;
        done += 1;
        listener(Progress::Restored { done, total });
    }
    continue_counters(&mut connection, &plan).await?;
    refresh(&mut connection).await?;
    listener(Progress::Bound);
    vacuum(target, &mut connection, &plan, connections, &listener).await?;
    Ok(strip::forget(&mut connection).await?)
}

/// What is left to do before the foreign keys: tables to copy, and indexes of tables that are in.
struct Work {
    tables: VecDeque<usize>,
    waiting: Vec<Taken>,
    ready: VecDeque<Taken>,
    copying: usize,
    indexed: usize,
}

enum Task {
    Copy(usize),
    Index(Taken),
    Wait,
    Done,
}

impl Work {
    /// A copy, or the index of a table that is in: half of the connections build, so that both go on side by side.
    fn next(&mut self, connections: usize) -> Task {
        let build_first = connections / 2 <= self.copying && 0 < self.copying || self.tables.is_empty();
        if let Some(taken) = self.ready.pop_front_if(|_| build_first) {
            return Task::Index(taken);
        }
        if let Some(table) = self.tables.pop_front() {
            self.copying += 1;
            return Task::Copy(table);
        }
        match self.ready.pop_front() {
            Some(taken) => Task::Index(taken),
            None if 0 < self.copying => Task::Wait,
            None => Task::Done,
        }
    }

    fn copied(&mut self, sql_name: &str) {
        self.copying -= 1;
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|t| t.table == sql_name);
        self.waiting = waiting;
        let ready: Vec<Taken> = ready;
        self.ready.extend(ready);
    }
}

async fn fill(
    target: &Target,
    plan: &Arc<Plan>,
    journal: strip::Journal,
    connections: usize,
    listener: &Listener,
) -> Result<(), LoadError> {
    let left: Vec<&str> = journal.tables.iter().filter(|(_, loaded)| !loaded).map(|(name, _)| name.as_str()).collect();
    // Largest first, so that the last connection does not end alone with the largest table.
    let mut order: Vec<usize> =
        (0..plan.tables.len()).filter(|t| left.contains(&plan.tables[*t].sql_name.as_str())).collect();
    order.sort_by_key(|t| std::cmp::Reverse(plan.tables[*t].rows * plan.tables[*t].columns.len() as u64));
    let total = order.iter().map(|t| plan.tables[*t].rows).sum();
    let indexes: Vec<Taken> = journal.taken.into_iter().filter(|t| !t.is_foreign_key).collect();
    let of_waiting = |taken: &Taken| left.iter().any(|name| taken.table == *name);
    let (waiting, ready): (Vec<Taken>, Vec<Taken>) = indexes.into_iter().partition(of_waiting);
    let restorable = waiting.len() + ready.len();
    let work =
        Arc::new(Mutex::new(Work { tables: order.into(), waiting, ready: ready.into(), copying: 0, indexed: 0 }));
    let (sent, changed) = (Arc::new(AtomicU64::new(0)), Arc::new(tokio::sync::Notify::new()));
    let mut workers = JoinSet::new();
    for _ in 0..connections.max(1) {
        let (target, plan, work) = (target.clone(), Arc::clone(plan), Arc::clone(&work));
        let (sent, listener, changed) = (Arc::clone(&sent), Arc::clone(listener), Arc::clone(&changed));
        workers.spawn(async move {
            let mut connection = target.connect().await?;
            loop {
                let waiting = changed.notified();
                let task = work.lock().expect("no holder panics").next(connections);
                match task {
                    Task::Copy(table) => {
                        let tell = |rows: u64| {
                            let done = sent.fetch_add(rows, Ordering::Relaxed) + rows;
                            listener(Progress::Rows { table: plan.tables[table].name.clone(), done, total });
                        };
                        copy_table(&mut connection, &plan, table, tell).await?;
                        work.lock().expect("no holder panics").copied(&plan.tables[table].sql_name);
                        changed.notify_waiters();
                    }
                    Task::Index(taken) => {
                        strip::put_back(&mut connection, &taken).await?;
                        let done = {
                            let mut work = work.lock().expect("no holder panics");
                            work.indexed += 1;
                            work.indexed
                        };
                        listener(Progress::Restored { done, total: restorable });
                    }
                    Task::Wait => waiting.await,
                    Task::Done => break,
                }
            }
            Ok::<(), LoadError>(())
        });
    }
    finish(workers).await
}

async fn copy_table(
    connection: &mut PgConnection,
    plan: &Arc<Plan>,
    table: usize,
    tell: impl Fn(u64),
) -> Result<(), LoadError> {
    let spec = &plan.tables[table];
    let doing = |e| Error::doing(format!("load the table `{}`", spec.name), e);
    run(connection, "BEGIN", "begin a load").await?;
    let holds_rows: bool = query(format!("SELECT EXISTS (SELECT FROM {})", spec.own_rows))
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(doing)?;
    if holds_rows {
        return Err(LoadError::NotEmpty(spec.name.clone()));
    }
    // A table truncated in this transaction may be filled frozen, all-visible from the start.
    let freeze = if spec.partitioned {
        ""
    } else {
        run(connection, &format!("TRUNCATE ONLY {}", spec.sql_name), "truncate a table for the load").await?;
        ", FREEZE"
    };
    let columns: Vec<String> = spec.columns.iter().map(|c| identifier(&c.name)).collect();
    let format = if spec.text { "text" } else { "binary" };
    let statement = format!("COPY {} ({}) FROM STDIN (FORMAT {format}{freeze})", spec.sql_name, columns.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await.map_err(doing)?;
    let mut chunks = generate(Arc::clone(plan), table);
    if !spec.text {
        copy.send(encode::HEADER).await.map_err(doing)?;
    }
    let mut sent = 0;
    while let Some(chunk) = chunks.recv().await {
        let (bytes, rows) = chunk?;
        copy.send(bytes).await.map_err(doing)?;
        sent += rows;
        tell(rows);
    }
    if sent != spec.rows {
        return Err(LoadError::CutShort { table: spec.name.clone(), sent, planned: spec.rows });
    }
    if !spec.text {
        copy.send(encode::TRAILER).await.map_err(doing)?;
    }
    copy.finish().await.map_err(doing)?;
    query("UPDATE weighbridge.seed_tables SET loaded = true WHERE name = $1")
        .bind(spec.sql_name.clone())
        .execute(&mut *connection)
        .await
        .map_err(doing)?;
    run(connection, "COMMIT", "commit a load").await?;
    Ok(())
}

type Chunk = Result<(Vec<u8>, u64), EncodeError>;

/// Makes a table's rows on a thread of its own, a few chunks ahead of the connection.
fn generate(plan: Arc<Plan>, table: usize) -> mpsc::Receiver<Chunk> {
    const ROWS_AT_ONCE: u64 = 512;
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let total = plan.tables[table].rows;
        let mut from = 0;
        while from < total {
            let mut bytes = Vec::with_capacity(CHUNK_BYTES + (64 << 10));
            let first = from;
            while from < total && bytes.len() < CHUNK_BYTES {
                let to = (from + ROWS_AT_ONCE).min(total);
                if let Err(error) = encode::rows(&plan, table, from..to, &mut bytes) {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
                from = to;
            }
            // The receiver is gone when the load was given up.
            if sender.blocking_send(Ok((bytes, from - first))).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Identity and serial columns go on after the last row.
async fn continue_counters(connection: &mut PgConnection, plan: &Plan) -> Result<(), LoadError> {
    for table in plan.tables.iter().filter(|t| 0 < t.rows && !t.held) {
        for column in &table.counted_columns {
            query("SELECT setval(pg_get_serial_sequence($1, $2), $3)")
                .bind(table.sql_name.clone())
                .bind(column.clone())
                .bind(table.rows as i64)
                .execute(&mut *connection)
                .await
                .map_err(|e| Error::doing(format!("continue the sequence of `{}`", table.name), e))?;
        }
    }
    Ok(())
}

/// Materialized views were made from empty tables; in the order they were made, so that one may read another.
async fn refresh(connection: &mut PgConnection) -> Result<(), LoadError> {
    let rows = query(
        "SELECT format('REFRESH MATERIALIZED VIEW %s', c.oid::regclass) FROM pg_class c
         WHERE c.relkind = 'm' AND c.relispopulated ORDER BY c.oid",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(|e| Error::doing("list materialized views", e))?;
    for row in &rows {
        let sql: String = row.try_get(0).map_err(|e| Error::doing("read materialized views", e))?;
        run(connection, &sql, "refresh a materialized view").await?;
    }
    Ok(())
}

/// Without it an index-only scan fetches the heap and the planner guesses.
async fn vacuum(
    target: &Target,
    connection: &mut PgConnection,
    plan: &Plan,
    connections: usize,
    listener: &Listener,
) -> Result<(), LoadError> {
    let filled = plan.tables.iter().filter(|t| !t.held && 0 < t.rows);
    let list: Vec<String> = filled.map(|t| format!("{}::regclass", literal(&t.sql_name))).collect();
    if list.is_empty() {
        return Ok(());
    }
    let list = list.join(", ");
    let rows = query(format!(
        "SELECT format(CASE c.relkind WHEN 'p' THEN 'ANALYZE %s' ELSE 'VACUUM (FREEZE, ANALYZE) %s' END, c.oid::regclass)
         FROM pg_class c
         WHERE c.oid IN ({list}) OR c.relkind = 'm' AND c.relispopulated
               OR c.relispartition AND c.relkind = 'r' AND pg_partition_root(c.oid) IN ({list})
         ORDER BY pg_table_size(c.oid) DESC"
    ))
    .fetch_all(&mut *connection)
    .await
    .map_err(|e| Error::doing("list tables to vacuum", e))?;
    let statements: Vec<Vec<String>> = rows.iter().filter_map(|row| Some(vec![row.try_get(0).ok()?])).collect();
    let total = statements.len();
    let done = Arc::new(AtomicU64::new(0));
    let listener = Arc::clone(listener);
    let tell = move || {
        let done = done.fetch_add(1, Ordering::Relaxed) as usize + 1;
        listener(Progress::Vacuumed { done, total });
    };
    run_all(target, statements, connections, "vacuum and analyze", tell).await
}

/// Runs groups of statements, in order inside a group, over several connections.
async fn run_all(
    target: &Target,
    groups: Vec<Vec<String>>,
    connections: usize,
    doing: &'static str,
    tell: impl Fn() + Clone + Send + 'static,
) -> Result<(), LoadError> {
    let queue = Arc::new(Mutex::new(VecDeque::from(groups)));
    let mut workers = JoinSet::new();
    for _ in 0..connections.max(1) {
        let (target, queue, tell) = (target.clone(), Arc::clone(&queue), tell.clone());
        workers.spawn(async move {
            let mut connection = target.connect().await?;
            while let Some(group) = take(&queue) {
                for sql in &group {
                    run(&mut connection, sql, doing).await?;
                }
                tell();
            }
            Ok::<(), LoadError>(())
        });
    }
    finish(workers).await
}

/// Waits for all; the first failure ends the others.
async fn finish(mut workers: JoinSet<Result<(), LoadError>>) -> Result<(), LoadError> {
    while let Some(ended) = workers.join_next().await {
        ended.expect("a loader task does not panic")?;
    }
    Ok(())
}

fn take<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().expect("no holder panics").pop_front()
}

async fn run(connection: &mut PgConnection, sql: &str, doing: &str) -> Result<(), Error> {
    connection
        .execute(sqlx::raw_sql(trusted(sql)))
        .await
        .map(drop)
        .map_err(|e| Error::doing(format!("{doing} ({sql})"), e))
}
