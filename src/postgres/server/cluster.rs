//! A data directory of our own and the server on it. Must leave it usable whenever the program dies.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Row};
use tokio::process::Command;

use super::binaries::Installation;
use super::huge_pages::{HugePages, NotReserved, Pages, Pool, uses_huge_pages};
use super::{Lease, ServerError};
use crate::postgres::sql_text::query;
use crate::postgres::{Target, space};
use crate::units::bytes_text;

/// The superuser of the embedded server.
const USER: &str = "weighbridge";

/// Bytes below which a server that does not start, or ends, does so for want of space: two segments of its log.
const FULL: u64 = 32 << 20;

/// Bytes that are kept back, so that a server on a full disk can be started once more to drop what fills it.
const KEPT_BACK: u64 = 48 << 20;

/// Longest path of a Unix socket, less the server's own `/.s.PGSQL.5432` and a reserve.
const LONGEST_SOCKET_FOLDER: usize = 85;

/// The server's own default, whatever was set while operations were counted.
pub const IMAGES_ON: &str = "ALTER SYSTEM RESET full_page_writes";

/// No full-page images until they are turned on again.
pub const IMAGES_OFF: &str = "ALTER SYSTEM SET full_page_writes = off";

/// A private cluster: where it is, how to run it.
#[derive(Debug, Clone)]
pub struct Cluster {
    installation: Installation,
    folder: PathBuf,
    sockets: PathBuf,
    run_as: Option<Account>,
    huge_pages: HugePages,
}

#[derive(Debug, Clone)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

/// What a cluster is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// No data directory yet.
    Absent,
    /// Made, but not running.
    Stopped,
    /// Running.
    Running,
}

