//! One action of a proof for the page: its row, its charts, its quantiles, its plans. Must compute no figure that
//! decides.

use super::Figure;
use super::plan::{SidePlans, plans};
use crate::compare::curves::{ActionCurves, ChunkEvents};
use crate::compare::{ActionComparison, MetricComparison, Verdict};
use crate::evidence::Side;
use crate::report::chart::{self, Frame, Interval, Line};
use crate::report::{Trial, claim, isolated, summary, words};

/// Actions that are open when the page opens.
const MAX_OPEN: usize = 3;

/// An action.
pub(super) struct ActionView {
    pub(super) anchor: String,
    pub(super) name: String,
    pub(super) share: String,
    pub(super) share_value: f64,
    pub(super) p50: String,
    pub(super) p50_value: f64,
    /// Without load the processor time stands here.
    pub(super) p95: String,
    pub(super) p95_value: f64,
    pub(super) change: String,
    pub(super) change_value: f64,
    pub(super) work: String,
    pub(super) work_value: f64,
    pub(super) verdict: &'static str,
    /// The order of verdicts, the most severe first.
    pub(super) rank: u8,
    pub(super) is_open: bool,
    pub(super) reason: Option<String>,
    pub(super) sql: Vec<String>,
    pub(super) charts: Vec<Figure>,
    pub(super) quantiles: Vec<[String; 6]>,
    pub(super) plans: Vec<SidePlans>,
}

/// Every action, those that changed first.
pub(super) fn actions(trial: Trial<'_>, curves: &[ActionCurves], events: &[ChunkEvents]) -> Vec<ActionView> {
    let actions = &trial.comparison.actions;
    let mut order: Vec<usize> = (0..actions.len()).collect();
    order.sort_by_key(|position| summary::rank(&actions[*position]));
    let mut views: Vec<ActionView> =
        order.into_iter().map(|position| view(trial, position, curves.get(position), events)).collect();
    let is_changed = |view: &&mut ActionView| view.verdict != Verdict::Same.word();
    views.iter_mut().filter(is_changed).take(MAX_OPEN).for_each(|view| view.is_open = true);
    views
}

fn view(trial: Trial<'_>, position: usize, curves: Option<&ActionCurves>, events: &[ChunkEvents]) -> ActionView {
    let action = &trial.comparison.actions[position];
    let is_timed = trial.evidence.design.chunks_planned > 0;
    let value = |metric: Option<&MetricComparison>| metric.map_or(0.0, |of| of.after_us);
    let (p50, p95) = (action.p50.as_ref(), action.p95.as_ref());
    let cpu = action.isolated.as_ref().and_then(|isolated| isolated.cpu.as_ref());
    let change = match is_timed {
        true => p95.or(p50).and_then(|metric| metric.change).map(|of| of.change),
        false => cpu.map(|of| of.change.change),
    };
    ActionView {
        anchor: format!("action-{}", position + 1),
        name: action.name.clone(),
        share: format!("{:.0} %", action.share * 100.0),
        share_value: action.share,
        p50: ms(p50),
        p50_value: value(p50),
        p95: if is_timed { ms(p95) } else { isolated::cpu(action) },
        p95_value: value(p95),
        change: if is_timed { summary::change(action) } else { isolated::cpu_change(action) },
        change_value: change.unwrap_or(0.0),
        work: summary::work(action),
        work_value: action.counts.as_ref().map_or(0.0, |counts| counts.after.blocks),
        verdict: action.verdict.word(),
        rank: summary::rank(action),
        is_open: false,
        reason: action.reason.as_ref().map(|of| claim::reason_text(trial.comparison, &action.name, of)),
        sql: trial.evidence.actions[position].sql.clone(),
        charts: curves.map(|curves| charts(action, curves, events)).unwrap_or_default(),
        quantiles: quantiles(action, curves),
        plans: plans(trial.evidence, position),
    }
}

fn ms(metric: Option<&MetricComparison>) -> String {
    metric.map_or("–".to_owned(), |of| format!("{:.2} → {:.2} ms", of.before_us / 1e3, of.after_us / 1e3))
}

