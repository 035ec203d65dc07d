//! Whether a result can be what this program wrote: every number that indexes, divides, allocates or is a length of
//! time. Must name the field that cannot, and must judge nothing else: what follows from evidence is `compare`'s.

use std::collections::BTreeSet;

use serde_json::Value;

use super::run::{ActionResult, RunEvidence};
use super::{ActionCounts, ChunkFacts, CountedAction, Design, Evidence, LoadFacts, Side};

/// Largest whole number of a result, but for seeds: sums of as many as a file can hold stay below 2^64.
pub const MAX_COUNT: u64 = 1_000_000_000_000_000;

/// Largest other number of a result: its square is still one. The server's planner goes to 1e100.
const MAX_NUMBER: f64 = 1e150;

/// Most chunks of a trial; the work of an exact interval grows with their third power.
const MAX_CHUNKS: usize = 1_000;

/// Most sets of clones of a trial.
const MAX_REPLICATES: u32 = 1_000;

/// Most parts of a run.
const MAX_PARTS: u32 = 1_000;

/// Most actions of a mix.
const MAX_ACTIONS: usize = 10_000;

/// Longest slice, in milliseconds: a day.
const MAX_SLICE_MS: u64 = 86_400_000;

/// Most rounds of a chunk, attempts, threads or connections.
const MAX_FEW: u32 = 1_000_000;

/// The format from which on every due operation has one outcome in the facts, and every histogram as many values as
/// they say.
pub const COUNTED_SINCE: u64 = 3;

/// Keys whose numbers name something and count nothing.
const NAMES: [&str; 2] = ["seed", "operation"];

/// Keys whose numbers are lengths of time, rates or shares, and never below zero.
const NEVER_NEGATIVE: [&str; 14] = [
    "duration_ms",
    "duration_s",
    "elapsed_s",
    "length_s",
    "at_s",
    "measured_s",
    "warm_up_s",
    "seconds",
    "service_us_mean",
    "rate_per_s",
    "share",
    "driven_share",
    "margin",
    "precision",
];

/// A field that this program does not write so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Unsound {
    /// Its place in the document.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

type Sound = Result<(), Unsound>;

fn check(holds: bool, field: impl Into<String>, reason: impl Into<String>) -> Sound {
    if holds { Ok(()) } else { Err(Unsound { field: field.into(), reason: reason.into() }) }
}

fn in_range<N: Copy + PartialOrd + std::fmt::Display>(number: N, least: N, most: N, field: &str) -> Sound {
    let reason = format!("{number} is not from {least} to {most}");
    check(least <= number && number <= most, field, reason)
}

fn as_many(found: usize, expected: usize, field: String, of: &str) -> Sound {
    check(found == expected, field, format!("{found} entries for {expected} {of}"))
}

/// Every number of a document.
pub(super) fn numbers(document: &Value) -> Sound {
    walk(document, &mut vec!["evidence".to_owned()])
}

fn walk(value: &Value, path: &mut Vec<String>) -> Sound {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                path.push(format!(".{key}"));
                walk(value, path)?;
                path.pop();
            }
        }
        Value::Array(entries) => {
            for (at, value) in entries.iter().enumerate() {
                path.push(format!("[{at}]"));
                walk(value, path)?;
                path.pop();
            }
        }
        Value::Number(number) => number_of(number, path)?,
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

fn number_of(number: &serde_json::Number, path: &[String]) -> Sound {
    let key = path.iter().rev().find_map(|part| part.strip_prefix('.')).unwrap_or_default();
    let field = || path.concat();
    if number.is_f64() {
        let number = number.as_f64().unwrap_or(f64::NAN);
        check(number.abs() <= MAX_NUMBER, field(), format!("{number:e} is too large"))?;
        return check(number >= 0.0 || !NEVER_NEGATIVE.contains(&key), field(), format!("{number} is below zero"));
    }
    if NAMES.contains(&key) {
        return Ok(());
    }
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).unwrap_or(u64::MAX);
    check(size <= MAX_COUNT, field(), format!("{number} is too large"))?;
    let negative = number.as_i64().is_some_and(|number| number < 0);
    check(!(negative && NEVER_NEGATIVE.contains(&key)), field(), format!("{number} is below zero"))
}

