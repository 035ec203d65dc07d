//! Quantiles of a histogram as a result keeps them. Must give none that too few values are behind.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::stats::histogram::quantile;

/// Quantiles in microseconds; absent where fewer than ten values are beyond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// How many values.
    pub count: u64,
    /// Mean.
    pub us_mean: f64,
    /// Median.
    pub us_p50: Option<f64>,
    /// 90th percentile.
    pub us_p90: Option<f64>,
    /// 95th percentile.
    pub us_p95: Option<f64>,
    /// 99th percentile.
    pub us_p99: Option<f64>,
    /// 99.9th percentile.
    pub us_p999: Option<f64>,
    /// 99.99th percentile.
    pub us_p9999: Option<f64>,
    /// Largest.
    pub us_max: f64,
}

impl Quantiles {
    /// Of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |q: f64| quantile(histogram, q).map(|nanos| nanos as f64 / 1e3);
        Self {
            count: histogram.len(),
            us_mean: histogram.mean() / 1e3,
            us_p50: at(0.5),
            us_p90: at(0.9),
            us_p95: at(0.95),
            us_p99: at(0.99),
            us_p999: at(0.999),
            us_p9999: at(0.9999),
            us_max: histogram.max() as f64 / 1e3,
        }
    }
}
