//! `weighbridge migrate check` on a real server: every hazard and faulty down is named, no safe migration is blamed,
//! and nothing is left behind.

use std::path::{Path, PathBuf};

use crate::formats::{problems, validator};
use crate::support::{Home, Ran, sharing};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hazards")
}

/// A project of the base schema and one migration, as dbmate has it.
fn check(home: &Home, file: &Path, more: &[&str]) -> Ran {
    let folder = home.path().join("work/migrations");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(data().join("base.sql"), folder.join("1_base.sql")).unwrap();
    std::fs::copy(file, folder.join("2_change.sql")).unwrap();
    let app = data().join("app.toml").display().to_string();
    let own = ["migrate", "check", "--rows", "200", "--scenario", &app, "--format", "json"];
    home.run(&[&own[..], more].concat())
}

fn files(kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(data().join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Ids of the findings of these severities.
fn ids(json: &serde_json::Value, severities: &[&str]) -> Vec<String> {
    let findings = json["findings"].as_array().expect("findings").iter();
    let own = findings.filter(|finding| severities.contains(&finding["severity"].as_str().unwrap()));
    own.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_hazard_is_named() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let files = files("hazard");
    assert!(files.len() >= 33, "{}", files.len());
    let mut missed = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("-- expect: ")).expect(&name).to_owned();
        let ran = check(&home, &file, &[]);
        let json = ran.json();
        let (failures, all) = (ids(&json, &["failure"]), ids(&json, &["failure", "warning"]));
        let named = expected.split(' ').all(|id| all.iter().any(|found| found == id));
        // What only the new schema holds is a warning.
        let code = i32::from(!failures.is_empty());
        if !named || ran.code != Some(code) {
            missed.push(format!("{name}: expected {expected}, found {all:?}, exit {:?}", ran.code));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
    assert_eq!(home.query("SELECT rolname::text FROM pg_roles WHERE rolname = 'hazard_role'"), Vec::<String>::new());
}

#[test]
fn no_safe_migration_is_blamed() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let files = files("safe");
    assert!(files.len() >= 17, "{}", files.len());
    let mut blamed = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let ran = check(&home, &file, &[]);
        let json = ran.json();
        let mut found = ids(&json, &["failure", "warning"]);
        found.retain(|id| id != "data-lost-on-revert");
        if !found.is_empty() || ran.code != Some(0) {
            blamed.push(format!("{name}: {found:?}, exit {:?}: {}", ran.code, json["findings"]));
        }
        if name == "index-on-new-table" {
            let built = json["findings"].as_array().unwrap().iter().find(|f| f["id"] == "index-built-under-lock");
            assert_eq!(built.expect("it is named")["status"], "harmless-here");
        }
    }
    assert!(blamed.is_empty(), "{}", blamed.join("\n"));
}

#[test]
fn a_gate_makes_the_loss_of_new_rows_fail_and_a_file_stands_in_for_a_down() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let work = home.path().join("work");
    let losing = data().join("hazard/down-loses-new-column.sql");
    check(&home, &losing, &[]).exits(0);
    std::fs::write(work.join("weighbridge.toml"), "[gates]\n\"data-lost-on-revert\" = \"fail\"\n").unwrap();
    check(&home, &losing, &[]).exits(1);
    std::fs::remove_file(work.join("weighbridge.toml")).unwrap();

    // Without a folder: a schema and a change, with and without what reverts it.
    std::fs::write(work.join("structure.sql"), "\\restrict k\nCREATE TABLE t (id bigint PRIMARY KEY, a int);\n")
        .unwrap();
    let change = ["migrate", "check", "--schema", "structure.sql", "--change", "ALTER TABLE t ADD COLUMN b int"];
    let text = home.run(&change).exits(0).stdout;
    assert!(text.contains("down-absent") && text.contains("remove column public.t.b"), "{text}");
    let reverted = [&change[..], &["--revert", "ALTER TABLE t DROP COLUMN b"]].concat();
    let text = home.run(&reverted).exits(0).stdout;
    assert!(text.contains("PASSED") && text.contains("data-lost-on-revert") && !text.contains("down-absent"), "{text}");
    std::fs::write(work.join("down.sql"), "ALTER TABLE t DROP COLUMN nonsense;\n").unwrap();
    let text = home.run(&[&change[..], &["--down", "down.sql", "--format", "markdown"]].concat()).exits(1).stdout;
    assert!(text.contains("down-fails") && text.contains("nonsense"), "{text}");
}

