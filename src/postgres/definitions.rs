//! A schema as lines that can be compared: columns, indexes, constraints, views, triggers, functions, types, policies,
//! rules, options, storage, comments, privileges. Must leave out rows, sizes and OIDs.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::sql_text::query;

/// Every definition in the connected database but the server's and this program's own, sorted.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn definitions(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let rows = query(
        "WITH own AS (SELECT oid, nspname FROM pg_namespace
                      WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'weighbridge')),
              relations AS (SELECT c.oid, c.relkind, format('%I.%I', own.nspname, c.relname) AS name
                            FROM pg_class c JOIN own ON own.oid = c.relnamespace)
         SELECT format('schema %I %s', own.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner))) FROM own
         JOIN pg_namespace n ON n.oid = own.oid
         UNION ALL
         SELECT format('%s %s', CASE relkind WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'relation' END, name)
         FROM relations WHERE relkind NOT IN ('i', 'I', 't')
         UNION ALL
         SELECT format('column %s.%I %s%s%s%s%s%s', r.name, a.attname, format_type(a.atttypid, a.atttypmod),
                       CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
                       CASE a.attidentity::text WHEN '' THEN '' ELSE ' IDENTITY ' || a.attidentity::text END,
                       CASE a.attgenerated::text WHEN '' THEN '' ELSE ' GENERATED ' || a.attgenerated::text END,
                       coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''),
                       concat(' STORAGE ' || a.attstorage::text, ' STATISTICS ' || nullif(a.attstattarget::int, -1),
                              ' COMPRESSION ' || nullif(a.attcompression::text, ''), ' ' || a.attoptions::text,
                              ' ' || nullif(a.attacl::text, '{}')))
         FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'v', 'm', 'c', 'f')
              LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attnum > 0 AND NOT a.attisdropped
         UNION ALL
         SELECT pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
                || CASE WHEN i.indisclustered THEN ' CLUSTERED' ELSE '' END || CASE
                WHEN i.indisreplident THEN ' REPLICA IDENTITY' ELSE '' END
         FROM pg_index i JOIN relations r ON r.oid = i.indexrelid
         UNION ALL
         SELECT format('constraint %I on %s %s', k.conname, r.name, pg_get_constraintdef(k.oid))
         FROM pg_constraint k JOIN relations r ON r.oid = k.conrelid
         UNION ALL
         SELECT format('view %s %s', name, pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm')
         UNION ALL
         SELECT pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM pg_trigger t JOIN relations r
         ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
         UNION ALL
         SELECT format('trigger of %I on %s: %s %s', k.conname, r.name, t.tgfoid::regproc, t.tgenabled)
         FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid JOIN pg_constraint k ON k.oid = t.tgconstraint
         WHERE t.tgisinternal
         UNION ALL
         SELECT format('rule %s %s', pg_get_ruledef(w.oid), w.ev_enabled) FROM pg_rewrite w JOIN relations r
         ON r.oid = w.ev_class
         WHERE w.rulename <> '_RETURN'
         UNION ALL
         SELECT format('routine %s %s', pg_get_functiondef(p.oid), coalesce(p.proacl, acldefault('f', p.proowner)))
         FROM pg_proc p JOIN own ON own.oid = p.pronamespace WHERE p.prokind IN ('f', 'p')
         UNION ALL
         SELECT format('comment on %s: %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
         FROM pg_description d
         WHERE d.objoid >= 16384
         UNION ALL
         SELECT format('privileges on %s: %s', r.name, coalesce(c.relacl, CASE c.relkind
         WHEN 'S' THEN acldefault('s', c.relowner) ELSE acldefault('r', c.relowner) END)) FROM relations r
         JOIN pg_class c ON c.oid = r.oid
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
         UNION ALL
         SELECT format('options of %s: %s', r.name, c.reloptions) FROM relations r JOIN pg_class c ON c.oid = r.oid
         WHERE c.reloptions IS NOT NULL
         UNION ALL
         SELECT format('storage of %s: %s %s %s %s %s', r.name, c.relpersistence, c.relreplident, c.reltablespace,
                       pg_get_expr(c.relpartbound, c.oid), (SELECT amname FROM pg_am WHERE pg_am.oid = c.relam))
         FROM relations r JOIN pg_class c ON c.oid = r.oid
         UNION ALL
         SELECT format('%s belongs to %s', r.name, i.inhparent::regclass) FROM pg_inherits i JOIN relations r
         ON r.oid = i.inhrelid
         UNION ALL
         SELECT format('column %s of %s STATISTICS %s', a.attnum, r.name, a.attstattarget)
         FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid AND r.relkind IN ('i', 'I')
         WHERE 0 <= a.attstattarget
         UNION ALL
         SELECT format('sequence %s: %s', r.name, to_jsonb(s) - 'seqrelid') FROM relations r JOIN pg_sequence s
         ON s.seqrelid = r.oid
         UNION ALL
         SELECT format('type %I.%I %s %s %s%s%s', own.nspname, t.typname, t.typtype, format_type(t.typbasetype,
         t.typtypmod),
                       t.typnotnull, coalesce(' DEFAULT ' || t.typdefault, ''), ' ' || coalesce(t.typacl,
                       acldefault('T', t.typowner))::text)
         FROM pg_type t JOIN own ON own.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r')
         UNION ALL
         SELECT format('constraint %I on domain %s %s', k.conname, k.contypid::regtype, pg_get_constraintdef(k.oid))
         FROM pg_constraint k JOIN own ON own.oid = k.connamespace WHERE k.contypid <> 0
         UNION ALL
         SELECT format('aggregate %s', p.oid::regprocedure) FROM pg_proc p JOIN own ON own.oid = p.pronamespace
         WHERE p.prokind = 'a'
         UNION ALL
         SELECT format('enum %I.%I: %s', own.nspname, t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder))
         FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN own ON own.oid = t.typnamespace
         GROUP BY own.nspname, t.typname
         UNION ALL
         SELECT format('row security of %s: %s %s', r.name, c.relrowsecurity, c.relforcerowsecurity)
         FROM relations r JOIN pg_class c ON c.oid = r.oid WHERE c.relrowsecurity OR c.relforcerowsecurity
         UNION ALL
         SELECT format('policy %I on %s for %s using %s with check %s%s to %s', p.polname, r.name, p.polcmd,
                       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
                       CASE WHEN p.polpermissive THEN '' ELSE ' RESTRICTIVE' END,
                       (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', '
                       ORDER BY role) FROM unnest(p.polroles) role))
         FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
         UNION ALL
         SELECT format('extension %I', extname) FROM pg_extension
         UNION ALL
         SELECT concat(pg_get_statisticsobjdef(s.oid), ' STATISTICS ' || nullif(s.stxstattarget::int, -1))
         FROM pg_statistic_ext s JOIN own ON own.oid = s.stxnamespace
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| Error::doing("read the definitions of the schema", e))?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}