/// Percentile curves, the shift with its interval, latency over time.
fn charts(action: &ActionComparison, curves: &ActionCurves, events: &[ChunkEvents]) -> Vec<Figure> {
    let name = &action.name;
    let mut figures = Vec::new();
    let lines: Vec<(&'static str, &[(f64, f64)])> =
        curves.percentiles.iter().map(|(side, points)| (side.name(), points.as_slice())).collect();
    if lines.iter().any(|(_, points)| points.len() > 1) {
        figures.push(Figure {
            svg: chart::percentiles(format!("Latency of {name} by quantile: before, control and after"), lines),
            caption: "Latency by quantile; both axes are logarithmic".to_owned(),
        });
    }
    if !curves.shifts.is_empty() {
        let mut intervals = Vec::new();
        for (place, shift) in (0_u32..).zip(&curves.shifts) {
            let of = |class, offset: f64, change: crate::compare::Change| Interval {
                class,
                place: f64::from(place) + offset,
                values: [change.change, change.low, change.high],
            };
            intervals.extend(shift.control.map(|control| of("control", -0.12, control)));
            intervals.push(of("after", 0.12, shift.change));
        }
        let labels: Vec<String> = curves.shifts.iter().map(|shift| format!("p{:.0}", shift.quantile * 100.0)).collect();
        let title = format!("Change of each quantile of {name} against before, with 95 % intervals");
        let frame = Frame { title, x: "quantile", y: "change" };
        figures.push(Figure {
            svg: chart::intervals(&frame, &intervals, &labels, action.margin),
            caption: format!(
                "Change against before with its 95 % interval; the band is the margin of ±{:.0} %",
                action.margin * 100.0
            ),
        });
    }
    figures.extend(over_time(name, curves, events));
    figures
}

fn over_time(name: &str, curves: &ActionCurves, events: &[ChunkEvents]) -> Option<Figure> {
    let lines_of = |of: usize, suffix: fn(Side) -> &'static str| {
        curves.over_time.iter().filter_map(move |(side, chunks)| {
            let points: Vec<(f64, Option<f64>)> =
                (0_u32..).zip(chunks).map(|(chunk, us)| (f64::from(chunk), us[of].map(|us| us / 1e3))).collect();
            points.iter().any(|point| point.1.is_some()).then(|| Line { class: suffix(*side), points })
        })
    };
    let thin = |side: Side| match side {
        Side::Before => "before thin",
        Side::Control => "control thin",
        Side::After => "after thin",
    };
    let lines: Vec<Line> = lines_of(0, Side::name).chain(lines_of(1, thin)).collect();
    if lines.is_empty() {
        return None;
    }
    let marks: Vec<(f64, String)> = events.iter().map(|of| (of.chunk as f64, event_text(of))).collect();
    let title = format!("p50 and p95 of {name} by chunk: before, control and after");
    let caption = match marks.is_empty() {
        true => "p50 (thick) and p95 (thin) of each chunk",
        false => "p50 (thick) and p95 (thin) of each chunk; dotted: checkpoints and autovacuum",
    };
    let frame = Frame { title, x: "chunk", y: "ms" };
    Some(Figure { svg: chart::over_time(&frame, &lines, &marks), caption: caption.to_owned() })
}

fn event_text(of: &ChunkEvents) -> String {
    let count = |number: u64, what: &str| (number > 0).then(|| format!("{what} {number}"));
    let parts = [count(of.checkpoints, "checkpoints"), count(of.autovacuum, "slices with autovacuum")];
    format!("chunk {}: {}", of.chunk + 1, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What the charts show, as numbers.
fn quantiles(action: &ActionComparison, curves: Option<&ActionCurves>) -> Vec<[String; 6]> {
    let Some(curves) = curves else { return Vec::new() };
    let at = |side: Side, q: f64| {
        let points = curves.percentiles.get(&side)?;
        points.iter().find(|point| point.0 == q).map(|point| point.1)
    };
    let row = |(name, q): (&str, f64)| {
        let cell = |side: Side| at(side, q).map_or("–".to_owned(), |us| format!("{:.3}", us / 1e3));
        at(Side::Before, q).or_else(|| at(Side::After, q))?;
        let metric = [("p50", &action.p50), ("p95", &action.p95), ("p99", &action.p99)];
        let metric = metric.into_iter().find(|(of, _)| *of == name).and_then(|(_, metric)| metric.as_ref());
        let change = |of: fn(&MetricComparison) -> Option<crate::compare::Change>| {
            metric.map_or("–".to_owned(), |metric| words::change(of(metric)))
        };
        Some([
            name.to_owned(),
            cell(Side::Before),
            cell(Side::Control),
            cell(Side::After),
            change(|metric| metric.change),
            change(|metric| metric.control),
        ])
    };
    [("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)]
        .into_iter()
        .filter_map(row)
        .collect()
}
