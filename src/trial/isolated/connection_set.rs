//! One connection to every side, measured and closed. Must treat the sides equally: order of connection, order in every
//! round, processor.

use std::sync::atomic::{AtomicBool, Ordering};

use super::affinity::Pinned;
use super::operation::Parameters;
use super::session::{Session, Work};
use super::times::Round;
use crate::clock::Clock;
use crate::drive::failure::Failure;
use crate::evidence::Side;
use crate::expression::Key;
use crate::postgres::{Error, Target};
use crate::scenario::Workload;
use crate::trial::load::order::order;

/// A set of connections is measured for about so long, in seconds.
const SECONDS: f64 = 0.2;

/// Rounds at least and at most.
const MIN_ROUNDS: usize = 2;
const MAX_ROUNDS: usize = 120;

/// Where backends are not kept on a processor, which one they run on is chance of the connection: more and shorter
/// sets.
const PART_UNPINNED: f64 = 0.25;

/// What all connection sets of a bench have in common.
#[derive(Clone, Copy)]
pub(super) struct Setting<'b> {
    pub(super) sides: [(&'b Target, &'b Workload); 3],
    /// The server's processes are seen.
    pub(super) seen: bool,
    pub(super) fires_deferred: bool,
    pub(super) clock: Clock,
    pub(super) key: Key,
    pub(super) stopped: &'b AtomicBool,
}

/// What a connection set gave.
pub(super) struct Measured {
    pub(super) rounds: Vec<Round>,
    /// The processor it was kept on.
    pub(super) processor: Option<u32>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Unmeasured {
    /// The server cannot be reached, or refuses to prepare.
    Unconnected(Error),
    /// It refused an execution.
    Refused(Failure),
}

impl From<Failure> for Unmeasured {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// Measures set `number` of a piece of work on a processor, if one is named and the system permits it.
pub(super) async fn measure(
    setting: &Setting<'_>,
    work: Work<'_>,
    number: u64,
    processor: Option<u32>,
) -> Result<Measured, Unmeasured> {
    let action = match work {
        Work::Action(operation) => operation.action as u64,
        Work::Shortest => u64::MAX,
    };
    let key = setting.key.numbered(action).numbered(number);
    let place = |side: Side| Side::ALL.iter().position(|of| *of == side).unwrap_or_default();
    let mut sessions: [Option<Session<'_>>; 3] = [None, None, None];
    for side in order(key.cell(0), 0) {
        let at = place(side);
        let session =
            Session::new(setting.sides[at], work, (setting.seen, setting.fires_deferred), setting.clock).await;
        sessions[at] = Some(session.map_err(Unmeasured::Unconnected)?);
    }
    let mut sessions: Vec<Session<'_>> = sessions.into_iter().flatten().collect();
    let processes: Vec<u32> =
        sessions.iter().filter_map(|session| session.backend.as_ref()).map(|b| b.process()).collect();
    let processor = processor.filter(|_| processes.len() == Side::ALL.len());
    let pinned = processor.and_then(|processor| Pinned::new(&processes, processor));
    let parameters = shuffled(work, key);
    for side in order(key.cell(1), 0) {
        sessions[place(side)].warm_up(work, &parameters).await?;
    }
    let mut rounds: Vec<Round> = Vec::new();
    let (began, mut wanted) = (setting.clock.now_ns(), MAX_ROUNDS);
    let seconds = if pinned.is_some() { SECONDS } else { SECONDS * PART_UNPINNED };
    while rounds.len() < wanted && !setting.stopped.load(Ordering::Relaxed) {
        let number = rounds.len();
        let of = parameters.get(number % parameters.len().max(1)).copied();
        let mut round = Round { parameters: of.unwrap_or(NONE), taken: Default::default() };
        for side in order(key.cell(2), number as u64) {
            let at = place(side);
            let (taken, last) = sessions[at].operation(work, of).await?;
            round.taken[at] = taken;
            if let Some(before) = rounds.last_mut().filter(|_| last.is_some()) {
                before.taken[at].cpu_ns = last;
            }
        }
        rounds.push(round);
        if rounds.len() == MIN_ROUNDS {
            let each = (setting.clock.now_ns() - began) as f64 / 1e9 / MIN_ROUNDS as f64;
            wanted = whole_cycles(seconds / each.max(1e-6), parameters.len());
        }
    }
    for (at, session) in sessions.iter_mut().enumerate() {
        if let (Some(cpu_ns), Some(round)) = (session.last_cpu_ns(), rounds.last_mut()) {
            round.taken[at].cpu_ns = Some(cpu_ns);
        }
    }
    // Before the connections end: what they had they get back.
    let processor = processor.filter(|_| pinned.is_some());
    drop(pinned);
    Ok(Measured { rounds, processor })
}

/// What stands for no parameters.
const NONE: Parameters = Parameters { draw: 0, position: 0, weight: 1.0 };

/// Rounds that fit: of whole cycles through the sets of parameters, where there is room for one.
fn whole_cycles(fitting: f64, parameters: usize) -> usize {
    let rounds = (fitting as usize).clamp(MIN_ROUNDS, MAX_ROUNDS);
    match rounds.checked_div(parameters).unwrap_or_default() {
        0 => rounds,
        cycles => cycles * parameters,
    }
}

/// The sets of parameters in an order of this connection set's own.
fn shuffled(work: Work<'_>, key: Key) -> Vec<Parameters> {
    let Work::Action(operation) = work else { return Vec::new() };
    let mut parameters = operation.parameters.clone();
    let key = key.named("parameters");
    parameters.sort_by_key(|of| key.cell(of.draw));
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_whole_cycles_where_there_is_time_for_one() {
        assert_eq!((whole_cycles(100.0, 33), whole_cycles(20.0, 33), whole_cycles(1e9, 33)), (99, 20, 99));
        assert_eq!((whole_cycles(0.1, 33), whole_cycles(50.0, 0), whole_cycles(1e9, 500)), (2, 50, 120));
    }
}
