//! What a server keeps of a database outside of it, and `CREATE DATABASE … TEMPLATE` does not copy: settings and privileges
//! (PostgreSQL manual, CREATE DATABASE, notes). Must be given to every clone alike, before anybody connects to it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::Error;
use super::sql_text::{identifier, literal, query, trusted};

/// Settings whose value is a list of names: written as one literal they would be one name (`variable_is_guc_list_quote` of `pg_dump`).
const LISTS: [&str; 4] = ["local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"];

/// Gives a clone what its template was given by `ALTER DATABASE … SET`, `ALTER ROLE … IN DATABASE … SET`, `GRANT` and `REVOKE`.
///
/// # Errors
/// When the server refuses, for instance a setting that only a superuser may make.
pub(super) async fn hand_down(connection: &mut PgConnection, from: &str, to: &str) -> Result<(), Error> {
    let doing = |e| Error::doing("give a clone the settings and privileges of its template", e);
    let mut statements = privileges(connection, from, to).await.map_err(doing)?;
    statements.extend(settings(connection, from, to).await.map_err(doing)?);
    if statements.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(doing)?;
    for statement in statements {
        transaction.execute(sqlx::raw_sql(trusted(&statement))).await.map_err(doing)?;
    }
    transaction.commit().await.map_err(doing)
}

/// Statements that make each setting.
async fn settings(connection: &mut PgConnection, from: &str, to: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = query(
        "SELECT r.rolname::text, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
         FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole,
              unnest(s.setconfig) entry
         WHERE d.datname = $1 ORDER BY 1 NULLS FIRST, 2",
    )
    .bind(from.to_owned())
    .fetch_all(connection)
    .await?;
    let mut statements = Vec::new();
    for row in rows {
        let (role, name, value): (Option<String>, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let whose = match role {
            Some(role) => format!("ALTER ROLE {} IN DATABASE {}", identifier(&role), identifier(to)),
            None => format!("ALTER DATABASE {}", identifier(to)),
        };
        // Names of extensions' settings have a part on each side of a dot.
        let own = name.split('.').map(identifier).collect::<Vec<_>>().join(".");
        if LISTS.contains(&&*name.to_lowercase()) {
            statements.push(format!("SELECT set_config({}, {}, true)", literal(&name), literal(&value)));
            statements.push(format!("{whose} SET {own} FROM CURRENT"));
        } else {
            statements.push(format!("{whose} SET {own} TO {}", literal(&value)));
        }
    }
    Ok(statements)
}

/// Statements that leave a clone the privileges its template has; none where nobody changed them.
async fn privileges(connection: &mut PgConnection, from: &str, to: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = query(
        "SELECT r.rolname::text, a.privilege_type, a.is_grantable
         FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
         WHERE d.datname = $1 ORDER BY 1 NULLS FIRST, 2",
    )
    .bind(from.to_owned())
    .fetch_all(connection)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut statements = vec![format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", identifier(to))];
    for row in rows {
        let (role, privilege, grantable): (Option<String>, String, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let whom = role.map_or("PUBLIC".to_owned(), |role| identifier(&role));
        let option = if grantable { " WITH GRANT OPTION" } else { "" };
        statements.push(format!("GRANT {privilege} ON DATABASE {} TO {whom}{option}", identifier(to)));
    }
    Ok(statements)
}
