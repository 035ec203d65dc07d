//! Results that were cut off, changed or mixed up: reading, comparing and printing them never panics and prints nothing
//! raw. Must need no server.
//!
//! A few hundred damages for each run of the suite; `WEIGHBRIDGE_DAMAGES=10000 cargo test damage` for a night.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;
use weighbridge::compare::compare;
use weighbridge::evidence::{run::RunEvidence, store};
use weighbridge::report::page::Page;
use weighbridge::report::{Trial, detail, full, json, markdown, run, terminal};
use weighbridge::run::merge::{Part, merge};
use weighbridge::units::is_printable;

/// Draws without a state that another crate may change (SplitMix64).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A result: its files with what they hold.
type Files = Vec<(&'static str, Vec<u8>)>;

fn files(folder: &str, names: &[&'static str]) -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/results").join(folder);
    names.iter().map(|name| (*name, std::fs::read(folder.join(name)).unwrap())).collect()
}

/// The same with one action and two chunks or intervals: most of a reader does not care how many there are, and
/// histograms take their time.
fn short(mut files: Files) -> Files {
    let document = &files[0].1;
    let document: Value = serde_json::from_slice(document).unwrap();
    let all = document["evidence"]["actions"].as_array().unwrap();
    let others: Vec<String> = all[1..].iter().map(|action| action["name"].as_str().unwrap().to_owned()).collect();
    let of_another = |line: &str| {
        others.iter().any(|name| line.contains(&format!(":{name}:")) || line.contains(&format!("Tag={name}")))
    };
    for (name, bytes) in &mut files {
        if name.ends_with(".json") {
            let mut document = document.clone();
            shorten(&mut document["evidence"]);
            *bytes = serde_json::to_vec(&document).unwrap();
        } else if name.ends_with(".hlog") {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let late = |line: &str| line.split(',').nth(1).is_some_and(|at| at.parse::<f64>().is_ok_and(|at| at > 1.5));
            *bytes =
                text.split_inclusive('\n').filter(|line| !of_another(line) && !late(line)).collect::<String>().into();
        }
    }
    files
}

/// Leaves one entry where there is one for each action, and two chunks or intervals.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                match (key.as_str(), field) {
                    ("chunks" | "intervals", Value::Array(entries)) => {
                        entries.truncate(2);
                        entries.iter_mut().for_each(shorten);
                    }
                    ("sets" | "clones" | "statements", _) => {}
                    ("before" | "control" | "after" | "actions" | "work" | "plan_counts", Value::Array(entries)) => {
                        entries.truncate(1);
                    }
                    (_, field) => shorten(field),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// Damages one file.
fn damage(files: &mut Files, others: &[Files], draws: &mut Draws) -> String {
    let at = draws.below(files.len());
    let (name, bytes) = &mut files[at];
    let kind = draws.below(if name.ends_with(".json") { 10 } else { 6 });
    let place = draws.below(bytes.len());
    match kind {
        0 => bytes.truncate(place),
        1 => {
            let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let place = *draws.of(&digits);
                bytes[place] = b'0' + draws.below(10) as u8;
            }
        }
        2 => bytes[place] = draws.next() as u8,
        3 => {
            let other = draws.of(others).iter().find(|(other, _)| other == name);
            *bytes = other.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        }
        4 | 5 if !name.ends_with(".json") => lines(bytes, draws),
        _ => {
            let mut document: Value = serde_json::from_slice(bytes).unwrap();
            let field = change(&mut document["evidence"], draws);
            *bytes = serde_json::to_vec(&document).unwrap();
            return format!("{name}: {field}");
        }
    }
    format!("{name}: kind {kind} at {place}")
}

/// Removes, repeats or moves a line.
fn lines(bytes: &mut Vec<u8>, draws: &mut Draws) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (from, to) = (draws.below(lines.len()), draws.below(lines.len()));
    match draws.below(3) {
        0 => drop(lines.remove(from)),
        1 => lines.insert(to, lines[from].clone()),
        _ => lines.swap(from, to),
    }
    *bytes = lines.concat();
}

/// Numbers at the ends of what their types can hold, and in between.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "99",
    "4294967295",
    "4294967296",
    "999999999999999",
    "1000000000000001",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "-1e308",
    "1e-308",
    "-0.0",
    "1e15",
];

