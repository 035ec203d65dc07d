//! What the seeder says beside its rows: what a load leaves out, what a spec leaves open, whose names messages use.

use std::path::Path;

use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::migrate::{Layout, Manner, Part, apply};
use weighbridge::postgres::Target;
use weighbridge::postgres::database::Admin;

use crate::support::{Home, block_on, query, sharing};

/// A database with these statements, on the server of the home.
fn made(home: &Home, name: &str, schema: &str) -> Target {
    home.run(&["server", "start"]).ok();
    let target = home.target();
    let file = SourceFile { path: "schema.sql".into(), text: schema.to_owned() };
    block_on(async {
        Admin::connect(&target).await.unwrap().create(name).await.unwrap();
        let target = target.database(name);
        apply(
            &mut target.connect().await.unwrap(),
            &Part::new(file, Layout::Sqlx),
            &Manner::default(),
            &Clock::start(),
        )
        .await
        .unwrap();
        target
    })
}

fn data(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)).unwrap()
}

fn spec(home: &Home, text: &str) -> String {
    let path = home.path().join("spec.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_a_load_leaves_out_is_named() {
    let _machine = sharing();
    let home = Home::new();
    let schema = data("cases/triggers-bypassed/schema.sql");
    let target = made(&home, "triggers", &schema);
    let seed = ["seed", "--database", "triggers", "--no-spec", "--rows", "300"];
    let dry = home.run(&[&seed[..], &["--dry-run"]].concat()).ok().stdout;
    assert!(dry.contains("triggers do not fire during the load"), "{dry}");
    // A rule of a trigger ends a load that fires it, and nothing stays.
    let fired = home.run(&[&seed[..], &["--fire-triggers"]].concat()).exits(4);
    fired.says(&["too much: "]);
    assert_eq!(query(&target, "SELECT count(*) || ' ' || (SELECT count(*) FROM wallet) FROM move"), ["0 0"]);
    let loaded = home.run(&seed).ok().stdout;
    for line in ["triggers did not fire", "  badge: max_two\n", "  move: move_guard\n", "--fire-triggers"] {
        assert!(loaded.contains(line), "{line} in {loaded}");
    }
    let checked = home.run(&[&seed[..], &["--check"]].concat()).ok().stdout;
    assert!(checked.contains("not checked, because it is written in triggers"), "{checked}");
    let raised = "  move: move_guard (100 of 100 sample rows inserted again raise an error: too much: ";
    assert!(checked.contains(raised), "{checked}");
    let of_badge = "SELECT count(*)::text FROM (SELECT b.wallet_id FROM badge b LIMIT 100) b
                    WHERE (SELECT count(*) FROM badge x WHERE x.wallet_id = b.wallet_id) > 2";
    let broken = query(&target, of_badge).remove(0);
    assert!(checked.contains(&format!("  badge: max_two ({broken} of 100 sample rows")), "{broken} in {checked}");
    assert_eq!(query(&target, "SELECT count(*)::text FROM move"), ["300"], "what was tried left nothing behind");

    // Where the rules of triggers hold for what a spec says, they fire: balances are what they add up to.
    made(&home, "fired", &schema);
    let file = spec(
        &home,
        "[dataset]\nnow = 2026-01-01T00:00:00Z\nspan = \"1y\"\n[table.wallet]\nrow-count = \"50\"\nid = \"row()\"\n\
         cents = \"0\"\n\
         [table.move]\nrow-count = \"400\"\nfan-out.wallet_id = \"uniform()\"\ncents = \"uniform(1, 100)\"\n\
         [table.badge]\nrow-count = \"50\"\nfan-out.wallet_id = \"each\"\n",
    );
    let fired = home.run(&["seed", "--database", "fired", "--spec", &file, "--fire-triggers"]).ok().stdout;
    assert!(!fired.contains("did not fire"), "{fired}");
    let target = home.target().database("fired");
    let sums = "SELECT count(*)::text FROM wallet w WHERE cents <> (SELECT coalesce(sum(cents), 0) FROM move \
                WHERE wallet_id = w.id)";
    assert_eq!(query(&target, sums), ["0"]);
    let enabled = "SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(query(&target, enabled), ["O"]);
}

#[test]
fn rows_that_were_there_are_named_and_books_of_tools_are_left_alone() {
    let _machine = sharing();
    let home = Home::new();
    let schema = "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty bool NOT NULL);
        INSERT INTO schema_migrations VALUES (1, false);
        CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, checksum bytea NOT NULL);
        CREATE TABLE tenants (id int PRIMARY KEY, name text NOT NULL);
        CREATE TABLE users (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, boss_id int
        REFERENCES users);";
    let target = made(&home, "books", schema);
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/books?");
    // The books of a tool make a database nobody's.
    let seed = ["seed", "--url", &url, "--no-spec", "--allow-writes", "--rows", "200"];
    home.run(&seed).ok();
    assert_eq!(query(&target, "SELECT count(*)::text FROM schema_migrations"), ["1"]);
    assert_eq!(query(&target, "SELECT count(*)::text FROM _sqlx_migrations"), ["0"]);
    query(&target, "TRUNCATE users, tenants");
    query(&target, "INSERT INTO tenants VALUES (7, 'the only one')");
    home.run(&seed).exits(2).says(&["`tenants` of `books` holds rows", "--into books"]);
    let file = spec(
        &home,
        "[dataset]\nnow = 2026-01-01T00:00:00Z\nspan = \"1y\"\n[table.users]\nrow-count = \"200\"\nid = \"row()\"\n\
         boss_id = \"null\"\n",
    );
    let arguments = ["seed", "--url", &url, "--allow-writes", "--into", "books", "--spec", &file];
    let loaded = home.run(&arguments).ok().stdout;
    assert!(loaded.contains("`tenants` holds 1 row, the only parents of 200 rows in `users`"), "{loaded}");
    assert!(loaded.contains("users.boss_id is NULL in every row"), "{loaded}");
    let checked = home.run(&["seed", "--check", "--url", &url, "--spec", &file]).ok().stdout;
    assert!(checked.contains("users.boss_id is NULL in every row"), "{checked}");
}

