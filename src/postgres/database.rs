//! Making, cloning and dropping databases, and finding those that dead programs left. Must touch only its own.
//!
//! Names say what a database is and whose: `weighbridge_template_<key>` is kept between runs,
//! `weighbridge_build_<token>` and `weighbridge_clone_<token>_<side>` belong to a running program.
//! A program shows it is alive by sessions called `weighbridge/<token>`.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::connect::Target;
use super::error::Error;
use super::sql_text::{identifier, literal, query};

const TEMPLATE: &str = "weighbridge_template_";
const BUILD: &str = "weighbridge_build_";
const CLONE: &str = "weighbridge_clone_";

/// Below this a clone goes through the WAL: two checkpoints cost more than writing it twice.
const SMALL_BYTES: i64 = 128 << 20;

/// Names one run of the program on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token nobody else has: process id and clock, hashed by the standard library's random keys.
    #[must_use]
    pub fn fresh() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let bits = RandomState::new().hash_one(std::process::id());
        Self(format!("{:08x}", bits as u32))
    }

    /// What this run's sessions are called in `pg_stat_activity`.
    #[must_use]
    pub fn application(&self) -> String {
        format!("weighbridge/{}", self.0)
    }

    /// The name of the database a template is built in.
    #[must_use]
    pub fn build(&self) -> String {
        format!("{BUILD}{}", self.0)
    }

    /// The name of a clone.
    #[must_use]
    pub fn clone_name(&self, side: &str) -> String {
        format!("{CLONE}{}_{side}", self.0)
    }
}

/// A seeded database that is kept.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its database name.
    pub name: String,
    /// The comment it was made with: what it holds.
    pub about: String,
    /// Size in bytes.
    pub bytes: i64,
}

/// How a database was cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloned {
    /// `wal_log` or `file_copy`; none before PostgreSQL 15, which knows one way only.
    pub strategy: Option<&'static str>,
    /// Settings of the template, or its privileges, that this role may not give.
    pub refused: Vec<String>,
}

/// The name of the template with this key.
#[must_use]
pub fn template_name(key: &str) -> String {
    format!("{TEMPLATE}{key}")
}

/// A session in the maintenance database that makes and drops databases.
pub struct Admin {
    connection: PgConnection,
    target: Target,
}

impl Admin {
    /// Connects and checks that databases may be made.
    ///
    /// # Errors
    /// When the server cannot be used or the role may not create databases.
    pub async fn connect(target: &Target) -> Result<Self, Error> {
        let mut connection = target.connect().await?;
        let allowed: bool = query("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("read the role's privileges", e))?;
        if !allowed {
            return Err(Error::NoCreateDb { target: target.describe(), role: target.user().to_owned() });
        }
        Ok(Self { connection, target: target.clone() })
    }

    /// The server's version number, such as 150018.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        self.connection.server_version_num().unwrap_or_default()
    }

