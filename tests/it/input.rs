//! Bad input, each with a clear message, a place and the right exit code.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{Home, Shop, query, sharing};

/// Mistakes that are found before any server is started.
#[track_caller]
fn check(break_it: impl FnOnce(&Shop), migration: &str, phrases: &[&str]) {
    let home = Home::empty();
    let shop = Shop::new(&home);
    break_it(&shop);
    let ran = home.prove(&shop, migration, &[]);
    ran.exits(2).says(phrases);
    assert!(!home.path().join("home").exists(), "no server was needed to say so");
}

#[test]
fn scenario_files() {
    let scenario = |from: &'static str, to: &'static str| move |shop: &Shop| shop.change("scenario.toml", from, to);
    check(
        scenario("weight = 60", "wieght = 60"),
        "0002",
        &["unknown key `wieght`", "did you mean `weight`?", "scenario.toml:10:1"],
    );
    check(
        scenario(":user ORDER", ":usr ORDER"),
        "0002",
        &["unknown parameter `:usr`", "did you mean `:user`?", "scenario.toml:11:67"],
    );
    check(
        scenario("user_id = :user ORDER BY id", "true"),
        "0002",
        &["the parameter `user` is never used", "scenario.toml:12"],
    );
    check(scenario("weight = 60", "weight = 0"), "0002", &["`weight` must be above 0", "scenario.toml:10"]);
    check(scenario("rate        = 120", "rate = 0"), "0002", &["`rate` must be above 0", "scenario.toml:5"]);
    check(
        |shop| shop.write("scenario.toml", b"name = \"caf\xe9\"\n"),
        "0002",
        &["is not UTF-8", "offset 11", "line 1"],
    );
    // Several mistakes in several files come together.
    check(
        |shop| {
            shop.change("scenario.toml", "weight = 60", "weight = 0");
            shop.change("scenario.toml", "rate        = 120", "rate = -1");
            shop.change("dataset.toml", "span = \"2y\"", "span = \"two years\"");
        },
        "0002",
        &["`weight` must be above 0", "`rate` must be above 0", "dataset.toml:3"],
    );
}

#[test]
fn migrations() {
    check(|_| {}, "0009", &["there is no migration `0009`", "0002_changes_nothing"]);
    check(|_| {}, "0001", &["0001_shop cannot be proven", "--at"]);
    check(
        |shop| std::fs::remove_file(shop.folder.join("migrations/0002_changes_nothing.down.sql")).unwrap(),
        "0002",
        &["0002_changes_nothing.up.sql has no", "0002_changes_nothing.down.sql beside it", "--forward-only"],
    );
}

#[test]
fn a_wrong_option_is_refused_by_name() {
    let home = Home::empty();
    home.run(&["prove", "--rounds", "3"]).exits(2).says(&["--rounds", "even"]);
    home.run(&["prove", "--margin", "5"]).exits(2).says(&["--margin", "5%"]);
    home.run(&["prove"]).exits(2).says(&["no dataset spec was named", "--spec"]);
    home.run(&["weigh"]).exits(2);
    assert!(home.run(&["--help"]).ok().stdout.contains("Exit codes:"));
}

