//! The role that sessions act as (`SET ROLE`). Must create one only when asked to.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::Error;
use super::sql_text::{identifier, query, trusted};

/// What a user may do with a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Act as it.
    Ready,
    /// Nothing: it does not exist on the server.
    Absent,
    /// Nothing: it may not be set.
    Forbidden,
}

/// How the connected user stands to a role.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn standing(connection: &mut PgConnection, role: &str) -> Result<Standing, Error> {
    let doing = |e| Error::doing("look for the role", e);
    // Being a member was enough before memberships had options (16).
    let rows = query(
        "SELECT pg_has_role(r.oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER'
         ELSE 'SET' END)
         FROM pg_roles r WHERE r.rolname = $1",
    )
    .bind(role.to_owned())
    .fetch_optional(connection)
    .await
    .map_err(doing)?;
    Ok(match rows {
        None => Standing::Absent,
        Some(row) if row.try_get(0).map_err(doing)? => Standing::Ready,
        Some(_) => Standing::Forbidden,
    })
}

/// Makes sure that the connected user may act as a role.
///
/// # Errors
/// When it does not exist, or may not be set: with what an administrator can do.
pub async fn check(connection: &mut PgConnection, role: &str, place: &str) -> Result<(), Error> {
    let (role, place) = (role.to_owned(), place.to_owned());
    match standing(connection, &role).await? {
        Standing::Ready => Ok(()),
        Standing::Absent => Err(Error::NoRole { role, place }),
        Standing::Forbidden => Err(Error::RoleForbidden { role, place }),
    }
}

/// Makes a role that cannot log in and has no privileges.
///
/// # Errors
/// When the server refuses.
pub async fn create(connection: &mut PgConnection, role: &str) -> Result<(), Error> {
    let made = connection.execute(sqlx::raw_sql(trusted(format!("CREATE ROLE {}", identifier(role))))).await;
    made.map(drop).map_err(|e| Error::doing(format!("create the role `{role}`"), e))
}

/// Makes sure that a session acts as the role it was given: a pooler may leave out what it does not know.
///
/// # Errors
/// When it acts as another.
pub async fn verify(connection: &mut PgConnection, role: &str) -> Result<(), Error> {
    let now: String = query("SELECT current_user::text")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("ask for the role", e))?;
    if now == role { Ok(()) } else { Err(Error::OtherRole { role: role.to_owned(), now }) }
}
