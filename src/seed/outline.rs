//! A spec as a file a person goes on with: every expression, and what the catalog says beside it. Must read back as it
//! was.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::infer::{self, Refusal};
use super::spec::{PlacedExpr, Spec, TableSpec};
use crate::diagnostic::Diagnostic;
use crate::expression::Value;
use crate::postgres::catalog::Catalog;

/// A spec made from the catalog, and what is still to do in it.
#[derive(Debug)]
pub struct Outline<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// What fills it. Tables with something to do get no rows.
    pub spec: Spec,
    /// Tables, by position, that get fewer rows than were asked for at some scale.
    pub bounded: BTreeSet<usize>,
    /// What could not be made up, by table.
    pub refusals: Vec<Refusal>,
    /// Problems that belong to no table.
    pub problems: Vec<Diagnostic>,
    /// Why sample rows were not tried on the server.
    pub untried: Option<String>,
}

impl<'a> Outline<'a> {
    /// A spec whose refused tables stay empty, so that the others load.
    #[must_use]
    pub fn new(catalog: &'a Catalog, spec: Spec, refusals: Vec<Refusal>) -> Self {
        let (bounded, problems) = (BTreeSet::new(), Vec::new());
        let mut outline = Self { catalog, spec, bounded, refusals: Vec::new(), problems, untried: None };
        outline.refuse(refusals);
        outline
    }

    /// Leaves the tables of these refusals empty; false when all of them were already.
    pub fn refuse(&mut self, refusals: Vec<Refusal>) -> bool {
        let before = self.refusals.len();
        for refusal in refusals {
            if !self.refusals.contains(&refusal) {
                self.refusals.push(refusal);
            }
        }
        for table in &mut self.spec.tables {
            let name = &table.name.value;
            if self.refusals.iter().any(|refusal| refusal.table == *name) {
                table.row_count = PlacedExpr::inferred(name, "0");
            }
        }
        infer::drop_keys_to_empty(&mut self.spec, self.catalog);
        before < self.refusals.len()
    }

    /// Takes a mistake of the plan as a refusal of the table it is about.
    pub fn refuse_problem(&mut self, problem: &Diagnostic) -> bool {
        let Some(subject) = &problem.subject else { return false };
        let of = |table: &&TableSpec| {
            let column = subject.strip_prefix(table.name.value.as_str());
            column.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // The longest name: `a.b` may be a column of `a` or a table of the schema `a`.
        let Some(table) = self.spec.tables.iter().filter(of).max_by_key(|table| table.name.value.len()) else {
            return false;
        };
        let (table, column) = (table.name.value.clone(), subject[table.name.value.len()..].trim_start_matches('.'));
        let constraint = if column.is_empty() { "row-count" } else { column }.to_owned();
        let line = format!("{} = \"…\"", if column.is_empty() { "COLUMN" } else { column });
        self.refuse(vec![Refusal { table, constraint, reason: problem.message.clone(), line }])
    }

    /// The spec as TOML with comments. `asked` is the number of rows each table would have had.
    #[must_use]
    pub fn toml(&self, asked: &str) -> String {
        let mut out = String::from(
            "# A dataset spec made from the catalog. Every line may be changed or removed:\n\
             # what is removed here is made from the catalog again; COLUMN = \"default\" leaves it to the server.\n",
        );
        if let Some(reason) = &self.untried {
            let _ = writeln!(out, "# Sample rows were not tried on the server: {}", on_one_line(reason));
        }
        for problem in &self.problems {
            let _ = writeln!(out, "# TO DO: {}", on_one_line(&problem.message));
        }
        let (now, days) = (Value::Time(self.spec.now), self.spec.span / 86_400_000_000);
        let _ = writeln!(
            out,
            "\n[dataset]\nnow  = {}        # the history ends here, whatever the clock says\nspan = \"{days}d\"",
            now.to_text()
        );
        for (index, table) in self.spec.tables.iter().enumerate() {
            self.table(index, table, asked, &mut out);
        }
        for (name, _) in self.catalog.tables.iter().filter(|(_, table)| table.bookkeeping) {
            let _ = writeln!(out, "\n# {name} belongs to a migration tool and stays as it is.");
        }
        out
    }

    fn table(&self, index: usize, table: &TableSpec, asked: &str, out: &mut String) {
        let name = &table.name.value;
        if table.columns.iter().any(|(_, source)| source.source.text == "held()") {
            let _ = writeln!(out, "\n# {name} holds rows already; they stay, and others refer to them.");
            return;
        }
        let to_do: Vec<&Refusal> = self.refusals.iter().filter(|refusal| refusal.table == *name).collect();
        let rows = match self.bounded.contains(&index) {
            true => format!("up_to({})", table.row_count.source.text),
            false => table.row_count.source.text.clone(),
        };
        let _ = write!(out, "\n[table.{}]\nrow-count = {}", key(name), string(&rows));
        let _ = match to_do.is_empty() {
            true => writeln!(out),
            false => writeln!(out, "  # {asked}, when what is to do here is done"),
        };
        for refusal in to_do {
            let reason = on_one_line(&refusal.reason);
            let _ = writeln!(out, "# TO DO {}: {reason}; write {}", refusal.constraint, refusal.line);
        }
        for (column, source) in &table.fan_out {
            let _ = writeln!(out, "fan-out.{} = {}", key(&column.value), string(&source.source.text));
        }
        for (column, source) in &table.columns {
            let found = self.catalog.table(name).and_then(|t| t.column(&column.value));
            let kind = found.map_or("", |c| c.kind.declared.as_str());
            let _ = writeln!(out, "{} = {}  # {kind}", key(&column.value), string(&source.source.text));
        }
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn key(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !name.is_empty();
    if bare { name.to_owned() } else { string(name) }
}

fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t"))
}
