//! Schemas that real projects have, filled from the catalog alone: every constraint holds, and the shape is one that
//! partial indexes and statuses can be measured on.

use std::path::Path;

use sqlx::Row;
use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::migrate::{Layout, Manner, Part, apply};
use weighbridge::postgres::Target;
use weighbridge::postgres::database::Admin;
use weighbridge::postgres::sql_text::trusted;

use crate::support::{Home, block_on, execute, sharing};

/// Every file of `tests/data/cases/NAME` in a schema of that name, so that one load fills all of them.
fn cases(names: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let mut sql = String::new();
    for name in names {
        sql.push_str(&format!("CREATE SCHEMA \"{name}\"; SET search_path = \"{name}\", public;\n"));
        let mut files: Vec<_> = std::fs::read_dir(folder.join(name)).expect(name).flatten().map(|f| f.path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "sql"));
        files.sort();
        for file in files {
            sql.push_str(&std::fs::read_to_string(file).expect(name));
        }
    }
    sql
}

fn made(home: &Home, database: &str, sql: String) -> Target {
    home.run(&["server", "start"]).ok();
    let target = home.target();
    block_on(async {
        let mut admin = Admin::connect(&target).await.unwrap();
        admin.create(database).await.unwrap();
        let target = target.database(database);
        let file = SourceFile { path: "cases.sql".into(), text: sql };
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

/// Each query gives 0 in a case's schema: what it counts must not be.
fn none(target: &Target, case: &str, questions: &[&str]) {
    for (question, found) in questions.iter().zip(numbers(target, case, questions)) {
        assert!(found == 0.0, "{case}: {found} by {question}");
    }
}

/// Each query gives a number within bounds.
fn between(target: &Target, case: &str, questions: &[(&str, f64, f64)]) {
    let sql: Vec<&str> = questions.iter().map(|(sql, ..)| *sql).collect();
    for ((question, low, high), found) in questions.iter().zip(numbers(target, case, &sql)) {
        assert!((*low..=*high).contains(&found), "{case}: {found}, not {low} to {high}, by {question}");
    }
}

fn numbers(target: &Target, case: &str, questions: &[&str]) -> Vec<f64> {
    block_on(async {
        let mut connection = target.connect().await.unwrap();
        let path = format!("SET search_path = \"{case}\", public; SET statement_timeout = 0");
        sqlx::Executor::execute(&mut connection, sqlx::raw_sql(trusted(path))).await.unwrap();
        let mut found = Vec::new();
        for question in questions {
            let row = weighbridge::postgres::sql_text::query(format!("SELECT ({question})::float8"))
                .fetch_one(&mut connection)
                .await;
            found.push(row.unwrap_or_else(|e| panic!("{case}: {question}: {e}")).try_get(0).unwrap());
        }
        found
    })
}

/// What a database or a role sets for its application, and what would cut a load off or change what the catalog says.
const HOSTILE: [&str; 16] = [
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "standard_conforming_strings = off",
    "datestyle = 'German, DMY'",
    "intervalstyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "statement_timeout = '50ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '50ms'",
    "session_replication_role = 'replica'",
    "quote_all_identifiers = on",
    "array_nulls = off",
    "xmloption = document",
    "timezone = 'Asia/Kolkata'",
    // The last: nothing more can be set after it.
    "default_transaction_read_only = on",
];

#[test]
fn forms_that_were_refused_are_filled_whatever_a_database_sets() {
    let _machine = sharing();
    let home = Home::new();
    let names = [
        "int-array",
        "two-composite-fks-share-tenant",
        "self-composite-fk-no-tenant-table",
        "serializable-default",
        "constant-below-zero",
    ];
    let target = made(&home, "refused", cases(&names));
    execute(&target, &HOSTILE.map(|setting| format!("ALTER DATABASE refused SET {setting};")).concat());
    home.run(&["seed", "--database", "refused", "--no-spec", "--rows", "600"]).ok();
    let checked = home.run(&["seed", "--check", "--database", "refused", "--no-spec", "--rows", "600"]).ok();
    assert_eq!(checked.stdout.matches("holds").count(), 17, "{}", checked.stdout);

    between(
        &target,
        "int-array",
        &[
            ("SELECT count(DISTINCT n) FROM t", 300.0, 600.0),
            ("SELECT count(DISTINCT (p).took) FROM kinds", 300.0, 600.0),
            ("SELECT count(DISTINCT a) FROM kinds", 300.0, 600.0),
        ],
    );
    none(&target, "int-array", &["SELECT count(*) FROM kinds, unnest(e) x WHERE x NOT BETWEEN 1 AND 49"]);
    // Only the column that may be NULL is NULL; the tenant comes from the other key.
    between(
        &target,
        "two-composite-fks-share-tenant",
        &[
            ("SELECT count(*) FROM reservation WHERE parent_product IS NULL", 20.0, 150.0),
            ("SELECT count(DISTINCT org_id) FROM reservation", 100.0, 600.0),
        ],
    );
    let tenants = "self-composite-fk-no-tenant-table";
    between(
        &target,
        tenants,
        &[
            ("SELECT count(DISTINCT tenant_id) FROM folder", 10.0, 50.0),
            ("SELECT count(parent_id) FROM folder", 400.0, 599.0),
            ("SELECT count(dir_id) FROM lone", 400.0, 599.0),
            ("SELECT count(*) FROM note WHERE num_nulls(file_id, author_id) = 1", 1.0, 300.0),
        ],
    );
    none(
        &target,
        tenants,
        &[
            "SELECT count(*) FROM note WHERE tenant_id IS NULL",
            "SELECT count(*) FROM file f LEFT JOIN member m ON m.id = f.owner_id WHERE m.tenant_id <> f.tenant_id",
        ],
    );
    // A spread below zero, and texts of believable lengths.
    between(
        &target,
        "constant-below-zero",
        &[
            ("SELECT count(DISTINCT delta) FROM x", 300.0, 600.0),
            ("SELECT count(DISTINCT loss) FROM x", 200.0, 600.0),
            ("SELECT count(DISTINCT ratio) FROM x", 200.0, 600.0),
            ("SELECT count(DISTINCT temp) FROM x", 8.0, 30.0),
            ("SELECT max(length(slug)) FROM x", 10.0, 90.0),
            ("SELECT count(DISTINCT r) FROM more", 200.0, 600.0),
            ("SELECT count(DISTINCT left(handle, 3)) FROM more", 300.0, 600.0),
            ("SELECT count(*) FROM more WHERE email ~ '^[a-z.-]+[.][0-9a-z]+@example[.](com|org|net)$'", 600.0, 600.0),
        ],
    );
}

#[test]
fn shapes_follow_what_the_catalog_says() {
    let _machine = sharing();
    let home = Home::new();
    let names = [
        "columns-partial-indexes-depend-on",
        "default-partition-only",
        "enum-equivalence-and-partial-unique",
        "nullable-created-at",
        "partial-unique-left-empty",
        "solved_forms",
    ];
    let target = made(&home, "shapes", cases(&names));
    let dry = home.run(&["seed", "--database", "shapes", "--no-spec", "--rows", "600", "--dry-run"]).ok().stdout;
    assert!(dry.contains("partial-unique-left-empty.votes.is_deleted: "), "{dry}");
    assert!(dry.contains("is_deleted = \"weights(false "), "the line to write: {dry}");
    home.run(&["seed", "--database", "shapes", "--no-spec", "--rows", "600"]).ok();
    let checked = home.run(&["seed", "--check", "--database", "shapes", "--no-spec", "--rows", "600"]).ok();
    assert_eq!(checked.stdout.matches("holds").count(), 24, "{}", checked.stdout);
    let explained = "partial-unique-left-empty.votes.is_deleted";
    let explained = home.run(&["seed", "explain", explained, "--database", "shapes", "--no-spec"]).ok().stdout;
    assert!(explained.contains("votes_u_id_p_id_idx"), "the hint is named: {explained}");

    let shares = |case: &str, questions: &[(&str, f64, f64)]| between(&target, case, questions);
    shares(
        "columns-partial-indexes-depend-on",
        &[
            ("SELECT count(*) FROM s WHERE status IN (0, 1)", 400.0, 590.0),
            ("SELECT count(*) FROM s WHERE status NOT BETWEEN 0 AND 9", 0.0, 0.0),
            ("SELECT count(DISTINCT kind) FROM s", 3.0, 3.0),
            ("SELECT count(*) FROM s WHERE NOT message_read", 400.0, 590.0),
            ("SELECT greatest(count(locked_at), count(terminated_at), count(failed_at)) FROM s", 1.0, 60.0),
        ],
    );
    shares(
        "default-partition-only",
        &[
            ("SELECT count(*) FROM ev_de", 100.0, 400.0),
            ("SELECT count(*) FROM ev_us", 100.0, 400.0),
            ("SELECT count(*) FROM ev_rest", 1.0, 200.0),
            ("SELECT least(sum((at < '2025-01-01')::int), sum((at >= '2025-01-01')::int)) FROM lg", 100.0, 300.0),
        ],
    );
    shares(
        "enum-equivalence-and-partial-unique",
        &[
            ("SELECT count(*) FROM v WHERE status <> 'voided'", 450.0, 599.0),
            ("SELECT count(*) FROM v WHERE (status = 'voided') <> (voided_at IS NOT NULL)", 0.0, 0.0),
        ],
    );
    shares(
        "nullable-created-at",
        &[("SELECT count(*) FROM c JOIN p ON p.id = p_id WHERE c.created_at < p.created_at", 0.0, 0.0)],
    );
    shares(
        "partial-unique-left-empty",
        &[
            ("SELECT count(*) FROM votes WHERE NOT is_deleted", 500.0, 599.0),
            ("SELECT count(*) FROM ft WHERE created_at >= '2023-09-12'", 400.0, 599.0),
            ("SELECT count(*) FROM ft JOIN f ON f.id = f_id WHERE ft.created_at < f.created_at", 0.0, 0.0),
            ("SELECT count(*) FROM ft JOIN tx ON tx.id = tx_id WHERE ft.created_at < tx.created_at", 0.0, 0.0),
            ("SELECT count(*) FROM methods WHERE is_default AND deleted_at IS NULL", 300.0, 599.0),
        ],
    );
    shares(
        "solved_forms",
        &[
            ("SELECT count(DISTINCT total) FROM sums", 300.0, 600.0),
            ("SELECT count(DISTINCT ends - starts) FROM sums", 10.0, 600.0),
            ("SELECT count(DISTINCT code) FROM sums", 10.0, 600.0),
            ("SELECT count(*) FROM pair", 600.0, 600.0),
            ("SELECT count(*) FROM tagged WHERE NOT doc ?& ARRAY['source', 'kind', 'size', 'state']", 0.0, 0.0),
            ("SELECT count(DISTINCT at) FROM shifts", 300.0, 600.0),
            ("SELECT count(*) FROM items WHERE image_url NOT LIKE 'https://%'", 0.0, 0.0),
            (
                "SELECT count(*) FROM orders o WHERE total <> (SELECT coalesce(sum(unit_price * quantity), 0) \
                 FROM order_items WHERE order_id = o.id)",
                0.0,
                0.0,
            ),
            ("SELECT count(*) FROM order_items l JOIN items i ON i.id = item_id WHERE unit_price <> price", 0.0, 0.0),
            (
                "SELECT count(*) FROM (SELECT max(position) <> count(*) AS wrong FROM order_items \
                 GROUP BY order_id) x WHERE wrong",
                0.0,
                0.0,
            ),
            ("SELECT count(*) FROM order_items WHERE quantity = 1", 350.0, 599.0),
            ("SELECT count(DISTINCT state) FROM orders", 10.0, 600.0),
            ("SELECT count(*) FROM jobs WHERE finished_at > updated_at", 0.0, 0.0),
        ],
    );
}
