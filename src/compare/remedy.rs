//! What would decide an action, chosen in one place for the whole report. Must not ask for a higher rate beside a line that asks for a lower.

use super::check::{Check, CheckName};

/// What an undecided action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// More operations of its own.
    Operations,
    /// Processors that are not as busy.
    Processors,
}

/// Whether the machine, the server or the driver is near its limit, as checks or other actions say.
pub(super) fn is_pressed(checks: &[Check], needs: impl IntoIterator<Item = Option<Need>>) -> bool {
    const LIMITS: [CheckName; 5] =
        [CheckName::AchievedRate, CheckName::DriverCpu, CheckName::TimerLag, CheckName::Machine, CheckName::Saturation];
    checks.iter().any(|check| LIMITS.contains(&check.name))
        || needs.into_iter().any(|need| need == Some(Need::Processors))
}

impl Need {
    /// What meets it, where the machine `is_pressed` or not.
    pub(super) fn remedy(self, is_pressed: bool) -> &'static str {
        match (self, is_pressed) {
            (Self::Operations, false) => "raise the rate or the action's weight",
            (Self::Operations, true) => {
                "raise the action's weight or its margin, for this machine is near its limit already"
            }
            (Self::Processors, _) => "lower the rate, or give the machine more processors",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Consequence;
    use super::*;

    #[test]
    fn nobody_is_asked_to_raise_the_rate_where_it_should_be_lower() {
        let check = |name| Check::new(name, Consequence::Warning, "lower the rate".to_owned());
        assert!(!is_pressed(&[check(CheckName::Priming)], [Some(Need::Operations), None]));
        for name in [CheckName::Machine, CheckName::Saturation, CheckName::TimerLag] {
            assert!(is_pressed(&[check(name)], [None]));
        }
        assert!(is_pressed(&[], [Some(Need::Operations), Some(Need::Processors)]));
        assert!(Need::Operations.remedy(false).contains("raise the rate"));
        assert!(!Need::Operations.remedy(true).contains("raise the rate"));
    }
}
