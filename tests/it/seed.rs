//! The seeder against a real server: the same rows whatever the number of connections, and a schema put back exactly.

use std::path::Path;
use std::sync::Arc;

use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::expression::Key;
use weighbridge::migrate::{Layout, Manner, Part, apply};
use weighbridge::postgres::{Target, catalog};
use weighbridge::seed::{Plan, encode, load, plan, spec};
use weighbridge::units::Seed;

use crate::support::{Home, block_on, query, sharing};

fn shop(name: &str) -> SourceFile {
    SourceFile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shop").join(name)).unwrap()
}

/// A fresh database with the shop's schema.
fn database(home: &Home, name: &str) -> Target {
    let target = home.target();
    block_on(async {
        let mut admin = weighbridge::postgres::database::Admin::connect(&target).await.unwrap();
        admin.create(name).await.unwrap();
        let target = target.database(name);
        let mut connection = target.connect().await.unwrap();
        apply(
            &mut connection,
            &Part::new(shop("migrations/0001_shop.up.sql"), Layout::Sqlx),
            &Manner::default(),
            &Clock::start(),
        )
        .await
        .unwrap();
        target
    })
}

fn fill(target: &Target, connections: usize) {
    block_on(async {
        let spec = spec::parse_spec(&shop("dataset.toml").text).unwrap();
        let mut connection = target.connect().await.unwrap();
        let catalog = catalog::read(&mut connection).await.unwrap();
        let plan = plan::plan(&spec, &catalog, &plan::Held::new(), 0.5, Seed(42)).unwrap();
        let order = load::Order { digest: "test".to_owned(), connections, part: (1, 1) };
        let mut guard = load::session::Guard::alone(target).await.unwrap();
        let listener: load::Listener = Arc::new(|_| {});
        load::load(target, &mut guard, &Arc::new(plan), &catalog, &order, &listener).await.unwrap();
    });
}

const TABLES: [&str; 4] = ["users", "courses", "enrollments", "payments"];

/// Rows in the order they stand in the heap, so that the order is compared too.
fn digests(target: &Target) -> Vec<String> {
    let one =
        |table: &str| query(target, &format!("SELECT md5(string_agg(t::text, ',' ORDER BY ctid)) FROM {table} t"));
    TABLES.iter().flat_map(|table| one(table)).collect()
}

fn schema(target: &Target) -> Vec<String> {
    query(
        target,
        "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
                || coalesce(obj_description(oid, 'pg_constraint'), '') FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace
         UNION ALL
         SELECT pg_get_indexdef(indexrelid) || indisvalid || coalesce(obj_description(indexrelid, 'pg_class'), '')
         FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace
         ORDER BY 1",
    )
}

#[test]
fn one_and_four_connections_give_the_same_bytes_and_the_schema_comes_back() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let (one, four) = (database(&home, "one"), database(&home, "four"));
    let before = schema(&one);
    fill(&one, 1);
    fill(&four, 4);
    assert_eq!(digests(&one), digests(&four));
    assert_eq!(schema(&one), before);
    assert!(before.iter().any(|line| line.ends_with("look-ups by user")), "{before:#?}");

    let count = |sql: &str| query(&one, sql).remove(0);
    assert_eq!(count("SELECT count(*)::text FROM payments"), "30000");
    assert_eq!(count("SELECT count(*)::text FROM enrollments"), "4500");
    // Time order: every payment came after the one before it, and after its user.
    assert_eq!(
        count(
            "SELECT count(*)::text FROM (SELECT created_at < lag(created_at) OVER (ORDER BY ctid) AS back \
             FROM payments) s WHERE back"
        ),
        "0"
    );
    assert_eq!(
        count(
            "SELECT count(*)::text FROM payments p JOIN users u ON u.id = p.user_id WHERE p.created_at < u.created_at"
        ),
        "0"
    );
    assert_eq!(
        count(
            "SELECT count(*)::text FROM enrollments e JOIN users u ON u.id = e.user_id \
             WHERE e.enrolled_at < u.created_at"
        ),
        "0"
    );
    // Skewed: the busiest tenth of the users has far more than a tenth of the payments.
    let top = count(
        "SELECT (sum(n) FILTER (WHERE rank <= 100) * 100 / sum(n))::int::text
         FROM (SELECT count(*) AS n, row_number() OVER (ORDER BY count(*) DESC) AS rank FROM payments
         GROUP BY user_id) s",
    );
    assert!(25 < top.parse::<i32>().unwrap(), "{top} %");
    // The identity goes on, the visibility map is set, the planner knows the table.
    assert_eq!(count("INSERT INTO courses (title) VALUES ('next') RETURNING id::text"), "151");
    assert_eq!(
        count("SELECT (relallvisible = relpages AND reltuples = 30000)::text FROM pg_class WHERE relname = 'payments'"),
        "true"
    );
    assert_eq!(count("SELECT DISTINCT (metadata->>'source' = status::text)::text FROM payments"), "true");
}

#[test]
fn any_split_of_the_rows_concatenates_to_the_whole() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let target = database(&home, "splits");
    let catalog = block_on(async { catalog::read(&mut target.connect().await.unwrap()).await.unwrap() });
    let spec = spec::parse_spec(&shop("dataset.toml").text).unwrap();
    let plan = || plan::plan(&spec, &catalog, &plan::Held::new(), 0.2, Seed(7)).unwrap();
    let bytes = |plan: &Plan, table: usize, cuts: &[u64]| {
        let mut all = Vec::new();
        for pair in cuts.windows(2) {
            encode::rows(plan, table, pair[0]..pair[1], &mut all).unwrap();
        }
        all
    };
    let key = Key::new(99);
    for table in 0..plan().tables.len() {
        let rows = plan().tables[table].rows;
        let whole = bytes(&plan(), table, &[0, rows]);
        for attempt in 0..20 {
            let mut cuts: Vec<u64> =
                (0..7).map(|n| key.numbered(attempt).below(n, rows + 1)).chain([0, rows]).collect();
            cuts.sort_unstable();
            // A fresh plan each time, and the parts made backwards: nothing may hang on what was made before.
            let plan = plan();
            let mut parts: Vec<Vec<u8>> = cuts.windows(2).rev().map(|pair| bytes(&plan, table, pair)).collect();
            parts.reverse();
            assert!(parts.concat() == whole, "table {table}, cuts {cuts:?}");
        }
    }
}

#[test]
fn another_seed_gives_other_rows_and_a_new_column_leaves_the_others_alone() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let (plain, wider) = (database(&home, "plain"), database(&home, "wider"));
    query(&wider, "ALTER TABLE payments ADD COLUMN note text DEFAULT 'x'; SELECT ''::text".split_once("; ").unwrap().0);
    fill(&plain, 2);
    fill(&wider, 2);
    let digest = |target: &Target| {
        query(
            target,
            "SELECT md5(string_agg(format('%s %s %s %s', id, user_id, amount, created_at), ',' ORDER BY id)) \
             FROM payments",
        )
    };
    assert_eq!(digest(&plain), digest(&wider));
}
