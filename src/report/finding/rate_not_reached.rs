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

/// Of one database; the share of the offered operations that was answered, where it is known.
pub(super) fn of_run(answered_share: Option<f64>) -> Words {
    let share = answered_share.map_or("not all".to_owned(), |share| format!("only {}", percent_text(share)));
    Words {
        short: format!("{share} of the offered operations got an answer: latencies are lower bounds"),
        long: format!(
            "{share} of the offered operations got an answer: this rate is more than the server or the driver can \
             do, and latencies are lower bounds"
        ),
    }
}
