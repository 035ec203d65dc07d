//! Measures connection set after connection set until every interval is narrow or the time is used. Must go on where
//! one action is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::UnboundedSender;

use super::affinity::{Pinned, allowed};
use super::backend::Backend;
use super::connection_set::{Measured, Setting, Unmeasured, measure};
use super::operation::Operation;
use super::schedule::{Budget, Standing, next, width};
use super::session::Work;
use super::times::{By, add_by_parameters, times};
use crate::clock::Clock;
use crate::drive::wire_client::WireClient;
use crate::evidence::{ConnectionSet, Isolated, IsolatedAction, LeftOut, ParameterTimes, Pinning, ProcessorTime};
use crate::expression::Key;
use crate::postgres::Target;
use crate::postgres::server::uses_huge_pages;
use crate::scenario::Workload;
use crate::trial::error::TrialError;

/// Connection sets of the shortest question.
const HARNESS_SETS: u64 = 8;

/// Everything that is measured, and where.
pub(super) struct Bench {
    /// In the order of [`crate::evidence::Side::ALL`].
    pub(super) targets: [Target; 3],
    pub(super) workloads: [Arc<Workload>; 3],
    pub(super) operations: Vec<Operation>,
    /// By action.
    pub(super) margins: Vec<f64>,
    pub(super) seed: u64,
    pub(super) replicate: u32,
    pub(super) budget: Budget,
    pub(super) fires_deferred: bool,
}

/// What the thread says.
pub(super) enum BenchEvent {
    /// This action has this many connection sets.
    Sets {
        /// By position; beyond the last for the harness.
        action: usize,
        /// How many.
        sets: u32,
    },
    /// It has ended.
    Done(Box<Result<Isolated, TrialError>>),
}

impl Bench {
    /// Measures; `stopped` ends it early.
    pub(super) async fn run(
        self,
        stopped: &AtomicBool,
        messages: &UnboundedSender<BenchEvent>,
    ) -> Result<Isolated, TrialError> {
        let clock = Clock::start();
        sharpen_timers();
        let mut isolated = self.begin().await?;
        let setting = Setting {
            sides: [0, 1, 2].map(|at| (&self.targets[at], &*self.workloads[at])),
            seen: isolated.processor_time == ProcessorTime::Read,
            fires_deferred: self.fires_deferred,
            clock,
            key: Key::new(self.seed).named("isolated"),
            stopped,
        };
        let elapsed_s = || clock.now_ns() as f64 / 1e9;
        let processor = |number: u64, isolated: &Isolated| {
            let processors = &isolated.processors;
            processors.get(number as usize % processors.len().max(1)).copied()
        };
        for number in 0..HARNESS_SETS {
            let measured = measure(&setting, Work::Shortest, number, processor(number, &isolated)).await;
            match measured {
                Ok(measured) => isolated.harness.extend(self.set(&measured, false)),
                Err(Unmeasured::Unconnected(error)) => return Err(error.into()),
                Err(Unmeasured::Refused(_)) => break,
            }
        }
        let mut standings: Vec<Standing> = self.standings();
        let mut number = 0;
        while let Some(action) = next(&standings, self.budget.seconds - elapsed_s()) {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let began = elapsed_s();
            let operation = &self.operations[action];
            let measured = measure(&setting, Work::Action(operation), number, processor(number, &isolated)).await;
            number += 1;
            let own = &mut isolated.actions[action];
            let standing = &mut standings[action];
            let seconds = elapsed_s() - began;
            match measured {
                Ok(measured) => {
                    if let Some(set) = self.set(&measured, operation.parallel) {
                        own.sets.push(set);
                        add_by_parameters(&mut own.parameters, &measured.rounds);
                    }
                    standing.sets += 1;
                    standing.seconds = seconds;
                    standing.width = width(&own.sets, self.margins[action]);
                    let _ = messages.send(BenchEvent::Sets { action, sets: standing.sets as u32 });
                }
                Err(unmeasured) => {
                    own.left_out = Some(reason(&unmeasured));
                    standing.closed = true;
                }
            }
        }
        for (own, standing) in isolated.actions.iter_mut().zip(&standings) {
            own.unfinished = standing.is_open();
        }
        isolated.elapsed_s = elapsed_s();
        Ok(isolated)
    }

