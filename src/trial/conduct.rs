//! Conducts the experiment from the template to the last snapshot. Must treat the sides alike, slice by slice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::Connection;

use super::ablate::ablate;
use super::count::{count, plan_facts};
use super::error::TrialError;
use super::event::Event;
use super::focus::{chunks_needed, focus};
use super::measure::Course;
use super::prepare::{Sitting, load};
use super::resume::{go_on, scenarios_digest};
use super::settings::Settings;
use super::sides::{analyze, clone_sides, migrate_after, prewarm, quiet_autovacuum, working_set};
use super::template::{Template, obtain};
use crate::clock::{self, Clock};
use crate::evidence::{
    ActionFacts, Autovacuum, DatasetFacts, Design, Evidence, IndexAdvice, Interleave, LoadFacts, MachineFacts,
    MigrationFacts, ServerFacts, Side,
};
use crate::postgres::advice::{self, Advice};
use crate::postgres::connect::version_text;
use crate::postgres::database::{Admin, Token};
use crate::postgres::{Target, settings};
use crate::scenario::workload::PlannedAction;
use crate::scenario::{Load, Workload};
use crate::sql;

/// Holds a trial. The databases it makes carry `token`; the caller drops them if this future is dropped.
///
/// # Errors
/// When files are wrong or the server fails; chunks measured by then were handed to the listener.
pub async fn prove(settings: &Settings, token: &Token) -> Result<Evidence, TrialError> {
    let clock = Clock::start();
    let started_at = clock::wall().to_string();
    let dataset = &settings.dataset;
    let target = settings.target.named(&token.application());
    let mut admin = Admin::connect(&target).await?;
    remove_left_overs(settings, &mut admin, token).await?;
    let load = load(settings)?;
    check_connections(&mut admin, load).await?;
    let (base, between, weighed) = dataset.parts();
    let template = obtain(settings, &mut admin, token, base, &clock).await?;
    let targets = Side::ALL.map(|side| (side, target.database(&token.clone_name(side.name()))));
    let mut begun: Option<Evidence> = None;
    for replicate in 0..dataset.replicates {
        for side in Side::ALL {
            admin.drop_database(&token.clone_name(side.name())).await?;
        }
        let mut clones = clone_sides(settings, &mut admin, token, &template.name, between, &clock).await?;
        clones.iter_mut().for_each(|clone| clone.replicate = replicate);
        if 1 < dataset.replicates {
            analyze(&targets).await?;
        }
        let migration = migrate_after(settings, &targets, weighed, &clock).await?;
        let autovacuum = quiet_autovacuum(&targets).await?;
        let mut sitting = Sitting::new(settings, targets.clone(), load).await?;
        let mut evidence = match begun.take() {
            Some(evidence) => evidence,
            None => {
                let version = version_text(admin.server_version());
                begin(settings, &sitting, (started_at.clone(), version), migration, &template).await?
            }
        };
        evidence.design.autovacuum = autovacuum;
        evidence.design.clones.extend(clones);
        (settings.listener)(Event::Priming);
        prewarm(&targets).await?;
        // Before anything is counted, so that most pages' first touch after it, which writes them whole, is not.
        admin.checkpoint().await;
        if replicate == 0 {
            look_ahead(settings, &mut sitting, &mut evidence).await?;
        }
        if settings.chunks != 0 {
            // As even as they can be.
            let until = settings.chunks * (replicate + 1) / dataset.replicates;
            let mut course = Course::new(settings, &sitting, target.connect().await?, clock, &evidence).await?;
            course.prime(&mut evidence).await?;
            course.measure(replicate, until, &mut evidence).await?;
        }
        if replicate + 1 == dataset.replicates && settings.ablate {
            // Last, for what it rolls back is left behind on one side only.
            let counted = &evidence.counts[&Side::After];
            evidence.ablated = ablate(&targets[2].1, sitting.of(Side::After), counted, &settings.listener).await?;
        }
        begun = Some(evidence);
    }
    // The databases are the caller's to drop: a failure in that must not cost a finished trial.
    admin.close().await;
    let mut evidence = begun.ok_or_else(|| TrialError::Asked("no set of clones was asked for".to_owned()))?;
    evidence.complete = true;
    Ok(evidence)
}

