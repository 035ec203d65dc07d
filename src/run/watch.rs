//! Looks at the server while it is driven, about once an interval. Must not hold up the load, and must say what looking
//! cost.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::evidence::view::{ServerSample, ServerView, StatementWork};
use crate::postgres::activity::{Activity, activity};
use crate::postgres::observe::{self, Snapshot, StatementCounters};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;

/// A look at the server that takes longer than this is given up: it has other things to do, or no session to spare.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits that are listed.
const MOST_WAITS: usize = 10;

/// Somebody who looks.
pub(super) struct Watch {
    looks: watch::Receiver<Look>,
    first: Option<Snapshot>,
    last: Option<Activity>,
    samples: Vec<ServerSample>,
    reset: bool,
    clock: Clock,
    task: Option<tokio::task::JoinHandle<()>>,
}

/// What was seen last.
#[derive(Debug, Clone, Default)]
struct Look {
    /// What was seen and how long it took, in nanoseconds.
    seen: Option<(Activity, u64)>,
    /// Why nothing was seen.
    failed: Option<String>,
}

impl Watch {
    /// Begins to look, on a connection of its own.
    ///
    /// A pooler may have no session to spare: where one is known it takes one for each look, and gives it back.
    pub(super) async fn start(target: &Target, every_s: f64, clock: Clock) -> Self {
        let direct = tokio::time::timeout(PATIENCE, target.is_direct()).await.unwrap_or(Some(false));
        let first = if direct == Some(false) { None } else { snapshot(target).await.ok() };
        let (sender, looks) = watch::channel(Look::default());
        let mut watcher = Watcher { target: target.clone(), kept: None, keep: direct != Some(false), clock };
        watcher.tell(&sender).await;
        let mut watch = Self { looks, first, last: None, samples: Vec::new(), reset: false, clock, task: None };
        watch.sample();
        let every_ns = (every_s * 1e9) as u64;
        watch.task = Some(tokio::spawn(async move {
            let mut next = clock.now_ns() + every_ns;
            loop {
                tokio::time::sleep_until(clock.instant(next)).await;
                watcher.tell(&sender).await;
                next = (next + every_ns).max(clock.now_ns());
            }
        }));
        watch
    }

    /// What the server did since the last time, if it was examined since.
    pub(super) fn sample(&mut self) -> Option<ServerSample> {
        if !self.looks.has_changed().unwrap_or(false) {
            return None;
        }
        let (now, took_ns) = self.looks.borrow_and_update().seen.clone()?;
        let sample = self.last.as_ref().map(|last| since(last, &now, took_ns));
        let back = self.last.as_ref().is_some_and(|last| now.commits < last.commits);
        self.reset |= back;
        self.last = Some(now);
        self.samples.extend(sample.clone().filter(|_| !back));
        sample.filter(|_| !back)
    }

    /// Ends it; counters of the workers must be visible by now. Its last looks are given up after `patience` each.
    pub(super) async fn finish(mut self, target: &Target, workload: &Workload, patience: Duration) -> ServerView {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.sample();
        let failed = self.looks.borrow().failed.clone();
        let mut view = summary(&self.samples);
        // A last look when everybody's counters are to be seen: of it the counters alone, for the load is over.
        let mut watcher = Watcher { target: target.clone(), kept: None, keep: false, clock: self.clock };
        if let (Some(last), Ok(Ok(now))) =
            (&self.last, tokio::time::timeout(patience.min(PATIENCE), watcher.ask()).await)
            && last.commits <= now.commits
        {
            add_counters(&mut view, &since(last, &now, 0));
        }
        view.reset = self.reset;
        view.unavailable = failed;
        let Some(first) = &self.first else {
            let why = "statements and indexes: no session to spare for them, or a pooler in between";
            view.unavailable.get_or_insert_with(|| why.to_owned());
            return view;
        };
        let last = tokio::time::timeout(patience, snapshot(target)).await;
        match last.unwrap_or_else(|_| Err("the server did not answer in time".to_owned())) {
            Ok(last) => {
                view.statements = statements(first, &last, workload);
                let scans = last.indexes.iter().filter_map(|(name, index)| {
                    let before = first.indexes.get(name).map_or(0, |index| index.scans);
                    let scans = u64::try_from(index.scans - before).ok().filter(|scans| 0 < *scans)?;
                    Some((name.clone(), scans))
                });
                view.index_scans = scans.collect();
            }
            Err(why) => view.unavailable = Some(why),
        }
        view
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Who asks, and how.
struct Watcher {
    target: Target,
    kept: Option<PgConnection>,
    keep: bool,
    clock: Clock,
}

impl Watcher {
    /// Looks once, and says what was seen.
    async fn tell(&mut self, sender: &watch::Sender<Look>) {
        let began = self.clock.now_ns();
        let seen = match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(seen) => seen.map_err(|error| cause(&error)),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let took = self.clock.now_ns() - began;
        sender.send_modify(|look| {
            look.failed = seen.as_ref().err().cloned();
            look.seen = seen.ok().map(|activity| (activity, took));
        });
    }

    async fn ask(&mut self) -> Result<Activity, Error> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => self.target.connect().await?,
        };
        let seen = activity(&mut connection).await?;
        if self.keep {
            self.kept = Some(connection);
        } else {
            let _ = connection.close().await;
        }
        Ok(seen)
    }
}

