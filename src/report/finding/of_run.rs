//! The words of what a run finds, in the files of its ids. Must decide nothing.

use super::{
    Words, answers_late, answers_slow, background_activity, clock_cost, connections_lost, counters_reset, deadlocks,
    driver_busy, driver_lag, in_flight_mismatch, lock_waits, not_primed, operations_failed, policies_not_exercised,
    pool_timeouts, rate_not_reached, reads_stale, replica_unreachable, server_unseen,
};
use crate::compare::run::finding::{RunFact, RunFinding};
use crate::report::remedy;

/// One line.
pub(in crate::report) fn short(finding: &RunFinding) -> String {
    words(finding).short
}

/// With every value, and what to do.
pub(in crate::report) fn long(finding: &RunFinding) -> String {
    let remedy = finding.remedy.as_ref().map(|remedy| format!("; {}", remedy::text(remedy)));
    let ignored = finding.ignored.as_ref().map(|because| format!(" (ignored: {because})"));
    format!("{}{}{}", words(finding).long, remedy.unwrap_or_default(), ignored.unwrap_or_default())
}

fn words(finding: &RunFinding) -> Words {
    match &finding.fact {
        RunFact::DriverBusy { cpu_share_max } => driver_busy::words(*cpu_share_max),
        RunFact::DriverLag { late_us_p99 } => driver_lag::of_run(*late_us_p99),
        RunFact::RateNotReached { answered_share } => rate_not_reached::of_run(*answered_share),
        RunFact::ClockCost { reading_ns, service_us_p50 } => clock_cost::words(*reading_ns, *service_us_p50),
        RunFact::InFlightMismatch { counted, expected } => in_flight_mismatch::of_run(*counted, *expected),
        RunFact::OperationsFailed { failed, failed_share, failures } => {
            operations_failed::of_run(finding.action.as_deref(), *failed, *failed_share, failures)
        }
        RunFact::AnswersLate { answers } => answers_late::of_run(*answers),
        RunFact::AnswersSlow { answers, limit_ms, longest_ms } => {
            answers_slow::of_run(*answers, *limit_ms, *longest_ms)
        }
        RunFact::ReadsStale { reads } => reads_stale::of_run(*reads),
        RunFact::PoolTimeouts { timeouts, connections, waiting_max } => {
            pool_timeouts::of_run(*timeouts, *connections, *waiting_max)
        }
        RunFact::ReplicaUnreachable { replica, looks } => replica_unreachable::of_run(*replica, *looks),
        RunFact::LockWaits { sessions_max, waited_s_max } => lock_waits::of_run(*sessions_max, *waited_s_max),
        RunFact::Deadlocks { deadlocks } => deadlocks::of_run(*deadlocks),
        RunFact::NotPrimed { warm_up_s } => not_primed::of_run(*warm_up_s),
        RunFact::CountersReset {} => counters_reset::of_run(),
        RunFact::ServerUnseen { reason } => server_unseen::of_run(reason),
        RunFact::BackgroundActivity { checkpoints, autovacuum, looks } => {
            background_activity::of_run(*checkpoints, *autovacuum, *looks)
        }
        RunFact::ConnectionsLost { connections } => connections_lost::of_run(*connections),
        RunFact::PoliciesNotExercised { role, tables } => policies_not_exercised::of_run(role, tables),
    }
}
