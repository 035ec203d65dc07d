//! CHECKs to what they allow: a list of cases, each a domain per column. Must never claim more than it understood:
//! what is left over is named in the case, and the server judges sample rows before a load.

mod case;
mod domain;
mod json;
mod operator;
pub mod parse;
mod sums;

pub use case::Case;
pub use domain::{Domain, JsonKind, Letters, above};
pub use json::{PATH, place, split};
pub use parse::{Tree, parse};
pub use sums::{Factor, Sum, Term};

use case::{join, of, unknown};
use operator::{mirrored, opposite};

/// More cases than this are not examined; the first ones are as good.
const MOST: usize = 64;

/// The ways to make a condition true. None when nothing fulfils it.
#[must_use]
pub fn cases(tree: &Tree, want: bool) -> Vec<Case> {
    match (tree, want) {
        (Tree::And(list), true) | (Tree::Or(list), false) => {
            list.iter().fold(vec![Case::default()], |found, part| both(&found, &cases(part, want)))
        }
        (Tree::Or(list), true) | (Tree::And(list), false) => {
            let mut found: Vec<Case> = list.iter().flat_map(|part| cases(part, want)).collect();
            // A case that was understood is better than one that was not.
            found.sort_by_key(|case| case.unknown.len());
            found.truncate(MOST);
            found
        }
        (Tree::Not(inner), _) => cases(inner, !want),
        // Rows fall to hash partitions as they come; one of them takes each.
        (Tree::Call(name, _), true) if name == "satisfies_hash_partition" => vec![Case::default()],
        (Tree::Bool(flag), _) => {
            if *flag == want {
                vec![Case::default()]
            } else {
                Vec::new()
            }
        }
        (Tree::IsNull(inner), _) => absent(inner, want).unwrap_or_else(|| unknown(tree)),
        (Tree::Column(name), _) => {
            vec![of(name, Domain { values: Some(vec![Tree::Bool(want)]), ..Domain::default() })]
        }
        (Tree::Any(operator, subject, list), _) => quantified(tree, operator, subject, list, want, true),
        (Tree::All(operator, subject, list), _) => quantified(tree, operator, subject, list, want, false),
        (Tree::Binary(operator, left, right), _) if operator == "<@" && want => {
            elements(left, right).unwrap_or_else(|| unknown(tree))
        }
        (Tree::Binary(operator, left, right), _) => {
            json::condition(operator, left, right, want).unwrap_or_else(|| compare(tree, operator, left, right, want))
        }
        _ => unknown(tree),
    }
}

/// `tags <@ ARRAY['a', 'b']`
fn elements(left: &Tree, right: &Tree) -> Option<Vec<Case>> {
    let list = match right {
        Tree::Array(items) => items.clone(),
        Tree::Text(text) => parse::list_of(text)?,
        _ => return None,
    };
    let known = list.iter().all(is_constant);
    known.then(|| Some(vec![of(column(left)?, Domain { elements: Some(list), ..Domain::default() })]))?
}

/// Both conditions: every pair that does not contradict itself.
#[must_use]
pub fn both(left: &[Case], right: &[Case]) -> Vec<Case> {
    let mut found = Vec::new();
    for a in left {
        for b in right {
            if let Some(case) = join(a, b).filter(|_| found.len() < MOST)
                && !found.contains(&case)
            {
                found.push(case);
            }
        }
    }
    found
}

fn quantified(tree: &Tree, operator: &str, subject: &Tree, list: &[Tree], want: bool, any: bool) -> Vec<Case> {
    let Some(name) = json::place(subject) else { return unknown(tree) };
    let listed = || vec![of(&name, Domain { values: Some(list.to_vec()), ..Domain::default() })];
    let excluded = || vec![of(&name, Domain { excluded: list.to_vec(), ..Domain::default() })];
    if !list.iter().all(is_constant) {
        return unknown(tree);
    }
    match (operator, any, want) {
        ("=", true, true) | ("<>", false, false) => listed(),
        ("=", true, false) | ("<>", false, true) => excluded(),
        ("~~", true, true) => {
            list.iter().flat_map(|item| compare(tree, "~~", subject, item, true)).take(MOST).collect()
        }
        _ => unknown(tree),
    }
}

