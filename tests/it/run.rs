//! `weighbridge run`: what is sent, what is counted, what is kept, on a real server. Must hold no timing claim.

use serde_json::Value;
use weighbridge::evidence::interval_log;

use crate::bank::{Going, TRANSFER, action, bank, file, newest, number, one, run};
use crate::bouncer::Bouncer;
use crate::support::{Home, block_on, execute, measuring, sharing};

#[test]
fn equal_seeds_send_equal_streams() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let text = "name = 's'\n[load]\nclients = 3\n[[action]]\nname = 'read'\n\
                sql = 'SELECT balance FROM accounts WHERE id = :id AND owner <> :o'\n\
                with = { id = \"pick(accounts.id, zipf 1.1)\", o = \"template('x{id}')\" }\n";
    let scenario = file(&home, "s.toml", text);
    let digest = |seed: &str| {
        let found = run(&home, &[&scenario, "-n", "500", "--seed", seed]).measured().json();
        found["evidence"]["driver"]["digest"].as_str().unwrap().to_owned()
    };
    let first = digest("1");
    assert_eq!(first, digest("1"));
    assert_ne!(first, digest("2"));
}

#[test]
fn gates_decide_the_exit_code_and_rules_end_the_run() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let found =
        run(&home, &["-f", &read, "-n", "200", "--gate", "read.p50 < 10s", "--gate", "errors < 0.1%"]).measured();
    assert!(found.json()["evidence"]["gates"].as_array().unwrap().iter().all(|gate| gate["holds"] == true));
    let found = run(&home, &["-f", &read, "-n", "200", "--gate", "p50 < 1us", "--gate", "p999 < 1s"]).exits(1);
    let gates = found.json()["evidence"]["gates"].clone();
    assert_eq!((&gates[0]["holds"], &gates[1]["holds"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(gates[1]["observed"], Value::Null, "200 values are too few for p99.9: {gates}");
    // What cannot be evaluated alone is no failure, and says why.
    let ran = home.run(&[
        "run",
        "-f",
        &read,
        "-n",
        "200",
        "--database",
        "bank",
        "--warm-up",
        "0s",
        "--gate",
        "p999 < 1s",
        "--gate",
        "rate >= 95%",
    ]);
    let ran = ran.exits(3);
    for phrase in [
        "    INCONCLUSIVE\n  2 of 2 gates cannot be evaluated: p999 < 1s, rate >= 95%",
        "200 of at least 10,000 values  not evaluated",
        "a closed loop has no rate to take a share of  not evaluated",
    ] {
        assert!(ran.stdout.contains(phrase), "{}", ran.stdout);
    }
    // No answer at all is a failure, whatever gates allow; most failed is one where no gate allows it.
    let none = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cases/run-all-failed/div0.sql");
    let ran = home.run(&[
        "run",
        "-f",
        none,
        "-c",
        "1",
        "-T",
        "500ms",
        "--database",
        "bank",
        "--warm-up",
        "0s",
        "--gate",
        "errors <= 100%",
    ]);
    assert!(ran.exits(1).stdout.contains("    FAILED\n  no operation was answered, "));
    // No lower rate is tried for it.
    let search = ["--find-rate", "p50 < 1s", "--probe", "200ms", "-T", "1s"];
    let found = run(&home, &[&["-f", none, "--rate", "200"], &search[..]].concat()).exits(1).json();
    assert_eq!(found["evidence"]["search"]["probes"].as_array().unwrap().len(), 1);
    let most = file(&home, "most.sql", "\\set x random(1, 4)\nSELECT 1 / (:x / 4);\n");
    let ran = home.run(&["run", "-f", &most, "-n", "200", "--database", "bank", "--warm-up", "0s"]).exits(1);
    assert!(ran.stdout.contains(" of 200 operations failed (a gate on `errors` can allow that)"), "{}", ran.stdout);
    run(&home, &["-f", &most, "-n", "200", "--gate", "errors < 95%"]).measured();
    let (well, never) = (format!("{read}@9"), format!("{none}@1"));
    let ran = home.run(&["run", "-f", &well, "-f", &never, "-n", "200", "--database", "bank", "--warm-up", "0s"]);
    assert!(ran.stdout.contains("every operation failed: div0"), "{}", ran.stdout);
    run(&home, &["-f", &read, "-n", "1", "--gate", "raed.p50 < 1s"]).exits(2).says(&["did you mean `read`?"]);

    let failing = "name = 'f'\n[load]\nclients = 2\nabort_when = 'errors > 50% for 1s'\n[[action]]\nname = 'divide'\n\
                   sql = 'SELECT 1 / (balance - balance) FROM accounts'\n";
    let failing = file(&home, "f.toml", failing);
    let found = run(&home, &[&failing, "-T", "60s", "-P", "250ms"]).exits(1).json();
    assert_eq!(found["evidence"]["ended"]["aborted"], "errors > 50% for 1.0 s");
    assert!(found["evidence"]["measured_s"].as_f64().unwrap() < 30.0);
    let division = &found["evidence"]["failures"]["22012"];
    assert_eq!(division["texts"], serde_json::json!(["division by zero"]));
    assert!(0 < number(division, "count"));
}

#[test]
fn a_server_of_somebody_else_is_only_read() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/bank?");
    let script = file(&home, "transfer.sql", TRANSFER);
    home.run(&["run", "-f", &script, "--url", &url, "-n", "1"]).exits(2).says(&[
        "this statement may write",
        "--allow-writes",
        "transfer.sql:4:1",
    ]);
    // What a function does that the user made, the server refuses.
    execute(&bank, "CREATE FUNCTION note() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('history_id_seq') $$");
    let hidden = file(&home, "hidden.sql", "SELECT note();\n");
    for writes in [
        "BEGIN READ WRITE;\nSELECT 1;\nEND;\n",
        "SELECT set_config('default_transaction_read_only', 'off', false);\n",
        "SELECT nextval('history_id_seq');\n",
        "SELECT 1 FROM history FOR UPDATE;\n",
    ] {
        let script = file(&home, "sly.sql", writes);
        home.run(&["run", "-f", &script, "--url", &url, "-n", "1"]).exits(2).says(&["this statement may write"]);
    }
    let found =
        home.run(&["run", "-f", &hidden, "--url", &url, "-n", "5", "--warm-up", "0s", "--format", "json"]).exits(1);
    assert_eq!(number(&found.json()["evidence"]["failures"]["25006"], "count"), 5);
    assert_eq!(one(&bank, "SELECT count(*) FROM history"), 0);
    home.run(&["run", "-f", &script, "--url", &url, "-n", "5", "--warm-up", "0s", "--allow-writes"]).measured();
    assert_eq!(one(&bank, "SELECT count(*) FROM history"), 5);
}

#[test]
fn a_server_that_dies_and_comes_back_is_survived() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/bank?");
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let arguments = [
        "run",
        "-f",
        &read,
        "--url",
        &url,
        "-R",
        "200",
        "-T",
        "8s",
        "--warm-up",
        "0s",
        "-P",
        "500ms",
        "--format",
        "json",
    ];
    let mut going = Going::start(&home, &arguments);
    going.until("/s  p50");
    let pid = std::fs::read_to_string(home.cluster().join("data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
    going.until("failed");
    home.run(&["server", "start"]).ok();
    let ran = going.end();
    let found = ran.json();
    let all = &found["evidence"]["all"];
    assert_eq!(number(all, "due"), number(all, "ok") + number(all, "failed") + number(all, "skipped"));
    let lost: u64 = ["connection", "57P01", "57P02"]
        .iter()
        .filter_map(|class| found["evidence"]["failures"][class]["count"].as_u64())
        .sum();
    assert!(0 < lost, "{found:#}");
    assert!(0 < number(&found["evidence"]["driver"], "reconnects"));
    let intervals = found["evidence"]["intervals"].as_array().unwrap();
    let answers: Vec<u64> = intervals.iter().map(|i| number(i, "ok")).collect();
    let hole = answers.iter().position(|n| *n < 50).unwrap_or_else(|| panic!("no hole in {answers:?}"));
    assert!(answers[hole..].iter().any(|n| 80 < *n), "it goes on after the hole: {answers:?}");
    assert_eq!(one(&bank, "SELECT count(*) FROM accounts"), 100);
}

#[test]
fn a_stall_is_felt_by_every_operation_that_was_due_meanwhile() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let arguments = [
        "run",
        "-f",
        &read,
        "--database",
        "bank",
        "-R",
        "300",
        "--connections",
        "4",
        "-T",
        "4s",
        "--warm-up",
        "0s",
        "-P",
        "500ms",
        "--format",
        "json",
    ];
    let mut going = Going::start(&home, &arguments);
    going.until("/s  p50");
    let stall = "DO $$ BEGIN LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(1); END $$";
    block_on(async {
        let mut connection = bank.connect().await.unwrap();
        sqlx::Executor::execute(&mut connection, sqlx::raw_sql(stall)).await.unwrap();
    });
    let found = going.end().json();
    let all = &found["evidence"]["all"];
    assert_eq!(number(all, "failed"), 0);
    // Four connections stood still; some 300 operations became due meanwhile and waited.
    let (latency, service) = (&all["latency"]["us_p95"], &all["service"]["us_p95"]);
    assert!(500_000.0 < latency.as_f64().unwrap(), "{all:#}");
    assert!(service.as_f64().unwrap() < 250_000.0, "only four operations were slow themselves: {all:#}");
    assert!(900_000.0 < all["service"]["us_max"].as_f64().unwrap());
}

#[test]
fn what_is_kept_adds_up_and_ctrl_c_keeps_it() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let read = file(&home, "read.sql", "SELECT count(*) FROM accounts;\n");
    let mut going = Going::start(
        &home,
        &["run", "-f", &read, "--database", "bank", "-c", "2", "-T", "60s", "--warm-up", "0s", "-P", "250ms"],
    );
    for _ in 0..3 {
        going.until("/s  p50");
    }
    let pid = going.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = going.end().exits(130);
    assert!(ran.stdout.contains("INTERRUPTED"), "{}", ran.stdout);
    let results = home.path().join("work/results");
    let folder = std::fs::read_dir(results).unwrap().next().unwrap().unwrap().path();
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!(kept["evidence"]["ended"], "interrupted");
    let answered = number(&kept["evidence"]["all"], "ok");
    let log = interval_log::read(&std::fs::read(folder.join("intervals.hlog")).unwrap()).unwrap();
    let logged = |tag: &str| log.iter().filter(|i| i.tag == tag).map(|i| i.histogram.len()).sum::<u64>();
    assert_eq!((logged("read"), logged("read:service"), logged("read:lag")), (answered, answered, answered));
    let lines = std::fs::read_to_string(folder.join("intervals.jsonl")).unwrap();
    let of_lines = lines.lines().map(|line| number(&serde_json::from_str::<Value>(line).unwrap()["interval"], "ok"));
    assert_eq!(of_lines.sum::<u64>(), answered);
}

