//! Flyway: `V1_2__name.sql`, `U` for undo, `R` repeatable, `B` baseline, in the folder and below. Must order
//! versions by their numbers.
//!
//! Source: Flyway's documentation (versioned, undo, repeatable and baseline migrations; script configuration;
//! transactions). Its parser splits a
//! file into statements and leaves the transaction out where one of them forbids it.

pub(super) mod configuration;
pub(super) mod placeholders;

use configuration::Configuration;

use super::{Books, Layout, Options, Reading, Sign, Tool, Warning};
use crate::diagnostic::Diagnostic;
use crate::migrate::folder::{Entry, Folder};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;
use crate::sql::Script;

pub(super) struct Flyway;

/// What a file is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    kind: char,
    /// The numbers of a version; empty for a repeatable one.
    version: Vec<u64>,
    description: String,
}

impl Named {
    fn of(name: &str, configuration: &Configuration) -> Option<Self> {
        let stem = configuration.suffixes.iter().find_map(|suffix| name.strip_suffix(suffix.as_str()))?;
        for (kind, prefix) in [
            ('U', &configuration.undo),
            ('R', &configuration.repeatable),
            ('B', &configuration.baseline),
            ('V', &configuration.prefix),
        ] {
            let Some(rest) = stem.strip_prefix(prefix.as_str()) else { continue };
            let Some((number, description)) = rest.split_once(configuration.separator.as_str()) else { continue };
            let version: Option<Vec<u64>> = number.split(['.', '_']).map(|part| part.parse().ok()).collect();
            match (kind, version) {
                ('R', _) if number.is_empty() => {
                    return Some(Self { kind, version: Vec::new(), description: description.to_owned() });
                }
                ('R', _) | (_, None) => {}
                (_, Some(version)) => {
                    return Some(Self { kind, version: trimmed(version), description: description.to_owned() });
                }
            }
        }
        None
    }
}

/// `1.0` and `1` are one version.
fn trimmed(mut version: Vec<u64>) -> Vec<u64> {
    while version.len() > 1 && version.last() == Some(&0) {
        version.pop();
    }
    version
}

fn text(version: &[u64]) -> String {
    version.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

impl Tool for Flyway {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let (configuration, file) = Configuration::around(folder);
        let steps: Vec<Named> =
            folder.files.iter().filter_map(|entry| Named::of(entry.own(), &configuration)).collect();
        if steps.is_empty() {
            return None;
        }
        if let Some(file) = file {
            return Sign::own(format!("files named as {} says", file.display()));
        }
        if let Some(step) = steps.iter().find(|step| matches!(step.kind, 'R' | 'B')) {
            return Sign::own(format!("a file whose name begins with `{}`", step.kind));
        }
        if folder.is_at("db/migration") {
            return Sign::own("`V1__name.sql` in a folder db/migration");
        }
        match folder.around(&["pom.xml", "build.gradle", "build.gradle.kts"]) {
            Some((_, file)) => Sign::project(format!("`V1__name.sql` in a project with {file}")),
            None => Sign::names("`V1__name.sql`"),
        }
    }

    fn read(&self, folder: &Folder, options: &Options) -> Reading {
        let mut reading = Reading::default();
        let (configuration, file) = Configuration::around(folder);
        reading.beside.extend(file);
        let mut steps: Vec<(Named, &Entry)> =
            folder.files.iter().filter_map(|entry| Some((Named::of(entry.own(), &configuration)?, entry))).collect();
        let place = |named: &Named| (named.kind == 'R', named.version.clone(), named.description.clone());
        steps.sort_by_key(|(named, _)| place(named));
        let baseline =
            steps.iter().filter(|(named, _)| named.kind == 'B').map(|(named, _)| named.version.clone()).max();
        for (named, entry) in &steps {
            if named.kind == 'U' || !reading.check(entry, None) {
                continue;
            }
            let replaced = baseline.as_ref().is_some_and(|base| match named.kind {
                'V' => named.version <= *base,
                'B' => named.version < *base,
                _ => false,
            });
            if replaced {
                let message = format!(
                    "an empty database begins at the baseline {}, so this is left out",
                    text(baseline.as_deref().unwrap_or_default())
                );
                reading.warn(Warning::new("replaced-by-baseline", &entry.path, message));
                continue;
            }
            let undo = steps
                .iter()
                .find(|(other, _)| other.kind == 'U' && other.version == named.version && named.kind == 'V');
            let undo = undo.filter(|(_, entry)| reading.check(entry, None));
            let parts = [Some(*entry), undo.map(|(_, entry)| *entry)];
            let [up, down] =
                parts.map(|entry| entry.map(|entry| part(entry, folder, (options, &configuration), &mut reading)));
            let Some(up) = up else { continue };
            reading.migrations.push(Migration {
                version: text(&named.version),
                label: entry.own().rsplit_once('.').map_or(entry.own(), |(label, _)| label).to_owned(),
                up,
                down,
                expected_down: None,
            });
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "flyway_schema_history",
            qualified: "flyway_schema_history",
            make: "CREATE TABLE IF NOT EXISTS flyway_schema_history (installed_rank integer NOT NULL PRIMARY KEY, \
                   version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script \
                   varchar(1000) NOT NULL, \
                   checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT \
                   now(), \
                   execution_time integer NOT NULL, success boolean NOT NULL)",
            enter: "INSERT INTO flyway_schema_history SELECT coalesce(max(installed_rank), 0) + 1, {version}, \
                {description}, 'SQL', \
                    {description}, NULL, current_user, now(), {nanos} / 1000000, true FROM flyway_schema_history",
        })
    }

    fn outside(&self, part: &Part) -> Option<String> {
        part.in_transaction().then(|| {
            "put it into a file of its own, or write `executeInTransaction=false` into a file of the same name with \
                `.conf` behind it"
                .to_owned()
        })
    }
}

