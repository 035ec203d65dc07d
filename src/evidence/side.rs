//! The sides of a trial. Must hold no result.

use serde::{Deserialize, Serialize};

/// A database in one schema state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Without the migration.
    Before,
    /// Without the migration too: what differs from `before` is noise.
    Control,
    /// With the migration.
    After,
}

impl Side {
    /// All, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Before, Self::Control, Self::After];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Control => "control",
            Self::After => "after",
        }
    }
}
