//! The ways a row can be: partitions, alternatives of CHECKs, inside and outside of partial unique indexes. Must give
//! each the share that is believable, and keep every row inside one.

use super::bounds::{joined, plain};
use super::hints::is_possible;
use super::keys::{grouped, names};
use super::{Draft, bounds, renamed};
use crate::postgres::catalog::{Table, Unique};
use crate::seed::condition::{Case, Domain, Tree, both, cases, parse};

/// More ways than this are not kept; the common ones are.
const MAX_WAYS: usize = 12;

/// Ways before which an index may still double them.
const MAX_BEFORE_SPLIT: usize = 8;

/// The share of the rows that default partitions get beside others.
const DEFAULT_PARTITIONS: f64 = 0.12;

impl Draft<'_> {
    /// CHECKs of the table and of its domains, and the bounds of its partitions, as cases.
    pub(super) fn read_conditions(&mut self) {
        let table = self.table;
        if let Some(leaves) = self.partitions() {
            self.cases = leaves;
        }
        for check in &table.checks {
            self.narrow(&check.name, &parse(&check.expression));
        }
        for column in &table.columns {
            for (name, text) in &column.kind.domain_checks {
                let tree = renamed(&parse(text), &column.name);
                self.narrow(name, &tree);
            }
        }
        // A way that asks for NULL where the column is NOT NULL is none.
        self.retain_some(|case| {
            case.columns.iter().all(|(name, d)| d.null != Some(true) || table.column(name).is_none_or(|c| !c.required))
        });
        self.retain_some(|case| case.unknown.is_empty());
    }

    fn retain_some(&mut self, keep: impl Fn(&Case) -> bool) {
        if self.cases.iter().any(&keep) {
            self.cases.retain(keep);
        }
    }

    /// What rows of each leaf partition fulfil, where that decides what a column holds.
    fn partitions(&self) -> Option<Vec<Case>> {
        let table = self.table;
        let named: Vec<Case> = table.partitions.iter().flatten().flat_map(|text| cases(&parse(text), true)).collect();
        // A hash partition takes whatever falls to it.
        if named.is_empty() || named.iter().any(|case| !case.unknown.is_empty()) {
            return None;
        }
        let mut leaves = joined(named);
        let has_default = table.partitions.iter().any(Option::is_none);
        if !has_default {
            return Some(leaves);
        }
        if leaves.iter().any(|case| self.is_met(case)) {
            // Rows come over time, and some of the time is that of the partitions.
            return None;
        }
        let others = table.default_partitions.iter().flat_map(|text| cases(&parse(text), true));
        let mut others: Vec<Case> = others.filter(|case| case.unknown.is_empty() && self.may_be(case)).collect();
        others.truncate(2);
        let share = if others.is_empty() { 1.0 } else { 1.0 - DEFAULT_PARTITIONS };
        let (named, rest) = (leaves.len() as f64, others.len() as f64);
        leaves.iter_mut().for_each(|case| case.share = Some(share / named));
        others.iter_mut().for_each(|case| case.share = Some(DEFAULT_PARTITIONS / rest));
        leaves.extend(others);
        Some(leaves)
    }

    /// Whether rows that come over the history meet a partition's bounds of time.
    fn is_met(&self, case: &Case) -> bool {
        case.columns.iter().any(|(name, domain)| {
            let is_birth = super::moments::birth_column(self.table).is_some_and(|c| c.name == *name);
            is_birth && bounds::meets_history(domain, self.history)
        })
    }

    fn may_be(&self, case: &Case) -> bool {
        case.columns.iter().all(|(name, d)| d.null != Some(true) || self.table.column(name).is_none_or(|c| !c.required))
    }

    fn narrow(&mut self, constraint: &str, tree: &Tree) {
        // Whether a value is there is decided elsewhere: of `x IS NULL OR …x…` only the second half says something.
        let tree = &match tree {
            Tree::Or(list) => Tree::Or(list.iter().filter(|part| !is_spare(part, list)).cloned().collect()),
            other => other.clone(),
        };
        let narrowed = both(&self.cases, &cases(tree, true));
        if narrowed.is_empty() {
            let message = "nothing was found that fulfils it beside the other constraints";
            self.refuse(constraint, message, "COLUMN = \"…\"");
        } else {
            self.cases = narrowed;
        }
    }

    /// Gives every way its share, and leaves out those that no row can be or few are.
    pub(super) fn weigh_ways(&mut self) {
        let hints = &self.hints;
        let table = self.table;
        let possible = |case: &Case| table.columns.iter().all(|column| is_possible(hints, case, column));
        if self.cases.iter().any(possible) {
            self.cases.retain(possible);
        }
        let weights: Vec<f64> = self.cases.iter().map(|case| self.weight(case)).collect();
        let mut order: Vec<usize> = (0..self.cases.len()).collect();
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
        order.truncate(MAX_WAYS);
        order.sort_unstable();
        let total: f64 = order.iter().map(|index| weights[*index]).sum();
        let kept = order.iter().map(|index| {
            let share = Some((weights[*index] / total).max(0.005));
            Case { share, ..self.cases[*index].clone() }
        });
        self.cases = kept.collect();
    }

    /// How common a way is: as what is least common about it.
    fn weight(&self, case: &Case) -> f64 {
        let share = case.share.unwrap_or(1.0);
        // How many rows a partition has is known without its columns.
        let divides =
            |name: &str| case.share.is_some() && self.table.partitions.iter().flatten().any(|p| names(p, name));
        let of = |(name, domain): (&String, &Domain)| {
            let column = self.table.column(name).filter(|c| !divides(&c.name))?;
            let hint = self.hints.get(name)?;
            Some(hint.mass(domain, column.required))
        };
        share * case.columns.iter().filter_map(of).fold(1.0, f64::min).max(0.005)
    }

    /// Divides every way into those inside the WHERE of a partial unique index and those outside of it. False, and
    /// nothing is changed, when that does not follow from columns of the row itself.
    pub(super) fn divide(&mut self, unique: &Unique) -> bool {
        let Some(predicate) = &unique.predicate else { return false };
        let tree = parse(predicate);
        // Only what we choose row by row distinguishes them: nothing that a parent, a number or a combination gives,
        // and no NULL where none may be.
        let chosen = |(name, domain): (&String, &Domain)| {
            let Some(column) = self.table.column(name) else { return false };
            let given = self.fixed.contains_key(name) || column.generated || column.counted || self.said.contains(name);
            let values = says_values(domain)
                && (self.of_key(name) || self.unique.contains(name) || self.slots.contains_key(name));
            let own = self.table.references.iter().any(|r| r.table == self.name && r.columns.contains(name));
            let nulls = domain.null.is_some() && (own || self.slots.contains_key(name) || self.is_shared(name));
            !given && !values && !nulls && (domain.null != Some(true) || !column.required)
        };
        let hints = &self.hints;
        let possible = |case: &Case| self.table.columns.iter().all(|column| is_possible(hints, case, column));
        let ways = |want: bool| {
            let told = cases(&tree, want).into_iter();
            let told: Vec<Case> = told.filter(|way| way.unknown.is_empty() && way.columns.iter().all(chosen)).collect();
            both(&self.cases, &told).into_iter().filter(possible).collect::<Vec<Case>>()
        };
        let (mut inside, mut outside) = (ways(true), ways(false));
        if inside.is_empty() || outside.is_empty() || self.cases.len() > MAX_BEFORE_SPLIT {
            return false;
        }
        for case in &mut inside {
            case.inside.insert(unique.name.clone());
        }
        let told = inside.iter().chain(&outside).flat_map(|case| &case.columns);
        self.told_by.extend(told.filter(|(_, domain)| says_values(domain)).map(|(name, _)| name.clone()));
        inside.append(&mut outside);
        self.cases = inside;
        true
    }

    /// A column of several keys, or of a key of several columns.
    fn is_shared(&self, column: &str) -> bool {
        let keys = || self.table.references.iter().filter(|r| r.columns.iter().any(|c| c == column));
        keys().count() > 1 || keys().any(|r| r.columns.len() > 1)
    }

    /// One expression for each way: the same for all where they are equal.
    pub(super) fn by_way(&self, each: &[String]) -> String {
        let Some((first, rest)) = each.split_first() else { return String::new() };
        if rest.iter().all(|text| text == first) {
            return first.clone();
        }
        let shares: Vec<f64> = self.cases.iter().map(|case| case.share.unwrap_or(1.0)).collect();
        let even = shares.iter().all(|share| (share - shares[0]).abs() < 0.01);
        let is_single = |place: usize| self.single.as_ref().is_some_and(|name| self.cases[place].inside.contains(name));
        let total: f64 = (0..shares.len()).filter(|place| !is_single(*place)).map(|place| shares[place]).sum();
        let arm = |(place, text): (usize, &String)| match even {
            _ if is_single(place) => format!("one -> {text}"),
            // `null 10% ` at the beginning of an argument would be its label.
            true if self.single.is_none() => grouped(text),
            _ => format!("{} -> {text}", plain(libm::round(shares[place] / total * 1000.0).max(1.0) / 10.0)),
        };
        format!("cases({})", each.iter().enumerate().map(arm).collect::<Vec<_>>().join(", "))
    }
}

