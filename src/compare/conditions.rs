//! Whether the sides were measured under the same conditions: what was sent, what else ran, what came before. Must
//! find facts, and leave words to reports.

use super::fact::{Fact, Sides};
use super::finding::{Finding, Remedy, Severity};
use super::{limits, sides};
use crate::evidence::{ChunkFacts, ChunkSide, Evidence, Interleave, LoadFacts, Side, SliceFacts, WorkPerCall};
use crate::stats::paired::effect;

/// Adds what was found wanting.
pub(super) fn run(evidence: &Evidence, found: &mut Vec<Finding>) {
    found.extend([carry_over(evidence), place(evidence)].into_iter().flatten());
    found.extend(sides::subject(evidence));
    found.extend(same_parameters(evidence));
    found.extend(bookkeeping(evidence));
    found.extend(background(evidence));
    found.extend(cache(evidence));
    found.extend(limits::clock(evidence));
    found.extend(limits::way(evidence));
    found.extend(limits::saturation(evidence));
    found.extend(sides::settings(evidence));
    found.extend(sides::tables(evidence));
    found.extend(sides::statistics(evidence));
    found.extend(sides::plan_kinds(evidence));
    found.extend(priming(evidence));
}

/// In an open loop all sides are sent the same, so the sums over what was sent are equal wherever nothing was given up
/// or failed on the way.
fn same_parameters(evidence: &Evidence) -> Option<Finding> {
    let LoadFacts::Open { .. } = evidence.design.load else { return None };
    if evidence.design.sequences_apart {
        return None;
    }
    let whole = |side: &ChunkSide| side.actions.iter().all(|counts| counts.skipped == 0 && counts.failed == 0);
    let unequal = evidence.chunks.iter().filter(|chunk| {
        let mut sides = chunk.sides.values();
        let Some(first) = sides.next() else { return false };
        let all_whole = chunk.sides.values().all(|side| whole(side) && !side.digest.is_empty());
        all_whole && sides.any(|side| side.digest != first.digest)
    });
    let chunks = unequal.count();
    let fact = Fact::UnequalParameters { chunks, chunks_measured: evidence.chunks.len() };
    (chunks > 0).then(|| Finding::new(Severity::Invalid, fact).remedy(Remedy::ReportBug))
}

/// Histograms are exact to a thousandth, so the two sides of Little's law may be apart by no more than this.
const APART: f64 = 0.02;

fn bookkeeping(evidence: &Evidence) -> Option<Finding> {
    let sides = evidence.chunks.iter().flat_map(|chunk| chunk.sides.values());
    let pairs = sides.filter_map(|side| Some((side.in_flight_mean?, side.in_flight_expected?)));
    let apart = |(counted, expected): &(f64, f64)| (counted - expected).abs() / counted.max(*expected).max(1e-6);
    let (counted, expected) = pairs.max_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    let fact = Fact::InFlightMismatch { counted, expected };
    (apart(&(counted, expected)) > APART).then(|| Finding::new(Severity::Invalid, fact).remedy(Remedy::ReportBug))
}

/// Share of a side's slices by which the sides may differ in what else ran.
const UNEVEN: f64 = 0.1;

/// Whether something else was at work in a slice.
fn disturbed(slice: &SliceFacts) -> bool {
    0 < slice.checkpoints || 0 < slice.autovacuum_workers
}

/// Chunks in which a checkpoint or autovacuum fell into the slices of some sides and not of all: what fell where was
/// nobody's choice, so the verdicts without them are reported beside.
#[must_use]
pub(super) fn uneven_chunks(evidence: &Evidence) -> Vec<usize> {
    let uneven = |chunk: &ChunkFacts| {
        let mut sides =
            chunk.sides.values().map(|side| side.slices.iter().filter(|slice| disturbed(slice)).count() != 0);
        let Some(first) = sides.next() else { return false };
        sides.any(|other| other != first)
    };
    evidence.chunks.iter().enumerate().filter(|(_, chunk)| uneven(chunk)).map(|(number, _)| number).collect()
}

