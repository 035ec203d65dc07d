//! How actions arrive, as `[load]`, `[[stage]]` and `[gates]` say it. Must know no action.

use super::gate::{Gate, check_metric};
use super::program::Protocol;
use super::shape::{Line, Rhythm, Shape};
use crate::diagnostic::Diagnostic;
use crate::document::{Placed, Table};
use crate::expression::Node;
use crate::expression::parse::parse;

/// How actions arrive in a proof: always the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// An open loop: a Poisson process of `rate` actions a second over at most `connections` connections.
    Open {
        /// Actions a second.
        rate: f64,
        /// Most actions in flight at a time.
        connections: usize,
    },
    /// A closed loop: each of `clients` connections asks again as soon as it was answered.
    Closed {
        /// Connections.
        clients: usize,
    },
}

/// What only a run (`weighbridge run`) looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// How long to measure, in seconds.
    pub duration_s: Option<f64>,
    /// How long to warm up, in seconds; found by itself where absent.
    pub warm_up_s: Option<f64>,
    /// Levels one after another, each a line from the level before: length in seconds and level.
    pub stages: Vec<(f64, f64)>,
    /// What multiplies the level.
    pub rhythms: Vec<Rhythm>,
    /// How often an action is tried when the server asks to try again.
    pub max_tries: Option<u32>,
    /// The server gives a statement up after this many milliseconds.
    pub timeout_ms: Option<u64>,
    /// Operations that could not be sent for this many nanoseconds are given up.
    pub skip_after_ns: Option<u64>,
    /// Answers later than this many nanoseconds are counted as late.
    pub late_after_ns: Option<u64>,
    /// Answers served slower than this many nanoseconds are counted as slow, and the slowest kept.
    pub slow_after_ns: Option<u64>,
    /// Connections of a pool in front of more clients.
    pub pool: Option<usize>,
    /// A client gives up waiting for a connection of the pool after this many nanoseconds.
    pub pool_timeout_ns: Option<u64>,
    /// How statements are sent.
    pub protocol: Option<Protocol>,
    /// Ends the run.
    pub abort_when: Option<Gate>,
    /// Decide the exit code.
    pub gates: Vec<Gate>,
}

/// Connections of an open loop when the file names none.
const DEFAULT_CONNECTIONS: usize = 16;

/// Most connections of one scenario; more than a server's default `max_connections` helps nobody.
const MOST_CONNECTIONS: u64 = 10_000;

impl Load {
    /// Its level: actions a second, or clients.
    #[must_use]
    pub fn level(self) -> f64 {
        match self {
            Self::Open { rate, .. } => rate,
            Self::Closed { clients } => clients as f64,
        }
    }

    /// Most actions in flight at a time.
    #[must_use]
    pub fn connections(self) -> usize {
        match self {
            Self::Open { connections, .. } => connections,
            Self::Closed { clients } => clients,
        }
    }
}

impl Conditions {
    /// The level over time: the stages, or the load's own level for the run's duration.
    #[must_use]
    pub fn shape(&self, load: Load, duration_s: f64) -> Shape {
        let mut lines = Vec::new();
        let mut from = load.level();
        for (length_s, to) in &self.stages {
            lines.push(Line { length_s: *length_s, from, to: *to });
            from = *to;
        }
        if lines.is_empty() {
            lines.push(Line { length_s: duration_s, from, to: from });
        }
        Shape::new(lines, &self.rhythms)
    }
}

