//! Conducts a run from the first connection to the last answer. Must keep what was measured, however it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::bind::bind;
use super::error::RunError;
use super::event::Event;
use super::judge::{self, Figures};
use super::lag::LagWatch;
use super::settings::{Settings, WarmUp};
use super::slowest::slowest;
use super::tally::Tally;
use super::watch::Watch;
use crate::clock::{self, Clock};
use crate::drive::Recording;
use crate::drive::crew::{Crew, CrewError, Interval, RunOrder};
use crate::evidence::run::{ActionResult, DriverFacts, Ended, RunDesign, RunEvidence, WarmUpEnd};
use crate::evidence::{LoadFacts, ServerFacts};
use crate::postgres::liveness::until_silent;
use crate::scenario::shape::Shape;
use crate::scenario::{Load, Workload, name_of};
use crate::stats::steady::is_steady;

/// Streams of the warm-up are apart from those of the measurement.
const WARM_UP_PART: u64 = 1 << 20;

/// The warm-up is checked this often, in seconds.
const WARM_UP_INTERVAL_S: f64 = 0.1;

/// How long the last looks at the server may take each, and after somebody interrupted the run.
const LAST_LOOK: Duration = Duration::from_secs(10);
const LAST_LOOK_SOON: Duration = Duration::from_millis(400);

/// Due operations may still be sent this long after the end.
const GRACE_NS: u64 = 10_000_000_000;

/// Holds a run.
///
/// # Errors
/// When files do not fit the database, or the first connections fail; what fails later is counted.
pub async fn run(settings: &Settings) -> Result<RunEvidence, RunError> {
    let clock = Clock::start();
    (settings.listener)(Event::Binding);
    let (workload, server, unexercised) = tokio::select! {
        bound = bind(settings) => bound?,
        silence = until_silent(std::slice::from_ref(&settings.targets.primary)) => return Err(silence.into()),
    };
    let workload = Arc::new(workload);
    (settings.listener)(Event::Connecting(settings.load.connections()));
    let crew = Crew::start(workload.load, settings.pool, settings.threads, clock);
    crew.connect(0, &settings.targets, &workload).await?;
    let clock_ns = clock_cost_ns(&clock);

    let threads = crew.size();
    let (warm_up_s, warm_up) = warm_up(settings, &crew, &workload).await?;
    (settings.listener)(Event::WarmedUp(warm_up_s, warm_up));
    let mut begun = begun(settings, &workload, server, design(settings, &workload, threads, warm_up_s, warm_up));
    begun.unexercised = unexercised;
    (settings.listener)(Event::Begun(&begun));
    let started_at = clock::wall();
    // What the warm-up did is none of the measurement's.
    crew.flush().await?;
    let watch = match settings.watch {
        true => Some(Watch::start(&settings.watcher, settings.interval_s, clock).await),
        false => None,
    };
    let mut tally = Tally::new(&workload, threads, settings.pool, watch, LagWatch::start(&settings.targets, clock));
    let began = clock.now_ns();
    let mut ended = measure(settings, &crew, &mut tally, began).await?;
    let measured_s = (clock.now_ns() - began) as f64 / 1e9;
    let replicas = tally.lag.finish();
    let hurried = ended == Ended::Interrupted;
    let patience = if hurried { LAST_LOOK_SOON } else { LAST_LOOK };
    // A session that broke is made again for this, so a server that is gone is noticed here at the latest.
    let flushed = matches!(tokio::time::timeout(patience, crew.flush()).await, Ok(Ok(())));
    if !hurried && !flushed {
        ended = Ended::ServerLost;
    }
    // A server that hangs is not asked again.
    let patience = if hurried && !flushed { Duration::ZERO } else { patience };
    let view = match tally.watch.take() {
        Some(watch) => {
            drop(crew);
            Some(watch.finish(&settings.watcher, &workload, patience).await)
        }
        None => None,
    };

    let actions = tally.results(&tally.total, measured_s);
    let all = tally.all(&tally.total, measured_s);
    let driver = judge::driver(&tally, clock_ns);
    let offered_per_s = offered_per_s(settings, 0.0, measured_s);
    // Of a number of operations nobody can say more than how many there would have been in the time they took.
    let expected = offered_per_s.filter(|_| settings.operations.is_some()).map_or(0.0, |rate| rate * measured_s);
    let offered = (all.due as f64).max(expected);
    let gates = {
        let pool = tally.pool();
        let figures = Figures { actions: &actions, all: &all, offered_per_s, pool: pool.as_ref(), replicas: &replicas };
        settings.gates.iter().map(|gate| judge::judge(gate, &figures)).collect()
    };
    let in_flight = judge::in_flight(&tally.total);
    let checks = judge::checks(settings.load, offered, &driver, &all, &in_flight);
    Ok(RunEvidence {
        started_at: started_at.to_string(),
        ended,
        measured_s,
        failures: tally.failures(),
        intervals: std::mem::take(&mut tally.intervals),
        actions,
        all,
        driver,
        gates,
        checks,
        offered: offered_per_s.map(|_| offered),
        in_flight: Some(in_flight),
        view,
        pool: tally.pool(),
        replicas,
        slowest: slowest(settings, &tally, &workload, began).await,
        ..begun
    })
}

