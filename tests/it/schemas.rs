//! `weighbridge seed` on schemas it was not made for: every constraint holds afterwards, and the schema is as it was.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::input::Tmpfs;
use crate::support::{Home, block_on, query, sharing};
use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::migrate::{Layout, Manner, Part, apply};
use weighbridge::postgres::Target;
use weighbridge::postgres::database::Admin;

/// A running server with a database that has one of the schemas.
fn database(home: &Home, schema: &str) -> Target {
    home.run(&["server", "start"]).ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas");
    made(home, schema, &SourceFile::read(&folder.join(format!("{schema}.sql"))).unwrap())
}

fn made(home: &Home, name: &str, file: &SourceFile) -> Target {
    let target = home.target();
    block_on(async {
        let mut admin = Admin::connect(&target).await.unwrap();
        admin.create(name).await.unwrap();
        let target = target.database(name);
        apply(
            &mut target.connect().await.unwrap(),
            &Part::new(file.clone(), Layout::Sqlx),
            &Manner::default(),
            &Clock::start(),
        )
        .await
        .unwrap();
        target
    })
}

/// Everything of a schema that a load could lose: constraints, indexes, triggers, comments.
fn schema(target: &Target) -> Vec<String> {
    query(
        target,
        "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated ||
         condeferrable || condeferred
                || coalesce(obj_description(oid, 'pg_constraint'), '') FROM pg_constraint WHERE connamespace > 16383
                OR conrelid > 16383
         UNION ALL
         SELECT pg_get_indexdef(indexrelid) || indisvalid || indisclustered || coalesce(obj_description(indexrelid,
         'pg_class'), '')
         FROM pg_index WHERE indrelid > 16383
         UNION ALL
         SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL
         SELECT nspname::text FROM pg_namespace WHERE oid > 16383
         ORDER BY 1",
    )
}

/// Table and digest of a check; the check itself must hold.
fn checked(home: &Home, arguments: &[&str]) -> Vec<(String, String)> {
    let ran = home.run(&[&["seed", "--check", "--no-spec"], arguments].concat()).ok();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3..].join(" "), "holds", "{}", ran.stdout);
        (words[0].to_owned(), words[2].to_owned())
    };
    ran.stdout.lines().skip(1).take_while(|line| !line.starts_with("note: ")).map(line).collect()
}

fn seeds(name: &str, tables: usize) {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, name);
    let before = schema(&target);
    home.run(&["seed", "--database", name, "--no-spec", "--rows", "10000"]).ok();
    let found = checked(&home, &["--database", name, "--rows", "10000"]);
    assert_eq!(found.len(), tables, "{found:?}");
    assert_eq!(schema(&target), before);
    for table in query(&target, "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND c.oid > 16383")
    {
        // Pages with rows: from 16 on several pages are added at once, and VACUUM marks no page that is still new.
        let visible = format!(
            "SELECT (relallvisible >= (SELECT count(DISTINCT (ctid::text::point)[0]) FROM ONLY {table}))::text
             FROM pg_class WHERE oid = '{table}'::regclass"
        );
        let partly = table.starts_with("billing.countries");
        assert!(partly || query(&target, &visible) == ["true"], "{table} is not all-visible");
    }
}

#[test]
fn forms_that_real_schemas_have_and_textbooks_do_not() {
    seeds("odd", 20);
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "odd");
    home.run(&["seed", "--database", "odd", "--no-spec", "--rows", "500"]).ok();
    let reversed = "SELECT count(*)::text FROM event WHERE date_to < date_from OR sale_end < sale_start \
                    OR updated_at < created_at";
    assert_eq!(query(&target, reversed), ["0"]);
    let told = "SELECT (count(DISTINCT motto) > 0 AND (SELECT count(DISTINCT changed) > 9 FROM host))::text \
                FROM configuration";
    assert_eq!(query(&target, told), ["true"]);
    // Live carts are the many, and every customer has one at most.
    assert_eq!(query(&target, "SELECT (count(*) > 300)::text FROM cart WHERE deleted_at IS NULL"), ["true"]);
}

