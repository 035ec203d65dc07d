//! What a round trip of migrations says: failures, hazards that were confirmed or not, and notes, as data. Must hold
//! no sentence: words are
//! `report::round_trip`'s.

use serde::Serialize;

use crate::evidence::Policy;
use crate::evidence::round_trip::{Difference, Down, Lock, Loss, Outcome, RoundTrip, StatementFacts, Step, Trip};
use crate::sql::{AlterTable, Command, Object, Rule, TableAction, parse_one};

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckFinding {
    /// Its stable id.
    pub id: &'static str,
    /// What it does to the result.
    pub severity: Severity,
    /// Whether it happened on the data.
    pub status: Status,
    /// The migration; the whole range where there is none.
    pub step: Option<String>,
    /// The statement's line in its file, from 1.
    pub line: Option<usize>,
    /// What it is about: a table, an index, a role.
    pub object: Option<String>,
    /// Rows that matter.
    pub rows: Option<i64>,
    /// How long others wait, in milliseconds.
    pub held_ms: Option<f64>,
    /// More, such as the server's message, a lock mode or a query.
    pub detail: Option<String>,
    /// Why the project accepts it.
    pub ignored: Option<String>,
}

/// What a finding does to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The check fails.
    Failure,
    /// The reader should know it; a gate may make it fail.
    Warning,
    /// It is harmless or was not exercised.
    Note,
}

/// Whether a hazard happened on the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was seen.
    Confirmed,
    /// The table is new or empty.
    HarmlessHere,
    /// Nothing here could show it.
    NotExercised,
}

/// Every id, with what it is about in a few words; `docs/findings/` has a page for each.
pub const IDS: [&str; 31] = [
    "up-fails",
    "down-fails",
    "down-empty",
    "down-absent",
    "second-up-fails",
    "schema-not-restored",
    "column-order-changed",
    "schema-differs-after-second-up",
    "data-lost",
    "data-lost-on-revert",
    "data-changed",
    "revert-fails-on-new-data",
    "index-built-under-lock",
    "index-dropped-under-lock",
    "reindex-under-lock",
    "partition-detached-under-lock",
    "unique-built-under-lock",
    "table-rewritten",
    "constraint-validated-under-lock",
    "constraint-validated-in-one-transaction",
    "required-column",
    "rows-break-constraint",
    "concurrently-in-transaction",
    "enum-value-used-in-transaction",
    "old-application-breaks",
    "backfill-with-ddl",
    "backfill-in-one-statement",
    "lock-on-other-table",
    "no-lock-timeout",
    "cluster-wide-object",
    "invalid-index",
];

/// What the facts say, the worst first.
#[must_use]
pub fn findings(trip: &RoundTrip, policy: &Policy) -> Vec<CheckFinding> {
    let mut found: Vec<CheckFinding> = Vec::new();
    for step in &trip.steps {
        let mut own = Vec::new();
        staircase(&step.trip, &mut own);
        changed_values(step, &mut own);
        new_rows(step, &mut own);
        hazards(step, &mut own);
        own.iter_mut().for_each(|finding| finding.step = Some(step.label.clone()));
        found.extend(own);
    }
    if let Some(range) = &trip.range {
        let mut own = Vec::new();
        staircase(range, &mut own);
        // What a step by itself shows is not repeated.
        let known = |finding: &CheckFinding| found.iter().any(|f| f.id == finding.id && f.object == finding.object);
        own.retain(|finding| !known(finding));
        found.extend(own);
    }
    for finding in &mut found {
        let accepted = policy.ignore.iter().find(|ignored| {
            ignored.finding == finding.id && ignored.on.as_ref().is_none_or(|on| finding.object.as_ref() == Some(on))
        });
        if let Some(accepted) = accepted {
            finding.ignored = Some(accepted.because.clone());
            finding.severity = Severity::Note;
        } else if policy.fail.iter().any(|id| id == finding.id) && finding.status == Status::Confirmed {
            finding.severity = Severity::Failure;
        }
    }
    found.sort_by_key(|finding| (finding.severity, finding.status));
    found
}

/// Whether the check fails.
#[must_use]
pub fn fails(findings: &[CheckFinding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Failure)
}

