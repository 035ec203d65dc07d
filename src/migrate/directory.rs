//! A folder of migrations in the layout of sqlx and golang-migrate. Must judge no statement.
//!
//! `<number>_<name>.up.sql` with `<number>_<name>.down.sql` beside it, or `<number>_<name>.sql` for
//! migrations that only go forward. Ordered by number, not by text.

use std::iter;
use std::path::{Path, PathBuf};

use super::books;
use super::layout::{self, Layout};
use super::migration::Migration;
use super::steps::Steps;
use crate::diagnostic::{Advice, nearest};

/// The migrations of a project, in order.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The folder.
    pub path: PathBuf,
    /// Ascending.
    pub migrations: Vec<Migration>,
    /// Whose files they are: how they are sent.
    pub layout: Layout,
    /// Whether a file names the table in which the tool keeps its history, and none makes it.
    pub names_books: bool,
}

/// Why a folder or a choice from it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder cannot be read.
    #[error("cannot read the migrations in {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The message of the system.
        source: std::io::Error,
    },
    /// There is no folder.
    #[error("there is no folder {} with migrations", .0.display())]
    Absent(PathBuf),
    /// There is no such folder, and another that holds migrations.
    #[error("there is no folder {} with migrations, but {}", folder.display(), place.display())]
    Elsewhere {
        /// Where they were looked for.
        folder: PathBuf,
        /// Where some are.
        place: PathBuf,
    },
    /// No migration in it.
    #[error("{} holds no migration", .0.display())]
    Empty(PathBuf),
    /// Two files claim one number.
    #[error("{} and {} have the same number", first.display(), second.display())]
    SameVersion {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A folder of another tool's layout.
    #[error("{} is laid out for {tool}, whose migrations are recognised but not read yet", path.display())]
    OtherLayout {
        /// The folder.
        path: PathBuf,
        /// Whose layout it is.
        tool: &'static str,
    },
    /// A migration that is not there.
    #[error("there is no migration `{wanted}` in {}", path.display())]
    Missing {
        /// What was asked for.
        wanted: String,
        /// The folder.
        path: PathBuf,
        /// The nearest, or all.
        help: String,
    },
    /// A reversible migration whose other half is missing.
    #[error("{} has no {} beside it", up.display(), down.display())]
    NoDown {
        /// The half that is there.
        up: PathBuf,
        /// The half that is not.
        down: PathBuf,
    },
}

impl Advice for DirectoryError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } => "name the folder with --migrations or in weighbridge.toml".to_owned(),
            Self::Absent(..) => "name the folder with --migrations or in weighbridge.toml; files are called \
                                 0001_name.up.sql and 0001_name.down.sql, or 0001_name.sql"
                .to_owned(),
            Self::Elsewhere { place, .. } => {
                format!("--migrations {}, or dir under [migrations] in weighbridge.toml", place.display())
            }
            Self::Empty(..) => "files are called 0001_name.up.sql and 0001_name.down.sql, or 0001_name.sql".to_owned(),
            Self::SameVersion { .. } => "numbers decide the order; give one of them another".to_owned(),
            Self::OtherLayout { .. } => "copy them into a folder of its own as <number>_<name>.up.sql and .down.sql \
                                         (or <number>_<name>.sql), and name it with --migrations"
                .to_owned(),
            Self::Missing { help, .. } => help.to_string(),
            Self::NoDown { .. } => "write the file that reverts it, or say --forward-only".to_owned(),
        })
    }
}

impl Directory {
    /// Reads the names of a folder; what nobody says of its layout its files do.
    ///
    /// # Errors
    /// When it cannot be read, is empty, ambiguous, or of a layout not known here.
    pub fn read(path: &Path, layout: Option<Layout>) -> Result<Self, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io)? {
            names.push(entry.map_err(io)?.path());
        }
        names.sort();
        if let Some(tool) = layout::other(path, &names) {
            return Err(DirectoryError::OtherLayout { path: path.to_owned(), tool });
        }
        let mut migrations: Vec<Migration> = Vec::new();
        for up in &names {
            let Some((version, label, reversible)) = read_name(up) else { continue };
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
        let files = migrations.iter().flat_map(|m| iter::once(&m.up).chain(&m.down));
        let texts: Vec<(&Path, String)> =
            files.filter_map(|path| Some((path.as_path(), std::fs::read_to_string(path).ok()?))).collect();
        let texts: Vec<(&Path, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let layout = layout.unwrap_or_else(|| Layout::detect(path, &texts));
        let names_books = books::are_named(layout, texts.iter().map(|(_, text)| *text));
        Ok(Self { path: path.to_owned(), layout, names_books, migrations })
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

    /// Some of the migrations, to be applied one after another.
    #[must_use]
    pub fn steps(&self, range: std::ops::Range<usize>) -> Steps<'_> {
        let (layout, names_books) = (self.layout, self.names_books);
        Steps { migrations: &self.migrations[range.clone()], later: &self.migrations[range.end..], layout, names_books }
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
        let directory = Directory::read(folder.path(), None).unwrap();
        let labels: Vec<&str> = directory.migrations.iter().map(|m| m.label.as_str()).collect();
        assert_eq!(labels, ["0001_a", "9_b", "10_c"]);
        assert_eq!(directory.select(Some("1..9")).unwrap(), 0..=1);
        assert_eq!(directory.select(None).unwrap(), 2..=2);
        assert!(directory.migrations[0].check_down().is_err());
        assert!(directory.migrations[1].check_down().is_ok());
        assert!(directory.migrations[2].check_down().is_ok());
        let missing = directory.select(Some("0001_b")).unwrap_err().help().unwrap_or_default();
        assert!(missing.contains("did you mean `0001_a`?"), "{missing}");
    }

    #[test]
    fn two_files_with_one_number_are_refused() {
        let folder = folder(&["1_a.up.sql", "0001_b.up.sql"]);
        assert!(matches!(Directory::read(folder.path(), None), Err(DirectoryError::SameVersion { .. })));
    }
}
