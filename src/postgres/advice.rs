//! What a catalog says about its indexes without any load: which stand twice, which are missing, which are broken. Must
//! only read.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::Error;
use super::sql_text::query;

/// What is wrong with indexes, by schema-qualified name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// Indexes that another one could stand in for, with that one.
    pub redundant: Vec<(String, String)>,
    /// Foreign keys as `table (columns)` with the indexes that lead to them. Of a partitioned table every partition's
    /// copy of the key stands for itself; without an index a DELETE of the parent reads the whole child.
    pub keys: Vec<(String, Vec<String>)>,
    /// Indexes a failed build left behind, and those of partitioned tables that lack a part: they cost every write
    /// and serve no query.
    pub invalid: Vec<String>,
    /// Indexes of partitioned tables.
    pub partitioned: BTreeMap<String, Partitioned>,
    /// What each index is made of, by schema-qualified name: whatever its columns are called.
    pub structures: BTreeMap<String, String>,
}

/// The index of a partitioned table. It has no pages of its own: those of its parts hold the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitioned {
    /// Its table, by schema-qualified name.
    pub table: String,
    /// `CREATE INDEX …` as the server prints it.
    pub definition: String,
    /// Partitions without a valid attached index: the partition and, where one is attached that is invalid, that index.
    pub missing: Vec<(String, Option<String>)>,
}

impl Advice {
    /// Foreign keys that no index leads to, in every partition.
    #[must_use]
    pub fn unindexed(&self) -> Vec<String> {
        let found: BTreeSet<&String> =
            self.keys.iter().filter(|(_, indexes)| indexes.is_empty()).map(|(key, _)| key).collect();
        found.into_iter().cloned().collect()
    }
}

/// An index stands in for another when it begins with the other's key columns, with the same operator classes,
/// collations and directions, expressions and predicate, and holds the columns the other includes; of other methods
/// than btree also with the same options, by which they find what they find. What enforces or serves something else is
/// never called redundant, and of twins only the younger.
const REDUNDANT: &str = "
    WITH of AS (
      SELECT i.indexrelid AS id, n.nspname || '.' || c.relname AS name, i.indrelid AS rel, a.amname AS method,
      i.indisunique AS is_unique, i.indimmediate AS is_immediate,
             to_jsonb(i) ->> 'indnullsnotdistinct' AS nulls, i.indnkeyatts AS width,
             (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys, (i.indkey::int2[])[i.indnkeyatts:i.indnatts - 1] AS
             included,
             (i.indclass::oid[])[0:i.indnkeyatts - 1] AS classes, (i.indcollation::oid[])[0:i.indnkeyatts - 1] AS
             collations,
             (i.indoption::int2[])[0:i.indnkeyatts - 1] AS directions,
             concat_ws(' ', array_to_string(c.reloptions, ','), (SELECT string_agg(coalesce(t.attoptions::text, ''),
             ',' ORDER BY t.attnum)
                                                                 FROM pg_attribute t WHERE t.attrelid = i.indexrelid
                                                                 AND t.attnum <= i.indnkeyatts)) AS options,
             coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions, coalesce(pg_get_expr(i.indpred,
             i.indrelid), '') AS predicate,
             i.indisreplident OR i.indisclustered OR i.indisexclusion
               OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS serves
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
           JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE i.indisvalid AND i.indisready AND i.indislive AND NOT c.relispartition AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema')
    SELECT x.name, y.name
    FROM of x JOIN of y ON y.rel = x.rel AND y.id <> x.id AND y.method = x.method
    WHERE NOT x.serves AND (NOT x.is_unique OR y.is_unique AND y.width = x.width AND y.is_immediate
    AND x.nulls IS NOT DISTINCT FROM y.nulls)
      AND (x.width = y.width AND (x.method = 'btree' OR x.options = y.options) OR x.method = 'btree'
      AND x.width < y.width)
      AND x.keys = y.keys[1:x.width] AND x.classes = y.classes[1:x.width]
      AND x.collations = y.collations[1:x.width] AND x.directions = y.directions[1:x.width]
      AND x.expressions = y.expressions AND x.predicate = y.predicate
      AND coalesce(x.included, '{}') <@ (y.keys || coalesce(y.included, '{}'))
      AND NOT (x.width = y.width AND NOT y.serves AND x.is_unique = y.is_unique AND x.id < y.id
               AND coalesce(y.included, '{}') <@ coalesce(x.included, '{}'))
    ORDER BY 1, 2";

/// Any order of the columns will do: a lookup names all of them. It finds no row in which one is NULL, so an index
/// without those serves it.
const KEYS: &str = "
    WITH RECURSIVE copies (root, id) AS (
      SELECT oid, oid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
      UNION ALL
      SELECT u.root, k.oid FROM copies u JOIN pg_constraint k ON k.conparentid = u.id AND k.contype = 'f')
    SELECT DISTINCT r.conrelid::regclass::text || ' (' || (SELECT string_agg(quote_ident(a.attname), ', '
    ORDER BY c.place)
             FROM unnest(r.conkey) WITH ORDINALITY c(number, place)
                  JOIN pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = c.number) || ')',
      coalesce((SELECT array_agg(DISTINCT n.nspname || '.' || w.relname)
       FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
            JOIN pg_class w ON w.oid = coalesce(pg_partition_root(i.indexrelid), i.indexrelid) JOIN pg_namespace n
            ON n.oid = w.relnamespace
       WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indisready AND i.indislive
         AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
                SELECT format('(%I IS NOT NULL)', t.attname) FROM pg_attribute t WHERE t.attrelid = k.conrelid
                AND t.attnum = ANY (k.conkey)))
         AND (a.amname = 'btree' OR a.amname = 'hash' AND cardinality(k.conkey) = 1)
         AND cardinality(k.conkey) <= i.indnkeyatts AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey),
         '{}')
    FROM copies u JOIN pg_constraint k ON k.oid = u.id JOIN pg_constraint r ON r.oid = u.root JOIN pg_class t
    ON t.oid = k.conrelid
    WHERE t.relkind = 'r'
    ORDER BY 1, 2";

