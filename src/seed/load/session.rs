//! Connections of a load, and the lock that keeps two loads of one database apart. Must not know what is loaded.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::journal;
use super::statement::run;
use crate::postgres::sql_text::{literal, query};
use crate::postgres::{Error, Target};

/// What sessions of a load are called in `pg_stat_activity`; what is left of a load is found by it.
pub(super) const NAME: &str = "weighbridge seed";

/// A session that sees every row or is refused: a policy that hid some would make a full table look empty.
///
/// # Errors
/// When the server cannot be reached.
pub async fn session(target: &Target) -> Result<PgConnection, Error> {
    connect(target, NAME).await
}

async fn connect(target: &Target, name: &str) -> Result<PgConnection, Error> {
    let mut connection = target.named(name).connect().await?;
    run(&mut connection, &settings(), "set up a session").await?;
    Ok(connection)
}

/// What a load relies on, whatever the database, the role or the server sets for an application: limits that would cut
/// a load off as they would a dump, isolation that would make one connection's work fail for another's, forms of text
/// that SQL of ours and what `pg_get_expr` prints would not have. A session whose program is gone while it waits for a
/// lock would keep others waiting behind it, so the server looks for its client every second, where it can.
const SETTINGS: [(&str, &str); 25] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("transaction_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("client_connection_check_interval", "1000"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    ("default_tablespace", ""),
    ("temp_tablespaces", ""),
    ("row_security", "off"),
    ("session_replication_role", "origin"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("transform_null_equals", "off"),
    ("array_nulls", "on"),
    ("xmloption", "content"),
    ("bytea_output", "hex"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("extra_float_digits", "1"),
];

/// Sets what the server knows and the role may set: `transaction_timeout` is new in PostgreSQL 17, and only a
/// superuser changes `session_replication_role`.
fn settings() -> String {
    let wanted: Vec<String> =
        SETTINGS.iter().map(|(name, value)| format!("({}, {})", literal(name), literal(value))).collect();
    format!(
        "SELECT pg_catalog.set_config(s.name, w.value, false) FROM (VALUES {}) AS w (name, value)
         JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(w.name)
         WHERE s.setting IS DISTINCT FROM w.value
           AND (s.name <> 'client_connection_check_interval' OR pg_catalog.version() LIKE '%linux%')
           AND (s.context = 'user' OR s.context = 'superuser' AND {IS_SUPERUSER})",
        wanted.join(", ")
    )
}

const IS_SUPERUSER: &str = "(SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER)";

/// The right to load into a database, for as long as it lives. Its connection does nothing else, so that the
/// server notices at once when its owner is gone.
#[derive(Debug)]
pub struct Guard {
    connection: PgConnection,
}

const LOCK: &str = "pg_catalog.hashtext('weighbridge seed')";

impl Guard {
    /// Waits up to ten seconds until no other load is at work in this database.
    ///
    /// # Errors
    /// When another load is still at work, or the server cannot be reached.
    pub async fn alone(target: &Target) -> Result<Self, Error> {
        const ALONE: &str = "wait for another load of this database to end";
        let mut connection = connect(target, "weighbridge seed guard").await?;
        run(&mut connection, "SET lock_timeout = '10s'", ALONE).await?;
        run(&mut connection, &format!("SELECT pg_catalog.pg_advisory_lock({LOCK})"), ALONE).await?;
        Ok(Self { connection })
    }

    /// For a part of a dataset: beside the others once one of them has begun, and before that alone.
    ///
    /// # Errors
    /// When another load is at work for ten seconds, or the server cannot be reached.
    pub async fn for_part(target: &Target) -> Result<Self, Error> {
        const PART: &str = "come beside the other parts of the dataset";
        let mut connection = connect(target, "weighbridge seed guard").await?;
        for _ in 0..100 {
            let lock = if journal::is_there(&mut connection).await? { "lock_shared" } else { "lock" };
            let taken = query(format!("SELECT pg_catalog.pg_try_advisory_{lock}({LOCK})"))
                .fetch_one(&mut connection)
                .await
                .and_then(|row| row.try_get::<bool, _>(0))
                .map_err(|e| Error::doing(PART, e))?;
            if taken && (lock == "lock_shared") == journal::is_there(&mut connection).await? {
                return Ok(Self { connection });
            }
            // What is right to take has changed, or somebody is alone for a moment.
            run(&mut connection, "SELECT pg_catalog.pg_advisory_unlock_all()", PART).await?;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(Error::doing(PART, sqlx::Error::Protocol("another load is at work in this database".to_owned())))
    }

    /// Whether this program is the one that ends a dataset in parts; another may be at it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn ends(&mut self) -> Result<bool, Error> {
        query("SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('weighbridge seed end'))")
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("claim the end of the load", e))
    }

    /// Lets other parts of the same dataset in, and nobody else.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn share(&mut self) -> Result<(), Error> {
        const SHARE: &str = "let the other parts of the dataset in";
        // Taken before the other is given up, so that nobody comes between.
        run(&mut self.connection, &format!("SELECT pg_catalog.pg_advisory_lock_shared({LOCK})"), SHARE).await?;
        run(&mut self.connection, &format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})"), SHARE).await
    }

    /// Gives the right up and waits until the server knows.
    pub async fn end(self) {
        use sqlx::Connection;
        let _ = self.connection.close().await;
    }

    /// Ends sessions a load left behind, such as one in the middle of an index build when its program was killed.
    ///
    /// # Errors
    /// When one of them does not end within ten seconds.
    pub(super) async fn end_left_overs(&mut self) -> Result<(), Error> {
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid, 10000) FROM pg_catalog.pg_stat_activity
             WHERE datname = pg_catalog.current_database() AND application_name = '{NAME}' AND usename = CURRENT_USER"
        );
        run(&mut self.connection, &end, "end what is left of the load").await
    }
}
