//! What the migration does to the bill: processor time of one operation of the whole mix on each side, and processors
//! at the scenario's rate. Must be a sum over measured actions alone, or nothing.

use serde::Serialize;

use super::actions::ActionComparison;
use crate::evidence::{Evidence, LoadFacts};

/// Processor time of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bill {
    /// Microseconds of processor time that an operation of the mix takes before.
    pub before_us: f64,
    /// The same of the control.
    pub control_us: f64,
    /// The same after.
    pub after_us: f64,
    /// The scenario's operations a second; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
}

impl Bill {
    /// Processors that the scenario's rate keeps busy, before and after; nothing in a closed loop.
    #[must_use]
    pub fn processors(&self) -> Option<(f64, f64)> {
        let busy = |us: f64| self.rate_per_s.map(|rate| us / 1e6 * rate);
        busy(self.before_us).zip(busy(self.after_us))
    }
}

/// The mix of all actions; nothing where one was not measured in processor time.
pub(super) fn bill(evidence: &Evidence, actions: &[ActionComparison]) -> Option<Bill> {
    let rate_per_s = match evidence.design.load {
        LoadFacts::Open { rate_per_s, .. } => Some(rate_per_s),
        LoadFacts::Closed { .. } => None,
    };
    let mut bill = Bill { before_us: 0.0, control_us: 0.0, after_us: 0.0, rate_per_s };
    for action in actions {
        let cpu = action.isolated.as_ref()?.cpu?;
        bill.before_us += action.share * cpu.before_us;
        bill.control_us += action.share * cpu.control_us;
        bill.after_us += action.share * cpu.after_us;
    }
    (!actions.is_empty()).then_some(bill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_makes_processors_of_processor_time() {
        let bill = Bill { before_us: 250.0, control_us: 250.0, after_us: 100.0, rate_per_s: Some(4_000.0) };
        assert_eq!(bill.processors(), Some((1.0, 0.4)));
        assert_eq!(Bill { rate_per_s: None, ..bill }.processors(), None);
    }
}
