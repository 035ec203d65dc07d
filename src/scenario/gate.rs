//! Conditions on what a run measures: gates that decide its exit code, and rules that end it. Must measure nothing.
//!
//! ```text
//! gate   = metric comparison limit ["abort"] ["after" duration]       payment_history.p95 < 20ms
//! rule   = metric comparison limit ["for" duration]                   errors > 5% for 10s
//! metric = [action "."] (p50 | p90 | p95 | p99 | p999 | max | mean | errors | rate | skipped | unsent | late | misses)
//!        | pool.wait "." (p50 | p90 | p95 | p99 | p999 | max) | replica.lag
//! ```

use crate::expression::Node;
use crate::expression::parse::parse;

pub use crate::evidence::gate::{Comparison, Figure, Gate, Metric};

/// Words at the end of a metric with what they mean.
const FIGURES: [(&str, Figure); 13] = [
    ("p50", Figure::Latency(0.5)),
    ("p90", Figure::Latency(0.9)),
    ("p95", Figure::Latency(0.95)),
    ("p99", Figure::Latency(0.99)),
    ("p999", Figure::Latency(0.999)),
    ("max", Figure::Latency(1.0)),
    ("mean", Figure::Mean),
    ("errors", Figure::Errors),
    ("skipped", Figure::Skipped),
    ("unsent", Figure::Unsent),
    ("late", Figure::Late),
    ("misses", Figure::Misses),
    ("rate", Figure::Rate),
];

impl Gate {
    /// Reads `metric comparison limit`, as one text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>']).ok_or("a gate is a metric, a comparison and a limit, such as p99 < 20ms")?;
        Self::of(&text[..at], &text[at..])
    }

    /// Reads a metric and its condition (`< 20ms abort after 10s`).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(metric: &str, condition: &str) -> Result<Self, String> {
        let (metric, condition) = (metric.trim(), condition.trim());
        let signs = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Below),
            (">", Comparison::Above),
        ];
        let (sign, comparison) = signs
            .into_iter()
            .find(|(sign, _)| condition.starts_with(sign))
            .ok_or_else(|| format!("`{condition}` must begin with <, <=, > or >=, such as < 20ms"))?;
        let mut words = condition[sign.len()..].split_whitespace();
        let written = words.next().ok_or("the limit is missing, such as < 20ms")?;
        let found = read_metric(metric)?;
        let (limit, relative) = read_limit(found.figure, written)?;
        let mut gate = Self {
            metric: found,
            comparison,
            limit,
            relative,
            abort: false,
            delay_s: 0.0,
            text: format!("{metric} {sign} {written}"),
        };
        while let Some(word) = words.next() {
            match word {
                "abort" => gate.abort = true,
                "after" | "for" => match words.next().map(|text| parse(text).map(|e| e.node)) {
                    Some(Ok(Node::Duration(micros))) => gate.delay_s = micros as f64 / 1e6,
                    _ => return Err(format!("`{word}` needs a duration, such as 10s")),
                },
                _ => return Err(format!("`{word}` is not expected here; a gate may end in `abort` and `after 10s`")),
            }
        }
        Ok(gate)
    }

    /// The same as a rule that is judged over the last intervals, which know fewer figures.
    ///
    /// # Errors
    /// When it is about one action, or a figure that intervals do not have.
    pub fn as_rule(self) -> Result<Self, String> {
        let known = match self.metric.figure {
            Figure::Errors | Figure::Skipped | Figure::Rate => true,
            Figure::Latency(q) => [0.5, 0.95, 0.99].contains(&q),
            Figure::Mean
            | Figure::Late
            | Figure::Unsent
            | Figure::Misses
            | Figure::PoolWait(_)
            | Figure::ReplicaLag => false,
        };
        if known && self.metric.action.is_none() {
            return Ok(self);
        }
        Err("a rule looks at all actions together: errors, skipped, rate, p50, p95 or p99".to_owned())
    }
}

/// Whether a text is a metric (`payment_history.p95`).
///
/// # Errors
/// What is wrong with it.
pub fn check_metric(text: &str) -> Result<(), String> {
    read_metric(text.trim()).map(drop)
}

/// The words that metrics end with.
pub fn metric_words() -> impl Iterator<Item = &'static str> {
    FIGURES.into_iter().map(|(word, _)| word)
}

