//! What a reader who has a minute needs of a trial: the verdict, what changed, what it costs, what is open, what next.
//! Must hold each fact once, for both the terminal and a pull request.

use super::Trial;
use super::claim;
use super::gates::GateRow;
use super::{finding, isolated, words};
use crate::compare::claim::ClaimKind;
use crate::compare::fact::{Fact, UnusedSince};
use crate::compare::finding::{Finding, Severity};
use crate::compare::indexes::Fate;
use crate::compare::{ActionComparison, Claim, Comparison, CountComparison, Verdict};
use crate::evidence::{Evidence, MigrationFacts, Subject};
use crate::units::{
    bytes_change_text, bytes_text, change_text, count_text, duration_text, interval_text, list_text, percent_text,
    plural, seconds,
};

/// The summary of a trial.
pub(super) struct Summary<'t> {
    /// The migration.
    pub(super) label: &'t str,
    /// Of all.
    pub(super) verdict: Verdict,
    /// What the verdict rests on, the most important first.
    pub(super) claims: Vec<String>,
    /// Conditions of the project with what became of them.
    pub(super) gates: Vec<GateRow>,
    /// The first statements of the migration, each on one line.
    pub(super) statements: Vec<String>,
    /// How it was applied.
    pub(super) applied: Vec<String>,
    /// Actions that changed, or of which that is not known, the most important first.
    pub(super) changed: Vec<&'t ActionComparison>,
    /// Actions with the same plan and work, of which nothing is called.
    pub(super) unchanged: Vec<&'t ActionComparison>,
    /// Labelled facts.
    pub(super) lines: Vec<(&'static str, Vec<String>)>,
}

/// Statements that are shown.
const MAX_STATEMENTS: usize = 2;

impl<'t> Summary<'t> {
    /// That of a trial; `folder` is where its result stands.
    pub(super) fn of(trial: Trial<'t>, folder: Option<&str>) -> Self {
        let Trial { evidence, comparison } = trial;
        let (unchanged, mut changed): (Vec<_>, Vec<_>) = comparison.actions.iter().partition(|of| is_unchanged(of));
        changed.sort_by_key(|action| (rank(action), std::cmp::Reverse((action.share * 1e6) as u64)));
        let lines = [
            ("warning", warnings(comparison)),
            ("benefit", benefits(comparison)),
            ("cost", costs(comparison)),
            ("bill", isolated::bill(comparison).into_iter().collect()),
            ("clean-up", clean_up(comparison)),
            ("noise", noise(evidence, comparison)),
            ("next", next(trial, folder)),
        ];
        Self {
            label: &evidence.migration.label,
            verdict: comparison.verdict,
            claims: claims(comparison),
            gates: gates(comparison),
            statements: statements(evidence),
            applied: applied(evidence),
            changed,
            unchanged,
            lines: lines.into_iter().filter(|(_, items)| !items.is_empty()).collect(),
        }
    }
}

/// Whether an action does the work it did and nothing is called of its latency.
fn is_unchanged(action: &ActionComparison) -> bool {
    let is_same = action.counts.as_ref().is_some_and(CountComparison::is_unchanged);
    is_same
        && !matches!(action.verdict, Verdict::Regressed | Verdict::Invalid | Verdict::Improved)
        && !action.is_withheld()
        && !action.is_timed_apart()
}

pub(super) fn rank(action: &ActionComparison) -> u8 {
    match action.verdict {
        Verdict::Invalid => 0,
        Verdict::Regressed => 1,
        Verdict::Improved => 2,
        Verdict::Inconclusive => 3,
        Verdict::Same => 4,
    }
}

