//! A server, or one of its backends, that dies under load, and a reader of stdout that leaves. Must hold no timing
//! claim.

use std::process::{Command, Stdio};

use crate::bank::{Going, bank, file};
use crate::support::{Home, Shop, sharing};

fn kill_9(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}

fn postmaster(home: &Home) -> String {
    let text = std::fs::read_to_string(home.cluster().join("data/postmaster.pid")).expect("the server runs");
    text.lines().next().expect("a process id").trim().to_owned()
}

#[test]
fn a_server_lost_under_load_is_an_error_that_keeps_the_chunks() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let prove = |more: &[&str]| shop.prove("0002", &[&["--scale", "0.05", "--slice", "50ms"], more].concat());
    let lose = |victim: &dyn Fn() -> String| {
        let arguments = prove(&["--chunks", "500"]);
        let mut going = Going::start(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        going.until("measured chunk 1 of 500");
        kill_9(&victim());
        let ran = going.end().exits(4);
        assert_eq!(ran.stdout, "", "there is no verdict");
        let last = shop.results().into_iter().max().expect("the result is kept");
        (ran.stderr, last)
    };

    // A backend takes the others with it, and the server recovers.
    let (stderr, first) = lose(&|| {
        home.query("SELECT pid::text FROM pg_stat_activity WHERE datname LIKE 'weighbridge_clone_%_after' LIMIT 1")
            .remove(0)
    });
    for phrase in ["measured before that: ", &format!("weighbridge prove --resume {}", first.display())] {
        assert!(stderr.contains(phrase), "`{phrase}` is not in:\n{stderr}");
    }
    // In the middle of a slice, or where the connections of the next chunk are made.
    let lost = ["error: failed to", "error: cannot connect to"];
    assert!(lost.iter().any(|phrase| stderr.contains(phrase)), "{stderr}");
    let folder = first.display().to_string();
    let kept = home.run(&["report", &folder, "--format", "json"]).ok().json();
    let chunks = |trial: &serde_json::Value| trial["evidence"]["chunks"].as_array().unwrap().len();
    assert!(1 <= chunks(&kept) && kept["evidence"]["complete"] == false);
    home.run(&["server", "start"]).ok();
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());

    // It goes on from there.
    let arguments = prove(&["--format", "json", "--resume", &folder, "--chunks", "8"]);
    let load = ["--rounds", "2", "--slice", "250ms", "50ms"];
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !load.contains(argument)).collect();
    assert_eq!(chunks(&home.run(&arguments).json()), 8);

    // The whole server.
    let (stderr, second) = lose(&|| postmaster(&home));
    assert!(second != first && stderr.contains("measured before that: "), "{stderr}");
}

#[test]
fn a_run_whose_server_is_gone_does_not_pass() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let select = file(&home, "select.sql", "SELECT count(*) FROM accounts;\n");
    let arguments =
        ["run", "-f", &select, "-c", "2", "-T", "4s", "--warm-up", "0s", "--database", "bank", "--format", "json"];
    let mut going = Going::start(&home, &arguments);
    going.until("   1.0 s");
    kill_9(&postmaster(&home));
    let found = going.end().exits(4).json();
    assert_eq!((&found["verdict"], &found["evidence"]["ended"]), (&"server_lost".into(), &"server_lost".into()));
    assert!(0 < found["evidence"]["all"]["ok"].as_u64().unwrap(), "what was answered is kept");
}

#[test]
fn a_reader_of_stdout_that_leaves_changes_no_exit_code() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let unread = |arguments: &[&str]| {
        let mut child = home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    let arguments = shop.counted("0003", &[]);
    assert_eq!(unread(&arguments.iter().map(String::as_str).collect::<Vec<_>>()), Some(1), "it regressed");
    let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/format-7/regressed");
    for arguments in [&["report", saved][..], &["verify", saved], &["completions", "bash"], &["server", "status"]] {
        assert_eq!(unread(arguments), Some(0), "{arguments:?}");
    }
}
