//! What tables a database has and what binds their rows. Must only read.

mod bookkeeping;
mod triggers;
mod types;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

pub use triggers::{FiredBy, Trigger};
pub use types::{Type, TypeKind};

use super::error::Error;
use super::sql_text::query;
use types::Types;

/// The tables of a database outside system schemas; partitions belong to the table they divide.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// By name as a spec writes it: bare in `public`, `schema.name` elsewhere.
    pub tables: BTreeMap<String, Table>,
}

/// A table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Divided into partitions.
    pub partitioned: bool,
    /// In order.
    pub columns: Vec<Column>,
    /// Foreign keys.
    pub references: Vec<Reference>,
    /// What must be unique.
    pub uniques: Vec<Unique>,
    /// CHECKs of the table.
    pub checks: Vec<Check>,
    /// EXCLUDE constraints: name and definition.
    pub exclusions: Vec<(String, String)>,
    /// Expressions that indexes compute of every row.
    #[serde(default)]
    pub indexed: Vec<String>,
    /// Every valid index.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// What a row must fulfil to land in each leaf partition; `None` for a default partition.
    pub partitions: Vec<Option<String>>,
    /// What a row must fulfil to land in each leaf partition that is a default one.
    #[serde(default)]
    pub default_partitions: Vec<String>,
    /// It holds rows already.
    pub has_rows: bool,
    /// The highest value of its whole-number keys; 0 when it has no rows or no such key.
    pub highest_key: u64,
    /// Triggers and rules of the user's that an INSERT of a row fires.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// A migration tool's or a framework's own table, such as `schema_migrations`: not an application's to fill.
    #[serde(default)]
    pub bookkeeping: bool,
}

/// A column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// NOT NULL, by the column or its domain.
    pub required: bool,
    /// The default as SQL, if there is one.
    pub default: Option<String>,
    /// Counted by a sequence: identity or serial.
    pub counted: bool,
    /// GENERATED ALWAYS AS (…): must be left out.
    pub generated: bool,
}

/// A foreign key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    /// The constraint's name.
    pub name: String,
    /// The columns.
    pub columns: Vec<String>,
    /// The referenced table, named as in [`Catalog::tables`].
    pub table: String,
    /// The referenced columns, in the order of `columns`.
    pub targets: Vec<String>,
}

/// A unique index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unique {
    /// The index's name.
    pub name: String,
    /// Its key columns; an expression over one column that keeps different values different counts as that column.
    pub columns: Vec<String>,
    /// Its expressions as SQL that are more than that, empty for most.
    pub expressions: Vec<String>,
    /// Its WHERE, as SQL.
    pub predicate: Option<String>,
    /// The primary key.
    pub primary: bool,
    /// NULLS NOT DISTINCT: two rows with NULL in the same place are equal.
    #[serde(default)]
    pub nulls_equal: bool,
}

/// An index, as far as it says what queries look for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key columns, in order; without those inside expressions.
    pub columns: Vec<String>,
    /// Its expressions as SQL.
    pub expressions: Vec<String>,
    /// Its WHERE, as SQL.
    pub predicate: Option<String>,
    /// It holds a value once.
    pub unique: bool,
}

/// A CHECK.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// The constraint's name.
    pub name: String,
    /// The condition, as the server writes it.
    pub expression: String,
}

/// Reads the catalog.
///
/// # Errors
/// When it cannot be read.
pub async fn read(connection: &mut PgConnection) -> Result<Catalog, Error> {
    read_all(connection).await.map_err(|e| Error::doing("read the catalog", e))
}

