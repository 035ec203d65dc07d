//! Foreign keys and uniques to fan-outs and combinations. Must never rely on chance for what is unique.

use std::collections::BTreeSet;

use super::Draft;
use super::bounds::number_bounds;
use super::content::{Family, disjoint, family, quoted};
use crate::postgres::catalog::{Catalog, Column, Reference, Table, TypeKind, Unique};
use crate::seed::condition::{Domain, Tree, both, cases, parse};
use crate::seed::plan::Held;
use crate::sql::{Kind, tokens};

/// Tables in an order in which parents come before children as far as cycles allow.
pub(super) fn parents_first(catalog: &Catalog) -> Vec<&str> {
    fn visit<'c>(catalog: &'c Catalog, name: &'c str, seen: &mut BTreeSet<&'c str>, order: &mut Vec<&'c str>) {
        if !seen.insert(name) {
            return;
        }
        let Some(table) = catalog.tables.get(name) else { return };
        for reference in &table.references {
            visit(catalog, &reference.table, seen, order);
        }
        order.push(name);
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in catalog.tables.keys() {
        visit(catalog, name, &mut seen, &mut order);
    }
    order
}

/// The column that names a foreign key's fan-out: one no other key has, if there is one.
pub(super) fn handle<'t>(table: &'t Table, reference: &'t Reference) -> &'t str {
    let shared =
        |column: &String| table.references.iter().any(|r| r.name != reference.name && r.columns.contains(column));
    let optional = |column: &String| table.column(column).is_some_and(|c| !c.required);
    let own = || reference.columns.iter().filter(|c| !shared(c));
    // Of a key that may have no parent, the column that says so.
    own().find(|c| optional(c)).or_else(|| own().next()).unwrap_or(&reference.columns[0])
}

