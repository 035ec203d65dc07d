//! `weighbridge prove` where clones are impossible: databases that were given, and one that is migrated and reverted.

use std::process::{Child, Stdio};

use serde_json::json;
use weighbridge::postgres::Target;

use crate::support::{Home, Ran, Shop, execute, findings, query, sharing};

/// A running server with the shop in the database `shop`, and whatever copies of it a test makes.
struct Place {
    home: Home,
    shop: Shop,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        let shop = Shop::new(&home);
        // What the down file forgets would be found: the index has a comment.
        shop.change("migrations/0001_shop.up.sql", "COMMENT ON INDEX payments_user_id_idx IS 'look-ups by user';", "");
        home.run(&["server", "start"]).ok();
        let path = |name: &str| shop.folder.join(name).display().to_string();
        shop.write(
            "weighbridge.toml",
            "[migrations]\ndir = \"migrations\"\n[dataset]\nspec = \"dataset.toml\"\nscale = 0.5\n",
        );
        home.run(&["seed", "--database", "shop", "--at", "0001", "-q", "--config", &path("weighbridge.toml")]).ok();
        Self { home, shop }
    }

    fn url(&self, database: &str) -> String {
        let url = self.home.run(&["server", "url"]).ok().stdout;
        url.trim().replace("/postgres?", &format!("/{database}?"))
    }

    fn database(&self, name: &str) -> Target {
        self.home.target().database(name)
    }

    fn execute(&self, database: &str, sql: &str) {
        execute(&self.database(database), sql);
    }

    fn copy(&self, name: &str) {
        self.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE shop"));
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let path = |name: &str| self.shop.folder.join(name).display().to_string();
        let project = ["--scenario", &path("scenario.toml"), "--results", &path("results")].map(str::to_owned);
        let own: &[&str] = match more.iter().any(|flag| ["--chunks", "--counts-only"].contains(flag)) {
            true => &["prove"],
            false => &["prove", "--no-isolated", "--slice", "100ms", "--chunks", "8"],
        };
        let own = own.iter().map(|argument| (*argument).to_owned());
        own.chain(project).chain(more.iter().map(|argument| (*argument).to_owned())).collect()
    }

    fn prove(&self, more: &[&str]) -> Ran {
        let arguments = self.arguments(more);
        self.home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn in_place(&self, migration: &str, more: &[&str]) -> Vec<String> {
        let migrations = self.shop.folder.join("migrations").display().to_string();
        let mut all = vec![migration, "--migrations", &migrations, "--in-place", "--allow-writes", "--url"];
        let url = self.url("shop");
        all.push(&url);
        all.extend(more);
        self.arguments(&all)
    }

    fn prove_in_place(&self, migration: &str, more: &[&str]) -> Ran {
        let arguments = self.in_place(migration, more);
        self.home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A proof in place that has applied its migration and is at work.
    fn applied(&self, migration: &str) -> Child {
        let arguments = self.in_place(migration, &["--slice", "100ms", "--chunks", "64"]);
        let mut command = self.home.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        self.wait_until_applied(&mut child);
        child
    }

    fn wait_until_applied(&self, child: &mut Child) {
        while !(self.has("weighbridge.in_place")
            && query(&self.database("shop"), "SELECT applied::text FROM weighbridge.in_place") == ["1"])
        {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before its migration was applied");
        }
    }

    fn has(&self, relation: &str) -> bool {
        let sql = format!("SELECT (to_regclass('{relation}') IS NOT NULL)::text");
        query(&self.database("shop"), &sql) == ["true"]
    }
}

/// What the counts say of an action.
fn counts_of<'j>(trial: &'j serde_json::Value, action: &str) -> &'j serde_json::Value {
    let actions = trial["comparison"]["actions"].as_array().expect("a list of actions");
    &actions.iter().find(|a| a["name"] == action).expect("the action is reported")["counts"]
}

