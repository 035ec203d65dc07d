//! Puts a plan's rows into empty tables: off with what slows COPY, load, back on exactly, vacuum.
//!
//! Must leave the journal behind whenever something is off.

pub mod append;
pub mod blocked;
pub mod check;
mod copy;
mod finish;
pub mod held;
mod horizon;
pub mod journal;
pub mod probe;
pub mod session;
mod statement;
mod strip;
pub mod tried;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::encode::EncodeError;
use super::plan::Plan;
use crate::diagnostic::Advice;
use crate::postgres::catalog::Catalog;
use crate::postgres::{Error, Target};
use journal::{Filling, Journal, Kind, Taken};
use session::{Guard, session};

/// What the loader is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Rows sent so far, of all tables.
    Rows {
        /// The table that was sent last.
        table: String,
        /// Rows and bytes of it that were sent just now.
        sent: (u64, u64),
        /// Rows sent.
        done: u64,
        /// Rows there will be.
        total: u64,
    },
    /// A connection turns to something else.
    Turned {
        /// Which of the connections that load.
        connection: usize,
        /// What it does now; nothing when it waits or is done.
        to: Option<Doing>,
    },
    /// Indexes and constraints restored so far.
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
    /// The rows are in and the schema is whole, but something that makes them fast could not be done.
    Warning(String),
    /// Tables vacuumed so far.
    Vacuumed {
        /// How many.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// What a connection that loads is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Rows.
    Copy,
    /// An index or a unique constraint.
    Index,
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
    /// A table that was empty when the load began holds rows now.
    #[error("the table `{0}` got rows from somebody else while it was about to be filled")]
    NotEmpty(String),
    /// A trigger of a table that was filled before wrote into it.
    #[error("triggers of other tables wrote rows into `{0}` before it was filled, and its keys would meet theirs")]
    FilledByTrigger(String),
}

impl Advice for LoadError {
    fn inner(&self) -> Option<&dyn Advice> {
        match self {
            Self::Server(error) => Some(error),
            Self::Encode(error) => Some(error),
            _ => None,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotEmpty(..) => "let nothing else write during a load".to_owned(),
            Self::FilledByTrigger(first) => {
                format!("leave it to the triggers: [table.{first}] row-count = \"0\" in a spec")
            }
            _ => return self.inner()?.help(),
        })
    }
}

/// What is loaded, and by how many.
#[derive(Debug, Clone)]
pub struct Order {
    /// Names spec, seed and scale.
    pub digest: String,
    /// Connections that load.
    pub connections: usize,
    /// Which part of the rows, from 1, and of how many.
    pub part: (u32, u32),
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// All of it.
    Whole,
    /// This part; this many rows of tables are still missing from others.
    Part {
        /// Parts that are not in yet.
        missing: u32,
    },
}

