//! A folder of migrations in the layout of sqlx and golang-migrate. Must read names and first lines only.
//!
//! `<number>_<name>.up.sql` with `<number>_<name>.down.sql` beside it, or `<number>_<name>.sql` for
//! migrations that only go forward. Ordered by number, not by text.

use std::path::{Path, PathBuf};

use crate::diagnostic::nearest;

/// The migrations of a project, in order.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The folder.
    pub path: PathBuf,
    /// Ascending.
    pub migrations: Vec<Migration>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: u64,
    /// Number and name as in the file, such as `0003_payment_history`.
    pub label: String,
    /// What applies it.
    pub up: PathBuf,
    /// What reverts it.
    pub down: Option<PathBuf>,
    /// Written as `.up.sql`, which promises a `.down.sql`.
    pub reversible: bool,
}

/// Why a folder or a choice from it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder cannot be read.
    #[error("cannot read the migrations in {}: {source}\n  = help: name the folder with --migrations or in weighbridge.toml", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No migration in it.
    #[error("{} holds no migration\n  = help: files are called 0001_name.up.sql and 0001_name.down.sql, or 0001_name.sql", .0.display())]
    Empty(PathBuf),
    /// Two files claim one number.
    #[error("{} and {} have the same number\n  = help: numbers decide the order; give one of them another", first.display(), second.display())]
    SameVersion {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A file of another tool's layout.
    #[error("{} is written for {tool}, whose files are not read yet\n  = help: split it into <number>_<name>.up.sql and .down.sql", path.display())]
    OtherLayout {
        /// The file.
        path: PathBuf,
        /// Whose layout it is.
        tool: &'static str,
    },
    /// A migration that is not there.
    #[error("there is no migration `{wanted}` in {}\n  = help: {help}", path.display())]
    Missing {
        /// What was asked for.
        wanted: String,
        /// The folder.
        path: PathBuf,
        /// The nearest, or all.
        help: String,
    },
    /// A reversible migration whose other half is missing.
    #[error("{} has no {} beside it\n  = help: write the file that reverts it, or say --forward-only", up.display(), down.display())]
    NoDown {
        /// The half that is there.
        up: PathBuf,
        /// The half that is not.
        down: PathBuf,
    },
}

impl Directory {
    /// Reads the names of a folder.
    ///
    /// # Errors
    /// When it cannot be read, is empty, ambiguous, or of a layout not known here.
    pub fn read(path: &Path) -> Result<Self, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io)? {
            names.push(entry.map_err(io)?.path());
        }
        names.sort();
        let mut migrations: Vec<Migration> = Vec::new();
        for up in &names {
            let Some((version, label, reversible)) = read_name(up) else { continue };
            if let Some(tool) = other_layout(up) {
                return Err(DirectoryError::OtherLayout { path: up.clone(), tool });
            }
            if let Some(other) = migrations.iter().find(|m| m.version == version) {
                return Err(DirectoryError::SameVersion { first: other.up.clone(), second: up.clone() });
            }
            let down = up.with_file_name(format!("{label}.down.sql"));
            let down = names.contains(&down).then_some(down);
            migrations.push(Migration { version, label, up: up.clone(), down, reversible });
        }
        migrations.sort_by_key(|m| m.version);
        if migrations.is_empty() {
            return Err(DirectoryError::Empty(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), migrations })
    }

    /// The position of a migration by number (`3`, `0003`) or label.
    ///
    /// # Errors
    /// When there is none.
    pub fn position(&self, wanted: &str) -> Result<usize, DirectoryError> {
        let by_number = wanted.parse::<u64>().ok();
        self.migrations.iter().position(|m| m.label == wanted || Some(m.version) == by_number).ok_or_else(|| {
            let labels = self.migrations.iter().map(|m| m.label.as_str());
            let help = match nearest(wanted, labels.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are: {}", labels.collect::<Vec<_>>().join(", ")),
            };
            DirectoryError::Missing { wanted: wanted.to_owned(), path: self.path.clone(), help }
        })
    }

    /// The positions of `0003`, of a range `0003..0005` (both ends included), or of the last one.
    ///
    /// # Errors
    /// When an end is not there, or the range goes backwards.
    pub fn select(&self, wanted: Option<&str>) -> Result<std::ops::RangeInclusive<usize>, DirectoryError> {
        let Some(wanted) = wanted else {
            let last = self.migrations.len() - 1;
            return Ok(last..=last);
        };
        let (first, last) = match wanted.split_once("..") {
            Some((first, last)) => (self.position(first)?, self.position(last.trim_start_matches('='))?),
            None => (self.position(wanted)?, self.position(wanted)?),
        };
        if last < first {
            return Err(DirectoryError::Missing {
                wanted: wanted.to_owned(),
                path: self.path.clone(),
                help: "the range goes backwards; write the earlier migration first".to_owned(),
            });
        }
        Ok(first..=last)
    }
}

impl Migration {
    /// Checks that a reversible migration can be reverted.
    ///
    /// # Errors
    /// When its down file is missing.
    pub fn check_down(&self) -> Result<(), DirectoryError> {
        if self.reversible && self.down.is_none() {
            let down = self.up.with_file_name(format!("{}.down.sql", self.label));
            return Err(DirectoryError::NoDown { up: self.up.clone(), down });
        }
        Ok(())
    }
}

/// Number, label and whether it is the up half of a pair; `None` for files that are no migration.
fn read_name(path: &Path) -> Option<(u64, String, bool)> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".sql")?;
    let (label, reversible) = match stem.strip_suffix(".up") {
        Some(label) => (label, true),
        None if stem.ends_with(".down") => return None,
        None => (stem, false),
    };
    let version = label.split_once('_')?.0.parse().ok()?;
    Some((version, label.to_owned(), reversible))
}

/// Other tools put both directions into one file and mark them with comments.
fn other_layout(path: &Path) -> Option<&'static str> {
    let text = std::fs::read_to_string(path).ok()?;
    let marks = [("-- +goose", "goose"), ("-- migrate:up", "dbmate")];
    marks.into_iter().find(|(mark, _)| text.lines().any(|line| line.starts_with(mark))).map(|(_, tool)| tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::File::create(folder.path().join(file)).unwrap();
        }
        folder
    }

    #[test]
    fn numbers_decide_the_order_and_pairs_belong_together() {
        let folder = folder(&["10_c.up.sql", "10_c.down.sql", "9_b.sql", "0001_a.up.sql", "README.md"]);
        let directory = Directory::read(folder.path()).unwrap();
        let labels: Vec<&str> = directory.migrations.iter().map(|m| m.label.as_str()).collect();
        assert_eq!(labels, ["0001_a", "9_b", "10_c"]);
        assert_eq!(directory.select(Some("1..9")).unwrap(), 0..=1);
        assert_eq!(directory.select(None).unwrap(), 2..=2);
        assert!(directory.migrations[0].check_down().is_err());
        assert!(directory.migrations[1].check_down().is_ok());
        assert!(directory.migrations[2].check_down().is_ok());
        let missing = directory.select(Some("0001_b")).unwrap_err().to_string();
        assert!(missing.contains("did you mean `0001_a`?"), "{missing}");
    }

    #[test]
    fn two_files_with_one_number_are_refused() {
        let folder = folder(&["1_a.up.sql", "0001_b.up.sql"]);
        assert!(matches!(Directory::read(folder.path()), Err(DirectoryError::SameVersion { .. })));
    }
}
