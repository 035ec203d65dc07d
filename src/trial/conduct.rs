//! Conducts the experiment from the template to the last snapshot. Must treat the sides alike, slice by slice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::Connection;

use super::ablate::ablate;
use super::count::{count, plan_facts};
use super::error::TrialError;
use super::event::{Event, Listener};
use super::order::order;
use super::sides::{clone_sides, migrate_after, prewarm};
use super::template::obtain;
use crate::binding::{describe_all, sample_picks};
use crate::clock::{self, Clock};
use crate::diagnostic::SourceFile;
use crate::drive::{Crew, Recording};
use crate::evidence::{
    ActionCounts, ActionFacts, ActionHistograms, ChunkFacts, ChunkSide, DatasetFacts, Design, Evidence, Histograms,
    IndexAdvice, IndexUse, LoadFacts, MachineFacts, ServerFacts, Side, SideCounters, TableUse, TimerLag, WorkPerCall,
};
use crate::host::Counters;
use crate::migrate::{Directory, Migration};
use crate::postgres::advice::{self, Advice};
use crate::postgres::connect::version_text;
use crate::postgres::database::{Admin, Token};
use crate::postgres::observe::{self, Snapshot, StatementCounters};
use crate::postgres::{Target, settings};
use crate::scenario::program::Protocol;
use crate::scenario::workload::{Bound, PlannedAction, Setting, merge_loads};
use crate::scenario::{Load, Scenario, Workload};
use crate::seed::spec::parse_spec;
use crate::units::Seed;

/// Everything that is asked of a trial.
pub struct Settings {
    /// The server, without a database.
    pub target: Target,
    /// Whether the server is this program's own, and nobody else uses it.
    pub embedded: bool,
    /// The project's migrations.
    pub directory: Directory,
    /// Position of the migration the data is filled at.
    pub at: usize,
    /// Positions of the migrations to weigh, all after `at`.
    pub weighed: std::ops::RangeInclusive<usize>,
    /// The dataset spec.
    pub spec: SourceFile,
    /// Its scale.
    pub scale: f64,
    /// Names rows, parameters, arrivals and order.
    pub seed: Seed,
    /// The scenarios with their files, as the application asks before the migration and after it.
    pub scenarios: [Vec<(SourceFile, Scenario)>; 2],
    /// Changes smaller than this count as the same, as a share.
    pub margin: f64,
    /// How many chunks to measure at most; none to count single operations only.
    pub chunks: u32,
    /// After how many chunks to ask whether they are enough; the last is `chunks`.
    pub looks: Vec<u32>,
    /// Whether what is known by a look decides.
    pub enough: Arc<dyn Fn(&Evidence) -> bool + Send + Sync>,
    /// The how many-th attempt at the same comparison this is.
    pub attempts: Arc<dyn Fn(&Evidence) -> u32 + Send + Sync>,
    /// An earlier part of the same experiment, which goes on.
    pub resumed: Option<Evidence>,
    /// With how many sets of parameters each action is counted.
    pub sets: u32,
    /// Whether to hide each index in turn.
    pub ablate: bool,
    /// Rounds in a chunk; even, so that every order is run backwards too.
    pub rounds: u32,
    /// Length of a slice.
    pub slice: Duration,
    /// Driver threads.
    pub threads: usize,
    /// Connections of the loader.
    pub loader_connections: usize,
    /// Hears what happens.
    pub listener: Listener,
}

/// Rounds of load before anything is counted: more than five calls of each statement on each
/// connection, so that the server has settled on generic or custom plans.
const PRIMING_ROUNDS: u32 = 2;

/// Each round counts its operations (`sequence()`) from a multiple of 2^20 on: the same on every side, and within an
/// int4 for two thousand rounds.
const SEQUENCE_BITS: u32 = 20;

/// Stream numbers of priming lie apart from those of the trial.
const PRIMING_STREAM: u64 = 1 << 40;

