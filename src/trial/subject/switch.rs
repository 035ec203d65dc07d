//! The schema of one database, migrated and reverted in turns. Must leave it as it was found, or say exactly what is
//! left.
//!
//! What is applied is recorded in the database itself (`weighbridge.in_place`), in the transaction that applies it:
//! so the process that finds the database after a crash knows.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::lossless;
use super::sides::{analyze_tables, run};
use crate::clock::Clock;
use crate::diagnostic::{Advice, Message};
use crate::evidence::Side;
use crate::migrate::{Applied, ApplyError, Manner, Part, Sending, apply};
use crate::postgres::definitions::definitions;
use crate::postgres::sql_text::{literal, query};
use crate::postgres::{Error, Target};
use crate::trial::error::TrialError;
use crate::trial::event::{Event, Listener};
use crate::trial::settings::InPlace;

/// A migration and its reversal wait this long for a lock that somebody holds; queueing for longer would stop everybody
/// behind it.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// How often is looked whether ended sessions are gone, and for how long.
const LOOK: Duration = Duration::from_millis(50);
const MOST_LOOKS: u32 = 600;

/// The texts of a migration.
struct Files {
    label: String,
    up: Part,
    down: Part,
}

/// A database that is in the state of one side at a time.
pub(in crate::trial) struct Switch {
    target: Target,
    files: Vec<Files>,
    applied: usize,
    clock: Clock,
    listener: Listener,
    /// Held for the life of the proof, so that there is one in a database at a time.
    lock: PgConnection,
    application: String,
    /// Tables whose statistics a change of the schema leaves wanting; sampled again in every state.
    pub(in crate::trial) unsampled: Vec<String>,
}

impl Switch {
    /// Reads the migrations and writes down in the database that it is about to be changed.
    ///
    /// # Errors
    /// When a migration cannot be reverted or may lose rows, another proof is at work there, or an earlier one left
    /// something else.
    pub(in crate::trial) async fn new(
        place: &InPlace,
        application: &str,
        clock: Clock,
        listener: Listener,
    ) -> Result<Self, TrialError> {
        let files = read(place)?;
        let pairs: Vec<_> = files.iter().map(|files| (&files.up, &files.down)).collect();
        lossless::check(&pairs)?;
        let target = place.target.named(application);
        let mut lock = target.connect().await?;
        if !take_lock(&mut lock).await? {
            return Err(TrialError::Asked(
                Message::new("another proof is changing this database").help("wait for its end"),
            ));
        }
        if let Some(marker) = Marker::read(&mut lock).await? {
            marker.must_be_of(&files)?;
            if let Err(error) = go_back(&target, &mut lock, &files, &clock).await {
                return Err(TrialError::Asked(error.message().then(marker.what_is_left(&files))));
            }
            listener(Event::Restored);
        }
        refuse_half(&mut lock, &files).await?;
        Marker::write(&mut lock, application, &files).await?;
        let (applied, unsampled, application) = (0, Vec::new(), application.to_owned());
        Ok(Self { target, files, applied, clock, listener, lock, application, unsampled })
    }

    /// Brings the schema into the state of a side; what was applied for it, if anything.
    ///
    /// # Errors
    /// When the server refuses; then [`revert`] says what is left.
    pub(in crate::trial) async fn to(&mut self, side: Side) -> Result<Vec<Applied>, TrialError> {
        let wanted = if side == Side::After { self.files.len() } else { 0 };
        if self.applied == wanted {
            return Ok(Vec::new());
        }
        let mut done = Vec::new();
        if wanted == 0 {
            (self.listener)(Event::Reverting);
            go_down(&self.target, &self.files[..self.applied], &self.application, &self.clock).await?;
        } else {
            for (position, files) in self.files.iter().enumerate() {
                (self.listener)(Event::Migrating { migration: &files.label });
                let step = Step { part: &files.up, label: &files.label, what: APPLYING, then: position + 1 };
                done.push(step.run(&self.target, &self.application, &self.clock).await?);
            }
        }
        self.applied = wanted;
        analyze_tables(&self.target, &self.unsampled).await?;
        Ok(done)
    }

    /// Takes what was applied for nothing: a file that changed nothing must not be reverted, for that would drop what
    /// was there.
    ///
    /// # Errors
    /// When the server is lost.
    pub(in crate::trial) async fn forget(&mut self) -> Result<(), TrialError> {
        self.applied = 0;
        run(&mut self.lock, &Marker::now(0, &self.application), Marker::WRITING).await?;
        Ok(())
    }

    /// Nothing is applied, and nothing is left.
    ///
    /// # Errors
    /// When the server refuses.
    pub(in crate::trial) async fn end(mut self) -> Result<(), TrialError> {
        Marker::remove(&mut self.lock).await?;
        let _ = self.lock.close().await;
        Ok(())
    }
}

