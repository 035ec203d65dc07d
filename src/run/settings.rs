//! Everything that is asked of a run, as values. Must hold no flag and do nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::event::Event;
use crate::diagnostic::SourceFile;
use crate::drive::Targets;
use crate::drive::crew::PoolSize;
use crate::drive::slice::Rules;
use crate::evidence::Policy;
use crate::postgres::Target;
use crate::scenario::gate::Gate;
use crate::scenario::program::Protocol;
use crate::scenario::shape::Shape;
use crate::scenario::{Load, Scenario};
use crate::seed::spec::KeySet;
use crate::units::Seed;

/// Everything that is asked of a run.
pub struct Settings {
    /// The database, and its replicas.
    pub targets: Targets,
    /// The same database for those who look on.
    pub watcher: Target,
    /// Whether to look at the server while it is driven.
    pub watch: bool,
    /// A pool of connections in front of the clients.
    pub pool: Option<PoolSize>,
    /// Whether to ask for the plans of the slowest operations at the end.
    pub slow_plans: bool,
    /// Whether the server is this program's own.
    pub embedded: bool,
    /// Whether the target's sessions may only read.
    pub read_only: bool,
    /// The scenarios with their files.
    pub scenarios: Vec<(SourceFile, Scenario)>,
    /// How actions arrive.
    pub load: Load,
    /// The level over time.
    pub shape: Shape,
    /// How many operations, if not as many as the shape's time allows.
    pub operations: Option<u64>,
    /// What happens before anything is measured.
    pub warm_up: WarmUp,
    /// How operations are treated that do not go as they should.
    pub rules: Rules,
    /// How statements are sent where no step says it; without, as the connection allows.
    pub protocol: Option<Protocol>,
    /// Driver threads.
    pub threads: usize,
    /// Names the parameters and arrivals.
    pub seed: Seed,
    /// The scale that scripts see.
    pub scale: f64,
    /// The end of the dataset's history.
    pub now: i64,
    /// Keys by how much they have, for picks.
    pub key_sets: Vec<KeySet>,
    /// Seconds between two intervals.
    pub interval_s: f64,
    /// Which of several machines this is, from 0, and of how many.
    pub shard: (u64, u64),
    /// Decide the exit code.
    pub gates: Vec<Gate>,
    /// What the project makes of findings.
    pub policy: Policy,
    /// Ends the run.
    pub abort_when: Option<Gate>,
    /// The number of the next operation: runs one after another (`--find-rate`) go on counting.
    pub next_operation: Cell<u64>,
    /// Set from outside when the run should end.
    pub interrupt: Arc<AtomicBool>,
    /// Hears what happens.
    pub listener: Box<dyn Fn(Event<'_>)>,
}

/// What happens before anything is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WarmUp {
    /// Until latency is steady, this many seconds at most.
    Steady(f64),
    /// This many seconds.
    Fixed(f64),
}
