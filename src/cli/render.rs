//! How a result is printed and kept: formats of stdout, `report.md`, `report.html`, the summary of a GitHub job. Must
//! decide nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::exit::Failure;
use super::output::{say, write};
use super::report::page;
use crate::compare::{Comparison, compare};
use crate::diagnostic::Message;
use crate::evidence::Evidence;
use crate::evidence::run::RunEvidence;
use crate::report::machine::Document;
use crate::report::round_trip::{self, Checked};
use crate::report::{
    Trial, benchmark_action, detail, full, github, html, json, junit, markdown, openmetrics, run, sarif, terminal,
};

/// How a list of findings is printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PlainFormat {
    /// For a terminal
    Text,
    /// For a pull request
    Markdown,
    /// For programs: one document and nothing else
    Json,
}

/// How a check of migrations is printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CheckFormat {
    /// For a terminal
    Text,
    /// For a pull request; is appended to $GITHUB_STEP_SUMMARY too, where that is set
    Markdown,
    /// For programs: one document and nothing else
    Json,
    /// Test cases, for CI systems
    Junit,
    /// SARIF 2.1.0, for services that show findings on lines of files
    Sarif,
    /// Annotations of GitHub Actions on lines of migrations, with the Markdown in $GITHUB_STEP_SUMMARY
    Github,
}

/// How a result is printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    Text,
    /// For a pull request; is appended to $GITHUB_STEP_SUMMARY too, where that is set
    Markdown,
    /// For a browser: one page that loads nothing
    Html,
    /// For programs: one document and nothing else
    Json,
    /// Test cases, for CI systems
    Junit,
    /// SARIF 2.1.0, for services that show findings
    Sarif,
    /// Annotations of GitHub Actions, with the Markdown in $GITHUB_STEP_SUMMARY
    Github,
    /// The list that github-action-benchmark takes as customSmallerIsBetter
    BenchmarkAction,
    /// OpenMetrics text, for Prometheus
    Openmetrics,
}

impl Format {
    fn is_for_github(self) -> bool {
        matches!(self, Self::Markdown | Self::Github)
    }
}

/// Prints a proof on stdout; `folder` is where its result stands.
pub(super) fn print_trial(
    evidence: &Evidence,
    format: Format,
    is_detailed: bool,
    folder: &Path,
) -> Result<(), Failure> {
    let comparison = compare(evidence);
    let trial = Trial { evidence, comparison: &comparison };
    let mut text = Vec::new();
    let place = folder.display().to_string();
    match (format, is_detailed) {
        (Format::Text, false) => terminal::write(trial, &page(), Some(&place), &mut text),
        (Format::Text, true) => detail::write(trial, &mut text),
        (Format::Markdown, false) => markdown::write(trial, &mut text),
        (Format::Markdown, true) => full::write(trial, &mut text),
        (Format::Html, _) => html::write(trial, Some(&place), &mut text),
        (Format::Json, _) => json::write(trial, &mut text),
        (Format::Junit, _) => junit::write(&Document::of_trial(trial), &mut text),
        (Format::Sarif, _) => sarif::write(&Document::of_trial(trial), &mut text),
        (Format::Github, _) => github::write(&Document::of_trial(trial), &mut text),
        (Format::BenchmarkAction, _) => benchmark_action::write(&Document::of_trial(trial), &mut text),
        (Format::Openmetrics, _) => openmetrics::write(&Document::of_trial(trial), &mut text),
    }
    .expect("memory does not refuse a write");
    write(&String::from_utf8_lossy(&text))?;
    append_summary(format.is_for_github(), || in_memory(|out| markdown::write(trial, out)))
}

