//! `weighbridge prove --counts-only`, and what counts say beside a load: nothing here may depend on the machine's
//! speed.

use serde_json::{Value, json};

use crate::support::{Home, Shop, action_of, claims, findings, sharing};

#[test]
fn counts_name_the_plan_that_changed_and_are_the_same_every_time() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let first = home.counted(&shop, "0003", &["--format", "json"]).exits(1).json();
    assert_eq!(first["comparison"]["verdict"], "regressed");
    let lost = &action_of(&first, "payments_of_user")["counts"];
    let change =
        json!([{ "kind": "index_to_sequential", "relation": "payments", "from": "payments_user_id_idx" }, 256]);
    assert!(lost["plan_changes"].as_array().unwrap().contains(&change), "{lost:#}");
    assert!(lost["before"]["blocks"].as_f64().unwrap() * 2.0 < lost["after"]["blocks"].as_f64().unwrap(), "{lost:#}");
    assert_eq!(lost["before"]["rows"], lost["after"]["rows"]);
    assert_eq!(lost["answers"], "same");
    assert!(!lost["generic_changes"].as_array().unwrap().is_empty(), "{lost:#}");
    // The other actions cost what they did; a write says what it wrote, and writes less without the index.
    assert_eq!(action_of(&first, "courses_of_user")["counts"]["verdict"], "same");
    let write = &action_of(&first, "record_payment")["counts"];
    assert_eq!((&write["answers"], &write["before"]["rows"]), (&json!("same"), &json!(2.0)));
    assert!(
        write["after"]["wal_bytes"].as_f64().unwrap() < write["before"]["wal_bytes"].as_f64().unwrap(),
        "{write:#}"
    );
    // The foreign key has lost its index.
    let balance = &first["comparison"]["balance"];
    assert_eq!(balance["unindexed"], json!(["payments (user_id)"]));
    assert_eq!(balance["unindexed_before"], json!(["enrollments (course_id)"]));
    // So its line says who used it; nothing was driven, so nothing is said of scans.
    let indexes = first["comparison"]["indexes"].as_array().unwrap();
    let (unchanged, others): (Vec<&Value>, Vec<&Value>) = indexes.iter().partition(|index| index["unchanged"] == true);
    let [index] = &others[..] else { panic!("one index: {others:#?}") };
    assert_eq!((&index["name"], &index["fate"]), (&json!("public.payments_user_id_idx"), &json!("lost")));
    assert_eq!((&index["used_by_before"], &index["used_by_after"]), (&json!(["payments_of_user"]), &json!([])));

    // The sheet holds the others that actions use too; those that none uses are no part of it.
    let kept: Vec<&str> = unchanged.iter().map(|index| index["name"].as_str().unwrap()).collect();
    assert!(kept.contains(&"public.enrollments_once") && !kept.contains(&"public.users_email_key"), "{kept:?}");

    // What a result keeps is enough to do it again, and it comes again as it was.
    let [result] = &shop.results()[..] else { panic!("one result") };
    let again = home.script(&result.join("inputs/repeat.sh"), &["--format", "json"]).exits(1).json();
    assert_eq!(first["evidence"]["counts"], again["evidence"]["counts"]);
    assert_eq!(first["comparison"], again["comparison"]);
    assert_eq!(shop.results().len(), 2, "it lies beside the first");

    // So is what uses a file in a folder of its own.
    std::fs::create_dir(shop.folder.join("shared")).unwrap();
    shop.write(
        "shared/reads.toml",
        "name = 'reads'\n[[action]]\nname = 'of_user'\n\
                                     sql = 'SELECT id FROM payments WHERE user_id = :user'\n\
                                     with = { user = 'pick(users.id)' }\n",
    );
    shop.write(
        "main.toml",
        "name = 'main'\n[load]\nrate = 100\nconnections = 2\n[[use]]\nfile = 'shared/all.toml'\n\
         actions = ['of_user']\n[[action]]\nname = 'courses'\nsql = 'SELECT count(*) FROM courses'\n",
    );
    shop.write("shared/all.toml", "name = 'all'\n[[use]]\nfile = 'reads.toml'\n");
    let path = |name: &str| shop.folder.join(name).display().to_string();
    let (migrations, spec, main, results) =
        (path("migrations"), path("dataset.toml"), path("main.toml"), path("of-main"));
    let flags =
        ["prove", "0003", "--at", "0001", "--counts-only", "--scale", "0.2", "--format", "json", "--migrations"];
    let files = [&*migrations, "--spec", &spec, "--scenario", &main, "--results", &results];
    let used = home.run(&[&flags[..], &files[..]].concat()).exits(1).json();
    let result = std::fs::read_dir(&results).unwrap().next().unwrap().unwrap().path();
    assert!(result.join("inputs/scenarios/shared/reads.toml").exists());
    let again = home.script(&result.join("inputs/repeat.sh"), &["--format", "json"]).exits(1).json();
    assert_eq!(used["comparison"], again["comparison"]);

    // The published schema holds, and a saved result gives the same report without a server.
    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/trial.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert_eq!(validator.iter_errors(&first).map(|e| e.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    let text = home.run(&["report", "--detail", &shop.results()[0].display().to_string()]).ok().stdout;
    assert!(text.contains("payments_of_user · plan: payments: payments_user_id_idx → sequential scan"), "{text}");
    let line = text.lines().find(|line| line.contains("payments_user_id_idx  was: payments_of_user")).expect(&text);
    assert!(line.contains("– → –"), "{line}");
    assert!(
        text.contains("indexes that are used as before (report.md)") && !text.contains("enrollments_once  "),
        "{text}"
    );
    let markdown = home.run(&["report", &shop.results()[0].display().to_string(), "--format", "markdown"]).ok().stdout;
    assert!(markdown.contains("| payments_of_user | 60 % |"), "{markdown}");
    assert!(markdown.contains("|  | enrollments_once | courses_of_user |"), "{markdown}");

    // An index no plan names may serve keys, triggers or functions: without a load nothing says that it is unused.
    shop.write("migrations/0004_idle.up.sql", "CREATE INDEX payments_amount_idx ON payments (amount);\n");
    shop.write("migrations/0004_idle.down.sql", "DROP INDEX payments_amount_idx;\n");
    shop.only(&["courses_of_user"]);
    let idle = home.counted(&shop, "0004", &["--format", "json"]).json();
    let indexes = idle["comparison"]["indexes"].as_array().unwrap();
    let new: Vec<&Value> =
        indexes.iter().filter(|index| index["unchanged"] == false).map(|index| &index["name"]).collect();
    assert_eq!(new, ["public.payments_amount_idx"]);
    assert_eq!(idle["comparison"]["balance"]["unused"], json!([]));
}

#[test]
fn an_answer_that_changes_is_invalid_and_a_new_column_is_no_answer() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let of_user = |name: &str, columns: &str, order: &str| {
        let sql = format!("SELECT {columns} FROM payments WHERE user_id = :user ORDER BY {order}");
        format!("[[action]]\nname = '{name}'\nsql = '{sql}'\nwith = {{ user = 'pick(payers.heavy)' }}\n")
    };
    let actions = [
        of_user("all", "*", "id"),
        of_user("clock", "clock_timestamp(), *", "id"),
        of_user("first", "amount", "id LIMIT 5"),
        of_user("some", "amount", "user_id LIMIT 5"),
        of_user("chance", "random()", "user_id LIMIT 5"),
        "[[action]]\nname = 'courses'\nsql = 'SELECT title FROM courses'\n".to_owned(),
    ];
    shop.write("scenario.toml", format!("name = 'shop'\n[load]\nrate = 10\n{}", actions.concat()));
    shop.write("migrations/0004_wrong.up.sql", "UPDATE payments SET amount = amount + 1 WHERE id % 7 = 0;\n");
    shop.write("migrations/0004_wrong.down.sql", "UPDATE payments SET amount = amount - 1 WHERE id % 7 = 0;\n");
    shop.write("migrations/0005_wider.up.sql", "ALTER TABLE payments ADD COLUMN note text;\n");
    shop.write("migrations/0005_wider.down.sql", "ALTER TABLE payments DROP COLUMN note;\n");
    let counts = |migration: &str, code: i32| {
        home.counted(&shop, migration, &["--format", "json", "--sets", "8"]).exits(code).json()
    };
    let answers = |trial: &Value| -> Vec<String> {
        let names = ["all", "clock", "first", "some", "chance", "courses"];
        names.map(|name| action_of(trial, name)["counts"]["answers"].as_str().unwrap().to_owned()).to_vec()
    };
    let wrong = counts("0004", 3);
    assert_eq!(wrong["comparison"]["verdict"], "invalid");
    // A clock is not the same twice: it is left out, and what stands beside it is compared. Where the order says which
    // rows come first, others are another answer; where it does not, they may be.
    assert_eq!(answers(&wrong), ["different", "different", "different", "other_part", "unrepeatable", "same"]);
    assert!(findings(&wrong, "answer-changed").iter().any(|found| found["action"] == "all"));
    // Nothing that could be read from a payment is in the file.
    assert!(!wrong.to_string().contains("@example.com"));

    let wider = counts("0005", 0);
    assert_eq!(answers(&wider), ["same", "same", "same", "same", "unrepeatable", "same"]);
    assert_eq!(action_of(&wider, "clock")["counts"]["columns_left_out"], 1);
}

