//! What happens in a run, for those who show or keep it. Must not print.

use crate::drive::Recording;
use crate::evidence::run::{ActionResult, IntervalFacts, RunEvidence, WarmUpEnd};
use crate::scenario::program::Protocol;

/// What happens.
pub enum Event<'e> {
    /// Statements are read and values sampled.
    Binding,
    /// A pooler shares sessions, so statements are not prepared but sent like this.
    SharedSessions(Protocol),
    /// Row-level security of tables that the statements name does not apply to the role that asks.
    Unexercised {
        /// The role.
        role: &'e str,
        /// The tables.
        tables: &'e [String],
    },
    /// Clients connect.
    Connecting(usize),
    /// The warm-up goes on, for this many seconds now.
    WarmingUp(f64),
    /// The warm-up has ended.
    WarmedUp(f64, WarmUpEnd),
    /// The measurement begins: what is known of it, as of one that is cut off at once.
    Begun(&'e RunEvidence),
    /// An interval has ended.
    Interval {
        /// Its figures.
        facts: &'e IntervalFacts,
        /// By action.
        actions: &'e [ActionResult],
        /// Its histograms.
        recording: &'e Recording,
        /// When the measurement began on the driver's clock.
        began_ns: u64,
    },
    /// The run ends before its time.
    Aborting(&'e str),
}