impl<'a> Draft<'a> {
    /// The foreign keys that are followed: the second of two over the same columns is not.
    fn followed(&self) -> Vec<&'a Reference> {
        let table = self.table;
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut all: Vec<&Reference> = table.references.iter().collect();
        all.sort_by_key(|r| r.columns.len());
        all.into_iter().filter(|r| seen.insert(handle(table, r))).collect()
    }

    pub(super) fn of_key(&self, column: &str) -> bool {
        self.table.references.iter().any(|r| r.columns.iter().any(|c| c == column))
    }

    /// EXCLUDE constraints: ranges that never touch, whatever else they are compared with.
    pub(super) fn separate_ranges(&mut self) {
        let table = self.table;
        for (name, definition) in &table.exclusions {
            let compared = definition.split("WITH &&").count() > 1;
            let ranged = table.columns.iter().find(|c| {
                matches!(c.kind.kind, TypeKind::Range(_)) && names(definition, &c.name) && !self.of_key(&c.name)
            });
            let bounds: Vec<&Column> = table
                .columns
                .iter()
                .filter(|c| family(&c.kind) == Family::Moment && names(definition, &c.name))
                .collect();
            match (ranged, bounds.as_slice()) {
                // Ranges are made disjoint over the whole table to begin with.
                (Some(column), _) if compared => {
                    if let TypeKind::Range(subtype) = &column.kind.kind
                        && let Some(text) = disjoint(subtype)
                    {
                        self.fixed.insert(column.name.clone(), text);
                    }
                }
                (None, [start, end]) if compared => {
                    self.fixed.insert(start.name.clone(), "now - row() * 2d".to_owned());
                    self.fixed.insert(end.name.clone(), format!("{} + 1d", path(&start.name)));
                }
                _ if equals_only(definition).is_some() => {}
                _ => self.refuse(
                    name,
                    "only EXCLUDE over ranges that must not overlap, or with = alone, is understood",
                    "row-count = \"0\"",
                ),
            }
        }
    }

    /// Decides what makes the rows of every unique index differ.
    pub(super) fn make_unique(&mut self) {
        let table = self.table;
        // EXCLUDE with = alone is a unique index by another name.
        let excluded: Vec<Unique> = table
            .exclusions
            .iter()
            .filter_map(|(name, definition)| Some(Unique { name: name.clone(), ..equals_only(definition)? }))
            .collect();
        let below = self.asked_by_children();
        let mut uniques: Vec<&Unique> = table.uniques.iter().chain(&excluded).chain(&below).collect();
        uniques.sort_by_key(|u| (u.predicate.is_some(), u.columns.len() + u.expressions.len()));
        for unique in uniques {
            if is_constant(unique) {
                self.most_rows = Some(1);
                continue;
            }
            let columns = self.columns_of(unique);
            if columns.iter().any(|c| self.unique.contains(*c)) || self.has_group_within(&columns) {
                continue;
            }
            let constraining = columns.iter().all(|c| self.of_key(c) || self.radix(c).is_some());
            // Rows that are not deleted are the many: those are kept different, and no row is deleted for it.
            let live = unique.predicate.as_deref().is_some_and(|p| matches!(parse(p), Tree::IsNull(_)));
            if constraining && !live && self.outside(unique) {
                continue;
            }
            let refusals = self.refusals.len();
            self.separate(unique, &columns);
            if refusals < self.refusals.len() && live && self.outside(unique) {
                self.refusals.truncate(refusals);
            }
        }
    }

    /// Columns that a child refers to together with others, and holds unique by themselves: then they must
    /// differ here too.
    fn asked_by_children(&self) -> Vec<Unique> {
        let mut found = Vec::new();
        for child in self.catalog.tables.values() {
            for reference in child.references.iter().filter(|r| r.table == self.name && 1 < r.columns.len()) {
                let narrower = child.uniques.iter().filter(|u| {
                    u.predicate.is_none()
                        && u.expressions.is_empty()
                        && u.columns.len() < reference.columns.len()
                        && u.columns.iter().all(|c| reference.columns.contains(c))
                });
                for unique in narrower {
                    let target = |c: &String| {
                        reference.columns.iter().position(|own| own == c).map(|at| reference.targets[at].clone())
                    };
                    let columns = unique.columns.iter().filter_map(target).collect();
                    found.push(Unique { columns, ..unique.clone() });
                }
            }
        }
        found
    }

    fn columns_of(&self, unique: &Unique) -> Vec<&'a str> {
        let inside = |name: &str| unique.expressions.iter().any(|e| names(e, name));
        let table = self.table;
        let named = table.columns.iter().map(|c| c.name.as_str());
        named.filter(|name| unique.columns.iter().any(|c| c == name) || inside(name)).collect()
    }

    /// A combination that is unique already lies within these columns.
    fn has_group_within(&self, columns: &[&str]) -> bool {
        let groups: BTreeSet<&String> = self.slots.values().collect();
        groups.into_iter().any(|group| {
            let mut members = self.slots.iter().filter(|(_, g)| *g == group).map(|(column, _)| column.as_str());
            members.all(|member| columns.contains(&member))
        })
    }

    /// A partial unique index binds nothing when no row fulfils its WHERE.
    fn outside(&mut self, unique: &Unique) -> bool {
        let Some(predicate) = &unique.predicate else { return false };
        let outside = both(&self.cases, &cases(&parse(predicate), false));
        // Only what we choose can be kept outside: not a column that a parent fills, and no NULL where none may be.
        let chosen = |(name, domain): (&String, &Domain)| {
            let bound = domain.null.is_some() || domain.values.is_some() || !domain.excluded.is_empty();
            let column = self.table.column(name);
            !(bound && self.of_key(name)) && (domain.null != Some(true) || column.is_some_and(|c| !c.required))
        };
        let possible: Vec<_> =
            outside.into_iter().filter(|case| case.unknown.is_empty() && case.columns.iter().all(chosen)).collect();
        if possible.is_empty() {
            return false;
        }
        self.cases = possible;
        true
    }

    fn separate(&mut self, unique: &Unique, columns: &[&str]) {
        let table = self.table;
        let plain = |c: &&Column| unique.columns.contains(&c.name) && !self.of_key(&c.name) && can_differ(c);
        let plain = table.columns.iter().filter(plain).filter(|c| self.radix(&c.name).is_none());
        if let Some(best) = plain.filter(|_| !unique.expressions.is_empty()).min_by_key(|c| preference(c)) {
            // One column that differs is enough, whatever stands beside it.
            self.unique.insert(best.name.clone());
            return;
        }
        if !unique.expressions.is_empty() {
            // What an expression makes of different values is not known: they may become alike.
            let line = format!("{} = \"…\"", columns.first().unwrap_or(&"COLUMN"));
            let reason = format!("nothing is known of the expression {}", unique.expressions.join(", "));
            self.refuse(&unique.name, &reason, &line);
            return;
        }
        let whole_key = |r: &&Reference| r.columns.iter().all(|c| columns.contains(&c.as_str()));
        let keys: Vec<&Reference> = self.followed().into_iter().filter(whole_key).collect();
        if keys.is_empty() && self.once_each(unique, columns) {
            return;
        }
        let free: Vec<&Column> = columns
            .iter()
            .filter(|c| !self.of_key(c) && !self.slots.contains_key(**c))
            .filter_map(|c| table.column(c))
            .filter(|c| self.radix(&c.name).is_none() && can_differ(c))
            .collect();
        if let Some(best) = free.iter().min_by_key(|c| preference(c)) {
            self.unique.insert(best.name.clone());
            return;
        }
        // Digits: every key that lies within, and every column with few values.
        let small = columns.iter().filter(|c| !self.of_key(c) && self.radix(c).is_some()).map(|c| (*c).to_owned());
        let mut digits: Vec<String> = keys.iter().map(|r| handle(table, r).to_owned()).collect();
        digits.extend(small);
        let class_only: Vec<String> = keys
            .iter()
            .filter(|r| r.columns.len() == 1 && self.classes.root(self.name, &r.name) == Some(r.table.as_str()))
            .map(|r| handle(table, r).to_owned())
            .collect();
        // The root of a class is given by the row's class; the others differ within it.
        if class_only.len() < digits.len() {
            digits.retain(|d| !class_only.contains(d));
        }
        if digits.iter().any(|d| self.slots.contains_key(d)) {
            // Another unique has one of them already: every parent of a key that is left gets one row at most.
            let left = keys.iter().find(|r| !self.slots.contains_key(handle(table, r)) && self.is_plain(r));
            if let Some(key) = left {
                self.slots.insert(handle(table, key).to_owned(), EACH.to_owned());
                self.unique.extend(key.columns.iter().cloned());
                return;
            }
        }
        if digits.is_empty() || digits.iter().any(|d| self.slots.contains_key(d)) {
            let line = format!("{} = \"…\"", columns.first().unwrap_or(&"COLUMN"));
            self.refuse(&unique.name, "nothing was found that makes its rows differ", &line);
            return;
        }
        if let ([only], [key]) = (digits.as_slice(), keys.as_slice())
            && self.of_key(only)
        {
            self.slots.insert(only.clone(), EACH.to_owned());
            self.unique.extend(key.columns.iter().cloned());
            return;
        }
        for digit in digits {
            self.slots.insert(digit, unique.name.clone());
        }
    }

    /// Whether a key can be followed by itself: no class of rows is bound to it.
    fn is_plain(&self, reference: &Reference) -> bool {
        self.classes.root(self.name, &reference.name).is_none() && reference.table != self.name
    }

    /// A key of more columns than the unique: when its parents differ in these columns alone, or the WHERE
    /// fixes the others, it is enough that every parent has one row at most.
    fn once_each(&mut self, unique: &Unique, columns: &[&str]) -> bool {
        let table = self.table;
        let fixed = |column: &String| {
            let flag = table.column(column).is_some_and(|c| family(&c.kind) == Family::Flag);
            let one_value = |predicate: &str| {
                let found = cases(&parse(predicate), true);
                let fixed = |case: &crate::seed::condition::Case| {
                    case.unknown.is_empty()
                        && case
                            .columns
                            .get(column)
                            .and_then(|d| d.values.as_ref())
                            .is_some_and(|values| values.len() == 1)
                };
                !found.is_empty()
                    && found.iter().all(fixed)
                    && found.windows(2).all(|pair| pair[0].columns.get(column) == pair[1].columns.get(column))
            };
            flag && unique.predicate.as_deref().is_some_and(one_value)
        };
        let found = table.references.iter().find(|r| {
            if !columns.iter().all(|c| r.columns.iter().any(|own| own == c)) || !self.is_plain(r) {
                return false;
            }
            let (mut targets, mut all_fixed) = (Vec::new(), true);
            for (own, target) in r.columns.iter().zip(&r.targets) {
                if columns.contains(&own.as_str()) {
                    targets.push(target);
                } else {
                    all_fixed &= fixed(own);
                }
            }
            let parent = self.catalog.tables.get(&r.table);
            let unique_there = |u: &Unique| {
                u.predicate.is_none() && u.expressions.is_empty() && u.columns.iter().all(|c| targets.contains(&c))
            };
            // What this table asks of its parent is kept there (`asked_by_children`).
            all_fixed || unique.predicate.is_none() || parent.is_some_and(|p| p.uniques.iter().any(unique_there))
        });
        let Some(reference) = found.filter(|r| !self.slots.contains_key(handle(table, r))) else { return false };
        self.slots.insert(handle(table, reference).to_owned(), EACH.to_owned());
        self.unique.extend(reference.columns.iter().cloned());
        true
    }

    /// How many values a column with few of them has.
    fn radix(&self, column: &str) -> Option<String> {
        let found = self.table.column(column)?;
        let domain = self.domain(column);
        let list = |values: Vec<String>| Some(values.join(", "));
        if let Some(values) = domain.values {
            return list(values.iter().map(tree_text).collect());
        }
        if let TypeKind::Enum(labels) = &found.kind.kind {
            return list(labels.iter().map(|l| quoted(l)).collect());
        }
        match family(&found.kind) {
            Family::Flag => Some("true, false".to_owned()),
            Family::Whole => {
                let (low, high) = number_bounds(&domain, &found.kind);
                let low = low.unwrap_or(1.0);
                match high {
                    Some(high) => Some(format!("from {}, to {}", signed(low), signed(high))),
                    None if is_ordinal(column) => Some(format!("from {}, to {}", signed(low), signed(low + 999.0))),
                    None => None,
                }
            }
            Family::Fraction => {
                let (low, high) = number_bounds(&domain, &found.kind);
                let (low, high) = (libm::ceil(low.unwrap_or(1.0)), libm::floor(high?));
                Some(format!("from {}, to {}", signed(low), signed(high)))
            }
            _ => None,
        }
    }

    /// What every case together says of a column, as far as the first says it.
    pub(super) fn domain(&self, column: &str) -> Domain {
        self.cases.iter().find_map(|case| case.columns.get(column)).cloned().unwrap_or_default()
    }

    pub(super) fn slot_text(&self, column: &str, group: &str) -> String {
        match self.radix(column) {
            Some(values) if !self.of_key(column) => format!("slots({}, {values})", quoted(group)),
            _ => format!("slots({})", quoted(group)),
        }
    }

    /// The foreign keys and how rows spread over their parents, by the column that names each.
    pub(super) fn fan_outs(&mut self, held: &Held) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for reference in self.followed() {
            let column = handle(self.table, reference).to_owned();
            if self.fixed.contains_key(&column) {
                continue;
            }
            let required = reference.columns.iter().all(|c| self.table.column(c).is_some_and(|c| c.required));
            let parent = self.catalog.tables.get(&reference.table);
            let landless = parent.is_some_and(|p| p.partitioned && p.partitions.is_empty());
            if landless && !required {
                // No row can land there, so none is referred to.
                continue;
            }
            let fillable = parent.is_some_and(|p| !p.has_rows || held.keys().any(|(t, _)| *t == reference.table));
            if !fillable {
                if required {
                    let reason = format!("`{}` cannot be filled", reference.table);
                    self.refuse(&reference.name, &reason, "(fill it first)");
                }
                continue;
            }
            let root = self.classes.root(self.name, &reference.name).map(quoted);
            let slot = self.slots.get(&column).cloned();
            let spread = match (&slot, &root) {
                (Some(group), _) if group == EACH => "each".to_owned(),
                (Some(group), Some(root)) => format!("slots({}, class {root})", quoted(group)),
                (Some(group), None) => format!("slots({})", quoted(group)),
                (None, root) if reference.table == self.name => {
                    let root = root.clone().unwrap_or_default();
                    if required {
                        format!("before({root}{}required 1)", if root.is_empty() { "" } else { ", " })
                    } else {
                        format!("before({root})")
                    }
                }
                (None, Some(root)) => format!("class({root})"),
                (None, None) => "zipf(s 0.6, none 5%)".to_owned(),
            };
            found.push((column.clone(), self.with_nulls(&column, spread, required || slot.is_some())));
        }
        found
    }

    /// Lays the cases, or a share of NULLs, over an expression.
    pub(super) fn with_nulls(&self, column: &str, text: String, required: bool) -> String {
        let nulls: Vec<Option<bool>> =
            self.cases.iter().map(|case| case.columns.get(column).and_then(|d| d.null)).collect();
        if nulls.iter().all(|null| *null == Some(true)) && !nulls.is_empty() {
            return "null 100% | ".to_owned() + &text;
        }
        if nulls.contains(&Some(true)) {
            let arms: Vec<&str> =
                nulls.iter().map(|null| if *null == Some(true) { "null" } else { text.as_str() }).collect();
            return format!("cases({})", arms.join(", "));
        }
        if required || nulls.contains(&Some(false)) { text } else { format!("null 10% | {text}") }
    }
}

