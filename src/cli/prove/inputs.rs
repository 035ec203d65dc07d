//! What a proof knows before it connects: flags, project and files, as settings. Must write nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::saver::Saver;
use super::{Arguments, default_threads};
use super::{first_steps, kept};
use crate::cli::Embedded;
use crate::cli::exit::Failure;
use crate::cli::gates;
use crate::cli::progress::Progress;
use crate::cli::project::Project;
use crate::cli::scenarios::{self, Placed};
use crate::diagnostic::{Advice, Message, SourceFile};
use crate::evidence::{Evidence, Interleave, Policy};
use crate::experiment::{Length, Resumed, Settings};
use crate::migrate::{Directory, Warning};
use crate::postgres::Target;
use crate::seed::spec::parse_spec;
use crate::trial::{self, Dataset, Event, Given, InPlace, Subject};
use crate::units::Seed;

/// Everything that was found in files, before a server is needed.
pub(super) struct Inputs {
    change: Change,
    spec: Option<SourceFile>,
    /// As the application asks before the migration, and after.
    scenarios: [Vec<Placed>; 2],
    /// What the project and the flags make of figures and findings.
    policy: Policy,
}

/// What is measured.
enum Change {
    /// Migrations on data that are made at the position `at`.
    Dataset { directory: Directory, at: usize, weighed: std::ops::RangeInclusive<usize> },
    /// Migrations on a database that is there, and has those before them.
    InPlace { directory: Directory, weighed: std::ops::RangeInclusive<usize> },
    /// Databases without the change, and one with it.
    Given(Box<Given>),
}

impl Inputs {
    /// Names the change in the folder of the result.
    pub(super) fn label(&self) -> String {
        match &self.change {
            Change::Dataset { directory, weighed, .. } | Change::InPlace { directory, weighed } => {
                directory.migrations[*weighed.start()].label.clone()
            }
            Change::Given(given) => format!("{}..{}", given.before.database_name(), given.after.database_name()),
        }
    }

    /// The files it is made of, with their texts.
    pub(super) fn files(&self) -> Vec<(PathBuf, String)> {
        let outside = match &self.change {
            Change::Dataset { directory, .. } => kept::files(directory),
            Change::InPlace { .. } | Change::Given(_) => Vec::new(),
        };
        let (paths, folder) = match &self.change {
            Change::Dataset { directory, weighed, .. } | Change::InPlace { directory, weighed } => {
                (directory.files(*weighed.end()), directory.path.as_path())
            }
            Change::Given(_) => (Vec::new(), Path::new("")),
        };
        // Where they are in their folder: a layout may depend on it.
        let inside = |path: &PathBuf| {
            let own = path.strip_prefix(folder).ok().filter(|own| own.is_relative());
            own.map_or_else(|| PathBuf::from(path.file_name().unwrap_or_default()), Path::to_path_buf)
        };
        let text =
            |path: PathBuf| Some((Path::new("migrations").join(inside(&path)), std::fs::read_to_string(&path).ok()?));
        let spec = self
            .spec
            .iter()
            .map(|file| (Path::new("spec").join(file.path.file_name().unwrap_or_default()), file.text.clone()));
        let scenarios = self.placed_scenarios().into_iter().map(|(name, file, _)| (name, file.text));
        paths.into_iter().filter_map(text).chain(outside).chain(spec).chain(scenarios).collect()
    }

    /// The scenarios that were named, as they are kept: those that they use are found from them.
    pub(super) fn named_scenarios(&self) -> Vec<PathBuf> {
        self.placed_scenarios().into_iter().filter(|(.., named)| *named).map(|(name, ..)| name).collect()
    }

    /// Where each scenario is kept, and whether it was named: as they lay to each other, for one may use another.
    fn placed_scenarios(&self) -> Vec<(PathBuf, SourceFile, bool)> {
        let full = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let mut all: Vec<(PathBuf, SourceFile, bool)> = Vec::new();
        let own = self.scenarios[0].iter().map(|(file, scenario)| (full(&file.path), file.clone(), !scenario.used));
        all.extend(own);
        // A file of which no action of its own is wanted is read on the way to others all the same.
        let mut next = 0;
        while let Some((_, file, _)) = all.get(next) {
            for path in scenarios::uses(file).iter().map(|path| full(path)) {
                let known = all.iter().any(|(known, ..)| *known == path);
                if let (false, Ok(file)) = (known, SourceFile::read(&path)) {
                    all.push((path, file, false));
                }
            }
            next += 1;
        }
        let common = all.first().and_then(|(first, ..)| {
            first.ancestors().skip(1).find(|folder| all.iter().all(|(path, ..)| path.starts_with(folder)))
        });
        let common = common.map(Path::to_path_buf).unwrap_or_default();
        let place = |path: &Path| Path::new("scenarios").join(path.strip_prefix(&common).unwrap_or(path));
        all.into_iter().map(|(path, file, named)| (place(&path), file, named)).collect()
    }

