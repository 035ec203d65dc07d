//! `unequal-load`: a closed loop carried another load on one side. Must decide nothing.

use super::Words;

pub(super) fn words(operations_ratio: f64) -> Words {
    let is_more = operations_ratio > 1.0;
    let (side, claim) = if is_more { ("with", "slower") } else { ("without", "faster") };
    let times = if is_more { operations_ratio } else { 1.0 / operations_ratio.max(1e-9) };
    Words {
        short: format!("{side} the migration the closed loop completed {times:.1} times as many operations"),
        long: format!(
            "{side} the migration the closed loop completed {times:.1} times as many operations: latencies there are \
             those of a higher load, so nothing can be called {claim}"
        ),
    }
}
