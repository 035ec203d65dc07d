//! `weighbridge run`: one load test against one database. Must keep what was measured, however it ends.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;

use super::exit::{ExitStatus, Failure};
use super::interrupt::interrupted;
use super::progress::Progress;
use super::project::{self, Project};
use super::report::say;
use super::server::Running;
use super::{Embedded, Format};
use crate::clock;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::drive::Recording;
use crate::drive::worker::Rules;
use crate::evidence::interval_log;
use crate::evidence::run::{
    ActionResult, Ended, IntervalFacts, ProbeFacts, RunCheck, RunCheckName, RunEvidence, SearchFacts, WarmUpEnd,
};
use crate::evidence::store::ResultFolder;
use crate::expression::parse::parse;
use crate::expression::{Node, Value};
use crate::postgres::Target;
use crate::report::run::{RunVerdict, json, markdown, terminal};
use crate::run::search::{Search, Step};
use crate::run::{Event, RunError, Settings, WarmUp};
use crate::scenario::gate::{Figure, Gate};
use crate::scenario::load::Conditions;
use crate::scenario::program::Protocol;
use crate::scenario::script::parse_script;
use crate::scenario::shape::Shape;
use crate::scenario::spec::{parse_scenario, unknown_action};
use crate::scenario::workload::merge_loads;
use crate::scenario::{Load, Scenario};
use crate::seed::spec::parse_spec;
use crate::units::{Seed, count_text, ms_text, plural};

const EXAMPLES: &str = "\
Examples:
  weighbridge run scenarios/payments.toml                    the embedded server's database `dataset`
  weighbridge run scenarios/payments.toml --url postgresql://me@localhost/staging --allow-writes
  weighbridge run scenarios/payments.toml --gate 'payment_history.p95 < 20ms' --gate 'errors < 0.1%'
  weighbridge run -f tpcb.sql@9 -f select.sql@1 --clients 16 --duration 60s --define scale=10
                                                             pgbench scripts, nine of the one to one of the other
  weighbridge run -f select.sql --rate 5000 --connections 32 an open loop
  weighbridge run scenarios/payments.toml --find-rate 'p99 < 20ms and errors < 0.1%'
  weighbridge run scenarios/payments.toml --shard 2/4        one machine's part of the load";

/// What `run` can be told.
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
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
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
    /// Ends after so many operations of all clients together
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration", help_heading = "Load")]
    operations: Option<u64>,
    /// Load before anything is measured, such as 10s or 0s [default: until steady, 30s at most]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Load")]
    warm_up: Option<f64>,
    /// Most tries of an operation the server asks to try again (serialization failure, deadlock) [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Load")]
    max_tries: Option<u32>,
    /// How statements are sent: prepared, extended or simple [default: prepared]
    #[arg(short = 'M', long, value_name = "PROTOCOL", value_parser = protocol, help_heading = "Load")]
    protocol: Option<Protocol>,
    /// Names the parameters and arrivals
    #[arg(long, help_heading = "Load")]
    seed: Option<u64>,
    /// Threads of the load driver [default: one for every four processors]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    threads: Option<u16>,
    /// This machine's part of the load, such as 2/4: every part by a program of its own, with the same seed
    #[arg(long, value_name = "I/N", value_parser = super::seed::part, help_heading = "Load")]
    shard: Option<(u32, u32)>,
    /// A condition on the exit code, such as 'p95 < 20ms' or 'payment_history.errors < 0.1% abort after 10s'
    #[arg(long = "gate", value_name = "GATE", value_parser = Gate::read, help_heading = "Gates")]
    gates: Vec<Gate>,
    /// Finds the highest rate at which this holds, such as 'p99 < 20ms and errors < 0.1%', and confirms it
    #[arg(long, value_name = "OBJECTIVE", value_parser = objective, conflicts_with_all = ["clients", "operations"], help_heading = "Gates")]
    find_rate: Option<Objective>,
    /// How long each rate is tried while it is looked for; the one that is found is confirmed for --duration
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = seconds, help_heading = "Gates")]
    probe: f64,
    /// A server of yours and the database to ask, instead of the embedded one
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<String>,
    /// The database of the embedded server
    #[arg(long, value_name = "NAME", default_value = "dataset", help_heading = "Server")]
    database: String,
    /// Permit writing to a server that is not the embedded one
    #[arg(long, help_heading = "Server")]
    allow_writes: bool,
    /// Time between two lines of progress and two intervals of the log
    #[arg(short = 'P', long, value_name = "TIME", default_value = "1s", value_parser = seconds, help_heading = "Output")]
    interval: f64,
    /// Folder for results
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    results: PathBuf,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
}