fn finding(id: &'static str, severity: Severity, status: Status) -> CheckFinding {
    let (step, line, object, rows, held_ms, detail, ignored) = (None, None, None, None, None, None, None);
    CheckFinding { id, severity, status, step, line, object, rows, held_ms, detail, ignored }
}

fn failure(id: &'static str) -> CheckFinding {
    finding(id, Severity::Failure, Status::Confirmed)
}

fn staircase(trip: &Trip, found: &mut Vec<CheckFinding>) {
    if let Outcome::Refused(refused) = &trip.up {
        let id = match refused.code.as_deref() {
            Some("25001") => "concurrently-in-transaction",
            Some("55P04") => "enum-value-used-in-transaction",
            _ => "up-fails",
        };
        found.push(CheckFinding { detail: Some(refused.message.clone()), ..failure(id) });
        return;
    }
    let changed = trip.after_down.iter().any(|difference| difference.kind != "column-order");
    match &trip.down {
        Down::Absent => found.push(finding("down-absent", Severity::Warning, Status::Confirmed)),
        Down::Empty if changed => found.push(failure("down-empty")),
        Down::Sent(Outcome::Refused(refused)) => {
            found.push(CheckFinding { detail: Some(refused.message.clone()), ..failure("down-fails") });
        }
        _ => {}
    }
    if let Some(Outcome::Refused(refused)) = &trip.second_up {
        found.push(CheckFinding { detail: Some(refused.message.clone()), ..failure("second-up-fails") });
    }
    let is_empty = trip.down == Down::Empty;
    for difference in trip.after_down.iter().filter(|_| !is_empty) {
        let (object, detail) = (Some(difference.name.clone()), Some(described(difference)));
        let one = match difference.kind.as_str() {
            "column-order" => finding("column-order-changed", Severity::Note, Status::Confirmed),
            _ => failure("schema-not-restored"),
        };
        found.push(CheckFinding { object, detail, ..one });
    }
    for difference in trip.after_second_up.iter().filter(|difference| difference.kind != "column-order") {
        let (object, detail) = (Some(difference.name.clone()), Some(described(difference)));
        found.push(CheckFinding { object, detail, ..failure("schema-differs-after-second-up") });
    }
    let gone = trip.lost.iter().filter(|loss| !loss.is_changed);
    found.extend(gone.map(|loss| lost(loss, failure("data-lost"))));
}

fn lost(loss: &Loss, finding: CheckFinding) -> CheckFinding {
    let object = match &loss.column {
        Some(column) => format!("{}.{column}", loss.table),
        None => loss.table.clone(),
    };
    CheckFinding { object: Some(object), rows: Some(loss.rows), ..finding }
}

/// `enum` with what it was and what it is.
fn described(difference: &Difference) -> String {
    match (&difference.before, &difference.after) {
        (None, Some(_)) => format!("{} is left", difference.kind),
        (Some(_), None) => format!("{} is gone", difference.kind),
        (before, after) => {
            let (before, after) = (before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default());
            format!("{}: `{before}` became `{after}`", difference.kind)
        }
    }
}

/// Values that are others after the down: a statement of the step changed rows, or its types did.
fn changed_values(step: &Step, found: &mut Vec<CheckFinding>) {
    let writes =
        |loss: &Loss| step.statements.iter().any(|s| s.changed.iter().any(|table| table.relation == loss.table));
    for loss in step.trip.lost.iter().filter(|loss| loss.is_changed) {
        let one = match writes(loss) {
            true => finding("data-changed", Severity::Note, Status::Confirmed),
            false => failure("data-lost"),
        };
        found.push(lost(loss, one));
    }
}

fn new_rows(step: &Step, found: &mut Vec<CheckFinding>) {
    let Some(new) = &step.new_rows else { return };
    if let Outcome::Refused(refused) = &new.down {
        found.push(CheckFinding { detail: Some(refused.message.clone()), ..failure("revert-fails-on-new-data") });
        return;
    }
    // What the down loses of old rows is a failure already.
    let known = |loss: &Loss| step.trip.lost.iter().any(|old| old.table == loss.table && old.column == loss.column);
    for loss in new.lost.iter().filter(|loss| !known(loss) && !loss.is_changed) {
        found.push(lost(loss, finding("data-lost-on-revert", Severity::Warning, Status::Confirmed)));
    }
}