fn part(
    entry: &Entry,
    folder: &Folder,
    (options, configuration): (&Options, &Configuration),
    reading: &mut Reading,
) -> Part {
    let script = folder.file(&format!("{}.conf", entry.name));
    reading.beside.extend(script.map(|script| script.path.clone()));
    let says = script.and_then(|script| configuration::value(script.text(), "executeInTransaction"));
    let whole = 0..entry.text().len();
    let substituted = placeholders::flyway(entry.source(), options, configuration);
    let file = substituted.file;
    let statements = Script::parse(&file.text).statements;
    let forbidding = statements.iter().filter(|statement| statement.forbids_transaction()).count();
    // Flyway sends the whole file without a transaction, or refuses the mixture.
    if says.is_none() && forbidding > 0 && forbidding < statements.len() && !configuration.mixed {
        let span = statements.iter().find(|s| s.forbids_transaction()).map(|s| s.span.clone()).unwrap_or_default();
        let problem = Diagnostic::at(
            span,
            "Flyway refuses a file in which some statements forbid a transaction and others do not",
        )
        .help("put this one into a file of its own, or set flyway.mixed=true");
        reading.refuse(file.clone(), problem);
    }
    let transaction = match says.as_deref() {
        Some(says) => says != "false",
        None => forbidding == 0,
    };
    let whole = whole.start..file.text.len();
    let mut part = Part::split(file, Layout::Flyway, &whole, transaction);
    part.placeholders = substituted.placeholders;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_flyway() {
        let of = |name: &str| {
            Named::of(name, &Configuration::default()).map(|named| (named.kind, named.version, named.description))
        };
        assert_eq!(of("V1_2__a_b.sql"), Some(('V', vec![1, 2], "a_b".to_owned())));
        assert_eq!(of("V1.0__x.sql"), Some(('V', vec![1], "x".to_owned())));
        assert_eq!(of("U3__x.sql"), Some(('U', vec![3], "x".to_owned())));
        assert_eq!(of("R__views.sql"), Some(('R', vec![], "views".to_owned())));
        assert!(of("V99__a.sql").map(|n| n.1) < of("V100__a.sql").map(|n| n.1));
        for no in ["Version__x.sql", "V1_x.sql", "U__x.sql", "V1__x.java", "V1a__x.sql"] {
            assert_eq!(of(no), None, "{no}");
        }
        let bare = Configuration { prefix: String::new(), ..Configuration::default() };
        assert_eq!(Named::of("7__x.sql", &bare).map(|named| named.version), Some(vec![7]));
    }
}
