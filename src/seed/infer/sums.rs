//! Sums of columns turned around: which column follows from the others, and how. Must choose none that something else
//! decides already.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use super::bounds::{plain, step};
use super::content::{Family, content, family};
use super::keys::path;
use crate::postgres::catalog::Column;
use crate::seed::condition::{Case, Factor, Sum, Term, Tree};

/// Expressions by case and column.
pub(super) type Solved = BTreeMap<(usize, String), String>;

const DAY: f64 = 86_400e6;

/// One column of a sum in terms of the others: `column = rest + something between the bounds`.
struct Turned<'a> {
    column: &'a Column,
    /// What is added up on the other side.
    rest: Vec<Term>,
    low: Option<(Tree, bool)>,
    high: Option<(Tree, bool)>,
    is_result: bool,
}

impl Draft<'_> {
    /// Decides for every sum of every case which column follows from the others.
    pub(super) fn solve_sums(&mut self) {
        self.join_comparisons();
        let mut reads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (a, _, b) in self.cases.iter().flat_map(|case| &case.relations) {
            reads.entry(b.clone()).or_default().insert(a.clone());
        }
        let mut chosen: Vec<(Vec<Term>, String)> = Vec::new();
        for index in 0..self.cases.len() {
            for sum in self.cases[index].sums.clone() {
                let known = chosen.iter().find(|(terms, _)| *terms == sum.terms).map(|(_, name)| name.clone());
                let Some(name) = known.or_else(|| self.pivot(&sum, &reads)) else { continue };
                let others = sum.terms.iter().flat_map(|t| &t.factors).map(|f| f.column.clone()).filter(|c| *c != name);
                reads.entry(name.clone()).or_default().extend(others);
                chosen.push((sum.terms.clone(), name.clone()));
                self.solve(index, &sum, &name);
            }
        }
    }

    /// `starts < ends` beside `ends - starts <= '7 days'` is a bound of the same difference.
    fn join_comparisons(&mut self) {
        for case in &mut self.cases {
            let Case { relations, sums, .. } = case;
            relations.retain(|(a, operator, b)| {
                let joined = sums.iter_mut().find_map(|sum| {
                    let narrowed = sum.under((a, operator, b))?;
                    *sum = narrowed;
                    Some(())
                });
                joined.is_none()
            });
        }
    }

    /// The column that is easiest to let follow from the others.
    fn pivot(&self, sum: &Sum, reads: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
        let candidates = sum.terms.iter().filter_map(Term::column).filter(|name| self.may_follow(name, sum, reads));
        candidates.min_by_key(|name| self.turned(sum, name).map_or(9, |turned| turned.difficulty())).map(str::to_owned)
    }

    fn may_follow(&self, name: &str, sum: &Sum, reads: &BTreeMap<String, BTreeSet<String>>) -> bool {
        let own = self.table.column(name).is_some_and(|c| !c.generated && !c.counted);
        let free = own
            && !self.of_key(name)
            && !self.unique.contains(name)
            && !self.slots.contains_key(name)
            && !self.fixed.contains_key(name)
            && reads.get(name).is_none_or(BTreeSet::is_empty);
        let times = sum.terms.iter().flat_map(|t| &t.factors).filter(|f| f.column == name).count();
        // What follows from the column must not be what it follows from.
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = sum.terms.iter().flat_map(|t| &t.factors).map(|f| f.column.as_str()).collect();
        next.retain(|other| *other != name);
        while let Some(other) = next.pop() {
            if other == name {
                return false;
            }
            if seen.insert(other) {
                next.extend(reads.get(other).into_iter().flatten().map(String::as_str));
            }
        }
        free && times == 1
    }

    fn turned(&self, sum: &Sum, name: &str) -> Option<Turned<'_>> {
        let own = sum.terms.iter().find(|term| term.column() == Some(name))?.factor;
        let column = self.table.column(name)?;
        let others = sum.terms.iter().filter(|term| term.column() != Some(name));
        let rest = others.map(|term| Term { factor: -term.factor / own, ..term.clone() }).collect();
        let scaled = |bound: &Option<(Tree, bool)>| {
            let (tree, strict) = bound.as_ref()?;
            let tree = match tree {
                Tree::Number(n) => Tree::Number(n / own),
                Tree::Interval(months, micros) => {
                    Tree::Interval((*months as f64 / own) as i64, (*micros as f64 / own) as i64)
                }
                other => other.clone(),
            };
            Some((tree, *strict))
        };
        let (mut low, mut high) = (scaled(&sum.low), scaled(&sum.high));
        if own < 0.0 {
            std::mem::swap(&mut low, &mut high);
        }
        Some(Turned { column, rest, low, high, is_result: sum.result.as_deref() == Some(name) })
    }

    fn solve(&mut self, index: usize, sum: &Sum, name: &str) {
        let Some(turned) = self.turned(sum, name) else { return };
        let of_time = self.is_of_time(&turned);
        let column = turned.column.clone();
        let (rest, equation) = (turned.rest.clone(), sum.is_equation());
        let text = if of_time { self.time_text(&turned) } else { self.number_text(&turned, equation) };
        let Some(text) = text else { return };
        if !of_time {
            self.keep_exact(index, &column, &rest, equation);
            self.keep_above_zero(index, sum, name);
        }
        let optional = |name: &str| self.table.column(name).is_some_and(|c| !c.required);
        let may_be_null = rest.iter().flat_map(|t| &t.factors).any(|f| f.otherwise.is_none() && optional(&f.column));
        let text = match content(name, &column.kind, "now").filter(|_| may_be_null && column.required) {
            Some(content) => format!("first({text}, {content})"),
            None => text,
        };
        self.solved.insert((index, name.to_owned()), text);
    }

    fn is_of_time(&self, turned: &Turned<'_>) -> bool {
        let moment = |name: &str| self.table.column(name).is_some_and(|c| family(&c.kind) == Family::Moment);
        moment(&turned.column.name) || turned.rest.iter().filter_map(Term::column).any(moment)
    }

    /// `starts + uniform(0, 7d)`: a moment in terms of another, or a length of time between two.
    fn time_text(&self, turned: &Turned<'_>) -> Option<String> {
        if family(&turned.column.kind) != Family::Moment {
            let days = matches!(family(&turned.column.kind), Family::Whole | Family::Fraction);
            let text = added(&turned.rest)?;
            return (turned.low.is_some() && turned.low == turned.high).then(|| match days {
                true => format!("({text}) / {}", plain(DAY)),
                false => text,
            });
        }
        let days = turned.column.kind.name == "date";
        let unit = if days { DAY } else { 1e6 };
        // A month has at least 28 days and at most 31.
        let at = |bound: &Option<(Tree, bool)>, month: f64, inward: f64| {
            let (tree, strict) = bound.as_ref()?;
            let micros = match tree {
                Tree::Interval(months, micros) => *months as f64 * month * DAY + *micros as f64,
                Tree::Number(n) => n * DAY,
                _ => return None,
            };
            Some(if *strict { micros + inward * unit } else { micros })
        };
        let (low, high) = (at(&turned.low, 31.0, 1.0), at(&turned.high, 28.0, -1.0));
        let text = self.added_times(&turned.rest)?;
        let (low, high) = match (low, high) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, low + low.abs().max(30.0 * DAY)),
            (None, Some(high)) => (if high > 0.0 { 0.0 } else { high - 30.0 * DAY }, high),
            (None, None) => return None,
        };
        Some(match low == high {
            true if low == 0.0 => text,
            true => format!("{text} + {}", duration(low)),
            false => format!("{text} + uniform({}, {})", duration(low), duration(high)),
        })
    }

    /// The moment first, and what is added to it: numbers count days.
    fn added_times(&self, terms: &[Term]) -> Option<String> {
        let kind = |term: &Term| term.column().and_then(|name| self.table.column(name)).map(|c| family(&c.kind));
        let (moments, others): (Vec<Term>, Vec<Term>) =
            terms.iter().cloned().partition(|term| kind(term) == Some(Family::Moment));
        let mut text = added(&moments)?;
        for term in others {
            let unit = if kind(&term) == Some(Family::Other) { "" } else { " * 1d" };
            let sign = if term.factor < 0.0 { "-" } else { "+" };
            let size = added(&[Term { factor: term.factor.abs(), ..term }])?;
            text.push_str(&format!(" {sign} {size}{unit}"));
        }
        Some(text)
    }

    /// `a + b`, `price * quantity - discount`, `(a + b) * uniform(0.2, 1)`.
    fn number_text(&self, turned: &Turned<'_>, equation: bool) -> Option<String> {
        let step = step(&turned.column.kind);
        let rest = added(&turned.rest)?;
        let at = |bound: &Option<(Tree, bool)>, inward: f64| match bound {
            Some((Tree::Number(n), strict)) => Some(if *strict { n + inward * step } else { *n }),
            _ => None,
        };
        let plus = |number: f64| match number {
            0.0 => rest.clone(),
            number if number < 0.0 => format!("{rest} - {}", plain(-number)),
            number => format!("{rest} + {}", plain(number)),
        };
        Some(match (at(&turned.low, 1.0), at(&turned.high, -1.0)) {
            (Some(low), Some(_)) if equation => plus(low),
            (Some(low), Some(high)) => format!("{rest} + uniform({}, {})", plain(low), plain(high)),
            (Some(low), None) => format!("{} + exp({})", plus(low), if step < 1.0 { 20 } else { 10 }),
            (None, Some(high)) => format!("({}) * uniform(0.2, 1)", plus(high)),
            (None, None) => return None,
        })
    }

    /// A product has the digits of both its factors; where the column has fewer, a factor is a whole number.
    fn keep_exact(&mut self, index: usize, column: &Column, rest: &[Term], equation: bool) {
        let digits = |name: &str| {
            let found = self.table.column(name)?;
            (family(&found.kind) == Family::Fraction && !found.kind.name.starts_with("float"))
                .then(|| found.kind.precision.map_or(2, |(_, scale)| u32::from(scale)))
        };
        if !equation || column.kind.name.starts_with("float") {
            return;
        }
        let room = digits(&column.name).unwrap_or(0);
        let mut whole = Vec::new();
        for term in rest {
            let own = if term.factor == libm::trunc(term.factor) { 0 } else { 2 };
            let mut need = own + term.factors.iter().filter_map(|f| digits(&f.column)).sum::<u32>();
            for factor in term.factors.iter().filter(|f| !self.of_key(&f.column)) {
                let Some(has) = digits(&factor.column).filter(|has| need > room && *has > 0) else { continue };
                whole.push(factor.column.clone());
                need -= has;
            }
        }
        for name in whole {
            self.cases[index].columns.entry(name).or_default().multiple.get_or_insert((1.0, 0.0));
        }
    }

    /// What is taken away is less than what it is taken from: no total falls below zero that need not.
    fn keep_above_zero(&mut self, index: usize, sum: &Sum, name: &str) {
        let Some(turned) = self.turned(sum, name) else { return };
        let (more, less): (Vec<Term>, Vec<Term>) = turned.rest.iter().cloned().partition(|term| term.factor > 0.0);
        let limit = match turned.high.as_ref().or(turned.low.as_ref()) {
            Some((Tree::Number(n), _)) => *n,
            _ => 0.0,
        };
        let free: Vec<String> = less
            .iter()
            .filter_map(Term::column)
            .filter(|c| !self.of_key(c) && !self.unique.contains(*c) && !self.fixed.contains_key(*c))
            .map(str::to_owned)
            .collect();
        let share = 1.0 / less.len().max(1) as f64;
        let has_numbers = |c: &&String| self.table.column(c).is_some_and(|c| family(&c.kind) != Family::Moment);
        for column in free.iter().filter(has_numbers) {
            let factor = less.iter().find(|t| t.column() == Some(column)).map_or(1.0, |t| -t.factor);
            let place = (index, column.clone());
            match added(&more).filter(|_| !more.is_empty()) {
                Some(whole) if !self.solved.contains_key(&place) && limit >= 0.0 => {
                    self.solved.insert(place, format!("({whole}) * uniform(0, {})", plain(0.6 * share / factor)));
                }
                _ if limit > 0.0 => {
                    let domain = self.cases[index].columns.entry(column.clone()).or_default();
                    let most = (Tree::Number(limit * share / factor), false);
                    domain.high.get_or_insert(most);
                    domain.low.get_or_insert((Tree::Number(0.0), false));
                }
                _ => {}
            }
        }
    }
}

