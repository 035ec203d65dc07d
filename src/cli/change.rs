//! A schema and a change given by flags, where there is no folder of migrations. Must write nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Embedded;
use super::exit::Failure;
use super::layout::LayoutFlags;
use super::project::Project;
use crate::diagnostic::{Message, SourceFile};
use crate::migrate::{Directory, DirectoryError, Migration, Part, base};
use crate::postgres::Target;
use crate::postgres::server::find_binaries;

/// What is changed, and what it is before.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ChangeFlags {
    /// The schema before the change: a structure.sql or the output of pg_dump -s, instead of a folder of migrations
    #[arg(long, value_name = "FILE", conflicts_with_all = ["schema_from", "migrations"], help_heading = "Change")]
    schema: Option<PathBuf>,
    /// The same, read with pg_dump -s from a database of yours
    #[arg(long, value_name = "URL", conflicts_with = "migrations", help_heading = "Change")]
    schema_from: Option<String>,
    /// The change as a file or as SQL, such as 'CREATE INDEX …', instead of the last migration
    #[arg(long, value_name = "FILE|SQL", help_heading = "Change")]
    change: Option<String>,
    /// What reverts it
    #[arg(long, value_name = "FILE|SQL", requires = "change", help_heading = "Change")]
    revert: Option<String>,
    /// The change as a command of your migration tool, run with DATABASE_URL set to the clone
    #[arg(long, value_name = "COMMAND", conflicts_with = "change", help_heading = "Change")]
    up_cmd: Option<String>,
    /// The command that reverts it
    #[arg(long, value_name = "COMMAND", conflicts_with = "revert", help_heading = "Change")]
    down_cmd: Option<String>,
}

impl ChangeFlags {
    /// Whether a change or a schema was given.
    pub(super) fn is_given(&self) -> bool {
        let texts = [&self.schema_from, &self.change, &self.up_cmd];
        self.schema.is_some() || texts.iter().any(|text| text.is_some())
    }

    /// Whether a schema was given.
    pub(super) fn has_schema(&self) -> bool {
        self.schema.is_some() || self.schema_from.is_some()
    }

    /// The folder of migrations, or what the flags say in its place; the migration that is meant, where the flags
    /// decide that.
    ///
    /// # Errors
    /// When files cannot be read, or flags do not go together.
    pub(super) fn directory(
        &self,
        project: &Project,
        (folder, layout): (Option<&Path>, &LayoutFlags),
        embedded: &Embedded,
    ) -> Result<Result<Directory, DirectoryError>, Failure> {
        if !self.is_given() {
            return Ok(project.directory(folder, layout));
        }
        let base = match (&self.schema, &self.schema_from) {
            (Some(path), _) => Some(base::schema(SourceFile::read(path).map_err(Failure::usage)?)),
            (_, Some(url)) => Some(base::schema(dump(url, embedded)?)),
            _ => None,
        };
        let change = self.step(project)?;
        if let Some(base) = base {
            let reason = "a schema and a change, given by flags".to_owned();
            return Ok(Ok(Directory::of(vec![base, change], reason)));
        }
        Ok(project.directory(folder, layout).map(|directory| directory.with(change)))
    }

    /// The change itself.
    fn step(&self, project: &Project) -> Result<Migration, Failure> {
        if let Some(change) = &self.change {
            let down = self.revert.as_ref().map(|revert| part("--revert", revert)).transpose()?;
            return Ok(base::change(part("--change", change)?, down));
        }
        let up = self.up_cmd.as_ref().or(project.up_cmd.as_ref());
        let Some(up) = up else {
            return Err(Failure::usage(
                Message::new("a schema was given, and no change to it")
                    .help("--change FILE, --change 'CREATE INDEX …', or --up-cmd COMMAND"),
            ));
        };
        let down = self.down_cmd.as_ref().or(project.down_cmd.as_ref());
        Ok(base::change(base::command(up), down.map(|down| base::command(down))))
    }
}

/// A file, or the SQL itself.
fn part(flag: &str, given: &str) -> Result<Part, Failure> {
    let path = Path::new(given);
    let is_sql = !path.exists() && given.trim().contains(char::is_whitespace);
    let file = match is_sql {
        true => SourceFile { path: PathBuf::from(flag), text: given.to_owned() },
        false => SourceFile::read(path).map_err(Failure::usage)?,
    };
    Ok(base::statements(file))
}

/// The schema of a database.
fn dump(url: &str, embedded: &Embedded) -> Result<SourceFile, Failure> {
    let target = Target::from_url(url).map_err(Failure::usage)?;
    let found = find_binaries(embedded.postgres_bin.as_deref()).ok().map(|found| found.bin.join("pg_dump"));
    let program = found.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("pg_dump"));
    let failed = |why: String| {
        Failure::environment(
            Message::new(format!("cannot read the schema of {}: {why}", target.describe()))
                .help("pg_dump must not be older than that server; or give the file with --schema"),
        )
    };
    let mut command = Command::new(&program);
    command.args(["--schema-only", "--no-owner", "--no-privileges", "--dbname"]).arg(target.url());
    let output = command.output().map_err(|error| failed(format!("{} does not start: {error}", program.display())))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))?;
    Ok(SourceFile { path: PathBuf::from("--schema-from"), text })
}
