//! `weighbridge prove`: settings from flags and file, the trial, what is printed and what is kept.
//!
//! Must leave no clone behind and lose no measured chunk, however it ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::exit::{ExitStatus, Failure};
use super::experiment::{self, Length};
use super::interrupt::interrupted;
use super::progress::Progress;
use super::project::{self, Project};
use super::server::Running;
use super::{Embedded, Format, report};
use crate::clock;
use crate::compare::{Verdict, compare};
use crate::diagnostic::SourceFile;
use crate::evidence::store::{ResultFolder, StoreError};
use crate::evidence::{Evidence, Interleave};
use crate::expression::Node;
use crate::expression::parse::parse;
use crate::migrate::Directory;
use crate::postgres::Target;
use crate::postgres::database::{Admin, Token};
use crate::scenario::Scenario;
use crate::scenario::action::parse_margin;
use crate::seed::spec::parse_spec;
use crate::trial::{Dataset, Event, Settings, TrialError, prove};
use crate::units::Seed;

const EXAMPLES: &str = "\
Examples:
  weighbridge prove                          the newest migration, on the embedded server
  weighbridge prove 0002                     the migration with this number
  weighbridge prove 0004..0006               several as one change
  weighbridge prove 0002 --format markdown   for a pull request
  weighbridge prove --counts-only            no load: blocks, rows, WAL, plans and answers of single operations
  weighbridge prove --chunks 64              more chunks, to decide finer differences
  weighbridge prove --precision 2%           goes on until every interval is that narrow
  weighbridge prove --replicates 4           on four sets of clones: claims finer than one clone's luck
  weighbridge prove --resume results/…       goes on where a proof ended undecided
  weighbridge prove --url postgresql://me@localhost:5432/postgres
                                             on a server of yours: clones are made there and dropped again";

/// What `prove` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The migration to weigh: number, name, or FIRST..LAST [default: the last one]
    migration: Option<String>,
    /// The project file
    #[arg(long, value_name = "FILE", help_heading = "Project")]
    config: Option<PathBuf>,
    /// Folder of migrations
    #[arg(long, value_name = "DIR", help_heading = "Project")]
    migrations: Option<PathBuf>,
    /// Dataset spec
    #[arg(long, value_name = "FILE", help_heading = "Project")]
    spec: Option<PathBuf>,
    /// Scenario; may be given several times
    #[arg(long = "scenario", value_name = "FILE", help_heading = "Project")]
    scenarios: Vec<PathBuf>,
    /// The migration the data is filled at; later ones run over the data
    #[arg(long, value_name = "MIGRATION", help_heading = "Project")]
    at: Option<String>,
    /// Accept migrations without a file that reverts them
    #[arg(long, help_heading = "Project")]
    forward_only: bool,
    /// Size of the dataset, as a factor of its spec
    #[arg(long, help_heading = "Dataset")]
    scale: Option<f64>,
    /// Names rows, parameters, arrivals and the order of slices
    #[arg(long, help_heading = "Dataset")]
    seed: Option<u64>,
    /// Connections that load the dataset [default: one per processor, 4 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "Dataset")]
    loaders: Option<u16>,
    /// Changes smaller than this count as the same, such as 5%
    #[arg(long, value_parser = margin, help_heading = "Experiment")]
    margin: Option<f64>,
    /// Chunks to measure at most; after 8, 16, 32 and 64 it ends if every action is decided, or no more would help [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512), help_heading = "Experiment")]
    chunks: Option<u32>,
    /// Goes on with an experiment that ended undecided, with the margins, seed and looks it was begun with
    #[arg(long, value_name = "RESULT", conflicts_with_all = ["seed", "margin", "rounds", "slice", "counts_only", "threads", "interleave", "precision", "replicates"], help_heading = "Experiment")]
    resume: Option<PathBuf>,
    /// No load: compares what single operations cost and answer on idle clones; the same on every run over one dataset
    #[arg(long, conflicts_with_all = ["chunks", "rounds", "slice", "interleave", "precision", "replicates"], help_heading = "Experiment")]
    counts_only: bool,
    /// Sets of parameters each action is counted with
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Experiment")]
    sets: u32,
    /// Hides each index of the migrated side in turn, and says which the actions need
    #[arg(long, help_heading = "Experiment")]
    ablate: bool,
    /// How the sides take turns [default: slice, or block where the sides do not fit into the cache together or mostly write]
    #[arg(long, value_enum, help_heading = "Experiment")]
    interleave: Option<Turns>,
    /// Ends when every interval of 95 % is this narrow on both sides, such as 2%, instead of at the planned looks [chunks: 64 at most]
    #[arg(long, value_parser = margin, help_heading = "Experiment")]
    precision: Option<f64>,
    /// Sets of clones, each with statistics of its own; verdicts then rest on what the sets have in common
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(3..=12), conflicts_with = "precision", help_heading = "Experiment")]
    replicates: Option<u32>,
    /// Keeps the mix as it is, even where an action that changed has too few operations to be decided
    #[arg(long, help_heading = "Experiment")]
    no_focus: bool,
    /// Slices of each side in a chunk; even, so that every order is run backwards too [default: 6, or 2 blocks]
    #[arg(long, value_parser = even, help_heading = "Experiment")]
    rounds: Option<u32>,
    /// Length of a slice, such as 1s or 500ms [default: 1s, or 10s for a block]
    #[arg(long, value_parser = slice, help_heading = "Experiment")]
    slice: Option<Duration>,
    /// Threads of the load driver [default: one for every four processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Experiment")]
    threads: Option<u16>,
    /// A server to make clones on, instead of the embedded one; the role needs CREATEDB
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// Folder for results
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    results: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
}