/// Holds a trial. The databases it makes carry `token`; the caller drops them if this future is dropped.
///
/// # Errors
/// When files are wrong or the server fails; chunks measured by then were handed to the listener.
pub async fn prove(settings: &Settings, token: &Token) -> Result<Evidence, TrialError> {
    let clock = Clock::start();
    let started_at = clock::wall();
    let target = settings.target.named(&token.application());
    let mut admin = Admin::connect(&target).await?;
    remove_left_overs(settings, &mut admin, token).await?;

    let load = merge_loads(&of_files(&settings.scenarios[0]))?;
    check_connections(&mut admin, load).await?;
    let migrations = &settings.directory.migrations;
    let (base, between, weighed) = (
        &migrations[..=settings.at],
        &migrations[settings.at + 1..*settings.weighed.start()],
        &migrations[settings.weighed.clone()],
    );
    let template = obtain(settings, &mut admin, token, base, &clock).await?;
    clone_sides(settings, &mut admin, token, &template.name, between, &clock).await?;
    let targets = Side::ALL.map(|side| (side, target.database(&token.clone_name(side.name()))));
    let migration = migrate_after(settings, &targets, weighed, &clock).await?;

    let workloads = prepare_workloads(settings, &targets, load).await?;
    let server_settings = {
        let mut connection = targets[0].1.connect().await?;
        let read = settings::read(&mut connection).await?;
        let _ = connection.close().await;
        read
    };
    let mut evidence = Evidence {
        started_at: started_at.to_string(),
        complete: false,
        migration,
        dataset: DatasetFacts {
            spec: settings.spec.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            digest: template.digest,
            scale: settings.scale,
            seed: settings.seed.0,
            at: base.last().map_or_else(String::new, |m: &Migration| m.label.clone()),
            reused: template.reused,
        },
        server: ServerFacts {
            version: version_text(admin.server_version()),
            embedded: settings.embedded,
            settings: server_settings,
        },
        machine: MachineFacts::default(),
        design: design(settings, load),
        actions: action_facts(settings, &workloads),
        chunks: Vec::new(),
        counters: BTreeMap::new(),
        counts: BTreeMap::new(),
        advice: advice_of(&targets).await?,
        ablated: Vec::new(),
        plans: BTreeMap::new(),
        histograms: Vec::new(),
    };
    let of = |side: Side| &*workloads[usize::from(side == Side::After)];
    (settings.listener)(Event::Priming);
    prewarm(&targets).await?;
    // Before anything is counted, so that most pages' first touch after it, which writes them whole, is not.
    admin.checkpoint().await;
    evidence.counts = count(&targets, of, settings.sets, &settings.listener).await?;
    let plans = evidence.counts.iter().filter(|(side, _)| **side != Side::Control);
    evidence.plans = plans.map(|(side, counted)| (*side, plan_facts(counted))).collect();
    if settings.chunks == 0 {
        hide_indexes(settings, &targets, of(Side::After), &mut evidence).await?;
        evidence.complete = true;
        admin.close().await;
        return Ok(evidence);
    }
    if let Some(earlier) = &settings.resumed {
        go_on(earlier, &mut evidence)?;
    }
    evidence.design.attempt = (settings.attempts)(&evidence);
    let chunk_s = f64::from(settings.rounds * 3) * settings.slice.as_secs_f64();
    (settings.listener)(Event::Planned { chunk_s, looks: &settings.looks });
    measure(settings, &targets, &workloads, &mut admin, clock, &mut evidence).await?;
    // Last, for what it rolls back is left behind on one side only.
    hide_indexes(settings, &targets, of(Side::After), &mut evidence).await?;
    // The databases are the caller's to drop: a failure in that must not cost a finished trial.
    admin.close().await;
    Ok(evidence)
}

/// Hides the indexes of `after` in turn, if that was asked for.
async fn hide_indexes(
    settings: &Settings,
    targets: &[(Side, Target); 3],
    workload: &Workload,
    evidence: &mut Evidence,
) -> Result<(), TrialError> {
    if settings.ablate {
        let (side, target) = &targets[2];
        evidence.ablated = ablate(target, workload, &evidence.counts[side], &settings.listener).await?;
    }
    Ok(())
}

