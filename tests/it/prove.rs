//! `weighbridge prove` on a small shop: the verdicts a sceptic would try first.

use serde_json::json;

use crate::bank::Going;
use crate::support::{Home, Shop, findings, measuring, sharing};

fn verdict_of<'j>(trial: &'j serde_json::Value, action: &str) -> &'j str {
    let actions = trial["comparison"]["actions"].as_array().expect("a list of actions");
    let found = actions.iter().find(|a| a["name"] == action).expect("the action is reported");
    found["verdict"].as_str().expect("a word")
}

#[test]
fn a_migration_that_drops_a_needed_index_regresses_and_its_evidence_is_whole() {
    let _machine = measuring();
    let home = Home::new();
    let shop = Shop::new(&home);
    // As a rule it ends after eight; on a busy machine it goes on until it is decided.
    let ran = home.prove(&shop, "0003", &["--format", "json", "--chunks", "64", "--slice", "100ms"]).exits(1);
    let trial = ran.json();
    assert_eq!(trial["comparison"]["verdict"], "regressed");
    assert_eq!(verdict_of(&trial, "payments_of_user"), "regressed");

    // The index's use is on the right side only.
    let indexes = trial["comparison"]["indexes"].as_array().unwrap();
    let lost = indexes.iter().find(|i| i["name"] == "public.payments_user_id_idx").expect("the lost index is listed");
    assert_eq!(lost["fate"], "lost");
    assert_eq!(lost["after"], serde_json::Value::Null);
    assert!(0 < lost["before"]["scans"].as_i64().unwrap(), "{lost:#}");
    assert_eq!(lost["used_by_before"], serde_json::json!(["payments_of_user"]));

    // Both sides were asked the same: what was due, what came back, how often the server was called.
    for chunk in trial["evidence"]["chunks"].as_array().unwrap() {
        let due = |side: &str| -> Vec<u64> {
            let actions = chunk["sides"][side]["actions"].as_array().unwrap();
            actions.iter().map(|a| a["due"].as_u64().unwrap()).collect()
        };
        assert_eq!(due("before"), due("after"));
        assert_eq!(due("before"), due("control"));
        assert!(0 < due("before").iter().sum::<u64>());
    }
    let calls = |side: &str| trial["evidence"]["counters"][side]["work"][1]["calls"].clone();
    assert_eq!(calls("before"), calls("control"));
    assert_eq!(calls("before"), calls("after"));

    // What is on stdout is what is on disk, and disk holds no secret and no half file.
    let [result] = shop.results().try_into().expect("one result");
    let saved = std::fs::read_to_string(result.join("trial.json")).unwrap();
    assert_eq!(saved, ran.stdout);
    assert!(!saved.contains("postgresql://") && !saved.contains("password"));
    let mut files: Vec<_> = std::fs::read_dir(&result).unwrap().flatten().map(|e| e.file_name()).collect();
    files.sort();
    assert_eq!(files, ["chunks.hlog", "inputs", "report.html", "report.md", "trial.json"]);

    // What the experiment was made of is beside it.
    for (kept, own) in [
        ("scenarios/scenario.toml", "scenario.toml"),
        ("spec/dataset.toml", "dataset.toml"),
        ("migrations/0003_drops_a_needed_index.up.sql", "migrations/0003_drops_a_needed_index.up.sql"),
    ] {
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect(kept);
        assert_eq!(read(result.join("inputs").join(kept)), read(shop.folder.join(own)));
    }

    // So is how it is held again, with every flag it was given.
    let script = std::fs::read_to_string(result.join("inputs/repeat.sh")).unwrap();
    let flags = [
        "--chunks 64",
        "--slice 100ms",
        "--rounds 2",
        "--at 0001_shop",
        "--seed 42",
        "--margin 5%",
        " 0003_drops_a_needed_index ",
    ];
    assert!(flags.iter().all(|flag| script.contains(flag)), "{script}");
    // It was measured between these limits.
    let limits = &trial["evidence"]["limits"];
    for limit in [
        &limits["clock_ns"],
        &limits["trip_us_p50"],
        &limits["capacity_per_s"]["before"],
        &limits["capacity_per_s"]["after"],
    ] {
        assert!(0.0 < limit.as_f64().unwrap(), "{limits}");
    }

    // It validates against the published schema.
    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/trial.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let problems: Vec<String> = validator.iter_errors(&trial).map(|e| e.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());

    // A saved result gives the same report without a server.
    let again = home.run(&["report", &result.display().to_string(), "--format", "json"]).ok();
    assert_eq!(again.json()["comparison"], trial["comparison"]);
    let text = home.run(&["report", &result.display().to_string()]).ok().stdout;
    assert!(text.starts_with("0003_drops_a_needed_index    REGRESSED"), "{text}");

    // Nothing but the template is left behind.
    home.run(&["server", "start"]).ok();
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_build_"), Vec::<String>::new());
    assert_eq!(home.databases("weighbridge_template_").len(), 1);
}