/// A lock of this strength or more blocks writers.
fn blocks_writes(mode: &str) -> bool {
    ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"].contains(&mode)
}

/// The strongest lock of a statement on a table, with rows.
fn lock<'s>(statement: &'s StatementFacts, table: &str) -> Option<&'s Lock> {
    statement.locks.iter().find(|lock| bare(&lock.relation) == table)
}

fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}

fn hazards(step: &Step, found: &mut Vec<CheckFinding>) {
    for role in &step.cluster_objects {
        found.push(CheckFinding { object: Some(role.clone()), ..failure("cluster-wide-object") });
    }
    for index in &step.invalid_indexes {
        found.push(CheckFinding { object: Some(index.clone()), ..failure("invalid-index") });
    }
    // What the up itself mends first breaks nothing; a constraint that is NOT VALID is validated later.
    let applied = step.trip.up.is_applied();
    for violation in step.violations.iter().filter(|violation| !applied || violation.rule.ends_with("NOT VALID")) {
        let id =
            if violation.rule.ends_with("without a default") { "required-column" } else { "rows-break-constraint" };
        found.push(CheckFinding {
            object: Some(violation.table.clone()),
            rows: Some(violation.rows),
            detail: Some(format!("{}: {}", violation.rule, violation.query)),
            ..failure(id)
        });
    }
    for refused in &step.refused_actions {
        let detail = Some(format!("{} ({})", refused.message, refused.code));
        found.push(CheckFinding { object: Some(refused.action.clone()), detail, ..failure("old-application-breaks") });
    }
    let mut held: Vec<Lock> = Vec::new();
    for statement in &step.statements {
        let mut own = Vec::new();
        // A lock that an earlier statement of the transaction took is held on.
        held.retain(|lock| step.in_transaction && !statement.locks.iter().any(|new| new.relation == lock.relation));
        let with_held = StatementFacts { locks: [held.clone(), statement.locks.clone()].concat(), ..statement.clone() };
        of_statement(step, (statement, &with_held), &mut own);
        held.extend(statement.locks.iter().cloned());
        own.iter_mut().for_each(|finding| finding.line = Some(statement.line));
        found.extend(own);
    }
    backfills(step, found);
    validated_at_once(step, found);
}

/// Whether a table was there with rows before the file, as its locks show.
fn exercised(table: &str, statement: &StatementFacts) -> (Status, Severity, Option<f64>, Option<i64>) {
    match lock(statement, table) {
        Some(lock) if lock.rows > 0 => (Status::Confirmed, Severity::Failure, Some(lock.held_ms), Some(lock.rows)),
        Some(lock) => (Status::HarmlessHere, Severity::Note, Some(lock.held_ms), Some(lock.rows)),
        None => (Status::HarmlessHere, Severity::Note, None, None),
    }
}

