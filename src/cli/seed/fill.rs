//! The load itself, its progress, and the way back when it fails. Must leave the schema as it was, or say how to get
//! there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::inputs::Inputs;
use super::notes::Moment;
use super::{Arguments, notes, show};
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::interrupt::{interrupted, left, undoing};
use crate::cli::output::say;
use crate::cli::progress::Progress;
use crate::clock::Clock;
use crate::diagnostic::{Advice, Message};
use crate::postgres::{Target, row_security};
use crate::seed::load::append::Triggers;
use crate::seed::load::session::Guard;
use crate::seed::load::{self, Doing, Loaded, Order, append, check, journal};

/// Times of the stages, as the loader's events tell them, in nanoseconds.
#[derive(Debug, Default, Clone)]
pub(super) struct Stages {
    pub(super) rows: u64,
    pub(super) indexed: u64,
    pub(super) bound: u64,
    /// Time connections spent on rows, and on indexes, side by side.
    pub(super) copying: u64,
    pub(super) indexing: u64,
    /// What went to each table.
    pub(super) tables: BTreeMap<String, Sent>,
    /// What each connection is at, and since when.
    turned: Vec<(Option<Doing>, u64)>,
}

/// What went to a table since its first chunk, which only says when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    rows: u64,
    bytes: u64,
    began: u64,
    last: u64,
    is_first: bool,
}

impl Sent {
    fn new(now: u64) -> Self {
        Self { rows: 0, bytes: 0, began: now, last: now, is_first: true }
    }

    fn add(&mut self, (rows, bytes): (u64, u64), now: u64) {
        if !std::mem::replace(&mut self.is_first, false) {
            (self.rows, self.bytes, self.last) = (self.rows + rows, self.bytes + bytes, now);
        }
    }

    /// Rows and bytes a second; `None` when it was over too soon to tell.
    pub(super) fn rates(&self) -> Option<(u64, u64)> {
        let seconds = (self.last - self.began) as f64 / 1e9;
        (0.05 < seconds).then(|| ((self.rows as f64 / seconds) as u64, (self.bytes as f64 / seconds) as u64))
    }
}

