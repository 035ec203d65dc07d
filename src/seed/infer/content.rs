//! What a column probably holds, by its name and type, as an expression of the spec language. Must know no constraint.

use crate::postgres::catalog::{Type, TypeKind};

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

/// An expression for a column, or `None` when nothing is known of its type.
/// `birth` is the moment the row came into being.
pub(super) fn content(name: &str, kind: &Type, birth: &str) -> Option<String> {
    let name = name.to_lowercase();
    Some(match &kind.kind {
        TypeKind::Enum(labels) if labels.is_empty() => return None,
        TypeKind::Enum(labels) => weighted(labels),
        TypeKind::Array(element) => format!("array({}, 1, 4)", super::bounds::part(&name, element, birth)?),
        TypeKind::Range(subtype) => range(subtype, birth)?,
        TypeKind::Multirange(subtype) => format!("'{{' + {} + '}}'", range(subtype, birth)?),
        TypeKind::Composite(fields) => {
            let fields: Option<Vec<String>> =
                fields.iter().map(|(name, kind)| super::bounds::part(name, kind, birth)).collect();
            format!("composite({})", fields?.join(", "))
        }
        TypeKind::Base => base(&name, kind, birth)?,
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

fn base(name: &str, kind: &Type, birth: &str) -> Option<String> {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let is = |words: &[&str]| words.contains(&name);
    let fixed = match kind.name.as_str() {
        "int2" | "int4" | "int8" | "oid" => match () {
            () if has(&["position", "sort", "rank", "ordinal", "line_no", "priority", "level"]) => "uniform(1, 20)",
            () if has(&["quantity", "qty", "count", "total"]) => "1 + exp(3)",
            () if has(&["percent", "progress", "score"]) => "uniform(0, 100)",
            () if has(&["year"]) => "uniform(2015, 2026)",
            () if is(&["age"]) => "uniform(18, 80)",
            () if has(&["duration", "seconds", "size", "bytes", "length"]) => "lognormal(median 300, p95 5000)",
            () if has(&["amount", "price", "cents"]) => "lognormal(median 2900, p95 19000)",
            () if has(&["version", "attempt", "retry"]) => "1 + exp(1)",
            () => "uniform(1, 1000)",
        },
        "float4" | "float8" | "numeric" | "money" => match () {
            () if has(&["latitude"]) || is(&["lat"]) => "uniform(-85, 85)",
            () if has(&["longitude"]) || is(&["lng", "lon"]) => "uniform(-180, 180)",
            () if has(&["rate", "ratio", "share", "probability", "discount"]) => "uniform(0, 1)",
            () if has(&["percent", "progress", "score"]) => "uniform(0, 100)",
            () if has(&["quantity", "qty"]) => "1 + exp(3)",
            () => "lognormal(median 39, p95 180)",
        },
        "bool" => match () {
            () if has(&["active", "enabled", "verified", "visible", "public"]) => "weights(true 90, false 10)",
            () => "weights(false 85, true 15)",
        },
        "text" | "varchar" | "bpchar" | "citext" | "name" => return Some(text(name, kind)),
        "char" => "'a'",
        "bytea" => "'\\x' + hex(24)",
        "uuid" => "uuid()",
        "date" | "timestamp" | "timestamptz" => return Some(moment(name, birth)),
        "time" | "interval" => "uniform(0, 86399) * 1s",
        "timetz" => "'1' + digits(1) + ':3' + digits(1) + ':00+00'",
        "inet" => "'10.1' + digits(1) + '.1' + digits(1) + '.1' + digits(2)",
        "cidr" => "'10.1' + digits(1) + '.1' + digits(1) + '.0/24'",
        "macaddr" => "pattern('02(:[0-9a-f][0-9a-f]){5}')",
        "macaddr8" => "pattern('02(:[0-9a-f][0-9a-f]){7}')",
        "json" | "jsonb" => r#"'{"source": "' + word() + '", "n": ' + digits(1) + '}'"#,
        "jsonpath" => "'$.source'",
        "xml" => "'<note>' + word() + '</note>'",
        "bit" => return Some(format!("bits({})", kind.length.unwrap_or(1))),
        "geometry" | "geography" => return spatial(kind),
        "varbit" => return Some(format!("bits({})", kind.length.unwrap_or(8))),
        "tsvector" => "words(4, 12)",
        "tsquery" => "word()",
        "hstore" => "'source=>' + word()",
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

fn text(name: &str, kind: &Type) -> String {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let is = |words: &[&str]| words.contains(&name);
    let made = match () {
        () if has(&["email"]) => "slug(first_name()) + '.' + slug(last_name()) + '.' + base36(row()) + '@example.com'",
        () if has(&["password", "digest", "hash", "checksum", "signature"]) => "hex(20)",
        () if has(&["token", "secret", "api_key", "fingerprint"]) => "hex(16)",
        () if has(&["username", "login", "nickname", "handle"]) => "slug(first_name()) + base36(row())",
        () if has(&["first_name", "firstname", "given_name"]) => "first_name()",
        () if has(&["last_name", "lastname", "surname", "family_name"]) => "last_name()",
        () if has(&["full_name", "display_name", "author", "customer_name", "contact"]) => {
            "first_name() + ' ' + last_name()"
        }
        () if has(&["company", "organization", "organisation", "vendor", "supplier"]) => "company()",
        () if has(&["phone", "mobile", "fax"]) => "'+1555' + digits(7)",
        () if has(&["url", "website", "href", "link"]) => "'https://example.com/' + word() + '/' + base36(row())",
        () if has(&["slug", "permalink"]) => "slug(title()) + '-' + base36(row())",
        () if has(&["country"]) => "weights(US 40, DE 12, GB 12, IN 12, FR 8, BR 8, CA 5, JP 3)",
        () if has(&["currency"]) => "weights(USD 60, EUR 25, GBP 10, JPY 5)",
        () if has(&["locale", "language", "lang"]) => "weights(en 65, de 12, fr 9, pt 8, ja 6)",
        () if has(&["timezone", "time_zone"]) => "weights('UTC' 40, 'Europe/Berlin' 25, 'America/New_York' 35)",
        () if has(&["city", "town"]) => "city()",
        () if has(&["street", "address", "line1"]) => "street()",
        () if has(&["postal", "zip", "postcode"]) => "digits(5)",
        () if has(&["state", "status"]) => "weights(active 70, pending 15, closed 10, failed 5)",
        () if is(&["type", "kind", "category"]) || name.ends_with("_type") => {
            "weights(standard 70, special 20, other 10)"
        }
        () if has(&["ip_address", "remote_addr"]) || is(&["ip"]) => {
            "'10.1' + digits(1) + '.1' + digits(1) + '.1' + digits(2)"
        }
        () if has(&["user_agent"]) => "weights('Mozilla/5.0 (X11; Linux x86_64)' 60, 'Mozilla/5.0 (iPhone)' 40)",
        () if has(&["mime", "content_type"]) => "weights('image/png' 50, 'application/pdf' 30, 'text/plain' 20)",
        () if has(&["color", "colour"]) => "'#' + hex(3)",
        () if has(&["sku", "code", "number", "reference", "external_id", "key"]) => "hex(5)",
        () if has(&["title", "subject", "headline"]) => "title()",
        () if has(&["body", "content", "description", "comment", "message", "text", "note", "bio", "summary"]) => {
            "sentence()"
        }
        () if has(&["name", "label"]) => "title()",
        () => "word() + ' ' + word()",
    };
    match kind.length {
        Some(length) => format!("fit({made}, 0, {length})"),
        None => made.to_owned(),
    }
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
