//! An experiment that goes on: what must be the same, and what it takes over. Must refuse whatever would make it another one.

use super::digest::digest;
use super::error::TrialError;
use super::settings::{Settings, Subject};
use crate::evidence::{Design, Evidence};

/// Takes over what an earlier part of the same experiment measured. Counters are those of the new part alone.
pub(super) fn go_on(earlier: &Evidence, evidence: &mut Evidence) -> Result<(), TrialError> {
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
        return Err(TrialError::Asked(format!(
            "this is not the experiment that is resumed: {} differ\n  = help: give the flags and files it was begun with, or begin a new one",
            differing.join(", ")
        )));
    }
    evidence.started_at.clone_from(&earlier.started_at);
    evidence.machine = earlier.machine;
    evidence.chunks.clone_from(&earlier.chunks);
    evidence.histograms.clone_from(&earlier.histograms);
    Ok(())
}

/// Sixteen hexadecimal digits that change with any word of the scenarios or of the migrations between the data and the sides.
pub(super) fn scenarios_digest(settings: &Settings) -> String {
    let between = match &settings.subject {
        Subject::Clones(dataset) => dataset.parts().1,
        Subject::Given(_) | Subject::InPlace(_) => &[],
    };
    let scenarios = settings.scenarios[0].iter().map(|(file, _)| file.text.clone());
    digest(scenarios.chain(between.iter().map(|migration| std::fs::read_to_string(&migration.up).unwrap_or_default())))
}
