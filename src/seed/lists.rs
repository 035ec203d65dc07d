//! Lists that are the same everywhere: countries, currencies, languages, roles, permissions, plans, places. Must hold
//! no person and no company.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The lists by the name a spec calls them; the first line of each names its columns.
const FILES: [(&str, &str); 7] = [
    ("countries", include_str!("lists/countries.txt")),
    ("currencies", include_str!("lists/currencies.txt")),
    ("languages", include_str!("lists/languages.txt")),
    ("permissions", include_str!("lists/permissions.txt")),
    ("places", include_str!("lists/places.txt")),
    ("plans", include_str!("lists/plans.txt")),
    ("roles", include_str!("lists/roles.txt")),
];

static LISTS: LazyLock<BTreeMap<&'static str, List>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| (*name, List::read(text))).collect());

/// A list with named columns.
#[derive(Debug)]
pub struct List {
    columns: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
}

impl List {
    fn read(text: &'static str) -> Self {
        let mut lines = text.lines().map(|line| line.split('|').collect::<Vec<_>>());
        let columns = lines.next().unwrap_or_default();
        Self { columns, rows: lines.collect() }
    }

    /// The list of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        LISTS.get(name)
    }

    /// Names of all lists, for a message.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        FILES.iter().map(|(name, _)| *name).collect()
    }

    /// Position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column == name)
    }

    /// Names of its columns, for a message.
    #[must_use]
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    /// A column of an entry; after the last one comes the first again.
    #[must_use]
    pub fn get(&self, column: usize, entry: u64) -> &'static str {
        self.rows[(entry % self.entries()) as usize][column]
    }

    /// The entry whose column has a value.
    #[must_use]
    pub fn find(&self, column: usize, value: &str) -> Option<u64> {
        self.rows.iter().position(|row| row[column] == value).map(|entry| entry as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_has_every_column_and_codes_and_names_stand_once() {
        for (name, _) in FILES {
            let list = List::named(name).unwrap();
            assert!(list.rows.iter().all(|row| row.len() == list.columns.len()), "{name}");
            let keys =
                list.columns.iter().take_while(|_| name != "places").filter(|c| ["code", "code3", "name"].contains(c));
            for column in keys {
                let at = list.column(column).unwrap();
                let seen: BTreeSet<String> = list.rows.iter().map(|row| row[at].to_lowercase()).collect();
                assert_eq!(seen.len() as u64, list.entries(), "{name}.{column}");
            }
        }
    }

    #[test]
    fn currencies_of_countries_have_three_letters_and_places_have_countries() {
        let countries = List::named("countries").unwrap();
        let (code, currency) = (countries.column("code").unwrap(), countries.column("currency").unwrap());
        assert!((0..countries.entries()).all(|entry| countries.get(currency, entry).len() == 3));
        assert!((0..countries.entries()).all(|entry| countries.get(code, entry).len() == 2));
        let places = List::named("places").unwrap();
        let known = |entry| countries.find(code, places.get(0, entry)).is_some();
        assert!((0..places.entries()).all(known));
    }
}