#[test]
fn a_spec_is_written_even_for_a_schema_that_cannot_be_filled() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let text = "CREATE TABLE t (id int PRIMARY KEY, a int CHECK (hashtext(a::text) = 5)); CREATE TABLE u (a tsquery \
                UNIQUE NOT NULL);";
    let file = SourceFile { path: "x.sql".into(), text: text.to_owned() };
    made(&home, "unfillable", &file);
    let refused = home.run(&["seed", "--database", "unfillable", "--no-spec"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let spec = home.run(&["seed", "init", "--database", "unfillable", "--no-spec"]).ok().stdout;
    // Below its header, and without rows until it is done: so what stays empty breaks nothing.
    let header = spec.lines().position(|line| line == "[table.u]").unwrap_or_else(|| panic!("{spec}"));
    let lines: Vec<&str> = spec.lines().skip(header + 1).collect();
    assert!(lines[0].starts_with("row-count = \"0\"") && lines[1].starts_with("# TO DO a:"), "{spec}");
    let path = home.path().join("spec.toml");
    std::fs::write(&path, format!("{spec}\n[table.none]\nrow-count = \"0\"\n")).unwrap();
    let named = home.run(&["seed", "--dry-run", "--database", "unfillable", "--spec", path.to_str().unwrap()]);
    assert!(named.stderr.contains("no table `none`"), "{}", named.stderr);
    std::fs::write(&path, spec).unwrap();
    home.run(&["seed", "--dry-run", "--database", "unfillable", "--spec", path.to_str().unwrap()]).ok();
}

#[test]
fn a_shop_with_composite_keys_and_a_tenant_column() {
    seeds("shop", 7);
}

#[test]
fn a_social_network_with_cycles_and_pairs() {
    seeds("social", 7);
}

#[test]
fn a_partitioned_time_series() {
    seeds("series", 8);
}

#[test]
fn a_legacy_schema_with_odd_names() {
    seeds("legacy", 6);
}

#[test]
fn billing_with_domains_and_rows_that_were_there() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "billing");
    home.run(&["seed", "--database", "billing", "--no-spec", "--rows", "10000", "--loaders", "1"]).ok();
    let one = checked(&home, &["--database", "billing", "--rows", "10000"]);
    assert_eq!(one.len(), 5, "{one:?}");
    // The rows a migration brought stay, and others refer to all of them.
    let countries =
        "SELECT count(*) || ' ' || (SELECT count(DISTINCT country) FROM billing.accounts) FROM billing.countries";
    assert_eq!(query(&target, countries), ["3 3"]);
    assert_eq!(query(&target, "SELECT (0 < count(*))::text FROM billing.revenue"), ["true"], "refreshed");
    assert_eq!(query(&target, "SELECT nextval('billing.invoices_id_seq')::text"), ["10001"]);

    // Four connections and another database give the same rows.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas");
    made(&home, "again", &SourceFile::read(&folder.join("billing.sql")).unwrap());
    home.run(&["seed", "--database", "again", "--no-spec", "--rows", "10000", "--loaders", "4"]).ok();
    assert_eq!(checked(&home, &["--database", "again", "--rows", "10000"]), one);
}

#[test]
fn init_writes_a_spec_that_gives_the_same_rows() {
    let _machine = sharing();
    let home = Home::new();
    database(&home, "legacy");
    let spec = home.run(&["seed", "init", "--database", "legacy", "--no-spec", "--rows", "500"]).ok().stdout;
    let file = home.path().join("legacy.toml");
    std::fs::write(&file, &spec).unwrap();
    let file = file.display().to_string();
    home.run(&["seed", "--database", "legacy", "--spec", &file]).ok();
    let checked = checked(&home, &["--database", "legacy", "--rows", "500"]);
    assert_eq!(checked.len(), 6);
    // The default is what most rows hold.
    let explained = home.run(&["seed", "explain", "tblCustomer.Rating", "--database", "legacy", "--spec", &file]).ok();
    assert!(explained.stdout.contains("weights('A' 23, 'B' 23, 'C' 55)"), "{}", explained.stdout);
    assert_eq!(explained.stdout.lines().filter(|line| line.contains("  row ")).count(), 10);
}