#[test]
fn a_load_beyond_the_machine_is_invalid_and_not_a_regression() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["courses_of_user"]);
    shop.change("scenario.toml", "rate        = 120", "rate        = 300_000");
    let ran =
        home.prove(&shop, "0003", &["--format", "json", "--scale", "0.2", "--chunks", "1", "--slice", "50ms"]).exits(3);
    let trial = ran.json();
    assert_eq!(trial["comparison"]["verdict"], "invalid");
    let found = findings(&trial, "rate-not-reached")[0];
    assert_eq!((&found["severity"], &found["values"]["rate_per_s"]), (&json!("invalid"), &json!(300_000.0)));
}

#[test]
fn each_side_is_asked_what_the_application_asks_at_its_migration() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    // Before, the application asks for one thing, and a column that goes; after, for another that came.
    shop.change(
        "scenario.toml",
        "sql    = \"SELECT id, amount, status",
        "sql    = \"SELECT id, amount, lower(status::text), status",
    );
    let since = "[[action.since]]\nmigration = '0004'\n\
                 sql = 'SELECT id, amount, state FROM payments WHERE user_id = :user ORDER BY id'\n\n[[action]]\n\
                 name   = \"courses_of_user\"";
    shop.change("scenario.toml", "[[action]]\nname   = \"courses_of_user\"", since);
    let insert = "INSERT INTO payments (user_id, amount, status, created_at) VALUES (:user, :amount, 'pending', :from)";
    let after = "[[action.step.since]]\nmigration = '4'\n\
                 sql = \"INSERT INTO payments (user_id, amount, state, created_at) VALUES (:user, :amount, 'pending', \
                 :from)\"\n";
    shop.change("scenario.toml", &format!("sql = \"{insert}\"\n"), &format!("sql = \"{insert}\"\n{after}"));
    shop.write("migrations/0004_renames.up.sql", "ALTER TABLE payments RENAME COLUMN status TO state;\n");
    shop.write("migrations/0004_renames.down.sql", "ALTER TABLE payments RENAME COLUMN state TO status;\n");
    let ran = home.prove(&shop, "0004", &["--format", "json", "--scale", "0.2", "--chunks", "1", "--slice", "100ms"]);
    let trial = ran.json();
    let failures = trial["evidence"]["chunks"][0]["sides"].as_object().unwrap().values();
    assert!(failures.clone().count() == 3 && failures.clone().all(|side| side["failures"] == serde_json::json!({})));
    let actions = trial["evidence"]["actions"].as_array().unwrap();
    assert!(actions[0]["sql"][0].as_str().unwrap().contains("lower(status::text)"), "{actions:?}");
    assert!(actions[0]["sql_after"][0].as_str().unwrap().contains("amount, state"), "{actions:?}");
    assert!(actions[1].get("sql_after").is_none(), "asked the same on both sides");
    let calls = |side: &str, action: usize| trial["evidence"]["counters"][side]["work"][action]["calls"].clone();
    assert_eq!((calls("before", 0), calls("before", 2)), (calls("after", 0), calls("after", 2)));
    let text = home.run(&["report", "--detail", &shop.results()[0].display().to_string()]).stdout;
    assert!(text.contains("payments_of_user asks another statement after the migration"), "{text}");
}

