//! What every trial has in common, wherever its sides are: facts, counts, a plan of turns. Must treat the sides alike, slice by slice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::Connection;

use super::digest::digest;
use super::error::TrialError;
use super::event::Event;
use super::load::focus::{chunks_needed, focus};
use super::prepare::Sitting;
use super::resume::{go_on, scenarios_digest};
use super::settings::{Settings, Subject};
use super::subject::clones;
use super::subject::given;
use super::subject::in_place;
use super::subject::role;
use super::subject::sides::working_set;
use super::work::count::{count, plan_facts};
use super::work::hypothetical::hypothetical;
use crate::evidence::{
    self, ActionFacts, Autovacuum, CountedAction, DatasetFacts, Design, Evidence, IndexAdvice, Interleave, LoadFacts,
    MachineFacts, MigrationFacts, MissingPart, PartialIndex, PartitionedIndex, ServerFacts, Side,
};
use crate::postgres::advice::{self, Advice, Partitioned};
use crate::postgres::connect::{lasting_identity, most_connections, version_text};
use crate::postgres::database::Token;
use crate::postgres::definitions::definitions;
use crate::postgres::predicates::{self, partial_indexes};
use crate::postgres::{Target, settings};
use crate::scenario::workload::PlannedAction;
use crate::scenario::{Load, Workload};
use crate::sql;

/// Holds a trial. What it makes carries `token`; the caller removes it if this future is dropped.
///
/// # Errors
/// When files are wrong or a server fails; chunks measured by then were handed to the listener.
pub async fn prove(settings: &Settings, token: &Token) -> Result<Evidence, TrialError> {
    match &settings.subject {
        Subject::Clones(dataset) => clones::prove(settings, dataset, token).await,
        Subject::Given(given) => given::prove(settings, given, token).await,
        Subject::InPlace(place) => in_place::prove(settings, place, token).await,
    }
}

/// What is known of a trial before anything is asked.
///
/// # Errors
/// When a server is lost.
pub(super) async fn begin(
    settings: &Settings,
    sitting: &Sitting,
    started_at: String,
    migration: MigrationFacts,
    dataset: Option<DatasetFacts>,
) -> Result<Evidence, TrialError> {
    let server = server_facts(settings, sitting.target(Side::Before)).await?;
    let after = server_facts(settings, sitting.target(Side::After)).await?;
    let control = server_facts(settings, sitting.target(Side::Control)).await?;
    let mut design = design(settings, sitting);
    if design.subject != evidence::Subject::Clones {
        for (_, target) in sitting.databases() {
            design.databases.push(lasting_identity(target).await?);
            design.schemas.extend(schema_digest(target).await);
        }
    }
    Ok(Evidence {
        started_at,
        complete: false,
        migration,
        dataset,
        // A migration may set something for its database, and two that are given may be anywhere.
        server_control: (control != server).then_some(control),
        server_after: (after != server).then_some(after),
        server,
        tables: BTreeMap::new(),
        machine: MachineFacts::default(),
        limits: None,
        design,
        actions: action_facts(settings, sitting),
        chunks: Vec::new(),
        counters: BTreeMap::new(),
        counts: BTreeMap::new(),
        isolated: None,
        advice: BTreeMap::new(),
        ablated: Vec::new(),
        hypothetical: Vec::new(),
        row_security: BTreeMap::new(),
        denied: Vec::new(),
        plans: BTreeMap::new(),
        histograms: Vec::new(),
        dropped: None,
    })
}

/// Sixteen hexadecimal digits that change with the schema of a database; nothing where a role may not read all of it.
async fn schema_digest(target: &Target) -> Option<String> {
    let mut connection = target.connect().await.ok()?;
    let found = definitions(&mut connection).await.ok();
    let _ = connection.close().await;
    found.map(digest)
}

