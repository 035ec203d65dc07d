//! `weighbridge migrate list`: how a folder of migrations was recognised. Must need no server.

use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::output::say;
use crate::evidence::listing::{ListedMigration, ListedPart, ListedWarning, Listing};
use crate::migrate::{Directory, Part};
use crate::report::listing;

/// What `migrate list` takes.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  weighbridge migrate list\n  weighbridge migrate list --migrations db/migrations \
        --format json")]
pub(super) struct Arguments {
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For programs
    Json,
}

pub(super) fn run(arguments: &Arguments, directory: &Directory) -> Result<ExitStatus, Failure> {
    let listing = listing_of(directory);
    let mut text = Vec::new();
    let written = match arguments.format {
        Format::Text => listing::write(&listing, &mut text),
        Format::Json => listing::json(&listing, &mut text),
    };
    written.map_err(Failure::environment)?;
    say(&String::from_utf8_lossy(&text)).map(|()| ExitStatus::Ok)
}

fn listing_of(directory: &Directory) -> Listing {
    let migrations = directory.migrations.iter().map(|migration| ListedMigration {
        version: migration.version.clone(),
        label: migration.label.clone(),
        up: part(&migration.up),
        down: migration.down.as_ref().map(part),
    });
    let warnings = directory.warnings.iter().map(|warning| ListedWarning {
        name: warning.name,
        file: warning.file.display().to_string(),
        line: warning.line,
        message: warning.message.clone(),
        help: warning.help.clone(),
    });
    Listing {
        folder: directory.path.display().to_string(),
        layout: directory.layout.name().to_owned(),
        reason: directory.reason.clone(),
        migrations: migrations.collect(),
        warnings: warnings.collect(),
    }
}

fn part(part: &Part) -> ListedPart {
    ListedPart {
        file: part.file.path.display().to_string(),
        sent: part.sending.words(),
        messages: part.pieces.len(),
        in_transaction: part.in_transaction(),
        is_empty: part.is_empty(),
        placeholders: part.placeholders.clone(),
    }
}
