//! A round trip of migrations as text, Markdown or JSON. Must decide nothing.

use std::io::{self, Write};

use serde::Serialize;

use super::page::{Page, broken, joined};
use super::printable::printable_json;
use crate::compare::round_trip::{CheckFinding, Severity, Status, fails};
use crate::evidence::round_trip::{Down, Outcome, RoundTrip, StatementFacts, Step, Trip};
use crate::units::{bytes_text, count_text, plural};

/// A round trip with what it says.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Checked<'c> {
    /// What was seen.
    #[serde(flatten)]
    pub trip: &'c RoundTrip,
    /// What it says, the worst first.
    pub findings: &'c [CheckFinding],
}

/// For a terminal: within the page, every number of a statement below it.
///
/// # Errors
/// When the writer fails.
pub fn write(checked: Checked<'_>, page: &Page, out: &mut impl Write) -> io::Result<()> {
    let Checked { trip, findings } = checked;
    let mut line_of = |indent: usize, text: &str| writeln!(out, "{:indent$}{}", "", page.text(text));
    let room = |indent: usize| page.columns().saturating_sub(indent);
    line_of(0, &format!("{}    {}", trip.label, if fails(findings) { "FAILED" } else { "PASSED" }))?;
    let rows = count_text(u64::try_from(trip.rows).unwrap_or_default());
    let steps = plural(trip.steps.len(), "step");
    line_of(2, &format!("{steps} · {} · PostgreSQL {} · {rows} rows\n", trip.layout, trip.server))?;
    for step in &trip.steps {
        line_of(2, &step.label)?;
        line_of(4, &course(&step.trip))?;
        for statement in &step.statements {
            line_of(4, &head(statement, room(4)))?;
            joined(&effects(statement), room(7)).iter().try_for_each(|line| line_of(7, line))?;
        }
    }
    if let Some(range) = &trip.range {
        line_of(2, &format!("all steps  {}", course(range)))?;
    }
    for (severity, title) in
        [(Severity::Failure, "failures"), (Severity::Warning, "warnings"), (Severity::Note, "notes")]
    {
        let own: Vec<&CheckFinding> = findings.iter().filter(|finding| finding.severity == severity).collect();
        if !own.is_empty() {
            line_of(0, &format!("\n{title}"))?;
        }
        for text in own.iter().map(|finding| line(finding)) {
            for (at, text) in text.lines().enumerate() {
                let indent = if at == 0 { 2 } else { 4 };
                for (number, part) in broken(text.trim_start(), room(6)).iter().enumerate() {
                    line_of(if number == 0 { indent } else { 6 }, part)?;
                }
            }
        }
    }
    for step in &trip.steps {
        if let Some(help) = by_hand(step) {
            line_of(0, &format!("\n{help}"))?;
        }
    }
    Ok(())
}

/// Characters of a statement in Markdown.
const MARKDOWN_ROOM: usize = 66;

/// For a pull request.
///
/// # Errors
/// When the writer fails.
pub fn markdown(checked: Checked<'_>, out: &mut impl Write) -> io::Result<()> {
    let Checked { trip, findings } = checked;
    writeln!(out, "**{}: {}**\n", trip.label, if fails(findings) { "failed" } else { "passed" })?;
    writeln!(out, "| finding | status | where | |\n| --- | --- | --- | --- |")?;
    for finding in findings.iter().filter(|finding| finding.severity != Severity::Note) {
        let place = finding.step.as_deref().unwrap_or("all steps");
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let safer = safer(finding.id).map(|text| format!("; safer: {text}")).unwrap_or_default();
        let words = format!("{}{safer}", words(finding)).replace('|', "\\|").replace('\n', " ");
        writeln!(out, "| `{}` | {} | {place}{line} | {words} |", finding.id, status(finding.status))?;
    }
    let notes = findings.iter().filter(|finding| finding.severity == Severity::Note).count();
    writeln!(
        out,
        "\n<details><summary>{}, {}</summary>\n\n```",
        plural(trip.steps.len(), "step"),
        plural(notes, "note")
    )?;
    for step in &trip.steps {
        writeln!(out, "{}  {}", step.label, course(&step.trip))?;
        for statement in &step.statements {
            writeln!(out, "  {}  {}", head(statement, MARKDOWN_ROOM), effects(statement).join(" · "))?;
        }
    }
    let notes = findings.iter().filter(|finding| finding.severity == Severity::Note);
    notes.into_iter().try_for_each(|finding| writeln!(out, "{}", line(finding)))?;
    writeln!(out, "```\n</details>")
}

/// For programs.
///
/// # Errors
/// When the writer fails.
pub fn json(checked: Checked<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&checked)?))
}

