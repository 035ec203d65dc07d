//! The three databases of a trial: clones of one template, one of them migrated. Must treat all equally but for that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Connection, Row};

use super::sequences::follow_sequences;
use super::wholes::Wholes;
use crate::clock::Clock;
use crate::evidence::{Autovacuum, CloneFacts, LockFacts, MigrationFacts, Side, SkippedObject, StatementFacts};
use crate::migrate::{Applied, HeldLock, Migration, Skipped, Steps};
use crate::postgres::database::{Admin, Cloned, Token};
use crate::postgres::observe;
use crate::postgres::sql_text::query;
use crate::postgres::{Error, Target};
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::prepare::refuse_empty_picks;
use crate::trial::settings::Settings;

/// Clones the sides from a template; migrations `between` its schema and the one to prove are applied
/// once, before the sides are cloned from the result.
///
/// # Errors
/// When the server refuses, or one of the migrations does.
pub async fn clone_sides(
    settings: &Settings,
    admin: &mut Admin,
    token: &Token,
    template: &str,
    between: Steps<'_>,
    clock: &Clock,
) -> Result<Vec<CloneFacts>, TrialError> {
    let (mut from, mut inherited) = (template.to_owned(), Vec::new());
    if !between.migrations.is_empty() {
        let base = token.clone_name("base");
        (settings.listener)(Event::Cloning { side: "base" });
        inherited = admin.clone_database(template, &base).await?.refused;
        open_for_sessions(admin, &base).await?;
        let target = admin.target().database(&base);
        migrate_base(settings, &target, between, clock).await?;
        from = base;
    }
    let mut clones = Vec::new();
    for side in Side::ALL {
        (settings.listener)(Event::Cloning { side: side.name() });
        let name = token.clone_name(side.name());
        let began = clock.now_ns();
        let Cloned { strategy, refused } = admin.clone_database(&from, &name).await?;
        let refused = [inherited.clone(), refused].concat();
        let duration_ms = (clock.now_ns() - began) as f64 / 1e6;
        open_for_sessions(admin, &name).await?;
        if side == Side::ALL[0] {
            refuse_empty_picks(settings, &admin.target().database(&name)).await?;
        }
        let (side, strategy) = (side.name().to_owned(), strategy.map(str::to_owned));
        clones.push(CloneFacts { side, replicate: 0, strategy, duration_ms, refused });
    }
    if from != template {
        admin.drop_own(token, &from).await?;
    }
    Ok(clones)
}

/// A clone inherits nothing of a template's flags, but a server may be set otherwise; say it.
async fn open_for_sessions(admin: &mut Admin, name: &str) -> Result<(), Error> {
    let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", crate::postgres::sql_text::identifier(name));
    run(admin.connection(), &sql, "open a clone").await
}

/// Applies earlier migrations to what the sides are cloned from, and maintains what they touched. The rest keeps the
/// template's statistics: another sample would make counts differ from run to run.
async fn migrate_base(settings: &Settings, base: &Target, between: Steps<'_>, clock: &Clock) -> Result<(), TrialError> {
    let mut connection = base.connect().await?;
    let sampling = sampling(&mut connection).await?;
    let wholes = Wholes::read(&mut connection).await?;
    let _ = connection.close().await;
    apply_all(settings, base, between, clock).await?;
    let mut connection = base.connect().await?;
    observe::settle(&connection).await;
    let mut touched = touched_tables(&mut connection, &sampling, true).await?;
    // Where they were applied long ago somebody will have analyzed these too.
    touched.extend(Wholes::read(&mut connection).await?.left_unsampled(&wholes));
    let _ = connection.close().await;
    Ok(each_table(base, &touched, "VACUUM (ANALYZE)").await?)
}

async fn apply_all(
    settings: &Settings,
    target: &Target,
    steps: Steps<'_>,
    clock: &Clock,
) -> Result<Vec<Applied>, TrialError> {
    let mut applied = Vec::new();
    for (position, migration) in steps.migrations.iter().enumerate() {
        (settings.listener)(Event::Migrating { migration: &migration.label });
        let mut connection = target.connect().await?;
        applied.push(steps.apply(&mut connection, target, position, clock).await?);
        // The session's own changes show in the counters only after it has ended.
        let _ = connection.close().await;
    }
    Ok(applied)
}

