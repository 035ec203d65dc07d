//! What single operations cost on both sides, in words. Must hold for both text and Markdown.

use super::claim::function_text;
use super::words;
use crate::compare::balance::Needed;
use crate::compare::counts::CountComparison;
use crate::compare::generic::{GenericPlans, GenericSet, PlanWork};
use crate::compare::indexes::Fate;
use crate::compare::minimum::TooLittle;
use crate::compare::parameters::{Apart, ClassCounts, Measure, Moved, ParameterClass};
use crate::compare::updates::HotChange;
use crate::compare::{ActionComparison, Answers, Comparison, IndexComparison};
use crate::units::{count_text, duration_text, list_text, percent_text, plural, seconds};

/// The header of the table of counts.
pub(super) const HEADER: [&str; 8] =
    ["action", "weight", "rows", "blocks", "WAL bytes", "planner's cost", "plans", "verdict"];

/// A line for each action that was counted, by means over its sets of parameters.
pub(super) fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let counted = comparison.actions.iter().filter_map(|action| Some((action, action.counts.as_ref()?)));
    counted
        .map(|(action, counts)| {
            let both = |of: fn(&crate::compare::counts::Counts) -> f64| arrow(of(&counts.before), of(&counts.after));
            let temporary = match both(|counts| counts.temp_blocks).as_str() {
                "0" => String::new(),
                temporary => format!(" + {temporary} temporary"),
            };
            vec![
                action.name.clone(),
                format!("{:.0} %", action.share * 100.0),
                both(|counts| counts.rows),
                format!("{}{temporary}", both(|counts| counts.blocks)),
                both(|counts| counts.wal_bytes),
                both(|counts| counts.planned_cost),
                match (counts.plan_changes.is_empty(), counts.generic_changes.is_empty()) {
                    (true, true) => "same".to_owned(),
                    (true, false) => "generic changed".to_owned(),
                    (false, _) => "changed".to_owned(),
                },
                counts.verdict.word().to_owned(),
            ]
        })
        .collect()
}

/// What indexes are worth, where they were hidden in turn, and HOT updates under load.
pub(super) fn balance(comparison: &Comparison) -> Vec<String> {
    let balance = &comparison.balance;
    let mut lines: Vec<String> = Vec::new();
    for needed in &balance.needed {
        let Needed { index, action, blocks, blocks_without } = needed;
        let index = words::bare(index);
        lines.push(match blocks_without {
            Some(without) => {
                format!("{index} is needed: without it {action} touches {} blocks", arrow(*blocks, *without))
            }
            None => format!("{index} is needed: without it {action} is refused"),
        });
    }
    for index in &balance.not_needed {
        lines.push(format!(
            "{} is in a plan, and no action touches a tenth and four blocks more without it, in the few sets of \
             parameters that were asked; what triggers and keys need is not in that",
            words::bare(index)
        ));
    }
    for index in &balance.not_told {
        lines.push(format!(
            "{} is in a plan; whether it is needed is not known, for an action could not be asked",
            words::bare(index)
        ));
    }
    for hot in &balance.hot_updates {
        lines.push(format!(
            "{}: {} of updates were in place (HOT), now {}",
            words::bare(&hot.table),
            percent_text(hot.share_before),
            percent_text(hot.share_after)
        ));
    }
    lines
}

/// Updates that were HOT and are not, or the reverse, with what it costs and which index it is.
pub(super) fn hot_change(change: &HotChange) -> String {
    let HotChange { table, action, before, after, holders, cost_before, cost_after } = change;
    let holders: Vec<String> = holders
        .iter()
        .map(|(index, columns)| {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("{} holds {}", words::bare(index), columns.join(", "))
        })
        .collect();
    let why = if holders.is_empty() { String::new() } else { format!(": {}", list_text(&holders)) };
    let what = if change.is_lost() { "are no longer HOT" } else { "are HOT now" };
    let cost = cost_before.as_ref().zip(cost_after.as_ref()).map(|(before, after)| {
        let wal = arrow(before.wal_bytes, after.wal_bytes);
        format!("; there an operation writes {wal} B of WAL and touches {} blocks", arrow(before.blocks, after.blocks))
    });
    format!(
        "{action} · updates of {} {what} ({} of {} → {} of {} in pages with room){why}{}",
        words::bare(table),
        before.1,
        before.0,
        after.1,
        after.0,
        cost.unwrap_or_default()
    )
}