/// Takes over what an earlier part of the same experiment measured. Counters are those of the new part alone.
fn go_on(earlier: &Evidence, evidence: &mut Evidence) -> Result<(), TrialError> {
    let asked = |evidence: &Evidence| -> Vec<(String, Vec<String>, Vec<String>)> {
        evidence.actions.iter().map(|a| (a.name.clone(), a.sql.clone(), a.sql_after.clone())).collect()
    };
    let statements = |evidence: &Evidence| -> Vec<String> {
        let all = evidence.migration.statements.iter().map(|statement| statement.sql.clone());
        all.chain([evidence.migration.label.clone()]).collect()
    };
    let differs = [
        ("the migrations", statements(earlier) != statements(evidence)),
        ("the scenarios", earlier.design.scenarios != evidence.design.scenarios),
        ("the server's settings", earlier.server.settings != evidence.server.settings),
        ("the dataset", earlier.dataset.digest != evidence.dataset.digest),
        ("the actions", asked(earlier) != asked(evidence)),
        ("the server's version", earlier.server.version != evidence.server.version),
        ("the margins", earlier.actions.iter().map(|a| a.margin).ne(evidence.actions.iter().map(|a| a.margin))),
        ("the load", earlier.design.load != evidence.design.load),
    ];
    let differing: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
    if !differing.is_empty() {
        return Err(TrialError::Asked(format!(
            "this is not the experiment that is resumed: {} differ\n  = help: give the flags and files it was begun with, or begin a new one",
            differing.join(", ")
        )));
    }
    evidence.started_at.clone_from(&earlier.started_at);
    evidence.machine = earlier.machine;
    evidence.chunks.clone_from(&earlier.chunks);
    evidence.histograms.clone_from(&earlier.histograms);
    Ok(())
}

