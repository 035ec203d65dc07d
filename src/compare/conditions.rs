//! Whether the sides were measured under the same conditions: what was sent, what else ran, what came before. Must say what to do.

use super::checks::{Check, CheckName, Consequence};
use crate::evidence::{ChunkSide, Evidence, Interleave, LoadFacts, Side, SliceFacts};
use crate::stats::paired::effect;

/// Adds what was found wanting.
pub(super) fn run(evidence: &Evidence, checks: &mut Vec<Check>) {
    let found = [
        same_parameters(evidence),
        bookkeeping(evidence),
        background(evidence),
        carry_over(evidence),
        settings(evidence),
        priming(evidence),
    ];
    let found = found.into_iter().flatten();
    checks.extend(found.map(|(name, consequence, message)| Check { name, consequence, action: None, message }));
}

type Found = Option<(CheckName, Consequence, String)>;

/// In an open loop all sides are sent the same, so the sums over what was sent are equal wherever nothing was given up or failed
/// on the way.
fn same_parameters(evidence: &Evidence) -> Found {
    let LoadFacts::Open { .. } = evidence.design.load else { return None };
    let whole = |side: &ChunkSide| side.actions.iter().all(|counts| counts.skipped == 0 && counts.failed == 0);
    let unequal = evidence.chunks.iter().filter(|chunk| {
        let mut sides = chunk.sides.values();
        let Some(first) = sides.next() else { return false };
        let all_whole = chunk.sides.values().all(|side| whole(side) && !side.digest.is_empty());
        all_whole && sides.any(|side| side.digest != first.digest)
    });
    let unequal = unequal.count();
    (unequal != 0).then(|| {
        let message = format!(
            "the sides were not sent the same parameters in {unequal} of {} chunks; please report this",
            evidence.chunks.len()
        );
        (CheckName::SameWork, Consequence::Invalid, message)
    })
}

/// Histograms are exact to a thousandth, so the two sides of Little's law may be apart by no more than this.
const APART: f64 = 0.02;

fn bookkeeping(evidence: &Evidence) -> Found {
    let sides = evidence.chunks.iter().flat_map(|chunk| chunk.sides.values());
    let pairs = sides.filter_map(|side| Some((side.in_flight_mean?, side.in_flight_expected?)));
    let apart = |(counted, expected): &(f64, f64)| (counted - expected).abs() / counted.max(*expected).max(1e-6);
    let (counted, expected) = pairs.max_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    (APART < apart(&(counted, expected))).then(|| {
        let message = format!(
            "{counted:.3} operations were in flight on average, but answers and their service times make {expected:.3}: figures are \
             missing or the clock went wrong; please report this"
        );
        (CheckName::Bookkeeping, Consequence::Invalid, message)
    })
}

/// Share of a side's slices by which the sides may differ in what else ran.
const UNEVEN: f64 = 0.1;

/// Checkpoints of the server's own, autovacuum and other sessions, counted slice by slice.
fn background(evidence: &Evidence) -> Found {
    let slices = |side: Side| {
        evidence.chunks.iter().filter_map(move |chunk| chunk.sides.get(&side)).flat_map(|side| &side.slices)
    };
    let count = |side: Side, of: fn(&SliceFacts) -> bool| slices(side).filter(|slice| of(slice)).count();
    let total = slices(Side::Before).count();
    let mut said = Vec::new();
    let mut uneven = false;
    for (what, of) in [
        ("a checkpoint began", (|slice| 0 < slice.checkpoints) as fn(&SliceFacts) -> bool),
        ("autovacuum was at work", |slice| 0 < slice.autovacuum_workers),
        ("other sessions were at work", |slice| 0 < slice.others_active),
    ] {
        let counts = Side::ALL.map(|side| count(side, of));
        let (least, most) = (counts.into_iter().min().unwrap_or(0), counts.into_iter().max().unwrap_or(0));
        if 0 < most {
            let [before, control, after] = counts;
            said.push(format!(
                "{what} in {before} slices on before, {control} on control and {after} on after of {total} each"
            ));
            uneven |= UNEVEN * (total as f64) < (most - least) as f64;
        }
    }
    if said.is_empty() {
        return None;
    }
    let advice = if uneven {
        "the sides did not bear it alike: measure again on a server of its own, or for longer"
    } else {
        "all sides bore it alike; expect to need more chunks"
    };
    Some((CheckName::Background, Consequence::Warning, format!("{}; {advice}", said.join(", "))))
}

/// The beginning of a slice must show the same change as the rest of it: else a side is still warming up after the others'
/// turn. Judged between the sides without the migration, where nothing else can differ, by the mean over all actions.
fn carry_over(evidence: &Evidence) -> Found {
    if evidence.design.interleave == Interleave::Op {
        return None;
    }
    let early = |side: Side| -> Option<Vec<f64>> {
        let of_chunk = |chunk: &crate::evidence::ChunkFacts| {
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
        .max_by(|a, b| a.of_difference.0.total_cmp(&b.of_difference.0))?;
    let share = worst.estimate.exp() - 1.0;
    (evidence.design.margin / 2.0 < worst.of_difference.0.exp() - 1.0).then(|| {
        let message = format!(
            "the first tenth of a slice is {} slower than the slice as a whole: a side is still warming up after the others' turn; \
             try --interleave block, or a longer --slice",
            crate::units::percent_text(share)
        );
        (CheckName::CarryOver, Consequence::Warning, message)
    })
}

fn settings(evidence: &Evidence) -> Found {
    let after = evidence.server_after.as_ref()?;
    let before = &evidence.server;
    let names: std::collections::BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    let value = |settings: &std::collections::BTreeMap<String, String>, name: &String| {
        settings.get(name).map_or_else(|| "the default".to_owned(), Clone::clone)
    };
    let mut differ: Vec<String> = names
        .into_iter()
        .filter(|name| before.settings.get(*name) != after.settings.get(*name))
        .map(|name| format!("{name} {} → {}", value(&before.settings, name), value(&after.settings, name)))
        .collect();
    if before.version != after.version {
        differ.insert(0, format!("version {} → {}", before.version, after.version));
    }
    let message =
        format!("the sides' servers are set differently: {}; what that does is part of the change", differ.join(", "));
    (!differ.is_empty()).then_some((CheckName::Settings, Consequence::Warning, message))
}

fn priming(evidence: &Evidence) -> Found {
    (!evidence.design.primed && !evidence.chunks.is_empty()).then(|| {
        let rounds = evidence.design.priming_rounds;
        let message = format!(
            "answers were still becoming faster after {rounds} rounds of load that do not count: the first chunks may be those of a colder cache"
        );
        (CheckName::Priming, Consequence::Warning, message)
    })
}
