//! A run as text for people and programs. Must compute nothing that a reader could not find in the evidence.

use std::io::{self, Write};

use serde::Serialize;

use super::detail::table;
use super::printable::{printable_json, with_printable_names};
use crate::compare::run::{Reason, RunConclusion, RunVerdict, conclude, is_unevaluated, never_answered, own_gates};
use crate::evidence::LoadFacts;
use crate::evidence::run::{
    ActionResult, Ended, GateResult, ProbeFacts, Quantiles, RUN_FORMAT, RunEvidence, Unevaluated, WarmUpEnd,
};
use crate::units::{self, count_text, duration_text, percent_text, plural};

/// The document; its schema is `docs/formats/run.schema.json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunDocument<'r> {
    /// Number of this format; a reader refuses a newer one.
    pub format: u32,
    /// Version of the program that wrote it.
    pub weighbridge: &'static str,
    /// What the gates and checks say together.
    pub verdict: RunVerdict,
    /// What was seen; the histograms stand in `intervals.hlog`.
    pub evidence: &'r RunEvidence,
}

/// Writes the document, indented, with a line end.
///
/// # Errors
/// When the writer fails.
pub fn json(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let (format, weighbridge) = (RUN_FORMAT, env!("CARGO_PKG_VERSION"));
    let document = RunDocument { format, weighbridge, verdict: RunVerdict::of(run), evidence: run };
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&document)?))
}

/// Writes the report for a terminal.
///
/// # Errors
/// When the writer fails.
pub fn terminal(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let run = printable.as_ref().unwrap_or(run);
    writeln!(out, "{}   {}\n", run.name, headline(run))?;
    writeln!(out, "  {}\n", setting(run))?;
    let header = HEADER.map(str::to_owned);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    writeln!(out, "{}", table(&header, rows(run)))?;
    for line in notes(run) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out)
}

