//! What a given spec leaves unsaid, from the catalog. Must change nothing that the spec says.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::classes::Classes;
use super::{Beside, Compared, Refusal, bare, draft, empty_tables, held_table, keys};
use crate::document::Placed;
use crate::expression::Node;
use crate::postgres::catalog::{Catalog, Column, Table};
use crate::seed::plan::{Held, called, reference_of};
use crate::seed::spec::{PlacedExpr, Spec, TableSpec};

/// A column or a fan-out with its expression.
type Said = (Placed<String>, PlacedExpr);

/// Columns that the tables of a spec do not name, and, when it says how many rows they have, the tables it does not
/// name. A column whose whole expression is `default` is left to the server.
#[must_use]
pub fn complete(given: &Spec, catalog: &Catalog, held: &Held, compared: &Compared) -> (Spec, Vec<Refusal>) {
    let mut refusals = Vec::new();
    let mut spec = given.clone();
    let catalog = &*leave_to_server(&mut spec, catalog, &mut refusals);
    let classes = Classes::new(catalog, &mut Vec::new());
    let history = (given.now - given.span, given.now);
    let mut filled: BTreeSet<String> = spec.tables.iter().map(|table| bare(&table.name.value).to_owned()).collect();
    if given.other_tables.is_some() {
        filled.extend(empty_tables(catalog));
    }
    let mut beside = Beside { held, compared, history, said: BTreeSet::new(), filled, asked: None };
    for at in 0..spec.tables.len() {
        let table = &spec.tables[at];
        let Some((name, found)) = catalog.tables.get_key_value(bare(&table.name.value)) else { continue };
        beside.asked = (!table.flexible).then(|| asked(&table.row_count));
        if table.columns.is_empty() && table.fan_out.is_empty() {
            // Only the number of rows was asked for: the rest is the catalog's.
            beside.said.clear();
            let (inferred, found) = draft(catalog, &classes, name, &beside);
            let table = &mut spec.tables[at];
            (table.columns, table.fan_out) = (inferred.columns, inferred.fan_out);
            refusals.extend(found);
            continue;
        }
        let missing = missing(&spec, table, found);
        if missing.is_empty() {
            continue;
        }
        let said = found.columns.iter().filter(|c| !missing.contains(c.name.as_str()) && !c.generated);
        beside.said = said.map(|c| c.name.clone()).collect();
        let (inferred, found_wrong) = draft(catalog, &classes, name, &beside);
        let wanted = |(column, _): &Said| missing.contains(column.value.as_str());
        let fans: Vec<Said> = inferred.fan_out.iter().filter(|said| wanted(said)).cloned().collect();
        let columns: Vec<Said> = inferred.columns.iter().filter(|said| wanted(said)).cloned().collect();
        let columns: Vec<Said> =
            columns.into_iter().filter_map(|said| beside_said(said, &inferred, found, &missing)).collect();
        refusals.extend(found_wrong.into_iter().filter(|r| missing.contains(r.constraint.as_str())));
        let table = &mut spec.tables[at];
        table.fan_out.extend(fans);
        table.columns.extend(columns);
    }
    (beside.said, beside.asked) = (BTreeSet::new(), None);
    for name in keys::parents_first(catalog) {
        if spec.tables.iter().any(|table| bare(&table.name.value) == name) {
            continue;
        }
        if catalog.tables[name].has_rows {
            spec.tables.extend(held_table(name, held));
        } else if let Some(rows) = given.other_tables.as_ref().filter(|_| !catalog.tables[name].bookkeeping) {
            let (mut table, found) = draft(catalog, &classes, name, &beside);
            if table.row_count.source.text == "0" {
                table.row_count = rows.clone();
            }
            spec.tables.push(table);
            refusals.extend(found);
        }
    }
    drop_keys_to_empty(&mut spec, catalog);
    (spec, refusals)
}

/// The rows a spec asks for, where it says so without a scale; else any number.
fn asked(row_count: &PlacedExpr) -> u64 {
    match row_count.expr.node {
        Node::Number(rows) => rows as u64,
        _ => u64::MAX,
    }
}