#[test]
fn counts_come_again_where_earlier_migrations_lie_between_the_data_and_the_sides() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    home.run(&["server", "start"]).ok();
    // So many rows of payments that ANALYZE takes a sample of them; what an earlier migration touches is whole in its
    // own.
    let touches = "UPDATE courses SET title = upper(title) WHERE id % 2 = 0;\n\
                   ALTER TABLE users ADD COLUMN plan text NOT NULL DEFAULT 'free';\n";
    shop.write("migrations/0002_changes_nothing.up.sql", touches);
    let counts = || {
        let ran = home.counted(&shop, "0003", &["--format", "json", "--scale", "1", "--sets", "8"]).exits(1);
        ran.json()["evidence"]["counts"].clone()
    };
    assert_eq!(counts(), counts());
}

#[test]
fn a_dataset_that_another_role_made_is_not_taken_for_its_tables_are_not_ones_own() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    home.run(&["server", "start"]).ok();
    home.query("CREATE ROLE plain LOGIN CREATEDB");
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("weighbridge@", "plain@");
    home.counted(&shop, "0003", &[]).exits(1).says(&["dataset: seeded in"]);
    home.counted(&shop, "0003", &["--url", &url]).exits(1).says(&["dataset: seeded in"]);
    let again = home.counted(&shop, "0003", &["--url", &url, "--format", "markdown"]).exits(1);
    let again = again.says(&["dataset: reusing"]).stdout;
    assert!(again.contains("## `0003_drops_a_needed_index`: regressed"), "{again}");
    assert_eq!(home.databases("weighbridge_template_").len(), 2);
}

