//! Row-level security as it applies to the role that is connected. Must take nothing off for good: who lifts FORCE puts
//! it back.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};

use super::Error;
use super::sql_text::{query, trusted};

/// A table whose policies apply to the role that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secured {
    /// The table as SQL.
    pub table: String,
    /// Whether the role owns it, so that its policies apply by `FORCE ROW LEVEL SECURITY` alone.
    pub is_owned: bool,
}

impl Secured {
    /// The statement after which the policies no longer apply to the owner.
    #[must_use]
    pub fn lift(&self) -> String {
        format!("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", self.table)
    }

    /// The statement that makes them apply again.
    #[must_use]
    pub fn put_back(&self) -> String {
        format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", self.table)
    }
}

/// Tables outside system schemas whose policies apply to the role that is connected. Partitions are left out: they are
/// read and filled through the table they divide.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn secured(connection: &mut PgConnection) -> Result<Vec<Secured>, Error> {
    let doing = |e| Error::doing("look for row-level security", e);
    let rows = query(
        "SELECT format('\"%s\".\"%s\"', replace(n.nspname, '\"', '\"\"'), replace(c.relname, '\"', '\"\"')),
                pg_has_role(c.relowner, 'USAGE')
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND NOT c.relispartition AND row_security_active(c.oid)
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .map_err(doing)?;
    let secured = |row: &PgRow| Ok(Secured { table: row.try_get(0)?, is_owned: row.try_get(1)? });
    rows.iter().map(secured).collect::<Result<_, sqlx::Error>>().map_err(doing)
}

/// Lifts FORCE from the tables that this role owns, in a transaction that has begun; it is restored when that is rolled
/// back.
///
/// # Errors
/// When a table is in use for ten seconds, or the server refuses.
pub async fn lift(connection: &mut PgConnection, secured: &[Secured]) -> Result<(), Error> {
    for table in secured.iter().filter(|table| table.is_owned) {
        // The limit is this statement's: what follows may wait as it likes.
        let sql = format!("SET LOCAL lock_timeout = '10s'; {}; SET LOCAL lock_timeout = 0", table.lift());
        let lifted = connection.execute(sqlx::raw_sql(trusted(sql))).await;
        lifted
            .map_err(|e| Error::doing(format!("lift FORCE ROW LEVEL SECURITY from {} for the load", table.table), e))?;
    }
    Ok(())
}

/// Begins a transaction in which FORCE is lifted, where it applies: every row is seen until [`end_lifted`] undoes it.
/// Whether one was begun.
///
/// # Errors
/// When policies apply to a table that the role does not own, or the server refuses.
pub async fn begin_lifted(connection: &mut PgConnection) -> Result<bool, Error> {
    let secured = secured(connection).await?;
    refuse_others(connection, &secured).await?;
    if secured.is_empty() {
        return Ok(false);
    }
    connection.execute(sqlx::raw_sql("BEGIN")).await.map_err(|e| Error::doing("begin to read every row", e))?;
    match lift(connection, &secured).await {
        Ok(()) => Ok(true),
        Err(error) => {
            end_lifted(connection, true).await?;
            Err(error)
        }
    }
}

/// Ends what [`begin_lifted`] began, if it did.
///
/// # Errors
/// When the server is lost.
pub async fn end_lifted(connection: &mut PgConnection, begun: bool) -> Result<(), Error> {
    if !begun {
        return Ok(());
    }
    connection.execute(sqlx::raw_sql("ROLLBACK")).await.map(drop).map_err(|e| Error::doing("end reading every row", e))
}

/// Policies of a table that the role does not own cannot be lifted by it: rows would be hidden from it, and refused.
///
/// # Errors
/// With the tables, where there are any.
pub async fn refuse_others(connection: &mut PgConnection, secured: &[Secured]) -> Result<(), Error> {
    let others: Vec<&str> = secured.iter().filter(|table| !table.is_owned).map(|table| table.table.as_str()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let role: String = query("SELECT current_user::text")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("ask for the role", e))?;
    Err(Error::RowSecurity { role, tables: others.join(", ") })
}

