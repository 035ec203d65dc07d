//! Which tool a folder belongs to. Must name the flag where files fit several tools that would do different things
//! with them.

use super::{Layout, Options, Reading, Sign};
use crate::migrate::directory::DirectoryError;
use crate::migrate::folder::Folder;

/// A folder's layout, with what was read.
pub(in crate::migrate) struct Detected {
    pub(in crate::migrate) layout: Layout,
    /// Why, as a fragment.
    pub(in crate::migrate) reason: String,
    pub(in crate::migrate) reading: Reading,
}

/// Reads a folder as the tool that its files show.
///
/// # Errors
/// When several tools fit as well and would send other things, or another kind of tool is recognised.
pub(in crate::migrate) fn detect(folder: &Folder, options: &Options) -> Result<Option<Detected>, DirectoryError> {
    let signs: Vec<(Layout, Sign)> =
        Layout::ALL.iter().filter_map(|layout| Some((*layout, layout.tool().recognise(folder)?))).collect();
    let Some(strongest) = signs.iter().map(|(_, sign)| sign.strength).max() else {
        return match other(folder) {
            Some(tool) => Err(DirectoryError::OtherLayout { path: folder.path.clone(), tool }),
            None => Ok(None),
        };
    };
    let mut best = signs.into_iter().filter(|(_, sign)| sign.strength == strongest);
    let (layout, sign) = best.next().expect("one has the strongest sign");
    let reading = layout.tool().read(folder, options);
    for (other, other_sign) in best {
        let theirs = other.tool().read(folder, options);
        if !theirs.problems.is_empty() || theirs.migrations.is_empty() {
            continue;
        }
        if let Some(differs) = difference(&reading, &theirs) {
            let kinds = vec![(layout.name(), sign.reason), (other.name(), other_sign.reason)];
            return Err(DirectoryError::Ambiguous { path: folder.path.clone(), kinds, differs });
        }
    }
    Ok(Some(Detected { layout, reason: sign.reason, reading }))
}

/// The first step that two tools would send in different ways; none where they send all in the same way.
fn difference(ours: &Reading, theirs: &Reading) -> Option<String> {
    if !ours.problems.is_empty() {
        return Some("one of them refuses a file".to_owned());
    }
    if ours.migrations.len() != theirs.migrations.len() {
        let counts = (ours.migrations.len(), theirs.migrations.len());
        return Some(format!("one reads {} steps and the other {}", counts.0, counts.1));
    }
    ours.migrations.iter().zip(&theirs.migrations).find_map(|(a, b)| {
        let is_same = a.up.file.path == b.up.file.path
            && a.up.is_sent_like(&b.up)
            && a.down.is_some() == b.down.is_some()
            && a.down.iter().zip(&b.down).all(|(a, b)| a.is_sent_like(b));
        (!is_same).then(|| format!("they send {} in different ways", a.label))
    })
}

/// Where tools keep migrations that have no folder of that name at the top.
pub const PLACES: [&str; 14] = [
    "db/migrations",
    "prisma/migrations",
    "supabase/migrations",
    "src/main/resources/db/migration",
    "src/main/resources/db/changelog",
    "db/migrate",
    "sql/migrations",
    "database/migrations",
    "internal/migrations",
    "priv/repo/migrations",
    "alembic/versions",
    "drizzle",
    "db/migration",
    "db/changelog",
];

