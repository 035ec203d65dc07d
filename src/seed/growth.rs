//! When rows came into being: a curve over the dataset's history. Must be closed form both ways.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::expression::distribution::number;
use crate::expression::parse::parse;
use crate::expression::value::parse_time;
use crate::expression::{Expr, Key, Node};

/// The share of rows that exist by a share of the history: F(0) = 0, F(1) = 1, rising.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// x^p; 1 is steady growth, 2 means growth rises in a straight line.
    Power(f64),
    /// A logistic curve with its middle at a share of the history and a steepness.
    SCurve(f64, f64),
}

impl Curve {
    /// Reads `linear`, `power(1.5)` or `s_curve(midpoint 60%, steep 6)`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn read(expr: &Expr) -> Result<Self, Diagnostic> {
        let unknown = || {
            Diagnostic::at(expr.span.clone(), "unknown growth curve")
                .help("curves: linear, power(1.5), s_curve(midpoint 60%, steep 6)")
        };
        match &expr.node {
            Node::Path(path) if path.len() == 1 && path[0] == "linear" => Ok(Self::Power(1.0)),
            Node::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
                ("power", [p]) => match number(&p.value)? {
                    p if 0.0 < p => Ok(Self::Power(p)),
                    _ => Err(Diagnostic::at(expr.span.clone(), "the power must be above 0")),
                },
                ("s_curve", [midpoint, steep]) => match (number(&midpoint.value)?, number(&steep.value)?) {
                    (midpoint, steep) if 0.0 < steep => Ok(Self::SCurve(midpoint, steep)),
                    _ => Err(Diagnostic::at(expr.span.clone(), "the steepness must be above 0")),
                },
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }

    /// F(x).
    #[must_use]
    pub fn share(&self, x: f64) -> f64 {
        match *self {
            Self::Power(p) => libm::pow(x, p),
            Self::SCurve(midpoint, steep) => {
                let (low, high) = (logistic(0.0, midpoint, steep), logistic(1.0, midpoint, steep));
                (logistic(x, midpoint, steep) - low) / (high - low)
            }
        }
    }
}

fn logistic(x: f64, midpoint: f64, steep: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-steep * (x - midpoint)))
}

/// How many rows come when: a curve, the weight of each weekday, and bursts around single days.
#[derive(Debug, Clone)]
pub struct Rate {
    /// The long run.
    pub curve: Curve,
    /// Weights of Monday to Sunday.
    pub weekly: [f64; 7],
    /// Times at which more comes than else.
    pub bursts: Vec<Burst>,
}

/// A time at which more comes than else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Its middle, microseconds since PostgreSQL's epoch.
    pub middle: i64,
    /// How long before and after.
    pub around: i64,
    /// How many times as much.
    pub factor: f64,
}

impl From<Curve> for Rate {
    fn from(curve: Curve) -> Self {
        Self { curve, weekly: [1.0; 7], bursts: Vec::new() }
    }
}

impl Burst {
    /// Reads `2025-11-28 +-2d x6`, with a name before it or without.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, Diagnostic> {
        let wrong = || {
            Diagnostic::at(0..text.len(), "this is no burst")
                .help("write a day, how far around it, and how many times as much: 'black_friday 2025-11-28 +-2d x6'")
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [.., day, around, factor] = words.as_slice() else { return Err(wrong()) };
        let middle = parse_time(day).filter(|_| words.len() <= 4).ok_or_else(wrong)? + DAY / 2;
        let around = around.strip_prefix("+-").and_then(|around| match parse(around).ok()?.node {
            Node::Duration(micros) if 0 < micros => Some(micros),
            _ => None,
        });
        let factor =
            factor.strip_prefix('x').and_then(|f| f.parse::<f64>().ok()).filter(|f| 0.0 <= *f && f.is_finite());
        Ok(Self { middle, around: around.ok_or_else(wrong)?, factor: factor.ok_or_else(wrong)? })
    }
}

const DAY: i64 = 86_400_000_000;

/// A rate over a history, as a table of the share of rows that have come by the end of each of its pieces; straight
/// between them. Both directions take constant time.
#[derive(Debug, Clone)]
pub struct Shape {
    shares: Arc<[f64]>,
    /// The piece in which each of as many equal steps of the share begins.
    pieces: Arc<[u32]>,
}

