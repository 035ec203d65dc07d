//! Numbers that vary: uniform, normal, lognormal, exponential. Must be a function of uniform bits.

use super::hash::unit;
use super::parse::{Argument, Expr, Node};
use super::power;
use crate::diagnostic::Diagnostic;

/// A distribution of numbers. Durations are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Equally likely between two bounds.
    Uniform(f64, f64),
    /// Mean and standard deviation.
    Normal(f64, f64),
    /// Mean and standard deviation of the logarithm.
    LogNormal(f64, f64),
    /// Mean.
    Exponential(f64),
}

/// ln(p95 / median) of a lognormal is this many standard deviations of the logarithm: Φ⁻¹(0.95).
pub(crate) const Z95: f64 = 1.644_853_626_951_472_2;

impl Distribution {
    /// Names of the calls that are distributions.
    pub const NAMES: [&'static str; 4] = ["uniform", "normal", "lognormal", "exp"];

    /// Reads `uniform(1, 5)`, `normal(mean 3, sd 1)`, `lognormal(median 49, p95 199)`, `exp(90d)` or a number.
    ///
    /// # Errors
    /// When it is no distribution, or its arguments are missing or out of range.
    pub fn read(expr: &Expr) -> Result<Self, Diagnostic> {
        match &expr.node {
            Node::Number(n) => Ok(Self::Constant(*n)),
            Node::Duration(us) => Ok(Self::Constant(*us as f64)),
            Node::Binary('-', zero, operand) if zero.node == Node::Number(0.0) => Ok(Self::Constant(-number(operand)?)),
            Node::Call(name, arguments) => Self::read_call(expr, name, arguments),
            _ => Err(Self::expected(expr)),
        }
    }

    fn read_call(expr: &Expr, name: &str, arguments: &[Argument]) -> Result<Self, Diagnostic> {
        let two = |first: &str, second: &str| match arguments {
            [a, b] if fits(a, first) && fits(b, second) => Ok((number(&a.value)?, number(&b.value)?)),
            _ => Err(Diagnostic::at(expr.span.clone(), format!("`{name}` takes {first} and {second}"))),
        };
        match name {
            "uniform" => {
                let (low, high) = two("low", "high")?;
                require(expr, low <= high, "the low bound must not be above the high one")?;
                Ok(Self::Uniform(low, high))
            }
            "normal" => {
                let (mean, sd) = two("mean", "sd")?;
                require(expr, 0.0 <= sd, "sd must not be below 0")?;
                Ok(Self::Normal(mean, sd))
            }
            "lognormal" => {
                let (median, p95) = two("median", "p95")?;
                require(expr, 0.0 < median && median <= p95, "the median must be above 0 and not above p95")?;
                Ok(Self::LogNormal(libm::log(median), libm::log(p95 / median) / Z95))
            }
            "exp" => match arguments {
                [mean] if fits(mean, "mean") => Ok(Self::Exponential(number(&mean.value)?)),
                _ => Err(Diagnostic::at(expr.span.clone(), "`exp` takes a mean")),
            },
            _ => Err(Self::expected(expr)),
        }
    }

    fn expected(expr: &Expr) -> Diagnostic {
        Diagnostic::at(expr.span.clone(), "expected a number or a distribution")
            .help("distributions: uniform(low, high), normal(mean, sd), lognormal(median, p95), exp(mean)")
    }

    /// The value that 64 uniform bits give.
    #[must_use]
    pub fn draw(&self, bits: u64) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform(low, high) => low + unit(bits) * (high - low),
            Self::Normal(mean, sd) => mean + sd * normal_quantile(unit(bits)),
            Self::LogNormal(mean, sd) => power::exp(mean + sd * normal_quantile(unit(bits))),
            Self::Exponential(mean) => -mean * power::ln(1.0 - unit(bits)),
        }
    }
}

/// A plain number or a duration in microseconds.
///
/// # Errors
/// When the expression is anything else.
pub fn number(expr: &Expr) -> Result<f64, Diagnostic> {
    match &expr.node {
        Node::Number(n) | Node::Percent(n) => Ok(*n),
        Node::Duration(us) => Ok(*us as f64),
        Node::Binary('-', zero, operand) if zero.node == Node::Number(0.0) => Ok(-number(operand)?),
        _ => Err(Diagnostic::at(expr.span.clone(), "expected a number")),
    }
}

fn fits(argument: &Argument, name: &str) -> bool {
    argument.label.as_deref().is_none_or(|label| label == name)
}

fn require(expr: &Expr, holds: bool, message: &str) -> Result<(), Diagnostic> {
    if holds { Ok(()) } else { Err(Diagnostic::at(expr.span.clone(), message)) }
}

/// Φ⁻¹ by Acklam's rational approximation (relative error below 1.2·10⁻⁹), with `power` for one result
/// everywhere.
pub(super) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let p = p.clamp(1e-16, 1.0 - 1e-16);
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    if p < 0.024_25 {
        tail((-2.0 * power::ln(p)).sqrt())
    } else if p <= 0.975_75 {
        let q = p - 0.5;
        let r = q * q;
        (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
            / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
    } else {
        -tail((-2.0 * power::ln(1.0 - p)).sqrt())
    }
}

/// Φ.
pub(super) fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Key, parse::parse};

    fn quantiles(text: &str) -> (f64, f64) {
        let distribution = Distribution::read(&parse(text).unwrap()).unwrap();
        let mut values: Vec<f64> = (0..100_001).map(|n| distribution.draw(Key::new(4).cell(n))).collect();
        values.sort_by(f64::total_cmp);
        (values[50_000], values[95_000])
    }

    #[test]
    fn quantiles_are_those_asked_for() {
        let (median, p95) = quantiles("lognormal(median 49, p95 199)");
        assert!((median / 49.0 - 1.0).abs() < 0.02 && (p95 / 199.0 - 1.0).abs() < 0.03, "{median} {p95}");
        let (median, p95) = quantiles("normal(mean 10, sd 2)");
        assert!((median - 10.0).abs() < 0.05 && (p95 - 13.29).abs() < 0.1, "{median} {p95}");
        let (median, _) = quantiles("exp(10)");
        assert!((median - 6.93).abs() < 0.15, "{median}");
        let (median, p95) = quantiles("uniform(-1, 1)");
        assert!(median.abs() < 0.02 && (p95 - 0.9).abs() < 0.02);
    }

    #[test]
    fn mistakes_say_what_is_missing() {
        let message = |text: &str| Distribution::read(&parse(text).unwrap()).unwrap_err().message;
        assert_eq!(message("uniform(1)"), "`uniform` takes low and high");
        assert_eq!(message("uniform(2, 1)"), "the low bound must not be above the high one");
        assert_eq!(message("lognormal(median 0, p95 1)"), "the median must be above 0 and not above p95");
        assert_eq!(message("name"), "expected a number or a distribution");
    }
}
