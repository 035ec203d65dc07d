//! What writes leave behind in their own and in other tables, compared by `weighbridge prove --counts-only`. Must not
//! depend on the machine's speed.

use serde_json::{Value, json};

use crate::support::{Home, Shop, action_of, findings, sharing};

#[test]
fn what_a_write_leaves_in_other_tables_is_compared_too() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["record_payment"]);
    // Whoever pays is noted, by a trigger that the migration makes forget the amount.
    let notes = "CREATE TABLE notes (user_id bigint, amount numeric);\n\
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS\n\
         'BEGIN INSERT INTO notes VALUES (NEW.user_id, NEW.amount); RETURN NULL; END';\n\
         CREATE TRIGGER note AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION note();\n";
    let index = "CREATE INDEX payments_user_id_idx ON payments (user_id);";
    shop.change("migrations/0001_shop.up.sql", index, &format!("{index}\n{notes}"));
    let spec = std::fs::read_to_string(shop.folder.join("dataset.toml")).unwrap();
    shop.write("dataset.toml", format!("{spec}\n[table.notes]\nrow-count = \"0\"\n"));
    let trial = home.counted(&shop, "0002", &["--format", "json"]).exits(0).json();
    assert_eq!(action_of(&trial, "record_payment")["counts"]["answers"], "same");
    assert_eq!(action_of(&trial, "record_payment")["counts"]["plan_changes"], json!([]));
    // A trigger and a key more are no plan and no block of the statement, and still no operation that does what it did.
    shop.write(
        "migrations/0002_changes_nothing.up.sql",
        "CREATE TRIGGER twice AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION note();\n\
         ALTER TABLE payments ADD CONSTRAINT payer FOREIGN KEY (user_id) REFERENCES users;\n\
         ALTER TABLE notes ADD marked bool;\n",
    );
    let trial = home.counted(&shop, "0002", &["--format", "json"]).json();
    let change = json!([{ "kind": "triggers", "from": "", "to": "payments.payer, payments.twice" }, 256]);
    let changes = &action_of(&trial, "record_payment")["counts"]["plan_changes"];
    assert!(changes.as_array().unwrap().contains(&change), "{changes:#}");
    let forgets = |amount: &str| {
        let body = format!("BEGIN INSERT INTO notes VALUES (NEW.user_id, {amount}); RETURN NULL; END");
        let up = format!("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS '{body}';\n");
        shop.write("migrations/0002_changes_nothing.up.sql", up);
        let trial = home.counted(&shop, "0002", &["--format", "json"]).exits(3).json();
        assert_eq!(action_of(&trial, "record_payment")["counts"]["answers"], "different", "{amount}");
    };
    forgets("0");
    // Of a small table every set tells, not the first few alone.
    shop.change("scenario.toml", "amount = \"uniform(5, 90)\"", "amount = \"sequence(1)\"");
    shop.change("scenario.toml", ":amount, 'pending'", ":amount::int8, 'pending'");
    forgets("CASE WHEN 20 < NEW.amount THEN 0 ELSE NEW.amount END");
}

