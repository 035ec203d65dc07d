//! The role that asks: whether it is there before anything is cloned, what it is exempt from and what it is refused.
//! Must make a role on the embedded server only.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::evidence::row_security::{Denied, Exemption, RowSecurity, SecuredTable};
use crate::evidence::{CountedAction, Evidence, Side};
use crate::postgres::database::Admin;
use crate::postgres::error::database_error;
use crate::postgres::role::{Standing, check, create, standing};
use crate::postgres::row_security::{Exempt, policies};
use crate::postgres::sql_text::trusted;
use crate::postgres::{Error, Target, grants};
use crate::scenario::Workload;
use crate::sql;
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::prepare::Sitting;
use crate::trial::settings::{Dataset, Settings};
use crate::trial::work::operation::{drawn, take, text_of};

/// Makes sure that the role is there before a dataset is made, unless its migrations make it; on the embedded server it
/// is made.
///
/// # Errors
/// When it is not there, or may not be set.
pub(super) async fn ready(settings: &Settings, dataset: &Dataset, admin: &mut Admin) -> Result<(), TrialError> {
    let Some(role) = &settings.role else { return Ok(()) };
    if standing(admin.connection(), role).await? == Standing::Absent {
        for migration in dataset.parts().0 {
            if creates(&migration.up.file.text, role) {
                return Ok(());
            }
        }
        if dataset.embedded {
            create(admin.connection(), role).await?;
            (settings.listener)(Event::RoleMade(role));
        }
    }
    present(settings, admin).await
}

/// The same once the dataset is there.
///
/// # Errors
/// When it is not there, or may not be set.
pub(super) async fn present(settings: &Settings, admin: &mut Admin) -> Result<(), TrialError> {
    let Some(role) = &settings.role else { return Ok(()) };
    let place = admin.target().describe();
    Ok(check(admin.connection(), role, &place).await?)
}

/// Whether a migration makes a role of this name.
fn creates(text: &str, role: &str) -> bool {
    let words = sql::words(text);
    let makes = |three: &[String]| {
        three[0] == "create"
            && ["role", "user", "group"].contains(&three[1].as_str())
            && three[2] == role.to_lowercase()
    };
    words.windows(3).any(makes)
}

/// The tables of a side that have row-level security, as it applies to the role that asks there.
///
/// # Errors
/// When the catalog cannot be read.
pub(in crate::trial) async fn row_security(target: &Target) -> Result<RowSecurity, TrialError> {
    let mut connection = target.connect().await?;
    let (role, found) = policies(&mut connection).await?;
    let _ = connection.close().await;
    let exempt = |exempt: Exempt| match exempt {
        Exempt::Superuser => Exemption::Superuser,
        Exempt::BypassRls => Exemption::BypassRls,
        Exempt::Owner => Exemption::Owner,
    };
    let table = |of: crate::postgres::row_security::TablePolicies| {
        let relations = of.relations.into_iter().collect();
        (of.name, SecuredTable { relations, exempt: of.exempt.map(exempt), policies: of.policies })
    };
    Ok(RowSecurity { role, tables: found.into_iter().map(table).collect() })
}

/// Keeps of the relations that stand for a table those that plans name: a table may have thousands of partitions.
pub(in crate::trial) fn keep_touched(evidence: &mut Evidence) {
    let plans = evidence.counts.values().flatten().flat_map(|action| &action.plans);
    let touched: BTreeSet<String> = plans.flat_map(|plan| plan.relations.clone()).collect();
    for table in evidence.row_security.values_mut().flat_map(|side| side.tables.values_mut()) {
        table.relations.retain(|relation| touched.contains(relation));
    }
    evidence.row_security.retain(|_, side| !side.tables.is_empty());
}

/// What the role may not run, by the counts: the server's words, and what would permit it.
///
/// # Errors
/// When a server is lost.
pub(in crate::trial) async fn denied(
    sitting: &Sitting,
    counts: &BTreeMap<Side, Vec<CountedAction>>,
) -> Result<Vec<Denied>, TrialError> {
    let mut found = Vec::new();
    for side in [Side::Before, Side::After] {
        let refused = |action: &CountedAction| {
            action.sets.iter().take(action.sampled()).position(|set| set.failed.as_deref() == Some(MAY_NOT))
        };
        let counted = counts.get(&side).map_or(&[][..], Vec::as_slice);
        let all: Vec<(usize, u64)> =
            counted.iter().enumerate().filter_map(|(action, of)| Some((action, refused(of)? as u64))).collect();
        if all.is_empty() {
            continue;
        }
        let target = sitting.asks(side);
        let role = target.role().unwrap_or_else(|| target.user()).to_owned();
        let mut connection = target.connect().await?;
        for (action, set) in all {
            found.extend(denied_action(&mut connection, sitting.of(side), (side, &role), (action, set)).await?);
        }
        let _ = connection.close().await;
    }
    Ok(found)
}

/// `insufficient_privilege`.
const MAY_NOT: &str = "42501";

/// Runs an operation again, to hear why it is refused; undone.
async fn denied_action(
    connection: &mut PgConnection,
    workload: &Workload,
    (side, role): (Side, &str),
    (action, set): (usize, u64),
) -> Result<Option<Denied>, TrialError> {
    let doing = |e| Error::doing("ask why a statement is refused", e);
    let planned = &workload.actions[action];
    let mut values = drawn(workload, action, set);
    let mut denied = None;
    connection.execute(sqlx::raw_sql("BEGIN")).await.map_err(doing)?;
    for step in planned.steps.iter().filter(|step| step.bracket.is_none()) {
        let Some(text) = text_of(planned, step, &values) else { continue };
        match connection.fetch_all(sqlx::raw_sql(trusted(text))).await {
            Ok(rows) => take(step, &rows, &mut values),
            Err(error) => {
                let Some(server) = database_error(&error) else { return Err(doing(error).into()) };
                let message = server.message().to_owned();
                let grant = grants::remedy(&message, &sql::words(&step.sql), role);
                let action = planned.name.clone();
                denied = (server.code() == MAY_NOT).then_some(Denied { side, action, message, grant });
                break;
            }
        }
    }
    connection.execute(sqlx::raw_sql("ROLLBACK")).await.map_err(doing)?;
    Ok(denied)
}