    /// Mistakes of the migrations that their tool accepts silently.
    pub(super) fn warnings(&self) -> &[Warning] {
        match &self.change {
            Change::Dataset { directory, .. } | Change::InPlace { directory, .. } => &directory.warnings,
            Change::Given(_) => &[],
        }
    }

    /// Whether it needs a server that makes clones.
    pub(super) fn needs_clones(&self) -> bool {
        matches!(self.change, Change::Dataset { .. })
    }

    /// The subject of the trial; `server` is where clones are made, or the database that is migrated in place.
    pub(super) fn subject(self, server: Option<(Target, bool)>, arguments: &Arguments) -> Result<Subject, Failure> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let no_server = || Failure::usage(Message::new("no server was named").help("name one with --url"));
        Ok(match self.change {
            Change::Dataset { directory, at, weighed } => {
                let (target, embedded) = server.ok_or_else(no_server)?;
                let loader_connections = arguments.loaders.map_or(processors.clamp(1, 4), usize::from);
                let replicates = arguments.replicates.unwrap_or(1);
                let rows = arguments.rows;
                Subject::Clones(Dataset {
                    target,
                    embedded,
                    directory,
                    at,
                    weighed,
                    rows,
                    loader_connections,
                    replicates,
                })
            }
            Change::InPlace { directory, weighed } => {
                let (target, _) = server.ok_or_else(no_server)?;
                let migrations = directory.migrations[weighed].to_vec();
                Subject::InPlace(InPlace { target, migrations })
            }
            Change::Given(given) => Subject::Given(given),
        })
    }
}

/// The settings of an experiment on this subject.
pub(super) fn settings(
    arguments: &Arguments,
    project: &Project,
    inputs: Inputs,
    (length, earlier): (Length, Option<Evidence>),
    server: Option<(Target, bool)>,
    (progress, saver): (&Arc<Progress>, &Arc<Saver>),
) -> Result<Settings, Failure> {
    let (progress, saver) = (Arc::clone(progress), Arc::clone(saver));
    let dataset = earlier.as_ref().and_then(|earlier| earlier.dataset.as_ref());
    let design = earlier.as_ref().map(|earlier| &earlier.design);
    let (spec, scenarios) = (inputs.spec.clone(), inputs.scenarios.clone());
    let policy = inputs.policy.clone();
    let trial = trial::Settings {
        subject: inputs.subject(server, arguments)?,
        spec,
        scale: dataset.map(|dataset| dataset.scale).or(arguments.scale).or(project.scale).unwrap_or(1.0),
        seed: Seed(design.map(|design| design.seed).or(arguments.seed).or(project.seed).unwrap_or(42)),
        scenarios,
        margin: design.map(|design| design.margin).or(arguments.margin).or(project.margin).unwrap_or(0.05),
        policy,
        role: arguments.role.clone().or_else(|| project.role.clone()),
        sets: arguments.sets,
        interleave: design.map(|design| design.interleave).or(arguments.interleave.map(Interleave::from)),
        rounds: design.map(|design| design.rounds_per_chunk).or(arguments.rounds),
        slice: design.map(|design| Duration::from_millis(design.slice_ms)).or(arguments.slice),
        threads: design
            .map(|design| design.driver_threads as usize)
            .or(arguments.threads.map(usize::from))
            .unwrap_or_else(default_threads),
        listener: {
            let saver = Arc::clone(&saver);
            Arc::new(move |event| {
                if let Event::Chunk(evidence) = &event {
                    saver.keep(evidence);
                }
                progress.event(&event);
            })
        },
    };
    Ok(Settings {
        trial,
        length,
        isolated: !arguments.counts_only && !arguments.no_isolated,
        precision: design.map_or(arguments.precision, |design| design.precision),
        focus: !arguments.no_focus,
        ablate: arguments.ablate,
        results: Some(arguments.results.clone()),
        resumed: earlier.map(|evidence| Resumed { evidence, mark: saver.mark.clone() }),
    })
}

