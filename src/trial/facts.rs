//! What is known of every trial before load, wherever its sides are: servers, design, single operations. Must decide
//! nothing of how long it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Connection;

use super::digest::digest;
use super::error::TrialError;
use super::event::Event;
use super::load::turns;
use super::prepare::Sitting;
use super::settings::{Settings, Subject};
use super::subject::role;
use super::work::count::{count, plan_facts};
use super::work::hypothetical::hypothetical;
use crate::diagnostic::Message;
use crate::evidence::{
    self, ActionFacts, Autovacuum, CountedAction, DatasetFacts, Design, Evidence, IndexAdvice, LoadFacts, MachineFacts,
    MigrationFacts, MissingPart, PartialIndex, PartitionedIndex, ServerFacts, Side,
};
use crate::postgres::advice::{self, Advice, Partitioned};
use crate::postgres::connect::{lasting_identity, most_connections, version_text};
use crate::postgres::definitions::definitions;
use crate::postgres::predicates::{self, partial_indexes};
use crate::postgres::{Target, settings};
use crate::scenario::workload::PlannedAction;
use crate::scenario::{Load, Workload};

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
        return Err(TrialError::Asked(
            Message::new(format!(
                "the load needs {needed} connections ({connections} for each of {sides} sides), the server allows \
                 {allowed}"
            ))
            .help("lower `connections` or `clients` in the scenario, or raise max_connections"),
        ));
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
        chunks_planned: 0,
        looks: Vec::new(),
        scenarios: scenarios_digest(settings),
        interleave: settings.interleave.unwrap_or_default(),
        interleave_reason: None,
        precision: None,
        replicates: match &settings.subject {
            Subject::Clones(dataset) => dataset.replicates,
            Subject::Given(_) | Subject::InPlace(_) => 1,
        },
        checkpointed: false,
        reconnected: false,
        autovacuum: Autovacuum::default(),
        clones: Vec::new(),
        working_set_bytes: 0,
        sequences_apart: false,
        priming_rounds: 0,
        primed: true,
        attempt: 1,
        rounds_per_chunk: settings.rounds.unwrap_or(turns::SLICE_ROUNDS),
        slice_ms: settings.slice.map_or(turns::SLICE_MS, |slice| slice.as_millis() as u64),
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

/// Sixteen hexadecimal digits that change with any word of the scenarios or of the migrations between the data and the
/// sides.
fn scenarios_digest(settings: &Settings) -> String {
    let between = match &settings.subject {
        Subject::Clones(dataset) => dataset.parts().1,
        Subject::Given(_) | Subject::InPlace(_) => &[],
    };
    let scenarios = settings.scenarios[0].iter().map(|(file, _)| file.text.clone());
    digest(scenarios.chain(between.iter().map(|migration| migration.up.file.text.clone())))
}
