//! What `try` used, as the folder of a project. Must overwrite no file.

use std::path::{Path, PathBuf};

use super::scenario::string;
use crate::cli::exit::Failure;
use crate::diagnostic::Message;
use crate::evidence::files::write_atomic;
use crate::migrate::{Directory, Part, Sending};
use crate::sql;

/// What is saved.
pub(super) struct Saved<'s> {
    pub(super) directory: &'s Directory,
    pub(super) scenario: &'s str,
    pub(super) spec: &'s str,
    pub(super) seed: u64,
}

/// Files of a project by their paths in its folder, and the flags that prove it.
struct Files {
    files: Vec<(PathBuf, String)>,
    flags: String,
}

/// Writes the project, and returns the command that proves it.
///
/// # Errors
/// When a file is there already or cannot be written, or the change is a command.
pub(super) fn write(folder: &Path, saved: &Saved<'_>) -> Result<String, Failure> {
    let Files { files, flags } = files(folder, saved)?;
    check(folder, files.iter().map(|(path, _)| path.as_path()))?;
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).and_then(|()| write_atomic(&path, text.as_bytes())).map_err(|error| {
            Failure::environment(
                Message::new(format!("cannot write {}: {error}", path.display()))
                    .help("name a folder for --save that can be written"),
            )
        })?;
    }
    Ok(format!("cd {} && weighbridge prove{flags}", folder.display()))
}

/// Refuses a folder that holds a project, before anything is measured.
///
/// # Errors
/// When `weighbridge.toml` or a file beside it is there.
pub(super) fn check_folder(folder: &Path) -> Result<(), Failure> {
    check(folder, ["weighbridge.toml", "dataset.toml", "scenario.toml", "migrations"].map(Path::new).into_iter())
}

fn check<'p>(folder: &Path, mut paths: impl Iterator<Item = &'p Path>) -> Result<(), Failure> {
    match paths.find(|path| folder.join(path).exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::usage(
            Message::new(format!("{} exists, and --save overwrites nothing", folder.join(path).display()))
                .help("name another folder for --save"),
        )),
    }
}

/// Refuses what is no SQL.
///
/// # Errors
/// When the change is a command.
pub(super) fn check_change(directory: &Directory) -> Result<(), Failure> {
    let last = directory.migrations.last();
    let parts = last.iter().flat_map(|last| [Some(&last.up), last.down.as_ref()]).flatten();
    if parts.into_iter().any(|part| part.sending == Sending::Command) {
        return Err(Failure::usage(
            Message::new("the change is a command, and --save writes SQL").help("leave --save out, or give --change"),
        ));
    }
    Ok(())
}

fn files(folder: &Path, saved: &Saved<'_>) -> Result<Files, Failure> {
    let mut files = vec![
        (PathBuf::from("dataset.toml"), saved.spec.to_owned()),
        (PathBuf::from("scenario.toml"), saved.scenario.to_owned()),
    ];
    let mut flags = String::new();
    let directory = saved.directory;
    let migrations = match directory.path.as_os_str().is_empty() {
        true => {
            for (number, migration) in directory.migrations.iter().enumerate() {
                let stem = format!("migrations/{:04}_{}", number + 1, migration.label);
                files.push((format!("{stem}.sql").into(), as_psql(&migration.up)));
                files.extend(migration.down.iter().map(|down| (format!("{stem}.down.sql").into(), as_psql(down))));
            }
            "dir    = \"migrations\"\nlayout = \"plain\"\n".to_owned()
        }
        // A folder of a tool stays where it is, and its tool adds the change to it.
        false => {
            for change in directory.migrations.iter().filter(|migration| migration.version == "change") {
                files.push(("change.sql".into(), change.up.file.text.clone()));
                flags.push_str(" --change change.sql");
                if let Some(down) = &change.down {
                    files.push(("revert.sql".into(), down.file.text.clone()));
                    flags.push_str(" --revert revert.sql");
                }
            }
            let path = std::path::absolute(&directory.path).unwrap_or_else(|_| folder.join(&directory.path));
            format!("dir    = {}\nlayout = {}\n", string(&path.display().to_string()), string(directory.layout.name()))
        }
    };
    let project = format!(
        "# Made by `weighbridge try --save`.\n\n[dataset]\nspec = \"dataset.toml\"\nseed = {}\n\n\
         [migrations]\n{migrations}\n[proof]\nscenarios = [\"scenario.toml\"]\n",
        saved.seed
    );
    files.insert(0, (PathBuf::from("weighbridge.toml"), project));
    Ok(Files { files, flags })
}

/// A part for psql, which sends each statement by itself: several of one transaction are put into one.
fn as_psql(part: &Part) -> String {
    let text = part.file.text.trim_end();
    let end = if text.ends_with(';') { "" } else { ";" };
    match part.sending == Sending::Transaction && sql::statements(text).len() > 1 {
        true => format!("BEGIN;\n{text}{end}\nCOMMIT;\n"),
        false => format!("{text}{end}\n"),
    }
}
