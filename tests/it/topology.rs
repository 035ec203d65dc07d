//! Load on servers as users have them: a primary with a streaming replica, encryption and passwords. Must reach
//! loopback only.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use weighbridge::postgres::Target;
use weighbridge::postgres::server::find_binaries;

use crate::bank::{Going, action, file, number};
use crate::read_only::SNEAKY;
use crate::support::{Home, Ran, block_on, query, sharing};

/// A server of the tests' own, ended with the test.
struct Server {
    data: PathBuf,
    sockets: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Who a server runs as: root may not run one.
fn account(home: &Home) -> Option<(u32, u32)> {
    // The embedded server has found somebody already.
    home.run(&["server", "start"]).ok();
    let facts = std::fs::metadata(home.cluster().join("data")).unwrap();
    rustix::process::geteuid().is_root().then(|| (facts.uid(), facts.gid()))
}

fn command(program: &str, account: Option<(u32, u32)>) -> Command {
    let mut command =
        Command::new(find_binaries(None).expect("PostgreSQL is needed: make postgresql").bin.join(program));
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid).env("HOME", "/");
    }
    command
}

impl Server {
    /// A new cluster in a folder, not started yet; connections over the socket need no password.
    fn create(home: &Home, name: &str) -> Self {
        let account = account(home);
        let folder = home.path().join(name);
        let sockets = folder.join("s");
        std::fs::create_dir_all(&sockets).unwrap();
        for path in [&folder, &sockets] {
            let (uid, gid) = account.unzip();
            chown(path, uid, gid).unwrap();
        }
        let data = folder.join("data");
        let mut initdb = command("initdb", account);
        initdb.args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(&data);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { data, sockets, port, child: None };
        server.configure("wal_level = replica\nmax_wal_senders = 4\nshared_buffers = 32MB\nfsync = off\n");
        server
    }

    fn configure(&self, lines: &str) {
        let path = self.data.join("postgresql.conf");
        let known = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, known + "\n" + lines).unwrap();
    }

    /// Starts it and waits until it answers.
    fn start(&mut self) {
        let facts = std::fs::metadata(&self.data).unwrap();
        let account = rustix::process::geteuid().is_root().then(|| (facts.uid(), facts.gid()));
        let mut postgres = command("postgres", account);
        postgres.arg("-D").arg(&self.data).args(["-c", "listen_addresses=127.0.0.1"]);
        postgres.args(["-c", &format!("unix_socket_directories={}", self.sockets.display())]);
        postgres.args(["-c", &format!("port={}", self.port)]);
        self.child = Some(postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let target = self.target("postgres");
        for _ in 0..600 {
            if block_on(async { target.connect().await.is_ok() }) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the server in {} did not start within 30 s", self.data.display());
    }

    fn signal(&mut self, signal: &str) {
        let mut child = self.child.take().expect("it runs");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        child.wait().unwrap();
    }

    /// A replica of it that streams; the primary must be stopped, so that its folder can be copied.
    fn replica(&self, home: &Home, name: &str, more: &str) -> Self {
        let folder = home.path().join(name);
        let sockets = folder.join("s");
        std::fs::create_dir_all(&sockets).unwrap();
        let copied = Command::new("cp").arg("-a").arg(&self.data).arg(folder.join("data")).status().unwrap();
        assert!(copied.success());
        let facts = std::fs::metadata(&self.data).unwrap();
        for path in [&folder, &sockets] {
            chown(path, Some(facts.uid()), Some(facts.gid())).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { data: folder.join("data"), sockets, port, child: None };
        std::fs::write(server.data.join("standby.signal"), "").unwrap();
        let upstream = format!("host={} port={} user=postgres", self.sockets.display(), self.port);
        server.configure(&format!("primary_conninfo = '{upstream}'\nhot_standby = on\n{more}"));
        server
    }

    fn target(&self, database: &str) -> Target {
        Target::from_url(&self.url(database)).unwrap()
    }

    fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@localhost:{}/{database}?host={}", self.port, self.sockets.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal("-QUIT");
        }
    }
}

const NOTES: &str = "
CREATE TABLE notes (id bigserial PRIMARY KEY, body text NOT NULL, standby text);
INSERT INTO notes (body) SELECT 'note ' || n FROM generate_series(1, 100) n;
";

