//! The steps of the GitHub action, as its runner starts them: a real repository with a bare remote, the program, and a
//! stub in place of the API of comments.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::comments::{ACCOUNT, Comments};
use crate::support::{Home, Ran, Shop, measuring, sharing};

const TOKEN: &str = "ghs_0123456789secret";
const MARKER: &str = "<!-- weighbridge action: / -->";

/// A clone of a repository, as a runner has it.
struct Runner {
    home: Home,
    clone: PathBuf,
}

impl Runner {
    /// Main has the shop without its index; the branch `feature` adds these files. The clone has one commit.
    fn new(files: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let shop = Shop::new(&home);
        shop.only(&["payments_of_user"]);
        shop.change("migrations/0001_shop.up.sql", "CREATE INDEX payments_user_id_idx ON payments (user_id);\n", "");
        let comment = "COMMENT ON INDEX payments_user_id_idx IS 'look-ups by user';\n";
        shop.change("migrations/0001_shop.up.sql", comment, "");
        for entry in std::fs::read_dir(shop.folder.join("migrations")).unwrap().flatten() {
            if !entry.file_name().to_string_lossy().starts_with("0001") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        let project = "[dataset]\nspec = \"dataset.toml\"\nscale = 0.2\n[migrations]\nlayout = \"sqlx\"\n\
                       [proof]\nscenarios = [\"scenario.toml\"]\n";
        shop.write("weighbridge.toml", project);
        let remote = home.path().join("remote.git");
        let url = format!("file://{}", remote.display());
        git(home.path(), &["init", "-q", "--bare", "-b", "main", "remote.git"]);
        git(&shop.folder, &["init", "-q", "-b", "main"]);
        git(&shop.folder, &["add", "."]);
        git(&shop.folder, &["commit", "-q", "-m", "the shop"]);
        git(&shop.folder, &["checkout", "-q", "-b", "feature"]);
        for (name, text) in files {
            shop.write(name, text);
        }
        git(&shop.folder, &["add", "."]);
        git(&shop.folder, &["commit", "-q", "-m", "a change"]);
        git(&shop.folder, &["push", "-q", &url, "main", "feature"]);
        git(home.path(), &["clone", "-q", "--depth", "1", "--branch", "feature", &url, "clone"]);
        let event = json!({ "pull_request": { "number": 7 } }).to_string();
        std::fs::write(home.path().join("event.json"), event).unwrap();
        spy(&home.path().join("bin"), &home.path().join("argv"));
        Self { clone: home.path().join("clone"), home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// One script of the action, with the variables of a runner.
    fn step(&self, name: &str, more: &[(&str, &str)]) -> Ran {
        let own = Path::new(env!("CARGO_BIN_EXE_weighbridge")).parent().expect("a folder").display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(root().join("scripts/action").join(name));
        command.current_dir(&self.clone).stdin(std::process::Stdio::null());
        for (key, value) in self.home.command(&[]).get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "GITLAB_CI"] {
            command.env_remove(name);
        }
        command
            .env("PATH", format!("{}:{own}:{path}", self.path("bin").display()))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_REPOSITORY", "a/shop")
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_OUTPUT", self.path("outputs"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .env("GITHUB_SERVER_URL", "http://localhost")
            .env("GITHUB_RUN_ID", "12")
            .env("BASE", "origin/main")
            .env("OUT", self.path("out"))
            .envs(more.iter().copied());
        let ran = Ran::new(command.output().expect("the script starts"));
        assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "{name} prints the token: {ran:?}");
        ran
    }

    fn comment(&self, api: &Comments) -> Ran {
        self.step("comment", &[("GITHUB_TOKEN", TOKEN), ("GITHUB_API_URL", &api.url())]).ok()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn git(folder: &Path, arguments: &[&str]) {
    let own = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let output = Command::new("git").args(own).args(arguments).current_dir(folder).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A curl that writes its arguments down before it starts the real one.
fn spy(folder: &Path, log: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut real = std::env::split_paths(&path).map(|folder| folder.join("curl"));
    let real = real.find(|path| path.is_file()).expect("curl is installed");
    std::fs::create_dir_all(folder).unwrap();
    let script = format!("#!/bin/sh\necho \"$*\" >>{}\nexec {} \"$@\"\n", log.display(), real.display());
    std::fs::write(folder.join("curl"), script).unwrap();
    std::fs::set_permissions(folder.join("curl"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_good_index_and_an_unsafe_alter_are_one_comment_that_is_updated() {
    let _machine = measuring();
    let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY payments_user_id_idx ON payments (user_id);\n";
    let runner = Runner::new(&[
        ("migrations/0002_index.up.sql", index),
        ("migrations/0002_index.down.sql", "DROP INDEX payments_user_id_idx;\n"),
        ("migrations/0003_limit.up.sql", "ALTER TABLE payments\n    ADD CONSTRAINT low CHECK (amount < 1e9);\n"),
        ("migrations/0003_limit.down.sql", "ALTER TABLE payments DROP CONSTRAINT low;\n"),
    ]);
    runner.step("history", &[]).ok();
    // The dataset does not depend on what the branch adds.
    let key = runner.step("cache-key", &[]).ok().stdout;
    assert!(key.starts_with("key=weighbridge-"), "{key}");
    std::fs::write(runner.clone.join("migrations/0004_more.up.sql"), "SELECT 1;\n").unwrap();
    assert_eq!(runner.step("cache-key", &[]).ok().stdout, key);
    std::fs::remove_file(runner.clone.join("migrations/0004_more.up.sql")).unwrap();
    let spec = std::fs::read_to_string(runner.clone.join("dataset.toml")).unwrap();
    std::fs::write(runner.clone.join("dataset.toml"), spec.replace("60_000", "50_000")).unwrap();
    assert_ne!(runner.step("cache-key", &[]).ok().stdout, key);
    std::fs::write(runner.clone.join("dataset.toml"), spec).unwrap();

    let measured = runner.step("measure", &[]).ok();
    let annotation = "::error file=migrations/0003_limit.up.sql,line=1,title=weighbridge";
    assert!(measured.stdout.contains(annotation), "{}\n{}", measured.stdout, measured.stderr);
    let outputs = runner.read("outputs");
    assert!(outputs.contains("code=1\nadded=true\nreport="), "{outputs}");
    let report = outputs.lines().find_map(|line| line.strip_prefix("report=")).expect("a report");
    assert!(Path::new(report).is_file(), "{report}");
    runner.step("verdict", &[]).exits(1);

    // A hundred comments of others come first, one of which begins as ours does.
    let other = |id: usize| json!({ "id": id, "user": { "login": "somebody" }, "body": format!("{MARKER}\n{id}") });
    let api = Comments::start((1..=100).map(other).collect());
    assert!(runner.comment(&api).stdout.contains("comment posted"));
    assert!(runner.comment(&api).stdout.contains("comment updated"));
    let [comment] = api.own().try_into().expect("one comment of ours");
    assert_eq!(api.writes(), ["POST /repos/a/shop/issues/7/comments", "PATCH /repos/a/shop/issues/comments/101"]);
    assert!(api.requests().iter().all(|request| request.headers.contains(&format!("Bearer {TOKEN}"))));
    assert!(comment.starts_with(&format!("{MARKER}\n# Weighbridge: failed\n")), "{comment}");
    for part in [
        "**0002_index..0003_limit: failed**",
        "| `constraint-validated-under-lock` | confirmed | 0003_limit:1 |",
        "## `0002_index..0003_limit`: improved",
        "| payments_of_user |",
        "[this run](http://localhost/a/shop/actions/runs/12)",
    ] {
        assert!(comment.contains(part), "`{part}` is not in:\n{comment}");
    }
    assert!(!comment.contains("index-built-under-lock"), "the index is built beside writes: {comment}");
    assert_eq!(runner.read("summary.md").trim(), comment.trim());

    // A token that may not write is a warning.
    api.refuse_writes();
    let refused = runner.comment(&api).stdout;
    assert!(refused.starts_with("::warning title=weighbridge::no comment: the token may not write"), "{refused}");
    let arguments = runner.read("argv");
    assert!(arguments.contains("/issues/7/comments") && !arguments.contains(TOKEN), "{arguments}");
    assert!(!runner.read("out/comment.md").contains(TOKEN));
}

#[test]
fn a_bad_migration_and_a_redundant_index_are_named_for_what_they_are() {
    let _machine = sharing();
    let indexes = "CREATE INDEX payments_of_user ON payments (user_id, id);\n\
                   CREATE INDEX payments_again ON payments (user_id);\n";
    let runner = Runner::new(&[
        ("migrations/0002_indexes.up.sql", indexes),
        ("migrations/0002_indexes.down.sql", "DROP INDEX payments_of_user, payments_again;\n"),
        ("migrations/0003_status.up.sql", "UPDATE payments SET status = 'failed' WHERE id % 2 = 0;\n"),
    ]);
    runner.step("history", &[]).ok();
    runner.step("measure", &[("MEASURE", "counts"), ("FLAGS", "--sets 8")]).ok();
    let comment = runner.read("out/comment.md");
    for part in [
        "| `index-built-under-lock` | confirmed | 0002_indexes:1 |",
        "safer: CREATE INDEX CONCURRENTLY",
        "| `down-absent` |",
        "`payments_of_user` gives other rows",
        "payments_again is now redundant (by payments_of_user)",
    ] {
        assert!(comment.contains(part), "`{part}` is not in:\n{comment}");
    }
    runner.step("verdict", &[]).exits(1);
}

#[test]
fn a_branch_without_migrations_passes_and_posts_nothing() {
    let _machine = sharing();
    let runner = Runner::new(&[("notes.md", "No schema changes here.\n")]);
    runner.step("history", &[]).ok();
    runner.step("measure", &[]).ok().says(&["the branch adds no migration to migrations since origin/main"]);
    assert!(runner.read("outputs").contains("code=0\nadded=false\nreport=\n"), "{}", runner.read("outputs"));
    assert_eq!(runner.read("summary.md"), "");
    let api = Comments::start(Vec::new());
    runner.comment(&api);
    assert_eq!(api.writes(), Vec::<String>::new());
    runner.step("verdict", &[]).ok();
    // A comment of an earlier push says what is so now.
    let earlier = json!({ "id": 1, "user": { "login": ACCOUNT }, "body": format!("{MARKER}\n# Weighbridge: failed") });
    let api = Comments::start(vec![earlier]);
    runner.comment(&api);
    assert_eq!(api.own(), [format!("{MARKER}\n# Weighbridge: this branch adds no migration\n")]);
    // `prove` alone says the same, before it needs a server.
    let mut prove = runner.home.command(&["prove", "--quick", "--git-diff", "origin/main"]);
    let ran = Ran::new(prove.current_dir(&runner.clone).output().unwrap()).ok();
    assert_eq!(ran.stdout, "");
    ran.says(&["the branch adds no migration to migrations since origin/main"]);
    assert!(!runner.clone.join("results").exists());
}

#[test]
fn what_cannot_be_measured_is_in_the_comment_and_undecided_may_pass() {
    let _machine = sharing();
    let runner = Runner::new(&[("migrations/0002_broken.up.sql", "SELECT 1;\n"), ("scenario.toml", "nme = 1\n")]);
    runner.step("history", &[("BASE", "nowhere")]).exits(2).says(&["write REMOTE/BRANCH"]);
    runner.step("history", &[]).ok();
    runner.step("measure", &[("MEASURE", "counts")]).ok();
    let comment = runner.read("out/comment.md");
    assert!(comment.contains("# Weighbridge: not measured (exit code 2)"), "{comment}");
    assert!(comment.contains("**weighbridge prove** ended with exit code 2") && comment.contains("nme"), "{comment}");
    runner.step("verdict", &[]).exits(2);
    std::fs::write(runner.path("out/outputs"), "code=3\n").unwrap();
    runner.step("verdict", &[]).exits(3);
    runner.step("verdict", &[("ALLOW_UNDECIDED", "true")]).ok();
    std::fs::remove_file(runner.path("out/outputs")).unwrap();
    runner.step("verdict", &[]).exits(4);
}

#[test]
fn a_comment_is_cut_where_it_would_be_refused() {
    let runner = Runner::new(&[("notes.md", "x\n")]);
    let out = runner.path("out");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("check.md"), "**0002: passed**\n").unwrap();
    let line = format!("| {} |\n", "é".repeat(40));
    let long = format!("## `0002`: same\n\n<details><summary>all</summary>\n\n```sql\n{}```\n", line.repeat(2_000));
    std::fs::write(out.join("prove.md"), format!("<!-- weighbridge -->\n{long}\n</details>\n")).unwrap();
    let mut compose = Command::new(root().join("scripts/action/compose"));
    let output = compose.args([out.as_os_str(), "0".as_ref()]).env("BASE", "origin/main").current_dir(&runner.clone);
    assert!(output.status().unwrap().success());
    let comment = runner.read("out/comment.md");
    assert!(comment.chars().count() < 65_536 && comment.len() > 50_000, "{}", comment.len());
    let end = &comment[comment.len() - 200..];
    assert!(end.contains("|\n```\n\n</details>\n\n*The rest is in report.html.*\n\n<sub>"), "{end}");

    // The same comment as a note of GitLab, whose token is in another header.
    std::fs::write(out.join("outputs"), "code=0\nadded=true\n").unwrap();
    let api = Comments::start(Vec::new());
    let url = api.url();
    let gitlab = [
        ("GITLAB_CI", "true"),
        ("GITHUB_ACTIONS", ""),
        ("CI_API_V4_URL", &*url),
        ("CI_PROJECT_ID", "3"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("WEIGHBRIDGE_GITLAB_TOKEN", TOKEN),
    ];
    runner.step("comment", &gitlab).ok();
    runner.step("comment", &gitlab).ok();
    let list = "/projects/3/merge_requests/7/notes";
    assert_eq!(api.writes(), [format!("POST {list}"), format!("PUT {list}/1")]);
    assert!(api.requests().iter().all(|request| request.headers.contains(&format!("PRIVATE-TOKEN: {TOKEN}"))));
    assert_eq!(api.own(), [comment]);
    runner.step("comment", &gitlab[..5]).ok().says(&["set WEIGHBRIDGE_GITLAB_TOKEN"]);
    assert!(!runner.read("argv").contains(TOKEN));
}
