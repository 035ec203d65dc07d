//! What a load is made of and what is seen of it: pools, other files' actions, statements by migration, logs and
//! figures for other programs, and every way in which an operation can fail.

use std::io::{Read, Write};

use serde_json::Value;
use weighbridge::evidence::interval_log;

use crate::bank::{Going, action, bank, file, number, one, run};
use crate::bouncer::Bouncer;
use crate::input::Tmpfs;
use crate::support::{Home, execute, measuring, query, sharing};

#[test]
fn clients_share_a_pool_and_waits_for_it_are_told_apart() {
    let _machine = measuring();
    let home = Home::new();
    let bank = bank(&home);
    let text = "name = 'p'\n[load]\nclients = 12\npool = 3\n[gates]\n'pool.wait.p50' = '> 10ms'\n[[action]]\n\
                name = 'wait'\nsql = 'SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) \
                WHERE application_name = current_setting($$application_name$$)'\n";
    let scenario = file(&home, "pool.toml", text);
    let found = run(&home, &[&scenario, "-T", "2s"]).measured().json();
    let (evidence, pool) = (&found["evidence"], &found["evidence"]["pool"]);
    assert_eq!(number(pool, "connections"), 3);
    let (in_use, idle) = (pool["in_use_mean"].as_f64().unwrap(), pool["idle_mean"].as_f64().unwrap());
    assert!((2.5..=3.01).contains(&in_use) && (in_use + idle - 3.0).abs() < 0.02, "{pool}");
    let (wait, service) = (&pool["wait"], &evidence["all"]["service"]);
    // Twelve clients, three at a time for 10 ms each: nine wait, and each for three others.
    assert!((20_000.0..60_000.0).contains(&wait["us_p50"].as_f64().unwrap()), "{wait}");
    assert!((10_000.0..20_000.0).contains(&service["us_p50"].as_f64().unwrap()), "{service}");
    let latency = evidence["all"]["latency"]["us_mean"].as_f64().unwrap();
    let parts = wait["us_mean"].as_f64().unwrap() + service["us_mean"].as_f64().unwrap();
    assert!((latency - parts).abs() < 0.1 * latency, "wait and service make the latency: {latency} and {parts}");
    assert_eq!(number(wait, "count"), number(&evidence["all"], "ok"));
    assert_eq!(number(pool, "waiting_max"), 9);
    assert_eq!(number(pool, "timeouts"), 0);

    // Three sessions are all the server ever sees.
    let count = "SELECT 1 / (count(*) <= 3)::int FROM pg_stat_activity WHERE application_name = 'weighbridge run';\n";
    let count = file(&home, "count.sql", count);
    let seen = run(&home, &["-f", &count, "-c", "12", "--pool", "3", "-n", "200"]).measured().json();
    assert_eq!(seen["evidence"]["failures"], serde_json::json!({}));

    run(&home, &["-f", &count, "--gate", "pool.wait.p99 < 1s"]).exits(2).says(&["is about a pool: add --pool"]);
    let impatient = run(&home, &[&scenario, "-T", "1s", "--pool-timeout", "5ms"]).exits(1).json();
    let failed = number(&impatient["evidence"]["failures"]["pool"], "count");
    assert!(0 < failed && failed == number(&impatient["evidence"]["pool"], "timeouts"), "{impatient:#}");
    assert_eq!(one(&bank, "SELECT count(*) FROM accounts"), 100);
}

