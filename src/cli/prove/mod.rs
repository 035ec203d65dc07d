//! `weighbridge prove`: the trial, what is printed, what is kept, what is cleaned up.
//!
//! Must leave no clone and no applied migration behind and lose no measured chunk, however it ends.

mod cleanup;
mod first_steps;
mod inputs;
mod kept;
mod made;
mod repeat;
mod saver;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cleanup::{clean_up_soon, clean_up_unless_asked, servers, what_is_left};
use inputs::{Inputs, settings};
pub(super) use made::Made;
use repeat::Told;
use saver::Saver;

use super::added::DiffFlag;
use super::address::warn_of_passwords;
use super::change::ChangeFlags;
use super::exit::{ExitStatus, Failure};
use super::gates::Condition;
use super::interrupt::interrupted;
use super::layout::LayoutFlags;
use super::progress::Progress;
use super::project::{self, Project};
use super::render::print_trial;
use super::server::Running;
use super::{Embedded, Format, report};
use crate::clock;
use crate::compare::compare;
use crate::compare::gates::Outcome;
use crate::diagnostic::{Advice, Message};
use crate::evidence::design::MOST_REPLICATES;
use crate::evidence::store::ResultFolder;
use crate::evidence::{Evidence, Interleave};
use crate::experiment::{Asked, ExperimentError, Length, Mark, Settings, prove, read_resumed};
use crate::expression::Node;
use crate::expression::parse::parse;
use crate::postgres::Target;
use crate::postgres::database::Token;
use crate::postgres::liveness::until_silent;
use crate::scenario::action::parse_margin;
use crate::trial::Subject;
use crate::trial::subject::in_place::FEWEST_CYCLES;

const EXAMPLES: &str = "\
Migrations: the files of sqlx, golang-migrate, goose, dbmate, Flyway, Prisma, Diesel, refinery, Drizzle, Hasura,
Supabase,
node-pg-migrate, Liquibase, or numbered SQL, each sent as its tool sends it: `weighbridge migrate list` shows how. With
sqlx a file is one transaction, unless its very first bytes are `-- no-transaction` (docs/formats/migrations.md).

Examples:
  weighbridge prove                          the newest migration, on the embedded server
  weighbridge prove 0002                     the migration with this number
  weighbridge prove 0004..0006               several as one change
  weighbridge prove --git-diff origin/main   those that this branch adds
  weighbridge prove 0002 --format markdown   for a pull request
  weighbridge prove --quick                  counts and isolated timing, no load: decides most changes within a minute
  weighbridge prove --counts-only            no load: blocks, rows, WAL, plans and answers of single operations
  weighbridge prove --chunks 64              more chunks, to decide finer differences
  weighbridge prove --precision 2%           goes on until every interval is that narrow
  weighbridge prove --replicates 4           on four sets of clones: claims finer than one clone's variance
  weighbridge prove --resume results/…       goes on where a proof ended undecided
  weighbridge prove --url postgresql://me@localhost:5432/postgres
                                             on a server of yours: clones are made there and dropped again
  weighbridge prove --before postgresql://localhost/app --before postgresql://localhost/app_2 --after \
                    postgresql://localhost/app_new
                                             on databases of yours, which are only read; the second --before is the \
                                             control
  weighbridge prove --schema structure.sql --change 'CREATE INDEX ON orders (user_id)' --scenario scenario.toml
                                             without a folder of migrations: a schema and an idea
  weighbridge prove 0002 --in-place --url postgresql://localhost/staging --allow-writes
                                             on one database, where clones are impossible: applied and reverted in \
                                             turns";

