//! Whose migration files these are: what reads and sends them in a project. Must read names and first lines only, and
//! guess no tool that the files do not show.

use std::path::{Path, PathBuf};

/// A tool whose files are read, and sent as it sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// sqlx: a file is a transaction, unless its very first bytes are [`NO_TRANSACTION`].
    #[default]
    Sqlx,
    /// golang-migrate: a file is sent as one string, so one statement stands alone and several share a transaction.
    GolangMigrate,
}

/// The first bytes of a file that sqlx sends without a transaction.
pub const NO_TRANSACTION: &str = "-- no-transaction";

impl Layout {
    /// Every layout that is read.
    pub const ALL: [Self; 2] = [Self::Sqlx, Self::GolangMigrate];

    /// The tool, as it is written in `weighbridge.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlx => "sqlx",
            Self::GolangMigrate => "golang-migrate",
        }
    }

    /// The tool of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// The tool of a folder whose files are called `<number>_<name>.sql`, or `.up.sql` and `.down.sql`, by what only
    /// one of the two has: the mark and files without a direction are sqlx's; of pairs the project around the folder
    /// decides. sqlx where nothing does.
    #[must_use]
    pub fn detect(folder: &Path, files: &[(&Path, &str)]) -> Self {
        let is_pair = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.ends_with(".up.sql") || name.ends_with(".down.sql")
        };
        if files.iter().any(|(path, text)| text.starts_with(NO_TRANSACTION) || !is_pair(path)) {
            return Self::Sqlx;
        }
        if folder.join("atlas.sum").exists() {
            return Self::GolangMigrate;
        }
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        for around in folder.ancestors().take(PROJECT_DEPTH) {
            let has = |name: &str| around.join(name).exists();
            if has("Cargo.toml") || has(".sqlx") {
                return Self::Sqlx;
            }
            if has("go.mod") {
                return Self::GolangMigrate;
            }
            if has(".git") {
                break;
            }
        }
        Self::Sqlx
    }
}

/// Where tools keep migrations that have no folder of that name at the top.
pub const PLACES: [&str; 12] = [
    "db/migrations",
    "prisma/migrations",
    "supabase/migrations",
    "src/main/resources/db/migration",
    "db/migrate",
    "sql/migrations",
    "database/migrations",
    "internal/migrations",
    "priv/repo/migrations",
    "alembic/versions",
    "drizzle",
    "db/migration",
];

/// A project's own file is looked for in the folder of migrations and this many around it, up to the repository's.
const PROJECT_DEPTH: usize = 8;

/// The tool of a folder that is laid out otherwise: it is recognised, and not read yet.
#[must_use]
pub fn other(folder: &Path, entries: &[PathBuf]) -> Option<&'static str> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = entries.iter().map(|path| name(path)).collect();
    let inside = |file: &str| entries.iter().any(|path| path.join(file).is_file());
    let ends = |suffix: &str| names.iter().any(|name| name.ends_with(suffix) && !name.starts_with("__"));
    if names.iter().any(|name| name == "migration_lock.toml") || inside("migration.sql") {
        return Some("Prisma");
    }
    if folder.join("meta/_journal.json").is_file() {
        return Some("Drizzle");
    }
    if inside("up.sql") {
        return Some("Diesel");
    }
    if let Some(tool) = names.iter().find_map(|name| versioned(name)) {
        return Some(tool);
    }
    if let Some(tool) = entries.iter().find_map(|path| marked(path)) {
        return Some(tool);
    }
    // Code beside files that are read is no migration, such as the one that embeds them.
    if names.iter().any(|name| name.ends_with(".sql")) {
        return None;
    }
    let code = [
        (".rb", "Rails"),
        (".py", "Alembic or Django"),
        (".exs", "Ecto"),
        (".ts", "a tool with TypeScript files"),
        (".js", "a tool with JavaScript files"),
        (".go", "goose"),
    ];
    code.into_iter().find(|(suffix, _)| ends(suffix)).map(|(_, tool)| tool)
}

