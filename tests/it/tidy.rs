//! Rules of the house that a compiler does not know: who may use whom, and what must never happen.

use std::path::{Path, PathBuf};

/// Room and the rooms it may use; the table of ARCHITECTURE.md.
const MAY_USE: [(&str, &[&str]); 24] = [
    ("units", &[]),
    ("clock", &[]),
    ("sql", &[]),
    ("host", &[]),
    ("diagnostic", &["units"]),
    ("document", &["diagnostic"]),
    ("stats", &["units"]),
    ("expression", &["units", "diagnostic"]),
    ("evidence", &["units", "diagnostic", "stats"]),
    ("postgres", &["units", "clock", "diagnostic"]),
    ("scenario", &["units", "diagnostic", "document", "expression", "evidence", "sql"]),
    ("seed", &["units", "diagnostic", "document", "expression", "postgres", "sql"]),
    ("drive", &["units", "diagnostic", "clock", "stats", "expression", "scenario", "evidence", "postgres"]),
    ("binding", &["diagnostic", "expression", "scenario", "seed", "postgres"]),
    ("migrate", &["units", "clock", "diagnostic", "postgres", "evidence", "sql"]),
    (
        "trial",
        &[
            "units",
            "clock",
            "host",
            "diagnostic",
            "expression",
            "seed",
            "scenario",
            "binding",
            "drive",
            "migrate",
            "postgres",
            "evidence",
            "stats",
            "sql",
        ],
    ),
    ("doctor", &["units", "clock", "host", "stats", "drive", "postgres"]),
    (
        "run",
        &[
            "units",
            "clock",
            "diagnostic",
            "stats",
            "seed",
            "scenario",
            "binding",
            "drive",
            "postgres",
            "evidence",
            "sql",
        ],
    ),
    ("check", &["units", "clock", "migrate", "postgres", "evidence", "seed", "sql", "trial"]),
    ("compare", &["units", "stats", "evidence", "sql"]),
    ("experiment", &["diagnostic", "stats", "scenario", "postgres", "evidence", "run", "trial", "compare"]),
    ("report", &["units", "stats", "evidence", "compare"]),
    (
        "proof",
        &["units", "diagnostic", "scenario", "migrate", "postgres", "evidence", "trial", "experiment", "compare"],
    ),
    ("cli", &["*"]),
];

/// Rooms without a runtime, a connection or a clock.
const PURE: [&str; 10] =
    ["units", "sql", "diagnostic", "document", "stats", "expression", "scenario", "evidence", "compare", "report"];

/// Every file of Rust in a folder of the package, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else if entry.path().extension().is_some_and(|e| e == "rs") {
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.sort();
    found
}

fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files("src")
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let short = path.strip_prefix(root.join("src")).unwrap().to_owned();
            let room = short.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
            (short, room, text)
        })
        .collect()
}

/// The text before the file's own tests: those may use what they need.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn rooms_use_only_whom_they_may() {
    let mut broken = Vec::new();
    for (path, room, text) in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else { continue };
        for (number, line) in code(&text).lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_room = MAY_USE.iter().any(|(name, _)| *name == used);
                if is_room && used != room && !allowed.contains(&used.as_str()) && !allowed.contains(&"*") {
                    broken.push(format!("src/{}:{}: `{room}` must not use `{used}`", path.display(), number + 1));
                }
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn pure_rooms_know_no_runtime_no_connection_and_no_clock() {
    let mut broken = Vec::new();
    for (path, room, text) in sources() {
        let name = path.display().to_string();
        let pure = PURE.contains(&room.as_str())
            || ["seed/cell.rs", "seed/generate.rs", "seed/encode.rs"].contains(&name.as_str());
        for word in ["tokio::", "sqlx::", "Instant", "SystemTime", "crate::clock", "crate::postgres"] {
            if pure && code(&text).contains(word) {
                broken.push(format!("src/{name} must not know `{word}`"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for_and_what_it_must_not_do() {
    for (path, _, text) in sources() {
        let doc: String = text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join(" ");
        assert!(20 < doc.len(), "src/{} begins with a module doc", path.display());
        let says = ["must", "Must", "not", "never", "nothing", "only"].iter().any(|word| doc.contains(word));
        assert!(says, "src/{} says what it must not do: {doc}", path.display());
    }
}

#[test]
fn text_is_asserted_safe_in_one_file_and_no_test_is_ignored() {
    for (path, _, text) in sources() {
        if path != Path::new("postgres/sql_text.rs") {
            assert!(!text.contains("AssertSqlSafe"), "src/{}", path.display());
        }
    }
    // In two pieces, so that this file does not hold what it forbids.
    let ignored = concat!("#[", "ignore");
    for path in ["src", "tests", "benches", "examples"].into_iter().flat_map(files) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(ignored), "{} leaves a test out", path.display());
    }
}

#[test]
fn pool_connections_are_never_used() {
    for (path, _, text) in sources() {
        assert!(!text.contains("PgPool") && !text.contains("sqlx::Pool"), "src/{}", path.display());
    }
}

#[test]
fn architecture_is_short_and_its_table_is_the_one_enforced_here() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() < 120, "{} lines", text.lines().count());
    for (room, allowed) in MAY_USE {
        let uses = match allowed {
            [] => "nothing of ours".to_owned(),
            ["*"] => "everything; used by nobody".to_owned(),
            list => list.join(", "),
        };
        let path = path_of(room);
        let row = format!("| `{path}` | {uses} |");
        assert!(text.contains(&row), "ARCHITECTURE.md has the row {row}");
        // A module of several parts has a row for each of them.
        let (listed, part) = (format!("\n| `{path}` |"), format!("\n| `{path}"));
        assert!(text.contains(&listed) || text.contains(&part), "ARCHITECTURE.md says what {path} is for");
    }
}

/// The path of a module, as ARCHITECTURE.md writes it: a file, or a folder with a slash behind it.
fn path_of(module: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module).is_dir();
    if folder { format!("src/{module}/") } else { format!("src/{module}.rs") }
}

#[test]
fn paths_in_the_tables_of_architecture_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let missing: Vec<&str> = rows.clone().filter(|path| !root.join(path).exists()).collect();
    assert!(rows.count() > MAY_USE.len());
    assert_eq!(missing, Vec::<&str>::new(), "ARCHITECTURE.md names them");
}

