//! Puts a plan's rows into an empty database: off with what slows COPY, load, back on exactly, vacuum.
//!
//! Must only be given a database this program made. A failure leaves it half full: the caller drops it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::encode::{self, EncodeError};
use super::plan::Plan;
use crate::postgres::sql_text::{identifier, literal, query, trusted};
use crate::postgres::{Error, Target};

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
/// so that rows stand in the heap in the order of the plan whatever their number.
///
/// # Errors
/// When the server refuses or a value does not fit; the database is then half full.
pub async fn load(target: &Target, plan: Arc<Plan>, connections: usize, listener: Listener) -> Result<(), LoadError> {
    let mut connection = target.connect().await?;
    let taken = take_off(&mut connection).await?;
    copy_tables(target, &plan, connections, &listener).await?;
    put_back(target, &mut connection, &taken, connections, &listener).await?;
    continue_counters(&mut connection, &plan).await?;
    refresh(&mut connection).await?;
    vacuum(target, &mut connection, connections, &listener).await
}

/// Something that was dropped and how to make it again.
struct Taken {
    is_foreign_key: bool,
    restore: Vec<String>,
}

/// Drops foreign keys, unique constraints and plain indexes, and silences triggers, which would write rows
/// of their own. Primary keys stay: rows come in their order.
async fn take_off(connection: &mut PgConnection) -> Result<Vec<Taken>, Error> {
    let doing = |e| Error::doing("take indexes and constraints off for the load", e);
    let rows = query(
        "SELECT k.contype = 'f', format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
                format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
                'COMMENT ON CONSTRAINT ' || format('%I ON %s', k.conname, k.conrelid::regclass) AS object,
                obj_description(k.oid, 'pg_constraint') AS comment
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype = 'u'
         LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE k.contype IN ('f', 'u') AND k.conparentid = 0 AND n.nspname !~ '^pg_'
           AND (k.contype = 'f' OR c.relkind = 'r' AND NOT c.relispartition AND NOT i.indisreplident AND NOT i.indisclustered
                                    AND ic.reloptions IS NULL AND ic.reltablespace = 0)
         UNION ALL
         SELECT false, format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid),
                format('COMMENT ON INDEX %s', i.indexrelid::regclass), obj_description(i.indexrelid, 'pg_class')
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND NOT c.relispartition AND n.nspname !~ '^pg_'
           AND NOT i.indisreplident AND NOT i.indisclustered
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
         UNION ALL
         SELECT false, format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
                format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                       CASE t.tgenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname),
                '', NULL
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND n.nspname !~ '^pg_'
         ORDER BY 1 DESC, 2",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(doing)?;
    let mut taken = Vec::new();
    for row in &rows {
        let text = |index: usize| row.try_get::<String, _>(index).map_err(doing);
        run(connection, &text(1)?, "take indexes and constraints off for the load").await?;
        let mut restore = vec![text(2)?];
        if let Some(comment) = row.try_get::<Option<String>, _>(4).map_err(doing)? {
            restore.push(format!("{} IS {}", text(3)?, literal(&comment)));
        }
        taken.push(Taken { is_foreign_key: row.try_get(0).map_err(doing)?, restore });
    }
    Ok(taken)
}

async fn copy_tables(
    target: &Target,
    plan: &Arc<Plan>,
    connections: usize,
    listener: &Listener,
) -> Result<(), LoadError> {
    // Largest first, so that the last connection does not end alone with the largest table.
    let mut order: Vec<usize> = (0..plan.tables.len()).filter(|t| 0 < plan.tables[*t].rows).collect();
    order.sort_by_key(|t| std::cmp::Reverse(plan.tables[*t].rows * plan.tables[*t].columns.len() as u64));
    let total = plan.tables.iter().map(|t| t.rows).sum();
    let queue = Arc::new(Mutex::new(VecDeque::from(order)));
    let sent = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..connections.max(1) {
        let (target, plan, queue) = (target.clone(), Arc::clone(plan), Arc::clone(&queue));
        let (sent, listener) = (Arc::clone(&sent), Arc::clone(listener));
        workers.spawn(async move {
            let mut connection = target.connect().await?;
            while let Some(table) = take(&queue) {
                let tell = |rows: u64| {
                    let done = sent.fetch_add(rows, Ordering::Relaxed) + rows;
                    listener(Progress::Rows { table: plan.tables[table].name.clone(), done, total });
                };
                copy_table(&mut connection, &plan, table, tell).await?;
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
    let holds_rows: bool = query(format!("SELECT EXISTS (SELECT FROM {})", spec.sql_name))
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
        run(connection, &format!("TRUNCATE {}", spec.sql_name), "truncate a table for the load").await?;
        ", FREEZE"
    };
    let columns: Vec<String> = spec.columns.iter().map(|c| identifier(&c.name)).collect();
    let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary{freeze})", spec.sql_name, columns.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await.map_err(doing)?;
    let mut chunks = generate(Arc::clone(plan), table);
    copy.send(encode::HEADER).await.map_err(doing)?;
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
    copy.send(encode::TRAILER).await.map_err(doing)?;
    copy.finish().await.map_err(doing)?;
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

async fn put_back(
    target: &Target,
    connection: &mut PgConnection,
    taken: &[Taken],
    connections: usize,
    listener: &Listener,
) -> Result<(), LoadError> {
    let total = taken.len();
    let done = Arc::new(AtomicU64::new(0));
    let tell = {
        let (done, listener) = (Arc::clone(&done), Arc::clone(listener));
        move || {
            let done = done.fetch_add(1, Ordering::Relaxed) as usize + 1;
            listener(Progress::Restored { done, total });
        }
    };
    let indexes = taken.iter().filter(|t| !t.is_foreign_key).map(|t| t.restore.clone()).collect();
    run_all(target, indexes, connections, "put an index back", tell.clone()).await?;
    // One at a time: each locks two tables, and two of them could wait for each other.
    for taken in taken.iter().filter(|t| t.is_foreign_key) {
        for sql in &taken.restore {
            run(connection, sql, "put a foreign key back").await?;
        }
        tell();
    }
    Ok(())
}

/// Identity and serial columns go on after the last row.
async fn continue_counters(connection: &mut PgConnection, plan: &Plan) -> Result<(), LoadError> {
    for table in &plan.tables {
        if let (Some(column), true) = (&table.counted_column, 0 < table.rows) {
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
    connections: usize,
    listener: &Listener,
) -> Result<(), LoadError> {
    let rows = query(
        "SELECT format(CASE c.relkind WHEN 'p' THEN 'ANALYZE %s' ELSE 'VACUUM (FREEZE, ANALYZE) %s' END, c.oid::regclass)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         ORDER BY pg_table_size(c.oid) DESC",
    )
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