impl Cluster {
    /// The cluster of this installation's major version under `home`. Makes nothing but folders.
    ///
    /// # Errors
    /// When the home folder cannot be made or reached by the user the server runs as.
    pub fn open(home: &Path, installation: Installation) -> Result<Self, ServerError> {
        std::fs::create_dir_all(home).map_err(io("make the folder", home))?;
        let home = home.canonicalize().map_err(io("find", home))?;
        let run_as = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        if let Some(account) = &run_as {
            reachable(&home, account)?;
        }
        let folder = home.join(format!("pg{}", installation.major));
        let own = folder.join("run");
        let sockets = if own.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            own
        } else {
            // Sun's limit of 107 bytes for a socket's path; the folder's own numbers make a short, steady name.
            let facts = std::fs::metadata(&home).map_err(io("look at", &home))?;
            PathBuf::from(format!("/tmp/weighbridge-{:x}-{:x}-{}", facts.dev(), facts.ino(), installation.major))
        };
        Ok(Self { installation, folder, sockets, run_as, huge_pages: HugePages::default() })
    }

    /// The same with huge pages as asked, from its next start on.
    #[must_use]
    pub fn with_huge_pages(self, huge_pages: HugePages) -> Self {
        Self { huge_pages, ..self }
    }

    /// The binaries it runs on.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Its folder: data, sockets, log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How to reach it.
    #[must_use]
    pub fn target(&self) -> Target {
        let options =
            PgConnectOptions::new_without_pgpass().socket(&self.sockets).port(5432).username(USER).database("postgres");
        Target::new(options)
    }

    /// A URL that psql understands.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://{USER}@localhost/postgres?host={}", self.sockets.display())
    }

    /// What it is doing now.
    ///
    /// # Errors
    /// When `pg_ctl` cannot be run.
    pub async fn status(&self) -> Result<Status, ServerError> {
        if !self.data().join("PG_VERSION").is_file() {
            return Ok(Status::Absent);
        }
        let output = self.run("pg_ctl", &["status", "-D", &self.data().to_string_lossy()]).await?;
        Ok(if output.status.success() { Status::Running } else { Status::Stopped })
    }

    /// Starts the server if it is not running; makes the cluster first if there is none.
    /// Only under the lease. `keep` marks it as meant to outlive this program.
    ///
    /// # Errors
    /// When `initdb` or the server fails; the message holds the end of its log.
    pub async fn start(&self, lease: &Lease, keep: bool) -> Result<Target, ServerError> {
        if self.status().await? == Status::Absent {
            self.init().await?;
        }
        if self.status().await? != Status::Running {
            // A mark from before a reboot says nothing of the server we are about to start.
            let _ = std::fs::remove_file(self.keep_mark());
            // Those of a server that was killed.
            self.pool().give_back();
        }
        if keep {
            let path = self.keep_mark();
            std::fs::File::create(&path).map_err(io("write", &path))?;
        }
        let target = self.target();
        // After a crash of the server its children may hold the shared memory a moment longer, and a
        // server asked to stop may still be stopping; both pass by themselves.
        let mut attempt = 0;
        loop {
            if self.status().await? == Status::Running && with_images(&target).await {
                self.check_huge_pages()?;
                return Ok(target);
            }
            let error = match self.launch().await {
                Ok(()) => {
                    self.keep_back();
                    with_images(&target).await;
                    if let Err(error) = self.check_huge_pages() {
                        self.stop(lease).await?;
                        return Err(error);
                    }
                    return Ok(target);
                }
                Err(error) => error,
            };
            self.pool().give_back();
            if attempt == 40 || matches!(error, ServerError::Full { .. }) {
                return Err(error);
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// The same on a disk that is full: what was kept back is given up for it, until the server is started again with
    /// space.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_to_clean(&self, lease: &Lease) -> Result<Target, ServerError> {
        match self.start(lease, false).await {
            Err(ServerError::Full { .. }) if self.kept_back().exists() => {
                let _ = std::fs::remove_file(self.kept_back());
                self.start(lease, false).await
            }
            started => started,
        }
    }

    /// That the disk is full, if it is so full that the server cannot work.
    #[must_use]
    pub fn fullness(&self) -> Option<ServerError> {
        let free = space::free(&self.folder).filter(|free| *free < FULL)?;
        Some(ServerError::Full { path: self.folder.clone(), free: bytes_text(free), reason: String::new() })
    }

    fn kept_back(&self) -> PathBuf {
        self.folder.join("kept-back")
    }

    /// Keeps space back, where there is plenty. Without it a server on a full disk may only be removed as a whole, so a
    /// failure is none.
    fn keep_back(&self) {
        let path = self.kept_back();
        let plenty = space::free(&self.folder).is_some_and(|free| free > 4 * KEPT_BACK);
        if path.exists() || !plenty {
            return;
        }
        let made = std::fs::File::create(&path)
            .is_ok_and(|file| rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, KEPT_BACK).is_ok());
        if !made {
            let _ = std::fs::remove_file(&path);
        }
    }

    /// Whether `server start` asked for it to stay.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.keep_mark().exists()
    }

    /// Stops the server and waits until it has ended. Only under the lease.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&self, _lease: &Lease) -> Result<(), ServerError> {
        let _ = std::fs::remove_file(self.keep_mark());
        if self.status().await? != Status::Running {
            self.pool().give_back();
            return Ok(());
        }
        // A server asked to stop in the middle of crash recovery may wait for ever.
        drop(self.target().connect().await);
        let data = self.data();
        let stop = async |mode| {
            self.run("pg_ctl", &["stop", "-D", &data.to_string_lossy(), "-m", mode, "-w", "-t", "60", "-s"]).await
        };
        if !stop("fast").await?.status.success() {
            let output = stop("immediate").await?;
            // One that was killed a moment ago needs no stopping.
            if !output.status.success() && self.status().await? == Status::Running {
                return Err(self.failed("pg_ctl", &output));
            }
        }
        self.pool().give_back();
        Ok(())
    }

    /// Asks the server to stop and does not wait: for the way out after Ctrl-C.
    pub async fn stop_soon(&self) {
        let data = self.data();
        let _ = self.run("pg_ctl", &["stop", "-D", &data.to_string_lossy(), "-m", "fast", "-W", "-s"]).await;
        // The kernel takes those in use back as the server ends.
        self.pool().give_back();
    }

    /// Removes the cluster and everything in it. Only under the lease, and stopped.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn remove(&self, lease: &Lease) -> Result<(), ServerError> {
        self.stop(lease).await?;
        for path in [&self.folder, &self.sockets] {
            if path.exists() {
                std::fs::remove_dir_all(path).map_err(io("remove", path))?;
            }
        }
        Ok(())
    }

    /// In which pages the shared memory of the running server is.
    #[must_use]
    pub fn pages(&self) -> Pages {
        let (pool, huge) = (self.pool(), self.postmaster().and_then(uses_huge_pages));
        let (page_bytes, added) = (pool.page_bytes(), pool.added());
        let not_reserved = match (page_bytes, added) {
            _ if huge == Some(true) || self.huge_pages == HugePages::Off => None,
            (None, _) => Some(NotReserved::Unknown),
            _ if !pool.may_add() => Some(NotReserved::Rights),
            _ => Some(NotReserved::Memory),
        };
        let wanted = page_bytes.map(|bytes| pool.reserved().unwrap_or_default() + self.estimated_pages(bytes));
        Pages { huge, reserved_bytes: added * page_bytes.unwrap_or_default(), not_reserved, wanted }
    }

    fn pool(&self) -> Pool {
        Pool::of_cluster(&self.folder)
    }

    /// The server's first process.
    fn postmaster(&self) -> Option<u32> {
        std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Reserves pages for the shared memory, where they are wanted and may be had.
    async fn reserve(&self) {
        let pool = self.pool();
        let Some(page_bytes) = pool.page_bytes().filter(|_| self.huge_pages != HugePages::Off && pool.may_add()) else {
            return;
        };
        // From 15 on the server says it, while it does not run.
        let data = self.data();
        let name = "shared_memory_size_in_huge_pages";
        let output = self.run("postgres", &["-D", &data.to_string_lossy(), "-C", name]).await.ok();
        let pages = output.and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().ok());
        // Refused, the server starts on small ones.
        let _ = pool.add(pages.filter(|pages| *pages > 0).unwrap_or_else(|| self.estimated_pages(page_bytes)));
    }

    /// Pages that the shared memory takes: the buffers, a 20th for what describes them, and a little for the rest.
    fn estimated_pages(&self, page_bytes: u64) -> u64 {
        let buffers = shared_buffers_mib() << 20;
        (buffers + buffers / 20 + (32 << 20)).div_ceil(page_bytes)
    }

    /// That the server has huge pages where they were asked for. What was reserved and is not used is given back.
    fn check_huge_pages(&self) -> Result<(), ServerError> {
        let pages = self.pages();
        if pages.huge == Some(true) || pages.huge.is_none() && self.huge_pages != HugePages::On {
            return Ok(());
        }
        self.pool().give_back();
        if self.huge_pages != HugePages::On {
            return Ok(());
        }
        let wanted = pages.wanted.unwrap_or_default();
        let (why, help) = match pages.not_reserved {
            Some(NotReserved::Rights) => {
                ("only root may reserve them".to_owned(), format!("sudo sysctl -w vm.nr_hugepages={wanted}"))
            }
            Some(NotReserved::Memory) if self.is_kept() => {
                ("it was started without them".to_owned(), "weighbridge server stop, and start it again".to_owned())
            }
            Some(NotReserved::Memory) => (
                "too little memory is available: half of it must stay so".to_owned(),
                format!("end what uses memory, or sudo sysctl -w vm.nr_hugepages={wanted}"),
            ),
            Some(NotReserved::Unknown) | None => {
                ("this system has none, or does not show them".to_owned(), "run it on Linux".to_owned())
            }
        };
        Err(ServerError::NoHugePages { why, help })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn keep_mark(&self) -> PathBuf {
        self.folder.join("keep-running")
    }

    /// Makes the data directory beside its place and moves it there, so that a kill leaves no half one.
    async fn init(&self) -> Result<(), ServerError> {
        self.own_folder(&self.folder, 0o711)?;
        let fresh = self.folder.join("data.new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(io("remove", &fresh))?;
        }
        let fresh_text = fresh.to_string_lossy();
        let arguments = ["-D", &fresh_text, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"];
        let output = self.run("initdb", &arguments).await?;
        if !output.status.success() {
            let _ = std::fs::remove_dir_all(&fresh);
            return Err(self.failed("initdb", &output));
        }
        self.append(&fresh.join("postgresql.conf"), "\ninclude 'weighbridge.conf'\n")?;
        self.write_settings(&fresh)?;
        std::fs::rename(&fresh, self.data()).map_err(io("move", &fresh))
    }

    async fn launch(&self) -> Result<(), ServerError> {
        self.own_folder(&self.sockets, 0o700)?;
        self.write_settings(&self.data())?;
        self.reserve().await;
        // The log is only read back for error messages; one start per file keeps them about this start.
        let log = self.log();
        let _ = std::fs::remove_file(&log);
        let (data, log_text) = (self.data(), log.to_string_lossy().into_owned());
        let data = data.to_string_lossy();
        let output = self.run("pg_ctl", &["start", "-D", &data, "-l", &log_text, "-w", "-t", "60", "-s"]).await?;
        if output.status.success() { Ok(()) } else { Err(self.failed("the PostgreSQL server", &output)) }
    }

    /// Settings that make measurements repeatable; each is stored with every result.
    fn write_settings(&self, data: &Path) -> Result<(), ServerError> {
        let buffers = shared_buffers_mib();
        let huge_pages = if self.huge_pages == HugePages::Off { "off" } else { "try" };
        let sockets = self.sockets.to_string_lossy().replace('\'', "''");
        let text = format!(
            "# Written by weighbridge at every start; changes are lost.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
port = 5432
max_connections = 200
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 10000
track_io_timing = on
shared_buffers = {buffers}MB
# Two clones differ by less than half as much on them.
huge_pages = {huge_pages}
effective_cache_size = {cache}MB
maintenance_work_mem = 256MB
# No replica, and checkpoints only when we ask: where one falls would outweigh an index.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 16GB
checkpoint_timeout = 1h
# We vacuum and analyze at known moments; a worker waking up in one slice would be noise.
autovacuum = off
timezone = 'UTC'
lc_messages = 'C'
log_min_messages = warning
",
            cache = buffers * 3,
        );
        let path = data.join("weighbridge.conf");
        let mut old = String::new();
        if let Ok(found) = std::fs::read_to_string(&path) {
            old = found;
        }
        if old == text {
            return Ok(());
        }
        let _ = std::fs::remove_file(&path);
        self.append(&path, &text)
    }

    fn append(&self, path: &Path, text: &str) -> Result<(), ServerError> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(io("write", path))?;
        file.write_all(text.as_bytes()).map_err(io("write", path))?;
        self.give(path)
    }

    fn own_folder(&self, path: &Path, mode: u32) -> Result<(), ServerError> {
        std::fs::create_dir_all(path).map_err(io("make the folder", path))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io("set the mode of", path))?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> Result<(), ServerError> {
        match &self.run_as {
            Some(account) => chown(path, Some(account.uid), Some(account.gid)).map_err(io("give away", path)),
            None => Ok(()),
        }
    }

    /// Runs a server program as the user that owns the cluster, without the caller's `PG*` variables.
    async fn run(&self, program: &'static str, arguments: &[&str]) -> Result<Output, ServerError> {
        let path = self.installation.bin.join(program);
        let mut command = Command::new(&path);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).current_dir("/").env("LC_ALL", "C");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(account) = &self.run_as {
            command.uid(account.uid).gid(account.gid).env("HOME", "/");
        }
        // The server inherits what pg_ctl was given; its own process group keeps our Ctrl-C from it.
        command.process_group(0);
        let output = if program == "pg_ctl" && arguments.first() == Some(&"start") {
            // The server would hold a pipe open for its whole life and we would wait for its end.
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.status().await.map(|status| Output { status, stdout: Vec::new(), stderr: Vec::new() })
        } else {
            command.output().await
        };
        output.map_err(io("run", &path))
    }

    fn failed(&self, program: &'static str, output: &Output) -> ServerError {
        let mut reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if let Ok(log) = std::fs::read_to_string(self.log()) {
            let lines: Vec<&str> = log.lines().collect();
            reason.push('\n');
            reason.push_str(&lines[lines.len().saturating_sub(8)..].join("\n"));
        }
        let said_so = reason.contains("No space left");
        let free = space::free(&self.folder).unwrap_or(u64::MAX);
        if said_so || free < FULL {
            let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
            return ServerError::Full { path: self.folder.clone(), free: bytes_text(free), reason };
        }
        let help = if reason.contains("pg_stat_statements") {
            "install the contrib modules of this version (Fedora: postgresql-contrib)".to_owned()
        } else {
            "if the cluster itself is damaged, `weighbridge server clean --all` removes it; nothing in it is yours"
                .to_owned()
        };
        ServerError::Program { program, reason, help }
    }
}

