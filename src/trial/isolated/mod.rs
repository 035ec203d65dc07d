//! Isolated timing: one operation at a time on idle sides, with the same parameters, in processor time and on the
//! clock. Must leave no row changed and no process on another processor than it had.
//!
//! The unit of analysis is a connection set: one new connection to every side, all kept on one processor, measured for
//! a fraction of a second and closed. Where a backend runs and how its memory is located is a constant of its
//! connection: many short connections turn what would be a bias into noise that the interval holds (docs/method.md).

mod affinity;
mod backend;
mod bench;
mod connection_set;
mod operation;
mod schedule;
mod session;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Connection, Row};
use tokio::sync::mpsc;

use self::bench::{Bench, BenchEvent};
use self::operation::Operation;
use self::schedule::Budget;
use super::error::TrialError;
use super::event::Event;
use super::prepare::Sitting;
use super::settings::{Settings, Subject};
use crate::diagnostic::Message;
use crate::evidence::{Evidence, Isolated, IsolatedAction, LeftOut, Side};
use crate::postgres::Target;
use crate::postgres::sql_text::query;

/// Measures every action on one set of sides and adds what was seen to the evidence.
///
/// # Errors
/// When a server is lost.
pub(super) async fn isolated(
    settings: &Settings,
    sitting: &Sitting,
    evidence: &mut Evidence,
    replicate: u32,
) -> Result<(), TrialError> {
    if matches!(settings.subject, Subject::InPlace(_)) {
        evidence.isolated = Some(Isolated { left_out: Some(LeftOut::InPlace), ..Isolated::default() });
        return Ok(());
    }
    let operations = operations(evidence);
    let budget = Budget::new(operations.len(), evidence.design.replicates);
    let fires_deferred = fires_deferred(sitting).await?;
    let targets = sitting.asking();
    let bench = Bench {
        targets: targets.map(|(_, target)| target),
        workloads: Side::ALL.map(|side| Arc::clone(sitting.of(side))),
        operations,
        margins: evidence.actions.iter().map(|action| action.margin).collect(),
        seed: settings.seed.0.wrapping_add(u64::from(replicate)),
        replicate,
        budget,
        fires_deferred,
    };
    let names: Vec<String> = evidence.actions.iter().map(|action| action.name.clone()).collect();
    let measured = on_a_thread(bench, |action, sets| {
        let name = names.get(action).map_or("SELECT 1", String::as_str);
        (settings.listener)(Event::Timing { action: name, sets });
    });
    add(evidence, measured.await?);
    (settings.listener)(Event::Isolated(evidence));
    Ok(())
}

/// Runs the bench on a thread of its own, which is pinned; it ends soon after this future is dropped.
async fn on_a_thread(bench: Bench, tell: impl Fn(usize, u32)) -> Result<Isolated, TrialError> {
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (sender, mut messages) = mpsc::unbounded_channel();
    let stop = Stop(Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop.0);
    let lost = |error: std::io::Error| {
        TrialError::Asked(Message::new(format!("isolated timing cannot start a thread: {error}")))
    };
    std::thread::Builder::new()
        .name("isolated".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let done = match runtime {
                Ok(runtime) => runtime.block_on(bench.run(&stopped, &sender)),
                Err(error) => Err(TrialError::Asked(Message::new(format!("isolated timing cannot start: {error}")))),
            };
            // Who waits for it may be gone.
            let _ = sender.send(BenchEvent::Done(Box::new(done)));
        })
        .map_err(lost)?;
    while let Some(message) = messages.recv().await {
        match message {
            BenchEvent::Sets { action, sets } => tell(action, sets),
            BenchEvent::Done(done) => return *done,
        }
    }
    Err(TrialError::Asked(Message::new("isolated timing ended without a result")))
}

/// What there is to measure of each action, by what was counted.
fn operations(evidence: &Evidence) -> Vec<Operation> {
    (0..evidence.actions.len())
        .map(|action| {
            let sides = Side::ALL.map(|side| evidence.counts.get(&side).and_then(|counted| counted.get(action)));
            Operation::new(action, sides)
        })
        .collect()
}

/// Whether a side has triggers or constraints that wait for the end of a transaction, which is rolled back here.
async fn fires_deferred(sitting: &Sitting) -> Result<bool, TrialError> {
    let asks = async |target: &Target| {
        let mut connection = target.connect().await?;
        let sql = "SELECT EXISTS (SELECT FROM pg_trigger WHERE tginitdeferred)";
        let found = query(sql).fetch_one(&mut connection).await.and_then(|row| row.try_get::<bool, _>(0));
        let _ = connection.close().await;
        Ok::<bool, TrialError>(found.unwrap_or_default())
    };
    Ok(asks(sitting.target(Side::Before)).await? || asks(sitting.target(Side::After)).await?)
}

/// Adds a set of sides to what was measured on others.
fn add(evidence: &mut Evidence, measured: Isolated) {
    let Some(known) = &mut evidence.isolated else {
        evidence.isolated = Some(measured);
        return;
    };
    known.budget_s += measured.budget_s;
    known.elapsed_s += measured.elapsed_s;
    known.harness.extend(measured.harness);
    for (own, more) in known.actions.iter_mut().zip(measured.actions) {
        let IsolatedAction { left_out, unfinished, sets, parameters, .. } = more;
        own.left_out = own.left_out.or(left_out);
        own.unfinished |= unfinished;
        own.sets.extend(sets);
        for (parameter, more) in own.parameters.iter_mut().zip(parameters) {
            parameter.cpu.extend(more.cpu);
            parameter.wall.extend(more.wall);
        }
    }
}
