//! Scripts of pgbench and actions of several steps: what is captured, repeated, tried again and left open. Must hold no
//! timing claim.

use crate::bank::{TRANSFER, action, bank, file, number, one, run};
use crate::support::{Home, block_on, query, sharing};

#[test]
fn pgbench_scripts_run_as_they_are_in_every_protocol() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let script = file(&home, "transfer.sql", TRANSFER);
    let select = file(&home, "select.sql", "\\set id random(1, 100)\nSELECT balance FROM accounts WHERE id = :id;\n");
    for (turn, protocol) in ["prepared", "extended", "simple"].into_iter().enumerate() {
        let (heavy, light) = (format!("{script}@3"), format!("{select}@1"));
        let found = run(&home, &["-f", &heavy, "-f", &light, "-c", "4", "-n", "400", "-M", protocol]).measured().json();
        let (transfers, selects) = (action(&found, "transfer"), action(&found, "select"));
        assert_eq!(number(transfers, "ok") + number(selects, "ok"), 400);
        assert!((240..360).contains(&number(transfers, "ok")), "three of four: {transfers}");
        assert_eq!(number(selects, "rows"), number(selects, "ok"), "every SELECT found its row with {protocol}");
        assert_eq!(found["evidence"]["failures"], serde_json::json!({}));
        let rows = one(&bank, "SELECT count(*) FROM history");
        let before = turn as i64 * 400;
        assert!(before < rows + 160 * (turn as i64 + 1), "{rows}");
    }
    let odd = one(&bank, "SELECT sum(balance) - (SELECT sum(delta) FROM history) FROM accounts");
    assert_eq!(odd, 0, "every UPDATE has its INSERT");
    let both = query(&bank, "SELECT DISTINCT note FROM history ORDER BY 1");
    assert_eq!(both, ["above", "below"]);
    let wrong = file(&home, "wrong.sql", "\\startpipeline\nSELECT :nobody;\n\\sleep 1 h\n");
    let said = run(&home, &["-f", &wrong]).exits(2);
    said.says(&[
        "\\startpipeline is not supported",
        "nothing sets the variable `:nobody`",
        "`h` is no unit",
        "wrong.sql:1:1",
    ]);
}

const STEPS: &str = r#"
name = "steps"
[load]
clients = 4
max_tries = 1000
[[action]]
name = "pay"
transaction = true
isolation = "repeatable read"
with = { delta = "uniform(1, 9)", low = "uniform(1, 3)" }
[[action.step]]
name = "chosen"
sql  = "SELECT id AS account, owner FROM accounts WHERE id >= :low AND id < :low::int + 2"
[[action.step]]
each = "chosen"
sql  = "UPDATE accounts SET balance = balance + :delta WHERE id = :account AND owner = :owner"
[[action.step]]
chance = "25%"
sql    = "INSERT INTO history (account, delta, note) VALUES (:account, :delta, 'sometimes') RETURNING id AS entry"
"#;

#[test]
fn values_are_captured_rows_repeated_and_conflicts_tried_again() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let scenario = file(&home, "steps.toml", STEPS);
    let found = run(&home, &[&scenario, "-n", "300"]).measured().json();
    let pay = action(&found, "pay");
    assert_eq!((number(pay, "ok"), number(pay, "failed")), (300, 0));
    assert!(0 < number(pay, "retries"), "four clients change the same four rows");
    // Two rows each, and as many as the deltas say: nothing was sent twice or lost by a retry.
    let moved = one(&bank, "SELECT sum(balance) FROM accounts");
    assert!((300 * 2..=300 * 2 * 9).contains(&moved), "{moved}");
    let sometimes = one(&bank, "SELECT count(*) FROM history");
    assert!((45..=110).contains(&sometimes), "a quarter of 300: {sometimes}");
    let unknown = file(&home, "unknown.toml", &STEPS.replace("AS account, owner", "AS acount, owner"));
    run(&home, &[&unknown, "-n", "1"])
        .exits(2)
        .says(&["`:account` is neither a parameter nor a column of an earlier step", "unknown.toml:"]);
}

