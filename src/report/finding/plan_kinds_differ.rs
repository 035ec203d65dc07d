//! `plan-kinds-differ`: the server used generic plans for another share of executions. Must decide nothing.

use super::Words;
use crate::compare::fact::PlanKindDifference;
use crate::units::{list_text, percent_text};

pub(super) fn words(shares: &[PlanKindDifference]) -> Words {
    let names: Vec<&str> = shares.iter().map(|of| of.action.as_str()).collect();
    let one = |of: &PlanKindDifference| {
        format!("`{}` {} → {} on {}", of.action, percent_text(of.before), percent_text(of.other), of.side.name())
    };
    let all: Vec<String> = shares.iter().map(one).collect();
    Words {
        short: format!("generic plans are used for another share of executions: {}", list_text(&names)),
        long: format!(
            "the share of executions by a generic plan differs: {}; planning each execution takes time too: see \
             plan_cache_mode, and --counts-only for both plans",
            list_text(&all)
        ),
    }
}
