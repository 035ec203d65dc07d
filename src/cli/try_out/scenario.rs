//! The scenario of statements that were given by flags, as TOML. Must measure nothing and read no file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::guess::{Guess, Unresolved, guess};
use crate::diagnostic::Message;
use crate::postgres::catalog::Catalog;
use crate::scenario::statement::Statement;
use crate::sql::{Kind, comparisons, parse_one, tokens};

/// Operations a second when the saved project is proven under load.
const RATE: u32 = 50;

/// A scenario, and what was guessed for it.
pub(super) struct Drafted {
    /// The scenario file.
    pub(super) toml: String,
    /// One line for each parameter.
    pub(super) lines: Vec<String>,
}

/// Writes the scenario of some statements; `given` are expressions of parameters by name.
///
/// # Errors
/// Every parameter that cannot be resolved, and every given one that no statement has.
pub(super) fn draft(statements: &[String], given: &[(String, String)], catalog: &Catalog) -> Result<Drafted, Message> {
    let mut toml = format!(
        "# Made by `weighbridge try`. What each parameter is drawn from is a guess, with its reason above it.\n\
         name = \"try\"\n\n[load]\nrate = {RATE}  # operations a second, for a proof under load\n"
    );
    let (mut lines, mut problems, mut used, mut names) = (Vec::new(), Vec::new(), BTreeSet::new(), BTreeSet::new());
    for sql in statements {
        let sql = named(sql);
        let statement = Statement::new(&sql);
        let found = comparisons(&statement.sql);
        let (guesses, unresolved) = guess(&statement.names, found.as_deref().unwrap_or_default(), catalog, given);
        used.extend(statement.names.iter().cloned());
        let unread = found.is_none();
        problems.extend(unresolved.iter().map(|problem| refused(problem, unread)));
        let name = action_name(&statement.sql, &mut names);
        lines.extend(guesses.iter().map(|guess| line(&name, guess)));
        action(&mut toml, &name, &sql, &guesses);
    }
    for (name, _) in given.iter().filter(|(name, _)| !used.contains(name)) {
        problems.push(
            Message::new(format!("--with names {name}, which is no parameter of a statement"))
                .help(format!("the parameters are: {}", used.iter().cloned().collect::<Vec<_>>().join(", "))),
        );
    }
    if problems.is_empty() {
        return Ok(Drafted { toml, lines });
    }
    let drawn: Vec<String> = problems.iter().map(|problem| problem.draw("error")).collect();
    Err(Message::drawn(drawn.join("\n\n")))
}

/// What a name after `--with` means: `$1` is called `p1`.
pub(super) fn parameter_name(written: &str) -> String {
    let written = written.trim().trim_start_matches(':');
    written.strip_prefix('$').map_or_else(|| written.to_owned(), |number| format!("p{number}"))
}

/// `$1` as `:p1`: a scenario names its parameters.
fn named(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    for token in tokens(sql) {
        let piece = &sql[token.span];
        let number = piece.strip_prefix('$').filter(|rest| token.kind == Kind::Symbol && is_number(rest));
        match number {
            Some(number) => text.push_str(&format!(":p{number}")),
            None => text.push_str(piece),
        }
    }
    text.trim().trim_end_matches(';').to_owned()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn refused(problem: &Unresolved, unread: bool) -> Message {
    let reason = if unread { "the statement cannot be parsed" } else { problem.because.as_str() };
    let Unresolved { name, example, .. } = problem;
    Message::new(format!("no values are known for :{name}: {reason}"))
        .help(format!("write them: --with '{name} = {}'", example.replace('\'', "'\\''")))
}

fn line(action: &str, guess: &Guess) -> String {
    format!("guess: {action}: {} = {} ({})", guess.name, guess.expression, guess.because)
}

/// The first table of a statement, with a number behind it where it is not the first action of that name.
fn action_name(sql: &str, names: &mut BTreeSet<String>) -> String {
    let relation = parse_one(sql).and_then(|statement| statement.relations.into_iter().next());
    let name = relation.map_or_else(|| "query".to_owned(), |relation| relation.name.name);
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let base = name.clone();
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name
}

fn action(toml: &mut String, name: &str, sql: &str, guesses: &[Guess]) {
    // Writing to a string does not fail.
    let _ = writeln!(toml, "\n[[action]]\nname = {}\nsql  = {}", string(name), string(sql));
    if !guesses.is_empty() {
        let _ = writeln!(toml, "\n[action.with]");
    }
    for guess in guesses {
        let _ = writeln!(toml, "# {}\n{} = {}", guess.because, guess.name, string(&guess.expression));
    }
}

/// A string of TOML: literal where it can be, so that SQL stays as it is.
pub(super) fn string(text: &str) -> String {
    let has_control = text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    match () {
        () if has_control || text.contains("'''") || text.ends_with('\'') => {
            let escaped: String = text.chars().flat_map(|c| escaped(c).chars().collect::<Vec<_>>()).collect();
            format!("\"{escaped}\"")
        }
        () if text.contains('\n') => format!("'''\n{text}'''"),
        () if text.contains('\'') => format!("'''{text}'''"),
        () if text.contains(['"', '\\']) => format!("'{text}'"),
        () => format!("\"{text}\""),
    }
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::spec::parse_scenario;

    #[test]
    fn a_scenario_is_what_its_parser_reads() {
        let statements = [
            "SELECT 'a' FROM \"Odd Name\" WHERE x = $1\n  AND y = $2;".to_owned(),
            "SELECT 1".to_owned(),
            "SELECT * FROM \"Odd Name\" LIMIT :n".to_owned(),
        ];
        let given = [("p1", "pick(t.x)"), ("p2", "'it''s'")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let drafted = draft(&statements, &given, &Catalog::default()).expect("nothing is unknown");
        let scenario = parse_scenario(&drafted.toml).expect(&drafted.toml);
        let names: Vec<&str> = scenario.actions.iter().map(|action| action.name.value.as_str()).collect();
        assert_eq!(names, ["Odd_Name", "query", "Odd_Name_2"]);
        assert_eq!(
            scenario.statements().next(),
            Some("SELECT 'a' FROM \"Odd Name\" WHERE x = $1\n  AND y = $2"),
            "{}",
            drafted.toml
        );
        assert!(drafted.toml.contains("# the count of a LIMIT\nn = \"20\""), "{}", drafted.toml);
        assert_eq!(drafted.lines.last().unwrap(), "guess: Odd_Name_2: n = 20 (the count of a LIMIT)");
    }

    #[test]
    fn every_parameter_that_is_unknown_is_named_with_the_flag() {
        let statements = ["SELECT 1 FROM t WHERE a = :a AND b = :b".to_owned()];
        let given = [("c".to_owned(), "1".to_owned())];
        let Err(message) = draft(&statements, &given, &Catalog::default()) else { panic!("nothing is known") };
        let text = message.draw("error");
        for part in ["no values are known for :a", "--with 'b = pick(table.column)'", "--with names c"] {
            assert!(text.contains(part), "{part} is in {text}");
        }
    }

    #[test]
    fn strings_are_what_toml_reads_back() {
        for text in ["a", "a'b", "'", "a\"b\\", "a\n'b'", "'''\t\"", "\u{1}"] {
            let file = format!("x = {}", string(text));
            let read = toml::de::DeTable::parse(&file).expect(&file);
            assert_eq!(read.get_ref()["x"].get_ref().as_str(), Some(text), "{file}");
        }
    }
}
