//! The spec language against a real server: what a dataset is said to be is asked of the server in SQL.

use std::path::Path;
use std::process::Stdio;

use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::expression::Key;
use weighbridge::migrate::{Layout, Manner, Part, apply};
use weighbridge::postgres::Target;

use crate::support::{Home, block_on, query, sharing};

/// A database made with these statements.
fn made(home: &Home, name: &str, schema: &str) -> Target {
    home.run(&["server", "start"]).ok();
    let target = home.target();
    block_on(async {
        let mut admin = weighbridge::postgres::database::Admin::connect(&target).await.unwrap();
        admin.create(name).await.unwrap();
    });
    let target = target.database(name);
    let file = SourceFile { path: "schema.sql".into(), text: schema.to_owned() };
    block_on(async {
        apply(&mut target.connect().await.unwrap(), &Part::new(file, Layout::Sqlx), &Manner::default(), &Clock::start())
            .await
            .unwrap()
    });
    target
}

fn spec(home: &Home, text: &str) -> String {
    let path = home.path().join("spec.toml");
    std::fs::write(&path, format!("[dataset]\nnow = 2026-01-01T00:00:00Z\nspan = \"2y\"\n{text}")).unwrap();
    path.display().to_string()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn one(target: &Target, sql: &str) -> f64 {
    query(target, &format!("SELECT ({sql})::float8::text"))[0].parse().unwrap()
}

/// The platform's own project, in a database of the test's server.
fn platform(home: &Home, database: &str, more: &[&str]) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("weighbridge.toml").display().to_string();
    home.run(&[&["seed", "--config", &project, "--database", database], more].concat()).ok().stdout
}

#[test]
fn the_platform_is_as_real_as_its_spec_says() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let said = platform(&home, "platform", &["--scale", "0.01"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("assert holds")).count(), 4, "{said}");
    let target = home.target().database("platform");
    // In time order a row lies beside those that came with it, and far from the others of its user.
    let correlation = |table: &str, column: &str| {
        one(&target, &format!("SELECT correlation FROM pg_stats WHERE tablename = '{table}' AND attname = '{column}'"))
    };
    for (table, born) in [
        ("payments", "created_at"),
        ("notifications", "created_at"),
        ("audit_events", "created_at"),
        ("transactions", "created_at"),
        ("chat_messages", "created_at"),
        // Unique together with their parents, or summed up.
        ("enrollments", "enrolled_at"),
        ("follows", "created_at"),
        ("attempts", "started_at"),
        ("reviews", "created_at"),
        ("wishlists", "added_at"),
    ] {
        let found = correlation(table, born);
        assert!(0.98 < found, "{table}: {found}");
    }
    // Who is not born yet has no rows, so early rows belong to early parents and the plain correlation cannot
    // be 0 (ADR 15). Among those born by then, a row's place says nothing about whose it is.
    for (table, key, born, parent) in [
        ("payments", "user_id", "created_at", "users"),
        ("payments", "course_id", "created_at", "courses"),
        ("notifications", "user_id", "created_at", "users"),
    ] {
        assert!(correlation(table, key).abs() < 0.7, "{table}.{key}");
        let among_the_born = one(
            &target,
            &format!(
                "WITH parent AS (SELECT id, created_at, row_number() OVER (ORDER BY id) AS place FROM {parent}),
                      child AS (SELECT row_number() OVER (ORDER BY ctid) AS n, {key} AS key, {born} AS at FROM {table}),
                      sampled AS (SELECT n, place::float8 / (SELECT count(*) FROM parent o
                      WHERE o.created_at <= c.at) AS share
                                  FROM child c JOIN parent p ON p.id = c.key WHERE n % 5 = 0)
                 SELECT corr(n, share) FROM sampled"
            ),
        );
        assert!(among_the_born.abs() < 0.1, "{table}.{key}: {among_the_born} among the parents born by then");
    }
    for (child, born, key, parent) in [
        ("enrollments", "enrolled_at", "user_id", "users"),
        ("payments", "created_at", "user_id", "users"),
        ("transactions", "created_at", "wallet_id", "wallets"),
        ("notifications", "created_at", "user_id", "users"),
    ] {
        let older =
            format!("SELECT count(*) FROM {child} c JOIN {parent} p ON p.id = c.{key} WHERE c.{born} < p.created_at");
        assert_eq!(one(&target, &older), 0.0, "{child} older than {parent}");
    }
    // Statuses and their moments come from one walk.
    for sql in [
        "SELECT count(*) FROM enrollments WHERE (completed_at IS NOT NULL) <> (status = 'completed')",
        "SELECT count(*) FROM payments WHERE paid_at < created_at OR '2026-01-01' < paid_at",
        "SELECT count(*) FROM support_tickets WHERE status IN ('resolved', 'closed') AND resolved_at IS NULL",
        "SELECT count(*) FROM audit_events e WHERE object = 'payment' AND NOT EXISTS (SELECT FROM payments \
         WHERE id = object_id)",
        "SELECT count(*) FROM payments p JOIN courses c ON c.id = p.course_id WHERE p.amount <> c.price",
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND 0 < relpages \
         AND relallvisible < relpages",
    ] {
        assert_eq!(one(&target, sql), 0.0, "{sql}");
    }
    // Weekends are quiet, Black Friday is not.
    let on = |day: &str| one(&target, &format!("SELECT count(*) FROM payments WHERE created_at::date = '{day}'"));
    let usual = on("2025-11-07").max(1.0);
    assert!(2.5 < on("2025-11-28") / usual && on("2025-11-28") / usual < 6.0, "{} of {usual}", on("2025-11-28"));
    let german = one(&target, "SELECT count(*) FROM users WHERE locale = 'de' AND country NOT IN ('DE', 'AT', 'CH')");
    assert_eq!(german, 0.0);
    assert!(0.0 < one(&target, "SELECT count(*) FROM users WHERE full_name ~ '[äöüß]' AND locale = 'de'"));
}