/// Mistakes that only a server can see.
#[test]
fn what_the_server_refuses_is_shown_against_the_file() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);

    // A spec that names what is not there: all at once, and nothing is left.
    shop.change("dataset.toml", "[table.courses]", "[table.coarses]");
    shop.change("dataset.toml", "email      =", "e_mail     =");
    home.prove(&shop, "0002", &[]).exits(2).says(&[
        "the database has no table `coarses`",
        "did you mean `courses`?",
        "the table `users` has no column `e_mail`",
        "dataset.toml:14:1",
    ]);
    shop.change("dataset.toml", "[table.coarses]", "[table.courses]");
    shop.change("dataset.toml", "e_mail     =", "email      =");

    // SQL the server refuses: its message, at its place.
    shop.change("scenario.toml", "SELECT id, amount, status", "SELECT id, amounts, status");
    home.prove(&shop, "0002", &[]).exits(2).says(&[
        "column \"amounts\" does not exist",
        "SQLSTATE 42703",
        "scenario.toml:11:22",
    ]);
    shop.change("scenario.toml", "amounts", "amount");
    shop.change("scenario.toml", "pick(users.id, zipf 0.5)", "pick(users.uid)");
    home.prove(&shop, "0002", &[]).exits(2).says(&["cannot pick from users.uid", "scenario.toml:12"]);
    shop.change("scenario.toml", "pick(users.uid)", "pick(payers.rich)");
    home.prove(&shop, "0002", &[]).exits(2).says(&["`payers` has no class `rich`, but heavy, none, normal"]);
    shop.change("scenario.toml", "pick(payers.rich)", "pick(payers.heavy)");

    // A dataset that is not what its spec asserts proves nothing.
    let spec = std::fs::read_to_string(shop.folder.join("dataset.toml")).unwrap();
    let asserted = "[[assert]]\nsql = \"SELECT count(*) FROM users\"\nbetween = [1, 2]\n";
    shop.write("dataset.toml", format!("{spec}\n{asserted}"));
    home.prove(&shop, "0002", &[]).exits(2).says(&["the filled database gives", "SELECT count(*) FROM users"]);
    shop.write("dataset.toml", spec);

    // A migration that fails halfway.
    shop.write(
        "migrations/0004_half.up.sql",
        "CREATE TABLE fine (id int);\nALTER TABLE payments DROP COLUMN nonsense;\n",
    );
    shop.write("migrations/0004_half.down.sql", "DROP TABLE fine;\n");
    home.prove(&shop, "0004", &[]).exits(2).says(&[
        "the server refuses statement 2 of 2",
        "column \"nonsense\" of relation \"payments\" does not exist",
        "rolled back",
        "0004_half.up.sql:2:1",
    ]);
    shop.write("migrations/0004_half.up.sql", "CREATE INDEX CONCURRENTLY x ON payments (amount);\n");
    home.prove(&shop, "0004", &["--layout", "sqlx"]).exits(2).says(&["-- no-transaction"]);

    // A migration that breaks a query of the application.
    shop.write("migrations/0004_half.up.sql", "ALTER TABLE payments RENAME COLUMN amount TO total;\n");
    home.prove(&shop, "0004", &[])
        .exits(2)
        .says(&["after the migration, the server refuses this statement", "scenario.toml:11"]);

    home.run(&["server", "start"]).ok();
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_build_"), Vec::<String>::new());
    assert_eq!(shop.results(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn servers_that_cannot_be_used() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let prove = |url: &str| home.prove(&shop, "0002", &["--url", url]);

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    prove(&format!("postgresql://me:s3cret@127.0.0.1:{port}/x"))
        .exits(4)
        .says(&["cannot connect to `x` at 127.0.0.1", "help:"]);
    prove("postgresql://me:s3cret@127.0.0.1:port/x").exits(2).says(&["the database URL cannot be read"]);

    // A real server that asks for a password.
    home.run(&["server", "start"]).ok();
    query(&home.target(), "CREATE ROLE limited LOGIN PASSWORD 'right'");
    let hba = home.cluster().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("local all limited scram-sha-256\n{rules}")).unwrap();
    query(&home.target(), "SELECT pg_reload_conf()::text");
    let sockets = home.cluster().join("run").display().to_string();
    let url = |password: &str| format!("postgresql://limited:{password}@localhost/postgres?host={sockets}");
    let refused = prove(&url("s3cret")).exits(4).says(&["password authentication failed", "28P01"]);
    assert!(!refused.stderr.contains("s3cret") && !refused.stdout.contains("s3cret"), "{}", refused.stderr);
    prove(&url("right")).exits(4).says(&[
        "the role `limited`",
        "may not create databases",
        "ALTER ROLE limited CREATEDB",
    ]);

    // With the right it works, without touching anything but its own databases.
    query(&home.target(), "ALTER ROLE limited CREATEDB");
    let ran = prove(&url("right"));
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_template_").len(), 1);
    let [result] = shop.results().try_into().expect("one result");
    let saved = std::fs::read_to_string(result.join("trial.json")).unwrap();
    assert!(!saved.contains("right@") && !saved.contains("limited"), "no credentials are saved");
}

