//! What the parameters of a statement are drawn from, guessed by the columns they are compared with. Must ask no
//! server: it takes the catalog as it is given.

use crate::postgres::catalog::{Catalog, Column, Table, TypeKind};
use crate::sql::{ColumnUse, Compared, Comparison, How, Name};

/// Rows that a parameter asks for as the count of a LIMIT, and passes over as that of an OFFSET.
const ROWS_OF_A_PAGE: u64 = 20;

/// Skew of keys that are looked up: a few are asked for more often than the others.
const SKEW_OF_KEYS: f64 = 0.5;

/// How far a range goes that two parameters bound: in days for times, and in whole numbers.
const DAYS_OF_A_RANGE: u64 = 30;
const WIDTH_OF_A_RANGE: u64 = 100;

/// What a parameter is drawn from, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    /// The parameter, without the colon.
    pub(super) name: String,
    /// As a scenario writes it.
    pub(super) expression: String,
    /// What shows it.
    pub(super) because: String,
}

/// A parameter that nothing shows the values of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) name: String,
    pub(super) because: String,
    /// An expression that may be meant.
    pub(super) example: String,
}

/// A column that a parameter meets.
struct Met<'c> {
    /// As the catalog names the table.
    table: &'c str,
    of: &'c Table,
    column: &'c Column,
    /// What the statement names the table by: two aliases are two rows.
    alias: Option<String>,
    how: How,
}

/// Guesses every parameter of a statement; `names` in the order of their numbers, `given` those that need no guess.
pub(super) fn guess(
    names: &[String],
    comparisons: &[Comparison],
    catalog: &Catalog,
    given: &[(String, String)],
) -> (Vec<Guess>, Vec<Unresolved>) {
    let guesser = Guesser { names, comparisons, catalog, given };
    let (mut guesses, mut unresolved) = (Vec::new(), Vec::new());
    for (position, name) in names.iter().enumerate() {
        match guesser.one(position) {
            Ok((expression, because)) => guesses.push(Guess { name: name.clone(), expression, because }),
            Err((because, example)) => unresolved.push(Unresolved { name: name.clone(), because, example }),
        }
    }
    (guesses, unresolved)
}

struct Guesser<'a> {
    names: &'a [String],
    comparisons: &'a [Comparison],
    catalog: &'a Catalog,
    given: &'a [(String, String)],
}

impl<'a> Guesser<'a> {
    /// An expression and what shows it, or why none can be given and one that may be meant.
    fn one(&self, position: usize) -> Result<(String, String), (String, String)> {
        if let Some((_, expression)) = self.given.iter().find(|(name, _)| *name == self.names[position]) {
            return Ok((expression.clone(), "given with --with".to_owned()));
        }
        let mut why = ("it is compared with no column".to_owned(), "pick(table.column)".to_owned());
        for comparison in self.of(position) {
            match &comparison.with {
                Compared::Limit => return Ok((ROWS_OF_A_PAGE.to_string(), "the count of a LIMIT".to_owned())),
                Compared::Offset => return Ok((ROWS_OF_A_PAGE.to_string(), "the count of an OFFSET".to_owned())),
                Compared::Column(column, how) => match self.meet(column, *how) {
                    Ok(met) => match self.expression(position, &met) {
                        Ok(found) => return Ok(found),
                        Err(reason) => why = reason,
                    },
                    Err(reason) => why = reason,
                },
            }
        }
        Err(why)
    }

