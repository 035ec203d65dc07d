//! What a column probably holds, by its name and type, as an expression of the spec language. Must know no constraint.

use super::documents::document;
use super::lexicon::words;
use super::numbers::{fraction, whole};
use super::texts::text;
use super::theme::{Theme, singular, theme};
use crate::postgres::catalog::{Column, Table, Type, TypeKind};

/// The family of values a type belongs to: decides which constraints mean something for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Whole,
    Fraction,
    Text,
    Moment,
    Flag,
    Other,
}

pub(super) fn family(kind: &Type) -> Family {
    if kind.kind != TypeKind::Base {
        return Family::Other;
    }
    match kind.name.as_str() {
        "int2" | "int4" | "int8" | "oid" => Family::Whole,
        "float4" | "float8" | "numeric" | "money" => Family::Fraction,
        "text" | "varchar" | "bpchar" | "citext" | "name" => Family::Text,
        "date" | "timestamp" | "timestamptz" => Family::Moment,
        "bool" => Family::Flag,
        _ => Family::Other,
    }
}

/// A column by its name, with what stands beside it.
pub(super) struct Named<'t> {
    /// Its table; `None` for a part of a value that stands alone.
    pub(super) table: Option<&'t Table>,
    /// What the table is about.
    pub(super) theme: Theme,
    /// Its name in lower case.
    pub(super) name: String,
    /// The words of its name in lower case.
    pub(super) words: Vec<String>,
}

impl<'t> Named<'t> {
    pub(super) fn new(table: Option<&'t Table>, name: &str) -> Self {
        let theme = table.map_or(Theme::Other, |table| theme(&table.name));
        Self { table, theme, name: name.to_lowercase(), words: words(name) }
    }

    /// Whether the name holds one of these words, which may be several: `first name`.
    pub(super) fn has(&self, wanted: &[&str]) -> bool {
        let joined = format!(" {} ", self.words.join(" "));
        let plain = self.words.concat();
        wanted.iter().any(|wanted| {
            joined.contains(&format!(" {wanted} ")) || wanted.contains(' ') && plain.contains(&wanted.replace(' ', ""))
        })
    }

    /// Whether the whole name is one of these.
    pub(super) fn is(&self, wanted: &[&str]) -> bool {
        wanted.contains(&self.words.join(" ").as_str())
    }

    /// Whether the name ends in one of these words.
    pub(super) fn ends(&self, wanted: &[&str]) -> bool {
        self.words.last().is_some_and(|last| wanted.contains(&last.as_str()))
    }

    /// A column beside it that always has a value and whose name is one of these, as a path.
    pub(super) fn beside(&self, wanted: &[&str]) -> Option<String> {
        let of = |column: &&Column| {
            column.required && !column.generated && words(&column.name).join(" ") != self.words.join(" ")
        };
        let columns = || self.table.into_iter().flat_map(|table| &table.columns).filter(of);
        let named = |wanted: &&str| columns().find(|column| words(&column.name).join(" ") == **wanted);
        wanted.iter().find_map(named).map(|column| super::keys::path(&column.name))
    }

    /// Whether a column beside it has one of these words.
    pub(super) fn stands_beside(&self, wanted: &[&str]) -> bool {
        let columns = || self.table.into_iter().flat_map(|table| &table.columns);
        columns().any(|column| words(&column.name).iter().any(|word| wanted.contains(&word.as_str())))
    }
}

/// An expression for a value of a type that stands alone, or `None` when nothing is known of its type.
/// `birth` is the moment the row came into being.
pub(super) fn content(name: &str, kind: &Type, birth: &str) -> Option<String> {
    of_named(&Named::new(None, name), kind, birth)
}

/// An expression for a column of a table.
pub(super) fn content_in(table: &Table, name: &str, kind: &Type, birth: &str) -> Option<String> {
    of_named(&Named::new(Some(table), name), kind, birth)
}