async fn read_all(connection: &mut PgConnection) -> Result<Catalog, sqlx::Error> {
    let types = Types::read(connection).await?;
    let mut catalog = Catalog::default();
    for row in columns(connection).await? {
        add_column(&mut catalog, &types, &row)?;
    }
    for row in references(connection).await? {
        if let Some(table) = catalog.tables.get_mut(&row.try_get::<String, _>(0)?) {
            table.references.push(Reference {
                name: row.try_get(1)?,
                columns: row.try_get(2)?,
                table: row.try_get(3)?,
                targets: row.try_get(4)?,
            });
        }
    }
    for row in uniques(connection).await? {
        if let Some(table) = catalog.tables.get_mut(&row.try_get::<String, _>(0)?) {
            table.uniques.push(Unique {
                name: row.try_get(1)?,
                columns: row.try_get(2)?,
                expressions: row.try_get(3)?,
                predicate: row.try_get(4)?,
                primary: row.try_get(5)?,
                nulls_equal: row.try_get(6)?,
            });
        }
    }
    for row in indexes(connection).await? {
        if let Some(table) = catalog.tables.get_mut(&row.try_get::<String, _>(0)?) {
            table.indexes.push(Index {
                name: row.try_get(1)?,
                columns: row.try_get(2)?,
                expressions: row.try_get(3)?,
                predicate: row.try_get(4)?,
                unique: row.try_get(5)?,
            });
        }
    }
    for row in conditions(connection).await? {
        let Some(table) = catalog.tables.get_mut(&row.try_get::<String, _>(0)?) else { continue };
        let (kind, name, text): (String, String, Option<String>) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        match kind.as_str() {
            "c" => table.checks.extend(text.map(|expression| Check { name, expression })),
            "x" => table.exclusions.extend(text.map(|definition| (name, definition))),
            "i" => table.indexed.extend(text),
            "d" => table.default_partitions.extend(text),
            _ => table.partitions.push(text),
        }
    }
    triggers::read(connection, &mut catalog).await?;
    bookkeeping::mark(&mut catalog);
    for table in catalog.tables.values_mut() {
        table.has_rows = has_rows(connection, table).await?;
        if table.has_rows {
            table.highest_key = highest_key(connection, table).await;
        }
    }
    for (table, column) in lowered(&catalog) {
        // `lower(email)` keeps what we make different, because it is made in lower case.
        let unique = &mut catalog.tables.get_mut(&table).expect("just listed").uniques[column];
        unique.columns.append(&mut unique.expressions.iter().filter_map(|e| inner_column(e)).collect());
        unique.expressions.clear();
    }
    Ok(catalog)
}

/// Bytes of the heap and of the indexes of each table, partitions included.
///
/// # Errors
/// When a table is gone.
pub async fn sizes(connection: &mut PgConnection, tables: &[&str]) -> Result<Vec<(u64, u64)>, Error> {
    let mut found = Vec::new();
    for table in tables {
        let one = query(
            "SELECT coalesce(sum(pg_table_size(oid)), 0)::int8, coalesce(sum(pg_indexes_size(oid)), 0)::int8
             FROM (SELECT $1::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::regclass)) s",
        )
        .bind((*table).to_owned());
        let row = one.fetch_one(&mut *connection).await.map_err(|e| Error::doing("measure tables", e))?;
        let bytes = |index: usize| row.try_get::<i64, _>(index).map(|n| n as u64);
        let both = bytes(0).and_then(|heap| Ok((heap, bytes(1)?)));
        found.push(both.map_err(|e| Error::doing("measure tables", e))?);
    }
    Ok(found)
}

/// Whether a table holds rows. What cannot be read may be somebody's: nothing is put into it. Where policies hide rows
/// from this role, pages tell.
async fn has_rows(connection: &mut PgConnection, table: &Table) -> Result<bool, sqlx::Error> {
    let row = query(
        "SELECT has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid),
                0 < (SELECT sum(pg_relation_size(relid)) FROM (SELECT c.oid AS relid UNION SELECT relid
                FROM pg_partition_tree(c.oid)) t)
         FROM pg_class c WHERE c.oid = $1::regclass",
    );
    let row = row.bind(table.sql()).fetch_one(&mut *connection).await?;
    let (readable, secured, has_pages): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if !readable || secured {
        return Ok(!readable || has_pages);
    }
    let sql = format!("SELECT EXISTS (SELECT FROM {})", table.own_rows());
    match query(sql).fetch_one(connection).await {
        Ok(row) => row.try_get(0),
        Err(_) => Ok(true),
    }
}