/// What is known of a trial before anything is asked.
async fn begin(
    settings: &Settings,
    sitting: &Sitting,
    (started_at, version): (String, String),
    migration: MigrationFacts,
    template: &Template,
) -> Result<Evidence, TrialError> {
    let at = settings.dataset.parts().0.last().map_or_else(String::new, |migration| migration.label.clone());
    let mut servers = Vec::new();
    for side in [Side::Before, Side::After] {
        let mut connection = sitting.target(side).connect().await?;
        let read = settings::read(&mut connection).await?;
        let _ = connection.close().await;
        servers.push(ServerFacts { version: version.clone(), embedded: settings.embedded, settings: read });
    }
    let after = servers.pop();
    let server = servers.pop().expect("both were read");
    Ok(Evidence {
        started_at,
        complete: false,
        migration,
        dataset: DatasetFacts {
            spec: settings.spec.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            digest: template.digest.clone(),
            scale: settings.scale,
            seed: settings.seed.0,
            at,
            reused: template.reused,
        },
        // A migration may set something for its database.
        server_after: after.filter(|after| *after != server),
        server,
        machine: MachineFacts::default(),
        design: design(settings, sitting),
        actions: action_facts(settings, sitting),
        chunks: Vec::new(),
        counters: BTreeMap::new(),
        counts: BTreeMap::new(),
        advice: advice_of(&sitting.targets).await?,
        ablated: Vec::new(),
        plans: BTreeMap::new(),
        histograms: Vec::new(),
    })
}

/// Counts single operations, and settles by what they show how the sides take turns and who gets how many operations.
async fn look_ahead(settings: &Settings, sitting: &mut Sitting, evidence: &mut Evidence) -> Result<(), TrialError> {
    evidence.counts = count(&sitting.targets, |side| &**sitting.of(side), settings.sets, &settings.listener).await?;
    let plans = evidence.counts.iter().filter(|(side, _)| **side != Side::Control);
    evidence.plans = plans.map(|(side, counted)| (*side, plan_facts(counted))).collect();
    if settings.chunks == 0 {
        return Ok(());
    }
    take_turns(settings, sitting, evidence).await?;
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
    }
    evidence.design.attempt = (settings.attempts)(evidence);
    let chunk_s = f64::from(evidence.design.rounds_per_chunk * 3) * evidence.design.slice_ms as f64 / 1e3;
    let needed = chunks_needed(evidence).unwrap_or_default();
    (settings.listener)(Event::Planned { chunk_s, looks: &settings.looks, evidence, needed: &needed });
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
    for (side, target) in &sitting.targets {
        let plans = evidence.counts.get(side).into_iter().flatten().flat_map(|action| &action.plans);
        let indexes = |plan: &crate::evidence::PlanShape| {
            plan.paths.iter().flat_map(|path| path.indexes.clone()).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = plans.flat_map(|plan| [plan.relations.clone(), indexes(plan)].concat()).collect();
        let (touched, shared) = working_set(target, names.into_iter().collect()).await?;
        bytes += touched;
        buffers = shared;
    }
    let actions = &sitting.workloads[0].actions;
    let writing = |action: &&PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let writes: f64 = actions.iter().filter(writing).map(|action| action.share).sum();
    let design = &mut evidence.design;
    design.working_set_bytes = bytes;
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

fn design(settings: &Settings, sitting: &Sitting) -> Design {
    Design {
        seed: settings.seed.0,
        chunks_planned: settings.chunks,
        looks: settings.looks.clone(),
        scenarios: scenarios_digest(settings),
        interleave: settings.interleave.unwrap_or_default(),
        interleave_reason: None,
        precision: settings.precision,
        replicates: settings.dataset.replicates,
        checkpointed: sitting.writes(),
        autovacuum: Autovacuum::default(),
        clones: Vec::new(),
        working_set_bytes: 0,
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
            sql_after: if before == after { Vec::new() } else { after },
            sql: before,
        }
    });
    facts.collect()
}
