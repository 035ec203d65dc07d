//! `weighbridge seed`: fills a database, or says what it would fill it with. Must leave a schema as it was when it
//! fails.

mod fill;
mod guesses;
mod inputs;
mod notes;
mod show;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::postgres::PgConnection;

pub(in crate::cli) use self::inputs::drafted;
use self::inputs::{Inputs, refuse};
use self::waiting::Waiting;
use super::Embedded;
use super::address::warn_of_passwords;
use super::exit::{ExitStatus, Failure};
use super::layout::LayoutFlags;
use super::output::say;
use super::progress::Progress;
use super::project::{self, Project};
use super::server::{on_server, while_alive};
use crate::clock::Clock;
use crate::diagnostic::{Advice, Message};
use crate::migrate::{ApplyError, DirectoryError};
use crate::postgres::Target;
use crate::postgres::database::Admin;
use crate::postgres::row_security;
use crate::seed::load::session::{Guard, session};
use crate::seed::load::{journal, probe};

const EXAMPLES: &str = "Examples:
  weighbridge seed                              the project's schema and spec, in a database of the embedded server
  weighbridge seed --url postgresql://me@localhost/shop_dev --allow-writes --rows 10000
                                                any schema, without a spec
  weighbridge seed --dry-run                    what would be made, with sizes
  weighbridge seed --target-size 5GB            the scale that makes so much
  weighbridge seed --check                      rows, keys, uniques, CHECKs, a digest per table
  weighbridge seed --append 1 --scale 2         grow a dataset made at scale 1; its rows stay as they are
  weighbridge seed --shard 2/4 --url ...        one machine's part; the last of the four puts the indexes back
  weighbridge seed init > seed/shop.toml        a spec to go on with, from a live schema
  weighbridge seed explain payments.amount      what a column will hold, and why";

/// Flags of `seed`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The project file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Project")]
    config: Option<PathBuf>,
    /// Dataset spec [default: that of the project; without one everything comes from the catalog]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Project")]
    spec: Option<PathBuf>,
    /// Ignore the project's spec: everything comes from the catalog
    #[arg(long, global = true, conflicts_with = "spec", help_heading = "Project")]
    no_spec: bool,
    /// The migration a new database is brought to [default: that of the project]
    #[arg(long, value_name = "MIGRATION", global = true, help_heading = "Project")]
    at: Option<String>,
    #[command(flatten)]
    layout: LayoutFlags,
    /// Rows of each table when there is no spec, at scale 1
    #[arg(long, default_value_t = 1_000, global = true, help_heading = "Dataset")]
    rows: u64,
    /// Size of the dataset, as a factor of its spec
    #[arg(long, global = true, help_heading = "Dataset")]
    scale: Option<f64>,
    /// Choose the scale that makes about this much, such as 500MB or 5GB
    #[arg(
        long, value_name = "SIZE", value_parser = size, conflicts_with = "scale", global = true,
        help_heading = "Dataset",
    )]
    target_size: Option<u64>,
    /// Grow a dataset: the scales it was made and grown at so far; --scale says how large it becomes
    #[arg(
        long,
        value_name = "SCALES",
        value_delimiter = ',',
        requires = "scale",
        global = true,
        help_heading = "Dataset"
    )]
    append: Vec<f64>,
    /// Make one part of it, such as 2/4: every part by a program of its own, all into one database
    #[arg(long, value_name = "I/N", value_parser = part, conflicts_with = "append", help_heading = "Dataset")]
    shard: Option<(u32, u32)>,
    /// Names every random value
    #[arg(long, global = true, help_heading = "Dataset")]
    seed: Option<u64>,
    /// Connections that load [default: one per processor, 4 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "Dataset")]
    loaders: Option<u16>,
    /// A server of yours and the database to fill, instead of the embedded one
    #[arg(long, value_name = "URL", global = true, help_heading = "Target")]
    url: Option<String>,
    /// The database of the embedded server; made and migrated when it is not there
    #[arg(long, value_name = "NAME", default_value = "dataset", global = true, help_heading = "Target")]
    database: String,
    /// Permit writing to a server that is not the embedded one
    #[arg(long, help_heading = "Target")]
    allow_writes: bool,
    /// Name the database at --url, when some of its tables hold rows: those stay as they are
    #[arg(long, value_name = "DATABASE", help_heading = "Target")]
    into: Option<String>,
    /// Leave triggers on during the load: one connection, one transaction, parents first, indexes in place
    #[arg(long, conflicts_with_all = ["shard", "loaders", "resume", "check"], help_heading = "Dataset")]
    fire_triggers: bool,
    /// Print what would be made, and make nothing
    #[arg(long, help_heading = "Action")]
    dry_run: bool,
    /// Check a filled database instead of filling it
    #[arg(long, conflicts_with = "dry_run", help_heading = "Action")]
    check: bool,
    /// Go on with a load that was cut off
    #[arg(long, conflicts_with_all = ["check", "dry_run"], help_heading = "Action")]
    resume: bool,
    /// Undo a load that was cut off: its tables empty again, indexes and constraints back
    #[arg(long, conflicts_with_all = ["check", "dry_run", "resume"], help_heading = "Action")]
    clean: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print a commented spec made from the live schema
    Init,
    /// Print what a column will hold, ten values of it, and why
    Explain {
        /// TABLE.COLUMN
        column: String,
    },
}

fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let factor = match text[digits..].trim().to_uppercase().as_str() {
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err("write a size such as 500MB or 5GB".to_owned()),
    };
    text[..digits].parse::<f64>().map(|n| (n * factor) as u64).map_err(|e| e.to_string())
}

pub(super) fn part(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parsed.filter(|(i, n)| 1 <= *i && i <= n && *n <= 1000).ok_or_else(|| "write a part such as 2/4".to_owned())
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    let scales = arguments.append.iter().chain(&arguments.scale).copied().collect::<Vec<f64>>();
    if scales.iter().any(|scale| *scale <= 0.0 || !scale.is_finite()) {
        return Err(Failure::usage(Message::new("--scale and --append must be above 0")));
    }
    if !scales.is_sorted_by(|a, b| a < b) {
        return Err(Failure::usage(Message::new(
            "--append lists the scales so far, each larger than the one before, and --scale is larger than all of them",
        )));
    }
    let progress = Arc::new(Progress::new(quiet));
    warn_of_passwords(&progress, arguments.url.iter().map(|url| ("--url", url)));
    let url = arguments.url.clone().or_else(|| project.url.clone());
    let reads = arguments.dry_run || arguments.check || arguments.verb.is_some();
    if url.is_some() && !reads && !arguments.allow_writes {
        return Err(Failure::usage(
            Message::new("the server at --url is not the embedded one, and nothing is written there unasked")
                .help("add --allow-writes if it is no production server"),
        ));
    }
    on_server(url.as_deref(), embedded, &progress, async |server| {
        while_alive(&server, filled(&arguments, &project, &server, url.is_none(), &progress)).await
    })
    .await
}

