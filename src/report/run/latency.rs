//! The one table of a run: what became of each action's operations. Must round nothing that a column of its own holds.

use crate::evidence::run::{ActionResult, RunEvidence};
use crate::units::count_text;

/// What stands over the columns of a summary.
pub(super) const HEADER: [&str; 8] = ["action", "answers", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors"];

/// Columns of a summary that are left out on a narrow page, the first of them first.
pub(super) const LEAST_IMPORTANT: [usize; 2] = [6, 2];

/// What stands over all columns.
pub(in crate::report) const FULL_HEADER: [&str; 12] = [
    "action",
    "share",
    "answers",
    "per s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "service p95",
    "lag p99",
    "errors",
];

/// A row for each action, and one for all of them where there are several.
pub(super) fn rows(run: &RunEvidence) -> Vec<Vec<String>> {
    results(run).map(row).collect()
}

/// The same with every column.
pub(in crate::report) fn full_rows(run: &RunEvidence) -> Vec<Vec<String>> {
    results(run).map(full_row).collect()
}

fn results(run: &RunEvidence) -> impl Iterator<Item = &ActionResult> {
    run.actions.iter().chain((run.actions.len() != 1).then_some(&run.all))
}

fn row(action: &ActionResult) -> Vec<String> {
    let latency = &action.latency;
    vec![
        action.name.clone(),
        count_text(action.ok),
        format!("{:.1}", action.rate_per_s),
        ms(latency.us_p50),
        ms(latency.us_p95),
        ms(latency.us_p99),
        ms((latency.count > 0).then_some(latency.us_max)),
        errors(action),
    ]
}

fn full_row(action: &ActionResult) -> Vec<String> {
    let latency = &action.latency;
    vec![
        action.name.clone(),
        format!("{:.0} %", action.share * 100.0),
        count_text(action.ok),
        format!("{:.1}", action.rate_per_s),
        ms(latency.us_p50),
        ms(latency.us_p95),
        ms(latency.us_p99),
        ms(latency.us_p999),
        ms((latency.count > 0).then_some(latency.us_max)),
        ms(action.service.us_p95),
        ms(action.lag.us_p99),
        errors(action),
    ]
}

/// Operations without an answer, by what became of them.
fn errors(action: &ActionResult) -> String {
    let mut text = count_text(action.failed);
    for (count, what) in [(action.skipped, "skipped"), (action.unsent, "unsent")] {
        if count > 0 {
            text.push_str(&format!(" + {} {what}", count_text(count)));
        }
    }
    if action.retries > 0 {
        text.push_str(&format!(", {} retries", count_text(action.retries)));
    }
    text
}

/// Milliseconds with three decimals, as load testers print them; nothing where too few values are beyond.
pub(super) fn ms(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us / 1e3))
}
