//! Foreign keys that share a column, such as a tenant: their rows are divided into classes. Must leave no row whose
//! parents belong to two tenants.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use crate::postgres::catalog::{Catalog, Column, Reference, Table};

/// Which foreign keys share a column, and what names the classes of their rows.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// Table and constraint to the root.
    roots: BTreeMap<(String, String), String>,
    /// Columns that no table holds the values of, by table and column, to the root they name.
    tenants: BTreeMap<(String, String), String>,
}

/// Tenants of a column that refers to no table of them.
const TENANTS: u32 = 20;

impl Classes {
    pub(super) fn new(catalog: &Catalog, refusals: &mut Vec<Refusal>) -> Self {
        let mut classes = Self::default();
        let linked = Linked::new(catalog);
        for (name, table) in &catalog.tables {
            for column in &table.columns {
                let sharing: Vec<&Reference> =
                    table.references.iter().filter(|r| r.columns.contains(&column.name)).collect();
                let several = sharing.len() > 1 && sharing.iter().any(|r| r.columns.len() > 1);
                if several || sharing.iter().any(|r| needs_tenant(name, table, r, &column.name)) {
                    classes.mark(catalog, &linked, name, &column.name, refusals);
                }
            }
        }
        classes
    }

    fn mark(&mut self, catalog: &Catalog, linked: &Linked, table: &str, column: &str, refusals: &mut Vec<Refusal>) {
        let Some(found) = catalog.tables.get(table) else { return };
        let Some(root) = root(catalog, linked, table, column) else { return };
        let ways: Vec<&Reference> = found.references.iter().filter(|r| r.columns.iter().any(|c| c == column)).collect();
        if root.is_tenant && ways.iter().all(|r| r.table == table) {
            self.tenants.insert((table.to_owned(), column.to_owned()), root.name.clone());
        }
        for reference in ways {
            let place = (table.to_owned(), reference.name.clone());
            match self.roots.get(&place) {
                Some(known) if *known == root.name => continue,
                Some(known) => refusals.push(Refusal {
                    table: table.to_owned(),
                    constraint: reference.name.clone(),
                    reason: format!("it is shared by two roots, `{known}` and `{}`", root.name),
                    line: format!("fan-out.{} = \"…\"", reference.columns[0]),
                }),
                None => {
                    self.roots.insert(place, root.name.clone());
                    let target = reference.columns.iter().position(|c| c == column).map(|i| &reference.targets[i]);
                    if let Some(target) = target.filter(|_| reference.table != table) {
                        self.mark(catalog, linked, &reference.table, target, refusals);
                    }
                }
            }
        }
    }

    /// What names the classes a foreign key keeps to.
    pub(super) fn root(&self, table: &str, reference: &str) -> Option<&str> {
        self.roots.get(&(table.to_owned(), reference.to_owned())).map(String::as_str)
    }

    /// What names the classes a column numbers, when it refers to no table.
    pub(super) fn tenant(&self, table: &str, column: &str) -> Option<&str> {
        self.tenants.get(&(table.to_owned(), column.to_owned())).map(String::as_str)
    }
}

/// A key into the table's own rows that shares a column which must not be NULL: the parent is of the same tenant.
fn needs_tenant(name: &str, table: &Table, reference: &Reference, column: &str) -> bool {
    let required = |name: &str| table.column(name).is_some_and(|c: &Column| c.required);
    let optional = reference.columns.iter().any(|other| other != column && !required(other));
    let same = reference.columns.iter().zip(&reference.targets).any(|(own, target)| own == column && target == column);
    reference.table == name && reference.columns.len() > 1 && required(column) && optional && same
}

struct Root {
    name: String,
    is_tenant: bool,
}

/// The table a shared column comes from in the end, or, when its values are no table's key, a name for them.
fn root(catalog: &Catalog, linked: &Linked, table: &str, column: &str) -> Option<Root> {
    let (mut table, mut column) = (table, column);
    for _ in 0..16 {
        let found = catalog.tables.get(table)?;
        let ways = found.references.iter().filter(|r| r.table != table);
        // The shortest way: a key of this column alone, if there is one.
        let way = ways.filter(|r| r.columns.iter().any(|c| c == column)).min_by_key(|r| r.columns.len());
        let Some(reference) = way else { break };
        let index = reference.columns.iter().position(|c| c == column)?;
        (table, column) = (&reference.table, &reference.targets[index]);
    }
    let found = catalog.tables.get(table)?;
    let is_key = found
        .uniques
        .iter()
        .any(|u| u.predicate.is_none() && u.expressions.is_empty() && u.columns.as_slice() == [column]);
    let members = linked.members(table, column);
    let holds_rows = members.iter().any(|(table, _)| catalog.tables.get(table).is_some_and(|t| t.has_rows));
    if is_key || found.has_rows || holds_rows {
        return Some(Root { name: table.to_owned(), is_tenant: false });
    }
    let (table, column) = members.first()?;
    Some(Root { name: format!("{table}.{column} of {TENANTS}"), is_tenant: true })
}

/// Columns that hold the same values because foreign keys of several columns tie them together.
struct Linked {
    groups: Vec<BTreeSet<(String, String)>>,
}

impl Linked {
    fn new(catalog: &Catalog) -> Self {
        let mut groups: Vec<BTreeSet<(String, String)>> = Vec::new();
        for (name, table) in &catalog.tables {
            for reference in table.references.iter().filter(|r| r.columns.len() > 1) {
                for (own, target) in reference.columns.iter().zip(&reference.targets) {
                    let pair = BTreeSet::from([(name.clone(), own.clone()), (reference.table.clone(), target.clone())]);
                    let (met, mut apart): (Vec<_>, Vec<_>) =
                        groups.into_iter().partition(|group| !group.is_disjoint(&pair));
                    apart.push(met.into_iter().flatten().chain(pair).collect());
                    groups = apart;
                }
            }
        }
        Self { groups }
    }

    fn members(&self, table: &str, column: &str) -> Vec<(String, String)> {
        let place = (table.to_owned(), column.to_owned());
        let group = self.groups.iter().find(|group| group.contains(&place));
        group.map_or_else(|| vec![place.clone()], |group| group.iter().cloned().collect())
    }
}