const READS: &str = "name = \"reads\"\n[load]\nrate = 120\nconnections = 4\n[[action]]\nname = \"payments_of_user\"\n\
                     sql = \"SELECT id, amount, status FROM payments WHERE user_id = :user ORDER BY id\"\n\
                     with = { user = \"pick(users.id)\" }\n";

#[test]
fn a_small_clone_goes_through_the_wal_and_a_large_one_by_files() {
    use weighbridge::postgres::database::Admin;
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    home.query("CREATE DATABASE large");
    let fill = "CREATE TABLE t (body text); ALTER TABLE t ALTER body SET STORAGE EXTERNAL;
                INSERT INTO t SELECT repeat('x', 51200) FROM generate_series(1, 2600)";
    execute(&home.target().database("large"), fill);
    let ways = crate::support::block_on(async {
        let mut admin = Admin::connect(&home.target()).await.unwrap();
        let small = admin.clone_database("template1", "small_copy").await.unwrap();
        let large = admin.clone_database("large", "large_copy").await.unwrap();
        (admin.server_version(), small, large)
    });
    match ways {
        (..150_000, small, large) => assert_eq!((small.strategy, large.strategy), (None, None)),
        (_, small, large) => assert_eq!((small.strategy, large.strategy), (Some("wal_log"), Some("file_copy"))),
    }
    assert_eq!(query(&home.target().database("large_copy"), "SELECT count(*)::text FROM t"), ["2600"]);
}

#[test]
fn a_clone_is_set_as_its_template_and_permits_what_it_permits() {
    use weighbridge::postgres::database::Admin;
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    for sql in [
        "CREATE ROLE \"an app\"",
        "CREATE DATABASE one",
        "CREATE DATABASE fresh",
        "ALTER DATABASE one SET work_mem = '7MB'",
        "ALTER DATABASE one SET search_path = \"$user\", \"My, schema\", public",
        "ALTER DATABASE one SET app.motto = 'it''s = \\\\ one'",
        "ALTER DATABASE one SET jit = off",
        "ALTER ROLE \"an app\" IN DATABASE one SET statement_timeout = '3s'",
        "REVOKE ALL ON DATABASE one FROM PUBLIC",
        "GRANT CONNECT ON DATABASE one TO \"an app\" WITH GRANT OPTION",
    ] {
        home.query(sql);
    }
    crate::support::block_on(async {
        let mut admin = Admin::connect(&home.target()).await.unwrap();
        admin.clone_database("one", "two").await.unwrap();
        // What nobody changed stays as the server makes it.
        admin.clone_database("fresh", "plain").await.unwrap();
    });
    // What a role may not give it is told, and the clone is made all the same.
    home.query("CREATE ROLE plain LOGIN CREATEDB NOSUPERUSER");
    home.query("CREATE DATABASE own OWNER plain IS_TEMPLATE true");
    home.query("ALTER DATABASE own SET log_min_duration_statement = '7s'");
    home.query("ALTER DATABASE own SET work_mem = '5MB'");
    let refused = crate::support::block_on(async {
        let url = home
            .run(&["server", "url"])
            .ok()
            .stdout
            .trim()
            .replace("user=weighbridge", "user=plain")
            .replace("//weighbridge@", "//plain@");
        let mut admin = Admin::connect(&weighbridge::postgres::Target::from_url(&url).unwrap()).await.unwrap();
        admin.clone_database("own", "mine").await.unwrap().refused
    });
    assert_eq!(refused, ["log_min_duration_statement"]);
    let of = |database: &str, sql: &str| home.query(&sql.replace("$name", database));
    let settings = "SELECT coalesce(s.setrole::regrole::text, '') || ' ' || entry
                    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) entry
                    WHERE datname = '$name' ORDER BY 1";
    assert_eq!(of("mine", settings), ["- work_mem=5MB"]);
    assert_eq!(of("one", settings).len(), 5);
    assert_eq!(of("two", settings), of("one", settings));
    let permits = "SELECT a::text FROM pg_database, unnest(datacl) a WHERE datname = '$name' ORDER BY 1";
    assert_eq!(of("two", permits), of("one", permits));
    assert!(of("two", permits).iter().any(|entry| entry.contains("an app")), "{:?}", of("two", permits));
    assert_eq!(
        query(&home.target().database("two"), "SELECT current_setting('search_path')"),
        ["\"$user\", \"My, schema\", public"]
    );
    assert_eq!((of("plain", settings), of("plain", permits)), (Vec::new(), Vec::new()));
}