#[test]
fn what_a_write_takes_away_from_other_tables_is_compared_and_what_it_locks_is_not() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.change("migrations/0001_shop.up.sql", "REFERENCES courses,", "REFERENCES courses ON DELETE CASCADE,");
    // The second action locks the row of one user and changes that of another, and then its own.
    shop.write(
        "scenario.toml",
        "name = 'shop'\n[load]\nrate = 10\n\
         [[action]]\nname = 'close'\nsql = 'DELETE FROM courses WHERE id = :course'\n\
         with = { course = 'pick(enrollments.course_id)' }\n\
         [[action]]\nname = 'pay'\ntransaction = true\nwith = { user = 'uniform(1, 100)' }\n\
         [[action.step]]\nsql = \"INSERT INTO payments (user_id, amount, status, created_at) VALUES (:user, 5, \
         'pending', '2026-01-01')\"\n\
         [[action.step]]\nsql = \"UPDATE users SET created_at = '2026-01-01' WHERE id = :user + 1\"\n\
         [[action.step]]\nsql = \"UPDATE users SET created_at = '2026-01-02' WHERE id = :user\"\n",
    );
    let no_keys = "ALTER TABLE enrollments DROP CONSTRAINT enrollments_course_id_fkey;\n\
                   ALTER TABLE payments DROP CONSTRAINT payments_user_id_fkey;\n";
    shop.write("migrations/0002_changes_nothing.up.sql", no_keys);
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(3).json();
    assert_eq!(action_of(&trial, "close")["counts"]["answers"], "different", "{:#}", action_of(&trial, "close"));
    assert_eq!(action_of(&trial, "pay")["counts"]["answers"], "same", "{:#}", action_of(&trial, "pay"));
    shop.write("migrations/0002_changes_nothing.up.sql", "SELECT 1;\n");
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(0).json();
    assert_eq!(action_of(&trial, "close")["counts"]["answers"], "same");
    // A trigger of the migration takes away what nothing took before; one that keeps count in a new column takes
    // nothing.
    let trigger = |does: &str| {
        format!(
            "ALTER TABLE courses ADD COLUMN payments int NOT NULL DEFAULT 0;\n\
             CREATE FUNCTION on_payment() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {does}; RETURN NULL; END';\n\
             CREATE TRIGGER on_payment AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION on_payment();\n"
        )
    };
    let counting = trigger("UPDATE courses SET payments = payments + 1 WHERE id = 1");
    shop.write("migrations/0002_changes_nothing.up.sql", counting);
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).json();
    assert_eq!(action_of(&trial, "pay")["counts"]["answers"], "same", "{:#}", action_of(&trial, "pay"));
    let taking = trigger("DELETE FROM enrollments WHERE user_id = NEW.user_id");
    shop.write("migrations/0002_changes_nothing.up.sql", taking);
    let trial = home.counted(&shop, "0002", &["--format", "json", "--sets", "8"]).exits(3).json();
    assert_eq!(action_of(&trial, "pay")["counts"]["answers"], "different", "{:#}", action_of(&trial, "pay"));
}

