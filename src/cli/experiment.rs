//! How long a proof goes on: its looks, when they are enough, what it resumes, and how often it was tried. Must decide nothing
//! after data: everything but the end is fixed before the first slice.

use std::path::Path;

use anyhow::anyhow;

use super::exit::Failure;
use crate::compare::{ActionComparison, CountComparison, Verdict, compare};
use crate::evidence::files::{MAX_DOCUMENT_BYTES, read_regular};
use crate::evidence::{Evidence, store};
use crate::stats::paired::{LOOKS, looks};

/// Chunks measured at most when nobody says it.
const MOST_CHUNKS: u32 = 16;

/// Chunks measured at most until intervals are as narrow as was asked, and the fewest an interval may rest on then
/// (docs/method.md: stopping on precision needs twelve, and intervals of 96 %).
const MOST_PRECISE: u32 = 64;
const FEWEST_PRECISE: u32 = 12;

/// Chunks on a set of clones, so that one disturbed chunk is not all that is known of it.
const FEWEST_OF_A_SET: u32 = 2;

/// More chunks than this many times the most will not become enough by waiting.
const HOPELESS: u32 = 2;

/// Chunks at most, and the looks on the way.
#[derive(Debug, PartialEq)]
pub(super) struct Length {
    pub(super) chunks: u32,
    pub(super) looks: Vec<u32>,
}

impl Length {
    /// Of a new experiment, or of one that goes on.
    pub(super) fn new(
        asked: Option<u32>,
        (precision, replicates): (Option<f64>, Option<u32>),
        resumed: Option<&Evidence>,
    ) -> Result<Self, Failure> {
        let Some(earlier) = resumed else {
            if precision.is_some() {
                let chunks = asked.unwrap_or(MOST_PRECISE);
                return Ok(Self { chunks, looks: (FEWEST_PRECISE.min(chunks)..=chunks).collect() });
            }
            let Some(replicates) = replicates else {
                let chunks = asked.unwrap_or(MOST_CHUNKS);
                return Ok(Self { chunks, looks: looks(chunks) });
            };
            let fewest = (replicates * FEWEST_OF_A_SET).max(LOOKS[0]);
            let chunks = asked.unwrap_or(fewest.max(MOST_CHUNKS));
            if chunks < fewest {
                return Err(Failure::usage(anyhow!(
                    "{replicates} sets of clones need {fewest} chunks or more to be compared\n  = help: write --chunks {fewest}"
                )));
            }
            // What all sets have in common is known at the end only.
            return Ok(Self { chunks, looks: vec![chunks] });
        };
        if ends_once(earlier) {
            return Err(Failure::usage(anyhow!(
                "an experiment with --precision or --replicates ends once\n  = help: begin a new one; it counts as another attempt"
            )));
        }
        let done = earlier.chunks.len() as u32;
        let last = LOOKS[LOOKS.len() - 1];
        let next = LOOKS.into_iter().find(|look| done < *look).unwrap_or(last);
        let chunks = asked.unwrap_or(next);
        let held = earlier.design.looks.iter().copied().filter(|look| *look <= done);
        let mut all: Vec<u32> = held.chain(looks(chunks).into_iter().filter(|look| done < *look)).collect();
        all.dedup();
        if chunks <= done || LOOKS.len() < all.len() {
            return Err(Failure::usage(anyhow!(
                "this experiment has {done} chunks, and its errors are paid for {} looks up to {last} chunks\n  = help: begin a new one; it \
                 counts as another attempt",
                LOOKS.len()
            )));
        }
        Ok(Self { chunks, looks: all })
    }
}

/// Whether the verdicts of an experiment rest on its end alone.
fn ends_once(evidence: &Evidence) -> bool {
    evidence.design.precision.is_some() || evidence.design.replicates > 1
}

/// Whether `--resume` can add chunks to an experiment.
pub(super) fn can_go_on(evidence: &Evidence) -> bool {
    let last = LOOKS[LOOKS.len() - 1] as usize;
    let (chunks, looks) = (evidence.chunks.len(), &evidence.design.looks);
    !ends_once(evidence) && (1..last).contains(&chunks) && !looks.is_empty()
}