/// Whether a domain says more than whether there is a value.
fn says_values(domain: &Domain) -> bool {
    Domain { null: None, ..domain.clone() } != Domain::default()
}

/// `x IS NULL` beside conditions on x alone, or on how x compares with others: NULL fulfils these too.
fn is_spare(part: &Tree, list: &[Tree]) -> bool {
    let Tree::IsNull(inner) = part else { return false };
    let Tree::Column(name) = &**inner else { return false };
    let others: Vec<Case> = list.iter().filter(|other| *other != part).flat_map(|other| cases(other, true)).collect();
    !others.is_empty()
        && others.iter().all(|case| {
            let compared = case.relations.iter().all(|(a, _, b)| a == name || b == name);
            let is_own = |(column, domain): (&String, &Domain)| column == name && domain.null.is_none();
            case.unknown.is_empty()
                && case.sums.is_empty()
                && compared
                && case.columns.iter().all(is_own)
                && !(case.columns.is_empty() && case.relations.is_empty())
        })
}

/// Whether a table's rows have a predicate of their own that distinguishes them.
pub(super) fn fixed_by(table: &Table, predicate: &str, column: &str) -> bool {
    let ways = cases(&parse(predicate), true);
    let one = |case: &Case| {
        let domain = case.columns.get(column)?;
        let values = domain.values.as_ref().filter(|values| values.len() == 1)?;
        (case.unknown.is_empty() && table.column(column).is_some()).then(|| values.clone())
    };
    let first = ways.first().and_then(one);
    first.is_some() && ways.iter().all(|case| one(case) == first)
}