const SPLIT: &str = r#"
name = "split"
[load]
clients = 4
[[action]]
name   = "where"
target = "replica"
[[action.step]]
sql = "SELECT pg_is_in_recovery()::text AS standby"
[[action.step]]
sql    = "INSERT INTO notes (body, standby) VALUES ('seen', :standby)"
target = "primary"
[[action]]
name = "post_and_look"
[[action.step]]
sql = "INSERT INTO notes (body) VALUES ('new') RETURNING id AS note"
[[action.step]]
sql    = "SELECT body FROM notes WHERE id = :note"
target = "replica"
"#;

fn made(sql: &str, target: &Target) {
    block_on(async {
        let mut connection = target.connect().await.unwrap();
        sqlx::Executor::execute(&mut connection, sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await.unwrap();
    });
}

fn json(ran: &Ran) -> Value {
    ran.json()
}

#[test]
fn reads_go_to_the_replica_its_lag_and_what_it_misses_are_told_and_its_death_is_survived() {
    let _machine = sharing();
    let home = Home::new();
    let mut primary = Server::create(&home, "primary");
    primary.start();
    made(NOTES, &primary.target("postgres"));
    primary.signal("-INT");
    // What is committed is to be seen there a third of a second later.
    let mut replica = primary.replica(&home, "replica", "recovery_min_apply_delay = '300ms'\n");
    primary.start();
    replica.start();
    let scenario = file(&home, "split.toml", SPLIT);
    let urls = (primary.url("postgres"), replica.url("postgres"));
    let run = |more: &[&str]| {
        let given = ["run", &scenario, "--url", &urls.0, "--replica", &urls.1, "--allow-writes", "--warm-up", "0s"];
        [&given[..], &["--format", "json"], more].concat().iter().map(|a| (*a).to_owned()).collect::<Vec<String>>()
    };
    let words = |arguments: &[String]| -> Ran { home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) };
    let found = words(&run(&["-T", "2s", "--gate", "replica.lag < 10s", "--gate", "misses < 100%"])).measured();
    let found = json(&found);
    let evidence = &found["evidence"];
    assert_eq!(evidence["failures"], serde_json::json!({}));
    let standby = "SELECT DISTINCT standby FROM notes WHERE standby IS NOT NULL";
    assert_eq!(query(&primary.target("postgres"), standby), ["true"], "the replica answered");
    let posted = action(&found, "post_and_look");
    assert!(10 < number(posted, "ok"), "{posted}");
    assert_eq!(number(posted, "misses"), number(posted, "ok"), "nothing is there within 300 ms: {posted}");
    assert_eq!(number(action(&found, "where"), "misses"), 0);
    let lag = evidence["replicas"][0]["lag"]["us_max"].as_f64().unwrap();
    assert!((250_000.0..5_000_000.0).contains(&lag), "{lag} µs");
    let late = words(&run(&["-T", "1s", "--gate", "replica.lag < 100ms"])).exits(1);
    assert_eq!(json(&late)["evidence"]["gates"][0]["holds"], false);
    // Without a replica nobody is asked in its place.
    home.run(&["run", &scenario, "--url", &urls.0, "--allow-writes"]).exits(2).says(&["--replica"]);

    let arguments = run(&["-T", "6s", "-P", "250ms"]);
    let mut going = Going::start(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    going.until("/s  p50");
    replica.signal("-QUIT");
    going.until("failed");
    replica.start();
    let ran = going.end();
    let found = json(&ran);
    let evidence = &found["evidence"];
    let lost = evidence["failures"]["connection"]["count"].as_u64().unwrap_or(0)
        + evidence["failures"]["57P02"]["count"].as_u64().unwrap_or(0);
    assert!(0 < lost, "{}", evidence["failures"]);
    assert!(0 < number(&evidence["driver"], "reconnects"), "{}", evidence["driver"]);
    assert!(0 < number(&evidence["replicas"][0], "unreachable"), "{}", evidence["replicas"]);
    let all = &evidence["all"];
    assert_eq!(number(all, "due"), number(all, "ok") + number(all, "failed") + number(all, "skipped"));
    let last = evidence["intervals"].as_array().unwrap().iter().rev().find(|i| 0.2 < i["length_s"].as_f64().unwrap());
    assert!(0 < number(last.unwrap(), "ok"), "it goes on: {last:?}");
}

#[test]
fn a_server_may_ask_for_encryption_and_a_password_in_every_way_libpq_knows() {
    let _machine = sharing();
    let home = Home::new();
    let mut server = Server::create(&home, "secured");
    let facts = std::fs::metadata(&server.data).unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let private = |path: &Path, text: &str| {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    for (name, text) in
        [("server.crt", certificate.cert.pem()), ("server.key", certificate.signing_key.serialize_pem())]
    {
        let path = server.data.join(name);
        private(&path, &text);
        chown(path, Some(facts.uid()), Some(facts.gid())).unwrap();
    }
    server.configure("ssl = on\n");
    let hba = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(server.data.join("pg_hba.conf"), hba).unwrap();
    server.start();
    made("CREATE ROLE anna LOGIN PASSWORD 's3cret'", &server.target("postgres"));
    // Divides by zero where the session is not encrypted.
    let encrypted =
        file(&home, "encrypted.sql", "SELECT 1 / ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid();\n");
    let root = file(&home, "root.crt", &certificate.cert.pem());
    let passfile = home.path().join("pgpass");
    private(&passfile, &format!("127.0.0.1:{}:*:anna:s3cret\n", server.port));
    let more = ["-f", &encrypted, "-c", "2", "-n", "20", "--warm-up", "0s", "--format", "json"];
    let at = |query: &str| format!("postgresql://anna@127.0.0.1:{}/postgres{query}", server.port);
    let ways: [(String, Vec<(&str, String)>); 3] = [
        (at("?sslmode=require"), vec![("PGPASSWORD", "s3cret".to_owned())]),
        (at("?sslmode=require"), vec![("PGPASSFILE", passfile.display().to_string())]),
        (
            format!("postgresql://anna:s3cret@localhost:{}/postgres?sslmode=verify-full", server.port),
            vec![("PGSSLROOTCERT", root)],
        ),
    ];
    for (url, environment) in ways {
        let mut command = home.command(&[&["run", "--url", &url], &more[..]].concat());
        command.envs(environment);
        let found = Ran::new(command.output().unwrap()).measured().json();
        assert_eq!(number(&found["evidence"]["all"], "ok"), 20, "{url}");
        assert_eq!(found["evidence"]["failures"], serde_json::json!({}), "{url}");
        assert!(!found.to_string().contains("s3cret"), "no password is kept");
    }
    // What may not write does not write over an encrypted connection either, and a service file names it as well.
    made(&format!("{SNEAKY} GRANT ALL ON written TO anna"), &server.target("postgres"));
    let sneaky = file(&home, "sneaky.sql", "SELECT sneaky();\n");
    let port = server.port;
    let service =
        format!("[prod]\nhost=127.0.0.1\nport={port}\ndbname=postgres\nuser=anna\npassword=s3cret\nsslmode=require\n");
    let services = file(&home, "services", &service);
    for url in ["service=prod", "postgresql:///?service=prod"] {
        let mut command = home.command(&["run", "--url", url, "-f", &sneaky, "-c", "2", "-n", "20", "--warm-up", "0s"]);
        let ran = Ran::new(command.env("PGSERVICEFILE", &services).output().unwrap()).exits(2);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
        ran.says(&["turns default_transaction_read_only off"]);
    }
    assert_eq!(query(&server.target("postgres"), "SELECT count(*)::text FROM written"), ["0"]);
    let url = format!("postgresql://anna:s3cret@127.0.0.1:{port}/postgres?sslmode=require");
    let in_sight =
        home.run(&["run", "--url", &url, "-f", &encrypted, "-c", "2", "-n", "20", "--warm-up", "0s"]).measured();
    assert!(!in_sight.stderr.contains("s3cret"), "{}", in_sight.stderr);
    in_sight.says(&["warning: every user of this machine can read the password in --url", "DATABASE_URL"]);
    let wrong = home.run(&["run", "--url", &at("?sslmode=require"), "-f", &encrypted]).exits(4);
    wrong.says(&["check user and password"]);
    home.run(&["run", "--url", &at("?sslmode=disable"), "-f", &encrypted]).exits(4).says(&["pg_hba.conf"]);
}
