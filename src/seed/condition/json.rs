//! Conditions on parts of a JSON document: a part is a column of its own by the path to it, `data␟address␟city`.
//! Must understand presence, kind, value and length, and nothing that needs the document as a whole.

use super::case::{Case, of};
use super::domain::{Domain, JsonKind};
use super::parse::Tree;

/// Stands between a column and the keys of a part of it: no name holds it.
pub const PATH: char = '\u{1f}';

/// The column of a name that may be a path, and the keys below it.
#[must_use]
pub fn split(name: &str) -> (&str, Vec<&str>) {
    let mut parts = name.split(PATH);
    (parts.next().unwrap_or(name), parts.collect())
}

/// A column, or a part of one: `data -> 'address' ->> 'city'`, `data #>> '{address,city}'`.
#[must_use]
pub fn place(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Column(name) => Some(name.clone()),
        Tree::Binary(operator, inner, key) => match (operator.as_str(), &**key) {
            ("->" | "->>", Tree::Text(key)) => Some(format!("{}{PATH}{key}", place(inner)?)),
            ("#>" | "#>>", Tree::Text(path)) => {
                let keys = path.strip_prefix('{')?.strip_suffix('}')?.split(',');
                Some(keys.fold(place(inner)?, |name, key| format!("{name}{PATH}{}", key.trim_matches('"'))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `data ? 'key'`, `data ?& ARRAY['a', 'b']`, `data @> '{"kind": "a"}'`; `None` for what is no such condition.
pub(super) fn condition(operator: &str, left: &Tree, right: &Tree, want: bool) -> Option<Vec<Case>> {
    let name = place(left)?;
    let key = |key: &str| {
        let domain = Domain { null: Some(!want), ..Domain::default() };
        of(&format!("{name}{PATH}{key}"), domain)
    };
    let keys = || match right {
        Tree::Array(list) => {
            list.iter().map(|item| if let Tree::Text(text) = item { Some(text.clone()) } else { None }).collect()
        }
        Tree::Text(text) => Some(
            text.strip_prefix('{')?.strip_suffix('}')?.split(',').map(|key| key.trim_matches('"').to_owned()).collect(),
        ),
        _ => None::<Vec<String>>,
    };
    match (operator, right, want) {
        ("?", Tree::Text(one), _) => Some(vec![key(one)]),
        ("?&", _, true) | ("?|", _, false) => Some(vec![keys()?.iter().fold(Case::default(), |mut found, one| {
            found.columns.extend(key(one).columns);
            found
        })]),
        ("?|", _, true) | ("?&", _, false) => Some(keys()?.iter().map(|one| key(one)).collect()),
        ("@>", Tree::Text(document), true) => {
            let mut found = Case::default();
            contains(&name, &serde_json::from_str(document).ok()?, &mut found)?;
            Some(vec![found])
        }
        _ => None,
    }
}

/// What a document that contains another holds.
fn contains(name: &str, document: &serde_json::Value, found: &mut Case) -> Option<()> {
    use serde_json::Value;
    let value = match document {
        Value::Object(members) => {
            for (key, member) in members {
                contains(&format!("{name}{PATH}{key}"), member, found)?;
            }
            if members.is_empty() {
                found.columns.entry(name.to_owned()).or_default().json = Some(JsonKind::Object);
            }
            return Some(());
        }
        Value::String(text) => Tree::Text(text.clone()),
        Value::Number(number) => Tree::Number(number.as_f64()?),
        Value::Bool(flag) => Tree::Bool(*flag),
        Value::Array(_) | Value::Null => return None,
    };
    let domain = Domain { null: Some(false), values: Some(vec![value]), ..Domain::default() };
    found.columns.insert(name.to_owned(), domain);
    Some(())
}

/// The kind that `jsonb_typeof` names.
pub(super) fn kind(name: &str) -> Option<JsonKind> {
    Some(match name {
        "object" => JsonKind::Object,
        "array" => JsonKind::Array,
        "string" => JsonKind::String,
        "number" => JsonKind::Number,
        "boolean" => JsonKind::Boolean,
        "null" => JsonKind::Null,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{cases, parse};
    use super::*;

    fn domain(sql: &str, path: &str) -> Domain {
        let found = cases(&parse(sql), true);
        assert!(found[0].unknown.is_empty(), "{sql}: {found:?}");
        let place = path.replace('.', &PATH.to_string());
        found[0].columns.get(&place).unwrap_or_else(|| panic!("{sql}: {found:?}")).clone()
    }

    #[test]
    fn parts_of_a_document_are_columns_by_their_path() {
        assert_eq!(domain("(data ? 'id'::text)", "data.id").null, Some(false));
        assert_eq!(domain("(NOT (data ? 'id'::text))", "data.id").null, Some(true));
        assert_eq!(domain("(data ?& ARRAY['a'::text, 'b'::text])", "data.b").null, Some(false));
        assert_eq!(cases(&parse("(data ?| ARRAY['a'::text, 'b'::text])"), true).len(), 2);
        assert_eq!(domain("((data ->> 'k'::text) IS NOT NULL)", "data.k").null, Some(false));
        let number = domain("(jsonb_typeof((data -> 'k'::text)) = 'number'::text)", "data.k");
        assert_eq!(number.json, Some(JsonKind::Number));
        let bounded = domain("((((data -> 'a'::text) ->> 'n'::text))::integer > 5)", "data.a.n");
        assert_eq!(bounded.low, Some((Tree::Number(5.0), true)));
        let list = domain("(jsonb_array_length((data -> 'items'::text)) >= 2)", "data.items");
        assert_eq!((list.json, list.length), (Some(JsonKind::Array), (2, None)));
        let one = domain("((data #>> '{a,b}'::text[]) = ANY (ARRAY['x'::text, 'y'::text]))", "data.a.b");
        assert_eq!(one.values.map(|values| values.len()), Some(2));
        let held = domain("(data @> '{\"kind\": \"a\"}'::jsonb)", "data.kind");
        assert_eq!(held.values, Some(vec![Tree::Text("a".to_owned())]));
        assert_eq!(domain("(jsonb_typeof(data) = 'object'::text)", "data").json, Some(JsonKind::Object));
    }
}