    fn of(&self, position: usize) -> impl Iterator<Item = &'a Comparison> {
        self.comparisons.iter().filter(move |comparison| comparison.parameter == position + 1)
    }

    /// The column in the catalog: by the alias, by the tables of the queries around it, or because one table has it.
    fn meet(&self, used: &ColumnUse, how: How) -> Result<Met<'a>, (String, String)> {
        let met = |(table, of): (&'a str, &'a Table), alias: Option<String>| {
            Some(Met { table, of, column: of.column(&used.name)?, alias, how })
        };
        for scope in &used.scopes {
            let named = |alias: &str| used.qualifier.as_ref().is_none_or(|qualifier| qualifier == alias);
            let sources = scope.iter().filter(|source| named(&source.alias));
            let tables = sources.filter_map(|source| Some((self.table(source.relation.as_ref()?)?, &source.alias)));
            let found: Vec<Met<'_>> = tables.filter_map(|(table, alias)| met(table, Some(alias.clone()))).collect();
            match found.len() {
                0 => {}
                1 => return Ok(found.into_iter().next().expect("there is one")),
                _ => return Err(ambiguous(&used.name, &found)),
            }
        }
        let all = self.catalog.tables.iter().filter_map(|(name, table)| met((name, table), None));
        let all: Vec<Met<'_>> = all.collect();
        match all.len() {
            0 => Err((format!("no table has the column {}", used.name), "pick(table.column)".to_owned())),
            1 => Ok(all.into_iter().next().expect("there is one")),
            _ => Err(ambiguous(&used.name, &all)),
        }
    }

    fn table(&self, name: &Name) -> Option<(&'a str, &'a Table)> {
        let fits = |table: &Table| table.name == name.name && name.schema.as_ref().is_none_or(|s| *s == table.schema);
        let mut fitting: Vec<_> = self.catalog.tables.iter().filter(|(_, table)| fits(table)).collect();
        // Without a schema the search path decides, and `public` is on it.
        fitting.sort_by_key(|(_, table)| table.schema != "public");
        fitting.first().map(|(name, table)| (name.as_str(), *table))
    }

    fn expression(&self, position: usize, met: &Met<'_>) -> Result<(String, String), (String, String)> {
        let name = format!("{}.{}", met.table, met.column.name);
        if let TypeKind::Array(_) = met.column.kind.kind {
            return Err((format!("{name} is an array"), "'{}'".to_owned()));
        }
        match met.how {
            How::Written => return written(met, &name),
            How::Array => {
                let (own, kind) = (&self.names[position], &met.column.kind.declared);
                let because =
                    format!("an array of {name}, which is sent as text: write :{own}::text::{kind}[] in the statement");
                return Err((because, "'{1,2}'".to_owned()));
            }
            How::Member => return Ok((format!("pick({})", path(met)), format!("a value of {name}"))),
            How::Upper => {
                if let Some(found) = self.range(position, met) {
                    return Ok(found);
                }
            }
            How::Equal | How::Lower => {}
        }
        match self.leader(position, met) {
            Some(leader) => {
                Ok((format!("pick({}, same {leader})", path(met)), format!("{name} of the row of :{leader}")))
            }
            None if met.how == How::Equal && is_key(met) => {
                let because = format!("compared with {name}, a key: few are asked for often");
                Ok((format!("pick({}, zipf {SKEW_OF_KEYS})", path(met)), because))
            }
            None => Ok((format!("pick({})", path(met)), format!("compared with {name}"))),
        }
    }

    /// The upper bound of a range whose lower bound is a parameter too: it must not be below that.
    fn range(&self, position: usize, met: &Met<'_>) -> Option<(String, String)> {
        let width = match met.column.kind.name.as_str() {
            "timestamptz" | "timestamp" | "date" => format!("{DAYS_OF_A_RANGE}d"),
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => WIDTH_OF_A_RANGE.to_string(),
            _ => return None,
        };
        let lower = (0..self.names.len()).filter(|other| *other != position).find(|other| {
            self.first(*other).is_some_and(|first| first.how == How::Lower && same_column(&first, met))
        })?;
        let lower = &self.names[lower];
        Some((format!("{lower} + {width}"), format!("a range of {width} from :{lower}")))
    }

    /// The first parameter that picks a row of the same table: with it the statement finds rows.
    fn leader(&self, position: usize, met: &Met<'_>) -> Option<&'a str> {
        let leads = |other: &usize| {
            let is_given = self.given.iter().any(|(name, _)| *name == self.names[*other]);
            !is_given
                && self.first(*other).is_some_and(|first| {
                    first.how == How::Equal && first.alias == met.alias && first.table == met.table
                })
        };
        let leader = (0..self.names.len()).find(leads)?;
        // A leader follows nobody, and what leads it follows nothing else.
        (leader != position && met.alias.is_some()).then(|| self.names[leader].as_str())
    }

    /// The first column that a parameter meets.
    fn first(&self, position: usize) -> Option<Met<'a>> {
        self.of(position).find_map(|comparison| match &comparison.with {
            Compared::Column(column, how) => self.meet(column, *how).ok(),
            Compared::Limit | Compared::Offset => None,
        })
    }
}