#[test]
fn an_operation_sees_its_own_rows_only_and_sends_each_of_them_once() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    // Half of the operations ask for rows; the others must not find those of an earlier one.
    let text = "name = 'e'\n[load]\nclients = 2\n[[action]]\nname = 'maybe'\n[[action.step]]\nname = 'rows'\n\
                chance = '50%'\nsql = \"SELECT nextval('history_id_seq') AS entry\"\n\
                [[action.step]]\neach = 'rows'\nsql = \"INSERT INTO history (id, account, delta, note) \
                VALUES (:entry, 1, 1, 'e')\"\n";
    let scenario = file(&home, "e.toml", text);
    let found = run(&home, &[&scenario, "-n", "200"]).measured().json();
    assert_eq!(found["evidence"]["failures"], serde_json::json!({}), "no row is sent twice: ids are unique");
    assert_eq!(one(&bank, "SELECT count(*) FROM history"), one(&bank, "SELECT last_value FROM history_id_seq"));
    // A statement that is tried again outside of a transaction sends its own row again, and no other.
    block_on(async {
        let mut connection = bank.connect().await.unwrap();
        let sql = "TRUNCATE history; CREATE SEQUENCE turns;
                   CREATE FUNCTION sometimes(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                       IF nextval('turns') % 3 = 0 THEN RAISE SQLSTATE '40001'; END IF; RETURN n; END $$;";
        sqlx::Executor::execute(&mut connection, sqlx::raw_sql(sql)).await.unwrap();
    });
    let text = "name = 'r'\n[load]\nclients = 1\nmax_tries = 9\n[[action]]\nname = 'again'\n\
                with = { n = \"sequence(1)\" }\n[[action.step]]\nname = 'rows'\n\
                sql = 'SELECT id AS account, :n::int4 AS entry FROM accounts WHERE id <= 4'\n\
                [[action.step]]\neach = 'rows'\nsql = \"INSERT INTO history (account, delta, \
                note) SELECT sometimes(:account), :entry, 'r'\"\n";
    let scenario = file(&home, "r.toml", text);
    let found = home
        .run(&["run", &scenario, "--database", "bank", "-n", "30", "--warm-up", "300ms", "--format", "json"])
        .measured()
        .json();
    let again = action(&found, "again");
    assert_eq!((number(again, "ok"), number(again, "failed")), (30, 0));
    assert!(0 < number(again, "retries"));
    let twice = "SELECT count(*) - count(DISTINCT (account, delta)) FROM history";
    assert_eq!(one(&bank, twice), 0, "warm-up and measurement count on, and no row is sent twice");
    assert_eq!(one(&bank, "SELECT count(*) % 4 FROM history"), 0);
}

#[test]
fn what_a_script_leaves_open_or_asks_for_in_vain_is_a_failure_and_no_hang() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    let open = file(&home, "open.sql", "BEGIN;\nINSERT INTO history (account, delta) VALUES (1, 1);\n");
    let found = run(&home, &["-f", &open, "-n", "5"]).exits(1).json();
    assert_eq!(found["evidence"]["failures"]["script"]["texts"][0], "the script ends inside a transaction");
    assert_eq!(number(&found["evidence"]["all"], "failed"), 5);
    assert_eq!(one(&bank, "SELECT count(*) FROM history"), 0);
    let copy = file(&home, "copy.sql", "COPY history (account, delta) FROM STDIN;\n");
    for protocol in ["prepared", "extended", "simple"] {
        let found = run(&home, &["-f", &copy, "-n", "3", "-M", protocol]).exits(1).json();
        assert_eq!(number(&found["evidence"]["failures"]["57014"], "count"), 3, "{protocol}");
    }
    // More was offered than was done.
    let slow = file(&home, "slow.sql", "SELECT pg_sleep(0.05);\n");
    let found = run(&home, &["-f", &slow, "-R", "1000", "--connections", "1", "-n", "30", "--gate", "rate >= 95%"])
        .exits(1)
        .json();
    let checks = found["evidence"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "achieved_rate"), "{checks:?}");
    run(&home, &["-f", &slow, "-c", "2", "--shard", "1/2"]).exits(2).says(&["--shard divides the rate"]);
}
