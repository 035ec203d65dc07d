//! What a document of JSON probably holds, by its name, its table, and the keys that the schema looks for. Must give
//! every key that an index or a CHECK reads.

use super::content::Named;
use super::theme::Theme;

/// A part of a document that SQL reads: the way there, and what it is cast to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    way: Vec<String>,
    cast: Cast,
}

/// What SQL takes a part for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cast {
    Number,
    Flag,
    Moment,
    Text,
}

/// An object or a list as an expression.
pub(super) fn document(named: &Named<'_>, birth: &str) -> String {
    let column = named.table.and_then(|table| table.columns.iter().find(|c| c.name.to_lowercase() == named.name));
    let is_list = column.and_then(|column| column.default.as_deref()).is_some_and(|default| default.contains("'[]'"));
    let parts = named.table.map_or(Vec::new(), |table| {
        let name = column.map_or(named.name.as_str(), |column| column.name.as_str());
        let checks = table.checks.iter().map(|check| &check.expression);
        let uniques = table.uniques.iter().flat_map(|unique| unique.expressions.iter().chain(&unique.predicate));
        let mut parts: Vec<Part> =
            table.indexed.iter().chain(checks).chain(uniques).flat_map(|sql| parts(sql, name)).collect();
        parts.sort();
        parts.dedup_by(|a, b| a.way == b.way);
        parts
    });
    if parts.is_empty() && (is_list || named.has(&LISTS)) {
        return list(named);
    }
    let mut members = usual(named, birth);
    // What the schema looks for stands in most documents, whatever else there is.
    for part in parts {
        add(&mut members, &part, named, birth);
    }
    written(&members)
}

const LISTS: [&str; 16] = [
    "tags",
    "labels",
    "links",
    "urls",
    "images",
    "items",
    "roles",
    "permissions",
    "scopes",
    "keywords",
    "skills",
    "categories",
    "features",
    "emails",
    "phones",
    "ids",
];

fn list(named: &Named<'_>) -> String {
    let element = match () {
        () if named.has(&["links", "urls"]) => {
            "json(label weights(Website 40, Blog 25, Portfolio 20, Newsletter 15), url -> 'https://' + slug(company()) \
             + '.example')"
        }
        () if named.has(&["images"]) => "'https://cdn.example.com/images/' + hex(8) + '.jpg'",
        () if named.has(&["items"]) => {
            "json(sku pattern('[A-Z]{3}-[0-9]{5}'), quantity step(1 + exp(1), 1), price step(lognormal(median 19, p95 \
             90), 0.01))"
        }
        () if named.has(&["roles"]) => "weights(member 60, editor 25, admin 15)",
        () if named.has(&["permissions", "scopes"]) => {
            "weights('users.read' 30, 'orders.read' 30, 'orders.write' 25, admin 15)"
        }
        () if named.has(&["emails"]) => "slug(first_name()) + '.' + slug(last_name()) + '@example.com'",
        () if named.has(&["phones"]) => "place(phone)",
        () if named.has(&["ids"]) => "step(uniform(1, 5000), 1)",
        () if named.has(&["skills", "categories", "features"]) => "phrase(category)",
        () => "phrase(tag)",
    };
    format!("list({element}, 0, 4)")
}

/// A member of an object: a value, or an object of its own.
enum Member {
    Value(String),
    Object(Vec<(String, Member)>),
}

fn written(members: &[(String, Member)]) -> String {
    let each = members.iter().map(|(name, member)| match member {
        Member::Value(text) => format!("{} -> {text}", key(name)),
        Member::Object(members) => format!("{} -> {}", key(name), written(members)),
    });
    format!("json({})", each.collect::<Vec<_>>().join(", "))
}

/// A member's name as a label.
pub(super) fn key(name: &str) -> String {
    let word = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if word && !name.is_empty() { name.to_owned() } else { super::content::quoted(name) }
}

fn add(members: &mut Vec<(String, Member)>, part: &Part, named: &Named<'_>, birth: &str) {
    let Some((first, rest)) = part.way.split_first() else { return };
    let at = members.iter().position(|(name, _)| name == first);
    if rest.is_empty() {
        // A value by the key's own name, of the type that SQL takes it for.
        let value = value(first, part.cast, named, birth);
        match at {
            Some(at) if matches!(members[at].1, Member::Value(_)) => members[at].1 = Member::Value(value),
            Some(_) => {}
            None => members.push((first.clone(), Member::Value(value))),
        }
        return;
    }
    let at = at.unwrap_or_else(|| {
        members.push((first.clone(), Member::Object(Vec::new())));
        members.len() - 1
    });
    if let Member::Value(_) = members[at].1 {
        members[at].1 = Member::Object(Vec::new());
    }
    if let Member::Object(inner) = &mut members[at].1 {
        add(inner, &Part { way: rest.to_vec(), cast: part.cast }, named, birth);
    }
}