impl Stages {
    fn hear(&mut self, event: &load::Progress, now: u64) {
        match event {
            load::Progress::Rows { table, sent, .. } => {
                self.rows = now;
                self.tables.entry(table.clone()).or_insert_with(|| Sent::new(now)).add(*sent, now);
            }
            load::Progress::Indexed => self.indexed = now,
            load::Progress::Bound => self.bound = now,
            load::Progress::Turned { connection, to } => {
                if self.turned.len() <= *connection {
                    self.turned.resize(connection + 1, (None, now));
                }
                let (before, since) = std::mem::replace(&mut self.turned[*connection], (*to, now));
                match before {
                    Some(Doing::Copy) => self.copying += now - since,
                    Some(Doing::Index) => self.indexing += now - since,
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// Loads, and prints what came of it.
pub(super) async fn fill(
    arguments: &Arguments,
    target: &Target,
    guard: &mut Guard,
    inputs: Inputs,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let order = Order {
        digest: inputs.digest,
        connections: arguments.loaders.map_or(processors.clamp(1, 4), usize::from),
        part: arguments.shard.unwrap_or((1, 1)),
    };
    let clock = Clock::start();
    let stages = Arc::new(Mutex::new(Stages::default()));
    let listener = listener(&stages, progress, clock);
    let (plan, spec, catalog) = (Arc::new(inputs.plan), inputs.spec, inputs.catalog);
    let _left = left(format!(
        "a load of {} that was cut off; `weighbridge seed --clean` there undoes it, `--resume` goes on",
        target.describe()
    ));
    let load = async {
        if plan.adds() || arguments.fire_triggers {
            let triggers = if arguments.fire_triggers { Triggers::Fire } else { Triggers::Off };
            return append::append(target, &plan, &catalog, triggers, &listener).await.map(|()| Loaded::Whole);
        }
        load::load(target, guard, &plan, &catalog, &order, &listener).await
    };
    let loaded = tokio::select! {
        loaded = load => Some(loaded),
        () = interrupted() => None,
    };
    match loaded {
        Some(Ok(Loaded::Whole)) => {}
        Some(Ok(Loaded::Part { missing })) => {
            let (part, parts) = order.part;
            let rest = match missing {
                0 => "all parts are in, and another program is putting indexes and constraints back".to_owned(),
                _ => format!(
                    "{} to come, and the last of them puts indexes and constraints back",
                    crate::units::plural(missing as usize, "part")
                ),
            };
            return say(&format!("part {part} of {parts} is in; {rest}\n")).map(|()| ExitStatus::Ok);
        }
        Some(Err(error)) => return Err(undone(target, guard, order.part, Some(error), progress).await),
        None => {
            let failure = undone(target, guard, order.part, None, progress).await;
            progress.line(&format!("{:#}", failure.error));
            return Ok(ExitStatus::Interrupted);
        }
    }
    let whole = clock.now_ns();
    let stages = stages.lock().expect("no holder panics").clone();
    show::summary(target, &plan, &stages, whole).await?;
    let mut connection = target.connect().await.map_err(Failure::environment)?;
    let lifted = row_security::begin_lifted(&mut connection).await.map_err(Failure::environment)?;
    let mut notes = crate::seed::notes::unfired(&plan, &catalog);
    if arguments.fire_triggers {
        notes.clear();
    }
    notes.extend(crate::seed::notes::few_parents(&plan));
    notes.extend(check::empty_keys(&mut connection, &plan, &catalog).await.map_err(Failure::environment)?);
    let hold = show::asserts(&mut connection, &spec).await?;
    say(&notes::text(&notes, Moment::Load))?;
    row_security::end_lifted(&mut connection, lifted).await.map_err(Failure::environment)?;
    Ok(if hold { ExitStatus::Ok } else { ExitStatus::Regressed })
}

fn listener(stages: &Arc<Mutex<Stages>>, progress: &Arc<Progress>, clock: Clock) -> load::Listener {
    let (stages, progress) = (Arc::clone(stages), Arc::clone(progress));
    Arc::new(move |event| {
        let now = clock.now_ns();
        stages.lock().expect("no holder panics").hear(&event, now);
        progress.loading(&event);
    })
}

/// How long a server may take to show the journal of a load, after which it is taken to hang.
const CONTACT: Duration = Duration::from_millis(1_100);

/// Tables that are named.
const MAX_NAMES: usize = 8;

/// Reports how an undoing goes on.
pub(super) fn tell(progress: &Progress) -> impl Fn(usize, usize) {
    |done, total| progress.status(format!("undoing: {done} of {total} statements"))
}

/// What is off and filled until a load is undone, and how that is done.
fn off(target: &Target, journal: &journal::Journal) -> String {
    let names = journal.table_names();
    let more = names.len().saturating_sub(MAX_NAMES);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!(
        "a load of {} is not undone: rows are in {}{rest}, and {} of their indexes, constraints and triggers are off; \
         `weighbridge seed --clean` there undoes it, `--resume` goes on, and weighbridge.seed_restore holds the \
         statements",
        target.describe(),
        names[..names.len() - more].join(", "),
        journal.taken_count()
    )
}

/// Takes a failed load back; what cannot be taken back is printed as SQL.
async fn undone(
    target: &Target,
    guard: &mut Guard,
    part: (u32, u32),
    error: Option<load::LoadError>,
    progress: &Progress,
) -> Failure {
    let cause = error.map_or_else(|| Message::new("interrupted"), |error| error.message());
    if 1 < part.1 {
        // The other parts may be at work: theirs is not ours to undo.
        return Failure::environment(
            cause
                .note("what this part had finished stays; indexes and constraints are off until every part is in")
                .help(format!(
                    "run --shard {}/{} again, or undo all parts with `weighbridge seed --clean`",
                    part.0, part.1
                )),
        );
    }
    let _undoing = undoing();
    let _left = match tokio::time::timeout(CONTACT, journal::read_at(target)).await {
        Ok(Ok(journal)) => journal.map(|journal| {
            progress.line("undoing the load; another Ctrl-C leaves it, and says what is left");
            left(off(target, &journal))
        }),
        Ok(Err(_)) => None,
        Err(_) => {
            return Failure::environment(
                cause
                    .note("the server does not answer, so the load is not undone")
                    .help("when it is back, `weighbridge seed --clean` undoes it and `--resume` goes on"),
            );
        }
    };
    match journal::undo(target, guard, tell(progress)).await {
        Ok(true) => Failure::environment(
            cause.note("the load was undone: tables are empty, indexes and constraints are as they were"),
        ),
        // Nothing is off: before the load began, after it had ended, or in one transaction with it.
        Ok(false) => Failure::environment(
            cause.note("indexes and constraints are in place; `weighbridge seed --check` prints which rows are in"),
        ),
        Err(problem) => {
            let left = async {
                let mut connection = target.connect().await.ok()?;
                journal::read(&mut connection).await.ok()?
            };
            let sql = match left.await {
                Some(journal) => format!("or run this SQL:\n{};", journal.sql().join(";\n")),
                None => "the SQL to run is in the table weighbridge.seed_restore of that database".to_owned(),
            };
            Failure::environment(cause.note(format!("the load could not be undone ({problem})")).help(format!(
                "when the server is back, `weighbridge seed --clean` undoes it and `--resume` goes on; {sql}"
            )))
        }
    }
}
