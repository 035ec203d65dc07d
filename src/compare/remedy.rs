//! What would decide an action, chosen in one place for the whole report. Must not ask for a higher rate beside a line
//! that asks for a lower.

use super::fact::Fact;
use super::finding::{Finding, Remedy};

/// What an undecided action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// More operations of its own.
    Operations,
    /// Processors that are not as busy.
    Processors,
}

/// Whether the machine, the server or the driver is near its limit, as checks or other actions say.
pub(super) fn is_pressed(findings: &[Finding], needs: impl IntoIterator<Item = Option<Need>>) -> bool {
    let is_limit = |finding: &Finding| {
        matches!(
            finding.fact,
            Fact::RateNotReached { .. }
                | Fact::DriverBusy { .. }
                | Fact::DriverLag { .. }
                | Fact::CpuThrottled { .. }
                | Fact::CpuStolen { .. }
                | Fact::CpuContention { .. }
                | Fact::NearSaturation { .. }
        )
    };
    findings.iter().any(is_limit) || needs.into_iter().any(|need| need == Some(Need::Processors))
}

impl Need {
    /// What meets it, where the machine `is_pressed` or not.
    pub(super) fn remedy(self, is_pressed: bool) -> Remedy {
        match (self, is_pressed) {
            (Self::Operations, false) => Remedy::RaiseRateOrWeight,
            (Self::Operations, true) => Remedy::RaiseWeightOrMargin,
            (Self::Processors, _) => Remedy::LowerRateOrMoreProcessors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn nobody_is_asked_to_raise_the_rate_where_it_should_be_lower() {
        let found = |fact| Finding::new(Severity::Warning, fact);
        assert!(!is_pressed(&[found(Fact::NotPrimed { rounds: 2 })], [Some(Need::Operations), None]));
        for fact in [Fact::CpuStolen { share: 0.1 }, Fact::DriverBusy { cpu_share_max: 0.9 }] {
            assert!(is_pressed(&[found(fact)], [None]));
        }
        assert!(is_pressed(&[], [Some(Need::Operations), Some(Need::Processors)]));
        assert_eq!(Need::Operations.remedy(false), Remedy::RaiseRateOrWeight);
        assert_eq!(Need::Operations.remedy(true), Remedy::RaiseWeightOrMargin);
    }
}
