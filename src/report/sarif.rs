//! SARIF 2.1.0, for services that show results of analyses: what fails and what a reader should know. Must name no
//! file that was not read: places are logical (an action, an index, a table), and lines of migrations in a check.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::machine::{Case, Document, Level, Place};
use super::printable::printable_json;

/// Writes a proof, a run or a check.
///
/// # Errors
/// When the writer fails.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let shown = || document.cases.iter().filter(|case| case.level != Level::Pass || case.ignored.is_some());
    let ids: BTreeSet<&str> = shown().map(|case| case.id).collect();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Value> = shown().map(|case| result(document, case)).collect();
    let mut invocation = json!({ "executionSuccessful": true, "exitCodeDescription": document.headline });
    if let Some(started_at) = &document.started_at {
        invocation["startTimeUtc"] = json!(started_at);
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "weighbridge", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "automationDetails": { "id": format!("weighbridge/{}", document.name) },
            "invocations": [invocation],
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
    let mut location = json!({ "logicalLocations": [{ "name": subject, "fullyQualifiedName": name }] });
    if let Some(place) = &case.place {
        location["physicalLocation"] = physical(place);
    }
    let mut result = json!({
        "ruleId": case.id,
        "level": level,
        "message": { "text": case.text },
        "locations": [location],
        "partialFingerprints": { "weighbridge/v1": format!("{}:{name}", case.id) },
    });
    if let Some(because) = &case.ignored {
        result["suppressions"] = json!([{ "kind": "external", "justification": because }]);
    }
    result
}

/// A file and its line. A relative path is one from the root of the sources, where the program was started.
fn physical(place: &Place) -> Value {
    let is_absolute = place.file.starts_with('/');
    let uri = uri(place.file.trim_start_matches("./"));
    let artifact = match is_absolute {
        true => json!({ "uri": format!("file://{uri}") }),
        false => json!({ "uri": uri, "uriBaseId": "%SRCROOT%" }),
    };
    let mut physical = json!({ "artifactLocation": artifact });
    if let Some(line) = place.line {
        physical["region"] = json!({ "startLine": line });
    }
    physical
}

/// A path as a reference by RFC 3986: bytes that are neither unreserved nor a slash are percent-encoded.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}
