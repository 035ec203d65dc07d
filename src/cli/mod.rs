//! The command line: what was typed becomes plain settings, one short file per verb. Must be used by nobody.
//!
//! stdout is data, stderr is talk. No type of the argument parser leaves this folder.

mod added;
mod address;
mod change;
mod doctor;
mod exit;
mod gates;
mod interrupt;
mod layout;
mod merge;
mod migrate;
mod output;
mod progress;
mod project;
mod prove;
mod render;
mod report;
mod run;
mod scenarios;
mod seed;
mod server;
mod try_out;
mod verify;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

pub use exit::ExitStatus;
use exit::Failure;
use interrupt::in_time;
use render::Format;

use crate::units::printable_lines;

/// Measures a PostgreSQL schema before and after a migration.
#[derive(Debug, Parser)]
#[command(
    name = "weighbridge",
    version,
    about = "Measures a PostgreSQL schema before and after a migration",
    long_about = "Fills a realistic dataset, clones it, migrates one clone, drives the application's frequent queries\n\
                  against both in alternating slices, and reports what the migration bought and what it costs.",
    after_help = exit::HELP,
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(flatten)]
    embedded: Embedded,
}

/// Where the embedded server lives.
#[derive(Debug, Clone, clap::Args)]
struct Embedded {
    /// Folder of the embedded server [default: the user's cache folder; /var/cache/weighbridge for root]
    #[arg(long, global = true, env = "WEIGHBRIDGE_HOME", value_name = "DIR", help_heading = "Embedded server")]
    home: Option<PathBuf>,
    /// Folder that holds `postgres`, `initdb` and `pg_ctl` [default: the newest installed]
    #[arg(long, global = true, env = "WEIGHBRIDGE_POSTGRES_BIN", value_name = "DIR", help_heading = "Embedded server")]
    postgres_bin: Option<PathBuf>,
    /// Huge pages for its shared memory: where the system has them or lets them be reserved while it runs, always, or
    /// never
    #[arg(
        long, global = true, env = "WEIGHBRIDGE_HUGE_PAGES", value_enum, default_value_t = Pages::Auto,
        value_name = "WHEN", help_heading = "Embedded server",
    )]
    huge_pages: Pages,
}

/// When the embedded server has huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pages {
    /// Where the system has them, or root may reserve them
    Auto,
    /// Without them nothing starts
    On,
    /// Never
    Off,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prove what a migration does: clone, migrate, drive both sides, compare, report
    Prove(Box<prove::Arguments>),
    /// Try an idea: a schema, a change and a query, and no file; counts and isolated timing
    Try(Box<try_out::Arguments>),
    /// Run a load test against one database, with latency objectives as gates
    Run(Box<run::Arguments>),
    /// Fill a database with a realistic dataset: any schema, with or without a spec
    Seed(Box<seed::Arguments>),
    /// The project's migrations: how they are recognised and sent
    Migrate(Box<migrate::Arguments>),
    /// Print a saved result again; needs no server
    Report(report::Arguments),
    /// Is this machine and this server fit to measure on: clock, disk, settings, rights, noise
    Doctor(doctor::Arguments),
    /// Recompute the verdicts of a saved proof from its histograms and counts; needs no server
    Verify(verify::Arguments),
    /// Add up the results of several machines that drove parts of one load
    Merge(merge::Arguments),
    /// The embedded PostgreSQL: start, stop, status, URL, clean
    Server(server::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs the program with its arguments and returns what to exit with.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes, and go to stdout.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Ok };
        }
    };
    match dispatch(cli) {
        Ok(status) => status,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{}", printable_lines(&failure.error.draw("error")));
            failure.status
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitStatus, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    if matches!(
        cli.verb,
        Verb::Prove(_)
            | Verb::Try(_)
            | Verb::Migrate(_)
            | Verb::Run(_)
            | Verb::Seed(_)
            | Verb::Doctor(_)
            | Verb::Server(_)
    ) {
        interrupt::listen();
    }
    let (embedded, quiet) = (&cli.embedded, cli.quiet);
    let status = match cli.verb {
        Verb::Prove(arguments) => runtime.block_on(in_time(prove::run(*arguments, embedded, quiet))),
        Verb::Try(arguments) => runtime.block_on(in_time(try_out::run(*arguments, embedded, quiet))),
        Verb::Migrate(arguments) => runtime.block_on(in_time(migrate::run(*arguments, embedded, quiet))),
        Verb::Run(arguments) => runtime.block_on(in_time(run::run(*arguments, embedded, quiet))),
        Verb::Seed(arguments) => runtime.block_on(in_time(seed::run(*arguments, embedded, quiet))),
        Verb::Doctor(arguments) => runtime.block_on(in_time(doctor::run(arguments, embedded, quiet))),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Merge(arguments) => merge::run(&arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
        Verb::Server(arguments) => runtime.block_on(in_time(server::run(&arguments, embedded, quiet))),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "weighbridge", &mut script);
            output::say(&String::from_utf8_lossy(&script)).map(|()| ExitStatus::Ok)
        }
    };
    // A driver thread in the middle of an answer, or a blocking read, must not hold up the exit.
    runtime.shutdown_background();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
