//! Where the sides themselves differ in more than the change: servers, settings, extensions, tables. Must find facts,
//! and leave words to reports.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{Difference, Fact, PlanKindDifference, TableDifference};
use super::finding::{Finding, Remedy, Severity};
use crate::evidence::{Evidence, ServerFacts, Side, Subject, TableFacts};

/// What sides that are not clones of one template cannot show.
pub(super) fn subject(evidence: &Evidence) -> Option<Finding> {
    match evidence.design.subject {
        Subject::Clones => None,
        Subject::Given { own_control } => {
            let finding = Finding::new(Severity::Warning, Fact::SidesGiven { own_control });
            Some(if own_control { finding } else { finding.remedy(Remedy::SecondBefore) })
        }
        Subject::InPlace => {
            let schema_changes = evidence.design.schema_changes.clone();
            Some(Finding::new(Severity::Warning, Fact::SidesInPlace { schema_changes }))
        }
    }
}

/// Servers with other settings, or of another version.
pub(super) fn settings(evidence: &Evidence) -> Vec<Finding> {
    let before = &evidence.server;
    let others = [(Side::Control, &evidence.server_control), (Side::After, &evidence.server_after)];
    let finding = |(side, other): (Side, &Option<ServerFacts>)| {
        let other = other.as_ref()?;
        let settings = differences(before, other);
        let extensions = differences_of(&before.extensions, &other.extensions);
        let is_found = !settings.is_empty() || !extensions.is_empty();
        is_found.then(|| Finding::new(Severity::Warning, Fact::SettingsDiffer { side, settings, extensions }))
    };
    others.into_iter().filter_map(finding).collect()
}

/// How a server's version and settings differ from another's.
fn differences(one: &ServerFacts, other: &ServerFacts) -> Vec<Difference> {
    let version = (one.version != other.version).then(|| Difference {
        name: "version".to_owned(),
        before: Some(one.version.clone()),
        other: Some(other.version.clone()),
    });
    version.into_iter().chain(differences_of(&one.settings, &other.settings)).collect()
}

/// Names whose values differ.
fn differences_of(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<Difference> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let difference = |name: &String| Difference {
        name: name.clone(),
        before: one.get(name).cloned(),
        other: other.get(name).cloned(),
    };
    differ.map(difference).collect()
}

/// Given databases whose tables differ in size, dead rows or statistics: what that costs is part of every change.
pub(super) fn tables(evidence: &Evidence) -> Option<Finding> {
    // Results of before format 4 have none of any side.
    let sides: Vec<Side> = Side::ALL.into_iter().filter(|side| !evidence.tables.contains_key(side)).collect();
    if (1..Side::ALL.len()).contains(&sides.len()) {
        return Some(Finding::new(Severity::Warning, Fact::TablesUnread { sides }));
    }
    let before = evidence.tables.get(&Side::Before)?;
    let of_side = |side: Side| {
        let differ = other_tables(before, evidence.tables.get(&side)?);
        (!differ.is_empty()).then_some((side, differ))
    };
    let tables: BTreeMap<Side, Vec<TableDifference>> =
        [Side::Control, Side::After].into_iter().filter_map(of_side).collect();
    let is_found = !tables.is_empty();
    is_found.then(|| Finding::new(Severity::Warning, Fact::TablesDiffer { tables }).remedy(Remedy::VacuumSides))
}

/// What differs by more than chance of the tables that both have.
fn other_tables(one: &BTreeMap<String, TableFacts>, other: &BTreeMap<String, TableFacts>) -> Vec<TableDifference> {
    let both = one.iter().filter_map(|(name, table)| Some((name, table, other.get(name)?)));
    let difference = |(name, one, other): (&String, &TableFacts, &TableFacts)| TableDifference {
        table: name.clone(),
        ..difference(one, other)
    };
    both.map(difference)
        .filter(|found| *found != TableDifference { table: found.table.clone(), ..Default::default() })
        .collect()
}

/// Below this a table's size is that of its last pages.
const SMALL_BYTES: i64 = 128 << 10;

fn difference(one: &TableFacts, other: &TableFacts) -> TableDifference {
    let apart = |one: i64, other: i64| one.abs_diff(other) as f64 / one.min(other).max(1) as f64;
    let share = |part: i64, of: &TableFacts| Some((part as f64 / (of.rows? + of.dead_rows).max(1) as f64).min(1.0));
    let both = |of: &dyn Fn(&TableFacts) -> Option<f64>| of(one).zip(of(other));
    let is_larger = apart(one.bytes, other.bytes) > 0.1 && one.bytes.max(other.bytes) > SMALL_BYTES;
    let analyzed = (one.analyzed != other.analyzed).then_some((one.analyzed, other.analyzed));
    let modified = both(&|table| share(table.modified_rows, table)).filter(|(one, other)| (one - other).abs() > 0.1);
    TableDifference {
        table: String::new(),
        rows: one.rows.zip(other.rows).filter(|(one, other)| apart(*one, *other) > 0.05),
        bytes: is_larger.then_some((one.bytes, other.bytes)),
        dead_share: both(&|table| share(table.dead_rows, table)).filter(|(one, other)| (one - other).abs() > 0.05),
        // Of a table that one side never analyzed, what changed since says nothing.
        modified_share: modified.filter(|_| analyzed.is_none()),
        analyzed,
    }
}

