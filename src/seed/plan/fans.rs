//! Fan-outs of a spec to closed forms. Must leave no two equal rows of what is unique together.

use std::sync::Arc;

use super::ways::{among, is_each, is_null};
use super::{Planner, reference_of};
use crate::diagnostic::Diagnostic;
use crate::expression::distribution::{Z95, number};
use crate::expression::{Argument, Expr, Key, Node, Permutation, Ranks, Value, Zipf};
use crate::postgres::catalog;
use crate::seed::cases::Cases;
use crate::seed::fan::{Fan, FanKind};
use crate::seed::growth::Growth;
use crate::seed::runs::Runs;
use crate::seed::spec::{PlacedExpr, TableSpec};

/// What a fan-out says, before it is known how many rows there are.
struct Said<'e> {
    null_share: f64,
    absent: Option<Vec<bool>>,
    /// The first way that has parents.
    expr: &'e Expr,
    /// All of them, where it is by case.
    arms: Option<&'e [Argument]>,
}

/// How rows are given parents, and what keeps to that.
struct Drawn {
    kind: FanKind,
    low: u64,
    other_than: Option<usize>,
}

/// One digit of a combination that stands once, as the spec says it.
pub(in crate::seed) struct SlotDigit {
    pub(in crate::seed) group: String,
    pub(in crate::seed) class: Option<String>,
    pub(in crate::seed) values: Vec<Value<'static>>,
    pub(in crate::seed) from: Option<i64>,
    pub(in crate::seed) to: Option<i64>,
}

