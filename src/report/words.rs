//! The phrases terminal and Markdown share, so that both say the same. Must not lay anything out.

use super::{claim, counted, remedy};
use crate::compare::claim::Reason;
use crate::compare::indexes::Fate;
use crate::compare::{ActionComparison, Change, Comparison, IndexComparison, MetricComparison, Verdict};
use crate::evidence::design::MOST_REPLICATES;
use crate::evidence::{CountedAction, CountedSet, Evidence, IndexUse, Interleave, Limits, LoadFacts, Side, Subject};
use crate::stats::paired::{LOOKS, looks};
use crate::units::{
    bytes_change_text, bytes_text, change_text, count_text, duration_text, interval_text, list_text, ms_text,
    per_call_text, percent_text, plural, seconds,
};
use std::time::Duration;

/// The remarks beside the tables, line by line.
pub(super) fn notes(evidence: &Evidence, comparison: &Comparison) -> Vec<String> {
    asks_differently(evidence)
        .chain(design(evidence))
        .chain(precision(evidence, comparison))
        .chain(early(evidence, comparison))
        .chain(attempts(evidence))
        .chain(comparison.actions.iter().filter_map(by_median))
        .chain(counted::notes(comparison))
        .chain(counted::prices(comparison))
        .chain(counted::balance(comparison))
        .chain(comparison.actions.iter().filter_map(|action| note(evidence, comparison, action)))
        .collect()
}

/// The actions that ask another statement after the migration: their changes are not the schema's alone.
fn asks_differently(evidence: &Evidence) -> impl Iterator<Item = String> {
    let other = evidence.actions.iter().filter(|action| !action.sql_after.is_empty());
    other.map(|action| format!("{} asks another statement after the migration, as its scenario says", action.name))
}

/// What of the design a reader must know beside the load.
fn design(evidence: &Evidence) -> Vec<String> {
    let design = &evidence.design;
    let mut lines = Vec::new();
    let why = design.interleave_reason.as_ref().map(|why| format!(", because {why}")).unwrap_or_default();
    match design.interleave {
        Interleave::Slice => {}
        Interleave::Op => lines.push(format!(
            "the sides took turns operation by operation{why}: nothing is known of the load that they can take"
        )),
        Interleave::Block => lines.push(format!("the sides took turns in blocks, each after a warm-up{why}")),
    }
    if design.subject != Subject::Clones && evidence.counts.values().flatten().any(CountedAction::changes_rows) {
        lines.push(
            "of what writes leave and take away only the rows they return were compared: others may write here"
                .to_owned(),
        );
    }
    if 1 < design.replicates {
        let sets = design.replicates;
        lines.push(format!(
            "intervals are those of {sets} sets of clones with statistics of their own; index use is that of the first"
        ));
    }
    if let Some(clone) = design.clones.iter().find(|clone| !clone.refused.is_empty()) {
        lines.push(format!(
            "no side has what the role may not give a clone of what its database was set to: {}",
            clone.refused.join(", ")
        ));
    }
    lines.extend(evidence.limits.as_ref().and_then(capacity));
    let focused = evidence.actions.iter().filter_map(|action| Some((action, action.focus()?)));
    let focused: Vec<String> = focused
        .map(|(action, driven)| {
            format!("{} {} instead of {}", action.name, percent_text(driven), percent_text(action.share))
        })
        .collect();
    if !focused.is_empty() {
        lines.push(format!("what changed got more of the operations, to be decided: {}", focused.join(", ")));
    }
    lines
}

/// What the sides can do at most, which no load compared here: one figure each, without an interval.
fn capacity(limits: &Limits) -> Option<String> {
    let of = |side: Side| limits.capacity_per_s.get(&side).map(|per_s| count_text(*per_s as u64));
    let [before, control, after] = [of(Side::Before)?, of(Side::Control)?, of(Side::After)?];
    Some(format!("max throughput (informational): before {before}/s, control {control}/s, after {after}/s"))
}

