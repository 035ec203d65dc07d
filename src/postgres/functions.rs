//! Routines of the user's own and where the server runs them without a word in the statement: checks, triggers,
//! generated columns, domains, policies, indexes. Must leave out what is written in C or built in: a count of blocks
//! misses little of it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::Error;
use super::sql_text::query;

/// What a database's catalog says of its routines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routines {
    /// By name with the types of the arguments, such as `public.slow_ok(numeric)`.
    pub routines: BTreeMap<String, Routine>,
    /// Where they run for a table.
    pub places: BTreeSet<Place>,
    /// Operators that one of them stands behind, with it.
    pub operators: BTreeSet<(String, String)>,
}

/// A routine in SQL, PL/pgSQL or another language of procedures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routine {
    /// Its name alone.
    pub name: String,
    /// A digest of its definition.
    pub digest: String,
    /// Its body, as far as it is a text.
    pub body: String,
    /// Routines that its definition depends on, as the catalog knows them.
    pub needs: BTreeSet<String>,
}

/// Where a routine runs for a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The table, schema-qualified and without quotes.
    pub table: String,
    /// What is done to the table when it runs: some of `r` (read), `i`, `u`, `d`.
    pub events: String,
    /// Such as `CHECK`.
    pub kind: String,
    /// The name of that, such as the constraint's.
    pub name: String,
    /// The routine.
    pub routine: String,
}

/// Everything that depends on a routine and belongs to a table; what such a thing depends on is followed through
/// operators and routines.
const PLACES: &str = "
WITH RECURSIVE types(relid, column_name, type) AS (
    SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
    UNION
    SELECT t.relid, t.column_name, inner_type.type FROM types t JOIN pg_type p ON p.oid = t.type
    CROSS JOIN LATERAL (
        SELECT p.typbasetype AS type UNION SELECT p.typelem
        UNION SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = p.typrelid AND p.typrelid <> 0
        AND a.attnum > 0 AND NOT a.attisdropped
    ) inner_type WHERE inner_type.type >= 16384
), things(relid, events, kind, name, classid, objid) AS (
    SELECT k.conrelid, 'iu', 'CHECK', k.conname::text, 'pg_constraint'::regclass::oid, k.oid
    FROM pg_constraint k WHERE k.contype IN ('c', 'x') AND k.conrelid <> 0
    UNION SELECT t.relid, 'iu', 'domain', k.contypid::regtype::text, 'pg_constraint'::regclass::oid, k.oid
    FROM types t JOIN pg_constraint k ON k.contypid = t.type
    UNION SELECT d.adrelid, CASE a.attgenerated::text WHEN 's' THEN 'iu' WHEN 'v' THEN 'r' ELSE 'i' END,
                 CASE a.attgenerated::text WHEN '' THEN 'default' ELSE 'generated column' END, a.attname::text,
                 'pg_attrdef'::regclass::oid, d.oid
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION SELECT t.tgrelid, concat(CASE WHEN t.tgtype & 4 <> 0 THEN 'i' END, CASE
    WHEN t.tgtype & 16 <> 0 THEN 'u' END, CASE WHEN t.tgtype & 8 <> 0 THEN 'd' END),
                 'trigger', t.tgname::text, 'pg_trigger'::regclass::oid, t.oid
    FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION SELECT p.polrelid, CASE p.polcmd::text WHEN 'r' THEN 'r' WHEN 'a' THEN 'i' WHEN 'w' THEN 'u'
    WHEN 'd' THEN 'd' ELSE 'riud' END,
                 'policy', p.polname::text, 'pg_policy'::regclass::oid, p.oid
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
    UNION SELECT i.indrelid, 'iu', 'index', c.relname::text, 'pg_class'::regclass::oid, i.indexrelid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    UNION SELECT c.oid, 'i', 'partition key', c.relname::text, 'pg_class'::regclass::oid, c.oid FROM pg_class c
    WHERE c.relkind = 'p'
), needs(relid, events, kind, name, classid, objid) AS (
    SELECT * FROM things
    UNION
    SELECT n.relid, n.events, n.kind, n.name, d.refclassid, d.refobjid
    FROM needs n JOIN pg_depend d ON d.classid = n.classid AND d.objid = n.objid
    WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND d.refobjid >= 16384
)
SELECT DISTINCT concat(s.nspname, '.', c.relname), n.events, n.kind, n.name,
       format('%I.%I(%s)', ps.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM needs n JOIN pg_proc p ON n.classid = 'pg_proc'::regclass AND p.oid = n.objid JOIN pg_language l
ON l.oid = p.prolang
     JOIN pg_namespace ps ON ps.oid = p.pronamespace JOIN pg_class c ON c.oid = n.relid JOIN pg_namespace s
     ON s.oid = c.relnamespace
WHERE l.lanname NOT IN ('internal', 'c') AND s.nspname !~ '^pg_' AND s.nspname <> 'information_schema'";

const ROUTINES: &str = "
SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proname::text,
       md5(pg_get_functiondef(p.oid)), p.prosrc,
       ARRAY(SELECT format('%I.%I(%s)', nn.nspname, pp.proname, pg_get_function_identity_arguments(pp.oid))
             FROM pg_depend d JOIN pg_proc pp ON pp.oid = d.refobjid JOIN pg_namespace nn ON nn.oid = pp.pronamespace
             WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
             AND pp.oid <> p.oid
               AND d.refobjid >= 16384)
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE l.lanname NOT IN ('internal', 'c') AND p.prokind IN ('f', 'p', 'w') AND n.nspname !~ '^pg_'
AND n.nspname NOT IN ('information_schema', 'weighbridge')";

const OPERATORS: &str = "
SELECT DISTINCT o.oprname::text, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n
ON n.oid = p.pronamespace
WHERE l.lanname NOT IN ('internal', 'c') AND o.oid >= 16384";

/// Reads the routines of the connected database and where they run.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn routines(connection: &mut PgConnection) -> Result<Routines, Error> {
    let doing = |e| Error::doing("read the functions of the schema", e);
    let mut found = Routines::default();
    let text = |row: &PgRow, at: usize| row.try_get::<String, _>(at);
    for row in query(ROUTINES).fetch_all(&mut *connection).await.map_err(doing)? {
        let needs: Vec<String> = row.try_get(4).map_err(doing)?;
        let (name, digest, body) = (text(&row, 1), text(&row, 2), text(&row, 3));
        let (name, digest, body) = (name.map_err(doing)?, digest.map_err(doing)?, body.map_err(doing)?);
        let routine = Routine { name, digest, body, needs: needs.into_iter().collect() };
        found.routines.insert(text(&row, 0).map_err(doing)?, routine);
    }
    if found.routines.is_empty() {
        return Ok(found);
    }
    for row in query(PLACES).fetch_all(&mut *connection).await.map_err(doing)? {
        let text = |at: usize| text(&row, at).map_err(doing);
        found.places.insert(Place {
            table: text(0)?,
            events: text(1)?,
            kind: text(2)?,
            name: text(3)?,
            routine: text(4)?,
        });
    }
    for row in query(OPERATORS).fetch_all(connection).await.map_err(doing)? {
        found.operators.insert((text(&row, 0).map_err(doing)?, text(&row, 1).map_err(doing)?));
    }
    Ok(found)
}