#[test]
fn programs_of_others_get_the_lines_of_the_file() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let work = home.path().join("work");
    let folder = work.join("migrations");
    std::fs::create_dir_all(&folder).unwrap();
    let base = "-- migrate:up\nCREATE TABLE t (id bigint PRIMARY KEY, a int);\n-- migrate:down\nDROP TABLE t;\n";
    std::fs::write(folder.join("1_a.sql"), base).unwrap();
    let change = "-- migrate:up\n\nCREATE INDEX t_a ON t (a);\n-- migrate:down\nDROP INDEX t_a;\n";
    std::fs::write(folder.join("2_b c.sql"), change).unwrap();
    let run = |format: &str| home.run(&["migrate", "check", "--rows", "50", "--format", format]).exits(1);

    let sarif = run("sarif").json();
    let schema = validator("tests/data/formats/sarif-2.1.0.schema.json");
    assert_eq!(problems(&schema, &sarif), Vec::<String>::new());
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let index = results.iter().find(|of| of["ruleId"] == "index-built-under-lock").expect("the index is named");
    assert_eq!(index["level"], "error");
    let place = &index["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "migrations/2_b%20c.sql");
    assert_eq!(place["region"]["startLine"], 3);

    let text = run("junit").stdout;
    let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let root = document.root_element();
    let suites: Vec<&str> = root.children().filter_map(|node| node.attribute("name")).collect();
    assert_eq!(suites, ["migrations", "findings"], "{text}");
    let failing = document.descendants().filter(|node| node.has_tag_name("failure"));
    let names: Vec<&str> = failing.filter_map(|node| node.parent()?.attribute("name")).collect();
    assert_eq!(names, ["index-built-under-lock 2_b c t"], "{text}");
    let all = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count().to_string();
    assert_eq!(root.attribute("tests"), Some(&*all("testcase")), "{text}");

    let annotations = run("github").stdout;
    let first = annotations.lines().next().unwrap_or_default();
    assert!(first.starts_with("::error file=migrations/2_b c.sql,line=3,title=weighbridge"), "{annotations}");

    // SQL of a flag is in no file.
    let change = ["migrate", "check", "--rows", "50", "--format", "sarif", "--change", "CREATE INDEX t_b ON t (a)"];
    let sarif = home.run(&change).exits(1).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(!results.is_empty() && results.iter().all(|of| of["locations"][0].get("physicalLocation").is_none()));
}

#[test]
fn a_range_is_checked_step_by_step_and_as_one_and_a_branch_names_what_it_adds() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let work = home.path().join("work");
    let write = |name: &str, text: &str| {
        let path = work.join("migrations").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let git = |arguments: &[&str]| {
        let own = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let output = std::process::Command::new("git").args(own).args(arguments).current_dir(&work).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    write("1_a.sql", "-- migrate:up\nCREATE TABLE t (id bigint PRIMARY KEY);\n-- migrate:down\nDROP TABLE t;\n");
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["checkout", "-q", "-b", "work"]);
    write("2_b.sql", "-- migrate:up\nALTER TABLE t ADD COLUMN a int;\n-- migrate:down\nALTER TABLE t DROP COLUMN a;\n");
    write("3_c.sql", "-- migrate:up\nALTER TABLE t ADD COLUMN b int;\n-- migrate:down\nALTER TABLE t DROP COLUMN b;\n");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "second"]);
    let checked =
        home.run(&["migrate", "check", "--git-diff", "main", "--rows", "50", "--format", "json"]).exits(0).json();
    assert_eq!(checked["label"], "2_b..3_c");
    assert_eq!(checked["steps"].as_array().unwrap().len(), 2);
    assert_eq!(checked["range"]["second_up"]["outcome"], "applied");
    assert_eq!(checked["rows"], 50);
    home.run(&["migrate", "check", "--git-diff", "nowhere"]).exits(2).says(&["cannot compare with `nowhere`"]);
    let none = home.run(&["migrate", "check", "--git-diff", "work", "--format", "json"]).exits(0);
    assert_eq!(none.stdout, "", "there is no document of nothing");
    none.says(&["the branch adds no migration to migrations since work"]);
    // From nothing: the first migration makes the database.
    let whole = home.run(&["migrate", "check", "1..3"]).exits(0).stdout;
    assert!(whole.contains("3 steps") && whole.contains("all steps"), "{whole}");
    assert_eq!(home.databases("weighbridge_clone_"), Vec::<String>::new());
}
