//! `weighbridge migrate check`: can migrations be applied and reverted, and what do they lock. Must leave no clone,
//! however it ends.

use std::path::PathBuf;
use std::sync::Arc;

use super::Arguments as Common;
use crate::check::{Base, Check, check, clean_up, new_roles};
use crate::cli::added::DiffFlag;
use crate::cli::change::ChangeFlags;
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::interrupt::{interrupted, left};
use crate::cli::progress::Progress;
use crate::cli::project::Project;
use crate::cli::render::{CheckFormat as Format, print_check};
use crate::cli::server::on_server;
use crate::cli::{Embedded, scenarios};
use crate::compare::round_trip::{fails, findings};
use crate::diagnostic::{Advice, Message, SourceFile};
use crate::migrate::{Directory, base};
use crate::postgres::Target;
use crate::postgres::database::Token;
use crate::report::round_trip::Checked;
use crate::seed::spec::parse_spec;
use crate::trial::{self, Dataset, Subject};
use crate::units::Seed;

const EXAMPLES: &str = "\
Examples:
  weighbridge migrate check                       the newest migration
  weighbridge migrate check 0004..0006            several, each by itself and as one
  weighbridge migrate check --git-diff main       those that this branch adds
  weighbridge migrate check --schema structure.sql --change 'ALTER TABLE t ADD c int' --revert 'ALTER TABLE t DROP c'

Exit codes: 0 every migration reverts and no hazard was confirmed, 1 one does not or one was.";

/// What `migrate check` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The migration: version, name, or FIRST..LAST [default: the last one]
    #[arg(conflicts_with = "git_diff")]
    range: Option<String>,
    #[command(flatten)]
    change: ChangeFlags,
    #[command(flatten)]
    added: DiffFlag,
    /// A file that reverts the migration, where the layout has none
    #[arg(long, value_name = "FILE", help_heading = "Project")]
    down: Option<PathBuf>,
    /// Dataset spec [default: that of the project; without one everything comes from the catalog]
    #[arg(long, value_name = "FILE", help_heading = "Dataset")]
    spec: Option<PathBuf>,
    /// Rows of each table when there is no spec
    #[arg(long, default_value_t = 1_000, help_heading = "Dataset")]
    rows: u64,
    /// Size of the dataset, as a factor of its spec
    #[arg(long, help_heading = "Dataset")]
    scale: Option<f64>,
    /// Scenario whose statements are asked on the new schema; may be given several times
    #[arg(long = "scenario", value_name = "FILE", help_heading = "Project")]
    scenarios: Vec<PathBuf>,
    /// A server to make clones on, instead of the embedded one
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
}

pub(super) async fn run(
    own: Arguments,
    common: &Common,
    project: &Project,
    (embedded, quiet): (&Embedded, bool),
) -> Result<ExitStatus, Failure> {
    let folder = (common.migrations.as_deref(), &common.layout);
    let mut directory = own.change.directory(project, folder, embedded)?.map_err(Failure::usage)?;
    let progress = Arc::new(Progress::new(quiet));
    let Some(range) = own.added.select(&directory, own.range.as_deref(), &progress)? else {
        return Ok(ExitStatus::Ok);
    };
    if let Some(down) = &own.down {
        let file = SourceFile::read(down).map_err(Failure::usage)?;
        if range.start() != range.end() {
            return Err(Failure::usage(
                Message::new("--down reverts one migration, and several are checked").help("name one of them"),
            ));
        }
        directory.migrations[*range.start()].down = Some(base::statements(file));
    }
    directory.warnings.iter().for_each(|warning| progress.line(&warning.message().draw("warning")));
    let url = own.url.as_deref().or(project.url.as_deref());
    on_server(url, embedded, &progress, async |server| {
        on_clones(&own, project, (&directory, range), server, (&progress, url.is_none())).await
    })
    .await
}