/// Applies the migrations to `after`, and the maintenance they imply equally to all sides.
///
/// # Errors
/// When a migration is refused.
pub async fn migrate_after(
    settings: &Settings,
    targets: &[(Side, Target); 3],
    steps: Steps<'_>,
    clock: &Clock,
) -> Result<MigrationFacts, TrialError> {
    let after = &targets[2].1;
    let mut connection = after.connect().await?;
    let size_bytes_before = size(&mut connection).await?;
    let sampling = sampling(&mut connection).await?;
    let wholes = Wholes::read(&mut connection).await?;
    let files = files(&mut connection).await?;
    let _ = connection.close().await;
    let applied = apply_all(settings, after, steps, clock).await?;
    let mut connection = after.connect().await?;
    observe::settle(&connection).await;
    let size_bytes_after = size(&mut connection).await?;
    let touched = touched_tables(&mut connection, &sampling, true).await?;
    let rewritten = rewritten(&files, &self::files(&mut connection).await?);
    let _ = connection.close().await;
    maintain(targets, &touched, &rewritten).await?;
    follow_sequences(targets).await?;
    let mut connection = after.connect().await?;
    let now = Wholes::read(&mut connection).await?;
    let _ = connection.close().await;
    for (_, target) in targets {
        analyze_tables(target, &now.sampled_anew(&wholes)).await?;
    }
    (settings.listener)(Event::Migrated(applied.iter().map(|applied| applied.duration).sum()));
    let facts = migration_facts(label(steps.migrations), applied, (size_bytes_before, size_bytes_after));
    Ok(MigrationFacts { unsampled: now.left_unsampled(&wholes), rewritten, ..facts })
}

/// What applying migrations took, and how it changed the size of the database.
pub(super) fn migration_facts(
    label: String,
    applied: Vec<Applied>,
    (size_bytes_before, size_bytes_after): (i64, i64),
) -> MigrationFacts {
    let duration_ms = applied.iter().map(|applied| ms(applied.duration)).sum();
    let skipped = applied.iter().flat_map(|applied| applied.skipped.iter().map(skipped_object)).collect();
    let locks = applied.iter().flat_map(|applied| applied.locks.clone());
    let locks = locks.map(|HeldLock { table, mode, held }| LockFacts { table, mode, held_ms: ms(held) }).collect();
    let statements = applied.into_iter().flat_map(|applied| applied.statements);
    let statements = statements.map(|(sql, time)| StatementFacts { sql, duration_ms: ms(time) }).collect();
    let (unsampled, rewritten) = (Vec::new(), Vec::new());
    MigrationFacts {
        label,
        statements,
        duration_ms,
        size_bytes_before,
        size_bytes_after,
        unsampled,
        skipped,
        rewritten,
        locks,
    }
}

fn skipped_object(skipped: &Skipped) -> SkippedObject {
    let Skipped { kind, name, invalid, otherwise } = skipped.clone();
    let (found, wanted) = otherwise.unzip();
    SkippedObject { kind: kind.to_owned(), name, invalid, found, wanted }
}