/// Turns full-page images on where a program that died while it counted has left them off; whether the server answers.
async fn with_images(target: &Target) -> bool {
    let Ok(mut connection) = target.connect().await else { return false };
    let off = "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'full_page_writes' AND setting = 'off')";
    let is_off = query(off).fetch_one(&mut connection).await.and_then(|row| row.try_get::<bool, _>(0));
    if is_off.unwrap_or_default() {
        for sql in [IMAGES_ON, "SELECT pg_reload_conf()"] {
            let _ = query(sql).execute(&mut connection).await;
        }
    }
    let _ = connection.close().await;
    true
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::Io { doing, path, source }
}

/// The user a server started by root runs as.
fn unprivileged() -> Result<Account, ServerError> {
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(io("read", Path::new("/etc/passwd")))?;
    let find = |wanted: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| *name == wanted)?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name: name.to_owned(), uid, gid })
        })
    };
    find("postgres").or_else(|| find("nobody")).ok_or(ServerError::NoUser)
}

/// Every folder on the way must let the account pass.
fn reachable(home: &Path, account: &Account) -> Result<(), ServerError> {
    for folder in home.ancestors() {
        let Ok(facts) = std::fs::metadata(folder) else { continue };
        let bit = if facts.uid() == account.uid {
            0o100
        } else if facts.gid() == account.gid {
            0o010
        } else {
            0o001
        };
        if facts.mode() & bit == 0 {
            return Err(ServerError::Unreachable { user: account.name.clone(), path: folder.to_owned() });
        }
    }
    Ok(())
}

/// Shared buffers of the server, in MiB.
fn shared_buffers_mib() -> u64 {
    (memory_bytes() / 8).clamp(128 << 20, 2 << 30) >> 20
}

/// Physical memory, or 2 GiB when the system does not say.
fn memory_bytes() -> u64 {
    let read = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    read().unwrap_or(2 << 30)
}
