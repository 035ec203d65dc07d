//! Foreign keys and uniques to fan-outs and combinations. Must never rely on chance for what is unique.

use std::collections::BTreeSet;

use super::Draft;
use super::bounds::{number_bounds, plain};
use super::content::{Family, family, quoted};
use super::hints::NULLS;
use crate::postgres::catalog::{Catalog, Reference, Table, TypeKind};
use crate::seed::condition::{Case, Domain, Tree};
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
    pub(super) fn followed(&self) -> Vec<&'a Reference> {
        let table = self.table;
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut all: Vec<&Reference> = table.references.iter().collect();
        all.sort_by_key(|r| r.columns.len());
        all.into_iter().filter(|r| seen.insert(handle(table, r))).collect()
    }

    pub(super) fn of_key(&self, column: &str) -> bool {
        self.table.references.iter().any(|r| r.columns.iter().any(|c| c == column))
    }

    /// How many values a column with few of them has.
    pub(super) fn radix(&self, column: &str) -> Option<String> {
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
                _ if self.runs.contains(&column) => "runs(spread 60%, none 5%)".to_owned(),
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
            let text = match self.each_inside.get(&column) {
                Some(names) => self.each_inside_text(&column, names, &spread),
                None => self.with_nulls(&column, spread, required || slot.is_some()),
            };
            found.push((column.clone(), text));
        }
        found
    }

    /// Of the rows inside a partial unique index every parent has one at most; of the others any number.
    fn each_inside_text(&self, column: &str, names: &BTreeSet<String>, spread: &str) -> String {
        let arm = |case: &Case| match case.columns.get(column).and_then(|domain| domain.null) {
            Some(true) => "null".to_owned(),
            _ if !case.inside.is_disjoint(names) => EACH.to_owned(),
            _ => spread.to_owned(),
        };
        let arms: Vec<String> = self.cases.iter().map(arm).collect();
        self.by_way(&arms)
    }

    /// Lays the cases, or a share of NULLs, over an expression.
    pub(super) fn with_nulls(&self, column: &str, text: String, required: bool) -> String {
        let nulls: Vec<Option<bool>> =
            self.cases.iter().map(|case| case.columns.get(column).and_then(|d| d.null)).collect();
        if nulls.iter().all(|null| *null == Some(true)) && !nulls.is_empty() {
            return format!("null 100% | {}", grouped(&text));
        }
        if nulls.contains(&Some(true)) {
            let arm = |null: &Option<bool>| match null {
                Some(true) => "null".to_owned(),
                // A fan-out says in one way for all cases how it spreads.
                None if !required && !self.of_key(column) => self.null_share(column, &text),
                _ => text.clone(),
            };
            return self.by_way(&nulls.iter().map(arm).collect::<Vec<_>>());
        }
        let present = required || nulls.contains(&Some(false)) || self.present.contains(column);
        if present { text } else { self.null_share(column, &text) }
    }

    /// An expression, and NULL in as many rows as is believable.
    pub(super) fn null_share(&self, column: &str, text: &str) -> String {
        let share = self.hints.get(column).and_then(|hint| hint.nulls).unwrap_or(NULLS);
        format!("null {}% | {}", plain(libm::round(share * 1000.0) / 10.0), grouped(text))
    }
}

/// Alternatives as one value among others.
pub(super) fn grouped(text: &str) -> String {
    if text.contains(" | ") { format!("({text})") } else { text.to_owned() }
}

/// The group of a key that is unique by itself: every parent has one row at most.
pub(super) const EACH: &str = "each";

/// Whether SQL names a column: as a whole word, or in quotes.
pub(in crate::seed) fn names(sql: &str, column: &str) -> bool {
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