/// Shares of executions by plans for all values that differ by more than this between sides.
const SAME_KIND: f64 = 0.1;

/// A share of fewer is a matter of chance.
const FEWEST_EXECUTIONS: u64 = 50;

/// Prepared statements that the server plans for all values on one side, and for each execution on another.
pub(super) fn plan_kinds(evidence: &Evidence) -> Option<Finding> {
    let generic = |side: Side, position: usize| -> Option<f64> {
        let counts = evidence.counters.get(&side)?.plan_counts.as_ref()?.get(position)?;
        let all = counts.generic + counts.custom;
        (all >= FEWEST_EXECUTIONS).then(|| counts.generic as f64 / all as f64)
    };
    let mut shares = Vec::new();
    for side in [Side::Control, Side::After] {
        for (position, action) in evidence.actions.iter().enumerate() {
            let Some((before, other)) = generic(Side::Before, position).zip(generic(side, position)) else { continue };
            if (before - other).abs() > SAME_KIND {
                shares.push(PlanKindDifference { action: action.name.clone(), side, before, other });
            }
        }
    }
    let is_found = !shares.is_empty();
    is_found.then(|| Finding::new(Severity::Warning, Fact::PlanKindsDiffer { shares }))
}

/// Tables that a migration puts into partitions without statistics as a whole, which the server does not make by
/// itself.
pub(super) fn statistics(evidence: &Evidence) -> Option<Finding> {
    let tables = evidence.migration.unsampled.clone();
    let sql = format!("ANALYZE {}", tables.join(", "));
    let is_found = !tables.is_empty();
    let fact = Fact::PartitionedWithoutStatistics { tables };
    is_found.then(|| Finding::new(Severity::Warning, fact).remedy(Remedy::RunSql { sql }))
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
        assert_eq!(differences(&one, &one), []);
        let other = facts(&[("work_mem", "64MB"), ("jit", "off")], &[("plpgsql", "1.0"), ("hstore", "1.8")]);
        let difference = |name: &str, before: Option<&str>, other: Option<&str>| Difference {
            name: name.to_owned(),
            before: before.map(str::to_owned),
            other: other.map(str::to_owned),
        };
        let settings = [difference("jit", None, Some("off")), difference("work_mem", Some("4MB"), Some("64MB"))];
        assert_eq!(differences(&one, &other), settings);
        let extensions = [difference("hstore", None, Some("1.8")), difference("pg_trgm", Some("1.5"), None)];
        assert_eq!(differences_of(&one.extensions, &other.extensions), extensions);
    }

    #[test]
    fn what_somebody_else_changed_in_place_and_a_whole_without_statistics_are_told() {
        let mut evidence = super::super::tests::saved();
        assert!(subject(&evidence).is_none() && statistics(&evidence).is_none());
        evidence.design.subject = Subject::InPlace;
        let fact = |finding: Option<Finding>| finding.map(|finding| finding.fact);
        assert_eq!(fact(subject(&evidence)), Some(Fact::SidesInPlace { schema_changes: Vec::new() }));
        evidence.design.schema_changes = vec!["`relation public.part` is left".to_owned()];
        let schema_changes = evidence.design.schema_changes.clone();
        assert_eq!(fact(subject(&evidence)), Some(Fact::SidesInPlace { schema_changes }));
        evidence.migration.unsampled = vec!["public.logs".to_owned()];
        let remedy = Remedy::RunSql { sql: "ANALYZE public.logs".to_owned() };
        assert_eq!(statistics(&evidence).unwrap().remedy, Some(remedy));
    }

    #[test]
    fn tables_that_lie_otherwise_are_told() {
        let none = TableDifference::default();
        let near = TableFacts { bytes: 1_100_000, rows: Some(10_300), dead_rows: 300, ..TABLE };
        assert_eq!(difference(&TABLE, &near), none);
        let bloated = difference(&TABLE, &TableFacts { bytes: 2 << 20, dead_rows: 10_000, ..TABLE });
        let expected =
            TableDifference { bytes: Some((1 << 20, 2 << 20)), dead_share: Some((0.0, 0.5)), ..none.clone() };
        assert_eq!(bloated, expected);
        let never = TableDifference { analyzed: Some((true, false)), ..none.clone() };
        assert_eq!(difference(&TABLE, &TableFacts { analyzed: false, ..TABLE }), never);
        let changed = |rows: f64| TableDifference { modified_share: Some((0.0, rows)), ..none.clone() };
        assert_eq!(difference(&TABLE, &TableFacts { modified_rows: 2_000, ..TABLE }), changed(0.2));
        // Restored and never examined: nobody knows its rows, and more may have changed than there were.
        let restored = TableFacts { rows: None, analyzed: false, modified_rows: 10_000, ..TABLE };
        assert_eq!(difference(&TABLE, &restored), never);
        assert_eq!(difference(&TABLE, &TableFacts { modified_rows: 900_000, ..TABLE }), changed(1.0));
        let small = TableFacts { bytes: 8_192, rows: Some(100), ..TABLE };
        assert_eq!(difference(&small, &TableFacts { bytes: 65_536, ..small }), none);
    }
}
