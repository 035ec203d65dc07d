//! `rate-not-reached`: the sides did not reach the offered rate. Must decide nothing.

use super::Words;
use crate::compare::fact::Sides;
use crate::compare::finding::Severity;
use crate::units::percent_text;

pub(super) fn words(rate_per_s: Option<f64>, skipped: &Sides<f64>, severity: Severity) -> Words {
    let rate = rate_per_s.map_or("the load".to_owned(), |rate| format!("{rate:.0} actions/s"));
    let (where_, so) = match severity {
        Severity::OnlyRegressions => ("after", ": its latencies are lower bounds, so it can only be called slower"),
        Severity::OnlyImprovements => {
            ("before", ": its latencies are lower bounds, so after can only be called faster")
        }
        _ => ("the sides", ": they were not under the same load"),
    };
    Words {
        short: format!("{where_} could not keep up with {rate}{so}"),
        long: format!(
            "not sent, of {rate}: {} of the operations on before, {} on control and {} on after{so}",
            percent_text(skipped.before),
            percent_text(skipped.control),
            percent_text(skipped.after)
        ),
    }
}
