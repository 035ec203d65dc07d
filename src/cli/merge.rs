//! `weighbridge merge`: the results of several machines as one. Must need no server, and change none of them.

use std::path::{Path, PathBuf};

use super::Format;
use super::exit::{ExitStatus, Failure};
use super::render::{print_run, run_reports};
use super::report::say_files;
use crate::clock;
use crate::evidence::interval_log;
use crate::evidence::store::{self, ResultFolder};
use crate::report::run::json;
use crate::run::merge::{Part, merge};

/// Flags of `merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  weighbridge merge results/*run-payments\n  \
                        weighbridge merge part1 part2 part3 --format json > run.json")]
pub(super) struct Arguments {
    /// Folders of results, one for each part
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// Folder for the merged result
    #[arg(long = "results", value_name = "DIR", default_value = "results")]
    folder: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let parts = arguments.results.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let merged = merge(&parts).map_err(Failure::usage)?;
    let time = clock::wall().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let label = format!("merged-{}", merged.name);
    let folder = ResultFolder::create(&arguments.folder, &time, &label).map_err(Failure::environment)?;
    let mut document = Vec::new();
    json(&merged, &mut document).map_err(Failure::environment)?;
    folder.write("run.json", &document).map_err(Failure::environment)?;
    for (name, bytes) in run_reports(&merged, &folder.path) {
        folder.write(name, &bytes).map_err(Failure::environment)?;
    }
    let mut log = interval_log::header(0.0);
    for interval in parts.iter().flat_map(|part| &part.log) {
        let line = interval_log::line(&interval.tag, interval.at_s, interval.length_s, &interval.histogram);
        log.extend(line.map_err(Failure::environment)?);
    }
    folder.write("intervals.hlog", &log).map_err(Failure::environment)?;
    print_run(&merged, arguments.format, false, &folder.path)?;
    if arguments.format == Format::Text {
        say_files(&folder.path, &["report.html", "report.md", "run.json", "intervals.hlog"])?;
    }
    Ok(super::run::status(&merged))
}

fn read(path: &Path) -> Result<Part, Failure> {
    let run = store::read_run(path).map_err(Failure::usage)?;
    let log = store::read_intervals(path).map_err(Failure::usage)?;
    Ok(Part { run, log })
}