fn of_named(named: &Named<'_>, kind: &Type, birth: &str) -> Option<String> {
    Some(match &kind.kind {
        TypeKind::Enum(labels) if labels.is_empty() => return None,
        TypeKind::Enum(labels) => weighted(labels),
        TypeKind::Array(element) => {
            let one = named.words.iter().map(|word| singular(word)).collect::<Vec<_>>().join("_");
            format!("array({}, 1, 4)", super::bounds::part(&one, element, birth)?)
        }
        TypeKind::Range(subtype) => range(subtype, birth)?,
        TypeKind::Multirange(subtype) => format!("'{{' + {} + '}}'", range(subtype, birth)?),
        TypeKind::Composite(fields) => {
            let fields: Option<Vec<String>> =
                fields.iter().map(|(name, kind)| super::bounds::part(name, kind, birth)).collect();
            format!("composite({})", fields?.join(", "))
        }
        TypeKind::Base => base(named, kind, birth)?,
    })
}

/// Labels with falling weights: the first is the common one in most schemas.
pub(super) fn weighted(labels: &[String]) -> String {
    let each = labels.iter().enumerate().map(|(i, label)| format!("{} {}", quoted(label), 60 / (i + 1).min(60)));
    format!("weights({})", each.collect::<Vec<_>>().join(", "))
}

/// A text of the spec language.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn base(named: &Named<'_>, kind: &Type, birth: &str) -> Option<String> {
    let fixed = match kind.name.as_str() {
        "int2" | "int4" | "int8" | "oid" => return Some(whole(named)),
        "float4" | "float8" | "numeric" | "money" => return Some(fraction(named)),
        "bool" => match () {
            () if named.has(&["active", "enabled", "verified", "visible", "public", "published", "available"]) => {
                "weights(true 90, false 10)"
            }
            () => "weights(false 85, true 15)",
        },
        "text" | "varchar" | "bpchar" | "citext" | "name" => return Some(text(named, kind)),
        "char" => "'a'",
        "bytea" => "'\\x' + hex(24)",
        "uuid" => "uuid()",
        "date" | "timestamp" | "timestamptz" => return Some(moment(&named.name, birth)),
        "time" | "interval" => "uniform(0, 86399) * 1s",
        "timetz" => "'1' + digits(1) + ':3' + digits(1) + ':00+00'",
        "inet" => "ip()",
        "cidr" => "'10.1' + digits(1) + '.1' + digits(1) + '.0/24'",
        "macaddr" => "pattern('02(:[0-9a-f][0-9a-f]){5}')",
        "macaddr8" => "pattern('02(:[0-9a-f][0-9a-f]){7}')",
        "json" | "jsonb" => return Some(document(named, birth)),
        "jsonpath" => "'$.source'",
        "xml" => "'<note>' + prose(note, 1, 1) + '</note>'",
        "bit" => return Some(format!("bits({})", kind.length.unwrap_or(1))),
        "geometry" | "geography" => return spatial(kind),
        "varbit" => return Some(format!("bits({})", kind.length.unwrap_or(8))),
        "tsvector" => "words(4, 12)",
        "tsquery" => "word()",
        "hstore" => "'source=>' + weights(web 55, mobile 25, api 12, import 8)",
        "ltree" => "word() + '.' + word()",
        "lquery" => "'*.' + word()",
        "point" => "'(' + digits(2) + ',' + digits(2) + ')'",
        "line" => "'{1,-1,' + digits(1) + '}'",
        "lseg" | "path" => "'[(0,0),(1' + digits(1) + ',1' + digits(1) + ')]'",
        "box" => "'(0,0),(1' + digits(1) + ',1' + digits(1) + ')'",
        "polygon" => "'((0,0),(1' + digits(1) + ',0),(0,1' + digits(1) + '))'",
        "circle" => "'<(0,0),1' + digits(1) + '>'",
        "pg_lsn" => "'0/1' + digits(6)",
        "regclass" => "'pg_class'",
        "regtype" => "'text'",
        "regproc" => "'now'",
        _ => return None,
    };
    Some(fixed.to_owned())
}