#[test]
fn databases_that_are_given_are_only_read_and_their_difference_is_found() {
    let _machine = sharing();
    let place = Place::new();
    place.copy("twin");
    place.copy("without");
    place.execute("without", "DROP INDEX payments_user_id_idx");
    let [shop, twin, without] = ["shop", "twin", "without"].map(|name| place.url(name));

    // A scenario that writes is refused before anything is asked.
    let refused = place.prove(&["--before", &shop, "--after", &without]).exits(2);
    refused.says(&["this statement may write", "--allow-writes"]);

    place.shop.write("scenario.toml", READS);
    let short = ["--rounds", "2", "--format", "json", "--slice", "100ms", "--chunks", "2"];
    let ran = place.prove(&[&["--before", &*shop, "--before", &twin, "--after", &without][..], &short].concat());
    let trial = ran.json();
    assert_eq!(trial["evidence"]["migration"]["label"], "shop..without");
    assert_eq!(counts_of(&trial, "payments_of_user")["verdict"], "regressed");
    assert_eq!(trial["evidence"]["design"]["subject"], serde_json::json!({ "given": { "own_control": true } }));
    assert_eq!(findings(&trial, "sides-given").len(), 1);
    assert!(trial["evidence"].get("dataset").is_none(), "nobody made their rows");
    assert!(findings(&trial, "tables-differ").is_empty(), "they have the same layout");
    assert!(!trial.to_string().contains("postgresql://"), "no URL is kept");

    // What differs beside the schema is named.
    place.execute("without", "DROP EXTENSION plpgsql; UPDATE payments SET amount = amount");
    let ran = place.prove(&["--before", &shop, "--after", &without, "--counts-only", "--format", "json"]);
    let trial = ran.exits(1).json();
    let (tables, set) = (findings(&trial, "tables-differ")[0], findings(&trial, "settings-differ")[0]);
    assert_eq!(tables["values"]["tables"]["after"][0]["table"], "public.payments");
    let gone = json!({ "name": "plpgsql", "before": "1.0", "other": null });
    assert_eq!((&set["values"]["side"], &set["values"]["extensions"][0]), (&json!("after"), &gone));

    // A load that writes would fill a database that is its own control twice as fast as the other.
    let writes = "[[action]]\nname = \"title\"\nsql = \"INSERT INTO courses (title) VALUES ('x')\"\n";
    place.shop.write("scenario.toml", format!("{READS}\n{writes}"));
    let unfair = ["--before", &*shop, "--after", &without, "--allow-writes", "--chunks", "1"];
    place.prove(&unfair).exits(2).says(&["grow twice as fast", "give a second --before"]);
    place.shop.write("scenario.toml", READS);

    // Asked for both sides in turn, `before` counts the operations of both.
    let ran = place.prove(&[&["--before", &*shop, "--after", &without][..], &short].concat());
    let trial = ran.json();
    let given = findings(&trial, "sides-given")[0];
    assert_eq!((&given["values"]["own_control"], &given["remedy"]["do"]), (&json!(false), &json!("second-before")));
    let operations = |side: &str| trial["evidence"]["counters"][side]["operations"].as_u64().unwrap();
    assert_eq!(operations("before"), 2 * operations("after"));

    // A function that writes is refused by the server: its sessions may only read.
    let writes = "CREATE FUNCTION sly(bigint) RETURNS bigint LANGUAGE sql AS 'INSERT INTO courses (title) \
                  VALUES (''x'') RETURNING id'";
    place.execute("shop", writes);
    place.execute("without", writes);
    place.shop.write(
        "scenario.toml",
        READS.replace("SELECT id, amount, status FROM payments WHERE user_id = :user ORDER BY id", "SELECT sly(:user)"),
    );
    let trial = place.prove(&[&["--before", &*shop, "--after", &without][..], &short].concat()).exits(3).json();
    assert_eq!(trial["comparison"]["verdict"], "invalid");
    let found = trial["comparison"]["findings"].to_string();
    assert!(found.contains("25006"), "{found}");
    let titles = "SELECT count(*)::text FROM courses WHERE title = 'x'";
    assert_eq!(query(&place.database("shop"), titles), ["0"]);
}