/// Speaks just enough of the protocol to be a server of another age.
#[test]
fn a_server_that_is_too_old_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Seen to answer first, then asked.
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut startup).unwrap();
            let mut answer = b"R\0\0\0\x08\0\0\0\0".to_vec();
            let version = b"server_version\x0012.22\0";
            answer.push(b'S');
            answer.extend_from_slice(&(version.len() as u32 + 4).to_be_bytes());
            answer.extend_from_slice(version);
            answer.extend_from_slice(b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I");
            stream.write_all(&answer).unwrap();
            let mut query = [0; 16];
            if stream.read(&mut query).is_ok_and(|read| read > 0 && query[0] == b'Q') {
                stream.write_all(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I").unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let home = Home::empty();
    let shop = Shop::new(&home);
    let url = format!("postgresql://me@127.0.0.1:{port}/x?sslmode=disable");
    let refused = home.prove(&shop, "0002", &["--url", &url]).exits(4);
    assert!(!refused.stderr.contains("left"), "nothing was made there: {}", refused.stderr);
    refused.says(&["runs PostgreSQL 12.22; 14 or later is needed"]);
    server.join().unwrap();
}

#[test]
fn a_full_disk_during_the_load_is_said_and_leaves_nothing() {
    let _machine = sharing();
    let home = Home::empty();
    let shop = Shop::new(&home);
    let small = Tmpfs::mount(&home.path().join("home"), "160m");
    // The server's own log of the changes fills the rest; smaller segments would only move the moment.
    home.run(&["server", "start"]).ok();
    let ran = home.prove(&shop, "0002", &["--scale", "20"]).exits(4);
    ran.says(&["the server has no space left", "help: free space"]);
    assert_eq!(home.databases("weighbridge_build_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_template_"), Vec::<String>::new());
    assert_eq!(home.query("SELECT 'works'::text"), ["works"]);
    home.run(&["server", "clean", "--all"]).ok();
    drop(small);
}

/// Bytes that are free where the home of a test is.
fn free(path: &std::path::Path) -> u64 {
    weighbridge::postgres::space::free(path).expect("the file system of the test")
}

/// A file that leaves so much of a small file system free.
fn fill(folder: &std::path::Path, leave: u64) -> std::path::PathBuf {
    let path = folder.join("filler");
    let file = std::fs::File::create(&path).unwrap();
    let bytes = free(folder).saturating_sub(leave);
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
    path
}

#[test]
fn room_for_clones_is_looked_for_first_and_a_full_disk_is_named_and_cleaned() {
    use weighbridge::postgres::database::{Admin, Token};
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let folder = home.path().join("home");
    let small = Tmpfs::mount(&folder, "420m");
    home.run(&["server", "start"]).ok();
    let counted = || home.counted(&shop, "0002", &["--sets", "2"]);
    assert!(matches!(counted().code, Some(0 | 3)));
    assert_eq!(home.databases("weighbridge_template_").len(), 1, "the dataset is kept");

    // Less than three clones need: said with the figure, before one is made.
    let filler = fill(&folder, 70 << 20);
    let refused = counted().exits(4);
    refused.says(&[
        "there is no room for clones: they need ",
        "(3 clones of ",
        "nothing was cloned",
        "server clean --templates",
    ]);
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    std::fs::remove_file(filler).unwrap();

    // A clone that a killed proof left, and a disk without a byte: the server does not come up again.
    crate::support::block_on(async {
        let mut admin = Admin::connect(&home.target()).await.unwrap();
        let clone = Token::fresh().clone_name("before");
        admin.clone_database("template1", &clone).await.unwrap();
        admin.close().await;
    });
    let pid = std::fs::read_to_string(home.cluster().join("data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    fill(&folder, 0);
    let scenario = shop.folder.join("scenario.toml").display().to_string();
    let began = std::time::Instant::now();
    for verb in [&["server", "start"][..], &["seed"], &["doctor"], &["run", &scenario]] {
        home.run(verb).exits(4).says(&["the disk is full: ", "weighbridge server clean"]);
    }
    counted().exits(4).says(&["the disk is full: "]);
    assert!(began.elapsed().as_secs() < 60, "five verbs took {:?}", began.elapsed());
    let cleaned = home.run(&["server", "clean", "--templates"]).ok().stdout;
    assert!(
        cleaned.contains("dropped weighbridge_clone_") && cleaned.contains("dropped weighbridge_template_"),
        "{cleaned}"
    );
    home.run(&["server", "start"]).ok();
    assert_eq!(home.query("SELECT 'works'::text"), ["works"]);
    home.run(&["server", "clean", "--all"]).ok();
    drop(small);
}

/// A small file system of its own, for a disk that can be full.
pub struct Tmpfs {
    path: std::path::PathBuf,
}

impl Tmpfs {
    pub fn mount(path: &std::path::Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size},mode=755");
        let arguments = ["mount", "-t", "tmpfs", "-o", &options, "tmpfs", &path.display().to_string()];
        let mounted = privileged(&arguments);
        assert!(mounted, "this test needs to mount a tmpfs: run it as root, or where `sudo -n mount` is allowed");
        Self { path: path.to_owned() }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        privileged(&["umount", "-l", &self.path.display().to_string()]);
    }
}

fn privileged(arguments: &[&str]) -> bool {
    let (program, rest) =
        if rustix::process::geteuid().is_root() { (arguments[0], &arguments[1..]) } else { ("sudo", arguments) };
    let mut command = std::process::Command::new(program);
    if program == "sudo" {
        command.arg("-n");
    }
    command.args(rest).status().is_ok_and(|status| status.success())
}
