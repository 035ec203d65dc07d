//! How far replicas are behind their primary. Must not slow either down: two short questions, twenty times a second.
//!
//! The primary's position in the WAL is noted with its time. A replica that has replayed to a position lags as long ago
//! as the primary was there; one that has replayed all that is known does not lag.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;
use sqlx::postgres::PgConnection;

use crate::clock::Clock;
use crate::drive::Targets;
use crate::evidence::run::Quantiles;
use crate::evidence::view::ReplicaFacts;
use crate::postgres::activity::wal_position;
use crate::stats::histogram::{LARGEST_NS, empty};

/// Time between two looks.
const EVERY_NS: u64 = 50_000_000;

/// A server that does not answer within this is not reachable.
const PATIENCE: Duration = Duration::from_secs(1);

/// Positions of the primary that are remembered: a replica further behind lags at least as long as they reach back.
const MOST_POSITIONS: usize = 1 << 16;

/// Somebody who looks at every replica.
pub(super) struct LagWatch {
    seen: Vec<Arc<Mutex<Seen>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What was seen of one replica.
struct Seen {
    lag: Histogram<u64>,
    bytes_max: u64,
    unreachable: u64,
    /// The largest lag since it was asked for last, in nanoseconds.
    latest: Option<u64>,
    /// What the last look saw; nothing when it could not be reached.
    last: Option<u64>,
}

impl LagWatch {
    /// Nobody to look at.
    pub(super) fn none() -> Self {
        Self { seen: Vec::new(), tasks: Vec::new() }
    }

    pub(super) fn start(targets: &Targets, clock: Clock) -> Self {
        let mut watch = Self::none();
        for replica in &targets.replicas {
            let seen =
                Arc::new(Mutex::new(Seen { lag: empty(), bytes_max: 0, unreachable: 0, latest: None, last: None }));
            let work = look([targets.primary.clone(), replica.clone()], clock, Arc::clone(&seen));
            watch.tasks.push(tokio::spawn(work));
            watch.seen.push(seen);
        }
        watch
    }

    /// The largest lag of each replica since the last call, in microseconds; what was seen last where nobody has looked
    /// since, and nothing of one that cannot be reached.
    pub(super) fn latest_us(&self) -> Vec<Option<f64>> {
        let take = |seen: &Arc<Mutex<Seen>>| {
            let mut seen = seen.lock().expect("no holder panics");
            seen.latest.take().or(seen.last)
        };
        self.seen.iter().map(|seen| take(seen).map(|nanos| nanos as f64 / 1e3)).collect()
    }

    /// Ends looking: what comes after the load is none of it.
    pub(super) fn finish(&mut self) -> Vec<ReplicaFacts> {
        self.tasks.drain(..).for_each(|task| task.abort());
        self.facts()
    }

    pub(super) fn facts(&self) -> Vec<ReplicaFacts> {
        let facts = |seen: &Arc<Mutex<Seen>>| {
            let seen = seen.lock().expect("no holder panics");
            ReplicaFacts { lag: Quantiles::of(&seen.lag), lag_bytes_max: seen.bytes_max, unreachable: seen.unreachable }
        };
        self.seen.iter().map(facts).collect()
    }
}

impl Drop for LagWatch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn look(targets: [crate::postgres::Target; 2], clock: Clock, seen: Arc<Mutex<Seen>>) {
    let mut connections: [Option<PgConnection>; 2] = [None, None];
    let mut positions: VecDeque<(u64, u64)> = VecDeque::new();
    let mut next = clock.now_ns();
    loop {
        let before = clock.now_ns();
        let primary = position(&targets[0], &mut connections[0]).await;
        if let Some(position) = primary {
            positions.push_back((before, position));
            if MOST_POSITIONS < positions.len() {
                positions.pop_front();
            }
        }
        let replica = position(&targets[1], &mut connections[1]).await;
        let now = clock.now_ns();
        {
            let mut seen = seen.lock().expect("no holder panics");
            // Where the primary is must be known, or nothing is known of the replica.
            match replica.filter(|_| primary.is_some() && !positions.is_empty()) {
                Some(replayed) => {
                    let lag = lag_ns(&mut positions, replayed, now);
                    let bytes = positions.back().map_or(0, |(_, known)| known.saturating_sub(replayed));
                    seen.bytes_max = seen.bytes_max.max(bytes);
                    seen.lag.saturating_record(lag.clamp(1, LARGEST_NS));
                    seen.latest = Some(seen.latest.unwrap_or(0).max(lag));
                    seen.last = Some(lag);
                }
                None if replica.is_none() => {
                    seen.unreachable += 1;
                    seen.last = None;
                }
                None => {}
            }
        }
        next = (next + EVERY_NS).max(now);
        tokio::time::sleep_until(clock.instant(next)).await;
    }
}

/// Where a server is, on a connection that is reopened when it is lost.
async fn position(target: &crate::postgres::Target, connection: &mut Option<PgConnection>) -> Option<u64> {
    let ask = async {
        if connection.is_none() {
            *connection = target.connect().await.ok();
        }
        wal_position(connection.as_mut()?).await.ok()
    };
    let found = tokio::time::timeout(PATIENCE, ask).await.ok().flatten();
    if found.is_none() {
        *connection = None;
    }
    found
}

/// How long ago the primary went beyond what was replayed; positions that are replayed are forgotten but for the last.
fn lag_ns(positions: &mut VecDeque<(u64, u64)>, replayed: u64, now: u64) -> u64 {
    while 1 < positions.len() && positions[1].1 <= replayed {
        positions.pop_front();
    }
    match (positions.front(), positions.get(1)) {
        // All that is known is replayed.
        (Some((_, position)), None) if *position <= replayed => 0,
        // It had this when the primary did; what came later it does not have.
        (Some((at, position)), _) if *position <= replayed => now.saturating_sub(*at),
        (Some((at, _)), _) => now.saturating_sub(*at),
        (None, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_lags_since_the_primary_went_beyond_it() {
        let mut positions: VecDeque<(u64, u64)> = [(10, 100), (20, 100), (30, 200), (40, 300)].into();
        assert_eq!(lag_ns(&mut positions.clone(), 300, 50), 0);
        // At 30 the primary was at 200 already: the replica has what was there at 30, and nothing later.
        assert_eq!(lag_ns(&mut positions.clone(), 250, 50), 20);
        // At 20 the primary was still at 100, which the replica has.
        assert_eq!(lag_ns(&mut positions, 100, 50), 30);
        assert_eq!(positions.len(), 3);
        assert_eq!(lag_ns(&mut [(10, 100)].into(), 50, 50), 40);
    }
}