/// Checkpoints of the server's own, autovacuum and other sessions, as far as they were at work at the end of a slice.
fn background(evidence: &Evidence) -> Option<Finding> {
    let slices = |side: Side| {
        evidence.chunks.iter().filter_map(move |chunk| chunk.sides.get(&side)).flat_map(|side| &side.slices)
    };
    let count = |side: Side, of: fn(&SliceFacts) -> bool| slices(side).filter(|slice| of(slice)).count();
    let total = slices(Side::Before).count();
    let of_sides = |of: fn(&SliceFacts) -> bool| Side::ALL.map(|side| count(side, of));
    let kinds = [
        of_sides(|slice| slice.checkpoints > 0),
        of_sides(|slice| slice.autovacuum_workers > 0),
        of_sides(|slice| slice.others_active > 0),
    ];
    let spread =
        |counts: &[usize; 3]| counts.iter().max().zip(counts.iter().min()).map_or(0, |(most, least)| most - least);
    let is_uneven = kinds.iter().any(|counts| spread(counts) as f64 > UNEVEN * total as f64);
    let unseen = of_sides(|slice| slice.others_unseen > 0).into_iter().max().unwrap_or(0);
    let was_busy = kinds.as_flattened().iter().any(|count| *count > 0);
    if !was_busy && unseen == 0 {
        return None;
    }
    let [checkpoints, autovacuum, sessions] = kinds.map(Sides::from);
    let fact = Fact::BackgroundActivity { checkpoints, autovacuum, sessions, unseen, slices: total, is_uneven };
    let remedy = match (was_busy, is_uneven) {
        (false, _) => Remedy::RunSql { sql: "GRANT pg_read_all_stats TO the role".to_owned() },
        (true, true) => Remedy::OwnServer,
        (true, false) => Remedy::MoreChunks,
    };
    Some(Finding::new(Severity::Warning, fact).remedy(remedy))
}

/// The first tenth of a slice must not be slower than the slice: else a side is still warming up after the others'
/// turn. Of the worst side, by the mean over all actions.
fn carry_over(evidence: &Evidence) -> Option<Finding> {
    if evidence.design.interleave == Interleave::Op {
        return None;
    }
    let early = |side: Side| -> Option<Vec<f64>> {
        let of_chunk = |chunk: &ChunkFacts| {
            let slices = &chunk.sides.get(&side)?.slices;
            let ratios: Vec<f64> = slices
                .iter()
                .filter_map(|slice| Some((slice.early_us_mean? / slice.service_us_mean).ln()))
                .filter(|ratio| ratio.is_finite())
                .collect();
            (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
        };
        evidence.chunks.iter().map(of_chunk).collect()
    };
    // Beyond chance at one in a hundred, so that a proof is hardly ever warned without reason.
    let worst = Side::ALL
        .into_iter()
        .filter_map(|side| effect(&early(side)?, 0.01))
        .filter(|found| evidence.design.margin / 2.0 < found.of_difference.0.exp_m1())
        .max_by(|a, b| a.estimate.total_cmp(&b.estimate));
    worst.map(|worst| {
        let share = worst.estimate.exp_m1();
        bounded(evidence, Fact::SliceWarmUp { share }, share)
    })
}

/// A finding of which nothing is called the same, and no change up to a share.
fn bounded(evidence: &Evidence, fact: Fact, share: f64) -> Finding {
    let in_blocks = evidence.design.interleave == Interleave::Block;
    let finding = Finding::new(Severity::OnlyBeyond, fact).remedy(Remedy::LongerTurns { in_blocks });
    Finding { bound: Some(share), ..finding }
}

/// A side's advantage of coming first in a round must be small: of `after` over `before` where it came first, against
/// where it came last.
fn place(evidence: &Evidence) -> Option<Finding> {
    if evidence.design.interleave == Interleave::Op {
        return None;
    }
    let advantage = |chunks: &[ChunkFacts]| -> Option<f64> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let (before, after) = (chunk.sides.get(&Side::Before)?, chunk.sides.get(&Side::After)?);
            for (before, after) in before.slices.iter().zip(&after.slices) {
                let ratio = (after.service_us_mean / before.service_us_mean).ln();
                if ratio.is_finite() {
                    if after.place < before.place { &mut first } else { &mut last }.push(ratio);
                }
            }
        }
        let mean = |ratios: &[f64]| (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64);
        Some(mean(&first)? - mean(&last)?)
    };
    // Where a chunk has one round, as in place, its neighbour has the other order.
    let both_orders = if evidence.design.rounds_per_chunk == 1 { 2 } else { 1 };
    let differences: Option<Vec<f64>> = evidence.chunks.chunks_exact(both_orders).map(advantage).collect();
    let found = effect(&differences?, 0.01)?;
    let (low, high) = found.of_difference;
    let nearest = if low <= 0.0 && 0.0 <= high { 0.0 } else { low.abs().min(high.abs()) };
    (nearest.exp_m1() > evidence.design.margin / 2.0)
        .then(|| bounded(evidence, Fact::SliceOrder { change: found.estimate.exp_m1() }, found.estimate.abs().exp_m1()))
}

/// Shares of blocks found in shared buffers that differ by more than this between equal sides.
const SAME_HITS: f64 = 0.01;