#[test]
fn what_cannot_be_satisfied_is_named_before_anything_is_loaded() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let text = "CREATE FUNCTION odd(n int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT n % 2 = -1';
        CREATE TABLE fine (id int PRIMARY KEY);
        CREATE TABLE strange (id int PRIMARY KEY, n int NOT NULL CONSTRAINT only_odd CHECK (odd(n)), b box NOT NULL,
            CONSTRAINT apart EXCLUDE USING gist (b WITH &&));";
    let file = SourceFile { path: "strange.sql".into(), text: text.to_owned() };
    let target = made(&home, "strange", &file);
    let ran = home.run(&["seed", "--database", "strange", "--no-spec"]).exits(2);
    ran.says(&["strange · apart", "EXCLUDE", "[table.strange]"]);
    query(&target, "ALTER TABLE strange DROP CONSTRAINT apart");
    let ran = home.run(&["seed", "--database", "strange", "--no-spec"]).exits(2);
    ran.says(&["strange · only_odd", "sample rows break it", "nothing was loaded"]);
    assert_eq!(query(&target, "SELECT count(*)::text FROM fine"), ["0"]);
    let spec = "[dataset]\nnow = 2026-01-01T00:00:00Z\nspan = \"1y\"\n[table.strange]\nrow-count = \"50\"\n\
                id = \"row()\"\nn = \"1 - row() * 2\"\n";
    let path = home.path().join("strange.toml");
    let asserted = "[[assert]]\nsql = \"SELECT max(n) FROM strange\"\nbetween = [-1, -1]\n";
    std::fs::write(&path, format!("{spec}{asserted}")).unwrap();
    let path = path.display().to_string();
    let ran = home.run(&["seed", "--database", "strange", "--spec", &path]).ok();
    assert!(ran.stdout.contains("assert holds: -1 between -1 and -1"), "{}", ran.stdout);
    assert_eq!(query(&target, "SELECT count(*)::text FROM strange"), ["50"]);
    query(&target, "DELETE FROM strange WHERE n = -1");
    let ran = home.run(&["seed", "--check", "--database", "strange", "--spec", &path]).exits(1);
    assert!(ran.stdout.contains("49 rows where 50 were planned"), "{}", ran.stdout);
    assert!(ran.stdout.contains("assert does not hold: -3 between -1 and -1"), "{}", ran.stdout);
}

#[test]
fn a_server_of_somebody_else_is_not_written_to_unasked() {
    let _machine = sharing();
    let home = Home::new();
    database(&home, "billing");
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/billing?");
    home.run(&["seed", "--url", &url, "--no-spec"]).exits(2).says(&["--allow-writes"]);
    home.run(&["seed", "--url", &url, "--no-spec", "--allow-writes"])
        .exits(2)
        .says(&["`billing.countries` of `billing` holds rows", "--into billing"]);
    let dry = home.run(&["seed", "--url", &url, "--no-spec", "--dry-run", "--target-size", "20MB"]).ok().stdout;
    let all = dry.lines().find(|line| line.trim_start().starts_with("all")).expect("a line of totals");
    let mib: f64 = all.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!((18.0..20.5).contains(&mib), "20 MB are 19.1 MiB: {all}");
    home.run(&["seed", "--url", &url, "--no-spec", "--allow-writes", "--into", "billing", "--rows", "50"]).ok();
}

/// Starts a load and returns when rows are on their way.
fn started(home: &Home, more: &[&str]) -> std::process::Child {
    let arguments = [&["seed", "--database", "social", "--no-spec", "--rows", "120000"], more].concat();
    let mut child = home.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).any(|line| line.starts_with("seeding"));
    assert!(seen, "the load began");
    child
}

