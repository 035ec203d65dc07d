//! Latencies of an action as curves: by quantile, their shift, and over time. Must decide nothing: verdicts rest on
//! p50 and p95.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{Change, effect_of, metric};
use crate::evidence::{Evidence, Side};
use crate::stats::histogram::{empty, quantile};

/// Quantiles of a curve, towards 1 by the logarithm of what is beyond.
const QUANTILES: [f64; 19] = [
    0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.999_5,
    0.999_9,
];

/// Quantiles of a shift plot.
const SHIFTED: [f64; 7] = [0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99];

/// The curves of one action.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionCurves {
    /// By side: quantile and latency in microseconds, over all chunks; without quantiles that too few values are
    /// beyond.
    pub percentiles: BTreeMap<Side, Vec<(f64, f64)>>,
    /// `after` against `before` at some quantiles; none below eight chunks.
    pub shifts: Vec<Shift>,
    /// By side: p50 and p95 of each chunk in microseconds; absent where a chunk has too few values.
    pub over_time: BTreeMap<Side, Vec<[Option<f64>; 2]>>,
}

/// The change of one quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The quantile, from 0 to 1.
    pub quantile: f64,
    /// `after` against `before`, from the chunks.
    pub change: Change,
    /// `control` against `before`: what noise alone did.
    pub control: Option<Change>,
}

/// What happened on the server in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEvents {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// Checkpoints that began, on any side.
    pub checkpoints: u64,
    /// Slices with autovacuum at work, on any side.
    pub autovacuum: u64,
}

/// The curves of every action, by position in the mix; empty where nothing was driven.
#[must_use]
pub fn curves(evidence: &Evidence) -> Vec<ActionCurves> {
    match evidence.histograms.is_empty() {
        true => Vec::new(),
        false => (0..evidence.actions.len()).map(|position| of_action(evidence, position)).collect(),
    }
}

/// Chunks with checkpoints or autovacuum.
#[must_use]
pub fn events(evidence: &Evidence) -> Vec<ChunkEvents> {
    let of = |(chunk, facts): (usize, &crate::evidence::ChunkFacts)| {
        let slices = || facts.sides.values().flat_map(|side| &side.slices);
        let checkpoints = slices().map(|slice| slice.checkpoints).sum();
        let autovacuum = slices().filter(|slice| slice.autovacuum_workers > 0).count() as u64;
        (checkpoints + autovacuum > 0).then_some(ChunkEvents { chunk, checkpoints, autovacuum })
    };
    evidence.chunks.iter().enumerate().filter_map(of).collect()
}

fn of_action(evidence: &Evidence, position: usize) -> ActionCurves {
    let mut curves = ActionCurves::default();
    for side in Side::ALL {
        let latency =
            |chunk: &'_ crate::evidence::Histograms| chunk.get(&side)?.get(position).map(|of| of.latency.clone());
        let chunks: Vec<Histogram<u64>> = evidence.histograms.iter().filter_map(latency).collect();
        let mut sum = empty();
        chunks.iter().for_each(|chunk| sum.add(chunk).expect("all histograms have the same bounds"));
        let us = |histogram: &Histogram<u64>, q: f64| Some(quantile(histogram, q)? as f64 / 1e3);
        let points = QUANTILES.into_iter().filter_map(|q| Some((q, us(&sum, q)?)));
        curves.percentiles.insert(side, points.collect());
        curves.over_time.insert(side, chunks.iter().map(|chunk| [0.5, 0.95].map(|q| us(chunk, q))).collect());
    }
    let change = |side: Side, q: f64| {
        effect_of(evidence, &metric::ratios(evidence, side, position, q)?).as_ref().map(Change::from)
    };
    let shift = |quantile: f64| {
        Some(Shift { quantile, change: change(Side::After, quantile)?, control: change(Side::Control, quantile) })
    };
    curves.shifts = SHIFTED.into_iter().filter_map(shift).collect();
    curves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::compare::tests::saved;

    #[test]
    fn curves_agree_with_the_comparison_and_rise() {
        let evidence = saved();
        let (curves, comparison) = (curves(&evidence), compare(&evidence));
        assert_eq!(curves.len(), comparison.actions.len());
        for (curve, action) in curves.iter().zip(&comparison.actions) {
            let before = &curve.percentiles[&Side::Before];
            assert!(before.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{before:?}");
            let p50 = action.p50.as_ref().unwrap();
            let at = before.iter().find(|(q, _)| *q == 0.5).unwrap().1;
            assert!((at - p50.before_us).abs() <= 0.002 * at, "{at} and {}", p50.before_us);
            if let Some(shift) = curve.shifts.iter().find(|shift| shift.quantile == 0.5) {
                assert_eq!(Some(shift.change), p50.change);
            }
            assert!(curve.over_time.values().all(|chunks| chunks.len() == evidence.chunks.len()));
        }
    }

    #[test]
    fn events_name_their_chunk() {
        let mut evidence = saved();
        evidence.chunks.iter_mut().flat_map(|chunk| chunk.sides.values_mut()).for_each(|side| side.slices.clear());
        assert_eq!(events(&evidence), []);
        let slice = crate::evidence::SliceFacts { checkpoints: 1, autovacuum_workers: 2, ..Default::default() };
        evidence.chunks[3].sides.get_mut(&Side::After).unwrap().slices = vec![slice, slice];
        assert_eq!(events(&evidence), [ChunkEvents { chunk: 3, checkpoints: 2, autovacuum: 2 }]);
    }
}
