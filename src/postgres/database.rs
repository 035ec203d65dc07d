//! Making, cloning and dropping databases, and finding those that dead programs left. Must drop only what carries its
//! mark.
//!
//! Names say what a database is and which run it belongs to: `weighbridge_template_<key>` is kept between runs,
//! `weighbridge_build_<token>` and `weighbridge_clone_<token>_<side>` belong to a running program.
//! A program shows it is alive by sessions called `weighbridge/<token>`. A name alone makes no database ours: `mark`
//! does.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::connect::Target;
use super::error::Error;
use super::mark::{ABOUT, MARKED, mark};
use super::space::{self, Demand};
use super::sql_text::{identifier, query};

const TEMPLATE: &str = "weighbridge_template_";
const BUILD: &str = "weighbridge_build_";
const CLONE: &str = "weighbridge_clone_";

/// What a database of one run is called, with the run's token.
const WORK: &str = "^weighbridge_(?:clone|build)_([0-9a-f]{8})";

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

    /// Whether a database's name says that it belongs to this run.
    fn owns(&self, name: &str) -> bool {
        name == self.build() || name.starts_with(&self.clone_name(""))
    }
}

/// A database named like this program's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Whether it carries the mark: only then this program made it.
    pub marked: bool,
    /// Whether it is a template.
    pub is_template: bool,
    /// The run it belongs to, by its name; nothing of a template.
    pub token: Option<String>,
    /// Sessions in it that are not this program's, in words.
    pub in_use: Option<String>,
}

impl Named {
    /// The SQL that drops it, for a person to run.
    #[must_use]
    pub fn drop_sql(&self) -> String {
        let name = identifier(&self.name);
        let open = if self.is_template { format!("ALTER DATABASE {name} IS_TEMPLATE false; ") } else { String::new() };
        format!("{open}DROP DATABASE {name};")
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

/// What runs that are gone have left on a server.
#[derive(Debug, Default)]
pub struct LeftOvers {
    /// Names of marked databases that can be dropped.
    pub ours: Vec<String>,
    /// Marked ones that somebody else is connected to.
    pub in_use: Vec<Named>,
    /// Databases that are named like ours and carry no mark: a person's, or of a version that did not mark them.
    pub unmarked: Vec<Named>,
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

    /// An empty database of a user's, UTF-8 with the C collation, so that text sorts the same everywhere. It carries no
    /// mark.
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

    /// The same, marked as this program's own.
    ///
    /// # Errors
    /// When the server refuses; nothing is left then.
    pub async fn create_marked(&mut self, name: &str, about: &str) -> Result<(), Error> {
        self.create(name).await?;
        self.mark_or_drop(name, about).await
    }

    /// Makes a marked database a user's: what it is for is done.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn unmark(&mut self, name: &str) -> Result<(), Error> {
        self.run(&format!("COMMENT ON DATABASE {} IS NULL", identifier(name)), "take the mark off a database").await
    }

    /// Marks a database that this session has just created; without a mark it would never be dropped.
    async fn mark_or_drop(&mut self, name: &str, about: &str) -> Result<(), Error> {
        let marked = self.mark(name, about).await;
        if marked.is_err() {
            let _ = self.drop_it(name).await;
        }
        marked
    }

    async fn mark(&mut self, name: &str, about: &str) -> Result<(), Error> {
        let oid: i64 = query("SELECT oid::int8 FROM pg_database WHERE datname = $1")
            .bind(name.to_owned())
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("look for a database", e))?;
        self.run(&mark(name, oid as u32, about), "mark a database").await
    }