#[test]
fn parts_make_the_whole_and_a_dataset_grows() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    platform(&home, "whole", &["--scale", "0.004"]);
    for part in ["2/3", "1/3"] {
        let said = platform(&home, "parts", &["--scale", "0.004", "--shard", part]);
        assert!(said.contains("to come"), "{said}");
    }
    platform(&home, "parts", &["--scale", "0.004", "--shard", "3/3"]);
    let check = |database: &str| platform(&home, database, &["--scale", "0.004", "--check"]);
    assert_eq!(check("parts"), check("whole"));

    // All at once: one of them begins, whichever is the last ends.
    made(&home, "together", &std::fs::read_to_string(root().join("migrations/0001_platform.up.sql")).unwrap());
    let project = root().join("weighbridge.toml").display().to_string();
    let url = home.run(&["server", "url"]).ok().stdout.trim().replace("/postgres?", "/together?");
    let part = |part: &str| {
        let arguments =
            ["seed", "--config", &project, "--url", &url, "--allow-writes", "--scale", "0.004", "--shard", part];
        home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut children = ["1/4", "2/4", "3/4", "4/4"].map(part);
    children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
    assert_eq!(check("together"), check("whole"));

    let target = home.target().database("whole");
    // Everything of the rows that were there, and of what was unique or summed up about them.
    let old = |table: &str, rows: &str| {
        query(
            &target,
            &format!("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t WHERE id <= {rows}"),
        )
    };
    let tables = ["users", "payments", "enrollments", "wallets", "transactions", "chat_messages", "audit_events"];
    let counts: Vec<String> =
        tables.iter().flat_map(|t| query(&target, &format!("SELECT count(*)::text FROM {t}"))).collect();
    let digests = || -> Vec<Vec<String>> { tables.iter().zip(&counts).map(|(table, rows)| old(table, rows)).collect() };
    let before = digests();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("weighbridge.toml").display().to_string();
    let again = ["seed", "--config", &project, "--database", "whole", "--scale", "0.004"];
    home.run(&again).exits(2).says(&["holds rows of this dataset already", "--append"]);
    let said = platform(&home, "whole", &["--append", "0.004", "--scale", "0.007"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("assert holds")).count(), 4, "{said}");
    assert_eq!(digests(), before);
    platform(&home, "whole", &["--append", "0.004", "--scale", "0.007", "--check"]);
    platform(&home, "whole", &["--append", "0.004,0.007", "--scale", "0.008"]);
    assert_eq!(digests(), before);
    assert_eq!(query(&target, "SELECT nextval('users_id_seq')::text"), ["1601"]);
    let wrong = ["seed", "--config", &project, "--database", "whole", "--append", "0.004", "--scale", "0.009"];
    home.run(&wrong).exits(2).says(&["rows where the dataset had"]);
}

