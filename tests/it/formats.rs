//! Formats for programs of others, over saved results: each is what its readers take. Needs no server.

use serde_json::Value;

use crate::support::Home;

const PROOFS: [&str; 4] = ["format-7/platform", "format-7/regressed", "format-7/counts", "format-3"];
const RUNS: [&str; 4] = ["run-2", "run-3", "run-4/gates", "run-4/search"];

fn saved(result: &str) -> String {
    format!("{}/tests/data/results/{result}", env!("CARGO_MANIFEST_DIR"))
}

fn report(home: &Home, result: &str, format: &str) -> String {
    home.run(&["report", &saved(result), "--format", format]).ok().stdout
}

pub fn validator(path: &str) -> jsonschema::Validator {
    let schema = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    // The pattern of a language in the published schema has a bracket that closes nothing.
    let schema = schema.replace("{2}]?$", "{2}$");
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

pub fn problems(validator: &jsonschema::Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| error.to_string()).collect()
}

#[test]
fn sarif_and_the_list_of_benchmarks_hold_to_their_schemas() {
    let home = Home::empty();
    let sarif = validator("tests/data/formats/sarif-2.1.0.schema.json");
    let list = validator("docs/formats/benchmark-action.schema.json");
    for result in PROOFS.into_iter().chain(RUNS) {
        let document: Value = serde_json::from_str(&report(&home, result, "sarif")).unwrap();
        assert_eq!(problems(&sarif, &document), Vec::<String>::new(), "{result}");
        let run = &document["runs"][0];
        let rules: Vec<&Value> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
        for found in run["results"].as_array().unwrap() {
            assert!(rules.contains(&&found["ruleId"]), "{result}: {found}");
        }
        let document: Value = serde_json::from_str(&report(&home, result, "benchmark-action")).unwrap();
        assert_eq!(problems(&list, &document), Vec::<String>::new(), "{result}");
        assert!(!document.as_array().unwrap().is_empty(), "{result}");
    }
    let regressed: Value = serde_json::from_str(&report(&home, "format-7/regressed", "sarif")).unwrap();
    let results = regressed["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|of| of["ruleId"] == "action-regressed" && of["level"] == "error"), "{results:#?}");
    // What the project accepts is suppressed, with its reason.
    let accepted: Value = serde_json::from_str(&report(&home, "run-4/gates", "sarif")).unwrap();
    let results = accepted["runs"][0]["results"].as_array().unwrap();
    let slow = results.iter().find(|of| of["ruleId"] == "answers-slow").unwrap();
    assert_eq!(slow["suppressions"][0]["justification"], "the limit is low on purpose");
}

#[test]
fn junit_counts_what_it_holds() {
    let home = Home::empty();
    for result in PROOFS.into_iter().chain(RUNS) {
        let text = report(&home, result, "junit");
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{result}: {e}\n{text}"));
        let root = document.root_element();
        let all = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count().to_string();
        for (attribute, tag) in [("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")] {
            assert_eq!(root.attribute(attribute), Some(&*all(tag)), "{result}: {attribute}");
        }
        let suites: Vec<&str> = root.children().filter_map(|node| node.attribute("name")).collect();
        assert_eq!(suites, ["gates", "actions", "findings"], "{result}");
    }
    let gates = report(&home, "run-4/gates", "junit");
    let document = roxmltree::Document::parse(&gates).unwrap();
    let failing = document.descendants().filter(|node| node.has_tag_name("failure"));
    let names: Vec<&str> = failing.filter_map(|node| node.parent()?.attribute("name")).collect();
    assert_eq!(names, ["errors < 1%", "answers-late"], "{gates}");
}

#[test]
fn annotations_are_one_command_a_line_and_openmetrics_has_each_sample_once() {
    let home = Home::empty();
    for result in PROOFS.into_iter().chain(RUNS) {
        for line in report(&home, result, "github").lines() {
            let (command, text) = line.strip_prefix("::").unwrap().split_once("::").expect(line);
            let (kind, title) = command.split_once(" title=").expect(line);
            assert!(["error", "warning", "notice"].contains(&kind) && !title.contains([':', ',']), "{line}");
            assert!(!text.is_empty(), "{line}");
        }
        let text = report(&home, result, "openmetrics");
        assert!(text.ends_with("# EOF\n"), "{result}");
        let mut known = std::collections::BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').expect(line);
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(known.insert(sample.to_owned()), "{result}: {sample} is there twice");
            let name = sample.split('{').next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{line}");
        }
    }
    let failing = report(&home, "run-4/gates", "github");
    assert!(failing.starts_with("::error "), "what fails comes first: {failing}");
    assert!(failing.contains("11.624 %25"), "a percent sign is escaped: {failing}");
}

#[test]
fn the_summary_of_a_job_is_appended_to_where_markdown_or_annotations_are_asked_for() {
    let home = Home::empty();
    let summary = home.path().join("summary.md");
    let run = |format: &str| {
        let saved = saved("run-4/gates");
        let mut command = home.command(&["report", &saved, "--format", format]);
        command.env("GITHUB_STEP_SUMMARY", &summary);
        assert!(command.output().unwrap().status.success(), "{format}");
        std::fs::read_to_string(&summary).unwrap_or_default()
    };
    assert_eq!(run("json"), "", "nobody asked for it");
    let once = run("markdown");
    assert!(once.starts_with("<!-- weighbridge -->\n## `shop`: failed"), "{once}");
    assert_eq!(run("github"), once.repeat(2), "it is added to what is there");
}
