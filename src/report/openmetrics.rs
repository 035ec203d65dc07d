//! OpenMetrics text of a result, for a Prometheus push gateway or a textfile collector. Must hold one sample of a
//! metric and its labels, and end as
//! the format asks.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::machine::{Document, Group, Level};

/// Writes a proof, a run or a check.
///
/// # Errors
/// When the writer fails.
pub fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let subject = [("subject", document.name.as_str())];
    let mut text = String::new();
    family(&mut text, "result_passed", None, "1 where nothing fails and nothing is open.");
    sample(&mut text, "result_passed", &subject, f64::from(u8::from(document.is_passed())));
    let of_unit = |unit: &'static str| document.figures.iter().filter(move |figure| figure.unit == unit);
    family(&mut text, "result_latency_seconds", Some("seconds"), "Latency by quantile.");
    for figure in of_unit("seconds") {
        let quantile = quantile(figure.metric);
        let mut labels = vec![subject[0], ("action", figure.action.as_str()), ("quantile", quantile)];
        labels.extend(figure.side.map(|side| ("side", side)));
        sample(&mut text, "result_latency_seconds", &labels, figure.value);
    }
    family(&mut text, "result_blocks", None, "Shared blocks that one operation touches.");
    for figure in of_unit("blocks") {
        let mut labels = vec![subject[0], ("action", figure.action.as_str())];
        labels.extend(figure.side.map(|side| ("side", side)));
        sample(&mut text, "result_blocks", &labels, figure.value);
    }
    family(&mut text, "result_change_ratio", Some("ratio"), "Change against before, with its 95 % interval.");
    for figure in &document.figures {
        let Some([change, low, high]) = figure.change else { continue };
        let quantile = quantile(figure.metric);
        for (bound, value) in [("estimate", change), ("low", low), ("high", high)] {
            let action = ("action", figure.action.as_str());
            let labels = [subject[0], action, ("quantile", quantile), ("bound", bound)];
            sample(&mut text, "result_change_ratio", &labels, value);
        }
    }
    family(&mut text, "result_gate_holds", None, "1 where a gate holds; absent where it is not evaluated.");
    for case in document.cases(Group::Gates).filter(|case| case.level != Level::Open && case.id == "gate") {
        let labels = [subject[0], ("gate", case.subject.as_str())];
        sample(&mut text, "result_gate_holds", &labels, f64::from(u8::from(case.level == Level::Pass)));
    }
    family(&mut text, "result_findings", None, "Findings by id.");
    let mut ids: Vec<&str> = document.cases(Group::Findings).map(|case| case.id).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let count = document.cases(Group::Findings).filter(|case| case.id == id).count();
        sample(&mut text, "result_findings", &[subject[0], ("finding", id)], count as f64);
    }
    text.push_str("# EOF\n");
    out.write_all(text.as_bytes())
}

/// The label of a quantile, as Prometheus writes it.
fn quantile(metric: &str) -> &'static str {
    match metric {
        "p50" => "0.5",
        "p95" => "0.95",
        "p99" => "0.99",
        _ => "0.999",
    }
}

fn family(text: &mut String, name: &str, unit: Option<&str>, help: &str) {
    let _ = writeln!(text, "# TYPE weighbridge_{name} gauge");
    if let Some(unit) = unit {
        let _ = writeln!(text, "# UNIT weighbridge_{name} {unit}");
    }
    let _ = writeln!(text, "# HELP weighbridge_{name} {help}");
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let _ = writeln!(text, "weighbridge_{name}{{{}}} {value}", labels.join(","));
}