/// Reads `[load]`.
pub(super) fn read_load(mut load: Table<'_, '_>) -> (Option<Load>, Conditions) {
    let rate = load.number("rate");
    let clients = load.whole("clients");
    let connections = load.whole("connections");
    let conditions = read_conditions(&mut load);
    let positive = |load: &Table<'_, '_>, placed: &Placed<u64>, key: &str| {
        let fine = (1..=MOST_CONNECTIONS).contains(&placed.value);
        if !fine {
            let message = format!("`{key}` must be 1 to {MOST_CONNECTIONS}, not {}", placed.value);
            load.problem(Diagnostic::at(placed.span.clone(), message));
        }
        fine.then_some(placed.value as usize)
    };
    let result = match (rate, clients) {
        (Some(rate), None) => {
            if rate.value <= 0.0 {
                load.problem(
                    Diagnostic::at(rate.span.clone(), format!("`rate` must be above 0, not {}", rate.value))
                        .help("actions a second, such as 300; for as fast as possible use `clients` instead"),
                );
            }
            let connections = match connections {
                Some(placed) => positive(&load, &placed, "connections"),
                None => Some(DEFAULT_CONNECTIONS),
            };
            connections.filter(|_| 0.0 < rate.value).map(|connections| Load::Open { rate: rate.value, connections })
        }
        (None, Some(clients)) => {
            if let Some(extra) = connections {
                load.problem(Diagnostic::at(
                    extra.span,
                    "`connections` belongs to `rate`; a closed loop has `clients`",
                ));
            }
            positive(&load, &clients, "clients").map(|clients| Load::Closed { clients })
        }
        (Some(rate), Some(_)) => {
            load.problem(Diagnostic::at(rate.span, "`rate` and `clients` exclude each other"));
            None
        }
        (None, None) => {
            let problem =
                Diagnostic::at(load.span.clone(), "`load` needs `rate` (open loop) or `clients` (closed loop)");
            load.problem(problem);
            None
        }
    };
    load.finish();
    (result, conditions)
}

/// A proof measures in chunks and looks at none of these; they are checked there too, so that one file serves both.
fn read_conditions(load: &mut Table<'_, '_>) -> Conditions {
    let millis = |seconds: f64| (seconds * 1e3).ceil() as u64;
    let nanos = |seconds: f64| (seconds * 1e9) as u64;
    Conditions {
        duration_s: read_seconds(load, "duration"),
        warm_up_s: read_warm_up(load),
        stages: Vec::new(),
        rhythms: read_rhythms(load),
        max_tries: load.whole("max_tries").and_then(|tries| {
            let fine = (1..=1_000).contains(&tries.value);
            if !fine {
                load.problem(Diagnostic::at(tries.span, "`max_tries` must be 1 to 1000"));
            }
            fine.then_some(tries.value as u32)
        }),
        timeout_ms: read_seconds(load, "timeout").map(millis),
        skip_after_ns: read_seconds(load, "skip_after").map(nanos),
        late_after_ns: read_seconds(load, "late_after").map(nanos),
        slow_after_ns: read_seconds(load, "slow_after").map(nanos),
        pool: load.whole("pool").and_then(|size| {
            let fine = (1..=MOST_CONNECTIONS).contains(&size.value);
            if !fine {
                let message = format!("`pool` must be 1 to {MOST_CONNECTIONS}, not {}", size.value);
                load.problem(Diagnostic::at(size.span, message));
            }
            fine.then_some(size.value as usize)
        }),
        pool_timeout_ns: read_seconds(load, "pool_timeout").map(nanos),
        protocol: load.text("protocol").and_then(|text| {
            let protocol = Protocol::from_name(&text.text);
            if protocol.is_none() {
                load.problem(Diagnostic::at(text.span, "`protocol` is \"prepared\", \"extended\" or \"simple\""));
            }
            protocol
        }),
        abort_when: load.text("abort_when").and_then(|text| match Gate::read(&text.text).and_then(Gate::as_rule) {
            Ok(rule) => Some(rule),
            Err(message) => {
                let help = "such as \"errors > 5% for 10s\"";
                load.problem(Diagnostic::at(text.span, message).help(help));
                None
            }
        }),
        gates: Vec::new(),
    }
}

/// A duration above zero, in seconds.
fn read_seconds(table: &mut Table<'_, '_>, key: &'static str) -> Option<f64> {
    let text = table.text(key)?;
    match parse(&text.text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if 0 < micros => Some(micros as f64 / 1e6),
        _ => {
            table.problem(Diagnostic::at(text.span, format!("`{key}` is a duration such as \"30s\"")));
            None
        }
    }
}