/// Changes one place of a document; says which.
fn change(value: &mut Value, draws: &mut Draws) -> String {
    let deeper = match value {
        Value::Array(entries) if !entries.is_empty() && draws.below(12) != 0 => {
            let at = draws.below(entries.len());
            Some((at.to_string(), &mut entries[at]))
        }
        Value::Object(fields) if !fields.is_empty() && draws.below(40) != 0 => {
            let key = fields.keys().nth(draws.below(fields.len())).cloned().unwrap();
            Some((key.clone(), &mut fields[&key]))
        }
        _ => None,
    };
    if let Some((key, value)) = deeper {
        return format!("{key}.{}", change(value, draws));
    }
    match value {
        Value::Array(entries) => match draws.below(3) {
            0 => entries.clear(),
            1 => drop(entries.pop()),
            _ => entries.extend(entries.last().cloned()),
        },
        Value::Object(fields) => {
            let key = fields.keys().nth(draws.below(fields.len())).cloned();
            key.map(|key| fields.remove(&key));
        }
        Value::String(text) => {
            *text = (*draws.of(&["", "\u{1b}[2J\nverified", "\u{202e}", "a|b", "\u{9b}31m\r", "𝔘"])).to_owned();
        }
        _ => *value = serde_json::from_str(NUMBERS[draws.below(NUMBERS.len())]).unwrap_or_default(),
    }
    format!("= {}", value.to_string().chars().take(60).collect::<String>())
}

fn clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("reports are UTF-8");
    let raw = text.chars().find(|c| !is_printable(*c) && *c != '\n');
    assert_eq!(raw, None, "{what} prints it raw");
}

/// Everything that is done with a saved trial without a server.
fn use_trial(folder: &Path) {
    let Ok(saved) = store::read_trial(folder) else { return };
    let comparison = compare(&saved.evidence);
    let trial = Trial { evidence: &saved.evidence, comparison: &comparison };
    for (what, write) in [
        (
            "text",
            (|trial, out| terminal::write(trial, &Page::default(), Some("results/one"), out))
                as fn(Trial<'_>, &mut Vec<u8>) -> std::io::Result<()>,
        ),
        ("detail", detail::write),
        ("full", full::write),
        ("markdown", markdown::write),
        ("json", json::write),
    ] {
        let mut bytes = Vec::new();
        write(trial, &mut bytes).unwrap();
        clean(what, &bytes);
    }
}

/// Everything that is done with a saved run.
fn use_run(folder: &Path) {
    let Ok(saved) = store::read_run(folder) else { return };
    for (what, write) in [
        (
            "text",
            (|run, out| run::terminal(run, &Page::default(), Some("results/one"), out))
                as fn(&RunEvidence, &mut Vec<u8>) -> std::io::Result<()>,
        ),
        ("detail", |run, out| run::detail(run, &Page::default(), out)),
        ("full", run::full),
        ("markdown", run::markdown),
        ("json", run::json),
    ] {
        let mut bytes = Vec::new();
        write(&saved, &mut bytes).unwrap();
        clean(what, &bytes);
    }
    if let Ok(log) = store::read_intervals(folder) {
        drop(merge(&[Part { run: saved, log }]));
    }
}

fn write(files: &Files, folder: &Path) {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// So many damages of these results.
fn damaged(results: &[Files], cases: u64, used: fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    for case in 0..cases {
        let mut draws = Draws(case);
        let mut files = draws.of(results).clone();
        let mut told = Vec::new();
        for _ in 0..=draws.below(2) {
            told.push(damage(&mut files, results, &mut draws));
            if files.iter().any(|(name, bytes)| {
                bytes.is_empty() || name.ends_with(".json") && serde_json::from_slice::<Value>(bytes).is_err()
            }) {
                break;
            }
        }
        write(&files, folder.path());
        let outcome = catch_unwind(AssertUnwindSafe(|| used(folder.path())));
        assert!(outcome.is_ok(), "case {case} panics: {}", told.join("; "));
    }
}

fn cases() -> u64 {
    std::env::var("WEIGHBRIDGE_DAMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(120)
}

#[test]
fn no_damaged_trial_makes_a_reader_panic() {
    const NAMES: [&str; 2] = ["trial.json", "chunks.hlog"];
    let whole = ["format-3", "format-7/regressed", "format-7/counts", "format-7/platform"].map(|of| files(of, &NAMES));
    let short = whole.clone().map(short);
    for files in &short {
        let folder = tempfile::tempdir().unwrap();
        write(files, folder.path());
        store::read(folder.path()).unwrap();
    }
    damaged(&short, cases(), use_trial);
    damaged(&whole, cases() / 60, use_trial);
}

#[test]
fn no_damaged_run_makes_a_reader_panic() {
    let whole = files("run-2", &["run.json", "intervals.hlog", "intervals.jsonl"]);
    damaged(&[short(whole.clone())], cases(), use_run);
    damaged(&[whole], cases() / 60, use_run);
}
