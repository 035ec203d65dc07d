//! `weighbridge verify`: whether a saved result still says what its evidence says. Must need no server, and change
//! nothing.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::exit::{ExitStatus, Failure};
use super::output::say;
use crate::compare::{RULES, compare};
use crate::evidence::store::{self, SavedTrial};
use crate::report::dropped_text;
use crate::units::plural;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  weighbridge verify results/2026-11-23T09-15-04Z-0002_payment_history\n\n\
                        Exit codes: 0 the saved verdicts follow from the evidence, 1 they do not.")]
pub(super) struct Arguments {
    /// A proof's folder, or the trial.json in it
    result: PathBuf,
}

/// Numbers written and read again differ by no more than this share.
const SAME_NUMBER: f64 = 1e-9;

/// Differences that are listed.
const MOST: usize = 20;

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let SavedTrial { mut evidence, comparison: mut saved, .. } =
        store::read_trial(&arguments.result).map_err(Failure::usage)?;
    let dropped = evidence.dropped.take();
    if let Some(dropped) = dropped.as_ref().filter(|dropped| dropped.kept < dropped.in_facts) {
        // The saved verdicts rest on what is not there any more.
        say(&format!("not verified · {}\n", dropped_text(dropped)))?;
        say("`report` shows what the chunks before say\n")?;
        return Ok(ExitStatus::Regressed);
    }
    let mut recomputed = serde_json::to_value(compare(&evidence)).map_err(Failure::environment)?;
    let is_older = saved["rules"] != RULES;
    if is_older {
        (saved, recomputed) = (estimates(&saved), estimates(&recomputed));
    }
    let mut differences = Vec::new();
    differ("comparison", &saved, &recomputed, &mut differences);
    if differences.is_empty() {
        let verdict = recomputed["verdict"].as_str().unwrap_or_default().to_owned();
        let chunks = plural(evidence.chunks.len(), "chunk");
        match is_older {
            true => say(&format!(
                "verified: every estimate follows from {chunks} of histograms; the rules for verdicts have changed \
                 since, and `report` gives today's\n"
            ))?,
            false => {
                say(&format!(
                    "verified · {verdict}: every figure follows from the counts and {chunks} of histograms\n"
                ))?;
            }
        }
        // Those that trial.json does not know yet.
        dropped.iter().try_for_each(|dropped| say(&format!("{}\n", dropped_text(dropped))))?;
        return Ok(ExitStatus::Ok);
    }
    say(&format!("not verified · {} not as the evidence says:\n", plural(differences.len(), "value")))?;
    for line in differences.iter().take(MOST) {
        say(&format!("  {line}\n"))?;
    }
    if MOST < differences.len() {
        say(&format!("  and {} more\n", differences.len() - MOST))?;
    }
    say("another version of the program may read evidence differently; `report` shows what this one says\n")?;
    Ok(ExitStatus::Regressed)
}

/// What every format has: how p50 and p95 changed.
fn estimates(comparison: &Value) -> Value {
    let of_action = |action: &Value| {
        let change = |metric: &str| action[metric]["change"].clone();
        json!({ "name": action["name"], "p50": change("p50"), "p95": change("p95") })
    };
    let actions: Vec<Value> = comparison["actions"].as_array().into_iter().flatten().map(of_action).collect();
    json!({ "actions": actions })
}

/// Adds every place where two documents differ.
fn differ(place: &str, saved: &Value, found: &Value, differences: &mut Vec<String>) {
    match (saved, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differ(&format!("{place}.{key}"), &of(a), &of(b), differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{place}[{index}]"), a, b, differences);
            }
        }
        (Value::Number(a), Value::Number(b)) if close(a.as_f64(), b.as_f64()) => {}
        (a, b) if a == b => {}
        (a, b) => differences.push(format!("{place}: saved {a}, recomputed {b}")),
    }
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    (a - b).abs() <= SAME_NUMBER * a.abs().max(b.abs())
}
