//! Fan-outs of a spec to closed forms. Must leave no two rows of what is unique together alike.

use super::{Planner, reference_of};
use crate::diagnostic::Diagnostic;
use crate::expression::distribution::number;
use crate::expression::{Expr, Node, Permutation, Zipf};
use crate::postgres::catalog;
use crate::seed::fan::{Fan, FanKind, Pair, Slots};
use crate::seed::growth::Growth;
use crate::seed::spec::{PlacedExpr, TableSpec};

/// What a fan-out says, before it is known how many rows there are.
struct Said<'e> {
    null_share: f64,
    absent: Option<Vec<bool>>,
    expr: &'e Expr,
}

/// One digit of a combination that stands once, as the spec says it.
pub(in crate::seed) struct SlotDigit {
    pub(in crate::seed) group: String,
    pub(in crate::seed) class: Option<String>,
    pub(in crate::seed) values: Vec<String>,
    pub(in crate::seed) from: Option<i64>,
    pub(in crate::seed) to: Option<i64>,
}

impl Planner<'_> {
    pub(super) fn fans(&mut self, table: usize, growth: &[Option<Growth>]) -> Vec<Fan> {
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
            match self.fan(table, parent, &column.value, reference, source, growth) {
                Ok(fan) => fans.push(fan),
                Err(problem) => self.problems.push(source.relocate(problem)),
            }
        }
        if fans.len() == spec.fan_out.len() {
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
        growth: &[Option<Growth>],
    ) -> Result<Fan, Diagnostic> {
        let Said { null_share, absent, expr } = said(&source.expr)?;
        let absent = absent.map(|absent| (self.cases(table, absent.len()), absent));
        let (rows, parents) = (self.rows[table], self.rows[parent]);
        let key = self.column_key(table, column).named("fan-out");
        if parents == 0 && 0 < rows {
            return Err(Diagnostic::at(expr.span.clone(), "the parent table has no rows at this scale"));
        }
        let mut other_than = None;
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
                FanKind::Slot(slots, index)
            }
            Node::Call(name, arguments) if name == "class" || name == "before" => {
                let root = arguments.iter().find(|a| a.label.is_none()).and_then(|a| path_text(&a.value));
                let classes = root.map_or(1, |root| self.classes(&root));
                let itself = arguments.iter().any(|a| a.label.as_deref() == Some("required"));
                if name == "class" { FanKind::Class(classes) } else { FanKind::Before { classes, itself } }
            }
            _ => {
                let (exponent, max, none) = zipf_arguments(expr)?;
                other_than = self.differs_from(table, column);
                let ranks = libm::ceil(parents as f64 * (1.0 - none)).max(1.0) as u64;
                let share = max.map_or(1.0, |max| max / rows.max(1) as f64);
                FanKind::Draw {
                    zipf: Zipf::with_top_share(exponent, share, ranks),
                    order: Permutation::new(key.named("order"), parents),
                    growth: growth[table].zip(growth[parent]),
                }
            }
        };
        let columns = reference.columns.iter().cloned().zip(reference.targets.iter().cloned()).collect();
        Ok(Fan { columns, parent, parents, kind, null_share, absent, other_than, key })
    }

    /// A CHECK that says two foreign keys differ: the later of the two avoids the earlier.
    fn differs_from(&self, table: usize, column: &str) -> Option<usize> {
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
        let Some(index) = self.index_of(root) else { return 1 };
        let mut fewest = self.rows[index];
        for (table, spec) in self.spec.tables.iter().enumerate() {
            let found = self.catalog.table(&spec.name.value).expect("names were checked");
            for (column, source) in &spec.fan_out {
                if class_of(source).as_deref() == Some(root) {
                    let parent = reference_of(found, &column.value).and_then(|r| self.index_of(&r.table));
                    fewest = fewest.min(parent.map_or(u64::MAX, |p| if p == table { u64::MAX } else { self.rows[p] }));
                }
            }
        }
        fewest.max(1)
    }

    /// The combination a column is a digit of, and which digit.
    pub(in crate::seed) fn slots(&self, table: usize, group: &str, column: &str) -> (Slots, usize) {
        let spec = &self.spec.tables[table];
        let mut radices = Vec::new();
        let mut index = 0;
        let mut classes = 1;
        for (name, digit) in digits_of(spec).into_iter().filter(|(_, digit)| digit.group == group) {
            if name == column {
                index = radices.len();
            }
            if let Some(root) = &digit.class {
                classes = self.classes(root);
            }
            radices.push(self.radix(table, &name, &digit));
        }
        let capacity = radices.iter().fold(1_u64, |all, radix| all.saturating_mul(*radix));
        let key = self.column_key(table, group).named("slots");
        (Slots { order: Permutation::new(key, capacity.max(1)), radices, classes }, index)
    }

    fn radix(&self, table: usize, column: &str, digit: &SlotDigit) -> u64 {
        if let (Some(from), Some(to)) = (digit.from, digit.to) {
            return (to - from + 1).max(1) as u64;
        }
        if !digit.values.is_empty() {
            return digit.values.len() as u64;
        }
        let found = self.catalog.table(&self.spec.tables[table].name.value).expect("names were checked");
        let parent = reference_of(found, column).and_then(|r| self.index_of(&r.table));
        let classes = digit.class.as_ref().map_or(1, |root| self.classes(root));
        let less = u64::from(self.differs_from(table, column).is_some());
        (parent.map_or(1, |p| self.rows[p] / classes).saturating_sub(less)).max(1)
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
                    self.rows[table] = most;
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
        for (column, source) in &spec.fan_out {
            let Some(parent) = reference_of(found, &column.value).and_then(|r| self.index_of(&r.table)) else {
                continue;
            };
            let said = said(&source.expr).ok()?;
            if spec.flexible && self.rows[parent] == 0 && parent != table {
                bounds.push((0, format!("`{}` has no parents", column.value)));
            }
            if spec.flexible && path_text(said.expr).as_deref() == Some("each") {
                bounds.push((self.rows[parent], format!("`{}` is unique", column.value)));
            }
        }
        for (name, digit) in digits_of(spec) {
            let (slots, _) = self.slots(table, &digit.group, &name);
            let capacity = Slots::capacity(&slots.radices, slots.classes);
            bounds.push((capacity, format!("the columns of `{}` are unique together", digit.group)));
        }
        for (column, source) in &spec.columns {
            if let Some(capacity) = crate::seed::compile::pattern_capacity(&source.expr) {
                bounds.push((capacity, format!("`{}` is unique and has no more values", column.value)));
            }
        }
        bounds.into_iter().min_by_key(|(most, _)| *most)
    }

    /// Two fan-outs that must be unique together become a pair: closed form, distinct by construction.
    fn pair_up(&mut self, table: usize, found: &catalog::Table, fans: &mut [Fan]) {
        for unique in found.uniques.iter().filter(|u| u.expressions.is_empty()) {
            let [first, second] = unique.columns.as_slice() else { continue };
            let position = |name: &String| fans.iter().position(|fan| fan.columns.iter().any(|(own, _)| own == name));
            let (Some(owner), Some(member)) = (position(first), position(second)) else { continue };
            let (
                FanKind::Draw { zipf: owners, order: owner_order, .. },
                FanKind::Draw { zipf: members, order: member_order, .. },
            ) = (fans[owner].kind.clone(), fans[member].kind.clone())
            else {
                continue;
            };
            if owner == member {
                continue;
            }
            let rows = self.rows[table];
            let differ = fans[owner].other_than == Some(member) || fans[member].other_than == Some(owner);
            let mut pair = Pair {
                rows,
                owners,
                owner_order,
                members,
                member_order,
                order: Permutation::new(fans[owner].key.named("pair"), rows.max(1)),
                key: fans[owner].key.named("phase"),
                differ,
            };
            if differ {
                pair.members = Zipf::new(members.exponent(), members.count().saturating_sub(1).max(1));
            }
            let most = pair.most_children();
            let share = 0.999 / most as f64;
            if fans[member].parents < most + most / 2 {
                let (column, source) = &self.spec.tables[table].fan_out[owner];
                self.problems.push(
                    Diagnostic::at(
                        column.span.clone(),
                        format!(
                            "a single `{first}` would have {most} rows, but `{second}` has only {} values",
                            fans[member].parents
                        ),
                    )
                    .help(format!(
                        "bound it: {} with max {}",
                        source.source.text,
                        fans[member].parents / 2
                    )),
                );
                continue;
            }
            pair.members = pair.members.flattened_to(share);
            fans[owner].kind = FanKind::Owner(Box::new(pair.clone()));
            fans[member].kind = FanKind::Member(Box::new(pair));
        }
    }
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
                Some(arm) => Ok(Said { absent: Some(absent), ..said(&arm.value)? }),
                None => Err(Diagnostic::at(expr.span.clone(), "at least one case needs a parent")),
            }
        }
        _ => Ok(Said { null_share: 0.0, absent: None, expr }),
    }
}

