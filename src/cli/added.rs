//! The migrations that a branch adds, as git knows it. Must change nothing in the repository.

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use super::exit::Failure;
use super::progress::Progress;
use crate::diagnostic::Message;
use crate::migrate::{Directory, Migration};

/// The flag that names the other branch.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct DiffFlag {
    /// The migrations that this branch adds to a branch or commit
    #[arg(long, value_name = "BASE", help_heading = "Project",
        conflicts_with_all = ["schema", "schema_from", "change", "up_cmd"])]
    git_diff: Option<String>,
}

impl DiffFlag {
    /// The migrations to take: those of the branch, or those that a range names; nothing, with a line on stderr, where
    /// the branch adds none.
    ///
    /// # Errors
    /// When there is no such branch or migration.
    pub(super) fn select(
        &self,
        directory: &Directory,
        range: Option<&str>,
        progress: &Progress,
    ) -> Result<Option<RangeInclusive<usize>>, Failure> {
        let Some(base) = &self.git_diff else {
            return directory.select(range).map(Some).map_err(Failure::usage);
        };
        let added = added_since(directory, base)?;
        if added.is_none() {
            let folder = directory.path.display();
            progress.line(&format!("nothing to do: the branch adds no migration to {folder} since {base}"));
        }
        Ok(added)
    }
}

/// From the first to the last migration whose file the branch adds.
fn added_since(directory: &Directory, base: &str) -> Result<Option<RangeInclusive<usize>>, Failure> {
    let files = added_files(&directory.path, base)
        .map_err(|why| Failure::usage(Message::new(format!("cannot compare with `{base}`: {why}")).help(HELP)))?;
    let is_added = |migration: &Migration| {
        let path = &migration.up.file.path;
        let own = path.strip_prefix(&directory.path).unwrap_or(path);
        files.iter().any(|file| Path::new(file) == own)
    };
    let added = directory.migrations.iter().enumerate().filter(|(_, migration)| is_added(migration));
    let positions: Vec<usize> = added.map(|(position, _)| position).collect();
    Ok(positions.first().zip(positions.last()).map(|(first, last)| *first..=*last))
}

const HELP: &str = "name a branch or commit of this repository; a shallow clone needs its history: \
                    git fetch --unshallow origin";

/// Files below a folder that are in HEAD and not in its merge base with `base`, relative to the folder.
fn added_files(folder: &Path, base: &str) -> Result<Vec<String>, String> {
    if base.starts_with('-') {
        return Err("it begins with a hyphen".to_owned());
    }
    let mut command = Command::new("git");
    command.args(["diff", "--name-only", "--no-renames", "--diff-filter=A", "--relative", "-z"]);
    command.args([&format!("{base}...HEAD"), "--", "."]);
    let output = command.current_dir(folder).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