    /// Whether a database exists and carries the mark.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn is_marked(&mut self, name: &str) -> Result<bool, Error> {
        query(format!("SELECT EXISTS (SELECT FROM pg_database d WHERE datname = $1 AND {MARKED})"))
            .bind(name.to_owned())
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("look for the mark of a database", e))
    }

    /// A copy of a database that nobody is connected to, with its settings and privileges; says how it was made.
    /// Statistics of the planner are copied, counters start at zero. From 15 on a small one goes through the WAL, which
    /// needs no checkpoint, and a large one is copied file by file, which writes next to no WAL.
    ///
    /// # Errors
    /// When the server refuses, for instance for want of space.
    pub async fn clone_database(&mut self, from: &str, to: &str) -> Result<Cloned, Error> {
        let size = self.size(from).await?;
        let strategy = self.strategy(size);
        let how = strategy.map(|strategy| format!(" STRATEGY {strategy}")).unwrap_or_default();
        let sql = format!("CREATE DATABASE {} TEMPLATE {}{how}", identifier(to), identifier(from));
        self.run(&sql, &format!("clone the database as {to}")).await?;
        self.mark_or_drop(to, &format!("clone of {from}")).await?;
        let refused = super::heritage::hand_down(&mut self.connection, from, to).await?;
        Ok(Cloned { strategy, refused })
    }

    async fn size(&mut self, name: &str) -> Result<i64, Error> {
        query("SELECT pg_database_size($1)")
            .bind(name.to_owned())
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("measure a database", e))
    }

    fn strategy(&self, size: i64) -> Option<&'static str> {
        match self.server_version() {
            ..150_000 => None,
            _ if size < SMALL_BYTES => Some("wal_log"),
            _ => Some("file_copy"),
        }
    }

    /// Makes sure that there is room for this many clones, where the disk can be seen from here.
    ///
    /// # Errors
    /// When there is not, with the figures, or the server refuses.
    pub async fn check_room(&mut self, from: &str, copies: u64) -> Result<(), Error> {
        let size = self.size(from).await?;
        let logged = self.strategy(size) == Some("wal_log");
        let demand = Demand { size: size.unsigned_abs(), copies, logged };
        match space::of(&mut self.connection, &self.target, from).await {
            Some(space) => demand.fits(&space),
            None => Ok(()),
        }
    }

    /// Turns a finished build into a template: renamed, described, closed to sessions.
    /// If another program finished the same template first, the build is dropped.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn keep_as_template(&mut self, token: &Token, template: &str, about: &str) -> Result<(), Error> {
        let build = token.build();
        if self.has_template(template).await? {
            return self.drop_own(token, &build).await;
        }
        let doing = "keep the seeded database as a template";
        self.mark(&build, about).await?;
        self.run(&format!("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", identifier(&build)), doing)
            .await?;
        self.run(&format!("ALTER DATABASE {} RENAME TO {}", identifier(&build), identifier(template)), doing).await
    }

    /// Whether there is a template of this name.
    ///
    /// # Errors
    /// When a database of this name is there that this program did not make.
    pub async fn has_template(&mut self, name: &str) -> Result<bool, Error> {
        match (self.exists(name).await?, self.is_marked(name).await?) {
            (true, false) => Err(Error::NotOurs { name: name.to_owned() }),
            (there, _) => Ok(there),
        }
    }

    /// Drops a database of this very run and ends the sessions in it; no error if it is gone already. Its name holds
    /// the run's token, which nobody else has, so that it is ours even before it is marked.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_own(&mut self, token: &Token, name: &str) -> Result<(), Error> {
        if token.owns(name) { self.drop_it(name).await } else { self.drop_database(name).await }
    }

    /// Drops a database that carries the mark and ends the sessions in it; no error if it is gone already.
    ///
    /// # Errors
    /// When it carries no mark, or the server refuses.
    pub async fn drop_database(&mut self, name: &str) -> Result<(), Error> {
        match (self.exists(name).await?, self.is_marked(name).await?) {
            (false, _) => Ok(()),
            (true, true) => self.drop_it(name).await,
            (true, false) => Err(Error::NotOurs { name: name.to_owned() }),
        }
    }

    async fn drop_it(&mut self, name: &str) -> Result<(), Error> {
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

    /// Drops every database of this very run, finished or not.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_all_of(&mut self, token: &Token) -> Result<(), Error> {
        let names = self.named().await?.into_iter().map(|database| database.name);
        for name in names.filter(|name| token.owns(name)).collect::<Vec<_>>() {
            self.drop_it(&name).await?;
        }
        Ok(())
    }

    /// Every database of this role, or of one whose rights it has, that is named like this program's own, and who uses
    /// it.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn named(&mut self) -> Result<Vec<Named>, Error> {
        let sql = format!(
            "SELECT d.datname::text, {MARKED}, d.datistemplate, substring(d.datname FROM '{WORK}'),
                    (SELECT string_agg(format('%s (process %s)', coalesce(nullif(a.application_name, ''),
                    a.usename::text), a.pid), ', ')
                     FROM pg_stat_activity a
                     WHERE a.datid = d.oid AND a.usesysid IS NOT NULL AND coalesce(a.backend_type,
                     'client backend') = 'client backend'
                       AND a.application_name NOT LIKE 'weighbridge%')
             FROM pg_database d
             WHERE (d.datname ~ '{WORK}' OR starts_with(d.datname::text, '{TEMPLATE}')) AND pg_has_role(d.datdba,
             'USAGE')
             ORDER BY d.datname"
        );
        let rows = query(sql).fetch_all(&mut self.connection).await.map_err(|e| Error::doing("list databases", e))?;
        let named = |row: &PgRow| {
            let (name, marked, is_template) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(Named { name, marked, is_template, token: row.try_get(3)?, in_use: row.try_get(4)? })
        };
        rows.iter().map(named).collect::<Result<_, sqlx::Error>>().map_err(|e| Error::doing("read databases", e))
    }

    /// What runs that are no longer connected have left, with templates whose dropping was cut off.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn left_overs(&mut self) -> Result<LeftOvers, Error> {
        let alive = self.alive().await?;
        let broken = self.broken_templates().await?;
        let mut left = LeftOvers::default();
        for database in self.named().await? {
            let running = database.token.as_ref().is_some_and(|token| alive.contains(token));
            let is_kept = database.token.is_none() && !broken.contains(&database.name);
            match database.marked {
                _ if running => {}
                false => left.unmarked.push(database),
                true if is_kept => {}
                true if database.in_use.is_some() => left.in_use.push(database),
                true => left.ours.push(database.name),
            }
        }
        Ok(left)
    }

    /// The tokens of runs that are connected.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn alive(&mut self) -> Result<Vec<String>, Error> {
        let rows = query(
            "SELECT DISTINCT substr(application_name, 13) FROM pg_stat_activity \
             WHERE application_name LIKE 'weighbridge/%'",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(|e| Error::doing("list sessions", e))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Templates that the server calls invalid (`datconnlimit` of −2, from the minor versions of August 2023 on).
    async fn broken_templates(&mut self) -> Result<Vec<String>, Error> {
        let sql = format!("SELECT datname::text FROM pg_database d WHERE datconnlimit = -2 AND {MARKED}");
        let rows = query(sql).fetch_all(&mut self.connection).await.map_err(|e| Error::doing("list templates", e))?;
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
        let rows = query(format!(
            "SELECT datname::text, {ABOUT}, pg_database_size(oid) FROM pg_database d
             WHERE starts_with(datname::text, '{TEMPLATE}') AND {MARKED} AND pg_has_role(datdba, 'USAGE') ORDER BY oid"
        ))
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

    async fn run(&mut self, sql: &str, doing: &str) -> Result<(), Error> {
        use sqlx::Executor;
        self.connection
            .execute(sqlx::raw_sql(super::sql_text::trusted(sql)))
            .await
            .map(drop)
            .map_err(|e| Error::doing(doing, e))
    }
}
