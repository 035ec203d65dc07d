//! What `weighbridge run` knows before it connects: scenarios, scripts, settings. Must write nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Arguments;
use crate::cli::exit::Failure;
use crate::cli::gates::{self, Condition};
use crate::cli::project::Project;
use crate::cli::scenarios;
use crate::clock;
use crate::diagnostic::{Advice, Message, SourceFile};
use crate::drive::Targets;
use crate::drive::crew::PoolSize;
use crate::drive::slice::Rules;
use crate::expression::Value;
use crate::postgres::Target;
use crate::run::{Event, Settings, WarmUp};
use crate::scenario::gate::{Figure, Gate};
use crate::scenario::load::Conditions;
use crate::scenario::program::Role;
use crate::scenario::script::parse_script;
use crate::scenario::shape::Shape;
use crate::scenario::spec::unknown_action;
use crate::scenario::workload::{check_names, merge_loads};
use crate::scenario::{Load, Scenario};
use crate::seed::spec::parse_spec;
use crate::units::Seed;

/// How long a run measures when nobody says it.
const DEFAULT_DURATION_S: f64 = 30.0;

/// A warm-up that does not become steady ends after this.
const WARM_UP_BOUND_S: f64 = 30.0;

/// A client gives up waiting for a connection of a pool after this, as most pools do.
const POOL_PATIENCE_S: f64 = 30.0;

/// A number of operations is given up when a lost connection could not be made again for this long.
const RECONNECT_WITHIN_NS: u64 = 30_000_000_000;

/// What counts as slow when nobody says it.
const SLOW_S: f64 = 0.1;

/// Scenario files and scripts, with every mistake of all of them.
pub(super) fn read_scenarios(arguments: &Arguments, project: &Project) -> Result<Vec<(SourceFile, Scenario)>, Failure> {
    let mut problems = Vec::new();
    let of_project = arguments.scenarios.is_empty() && arguments.scripts.is_empty();
    let paths: Vec<PathBuf> = if of_project {
        project.scenarios.iter().map(|path| project.root.join(path)).collect()
    } else {
        arguments.scenarios.clone()
    };
    let mut found = scenarios::read(&paths, &mut problems);
    if !arguments.scripts.is_empty() {
        match read_scripts(arguments) {
            Ok(scripts) => found.extend(scripts),
            Err(mut list) => problems.append(&mut list),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::usage(Message::drawn(problems.join("\n\n"))));
    }
    gates::check_actions(project, &found)?;
    let found = as_of(arguments, project, &found)?;
    if found.is_empty() {
        return Err(Failure::usage(
            Message::new("no scenario was given")
                .help("weighbridge run FILE.toml, or -f SCRIPT.sql for a pgbench script"),
        ));
    }
    Ok(found)
}

/// The scenarios as the application asks at the migration the schema is at.
fn as_of(
    arguments: &Arguments,
    project: &Project,
    found: &[(SourceFile, Scenario)],
) -> Result<Vec<(SourceFile, Scenario)>, Failure> {
    let steps = found.iter().flat_map(|(_, s)| &s.actions).flat_map(|action| &action.steps);
    let varies = steps.into_iter().any(|step| !step.since.is_empty());
    let embedded = arguments.url.is_none() && project.url.is_none();
    let at = arguments.at.as_ref().or(if embedded { project.at.as_ref() } else { None });
    if !varies {
        return scenarios::at(found, None, |_| None);
    }
    let folder = arguments.migrations.clone().unwrap_or_else(|| project.migrations_folder());
    if at.is_none() && arguments.migrations.is_none() && !folder.exists() {
        // Nobody knows an order: the last of each file is taken for the newest.
        return scenarios::at(found, None, |_| None);
    }
    let directory = project.directory(Some(&folder), &arguments.layout).map_err(Failure::usage)?;
    let position = match at {
        Some(at) => directory.position(at).map_err(Failure::usage)?,
        None => directory.migrations.len() - 1,
    };
    scenarios::at(found, Some(position + 1), |name| directory.position(name).ok())
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
                problems.push(error.message().draw("error"));
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
                let conditions = Conditions::default();
                let (uses, level, used) = (Vec::new(), weight, false);
                read.push((file, Scenario { name, load, conditions, actions, uses, level, used }));
            }
            Err(list) => problems.push(file.problems(list).to_string()),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

