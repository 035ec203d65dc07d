//! Which values a column holds and how common they are, by what the catalog says. Must name what decided it.

use std::collections::BTreeMap;

use super::Draft;
use super::bounds::{plain, quantile_of, within};
use super::content::{Family, content, family, quoted};
use super::evidence::{Evidence, Said};
use super::lexicon::{Stage, beside, is_end, stage};
use super::states::{default_of, flag, names_a_state, states, whole};
use crate::postgres::catalog::{Column, TypeKind};
use crate::seed::condition::{Case, Domain, Tree, cases, parse, split};

/// How the values of a column spread.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    /// Values and their weights among the rows that are not NULL.
    pub(super) values: Vec<(Tree, f64)>,
    /// The weight of any other content.
    pub(super) rest: f64,
    /// The share of rows that are NULL, where something says so.
    pub(super) nulls: Option<f64>,
    /// What most content is within, and the share that does, in percent.
    pub(super) split: Option<(Domain, f64)>,
    /// What decided.
    pub(super) evidence: Evidence,
}

/// What the WHERE of an index says of one column.
struct Clause {
    index: String,
    predicate: String,
    unique: bool,
    domain: Domain,
}

impl Clause {
    fn evidence(&self) -> Evidence {
        Evidence::Predicate { index: self.index.clone(), predicate: self.predicate.clone(), unique: self.unique }
    }
}

/// Shares in percent: of rows in a partial unique index, of those an index of the common part holds, of those an index
/// of the rare part holds, of ends and exceptions.
const LIVE: f64 = 88.0;
const COMMON: f64 = 85.0;
const RARE: f64 = 8.0;
pub(super) const END: f64 = 4.0;
/// Of rows where their life begins.
const FIRST: f64 = 18.0;

/// Of rows that a scenario looks for, at least.
const SOUGHT: f64 = 4.0;

/// A share of the rows in percent that something asks for.
#[derive(Debug, Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// Rows without a value where nothing says how many.
pub(super) const NULLS: f64 = 0.1;

impl Hint {
    pub(super) fn of(values: Vec<(Tree, f64)>, evidence: Evidence) -> Self {
        Self { values, rest: 0.0, nulls: None, split: None, evidence }
    }

    fn nulls(share: f64, evidence: Evidence) -> Self {
        Self { values: Vec::new(), rest: 100.0, nulls: Some(share), split: None, evidence }
    }

    /// Texts among the values.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter_map(|(value, _)| if let Tree::Text(text) = value { Some(text.as_str()) } else { None })
    }

    /// The share of rows whose value a domain allows.
    pub(super) fn mass(&self, domain: &Domain, required: bool) -> f64 {
        let nulls = if required { 0.0 } else { self.nulls.unwrap_or(NULLS) };
        let present = match domain.null {
            Some(true) => return nulls,
            Some(false) => 1.0 - nulls,
            None => 1.0,
        };
        if self.values.is_empty() {
            return present;
        }
        let allowed: f64 = self.values.iter().filter(|(value, _)| domain.allows(value)).map(|(_, share)| share).sum();
        let open = if domain.values.is_none() { self.rest } else { 0.0 };
        present * (allowed + open) / self.total()
    }

    fn total(&self) -> f64 {
        self.values.iter().map(|(_, weight)| weight).sum::<f64>() + self.rest
    }

    /// Gives the values for which `inside` holds the share that is aimed at, as far as both sides have any. A share
    /// that is there already stays, within what lets an index of either side hold rows.
    fn push(&mut self, inside: impl Fn(&Tree) -> bool, aim: Aim) {
        let within: f64 = self.values.iter().filter(|(value, _)| inside(value)).map(|(_, weight)| weight).sum();
        let outside = self.total() - within;
        if within <= 0.0 || outside <= 0.0 {
            return;
        }
        let now = within * 100.0 / (within + outside);
        let share = match aim {
            Aim::AtLeast(share) => now.clamp(share, 97.0),
            Aim::AtMost(share) => now.clamp(3.0, share),
        };
        for (value, weight) in &mut self.values {
            *weight *= if inside(value) { share / within } else { (100.0 - share) / outside };
        }
        self.rest *= (100.0 - share) / outside;
    }
}

