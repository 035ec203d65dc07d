//! Where the sides themselves differ in more than the change: servers, settings, extensions, how tables lie. Must say what that does to a
//! claim.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{CheckName, Consequence};
use super::conditions::Found;
use crate::evidence::{Evidence, ServerFacts, Side, Subject, TableFacts};

/// What sides that are no siblings cannot show.
pub(super) fn subject(evidence: &Evidence) -> Found {
    let message = match evidence.design.subject {
        Subject::Clones => return None,
        Subject::Given { own_control } => {
            let control = if own_control {
                "the noise floor is that of two databases without the change"
            } else {
                "`control` is `before` asked again, so the noise floor knows nothing of how another database lies: give a second --before"
            };
            format!(
                "the sides are databases that were given, not clones: rows, bloat, statistics and servers in which they differ are part of every \
                 change, and of two servers only that of `before` is watched; {control}"
            )
        }
        Subject::InPlace => {
            let changes = &evidence.design.schema_changes;
            let changed = match changes.is_empty() {
                true => String::new(),
                false => format!(
                    "; at the end the schema was not as before, though the first reversal had brought it back, so somebody else may have changed it: {}",
                    changes.join(", ")
                ),
            };
            format!(
                "the sides are one database, migrated and reverted in turns, not clones: they lie as far apart in time as a migration takes, and what the \
                 load writes stays for the next turn{changed}"
            )
        }
    };
    Some((CheckName::Subject, Consequence::Warning, message))
}

/// Servers that are not set alike, or are not the same.
pub(super) fn settings(evidence: &Evidence) -> Found {
    let before = &evidence.server;
    let of_after = evidence.server_after.as_ref().map(|after| differences(before, after)).unwrap_or_default();
    let of_control = evidence.server_control.as_ref().map(|control| differences(before, control)).unwrap_or_default();
    let mut said = Vec::new();
    if !of_after.is_empty() {
        said.push(format!(
            "the sides' servers are set differently: {}; what that does is part of the change",
            of_after.join(", ")
        ));
    }
    if !of_control.is_empty() {
        said.push(format!(
            "that of control is set differently: {}; what that does looks like noise",
            of_control.join(", ")
        ));
    }
    for (side, other) in [(Side::Control, &evidence.server_control), (Side::After, &evidence.server_after)] {
        let differ = other.as_ref().map(|other| other_extensions(before, other)).unwrap_or_default();
        if !differ.is_empty() {
            let what = if side == Side::After { "is part of the change" } else { "looks like noise" };
            said.push(format!(
                "{} has other extensions than before: {}; what they do {what}",
                side.name(),
                differ.join(", ")
            ));
        }
    }
    (!said.is_empty()).then(|| (CheckName::Settings, Consequence::Warning, said.join("; ")))
}

/// How a server's version and settings differ from another's.
fn differences(one: &ServerFacts, other: &ServerFacts) -> Vec<String> {
    let names: BTreeSet<&String> = one.settings.keys().chain(other.settings.keys()).collect();
    let value = |facts: &ServerFacts, name: &String| {
        facts.settings.get(name).map_or_else(|| "the default".to_owned(), Clone::clone)
    };
    let version = (one.version != other.version).then(|| format!("version {} → {}", one.version, other.version));
    let differ = names.into_iter().filter(|name| one.settings.get(*name) != other.settings.get(*name));
    let told = differ.map(|name| format!("{name} {} → {}", value(one, name), value(other, name)));
    version.into_iter().chain(told).collect()
}

/// Extensions that one database has and the other has not, or in another version.
fn other_extensions(one: &ServerFacts, other: &ServerFacts) -> Vec<String> {
    let names: BTreeSet<&String> = one.extensions.keys().chain(other.extensions.keys()).collect();
    let version =
        |facts: &ServerFacts, name: &String| facts.extensions.get(name).map_or_else(|| "none".to_owned(), Clone::clone);
    let differ = names.into_iter().filter(|name| one.extensions.get(*name) != other.extensions.get(*name));
    differ.map(|name| format!("{name} {} → {}", version(one, name), version(other, name))).collect()
}

/// So many tables are named; of more their number.
const NAMED: usize = 4;