fn compare(tree: &Tree, operator: &str, left: &Tree, right: &Tree, want: bool) -> Vec<Case> {
    let operator = if want { operator } else { opposite(operator) };
    if operator.is_empty() {
        return unknown(tree);
    }
    if is_condition(left) && is_condition(right) && matches!(operator, "=" | "<>") {
        let same = operator == "=";
        let mut found = both(&cases(left, true), &cases(right, same));
        found.extend(both(&cases(left, false), &cases(right, !same)));
        return found;
    }
    if let (Tree::Call(name, arguments), Tree::Number(count)) = (left, right)
        && matches!(name.as_str(), "num_nonnulls" | "num_nulls")
    {
        return counted(name == "num_nonnulls", arguments, operator, *count).unwrap_or_else(|| unknown(tree));
    }
    if is_constant(left) && !is_constant(right) {
        return compare(tree, mirrored(operator), right, left, true);
    }
    if let (Some(a), Some(b)) = (column(left), column(right)) {
        return relation(tree, operator, a, b);
    }
    let product = matches!(left, Tree::Binary(sign, ..) if sign == "*") && *right == Tree::Number(0.0);
    if product && matches!(operator, "=" | ">=" | "<=") {
        return zero(left).unwrap_or_else(|| unknown(tree));
    }
    let found = subject(operator, left, right).or_else(|| subject(mirrored(operator), right, left));
    found.or_else(|| sum(operator, left, right)).unwrap_or_else(|| unknown(tree))
}

/// Arithmetic: a bound of one column, or of a sum of several.
fn sum(operator: &str, left: &Tree, right: &Tree) -> Option<Vec<Case>> {
    let sum = Sum::read(operator, left, right)?;
    let number = |bound: &Option<(Tree, bool)>| bound.as_ref().is_none_or(|(at, _)| matches!(at, Tree::Number(_)));
    if let [term] = sum.terms.as_slice() {
        let name = term.column().filter(|_| number(&sum.low) && number(&sum.high))?;
        let values = if sum.is_equation() { sum.low.as_ref().map(|(value, _)| vec![value.clone()]) } else { None };
        return Some(vec![of(name, Domain { values, low: sum.low, high: sum.high, ..Domain::default() })]);
    }
    Some(vec![Case { sums: vec![sum], ..Case::default() }])
}

/// The ways to make an expression NULL, or not: arithmetic is NULL when any part is.
fn absent(tree: &Tree, want: bool) -> Option<Vec<Case>> {
    if let Some(name) = json::place(tree) {
        let mut found = of(&name, Domain { null: Some(want), ..Domain::default() });
        if !want {
            // A part that is there is part of a document that is there.
            found.columns.entry(split(&name).0.to_owned()).or_default().null = Some(false);
        }
        return Some(vec![found]);
    }
    match tree {
        Tree::Number(_) | Tree::Text(_) | Tree::Bool(_) => Some(if want { Vec::new() } else { vec![Case::default()] }),
        Tree::Binary(operator, left, right) if matches!(operator.as_str(), "+" | "-" | "*" | "||") => {
            let (left, right) = (absent(left, want)?, absent(right, want)?);
            Some(if want { [left, right].concat() } else { both(&left, &right) })
        }
        Tree::Call(function, arguments) if function == "nullif" => {
            let (name, empty) = (column(arguments.first()?)?, arguments.get(1)?);
            let is = |values: Option<Vec<Tree>>, null| of(name, Domain { values, null, ..Domain::default() });
            match empty {
                _ if want => Some(vec![is(None, Some(true))]),
                Tree::Text(text) if text.is_empty() => {
                    Some(vec![of(name, Domain { null: Some(false), length: (1, None), ..Domain::default() })])
                }
                _ => Some(vec![of(
                    name,
                    Domain { null: Some(false), excluded: vec![empty.clone()], ..Domain::default() },
                )]),
            }
        }
        _ => None,
    }
}