#[test]
fn pgbouncer_is_a_target_in_session_and_in_transaction_mode() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let script = file(&home, "transfer.sql", TRANSFER);
    let pick = "name = 'p'\n[load]\nclients = 2\n[[action]]\nname = 'read'\n\
                sql = 'SELECT balance FROM accounts WHERE id = :id'\nwith = { id = 'pick(accounts.id)' }\n";
    let pick = file(&home, "pick.toml", pick);
    let mut expected = 0;
    for (mode, protocol, clients) in
        [("session", "prepared", "2"), ("transaction", "extended", "6"), ("transaction", "simple", "6")]
    {
        let bouncer = Bouncer::start(&home, mode);
        let url = bouncer.url();
        let more = ["run", "--url", &url, "--allow-writes", "--warm-up", "0s", "--format", "json", "-M", protocol];
        for (given, count) in [(["-f", &script], 60), (["-f", &script], 60)] {
            let found = home.run(&[&more[..], &given, &["-c", clients, "-n", "60"]].concat()).measured().json();
            assert_eq!(
                (number(action(&found, "transfer"), "ok"), &found["evidence"]["failures"]),
                (count, &serde_json::json!({}))
            );
            expected += count as i64;
        }
        let found = home.run(&[&more[..], &[&pick, "-n", "40"]].concat()).measured().json();
        assert_eq!(number(action(&found, "read"), "rows"), 40);
    }
    assert_eq!(one(&bank, "SELECT count(*) FROM history"), expected);
    // Who does not say how statements are sent gets what the pooler allows.
    for (mode, protocol) in [("session", "prepared"), ("transaction", "extended")] {
        let bouncer = Bouncer::start(&home, mode);
        let url = bouncer.url();
        let more = ["run", "--url", &url, "--allow-writes", "--warm-up", "0s", "--format", "json", "-f", &script];
        let found = home.run(&[&more[..], &["-c", "2", "-n", "60"]].concat()).measured();
        let found = found.json();
        assert_eq!(found["evidence"]["design"]["protocol"], protocol);
        assert_eq!(found["evidence"]["failures"], serde_json::json!({}));
        if mode == "transaction" {
            // Sessions of this pool have the statements of others.
            home.run(&[&more[..], &["-c", "6", "-n", "60", "-M", "prepared"]].concat())
                .exits(4)
                .says(&["--protocol extended"]);
        }
    }
}