/// Given databases whose tables differ in size, dead rows or statistics: what that costs is part of every change.
pub(super) fn tables(evidence: &Evidence) -> Found {
    // Results of before format 4 have none of any side.
    let unread: Vec<&str> =
        Side::ALL.into_iter().filter(|side| !evidence.tables.contains_key(side)).map(Side::name).collect();
    if (1..Side::ALL.len()).contains(&unread.len()) {
        let message = format!(
            "size, dead rows and statistics of the tables on {} could not be read within a second (a lock, or a right that is missing): nothing is \
             known of how they differ there",
            unread.join(" and ")
        );
        return Some((CheckName::Tables, Consequence::Warning, message));
    }
    let before = evidence.tables.get(&Side::Before)?;
    let said = [Side::Control, Side::After].into_iter().filter_map(|side| {
        let differ = other_tables(before, evidence.tables.get(&side)?);
        let more = differ.len().saturating_sub(NAMED);
        let more = if 0 < more { format!(" and {more} more") } else { String::new() };
        let first = differ.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        (!differ.is_empty()).then(|| format!("on {} {first}{more}", side.name()))
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        let message = format!(
            "tables differ from before's beside their schema: {}; VACUUM (ANALYZE) all sides, or make them clones of one",
            said.join("; ")
        );
        (CheckName::Tables, Consequence::Warning, message)
    })
}

/// What is worth a word of the tables that both have.
fn other_tables(one: &BTreeMap<String, TableFacts>, other: &BTreeMap<String, TableFacts>) -> Vec<String> {
    let both = one.iter().filter_map(|(name, table)| Some((name, table, other.get(name)?)));
    both.filter_map(|(name, one, other)| otherwise(one, other).map(|how| format!("{name} ({how})"))).collect()
}

/// Below this a table's size is that of its last pages.
const SMALL_BYTES: i64 = 128 << 10;