/// What a step is doing while its file has no transaction.
const APPLYING: &str = "applying";
const REVERTING: &str = "reverting";

/// One file, with what is recorded about it.
struct Step<'s> {
    part: &'s Part,
    label: &'s str,
    what: &'static str,
    /// Migrations that are applied afterwards.
    then: usize,
}

impl Step<'_> {
    /// Runs it in a session of its own: what a file sets for its session is nobody else's.
    async fn run(&self, target: &Target, application: &str, clock: &Clock) -> Result<Applied, TrialError> {
        let mut connection = target.connect().await?;
        run(&mut connection, LOCK_TIMEOUT, "limit the wait for locks").await?;
        let mut found = None;
        if !self.part.in_transaction() {
            found = Some(definitions(&mut connection).await?);
            // It may end half-way.
            let running = literal(&format!("{} {}", self.what, self.label));
            let sql = format!("UPDATE weighbridge.in_place SET running = {running}");
            run(&mut connection, &sql, Marker::WRITING).await?;
        }
        let now = Marker::now(self.then, application);
        let manner = Manner { lasting: true, then: Some(&now), ..Manner::default() };
        let applied = apply(&mut connection, self.part, &manner, clock).await;
        let _ = connection.close().await;
        // Where the connection was lost the server may still be at it.
        if let (Err(ApplyError::Refused(_)), Some(found)) = (&applied, found) {
            nothing_began(target, &found).await;
        }
        Ok(applied?)
    }
}

/// A file without a transaction that was refused before it changed anything is not reverted: what it would drop is not
/// its own. Where the server cannot be asked, it is taken for half done.
async fn nothing_began(target: &Target, found: &[String]) {
    let Ok(mut connection) = target.connect().await else { return };
    if definitions(&mut connection).await.is_ok_and(|now| now == found) {
        let _ = run(&mut connection, "UPDATE weighbridge.in_place SET running = NULL", Marker::WRITING).await;
    }
    let _ = connection.close().await;
}

/// Indexes that a file without a transaction makes must not be there, and those that it drops must: a file that fails
/// half-way is reverted, and would take, or leave, what is somebody else's.
async fn refuse_half(connection: &mut PgConnection, files: &[Files]) -> Result<(), TrialError> {
    let (mut made, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for Files { label, up, .. } in files {
        let [makes, drops] = lossless::indexes(&up.file);
        let alone = !up.in_transaction();
        let refused = |found: String| {
            TrialError::Asked(
                Message::new(format!(
                    "{label} has no transaction, and {found}: half of such a file cannot be reverted safely"
                ))
                .help("name a migration that is not applied yet, or prove it on clones"),
            )
        };
        for name in makes.iter().filter(|name| alone && !gone.contains(*name)) {
            if is_index(connection, name).await? {
                return Err(refused(format!("there is an index {name} already")));
            }
        }
        for name in drops.iter().filter(|name| alone && !made.contains(*name)) {
            if !is_index(connection, name).await? {
                return Err(refused(format!("there is no index {name} to drop")));
            }
        }
        made.extend(makes);
        gone.extend(drops);
    }
    Ok(())
}

/// Whether there is an index of this name, in any schema.
async fn is_index(connection: &mut PgConnection, name: &str) -> Result<bool, Error> {
    query("SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relkind IN ('i', 'I'))")
        .bind(name.to_owned())
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("look for an index", e))
}

/// Reverts these migrations, the last one first.
async fn go_down(target: &Target, files: &[Files], application: &str, clock: &Clock) -> Result<(), TrialError> {
    for (position, files) in files.iter().enumerate().rev() {
        let step = Step { part: &files.down, label: &files.label, what: REVERTING, then: position };
        step.run(target, application, clock).await?;
    }
    Ok(())
}

/// Reverts what a proof that did not come to its end has left of itself in a database, and ends its sessions.
///
/// # Errors
/// When the server refuses: with what is left, and how to remove it.
pub async fn revert(place: &InPlace, application: &str) -> Result<(), TrialError> {
    let files = read(place)?;
    let clock = Clock::start();
    let target = place.target.named("weighbridge cleanup");
    let mut connection = target.connect().await?;
    end_sessions(&mut connection, application).await?;
    if !take_lock(&mut connection).await? {
        // Another proof has begun, and found what this one left.
        return Ok(());
    }
    let Some(marker) = Marker::read(&mut connection).await? else { return Ok(()) };
    if marker.application != application {
        return Err(TrialError::Asked(marker.what_is_left(&files)));
    }
    if let Err(error) = go_back(&target, &mut connection, &files, &clock).await {
        let left = match Marker::read(&mut connection).await {
            Ok(Some(marker)) => marker.what_is_left(&files),
            _ => Message::new("the server cannot be asked what is left of the proof; its next run says so"),
        };
        return Err(TrialError::Asked(error.message().then(left)));
    }
    let _ = connection.close().await;
    Ok(())
}

