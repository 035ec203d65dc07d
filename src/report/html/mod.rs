//! One self-contained page: `report.html`. Must load nothing from elsewhere, and must hold no name unescaped.
//!
//! Templates are in `templates/`; every value in them is escaped, except charts, which `report::chart` escapes.

mod action;
mod plan;
mod run;
mod trial;

pub use run::write as write_run;
pub use trial::write;

use super::gates::{Fate, GateRow};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What every page has.
struct Shell {
    title: String,
    verdict: &'static str,
    class: &'static str,
    claims: Vec<String>,
    gates: Vec<GateRow>,
    findings: Vec<FindingRow>,
    /// Tables that are closed until a reader opens them.
    tables: Vec<FoldedTable>,
    /// How it was measured, one sentence each.
    method: Vec<String>,
    commands: Vec<String>,
    started_at: String,
    version: &'static str,
    style: &'static str,
    script: &'static str,
}

impl Shell {
    fn new(title: &str, verdict: &'static str, class: &'static str) -> Self {
        Self {
            title: title.to_owned(),
            verdict,
            class,
            claims: Vec::new(),
            gates: Vec::new(),
            findings: Vec::new(),
            tables: Vec::new(),
            method: Vec::new(),
            commands: Vec::new(),
            started_at: String::new(),
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            script: SCRIPT,
        }
    }
}

/// A finding.
struct FindingRow {
    kind: &'static str,
    id: &'static str,
    text: String,
    fails: bool,
}

/// A table that is closed until a reader opens it, with sentences above it.
struct FoldedTable {
    title: String,
    lines: Vec<String>,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A chart with what stands under it.
struct Figure {
    svg: String,
    caption: String,
}

impl Fate {
    /// The class that colours it.
    fn class(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Open => "open",
            Self::Holds => "holds",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::compare::{ActionComparison, compare};
    use crate::evidence::{ActionFacts, Evidence, Side, store};
    use crate::report::Trial;

    pub(super) fn saved(name: &str) -> Evidence {
        let path = format!("{}/tests/data/results/{name}", env!("CARGO_MANIFEST_DIR"));
        store::read(path.as_ref()).unwrap()
    }

    fn page(evidence: &Evidence) -> String {
        let comparison = compare(evidence);
        let mut out = Vec::new();
        super::write(Trial { evidence, comparison: &comparison }, Some("results/one"), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Tags of a page that is well formed: every one that opens is closed, in order.
    fn assert_well_formed(html: &str) {
        const VOID: [&str; 6] = ["meta", "link", "rect", "line", "circle", "path"];
        let (head, rest) = html.split_once("<style>").unwrap();
        let (_, rest) = rest.split_once("</style>").unwrap();
        let (body, _) = rest.split_once("<script>").unwrap();
        let mut stack: Vec<&str> = Vec::new();
        for tag in [head, body].into_iter().flat_map(|part| part.split('<').skip(1)) {
            let (inner, _) = tag.split_once('>').unwrap_or_else(|| panic!("`<` is not escaped: {tag}"));
            let name = inner.split([' ', '/', '\n']).next().unwrap_or_default();
            if let Some(closed) = inner.strip_prefix('/') {
                assert_eq!(stack.pop(), Some(closed.trim()), "in {tag}");
            } else if !VOID.contains(&name) && !inner.starts_with('!') && !inner.ends_with('/') {
                stack.push(name);
            }
        }
        assert_eq!(stack, ["html"], "what is open before the script: body is closed after it");
    }

    #[test]
    fn a_page_of_every_fixture_is_well_formed_and_loads_nothing() {
        for name in ["format-7/platform", "format-7/regressed", "format-7/counts", "format-3"] {
            let html = page(&saved(name));
            for (part, what) in
                [("http://", "an address"), ("https://", "an address"), ("@import", "a style"), ("src=", "a file")]
            {
                assert!(!html.contains(part), "{name} loads {what}");
            }
            let (body, _) = html.split_once("<script>").unwrap();
            assert!(!body.contains("NaN") && !body.contains(">inf"), "{name}");
            assert_well_formed(&html.replace("<body>", "").replace("</body>", ""));
            assert!(html.find("class=\"badge").unwrap() < html.find("<h2").unwrap(), "the verdict comes first");
        }
    }

    #[test]
    fn names_are_escaped_whatever_they_hold() {
        let mut evidence = saved("format-7/platform");
        let hostile = "<script>alert(1)</script>\"'&\u{1f418} \u{202e}gnitirw \u{627}\u{644}";
        evidence.actions[0].name = hostile.to_owned();
        evidence.migration.label = format!("0001 {hostile}");
        evidence.migration.statements[0].sql = format!("COMMENT ON TABLE t IS '{hostile}'");
        evidence.actions[3].sql = vec![format!("SELECT '{hostile}'")];
        let plans = evidence.plans.get_mut(&Side::After).unwrap();
        plans[3].shapes = BTreeMap::from([(format!("Limit(Index Scan {hostile})"), 4)]);
        let html = page(&evidence);
        assert!(!html.contains("<script>alert") && !html.contains("alert(1)</script>"), "a script got through");
        assert!(html.contains("&#60;script&#62;alert(1)") || html.contains("&lt;script&gt;alert(1)"), "it is shown");
        assert!(html.contains('\u{1f418}') && html.contains("\u{627}\u{644}"), "letters and emoji stay");
        assert!(!html.contains('\u{202e}'), "a change of direction would move what stands beside it");
        assert_well_formed(&html.replace("<body>", "").replace("</body>", ""));
    }

    #[test]
    fn fifty_actions_and_sixty_four_chunks_stay_under_two_megabytes() {
        let mut evidence = saved("format-3");
        let mut comparison = compare(&evidence);
        let (chunks, many) = (evidence.chunks.len(), evidence.actions.len());
        for number in many..50 {
            let name = format!("{}_{number}", evidence.actions[number % many].name);
            evidence.actions.push(ActionFacts { name: name.clone(), ..evidence.actions[number % many].clone() });
            comparison.actions.push(ActionComparison { name, ..comparison.actions[number % many].clone() });
            let sides = evidence.histograms.iter_mut().flat_map(|chunk| chunk.values_mut());
            sides.for_each(|side| side.push(side[number % many].clone()));
            evidence.plans.values_mut().for_each(|side| side.push(side[number % many].clone()));
        }
        for number in chunks..64 {
            evidence.chunks.push(evidence.chunks[number % chunks].clone());
            evidence.histograms.push(evidence.histograms[number % chunks].clone());
        }
        let mut out = Vec::new();
        super::write(Trial { evidence: &evidence, comparison: &comparison }, Some("results/one"), &mut out).unwrap();
        let html = String::from_utf8(out).unwrap();
        assert_eq!(html.matches("<details class=\"action\"").count(), 50);
        assert!((300_000..2_000_000).contains(&html.len()), "{} bytes", html.len());
    }
}