/// Writes the report for a pull request.
///
/// # Errors
/// When the writer fails.
pub fn markdown(run: &RunEvidence, out: &mut impl Write) -> io::Result<()> {
    let printable = with_printable_names(run);
    let run = printable.as_ref().unwrap_or(run);
    writeln!(out, "### {}: {}\n\n{}\n", run.name, headline(run), setting(run))?;
    writeln!(out, "| {} |\n|{}", HEADER.join(" | "), " --- |".repeat(HEADER.len()))?;
    for row in rows(run) {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    writeln!(out)?;
    for line in notes(run) {
        writeln!(out, "- {}", line.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    Ok(())
}

const HEADER: [&str; 12] = [
    "action",
    "share",
    "answers",
    "per s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "service p95",
    "lag p99",
    "errors",
];

/// Gates that the headline names.
const MAX_GATES: usize = 3;

fn headline(run: &RunEvidence) -> String {
    let RunConclusion { verdict, reasons } = conclude(run);
    let word = match verdict {
        RunVerdict::Passed if run.gates.is_empty() && run.search.is_none() => "done",
        RunVerdict::Passed => "passed",
        RunVerdict::Failed => "failed",
        RunVerdict::Inconclusive => "inconclusive",
        RunVerdict::Limited => "limited by the driver or the machine",
        RunVerdict::Interrupted if run.ended == Ended::CutOff => "cut off",
        RunVerdict::Interrupted => "interrupted",
        RunVerdict::ServerLost => "server lost",
    };
    let mut parts = vec![word.to_owned()];
    match verdict {
        RunVerdict::Interrupted if run.ended == Ended::CutOff => {
            parts.push(format!("the program was killed; {} are kept", plural(run.intervals.len(), "interval")));
        }
        RunVerdict::Interrupted => parts.push("what was measured by then".to_owned()),
        RunVerdict::ServerLost => {
            parts.push("it could not be reached at the end; what was measured by then".to_owned());
        }
        RunVerdict::Passed if run.search.is_none() => parts.push(match run.gates.len() {
            0 => "no gates".to_owned(),
            gates => plural(gates, "gate"),
        }),
        _ => {}
    }
    if let Some(search) = run.search.as_ref().filter(|search| search.confirmed) {
        let rate = run.design.shape.first().map_or(0.0, |(_, from, _)| *from);
        parts.push(format!("{rate:.0}/s holds the objective, confirmed"));
        if search.probes.iter().any(|probe| !probe.holds && probe.gates.iter().all(|gate| gate.holds)) {
            parts.push("above it a rate was not reached rather than too slow".to_owned());
        }
    }
    if verdict != RunVerdict::Interrupted {
        parts.extend(reasons.iter().map(|reason| reason_text(run, reason)));
        let silent: Vec<&str> = never_answered(run).map(|action| action.name.as_str()).collect();
        if !silent.is_empty() {
            parts.push(format!("every operation failed: {}", shortened(&silent)));
        }
    }
    parts.join(" · ")
}

fn reason_text(run: &RunEvidence, reason: &Reason<'_>) -> String {
    let all = &run.all;
    let other = if run.search.is_some() { "other " } else { "" };
    let total = own_gates(run).len();
    match reason {
        Reason::Aborted(rule) => format!("ended early: {rule}"),
        Reason::NoAnswer if all.due == 0 => "no operation was due".to_owned(),
        Reason::NoAnswer if all.failed == 0 => format!("no operation was answered of {} due", count_text(all.due)),
        Reason::NoAnswer => format!("no operation was answered, {} failed", count_text(all.failed)),
        Reason::MostFailed => format!(
            "{} of {} operations failed (a gate on `errors` can allow that)",
            count_text(all.failed),
            count_text(all.failed + all.ok)
        ),
        Reason::NoRate => {
            "no rate was found at which the objective holds; begin lower, or look at what is slow at the lowest"
                .to_owned()
        }
        Reason::ObjectiveUnknown => {
            "the objective cannot be evaluated at the rates that were tried; give --probe more time".to_owned()
        }
        Reason::GatesFail(failing) => {
            format!("{} of {total} {other}gates fail: {}", failing.len(), gate_names(failing))
        }
        Reason::GatesUnknown(unknown) => {
            format!("{} of {total} {other}gates cannot be evaluated: {}", unknown.len(), gate_names(unknown))
        }
    }
}

fn gate_names(gates: &[&GateResult]) -> String {
    shortened(&gates.iter().map(|gate| gate.gate.as_str()).collect::<Vec<_>>())
}

/// The first few names.
fn shortened(names: &[&str]) -> String {
    let first = names.iter().take(MAX_GATES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_GATES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn setting(run: &RunEvidence) -> String {
    let design = &run.design;
    let changing = 1 < design.shape.len() || design.shape.iter().any(|(_, from, to)| from != to);
    let load = match (&design.load, changing) {
        (LoadFacts::Open { connections, .. }, true) => format!("open loop in stages, {connections} connections"),
        (LoadFacts::Open { rate_per_s, connections }, false) => {
            format!("open loop {rate_per_s:.0}/s, {connections} connections")
        }
        (LoadFacts::Closed { clients }, true) => format!("closed loop in stages, {clients} clients at most"),
        (LoadFacts::Closed { clients }, false) => format!("closed loop, {}", plural(*clients as usize, "client")),
    };
    let seconds = |s: f64| duration_text(units::seconds(s));
    let warm = match design.warm_up {
        _ if design.warm_up_s == 0.0 => "no warm-up".to_owned(),
        WarmUpEnd::Fixed => format!("{} of warm-up", seconds(design.warm_up_s)),
        WarmUpEnd::Steady => format!("steady after {} of warm-up", seconds(design.warm_up_s)),
        WarmUpEnd::Bound => format!("not yet steady after {} of warm-up", seconds(design.warm_up_s)),
    };
    let shard = match design.shard {
        (_, 1) => String::new(),
        (this, all) => format!(" · machine {this} of {all}"),
    };
    format!(
        "PostgreSQL {} · {load} · {} · {warm} · {} · {} · seed {}{shard}",
        run.server.version,
        seconds(run.measured_s),
        design.protocol,
        plural(design.threads as usize, "thread"),
        design.seed
    )
}

fn rows(run: &RunEvidence) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = run.actions.iter().map(row).collect();
    if run.actions.len() != 1 {
        rows.push(row(&run.all));
    }
    rows
}

fn row(action: &ActionResult) -> Vec<String> {
    let Quantiles { us_p50, us_p95, us_p99, us_p999, us_max, .. } = action.latency;
    let mut errors = count_text(action.failed);
    for (count, what) in [(action.skipped, "skipped"), (action.unsent, "unsent")] {
        if 0 < count {
            errors.push_str(&format!(" + {} {what}", count_text(count)));
        }
    }
    let retries = if action.retries == 0 { String::new() } else { format!(", {} retries", count_text(action.retries)) };
    vec![
        action.name.clone(),
        format!("{:.0} %", action.share * 100.0),
        count_text(action.ok),
        format!("{:.1}", action.rate_per_s),
        ms(us_p50),
        ms(us_p95),
        ms(us_p99),
        ms(us_p999),
        ms((0 < action.latency.count).then_some(us_max)),
        ms(action.service.us_p95),
        ms(action.lag.us_p99),
        errors + &retries,
    ]
}

/// Milliseconds with three decimals, as load testers print them; nothing where too few values are beyond.
fn ms(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us / 1e3))
}

/// What became of a rate that was tried.
#[must_use]
pub fn probe_word(probe: &ProbeFacts) -> &'static str {
    match (probe.holds, is_unevaluated(probe)) {
        (true, _) => "holds",
        (false, true) => "unknown",
        (false, false) => "fails",
    }
}

/// Why a gate cannot be evaluated.
fn unknown_text(gate: &GateResult) -> String {
    match gate.unevaluated {
        // Before format 3 that was the only reason.
        None => "too few answers".to_owned(),
        Some(Unevaluated::NothingDue) => "no operation was due".to_owned(),
        Some(Unevaluated::NoAnswer) => "no operation was answered".to_owned(),
        Some(Unevaluated::TooFew { values, needed }) => {
            format!("{} of at least {} values", count_text(values), count_text(needed))
        }
        Some(Unevaluated::NoRate) => "a closed loop has no rate to take a share of".to_owned(),
        Some(Unevaluated::NoPool) => "the run has no pool".to_owned(),
        Some(Unevaluated::NoReplica) => "no lag of a replica was measured".to_owned(),
        Some(Unevaluated::NoAction) => "the run has no such action".to_owned(),
        Some(Unevaluated::Unreadable) => "its text cannot be read".to_owned(),
    }
}

fn notes(run: &RunEvidence) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(search) = &run.search {
        for probe in &search.probes {
            let observed: Vec<String> = probe
                .gates
                .iter()
                .map(|gate| format!("{}: {}", gate.gate, gate.observed.clone().unwrap_or_else(|| unknown_text(gate))))
                .collect();
            let word = probe_word(probe);
            lines.push(format!("probe  {:>9.1}/s  {word}  {}", probe.rate_per_s, observed.join(" · ")));
            if let Some(limited) = probe.limited.as_ref().filter(|_| probe.gates.iter().all(|gate| gate.holds)) {
                lines.push(format!("                     {limited}"));
            }
        }
    }
    for gate in &run.gates {
        let word = if gate.holds { "holds" } else { "FAILS" };
        lines.push(match &gate.observed {
            Some(observed) => format!("gate   {:<34} observed {observed:<22} {word}", gate.gate),
            None => format!("gate   {:<34} cannot be evaluated: {}", gate.gate, unknown_text(gate)),
        });
    }
    for (class, seen) in &run.failures {
        lines.push(format!("failed {class} {} times: {}", count_text(seen.count), seen.texts.join(" / ")));
    }
    let late: u64 = run.actions.iter().map(|a| a.late).sum();
    if 0 < late {
        lines.push(format!("late   {} answers came after the load's limit", count_text(late)));
    }
    lines.extend(super::view::lines(run));
    let driver = &run.driver;
    let lag = match run.design.load {
        LoadFacts::Open { .. } => {
            format!(
                " · timer late p50 {:.3} ms, p99 {:.3} ms",
                driver.timer_lag.us_p50 / 1e3,
                driver.timer_lag.us_p99 / 1e3
            )
        }
        LoadFacts::Closed { .. } => String::new(),
    };
    let reconnects =
        if driver.reconnects == 0 { String::new() } else { format!(" · {} reconnects", driver.reconnects) };
    lines.push(format!(
        "driver busiest thread {} of a processor · {:.1} µs per operation{lag} · clock {:.0} ns · streams \
         {}{reconnects}",
        percent_text(driver.cpu_share_max),
        driver.cpu_us_per_operation,
        driver.clock_ns,
        driver.digest
    ));
    for check in &run.checks {
        lines.push(format!("{} {}", if check.limits { "limit: " } else { "warning:" }, check.message));
    }
    lines
}

#[cfg(test)]
mod tests {
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