/// Up, down and up with their times.
pub(super) fn course(trip: &Trip) -> String {
    let one = |name: &str, outcome: &Outcome| match outcome {
        Outcome::Applied { duration_ms } => format!("{name} {duration_ms:.1} ms"),
        Outcome::Refused(_) => format!("{name} refused"),
    };
    let down = match &trip.down {
        Down::Absent => Some("no down".to_owned()),
        Down::Empty => Some("down is empty".to_owned()),
        Down::Sent(outcome) => Some(one("down", outcome)),
        Down::NotReached => None,
    };
    let parts = [Some(one("up", &trip.up)), down, trip.second_up.as_ref().map(|outcome| one("up again", outcome))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Where a statement begins, and its first line.
fn head(statement: &StatementFacts, room: usize) -> String {
    let first = statement.sql.lines().next().unwrap_or_default();
    let number = format!("{}: ", statement.line);
    let cut: String = first.chars().take(room.saturating_sub(number.len() + 2)).collect();
    let more = if cut.len() < statement.sql.len() { " …" } else { "" };
    format!("{number}{cut}{more}")
}

/// What a statement took, locked, rewrote and read.
fn effects(statement: &StatementFacts) -> Vec<String> {
    let mut parts = vec![format!("{:.1} ms", statement.duration_ms)];
    parts.extend(statement.locks.iter().map(|lock| {
        let mode = lock.mode.trim_end_matches("Lock");
        format!("{mode} on {} for {:.1} ms", bare(&lock.relation), lock.held_ms)
    }));
    parts.extend(statement.rewritten.iter().map(|table| format!("rewrites {}", bare(&table.relation))));
    parts.extend(
        statement.scanned.iter().map(|table| format!("reads {} rows of {}", table.rows, bare(&table.relation))),
    );
    if statement.wal_bytes > 0 {
        parts.push(format!("WAL {}", bytes_text(statement.wal_bytes.unsigned_abs())));
    }
    if statement.size_bytes > 0 {
        parts.push(format!("+{}", bytes_text(statement.size_bytes.unsigned_abs())));
    }
    parts
}

fn bare(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Confirmed => "confirmed",
        Status::HarmlessHere => "harmless here",
        Status::NotExercised => "not exercised",
    }
}

fn line(finding: &CheckFinding) -> String {
    let place = finding.step.as_deref().unwrap_or("all steps");
    let number = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let ignored = finding.ignored.as_ref().map(|because| format!(" (ignored: {because})")).unwrap_or_default();
    let state =
        if finding.status == Status::Confirmed { String::new() } else { format!(" ({})", status(finding.status)) };
    let safer = safer(finding.id).filter(|_| finding.severity != Severity::Note);
    let safer = safer.map(|text| format!("\n      safer: {text}")).unwrap_or_default();
    format!("{}  {place}{number}: {}{state}{ignored}{safer}", finding.id, words(finding))
}

/// A finding as a sentence.
pub(super) fn words(finding: &CheckFinding) -> String {
    let object = finding.object.as_deref().map(bare).unwrap_or_default();
    let detail = finding.detail.as_deref().unwrap_or_default();
    let rows = finding.rows.unwrap_or_default();
    let held = finding.held_ms.map(|held| format!(" for {held:.1} ms")).unwrap_or_default();
    match finding.id {
        "up-fails" => format!("the server refuses the migration: {detail}"),
        "down-fails" => format!("the down fails: {detail}"),
        "down-empty" => "the down is empty, and the up changes the schema: it cannot be rolled back".to_owned(),
        "down-absent" => "nothing reverts this migration".to_owned(),
        "second-up-fails" => format!("after the down the up fails: {detail}"),
        "schema-not-restored" => format!("after the down {object} differs: {detail}"),
        "column-order-changed" => format!("after the down the columns of {object} have another order: {detail}"),
        "schema-differs-after-second-up" => format!("the second up makes {object} differ from the first: {detail}"),
        "data-lost" => {
            format!("after the down {rows} rows or values of {object} are gone, which were there before the up")
        }
        "data-lost-on-revert" => {
            format!("the down loses {rows} rows or values of {object} that were written on the new schema")
        }
        "data-changed" => format!("the migration changes values of {object}, and the down does not change them back"),
        "revert-fails-on-new-data" => format!("the down fails once rows are written on the new schema: {detail}"),
        "index-built-under-lock" => format!("an index is built on {object} ({rows} rows) while writes wait{held}"),
        "index-dropped-under-lock" => {
            format!("an index of {object} ({rows} rows) is dropped while everybody waits{held}")
        }
        "reindex-under-lock" => format!("an index of {object} ({rows} rows) is built again while writes wait{held}"),
        "partition-detached-under-lock" => format!("a partition of {object} is detached while everybody waits{held}"),
        "unique-built-under-lock" => {
            format!("a unique index is built on {object} ({rows} rows) while everybody waits{held}")
        }
        "table-rewritten" => format!("{object} ({rows} rows) is written again while everybody waits{held}"),
        "constraint-validated-under-lock" => format!("{rows} rows of {object} are read under {detail}{held}"),
        "constraint-validated-in-one-transaction" => {
            format!("the constraint of {object} is validated in the transaction that adds it, under {detail}{held}")
        }
        "required-column" => {
            format!("{object} has {rows} rows, and a required column without a default is refused: {detail}")
        }
        "rows-break-constraint" => format!("{rows} rows of {object} break {detail}"),
        "concurrently-in-transaction" | "enum-value-used-in-transaction" => detail.to_owned(),
        "old-application-breaks" if detail.is_empty() => {
            format!("the application that runs meanwhile may still name {object}")
        }
        "old-application-breaks" => format!("the old application's {object} fails on the new schema: {detail}"),
        "backfill-with-ddl" => format!("{rows} rows are changed while {object} is locked for everybody{held}"),
        "backfill-in-one-statement" => format!("all {rows} rows of {object} are changed in one statement"),
        "lock-on-other-table" => {
            format!("{object} ({rows} rows), which the statement does not name, is locked ({detail}){held}")
        }
        "no-lock-timeout" => format!("{detail} on {object} is waited for without a lock_timeout"),
        "invalid-index" => {
            format!("the index {object} is invalid afterwards: writes maintain it, and no query uses it")
        }
        "cluster-wide-object" => format!("{object} belongs to no database: on a second one the migration fails"),
        other => format!("{other}: {object} {detail}"),
    }
}

/// What a safer form looks like.
fn safer(id: &str) -> Option<&'static str> {
    Some(match id {
        "index-built-under-lock" => "CREATE INDEX CONCURRENTLY, outside of a transaction",
        "index-dropped-under-lock" => "DROP INDEX CONCURRENTLY, outside of a transaction",
        "reindex-under-lock" => "REINDEX … CONCURRENTLY, outside of a transaction",
        "partition-detached-under-lock" => "DETACH PARTITION … CONCURRENTLY, outside of a transaction",
        "unique-built-under-lock" => "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX",
        "table-rewritten" => "add a new column, fill it in batches, and switch over",
        "constraint-validated-under-lock" => {
            "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT in another migration"
        }
        "constraint-validated-in-one-transaction" => "VALIDATE CONSTRAINT in a migration of its own",
        "required-column" => "add the column with a default, or without NOT NULL, fill it, then SET NOT NULL",
        "rows-break-constraint" => "mend the rows in a migration before this one",
        "backfill-with-ddl" => "change rows in a migration of its own, in batches",
        "backfill-in-one-statement" => "change rows in batches, each in its own transaction",
        "old-application-breaks" => "add the new one, deploy an application that uses it, then drop the old one",
        "enum-value-used-in-transaction" => "add the value in a migration of its own",
        "no-lock-timeout" => "SET lock_timeout = '2s' first, and try again where it is reached",
        "cluster-wide-object" => "make roles outside of migrations, or only where they are missing",
        _ => return None,
    })
}