/// Flags over files: a flag wins.
pub(super) fn settings(
    arguments: &Arguments,
    project: &Project,
    mut scenarios: Vec<(SourceFile, Scenario)>,
    (server, replicas): (&Target, &[Target]),
    embedded: bool,
    interrupt: Arc<AtomicBool>,
    listener: Box<dyn Fn(Event<'_>)>,
) -> Result<Settings, Failure> {
    let load = load(arguments, &mut scenarios)?;
    let counted = matches!(load, Load::Closed { .. }) || arguments.operations.is_some();
    if arguments.shard.is_some() && counted {
        return Err(Failure::usage(
            Message::new(
                "--shard divides the rate of an open loop; clients and a number of operations are each machine's own",
            )
            .help("give every machine its share of the clients, without --shard"),
        ));
    }
    let conditions = &scenarios[0].1.conditions;
    let stages = scenarios.iter().any(|(_, s)| !s.conditions.stages.is_empty() || !s.conditions.rhythms.is_empty());
    if 1 < scenarios.iter().filter(|(_, s)| !s.used).count() && stages {
        return Err(Failure::usage(Message::new(
            "several scenarios can be driven as one mix only when none has stages, a wave, bursts or a day",
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
    let own = scenarios.iter().filter(|(_, s)| !s.used);
    let mut gates: Vec<Gate> = own.flat_map(|(_, s)| s.conditions.gates.clone()).collect();
    let actions = scenarios.iter().flat_map(|(_, s)| &s.actions).map(|action| action.name.value.as_str());
    let names: Vec<&str> = actions.collect();
    let of_project = project.gates.iter().map(|placed| &placed.gate);
    gates.extend(of_project.filter(|gate| unknown_action(gate, names.iter().copied()).is_none()).cloned());
    let mut policy = project.policy.clone();
    for flag in &arguments.gates {
        match flag {
            Condition::Finding(id) => policy.fail.push((*id).to_owned()),
            Condition::Figure(gate) => {
                gates::check(gate, &names)?;
                gates.push(gate.clone());
            }
        }
    }
    let pool = arguments.pool.map(|n| n as usize).or(conditions.pool).map(|connections| {
        let given = arguments.pool_timeout.or(conditions.pool_timeout_ns.map(|nanos| nanos as f64 / 1e9));
        PoolSize { connections, patience: Duration::from_secs_f64(given.unwrap_or(POOL_PATIENCE_S)) }
    });
    let objective = arguments.find_rate.iter().flat_map(|objective| &objective.0);
    for gate in gates.iter().chain(objective) {
        let missing = match gate.metric.figure {
            Figure::PoolWait(_) if pool.is_none() => "a pool: add --pool, or `pool` under [load]",
            Figure::ReplicaLag if replicas.is_empty() => "a replica: add --replica",
            _ => continue,
        };
        return Err(Failure::usage(Message::new(format!("the gate `{gate}` is about {missing}"))));
    }
    let spec = project.spec.as_ref().map(|path| project.root.join(path)).and_then(|path| SourceFile::read(&path).ok());
    let spec = spec.and_then(|file| parse_spec(&file.text).ok());
    let writes = embedded || arguments.allow_writes;
    if !writes {
        scenarios::refuse_writes(&scenarios)?;
    }
    let asks_replica = scenarios.iter().flat_map(|(_, s)| &s.actions).flat_map(|a| &a.steps);
    if replicas.is_empty() && asks_replica.clone().any(|step| step.role == Role::Replica) {
        return Err(Failure::usage(Message::new("the scenario asks a replica, and none was named").help(
            "name one or several with --replica, next to --url; the primary's own URL makes it answer for them",
        )));
    }
    let as_driver = |server: &Target| {
        server.named("weighbridge run").with(!writes, conditions.timeout_ms).acting_as(arguments.role.as_deref())
    };
    let slow_s = arguments.slow.or(conditions.slow_after_ns.map(|nanos| nanos as f64 / 1e9)).unwrap_or(SLOW_S);
    Ok(Settings {
        targets: Targets { primary: as_driver(server), replicas: replicas.iter().map(as_driver).collect() },
        watcher: server.named("weighbridge watch"),
        watch: !arguments.no_watch,
        pool,
        slow_plans: arguments.slow_plans,
        embedded,
        read_only: !writes,
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
            // A load by time ends by itself, and may want to see its server come back.
            reconnect_within_ns: arguments.operations.is_some().then_some(RECONNECT_WITHIN_NS),
            late_after_ns: conditions.late_after_ns,
            slow_after_ns: Some((slow_s * 1e9) as u64),
            log: arguments.log.is_some(),
            awake: true,
        },
        protocol: arguments.protocol.or(conditions.protocol),
        threads: arguments.threads.map_or_else(crate::cli::prove::default_threads, usize::from),
        seed: Seed(arguments.seed.or(project.seed).unwrap_or(42)),
        scale: arguments.scale.unwrap_or(1.0),
        now: spec.as_ref().map_or_else(|| clock::wall().as_microsecond() - 946_684_800_000_000, |spec| spec.now),
        key_sets: spec.map(|spec| spec.key_sets).unwrap_or_default(),
        interval_s: arguments.interval.max(0.05),
        shard: arguments.shard.map_or((0, 1), |(i, n)| (u64::from(i) - 1, u64::from(n))),
        gates,
        policy,
        abort_when: conditions.abort_when.clone(),
        next_operation: std::cell::Cell::new(0),
        interrupt,
        listener,
        scenarios,
    })
}

/// The load of all scenarios together, or the one the flags ask for: then shares of the mix stay as they are.
fn load(arguments: &Arguments, scenarios: &mut [(SourceFile, Scenario)]) -> Result<Load, Failure> {
    let scripts = !arguments.scripts.is_empty();
    let open = |rate: f64, connections: usize| {
        let connections = arguments.connections.map_or(connections, |n| n as usize);
        Load::Open { rate, connections }
    };
    let list: Vec<Scenario> = scenarios.iter().map(|(_, scenario)| scenario.clone()).collect();
    check_names(&list).map_err(Failure::usage)?;
    if let Some(rate) = arguments.rate {
        if rate <= 0.0 || !rate.is_finite() {
            return Err(Failure::usage(Message::new("--rate must be above 0")));
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
    let own = scenarios.iter().filter(|(_, scenario)| !scenario.used);
    own.map(|(_, scenario)| scenario.load.connections()).max().unwrap_or(FEWEST)
}
