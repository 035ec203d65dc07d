//! Finds installed PostgreSQL servers. Must not install or download anything.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ServerError;

/// Oldest major version that is used.
const OLDEST_MAJOR: u32 = 14;

/// A folder with server binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The folder with `postgres`, `initdb` and `pg_ctl`.
    pub bin: PathBuf,
    /// Such as 15.
    pub major: u32,
    /// As the server prints it, such as `15.18`.
    pub version: String,
}

/// The newest installed server, or the one in `explicit`.
///
/// # Errors
/// When there is none of version 14 or later; the message says how to install one.
pub fn find(explicit: Option<&Path>) -> Result<Installation, ServerError> {
    if let Some(path) = explicit {
        let bad = |reason: String| ServerError::BadBinaries { path: path.to_owned(), reason };
        let found = inspect(path).ok_or_else(|| bad("`postgres --version` does not answer there".to_owned()))?;
        return match usable(&found) {
            Some(reason) => Err(bad(reason)),
            None => Ok(found),
        };
    }
    let mut all: Vec<Installation> = candidates().iter().filter_map(|bin| inspect(bin)).collect();
    all.sort_by_key(|found| std::cmp::Reverse(sort_key(&found.version)));
    match all.iter().find(|found| usable(found).is_none()) {
        Some(found) => Ok(found.clone()),
        None => {
            let found = all.iter().map(|f| format!("{} in {}", f.version, f.bin.display())).collect::<Vec<_>>();
            let found = if found.is_empty() { String::new() } else { format!("; found only {}", found.join(", ")) };
            Err(ServerError::NoBinaries { found })
        }
    }
}

fn usable(found: &Installation) -> Option<String> {
    if found.major < OLDEST_MAJOR {
        return Some(format!("it is PostgreSQL {}, and {OLDEST_MAJOR} or later is needed", found.version));
    }
    ["initdb", "pg_ctl"]
        .iter()
        .find(|program| !found.bin.join(program).is_file())
        .map(|program| format!("`{program}` is missing there"))
}

/// PATH, `pg_config`, and the places where packagers put servers.
fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, suffix) in [
        ("/usr/lib/postgresql", "bin"),
        ("/usr/lib64/pgsql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ] {
        folders.extend(children(Path::new(parent)).into_iter().map(|child| child.join(suffix)));
    }
    folders.extend(
        children(Path::new("/usr"))
            .into_iter()
            .filter(|child| child.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("pgsql-")))
            .map(|child| child.join("bin")),
    );
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| folder.join("postgres").is_file() && seen.insert(folder.clone()));
    folders
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).map(|list| list.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

fn inspect(bin: &Path) -> Option<Installation> {
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = read_version(&text)?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(Installation { bin: bin.to_owned(), major, version })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` to `15.18`; betas look like `18beta2`.
fn read_version(text: &str) -> Option<String> {
    let after = text.split_once("(PostgreSQL) ")?.1;
    after.split_whitespace().next().map(str::to_owned)
}

fn sort_key(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered_by_number() {
        assert_eq!(read_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0)\n").as_deref(), Some("15.18"));
        assert_eq!(read_version("postgres (PostgreSQL) 19beta1\n").as_deref(), Some("19beta1"));
        assert_eq!(read_version("mysqld 8\n"), None);
        assert!(sort_key("9.6") < sort_key("14.2") && sort_key("14.2") < sort_key("14.11"));
    }
}
