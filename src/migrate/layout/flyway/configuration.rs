//! What Flyway's own configuration says of names, placeholders and transactions. Must read `flyway.conf` and
//! `flyway.toml` alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::migrate::folder::{Folder, lines};

/// Names and values, with Flyway's defaults.
#[derive(Debug, Clone)]
pub(in crate::migrate::layout) struct Configuration {
    pub(super) prefix: String,
    pub(super) undo: String,
    pub(super) repeatable: String,
    pub(super) baseline: String,
    pub(super) separator: String,
    pub(super) suffixes: Vec<String>,
    pub(super) placeholders: BTreeMap<String, String>,
    pub(super) replaces: bool,
    pub(super) mixed: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            prefix: "V".to_owned(),
            undo: "U".to_owned(),
            repeatable: "R".to_owned(),
            baseline: "B".to_owned(),
            separator: "__".to_owned(),
            suffixes: vec![".sql".to_owned()],
            placeholders: BTreeMap::new(),
            replaces: true,
            mixed: false,
        }
    }
}

const FILES: [&str; 4] = ["flyway.conf", "conf/flyway.conf", "flyway.toml", "conf/flyway.toml"];

impl Configuration {
    /// The configuration of the project around a folder, and its file.
    pub(super) fn around(folder: &Folder) -> (Self, Option<PathBuf>) {
        let Some((place, name)) = folder.around(&FILES) else { return (Self::default(), None) };
        let path = place.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else { return (Self::default(), None) };
        (Self::parse(&text), Some(path))
    }

    /// Reads `flyway.key=value`, and the same keys of a TOML file.
    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let mut table = String::new();
        for (_, line) in lines(text) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = format!("{name}.");
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
            let value = unquoted(value);
            let full = format!("{table}{}", key.trim());
            let key = full.strip_prefix("flyway.").unwrap_or(&full);
            if let Some(name) = key.strip_prefix("placeholders.") {
                read.placeholders.insert(name.to_owned(), value);
                continue;
            }
            match key {
                "sqlMigrationPrefix" => read.prefix = value,
                "undoSqlMigrationPrefix" => read.undo = value,
                "repeatableSqlMigrationPrefix" => read.repeatable = value,
                "baselineMigrationPrefix" => read.baseline = value,
                "sqlMigrationSeparator" => read.separator = value,
                "sqlMigrationSuffixes" => {
                    let list = value.trim_matches(['[', ']']).split(',').map(unquoted);
                    read.suffixes = list.filter(|suffix| !suffix.is_empty()).collect();
                }
                "placeholderReplacement" => read.replaces = value != "false",
                "mixed" => read.mixed = value == "true",
                _ => {}
            }
        }
        read
    }
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).to_owned()
}

/// The value of a key of a script's own configuration.
pub(super) fn value(text: &str, key: &str) -> Option<String> {
    lines(text).find_map(|(_, line)| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_either_kind_of_file() {
        for text in [
            "# c\nflyway.sqlMigrationPrefix=\nflyway.sqlMigrationSuffixes=.sql,.pgsql\nflyway.placeholders.owner=app\n\
             flyway.mixed=true\n",
            "[flyway]\nsqlMigrationPrefix = \"\"\nsqlMigrationSuffixes = [\".sql\", \".pgsql\"]\nmixed = \
                true\n[flyway.placeholders]\nowner = \"app\"\n",
        ] {
            let read = Configuration::parse(text);
            assert_eq!((read.prefix.as_str(), read.mixed), ("", true), "{text}");
            assert_eq!(read.suffixes, [".sql", ".pgsql"], "{text}");
            assert_eq!(read.placeholders["owner"], "app", "{text}");
        }
        assert_eq!(value("executeInTransaction=false\n", "executeInTransaction").as_deref(), Some("false"));
    }
}
