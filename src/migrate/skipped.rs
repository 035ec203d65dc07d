//! What `IF NOT EXISTS` did not make because something of that name was there. Must leave the database as it is.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::postgres::Error;
use crate::postgres::sql_text::{identifier, query, trusted};
use crate::sql::{self, Command, CreateIndex, Name, Object};

/// Something that was there before a migration, so that one of its statements did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// `index`, `table`, `materialized view` or `sequence`.
    pub kind: &'static str,
    /// Its name, with its schema.
    pub name: String,
    /// It is an index that is invalid: no query uses it.
    pub invalid: bool,
    /// Of an index that is made otherwise: how it is made, and how the statement would have made it.
    pub otherwise: Option<(String, String)>,
}

/// What stands where statements with `IF NOT EXISTS` would make something.
pub(super) struct Watched {
    found: Vec<Found>,
}

struct Found {
    statement: String,
    oid: i64,
}

impl Watched {
    /// Looks before the migration.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub(super) async fn before(connection: &mut PgConnection, text: &str) -> Result<Self, Error> {
        let mut found = Vec::new();
        for span in sql::statements(text) {
            let statement = &text[span];
            if let Some(oid) = stands(connection, statement).await? {
                found.push(Found { statement: statement.to_owned(), oid });
            }
        }
        Ok(Self { found })
    }

    /// What is still there after it, and so was not made by it.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub(super) async fn after(self, connection: &mut PgConnection) -> Result<Vec<Skipped>, Error> {
        let mut skipped = Vec::new();
        for Found { statement, oid } in self.found {
            if stands(connection, &statement).await? != Some(oid) {
                continue;
            }
            let row = query(
                "SELECT n.nspname || '.' || c.relname, i.indisvalid, pg_get_indexdef(i.indexrelid)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid \
                 = c.oid
                 WHERE c.oid = $1::int8::oid",
            )
            .bind(oid)
            .fetch_one(&mut *connection)
            .await
            .map_err(doing)?;
            let name = row.try_get(0).map_err(doing)?;
            let (valid, definition): (Option<bool>, Option<String>) =
                (row.try_get(1).map_err(doing)?, row.try_get(2).map_err(doing)?);
            let (kind, otherwise) = match (Asked::of(&statement), definition) {
                (Some(Asked::Index(index)), Some(definition)) => {
                    ("index", otherwise(connection, &statement, &index, &definition).await)
                }
                (Some(Asked::Relation(object, _)), _) => (object.words(), None),
                _ => ("relation", None),
            };
            skipped.push(Skipped { kind, name, invalid: valid == Some(false), otherwise });
        }
        Ok(skipped)
    }
}

fn doing(error: sqlx::Error) -> Error {
    Error::doing("look for what a migration would make", error)
}

/// What a statement with `IF NOT EXISTS` asks for.
enum Asked {
    Index(Box<CreateIndex>),
    Relation(Object, Name),
}

impl Asked {
    fn of(statement: &str) -> Option<Self> {
        Some(match sql::parse_one(statement)?.command {
            Command::CreateIndex(index) if index.if_not_exists => Self::Index(index),
            Command::CreateTable(table) if table.if_not_exists => Self::Relation(Object::Table, table.name),
            Command::CreateTableAs { name, if_not_exists: true, .. } => Self::Relation(Object::Table, name),
            Command::CreateView { name, if_not_exists: true, materialized: true, .. } => {
                Self::Relation(Object::MaterializedView, name)
            }
            Command::Create { object: Object::Sequence, name: Some(name), if_not_exists: true, .. } => {
                Self::Relation(Object::Sequence, name)
            }
            _ => return None,
        })
    }
}

/// The relation that stands where a statement with `IF NOT EXISTS` would make one.
async fn stands(connection: &mut PgConnection, statement: &str) -> Result<Option<i64>, Error> {
    let written = |name: &Name| match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    };
    let found = match Asked::of(statement) {
        None => return Ok(None),
        // An index has the schema of its table.
        Some(Asked::Index(index)) => {
            query(
                "SELECT c.oid::int8 FROM pg_class c JOIN pg_class t ON t.relnamespace = c.relnamespace
                 WHERE c.relname = $1 AND t.oid = to_regclass($2)",
            )
            .bind(index.name.unwrap_or_default())
            .bind(written(&index.table))
            .fetch_optional(connection)
            .await
        }
        Some(Asked::Relation(_, name)) => {
            query("SELECT oid::int8 FROM pg_class WHERE oid = to_regclass($1)")
                .bind(written(&name))
                .fetch_optional(connection)
                .await
        }
    };
    found.and_then(|row| row.map(|row| row.try_get(0)).transpose()).map_err(doing)
}

/// How an index is made, and how a statement would make it, where that differs; nothing where the server cannot be
/// asked. The statement is
/// tried on an empty copy of the table, in a transaction that is rolled back.
async fn otherwise(
    connection: &mut PgConnection,
    statement: &str,
    index: &CreateIndex,
    definition: &str,
) -> Option<(String, String)> {
    let table = &statement[index.table_span.clone()];
    let unique = if index.unique { "UNIQUE " } else { "" };
    let rest = &statement[index.table_span.end..];
    let probe = format!(
        "BEGIN; CREATE TEMP TABLE weighbridge_probe (LIKE {table}); \
         CREATE {unique}INDEX weighbridge_probe_index ON pg_temp.weighbridge_probe {rest}"
    );
    let made = connection.execute(sqlx::raw_sql(trusted(probe))).await.is_ok();
    let wanted = match made {
        true => query("SELECT pg_get_indexdef('pg_temp.weighbridge_probe_index'::regclass)")
            .fetch_one(&mut *connection)
            .await
            .and_then(|row| row.try_get::<String, _>(0))
            .ok(),
        false => None,
    };
    let _ = connection.execute(sqlx::raw_sql("ROLLBACK")).await;
    let essence = |definition: &str| -> Option<String> {
        let (_, made) = definition.split_once(" USING ")?;
        Some(format!("{}{made}", if definition.starts_with("CREATE UNIQUE") { "UNIQUE " } else { "" }))
    };
    let (found, wanted) = (essence(definition)?, essence(&wanted?)?);
    (found != wanted).then_some((found, wanted))
}
