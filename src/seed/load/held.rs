//! Keys of tables that hold rows already, such as a list of countries a migration brings. Must only read.

use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::expression::Value;
use crate::postgres::Error;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql_text::{identifier, query};
use crate::seed::plan::Held;

/// Rows of a table that are referred to; a longer table is referred to by its first rows.
const MOST: u32 = 10_000;

/// The referenced columns of every table that holds rows.
///
/// # Errors
/// When a table cannot be read.
pub async fn held(connection: &mut PgConnection, catalog: &Catalog) -> Result<Held, Error> {
    let mut held = Held::new();
    for (name, table) in catalog.tables.iter().filter(|(_, table)| table.has_rows) {
        let doing = |e| Error::doing(format!("read the keys of `{name}`"), e);
        let mut columns: Vec<&String> = catalog
            .tables
            .values()
            .flat_map(|t| &t.references)
            .filter(|r| r.table == *name)
            .flat_map(|r| &r.targets)
            .collect();
        columns.sort();
        columns.dedup();
        if columns.is_empty() {
            continue;
        }
        let list: Vec<String> = columns.iter().map(|c| format!("{}::text", identifier(c))).collect();
        // The same on every server, wherever rows stand and whatever its language.
        let order: Vec<String> = list.iter().map(|text| format!("{text} COLLATE \"C\"")).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY {} LIMIT {MOST}", list.join(", "), table.sql(), order.join(", "));
        let rows = query(sql).fetch_all(&mut *connection).await.map_err(doing)?;
        for (index, column) in columns.iter().enumerate() {
            let values = rows.iter().map(|row| {
                let text: Option<String> = row.try_get(index).map_err(doing)?;
                Ok(text.map_or(Value::Null, |text| Value::Text(text.into())))
            });
            let values: Vec<Value<'static>> = values.collect::<Result<_, Error>>()?;
            held.insert((name.clone(), (*column).clone()), Arc::new(values));
        }
    }
    Ok(held)
}
