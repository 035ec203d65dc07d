//! The catalog of a schema that is no database yet. Must leave no database behind.

use crate::cli::Embedded;
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::interrupt::{interrupted, left};
use crate::cli::progress::Progress;
use crate::cli::seed::drafted;
use crate::cli::server::on_server;
use crate::clock::Clock;
use crate::migrate::Directory;
use crate::postgres::Target;
use crate::postgres::catalog::{self, Catalog};
use crate::postgres::database::{Admin, Token};
use crate::seed::infer::Compared;
use crate::seed::load::session::session;
use crate::trial::TrialError;
use crate::units::Seed;

/// What a schema says of itself.
pub(super) struct Schema {
    pub(super) catalog: Catalog,
    /// A dataset spec made from it, where one is wanted.
    pub(super) spec: Option<String>,
}

/// What is read.
pub(super) struct Wanted<'w> {
    pub(super) directory: &'w Directory,
    /// How many of its migrations are the schema.
    pub(super) applied: usize,
    /// Rows of each table and the seed of a spec, where one is wanted, and the statements it is for.
    pub(super) spec: Option<(u64, Seed, &'w [String])>,
}

/// Applies the migrations to an empty database and reads what they made; nothing when it was interrupted.
pub(super) async fn read(
    wanted: &Wanted<'_>,
    url: Option<&str>,
    embedded: &Embedded,
    progress: &Progress,
) -> Result<Option<Schema>, Failure> {
    let mut schema = None;
    on_server(url, embedded, progress, async |server| {
        let token = Token::fresh();
        let _left = left(format!(
            "the database {} on {}; the next proof there drops it, and so does `weighbridge server clean`",
            token.build(),
            server.describe()
        ));
        progress.status("reading the schema".to_owned());
        let found = tokio::select! {
            found = in_database(wanted, &server, &token) => Some(found),
            () = interrupted() => None,
        };
        let cleaned = clean_up(&server, &token).await;
        let Some(found) = found else { return Ok(ExitStatus::Interrupted) };
        schema = Some(found?);
        cleaned.map_err(Failure::environment)?;
        Ok(ExitStatus::Ok)
    })
    .await?;
    Ok(schema)
}

async fn in_database(wanted: &Wanted<'_>, server: &Target, token: &Token) -> Result<Schema, Failure> {
    let (catalog, target) = applied(wanted, server, token).await.map_err(|error| match error.is_input() {
        true => Failure::usage(error),
        false => Failure::environment(error),
    })?;
    let spec = match wanted.spec {
        Some((rows, seed, statements)) => {
            let compared = Compared::read(statements.iter().map(String::as_str), &catalog);
            let mut connection = session(&target).await.map_err(Failure::environment)?;
            Some(drafted(&mut connection, &catalog, &compared, (rows, 1.0, seed)).await?)
        }
        None => None,
    };
    Ok(Schema { catalog, spec })
}

async fn applied(wanted: &Wanted<'_>, server: &Target, token: &Token) -> Result<(Catalog, Target), TrialError> {
    let clock = Clock::start();
    let mut admin = Admin::connect(&server.named(&token.application())).await?;
    admin.create_marked(&token.build(), "schema that is being read").await?;
    let target = admin.target().database(&token.build());
    let steps = wanted.directory.steps(0..wanted.applied);
    for position in 0..wanted.applied {
        let mut connection = target.connect().await?;
        steps.apply(&mut connection, &target, position, &clock).await?;
    }
    let catalog = catalog::read(&mut session(&target).await?).await?;
    Ok((catalog, target))
}

async fn clean_up(server: &Target, token: &Token) -> Result<(), crate::postgres::Error> {
    let mut admin = Admin::connect(&server.named("weighbridge cleanup")).await?;
    admin.end_sessions(&token.application(), "").await?;
    admin.drop_all_of(token).await?;
    admin.close().await;
    Ok(())
}
