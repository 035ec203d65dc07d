//! When things happen to a row: when it comes into being, what follows what, which moments a status decides. Must never
//! put a moment before one it follows.

use std::collections::BTreeSet;

use super::Draft;
use super::content::{Family, family, quoted};
use super::evidence::Evidence;
use super::keys::{parents_first, path};
use super::lexicon::{Stage, is_filler, rank, same_word, stage, words};
use super::theme::Theme;
use crate::postgres::catalog::{Column, Table, TypeKind};
use crate::seed::condition::Tree;

/// How long it is to what follows, in any kind of table.
const LASTS: (&str, &str) = ("exp(20d)", "1m + uniform(0, 60) * 1d");

/// When a row comes into being.
pub(super) struct Birth {
    /// The column that holds it.
    pub(super) column: Option<String>,
    /// The moment as an expression.
    pub(super) text: String,
    /// Moments of parents, as expressions, which come before it.
    pub(super) parents: Vec<String>,
}

/// Words of columns that hold when a row came, the surest first.
const BIRTHS: [&str; 11] =
    ["created", "inserted", "occurred", "placed", "added", "recorded", "registered", "started", "sent", "time", "ts"];

/// How many of them are surely that, also where the column may be NULL.
const SURE: usize = 7;

/// Parents whose births a row's own comes after: nobody's table has more.
const MAX_PARENTS: usize = 12;

/// The column that holds when a row came into being.
pub(super) fn birth_column(table: &Table) -> Option<&Column> {
    let moments = || {
        let is_moment = |c: &&Column| matches!(c.kind.name.as_str(), "timestamptz" | "timestamp");
        table.columns.iter().filter(is_moment).filter(|c| !c.generated && c.kind.kind == TypeKind::Base)
    };
    let named = |word: &str, required: bool| {
        moments().find(|c| (c.required || !required) && c.name.to_lowercase().contains(word))
    };
    let required = BIRTHS.iter().find_map(|word| named(word, true));
    let sure = || BIRTHS[..SURE].iter().find_map(|word| named(word, false));
    // The last change of a row is the only moment that some tables always have.
    let other = || moments().find(|c| c.required && (c.default.is_some() || is_change(&c.name)));
    required.or_else(sure).or_else(other)
}

/// Whether a moment is that of the last change: `updated_at`, `modified_on`.
fn is_change(name: &str) -> bool {
    words(name).iter().any(|word| ["updat", "modif", "chang"].iter().any(|start| word.starts_with(start)))
}

/// What a moment's name says: its place in the life of the row, and of what.
struct Event {
    rank: u32,
    word: String,
    context: BTreeSet<String>,
}

fn event(name: &str) -> Option<Event> {
    let mut words = words(name);
    // `check_in` and `clock_out` are two words for one.
    for pair in 1..words.len() {
        let way = match (words[pair - 1].as_str(), words[pair].as_str()) {
            ("check" | "clock" | "sign" | "punch" | "log", "in") => "checkin",
            ("check" | "clock" | "sign" | "punch" | "log", "out") => "checkout",
            _ => continue,
        };
        words[pair - 1] = String::new();
        words[pair] = way.to_owned();
    }
    let at = words.iter().rposition(|word| rank(word).is_some())?;
    let word = words[at].clone();
    let others = words.iter().enumerate().filter(|(place, word)| *place != at && !word.is_empty() && !is_filler(word));
    let context = others.map(|(_, word)| word.clone()).collect();
    Some(Event { rank: rank(&word)?, word, context })
}