    /// Whether a database exists.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn exists(&mut self, name: &str) -> Result<bool, Error> {
        query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name.to_owned())
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("look for a database", e))
    }

    /// An empty database, UTF-8 with the C collation, so that text sorts alike everywhere.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&mut self, name: &str) -> Result<(), Error> {
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
            identifier(name)
        );
        self.run(&sql, "create a database").await
    }

    /// A copy of a database that nobody is connected to, with its settings and privileges; says how it was made. Statistics of the planner are
    /// copied, counters start at zero. From 15 on a small one goes through the WAL, which needs no checkpoint, and a large one is copied file by
    /// file, which writes next to no WAL.
    ///
    /// # Errors
    /// When the server refuses, for instance for want of space.
    pub async fn clone_database(&mut self, from: &str, to: &str) -> Result<Cloned, Error> {
        let size: i64 = query("SELECT pg_database_size($1)")
            .bind(from.to_owned())
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("measure a database", e))?;
        let strategy = match self.server_version() {
            ..150_000 => None,
            _ if size < SMALL_BYTES => Some("wal_log"),
            _ => Some("file_copy"),
        };
        let how = strategy.map(|strategy| format!(" STRATEGY {strategy}")).unwrap_or_default();
        let sql = format!("CREATE DATABASE {} TEMPLATE {}{how}", identifier(to), identifier(from));
        self.run(&sql, &format!("clone the database as {to}")).await?;
        let refused = super::heritage::hand_down(&mut self.connection, from, to).await?;
        Ok(Cloned { strategy, refused })
    }

    /// Turns a finished build into a template: renamed, described, closed to sessions.
    /// If another program finished the same template first, the build is dropped.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn keep_as_template(&mut self, build: &str, template: &str, about: &str) -> Result<(), Error> {
        if self.exists(template).await? {
            return self.drop_database(build).await;
        }
        let doing = "keep the seeded database as a template";
        self.run(&format!("COMMENT ON DATABASE {} IS {}", identifier(build), literal(about)), doing).await?;
        self.run(&format!("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", identifier(build)), doing)
            .await?;
        self.run(&format!("ALTER DATABASE {} RENAME TO {}", identifier(build), identifier(template)), doing).await
    }

    /// Drops a database and ends the sessions in it; no error if it is gone already.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_database(&mut self, name: &str) -> Result<(), Error> {
        let is_template: Option<bool> = query("SELECT datistemplate FROM pg_database WHERE datname = $1")
            .bind(name.to_owned())
            .fetch_optional(&mut self.connection)
            .await
            .and_then(|row| row.map(|row| row.try_get(0)).transpose())
            .map_err(|e| Error::doing("look for a database", e))?;
        // What a dropping that was cut off has left is invalid: it can be dropped and not altered.
        match is_template {
            None => return Ok(()),
            Some(true) => {
                let open = format!("ALTER DATABASE {} IS_TEMPLATE false", identifier(name));
                self.run(&open, "open a database for dropping").await?;
            }
            Some(false) => {}
        }
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name)), "drop a database").await
    }

    /// The databases of one run, finished or not.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn databases_of(&mut self, token: &Token) -> Result<Vec<String>, Error> {
        let mine = self.work_databases().await?;
        Ok(mine.into_iter().filter(|(_, of)| *of == token.0).map(|(name, _)| name).collect())
    }

    /// The databases whose program is no longer connected, and templates whose dropping was cut off.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn left_overs(&mut self) -> Result<Vec<String>, Error> {
        let rows =
            query("SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'weighbridge/%'")
                .fetch_all(&mut self.connection)
                .await
                .map_err(|e| Error::doing("list sessions", e))?;
        let alive: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        let all = self.work_databases().await?;
        let orphans = all.into_iter().filter(|(_, token)| !alive.contains(&Token(token.clone()).application()));
        Ok(orphans.map(|(name, _)| name).chain(self.broken_templates().await?).collect())
    }

    /// Templates that the server calls invalid (`datconnlimit` of −2, from the minor versions of August 2023 on).
    async fn broken_templates(&mut self) -> Result<Vec<String>, Error> {
        let rows = query(
            "SELECT datname::text FROM pg_database
             WHERE datname LIKE $1 AND datconnlimit = -2 AND pg_get_userbyid(datdba) = current_user",
        )
        .bind(format!("{}%", TEMPLATE.replace('_', "\\_")))
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| Error::doing("list templates", e))?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|e| Error::doing("read templates", e))
    }

    /// Ends every session of this program but this connection's own, except those called `keep`.
    /// Only for a server nobody else uses: the embedded one, under its lock.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn end_sessions(&mut self, pattern: &str, keep: &str) -> Result<(), Error> {
        query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name LIKE $1 AND application_name <> $2 AND pid <> pg_backend_pid()",
        )
        .bind(pattern.to_owned())
        .bind(keep.to_owned())
        .execute(&mut self.connection)
        .await
        .map(drop)
        .map_err(|e| Error::doing("end sessions of an earlier run", e))
    }

    /// The kept templates, oldest first.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn templates(&mut self) -> Result<Vec<Template>, Error> {
        let rows = query(
            "SELECT datname::text, coalesce(shobj_description(oid, 'pg_database'), ''), pg_database_size(oid)
             FROM pg_database WHERE datname LIKE $1 AND pg_get_userbyid(datdba) = current_user ORDER BY oid",
        )
        .bind(format!("{}%", TEMPLATE.replace('_', "\\_")))
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| Error::doing("list templates", e))?;
        rows.iter()
            .map(|row| Ok(Template { name: row.try_get(0)?, about: row.try_get(1)?, bytes: row.try_get(2)? }))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|e| Error::doing("read templates", e))
    }

    /// A checkpoint, when the role may ask for one (superuser, or `pg_checkpoint` from 15 on).
    /// Its refusal changes nothing but the start of the load, so it is no error.
    pub async fn checkpoint(&mut self) {
        let _ = self.run("CHECKPOINT", "write a checkpoint").await;
    }

    /// The server this session is on.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The session itself, for reading catalogs of the whole server.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Says good-bye to the server.
    pub async fn close(self) {
        let _ = self.connection.close().await;
    }

    async fn work_databases(&mut self) -> Result<Vec<(String, String)>, Error> {
        let rows = query(
            "SELECT datname::text, (regexp_match(datname, '^weighbridge_(?:clone|build)_([0-9a-f]{8})'))[1]
             FROM pg_database
             WHERE datname ~ '^weighbridge_(clone|build)_[0-9a-f]{8}' AND pg_get_userbyid(datdba) = current_user
             ORDER BY datname",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| Error::doing("list databases", e))?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|e| Error::doing("read databases", e))
    }

    async fn run(&mut self, sql: &str, doing: &str) -> Result<(), Error> {
        use sqlx::Executor;
        self.connection
            .execute(sqlx::raw_sql(super::sql_text::trusted(sql)))
            .await
            .map(drop)
            .map_err(|e| Error::doing(doing, e))
    }
}
