//! `index-wanted`: an index that is not there and that an action would use. Must decide nothing.

use super::Words;
use crate::units::count_text;

pub(super) fn words(action: &str, index: &str, cost: f64, cost_with: f64) -> Words {
    Words {
        short: format!("`{action}` would use an index on {index}"),
        long: format!(
            "`{action}` would use an index on {index}: planner's cost {} → {}",
            count_text(cost.round() as u64),
            count_text(cost_with.round() as u64)
        ),
    }
}
