//! The one place that marks a text as safe to send. Must quote every name it puts into SQL.

use sqlx::AssertSqlSafe;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

/// SQL made by this program or taken from the user's own files, as the driver wants it.
///
/// Values never come in through here: they are bound. Names come in through [`identifier`].
pub fn trusted(sql: impl Into<String>) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.into())
}

/// SQL shared between many executions, as the driver wants it.
pub fn trusted_shared(sql: std::sync::Arc<str>) -> AssertSqlSafe<std::sync::Arc<str>> {
    AssertSqlSafe(sql)
}

/// A query over trusted SQL.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn query(sql: impl Into<String>) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(trusted(sql))
}

/// A name as SQL: quoted always, inner quotes doubled (`quote_ident` without its exceptions).
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A schema-qualified name as SQL.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// A text as an SQL constant, also where backslashes would be escapes.
#[must_use]
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_early() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(qualified("My Schema", "t"), "\"My Schema\".\"t\"");
        assert_eq!(literal("it's \\"), "E'it''s \\\\'");
    }
}