fn read_metric(text: &str) -> Result<Metric, String> {
    if text == "replica.lag" {
        return Ok(Metric { action: None, figure: Figure::ReplicaLag });
    }
    if let Some(word) = text.strip_prefix("pool.wait.") {
        let found = FIGURES.into_iter().find(|(known, _)| *known == word);
        return match found {
            Some((_, Figure::Latency(q))) => Ok(Metric { action: None, figure: Figure::PoolWait(q) }),
            _ => Err(format!("`{text}` is no metric; known: pool.wait.p50, p90, p95, p99, p999, max")),
        };
    }
    let (action, word) = match text.rsplit_once('.') {
        Some((action, word)) => (Some(action), word),
        None => (None, text),
    };
    let found = FIGURES.into_iter().find(|(known, _)| *known == word);
    let (_, figure) = found.ok_or_else(|| {
        let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        format!("`{word}` is no metric; known: {}, pool.wait.p99, replica.lag", known.join(", "))
    })?;
    Ok(Metric { action: action.filter(|name| *name != "*").map(str::to_owned), figure })
}

/// The limit in the figure's unit, and whether it is a share of what was asked for.
fn read_limit(figure: Figure, text: &str) -> Result<(f64, bool), String> {
    let node = parse(text).map_err(|_| format!("`{text}` is no limit"))?.node;
    match (figure, node) {
        (Figure::Latency(_) | Figure::Mean | Figure::PoolWait(_) | Figure::ReplicaLag, Node::Duration(micros)) => {
            Ok((micros as f64 * 1e3, false))
        }
        (Figure::Errors | Figure::Skipped | Figure::Unsent | Figure::Late | Figure::Misses, Node::Percent(share)) => {
            Ok((share, false))
        }
        (Figure::Rate, Node::Percent(share)) => Ok((share, true)),
        (Figure::Rate, Node::Number(rate)) => Ok((rate, false)),
        (Figure::Errors | Figure::Skipped | Figure::Unsent | Figure::Late | Figure::Misses, _) => {
            Err(format!("`{text}` must be a share, such as 0.1%"))
        }
        (Figure::Rate, _) => Err(format!("`{text}` must be a number a second, or a share of the load such as 95%")),
        _ => Err(format!("`{text}` must be a duration, such as 20ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::gate::{Figures, judge};
    use crate::evidence::run::{ActionResult, Quantiles, Unevaluated};

    #[test]
    fn gates_are_read_and_hold() {
        let gate = Gate::read("payment_history.p95 < 20ms").unwrap();
        let metric = Metric { action: Some("payment_history".to_owned()), figure: Figure::Latency(0.95) };
        assert_eq!(gate.metric, metric);
        assert!(gate.holds(19_999_999.0, 0.0) && !gate.holds(20_000_000.0, 0.0));
        let rate = Gate::of("rate", ">= 95% abort after 10s").unwrap();
        assert!(rate.relative && rate.abort && rate.holds(95.0, 100.0) && !rate.holds(94.0, 100.0));
        assert_eq!(rate.delay_s, 10.0);
        assert_eq!(Gate::read("errors > 5% for 10s").unwrap().to_string(), "errors > 5%");
        assert_eq!(Gate::read("*.p99 <= 1s").unwrap().metric.action, None);
        assert_eq!(Gate::read("pool.wait.p99 < 5ms").unwrap().metric.figure, Figure::PoolWait(0.99));
        assert_eq!(Gate::read("replica.lag < 1s").unwrap().metric.figure, Figure::ReplicaLag);
    }

    #[test]
    fn mistakes() {
        let wrong = |text| Gate::read(text).unwrap_err();
        assert_eq!(wrong("p95 < 20"), "`20` must be a duration, such as 20ms");
        assert_eq!(wrong("errors < 5ms"), "`5ms` must be a share, such as 0.1%");
        assert!(wrong("p42 < 20ms").starts_with("`p42` is no metric"));
        assert!(wrong("p95 = 20ms").starts_with("a gate is a metric"));
        assert!(wrong("p95 < 20ms soon").starts_with("`soon` is not expected"));
    }

    #[test]
    fn a_gate_without_enough_values_does_not_hold() {
        let latency = Quantiles { count: 5, ..Quantiles::default() };
        let all = ActionResult { due: 5, ok: 5, latency, ..ActionResult::default() };
        let figures = Figures { actions: &[], all: &all, offered_per_s: None, pool: None, replicas: &[] };
        let judged = |text| judge(&Gate::read(text).unwrap(), &figures);
        let result = judged("p99 < 1s");
        assert_eq!((result.observed, result.holds), (None, false));
        assert_eq!(result.unevaluated, Some(Unevaluated::TooFew { values: 5, needed: 1_000 }));
        assert!(judged("errors < 0.1%").holds);
        // A share of a rate that nobody asked for is 0, which every rate reaches.
        assert_eq!(judged("rate >= 95%").unevaluated, Some(Unevaluated::NoRate));
        assert!(judged("rate >= 0").holds);
        assert_eq!(judged("gone.p50 < 1s").unevaluated, Some(Unevaluated::NoAction));
        assert_eq!(judged("pool.wait.p99 < 1s").unevaluated, Some(Unevaluated::NoPool));
    }
}