impl Turned<'_> {
    /// Least where nothing is taken away, and where it is what somebody wrote as the result.
    fn difficulty(&self) -> u32 {
        let adds = self.rest.iter().all(|term| term.factor > 0.0);
        let equation = self.low.is_some() && self.low == self.high;
        let upward = self.high.as_ref().is_some_and(|(tree, _)| match tree {
            Tree::Number(n) => *n > 0.0,
            Tree::Interval(months, micros) => *months > 0 || *micros > 0,
            _ => false,
        });
        let ends = [("end", 0), ("finish", 0), ("until", 0), ("close", 0), ("_to", 0), ("out", 0)];
        let later = ends.iter().any(|(word, _)| self.column.name.to_lowercase().contains(word));
        match (equation, adds, self.is_result) {
            (true, true, true) => 0,
            (true, true, false) => 1,
            (true, false, true) => 2,
            (true, false, false) => 3,
            (false, true, _) if later => 0,
            (false, true, _) if self.high.is_none() || upward => 1,
            (false, true, _) => 2,
            (false, false, _) => 3,
        }
    }
}

/// `a + 2 * b - c`; `None` when there is nothing to add up.
fn added(terms: &[Term]) -> Option<String> {
    let mut ordered: Vec<&Term> = terms.iter().collect();
    ordered.sort_by_key(|term| term.factor < 0.0);
    let mut text = String::new();
    for term in ordered {
        let sign = match (text.is_empty(), term.factor < 0.0) {
            (true, true) => "0 - ",
            (true, false) => "",
            (false, true) => " - ",
            (false, false) => " + ",
        };
        text.push_str(sign);
        if term.factor.abs() != 1.0 {
            text.push_str(&format!("{} * ", plain(term.factor.abs())));
        }
        text.push_str(&term.factors.iter().map(factor_text).collect::<Vec<_>>().join(" * "));
    }
    (!text.is_empty()).then_some(text)
}

fn factor_text(factor: &Factor) -> String {
    match factor.otherwise {
        Some(otherwise) => format!("first({}, {})", path(&factor.column), plain(otherwise)),
        None => path(&factor.column),
    }
}

/// A length of time in the largest unit that has it whole.
fn duration(micros: f64) -> String {
    let units = [("d", DAY), ("h", 3_600e6), ("m", 60e6), ("s", 1e6), ("us", 1.0)];
    let (unit, size) = units.into_iter().find(|(_, size)| libm::fmod(micros, *size) == 0.0).unwrap_or(("us", 1.0));
    format!("{}{unit}", libm::trunc(micros / size))
}

/// Whether a case lets a column follow from others.
pub(super) fn is_solved(solved: &Solved, cases: &[Case], column: &str) -> bool {
    (0..cases.len()).any(|case| solved.contains_key(&(case, column.to_owned())))
}
