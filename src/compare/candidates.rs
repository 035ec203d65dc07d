//! Which indexes may be dropped, from facts that are found apart. Must say one thing about an index, and nothing that
//! another line of the report denies.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of the indexes of a database, each fact by itself. Names may have a schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts<'f> {
    /// Indexes with one that could stand in for them.
    pub(super) redundant: &'f [(String, String)],
    /// Foreign keys with the indexes that lead to them.
    pub(super) keys: &'f [(String, Vec<String>)],
    /// Indexes that are invalid.
    pub(super) invalid: &'f [String],
    /// Indexes that an action was seen to need.
    pub(super) needed: BTreeSet<String>,
    /// Indexes that no action was seen to need, where each was hidden in turn.
    pub(super) not_needed: Vec<String>,
    /// Indexes that plans used before the migration and nothing uses with it.
    pub(super) no_longer_used: Vec<String>,
    /// Indexes that nothing uses on either side.
    pub(super) unused: Vec<String>,
}

/// The same as advice.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Candidates {
    /// Indexes another one can stand in for, with that one, which is to be kept.
    pub(super) redundant: Vec<(String, String)>,
    /// Indexes that are used, with one that could stand in for them and that nothing uses: one of the two is enough.
    pub(super) overlapping: Vec<(String, String)>,
    pub(super) not_needed: Vec<String>,
    pub(super) no_longer_used: Vec<String>,
    pub(super) unused: Vec<String>,
}

/// Plans and older results name an index without its schema.
fn own(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, own)| own)
}

/// Names without their schemas.
fn names<'n>(of: impl IntoIterator<Item = &'n String>) -> BTreeSet<&'n str> {
    of.into_iter().map(|name| own(name)).collect()
}

/// What may be dropped.
pub(super) fn candidates(facts: &Facts<'_>) -> Candidates {
    let needed = names(&facts.needed);
    let idle = names(facts.no_longer_used.iter().chain(&facts.unused));
    let pairs = keepers(facts.redundant).into_iter().filter(|(index, _)| !needed.contains(own(index)));
    let is_overlap = |(index, keeper): &(String, String)| idle.contains(own(keeper)) && !idle.contains(own(index));
    let (overlapping, redundant): (Vec<_>, Vec<_>) = pairs.partition(is_overlap);
    // An index that stands in for another is to be kept, and one that is reported as redundant, broken or an overlap is
    // spoken of already.
    let mut spoken_of = names(redundant.iter().map(|(index, _)| index));
    let unused_pair = |keeper: &str, index: &str| idle.contains(keeper) && idle.contains(index);
    spoken_of.extend(redundant.iter().filter(|(i, k)| !unused_pair(own(k), own(i))).map(|(_, keeper)| own(keeper)));
    spoken_of.extend(overlapping.iter().map(|(_, keeper)| own(keeper)));
    spoken_of.extend(names(facts.invalid));
    let kept_for_keys = kept_for_keys(facts, &spoken_of, &names(redundant.iter().map(|(index, _)| index)));
    let rest = |of: &[String]| -> Vec<String> {
        let free = |name: &&String| !spoken_of.contains(own(name)) && !kept_for_keys.contains(own(name));
        of.iter().filter(free).cloned().collect()
    };
    Candidates {
        not_needed: rest(&facts.not_needed),
        no_longer_used: rest(&facts.no_longer_used),
        unused: rest(&facts.unused),
        redundant,
        overlapping,
    }
}

/// Each redundant index with one keeper that is not itself redundant: chains end at their end, and of a circle one
/// stays.
fn keepers(redundant: &[(String, String)]) -> Vec<(String, String)> {
    let mut all: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    redundant.iter().for_each(|(index, keeper)| all.entry(index).or_default().push(keeper));
    let mut dropped: BTreeSet<&String> = all.keys().copied().collect();
    // An index left without a keeper stays, and may be one.
    while let Some(stays) =
        dropped.iter().find(|index| all[**index].iter().all(|keeper| dropped.contains(keeper))).copied()
    {
        dropped.remove(stays);
    }
    let keeper = |index: &&String| all[*index].iter().find(|keeper| !dropped.contains(*keeper)).copied().cloned();
    dropped.iter().filter_map(|index| Some(((*index).clone(), keeper(index)?))).collect()
}