/// Flags of `prove`.
#[derive(Debug, clap::Args)]
// The last of a flag counts, so that a script's flags can be given again behind them.
#[command(after_help = EXAMPLES, args_override_self = true)]
pub(super) struct Arguments {
    /// The migration to prove: number, name, or FIRST..LAST [default: the last one]
    #[arg(conflicts_with = "git_diff")]
    migration: Option<String>,
    #[command(flatten)]
    added: DiffFlag,
    /// The project file
    #[arg(long, value_name = "FILE", help_heading = "Project")]
    config: Option<PathBuf>,
    /// Folder of migrations
    #[arg(long, value_name = "DIR", help_heading = "Project")]
    migrations: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutFlags,
    #[command(flatten)]
    change: ChangeFlags,
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
    /// Rows of each table where no spec says how many, at scale 1
    #[arg(
        long, value_name = "N", default_value_t = INFERRED_ROWS, value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Dataset",
    )]
    rows: u64,
    /// Names rows, parameters, arrivals and the order of slices
    #[arg(long, help_heading = "Dataset")]
    seed: Option<u64>,
    /// Connections that load the dataset [default: one per processor, 4 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "Dataset")]
    loaders: Option<u16>,
    /// Changes smaller than this count as the same, such as 5%
    #[arg(long, value_parser = margin, help_heading = "Experiment")]
    margin: Option<f64>,
    /// Chunks to measure at most; after 8, 16, 32 and 64 it ends if every action is decided, or no more would help
    /// [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512), help_heading = "Experiment")]
    chunks: Option<u32>,
    /// Goes on with an experiment that ended undecided, with the margins, seed and looks it was begun with
    #[arg(
        long, value_name = "RESULT",
        conflicts_with_all = [
            "seed", "margin", "rounds", "slice", "counts_only", "threads", "interleave", "precision", "replicates",
        ],
        help_heading = "Experiment",
    )]
    resume: Option<PathBuf>,
    /// No load: compares what single operations cost and answer on idle clones; the same on every run but for tables
    /// that are analyzed again
    #[arg(
        long, conflicts_with_all = ["chunks", "rounds", "slice", "interleave", "precision", "replicates"],
        help_heading = "Experiment",
    )]
    counts_only: bool,
    /// Counts and isolated timing, no load: for pull requests, a minute or five seconds an action
    #[arg(
        long, conflicts_with_all = ["counts_only", "chunks", "rounds", "slice", "interleave", "precision", "resume"],
        help_heading = "Experiment",
    )]
    quick: bool,
    /// Leaves isolated timing out: verdicts rest on counts and on the load
    #[arg(long, conflicts_with_all = ["counts_only", "quick"], help_heading = "Experiment")]
    no_isolated: bool,
    /// Sets of parameters each action is executed with for the counts; 256 are planned, and up to 8 more are executed
    /// that the planner treats otherwise
    #[arg(
        long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000),
        help_heading = "Experiment",
    )]
    sets: u32,
    /// Hides each index of the migrated side in turn, and says which the actions need
    #[arg(long, help_heading = "Experiment")]
    ablate: bool,
    /// How the sides take turns [default: slice, or block where the sides do not fit into the cache together or mostly
    /// write]
    #[arg(long, value_enum, help_heading = "Experiment")]
    interleave: Option<Turns>,
    /// Ends when every interval of 95 % is this narrow on both sides, such as 2%, instead of at the planned looks
    /// [chunks: 64 at most]
    #[arg(long, value_parser = margin, help_heading = "Experiment")]
    precision: Option<f64>,
    /// Sets of clones, each with statistics of its own; verdicts then rest on what the sets have in common
    #[arg(
        long, value_name = "K", value_parser = clap::value_parser!(u32).range(3..=i64::from(MOST_REPLICATES)),
        conflicts_with = "precision", help_heading = "Experiment",
    )]
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
    /// A server to make clones on, instead of the embedded one, where the role needs CREATEDB; or the database for
    /// --in-place
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// A database without the change, which is only read; given twice, the second is the control
    #[arg(
        long, value_name = "URL", requires = "after",
        conflicts_with_all = [
            "migration", "git_diff", "url", "migrations", "at", "loaders", "replicates", "ablate", "in_place",
            "forward_only",
        ],
        help_heading = "Server",
    )]
    before: Vec<String>,
    /// A database with the change
    #[arg(long, value_name = "URL", requires = "before", help_heading = "Server")]
    after: Option<String>,
    /// The role that asks, as the application does (SET ROLE): its privileges and row-level security are then part of
    /// what is measured
    #[arg(long, value_name = "ROLE", value_parser = crate::cli::run::role, help_heading = "Server")]
    role: Option<String>,
    /// Applies and reverts the migration in turns on the database of --url, where clones are impossible; needs
    /// --allow-writes [chunks: 16 cycles]
    #[arg(
        long, requires_all = ["url", "allow_writes"],
        conflicts_with_all = ["at", "loaders", "replicates", "ablate", "interleave", "rounds", "forward_only"],
        help_heading = "Server",
    )]
    in_place: bool,
    /// Permits scenarios and migrations to write to databases that were given
    #[arg(long, help_heading = "Server")]
    allow_writes: bool,
    /// A condition on `after` under load, such as 'payment_history.p95 < 20ms', or the id of a finding that fails;
    /// may be given several times
    #[arg(long = "gate", value_name = "GATE", value_parser = Condition::read, help_heading = "Gates")]
    gates: Vec<Condition>,
    /// Folder for results
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    results: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
    /// Prints every number instead of the summary
    #[arg(long, help_heading = "Output")]
    detail: bool,
    /// What another verb made in place of files.
    #[arg(skip)]
    made: Option<Made>,
}

