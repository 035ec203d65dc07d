//! Charts as SVG text: percentile curves, shifts with intervals, lines over time, bars. Must hold no colour and no
//! font: the style of the page
//! has them, for light and dark.

use std::fmt::Write;

/// The size of a chart, in the units of its own coordinates.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 230.0;

/// Space for labels.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// One line of a chart.
pub(super) struct Line {
    /// The class that gives it its colour: `before`, `control`, `after`.
    pub(super) class: &'static str,
    /// Places, in the units of the axes; a gap where there is no value.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// An interval around an estimate.
pub(super) struct Interval {
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    /// Where it stands on the horizontal axis, from 0.
    pub(super) place: f64,
    /// Estimate, lower end, upper end.
    pub(super) values: [f64; 3],
}

/// A label of an axis with its place.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// What a chart is about, for those who do not see it, and what stands at its axes.
pub(super) struct Frame {
    /// One sentence.
    pub(super) title: String,
    /// What the horizontal axis has.
    pub(super) x: &'static str,
    /// What the vertical axis has.
    pub(super) y: &'static str,
}

/// Latency by quantile: `quantile` and microseconds of each line. The axis of quantiles widens towards 1, that of
/// latency is logarithmic.
pub(super) fn percentiles(title: String, lines: Vec<(&'static str, &[(f64, f64)])>) -> String {
    let beyond = |quantile: f64| -(1.0 - quantile).log10();
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|(class, points)| Line {
            class,
            points: points.iter().map(|(q, us)| (beyond(*q), Some((us / 1e3).max(1e-6).log10()))).collect(),
        })
        .collect();
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.3, f64::max);
    let names = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];
    let ticks = names.into_iter().filter(|(q, _)| beyond(*q) <= most + 1e-9);
    let ticks = ticks.map(|(q, label)| Tick { at: beyond(q), label: label.to_owned() }).collect();
    let frame = Frame { title, x: "quantile", y: "ms" };
    lines_chart(&frame, &lines, (0.0, most), ticks, true, &[])
}

/// Lines over time, in milliseconds; `marks` are places with a word of what happened there.
pub(super) fn over_time(frame: &Frame, lines: &[Line], marks: &[(f64, String)]) -> String {
    let places = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let most = places.fold(1.0, f64::max);
    let step = nice_step(most, 6.0).max(1.0);
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= most {
        ticks.push(Tick { at, label: format!("{at:.0}") });
        at += step;
    }
    lines_chart(frame, lines, (0.0, most), ticks, false, marks)
}

/// Changes with their intervals, as shares, with a line at no change and a band of what counts as the same.
pub(super) fn intervals(frame: &Frame, intervals: &[Interval], labels: &[String], margin: f64) -> String {
    let values = || intervals.iter().flat_map(|of| of.values);
    let low = values().fold(-margin, f64::min) * 1.1;
    let high = values().fold(margin, f64::max) * 1.1;
    let axes = Axes { x: (-0.5, labels.len() as f64 - 0.5), y: (low, high) };
    let mut svg = open(frame);
    let (top, bottom) = (axes.y(margin), axes.y(-margin));
    let _ = write!(
        svg,
        r#"<rect class="band" x="{LEFT}" y="{top:.1}" width="{:.1}" height="{:.1}"/>"#,
        WIDTH - LEFT - RIGHT,
        bottom - top
    );
    for tick in linear_ticks(low, high, percent) {
        y_tick(&mut svg, axes.y(tick.at), &tick.label);
    }
    let zero = axes.y(0.0);
    let _ = write!(svg, r#"<line class="zero" x1="{LEFT}" x2="{:.1}" y1="{zero:.1}" y2="{zero:.1}"/>"#, WIDTH - RIGHT);
    for (place, label) in labels.iter().enumerate() {
        x_tick(&mut svg, axes.x(place as f64), label);
    }
    for Interval { class, place, values: [estimate, low, high] } in intervals {
        let (x, y) = (axes.x(*place), axes.y(*estimate));
        let (low, high) = (axes.y(*low), axes.y(*high));
        let _ = write!(svg, r#"<g class="{class}"><line x1="{x:.1}" x2="{x:.1}" y1="{low:.1}" y2="{high:.1}"/>"#);
        let _ = write!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.2"/></g>"#);
    }
    close(svg, frame)
}

/// A bar of a share of its column, before over after.
pub(super) fn bars(before: f64, after: f64, most: f64) -> String {
    const LENGTH: f64 = 90.0;
    let length = |value: f64| if most > 0.0 { (value / most * LENGTH).clamp(0.0, LENGTH) } else { 0.0 };
    let bar = |class: &str, y: u32, value: f64| {
        format!(r#"<rect class="{class}" y="{y}" width="{:.1}" height="5"/>"#, length(value))
    };
    format!(
        r#"<svg class="bars" viewBox="0 0 {LENGTH} 14" width="{LENGTH}" height="14" aria-hidden="true">{}{}</svg>"#,
        bar("before", 1, before),
        bar("after", 8, after)
    )
}

struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0).max(1e-12) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value - self.y.0) / (self.y.1 - self.y.0).max(1e-12) * (HEIGHT - TOP - BOTTOM)
    }
}

