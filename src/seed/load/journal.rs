//! What a load has dropped and not restored, recorded in the database itself. Must say enough to undo it by hand.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::session::{Guard, session};
use super::statement::run;
use crate::postgres::catalog::Catalog;
use crate::postgres::row_security::{self, Secured};
use crate::postgres::sql_text::query;
use crate::postgres::{Error, Target};

/// The journal of a load that has not ended.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Names spec, seed and scale.
    pub digest: String,
    /// How many programs make a part each.
    pub parts: u32,
    /// Tables it fills, part by part.
    pub tables: Vec<Filling>,
    pub(super) taken: Vec<Taken>,
}

/// One part of a table that is filled.
#[derive(Debug, Clone)]
pub struct Filling {
    /// The table as SQL.
    pub table: String,
    /// As SQL that means its own rows and not those of tables that inherit from it.
    pub own_rows: String,
    /// From 1.
    pub part: u32,
    /// Its rows are in.
    pub loaded: bool,
}

/// When something that was dropped comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Once its table is in: an index, a unique constraint, a trigger.
    OfTable,
    /// A foreign key: after all of those, and it stays in the journal until the load has ended.
    ForeignKey,
    /// `FORCE ROW LEVEL SECURITY`: last, in the transaction that ends the load, for until then every row must be seen.
    RowSecurity,
}

/// The word for [`Kind::RowSecurity`] in the journal; those before it had no such column.
pub(super) const ROW_SECURITY: &str = "row security";

/// Something that was dropped and how to make it again.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// Its number in the journal.
    pub(super) number: i32,
    /// The table it belongs to, as SQL.
    pub(super) table: String,
    /// What it is: it decides when it comes back.
    pub(super) kind: Kind,
    /// A statement that drops it if it is there.
    pub(super) drop: String,
    /// Statements that make it, in order.
    pub(super) restore: Vec<String>,
}

/// Whether a load of this database has not ended.
///
/// # Errors
/// When it cannot be asked.
pub async fn is_there(connection: &mut PgConnection) -> Result<bool, Error> {
    query("SELECT pg_catalog.to_regclass('weighbridge.seed_restore') IS NOT NULL")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing(READING, e))
}

const READING: &str = "read the journal of a load";

/// The journal of a load that has not ended, if there is one.
///
/// # Errors
/// When it cannot be read.
pub async fn read(connection: &mut PgConnection) -> Result<Option<Journal>, Error> {
    if !is_there(connection).await? {
        return Ok(None);
    }
    read_all(connection).await.map(Some).map_err(|e| Error::doing(READING, e))
}

async fn read_all(connection: &mut PgConnection) -> Result<Journal, sqlx::Error> {
    let load = query("SELECT digest, parts FROM weighbridge.seed_load").fetch_one(&mut *connection).await?;
    let tables = query("SELECT name, own_rows, part, loaded FROM weighbridge.seed_tables ORDER BY name, part")
        .fetch_all(&mut *connection)
        .await?;
    let taken = query(
        "SELECT number, relation, is_foreign_key, drop_it, statements, to_jsonb(r)->>'kind'
         FROM weighbridge.seed_restore r ORDER BY number",
    )
    .fetch_all(&mut *connection)
    .await?;
    let filling = |row: &PgRow| {
        Ok(Filling {
            table: row.try_get(0)?,
            own_rows: row.try_get(1)?,
            part: row.try_get::<i32, _>(2)? as u32,
            loaded: row.try_get(3)?,
        })
    };
    let one = |row: &PgRow| {
        Ok(Taken {
            number: row.try_get(0)?,
            table: row.try_get(1)?,
            kind: match (row.try_get(2)?, row.try_get::<Option<String>, _>(5)?.as_deref()) {
                (_, Some(ROW_SECURITY)) => Kind::RowSecurity,
                (true, _) => Kind::ForeignKey,
                (false, _) => Kind::OfTable,
            },
            drop: row.try_get(3)?,
            restore: row.try_get(4)?,
        })
    };
    Ok(Journal {
        digest: load.try_get(0)?,
        parts: load.try_get::<i32, _>(1)? as u32,
        tables: tables.iter().map(filling).collect::<Result<_, sqlx::Error>>()?,
        taken: taken.iter().map(one).collect::<Result<_, sqlx::Error>>()?,
    })
}