/// The ways to make an expression 0.
fn zero(tree: &Tree) -> Option<Vec<Case>> {
    match tree {
        Tree::Column(name) => {
            Some(vec![of(name, Domain { values: Some(vec![Tree::Number(0.0)]), ..Domain::default() })])
        }
        Tree::Call(function, arguments) if function == "coalesce" && arguments.get(1) == Some(&Tree::Number(0.0)) => {
            zero(arguments.first()?)
        }
        Tree::Binary(operator, left, right) if operator == "*" => Some([zero(left)?, zero(right)?].concat()),
        Tree::Binary(operator, left, right) if operator == "+" || operator == "-" => {
            Some(both(&zero(left)?, &zero(right)?))
        }
        _ => None,
    }
}

/// `column op constant`, `length(column) op constant`, `lower(column) = column` and their kin.
fn subject(operator: &str, left: &Tree, right: &Tree) -> Option<Vec<Case>> {
    if let Tree::Call(function, arguments) = left {
        let place = json::place(arguments.first()?)?;
        let name = place.as_str();
        match (function.as_str(), right) {
            (
                "length" | "char_length" | "character_length" | "octet_length" | "cardinality" | "array_length",
                Tree::Number(n),
            ) => {
                return Some(vec![of(name, Domain { length: length(operator, *n)?, ..Domain::default() })]);
            }
            ("jsonb_typeof" | "json_typeof", Tree::Text(kind)) if operator == "=" => {
                return Some(vec![of(name, Domain { json: Some(json::kind(kind)?), ..Domain::default() })]);
            }
            ("jsonb_array_length" | "json_array_length", Tree::Number(n)) => {
                let (json, length) = (Some(JsonKind::Array), length(operator, *n)?);
                return Some(vec![of(name, Domain { json, length, ..Domain::default() })]);
            }
            ("mod", Tree::Number(rest)) => return multiple(operator, name, arguments.get(1)?, *rest),
            ("lower" | "upper" | "initcap", _) => {
                let letters = Some(match function.as_str() {
                    "lower" => Letters::Lower,
                    "upper" => Letters::Upper,
                    _ => Letters::Initcap,
                });
                let case = Domain { letters, ..Domain::default() };
                return (operator == "=" && column(right) == Some(name)).then(|| vec![of(name, case)]);
            }
            ("btrim" | "trim" | "ltrim" | "rtrim", Tree::Text(text)) if operator == "<>" && text.is_empty() => {
                return Some(vec![of(name, Domain { length: (1, None), ..Domain::default() })]);
            }
            // What we make has no space at its ends.
            ("btrim" | "trim" | "ltrim" | "rtrim", _) => {
                return (operator == "=" && column(right) == Some(name)).then(|| vec![of(name, Domain::default())]);
            }
            ("coalesce", _) if arguments.len() == 2 => {
                // NULL counts as the constant, which may not do: then it must not be NULL.
                let constant_does = subject(operator, &Tree::Column(String::new()), right).is_some_and(|cases| {
                    cases.iter().all(|c| c.columns.values().all(|domain| domain.allows(&arguments[1])))
                });
                let mut cases = subject(operator, &arguments[0], right)?;
                if !constant_does {
                    cases.iter_mut().for_each(|case| {
                        case.columns.entry(name.to_owned()).or_default().null = Some(false);
                    });
                }
                return Some(cases);
            }
            _ => return None,
        }
    }
    if let (Tree::Binary(sign, inner, divisor), Tree::Number(rest)) = (left, right)
        && sign == "%"
    {
        return multiple(operator, &json::place(inner)?, divisor, *rest);
    }
    let place = json::place(left)?;
    let name = place.as_str();
    let now = matches!(right, Tree::Call(function, _) if function == "now");
    let domain = match (operator, right) {
        ("=", Tree::Text(_) | Tree::Number(_) | Tree::Bool(_)) => {
            Domain { values: Some(vec![right.clone()]), ..Domain::default() }
        }
        ("<>", Tree::Text(text)) if text.is_empty() => Domain { length: (1, None), ..Domain::default() },
        ("<>", _) if is_constant(right) => Domain { excluded: vec![right.clone()], ..Domain::default() },
        (">" | ">=", _) if is_constant(right) => {
            Domain { low: Some((right.clone(), operator == ">")), ..Domain::default() }
        }
        ("<" | "<=", _) if is_constant(right) => {
            Domain { high: Some((right.clone(), operator == "<")), ..Domain::default() }
        }
        // The history ends before the wall clock does.
        ("<" | "<=", _) if now => Domain::default(),
        ("~", Tree::Text(pattern)) => Domain { pattern: Some(pattern.clone()), ..Domain::default() },
        ("~*", Tree::Text(pattern)) => Domain { pattern: Some(pattern.clone()), ..Domain::default() },
        ("~~" | "~~*", Tree::Text(pattern)) => Domain { pattern: Some(like(pattern)), ..Domain::default() },
        _ => return None,
    };
    Some(vec![of(name, domain)])
}