/// The group of a key that is unique by itself: every parent has one row at most.
pub(super) const EACH: &str = "each";

/// `((id * 0))`: the same for every row, so that there can be one.
fn is_constant(unique: &Unique) -> bool {
    let zero =
        |e: &String| matches!(parse(e), Tree::Binary(sign, _, zero) if sign == "*" && *zero == Tree::Number(0.0));
    unique.columns.is_empty() && !unique.expressions.is_empty() && unique.expressions.iter().all(zero)
}

/// `EXCLUDE USING btree (name WITH =) WHERE (active)` as the unique index it amounts to; `None` for other operators.
fn equals_only(definition: &str) -> Option<Unique> {
    let (list, predicate) = match definition.split_once(" WHERE ") {
        Some((list, predicate)) => (list, Some(predicate.to_owned())),
        None => (definition, None),
    };
    let list = list.split_once('(')?.1.trim_end().strip_suffix(')')?;
    let mut unique =
        Unique { name: String::new(), columns: Vec::new(), expressions: Vec::new(), predicate, primary: false };
    let (mut depth, mut start) = (0, 0);
    let ends = list.char_indices().filter(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        *c == ',' && depth == 0
    });
    let ends: Vec<usize> = ends.map(|(at, _)| at).chain([list.len()]).collect();
    for end in ends {
        let (element, operator) = list[start..end].rsplit_once(" WITH ")?;
        if operator.trim() != "=" {
            return None;
        }
        match element.trim() {
            expression if expression.contains('(') => match parse(expression) {
                // NULLs are never equal, and '' is not made: what differs stays different.
                Tree::Call(function, arguments) if function == "nullif" => match arguments.first() {
                    Some(Tree::Column(name)) => unique.columns.push(name.clone()),
                    _ => unique.expressions.push(expression.to_owned()),
                },
                _ => unique.expressions.push(expression.to_owned()),
            },
            column => unique.columns.push(column.trim_matches('"').to_owned()),
        }
        start = (end + 1).min(list.len());
    }
    Some(unique)
}