impl Planner<'_> {
    pub(super) fn fans(&mut self, table: usize) -> Vec<Fan> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let mut fans = Vec::new();
        for (column, source) in &spec.fan_out {
            let Some(reference) = reference_of(found, &column.value) else {
                self.problems.push(
                    Diagnostic::at(column.span.clone(), format!("`{}` is part of no foreign key", column.value))
                        .help("fan-out spreads rows over the parents a foreign key names"),
                );
                continue;
            };
            let Some(parent) = self.index_of(&reference.table) else {
                self.problems.push(Diagnostic::at(
                    column.span.clone(),
                    format!("`{}` refers to `{}`, which the spec does not fill", column.value, reference.table),
                ));
                continue;
            };
            match self.fan(table, parent, &column.value, reference, source) {
                Ok(fan) => match self.check_sums_stay(table, &fan, &source.expr) {
                    Ok(()) => fans.push(fan),
                    Err(problem) => self.problems.push(source.relocate(problem)),
                },
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        if fans.len() == spec.fan_out.len() {
            self.order_up(table, found, &mut fans);
            self.pair_up(table, found, &mut fans);
        }
        fans
    }

    fn fan(
        &self,
        table: usize,
        parent: usize,
        column: &str,
        reference: &catalog::Reference,
        source: &PlacedExpr,
    ) -> Result<Fan, Diagnostic> {
        let Said { null_share, absent, expr, arms } = said(&source.expr)?;
        let parents = self.rows[parent];
        let key = self.column_key(table, column).named("fan-out");
        if parents == 0 && self.rows[table] > 0 {
            return Err(Diagnostic::at(expr.span.clone(), "the parent table has no rows at this scale"));
        }
        let cases = arms.map(|arms| self.cases(table, arms)).transpose()?;
        let mut spread = self.spread(table, parent, column, expr, key)?;
        if let (Some(arms), Some(cases)) = (arms, &cases)
            && arms.iter().any(|arm| !is_null(&arm.value) && arm.value.node != expr.node)
        {
            spread.kind = self.by_case(table, parent, (column, key), arms, cases)?;
        }
        let absent = cases.zip(absent);
        let columns = reference.columns.iter().cloned().zip(reference.targets.iter().cloned()).collect();
        let Drawn { kind, low, other_than } = spread;
        Ok(Fan {
            columns,
            parent,
            parents,
            low,
            kind,
            null_share,
            absent,
            other_than,
            key,
            null_key: key.named("null"),
        })
    }

    /// Each case spreads its rows in a way of its own.
    fn by_case(
        &self,
        table: usize,
        parent: usize,
        (column, key): (&str, Key),
        arms: &[Argument],
        cases: &Cases,
    ) -> Result<FanKind, Diagnostic> {
        let set: Arc<[bool]> = among(arms, is_each).into();
        let kind = |arm: &Argument| {
            let expr = &arm.value;
            if is_null(expr) {
                return Ok(None);
            }
            if !is_each(expr) {
                return Ok(Some(Box::new(self.spread(table, parent, column, expr, key)?.kind)));
            }
            let needed = cases.places_among(self.rows[table], &set);
            if needed > self.rows[parent] {
                let message = format!(
                    "`each` gives {needed} rows a parent of their own, but there are only {}",
                    self.rows[parent]
                );
                return Err(Diagnostic::at(expr.span.clone(), message));
            }
            Ok(Some(Box::new(FanKind::EachAmong(cases.clone(), Arc::clone(&set)))))
        };
        Ok(FanKind::ByCase(cases.clone(), arms.iter().map(kind).collect::<Result<_, _>>()?))
    }

    fn spread(&self, table: usize, parent: usize, column: &str, expr: &Expr, key: Key) -> Result<Drawn, Diagnostic> {
        let (rows, parents) = (self.rows[table], self.rows[parent]);
        let mut other_than = None;
        let mut low = 0;
        let kind = match &expr.node {
            Node::Path(path) if path.len() == 1 && path[0] == "each" => {
                if parents < rows {
                    let message =
                        format!("`each` gives every row its own parent, but {rows} rows have only {parents} parents");
                    return Err(Diagnostic::at(expr.span.clone(), message));
                }
                FanKind::Each
            }
            Node::Call(name, _) if name == "slots" => {
                let digit = slot_digit(expr).ok_or_else(|| bad_fan(expr))?;
                let (slots, index) = self.slots(table, &digit.group, column);
                other_than = self.differs_from(table, column);
                if self.grown_digit(table, &digit.group).as_deref() == Some(column) {
                    low = self.first(parent);
                }
                FanKind::Slot(slots, index)
            }
            Node::Call(name, arguments) if name == "runs" => {
                let (mut none, mut spread) = (0.0, 0.6);
                for argument in arguments {
                    match (argument.label.as_deref(), number(&argument.value)?) {
                        (Some("none"), share) if (0.0..1.0).contains(&share) => none = share,
                        (Some("spread"), share) if (0.0..=1.0).contains(&share) => spread = share,
                        _ => return Err(bad_fan(expr)),
                    }
                }
                let first = self.first(table);
                low = self.first(parent);
                if parents == low && first < rows {
                    return Err(no_new_parents(expr));
                }
                FanKind::Run { runs: Runs::new(rows - first, parents - low, none, spread, key), first, low }
            }
            Node::Call(name, arguments) if name == "class" || name == "before" => {
                let root = arguments.iter().find(|a| a.label.is_none()).and_then(|a| path_text(&a.value));
                let classes = root.as_deref().map_or(1, |root| self.classes(root));
                let itself = arguments.iter().any(|a| a.label.as_deref() == Some("required"));
                match name.as_str() {
                    "class" => {
                        let root = root.as_deref().and_then(|root| self.index_of(root)) == Some(parent);
                        FanKind::Class { classes, root }
                    }
                    _ => FanKind::Before { classes, itself },
                }
            }
            _ => {
                other_than = self.differs_from(table, column);
                if self.is_summed_up(parent, table) {
                    low = self.first(parent);
                }
                self.draw(expr, Some(table), parent, low, key)?
            }
        };
        Ok(Drawn { kind, low, other_than })
    }

    /// A skewed draw among the rows of a parent; of those already born when rows of `table` grow and the parent does.
    pub(in crate::seed) fn draw(
        &self,
        expr: &Expr,
        table: Option<usize>,
        parent: usize,
        low: u64,
        key: Key,
    ) -> Result<FanKind, Diagnostic> {
        let said = skew(expr)?;
        let parents = self.rows[parent] - low;
        if parents == 0 && table.is_some_and(|table| self.first(table) < self.rows[table]) {
            return Err(no_new_parents(expr));
        }
        let rows = table.map_or(1, |table| self.rows[table] - self.first(table));
        let share = said.max.map_or(1.0, |max| max / rows.max(1) as f64);
        let growth = table.and_then(|table| self.births(table).zip(self.births(parent)));
        let none = if growth.is_some() || said.latest { said.none } else { 0.0 };
        let count = libm::ceil(parents as f64 * (1.0 - said.none + none)).max(1.0) as u64;
        Ok(FanKind::Draw {
            ranks: said.ranks.over(count).flattened_to(share),
            order: Permutation::new(key.named("order"), parents.max(1)),
            growth: growth.map(Box::new),
            latest: said.latest,
            none,
        })
    }

    /// How the rows of a table come: as one of its columns grows, or, row by row, with the parent that each has of its
    /// own.
    pub(super) fn births(&self, table: usize) -> Option<Growth> {
        if let Some(growth) = self.growth.get(table)? {
            return Some(growth.clone());
        }
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value)?;
        spec.columns.iter().find_map(|(_, source)| {
            let Node::Path(path) = &source.expr.node else { return None };
            let [fan, column] = path.as_slice() else { return None };
            let (_, said) = spec.fan_out.iter().find(|(name, _)| name.value == *fan)?;
            let parent = self.index_of(&reference_of(found, fan)?.table)?;
            let born = &self.spec.tables[parent].columns[self.birth_column(parent)?].0;
            let each = path_text(&said.expr).as_deref() == Some("each");
            (each && parent != table && born.value == *column).then(|| self.growth[parent].clone()).flatten()
        })
    }

    /// Whether a column of the parent sums up rows of the table: rows that are there keep their sums.
    pub(super) fn is_summed_up(&self, parent: usize, table: usize) -> bool {
        let mut summed = Vec::new();
        for (_, source) in &self.spec.tables[parent].columns {
            super::tables_summed(&source.expr, &mut summed);
        }
        self.base.is_some() && summed.iter().any(|name| self.index_of(name) == Some(table))
    }

    /// A fan-out that gives new rows to parents whose sums are there already.
    fn check_sums_stay(&self, table: usize, fan: &Fan, expr: &Expr) -> Result<(), Diagnostic> {
        let old_parents = self.first(fan.parent);
        let stays = match &fan.kind {
            FanKind::Draw { .. } | FanKind::Slot(..) | FanKind::Run { .. } => old_parents <= fan.low,
            FanKind::Each => old_parents <= self.first(table),
            _ => false,
        };
        if stays || self.first(table) == self.rows[table] || !self.is_summed_up(fan.parent, table) {
            return Ok(());
        }
        let parent = &self.spec.tables[fan.parent].name.value;
        Err(Diagnostic::at(
            expr.span.clone(),
            format!("rows of `{parent}` that are there sum these up, and would not any more"),
        )
        .help("spread them with zipf, lognormal or uniform, which then use new parents only"))
    }

    /// A CHECK that says two foreign keys differ: the later of the two avoids the earlier.
    pub(super) fn differs_from(&self, table: usize, column: &str) -> Option<usize> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value)?;
        let own = spec.fan_out.iter().position(|(name, _)| name.value == column)?;
        let cases = found
            .checks
            .iter()
            .flat_map(|check| crate::seed::condition::cases(&crate::seed::condition::parse(&check.expression), true));
        let relations: Vec<(String, String, String)> = cases.flat_map(|case| case.relations).collect();
        (0..own).find(|earlier| {
            let name = &spec.fan_out[*earlier].0.value;
            relations
                .iter()
                .any(|(a, operator, b)| operator == "<>" && ((a == column && b == name) || (b == column && a == name)))
        })
    }

    /// How many classes the tables that share a root are divided into: no table may have fewer rows.
    pub(in crate::seed) fn classes(&self, root: &str) -> u64 {
        let known = self.index_of(root).map(|index| self.rows_at_first(index));
        let Some(mut fewest) = known.or_else(|| numbered_classes(root)) else { return 1 };
        for (table, spec) in self.spec.tables.iter().enumerate() {
            let found = self.catalog.table(&spec.name.value).expect("names were checked");
            for (column, source) in &spec.fan_out {
                if class_of(source).as_deref() == Some(root) {
                    let parent = reference_of(found, &column.value).and_then(|r| self.index_of(&r.table));
                    fewest = fewest
                        .min(parent.map_or(u64::MAX, |p| if p == table { u64::MAX } else { self.rows_at_first(p) }));
                }
            }
        }
        fewest.max(1)
    }

    /// Tables whose number of rows nobody asked for get no more than their uniques allow.
    pub(super) fn lower_rows(&mut self) {
        // A bound may lower a parent and so a child: as many rounds as the longest way from parent to child.
        for _ in 0..12 {
            for table in 0..self.spec.tables.len() {
                if !self.spec.tables[table].flexible {
                    continue;
                }
                if let Some((most, why)) = self.most_rows(table)
                    && most < self.rows[table]
                {
                    self.rows[table] = most.max(self.first(table));
                    self.lowered[table] = Some(why);
                }
            }
        }
        for table in 0..self.spec.tables.len() {
            let spec = &self.spec.tables[table];
            if let Some((most, why)) =
                self.most_rows(table).filter(|(most, _)| !spec.flexible && *most < self.rows[table])
            {
                let problem = Diagnostic::at(
                    0..spec.row_count.source.text.len(),
                    format!("{} rows, but there can be at most {most}: {why}", self.rows[table]),
                );
                let help = format!("write min({}, {most})", spec.row_count.source.text);
                self.problems.push(spec.row_count.relocate(problem.help(help)));
            }
        }
    }

    fn most_rows(&self, table: usize) -> Option<(u64, String)> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value).expect("names were checked");
        let mut bounds: Vec<(u64, String)> = Vec::new();
        if found.partitioned && found.partitions.is_empty() {
            bounds.push((0, "it has no partition, so no row can land".to_owned()));
        }
        if let Some(other) = spec.flexible.then(|| key_cycle(self.catalog, found)).flatten() {
            bounds.push((0, format!("its keys and those of `{other}` would be made from one another")));
        }
        for (column, source) in &spec.fan_out {
            let Some(parent) = reference_of(found, &column.value).and_then(|r| self.index_of(&r.table)) else {
                continue;
            };
            let said = said(&source.expr).ok()?;
            if spec.flexible && self.rows[parent] == 0 && parent != table {
                bounds.push((0, format!("`{}` has no parents", column.value)));
            }
            let all_each =
                said.arms.is_none_or(|arms| arms.iter().all(|arm| is_each(&arm.value) || is_null(&arm.value)));
            if spec.flexible && is_each(said.expr) && all_each {
                bounds.push((self.rows[parent], format!("`{}` is unique", column.value)));
            }
        }
        for (name, digit) in digits_of(spec) {
            let (slots, _) = self.slots(table, &digit.group, &name);
            let capacity = self.pairs_in_order(table, &digit.group).unwrap_or_else(|| slots.capacity());
            bounds.push((capacity, format!("the columns of `{}` are unique together", digit.group)));
        }
        for (column, source) in &spec.columns {
            if let Some(capacity) = crate::seed::compile::pattern_capacity(&source.expr) {
                bounds.push((capacity, format!("`{}` is unique and has no more values", column.value)));
            }
        }
        bounds.into_iter().min_by_key(|(most, _)| *most)
    }
}

