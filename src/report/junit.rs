//! JUnit XML, for CI systems that list tests: gates, actions and findings are test cases. Must let no character
//! through that XML 1.0 forbids.

use std::io::{self, Write};

use super::chart;
use super::machine::{Document, Group, Level};

/// Writes a proof, a run or a check.
///
/// # Errors
/// When the writer fails.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let count = |group: Option<Group>, level: Option<Level>| {
        let cases = document.cases.iter().filter(|case| group.is_none_or(|group| case.group == group));
        cases.filter(|case| level.is_none_or(|level| case.level == level)).count()
    };
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="weighbridge {}" tests="{}" failures="{}" skipped="{}" time="{:.3}">"#,
        chart::escaped(&document.name),
        count(None, None),
        count(None, Some(Level::Error)),
        count(None, Some(Level::Open)),
        document.seconds
    )?;
    let timestamp = document.started_at.as_deref().map(|at| format!(r#" timestamp="{}""#, chart::escaped(at)));
    let timestamp = timestamp.unwrap_or_default();
    for group in document.groups.iter().copied() {
        writeln!(
            out,
            r#"  <testsuite name="{}" tests="{}" failures="{}" errors="0" skipped="{}"{timestamp}>"#,
            group.name(),
            count(Some(group), None),
            count(Some(group), Some(Level::Error)),
            count(Some(group), Some(Level::Open))
        )?;
        for case in document.cases(group) {
            let name = match group {
                Group::Findings if case.subject.is_empty() => case.id.to_owned(),
                Group::Findings => format!("{} {}", case.id, case.subject),
                Group::Gates | Group::Actions | Group::Migrations => case.subject.clone(),
            };
            let text = chart::escaped(&case.text);
            let inner = match case.level {
                Level::Error => format!(r#"<failure type="{}" message="{text}"/>"#, case.id),
                Level::Open => format!(r#"<skipped message="{text}"/>"#),
                Level::Warning | Level::Note | Level::Pass => format!("<system-out>{text}</system-out>"),
            };
            let (class, name) = (chart::escaped(&document.name), chart::escaped(&name));
            writeln!(out, r#"    <testcase classname="{class}" name="{name}">{inner}</testcase>"#)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}
