//! Texts that an expression gives, a few of them, to see whether a pattern accepts them. Must say nothing of what it
//! cannot write.

use crate::expression::parse::parse;
use crate::expression::{Argument, Expr, Key, Node};
use crate::seed::pattern::Pattern;
use crate::seed::phrase::Phrase;
use crate::seed::pools::Pool;

/// Texts that are examined: a pattern that accepts all of them is taken to accept the others.
const SAMPLES: u64 = 200;

/// Whether a pattern accepts what an expression gives.
pub(super) fn accepts(pattern: &str, content: &str) -> bool {
    let (Ok(pattern), Ok(expr)) = (Pattern::read(pattern, 0, usize::MAX), parse(content)) else { return false };
    let key = Key::new(7);
    (0..SAMPLES).all(|n| text(&expr, key.numbered(n)).is_some_and(|text| pattern.accepts(&text)))
}

fn text(expr: &Expr, key: Key) -> Option<String> {
    match &expr.node {
        Node::Text(text) => Some(text.clone()),
        Node::Number(number) => Some(number.to_string()),
        // A column of the row: texts are like others.
        Node::Path(_) => Some(phrase("headline", key)?),
        Node::Binary('+', left, right) => Some(text(left, key.numbered(1))? + &text(right, key.numbered(2))?),
        Node::Call(name, arguments) => call(name, arguments, key),
        _ => None,
    }
}

fn call(name: &str, arguments: &[Argument], key: Key) -> Option<String> {
    if let Some((_, pool)) = Pool::NAMES.iter().find(|(pool, _)| *pool == name) {
        return arguments.is_empty().then(|| pool.pick(key.cell(0)).to_owned());
    }
    let inner = || text(&arguments.first()?.value, key.numbered(3));
    let number = |index: usize| match arguments.get(index)?.value.node {
        Node::Number(number) => Some(number as usize),
        _ => None,
    };
    let mut out = Vec::new();
    match name {
        "phrase" | "unique_phrase" => match &arguments.first()?.value.node {
            Node::Path(path) => return phrase(path.first()?, key),
            _ => return None,
        },
        "step" => out.extend(key.below(0, 1_000).to_string().into_bytes()),
        "ip" => crate::seed::letters::ip(key.cell(0), &mut out),
        "row" => return Some((key.cell(0) % 1_000_000).to_string()),
        "base36" => crate::seed::letters::base36(key.cell(0) % 1_000_000, &mut out),
        "hex" => crate::seed::letters::hex(key, number(0)? * 2, &mut out),
        "digits" => crate::seed::letters::digits(key, number(0)? as u64, 10, &mut out),
        "lower" | "slug" => {
            out = inner()?.into_bytes();
            crate::seed::letters::lower(&mut out, 0, name == "slug");
        }
        "upper" | "initcap" => {
            out = inner()?.into_bytes();
            crate::seed::letters::upper(&mut out, 0, name == "initcap");
        }
        "fit" => {
            out = inner()?.into_bytes();
            crate::seed::letters::fit(&mut out, 0, number(1)?, number(2)?);
        }
        "weights" => {
            let at = key.below(0, arguments.len() as u64) as usize;
            return arguments[at].label.clone();
        }
        _ => return None,
    }
    String::from_utf8(out).ok()
}

fn phrase(kind: &str, key: Key) -> Option<String> {
    let mut out = Vec::new();
    Phrase::named(kind)?.append(key, 0, &mut out);
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_fits_a_pattern_is_known_and_other_content_is_not() {
        assert!(accepts("^[a-z0-9]+(-[a-z0-9]+)*$", "slug(phrase(course)) + '-' + base36(row())"));
        assert!(accepts("^[a-z0-9]+(-[a-z0-9]+)*$", "slug(title) + '-' + base36(row())"));
        assert!(!accepts("^[a-z]+$", "phrase(course)"));
        let slug = "slug(title()) + '-' + base36(row())";
        assert!(accepts("^[a-z0-9]+(-[a-z0-9]+)*$", slug));
        assert!(!accepts("^[a-z]+$", slug) && !accepts("^[a-z0-9]+(-[a-z0-9]+)*$", "title()"));
        assert!(accepts("^[^@ ]+@[^@ ]+[.][a-z]+$", "slug(first_name()) + '.' + base36(row()) + '@example.com'"));
        assert!(accepts("^[0-9]{5}$", "digits(5)") && !accepts("^.*$", "state(machine)"));
    }
}