/// Whether a proof to a precision came to it.
fn precision(evidence: &Evidence, comparison: &Comparison) -> Option<String> {
    let precision = evidence.design.precision.filter(|_| evidence.complete)?;
    let reached = if comparison.is_narrow(precision) { "every interval is" } else { "not every interval is" };
    let unknown = |action: &&ActionComparison| action.p50.as_ref().is_none_or(|p50| p50.change.is_none());
    let few: Vec<&str> = comparison.actions.iter().filter(unknown).map(|action| action.name.as_str()).collect();
    let few = if few.is_empty() { String::new() } else { format!("; too few operations for one: {}", few.join(", ")) };
    Some(format!("{reached} within ±{}, at which this proof was to end{few}", percent_text(precision)))
}

/// Changes that were found at a look before the last: of one that is near its margin, the looks that see it larger
/// than it is find it first.
fn early(evidence: &Evidence, comparison: &Comparison) -> Option<String> {
    let design = &evidence.design;
    let done = evidence.chunks.len() as u32;
    if design.precision.is_some() || !evidence.complete || design.chunks_planned <= done {
        return None;
    }
    let near = |action: &&ActionComparison| {
        let metrics = [&action.p50, &action.p95].into_iter().flatten();
        let mut found = metrics.filter(|m| matches!(m.verdict, Verdict::Improved | Verdict::Regressed)).peekable();
        found.peek().is_some() && found.all(|m| m.change.is_some_and(|c| c.change.abs() < NEAR * action.margin))
    };
    let near: Vec<&str> = comparison.actions.iter().filter(near).map(|action| action.name.as_str()).collect();
    (!near.is_empty()).then(|| {
        format!(
            "it ended early, at {done} of {} chunks: by how much {} changed tends to be overstated then; --precision \
             2% measures it without that",
            design.chunks_planned,
            near.join(", ")
        )
    })
}

/// Changes below this many margins are near theirs: of larger ones the first look sees nearly all.
const NEAR: f64 = 3.0;

/// More chunks than its last look no experiment can have: then a better machine or a wider margin is advised.
const MOST_CHUNKS: u32 = LOOKS[LOOKS.len() - 1];

/// Longer than this nobody waits for one more decision.
const MAX_MORE: Duration = Duration::from_secs(4 * 3_600);

/// What was measured on, in one line.
pub(super) fn setting(evidence: &Evidence, comparison: &Comparison) -> String {
    let server = match &evidence.server_after {
        Some(after) if after.version != evidence.server.version => {
            format!("PostgreSQL {} → {}", evidence.server.version, after.version)
        }
        _ => format!("PostgreSQL {}", evidence.server.version),
    };
    let rows = match (&evidence.dataset, evidence.design.subject) {
        (Some(dataset), _) => {
            format!("{} ×{} seed {}", dataset.spec.trim_end_matches(".toml"), dataset.scale, dataset.seed)
        }
        (None, Subject::InPlace) => "in place".to_owned(),
        (None, _) => "given databases".to_owned(),
    };
    let dataset = format!("{rows} · {server}");
    if evidence.design.chunks_planned == 0 {
        return format!("{dataset} · counted without load: latencies are not compared");
    }
    let load = match evidence.design.load {
        LoadFacts::Open { rate_per_s, connections } => {
            format!("open loop {rate_per_s:.0}/s over {}", plural(connections as usize, "connection"))
        }
        LoadFacts::Closed { clients } => format!("closed loop of {}", plural(clients as usize, "client")),
    };
    let p95 = comparison.actions.iter().filter_map(|action| action.p95.as_ref());
    let noisiest = p95.max_by(|a, b| a.noise_floor.unwrap_or(0.0).total_cmp(&b.noise_floor.unwrap_or(0.0)));
    let floor = match (comparison.noise_floor, noisiest.and_then(|metric| metric.control)) {
        (Some(floor), Some(control)) => {
            format!("noise floor ±{} (A/A {})", percent_text(floor), with_interval(control))
        }
        _ => "noise floor unknown".to_owned(),
    };
    let chunk = Duration::from_millis(u64::from(evidence.design.rounds_per_chunk) * evidence.design.slice_ms);
    format!(
        "{dataset} · {} of {} on each side · {load} · {floor}",
        plural(evidence.chunks.len(), "chunk"),
        duration_text(chunk),
    )
}