fn value(name: &str, cast: Cast, beside: &Named<'_>, birth: &str) -> String {
    let named = Named { table: None, theme: beside.theme, ..Named::new(None, name) };
    let kind = crate::postgres::catalog::Type { name: "text".to_owned(), ..Default::default() };
    // Where nothing is cast the key's own name says what it is.
    let counts = ["count", "total", "amount", "size", "price", "quantity", "age", "version", "score"];
    match cast {
        Cast::Text if named.has(&["enabled", "is", "has", "active", "verified"]) => {
            "weights(true 70, false 30)".to_owned()
        }
        Cast::Text if named.has(&counts) => format!("step({}, 1)", super::numbers::whole(&named)),
        Cast::Number => format!("step({}, 1)", super::numbers::whole(&named)),
        Cast::Flag => "weights(true 70, false 30)".to_owned(),
        Cast::Moment => format!("after({birth}, exp(20d))"),
        Cast::Text => super::texts::text(&named, &kind),
    }
}

/// What documents of this name hold in tables of this kind.
fn usual(named: &Named<'_>, birth: &str) -> Vec<(String, Member)> {
    let has = |words: &[&str]| named.has(words);
    let pairs: &[(&str, &str)] = match () {
        () if has(&["settings", "preferences", "options", "config", "configuration", "prefs"]) => &[
            ("theme", "weights(light 62, dark 38)"),
            ("language", "weights(en 62, de 12, fr 9, es 8, pt 6, ja 3)"),
            ("email_notifications", "weights(true 70, false 30)"),
            ("page_size", "weights(25 60, 50 30, 100 10)"),
        ],
        () if has(&["address"]) => &[
            ("line1", "step(uniform(1, 240), 1) + ' ' + street()"),
            ("city", "place(city)"),
            ("postal_code", "place(postal_code)"),
            ("country", "place(country)"),
        ],
        () if has(&["headers"]) => {
            &[("content-type", "weights('application/json' 80, 'text/html' 20)"), ("user-agent", "phrase(user_agent)")]
        }
        () if has(&["before", "after", "old", "new", "changes", "diff", "previous", "current"]) => &[
            ("status", "weights(active 60, pending 25, closed 15)"),
            ("name", "phrase(short)"),
            ("version", "step(1 + exp(3), 1)"),
        ],
        () if has(&["value"]) => {
            &[("enabled", "weights(true 70, false 30)"), ("updated_by", "weights(user 80, admin 20)")]
        }
        () if has(&["error", "errors", "response", "result", "results"]) => &[
            ("code", "weights(200 85, 400 6, 404 5, 500 4)"),
            ("message", "phrase(log)"),
            ("duration_ms", "step(lognormal(median 120, p95 1800), 1)"),
        ],
        () if has(&["context", "request", "trace"]) => {
            &[("ip", "ip()"), ("request_id", "hex(8)"), ("user_agent", "phrase(user_agent)")]
        }
        () if has(&["attributes", "properties", "specs", "specifications", "features"]) => &[
            ("color", "weights(black 35, white 25, blue 15, green 10, red 10, grey 5)"),
            ("size", "weights(M 35, L 25, S 20, XL 20)"),
            ("weight_g", "step(lognormal(median 450, p95 6000), 1)"),
        ],
        () => by_theme(named.theme),
    };
    let mut members: Vec<(String, Member)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Member::Value((*value).to_owned()))).collect();
    if has(&["payload", "data", "event", "message"]) {
        members.push(("occurred_at".to_owned(), Member::Value(birth.to_owned())));
    }
    members
}