impl Routines {
    /// Routines that a text of SQL calls by name, or by an operator.
    #[must_use]
    pub fn called_in(&self, text: &str) -> BTreeSet<String> {
        let by_name =
            self.routines.iter().filter(|(_, routine)| calls(text, &routine.name)).map(|(key, _)| key.clone());
        let by_operator = self.operators.iter().filter(|(operator, _)| text.contains(&format!(" {operator} ")));
        by_name.chain(by_operator.map(|(_, routine)| routine.clone())).collect()
    }

    /// These routines and all that they call.
    #[must_use]
    pub fn with_all_they_call(&self, routines: BTreeSet<String>) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut next: Vec<String> = routines.into_iter().collect();
        while let Some(key) = next.pop() {
            let Some(routine) = self.routines.get(&key) else { continue };
            if all.insert(key) {
                next.extend(self.called_in(&routine.body));
                next.extend(routine.needs.iter().cloned());
            }
        }
        all
    }
}

/// Whether a text holds a call of a function of this name: the name, quoted or not, and a bracket behind it.
fn calls(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let calls = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            after.trim_start().starts_with('(') && !before.chars().next_back().is_some_and(is_word)
        })
    };
    calls(name) || calls(&format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_whole_name_and_a_bracket() {
        assert!(calls("(slow_ok(amount))", "slow_ok") && calls("public.slow_ok (1)", "slow_ok"));
        assert!(calls("\"Slow\"(1)", "Slow"));
        assert!(!calls("very_slow_ok(1)", "slow_ok") && !calls("slow_ok + 1", "slow_ok"));
    }

    #[test]
    fn what_a_body_calls_is_called_too() {
        let routine = |body: &str| Routine { name: "f".to_owned(), body: body.to_owned(), ..Routine::default() };
        let mut found = Routines::default();
        found.routines.insert("a()".to_owned(), Routine { name: "a".to_owned(), ..routine("RETURN b(1) === 2") });
        found.routines.insert("b(int)".to_owned(), Routine { name: "b".to_owned(), ..routine("RETURN a()") });
        found.routines.insert("c(int,int)".to_owned(), Routine { name: "c".to_owned(), ..routine("") });
        found.operators.insert(("===".to_owned(), "c(int,int)".to_owned()));
        let all = found.with_all_they_call(["a()".to_owned()].into());
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["a()", "b(int)", "c(int,int)"]);
    }
}