/// Gates that must hold together.
#[derive(Debug, Clone)]
struct Objective(Vec<Gate>);

fn objective(text: &str) -> Result<Objective, String> {
    text.split(" and ").map(Gate::read).collect::<Result<_, _>>().map(Objective)
}

fn seconds(text: &str) -> Result<f64, String> {
    match parse(text).map(|e| e.node) {
        Ok(Node::Duration(micros)) if 0 <= micros => Ok(micros as f64 / 1e6),
        _ => Err("write a duration such as 30s".to_owned()),
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_name(text).ok_or_else(|| "write prepared, extended or simple".to_owned())
}

fn define(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// How long a run measures when nobody says it.
const DEFAULT_DURATION_S: f64 = 30.0;

/// A warm-up that does not become steady ends after this.
const WARM_UP_BOUND_S: f64 = 30.0;

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    let scenarios = read_scenarios(&arguments, &project)?;
    let progress = Arc::new(Progress::new(quiet));
    let url = arguments.url.clone().or_else(|| project.url.clone());
    let mut running = None;
    let server = match &url {
        Some(url) => Target::from_url(url).map_err(Failure::usage)?,
        None => {
            let tell = |text: &str| progress.line(text);
            let server = tokio::select! {
                server = Running::acquire(embedded, tell) => server?,
                () = interrupted() => return Ok(ExitStatus::Interrupted),
            };
            let target = server.start(tell).await;
            running = Some(server);
            target?.database(&arguments.database)
        }
    };
    let outcome = held(&arguments, &project, scenarios, server, url.is_none(), &progress).await;
    progress.finish();
    if let Some(server) = running {
        if matches!(outcome, Ok(ExitStatus::Interrupted)) {
            server.stop_soon().await;
        } else {
            server.finish().await?;
        }
    }
    outcome
}

/// Holds the run, prints and keeps what it saw.
async fn held(
    arguments: &Arguments,
    project: &Project,
    scenarios: Vec<(SourceFile, Scenario)>,
    server: Target,
    embedded: bool,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let name = scenarios.iter().map(|(_, s)| s.name.as_str()).collect::<Vec<_>>().join("+");
    let time = clock::wall().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let folder =
        ResultFolder::create(&arguments.results, &time, &format!("run-{name}")).map_err(Failure::environment)?;
    let log = Rc::new(Log::create(&folder.path));
    let interrupt = Arc::new(AtomicBool::new(false));
    let hear = listener(progress, &log);
    let mut settings = settings(arguments, project, scenarios, &server, embedded, Arc::clone(&interrupt), hear)?;
    let result = {
        let work = async {
            match &arguments.find_rate {
                Some(objective) => find_rate(&mut settings, &objective.0, arguments.probe, progress).await,
                None => crate::run::run(&settings).await,
            }
        };
        tokio::pin!(work);
        let asked = interrupted();
        tokio::pin!(asked);
        tokio::select! {
            result = &mut work => result,
            () = &mut asked => {
                progress.line("ending: operations in flight are answered first; interrupt again to stop at once");
                interrupt.store(true, Ordering::Relaxed);
                tokio::select! {
                    result = &mut work => result,
                    () = interrupted() => {
                        folder.remove_if_empty();
                        return Ok(ExitStatus::Interrupted);
                    }
                }
            }
        }
    };
    let evidence = match result {
        Ok(evidence) => evidence,
        Err(error) => {
            log.remove_if_unused();
            folder.remove_if_empty();
            return Err(if error.is_input() { Failure::usage(error) } else { Failure::environment(error) });
        }
    };
    progress.finish();
    print(&evidence, arguments.format)?;
    let mut document = Vec::new();
    json(&evidence, &mut document).map_err(Failure::environment)?;
    folder.write("run.json", &document).map_err(Failure::environment)?;
    log.failed()?;
    if arguments.format == Format::Text {
        say(&format!("  evidence  {}/   run.json · intervals.jsonl · intervals.hlog\n", folder.path.display()))?;
    }
    Ok(status(&evidence))
}

/// What a run says to the program's caller.
pub(super) fn status(evidence: &RunEvidence) -> ExitStatus {
    match RunVerdict::of(evidence) {
        RunVerdict::Passed => ExitStatus::Ok,
        RunVerdict::Failed => ExitStatus::Regressed,
        RunVerdict::Limited => ExitStatus::Inconclusive,
        RunVerdict::Interrupted => ExitStatus::Interrupted,
    }
}

/// A probe is not made longer than this for the sake of an action that is seldom asked for.
const LONGEST_PROBE_S: f64 = 600.0;

/// Answers that the objective's highest quantile needs, with some to spare for chance.
fn longest_need(objective: &[Gate]) -> f64 {
    let of = |gate: &Gate| match gate.metric.figure {
        Figure::Latency(q) if q < 1.0 => 13.0 / (1.0 - q),
        _ => 0.0,
    };
    objective.iter().map(of).fold(0.0, f64::max)
}

/// Looks for the highest rate at which the objective holds; the result is the run that confirms it, or the last probe.
async fn find_rate(
    settings: &mut Settings,
    objective: &[Gate],
    probe_s: f64,
    progress: &Progress,
) -> Result<RunEvidence, RunError> {
    let Load::Open { rate, connections } = settings.load else {
        return Err(RunError::Asked(
            "a rate can only be found for an open loop: give the scenario a `rate`".to_owned(),
        ));
    };
    let duration_s = settings.shape.length_s();
    let own_gates = std::mem::replace(&mut settings.gates, objective.to_vec());
    let mut search = Search::new(rate);
    let mut probes: Vec<ProbeFacts> = Vec::new();
    loop {
        let step = search.next();
        let (rate, seconds) = match step {
            Step::Probe(rate) => (rate, probe_s),
            Step::Confirm(rate) => (rate, duration_s),
            Step::GiveUp => (probes.last().map_or(rate, |probe| probe.rate_per_s), probe_s),
        };
        let seconds = seconds.max(longest_need(objective) / rate);
        settings.shape = Shape::steady(rate, seconds);
        settings.load = Load::Open { rate, connections };
        let confirms = matches!(step, Step::Confirm(_));
        if confirms {
            settings.gates.extend(own_gates.iter().cloned());
        }
        // Each rate meets warm caches and its own queues.
        settings.warm_up = WarmUp::Fixed((probe_s / 5.0).min(2.0));
        let mut run = crate::run::run(settings).await?;
        let mut seconds = seconds;
        // An action that is seldom asked for needs longer, before it can be said to fail.
        while run.ended == Ended::AsPlanned
            && run.gates.iter().any(|gate| gate.observed.is_none())
            && seconds < LONGEST_PROBE_S
        {
            seconds *= 2.0;
            settings.shape = Shape::steady(rate, seconds);
            run = crate::run::run(settings).await?;
        }
        settings.gates.truncate(objective.len());
        let holds = run.gates.iter().take(objective.len()).all(|gate| gate.holds);
        // A probe is too short to judge the timer by its latest wake-ups.
        let counts = |check: &&RunCheck| check.limits && check.name != RunCheckName::TimerLag;
        let limited = run.checks.iter().find(counts).map(|check| check.message.clone());
        // A rate the driver cannot offer is none that the server bears.
        let holds = holds && limited.is_none();
        progress.line(&format!("rate {rate:.0}/s {} for {seconds:.0} s", if holds { "holds" } else { "fails" }));
        let gates = run.gates.iter().take(objective.len()).cloned().collect();
        probes.push(ProbeFacts { rate_per_s: rate, seconds, gates, holds, limited });
        let over = step == Step::GiveUp || (confirms && holds) || run.ended == Ended::Interrupted;
        if over {
            let objective = objective.iter().map(ToString::to_string).collect();
            run.search = Some(SearchFacts { objective, probes, confirmed: confirms && holds });
            return Ok(run);
        }
        if confirms {
            search.not_confirmed(rate);
        } else {
            search.probed(rate, holds);
        }
    }
}

/// Prints a run on stdout.
pub(super) fn print(evidence: &RunEvidence, format: Format) -> Result<(), Failure> {
    let mut text = Vec::new();
    let written = match format {
        Format::Text => terminal(evidence, &mut text),
        Format::Markdown => markdown(evidence, &mut text),
        Format::Json => json(evidence, &mut text),
    };
    written.map_err(Failure::environment)?;
    say(&String::from_utf8_lossy(&text))
}

/// What is told while a run goes on.
fn listener(progress: &Arc<Progress>, log: &Rc<Log>) -> Box<dyn Fn(Event<'_>)> {
    let (progress, log) = (Arc::clone(progress), Rc::clone(log));
    Box::new(move |event| match event {
        Event::Binding => progress.status("reading: statements and values to pick from".to_owned()),
        Event::Connecting(clients) => progress.status(format!("connecting {}", plural(clients, "client"))),
        Event::WarmingUp(seconds) => progress.status(format!("warming up: {seconds:.1} s")),
        Event::WarmedUp(seconds, end) => {
            let how = match end {
                WarmUpEnd::Fixed => "as asked for",
                WarmUpEnd::Steady => "latency is steady",
                WarmUpEnd::Bound => "latency is not steady yet",
            };
            if 0.0 < seconds {
                progress.line(&format!("warmed up for {seconds:.1} s: {how}"));
            }
        }
        Event::Interval { facts, actions, recording } => {
            log.add(facts, actions, recording);
            // What is left after the last full interval is in the log, and too short for a rate.
            if 0.1 < facts.length_s || 0 < facts.failed {
                progress.interval(&interval_text(facts));
            }
        }
        Event::Aborting(rule) => progress.line(&format!("ending early: {rule}")),
    })
}

fn interval_text(facts: &IntervalFacts) -> String {
    let ms = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| ms_text((us * 1e3) as u64));
    let mut text = format!(
        "{:>6.1} s  {:>9}/s  p50 {} p95 {} p99 {} ms",
        facts.at_s + facts.length_s,
        count_text((facts.ok as f64 / facts.length_s.max(1e-9)).round() as u64),
        ms(facts.latency.us_p50),
        ms(facts.latency.us_p95),
        ms(facts.latency.us_p99),
    );
    for (count, what) in [
        (facts.failed, "failed"),
        (facts.skipped, "skipped"),
        (facts.retries, "retries"),
        (facts.reconnects, "reconnects"),
    ] {
        if 0 < count {
            text.push_str(&format!("  {} {what}", count_text(count)));
        }
    }
    text
}

