//! The table in which a migration tool writes down what it has applied, for migrations that touch it. Must be made as
//! the tool makes it.

use std::time::Duration;

use sha2::{Digest, Sha384};
use sqlx::postgres::PgConnection;

use super::{Layout, Migration};
use crate::diagnostic::SourceFile;
use crate::postgres::Error;
use crate::postgres::sql_text::query;
use crate::sql::{Object, Script};

/// The table of a tool.
#[must_use]
pub fn table(layout: Layout) -> &'static str {
    match layout {
        Layout::Sqlx => "_sqlx_migrations",
        Layout::GolangMigrate => "schema_migrations",
    }
}

/// Whether migrations name the table and none of them makes it, as a dump of a database that has it does.
#[must_use]
pub fn are_named<'t>(layout: Layout, texts: impl Iterator<Item = &'t str>) -> bool {
    let table = table(layout);
    let makes = |text: &str| {
        let mut made = Script::parse(text).commands().filter_map(|command| command.created());
        made.any(|made| {
            made.object == Object::Table && !made.may_exist && made.name.is_some_and(|name| name.name == table)
        })
    };
    let naming: Vec<&str> = texts.filter(|text| text.contains(table)).collect();
    !naming.is_empty() && !naming.iter().any(|text| makes(text))
}

/// Makes the table where it is not there yet.
///
/// # Errors
/// When the server refuses.
pub async fn make(connection: &mut PgConnection, layout: Layout) -> Result<(), Error> {
    let sql = match layout {
        Layout::Sqlx => {
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
             installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
             execution_time bigint NOT NULL)"
        }
        Layout::GolangMigrate => {
            "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)"
        }
    };
    let made = query(sql).execute(connection).await;
    made.map(drop).map_err(|e| Error::doing(format!("make the table {}", table(layout)), e))
}

/// Writes down that a migration is applied. A migration may have taken the table away: then nothing is written.
///
/// # Errors
/// When the server refuses.
pub async fn enter(
    connection: &mut PgConnection,
    layout: Layout,
    migration: &Migration,
    (file, took): (&SourceFile, Duration),
) -> Result<(), Error> {
    let doing = |e| Error::doing(format!("write to the table {}", table(layout)), e);
    let is_there = query("SELECT to_regclass($1)::text").bind(table(layout)).fetch_one(&mut *connection).await;
    let is_there: Option<String> = is_there.and_then(|row| sqlx::Row::try_get(&row, 0)).map_err(doing)?;
    if is_there.is_none() {
        return Ok(());
    }
    let version = migration.version as i64;
    let written = match layout {
        Layout::Sqlx => {
            let description = migration.label.split_once('_').map_or("", |(_, name)| name).replace('_', " ");
            query(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES ($1, $2, true, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(version)
            .bind(description)
            .bind(Sha384::digest(&file.text).to_vec())
            .bind(took.as_nanos() as i64)
            .execute(connection)
            .await
        }
        // One row: the version the schema is at.
        Layout::GolangMigrate => {
            query(
                "WITH gone AS (DELETE FROM schema_migrations WHERE version <> $1)
                   INSERT INTO schema_migrations VALUES ($1, false) ON CONFLICT DO NOTHING",
            )
            .bind(version)
            .execute(connection)
            .await
        }
    };
    written.map(drop).map_err(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_made_where_migrations_name_it_and_do_not_make_it() {
        let named = |texts: &[&str]| are_named(Layout::Sqlx, texts.iter().copied());
        let touches = "DELETE FROM _sqlx_migrations WHERE version = 3";
        assert!(named(&["SELECT 1", touches]));
        assert!(!named(&["SELECT 1", "DELETE FROM schema_migrations"]));
        assert!(!named(&["CREATE TABLE public._sqlx_migrations (version bigint);", touches]));
        assert!(named(&["CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint);", touches]));
    }
}