const INVALID: &str = "
    SELECT n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n
    ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid ORDER BY 1";

const PARTITIONED: &str = "
    SELECT n.nspname || '.' || c.relname, m.nspname || '.' || t.relname, pg_get_indexdef(c.oid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace m ON m.oid = t.relnamespace
    WHERE c.relkind = 'I' AND NOT c.relispartition";

/// Down the partitions and the indexes attached to them, as far as they go together. Foreign tables have no indexes.
const MISSING: &str = "
    WITH RECURSIVE parts (root, index, rel) AS (
      SELECT i.indexrelid, i.indexrelid, i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE c.relkind = 'I' AND NOT c.relispartition
      UNION ALL
      SELECT p.root, (SELECT i.indexrelid FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid
                      WHERE h.inhparent = p.index AND i.indrelid = t.inhrelid), t.inhrelid
      FROM parts p JOIN pg_inherits t ON t.inhparent = p.rel
      WHERE p.index IS NOT NULL)
    SELECT n.nspname || '.' || c.relname, m.nspname || '.' || t.relname, o.nspname || '.' || x.relname
    FROM parts p JOIN pg_class c ON c.oid = p.root JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class t ON t.oid = p.rel JOIN pg_namespace m ON m.oid = t.relnamespace
         LEFT JOIN pg_index i ON i.indexrelid = p.index LEFT JOIN pg_class x ON x.oid = p.index
         LEFT JOIN pg_namespace o ON o.oid = x.relnamespace
    WHERE p.index IS NULL AND t.relkind <> 'f' OR x.relkind = 'i' AND NOT i.indisvalid
    ORDER BY 1, 2";

/// Method, columns by number, operator classes and collations by name, directions, expressions, predicate and options.
/// A table that is only renamed changes none of it, a column no more than the expressions and predicates that name it.
const STRUCTURES: &str = "
    SELECT n.nspname || '.' || c.relname,
           concat_ws(' ', a.amname, CASE WHEN i.indisunique THEN 'unique' END, i.indkey::text || '/' || i.indnkeyatts,
             (SELECT string_agg(o.opcname::text, ',' ORDER BY u.place)
             FROM unnest(i.indclass::oid[]) WITH ORDINALITY u(class, place)
                JOIN pg_opclass o ON o.oid = u.class),
             (SELECT string_agg(coalesce(l.collname::text, '-'), ',' ORDER BY u.place)
                FROM unnest(i.indcollation::oid[]) WITH ORDINALITY u(id, place) LEFT JOIN pg_collation l
                ON l.oid = u.id),
             i.indoption::text, pg_get_expr(i.indexprs, i.indrelid), 'where ' || pg_get_expr(i.indpred, i.indrelid),
             'with ' || array_to_string(c.reloptions, ','))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n
    ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Reads the catalog.
///
/// # Errors
/// When it cannot be read.
pub async fn advice(connection: &mut PgConnection) -> Result<Advice, Error> {
    Ok(Advice {
        redundant: rows(connection, REDUNDANT, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?,
        keys: rows(connection, KEYS, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?,
        invalid: rows(connection, INVALID, |row| row.try_get(0)).await?,
        partitioned: partitioned(connection).await?,
        structures: rows(connection, STRUCTURES, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?,
    })
}

async fn partitioned(connection: &mut PgConnection) -> Result<BTreeMap<String, Partitioned>, Error> {
    let mut found: BTreeMap<String, Partitioned> = rows(connection, PARTITIONED, |row| {
        let (table, definition) = (row.try_get(1)?, row.try_get(2)?);
        Ok((row.try_get(0)?, Partitioned { table, definition, missing: Vec::new() }))
    })
    .await?;
    let missing: Vec<(String, String, Option<String>)> =
        rows(connection, MISSING, |row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).await?;
    for (index, partition, invalid) in missing {
        found.entry(index).or_default().missing.push((partition, invalid));
    }
    Ok(found)
}

async fn rows<T, C: FromIterator<T>>(
    connection: &mut PgConnection,
    sql: &'static str,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<C, Error> {
    let doing = |e| Error::doing("read the indexes", e);
    let rows = query(sql).fetch_all(connection).await.map_err(doing)?;
    rows.iter().map(read).collect::<Result<C, _>>().map_err(doing)
}