/// Loads the plan's tables over several connections, each table through one of them, so that rows stand in the heap in
/// the order of the plan whatever their number. Goes on where a load that was cut off stopped, if its journal is there.
/// Of a dataset in parts the last one puts everything back.
///
/// # Errors
/// When the server refuses or a value does not fit; the journal then says what [`journal::undo`] will undo.
pub async fn load(
    target: &Target,
    guard: &mut Guard,
    plan: &Arc<Plan>,
    catalog: &Catalog,
    order: &Order,
    listener: &Listener,
) -> Result<Loaded, LoadError> {
    let mut connection = session(target).await?;
    if !journal::is_there(&mut connection).await? {
        strip::take_off(&mut connection, plan, catalog, order).await?;
    }
    if 1 < order.part.1 {
        guard.share().await?;
    }
    let journal = journal::read(&mut connection).await?.expect("it was just written");
    let keys: Vec<Taken> = journal.taken.iter().filter(|t| t.kind == Kind::ForeignKey).cloned().collect();
    let secured: Vec<Taken> = journal.taken.iter().filter(|t| t.kind == Kind::RowSecurity).cloned().collect();
    if order.part.1 == 1 {
        fill(target, plan, &journal, order, true, listener).await?;
    } else {
        fill(target, plan, &journal, order, false, listener).await?;
        let missing = finish::missing_parts(&mut connection).await?;
        if 0 < missing || !guard.ends().await? {
            return Ok(Loaded::Part { missing });
        }
        // Another program may have come to the end just before.
        let Some(journal) = journal::read(&mut connection).await? else { return Ok(Loaded::Part { missing: 0 }) };
        fill(target, plan, &journal, order, true, listener).await?;
    }
    listener(Progress::Indexed);
    // One at a time: each locks two tables, and two of them could wait for each other.
    for (done, key) in keys.iter().enumerate() {
        strip::put_back(&mut connection, key).await?;
        listener(Progress::Restored { done: done + 1, total: keys.len() });
    }
    finish::end(&mut connection, plan, &secured).await?;
    listener(Progress::Bound);
    let frozen = order.part.1 == 1 && !plan.tables.iter().any(|table| table.partitioned);
    finish::tidy_up(target, plan, frozen, order.connections, listener).await;
    Ok(Loaded::Whole)
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

impl Task {
    fn doing(&self) -> Option<Doing> {
        match self {
            Self::Copy(_) => Some(Doing::Copy),
            Self::Index(_) => Some(Doing::Index),
            Self::Wait | Self::Done => None,
        }
    }
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
    journal: &Journal,
    order: &Order,
    and_indexes: bool,
    listener: &Listener,
) -> Result<(), LoadError> {
    let of_part = |f: &&Filling| !f.loaded && f.part == order.part.0;
    let left: Vec<&str> = journal.tables.iter().filter(of_part).map(|f| f.table.as_str()).collect();
    // Largest first, so that the last connection does not end alone with the largest table.
    let mut tables: Vec<usize> =
        (0..plan.tables.len()).filter(|t| left.contains(&plan.tables[*t].sql_name.as_str())).collect();
    tables.sort_by_key(|t| std::cmp::Reverse(plan.tables[*t].rows * plan.tables[*t].columns.len() as u64));
    let total = tables.iter().map(|t| copy::range(plan, *t, order.part)).map(|r| r.end - r.start).sum();
    let indexes = journal.taken.iter().filter(|t| and_indexes && t.kind == Kind::OfTable).cloned();
    let of_waiting = |taken: &Taken| left.iter().any(|name| taken.table == *name);
    let (waiting, ready): (Vec<Taken>, Vec<Taken>) = indexes.partition(of_waiting);
    let restorable = waiting.len() + ready.len();
    let work = Work { tables: tables.into(), waiting, ready: ready.into(), copying: 0, indexed: 0 };
    let work = Arc::new(Mutex::new(work));
    let (sent, changed) = (Arc::new(AtomicU64::new(0)), Arc::new(tokio::sync::Notify::new()));
    let mut workers = JoinSet::new();
    for number in 0..order.connections.max(1) {
        let (target, plan, work, order) = (target.clone(), Arc::clone(plan), Arc::clone(&work), order.clone());
        let (sent, listener, changed) = (Arc::clone(&sent), Arc::clone(listener), Arc::clone(&changed));
        workers.spawn(async move {
            let mut connection = session(&target).await?;
            loop {
                let waiting = changed.notified();
                let task = work.lock().expect("no holder panics").next(order.connections);
                listener(Progress::Turned { connection: number, to: task.doing() });
                match task {
                    Task::Copy(table) => {
                        let tell = |rows: u64, bytes: u64| {
                            let done = sent.fetch_add(rows, Ordering::Relaxed) + rows;
                            let table = plan.tables[table].name.clone();
                            listener(Progress::Rows { table, sent: (rows, bytes), done, total });
                        };
                        copy::fill_table(&mut connection, &plan, table, order.part, tell).await?;
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
    all(workers).await
}

/// Waits for all; the first failure ends the others.
async fn all(mut workers: JoinSet<Result<(), LoadError>>) -> Result<(), LoadError> {
    while let Some(ended) = workers.join_next().await {
        ended.expect("a loader task does not panic")?;
    }
    Ok(())
}
