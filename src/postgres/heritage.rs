//! What a server keeps of a database outside of it, and `CREATE DATABASE … TEMPLATE` does not copy: settings and
//! privileges (PostgreSQL manual, CREATE DATABASE, notes). Must be given to every clone equally, before anybody
//! connects to it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::Error;
use super::sql_text::{identifier, literal, query, trusted};

/// Settings whose value is a list of names: written as one literal they would be one name (`variable_is_guc_list_quote`
/// of `pg_dump`).
const LISTS: [&str; 4] = ["local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"];

/// Gives a clone what its template was given by `ALTER DATABASE … SET`, `ALTER ROLE … IN DATABASE … SET`, `GRANT`
/// and `REVOKE`. Returns what this role may not give, such as a superuser's setting, or an extension's whose library
/// this session has not loaded: no clone has that.
///
/// # Errors
/// When the server is lost, or refuses for another reason.
pub(super) async fn hand_down(connection: &mut PgConnection, from: &str, to: &str) -> Result<Vec<String>, Error> {
    let doing = |e| Error::doing("give a clone the settings and privileges of its template", e);
    let mut all = privileges(connection, from, to).await.map_err(doing)?;
    all.extend(settings(connection, from, to).await.map_err(doing)?);
    let mut refused = Vec::new();
    for (what, statements) in all {
        let mut transaction = connection.begin().await.map_err(doing)?;
        let given = transaction.execute(sqlx::raw_sql(trusted(&statements))).await;
        match given {
            Ok(_) => transaction.commit().await.map_err(doing)?,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(MAY_NOT) => {
                transaction.rollback().await.map_err(doing)?;
                refused.push(what);
            }
            Err(error) => return Err(doing(error)),
        }
    }
    Ok(refused)
}

/// `insufficient_privilege`.
const MAY_NOT: &str = "42501";

/// What is given, and the statements that give it.
type Gift = (String, String);

/// Statements that make each setting.
async fn settings(connection: &mut PgConnection, from: &str, to: &str) -> Result<Vec<Gift>, sqlx::Error> {
    let rows = query(
        "SELECT r.rolname::text, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
         FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r
         ON r.oid = s.setrole,
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
        let given = match LISTS.contains(&&*name.to_lowercase()) {
            true => {
                let (setting, list) = (literal(&name), literal(&value));
                format!("SELECT set_config({setting}, {list}, true); {whose} SET {own} FROM CURRENT")
            }
            false => format!("{whose} SET {own} TO {}", literal(&value)),
        };
        statements.push((name, given));
    }
    Ok(statements)
}

/// Statements that leave a clone the privileges its template has; none where nobody changed them.
async fn privileges(connection: &mut PgConnection, from: &str, to: &str) -> Result<Vec<Gift>, sqlx::Error> {
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
    Ok(vec![("privileges".to_owned(), statements.join("; "))])
}