#[test]
fn what_init_writes_loads_whatever_the_schema() {
    let _machine = sharing();
    let home = Home::new();
    let case = data("cases/seed-init-writes-what-seed-refuses/schema.sql");
    let schemas = ["odd", "shop", "social", "series", "legacy", "billing"];
    let all = schemas.map(|name| (name, data(&format!("schemas/{name}.sql"))));
    for (name, schema) in all.into_iter().chain([("case", case)]) {
        made(&home, name, &schema);
        let written = home.run(&["seed", "init", "--database", name, "--no-spec", "--rows", "300"]).ok().stdout;
        let file = spec(&home, &written);
        // At another scale what is bounded by its parents is bounded by fewer of them.
        let scale = if name == "case" { "0.1" } else { "1" };
        home.run(&["seed", "--database", name, "--spec", &file, "--scale", scale]).ok();
        home.run(&["seed", "--database", name, "--spec", &file, "--scale", scale, "--check"]).ok();
        let mut header = "";
        for line in written.lines() {
            if line.starts_with("[table.") {
                header = line;
            } else if line.starts_with("# TO DO q") || line.starts_with("# TO DO a:") {
                assert_eq!(header, "[table.q]", "{written}");
            }
        }
        assert!(name != "case" || written.contains("# TO DO a:"), "{written}");
    }
}

#[test]
fn messages_use_the_names_of_the_users_schema() {
    let _machine = sharing();
    let home = Home::new();
    let schema = "CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
        CREATE TABLE people (id int PRIMARY KEY, mail text NOT NULL, span int4range, born even, kind text NOT NULL,
            CONSTRAINT one_mail UNIQUE (mail));
        CREATE UNIQUE INDEX one_kind ON people (lower(kind)) WHERE born > 0;";
    made(&home, "names", schema);
    let table = |columns: &str| {
        let text = format!(
            "[dataset]\nnow = 2026-01-01T00:00:00Z\nspan = \"1y\"\n[table.people]\nrow-count = \"9\"\nid = \"row()\"\n\
             {columns}\n"
        );
        let file = spec(&home, &text);
        let ran = home.run(&["seed", "--database", "names", "--spec", &file]).exits(2);
        assert!(!ran.stderr.contains("weighbridge_probe") && !ran.stderr.contains("(type)"), "{}", ran.stderr);
        ran.stderr
    };
    let good = "kind = \"base36(row())\"\nborn = \"2\"\nspan = \"null\"\nmail = \"base36(row())\"\n";
    for (from, to, says) in [
        (
            "mail = \"base36(row())\"",
            "mail = \"'x'\"",
            "people · one_mail: duplicate key value violates unique constraint \"one_mail\"",
        ),
        ("kind = \"base36(row())\"", "kind = \"'x'\"", "people · one_kind: "),
        ("born = \"2\"", "born = \"3\"", "people · even_check: "),
        ("span = \"null\"", "span = \"'[5,1)'\"", "people · span: range lower bound"),
        ("born = \"2\"", "born = \"'x'\"", "people · born: "),
        (
            "mail = \"base36(row())\"",
            "mail = \"null\"",
            "people · mail: null value in column \"mail\" of relation \"people\"",
        ),
    ] {
        let said = table(&good.replace(from, to));
        assert!(said.contains(says), "{says} in {said}");
    }
}
