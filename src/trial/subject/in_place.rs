//! Sides that are one database, migrated and reverted in turns, where clones are impossible. Must bring its schema back
//! whatever happens, or say what is left.
//!
//! It can claim less than one on clones: the sides are minutes apart, and what the load writes stays.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::role;
use super::sides::{analyze_tables, label, migration_facts, sampling, size, touched_tables};
use super::switch::Switch;
pub use super::switch::{left, revert};
use super::wholes::Wholes;
use crate::clock::{self, Clock};
use crate::diagnostic::{Advice, Message};
use crate::evidence::{Evidence, Side};
use crate::postgres::database::Token;
use crate::postgres::definitions::definitions;
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::facts::{advice_of, begin, check_connections, server_facts, take_counts};
use crate::trial::load::measure::Place;
use crate::trial::prepare::{Begun, Described, Sitting, load};
use crate::trial::settings::{InPlace, Settings};
use crate::trial::work::sequential::SequentialCounter;

/// Fewest cycles of migrating and reverting that say something; a verdict takes eight.
pub const FEWEST_CYCLES: u32 = 6;

/// One database that is all sides in turn.
pub(in crate::trial) struct InPlaceSides<'s> {
    place: &'s InPlace,
    application: String,
    clock: Clock,
    switch: Switch,
    /// Looks at the schema.
    connection: PgConnection,
    /// The schema as it was found.
    found: Vec<String>,
    /// The statistics of whole tables as they were found.
    wholes: Wholes,
}

/// Looks at the database without the migrations, and applies them. What was applied is reverted on failure; if this
/// future is dropped, the caller calls [`revert`].
///
/// # Errors
/// When a migration would lose rows or changes nothing, or the server refuses. The schema is then as it was found, or
/// the error says what is left.
pub(in crate::trial) async fn begin_in_place<'s>(
    settings: &Settings,
    place: &'s InPlace,
    token: &Token,
) -> Result<(InPlaceSides<'s>, Begun), TrialError> {
    let application = token.application();
    let clock = Clock::start();
    let mut switch = Switch::new(place, &application, clock, settings.listener.clone()).await?;
    match look(settings, place, &application, &mut switch).await {
        Ok(Looked { connection, found, wholes, begun }) => {
            Ok((InPlaceSides { place, application, clock, switch, connection, found, wholes }, begun))
        }
        Err(error) => Err(after_revert(error, revert(place, &application).await)),
    }
}

/// What went wrong, and what is left if the migration could not be reverted either.
fn after_revert(error: TrialError, reverted: Result<(), TrialError>) -> TrialError {
    match reverted {
        Ok(()) => error,
        Err(left) => TrialError::Asked(error.message().then(left.message())),
    }
}

impl InPlaceSides<'_> {
    /// Reverts the migrations, and counts single operations in both states.
    ///
    /// # Errors
    /// When reverting does not bring the schema back, or the server refuses.
    pub(in crate::trial) async fn count(
        &mut self,
        settings: &Settings,
        sitting: &Sitting,
        evidence: &mut Evidence,
    ) -> Result<(), TrialError> {
        let asking = sitting.asks(Side::Before);
        // Reverted and applied again, so that every side has the statistics of its state.
        analyze_tables(&sitting.targets[0].1, &self.switch.unsampled).await?;
        evidence.migration.unsampled = Wholes::read(&mut self.connection).await?.left_unsampled(&self.wholes);
        let mut counts = SequentialCounter::default();
        counts.foresee(&sitting.asks(Side::After), sitting.of(Side::After), settings.sets).await?;
        for side in [Side::Before, Side::After, Side::Control] {
            self.switch.to(side).await?;
            if side == Side::Before {
                refuse_other(&self.found, &definitions(&mut self.connection).await?, &evidence.migration.label)?;
            }
            counts.add((side, &asking), sitting.of(side), settings.sets, &settings.listener).await?;
        }
        take_counts(evidence, counts.finish());
        role::keep_touched(evidence);
        Ok(())
    }

    /// Where load is driven.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn place(&mut self) -> Result<Place<'_>, TrialError> {
        let observer = self.place.target.named(&self.application).connect().await?;
        Ok(Place { observer, switch: Some(&mut self.switch), clock: self.clock, set: 0 })
    }

    /// Brings the schema back, and says in the evidence whether it is what was found.
    ///
    /// # Errors
    /// When the server refuses; the error says what is left.
    pub(in crate::trial) async fn end(mut self, evidence: &mut Evidence) -> Result<(), TrialError> {
        if let Err(error) = self.switch.to(Side::Before).await {
            return Err(after_revert(error, revert(self.place, &self.application).await));
        }
        // The first reversal brought back what was there: a difference now is most likely somebody else's.
        evidence.design.schema_changes = match definitions(&mut self.connection).await {
            Ok(now) => differences(&self.found, &now),
            Err(error) => vec![format!("it could not be compared ({error})")],
        };
        let _ = self.connection.close().await;
        self.switch.end().await
    }

    /// Brings the schema back after a failure.
    ///
    /// # Errors
    /// When it cannot; the error says what is left.
    pub(in crate::trial) async fn give_up(self) -> Result<(), TrialError> {
        revert(self.place, &self.application).await
    }
}

