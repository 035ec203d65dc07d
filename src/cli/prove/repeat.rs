//! The flags of a proof as a script beside its files, so that a result says how it is made again. Must hold no URL: a
//! password may be in it.

use std::path::PathBuf;

use super::{Arguments, kept};
use crate::cli::{Embedded, Pages};
use crate::evidence::Interleave;
use crate::experiment::Settings;
use crate::migrate::{Directory, Migration, Part, Sending};
use crate::trial::{Dataset, Subject};

/// The script's name among the inputs of a result.
pub(super) const SCRIPT: &str = "repeat.sh";

const HEAD: &str = "\
#!/bin/sh
# Holds this proof again, from the files beside this script, and keeps the result beside the first: sh repeat.sh
# What you add stands behind its flags, and replaces the same ones, such as --seed 7; paths are counted from here. It \
needs weighbridge in the PATH.
";

const COMMAND: &str = "\
cd \"$(dirname \"$0\")\" || exit 2
exec weighbridge ";

/// What the program was given: flags, and the scenarios as they are kept among the inputs.
#[derive(Clone, Copy)]
pub(super) struct Told<'t> {
    pub(super) arguments: &'t Arguments,
    pub(super) embedded: &'t Embedded,
    pub(super) scenarios: &'t [PathBuf],
}

/// The script.
pub(super) fn script(told: &Told<'_>, settings: &Settings) -> String {
    let words = flags(told, settings);
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{HEAD}{}{COMMAND}{} \"$@\"\n", to_add(&settings.trial.subject), quoted.join(" "))
}

/// What must be added by hand, because it is not kept.
fn to_add(subject: &Subject) -> &'static str {
    match subject {
        Subject::Clones(dataset) if dataset.embedded => "",
        Subject::Clones(_) => "# It was held on a server that was given: add --url, or the embedded one is taken.\n",
        Subject::InPlace(_) => "# It was held on a database that was given: add --url.\n",
        Subject::Given(given) if given.control.is_some() => {
            "# It was held on databases that were given: add --before twice and --after.\n"
        }
        Subject::Given(_) => "# It was held on databases that were given: add --before and --after.\n",
    }
}

/// Every flag that a result depends on, those of the project file and of an earlier part of the experiment included.
fn flags(told: &Told<'_>, settings: &Settings) -> Vec<String> {
    let (arguments, trial) = (told.arguments, &settings.trial);
    let mut words = vec!["prove".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    let mut switches = Vec::new();
    if let Some(name) = trial.spec.as_ref().and_then(|spec| spec.path.file_name()) {
        flag("--spec", format!("spec/{}", name.to_string_lossy()));
    }
    told.scenarios.iter().for_each(|path| flag("--scenario", path.display().to_string()));
    if let (Subject::Clones(Dataset { embedded: true, .. }), Some(bin)) = (&trial.subject, &told.embedded.postgres_bin)
    {
        // The script runs elsewhere.
        let bin = std::path::absolute(bin).unwrap_or_else(|_| bin.clone());
        flag("--postgres-bin", bin.display().to_string());
    }
    if matches!(&trial.subject, Subject::Clones(dataset) if dataset.embedded) {
        match told.embedded.huge_pages {
            Pages::Auto => {}
            Pages::On => flag("--huge-pages", "on".to_owned()),
            Pages::Off => flag("--huge-pages", "off".to_owned()),
        }
    }
    match &trial.subject {
        Subject::Clones(dataset) => {
            let migrations = &dataset.directory.migrations;
            let weighed = &migrations[dataset.weighed.clone()];
            given(&dataset.directory, weighed).into_iter().for_each(|(name, value)| flag(name, value));
            flag("--at", migrations[dataset.at].label.clone());
            if trial.spec.is_none() {
                flag("--rows", dataset.rows.to_string());
            }
            if 1 < dataset.replicates {
                flag("--replicates", dataset.replicates.to_string());
            }
            switches.push(label(weighed));
        }
        Subject::InPlace(place) => {
            flag("--migrations", "migrations".to_owned());
            place.migrations.iter().take(1).for_each(|one| flag("--layout", one.up.layout.name().to_owned()));
            switches.extend([label(&place.migrations), "--in-place".to_owned()]);
        }
        Subject::Given(_) => {}
    }
    trial.role.iter().for_each(|role| flag("--role", role.clone()));
    let gates = trial.policy.gates.iter().map(|gate| &gate.text).chain(&trial.policy.fail);
    gates.for_each(|gate| flag("--gate", gate.clone()));
    flag("--results", "../..".to_owned());
    flag("--scale", trial.scale.to_string());
    flag("--seed", trial.seed.0.to_string());
    flag("--margin", share(trial.margin));
    flag("--sets", trial.sets.to_string());
    if settings.length.chunks == 0 {
        switches.push(if settings.isolated { "--quick" } else { "--counts-only" }.to_owned());
    } else {
        flag("--chunks", settings.length.chunks.to_string());
        flag("--threads", trial.threads.to_string());
        settings.precision.into_iter().for_each(|precision| flag("--precision", share(precision)));
        // In place there is one way to take turns.
        if !matches!(trial.subject, Subject::InPlace(_)) {
            trial.rounds.into_iter().for_each(|rounds| flag("--rounds", rounds.to_string()));
            trial.interleave.into_iter().for_each(|turns| flag("--interleave", turns_text(turns).to_owned()));
        }
        trial.slice.into_iter().for_each(|slice| flag("--slice", format!("{}ms", slice.as_millis())));
    }
    for (name, is_set) in [
        ("--no-focus", !settings.focus),
        ("--ablate", settings.ablate),
        ("--forward-only", arguments.forward_only),
        ("--skip-code", arguments.layout.skip_code),
        ("--allow-writes", arguments.allow_writes),
    ] {
        switches.extend(is_set.then(|| name.to_owned()));
    }
    if settings.length.chunks > 0 && !settings.isolated {
        switches.push("--no-isolated".to_owned());
    }
    words.extend(switches);
    words
}

/// The folder, or the schema and the change, as they are kept among the inputs.
fn given(directory: &Directory, weighed: &[Migration]) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    match directory.path.as_os_str().is_empty() {
        true => flags.push(("--schema", kept::SCHEMA.to_owned())),
        false => {
            flags.push(("--migrations", "migrations".to_owned()));
            flags.push(("--layout", directory.layout.name().to_owned()));
        }
    }
    for change in weighed.iter().filter(|migration| kept::is_change(migration)) {
        let command = |part: &Part| part.file.path.display().to_string();
        let parts = [Some(&change.up), change.down.as_ref()].map(|part| part.map(|part| (part.sending, command(part))));
        for (part, file, flag) in [(0, kept::CHANGE, "--change"), (1, kept::REVERT, "--revert")] {
            match &parts[part] {
                Some((Sending::Command, command)) if part == 0 => flags.push(("--up-cmd", command.clone())),
                Some((Sending::Command, command)) => flags.push(("--down-cmd", command.clone())),
                Some(_) => flags.push((flag, file.to_owned())),
                None => {}
            }
        }
    }
    flags
}

/// One migration, or the first and last of several.
fn label(migrations: &[Migration]) -> String {
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
