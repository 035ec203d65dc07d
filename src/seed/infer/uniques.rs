//! Unique indexes and EXCLUDEs to columns, keys and combinations that differ. Must never rely on chance for what is
//! unique, and must empty no index to fulfil it.

use super::Draft;
use super::content::{Family, content_in, disjoint, family};
use super::keys::{EACH, handle, names, path};
use super::ways::fixed_by;
use crate::postgres::catalog::{Column, Reference, TypeKind, Unique};
use crate::seed::condition::{Tree, parse, place};

impl<'a> Draft<'a> {
    /// EXCLUDE constraints: ranges that never touch, whatever else they are compared with.
    pub(super) fn separate_ranges(&mut self) {
        let table = self.table;
        for (name, definition) in &table.exclusions {
            let compared = definition.split("WITH &&").count() > 1;
            let ranged = table.columns.iter().find(|c| {
                matches!(c.kind.kind, TypeKind::Range(_)) && names(definition, &c.name) && !self.of_key(&c.name)
            });
            let bounds: Vec<&Column> = table
                .columns
                .iter()
                .filter(|c| family(&c.kind) == Family::Moment && names(definition, &c.name))
                .collect();
            match (ranged, bounds.as_slice()) {
                // Ranges are made disjoint over the whole table to begin with.
                (Some(column), _) if compared => {
                    if let TypeKind::Range(subtype) = &column.kind.kind
                        && let Some(text) = disjoint(subtype)
                    {
                        self.fixed.insert(column.name.clone(), text);
                    }
                }
                (None, [start, end]) if compared => {
                    self.fixed.insert(start.name.clone(), "now - row() * 2d".to_owned());
                    self.fixed.insert(end.name.clone(), format!("{} + 1d", path(&start.name)));
                }
                _ if equals_only(definition).is_some() => {}
                _ => self.refuse(
                    name,
                    "only EXCLUDE over ranges that must not overlap, or with = alone, is understood",
                    "row-count = \"0\"",
                ),
            }
        }
    }

    /// Decides what makes the rows of every unique index differ.
    pub(super) fn make_unique(&mut self) {
        let table = self.table;
        // EXCLUDE with = alone is a unique index by another name.
        let excluded: Vec<Unique> = table
            .exclusions
            .iter()
            .filter_map(|(name, definition)| Some(Unique { name: name.clone(), ..equals_only(definition)? }))
            .collect();
        let below = self.asked_by_children();
        let mut uniques: Vec<&Unique> = table.uniques.iter().chain(&excluded).chain(&below).collect();
        uniques.sort_by_key(|u| (u.predicate.is_some(), u.columns.len() + u.expressions.len()));
        for unique in uniques {
            if is_constant(unique) {
                match unique.predicate {
                    None => self.most_rows = Some(1),
                    Some(_) => self.keep_single(unique),
                }
                continue;
            }
            let columns = self.columns_of(unique);
            if columns.iter().any(|c| self.unique.contains(*c)) || self.has_group_within(&columns) {
                continue;
            }
            match unique.predicate {
                Some(_) => self.separate_part(unique, &columns),
                None => self.separate(unique, &columns),
            }
        }
    }

    /// Columns that a child refers to together with others, and holds unique by themselves: then they must
    /// differ here too.
    fn asked_by_children(&self) -> Vec<Unique> {
        let mut found = Vec::new();
        for child in self.catalog.tables.values() {
            for reference in child.references.iter().filter(|r| r.table == self.name && r.columns.len() > 1) {
                let narrower = child.uniques.iter().filter(|u| {
                    u.predicate.is_none()
                        && u.expressions.is_empty()
                        && u.columns.len() < reference.columns.len()
                        && u.columns.iter().all(|c| reference.columns.contains(c))
                });
                for unique in narrower {
                    let target = |c: &String| {
                        reference.columns.iter().position(|own| own == c).map(|at| reference.targets[at].clone())
                    };
                    let columns = unique.columns.iter().filter_map(target).collect();
                    found.push(Unique { columns, ..unique.clone() });
                }
            }
        }
        found
    }

