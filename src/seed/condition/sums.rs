//! Arithmetic between columns of a row, `total = a + b` or `ends - starts <= '7 days'`, as bounds of a sum of terms.
//! Must take nothing for such a sum that it does not hold in whole.

use super::domain::{above, tighter};
use super::operator::{mirrored, opposite};
use super::parse::Tree;

/// A sum of terms and what it is between.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// What is added up, in the order of their columns; the first factor is above 0.
    pub terms: Vec<Term>,
    /// At least this; more than this when the flag is set.
    pub low: Option<(Tree, bool)>,
    /// At most this; less than this when the flag is set.
    pub high: Option<(Tree, bool)>,
    /// The column that stands alone on one side of what somebody wrote.
    pub result: Option<String>,
}

/// A product of a number and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The number.
    pub factor: f64,
    /// The columns, in order of their names.
    pub factors: Vec<Factor>,
}

/// A column of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// Its name.
    pub column: String,
    /// What stands for it where it is NULL: `COALESCE(discount, 0)`.
    pub otherwise: Option<f64>,
}

impl Sum {
    /// `left operator right` as a sum between bounds; `None` for anything but sums of products of columns.
    pub(super) fn read(operator: &str, left: &Tree, right: &Tree) -> Option<Self> {
        if opposite(operator).is_empty() || operator == "<>" {
            return None;
        }
        let mut parts = Parts::read(left)?;
        parts.add(Parts::read(right)?, -1.0);
        let alone = |side: &Tree| if let Tree::Column(name) = side { Some(name.clone()) } else { None };
        let result = alone(left).or_else(|| alone(right));
        let Parts { mut terms, number, months, micros } = parts;
        terms.retain(|term| term.factor != 0.0);
        terms.sort_by(|a, b| a.key().cmp(&b.key()));
        let unit = terms.first()?.factor;
        terms.iter_mut().for_each(|term| term.factor /= unit);
        // What is left over stands on the other side.
        let bound = match (months, micros) {
            (0.0, 0.0) => Tree::Number(-number / unit),
            _ if number != 0.0 => return None,
            (months, micros) => Tree::Interval((-months / unit) as i64, (-micros / unit) as i64),
        };
        let turned = if unit < 0.0 { mirrored(operator) } else { operator };
        let strict = matches!(turned, "<" | ">");
        let low = matches!(turned, "=" | ">" | ">=").then(|| (bound.clone(), strict));
        let high = matches!(turned, "=" | "<" | "<=").then_some((bound, strict));
        Some(Self { terms, low, high, result })
    }

    /// The same sum under both bounds; `None` when nothing is between them.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let low = tighter(&self.low, &other.low, false);
        let high = tighter(&self.high, &other.high, true);
        if let (Some((l, ls)), Some((h, hs))) = (&low, &high)
            && !above(h, l, *ls || *hs)
        {
            return None;
        }
        let result = self.result.clone().or_else(|| other.result.clone());
        Some(Self { terms: self.terms.clone(), low, high, result })
    }

    /// The sum under a comparison of its own two columns, `left operator right`, when it is over those alone.
    #[must_use]
    pub fn under(&self, (left, operator, right): (&str, &str, &str)) -> Option<Self> {
        let [a, b] = self.terms.as_slice() else { return None };
        let difference = b.factor == -1.0 && !matches!(operator, "<>");
        let turned = match (a.column()?, b.column()?) {
            (x, y) if (x, y) == (left, right) => operator,
            (x, y) if (x, y) == (right, left) => mirrored(operator),
            _ => return None,
        };
        let zero = match self.low.as_ref().or(self.high.as_ref())?.0 {
            Tree::Interval(..) => Tree::Interval(0, 0),
            _ => Tree::Number(0.0),
        };
        let strict = matches!(turned, "<" | ">");
        let low = matches!(turned, "=" | ">" | ">=").then(|| (zero.clone(), strict));
        let high = matches!(turned, "=" | "<" | "<=").then_some((zero, strict));
        self.meet(&Self { low, high, ..self.clone() }).filter(|_| difference)
    }

    /// Whether it can be one value only.
    #[must_use]
    pub fn is_equation(&self) -> bool {
        self.low.is_some() && self.low == self.high
    }
}

impl Term {
    /// The column, when it is one alone.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self.factors.as_slice() {
            [one] => Some(&one.column),
            _ => None,
        }
    }

    fn key(&self) -> Vec<&str> {
        self.factors.iter().map(|factor| factor.column.as_str()).collect()
    }
}

/// A sum while it is read.
#[derive(Default)]
struct Parts {
    terms: Vec<Term>,
    number: f64,
    months: f64,
    micros: f64,
}

