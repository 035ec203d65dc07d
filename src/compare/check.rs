//! What a check is: its name, what it found, and what follows for a verdict.
//!
//! The bottom of this room: it must use none of the other files here.

use serde::Serialize;

/// Something that was checked and found wanting.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Which check.
    pub name: CheckName,
    /// What follows from it.
    pub consequence: Consequence,
    /// The action it is about; absent for all.
    pub action: Option<String>,
    /// What was found, and what to do.
    pub message: String,
    /// The largest change that is not called because of it, as a share; absent where it bounds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
}

/// The checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The sides are clones of one template.
    Subject,
    /// Nearly every due operation was sent.
    AchievedRate,
    /// A closed loop carried about as much on every side.
    SameLoad,
    /// Hardly any operation failed.
    Failures,
    /// The driver had processor time to spare.
    DriverCpu,
    /// The driver's timer woke clients in time.
    TimerLag,
    /// Every side did the same.
    SameWork,
    /// Every side answers the same.
    SameAnswers,
    /// Operations touch no more blocks under load than single ones say.
    WorkUnderLoad,
    /// The machine took nothing from the measurement.
    Machine,
    /// Two accounts of what was in flight agree (Little's law).
    Bookkeeping,
    /// Nothing else was at work on the server, or on all sides alike.
    Background,
    /// Equal sides find as much in the cache as each other.
    Cache,
    /// The clock is cheap beside what it measured.
    Clock,
    /// The way to the server is a small part of a latency.
    NetworkFloor,
    /// The load was well below what the server can do.
    Saturation,
    /// Verdicts are the same without the chunks in which one side alone had a checkpoint or autovacuum.
    WithoutDisturbed,
    /// Chunks do not follow each other.
    Independence,
    /// What came before a slice does not show in it.
    CarryOver,
    /// The sides' servers are set alike.
    Settings,
    /// The tables of given databases lie alike.
    Tables,
    /// Tables in partitions have statistics as a whole.
    Statistics,
    /// The server planned each action for all values, or for its own, as often on every side.
    PlanKinds,
    /// Answers had stopped becoming faster before anything was counted.
    Priming,
    /// Counters only grew.
    CountersReset,
    /// Policies apply to the role that asked.
    RowSecurity,
    /// The role that asked may run every statement.
    Permission,
    /// The migration made what it asks for, and skipped nothing that was there.
    IfNotExists,
}

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// No verdict at all, or none for the action it names.
    Invalid,
    /// Only `after` could not keep up: it can be called slower, and nothing else can be said.
    OnlyRegressions,
    /// Only the sides without the migration could not keep up: `after` can be called faster, no more.
    OnlyImprovements,
    /// Nothing is called the same, and no change up to its bound.
    OnlyBeyond,
    /// Printed beside the verdict.
    Warning,
}

impl Check {
    /// One about the trial as a whole that bounds no size of change.
    pub(super) fn new(name: CheckName, consequence: Consequence, message: String) -> Self {
        Self { name, consequence, action: None, message, bound: None }
    }

    /// The same about one action, if one is named.
    pub(super) fn of(self, action: Option<&str>) -> Self {
        Self { action: action.map(str::to_owned), ..self }
    }

    /// Whether the trial as a whole is invalid.
    #[must_use]
    pub fn stops_everything(&self) -> bool {
        self.consequence == Consequence::Invalid && self.action.is_none()
    }
}

/// What the checks leave of an action's possible verdicts.
#[derive(Debug)]
pub struct Effectiveness<'c> {
    /// Why it can have none.
    pub invalid: Option<&'c str>,
    /// Why it can only have one of two.
    pub one_sided: Option<&'c str>,
    /// Why it cannot be called the same, and nothing up to a change of this share.
    pub beyond: Option<(&'c str, f64)>,
    /// May be called slower.
    pub may_regress: bool,
    /// May be called faster.
    pub may_improve: bool,
}

impl Default for Effectiveness<'_> {
    fn default() -> Self {
        Self { invalid: None, one_sided: None, beyond: None, may_regress: true, may_improve: true }
    }
}

/// What the checks mean for one action.
#[must_use]
pub fn for_action<'c>(checks: &'c [Check], action: &str) -> Effectiveness<'c> {
    let mut scope = Effectiveness::default();
    for check in checks.iter().filter(|c| c.action.as_deref().is_none_or(|name| name == action)) {
        match check.consequence {
            Consequence::Invalid => scope.invalid = Some(&check.message),
            Consequence::OnlyRegressions => {
                scope.one_sided = Some(&check.message);
                scope.may_improve = false;
            }
            Consequence::OnlyImprovements => {
                scope.one_sided = Some(&check.message);
                scope.may_regress = false;
            }
            Consequence::OnlyBeyond => {
                let bound = check.bound.unwrap_or(f64::INFINITY);
                if scope.beyond.is_none_or(|(_, other)| other < bound) {
                    scope.beyond = Some((&check.message, bound));
                }
            }
            Consequence::Warning => {}
        }
    }
    scope
}
