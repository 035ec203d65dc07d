//! A gate: a condition on a figure of a load, and what was observed of it. Must parse no text: `scenario::gate` reads
//! gates.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::run::{ActionResult, GateResult, Quantiles, Unevaluated};
use super::view::{PoolFacts, ReplicaFacts};
use crate::stats::histogram::values_needed;

/// A condition that must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What is examined.
    pub metric: Metric,
    /// How it compares.
    pub comparison: Comparison,
    /// With what: nanoseconds for times, a share for errors, a number a second for rates.
    pub limit: f64,
    /// The limit is a share of what was asked for (`rate > 95%`).
    pub relative: bool,
    /// Ends the run as soon as it fails.
    pub abort: bool,
    /// Seconds before it is examined while the run goes on, or for which a rule must hold.
    pub delay_s: f64,
    /// As it was written.
    pub text: String,
}

/// What a gate looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// One action, or all together.
    pub action: Option<String>,
    /// Which figure.
    pub figure: Figure,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Figure {
    /// A quantile of latency, from 0 to 1.
    Latency(f64),
    /// Mean latency.
    Mean,
    /// Failed operations as a share of those that were due.
    Errors,
    /// Operations given up unsent, as a share of those that were due.
    Skipped,
    /// Operations not sent by the end, as a share of those that were due.
    Unsent,
    /// Answers later than the limit of the load, as a share of those that were due.
    Late,
    /// Answers of replicas that missed what was just written, as a share of the operations that were due.
    Misses,
    /// Answers a second.
    Rate,
    /// A quantile of the wait for a connection of the pool, from 0 to 1.
    PoolWait(f64),
    /// The largest lag of any replica.
    ReplicaLag,
}

/// How a figure compares with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Gate {
    /// Whether a value satisfies it; `asked` is what a relative limit is a share of.
    #[must_use]
    pub fn holds(&self, value: f64, asked: f64) -> bool {
        let limit = if self.relative { self.limit * asked } else { self.limit };
        match self.comparison {
            Comparison::Below => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::Above => limit < value,
            Comparison::AtLeast => limit <= value,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Everything a gate may look at.
pub struct Figures<'f> {
    /// By action.
    pub actions: &'f [ActionResult],
    /// All together.
    pub all: &'f ActionResult,
    /// What the load asked for, a second; nothing in a closed loop.
    pub offered_per_s: Option<f64>,
    /// The pool, where there is one.
    pub pool: Option<&'f PoolFacts>,
    /// The replicas.
    pub replicas: &'f [ReplicaFacts],
}

/// A gate with what was observed.
#[must_use]
pub fn judge(gate: &Gate, figures: &Figures<'_>) -> GateResult {
    let observed = observe(gate, figures);
    let asked = figures.offered_per_s.unwrap_or_default() * share(gate, figures);
    GateResult {
        gate: gate.text.clone(),
        observed: observed.ok().map(|value| text(gate, value)),
        holds: observed.is_ok_and(|value| gate.holds(value, asked)),
        unevaluated: observed.err(),
    }
}

/// A gate of a saved run whose text cannot be read.
#[must_use]
pub fn unreadable(text: &str) -> GateResult {
    GateResult { gate: text.to_owned(), observed: None, holds: false, unevaluated: Some(Unevaluated::Unreadable) }
}

/// The share of the load that a gate's action has.
fn share(gate: &Gate, figures: &Figures<'_>) -> f64 {
    let of = |name: &String| figures.actions.iter().find(|a| a.name == *name).map_or(0.0, |a| a.share);
    gate.metric.action.as_ref().map_or(1.0, of)
}

fn observe(gate: &Gate, figures: &Figures<'_>) -> Result<f64, Unevaluated> {
    let result = match &gate.metric.action {
        Some(name) => figures.actions.iter().find(|a| a.name == *name).ok_or(Unevaluated::NoAction)?,
        None => figures.all,
    };
    let part = |count: u64| match result.due {
        0 => Err(Unevaluated::NothingDue),
        due => Ok(count as f64 / due as f64),
    };
    let latency = &result.latency;
    match gate.metric.figure {
        Figure::Latency(q) => quantile_ns(latency, q),
        Figure::PoolWait(q) => quantile_ns(&figures.pool.ok_or(Unevaluated::NoPool)?.wait, q),
        Figure::ReplicaLag => {
            let seen = figures.replicas.iter().filter(|replica| replica.lag.count > 0);
            let largest = seen.map(|replica| replica.lag.us_max * 1e3).reduce(f64::max);
            largest.ok_or(Unevaluated::NoReplica)
        }
        Figure::Mean if latency.count == 0 => Err(Unevaluated::NoAnswer),
        Figure::Mean => Ok(latency.us_mean * 1e3),
        Figure::Errors => part(result.failed),
        Figure::Skipped => part(result.skipped),
        Figure::Unsent => part(result.unsent),
        Figure::Late => part(result.late),
        Figure::Misses => part(result.misses),
        Figure::Rate if gate.relative && figures.offered_per_s.is_none() => Err(Unevaluated::NoRate),
        Figure::Rate => Ok(result.rate_per_s),
    }
}

fn quantile_ns(of: &Quantiles, q: f64) -> Result<f64, Unevaluated> {
    let us = match q {
        _ if q >= 1.0 => (of.count > 0).then_some(of.us_max),
        _ if q >= 0.999 => of.us_p999,
        _ if q >= 0.99 => of.us_p99,
        _ if q >= 0.95 => of.us_p95,
        _ if q >= 0.9 => of.us_p90,
        _ => of.us_p50,
    };
    us.map(|us| us * 1e3).ok_or(match of.count {
        0 => Unevaluated::NoAnswer,
        values => Unevaluated::TooFew { values, needed: values_needed(q) },
    })
}

fn text(gate: &Gate, value: f64) -> String {
    match gate.metric.figure {
        Figure::Errors | Figure::Skipped | Figure::Unsent | Figure::Late | Figure::Misses => {
            format!("{:.3} %", value * 100.0)
        }
        Figure::Rate => format!("{value:.1}/s"),
        _ => format!("{:.3} ms", value / 1e6),
    }
}