/// Flyway and refinery: `V1__name.sql`, Flyway also `V1_2__`, `R__` and `U1__`.
fn versioned(name: &str) -> Option<&'static str> {
    let (stem, rust) = match (name.strip_suffix(".sql"), name.strip_suffix(".rs")) {
        (Some(stem), _) => (stem, false),
        (_, Some(stem)) => (stem, true),
        _ => return None,
    };
    let (version, _) = stem.split_once("__")?;
    let (kind, number) = version.split_at_checked(1)?;
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_');
    match (kind, is_number) {
        ("V" | "U", true) if rust => Some("refinery"),
        ("V" | "U", true) => Some("Flyway or refinery"),
        ("R" | "B", _) if number.is_empty() || is_number => Some("Flyway"),
        _ => None,
    }
}

/// Tools that put both directions, or their own directives, into one file and mark them with comments.
#[must_use]
pub fn marked(path: &Path) -> Option<&'static str> {
    const MARKS: [(&str, &str); 5] = [
        ("-- +goose", "goose"),
        ("-- migrate:up", "dbmate"),
        ("--liquibase formatted sql", "Liquibase"),
        ("-- liquibase formatted sql", "Liquibase"),
        ("-- up migration", "node-pg-migrate"),
    ];
    if path.extension().is_none_or(|extension| extension != "sql") {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let begins = |line: &str, mark: &str| line.get(..mark.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(mark));
    MARKS.into_iter().find(|(mark, _)| text.lines().any(|line| begins(line, mark))).map(|(_, tool)| tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
        }
        folder
    }

    fn other_of(files: &[(&str, &str)]) -> Option<&'static str> {
        let folder = folder(files);
        let entries: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        other(folder.path(), &entries)
    }

    #[test]
    fn other_layouts_are_recognised() {
        for (files, tool) in [
            (&[("20240101_a/migration.sql", ""), ("migration_lock.toml", "")][..], "Prisma"),
            (&[("2024-01-01-000000_a/up.sql", ""), ("2024-01-01-000000_a/down.sql", "")], "Diesel"),
            (&[("V1__a.sql", ""), ("V2__b.sql", "")], "Flyway or refinery"),
            (&[("R__views.sql", "")], "Flyway"),
            (&[("V1__a.rs", "")], "refinery"),
            (&[("00001_a.sql", "-- +goose Up\nSELECT 1;\n")], "goose"),
            (&[("20240101_a.sql", "-- migrate:up\n")], "dbmate"),
            (&[("a.sql", "--liquibase formatted sql\n")], "Liquibase"),
            (&[("1_a.sql", "-- Up Migration\n")], "node-pg-migrate"),
            (&[("0000_a.sql", ""), ("meta/_journal.json", "{}")], "Drizzle"),
            (&[("20240101_a.rb", "")], "Rails"),
            (&[("0001_initial.py", ""), ("__init__.py", "")], "Alembic or Django"),
        ] {
            assert_eq!(other_of(files), Some(tool), "{files:?}");
        }
        assert_eq!(other_of(&[("1_a.up.sql", ""), ("README.md", "")]), None);
        assert_eq!(other_of(&[("Version__x.sql", ""), ("U__x.sql", "")]), None);
    }

    #[test]
    fn a_pair_is_golang_migrates_in_a_go_project_alone() {
        let of = |files: &[(&str, &str)]| {
            let folder = folder(files);
            let inside = folder.path().join("db/migrations");
            let texts: Vec<_> = std::fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().path()).collect();
            let texts: Vec<_> =
                texts.iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
            let texts: Vec<(&Path, &str)> = texts.iter().map(|(path, text)| (path.as_path(), text.as_str())).collect();
            Layout::detect(&inside, &texts)
        };
        let (up, go) = (("db/migrations/1_a.up.sql", "SELECT 1"), ("go.mod", ""));
        let git = (".git/HEAD", "");
        assert_eq!(of(&[up, git]), Layout::Sqlx);
        assert_eq!(of(&[up, go, git]), Layout::GolangMigrate);
        assert_eq!(of(&[up, go, git, ("db/Cargo.toml", "")]), Layout::Sqlx);
        assert_eq!(of(&[up, go, git, ("db/migrations/2_b.sql", "")]), Layout::Sqlx);
        assert_eq!(of(&[up, go, git, ("db/migrations/2_b.up.sql", "-- no-transaction\n")]), Layout::Sqlx);
        assert_eq!(Layout::ALL.map(|layout| Layout::from_name(layout.name())), Layout::ALL.map(Some));
    }
}
