//! Functions that run for an action on one side alone, or are defined otherwise after. Must hold for what no count
//! sees: the work of the processor.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::evidence::{CountedAction, FunctionPlace};

/// A function of the user's own that an action runs otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FunctionChange {
    /// Its name with the types of its arguments.
    pub function: String,
    /// How it changes.
    pub change: FunctionFate,
    /// Where it is called, on the side where it is.
    pub places: BTreeSet<FunctionPlace>,
}

/// How a function changes for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FunctionFate {
    /// It runs after, or in more places.
    Added,
    /// It runs before alone, or in more places.
    Removed,
    /// Its definition is another.
    Redefined,
}

/// Every function that an action runs otherwise.
pub(super) fn changes(before: &CountedAction, after: &CountedAction) -> Vec<FunctionChange> {
    let names: BTreeSet<&String> = before.functions.keys().chain(after.functions.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (before.functions.get(name), after.functions.get(name));
        let (change, places) = match (old, new) {
            (Some(old), Some(new)) if old.digest != new.digest => (FunctionFate::Redefined, new.places.clone()),
            (Some(old), Some(new)) => {
                let (more, fewer) = (more(&old.places, &new.places), more(&new.places, &old.places));
                if !more.is_empty() {
                    (FunctionFate::Added, more)
                } else if !fewer.is_empty() {
                    (FunctionFate::Removed, fewer)
                } else {
                    return None;
                }
            }
            (None, Some(new)) => (FunctionFate::Added, new.places.clone()),
            (Some(old), None) => (FunctionFate::Removed, old.places.clone()),
            (None, None) => return None,
        };
        Some(FunctionChange { function: name.clone(), change, places })
    };
    names.into_iter().filter_map(change).collect()
}

/// Places of a kind and a table that are more than they were: another name of a constraint is none more.
fn more(old: &BTreeSet<FunctionPlace>, new: &BTreeSet<FunctionPlace>) -> BTreeSet<FunctionPlace> {
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    old.iter().for_each(|place| *known.entry((&place.kind, &place.table)).or_default() += 1);
    let count = |place: &FunctionPlace| {
        new.iter().filter(|other| (&other.kind, &other.table) == (&place.kind, &place.table)).count()
    };
    let is_more = |place: &&FunctionPlace| {
        let had = known.get(&(place.kind.as_str(), place.table.as_str())).copied().unwrap_or_default();
        count(place) > had && !old.contains(place)
    };
    new.iter().filter(is_more).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::FunctionUse;

    #[test]
    fn what_runs_more_less_or_otherwise_is_named_and_another_name_is_not() {
        let place = |kind: &str, name: &str| FunctionPlace {
            kind: kind.to_owned(),
            table: "public.t".to_owned(),
            name: name.to_owned(),
        };
        let side = |digest: &str, places: &[FunctionPlace]| CountedAction {
            functions: match places {
                [] => BTreeMap::new(),
                places => {
                    let used = FunctionUse { digest: digest.to_owned(), places: places.iter().cloned().collect() };
                    [("public.f(int)".to_owned(), used)].into()
                }
            },
            ..CountedAction::default()
        };
        let fates = |before: &CountedAction, after: &CountedAction| {
            changes(before, after).into_iter().map(|c| (c.change, c.places.len())).collect::<Vec<_>>()
        };
        let (check, other, index) = (place("CHECK", "a"), place("CHECK", "b"), place("index", "i"));
        let one = side("1", std::slice::from_ref(&check));
        assert_eq!(fates(&side("", &[]), &one), [(FunctionFate::Added, 1)]);
        assert_eq!(fates(&one, &side("", &[])), [(FunctionFate::Removed, 1)]);
        assert_eq!(fates(&one, &side("2", std::slice::from_ref(&check))), [(FunctionFate::Redefined, 1)]);
        assert_eq!(fates(&one, &side("1", &[check.clone(), index])), [(FunctionFate::Added, 1)]);
        assert_eq!(fates(&one, &side("1", &[check, other.clone()])), [(FunctionFate::Added, 1)]);
        assert_eq!(fates(&one, &side("1", &[other])), [], "it has another name");
        assert_eq!(fates(&one, &one), []);
    }
}
