//! Sides that are clones of a dataset that is made: the strongest, for nothing differs but the migration. Must leave no
//! database behind but templates.

use super::images;
use super::prewarm::prewarm;
use super::role;
use super::sides::{analyze, clone_sides, migrate_after, quiet_autovacuum};
use super::template::{Template, obtain};
use crate::clock::{self, Clock};
use crate::evidence::{Autovacuum, CloneFacts, DatasetFacts, Evidence, MigrationFacts, Side};
use crate::postgres::Target;
use crate::postgres::database::{Admin, Token};
use crate::scenario::Load;
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::facts::{begin, check_connections, look_at_operations};
use crate::trial::isolated::isolated;
use crate::trial::load::measure::Place;
use crate::trial::prepare::{Begun, Sitting, load};
use crate::trial::settings::{Dataset, Settings};
use crate::trial::work::ablate::ablate;

/// Clones that are there, with what it takes to make another set of them.
pub(in crate::trial) struct Clones<'s> {
    settings: &'s Settings,
    dataset: &'s Dataset,
    token: &'s Token,
    target: Target,
    admin: Admin,
    template: Template,
    load: Load,
    clock: Clock,
    /// Sets made before this one.
    set: u32,
}

impl<'s> Clones<'s> {
    /// Makes the first set of clones. The databases carry `token`; the caller drops them, however the trial ends.
    ///
    /// # Errors
    /// When files are wrong or the server fails.
    pub(in crate::trial) async fn begin(
        settings: &'s Settings,
        dataset: &'s Dataset,
        token: &'s Token,
    ) -> Result<(Self, Begun), TrialError> {
        let clock = Clock::start();
        let started_at = clock::wall().to_string();
        let target = dataset.target.named(&token.application());
        let mut admin = Admin::connect(&target).await?;
        remove_left_overs(settings, dataset, &mut admin, token).await?;
        let load = load(settings)?;
        check_connections(&target, load, Side::ALL.len()).await?;
        role::ready(settings, dataset, &mut admin).await?;
        let template = obtain(settings, dataset, &mut admin, token, &clock).await?;
        role::present(settings, &mut admin).await?;
        let source = Source { settings, dataset, token, template: &template.name, load, clock };
        let Set { sitting, migration, clones, autovacuum } = source.make(&mut admin, 0).await?;
        let facts = dataset_facts(settings, dataset, &template);
        let mut evidence = begin(settings, &sitting, started_at, migration, Some(facts)).await?;
        evidence.design.autovacuum = autovacuum;
        evidence.design.clones.extend(clones);
        let mut sides = Self { settings, dataset, token, target, admin, template, load, clock, set: 0 };
        sides.fill_caches(&sitting).await?;
        Ok((sides, Begun { sitting, evidence }))
    }

    /// Replaces the clones by another set.
    ///
    /// # Errors
    /// When the server fails.
    pub(in crate::trial) async fn renew(&mut self, evidence: &mut Evidence) -> Result<Sitting, TrialError> {
        self.set += 1;
        let Self { settings, dataset, token, template, load, clock, .. } = self;
        let (template, load, clock) = (template.name.as_str(), *load, *clock);
        let source = Source { settings, dataset, token, template, load, clock };
        let Set { sitting, clones, autovacuum, .. } = source.make(&mut self.admin, self.set).await?;
        evidence.design.autovacuum = autovacuum;
        evidence.design.clones.extend(clones);
        self.fill_caches(&sitting).await?;
        Ok(sitting)
    }

    async fn fill_caches(&mut self, sitting: &Sitting) -> Result<(), TrialError> {
        (self.settings.listener)(Event::Priming);
        // Another order on each set of clones.
        prewarm(&sitting.targets, self.settings.seed.0.wrapping_add(u64::from(self.set))).await?;
        // Before anything is counted, so that most pages' first touch after it, which writes them whole, is not.
        self.admin.checkpoint().await;
        Ok(())
    }

    /// Counts single operations.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn count(
        &mut self,
        sitting: &Sitting,
        evidence: &mut Evidence,
    ) -> Result<(), TrialError> {
        self.images_off().await?;
        let counted = look_at_operations(self.settings, sitting, evidence).await;
        self.images_on().await?;
        counted
    }

    /// Times single operations.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn time(
        &mut self,
        sitting: &Sitting,
        evidence: &mut Evidence,
    ) -> Result<(), TrialError> {
        self.images_off().await?;
        let timed = isolated(self.settings, sitting, evidence, self.set).await;
        self.images_on().await?;
        timed
    }

    async fn images_off(&mut self) -> Result<(), TrialError> {
        if self.dataset.embedded {
            images::turn_off(&mut self.admin).await?;
        }
        Ok(())
    }

    async fn images_on(&mut self) -> Result<(), TrialError> {
        if self.dataset.embedded {
            images::turn_on(&mut self.admin).await?;
        }
        Ok(())
    }

    /// Where load is driven.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn place(&self) -> Result<Place<'static>, TrialError> {
        Ok(Place { observer: self.target.connect().await?, switch: None, clock: self.clock, set: self.set })
    }

    /// Hides each index of the migrated side in turn. Last, for what it rolls back is left behind on one side only.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn ablate(&self, sitting: &Sitting, evidence: &mut Evidence) -> Result<(), TrialError> {
        let counted = &evidence.counts[&Side::After];
        let (target, workload) = (sitting.asks(Side::After), sitting.of(Side::After));
        evidence.ablated = ablate(&target, workload, counted, &self.settings.listener).await?;
        Ok(())
    }

    /// Ends the session that makes clones. They are the caller's to drop: a failure in that must not cost a finished
    /// trial.
    pub(in crate::trial) async fn end(self) {
        self.admin.close().await;
    }
}

/// What a set of clones is made of.
struct Source<'s> {
    settings: &'s Settings,
    dataset: &'s Dataset,
    token: &'s Token,
    /// The template's database.
    template: &'s str,
    load: Load,
    clock: Clock,
}

/// Clones as they were made.
struct Set {
    sitting: Sitting,
    migration: MigrationFacts,
    clones: Vec<CloneFacts>,
    autovacuum: Autovacuum,
}

impl Source<'_> {
    async fn make(&self, admin: &mut Admin, set: u32) -> Result<Set, TrialError> {
        let Self { settings, dataset, token, template, load, clock } = *self;
        let (_, between, weighed) = dataset.steps();
        let target = dataset.target.named(&token.application());
        let targets = Side::ALL.map(|side| (side, target.database(&token.clone_name(side.name()))));
        for side in Side::ALL {
            admin.drop_own(token, &token.clone_name(side.name())).await?;
        }
        // One more that earlier migrations are applied to, and the sides are copied from.
        let copies = Side::ALL.len() + usize::from(!between.migrations.is_empty());
        admin.check_room(template, copies as u64).await?;
        let mut clones = clone_sides(settings, admin, token, template, between, &clock).await?;
        clones.iter_mut().for_each(|clone| clone.replicate = set);
        let migration = migrate_after(settings, &targets, weighed, &clock).await?;
        if 1 < dataset.replicates {
            // After it: what the migration itself read is known by how often each table was.
            analyze(&targets).await?;
        }
        let autovacuum = quiet_autovacuum(&targets).await?;
        let sitting = Sitting::new(settings, targets, load).await?;
        Ok(Set { sitting, migration, clones, autovacuum })
    }
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