/// Claims in words. What is open under load comes last, with unchanged actions as a number.
fn claims(comparison: &Comparison) -> Vec<String> {
    let is_open = |claim: &&Claim| claim.kind == ClaimKind::NotDecided;
    let (open, others): (Vec<&Claim>, Vec<&Claim>) = comparison.claims.iter().partition(is_open);
    let mut texts: Vec<String> = others.into_iter().map(|of| claim::short(comparison, of)).collect();
    let failing = comparison.failed_gates().map(|found| format!("gate fails: {}", finding::short(found)));
    let (figures, unknown): (Vec<_>, Vec<_>) =
        comparison.gates.iter().filter(|gate| !gate.holds).partition(|gate| gate.unevaluated.is_none());
    texts.extend(figures.into_iter().map(|gate| format!("gate fails: {}", gate.gate)).chain(failing));
    if !unknown.is_empty() {
        texts.push(format!("{} cannot be evaluated", plural(unknown.len(), "gate")));
    }
    let not_slower = comparison.actions.iter().filter(|action| action.not_slower).count();
    if not_slower > 0 && comparison.verdict != Verdict::Same {
        texts.push(format!("{not_slower} of {} proven no slower", plural(comparison.actions.len(), "action")));
    }
    let open: Vec<&str> = open.iter().flat_map(|of| &of.actions).map(|of| of.action.as_str()).collect();
    let unchanged = |name: &str| comparison.actions.iter().any(|of| of.name == name && is_unchanged(of));
    let (same, other): (Vec<&str>, Vec<&str>) = open.into_iter().partition(|name| unchanged(name));
    if !other.is_empty() {
        texts.push(format!("{}: {}", open_word(&comparison.actions), list_text(&other)));
    }
    if !same.is_empty() {
        let open = open_word(&comparison.actions);
        texts.push(format!("{} with unchanged work {open}", plural(same.len(), "action")));
    }
    texts
}

/// Gates on figures, and those on findings that are there.
pub(super) fn gates(comparison: &Comparison) -> Vec<GateRow> {
    let failing = comparison.failed_gates().map(|of| (of.id(), finding::short(of)));
    super::gates::rows(&comparison.gates, &failing.collect::<Vec<_>>())
}

/// What is open: under load, where that alone decides.
fn open_word<'a>(actions: impl IntoIterator<Item = &'a ActionComparison>) -> &'static str {
    let is_decided = actions.into_iter().any(|action| action.decision.is_some());
    if is_decided { "not decided" } else { "undecided under load" }
}

fn statements(evidence: &Evidence) -> Vec<String> {
    let all = words::statements(evidence);
    let more = all.len().saturating_sub(MAX_STATEMENTS);
    let mut lines: Vec<String> = all.into_iter().take(MAX_STATEMENTS).collect();
    if more > 0 {
        lines.push(format!("and {}", plural(more, "more statement")));
    }
    lines
}

fn applied(evidence: &Evidence) -> Vec<String> {
    let facts: &MigrationFacts = &evidence.migration;
    if let Subject::Given { .. } = evidence.design.subject {
        return vec![words::migration(evidence)];
    }
    let ms = |ms: f64| duration_text(seconds(ms / 1e3));
    let strongest = facts.locks.iter().max_by_key(|lock| lock_strength(&lock.mode));
    let lock = strongest.map(|lock| {
        let mode = lock.mode.trim_end_matches("Lock");
        format!("strongest lock {mode} on {} for {}", words::bare(&lock.table), ms(lock.held_ms))
    });
    let rewritten: Vec<&str> = facts.rewritten.iter().map(|table| words::bare(table)).collect();
    let rewritten = (!rewritten.is_empty()).then(|| format!("rewrites {}", list_text(&rewritten)));
    let size = bytes_change_text(facts.size_bytes_after - facts.size_bytes_before);
    [Some(format!("applied in {}", ms(facts.duration_ms))), lock, Some(size), rewritten].into_iter().flatten().collect()
}

/// The order of table locks (PostgreSQL manual, table 13.2).
fn lock_strength(mode: &str) -> usize {
    const MODES: [&str; 8] = [
        "AccessShareLock",
        "RowShareLock",
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ];
    MODES.iter().position(|known| *known == mode).unwrap_or(0)
}

/// Warnings that a reader must know, one each, and how many others there are.
fn warnings(comparison: &Comparison) -> Vec<String> {
    let is_shown = |found: &&Finding| {
        // A finding that stops everything is the headline.
        found.severity < Severity::Warning && !found.stops_everything()
            || matches!(
                found.fact,
                Fact::IfNotExistsSkipped { .. }
                    | Fact::PermissionDenied { .. }
                    | Fact::PoliciesNotExercised { .. }
                    | Fact::PartitionedWithoutStatistics { .. }
                    | Fact::SidesGiven { .. }
                    | Fact::SidesInPlace { .. }
                    | Fact::AnswerUnordered { .. }
            )
    };
    let of_proof =
        comparison.findings.iter().filter(|found| found.severity != Severity::Note && found.ignored.is_none());
    let (shown, others): (Vec<_>, Vec<_>) = of_proof.partition(is_shown);
    let mut items: Vec<String> = shown.into_iter().map(finding::short).collect();
    let others = others.iter().filter(|found| !found.stops_everything() && !is_noise(&found.fact)).count();
    if others > 0 {
        items.push(format!(
            "{}, see --detail",
            plural(others, if items.is_empty() { "warning" } else { "more warning" })
        ));
    }
    items
}