fn otherwise(one: &TableFacts, other: &TableFacts) -> Option<String> {
    let apart = |one: i64, other: i64| one.abs_diff(other) as f64 / one.min(other).max(1) as f64;
    let share = |part: i64, of: &TableFacts| Some((part as f64 / (of.rows? + of.dead_rows).max(1) as f64).min(1.0));
    let both = |of: &dyn Fn(&TableFacts) -> Option<f64>| of(one).zip(of(other));
    let percent = crate::units::percent_text;
    let mut said = Vec::new();
    if let Some((one, other)) = one.rows.zip(other.rows).filter(|(one, other)| 0.05 < apart(*one, *other)) {
        said.push(format!("{one} → {other} rows"));
    }
    if 0.1 < apart(one.bytes, other.bytes) && SMALL_BYTES < one.bytes.max(other.bytes) {
        let [one, other] = [one, other].map(|table| crate::units::bytes_text(table.bytes.unsigned_abs()));
        said.push(format!("{one} → {other}"));
    }
    if let Some((one, other)) =
        both(&|table| share(table.dead_rows, table)).filter(|(one, other)| 0.05 < (one - other).abs())
    {
        said.push(format!("{} → {} of its rows dead", percent(one), percent(other)));
    }
    let stale = both(&|table| share(table.modified_rows, table)).filter(|(one, other)| 0.1 < (one - other).abs());
    if one.analyzed != other.analyzed {
        let of = |table: &TableFacts| if table.analyzed { "analyzed" } else { "never analyzed" };
        said.push(format!("{} → {}", of(one), of(other)));
    } else if let Some((one, other)) = stale {
        said.push(format!("{} → {} of its rows changed since ANALYZE", percent(one), percent(other)));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// Shares of executions by plans for all values that differ by more than this between sides.
const SAME_KIND: f64 = 0.1;

/// A share of fewer is a matter of chance.
const FEWEST_EXECUTIONS: u64 = 50;

/// Prepared statements that the server plans for all values on one side, and for each execution on another.
pub(super) fn plan_kinds(evidence: &Evidence) -> Found {
    let generic = |side: Side, position: usize| -> Option<f64> {
        let counts = evidence.counters.get(&side)?.plan_counts.as_ref()?.get(position)?;
        let all = counts.generic + counts.custom;
        (FEWEST_EXECUTIONS <= all).then(|| counts.generic as f64 / all as f64)
    };
    let percent = crate::units::percent_text;
    let mut said = Vec::new();
    for side in [Side::Control, Side::After] {
        for (position, action) in evidence.actions.iter().enumerate() {
            let Some((before, other)) = generic(Side::Before, position).zip(generic(side, position)) else { continue };
            if SAME_KIND < (before - other).abs() {
                said.push(format!("`{}` {} → {} on {}", action.name, percent(before), percent(other), side.name()));
            }
        }
    }
    (!said.is_empty()).then(|| {
        let message = format!(
            "the share of executions by a generic plan differs: {}; planning each execution costs time too: see plan_cache_mode, and --counts-only \
             for both plans",
            said.join(", ")
        );
        (CheckName::PlanKinds, Consequence::Warning, message)
    })
}

/// Tables that a migration puts into partitions without statistics as a whole, which the server does not make by itself.
pub(super) fn statistics(evidence: &Evidence) -> Found {
    let tables: Vec<&str> = evidence.migration.unsampled.iter().map(String::as_str).collect();
    if tables.is_empty() {
        return None;
    }
    let message = format!(
        "autovacuum never makes statistics of a whole table in partitions, so {} is planned by guesses where the plan needs them, here as in production; \
         ANALYZE it in the migration",
        tables.join(", ")
    );
    Some((CheckName::Statistics, Consequence::Warning, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: TableFacts =
        TableFacts { bytes: 1 << 20, rows: Some(10_000), dead_rows: 0, modified_rows: 0, analyzed: true };

    #[test]
    fn a_server_that_is_set_otherwise_is_told() {
        let facts = |settings: &[(&str, &str)], extensions: &[(&str, &str)]| {
            let map = |of: &[(&str, &str)]| of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            ServerFacts {
                version: "15.18".to_owned(),
                embedded: true,
                settings: map(settings),
                extensions: map(extensions),
            }
        };
        let one = facts(&[("work_mem", "4MB")], &[("plpgsql", "1.0"), ("pg_trgm", "1.5")]);
        assert_eq!(differences(&one, &one), [""; 0]);
        assert_eq!(other_extensions(&one, &one), [""; 0]);
        let other = facts(&[("work_mem", "64MB"), ("jit", "off")], &[("plpgsql", "1.0"), ("hstore", "1.8")]);
        assert_eq!(differences(&one, &other), ["jit the default → off", "work_mem 4MB → 64MB"]);
        assert_eq!(other_extensions(&one, &other), ["hstore none → 1.8", "pg_trgm 1.5 → none"]);
    }

    #[test]
    fn what_somebody_else_changed_in_place_and_a_whole_without_statistics_are_told() {
        let mut evidence = super::super::tests::saved();
        assert!(subject(&evidence).is_none() && statistics(&evidence).is_none());
        evidence.design.subject = Subject::InPlace;
        assert!(!subject(&evidence).unwrap().2.contains("somebody else"));
        evidence.design.schema_changes = vec!["`relation public.part` is left".to_owned()];
        assert!(subject(&evidence).unwrap().2.ends_with("changed it: `relation public.part` is left"));
        evidence.migration.unsampled = vec!["public.logs".to_owned()];
        assert!(statistics(&evidence).unwrap().2.contains("so public.logs is planned by guesses"));
    }

    #[test]
    fn tables_that_lie_otherwise_are_told() {
        assert_eq!(
            otherwise(&TABLE, &TableFacts { bytes: 1_100_000, rows: Some(10_300), dead_rows: 300, ..TABLE }),
            None
        );
        let bloated = TableFacts { bytes: 2 << 20, dead_rows: 10_000, ..TABLE };
        let told = otherwise(&TABLE, &bloated).unwrap();
        assert!(told.contains("1.00 MiB → 2.00 MiB") && told.contains("0.0 % → 50.0 % of its rows dead"), "{told}");
        let fresh = otherwise(&TABLE, &TableFacts { analyzed: false, ..TABLE });
        assert_eq!(fresh.as_deref(), Some("analyzed → never analyzed"));
        let stale = otherwise(&TABLE, &TableFacts { modified_rows: 2_000, ..TABLE });
        assert_eq!(stale.as_deref(), Some("0.0 % → 20.0 % of its rows changed since ANALYZE"));
        // Restored and never looked at: nobody knows its rows, and more may have changed than there were.
        let restored = TableFacts { rows: None, analyzed: false, modified_rows: 10_000, ..TABLE };
        assert_eq!(otherwise(&TABLE, &restored).as_deref(), Some("analyzed → never analyzed"));
        let written = otherwise(&TABLE, &TableFacts { modified_rows: 900_000, ..TABLE });
        assert_eq!(written.as_deref(), Some("0.0 % → 100.0 % of its rows changed since ANALYZE"));
        let small = TableFacts { bytes: 8_192, rows: Some(100), ..TABLE };
        assert_eq!(otherwise(&small, &TableFacts { bytes: 65_536, ..small }), None);
    }
}