/// Why policies do not apply to a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt {
    /// It is a superuser.
    Superuser,
    /// It has BYPASSRLS.
    BypassRls,
    /// It owns the table, which does not force them on its owner.
    Owner,
}

/// A table with row-level security, as it applies to the role that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePolicies {
    /// The table as SQL, bare in `public`.
    pub name: String,
    /// Its name and those of tables that inherit from it: its policies apply where they are read through it.
    pub relations: Vec<String>,
    /// Why its policies do not apply to the role; nothing where they do.
    pub exempt: Option<Exempt>,
    /// By name: kind, command, roles, expressions, and a checksum of each function they call.
    pub policies: BTreeMap<String, String>,
}

/// The role that is connected, and every table outside system schemas that has row-level security.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn policies(connection: &mut PgConnection) -> Result<(String, Vec<TablePolicies>), Error> {
    let doing = |e| Error::doing("read the policies of row-level security", e);
    let role: String = query("SELECT current_user::text")
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(doing)?;
    let rows = query(
        "SELECT c.oid::int8, CASE n.nspname WHEN 'public' THEN quote_ident(c.relname) ELSE format('%I.%I', n.nspname,
         c.relname) END,
                ARRAY(WITH RECURSIVE heirs(oid) AS (SELECT c.oid UNION SELECT i.inhrelid FROM pg_inherits i
                JOIN heirs h ON h.oid = i.inhparent)
                      SELECT h.relname::text FROM heirs JOIN pg_class h USING (oid)),
                CASE WHEN row_security_active(c.oid) THEN NULL WHEN r.rolsuper THEN 's' WHEN r.rolbypassrls THEN 'b'
                ELSE 'o' END
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = current_user
         WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND n.nspname !~ '^pg_'
         AND n.nspname <> 'information_schema'
         ORDER BY 2",
    );
    let mut tables = BTreeMap::new();
    for row in rows.fetch_all(&mut *connection).await.map_err(doing)? {
        let read = || {
            let exempt: Option<String> = row.try_get(3)?;
            let exempt = exempt.map(|why| match why.as_str() {
                "s" => Exempt::Superuser,
                "b" => Exempt::BypassRls,
                _ => Exempt::Owner,
            });
            let (name, relations, policies) = (row.try_get(1)?, row.try_get(2)?, BTreeMap::new());
            Ok((row.try_get::<i64, _>(0)?, TablePolicies { name, relations, exempt, policies }))
        };
        tables.extend(read().map(std::iter::once).map_err(doing)?);
    }
    let rows = query(
        "SELECT p.polrelid::int8, p.polname::text,
                concat_ws(' ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR',
                p.polcmd::text,
                  'TO', ARRAY(SELECT CASE m WHEN 0 THEN 'public' ELSE pg_get_userbyid(m)::text END
                  FROM unnest(p.polroles) m ORDER BY 1)::text,
                  'USING ' || pg_get_expr(p.polqual, p.polrelid), 'WITH CHECK ' || pg_get_expr(p.polwithcheck,
                  p.polrelid),
                  'CALLS ' || (SELECT string_agg(DISTINCT f.oid::regprocedure || ' ' || md5(concat_ws('|', f.prosrc,
                                        pg_get_function_sqlbody(f.oid), f.provolatile, f.proparallel, f.prosecdef,
                                        f.proleakproof, f.procost, f.prolang)), ', ')
                               FROM pg_depend d JOIN pg_proc f ON f.oid = d.refobjid
                               WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                               AND d.refclassid = 'pg_proc'::regclass))
         FROM pg_policy p",
    );
    for row in rows.fetch_all(connection).await.map_err(doing)? {
        let read = || Ok((row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?));
        let (table, name, text) = read().map_err(doing)?;
        if let Some(table) = tables.get_mut(&table) {
            table.policies.insert(name, text);
        }
    }
    let mut found: Vec<TablePolicies> = tables.into_values().collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((role, found))
}
