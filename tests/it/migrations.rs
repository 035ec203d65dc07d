//! Migrations as tools send them, what a failed one leaves, and what a project is shown that cannot prove anything yet.
//! Nothing here drives a load.

use crate::support::{Case, Home, Ran, Shop, findings, sharing};

/// A proof by counts alone of a case, at a size that is loaded in a moment.
fn counted(home: &Home, case: &Case, migration: &str, more: &[&str]) -> Ran {
    let config = case.path("weighbridge.toml");
    let results = case.path("results");
    let own = [
        "prove",
        migration,
        "--config",
        &config,
        "--results",
        &results,
        "--counts-only",
        "--sets",
        "4",
        "--scale",
        "0.1",
    ];
    home.run(&[&own[..], more].concat())
}

#[test]
fn what_a_failed_build_leaves_and_if_not_exists_skips_is_named() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();

    // A failed concurrent build, whether it is weighed or comes before.
    let duplicates = Case::new(&home, "unique-concurrently-duplicates");
    for migration in ["0002", "0003"] {
        let ran = counted(&home, &duplicates, migration, &[]).exits(2).says(&[
            "could not create unique index \"contact_email_key\"",
            "it leaves the invalid index contact_email_key",
            "IF NOT EXISTS of 0003_uniq_again takes it for the index",
            "DROP INDEX CONCURRENTLY contact_email_key;",
            "0002_uniq.up.sql:2:1",
        ]);
        assert!(!ran.stderr.contains("stay applied"), "nothing came before it: {}", ran.stderr);
    }

    // The index of a table in partitions that lacks one of its parts.
    let partitions = Case::new(&home, "partition-index-invalid-parent");
    let trial = counted(&home, &partitions, "0002", &["--format", "json"]).json();
    let invalid = &trial["comparison"]["balance"]["invalid"];
    assert_eq!(
        *invalid,
        serde_json::json!([{
            "index": "public.activity_at_idx",
            "partitioned": true,
            "missing": [{ "partition": "public.activity_4" }]
        }])
    );
    let indexes = trial["comparison"]["indexes"].as_array().unwrap();
    let names: Vec<&str> = indexes.iter().map(|index| index["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["public.activity_at_idx"], "its parts are listed as one");
    assert_eq!((&indexes[0]["parts"], &indexes[0]["after"]["valid"]), (&3.into(), &false.into()));
    assert!(0 < indexes[0]["after"]["size_bytes"].as_i64().unwrap());
    let [result] = partitions.results().try_into().expect("one result");
    let text = home.run(&["report", "--detail", &result.display().to_string()]).ok().stdout;
    assert!(text.contains("activity_at_idx is invalid: partition activity_4 has no attached index"), "{text}");

    // IF NOT EXISTS that skips it, and one that skips an index made otherwise.
    let trial = counted(&home, &partitions, "0003", &["--format", "json"]).exits(0).json();
    let skipped = &findings(&trial, "if-not-exists-skipped")[0]["values"];
    assert!(skipped["name"].as_str().unwrap().ends_with("activity_at_idx") && skipped["invalid"] == true, "{skipped}");
    assert_eq!(trial["comparison"]["verdict"], "same");
    let trial = counted(&home, &partitions, "0004", &["--format", "json"]).exits(0).json();
    let skipped = &findings(&trial, "if-not-exists-skipped")[0]["values"];
    assert_eq!(skipped["found"], "btree (tenant, at)");
    assert_eq!(skipped["wanted"], "btree (at) WHERE (tenant > 0)");
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
}

#[test]
fn each_tool_sends_its_files_in_its_own_way() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let shop = Shop::new(&home);
    let counts = ["--sets", "4", "--scale", "0.05", "--forward-only"];
    let prove = |up: &str, more: &[&str]| {
        shop.write("migrations/0004_x.up.sql", up);
        home.counted(&shop, "0004", &[&counts[..], more].concat())
    };
    let concurrently = "CREATE INDEX CONCURRENTLY amount_idx ON payments (amount);\n";
    prove(concurrently, &[]).exits(2).says(&["may be laid out for sqlx", "or golang-migrate", "--layout"]);
    let sqlx = ["--layout", "sqlx"];
    prove(concurrently, &sqlx).exits(2).says(&["SQLSTATE 25001", "make the file's first line `-- no-transaction`"]);
    prove(&format!("-- a licence\n-- no-transaction\n{concurrently}"), &sqlx)
        .exits(2)
        .says(&["stands in line 2, and sqlx looks for it in the file's very first bytes"]);
    prove(&format!("-- no-transaction\n{concurrently}"), &[]).exits(0);
    let half = format!("{concurrently}ALTER TABLE payments DROP COLUMN nonsense;\n");
    prove(&format!("-- no-transaction\n{half}"), &[])
        .exits(2)
        .says(&["sqlx sends a file as one string", "0004_x.up.sql:2:1"]);
    let psql = ["--layout", "plain"];
    prove(&half, &psql)
        .exits(2)
        .says(&["statement 2 of 2", "where you deploy it, the statements before it would stay"]);
    let unique = "SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY x ON payments (user_id);\n";
    prove(unique, &psql).exits(2).says(&[
        "(SQLSTATE 23505); where you deploy it, the statements before it would stay applied\n",
        "it leaves the invalid index x",
    ]);

    // A Go project: one statement stands alone, two share a transaction.
    shop.write("weighbridge.toml", "[migrations]\nlayout = \"golang-migrate\"\n");
    let config = shop.folder.join("weighbridge.toml").display().to_string();
    let go = ["--config", config.as_str()];
    prove(concurrently, &go).exits(0);
    prove(&format!("SELECT 1;\n{concurrently}"), &go).exits(2).says(&["put this statement into a file of its own"]);

    // The tool's own table, with a row for what is applied.
    let books = "DO $$ BEGIN ASSERT (SELECT version = 3 AND NOT dirty FROM schema_migrations); END $$;\n";
    prove(books, &go).exits(0);
    let books = "DO $$ BEGIN ASSERT (SELECT count(*) = 3 AND bool_and(success) FROM _sqlx_migrations); END $$;\n";
    prove(books, &[]).exits(0);

    // A scenario that picks from what is empty, before anything is migrated.
    let column = "ALTER TABLE payments ADD COLUMN coupon bigint REFERENCES courses;\n";
    shop.write("migrations/0002_changes_nothing.up.sql", column);
    shop.change("scenario.toml", "pick(enrollments.user_id)", "pick(payments.coupon)");
    prove("SELECT nonsense;\n", &[]).exits(2).says(&[
        "`payments.coupon` is NULL in every row",
        "under [table.payments], write fan-out.coupon = \"zipf(s 0.8)\"",
        "scenario.toml:18",
    ]);
    shop.change("scenario.toml", "pick(payments.coupon)", "pick(enrollments.user_id)");
    shop.change("dataset.toml", "row-count         = \"9_000 * scale\"", "row-count         = \"0\"");
    prove("SELECT nonsense;\n", &[]).exits(2).says(&[
        "the table `enrollments` holds no row",
        "under [table.enrollments], write row-count = \"1_000 * scale\"",
    ]);
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());

    // Nothing was seeded for a load test.
    let scenario = shop.folder.join("scenario.toml").display().to_string();
    home.run(&["run", &scenario]).exits(2).says(&["has no database `dataset`", "`weighbridge seed` makes it"]);
}

