//! A run that may not write, against what tries to: every row counts. Must hold no timing claim.

use crate::bank::{bank, file, one};
use crate::bouncer::Bouncer;
use crate::support::{Home, execute, sharing};

/// Turns everything off that keeps a session from writing, and writes when it can.
pub const SNEAKY: &str = "
CREATE TABLE written (n int);
CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  PERFORM set_config('default_transaction_read_only', 'off', false);
  SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
  BEGIN SET transaction_read_only = off; EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN INSERT INTO written VALUES (1); EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN 1;
END $$;";

fn scenario(step: &str) -> String {
    format!("name = 's'\n[load]\nclients = 4\n[[action]]\nname = 'ask'\n{step}\n")
}

#[test]
fn nothing_is_written_by_a_function_that_turns_read_only_off() {
    let _machine = sharing();
    let home = Home::new();
    let bank = bank(&home);
    execute(&bank, SNEAKY);
    let server = home.run(&["server", "url"]).ok().stdout;
    let url = server.trim().replace("/postgres?", "/bank?");
    let run = |text: &str, url: &str, more: &[&str]| {
        let path = file(&home, "scenario.toml", &scenario(text));
        home.run(&[&["run", &path, "--url", url, "--warm-up", "0s", "-n", "400", "--format", "json"], more].concat())
    };
    let plain = "sql = 'SELECT sneaky()'";
    let twice =
        "transaction = true\n[[action.step]]\nsql = 'SELECT sneaky()'\n[[action.step]]\nsql = 'SELECT sneaky() + 1'";
    let named = "sql = \"SELECT set_config('default_transaction_read_only', 'off', false), sneaky()\"";
    run(named, &url, &[]).exits(2).says(&["this statement may write", "--allow-writes"]);
    assert_eq!(one(&bank, "SELECT count(*) FROM written"), 0);
    for text in [plain, twice] {
        for protocol in ["prepared", "extended", "simple"] {
            let ran = run(text, &url, &["-M", protocol]).exits(2);
            ran.says(&["`ask` turns default_transaction_read_only off", "--allow-writes"]);
            assert_eq!(one(&bank, "SELECT count(*) FROM written"), 0, "{text} {protocol}");
        }
    }
    // What belongs to the application is set as it likes.
    let own = "transaction = true\n[[action.step]]\nsql = \"SELECT set_config('app.uid', '7', true)\"\n\
               [[action.step]]\nsql = \"SELECT 1 / (current_setting('app.uid') = '7')::int\"";
    let found = run(own, &url, &[]).measured().json();
    assert_eq!(found["evidence"]["failures"], serde_json::json!({}));

    // A pooler gives a session that one client has opened to the next: there each transaction is told.
    execute(&bank, "ALTER DATABASE bank SET default_transaction_read_only = on");
    let bouncer = Bouncer::start(&home, "transaction");
    for text in [plain, twice] {
        for protocol in ["extended", "simple"] {
            let ran = run(text, &bouncer.url(), &["-M", protocol]);
            assert!(matches!(ran.code, Some(0 | 2 | 3)), "{}", ran.stderr);
            assert_eq!(one(&bank, "SELECT count(*) FROM written"), 0, "{text} {protocol} behind a pooler");
        }
    }
    // Where it may, the function writes.
    execute(&bank, "BEGIN READ WRITE; SELECT sneaky(); COMMIT");
    assert_eq!(one(&bank, "SELECT count(*) FROM written"), 1);
}