#[test]
fn one_migration_that_helps_and_harms_is_reported_with_all_its_facts() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    // Room in the pages, so that updates can be in place.
    let index = "CREATE INDEX payments_user_id_idx ON payments (user_id);";
    shop.change("migrations/0001_shop.up.sql", index, &format!("{index}\nALTER TABLE payments SET (fillfactor = 70);"));
    shop.write(
        "migrations/0004_two_indexes.up.sql",
        "CREATE INDEX payments_user_created_idx ON payments (user_id, created_at DESC);\n\
         CREATE INDEX payments_created_idx ON payments (created_at);\n",
    );
    shop.write("migrations/0004_two_indexes.down.sql", "DROP INDEX payments_user_created_idx, payments_created_idx;\n");
    for end in ["up", "down"] {
        std::fs::remove_file(shop.folder.join(format!("migrations/0003_drops_a_needed_index.{end}.sql"))).unwrap();
    }
    // What it makes faster; what the planner moves to an index it should not; what is updated in place until then.
    shop.write(
        "scenario.toml",
        "name = 'shop'\n[load]\nrate = 600\nconnections = 4\n\
         [[action]]\nname = 'latest'\nweight = 40\nsql = 'SELECT id, amount FROM payments WHERE user_id = :user \
         ORDER BY created_at DESC LIMIT 3'\nwith = { user = 'pick(payers.heavy)' }\n\
         [[action]]\nname = 'oldest_ids'\nweight = 20\n\
         sql = 'SELECT id, created_at FROM payments WHERE id BETWEEN :low AND :low + 3000 \
         ORDER BY created_at DESC LIMIT 5'\nwith = { low = 'uniform(1, 2000)' }\n\
         [[action]]\nname = 'touch'\nweight = 40\nmargin = '50%'\n\
         sql = \"UPDATE payments SET created_at = created_at + interval '1 ms' WHERE id = :id\"\n\
         with = { id = 'uniform(1, 60000)' }\n",
    );
    let trial = home.prove(&shop, "0004", &["--format", "json", "--chunks", "8", "--slice", "100ms"]).json();
    let counted = |name: &str| action_of(&trial, name)["counts"]["verdict"].clone();
    assert_eq!((counted("latest"), counted("oldest_ids")), (json!("improved"), json!("regressed")));
    let moved = action_of(&trial, "oldest_ids")["counts"]["plan_changes"].to_string();
    assert!(moved.contains("payments_created_idx"), "{moved}");
    let balance = &trial["comparison"]["balance"];
    let redundant = balance["made_redundant"].as_array().unwrap();
    assert!(
        redundant.contains(&json!(["public.payments_user_id_idx", "public.payments_user_created_idx"])),
        "{balance:#}"
    );
    let hot = &balance["hot_updates"][0];
    assert_eq!(hot["table"], "public.payments", "{balance:#}");
    assert!(0.5 < hot["share_before"].as_f64().unwrap() && hot["share_after"] == 0.0, "{balance:#}");
    let touch = &action_of(&trial, "touch")["counts"];
    assert!(
        touch["before"]["wal_bytes"].as_f64().unwrap() < touch["after"]["wal_bytes"].as_f64().unwrap(),
        "{touch:#}"
    );
    // What each index costs: its build, the writes to its table (of both indexes together), its pages.
    let indexes = trial["comparison"]["indexes"].as_array().unwrap();
    let index = indexes.iter().find(|index| index["name"] == "public.payments_created_idx").expect("the new index");
    assert!(0.0 < index["build_ms"].as_f64().unwrap(), "{index:#}");
    assert_eq!(index["together_with"], json!(["public.payments_user_created_idx"]));
    let write = &index["writes"][0];
    assert_eq!((&write["action"], index["writes"].as_array().unwrap().len()), (&json!("touch"), 1));
    assert_eq!(write["wal_bytes_after"], touch["after"]["wal_bytes"]);
    assert_eq!(write["p50"], action_of(&trial, "touch")["p50"]["change"]);
    assert!(write["p50"]["low"].as_f64().unwrap() < write["p50"]["high"].as_f64().unwrap(), "{write:#}");
    for (extension, what) in [("pg_buffercache", "cached_blocks"), ("pgstattuple", "leaf_density")] {
        let seen = index["after"].get(what).and_then(Value::as_f64);
        assert_eq!(seen.is_some_and(|seen| 0.0 < seen), available(&home, extension), "{what}: {index:#}");
    }
    let text = home.run(&["report", "--detail", &shop.results()[0].display().to_string()]).ok().stdout;
    assert!(text.contains("payments_created_idx: built in ") && text.contains("B of WAL an operation, p50 "), "{text}");
}

