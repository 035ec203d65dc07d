//! The repository's own continuous integration: workflows parse, name what exists, and pin what they use.

use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn make_targets() -> Vec<String> {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("a Makefile");
    let rules = makefile.lines().filter(|line| !line.starts_with(['\t', '#', '.', ' ']));
    rules.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

fn text<'y>(node: &'y Yaml<'_>, key: &str) -> Option<&'y str> {
    node.as_mapping_get(key).and_then(Yaml::as_str)
}

/// What is wrong with one workflow; nothing where it may run.
fn mistakes(source: &str, targets: &[String]) -> Vec<String> {
    let documents = match Yaml::load_from_str(source) {
        Ok(documents) => documents,
        Err(error) => return vec![error.to_string()],
    };
    let [workflow] = documents.as_slice() else { return vec!["one document is expected".to_owned()] };
    let mut found = Vec::new();
    for key in ["name", "on", "permissions", "jobs"] {
        if workflow.as_mapping_get(key).is_none() {
            found.push(format!("`{key}` is missing"));
        }
    }
    let jobs = workflow.as_mapping_get("jobs").and_then(Yaml::as_mapping);
    for (name, job) in jobs.into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        for key in ["runs-on", "timeout-minutes"] {
            if job.as_mapping_get(key).is_none() {
                found.push(format!("job `{name}` has no `{key}`"));
            }
        }
        if let Some(needed) = text(job, "needs")
            && jobs.is_some_and(|jobs| !jobs.keys().any(|job| job.as_str() == Some(needed)))
        {
            found.push(format!("job `{name}` needs `{needed}`, which is none"));
        }
        let steps = job.as_mapping_get("steps").and_then(Yaml::as_sequence);
        if steps.is_none_or(Vec::is_empty) {
            found.push(format!("job `{name}` has no steps"));
        }
        for step in steps.into_iter().flatten() {
            match (text(step, "uses"), text(step, "run")) {
                (Some(action), None) if action.contains('@') => {}
                (None, Some(run)) => {
                    let made = run.split_whitespace().collect::<Vec<_>>();
                    if let ["make", target] = made[..]
                        && !targets.iter().any(|known| known == target)
                    {
                        found.push(format!("job `{name}` makes `{target}`, which the Makefile does not know"));
                    }
                }
                _ => found.push(format!("job `{name}` has a step with neither a pinned `uses` nor a `run`")),
            }
        }
    }
    found
}

#[test]
fn workflows_name_what_exists() {
    let targets = make_targets();
    let entries = std::fs::read_dir(root().join(".github/workflows")).expect("workflows");
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a workflow");
        assert_eq!(mistakes(&source, &targets), Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn a_mistake_in_a_workflow_is_found() {
    let check = |job: &str, expected: &str| {
        let source = format!("name: x\non: push\npermissions: {{}}\njobs:\n  a:\n{job}");
        let found = mistakes(&source, &["demo".to_owned()]);
        assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected}: {found:?}");
    };
    check("    runs-on: x\n    steps: [{run: ls}]", "no `timeout-minutes`");
    check("    runs-on: x\n    timeout-minutes: 1\n    steps: []", "no steps");
    check("    runs-on: x\n    timeout-minutes: 1\n    needs: b\n    steps: [{run: ls}]", "needs `b`");
    check("    runs-on: x\n    timeout-minutes: 1\n    steps: [{uses: actions/checkout}]", "pinned");
    check("    runs-on: x\n    timeout-minutes: 1\n    steps: [{run: make love}]", "makes `love`");
    check("    runs-on: x\n  bad indent", "expected");
}
