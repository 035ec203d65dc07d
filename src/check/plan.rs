//! What is checked, and on what. Must hold no state of a check.

use std::sync::Arc;

use crate::migrate::Directory;
use crate::postgres::Target;
use crate::trial::Settings;

/// Migrations to apply and revert.
pub struct Check<'c> {
    /// The server, without a database.
    pub server: Target,
    /// The project's migrations.
    pub directory: &'c Directory,
    /// Positions of those to check.
    pub range: std::ops::RangeInclusive<usize>,
    /// What the data is made of.
    pub base: Base<'c>,
    /// Roles that its migrations make and that were not there: they are dropped again.
    pub roles: Vec<String>,
    /// Statements of the application: the action's name, and its text with `$1` in the place of parameters.
    pub actions: Vec<(String, String)>,
    /// Hears what happens, in a few words.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The database before the first migration.
pub enum Base<'c> {
    /// Nothing: the first migration makes it.
    Empty,
    /// A dataset at an earlier migration, seeded as a trial's is.
    Seeded(&'c Settings),
}