/// Whether a finding is part of the line of the noise.
fn is_noise(fact: &Fact) -> bool {
    matches!(fact, Fact::CpuContention { .. } | Fact::CpuStolen { .. } | Fact::DriverLag { is_uneven: false, .. })
}

fn benefits(comparison: &Comparison) -> Vec<String> {
    let gains = comparison.actions.iter().filter(|action| action.verdict == Verdict::Improved);
    let of = |action: &ActionComparison| {
        let counts = action.counts.as_ref()?;
        let changes: Vec<String> = counts.plan_changes.iter().take(2).map(|(change, _)| change.text()).collect();
        (!changes.is_empty()).then(|| format!("{}: {}", action.name, changes.join(", ")))
    };
    gains.filter_map(of).collect()
}

fn costs(comparison: &Comparison) -> Vec<String> {
    let made = comparison.indexes.iter().filter(|index| matches!(index.fate, Fate::New | Fate::Changed));
    let mut items: Vec<String> = made
        .filter_map(|index| {
            let size = bytes_text(index.after.as_ref()?.size_bytes.unsigned_abs());
            let build = index.build_ms.map(|ms| format!(", built in {}", duration_text(seconds(ms / 1e3))));
            Some(format!("{} {size}{}", words::bare(&index.name), build.unwrap_or_default()))
        })
        .collect();
    for action in &comparison.actions {
        let Some(counts) = action.counts.as_ref().filter(|counts| !counts.wal_holds_images) else { continue };
        let (before, after) = (counts.before.wal_bytes, counts.after.wal_bytes);
        if after > before + 0.5 {
            let bytes = |bytes: f64| count_text(bytes.round() as u64);
            items.push(format!("{}: WAL {} → {} B/op", action.name, bytes(before), bytes(after)));
        }
    }
    items.extend(generic_plans(comparison));
    let is_cost = |found: &&Finding| matches!(found.fact, Fact::HotUpdatesLost { .. });
    let found = comparison.findings.iter().filter(|found| found.ignored.is_none());
    items.extend(found.filter(is_cost).map(finding::short));
    items
}

/// What the generic plan costs where a verdict rests on it, with the parameters it fits least.
fn generic_plans(comparison: &Comparison) -> Vec<String> {
    let by_it = comparison.claims.iter().flat_map(|of| &of.actions).filter(|of| of.by_generic_plan);
    let text = |name: &str| {
        let action = comparison.actions.iter().find(|action| action.name == name)?;
        let set = action.counts.as_ref()?.generic.as_ref()?.farthest.as_ref()?;
        let (own, generic) = (count_text(set.blocks_own), count_text(set.blocks_generic));
        (set.blocks_generic > set.blocks_own).then(|| {
            format!("{name}: up to {generic} blocks by the generic plan (after five executions), {own} by its own")
        })
    };
    by_it.filter_map(|of| text(&of.action)).collect()
}

/// What the migration leaves to do; what was so before it is in the detail.
fn clean_up(comparison: &Comparison) -> Vec<String> {
    let is_left = |found: &&Finding| {
        matches!(
            found.fact,
            Fact::RedundantIndex { is_new: true, .. }
                | Fact::UnusedIndex { since: UnusedSince::Migration | UnusedSince::Made, .. }
                | Fact::InvalidIndex { is_new: true, .. }
                | Fact::UnindexedForeignKey { is_new: true, .. }
        )
    };
    let found = comparison.findings.iter().filter(|found| found.ignored.is_none());
    found.filter(is_left).map(finding::short).collect()
}

fn noise(evidence: &Evidence, comparison: &Comparison) -> Vec<String> {
    let alone = evidence.isolated.as_ref().and_then(|isolated| isolated::noise(evidence, isolated, comparison));
    if evidence.design.chunks_planned == 0 || evidence.chunks.is_empty() {
        return alone.into_iter().collect();
    }
    let clones =
        if evidence.design.subject == Subject::Clones { "identical clones" } else { "sides without the change" };
    let floor = comparison.noise_floor.map(|floor| format!("{clones} differ by up to ±{}", percent_text(floor)));
    let others = comparison.findings.iter().filter(|found| is_noise(&found.fact)).map(finding::short);
    floor.into_iter().chain(alone).chain(others).collect()
}