#[test]
fn an_order_that_says_the_place_of_each_row_is_part_of_the_answer() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let index = "CREATE INDEX payments_user_id_idx ON payments (user_id);";
    let place = |by: &str| {
        format!("CREATE OR REPLACE FUNCTION place(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT {by}';\n")
    };
    shop.change("migrations/0001_shop.up.sql", index, &format!("{index}\n{}", place("$1")));
    shop.change("scenario.toml", "WHERE user_id = :user ORDER BY id", "WHERE user_id = :user ORDER BY place(id)");
    shop.write("migrations/0002_changes_nothing.up.sql", place("-$1"));
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(3).json();
    assert_eq!(action_of(&trial, "payments_of_user")["counts"]["answers"], "different");
    // Where rows tie, another order is no other answer, and is told.
    let all_tie =
        "SELECT id FROM (SELECT id FROM payments WHERE user_id = :user ORDER BY place(id)) s ORDER BY place(0)";
    shop.change(
        "scenario.toml",
        "SELECT id, amount, status FROM payments WHERE user_id = :user ORDER BY place(id)",
        all_tie,
    );
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(0).json();
    assert_eq!(action_of(&trial, "payments_of_user")["counts"]["answers"], "other_order");
    let told = |result: &std::path::PathBuf| {
        let text = home.run(&["report", "--detail", &result.display().to_string()]).stdout;
        text.contains("either rows tie or the migration changes the order")
    };
    assert_eq!(shop.results().iter().filter(|result| told(result)).count(), 1);
    // Chance says every place too, and agrees with itself now and then.
    shop.change("scenario.toml", all_tie, "SELECT id FROM payments WHERE user_id = :user ORDER BY random()");
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(0).json();
    assert_ne!(action_of(&trial, "payments_of_user")["counts"]["answers"], "different");
}