/// A table that refers to another by several columns which must not be NULL, and is referred to by it in the
/// same way: nothing is there to begin with.
fn key_cycle<'c>(catalog: &'c catalog::Catalog, table: &'c catalog::Table) -> Option<&'c str> {
    let binding = |from: &'c catalog::Table| {
        from.references.iter().filter(move |r| {
            1 < r.columns.len()
                && r.table != from.name
                && r.columns.iter().all(|c| from.column(c).is_some_and(|c| c.required))
        })
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut next: Vec<&str> = binding(table).map(|r| r.table.as_str()).collect();
    while let Some(name) = next.pop() {
        let Some(found) = catalog.tables.get(name).filter(|_| seen.insert(name)) else { continue };
        if found.schema == table.schema && found.name == table.name {
            let through = binding(table).find(|r| seen.contains(r.table.as_str()));
            return through.map(|r| r.table.as_str());
        }
        next.extend(binding(found).map(|r| r.table.as_str()));
    }
    None
}

/// Splits off what leaves a row without a parent: `null 20% | …`, `cases(…, null)`.
fn said(expr: &Expr) -> Result<Said<'_>, Diagnostic> {
    match &expr.node {
        Node::Choice(branches) => match branches.as_slice() {
            [(Some(share), null), (None, rest)] if is_null(null) => Ok(Said { null_share: *share, ..said(rest)? }),
            _ => Err(Diagnostic::at(expr.span.clone(), "write `null 20% | zipf(…)`")),
        },
        Node::Call(name, arms) if name == "cases" => {
            let absent: Vec<bool> = arms.iter().map(|arm| is_null(&arm.value)).collect();
            match arms.iter().find(|arm| !is_null(&arm.value)) {
                Some(arm) => Ok(Said { absent: Some(absent), arms: Some(arms), ..said(&arm.value)? }),
                None => Err(Diagnostic::at(expr.span.clone(), "at least one case needs a parent")),
            }
        }
        _ => Ok(Said { null_share: 0.0, absent: None, expr, arms: None }),
    }
}