impl Draft<'_> {
    /// Finds what the catalog says of every column.
    pub(super) fn read_hints(&mut self) {
        let table = self.table;
        let clauses = self.clauses();
        let named = self.named_values();
        for column in table.columns.iter().filter(|c| !c.generated && !c.counted) {
            let none = Vec::new();
            let own: &[Clause] = clauses.get(&column.name).map_or(&none[..], Vec::as_slice);
            let values = named.get(&column.name).cloned().unwrap_or_default();
            if let Some(hint) = self.hint(column, own, &values) {
                self.hints.insert(column.name.clone(), hint);
            }
        }
    }

    /// What the WHERE of every index says, by column.
    fn clauses(&self) -> BTreeMap<String, Vec<Clause>> {
        let mut found: BTreeMap<String, Vec<Clause>> = BTreeMap::new();
        for index in &self.table.indexes {
            let Some(predicate) = &index.predicate else { continue };
            let ways = cases(&parse(predicate), true);
            let names = ways.iter().flat_map(|way| way.columns.keys());
            let names: std::collections::BTreeSet<String> = names.cloned().collect();
            for name in names {
                // Of alternatives, what all of them say of the column together.
                let each: Option<Vec<&Domain>> = ways.iter().map(|way| way.columns.get(&name)).collect();
                let Some(domain) = each.and_then(|list| either(&list)) else { continue };
                let (index, unique) = (index.name.clone(), index.unique);
                found.entry(name).or_default().push(Clause { index, predicate: predicate.clone(), unique, domain });
            }
        }
        found
    }

    /// Values that CHECKs, predicates, partitions and scenarios compare each column with, in the order they are met.
    fn named_values(&self) -> BTreeMap<String, Vec<Tree>> {
        let mut found = BTreeMap::new();
        let predicates = self.table.indexes.iter().filter_map(|index| index.predicate.as_deref());
        let checks = self.table.checks.iter().map(|check| check.expression.as_str());
        let partitions = self.table.partitions.iter().flatten().map(String::as_str);
        // What a CHECK excludes is no value of the column.
        checks.for_each(|text| constants(&parse(text), &["="], &mut found));
        partitions.chain(predicates).for_each(|text| constants(&parse(text), &["=", "<>"], &mut found));
        for column in &self.table.columns {
            for (_, text) in &column.kind.domain_checks {
                constants(&super::renamed(&parse(text), &column.name), &["="], &mut found);
            }
        }
        for (column, values) in &self.compared {
            let known: &mut Vec<Tree> = found.entry(column.clone()).or_default();
            let new: Vec<Tree> = values.iter().filter(|value| !known.contains(value)).cloned().collect();
            known.extend(new);
        }
        found
    }

    fn hint(&self, column: &Column, clauses: &[Clause], named: &[Tree]) -> Option<Hint> {
        if self.of_key(&column.name) || self.is_referenced(&column.name) && column.required {
            return self.null_hint(column, clauses);
        }
        let mut hint = match (&column.kind.kind, family(&column.kind)) {
            (_, Family::Flag) => Some(flag(column)),
            (TypeKind::Enum(labels), _) => Some(states(column, labels.clone(), Evidence::Enum)),
            (_, Family::Whole) => whole(column, named),
            (_, Family::Text) => self.text(column, named),
            _ => None,
        };
        if hint.is_none() && family(&column.kind) != Family::Moment {
            hint = self.open(column, named);
        }
        if let Some(hint) = &mut hint {
            weigh(hint, column, clauses, self.is_checked(&column.name));
            for value in self.compared.get(&column.name).into_iter().flatten() {
                hint.push(|known| known == value, Aim::AtLeast(SOUGHT));
            }
        }
        if hint.is_none() {
            hint = threshold(column, clauses);
        }
        let nulls = self.null_hint(column, clauses);
        match (hint, nulls) {
            (Some(hint), Some(nulls)) => Some(Hint { nulls: nulls.nulls, ..hint }),
            (hint, nulls) => hint.or(nulls),
        }
    }

    /// Whether a CHECK says which values the column may hold.
    fn is_checked(&self, column: &str) -> Option<Evidence> {
        let listed = |sql: &str, column: &str, value: bool| {
            let tree = if value { super::renamed(&parse(sql), column) } else { parse(sql) };
            cases(&tree, true).iter().any(|case| case.columns.get(column).is_some_and(|d| d.values.is_some()))
        };
        let found = self.table.column(column)?;
        let domains =
            found.kind.domain_checks.iter().filter(|(_, sql)| listed(sql, column, true)).map(|(name, _)| name);
        let checks = self.table.checks.iter().filter(|c| listed(&c.expression, column, false)).map(|c| &c.name);
        checks.chain(domains).next().map(|name| Evidence::Check { constraint: name.clone() })
    }

    /// How many rows have no value.
    fn null_hint(&self, column: &Column, clauses: &[Clause]) -> Option<Hint> {
        if column.required {
            return None;
        }
        let end = family(&column.kind) == Family::Moment && is_end(&column.name);
        let null = |want: bool| clauses.iter().find(|c| c.unique && c.domain.null == Some(want));
        let plain = |want: bool| clauses.iter().find(|c| !c.unique && c.domain.null == Some(want));
        if let Some(clause) = null(true) {
            return Some(Hint::nulls(if end { 1.0 - END / 100.0 } else { LIVE / 100.0 }, clause.evidence()));
        }
        if let Some(clause) = null(false) {
            return Some(Hint::nulls(1.0 - LIVE / 100.0, clause.evidence()));
        }
        if end {
            let says = Evidence::Name { says: Said::End };
            let evidence = plain(true).or_else(|| plain(false)).map_or(says, Clause::evidence);
            return Some(Hint::nulls(1.0 - END / 100.0, evidence));
        }
        // NULL is where a row begins: an index of it holds the common part, one of the others the rare one.
        match (plain(true), plain(false)) {
            (Some(clause), None) => Some(Hint::nulls(COMMON / 100.0, clause.evidence())),
            (None, Some(clause)) if column.default.is_none() => Some(Hint::nulls(COMMON / 100.0, clause.evidence())),
            _ => None,
        }
    }

    /// A text that is a state, a kind or a role: the values the catalog names, and believable others.
    fn text(&self, column: &Column, named: &[Tree]) -> Option<Hint> {
        if self.is_indexed_as_number(&column.name) || self.alone(&column.name) {
            return None;
        }
        let default = default_of(column);
        let text = |tree: &Tree| match tree {
            Tree::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let mut known: Vec<String> = named.iter().filter_map(text).collect();
        let checked = self.listed(&column.name);
        let exhaustive = checked.is_some();
        if let Some(values) = checked {
            known = values.iter().filter_map(text).collect();
        }
        let from_default = default.as_ref().and_then(text);
        let is_state = names_a_state(&column.name);
        if known.is_empty() && !(is_state && from_default.is_some()) {
            return None;
        }
        // A date or a path among the values would make none of it a state.
        if !exhaustive && known.iter().any(|value| value.chars().count() > 40) {
            return None;
        }
        let evidence = match () {
            () if exhaustive => self.is_checked(&column.name)?,
            () if self.compared.contains_key(&column.name) && known.len() == self.compared[&column.name].len() => {
                Evidence::Compared { values: known.clone() }
            }
            () if known.is_empty() => Evidence::Default { value: column.default.clone().unwrap_or_default() },
            () => Evidence::Guess,
        };
        if !exhaustive {
            let new: Vec<String> = from_default.iter().filter(|value| !known.contains(value)).cloned().collect();
            known.splice(0..0, new);
            let most = column.kind.length.map_or(usize::MAX, |length| length as usize);
            known.extend(beside(&column.name, &known).into_iter().filter(|value| value.chars().count() <= most));
        }
        let mut hint = states(column, known, evidence);
        if !exhaustive && hint.values.len() == 1 {
            // Nothing believable stands beside it: any other content does.
            hint.values[0].1 = 60.0;
            hint.rest = 40.0;
        }
        Some(hint)
    }

    /// Content by name, with values of their own: a default, and what conditions name.
    fn open(&self, column: &Column, named: &[Tree]) -> Option<Hint> {
        if self.alone(&column.name) || !self.is_open(&column.name) {
            return None;
        }
        let default = default_of(column).filter(|value| *value != Tree::Null);
        let constant = column.default.as_ref().is_some_and(|d| super::columns::is_constant(d));
        let nothing = |value: &Tree| match value {
            Tree::Text(text) => text.is_empty() || text == "{}" || text == "[]",
            Tree::Number(number) => *number == 0.0,
            _ => false,
        };
        let mut values: Vec<(Tree, f64)> = Vec::new();
        if let Some(value) = default.clone().filter(|_| constant) {
            // Of '' and 0 an application makes something; of another value it makes something else less often.
            values.push((value.clone(), if nothing(&value) { 15.0 } else { 70.0 }));
        }
        let fits = |value: &&Tree| match family(&column.kind) {
            Family::Fraction | Family::Whole => matches!(value, Tree::Number(_)),
            Family::Text => matches!(value, Tree::Text(_)),
            _ => false,
        };
        for value in named.iter().filter(fits) {
            if values.iter().all(|(known, _)| known != value) && values.len() < 6 {
                values.push((value.clone(), 15.0));
            }
        }
        let known: f64 = values.iter().map(|(_, share)| share).sum();
        if values.is_empty() || content(&column.name, &column.kind, "now").is_none() {
            return None;
        }
        if known > 90.0 {
            values.iter_mut().for_each(|(_, share)| *share *= 90.0 / known);
        }
        let evidence = match (&default, &column.default) {
            (Some(_), Some(value)) if constant => Evidence::Default { value: value.clone() },
            _ => Evidence::Guess,
        };
        let rest = 100.0 - values.iter().map(|(_, share)| share).sum::<f64>();
        Some(Hint { rest, ..Hint::of(values, evidence) })
    }

    /// Whether CHECKs leave a column open but for bounds: what it holds does not follow from others, and no list of
    /// values is given.
    fn is_open(&self, column: &str) -> bool {
        self.cases.iter().all(|case| {
            let parts = case.columns.keys().filter(|name| split(name).0 == column);
            let bounded = |domain: &Domain| {
                let (low, high) = (domain.low.clone(), domain.high.clone());
                *domain == Domain { low, high, ..Domain::default() }
            };
            let related = case.relations.iter().any(|(a, _, b)| a == column || b == column);
            let added = case.sums.iter().flat_map(|s| &s.terms).flat_map(|t| &t.factors).any(|f| f.column == column);
            let only_bounded = parts.into_iter().all(|name| name == column && bounded(&case.columns[name]));
            !related && !added && only_bounded
        })
    }

    /// Made different in every row, or part of what is.
    pub(super) fn alone(&self, column: &str) -> bool {
        let key = |u: &&crate::postgres::catalog::Unique| u.columns.as_slice() == [column] && u.predicate.is_none();
        self.table.uniques.iter().any(|u| key(&u))
    }

    /// Values a CHECK allows in every way to fulfil it.
    fn listed(&self, column: &str) -> Option<Vec<Tree>> {
        let mut found: Vec<Tree> = Vec::new();
        for case in &self.cases {
            for value in case.columns.get(column)?.values.as_ref()? {
                if !found.contains(value) {
                    found.push(value.clone());
                }
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// The content of a column in one case: its values by their shares, as far as the case allows them.
    pub(super) fn spread(&self, column: &Column, domain: &Domain, content: &str) -> String {
        let Some(hint) = self.hints.get(&column.name) else { return within(content, domain, &column.kind) };
        if let Some((inside, share)) = &hint.split {
            let inner = within(content, inside, &column.kind);
            return match domain == &Domain::default() && inner != content {
                true => format!("{inner} {}% | {content}", plain(*share)),
                false => within(content, domain, &column.kind),
            };
        }
        let allowed: Vec<&(Tree, f64)> = hint.values.iter().filter(|(value, _)| domain.allows(value)).collect();
        let rest = if domain.values.is_none() { hint.rest } else { 0.0 };
        if allowed.is_empty() {
            return within(content, domain, &column.kind);
        }
        // Weights stay as they are; shares of a choice add up to 100 %.
        let total: f64 = allowed.iter().map(|(_, share)| share).sum::<f64>() + rest;
        let shares: Vec<_> = allowed.iter().map(|(value, share)| (value, *share, share * 100.0 / total)).collect();
        written(&shares, (rest > 0.0).then(|| within(content, domain, &column.kind)).as_deref())
    }
}

/// Values with their weights and shares, and what the others hold.
pub(super) fn written(values: &[(&Tree, f64, f64)], rest: Option<&str>) -> String {
    let literal = |value: &Tree| match value {
        Tree::Text(text) => quoted(text),
        Tree::Number(number) => plain(*number),
        Tree::Bool(flag) => flag.to_string(),
        Tree::Interval(_, micros) => format!("{micros}us"),
        _ => "null".to_owned(),
    };
    if let ([(only, ..)], None) = (values, rest) {
        return literal(only);
    }
    let tenths = |share: f64| match share >= 9.95 {
        true => plain(libm::round(share)),
        false => plain(libm::round(share * 10.0).max(1.0) / 10.0),
    };
    let is_label = |value: &Tree| match value {
        Tree::Number(number) => *number >= 0.0 && libm::trunc(*number) == *number,
        Tree::Interval(..) => false,
        _ => true,
    };
    if rest.is_none() && values.iter().all(|(value, ..)| is_label(value)) {
        let each = values.iter().map(|(value, weight, _)| format!("{} {}", literal(value), tenths(*weight)));
        return format!("weights({})", each.collect::<Vec<_>>().join(", "));
    }
    // The last takes what is left, so that shares add up.
    let (last, others) = match (rest, values.split_last()) {
        (None, Some(((value, ..), others))) => (literal(value), others),
        (rest, _) => (rest.unwrap_or_default().to_owned(), values),
    };
    let each = others.iter().map(|(value, _, share)| format!("{} {}%", literal(value), tenths(*share)));
    format!("{} | {last}", each.collect::<Vec<_>>().join(" | "))
}

/// What either of several domains allows, as far as one domain can say it.
fn either(list: &[&Domain]) -> Option<Domain> {
    let (first, others) = list.split_first()?;
    if others.iter().all(|other| other == first) {
        return Some((*first).clone());
    }
    let values: Option<Vec<Tree>> =
        list.iter().map(|domain| domain.values.clone()).collect::<Option<Vec<_>>>().map(|lists| lists.concat());
    values.map(|values| Domain { values: Some(values), ..Domain::default() })
}

/// Collects the constants that columns are compared with for equality.
fn constants(tree: &Tree, operators: &[&str], found: &mut BTreeMap<String, Vec<Tree>>) {
    let mut add = |column: &Tree, value: &Tree| {
        if let (Tree::Column(name), Tree::Text(_) | Tree::Number(_) | Tree::Bool(_)) = (column, value) {
            let known = found.entry(name.clone()).or_default();
            if !known.contains(value) {
                known.push(value.clone());
            }
        }
    };
    match tree {
        Tree::Binary(operator, left, right) => {
            if operators.contains(&operator.as_str()) {
                add(left, right);
                add(right, left);
            }
            constants(left, operators, found);
            constants(right, operators, found);
        }
        Tree::Any(operator, subject, list) | Tree::All(operator, subject, list)
            if operators.contains(&operator.as_str()) =>
        {
            list.iter().for_each(|value| add(subject, value));
        }
        Tree::And(list) | Tree::Or(list) => list.iter().for_each(|part| constants(part, operators, found)),
        Tree::Not(inner) | Tree::IsNull(inner) => constants(inner, operators, found),
        _ => {}
    }
}

/// Lets the WHERE of indexes decide which values are common.
fn weigh(hint: &mut Hint, column: &Column, clauses: &[Clause], checked: Option<Evidence>) {
    if let Some(evidence) = checked.filter(|_| hint.evidence == Evidence::Guess || hint.evidence == Evidence::Enum) {
        hint.evidence = evidence;
    }
    let says = |clause: &&Clause| {
        clause.domain.values.is_some()
            || !clause.domain.excluded.is_empty()
            || clause.domain.low.is_some()
            || clause.domain.high.is_some()
    };
    let said: Vec<&Clause> = clauses.iter().filter(says).collect();
    let is_flag = family(&column.kind) == Family::Flag;
    let default = default_of(column);
    let ends = |domain: &Domain| {
        let end = |value: &Tree| match value {
            Tree::Text(text) => stage(text) == Some(Stage::End),
            Tree::Bool(flag) => *flag && is_end(&column.name),
            _ => false,
        };
        hint_values(hint, domain).iter().all(|value| end(value))
    };
    let first = |domain: &Domain| {
        let begins = |value: &Tree| matches!(value, Tree::Text(text) if stage(text) == Some(Stage::First));
        hint_values(hint, domain).iter().all(|value| begins(value))
    };
    // Several indexes of different values: each is looked for, and none is nearly everything.
    let several =
        said.iter().filter(|c| !c.unique).count() > 1 && said.iter().any(|c| c.domain != said[0].domain && !c.unique);
    let mut pushes: Vec<(&Clause, Aim)> = Vec::new();
    for clause in &said {
        let holds_default = default.as_ref().is_some_and(|value| clause.domain.allows(value));
        let aim = match () {
            () if ends(&clause.domain) => Aim::AtMost(END),
            () if clause.unique => Aim::AtLeast(LIVE),
            () if default.is_some() && !holds_default => Aim::AtMost(RARE),
            () if several && !is_flag => continue,
            () if first(&clause.domain) => Aim::AtMost(FIRST),
            () => Aim::AtLeast(COMMON),
        };
        pushes.push((clause, aim));
    }
    // What a unique index says counts most, so it comes last.
    pushes.sort_by_key(|(clause, _)| clause.unique);
    for (clause, aim) in &pushes {
        hint.push(|value| clause.domain.allows(value), *aim);
    }
    if let Some((clause, _)) = pushes.last() {
        hint.evidence = clause.evidence();
    } else if let Some(clause) = said.first().filter(|_| hint.evidence == Evidence::Guess) {
        hint.evidence = clause.evidence();
    }
}

fn hint_values<'h>(hint: &'h Hint, domain: &Domain) -> Vec<&'h Tree> {
    hint.values.iter().map(|(value, _)| value).filter(|value| domain.allows(value)).collect()
}

/// A bound in the WHERE of an index that content by name is on one side of.
fn threshold(column: &Column, clauses: &[Clause]) -> Option<Hint> {
    if !matches!(family(&column.kind), Family::Whole | Family::Fraction) {
        return None;
    }
    let clause = clauses.iter().find(|c| c.domain.low.is_some() || c.domain.high.is_some())?;
    let made = content(&column.name, &column.kind, "now")?;
    let share =
        |at: f64| (1..100).filter(|n| quantile_of(&made, f64::from(*n) / 100.0).is_some_and(|q| q < at)).count();
    let at = |bound: &Option<(Tree, bool)>| match bound {
        Some((Tree::Number(n), _)) => Some(share(*n)),
        _ => None,
    };
    let inside = match (at(&clause.domain.low), at(&clause.domain.high)) {
        (Some(low), None) => 99 - low,
        (None, Some(high)) => high,
        (Some(low), Some(high)) => high.saturating_sub(low),
        (None, None) => return None,
    };
    if (3..=97).contains(&inside) {
        return None;
    }
    let share = if clause.unique { LIVE } else { 30.0 };
    let split = match inside < 3 {
        true => (clause.domain.clone(), share),
        // Nearly everything is within: a part is put outside.
        false => (outside(&clause.domain)?, 100.0 - share.max(70.0)),
    };
    Some(Hint { split: Some(split), ..Hint { rest: 100.0, ..Hint::of(Vec::new(), clause.evidence()) } })
}

fn outside(domain: &Domain) -> Option<Domain> {
    match (&domain.low, &domain.high) {
        (Some((low, strict)), None) => Some(Domain { high: Some((low.clone(), !strict)), ..Domain::default() }),
        (None, Some((high, strict))) => Some(Domain { low: Some((high.clone(), !strict)), ..Domain::default() }),
        _ => None,
    }
}

/// Whether what a case says can be fulfilled by a column that has few values.
pub(super) fn is_possible(hints: &BTreeMap<String, Hint>, case: &Case, column: &Column) -> bool {
    let Some(domain) = case.columns.get(&column.name).filter(|domain| domain.null != Some(true)) else { return true };
    match (&column.kind.kind, family(&column.kind), hints.get(&column.name)) {
        (TypeKind::Enum(_), _, Some(hint)) | (_, Family::Flag, Some(hint)) => {
            hint.values.iter().any(|(value, _)| domain.allows(value))
        }
        _ => true,
    }
}
