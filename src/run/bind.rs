//! Binds the scenarios of a run to its database: types, values to pick from, the protocol that its connections allow.
//! Must leave nothing in the session, for a pooler may give it to somebody else.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::error::RunError;
use super::event::Event;
use super::settings::Settings;
use crate::binding::{describe_all, sample_picks};
use crate::diagnostic::Message;
use crate::evidence::ServerFacts;
use crate::evidence::run::UnexercisedPolicies;
use crate::postgres::connect::version_text;
use crate::postgres::sql_text::query;
use crate::postgres::{Error, pooler, role, row_security, settings};
use crate::scenario::program::Protocol;
use crate::scenario::workload::Setting;
use crate::scenario::{Scenario, Workload};
use crate::sql;

/// Reads statements and values from the database, on a connection of its own.
pub(super) async fn bind(
    settings: &Settings,
) -> Result<(Workload, ServerFacts, Option<UnexercisedPolicies>), RunError> {
    let targets = &settings.targets;
    if let Some(role) = targets.primary.role() {
        for target in std::iter::once(&targets.primary).chain(&targets.replicas) {
            let mut own = target.own().connect().await?;
            role::check(&mut own, role, &target.describe()).await?;
            let _ = own.close().await;
            let mut acting = target.connect().await?;
            role::verify(&mut acting, role).await?;
            let _ = acting.close().await;
        }
    }
    let mut connection = targets.primary.connect().await?;
    let bound = describe_all(&mut connection, &settings.scenarios, "").await?;
    begin_whole(&mut connection).await?;
    let unexercised = unexercised_policies(settings, &mut connection).await?;
    if settings.read_only {
        let on = query("SELECT current_setting('transaction_read_only')").fetch_one(&mut connection).await;
        let on: String =
            on.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("ask whether the session only reads", e))?;
        if on != "on" {
            return Err(RunError::Asked(
                Message::new("the sessions cannot be made read-only here, as behind some poolers")
                    .help("add --allow-writes if it is no production server"),
            ));
        }
    }
    end_whole(&mut connection).await?;
    if targets.primary.role().is_some() {
        // What is picked from is every row, whatever the role may see.
        let _ = connection.close().await;
        connection = targets.primary.own().connect().await?;
    }
    begin_whole(&mut connection).await?;
    let pools = sample_picks(&mut connection, &settings.scenarios, &settings.key_sets, settings.seed.0).await?;
    let server = ServerFacts {
        version: connection.server_version_num().map_or_else(|| "unknown".to_owned(), version_text),
        embedded: settings.embedded,
        settings: settings::read(&mut connection).await?,
        extensions: settings::extensions(&mut connection).await?,
    };
    end_whole(&mut connection).await?;
    let _ = connection.close().await;
    let scenarios: Vec<Scenario> = settings.scenarios.iter().map(|(_, scenario)| scenario.clone()).collect();
    let Settings { load, now, seed, scale, .. } = *settings;
    let protocol = match settings.protocol {
        Some(asked) => asked,
        None => possible_protocol(settings).await?,
    };
    let workload = Workload::new(&scenarios, Setting { load, bound: &bound, pools, now, seed, scale, protocol });
    Ok((workload, server, unexercised))
}

/// Begins a transaction for all that is read: behind a pooler each may have another session.
async fn begin_whole(connection: &mut PgConnection) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql("BEGIN")).await.map(drop).map_err(|e| Error::doing("begin to read", e))
}

/// Ends it, and leaves nothing in the session.
async fn end_whole(connection: &mut PgConnection) -> Result<(), Error> {
    let whole = |e| Error::doing("end reading", e);
    connection.clear_cached_statements().await.map_err(whole)?;
    connection.execute(sqlx::raw_sql("ROLLBACK")).await.map(drop).map_err(whole)
}

/// Policies that do not apply to the role that asks, of tables that statements name.
async fn unexercised_policies(
    settings: &Settings,
    connection: &mut PgConnection,
) -> Result<Option<UnexercisedPolicies>, RunError> {
    let (role, tables) = row_security::policies(connection).await?;
    let steps = settings.scenarios.iter().flat_map(|(_, s)| &s.actions).flat_map(|action| &action.steps);
    let words: BTreeSet<String> = steps.flat_map(|step| sql::words(&step.statement.sql)).collect();
    let exempt = tables.into_iter().filter(|table| table.exempt.is_some());
    let named: Vec<String> = exempt
        .filter(|table| table.relations.iter().any(|name| words.contains(name)))
        .map(|table| table.name)
        .collect();
    if named.is_empty() {
        return Ok(None);
    }
    (settings.listener)(Event::Unexercised { role: &role, tables: &named });
    Ok(Some(UnexercisedPolicies { role: role.clone(), tables: named }))
}

/// Prepared statements where they stay in their client's session; else what never leaves anything in one.
async fn possible_protocol(settings: &Settings) -> Result<Protocol, Error> {
    let primary = &settings.targets.primary;
    if !pooler::shares_sessions(primary).await? {
        return Ok(Protocol::Prepared);
    }
    let protocol = Protocol::Extended;
    (settings.listener)(Event::SharedSessions(protocol));
    Ok(protocol)
}
