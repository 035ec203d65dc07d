//! `weighbridge.toml`: where a project keeps what is measured. Must hold every key as text with its place.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::gates::{self, PlacedGate};
use super::layout::LayoutFlags;
use crate::compare::run::finding::all_ids;
use crate::diagnostic::{Diagnostic, SourceFile, nearest};
use crate::document::{self, Placed, Table};
use crate::evidence::{Ignored, Policy};
use crate::migrate::{self, Directory, DirectoryError, Layout, Options};
use crate::scenario::action::parse_margin;

/// A project file, as far as it is read. Paths are relative to the file's folder.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) root: PathBuf,
    pub(super) url: Option<String>,
    pub(super) spec: Option<PathBuf>,
    pub(super) scale: Option<f64>,
    pub(super) seed: Option<u64>,
    pub(super) at: Option<String>,
    pub(super) migrations: Option<PathBuf>,
    pub(super) layout: Option<Layout>,
    pub(super) options: Options,
    pub(super) up_cmd: Option<String>,
    pub(super) down_cmd: Option<String>,
    pub(super) scenarios: Vec<PathBuf>,
    pub(super) margin: Option<f64>,
    pub(super) role: Option<String>,
    /// The file, where there is one.
    pub(super) file: Option<SourceFile>,
    pub(super) gates: Vec<PlacedGate>,
    pub(super) policy: Policy,
}

impl Project {
    /// The folder of migrations: the one that is named, or `migrations` beside the file.
    pub(super) fn migrations_folder(&self) -> PathBuf {
        self.root.join(self.migrations.as_deref().unwrap_or(Path::new("migrations")))
    }

    /// The migrations of a folder that was named, or of the project. Where the project names none and `migrations` is
    /// not there, the places are searched in which other tools keep theirs.
    pub(super) fn directory(&self, named: Option<&Path>, flags: &LayoutFlags) -> Result<Directory, DirectoryError> {
        let folder = named.map_or_else(|| self.migrations_folder(), Path::to_path_buf);
        let layout = flags.layout.or(self.layout);
        let found = Directory::read(&folder, layout, &flags.options(&self.options));
        match found {
            Err(DirectoryError::Io { source, .. })
                if named.is_none() && self.migrations.is_none() && source.kind() == ErrorKind::NotFound =>
            {
                Err(self.elsewhere(folder))
            }
            found => found,
        }
    }

    /// Why there is no folder `migrations`: those of a tool that has another place for them, or none at all.
    fn elsewhere(&self, folder: PathBuf) -> DirectoryError {
        let places = migrate::layout::PLACES.iter().map(|place| self.root.join(place));
        for place in places.filter(|place| place.is_dir()) {
            match Directory::read(&place, self.layout, &self.options) {
                Ok(_) => return DirectoryError::Elsewhere { folder, place },
                Err(other @ (DirectoryError::OtherLayout { .. } | DirectoryError::Ambiguous { .. })) => return other,
                Err(_) => {}
            }
        }
        DirectoryError::Absent(folder)
    }
}

/// The file's name, looked for in the current folder.
const FILE: &str = "weighbridge.toml";

/// Reads the file named, or the one in the current folder if there is one.
pub(super) fn read(named: Option<&Path>) -> Result<Project, Failure> {
    let path = named.unwrap_or(Path::new(FILE));
    if named.is_none() && !path.exists() {
        return Ok(Project::default());
    }
    let file = SourceFile::read(path).map_err(Failure::usage)?;
    let root = path.parent().unwrap_or(Path::new("")).to_owned();
    match document::read(&file.text, |table| Some(read_tables(table))) {
        Ok(project) => Ok(Project { root, file: Some(file), ..project }),
        Err(problems) => Err(Failure::usage(file.problems(problems))),
    }
}

