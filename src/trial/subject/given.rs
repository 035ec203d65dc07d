//! Sides that are databases which are there. Must change nothing in them but what the scenarios write, if they may.
//!
//! It can claim less than one on clones: rows, bloat, statistics and servers of the two may differ as well as their
//! schemas.

use std::collections::BTreeMap;

use sqlx::Connection;

use super::sides::size;
use crate::clock::{self, Clock};
use crate::diagnostic::Message;
use crate::evidence::{MigrationFacts, Side, TableFacts};
use crate::postgres::database::Token;
use crate::postgres::tables::{self, TableState};
use crate::postgres::{Error, Target};
use crate::trial::error::TrialError;
use crate::trial::facts::{begin, check_connections};
use crate::trial::load::measure::Place;
use crate::trial::prepare::{Begun, Sitting, load};
use crate::trial::settings::{Given, Settings};

/// Databases that were given, as sides.
pub(in crate::trial) struct GivenSides {
    clock: Clock,
}

/// Looks at the databases.
///
/// # Errors
/// When a server refuses or is lost, or they are one and the same.
pub(in crate::trial) async fn begin_given(
    settings: &Settings,
    given: &Given,
    token: &Token,
) -> Result<(GivenSides, Begun), TrialError> {
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
    let sitting = Sitting::new(settings, targets, load).await?;
    if sitting.share(Side::Before, Side::After) {
        return Err(TrialError::Asked(
            Message::new("--before and --after are the same database")
                .help("name one without the change and one with it"),
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
        // It is only a word of warning, so a table that is locked stops nothing; that it was not read is reported.
        if let Ok(tables) = tables_of(target).await {
            evidence.tables.insert(*side, tables);
        }
    }
    Ok((GivenSides { clock }, Begun { sitting, evidence }))
}

impl GivenSides {
    /// Where load is driven.
    ///
    /// # Errors
    /// When a server is lost.
    pub(in crate::trial) async fn place(&self, sitting: &Sitting) -> Result<Place<'static>, TrialError> {
        let observer = sitting.target(Side::Before).connect().await?;
        Ok(Place { observer, switch: None, clock: self.clock, set: 0 })
    }
}

/// How the tables are stored.
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
