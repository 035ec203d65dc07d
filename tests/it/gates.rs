//! Gates of a project on a proof: by the figures of `after` under load, and what is said where there is no load.

use crate::support::{Home, Shop, sharing};

#[test]
fn gates_of_a_proof_are_judged_by_after_under_load_and_open_without_it() {
    let _machine = sharing();
    let home = Home::new();
    let shop = Shop::new(&home);
    shop.only(&["payments_of_user", "courses_of_user"]);
    shop.write("migrations/0004_note.up.sql", "COMMENT ON TABLE payments IS 'a note';\n");
    shop.write("migrations/0004_note.down.sql", "COMMENT ON TABLE payments IS NULL;\n");
    shop.write("weighbridge.toml", "[gates]\n'payments_of_user.p50' = '< 1us'\nerrors = '< 50%'\n'misses' = '< 1%'\n");
    let config = shop.folder.join("weighbridge.toml").display().to_string();
    let short = ["--scale", "0.2", "--chunks", "1", "--config", &config];

    // What fails is 1, beside a verdict that is open.
    let ran = home.prove(&shop, "0004", &[&short[..], &["--format", "json"]].concat()).exits(1).json();
    assert_eq!(ran["comparison"]["verdict"], "inconclusive");
    let gates = ran["comparison"]["gates"].as_array().unwrap();
    assert_eq!(gates.len(), 2, "a proof has no replica: {gates:?}");
    assert_eq!((&gates[0]["gate"], &gates[0]["holds"]), (&"payments_of_user.p50 < 1us".into(), &false.into()));
    assert_eq!((&gates[1]["gate"], &gates[1]["holds"]), (&"errors < 50%".into(), &true.into()));
    let [result] = &shop.results()[..] else { panic!("one result") };
    let result = result.display().to_string();
    let text = home.run(&["report", &result]).ok().stdout;
    let places = ["gate fails: payments_of_user.p50 < 1us", "FAILS", "holds", "COMMENT ON TABLE"];
    let places = places.map(|part| text.find(part).unwrap_or_else(|| panic!("`{part}` is missing: {text}")));
    assert!(places.is_sorted(), "gates come first: {text}");
    home.run(&["verify", &result]).ok();
    let script = std::fs::read_to_string(format!("{result}/inputs/repeat.sh")).unwrap();
    assert!(script.contains("--gate 'payments_of_user.p50 < 1us' --gate 'errors < 50%'"), "{script}");

    // Without load nothing is said of figures, and the exit code is another.
    let without_load = home.counted(&shop, "0004", &["--config", &config]).exits(3);
    assert!(without_load.stdout.contains("needs load, and none was driven  not evaluated"), "{}", without_load.stdout);
    assert!(!without_load.stdout.contains("FAILS"), "{}", without_load.stdout);
    home.counted(&shop, "0004", &[]).exits(0);
    // A finding needs no load.
    home.counted(&shop, "0002", &["--gate", "unindexed-foreign-key"]).exits(1).says(&[]);
}

#[test]
fn a_gate_on_an_action_that_is_not_there_is_an_error_with_its_place() {
    let _machine = sharing();
    let home = Home::empty();
    let shop = Shop::new(&home);
    shop.write("weighbridge.toml", "[gates]\nerrors = '< 1%'\n'payments_of_usr.p95' = '< 20ms'\n");
    let config = shop.folder.join("weighbridge.toml").display().to_string();
    let phrases = ["weighbridge.toml:3:1", "is about `payments_of_usr`", "did you mean `payments_of_user`?"];
    home.prove(&shop, "0002", &["--config", &config]).exits(2).says(&phrases);
    let scenario = shop.folder.join("scenario.toml").display().to_string();
    home.run(&["run", &scenario, "--config", &config]).exits(2).says(&phrases);
    shop.write("weighbridge.toml", "[gates]\nhot-updates-lots = 'fail'\n'payments_of_user.p59' = '< 1s'\n");
    home.prove(&shop, "0002", &["--config", &config]).exits(2).says(&[
        "weighbridge.toml:2:1",
        "did you mean `hot-updates-lost`?",
        "weighbridge.toml:3:1",
        "`p59` is no metric",
    ]);
    home.prove(&shop, "0002", &["--gate", "late < 1%"]).exits(2).says(&["a figure that a proof does not measure"]);
}