/// How the sides take turns, as a flag.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Turns {
    /// About a second each: cancels the machine's drift
    Slice,
    /// Every operation on every side, in random order: the most precise, but nothing is learned of saturation
    Op,
    /// Ten seconds each, after a checkpoint and a warm-up: for caches that do not hold all sides, and for what writing costs
    Block,
}

impl From<Turns> for Interleave {
    fn from(turns: Turns) -> Self {
        match turns {
            Turns::Slice => Self::Slice,
            Turns::Op => Self::Op,
            Turns::Block => Self::Block,
        }
    }
}

/// One thread of the driver for every four processors: the rest is the server's.
pub(super) fn default_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 4).max(1)
}

fn margin(text: &str) -> Result<f64, String> {
    parse_margin(text).ok_or_else(|| "write a share such as 5%, above 0% and below 100%".to_owned())
}

fn even(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(rounds) if rounds % 2 == 0 && (2..=100).contains(&rounds) => Ok(rounds),
        _ => Err("write an even number from 2 to 100".to_owned()),
    }
}

fn slice(text: &str) -> Result<Duration, String> {
    match parse(text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if (50_000..=60_000_000).contains(&micros) => {
            Ok(Duration::from_micros(micros as u64))
        }
        _ => Err("write a duration from 50ms to 60s".to_owned()),
    }
}

/// Everything that was found in files, before a server is needed.
struct Inputs {
    directory: Directory,
    at: usize,
    weighed: std::ops::RangeInclusive<usize>,
    spec: SourceFile,
    /// As the application asks before the migration, and after.
    scenarios: [Vec<(SourceFile, Scenario)>; 2],
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    let resumed = experiment::resumed(arguments.resume.as_deref(), &arguments.results)?;
    let length = match arguments.counts_only {
        true => Length { chunks: 0, looks: Vec::new() },
        false => Length::new(arguments.chunks, (arguments.precision, arguments.replicates), resumed.as_ref())?,
    };
    let inputs = read_inputs(&arguments, &project)?;
    let progress = Arc::new(Progress::new(quiet));
    let label = inputs.directory.migrations[*inputs.weighed.start()].label.clone();
    let time = clock::wall().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    // Made before the work, so that a place that cannot be written fails early.
    let folder = ResultFolder::create(&arguments.results, &time, &label).map_err(Failure::environment)?;
    let saver = Arc::new(Saver { folder, error: Mutex::new(None) });

    let work = measure(&arguments, &project, embedded, (inputs, length, resumed), &progress, &saver);
    let outcome = work.await;
    progress.finish();
    saver.folder.remove_if_empty();
    let (evidence, interrupted) = outcome?;
    let (Some(evidence), false) = (evidence, interrupted) else { return Ok(ExitStatus::Interrupted) };
    report::print(&evidence, arguments.format)?;
    if arguments.format == Format::Text {
        let files = "report.md · trial.json · chunks.hlog";
        report::say(&format!("  evidence  {}/   {files}\n", saver.folder.path.display()))?;
    }
    saver.failed()?;
    Ok(match compare(&evidence).verdict {
        Verdict::Improved | Verdict::Same => ExitStatus::Ok,
        Verdict::Regressed => ExitStatus::Regressed,
        Verdict::Inconclusive | Verdict::Invalid => ExitStatus::Inconclusive,
    })
}

