//! A trial on databases that are there. Must change nothing in them but what the scenarios write, if they may.
//!
//! It can claim less than one on clones: rows, bloat, statistics and servers of the two may differ as well as their schemas.

use std::collections::BTreeMap;

use sqlx::Connection;

use super::sides::size;
use crate::clock::{self, Clock};
use crate::evidence::{Evidence, MigrationFacts, Side, TableFacts};
use crate::postgres::database::Token;
use crate::postgres::tables::{self, TableState};
use crate::postgres::{Error, Target};
use crate::trial::conduct::{begin, check_connections, look_ahead, look_at_operations};
use crate::trial::error::TrialError;
use crate::trial::isolated::isolated;
use crate::trial::load::counters::without_load;
use crate::trial::load::measure::Course;
use crate::trial::prepare::{Sitting, load};
use crate::trial::settings::{Given, Settings};

/// Holds a trial on given databases.
///
/// # Errors
/// When a server refuses or is lost; chunks measured by then were handed to the listener.
pub(in crate::trial) async fn prove(settings: &Settings, given: &Given, token: &Token) -> Result<Evidence, TrialError> {
    let clock = Clock::start();
    let started_at = clock::wall().to_string();
    let named = |target: &Target| target.named(&token.application());
    let control = given.control.as_ref().unwrap_or(&given.before);
    let targets =
        [(Side::Before, named(&given.before)), (Side::Control, named(control)), (Side::After, named(&given.after))];
    let load = load(settings)?;
    for (_, target) in &targets {
        // All three may be on one server.
        check_connections(target, load, Side::ALL.len()).await?;
    }
    let mut sitting = Sitting::new(settings, targets, load).await?;
    if sitting.share(Side::Before, Side::After) {
        return Err(TrialError::Asked(
            "--before and --after are the same database\n  = help: name one without the change and one with it"
                .to_owned(),
        ));
    }
    let migration = MigrationFacts {
        label: format!("{}..{}", given.before.database_name(), given.after.database_name()),
        statements: Vec::new(),
        duration_ms: 0.0,
        size_bytes_before: size_of(sitting.target(Side::Before)).await?,
        size_bytes_after: size_of(sitting.target(Side::After)).await?,
        unsampled: Vec::new(),
        skipped: Vec::new(),
        rewritten: Vec::new(),
        locks: Vec::new(),
    };
    let mut evidence = begin(settings, &sitting, started_at, migration, None).await?;
    for (side, target) in &sitting.targets {
        // It is only a word of warning, so a table that is locked stops nothing; that it was not looked at is told.
        if let Ok(tables) = tables_of(target).await {
            evidence.tables.insert(*side, tables);
        }
    }
    look_at_operations(settings, &sitting, &mut evidence).await?;
    if settings.isolated {
        isolated(settings, &sitting, &mut evidence, 0).await?;
    }
    look_ahead(settings, &mut sitting, &mut evidence).await?;
    if settings.chunks != 0 {
        let observer = sitting.target(Side::Before).connect().await?;
        let mut course = Course::new(settings, &sitting, (observer, None), clock, &evidence).await?;
        course.prime(&mut evidence).await?;
        course.measure(0, settings.chunks, &mut evidence).await?;
    } else {
        evidence.counters = without_load(&sitting).await?;
    }
    evidence.complete = true;
    Ok(evidence)
}

/// How the tables lie.
async fn tables_of(target: &Target) -> Result<BTreeMap<String, TableFacts>, Error> {
    let mut connection = target.connect().await?;
    let read = tables::read(&mut connection).await?;
    let _ = connection.close().await;
    let facts = |table: TableState| {
        let TableState { bytes, rows, dead_rows, modified_rows, analyzed } = table;
        TableFacts { bytes, rows, dead_rows, modified_rows, analyzed }
    };
    Ok(read.into_iter().map(|(name, table)| (name, facts(table))).collect())
}

async fn size_of(target: &Target) -> Result<i64, Error> {
    let mut connection = target.connect().await?;
    let bytes = size(&mut connection).await;
    let _ = connection.close().await;
    bytes
}