#[test]
fn a_file_uses_the_actions_of_others_in_one_mix() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let part = "name = 'part'\n[[action]]\nname = 'count'\nweight = 1\nsql = 'SELECT count(*) FROM accounts'\n\
                [[action]]\nname = 'unwanted'\nsql = 'SELECT nonsense'\n";
    std::fs::create_dir_all(home.path().join("parts")).unwrap();
    file(&home, "parts/part.toml", part);
    file(&home, "parts/more.toml", "name = 'more'\n[[use]]\nfile = 'part.toml'\nactions = ['count']\nweight = 2\n");
    let whole = "name = 'whole'\n[load]\nclients = 2\n[gates]\n'count.errors' = '< 1%'\n[[use]]\n\
                 file = 'parts/more.toml'\nweight = 1.5\n[[action]]\nname = 'one'\nsql = 'SELECT 1'\n";
    let scenario = file(&home, "whole.toml", whole);
    let found = run(&home, &[&scenario, "-n", "800"]).measured().json();
    assert_eq!(found["evidence"]["name"], "whole");
    let (count, own) = (action(&found, "count"), action(&found, "one"));
    assert_eq!((count["share"].as_f64(), own["share"].as_f64()), (Some(0.75), Some(0.25)));
    assert!((540..660).contains(&number(count, "ok")), "{count}");
    assert_eq!(found["evidence"]["gates"][0]["holds"], true);
    for (from, to, said) in [
        ("'parts/more.toml'", "'parts/none.toml'", "parts/none.toml"),
        ("'count.errors'", "'cuont.errors'", "did you mean `count`?"),
        ("weight = 1.5", "weight = 0", "`weight` must be above 0"),
        ("weight = 1.5", "actions = ['cnt']", "has no action `cnt`"),
        ("name = 'one'", "name = 'count'", "the action `count` is in"),
    ] {
        assert!(whole.contains(from));
        let wrong = file(&home, "wrong.toml", &whole.replace(from, to));
        run(&home, &[&wrong, "-n", "1"]).exits(2).says(&[said]);
        run(&home, &[&wrong, "-n", "1", "--clients", "2"]).exits(2).says(&[said]);
    }
    file(&home, "parts/more.toml", "name = 'more'\n[[use]]\nfile = '../whole.toml'\n");
    run(&home, &[&scenario, "-n", "1"]).exits(2).says(&["uses itself"]);
}

#[test]
fn an_action_asks_differently_from_a_migration_on() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let work = home.path().join("work");
    std::fs::create_dir_all(work.join("migrations")).unwrap();
    for name in ["0001_a", "0002_b", "0003_c"] {
        std::fs::write(work.join(format!("migrations/{name}.sql")), "SELECT 1;\n").unwrap();
    }
    let text = "name = 's'\n[load]\nclients = 1\n[[action]]\nname = 'note'\n\
                with = { who = 'uniform(1, 1)', other = \"'x'\" }\n\
                sql = \"INSERT INTO history (account, delta, note) VALUES (:who, 1, 'first')\"\n[[action.since]]\n\
                migration = '0003'\nsql = \"INSERT INTO history (account, delta, note) VALUES (:who, 3, \
                'third' || :other::text)\"\n[[action.since]]\nmigration = '0002_b'\n\
                sql = \"INSERT INTO history (account, delta, note) VALUES (:who, 2, 'second')\"\n";
    let scenario = file(&home, "since.toml", text);
    for (at, note) in [("0001", "first"), ("2", "second"), ("0003", "thirdx")] {
        run(&home, &[&scenario, "-n", "3", "--at", at]).measured();
        let last = query(&bank, "SELECT note FROM history ORDER BY id DESC LIMIT 1");
        assert_eq!(last, [note], "at {at}");
    }
    // Without a word it is the newest, in whatever order the file has them.
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/bank?");
    home.run(&["run", &scenario, "-n", "1", "--warm-up", "0s", "--url", &url, "--allow-writes"]).measured();
    assert_eq!(query(&bank, "SELECT note FROM history ORDER BY id DESC LIMIT 1"), ["thirdx"]);
    let wrong = file(&home, "wrong.toml", &text.replace("'0003'", "'0009'"));
    run(&home, &[&wrong, "-n", "1", "--at", "1"]).exits(2).says(&["there is no migration `0009`", "wrong.toml:"]);
    let unknown = file(&home, "unknown.toml", &text.replace(":other::text", ":nobody::text"));
    run(&home, &[&unknown, "-n", "1", "--at", "1"]).exits(2).says(&["unknown parameter `:nobody`"]);
}

