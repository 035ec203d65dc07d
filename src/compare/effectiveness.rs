//! What findings leave of the verdicts that an action may have. Must judge a finding by its severity alone.

use super::finding::{Finding, Severity};

/// What the checks leave of an action's possible verdicts.
#[derive(Debug)]
pub(super) struct Effectiveness<'c> {
    /// Why it can have none.
    pub(super) invalid: Option<&'c Finding>,
    /// Why it can only have one of two.
    pub(super) one_sided: Option<&'c Finding>,
    /// Why it cannot be called the same, and nothing up to a change of this share.
    pub(super) beyond: Option<(&'c Finding, f64)>,
    /// May be called slower.
    pub(super) may_regress: bool,
    /// May be called faster.
    pub(super) may_improve: bool,
}

impl Default for Effectiveness<'_> {
    fn default() -> Self {
        Self { invalid: None, one_sided: None, beyond: None, may_regress: true, may_improve: true }
    }
}

/// What findings mean for one action.
#[must_use]
pub(super) fn for_action<'c>(findings: &'c [Finding], action: &str) -> Effectiveness<'c> {
    let mut scope = Effectiveness::default();
    for finding in findings.iter().filter(|finding| finding.is_about(action)) {
        match finding.severity {
            Severity::Invalid => scope.invalid = Some(finding),
            Severity::OnlyRegressions => {
                scope.one_sided = Some(finding);
                scope.may_improve = false;
            }
            Severity::OnlyImprovements => {
                scope.one_sided = Some(finding);
                scope.may_regress = false;
            }
            Severity::OnlyBeyond => {
                let bound = finding.bound.unwrap_or(f64::INFINITY);
                if scope.beyond.is_none_or(|(_, other)| bound > other) {
                    scope.beyond = Some((finding, bound));
                }
            }
            Severity::Warning | Severity::Note => {}
        }
    }
    scope
}
