//! `plan-flip`: the server may answer by another plan than before with some parameters. Must decide nothing.

use super::Words;

pub(super) fn words(action: &str, (sets, all): (u32, u32), plan_before: &str, plan_after: &str) -> Words {
    let short = format!("`{action}` has another plan for {sets} of {all} sets of parameters");
    Words { long: format!("{short}: {plan_before} → {plan_after}"), short }
}
