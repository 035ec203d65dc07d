//! The schema of one database, migrated and reverted in turns. Must leave it as it was found, or say exactly what is left.
//!
//! What is applied is written down in the database itself (`weighbridge.in_place`), in the transaction that applies it: so whoever
//! finds the database after a crash knows.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::error::TrialError;
use super::event::{Event, Listener};
use super::settings::InPlace;
use super::sides::{analyze_tables, run};
use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::evidence::Side;
use crate::migrate::{Applied, apply_and, in_transaction};
use crate::postgres::sql_text::{literal, query};
use crate::postgres::{Error, Target};
use crate::sql;

/// A migration waits this long for a lock that somebody holds; queueing for longer would stop everybody behind it.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// How often is looked whether ended sessions are gone, and for how long.
const LOOK: Duration = Duration::from_millis(50);
const MOST_LOOKS: u32 = 600;

/// The texts of a migration.
struct Files {
    label: String,
    up: SourceFile,
    down: SourceFile,
}

/// A database that is in the state of one side at a time.
pub(super) struct Switch {
    target: Target,
    files: Vec<Files>,
    applied: usize,
    clock: Clock,
    listener: Listener,
    /// Tables whose statistics a change of the schema leaves wanting; sampled anew in every state.
    pub(super) unsampled: Vec<String>,
}

impl Switch {
    /// Reads the migrations and writes down in the database that it is about to be changed.
    ///
    /// # Errors
    /// When a migration cannot be reverted or would lose rows, or an earlier proof left something that is not this one's.
    pub(super) async fn new(
        place: &InPlace,
        application: &str,
        clock: Clock,
        listener: Listener,
    ) -> Result<Self, TrialError> {
        let files = read(place)?;
        refuse_losses(&files)?;
        let target = place.target.named(application);
        let mut connection = target.connect().await?;
        if let Some(marker) = Marker::read(&mut connection).await? {
            marker.may_be_reverted(&mut connection, &files).await?;
            go_back(&mut connection, &files, &clock).await?;
            listener(Event::Restored);
        }
        Marker::write(&mut connection, application, &files).await?;
        let _ = connection.close().await;
        Ok(Self { target, files, applied: 0, clock, listener, unsampled: Vec::new() })
    }

    /// Brings the schema into the state of a side; what was applied for it, if anything.
    ///
    /// # Errors
    /// When the server refuses; then [`revert`] says what is left.
    pub(super) async fn to(&mut self, side: Side) -> Result<Vec<Applied>, TrialError> {
        let wanted = if side == Side::After { self.files.len() } else { 0 };
        if self.applied == wanted {
            return Ok(Vec::new());
        }
        let mut connection = self.target.connect().await?;
        run(&mut connection, LOCK_TIMEOUT, "limit the wait for locks").await?;
        let mut done = Vec::new();
        if wanted == 0 {
            (self.listener)(Event::Reverting);
            go_down(&mut connection, &self.files, self.applied, &self.clock).await?;
        } else {
            for (position, files) in self.files.iter().enumerate() {
                (self.listener)(Event::Migrating { migration: &files.label });
                begin(&mut connection, &files.up, &files.label, "applying").await?;
                let ours = Marker::now(position + 1);
                done.push(apply_and(&mut connection, &files.up, &self.clock, Some(&ours)).await?);
            }
        }
        self.applied = wanted;
        let _ = connection.close().await;
        analyze_tables(&self.target, &self.unsampled).await?;
        Ok(done)
    }

    /// Back to how it was found, and nothing left.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn end(mut self) -> Result<(), TrialError> {
        self.to(Side::Before).await?;
        let mut connection = self.target.connect().await?;
        Marker::remove(&mut connection).await?;
        let _ = connection.close().await;
        Ok(())
    }
}

/// Reverts what a proof that did not come to its end has left of itself in a database, and ends its sessions.
///
/// # Errors
/// When the server refuses: with what is left, and how to remove it.
pub async fn revert(place: &InPlace, application: &str) -> Result<(), TrialError> {
    let files = read(place)?;
    let clock = Clock::start();
    let mut connection = place.target.named("weighbridge cleanup").connect().await?;
    end_sessions(&mut connection, application).await?;
    let marker = Marker::read(&mut connection).await?;
    if marker.is_none_or(|marker| marker.application != application) {
        // Nothing of ours is there; what another proof left is not ours to touch.
        return Ok(());
    }
    let done = go_back(&mut connection, &files, &clock).await;
    if let Err(error) = done {
        let left = match Marker::read(&mut connection).await {
            Ok(Some(marker)) => marker.what_is_left(&files),
            _ => "the server cannot be asked what is left of the proof; its next run says so".to_owned(),
        };
        return Err(TrialError::Asked(format!("{error}\n{left}")));
    }
    let _ = connection.close().await;
    Ok(())
}

/// Reverts what the marker says is applied, and removes the marker.
async fn go_back(connection: &mut PgConnection, files: &[Files], clock: &Clock) -> Result<(), TrialError> {
    let Some(marker) = Marker::read(connection).await? else { return Ok(()) };
    // Half of one counts as one: what reverts it may cope.
    let applied = marker.applied + usize::from(marker.running.is_some() && marker.applied < files.len());
    go_down(connection, files, applied, clock).await?;
    Marker::remove(connection).await?;
    Ok(())
}