/// A trial of this format, without its histograms.
pub(super) fn trial(evidence: &Evidence, format: u64) -> Sound {
    let actions = evidence.actions.len();
    check(actions > 0, "evidence.actions", "there is none")?;
    check(actions <= MAX_ACTIONS, "evidence.actions", format!("{actions} are too many"))?;
    unique(evidence.actions.iter().map(|action| action.name.as_str()))?;
    for (at, action) in evidence.actions.iter().enumerate() {
        let of = |field: &str| format!("evidence.actions[{at}].{field}");
        check(action.margin > 0.0, of("margin"), format!("{} is not above zero", action.margin))?;
        in_range(action.share, 0.0, 1.000_001, &of("share"))?;
    }
    design(&evidence.design)?;
    let chunks = evidence.chunks.len();
    check(chunks <= MAX_CHUNKS, "evidence.chunks", format!("{chunks} are too many"))?;
    for (at, facts) in evidence.chunks.iter().enumerate() {
        chunk(facts, &format!("evidence.chunks[{at}]"), actions, &evidence.design, format)?;
    }
    for (side, counters) in &evidence.counters {
        let of = |field: &str| format!("evidence.counters.{}.{field}", side.name());
        counters.work.iter().try_for_each(|work| as_many(work.len(), actions, of("work"), "actions"))?;
        let mut plans = counters.plan_counts.iter();
        plans.try_for_each(|counts| as_many(counts.len(), actions, of("plan_counts"), "actions"))?;
    }
    counts(evidence)?;
    for (at, ablated) in evidence.ablated.iter().enumerate() {
        for (field, blocks) in [("blocks", &ablated.blocks), ("blocks_without", &ablated.blocks_without)] {
            as_many(blocks.len(), actions, format!("evidence.ablated[{at}].{field}"), "actions")?;
        }
    }
    for (side, plans) in &evidence.plans {
        as_many(plans.len(), actions, format!("evidence.plans.{}", side.name()), "actions")?;
    }
    Ok(())
}

fn unique<'n>(names: impl Iterator<Item = &'n str>) -> Sound {
    let mut known = BTreeSet::new();
    for (at, name) in names.enumerate() {
        check(known.insert(name), format!("evidence.actions[{at}].name"), "another action has it too")?;
    }
    Ok(())
}

fn design(design: &Design) -> Sound {
    in_range(design.rounds_per_chunk, 1, MAX_FEW, "evidence.design.rounds_per_chunk")?;
    in_range(design.slice_ms, 1, MAX_SLICE_MS, "evidence.design.slice_ms")?;
    in_range(design.replicates, 1, MAX_REPLICATES, "evidence.design.replicates")?;
    in_range(design.attempt, 1, MAX_FEW, "evidence.design.attempt")?;
    in_range(design.looks.len(), 0, MAX_CHUNKS, "the number of evidence.design.looks")?;
    load(&design.load)
}

fn load(load: &LoadFacts) -> Sound {
    let (connections, rate) = match load {
        LoadFacts::Open { rate_per_s, connections } => (*connections, *rate_per_s),
        LoadFacts::Closed { clients } => (*clients, 0.0),
    };
    in_range(connections, 0, MAX_FEW, "the connections of evidence.design.load")?;
    in_range(rate, 0.0, 1e9, "evidence.design.load.open.rate_per_s")
}

fn chunk(chunk: &ChunkFacts, field: &str, actions: usize, design: &Design, format: u64) -> Sound {
    let reason = format!("{} of {}", chunk.replicate, design.replicates);
    check(chunk.replicate < design.replicates, format!("{field}.replicate"), reason)?;
    for side in Side::ALL {
        let field = format!("{field}.sides.{}", side.name());
        let facts = chunk.sides.get(&side);
        let Some(facts) = facts else { return check(false, field, "it is missing") };
        as_many(facts.actions.len(), actions, format!("{field}.actions"), "actions")?;
        for (at, counts) in facts.actions.iter().enumerate() {
            let ActionCounts { due, skipped, ok, failed, rows: _ } = counts;
            let adds_up = *due == skipped + ok + failed || format < COUNTED_SINCE;
            check(adds_up, format!("{field}.actions[{at}].due"), "it is not skipped + ok + failed")?;
        }
    }
    Ok(())
}

/// What single operations cost: as many actions and sets on every side, and no plan that is not there.
fn counts(evidence: &Evidence) -> Sound {
    let Some(before) = evidence.counts.get(&Side::Before) else {
        return check(evidence.counts.is_empty(), "evidence.counts.before", "it is missing");
    };
    for side in Side::ALL {
        let field = format!("evidence.counts.{}", side.name());
        let Some(counted) = evidence.counts.get(&side) else { return check(false, field, "it is missing") };
        as_many(counted.len(), evidence.actions.len(), field.clone(), "actions")?;
        for (at, (action, before)) in counted.iter().zip(before).enumerate() {
            counted_action(action, before, &format!("{field}[{at}]"))?;
        }
    }
    Ok(())
}

fn counted_action(action: &CountedAction, before: &CountedAction, field: &str) -> Sound {
    as_many(action.sets.len(), before.sets.len(), format!("{field}.sets"), "sets on before")?;
    in_range(action.rare as usize, 0, action.sets.len(), &format!("{field}.rare"))?;
    let plans = action.plans.len();
    let known = |plan: u32, field: String| {
        check((plan as usize) < plans, field, format!("there is no plan {plan} among {plans}"))
    };
    for (at, plan) in action.generic.iter().enumerate() {
        known(*plan, format!("{field}.generic[{at}]"))?;
    }
    for (at, set) in action.sets.iter().enumerate() {
        for (step, plan) in set.plans.iter().enumerate() {
            known(*plan, format!("{field}.sets[{at}].plans[{step}]"))?;
        }
        if let Some((sets, executed)) = set.stands_for {
            let field = format!("{field}.sets[{at}].stands_for");
            check(executed > 0 && sets <= MAX_FEW, field, format!("{sets} sets by {executed} executed"))?;
        }
    }
    Ok(())
}

