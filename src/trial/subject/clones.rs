//! A trial on clones of a dataset that is made: the strongest, for nothing differs but the migration. Must leave no database behind but
//! templates.

use super::images;
use super::prewarm::prewarm;
use super::role;
use super::sides::{analyze, clone_sides, migrate_after, quiet_autovacuum};
use super::template::{Template, obtain};
use crate::clock::{self, Clock};
use crate::evidence::{DatasetFacts, Evidence, Side};
use crate::postgres::database::{Admin, Token};
use crate::trial::conduct::{begin, check_connections, look_ahead, look_at_operations};
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::isolated::isolated;
use crate::trial::load::counters::without_load;
use crate::trial::load::measure::Course;
use crate::trial::prepare::{Sitting, load};
use crate::trial::settings::{Dataset, Settings};
use crate::trial::work::ablate::ablate;

/// Holds a trial on clones. The databases it makes carry `token`; the caller drops them if this future is dropped.
///
/// # Errors
/// When files are wrong or the server fails; chunks measured by then were handed to the listener.
pub(in crate::trial) async fn prove(
    settings: &Settings,
    dataset: &Dataset,
    token: &Token,
) -> Result<Evidence, TrialError> {
    let clock = Clock::start();
    let started_at = clock::wall().to_string();
    let target = dataset.target.named(&token.application());
    let mut admin = Admin::connect(&target).await?;
    remove_left_overs(settings, dataset, &mut admin, token).await?;
    let load = load(settings)?;
    check_connections(&target, load, Side::ALL.len()).await?;
    let (_, between, weighed) = dataset.steps();
    role::ready(settings, dataset, &mut admin).await?;
    let template = obtain(settings, dataset, &mut admin, token, &clock).await?;
    role::present(settings, &mut admin).await?;
    let targets = Side::ALL.map(|side| (side, target.database(&token.clone_name(side.name()))));
    let mut begun: Option<Evidence> = None;
    for replicate in 0..dataset.replicates {
        for side in Side::ALL {
            admin.drop_own(token, &token.clone_name(side.name())).await?;
        }
        // One more that earlier migrations are applied to, and the sides are copied from.
        let copies = Side::ALL.len() + usize::from(!between.migrations.is_empty());
        admin.check_room(&template.name, copies as u64).await?;
        let mut clones = clone_sides(settings, &mut admin, token, &template.name, between, &clock).await?;
        clones.iter_mut().for_each(|clone| clone.replicate = replicate);
        let migration = migrate_after(settings, &targets, weighed, &clock).await?;
        if 1 < dataset.replicates {
            // After it: what the migration itself looked at is known by how often each table was.
            analyze(&targets).await?;
        }
        let autovacuum = quiet_autovacuum(&targets).await?;
        let mut sitting = Sitting::new(settings, targets.clone(), load).await?;
        let mut evidence = match begun.take() {
            Some(evidence) => evidence,
            None => {
                let facts = dataset_facts(settings, dataset, &template);
                begin(settings, &sitting, started_at.clone(), migration, Some(facts)).await?
            }
        };
        evidence.design.autovacuum = autovacuum;
        evidence.design.clones.extend(clones);
        (settings.listener)(Event::Priming);
        // Another order on each set of clones.
        prewarm(&targets, settings.seed.0.wrapping_add(u64::from(replicate))).await?;
        // Before anything is counted, so that most pages' first touch after it, which writes them whole, is not.
        admin.checkpoint().await;
        if dataset.embedded {
            images::turn_off(&mut admin).await?;
        }
        let looked = look(settings, &sitting, &mut evidence, replicate).await;
        if dataset.embedded {
            images::turn_on(&mut admin).await?;
        }
        looked?;
        if replicate == 0 {
            look_ahead(settings, &mut sitting, &mut evidence).await?;
        }
        if settings.chunks != 0 {
            // As even as they can be.
            let until = settings.chunks * (replicate + 1) / dataset.replicates;
            let mut course = Course::new(settings, &sitting, (target.connect().await?, None), clock, &evidence).await?;
            course.prime(&mut evidence).await?;
            course.measure(replicate, until, &mut evidence).await?;
        } else {
            evidence.counters = without_load(&sitting).await?;
        }
        if replicate + 1 == dataset.replicates && settings.ablate {
            // Last, for what it rolls back is left behind on one side only.
            let counted = &evidence.counts[&Side::After];
            evidence.ablated =
                ablate(&sitting.asks(Side::After), sitting.of(Side::After), counted, &settings.listener).await?;
        }
        begun = Some(evidence);
    }
    // The databases are the caller's to drop: a failure in that must not cost a finished trial.
    admin.close().await;
    let mut evidence = begun.ok_or_else(|| TrialError::Asked("no set of clones was asked for".to_owned()))?;
    evidence.complete = true;
    Ok(evidence)
}

/// Counts single operations, on the first set of clones, and times them, on every one.
async fn look(
    settings: &Settings,
    sitting: &Sitting,
    evidence: &mut Evidence,
    replicate: u32,
) -> Result<(), TrialError> {
    if replicate == 0 {
        look_at_operations(settings, sitting, evidence).await?;
    }
    if settings.isolated {
        isolated(settings, sitting, evidence, replicate).await?;
    }
    Ok(())
}

fn dataset_facts(settings: &Settings, dataset: &Dataset, template: &Template) -> DatasetFacts {
    let spec = settings.spec.as_ref().and_then(|spec| spec.path.file_name());
    DatasetFacts {
        spec: spec.unwrap_or_default().to_string_lossy().into_owned(),
        digest: template.digest.clone(),
        scale: settings.scale,
        seed: settings.seed.0,
        at: dataset.parts().0.last().map_or_else(String::new, |migration| migration.label.clone()),
        reused: template.reused,
    }
}

/// What a dead program left; on the embedded server also its sessions, which may still be working.
async fn remove_left_overs(
    settings: &Settings,
    dataset: &Dataset,
    admin: &mut Admin,
    token: &Token,
) -> Result<(), TrialError> {
    if dataset.embedded {
        admin.end_sessions("weighbridge/%", &token.application()).await?;
    }
    let left = admin.left_overs().await?;
    for name in &left.ours {
        admin.drop_database(name).await?;
    }
    if !left.ours.is_empty() {
        (settings.listener)(Event::CleanedUp(left.ours.len()));
    }
    if !left.unmarked.is_empty() {
        (settings.listener)(Event::Unmarked(&left.unmarked));
    }
    Ok(())
}
