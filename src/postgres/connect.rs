//! A server and how to reach its databases. Must never print or store a password.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::error::{Error, describe};
use super::service;
use super::sql_text::query;
use super::wire::{Wire, WireError};

/// Oldest server whose catalogs and counters this program knows.
const OLDEST: u32 = 140_000;

/// How long one connection may take before the server counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that is starting is asked again after this.
const STARTING_LOOK: Duration = Duration::from_millis(100);

/// A server with a user and a maintenance database.
#[derive(Clone)]
pub struct Target {
    options: PgConnectOptions,
    /// Whether sessions are to read only.
    read_only: bool,
    /// The role that sessions act as from their beginning, where it is another than the user.
    role: Option<String>,
    /// Whether it is known to answer as a server does; shared by all that reach the same one.
    is_known: Arc<AtomicBool>,
}

impl fmt::Debug for Target {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.describe()).finish()
    }
}

impl Target {
    /// A server by its URL, by `keyword=value` pairs, or by the connection service that either names; what is left out
    /// comes from the service, then from the `PG*` environment variables.
    ///
    /// # Errors
    /// When it cannot be read, or asks for what is not supported.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url = service::resolve(url, &service::Surroundings::of_process()).map_err(Error::Url)?;
        let options = PgConnectOptions::from_url(&url).map_err(|error| match error {
            sqlx::Error::Configuration(inner) => Error::Url(inner.to_string()),
            other => Error::Url(other.to_string()),
        })?;
        let target = Self::new(options);
        target.is_known.store(false, Ordering::Relaxed);
        Ok(target)
    }

    /// A server of this program's own by the driver's options.
    #[must_use]
    pub fn new(options: PgConnectOptions) -> Self {
        // No other parameter at the start than every pooler knows: PgBouncer refuses extra_float_digits.
        let options = options.statement_cache_capacity(1024).extra_float_digits(None);
        Self {
            options: options.disable_statement_logging(),
            read_only: false,
            role: None,
            is_known: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The same server, announcing sessions under this name in `pg_stat_activity`.
    #[must_use]
    pub fn named(&self, application: &str) -> Self {
        Self { options: self.options.clone().application_name(application), ..self.clone() }
    }

    /// The same database in sessions that may only read, if asked, and that give statements up after a time.
    #[must_use]
    pub fn with(&self, read_only: bool, timeout_ms: Option<u64>) -> Self {
        let mut options = self.options.clone();
        if read_only {
            options = options.options([("default_transaction_read_only", "on")]);
        }
        if let Some(timeout) = timeout_ms {
            options = options.options([("statement_timeout", timeout.to_string())]);
        }
        Self { options, read_only, ..self.clone() }
    }

    /// The same database in sessions that act as a role (`SET ROLE`), if one is given; `RESET ROLE` in them leads back
    /// to it.
    #[must_use]
    pub fn acting_as(&self, role: Option<&str>) -> Self {
        Self { role: role.map(str::to_owned).or_else(|| self.role.clone()), ..self.clone() }
    }

    /// The same database in sessions of the user itself.
    #[must_use]
    pub fn own(&self) -> Self {
        Self { role: None, ..self.clone() }
    }

    /// The role that sessions act as, where it is another than the user.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    fn session(&self) -> PgConnectOptions {
        match &self.role {
            Some(role) => self.options.clone().options([("role", role)]),
            None => self.options.clone(),
        }
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(&self, database: &str) -> Self {
        Self { options: self.options.clone().database(database), ..self.clone() }
    }

    /// The database's name; the user's when none was given, as libpq has it.
    #[must_use]
    pub fn database_name(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// Whether it is reached over a Unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.options.get_socket().is_some() || self.options.get_host().starts_with('/')
    }

    /// Whether its address is this machine's own.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.options.get_host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The database as a URL with its password, for a program that is given it in its environment. Must not be printed
    /// or saved.
    #[must_use]
    pub fn url(&self) -> String {
        use sqlx::ConnectOptions;
        let full = self.options.to_url_lossy();
        let Some(socket) = self.options.get_socket() else { return full.into() };
        // As libpq and every driver on it read a socket's folder.
        let encoded: String = url::form_urlencoded::byte_serialize(socket.display().to_string().as_bytes()).collect();
        let password = full.password().map(|password| format!(":{password}")).unwrap_or_default();
        let (user, port) = (full.username(), self.options.get_port());
        format!("postgresql://{user}{password}@/{}?host={encoded}&port={port}", self.database_name())
    }

    /// Host or socket, database and user, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        };
        let database = self.options.get_database().unwrap_or_else(|| self.options.get_username());
        format!("`{database}` at {place} as `{}`", self.options.get_username())
    }

    /// A dedicated connection. A server that is starting, or recovers from a crash, is waited for.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the user, is too old, or does not answer as a server does.
    pub async fn connect(&self) -> Result<PgConnection, Error> {
        let mut starting = None;
        let attempt = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.attempt().await {
                    Err(Refusal { error, for_now: true }) => starting = Some(error),
                    Err(Refusal { error, .. }) => return Err(error),
                    Ok(connection) => return Ok(connection),
                }
                tokio::time::sleep(STARTING_LOOK).await;
            }
        });
        let connection = match (attempt.await, starting) {
            (Ok(result), _) => result?,
            (Err(_), Some(error)) => return Err(error),
            (Err(_), None) => return Err(self.no_answer()),
        };
        if let Some(version) = connection.server_version_num().filter(|version| *version < OLDEST) {
            return Err(Error::TooOld { target: self.describe(), found: version_text(version) });
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(connection)
    }

    /// One attempt. Sees first that a server that is not known answers, and with messages of a sane size, before the
    /// driver is given to it, which looks at neither.
    async fn attempt(&self) -> Result<PgConnection, Refusal> {
        if !self.is_known() {
            Wire::greet(&self.options).await.map_err(|error| Refusal {
                for_now: matches!(&error, WireError::Server { code, .. } if code == STARTING),
                error: self.refused_by_wire(&error),
            })?;
        }
        self.session().connect().await.map_err(|error| {
            let for_now = super::error::database_error(&error).is_some_and(|error| error.code() == STARTING);
            Refusal { for_now, error: self.refused(&error) }
        })
    }

    /// Whether this program ever had a session there, or made the server itself: if not, nothing of ours can be there.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// A connection that speaks the protocol itself.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the user.
    pub async fn wire(&self) -> Result<Wire, Error> {
        let wire = Wire::connect(&self.session(), self.read_only).await;
        wire.map_err(|error| self.refused_by_wire(&error))
    }

    fn refused_by_wire(&self, error: &WireError) -> Error {
        match error {
            WireError::Server { code, .. } => self.refused_with(Some(code), error.to_string()),
            WireError::Malformed { .. } | WireError::NeverReady => {
                self.failed(error.to_string(), "check host and port: no PostgreSQL server answers like this")
            }
            WireError::Lost(lost) if lost.kind() == std::io::ErrorKind::TimedOut => self.no_answer(),
            WireError::Lost(_) | WireError::MayWrite => self.refused_with(None, error.to_string()),
        }
    }

    /// Whether a server itself is at the other end, and no pooler that has few sessions to give; `None` where it cannot
    /// be reached.
    pub async fn is_direct(&self) -> Option<bool> {
        match self.wire().await {
            Ok(mut wire) => Some(wire.is_direct().await),
            Err(_) => None,
        }
    }

    /// Whether sessions are asked to read only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn refused(&self, error: &sqlx::Error) -> Error {
        let code = super::error::database_error(error).map(|e| e.code().to_owned());
        self.refused_with(code.as_deref(), describe(error))
    }

    fn refused_with(&self, code: Option<&str>, reason: String) -> Error {
        let help = match code {
            Some("28P01" | "28000") => {
                "check user and password (URL, PGPASSWORD or ~/.pgpass) and the server's pg_hba.conf"
            }
            Some("3D000") => "check the database's name in the URL, or create it",
            Some("53300") => "the server has no connection left: raise max_connections or use fewer clients",
            None if reason.contains("peer certificate") => {
                "sslrootcert must name the authority that signed the server's certificate, which may not be that \
                 certificate itself, and verify-full its host; sslmode=require encrypts without looking at it"
            }
            Some(STARTING) => "the server is starting or stopping: try again in a moment",
            _ => "check that the server runs and accepts connections there; leave the URL out to use the embedded one",
        };
        self.failed(reason, help)
    }

    fn no_answer(&self) -> Error {
        Error::NoAnswer { target: self.describe(), seconds: PATIENCE.as_secs() }
    }

    fn failed(&self, reason: String, help: &str) -> Error {
        Error::Connect { target: self.describe(), reason, help: help.to_owned() }
    }
}