/// A run, without its histograms.
pub(super) fn run(run: &RunEvidence) -> Sound {
    check(run.actions.len() <= MAX_ACTIONS, "evidence.actions", format!("{} are too many", run.actions.len()))?;
    unique(run.actions.iter().map(|action| action.name.as_str()))?;
    let actions = run.actions.iter().enumerate().map(|(at, action)| (format!("evidence.actions[{at}]"), action));
    for (field, action) in actions.chain([("evidence.all".to_owned(), &run.all)]) {
        let ActionResult { due, skipped, unsent, ok, failed, .. } = action;
        let adds_up = *due == skipped + unsent + ok + failed;
        check(adds_up, format!("{field}.due"), "it is not skipped + unsent + ok + failed")?;
        in_range(action.share, 0.0, 1.000_001, &format!("{field}.share"))?;
    }
    let design = &run.design;
    in_range(design.threads, 0, MAX_FEW, "evidence.design.threads")?;
    in_range(design.replicas, 0, MAX_FEW, "evidence.design.replicas")?;
    in_range(design.shard.1, 1, MAX_PARTS, "evidence.design.shard[1]")?;
    in_range(design.shard.0, 1, design.shard.1, "evidence.design.shard[0]")?;
    let pools = [run.pool.as_ref().map(|pool| pool.connections), design.pool.map(|(connections, _)| connections)];
    pools.into_iter().flatten().try_for_each(|most| in_range(most, 0, MAX_FEW, "the connections of the pool"))?;
    load(&design.load)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::store::tests::fixture;

    #[test]
    fn numbers_that_this_program_does_not_write_are_named() {
        let found = |json: &str| {
            let document = serde_json::from_str(json).unwrap();
            numbers(&document).map_err(|unsound| unsound.to_string())
        };
        assert_eq!(found(r#"{"seed": 18446744073709551615, "operation": [4611686018427387904, 1]}"#), Ok(()));
        assert_eq!(found(r#"{"planned_cost": 1e100, "scans": -3, "x": 1.5}"#), Ok(()));
        let refused = [
            (
                r#"{"chunks": [{"due": 18446744073709551615}]}"#,
                "evidence.chunks[0].due: 18446744073709551615 is too large",
            ),
            (r#"{"a": {"b": 1e308}}"#, "evidence.a.b: 1e308 is too large"),
            (r#"{"duration_ms": -2.5}"#, "evidence.duration_ms: -2.5 is below zero"),
            (r#"{"elapsed_s": -1}"#, "evidence.elapsed_s: -1 is below zero"),
            (r#"{"shape": [[0.0, -9223372036854775808]]}"#, "evidence.shape[0][1]: -9223372036854775808 is too large"),
        ];
        for (json, expected) in refused {
            assert_eq!(found(json), Err(expected.to_owned()));
        }
    }

    #[test]
    fn lengths_and_indexes_that_do_not_fit_are_named() {
        let unsound = |change: &dyn Fn(&mut Evidence)| {
            let mut evidence = fixture("format-7/platform");
            assert_eq!(trial(&evidence, 7), Ok(()));
            change(&mut evidence);
            trial(&evidence, 7).unwrap_err().to_string()
        };
        type Break<'b> = &'b dyn Fn(&mut Evidence);
        let cases: [(Break<'_>, &str); 12] = [
            (
                &|e| e.counts.get_mut(&Side::After).unwrap()[2].sets[1].plans[0] = 99,
                "evidence.counts.after[2].sets[1].plans[0]: there is no plan 99",
            ),
            (&|e| e.counts.get_mut(&Side::Before).unwrap()[0].generic.push(7), "evidence.counts.before[0].generic["),
            (&|e| drop(e.counts.get_mut(&Side::Control).unwrap()[0].sets.pop()), "evidence.counts.control[0].sets: "),
            (&|e| drop(e.counts.remove(&Side::Before)), "evidence.counts.before: it is missing"),
            (
                &|e| drop(e.counts.get_mut(&Side::After).unwrap().pop()),
                "evidence.counts.after: 5 entries for 6 actions",
            ),
            (&|e| drop(e.chunks[3].sides.remove(&Side::Control)), "evidence.chunks[3].sides.control: it is missing"),
            (
                &|e| e.chunks[1].sides.get_mut(&Side::After).unwrap().actions[0].due += 1,
                "evidence.chunks[1].sides.after.actions[0].due: it is not",
            ),
            (&|e| e.design.replicates = u32::MAX, "evidence.design.replicates: 4294967295 is not from 1 to"),
            (&|e| e.design.slice_ms = 0, "evidence.design.slice_ms: 0 is not from 1 to"),
            (&|e| e.actions.clear(), "evidence.actions: there is none"),
            (&|e| e.actions[1].name = e.actions[0].name.clone(), "evidence.actions[1].name: another action has it too"),
            (&|e| e.actions[1].margin = 0.0, "evidence.actions[1].margin: 0 is not above zero"),
        ];
        for (change, expected) in cases {
            let found = unsound(change);
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
