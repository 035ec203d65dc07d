//! Looks at the server while it is driven, about once an interval. Must not hold up the load, and must say what looking cost.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::evidence::view::{ServerSample, ServerView, StatementWork};
use crate::postgres::activity::{Activity, activity};
use crate::postgres::observe::{self, Snapshot, StatementCounters};
use crate::postgres::{Error, Target};
use crate::scenario::Workload;

/// A look at the server that takes longer than this is given up: the server has other things to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits that are listed.
const MOST_WAITS: usize = 10;

/// Somebody who looks.
pub(super) struct Watch {
    looks: watch::Receiver<Look>,
    first: Option<Snapshot>,
    last: Option<Activity>,
    samples: Vec<ServerSample>,
    reset: bool,
    task: tokio::task::JoinHandle<()>,
}

/// What was seen last.
#[derive(Debug, Clone, Default)]
struct Look {
    /// Looks so far.
    number: u64,
    /// What was seen and how long it took, in nanoseconds.
    seen: Option<(Activity, u64)>,
    /// Why nothing was seen.
    failed: Option<String>,
}

impl Watch {
    /// Begins to look, on a connection of its own.
    pub(super) async fn start(target: &Target, every_s: f64, clock: Clock) -> Self {
        let first = snapshot(target).await.ok();
        let (sender, looks) = watch::channel(Look::default());
        let task = tokio::spawn(look(target.clone(), every_s, clock, sender));
        Self { looks, first, last: None, samples: Vec::new(), reset: false, task }
    }

    /// What the server did since the last time, if it was looked at since.
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

    /// Ends it; counters of the workers must be visible by now.
    pub(super) async fn finish(mut self, target: &Target, workload: &Workload) -> ServerView {
        self.sample();
        self.task.abort();
        let end = snapshot(target).await;
        let failed = self.looks.borrow().failed.clone();
        let mut view = summary(&self.samples);
        view.reset = self.reset;
        view.unavailable = failed.or_else(|| end.as_ref().err().map(ToString::to_string));
        if let (Some(first), Ok(last)) = (&self.first, &end) {
            view.statements = statements(first, last, workload);
            let scans = last.indexes.iter().filter_map(|(name, index)| {
                let before = first.indexes.get(name).map_or(0, |index| index.scans);
                u64::try_from(index.scans - before).ok().filter(|scans| 0 < *scans).map(|scans| (name.clone(), scans))
            });
            view.index_scans = scans.collect();
        }
        view
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(target: Target, every_s: f64, clock: Clock, sender: watch::Sender<Look>) {
    let mut connection = None;
    let mut next = clock.now_ns();
    loop {
        if connection.is_none() {
            connection = target.connect().await.ok();
        }
        let began = clock.now_ns();
        let seen = match &mut connection {
            Some(connection) => match tokio::time::timeout(PATIENCE, activity(connection)).await {
                Ok(seen) => seen.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            },
            None => Err("the server could not be reached".to_owned()),
        };
        let took = clock.now_ns() - began;
        if seen.is_err() {
            connection = None;
        }
        sender.send_modify(|look| {
            look.number += 1;
            look.failed = seen.as_ref().err().cloned();
            look.seen = seen.ok().map(|activity| (activity, took));
        });
        next = (next + (every_s * 1e9) as u64).max(clock.now_ns());
        tokio::time::sleep_until(clock.instant(next)).await;
    }
}

async fn snapshot(target: &Target) -> Result<Snapshot, Error> {
    let mut connection = target.connect().await?;
    observe::settle(&connection).await;
    let snapshot = observe::snapshot(&mut connection).await?;
    let _ = connection.close().await;
    Ok(snapshot)
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
        view.commits += sample.commits;
        view.rollbacks += sample.rollbacks;
        view.deadlocks += sample.deadlocks;
        view.blocks_hit += sample.blocks_hit;
        view.blocks_read += sample.blocks_read;
        view.temp_bytes += sample.temp_bytes;
        view.wal_bytes = sample.wal_bytes.map(|bytes| view.wal_bytes.unwrap_or(0) + bytes).or(view.wal_bytes);
        view.checkpoints += sample.checkpoints;
        view.autovacuum_samples += u64::from(0 < sample.autovacuum_workers);
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

/// Counters of the statements of each action, added over its steps.
fn statements(first: &Snapshot, last: &Snapshot, workload: &Workload) -> Option<BTreeMap<String, StatementWork>> {
    let (first, last) = (first.statements.as_ref()?, last.statements.as_ref()?);
    let of_action = |action: &crate::scenario::workload::PlannedAction| {
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