#[test]
fn a_new_project_is_shown_its_first_steps_and_another_layout_its_name() {
    let home = Home::empty();
    let folder = home.path().join("work");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    home.run(&["prove"]).exits(2).says(&[
        "there is no folder migrations",
        "no dataset spec was named, and no scenario",
        "1. weighbridge seed init > dataset.toml",
        "2. scenario.toml",
        "3. weighbridge prove --spec dataset.toml --scenario scenario.toml --counts-only",
    ]);
    write("prisma/migrations/20240101000000_init/migration.sql", "CREATE TABLE t (a int);\n");
    home.run(&["prove"]).exits(2).says(&["there is no folder migrations with migrations, but prisma/migrations"]);
    write("db/migrate/20240101_init.rb", "class Init; end\n");
    std::fs::remove_dir_all(folder.join("prisma")).unwrap();
    home.run(&["prove"]).exits(2).says(&["db/migrate is laid out for Rails", "--up-cmd"]);
    write("migrations/0001_init.sql", "CREATE TABLE t (a int);\n");
    let shown =
        home.run(&["prove", "--spec", "dataset.toml"]).exits(2).says(&["no scenario was named", "1. scenario.toml"]);
    assert!(!shown.stderr.contains("seed init"), "a spec was named: {}", shown.stderr);
    assert!(home.run(&["prove", "--help"]).ok().stdout.contains("`-- no-transaction`"));
    assert!(!home.path().join("home").exists(), "no server was needed to say so");
}
