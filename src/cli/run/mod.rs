//! `weighbridge run`: one load test against one database. Must keep what was measured, however it ends.

mod figures;
mod inputs;
mod metrics;
mod output;
mod screen;
mod transactions;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::metrics::Metrics;
use self::output::{Log, listener};
use self::transactions::Transactions;
use super::address::warn_of_passwords;
use super::exit::{ExitStatus, Failure};
use super::gates::Condition;
use super::interrupt::{interrupted, interrupted_again, undoing};
use super::layout::LayoutFlags;
use super::progress::Progress;
use super::project::{self, Project};
use super::render::{print_run, run_reports};
use super::report::say_files;
use super::server::on_server;
use super::{Embedded, Format};
use crate::clock;
use crate::compare::run::RunVerdict;
use crate::diagnostic::{Message, SourceFile};
use crate::evidence::run::{ProbeFacts, RunEvidence};
use crate::evidence::store::ResultFolder;
use crate::experiment::find_rate;
use crate::expression::Node;
use crate::expression::parse::parse;
use crate::postgres::database::Admin;
use crate::postgres::{Target, observe};
use crate::report::run::{json, probe_word};
use crate::scenario::gate::Gate;
use crate::scenario::program::Protocol;
use crate::scenario::{Scenario, name_of};

const EXAMPLES: &str = "Examples:
  weighbridge run scenarios/payments.toml                    the embedded server's database `dataset`
  weighbridge run scenarios/payments.toml --url postgresql://me@localhost/staging --allow-writes
  weighbridge run scenarios/payments.toml --gate 'payment_history.p95 < 20ms' --gate 'errors < 0.1%'
  weighbridge run -f tpcb.sql@9 -f select.sql@1 --clients 16 --duration 60s --define scale=10
                                                             pgbench scripts, nine of the one to one of the other
  weighbridge run -f select.sql --rate 5000 --connections 32 an open loop
  weighbridge run scenarios/payments.toml --find-rate 'p99 < 20ms and errors < 0.1%'
  weighbridge run scenarios/payments.toml --shard 2/4        one machine's part of the load
  weighbridge run scenarios/payments.toml --clients 64 --pool 8 --gate 'pool.wait.p99 < 5ms'
  weighbridge run scenarios/payments.toml --url postgresql://me@primary/shop --replica postgresql://me@standby/shop
  weighbridge run scenarios/payments.toml --metrics 127.0.0.1:9187   for Prometheus";

