//! A trial under way: sides that are there, what is known of them, and load on them when it is asked for. Must not
//! decide how long it goes on: the experiment does.

use std::sync::Arc;

use super::error::TrialError;
use super::facts::look_at_operations;
use super::isolated::isolated;
use super::load::counters::without_load;
use super::load::focus::{chunks_needed, focus};
use super::load::measure::Course;
use super::load::turns;
use super::prepare::{Begun, Sitting};
use super::settings::{Settings, Subject};
use super::subject::clones::Clones;
use super::subject::given::{GivenSides, begin_given};
use super::subject::in_place::{InPlaceSides, begin_in_place};
use crate::evidence::Evidence;
use crate::postgres::database::Token;

/// A trial under way.
pub struct Trial<'s> {
    settings: &'s Settings,
    sides: Sides<'s>,
    sitting: Sitting,
    evidence: Evidence,
}

/// Sides, by how they came about.
enum Sides<'s> {
    Clones(Box<Clones<'s>>),
    Given(GivenSides),
    InPlace(Box<InPlaceSides<'s>>),
}

impl<'s> Trial<'s> {
    /// Prepares the sides. What it makes carries `token`; the caller removes it, also if this
    /// future is dropped ([`super::clean_up`]).
    ///
    /// # Errors
    /// When files are wrong or a server fails.
    pub async fn begin(settings: &'s Settings, token: &'s Token) -> Result<Self, TrialError> {
        let (sides, Begun { sitting, evidence }) = match &settings.subject {
            Subject::Clones(dataset) => {
                let (sides, begun) = Clones::begin(settings, dataset, token).await?;
                (Sides::Clones(Box::new(sides)), begun)
            }
            Subject::Given(given) => {
                let (sides, begun) = begin_given(settings, given, token).await?;
                (Sides::Given(sides), begun)
            }
            Subject::InPlace(place) => {
                let (sides, begun) = begin_in_place(settings, place, token).await?;
                (Sides::InPlace(Box::new(sides)), begun)
            }
        };
        Ok(Self { settings, sides, sitting, evidence })
    }

    /// What is known by now.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The same, for what the experiment adds to it: its design, and chunks of an earlier part.
    pub fn evidence_mut(&mut self) -> &mut Evidence {
        &mut self.evidence
    }

    /// Counts single operations on idle sides.
    ///
    /// # Errors
    /// When a server is lost, or a migration in place cannot be reverted.
    pub async fn count(&mut self) -> Result<(), TrialError> {
        let (settings, sitting, evidence) = (self.settings, &self.sitting, &mut self.evidence);
        match &mut self.sides {
            Sides::Clones(sides) => sides.count(sitting, evidence).await,
            Sides::Given(_) => look_at_operations(settings, sitting, evidence).await,
            Sides::InPlace(sides) => sides.count(settings, sitting, evidence).await,
        }
    }

    /// Times single operations on idle sides; in place there is one side at a time, which the evidence says.
    ///
    /// # Errors
    /// When a server is lost.
    pub async fn time(&mut self) -> Result<(), TrialError> {
        let (settings, sitting, evidence) = (self.settings, &self.sitting, &mut self.evidence);
        match &mut self.sides {
            Sides::Clones(sides) => sides.time(sitting, evidence).await,
            Sides::Given(_) | Sides::InPlace(_) => isolated(settings, sitting, evidence, 0).await,
        }
    }

    /// Settles how the sides take turns.
    ///
    /// # Errors
    /// When a server is lost, or databases that were given cannot take what the load writes.
    pub async fn take_turns(&mut self) -> Result<(), TrialError> {
        turns::settle(self.settings, &self.sitting, &mut self.evidence).await
    }

    /// Gives actions that changed more of the operations, where they need them.
    pub fn focus(&mut self) {
        if let [before, after] = &mut self.sitting.workloads
            && let (Some(before), Some(after)) = (Arc::get_mut(before), Arc::get_mut(after))
        {
            focus(&mut self.evidence, [before, after]);
        }
    }

    /// Gives each action this share of the operations.
    pub fn drive_as(&mut self, shares: &[f64]) {
        self.sitting.drive_as(shares);
        self.evidence.actions.iter_mut().zip(shares).for_each(|(action, share)| action.driven_share = Some(*share));
    }

    /// Chunks that sampling alone needs to decide each action's p95; none in a closed loop.
    #[must_use]
    pub fn chunks_needed(&self) -> Vec<f64> {
        chunks_needed(&self.evidence).unwrap_or_default()
    }

    /// Replaces clones by another set; other sides are what they are.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn renew(&mut self) -> Result<(), TrialError> {
        let Sides::Clones(sides) = &mut self.sides else { return Ok(()) };
        self.sitting = sides.renew(&mut self.evidence).await?;
        let driven: Option<Vec<f64>> = self.evidence.actions.iter().map(|action| action.driven_share).collect();
        driven.iter().for_each(|driven| self.sitting.drive_as(driven));
        Ok(())
    }

    /// The sides under load, and what is known of them.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn load(&mut self) -> Result<(Course<'_>, &mut Evidence), TrialError> {
        let Self { settings, sides, sitting, evidence } = self;
        let place = match sides {
            Sides::Clones(sides) => sides.place().await?,
            Sides::Given(sides) => sides.place(sitting).await?,
            Sides::InPlace(sides) => sides.place().await?,
        };
        let course = Course::new(settings, sitting, place, evidence.machine).await?;
        Ok((course, evidence))
    }

    /// Notes the indexes and tables of both schemas where no load is driven, as far as both are there.
    ///
    /// # Errors
    /// When a server is lost.
    pub async fn without_load(&mut self) -> Result<(), TrialError> {
        if !matches!(self.sides, Sides::InPlace(_)) {
            self.evidence.counters = without_load(&self.sitting).await?;
        }
        Ok(())
    }

    /// Hides each index of a migrated clone in turn: which of them the actions need.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn ablate(&mut self) -> Result<(), TrialError> {
        match &self.sides {
            Sides::Clones(sides) => sides.ablate(&self.sitting, &mut self.evidence).await,
            Sides::Given(_) | Sides::InPlace(_) => Ok(()),
        }
    }

    /// Ends it; clones stay until the caller drops them.
    ///
    /// # Errors
    /// When a schema cannot be brought back; the error says what is left.
    pub async fn end(self) -> Result<Evidence, TrialError> {
        let mut evidence = self.evidence;
        match self.sides {
            Sides::Clones(sides) => sides.end().await,
            Sides::Given(_) => {}
            Sides::InPlace(sides) => sides.end(&mut evidence).await?,
        }
        evidence.complete = true;
        Ok(evidence)
    }

    /// Ends it after a failure: what is applied to somebody's database is reverted.
    ///
    /// # Errors
    /// When it cannot be; the error says what is left.
    pub async fn give_up(self) -> Result<(), TrialError> {
        match self.sides {
            Sides::Clones(_) | Sides::Given(_) => Ok(()),
            Sides::InPlace(sides) => sides.give_up().await,
        }
    }
}