/// `tenants of 20`: classes whose values no table holds.
fn numbered_classes(root: &str) -> Option<u64> {
    root.rsplit_once(" of ")?.1.parse().ok().filter(|count| *count > 0)
}

/// Whether a fan-out may leave a row without a parent.
pub(super) fn may_miss(source: &PlacedExpr) -> bool {
    let Ok(said) = said(&source.expr) else { return true };
    let first_has_none = match &said.expr.node {
        Node::Call(name, arguments) => {
            name == "before" && arguments.iter().all(|a| a.label.as_deref() != Some("required"))
        }
        _ => false,
    };
    said.null_share > 0.0 || said.absent.is_some_and(|absent| absent.contains(&true)) || first_has_none
}

fn path_text(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Path(path) => Some(path.join(".")),
        Node::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The root whose classes a fan-out keeps to.
fn class_of(source: &PlacedExpr) -> Option<String> {
    let said = said(&source.expr).ok()?;
    match &said.expr.node {
        Node::Call(name, arguments) if name == "class" || name == "before" => path_text(&arguments.first()?.value),
        Node::Call(name, _) if name == "slots" => slot_digit(said.expr)?.class,
        _ => None,
    }
}

/// Every column of a table that is a digit of something unique together, fan-outs first.
pub(super) fn digits_of(spec: &TableSpec) -> Vec<(String, SlotDigit)> {
    let of = |(name, source): &(crate::document::Placed<String>, PlacedExpr)| {
        let expr = said(&source.expr).ok()?.expr;
        Some((name.value.clone(), slot_digit(expr)?))
    };
    spec.fan_out.iter().chain(&spec.columns).filter_map(of).collect()
}

/// `slots(group)`, `slots(group, class tenants)`, `slots(group, a, b)`, `slots(group, from 1, to 9)`.
pub(in crate::seed) fn slot_digit(expr: &Expr) -> Option<SlotDigit> {
    let Node::Call(name, arguments) = &expr.node else { return None };
    if name != "slots" {
        return None;
    }
    let group = path_text(&arguments.first()?.value)?;
    let mut digit = SlotDigit { group, class: None, values: Vec::new(), from: None, to: None };
    for argument in &arguments[1..] {
        match argument.label.as_deref() {
            Some("class") => digit.class = path_text(&argument.value),
            Some("from") => digit.from = Some(number(&argument.value).ok()? as i64),
            Some("to") => digit.to = Some(number(&argument.value).ok()? as i64),
            _ => digit.values.push(match &argument.value.node {
                Node::Text(text) => Value::Text(text.clone().into()),
                Node::Path(path) => match path.join(".").as_str() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    label => Value::Text(label.to_owned().into()),
                },
                _ => match number(&argument.value).ok()? {
                    whole if whole == libm::trunc(whole) => Value::Int(whole as i64),
                    other => Value::Float(other),
                },
            }),
        }
    }
    Some(digit)
}

