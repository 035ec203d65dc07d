//! What a trial comes to, part by part, and why an action has no verdict: data for the headline and the remarks beside
//! it. Must hold no sentence: words are `report::claim`'s.

use serde::Serialize;

use super::fact::Fact;
use super::functions::FunctionChange;
use super::verdict::Row;
use crate::evidence::row_security::Exemption;

/// One part of what a trial comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claim {
    /// What is claimed.
    #[serde(flatten)]
    pub kind: ClaimKind,
    /// Of which actions; empty where it is about all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ClaimedAction>,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Serialize, strum::IntoStaticStr)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "claim", rename_all = "kebab-case", rename_all_fields = "snake_case")]
#[strum(serialize_all = "kebab-case")]
pub enum ClaimKind {
    /// Proven slower, in isolation or under load.
    Slower,
    /// Proven faster, in isolation or under load.
    Faster,
    /// Slower under load, with the plans, blocks and WAL of before.
    SlowerWithSameWork,
    /// Faster under load, with the plans, blocks and WAL of before: a side effect of what others do.
    FasterWithSameWork,
    /// Single operations take more work in the server.
    MoreWork,
    /// Single operations take less work in the server.
    LessWork,
    /// Single operations take more work in the server for a few parameters.
    MoreWorkForFewParameters,
    /// Answers or failures differ.
    OtherAnswers,
    /// Each action is as fast as before within its margin.
    AllSame {
        /// Whether on one set of databases alone, of which another may differ.
        on_one_set: bool,
    },
    /// No action takes more or less work by its margin and by four blocks an operation.
    SameWork,
    /// Nothing was proven under load.
    NotDecided,
    /// Nothing can be compared.
    NotComparable,
    /// A finding stands in the way of every verdict.
    StoppedBy {
        /// Its id.
        finding: String,
    },
    /// Too few chunks were measured.
    FewChunks {
        /// Chunks measured.
        chunks: usize,
        /// Chunks that a verdict needs.
        chunks_min: usize,
    },
    /// The measurement was cut off before its first planned look.
    CutOffBeforeFirstLook {
        /// Chunks measured.
        chunks: usize,
    },
    /// The measurement was cut off and is judged as at its last planned look.
    CutOffAfterLook {
        /// Chunks measured.
        chunks: usize,
        /// Chunks of that look.
        look: usize,
    },
    /// The measurement was cut off before the end that its precision sets.
    CutOffBeforePrecision {
        /// Chunks measured.
        chunks: usize,
    },
    /// Functions changed, whose work is in no count.
    FunctionsNotCounted {
        /// The functions.
        functions: Vec<FunctionChange>,
    },
    /// More triggers fire or keys are checked, whose work is in no count.
    TriggersNotCounted,
    /// Less work, which the rows cannot show: findings name why.
    GainNotShown,
    /// The generic plan changed otherwise than those executed.
    GenericPlanNotExecuted,
    /// No operation could be counted.
    NotCounted,
    /// Policies changed that do not apply to the role that asked.
    PoliciesNotExercised {
        /// The table of the first.
        table: String,
        /// The role.
        role: String,
        /// Why they do not apply to it.
        exemption: Exemption,
    },
    /// Updates that were heap-only (HOT) are no longer.
    HotUpdatesLost,
}

/// An action with what qualifies the claim.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClaimedAction {
    /// Its name.
    pub action: String,
    /// The quantile that is not decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_quantile: Option<&'static str>,
    /// Functions that it runs otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionChange>,
    /// The sets of parameters it is about, where it is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets: Option<SomeSets>,
    /// Whether by its generic plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_generic_plan: bool,
}

/// Some sets of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SomeSets {
    /// How many.
    pub sets: u32,
    /// How many of them were executed; the others were only planned.
    pub executed: u32,
    /// Of how many.
    pub sets_in_all: u32,
}

impl ClaimKind {
    /// Its stable name, in kebab-case.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.into()
    }
}

impl Claim {
    /// One about all actions.
    pub(super) fn of_all(kind: ClaimKind) -> Self {
        Self { kind, actions: Vec::new() }
    }

    /// One about some actions; nothing where there are none.
    pub(super) fn of<'n>(kind: ClaimKind, names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let named = |name: &str| ClaimedAction { action: name.to_owned(), ..ClaimedAction::default() };
        Self::of_claimed(kind, names.into_iter().map(named).collect())
    }

    /// The same of actions with what qualifies them.
    pub(super) fn of_claimed(kind: ClaimKind, actions: Vec<ClaimedAction>) -> Option<Self> {
        (!actions.is_empty()).then_some(Self { kind, actions })
    }
}

/// Why an action has no verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "because", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Reason {
    /// A finding stands in the way.
    Finding {
        /// Its id.
        finding: String,
    },
    /// Too few chunks were measured.
    FewChunks {
        /// Chunks measured.
        chunks: usize,
        /// Chunks that a verdict needs.
        chunks_min: usize,
    },
    /// Counted work, isolated timing and load together do not decide.
    Measurements {
        /// The row of the decision table.
        row: Row,
    },
    /// No percentile has enough operations.
    NoPercentile,
    /// A chunk has too few operations for its p95.
    FewOperations,
    /// `before` and `control` differ by more than half the margin.
    ControlDiffers,
    /// One of p50 and p95 is faster, and the other may be slower.
    OtherQuantileSlower {
        /// By how much, as a share.
        change: f64,
    },
    /// The change is no larger than the load driver's own lateness.
    WithinDriverLag,
    /// Sets of clones without the migration differ by as much.
    SetsDiffer,
    /// The sides without the migration differ too: it may be the variance of one clone, or of one database.
    MayBeClone {
        /// Whether the sides are clones.
        are_clones: bool,
        /// How long several sets of clones would take, in seconds.
        replicates_s: f64,
    },
    /// Another set of clones, or other databases, may differ by as much.
    MayBeSet {
        /// Whether the sides are clones.
        are_clones: bool,
        /// How long several sets of clones would take, in seconds.
        replicates_s: f64,
    },
    /// The load driver's own lateness hides a part of the margin.
    DriverLagHides {
        /// Which part of the latency it is.
        share: f64,
        /// Changes within this can be called the same, as a share.
        equal_within: f64,
    },
    /// Chance of sampling alone is more than the margin.
    Sampling {
        /// How far it can move p95, as a share.
        share: f64,
    },
    /// Not certain enough for one of this many comparisons and looks.
    NotCertain,
    /// The noise floor is above the margin.
    NoiseFloor {
        /// The noise floor, as a share.
        floor: f64,
        /// The margin, as a share.
        margin: f64,
    },
    /// The interval is wider than the margin allows.
    WideInterval,
    /// Policies changed that do not apply to the role that asked.
    PoliciesNotExercised {
        /// The table.
        table: String,
        /// The role.
        role: String,
        /// Why they do not apply to it.
        exemption: Exemption,
    },
    /// The measurement was cut off before the end that its precision sets.
    CutOffBeforePrecision {
        /// Chunks measured.
        chunks: usize,
    },
}

impl Reason {
    /// That of a finding.
    pub(super) fn of(fact: &Fact) -> Self {
        Self::Finding { finding: fact.id().to_owned() }
    }
}