/// How often this comparison was tried, when it was more than once: who repeats until it fits finds something by
/// chance.
fn attempts(evidence: &Evidence) -> Option<String> {
    let attempt = evidence.design.attempt;
    let by_chance = 1.0 - 0.95_f64.powi(attempt as i32);
    (1 < attempt).then(|| {
        format!(
            "attempt {attempt} of this comparison in this folder of results: by now a migration that changes nothing \
             would have differed once with a chance of {}",
            percent_text(by_chance)
        )
    })
}

/// What the actions that matter win or lose of the mix's time in the server.
pub(super) fn impact(comparison: &Comparison) -> Option<String> {
    const MATTERS: f64 = 0.005;
    let mut actions: Vec<(&str, f64)> =
        comparison.actions.iter().filter_map(|action| Some((action.name.as_str(), action.impact?))).collect();
    let all: f64 = actions.iter().map(|(_, impact)| impact).sum();
    actions.retain(|(_, impact)| MATTERS <= impact.abs());
    actions.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let each: Vec<String> = actions.iter().map(|(name, impact)| format!("{name} {}", change_text(*impact))).collect();
    let said = !each.is_empty() && comparison.verdict != Verdict::Invalid;
    said.then(|| format!("time in the server over the mix: {} ({})", change_text(all), each.join(", ")))
}

/// Every action that is proven not to be slower, as its own line: each by its own test, so it needs no correction.
pub(super) fn not_slower(comparison: &Comparison) -> Option<String> {
    let proven = comparison.actions.iter().filter(|action| action.not_slower).count();
    (0 < proven).then(|| {
        format!(
            "proven not slower on these databases, within their margins: {proven} of {}",
            plural(comparison.actions.len(), "action")
        )
    })
}

/// What was counted, over its table.
pub(super) fn counted(evidence: &Evidence) -> String {
    let counted = || evidence.counts.values().flatten();
    let sets = counted().map(|action| action.sets.iter().map(CountedSet::weight).sum::<f64>().round() as usize);
    let (fewest, most) = (sets.clone().min().unwrap_or(0), sets.max().unwrap_or(0));
    let executed = counted().map(|action| action.sets.len()).max().unwrap_or(0);
    let range = if fewest == most { String::new() } else { format!("{fewest} to ") };
    let standing = match executed == most {
        true => String::new(),
        false => {
            format!("; up to {executed} of them executed, each standing for those that the planner treats like it")
        }
    };
    format!(
        "one operation without load, the mean of {range}{} of parameters, the same on both sides{standing}:",
        plural(most, "set")
    )
}

