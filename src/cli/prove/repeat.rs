//! The flags of a proof as a script beside its files, so that a result says how it is made again. Must hold no URL: a password may be in it.

use std::path::PathBuf;

use super::Arguments;
use crate::evidence::Interleave;
use crate::migrate::Migration;
use crate::trial::{Settings, Subject};

/// The script's name among the inputs of a result.
pub(super) const SCRIPT: &str = "repeat.sh";

const HEAD: &str = "\
#!/bin/sh
# Holds this proof again, from the files beside this script, and keeps the result beside the first: sh repeat.sh
# What you add is added to its flags or replaces them, such as --url or --seed. It needs weighbridge in the PATH.
cd \"$(dirname \"$0\")\" || exit 2
exec weighbridge ";

/// The script; `files` are the inputs as they are kept.
pub(super) fn script(arguments: &Arguments, settings: &Settings, files: &[(PathBuf, String)]) -> String {
    let words = flags(arguments, settings, files);
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{HEAD}{} \"$@\"\n", quoted.join(" "))
}

/// Every flag that a result depends on, those of the project file and of an earlier part of the experiment included.
fn flags(arguments: &Arguments, settings: &Settings, files: &[(PathBuf, String)]) -> Vec<String> {
    let mut words = vec!["prove".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    let mut switches = Vec::new();
    for (path, _) in files {
        let value = path.display().to_string();
        if path.starts_with("spec") {
            flag("--spec", value);
        } else if path.starts_with("scenarios") {
            flag("--scenario", value);
        }
    }
    match &settings.subject {
        Subject::Clones(dataset) => {
            let migrations = &dataset.directory.migrations;
            flag("--at", migrations[dataset.at].label.clone());
            flag("--migrations", "migrations".to_owned());
            if 1 < dataset.replicates {
                flag("--replicates", dataset.replicates.to_string());
            }
            switches.push(weighed(&migrations[dataset.weighed.clone()]));
        }
        Subject::InPlace(place) => {
            flag("--migrations", "migrations".to_owned());
            switches.extend([weighed(&place.migrations), "--in-place".to_owned()]);
        }
        Subject::Given(_) => {}
    }
    flag("--results", "../..".to_owned());
    flag("--scale", settings.scale.to_string());
    flag("--seed", settings.seed.0.to_string());
    flag("--margin", share(settings.margin));
    flag("--sets", settings.sets.to_string());
    if settings.chunks == 0 {
        switches.push("--counts-only".to_owned());
    } else {
        flag("--chunks", settings.chunks.to_string());
        flag("--threads", settings.threads.to_string());
        settings.precision.into_iter().for_each(|precision| flag("--precision", share(precision)));
        settings.rounds.into_iter().for_each(|rounds| flag("--rounds", rounds.to_string()));
        settings.slice.into_iter().for_each(|slice| flag("--slice", format!("{}ms", slice.as_millis())));
        settings.interleave.into_iter().for_each(|turns| flag("--interleave", turns_text(turns).to_owned()));
    }
    for (name, is_set) in [
        ("--no-focus", !settings.focus),
        ("--ablate", settings.ablate),
        ("--forward-only", arguments.forward_only),
        ("--allow-writes", arguments.allow_writes),
    ] {
        switches.extend(is_set.then(|| name.to_owned()));
    }
    words.extend(switches);
    words
}

/// One migration, or the first and last of several.
fn weighed(migrations: &[Migration]) -> String {
    match migrations {
        [one] => one.label.clone(),
        [first, .., last] => format!("{}..{}", first.label, last.label),
        [] => String::new(),
    }
}

fn share(share: f64) -> String {
    // Not 5.000000000000001 %.
    format!("{}%", (share * 1e8).round() / 1e6)
}

fn turns_text(turns: Interleave) -> &'static str {
    match turns {
        Interleave::Slice => "slice",
        Interleave::Op => "op",
        Interleave::Block => "block",
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
