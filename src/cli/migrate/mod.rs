//! `weighbridge migrate`: what a project's migrations are, and whether they can be applied and reverted. Must change no given database.

mod list;

use std::path::PathBuf;

use clap::Subcommand;

use super::exit::{ExitStatus, Failure};
use super::layout::LayoutFlags;
use super::{Embedded, project};

/// What `migrate` can be told.
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
}

pub(super) async fn run(arguments: Arguments, _embedded: &Embedded, _quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    let directory = project.directory(arguments.migrations.as_deref(), &arguments.layout);
    match arguments.verb {
        Verb::List(own) => list::run(&own, &directory.map_err(Failure::usage)?),
    }
}
