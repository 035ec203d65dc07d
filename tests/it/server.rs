//! The embedded server: found, made, shared, killed, cleaned.

use std::process::Command;

use crate::support::{Home, Ran, sharing};

fn postmaster(home: &Home) -> i32 {
    let text = std::fs::read_to_string(home.cluster().join("data/postmaster.pid")).expect("the server runs");
    text.lines().next().and_then(|pid| pid.trim().parse().ok()).expect("a process id")
}

fn kill(signal: &str, pid: i32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn start_reuse_status_url_stop_clean() {
    let _machine = sharing();
    let home = Home::empty();
    assert!(home.run(&["server", "status"]).ok().stdout.starts_with("not made yet"));
    home.run(&["server", "start"]).ok();
    let first = postmaster(&home);
    home.run(&["server", "start"]).ok();
    assert_eq!(postmaster(&home), first, "a running server is reused");
    let status = home.run(&["server", "status"]).ok().stdout;
    assert!(status.starts_with("running · PostgreSQL "), "{status}");
    assert_eq!(home.query("SELECT 'works'::text"), ["works"]);
    assert_eq!(home.query("SHOW listen_addresses"), [""], "Unix socket only");
    assert_eq!(home.query("SHOW shared_preload_libraries"), ["pg_stat_statements"]);
    home.run(&["server", "stop"]).ok();
    assert!(home.run(&["server", "status"]).ok().stdout.starts_with("stopped"));
    let cluster = home.cluster();
    home.run(&["server", "clean", "--all"]).ok();
    assert!(!cluster.exists());
}

#[test]
fn after_kill_9_of_the_server_the_next_command_works() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let first = postmaster(&home);
    kill("-9", first);
    home.run(&["server", "start"]).ok();
    assert_ne!(postmaster(&home), first);
    assert_eq!(home.query("SELECT 'works'::text"), ["works"]);
}

#[test]
fn a_cut_off_initdb_is_no_hindrance() {
    let _machine = sharing();
    let home = Home::empty();
    home.run(&["server", "start"]).ok();
    home.run(&["server", "stop"]).ok();
    let cluster = home.cluster();
    std::fs::remove_dir_all(cluster.join("data")).unwrap();
    std::fs::create_dir(cluster.join("data.new")).unwrap();
    std::fs::write(cluster.join("data.new/PG_VERSION"), "15").unwrap();
    home.run(&["server", "start"]).ok();
    assert_eq!(home.query("SELECT 'works'::text"), ["works"]);
}

#[test]
fn two_programs_do_not_fight() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let lease = weighbridge::postgres::server::Lease::take(&home.path().join("home")).unwrap();
    let refused = home.run(&["server", "stop"]).exits(4);
    let expected = format!("in use by process {}", std::process::id());
    assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
    drop(lease);
    home.run(&["server", "stop"]).ok();
}

#[test]
fn without_binaries_one_message_says_how_to_install_them() {
    let home = Home::empty();
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let ran = home.run(&["server", "start", "--postgres-bin", &empty.display().to_string()]);
    ran.exits(4).says(&["holds no usable PostgreSQL", "name the folder"]);
    let error = weighbridge::postgres::server::ServerError::NoBinaries { found: String::new() };
    let message = weighbridge::diagnostic::Advice::message(&error).body();
    for words in ["apt-get install", "dnf install", "brew install", "docker compose", "--postgres-bin"] {
        assert!(message.contains(words), "{words}");
    }
}

#[test]
fn binaries_that_are_too_old_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::empty();
    let bin = home.path().join("old");
    std::fs::create_dir(&bin).unwrap();
    for program in ["postgres", "initdb", "pg_ctl"] {
        let path = bin.join(program);
        std::fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let ran = home.run(&["server", "start", "--postgres-bin", &bin.display().to_string()]);
    ran.exits(4).says(&["it is PostgreSQL 12.22, and 14 or later is needed"]);
}

#[test]
fn a_home_the_servers_user_cannot_enter_is_refused_before_anything_is_made() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        // Only root's server runs as somebody else; for others the refusal cannot happen, and starting must work.
        let home = Home::empty();
        home.run(&["server", "start"]).ok();
        return;
    }
    let home = Home::empty();
    let closed = home.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let output =
        home.command(&["server", "start", "--home", &closed.join("home").display().to_string()]).output().unwrap();
    Ran::new(output).exits(4).says(&["cannot enter", "--home"]);
}

/// Pages that a cluster has added to those of the machine, by its ledger.
fn added_pages(home: &Home) -> u64 {
    let ledger = std::fs::read_to_string(home.cluster().join("huge-pages")).unwrap_or_default();
    ledger.split_whitespace().nth(3).and_then(|pages| pages.parse().ok()).unwrap_or_default()
}

fn reserved_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

#[test]
fn huge_pages_are_reserved_for_each_server_and_given_back_after_a_kill_too() {
    let _machine = sharing();
    let homes = [Home::new(), Home::new()];
    let start = |home: &Home| home.run(&["server", "start", "--huge-pages", "auto"]).ok();
    homes.iter().for_each(|home| drop(start(home)));
    let maps = |home: &Home| std::fs::read_to_string(format!("/proc/{}/maps", postmaster(home))).unwrap();
    for home in &homes {
        // Where nobody may reserve pages, or no memory is free, the server runs on small ones.
        assert!(added_pages(home) == 0 || maps(home).contains("/anon_hugepage"));
    }
    let [one, other] = homes.each_ref().map(added_pages);
    assert!(reserved_pages() >= one + other, "{one} + {other}");
    kill("-9", postmaster(&homes[0]));
    homes[0].run(&["server", "clean"]).ok();
    assert_eq!(added_pages(&homes[0]), 0, "those of the killed server");
    assert_eq!(added_pages(&homes[1]), other, "not those of the other one");
    homes[1].run(&["server", "stop"]).ok();
    assert_eq!(added_pages(&homes[1]), 0);
    homes[1].run(&["server", "start"]).ok();
    assert_eq!((added_pages(&homes[1]), maps(&homes[1]).contains("/anon_hugepage")), (0, false), "they are off");
}
