//! What every test needs: a home of its own for the embedded server, a project to break, a way to run the program.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use tempfile::TempDir;

#[path = "cluster.rs"]
mod cluster;

/// The findings of an id that a comparison lists.
pub fn findings<'j>(trial: &'j Value, id: &str) -> Vec<&'j Value> {
    let all = trial["comparison"]["findings"].as_array().expect("a list of findings");
    all.iter().filter(|finding| finding["id"] == id).collect()
}

/// The claims of an id that a comparison rests on.
pub fn claims<'j>(trial: &'j Value, id: &str) -> Vec<&'j Value> {
    let all = trial["comparison"]["claims"].as_array().expect("a list of claims");
    all.iter().filter(|claim| claim["claim"] == id).collect()
}

/// Tests that measure have the machine to themselves; the others share it.
static MACHINE: RwLock<()> = RwLock::new(());

pub fn measuring() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub fn sharing() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder the server's own user may enter; stops the server and removes everything at the end.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// With a cluster already made, which the first command that needs it starts. Its server keeps nothing through a
    /// loss of power.
    pub fn new() -> Self {
        let home = Self::empty();
        cluster::copy_into(&home.path().join("home"));
        home
    }

    /// Without a cluster: for what happens before or while there is one, and for what depends on its disk.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("wb-").tempdir_in("/tmp").expect("a folder under /tmp");
        open_to_all(folder.path());
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with this home, in an empty folder so that no project file is found.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let work = self.path().join("work");
        std::fs::create_dir_all(&work).expect("a working folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_weighbridge"));
        command.args(arguments).env("WEIGHBRIDGE_HOME", self.path().join("home")).current_dir(work);
        // Servers of tests that run at the same time would reserve all memory.
        command.env("WEIGHBRIDGE_HUGE_PAGES", "off");
        command.stdin(Stdio::null());
        for name in ["DATABASE_URL", "PGPASSWORD", "PGHOST", "PGUSER", "WEIGHBRIDGE_POSTGRES_BIN"] {
            command.env_remove(name);
        }
        // `make test-versions` runs the same tests on another server.
        if let Some(folder) = std::env::var_os("WEIGHBRIDGE_TEST_POSTGRES_BIN") {
            command.env("WEIGHBRIDGE_POSTGRES_BIN", folder);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(self.command(arguments).output().expect("the program runs"))
    }

    /// A shell script that finds the program in its path, with this home.
    pub fn script(&self, path: &Path, arguments: &[&str]) -> Ran {
        let own = Path::new(env!("CARGO_BIN_EXE_weighbridge")).parent().expect("a folder").display().to_string();
        let program = self.command(&[]);
        let mut shell = Command::new("sh");
        shell.arg(path).args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.env("PATH", format!("{own}:{}", std::env::var("PATH").unwrap_or_default()));
        Ran::new(shell.output().expect("a shell"))
    }

    /// The cluster's folder, whatever the major version.
    pub fn cluster(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path().join("home")).expect("the home was made");
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pg")))
            .expect("a cluster was made")
    }

    /// Every database on the running server whose name begins with this.
    pub fn databases(&self, prefix: &str) -> Vec<String> {
        self.query(&format!("SELECT datname::text FROM pg_database WHERE datname LIKE '{prefix}%' ORDER BY 1"))
    }

    /// The first column of a query on the running server's maintenance database.
    pub fn query(&self, sql: &str) -> Vec<String> {
        query(&self.target(), sql)
    }

    pub fn target(&self) -> weighbridge::postgres::Target {
        let url = self.run(&["server", "url"]).ok().stdout;
        let sockets = url.trim().split("host=").nth(1).expect("the URL names the socket").to_owned();
        weighbridge::postgres::Target::new(
            sqlx::postgres::PgConnectOptions::new_without_pgpass()
                .socket(sockets)
                .username("weighbridge")
                .database("postgres"),
        )
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(&["server", "clean", "--all"]).output();
    }
}

pub fn query(target: &weighbridge::postgres::Target, sql: &str) -> Vec<String> {
    use sqlx::Row;
    block_on(async {
        let mut connection = target.connect().await.expect("the server answers");
        let rows = weighbridge::postgres::sql_text::query(sql).fetch_all(&mut connection).await.expect(sql);
        rows.iter().map(|row| row.try_get::<String, _>(0).expect("the first column is text")).collect()
    })
}