#[test]
fn a_few_parameters_that_got_slower_are_named_though_none_of_them_is_sampled() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    // Of 400 users one in fifty has four thousand entries, the others twelve.
    let logs =
        "CREATE TABLE logs AS SELECT u AS owner, n * 400 + u AS at, 'read' AS note FROM generate_series(1, 400) u,
         LATERAL generate_series(1, CASE WHEN u % 50 = 7 THEN 4000 ELSE 12 END) n ORDER BY n, u;
         CREATE INDEX logs_owner_at_idx ON logs (owner, at);";
    shop.write("migrations/0002_changes_nothing.up.sql", logs);
    shop.write(
        "migrations/0003_drops_a_needed_index.up.sql",
        "CREATE INDEX logs_owner_idx ON logs (owner);\nDROP INDEX logs_owner_at_idx;\n",
    );
    shop.change(
        "scenario.toml",
        "SELECT id, amount, status FROM payments WHERE user_id = :user ORDER BY id",
        "SELECT at, note FROM logs WHERE owner = :user ORDER BY at DESC LIMIT 10",
    );
    shop.change("scenario.toml", "pick(users.id, zipf 0.5)", "pick(users.id)");
    // Three sets, none of them of the few: the planner tells of the others.
    let trial = home.counted(&shop, "0003", &["--sets", "3", "--format", "json"]).exits(1).json();
    let counts = &action_of(&trial, "payments_of_user")["counts"];
    let sets = trial["evidence"]["counts"]["after"][0]["sets"].as_array().unwrap();
    let found: Vec<u64> = sets.iter().map(|set| set["rows_found"]["logs"].as_u64().unwrap()).collect();
    assert!(found[..3].iter().all(|rows| *rows == 12) && found[3..].contains(&4_000), "{found:?}");
    let dearer = &counts["dearer"];
    let share = dearer["sets"].as_f64().unwrap() / counts["sets"].as_f64().unwrap();
    assert!((0.003..0.06).contains(&share), "{counts:#}");
    let apart = json!({ "by": { "found_after": "logs" }, "sets": [4000, 4000], "others": [12, 12] });
    assert_eq!(dearer["apart"], apart);
    let text = home.run(&["report", "--detail", &shop.results()[0].display().to_string()]).stdout;
    let named = ": those executed find at least 4,000 rows of logs with the migration, the others at most 12";
    assert!(text.contains(named), "{text}");
    // Under load no percentile need show them, and the verdict is no other.
    let load = ["--format", "json", "--sets", "3", "--chunks", "1", "--scale", "0.2"];
    let trial = home.prove(&shop, "0003", &load).exits(1).json();
    let few = claims(&trial, "more-work-for-few-parameters");
    assert_eq!(few[0]["actions"][0]["action"], "payments_of_user", "{few:?}");
}