/// `own` has the locks that the statement takes, `all` also those that are held.
fn of_statement(step: &Step, (own, all): (&StatementFacts, &StatementFacts), found: &mut Vec<CheckFinding>) {
    let statement = all;
    let Some(parsed) = parse_one(&statement.sql) else { return };
    let mut add = |id: &'static str, table: &str| {
        let (status, severity, held_ms, rows) = exercised(table, statement);
        found.push(CheckFinding { object: Some(table.to_owned()), rows, held_ms, ..finding(id, severity, status) });
    };
    match &parsed.command {
        Command::CreateIndex(index) if !index.concurrently && !index.only => {
            add("index-built-under-lock", &index.table.name);
        }
        Command::Drop(drop) if drop.object == Object::Index && !drop.concurrently => {
            let tables: Vec<&Lock> = own.locks.iter().filter(|lock| blocks_writes(&lock.mode)).collect();
            tables.iter().for_each(|lock| add("index-dropped-under-lock", bare(&lock.relation)));
        }
        Command::Reindex { concurrently: false, .. } => {
            let tables: Vec<&Lock> = statement.locks.iter().filter(|lock| blocks_writes(&lock.mode)).collect();
            tables.iter().for_each(|lock| add("reindex-under-lock", bare(&lock.relation)));
        }
        Command::AlterTable(alter) => {
            for id in of_table(alter) {
                add(id, &alter.name.name);
            }
        }
        _ => {}
    }
    for table in &statement.rewritten {
        let (status, severity) = match table.rows {
            0 => (Status::HarmlessHere, Severity::Note),
            _ => (Status::Confirmed, Severity::Failure),
        };
        // CLUSTER, VACUUM FULL and REFRESH are asked to rewrite; they block as well.
        let held_ms = lock(statement, bare(&table.relation)).map(|lock| lock.held_ms);
        let object = Some(bare(&table.relation).to_owned());
        found.push(CheckFinding {
            object,
            rows: Some(table.rows),
            held_ms,
            ..finding("table-rewritten", severity, status)
        });
    }
    scanned(&parsed.command, statement, found);
    for other in own.locks.iter().filter(|lock| !lock.is_named && lock.rows > 0 && blocks_writes(&lock.mode)) {
        // An index is named in the place of its table.
        let names_index = matches!(&parsed.command, Command::Drop(drop) if drop.object == Object::Index)
            || matches!(parsed.command, Command::Reindex { .. } | Command::AlterIndex { .. });
        if !names_index {
            found.push(CheckFinding {
                object: Some(bare(&other.relation).to_owned()),
                rows: Some(other.rows),
                held_ms: Some(other.held_ms),
                detail: Some(other.mode.clone()),
                ..finding("lock-on-other-table", Severity::Warning, Status::Confirmed)
            });
        }
    }
    let strong = own.locks.iter().find(|lock| lock.rows > 0 && blocks_writes(&lock.mode));
    let first = !found.iter().any(|finding| finding.id == "no-lock-timeout");
    if let Some(strong) = strong.filter(|_| statement.lock_timeout_ms == 0 && first) {
        let object = Some(bare(&strong.relation).to_owned());
        let detail = Some(strong.mode.clone());
        found.push(CheckFinding { object, detail, ..finding("no-lock-timeout", Severity::Note, Status::Confirmed) });
    }
    renames(step, &parsed.command, statement, found);
}

/// Actions whose danger is the lock itself.
fn of_table(alter: &AlterTable) -> Vec<&'static str> {
    let mut ids = Vec::new();
    for action in &alter.actions {
        match action {
            TableAction::DetachPartition { concurrently: false, finalize: false, .. } => {
                ids.push("partition-detached-under-lock");
            }
            TableAction::AddConstraint(constraint) => match &constraint.rule {
                Rule::Unique(key) | Rule::PrimaryKey(key) if key.using_index.is_none() => {
                    ids.push("unique-built-under-lock");
                }
                Rule::Exclude => ids.push("unique-built-under-lock"),
                _ => {}
            },
            _ => {}
        }
    }
    ids
}

/// Constraints that read every row while writers wait.
fn scanned(command: &Command, statement: &StatementFacts, found: &mut Vec<CheckFinding>) {
    let Command::AlterTable(alter) = command else { return };
    let checks = alter.actions.iter().any(|action| match action {
        TableAction::SetNotNull(_) | TableAction::AttachPartition(_) => true,
        TableAction::AddConstraint(constraint) => {
            matches!(constraint.rule, Rule::Check(_) | Rule::ForeignKey { .. } | Rule::NotNull(_))
        }
        TableAction::AddColumn { column, .. } => column
            .constraints
            .iter()
            .any(|constraint| matches!(constraint.rule, Rule::Check(_) | Rule::ForeignKey { .. })),
        _ => false,
    });
    let rewritten = |table: &str| statement.rewritten.iter().any(|other| other.relation == table);
    for table in statement.scanned.iter().filter(|table| checks && !rewritten(&table.relation)) {
        let Some(lock) = statement.locks.iter().find(|lock| lock.relation == table.relation) else { continue };
        if blocks_writes(&lock.mode) {
            found.push(CheckFinding {
                object: Some(bare(&table.relation).to_owned()),
                rows: Some(table.rows),
                held_ms: Some(lock.held_ms),
                detail: Some(lock.mode.clone()),
                ..failure("constraint-validated-under-lock")
            });
        }
    }
}