/// Sixteen hexadecimal digits that change with any word of the scenarios or of the migrations between the data and the sides.
fn scenarios_digest(settings: &Settings) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    settings.scenarios[0].iter().for_each(|(file, _)| add(&file.text));
    for migration in &settings.directory.migrations[settings.at + 1..*settings.weighed.start()] {
        add(&std::fs::read_to_string(&migration.up).unwrap_or_default());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What a dead program left; on the embedded server also its sessions, which may still be working.
async fn remove_left_overs(settings: &Settings, admin: &mut Admin, token: &Token) -> Result<(), TrialError> {
    if settings.embedded {
        admin.end_sessions("weighbridge/%", &token.application()).await?;
    }
    let left = admin.left_overs().await?;
    for name in &left {
        admin.drop_database(name).await?;
    }
    if !left.is_empty() {
        (settings.listener)(Event::CleanedUp(left.len()));
    }
    Ok(())
}

/// Every side has its own connections; too few of them would only show after the seeding.
async fn check_connections(admin: &mut Admin, load: Load) -> Result<(), TrialError> {
    let connections = load.connections();
    let allowed = admin.most_connections().await?;
    let needed = connections * Side::ALL.len() + 4;
    if allowed < needed {
        return Err(TrialError::Asked(format!(
            "the load needs {needed} connections ({connections} for each of the three sides), the server allows {allowed}\n  = help: \
             lower `connections` or `clients` in the scenario, or raise max_connections"
        )));
    }
    Ok(())
}

fn of_files(files: &[(SourceFile, Scenario)]) -> Vec<Scenario> {
    files.iter().map(|(_, scenario)| scenario.clone()).collect()
}

/// What is asked before the migration and after it: the same parameters, and the same statements but where the
/// scenario says otherwise (`since`).
async fn prepare_workloads(
    settings: &Settings,
    targets: &[(Side, Target); 3],
    load: Load,
) -> Result<[Arc<Workload>; 2], TrialError> {
    let mut before = targets[0].1.connect().await?;
    let types = describe_all(&mut before, &settings.scenarios[0], "").await?;
    let mut after = targets[2].1.connect().await?;
    let types_after = describe_all(&mut after, &settings.scenarios[1], "after the migration, ").await?;
    let _ = after.close().await;
    let scenarios = settings.scenarios.each_ref().map(|files| of_files(files));
    if !same_types(&scenarios, [&types, &types_after]) {
        return Err(TrialError::Asked(
            "the migration changes the type of a parameter, so both sides cannot be sent the same values\n  = help: \
             cast the parameter in the scenario's SQL, such as :id::int8"
                .to_owned(),
        ));
    }
    let spec = parse_spec(&settings.spec.text).ok();
    let sets = spec.as_ref().map_or(&[][..], |spec| &spec.key_sets);
    let pools = sample_picks(&mut before, &settings.scenarios[0], sets, settings.seed.0).await?;
    let _ = before.close().await;
    let now = spec.map_or(0, |spec| spec.now);
    let (seed, scale, protocol) = (settings.seed, settings.scale, Protocol::Prepared);
    let workload = |side: usize, bound: &Bound| {
        let pools = pools.clone();
        Arc::new(Workload::new(&scenarios[side], Setting { load, bound, pools, now, seed, scale, protocol }))
    };
    Ok([workload(0, &types), workload(1, &types_after)])
}

/// Whether statements that are the same on both sides take the same types.
fn same_types(scenarios: &[Vec<Scenario>; 2], bound: [&Bound; 2]) -> bool {
    let steps = |side: usize| {
        let actions = scenarios[side].iter().zip(bound[side]).flat_map(|(s, bound)| s.actions.iter().zip(bound));
        actions.flat_map(|(action, bound)| action.steps.iter().zip(bound))
    };
    steps(0).zip(steps(1)).all(|((before, its), (after, types))| {
        before.statement.sql != after.statement.sql
            || its.arguments == types.arguments && its.captures == types.captures
    })
}

async fn measure(
    settings: &Settings,
    targets: &[(Side, Target); 3],
    workloads: &[Arc<Workload>; 2],
    admin: &mut Admin,
    clock: Clock,
    evidence: &mut Evidence,
) -> Result<(), TrialError> {
    (settings.listener)(Event::Priming);
    // Before priming, as before counting.
    admin.checkpoint().await;
    let of = |side: Side| &workloads[usize::from(side == Side::After)];
    let crew = Crew::start(workloads[0].load, None, settings.threads, clock);
    for (index, (side, target)) in targets.iter().enumerate() {
        crew.connect(index, &target.clone().into(), of(*side)).await?;
    }
    for round in 0..u64::from(PRIMING_ROUNDS) {
        run_round(settings, &crew, round, PRIMING_STREAM + round, round).await?;
    }
    for index in 0..targets.len() {
        crew.collect(index).await?;
    }
    let first = snapshots(&crew, targets).await?;
    let (before, machine) = (evidence.machine, Counters::read());

    let total = settings.chunks * settings.rounds * 3;
    for chunk in evidence.chunks.len() as u32..settings.chunks {
        for round in 0..settings.rounds {
            let number = u64::from(chunk * settings.rounds + round);
            run_round(settings, &crew, number, number, u64::from(PRIMING_ROUNDS) + number).await?;
            let done = (number as u32 + 1) * 3;
            (settings.listener)(Event::Slice { chunk: chunk + 1, chunks: settings.chunks, done, total });
        }
        add_chunk(&crew, evidence).await?;
        let now = Counters::read();
        // The worse of this part and of one before it.
        evidence.machine = MachineFacts {
            stolen_share: [before.stolen_share, machine.stolen_since(&now)].into_iter().flatten().reduce(f64::max),
            throttled: [before.throttled, machine.throttled_since(&now)].into_iter().flatten().max(),
        };
        (settings.listener)(Event::Chunk(evidence));
        if settings.looks.contains(&(chunk + 1)) && (settings.enough)(evidence) {
            break;
        }
    }

    let last = snapshots(&crew, targets).await?;
    drop(crew);
    evidence.counters = counters(&first, &last, of);
    evidence.complete = true;
    Ok(())
}

/// What the catalogs of `before` and `after` say about their indexes.
async fn advice_of(targets: &[(Side, Target); 3]) -> Result<BTreeMap<Side, IndexAdvice>, TrialError> {
    let mut found = BTreeMap::new();
    for (side, target) in targets.iter().filter(|(side, _)| *side != Side::Control) {
        let mut connection = target.connect().await?;
        let Advice { redundant, unindexed, invalid } = advice::advice(&mut connection).await?;
        let _ = connection.close().await;
        found.insert(*side, IndexAdvice { redundant, unindexed, invalid });
    }
    Ok(found)
}

/// One slice on every side with the same arrivals and parameters.
async fn run_round(settings: &Settings, crew: &Crew, round: u64, stream: u64, nth: u64) -> Result<(), TrialError> {
    for side in order(settings.seed.0, round) {
        let index = Side::ALL.iter().position(|s| *s == side).expect("every side is in the list");
        crew.slice(index, stream, nth << SEQUENCE_BITS, settings.slice.as_nanos() as u64).await?;
    }
    Ok(())
}

async fn add_chunk(crew: &Crew, evidence: &mut Evidence) -> Result<(), TrialError> {
    let mut sides = BTreeMap::new();
    let mut histograms = Histograms::new();
    for (index, side) in Side::ALL.into_iter().enumerate() {
        let recording = crew.collect(index).await?;
        sides.insert(side, chunk_side(&recording));
        let recorded = recording.actions.into_iter();
        let kept = recorded.map(|a| ActionHistograms { latency: a.latency, service: a.service, lag: a.lag });
        histograms.insert(side, kept.collect());
    }
    evidence.chunks.push(ChunkFacts { sides });
    evidence.histograms.push(histograms);
    Ok(())
}

fn chunk_side(recording: &Recording) -> ChunkSide {
    let counts = recording.actions.iter().map(|action| {
        let crate::drive::Counts { due, skipped, unsent, ok, failed, rows, .. } = action.counts;
        ActionCounts { due, skipped: skipped + unsent, ok, failed, rows }
    });
    let lag_us = |q: f64| recording.timer_lag.value_at_quantile(q) as f64 / 1e3;
    ChunkSide {
        actions: counts.collect(),
        failures: recording.failures.iter().map(|(class, seen)| (class.clone(), seen.count)).collect(),
        timer_lag: TimerLag { us_p50: lag_us(0.50), us_p95: lag_us(0.95), us_p99: lag_us(0.99) },
        driver_cpu_share_max: recording.cpu_share_max,
        elapsed_s: recording.elapsed_ns as f64 / 1e9,
    }
}

/// Snapshots of all sides, after every worker has made its counters visible.
async fn snapshots(crew: &Crew, targets: &[(Side, Target); 3]) -> Result<BTreeMap<Side, Snapshot>, TrialError> {
    crew.flush().await?;
    let mut taken = BTreeMap::new();
    for (side, target) in targets {
        let mut connection = target.connect().await?;
        observe::settle(&connection).await;
        taken.insert(*side, observe::snapshot(&mut connection).await?);
        let _ = connection.close().await;
    }
    Ok(taken)
}

fn counters<'w>(
    first: &BTreeMap<Side, Snapshot>,
    last: &BTreeMap<Side, Snapshot>,
    of: impl Fn(Side) -> &'w Arc<Workload>,
) -> BTreeMap<Side, SideCounters> {
    last.iter().map(|(side, last)| (*side, side_counters(&first[side], last, of(*side)))).collect()
}