/// Takes the columns out of the spec that it leaves to the server's default; the catalog without them is what the rest
/// is made from, so that nothing reads them.
fn leave_to_server<'c>(spec: &mut Spec, catalog: &'c Catalog, refusals: &mut Vec<Refusal>) -> Cow<'c, Catalog> {
    let mut catalog = Cow::Borrowed(catalog);
    for table in &mut spec.tables {
        let name = bare(&table.name.value).to_owned();
        let mut left = BTreeSet::new();
        table.columns.retain(|(column, source)| {
            let is_left = matches!(&source.expr.node, Node::Path(path) if path.len() == 1 && path[0] == "default");
            if is_left {
                left.insert(column.value.clone());
            }
            !is_left
        });
        if left.is_empty() || !catalog.tables.contains_key(&name) {
            continue;
        }
        for column in catalog.tables[&name].columns.iter().filter(|c| left.contains(&c.name)) {
            if column.required && !column.filled_by_server() {
                refusals.push(Refusal {
                    table: name.clone(),
                    constraint: column.name.clone(),
                    reason: "it is NOT NULL and has no default to be left to".to_owned(),
                    line: format!("{} = \"…\"", column.name),
                });
            }
        }
        if let Some(found) = catalog.to_mut().tables.get_mut(&name) {
            found.columns.retain(|column| !left.contains(&column.name));
            found.references.retain(|r| !r.columns.iter().any(|column| left.contains(column)));
        }
    }
    catalog
}

/// Columns that neither an expression, a fan-out nor a state machine of the table fills.
fn missing<'t>(spec: &Spec, table: &TableSpec, found: &'t Table) -> BTreeSet<&'t str> {
    let mut said: BTreeSet<&str> =
        table.columns.iter().chain(&table.fan_out).map(|(column, _)| column.value.as_str()).collect();
    for (_, source) in &table.columns {
        let machine = called(&source.expr, "state").and_then(|name| spec.states.get(name));
        said.extend(machine.iter().flat_map(|machine| &machine.sets).map(String::as_str));
    }
    let of_said_key = |column: &str| {
        found
            .references
            .iter()
            .any(|r| r.columns.iter().any(|c| c == column) && r.columns.iter().any(|c| said.contains(c.as_str())))
    };
    let unfilled = |c: &&Column| !c.generated && !said.contains(c.name.as_str()) && !of_said_key(&c.name);
    found.columns.iter().filter(unfilled).map(|c| c.name.as_str()).collect()
}

/// An inferred column as it can stand beside columns that the spec says. What ties it to one of these was not made by
/// the spec, so that it is left to its default, or NULL, where it may be.
fn beside_said(said: Said, inferred: &TableSpec, found: &Table, missing: &BTreeSet<&str>) -> Option<Said> {
    let (name, source) = &said;
    let column = found.column(&name.value)?;
    let text = source.source.text.as_str();
    let may_be_left = column.filled_by_server() || !column.required;
    let tied = |text: &str| {
        let others = found.columns.iter().filter(|c| c.name != name.value && !missing.contains(c.name.as_str()));
        keys::names(text, &name.value) && others.clone().any(|other| keys::names(text, &other.name))
    };
    if text.contains("cases(") && may_be_left && found.checks.iter().any(|check| tied(&check.expression)) {
        return None;
    }
    if text.starts_with("slots(") {
        // A digit of a combination is nothing without the others.
        let group = |text: &str| text.split([',', ')']).next().map(str::to_owned);
        let digits = inferred.columns.iter().chain(&inferred.fan_out);
        let mut digits = digits.filter(|(_, other)| other.source.text.contains("slots("));
        let of_group = |other: &PlacedExpr| {
            other.source.text.find("slots(").and_then(|at| group(&other.source.text[at..])) == group(text)
        };
        let is_whole = digits.all(|(other, digit)| !of_group(digit) || missing.contains(other.value.as_str()));
        if !is_whole && may_be_left && !column.required {
            return None;
        }
    }
    Some(said)
}

/// Takes back inferred fan-outs that may be NULL and lead to a table without rows.
pub fn drop_keys_to_empty(spec: &mut Spec, catalog: &Catalog) {
    let filled: BTreeSet<String> = spec
        .tables
        .iter()
        .filter(|table| table.row_count.source.text.trim() != "0")
        .map(|table| bare(&table.name.value).to_owned())
        .collect();
    for table in &mut spec.tables {
        let Some(found) = catalog.tables.get(bare(&table.name.value)) else { continue };
        table.fan_out.retain(|(column, source)| {
            let Some(reference) = reference_of(found, &column.value) else { return true };
            let may_be_null = reference.columns.iter().all(|c| found.column(c).is_none_or(|c| !c.required));
            !source.is_inferred() || !may_be_null || filled.contains(&reference.table)
        });
    }
}
