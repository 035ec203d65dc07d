//! The seeded database every side is cloned from: found from an earlier run, or built. Must never be half built.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;

use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::migrate::requirements;
use crate::postgres::database::{Admin, Token, template_name};
use crate::postgres::{Target, catalog, observe, row_security};
use crate::seed;
use crate::seed::load::Order;
use crate::seed::load::append::Triggers;
use crate::seed::load::session::{Guard, session};
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::settings::{Dataset, Settings};

/// A template that is there.
#[derive(Debug)]
pub struct Template {
    /// Its database.
    pub name: String,
    /// What names it.
    pub digest: String,
    /// Whether an earlier run built it.
    pub reused: bool,
}

/// Finds the template of these settings, or builds it.
///
/// # Errors
/// When a file is wrong or the server refuses; what was built so far is dropped.
pub async fn obtain(
    settings: &Settings,
    dataset: &Dataset,
    admin: &mut Admin,
    token: &Token,
    clock: &Clock,
) -> Result<Template, TrialError> {
    let base = dataset.parts().0;
    let (_, between, weighed) = dataset.parts();
    let all = [base, between, weighed].concat();
    let missing = requirements::missing(admin.connection(), &all).await?;
    if !missing.is_empty() {
        return Err(TrialError::Asked(missing.message()));
    }
    let digest =
        digest(settings, dataset, settings.spec.as_ref().map_or("", |file| &file.text), admin.server_version());
    // The role that migrates a table owns it, so that a role has templates of its own. Those of versions that marked
    // none have other names.
    let name = template_name(&crate::trial::digest::digest([digest.as_str(), admin.target().user(), "marked"]));
    let given = match &settings.spec {
        Some(file) => Some((file, seed::spec::parse_spec(&file.text).map_err(|problems| in_spec(file, problems))?)),
        None => None,
    };
    if admin.has_template(&name).await? {
        (settings.listener)(Event::TemplateReused);
        return Ok(Template { name, digest, reused: true });
    }
    let build = token.build();
    let built = build_in(settings, dataset, admin, &build, given.as_ref(), clock).await;
    if let Err(error) = built {
        let _ = admin.drop_own(token, &build).await;
        return Err(error);
    }
    let label = base.last().map_or("", |m| m.label.as_str());
    let file_name = settings.spec.as_ref().and_then(|file| file.path.file_stem());
    let spec_name = file_name.map_or_else(|| "data from the catalog".into(), |name| name.to_string_lossy());
    let about = format!("{spec_name} at {label}, scale {}, seed {}", settings.scale, settings.seed);
    admin.keep_as_template(token, &name, &about).await?;
    Ok(Template { name, digest, reused: false })
}