async fn filled(
    arguments: &Arguments,
    project: &Project,
    server: &Target,
    embedded: bool,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let target = if embedded { database(arguments, project, server, progress).await? } else { server.clone() };
    let mut connection = session(&target).await.map_err(Failure::environment)?;
    let _waiting = Waiting::watch(&target, progress);
    let reads = arguments.dry_run || arguments.check || arguments.verb.is_some();
    let mut guard = match reads {
        true => None,
        false if arguments.shard.is_some() => Some(Guard::for_part(&target).await.map_err(Failure::environment)?),
        false => Some(Guard::alone(&target).await.map_err(Failure::environment)?),
    };
    let journal = journal::read(&mut connection).await.map_err(Failure::environment)?;
    if matches!(arguments.verb, Some(Verb::Init)) {
        let spec = inputs::draft(arguments, project, &mut connection, journal.is_some()).await?;
        return say(&spec).map(|()| ExitStatus::Ok);
    }
    if let Some(guard) = guard.as_mut().filter(|_| arguments.clean) {
        let undone = journal::undo(&target, guard, fill::tell(progress)).await.map_err(Failure::environment)?;
        let text = if undone {
            "undone: the tables are empty again, indexes and constraints are back\n"
        } else {
            "nothing to clean: no load was cut off here\n"
        };
        return say(text).map(|()| ExitStatus::Ok);
    }
    // What only reads locks nothing of somebody else's: there pages tell whether a table holds rows.
    let may_lift = !reads || arguments.check && (embedded || arguments.allow_writes);
    if arguments.check && !may_lift {
        refuse_forced(&mut connection).await?;
    }
    let lifted = may_lift && row_security::begin_lifted(&mut connection).await.map_err(Failure::environment)?;
    let inputs = Inputs::read(arguments, project, &mut connection, journal.is_some()).await?;
    match &arguments.verb {
        Some(Verb::Explain { column }) => return show::explain(&inputs, column),
        Some(Verb::Init) | None => {}
    }
    if arguments.check {
        return show::checked(&mut connection, &inputs, embedded || arguments.allow_writes).await;
    }
    row_security::end_lifted(&mut connection, lifted).await.map_err(Failure::environment)?;
    let Some(mut guard) = guard else {
        return say(&show::dry_run(&inputs)).map(|()| ExitStatus::Ok);
    };
    match &journal {
        Some(journal) => goes_on(arguments, journal, &inputs)?,
        None => may_begin(arguments, &target, embedded, &inputs)?,
    }
    if journal.is_none() {
        progress.line(&format!("probing: sample rows of {} tables", inputs.plan.tables.len()));
        let refused =
            probe::probe(&mut connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?;
        refuse(refused)?;
    }
    drop(connection);
    fill::fill(arguments, &target, &mut guard, inputs, progress).await
}

/// Rows that policies hide cannot be checked.
async fn refuse_forced(connection: &mut PgConnection) -> Result<(), Failure> {
    let secured = row_security::secured(connection).await.map_err(Failure::environment)?;
    row_security::refuse_others(connection, &secured).await.map_err(Failure::environment)?;
    if secured.is_empty() {
        return Ok(());
    }
    let tables: Vec<&str> = secured.iter().map(|table| table.table.as_str()).collect();
    Err(Failure::environment(
        Message::new(format!(
            "FORCE ROW LEVEL SECURITY hides rows of {} from their owner, so they cannot be checked",
            tables.join(", ")
        ))
        .help(
            "add --allow-writes, which locks these tables and lifts it until the check has ended, or connect as a \
             role with BYPASSRLS",
        ),
    ))
}

/// A load that was cut off, or another part of a dataset in parts.
fn goes_on(arguments: &Arguments, journal: &journal::Journal, inputs: &Inputs) -> Result<(), Failure> {
    let part = arguments.shard.unwrap_or((1, 1));
    if !arguments.append.is_empty() {
        return Err(Failure::usage(Message::new("a load of this database has not ended, so it cannot grow yet")));
    }
    if journal.parts != part.1 {
        return Err(Failure::usage(
            Message::new(format!("the load of this database that has not ended is in {} parts", journal.parts))
                .help(format!("give --shard I/{}, or undo it with `weighbridge seed --clean`", journal.parts)),
        ));
    }
    if part.1 == 1 && !arguments.resume {
        return Err(Failure::environment(
            Message::new("a load of this database was cut off; indexes and constraints are off")
                .help("`weighbridge seed --resume` goes on, `weighbridge seed --clean` undoes it"),
        ));
    }
    if journal.digest != inputs.digest {
        return Err(Failure::usage(
            Message::new("the load that has not ended had another spec, seed or scale")
                .help("give the same ones, or undo it with `weighbridge seed --clean`"),
        ));
    }
    Ok(())
}

fn may_begin(arguments: &Arguments, target: &Target, embedded: bool, inputs: &Inputs) -> Result<(), Failure> {
    if arguments.resume {
        return Err(Failure::usage(Message::new("nothing to resume: no load was cut off here")));
    }
    let name = target.database_name();
    let holding = inputs.catalog.tables.iter().filter(|(_, table)| table.has_rows && !table.bookkeeping);
    let holding: Vec<String> = holding.map(|(name, _)| name.clone()).collect();
    if !embedded && !holding.is_empty() && arguments.into.as_deref() != Some(name) {
        return Err(Failure::usage(
            Message::new(format!(
                "{} of `{name}` {} rows, so the database may be somebody's",
                notes::names(&holding, "tables"),
                if holding.len() == 1 { "holds" } else { "hold" }
            ))
            .help(format!("add --into {name} to fill it; rows that are there stay as they are")),
        ));
    }
    if let Some(ours) = inputs.ours.first().filter(|_| arguments.append.is_empty()) {
        return Err(Failure::usage(
            Message::new(format!("`{ours}` holds rows of this dataset already"))
                .help("`weighbridge seed --check` checks them, `--append SCALE --scale LARGER` adds to them"),
        ));
    }
    if inputs.plan.tables.iter().all(|t| t.held || t.rows == t.first) {
        return Err(Failure::usage(
            Message::new("there is no empty table to fill").help("`weighbridge seed --check` checks a filled one"),
        ));
    }
    if inputs.plan.adds() && arguments.shard.is_some() {
        return Err(Failure::usage(Message::new("only empty tables can be filled in parts")));
    }
    Ok(())
}

fn refused(error: ApplyError) -> Failure {
    match error {
        ApplyError::Refused(_) | ApplyError::Read(_) | ApplyError::Command(_) => Failure::usage(error),
        ApplyError::Server(_) => Failure::environment(error),
    }
}

/// The database of the embedded server: made, and brought to the project's schema, when it is not there.
async fn database(
    arguments: &Arguments,
    project: &Project,
    server: &Target,
    progress: &Progress,
) -> Result<Target, Failure> {
    let name = &arguments.database;
    let mut admin = Admin::connect(server).await.map_err(Failure::environment)?;
    let target = server.database(name);
    if admin.exists(name).await.map_err(Failure::environment)? {
        if !admin.is_marked(name).await.map_err(Failure::environment)? {
            return Ok(target);
        }
        // An earlier run that was killed has not come to the end of its schema.
        admin.drop_database(name).await.map_err(Failure::environment)?;
    }
    let directory = match project.directory(None, &arguments.layout) {
        Err(DirectoryError::Absent(_)) => {
            return Err(Failure::usage(
                Message::new(format!(
                    "the embedded server has no database `{name}`, and there is no folder of migrations to make it from"
                ))
                .help("name a database of yours with --url, or make one: createdb \"$(weighbridge server url)\""),
            ));
        }
        found => found.map_err(Failure::usage)?,
    };
    directory.warnings.iter().for_each(|warning| progress.line(&warning.message().draw("warning")));
    let last = match arguments.at.as_deref().or(project.at.as_deref()) {
        Some(at) => directory.position(at).map_err(Failure::usage)?,
        None => directory.migrations.len().saturating_sub(1),
    };
    admin.create_marked(name, "schema that is being made").await.map_err(Failure::environment)?;
    let made = async {
        let steps = directory.steps(0..last + 1);
        for position in 0..=last {
            let mut connection = target.connect().await.map_err(Failure::environment)?;
            steps.apply(&mut connection, &target, position, &Clock::start()).await.map_err(refused)?;
        }
        Ok::<(), Failure>(())
    };
    if let Err(failure) = made.await {
        let _ = admin.drop_database(name).await;
        return Err(failure);
    }
    admin.unmark(name).await.map_err(Failure::environment)?;
    progress.line(&format!("database: made `{name}` at {}", directory.migrations[last].label));
    Ok(target)
}
