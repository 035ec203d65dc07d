//! A domain laid over an expression: the same content, within what a CHECK allows. Must not know where a domain came
//! from.

use super::content::{Family, content, family, quoted, weighted};
use super::renamed;
use super::sample::accepts;
use crate::expression::parse::parse as parse_expr;
use crate::expression::value::parse_time;
use crate::expression::{Distribution, Expr, Node, Value};
use crate::postgres::catalog::{Type, TypeKind};
use crate::seed::condition::{Case, Domain, Letters, Tree, above, both, cases, parse};

/// The content of an element or a field, within what its own domains allow: no CHECK of the table says more of it.
pub(super) fn part(name: &str, kind: &Type, birth: &str) -> Option<String> {
    let made = content(name, kind, birth)?;
    let all = kind
        .domain_checks
        .iter()
        .fold(vec![Case::default()], |found, (_, text)| both(&found, &cases(&renamed(&parse(text), name), true)));
    let domain = all.first().and_then(|case| case.columns.get(name)).cloned().unwrap_or_default();
    Some(within(&made, &domain, kind))
}

/// An expression that stays inside the domain.
pub(super) fn within(content: &str, domain: &Domain, kind: &Type) -> String {
    if domain.null == Some(true) {
        return "null".to_owned();
    }
    if let Some(values) = &domain.values {
        return one_of(values);
    }
    if let TypeKind::Enum(labels) = &kind.kind {
        let allowed: Vec<String> =
            labels.iter().filter(|l| !domain.excluded.contains(&Tree::Text((*l).clone()))).cloned().collect();
        return if allowed.is_empty() { content.to_owned() } else { weighted(&allowed) };
    }
    match family(kind) {
        Family::Flag if domain.excluded.contains(&Tree::Bool(true)) => "false".to_owned(),
        Family::Flag if domain.excluded.contains(&Tree::Bool(false)) => "true".to_owned(),
        Family::Other if kind.name == "bytea" && domain.length != (0, None) => {
            let bytes = domain.length.0.max(domain.length.1.map_or(1, |most| most.min(24)));
            format!("'\\x' + hex({bytes})")
        }
        Family::Whole | Family::Fraction => number_within(content, domain, kind),
        Family::Moment => moment_within(content, domain, kind),
        Family::Text => text_within(content, domain, kind),
        _ if domain.elements.is_some() => match (&domain.elements, content.rsplit_once(", 1, 4)")) {
            (Some(values), Some(_)) => {
                let low = domain.length.0.max(1);
                format!("array({}, {low}, {})", one_of(values), domain.length.1.unwrap_or(low.max(3)))
            }
            _ => content.to_owned(),
        },
        _ if domain.length != (0, None) => {
            let (low, high) = (domain.length.0.max(1), domain.length.1.unwrap_or(domain.length.0.max(1) + 3));
            match content.strip_suffix(", 1, 4)") {
                Some(array) => format!("{array}, {}, {high})", low.min(high)),
                None => content.to_owned(),
            }
        }
        _ => content.to_owned(),
    }
}

fn one_of(values: &[Tree]) -> String {
    match values {
        [Tree::Bool(flag)] => flag.to_string(),
        [Tree::Number(number)] => number.to_string(),
        [Tree::Text(text)] => quoted(text),
        _ => {
            let labels: Vec<String> = values
                .iter()
                .map(|value| match value {
                    Tree::Text(text) => text.clone(),
                    Tree::Number(number) => number.to_string(),
                    Tree::Bool(flag) => flag.to_string(),
                    _ => String::new(),
                })
                .collect();
            if values.iter().any(|v| matches!(v, Tree::Number(n) if *n < 0.0)) {
                return labels.join(" | ");
            }
            weighted(&labels)
        }
    }
}

/// The smallest step between two values of a numeric type.
pub(super) fn step(kind: &Type) -> f64 {
    match (family(kind), kind.precision) {
        (Family::Whole, _) => 1.0,
        (_, Some((_, scale))) => libm::pow(10.0, -f64::from(scale)),
        _ => 0.01,
    }
}