/// Whether every action is decided by now, or no more chunks than `most` are likely to decide the others.
pub(super) fn enough(evidence: &Evidence, most: u32) -> bool {
    let comparison = compare(evidence);
    if comparison.findings.iter().any(crate::compare::Finding::stops_everything) {
        return true;
    }
    if let Some(precision) = evidence.design.precision {
        return comparison.is_narrow(precision);
    }
    if comparison.actions.iter().any(|action| action.decision.is_some()) {
        // Load shows what single operations do not; of what did not change it is no more asked than until its first look.
        return comparison.actions.iter().all(|action| !action.is_changed() || action.verdict != Verdict::Inconclusive);
    }
    // What does what it did needs no more than not to be slower.
    let unchanged = |action: &ActionComparison| action.counts.as_ref().is_some_and(CountComparison::is_unchanged);
    comparison.actions.iter().all(|action| {
        action.verdict != Verdict::Inconclusive
            || action.not_slower && unchanged(action)
            // A control that differs by chance alone does so no more with the chunks there may be.
            || !action.looks_like_luck() && action.chunks_needed.is_none_or(|needed| HOPELESS * most < needed)
    })
}

/// The evidence of an experiment that is to go on.
pub(super) fn resumed(path: Option<&Path>, results: &Path) -> Result<Option<Evidence>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let evidence = store::read(path).map_err(Failure::usage)?;
    if evidence.chunks.is_empty() || evidence.design.looks.is_empty() {
        let why = if evidence.chunks.is_empty() {
            "holds no chunk to go on from"
        } else {
            "was decided at its end, with nothing left to err"
        };
        return Err(Failure::usage(anyhow!(
            "{} {why}\n  = help: begin a new proof; it counts as another attempt",
            path.display()
        )));
    }
    let folders = std::fs::read_dir(results).into_iter().flatten().flatten();
    let later = folders.filter_map(|folder| Some((folder.path(), document(&folder.path())?))).find(|(_, document)| {
        let other = &document["evidence"];
        let chunks = other["chunks"].as_array().map_or(0, Vec::len);
        other["started_at"].as_str() == Some(&evidence.started_at) && evidence.chunks.len() < chunks
    });
    if let Some((later, _)) = later {
        // The same chunks drawn twice would be two chances for one.
        return Err(Failure::usage(anyhow!(
            "this experiment has gone on already\n  = help: prove --resume {}",
            later.display()
        )));
    }
    Ok(Some(evidence))
}

/// The how many-th attempt at the same comparison this is, by the results that are kept: the same migration, by its name or by what it
/// does, on rows of the same spec, or on the same databases.
pub(super) fn attempt(results: &Path, evidence: &Evidence) -> u32 {
    let Ok(folders) = std::fs::read_dir(results) else { return 1 };
    // Another seed or scale is another attempt: who looks for a lucky one must be seen.
    let dataset = evidence.dataset.as_ref();
    let same_rows = |earlier: &serde_json::Value| {
        let is = |what: &str, own: Option<&String>| earlier["dataset"][what].as_str() == own.map(String::as_str);
        is("spec", dataset.map(|dataset| &dataset.spec)) && is("at", dataset.map(|dataset| &dataset.at))
            || dataset.is_some_and(|dataset| is("digest", Some(&dataset.digest)))
    };
    // A file that was given another name does what it did.
    let own: Vec<&str> = evidence.migration.statements.iter().map(|statement| &*statement.sql).collect();
    let same_change = |earlier: &serde_json::Value| {
        let statements = earlier["migration"]["statements"].as_array().into_iter().flatten();
        let statements: Vec<&str> = statements.filter_map(|statement| statement["sql"].as_str()).collect();
        earlier["migration"]["label"].as_str() == Some(&evidence.migration.label)
            || !own.is_empty() && statements == own
    };
    // Clones have none; with another control it is the same comparison.
    let compared = |all: &[serde_json::Value]| all.first().cloned().zip(all.last().cloned());
    let own_databases: Vec<serde_json::Value> =
        evidence.design.databases.iter().map(|database| serde_json::json!(database)).collect();
    let same = |path: std::path::PathBuf| {
        let document = document(&path)?;
        let earlier = &document["evidence"];
        let timed = earlier["isolated"]["actions"].as_array().is_some_and(|actions| !actions.is_empty());
        let measured = timed || earlier["design"]["chunks_planned"].as_u64()? > 0;
        // A part of this same experiment is no other attempt.
        let other = earlier["started_at"].as_str() != Some(&evidence.started_at);
        let databases = earlier["design"]["databases"].as_array().map_or(&[][..], Vec::as_slice);
        let same_databases = compared(databases) == compared(&own_databases);
        (measured && other && same_change(earlier) && same_rows(earlier) && same_databases)
            .then(|| earlier["started_at"].to_string())
    };
    let found: std::collections::BTreeSet<String> =
        folders.flatten().filter_map(|folder| same(folder.path())).collect();
    found.len() as u32 + 1
}

/// The document of a result's folder, if it is one of a proof.
fn document(folder: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&read_regular(&folder.join("trial.json"), MAX_DOCUMENT_BYTES).ok()?).ok()
}