/// What each index that was made, dropped or changed costs: its build and the writes to its table.
pub(super) fn prices(comparison: &Comparison) -> Vec<String> {
    comparison
        .indexes
        .iter()
        .filter(|index| index.fate != Fate::Kept)
        .filter_map(|index| price(comparison, index))
        .collect()
}

fn price(comparison: &Comparison, index: &IndexComparison) -> Option<String> {
    // One set of clones moves a latency by itself.
    let floor = |action: &str| {
        let action = comparison.actions.iter().find(|of| of.name == action)?;
        let floor = percent_text(action.p50.as_ref()?.sibling_floor?);
        Some(format!(" (another set of clones may move it by {floor})"))
    };
    let mut parts: Vec<String> = Vec::new();
    parts.extend(index.build_ms.map(|ms| format!("built in {}", duration_text(seconds(ms / 1e3)))));
    for write in &index.writes {
        let floor = floor(&write.action).unwrap_or_default();
        let p50 = write.p50.map(|change| format!(", p50 {}{floor}", words::with_interval(change)));
        let wal = arrow(write.wal_bytes_before, write.wal_bytes_after);
        parts.push(format!("{} {wal} B of WAL an operation{}", write.action, p50.unwrap_or_default()));
    }
    if let Some(used) = index.after.as_ref().or(index.before.as_ref()) {
        parts.extend(
            used.cached_blocks.map(|blocks| format!("{} of its blocks are cached", count_text(blocks.max(0) as u64))),
        );
        parts.extend(used.leaf_density.map(|density| format!("leaf density {density:.0} %")));
    }
    let together = match index.together_with.as_slice() {
        [] => String::new(),
        others => {
            let others: Vec<&str> = others.iter().map(|name| words::bare(name)).collect();
            format!(" (writes: together with {})", others.join(", "))
        }
    };
    (!parts.is_empty()).then(|| format!("{}: {}{together}", words::bare(&index.name), parts.join("; ")))
}

/// What changed in plans, and for which parameters.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    comparison.actions.iter().filter_map(|action| Some(of_action(action, action.counts.as_ref()?))).flatten().collect()
}