/// `x % divisor = rest`
fn multiple(operator: &str, name: &str, divisor: &Tree, rest: f64) -> Option<Vec<Case>> {
    let Tree::Number(divisor) = divisor else { return None };
    let multiple = match operator {
        "=" if *divisor > 0.0 && rest.abs() < *divisor => (*divisor, rest),
        "<>" if *divisor > 1.0 => (*divisor, if rest == 1.0 { 0.0 } else { 1.0 }),
        _ => return None,
    };
    Some(vec![of(name, Domain { multiple: Some(multiple), ..Domain::default() })])
}

/// A LIKE pattern as a regular expression.
fn like(pattern: &str) -> String {
    let mut regex = String::from("^");
    for c in pattern.chars() {
        match c {
            '%' => regex.push_str("[a-z]{1,6}"),
            '_' => regex.push_str("[a-z]"),
            c if c.is_alphanumeric() => regex.push(c),
            c => {
                regex.push('\\');
                regex.push(c);
            }
        }
    }
    regex.push('$');
    regex
}

fn length(operator: &str, n: f64) -> Option<(u32, Option<u32>)> {
    let n = n as u32;
    Some(match operator {
        "=" => (n, Some(n)),
        "<=" => (0, Some(n)),
        "<" => (0, Some(n.saturating_sub(1))),
        ">=" => (n, None),
        ">" => (n + 1, None),
        "<>" if n == 0 => (1, None),
        _ => return None,
    })
}

/// `num_nonnulls(a, b, c) = 1`: one case for every choice of columns that are present.
fn counted(present: bool, arguments: &[Tree], operator: &str, count: f64) -> Option<Vec<Case>> {
    let names: Vec<&str> = arguments.iter().map(column).collect::<Option<_>>()?;
    if 8 < names.len() {
        return None;
    }
    let fits = |mask: u32| {
        let n = f64::from(if present { mask.count_ones() } else { names.len() as u32 - mask.count_ones() });
        match operator {
            "=" => n == count,
            "<" => n < count,
            "<=" => n <= count,
            ">" => count < n,
            ">=" => count <= n,
            _ => n != count,
        }
    };
    let case = |mask: u32| Case {
        columns: names
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), Domain { null: Some(mask >> i & 1 == 0), ..Domain::default() }))
            .collect(),
        ..Case::default()
    };
    Some((0..1_u32 << names.len()).filter(|mask| fits(*mask)).map(case).collect())
}

fn relation(tree: &Tree, operator: &str, a: &str, b: &str) -> Vec<Case> {
    let (left, operator, right) = match operator {
        "<" | "<=" | "=" | "<>" => (a, operator, b),
        ">" => (b, "<", a),
        ">=" => (b, "<=", a),
        _ => return unknown(tree),
    };
    let relations = vec![(left.to_owned(), operator.to_owned(), right.to_owned())];
    vec![Case { relations, ..Case::default() }]
}

fn column(tree: &Tree) -> Option<&str> {
    if let Tree::Column(name) = tree { Some(name) } else { None }
}

fn is_constant(tree: &Tree) -> bool {
    matches!(tree, Tree::Text(_) | Tree::Number(_) | Tree::Bool(_))
}

