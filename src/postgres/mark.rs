//! The mark of a database that this program made: a comment on it that ends with its OID. Must never take a name for
//! one.
//!
//! Comments on databases are kept outside of them (`pg_shdescription`) and are not copied by
//! `CREATE DATABASE … TEMPLATE`; the OID keeps a comment that a dump restores elsewhere from being taken for
//! the mark.

use super::sql_text::{identifier, literal};

/// A condition on a row of `pg_database` called `d`: it carries the mark.
pub(super) const MARKED: &str =
    "coalesce(shobj_description(d.oid, 'pg_database') LIKE '%[weighbridge ' || d.oid || ']', false)";

/// What a marked database holds, without the mark; of a row of `pg_database` called `d`.
pub(super) const ABOUT: &str =
    "regexp_replace(coalesce(shobj_description(d.oid, 'pg_database'), ''), ' *\\[weighbridge \\d+\\]$', '')";

/// The statement that marks a database and says what it holds.
pub(super) fn mark(name: &str, oid: u32, about: &str) -> String {
    format!("COMMENT ON DATABASE {} IS {}", identifier(name), literal(&format!("{about} [weighbridge {oid}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_ends_with_the_oid() {
        let sql = mark("weighbridge_build_1", 16_384, "Anna's shop");
        assert_eq!(sql, "COMMENT ON DATABASE \"weighbridge_build_1\" IS 'Anna''s shop [weighbridge 16384]'");
    }
}