/// The bounds of a numeric type and a domain together.
pub(super) fn number_bounds(domain: &Domain, kind: &Type) -> (Option<f64>, Option<f64>) {
    let step = step(kind);
    let of = |bound: &Option<(Tree, bool)>, inward: f64| match bound {
        Some((Tree::Number(n), strict)) => Some(if *strict { n + inward * step } else { *n }),
        _ => None,
    };
    let mut low = of(&domain.low, 1.0);
    let mut high = of(&domain.high, -1.0);
    if domain.excluded.contains(&Tree::Number(0.0)) && low.is_none_or(|low| low <= 0.0) {
        low = Some(step);
    }
    if let Some(widest) = widest(kind) {
        high = Some(high.map_or(widest, |high| high.min(widest)));
    }
    (low, high)
}

/// The largest value of a narrow type.
fn widest(kind: &Type) -> Option<f64> {
    let widest = match (kind.name.as_str(), kind.precision) {
        ("numeric", Some((digits, scale))) => libm::pow(10.0, f64::from(digits as i32 - i32::from(scale))) - step(kind),
        ("int2", _) => 32_767.0,
        _ => return None,
    };
    (widest < 1e6).then_some(widest)
}

/// A number with no more digits than it has: 0.999, not 0.9990000000000001.
pub(super) fn plain(number: f64) -> String {
    let rounded = libm::round(number * 1e9) / 1e9;
    rounded.to_string()
}

fn number_within(content: &str, domain: &Domain, kind: &Type) -> String {
    let (low, high) = number_bounds(domain, kind);
    let Some((divisor, rest)) = domain.multiple else { return spread_within(content, domain, kind, (low, high)) };
    // Bounds of what is multiplied: every multiple between them is between the column's own.
    let inner = (
        low.map(|low| libm::ceil((low - rest) / divisor) * divisor),
        high.map(|high| libm::floor((high - rest) / divisor) * divisor),
    );
    let multiple = format!("step({}, {})", spread_within(content, domain, kind, inner), plain(divisor));
    if rest == 0.0 { multiple } else { format!("{multiple} + {}", plain(rest)) }
}

fn spread_within(content: &str, domain: &Domain, kind: &Type, (low, high): (Option<f64>, Option<f64>)) -> String {
    if low.is_none() && high.is_none() {
        return content.to_owned();
    }
    let at = |share: f64| quantile_of(content, share);
    let (least, middle, most) = (at(0.05), at(0.5), at(0.95));
    let fits = low.is_none_or(|low| least.is_none_or(|least| low <= least))
        && high.is_none_or(|high| most.is_none_or(|most| most <= high));
    // A name alone says nothing of where the bounds of this column are: most rows would hold a bound itself.
    match (low, high) {
        // Nothing that is made from a name alone is below zero, but for places on earth.
        (Some(low), None) if low <= 0.0 && !content.contains("(-") => content.to_owned(),
        (Some(low), None) if fits => format!("clamp({content}, {}, null)", plain(low)),
        (Some(low), None) => format!("{} + exp({})", plain(low), plain(middle.unwrap_or(low).max(low / 4.0))),
        (None, Some(high)) if fits => format!("clamp({content}, null, {})", plain(high)),
        (None, Some(high)) if high > 0.0 => uniform(least.unwrap_or(0.0).min(0.0), high),
        (None, Some(high)) => below(content, high, kind),
        (Some(low), Some(high)) if domain.high.is_some() && high - low < 1e6 => uniform(low, high),
        (Some(low), Some(high)) if fits => format!("clamp({content}, {}, {})", plain(low), plain(high)),
        (Some(low), Some(high)) => uniform(low, high),
        (None, None) => content.to_owned(),
    }
}

fn uniform(low: f64, high: f64) -> String {
    format!("uniform({}, {})", plain(low), plain(high))
}