/// How rows spread over parents, as a spec says it.
struct Spread {
    ranks: Ranks,
    max: Option<f64>,
    none: f64,
    latest: bool,
}

/// `zipf(s 1.1, max 400, none 15%, latest)`, `lognormal(median 3, p95 20)`, `uniform()`.
fn skew(expr: &Expr) -> Result<Spread, Diagnostic> {
    let Node::Call(name, arguments) = &expr.node else { return Err(bad_fan(expr)) };
    let mut said = Spread { ranks: Ranks::Zipf(Zipf::new(0.0, 1)), max: None, none: 0.0, latest: false };
    let (mut median, mut p95) = (None, None);
    let is_latest = |a: &Argument| a.label.is_none() && path_text(&a.value).as_deref() == Some("latest");
    for argument in arguments {
        if is_latest(argument) {
            said.latest = true;
            continue;
        }
        let value = number(&argument.value)?;
        match (argument.label.as_deref(), name.as_str()) {
            (Some("s") | None, "zipf") if 0.0 <= value => said.ranks = Ranks::Zipf(Zipf::new(value, 1)),
            (Some("median"), "lognormal") if 0.0 < value => median = Some(value),
            (Some("p95"), "lognormal") if 0.0 < value => p95 = Some(value),
            (Some("max"), _) if 1.0 <= value => said.max = Some(value),
            (Some("none"), _) if (0.0..1.0).contains(&value) => said.none = value,
            _ => return Err(bad_fan(expr)),
        }
    }
    match (name.as_str(), median, p95) {
        ("zipf" | "uniform", None, None) => {}
        ("lognormal", Some(median), Some(p95)) if median < p95 => {
            said.ranks = Ranks::LogNormal(libm::log(p95 / median) / Z95, 1);
        }
        _ => return Err(bad_fan(expr)),
    }
    Ok(said)
}

fn no_new_parents(expr: &Expr) -> Diagnostic {
    Diagnostic::at(expr.span.clone(), "no parents come to the rows that are there")
        .help("let the parent table grow too: its rows hold sums of these, or are unique with them")
}

fn bad_fan(expr: &Expr) -> Diagnostic {
    Diagnostic::at(expr.span.clone(), "unknown way to spread rows over parents").help(
        "zipf(s 1.1, max 400, none 15%), lognormal(median 3, p95 20), uniform(none 10%), runs(spread 60%), or \
               each; `latest` in it prefers the newest; `null 20% | …` leaves some without",
    )
}
