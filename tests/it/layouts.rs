//! Migrations of every tool: recognised, listed in their tool's order, and sent as it sends them to a real server.

use std::path::{Path, PathBuf};

use weighbridge::clock::Clock;
use weighbridge::migrate::{Directory, Layout, Options};
use weighbridge::postgres::database::Admin;

use crate::support::{Home, block_on, query, sharing};

/// The tools, where each keeps its files, and what the schema is afterwards: a query that answers in one text.
const PROJECTS: [(&str, &str, &str); 14] = [
    ("dbmate", "db/migrations", "SELECT count(*)::text FROM books"),
    (
        "diesel",
        "migrations",
        "SELECT string_agg(attname::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'posts'::regclass \
            AND attnum > 0",
    ),
    ("drizzle", "drizzle", "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'notes_id'::regclass"),
    ("flyway", "db/migration", "SELECT obj_description('parts'::regclass) || (SELECT count(*) FROM names)"),
    ("golang-migrate", "db/migrations", "SELECT one()::text"),
    ("goose", "sql", "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'users_name'::regclass"),
    ("hasura", "migrations", "SELECT to_regclass('rooms_floor')::text"),
    ("liquibase", "db/changelog", "SELECT count(height)::text || f() FROM trees"),
    ("node-pg-migrate", "migrations", "SELECT to_regclass('cars_plate')::text"),
    ("plain", "sql", "SELECT string_agg(name, ',' ORDER BY id) FROM rocks"),
    ("prisma", "prisma/migrations", "SELECT to_regclass('\"User_email_idx\"')::text"),
    ("refinery", "migrations", "SELECT count(port)::text FROM ships"),
    ("sqlx", "migrations", "SELECT count(phone)::text FROM customers"),
    ("supabase", "supabase/migrations", "SELECT relrowsecurity::text FROM pg_class WHERE oid = 'todos'::regclass"),
];

/// A copy of a project in a repository of its own: what stands around a folder is part of what is recognised.
fn project(home: &Home, tool: &str) -> PathBuf {
    let to = home.path().join("projects").join(tool);
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/layouts").join(tool), &to);
    std::fs::create_dir_all(to.join(".git")).unwrap();
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_layout_is_listed_in_the_order_and_the_transactions_of_its_tool() {
    let home = Home::empty();
    for (tool, folder, _) in PROJECTS {
        let project = project(&home, tool);
        let mut command = home.command(&["migrate", "list", "--migrations", folder]);
        let output = command.current_dir(&project).output().unwrap();
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).unwrap().replace(&format!("{}/", project.display()), "");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/layouts").join(tool).join("expected.txt");
        if std::env::var_os("WEIGHBRIDGE_UPDATE_LAYOUTS").is_some() {
            std::fs::write(&path, &listed).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(listed, expected, "{tool}: WEIGHBRIDGE_UPDATE_LAYOUTS=1 writes what is listed now");
        let json = home.command(&["migrate", "list", "--migrations", folder, "--format", "json"]);
        let json = { json }.current_dir(&project).output().unwrap().stdout;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["layout"], tool);
    }
}

#[test]
fn every_layout_is_applied_and_reverted_as_its_tool_does() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let server = home.target();
    for (tool, folder, after) in PROJECTS {
        let options = Options { skip_code: true, ..Options::default() };
        let path = project(&home, tool).join(folder);
        let directory = Directory::read(&path, None, &options).unwrap_or_else(|error| panic!("{tool}: {error}"));
        assert_eq!(directory.layout.name(), tool);
        let name = format!("layout_{}", tool.replace('-', "_"));
        let target = server.database(&name);
        block_on(async {
            Admin::connect(&server).await.unwrap().create(&name).await.unwrap();
            let count = directory.migrations.len();
            for position in 0..count {
                let mut connection = target.connect().await.unwrap();
                let applied =
                    directory.steps(0..count).apply(&mut connection, &target, position, &Clock::start()).await;
                applied.unwrap_or_else(|error| panic!("{tool} {}: {error}", directory.migrations[position].label));
            }
        });
        let expected = match tool {
            "diesel" => "id,title,body,draft,tags",
            "drizzle" | "goose" | "supabase" => "true",
            "flyway" => "of app0",
            "golang-migrate" => "1",
            "hasura" => "rooms_floor",
            "liquibase" => "01",
            "node-pg-migrate" => "cars_plate",
            "plain" => "granite,basalt",
            "prisma" => "\"User_email_idx\"",
            _ => "0",
        };
        assert_eq!(query(&target, after), [expected], "{tool}");
        // The last ones are reverted, as far as they say how.
        block_on(async {
            let downs = directory.migrations.iter().rev().map_while(|migration| migration.down.as_ref());
            for down in downs {
                let mut connection = target.connect().await.unwrap();
                let manner = weighbridge::migrate::Manner::default();
                let reverted = weighbridge::migrate::apply(&mut connection, down, &manner, &Clock::start()).await;
                reverted.unwrap_or_else(|error| panic!("{tool}: {error}"));
            }
        });
    }
    assert_eq!(PROJECTS.map(|(tool, ..)| tool).len(), Layout::ALL.len(), "a project for each layout");
}

/// A table of each project, for its data and for what is asked.
const TABLES: [&str; 14] = [
    "books",
    "posts",
    "notes",
    "parts",
    "accounts",
    "users",
    "rooms",
    "trees",
    "cars",
    "rocks",
    "User",
    "ships",
    "customers",
    "todos",
];

