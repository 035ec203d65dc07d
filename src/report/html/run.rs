//! A run as one page. Must show what `report.md` shows, with the charts of it.

use std::io::{self, Write};

use askama::Template;

use super::{Figure, FindingRow, FoldedTable, Shell};
use crate::evidence::run::{ActionResult, IntervalFacts, Quantiles, RunEvidence};
use crate::report::chart::{self, Frame, Line};
use crate::report::finding::{kind, of_run};
use crate::report::printable::with_printable_names;
use crate::report::run::{RUN_HEADER, RunSummary, notes, run_rows};

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    shell: Shell,
    header: Vec<&'static str>,
    rows: Vec<Row>,
    actions: Vec<ActionView>,
    charts: Vec<Figure>,
}

/// Intervals shorter than this part of the longest have no rate.
const MIN_PART: f64 = 0.5;

/// An action's row, or the one of all actions.
struct Row {
    anchor: Option<String>,
    is_sum: bool,
    cells: Vec<String>,
}

/// The curve of an action.
struct ActionView {
    anchor: String,
    name: String,
    share: String,
    chart: String,
}

/// Writes the page; `folder` is where the result stands.
///
/// # Errors
/// When the writer fails.
pub fn write(run: &RunEvidence, folder: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let run = printable.as_ref().unwrap_or(run);
    let summary = RunSummary::of(run);
    let mut shell = Shell::new(&run.name, summary.word(), class(&summary));
    shell.claims.clone_from(&summary.claims);
    let lines = notes(&summary);
    let finding = |of: &crate::compare::run::finding::RunFinding| FindingRow {
        kind: kind(of.severity),
        id: of.id(),
        text: of_run::long(of),
        fails: of.fails,
    };
    shell.findings = summary.findings.iter().map(finding).collect();
    shell.method = vec![summary.setting.join(" · ")];
    let title = "Server, driver and what failed".to_owned();
    shell.tables = vec![FoldedTable { title, lines, header: Vec::new(), rows: Vec::new() }];
    shell.commands = folder.map(|folder| vec![format!("weighbridge report {folder} --detail")]).unwrap_or_default();
    shell.started_at.clone_from(&run.started_at);
    shell.gates = summary.gates;
    let page = RunPage {
        shell,
        header: RUN_HEADER.to_vec(),
        rows: rows(run),
        actions: run.actions.iter().enumerate().map(action).collect(),
        charts: charts(&run.intervals),
    };
    page.write_into(out).map_err(io::Error::other)
}

/// The class that colours the verdict.
fn class(summary: &RunSummary<'_>) -> &'static str {
    match summary.word() {
        "passed" => "passed",
        "done" => "done",
        "failed" | "server lost" => "failed",
        "limited" => "limited",
        _ => "inconclusive",
    }
}

fn rows(run: &RunEvidence) -> Vec<Row> {
    let of = |(position, cells): (usize, Vec<String>)| {
        let is_sum = position >= run.actions.len();
        Row { anchor: (!is_sum).then(|| anchor(position)), is_sum, cells }
    };
    run_rows(run).into_iter().enumerate().map(of).collect()
}

fn anchor(position: usize) -> String {
    format!("action-{}", position + 1)
}

fn action((position, action): (usize, &ActionResult)) -> ActionView {
    let (latency, service) = (points(&action.latency), points(&action.service));
    let title = format!("Latency and service time of {} by quantile", action.name);
    ActionView {
        anchor: anchor(position),
        name: action.name.clone(),
        share: format!("{:.0} %", action.share * 100.0),
        chart: chart::percentiles(title, vec![("before", &service), ("after", &latency)]),
    }
}

fn points(of: &Quantiles) -> Vec<(f64, f64)> {
    let known = [
        (0.5, of.us_p50),
        (0.9, of.us_p90),
        (0.95, of.us_p95),
        (0.99, of.us_p99),
        (0.999, of.us_p999),
        (0.9999, of.us_p9999),
    ];
    known.into_iter().filter_map(|(q, us)| Some((q, us?))).collect()
}

/// Throughput, latency and errors of each interval, with checkpoints as marks.
fn charts(intervals: &[IntervalFacts]) -> Vec<Figure> {
    // What is left after the last full interval is too short for a rate.
    let length_s = intervals.iter().map(|interval| interval.length_s).fold(0.0, f64::max);
    let intervals: Vec<&IntervalFacts> =
        intervals.iter().filter(|interval| interval.length_s >= length_s * MIN_PART).collect();
    if intervals.len() < 2 {
        return Vec::new();
    }
    let line = |class: &'static str, of: &dyn Fn(&IntervalFacts) -> Option<f64>| Line {
        class,
        points: intervals.iter().map(|interval| (interval.at_s, of(interval))).collect(),
    };
    let per_s = |interval: &IntervalFacts, count: u64| Some(count as f64 / interval.length_s.max(1e-9));
    let ms = |us: Option<f64>| us.map(|us| us / 1e3);
    let marks: Vec<(f64, String)> = intervals
        .iter()
        .filter(|interval| interval.server.as_ref().is_some_and(|server| server.checkpoints > 0))
        .map(|interval| (interval.at_s, format!("a checkpoint at {:.0} s", interval.at_s)))
        .collect();
    let latency = [
        line("before", &|interval| ms(interval.latency.us_p50)),
        line("control", &|interval| ms(interval.latency.us_p95)),
        line("after", &|interval| ms(interval.latency.us_p99)),
    ];
    let answers = [
        line("before", &|interval| per_s(interval, interval.ok)),
        line("after", &|interval| per_s(interval, interval.failed)),
    ];
    let frame = |title: &str, y: &'static str| Frame { title: title.to_owned(), x: "s", y };
    vec![
        Figure {
            svg: chart::over_time(&frame("Latency of all actions over time", "ms"), &latency, &marks),
            caption: "p50 (blue), p95 (dashed) and p99 (orange) of all actions".to_owned(),
        },
        Figure {
            svg: chart::over_time(&frame("Answers and failures a second over time", "per s"), &answers, &marks),
            caption: "Answers (blue) and failures (orange) a second".to_owned(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use crate::evidence::store;

    #[test]
    fn a_page_of_a_run_has_its_gates_findings_and_charts_and_no_name_unescaped() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/run-4/gates");
        let mut run = store::read_run(path.as_ref()).unwrap();
        run.actions[0].name = "<img src=x onerror=alert(1)>".to_owned();
        let mut out = Vec::new();
        super::write(&run, Some("results/one"), &mut out).unwrap();
        let html = String::from_utf8(out).unwrap();
        assert!(!html.contains("<img"), "a name is no tag");
        let places = ["class=\"badge failed\"", "id=\"gates\"", "id=\"actions\"", "id=\"time\"", "id=\"findings\""];
        let places = places.map(|part| html.find(part).unwrap_or_else(|| panic!("{part} is missing")));
        assert!(places.is_sorted(), "{places:?}");
        let (body, _) = html.split_once("<script>").unwrap();
        assert!(body.contains("<code>operations-failed</code>") && !body.contains("NaN"));
    }
}
