//! How often the same comparison was tried. Must count results that are kept, no matter who made them.

use std::collections::BTreeSet;
use std::path::Path;

use super::earlier;
use crate::evidence::Evidence;

/// The number of this attempt at the same comparison, from 1; this is, by the results that are kept: the same
/// migration, by its name or by what it does, on rows of the same spec, or on the same databases.
#[must_use]
pub fn attempt(results: &Path, evidence: &Evidence) -> u32 {
    // Another seed or scale is another attempt: who looks for a lucky one must be seen.
    let dataset = evidence.dataset.as_ref();
    let same_rows = |earlier: &serde_json::Value| {
        let is = |what: &str, own: Option<&String>| earlier["dataset"][what].as_str() == own.map(String::as_str);
        is("spec", dataset.map(|dataset| &dataset.spec)) && is("at", dataset.map(|dataset| &dataset.at))
            || dataset.is_some_and(|dataset| is("digest", Some(&dataset.digest)))
    };
    // A file that was given another name does the same.
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
    let same = |document: &serde_json::Value| {
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
    let found: BTreeSet<String> = earlier::documents(results).filter_map(|(_, document)| same(&document)).collect();
    found.len() as u32 + 1
}
