//! What each statement of a part does, on a clone of its own: locks, rewrites, scans, WAL, time. Must send them in
//! the part's own transaction mode.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::clock::Clock;
use crate::evidence::round_trip::{Lock, Refused, StatementFacts, Touched};
use crate::migrate::Part;
use crate::postgres::error::database_error;
use crate::postgres::sql_text::{query, trusted};
use crate::postgres::{Error, Target};
use crate::sql::{Script, Statement};

/// A relation as it was before the file.
struct Known {
    name: String,
    rows: i64,
    is_index: bool,
}

type Relations = BTreeMap<i64, Known>;

/// Figures of the moment.
struct Figures {
    /// The file of each relation.
    files: BTreeMap<i64, i64>,
    /// Rows read by sequential scans, and rows changed, in this transaction.
    work: BTreeMap<i64, (i64, i64)>,
    /// The table of each index.
    indexes: BTreeMap<i64, (i64, String)>,
    size: i64,
}

/// What each statement did, and why it ended early.
pub(super) async fn facts(target: &Target, part: &Part) -> Result<(Vec<StatementFacts>, Option<Refused>), Error> {
    let mut connection = target.connect().await?;
    let known = relations(&mut connection).await?;
    let clock = Clock::start();
    let whole = part.in_transaction();
    if whole {
        run(&mut connection, "BEGIN").await?;
    }
    let mut facts: Vec<StatementFacts> = Vec::new();
    // Locks of the open transaction: relation and mode.
    let mut held: BTreeMap<i64, String> = BTreeMap::new();
    // Time of the migration itself: what is asked between its statements holds no lock in production.
    let mut spent_ms = 0.0;
    let mut refused = None;
    let statements = Script::parse(&part.file.text).statements;
    for (index, statement) in statements.iter().enumerate() {
        let alone = !whole && !statement.forbids_transaction() && !statement.controls_transaction();
        if alone {
            run(&mut connection, "BEGIN").await?;
        }
        let seen = Seen { part, statement, index, is_open: whole || alone };
        match seen.send(&mut connection, &known, (&mut held, spent_ms), &clock).await? {
            Ok(one) => {
                spent_ms += one.duration_ms;
                facts.push(one);
            }
            Err(refusal) => {
                refused = Some(refusal);
                break;
            }
        }
        if alone {
            spent_ms += ended(&mut connection, "COMMIT", &clock).await?;
            release(&mut facts, &mut held, spent_ms, index);
        }
    }
    if whole {
        let end = if refused.is_some() { "ROLLBACK" } else { "COMMIT" };
        spent_ms += ended(&mut connection, end, &clock).await?;
        release(&mut facts, &mut held, spent_ms, 0);
    }
    let _ = sqlx::Connection::close(connection).await;
    Ok((facts, refused))
}

/// Ends the transaction; how long that took, in milliseconds.
async fn ended(connection: &mut PgConnection, sql: &str, clock: &Clock) -> Result<f64, Error> {
    let began = clock.now_ns();
    run(connection, sql).await?;
    Ok((clock.now_ns() - began) as f64 / 1e6)
}

/// The transaction has ended, after this much time of its statements: how long locks were held is known now.
fn release(facts: &mut [StatementFacts], held: &mut BTreeMap<i64, String>, spent_ms: f64, first: usize) {
    for one in facts.iter_mut().skip(first) {
        for lock in &mut one.locks {
            // Until now the time that had been spent when it was taken.
            lock.held_ms = (spent_ms - lock.held_ms).max(0.0);
        }
    }
    held.clear();
}

struct Seen<'s> {
    part: &'s Part,
    statement: &'s Statement,
    index: usize,
    /// Whether locks outlive the statement.
    is_open: bool,
}