/// Content that is mirrored below a bound which is 0 or less, as a loss or a change would be.
fn below(content: &str, high: f64, kind: &Type) -> String {
    let mirrored = format!("{} - {content}", plain(high));
    let most = quantile_of(content, 0.95);
    match widest(kind) {
        Some(widest) if most.is_some_and(|most| most > widest) => uniform(-widest, high),
        Some(widest) => format!("clamp({mirrored}, {}, {})", plain(-widest), plain(high)),
        None => mirrored,
    }
}

/// The value that a share of the values is below which a text of the spec language gives.
pub(super) fn quantile_of(content: &str, share: f64) -> Option<f64> {
    quantile(&parse_expr(content).ok()?, share)
}

/// The value that a share of an expression's values is below, where that is plain to see.
fn quantile(expr: &Expr, share: f64) -> Option<f64> {
    match &expr.node {
        Node::Binary(operator, left, right) => {
            let (left, right) = (quantile(left, share)?, quantile(right, share)?);
            Some(match operator {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => return None,
            })
        }
        _ => Distribution::read(expr).ok().map(|found| found.draw((share * 2f64.powi(64)) as u64)),
    }
}

fn moment_within(content: &str, domain: &Domain, kind: &Type) -> String {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let days = kind.name == "date";
    let of = |bound: &Option<(Tree, bool)>, inward: i64| match bound {
        Some((Tree::Text(text), strict)) => parse_time(text).map(|at| match (days, inward) {
            // A day holds no part of a day: the first that is inside.
            (true, 1) => (at + if *strict { 1 } else { 0 } + DAY - 1).div_euclid(DAY) * DAY,
            (true, _) => (at - if *strict { 1 } else { 0 }).div_euclid(DAY) * DAY,
            (false, _) => at + if *strict { inward * SECOND } else { 0 },
        }),
        _ => None,
    };
    let text = |at: i64| quoted(&Value::Time(at).to_text());
    match (of(&domain.low, 1), of(&domain.high, -1)) {
        (Some(low), Some(high)) => format!("spread({}, {})", text(low), text(high)),
        (Some(low), None) => format!("clamp({content}, {}, null)", text(low)),
        (None, Some(high)) => format!("clamp({content}, null, {})", text(high)),
        _ => content.to_owned(),
    }
}

/// Whether enough of a history is within bounds of time for rows that come over it to meet them.
pub(super) fn meets_history(domain: &Domain, (start, end): (i64, i64)) -> bool {
    let at = |bound: &Option<(Tree, bool)>| match bound {
        Some((Tree::Text(text), _)) => parse_time(text),
        _ => None,
    };
    let (low, high) = (at(&domain.low).unwrap_or(start).max(start), at(&domain.high).unwrap_or(end).min(end));
    high.saturating_sub(low) > (end - start) / 20
}

fn text_within(content: &str, domain: &Domain, kind: &Type) -> String {
    let high = domain.length.1.into_iter().chain(kind.length).min();
    if let Some(pattern) = &domain.pattern {
        let fitted = match high {
            Some(high) => format!("fit({content}, {}, {high})", domain.length.0),
            None => content.to_owned(),
        };
        if accepts(pattern, &fitted) {
            return fitted;
        }
        let high = high.map_or("200".to_owned(), |high| high.to_string());
        return format!("pattern({}, {}, {high})", quoted(pattern), domain.length.0);
    }
    let mut made = content.to_owned();
    if domain.length.0 > 1 || domain.length.1.is_some() {
        made = format!("fit({made}, {}, {})", domain.length.0, high.unwrap_or(domain.length.0.max(64)));
    }
    let exact = domain.length.1.is_some_and(|most| most == domain.length.0);
    match domain.letters {
        // A code of this many letters: content that is cut to a length reads like none.
        Some(Letters::Upper) if exact => format!("pattern('[A-Z]{{{}}}')", domain.length.0),
        Some(Letters::Upper) => format!("upper({made})"),
        Some(Letters::Lower) => format!("lower({made})"),
        Some(Letters::Initcap) => format!("initcap({made})"),
        None => made,
    }
}