fn read_tables(root: &mut Table<'_, '_>) -> Project {
    let mut project = Project::default();
    if let Some(mut database) = root.table("database") {
        if let Some(url) = database.text("url") {
            match expand(&url.text) {
                Ok(text) => project.url = Some(text),
                Err(name) => database.problem(
                    Diagnostic::at(url.span, format!("the environment variable `{name}` is not set"))
                        .help("set it, or leave `url` out to use the embedded server"),
                ),
            }
        }
        database.finish();
    }
    if let Some(mut dataset) = root.table("dataset") {
        project.spec = dataset.text("spec").map(|t| t.text.into());
        project.scale = dataset.number("scale").and_then(|scale| {
            if scale.value <= 0.0 {
                dataset.problem(Diagnostic::at(scale.span, "`scale` must be above 0"));
                return None;
            }
            Some(scale.value)
        });
        project.seed = dataset.whole("seed").map(|n| n.value);
        project.at = dataset.text("at").map(|t| t.text);
        dataset.finish();
    }
    if let Some(mut migrations) = root.table("migrations") {
        project.migrations = migrations.text("dir").map(|t| t.text.into());
        if let Some(layout) = migrations.text("layout") {
            project.layout = Layout::from_name(&layout.text);
            if project.layout.is_none() {
                let message = format!("`layout` is the tool whose files these are: {}", Layout::names());
                migrations.problem(Diagnostic::at(layout.span, message));
            }
        }
        project.options.skip_code = migrations.boolean("skip_code").is_some_and(|skip| skip.value);
        project.options.multi_statement = migrations.boolean("multi_statement").is_some_and(|multi| multi.value);
        if let Some(mut placeholders) = migrations.table("placeholders") {
            let values = placeholders.named_texts().into_iter();
            project.options.placeholders = values.map(|(name, value)| (name.value, value.text)).collect();
        }
        project.up_cmd = migrations.text("up_cmd").map(|t| t.text);
        project.down_cmd = migrations.text("down_cmd").map(|t| t.text);
        migrations.finish();
    }
    if let Some(mut proof) = root.table("proof") {
        project.scenarios = proof.texts("scenarios").unwrap_or_default().into_iter().map(|t| t.text.into()).collect();
        if let Some(margin) = proof.text("margin") {
            project.margin = parse_margin(&margin.text);
            if project.margin.is_none() {
                proof.problem(Diagnostic::at(
                    margin.span,
                    "`margin` is a share such as \"5%\", above 0% and below 100%",
                ));
            }
        }
        project.role = proof.text("role").map(|t| t.text);
        proof.finish();
    }
    if let Some(table) = root.table("gates") {
        project.gates = gates::read(table, &mut project.policy);
    }
    project.policy.ignore = root.table("ignore").map(read_ignored).unwrap_or_default();
    project
}

/// `[ignore]`: `redundant-index = { on = "payments_user_id_idx", because = "…" }`, or a list of these.
fn read_ignored(table: Table<'_, '_>) -> Vec<Ignored> {
    let mut ignored = Vec::new();
    for (id, entries) in table.named_lists() {
        for mut entry in entries {
            if !all_ids().contains(&id.value.as_str()) {
                entry.problem(unknown_finding(&id));
            }
            let on = entry.text("on").map(|t| t.text);
            let because = entry.required_text("because").map(|t| t.text).unwrap_or_default();
            ignored.push(Ignored { finding: id.value.clone(), on, because });
            entry.finish();
        }
    }
    ignored
}

fn unknown_finding(id: &Placed<String>) -> Diagnostic {
    let problem = Diagnostic::at(id.span.clone(), format!("there is no finding `{}`", id.value));
    match nearest(&id.value, all_ids()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help("docs/findings/ lists them"),
    }
}

/// Puts environment variables in the place of `${NAME}`; fails with the first that is not set.
fn expand(text: &str) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("${") {
        let Some(close) = rest[open..].find('}') else { break };
        expanded.push_str(&rest[..open]);
        let name = &rest[open + 2..open + close];
        expanded.push_str(&std::env::var(name).map_err(|_| name.to_owned())?);
        rest = &rest[open + close + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}