impl Seen<'_> {
    async fn send(
        &self,
        connection: &mut PgConnection,
        known: &Relations,
        (held, spent_ms): (&mut BTreeMap<i64, String>, f64),
        clock: &Clock,
    ) -> Result<Result<StatementFacts, Refused>, Error> {
        let text = &self.part.file.text;
        let sql = &text[self.statement.span.clone()];
        let line = text[..self.statement.span.start].matches('\n').count() + 1;
        // SET TRANSACTION must come before any query of ours.
        let is_quiet = matches!(self.statement.command, crate::sql::Command::SetTransaction(_));
        let before = if is_quiet { None } else { Some(figures(connection).await?) };
        let timeout = if is_quiet { 0 } else { lock_timeout(connection).await? };
        let wal = if is_quiet { 0 } else { wal(connection).await? };
        let began = clock.now_ns();
        let piece = self.part.pieces.iter().find(|piece| piece.span == self.statement.span);
        let sent = match piece {
            Some(piece) => crate::migrate::apply::send(connection, &self.part.file, piece).await,
            None => connection.execute(sqlx::raw_sql(trusted(sql))).await.map(drop),
        };
        let ended = clock.now_ns();
        if let Err(error) = sent {
            let Some(server) = database_error(&error) else { return Err(Error::doing("send a statement", error)) };
            let number = self.index + 1;
            let message = format!("statement {number} (line {line}): {}", server.message());
            return Ok(Err(Refused { code: Some(server.code().to_owned()), message }));
        }
        let mut facts = StatementFacts {
            sql: sql.to_owned(),
            line,
            duration_ms: (ended - began) as f64 / 1e6,
            wal_bytes: 0,
            size_bytes: 0,
            locks: Vec::new(),
            rewritten: Vec::new(),
            scanned: Vec::new(),
            changed: Vec::new(),
            built: Vec::new(),
            lock_timeout_ms: timeout,
        };
        let Some(before) = before else { return Ok(Ok(facts)) };
        facts.wal_bytes = self::wal(connection).await? - wal;
        let after = figures(connection).await?;
        facts.size_bytes = after.size - before.size;
        self.compare(&mut facts, known, &before, &after);
        if self.is_open {
            for (oid, mode) in locks(connection).await? {
                let stronger = held.get(&oid).is_none_or(|known| rank(known) < rank(&mode));
                let Some(relation) = known.get(&oid).filter(|relation| stronger && !relation.is_index) else {
                    continue;
                };
                held.insert(oid, mode.clone());
                facts.locks.push(Lock {
                    relation: relation.name.clone(),
                    mode,
                    held_ms: spent_ms,
                    rows: relation.rows,
                    is_named: self.names(&relation.name),
                });
            }
        } else {
            facts.locks = self.own_locks(known, facts.duration_ms);
        }
        Ok(Ok(facts))
    }

    fn compare(&self, facts: &mut StatementFacts, known: &Relations, before: &Figures, after: &Figures) {
        for (oid, relation) in known.iter().filter(|(_, relation)| !relation.is_index) {
            let (name, rows) = (relation.name.clone(), relation.rows);
            let (old, new) = (before.files.get(oid), after.files.get(oid));
            if old.is_some() && new.is_some() && old != new {
                facts.rewritten.push(Touched { relation: name.clone(), rows });
            }
            let of = |figures: &Figures| figures.work.get(oid).copied().unwrap_or_default();
            let ((read, changed), (read_now, changed_now)) = (of(before), of(after));
            if read_now > read {
                facts.scanned.push(Touched { relation: name.clone(), rows: read_now - read });
            }
            if changed_now > changed {
                facts.changed.push(Touched { relation: name, rows: changed_now - changed });
            }
        }
        for (oid, (table, index)) in &after.indexes {
            let is_new = !before.indexes.contains_key(oid);
            let other_file = before.files.get(oid).is_some_and(|old| Some(old) != after.files.get(oid));
            if let Some(table) = known.get(table).filter(|_| is_new || other_file) {
                facts.built.push(Touched { relation: index.clone(), rows: table.rows });
            }
        }
    }

    /// Whether the statement names a relation.
    fn names(&self, relation: &str) -> bool {
        let bare = relation.rsplit('.').next().unwrap_or(relation).trim_matches('"');
        let named: BTreeSet<&str> =
            self.statement.relations.iter().map(|relation| relation.name.name.as_str()).collect();
        named.contains(bare)
            || crate::sql::words(&self.part.file.text[self.statement.span.clone()]).iter().any(|word| word == bare)
    }

    /// Locks of what runs outside of a transaction, which are gone when it has ended: those of the documentation.
    fn own_locks(&self, known: &Relations, duration_ms: f64) -> Vec<Lock> {
        let named = |relation: &&Known| !relation.is_index && relation.rows > 0 && self.names(&relation.name);
        let mode = "ShareUpdateExclusiveLock".to_owned();
        if !self.statement.forbids_transaction() {
            return Vec::new();
        }
        let lock = |relation: &Known| Lock {
            relation: relation.name.clone(),
            mode: mode.clone(),
            held_ms: duration_ms,
            rows: relation.rows,
            is_named: true,
        };
        known.values().filter(named).map(lock).collect()
    }
}

