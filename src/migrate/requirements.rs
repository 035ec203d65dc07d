//! What migrations need and a server lacks: extensions and roles. Must be known before the first statement is sent.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::Migration;
use crate::diagnostic::Message;
use crate::postgres::Error;
use crate::postgres::sql_text::query;
use crate::sql::{Command, Object, Script, words};

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Extensions that the server cannot make, each with the Debian package that has it, if one is known.
    pub extensions: Vec<(String, Option<String>)>,
    /// Roles that are named and that no migration makes.
    pub roles: Vec<String>,
}

impl Missing {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extensions.is_empty() && self.roles.is_empty()
    }

    /// In words, with what to do.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut messages = Vec::new();
        for (name, package) in &self.extensions {
            let help = match package {
                Some(package) => format!("apt install {package}"),
                None => "install it beside the server, or name a server that has it with --url".to_owned(),
            };
            let message = format!("the migrations need the extension {name}, which the server does not have");
            messages.push(Message::new(message).help(help));
        }
        if !self.roles.is_empty() {
            let made: Vec<String> = self.roles.iter().map(|role| format!("CREATE ROLE {role};")).collect();
            let message = format!("the migrations name roles that are not there: {}", self.roles.join(", "));
            messages.push(Message::new(message).help(format!("make them on that server: {}", made.join(" "))));
        }
        messages.into_iter().reduce(Message::then).unwrap_or_else(|| Message::new("nothing is missing"))
    }
}

/// Looks for what these migrations need.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn missing(connection: &mut PgConnection, migrations: &[Migration]) -> Result<Missing, Error> {
    let needs = Needs::of(migrations.iter().map(|migration| migration.up.file.text.as_str()));
    let doing = |e| Error::doing("look for what the migrations need", e);
    let version: u32 = connection.server_version_num().unwrap_or_default();
    let mut missing = Missing::default();
    for name in needs.extensions {
        let row = query("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)").bind(name.clone());
        let there: bool = row.fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(doing)?;
        if !there {
            let package = package(&name, version / 10_000);
            missing.extensions.push((name, package));
        }
    }
    for role in needs.roles {
        let row = query("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)").bind(role.clone());
        let there: bool = row.fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(doing)?;
        if !there {
            missing.roles.push(role);
        }
    }
    Ok(missing)
}

/// Extensions of Debian's and PGDG's packages that do not come with the server itself.
const PACKAGES: [(&str, &str); 20] = [
    ("postgis", "postgresql-{}-postgis-3"),
    ("postgis_topology", "postgresql-{}-postgis-3"),
    ("vector", "postgresql-{}-pgvector"),
    ("pg_cron", "postgresql-{}-cron"),
    ("pg_partman", "postgresql-{}-partman"),
    ("timescaledb", "postgresql-{}-timescaledb"),
    ("pgaudit", "postgresql-{}-pgaudit"),
    ("pg_repack", "postgresql-{}-repack"),
    ("hll", "postgresql-{}-hll"),
    ("ip4r", "postgresql-{}-ip4r"),
    ("semver", "postgresql-{}-semver"),
    ("pgtap", "postgresql-{}-pgtap"),
    ("hypopg", "postgresql-{}-hypopg"),
    ("rum", "postgresql-{}-rum"),
    ("periods", "postgresql-{}-periods"),
    ("orafce", "postgresql-{}-orafce"),
    ("pg_similarity", "postgresql-{}-similarity"),
    ("plv8", "postgresql-{}-plv8"),
    ("pglogical", "postgresql-{}-pglogical"),
    ("pgrouting", "postgresql-{}-pgrouting"),
];

/// Extensions of the server's own contrib package.
const CONTRIB: [&str; 16] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "postgres_fdw",
    "tablefunc",
    "unaccent",
    "uuid-ossp",
];

fn package(extension: &str, major: u32) -> Option<String> {
    if CONTRIB.contains(&extension) {
        return Some("postgresql-contrib".to_owned());
    }
    let (_, package) = PACKAGES.iter().find(|(name, _)| *name == extension)?;
    Some(package.replace("{}", &major.to_string()))
}

/// What texts name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    extensions: BTreeSet<String>,
    roles: BTreeSet<String>,
}

/// Roles that a text makes, also inside of a DO block, whose body is a string to the server.
#[must_use]
pub fn made_roles(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let all: Vec<&str> = lower.split(|c: char| !is_name(c)).filter(|word| !word.is_empty()).collect();
    let makes = all.windows(3).filter(|w| w[0] == "create" && ["role", "user", "group"].contains(&w[1]));
    makes.map(|w| w[2].to_owned()).filter(|name| name != "mapping").collect()
}

/// Words behind a role's place that are no role of the user's.
const KNOWN: [&str; 6] = ["public", "current_user", "session_user", "current_role", "group", "postgres"];

impl Needs {
    fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let (mut needs, mut made) = (Self::default(), BTreeSet::new());
        for text in texts {
            made.extend(made_roles(text));
            for statement in Script::parse(text).statements {
                let own = &text[statement.span.clone()];
                match &statement.command {
                    Command::Create { object: Object::Extension, name: Some(name), .. } => {
                        needs.extensions.insert(name.name.clone());
                    }
                    Command::Grant(_) | Command::DefaultPrivileges | Command::Create { object: Object::Policy, .. } => {
                        needs.roles.extend(behind(&words(own)));
                    }
                    Command::AlterTable(_) | Command::Alter { .. } | Command::Owned => {
                        needs.roles.extend(owners(&words(own)));
                    }
                    _ => {}
                }
            }
        }
        needs.roles.retain(|role| !made.contains(role) && !KNOWN.contains(&role.as_str()) && !role.starts_with("pg_"));
        needs
    }
}

/// Roles behind `TO` or, of a REVOKE, `FROM`: up to the next keyword.
fn behind(words: &[String]) -> Vec<String> {
    let preposition = if words.first().is_some_and(|first| first == "revoke") { "from" } else { "to" };
    let Some(at) = words.iter().rposition(|word| word == preposition) else { return Vec::new() };
    let ends = ["with", "using", "granted", "cascade", "restrict", "in"];
    words[at + 1..]
        .iter()
        .take_while(|word| !ends.contains(&word.as_str()))
        .filter(|word| *word != "group")
        .cloned()
        .collect()
}

/// The role behind `OWNER TO`.
fn owners(words: &[String]) -> Vec<String> {
    words.windows(3).filter(|w| w[0] == "owner" && w[1] == "to").map(|w| w[2].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_extensions_are_found_and_those_that_are_made_are_not_missed() {
        let needs = Needs::of(
            [
                "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"; CREATE EXTENSION vector WITH SCHEMA x;",
                "DO $$ BEGIN CREATE ROLE made; END $$; GRANT SELECT ON t TO made, app_reader WITH GRANT OPTION;",
                "REVOKE ALL ON t FROM anon; ALTER TABLE t OWNER TO owner_role; GRANT USAGE ON SCHEMA s TO PUBLIC;",
                "CREATE POLICY p ON t FOR SELECT TO authenticated USING (true);",
            ]
            .into_iter(),
        );
        assert_eq!(needs.extensions.into_iter().collect::<Vec<_>>(), ["uuid-ossp", "vector"]);
        assert_eq!(needs.roles.into_iter().collect::<Vec<_>>(), ["anon", "app_reader", "authenticated", "owner_role"]);
        assert_eq!(package("vector", 15).as_deref(), Some("postgresql-15-pgvector"));
        assert_eq!(package("mine", 15), None);
    }
}