fn of_action(action: &ActionComparison, counts: &CountComparison) -> Vec<String> {
    let name = &action.name;
    let mut lines: Vec<String> = Vec::new();
    for (change, sets) in &counts.plan_changes {
        let share = match *sets == counts.sets {
            true => String::new(),
            false => format!(" in {}{sets} of {} sets", about(counts), counts.sets),
        };
        lines.push(format!("{name} · plan: {}{share}", change.text()));
    }
    for change in &counts.generic_changes {
        if !counts.plan_changes.iter().any(|(known, _)| known == change) {
            lines.push(format!("{name} · generic plan: {}", change.text()));
        }
    }
    lines.extend(counts.generic.as_ref().map(|generic| generic_plans(name, generic)));
    if let Some(TooLittle { sets, blocks, minimum }) = counts.too_little {
        lines.push(format!(
            "{name} · not called: {} moved by {} blocks together, and among this many actions at least {} are needed",
            plural(sets as usize, "executed set"),
            count_text(blocks.round() as u64),
            count_text(minimum.ceil() as u64)
        ));
    }
    for change in &counts.functions {
        lines.push(format!("{name} · function: {}; no count holds its processor time", function_text(change)));
    }
    lines.extend(by_class(name, counts));
    let touch = |blocks: &str| format!("touch {blocks} the blocks");
    let dearer = counts.dearer.as_ref().map(|m| (m, touch(&format!("up to {:.1} times", m.factor))));
    let cheaper = counts.cheaper.as_ref().map(|m| (m, touch(&format!("as little as {}", share_text(m.factor)))));
    let flipped = counts.flipped.as_ref().map(|m| (m, "have another plan".to_owned()));
    lines.extend([dearer, cheaper, flipped].into_iter().flatten().map(|(moved, what)| far(name, counts, moved, &what)));
    if counts.kinds_left != 0 {
        let kinds = plural(counts.kinds_left as usize, "more kind");
        lines.push(format!(
            "{name} · the planner sees {kinds} of parameters that were not executed: the nearest stand for them"
        ));
    }
    if counts.searches_free_space {
        lines.push(format!(
            "{name} · blocks {} with the same plan and as many records of WAL: rows go to other pages with free \
             space, which is no lasting difference",
            arrow(counts.before.blocks, counts.after.blocks)
        ));
    }
    if counts.wal_holds_images {
        lines.push(format!(
            "{name} · WAL holds full-page images in every set on one side, so its bytes are not those of the operation"
        ));
    }
    lines.extend(answers(name, counts));
    lines
}

/// What the plans for any parameters cost, and how often the server takes them.
fn generic_plans(name: &str, generic: &GenericPlans) -> String {
    let GenericPlans { before, after, left, farthest, .. } = generic;
    let work = |of: &PlanWork| {
        let stopped = if of.stopped == 0 { String::new() } else { format!(", {} stopped for their time", of.stopped) };
        format!(
            "{} of sessions, blocks {} by own plans and {} by it{stopped}",
            percent_text(of.share),
            arrow(of.own, of.own),
            arrow(of.generic, of.generic)
        )
    };
    let farthest = farthest.as_ref().map(|set| {
        let GenericSet { blocks_own, blocks_generic, plan_own, plan_generic } = set;
        let (own, generic) = (count_text(*blocks_own), count_text(*blocks_generic));
        format!("; farthest after: {own} blocks by {plan_own}, {generic} by {plan_generic}")
    });
    let left = if *left == 0 { String::new() } else { format!("; {} not executed so", plural(*left as usize, "set")) };
    format!(
        "{name} · generic plan, taken after five executions: before in {}; after in {}{}{left}",
        work(before),
        work(after),
        farthest.unwrap_or_default()
    )
}

/// Before numbers of sets of which some were only planned.
fn about(counts: &CountComparison) -> &'static str {
    if counts.executed == counts.sets { "" } else { "about " }
}

/// Blocks of each kind of parameters, where they moved.
fn by_class(name: &str, counts: &CountComparison) -> Option<String> {
    let moved = counts.classes.iter().any(|class| class.before.blocks != class.after.blocks);
    let each = counts.classes.iter().map(|class| {
        let ClassCounts { class, by, sets, executed, rows_min, before, after } = class;
        let rows = plural(*rows_min as usize, "row");
        let kind = match (class, by) {
            (ParameterClass::None, _) => "find nothing".to_owned(),
            (ParameterClass::Normal, _) => "find the usual".to_owned(),
            (ParameterClass::Heavy, Measure::Rows) => format!("give much ({rows} or more in {executed} executed)"),
            (ParameterClass::Heavy, Measure::FoundBefore(table)) => {
                format!("find much ({rows} of {table} or more in {executed} executed)")
            }
            (ParameterClass::Heavy, Measure::FoundAfter(table)) => {
                format!("find much ({rows} of {table} with the migration or more in {executed} executed)")
            }
        };
        format!("{} for {}{sets} that {kind}", arrow(before.blocks, after.blocks), about(counts))
    });
    moved.then(|| format!("{name} · blocks by what the parameters find: {}", each.collect::<Vec<_>>().join(", ")))
}

