//! Isolated timing against a real server: work that is in no count. Effects here are many times the noise of a busy
//! machine.

use serde_json::json;

use crate::support::{Home, Shop, measuring};

#[test]
fn a_function_in_a_check_that_no_count_sees_is_found_in_time_and_a_no_op_is_no_change() {
    let _machine = measuring();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["record_payment"]);
    shop.write(
        "migrations/0002_changes_nothing.up.sql",
        "CREATE FUNCTION slow_ok(numeric) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN FOR i IN 1 .. 20000 LOOP END LOOP; RETURN true; END $$;
         ALTER TABLE payments ADD CHECK (slow_ok(amount)) NOT VALID;\n",
    );
    let slower = home.run_all(&shop.quick("0002", &["--scale", "0.2", "--format", "json"])).exits(1).json();
    assert_eq!(slower["comparison"]["verdict"], "regressed");
    let blocks = |side: &str| slower["comparison"]["actions"][0]["counts"][side]["blocks"].clone();
    assert_eq!(blocks("before"), blocks("after"), "no count sees it");
    assert_ne!(slower["evidence"]["isolated"], json!(null));
    // Reads again what it saved.
    let [result] = shop.results().try_into().expect("one result");
    home.run(&["verify", &result.display().to_string()]).ok();

    shop.write("migrations/0002_changes_nothing.up.sql", "SELECT 1;\n");
    let same = home.run_all(&shop.quick("0002", &["--scale", "0.2", "--format", "json"])).json();
    let verdict = same["comparison"]["verdict"].as_str().unwrap();
    assert!(["same", "inconclusive"].contains(&verdict), "{verdict}");
}