#[test]
fn parts_of_a_load_add_up_to_the_whole() {
    let _machine = sharing();
    let home = Home::new();
    bank(&home);
    let text = "name = 'parts'\n[load]\nrate = 400\n[gates]\n'errors' = '< 1%'\n[[action]]\nname = 'read'\n\
                sql = 'SELECT balance FROM accounts WHERE id = :id'\nwith = { id = \"uniform(1, 100)\" }\n";
    let scenario = file(&home, "parts.toml", text);
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/bank?");
    let part = |part: u32, of: u32, seed: &str| {
        let results = home.path().join(format!("part{part}of{of}seed{seed}"));
        let (shard, at) = (format!("{part}/{of}"), results.display().to_string());
        let more =
            ["-T", "2s", "--warm-up", "0s", "--format", "json", "--seed", seed, "--shard", &shard, "--results", &at];
        (Going::start(&home, &[&["run", &scenario, "--url", &url], &more[..]].concat()), results)
    };
    let going: Vec<_> = (1..=3).map(|number| part(number, 3, "42")).collect();
    let mut folders = Vec::new();
    let mut answered = 0;
    for (going, results) in going {
        let found = going.end().json();
        assert!(
            (130..420).contains(&number(&found["evidence"]["all"], "due")),
            "a third of 800: {}",
            found["evidence"]["all"]
        );
        answered += number(&found["evidence"]["all"], "ok");
        folders.push(newest(&results).display().to_string());
    }
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let merged = home.run(&[&["merge", "--format", "json"], &folders[..]].concat()).json();
    let all = &merged["evidence"]["all"];
    assert_eq!(number(all, "ok"), answered);
    assert_eq!(number(&all["latency"], "count"), answered, "every histogram is in the sum");
    let intervals = merged["evidence"]["intervals"].as_array().unwrap();
    assert_eq!(intervals.iter().map(|i| number(&i["latency"], "count")).sum::<u64>(), answered);
    assert_eq!(merged["evidence"]["gates"][0]["holds"], true);
    // A merged result is a result.
    let kept = newest(&home.path().join("work/results"));
    let again = home.run(&["report", kept.to_str().unwrap(), "--format", "json"]).ok().json();
    assert_eq!(again["evidence"]["all"], *all);
    home.run(&["merge", folders[0], folders[2]]).exits(2).says(&["of 3 parts these are here: 1, 3"]);
    home.run(&["merge", folders[0], folders[0], folders[2]]).exits(2).says(&["of 3 parts these are here: 1, 1, 3"]);
    let (late, results) = part(2, 3, "42");
    late.end();
    let late = newest(&results);
    home.run(&["merge", folders[0], late.to_str().unwrap(), folders[2]]).exits(2).says(&["side by side for only 0 %"]);
    let (other, results) = part(2, 3, "7");
    other.end();
    let other = newest(&results);
    home.run(&["merge", folders[0], other.to_str().unwrap(), folders[2]])
        .exits(2)
        .says(&["the seed differs (42 and 7)"]);
}

