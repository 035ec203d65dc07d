//! What `weighbridge seed` knows before a row is made: schema, spec, plan. Must write nothing.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;

use super::Arguments;
use super::show::heap_bytes;
use crate::cli::exit::Failure;
use crate::cli::project::Project;
use crate::diagnostic::{Diagnostic, Message, SourceFile};
use crate::postgres::catalog::{self, Catalog};
use crate::scenario::spec::{Scenario, parse_part};
use crate::seed::infer::{self, Compared, Refusal};
use crate::seed::load::{check, held, journal, probe};
use crate::seed::outline::Outline;
use crate::seed::plan::{self, Held, Plan};
use crate::seed::{Spec, spec};
use crate::units::{Seed, count_text};

/// Everything that is known before a row is made.
pub(super) struct Inputs {
    pub(super) catalog: Catalog,
    pub(super) spec: Spec,
    pub(super) plan: Plan,
    pub(super) scale: f64,
    pub(super) seed: Seed,
    pub(super) digest: String,
    /// What the project's scenarios look for.
    pub(super) compared: Compared,
    /// Tables that hold rows of this dataset already.
    pub(super) ours: Vec<String>,
}

impl Inputs {
    /// Reads schema and spec and makes the plan; `unfinished` says that a load of this database has not ended.
    pub(super) async fn read(
        arguments: &Arguments,
        project: &Project,
        connection: &mut PgConnection,
        unfinished: bool,
    ) -> Result<Self, Failure> {
        let catalog = read_catalog(connection, unfinished).await?;
        let path = arguments.spec.clone().or_else(|| project.spec.as_ref().map(|p| project.root.join(p)));
        let file = match path.filter(|_| !arguments.no_spec) {
            Some(path) => Some(SourceFile::read(&path).map_err(Failure::usage)?),
            None => None,
        };
        let reader = Reader { arguments, project, file };
        if arguments.append.is_empty() && catalog.tables.values().all(|t| !t.has_rows) {
            return reader.plan(connection, catalog).await;
        }
        reader.over_rows(connection, catalog).await
    }
}

/// What the statements of the project's scenarios look for. A scenario with a mistake says nothing here: the user who
/// runs it reports it.
fn compared(project: &Project, catalog: &Catalog) -> Compared {
    let texts = project.scenarios.iter().filter_map(|path| SourceFile::read(&project.root.join(path)).ok());
    let scenarios: Vec<Scenario> = texts.filter_map(|file| parse_part(&file.text).ok()).collect();
    Compared::read(scenarios.iter().flat_map(Scenario::statements), catalog)
}

/// In the middle of a load the catalog lacks what was dropped.
async fn read_catalog(connection: &mut PgConnection, unfinished: bool) -> Result<Catalog, Failure> {
    let catalog = if unfinished { journal::catalog_before(connection).await } else { catalog::read(connection).await };
    catalog.map_err(Failure::environment)
}

/// A spec made from the schema, whatever is still missing in it: that is named where it belongs.
pub(super) async fn draft(
    arguments: &Arguments,
    project: &Project,
    connection: &mut PgConnection,
    unfinished: bool,
) -> Result<String, Failure> {
    if arguments.spec.is_some() {
        return Err(Failure::usage(
            Message::new("`seed init` makes a spec from the schema and reads none").help("leave --spec out"),
        ));
    }
    let catalog = read_catalog(connection, unfinished).await?;
    let compared = compared(project, &catalog);
    let seed = Seed(arguments.seed.or(project.seed).unwrap_or(42));
    drafted(connection, &catalog, &compared, (arguments.rows, arguments.scale.unwrap_or(1.0), seed)).await
}

/// The same from a catalog that was read, for a number of rows of each table at scale 1.
pub(in crate::cli) async fn drafted(
    connection: &mut PgConnection,
    catalog: &Catalog,
    compared: &Compared,
    (rows, scale, seed): (u64, f64, Seed),
) -> Result<String, Failure> {
    let held = held::held(connection, catalog).await.map_err(Failure::environment)?;
    let (spec, refusals) = infer::whole(catalog, &held, compared, rows);
    let mut outline = Outline::new(catalog, spec, refusals);
    // What is refused leaves other tables without parents, so that each refusal may show the next.
    loop {
        let plan = match plan::plan(&outline.spec, catalog, &held, scale, seed) {
            Ok(plan) => plan,
            Err(problems) => {
                let mut is_new = false;
                problems.iter().for_each(|problem| is_new |= outline.refuse_problem(problem));
                if is_new {
                    continue;
                }
                outline.problems = problems;
                break;
            }
        };
        match probe::probe(connection, &plan, catalog).await {
            Ok(refusals) if outline.refuse(refusals.clone()) => continue,
            Ok(_) => {}
            Err(error) => outline.untried = Some(error.to_string()),
        }
        let other_scales = [scale / 100.0, scale * 100.0].map(|s| plan::plan(&outline.spec, catalog, &held, s, seed));
        for plan in other_scales.iter().flatten().chain([&plan]) {
            let bounded = plan.tables.iter().enumerate().filter(|(_, table)| table.lowered.is_some());
            outline.bounded.extend(bounded.map(|(index, _)| index));
        }
        break;
    }
    Ok(outline.toml(&format!("{rows} * scale")))
}

struct Reader<'a> {
    arguments: &'a Arguments,
    project: &'a Project,
    file: Option<SourceFile>,
}