#[test]
fn the_bundled_platform_is_what_the_documents_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(root.join("migrations/0001_platform.up.sql")).unwrap();
    assert!(60 <= schema.matches("\nCREATE TABLE ").count());
    let down = std::fs::read_to_string(root.join("migrations/0001_platform.down.sql")).unwrap();
    assert_eq!(schema.matches("\nCREATE TABLE ").count(), down.matches("DROP TABLE ").count());
    for name in ["student", "payments"] {
        let text = std::fs::read_to_string(root.join(format!("scenarios/{name}.toml"))).unwrap();
        weighbridge::scenario::spec::parse_scenario(&text).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    }
}

/// Keys a parser asks for, in the order of its text.
fn keys_of(source: &str) -> Vec<String> {
    let asks = [
        "text(\"",
        "number(\"",
        "whole(\"",
        "boolean(\"",
        "datetime(\"",
        "texts(\"",
        "table(\"",
        "tables(\"",
        "numbers(\"",
        "read_expr(&mut table, \"",
        "read_seconds(load, \"",
        "read_seconds(&mut wave, \"",
        "read_seconds(&mut burst, \"",
        "read_seconds(&mut day, \"",
        "read_seconds(&mut stage, \"",
    ];
    let mut keys = Vec::new();
    for ask in asks {
        for part in code(source).split(ask).skip(1) {
            keys.extend(part.split('"').next().map(str::to_owned));
        }
    }
    keys.retain(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_'));
    keys
}

#[test]
fn every_key_of_a_file_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let project = [read("README.md"), read("weighbridge.toml"), read("docs/formats/migrations.md")].concat();
    for (source, document) in [
        ("src/scenario/spec.rs", read("docs/formats/scenario.md")),
        ("src/scenario/action.rs", read("docs/formats/scenario.md")),
        ("src/scenario/load.rs", read("docs/formats/scenario.md")),
        ("src/seed/spec.rs", read("docs/formats/dataset.md")),
        ("src/cli/project.rs", project),
    ] {
        let keys = keys_of(&read(source));
        assert!(3 < keys.len(), "{source}: {keys:?}");
        for key in keys {
            assert!(document.contains(key.as_str()), "`{key}` of {source} is not documented");
        }
    }
}

#[test]
fn tests_of_every_version_are_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("tests/data/versions.txt")).unwrap();
    let named: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(!named.is_empty());
    for name in named {
        let (module, test) = name.split_once("::").expect(name);
        let file = std::fs::read_to_string(root.join(format!("tests/it/{module}.rs"))).expect(name);
        assert!(file.contains(&format!("#[test]\nfn {test}()")), "{name} is no test");
    }
}

/// Files of Rust that people read.
fn written() -> Vec<(PathBuf, String)> {
    let files = ["src", "tests", "benches", "examples"].into_iter().flat_map(files);
    files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn no_line_of_source_is_wider_than_the_page() {
    // In bytes, as the tools count that have no Unicode.
    let width = |line: &str| line.len();
    let mut wide = Vec::new();
    for (path, text) in written() {
        let lines = text.lines().enumerate().filter(|(_, line)| width(line) > 120);
        wide.extend(lines.map(|(number, line)| format!("{}:{}: {} bytes", path.display(), number + 1, width(line))));
    }
    assert!(wide.is_empty(), "a line has 120 bytes at most:\n{}", wide.join("\n"));
}

#[test]
fn no_file_of_source_is_longer_than_one_noun_needs() {
    let long: Vec<String> = written()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "a file is about one noun and has 600 lines at most:\n{}", long.join("\n"));
}

#[test]
fn errors_are_drawn_in_one_place() {
    for (path, _, text) in sources() {
        if !path.starts_with("diagnostic") {
            let drawn = code(&text).contains("= help: ") || code(&text).contains("= note: ");
            assert!(!drawn, "src/{}: give the error a help(), or the message a note()", path.display());
        }
    }
}