/// What is written to a column: a key of another table where it refers to one.
fn written(met: &Met<'_>, name: &str) -> Result<(String, String), (String, String)> {
    let column = &met.column.name;
    for reference in &met.of.references {
        if let Some(at) = reference.columns.iter().position(|c| c == column) {
            let target = format!("{}.{}", dotted(&reference.table), quoted(&reference.targets[at]));
            let because = format!("written to {name}, which refers to {}", reference.table);
            return Ok((format!("pick({target}, zipf {SKEW_OF_KEYS})"), because));
        }
    }
    if met.of.uniques.iter().any(|unique| unique.columns.contains(column)) {
        let example = match met.column.kind.name.as_str() {
            "uuid" => "uuid()".to_owned(),
            "text" | "varchar" | "citext" => "letters(12, 12)".to_owned(),
            _ => "sequence(1000000000)".to_owned(),
        };
        return Err((format!("{name} is unique, and values that are there would be refused"), example));
    }
    Ok((format!("pick({})", path(met)), format!("written to {name}")))
}

fn ambiguous(column: &str, met: &[Met<'_>]) -> (String, String) {
    let tables: Vec<&str> = met.iter().map(|met| met.table).take(4).collect();
    let example = met.first().map_or_else(String::new, |met| format!("pick({})", path(met)));
    (format!("several tables have the column {column}: {}", tables.join(", ")), example)
}

fn same_column(one: &Met<'_>, other: &Met<'_>) -> bool {
    (one.table, &one.alias, &one.column.name) == (other.table, &other.alias, &other.column.name)
}

/// Whether its values name rows: it is unique, or refers to something that is.
fn is_key(met: &Met<'_>) -> bool {
    let column = &met.column.name;
    met.of.references.iter().any(|reference| reference.columns.contains(column))
        || met.of.uniques.iter().any(|unique| unique.columns == [column.clone()])
}

fn path(met: &Met<'_>) -> String {
    format!("{}.{}", dotted(met.table), quoted(&met.column.name))
}

/// A table as the catalog names it, with the parts quoted that need it.
fn dotted(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::postgres::catalog::{Reference, Type, Unique};
    use crate::scenario::statement::Statement;
    use crate::sql::comparisons;

    fn catalog() -> Catalog {
        let column = |(name, kind): &(&str, &str)| Column {
            name: (*name).to_owned(),
            kind: Type { name: (*kind).to_owned(), ..Type::default() },
            required: true,
            default: None,
            counted: false,
            generated: false,
        };
        let table = |name: &str, columns: &[(&str, &str)]| Table {
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            uniques: vec![Unique {
                name: format!("{name}_pkey"),
                columns: vec!["id".to_owned()],
                expressions: Vec::new(),
                predicate: None,
                primary: true,
                nulls_equal: false,
            }],
            ..Table::default()
        };
        let mut orders = table(
            "orders",
            &[("id", "int8"), ("customer_id", "int8"), ("status", "text"), ("total", "numeric"), ("placed_at", "date")],
        );
        orders.references.push(Reference {
            name: "fk".to_owned(),
            columns: vec!["customer_id".to_owned()],
            table: "customers".to_owned(),
            targets: vec!["id".to_owned()],
        });
        let customers = table("customers", &[("id", "int8"), ("email", "text"), ("Country", "text")]);
        Catalog { tables: BTreeMap::from([("orders".to_owned(), orders), ("customers".to_owned(), customers)]) }
    }

    fn guessed(sql: &str, given: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<Unresolved>) {
        let statement = Statement::new(sql);
        let given: Vec<_> = given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let found = comparisons(&statement.sql).expect("it is read");
        let (guesses, unresolved) = guess(&statement.names, &found, &catalog(), &given);
        (guesses.into_iter().map(|guess| (guess.name, guess.expression)).collect(), unresolved)
    }

    fn check(sql: &str, expected: &[(&str, &str)]) {
        let (guesses, unresolved) = guessed(sql, &[]);
        assert_eq!(unresolved, [], "{sql}");
        let guesses: Vec<(&str, &str)> = guesses.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(guesses, expected, "{sql}");
    }

    #[test]
    fn parameters_are_picked_from_the_column_they_are_compared_with() {
        check(
            "SELECT 1 FROM orders WHERE customer_id = :c ORDER BY placed_at DESC LIMIT :n OFFSET :from",
            &[("c", "pick(orders.customer_id, zipf 0.5)"), ("n", "20"), ("from", "20")],
        );
        check(
            "SELECT 1 FROM orders o JOIN customers k ON k.id = o.customer_id WHERE k.email = :mail",
            &[("mail", "pick(customers.email)")],
        );
        check("SELECT 1 FROM customers WHERE \"Country\" = :land", &[("land", "pick(customers.\"Country\")")]);
        check(
            "SELECT 1 FROM orders WHERE status IN (:a, :b)",
            &[("a", "pick(orders.status)"), ("b", "pick(orders.status)")],
        );
        // A view has no columns in the catalog; one table has such a column.
        check("SELECT 1 FROM recent WHERE customer_id = :c", &[("c", "pick(orders.customer_id, zipf 0.5)")]);
    }

    #[test]
    fn parameters_of_one_row_are_picked_together_and_ranges_have_an_order() {
        check(
            "SELECT 1 FROM orders WHERE customer_id = :c AND status = :s AND placed_at < :before",
            &[
                ("c", "pick(orders.customer_id, zipf 0.5)"),
                ("s", "pick(orders.status, same c)"),
                ("before", "pick(orders.placed_at, same c)"),
            ],
        );
        check(
            "SELECT 1 FROM orders WHERE placed_at >= :from AND placed_at < :to",
            &[("from", "pick(orders.placed_at)"), ("to", "from + 30d")],
        );
        check(
            "SELECT 1 FROM orders WHERE total BETWEEN :low AND :high",
            &[("low", "pick(orders.total)"), ("high", "low + 100")],
        );
        check(
            "SELECT 1 FROM orders a, orders b WHERE a.id = :one AND b.id = :other",
            &[("one", "pick(orders.id, zipf 0.5)"), ("other", "pick(orders.id, zipf 0.5)")],
        );
    }

    #[test]
    fn what_is_written_refers_to_rows_that_are_there() {
        check(
            "INSERT INTO orders (customer_id, status) VALUES (:c, :s)",
            &[("c", "pick(customers.id, zipf 0.5)"), ("s", "pick(orders.status)")],
        );
        let (_, unresolved) = guessed("INSERT INTO customers (id) VALUES (:id)", &[]);
        assert_eq!(unresolved[0].example, "sequence(1000000000)");
    }

    #[test]
    fn what_cannot_be_resolved_is_named_unless_it_is_given() {
        let sql = "SELECT 1 FROM orders, customers WHERE id = :id AND nothing = :n AND placed_at > now() - :days * x";
        let (guesses, unresolved) = guessed(sql, &[("days", "7")]);
        assert_eq!(guesses, [("days".to_owned(), "7".to_owned())]);
        let reasons: Vec<(&str, &str)> = unresolved.iter().map(|u| (u.name.as_str(), u.because.as_str())).collect();
        let id = ("id", "several tables have the column id: orders, customers");
        assert_eq!(reasons, [id, ("n", "no table has the column nothing")]);
        assert_eq!(unresolved[0].example, "pick(orders.id)");
    }
}
