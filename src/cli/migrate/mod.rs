//! `weighbridge migrate`: what a project's migrations are, and whether they can be applied and reverted. Must change
//! no given database.

mod check;
mod list;

use std::path::PathBuf;

use clap::Subcommand;

use super::exit::{ExitStatus, Failure};
use super::layout::LayoutFlags;
use super::{Embedded, project};

/// What `migrate` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// The project file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Project")]
    config: Option<PathBuf>,
    /// Folder of migrations
    #[arg(long, value_name = "DIR", global = true, help_heading = "Project")]
    migrations: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutFlags,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the migrations as they were recognised: layout and why, order, transactions, placeholders, warnings
    List(list::Arguments),
    /// Apply, revert and apply migrations on clones of a seeded database, and report losses, locks and hazards
    Check(Box<check::Arguments>),
}

pub(super) async fn run(mut arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    match std::mem::replace(&mut arguments.verb, Verb::List(list::Arguments::default())) {
        Verb::List(own) => {
            let directory = project.directory(arguments.migrations.as_deref(), &arguments.layout);
            list::run(&own, &directory.map_err(Failure::usage)?)
        }
        Verb::Check(own) => check::run(*own, &arguments, &project, (embedded, quiet)).await,
    }
}
