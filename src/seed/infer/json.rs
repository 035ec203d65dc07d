//! Documents that hold what a CHECK asks of their parts. Must write no part twice that a CHECK speaks of.

use std::collections::{BTreeMap, BTreeSet};

use super::bounds::plain;
use super::content::quoted;
use crate::seed::condition::{Case, Domain, JsonKind, Tree, split};

/// A part of a document: what it may hold, and the parts of it.
#[derive(Default)]
struct Part<'c> {
    domain: Option<&'c Domain>,
    /// It differs in every row.
    unique: bool,
    members: BTreeMap<&'c str, Part<'c>>,
}

/// A document as text of the spec language; `None` when no CHECK says anything of the column as a document.
/// `content` is what the column would hold otherwise.
pub(super) fn document(case: &Case, column: &str, content: &str, unique: &BTreeSet<String>) -> Option<String> {
    let mut root = Part::default();
    for (name, domain) in &case.columns {
        let (owner, keys) = split(name);
        if owner == column {
            let part = keys.iter().fold(&mut root, |part, key| part.members.entry(key).or_default());
            (part.domain, part.unique) = (Some(domain), unique.contains(name));
        }
    }
    let kind = root.domain.and_then(|domain| domain.json);
    if root.members.is_empty() && kind.is_none() {
        return None;
    }
    if !root.members.is_empty() || kind == Some(JsonKind::Object) {
        let members = members(&root);
        // What the column would hold anyway comes first: of a key that stands twice the last counts.
        return Some(match content.strip_suffix("}'").filter(|start| start.starts_with("'{\"")) {
            Some(start) if members.is_empty() => format!("{start}}}'"),
            Some(start) => format!("{start}, ' + {members} + '}}'"),
            None => object(&root),
        });
    }
    Some(value(&root, column))
}

fn object(part: &Part<'_>) -> String {
    match members(part) {
        members if members.is_empty() => "'{}'".to_owned(),
        members => format!("'{{' + {members} + '}}'"),
    }
}

/// `'"a": ' + 1 + ', "b": ' + 2`; empty when it has none.
fn members(part: &Part<'_>) -> String {
    let present = part.members.iter().filter(|(_, member)| member.domain.is_none_or(|d| d.null != Some(true)));
    let each = present.map(|(key, member)| {
        let key = serde_json::Value::from(*key).to_string();
        format!("{} + {}", quoted(&format!("{key}: ")), value(member, &key))
    });
    each.collect::<Vec<_>>().join(" + ', ' + ")
}

/// One value as JSON: a text of the spec language.
fn value(part: &Part<'_>, name: &str) -> String {
    if !part.members.is_empty() {
        return object(part);
    }
    let Some(domain) = part.domain else { return string("word()") };
    if part.unique {
        return if domain.json == Some(JsonKind::String) { string("base36(row())") } else { "row()".to_owned() };
    }
    if let Some(values) = &domain.values {
        return one_of(values, domain.json);
    }
    let bound = |side: &Option<(Tree, bool)>, inward: f64| match side {
        Some((Tree::Number(n), strict)) => Some(if *strict { n + inward } else { *n }),
        _ => None,
    };
    let (low, high) = (bound(&domain.low, 1.0), bound(&domain.high, -1.0));
    let kind = domain.json.unwrap_or(match () {
        () if low.is_some() || high.is_some() => JsonKind::Number,
        () => by_name(name),
    });
    match kind {
        JsonKind::Object => "'{}'".to_owned(),
        JsonKind::Array => array(domain),
        JsonKind::Number => {
            let low = low.unwrap_or_else(|| high.map_or(1.0, |high| high.min(1.0)));
            let high = high.unwrap_or(low + 99.0);
            format!("step(uniform({}, {}), 1)", plain(low), plain(high))
        }
        JsonKind::Boolean => "weights('true' 60, 'false' 40)".to_owned(),
        JsonKind::Null => "'null'".to_owned(),
        JsonKind::String => match &domain.pattern {
            Some(pattern) => string(&format!("pattern({})", quoted(pattern))),
            None if domain.length.0 > 1 => {
                let most = domain.length.1.unwrap_or(domain.length.0 + 20);
                string(&format!("fit(word(), {}, {most})", domain.length.0))
            }
            None => string("word()"),
        },
    }
}

fn string(text: &str) -> String {
    format!("'\"' + {text} + '\"'")
}

fn array(domain: &Domain) -> String {
    let low = domain.length.0.max(1);
    let count = domain.length.1.map_or(low + 1, |most| most.min(low + 1)) as usize;
    match domain.length.1 {
        Some(0) => "'[]'".to_owned(),
        _ => format!("'[' + {} + ']'", vec![string("word()"); count.min(16)].join(" + ', ' + ")),
    }
}

fn one_of(values: &[Tree], kind: Option<JsonKind>) -> String {
    let text = |value: &Tree| match (value, kind) {
        (Tree::Number(number), Some(JsonKind::String)) => format!("\"{number}\""),
        (Tree::Text(text), Some(JsonKind::Number | JsonKind::Boolean)) => text.clone(),
        (Tree::Number(number), _) => number.to_string(),
        (Tree::Bool(flag), _) => flag.to_string(),
        (Tree::Text(text), _) => serde_json::Value::from(text.as_str()).to_string(),
        _ => "null".to_owned(),
    };
    match values {
        [one] => quoted(&text(one)),
        _ => {
            let each = values.iter().enumerate().map(|(i, v)| format!("{} {}", quoted(&text(v)), 60 / (i + 1).min(60)));
            format!("weights({})", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// What a key is likely to hold when nothing but its presence is asked for.
fn by_name(name: &str) -> JsonKind {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if has(&["enabled", "is_", "has_", "active", "verified"]) => JsonKind::Boolean,
        () if has(&[
            "count", "total", "amount", "size", "price", "quantity", "age", "version", "score", "\"id\"", "_id",
        ]) =>
        {
            JsonKind::Number
        }
        () if has(&["items", "tags", "list"]) => JsonKind::Array,
        () => JsonKind::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse::parse as parse_expr;
    use crate::seed::condition::{cases, parse};

    fn made(sql: &str, content: &str) -> String {
        let text = document(&cases(&parse(sql), true)[0], "data", content, &BTreeSet::new()).unwrap();
        assert!(parse_expr(&text).is_ok(), "{text}");
        text
    }

    #[test]
    fn a_document_holds_what_is_asked_of_its_parts() {
        let both = "((data ? 'id'::text) AND (jsonb_typeof((data -> 'n'::text)) = 'number'::text))";
        let own = r#"'{"source": "' + word() + '"}'"#;
        assert_eq!(
            made(both, own),
            r#"'{"source": "' + word() + '"' + ', ' + '"id": ' + step(uniform(1, 100), 1) + ', ' + '"n": ' + step(uniform(1, 100), 1) + '}'"#
                .replace(r#"'"' + ', ' +"#, r#"'", ' +"#)
        );
        assert_eq!(made("((data ->> 'kind'::text) = 'it''s'::text)", "x"), r#"'{' + '"kind": ' + '"it''s"' + '}'"#);
        assert_eq!(made("(jsonb_typeof(data) = 'array'::text)", own).matches("word()").count(), 2);
        assert_eq!(made("(jsonb_typeof(data) = 'object'::text)", own), own);
        let nested = made("((((data -> 'a'::text) ->> 'n'::text))::integer >= 18)", "x");
        assert_eq!(nested, r#"'{' + '"a": ' + '{' + '"n": ' + step(uniform(18, 117), 1) + '}' + '}'"#);
    }
}