async fn on_clones(
    own: &Arguments,
    project: &Project,
    (directory, range): (&Directory, std::ops::RangeInclusive<usize>),
    server: Target,
    (progress, embedded): (&Arc<Progress>, bool),
) -> Result<ExitStatus, Failure> {
    let token = Token::fresh();
    let settings = settings(own, project, (directory, &range), &server, (progress, embedded))?;
    let migrations = &directory.migrations[range.clone()];
    let roles = new_roles(&server, migrations).await.map_err(Failure::environment)?;
    let tell = {
        let progress = Arc::clone(progress);
        Arc::new(move |text: &str| progress.status(text.to_owned()))
    };
    let base = settings.as_ref().map_or(Base::Empty, Base::Seeded);
    let actions = actions(own, project)?;
    let plan = Check { server: server.clone(), directory, range, base, roles: roles.clone(), actions, tell };
    let _left = left(format!(
        "databases {} on {}; the next check there drops them, and so does `weighbridge server clean`",
        token.clone_name("*"),
        server.describe()
    ));
    let outcome = tokio::select! {
        outcome = check(&plan, &token) => Some(outcome),
        () = interrupted() => None,
    };
    let cleaned = clean_up(&server, &token, &roles).await;
    let Some(outcome) = outcome else { return Ok(ExitStatus::Interrupted) };
    let trip =
        outcome.map_err(|error| if error.is_input() { Failure::usage(error) } else { Failure::environment(error) })?;
    cleaned.map_err(Failure::environment)?;
    progress.finish();
    let findings = findings(&trip, &project.policy);
    let checked = Checked { trip: &trip, findings: &findings };
    print_check(checked, own.format)?;
    Ok(if fails(&findings) { ExitStatus::Regressed } else { ExitStatus::Ok })
}

/// The dataset before the first migration; none where that is an empty database.
fn settings(
    own: &Arguments,
    project: &Project,
    (directory, range): (&Directory, &std::ops::RangeInclusive<usize>),
    server: &Target,
    (progress, embedded): (&Arc<Progress>, bool),
) -> Result<Option<trial::Settings>, Failure> {
    let Some(last) = range.start().checked_sub(1) else { return Ok(None) };
    let at = match (&project.at, own.change.is_given()) {
        (Some(at), false) => directory.position(at).map_err(Failure::usage)?.min(last),
        _ => last,
    };
    let path = own.spec.clone().or_else(|| project.spec.as_ref().map(|path| project.root.join(path)));
    let spec = path.filter(|_| own.spec.is_some() || !own.change.is_given());
    let spec = spec.map(|path| SourceFile::read(&path)).transpose().map_err(Failure::usage)?;
    if let Some(file) = &spec {
        parse_spec(&file.text).map_err(|problems| Failure::usage(file.clone().problems(problems)))?;
    }
    let progress = Arc::clone(progress);
    let dataset = Dataset {
        target: server.clone(),
        embedded,
        directory: directory.clone(),
        at,
        weighed: range.clone(),
        rows: own.rows,
        loader_connections: std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 4),
        replicates: 1,
    };
    Ok(Some(trial::Settings {
        subject: Subject::Clones(dataset),
        spec,
        scale: own.scale.or(project.scale).unwrap_or(1.0),
        seed: Seed(project.seed.unwrap_or(42)),
        scenarios: [Vec::new(), Vec::new()],
        margin: 0.05,
        policy: project.policy.clone(),
        role: None,
        sets: 1,
        interleave: None,
        rounds: None,
        slice: None,
        threads: 1,
        listener: Arc::new(move |event| progress.event(&event)),
    }))
}

/// Statements of the application, as it asks before the migration.
fn actions(own: &Arguments, project: &Project) -> Result<Vec<(String, String)>, Failure> {
    let paths: Vec<PathBuf> = match own.scenarios.is_empty() {
        true if own.change.is_given() => Vec::new(),
        true => project.scenarios.iter().map(|path| project.root.join(path)).collect(),
        false => own.scenarios.clone(),
    };
    let mut problems = Vec::new();
    let read = scenarios::read(&paths, &mut problems);
    if !problems.is_empty() {
        return Err(Failure::usage(Message::drawn(problems.join("\n\n"))));
    }
    let actions = read.iter().flat_map(|(_, scenario)| &scenario.actions);
    Ok(actions
        .flat_map(|action| action.steps.iter().map(|step| (action.name.value.clone(), step.statement.sql.clone())))
        .collect())
}
