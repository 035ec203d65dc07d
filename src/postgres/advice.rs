//! What a catalog says about its indexes without any load: which stand twice, which are missing, which are broken. Must only read.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::sql_text::query;

/// What is wrong with indexes, by schema-qualified name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// Indexes that another one could stand in for, with that one.
    pub redundant: Vec<(String, String)>,
    /// Foreign keys no index leads to, as `table (columns)`: a DELETE of the parent reads the whole child.
    pub unindexed: Vec<String>,
    /// Indexes a failed build left behind: they cost every write and serve no query.
    pub invalid: Vec<String>,
    /// What each index is made of, by schema-qualified name: whatever its columns are called.
    pub structures: BTreeMap<String, String>,
}

/// An index stands in for another when it begins with the other's key columns, with the same operator classes, collations and
/// directions, expressions and predicate, and holds the columns the other includes; of other methods than btree also with the same
/// options, by which they find what they find. What enforces or serves something else is
/// never called redundant, and of twins only the younger.
const REDUNDANT: &str = "
    WITH of AS (
      SELECT i.indexrelid AS id, i.indrelid AS rel, a.amname AS method, i.indisunique AS is_unique, i.indimmediate AS is_immediate,
             to_jsonb(i) ->> 'indnullsnotdistinct' AS nulls, i.indnkeyatts AS width,
             (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys, (i.indkey::int2[])[i.indnkeyatts:i.indnatts - 1] AS included,
             (i.indclass::oid[])[0:i.indnkeyatts - 1] AS classes, (i.indcollation::oid[])[0:i.indnkeyatts - 1] AS collations,
             (i.indoption::int2[])[0:i.indnkeyatts - 1] AS directions,
             concat_ws(' ', array_to_string(c.reloptions, ','), (SELECT string_agg(coalesce(t.attoptions::text, ''), ',' ORDER BY t.attnum)
                                                                 FROM pg_attribute t WHERE t.attrelid = i.indexrelid AND t.attnum <= i.indnkeyatts)) AS options,
             coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions, coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
             i.indisreplident OR i.indisclustered OR i.indisexclusion
               OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS serves
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
           JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE i.indisvalid AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
    SELECT x.id::regclass::text, y.id::regclass::text
    FROM of x JOIN of y ON y.rel = x.rel AND y.id <> x.id AND y.method = x.method
    WHERE NOT x.serves AND (NOT x.is_unique OR y.is_unique AND y.width = x.width AND y.is_immediate AND x.nulls IS NOT DISTINCT FROM y.nulls)
      AND (x.width = y.width AND (x.method = 'btree' OR x.options = y.options) OR x.method = 'btree' AND x.width < y.width)
      AND x.keys = y.keys[1:x.width] AND x.classes = y.classes[1:x.width]
      AND x.collations = y.collations[1:x.width] AND x.directions = y.directions[1:x.width]
      AND x.expressions = y.expressions AND x.predicate = y.predicate
      AND coalesce(x.included, '{}') <@ (y.keys || coalesce(y.included, '{}'))
      AND NOT (x.width = y.width AND NOT y.serves AND x.is_unique = y.is_unique AND x.id < y.id
               AND coalesce(y.included, '{}') <@ coalesce(x.included, '{}'))
    ORDER BY 1, 2";

/// Any order of the columns will do: a lookup names all of them. It finds no row in which one is NULL, so an index without those serves it.
const UNINDEXED: &str = "
    SELECT k.conrelid::regclass::text || ' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY c.place)
             FROM unnest(k.conkey) WITH ORDINALITY c(number, place)
                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number) || ')'
    FROM pg_constraint k
    WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (
      SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
      WHERE i.indrelid = k.conrelid AND i.indisvalid
        AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
               SELECT format('(%I IS NOT NULL)', t.attname) FROM pg_attribute t WHERE t.attrelid = k.conrelid AND t.attnum = ANY (k.conkey)))
        AND (a.amname = 'btree' OR a.amname = 'hash' AND cardinality(k.conkey) = 1)
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
    ORDER BY 1";

const INVALID: &str = "
    SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1";

/// Method, columns by number, operator classes and collations by name, directions, expressions, predicate and options. A table that is only
/// renamed changes none of it, a column no more than the expressions and predicates that name it.
const STRUCTURES: &str = "
    SELECT n.nspname || '.' || c.relname,
           concat_ws(' ', a.amname, CASE WHEN i.indisunique THEN 'unique' END, i.indkey::text || '/' || i.indnkeyatts,
             (SELECT string_agg(o.opcname::text, ',' ORDER BY u.place) FROM unnest(i.indclass::oid[]) WITH ORDINALITY u(class, place)
                JOIN pg_opclass o ON o.oid = u.class),
             (SELECT string_agg(coalesce(l.collname::text, '-'), ',' ORDER BY u.place)
                FROM unnest(i.indcollation::oid[]) WITH ORDINALITY u(id, place) LEFT JOIN pg_collation l ON l.oid = u.id),
             i.indoption::text, pg_get_expr(i.indexprs, i.indrelid), 'where ' || pg_get_expr(i.indpred, i.indrelid),
             'with ' || array_to_string(c.reloptions, ','))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Reads the catalog.
///
/// # Errors
/// When it cannot be read.
pub async fn advice(connection: &mut PgConnection) -> Result<Advice, Error> {
    let doing = |e| Error::doing("read the indexes", e);
    let mut names = Vec::new();
    for sql in [UNINDEXED, INVALID] {
        let rows = query(sql).fetch_all(&mut *connection).await.map_err(doing)?;
        let list: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        names.push(list.map_err(doing)?);
    }
    let rows = query(REDUNDANT).fetch_all(&mut *connection).await.map_err(doing)?;
    let redundant: Result<Vec<(String, String)>, _> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
    let rows = query(STRUCTURES).fetch_all(&mut *connection).await.map_err(doing)?;
    let structures: Result<BTreeMap<String, String>, _> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
    let invalid = names.pop().unwrap_or_default();
    let unindexed = names.pop().unwrap_or_default();
    Ok(Advice { redundant: redundant.map_err(doing)?, unindexed, invalid, structures: structures.map_err(doing)? })
}
