//! One way to fulfil a condition, and two of them together. Must name what was not understood.

use std::collections::{BTreeMap, BTreeSet};

use super::domain::{Domain, meet};
use super::parse::Tree;
use super::sums::Sum;

/// One way to fulfil a condition: all of it must hold together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// What each column may hold; a part of a JSON document is a column by its path ([`super::split`]).
    pub columns: BTreeMap<String, Domain>,
    /// `left op right` between two columns; the operator is `<`, `<=`, `=` or `<>`.
    pub relations: Vec<(String, String, String)>,
    /// Arithmetic between columns.
    pub sums: Vec<Sum>,
    /// Parts that were not understood.
    pub unknown: Vec<String>,
    /// Conditions this case was distinguished by, by name: it is inside them.
    pub inside: BTreeSet<String>,
    /// How many of the rows are of it, by what is known beside its columns; `None` says nothing.
    pub share: Option<f64>,
}

pub(super) fn of(name: &str, domain: Domain) -> Case {
    Case { columns: BTreeMap::from([(name.to_owned(), domain)]), ..Case::default() }
}

pub(super) fn unknown(tree: &Tree) -> Vec<Case> {
    vec![Case { unknown: vec![format!("{tree:?}")], ..Case::default() }]
}

pub(super) fn join(a: &Case, b: &Case) -> Option<Case> {
    let mut case = a.clone();
    for (name, domain) in &b.columns {
        let joined = match case.columns.get(name) {
            Some(mine) => meet(mine, domain)?,
            None => domain.clone(),
        };
        case.columns.insert(name.clone(), joined);
    }
    for relation in &b.relations {
        if !case.relations.contains(relation) {
            case.relations.push(relation.clone());
        }
    }
    for sum in &b.sums {
        match case.sums.iter_mut().find(|known| known.terms == sum.terms) {
            Some(known) => *known = known.meet(sum)?,
            None => case.sums.push(sum.clone()),
        }
    }
    case.unknown.extend(b.unknown.iter().cloned());
    case.inside.extend(b.inside.iter().cloned());
    case.share = match (a.share, b.share) {
        (Some(x), Some(y)) => Some(x * y),
        (x, y) => x.or(y),
    };
    Some(case)
}
