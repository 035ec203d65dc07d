//! How the sides take turns under load. Must be settled by what single operations showed, before anything is timed.

use std::collections::BTreeSet;

use crate::diagnostic::Message;
use crate::evidence::{CountedAction, Evidence, Interleave, Side};
use crate::scenario::workload::PlannedAction;
use crate::sql;
use crate::trial::error::TrialError;
use crate::trial::prepare::Sitting;
use crate::trial::settings::{Settings, Subject};
use crate::trial::subject::sides::working_set;

/// Length of a slice where nobody says it, in milliseconds.
pub(in crate::trial) const SLICE_MS: u64 = 1_000;
const BLOCK_MS: u64 = 10_000;

/// Rounds in a chunk where nobody says it.
pub(in crate::trial) const SLICE_ROUNDS: u32 = 6;
const BLOCK_ROUNDS: u32 = 2;

/// A mix of which more than this share may write is one whose cost falls due at checkpoints, which blocks hold and
/// slices do not.
const MOSTLY_WRITES: f64 = 0.5;

/// How the sides take turns: as was asked, else in slices, unless they would push each other out of the cache or mostly
/// write.
///
/// # Errors
/// When a server is lost, or databases that were given cannot take what the load writes.
pub(in crate::trial) async fn settle(
    settings: &Settings,
    sitting: &Sitting,
    evidence: &mut Evidence,
) -> Result<(), TrialError> {
    let mut bytes = 0;
    let mut buffers = 0;
    for (side, target) in sitting.databases() {
        let plans = evidence.counts.get(side).into_iter().flatten().flat_map(|action| &action.plans);
        let indexes = |plan: &crate::evidence::PlanShape| {
            plan.paths.iter().flat_map(|path| path.indexes.clone()).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = plans.flat_map(|plan| [plan.relations.clone(), indexes(plan)].concat()).collect();
        let (touched, shared) = working_set(target, names.into_iter().collect()).await?;
        bytes += touched;
        buffers = shared;
    }
    // By its text, or as single operations showed: a query may call a function that writes.
    let wrote = |action: usize| evidence.counts.values().any(|side| side.get(action).is_some_and(|of| of.wrote));
    let writes = |action: &PlannedAction| action.steps.iter().any(|step| sql::may_write(&step.sql));
    let actions = sitting.workloads[0].actions.iter().enumerate();
    let writing = actions.filter(|(at, action)| writes(action) || wrote(*at)).map(|(_, action)| action.share);
    let (writers, writes) = writing.fold((0, 0.0), |(writers, writes), share| (writers + 1, writes + share));
    let design = &mut evidence.design;
    design.working_set_bytes = bytes;
    // Where others use the server, checkpoints are not ours to ask for.
    design.checkpointed = 0 < writers && matches!(settings.subject, Subject::Clones(_));
    design.sequences_apart = 0 < writers && sitting.databases().count() < Side::ALL.len();
    refuse_twofold_growth(settings, evidence)?;
    let design = &mut evidence.design;
    if let Subject::InPlace(_) = settings.subject {
        // Every turn of `after` costs a migration and its reversal, so there is one in a chunk.
        design.interleave = Interleave::Block;
        design.rounds_per_chunk = 1;
        design.slice_ms = settings.slice.map_or(BLOCK_MS, |slice| slice.as_millis() as u64);
        return Ok(());
    }
    if settings.interleave.is_none() {
        if buffers < bytes {
            design.interleave = Interleave::Block;
            design.interleave_reason = Some(format!(
                "what the plans can touch on three sides ({}) does not fit into shared_buffers ({}) together",
                crate::units::bytes_text(bytes),
                crate::units::bytes_text(buffers)
            ));
        } else if MOSTLY_WRITES < writes {
            design.interleave = Interleave::Block;
            design.interleave_reason = Some(format!("{:.0} % of the operations may write", writes * 100.0));
        }
    }
    let block = design.interleave == Interleave::Block;
    design.rounds_per_chunk = settings.rounds.unwrap_or(if block { BLOCK_ROUNDS } else { SLICE_ROUNDS });
    design.slice_ms = settings.slice.map_or(if block { BLOCK_MS } else { SLICE_MS }, |slice| slice.as_millis() as u64);
    Ok(())
}

/// Refuses a load that would make the tables of one side grow twice as fast as those of another.
fn refuse_twofold_growth(settings: &Settings, evidence: &Evidence) -> Result<(), TrialError> {
    let changes_rows = || evidence.counts.values().flatten().any(CountedAction::changes_rows);
    if evidence.design.sequences_apart && matches!(settings.subject, Subject::Given(_)) && changes_rows() {
        return Err(TrialError::Asked(
            Message::new(
                "the load writes, and a --before that is its own control gets it twice: its tables would grow twice \
                 as fast as those of --after",
            )
            .help("give a second --before, or leave the actions that write out"),
        ));
    }
    Ok(())
}