/// What a program that watches reads.
fn page(port: u16, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn other_programs_read_the_figures_while_it_runs_and_its_log_afterwards() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let text = "name = 'm'\n[load]\nrate = 200\n[[action]]\nname = 'read'\nweight = 9\n\
                sql = 'SELECT balance FROM accounts WHERE id = :id'\nwith = { id = 'uniform(1, 100)' }\n[[action]]\n\
                name = 'slow'\nsql = 'SELECT pg_sleep(0.03), * FROM accounts WHERE id = :id'\n\
                with = { id = 'uniform(1, 100)' }\n";
    let scenario = file(&home, "m.toml", text);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = home.path().join("operations.log").display().to_string();
    let address = format!("127.0.0.1:{port}");
    let more = ["--metrics", &address, "--log", &log, "--slow", "20ms", "--slow-plans", "-P", "500ms", "-T", "5s"];
    let given = ["run", &scenario, "--database", "bank", "--warm-up", "0s", "--format", "json"];
    let mut going = Going::start(&home, &[&given[..], &more].concat());
    going.until("/s  p50");
    // The server's view comes with its first sample, which a busy machine may take late.
    let found = loop {
        let found = page(port, "/metrics");
        if found.contains("weighbridge_server_active_sessions ") {
            break found;
        }
    };
    assert!(found.contains("application/openmetrics-text; version=1.0.0"), "{found}");
    for part in [
        "weighbridge_latency_seconds_bucket{le=\"+Inf\",action=\"read\"}",
        "weighbridge_operations_total{action=\"slow\",outcome=\"ok\"}",
        "weighbridge_server_active_sessions",
        "\n# EOF\n",
    ] {
        assert!(found.contains(part), "{part} is not in {found}");
    }
    assert!(page(port, "/").contains("404"));
    let ran = going.end().measured().json();
    let evidence = &ran["evidence"];
    // Every operation has its line.
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines.lines().count() as u64, number(&evidence["all"], "ok"));
    let of_slow = lines.lines().filter(|line| line.split(' ').nth(3) == Some("1"));
    let micros: Vec<u64> = of_slow.map(|line| line.split(' ').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(micros.len() as u64, number(action(&ran, "slow"), "ok"));
    assert!(micros.iter().all(|us| 30_000 <= *us), "{micros:?}");
    // The slow ones are known by name and plan, and no value of theirs is kept.
    assert_eq!(number(action(&ran, "slow"), "slow"), number(action(&ran, "slow"), "ok"));
    // On a busy machine a few others are among them.
    let slowest = evidence["slowest"].as_array().unwrap();
    let slow = slowest.iter().find(|of| of["action"] == "slow").unwrap_or_else(|| panic!("{slowest:#?}"));
    assert_eq!(slow["plans"], serde_json::json!(["Seq Scan accounts"]), "a hundred rows are read as a whole");
    // The server's view ties its work to the actions.
    let view = &evidence["view"];
    assert_eq!(number(&view["statements"]["read"], "calls"), number(action(&ran, "read"), "ok"));
    assert!(number(action(&ran, "read"), "ok") <= number(view, "commits"), "{view}");
    assert!(view["waits_mean"].get("Timeout:PgSleep").is_some(), "{view}");
    assert!(0.0 < view["sample_ms_mean"].as_f64().unwrap());
    home.run(&["run", &scenario, "--metrics", "0.0.0.0:9187"]).exits(2).says(&["this machine only"]);
}

/// Raises an error of a class on one connection, again and again.
fn raise(code: &str) -> String {
    format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$;\n")
}

