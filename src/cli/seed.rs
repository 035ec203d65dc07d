//! `weighbridge seed`: fills a database, or says what it would fill it with. Must leave a schema as it was when it fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use sha2::{Digest, Sha256};

use super::Embedded;
use super::exit::{ExitStatus, Failure};
use super::interrupt::interrupted;
use super::progress::Progress;
use super::project::{self, Project};
use super::report::say;
use super::server::Running;
use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::{Directory, apply};
use crate::postgres::catalog::{self, Catalog};
use crate::postgres::database::Admin;
use crate::postgres::{Error, Target};
use crate::report::terminal::table;
use crate::seed::infer::{self, Refusal};
use crate::seed::load::{self, check, held, probe, strip};
use crate::seed::plan::{Held, Plan, plan};
use crate::seed::{Spec, encode, outline, spec};
use crate::units::{Seed, bytes_text, count_text, duration_text};

const EXAMPLES: &str = "\
Examples:
  weighbridge seed                              the project's schema and spec, in a database of the embedded server
  weighbridge seed --url postgresql://me@localhost/shop_dev --allow-writes --rows 10000
                                                any schema, without a spec
  weighbridge seed --dry-run                    what would be made, with sizes
  weighbridge seed --target-size 5GB            the scale that makes so much
  weighbridge seed --check                      rows, keys, uniques, CHECKs, a digest per table
  weighbridge seed init > seed/shop.toml        a spec to go on with, from a live schema
  weighbridge seed explain payments.amount      what a column will hold, and why";

/// What `seed` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The project file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Project")]
    config: Option<PathBuf>,
    /// Dataset spec [default: that of the project; without one everything comes from the catalog]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Project")]
    spec: Option<PathBuf>,
    /// Ignore the project's spec: everything comes from the catalog
    #[arg(long, global = true, conflicts_with = "spec", help_heading = "Project")]
    no_spec: bool,
    /// The migration a new database is brought to [default: that of the project]
    #[arg(long, value_name = "MIGRATION", global = true, help_heading = "Project")]
    at: Option<String>,
    /// Rows of each table when there is no spec, at scale 1
    #[arg(long, default_value_t = 1_000, global = true, help_heading = "Dataset")]
    rows: u64,
    /// Size of the dataset, as a factor of its spec
    #[arg(long, global = true, help_heading = "Dataset")]
    scale: Option<f64>,
    /// Choose the scale that makes about this much, such as 500MB or 5GB
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "scale", global = true, help_heading = "Dataset")]
    target_size: Option<u64>,
    /// Names every random value
    #[arg(long, global = true, help_heading = "Dataset")]
    seed: Option<u64>,
    /// Connections that load [default: one per processor, 4 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "Dataset")]
    loaders: Option<u16>,
    /// A server of yours and the database to fill, instead of the embedded one
    #[arg(long, value_name = "URL", global = true, help_heading = "Target")]
    url: Option<String>,
    /// The database of the embedded server; made and migrated when it is not there
    #[arg(long, value_name = "NAME", default_value = "dataset", global = true, help_heading = "Target")]
    database: String,
    /// Permit writing to a server that is not the embedded one
    #[arg(long, help_heading = "Target")]
    allow_writes: bool,
    /// Name the database at --url, when some of its tables hold rows: those stay as they are
    #[arg(long, value_name = "DATABASE", help_heading = "Target")]
    into: Option<String>,
    /// Print what would be made, and make nothing
    #[arg(long, help_heading = "Action")]
    dry_run: bool,
    /// Check a filled database instead of filling it
    #[arg(long, conflicts_with = "dry_run", help_heading = "Action")]
    check: bool,
    /// Go on with a load that was cut off
    #[arg(long, conflicts_with_all = ["check", "dry_run"], help_heading = "Action")]
    resume: bool,
    /// Undo a load that was cut off: its tables empty again, indexes and constraints back
    #[arg(long, conflicts_with_all = ["check", "dry_run", "resume"], help_heading = "Action")]
    clean: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print a commented spec made from the live schema
    Init,
    /// Print what a column will hold, ten values of it, and why
    Explain {
        /// TABLE.COLUMN
        column: String,
    },
}

fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let factor = match text[digits..].trim().to_uppercase().as_str() {
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err("write a size such as 500MB or 5GB".to_owned()),
    };
    text[..digits].parse::<f64>().map(|n| (n * factor) as u64).map_err(|e| e.to_string())
}

pub(super) async fn run(arguments: Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    let project = project::read(arguments.config.as_deref())?;
    if arguments.scale.is_some_and(|scale| scale <= 0.0 || !scale.is_finite()) {
        return Err(Failure::usage(anyhow!("--scale must be above 0")));
    }
    let progress = Arc::new(Progress::new(quiet));
    let url = arguments.url.clone().or_else(|| project.url.clone());
    let reads = arguments.dry_run || arguments.check || arguments.verb.is_some();
    if url.is_some() && !reads && !arguments.allow_writes {
        return Err(Failure::usage(anyhow!(
            "the server at --url is not the embedded one, and nothing is written there unasked\n  = help: add --allow-writes if it is no production server"
        )));
    }
    let mut running = None;
    let target = match &url {
        Some(url) => Target::from_url(url).map_err(Failure::usage)?,
        None => {
            let tell = |text: &str| progress.line(text);
            let server = tokio::select! {
                server = Running::acquire(embedded, tell) => server?,
                () = interrupted() => return Ok(ExitStatus::Interrupted),
            };
            let target = server.start(tell).await;
            running = Some(server);
            target?
        }
    };
    let outcome = on_server(&arguments, &project, &target, url.is_none(), &progress).await;
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

async fn on_server(
    arguments: &Arguments,
    project: &Project,
    server: &Target,
    embedded: bool,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let target = if embedded { database(arguments, project, server, progress).await? } else { server.clone() };
    let mut connection = target.connect().await.map_err(Failure::environment)?;
    let journal = strip::journal(&mut connection).await.map_err(Failure::environment)?;
    if arguments.clean {
        return match journal {
            None => say("nothing to clean: no load was cut off here\n").map(|()| ExitStatus::Ok),
            Some(_) => {
                strip::undo(&target).await.map_err(Failure::environment)?;
                say("undone: the tables are empty again, indexes and constraints are back\n").map(|()| ExitStatus::Ok)
            }
        };
    }
    let inputs = Inputs::read(arguments, project, &mut connection, journal.as_ref()).await?;
    match &arguments.verb {
        Some(Verb::Init) => {
            return say(&outline::toml(&inputs.spec, &inputs.catalog, &inputs.plan)).map(|()| ExitStatus::Ok);
        }
        Some(Verb::Explain { column }) => return explain(&inputs, column),
        None => {}
    }
    if arguments.dry_run {
        return say(&dry_run(&inputs)).map(|()| ExitStatus::Ok);
    }
    if arguments.check {
        return checked(&mut connection, &inputs).await;
    }
    if let Some(journal) = &journal {
        if !arguments.resume {
            return Err(Failure::environment(anyhow!(
                "a load of this database was cut off; indexes and constraints are off\n  = help: `weighbridge seed --resume` goes on, `weighbridge seed --clean` undoes it"
            )));
        }
        if journal.digest != inputs.digest {
            return Err(Failure::usage(anyhow!(
                "the load that was cut off had another spec, seed or scale\n  = help: give the same ones, or undo it with `weighbridge seed --clean`"
            )));
        }
    } else if !embedded && inputs.catalog.tables.values().any(|t| t.has_rows) {
        let name = target.database_name();
        if arguments.into.as_deref() != Some(name) {
            return Err(Failure::usage(anyhow!(
                "tables of `{name}` hold rows, so it may be somebody's\n  = help: add --into {name} to fill its empty tables; tables with rows stay as they are"
            )));
        }
    }
    if inputs.plan.tables.iter().all(|t| t.held || t.rows == 0) && journal.is_none() {
        return Err(Failure::usage(anyhow!(
            "there is no empty table to fill\n  = help: `weighbridge seed --check` checks a filled one"
        )));
    }
    if journal.is_none() {
        progress.line(&format!("probing: sample rows of {} tables", inputs.plan.tables.len()));
        let refused =
            probe::probe(&mut connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?;
        refuse(refused)?;
    }
    drop(connection);
    fill(arguments, &target, inputs, progress).await
}

/// The database of the embedded server: made, and brought to the project's schema, when it is not there.
async fn database(
    arguments: &Arguments,
    project: &Project,
    server: &Target,
    progress: &Progress,
) -> Result<Target, Failure> {
    let name = &arguments.database;
    let mut admin = Admin::connect(server).await.map_err(Failure::environment)?;
    let target = server.database(name);
    if admin.exists(name).await.map_err(Failure::environment)? {
        return Ok(target);
    }
    let folder = project.migrations.as_ref().map_or_else(|| PathBuf::from("migrations"), |dir| project.root.join(dir));
    if !folder.is_dir() {
        return Err(Failure::usage(anyhow!(
            "the embedded server has no database `{name}`, and there is no folder of migrations to make it from\n  = help: name a database of yours with --url, or make one: createdb \"$(weighbridge server url)\""
        )));
    }
    let directory = Directory::read(&folder).map_err(Failure::usage)?;
    let last = match arguments.at.as_deref().or(project.at.as_deref()) {
        Some(at) => directory.position(at).map_err(Failure::usage)?,
        None => directory.migrations.len().saturating_sub(1),
    };
    admin.create(name).await.map_err(Failure::environment)?;
    let made = async {
        for migration in &directory.migrations[..=last] {
            let file = SourceFile::read(&migration.up).map_err(Failure::usage)?;
            let mut connection = target.connect().await.map_err(Failure::environment)?;
            apply(&mut connection, &file, &Clock::start()).await.map_err(Failure::usage)?;
        }
        Ok::<(), Failure>(())
    };
    if let Err(failure) = made.await {
        let _ = admin.drop_database(name).await;
        return Err(failure);
    }
    progress.line(&format!("database: made `{name}` at {}", directory.migrations[last].label));
    Ok(target)
}

/// Everything that is known before a row is made.
struct Inputs {
    catalog: Catalog,
    spec: Spec,
    plan: Plan,
    scale: f64,
    seed: Seed,
    digest: String,
}

impl Inputs {
    async fn read(
        arguments: &Arguments,
        project: &Project,
        connection: &mut sqlx::PgConnection,
        journal: Option<&strip::Journal>,
    ) -> Result<Self, Failure> {
        let mut catalog = match journal {
            // In the middle of a load the catalog lacks what was taken off.
            Some(journal) => journal.catalog.clone(),
            None => catalog::read(connection).await.map_err(Failure::environment)?,
        };
        let path = arguments.spec.clone().or_else(|| project.spec.as_ref().map(|p| project.root.join(p)));
        let file = match path.filter(|_| !arguments.no_spec) {
            Some(path) => Some(SourceFile::read(&path).map_err(Failure::usage)?),
            None => None,
        };
        let mut filled = Vec::new();
        for table in catalog.tables.values_mut() {
            // A check looks at what a load has filled.
            if table.has_rows && arguments.check {
                filled.push(table.sql());
                table.has_rows = false;
            }
        }
        let mut inputs = Self::plan(arguments, project, connection, catalog, file.as_ref()).await?;
        if filled.is_empty() {
            return Ok(inputs);
        }
        for index in 0..inputs.plan.tables.len() {
            let sql_name = &inputs.plan.tables[index].sql_name;
            let ours = !filled.contains(sql_name)
                || check::is_filled(connection, &inputs.plan, index).await.map_err(Failure::environment)?;
            if let Some(table) = inputs.catalog.tables.values_mut().find(|t| t.sql() == *sql_name) {
                table.has_rows = !ours;
            }
        }
        Self::plan(arguments, project, connection, inputs.catalog, file.as_ref()).await
    }

    async fn plan(
        arguments: &Arguments,
        project: &Project,
        connection: &mut sqlx::PgConnection,
        catalog: Catalog,
        file: Option<&SourceFile>,
    ) -> Result<Self, Failure> {
        let held = held::held(connection, &catalog).await.map_err(Failure::environment)?;
        let (spec, refusals) = match file {
            Some(file) => {
                let given = spec::parse_spec(&file.text).map_err(|p| Failure::usage(file.clone().problems(p)))?;
                infer::complete(&given, &catalog, &held)
            }
            None => infer::whole(&catalog, &held, arguments.rows),
        };
        refuse(refusals)?;
        if spec.tables.is_empty() {
            return Err(Failure::usage(anyhow!("the database has no tables\n  = help: apply the schema first")));
        }
        let seed = Seed(arguments.seed.or(project.seed).unwrap_or(42));
        let given = arguments.scale.or(project.scale.filter(|_| file.is_some())).unwrap_or(1.0);
        let planned = |scale: f64| -> Result<Plan, Failure> {
            plan(&spec, &catalog, &held, scale, seed).map_err(|problems| in_file(file, problems))
        };
        let scale = match arguments.target_size {
            Some(bytes) => scale_for(bytes, planned)?,
            None => given,
        };
        let plan = planned(scale)?;
        let digest = digest(&spec, scale, seed, &held);
        Ok(Self { catalog, spec, plan, scale, seed, digest })
    }
}

fn in_file(file: Option<&SourceFile>, problems: Vec<Diagnostic>) -> Failure {
    let catalog = SourceFile { path: PathBuf::from("(the catalog)"), text: String::new() };
    Failure::usage(file.cloned().unwrap_or(catalog).problems(problems))
}

/// What cannot be satisfied, all of it, before anything is loaded.
fn refuse(refusals: Vec<Refusal>) -> Result<(), Failure> {
    if refusals.is_empty() {
        return Ok(());
    }
    let mut text = String::from("error: the schema asks for what cannot be made up; nothing was loaded\n");
    for refusal in refusals {
        text.push_str(&format!(
            "\n  {} · {}: {}\n    in a spec: [table.{}] {}",
            refusal.table, refusal.constraint, refusal.reason, refusal.table, refusal.line
        ));
    }
    text.push_str("\n\n  = help: `weighbridge seed init` writes a spec to put such lines in");
    Err(Failure::usage(anyhow!(text)))
}

fn digest(spec: &Spec, scale: f64, seed: Seed, held: &Held) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(&format!("{scale} {} {} {} {}", seed.0, spec.now, spec.span, held.len()));
    for table in &spec.tables {
        add(&table.name.value);
        add(&table.row_count.source.text);
        for (name, source) in table.columns.iter().chain(&table.fan_out) {
            add(&name.value);
            add(&source.source.text);
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes a table will have in the heap: header and pointer of each row, and the mean of some rows as they travel.
fn heap_bytes(plan: &Plan, index: usize) -> u64 {
    let table = &plan.tables[index];
    let sample = table.rows.min(200);
    let mut bytes = Vec::new();
    if table.held || sample == 0 || encode::rows(plan, index, 0..sample, &mut bytes).is_err() {
        return 0;
    }
    let fields = if table.text { 0 } else { 2 + 4 * table.columns.len() };
    let row = (bytes.len() as f64 / sample as f64 - fields as f64).max(0.0) + 28.0;
    (row * table.rows as f64) as u64
}

/// The scale whose heaps come closest to a size; indexes come on top.
fn scale_for(bytes: u64, planned: impl Fn(f64) -> Result<Plan, Failure>) -> Result<f64, Failure> {
    let size = |scale: f64| -> Result<u64, Failure> {
        let plan = planned(scale)?;
        Ok((0..plan.tables.len()).map(|t| heap_bytes(&plan, t)).sum())
    };
    let (mut low, mut high) = (1e-4, 1.0);
    while size(high)? < bytes && high < 1e6 {
        low = high;
        high *= 4.0;
    }
    for _ in 0..24 {
        let middle = (low * high).sqrt();
        if size(middle)? < bytes {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

fn explain(inputs: &Inputs, column: &str) -> Result<ExitStatus, Failure> {
    let Some((table, name)) = column.rsplit_once('.') else {
        return Err(Failure::usage(anyhow!("write TABLE.COLUMN, such as payments.amount")));
    };
    let index = inputs.plan.tables.iter().position(|t| t.name == table);
    let at = index.and_then(|i| inputs.plan.tables[i].columns.iter().position(|c| c.name == name));
    let (Some(index), Some(at)) = (index, at) else {
        return Err(Failure::usage(anyhow!(
            "`{column}` is not filled\n  = help: the server fills it, or it stays NULL; `weighbridge seed --dry-run` lists the tables"
        )));
    };
    let table = &inputs.plan.tables[index];
    let said = inputs.spec.tables[index].columns.iter().chain(&inputs.spec.tables[index].fan_out);
    let source = said.clone().find(|(c, _)| c.value == name).or_else(|| {
        let fan = table.fans.iter().find(|f| f.columns.iter().any(|(own, _)| own == name))?;
        said.clone().find(|(c, _)| fan.columns.iter().any(|(own, _)| *own == c.value))
    });
    let found = inputs.catalog.table(&table.name).and_then(|t| t.column(name));
    let mut text = format!("{column}  {}\n", found.map_or("", |c| c.kind.declared.as_str()));
    if let Some((_, source)) = source {
        let why = if source.is_inferred() { "from the catalog" } else { "from the spec" };
        text.push_str(&format!("  {}   ({why})\n", source.source.text));
    }
    if let Some(fan) = table.fans.iter().find(|f| f.columns.iter().any(|(own, _)| own == name)) {
        let parent = &inputs.plan.tables[fan.parent];
        text.push_str(&format!(
            "  {} rows spread over {} of {}\n",
            count_text(table.rows),
            count_text(fan.parents),
            parent.name
        ));
    }
    for row in 0..table.rows.min(10) {
        let value = inputs.plan.value(index, at, row);
        let shown = if value == crate::expression::Value::Null { "NULL".into() } else { value.to_text() };
        text.push_str(&format!("  row {:<6} {shown}\n", row + 1));
    }
    say(&text).map(|()| ExitStatus::Ok)
}

fn dry_run(inputs: &Inputs) -> String {
    let mut rows = Vec::new();
    let (mut all_rows, mut all_bytes) = (0, 0);
    for (index, planned) in inputs.plan.tables.iter().enumerate() {
        let bytes = heap_bytes(&inputs.plan, index);
        let note = match (&planned.lowered, planned.held) {
            (_, true) => "holds rows; stays as it is".to_owned(),
            (Some(why), _) => format!("fewer: {why}"),
            _ => String::new(),
        };
        if !planned.held {
            (all_rows, all_bytes) = (all_rows + planned.rows, all_bytes + bytes);
        }
        rows.push(vec![planned.name.clone(), count_text(planned.rows), bytes_text(bytes), note]);
    }
    rows.push(vec!["all".to_owned(), count_text(all_rows), bytes_text(all_bytes), "without indexes".to_owned()]);
    format!(
        "{}scale {} · seed {} · nothing was written\n",
        table(&["table", "rows", "heap", ""], rows),
        inputs.scale,
        inputs.seed.0
    )
}

async fn checked(connection: &mut sqlx::PgConnection, inputs: &Inputs) -> Result<ExitStatus, Failure> {
    let found = check::check(connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?;
    let mut rows = Vec::new();
    let mut broken = 0;
    for checked in &found {
        broken += checked.problems.len();
        let word = if checked.problems.is_empty() { "holds".to_owned() } else { checked.problems.join("; ") };
        rows.push(vec![checked.table.clone(), count_text(checked.rows), checked.digest.clone(), word]);
    }
    say(&table(&["table", "rows", "digest", "rows, keys, uniques, CHECKs"], rows))?;
    let held = asserts(connection, &inputs.spec).await?;
    Ok(if broken == 0 && held { ExitStatus::Ok } else { ExitStatus::Regressed })
}

/// Prints the asserts of the spec; false when one does not hold.
async fn asserts(connection: &mut sqlx::PgConnection, spec: &Spec) -> Result<bool, Failure> {
    let values = check::asserted(connection, &spec.asserts).await.map_err(Failure::environment)?;
    let mut all = true;
    for (assert, value) in spec.asserts.iter().zip(values) {
        let (low, high) = assert.between;
        let holds = value.is_some_and(|value| low <= value && value <= high);
        all &= holds;
        let (word, found) =
            (if holds { "holds" } else { "does not hold" }, value.map_or("NULL".to_owned(), |v| v.to_string()));
        say(&format!("assert {word}: {found} between {low} and {high}  {}\n", assert.sql))?;
    }
    Ok(all)
}

/// Times of the stages, as the loader's events tell them.
#[derive(Debug, Default, Clone, Copy)]
struct Stages {
    rows: u64,
    indexed: u64,
    bound: u64,
}

async fn fill(
    arguments: &Arguments,
    target: &Target,
    inputs: Inputs,
    progress: &Arc<Progress>,
) -> Result<ExitStatus, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let connections = arguments.loaders.map_or(processors.clamp(1, 4), usize::from);
    let clock = Clock::start();
    let stages = Arc::new(std::sync::Mutex::new(Stages::default()));
    let listener: load::Listener = {
        let (stages, progress, clock) = (Arc::clone(&stages), Arc::clone(progress), clock);
        Arc::new(move |event| {
            let now = clock.now_ns();
            let mut stages = stages.lock().expect("no holder panics");
            match &event {
                load::Progress::Rows { .. } => stages.rows = now,
                load::Progress::Indexed => stages.indexed = now,
                load::Progress::Bound => stages.bound = now,
                _ => {}
            }
            drop(stages);
            progress.loading(&event);
        })
    };
    let (plan, spec) = (Arc::new(inputs.plan), inputs.spec);
    let loaded = tokio::select! {
        loaded = load::load(target, Arc::clone(&plan), &inputs.catalog, &inputs.digest, connections, listener) => Some(loaded),
        () = interrupted() => None,
    };
    match loaded {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(undone(target, Some(error)).await),
        None => {
            let failure = undone(target, None).await;
            progress.line(&format!("{:#}", failure.error));
            return Ok(ExitStatus::Interrupted);
        }
    }
    let whole = clock.now_ns();
    let stages = *stages.lock().expect("no holder panics");
    summary(target, &plan, stages, whole).await?;
    let mut connection = target.connect().await.map_err(Failure::environment)?;
    Ok(if asserts(&mut connection, &spec).await? { ExitStatus::Ok } else { ExitStatus::Regressed })
}

/// Takes a failed load back; what cannot be taken back is printed as SQL.
async fn undone(target: &Target, error: Option<load::LoadError>) -> Failure {
    let cause = error.map_or("interrupted".to_owned(), |error| error.to_string());
    match strip::undo(target).await {
        Ok(()) => Failure::environment(anyhow!(
            "{cause}\n  = note: the load was undone: tables are empty, indexes and constraints are as they were"
        )),
        Err(problem) => {
            let left = async {
                let mut connection = target.connect().await.ok()?;
                strip::journal(&mut connection).await.ok()?
            };
            let sql = match left.await {
                Some(journal) => format!("or run this SQL:\n{};", journal.sql().join(";\n")),
                None => "the SQL to run is in the table weighbridge.seed_restore of that database".to_owned(),
            };
            Failure::environment(anyhow!(
                "{cause}\n  = note: the load could not be undone ({problem})\n  = help: when the server is back, `weighbridge seed --clean` undoes it and `--resume` goes on; {sql}"
            ))
        }
    }
}

async fn summary(target: &Target, plan: &Plan, stages: Stages, whole: u64) -> Result<(), Failure> {
    let mut connection = target.connect().await.map_err(Failure::environment)?;
    let filled: Vec<_> = plan.tables.iter().filter(|t| !t.held && 0 < t.rows).collect();
    let names: Vec<&str> = filled.iter().map(|t| t.sql_name.as_str()).collect();
    let sizes = catalog::sizes(&mut connection, &names).await.map_err(|e: Error| Failure::environment(e))?;
    let mut rows = Vec::new();
    let mut all = (0, 0, 0);
    for (planned, (heap, indexes)) in filled.iter().zip(sizes) {
        all = (all.0 + planned.rows, all.1 + heap, all.2 + indexes);
        let note = planned.lowered.as_ref().map_or(String::new(), |why| format!("fewer: {why}"));
        rows.push(vec![planned.name.clone(), count_text(planned.rows), bytes_text(heap), bytes_text(indexes), note]);
    }
    rows.push(vec!["all".to_owned(), count_text(all.0), bytes_text(all.1), bytes_text(all.2), String::new()]);
    let text = |ns: u64| duration_text(Duration::from_nanos(ns));
    let rate = all.0 as f64 / (stages.rows.max(1) as f64 / 1e9);
    say(&format!(
        "{}{} · rows {} ({} rows/s), indexes after them {}, foreign keys {}, vacuum {}\n",
        table(&["table", "rows", "heap", "indexes", ""], rows),
        text(whole),
        text(stages.rows),
        count_text(rate as u64),
        text(stages.indexed.saturating_sub(stages.rows)),
        text(stages.bound.saturating_sub(stages.indexed)),
        text(whole.saturating_sub(stages.bound)),
    ))
}