fn moment(name: &str, birth: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["birth", "dob"]) {
        return "now - uniform(18, 80) * 365d".to_owned();
    }
    if has(&["expire", "until", "valid_to", "due", "ends", "end_"]) {
        return format!("{birth} + uniform(1, 90) * 1d");
    }
    format!("after({birth}, exp(30d))")
}

/// A shape of PostGIS near one of a few cities, where the coordinates are degrees; else within a square of a map.
fn spatial(kind: &Type) -> Option<String> {
    const CITIES: [(u32, f64, f64); 4] = [(40, 13.4, 52.5), (30, 2.35, 48.86), (20, -0.12, 51.5), (10, -73.97, 40.75)];
    let arguments = kind.declared.split_once('(').map(|(_, rest)| rest.trim_end_matches(')'));
    let (shape, srid) = match arguments.map(|list| list.split_once(',').unwrap_or((list, ""))) {
        Some((shape, srid)) => (shape.trim(), srid.trim()),
        None => ("Point", ""),
    };
    let shape = crate::seed::shape::Shape::read(shape).map(|_| shape)?;
    let prefix = if matches!(srid, "" | "0") { String::new() } else { format!("'SRID={srid};' + ") };
    let made = |x: &str, y: &str, size: &str| format!("{prefix}wkt({}, {x}, {y}, {size})", quoted(shape));
    if kind.name == "geography" || matches!(srid, "" | "0" | "4326" | "4269" | "4258") {
        let near = |(share, x, y): (u32, f64, f64)| {
            let place = |at: f64, spread: f64| format!("normal({at}, {spread})");
            format!("{} {share}%", made(&place(x, 0.12), &place(y, 0.08), "0.005"))
        };
        return Some(CITIES.map(near).join(" | "));
    }
    Some(made("uniform(400000, 600000)", "uniform(5000000, 5400000)", "250"))
}

/// A range that begins when the row came into being, or at a number.
fn range(subtype: &Type, birth: &str) -> Option<String> {
    if family(subtype) == Family::Moment {
        return Some(format!("range({birth}, {birth} + 1d)"));
    }
    if let Some(numbers) = disjoint(subtype) {
        return Some(numbers);
    }
    // Of types that a database makes itself, such as CREATE TYPE hours AS RANGE (subtype = time).
    Some(match (&subtype.kind, subtype.name.as_str()) {
        (TypeKind::Enum(labels), _) => format!("range({}, {})", quoted(labels.first()?), quoted(labels.last()?)),
        (_, "float4" | "float8") => "range(row() * 10, row() * 10 + 8)".to_owned(),
        (_, "time" | "interval") => "range(uniform(0, 40000) * 1s, uniform(40001, 86399) * 1s)".to_owned(),
        (_, "text" | "varchar" | "citext" | "name") => "range('a' + word(), 'm' + word())".to_owned(),
        (_, "inet") => "range('10.1' + digits(1) + '.0.1', '10.2' + digits(1) + '.0.1')".to_owned(),
        (_, "uuid") => {
            let half = |first: &str| format!("'{first}000000-0000-4000-8000-' + hex(6)");
            format!("range({}, {})", half("3f"), half("c0"))
        }
        _ => "'empty'".to_owned(),
    })
}

/// Ranges of which no two rows have any that overlap.
pub(super) fn disjoint(subtype: &Type) -> Option<String> {
    Some(match subtype.name.as_str() {
        "int4" | "int8" | "numeric" => "range(row() * 10, row() * 10 + 8)".to_owned(),
        // Days that follow one another: two thousand years of them are 730,000 rows.
        "date" => "range(now - row() * 1d, now - row() * 1d + 1d)".to_owned(),
        "timestamp" | "timestamptz" => "range(now - row() * 20m, now - row() * 20m + 10m)".to_owned(),
        _ => return None,
    })
}
