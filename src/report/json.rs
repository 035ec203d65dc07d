//! `trial.json`: the one document for programs. Must carry the format's number and never a secret.

use std::io::{self, Write};

use serde::Serialize;

use super::Trial;
use super::printable::printable_json;
use crate::compare::Comparison;
use crate::evidence::{Evidence, FORMAT};

/// The document; its schema is `docs/formats/trial.schema.json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document<'t> {
    /// Number of this format; a reader refuses a newer one.
    pub format: u32,
    /// Version of the program that wrote it.
    pub weighbridge: &'static str,
    /// What the evidence says, as this version reads it.
    pub comparison: &'t Comparison,
    /// What was seen; the histograms stand in `chunks.hlog`.
    pub evidence: &'t Evidence,
}

/// Writes the document, indented, with a line end.
///
/// # Errors
/// When the writer fails.
pub fn write(trial: Trial<'_>, out: &mut impl Write) -> io::Result<()> {
    let document = Document {
        format: FORMAT,
        weighbridge: env!("CARGO_PKG_VERSION"),
        comparison: trial.comparison,
        evidence: trial.evidence,
    };
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&document)?))
}

#[cfg(test)]
mod tests {
    use crate::compare::compare;
    use crate::evidence::store;

    #[test]
    fn the_published_schema_is_the_one_the_code_writes() {
        let schema = schemars::schema_for!(super::Document<'static>);
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/trial.schema.json");
        if std::env::var_os("WEIGHBRIDGE_UPDATE_SCHEMA").is_some() {
            crate::evidence::files::write_atomic(path.as_ref(), text.as_bytes()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == text,
            "run WEIGHBRIDGE_UPDATE_SCHEMA=1 cargo test --lib schema, and raise FORMAT if a reader would break"
        );
    }
    #[test]
    fn what_is_written_is_what_the_schema_says() {
        let published = include_str!("../../docs/formats/trial.schema.json");
        let validator = jsonschema::validator_for(&serde_json::from_str(published).unwrap()).unwrap();
        for result in ["format-3", "format-7/counts", "format-7/platform", "format-7/regressed"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/results").join(result);
            let evidence = store::read_trial(&folder).unwrap().evidence;
            let comparison = compare(&evidence);
            let mut text = Vec::new();
            super::write(super::Trial { evidence: &evidence, comparison: &comparison }, &mut text).unwrap();
            let written = serde_json::from_slice(&text).unwrap();
            let problems: Vec<String> = validator.iter_errors(&written).map(|e| e.to_string()).collect();
            assert_eq!(problems, Vec::<String>::new(), "{result}");
        }
    }
}