/// The code of a server that starts, recovers from a crash, or stops.
const STARTING: &str = "57P03";

/// Why an attempt made no connection.
struct Refusal {
    error: Error,
    /// Whether the next attempt may.
    for_now: bool,
}

/// The server's `max_connections`.
///
/// # Errors
/// When it cannot be read.
pub async fn most_connections(connection: &mut PgConnection) -> Result<usize, Error> {
    query("SELECT current_setting('max_connections')::int8")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map(|most| most as usize)
        .map_err(|e| Error::doing("read max_connections", e))
}

/// Which database of which server this is, however its URL is written: the same text for the same one until the server
/// restarts.
///
/// # Errors
/// When it cannot be asked.
pub async fn identity(target: &Target) -> Result<String, Error> {
    let mut connection = target.connect().await?;
    let row = query(
        "SELECT pg_postmaster_start_time()::text || ' ' || oid FROM pg_database WHERE datname = current_database()",
    )
    .fetch_one(&mut connection)
    .await;
    let _ = connection.close().await;
    row.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("ask which database this is", e))
}

/// Sixteen hexadecimal digits that name a database of a server, restarted or not: of the server's own number, where the
/// role may ask for it, and the database's OID. Replicas have those of their primary.
///
/// # Errors
/// When it cannot be asked.
pub async fn lasting_identity(target: &Target) -> Result<String, Error> {
    let mut connection = target.connect().await?;
    let own =
        query("SELECT oid::text FROM pg_database WHERE datname = current_database()").fetch_one(&mut connection).await;
    let server = query("SELECT system_identifier::text FROM pg_control_system()").fetch_one(&mut connection).await;
    let _ = connection.close().await;
    let own: String = own.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("ask which database this is", e))?;
    let server: String = server.and_then(|row| row.try_get(0)).unwrap_or_default();
    let digest = Sha256::digest(format!("{server} {own}"));
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// `150018` as `15.18`.
#[must_use]
pub fn version_text(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::from_url("postgresql://anna:s3cret@db.example:6543/shop").unwrap();
        assert_eq!(target.describe(), "`shop` at db.example:6543 as `anna`");
        assert!(!format!("{target:?}").contains("s3cret"));
        let error = Target::from_url("postgresql://anna:s3cret@host:nonsense/shop").unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
        assert!(Target::from_url("mysql://x").is_err());
        assert_eq!(version_text(150_018), "15.18");
    }
}