/// What a side's server is and how it is set.
///
/// # Errors
/// When it is lost.
pub(super) async fn server_facts(settings: &Settings, target: &Target) -> Result<ServerFacts, TrialError> {
    let mut connection = target.connect().await?;
    let version = version_text(connection.server_version_num().unwrap_or_default());
    let read = settings::read(&mut connection).await?;
    let extensions = settings::extensions(&mut connection).await?;
    let _ = connection.close().await;
    let embedded = matches!(&settings.subject, Subject::Clones(dataset) if dataset.embedded);
    Ok(ServerFacts { version, embedded, settings: read, extensions })
}

/// Counts single operations on sides that are there at the same time, and reads what their catalogs say about indexes.
///
/// # Errors
/// When a server is lost.
pub(super) async fn look_at_operations(
    settings: &Settings,
    sitting: &Sitting,
    evidence: &mut Evidence,
) -> Result<(), TrialError> {
    // Rows that others leave at the same time would be taken for ours.
    let alone = matches!(settings.subject, Subject::Clones(_));
    let counts =
        count(&sitting.asking(), |side| &**sitting.of(side), (settings.sets, alone), &settings.listener).await?;
    take_counts(evidence, counts);
    for side in [Side::Before, Side::After] {
        evidence.row_security.insert(side, role::row_security(&sitting.asks(side)).await?);
    }
    role::keep_touched(evidence);
    evidence.denied = role::denied(sitting, &evidence.counts).await?;
    for side in [Side::Before, Side::After] {
        evidence.advice.insert(side, advice_of(sitting.target(side)).await?);
    }
    let after = (&sitting.asks(Side::After), sitting.of(Side::After));
    evidence.hypothetical =
        hypothetical(after.0, after.1, &evidence.counts[&Side::After], &evidence.advice[&Side::After].unindexed)
            .await?;
    (settings.listener)(Event::Counted(evidence));
    Ok(())
}

/// Takes over what single operations cost.
pub(super) fn take_counts(evidence: &mut Evidence, counts: BTreeMap<Side, Vec<CountedAction>>) {
    let plans = counts.iter().filter(|(side, _)| **side != Side::Control);
    evidence.plans = plans.map(|(side, counted)| (*side, plan_facts(counted))).collect();
    evidence.counts = counts;
}

/// Settles by what single operations show how the sides take turns and who gets how many operations.
///
/// # Errors
/// When a server is lost, or this is not the experiment that is to go on.
pub(super) async fn look_ahead(
    settings: &Settings,
    sitting: &mut Sitting,
    evidence: &mut Evidence,
) -> Result<(), TrialError> {
    if settings.chunks == 0 {
        if settings.isolated {
            // What is timed can err by chance, as a load can.
            evidence.design.attempt = (settings.attempts)(evidence);
        }
        return Ok(());
    }
    take_turns(settings, sitting, evidence).await?;
    let changes_rows = || evidence.counts.values().flatten().any(CountedAction::changes_rows);
    if evidence.design.sequences_apart && matches!(settings.subject, Subject::Given(_)) && changes_rows() {
        return Err(TrialError::Asked(
            "the load writes, and a --before that is its own control bears it twice: its tables would grow twice as fast as those of --after\n  = help: \
             give a second --before, or leave the actions that write out"
                .to_owned(),
        ));
    }
    if let Some(earlier) = &settings.resumed {
        // As it was begun.
        let driven: Option<Vec<f64>> = earlier.actions.iter().map(|action| action.driven_share).collect();
        if let Some(driven) = driven.filter(|driven| driven.len() == evidence.actions.len()) {
            sitting.workloads.iter_mut().filter_map(Arc::get_mut).for_each(|workload| workload.drive_as(&driven));
            evidence.actions.iter_mut().zip(driven).for_each(|(action, share)| action.driven_share = Some(share));
        }
    } else if settings.focus
        && let [before, after] = &mut sitting.workloads
        && let (Some(before), Some(after)) = (Arc::get_mut(before), Arc::get_mut(after))
    {
        focus(evidence, [before, after]);
    }
    if let Some(earlier) = &settings.resumed {
        go_on(earlier, evidence)?;
        (settings.claim)()?;
    }
    evidence.design.attempt = (settings.attempts)(evidence);
    let needed = chunks_needed(evidence).unwrap_or_default();
    (settings.listener)(Event::Planned { looks: &settings.looks, evidence, needed: &needed });
    Ok(())
}