/// One name for one migration or a range.
pub(super) fn label(migrations: &[Migration]) -> String {
    match migrations {
        [one] => one.label.clone(),
        [first, .., last] => format!("{}..{}", first.label, last.label),
        [] => String::new(),
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// How finely columns are to be sampled, by table and number of the column: −1 as the server says.
pub(super) type Sampling = BTreeMap<(String, i16), i32>;

/// Reads how finely columns are to be sampled.
///
/// # Errors
/// When the catalog cannot be read.
pub(super) async fn sampling(connection: &mut sqlx::postgres::PgConnection) -> Result<Sampling, Error> {
    // From 17 on NULL is what −1 was (pg_attribute).
    let rows = query(
        "SELECT format('%I.%I', n.nspname, c.relname), a.attnum, coalesce(a.attstattarget, -1)::int4
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| Error::doing("read how columns are sampled", e))?;
    let column = |row: &PgRow| Some(((row.try_get(0).ok()?, row.try_get(1).ok()?), row.try_get(2).ok()?));
    Ok(rows.iter().filter_map(column).collect())
}

/// Tables that need ANALYZE after the migration: changed rows or maintenance of its own (if asked), new tables,
/// columns, expressions or `CREATE STATISTICS` without data, and columns to be sampled otherwise than they were.
/// Untouched tables keep the template's statistics, so that the chance of a new sample is not taken for an effect.
///
/// # Errors
/// When the catalog cannot be read.
pub(super) async fn touched_tables(
    connection: &mut sqlx::postgres::PgConnection,
    known: &Sampling,
    rows_too: bool,
) -> Result<Vec<String>, Error> {
    let rows = query(
        "SELECT DISTINCT format('%I.%I', n.nspname, c.relname)
         FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND (c.reltuples < 0
                OR $1 AND (s.n_mod_since_analyze > 0 OR s.analyze_count > 0 OR s.vacuum_count > 0)
                OR c.reltuples > 0 AND EXISTS (
                     SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                       AND a.attgenerated <> 'v' AND coalesce(a.attstattarget::int, -1) <> 0
                       AND NOT EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname
                                       AND p.attname = a.attname))
                OR c.reltuples > 0 AND EXISTS (
                     SELECT FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
                     WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL
                       AND NOT EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname
                       AND p.tablename = ic.relname))
                OR c.reltuples > 0 AND EXISTS (
                     SELECT FROM pg_statistic_ext e JOIN pg_namespace en ON en.oid = e.stxnamespace
                     WHERE e.stxrelid = c.oid AND e.stxkind && '{d,f,m}'
                       AND NOT EXISTS (SELECT FROM pg_stats_ext p
                                       WHERE p.statistics_schemaname = en.nspname AND p.statistics_name = e.stxname
                                         AND (p.n_distinct IS NOT NULL OR p.dependencies IS NOT NULL
                                         OR p.most_common_vals IS NOT NULL))))
         ORDER BY 1",
    )
    .bind(rows_too)
    .fetch_all(&mut *connection)
    .await
    .map_err(|e| Error::doing("find the tables the migration touched", e))?;
    let mut touched: BTreeSet<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    let now = sampling(connection).await?;
    let otherwise = now.into_iter().filter(|(column, finely)| known.get(column).is_some_and(|old| old != finely));
    touched.extend(otherwise.map(|((table, _), _)| table));
    Ok(touched.into_iter().collect())
}

/// New statistics for every table of every side that has any or would get some, each from a sample of its own: what an
/// `ANALYZE` may find by chance.
///
/// # Errors
/// When the server is lost.
pub async fn analyze(targets: &[(Side, Target); 3]) -> Result<(), Error> {
    for (_, target) in targets {
        let mut connection = target.connect().await?;
        let doing = |e| Error::doing("look for tables to sample again", e);
        let rows = query(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE (c.relkind IN ('r', 'm') OR c.relkind = 'p' AND 0 <= c.reltuples)
               AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY c.relkind = 'p', 1",
        );
        let rows = rows.fetch_all(&mut connection).await.map_err(doing)?;
        let _ = connection.close().await;
        let tables: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        analyze_tables(target, &tables).await?;
    }
    Ok(())
}

/// Turns autovacuum off for every table of the sides, where the server has it on: a worker that comes to one side only
/// would look like the migration.
///
/// # Errors
/// When the server is lost.
pub async fn quiet_autovacuum(targets: &[(Side, Target); 3]) -> Result<Autovacuum, Error> {
    const OFF: &str = "DO $$ DECLARE one regclass; BEGIN
        FOR one IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP
          EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)', one);
        END LOOP; END $$";
    for (_, target) in targets {
        let mut connection = target.connect().await?;
        let on: bool = query("SELECT current_setting('autovacuum')::bool")
            .fetch_one(&mut connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("read whether autovacuum is on", e))?;
        let done = match on {
            true => run(&mut connection, OFF, "turn autovacuum off for the tables of a side").await,
            false => Ok(()),
        };
        let _ = connection.close().await;
        match (on, done) {
            (false, _) => return Ok(Autovacuum::Off),
            // A role that does not own every table: then workers are looked for, slice by slice.
            (true, Err(_)) => return Ok(Autovacuum::Running),
            (true, Ok(())) => {}
        }
    }
    Ok(Autovacuum::OffForTables)
}