/// Flags of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Scenario; several are driven as one mix [default: those of the project]
    scenarios: Vec<PathBuf>,
    /// A pgbench script with its weight, such as tpcb.sql@9; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE[@WEIGHT]", help_heading = "Scripts")]
    scripts: Vec<String>,
    /// A variable for scripts
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = define, help_heading = "Scripts")]
    defines: Vec<(String, String)>,
    /// The scale that scripts see as :scale
    #[arg(short = 's', long, help_heading = "Scripts")]
    scale: Option<f64>,
    /// The project file
    #[arg(long, value_name = "FILE", help_heading = "Project")]
    config: Option<PathBuf>,
    /// Clients of a closed loop: each asks again as soon as it was answered
    #[arg(
        short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000),
        help_heading = "Load",
    )]
    clients: Option<u32>,
    /// Actions a second of an open loop, arriving as a Poisson process
    #[arg(short = 'R', long, value_name = "PER_SECOND", conflicts_with = "clients", help_heading = "Load")]
    rate: Option<f64>,
    /// Most actions in flight in an open loop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    connections: Option<u32>,
    /// How long to measure, such as 30s [default: that of the scenario, or 30s]
    #[arg(short = 'T', long, value_name = "TIME", value_parser = seconds, help_heading = "Load")]
    duration: Option<f64>,
    /// Ends after this many operations of all clients together
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration", help_heading = "Load")]
    operations: Option<u64>,
    /// Load before anything is measured, such as 10s or 0s [default: until steady, 30s at most]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Load")]
    warm_up: Option<f64>,
    /// Most tries of an operation the server asks to try again (serialization failure, deadlock) [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Load")]
    max_tries: Option<u32>,
    /// How statements are sent: prepared, extended or simple [default: prepared; behind a
    /// pooler that shares sessions extended, or simple where a password or encryption is asked for]
    #[arg(short = 'M', long, value_name = "PROTOCOL", value_parser = protocol, help_heading = "Load")]
    protocol: Option<Protocol>,
    /// Names the parameters and arrivals
    #[arg(long, help_heading = "Load")]
    seed: Option<u64>,
    /// Threads of the load driver [default: one for every four processors]
    #[arg(
        short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256),
        help_heading = "Load",
    )]
    threads: Option<u16>,
    /// This machine's part of the load, such as 2/4: every part by a program of its own, with the same seed
    #[arg(long, value_name = "I/N", value_parser = super::seed::part, help_heading = "Load")]
    shard: Option<(u32, u32)>,
    /// A condition on the exit code, such as 'p95 < 20ms' or 'payment_history.errors < 0.1% abort after 10s', or the
    /// id of a finding that fails
    #[arg(long = "gate", value_name = "GATE", value_parser = Condition::read, help_heading = "Gates")]
    gates: Vec<Condition>,
    /// Finds the highest rate at which this holds, such as 'p99 < 20ms and errors < 0.1%', and confirms it
    #[arg(
        long, value_name = "OBJECTIVE", value_parser = objective, conflicts_with_all = ["clients", "operations"],
        help_heading = "Gates",
    )]
    find_rate: Option<Objective>,
    /// How long each rate is tried while it is looked for; the one that is found is confirmed for --duration
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = seconds, help_heading = "Gates")]
    probe: f64,
    /// Connections of a pool that the clients share, as an application does: waits for one are reported apart
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    pool: Option<u32>,
    /// A client gives up waiting for a connection of the pool after this [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Load")]
    pool_timeout: Option<f64>,
    /// The migration the schema is at: decides which `since` of a statement is asked [default: that of the project for
    /// the embedded server, else the newest]
    #[arg(long, value_name = "MIGRATION", help_heading = "Project")]
    at: Option<String>,
    /// Folder of migrations, for the order of those that --at and `since` name
    #[arg(long, value_name = "DIR", help_heading = "Project")]
    migrations: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutFlags,
    /// A server of yours and the database to ask, instead of the embedded one
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// The role that asks, as the application does (SET ROLE)
    #[arg(long, value_name = "ROLE", value_parser = role, help_heading = "Server")]
    role: Option<String>,
    /// A replica of that server, for what says target = "replica"; several are asked in turn
    #[arg(long = "replica", value_name = "URL", help_heading = "Server")]
    replicas: Vec<String>,
    /// The database of the embedded server
    #[arg(long, value_name = "NAME", default_value = "dataset", help_heading = "Server")]
    database: String,
    /// Permit writing to a server that is not the embedded one
    #[arg(long, help_heading = "Server")]
    allow_writes: bool,
    /// Time between two lines of progress and two intervals of the log
    #[arg(
        short = 'P', long, value_name = "TIME", default_value = "1s", value_parser = seconds, help_heading = "Output",
    )]
    interval: f64,
    /// Answers served slower than this are counted, and the slowest kept [default: 100ms]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Output")]
    slow: Option<f64>,
    /// Asks the server for the plans of the slowest at the end
    #[arg(long, help_heading = "Output")]
    slow_plans: bool,
    /// Does not look at the server while it is driven
    #[arg(long, help_heading = "Output")]
    no_watch: bool,
    /// Every operation as a line, in pgbench's format
    #[arg(short = 'l', long, value_name = "FILE", help_heading = "Output")]
    log: Option<PathBuf>,
    /// An address of this machine where the figures are to be had as OpenMetrics, such as 127.0.0.1:9187
    #[arg(long, value_name = "ADDRESS", value_parser = metrics::address, help_heading = "Output")]
    metrics: Option<std::net::SocketAddr>,
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

/// Gates that must hold together.
#[derive(Debug, Clone)]
struct Objective(Vec<Gate>);