/// What would decide what is open.
fn next(trial: Trial<'_>, folder: Option<&str>) -> Vec<String> {
    let Trial { evidence, comparison } = trial;
    let open = comparison.actions.iter().filter(|action| action.verdict == Verdict::Inconclusive);
    let needed: Vec<u32> = open.filter_map(|action| action.chunks_needed).collect();
    let done = evidence.chunks.len() as u32;
    let (Some(most), Some(folder)) =
        (needed.iter().filter(|chunks| words::may_go_on(evidence, **chunks)).max(), folder)
    else {
        return Vec::new();
    };
    let more = duration_text(evidence.time_of(f64::from(most.saturating_sub(done))));
    vec![
        format!("weighbridge prove --resume {folder}"),
        format!("about {more} more decide {}", plural(needed.len(), "action")),
    ]
}

/// `2.15 → 1.08 ms` of p95, or of p50 where the verdict rests on it.
pub(super) fn latency(action: &ActionComparison) -> String {
    let Some((name, metric)) = deciding(action) else { return "–".to_owned() };
    let unit = |us: f64| format!("{:.2}", us / 1e3);
    let mark = if name == "p95" { String::new() } else { format!(" ({name})") };
    format!("{} → {} ms{mark}", unit(metric.before_us), unit(metric.after_us))
}

/// Its change with its interval.
pub(super) fn change(action: &ActionComparison) -> String {
    let change = deciding(action).and_then(|(_, metric)| metric.change);
    change.map_or("–".to_owned(), |of| format!("{} {}", change_text(of.change), interval_text(of.low, of.high)))
}

/// The quantile that decides: p95, or p50 where that alone has the action's verdict.
fn deciding(action: &ActionComparison) -> Option<(&'static str, &crate::compare::MetricComparison)> {
    let is_decided = |metric: &&crate::compare::MetricComparison| {
        metric.verdict == action.verdict && matches!(action.verdict, Verdict::Improved | Verdict::Regressed)
    };
    let (p50, p95) = (action.p50.as_ref(), action.p95.as_ref());
    match (p50.filter(is_decided), p95) {
        (_, Some(p95)) if is_decided(&p95) || p50.filter(is_decided).is_none() => Some(("p95", p95)),
        (Some(p50), _) => Some(("p50", p50)),
        (None, _) => p50.map(|p50| ("p50", p50)),
    }
}

/// `138 → 19 blocks`, or `28 blocks` where that is the same.
pub(super) fn work(action: &ActionComparison) -> String {
    let Some(counts) = &action.counts else { return words::work(action) };
    let text = |value: f64| {
        let tenths = format!("{value:.1}");
        if value < 9.95 && !tenths.ends_with(".0") { tenths } else { count_text(value.round() as u64) }
    };
    let (before, after) = (text(counts.before.blocks), text(counts.after.blocks));
    if before == after { format!("{after} blocks") } else { format!("{before} → {after} blocks") }
}

/// The line about the actions with unchanged work, in one line.
pub(super) fn unchanged_text(summary: &Summary<'_>) -> Option<String> {
    let count = summary.unchanged.len();
    let word = open_word(summary.unchanged.iter().copied());
    let open = summary.unchanged.iter().filter(|action| action.verdict == Verdict::Inconclusive).count();
    let open = match open {
        0 => String::new(),
        open if open == count => format!("; {word}"),
        open => format!("; {open} {word}"),
    };
    let farthest = |action: &&ActionComparison| {
        let change = action.isolated.as_ref()?.cpu?.change;
        Some(change.low.abs().max(change.high.abs()))
    };
    let farthest: Option<Vec<f64>> = summary.unchanged.iter().map(farthest).collect();
    let farthest = farthest.and_then(|all| all.into_iter().reduce(f64::max));
    let open = match farthest {
        Some(share) => format!("; processor time within ±{}{open}", percent_text(share)),
        None => open,
    };
    let same =
        if count == 1 { "the same plan, blocks, rows and WAL" } else { "the plans, blocks, rows and WAL of before" };
    (count > 0).then(|| format!("{} with {same}{open}", plural(count, "action")))
}

/// Names of actions, for claims that are not cut.
pub(super) fn names(actions: &[&ActionComparison]) -> String {
    actions.iter().map(|action| format!("`{}`", action.name)).collect::<Vec<_>>().join(", ")
}