/// Neighbouring ranges of one column become one: a year of monthly partitions is a year.
pub(super) fn joined(mut cases: Vec<Case>) -> Vec<Case> {
    fn bound(case: &Case, high: bool) -> Option<(&String, &Tree)> {
        let bounded = case.columns.iter().filter(|(_, d)| d.low.is_some() || d.high.is_some());
        let (name, domain) = bounded.clone().next().filter(|_| bounded.count() == 1)?;
        let side = if high { &domain.high } else { &domain.low };
        side.as_ref().map(|(tree, _)| (name, tree))
    }
    cases.sort_by(|a, b| match (bound(a, false), bound(b, false)) {
        (Some((_, x)), Some((_, y))) if x == y => std::cmp::Ordering::Equal,
        (Some((_, x)), Some((_, y))) => {
            if above(x, y, true) {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Less
            }
        }
        (x, y) => x.is_some().cmp(&y.is_some()),
    });
    let mut found: Vec<Case> = Vec::new();
    for case in cases {
        if let Some(last) = found.last_mut()
            && let (Some((name, end)), Some((other, start))) = (bound(last, true), bound(&case, false))
            && name == other
            && end == start
        {
            let name = name.clone();
            let high = case.columns[&name].high.clone();
            last.columns.get_mut(&name).expect("just found").high = high;
            continue;
        }
        found.push(case);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_partitions_is_one_range() {
        let month = |a: &str, b: &str| {
            cases(&parse(&format!("((at IS NOT NULL) AND (at >= '{a}'::date) AND (at < '{b}'::date))")), true)
        };
        let mut list = month("2024-02-01", "2024-03-01");
        list.extend(month("2024-01-01", "2024-02-01"));
        list.extend(month("2024-05-01", "2024-06-01"));
        let found = joined(list);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].columns["at"].high, Some((Tree::Text("2024-03-01".to_owned()), true)));
    }

    #[test]
    fn content_stays_within_its_bounds() {
        let domain = |sql: &str| cases(&parse(sql), true)[0].columns.values().next().unwrap().clone();
        let numeric = Type { name: "numeric".to_owned(), precision: Some((10, 2)), ..Type::default() };
        assert_eq!(within("exp(3)", &domain("(a > 0)"), &numeric), "clamp(exp(3), 0.01, null)");
        let whole = Type { name: "int4".to_owned(), ..Type::default() };
        assert_eq!(within("exp(3)", &domain("((a >= 1) AND (a <= 5))"), &whole), "uniform(1, 5)");
        assert_eq!(within("exp(3)", &domain("(a < 0)"), &numeric), "-0.01 - exp(3)");
        assert_eq!(within("lognormal(39, 180)", &domain("(a < 10)"), &whole), "uniform(0, 9)");
        assert_eq!(within("uniform(18, 80)", &domain("(a < 100)"), &whole), "clamp(uniform(18, 80), null, 99)");
        assert_eq!(within("uniform(1, 9)", &domain("(a > 1000)"), &whole), "1001 + exp(250.25)");
        let ratio = Type { name: "numeric".to_owned(), precision: Some((3, 3)), ..Type::default() };
        assert_eq!(within("lognormal(39, 180)", &Domain::default(), &ratio), "uniform(0, 0.999)");
        assert_eq!(within("lognormal(39, 180)", &domain("(a < 0)"), &ratio), "uniform(-0.999, -0.001)");
        let date = Type { name: "date".to_owned(), ..Type::default() };
        let day = |sql: &str| within("now", &domain(sql), &date);
        assert_eq!(day("(a > '2024-03-04'::date)"), "clamp(now, '2024-03-05T00:00:00Z', null)");
        assert_eq!(day("(a >= '2024-03-04 12:00:00'::timestamp)"), "clamp(now, '2024-03-05T00:00:00Z', null)");
        assert_eq!(day("(a < '2024-03-04'::date)"), "clamp(now, null, '2024-03-03T00:00:00Z')");
        let text = Type { name: "varchar".to_owned(), length: Some(10), ..Type::default() };
        assert_eq!(within("word()", &domain("(a ~ '^[A-Z]{2}$')"), &text), "pattern('^[A-Z]{2}$', 0, 10)");
    }
}