/// Of the candidates that lead to a foreign key to which nothing else leads, one that stays: a DELETE of the parent
/// needs it.
fn kept_for_keys<'f>(
    facts: &'f Facts<'_>,
    spoken_of: &BTreeSet<&str>,
    redundant: &BTreeSet<&str>,
) -> BTreeSet<&'f str> {
    let candidates = names(facts.not_needed.iter().chain(&facts.no_longer_used).chain(&facts.unused));
    let may_go = |index: &str| redundant.contains(index) || candidates.contains(index) && !spoken_of.contains(index);
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for (_, indexes) in facts.keys {
        let indexes: Vec<&str> = indexes.iter().map(|name| own(name)).collect();
        if indexes.iter().all(|index| may_go(index) && !kept.contains(index)) {
            kept.extend(indexes.iter().find(|index| !redundant.contains(*index)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn the_only_index_under_a_foreign_key_is_no_candidate() {
        let keys = vec![("orders (user_id)".to_owned(), strings(&["public.only"]))];
        let all = strings(&["public.only", "public.other"]);
        let facts = Facts {
            keys: &keys,
            unused: all.clone(),
            no_longer_used: all.clone(),
            not_needed: all,
            ..Facts::default()
        };
        let advice = candidates(&facts);
        let other = strings(&["public.other"]);
        assert_eq!((&advice.unused, &advice.no_longer_used, &advice.not_needed), (&other, &other, &other));
    }

    #[test]
    fn of_two_unused_indexes_under_a_foreign_key_one_stays() {
        let keys = vec![("orders (user_id)".to_owned(), strings(&["public.a", "public.b"]))];
        let facts = Facts { keys: &keys, unused: strings(&["public.a", "public.b"]), ..Facts::default() };
        assert_eq!(candidates(&facts).unused.len(), 1);
        // The redundant one goes, the one that stands in for it stays.
        let redundant = pairs(&[("public.a", "public.b")]);
        let advice = candidates(&Facts { redundant: &redundant, ..facts });
        assert_eq!((advice.redundant, advice.unused), (redundant, strings(&[])));
    }

    #[test]
    fn a_keeper_is_never_redundant_itself() {
        let chain = pairs(&[("s.a", "s.ab"), ("s.a", "s.abc"), ("s.ab", "s.abc")]);
        let advice = candidates(&Facts { redundant: &chain, ..Facts::default() });
        assert_eq!(advice.redundant, pairs(&[("s.a", "s.abc"), ("s.ab", "s.abc")]));
        let circle = pairs(&[("s.a", "s.b"), ("s.b", "s.a")]);
        assert_eq!(candidates(&Facts { redundant: &circle, ..Facts::default() }).redundant.len(), 1);
    }

    #[test]
    fn the_new_index_that_nothing_uses_does_not_make_the_used_one_redundant() {
        let redundant = pairs(&[("public.old", "public.new")]);
        let of =
            |unused: &[&str]| candidates(&Facts { redundant: &redundant, unused: strings(unused), ..Facts::default() });
        let advice = of(&["public.new"]);
        assert_eq!((advice.overlapping, advice.redundant, advice.unused), (redundant.clone(), vec![], strings(&[])));
        // Nothing uses the old one either: the new one may go as well.
        let advice = of(&["public.new", "public.old"]);
        assert_eq!((advice.redundant, advice.unused), (redundant.clone(), strings(&["public.new"])));
        let advice = of(&["public.old"]);
        assert_eq!((advice.redundant, advice.unused), (redundant.clone(), strings(&[])));
    }

    #[test]
    fn what_is_needed_broken_or_a_keeper_is_not_advised_to_be_dropped() {
        let redundant = pairs(&[("public.twin", "public.first")]);
        let facts = Facts {
            redundant: &redundant,
            needed: ["public.twin".to_owned()].into(),
            not_needed: strings(&["public.first"]),
            ..Facts::default()
        };
        let advice = candidates(&facts);
        assert_eq!((advice.redundant, advice.not_needed), (vec![], strings(&["public.first"])));
        let both = strings(&["public.first", "public.twin"]);
        let advice = candidates(&Facts { redundant: &redundant, not_needed: both, ..Facts::default() });
        assert_eq!((advice.redundant.len(), advice.not_needed), (1, strings(&[])));
        let invalid = strings(&["public.broken"]);
        let advice = candidates(&Facts { invalid: &invalid, unused: invalid.clone(), ..Facts::default() });
        assert_eq!(advice.unused, strings(&[]));
    }
}