/// What went wrong, without names of hosts and users: it is kept in results.
fn cause(error: &Error) -> String {
    match error {
        Error::Connect { .. } | Error::NoAnswer { .. } | Error::TooOld { .. } => {
            "the server could not be reached".to_owned()
        }
        _ => "the server refused the question".to_owned(),
    }
}

/// Counters, or why there are none.
async fn snapshot(target: &Target) -> Result<Snapshot, String> {
    let take = async {
        let mut connection = target.connect().await?;
        observe::settle(&connection).await;
        let snapshot = observe::snapshot(&mut connection).await?;
        let _ = connection.close().await;
        Ok::<_, Error>(snapshot)
    };
    match tokio::time::timeout(PATIENCE, take).await {
        Ok(taken) => taken.map_err(|error| cause(&error)),
        Err(_) => Err("it had no session to spare, or its counters took too long".to_owned()),
    }
}

fn since(before: &Activity, now: &Activity, took_ns: u64) -> ServerSample {
    let added = |of: fn(&Activity) -> u64| of(now).saturating_sub(of(before));
    ServerSample {
        active: now.active,
        waits: now.waits.clone(),
        idle_in_transaction: now.idle_in_transaction,
        blocked: now.blocked,
        blocked_s_max: now.blocked_s_max,
        commits: added(|a| a.commits),
        rollbacks: added(|a| a.rollbacks),
        deadlocks: added(|a| a.deadlocks),
        blocks_hit: added(|a| a.blocks_hit),
        blocks_read: added(|a| a.blocks_read),
        temp_bytes: added(|a| a.temp_bytes),
        wal_bytes: now.wal_bytes.zip(before.wal_bytes).map(|(now, before)| now.saturating_sub(before)),
        checkpoints: added(|a| a.checkpoints),
        autovacuum_workers: now.autovacuum_workers,
        sample_ms: took_ns as f64 / 1e6,
    }
}

fn summary(samples: &[ServerSample]) -> ServerView {
    let count = samples.len().max(1) as f64;
    let mut view = ServerView { samples: samples.len() as u64, ..ServerView::default() };
    let mut waits: BTreeMap<&str, u64> = BTreeMap::new();
    for sample in samples {
        view.sample_ms_mean += sample.sample_ms / count;
        view.sample_ms_max = view.sample_ms_max.max(sample.sample_ms);
        view.active_mean += sample.active as f64 / count;
        view.blocked_max = view.blocked_max.max(sample.blocked);
        view.blocked_s_max = view.blocked_s_max.max(sample.blocked_s_max);
        view.autovacuum_samples += u64::from(0 < sample.autovacuum_workers);
        add_counters(&mut view, sample);
        for (event, sessions) in &sample.waits {
            *waits.entry(event).or_default() += sessions;
        }
    }
    let mut most: Vec<(&str, u64)> = waits.into_iter().collect();
    most.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
    let most = most.into_iter().take(MOST_WAITS);
    view.waits_mean = most.map(|(event, sessions)| (event.to_owned(), sessions as f64 / count)).collect();
    view
}

fn add_counters(view: &mut ServerView, sample: &ServerSample) {
    view.commits += sample.commits;
    view.rollbacks += sample.rollbacks;
    view.deadlocks += sample.deadlocks;
    view.blocks_hit += sample.blocks_hit;
    view.blocks_read += sample.blocks_read;
    view.temp_bytes += sample.temp_bytes;
    view.wal_bytes = sample.wal_bytes.map(|bytes| view.wal_bytes.unwrap_or(0) + bytes).or(view.wal_bytes);
    view.checkpoints += sample.checkpoints;
}

/// Counters of the statements of each action, added over its steps. The server keeps one text for equal statements, so
/// the work of actions that share one cannot be distinguished.
fn statements(first: &Snapshot, last: &Snapshot, workload: &Workload) -> Option<BTreeMap<String, StatementWork>> {
    let (first, last) = (first.statements.as_ref()?, last.statements.as_ref()?);
    let of_action = |action: &crate::scenario::workload::PlannedAction| {
        if workload.shares_a_statement(action) {
            return None;
        }
        let mut sum = StatementCounters::default();
        for step in &action.steps {
            let Some(end) = last.get(&step.tag) else { continue };
            let start = first.get(&step.tag).copied().unwrap_or_default();
            sum.calls += end.calls - start.calls;
            sum.rows += end.rows - start.rows;
            sum.blocks_hit += end.blocks_hit - start.blocks_hit;
            sum.blocks_read += end.blocks_read - start.blocks_read;
            sum.wal_bytes += end.wal_bytes - start.wal_bytes;
            sum.exec_ms += end.exec_ms - start.exec_ms;
        }
        let calls = u64::try_from(sum.calls).ok().filter(|calls| 0 < *calls)?;
        let per = |total: f64| total / calls as f64;
        let work = StatementWork {
            calls,
            exec_ms_mean: per(sum.exec_ms),
            blocks_per_call: per((sum.blocks_hit + sum.blocks_read) as f64),
            blocks_read_per_call: per(sum.blocks_read as f64),
            rows_per_call: per(sum.rows as f64),
            wal_bytes_per_call: per(sum.wal_bytes as f64),
        };
        Some((action.name.clone(), work))
    };
    Some(workload.actions.iter().filter_map(of_action).collect())
}
