//! Conducts a run from the first connection to the last answer. Must keep what was measured, however it ends.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};
use tokio::sync::mpsc;

use super::judge::{self, Figures};
use super::lag::LagWatch;
use super::tally::Tally;
use super::watch::Watch;
use crate::binding::{BindError, describe_all, sample_picks};
use crate::clock::{self, Clock};
use crate::diagnostic::SourceFile;
use crate::drive::crew::{Crew, CrewError, Interval, PoolSize, RunOrder};
use crate::drive::explain::explain_step;
use crate::drive::perform::Operation;
use crate::drive::worker::Rules;
use crate::drive::{Recording, Targets};
use crate::evidence::run::{
    ActionResult, DriverFacts, Ended, IntervalFacts, RunDesign, RunEvidence, UnexercisedPolicies, WarmUpEnd,
};
use crate::evidence::view::SlowFacts;
use crate::evidence::{LoadFacts, Policy, ServerFacts};
use crate::postgres::connect::version_text;
use crate::postgres::liveness::until_silent;
use crate::postgres::sql_text::{query, trusted};
use crate::postgres::{Error, Target, pooler, role, row_security, settings};
use crate::scenario::gate::Gate;
use crate::scenario::program::Protocol;
use crate::scenario::shape::Shape;
use crate::scenario::workload::Setting;
use crate::scenario::{Load, Scenario, Workload, name_of};
use crate::seed::spec::KeySet;
use crate::sql;
use crate::stats::steady::is_steady;
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
    /// Until latency is steady, so many seconds at most.
    Steady(f64),
    /// So many seconds.
    Fixed(f64),
}

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
    /// The warm-up goes on, for so many seconds now.
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

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario does not fit the database.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The server failed or refused.
    #[error(transparent)]
    Server(#[from] Error),
    /// The driver failed.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// Something else about what was asked for.
    #[error("{0}")]
    Asked(String),
}

impl RunError {
    /// Whether the user's files or words are at fault, and not the server or the network.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Bind(BindError::File(_)) | Self::Asked(_) => true,
            Self::Crew(CrewError::Drive(error)) => error.is_input(),
            Self::Bind(_) | Self::Server(_) | Self::Crew(_) => false,
        }
    }
}

/// Streams of the warm-up lie apart from those of the measurement.
const WARM_UP_PART: u64 = 1 << 20;

/// The warm-up is looked at this often, in seconds.
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

/// Reads statements and values from the database, on a connection of its own.
async fn bind(settings: &Settings) -> Result<(Workload, ServerFacts, Option<UnexercisedPolicies>), RunError> {
    let targets = &settings.targets;
    if let Some(role) = targets.primary.role() {
        for target in std::iter::once(&targets.primary).chain(&targets.replicas) {
            let mut own = target.own().connect().await?;
            role::check(&mut own, role, &target.describe()).await?;
            let _ = own.close().await;
            let mut acting = target.connect().await?;
            role::verify(&mut acting, role).await?;
            let _ = acting.close().await;
        }
    }
    let mut connection = targets.primary.connect().await?;
    let bound = describe_all(&mut connection, &settings.scenarios, "").await?;
    begin_whole(&mut connection).await?;
    let unexercised = unexercised_policies(settings, &mut connection).await?;
    if settings.read_only {
        let on = query("SELECT current_setting('transaction_read_only')").fetch_one(&mut connection).await;
        let on: String =
            on.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("ask whether the session only reads", e))?;
        if on != "on" {
            return Err(RunError::Asked(
                "the sessions cannot be made read-only here, as behind some poolers\n  = help: add --allow-writes if it is no production \
                 server"
                    .to_owned(),
            ));
        }
    }
    end_whole(&mut connection).await?;
    if targets.primary.role().is_some() {
        // What is picked from is every row, whatever the role may see.
        let _ = connection.close().await;
        connection = targets.primary.own().connect().await?;
    }
    begin_whole(&mut connection).await?;
    let pools = sample_picks(&mut connection, &settings.scenarios, &settings.key_sets, settings.seed.0).await?;
    let server = ServerFacts {
        version: connection.server_version_num().map_or_else(|| "unknown".to_owned(), version_text),
        embedded: settings.embedded,
        settings: settings::read(&mut connection).await?,
        extensions: settings::extensions(&mut connection).await?,
    };
    end_whole(&mut connection).await?;
    let _ = connection.close().await;
    let scenarios: Vec<Scenario> = settings.scenarios.iter().map(|(_, scenario)| scenario.clone()).collect();
    let Settings { load, now, seed, scale, .. } = *settings;
    let protocol = match settings.protocol {
        Some(asked) => asked,
        None => possible_protocol(settings).await?,
    };
    let workload = Workload::new(&scenarios, Setting { load, bound: &bound, pools, now, seed, scale, protocol });
    Ok((workload, server, unexercised))
}

