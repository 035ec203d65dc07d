//! The words of findings: one file each, with a short form for a line of its own and a long form with every value. Must
//! decide nothing.

mod action_finds_no_rows;
mod answer_changed;
mod answer_unordered;
mod answers_late;
mod answers_slow;
mod background_activity;
mod cache_unequal;
mod clock_cost;
mod connections_lost;
mod counters_reset;
mod cpu_contention;
mod cpu_stolen;
mod cpu_throttled;
mod deadlocks;
mod dependent_chunks;
mod disturbed_chunks;
mod driver_busy;
mod driver_lag;
mod hot_updates_lost;
mod hot_updates_won;
mod if_not_exists_skipped;
mod in_flight_mismatch;
mod index_holds;
mod index_wanted;
mod invalid_index;
mod lock_waits;
mod near_saturation;
mod network_floor;
mod not_primed;
pub(super) mod of_run;
mod operations_failed;
mod overlapping_index;
mod partitioned_without_statistics;
mod permission_denied;
mod plan_flip;
mod plan_kinds_differ;
mod policies_not_exercised;
mod pool_timeouts;
mod predicate_column_constant;
mod rate_not_reached;
mod reads_stale;
mod redundant_index;
mod replica_unreachable;
mod rows_rewritten;
mod server_unseen;
mod settings_differ;
mod sides_given;
mod sides_in_place;
mod slice_order;
mod slice_warm_up;
mod tables_differ;
mod tables_unread;
mod unequal_load;
mod unequal_parameters;
mod unindexed_foreign_key;
mod unused_index;
mod work_under_load;

use super::claim::who;
use super::remedy;
use crate::compare::Finding;
use crate::compare::fact::{Fact, Sides};
use crate::compare::finding::Severity;

/// The words of a finding.
pub(super) struct Words {
    /// At most one line of a terminal.
    pub(super) short: String,
    /// With every value.
    pub(super) long: String,
}

/// What a severity is called.
pub(super) fn kind(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        _ => "limit",
    }
}

/// One line.
pub(super) fn short(finding: &Finding) -> String {
    words(finding).short
}

/// With every value, and what to do.
pub(super) fn long(finding: &Finding) -> String {
    let remedy = finding.remedy.as_ref().map(|remedy| format!("; {}", remedy::text(remedy)));
    let ignored = finding.ignored.as_ref().map(|because| format!(" (ignored: {because})"));
    format!("{}{}{}", words(finding).long, remedy.unwrap_or_default(), ignored.unwrap_or_default())
}