async fn build_in(
    settings: &Settings,
    dataset: &Dataset,
    admin: &mut Admin,
    build: &str,
    given: Option<&(&SourceFile, seed::Spec)>,
    clock: &Clock,
) -> Result<(), TrialError> {
    let began = clock.now_ns();
    admin.create_marked(build, "dataset that is being made").await?;
    let target = admin.target().database(build);
    let (base, ..) = dataset.steps();
    for (position, migration) in base.migrations.iter().enumerate() {
        (settings.listener)(Event::Schema { migration: &migration.label });
        let mut connection = target.connect().await?;
        base.apply(&mut connection, &target, position, clock).await?;
        let _ = connection.close().await;
    }
    let mut guard = Guard::alone(&target).await?;
    let mut connection = session(&target).await?;
    observe::prepare(&mut connection).await;
    let lifted = row_security::begin_lifted(&mut connection).await?;
    let catalog = catalog::read(&mut connection).await?;
    let held = seed::load::held::held(&mut connection, &catalog).await?;
    row_security::end_lifted(&mut connection, lifted).await?;
    let _ = connection.close().await;
    let compared = seed::infer::Compared::read(statements(settings), &catalog);
    let (spec, refusals) = match given {
        Some((_, spec)) => seed::infer::complete(spec, &catalog, &held, &compared),
        None => seed::infer::whole(&catalog, &held, &compared, dataset.rows),
    };
    let no_file = SourceFile { path: std::path::PathBuf::new(), text: String::new() };
    let spec_file = given.map_or(&no_file, |(file, _)| *file);
    if !refusals.is_empty() {
        let problem = |r: seed::infer::Refusal| {
            Diagnostic::whole(format!("{} · {}: {}", r.table, r.constraint, r.reason))
                .help(format!("in [table.{}] write {}", r.table, r.line))
        };
        return Err(in_spec(spec_file, refusals.into_iter().map(problem).collect()));
    }
    let plan = seed::plan::plan(&spec, &catalog, &held, settings.scale, settings.seed)
        .map_err(|problems| in_spec(spec_file, problems))?;
    let listener = Arc::clone(&settings.listener);
    let tell: seed::load::Listener = Arc::new(move |progress| listener(Event::Seeding(progress)));
    // A failure drops the whole database, so its journal is never read.
    let order = Order { digest: "template".to_owned(), connections: dataset.loader_connections, part: (1, 1) };
    let plan = Arc::new(plan);
    if plan.adds() {
        seed::load::append::append(&target, &plan, &catalog, Triggers::Off, &tell).await?;
    } else {
        seed::load::load(&target, &mut guard, &plan, &catalog, &order, &tell).await?;
    }
    guard.end().await;
    check_asserts(spec_file, &target, &spec).await?;
    admin.checkpoint().await;
    (settings.listener)(Event::Seeded(Duration::from_nanos(clock.now_ns() - began)));
    Ok(())
}

/// A dataset that is not what its spec says it is would prove nothing.
async fn check_asserts(file: &SourceFile, target: &Target, spec: &seed::Spec) -> Result<(), TrialError> {
    let mut connection = target.connect().await?;
    let lifted = row_security::begin_lifted(&mut connection).await?;
    let values = seed::load::check::asserted(&mut connection, &spec.asserts).await?;
    row_security::end_lifted(&mut connection, lifted).await?;
    let _ = connection.close().await;
    let broken = spec.asserts.iter().zip(values).filter(|(assert, value)| !value.is_some_and(|v| assert.holds(v)));
    let problems: Vec<Diagnostic> = broken
        .map(|(assert, value)| {
            let found = value.map_or("NULL".to_owned(), |value| value.to_string());
            let (low, high) = assert.between;
            Diagnostic::whole(format!(
                "the filled database gives {found}, not between {low} and {high}: {}",
                assert.sql
            ))
            .help("change the spec, or what it asserts")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(in_spec(file, problems)) }
}

fn in_spec(file: &SourceFile, problems: Vec<Diagnostic>) -> TrialError {
    TrialError::File(Box::new(file.clone().problems(problems)))
}

/// The SQL of every scenario.
fn statements(settings: &Settings) -> impl Iterator<Item = &str> {
    settings.scenarios.iter().flatten().flat_map(|(_, scenario)| scenario.statements())
}

/// Sixteen hexadecimal digits that change with anything that would change a row.
fn digest(settings: &Settings, dataset: &Dataset, spec: &str, server_version: u32) -> String {
    let rows = if settings.spec.is_some() { 0 } else { dataset.rows };
    let numbers = [
        &rows.to_le_bytes()[..],
        &settings.scale.to_bits().to_le_bytes()[..],
        &settings.seed.0.to_le_bytes(),
        &server_version.to_le_bytes(),
    ]
    .map(<[u8]>::to_vec);
    let constants = seed::infer::compared::constants(statements(settings));
    let parts = dataset.parts().0.iter();
    let named = parts.flat_map(|m| [m.label.as_bytes(), m.up.sending.words().as_bytes(), m.up.file.text.as_bytes()]);
    let directory = &dataset.directory;
    let books = if directory.names_books { directory.layout.name() } else { "" };
    let texts = [seed::GENERATOR.as_bytes(), spec.as_bytes(), books.as_bytes(), constants.as_bytes()];
    crate::trial::digest::digest(texts.into_iter().chain(numbers.iter().map(Vec::as_slice)).chain(named))
}
