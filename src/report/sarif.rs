//! SARIF 2.1.0, for services that show results of analyses: what fails and what a reader should know. Must name no
//! file that it did not read: places
//! are logical (an action, an index, a table).

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Trial;
use super::machine::{Case, Document, Level};
use super::printable::{PrintableTrial, printable_json, with_printable_names};
use crate::evidence::run::RunEvidence;

/// Writes a proof.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let printable = PrintableTrial::of(trial);
    document(&Document::of_trial(printable.trial()), out)
}

/// Writes a run.
///
/// # Errors
/// When the writer fails.
pub fn write_run(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    document(&Document::of_run(printable.as_ref().unwrap_or(run)), out)
}

fn document(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let shown = || document.cases.iter().filter(|case| case.level != Level::Pass || case.ignored.is_some());
    let ids: BTreeSet<&str> = shown().map(|case| case.id).collect();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Value> = shown().map(|case| result(document, case)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "weighbridge", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "automationDetails": { "id": format!("weighbridge/{}", document.name) },
            "invocations": [{
                "executionSuccessful": true,
                "startTimeUtc": document.started_at,
                "exitCodeDescription": document.headline,
            }],
            "results": results,
        }],
    });
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&log)?))
}

fn rule(id: &str) -> Value {
    let help = match id {
        "gate" | "run-failed" => "a condition of weighbridge.toml or --gate (docs/formats/scenario.md)".to_owned(),
        of if of.starts_with("action-") => "the verdict of an action (docs/method.md)".to_owned(),
        of => format!("docs/findings/{of}.md has its cause, how it is measured and what to do"),
    };
    json!({ "id": id, "shortDescription": { "text": id.replace('-', " ") }, "help": { "text": help } })
}

fn result(document: &Document, case: &Case) -> Value {
    let level = match case.level {
        Level::Error => "error",
        Level::Open | Level::Warning => "warning",
        Level::Note => "note",
        Level::Pass => "none",
    };
    let subject = if case.subject.is_empty() { &document.name } else { &case.subject };
    let name = format!("{}/{}", document.name, subject);
    let mut result = json!({
        "ruleId": case.id,
        "level": level,
        "message": { "text": case.text },
        "locations": [{ "logicalLocations": [{ "name": subject, "fullyQualifiedName": name }] }],
        "partialFingerprints": { "weighbridge/v1": format!("{}:{name}", case.id) },
    });
    if let Some(because) = &case.ignored {
        result["suppressions"] = json!([{ "kind": "external", "justification": because }]);
    }
    result
}
