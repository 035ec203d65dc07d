//! A run as it goes on, for a terminal: a few lines that are drawn again each interval. Must be a pure function of the
//! interval.

use crate::evidence::run::{ActionResult, IntervalFacts};
use crate::units::{count_text, ms_text};

/// Actions beyond these are not shown: a screen has few lines.
const MOST_ACTIONS: usize = 16;

/// Everything together as one line, for logs and at the top of the screen.
pub(super) fn line(facts: &IntervalFacts) -> String {
    let mut text = format!(
        "{:>6.1} s  {:>9}/s  p50 {} p95 {} p99 {} ms",
        facts.at_s + facts.length_s,
        count_text((facts.ok as f64 / facts.length_s.max(1e-9)).round() as u64),
        ms(facts.latency.us_p50),
        ms(facts.latency.us_p95),
        ms(facts.latency.us_p99),
    );
    for (count, what) in [
        (facts.failed, "failed"),
        (facts.skipped, "skipped"),
        (facts.unsent, "unsent"),
        (facts.retries, "retries"),
        (facts.reconnects, "reconnects"),
    ] {
        if 0 < count {
            text.push_str(&format!("  {} {what}", count_text(count)));
        }
    }
    if let Some(pool) = &facts.pool {
        text.push_str(&format!(
            "  pool {:.1} of {} in use, wait p99 {} ms",
            pool.in_use_mean,
            pool.connections,
            ms(pool.wait.us_p99)
        ));
    }
    for (replica, lag) in facts.replica_lag_us_max.iter().enumerate() {
        match lag {
            Some(us) => text.push_str(&format!("  replica {} lags {} ms", replica + 1, ms(Some(*us)))),
            None => text.push_str(&format!("  replica {} unreachable", replica + 1)),
        }
    }
    text
}

/// The screen: the line of all, one for each action, and what the server waits for.
pub(super) fn screen(facts: &IntervalFacts, actions: &[ActionResult]) -> String {
    let mut lines = vec![line(facts)];
    let width = actions.iter().map(|action| action.name.len()).max().unwrap_or(0);
    for action in actions.iter().take(MOST_ACTIONS).filter(|_| 1 < actions.len()) {
        let errors = if 0 < action.failed { format!("  {} failed", count_text(action.failed)) } else { String::new() };
        lines.push(format!(
            "  {:<width$}  {:>9}/s  p50 {:>7}  p95 {:>7}  p99 {:>7} ms{errors}",
            action.name,
            count_text(action.rate_per_s.round() as u64),
            ms(action.latency.us_p50),
            ms(action.latency.us_p95),
            ms(action.latency.us_p99),
        ));
    }
    if let Some(server) = &facts.server {
        let mut waits: Vec<(&String, &u64)> = server.waits.iter().collect();
        waits.sort_by_key(|(_, sessions)| std::cmp::Reverse(**sessions));
        let waits: Vec<String> =
            waits.into_iter().take(4).map(|(event, sessions)| format!("{sessions} {event}")).collect();
        let waits = if waits.is_empty() { "nothing".to_owned() } else { waits.join(", ") };
        lines.push(format!(
            "  server: {} active, {} blocked; waiting for {waits}; {} blocks read",
            server.active,
            server.blocked,
            count_text(server.blocks_read)
        ));
    }
    lines.join("\n")
}

fn ms(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| ms_text((us * 1e3) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::run::Quantiles;
    use crate::evidence::view::{PoolFacts, ServerSample};

    #[test]
    fn a_screen_shows_actions_pool_and_waits() {
        let latency = Quantiles { us_p50: Some(310.0), us_p95: Some(1_200.0), ..Quantiles::default() };
        let waits = [("Lock:transactionid".to_owned(), 3), ("IO:DataFileRead".to_owned(), 1)].into();
        let server = ServerSample { active: 5, blocked: 3, waits, blocks_read: 1_200, ..ServerSample::default() };
        let pool = PoolFacts { connections: 8, in_use_mean: 3.25, ..PoolFacts::default() };
        let facts = IntervalFacts {
            at_s: 4.0,
            length_s: 1.0,
            ok: 1_500,
            failed: 2,
            latency,
            server: Some(server),
            pool: Some(pool),
            ..IntervalFacts::default()
        };
        let action = |name: &str, failed| ActionResult {
            name: name.to_owned(),
            rate_per_s: 750.0,
            failed,
            latency,
            ..ActionResult::default()
        };
        insta::assert_snapshot!(screen(&facts, &[action("pay", 0), action("history", 2)]), @r"
           5.0 s      1,500/s  p50 0.310 p95 1.20 p99 - ms  2 failed  pool 3.2 of 8 in use, wait p99 - ms
          pay            750/s  p50   0.310  p95    1.20  p99       - ms
          history        750/s  p50   0.310  p95    1.20  p99       - ms  2 failed
          server: 5 active, 3 blocked; waiting for 3 Lock:transactionid, 1 IO:DataFileRead; 1,200 blocks read
        ");
    }
}
