//! `weighbridge try`: a proof of a schema, a change and a query, with no file. Must measure nothing itself: it makes
//! what `weighbridge prove` is given.

mod guess;
mod saved;
mod scenario;
mod schema;

use std::path::PathBuf;

use super::Embedded;
use super::Format;
use super::address::warn_of_passwords;
use super::change::ChangeFlags;
use super::exit::{ExitStatus, Failure};
use super::layout::LayoutFlags;
use super::progress::Progress;
use super::project::Project;
use super::prove::{self, INFERRED_ROWS, Made};
use crate::diagnostic::{Message, SourceFile};
use crate::migrate::Directory;
use crate::units::Seed;

const EXAMPLES: &str = "\
Parameters are `:name` or `$1`. Each is picked from the column that it is compared with; the guess is printed, and
--with replaces it.

Examples:
  weighbridge try --schema structure.sql --change 'CREATE INDEX ON orders (customer_id, placed_at)' \\
                  --sql 'SELECT * FROM orders WHERE customer_id = :customer ORDER BY placed_at DESC LIMIT 20'
  weighbridge try --schema-from postgresql://localhost/app --change idea.sql --sql '…' --sql '…'
                                             the schema of a database of yours, which is only read; two queries
  weighbridge try --migrations migrations --sql '…'
                                             the last migration of a folder
  weighbridge try … --with 'customer = pick(orders.customer_id, zipf 1.1)'
                                             what a parameter is drawn from (docs/formats/scenario.md)
  weighbridge try … --rows 1000000 --counts-only
                                             more rows, and no timing
  weighbridge try … --save idea              a project to go on with: `cd idea && weighbridge prove`";

/// Flags of `try`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    change: ChangeFlags,
    /// Folder of migrations that make the schema; without a change the last one is proven
    #[arg(long, value_name = "DIR", help_heading = "Change")]
    migrations: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutFlags,
    /// A statement of the application; may be given several times
    #[arg(long, value_name = "SQL", required = true, help_heading = "Statements")]
    sql: Vec<String>,
    /// What a parameter is drawn from, such as 'customer = pick(orders.customer_id)'; may be given several times
    #[arg(long = "with", value_name = "NAME = EXPRESSION", value_parser = with, help_heading = "Statements")]
    with: Vec<(String, String)>,
    /// Rows of each table
    #[arg(
        long, value_name = "N", default_value_t = INFERRED_ROWS, value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Dataset",
    )]
    rows: u64,
    /// Names rows and parameters
    #[arg(long, default_value_t = 42, help_heading = "Dataset")]
    seed: u64,
    /// No timing: blocks, rows, WAL, plans and answers alone
    #[arg(long, help_heading = "Experiment")]
    counts_only: bool,
    /// A server to make clones on, instead of the embedded one, where the role needs CREATEDB
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// Writes schema, change, dataset spec and scenario as a project into this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    save: Option<PathBuf>,
    /// Folder for results
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    results: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
    /// Prints every number instead of the summary
    #[arg(long, help_heading = "Output")]
    detail: bool,
}

fn with(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, expression)) if !name.trim().is_empty() && !expression.trim().is_empty() => {
            Ok((scenario::parameter_name(name), expression.trim().to_owned()))
        }
        _ => Err("write it as 'customer = pick(orders.customer_id)'".to_owned()),
    }
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let progress = Progress::new(quiet);
    let directory = directory(&arguments, embedded)?;
    if let Some(folder) = &arguments.save {
        saved::check_folder(folder)?;
        saved::check_change(&directory)?;
    }
    warn_of_passwords(&progress, arguments.url.iter().map(|url| ("--url", url)));
    let applied = *directory.select(None).map_err(Failure::usage)?.start();
    let spec = arguments.save.as_ref().map(|_| (arguments.rows, Seed(arguments.seed), arguments.sql.as_slice()));
    let wanted = schema::Wanted { directory: &directory, applied, spec };
    let read = schema::read(&wanted, arguments.url.as_deref(), embedded, &progress).await?;
    let Some(schema) = read else { return Ok(ExitStatus::Interrupted) };
    let drafted = scenario::draft(&arguments.sql, &arguments.with, &schema.catalog).map_err(Failure::usage)?;
    drafted.lines.iter().for_each(|line| progress.line(line));
    let scenario = SourceFile { path: PathBuf::from("scenario.toml"), text: drafted.toml };
    let made = Made::read(directory.clone(), scenario.clone())?;
    let proof = prove::Arguments::of(&flags(&arguments), made)?;
    if let (Some(folder), Some(spec)) = (&arguments.save, &schema.spec) {
        let saved = saved::Saved { directory: &directory, scenario: &scenario.text, spec, seed: arguments.seed };
        let command = saved::write(folder, &saved)?;
        progress.line(&format!("saved as a project: {command}"));
    }
    progress.finish();
    prove::run(proof, embedded, quiet).await
}

/// The schema and the change to it, in order.
fn directory(arguments: &Arguments, embedded: &Embedded) -> Result<Directory, Failure> {
    if !arguments.change.has_schema() && arguments.migrations.is_none() {
        return Err(Failure::usage(
            Message::new("no schema was given").help("--schema FILE, --schema-from URL, or --migrations DIR"),
        ));
    }
    let folder = (arguments.migrations.as_deref(), &arguments.layout);
    arguments.change.directory(&Project::default(), folder, embedded)?.map_err(Failure::usage)
}

/// The flags of the proof.
fn flags(arguments: &Arguments) -> Vec<String> {
    let mut flags = vec![if arguments.counts_only { "--counts-only" } else { "--quick" }.to_owned()];
    let mut flag = |name: &str, value: String| flags.push(format!("{name}={value}"));
    flag("--rows", arguments.rows.to_string());
    flag("--seed", arguments.seed.to_string());
    flag("--results", arguments.results.display().to_string());
    arguments.url.iter().for_each(|url| flag("--url", url.clone()));
    let format = clap::ValueEnum::to_possible_value(&arguments.format).expect("every format has a name");
    flag("--format", format.get_name().to_owned());
    if arguments.detail {
        flags.push("--detail".to_owned());
    }
    flags
}