/// The catalog as it was before anything was dropped: the plan of a load that goes on is made from it again.
///
/// # Errors
/// When it cannot be read.
pub async fn catalog_before(connection: &mut PgConnection) -> Result<Catalog, Error> {
    let read = async {
        let row = query("SELECT catalog FROM weighbridge.seed_load").fetch_one(connection).await?;
        let written: String = row.try_get(0)?;
        serde_json::from_str(&written).map_err(|e| sqlx::Error::Decode(Box::new(e)))
    };
    read.await.map_err(|e| Error::doing(READING, e))
}

/// Nothing is off any more.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<(), Error> {
    run(connection, "DROP SCHEMA weighbridge CASCADE", "remove the journal of the load").await
}

/// The journal of a load that has not ended, if there is one, on a session of its own.
///
/// # Errors
/// When the server cannot be reached, or it cannot be read.
pub async fn read_at(target: &Target) -> Result<Option<Journal>, Error> {
    let mut connection = session(target).await?;
    read(&mut connection).await
}

/// Undoes a load that has not ended, in one transaction: its tables are empty again, as they were, and everything is
/// back. False when there was nothing to undo. `tell` hears how many statements are done, and of how many.
///
/// # Errors
/// When the server refuses; the journal is then still there, and [`Journal::sql`] says what it holds.
pub async fn undo(target: &Target, guard: &mut Guard, tell: impl Fn(usize, usize)) -> Result<bool, Error> {
    const UNDO: &str = "undo the load";
    guard.end_left_overs().await?;
    let mut connection = session(target).await?;
    run(&mut connection, "BEGIN", UNDO).await?;
    let Some(journal) = read(&mut connection).await? else { return Ok(false) };
    // Foreign keys come back only where every row is seen; a journal of an earlier version has not lifted what hides
    // some.
    let standing = row_security::secured(&mut connection).await?;
    row_security::lift(&mut connection, &standing).await?;
    let back = standing.iter().filter(|t| t.is_owned).map(Secured::put_back);
    let statements: Vec<String> = journal.sql().into_iter().chain(back).collect();
    for (done, sql) in statements.iter().enumerate() {
        tell(done, statements.len());
        run(&mut connection, sql, UNDO).await?;
    }
    run(&mut connection, "COMMIT", UNDO).await?;
    Ok(true)
}

impl Journal {
    /// The tables it fills, as SQL, each once.
    #[must_use]
    pub fn table_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.iter().map(|filling| filling.table.as_str()).collect();
        names.dedup();
        names
    }

    /// How many indexes, constraints, triggers and policies are off.
    #[must_use]
    pub fn taken_count(&self) -> usize {
        self.taken.len()
    }

    /// The statements that bring the database back to what it was before the load.
    #[must_use]
    pub fn sql(&self) -> Vec<String> {
        let of = |kind: Kind| self.taken.iter().filter(move |taken| taken.kind == kind);
        let mut statements: Vec<String> = of(Kind::ForeignKey).map(|key| key.drop.clone()).collect();
        // A table whose rows are not in was empty before and is so now: only what we filled is emptied.
        let mut filled: Vec<&str> = self.tables.iter().filter(|t| t.loaded).map(|t| t.own_rows.as_str()).collect();
        filled.dedup();
        if !filled.is_empty() {
            statements.push(format!("TRUNCATE {}", filled.join(", ")));
        }
        let back = of(Kind::OfTable).chain(of(Kind::ForeignKey)).chain(of(Kind::RowSecurity));
        statements.extend(back.flat_map(|taken| taken.restore.iter().cloned()));
        statements.push("DROP SCHEMA weighbridge CASCADE".to_owned());
        statements
    }
}
