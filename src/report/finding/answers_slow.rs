//! `answers-slow`: answers took longer to serve than the limit of the run. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(answers: u64, limit_ms: f64, longest_ms: Option<f64>) -> Words {
    let answers = plural(answers as usize, "answer");
    let longest = longest_ms.map(|ms| format!(", the longest {ms:.1} ms")).unwrap_or_default();
    Words {
        short: format!("{answers} over {limit_ms} ms"),
        long: format!("{answers} took longer than {limit_ms} ms to serve{longest}"),
    }
}