/// Length of a slice where nobody says it, in milliseconds.
const SLICE_MS: u64 = 1_000;
const BLOCK_MS: u64 = 10_000;

/// Rounds in a chunk where nobody says it.
const SLICE_ROUNDS: u32 = 6;
const BLOCK_ROUNDS: u32 = 2;

/// A mix of which more than this share may write is one whose cost falls due at checkpoints, which blocks hold and slices do not.
const MOSTLY_WRITES: f64 = 0.5;

/// How the sides take turns: as was asked, else in slices, unless they would push each other out of the cache or mostly write.
async fn take_turns(settings: &Settings, sitting: &Sitting, evidence: &mut Evidence) -> Result<(), TrialError> {
    let mut bytes = 0;
    let mut buffers = 0;
    for (side, target) in sitting.databases() {
        let plans = evidence.counts.get(side).into_iter().flatten().flat_map(|action| &action.plans);
        let indexes = |plan: &crate::evidence::PlanShape| {
            plan.paths.iter().flat_map(|path| path.indexes.clone()).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = plans.flat_map(|plan| [plan.relations.clone(), indexes(plan)].concat()).collect();
        let (touched, shared) = working_set(target, names.into_iter().collect()).await?;
        bytes += touched;
        buffers = shared;
    }
    // By its text, or as single operations showed: a query may call a function that writes.
    let wrote = |action: usize| evidence.counts.values().any(|side| side.get(action).is_some_and(|of| of.wrote));
    let writes = |action: &PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let actions = sitting.workloads[0].actions.iter().enumerate();
    let writing = actions.filter(|(at, action)| writes(action) || wrote(*at)).map(|(_, action)| action.share);
    let (writers, writes) = writing.fold((0, 0.0), |(writers, writes), share| (writers + 1, writes + share));
    let design = &mut evidence.design;
    design.working_set_bytes = bytes;
    // Where others use the server, checkpoints are not ours to ask for.
    design.checkpointed = 0 < writers && matches!(settings.subject, Subject::Clones(_));
    design.sequences_apart = 0 < writers && sitting.databases().count() < Side::ALL.len();
    if let Subject::InPlace(_) = settings.subject {
        // Every turn of `after` costs a migration and its reversal, so there is one in a chunk.
        design.interleave = Interleave::Block;
        design.rounds_per_chunk = 1;
        design.slice_ms = settings.slice.map_or(BLOCK_MS, |slice| slice.as_millis() as u64);
        return Ok(());
    }
    if settings.interleave.is_none() {
        if buffers < bytes {
            design.interleave = Interleave::Block;
            design.interleave_reason = Some(format!(
                "what the plans can touch on three sides ({}) does not fit into shared_buffers ({}) together",
                crate::units::bytes_text(bytes),
                crate::units::bytes_text(buffers)
            ));
        } else if MOSTLY_WRITES < writes {
            design.interleave = Interleave::Block;
            design.interleave_reason = Some(format!("{:.0} % of the operations may write", writes * 100.0));
        }
    }
    let block = design.interleave == Interleave::Block;
    design.rounds_per_chunk = settings.rounds.unwrap_or(if block { BLOCK_ROUNDS } else { SLICE_ROUNDS });
    design.slice_ms = settings.slice.map_or(if block { BLOCK_MS } else { SLICE_MS }, |slice| slice.as_millis() as u64);
    Ok(())
}

/// Every side has its own connections; too few of them would only show in the middle of the trial.
///
/// # Errors
/// When the server allows fewer than `sides` of the trial need.
pub(super) async fn check_connections(target: &Target, load: Load, sides: usize) -> Result<(), TrialError> {
    let mut connection = target.connect().await?;
    let allowed = most_connections(&mut connection).await?;
    let _ = connection.close().await;
    let connections = load.connections();
    let needed = connections * sides + 4;
    if allowed < needed {
        return Err(TrialError::Asked(format!(
            "the load needs {needed} connections ({connections} for each of {sides} sides), the server allows {allowed}\n  = help: \
             lower `connections` or `clients` in the scenario, or raise max_connections"
        )));
    }
    Ok(())
}

/// What a catalog says about its indexes.
///
/// # Errors
/// When the server is lost.
pub(super) async fn advice_of(target: &Target) -> Result<IndexAdvice, TrialError> {
    let mut connection = target.connect().await?;
    let found = advice::advice(&mut connection).await?;
    let partial = partial_indexes(&mut connection).await?.into_iter().map(|index| {
        let predicates::PartialIndex { name, table, predicate, holds_some, leaves_some, columns, constant } = index;
        (name, PartialIndex { table, predicate, holds_some, leaves_some, columns, constant })
    });
    let partial = partial.collect();
    let _ = connection.close().await;
    let unindexed = found.unindexed();
    let Advice { redundant, keys, invalid, partitioned, structures } = found;
    let missing = |parts: Vec<(String, Option<String>)>| {
        parts.into_iter().map(|(partition, invalid)| MissingPart { partition, invalid }).collect()
    };
    let partitioned = partitioned.into_iter().map(|(name, index)| {
        let Partitioned { table, definition, missing: parts } = index;
        (name, PartitionedIndex { table, definition, missing: missing(parts) })
    });
    Ok(IndexAdvice { redundant, unindexed, keys, invalid, partitioned: partitioned.collect(), partial, structures })
}

fn design(settings: &Settings, sitting: &Sitting) -> Design {
    Design {
        seed: settings.seed.0,
        subject: match &settings.subject {
            Subject::Clones(_) => evidence::Subject::Clones,
            Subject::Given(_) => {
                evidence::Subject::Given { own_control: sitting.databases().count() == Side::ALL.len() }
            }
            Subject::InPlace(_) => evidence::Subject::InPlace,
        },
        policy: settings.policy.clone(),
        role: settings.role.clone(),
        databases: Vec::new(),
        schemas: Vec::new(),
        schema_changes: Vec::new(),
        chunks_planned: settings.chunks,
        looks: settings.looks.clone(),
        scenarios: scenarios_digest(settings),
        interleave: settings.interleave.unwrap_or_default(),
        interleave_reason: None,
        precision: settings.precision,
        replicates: match &settings.subject {
            Subject::Clones(dataset) => dataset.replicates,
            Subject::Given(_) | Subject::InPlace(_) => 1,
        },
        checkpointed: false,
        autovacuum: Autovacuum::default(),
        clones: Vec::new(),
        working_set_bytes: 0,
        sequences_apart: false,
        priming_rounds: 0,
        primed: true,
        attempt: 1,
        rounds_per_chunk: settings.rounds.unwrap_or(SLICE_ROUNDS),
        slice_ms: settings.slice.map_or(SLICE_MS, |slice| slice.as_millis() as u64),
        margin: settings.margin,
        load: match sitting.load() {
            Load::Open { rate, connections } => LoadFacts::Open { rate_per_s: rate, connections: connections as u32 },
            Load::Closed { clients } => LoadFacts::Closed { clients: clients as u32 },
        },
        driver_threads: settings.threads as u32,
    }
}

fn action_facts(settings: &Settings, sitting: &Sitting) -> Vec<ActionFacts> {
    let sql = |action: &PlannedAction| -> Vec<String> {
        action.steps.iter().map(|step| step.sql.trim().to_owned()).collect()
    };
    let [before, after]: &[Arc<Workload>; 2] = &sitting.workloads;
    let facts = before.actions.iter().zip(&after.actions).map(|(action, after)| {
        let (before, after) = (sql(action), sql(after));
        ActionFacts {
            name: action.name.clone(),
            share: action.share,
            driven_share: None,
            margin: action.margin.unwrap_or(settings.margin),
            trips: action.trips(),
            sql_after: if before == after { Vec::new() } else { after },
            sql: before,
        }
    });
    facts.collect()
}