fn words(finding: &Finding) -> Words {
    let action = finding.action.as_deref().unwrap_or_default();
    let bound = finding.bound.unwrap_or(f64::INFINITY);
    match &finding.fact {
        Fact::RateNotReached { rate_per_s, skipped_share } => {
            rate_not_reached::words(*rate_per_s, skipped_share, finding.severity)
        }
        Fact::UnequalLoad { operations_ratio } => unequal_load::words(*operations_ratio),
        Fact::OperationsFailed { side, failed_share, failures } => {
            operations_failed::words(finding.action.as_deref(), *side, *failed_share, failures)
        }
        Fact::DriverBusy { cpu_share_max } => driver_busy::words(*cpu_share_max),
        Fact::DriverLag { late_us_p99, is_uneven } => driver_lag::words(late_us_p99, *is_uneven),
        Fact::CpuThrottled { times } => cpu_throttled::words(*times),
        Fact::CpuStolen { share } => cpu_stolen::words(*share),
        Fact::CpuContention { share } => cpu_contention::words(*share),
        Fact::AnswerChanged { difference, is_given } => answer_changed::words(action, difference, *is_given),
        Fact::AnswerUnordered {} => answer_unordered::words(action),
        Fact::ActionFindsNoRows { sets } => action_finds_no_rows::words(action, *sets),
        Fact::IndexHoldsNothing { index, predicate, .. } => index_holds::nothing(index, predicate),
        Fact::IndexHoldsEveryRow { index, table, predicate } => index_holds::every_row(index, table, predicate),
        Fact::PredicateColumnConstant { index, table, column } => {
            predicate_column_constant::words(index, table, column)
        }
        Fact::CountersReset {} => counters_reset::words(),
        Fact::WorkUnderLoad { blocks_per_call } => work_under_load::words(action, blocks_per_call),
        Fact::IfNotExistsSkipped { kind, name, invalid, found, wanted } => {
            if_not_exists_skipped::words(kind, name, *invalid, found.as_deref().zip(wanted.as_deref()))
        }
        Fact::SliceWarmUp { share } => slice_warm_up::words(*share, bound),
        Fact::SliceOrder { change } => slice_order::words(*change, bound),
        Fact::UnequalParameters { chunks, chunks_measured } => unequal_parameters::words(*chunks, *chunks_measured),
        Fact::InFlightMismatch { counted, expected } => in_flight_mismatch::words(*counted, *expected),
        Fact::BackgroundActivity { checkpoints, autovacuum, sessions, unseen, slices, is_uneven } => {
            let kinds: [(&str, &Sides<usize>); 3] =
                [("checkpoints", checkpoints), ("autovacuum", autovacuum), ("other sessions", sessions)];
            background_activity::words(kinds, *unseen, *slices, *is_uneven)
        }
        Fact::CacheUnequal { before, control, after } => cache_unequal::words(*before, *control, *after),
        Fact::NotPrimed { rounds } => not_primed::words(*rounds),
        Fact::SidesGiven { own_control } => sides_given::words(*own_control),
        Fact::SidesInPlace { schema_changes } => sides_in_place::words(schema_changes),
        Fact::SettingsDiffer { side, settings, extensions } => settings_differ::words(*side, settings, extensions),
        Fact::TablesUnread { sides } => tables_unread::words(sides),
        Fact::TablesDiffer { tables } => tables_differ::words(tables),
        Fact::PlanKindsDiffer { shares } => plan_kinds_differ::words(shares),
        Fact::PartitionedWithoutStatistics { tables } => partitioned_without_statistics::words(tables),
        Fact::ClockCost { reading_ns, latency_us_p50 } => clock_cost::words(*reading_ns, *latency_us_p50),
        Fact::NetworkFloor { trip_us_p50, actions } => network_floor::words(*trip_us_p50, actions),
        Fact::NearSaturation { side, rate, connections, share } => {
            near_saturation::words(*side, *rate, *connections, *share)
        }
        Fact::DependentChunks { correlation, widening } => dependent_chunks::words(action, *correlation, *widening),
        Fact::DisturbedChunks { chunks, chunks_measured, changed } => {
            disturbed_chunks::words(*chunks, *chunks_measured, changed.as_deref())
        }
        Fact::PoliciesNotExercised { table, policies, role, exemption, is_changed, actions } => {
            policies_not_exercised::words(table, policies, &who(role, *exemption), *is_changed, actions)
        }
        Fact::RedundantIndex { index, by, is_new } => redundant_index::words(index, by, *is_new),
        Fact::OverlappingIndex { index, by } => overlapping_index::words(index, by),
        Fact::UnindexedForeignKey { key, is_new } => unindexed_foreign_key::words(key, *is_new),
        Fact::InvalidIndex { index, partitioned, missing, is_new } => {
            invalid_index::words(index, *partitioned, missing, *is_new)
        }
        Fact::UnusedIndex { index, since } => unused_index::words(index, *since),
        Fact::IndexWanted { index, cost, cost_with } => index_wanted::words(action, index, *cost, *cost_with),
        Fact::HotUpdatesLost { change } => hot_updates_lost::words(change),
        Fact::HotUpdatesWon { change } => hot_updates_won::words(change),
        Fact::PlanFlip { sets, sets_in_all, plan_before, plan_after } => {
            plan_flip::words(action, (*sets, *sets_in_all), plan_before, plan_after)
        }
        Fact::RowsRewritten { tables } => rows_rewritten::words(tables),
        Fact::PermissionDenied { side, message } => permission_denied::words(action, *side, message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::compare::run::finding::all_ids;

    #[test]
    fn every_finding_has_a_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".md")?.to_owned()))
            .filter(|name| name != "README")
            .collect();
        let ids: BTreeSet<String> = all_ids().into_iter().map(str::to_owned).collect();
        assert_eq!(ids.difference(&pages).collect::<Vec<_>>(), Vec::<&String>::new());
        for id in ids {
            let page = std::fs::read_to_string(format!("{folder}/{id}.md")).unwrap();
            for part in ["Cause", "How it is measured", "What to do", "Example"] {
                assert!(page.contains(&format!("## {part}")), "{id} has no `{part}`");
            }
        }
    }
}
