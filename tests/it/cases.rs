//! Migrations that counts alone have judged wrongly, each a project of `tests/data/cases`. Nothing here drives a load.

use serde_json::{Value, json};

use crate::support::{Case, Home, sharing};

/// A proof by counts alone, at a size that is loaded in a moment.
fn weighed(home: &Home, name: &str, code: i32) -> Value {
    weighed_as(home, &Case::new(home, name), code)
}

fn weighed_as(home: &Home, case: &Case, code: i32) -> Value {
    let (config, results) = (case.path("weighbridge.toml"), case.path("results"));
    let project = ["prove", "0002", "--config", &config, "--results", &results, "--format", "json"];
    home.run(&[&project[..], &["--counts-only", "--sets", "8", "--scale", "0.1"]].concat()).exits(code).json()
}

fn counts<'j>(trial: &'j Value, action: &str) -> &'j Value {
    let actions = trial["comparison"]["actions"].as_array().expect("a list of actions");
    let found = actions.iter().find(|found| found["name"] == action);
    &found.unwrap_or_else(|| panic!("{action} is in {actions:?}"))["counts"]
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is a number"))
}

#[test]
fn the_plan_a_server_would_keep_is_weighed() {
    let _machine = sharing();
    let home = Home::new();
    let case = Case::new(&home, "generic-plan-flip");
    let trial = weighed_as(&home, &case, 1);
    let top = counts(&trial, "top_of_f");
    assert_eq!(top["verdict"], "regressed");
    let generic = &top["generic"];
    // The few rows of f = 6 come last by score: their own plan reads them, the generic one walks the whole index.
    let farthest = &generic["farthest"];
    assert!(number(&farthest["blocks_own"]) < 100.0 && number(&farthest["blocks_generic"]) > 40_000.0, "{farthest}");
    assert!(farthest["plan_generic"].as_str().is_some_and(|plan| plan.contains("d_score_idx")), "{farthest}");
    // What the server would choose is what weighs.
    assert_eq!((number(&generic["after"]["share"]), &top["after"]["blocks"]), (1.0, &generic["after"]["generic"]));
    let [result] = case.results().try_into().expect("one result");
    let text = home.run(&["report", &result.display().to_string()]).ok().stdout;
    assert!(text.contains("blocks by the generic plan (after five executions)"), "{text}");
}

#[test]
fn what_a_write_costs_holds_no_page_images_and_no_transient() {
    let _machine = sharing();
    let home = Home::new();
    // A partial index costs what its own records cost; whole pages after a checkpoint are counted on no side.
    let trial = weighed(&home, "full-page-images-in-counted-wal", 0);
    let read = counts(&trial, "mark_read");
    let (before, after) = (number(&read["before"]["wal_bytes"]), number(&read["after"]["wal_bytes"]));
    assert!(before > 50.0 && before < 600.0 && after >= before && after < before + 150.0, "{before} → {after}");

    let trial = weighed(&home, "price-of-an-index-on-an-updated-column", 0);
    let spend = counts(&trial, "spend");
    let (before, after) = (number(&spend["before"]["wal_bytes"]), number(&spend["after"]["wal_bytes"]));
    assert!(after > before && after < before + 200.0, "{before} → {after}");
    let balance = &trial["comparison"]["balance"];
    assert_eq!(balance["new_unused"], json!(["public.wallets_tokens_idx"]));
    let lost = &balance["hot_changes"][0];
    assert_eq!((&lost["table"], &lost["action"]), (&"wallets".into(), &"spend".into()), "{balance}");
    assert_eq!(lost["holders"], json!({ "public.wallets_tokens_idx": ["tokens"] }));
    assert_eq!((&lost["before"], &lost["after"]), (&json!([4, 4]), &json!([4, 0])));
    assert!(number(&lost["cost_after"]["wal_bytes"]) > number(&lost["cost_before"]["wal_bytes"]), "{lost}");

    // The first rows of a freshly written table cost more than every other; the rewrite itself is named.
    let trial = weighed(&home, "rewrite-is-no-lasting-cost", 0);
    assert_eq!(trial["comparison"]["verdict"], "same");
    assert_eq!(counts(&trial, "record_payment")["verdict"], "same");
    let migration = &trial["evidence"]["migration"];
    assert_eq!(migration["rewritten"], json!(["public.payments"]));
    assert_eq!(migration["locks"][0]["mode"], "AccessExclusiveLock");
}

#[test]
fn a_function_that_runs_on_one_side_alone_leaves_counts_open() {
    let _machine = sharing();
    let home = Home::new();
    let case = Case::new(&home, "check-with-a-function");
    let up = case.path("migrations/0002_x.up.sql");
    let made = std::fs::read_to_string(&up).expect("the migration");
    let (function, check) = made.split_once("ALTER TABLE").expect("a function and a CHECK");
    let trigger = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER noted BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION note();";
    let slow = [
        (format!("{function}ALTER TABLE{check}"), "slow_ok", "CHECK", "amount_ok"),
        (format!("{function}CREATE INDEX ok_idx ON payments (slow_ok(amount));"), "slow_ok", "index", "ok_idx"),
        (trigger.to_owned(), "note", "trigger", "noted"),
    ];
    for (sql, function, kind, name) in slow {
        std::fs::write(&up, sql).expect("a migration");
        let trial = weighed_as(&home, &case, 3);
        assert_eq!(trial["comparison"]["verdict"], "inconclusive", "{kind}");
        let found = &counts(&trial, "record_payment")["functions"][0];
        assert!(found["function"].as_str().is_some_and(|of| of.starts_with(&format!("public.{function}("))), "{found}");
        assert_eq!((&found["places"][0]["kind"], &found["places"][0]["name"]), (&kind.into(), &name.into()));
        assert_eq!(counts(&trial, "payments_of_user")["functions"], json!([]), "a SELECT runs none of it");
    }
    // What the server itself brings is no reason.
    std::fs::write(&up, "CREATE INDEX lower_idx ON payments (lower(provider_ref));").expect("a migration");
    let trial = weighed_as(&home, &case, 0);
    assert_eq!(counts(&trial, "record_payment")["functions"], json!([]));
}
