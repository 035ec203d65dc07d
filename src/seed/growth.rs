//! When rows came into being: a curve over the dataset's history. Must be closed form both ways.

use crate::diagnostic::Diagnostic;
use crate::expression::distribution::number;
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

    /// x at which F reaches a share.
    #[must_use]
    pub fn moment(&self, share: f64) -> f64 {
        match *self {
            Self::Power(p) => libm::pow(share, 1.0 / p),
            Self::SCurve(midpoint, steep) => {
                let (low, high) = (logistic(0.0, midpoint, steep), logistic(1.0, midpoint, steep));
                let value = low + share * (high - low);
                (midpoint - libm::log(1.0 / value - 1.0) / steep).clamp(0.0, 1.0)
            }
        }
    }
}

fn logistic(x: f64, midpoint: f64, steep: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-steep * (x - midpoint)))
}

/// The rows of one table in time: row r of n came at F⁻¹((r + jitter) / n), so times rise with rows.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// The curve.
    pub curve: Curve,
    /// Rows of the table.
    pub rows: u64,
    /// The stream of the jitter.
    pub key: Key,
}

impl Growth {
    /// When a row came, as a share of the history.
    #[must_use]
    pub fn moment(&self, row: u64) -> f64 {
        self.curve.moment((row as f64 + self.key.unit(row)) / self.rows as f64)
    }

    /// How many rows, from the first, exist for certain at a moment.
    #[must_use]
    pub fn born(&self, moment: f64) -> u64 {
        (libm::floor(self.curve.share(moment) * self.rows as f64) as u64).min(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_and_are_born_when_counted() {
        for curve in [Curve::Power(1.0), Curve::Power(1.7), Curve::SCurve(0.6, 6.0)] {
            let growth = Growth { curve, rows: 500, key: Key::new(1) };
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
}