#[test]
fn a_closed_loop_and_a_migration_after_others_work_too() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    shop.change("scenario.toml", "rate        = 120\nconnections = 4", "clients = 2");
    shop.write(
        "migrations/0004_index.up.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY p ON payments (user_id, id);\n",
    );
    shop.write("migrations/0004_index.down.sql", "DROP INDEX p;\n");
    // 0003 has dropped the index before either side is made; 0004 brings a better one.
    let trial = home.prove(&shop, "0004", &["--format", "json", "--chunks", "2", "--threads", "2"]).json();
    assert_eq!(trial["comparison"]["actions"][0]["counts"]["verdict"], "improved");
    // The faster side of a closed loop carries more: what is slower there is no regression of the migration.
    assert_eq!(findings(&trial, "unequal-load")[0]["severity"], "only-improvements");
    let indexes = trial["comparison"]["indexes"].as_array().unwrap();
    let new = indexes.iter().find(|i| i["name"] == "public.p").expect("the new index is listed");
    assert_eq!((new["fate"].as_str(), new["before"].is_null()), (Some("new"), true));
    assert!(0 < new["after"]["scans"].as_i64().unwrap());
    assert!(indexes.iter().all(|i| i["name"] != "public.payments_user_id_idx"), "dropped on every side");
    assert_eq!(trial["evidence"]["design"]["load"]["closed"]["clients"], 2);
}

