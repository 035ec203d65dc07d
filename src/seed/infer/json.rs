//! Documents that hold what a CHECK asks of their parts, laid over what they would hold anyway. Must write no part
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use super::bounds::plain;
use super::content::quoted;
use super::documents::key;
use super::hints::written;
use crate::expression::Node;
use crate::expression::parse::parse as parse_expr;
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
    Some(match kind {
        _ if !root.members.is_empty() => object(&root, Some(content)),
        None => return None,
        // These are documents by themselves only as JSON has them.
        Some(JsonKind::String) => format!("'\"' + {} + '\"'", value(&root, None)),
        Some(JsonKind::Boolean) => "weights('true' 60, 'false' 40)".to_owned(),
        Some(JsonKind::Null) => "'null'".to_owned(),
        Some(_) => value(&root, Some(content)),
    })
}

/// `json(a -> 1, b -> word())`: the members there are, and those that a CHECK speaks of as it asks.
fn object(part: &Part<'_>, content: Option<&str>) -> String {
    let mut members = content.and_then(members).unwrap_or_default();
    for (name, member) in &part.members {
        let at = members.iter().position(|(known, _)| known == name);
        if member.domain.is_some_and(|d| d.null == Some(true)) {
            members.retain(|(known, _)| known != name);
            continue;
        }
        let text = value(member, at.map(|at| members[at].1.as_str()));
        match at {
            Some(at) => members[at].1 = text,
            None => members.push(((*name).to_owned(), text)),
        }
    }
    let each = members.iter().map(|(name, text)| format!("{} -> {text}", key(name)));
    format!("json({})", each.collect::<Vec<_>>().join(", "))
}

/// Names and expressions of an object's members; `None` for what is no object.
fn members(text: &str) -> Option<Vec<(String, String)>> {
    let parsed = parse_expr(text).ok()?;
    let Node::Call(function, arguments) = &parsed.node else { return None };
    let member = |a: &crate::expression::Argument| Some((a.label.clone()?, text[a.value.span.clone()].to_owned()));
    (function == "json").then(|| arguments.iter().map(member).collect())?
}

/// One value of a document as an expression; `content` is what it would be otherwise.
fn value(part: &Part<'_>, content: Option<&str>) -> String {
    if !part.members.is_empty() {
        return object(part, content);
    }
    let otherwise = || content.map_or("word()".to_owned(), str::to_owned);
    let Some(domain) = part.domain else { return otherwise() };
    if part.unique {
        return if domain.json == Some(JsonKind::String) { "base36(row())".to_owned() } else { "row()".to_owned() };
    }
    if let Some(values) = &domain.values {
        return one_of(values, domain.json);
    }
    let bound = |side: &Option<(Tree, bool)>, inward: f64| match side {
        Some((Tree::Number(n), strict)) => Some(if *strict { n + inward } else { *n }),
        _ => None,
    };
    let (low, high) = (bound(&domain.low, 1.0), bound(&domain.high, -1.0));
    let bounded = (low.is_some() || high.is_some()).then_some(JsonKind::Number);
    match domain.json.or(bounded) {
        Some(JsonKind::Object) => object(part, content),
        Some(JsonKind::Array) => array(domain, content),
        Some(JsonKind::Number) => {
            let low = low.unwrap_or_else(|| high.map_or(1.0, |high| high.min(1.0)));
            let high = high.unwrap_or(low + 99.0);
            format!("step(uniform({}, {}), 1)", plain(low), plain(high))
        }
        Some(JsonKind::Boolean) => "weights(true 60, false 40)".to_owned(),
        Some(JsonKind::Null) => "null".to_owned(),
        Some(JsonKind::String) | None => match &domain.pattern {
            Some(pattern) => format!("pattern({})", quoted(pattern)),
            None if domain.length.0 > 1 => {
                let most = domain.length.1.unwrap_or(domain.length.0 + 20);
                format!("fit(word(), {}, {most})", domain.length.0)
            }
            None if domain.json.is_some() => "word()".to_owned(),
            None => otherwise(),
        },
    }
}

fn array(domain: &Domain, content: Option<&str>) -> String {
    let element = content.and_then(|text| {
        let parsed = parse_expr(text).ok()?;
        let Node::Call(function, arguments) = &parsed.node else { return None };
        (function == "list").then(|| text[arguments[0].value.span.clone()].to_owned())
    });
    let low = domain.length.0.max(1).min(domain.length.1.unwrap_or(64)).min(64);
    let high = domain.length.1.unwrap_or(low + 2).clamp(low, low + 2).min(64);
    format!("list({}, {low}, {high})", element.as_deref().unwrap_or("word()"))
}

fn one_of(values: &[Tree], kind: Option<JsonKind>) -> String {
    let typed = |value: &Tree| match (value, kind) {
        (Tree::Number(number), Some(JsonKind::String)) => Tree::Text(number.to_string()),
        (Tree::Text(text), Some(JsonKind::Number)) => text.parse().map_or(value.clone(), Tree::Number),
        (Tree::Text(text), Some(JsonKind::Boolean)) => Tree::Bool(text == "true"),
        _ => value.clone(),
    };
    let typed: Vec<Tree> = values.iter().map(typed).collect();
    let weights: Vec<f64> = (0..typed.len()).map(|place| 60.0 / (place + 1) as f64).collect();
    let total: f64 = weights.iter().sum();
    let each = typed.iter().zip(&weights).map(|(value, weight)| (value, *weight, weight * 100.0 / total));
    written(&each.collect::<Vec<_>>(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::condition::{cases, parse};

    fn made(sql: &str, content: &str) -> String {
        let text = document(&cases(&parse(sql), true)[0], "data", content, &BTreeSet::new()).unwrap();
        assert!(parse_expr(&text).is_ok(), "{text}");
        text
    }

    #[test]
    fn a_document_holds_what_is_asked_of_its_parts() {
        let both = "((data ? 'id'::text) AND (jsonb_typeof((data -> 'n'::text)) = 'number'::text))";
        let own = "json(source -> word(), id -> digits(4))";
        assert_eq!(made(both, own), "json(source -> word(), id -> digits(4), n -> step(uniform(1, 100), 1))");
        assert_eq!(made("((data ->> 'kind'::text) = 'it''s'::text)", "x"), "json(kind -> 'it''s')");
        assert_eq!(
            made("((data ->> 'k'::text) = ANY (ARRAY['a'::text, 'b'::text]))", "x"),
            "json(k -> weights('a' 60, 'b' 30))"
        );
        assert_eq!(made("(NOT (data ? 'source'::text))", own), "json(id -> digits(4))");
        assert_eq!(made("(jsonb_typeof(data) = 'array'::text)", own), "list(word(), 1, 3)");
        assert_eq!(made("(jsonb_typeof(data) = 'array'::text)", "list(phrase(tag), 0, 4)"), "list(phrase(tag), 1, 3)");
        assert_eq!(made("(jsonb_typeof(data) = 'object'::text)", own), own);
        let nested = "((((data -> 'a'::text) ->> 'n'::text))::integer >= 18)";
        assert_eq!(made(nested, "x"), "json(a -> json(n -> step(uniform(18, 117), 1)))");
        assert_eq!(made(nested, "json(a -> json(b -> 1))"), "json(a -> json(b -> 1, n -> step(uniform(18, 117), 1)))");
    }
}