impl Arguments {
    /// The flags of a proof of what another verb made.
    ///
    /// # Errors
    /// When a flag has no such value.
    pub(super) fn of(flags: &[String], made: Made) -> Result<Self, Failure> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("prove").no_binary_name(true));
        let read = command.try_get_matches_from(flags);
        let read = read.and_then(|matches| <Self as clap::FromArgMatches>::from_arg_matches(&matches));
        let arguments = read.map_err(|error| Failure::usage(Message::new(error.to_string())))?;
        Ok(Self { made: Some(made), ..arguments })
    }
}

/// Rows of each table where no spec says how many, at scale 1.
pub(super) const INFERRED_ROWS: u64 = 10_000;

/// How the sides take turns, as a flag.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Turns {
    /// About a second each: cancels the machine's drift
    Slice,
    /// Every operation on every side, in random order: the most precise, but nothing is learned of saturation
    Op,
    /// Ten seconds each, after a checkpoint and a warm-up: for caches that do not hold all sides, and for what writing
    /// costs
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

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    // A project's own spec, scenarios and gates have no part in what another verb made.
    let project = match arguments.made.is_some() {
        true => Project::default(),
        false => project::read(arguments.config.as_deref())?,
    };
    let resumed = arguments.resume.as_ref().map(|path| read_resumed(path, &arguments.results));
    let resumed = resumed.transpose().map_err(classify)?;
    let Arguments { chunks, precision, replicates, .. } = arguments;
    let length = match arguments.counts_only || arguments.quick {
        true => Length::none(),
        false => Length::new(&Asked { chunks, precision, replicates }, resumed.as_ref()).map_err(classify)?,
    };
    check_flags(&arguments, &length)?;
    let progress = Arc::new(Progress::new(quiet));
    let Some(inputs) = inputs::read(&arguments, &project, embedded, &progress)? else { return Ok(ExitStatus::Ok) };
    let before = arguments.before.iter().map(|url| ("--before", url));
    let others = [("--url", &arguments.url), ("--after", &arguments.after)];
    let others = others.into_iter().filter_map(|(flag, url)| Some((flag, url.as_ref()?)));
    warn_of_passwords(&progress, before.chain(others));
    inputs.warnings().iter().for_each(|warning| progress.line(&warning.message().draw("warning")));
    let label = inputs.label();
    let time = clock::wall().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    // Made before the work, so that a place that cannot be written fails early.
    let folder = ResultFolder::create(&arguments.results, &time, &label).map_err(Failure::environment)?;
    let mark = arguments.resume.as_ref().map(|resumed| Mark::new(resumed, &folder.path)).transpose();
    let mark = mark.inspect_err(|_| folder.remove_if_empty()).map_err(classify)?;
    let saver = Arc::new(Saver::new(folder, mark, inputs.files(), &progress));
    let named = inputs.named_scenarios();

    let told = Told { arguments: &arguments, embedded, scenarios: &named };
    let work = measure(told, &project, (inputs, length, resumed), &progress, &saver);
    let outcome = work.await;
    progress.finish();
    saver.folder.remove_if_empty();
    if !saver.folder.path.exists() {
        saver.mark.iter().for_each(Mark::take_back);
    }
    let (evidence, interrupted) = outcome.map_err(|failure| match saver.kept() {
        Some(kept) => Failure { error: failure.error.then(kept), ..failure },
        None => failure,
    })?;
    let (Some(evidence), false) = (evidence, interrupted) else { return Ok(ExitStatus::Interrupted) };
    let kept_page = saver.keep_page(&evidence);
    print_trial(&evidence, arguments.format, arguments.detail, &saver.folder.path)?;
    if arguments.format == Format::Text {
        report::say_files(&saver.folder.path, &["report.html", "report.md", "trial.json", "chunks.hlog", "inputs/"])?;
    }
    saver.failed()?;
    kept_page?;
    Ok(match compare(&evidence).outcome() {
        Outcome::Passed => ExitStatus::Ok,
        Outcome::Failed => ExitStatus::Regressed,
        Outcome::Open => ExitStatus::Inconclusive,
    })
}