#[test]
fn a_migration_is_weighed_on_one_database_and_nothing_of_it_is_left() {
    let _machine = sharing();
    let place = Place::new();
    place.execute("shop", "DROP INDEX payments_user_id_idx");
    place.shop.write("migrations/0004_index.up.sql", "CREATE INDEX payments_by_user ON payments (user_id);\n");
    place.shop.write("migrations/0004_index.down.sql", "DROP INDEX payments_by_user;\n");
    place.shop.only(&["payments_of_user"]);
    let trial = place.prove_in_place("0004", &["--format", "json"]).json();
    assert_eq!(counts_of(&trial, "payments_of_user")["verdict"], "improved");
    assert_eq!(trial["evidence"]["design"]["subject"], "in_place");
    assert_eq!(findings(&trial, "sides-in-place").len(), 1);
    let script = std::fs::read_to_string(place.shop.results()[0].join("inputs/repeat.sh")).unwrap();
    assert!(script.contains("add --url.") && script.contains(" 0004_index --in-place --allow-writes"), "{script}");
    // Many sets are planned in both states, though these are never there together.
    assert_eq!(counts_of(&trial, "payments_of_user")["sets"], 256);
    // Each side's turns are counted apart, on one database.
    let scans =
        |side: &str| trial["evidence"]["counters"][side]["indexes"]["public.payments_by_user"]["scans"].as_i64();
    assert_eq!((scans("before"), scans("control")), (None, None));
    assert!(0 < scans("after").unwrap());
    assert_eq!(counts_of(&trial, "payments_of_user")["answers"], "same");
    assert!(!place.has("payments_by_user") && !place.has("weighbridge.in_place"));
    assert_eq!(
        query(&place.database("shop"), "SELECT nspname::text FROM pg_namespace WHERE nspname = 'weighbridge'"),
        [""; 0]
    );

    // It goes on where it ended, with the same database.
    let results = place.shop.folder.join("results");
    let [result] = std::fs::read_dir(&results).unwrap().flatten().collect::<Vec<_>>().try_into().expect("one result");
    let done = trial["evidence"]["chunks"].as_array().unwrap().len();
    let (folder, all) = (result.path().display().to_string(), (done + 2).to_string());
    let resume = ["--resume", &*folder, "--chunks", &*all, "--format", "json"];
    place.execute("postgres", "CREATE DATABASE other TEMPLATE shop");
    let arguments: Vec<String> = place
        .in_place("0004", &resume)
        .into_iter()
        .map(|argument| if argument == place.url("shop") { place.url("other") } else { argument })
        .collect();
    let other = place.home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).exits(2);
    other.says(&["not the experiment that is resumed", "the databases differ"]);
    // Nor on another schema of it.
    place.execute("shop", "CREATE INDEX meanwhile ON courses (title)");
    let changed = place.prove_in_place("0004", &resume).exits(2);
    changed.says(&["not the experiment that is resumed", "the schemas differ"]);
    place.execute("shop", "DROP INDEX meanwhile");
    let resumed = place.prove_in_place("0004", &resume).json();
    let chunks = |trial: &serde_json::Value| trial["evidence"]["chunks"].as_array().unwrap().clone();
    assert_eq!((chunks(&resumed).len(), &chunks(&resumed)[..done]), (done + 2, &chunks(&trial)[..]));
    assert!(!place.has("payments_by_user") && !place.has("weighbridge.in_place"));

    // Fewer than six cycles say nothing.
    place.prove_in_place("0004", &["--chunks", "5"]).exits(2).says(&["at least 6 cycles", "--chunks 8"]);
}