/// Whether SQL names a column: as a whole word, or in quotes.
pub(super) fn names(sql: &str, column: &str) -> bool {
    tokens(sql).iter().any(|token| {
        let text = &sql[token.span.clone()];
        match token.kind {
            Kind::Word => text == column,
            Kind::Quoted => text == crate::postgres::sql_text::identifier(column),
            _ => false,
        }
    })
}

/// A number as an argument of the spec language, where a sign of its own would read as subtraction.
fn signed(number: f64) -> String {
    if number < 0.0 { format!("0 - {}", -number) } else { number.to_string() }
}

fn is_ordinal(column: &str) -> bool {
    let name = column.to_lowercase();
    ["position", "line_no", "ordinal", "sequence", "sort_order", "version", "seat", "line"]
        .iter()
        .any(|w| name.contains(w))
}

fn tree_text(tree: &Tree) -> String {
    match tree {
        Tree::Text(text) => quoted(text),
        Tree::Number(number) => number.to_string(),
        Tree::Bool(flag) => flag.to_string(),
        _ => quoted(""),
    }
}

/// A column as a path of the spec language.
pub(super) fn path(column: &str) -> String {
    let word = column.chars().all(|c| c.is_alphanumeric() || c == '_') && !column.starts_with(|c: char| c.is_numeric());
    let reserved = ["now", "null", "true", "false"].contains(&column);
    if word && !reserved { column.to_owned() } else { crate::postgres::sql_text::identifier(column) }
}

fn can_differ(column: &Column) -> bool {
    match &column.kind.kind {
        TypeKind::Base => !matches!(column.kind.name.as_str(), "bool" | "json" | "jsonb" | "xml" | "tsvector"),
        TypeKind::Range(_) | TypeKind::Array(_) => true,
        _ => false,
    }
}

/// What a reader would expect to be the unique one.
fn preference(column: &Column) -> u32 {
    match column.kind.name.as_str() {
        "uuid" => 0,
        "text" | "varchar" | "citext" | "bytea" => 1,
        "bpchar" => 3,
        "int8" | "int4" => 2,
        "timestamptz" | "timestamp" => 4,
        "date" => 5,
        _ => 6,
    }
}
