//! What is asked on every side, with types and parameters filled in. Must give every side the same parameters.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::error::TrialError;
use super::settings::{Settings, Subject};
use crate::binding::{check_picks, describe_all, sample_picks};
use crate::diagnostic::{Message, SourceFile};
use crate::evidence::{Evidence, Side};
use crate::postgres::connect::identity;
use crate::postgres::{Error, Target, role, row_security};
use crate::scenario::parameter::Pool;
use crate::scenario::program::Protocol;
use crate::scenario::workload::{Bound, Setting, merge_loads};
use crate::scenario::{Load, Scenario, Workload};
use crate::seed::spec::{KeySet, parse_spec};

/// The databases of the sides and what is asked of them.
pub(super) struct Sitting {
    pub(super) targets: [(Side, Target); 3],
    /// As the application asks before the migration, and after.
    pub(super) workloads: [Arc<Workload>; 2],
    /// Which database each side is, however its URL is written.
    identities: [String; 3],
    /// The role that asks.
    role: Option<String>,
}

/// Sides that are there, and what single operations showed.
pub(super) struct Begun {
    pub(super) sitting: Sitting,
    pub(super) evidence: Evidence,
}

impl Sitting {
    /// Prepares what is asked of these databases.
    ///
    /// # Errors
    /// When a statement is refused, or a parameter cannot be the same on both sides.
    pub(super) async fn new(settings: &Settings, targets: [(Side, Target); 3], load: Load) -> Result<Self, TrialError> {
        let before = Described::new(settings, &targets[0].1, Side::Before).await?;
        let after = Described::new(settings, &targets[2].1, Side::After).await?;
        let mut sitting = Self::of_described(settings, targets, load, [&before, &after])?;
        for (known, (_, target)) in sitting.identities.iter_mut().zip(&sitting.targets) {
            *known = identity(target).await?;
        }
        Ok(sitting)
    }

    /// The same, where all sides are one database in turn.
    ///
    /// # Errors
    /// When a parameter cannot be the same on both sides.
    pub(super) fn of_described(
        settings: &Settings,
        targets: [(Side, Target); 3],
        load: Load,
        described: [&Described; 2],
    ) -> Result<Self, TrialError> {
        let workloads = workloads(settings, load, described)?;
        Ok(Self { targets, workloads, identities: Default::default(), role: settings.role.clone() })
    }

    /// What is asked of a side.
    pub(super) fn of(&self, side: Side) -> &Arc<Workload> {
        &self.workloads[usize::from(side == Side::After)]
    }

    /// Where a side is.
    pub(super) fn target(&self, side: Side) -> &Target {
        let found = self.targets.iter().find(|(of, _)| *of == side);
        &found.expect("every side has a database").1
    }

    /// A side in sessions that ask as the application does.
    pub(super) fn asks(&self, side: Side) -> Target {
        self.target(side).acting_as(self.role.as_deref())
    }

    /// Every side in such sessions.
    pub(super) fn asking(&self) -> [(Side, Target); 3] {
        self.targets.each_ref().map(|(side, target)| (*side, target.acting_as(self.role.as_deref())))
    }

    /// The sides whose databases are different ones.
    pub(super) fn databases(&self) -> impl Iterator<Item = &(Side, Target)> {
        let known = |position: usize| self.identities[..position].contains(&self.identities[position]);
        self.targets.iter().enumerate().filter(move |(at, _)| !known(*at)).map(|(_, side)| side)
    }

    /// Whether two sides are one database.
    pub(super) fn share(&self, one: Side, other: Side) -> bool {
        let of = |side: Side| self.targets.iter().position(|(of, _)| *of == side).map(|at| &self.identities[at]);
        of(one) == of(other)
    }

    /// Gives each action this share of the operations.
    pub(super) fn drive_as(&mut self, shares: &[f64]) {
        self.workloads.iter_mut().filter_map(Arc::get_mut).for_each(|workload| workload.drive_as(shares));
    }

    /// How it arrives.
    pub(super) fn load(&self) -> Load {
        self.workloads[0].load
    }
}

/// The loads of all scenarios together.
///
/// # Errors
/// When they cannot be driven together.
pub(super) fn load(settings: &Settings) -> Result<Load, TrialError> {
    Ok(merge_loads(&of_files(&settings.scenarios[0]))?)
}

fn of_files(files: &[(SourceFile, Scenario)]) -> Vec<Scenario> {
    files.iter().map(|(_, scenario)| scenario.clone()).collect()
}