/// The two logs that grow with the run: lines of JSON, and histograms.
struct Log {
    paths: [PathBuf; 2],
    files: RefCell<Option<[File; 2]>>,
    error: RefCell<Option<std::io::Error>>,
}

impl Log {
    fn create(folder: &Path) -> Self {
        let paths = [folder.join("intervals.jsonl"), folder.join("intervals.hlog")];
        Self { paths, files: RefCell::default(), error: RefCell::default() }
    }

    /// A write that fails is told at the end; the run goes on.
    fn add(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording) {
        if self.error.borrow().is_none()
            && let Err(error) = self.write(facts, actions, recording)
        {
            *self.error.borrow_mut() = Some(error);
        }
    }

    fn write(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording) -> std::io::Result<()> {
        let mut files = self.files.borrow_mut();
        if files.is_none() {
            let [lines, mut histograms] = [File::create(&self.paths[0])?, File::create(&self.paths[1])?];
            let start_s = clock::wall().as_microsecond() as f64 / 1e6 - facts.length_s;
            histograms.write_all(&interval_log::header(start_s))?;
            *files = Some([lines, histograms]);
        }
        let [lines, histograms] = files.as_mut().expect("just made");
        serde_json::to_writer(&mut *lines, &serde_json::json!({ "interval": facts, "actions": actions }))?;
        lines.write_all(b"\n")?;
        for (action, recorded) in actions.iter().zip(&recording.actions) {
            for (tag, histogram) in [("", &recorded.latency), (":service", &recorded.service), (":lag", &recorded.lag)]
            {
                let tag = format!("{}{tag}", action.name);
                let line = interval_log::line(&tag, facts.at_s, facts.length_s, histogram);
                histograms.write_all(&line.map_err(std::io::Error::other)?)?;
            }
        }
        Ok(())
    }

