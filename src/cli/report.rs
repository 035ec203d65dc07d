//! `weighbridge report`: a saved result, compared again and printed. Must need no server.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::Format;
use super::exit::{ExitStatus, Failure};
use super::output::say;
use super::render::{print_run, print_trial};
use crate::evidence::store;
use crate::report::page::{Page, WIDTH};

/// Flags of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  weighbridge report results/2026-11-23T09-15-04Z-0002_payment_history\n  \
                        weighbridge report results/… --detail\n  \
                        weighbridge report results/… --format markdown > comment.md\n  \
                        weighbridge report results/… --format html > report.html")]
pub(super) struct Arguments {
    /// A result's folder, or the trial.json or run.json in it
    result: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Prints every number instead of the summary
    #[arg(long)]
    detail: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let path = &arguments.result;
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    if path.join("run.json").exists() || path.file_name().is_some_and(|name| name == "run.json") {
        let run = store::read_run(path).map_err(Failure::usage)?;
        print_run(&run, arguments.format, arguments.detail, folder)?;
        return Ok(ExitStatus::Ok);
    }
    let evidence = store::read(path).map_err(Failure::usage)?;
    print_trial(&evidence, arguments.format, arguments.detail, folder)?;
    Ok(ExitStatus::Ok)
}

/// The page that stdout is.
pub(super) fn page() -> Page {
    let is_terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size_of(std::io::stdout()).map_or(WIDTH, |(width, _)| usize::from(width.0));
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = of("LC_ALL").or_else(|| of("LC_CTYPE")).or_else(|| of("LANG")).map(|locale| locale.to_lowercase());
    let is_ascii = locale.is_some_and(|locale| !locale.contains("utf-8") && !locale.contains("utf8"));
    let may_colour = of("NO_COLOR").is_none() && of("TERM").is_none_or(|terminal| terminal != "dumb");
    Page { width, is_coloured: is_terminal && may_colour, is_ascii }
}

/// Names the files of a result under a report for people.
pub(super) fn say_files(folder: &Path, files: &[&str]) -> Result<(), Failure> {
    let files = files.iter().map(|file| (*file).to_owned());
    let items: Vec<String> = std::iter::once(format!("{}/", folder.display())).chain(files).collect();
    say(&(page().labelled("evidence", &items).join("\n") + "\n"))
}
