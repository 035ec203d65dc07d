//! Everything that is asked of a trial. Must hold no state of one.

use std::time::Duration;

use super::event::Listener;
use crate::diagnostic::SourceFile;
use crate::evidence::{Interleave, Policy};
use crate::migrate::{Directory, Migration, Steps};
use crate::postgres::Target;
use crate::scenario::Scenario;
use crate::units::Seed;

/// Everything that is asked of a trial.
pub struct Settings {
    /// What is measured, and where.
    pub subject: Subject,
    /// The dataset spec; only where data are made is there always one.
    pub spec: Option<SourceFile>,
    /// Its scale.
    pub scale: f64,
    /// Names rows, parameters, arrivals and order.
    pub seed: Seed,
    /// The scenarios with their files, as the application asks before the migration and after it.
    pub scenarios: [Vec<(SourceFile, Scenario)>; 2],
    /// Changes smaller than this count as the same, as a share.
    pub margin: f64,
    /// What the project makes of findings.
    pub policy: Policy,
    /// The role that asks, where it is another than the user.
    pub role: Option<String>,
    /// With how many sets of parameters each action is counted.
    pub sets: u32,
    /// How the sides take turns; chosen by what is found when nobody says it.
    pub interleave: Option<Interleave>,
    /// Rounds in a chunk; even, so that every order is run backwards too.
    pub rounds: Option<u32>,
    /// Length of a slice.
    pub slice: Option<Duration>,
    /// Driver threads.
    pub threads: usize,
    /// Hears what happens.
    pub listener: Listener,
}

/// What is measured, and where: it decides how much may be claimed.
pub enum Subject {
    /// Clones of a dataset that is made, one of them migrated.
    Clones(Dataset),
    /// Databases that are there, each in its schema state.
    Given(Box<Given>),
    /// One database, migrated and reverted in turns.
    InPlace(InPlace),
}

/// Databases that are there.
pub struct Given {
    /// Without the change.
    pub before: Target,
    /// Without the change too; without one, `before` is asked again in its place.
    pub control: Option<Target>,
    /// With the change.
    pub after: Target,
}

/// A database and the migrations that are applied to it and reverted, cycle by cycle.
pub struct InPlace {
    /// The database.
    pub target: Target,
    /// The migrations, in order, each with a file that reverts it.
    pub migrations: Vec<Migration>,
}

/// A dataset and the migrations to prove on it.
pub struct Dataset {
    /// The server, without a database.
    pub target: Target,
    /// Whether the server is this program's own, and nobody else uses it.
    pub embedded: bool,
    /// The project's migrations.
    pub directory: Directory,
    /// Position of the migration the data is filled at.
    pub at: usize,
    /// Positions of the migrations to prove, all after `at`.
    pub weighed: std::ops::RangeInclusive<usize>,
    /// Rows of each table where no spec says how many, at scale 1.
    pub rows: u64,
    /// Connections of the loader.
    pub loader_connections: usize,
    /// Sets of clones.
    pub replicates: u32,
}

impl Dataset {
    /// The same three as they are applied.
    #[must_use]
    pub fn steps(&self) -> (Steps<'_>, Steps<'_>, Steps<'_>) {
        let (of, first) = (|range| self.directory.steps(range), *self.weighed.start());
        (of(0..self.at + 1), of(self.at + 1..first), of(first..self.weighed.end() + 1))
    }

    /// The migrations up to the data, between the data and the sides, and those to prove.
    #[must_use]
    pub fn parts(&self) -> (&[Migration], &[Migration], &[Migration]) {
        let migrations = &self.directory.migrations;
        (&migrations[..=self.at], &migrations[self.at + 1..*self.weighed.start()], &migrations[self.weighed.clone()])
    }
}