/// The highest value of the whole-number columns that are counted or a primary key; 0 when they cannot be read.
async fn highest_key(connection: &mut PgConnection, table: &Table) -> u64 {
    let of_primary = |name: &str| table.uniques.iter().any(|u| u.primary && u.columns.iter().any(|c| c == name));
    let whole = |column: &&Column| matches!(column.kind.name.as_str(), "int2" | "int4" | "int8");
    let keys = table.columns.iter().filter(whole).filter(|c| c.counted || of_primary(&c.name));
    let most: Vec<String> = keys.map(|c| format!("max({})", super::sql_text::identifier(&c.name))).collect();
    if most.is_empty() {
        return 0;
    }
    let sql = format!("SELECT coalesce(greatest({}), 0)::int8 FROM {}", most.join(", "), table.own_rows());
    let read = query(sql).fetch_one(connection).await.and_then(|row| row.try_get::<i64, _>(0));
    read.map_or(0, |highest| highest.max(0) as u64)
}

/// Unique indexes whose every expression keeps different values of one column different, as we make them: `lower(c)`,
/// `md5(c)`, `COALESCE(c, constant)`, a cast of one.
fn lowered(catalog: &Catalog) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (name, table) in &catalog.tables {
        for (index, unique) in table.uniques.iter().enumerate() {
            let known = |e: &String| inner_column(e).is_some_and(|c| table.columns.iter().any(|t| t.name == c));
            if !unique.expressions.is_empty() && unique.expressions.iter().all(known) {
                found.push((name.clone(), index));
            }
        }
    }
    found
}

fn inner_column(expression: &str) -> Option<String> {
    let mut inner = expression;
    loop {
        let before = inner;
        for call in ["lower(", "upper(", "md5(", "btrim(", "("] {
            inner = inner.strip_prefix(call).and_then(|i| i.strip_suffix(')')).unwrap_or(inner);
        }
        // The constant is no value we make.
        if let Some(arguments) = inner.strip_prefix("COALESCE(").and_then(|i| i.strip_suffix(')')) {
            inner =
                arguments.split_once(", ").filter(|(_, rest)| !rest.contains(", ")).map_or(inner, |(first, _)| first);
        }
        inner = ["::text", "::character varying", "::bpchar"]
            .iter()
            .find_map(|cast| inner.strip_suffix(cast))
            .unwrap_or(inner);
        if inner == before {
            break;
        }
    }
    let inner = inner.strip_prefix('"').and_then(|i| i.strip_suffix('"')).unwrap_or(inner);
    inner.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| inner.to_owned())
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

    /// What a FROM needs to read the rows of this table and its partitions, but not of tables that inherit from it.
    #[must_use]
    pub fn own_rows(&self) -> String {
        if self.partitioned { self.sql() } else { format!("ONLY {}", self.sql()) }
    }

    /// A column by its name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

impl Column {
    /// May be left out of an INSERT.
    #[must_use]
    pub fn filled_by_server(&self) -> bool {
        self.default.is_some() || self.counted || self.generated
    }
}

/// `public` is left out of names, as in a spec.
const NAME: &str = "CASE n.nspname WHEN 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END";

/// What belongs to an extension is the extension's to fill.
const OURS: &str = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'weighbridge')
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
     AND d.deptype = 'e')";

async fn columns(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    query(format!(
        "SELECT {NAME}, n.nspname::text, c.relname::text, a.attname::text, a.atttypid::int8, a.atttypmod,
                format_type(a.atttypid, a.atttypmod), a.attnotnull,
                CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
                a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%',
                a.attgenerated <> '', c.relkind = 'p'
         FROM pg_attribute a
         JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition AND a.attnum > 0
         AND NOT a.attisdropped
           AND {OURS}
         ORDER BY n.nspname, c.relname, a.attnum"
    ))
    .fetch_all(connection)
    .await
}

