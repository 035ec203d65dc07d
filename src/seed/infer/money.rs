//! What a row owes to other rows: a total of its lines, a price of what it refers to. Must read no row that reads this
//! one.

use super::Draft;
use super::bounds::number_bounds;
use super::content::{Family, family};
use super::evidence::Evidence;
use super::keys::{handle, parents_first, path};
use super::lexicon::words;
use super::moments::is_word;
use crate::postgres::catalog::{Column, Reference, Table};

/// Words of tables that hold the lines of another.
const LINES: [&str; 9] =
    ["item", "items", "line", "lines", "position", "positions", "lineitem", "lineitems", "entries"];

/// Names of totals.
const TOTALS: [&str; 6] = ["total", "subtotal", "total amount", "grand total", "order total", "total price"];

impl Draft<'_> {
    /// A number that other rows decide, as its name says.
    pub(super) fn owed(&self, column: &Column) -> Option<(String, Evidence)> {
        if family(&column.kind) != Family::Fraction || !self.is_free(column) {
            return None;
        }
        self.copied(column).or_else(|| self.added_up(column))
    }

    /// No CHECK ties it to another column, or keeps it away from 0, which a row without lines has.
    fn is_free(&self, column: &Column) -> bool {
        let name = &column.name;
        self.cases.iter().all(|case| {
            let relates = case.relations.iter().any(|(a, _, b)| a == name || b == name);
            let adds = case.sums.iter().flat_map(|s| &s.terms).flat_map(|t| &t.factors).any(|f| f.column == *name);
            let domain = case.columns.get(name).cloned().unwrap_or_default();
            let (low, high) = number_bounds(&domain, &column.kind);
            let has_room = low.is_none_or(|low| low <= 0.0) && high.is_none_or(|high| high >= 10_000.0);
            !relates && !adds && domain.values.is_none() && has_room
        }) && self.hints.get(name).is_none_or(|hint| hint.split.is_none())
    }

    /// The price of the row that a line refers to: `product_id.price`.
    fn copied(&self, column: &Column) -> Option<(String, Evidence)> {
        let is_price = |name: &str| matches!(words(name).join(" ").as_str(), "price" | "unit price");
        if !is_price(&column.name) {
            return None;
        }
        let order = parents_first(self.catalog);
        let place = |name: &str| order.iter().position(|n| *n == name);
        let found = self.followed().into_iter().find_map(|reference| {
            let parent = self.catalog.tables.get(&reference.table).filter(|parent| !parent.has_rows)?;
            let known = reference.table != self.name && place(&reference.table)? < place(self.name)?;
            let price = parent.columns.iter().find(|c| is_price(&c.name) && !c.generated)?;
            let way = handle(self.table, reference);
            let filled = known && self.filled.contains(&reference.table) && family(&price.kind) == Family::Fraction;
            (filled && is_word(way) && is_word(&price.name)).then(|| format!("{way}.{}", price.name))
        })?;
        let otherwise = super::content::content_in(self.table, &column.name, &column.kind, "now")?;
        Some((format!("first({found}, {otherwise})"), Evidence::Copies { path: found }))
    }

    /// What the lines of a row add up to: `sum(order_items, unit_price * quantity)`.
    fn added_up(&self, column: &Column) -> Option<(String, Evidence)> {
        if !TOTALS.contains(&words(&column.name).join(" ").as_str()) || self.unique.contains(&column.name) {
            return None;
        }
        let lines = self.catalog.tables.iter().filter(|(name, table)| self.is_lines(name, table));
        let (name, value) = lines.filter_map(|(name, table)| Some((name, line_value(table)?))).next()?;
        if !name.split('.').all(is_word) {
            return None;
        }
        Some((format!("sum({name}, {value})"), Evidence::AddsUp { table: name.clone() }))
    }

    /// Whether each row of a table is a line of one row of this table.
    fn is_lines(&self, name: &str, table: &Table) -> bool {
        let lead_here: Vec<&Reference> = table.references.iter().filter(|r| r.table == self.name).collect();
        let ([reference], true) = (lead_here.as_slice(), name != self.name) else { return false };
        let required = reference.columns.iter().all(|c| table.column(c).is_some_and(|c| c.required));
        let other_way = self.table.references.iter().any(|r| r.table == name);
        let is_class = self.classes.root(name, &reference.name).is_some();
        required && !other_way && !is_class && self.filled.contains(name) && holds_lines(table)
    }
}

fn holds_lines(table: &Table) -> bool {
    words(&table.name).last().is_some_and(|word| LINES.contains(&word.as_str()))
}

/// The amount of a line, as an expression over its columns.
fn line_value(table: &Table) -> Option<String> {
    let named = |wanted: &[&str]| {
        let column = table.columns.iter().find(|c| wanted.contains(&words(&c.name).join(" ").as_str()))?;
        let number = matches!(family(&column.kind), Family::Fraction | Family::Whole);
        (number && !column.generated).then(|| path(&column.name))
    };
    if let Some(total) = named(&["line total", "total", "amount", "total price", "subtotal"]) {
        return Some(total);
    }
    let price = named(&["unit price", "price"])?;
    let count = named(&["quantity", "qty"]).map_or(String::new(), |count| format!(" * {count}"));
    let less = named(&["discount", "discount amount"]).map_or(String::new(), |less| format!(" - {less}"));
    Some(format!("{price}{count}{less}"))
}