    fn remove_if_unused(&self) {
        if self.files.borrow().is_none() {
            self.paths.iter().for_each(|path| drop(std::fs::remove_file(path)));
        }
    }

    fn failed(&self) -> Result<(), Failure> {
        match self.error.borrow_mut().take() {
            Some(error) => Err(Failure::environment(anyhow!(
                "the logs of intervals are cut off: {error}\n  = help: free space there; run.json is whole"
            ))),
            None => Ok(()),
        }
    }
}

/// Scenario files and scripts, with every mistake of all of them.
fn read_scenarios(arguments: &Arguments, project: &Project) -> Result<Vec<(SourceFile, Scenario)>, Failure> {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    let of_project = arguments.scenarios.is_empty() && arguments.scripts.is_empty();
    let paths: Vec<PathBuf> = if of_project {
        project.scenarios.iter().map(|path| project.root.join(path)).collect()
    } else {
        arguments.scenarios.clone()
    };
    for path in paths {
        match SourceFile::read(&path) {
            Ok(file) => match parse_scenario(&file.text) {
                Ok(scenario) => found.push((file, scenario)),
                Err(list) => problems.push(file.problems(list).to_string()),
            },
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !arguments.scripts.is_empty() {
        match read_scripts(arguments) {
            Ok(scripts) => found.extend(scripts),
            Err(mut list) => problems.append(&mut list),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::usage(anyhow!(problems.join("\n\n"))));
    }
    if found.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no scenario was given\n  = help: weighbridge run FILE.toml, or -f SCRIPT.sql for a pgbench script"
        )));
    }
    Ok(found)
}

