//! Every object of a schema as text, and how two schemas differ. Must leave out what belongs to migration tools and
//! to this program.
//!
//! Catalogs: PostgreSQL 14 to 18. Columns that newer versions add are read through `to_jsonb`.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::evidence::round_trip::Difference;
use crate::postgres::Error;
use crate::postgres::sql_text::query;

/// Objects by kind and name, each with its definition.
pub(super) type Fingerprint = BTreeMap<(String, String), String>;

const SQL: &str = "
WITH ns AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema',
'weighbridge')),
ext AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
rel AS (SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name FROM pg_class c JOIN ns n ON n.oid =
c.relnamespace
        WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)),
acl AS (SELECT oid, (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(relacl) x) AS text FROM rel)
SELECT 'table', r.full_name, concat_ws(' ', r.relkind::text, r.relpersistence::text, array_to_string(r.reloptions, ','),
         'rls=' || r.relrowsecurity || '/' || r.relforcerowsecurity, 'identity=' || r.relreplident::text,
         CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END, CASE WHEN r.relispartition THEN
         pg_get_expr(r.relpartbound, r.oid) END,
         'grants=' || coalesce(acl.text, ''))
  FROM rel r JOIN acl USING (oid) WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'column', r.full_name || '.' || quote_ident(a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
CASE WHEN a.attnotnull THEN 'NOT NULL' END,
         'identity=' || a.attidentity::text, 'generated=' || a.attgenerated::text, 'default=' ||
         coalesce(pg_get_expr(d.adbin, d.adrelid), ''),
         'collation=' || a.attcollation::regcollation::text, 'storage=' || a.attstorage::text,
         'target=' || coalesce(nullif(to_jsonb(a) ->> 'attstattarget', '-1'), ''), 'grants=' ||
         coalesce(a.attacl::text, ''))
  FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum
  = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
UNION ALL
SELECT 'column-order', r.full_name, string_agg(a.attname, ',' ORDER BY a.attnum)
  FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN
  ('r', 'p') GROUP BY 2
UNION ALL
SELECT 'index', r.full_name, concat_ws(' ', pg_get_indexdef(i.indexrelid), array_to_string(r.reloptions, ','),
'valid=' || i.indisvalid,
         'clustered=' || i.indisclustered, 'identity=' || i.indisreplident)
  FROM pg_index i JOIN rel r ON r.oid = i.indexrelid
UNION ALL
SELECT 'constraint', format('%s.%I', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text),
k.conname),
         pg_get_constraintdef(k.oid) || ' validated=' || k.convalidated || coalesce(' enforced=' || (to_jsonb(k) ->>
         'conenforced'), '')
  FROM pg_constraint k JOIN ns n ON n.oid = k.connamespace WHERE k.contype <> 'n'
UNION ALL SELECT 'view', r.full_name, r.relkind::text || ' ' || pg_get_viewdef(r.oid) FROM rel r WHERE r.relkind IN
('v', 'm')
UNION ALL
SELECT 'trigger', format('%s.%I', t.tgrelid::regclass, t.tgname), pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
  FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
  FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
  WHERE p.prokind IN ('f', 'p') AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT 'sequence', format('%I.%I', s.schemaname, s.sequencename), concat_ws(' ', s.data_type, s.start_value,
s.min_value, s.max_value, s.increment_by, s.cycle)
  FROM pg_sequences s JOIN ns n ON n.nspname = s.schemaname
UNION ALL
SELECT 'enum', format('%I.%I', n.nspname, t.typname), string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
  FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN ns n ON n.oid = t.typnamespace GROUP BY 2
UNION ALL
SELECT 'domain', format('%I.%I', n.nspname, t.typname), concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
t.typnotnull, t.typdefault)
  FROM pg_type t JOIN ns n ON n.oid = t.typnamespace WHERE t.typtype = 'd'
UNION ALL
SELECT 'policy', format('%s.%I', p.polrelid::regclass, p.polname), concat_ws(' ', p.polcmd::text, p.polpermissive,
p.polroles::regrole[]::text,
         pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p
UNION ALL
SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s
JOIN ns n ON n.oid = s.stxnamespace
UNION ALL SELECT 'inheritance', i.inhrelid::regclass::text, i.inhparent::regclass::text FROM pg_inherits i JOIN rel
r ON r.oid = i.inhrelid
UNION ALL SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL SELECT 'schema', nspname, '' FROM ns
UNION ALL
SELECT 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  FROM pg_description d JOIN rel r ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid";

/// Tables of migration tools, which their tool writes itself.
const BOOKS: [&str; 11] = [
    "_sqlx_migrations",
    "schema_migrations",
    "goose_db_version",
    "flyway_schema_history",
    "_prisma_migrations",
    "__diesel_schema_migrations",
    "refinery_schema_history",
    "__drizzle_migrations",
    "pgmigrations",
    "databasechangelog",
    "ar_internal_metadata",
];

/// Reads every object.
///
/// # Errors
/// When the catalog cannot be read.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Fingerprint, Error> {
    let doing = |e| Error::doing("read the schema", e);
    let rows = query(SQL).fetch_all(connection).await.map_err(doing)?;
    let mut objects = Fingerprint::new();
    for row in &rows {
        let (kind, name): (String, String) = (row.try_get(0).map_err(doing)?, row.try_get(1).map_err(doing)?);
        let definition: Option<String> = row.try_get(2).map_err(doing)?;
        if !BOOKS.iter().any(|table| name.contains(table)) {
            // Two comments of one name are one text.
            objects.entry((kind, name)).or_default().push_str(&definition.unwrap_or_default());
        }
    }
    Ok(objects)
}

/// What differs, by kind and name. An index of a constraint is the constraint's.
pub(super) fn differences(before: &Fingerprint, after: &Fingerprint) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = keys.into_iter().filter(|key| before.get(key) != after.get(key));
    differing
        .map(|key| Difference {
            kind: key.0.clone(),
            name: key.1.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}