/// `warm_up = "10s"`, or "0s" for none.
fn read_warm_up(load: &mut Table<'_, '_>) -> Option<f64> {
    let text = load.text("warm_up")?;
    match parse(&text.text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if 0 <= micros => Some(micros as f64 / 1e6),
        _ => {
            load.problem(Diagnostic::at(text.span, "`warm_up` is a duration such as \"10s\", or \"0s\" for none"));
            None
        }
    }
}

fn read_rhythms(load: &mut Table<'_, '_>) -> Vec<Rhythm> {
    let mut rhythms = Vec::new();
    if let Some(mut wave) = load.table("wave") {
        let depth = wave.number("depth");
        if let Some(depth) = &depth
            && !(0.0..=1.0).contains(&depth.value)
        {
            wave.problem(Diagnostic::at(depth.span.clone(), "`depth` is a share from 0 to 1"));
        }
        let period_s = read_seconds(&mut wave, "period");
        rhythms.extend(depth.zip(period_s).map(|(depth, period_s)| Rhythm::Wave { depth: depth.value, period_s }));
        wave.finish();
    }
    if let Some(mut burst) = load.table("burst") {
        let factor = burst.number("factor").map(|factor| factor.value);
        let (every_s, length_s) = (read_seconds(&mut burst, "every"), read_seconds(&mut burst, "length"));
        match (factor, every_s, length_s) {
            (Some(factor), Some(every_s), Some(length_s)) if 0.0 <= factor && length_s < every_s => {
                rhythms.push(Rhythm::Burst { factor, every_s, length_s });
            }
            _ => burst.problem(Diagnostic::at(
                burst.span.clone(),
                "a burst needs `factor`, `every` and a shorter `length`, such as factor = 5, every = \"60s\", length = \
                 \"5s\"",
            )),
        }
        burst.finish();
    }
    if let Some(mut day) = load.table("day") {
        let length_s = read_seconds(&mut day, "length").unwrap_or(86_400.0);
        if let Some(factors) = day.numbers("hours", 24) {
            if factors.value.iter().any(|factor| *factor < 0.0) || factors.value.iter().all(|factor| *factor == 0.0) {
                day.problem(Diagnostic::at(
                    factors.span,
                    "`hours` are 24 factors of the level, none below 0, not all 0",
                ));
            } else {
                rhythms.push(Rhythm::Day { factors: factors.value, length_s });
            }
        }
        day.finish();
    }
    rhythms
}

/// Reads `[[stage]]`: each leads from the level before to its own.
pub(super) fn read_stages(tables: Vec<Table<'_, '_>>, load: Option<Load>) -> Vec<(f64, f64)> {
    let mut stages = Vec::new();
    for mut stage in tables {
        let duration_s = read_seconds(&mut stage, "duration");
        let (rate, clients) = (stage.number("rate"), stage.number("clients"));
        let level = match load {
            Some(Load::Open { .. }) => rate.filter(|_| clients.is_none()),
            Some(Load::Closed { .. }) => clients.filter(|_| rate.is_none()),
            None => None,
        };
        match (duration_s, level) {
            (Some(duration_s), Some(level)) if 0.0 <= level.value => stages.push((duration_s, level.value)),
            _ => stage.problem(Diagnostic::at(
                stage.span.clone(),
                "a stage needs `duration`, and `rate` in an open loop or `clients` in a closed one",
            )),
        }
        stage.finish();
    }
    stages
}

/// Reads `[gates]`.
#[must_use]
pub fn read_gates(mut table: Table<'_, '_>) -> Vec<Gate> {
    let mut gates = Vec::new();
    for (metric, condition) in table.named_texts() {
        match check_metric(&metric.value).map_err(|message| (metric.span, message)) {
            Err((span, message)) => table.problem(Diagnostic::at(span, message)),
            Ok(()) => match Gate::of(&metric.value, &condition.text) {
                Ok(gate) => gates.push(gate),
                Err(message) => table.problem(Diagnostic::at(condition.span, message)),
            },
        }
    }
    gates
}