/// What the migration took, in one line.
pub(super) fn migration(evidence: &Evidence) -> String {
    let facts = &evidence.migration;
    if let Subject::Given { .. } = evidence.design.subject {
        let size = |bytes: i64| bytes_text(bytes.max(0) as u64);
        return format!("{} → {}", size(facts.size_bytes_before), size(facts.size_bytes_after));
    }
    let ms = |ms: f64| duration_text(seconds(ms / 1e3));
    let rewritten: Vec<&str> = facts.rewritten.iter().map(|table| bare(table)).collect();
    let rewritten = if rewritten.is_empty() { None } else { Some(format!("rewrites {}", list_text(&rewritten))) };
    let locks: Vec<String> = facts
        .locks
        .iter()
        .map(|lock| format!("{} on {} for {}", lock.mode, bare(&lock.table), ms(lock.held_ms)))
        .collect();
    let locks = if locks.is_empty() { None } else { Some(list_text(&locks)) };
    let size = bytes_change_text(facts.size_bytes_after - facts.size_bytes_before);
    let parts = [Some(format!("applied in {}", ms(facts.duration_ms))), Some(size), rewritten, locks];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The statements of the migration, each on one line.
pub(super) fn statements(evidence: &Evidence) -> Vec<String> {
    let one_line = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    evidence.migration.statements.iter().map(|s| one_line(&s.sql)).collect()
}

/// `4.81 → 0.21` in milliseconds.
pub(super) fn both_ms(metric: Option<&MetricComparison>) -> String {
    let ms = |us: f64| ms_text((us * 1e3) as u64);
    metric.map_or("too few".to_owned(), |m| format!("{} → {}", ms(m.before_us), ms(m.after_us)))
}

/// `−95.6 % [−96.1 … −95.0]`, where it is known.
pub(super) fn change(change: Option<Change>) -> String {
    change.map_or("–".to_owned(), with_interval)
}

/// `−95.6 % [−96.1 … −95.0]` of a change.
pub(super) fn with_interval(change: Change) -> String {
    format!("{} {}", change_text(change.change), interval_text(change.low, change.high))
}

/// `1,204 → 6 blocks`, and WAL for writes.
pub(super) fn work(action: &ActionComparison) -> String {
    let (Some(before), Some(after)) = (&action.work_before, &action.work_after) else { return "–".to_owned() };
    let mut text = format!("{} → {} blocks", per_call_text(before.blocks), per_call_text(after.blocks));
    if 1.0 <= before.wal_bytes.max(after.wal_bytes) {
        text.push_str(&format!(", {} → {} B WAL", per_call_text(before.wal_bytes), per_call_text(after.wal_bytes)));
        if 0.005 <= before.wal_full_pages.max(after.wal_full_pages) {
            // They depend on where the last checkpoint fell, not on the schema alone.
            text.push_str(&format!(" ({:.2} → {:.2} full pages)", before.wal_full_pages, after.wal_full_pages));
        }
    }
    text
}

/// Why an action has no verdict, and how many chunks would give one.
fn note(evidence: &Evidence, comparison: &Comparison, action: &ActionComparison) -> Option<String> {
    let reason = action.reason.as_ref()?;
    // What stopped the whole trial stands in the headline and among the findings.
    let stops = comparison.findings.iter().any(|finding| finding.stops_everything());
    if stops && matches!(reason, Reason::Finding { .. }) {
        return None;
    }
    let reason = claim::reason_text(comparison, &action.name, reason);
    let mut text = format!("{} {}: {reason}", action.name, action.verdict.word());
    if let Some(need) = &action.need {
        text.push_str(&format!("; {}", remedy::text(need)));
    }
    if let Some(needed) = action.sets_needed {
        let chunks = needed * (evidence.chunks.len() as u32).div_ceil(evidence.design.replicates.max(1));
        let time = duration_text(evidence.time_of(f64::from(chunks)));
        text.push_str(&match needed {
            ..=MOST_REPLICATES => {
                format!(
                    "; about {needed} sets of clones would decide: --replicates {needed} --chunks {chunks} ({time} \
                         of load)"
                )
            }
            _ => format!(
                "; the {MOST_REPLICATES} sets of clones that a proof may have would not decide: a wider \
                          --margin can"
            ),
        });
    }
    if let (Some(needed), Verdict::Inconclusive) = (action.chunks_needed, action.verdict) {
        let more = needed.saturating_sub(evidence.chunks.len() as u32);
        let time = duration_text(evidence.time_of(f64::from(more)));
        if needed <= MOST_CHUNKS && evidence.time_of(f64::from(more)) <= MAX_MORE {
            let how = match evidence.design.precision {
                Some(_) => "begin a new proof with a narrower --precision".to_owned(),
                None if may_go_on(evidence, needed) => "prove --resume goes on".to_owned(),
                None => format!("more looks than are paid for, so begin a new proof with --chunks {needed}"),
            };
            let chunks = plural(needed as usize, "chunk");
            text.push_str(&format!("; about {chunks} would decide ({time} more): {how}"));
        } else {
            text.push_str("; more chunks than a proof may have would be needed: a wider --margin can decide");
        }
    }
    Some(text)
}

/// Whether an experiment may have this many chunks: the looks it has had are paid for, and those on the way there.
pub(super) fn may_go_on(evidence: &Evidence, chunks: u32) -> bool {
    let done = evidence.chunks.len() as u32;
    let had = evidence.design.looks.iter().filter(|look| **look <= done).count();
    had + looks(chunks).into_iter().filter(|look| done < *look).count() <= LOOKS.len()
}

/// A verdict that rests on the median, which the table shows no change of.
fn by_median(action: &ActionComparison) -> Option<String> {
    let (p50, p95) = (action.p50.as_ref()?, action.p95.as_ref());
    let decided = matches!(action.verdict, Verdict::Improved | Verdict::Regressed) && p50.verdict == action.verdict;
    if !decided || p95.is_some_and(|p95| p95.verdict == action.verdict) {
        return None;
    }
    let control = p50.control.map_or(String::new(), |control| format!(", A/A {}", with_interval(control)));
    Some(format!("{} {} by its p50: {}{control}", action.name, action.verdict.word(), with_interval(p50.change?)))
}

/// A name as people write it: without the schema nobody writes.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}

/// The name of an index, with how many partitions have a part of it.
pub(super) fn index_name(index: &IndexComparison) -> String {
    let name = bare(&index.name);
    match index.parts {
        Some(parts) => format!("{name} ({})", plural(parts as usize, "partition")),
        None => name.to_owned(),
    }
}

/// `+`, `−`, `~` or nothing.
pub(super) fn mark(index: &IndexComparison) -> &'static str {
    match index.fate {
        Fate::New => "+",
        Fate::Lost => "−",
        Fate::Changed => "~",
        Fate::Kept => " ",
    }
}