fn by_theme(theme: Theme) -> &'static [(&'static str, &'static str)] {
    match theme {
        Theme::Person => &[
            ("source", "weights(web 55, ios 22, android 15, import 8)"),
            ("campaign", "null 70% | weights(spring_sale 30, newsletter 30, launch 20, referral 20)"),
            ("marketing_opt_in", "weights(true 42, false 58)"),
            ("onboarding", "weights(done 78, skipped 14, open 8)"),
        ],
        Theme::Company => &[
            ("industry", "weights(Software 25, Retail 20, Education 20, Healthcare 15, Manufacturing 20)"),
            ("seats", "step(1 + lognormal(median 20, p95 300), 1)"),
            ("plan", "weights(free 40, team 35, business 20, enterprise 5)"),
        ],
        Theme::Course | Theme::Lesson | Theme::Article => &[
            ("language", "weights(en 70, de 12, pt 10, fr 8)"),
            ("tags", "list(phrase(tag), 1, 3)"),
            ("featured", "weights(true 8, false 92)"),
        ],
        Theme::Product => &[
            ("color", "weights(black 35, white 25, blue 15, green 10, red 10, grey 5)"),
            ("weight_g", "step(lognormal(median 450, p95 6000), 1)"),
            ("tags", "list(phrase(tag), 0, 3)"),
        ],
        Theme::Order | Theme::Payment | Theme::Subscription => &[
            ("channel", "weights(web 62, mobile 30, phone 8)"),
            ("card", "json(brand weights(visa 50, mastercard 35, amex 15), last4 digits(4))"),
            ("risk_score", "step(exp(12), 1)"),
        ],
        Theme::File => &[
            ("width", "weights(1920 40, 1280 25, 1080 15, 800 12, 3840 8)"),
            ("height", "weights(1080 40, 720 25, 1920 15, 600 12, 2160 8)"),
            ("original_name", "phrase(file_stem)"),
        ],
        Theme::Notification | Theme::Message => &[
            ("template", "weights(welcome 20, reminder 35, receipt 25, digest 20)"),
            ("link", "'/' + weights(courses 40, orders 35, messages 25) + '/' + base36(row())"),
        ],
        Theme::Event | Theme::Log | Theme::Session => {
            &[("ip", "ip()"), ("request_id", "hex(8)"), ("source", "weights(web 55, ios 22, android 15, api 8)")]
        }
        _ => &[
            ("source", "weights(web 55, mobile 25, api 12, import 8)"),
            ("version", "step(1 + exp(1), 1)"),
            ("tags", "list(phrase(tag), 0, 3)"),
        ],
    }
}

/// The parts of a column that SQL reads: `(metadata ->> 'source'::text)`, `((data #>> '{a,b}'::text[]))::integer`,
/// `metadata ? 'source'`.
fn parts(sql: &str, column: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = sql[from..].find(column) {
        let (start, end) = (from + at, from + at + column.len());
        from = end;
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        if sql[..start].ends_with(is_part) || sql[end..].starts_with(is_part) {
            continue;
        }
        let (way, rest) = way(sql[end..].strip_prefix('"').unwrap_or(&sql[end..]));
        if !way.is_empty() {
            found.push(Part { way, cast: cast(rest) });
        }
    }
    found
}

/// The keys after a column, and what follows them.
fn way(mut rest: &str) -> (Vec<String>, &str) {
    let mut keys = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches([' ', ')']);
        let operator = ["->>", "->", "#>>", "#>", "?"].into_iter().find(|operator| trimmed.starts_with(operator));
        let Some(operator) = operator else { return (keys, rest) };
        let Some(after) = trimmed[operator.len()..].trim_start().strip_prefix('\'') else { return (keys, rest) };
        let Some(end) = after.find('\'') else { return (keys, rest) };
        let text = &after[..end];
        match operator.starts_with('#') {
            true => keys.extend(text.trim_matches(['{', '}']).split(',').map(str::to_owned)),
            false => keys.push(text.to_owned()),
        }
        rest = &after[end + 1..];
        for cast in ["::text[]", "::text"] {
            rest = rest.strip_prefix(cast).unwrap_or(rest);
        }
    }
}

fn cast(rest: &str) -> Cast {
    let rest = rest.trim_start_matches(')');
    let is = |names: &[&str]| names.iter().any(|name| rest.starts_with(name));
    match () {
        () if is(&["::integer", "::bigint", "::numeric", "::smallint", "::double", "::real"]) => Cast::Number,
        () if is(&["::boolean"]) => Cast::Flag,
        () if is(&["::timestamp", "::date"]) => Cast::Moment,
        () => Cast::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_sql_reads_are_found_with_their_types() {
        let read = |sql: &str| -> Vec<(String, Cast)> {
            parts(sql, "data").into_iter().map(|part| (part.way.join("."), part.cast)).collect()
        };
        assert_eq!(read("(data ->> 'source'::text)"), [("source".to_owned(), Cast::Text)]);
        assert_eq!(read("(((data -> 'a'::text) ->> 'b'::text))::integer"), [("a.b".to_owned(), Cast::Number)]);
        assert_eq!(read("((data #>> '{a,b}'::text[]))::boolean"), [("a.b".to_owned(), Cast::Flag)]);
        assert_eq!(read("(data ? 'k'::text) AND (metadata ->> 'x'::text) = 'y'"), [("k".to_owned(), Cast::Text)]);
        assert_eq!(read("lower(data_name)"), []);
    }
}