fn lines_chart(
    frame: &Frame,
    lines: &[Line],
    x: (f64, f64),
    x_ticks: Vec<Tick>,
    is_log: bool,
    marks: &[(f64, String)],
) -> String {
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|point| point.1);
    let (mut low, mut high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    if is_log {
        let room = ((high - low) * 0.06).max(0.05);
        (low, high) = (low - room, high + room);
    } else {
        (low, high) = (0.0, if high > 0.0 { high * 1.08 } else { 1.0 });
    }
    let axes = Axes { x, y: (low, high) };
    let mut svg = open(frame);
    let ticks = match is_log {
        true => log_ticks(low, high),
        false => linear_ticks(low, high, number),
    };
    for tick in ticks {
        y_tick(&mut svg, axes.y(tick.at), &tick.label);
    }
    for tick in x_ticks {
        x_tick(&mut svg, axes.x(tick.at), &tick.label);
    }
    for (at, word) in marks {
        let x = axes.x(*at);
        let _ = write!(
            svg,
            r#"<g class="mark"><line x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{:.1}"/><title>{}</title></g>"#,
            HEIGHT - BOTTOM,
            escaped(word)
        );
    }
    for line in lines {
        path(&mut svg, line, &axes);
    }
    close(svg, frame)
}

/// A line through its points, broken where there is none; a point alone is a dot.
fn path(svg: &mut String, line: &Line, axes: &Axes) {
    let mut path = String::new();
    let mut is_open = false;
    let mut dots = String::new();
    for (number, (x, y)) in line.points.iter().enumerate() {
        let Some(y) = y else {
            is_open = false;
            continue;
        };
        let (px, py) = (axes.x(*x), axes.y(*y));
        let _ = write!(path, "{}{px:.1} {py:.1}", if is_open { 'L' } else { 'M' });
        let next = line.points.get(number + 1).and_then(|point| point.1);
        if !is_open && next.is_none() {
            let _ = write!(dots, r#"<circle cx="{px:.1}" cy="{py:.1}" r="2.4"/>"#);
        }
        is_open = true;
    }
    if !path.is_empty() {
        let _ = write!(svg, r#"<g class="{}"><path d="{path}"/>{dots}</g>"#, line.class);
    }
}

fn open(frame: &Frame) -> String {
    let title = escaped(&frame.title);
    format!(
        r#"<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{title}"><title>{title}</title>"#
    )
}

fn close(mut svg: String, frame: &Frame) -> String {
    let mut axis = |place: String, name: &str| {
        let _ = write!(svg, r#"<text class="axis" {place}>{}</text>"#, escaped(name));
    };
    axis(format!(r#"x="{:.1}" y="{:.1}" text-anchor="end""#, WIDTH - RIGHT, HEIGHT - 4.0), frame.x);
    axis(format!(r#"x="4" y="{:.1}""#, TOP + 2.0), frame.y);
    svg.push_str("</svg>");
    svg
}

fn x_tick(svg: &mut String, x: f64, label: &str) {
    let y = HEIGHT - BOTTOM + 14.0;
    let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{}</text>"#, escaped(label));
}

fn y_tick(svg: &mut String, y: f64, label: &str) {
    let (end, x, middle) = (WIDTH - RIGHT, LEFT - 6.0, y + 3.5);
    let _ = write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{end:.1}" y1="{y:.1}" y2="{y:.1}"/>"#);
    let label = escaped(label);
    let _ = write!(svg, r#"<text x="{x:.1}" y="{middle:.1}" text-anchor="end">{label}</text>"#);
}

/// Powers of ten, with 2 and 5 between where there are few.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let of = |steps: &[f64]| -> Vec<Tick> {
        let decades = low.floor() as i32..=high.ceil() as i32;
        let all = decades.flat_map(|decade| steps.iter().map(move |step| f64::from(decade) + step.log10()));
        let inside = all.filter(|at| *at >= low && *at <= high);
        inside.map(|at| Tick { at, label: number(10f64.powf(at)) }).collect()
    };
    let [few, more, most]: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]];
    [few, more].into_iter().map(of).find(|ticks| ticks.len() >= 3).unwrap_or_else(|| of(most))
}

fn linear_ticks(low: f64, high: f64, label: impl Fn(f64) -> String) -> Vec<Tick> {
    let step = nice_step(high - low, 4.0);
    let first = (low / step).ceil() as i64;
    let all = (first..=first + 12).map(|number| number as f64 * step);
    all.take_while(|at| *at <= high + step * 1e-9).map(|at| Tick { at, label: label(at) }).collect()
}

/// 1, 2 or 5 times a power of ten, so that a length has about this many steps.
fn nice_step(length: f64, steps: f64) -> f64 {
    let rough = (length / steps).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    factor * power
}

/// A change in percent; no change has no sign.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 0.05 { "0 %".to_owned() } else { format!("{percent:+.0} %").replace('-', "−") }
}

/// A number with the digits that tell it from its neighbours on an axis.
fn number(value: f64) -> String {
    let text = match value.abs() {
        of if of >= 100.0 => format!("{value:.0}"),
        of if of >= 1.0 => format!("{value:.1}"),
        of if of >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// As text of XML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_an_axis_are_round_and_few() {
        assert_eq!(nice_step(100.0, 4.0), 50.0);
        assert_eq!(nice_step(7.3, 4.0), 2.0);
        let labels = |ticks: Vec<Tick>| ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>();
        assert_eq!(labels(linear_ticks(0.0, 7.3, number)), ["0", "2", "4", "6"]);
        assert_eq!(labels(log_ticks(-1.0, 2.0)), ["0.1", "1", "10", "100"]);
        assert_eq!(labels(log_ticks(0.0, 0.9)), ["1", "2", "5"]);
    }

    #[test]
    fn a_line_breaks_where_there_is_no_value_and_titles_are_escaped() {
        let frame = Frame { title: "<script>'\"&".to_owned(), x: "s", y: "ms" };
        let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(1.5))];
        let svg = over_time(&frame, &[Line { class: "after", points }], &[(1.0, "a <b>".to_owned())]);
        assert_eq!(svg.matches('M').count(), 2, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&#39;&quot;&amp;"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
