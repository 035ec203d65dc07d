//! What is asked on every side, with types and parameters filled in. Must give every side the same parameters.

use std::sync::Arc;

use sqlx::Connection;

use super::error::TrialError;
use super::settings::Settings;
use crate::binding::{describe_all, sample_picks};
use crate::diagnostic::SourceFile;
use crate::evidence::Side;
use crate::postgres::Target;
use crate::scenario::program::Protocol;
use crate::scenario::workload::{Bound, Setting, merge_loads};
use crate::scenario::{Load, Scenario, Workload};
use crate::seed::spec::parse_spec;
use crate::sql;

/// The databases of the sides and what is asked of them.
pub(super) struct Sitting {
    pub(super) targets: [(Side, Target); 3],
    /// As the application asks before the migration, and after.
    pub(super) workloads: [Arc<Workload>; 2],
}

impl Sitting {
    /// Prepares what is asked of these databases.
    ///
    /// # Errors
    /// When a statement is refused, or a parameter cannot be the same on both sides.
    pub(super) async fn new(settings: &Settings, targets: [(Side, Target); 3], load: Load) -> Result<Self, TrialError> {
        let workloads = prepare_workloads(settings, [&targets[0].1, &targets[2].1], load).await?;
        Ok(Self { targets, workloads })
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

    /// How it arrives.
    pub(super) fn load(&self) -> Load {
        self.workloads[0].load
    }

    /// Whether any action may write.
    pub(super) fn writes(&self) -> bool {
        let actions = self.workloads.iter().flat_map(|workload| &workload.actions);
        actions.flat_map(|action| &action.steps).any(|step| sql::may_write(&step.sql))
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

/// What is asked before the migration and after it: the same parameters, and the same statements but where the
/// scenario says otherwise (`since`).
async fn prepare_workloads(
    settings: &Settings,
    [before, after]: [&Target; 2],
    load: Load,
) -> Result<[Arc<Workload>; 2], TrialError> {
    let mut before = before.connect().await?;
    let types = describe_all(&mut before, &settings.scenarios[0], "").await?;
    let mut after = after.connect().await?;
    let types_after = describe_all(&mut after, &settings.scenarios[1], "after the migration, ").await?;
    let _ = after.close().await;
    let scenarios = settings.scenarios.each_ref().map(|files| of_files(files));
    if !same_types(&scenarios, [&types, &types_after]) {
        return Err(TrialError::Asked(
            "the migration changes the type of a parameter, so both sides cannot be sent the same values\n  = help: \
             cast the parameter in the scenario's SQL, such as :id::int8"
                .to_owned(),
        ));
    }
    let spec = parse_spec(&settings.spec.text).ok();
    let sets = spec.as_ref().map_or(&[][..], |spec| &spec.key_sets);
    let pools = sample_picks(&mut before, &settings.scenarios[0], sets, settings.seed.0).await?;
    let _ = before.close().await;
    let now = spec.map_or(0, |spec| spec.now);
    let (seed, scale, protocol) = (settings.seed, settings.scale, Protocol::Prepared);
    let workload = |side: usize, bound: &Bound| {
        let pools = pools.clone();
        Arc::new(Workload::new(&scenarios[side], Setting { load, bound, pools, now, seed, scale, protocol }))
    };
    Ok([workload(0, &types), workload(1, &types_after)])
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