fn side_counters(first: &Snapshot, last: &Snapshot, workload: &Workload) -> SideCounters {
    let mut counters = SideCounters::default();
    for (name, end) in &last.indexes {
        let start = first.indexes.get(name).cloned().unwrap_or_default();
        counters.reset |= end.scans < start.scans;
        counters.indexes.insert(
            name.clone(),
            IndexUse {
                definition: end.definition.clone(),
                table: end.table.clone(),
                unique: end.unique,
                valid: end.valid,
                scans: end.scans - start.scans,
                tuples_read: end.tuples_read - start.tuples_read,
                tuples_fetched: end.tuples_fetched - start.tuples_fetched,
                blocks_read: end.blocks_read - start.blocks_read,
                blocks_hit: end.blocks_hit - start.blocks_hit,
                size_bytes: end.bytes,
            },
        );
    }
    for (name, end) in &last.tables {
        let start = first.tables.get(name).cloned().unwrap_or_default();
        counters.reset |= end.sequential_scans < start.sequential_scans;
        counters.tables.insert(
            name.clone(),
            TableUse {
                sequential_scans: end.sequential_scans - start.sequential_scans,
                sequential_rows: end.sequential_rows - start.sequential_rows,
                index_scans: end.index_scans - start.index_scans,
                inserted: end.inserted - start.inserted,
                updated: end.updated - start.updated,
                updated_hot: end.updated_hot - start.updated_hot,
                deleted: end.deleted - start.deleted,
                size_bytes: end.bytes,
            },
        );
    }
    if let (Some(first), Some(last)) = (&first.statements, &last.statements) {
        let calls = |tags: &BTreeMap<String, StatementCounters>, tag: &String| tags.get(tag).map_or(0, |c| c.calls);
        counters.reset |= first.keys().any(|tag| calls(last, tag) < calls(first, tag));
        counters.work =
            Some(workload.actions.iter().map(|action| work_per_call(workload, action, first, last)).collect());
    }
    counters
}

