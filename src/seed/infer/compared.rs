//! What the statements of scenarios look for: columns in their conditions and orders, and values they compare them
//! with. Must take a word for a column only where the statement names a table that has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::catalog::Catalog;
use crate::seed::condition::Tree;
use crate::sql::{Kind, tokens};

/// Columns that statements look for, by table, and the constants each is compared with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compared {
    tables: BTreeMap<String, BTreeMap<String, Vec<Tree>>>,
}

/// A word, a quoted text, or a symbol.
struct Piece<'s> {
    kind: Kind,
    text: &'s str,
}

impl Compared {
    /// Reads the statements of scenarios against a catalog.
    #[must_use]
    pub fn read<'s>(statements: impl IntoIterator<Item = &'s str>, catalog: &Catalog) -> Self {
        let mut found = Self::default();
        for sql in statements {
            let pieces = pieces(sql);
            let names: BTreeSet<String> = pieces.iter().filter_map(name).collect();
            let tables = catalog.tables.iter().filter(|(_, table)| names.contains(&table.name));
            for (table, of) in tables {
                let known = found.tables.entry(table.clone()).or_default();
                conditions(&pieces, |at| {
                    let Some(column) = name(&pieces[at]).and_then(|word| of.column(&word)) else { return };
                    let values = known.entry(column.name.clone()).or_default();
                    for value in compared_with(&pieces[at + 1..]) {
                        if !values.contains(&value) {
                            values.push(value);
                        }
                    }
                });
            }
        }
        found
    }

    /// The constants each column of a table is compared with.
    #[must_use]
    pub fn values(&self, table: &str) -> BTreeMap<String, Vec<Tree>> {
        let columns = self.tables.get(table).into_iter().flatten();
        columns.filter(|(_, values)| !values.is_empty()).map(|(c, values)| (c.clone(), values.clone())).collect()
    }

    /// Whether a statement looks for a column, or sorts by it.
    #[must_use]
    pub fn names(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.contains_key(column))
    }
}

/// What decides data of the statements: each name with the constants it is compared with. The same text for statements
/// that give the same data, whatever the catalog.
#[must_use]
pub fn constants<'s>(statements: impl IntoIterator<Item = &'s str>) -> String {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sql in statements {
        let pieces = pieces(sql);
        conditions(&pieces, |at| {
            let Some(word) = name(&pieces[at]) else { return };
            let values = compared_with(&pieces[at + 1..]);
            if !values.is_empty() {
                found.entry(word).or_default().extend(values.iter().map(|value| format!("{value:?}")));
            }
        });
    }
    if found.is_empty() { String::new() } else { format!("{found:?}") }
}

fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let tokens = tokens(sql).into_iter().filter(|token| token.kind != Kind::Space);
    tokens.map(|token| Piece { kind: token.kind, text: &sql[token.span] }).collect()
}

/// A name as the catalog has it.
fn name(piece: &Piece<'_>) -> Option<String> {
    match piece.kind {
        Kind::Word => Some(piece.text.to_lowercase()),
        Kind::Quoted => Some(piece.text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
        _ => None,
    }
}

/// Calls `seen` with every place inside a condition or an order.
fn conditions(pieces: &[Piece<'_>], mut seen: impl FnMut(usize)) {
    let mut inside = false;
    for (at, piece) in pieces.iter().enumerate() {
        if piece.kind == Kind::Word {
            match piece.text.to_lowercase().as_str() {
                "where" | "on" | "having" | "order" => inside = true,
                "select" | "from" | "set" | "values" | "returning" | "limit" | "offset" | "group" | "into" => {
                    inside = false;
                }
                _ => {}
            }
        }
        if inside {
            seen(at);
        }
    }
}

/// The constants after a column: `= 'a'`, `<> 3`, `IN ('a', 'b')`.
fn compared_with(rest: &[Piece<'_>]) -> Vec<Tree> {
    let text = |at: usize| rest.get(at).map_or("", |piece| piece.text);
    let two = (text(0), text(1));
    match two {
        ("=" | "<>", _) => constant(rest.get(1)).into_iter().collect(),
        ("<", ">") | ("!", "=") => constant(rest.get(2)).into_iter().collect(),
        (word, "(") if word.eq_ignore_ascii_case("in") => {
            let list = rest[2..].iter().take_while(|piece| piece.text != ")");
            list.filter_map(|piece| constant(Some(piece))).collect()
        }
        _ => Vec::new(),
    }
}

fn constant(piece: Option<&Piece<'_>>) -> Option<Tree> {
    let piece = piece?;
    match piece.kind {
        Kind::Quoted => {
            let inner = piece.text.strip_prefix('\'')?.strip_suffix('\'')?;
            Some(Tree::Text(inner.replace("''", "'")))
        }
        Kind::Word if piece.text.eq_ignore_ascii_case("true") => Some(Tree::Bool(true)),
        Kind::Word if piece.text.eq_ignore_ascii_case("false") => Some(Tree::Bool(false)),
        _ => piece.text.parse().ok().filter(|n: &f64| n.is_finite()).map(Tree::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Column, Table, Type};

    fn catalog() -> Catalog {
        let column = |name: &str| Column {
            name: name.to_owned(),
            kind: Type::default(),
            required: true,
            default: None,
            counted: false,
            generated: false,
        };
        let columns = ["id", "status", "kind", "paid", "created_at"].map(column).into();
        let table = Table { name: "orders".to_owned(), columns, ..Table::default() };
        Catalog { tables: BTreeMap::from([("orders".to_owned(), table)]) }
    }

    #[test]
    fn conditions_name_columns_and_values() {
        let statements = [
            "SELECT status FROM orders o WHERE o.status = 'open' AND kind IN (1, 2) AND NOT paid ORDER BY created_at",
            "UPDATE orders SET kind = 9 WHERE id = :id AND status <> 'it''s' AND paid = false",
            "SELECT 1 FROM others WHERE status = 'none'",
        ];
        let found = Compared::read(statements, &catalog());
        let values = found.values("orders");
        let text = |s: &str| Tree::Text(s.to_owned());
        assert_eq!(values["status"], [text("open"), text("it's")]);
        assert_eq!(values["kind"], [Tree::Number(1.0), Tree::Number(2.0)]);
        assert_eq!(values["paid"], [Tree::Bool(false)]);
        assert!(found.names("orders", "created_at") && found.names("orders", "id") && !values.contains_key("id"));
        assert_eq!(constants(["SELECT id FROM orders WHERE id = $1"]), "");
        assert!(constants(statements).contains("open"));
    }
}
