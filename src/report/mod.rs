//! Comparisons as text for people and programs: each a pure function of the trial into a writer.
//!
//! Must compute nothing that a reader could not find in the comparison, and must reach no server.

mod claim;
mod counted;
mod dropped;
mod finding;
pub mod json;
pub mod markdown;
mod printable;
mod remedy;
pub mod run;
pub mod terminal;
mod view;
mod words;

pub use claim::headline;
pub use dropped::dropped_text;

use crate::compare::Comparison;
use crate::evidence::Evidence;

/// A trial with what it says.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'t> {
    /// What was seen.
    pub evidence: &'t Evidence,
    /// What it says.
    pub comparison: &'t Comparison,
}