async fn go_down(
    connection: &mut PgConnection,
    files: &[Files],
    applied: usize,
    clock: &Clock,
) -> Result<(), TrialError> {
    for (position, files) in files.iter().enumerate().take(applied).rev() {
        begin(connection, &files.down, &files.label, "reverting").await?;
        apply_and(connection, &files.down, clock, Some(&Marker::now(position))).await?;
    }
    Ok(())
}

/// Writes down that a file without a transaction has begun: it may end half-way.
async fn begin(connection: &mut PgConnection, file: &SourceFile, label: &str, what: &str) -> Result<(), Error> {
    if in_transaction(file) {
        return Ok(());
    }
    let sql = format!("UPDATE weighbridge.in_place SET running = {}", literal(&format!("{what} {label}")));
    run(connection, &sql, Marker::WRITING).await
}

/// Ends the sessions of a proof in this database and waits until they are gone, with whatever they held.
async fn end_sessions(connection: &mut PgConnection, application: &str) -> Result<(), Error> {
    let doing = |e| Error::doing("end the sessions of the proof", e);
    for _ in 0..MOST_LOOKS {
        let ended = query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()",
        )
        .bind(application.to_owned())
        .fetch_one(&mut *connection)
        .await
        .map_err(doing)?;
        if ended.try_get::<i64, _>(0).map_err(doing)? == 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn read(place: &InPlace) -> Result<Vec<Files>, TrialError> {
    let of = |migration: &crate::migrate::Migration| {
        let Some(down) = &migration.down else {
            return Err(TrialError::Asked(format!(
                "{} has no file that reverts it, so it cannot be weighed in place\n  = help: write {}.down.sql, or weigh two databases with \
                 --before and --after",
                migration.label, migration.label
            )));
        };
        Ok(Files {
            label: migration.label.clone(),
            up: SourceFile::read(&migration.up)?,
            down: SourceFile::read(down)?,
        })
    };
    place.migrations.iter().map(of).collect()
}

/// What is applied, as the database itself knows.
struct Marker {
    application: String,
    migrations: Vec<String>,
    applied: usize,
    running: Option<String>,
}

impl Marker {
    const WRITING: &str = "write down that the database is changed";

    async fn read(connection: &mut PgConnection) -> Result<Option<Self>, Error> {
        let doing = |e| Error::doing("look for what an earlier proof left", e);
        let there = query("SELECT pg_catalog.to_regclass('weighbridge.in_place') IS NOT NULL");
        let there: bool = there.fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(doing)?;
        if !there {
            return Ok(None);
        }
        let row = query("SELECT application, migrations, applied, running FROM weighbridge.in_place");
        let row = row.fetch_one(connection).await.map_err(doing)?;
        let read = || {
            Ok(Self {
                application: row.try_get(0)?,
                migrations: row.try_get(1)?,
                applied: row.try_get::<i32, _>(2)? as usize,
                running: row.try_get(3)?,
            })
        };
        read().map(Some).map_err(doing)
    }

    async fn write(connection: &mut PgConnection, application: &str, files: &[Files]) -> Result<(), Error> {
        let labels: Vec<String> = files.iter().map(|files| literal(&files.label)).collect();
        let sql = format!(
            "BEGIN;
             CREATE SCHEMA IF NOT EXISTS weighbridge;
             CREATE TABLE weighbridge.in_place (application text NOT NULL, migrations text[] NOT NULL, applied int NOT NULL, running text);
             COMMENT ON TABLE weighbridge.in_place IS 'weighbridge prove --in-place is applying and reverting migrations here';
             INSERT INTO weighbridge.in_place VALUES ({}, ARRAY[{}], 0, NULL);
             COMMIT",
            literal(application),
            labels.join(", ")
        );
        run(connection, &sql, Self::WRITING).await
    }

    async fn remove(connection: &mut PgConnection) -> Result<(), Error> {
        // The schema goes too, unless somebody else keeps something there.
        let sql = "DROP TABLE IF EXISTS weighbridge.in_place;
                   DO $$ BEGIN DROP SCHEMA weighbridge; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$";
        run(connection, sql, "remove what was written down").await
    }

    /// Said in the transaction of a migration, or right behind its last statement.
    fn now(applied: usize) -> String {
        format!("UPDATE weighbridge.in_place SET applied = {applied}, running = NULL")
    }

    /// Whether its proof is dead and its migrations are those at hand.
    async fn may_be_reverted(&self, connection: &mut PgConnection, files: &[Files]) -> Result<(), TrialError> {
        let alive = query("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)");
        let alive = alive.bind(self.application.clone()).fetch_one(connection).await.and_then(|row| row.try_get(0));
        if alive.map_err(|e| Error::doing("look for another proof", e))? {
            return Err(TrialError::Asked(format!(
                "another proof is changing this database (its sessions are called {})\n  = help: wait for its end",
                self.application
            )));
        }
        if self.migrations.iter().eq(files.iter().map(|files| &files.label)) {
            return Ok(());
        }
        Err(TrialError::Asked(format!(
            "an earlier proof of {} on this database did not come to its end\n{}",
            self.migrations.join(", "),
            self.what_is_left(files)
        )))
    }

    fn what_is_left(&self, files: &[Files]) -> String {
        let applied = match &self.migrations[..self.applied.min(self.migrations.len())] {
            [] => "none of its migrations is applied".to_owned(),
            some => format!("{}, still applied", some.join(", ")),
        };
        let half = self.running.as_ref().map(|running| format!(", and it stopped while {running}")).unwrap_or_default();
        let downs: Vec<String> = self.migrations[..self.applied.min(self.migrations.len())]
            .iter()
            .rev()
            .map(|label| match files.iter().find(|files| files.label == *label) {
                Some(files) => format!("psql -f {}; ", files.down.path.display()),
                None => format!("psql -f {label}.down.sql; "),
            })
            .collect();
        format!(
            "left in the database: {applied}{half}\n  = help: `weighbridge prove {} --in-place` with the same --url reverts it before it begins; by \
             hand: {}then DROP TABLE weighbridge.in_place; DROP SCHEMA weighbridge",
            self.migrations.first().map_or("", String::as_str),
            downs.concat()
        )
    }
}

/// A migration that loses rows or values cannot be undone by reverting it.
fn refuse_losses(files: &[Files]) -> Result<(), TrialError> {
    for files in files {
        let problems: Vec<Diagnostic> = sql::statements(&files.up.text)
            .into_iter()
            .filter_map(|span| Some((loses(&files.up.text[span.clone()])?, span)))
            .map(|(what, span)| {
                let line = files.up.text[span.clone()].lines().next().map_or(0, str::len);
                Diagnostic::at(span.start..span.start + line, format!("{what}, which reverting does not bring back"))
                    .help("weigh it on clones (--url), or on two databases of your own (--before, --after)")
            })
            .collect();
        if !problems.is_empty() {
            return Err(TrialError::File(Box::new(files.up.clone().problems(problems))));
        }
    }
    Ok(())
}

/// What a statement may lose, by its words: better one refused too many.
fn loses(statement: &str) -> Option<&'static str> {
    const HARMLESS: [&str; 17] = [
        "index",
        "constraint",
        "not",
        "default",
        "view",
        "trigger",
        "function",
        "procedure",
        "aggregate",
        "operator",
        "rule",
        "policy",
        "identity",
        "expression",
        "statistics",
        "publication",
        "cast",
    ];
    let words = sql::tokens(statement).into_iter().filter(|token| token.kind == sql::Kind::Word);
    let words: Vec<String> = words.map(|token| statement[token.span].to_ascii_lowercase()).collect();
    let first = words.first().map(String::as_str)?;
    if first == "do" {
        return Some("this block may do anything");
    }
    let mut pairs = words.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
    if ["alter", "drop"].contains(&first) {
        let dropped = pairs.clone().any(|(word, next)| word == "drop" && !HARMLESS.contains(&next));
        if dropped {
            return Some("this drops what may hold rows or values");
        }
        if words.get(1).is_some_and(|what| what == "table") && words.iter().any(|word| word == "type") {
            return Some("this changes the type of a column, and may lose a part of its values");
        }
    }
    let changes = |word: &str| ["delete", "update", "truncate", "merge"].contains(&word);
    // `ON DELETE` and `BEFORE UPDATE OR DELETE` only say when.
    let when = |word: &str| ["on", "or", "before", "after", "of", "for", "grant"].contains(&word);
    let changed = changes(first) || pairs.any(|(word, next)| changes(next) && !when(word));
    (!["create", "comment", "grant", "revoke"].contains(&first) && changed).then_some("this changes or deletes rows")
}

#[cfg(test)]
mod tests {
    use super::loses;

    #[test]
    fn what_reverting_would_not_bring_back_is_refused() {
        for lost in [
            "DROP TABLE t",
            "ALTER TABLE t DROP c",
            "ALTER TABLE t DROP COLUMN c",
            "alter table t alter c set data type int",
            "ALTER TABLE t ALTER c TYPE int",
            "DELETE FROM t",
            "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
            "UPDATE t SET a = 1",
            "TRUNCATE t",
            "DO $$ BEGIN END $$",
        ] {
            assert!(loses(lost).is_some(), "{lost}");
        }
        for kept in [
            "CREATE INDEX i ON t (type)",
            "DROP INDEX i",
            "ALTER TABLE t DROP CONSTRAINT c",
            "ALTER TABLE t ALTER c DROP NOT NULL",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b ON DELETE CASCADE ON UPDATE SET NULL",
            "CREATE TRIGGER a BEFORE UPDATE OR DELETE ON t EXECUTE FUNCTION f()",
            "ALTER TABLE t ADD COLUMN updated timestamptz",
            "INSERT INTO t VALUES ('DROP TABLE t')",
        ] {
            assert_eq!(loses(kept), None, "{kept}");
        }
    }
}
