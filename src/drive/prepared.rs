//! A prepared statement and its values, which are already in the server's form. Must not look into them.

use std::sync::Arc;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments, Either, Encode, Executor, Postgres, SqlSafeStr, Statement, Type};

use crate::postgres::sql_text::trusted;

/// A statement as it is sent: tagged text and the types the server inferred.
#[derive(Debug)]
pub struct Prepared {
    /// The text.
    pub sql: Arc<str>,
    types: Vec<PgTypeInfo>,
}

impl Prepared {
    /// Prepares a statement on a connection, which keeps it under its text.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn new(connection: &mut PgConnection, sql: Arc<str>) -> Result<Self, sqlx::Error> {
        let statement = connection.prepare(trusted(&*sql).into_sql_str()).await?;
        let types = match statement.parameters() {
            Some(Either::Left(types)) => types.to_vec(),
            _ => Vec::new(),
        };
        Ok(Self { sql, types })
    }

    /// Takes this statement's arguments off a list of lengths and bytes; returns the rest of the list.
    ///
    /// # Errors
    /// When a value is too long for the protocol.
    pub fn bind<'l>(&self, list: &'l [u8]) -> Result<(PgArguments, &'l [u8]), BoxDynError> {
        let mut bound = PgArguments::default();
        bound.reserve(self.types.len(), list.len());
        let mut rest = list;
        for kind in &self.types {
            let (value, tail) = split(rest);
            rest = tail;
            bound.add(Bound { value, kind })?;
        }
        Ok((bound, rest))
    }
}

/// Takes one value off a list of lengths and bytes; −1 is NULL.
fn split(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (length, rest) = list.split_at(4);
    let length = i32::from_be_bytes(length.try_into().expect("four bytes were split off"));
    match usize::try_from(length) {
        Ok(length) => (Some(&rest[..length]), &rest[length..]),
        Err(_) => (None, rest),
    }
}

/// A value already in the server's form, with the type the server asked for.
struct Bound<'v> {
    value: Option<&'v [u8]>,
    kind: &'v PgTypeInfo,
}

impl Type<Postgres> for Bound<'_> {
    /// Never asked: `produces` answers for each value.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("text")
    }
}

impl<'q> Encode<'q, Postgres> for Bound<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(value) = self.value else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }

    fn size_hint(&self) -> usize {
        self.value.map_or(0, <[u8]>::len)
    }
}
