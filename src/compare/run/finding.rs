//! What a run has to say beside its figures, as data. Must hold no sentence: words are `report::finding`'s.
//!
//! A finding that a proof has too has the same id there; its values are those of one database.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::fact::Fact;
use crate::compare::finding::{Remedy, Severity};
use crate::compare::round_trip::IDS;
use crate::evidence::LoadFacts;
use crate::evidence::run::{RunCheckName, RunEvidence, WarmUpEnd};
use crate::evidence::view::ServerView;

/// One finding of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunFinding {
    /// What was found, with its values.
    #[serde(flatten)]
    pub fact: RunFact,
    /// `invalid` where the driver or the machine was the limit.
    pub severity: Severity,
    /// The action it is about; absent where it is about all of them, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What to do about it; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Whether a gate of the project names it, so that the run fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fails: bool,
    /// Why the project accepts it; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// The id of a finding of a run with the values that belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, strum::IntoStaticStr, strum::VariantNames)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "id", content = "values", rename_all = "kebab-case", rename_all_fields = "snake_case")]
#[strum(serialize_all = "kebab-case")]
pub enum RunFact {
    /// A thread of the load driver had no processor time to spare.
    DriverBusy {
        /// Share of one processor that the busiest thread used.
        cpu_share_max: f64,
    },
    /// The load driver woke clients late.
    DriverLag {
        /// 99th percentile of how late, in microseconds.
        late_us_p99: f64,
    },
    /// Operations of the offered load got no answer.
    RateNotReached {
        /// Share of the offered operations that was answered; absent before format 4.
        answered_share: Option<f64>,
    },
    /// Reading the clock is a part of the shortest latencies.
    ClockCost {
        /// Nanoseconds that one reading takes.
        reading_ns: f64,
        /// Median service time, in microseconds.
        service_us_p50: f64,
    },
    /// Two accounts of the operations in flight disagree (Little's law): a fault of this program or the clock.
    InFlightMismatch {
        /// Mean number that was counted; absent before format 4.
        counted: Option<f64>,
        /// Mean number that answers and service times make; absent before format 4.
        expected: Option<f64>,
    },
    /// Operations failed.
    OperationsFailed {
        /// How many.
        failed: u64,
        /// Failed operations over due ones.
        failed_share: f64,
        /// Failures of all actions by SQLSTATE, or by the driver's own class.
        failures: BTreeMap<String, u64>,
    },
    /// Answers came after the load's limit.
    AnswersLate {
        /// How many.
        answers: u64,
    },
    /// Answers took longer to serve than the run's limit.
    AnswersSlow {
        /// How many.
        answers: u64,
        /// The limit, in milliseconds.
        limit_ms: f64,
        /// The longest, in milliseconds; absent where it is not known.
        longest_ms: Option<f64>,
    },
    /// Reads of a replica did not see what the same operation had just written.
    ReadsStale {
        /// How many.
        reads: u64,
    },
    /// Clients gave up waiting for a connection of the pool.
    PoolTimeouts {
        /// How often.
        timeouts: u64,
        /// Connections of the pool.
        connections: u32,
        /// Most clients that waited at a time.
        waiting_max: u64,
    },
    /// A replica could not be reached.
    ReplicaUnreachable {
        /// Which, from 1.
        replica: usize,
        /// Looks at it that failed.
        looks: u64,
    },
    /// Sessions waited for locks.
    LockWaits {
        /// Most sessions at a time.
        sessions_max: u64,
        /// The longest wait that was seen, in seconds.
        waited_s_max: f64,
    },
    /// The server found deadlocks.
    Deadlocks {
        /// How many.
        deadlocks: u64,
    },
    /// Answers were still becoming faster when the measurement began.
    NotPrimed {
        /// Seconds of load that were not counted.
        warm_up_s: f64,
    },
    /// Counters of the server went backwards.
    CountersReset {},
    /// The server could not be observed while it was driven.
    ServerUnseen {
        /// Why, as the server or the network says it.
        reason: String,
    },
    /// Checkpoints or autovacuum ran while it was measured.
    BackgroundActivity {
        /// Checkpoints that began.
        checkpoints: u64,
        /// Looks that saw autovacuum at work.
        autovacuum: u64,
        /// Looks.
        looks: u64,
    },
    /// Connections were lost and made again.
    ConnectionsLost {
        /// How many.
        connections: u64,
    },
    /// Row-level security does not apply to the role that asks.
    PoliciesNotExercised {
        /// The role.
        role: String,
        /// The tables.
        tables: Vec<String>,
    },
}