/// A run of which nothing is measured yet.
fn begun(settings: &Settings, workload: &Workload, server: ServerFacts, design: RunDesign) -> RunEvidence {
    let action = |name: &str, share: f64| ActionResult { name: name.to_owned(), share, ..ActionResult::default() };
    RunEvidence {
        name: name_of(settings.scenarios.iter().map(|(_, scenario)| scenario)),
        started_at: clock::wall().to_string(),
        ended: Ended::CutOff,
        server,
        design,
        measured_s: 0.0,
        actions: workload.actions.iter().map(|of| action(&of.name, of.share)).collect(),
        all: action("all", 1.0),
        failures: BTreeMap::new(),
        intervals: Vec::new(),
        driver: DriverFacts::default(),
        gates: Vec::new(),
        checks: Vec::new(),
        offered: None,
        in_flight: None,
        unexercised: None,
        view: None,
        pool: None,
        replicas: Vec::new(),
        slowest: Vec::new(),
        search: None,
    }
}

/// What one reading of the clock costs, in nanoseconds.
fn clock_cost_ns(clock: &Clock) -> f64 {
    const READINGS: u64 = 20_000;
    let before = clock.now_ns();
    for _ in 0..READINGS {
        std::hint::black_box(clock.now_ns());
    }
    (clock.now_ns() - before) as f64 / READINGS as f64
}

/// Load that is not measured: caches fill, plans settle.
async fn warm_up(settings: &Settings, crew: &Crew, workload: &Workload) -> Result<(f64, WarmUpEnd), RunError> {
    let (bound_s, fixed) = match settings.warm_up {
        WarmUp::Fixed(seconds) => (seconds, true),
        WarmUp::Steady(bound) => (bound, false),
    };
    if bound_s <= 0.0 {
        return Ok((0.0, WarmUpEnd::Fixed));
    }
    let level = settings.shape.level(0.0).max(settings.shape.mean().min(1.0));
    let stop = Arc::new(AtomicBool::new(false));
    let order = RunOrder {
        part: WARM_UP_PART,
        first: settings.next_operation.get(),
        shape: Shape::steady(level, bound_s),
        length_ns: (bound_s * 1e9) as u64,
        grace_ns: GRACE_NS,
        most: None,
        rules: settings.rules,
        interval_ns: (WARM_UP_INTERVAL_S * 1e9) as u64,
        shard: settings.shard,
        stop: Arc::clone(&stop),
    };
    let mut tally = Tally::new(workload, crew.size(), settings.pool, None, LagWatch::none());
    let mut means = Vec::new();
    let mut steady = false;
    let ended = drive(crew, order, |interval| {
        if tally.take(interval).is_some() {
            let last = tally.intervals.last().expect("one was just closed");
            // Where operations are rare, most intervals have none.
            means.extend((0 < last.latency.count).then_some(last.latency.us_mean));
            (settings.listener)(Event::WarmingUp(tally.seconds()));
            steady = !fixed && is_steady(&means);
            if steady || settings.interrupt.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    settings.next_operation.set(ended.await?);
    let end = match (fixed, steady) {
        (true, _) => WarmUpEnd::Fixed,
        (false, true) => WarmUpEnd::Steady,
        (false, false) => WarmUpEnd::Bound,
    };
    Ok((tally.seconds(), end))
}

/// Drives an order to its end and hands every interval to `take`.
async fn drive(crew: &Crew, order: RunOrder, mut take: impl FnMut(Interval)) -> Result<u64, CrewError> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let work = crew.run(order, &sender);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(interval) = receiver.recv() => take(interval),
            result = &mut work => {
                // Threads hand their last interval over before they answer.
                while let Ok(interval) = receiver.try_recv() {
                    take(interval);
                }
                return result;
            }
        }
    }
}