#[test]
fn a_migration_that_cannot_be_undone_is_not_weighed_in_place() {
    let _machine = sharing();
    let place = Place::new();
    place.shop.write(
        "migrations/0004_loses.up.sql",
        "CREATE INDEX a ON payments (amount);\nALTER TABLE payments DROP metadata;\n",
    );
    place.shop.write("migrations/0004_loses.down.sql", "ALTER TABLE payments ADD metadata jsonb;\nDROP INDEX a;\n");
    place.prove_in_place("0004", &[]).exits(2).says(&["0004_loses.up.sql:2:1", "reverting does not bring back"]);
    // Its down file forgets the name of the index, and the comment of the table.
    place.execute("shop", "COMMENT ON TABLE payments IS 'what users paid'");
    place.shop.write("migrations/0005_forgets.up.sql", "COMMENT ON TABLE payments IS 'paid';\n");
    place.shop.write("migrations/0005_forgets.down.sql", "COMMENT ON TABLE payments IS NULL;\n");
    place
        .prove_in_place("0005", &[])
        .exits(2)
        .says(&["does not bring back the schema", "comment on table payments: what users paid` is gone"]);
    // What is compared less often than columns is compared too; what its down file drops must be its own.
    place.shop.write("migrations/0008_target.up.sql", "ALTER TABLE payments ALTER amount SET STATISTICS 500;\n");
    place.shop.write("migrations/0008_target.down.sql", "SET LOCAL work_mem = '4MB';\n");
    place.prove_in_place("0008", &[]).exits(2).says(&["does not bring back the schema", "STATISTICS 500"]);
    place.execute("shop", "ALTER TABLE payments ALTER amount SET STATISTICS -1");
    place.shop.write("migrations/0009_takes.up.sql", "CREATE INDEX a ON payments (amount);\n");
    place
        .shop
        .write("migrations/0009_takes.down.sql", "DROP INDEX a;\nUPDATE users SET email = '';\nDROP TABLE payments;\n");
    place.prove_in_place("0009", &[]).exits(2).says(&[
        "0009_takes.down.sql:2:1",
        "may change rows, and does so every time",
        "0009_takes.down.sql:3:1",
        "drops what the up file does not make",
    ]);
    assert!(place.has("payments") && !place.has("a"));
    // Granted and taken back, nobody may do more than before.
    place.shop.write("migrations/0010_grants.up.sql", "GRANT SELECT ON payments TO PUBLIC;\n");
    place.shop.write("migrations/0010_grants.down.sql", "REVOKE SELECT ON payments FROM PUBLIC;\n");
    place.prove_in_place("0010", &["--counts-only"]).ok();
    // What is there already is not reverted, for that would drop it.
    place.execute("shop", "COMMENT ON TABLE payments IS 'what users paid'");
    place.prove_in_place("0002", &[]).exits(2).says(&["0002_changes_nothing changes nothing in this schema"]);
    let comment = "SELECT obj_description('payments'::regclass)";
    assert_eq!(query(&place.database("shop"), comment), ["what users paid"]);
    place.shop.write("migrations/0007_twice.up.sql", "ALTER TABLE payments ADD COLUMN IF NOT EXISTS metadata jsonb;\n");
    place.shop.write("migrations/0007_twice.down.sql", "COMMIT;\nALTER TABLE payments DROP COLUMN metadata;\n");
    place
        .prove_in_place("0007", &["--layout", "sqlx"])
        .exits(2)
        .says(&["0007_twice.up.sql:1:1", "where there is one already"]);
    // Half a file without a transaction is reverted, and must not take an index that was there.
    place.execute("shop", "CREATE INDEX by_amount ON payments (amount)");
    let alone = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_amount ON payments (amount);\n";
    place.shop.write("migrations/0011_there.up.sql", alone);
    place.shop.write("migrations/0011_there.down.sql", "DROP INDEX by_amount;\n");
    place
        .prove_in_place("0011", &["--layout", "sqlx"])
        .exits(2)
        .says(&["0011_there has no transaction", "there is an index by_amount already"]);
    place.shop.write("migrations/0011_there.up.sql", "CREATE INDEX ON payments (amount);\n");
    let unnamed = ["0011_there.up.sql:1:1", "reverting may drop another of that name"];
    place.prove_in_place("0011", &["--layout", "sqlx"]).exits(2).says(&unnamed);
    place.shop.write("migrations/0011_there.up.sql", "-- no-transaction\nDROP INDEX CONCURRENTLY no_such;\n");
    let other = ["0011_there.down.sql:1:1", "drops an index that the up file does not make"];
    place.prove_in_place("0011", &["--layout", "sqlx"]).exits(2).says(&other);
    place.shop.write("migrations/0011_there.down.sql", "CREATE INDEX no_such ON payments (amount);\n");
    place.prove_in_place("0011", &["--layout", "sqlx"]).exits(2).says(&["there is no index no_such to drop"]);
    place.shop.write("migrations/0011_there.down.sql", "DROP INDEX new;\n");
    // One that is refused before it does anything is not reverted.
    place.shop.write(
        "migrations/0011_there.up.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY new ON nowhere (amount);\n",
    );
    place.prove_in_place("0011", &["--layout", "sqlx"]).exits(2).says(&["nowhere"]);
    assert!(place.has("by_amount") && !place.has("weighbridge.in_place"));
    // To whom a policy applies is part of it.
    place.execute("shop", "CREATE POLICY strict ON payments AS RESTRICTIVE TO pg_monitor USING (true)");
    place.shop.write("migrations/0012_policy.up.sql", "DROP POLICY strict ON payments;\n");
    place.shop.write("migrations/0012_policy.down.sql", "CREATE POLICY strict ON payments USING (true);\n");
    place
        .prove_in_place("0012", &["--layout", "sqlx"])
        .exits(2)
        .says(&["does not bring back the schema", "RESTRICTIVE to pg_monitor"]);
    // Nothing that reverts it is there at all.
    place.shop.write("migrations/0006_only_forward.sql", "CREATE INDEX b ON payments (amount);\n");
    place
        .prove_in_place("0006", &["--layout", "sqlx"])
        .exits(2)
        .says(&["has no file that reverts it", "--before and --after"]);
    assert!(!place.has("weighbridge.in_place") && !place.has("b"));
}