#[test]
fn what_a_function_writes_and_what_waits_for_the_end_is_compared() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    // An interface of functions: no word of the statement says that it writes. What is noted of it is noted at the end.
    let function = |amount: &str, noted: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION pay(bigint, numeric) RETURNS bigint LANGUAGE sql AS
               'INSERT INTO payments (user_id, amount, status, created_at)
                VALUES ($1, {amount}, ''pending'', ''2026-01-01'') RETURNING user_id';
             CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN INSERT INTO notes VALUES (NEW.user_id, {noted}); RETURN NULL; END';\n"
        )
    };
    let index = "CREATE INDEX payments_user_id_idx ON payments (user_id);";
    let first = function("$2", "NEW.amount");
    let deferred = format!(
        "{index}\nCREATE TABLE notes (user_id bigint, amount numeric);\n{first}
         CREATE CONSTRAINT TRIGGER note AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION note();\n"
    );
    shop.change("migrations/0001_shop.up.sql", index, &deferred);
    let spec = std::fs::read_to_string(shop.folder.join("dataset.toml")).unwrap();
    shop.write("dataset.toml", format!("{spec}\n[table.notes]\nrow-count = \"0\"\n"));
    shop.write(
        "scenario.toml",
        "name = 'shop'\n[load]\nrate = 10\n[[action]]\nname = 'pay'\nsql = 'SELECT pay(:user, :amount)'\n\
         with = { user = 'pick(users.id)', amount = 'uniform(5, 90)' }\n",
    );
    let compared = |migration: String, code: i32| {
        shop.write("migrations/0002_changes_nothing.up.sql", migration);
        let trial = home.counted(&shop, "0002", &["--format", "json"]).exits(code).json();
        let counts = action_of(&trial, "pay")["counts"].clone();
        (counts["answers"].as_str().unwrap().to_owned(), counts["different"].to_string())
    };
    assert_eq!(compared(function("$2", "NEW.amount"), 0).0, "same");
    let (answers, different) = compared(function("0", "NEW.amount"), 3);
    assert_eq!(answers, "different");
    assert!(different.contains("left in payments") || different.contains("left in notes"), "{different}");
    let (answers, different) = compared(function("$2", "0"), 3);
    assert_eq!((answers.as_str(), different.as_str()), ("different", r#"{"writes":{"change":"left in notes"}}"#));
    // A key that is checked at the end, and refuses.
    let refuses = "ALTER TABLE notes ADD CHECK (amount < 0);\n".to_owned();
    shop.write("migrations/0002_changes_nothing.up.sql", &refuses);
    let trial = home.counted(&shop, "0002", &["--format", "json"]).exits(3).json();
    assert_eq!(trial["evidence"]["counts"]["after"][0]["sets"][0]["failed"], "23514");
    let refused = &action_of(&trial, "pay")["counts"]["different"]["refused"];
    assert_eq!((&refused["after"]["refused"], &refused["after"]["codes"][0]), (&json!(32), &json!("23514")));
    assert_eq!(refused["before"]["refused"], 0);
    // Such a mix writes, and its chunks begin with a checkpoint.
    shop.write("migrations/0002_changes_nothing.up.sql", "SELECT 1;\n");
    let trial = home.prove(&shop, "0002", &["--format", "json", "--chunks", "1", "--scale", "0.2"]).json();
    assert_eq!(trial["evidence"]["design"]["checkpointed"], true);
    assert_eq!(trial["evidence"]["design"]["interleave"], "block");
}

#[test]
fn keys_that_a_migration_takes_are_no_other_answer_and_a_table_in_partitions_is_planned_as_in_production() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    let logs = "CREATE TABLE logs AS SELECT n % 4000 AS owner, n AS at FROM generate_series(1, 20000) n;\n";
    shop.write("migrations/0002_changes_nothing.up.sql", logs);
    shop.write(
        "migrations/0003_drops_a_needed_index.up.sql",
        "INSERT INTO payments (user_id, amount, status, created_at) SELECT 1, 1, 'pending', '2026-01-01'
         FROM generate_series(1, 7);
         ALTER TABLE logs RENAME TO logs_of_old;
         CREATE TABLE logs (owner int, at int) PARTITION BY RANGE (at);
         CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10000);
         CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10000) TO (30000);
         INSERT INTO logs SELECT owner, at FROM logs_of_old;\n",
    );
    shop.write(
        "scenario.toml",
        "name = 'shop'\n[load]\nrate = 10\n\
         [[action]]\nname = 'pay'\nsql = \"INSERT INTO payments (user_id, amount, status, created_at) VALUES (:user, \
         5, 'pending', '2026-01-01')\"\n\
         with = { user = 'uniform(2, 100)' }\n\
         [[action]]\nname = 'owners'\nsql = 'SELECT owner, count(*) FROM logs WHERE at < :most GROUP BY owner'\n\
         with = { most = 'uniform(30000, 40000)' }\n",
    );
    let trial = home.counted(&shop, "0003", &["--format", "json", "--sets", "8"]).json();
    assert_eq!(action_of(&trial, "pay")["counts"]["answers"], "same", "{:#}", action_of(&trial, "pay"));
    let planned = |side: &str| action_of(&trial, "owners")["counts"][side]["planned_rows"].as_f64().unwrap();
    assert!((3_500.0..4_500.0).contains(&planned("before")), "{}", planned("before"));
    // As in production: autovacuum makes none of a whole in partitions, and the report says so.
    assert_eq!(planned("after"), 200.0);
    let unsampled = |trial: &Value| {
        let found = findings(trial, "partitioned-without-statistics");
        found.first().map(|finding| finding["values"]["tables"][0].clone())
    };
    assert_eq!(unsampled(&trial), Some(json!("public.logs")));
    let file = "migrations/0003_drops_a_needed_index.up.sql";
    let text = std::fs::read_to_string(shop.folder.join(file)).unwrap();
    shop.write(file, format!("{text}ANALYZE logs;\n"));
    let trial = home.counted(&shop, "0003", &["--format", "json", "--sets", "8"]).json();
    let after = action_of(&trial, "owners")["counts"]["after"]["planned_rows"].as_f64().unwrap();
    assert!((3_500.0..4_500.0).contains(&after), "{after}");
    assert_eq!(unsampled(&trial), None);
    // A sequence that a migration leaves behind its table is no key that it took: the application fails, and so is it
    // told.
    shop.write(
        file,
        "ALTER TABLE payments ALTER id DROP IDENTITY; CREATE SEQUENCE payments_id_seq OWNED BY payments.id;
         ALTER TABLE payments ALTER id SET DEFAULT nextval('payments_id_seq');\n",
    );
    let trial = home.counted(&shop, "0003", &["--format", "json", "--sets", "8"]).exits(3).json();
    assert_eq!(action_of(&trial, "pay")["counts"]["different"]["refused"]["after"]["codes"], json!(["23505"]));
}