/// What is known once the migrations are applied.
struct Looked {
    connection: PgConnection,
    found: Vec<String>,
    wholes: Wholes,
    begun: Begun,
}

async fn look(
    settings: &Settings,
    place: &InPlace,
    application: &str,
    switch: &mut Switch,
) -> Result<Looked, TrialError> {
    let started_at = clock::wall().to_string();
    let target = place.target.named(application);
    let targets = Side::ALL.map(|side| (side, target.clone()));
    let load = load(settings)?;
    check_connections(&target, load, Side::ALL.len()).await?;
    let mut connection = target.connect().await?;
    let found = definitions(&mut connection).await?;
    let size_before = size(&mut connection).await?;
    let sampled = sampling(&mut connection).await?;
    let wholes = Wholes::read(&mut connection).await?;
    let server = server_facts(settings, &target).await?;
    let before = Described::new(settings, &target, Side::Before).await?;
    let advice_before = advice_of(&target).await?;
    let asking = target.acting_as(settings.role.as_deref());
    let secured_before = role::row_security(&asking).await?;

    let applied = switch.to(Side::After).await?;
    if definitions(&mut connection).await? == found {
        switch.forget().await?;
        return Err(TrialError::Asked(
            Message::new(format!(
                "{} changes nothing in this schema, where it may be applied already; reverting it could drop what was \
                 there, so it was not",
                label(&place.migrations)
            ))
            .help("name a migration that is not applied yet"),
        ));
    }
    let duration: Duration = applied.iter().map(|applied| applied.duration).sum();
    (settings.listener)(Event::Migrated(duration));
    let after = Described::new(settings, &target, Side::After).await?;
    let sizes = (size_before, size(&mut connection).await?);
    let migration = migration_facts(label(&place.migrations), applied, sizes);
    // Rows that others change there are none of the migration's.
    switch.unsampled = touched_tables(&mut connection, &sampled, false).await?;
    let sitting = Sitting::of_described(settings, targets, load, [&before, &after])?;
    let mut evidence = begin(settings, &sitting, started_at, migration, None).await?;
    evidence.server_after = (evidence.server != server).then(|| std::mem::replace(&mut evidence.server, server));
    evidence.row_security = [(Side::Before, secured_before), (Side::After, role::row_security(&asking).await?)].into();
    evidence.advice = [(Side::Before, advice_before), (Side::After, advice_of(&target).await?)].into();
    Ok(Looked { connection, found, wholes, begun: Begun { sitting, evidence } })
}

/// Differences that are listed.
const MOST: usize = 5;

/// A migration whose reversal leaves something or takes too much cannot be proven against what was there.
fn refuse_other(found: &[String], reverted: &[String], label: &str) -> Result<(), TrialError> {
    let all = differences(found, reverted);
    if all.is_empty() {
        return Ok(());
    }
    Err(TrialError::Asked(
        Message::new(format!("reverting {label} does not bring back the schema that was there: {}", all.join(", ")))
            .help(
                "if nobody else changed the schema meanwhile, mend that by hand, and its .down.sql; as it is, a \
             deployment could not be rolled back either",
            ),
    ))
}

/// What is gone and what is left, the first few of it.
fn differences(found: &[String], reverted: &[String]) -> Vec<String> {
    let lost = found.iter().filter(|line| !reverted.contains(line)).map(|line| format!("`{line}` is gone"));
    let left = reverted.iter().filter(|line| !found.contains(line)).map(|line| format!("`{line}` is left"));
    let mut all: Vec<String> = lost.chain(left).collect();
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    all.extend((0 < more).then(|| format!("and {more} more")));
    all
}