#[test]
fn rows_of_somebody_else_stay_beside_ours() {
    let _machine = sharing();
    let home = Home::new();
    let target = made(
        &home,
        "shared",
        "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL);
         CREATE TABLE tags (id bigserial PRIMARY KEY, note_id bigint NOT NULL REFERENCES notes, label text NOT NULL);
         INSERT INTO notes (body) SELECT 'mine' FROM generate_series(1, 7);
         CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
         CREATE TRIGGER loud AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION stop()"
            .replace(";\n         ", ";\n")
            .as_str(),
    );
    let text = "[table.notes]\nrow-count = \"20\"\nid = \"row()\"\nbody = \"sentence()\"\n[table.tags]\n\
                row-count = \"50\"\nfan-out.note_id = \"uniform()\"\nlabel = \"word()\"\n";
    let file = spec(&home, text);
    home.run(&["seed", "--database", "shared", "--spec", &file]).ok();
    assert_eq!(query(&target, "SELECT count(*) || ' ' || max(id) FROM notes"), ["27 27"]);
    assert_eq!(query(&target, "SELECT count(*)::text FROM notes WHERE body = 'mine' AND id <= 7"), ["7"]);
    assert_eq!(query(&target, "SELECT (7 < min(note_id))::text FROM tags"), ["true"]);
    assert_eq!(query(&target, "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'loud'"), ["O"]);
    assert_eq!(query(&target, "SELECT nextval('notes_id_seq') || ' ' || nextval('tags_id_seq')"), ["28 51"]);
    // What goes wrong in the middle leaves all of it as it was.
    query(&target, "ALTER TABLE tags ADD CONSTRAINT few CHECK (id < 60)");
    query(&target, "TRUNCATE tags");
    let file = spec(
        &home,
        &text
            .replace("\"20\"", "\"30\"")
            .replace("sentence()", "title()")
            .replace("\"50\"", "\"500\"")
            .replace("label =", "id = \"row() + 20\"\nlabel ="),
    );
    home.run(&["seed", "--database", "shared", "--spec", &file]).exits(2).says(&["tags · few"]);
    assert_eq!(query(&target, "SELECT count(*) || ' ' || (SELECT count(*) FROM tags) FROM notes"), ["27 0"]);
}

