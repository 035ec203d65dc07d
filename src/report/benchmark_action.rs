//! The list that github-action-benchmark takes as `customSmallerIsBetter`: a figure of `after`, or of a run, per
//! entry. Must hold no figure of which
//! more is better.

use std::io::{self, Write};

use serde::Serialize;

use super::machine::{Document, Figure};
use super::printable::printable_json;
use crate::units::{change_text, interval_text};

/// One entry; the schema of the list is `docs/formats/benchmark-action.schema.json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Migration or scenario, action and metric.
    name: String,
    /// `ms` or `blocks`.
    unit: &'static str,
    /// The figure.
    value: f64,
    /// The change against `before` with its 95 % interval; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// The verdict and what it rests on.
    extra: String,
}

/// Writes a proof, a run or a check.
///
/// # Errors
/// When the writer fails.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let figures = document.figures.iter().filter(|figure| figure.side.is_none_or(|side| side == "after"));
    let entries: Vec<Entry> = figures.map(|figure| entry(document, figure)).collect();
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&entries)?))
}

fn entry(document: &Document, figure: &Figure) -> Entry {
    let (unit, value) = match figure.unit {
        "seconds" => ("ms", figure.value * 1e3),
        other => (other, figure.value),
    };
    let range =
        figure.change.map(|[change, low, high]| format!("{} {}", change_text(change), interval_text(low, high)));
    let name = format!("{} / {} / {}", document.name, figure.action, figure.metric);
    Entry { name, unit, value, range, extra: document.headline.clone() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_of_the_list_is_the_one_in_the_documents() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/benchmark-action.schema.json");
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Vec<super::Entry>)).unwrap() + "\n";
        if std::env::var_os("WEIGHBRIDGE_UPDATE_SCHEMA").is_some() {
            crate::evidence::files::write_atomic(path.as_ref(), schema.as_bytes()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            schema,
            "run WEIGHBRIDGE_UPDATE_SCHEMA=1 cargo test --lib schema"
        );
    }
}