/// Reads the files; mistakes of all of them are shown together. Nothing where the branch adds no migration.
///
/// # Errors
/// When a file is missing or wrong, or flags do not go together.
pub(super) fn read(
    arguments: &Arguments,
    project: &Project,
    embedded: &Embedded,
    progress: &Progress,
) -> Result<Option<Inputs>, Failure> {
    if arguments.scale.is_some_and(|scale| scale <= 0.0 || !scale.is_finite()) {
        return Err(Failure::usage(Message::new("--scale must be above 0")));
    }
    let of_project = |path: &Option<PathBuf>| path.as_ref().map(|path| project.root.join(path));
    let spec = arguments.spec.clone().or_else(|| of_project(&project.spec));
    let makes_data = !arguments.in_place && arguments.after.is_none();
    let scenarios: Vec<PathBuf> = if arguments.scenarios.is_empty() {
        project.scenarios.iter().map(|path| project.root.join(path)).collect()
    } else {
        arguments.scenarios.clone()
    };
    let folder = (arguments.migrations.as_deref(), &arguments.layout);
    let made = arguments.made.as_ref();
    let read = || match made {
        Some(made) => Ok(Ok(made.directory.clone())),
        None => arguments.change.directory(project, folder, embedded),
    };
    let directory = arguments.after.is_none().then(read).transpose()?;
    // What a schema says is enough to fill it.
    let needs_spec = makes_data && !arguments.change.is_given() && made.is_none();
    first_steps::check(needs_spec && spec.is_none(), scenarios.is_empty() && made.is_none(), directory.as_ref())?;
    let (spec, mut scenarios) = parse_files(spec.as_deref(), &scenarios)?;
    if let Some(made) = made {
        scenarios.push(made.scenario.clone());
    }
    let policy = gates::of_proof(project, &arguments.gates, &scenarios)?;
    if let Some(after) = &arguments.after {
        return given(arguments, after, spec, &scenarios, policy).map(Some);
    }
    let directory = directory.expect("read where no database with the change is given").map_err(Failure::usage)?;
    let selected = arguments.added.select(&directory, arguments.migration.as_deref(), progress)?;
    let Some(weighed) = selected else { return Ok(None) };
    let position = |name: &str| directory.position(name).ok();
    let with = |applied: usize| scenarios::at(&scenarios, Some(applied), position);
    let scenarios = [with(*weighed.start())?, with(weighed.end() + 1)?];
    if arguments.in_place {
        let change = Change::InPlace { directory, weighed };
        return Ok(Some(Inputs { change, spec, scenarios, policy }));
    }
    let at = match arguments.at.as_deref().or(project.at.as_deref()) {
        Some(at) => directory.position(at).map_err(Failure::usage)?,
        None => weighed.start().saturating_sub(1),
    };
    if *weighed.start() <= at {
        let (label, at) = (&directory.migrations[*weighed.start()].label, &directory.migrations[at].label);
        return Err(Failure::usage(
            Message::new(format!(
                "{label} cannot be proven: the dataset is filled at {at}, with {label} already in the schema"
            ))
            .help("prove a later migration, or fill the data earlier with --at"),
        ));
    }
    if !arguments.forward_only {
        for migration in &directory.migrations[weighed.clone()] {
            migration.check_down().map_err(Failure::usage)?;
        }
    }
    Ok(Some(Inputs { change: Change::Dataset { directory, at, weighed }, spec, scenarios, policy }))
}

/// Databases that are there: sessions may only read, unless writing is permitted.
fn given(
    arguments: &Arguments,
    after: &str,
    spec: Option<SourceFile>,
    scenarios: &[Placed],
    policy: Policy,
) -> Result<Inputs, Failure> {
    let steps = scenarios.iter().flat_map(|(_, s)| &s.actions).flat_map(|action| &action.steps);
    if steps.into_iter().any(|step| !step.since.is_empty()) {
        return Err(Failure::usage(
            Message::new(
                "the scenario asks other statements since a migration, and databases do not say which they are at",
            )
            .help("leave `since` out, or prove the migration on clones"),
        ));
    }
    if !arguments.allow_writes {
        scenarios::refuse_writes(scenarios)?;
    }
    let timeout = scenarios.iter().find_map(|(_, scenario)| scenario.conditions.timeout_ms);
    let target = |url: &str| -> Result<Target, Failure> {
        Ok(Target::from_url(url).map_err(Failure::usage)?.with(!arguments.allow_writes, timeout))
    };
    let control = arguments.before.get(1).map(|url| target(url)).transpose()?;
    let given = Given { before: target(&arguments.before[0])?, control, after: target(after)? };
    let change = Change::Given(Box::new(given));
    let scenarios = scenarios::at(scenarios, None, |_| None)?;
    Ok(Inputs { change, spec, scenarios: [scenarios.clone(), scenarios], policy })
}

/// Parses spec and scenarios; mistakes of all files are shown together.
fn parse_files(spec: Option<&Path>, scenarios: &[PathBuf]) -> Result<(Option<SourceFile>, Vec<Placed>), Failure> {
    let mut drawn = Vec::new();
    let spec = spec.and_then(|spec| SourceFile::read(spec).map_err(|e| drawn.push(e.message().draw("error"))).ok());
    if let Some(file) = &spec
        && let Err(problems) = parse_spec(&file.text)
    {
        drawn.push(file.clone().problems(problems).draw());
    }
    let parsed = scenarios::read(scenarios, &mut drawn);
    if drawn.is_empty() { Ok((spec, parsed)) } else { Err(Failure::usage(Message::drawn(drawn.join("\n\n")))) }
}