impl Draft<'_> {
    /// The moment a row comes into being, after that of every parent.
    pub(super) fn birth(&self, fan_out: &[(String, String)]) -> Birth {
        let column = birth_column(self.table).map(|c| c.name.clone());
        let parents = fan_out.iter().filter_map(|(named, _)| self.birth_of_parent(named, column.as_deref()));
        let parents: Vec<String> = parents.take(MAX_PARENTS).collect();
        let text = match parents.as_slice() {
            [] => "growth(linear)".to_owned(),
            _ => format!("latest(growth(linear), {})", parents.join(", ")),
        };
        Birth { column, text, parents }
    }

    /// Where the only moment a row always has is that of its last change: what happened to it came before.
    fn before_change(&self, column: &Column, birth: &Birth) -> Option<(String, Evidence)> {
        let last = birth.column.as_ref().filter(|last| **last != column.name)?;
        event(&column.name).filter(|_| is_change(last))?;
        let earlier = format!("{} - exp(10d)", path(last));
        let text = match birth.parents.as_slice() {
            [] => earlier,
            parents => format!("latest({earlier}, {})", parents.join(", ")),
        };
        Some((text, Evidence::Before { column: last.clone() }))
    }

    /// How long what a table holds lasts, from a beginning to an end of the same day or of another.
    pub(super) fn lasts(&self, end: &Column) -> (&'static str, &'static str) {
        let short = matches!(super::theme::theme(&self.table.name), Theme::Event | Theme::Session | Theme::Lesson);
        let ends = words(&end.name).iter().any(|word| rank(word) == Some(50));
        if short && ends && end.kind.name != "date" { ("exp(90m)", "15m + uniform(0, 12) * 15m") } else { LASTS }
    }

    /// `user_id.created_at`, when the parent is filled before this table; of an earlier row of the same table too.
    fn birth_of_parent(&self, column: &str, own: Option<&str>) -> Option<String> {
        let reference = super::super::plan::reference_of(self.table, column)?;
        let parent = self.catalog.tables.get(&reference.table)?;
        let born = birth_column(parent).filter(|_| !parent.has_rows)?;
        if reference.table == self.name {
            // An earlier row, unless something else decides which one it is.
            own.filter(|_| !self.slots.contains_key(column))?;
        } else {
            let order = parents_first(self.catalog);
            let place = |name: &str| order.iter().position(|n| *n == name);
            if place(&reference.table)? >= place(self.name)? {
                return None;
            }
        }
        is_word(column).then(|| is_word(&born.name).then(|| format!("{column}.{}", born.name)))?
    }

    /// A moment after the one it follows, as an expression; `None` for moments that follow the row's birth alone.
    pub(super) fn moment_after(&self, column: &Column, start: &str, birth: &Birth) -> Option<(String, Evidence)> {
        if family(&column.kind) != Family::Moment {
            return None;
        }
        if let Some(found) = self.before_change(column, birth) {
            return Some(found);
        }
        let own = event(&column.name)?;
        let is_moment = |c: &&Column| family(&c.kind) == Family::Moment && c.name != column.name && !c.generated;
        let before = self.table.columns.iter().filter(is_moment).filter_map(|c| {
            let other = event(&c.name)?;
            // An exception is the beginning of nothing.
            let begins = stage(&other.word) != Some(Stage::End) || other.rank < 50;
            (begins && other.rank < own.rank && other.context == own.context).then_some((other.rank, c))
        });
        let latest = before.rev().max_by_key(|(rank, _)| *rank);
        let (_, found) = latest.filter(|(_, c)| !self.reads(&c.name, &column.name))?;
        let evidence = Evidence::After { column: found.name.clone() };
        let other = path(&found.name);
        let (delay, _) = self.lasts(column);
        // What must be there cannot wait for what need not, and an exception comes whether or not something began.
        let waits = found.required || !column.required && stage(&own.word) != Some(Stage::End);
        let text = match waits || other == start {
            true => format!("after({other}, {delay})"),
            false => format!("after(latest({start}, {other}), {delay})"),
        };
        Some((text, evidence))
    }

    /// Whether a column follows from another, by what CHECKs compare.
    fn reads(&self, column: &str, other: &str) -> bool {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![column];
        while let Some(name) = next.pop() {
            if name == other {
                return true;
            }
            if !seen.insert(name) {
                continue;
            }
            for case in &self.cases {
                next.extend(case.relations.iter().filter(|(_, _, b)| b == name).map(|(a, ..)| a.as_str()));
                let sums = case.sums.iter().flat_map(|sum| &sum.terms).flat_map(|term| &term.factors);
                if self.solved.keys().any(|(_, solved)| solved == name) {
                    next.extend(sums.map(|factor| factor.column.as_str()).filter(|c| *c != name));
                }
            }
        }
        false
    }

    /// Values of a status or a flag under which a moment is set: `voided_at` if and only if the status is `voided`.
    pub(super) fn agreement(&self, column: &Column) -> Option<(String, Vec<Tree>)> {
        if family(&column.kind) != Family::Moment || column.required || self.solved_somewhere(&column.name) {
            return None;
        }
        let event = event_word(&column.name)?;
        self.table.columns.iter().find_map(|status| {
            let hint = self.hints.get(&status.name).filter(|_| status.name != column.name && !status.generated)?;
            if family(&status.kind) == Family::Flag {
                let flag =
                    words(&status.name).into_iter().find(|word| !matches!(word.as_str(), "is" | "was" | "has"))?;
                let same = same_word(&flag, &event) && status.required;
                return same.then(|| (status.name.clone(), vec![Tree::Bool(true)]));
            }
            let labels: Vec<&str> = hint.labels().collect();
            let at = labels.iter().position(|label| words(label).last().is_some_and(|word| same_word(word, &event)))?;
            let own = rank(&event);
            // What was delivered was paid before: the later states of the way have its moment too.
            let later = |label: &str| {
                let rank = words(label).iter().rev().find_map(|word| rank(word));
                stage(labels[at]) != Some(Stage::End) && stage(label) != Some(Stage::End) && own.is_some() && rank > own
            };
            let set = labels.iter().enumerate().filter(|(place, label)| *place == at || later(label));
            Some((status.name.clone(), set.map(|(_, label)| Tree::Text((*label).to_owned())).collect()))
        })
    }

    /// `by(status, voided -> …, else -> null)`
    pub(super) fn agreeing(&self, (status, values): &(String, Vec<Tree>), text: &str) -> String {
        let arm = |value: &Tree| match value {
            Tree::Text(label) => format!("{} -> {text}", quoted(label)),
            Tree::Bool(flag) => format!("{flag} -> {text}"),
            _ => String::new(),
        };
        let arms: Vec<String> = values.iter().map(arm).collect();
        format!("by({}, {}, else -> null)", path(status), arms.join(", "))
    }

    fn solved_somewhere(&self, column: &str) -> bool {
        super::sums::is_solved(&self.solved, &self.cases, column)
    }
}

/// The word of a moment's name that a status may have too: `voided` of `voided_at`.
fn event_word(name: &str) -> Option<String> {
    let words = words(name);
    let last = words.iter().rposition(|word| !is_filler(word))?;
    // `payment_failed_at` speaks of a payment; the status is the row's.
    (last == 0).then(|| words[last].clone())
}

pub(super) fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}