#[test]
fn a_proof_goes_on_where_it_ended_and_its_verdicts_can_be_recomputed() {
    let _machine = measuring();
    let home = Home::new();
    let shop = Shop::new(&home);
    // Left running, for it is asked many times.
    home.run(&["server", "start"]).ok();
    let small = ["--format", "json", "--scale", "0.2", "--slice", "100ms"];
    let first = home.prove(&shop, "0002", &[&small[..], &["--chunks", "8"]].concat());
    let first = first.says(&["plan: verdicts after 8 chunks", "8 chunks tell "]).json();
    // It changes nothing: no win and no loss.
    for action in first["comparison"]["actions"].as_array().unwrap() {
        assert!(!["improved", "regressed"].contains(&action["verdict"].as_str().unwrap()), "{action:#}");
    }
    assert_eq!(
        (&first["evidence"]["design"]["looks"], first["evidence"]["design"]["attempt"].as_u64()),
        (&serde_json::json!([8]), Some(1))
    );
    let [folder] = shop.results().try_into().expect("one result");
    let folder = folder.display().to_string();

    let resumed = home.prove(&shop, "0002", &["--format", "json", "--resume", &folder, "--chunks", "10"]);
    // Rounds and slices are those it was begun with, so they cannot be given again.
    resumed.exits(2).says(&["--resume"]);
    let go_on = |more: &[&str]| {
        let load = ["--rounds", "2", "--slice", "250ms"];
        let arguments = shop.prove("0002", &[&["--format", "json", "--resume", &folder], more].concat());
        let kept: Vec<&str> =
            arguments.iter().map(String::as_str).filter(|argument| !load.contains(argument)).collect();
        home.run(&kept)
    };
    // A result of a newer program is refused before it is marked; one of an older program goes on.
    let document = std::path::Path::new(&folder).join("trial.json");
    let text = std::fs::read_to_string(&document).unwrap();
    let format = first["format"].as_u64().expect("a saved result has a format");
    let of_format = |other: u64| {
        let changed = text.replacen(&format!("\"format\": {format}"), &format!("\"format\": {other}"), 1);
        assert_ne!(changed, text);
        std::fs::write(&document, changed).unwrap();
    };
    of_format(format + 1);
    let newer = go_on(&["--chunks", "10"]).exits(2);
    newer.says(&[&format!("has format {}", format + 1), &format!("reads up to {format}")]);
    assert!(!std::path::Path::new(&folder).join("resumed-by").exists(), "nothing was drawn from it");
    of_format(format - 1);
    let second = go_on(&["--chunks", "10"]).json();
    let chunks = |trial: &serde_json::Value| trial["evidence"]["chunks"].as_array().unwrap().clone();
    assert_eq!((chunks(&first).len(), chunks(&second).len()), (8, 10));
    assert_eq!(chunks(&second)[..8], chunks(&first)[..], "what was measured stays");
    assert_eq!(second["evidence"]["design"]["looks"], serde_json::json!([8, 10]));
    assert_eq!(second["evidence"]["design"]["attempt"], 1, "the same experiment is no other attempt");
    let before = |chunk: usize| chunks(&second)[chunk]["sides"]["before"]["actions"].clone();
    assert_ne!(before(8), before(0), "new chunks have new arrivals");
    // The same chunks drawn twice would be two chances for one.
    go_on(&["--chunks", "16"]).exits(2).says(&["has gone on already"]);
    for result in shop.results().iter().filter(|result| result.display().to_string() != folder) {
        std::fs::remove_dir_all(result).unwrap();
    }
    // Wherever the new results are, or are no longer.
    go_on(&["--chunks", "16"]).exits(2).says(&["has gone on already, in ", "resumed-by"]);
    let mark = std::path::Path::new(&folder).join("resumed-by");
    std::fs::remove_file(&mark).unwrap();
    go_on(&["--chunks", "8"]).exits(2).says(&["begin a new one"]);
    shop.change("scenario.toml", "ORDER BY id", "ORDER BY id DESC");
    go_on(&["--chunks", "16"]).exits(2).says(&["the scenarios", "the actions differ"]);
    shop.change("scenario.toml", "ORDER BY id DESC", "ORDER BY id");
    assert!(!mark.exists(), "nothing was drawn from it");
    let again = home.prove(&shop, "0002", &[&small[..], &["--chunks", "1"]].concat()).json();
    assert_eq!(again["evidence"]["design"]["attempt"], 2);
    // Another seed is one more chance, and so is told.
    let other = home.prove(&shop, "0002", &[&small[..], &["--chunks", "1", "--seed", "7"]].concat()).json();
    assert_eq!(other["evidence"]["design"]["attempt"], 3);
    // Nor does another name hide one.
    for half in ["up", "down"] {
        let file = |name: &str| shop.folder.join(format!("migrations/0002_{name}.{half}.sql"));
        std::fs::rename(file("changes_nothing"), file("renamed")).unwrap();
    }
    let renamed = home.prove(&shop, "0002", &[&small[..], &["--chunks", "1"]].concat()).json();
    assert_eq!(renamed["evidence"]["migration"]["label"], "0002_renamed");
    assert_eq!(renamed["evidence"]["design"]["attempt"], 4);

    assert!(home.run(&["verify", &folder]).ok().stdout.starts_with("verified · "));
    // Histograms of one side are not those of another.
    let path = format!("{folder}/chunks.hlog");
    let measured = std::fs::read_to_string(&path).unwrap();
    let swapped = measured.replace("Tag=before:", "Tag=?:").replace("Tag=after:", "Tag=before:");
    std::fs::write(&path, swapped.replace("Tag=?:", "Tag=after:")).unwrap();
    let found = home.run(&["verify", &folder]).exits(1).stdout;
    assert!(found.contains("comparison.actions[0].p50.change.change: saved "), "{found}");
    std::fs::write(&path, measured).unwrap();
    home.run(&["verify", &folder]).ok();
    let path = format!("{folder}/trial.json");
    let told = std::fs::read_to_string(&path).unwrap();
    let share = "\"share\": 0.6,";
    assert!(told.contains(share));
    std::fs::write(&path, told.replacen(share, "\"share\": 0.7,", 1)).unwrap();
    let found = home.run(&["verify", &folder]).exits(1).stdout;
    assert!(found.contains("comparison.actions[0].share: saved 0.7, recomputed 0.6"), "{found}");
}