fn objective(text: &str) -> Result<Objective, String> {
    text.split(" and ").map(Gate::read).collect::<Result<_, _>>().map(Objective)
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match parse(text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if 0 <= micros => Ok(micros as f64 / 1e6),
        _ => Err("write a duration such as 30s".to_owned()),
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_name(text).ok_or_else(|| "write prepared, extended or simple".to_owned())
}

/// A role that sessions can act as.
pub(super) fn role(text: &str) -> Result<String, String> {
    match text {
        "" | "none" => Err("write the name of a role".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn define(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    let scenarios = inputs::read_scenarios(&arguments, &project)?;
    let progress = Arc::new(Progress::new(quiet));
    let replicas = arguments.replicas.iter().map(|url| ("--replica", url));
    warn_of_passwords(&progress, arguments.url.iter().map(|url| ("--url", url)).chain(replicas));
    let url = arguments.url.clone().or_else(|| project.url.clone());
    on_server(url.as_deref(), embedded, &progress, async |server| {
        if url.is_none() {
            must_be_seeded(&server, &arguments.database).await?;
        }
        let target = if url.is_some() { server } else { server.database(&arguments.database) };
        if url.is_none() && !arguments.replicas.is_empty() {
            return Err(Failure::usage(Message::new(
                "--replica needs the primary's --url: the embedded server has no replicas",
            )));
        }
        let replicas = arguments.replicas.iter().map(|url| Target::from_url(url));
        let replicas: Vec<Target> = replicas.collect::<Result<_, _>>().map_err(Failure::usage)?;
        held(&arguments, &project, scenarios, (&target, &replicas), url.is_none(), &progress).await
    })
    .await
}

/// Refuses a database of the embedded server that nobody has made yet.
async fn must_be_seeded(server: &Target, name: &str) -> Result<(), Failure> {
    let mut admin = Admin::connect(server).await.map_err(Failure::environment)?;
    let is_there = admin.exists(name).await.map_err(Failure::environment)?;
    admin.close().await;
    if is_there {
        return Ok(());
    }
    Err(Failure::usage(
        Message::new(format!("the embedded server has no database `{name}`, for nothing was seeded into it yet")).help(
            "`weighbridge seed` makes it from the project's migrations and dataset spec; --url runs against a \
             database of yours",
        ),
    ))
}

/// Holds the run, prints and keeps what it saw.
async fn held(
    arguments: &Arguments,
    project: &Project,
    scenarios: Vec<(SourceFile, Scenario)>,
    servers: (&Target, &[Target]),
    embedded: bool,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let name = name_of(scenarios.iter().map(|(_, scenario)| scenario));
    let time = clock::wall().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let folder =
        ResultFolder::create(&arguments.results, &time, &format!("run-{name}")).map_err(Failure::environment)?;
    let _unused = Unused(&folder);
    let transactions = arguments.log.as_ref().map(|path| {
        Transactions::create(path)
            .map_err(|error| Failure::environment(Message::new(format!("cannot write {}: {error}", path.display()))))
    });
    let log = Rc::new(Log::create(&folder, transactions.transpose()?));
    let interrupt = Arc::new(AtomicBool::new(false));
    let metrics = match arguments.metrics {
        Some(address) => {
            let metrics = Metrics::listen(address).await?;
            progress.line(&format!("figures at http://{}/metrics", metrics.address));
            Some(metrics)
        }
        None => None,
    };
    let hear = listener(progress, &log, metrics);
    let mut settings =
        inputs::settings(arguments, project, scenarios, servers, embedded, Arc::clone(&interrupt), hear)?;
    if embedded {
        // What ties statements to their work; on a server of somebody else it is there or not.
        if let Ok(mut connection) = servers.0.connect().await {
            observe::prepare(&mut connection).await;
        }
    }
    let result = {
        let work = async {
            match &arguments.find_rate {
                Some(objective) => {
                    let told = |probe: &ProbeFacts| {
                        let ProbeFacts { rate_per_s, seconds, .. } = probe;
                        progress.line(&format!("rate {rate_per_s:.0}/s, {seconds:.0} s: {}", probe_word(probe)));
                    };
                    find_rate(&mut settings, &objective.0, arguments.probe, told).await
                }
                None => crate::run::run(&settings).await,
            }
        };
        tokio::pin!(work);
        tokio::select! {
            result = &mut work => Some(result),
            () = interrupted() => {
                let _undoing = undoing();
                progress.line("ending: operations in flight are waited for a second; interrupt again to stop at once");
                interrupt.store(true, Ordering::Relaxed);
                tokio::select! {
                    result = &mut work => Some(result),
                    () = tokio::time::sleep(ENDING) => None,
                    () = interrupted_again() => None,
                }
            }
        }
    };
    let evidence = match result {
        Some(Ok(evidence)) => evidence,
        Some(Err(error)) => {
            if log.remove_if_unused() {
                progress.line(&format!("what was measured by then is in {}", folder.path.display()));
            }
            return Err(if error.is_input() { Failure::usage(error) } else { Failure::environment(error) });
        }
        None => {
            // Its intervals are kept, and are all there is of it.
            if log.remove_if_unused() {
                progress.line(&format!("interrupted; what was measured by then is in {}", folder.path.display()));
            }
            return Ok(ExitStatus::Interrupted);
        }
    };
    progress.finish();
    let mut document = Vec::new();
    json(&evidence, &mut document).map_err(Failure::environment)?;
    let reports = run_reports(&evidence, &folder.path);
    let saved = folder
        .write("run.json", &document)
        .and_then(|()| reports.iter().try_for_each(|(name, bytes)| folder.write(name, bytes)));
    print_run(&evidence, arguments.format, arguments.detail, &folder.path)?;
    saved.map_err(Failure::environment)?;
    log.failed()?;
    if arguments.format == Format::Text {
        say_files(&folder.path, &["report.html", "report.md", "run.json", "intervals.jsonl", "intervals.hlog"])?;
    }
    Ok(status(&evidence))
}

/// A folder that goes if nothing was written into it, however a run ends.
struct Unused<'f>(&'f ResultFolder);

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        self.0.remove_if_empty();
    }
}

/// How long a run may take to end when it is asked to: a second for operations in flight, and a last look at the
/// server.
const ENDING: Duration = Duration::from_millis(1_600);

/// What a run says to the program's caller.
pub(super) fn status(evidence: &RunEvidence) -> ExitStatus {
    match RunVerdict::of(evidence) {
        RunVerdict::Passed => ExitStatus::Ok,
        RunVerdict::Failed => ExitStatus::Regressed,
        RunVerdict::Inconclusive | RunVerdict::Limited => ExitStatus::Inconclusive,
        RunVerdict::ServerLost => ExitStatus::Environment,
        RunVerdict::Interrupted => ExitStatus::Interrupted,
    }
}
