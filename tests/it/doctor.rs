//! `weighbridge doctor` on the embedded server: what it must find there, whatever the machine.

use serde_json::Value;

use crate::support::{Home, query, sharing};

fn finding<'j>(document: &'j Value, name: &str) -> &'j Value {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("{name} is in {findings:?}"))
}

#[test]
fn the_doctor_sees_what_spoils_a_measurement_and_what_a_role_may_not() {
    let _machine = sharing();
    let home = Home::empty();
    home.run(&["server", "start"]).ok();
    let target = home.target();
    query(&target, "SELECT ''::text");
    let document = home.run(&["doctor", "--pilot", "0s", "--format", "json"]);
    let document = document.json();
    for name in ["clock", "timer", "network floor", "commit", "rights", "disk", "processors", "noise of p95"] {
        assert!(!finding(&document, name)["found"].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(finding(&document, "rights")["found"], "superuser");
    assert_eq!(finding(&document, "pg_stat_statements")["found"], "there");

    // A role without rights is unfit for a proof, and a setting that fills the log is named.
    let url = home.run(&["server", "url"]).ok().stdout.trim().to_owned();
    let sql = ["CREATE ROLE reader LOGIN", "ALTER ROLE reader SET log_min_duration_statement = 0"];
    for statement in sql {
        query(&target, statement);
    }
    let as_reader = url.replace("weighbridge@", "reader@");
    let text = home.run(&["doctor", "--pilot", "0s", "--url", &as_reader]).exits(3).stdout;
    for found in ["unfit · rights: ALTER ROLE … CREATEDB", "log_min_duration_statement = 0"] {
        assert!(text.contains(found), "{text}");
    }
}