/// Bytes of the relations of these names on a side: tables with what belongs to them but no index, and indexes; and the
/// server's shared buffers.
///
/// # Errors
/// When the server is lost.
pub async fn working_set(target: &Target, names: Vec<String>) -> Result<(u64, u64), Error> {
    let mut connection = target.connect().await?;
    let row = query(
        "SELECT coalesce(sum(CASE WHEN c.relkind = 'i' THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END),
         0)::int8,
                (SELECT setting::int8 * 8192 FROM pg_settings WHERE name = 'shared_buffers')
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'i', 'm') AND n.nspname !~ '^pg_'",
    )
    .bind(names)
    .fetch_one(&mut connection)
    .await
    .map_err(|e| Error::doing("measure what the plans touch", e))?;
    let _ = connection.close().await;
    let bytes = |at: usize| row.try_get::<i64, _>(at).unwrap_or_default() as u64;
    Ok((bytes(0), bytes(1)))
}

/// What the migration implies is done to every side, so that fresh statistics are no effect of it, nor is a map of free
/// space that a rewrite leaves: every page is examined, for of those that are all visible VACUUM records none
/// otherwise.
async fn maintain(targets: &[(Side, Target); 3], touched: &[String], rewritten: &[String]) -> Result<(), Error> {
    let alone: Vec<String> = rewritten.iter().filter(|table| !touched.contains(table)).cloned().collect();
    for (_, target) in targets {
        each_table(target, touched, "VACUUM (ANALYZE, DISABLE_PAGE_SKIPPING)").await?;
        each_table(target, &alone, "VACUUM (DISABLE_PAGE_SKIPPING)").await?;
    }
    Ok(())
}

/// The file of each table, by name.
type Files = BTreeMap<String, String>;

async fn files(connection: &mut sqlx::postgres::PgConnection) -> Result<Files, Error> {
    let rows = query(
        "SELECT format('%I.%I', n.nspname, c.relname), pg_relation_filenode(c.oid)::text
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| Error::doing("read the files of tables", e))?;
    Ok(rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect())
}

/// Tables that have another file than before.
fn rewritten(before: &Files, after: &Files) -> Vec<String> {
    let other = after.iter().filter(|(table, file)| before.get(*table).is_some_and(|known| known != *file));
    other.map(|(table, _)| table.clone()).collect()
}

/// Samples these tables again, those that are there.
///
/// # Errors
/// When the server is lost.
pub(super) async fn analyze_tables(target: &Target, tables: &[String]) -> Result<(), Error> {
    each_table(target, tables, "ANALYZE").await
}

async fn each_table(target: &Target, tables: &[String], command: &str) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let mut connection = target.connect().await?;
    for table in tables {
        let exists: bool = query("SELECT to_regclass($1) IS NOT NULL")
            .bind(table.clone())
            .fetch_one(&mut connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("look for a table", e))?;
        if exists {
            run(&mut connection, &format!("{command} {table}"), "maintain what the migration touched").await?;
        }
    }
    let _ = connection.close().await;
    Ok(())
}

/// Bytes of the connected database.
///
/// # Errors
/// When it cannot be asked.
pub(super) async fn size(connection: &mut sqlx::postgres::PgConnection) -> Result<i64, Error> {
    query("SELECT pg_database_size(current_database())")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("measure the database", e))
}

/// Runs statements of ours.
///
/// # Errors
/// When the server refuses one.
pub(super) async fn run(connection: &mut sqlx::postgres::PgConnection, sql: &str, doing: &str) -> Result<(), Error> {
    use sqlx::Executor;
    connection
        .execute(sqlx::raw_sql(crate::postgres::sql_text::trusted(sql)))
        .await
        .map(drop)
        .map_err(|e| Error::doing(doing, e))
}
