//! What an operation that writes does to tables, seen before it is rolled back: the rows it leaves and those it takes
//! away, through triggers and cascades too. Must be used only where nobody else writes.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};

use super::answer::{Of, Rows, Tables};
use super::operation::{fetch, quiet, run};
use crate::postgres::sql_text::{identifier, literal, trusted};
use crate::postgres::{Error, Target};
use crate::trial::error::TrialError;

/// Watches one session from another.
pub(super) struct Tracer {
    /// Still sees what a transaction that has not ended takes away.
    witness: PgConnection,
    /// Rows written to each table when the operation began: the server counts earlier ones too until it has taken note
    /// of them.
    written: BTreeMap<String, i64>,
    /// Tables that are read for every set, the same on every side; others for the first few.
    pub(super) small: BTreeSet<String>,
    /// The role that the counted session acts as, which need not see what it writes.
    role: Option<String>,
}

/// Larger tables are not read whole, and named.
const LARGEST: &str = "256 << 20";

/// Tables below this are read for every set: 32 of them are as much to read as two of the largest.
const SMALL: &str = "16 << 20";

impl Tracer {
    /// # Errors
    /// When the server refuses.
    pub(super) async fn new(target: &Target) -> Result<Self, Error> {
        let mut witness = quiet(&target.own()).await?;
        // What the counted session locks is not waited for.
        run(&mut witness, "SET lock_timeout = '1s'").await?;
        Ok(Self { witness, written: BTreeMap::new(), small: BTreeSet::new(), role: target.role().map(str::to_owned) })
    }

    /// An operation begins, in a transaction.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn begin(&mut self, connection: &mut PgConnection) -> Result<(), TrialError> {
        self.written = self.written_now(connection).await?.into_iter().map(|(table, rows, _)| (table, rows)).collect();
        Ok(())
    }

    /// Rows written to each table so far, by the names that the tracing session knows them by.
    async fn written_now(&self, connection: &mut PgConnection) -> Result<Vec<(String, i64, bool)>, TrialError> {
        self.as_user(connection).await?;
        let found = written(connection).await?;
        self.as_role(connection).await?;
        Ok(found)
    }

    /// Lets the counted session, inside its transaction, act as its user.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn as_user(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.role.is_some() { run(connection, "SET LOCAL ROLE NONE").await } else { Ok(()) }
    }

    /// Lets it act as the role that asks again.
    ///
    /// # Errors
    /// When the server is lost or refuses the role.
    pub(super) async fn as_role(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let Some(role) = &self.role else { return Ok(()) };
        let set = connection.execute(sqlx::raw_sql(trusted(format!("SET LOCAL ROLE {}", identifier(role))))).await;
        set.map(drop).map_err(|e| Error::doing(format!("act as the role `{role}`"), e))
    }

    /// What the operation, whose transaction has this number, left and took away by now, in every table or in the small
    /// ones alone. Of every table, those that are too large to be read whole, or cannot be read, are added to
    /// `untraced`.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn end(
        &mut self,
        connection: &mut PgConnection,
        own: &str,
        untraced: &mut BTreeSet<String>,
        every: bool,
    ) -> Result<Vec<Rows>, TrialError> {
        let mut found = Vec::new();
        for (table, rows, small) in self.written_now(connection).await? {
            // What is read for every set may have grown by what was rolled back.
            let wanted = every || small && self.small.contains(&table);
            if self.written.get(&table) == Some(&rows) || !wanted {
                continue;
            }
            run(connection, "SAVEPOINT counted").await?;
            // Undone with the savepoint.
            self.as_user(connection).await?;
            let traced = if small { self.table(connection, &table, own).await? } else { None };
            run(connection, "ROLLBACK TO SAVEPOINT counted").await?;
            match traced {
                Some(rows) => found.extend(rows),
                None if every => drop(untraced.insert(table)),
                None => {}
            }
        }
        Ok(found)
    }

    /// The rows of a table that the transaction with this number leaves, and those it takes away or replaces; nothing
    /// where they cannot be read.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn table(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
        own: &str,
    ) -> Result<Option<[Rows; 2]>, TrialError> {
        // No older than the transaction: what follows a savepoint has a number of its own.
        let left = format!("SELECT * FROM ONLY {table} WHERE age(xmin) <= age('{own}'::xid)");
        let Ok(left) = fetch(connection, &left).await? else { return Ok(None) };
        let Some(gone) = self.gone(connection, table).await? else { return Ok(None) };
        Ok(Some([
            Rows::new(&left, "", false).of(Of::Left(table.to_owned())),
            Rows::new(&gone, "", false).of(Of::Gone(table.to_owned())),
        ]))
    }

    /// The rows of a table as they were that the transaction deletes or replaces.
    async fn gone(&mut self, connection: &mut PgConnection, table: &str) -> Result<Option<Vec<PgRow>>, TrialError> {
        let Some(places) = self.replaced(connection, table).await? else { return Ok(None) };
        Ok(fetch(&mut self.witness, &format!("SELECT * FROM ONLY {table} WHERE {}", at(&places))).await?.ok())
    }

    /// The places of the rows of a table that the transaction deletes or replaces: the tracing session still sees them,
    /// marked. Rows that it only locks are marked too, as are some from earlier transactions, but they are still there
    /// for it. Nothing where the table cannot be read, or is too large to be.
    ///
    /// # Errors
    /// When the server is lost.
    pub(super) async fn replaced(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<Option<BTreeSet<String>>, TrialError> {
        let small = format!("SELECT (pg_table_size({}::regclass) < {LARGEST})::text", literal(table));
        let small = fetch(&mut self.witness, &small).await?.ok();
        let small = small.and_then(|rows| rows.first()?.try_get::<String, _>(0).ok());
        if small.as_deref() != Some("true") {
            return Ok(None);
        }
        let marked = format!("SELECT ctid::text FROM ONLY {table} WHERE xmax <> '0'::xid");
        let Ok(marked) = fetch(&mut self.witness, &marked).await? else { return Ok(None) };
        let place = |row: &PgRow| row.try_get::<String, _>(0).unwrap_or_default();
        let mut places: BTreeSet<String> = marked.iter().map(place).collect();
        let still_there = format!("SELECT ctid::text FROM ONLY {table} WHERE {}", at(&places));
        let Ok(still_there) = fetch(connection, &still_there).await? else { return Ok(None) };
        let still_there: BTreeSet<String> = still_there.iter().map(place).collect();
        places.retain(|place| !still_there.contains(place));
        Ok(Some(places))
    }
}