/// Whether the server could have an extension: it is missed politely where not.
fn available(home: &Home, extension: &str) -> bool {
    home.run(&["server", "start"]).ok();
    let sql = format!("SELECT count(*)::text FROM pg_available_extensions WHERE name = '{extension}'");
    home.query(&sql) == ["1"]
}

#[test]
fn an_index_that_is_missing_is_tried_where_hypopg_is_installed_and_parameters_are_told_apart() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user"]);
    let installed = available(&home, "hypopg");
    let other_server = std::env::var_os("WEIGHBRIDGE_TEST_POSTGRES_BIN").is_some();
    assert!(installed || other_server, "install it: scripts/install-hypopg");
    home.run(&["server", "stop"]).ok();
    let trial = home.counted(&shop, "0003", &["--format", "json"]).exits(1).json();
    let wanted = trial["comparison"]["balance"]["wanted"].as_array().unwrap();
    if installed {
        let wanted = wanted.iter().find(|wanted| wanted["index"] == "payments (user_id)").expect("the lost index");
        assert_eq!(wanted["action"], "payments_of_user");
        assert!(wanted["cost_with"].as_f64().unwrap() * 2.0 < wanted["cost"].as_f64().unwrap(), "{wanted}");
    } else {
        assert!(wanted.is_empty(), "{wanted:?}");
    }
    // Some users have paid nothing, most a little, a few very much.
    let classes = action_of(&trial, "payments_of_user")["counts"]["classes"].as_array().unwrap();
    let kinds: Vec<&str> = classes.iter().map(|class| class["class"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"normal") && kinds.contains(&"heavy"), "{classes:#?}");
    let sets: u64 = classes.iter().map(|class| class["sets"].as_u64().unwrap()).sum();
    assert!((255..=257).contains(&sets), "256, each kind rounded: {sets}");
    for class in classes {
        assert!(class["before"]["blocks"].as_f64().unwrap() < class["after"]["blocks"].as_f64().unwrap(), "{class}");
    }
}

#[test]
fn an_index_hidden_in_turn_shows_who_needs_it_and_is_still_there() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.write("migrations/0002_changes_nothing.up.sql", "CREATE INDEX payments_twin_idx ON payments (user_id);\n");
    let trial = home.counted(&shop, "0002", &["--ablate", "--format", "json"]).exits(0).json();
    let ablated = trial["evidence"]["ablated"].as_array().unwrap();
    assert!(!ablated.is_empty());
    // Of twins neither is needed; the report says that one is redundant.
    let balance = &trial["comparison"]["balance"];
    assert_eq!(
        (&balance["needed"], &balance["made_redundant"][0][0]),
        (&json!([]), &json!("public.payments_twin_idx"))
    );
    shop.write(
        "migrations/0002_changes_nothing.up.sql",
        "CREATE INDEX enrollments_at_idx ON enrollments (enrolled_at);\n",
    );
    let trial = home.counted(&shop, "0002", &["--ablate", "--format", "json"]).exits(0).json();
    let needed = &trial["comparison"]["balance"]["needed"][0];
    assert_eq!(
        (&needed["index"], &needed["action"]),
        (&json!("public.payments_user_id_idx"), &json!("payments_of_user"))
    );
    assert!(needed["blocks"].as_f64().unwrap() * 2.0 < needed["blocks_without"].as_f64().unwrap(), "{needed}");
    let text = home.run(&["report", "--detail", &shop.results()[0].display().to_string()]).ok().stdout;
    assert!(text.contains("counted without load"), "{text}");
}
