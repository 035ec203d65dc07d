//! What a comparison has to say beside its figures, as data: an id, how severe it is, what it is about, its values
//! and what to do. Must hold no sentence: words are `report::finding`'s.

use serde::Serialize;

use super::fact::Fact;
use crate::evidence::Policy;

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was found, with its values.
    #[serde(flatten)]
    pub fact: Fact,
    /// What follows from it for verdicts.
    pub severity: Severity,
    /// The action it is about; absent where it is about all of them, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The table, index or key it is about, by its name without the schema `public`; absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The largest change that is not called because of it, as a share; absent where it bounds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// What to do about it; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Whether a gate of the project names it, so that the proof fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fails: bool,
    /// Why the project accepts it; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// What a finding does to verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// There is no verdict, or none for the action it names.
    Invalid,
    /// Only `after` could not keep up: it can be called slower, and nothing else.
    OnlyRegressions,
    /// Only the sides without the migration could not keep up: `after` can be called faster, and nothing else.
    OnlyImprovements,
    /// Nothing is called the same, and no change up to the finding's bound.
    OnlyBeyond,
    /// It changes no verdict, and a reader should know it.
    Warning,
    /// It is about the schema, and what the migration does to it.
    Note,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Remedy {
    /// Lower the scenario's rate.
    LowerRate,
    /// Lower the rate, or give the load driver more threads.
    MoreDriverThreads,
    /// Give the scenario a rate.
    GiveRate,
    /// Measure again where nothing else runs.
    QuietMachine,
    /// Measure again on a server of its own, or for longer.
    OwnServer,
    /// Raise the container's limit on processor time.
    RaiseCpuLimit,
    /// Measure more chunks.
    MoreChunks,
    /// Order the statement by a unique key.
    OrderByUniqueKey,
    /// Longer slices, or turns in blocks.
    LongerTurns {
        /// Whether the sides take turns in blocks already.
        in_blocks: bool,
    },
    /// Raise `shared_buffers`, or longer turns.
    MoreSharedBuffers {
        /// Whether the sides take turns in blocks already.
        in_blocks: bool,
    },
    /// Run this SQL.
    RunSql {
        /// The statements.
        sql: String,
    },
    /// Give a second database without the migration.
    SecondBefore,
    /// `VACUUM (ANALYZE)` on all sides.
    VacuumSides,
    /// Use the `tsc` clock source.
    TscClock,
    /// Name the application's role.
    NameRole,
    /// Name the values of a column in the dataset spec.
    NameValues {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Report it to the authors.
    ReportBug,
    /// Raise the rate, or the action's weight.
    RaiseRateOrWeight,
    /// Raise the action's weight or its margin, for the machine is near its limit already.
    RaiseWeightOrMargin,
    /// Lower the rate, or measure on more processors.
    LowerRateOrMoreProcessors,
}

impl Finding {
    /// One about the trial as a whole that bounds no size of change.
    #[must_use]
    pub fn new(severity: Severity, fact: Fact) -> Self {
        Self { fact, severity, action: None, object: None, bound: None, remedy: None, fails: false, ignored: None }
    }

    /// The same about one action.
    #[must_use]
    pub fn of(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    /// The same about a table, an index or a key.
    #[must_use]
    pub fn on(self, object: &str) -> Self {
        Self { object: Some(super::bare(object).to_owned()), ..self }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn remedy(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    /// Its stable name.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.fact.id()
    }

    /// What the project makes of it. A finding that takes a verdict away is never ignored.
    pub(super) fn under(&mut self, policy: &Policy) {
        let subjects = [self.object.as_deref(), self.action.as_deref()];
        let ignored = policy.ignored(self.id(), &subjects).filter(|_| self.severity >= Severity::Warning);
        self.ignored = ignored.map(str::to_owned);
        self.fails = self.ignored.is_none() && policy.fails(self.id());
    }

    /// Whether the trial as a whole is invalid.
    #[must_use]
    pub fn stops_everything(&self) -> bool {
        self.severity == Severity::Invalid && self.action.is_none()
    }

    /// Whether it is about an action: about this one, or about all.
    #[must_use]
    pub fn is_about(&self, action: &str) -> bool {
        self.action.as_deref().is_none_or(|name| name == action)
    }
}
