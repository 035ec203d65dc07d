//! Comparisons as text for people and programs: each a pure function of the trial into a writer.
//!
//! Must compute nothing that a reader could not find in the comparison, and must reach no server.

pub mod benchmark_action;
mod chart;
mod checked;
mod claim;
mod counted;
pub mod detail;
mod dropped;
mod finding;
pub mod full;
mod gates;
pub mod github;
pub mod html;
mod isolated;
pub mod json;
pub mod junit;
pub mod listing;
pub mod machine;
pub mod markdown;
pub mod openmetrics;
pub mod page;
mod printable;
mod remedy;
pub mod round_trip;
pub mod run;
pub mod sarif;
mod summary;
pub mod terminal;
mod view;
mod words;

pub use claim::headline;
pub use dropped::dropped_text;

use crate::compare::Comparison;
use crate::evidence::Evidence;

/// A trial with what it says.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'t> {
    /// What was seen.
    pub evidence: &'t Evidence,
    /// What it says.
    pub comparison: &'t Comparison,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::page::Page;
    use super::{Trial, detail, full, markdown, terminal};
    use crate::compare::compare;
    use crate::evidence::gate::{Comparison as Sign, Figure, Gate, Metric};
    use crate::evidence::store;

    /// Saved results, each of another kind: a gain, a regression, counts alone, an old format.
    const FIXTURES: [&str; 4] = ["format-7/platform", "format-7/regressed", "format-7/counts", "format-3"];

    type Write = fn(Trial<'_>, &mut Vec<u8>) -> std::io::Result<()>;

    fn rendered(fixture: &str, write: impl Fn(Trial<'_>, &mut Vec<u8>) -> std::io::Result<()>) -> String {
        let path = format!("{}/tests/data/results/{fixture}", env!("CARGO_MANIFEST_DIR"));
        let evidence = store::read(path.as_ref()).unwrap();
        let comparison = compare(&evidence);
        let mut out = Vec::new();
        write(Trial { evidence: &evidence, comparison: &comparison }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    pub(crate) fn snapshot(name: &str, text: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::assert_snapshot!(name.replace(['/', ' '], "-"), text));
    }

    pub(crate) fn without_colours(text: &str) -> String {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
    }

    #[test]
    fn the_terminal_report_of_every_fixture_fits_its_page() {
        for fixture in FIXTURES {
            for width in [80, 100, 160] {
                let page = Page { width, ..Page::default() };
                let folder = Some("results/2026-11-23T09-15-04Z-0002");
                let text = rendered(fixture, |trial, out| terminal::write(trial, &page, folder, out));
                assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
                assert!(text.lines().count() <= 25, "{text}");
                snapshot(&format!("terminal {fixture} {width}"), &text);
                let coloured = Page { is_coloured: true, ..page };
                let text_of_colours = rendered(fixture, |trial, out| terminal::write(trial, &coloured, folder, out));
                assert_ne!(text_of_colours, text);
                assert_eq!(without_colours(&text_of_colours), text);
            }
            let ascii = Page { is_ascii: true, ..Page::default() };
            assert!(rendered(fixture, |trial, out| terminal::write(trial, &ascii, None, out)).is_ascii());
        }
    }

    #[test]
    fn gates_of_a_proof_come_before_its_actions() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/format-7/platform");
        let mut evidence = store::read(path.as_ref()).unwrap();
        let gate = |action: Option<&str>, figure: Figure, limit: f64, text: &str| Gate {
            metric: Metric { action: action.map(str::to_owned), figure },
            comparison: Sign::Below,
            limit,
            relative: false,
            abort: false,
            delay_s: 0.0,
            text: text.to_owned(),
        };
        let slow = gate(Some("payment_history"), Figure::Latency(0.5), 1e5, "payment_history.p50 < 100us");
        let seldom = gate(Some("record_payment"), Figure::Latency(0.999), 1e9, "record_payment.p999 < 1s");
        evidence.design.policy.gates = vec![gate(None, Figure::Errors, 0.01, "errors < 1%"), slow, seldom];
        let comparison = compare(&evidence);
        let trial = Trial { evidence: &evidence, comparison: &comparison };
        for width in [80, 100] {
            let mut out = Vec::new();
            terminal::write(trial, &Page { width, ..Page::default() }, None, &mut out).unwrap();
            snapshot(&format!("terminal gates {width}"), &String::from_utf8(out).unwrap());
        }
        let mut out = Vec::new();
        markdown::write(trial, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is missing: {text}"));
        assert!(place("| `payment_history.p50 < 100us` |") < place("| `errors < 1%` |"), "{text}");
        assert!(place("| `errors < 1%` |") < place("| action | p95 before"), "{text}");
    }

    #[test]
    fn the_other_renderers_of_every_fixture() {
        let renderers: [(&str, Write); 3] = [
            ("markdown", |trial, out| markdown::write(trial, out)),
            ("full", |trial, out| full::write(trial, out)),
            ("detail", |trial, out| detail::write(trial, out)),
        ];
        for fixture in FIXTURES {
            for (name, write) in renderers {
                let text = rendered(fixture, write);
                assert!(text.len() < 65_536, "a comment on GitHub holds no more");
                snapshot(&format!("{name} {fixture}"), &text);
            }
        }
    }
}