/// Types of a side's parameters, and the values there are to pick from.
pub(super) struct Described {
    bound: Bound,
    pools: Vec<Pool>,
}

impl Described {
    /// Asks a database how its server understands the statements of a side, before the migration or after it.
    ///
    /// # Errors
    /// When a statement is refused.
    pub(super) async fn new(settings: &Settings, target: &Target, side: Side) -> Result<Self, TrialError> {
        let mut connection = target.acting_as(settings.role.as_deref()).connect().await?;
        if let Some(role) = &settings.role {
            role::verify(&mut connection, role).await?;
        }
        let (files, when) = match side {
            Side::After => (&settings.scenarios[1], "after the migration, "),
            Side::Before | Side::Control => (&settings.scenarios[0], ""),
        };
        let bound = describe_all(&mut connection, files, when).await?;
        let _ = connection.close().await;
        // Both sides are sent what was found before, whatever the role may see of it.
        let pools = if side == Side::After { Vec::new() } else { pools(settings, target).await? };
        Ok(Self { bound, pools })
    }
}

async fn pools(settings: &Settings, target: &Target) -> Result<Vec<Pool>, TrialError> {
    let mut connection = target.own().connect().await?;
    let lifted = lift(settings, &mut connection).await?;
    let sampled = sample_picks(&mut connection, &settings.scenarios[0], &key_sets(settings), settings.seed.0).await?;
    row_security::end_lifted(&mut connection, lifted).await?;
    let _ = connection.close().await;
    Ok(sampled)
}

/// Refuses scenarios that pick from what is empty, before more is made of the database.
///
/// # Errors
/// When a pick finds nothing, or the server is lost.
pub(super) async fn refuse_empty_picks(settings: &Settings, target: &Target) -> Result<(), TrialError> {
    let mut connection = target.own().connect().await?;
    let lifted = lift(settings, &mut connection).await?;
    check_picks(&mut connection, &settings.scenarios[0], &key_sets(settings)).await?;
    row_security::end_lifted(&mut connection, lifted).await?;
    let _ = connection.close().await;
    Ok(())
}

/// Where the database is ours, policies that are forced on its owner hide no row.
async fn lift(settings: &Settings, connection: &mut PgConnection) -> Result<bool, Error> {
    match settings.subject {
        Subject::Clones(_) => row_security::begin_lifted(connection).await,
        Subject::Given(_) | Subject::InPlace(_) => Ok(false),
    }
}

fn key_sets(settings: &Settings) -> Vec<KeySet> {
    let spec = settings.spec.as_ref().and_then(|spec| parse_spec(&spec.text).ok());
    spec.map(|spec| spec.key_sets).unwrap_or_default()
}

/// What is asked before the migration and after it: the same parameters, and the same statements but where the
/// scenario says otherwise (`since`).
fn workloads(
    settings: &Settings,
    load: Load,
    [before, after]: [&Described; 2],
) -> Result<[Arc<Workload>; 2], TrialError> {
    let scenarios = settings.scenarios.each_ref().map(|files| of_files(files));
    if !same_types(&scenarios, [&before.bound, &after.bound]) {
        return Err(TrialError::Asked(
            Message::new("the migration changes the type of a parameter, so both sides cannot be sent the same values")
                .help("cast the parameter in the scenario's SQL, such as :id::int8"),
        ));
    }
    let spec = settings.spec.as_ref().and_then(|spec| parse_spec(&spec.text).ok());
    let now = spec.map_or(0, |spec| spec.now);
    let (seed, scale, protocol) = (settings.seed, settings.scale, Protocol::Prepared);
    let workload = |side: usize, bound: &Bound| {
        let pools = before.pools.clone();
        Arc::new(Workload::new(&scenarios[side], Setting { load, bound, pools, now, seed, scale, protocol }))
    };
    Ok([workload(0, &before.bound), workload(1, &after.bound)])
}

/// Whether statements that are the same on both sides take the same types.
fn same_types(scenarios: &[Vec<Scenario>; 2], bound: [&Bound; 2]) -> bool {
    let steps = |side: usize| {
        let actions = scenarios[side].iter().zip(bound[side]).flat_map(|(s, bound)| s.actions.iter().zip(bound));
        actions.flat_map(|(action, bound)| action.steps.iter().zip(bound))
    };
    steps(0).zip(steps(1)).all(|((before, its), (after, types))| {
        before.statement.sql != after.statement.sql
            || its.arguments == types.arguments && its.captures == types.captures
    })
}
