//! The table in which a migration tool writes down what it has applied, for migrations that touch it. Must be made
//! as the tool makes it.

use std::time::Duration;

use sha2::{Digest, Sha384};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::layout::Books;
use super::layout::books::Entry;
use super::{Layout, Migration};
use crate::postgres::Error;
use crate::postgres::sql_text::{query, trusted};
use crate::sql::{Object, Script};

/// Whether migrations name the table and none of them makes it, as a dump of a database that has it does.
#[must_use]
pub fn are_named<'t>(layout: Layout, texts: impl Iterator<Item = &'t str>) -> bool {
    let Some(Books { table, .. }) = layout.books() else { return false };
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
    let Some(books) = layout.books() else { return Ok(()) };
    let made = connection.execute(sqlx::raw_sql(trusted(books.make))).await;
    made.map(drop).map_err(|e| Error::doing(format!("make the table {}", books.qualified), e))
}

/// Writes down that a migration is applied. A migration may have taken the table away: then nothing is written.
///
/// # Errors
/// When the server refuses.
pub async fn enter(
    connection: &mut PgConnection,
    layout: Layout,
    migration: &Migration,
    took: Duration,
) -> Result<(), Error> {
    let Some(books) = layout.books() else { return Ok(()) };
    let doing = |e| Error::doing(format!("write to the table {}", books.qualified), e);
    let is_there = query("SELECT to_regclass($1)::text").bind(books.qualified).fetch_one(&mut *connection).await;
    let is_there: Option<String> = is_there.and_then(|row| sqlx::Row::try_get(&row, 0)).map_err(doing)?;
    if is_there.is_none() {
        return Ok(());
    }
    let checksum: String = Sha384::digest(&migration.up.file.text).iter().map(|byte| format!("{byte:02x}")).collect();
    let description = migration.label.split_once('_').map_or("", |(_, name)| name).replace('_', " ");
    let entry =
        Entry { version: &migration.version, description: &description, checksum: &checksum, nanos: took.as_nanos() };
    connection.execute(sqlx::raw_sql(trusted(books.entry(&entry)))).await.map(drop).map_err(doing)
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
