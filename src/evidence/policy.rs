//! What a project asks of results: figures that fail a proof, findings that fail it, and findings it has accepted,
//! and why. Must hold ids and names, never words of a report.

use serde::{Deserialize, Serialize};

use super::gate::Gate;

/// `[gates]` and `[ignore]` of a project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Conditions on figures of `after` under load; none of a run, which keeps its gates with what was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Ids of findings that fail the proof or the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail: Vec<String>,
    /// Findings that are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Ignored>,
}

/// A finding that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// Its id.
    pub finding: String,
    /// The table, index, key or action it is about; absent for every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Why.
    pub because: String,
}

impl Policy {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gates.is_empty() && self.fail.is_empty() && self.ignore.is_empty()
    }

    /// Why a finding is accepted; `subjects` are its table, index, key and action. Nothing where it is not.
    #[must_use]
    pub fn ignored(&self, id: &str, subjects: &[Option<&str>]) -> Option<&str> {
        let is_it = |of: &&Ignored| {
            let on = of.on.as_deref().map(|on| on.strip_prefix("public.").unwrap_or(on));
            of.finding == id && (on.is_none() || subjects.contains(&on))
        };
        self.ignore.iter().find(is_it).map(|of| of.because.as_str())
    }

    /// Whether a finding fails the proof or the run.
    #[must_use]
    pub fn fails(&self, id: &str) -> bool {
        self.fail.iter().any(|of| of == id)
    }
}