    fn columns_of(&self, unique: &Unique) -> Vec<&'a str> {
        let inside = |name: &str| unique.expressions.iter().any(|e| names(e, name));
        let table = self.table;
        let named = table.columns.iter().map(|c| c.name.as_str());
        named.filter(|name| unique.columns.iter().any(|c| c == name) || inside(name)).collect()
    }

    /// A combination that is unique already is within these columns.
    fn has_group_within(&self, columns: &[&str]) -> bool {
        let groups: std::collections::BTreeSet<&String> = self.slots.values().collect();
        groups.into_iter().any(|group| {
            let mut members = self.slots.iter().filter(|(_, g)| *g == group).map(|(column, _)| column.as_str());
            members.all(|member| columns.contains(&member))
        })
    }

    /// A partial unique index. What can differ in every row does; a key whose parents may have one such row each has
    /// one among the rows inside, and any number outside.
    fn separate_part(&mut self, unique: &Unique, columns: &[&'a str]) {
        let predicate = unique.predicate.as_deref().unwrap_or_default();
        let table = self.table;
        let open: Vec<&str> = columns.iter().copied().filter(|c| !fixed_by(table, predicate, c)).collect();
        if open.is_empty() {
            return self.keep_single(unique);
        }
        let keys: Vec<&Reference> = self.keys_within(&open);
        let small = |column: &&str| !self.of_key(column) && self.radix(column).is_some();
        let constraining = open.iter().all(|c| self.of_key(c) || small(c));
        let plain = keys.iter().find(|r| !self.slots.contains_key(handle(table, r)) && self.is_plain(r)).copied();
        match plain {
            // A combination of several keys, or of a key and a column of few values, is unique in every row.
            Some(key) if constraining && keys.len() == 1 && !open.iter().any(small) && self.divide(unique) => {
                self.each_inside.entry(handle(table, key).to_owned()).or_default().insert(unique.name.clone());
            }
            None if constraining && keys.is_empty() && !open.iter().any(|c| self.of_key(c)) => self.keep_single(unique),
            None if constraining && keys.len() == 1 && self.is_plain(keys[0]) => self.keep_each(keys[0]),
            _ => self.separate(unique, columns),
        }
    }

    /// A key that is a digit of a combination: where each of its parents has one row, every combination stands once
    /// too.
    fn keep_each(&mut self, key: &Reference) {
        let column = handle(self.table, key).to_owned();
        if let Some(group) = self.slots.get(&column).cloned() {
            self.slots.retain(|_, other| *other != group);
        }
        self.slots.insert(column, EACH.to_owned());
        self.unique.extend(key.columns.iter().cloned());
    }

    /// One row inside, where there can be no second.
    fn keep_single(&mut self, unique: &Unique) {
        if self.single.is_none() && self.divide(unique) {
            self.single = Some(unique.name.clone());
            return;
        }
        self.refuse(
            &unique.name,
            "it can hold one row, and nothing was found that keeps the others out",
            "row-count = \"1\"",
        );
    }

    fn keys_within(&self, columns: &[&str]) -> Vec<&'a Reference> {
        let whole = |r: &&Reference| r.columns.iter().all(|c| columns.contains(&c.as_str()));
        self.followed().into_iter().filter(whole).collect()
    }

    fn separate(&mut self, unique: &Unique, columns: &[&'a str]) {
        if self.differ(unique, columns) {
            return;
        }
        let table = self.table;
        let keys = self.keys_within(columns);
        if keys.is_empty() && self.once_each(unique, columns) || self.count_within(unique, columns, &keys) {
            return;
        }
        // Digits: every key that is within, and every column with few values.
        let small = columns.iter().filter(|c| !self.of_key(c) && self.radix(c).is_some()).map(|c| (*c).to_owned());
        let mut digits: Vec<String> = keys.iter().map(|r| handle(table, r).to_owned()).collect();
        digits.extend(small);
        let class_only: Vec<String> = keys
            .iter()
            .filter(|r| r.columns.len() == 1 && self.classes.root(self.name, &r.name) == Some(r.table.as_str()))
            .map(|r| handle(table, r).to_owned())
            .collect();
        // The root of a class is given by the row's class; the others differ within it.
        if class_only.len() < digits.len() {
            digits.retain(|d| !class_only.contains(d));
        }
        if digits.iter().any(|d| self.slots.contains_key(d)) {
            // Another unique has one of them already: every parent of a key that is left gets one row at most.
            let left = keys.iter().find(|r| !self.slots.contains_key(handle(table, r)) && self.is_plain(r));
            if let Some(key) = left {
                self.slots.insert(handle(table, key).to_owned(), EACH.to_owned());
                self.unique.extend(key.columns.iter().cloned());
                return;
            }
        }
        if digits.is_empty() || digits.iter().any(|d| self.slots.contains_key(d)) {
            let line = format!("{} = \"…\"", columns.first().unwrap_or(&"COLUMN"));
            let reason = match unique.expressions.as_slice() {
                [] => "nothing was found that makes its rows differ".to_owned(),
                // What an expression makes of different values is not known: they may become equal.
                expressions => format!("nothing is known of the expression {}", expressions.join(", ")),
            };
            self.refuse(&unique.name, &reason, &line);
            return;
        }
        if let ([only], [key]) = (digits.as_slice(), keys.as_slice())
            && self.of_key(only)
        {
            self.slots.insert(only.clone(), EACH.to_owned());
            self.unique.extend(key.columns.iter().cloned());
            return;
        }
        for digit in digits {
            self.slots.insert(digit, unique.name.clone());
        }
    }

    /// A place within a parent, such as the position of a lesson in its section: rows of a parent stand side by side
    /// and are counted.
    fn count_within(&mut self, unique: &Unique, columns: &[&'a str], keys: &[&Reference]) -> bool {
        let ([key], true) = (keys, unique.expressions.is_empty()) else { return false };
        let others: Vec<&str> = columns.iter().copied().filter(|c| !key.columns.iter().any(|own| own == c)).collect();
        let ([place], Some(handle)) = (others.as_slice(), key.columns.first().map(|_| handle(self.table, key))) else {
            return false;
        };
        let Some(column) = self.table.column(place) else { return false };
        let (low, high) = super::bounds::number_bounds(&self.domain(place), &column.kind);
        let has_room = low.is_none_or(|low| low <= 1.0) && high.is_none_or(|high| high >= 1_000.0);
        let required = key.columns.iter().all(|c| self.table.column(c).is_some_and(|c| c.required));
        let free = |c: &str| !self.slots.contains_key(c) && !self.said.contains(c) && !self.fixed.contains_key(c);
        let is_free = free(place) && free(handle) && key.columns.iter().all(|c| !self.said.contains(c));
        let is_counted = is_place(place) && family(&column.kind) == Family::Whole && has_room && !self.of_key(place);
        if !(is_counted && required && is_free && self.is_plain(key)) {
            return false;
        }
        for digit in [handle, place] {
            self.slots.insert(digit.to_owned(), unique.name.clone());
        }
        self.fixed.insert((*place).to_owned(), format!("nth({})", path(handle)));
        self.runs.insert(handle.to_owned());
        true
    }

    /// One column that differs in every row is enough, whatever stands beside it: of the index itself, or of an
    /// expression that makes different values of different ones, which the server is asked about before a load.
    fn differ(&mut self, unique: &Unique, columns: &[&'a str]) -> bool {
        let table = self.table;
        let can = |c: &&Column| {
            !self.of_key(&c.name)
                && !self.slots.contains_key(&c.name)
                && can_differ(c)
                && !self.told_by.contains(&c.name)
                && self.radix(&c.name).is_none()
                // NULLs count as equal: a column that may be NULL has to be there in every row then, which a moment
                // that ends a row must not be.
                && (c.required || !unique.nulls_equal || family(&c.kind) != Family::Moment)
        };
        let named = table.columns.iter().filter(|c| unique.columns.contains(&c.name)).filter(can);
        let shown: Vec<String> = unique.expressions.iter().flat_map(|e| shown(&parse(e))).collect();
        let inside = table.columns.iter().filter(|c| shown.contains(&c.name)).filter(can);
        // Where rows could differ by their keys they need not by a moment of which only a part is read.
        let preference = |c: &&Column| (self.names_few(c), preference(c));
        let best = named.min_by_key(preference).or_else(|| inside.min_by_key(preference));
        let Some(best) = best else { return self.differ_by_part(unique) };
        let _ = columns;
        self.unique.insert(best.name.clone());
        // NULL counts as the constant of a COALESCE, and two constants are equal.
        let folded = |e: &String| e.contains("COALESCE(") && names(e, &best.name);
        if unique.nulls_equal || table.indexed.iter().any(folded) {
            self.present.insert(best.name.clone());
        }
        true
    }

    /// Whether a column holds a few values by its name, such as a provider, which rows are not distinguished by.
    fn names_few(&self, column: &Column) -> bool {
        let few = |text: String| text.starts_with("weights(") && !text.contains(" + ");
        let by_hint = self.hints.get(&column.name).is_some_and(|hint| hint.rest == 0.0 && !hint.values.is_empty());
        by_hint || content_in(self.table, &column.name, &column.kind, "now").is_some_and(few)
    }

    /// A part of a JSON document that differs in every row: `UNIQUE ((data ->> 'id'))`.
    fn differ_by_part(&mut self, unique: &Unique) -> bool {
        let part = unique.expressions.iter().find_map(|e| {
            let name = place(&parse(e))?;
            (name.contains(crate::seed::condition::PATH)).then_some(name)
        });
        part.is_some_and(|part| {
            for case in &mut self.cases {
                case.columns.entry(part.clone()).or_default().null.get_or_insert(false);
            }
            self.unique.insert(part)
        })
    }

    /// Whether a key can be followed by itself: no class of rows is bound to it.
    fn is_plain(&self, reference: &Reference) -> bool {
        self.classes.root(self.name, &reference.name).is_none() && reference.table != self.name
    }

    /// A key of more columns than the unique: when its parents differ in these columns alone, or the WHERE
    /// fixes the others, it is enough that every parent has one row at most.
    fn once_each(&mut self, unique: &Unique, columns: &[&str]) -> bool {
        let table = self.table;
        let fixed = |column: &String| {
            let flag = table.column(column).is_some_and(|c| family(&c.kind) == Family::Flag);
            flag && unique.predicate.as_deref().is_some_and(|predicate| fixed_by(table, predicate, column))
        };
        let found = table.references.iter().find(|r| {
            if !columns.iter().all(|c| r.columns.iter().any(|own| own == c)) || !self.is_plain(r) {
                return false;
            }
            let (mut targets, mut all_fixed) = (Vec::new(), true);
            for (own, target) in r.columns.iter().zip(&r.targets) {
                if columns.contains(&own.as_str()) {
                    targets.push(target);
                } else {
                    all_fixed &= fixed(own);
                }
            }
            let parent = self.catalog.tables.get(&r.table);
            let unique_there = |u: &Unique| {
                u.predicate.is_none() && u.expressions.is_empty() && u.columns.iter().all(|c| targets.contains(&c))
            };
            // What this table asks of its parent is kept there (`asked_by_children`).
            all_fixed || unique.predicate.is_none() || parent.is_some_and(|p| p.uniques.iter().any(unique_there))
        });
        let Some(reference) = found.filter(|r| !self.slots.contains_key(handle(table, r))) else { return false };
        self.slots.insert(handle(table, reference).to_owned(), EACH.to_owned());
        self.unique.extend(reference.columns.iter().cloned());
        true
    }
}

/// `((id * 0))`, `((true))`: the same for every row, so that there can be one.
fn is_constant(unique: &Unique) -> bool {
    let same = |e: &String| match parse(e) {
        Tree::Binary(sign, _, zero) => sign == "*" && *zero == Tree::Number(0.0),
        Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => true,
        _ => false,
    };
    unique.columns.is_empty() && !unique.expressions.is_empty() && unique.expressions.iter().all(same)
}

/// The columns whose differences an expression shows: of a function, a cast or a text put together of them. A test, a
/// day or a month of a moment shows none.
fn shown(tree: &Tree) -> Vec<String> {
    match tree {
        Tree::Column(name) => vec![name.clone()],
        Tree::Call(function, _) if matches!(function.as_str(), "date_trunc" | "date_part" | "extract" | "length") => {
            Vec::new()
        }
        Tree::Call(_, arguments) => arguments.iter().flat_map(shown).collect(),
        Tree::Binary(operator, left, right) if matches!(operator.as_str(), "||" | "+" | "-") => {
            [shown(left), shown(right)].concat()
        }
        _ => Vec::new(),
    }
}

/// `EXCLUDE USING btree (name WITH =) WHERE (active)` as the unique index it amounts to; `None` for other operators.
fn equals_only(definition: &str) -> Option<Unique> {
    let (list, predicate) = match definition.split_once(" WHERE ") {
        Some((list, predicate)) => (list, Some(predicate.to_owned())),
        None => (definition, None),
    };
    let list = list.split_once('(')?.1.trim_end().strip_suffix(')')?;
    let mut unique = Unique {
        name: String::new(),
        columns: Vec::new(),
        expressions: Vec::new(),
        predicate,
        primary: false,
        nulls_equal: false,
    };
    let (mut depth, mut start) = (0, 0);
    let ends = list.char_indices().filter(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        *c == ',' && depth == 0
    });
    let ends: Vec<usize> = ends.map(|(at, _)| at).chain([list.len()]).collect();
    for end in ends {
        let (element, operator) = list[start..end].rsplit_once(" WITH ")?;
        if operator.trim() != "=" {
            return None;
        }
        match element.trim() {
            expression if expression.contains('(') => match parse(expression) {
                // NULLs are never equal, and '' is not made: what differs stays different.
                Tree::Call(function, arguments) if function == "nullif" => match arguments.first() {
                    Some(Tree::Column(name)) => unique.columns.push(name.clone()),
                    _ => unique.expressions.push(expression.to_owned()),
                },
                _ => unique.expressions.push(expression.to_owned()),
            },
            column => unique.columns.push(column.trim_matches('"').to_owned()),
        }
        start = (end + 1).min(list.len());
    }
    Some(unique)
}

fn can_differ(column: &Column) -> bool {
    match &column.kind.kind {
        TypeKind::Base => !matches!(column.kind.name.as_str(), "bool" | "json" | "jsonb" | "xml" | "tsvector"),
        TypeKind::Range(_) | TypeKind::Array(_) => true,
        _ => false,
    }
}

/// Whether a column says by its name where a row stands among those of its parent. A version or a number comes with
/// time, so that its rows are apart.
fn is_place(column: &str) -> bool {
    let words = super::lexicon::words(column);
    words
        .iter()
        .any(|word| matches!(word.as_str(), "position" | "pos" | "ordinal" | "line" | "sort" | "ordering" | "rank"))
}

/// What a reader would expect to be the unique one.
fn preference(column: &Column) -> u32 {
    match column.kind.name.as_str() {
        "uuid" => 0,
        "text" | "varchar" | "citext" | "bytea" => 1,
        "bpchar" => 3,
        "int8" | "int4" => 2,
        "timestamptz" | "timestamp" => 4,
        "date" => 5,
        _ => 6,
    }
}