impl Parts {
    fn read(tree: &Tree) -> Option<Self> {
        match tree {
            Tree::Number(number) => Some(Self { number: *number, ..Self::default() }),
            Tree::Interval(months, micros) => {
                Some(Self { months: *months as f64, micros: *micros as f64, ..Self::default() })
            }
            Tree::Column(name) => Some(Self::column(name, None)),
            Tree::Call(function, arguments) => match (function.as_str(), arguments.as_slice()) {
                ("coalesce", [Tree::Column(name), Tree::Number(otherwise)]) => {
                    Some(Self::column(name, Some(*otherwise)))
                }
                // Values are rounded to the digits of their column anyway.
                ("round", [inner] | [inner, Tree::Number(_)]) => Self::read(inner),
                _ => None,
            },
            Tree::Binary(operator, left, right) => {
                let (mut left, right) = (Self::read(left)?, Self::read(right)?);
                match operator.as_str() {
                    "+" => left.add(right, 1.0),
                    "-" => left.add(right, -1.0),
                    "*" => return left.times(&right),
                    _ => return None,
                }
                Some(left)
            }
            _ => None,
        }
    }

    fn column(name: &str, otherwise: Option<f64>) -> Self {
        let factors = vec![Factor { column: name.to_owned(), otherwise }];
        Self { terms: vec![Term { factor: 1.0, factors }], ..Self::default() }
    }

    fn add(&mut self, other: Self, sign: f64) {
        for term in other.terms {
            match self.terms.iter_mut().find(|known| known.factors == term.factors) {
                Some(known) => known.factor += sign * term.factor,
                None => self.terms.push(Term { factor: sign * term.factor, ..term }),
            }
        }
        self.number += sign * other.number;
        self.months += sign * other.months;
        self.micros += sign * other.micros;
    }

    /// Its terms, and its number as one without a column.
    fn products(&self) -> impl Iterator<Item = (f64, &[Factor])> {
        self.terms.iter().map(|term| (term.factor, term.factors.as_slice())).chain([(self.number, &[][..])])
    }

    fn times(self, other: &Self) -> Option<Self> {
        let plain = |parts: &Self| parts.months == 0.0 && parts.micros == 0.0;
        if !plain(&self) || !plain(other) {
            return None;
        }
        let mut product = Self { number: self.number * other.number, ..Self::default() };
        for (a, mine) in self.products() {
            for (b, theirs) in other.products() {
                let mut factors: Vec<Factor> = mine.iter().chain(theirs).cloned().collect();
                factors.sort_by(|x, y| x.column.cmp(&y.column));
                if a * b != 0.0 && !factors.is_empty() {
                    product.add(Self { terms: vec![Term { factor: a * b, factors }], ..Self::default() }, 1.0);
                }
            }
        }
        Some(product)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{cases, parse};
    use super::*;

    fn sum(sql: &str) -> Sum {
        let found = cases(&parse(sql), true);
        assert!(found.len() == 1 && found[0].unknown.is_empty(), "{sql}: {found:?}");
        found[0].sums[0].clone()
    }

    fn terms(sum: &Sum) -> Vec<(f64, String)> {
        let columns = |term: &Term| term.factors.iter().map(|f| f.column.as_str()).collect::<Vec<_>>().join("*");
        sum.terms.iter().map(|term| (term.factor, columns(term))).collect()
    }

    #[test]
    fn arithmetic_becomes_a_sum_between_bounds() {
        let total = sum("(total = (a + b))");
        assert_eq!(terms(&total), [(1.0, "a".into()), (1.0, "b".into()), (-1.0, "total".into())]);
        assert!(total.is_equation() && total.result.as_deref() == Some("total"));
        let product = sum("((price * (quantity)::numeric) - COALESCE(discount, (0)::numeric) >= total)");
        assert_eq!(product.terms[1].factors.len() + product.terms[0].factors.len(), 3);
        assert_eq!(product.low, None);
        let open = sum("((100)::numeric >= (a + (b * (2)::numeric)))");
        assert_eq!((terms(&open)[1].0, open.high.clone()), (2.0, Some((Tree::Number(100.0), false))));
    }

    #[test]
    fn lengths_of_time_are_bounds_too_and_two_bounds_meet() {
        let week = sum("((ends - starts) <= '7 days'::interval)");
        assert_eq!(week.high, Some((Tree::Interval(0, 7 * 86_400_000_000), false)));
        let both = sum("(((ends - starts) >= '01:00:00'::interval) AND (ends < (starts + '1 mon'::interval)))");
        assert_eq!(both.low, Some((Tree::Interval(0, 3_600_000_000), false)));
        assert_eq!(both.high, Some((Tree::Interval(1, 0), true)));
        assert_eq!(cases(&parse("(((a - b) > 5) AND ((b - a) > 5))"), true), Vec::new());
    }

    #[test]
    fn a_comparison_of_its_two_columns_bounds_a_difference() {
        let week = sum("((ends - starts) <= '7 days'::interval)");
        let after = week.under(("starts", "<", "ends")).unwrap();
        assert_eq!(after.low, Some((Tree::Interval(0, 0), true)));
        assert_eq!(week.under(("starts", "<", "other")), None);
    }

    #[test]
    fn one_column_alone_is_a_bound_of_its_own() {
        let found = cases(&parse("(((price * (2)::numeric) - (10)::numeric) > (0)::numeric)"), true);
        assert_eq!(found[0].columns["price"].low, Some((Tree::Number(5.0), true)));
    }
}
