//! A small bank that runs are driven against: its database, its scripts, and a run that goes on while a test looks on.
//! Must hold no test.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Stdio};

use serde_json::Value;
use weighbridge::postgres::Target;

use crate::support::{Home, Ran, block_on, query};

/// A running server with a database `bank`: accounts with a balance each, and a history.
pub fn bank(home: &Home) -> Target {
    home.run(&["server", "start"]).ok();
    let target = home.target();
    query(&target, "SELECT ''::text");
    block_on(async {
        let mut admin = weighbridge::postgres::database::Admin::connect(&target).await.unwrap();
        admin.create("bank").await.unwrap();
        let bank = target.database("bank");
        let mut connection = bank.connect().await.unwrap();
        let sql = "CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL, balance int NOT NULL DEFAULT 0);
                   CREATE TABLE history (id bigserial PRIMARY KEY, account int NOT NULL, delta int NOT NULL, note text);
                   INSERT INTO accounts SELECT n, 'owner ' || n FROM generate_series(1, 100) n;
                   ANALYZE;";
        sqlx::Executor::execute(&mut connection, sqlx::raw_sql(sql)).await.unwrap();
        bank
    })
}

pub fn one(target: &Target, sql: &str) -> i64 {
    query(target, &format!("SELECT ({sql})::text"))[0].parse().unwrap()
}

pub fn file(home: &Home, name: &str, text: &str) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A run on the embedded server without warm-up.
pub fn run(home: &Home, more: &[&str]) -> Ran {
    home.run(&[&["run", "--database", "bank", "--warm-up", "0s", "--format", "json"], more].concat())
}

pub fn action<'j>(run: &'j Value, name: &str) -> &'j Value {
    let actions = run["evidence"]["actions"].as_array().unwrap();
    actions.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("{name} is in {actions:?}"))
}

pub fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

pub const TRANSFER: &str = "\
\\set id random(1, 100 * :scale)
\\set delta random(-50, 50)
BEGIN;
UPDATE accounts SET balance = balance + :delta WHERE id = :id;
SELECT balance AS now FROM accounts WHERE id = :id \\gset
\\if :now < 0
INSERT INTO history (account, delta, note) VALUES (:id, :delta, 'below');
\\else
INSERT INTO history (account, delta, note) VALUES (:id, :delta, 'above');
\\endif
END;
";

/// A run that goes on while the test does something to its server.
pub struct Going {
    pub child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Going {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads progress until a line holds the words.
    #[track_caller]
    pub fn until(&mut self, words: &str) {
        assert!(self.lines.by_ref().map_while(Result::ok).any(|line| line.contains(words)), "`{words}` never came");
    }

    /// What it printed since, and how it ended.
    pub fn end(mut self) -> Ran {
        let lines = self.lines;
        // Both at once, for a pipe holds only so much.
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        let mut stdout = String::new();
        let pipe = self.child.stdout.as_mut().expect("stdout is a pipe");
        std::io::Read::read_to_string(pipe, &mut stdout).unwrap();
        Ran { code: self.child.wait().unwrap().code(), stdout, stderr: rest.join().unwrap() }
    }
}

/// The folder of the newest result in a folder of results.
pub fn newest(results: &std::path::Path) -> std::path::PathBuf {
    let folders = std::fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    folders.max_by_key(|path| std::fs::metadata(path.join("run.json")).unwrap().modified().unwrap()).unwrap()
}
