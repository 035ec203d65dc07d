//! Columns whose content was guessed and that indexes or scenarios look for, as data. Must hold no sentence.

use super::infer::Compared;
use super::infer::evidence::Evidence;
use super::spec::Spec;
use crate::postgres::catalog::{Catalog, Table};

/// A guess that decides what an index or a statement finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The table, as a spec names it.
    pub table: String,
    /// The column.
    pub column: String,
    /// What the guess rests on.
    pub evidence: Evidence,
    /// Who looks for the column.
    pub uses: Vec<Use>,
    /// Its expression.
    pub text: String,
}

/// Who looks for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// An index has it in its key.
    Key {
        /// The index's name.
        index: String,
    },
    /// The WHERE of an index names it.
    Predicate {
        /// The index's name.
        index: String,
    },
    /// A statement of a scenario compares it or sorts by it.
    Scenario,
}

/// The guesses of a spec that matter, in the order of its tables and columns.
#[must_use]
pub fn guesses(spec: &Spec, catalog: &Catalog, compared: &Compared) -> Vec<Guess> {
    let mut found = Vec::new();
    for table in &spec.tables {
        let Some(known) = catalog.table(&table.name.value) else { continue };
        for (column, source) in table.columns.iter().chain(&table.fan_out) {
            let Some(evidence) = source.evidence.clone().filter(|e| source.is_inferred() && e.is_guess()) else {
                continue;
            };
            let bare = table.name.value.strip_prefix("public.").unwrap_or(&table.name.value);
            let uses = uses(known, &column.value, compared.names(bare, &column.value));
            if !uses.is_empty() {
                let (table, text) = (table.name.value.clone(), source.source.text.clone());
                found.push(Guess { table, column: column.value.clone(), evidence, uses, text });
            }
        }
    }
    found
}

fn uses(table: &Table, column: &str, in_scenario: bool) -> Vec<Use> {
    let names = |sql: &String| super::infer::names(sql, column);
    let mut uses = Vec::new();
    for index in &table.indexes {
        let name = || index.name.clone();
        if index.predicate.as_ref().is_some_and(names) {
            uses.push(Use::Predicate { index: name() });
        } else if index.columns.iter().any(|c| c == column) || index.expressions.iter().any(names) {
            uses.push(Use::Key { index: name() });
        }
    }
    uses.extend(in_scenario.then_some(Use::Scenario));
    uses
}