impl Shape {
    /// The shape of a rate over a history that begins at `start` and is `span` long, in microseconds.
    #[must_use]
    pub fn new(rate: &Rate, start: i64, span: i64) -> Self {
        // Half a day or a part of it: fine enough for weekdays and bursts, and small enough for the processor's cache.
        let half_days = (span / (DAY / 2)).clamp(1, 40_000) as usize;
        let count = half_days * 1_000_usize.div_ceil(half_days);
        let edge = |n: usize| n as f64 / count as f64;
        let mut shares = Vec::with_capacity(count + 1);
        let mut total = 0.0;
        shares.push(0.0);
        for piece in 0..count {
            let middle = start + (span as f64 * (edge(piece) + edge(piece + 1)) / 2.0) as i64;
            // PostgreSQL's epoch, 2000-01-01, was a Saturday.
            let weekday = (middle.div_euclid(DAY) + 5).rem_euclid(7) as usize;
            let burst: f64 =
                rate.bursts.iter().filter(|b| (middle - b.middle).abs() <= b.around).map(|b| b.factor).product();
            let plain = rate.curve.share(edge(piece + 1)) - rate.curve.share(edge(piece));
            total += plain * rate.weekly[weekday] * burst;
            shares.push(total);
        }
        shares.iter_mut().for_each(|share| *share /= total);
        shares[count] = 1.0;
        let mut piece = 0;
        let pieces = (0..count).map(|step| {
            while shares[piece + 1] <= edge(step) && piece + 1 < count {
                piece += 1;
            }
            piece as u32
        });
        Self { pieces: pieces.collect(), shares: shares.into() }
    }

    /// The share of rows that have come by a share of the history.
    #[must_use]
    pub fn share(&self, moment: f64) -> f64 {
        let place = (moment * self.pieces.len() as f64).clamp(0.0, self.pieces.len() as f64);
        let piece = (place as usize).min(self.pieces.len() - 1);
        self.shares[piece] + (self.shares[piece + 1] - self.shares[piece]) * (place - piece as f64)
    }

    /// The share of the history by which a share of the rows has come.
    #[must_use]
    pub fn moment(&self, share: f64) -> f64 {
        let count = self.pieces.len();
        let mut piece = self.pieces[((share * count as f64) as usize).min(count - 1)] as usize;
        while self.shares[piece + 1] <= share && piece + 1 < count {
            piece += 1;
        }
        let (low, high) = (self.shares[piece], self.shares[piece + 1]);
        let within = if low < high { ((share - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        (piece as f64 + within) / count as f64
    }
}

/// The rows of one table in time: row r of n came at F⁻¹((r + jitter) / n), so times rise with rows.
#[derive(Debug, Clone)]
pub struct Growth {
    /// When how many come.
    pub shape: Shape,
    /// Rows of the table.
    pub rows: u64,
    /// The stream of the jitter.
    pub key: Key,
}

impl Growth {
    /// When a row came, as a share of the history.
    #[must_use]
    pub fn moment(&self, row: u64) -> f64 {
        self.shape.moment((row as f64 + self.key.unit(row)) / self.rows as f64)
    }

    /// How many rows, from the first, exist for certain at a moment.
    #[must_use]
    pub fn born(&self, moment: f64) -> u64 {
        ((self.shape.share(moment) * self.rows as f64) as u64).min(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_and_are_born_when_counted() {
        for curve in [Curve::Power(1.0), Curve::Power(1.7), Curve::SCurve(0.6, 6.0)] {
            let weekly = [1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.0];
            let rate = Rate { weekly, ..curve.into() };
            let growth = Growth { shape: Shape::new(&rate, 0, 365 * DAY), rows: 500, key: Key::new(1) };
            let mut last = 0.0;
            for row in 0..500 {
                let moment = growth.moment(row);
                assert!(last <= moment && moment <= 1.0, "{curve:?} row {row}");
                assert!((0..growth.born(moment)).all(|r| growth.moment(r) <= moment + 1e-9));
                last = moment;
            }
            assert_eq!(growth.born(1.0), 500);
        }
    }

    #[test]
    fn weekends_are_quiet_and_a_burst_is_loud() {
        let burst = Burst::read("sale 2025-06-11 +-12h x10").unwrap();
        let rate = Rate { weekly: [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0], bursts: vec![burst], curve: Curve::Power(1.0) };
        let start = parse_time("2025-01-01").unwrap();
        let growth = Growth { shape: Shape::new(&rate, start, 365 * DAY), rows: 100_000, key: Key::new(1) };
        let mut days = vec![0; 365];
        for row in 0..100_000 {
            days[((growth.moment(row) * 365.0) as usize).min(364)] += 1;
        }
        let on = |day: usize| days[day];
        // 2025-01-01 was a Wednesday: day 3 a Saturday, day 4 a Sunday; 2025-06-11 is day 161.
        assert_eq!(on(4), 0);
        assert!((on(3) as f64 / on(2) as f64 - 0.5).abs() < 0.05, "{} {}", on(3), on(2));
        assert!((on(161) as f64 / on(154) as f64 - 10.0).abs() < 0.5, "{} {}", on(161), on(154));
        assert!(Burst::read("2025-06-11 2d x10").is_err() && Burst::read("x10").is_err());
    }
}