/// Prints a run on stdout; `folder` is where its result stands.
pub(super) fn print_run(
    evidence: &RunEvidence,
    format: Format,
    is_detailed: bool,
    folder: &Path,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    let place = folder.display().to_string();
    match (format, is_detailed) {
        (Format::Text, false) => run::terminal(evidence, &page(), Some(&place), &mut text),
        (Format::Text, true) => run::detail(evidence, &page(), &mut text),
        (Format::Markdown, false) => run::markdown(evidence, &mut text),
        (Format::Markdown, true) => run::full(evidence, &mut text),
        (Format::Html, _) => html::write_run(evidence, Some(&place), &mut text),
        (Format::Json, _) => run::json(evidence, &mut text),
        (Format::Junit, _) => junit::write(&Document::of_run(evidence), &mut text),
        (Format::Sarif, _) => sarif::write(&Document::of_run(evidence), &mut text),
        (Format::Github, _) => github::write(&Document::of_run(evidence), &mut text),
        (Format::BenchmarkAction, _) => benchmark_action::write(&Document::of_run(evidence), &mut text),
        (Format::Openmetrics, _) => openmetrics::write(&Document::of_run(evidence), &mut text),
    }
    .expect("memory does not refuse a write");
    write(&String::from_utf8_lossy(&text))?;
    append_summary(format.is_for_github(), || in_memory(|out| run::markdown(evidence, out)))
}

/// Prints a check of migrations on stdout.
pub(super) fn print_check(checked: Checked<'_>, format: CheckFormat) -> Result<(), Failure> {
    let mut text = Vec::new();
    match format {
        CheckFormat::Text => round_trip::write(checked, &page(), &mut text),
        CheckFormat::Markdown => round_trip::markdown(checked, &mut text),
        CheckFormat::Json => round_trip::json(checked, &mut text),
        CheckFormat::Junit => junit::write(&Document::of_check(checked), &mut text),
        CheckFormat::Sarif => sarif::write(&Document::of_check(checked), &mut text),
        CheckFormat::Github => github::write(&Document::of_check(checked), &mut text),
    }
    .expect("memory does not refuse a write");
    say(&String::from_utf8_lossy(&text))?;
    let is_for_github = matches!(format, CheckFormat::Markdown | CheckFormat::Github);
    append_summary(is_for_github, || in_memory(|out| round_trip::markdown(checked, out)))
}

/// Appends the Markdown to the summary of a GitHub job, where there is one and a format for GitHub is asked for.
fn append_summary(is_for_github: bool, markdown: impl Fn() -> Vec<u8>) -> Result<(), Failure> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    let Some(path) = path.filter(|_| is_for_github) else { return Ok(()) };
    let appended = OpenOptions::new().append(true).create(true).open(&path).and_then(|mut file| {
        file.write_all(&markdown())?;
        file.write_all(b"\n")
    });
    appended.map_err(|error| {
        let path = path.to_string_lossy().into_owned();
        Failure::environment(
            Message::new(format!("cannot append to {path}: {error}"))
                .help("unset GITHUB_STEP_SUMMARY, or name a file that can be written"),
        )
    })
}

/// `trial.json`.
pub(super) fn document(evidence: &Evidence, comparison: &Comparison) -> Vec<u8> {
    in_memory(|out| json::write(Trial { evidence, comparison }, out))
}

/// `report.md`: every number of a proof.
pub(super) fn full_markdown(evidence: &Evidence, comparison: &Comparison) -> Vec<u8> {
    in_memory(|out| full::write(Trial { evidence, comparison }, out))
}

/// `report.html` of a proof; `folder` is where it will stand.
pub(super) fn trial_page(evidence: &Evidence, comparison: &Comparison, folder: &Path) -> Vec<u8> {
    let place = folder.display().to_string();
    in_memory(|out| html::write(Trial { evidence, comparison }, Some(&place), out))
}

/// The reports of a run by the names of their files; `folder` is where they will stand.
pub(super) fn run_reports(evidence: &RunEvidence, folder: &Path) -> [(&'static str, Vec<u8>); 2] {
    let place = folder.display().to_string();
    [
        ("report.md", in_memory(|out| run::full(evidence, out))),
        ("report.html", in_memory(|out| html::write_run(evidence, Some(&place), out))),
    ]
}

fn in_memory(render: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    render(&mut bytes).expect("memory does not refuse a write");
    bytes
}