/// Holds the trial on a server that is there for its duration, and cleans up however it ends.
async fn measure(
    arguments: &Arguments,
    project: &Project,
    embedded: &Embedded,
    asked: (Inputs, Length, Option<Evidence>),
    progress: &Arc<Progress>,
    saver: &Arc<Saver>,
) -> Result<(Option<Evidence>, bool), Failure> {
    let url = arguments.url.as_deref().or(project.url.as_deref());
    let mut running = None;
    let target = match url {
        Some(url) => Target::from_url(url).map_err(Failure::usage)?,
        None => {
            let tell = |text: &str| progress.line(text);
            let server = tokio::select! {
                server = Running::acquire(embedded, tell) => server?,
                // Until it is our turn the server is another program's, and nothing of it is ours to stop.
                () = interrupted() => return Ok((None, true)),
            };
            let started = tokio::select! {
                target = server.start(tell) => Some(target),
                () = interrupted() => None,
            };
            let Some(target) = started else {
                server.stop_soon().await;
                return Ok((None, true));
            };
            running = Some(server);
            target?
        }
    };
    let settings = settings(arguments, project, asked, target, url.is_none(), progress, saver);
    let token = Token::fresh();
    let result = tokio::select! {
        result = prove(&settings, &token) => Some(result),
        () = interrupted() => None,
    };
    let outcome = match result {
        Some(Ok(evidence)) => {
            saver.keep(&evidence);
            clean_up(&settings.target, &token, progress).await;
            Ok((Some(evidence), false))
        }
        Some(Err(error)) => {
            clean_up(&settings.target, &token, progress).await;
            Err(classify(error))
        }
        None => {
            let limit = Duration::from_millis(1_500);
            if tokio::time::timeout(limit, clean_up(&settings.target, &token, progress)).await.is_err() {
                progress.line("not all clones could be dropped in time; the next run on this server removes them");
            }
            progress.line(&saver.what_is_kept());
            Ok((None, true))
        }
    };
    if let Some(server) = running {
        if matches!(outcome, Ok((None, true))) {
            server.stop_soon().await;
        } else if let Err(failure) = server.finish().await {
            progress.line(&format!("the embedded server was not stopped: {:#}", failure.error));
        }
    }
    outcome
}

/// Drops every database of this run; says which are left if the server refuses.
async fn clean_up(target: &Target, token: &Token, progress: &Progress) {
    let work = async {
        let mut admin = Admin::connect(&target.named("weighbridge cleanup")).await?;
        admin.end_sessions(&token.application(), "").await?;
        for name in admin.databases_of(token).await? {
            admin.drop_database(&name).await?;
        }
        admin.close().await;
        Ok::<(), crate::postgres::Error>(())
    };
    if let Err(error) = work.await {
        progress.line(&format!(
            "databases called weighbridge_*_ may be left ({error}); the next run on this server removes them"
        ));
    }
}

fn classify(error: TrialError) -> Failure {
    if error.is_input() { Failure::usage(error) } else { Failure::environment(error) }
}

fn settings(
    arguments: &Arguments,
    project: &Project,
    (inputs, length, resumed): (Inputs, Length, Option<Evidence>),
    target: Target,
    embedded: bool,
    progress: &Arc<Progress>,
    saver: &Arc<Saver>,
) -> Settings {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (progress, saver) = (Arc::clone(progress), Arc::clone(saver));
    let of_earlier = |of: fn(&Evidence) -> f64| resumed.as_ref().map(of);
    let of_earlier_seed = resumed.as_ref().map(|earlier| earlier.dataset.seed);
    let (most, results) = (length.chunks, arguments.results.clone());
    Settings {
        target,
        embedded,
        dataset: Dataset {
            directory: inputs.directory,
            at: inputs.at,
            weighed: inputs.weighed,
            loader_connections: arguments.loaders.map_or(processors.clamp(1, 4), usize::from),
            replicates: arguments.replicates.unwrap_or(1),
        },
        spec: inputs.spec,
        scale: of_earlier(|e| e.dataset.scale).or(arguments.scale).or(project.scale).unwrap_or(1.0),
        seed: Seed(of_earlier_seed.or(arguments.seed).or(project.seed).unwrap_or(42)),
        scenarios: inputs.scenarios,
        margin: of_earlier(|e| e.design.margin).or(arguments.margin).or(project.margin).unwrap_or(0.05),
        chunks: most,
        looks: length.looks,
        enough: Arc::new(move |evidence| experiment::enough(evidence, most)),
        attempts: Arc::new(move |evidence| experiment::attempt(&results, evidence)),
        sets: arguments.sets,
        ablate: arguments.ablate,
        focus: !arguments.no_focus,
        precision: resumed.as_ref().map_or(arguments.precision, |e| e.design.precision),
        interleave: resumed.as_ref().map(|e| e.design.interleave).or(arguments.interleave.map(Interleave::from)),
        rounds: resumed.as_ref().map(|e| e.design.rounds_per_chunk).or(arguments.rounds),
        slice: resumed.as_ref().map(|e| Duration::from_millis(e.design.slice_ms)).or(arguments.slice),
        threads: of_earlier(|e| f64::from(e.design.driver_threads))
            .map(|threads| threads as usize)
            .or(arguments.threads.map(usize::from))
            .unwrap_or_else(default_threads),
        resumed,
        listener: Arc::new(move |event| {
            if let Event::Chunk(evidence) = &event {
                saver.keep(evidence);
            }
            progress.event(&event);
        }),
    }
}