#[test]
fn every_class_of_failure_is_counted_and_the_load_goes_on() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    // What the server can say, by class; tried again only where that may help.
    for (code, retried) in [
        ("08006", false), // connection_failure
        ("0A000", false), // feature_not_supported
        ("22012", false), // division_by_zero
        ("23505", false), // unique_violation
        ("23514", false), // check_violation
        ("25006", false), // read_only_sql_transaction
        ("25P02", false), // in_failed_sql_transaction
        ("28000", false), // invalid_authorization_specification
        ("40001", true),  // serialization_failure
        ("40P01", true),  // deadlock_detected
        ("42501", false), // insufficient_privilege
        ("42P01", false), // undefined_table
        ("53100", false), // disk_full
        ("53200", false), // out_of_memory
        ("53300", false), // too_many_connections
        ("54001", false), // statement_too_complex
        ("55P03", false), // lock_not_available
        ("57014", false), // query_canceled
        ("58030", false), // io_error
        ("P0001", false), // raise_exception
        ("XX000", false), // internal_error
    ] {
        let failing = file(&home, "failing.sql", &raise(code));
        let fine = file(&home, "fine.sql", "SELECT 1;\n");
        let found = run(&home, &["-f", &failing, "-f", &fine, "-n", "12", "--max-tries", "3"]).measured().json();
        let failures = &found["evidence"]["failures"];
        let (failed, ok) = (number(action(&found, "failing"), "failed"), number(action(&found, "fine"), "ok"));
        assert_eq!((number(&failures[code], "count"), failed + ok), (failed, 12), "{code}: {failures}");
        assert!(0 < failed && 0 < ok, "{code}");
        let retries = number(action(&found, "failing"), "retries");
        assert_eq!(retries, if retried { 2 * failed } else { 0 }, "{code}");
    }
    // A session that is ended is made anew, by every client for itself.
    let ended = file(&home, "ended.sql", "SELECT pg_terminate_backend(pg_backend_pid());\n");
    let found = run(&home, &["-f", &ended, "-c", "2", "-n", "6"]).exits(1).json();
    assert_eq!(found["verdict"], "failed", "nothing was answered");
    assert_eq!(number(&found["evidence"]["failures"]["57P01"], "count"), 6);
    assert!(4 <= number(&found["evidence"]["driver"], "reconnects"), "{found:#}");
    // A statement that takes too long is given up by the server.
    let text =
        "name = 't'\n[load]\nclients = 1\ntimeout = '50ms'\n[[action]]\nname = 'long'\nsql = 'SELECT pg_sleep(5)'\n";
    let long = file(&home, "long.toml", text);
    let found = run(&home, &[&long, "-n", "2"]).exits(1).json();
    assert_eq!(number(&found["evidence"]["failures"]["57014"], "count"), 2);
    // No connection is left: said before anything is measured.
    execute(&bank, "CREATE ROLE few LOGIN CONNECTION LIMIT 3; GRANT SELECT ON accounts TO few");
    let url =
        home.run(&["server", "url"]).ok().stdout.trim().replace("weighbridge@", "few@").replace("/postgres?", "/bank?");
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    home.run(&["run", "--url", &url, "-f", &read, "-c", "9"]).exits(4).says(&["53300", "fewer clients"]);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_is_a_failure_like_others() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let folder = home.path().join("small");
    let small = Tmpfs::mount(&folder, "24m");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(home.cluster().join("data")).unwrap());
    std::os::unix::fs::chown(&folder, Some(owner), None).unwrap();
    execute(&bank, &format!("CREATE TABLESPACE small LOCATION '{}'", folder.display()));
    execute(
        &bank,
        "CREATE TABLE filling (body text) TABLESPACE small; ALTER TABLE filling ALTER body SET STORAGE PLAIN",
    );
    let fill = file(&home, "fill.sql", "INSERT INTO filling SELECT repeat('x', 7000) FROM generate_series(1, 64);\n");
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let found = run(&home, &["-f", &fill, "-f", &read, "-c", "2", "-n", "400"]).measured().json();
    let full = number(&found["evidence"]["failures"]["53100"], "count");
    assert!(0 < full && full == number(action(&found, "fill"), "failed"), "{}", found["evidence"]["failures"]);
    assert!(0 < number(action(&found, "fill"), "ok"), "at first there was room");
    assert_eq!(number(action(&found, "read"), "failed"), 0);
    assert_eq!(number(&found["evidence"]["all"], "due"), 400);
    execute(&bank, "DROP TABLE filling");
    execute(&bank, "DROP TABLESPACE small");
    drop(small);
}

#[test]
fn a_pooler_that_is_started_anew_is_survived() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let mut bouncer = Bouncer::start(&home, "session");
    let url = bouncer.url();
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let given = ["run", "--url", &url, "--allow-writes", "-f", &read, "-c", "2", "-T", "5s", "-P", "250ms"];
    let mut going = Going::start(&home, &[&given[..], &["--warm-up", "0s", "--no-watch", "--format", "json"]].concat());
    going.until("/s  p50");
    bouncer.restart(&home);
    going.until("reconnects");
    let found = going.end().json();
    let evidence = &found["evidence"];
    assert_eq!(number(&evidence["driver"], "reconnects"), 2, "each client once: {}", evidence["driver"]);
    assert!(0 < number(&evidence["all"], "failed"));
    let intervals: Vec<&Value> = evidence["intervals"].as_array().unwrap().iter().collect();
    let after = intervals.iter().skip_while(|i| number(i, "reconnects") == 0);
    assert!(after.map(|i| number(i, "ok")).sum::<u64>() > 0, "it goes on");
    let folder = std::fs::read_dir(home.path().join("work/results")).unwrap().next().unwrap().unwrap().path();
    let log = interval_log::read(&std::fs::read(folder.join("intervals.hlog")).unwrap()).unwrap();
    let logged: u64 = log.iter().filter(|i| i.tag == "read").map(|i| i.histogram.len()).sum();
    assert_eq!(logged, number(&evidence["all"], "ok"));
}
