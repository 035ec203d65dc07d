//! An experiment that goes on: what must be the same, and what it takes over. Must refuse whatever would make it
//! another one.

use std::path::Path;

use super::earlier;
use super::error::ExperimentError;
use crate::evidence::{Design, Evidence, store};

/// The evidence of an experiment that is to go on, if it has not gone on already among the results that are kept.
///
/// # Errors
/// When it cannot be read, or cannot go on.
pub fn read(path: &Path, results: &Path) -> Result<Evidence, ExperimentError> {
    let evidence = store::read(path)?;
    let path = || path.to_owned();
    if evidence.chunks.is_empty() {
        return Err(ExperimentError::NoChunk(path()));
    }
    if evidence.design.looks.is_empty() {
        return Err(ExperimentError::DecidedAtItsEnd(path()));
    }
    let later = earlier::documents(results).find(|(_, document)| {
        let other = &document["evidence"];
        let chunks = other["chunks"].as_array().map_or(0, Vec::len);
        other["started_at"].as_str() == Some(&evidence.started_at) && evidence.chunks.len() < chunks
    });
    // The same chunks drawn twice would be two chances for one.
    match later {
        Some((later, _)) => Err(ExperimentError::GoneOn(later)),
        None => Ok(evidence),
    }
}

/// Takes over what an earlier part of the same experiment measured. Counters are those of the new part alone.
pub(super) fn go_on(earlier: &Evidence, evidence: &mut Evidence) -> Result<(), ExperimentError> {
    let asked = |evidence: &Evidence| -> Vec<(String, Vec<String>, Vec<String>)> {
        evidence.actions.iter().map(|a| (a.name.clone(), a.sql.clone(), a.sql_after.clone())).collect()
    };
    let statements = |evidence: &Evidence| -> Vec<String> {
        let all = evidence.migration.statements.iter().map(|statement| statement.sql.clone());
        all.chain([evidence.migration.label.clone()]).collect()
    };
    let of_turns = |design: &Design| (design.interleave, design.rounds_per_chunk, design.slice_ms, design.checkpointed);
    let driven =
        |evidence: &Evidence| -> Vec<Option<f64>> { evidence.actions.iter().map(|a| a.driven_share).collect() };
    let digest =
        |evidence: &Evidence| -> Option<String> { evidence.dataset.as_ref().map(|dataset| dataset.digest.clone()) };
    let differs = [
        (
            "the databases",
            earlier.design.subject != evidence.design.subject || earlier.design.databases != evidence.design.databases,
        ),
        ("the schemas", !earlier.design.schemas.is_empty() && earlier.design.schemas != evidence.design.schemas),
        (
            "the servers of the sides",
            earlier.server_after != evidence.server_after || earlier.server_control != evidence.server_control,
        ),
        ("the migrations", statements(earlier) != statements(evidence)),
        ("the scenarios", earlier.design.scenarios != evidence.design.scenarios),
        ("the server's settings", earlier.server.settings != evidence.server.settings),
        ("the dataset", digest(earlier) != digest(evidence)),
        ("the actions", asked(earlier) != asked(evidence)),
        ("the server's version", earlier.server.version != evidence.server.version),
        ("the margins", earlier.actions.iter().map(|a| a.margin).ne(evidence.actions.iter().map(|a| a.margin))),
        ("the turns of the sides", of_turns(&earlier.design) != of_turns(&evidence.design)),
        ("the shares of operations", driven(earlier) != driven(evidence)),
        ("the load", earlier.design.load != evidence.design.load),
    ];
    let differing: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
    if !differing.is_empty() {
        return Err(ExperimentError::Another(differing.join(", ")));
    }
    evidence.started_at.clone_from(&earlier.started_at);
    evidence.machine = earlier.machine;
    evidence.chunks.clone_from(&earlier.chunks);
    evidence.histograms.clone_from(&earlier.histograms);
    Ok(())
}
