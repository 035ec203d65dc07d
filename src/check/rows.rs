//! Hashes of what tables hold, column by column, and what is gone. Must read no value out of the database.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::evidence::round_trip::Loss;
use crate::postgres::Error;
use crate::postgres::sql_text::{identifier, query};

/// What a table holds: its rows, and by column its values that are not NULL with the sum of their hashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Contents {
    pub(super) rows: i64,
    pub(super) columns: BTreeMap<String, (i64, String)>,
}

/// Contents by schema-qualified name.
pub(super) type Database = BTreeMap<String, Contents>;

/// Reads every table that holds rows of its own.
///
/// # Errors
/// When the server is lost.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Database, Error> {
    let doing = |e| Error::doing("hash the rows", e);
    let rows = query(
        "SELECT format('%I.%I', n.nspname, c.relname), a.attname::text, format_type(a.atttypid, a.atttypmod)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema',
         'weighbridge')
           AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum",
    );
    let rows = rows.fetch_all(&mut *connection).await.map_err(doing)?;
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        let (table, column): (String, String) = (row.try_get(0).map_err(doing)?, row.try_get(1).map_err(doing)?);
        columns.entry(table).or_default().push(column);
    }
    let mut database = Database::new();
    for (table, columns) in columns {
        let parts: Vec<String> = columns
            .iter()
            .map(|column| {
                let name = identifier(column);
                format!("count({name}), coalesce(sum(hashtextextended({name}::text, 0)::numeric), 0)::text")
            })
            .collect();
        let row = query(format!("SELECT count(*), {} FROM {table}", parts.join(", ")));
        let row = row.fetch_one(&mut *connection).await.map_err(doing)?;
        let mut contents = Contents { rows: row.try_get(0).map_err(doing)?, columns: BTreeMap::new() };
        for (index, column) in columns.into_iter().enumerate() {
            let value = (row.try_get(1 + 2 * index).map_err(doing)?, row.try_get(2 + 2 * index).map_err(doing)?);
            contents.columns.insert(column, value);
        }
        database.insert(table, contents);
    }
    Ok(database)
}

/// Rows of all tables.
pub(super) fn total(database: &Database) -> i64 {
    database.values().map(|contents| contents.rows).sum()
}

/// What was there and is not any more, under this name or another: rows, values of a column, or the values that a
/// column had.
pub(super) fn lost(before: &Database, after: &Database) -> Vec<Loss> {
    let mut lost = Vec::new();
    let add = |lost: &mut Vec<Loss>, table: &str, column: Option<&str>, rows, is_changed| {
        lost.push(Loss { table: table.to_owned(), column: column.map(str::to_owned), rows, is_changed });
    };
    for (table, old) in before {
        let Some(new) = after.get(table) else {
            // A table that was renamed holds what it held.
            let is_renamed = after.iter().any(|(name, other)| !before.contains_key(name) && other == old);
            if old.rows > 0 && !is_renamed {
                add(&mut lost, table, None, old.rows, false);
            }
            continue;
        };
        if new.rows < old.rows {
            add(&mut lost, table, None, old.rows - new.rows, false);
            continue;
        }
        for (column, (values, hash)) in &old.columns {
            match new.columns.get(column) {
                None => {
                    let same = |(name, other): (&String, &(i64, String))| {
                        !old.columns.contains_key(name) && *other == (*values, hash.clone())
                    };
                    if *values > 0 && !new.columns.iter().any(same) {
                        add(&mut lost, table, Some(column), *values, false);
                    }
                }
                Some((left, _)) if left < values => add(&mut lost, table, Some(column), values - left, false),
                Some((_, other)) if other != hash && new.rows == old.rows => {
                    add(&mut lost, table, Some(column), *values, true);
                }
                Some(_) => {}
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(rows: i64, columns: &[(&str, i64, &str)]) -> Database {
        let columns = columns.iter().map(|(name, values, hash)| ((*name).to_owned(), (*values, (*hash).to_owned())));
        [("public.t".to_owned(), Contents { rows, columns: columns.collect() })].into()
    }

    #[test]
    fn what_is_gone_is_named_by_table_and_column() {
        let before = database(10, &[("id", 10, "1"), ("email", 8, "2")]);
        let loss = |column: Option<&str>, rows| {
            let column = column.map(str::to_owned);
            Loss { table: "public.t".into(), column, rows, is_changed: false }
        };
        assert_eq!(lost(&before, &before), []);
        assert_eq!(lost(&before, &Database::new()), [loss(None, 10)]);
        assert_eq!(lost(&before, &database(10, &[("id", 10, "1"), ("email", 0, "0")])), [loss(Some("email"), 8)]);
        let changed = Loss { is_changed: true, ..loss(Some("email"), 8) };
        assert_eq!(lost(&before, &database(10, &[("id", 10, "1"), ("email", 8, "3")])), [changed]);
        assert_eq!(lost(&before, &database(10, &[("id", 10, "1"), ("mail", 8, "2")])), []);
        assert_eq!(lost(&before, &database(12, &[("id", 12, "9"), ("email", 9, "9")])), []);
    }
}
