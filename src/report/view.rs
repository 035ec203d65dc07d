//! What a run saw of servers, pool and replicas, as lines for people. Must compute nothing that is not in the evidence.

use crate::evidence::run::{Quantiles, RunEvidence};
use crate::evidence::view::{PoolFacts, ReplicaFacts, ServerView};
use crate::units::{bytes_text, count_text, plural};

/// Slow operations that are listed.
const MOST_SLOW: usize = 5;

/// Indexes that are listed.
const MOST_INDEXES: usize = 8;

/// Lines about pool, replicas, slow operations and the server, where there is something to say.
pub(super) fn lines(run: &RunEvidence) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(run.pool.as_ref().map(pool));
    lines.extend(run.replicas.iter().enumerate().map(|(number, facts)| replica(number + 1, facts)));
    let misses: u64 = run.actions.iter().map(|action| action.misses).sum();
    if 0 < misses {
        lines.push(format!("misses {} reads of a replica did not see what was just written", count_text(misses)));
    }
    lines.extend(slow(run));
    if let Some(view) = &run.view {
        lines.extend(server(view, run.measured_s));
    }
    lines
}

fn pool(facts: &PoolFacts) -> String {
    let PoolFacts { connections, wait, timeouts, in_use_mean, idle_mean, waiting_max } = facts;
    let gave_up = if *timeouts == 0 { String::new() } else { format!(" · {} gave up", count_text(*timeouts)) };
    format!(
        "pool   {connections} connections, {in_use_mean:.2} in use and {idle_mean:.2} idle on average · wait {} · \
         {waiting_max} waiting at most{gave_up}",
        times(wait)
    )
}

fn replica(number: usize, facts: &ReplicaFacts) -> String {
    let unreachable = match facts.unreachable {
        0 => String::new(),
        looks => format!(" · not reachable at {}", plural(looks as usize, "look")),
    };
    let behind = bytes_text(facts.lag_bytes_max);
    format!("replica {number}  lag {} · {behind} behind at most{unreachable}", times(&facts.lag))
}

fn times(of: &Quantiles) -> String {
    let ms = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us / 1e3));
    let max = (0 < of.count).then_some(of.us_max);
    format!("p50 {}, p99 {}, max {} ms", ms(of.us_p50), ms(of.us_p99), ms(max))
}

fn slow(run: &RunEvidence) -> Vec<String> {
    let count: u64 = run.actions.iter().map(|action| action.slow).sum();
    let Some(limit_ms) = run.design.slow_after_ms.filter(|_| 0 < count) else { return Vec::new() };
    let mut lines =
        vec![format!("slow   {} took longer than {limit_ms} ms to serve", plural(count as usize, "answer"))];
    for facts in run.slowest.iter().take(MOST_SLOW) {
        let plans = if facts.plans.is_empty() { String::new() } else { format!("  {}", facts.plans.join("; ")) };
        lines.push(format!("       {:>9.1} ms at {:.1} s  {}{plans}", facts.service_ms, facts.at_s, facts.action));
    }
    lines
}

fn server(view: &ServerView, measured_s: f64) -> Vec<String> {
    let per_s = |count: u64| count as f64 / measured_s.max(1e-9);
    let wal = view.wal_bytes.map(|bytes| format!(" · {}/s of WAL", bytes_text(per_s(bytes) as u64)));
    let mut lines = vec![format!(
        "server {:.1} sessions active on average · {:.0} commits/s, {} rolled back · {:.0} blocks hit/s, {:.0} \
         read/s{}{}{}",
        view.active_mean,
        per_s(view.commits),
        count_text(view.rollbacks),
        per_s(view.blocks_hit),
        per_s(view.blocks_read),
        wal.unwrap_or_default(),
        if view.checkpoints == 0 {
            String::new()
        } else {
            format!(" · {}", plural(view.checkpoints as usize, "checkpoint"))
        },
        match view.autovacuum_samples {
            0 => String::new(),
            samples => format!(" · autovacuum at work in {samples} of {} looks", view.samples),
        },
    )];
    let mut waits: Vec<(&String, &f64)> = view.waits_mean.iter().collect();
    waits.sort_by(|a, b| b.1.total_cmp(a.1));
    let waits: Vec<String> = waits.into_iter().map(|(event, mean)| format!("{event} {mean:.2}")).collect();
    if !waits.is_empty() {
        lines.push(format!("waits  sessions on average: {}", waits.join(", ")));
    }
    if 0 < view.blocked_max {
        lines.push(format!(
            "locks  {} waited at a time at most, the longest for {:.2} s; {} found",
            plural(view.blocked_max as usize, "session"),
            view.blocked_s_max,
            plural(view.deadlocks as usize, "deadlock")
        ));
    }
    for (action, work) in view.statements.iter().flatten() {
        lines.push(format!(
            "work   {action}: {} calls of {:.3} ms in the server, {:.1} blocks ({:.2} read), {:.1} rows, {:.0} B of \
             WAL each",
            count_text(work.calls),
            work.exec_ms_mean,
            work.blocks_per_call,
            work.blocks_read_per_call,
            work.rows_per_call,
            work.wal_bytes_per_call
        ));
    }
    let mut scans: Vec<(&String, &u64)> = view.index_scans.iter().collect();
    scans.sort_by_key(|(_, scans)| std::cmp::Reverse(**scans));
    let shown: Vec<String> =
        scans.iter().take(MOST_INDEXES).map(|(name, scans)| format!("{name} {}", count_text(**scans))).collect();
    if !shown.is_empty() {
        let more = match scans.len().saturating_sub(MOST_INDEXES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!("index  scans: {}{more}", shown.join(", ")));
    }
    lines.push(format!(
        "watch  {} of the server, {:.2} ms each, {:.2} ms at most: {:.2} % of one session's time{}",
        plural(view.samples as usize, "look"),
        view.sample_ms_mean,
        view.sample_ms_max,
        view.sample_ms_mean * view.samples as f64 / (measured_s * 10.0).max(1e-9),
        match (&view.unavailable, view.reset) {
            (Some(why), _) => format!(" · not seen: {why}"),
            (None, true) => " · counters went back on the way, as after a crash".to_owned(),
            (None, false) => String::new(),
        }
    ));
    lines
}