/// What flags say together that none of them says alone.
fn check_flags(arguments: &Arguments, length: &Length) -> Result<(), Failure> {
    if 2 < arguments.before.len() {
        return Err(Failure::usage(
            Message::new(format!(
                "there are {} databases without the change, and two are measured",
                arguments.before.len()
            ))
            .help("give --before once, or twice for a control"),
        ));
    }
    if arguments.in_place && !arguments.counts_only && !arguments.quick && length.chunks < FEWEST_CYCLES {
        return Err(Failure::usage(
            Message::new(format!("in place it takes at least {FEWEST_CYCLES} cycles, and 8 for a verdict"))
                .help("write --chunks 8"),
        ));
    }
    Ok(())
}

/// Holds the trial, and cleans up however it ends.
async fn measure(
    told: Told<'_>,
    project: &Project,
    (inputs, length, resumed): (Inputs, Length, Option<Evidence>),
    progress: &Arc<Progress>,
    saver: &Arc<Saver>,
) -> Result<(Option<Evidence>, bool), Failure> {
    let Told { arguments, embedded, .. } = told;
    let url = arguments.url.as_deref().or(project.url.as_deref());
    let own = match url {
        None if inputs.needs_clones() => match start(embedded, progress).await? {
            Some(own) => Some(own),
            None => return Ok((None, true)),
        },
        _ => None,
    };
    let (running, server) = match (own, url) {
        (Some((running, target)), _) => (Some(running), Some((target, true))),
        (None, Some(url)) => (None, Some((Target::from_url(url).map_err(Failure::usage)?, false))),
        (None, None) => (None, None),
    };
    let settings = settings(arguments, project, inputs, (length, resumed), server, (progress, saver))?;
    saver.add_script(repeat::script(&told, &settings));
    let outcome = hold(&settings, progress, saver).await;
    let outcome = outcome.map_err(|failure| match &running {
        Some(server) => server.explained(failure),
        None => failure,
    });
    if let Some(server) = running {
        if matches!(outcome, Ok((None, true))) {
            server.stop_soon().await;
        } else if let Err(failure) = server.finish().await {
            progress.line(&format!("the embedded server was not stopped: {:#}", failure.error));
        }
    }
    outcome
}

/// The embedded server for the duration of the trial; nothing when it was interrupted.
async fn start(embedded: &Embedded, progress: &Progress) -> Result<Option<(Running, Target)>, Failure> {
    let tell = |text: &str| progress.line(text);
    let server = tokio::select! {
        server = Running::acquire(embedded, tell) => server?,
        // Until it is our turn the server is another program's, and nothing of it is ours to stop.
        () = interrupted() => return Ok(None),
    };
    let started = tokio::select! {
        target = server.start(tell) => Some(target),
        () = interrupted() => None,
    };
    match started {
        Some(target) => Ok(Some((server, target?))),
        None => {
            server.stop_soon().await;
            Ok(None)
        }
    }
}

/// The trial itself, on servers that are there.
async fn hold(
    settings: &Settings,
    progress: &Arc<Progress>,
    saver: &Arc<Saver>,
) -> Result<(Option<Evidence>, bool), Failure> {
    let token = Token::fresh();
    let _left = what_is_left(&settings.trial, &token);
    let servers = servers(&settings.trial);
    let result = tokio::select! {
        result = prove(settings, &token) => Some(result),
        () = interrupted() => None,
        silence = until_silent(&servers) => {
            clean_up_soon(&settings.trial, &token, progress).await;
            return Err(Failure::environment(silence));
        }
    };
    match result {
        Some(Ok(evidence)) => {
            saver.keep(&evidence);
            clean_up_unless_asked(&settings.trial, &token, progress).await;
            Ok((Some(evidence), false))
        }
        Some(Err(error)) => {
            // In place it has been reverted, or the error says what is left.
            let in_place = matches!(settings.trial.subject, Subject::InPlace(_));
            if !in_place && servers.iter().any(Target::is_known) {
                clean_up_unless_asked(&settings.trial, &token, progress).await;
            }
            Err(classify(error))
        }
        None => {
            clean_up_soon(&settings.trial, &token, progress).await;
            let kept = saver.kept().unwrap_or_else(|| Message::new("no chunk was measured"));
            progress.line(&format!("interrupted; {}", kept.body()));
            Ok((None, true))
        }
    }
}

fn classify(error: ExperimentError) -> Failure {
    if error.is_input() { Failure::usage(error) } else { Failure::environment(error) }
}