/// The sides without the migration must find as much in the cache as each other.
fn cache(evidence: &Evidence) -> Option<Finding> {
    let [before, control, after] = Side::ALL.map(|side| hit_share(evidence, side));
    let (before, control) = before.zip(control)?;
    let in_blocks = evidence.design.interleave == Interleave::Block;
    let fact = Fact::CacheUnequal { before, control, after };
    ((before - control).abs() > SAME_HITS)
        .then(|| Finding::new(Severity::Warning, fact).remedy(Remedy::MoreSharedBuffers { in_blocks }))
}

/// Share of the blocks that a side's statements touched which were in shared buffers; nothing without
/// `pg_stat_statements`.
#[must_use]
pub(super) fn hit_share(evidence: &Evidence, side: Side) -> Option<f64> {
    let work = evidence.counters.get(&side).filter(|counters| !counters.reset)?.work.as_ref()?;
    let sum = |of: fn(&WorkPerCall) -> f64| work.iter().flatten().map(|work| of(work) * work.calls as f64).sum::<f64>();
    let touched = sum(|work| work.blocks);
    (0.0 < touched).then(|| 1.0 - sum(|work| work.blocks_read) / touched)
}

fn priming(evidence: &Evidence) -> Option<Finding> {
    let fact = Fact::NotPrimed { rounds: evidence.design.priming_rounds };
    (!evidence.design.primed && !evidence.chunks.is_empty()).then(|| Finding::new(Severity::Warning, fact))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Eight chunks of two slices a side; `change` may spoil a side of a chunk.
    pub(in crate::compare) fn evidence(change: impl FnMut(usize, &str, &mut Value)) -> Evidence {
        evidence_of(8, change)
    }

    fn evidence_of(chunks: usize, mut change: impl FnMut(usize, &str, &mut Value)) -> Evidence {
        let chunk = |number: usize, change: &mut dyn FnMut(usize, &str, &mut Value)| {
            let mut sides = serde_json::Map::new();
            for side in ["before", "control", "after"] {
                let slice = json!({ "place": 0, "answers": 50, "service_us_mean": 100.0,
                                    "early_us_mean": 100.5 + number as f64 / 10.0, "checkpoints": 0,
                                    "autovacuum_workers": 0, "others_active": 0 });
                let mut facts = json!({
                    "actions": [{ "due": 100, "skipped": 0, "ok": 100, "failed": 0, "rows": 100 }], "failures": {},
                    "timer_lag": { "us_p50": 1.0, "us_p95": 1.0, "us_p99": 1.0 },
                    "driver_cpu_share_max": 0.1, "elapsed_s": 1.0,
                    "digest": format!("{number:016x}"), "in_flight_mean": 0.5, "in_flight_expected": 0.502,
                    "slices": [slice, slice],
                });
                change(number, side, &mut facts);
                sides.insert(side.to_owned(), facts);
            }
            json!({ "sides": sides })
        };
        let chunks: Vec<Value> = (0..chunks).map(|number| chunk(number, &mut change)).collect();
        serde_json::from_value(json!({
            "started_at": "", "complete": true, "counters": {}, "plans": {}, "chunks": chunks,
            "migration": { "label": "", "statements": [], "duration_ms": 0.0,
                           "size_bytes_before": 0, "size_bytes_after": 0 },
            "dataset": { "spec": "", "digest": "", "scale": 1.0, "seed": 1, "at": "", "reused": false },
            "server": { "version": "15.18", "embedded": true, "settings": { "work_mem": "4MB" } },
            "design": { "seed": 1, "chunks_planned": 8, "rounds_per_chunk": 2, "slice_ms": 500, "margin": 0.05,
                        "load": { "open": { "rate_per_s": 100.0, "connections": 4 } }, "driver_threads": 1 },
            "actions": [{ "name": "a", "share": 1.0, "margin": 0.05, "sql": ["SELECT 1"] }],
        }))
        .expect("evidence as it is written")
    }

    fn found(evidence: &Evidence) -> Vec<Finding> {
        let mut found = Vec::new();
        run(evidence, &mut found);
        found
    }

    fn only(evidence: &Evidence, severity: Severity) -> Finding {
        let found = found(evidence);
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.severity, severity, "{finding:?}");
        finding.clone()
    }

    #[test]
    fn equal_conditions_are_nothing_to_speak_of() {
        assert_eq!(found(&evidence(|_, _, _| {})), []);
    }

    #[test]
    fn other_parameters_and_lost_answers_are_bugs() {
        let other = evidence(|chunk, side, facts| {
            if chunk == 3 && side == "after" {
                facts["digest"] = json!("00000000000000ff");
            }
        });
        let fact = Fact::UnequalParameters { chunks: 1, chunks_measured: 8 };
        assert_eq!(only(&other, Severity::Invalid).fact, fact);
        // What was given up was not sent, so sums differ by right.
        let skipped = evidence(|chunk, side, facts| {
            if chunk == 3 && side == "after" {
                facts["digest"] = json!("00000000000000ff");
                facts["actions"][0] = json!({ "due": 100, "skipped": 1, "ok": 99, "failed": 0, "rows": 99 });
            }
        });
        assert_eq!(found(&skipped), []);
        let lost = evidence(|chunk, _, facts| {
            if chunk == 5 {
                facts["in_flight_expected"] = json!(0.45);
            }
        });
        assert_eq!(only(&lost, Severity::Invalid).id(), "in-flight-mismatch");
    }

    #[test]
    fn what_one_side_alone_had_to_bear_is_said() {
        let disturbed = |sides: &'static [&'static str]| {
            evidence(move |_, side, facts| {
                if sides.contains(&side) {
                    facts["slices"][0]["others_active"] = json!(1);
                }
            })
        };
        let background = |evidence: &Evidence| match only(evidence, Severity::Warning) {
            Finding { fact: Fact::BackgroundActivity { sessions, unseen, slices, is_uneven, .. }, remedy, .. } => {
                (([sessions.before, sessions.control, sessions.after], unseen, slices, is_uneven), remedy.unwrap())
            }
            other => panic!("{other:?}"),
        };
        let one = background(&disturbed(&["after"]));
        assert_eq!(one, (([0, 0, 8], 0, 16, true), Remedy::OwnServer));
        let all = background(&disturbed(&["before", "control", "after"]));
        assert_eq!(all, (([8, 8, 8], 0, 16, false), Remedy::MoreChunks));
        let unseen = background(&evidence(|_, _, facts| facts["slices"][0]["others_unseen"] = json!(2)));
        assert_eq!(unseen.0, ([0, 0, 0], 8, 16, false));
        assert!(matches!(unseen.1, Remedy::RunSql { sql } if sql.starts_with("GRANT pg_read_all_stats")));
    }

    #[test]
    fn a_side_that_warms_up_in_every_slice_is_told() {
        let cold = evidence(|chunk, side, facts| {
            for slice in 0..2 {
                if side == "after" {
                    facts["slices"][slice]["early_us_mean"] = json!(120.0 + chunk as f64);
                }
            }
        });
        let found = only(&cold, Severity::OnlyBeyond);
        assert_eq!((found.id(), found.remedy), ("slice-warm-up", Some(Remedy::LongerTurns { in_blocks: false })));
        assert!(found.bound.is_some_and(|bound| (0.15..0.25).contains(&bound)), "{:?}", found.bound);
    }

    #[test]
    fn a_side_that_gains_by_coming_first_is_told() {
        let gains = evidence(|chunk, side, facts| {
            for slice in 0..2_usize {
                let first = slice == 0;
                facts["slices"][slice]["place"] = json!(u8::from(first != (side == "after")));
                if first && side == "after" {
                    facts["slices"][slice]["service_us_mean"] = json!(90.0 + chunk as f64 / 10.0);
                    facts["slices"][slice]["early_us_mean"] = json!(90.0);
                }
            }
        });
        let found = only(&gains, Severity::OnlyBeyond);
        assert_eq!((found.id(), found.remedy), ("slice-order", Some(Remedy::LongerTurns { in_blocks: false })));
    }

    #[test]
    fn in_place_neighbouring_chunks_have_both_orders() {
        let mut gains = evidence_of(16, |chunk, side, facts| {
            let first = chunk % 2 == 0;
            let slice = &mut facts["slices"][0];
            let order = if first { ["before", "after", "control"] } else { ["control", "after", "before"] };
            slice["place"] = json!(order.iter().position(|of| *of == side));
            if first && side == "after" {
                (slice["service_us_mean"], slice["early_us_mean"]) = (json!(120.0 + chunk as f64 / 10.0), json!(120.0));
            }
            facts["slices"].as_array_mut().unwrap().truncate(1);
        });
        (gains.design.rounds_per_chunk, gains.design.interleave) = (1, Interleave::Block);
        let found = only(&gains, Severity::OnlyBeyond);
        assert_eq!((found.id(), found.remedy), ("slice-order", Some(Remedy::LongerTurns { in_blocks: true })));
    }

    #[test]
    fn chunks_in_which_one_side_alone_had_a_checkpoint_are_known() {
        let one = evidence(|chunk, side, facts| {
            if chunk == 3 && side == "after" || chunk == 5 {
                facts["slices"][1]["checkpoints"] = json!(1);
            }
        });
        assert_eq!(uneven_chunks(&one), [3]);
    }

    #[test]
    fn a_cold_cache_is_told() {
        let mut cold = evidence(|_, _, _| {});
        cold.design.primed = false;
        assert_eq!(only(&cold, Severity::Warning).id(), "not-primed");
    }
}
