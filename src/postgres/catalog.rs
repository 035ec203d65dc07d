//! What tables a database has and what binds them. Must only read.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::Error;
use super::sql_text::query;

/// The ordinary tables of a database outside system schemas.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By name as a spec writes it: bare in `public`, `schema.name` elsewhere.
    pub tables: BTreeMap<String, Table>,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Divided into partitions.
    pub partitioned: bool,
    /// In order.
    pub columns: Vec<Column>,
    /// Foreign keys of one column.
    pub references: Vec<Reference>,
    /// Column sets that must be unique, from unique indexes without expressions or predicates.
    pub uniques: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type's name in `pg_type`, domains resolved to their base.
    pub type_name: String,
    /// Enum labels in order, when the type is an enum.
    pub labels: Vec<String>,
    /// Digits after the point, when a numeric says so.
    pub fraction_digits: Option<u16>,
    /// NOT NULL.
    pub required: bool,
    /// Has a default, is an identity or is generated: may be left out of an INSERT.
    pub filled_by_server: bool,
    /// GENERATED ALWAYS AS (…) STORED: must be left out.
    pub generated: bool,
}

/// A foreign key of one column.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The column.
    pub column: String,
    /// The referenced table, named as in [`Catalog::tables`].
    pub table: String,
    /// The referenced column.
    pub target: String,
}

/// Reads the catalog.
///
/// # Errors
/// When it cannot be read.
pub async fn read(connection: &mut PgConnection) -> Result<Catalog, Error> {
    let doing = |e| Error::doing("read the catalog", e);
    let mut catalog = Catalog::default();
    for row in columns(connection).await.map_err(doing)? {
        add_column(&mut catalog, &row).map_err(doing)?;
    }
    for row in references(connection).await.map_err(doing)? {
        let (table, column): (String, String) = (row.try_get(0).map_err(doing)?, row.try_get(1).map_err(doing)?);
        let reference =
            Reference { column, table: row.try_get(2).map_err(doing)?, target: row.try_get(3).map_err(doing)? };
        if let Some(table) = catalog.tables.get_mut(&table) {
            table.references.push(reference);
        }
    }
    for row in uniques(connection).await.map_err(doing)? {
        let table: String = row.try_get(0).map_err(doing)?;
        if let Some(table) = catalog.tables.get_mut(&table) {
            table.uniques.push(row.try_get(1).map_err(doing)?);
        }
    }
    Ok(catalog)
}

impl Catalog {
    /// A table by the name a spec uses.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name.strip_prefix("public.").unwrap_or(name))
    }
}

impl Table {
    /// The table as SQL.
    #[must_use]
    pub fn sql(&self) -> String {
        super::sql_text::qualified(&self.schema, &self.name)
    }
}

/// `public` is left out of names, as in a spec.
const NAME: &str = "CASE n.nspname WHEN 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END";

async fn columns(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    query(format!(
        "SELECT {NAME}, n.nspname::text, c.relname::text, a.attname::text, b.typname::text,
                ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder),
                CASE WHEN b.typname = 'numeric' AND a.atttypmod > 0 THEN ((a.atttypmod - 4) & 65535)::int4 END,
                a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', c.relkind = 'p'
         FROM pg_attribute a
         JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_type t ON t.oid = a.atttypid
         JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         ORDER BY n.nspname, c.relname, a.attnum"
    ))
    .fetch_all(connection)
    .await
}

async fn references(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    let parent = NAME.replace("n.", "pn.").replace("c.", "pc.");
    query(format!(
        "SELECT {NAME}, a.attname::text, {parent}, pa.attname::text
         FROM pg_constraint k
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class pc ON pc.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = pc.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
         JOIN pg_attribute pa ON pa.attrelid = pc.oid AND pa.attnum = k.confkey[1]
         WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.conparentid = 0
         ORDER BY 1, 2"
    ))
    .fetch_all(connection)
    .await
}

async fn uniques(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    query(format!(
        "SELECT {NAME},
                ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(n, o)
                      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.o)
         FROM pg_index i
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         ORDER BY 1, 2"
    ))
    .fetch_all(connection)
    .await
}

fn add_column(catalog: &mut Catalog, row: &PgRow) -> Result<(), sqlx::Error> {
    let key: String = row.try_get(0)?;
    let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let partitioned = row.try_get(10)?;
    let table = catalog.tables.entry(key).or_insert_with(|| Table {
        schema,
        name,
        partitioned,
        columns: Vec::new(),
        references: Vec::new(),
        uniques: Vec::new(),
    });
    table.columns.push(Column {
        name: row.try_get(3)?,
        type_name: row.try_get(4)?,
        labels: row.try_get(5)?,
        fraction_digits: row.try_get::<Option<i32>, _>(6)?.map(|digits| digits as u16),
        required: row.try_get(7)?,
        filled_by_server: row.try_get(8)?,
        generated: row.try_get(9)?,
    });
    Ok(())
}
