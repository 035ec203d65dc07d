//! A run as text for people and programs, in three depths. Must compute nothing that a reader could not find in the
//! evidence.

mod detail;
mod full;
mod latency;
mod markdown;
mod search;
mod summary;
mod terminal;

pub(super) use full::notes;
pub(super) use latency::{FULL_HEADER as RUN_HEADER, full_rows as run_rows};
pub(super) use summary::Summary as RunSummary;

pub use detail::write as detail;
pub use full::write as full;
pub use markdown::write as markdown;
pub use search::probe_word;
pub use terminal::write as terminal;

use std::io::{self, Write};

use serde::Serialize;

use super::printable::printable_json;
use crate::compare::run::finding::RunFinding;
use crate::compare::run::{RunVerdict, conclude};
use crate::evidence::run::{RUN_FORMAT, RunEvidence};

/// The document; its schema is `docs/formats/run.schema.json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunDocument<'r> {
    /// Number of this format; a reader refuses a newer one.
    pub format: u32,
    /// Version of the program that wrote it.
    pub weighbridge: &'static str,
    /// What gates and findings say together.
    pub verdict: RunVerdict,
    /// What a reader should know of the driver, the machine and the server.
    pub findings: Vec<RunFinding>,
    /// What was seen; the histograms stand in `intervals.hlog`.
    pub evidence: &'r RunEvidence,
}

/// Writes the document, indented, with a line end.
///
/// # Errors
/// When the writer fails.
pub fn json(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let conclusion = conclude(run);
    let (format, weighbridge) = (RUN_FORMAT, env!("CARGO_PKG_VERSION"));
    let document =
        RunDocument { format, weighbridge, verdict: conclusion.verdict, findings: conclusion.findings, evidence: run };
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&document)?))
}

#[cfg(test)]
mod tests {
    use crate::evidence::run::RunEvidence;
    use crate::evidence::store;
    use crate::report::page::Page;
    use crate::report::tests::{snapshot, without_colours};

    /// Saved runs: limited and of an old format, without gates, with gates and findings, a search for a rate.
    const FIXTURES: [&str; 4] = ["run-2", "run-3", "run-4/gates", "run-4/search"];

    fn saved(fixture: &str) -> RunEvidence {
        let path = format!("{}/tests/data/results/{fixture}", env!("CARGO_MANIFEST_DIR"));
        store::read_run(path.as_ref()).unwrap()
    }

    fn rendered(write: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_terminal_report_of_every_run_fits_its_page() {
        for fixture in FIXTURES {
            let run = saved(fixture);
            let folder = Some("results/2026-11-23T09-15-04Z-run-payments");
            for width in [80, 100, 160] {
                let page = Page { width, ..Page::default() };
                let text = rendered(|out| super::terminal(&run, &page, folder, out));
                assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
                assert!(text.lines().count() <= 30, "{text}");
                snapshot(&format!("terminal {fixture} {width}"), &text);
                let coloured = Page { is_coloured: true, ..page };
                let in_colour = rendered(|out| super::terminal(&run, &coloured, folder, out));
                assert_ne!(in_colour, text);
                assert_eq!(without_colours(&in_colour), text);
            }
            let ascii = Page { is_ascii: true, ..Page::default() };
            assert!(rendered(|out| super::terminal(&run, &ascii, folder, out)).is_ascii());
            assert!(rendered(|out| super::detail(&run, &ascii, out)).is_ascii());
        }
    }

    #[test]
    fn the_other_renderers_of_every_run() {
        for fixture in FIXTURES {
            let run = saved(fixture);
            for (name, text) in [
                ("markdown", rendered(|out| super::markdown(&run, out))),
                ("full", rendered(|out| super::full(&run, out))),
                ("detail", rendered(|out| super::detail(&run, &Page::default(), out))),
            ] {
                assert!(text.len() < 65_536, "a comment on GitHub holds no more");
                snapshot(&format!("{name} {fixture}"), &text);
            }
        }
    }

    #[test]
    fn the_schema_of_runs_is_the_one_in_the_documents() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/run.schema.json");
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(super::RunDocument<'_>)).unwrap() + "\n";
        if std::env::var_os("WEIGHBRIDGE_UPDATE_SCHEMA").is_some() {
            crate::evidence::files::write_atomic(path.as_ref(), schema.as_bytes()).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap();
        assert!(
            known == schema,
            "run WEIGHBRIDGE_UPDATE_SCHEMA=1 cargo test --lib schema, and raise RUN_FORMAT if a reader would break"
        );
    }
}