/// What is left of a proof, in words; nothing when there is nothing.
///
/// # Errors
/// When the server cannot be asked.
pub async fn left(place: &InPlace) -> Result<Option<Message>, TrialError> {
    let files = read(place)?;
    let mut connection = place.target.named("weighbridge cleanup").connect().await?;
    let marker = Marker::read(&mut connection).await?;
    let _ = connection.close().await;
    Ok(marker.map(|marker| marker.what_is_left(&files)))
}

/// Reverts what the marker says is applied, and removes the marker.
async fn go_back(
    target: &Target,
    connection: &mut PgConnection,
    files: &[Files],
    clock: &Clock,
) -> Result<(), TrialError> {
    let Some(marker) = Marker::read(connection).await? else { return Ok(()) };
    let applied = marker.begun().min(files.len());
    go_down(target, &files[..applied], &marker.application, clock).await?;
    Marker::remove(connection).await?;
    Ok(())
}

/// Whether no other proof changes this database; held until the session ends.
async fn take_lock(connection: &mut PgConnection) -> Result<bool, Error> {
    query("SELECT pg_try_advisory_lock(hashtext('weighbridge.in_place'))")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("look for another proof", e))
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
        let Some(down) = migration.down.clone() else {
            return Err(TrialError::Asked(
                Message::new(format!(
                    "{} has no file that reverts it, so it cannot be proven in place",
                    migration.label
                ))
                .help(format!("write {}.down.sql, or prove two databases with --before and --after", migration.label)),
            ));
        };
        if migration.up.pieces.is_empty() || migration.up.sending == Sending::Command {
            return Err(TrialError::Asked(
                Message::new(format!("{} is no SQL, so it cannot be proven in place", migration.label))
                    .help("prove it on clones (--url), or on two databases of your own"),
            ));
        }
        Ok(Files { label: migration.label.clone(), up: migration.up.clone(), down })
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
             CREATE TABLE weighbridge.in_place (application text NOT NULL, migrations text[] NOT NULL,
             applied int NOT NULL, running text);
             COMMENT ON TABLE weighbridge.in_place IS
             'weighbridge prove --in-place is applying and reverting migrations here';
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
        run(connection, sql, "remove what was recorded").await
    }

    /// Written in the transaction of a migration, or right behind its last statement.
    fn now(applied: usize, application: &str) -> String {
        let application = literal(application);
        format!("UPDATE weighbridge.in_place SET applied = {applied}, running = NULL WHERE application = {application}")
    }

    /// Migrations that are applied, as a whole or in part.
    fn begun(&self) -> usize {
        let half = self.running.as_ref().is_some_and(|running| running.starts_with(APPLYING));
        self.applied + usize::from(half)
    }

    /// Whether its migrations are those at hand.
    fn must_be_of(&self, files: &[Files]) -> Result<(), TrialError> {
        if self.migrations.iter().eq(files.iter().map(|files| &files.label)) {
            return Ok(());
        }
        Err(TrialError::Asked(
            Message::new(format!(
                "an earlier proof of {} on this database did not come to its end",
                self.migrations.join(", ")
            ))
            .then(self.what_is_left(files)),
        ))
    }

    fn what_is_left(&self, files: &[Files]) -> Message {
        let applied = match &self.migrations[..self.applied.min(self.migrations.len())] {
            [] => "none of its migrations as a whole".to_owned(),
            some => format!("{}, still applied", some.join(", ")),
        };
        let half = self.running.as_ref().map(|running| format!(", and it stopped while {running}")).unwrap_or_default();
        let begun = &self.migrations[..self.begun().min(self.migrations.len())];
        let downs = begun.iter().rev().map(|label| match files.iter().find(|files| files.label == *label) {
            Some(files) => format!("psql -f {}; ", files.down.file.path.display()),
            None => format!("psql -f {label}.down.sql; "),
        });
        let range = match self.migrations.as_slice() {
            [first, .., last] => format!("{first}..{last}"),
            [one] => one.clone(),
            [] => String::new(),
        };
        let by_hand = downs.collect::<String>();
        Message::new(format!("left in the database: {applied}{half}")).help(format!(
            "`weighbridge prove {range} --in-place` with the same --url reverts it before it begins; by hand: \
             {by_hand}then DROP TABLE weighbridge.in_place; DROP SCHEMA weighbridge"
        ))
    }
}
