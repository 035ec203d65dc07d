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

/// What is wrong with the action: inputs that are not declared, steps that a composite action cannot run, scripts that
/// are not there.
fn mistakes_of_action(source: &str) -> Vec<String> {
    let documents = match Yaml::load_from_str(source) {
        Ok(documents) => documents,
        Err(error) => return vec![error.to_string()],
    };
    let [action] = documents.as_slice() else { return vec!["one document is expected".to_owned()] };
    let mut found = Vec::new();
    let declared: Vec<&str> = action
        .as_mapping_get("inputs")
        .and_then(Yaml::as_mapping)
        .map(|inputs| inputs.keys().filter_map(Yaml::as_str).collect())
        .unwrap_or_default();
    for used in source.split("inputs.").skip(1) {
        let name: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if !declared.contains(&name.as_str()) {
            found.push(format!("the input `{name}` is not declared"));
        }
    }
    let Some(runs) = action.as_mapping_get("runs").filter(|runs| text(runs, "using") == Some("composite")) else {
        return vec!["the action is no composite one".to_owned()];
    };
    let steps = runs.as_mapping_get("steps").and_then(Yaml::as_sequence);
    for step in steps.into_iter().flatten() {
        let name = text(step, "name").unwrap_or_default();
        match (text(step, "uses"), text(step, "run")) {
            (Some(uses), None) if uses.contains('@') => {}
            (None, Some(run)) if text(step, "shell").is_some() => found.extend(missing_scripts(run)),
            _ => found.push(format!("the step `{name}` has neither a pinned `uses` nor a `run` with its `shell`")),
        }
    }
    if steps.is_none_or(Vec::is_empty) {
        found.push("the action has no steps".to_owned());
    }
    found
}

/// Scripts that a line starts and that are not there, or are no programs.
fn missing_scripts(line: &str) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for script in line.split("/scripts/").skip(1) {
        let name: String = script.chars().take_while(|c| c.is_ascii_alphanumeric() || "-/".contains(*c)).collect();
        let file = std::fs::metadata(root().join("scripts").join(&name));
        if !file.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0) {
            found.push(format!("scripts/{name} is no program"));
        }
    }
    found
}

/// Scripts of the template's jobs, line by line.
fn lines_of_template(source: &str) -> Result<Vec<String>, String> {
    let documents = Yaml::load_from_str(source).map_err(|error| error.to_string())?;
    let jobs = documents.first().and_then(Yaml::as_mapping).ok_or("a mapping is expected")?;
    let mut lines = Vec::new();
    for (name, job) in jobs {
        let name = name.as_str().unwrap_or_default();
        for key in ["script", "rules", "timeout", "artifacts"] {
            job.as_mapping_get(key).ok_or(format!("job `{name}` has no `{key}`"))?;
        }
        for key in ["before_script", "script"] {
            let sequence = job.as_mapping_get(key).and_then(Yaml::as_sequence).ok_or(format!("`{key}` is no list"))?;
            for line in sequence {
                lines.push(line.as_str().ok_or(format!("a line of `{key}` is no text"))?.to_owned());
            }
        }
    }
    Ok(lines)
}

#[test]
fn the_action_and_the_template_start_scripts_that_exist() {
    let source = std::fs::read_to_string(root().join("action.yml")).expect("the action");
    assert_eq!(mistakes_of_action(&source), Vec::<String>::new());
    for step in ["program-key", "install", "history", "cache-key", "measure", "comment", "verdict"] {
        assert!(source.contains(&format!("/scripts/action/{step}\"")), "{step} is a step");
    }
    let broken = source.replace("      shell: sh\n", "").replace("inputs.measure", "inputs.mode");
    let found = mistakes_of_action(&broken.replace("action/verdict", "action/nothing"));
    assert!(found.contains(&"the input `mode` is not declared".to_owned()), "{found:?}");
    assert!(found.iter().any(|mistake| mistake.contains("nor a `run` with its `shell`")), "{found:?}");
    assert_eq!(missing_scripts("/x/scripts/action/nothing"), ["scripts/action/nothing is no program"]);

    let source = std::fs::read_to_string(root().join("ci/weighbridge.gitlab-ci.yml")).expect("the template");
    let lines = lines_of_template(&source).expect("a template");
    let missing: Vec<String> = lines.iter().flat_map(|line| missing_scripts(line)).collect();
    assert_eq!(missing, Vec::<String>::new());
    assert!(lines.iter().any(|line| line.ends_with("/scripts/action/measure")), "{lines:?}");
    let broken = source.replace("    - cd \"$PROJECT\"", "    - key: value");
    assert!(lines_of_template(&broken).unwrap_err().contains("no text"));
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
