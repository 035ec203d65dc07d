//! A folder of migrations, in the order of its tool. Must judge no statement.

use std::path::{Path, PathBuf};

use super::books;
use super::folder::Folder;
use super::layout::{self, Detected, Layout, Options, Reading, Warning};
use super::part::Part;
use super::steps::Steps;
use crate::diagnostic::{FileProblems, nearest};

/// The migrations of a project, in order.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The folder.
    pub path: PathBuf,
    /// In the order in which the tool applies them.
    pub migrations: Vec<Migration>,
    /// Whose files they are: how they are sent.
    pub layout: Layout,
    /// Why, as a fragment.
    pub reason: String,
    /// Mistakes that the tool accepts silently.
    pub warnings: Vec<Warning>,
    /// Files beside the steps that decide how they are read.
    pub beside: Vec<PathBuf>,
    /// Whether a file names the table in which the tool keeps its books, and none makes it.
    pub names_books: bool,
}

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// As the tool writes it down; empty where a step has none.
    pub version: String,
    /// Number and name as in the file, such as `0003_payment_history`.
    pub label: String,
    /// What applies it.
    pub up: Part,
    /// What reverts it.
    pub down: Option<Part>,
    /// Where the tool looks for what reverts it, in a layout of pairs.
    pub expected_down: Option<PathBuf>,
}

/// Why a folder or a choice from it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder cannot be read.
    #[error("cannot read the migrations in {}: {source}\n  = help: name the folder with --migrations or in \
        weighbridge.toml", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no folder.
    #[error("there is no folder {} with migrations\n  = help: name the folder with --migrations or in \
        weighbridge.toml; files are called \
             0001_name.up.sql and 0001_name.down.sql, or as your tool calls them \
             (docs/formats/migrations.md)", .0.display())]
    Absent(PathBuf),
    /// There is no such folder, and another that holds migrations.
    #[error("there is no folder {} with migrations, but {}\n  = help: --migrations {}, or dir under [migrations] in \
        weighbridge.toml", folder.display(), place.display(), place.display())]
    Elsewhere {
        /// Where they were looked for.
        folder: PathBuf,
        /// Where some are.
        place: PathBuf,
    },
    /// No migration in it.
    #[error("{} holds no migration\n  = help: files are called 0001_name.up.sql and 0001_name.down.sql, or as your \
        tool calls them \
             (docs/formats/migrations.md)", .0.display())]
    Empty(PathBuf),
    /// Two files claim one version.
    #[error("{} and {} have the same version {version}\n  = help: the tool applies one of them, or neither; give one \
        another version", first.display(), second.display())]
    SameVersion {
        /// The version.
        version: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Files that the tool refuses, all of them.
    #[error("{}", .0.iter().map(FileProblems::draw).collect::<Vec<_>>().join("\n\n"))]
    Refused(Vec<FileProblems>),
    /// Several tools fit.
    #[error("{} may be laid out for {}, and {differs}\n  = help: say which with --layout, or with layout under \
        [migrations] in weighbridge.toml",
            path.display(), kinds.iter().map(|(name, reason)| format!("{name} \
                ({reason})")).collect::<Vec<_>>().join(" or "))]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// The tools, with what speaks for each.
        kinds: Vec<(&'static str, String)>,
        /// Why it matters.
        differs: String,
    },
    /// A folder whose steps are programs.
    #[error("{} is laid out for {tool}, whose migrations are programs\n  = help: give the schema before with \
        --schema or --schema-from, and the \
             command that migrates with --up-cmd (up_cmd under [migrations] in weighbridge.toml)", path.display())]
    OtherLayout {
        /// The folder.
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
    #[error("{} has no {} beside it\n  = help: write the file that reverts it, or say \
        --forward-only", up.display(), down.display())]
    NoDown {
        /// The half that is there.
        up: PathBuf,
        /// The half that is not.
        down: PathBuf,
    },
}