fn is_condition(tree: &Tree) -> bool {
    match tree {
        Tree::IsNull(_) | Tree::And(_) | Tree::Or(_) | Tree::Not(_) | Tree::Any(..) | Tree::All(..) => true,
        Tree::Binary(operator, ..) => !opposite(operator).is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(sql: &str) -> Vec<Case> {
        cases(&parse(sql), true)
    }

    #[test]
    fn bounds_meet_and_contradictions_vanish() {
        let found = solved("((a > 0) AND (a <= 10) AND (a >= 3))");
        let domain = &found[0].columns["a"];
        assert_eq!(
            (domain.low.clone(), domain.high.clone()),
            (Some((Tree::Number(3.0), false)), Some((Tree::Number(10.0), false)))
        );
        assert_eq!(solved("((a > 5) AND (a < 5))"), Vec::new());
        assert_eq!(solved("((a = 1) OR ((a > 5) AND (a < 5)))").len(), 1);
    }

    #[test]
    fn exactly_one_present_gives_a_case_each() {
        let found = solved("(num_nonnulls(user_id, team_id) = 1)");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].columns["user_id"].null, Some(false));
        assert_eq!(found[0].columns["team_id"].null, Some(true));
        let paired = solved("((paid_at IS NOT NULL) = ((status)::text = 'paid'::text))");
        assert_eq!(paired.len(), 2);
        assert_eq!(paired[1].columns["paid_at"].null, Some(true));
        assert_eq!(paired[1].columns["status"].excluded, [Tree::Text("paid".to_owned())]);
    }

    #[test]
    fn arithmetic_is_made_zero_or_null() {
        let found = solved("((credit * debit) = (0)::numeric)");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].columns["debit"].values, Some(vec![Tree::Number(0.0)]));
        let found = solved("((COALESCE(a, (0)::numeric) * (debit - credit)) >= (0)::numeric)");
        assert_eq!(found[0].columns["a"].values, Some(vec![Tree::Number(0.0)]));
        assert_eq!(found[1].columns["credit"].values, Some(vec![Tree::Number(0.0)]));
        assert_eq!(solved("((d + c) IS NULL)")[0].columns["d"].null, Some(true));
        let exclusive = "(((u IS NULL) AND (NULLIF(email, ''::text) IS NOT NULL)) OR ((u IS NOT NULL) AND \
                         (NULLIF(email, ''::text) IS NULL)))";
        let found = solved(exclusive);
        assert_eq!((found[0].columns["email"].length, found[1].columns["email"].null), ((1, None), Some(true)));
    }

    #[test]
    fn what_is_not_understood_is_kept_as_such() {
        assert_eq!(solved("(my_function(a) > 3)")[0].unknown.len(), 1);
        assert_eq!(solved("((a > 0) AND (b < c))")[0].relations, [("b".into(), "<".into(), "c".into())]);
        assert_eq!(solved("(COALESCE(name, ''::text) <> ''::text)")[0].columns["name"].null, Some(false));
        assert_eq!(solved("(COALESCE(n, 0) >= 0)")[0].columns["n"].null, None);
        let codes = solved("((code)::text = ANY (ARRAY['01'::text, '02'::text]))");
        assert_eq!(codes[0].columns["code"].values, Some(vec![Tree::Text("01".into()), Tree::Text("02".into())]));
        assert_eq!(solved("(length((name)::text) <= 20)")[0].columns["name"].length, (0, Some(20)));
    }

    #[test]
    fn a_column_in_terms_of_itself_is_a_domain() {
        let code = &solved("(((code)::text = upper((code)::text)) AND (length((code)::text) = 3))")[0].columns["code"];
        assert_eq!((code.letters, code.length), (Some(Letters::Upper), (3, Some(3))));
        assert_eq!(solved("(name = initcap(name))")[0].columns["name"].letters, Some(Letters::Initcap));
        assert_eq!(solved("((n % 5) = 0)")[0].columns["n"].multiple, Some((5.0, 0.0)));
        assert_eq!(solved("(mod(n, (2)::numeric) = (1)::numeric)")[0].columns["n"].multiple, Some((2.0, 1.0)));
        let tags = &solved("(tags <@ ARRAY['a'::text, 'b'::text])")[0].columns["tags"];
        assert_eq!(tags.elements.as_ref().map(Vec::len), Some(2));
        let distinct = solved("((status)::text IS DISTINCT FROM 'done'::text)");
        assert_eq!((distinct[0].columns["status"].null, distinct.len()), (Some(true), 2));
    }
}