#[test]
#[expect(clippy::print_stdout, reason = "the distance itself is worth reading")]
fn rows_spread_over_parents_as_said() {
    let _machine = sharing();
    let home = Home::new();
    let target = made(
        &home,
        "spread",
        "CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE zipfs (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
CREATE TABLE logs (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
CREATE TABLE latest (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
CREATE TABLE sorted (id int PRIMARY KEY, user_id int REFERENCES users);
CREATE TABLE shuffled (id int PRIMARY KEY, user_id int REFERENCES users)",
    );
    let table = |name: &str, rest: &str| format!("[table.{name}]\nrow-count = \"60_000\"\nid = \"row()\"\n{rest}\n");
    let text = [
        "[table.users]\nrow-count = \"1000\"\nid = \"row()\"\n".to_owned(),
        table("zipfs", "fan-out.user_id = \"zipf(s 1.1, none 20%)\""),
        table("logs", "fan-out.user_id = \"lognormal(median 20, p95 120)\""),
        table("latest", "fan-out.user_id = \"zipf(s 1.2, latest)\""),
        table("sorted", "fan-out.user_id = \"null 10% | zipf(s 0.5)\"\nheap-order = \"parent user_id\""),
        table("shuffled", "fan-out.user_id = \"zipf(s 0.5)\"\nheap-order = \"random\""),
        "[params.busy]\nby = \"zipfs.user_id\"\n".to_owned(),
    ]
    .concat();
    let file = spec(&home, &text);
    home.run(&["seed", "--database", "spread", "--spec", &file]).ok();
    home.run(&["seed", "--check", "--database", "spread", "--spec", &file]).ok();
    assert_eq!(one(&target, "SELECT count(DISTINCT user_id) FROM zipfs"), 800.0);
    // Kolmogorov-Smirnov: the largest distance between the share of rows of the k busiest and that of the law.
    let ks = |table: &str, law: &str| {
        one(
            &target,
            &format!(
                "SELECT max(abs(c - {law})) FROM (SELECT k::float8, sum(n) OVER (ORDER BY k)::float8 / 60000 AS c FROM
                 (SELECT n, row_number() OVER (ORDER BY n DESC) AS k FROM (SELECT count(*) AS n FROM {table}
                 GROUP BY user_id) a) b) d"
            ),
        )
    };
    let zipf = ks("zipfs", "(power(k + 1, -0.1) - 1) / (power(801, -0.1) - 1)");
    println!("KS of zipf(s 1.1) over 800 of 1,000 parents: {zipf:.4}");
    assert!(zipf < 0.02, "{zipf}");
    let ratio = one(
        &target,
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY n) / percentile_cont(0.5) WITHIN GROUP (ORDER BY n)
         FROM (SELECT count(*) AS n FROM logs GROUP BY user_id) a",
    );
    assert!((ratio - 6.0).abs() < 0.9, "p95 over median is {ratio}, said was 6");
    assert!(0.3 < one(&target, "SELECT avg((990 < user_id)::int) FROM latest"));
    let stays = |table: &str, column: &str| {
        one(&target, &format!("SELECT correlation FROM pg_stats WHERE tablename = '{table}' AND attname = '{column}'"))
    };
    assert!(0.999 < stays("sorted", "user_id") && stays("sorted", "id").abs() < 0.2);
    assert!(stays("shuffled", "id").abs() < 0.2);
    assert_eq!(one(&target, "SELECT count(*) FROM sorted WHERE id BETWEEN 1 AND 60000"), 60_000.0);
}

#[test]
fn what_is_read_is_what_is_stored_and_odd_places_are_refused() {
    let _machine = sharing();
    let home = Home::new();
    let target = made(
        &home,
        "stored",
        "CREATE TYPE job_status AS ENUM ('open', 'done');
CREATE TABLE orders (id int PRIMARY KEY, total numeric(12, 4) NOT NULL, lines int NOT NULL, day date NOT NULL,
label text NOT NULL);
CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, quantity int NOT NULL,
price numeric(10, 2) NOT NULL, grade text NOT NULL);
CREATE TABLE jobs (id int PRIMARY KEY, status job_status NOT NULL, done_at timestamptz, line_no int NOT NULL)",
    );
    let text = "[growth.g]\ncurve = \"linear\"