#[test]
fn a_load_that_was_killed_is_cleaned_or_resumed() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "social");
    let before = schema(&target);
    let empty = |table: &str| query(&target, &format!("SELECT (count(*) = 0)::text FROM {table}")) == ["true"];

    let mut child = started(&home, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    home.run(&["server", "start"]).ok();
    assert_ne!(schema(&target), before, "indexes are off in the middle of a load");
    let small = ["seed", "--database", "social", "--no-spec", "--rows", "2000"];
    home.run(&small).exits(4).says(&["--resume", "--clean"]);
    home.run(&[&small[..], &["--resume"]].concat()).exits(2).says(&["another spec, seed or scale"]);
    home.run(&[&small[..], &["--clean"]].concat()).ok();
    assert_eq!(schema(&target), before);
    assert!(empty("users") && empty("posts") && empty("follows"));

    let mut child = started(&home, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    home.run(&["server", "start"]).ok();
    home.run(&["seed", "--database", "social", "--no-spec", "--rows", "120000", "--resume"]).ok();
    assert_eq!(schema(&target), before);
    checked(&home, &["--database", "social", "--rows", "120000"]);
}

#[test]
fn a_load_that_is_cancelled_is_undone_and_an_applications_timeout_is_no_limit() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "social");
    let before = schema(&target);
    // As on a managed server: fit for queries, not for a COPY.
    query(&target, "ALTER DATABASE social SET statement_timeout = '60ms'");
    let arguments = ["seed", "--database", "social", "--no-spec", "--rows", "120000"];
    let mut child = home.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("seeding")));
    let cancel = "SELECT count(pg_cancel_backend(pid))::text FROM pg_stat_activity
                  WHERE application_name = 'weighbridge seed' AND query LIKE 'COPY%' AND state = 'active'";
    let mut tries = 0;
    while query(&target, cancel) == ["0"] {
        tries += 1;
        assert!(tries < 10_000, "no COPY was seen");
    }
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{rest:#?}");
    let said = rest.join("\n");
    assert!(said.contains("canceling statement due to user request") && said.contains("the load was undone"), "{said}");
    assert_eq!(schema(&target), before);
    assert_eq!(query(&target, "SELECT count(*)::text FROM users"), ["0"]);
    home.run(&["seed", "--database", "social", "--no-spec", "--rows", "40000"]).ok();
    assert_eq!(schema(&target), before);
}

/// A session of somebody else with an open transaction in which `sql` ran; its process id is given to `work`.
fn beside<T>(target: &Target, sql: &str, work: impl FnOnce(i32, &mut dyn FnMut()) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut connection = runtime.block_on(async {
        let mut connection = target.named("somebody").connect().await.unwrap();
        for sql in ["BEGIN ISOLATION LEVEL REPEATABLE READ", sql] {
            sqlx::Executor::execute(&mut connection, sqlx::AssertSqlSafe(sql)).await.unwrap();
        }
        connection
    });
    let pid = query(target, "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'somebody'");
    let mut end = || {
        runtime.block_on(async { sqlx::Executor::execute(&mut connection, "COMMIT").await.map(|_| ()).unwrap() });
    };
    work(pid[0].parse().unwrap(), &mut end)
}

#[test]
fn a_load_that_waits_for_a_lock_names_who_holds_it() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "social");
    beside(&target, "LOCK TABLE users IN ACCESS SHARE MODE", |pid, end| {
        let arguments = ["seed", "--database", "social", "--no-spec", "--rows", "500"];
        let mut child = home.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let waits = lines.find(|line| line.starts_with("waiting for")).expect("the load waits");
        let holder = format!("that session {pid} holds (somebody, in a transaction of ");
        assert!(waits.starts_with("waiting for a lock on users ") && waits.contains(&holder), "{waits}");
        end();
        let rest: Vec<String> = lines.collect();
        assert!(child.wait().unwrap().success(), "{rest:#?}");
    });
}

#[test]
fn a_snapshot_that_is_older_than_the_rows_is_named() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "series");
    let seed = ["seed", "--database", "series", "--no-spec", "--rows", "500"];
    beside(&target, "SELECT 1", |pid, _| {
        let warned = home.run(&seed).ok();
        warned.says(&["keep VACUUM from marking pages all-visible", &format!("{pid} (somebody)")]);
    });
    // A partition is filled through its parent, so its rows do not come frozen.
    let visible = "SELECT relallvisible || ' of ' || (relpages > 0) FROM pg_class WHERE oid = 'logs_1'::regclass";
    assert_eq!(query(&target, visible), ["0 of true"]);
}