/// The tool of a folder whose steps are programs.
fn other(folder: &Folder) -> Option<&'static str> {
    // Code beside files that are read is no migration, such as the one that embeds them.
    if folder.top().any(|entry| entry.name.ends_with(".sql")) {
        return None;
    }
    let code = [
        (".rb", "Rails"),
        (".py", "Alembic or Django"),
        (".exs", "Ecto"),
        (".ts", "a tool with TypeScript files"),
        (".js", "a tool with JavaScript files"),
        (".go", "goose"),
        (".java", "Flyway with Java"),
        (".php", "Laravel or Doctrine"),
    ];
    let ends = |suffix: &str| folder.top().any(|entry| entry.name.ends_with(suffix) && !entry.name.starts_with("__"));
    code.into_iter().find(|(suffix, _)| ends(suffix)).map(|(_, tool)| tool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Advice;

    fn check(files: &[(&str, &str)], inside: &str) -> Result<Option<&'static str>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
        }
        let folder = Folder::read(&folder.path().join(inside)).unwrap();
        let found = detect(&folder, &Options::default());
        found.map(|found| found.map(|found| found.layout.name())).map_err(|error| error.message().body())
    }

    #[test]
    fn layouts_are_recognised_by_what_only_they_have() {
        for (files, tool) in [
            (&[("20240101_a/migration.sql", "SELECT 1"), ("migration_lock.toml", "")][..], "prisma"),
            (&[("2024-01-01-000000_a/up.sql", "SELECT 1"), ("2024-01-01-000000_a/down.sql", "")], "diesel"),
            (&[("V1__a.sql", "SELECT 1"), ("R__views.sql", "")], "flyway"),
            (&[("V1__a.rs", ""), ("V2__a.sql", "SELECT 1")], "refinery"),
            (&[("00001_a.sql", "-- +goose Up\nSELECT 1;\n")], "goose"),
            (&[("20240101_a.sql", "-- migrate:up\n-- migrate:down\n")], "dbmate"),
            (&[("a.sql", "--liquibase formatted sql\n--changeset a:1\n")], "liquibase"),
            (&[("1_a.sql", "-- Up Migration\n")], "node-pg-migrate"),
            (&[("0000_a.sql", "SELECT 1"), ("meta/_journal.json", "{\"entries\": []}")], "drizzle"),
            (&[("default/1700000000000_a/up.sql", "SELECT 1")], "hasura"),
            (&[("1_a.sql", "-- no-transaction\nVACUUM")], "sqlx"),
            (&[("1_a.up.sql", "VACUUM"), ("atlas.sum", "")], "golang-migrate"),
            (&[("001.sql", "VACUUM")], "plain"),
        ] {
            assert_eq!(check(files, ""), Ok(Some(tool)), "{files:?}");
        }
        let supabase = [("supabase/migrations/20240101000000_a.sql", "SELECT 1"), (".git/HEAD", "")];
        assert_eq!(check(&supabase, "supabase/migrations"), Ok(Some("supabase")));
        for (file, tool) in [("20240101_a.rb", "Rails"), ("0001_initial.py", "Alembic or Django")] {
            let error = check(&[(file, "")], "").unwrap_err();
            assert!(error.contains(tool) && error.contains("--up-cmd"), "{error}");
        }
        assert_eq!(check(&[("README.md", "")], ""), Ok(None));
    }

    #[test]
    fn the_project_around_decides_between_tools_that_name_files_in_the_same_way() {
        let (up, go, git) = (("db/migrations/1_a.up.sql", "VACUUM"), ("go.mod", ""), (".git/HEAD", ""));
        let (cargo, two) = (("db/Cargo.toml", ""), ("db/migrations/2_b.sql", "SELECT 1"));
        let of = |files: &[(&str, &str)]| check(files, "db/migrations");
        assert_eq!(of(&[up, go, git]), Ok(Some("golang-migrate")));
        assert_eq!(of(&[up, go, git, cargo]), Ok(Some("sqlx")));
        assert_eq!(of(&[up, git, two, cargo]), Ok(Some("sqlx")));
        let flyway = [("db/migrations/V1__a.sql", "SELECT 1"), ("Cargo.toml", ""), git];
        assert_eq!(of(&flyway), Ok(Some("refinery")));
    }

    #[test]
    fn what_several_tools_would_send_in_different_ways_is_asked_for() {
        let error = check(&[("1_a.up.sql", "VACUUM"), ("1_a.down.sql", "SELECT 1")], "").unwrap_err();
        assert!(error.contains("sqlx") && error.contains("golang-migrate") && error.contains("--layout"), "{error}");
        assert_eq!(
            check(&[("1_a.up.sql", "CREATE TABLE t ()"), ("1_a.down.sql", "DROP TABLE t")], ""),
            Ok(Some("sqlx"))
        );
        // Undo in one, a step in the other.
        let error = check(&[("V1__a.sql", "CREATE TABLE t ()"), ("U1__a.sql", "DROP TABLE t")], "").unwrap_err();
        assert!(error.contains("flyway") && error.contains("refinery"), "{error}");
        assert_eq!(check(&[("V1__a.sql", "CREATE TABLE t ()")], ""), Ok(Some("flyway")));
    }
}