/// Who uses the index.
pub(super) fn users(index: &IndexComparison) -> String {
    let (before, after) = (&index.used_by_before, &index.used_by_after);
    match (before.is_empty(), after.is_empty()) {
        (true, true) => "none".to_owned(),
        (false, true) if index.after.is_some() => format!("none any more ({})", before.join(", ")),
        (false, true) => format!("was: {}", before.join(", ")),
        (_, false) => after.join(", "),
    }
}

/// What an index was used for per operation of the mix, on both sides; none where it is not there.
fn per_operation(index: &IndexComparison, of: fn(&IndexUse) -> i64) -> String {
    let side = |used: &Option<IndexUse>, operations: u64| {
        used.as_ref()
            .filter(|_| 0 < operations)
            .map_or("–".to_owned(), |used| per_call_text(of(used).max(0) as f64 / operations.max(1) as f64))
    };
    format!("{} → {}", side(&index.before, index.operations_before), side(&index.after, index.operations_after))
}

/// Scans.
pub(super) fn scans(index: &IndexComparison) -> String {
    per_operation(index, |used| used.scans)
}

/// Blocks touched, found and read together.
pub(super) fn index_blocks(index: &IndexComparison) -> String {
    per_operation(index, |used| used.blocks_hit + used.blocks_read)
}

/// Entries read.
pub(super) fn index_tuples(index: &IndexComparison) -> String {
    per_operation(index, |used| used.tuples_read)
}

/// Its size where it is.
pub(super) fn size(index: &IndexComparison) -> String {
    let present = index.after.as_ref().or(index.before.as_ref());
    present.map_or(String::new(), |u| bytes_text(u.size_bytes.max(0) as u64))
}