fn is_null(expr: &Expr) -> bool {
    path_text(expr).as_deref() == Some("null")
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
fn digits_of(spec: &TableSpec) -> Vec<(String, SlotDigit)> {
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
                Node::Number(n) => n.to_string(),
                _ => path_text(&argument.value)?,
            }),
        }
    }
    Some(digit)
}

fn zipf_arguments(expr: &Expr) -> Result<(f64, Option<f64>, f64), Diagnostic> {
    let Node::Call(name, arguments) = &expr.node else { return Err(bad_fan(expr)) };
    if name != "zipf" && name != "uniform" {
        return Err(bad_fan(expr));
    }
    let (mut exponent, mut max, mut none) = (0.0, None, 0.0);
    for argument in arguments {
        let value = number(&argument.value)?;
        match argument.label.as_deref() {
            Some("s") | None if name == "zipf" && 0.0 <= value => exponent = value,
            Some("max") if 1.0 <= value => max = Some(value),
            Some("none") if (0.0..1.0).contains(&value) => none = value,
            _ => return Err(bad_fan(expr)),
        }
    }
    Ok((exponent, max, none))
}

fn bad_fan(expr: &Expr) -> Diagnostic {
    Diagnostic::at(expr.span.clone(), "unknown way to spread rows over parents")
        .help("zipf(s 1.1, max 400, none 15%), uniform(none 10%), or each; `null 20% | …` leaves some without")
}