/// Modes that block writers or readers, weakest first.
const MODES: [&str; 5] =
    ["ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

fn rank(mode: &str) -> Option<usize> {
    MODES.iter().position(|known| *known == mode)
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    let done = connection.execute(sqlx::raw_sql(trusted(sql))).await;
    done.map(drop).map_err(|e| Error::doing("end a transaction of a migration", e))
}

async fn relations(connection: &mut PgConnection) -> Result<Relations, Error> {
    let doing = |e| Error::doing("list the relations", e);
    let rows = query(
        "SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname), c.relkind IN ('i', 'I'), greatest(c.reltuples,
            0)::int8
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname !~ '^pg_' AND n.nspname NOT IN
         ('information_schema', 'weighbridge')",
    );
    let rows = rows.fetch_all(connection).await.map_err(doing)?;
    let known = |row: &sqlx::postgres::PgRow| {
        let (name, is_index, rows) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        Ok((row.try_get(0)?, Known { name, rows, is_index }))
    };
    rows.iter().map(known).collect::<Result<_, sqlx::Error>>().map_err(doing)
}

async fn figures(connection: &mut PgConnection) -> Result<Figures, Error> {
    let doing = |e| Error::doing("read what a statement did", e);
    let rows = query(
        "SELECT c.oid::int8, pg_relation_filenode(c.oid)::int8, coalesce(s.seq_tup_read, 0), coalesce(s.n_tup_ins +
            s.n_tup_upd + s.n_tup_del, 0),
                i.indrelid::int8, CASE WHEN i.indrelid IS NOT NULL THEN format('%I.%I', n.nspname, c.relname) END,
                pg_database_size(current_database())
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid LEFT JOIN pg_index i ON i.indexrelid = c.oid
         WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname !~ '^pg_' AND n.nspname NOT IN
         ('information_schema', 'weighbridge')",
    );
    let rows = rows.fetch_all(connection).await.map_err(doing)?;
    let mut figures = Figures { files: BTreeMap::new(), work: BTreeMap::new(), indexes: BTreeMap::new(), size: 0 };
    for row in &rows {
        let oid: i64 = row.try_get(0).map_err(doing)?;
        if let Some(file) = row.try_get::<Option<i64>, _>(1).map_err(doing)? {
            figures.files.insert(oid, file);
        }
        figures.work.insert(oid, (row.try_get(2).map_err(doing)?, row.try_get(3).map_err(doing)?));
        if let Some(table) = row.try_get::<Option<i64>, _>(4).map_err(doing)? {
            figures.indexes.insert(oid, (table, row.try_get(5).map_err(doing)?));
        }
        figures.size = row.try_get(6).map_err(doing)?;
    }
    Ok(figures)
}

async fn locks(connection: &mut PgConnection) -> Result<Vec<(i64, String)>, Error> {
    let doing = |e| Error::doing("read the locks", e);
    let rows = query(
        "SELECT relation::int8, mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted AND locktype = 'relation'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    let rows = rows.fetch_all(connection).await.map_err(doing)?;
    let mut strongest: BTreeMap<i64, String> = BTreeMap::new();
    for row in &rows {
        let (oid, mode): (i64, String) = (row.try_get(0).map_err(doing)?, row.try_get(1).map_err(doing)?);
        if rank(&mode).is_some() && strongest.get(&oid).is_none_or(|known| rank(known) < rank(&mode)) {
            strongest.insert(oid, mode);
        }
    }
    Ok(strongest.into_iter().collect())
}

async fn wal(connection: &mut PgConnection) -> Result<i64, Error> {
    one(connection, "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8").await
}

async fn lock_timeout(connection: &mut PgConnection) -> Result<i64, Error> {
    one(connection, "SELECT setting::int8 FROM pg_settings WHERE name = 'lock_timeout'").await
}

async fn one(connection: &mut PgConnection, sql: &str) -> Result<i64, Error> {
    let row = query(sql).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(|e| Error::doing("read what a statement did", e))
}