/// Begins a transaction for all that is read: behind a pooler each may have another session.
async fn begin_whole(connection: &mut PgConnection) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql("BEGIN")).await.map(drop).map_err(|e| Error::doing("begin to read", e))
}

/// Ends it, and leaves nothing in the session.
async fn end_whole(connection: &mut PgConnection) -> Result<(), Error> {
    let whole = |e| Error::doing("end reading", e);
    connection.clear_cached_statements().await.map_err(whole)?;
    connection.execute(sqlx::raw_sql("ROLLBACK")).await.map(drop).map_err(whole)
}

/// Policies that do not apply to the role that asks, of tables that statements name.
async fn unexercised_policies(
    settings: &Settings,
    connection: &mut PgConnection,
) -> Result<Option<UnexercisedPolicies>, RunError> {
    let (role, tables) = row_security::policies(connection).await?;
    let steps = settings.scenarios.iter().flat_map(|(_, s)| &s.actions).flat_map(|action| &action.steps);
    let words: std::collections::BTreeSet<String> = steps.flat_map(|step| sql::words(&step.statement.sql)).collect();
    let exempt = tables.into_iter().filter(|table| table.exempt.is_some());
    let named: Vec<String> = exempt
        .filter(|table| table.relations.iter().any(|name| words.contains(name)))
        .map(|table| table.name)
        .collect();
    if named.is_empty() {
        return Ok(None);
    }
    (settings.listener)(Event::Unexercised { role: &role, tables: &named });
    Ok(Some(UnexercisedPolicies { role: role.clone(), tables: named }))
}

/// Prepared statements where they stay in their client's session; else what never leaves anything in one.
async fn possible_protocol(settings: &Settings) -> Result<Protocol, Error> {
    let primary = &settings.targets.primary;
    if !pooler::shares_sessions(primary).await? {
        return Ok(Protocol::Prepared);
    }
    let protocol = Protocol::Extended;
    (settings.listener)(Event::SharedSessions(protocol));
    Ok(protocol)
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

/// The slowest operations over the limit, with the plans of their statements when those were asked for.
async fn slowest(settings: &Settings, tally: &Tally, workload: &Workload, began: u64) -> Vec<SlowFacts> {
    let mut connection = match settings.slow_plans && !settings.interrupt.load(Ordering::Relaxed) {
        true => settings.targets.primary.connect().await.ok(),
        false => None,
    };
    let mut found = Vec::new();
    for slow in &tally.total.slowest {
        let plans = match &mut connection {
            Some(connection) => explain(connection, workload, slow.operation).await.unwrap_or_default(),
            None => Vec::new(),
        };
        found.push(SlowFacts {
            action: workload.actions[slow.operation.action].name.clone(),
            service_ms: slow.service_ns as f64 / 1e6,
            at_s: slow.began_ns.saturating_sub(began) as f64 / 1e9,
            operation: (slow.operation.stream.id, slow.operation.n),
            plans,
        });
    }
    found
}

/// Shapes of the plans of an operation's statements; a statement that takes captured values is left out. In a transaction that is undone:
/// planning may call functions, and steps that only set something are executed for those that follow.
async fn explain(
    connection: &mut PgConnection,
    workload: &Workload,
    operation: Operation,
) -> Result<Vec<String>, sqlx::Error> {
    let action = &workload.actions[operation.action];
    let mut values = Vec::new();
    workload.draw(operation.action, operation.stream, operation.n, &mut values);
    let mut shapes = Vec::new();
    connection.execute(sqlx::raw_sql("BEGIN READ ONLY")).await?;
    for step in action.steps.iter().filter(|step| step.bracket.is_none()) {
        if !step.arguments.iter().all(|(slot, _)| action.is_parameter(*slot)) {
            continue;
        }
        let mut text = Vec::new();
        if sql::only_sets(&step.sql) && step.as_text(&values, &mut text).is_ok() {
            connection.execute(sqlx::raw_sql(trusted(String::from_utf8_lossy(&text)))).await?;
            continue;
        }
        connection.execute(sqlx::raw_sql("SAVEPOINT planned")).await?;
        let plan = explain_step(connection, step, &values).await;
        connection.execute(sqlx::raw_sql("ROLLBACK TO SAVEPOINT planned")).await?;
        shapes.extend(plan.map(|plan| plan.shape));
    }
    connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
    Ok(shapes)
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