#[test]
fn a_full_disk_leaves_the_schema_as_it_was() {
    let _machine = sharing();
    let home = Home::empty();
    let small = Tmpfs::mount(&home.path().join("home"), "110m");
    let target = database(&home, "social");
    let before = schema(&target);
    let ran = home.run(&["seed", "--database", "social", "--no-spec", "--rows", "1500000"]).exits(4);
    ran.says(&["no space left"]);
    // Where even the way back found no space the journal is still there, and this is what the message says to do.
    home.run(&["seed", "--database", "social", "--no-spec", "--clean"]).ok();
    assert_eq!(schema(&target), before);
    assert_eq!(query(&target, "SELECT count(*) || ' ' || (SELECT count(*) FROM posts) FROM users"), ["0 0"]);
    home.run(&["server", "clean", "--all"]).ok();
    drop(small);
}

/// Rows that are no table's own are in the way of nobody: neither a child that inherits nor a policy hides them.
#[test]
fn inheritance_policies_and_tables_with_rows_of_a_spec_are_left_alone() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let text = "CREATE TABLE base (id int PRIMARY KEY, kind text NOT NULL CHECK (kind <> ''));
        CREATE TABLE child (extra int) INHERITS (base);
        INSERT INTO child VALUES (1, 'kept', 7);
        CREATE TABLE hidden (id int PRIMARY KEY, owner text NOT NULL);
        INSERT INTO hidden VALUES (1, 'somebody');
        ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
        ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
        CREATE POLICY nobody ON hidden USING (false);
        CREATE TABLE numbered (id int PRIMARY KEY, code text NOT NULL);
        CREATE UNIQUE INDEX numbered_code ON numbered (lower(code));
        COMMENT ON INDEX numbered_code IS 'kept';
        ALTER TABLE numbered ADD CONSTRAINT twice UNIQUE (code);
        COMMENT ON INDEX twice IS 'of the index';
        CREATE SEQUENCE free_standing;
        CREATE TABLE counted (id bigint PRIMARY KEY DEFAULT nextval('free_standing'),
        at timestamptz NOT NULL DEFAULT now());";
    let target = made(&home, "odd", &SourceFile { path: "odd.sql".into(), text: text.to_owned() });
    let before = schema(&target);
    home.run(&["seed", "--database", "odd", "--no-spec", "--rows", "300"]).ok();
    assert_eq!(schema(&target), before);
    assert_eq!(query(&target, "SELECT count(*) || ' ' || max(extra) FROM child"), ["1 7"]);
    assert_eq!(query(&target, "SELECT count(*)::text FROM ONLY base"), ["300"]);
    assert_eq!(query(&target, "SELECT nextval('free_standing')::text"), ["301"]);
    // A default that tells the time would give other rows tomorrow.
    assert_eq!(query(&target, "SELECT (max(at) < '2026-01-02')::text FROM counted"), ["true"]);
    let hidden = "SELECT string_agg(owner, ',') FROM hidden";
    query(&target, "ALTER TABLE hidden NO FORCE ROW LEVEL SECURITY");
    query(&target, "ALTER TABLE hidden DISABLE ROW LEVEL SECURITY");
    assert_eq!(query(&target, hidden), ["somebody"]);
}

#[test]
fn a_server_that_dies_in_the_middle_is_told_with_the_way_back() {
    let _machine = sharing();
    let home = Home::new();
    let target = database(&home, "social");
    let before = schema(&target);
    let arguments = ["seed", "--database", "social", "--no-spec", "--rows", "120000"];
    let mut child = home.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("seeding")));
    let pid = std::fs::read_to_string(home.cluster().join("data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("could not be undone") && line.contains("note")), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("seed --clean")), "{rest:#?}");
    home.run(&["seed", "--database", "social", "--no-spec", "--clean"]).ok();
    home.run(&["server", "start"]).ok();
    assert_eq!(schema(&target), before);
}
