//! `${name}` in a text, and the value somebody gives it. Must leave in place what nobody gives a value.

use super::configuration::Configuration;
use crate::diagnostic::SourceFile;
use crate::migrate::layout::Options;
use crate::migrate::part::Part;

/// A text with values in the place of its placeholders.
pub(super) struct Substituted {
    pub(super) file: SourceFile,
    pub(super) placeholders: Vec<(String, Option<String>)>,
}

/// As Flyway: `${name}` anywhere, values of the project first, then of Flyway's configuration, then its own defaults.
pub(super) fn flyway(file: SourceFile, options: &Options, configuration: &Configuration) -> Substituted {
    if !configuration.replaces {
        return Substituted { file, placeholders: Vec::new() };
    }
    let own = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let value = |name: &str| {
        let given = options.placeholders.get(name).or_else(|| configuration.placeholders.get(name)).cloned();
        given.or_else(|| match name {
            "flyway:defaultSchema" => Some("public".to_owned()),
            "flyway:filename" => Some(own.clone()),
            "flyway:table" => Some("flyway_schema_history".to_owned()),
            _ => None,
        })
    };
    let (text, placeholders) = substituted(&file.text, value);
    Substituted { file: SourceFile { text, ..file }, placeholders }
}

/// As goose with `ENVSUB ON`: variables of the environment.
pub(in crate::migrate::layout) fn environment(part: Part, is_on: bool) -> Part {
    if !is_on {
        return part;
    }
    let (_, placeholders) = substituted(&part.file.text, |name| std::env::var(name).ok());
    let mut text = part.file.text.clone();
    let mut pieces = part.pieces.clone();
    // From the last piece on, so that the places of those before it stay.
    for index in (0..pieces.len()).rev() {
        let span = pieces[index].span.clone();
        let (new, _) = substituted(&text[span.clone()], |name| std::env::var(name).ok());
        let grown = new.len() as isize - span.len() as isize;
        text.replace_range(span.clone(), &new);
        pieces[index].span.end = span.start + new.len();
        let moved = |at: usize| at.saturating_add_signed(grown);
        for piece in &mut pieces[index + 1..] {
            piece.span = moved(piece.span.start)..moved(piece.span.end);
        }
    }
    Part { file: SourceFile { text, ..part.file }, pieces, placeholders, ..part }
}

fn substituted(text: &str, value: impl Fn(&str) -> Option<String>) -> (String, Vec<(String, Option<String>)>) {
    let mut names: Vec<(String, Option<String>)> = Vec::new();
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("${") {
        let Some(close) = rest[open..].find('}') else { break };
        let name = &rest[open + 2..open + close];
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.:-".contains(c));
        new.push_str(&rest[..open]);
        let found = is_name.then(|| value(name)).flatten();
        new.push_str(found.as_deref().unwrap_or(&rest[open..=open + close]));
        if is_name && !names.iter().any(|(known, _)| known == name) {
            names.push((name.to_owned(), found));
        }
        rest = &rest[open + close + 1..];
    }
    new.push_str(rest);
    (new, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_stays() {
        let (text, names) = substituted("GRANT SELECT ON t TO ${role}; SELECT '${none}', ${role}", |name| {
            (name == "role").then(|| "app".to_owned())
        });
        assert_eq!(text, "GRANT SELECT ON t TO app; SELECT '${none}', app");
        assert_eq!(names, [("role".to_owned(), Some("app".to_owned())), ("none".to_owned(), None)]);
    }
}