/// Renames and drops, which an application that runs meanwhile does not know.
fn renames(step: &Step, command: &Command, statement: &StatementFacts, found: &mut Vec<CheckFinding>) {
    if !step.refused_actions.is_empty() {
        return;
    }
    let object = match command {
        Command::AlterTable(alter) => {
            let gone = alter.actions.iter().find_map(|action| match action {
                TableAction::DropColumn { column, .. } | TableAction::RenameColumn { from: column, .. } => {
                    Some(format!("{}.{column}", alter.name.name))
                }
                TableAction::Rename(_) | TableAction::SetSchema(_) => Some(alter.name.name.clone()),
                _ => None,
            });
            gone.filter(|_| lock(statement, &alter.name.name).is_some())
        }
        Command::Drop(drop) if matches!(drop.object, Object::Table | Object::View) => {
            drop.names.first().map(|name| name.name.clone())
        }
        _ => None,
    };
    if let Some(object) = object {
        // Where the application was asked it does not need it.
        let (status, severity) = match step.actions_asked {
            0 => (Status::NotExercised, Severity::Warning),
            _ => (Status::HarmlessHere, Severity::Note),
        };
        found.push(CheckFinding { object: Some(object), ..finding("old-application-breaks", severity, status) });
    }
}

/// Rows that are changed while a table is locked for everybody, or all rows of a table in one statement.
fn backfills(step: &Step, found: &mut Vec<CheckFinding>) {
    let mut locked: Option<&Lock> = None;
    for statement in &step.statements {
        let own = statement.locks.iter().find(|lock| lock.mode == "AccessExclusiveLock" && lock.rows > 0);
        let is_write = matches!(
            parse_one(&statement.sql).map(|parsed| parsed.command),
            Some(Command::Update(_) | Command::Delete(_) | Command::Insert(_) | Command::Do { .. } | Command::Merge(_))
        );
        for table in statement.changed.iter().filter(|_| is_write) {
            if let Some(lock) = locked {
                found.push(CheckFinding {
                    line: Some(statement.line),
                    object: Some(bare(&lock.relation).to_owned()),
                    rows: Some(table.rows),
                    held_ms: Some(lock.held_ms),
                    ..failure("backfill-with-ddl")
                });
                continue;
            }
            let rows = step.statements.iter().flat_map(|s| &s.locks).find(|lock| lock.relation == table.relation);
            let all = rows.map_or(
                statement.scanned.iter().any(|s| s.relation == table.relation && s.rows == table.rows),
                |lock| lock.rows <= table.rows,
            );
            if all && table.rows > 0 {
                let object = Some(bare(&table.relation).to_owned());
                let one = failure("backfill-in-one-statement");
                found.push(CheckFinding { line: Some(statement.line), object, rows: Some(table.rows), ..one });
            }
        }
        locked = own.or(locked).filter(|_| step.in_transaction);
    }
}

/// `NOT VALID` and `VALIDATE` in one transaction: the first one's lock is held through the second one's scan.
fn validated_at_once(step: &Step, found: &mut Vec<CheckFinding>) {
    if !step.in_transaction {
        return;
    }
    let mut added: Option<(&StatementFacts, String)> = None;
    for statement in &step.statements {
        let Some(Command::AlterTable(alter)) = parse_one(&statement.sql).map(|parsed| parsed.command) else { continue };
        for action in &alter.actions {
            match action {
                TableAction::AddConstraint(constraint) if constraint.not_valid => {
                    added = Some((statement, alter.name.name.clone()));
                }
                TableAction::ValidateConstraint(_) => {
                    let Some((first, table)) = &added else { continue };
                    let Some(lock) = lock(first, table).filter(|lock| lock.rows > 0) else { continue };
                    found.push(CheckFinding {
                        line: Some(statement.line),
                        object: Some(table.clone()),
                        rows: Some(lock.rows),
                        held_ms: Some(lock.held_ms),
                        detail: Some(lock.mode.clone()),
                        ..failure("constraint-validated-in-one-transaction")
                    });
                }
                _ => {}
            }
        }
    }
}