/// What is not known of the answers, or differs in a way that no caller may rely on.
fn answers(name: &str, counts: &CountComparison) -> Vec<String> {
    let mut lines = Vec::new();
    match counts.answers {
        Answers::OtherOrder => {
            lines.push(format!(
                "{name} · answers: the same rows in another order; where it sorts, either rows tie or \
                                the migration changes the order"
            ));
        }
        Answers::Unrepeatable => {
            lines.push(format!("{name} · answers: they differ without the migration too, so they were not compared"));
        }
        Answers::NothingCommon => {
            lines.push(format!(
                "{name} · answers: no column of it is there in both states, so only the numbers of rows were compared"
            ));
        }
        Answers::Same | Answers::OtherPart | Answers::Different => {}
    }
    if counts.columns_gone != 0 && counts.answers != Answers::NothingCommon {
        let columns = plural(counts.columns_gone as usize, "column");
        lines.push(format!("{name} · answers: {columns} gone with the migration, and so not compared"));
    }
    if counts.columns_left_out != 0 && counts.answers != Answers::Unrepeatable {
        let columns = plural(counts.columns_left_out as usize, "column");
        lines.push(format!(
            "{name} · answers: {columns} that no two executions have in common (a clock, a random \
                            number) were not compared"
        ));
    }
    if !counts.untraced.is_empty() {
        let tables: Vec<&str> = counts.untraced.iter().map(String::as_str).collect();
        lines.push(format!(
            "{name} · answers: what it writes to {} was not compared (above 256 MiB, not to be read, or no table with \
             the migration)",
            tables.join(", ")
        ));
    }
    lines
}

/// A share of one, such as `0.2 %`.
fn share_text(share: f64) -> String {
    if share < 0.01 { format!("{:.2} % of", share * 100.0) } else { format!("{:.0} % of", share * 100.0) }
}

/// Sets that do something else than they did: which they are, and their plans.
fn far(name: &str, counts: &CountComparison, moved: &Moved, what: &str) -> String {
    let which = moved.apart.as_ref().map_or(String::new(), |Apart { by, sets, others }| {
        let (what, of) = match by {
            Measure::Rows => ("give", String::new()),
            Measure::FoundBefore(table) => ("find", format!(" of {table}")),
            Measure::FoundAfter(table) => ("find", format!(" of {table} with the migration")),
        };
        let more = others.1 < sets.0;
        let (bound, of_others) = if more { (sets.0, others.1) } else { (sets.1, others.0) };
        let (these, the_others) = if more { ("at least", "at most") } else { ("at most", "at least") };
        let (bound, of_others) = (count_text(bound), count_text(of_others));
        format!(": those executed {what} {these} {bound} rows{of}, the others {the_others} {of_others}")
    });
    let plans = match moved.plan_before == moved.plan_after {
        true => format!("; plan {}", moved.plan_after),
        false => format!("; {} → {}", moved.plan_before, moved.plan_after),
    };
    format!("{name} · {}{} of {} sets of parameters {what}{which}{plans}", about(counts), moved.sets, counts.sets)
}

/// `1,204 → 6`, or one number when both are the same.
fn arrow(before: f64, after: f64) -> String {
    let text = |value: f64| {
        let tenths = format!("{value:.1}");
        if value < 9.95 && !tenths.ends_with(".0") { tenths } else { count_text(value.round() as u64) }
    };
    if text(before) == text(after) { text(before) } else { format!("{} → {}", text(before), text(after)) }
}

#[cfg(test)]
mod tests {
    use super::arrow;

    #[test]
    fn equal_counts_are_written_once() {
        assert_eq!(arrow(1204.2, 6.5), "1,204 → 6.5");
        assert_eq!((arrow(3.0, 3.0), arrow(0.0, 0.0)), ("3".to_owned(), "0".to_owned()));
    }
}