/// The statements of an action together, per call of its first one; `None` when they cannot be told
/// from another action's, or were not counted.
fn work_per_call(
    workload: &Workload,
    action: &PlannedAction,
    first: &BTreeMap<String, StatementCounters>,
    last: &BTreeMap<String, StatementCounters>,
) -> Option<WorkPerCall> {
    if workload.shares_a_statement(action) {
        return None;
    }
    let mut sum = StatementCounters::default();
    let mut calls = 0;
    for (position, step) in action.steps.iter().enumerate() {
        let start = first.get(&step.tag).copied().unwrap_or_default();
        let end = last.get(&step.tag).copied().unwrap_or_default();
        if position == 0 {
            calls = end.calls - start.calls;
        }
        sum.rows += end.rows - start.rows;
        sum.blocks_hit += end.blocks_hit - start.blocks_hit;
        sum.blocks_read += end.blocks_read - start.blocks_read;
        sum.wal_bytes += end.wal_bytes - start.wal_bytes;
        sum.wal_full_pages += end.wal_full_pages - start.wal_full_pages;
        sum.exec_ms += end.exec_ms - start.exec_ms;
    }
    let per_call = |total: i64| total as f64 / calls as f64;
    (0 < calls).then(|| WorkPerCall {
        calls,
        rows: per_call(sum.rows),
        blocks: per_call(sum.blocks_hit + sum.blocks_read),
        blocks_read: per_call(sum.blocks_read),
        wal_bytes: per_call(sum.wal_bytes),
        wal_full_pages: per_call(sum.wal_full_pages),
        exec_ms: sum.exec_ms / calls as f64,
    })
}

fn design(settings: &Settings, load: Load) -> Design {
    Design {
        seed: settings.seed.0,
        chunks_planned: settings.chunks,
        looks: settings.looks.clone(),
        scenarios: scenarios_digest(settings),
        attempt: 1,
        rounds_per_chunk: settings.rounds,
        slice_ms: settings.slice.as_millis() as u64,
        margin: settings.margin,
        load: match load {
            Load::Open { rate, connections } => LoadFacts::Open { rate_per_s: rate, connections: connections as u32 },
            Load::Closed { clients } => LoadFacts::Closed { clients: clients as u32 },
        },
        driver_threads: settings.threads as u32,
    }
}

fn action_facts(settings: &Settings, workloads: &[Arc<Workload>; 2]) -> Vec<ActionFacts> {
    let sql = |action: &PlannedAction| -> Vec<String> {
        action.steps.iter().map(|step| step.sql.trim().to_owned()).collect()
    };
    let facts = workloads[0].actions.iter().zip(&workloads[1].actions).map(|(action, after)| {
        let (before, after) = (sql(action), sql(after));
        ActionFacts {
            name: action.name.clone(),
            share: action.share,
            margin: action.margin.unwrap_or(settings.margin),
            sql_after: if before == after { Vec::new() } else { after },
            sql: before,
        }
    });
    facts.collect()
}
