//! The table in which a tool writes down what it has applied. Must be made as the tool makes it.

use crate::postgres::sql_text::literal;

/// A tool's own table.
#[derive(Debug, Clone, Copy)]
pub struct Books {
    /// Its name as migrations write it, without a schema.
    pub table: &'static str,
    /// With its schema, where that is not the first of the search path.
    pub qualified: &'static str,
    /// Makes it where it is not there yet.
    pub make: &'static str,
    /// Writes down a step: `{version}`, `{description}`, `{checksum}` (hexadecimal) and `{nanos}` stand for its values.
    pub enter: &'static str,
}

/// What is recorded of a step.
pub(in crate::migrate) struct Entry<'e> {
    pub(in crate::migrate) version: &'e str,
    pub(in crate::migrate) description: &'e str,
    pub(in crate::migrate) checksum: &'e str,
    pub(in crate::migrate) nanos: u128,
}

impl Books {
    pub(in crate::migrate) fn entry(&self, entry: &Entry<'_>) -> String {
        let mut sql = self.enter.to_owned();
        for (name, value) in [
            ("{version}", literal(entry.version)),
            ("{description}", literal(entry.description)),
            ("{checksum}", literal(entry.checksum)),
            ("{nanos}", entry.nanos.to_string()),
        ] {
            sql = sql.replace(name, &value);
        }
        sql
    }
}
