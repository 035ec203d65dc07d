//! A check of migrations as a list of cases, for programs of others. Must name a file only where its statements were
//! read from it.

use super::machine::{Case, Document, Group, Level, Place};
use super::round_trip::{Checked, course, words};
use crate::compare::round_trip::{CheckFinding, Severity, fails};
use crate::evidence::round_trip::{Down, Outcome, Step, Trip};
use crate::units::{plural, printable};

impl Document {
    /// That of a check: a case for each finding, and one for each migration without a failure.
    #[must_use]
    pub fn of_check(checked: Checked<'_>) -> Self {
        let Checked { trip, findings } = checked;
        let failing = |step: &Step| {
            let mut own = findings.iter().filter(|finding| finding.step.as_ref() == Some(&step.label));
            own.any(|finding| finding.severity == Severity::Failure)
        };
        let passed = trip.steps.iter().filter(|step| !failing(step)).map(|step| Case {
            group: Group::Migrations,
            level: Level::Pass,
            id: "migration-passed",
            subject: printable(&step.label).into_owned(),
            text: course(&step.trip),
            place: place(step, None),
            ignored: None,
        });
        let step = |finding: &CheckFinding| trip.steps.iter().find(|step| Some(&step.label) == finding.step.as_ref());
        let cases = passed.chain(findings.iter().map(|finding| case(finding, step(finding)))).collect();
        let failures = findings.iter().filter(|finding| finding.severity == Severity::Failure).count();
        let word = if fails(findings) { "failed" } else { "passed" };
        let ms: f64 = trip.steps.iter().map(|step| &step.trip).chain(&trip.range).map(duration_ms).sum();
        Self {
            name: printable(&trip.label).into_owned(),
            headline: format!("{word}: {}, {}", plural(trip.steps.len(), "migration"), plural(failures, "failure")),
            started_at: None,
            seconds: ms / 1e3,
            groups: Group::CHECKED,
            cases,
            figures: Vec::new(),
        }
    }
}

fn case(finding: &CheckFinding, step: Option<&Step>) -> Case {
    let object = finding.object.as_deref().map(|object| object.strip_prefix("public.").unwrap_or(object));
    let parts = [finding.step.as_deref(), object];
    let subject = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Case {
        group: Group::Findings,
        level: match finding.severity {
            _ if finding.ignored.is_some() => Level::Pass,
            Severity::Failure => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Note,
        },
        id: finding.id,
        subject: printable(&subject).into_owned(),
        text: printable(&words(finding)).into_owned(),
        place: step.and_then(|step| place(step, finding.line)),
        ignored: finding.ignored.as_deref().map(|because| printable(because).into_owned()),
    }
}

/// A line of the migration's file. SQL of a flag and commands of a shell have no file.
fn place(step: &Step, line: Option<usize>) -> Option<Place> {
    let is_file = !step.statements.is_empty() && !step.file.starts_with("--");
    is_file.then(|| Place { file: printable(&step.file).into_owned(), line })
}

fn duration_ms(trip: &Trip) -> f64 {
    let down = match &trip.down {
        Down::Sent(outcome) => Some(outcome),
        Down::Absent | Down::Empty | Down::NotReached => None,
    };
    let outcomes = [Some(&trip.up), down, trip.second_up.as_ref()].into_iter().flatten();
    outcomes
        .map(|outcome| match outcome {
            Outcome::Applied { duration_ms } => *duration_ms,
            Outcome::Refused(_) => 0.0,
        })
        .sum()
}