async fn measure(settings: &Settings, crew: &Crew, tally: &mut Tally, began: u64) -> Result<Ended, RunError> {
    let stop = Arc::clone(&settings.interrupt);
    let order = RunOrder {
        part: 0,
        first: settings.next_operation.get(),
        shape: settings.shape.clone(),
        length_ns: (settings.shape.length_s() * 1e9) as u64,
        grace_ns: GRACE_NS,
        most: settings.operations,
        rules: settings.rules,
        interval_ns: (settings.interval_s * 1e9) as u64,
        shard: settings.shard,
        stop: Arc::clone(&stop),
    };
    let mut aborted = None;
    let next = drive(crew, order, |interval| {
        let Some(recording) = tally.take(interval) else { return };
        told(settings, tally, &recording, began);
        if aborted.is_none() {
            aborted = broken_rule(settings, tally);
            if let Some(rule) = &aborted {
                (settings.listener)(Event::Aborting(rule));
                stop.store(true, Ordering::Relaxed);
            }
        }
    })
    .await?;
    settings.next_operation.set(next);
    if aborted.is_some() {
        // A rule ended this run, nobody interrupted the program: the next one of a search goes on.
        stop.store(false, Ordering::Relaxed);
    }
    for recording in tally.rest() {
        told(settings, tally, &recording, began);
    }
    if tally.total.gave_up {
        stop.store(false, Ordering::Relaxed);
        return Ok(Ended::ServerLost);
    }
    Ok(match aborted {
        Some(rule) => Ended::Aborted(rule),
        None if settings.interrupt.load(Ordering::Relaxed) => Ended::Interrupted,
        None => Ended::AsPlanned,
    })
}

fn told(settings: &Settings, tally: &Tally, recording: &Recording, began_ns: u64) {
    let Some(facts) = tally.intervals.last() else { return };
    let actions = tally.results(recording, facts.length_s);
    (settings.listener)(Event::Interval { facts, actions: &actions, recording, began_ns });
}

/// The rule that ends the run now, if one does.
fn broken_rule(settings: &Settings, tally: &Tally) -> Option<String> {
    let seconds = tally.seconds();
    if let Some(rule) = &settings.abort_when
        && judge::is_met(rule, &tally.intervals, offered_per_s(settings, seconds - rule.delay_s.max(1e-3), seconds))
    {
        return Some(judge::why(rule));
    }
    let offered_per_s = offered_per_s(settings, 0.0, seconds);
    let (actions, all) = (tally.results(&tally.total, seconds), tally.all(&tally.total, seconds));
    let (pool, replicas) = (tally.pool(), tally.lag.facts());
    let figures = Figures { actions: &actions, all: &all, offered_per_s, pool: pool.as_ref(), replicas: &replicas };
    let failing = settings.gates.iter().filter(|gate| gate.abort && gate.delay_s <= seconds).find(|gate| {
        let result = judge::judge(gate, &figures);
        result.observed.is_some() && !result.holds
    });
    failing.map(|gate| format!("the gate {gate}"))
}

/// What an open loop offers a second between two moments, this machine's share of it.
fn offered_per_s(settings: &Settings, from_s: f64, to_s: f64) -> Option<f64> {
    let Load::Open { .. } = settings.load else { return None };
    let to_s = to_s.min(settings.shape.length_s());
    let from_s = from_s.min(to_s);
    let arrivals = settings.shape.arrivals(to_s) - settings.shape.arrivals(from_s);
    Some(arrivals / (to_s - from_s).max(1e-9) / settings.shard.1 as f64)
}

fn design(settings: &Settings, workload: &Workload, threads: usize, warm_up_s: f64, warm_up: WarmUpEnd) -> RunDesign {
    RunDesign {
        seed: settings.seed.0,
        load: match settings.load {
            Load::Open { rate, connections } => LoadFacts::Open { rate_per_s: rate, connections: connections as u32 },
            Load::Closed { clients } => LoadFacts::Closed { clients: clients as u32 },
        },
        shape: settings.shape.lines().iter().map(|line| (line.length_s, line.from, line.to)).collect(),
        duration_s: settings.operations.is_none().then(|| settings.shape.length_s()),
        operations: settings.operations,
        warm_up_s,
        warm_up,
        protocol: workload.protocol.name().to_owned(),
        max_tries: settings.rules.more_tries + 1,
        threads: threads as u32,
        pool: settings.pool.map(|pool| (pool.connections as u32, pool.patience.as_secs_f64())),
        replicas: settings.targets.replicas.len() as u32,
        statements: workload.statements_digest(),
        slow_after_ms: settings.rules.slow_after_ns.map(|nanos| nanos as f64 / 1e6),
        shard: (settings.shard.0 as u32 + 1, settings.shard.1 as u32),
        policy: settings.policy.clone(),
    }
}
