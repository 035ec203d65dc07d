//! What there is to know of a dataset, in words. Must say nothing that the data does not hold.

use crate::diagnostic::Message;
use crate::postgres::catalog::FiredBy;
use crate::seed::notes::{Note, Outcome};
use crate::units::{count_text, plural};

/// When the notes are read: what they are about is ahead, or is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before a load.
    DryRun,
    /// After it.
    Load,
    /// Of a filled database.
    Check,
}

/// Names that a list shows before it counts the rest.
const MAX_NAMES: usize = 6;

/// `a`, `b` and 3 more
pub(super) fn names(all: &[String], noun: &str) -> String {
    let quoted: Vec<String> = all.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    match (quoted.as_slice(), all.len().saturating_sub(MAX_NAMES)) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (_, more) => format!("{} and {more} more {noun}", quoted.join(", ")),
    }
}

/// Every note as lines of their own.
pub(super) fn text(notes: &[Note], moment: Moment) -> String {
    let mut out = unfired(notes, moment);
    for note in notes {
        match note {
            Note::Unfired { .. } | Note::Tried { .. } => {}
            Note::FewParents { parent, held, children } => {
                let tables: Vec<String> = children.iter().map(|(name, _)| name.clone()).collect();
                let rows: u64 = children.iter().map(|(_, rows)| rows).sum();
                let (held, rows) = (plural(*held as usize, "row"), count_text(rows));
                let tables = names(&tables, "tables");
                let note =
                    Message::new(format!("`{parent}` holds {held}, the only parents of {rows} rows in {tables}"))
                        .help(format!("name [table.{parent}] with a row-count in a spec for more of them"));
                out.push_str(&(note.draw("note") + "\n"));
            }
            Note::EmptyKey { table, columns, parent, has_parents } => {
                let key = match columns.as_slice() {
                    [one] => one.clone(),
                    several => format!("({})", several.join(", ")),
                };
                let why = if *has_parents { "" } else { ", which gets no rows" };
                let note = format!("{table}.{key} is NULL in every row: nothing refers to `{parent}`{why}");
                let line = format!("fan-out.{} = \"null 10% | zipf(s 0.6)\"", columns[0]);
                let help = has_parents.then(|| format!("in a spec: [table.{table}] {line}"));
                let note = help.into_iter().fold(Message::new(note), Message::help);
                out.push_str(&(note.draw("note") + "\n"));
            }
        }
    }
    out
}

/// One list of all triggers, by table.
fn unfired(notes: &[Note], moment: Moment) -> String {
    let mut lines = String::new();
    let mut rules_only = true;
    for note in notes {
        let Note::Unfired { table, triggers } = note else { continue };
        rules_only &= triggers.iter().all(|trigger| trigger.kind == FiredBy::Rule);
        let each = triggers.iter().map(|trigger| match (trigger.kind, outcome(notes, table, &trigger.name)) {
            (FiredBy::Trigger, Some(outcome)) => format!("{} ({})", trigger.name, tried(outcome)),
            (FiredBy::Trigger, None) => trigger.name.clone(),
            (FiredBy::Rule, _) => format!("{} (rule)", trigger.name),
        });
        lines.push_str(&format!("  {table}: {}\n", each.collect::<Vec<_>>().join(", ")));
    }
    if lines.is_empty() {
        return lines;
    }
    let sentence = match moment {
        Moment::DryRun => "triggers do not fire during the load: what they enforce, fill or write will be missing",
        Moment::Load => "triggers did not fire during the load: what they enforce, fill or write may be missing",
        Moment::Check => "not checked, because it is written in triggers: what these enforce, fill or write",
    };
    let was_tried = notes.iter().any(|note| matches!(note, Note::Tried { .. }));
    let help = match moment {
        Moment::DryRun | Moment::Load if !rules_only => {
            Some("`weighbridge seed --fire-triggers` loads with triggers on")
        }
        Moment::Check if !was_tried && !rules_only => {
            Some("--allow-writes tries them on sample rows, in a transaction that is rolled back")
        }
        _ => None,
    };
    let note = Message::new(format!("{sentence}\n{}", lines.trim_end()));
    help.into_iter().fold(note, Message::help).draw("note") + "\n"
}

fn outcome<'n>(notes: &'n [Note], table: &str, trigger: &str) -> Option<&'n Outcome> {
    notes.iter().find_map(|note| match note {
        Note::Tried { table: of, trigger: name, outcome } if of == table && name == trigger => Some(outcome),
        _ => None,
    })
}

/// `99 of 100 sample rows inserted again raise an error: too much: 2900`
fn tried(outcome: &Outcome) -> String {
    let of = |count: u64, what: &str| format!("{count} of {} sample rows inserted again {what}", outcome.rows);
    let mut parts = Vec::new();
    if outcome.raised > 0 {
        let message = outcome.message.as_deref().unwrap_or_default();
        parts.push(format!("{}: {message}", of(outcome.raised, "raise an error")));
    }
    if outcome.changed > 0 {
        parts.push(of(outcome.changed, "would be changed"));
    }
    if outcome.skipped > 0 {
        parts.push(of(outcome.skipped, "would be left out"));
    }
    if parts.is_empty() {
        parts.push(format!("accepts {} inserted again", plural(outcome.rows as usize, "sample row")));
    }
    parts.join("; ")
}