#[test]
fn the_last_migration_of_every_layout_is_proven() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    for ((tool, folder, _), table) in PROJECTS.into_iter().zip(TABLES) {
        let project = project(&home, tool);
        std::fs::write(project.join("d.toml"), format!("[table.{table}]\nrow-count = \"100 * scale\"\n")).unwrap();
        let action = format!("[[action]]\nname = \"one\"\nsql = 'SELECT count(*) FROM \"{table}\"'\n");
        std::fs::write(project.join("s.toml"), format!("name = \"app\"\n[load]\nrate = 50\n{action}")).unwrap();
        let own = ["prove", "--migrations", folder, "--skip-code", "--spec", "d.toml", "--scenario", "s.toml"];
        let counted = ["--counts-only", "--sets", "2", "--forward-only", "--format", "json"];
        let output = home.command(&[&own[..], &counted].concat()).current_dir(&project).output().unwrap();
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        let trial: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(trial["comparison"]["verdict"], "same", "{tool}");
    }
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
}

#[test]
fn a_schema_and_a_change_are_proven_without_a_folder_and_can_be_repeated() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let work = home.path().join("work");
    let write = |name: &str, text: &str| std::fs::write(work.join(name), text).unwrap();
    let tables = "CREATE TABLE users (id bigint PRIMARY KEY);\n\
                  CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);\n";
    write("structure.sql", &format!("\\restrict key\n{tables}"));
    let action = "[[action]]\nname = \"of_user\"\nsql = 'SELECT id FROM orders WHERE user_id = :user'\n\
                  with = { user = \"pick(users.id)\" }\n";
    write("s.toml", &format!("name = \"app\"\n[load]\nrate = 50\n{action}"));
    let index = "CREATE INDEX orders_user ON orders (user_id)";
    let own = ["prove", "--schema", "structure.sql", "--scenario", "s.toml", "--counts-only", "--sets", "2"];
    let prove = |more: &[&str]| home.run(&[&own[..], more].concat());
    let proven = prove(&["--change", index, "--revert", "DROP INDEX orders_user", "--format", "json"]);
    assert_eq!(proven.json()["comparison"]["verdict"], "improved", "{}", proven.stderr);
    proven.says(&["structure.sql:1: commands of psql are skipped: \\restrict"]);
    let result = std::fs::read_dir(work.join("results")).unwrap().next().unwrap().unwrap().path();
    let script = std::fs::read_to_string(result.join("inputs/repeat.sh")).unwrap();
    for flag in ["--schema schema.sql", "--change change.sql", "--revert revert.sql"] {
        assert!(script.contains(flag), "{script}");
    }
    home.script(&result.join("inputs/repeat.sh"), &["--sets", "2"]).exits(0);

    // A command of a migration tool, with the clone's URL.
    prove(&["--up-cmd", "echo $DATABASE_URL; echo no such tool; exit 3"])
        .exits(2)
        .says(&["exit status: 3", "no such tool"]);
    prove(&["--up-cmd", "test -n \"$DATABASE_URL\"", "--format", "json"]).exits(0);
    // What the server lacks is named before the first statement.
    prove(&["--change", "CREATE EXTENSION nothing_like_it; GRANT SELECT ON orders TO nobody_here"])
        .exits(2)
        .says(&["the extension nothing_like_it", "roles that are not there: nobody_here"]);
}

#[test]
fn a_folder_is_refused_with_every_mistake_of_its_files() {
    let home = Home::empty();
    let folder = home.path().join("work");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("goose/1_a.sql", "-- +goose Up\nSELECT 1\n");
    write("goose/2_b.sql", "SELECT 1;\n-- +goose Up\n");
    write("goose/3_c.sql", "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n");
    home.run(&["migrate", "list", "--migrations", "goose"]).exits(2).says(&[
        "without a `;` at the end of a line",
        "goose/1_a.sql:2:1",
        "SQL before `-- +goose Up`",
        "goose/2_b.sql:1:1",
        "StatementEnd",
    ]);
    write("dbmate/1_a.sql", "-- migrate:up\nSELECT 1;\n");
    home.run(&["migrate", "list", "--migrations", "dbmate"]).exits(2).says(&["without a `-- migrate:down`"]);
    write("prisma/1_a/migration.sql", "SELECT 1;\n");
    write("prisma/2_b/other.sql", "SELECT 1;\n");
    home.run(&["migrate", "list", "--migrations", "prisma"]).exits(2).says(&["P3015", "prisma/2_b"]);
    write("flyway/V1__a.sql", "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);\n");
    write("flyway/R__v.sql", "SELECT 1;\n");
    home.run(&["migrate", "list", "--migrations", "flyway"]).exits(2).says(&["flyway/V1__a.sql:2:1", "flyway.mixed"]);
    write("same/1_a.sql", "SELECT 1;\n");
    write("same/01_b.sql", "SELECT 1;\n");
    home.run(&["migrate", "list", "--migrations", "same"])
        .exits(2)
        .says(&["same/01_b.sql and same/1_a.sql have the same version 1"]);
    write("pair/1_a.up.sql", "VACUUM;\n");
    write("pair/1_a.down.sql", "VACUUM;\n");
    let asked = ["migrate", "list", "--migrations", "pair"];
    home.run(&asked).exits(2).says(&["sqlx", "golang-migrate", "--layout"]);
    assert!(home.run(&[&asked[..], &["--layout", "golang-migrate"]].concat()).ok().stdout.contains("each statement"));
    home.run(&[&asked[..], &["--layout", "nothing"]].concat())
        .exits(2)
        .says(&["the layouts are: sqlx, golang-migrate"]);
}
