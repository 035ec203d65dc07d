//! What decided a column, and the guesses that matter, in words. Must decide nothing.

use std::fmt::Write as _;

use crate::seed::guesses::{Guess, Use};
use crate::seed::infer::evidence::{Evidence, Said};

/// Guesses that are listed; a spec made by `seed init` has a line for every column.
const MAX_LISTED: usize = 40;

/// The guesses of a dataset that matter, each with the line that says otherwise.
pub(super) fn listed(guesses: &[Guess]) -> String {
    if guesses.is_empty() {
        return String::new();
    }
    let mut text = String::from("guesses that indexes or scenarios depend on; a line of a spec says otherwise\n");
    for guess in guesses.iter().take(MAX_LISTED) {
        let name = format!("{}.{}", guess.table, guess.column);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {name}: {}; in {}\n    [table.{}] {} = \"{}\"",
            because(&guess.evidence),
            used(&guess.uses),
            guess.table,
            guess.column,
            guess.text.replace('\\', "\\\\").replace('"', "\\\"")
        );
    }
    if guesses.len() > MAX_LISTED {
        let more = guesses.len() - MAX_LISTED;
        let _ = writeln!(text, "  and {more} more; `weighbridge seed init` writes a line for every column");
    }
    text
}

/// What decided a column.
pub(super) fn because(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Compared { values } => format!("a scenario compares it with {}", values.join(", ")),
        Evidence::Check { constraint } => format!("the values of the CHECK {constraint}"),
        Evidence::Enum => "the labels of its type".to_owned(),
        Evidence::Partitions => "the bounds of the partitions".to_owned(),
        Evidence::Predicate { index, predicate, unique: true } => {
            format!("most rows are in the unique index {index} WHERE {predicate}")
        }
        Evidence::Predicate { index, predicate, unique: false } => format!("the index {index} WHERE {predicate}"),
        Evidence::Default { value } => format!("its default {value}"),
        Evidence::Agrees { column } => format!("it agrees with {column}"),
        Evidence::After { column } => format!("it follows {column}"),
        Evidence::Before { column } => format!("it comes before {column}, the last change of the row"),
        Evidence::AddsUp { table } => format!("its name says that it adds up the rows of {table}"),
        Evidence::Copies { path } => format!("its name says that it is a copy of {path}"),
        Evidence::Name { says: Said::End } => "its name says an exception, which few rows are".to_owned(),
        Evidence::Name { says: Said::State } => "its name says a state".to_owned(),
        Evidence::Name { says: Said::Common } => "its name says what most rows are".to_owned(),
        Evidence::Guess => "nothing says which values are common".to_owned(),
    }
}

fn used(uses: &[Use]) -> String {
    let one = |found: &Use| match found {
        Use::Key { index } => format!("the key of {index}"),
        Use::Predicate { index } => format!("the WHERE of {index}"),
        Use::Scenario => "a scenario".to_owned(),
    };
    let mut words: Vec<String> = uses.iter().take(2).map(one).collect();
    if uses.len() > 2 {
        words.push(format!("{} more", uses.len() - 2));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_names_what_it_rests_on_and_the_line_to_write() {
        let guess = Guess {
            table: "votes".to_owned(),
            column: "is_deleted".to_owned(),
            evidence: Evidence::Default { value: "false".to_owned() },
            uses: vec![Use::Predicate { index: "votes_live".to_owned() }, Use::Scenario],
            text: "weights(false 96, true 4)".to_owned(),
        };
        let text = listed(&[guess]);
        assert!(text.contains("votes.is_deleted: its default false; in the WHERE of votes_live, a scenario"), "{text}");
        assert!(text.contains("    [table.votes] is_deleted = \"weights(false 96, true 4)\""), "{text}");
        assert_eq!(listed(&[]), "");
    }
}