/// The design of a proof of the small shop with these flags.
fn design_of(home: &Home, shop: &Shop, more: &[&str]) -> (serde_json::Value, crate::support::Ran) {
    let ran = home.prove(shop, "0003", &[&["--format", "json", "--scale", "0.2"], more].concat());
    (ran.json(), ran)
}

#[test]
fn the_sides_can_take_turns_operation_by_operation_or_in_blocks() {
    let _machine = measuring();
    let home = Home::new();
    let shop = Shop::new(&home);
    home.run(&["server", "start"]).ok();
    let all = std::fs::read_to_string(shop.folder.join("scenario.toml")).unwrap();
    shop.only(&["payments_of_user"]);
    let (op, ran) = design_of(&home, &shop, &["--interleave", "op", "--chunks", "64", "--slice", "100ms"]);
    ran.exits(1).says(&["plan: the sides take turns operation by operation"]);
    assert_eq!(verdict_of(&op, "payments_of_user"), "regressed");
    assert_eq!(op["evidence"]["design"]["interleave"], "op");
    // Every side answered the same operations, and the same was sent.
    for chunk in op["evidence"]["chunks"].as_array().unwrap() {
        let of = |side: &str, what: &str| chunk["sides"][side][what].clone();
        assert_eq!(of("before", "digest"), of("after", "digest"));
        let ok = |side: &str| chunk["sides"][side]["actions"][0]["ok"].clone();
        assert_eq!((ok("before"), ok("before")), (ok("control"), ok("after")));
    }
    shop.write("scenario.toml", all);
    shop.only(&["payments_of_user", "record_payment"]);
    let (block, ran) = design_of(&home, &shop, &["--interleave", "block", "--chunks", "1", "--slice", "100ms"]);
    ran.exits(1);
    let side = &block["evidence"]["chunks"][0]["sides"]["after"];
    assert_eq!(side["slices"].as_array().unwrap().len(), 2);
    // The load writes, so each block begins with a checkpoint, and none falls into one.
    assert_eq!(block["evidence"]["design"]["checkpointed"], true);
    assert!(side["slices"].as_array().unwrap().iter().all(|slice| slice["checkpoints"] == 0), "{side:#}");
    let due = |side: &str| block["evidence"]["chunks"][0]["sides"][side]["digest"].clone();
    assert_eq!(due("before"), due("after"), "warm-ups are not counted on any side");
    // A mix that mostly writes falls due at checkpoints: then blocks are chosen, and it is said.
    shop.change("scenario.toml", "weight = 60", "weight = 1");
    let (chosen, ran) = design_of(&home, &shop, &["--chunks", "1", "--no-focus", "--slice", "100ms"]);
    ran.says(&["in blocks of", "of the operations may write"]);
    let design = &chosen["evidence"]["design"];
    assert_eq!(design["interleave"], "block");
    assert!(design["interleave_reason"].as_str().unwrap().starts_with("91 % of"), "{design:#}");
}