    /// What is known before anything is measured: what of the server's processes is seen and permitted.
    async fn begin(&self) -> Result<Isolated, TrialError> {
        let mut isolated = Isolated {
            budget_s: self.budget.seconds,
            fires_deferred: self.fires_deferred,
            processor_time: ProcessorTime::Read,
            pinning: Pinning::Pinned,
            ..Isolated::default()
        };
        for (target, workload) in self.targets.iter().zip(&self.workloads) {
            // The action that no workload has: nothing is prepared.
            let mut client = WireClient::connect_for_action(target, workload, usize::MAX).await?;
            let process = client.process().await;
            let here = target.is_socket() || target.is_loopback();
            let backend = process.filter(|_| here).and_then(Backend::open);
            let Some(backend) = backend else {
                let pooled = process.is_none();
                isolated.processor_time = if pooled { ProcessorTime::Pooled } else { ProcessorTime::Unseen };
                isolated.pinning = Pinning::Unseen;
                break;
            };
            if !moves(&mut client, &backend).await {
                (isolated.processor_time, isolated.pinning) = (ProcessorTime::Unseen, Pinning::Unseen);
                break;
            }
            isolated.huge_pages = uses_huge_pages(backend.process());
            let processors = allowed();
            let may_pin = processors.first().is_some_and(|first| Pinned::new(&[backend.process()], *first).is_some());
            isolated.processors = processors;
            if !may_pin {
                (isolated.pinning, isolated.processors) = (Pinning::Refused, Vec::new());
            }
        }
        if isolated.pinning != Pinning::Pinned {
            isolated.processors.clear();
        }
        isolated.actions = self.operations.iter().map(empty).collect();
        Ok(isolated)
    }

    fn standings(&self) -> Vec<Standing> {
        let standing = |operation: &Operation| Standing { closed: operation.left_out.is_some(), ..Standing::default() };
        self.operations.iter().map(standing).collect()
    }

    /// A connection set as evidence holds it; nothing without a round.
    fn set(&self, measured: &Measured, parallel: bool) -> Option<ConnectionSet> {
        Some(ConnectionSet {
            replicate: self.replicate,
            processor: measured.processor,
            rounds: measured.rounds.len() as u32,
            cpu: times(&measured.rounds, By::Cpu).filter(|_| !parallel),
            wall: times(&measured.rounds, By::Wall)?,
        })
    }
}

fn empty(operation: &Operation) -> IsolatedAction {
    IsolatedAction {
        left_out: operation.left_out,
        parallel: operation.parallel,
        unfinished: false,
        sets: Vec::new(),
        parameters: vec![ParameterTimes::default(); operation.counted],
    }
}

fn reason(unmeasured: &Unmeasured) -> LeftOut {
    /// `query_canceled`: by the limit of time.
    const CANCELED: &str = "57014";
    match unmeasured {
        Unmeasured::Refused(failure) if failure.class == CANCELED => LeftOut::TooSlow,
        Unmeasured::Refused(failure) if !failure.connection_lost => LeftOut::Refused,
        Unmeasured::Refused(_) | Unmeasured::Unconnected(_) => LeftOut::Lost,
    }
}

/// Whether a backend's processor time moves as it works: a process of the same number in another container does not.
async fn moves(client: &mut WireClient, backend: &Backend) -> bool {
    const WORK: &str = "SELECT count(*) FROM generate_series(1, 20000)";
    let used = || backend.settle().then(|| backend.cpu_ns()).flatten();
    let Some(before) = used() else { return false };
    client.run(WORK).await.is_ok() && used().is_some_and(|after| after > before + 200_000)
}

/// Sleeps of this thread end when they are due, not up to 50 µs later.
fn sharpen_timers() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));
}
