//! `weighbridge doctor`: is this machine and this server fit to measure on. Must leave a server as it was.

use serde_json::json;

use super::address::warn_of_passwords;
use super::exit::{ExitStatus, Failure};
use super::output::say;
use super::progress::Progress;
use super::render::PlainFormat as Format;
use super::server::{on_server, while_alive};
use super::{Embedded, project};
use crate::doctor::{Finding, Grade, Patient, examine};
use crate::report::detail::table;

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  weighbridge doctor\n  weighbridge doctor --url postgresql://me@localhost/staging \
                  --pilot 2m\n\n\
                        Exit codes: 0 fit, or with warnings; 3 unfit for verdicts."
)]
pub(super) struct Arguments {
    /// A server of yours, instead of the embedded one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long the noise is listened to
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = super::run::seconds)]
    pilot: f64,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(None)?;
    let progress = std::sync::Arc::new(Progress::new(quiet));
    warn_of_passwords(&progress, arguments.url.iter().map(|url| ("--url", url)));
    let url = arguments.url.clone().or_else(|| project.url.clone());
    on_server(url.as_deref(), embedded, &progress, async |target| {
        let data = match url {
            Some(_) => None,
            None => super::server::home(embedded).ok(),
        };
        let patient = Patient { target, data, pilot_s: arguments.pilot };
        let tell = |what: &str| progress.status(format!("looking at: {what}"));
        let examined = async { examine(&patient, tell).await.map_err(Failure::environment) };
        let findings = tokio::select! {
            findings = while_alive(&patient.target, examined) => findings?,
            () = super::interrupt::interrupted() => return Ok(ExitStatus::Interrupted),
        };
        progress.finish();
        print(&findings, arguments.format)?;
        let unfit = findings.iter().any(|finding| finding.grade == Grade::Unfit);
        Ok(if unfit { ExitStatus::Inconclusive } else { ExitStatus::Ok })
    })
    .await
}

fn print(findings: &[Finding], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let text = serde_json::to_string_pretty(&json!({ "format": 1, "findings": findings }))
            .map_err(Failure::environment)?;
        return say(&format!("{text}\n"));
    }
    let grade = |grade: Grade| match grade {
        Grade::Good => "",
        Grade::Warning => "warning",
        Grade::Unfit => "unfit",
    };
    if format == Format::Markdown {
        say("| | found | | what to do |\n| --- | --- | --- | --- |\n")?;
        return findings.iter().try_for_each(|finding| {
            let advice = finding.advice.as_deref().unwrap_or_default();
            say(&format!("| {} | {} | {} | {advice} |\n", finding.name, finding.found, grade(finding.grade)))
        });
    }
    let rows = findings
        .iter()
        .map(|finding| vec![finding.name.to_owned(), grade(finding.grade).to_owned(), finding.found.clone()]);
    say(&table(&["", "", "found"], rows.collect()))?;
    for finding in findings {
        if let Some(advice) = &finding.advice {
            say(&format!("  {} · {}: {advice}\n", grade(finding.grade), finding.name))?;
        }
    }
    Ok(())
}