impl Directory {
    /// Reads a folder; whose files they are is what the files show, unless somebody says it.
    ///
    /// # Errors
    /// When it cannot be read, is empty or ambiguous, or holds files that its tool refuses.
    pub fn read(path: &Path, layout: Option<Layout>, options: &Options) -> Result<Self, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        let folder = Folder::read(path).map_err(io)?;
        let detected = match layout {
            Some(layout) => {
                let reason = "named by --layout or in weighbridge.toml".to_owned();
                Some(Detected { layout, reason, reading: layout.tool().read(&folder, options) })
            }
            None => layout::detect(&folder, options)?,
        };
        let Some(Detected { layout, reason, reading }) = detected else {
            return Err(DirectoryError::Empty(path.to_owned()));
        };
        let Reading { migrations, warnings, problems, beside } = reading;
        if !problems.is_empty() {
            return Err(DirectoryError::Refused(problems));
        }
        if migrations.is_empty() {
            return Err(DirectoryError::Empty(path.to_owned()));
        }
        check_versions(&migrations)?;
        let texts = migrations.iter().flat_map(|m| std::iter::once(&m.up).chain(&m.down)).map(|p| p.file.text.as_str());
        let names_books = books::are_named(layout, texts);
        Ok(Self { path: path.to_owned(), migrations, layout, reason, warnings, beside, names_books })
    }

    /// Every file it is made of.
    #[must_use]
    pub fn files(&self, last: usize) -> Vec<PathBuf> {
        let migrations = self.migrations[..=last].iter();
        let parts = migrations.flat_map(|migration| std::iter::once(&migration.up).chain(&migration.down));
        let mut files: Vec<PathBuf> = parts.map(|part| part.file.path.clone()).chain(self.beside.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The position of a migration by version (`3`, `0003`) or label.
    ///
    /// # Errors
    /// When there is none.
    pub fn position(&self, wanted: &str) -> Result<usize, DirectoryError> {
        let bare = |version: &str| version.trim_start_matches('0').to_owned();
        let is_number = wanted.bytes().all(|byte| byte.is_ascii_digit());
        let named = |m: &Migration| {
            m.label == wanted
                || m.version == wanted
                || is_number && !m.version.is_empty() && bare(&m.version) == bare(wanted)
        };
        self.migrations.iter().position(named).ok_or_else(|| {
            let labels = self.migrations.iter().map(|m| m.label.as_str());
            let help = match nearest(wanted, labels.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are: {}", some_of(&labels.collect::<Vec<_>>())),
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
        let (first, last) = match (self.position(wanted), wanted.split_once("..")) {
            (Ok(position), _) => (position, position),
            (Err(_), Some((first, last))) => (self.position(first)?, self.position(last.trim_start_matches('='))?),
            (Err(error), None) => return Err(error),
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

/// Names that a message lists.
const MAX_NAMES: usize = 12;

fn some_of(labels: &[&str]) -> String {
    match labels.len() {
        ..=MAX_NAMES => labels.join(", "),
        count => format!("{}, … {} ({count} in all)", labels[..MAX_NAMES - 1].join(", "), labels[count - 1]),
    }
}

/// Two branches that add the same version.
fn check_versions(migrations: &[Migration]) -> Result<(), DirectoryError> {
    let mut seen: std::collections::BTreeMap<&str, &Migration> = std::collections::BTreeMap::new();
    for migration in migrations.iter().filter(|migration| !migration.version.is_empty()) {
        if let Some(other) = seen.insert(&migration.version, migration) {
            return Err(DirectoryError::SameVersion {
                version: migration.version.clone(),
                first: other.up.file.path.clone(),
                second: migration.up.file.path.clone(),
            });
        }
    }
    Ok(())
}

impl Migration {
    /// Checks that a reversible migration can be reverted.
    ///
    /// # Errors
    /// When its down file is missing.
    pub fn check_down(&self) -> Result<(), DirectoryError> {
        match (&self.expected_down, &self.down) {
            (Some(down), None) => Err(DirectoryError::NoDown { up: self.up.file.path.clone(), down: down.clone() }),
            _ => Ok(()),
        }
    }
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

    fn read(folder: &tempfile::TempDir) -> Result<Directory, DirectoryError> {
        Directory::read(folder.path(), None, &Options::default())
    }

    #[test]
    fn numbers_decide_the_order_and_pairs_belong_together() {
        let folder = folder(&["10_c.up.sql", "10_c.down.sql", "9_b.sql", "0001_a.up.sql", "README.md"]);
        let directory = read(&folder).unwrap();
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
    fn two_files_with_one_number_are_refused_and_both_named() {
        let error = read(&folder(&["1_a.up.sql", "0001_b.up.sql"])).unwrap_err().to_string();
        assert!(error.contains("1_a.up.sql") && error.contains("0001_b.up.sql"), "{error}");
    }
}