fn read_inputs(arguments: &Arguments, project: &Project) -> Result<Inputs, Failure> {
    if arguments.scale.is_some_and(|scale| scale <= 0.0 || !scale.is_finite()) {
        return Err(Failure::usage(anyhow::anyhow!("--scale must be above 0")));
    }
    let of_project = |path: &Option<PathBuf>| path.as_ref().map(|path| project.root.join(path));
    let missing = |what: &str, flag: &str| {
        Failure::usage(anyhow::anyhow!(
            "no {what} was named\n  = help: name it with {flag}, or in weighbridge.toml in the current folder"
        ))
    };
    let spec = arguments
        .spec
        .clone()
        .or_else(|| of_project(&project.spec))
        .ok_or_else(|| missing("dataset spec", "--spec"))?;
    let scenarios: Vec<PathBuf> = if arguments.scenarios.is_empty() {
        project.scenarios.iter().map(|path| project.root.join(path)).collect()
    } else {
        arguments.scenarios.clone()
    };
    if scenarios.is_empty() {
        return Err(missing("scenario", "--scenario"));
    }
    let folder = arguments.migrations.clone().unwrap_or_else(|| project.migrations_folder());
    let directory = Directory::read(&folder).map_err(Failure::usage)?;
    let weighed = directory.select(arguments.migration.as_deref()).map_err(Failure::usage)?;
    let at = match arguments.at.as_deref().or(project.at.as_deref()) {
        Some(at) => directory.position(at).map_err(Failure::usage)?,
        None => weighed.start().saturating_sub(1),
    };
    if *weighed.start() <= at {
        let (label, at) = (&directory.migrations[*weighed.start()].label, &directory.migrations[at].label);
        return Err(Failure::usage(anyhow::anyhow!(
            "{label} cannot be weighed: the dataset is filled at {at}, with {label} already in the schema\n  = help: \
             weigh a later migration, or fill the data earlier with --at"
        )));
    }
    if !arguments.forward_only {
        for migration in &directory.migrations[weighed.clone()] {
            migration.check_down().map_err(Failure::usage)?;
        }
    }
    let (spec, scenarios) = parse_files(&spec, &scenarios)?;
    let position = |name: &str| directory.position(name).ok();
    let (before, after) = (weighed.start().saturating_sub(1), *weighed.end());
    let as_of = |at: usize| super::scenarios::at(&scenarios, Some(at), position);
    let scenarios = [as_of(before)?, as_of(after)?];
    Ok(Inputs { directory, at, weighed, spec, scenarios })
}

/// Parses spec and scenarios; mistakes of all files are shown together.
fn parse_files(spec: &Path, scenarios: &[PathBuf]) -> Result<(SourceFile, Vec<(SourceFile, Scenario)>), Failure> {
    let mut drawn = Vec::new();
    let spec_file = SourceFile::read(spec).map_err(|e| drawn.push(e.to_string())).ok();
    if let Some(file) = &spec_file
        && let Err(problems) = parse_spec(&file.text)
    {
        drawn.push(file.clone().problems(problems).draw());
    }
    let parsed = super::scenarios::read(scenarios, &mut drawn);
    match spec_file {
        Some(file) if drawn.is_empty() => Ok((file, parsed)),
        _ => Err(Failure::usage(anyhow::anyhow!(drawn.join("\n\n")))),
    }
}

/// Keeps what was measured, chunk by chunk, so that nothing is lost however the program ends.
struct Saver {
    folder: ResultFolder,
    error: Mutex<Option<StoreError>>,
}

impl Saver {
    fn keep(&self, evidence: &Evidence) {
        *self.error.lock().expect("no holder panics") = self.save(evidence).err();
    }

    /// `chunks.hlog` first: a `trial.json` always finds its histograms.
    fn save(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let comparison = compare(evidence);
        self.folder.write_histograms(evidence)?;
        self.folder.write("trial.json", &report::render(evidence, &comparison, Format::Json))?;
        self.folder.write("report.md", &report::render(evidence, &comparison, Format::Markdown))
    }

    fn failed(&self) -> Result<(), Failure> {
        match self.error.lock().expect("no holder panics").take() {
            Some(error) => Err(Failure::environment(error)),
            None => Ok(()),
        }
    }

    fn what_is_kept(&self) -> String {
        if self.folder.path.join("trial.json").exists() {
            format!("interrupted; the chunks measured so far are in {}", self.folder.path.display())
        } else {
            "interrupted before the first chunk; nothing was measured".to_owned()
        }
    }
}