impl Reader<'_> {
    /// When tables hold rows: those of this dataset are distinguished from those of somebody else.
    async fn over_rows(&self, connection: &mut PgConnection, mut catalog: Catalog) -> Result<Inputs, Failure> {
        let mut blank = catalog.clone();
        blank.tables.values_mut().for_each(|table| table.has_rows = false);
        let mut ours = Vec::new();
        // What cannot be planned over empty tables is planned with their rows below, and refused there if need be.
        if let Ok(inputs) = self.plan(connection, blank).await {
            for (index, planned) in inputs.plan.tables.iter().enumerate() {
                let Some(table) = catalog.tables.values_mut().find(|t| t.has_rows && t.sql() == planned.sql_name)
                else {
                    continue;
                };
                let found = check::is_filled(connection, &inputs.plan, &inputs.catalog, index)
                    .await
                    .map_err(Failure::environment)?;
                if found == Some(true) {
                    ours.push(planned.name.clone());
                }
                // A check, an explanation and a dataset that grows look at what a load has filled.
                let looks = self.arguments.check || self.arguments.verb.is_some() || !self.arguments.append.is_empty();
                if looks && found.unwrap_or(true) {
                    table.has_rows = false;
                }
            }
        }
        let inputs = self.plan(connection, catalog).await?;
        if !self.arguments.check {
            let grown = inputs.plan.tables.iter().filter(|t| 0 < t.first && !t.held);
            for table in grown {
                let rows = check::count(connection, &table.own_rows).await.map_err(Failure::environment)?;
                if rows != table.first {
                    return Err(Failure::usage(Message::new(format!(
                        "`{}` holds {} rows where the dataset had {} at the scale given to --append",
                        table.name,
                        count_text(rows),
                        count_text(table.first)
                    ))));
                }
            }
        }
        Ok(Inputs { ours, ..inputs })
    }

    async fn plan(&self, connection: &mut PgConnection, catalog: Catalog) -> Result<Inputs, Failure> {
        let held = held::held(connection, &catalog).await.map_err(Failure::environment)?;
        let file = self.file.as_ref();
        let compared = compared(self.project, &catalog);
        let (spec, refusals) = match file {
            Some(file) => {
                let given = spec::parse_spec(&file.text).map_err(|p| Failure::usage(file.clone().problems(p)))?;
                infer::complete(&given, &catalog, &held, &compared)
            }
            None => infer::whole(&catalog, &held, &compared, self.arguments.rows),
        };
        // A table without rows breaks nothing.
        let stays_empty = |name: &str| {
            let table = spec.tables.iter().find(|table| table.name.value == name);
            table.is_some_and(|table| table.row_count.source.text.trim() == "0")
        };
        refuse(refusals.into_iter().filter(|refusal| !stays_empty(&refusal.table)).collect())?;
        if spec.tables.is_empty() {
            return Err(Failure::usage(Message::new("the database has no tables").help("apply the schema first")));
        }
        let seed = Seed(self.arguments.seed.or(self.project.seed).unwrap_or(42));
        let given = self.arguments.scale.or(self.project.scale.filter(|_| file.is_some())).unwrap_or(1.0);
        let planned = |scale: f64| -> Result<Plan, Failure> {
            let mut so_far = None;
            for scale in self.arguments.append.iter().chain([&scale]) {
                let next = plan::plan_on(so_far, &spec, &catalog, &held, *scale, seed);
                so_far = Some(next.map_err(|problems| in_file(file, problems))?);
            }
            Ok(so_far.expect("at least one scale"))
        };
        let scale = match self.arguments.target_size {
            Some(bytes) => scale_for(bytes, planned)?,
            None => given,
        };
        let plan = planned(scale)?;
        let digest = digest(&spec, scale, seed, &held);
        Ok(Inputs { catalog, spec, plan, scale, seed, digest, compared, ours: Vec::new() })
    }
}

fn in_file(file: Option<&SourceFile>, problems: Vec<Diagnostic>) -> Failure {
    let no_file = SourceFile { path: PathBuf::new(), text: String::new() };
    Failure::usage(file.cloned().unwrap_or(no_file).problems(problems))
}

/// What cannot be satisfied, all of it, before anything is loaded.
pub(super) fn refuse(refusals: Vec<Refusal>) -> Result<(), Failure> {
    if refusals.is_empty() {
        return Ok(());
    }
    let mut text = String::from("the schema asks for what cannot be made up; nothing was loaded\n");
    for refusal in refusals {
        text.push_str(&format!(
            "\n  {} · {}: {}\n    in a spec: [table.{}] {}",
            refusal.table, refusal.constraint, refusal.reason, refusal.table, refusal.line
        ));
    }
    text.push('\n');
    Err(Failure::usage(Message::new(text).help("`weighbridge seed init` writes a spec to put such lines in")))
}

/// Changes with anything that would change a row.
fn digest(spec: &Spec, scale: f64, seed: Seed, held: &Held) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(crate::seed::GENERATOR);
    add(&format!("{scale} {} {} {}", seed.0, spec.now, spec.span));
    add(&format!("{:?} {:?}", spec.growth, spec.states));
    for ((table, column), values) in held {
        add(table);
        add(column);
        values.iter().for_each(|value| add(&value.to_text()));
    }
    for table in &spec.tables {
        add(&table.name.value);
        add(&table.row_count.source.text);
        add(&format!("{:?}", table.heap_order));
        for (name, source) in table.columns.iter().chain(&table.fan_out) {
            add(&name.value);
            add(&source.source.text);
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The scale whose heaps come closest to a size; indexes come on top.
fn scale_for(bytes: u64, planned: impl Fn(f64) -> Result<Plan, Failure>) -> Result<f64, Failure> {
    let size = |scale: f64| -> Result<u64, Failure> {
        // A scale at which some table has no parents is too small, whatever else is wrong with it.
        Ok(planned(scale).map_or(0, |plan| (0..plan.tables.len()).map(|t| heap_bytes(&plan, t)).sum()))
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