/// The whole mix in one phrase.
pub(super) fn workload(comparison: &Comparison) -> Option<String> {
    let change = comparison.workload?;
    let control =
        comparison.workload_control.map_or(String::new(), |control| format!(" (A/A {})", with_interval(control)));
    Some(format!("{} in mean service time over the mix{control}", with_interval(change)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::compare::tests::saved;

    #[test]
    fn an_experiment_goes_on_while_its_looks_are_paid_for() {
        let mut evidence = saved();
        assert_eq!(evidence.chunks.len(), 8);
        evidence.design.looks = vec![8];
        assert!(may_go_on(&evidence, 16) && may_go_on(&evidence, 64), "8, 16, 32 and 64");
        evidence.design.looks = vec![4, 8];
        assert!(may_go_on(&evidence, 32) && !may_go_on(&evidence, 64), "4 was one more");
    }

    #[test]
    fn a_change_near_its_margin_that_was_found_early_is_said_to_be_overstated() {
        let mut evidence = saved();
        let mut comparison = compare(&evidence);
        let p50 = comparison.actions[0].p50.as_mut().unwrap();
        (p50.verdict, p50.change) = (Verdict::Regressed, Some(Change { change: 0.14, low: 0.1, high: 0.2 }));
        if let Some(p95) = &mut comparison.actions[0].p95 {
            p95.verdict = Verdict::Inconclusive;
        }
        (evidence.complete, evidence.design.chunks_planned) = (true, 8);
        assert_eq!(early(&evidence, &comparison), None, "it is the last look");
        evidence.design.chunks_planned = 16;
        let said = early(&evidence, &comparison).unwrap();
        assert!(said.starts_with("it ended early, at 8 of 16 chunks: by how much payments_of_user changed"), "{said}");
        comparison.actions[0].p50.as_mut().unwrap().change = Some(Change { change: 0.16, low: 0.1, high: 0.2 });
        assert_eq!(early(&evidence, &comparison), None, "three margins of 5 % are far");
    }

    #[test]
    fn max_throughput_and_what_a_role_may_not_give_are_reported() {
        let mut evidence = saved();
        let line = |evidence: &Evidence, start: &str| design(evidence).into_iter().find(|line| line.starts_with(start));
        assert_eq!(line(&evidence, "max throughput"), None, "not asked before format 6");
        let per_s = [(Side::Before, 2_310.4), (Side::Control, 2_290.0), (Side::After, 4_100.0)];
        evidence.limits = Some(Limits { capacity_per_s: per_s.into(), ..Limits::default() });
        let room = line(&evidence, "max throughput").unwrap();
        assert_eq!(room, "max throughput (informational): before 2,310/s, control 2,290/s, after 4,100/s");
        assert_eq!(line(&evidence, "no side has"), None);
        let refused = vec!["log_statement".to_owned()];
        evidence.design.clones = vec![crate::evidence::CloneFacts {
            side: "after".to_owned(),
            replicate: 0,
            strategy: None,
            duration_ms: 1.0,
            refused,
        }];
        assert!(line(&evidence, "no side has").unwrap().ends_with(": log_statement"));
    }

    #[test]
    fn what_is_open_on_several_sets_of_clones_says_how_many_would_decide() {
        let mut evidence = saved();
        evidence.design.replicates = 4;
        let comparison = compare(&evidence);
        let said = |needed: u32| {
            let (mut action, reason) = (comparison.actions[0].clone(), Some(Reason::WideInterval));
            (action.verdict, action.reason, action.sets_needed) = (Verdict::Inconclusive, reason, Some(needed));
            note(&evidence, &comparison, &action).unwrap()
        };
        // Two chunks of each of the four sets were measured.
        assert!(said(7).contains("about 7 sets of clones would decide: --replicates 7 --chunks 14 ("), "{}", said(7));
        assert!(
            said(13).ends_with("the 12 sets of clones that a proof may have would not decide: a wider --margin can")
        );
    }

    #[test]
    fn a_verdict_by_the_median_says_its_change() {
        let mut action = compare(&saved()).actions.remove(0);
        let (p50, p95) = (action.p50.as_mut().unwrap(), action.p95.as_mut().unwrap());
        p50.change = Some(Change { change: 0.12, low: 0.08, high: 0.15 });
        p50.control = Some(Change { change: 0.01, low: -0.02, high: 0.03 });
        (p50.verdict, p95.verdict) = (Verdict::Regressed, Verdict::Inconclusive);
        action.verdict = Verdict::Regressed;
        let said = by_median(&action).unwrap();
        let by_p50 = "regressed by its p50: +12.0 % [+8.0 … +15.0], A/A +1.0 % [−2.0 … +3.0]";
        assert!(said.ends_with(by_p50), "{said}");
        action.p95.as_mut().unwrap().verdict = Verdict::Regressed;
        assert_eq!(by_median(&action), None, "the table shows it");
    }
}