#[test]
fn sets_of_clones_decide_together_and_precision_ends_a_proof() {
    let _machine = measuring();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    home.run(&["server", "start"]).ok();
    let (sets, _) = design_of(&home, &shop, &["--replicates", "3", "--chunks", "9", "--slice", "100ms"]);
    let replicates: Vec<u64> =
        sets["evidence"]["chunks"].as_array().unwrap().iter().map(|c| c["replicate"].as_u64().unwrap()).collect();
    assert_eq!(replicates, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let clones = sets["evidence"]["design"]["clones"].as_array().unwrap();
    assert_eq!(clones.len(), 9);
    assert!(clones.iter().all(|clone| 0.0 < clone["duration_ms"].as_f64().unwrap()));
    assert_eq!(verdict_of(&sets, "payments_of_user"), "regressed", "a lost index shows on every set");
    home.run(&["server", "start"]).ok();
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());

    // An interval of 90 % is wide enough for the fewest chunks it may rest on.
    let (precise, ran) = design_of(&home, &shop, &["--precision", "90%", "--chunks", "14", "--slice", "100ms"]);
    ran.says(&["until every interval is within ±90.0 %"]);
    assert_eq!(precise["evidence"]["chunks"].as_array().unwrap().len(), 12);
    let [folder] = shop
        .results()
        .into_iter()
        .filter(|folder| std::fs::read_to_string(folder.join("trial.json")).unwrap().contains("\"precision\": 0.9"))
        .collect::<Vec<_>>()
        .try_into()
        .expect("one of them");
    let folder = folder.display().to_string();
    home.prove(&shop, "0003", &["--resume", &folder]).exits(2);
    assert!(home.run(&["verify", &folder]).ok().stdout.starts_with("verified"));
}

#[test]
fn a_migration_that_sets_something_for_its_database_is_told_as_such() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let set = |name: &str, value: &str| {
        format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {name} = {value}', current_database()); END $$;\n")
    };
    let sets = set("work_mem", "''64MB''") + &set("plan_cache_mode", "''force_custom_plan''");
    shop.write("migrations/0002_changes_nothing.up.sql", sets);
    shop.write(
        "migrations/0002_changes_nothing.down.sql",
        set("work_mem", "DEFAULT") + &set("plan_cache_mode", "DEFAULT"),
    );
    let trial = home.prove(&shop, "0002", &["--format", "json", "--scale", "0.2", "--chunks", "3"]).exits(3).json();
    let found = findings(&trial, "settings-differ")[0];
    let settings = found["values"]["settings"].as_array().unwrap();
    assert!(settings.iter().any(|of| of["name"] == "work_mem" && of["other"] == "64MB"), "{found}");
    assert_eq!(trial["evidence"]["server_after"]["settings"]["work_mem"], "64MB");
    // A plan for every execution, where the other sides have one for all.
    let shares = findings(&trial, "plan-kinds-differ")[0]["values"]["shares"].as_array().unwrap();
    let found = shares.iter().find(|of| of["side"] == "after").unwrap_or_else(|| panic!("{shares:#?}"));
    assert_eq!(found["other"], 0.0);
    let plans = |side: &str| trial["evidence"]["counters"][side]["plan_counts"][0].clone();
    assert_eq!(plans("after")["generic"], 0);
    assert!(0 < plans("before")["generic"].as_u64().unwrap() && 0 < plans("after")["custom"].as_u64().unwrap());
}

#[test]
fn what_changed_and_is_rare_gets_more_of_the_load() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.change("scenario.toml", "weight = 60", "weight = 1");
    let shares = |more: &[&str]| {
        let flags = [&["--format", "json", "--scale", "0.2", "--chunks", "1"], more].concat();
        let trial = home.prove(&shop, "0003", &flags).exits(1).json();
        let action = &trial["evidence"]["actions"][0];
        assert_eq!(action["name"], "payments_of_user");
        let sent = trial["evidence"]["chunks"][0]["sides"]["after"]["actions"][0]["due"].as_f64().unwrap();
        (action["share"].as_f64().unwrap(), action["driven_share"].as_f64(), sent)
    };
    let (share, driven, sent) = shares(&[]);
    assert!(driven.is_some_and(|driven| 4.0 * share < driven && driven <= 0.5), "{share} {driven:?}");
    let (as_asked, none, few) = shares(&["--no-focus"]);
    assert_eq!((as_asked, none), (share, None));
    assert!(4.0 * few < sent, "{few} {sent}");
}