/// Every script as a scenario of one action; their weights are shares of one load.
fn read_scripts(arguments: &Arguments) -> Result<Vec<(SourceFile, Scenario)>, Vec<String>> {
    let defines: Vec<(String, Value<'static>)> = arguments
        .defines
        .iter()
        .map(|(name, text)| {
            let whole = text.parse().ok().map(Value::Int);
            let number = whole.or_else(|| text.parse().ok().map(Value::Float));
            (name.clone(), number.unwrap_or_else(|| Value::Text(text.clone().into())))
        })
        .collect();
    let mut problems = Vec::new();
    let mut read: Vec<(SourceFile, Scenario)> = Vec::new();
    for given in &arguments.scripts {
        let (path, weight) = match given.rsplit_once('@').and_then(|(path, w)| Some((path, w.parse::<f64>().ok()?))) {
            Some((path, weight)) if 0.0 < weight => (path, weight),
            _ => (given.as_str(), 1.0),
        };
        let file = match SourceFile::read(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        let mut name: String =
            stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
        if read.iter().any(|(_, scenario)| scenario.name == name) {
            name = format!("{name}-{}", read.len() + 1);
        }
        match parse_script(&file.text, &name, weight, &defines) {
            Ok(action) => {
                let actions = vec![action];
                // The share of a script is its weight: as if its load were that large.
                let load = Load::Open { rate: weight, connections: 1 };
                read.push((file, Scenario { name, load, conditions: Conditions::default(), actions }));
            }
            Err(list) => problems.push(file.problems(list).to_string()),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

/// Flags over files: a flag wins.
fn settings(
    arguments: &Arguments,
    project: &Project,
    mut scenarios: Vec<(SourceFile, Scenario)>,
    server: &Target,
    embedded: bool,
    interrupt: Arc<AtomicBool>,
    listener: Box<dyn Fn(Event<'_>)>,
) -> Result<Settings, Failure> {
    let load = load(arguments, &mut scenarios)?;
    let conditions = &scenarios[0].1.conditions;
    let stages = scenarios.iter().any(|(_, s)| !s.conditions.stages.is_empty() || !s.conditions.rhythms.is_empty());
    if 1 < scenarios.len() && stages {
        return Err(Failure::usage(anyhow!(
            "several scenarios can be driven as one mix only when none has stages, a wave, bursts or a day"
        )));
    }
    let duration_s = arguments.duration.or(conditions.duration_s).unwrap_or(DEFAULT_DURATION_S);
    // Operations are counted, not timed: far longer than any of them takes.
    let duration_s = if arguments.operations.is_some() { 86_400.0 } else { duration_s };
    let own_level = arguments.rate.is_some() || arguments.clients.is_some();
    let shape = match (own_level, load) {
        (true, load) => Shape::steady(load.level(), duration_s),
        (false, load) => conditions.shape(load, duration_s),
    };
    // A closed loop in stages needs the clients of its highest stage.
    let load = match load {
        Load::Closed { clients } => Load::Closed { clients: clients.max(shape.peak().ceil() as usize) },
        open => open,
    };
    let mut gates: Vec<Gate> = scenarios.iter().flat_map(|(_, s)| s.conditions.gates.clone()).collect();
    gates.extend(project.gates.iter().filter(|gate| scenarios.iter().any(|(_, s)| known(gate, s))).cloned());
    gates.extend(arguments.gates.iter().cloned());
    check_gates(arguments, &scenarios)?;
    let spec = project.spec.as_ref().map(|path| project.root.join(path)).and_then(|path| SourceFile::read(&path).ok());
    let spec = spec.and_then(|file| parse_spec(&file.text).ok());
    let writes = embedded || arguments.allow_writes;
    if !writes {
        refuse_writes(&scenarios)?;
    }
    Ok(Settings {
        target: server.named("weighbridge run").with(!writes, conditions.timeout_ms),
        embedded,
        load,
        shape,
        operations: arguments.operations,
        warm_up: match arguments.warm_up.or(conditions.warm_up_s) {
            Some(seconds) => WarmUp::Fixed(seconds),
            None => WarmUp::Steady(WARM_UP_BOUND_S),
        },
        rules: Rules {
            more_tries: arguments.max_tries.or(conditions.max_tries).unwrap_or(1) - 1,
            skip_after_ns: conditions.skip_after_ns,
            late_after_ns: conditions.late_after_ns,
        },
        protocol: arguments.protocol.or(conditions.protocol).unwrap_or_default(),
        threads: arguments.threads.map_or_else(super::prove::default_threads, usize::from),
        seed: Seed(arguments.seed.or(project.seed).unwrap_or(42)),
        scale: arguments.scale.unwrap_or(1.0),
        now: spec.as_ref().map_or_else(|| clock::wall().as_microsecond() - 946_684_800_000_000, |spec| spec.now),
        key_sets: spec.map(|spec| spec.key_sets).unwrap_or_default(),
        interval_s: arguments.interval.max(0.05),
        shard: arguments.shard.map_or((0, 1), |(i, n)| (u64::from(i) - 1, u64::from(n))),
        gates,
        abort_when: conditions.abort_when.clone(),
        interrupt,
        listener,
        scenarios,
    })
}

/// Statements that write, on a server that nobody has permitted to be written to. Functions that write are
/// refused by the server: the sessions are read-only.
fn refuse_writes(scenarios: &[(SourceFile, Scenario)]) -> Result<(), Failure> {
    for (file, scenario) in scenarios {
        let steps = scenario.actions.iter().flat_map(|action| &action.steps);
        let writing = steps.filter(|step| crate::sql::may_write(&step.source.text)).map(|step| {
            Diagnostic::at(step.source.span.clone(), "this statement may write, and the server is not the embedded one")
                .help("add --allow-writes if it is no production server")
        });
        let problems: Vec<Diagnostic> = writing.collect();
        if !problems.is_empty() {
            return Err(Failure::usage(file.clone().problems(problems)));
        }
    }
    Ok(())
}

fn known(gate: &Gate, scenario: &Scenario) -> bool {
    unknown_action(gate, &scenario.actions).is_none()
}

/// A gate of the command line on an action that is not there would always pass.
fn check_gates(arguments: &Arguments, scenarios: &[(SourceFile, Scenario)]) -> Result<(), Failure> {
    for gate in &arguments.gates {
        if !scenarios.iter().any(|(_, scenario)| known(gate, scenario)) {
            let problem: Option<Diagnostic> = unknown_action(gate, &scenarios[0].1.actions);
            let problem = problem.map_or_else(String::new, |p| match p.help {
                Some(help) => format!("{}\n  = help: {help}", p.message),
                None => p.message,
            });
            return Err(Failure::usage(anyhow!(problem)));
        }
    }
    Ok(())
}

/// The load of all scenarios together, or the one the flags ask for: then shares of the mix stay as they are.
fn load(arguments: &Arguments, scenarios: &mut [(SourceFile, Scenario)]) -> Result<Load, Failure> {
    let scripts = !arguments.scripts.is_empty();
    let open = |rate: f64, connections: usize| {
        let connections = arguments.connections.map_or(connections, |n| n as usize);
        Load::Open { rate, connections }
    };
    if let Some(rate) = arguments.rate {
        if rate <= 0.0 || !rate.is_finite() {
            return Err(Failure::usage(anyhow!("--rate must be above 0")));
        }
        return Ok(open(rate, most_connections(scenarios, scripts)));
    }
    if let Some(clients) = arguments.clients {
        return Ok(Load::Closed { clients: clients as usize });
    }
    if scripts {
        // As pgbench: one client, as fast as it is answered.
        return Ok(Load::Closed { clients: 1 });
    }
    let list: Vec<Scenario> = scenarios.iter().map(|(_, scenario)| scenario.clone()).collect();
    Ok(match merge_loads(&list).map_err(Failure::usage)? {
        Load::Open { rate, connections } => open(rate, connections),
        closed => closed,
    })
}

fn most_connections(scenarios: &[(SourceFile, Scenario)], scripts: bool) -> usize {
    const FEWEST: usize = 16;
    if scripts {
        return FEWEST;
    }
    scenarios.iter().map(|(_, scenario)| scenario.load.connections()).max().unwrap_or(FEWEST)
}