impl RunFact {
    /// Its stable name, in kebab-case: that of its page in `docs/findings/`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.into()
    }

    /// The names of all findings of runs.
    #[must_use]
    pub fn ids() -> &'static [&'static str] {
        <Self as strum::VariantNames>::VARIANTS
    }
}

/// Every id of a finding of a proof, a run or a check of migrations, once.
#[must_use]
pub fn all_ids() -> Vec<&'static str> {
    let mut ids: Vec<&str> = Fact::ids().iter().chain(RunFact::ids()).chain(&IDS).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The id of the finding that a check of a run makes.
#[must_use]
pub fn id_of_check(name: RunCheckName) -> &'static str {
    match name {
        RunCheckName::DriverCpu => "driver-busy",
        RunCheckName::AchievedRate => "rate-not-reached",
        RunCheckName::TimerLag => "driver-lag",
        RunCheckName::ClockCost => "clock-cost",
        RunCheckName::Bookkeeping => "in-flight-mismatch",
    }
}

impl RunFinding {
    fn new(severity: Severity, fact: RunFact, remedy: Option<Remedy>) -> Self {
        Self { fact, severity, action: None, remedy, fails: false, ignored: None }
    }

    /// Its stable name.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.fact.id()
    }
}

/// The findings of a run: what makes its figures unusable first, then what a reader must know, then what it may.
#[must_use]
pub fn findings(run: &RunEvidence) -> Vec<RunFinding> {
    let mut findings = checks(run);
    findings.extend(failed(run));
    findings.extend(answers(run));
    findings.extend(of_pool_and_replicas(run));
    findings.extend(run.view.iter().flat_map(of_server));
    findings.extend(conditions(run));
    let policy = &run.design.policy;
    for finding in &mut findings {
        // A limit takes the verdict away, and is never ignored.
        let ignored = policy.ignored(finding.id(), &[finding.action.as_deref()]);
        finding.ignored = ignored.filter(|_| finding.severity >= Severity::Warning).map(str::to_owned);
        finding.fails = finding.ignored.is_none() && policy.fails(finding.id());
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Checks of the driver and the machine that found something.
fn checks(run: &RunEvidence) -> Vec<RunFinding> {
    let driver = &run.driver;
    let of = |name: RunCheckName| match name {
        RunCheckName::DriverCpu => {
            (RunFact::DriverBusy { cpu_share_max: driver.cpu_share_max }, Some(Remedy::MoreDriverThreads))
        }
        RunCheckName::AchievedRate => {
            let answered = (run.all.ok + run.all.failed) as f64;
            let answered_share = run.offered.map(|offered| answered / offered.max(1.0));
            (RunFact::RateNotReached { answered_share }, Some(Remedy::LowerRate))
        }
        RunCheckName::TimerLag => {
            (RunFact::DriverLag { late_us_p99: driver.timer_lag.us_p99 }, Some(Remedy::QuietMachine))
        }
        RunCheckName::ClockCost => {
            let service_us_p50 = run.all.service.us_p50.unwrap_or_default();
            (RunFact::ClockCost { reading_ns: driver.clock_ns, service_us_p50 }, Some(Remedy::TscClock))
        }
        RunCheckName::Bookkeeping => {
            let counted = run.in_flight.map(|of| of.counted_mean);
            let expected = run.in_flight.map(|of| of.expected_mean);
            (RunFact::InFlightMismatch { counted, expected }, Some(Remedy::ReportBug))
        }
    };
    let checks = run.checks.iter().map(|check| {
        let (fact, remedy) = of(check.name);
        RunFinding::new(if check.limits { Severity::Invalid } else { Severity::Warning }, fact, remedy)
    });
    checks.collect()
}

/// Operations that failed: in all, and each action of which none was answered.
fn failed(run: &RunEvidence) -> Vec<RunFinding> {
    let failures: BTreeMap<String, u64> = run.failures.iter().map(|(class, of)| (class.clone(), of.count)).collect();
    let of = |failed: u64, due: u64, failures: BTreeMap<String, u64>| {
        let fact = RunFact::OperationsFailed { failed, failed_share: failed as f64 / due.max(1) as f64, failures };
        RunFinding::new(Severity::Warning, fact, None)
    };
    let all = (run.all.failed > 0).then(|| of(run.all.failed, run.all.due, failures));
    let silent = super::never_answered(run).map(|action| RunFinding {
        action: Some(action.name.clone()),
        ..of(action.failed, action.due, BTreeMap::new())
    });
    all.into_iter().chain(silent).collect()
}

/// Answers that came too late, too slow or too early.
fn answers(run: &RunEvidence) -> Vec<RunFinding> {
    let sum = |of: fn(&crate::evidence::run::ActionResult) -> u64| run.actions.iter().map(of).sum::<u64>();
    let (late, slow, misses) = (sum(|a| a.late), sum(|a| a.slow), sum(|a| a.misses));
    let longest_ms = run.slowest.iter().map(|of| of.service_ms).reduce(f64::max);
    let slow = run.design.slow_after_ms.filter(|_| slow > 0).map(|limit_ms| {
        RunFinding::new(Severity::Note, RunFact::AnswersSlow { answers: slow, limit_ms, longest_ms }, None)
    });
    let late = (late > 0).then(|| RunFinding::new(Severity::Warning, RunFact::AnswersLate { answers: late }, None));
    let stale = (misses > 0).then(|| RunFinding::new(Severity::Warning, RunFact::ReadsStale { reads: misses }, None));
    [late, stale, slow].into_iter().flatten().collect()
}

fn of_pool_and_replicas(run: &RunEvidence) -> Vec<RunFinding> {
    let pool = run.pool.as_ref().filter(|pool| pool.timeouts > 0).map(|pool| RunFact::PoolTimeouts {
        timeouts: pool.timeouts,
        connections: pool.connections,
        waiting_max: pool.waiting_max,
    });
    let replicas = run.replicas.iter().zip(1..).filter(|(facts, _)| facts.unreachable > 0);
    let replicas = replicas.map(|(facts, replica)| RunFact::ReplicaUnreachable { replica, looks: facts.unreachable });
    pool.into_iter().chain(replicas).map(|fact| RunFinding::new(Severity::Warning, fact, None)).collect()
}

/// What was seen of the server.
fn of_server(view: &ServerView) -> Vec<RunFinding> {
    let warning = |is_so: bool, fact: RunFact| is_so.then(|| RunFinding::new(Severity::Warning, fact, None));
    let note = |is_so: bool, fact: RunFact| is_so.then(|| RunFinding::new(Severity::Note, fact, None));
    let unseen = view
        .unavailable
        .as_ref()
        .map(|reason| RunFinding::new(Severity::Warning, RunFact::ServerUnseen { reason: reason.clone() }, None));
    let (checkpoints, autovacuum, looks) = (view.checkpoints, view.autovacuum_samples, view.samples);
    let (sessions_max, waited_s_max) = (view.blocked_max, view.blocked_s_max);
    let findings = [
        warning(view.deadlocks > 0, RunFact::Deadlocks { deadlocks: view.deadlocks }),
        note(sessions_max > 0, RunFact::LockWaits { sessions_max, waited_s_max }),
        warning(view.reset, RunFact::CountersReset {}),
        note(checkpoints + autovacuum > 0, RunFact::BackgroundActivity { checkpoints, autovacuum, looks }),
    ];
    findings.into_iter().flatten().chain(unseen).collect()
}

/// Under which conditions it was measured.
fn conditions(run: &RunEvidence) -> Vec<RunFinding> {
    let mut findings = Vec::new();
    if run.design.warm_up == WarmUpEnd::Bound {
        let fact = RunFact::NotPrimed { warm_up_s: run.design.warm_up_s };
        findings.push(RunFinding::new(Severity::Warning, fact, None));
    }
    if run.driver.reconnects > 0 {
        let fact = RunFact::ConnectionsLost { connections: run.driver.reconnects };
        findings.push(RunFinding::new(Severity::Warning, fact, None));
    }
    if let Some(of) = &run.unexercised {
        let fact = RunFact::PoliciesNotExercised { role: of.role.clone(), tables: of.tables.clone() };
        findings.push(RunFinding::new(Severity::Warning, fact, Some(Remedy::NameRole)));
    }
    findings
}

/// Whether the load of a run is an open loop: operations arrive by schedule.
#[must_use]
pub fn is_open_loop(run: &RunEvidence) -> bool {
    matches!(run.design.load, LoadFacts::Open { .. })
}
