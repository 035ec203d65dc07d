//! Values of flags, states and numbers that stand for something, and how common each is when no index says so. Must
//! know no other column.

use super::evidence::{Evidence, Said};
use super::hints::{END, Hint};
use super::lexicon::{Stage, is_end, stage, words};
use crate::postgres::catalog::Column;
use crate::seed::condition::{Tree, parse};

/// A flag: its default is common, an exception is rare.
pub(super) fn flag(column: &Column) -> Hint {
    let default = default_of(column);
    let end = is_end(&column.name);
    let said = |says| Evidence::Name { says };
    const RIGHTS: [&str; 8] = ["admin", "superuser", "staff", "moderator", "root", "bot", "test", "beta"];
    const SET: [&str; 14] = [
        "active",
        "enabled",
        "verified",
        "visible",
        "public",
        "published",
        "confirmed",
        "approved",
        "available",
        "valid",
        "subscribed",
        "accepted",
        "current",
        "open",
    ];
    let words = words(&column.name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let (common, share, evidence) = match (&default, end) {
        (Some(Tree::Bool(value)), true) => {
            (*value, 100.0 - END, Evidence::Default { value: column.default.clone().unwrap_or_default() })
        }
        (Some(Tree::Bool(value)), false) => {
            let share = if has(&RIGHTS) { 97.0 } else { 88.0 };
            (*value, share, Evidence::Default { value: column.default.clone().unwrap_or_default() })
        }
        (_, true) => (false, 100.0 - END, said(Said::End)),
        _ if has(&RIGHTS) => (false, 97.0, said(Said::End)),
        _ if has(&SET) => (true, 90.0, said(Said::Common)),
        _ => (false, 85.0, Evidence::Guess),
    };
    Hint::of(vec![(Tree::Bool(common), share), (Tree::Bool(!common), 100.0 - share)], evidence)
}

/// Labels with shares: most rows where their life leads, few where it begins, very few at its ends. Without such words
/// the default is common, and the others fall from the first.
pub(super) fn states(column: &Column, labels: Vec<String>, evidence: Evidence) -> Hint {
    let default = match default_of(column) {
        Some(Tree::Text(text)) => Some(text),
        _ => None,
    };
    let stages: Vec<Option<Stage>> = labels.iter().map(|label| stage(label)).collect();
    let is_life = stages.iter().flatten().any(|stage| *stage != Stage::End);
    let mut mains = 0;
    let weight = |(place, label): (usize, &String)| {
        let falling = 60.0 / (place + 1) as f64;
        match stages[place] {
            Some(Stage::End) => END,
            Some(Stage::First) if is_life => 12.0,
            Some(Stage::Running) if is_life => 14.0,
            Some(Stage::Main) => {
                mains += 1;
                60.0 / f64::from(mains * mains)
            }
            _ if default.as_ref() == Some(label) => 60.0,
            _ if is_life || default.is_some() => falling.min(25.0),
            _ => falling,
        }
    };
    let weights: Vec<f64> = labels.iter().enumerate().map(weight).collect();
    let total: f64 = weights.iter().sum();
    let shares = weights.iter().map(|weight| weight * 100.0 / total);
    Hint::of(labels.into_iter().map(Tree::Text).zip(shares).collect(), evidence)
}

/// Whole numbers that stand for something: those the catalog names, and a few beside them.
pub(super) fn whole(column: &Column, named: &[Tree]) -> Option<Hint> {
    let number = |tree: &Tree| match tree {
        Tree::Number(number) if libm::trunc(*number) == *number => Some(*number as i64),
        Tree::Text(text) => text.parse().ok(),
        _ => None,
    };
    let named: Vec<i64> = named.iter().filter_map(number).collect();
    let default = default_of(column).as_ref().and_then(number);
    let is_exception = stage(&column.name) == Some(Stage::End);
    let is_flag = is_exception || words(&column.name).iter().any(|word| matches!(word.as_str(), "is" | "has"));
    // A level or a category may be any of many numbers, where nothing says otherwise.
    let counted = ["level", "category"].iter().any(|word| column.name.to_lowercase().ends_with(word));
    let is_state = names_a_state(&column.name) && (!counted || default.is_some());
    if measures(&column.name) || !is_state && !is_flag && named.is_empty() || named.iter().any(|n| n.abs() > 10_000) {
        return None;
    }
    let mut known = named.clone();
    if let Some(default) = default.filter(|default| !known.contains(default)) {
        known.insert(0, default);
    }
    let evidence = match () {
        () if !named.is_empty() => Evidence::Guess,
        () if default.is_some() => Evidence::Default { value: column.default.clone().unwrap_or_default() },
        () => Evidence::Name { says: Said::State },
    };
    let (low, high) = (known.iter().min().copied().unwrap_or(0), known.iter().max().copied().unwrap_or(0));
    // Steps such as 10, 20, 30 go on as they are; others are counted from 0 or 1.
    let step = if low >= 10 && known.iter().all(|n| n % 10 == 0) { 10 } else { 1 };
    let begin = if step == 10 || low < 0 { low } else { low.min(default.unwrap_or(0)).min(0) };
    let end = if is_flag && high <= 1 { 1 } else { high.max(begin + 3 * step) };
    let between = (0..).map(|n| begin + n * step).take_while(|n| *n <= end).take(24);
    let mut values: Vec<i64> = known.clone();
    values.extend(between.filter(|n| !known.contains(n)));
    let weight = |place: usize, value: i64| match default {
        _ if is_flag && end == 1 => match value == default.unwrap_or(0) {
            true if is_exception => 100.0 - END,
            true => 88.0,
            false if is_exception => END,
            false => 12.0,
        },
        Some(default) if default == value => 60.0,
        Some(_) => 25.0 / (place.max(1)) as f64,
        None => 50.0 / (place + 1) as f64,
    };
    let weights: Vec<f64> = values.iter().enumerate().map(|(place, value)| weight(place, *value)).collect();
    let total: f64 = weights.iter().sum();
    let values = values.iter().map(|value| Tree::Number(*value as f64));
    let shares = weights.iter().map(|weight| weight * 100.0 / total);
    Some(Hint::of(values.zip(shares).collect(), evidence))
}

/// Whether a name is one of a status, a kind or a role.
pub(super) fn names_a_state(name: &str) -> bool {
    const STATES: [&str; 22] = [
        "status",
        "state",
        "kind",
        "type",
        "role",
        "mode",
        "stage",
        "phase",
        "level",
        "visibility",
        "privacy",
        "severity",
        "priority",
        "plan",
        "tier",
        "category",
        "gender",
        "channel",
        "platform",
        "environment",
        "action",
        "reason",
    ];
    words(name).last().is_some_and(|word| STATES.contains(&word.as_str()))
}

/// Whether a number of this name is a measure, whatever value it is compared with.
fn measures(name: &str) -> bool {
    const MEASURES: [&str; 34] = [
        "count", "total", "amount", "price", "cents", "quantity", "qty", "size", "bytes", "length", "width", "height",
        "weight", "duration", "seconds", "minutes", "hours", "days", "attempts", "retries", "balance", "score",
        "points", "rating", "position", "rank", "order", "version", "age", "year", "number", "num", "id", "percent",
    ];
    words(name).iter().any(|word| MEASURES.contains(&word.as_str()) || MEASURES.contains(&word.trim_end_matches('s')))
}

/// The default as a value, where it is one.
pub(super) fn default_of(column: &Column) -> Option<Tree> {
    let found = parse(column.default.as_ref()?);
    match (&found, column.kind.name.as_str()) {
        // A time of day is a length of time since midnight.
        (Tree::Text(text), "time") => return crate::seed::condition::parse::interval(text),
        (Tree::Interval(0, _), _) => return Some(found),
        _ => {}
    }
    match found {
        value @ (Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) | Tree::Null) => Some(value),
        _ => None,
    }
}