[table.orders]\nrow-count = \"300\"\nid = \"row()\"\ntotal = \"sum(items, quantity * price)\"\n\
lines = \"count(items)\"\nday = \"growth(g)\"\nlabel = \"template('{day}')\"
[table.items]\nrow-count = \"2000\"\nid = \"row()\"\nfan-out.order_id = \"zipf(s 0.5)\"\nquantity = \"1 + exp(3)\"\n\
price = \"lognormal(median 9, p95 40)\"\ngrade = \"by(quantity, 1 -> 'one', 2 -> 'two', else -> 'more')\"
";
    let file = spec(&home, text);
    home.run(&["seed", "--database", "stored", "--spec", &file]).ok();
    for sql in [
        "SELECT count(*) FROM orders o WHERE total <> (SELECT coalesce(sum(quantity * price), 0) FROM items \
         WHERE order_id = o.id)",
        "SELECT count(*) FROM orders o WHERE lines <> (SELECT count(*) FROM items WHERE order_id = o.id)",
        "SELECT count(*) FROM items WHERE (quantity = 1) <> (grade = 'one') OR (quantity = 2) <> (grade = 'two')",
        "SELECT count(*) FROM orders WHERE label <> day || 'T00:00:00Z'",
    ] {
        assert_eq!(one(&target, sql), 0.0, "{sql}");
    }
    let jobs = |status: &str, line: &str| {
        spec(
            &home,
            &format!(
                "[growth.g]\ncurve = \"linear\"\n[state.job]\nstart = \"open\"\nopen = \"done 90% 1h sets done_at\"\n\
                 [table.jobs]\nrow-count = \"10\"\nid = \"row()\"\nstatus = \"{status}\"\nline_no = \"{line}\"\n"
            ),
        )
    };
    for (status, line, says) in [
        ("by(id, 1 -> state(job, now))", "1", "stands alone"),
        ("state(job)", "1", "No column of this table grows"),
        ("state(jop, now)", "1", "no such state machine"),
        ("state(job, now - 2d)", "slots(line)", "there can be at most 1: the columns of `line` are unique together"),
        ("state(job, now - 2d)", "slots(line, from 1, to 9) * 10", "slots(group, from 1, to 9), and nothing around it"),
        ("state(job, now - 2d)", "sum(jobs, id)", "0 foreign keys of `jobs` lead to `jobs`"),
        ("state(job, now - 2d)", "pick(nothing.id)", "the spec fills no table `nothing`"),
    ] {
        let file = jobs(status, line);
        home.run(&["seed", "--database", "stored", "--spec", &file, "--dry-run"]).exits(2).says(&[says, "spec.toml:"]);
    }
}

/// A random condition over columns a (int), b (int), s (text), t (timestamptz), f (bool) that something fulfils.
fn condition(key: Key, n: &mut u64, depth: u32) -> String {
    *n += 1;
    let draw = key.below(*n, if depth == 0 { 14 } else { 18 });
    let number = key.below(*n + 1_000_000, 50);
    match draw {
        0 => format!("a >= {number}"),
        1 => format!("a BETWEEN {number} AND {}", number + 5),
        2 => "a < b".to_owned(),
        3 => format!("b IN (1000, 2000, {})", 3000 + number),
        4 => "length(s) BETWEEN 3 AND 9".to_owned(),
        5 => "s ~ '^[A-Z]{2}-[0-9]{4}$'".to_owned(),
        6 => "s IN ('007', 'null', 'true', 'x y')".to_owned(),
        7 => format!("t >= '2024-01-0{}'", 1 + number % 9),
        8 => "t < '2025-06-01' AND t >= '2025-01-01'".to_owned(),
        9 => "num_nonnulls(a, s) = 1".to_owned(),
        10 => "(t IS NULL) = (f IS NOT TRUE)".to_owned(),
        11 => "COALESCE(s, '') <> ''".to_owned(),
        12 => "f OR a IS NULL".to_owned(),
        13 => "s LIKE 'ab%' AND lower(s) = s".to_owned(),
        14 | 15 => format!("({}) OR ({})", condition(key, n, depth - 1), condition(key, n, depth - 1)),
        _ => format!("NOT (a IS NULL AND s IS NULL) AND ({})", condition(key, n, depth - 1)),
    }
}

#[test]
fn what_the_solver_makes_of_a_check_the_server_accepts() {
    let _machine = sharing();
    let home = Home::new();
    let key = Key::new(20_261_123);
    let mut schema = String::new();
    for table in 0..60 {
        let mut n = 10_000 * table;
        let check = condition(key, &mut n, 2);
        schema.push_str(&format!(
            "CREATE TABLE t{table} (id int PRIMARY KEY, a int, b int, s text, t timestamptz, f bool, \
             CONSTRAINT it CHECK ({check}));\n"
        ));
    }
    let target = made(&home, "checks", &schema);
    let ran = home.run(&["seed", "--database", "checks", "--no-spec", "--rows", "400"]);
    assert_eq!(ran.code, Some(0), "{}\n{schema}", ran.stderr);
    assert_eq!(one(&target, "SELECT count(*) FROM t59"), 400.0);
}
