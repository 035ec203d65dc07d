//! What a column may hold: base types, enums, domains, arrays, ranges, composites. Must only read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::postgres::sql_text::query;

/// A type with its domains looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Type {
    /// The name in `pg_type` of the type underneath every domain, such as `int4`.
    pub name: String,
    /// As SQL would write the declared type, for messages and casts.
    pub declared: String,
    /// What kind of type it is.
    pub kind: TypeKind,
    /// Most characters, for `varchar(n)`, `char(n)`, `bit(n)`.
    pub length: Option<u32>,
    /// Digits before and after the point, for `numeric(p, s)`: p and s.
    pub precision: Option<(u32, u16)>,
    /// CHECKs of the domains on the way, over `VALUE`: name and expression.
    pub domain_checks: Vec<(String, String)>,
    /// A domain on the way is NOT NULL.
    pub required: bool,
    /// The type's own number, which arrays carry on the wire.
    pub oid: u32,
}

/// What kind of type it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypeKind {
    /// Built in or of an extension.
    #[default]
    Base,
    /// Labels in order.
    Enum(Vec<String>),
    /// Of elements.
    Array(Box<Type>),
    /// Over a subtype.
    Range(Box<Type>),
    /// Of ranges over a subtype.
    Multirange(Box<Type>),
    /// Attributes in order.
    Composite(Vec<(String, Type)>),
}

/// Every type of the database, resolved on demand.
#[derive(Debug)]
pub(super) struct Types {
    rows: BTreeMap<u32, TypeRow>,
}

#[derive(Debug)]
struct TypeRow {
    name: String,
    kind: String,
    base: u32,
    base_modifier: i32,
    element: u32,
    required: bool,
    labels: Vec<String>,
    subtype: u32,
    checks: Vec<String>,
    check_names: Vec<String>,
    attributes: Vec<String>,
    attribute_types: Vec<i64>,
    attribute_modifiers: Vec<i32>,
    is_array: bool,
}

/// Types nest, and a composite may reach itself only through an array; deeper than this is nobody's schema.
const DEEPEST: usize = 8;

impl Types {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let rows = query(
            "SELECT t.oid::int8, t.typname::text, t.typtype::text, t.typbasetype::int8, t.typtypmod, t.typelem::int8,
             t.typnotnull,
                    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
                    coalesce((SELECT r.rngsubtype::int8 FROM pg_range r WHERE r.rngtypid = t.oid
                    OR r.rngmultitypid = t.oid), 0),
                    ARRAY(SELECT pg_get_expr(k.conbin, 0) FROM pg_constraint k WHERE k.contypid = t.oid
                    AND k.contype = 'c' ORDER BY k.conname),
                    ARRAY(SELECT k.conname::text FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'
                    ORDER BY k.conname),
                    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE t.typtype = 'c'
                    AND a.attrelid = t.typrelid AND a.attnum > 0
                          AND NOT a.attisdropped ORDER BY a.attnum),
                    ARRAY(SELECT a.atttypid::int8 FROM pg_attribute a WHERE t.typtype = 'c'
                    AND a.attrelid = t.typrelid AND a.attnum > 0
                          AND NOT a.attisdropped ORDER BY a.attnum),
                    ARRAY(SELECT a.atttypmod FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid
                    AND a.attnum > 0
                          AND NOT a.attisdropped ORDER BY a.attnum),
                    t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             LEFT JOIN pg_class c ON c.oid = t.typrelid
             WHERE t.typtype IN ('b', 'd', 'e', 'r', 'm') OR t.typtype = 'c' AND n.nspname !~ '^pg_'
             AND n.nspname <> 'information_schema'",
        )
        .fetch_all(connection)
        .await?;
        Ok(Self { rows: rows.iter().map(read_row).collect::<Result<_, _>>()? })
    }

    /// The type with this number, with a column's type modifier.
    pub(super) fn resolve(&self, oid: u32, modifier: i32, declared: &str) -> Type {
        self.resolve_at(oid, modifier, declared, 0)
    }

    fn resolve_at(&self, oid: u32, modifier: i32, declared: &str, depth: usize) -> Type {
        let unknown = || Type { name: "unknown".to_owned(), declared: declared.to_owned(), oid, ..Type::default() };
        let Some(row) = self.rows.get(&oid).filter(|_| depth < DEEPEST) else { return unknown() };
        let inner = |oid: u32, modifier: i32| Box::new(self.resolve_at(oid, modifier, "", depth + 1));
        if row.kind == "d" {
            let mut base = *inner(row.base, row.base_modifier);
            base.declared = declared.to_owned();
            base.required |= row.required;
            base.domain_checks.extend(row.check_names.iter().cloned().zip(row.checks.iter().cloned()));
            return base;
        }
        let kind = match row.kind.as_str() {
            "e" => TypeKind::Enum(row.labels.clone()),
            "r" => TypeKind::Range(inner(row.subtype, -1)),
            "m" => TypeKind::Multirange(inner(row.subtype, -1)),
            "c" => {
                let types = row.attribute_types.iter().zip(&row.attribute_modifiers);
                let types = types.map(|(oid, modifier)| *inner(*oid as u32, *modifier));
                TypeKind::Composite(row.attributes.iter().cloned().zip(types).collect())
            }
            _ if row.is_array => TypeKind::Array(inner(row.element, modifier)),
            _ => TypeKind::Base,
        };
        let of_text = matches!(row.name.as_str(), "varchar" | "bpchar") && 4 <= modifier;
        let of_bits = matches!(row.name.as_str(), "bit" | "varbit") && 0 < modifier;
        let length = if of_text { Some(modifier as u32 - 4) } else { of_bits.then_some(modifier as u32) };
        let precision = (row.name == "numeric" && 4 <= modifier)
            .then(|| (((modifier - 4) >> 16) as u32 & 0xffff, ((modifier - 4) & 0x7ff) as u16));
        let declared = declared.to_owned();
        Type { name: row.name.clone(), declared, kind, length, precision, oid, ..Type::default() }
    }
}

fn read_row(row: &PgRow) -> Result<(u32, TypeRow), sqlx::Error> {
    let number = |index: usize| row.try_get::<i64, _>(index).map(|n| n as u32);
    let read = TypeRow {
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        base: number(3)?,
        base_modifier: row.try_get(4)?,
        element: number(5)?,
        required: row.try_get(6)?,
        labels: row.try_get(7)?,
        subtype: number(8)?,
        checks: row.try_get(9)?,
        check_names: row.try_get(10)?,
        attributes: row.try_get(11)?,
        attribute_types: row.try_get(12)?,
        attribute_modifiers: row.try_get(13)?,
        is_array: row.try_get(14)?,
    };
    Ok((number(0)?, read))
}