#[test]
fn a_proof_in_place_that_is_stopped_reverts_and_one_that_is_killed_is_explained() {
    let _machine = sharing();
    let place = Place::new();
    place.shop.write("migrations/0004_index.up.sql", "CREATE INDEX by_amount ON payments (amount);\n");
    place.shop.write("migrations/0004_index.down.sql", "DROP INDEX by_amount;\n");

    let stopped = place.applied("0004");
    rustix::process::kill_process(rustix::process::Pid::from_child(&stopped), rustix::process::Signal::INT).unwrap();
    let ran = Ran::new(stopped.wait_with_output().unwrap()).exits(130);
    ran.says(&["interrupted: reverting the migration"]);
    assert!(!place.has("by_amount") && !place.has("weighbridge.in_place"));

    let mut killed = place.applied("0004");
    place.prove_in_place("0004", &[]).exits(2).says(&["another proof is changing this database"]);
    place.wait_until_applied(&mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Another migration is not begun on top of what is left, and nothing of that is touched.
    let other = place.prove_in_place("0002", &[]).exits(2);
    other.says(&[
        "an earlier proof of 0004_index",
        "0004_index, still applied",
        "by hand: psql -f",
        "DROP TABLE weighbridge.in_place",
    ]);
    assert!(place.has("by_amount") && place.has("weighbridge.in_place"));
    // The same one reverts it first.
    let again = place.prove_in_place("0004", &["--counts-only", "--format", "json"]).ok();
    again.says(&["reverted what an earlier proof"]);
    assert!(!place.has("by_amount") && !place.has("weighbridge.in_place"));
}