/// A condition that rows are at these places.
fn at(places: &BTreeSet<String>) -> String {
    let places: Vec<String> = places.iter().map(|place| literal(place)).collect();
    format!("ctid = ANY (ARRAY[{}]::tid[])", places.join(", "))
}

/// Rows written to each table as far as this session's transaction knows, and whether the table is small enough to be
/// read whole.
async fn written(connection: &mut PgConnection) -> Result<Vec<(String, i64, bool)>, TrialError> {
    let sql = format!(
        "SELECT relid::regclass::text, (n_tup_ins + n_tup_upd + n_tup_del)::text,
         (pg_table_size(relid) < {LARGEST})::text
         FROM pg_stat_xact_user_tables WHERE 0 < n_tup_ins + n_tup_upd + n_tup_del ORDER BY 1"
    );
    let Ok(rows) = fetch(connection, &sql).await? else { return Ok(Vec::new()) };
    let text = |row: &PgRow, at: usize| row.try_get::<String, _>(at).unwrap_or_default();
    let of = |row: &PgRow| (text(row, 0), text(row, 1).parse().unwrap_or_default(), text(row, 2) == "true");
    Ok(rows.iter().map(of).collect())
}

/// Tables that are small enough to be read again and again.
///
/// # Errors
/// When the server is lost.
pub(super) async fn small_tables(connection: &mut PgConnection) -> Result<BTreeSet<String>, TrialError> {
    let sql = format!(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND pg_table_size(c.oid) < {SMALL}"
    );
    let Ok(rows) = fetch(connection, &sql).await? else { return Ok(BTreeSet::new()) };
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// The columns of every table that is not partitioned.
///
/// # Errors
/// When the server is lost.
pub(super) async fn columns_of_tables(connection: &mut PgConnection) -> Result<Tables, TrialError> {
    let sql =
        "SELECT a.attrelid::regclass::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE c.relkind = 'r' AND 0 < a.attnum AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";
    let mut tables = Tables::new();
    let Ok(rows) = fetch(connection, sql).await? else { return Ok(tables) };
    for row in rows {
        let (Ok(table), Ok(column)) = (row.try_get(0), row.try_get(1)) else { continue };
        let columns: &mut Vec<String> = tables.entry(table).or_default();
        columns.push(column);
    }
    Ok(tables)
}
