//! `weighbridge try`: a schema, a change and a query, and no file.

use crate::support::{Home, action_of, measuring};

/// As `pg_dump -s` writes a schema.
const SCHEMA: &str = "\\restrict k
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE public.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES public.customers,
    total numeric(10, 2) NOT NULL,
    placed_at timestamptz NOT NULL
);
";

const LATEST: &str =
    "SELECT id, total FROM orders o WHERE o.customer_id = :customer ORDER BY placed_at DESC LIMIT :rows";

#[test]
fn an_idea_is_proven_without_a_file_and_saved_as_a_project() {
    let _machine = measuring();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let work = home.path().join("work");
    std::fs::write(work.join("structure.sql"), SCHEMA).unwrap();
    let base = ["try", "--schema", "structure.sql", "--change", "CREATE INDEX by_customer ON orders (customer_id)"];
    let tried = |more: &[&str]| home.run(&[&base[..], more].concat());

    let ran = tried(&[
        "--revert",
        "DROP INDEX by_customer",
        "--sql",
        LATEST,
        "--sql",
        "SELECT count(*) FROM orders WHERE placed_at >= $1 AND placed_at < $2",
        "--rows",
        "3000",
        "--save",
        "idea",
        "--format",
        "json",
    ])
    .ok();
    let trial = ran.json();
    assert_eq!(trial["comparison"]["verdict"], "improved");
    assert_eq!(action_of(&trial, "orders")["verdict"], "improved");
    assert!(trial["evidence"]["isolated"].is_object(), "single operations are timed: {}", trial["evidence"]);
    ran.says(&[
        "guess: orders: customer = pick(orders.customer_id, zipf 0.5)",
        "guess: orders: rows = 20 (the count of a LIMIT)",
        "guess: orders_2: p1 = pick(orders.placed_at)",
        "guess: orders_2: p2 = p1 + 30d",
        "saved as a project: cd idea && weighbridge prove",
    ]);
    assert_eq!(home.databases("weighbridge_build_"), Vec::<String>::new());

    // What was tried is a project, which is proven as any other.
    let saved = |file: &str| std::fs::read_to_string(work.join("idea").join(file)).expect(file);
    assert!(saved("scenario.toml").contains("# compared with orders.customer_id"), "{}", saved("scenario.toml"));
    assert_eq!(saved("migrations/0002_change.down.sql"), "DROP INDEX by_customer;\n");
    let mut command = home.command(&["prove", "--counts-only", "--format", "json"]);
    let again = crate::support::Ran::new(command.current_dir(work.join("idea")).output().unwrap()).ok().json();
    assert_eq!(action_of(&again, "orders")["verdict"], "improved");
    assert!(saved("dataset.toml").contains("row-count = \"3000 * scale\""), "{}", saved("dataset.toml"));
    tried(&["--sql", LATEST, "--save", "idea"]).exits(2).says(&["--save overwrites nothing"]);

    // A parameter that nothing shows is named, with the flag; so is a flag for no parameter.
    let sql = "SELECT count(*) FROM orders WHERE placed_at > now() - :days * interval '1 day'";
    let with = "--with 'days = pick(table.column)'";
    tried(&["--sql", sql, "--with", "day = 3"]).exits(2).says(&["no values are known for :days", with, "names day"]);
    let given = tried(&["--sql", sql, "--with", "days = uniform(1, 90)", "--counts-only", "--rows", "500"]).ok();
    given.says(&["days = uniform(1, 90) (given with --with)"]);
    home.run(&["try", "--sql", "SELECT 1"]).exits(2).says(&["no schema was given", "--migrations DIR"]);
}