#[test]
fn the_rate_at_which_an_objective_holds_is_found_and_confirmed() {
    let _machine = measuring();
    let home = Home::new();
    bank(&home);
    // Two connections that need 10 ms for each answer give 200 a second, however fast the machine is.
    let text =
        "name = 'slow'\n[load]\nrate = 60\nconnections = 2\n[[action]]\nname = 'wait'\nsql = 'SELECT pg_sleep(0.01)'\n";
    let scenario = file(&home, "slow.toml", text);
    let objective = "p90 < 80ms and errors < 1%";
    let ran = run(&home, &[&scenario, "-T", "3s", "--find-rate", objective, "--probe", "1500ms"]);
    let found = ran.measured().json();
    let search = &found["evidence"]["search"];
    assert_eq!(search["confirmed"], true);
    let rate = search["probes"].as_array().unwrap().last().unwrap()["rate_per_s"].as_f64().unwrap();
    assert!((90.0..200.0).contains(&rate), "{rate} in {search:#}");
    let beyond = search["probes"].as_array().unwrap().iter().filter(|p| 230.0 < p["rate_per_s"].as_f64().unwrap());
    assert!(beyond.clone().count() == beyond.filter(|p| p["holds"] == false).count(), "{search:#}");
    let never =
        run(&home, &[&scenario, "-R", "600", "-T", "1s", "--find-rate", "max < 1ms", "--probe", "500ms"]).exits(1);
    assert_eq!(never.json()["evidence"]["search"]["confirmed"], false);
    run(&home, &[&scenario, "--find-rate", "p95 < 80"]).exits(2).says(&["`80` must be a duration"]);
}