/// Runs statements that return nothing worth reading.
pub fn execute(target: &weighbridge::postgres::Target, sql: &str) {
    block_on(async {
        let mut connection = target.connect().await.expect("the server answers");
        let statements = sqlx::raw_sql(weighbridge::postgres::sql_text::trusted(sql));
        sqlx::Executor::execute(&mut connection, statements).await.expect(sql);
    });
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

pub fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("the mode of a new folder");
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// A run that went as planned. A busy machine may have limited it: then, and only then, it exits 3, and its
    /// result says so and names the check.
    #[track_caller]
    pub fn measured(self) -> Self {
        let limited = match serde_json::from_str::<serde_json::Value>(&self.stdout) {
            Ok(result) => {
                let checks = result["evidence"]["checks"].as_array().expect("a result lists its checks");
                let limits = checks.iter().any(|check| check["limits"] == true);
                let expected = if limits { "limited" } else { "passed" };
                assert_eq!(result["verdict"], expected, "{}\n{}", self.stdout, self.stderr);
                limits
            }
            Err(_) => self.stdout.contains("\n  limit:"),
        };
        self.exits(if limited { 3 } else { 0 })
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Every phrase stands on stderr.
    #[track_caller]
    pub fn says(self, phrases: &[&str]) -> Self {
        for phrase in phrases {
            assert!(self.stderr.contains(phrase), "`{phrase}` is not in:\n{}", self.stderr);
        }
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A copy of the tests' small project that a test may change.
pub struct Shop {
    pub folder: PathBuf,
}

impl Shop {
    pub fn new(home: &Home) -> Self {
        let folder = home.path().join("shop");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shop"), &folder);
        Self { folder }
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(name), text).expect("a file of the copied project");
    }

    pub fn change(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.join(name)).expect(name);
        assert!(text.contains(from), "{name} holds `{from}`");
        self.write(name, text.replacen(from, to, 1));
    }

    /// Asks these actions alone: whatever a proof does, it does for each.
    pub fn only(&self, actions: &[&str]) {
        let text = std::fs::read_to_string(self.folder.join("scenario.toml")).expect("a scenario");
        let mut parts = text.split("\n[[action]]\n");
        let head = parts.next().expect("what stands above the actions");
        let kept: Vec<&str> = parts
            .filter(|part| {
                actions.iter().any(|name| part.lines().any(|line| line.replace(' ', "") == format!("name=\"{name}\"")))
            })
            .collect();
        assert_eq!(kept.len(), actions.len(), "{actions:?} are in {text}");
        self.write("scenario.toml", format!("{head}\n[[action]]\n{}", kept.join("\n[[action]]\n")));
    }

    /// `prove` on this project, short: eight chunks of half a second a side, and no isolated timing, unless `more` asks
    /// for it.
    pub fn prove<'a>(&'a self, migration: &'a str, more: &[&'a str]) -> Vec<String> {
        let mut arguments = self.arguments(migration);
        for (flag, value) in [("--rounds", "2"), ("--slice", "250ms")] {
            if !more.contains(&flag) {
                arguments.extend([flag.to_owned(), value.to_owned()]);
            }
        }
        if !more.contains(&"--counts-only") {
            arguments.push("--no-isolated".to_owned());
        }
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        arguments
    }

    /// `prove --quick` on this project.
    pub fn quick(&self, migration: &str, more: &[&str]) -> Vec<String> {
        let mut arguments = self.arguments(migration);
        arguments.push("--quick".to_owned());
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        arguments
    }

    /// `prove --counts-only` on this project.
    pub fn counted<'a>(&'a self, migration: &'a str, more: &[&'a str]) -> Vec<String> {
        let mut arguments = self.arguments(migration);
        arguments.extend(["--counts-only", "--scale", "0.2"].map(str::to_owned));
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        arguments
    }

    /// What every proof of this project is given.
    fn arguments(&self, migration: &str) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut arguments = ["prove", migration].map(str::to_owned).to_vec();
        for (flag, name) in [
            ("--migrations", "migrations"),
            ("--spec", "dataset.toml"),
            ("--scenario", "scenario.toml"),
            ("--results", "results"),
        ] {
            arguments.extend([flag.to_owned(), path(name)]);
        }
        arguments.extend(["--at".to_owned(), "0001".to_owned()]);
        arguments
    }

    pub fn results(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("results")) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

/// A copy of a project of `tests/data/cases` that a test may change.
pub struct Case {
    folder: PathBuf,
}

impl Case {
    pub fn new(home: &Home, name: &str) -> Self {
        let folder = home.path().join(name);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(name), &folder);
        Self { folder }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub fn results(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("results")) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

impl Home {
    pub fn prove(&self, shop: &Shop, migration: &str, more: &[&str]) -> Ran {
        self.run_all(&shop.prove(migration, more))
    }

    /// Without a load; several seconds cheaper, and nothing depends on the machine's speed.
    pub fn counted(&self, shop: &Shop, migration: &str, more: &[&str]) -> Ran {
        self.run_all(&shop.counted(migration, more))
    }

    pub fn run_all(&self, arguments: &[String]) -> Ran {
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder for the copy");
    for entry in std::fs::read_dir(from).expect("the fixture").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}

/// One action of the comparison of a trial.
pub fn action_of<'j>(trial: &'j serde_json::Value, name: &str) -> &'j serde_json::Value {
    let actions = trial["comparison"]["actions"].as_array().unwrap();
    actions.iter().find(|action| action["name"] == name).unwrap_or_else(|| panic!("{name} is in {actions:?}"))
}