async fn references(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    let parent = NAME.replace("n.", "pn.").replace("c.", "pc.");
    let names = |relation: &str, keys: &str| {
        format!(
            "ARRAY(SELECT a.attname::text FROM unnest(k.{keys}) WITH ORDINALITY u(n, o)
                   JOIN pg_attribute a ON a.attrelid = k.{relation} AND a.attnum = u.n ORDER BY u.o)"
        )
    };
    let (own, target) = (names("conrelid", "conkey"), names("confrelid", "confkey"));
    query(format!(
        "SELECT {NAME}, k.conname::text, {own}, {parent}, {target}
         FROM pg_constraint k
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class pc ON pc.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = pc.relnamespace
         WHERE k.contype = 'f' AND k.conparentid = 0
         ORDER BY 1, 2"
    ))
    .fetch_all(connection)
    .await
}

/// Columns and expressions of an index's key, in order.
const KEY: &str = "
    ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(n, o)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.o),
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, k.o::int, true)
          FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(n, o) WHERE k.n = 0 ORDER BY k.o)";

async fn uniques(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    // PostgreSQL 14 does not know NULLS NOT DISTINCT.
    query(format!(
        "SELECT {NAME}, ic.relname::text, {KEY}, pg_get_expr(i.indpred, i.indrelid), i.indisprimary,
                coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false)
         FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisunique AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OURS}
         ORDER BY 1, i.indisprimary DESC, 2"
    ))
    .fetch_all(connection)
    .await
}

async fn indexes(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    query(format!(
        "SELECT {NAME}, ic.relname::text, {KEY}, pg_get_expr(i.indpred, i.indrelid), i.indisunique
         FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisvalid AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OURS}
         ORDER BY 1, 2"
    ))
    .fetch_all(connection)
    .await
}

/// CHECKs, EXCLUDEs, and the bounds of leaf partitions (PostgreSQL source, `pg_get_partition_constraintdef`).
async fn conditions(connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    query(format!(
        "SELECT {NAME}, k.contype::text, k.conname::text,
                CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid) ELSE pg_get_constraintdef(k.oid) END
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype IN ('c', 'x') AND NOT c.relispartition AND {OURS}
         UNION ALL
         SELECT {NAME}, 'p', leaf.relid::regclass::text,
                CASE WHEN pg_get_expr(lc.relpartbound, lc.oid) <> 'DEFAULT' THEN
                pg_get_partition_constraintdef(leaf.relid) END
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL pg_partition_tree(c.oid) leaf JOIN pg_class lc ON lc.oid = leaf.relid
         WHERE c.relkind = 'p' AND NOT c.relispartition AND leaf.isleaf AND leaf.relid <> c.oid AND {OURS}
         UNION ALL
         SELECT {NAME}, 'd', leaf.relid::regclass::text, pg_get_partition_constraintdef(leaf.relid)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL pg_partition_tree(c.oid) leaf JOIN pg_class lc ON lc.oid = leaf.relid
         WHERE c.relkind = 'p' AND NOT c.relispartition AND leaf.isleaf AND leaf.relid <> c.oid
               AND pg_get_expr(lc.relpartbound, lc.oid) = 'DEFAULT' AND {OURS}
         UNION ALL
         SELECT {NAME}, 'i', i.indexrelid::regclass::text, pg_get_expr(i.indexprs, i.indrelid)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indexprs IS NOT NULL AND NOT c.relispartition AND {OURS}
         ORDER BY 1, 2, 3"
    ))
    .fetch_all(connection)
    .await
}

fn add_column(catalog: &mut Catalog, types: &Types, row: &PgRow) -> Result<(), sqlx::Error> {
    let key: String = row.try_get(0)?;
    let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let partitioned = row.try_get(11)?;
    let table = catalog.tables.entry(key).or_insert_with(|| Table { schema, name, partitioned, ..Table::default() });
    let kind = types.resolve(row.try_get::<i64, _>(4)? as u32, row.try_get(5)?, row.try_get(6)?);
    table.columns.push(Column {
        name: row.try_get(3)?,
        required: row.try_get::<bool, _>(7)? || kind.required,
        kind,
        default: row.try_get(8)?,
        counted: row.try_get(9)?,
        generated: row.try_get(10)?,
    });
    Ok(())
}
