//! Ctrl-C and kill -9 at every stage: nothing is left, and what was measured is kept.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Home, Shop, sharing};

struct Started {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

fn start(home: &Home, shop: &Shop, more: &[&str]) -> Started {
    let arguments = shop.prove("0002", more);
    let mut command = home.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let lines = BufReader::new(child.stderr.take().expect("stderr is a pipe")).lines();
    Started { child, lines }
}

impl Started {
    /// Reads progress until a line holds the words.
    #[track_caller]
    fn until(&mut self, words: &str) {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("progress is UTF-8");
            let found = line.contains(words);
            seen.push(line);
            if found {
                return;
            }
        }
        panic!("`{words}` never came; progress was\n{}", seen.join("\n"));
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn wait(&mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let code = self.child.wait().expect("the program ends").code();
        (code, since.elapsed())
    }
}

fn nothing_is_left(home: &Home) {
    home.run(&["server", "start"]).ok();
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_build_"), Vec::<String>::new());
}

/// Generous against a loaded machine; the promise itself is two seconds.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn ctrl_c_while_seeding_drops_the_half_built_dataset() {
    let _machine = sharing();
    let home = Home::empty();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let mut started = start(&home, &shop, &["--scale", "60"]);
    started.until("server: making");
    started.until("seeding");
    started.signal("-INT");
    let (code, time) = started.wait();
    assert_eq!(code, Some(130));
    assert!(time < SOON, "{time:?}");
    assert_eq!(shop.results(), Vec::<std::path::PathBuf>::new(), "an empty result folder is not left");
    nothing_is_left(&home);
    assert_eq!(home.databases("weighbridge_template_"), Vec::<String>::new());
}

#[test]
fn ctrl_c_while_measuring_drops_the_clones_and_keeps_the_chunks() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let mut started = start(&home, &shop, &["--chunks", "500", "--slice", "100ms"]);
    started.until("measured chunk 2 of 500");
    started.signal("-INT");
    let (code, time) = started.wait();
    assert_eq!(code, Some(130));
    assert!(time < SOON, "{time:?}");
    let [result] = shop.results().try_into().expect("one result");
    let kept = home.run(&["report", &result.display().to_string(), "--format", "json"]).ok().json();
    assert!(2 <= kept["evidence"]["chunks"].as_array().unwrap().len());
    assert_eq!(kept["evidence"]["complete"], false);
    assert_eq!(kept["comparison"]["verdict_of_load"], "inconclusive", "{}", kept["comparison"]["claims"]);
    nothing_is_left(&home);
}

#[test]
fn a_program_that_gives_up_waiting_does_not_disturb_the_one_at_work() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let mut first = start(&home, &shop, &["--chunks", "500", "--slice", "100ms"]);
    first.until("measured chunk 1 of 500");
    let mut second = start(&home, &shop, &["--chunks", "500", "--slice", "100ms"]);
    second.until("waiting for it to end");
    second.signal("-TERM");
    assert_eq!(second.wait().0, Some(130));
    first.until("measured chunk 5 of 500");
    first.signal("-INT");
    assert_eq!(first.wait().0, Some(130));
    nothing_is_left(&home);
}

#[test]
fn what_kill_9_leaves_the_next_command_removes() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let mut started = start(&home, &shop, &["--chunks", "500", "--slice", "100ms"]);
    started.until("measured chunk 1 of 500");
    started.signal("-KILL");
    started.wait();
    let [result] = shop.results().try_into().expect("one result");
    assert!(result.join("trial.json").exists(), "measured chunks are kept");
    // What a dropping that is cut off leaves is no database any more, and no template.
    home.run(&["server", "start"]).ok();
    let cut_off = "UPDATE pg_database SET datconnlimit = -2, datistemplate = false
        WHERE datname ~ '^weighbridge_(clone_.*_control|template_.*)$' RETURNING datname::text";
    assert_eq!(home.query(cut_off).len(), 2);
    let cleaned = home.run(&["server", "clean"]).ok().stdout;
    assert!(cleaned.contains("dropped weighbridge_template_"), "{cleaned}");
    for side in ["before", "control", "after"] {
        assert!(
            cleaned.lines().any(|line| line.starts_with("dropped weighbridge_clone_") && line.ends_with(side)),
            "{cleaned}"
        );
    }
    nothing_is_left(&home);
}