/// What a down that is missing would have to do.
fn by_hand(step: &Step) -> Option<String> {
    let is_missing = matches!(step.trip.down, Down::Absent | Down::Empty);
    let changes: Vec<_> = step.changes.iter().filter(|change| change.kind != "column-order").collect();
    if !is_missing || changes.is_empty() {
        return None;
    }
    let lines: Vec<String> = changes
        .iter()
        .map(|change| match (&change.before, &change.after) {
            (None, _) => format!("    remove {} {}", change.kind, change.name),
            (Some(before), None) => format!("    make {} {} again: {before}", change.kind, change.name),
            (Some(before), _) => format!("    bring {} {} back to {before}", change.kind, change.name),
        })
        .collect();
    Some(format!("a down of {} would have to (--down FILE tries one):\n{}", step.label, lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use crate::compare::round_trip::IDS;

    #[test]
    fn every_finding_has_words_and_a_page() {
        for id in IDS {
            let finding = super::CheckFinding {
                id,
                severity: super::Severity::Failure,
                status: super::Status::Confirmed,
                step: None,
                line: None,
                object: Some("t".into()),
                rows: Some(1),
                held_ms: None,
                detail: Some("d".into()),
                ignored: None,
            };
            assert!(!super::words(&finding).starts_with(id), "{id} has no words");
            let path = format!("{}/docs/findings/{id}.md", env!("CARGO_MANIFEST_DIR"));
            let page = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{id} has no page"));
            for part in ["Cause", "How it is measured", "What to do", "Example"] {
                assert!(page.contains(&format!("## {part}")), "{id} has no `{part}`");
            }
        }
    }
}