#[test]
fn nothing_but_the_standard_catalog_is_needed_on_the_target() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    home.run(&["server", "start"]).ok();
    for sql in ["CREATE ROLE plain LOGIN CREATEDB", "ALTER SYSTEM SET shared_preload_libraries = 'plpgsql'"] {
        home.query(sql);
    }
    home.run(&["server", "stop"]).ok();
    home.run(&["server", "start"]).ok();
    assert_eq!(home.query("SELECT current_setting('shared_preload_libraries')"), ["plpgsql"]);
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("weighbridge@", "plain@");
    // Somebody of whom this role may not know what he does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let other = runtime.block_on(home.target().connect()).expect("the server answers");
    let ran = home.prove(&shop, "0003", &["--url", &url, "--chunks", "2"]).exits(1);
    drop(other);
    assert!(ran.stdout.contains("undecided under load: 2 of at least 8 chunks"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("error") && !ran.stdout.contains("SQLSTATE"), "{}\n{}", ran.stderr, ran.stdout);
    let [result] = shop.results().try_into().expect("one result");
    let detail = home.run(&["report", "--detail", &result.display().to_string()]).ok().stdout;
    assert!(detail.contains("GRANT pg_read_all_stats") && !detail.contains("SQLSTATE"), "{detail}");
    let kept = home.run(&["report", &result.display().to_string(), "--format", "json"]).ok().json();
    let counted = &kept["comparison"]["actions"][0]["counts"];
    assert_eq!(
        (counted["verdict"].as_str(), counted["answers"].as_str()),
        (Some("regressed"), Some("same")),
        "{counted}"
    );
    let counters = &kept["evidence"]["counters"]["before"];
    assert!(counters["work"].is_null(), "{counters}");
    let index = &counters["indexes"]["public.payments_user_id_idx"];
    assert!(0 < index["scans"].as_i64().unwrap(), "{index}");
    assert!(index["cached_blocks"].is_null() && index["leaf_density"].is_null(), "{index}");
}

