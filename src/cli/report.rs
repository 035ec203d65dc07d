//! `weighbridge report`: a saved result, compared again and printed. Must need no server.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;

use super::Format;
use super::exit::{ExitStatus, Failure};
use crate::compare::{Comparison, compare};
use crate::evidence::{Evidence, store};
use crate::report::{Trial, json, markdown, terminal};
use crate::units::printable_lines;

/// What `report` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  weighbridge report results/2026-11-23T09-15-04Z-0002_payment_history\n  \
                        weighbridge report results/… --format markdown > comment.md")]
pub(super) struct Arguments {
    /// A result's folder, or the trial.json or run.json in it
    result: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let path = &arguments.result;
    if path.join("run.json").exists() || path.file_name().is_some_and(|name| name == "run.json") {
        let run = store::read_run(path).map_err(Failure::usage)?;
        super::run::print(&run, arguments.format)?;
        return Ok(ExitStatus::Ok);
    }
    let evidence = store::read(path).map_err(Failure::usage)?;
    print(&evidence, arguments.format)?;
    Ok(ExitStatus::Ok)
}

/// Prints a trial on stdout.
pub(super) fn print(evidence: &Evidence, format: Format) -> Result<(), Failure> {
    let text = render(evidence, &compare(evidence), format);
    say(&String::from_utf8_lossy(&text))
}

/// Writes text to stdout. A reader that has left (`| head`) is no failure: the exit code still comes from the verdict.
///
/// # Errors
/// When stdout cannot be written for another reason, such as a full disk.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(printable_lines(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(anyhow!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A trial as bytes of a format.
pub(super) fn render(evidence: &Evidence, comparison: &Comparison, format: Format) -> Vec<u8> {
    let trial = Trial { evidence, comparison };
    let mut bytes = Vec::new();
    match format {
        Format::Text => terminal::write(trial, &mut bytes),
        Format::Markdown => markdown::write(trial, &mut bytes),
        Format::Json => json::write(trial, &mut bytes),
    }
    .expect("memory does not refuse a write");
    bytes
}