#[test]
fn what_a_migration_leaves_alone_keeps_its_statistics_and_the_rest_is_maintained_on_every_side() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.write(
        "migrations/0004_touches.up.sql",
        "UPDATE enrollments SET enrolled_at = enrolled_at WHERE id % 3 = 0;\nANALYZE courses;\n\
         CREATE STATISTICS payments_of_status (dependencies) ON status, metadata FROM payments;\n\
         ALTER TABLE users RENAME created_at TO joined_at;\n",
    );
    shop.write("migrations/0004_touches.down.sql", "SELECT 1;\n");
    shop.only(&["payments_of_user"]);
    home.run(&["server", "start"]).ok();
    let arguments = shop.prove("0004", &["--scale", "0.2", "--chunks", "64"]);
    let mut going = Going::start(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    going.until("measured chunk 1 of");
    let of = |side: &str, sql: &str| {
        let [clone] = home.databases(&format!("weighbridge_clone_%_{side}")).try_into().expect("one clone");
        crate::support::query(&home.target().database(&clone), sql)
    };
    let maintained = "SELECT relname || ' ' || vacuum_count || ' ' || analyze_count FROM pg_stat_user_tables
                      ORDER BY 1";
    let kept = "SELECT md5(string_agg(s::text, ' ' ORDER BY s.tablename, s.attname)) FROM pg_stats s
                WHERE schemaname = 'public' AND tablename = 'users' AND attname IN ('id', 'email')";
    let [before, control, after] = ["before", "control", "after"].map(|side| (of(side, maintained), of(side, kept)));
    assert_eq!(before.0, ["courses 1 1", "enrollments 1 1", "payments 1 1", "users 0 0"]);
    assert_eq!(control, before);
    // What the migration itself looked at, the others get a new look at too.
    assert_eq!(after.0, ["courses 1 2", "enrollments 1 1", "payments 1 1", "users 0 0"]);
    assert_eq!(after.1, before.1);
    // Statistics that a migration makes hold something: the planner would not use them otherwise.
    assert_eq!(of("after", "SELECT (dependencies IS NOT NULL)::text FROM pg_stats_ext"), ["true"]);
    going.child.kill().unwrap();
    going.end();

    // A column that is to be sampled more finely is.
    shop.change(
        "migrations/0004_touches.up.sql",
        "CREATE STATISTICS payments_of_status (dependencies) ON status, metadata FROM payments",
        "ALTER TABLE payments ALTER status SET STATISTICS 500",
    );
    // Sets of clones have statistics of their own, and still no vacuum that the migration did not ask for.
    let arguments = shop.prove("0004", &["--scale", "0.2", "--replicates", "3", "--chunks", "16"]);
    let mut going = Going::start(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    going.until("measured chunk 1 of");
    assert_eq!(of("before", maintained), ["courses 1 2", "enrollments 1 2", "payments 1 2", "users 0 1"]);
    assert_eq!(of("after", maintained), ["courses 1 3", "enrollments 1 2", "payments 1 2", "users 0 1"]);
    going.child.kill().unwrap();
    going.end();
}

#[test]
fn a_result_of_an_older_format_is_still_read() {
    let home = Home::empty();
    let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results/format-3");
    let document = std::fs::read_to_string(format!("{saved}/trial.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["format"], 3);
    let read = home.run(&["report", saved, "--format", "json"]).ok().json();
    assert_eq!(read["comparison"]["verdict"], "regressed");
    let verdicts = |of: &serde_json::Value| -> Vec<(String, String)> {
        let actions = of["comparison"]["actions"].as_array().unwrap();
        actions.iter().map(|action| (action["name"].to_string(), action["verdict"].to_string())).collect()
    };
    assert_eq!(verdicts(&read), verdicts(&document));
    // What was measured is what it was; what was not asked then is missing, not made up.
    assert_eq!(
        read["comparison"]["actions"][0]["p50"]["change"],
        document["comparison"]["actions"][0]["p50"]["change"]
    );
    assert_eq!(read["comparison"]["balance"]["wanted"], serde_json::json!([]));
    assert!(home.run(&["verify", saved]).ok().stdout.starts_with("verified: every estimate follows"));
    let text = home.run(&["report", "--detail", saved]).ok().stdout;
    assert!(text.contains("dataset ×0.2 seed 42") && text.contains("payments_user_id_idx"), "{text}");
}

/// Results that earlier versions left behind, with what their verdict was.
#[test]
fn results_of_every_older_format_are_still_read() {
    let home = Home::empty();
    let saved = |name: &str| format!("{}/tests/data/results/{name}", env!("CARGO_MANIFEST_DIR"));
    for (name, format, verdict) in [
        ("format-7/platform", 7, "improved"),
        ("format-7/regressed", 7, "regressed"),
        ("format-7/counts", 7, "improved"),
        ("run-2", 2, "limited"),
        ("run-3", 3, "limited"),
    ] {
        let file = if name.starts_with("run") { "run.json" } else { "trial.json" };
        let document = std::fs::read_to_string(format!("{}/{file}", saved(name))).unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["format"], format, "{name}");
        let read = home.run(&["report", &saved(name), "--format", "json"]).ok().json();
        let found = if file == "run.json" { &read["verdict"] } else { &read["comparison"]["verdict"] };
        assert_eq!(found, verdict, "{name}");
        for other in ["text", "markdown", "html", "junit", "sarif", "github", "benchmark-action", "openmetrics"] {
            assert!(!home.run(&["report", &saved(name), "--format", other]).ok().stdout.is_empty(), "{name}");
        }
    }
}
