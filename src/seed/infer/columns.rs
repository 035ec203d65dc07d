//! The expressions of a table's own columns. Must fill every column the server does not, deterministically.

use super::Draft;
use super::bounds::within;
use super::content::{Family, content_in, family, quoted};
use super::evidence::Evidence;
use super::keys::{EACH, path};
use super::moments::Birth;
use crate::postgres::catalog::{Column, TypeKind};
use crate::seed::condition::{Case, Domain, Letters, split};
use crate::sql::{Kind, tokens};

/// A column's expression and what decided it, where that is known.
pub(super) type Made = (String, Option<Evidence>);

impl Draft<'_> {
    /// Expressions by column, in the order of the table.
    pub(super) fn columns(&mut self, fan_out: &[(String, String)]) -> Vec<(String, Made)> {
        let birth = self.birth(fan_out);
        let mut found = Vec::new();
        let table = self.table;
        for column in &table.columns {
            let filled = |(named, _): &(String, String)| {
                super::super::plan::reference_of(table, named).is_some_and(|r| r.columns.contains(&column.name))
            };
            let tenant = self.classes.tenant(self.name, &column.name);
            if column.generated || tenant.is_none() && fan_out.iter().any(filled) {
                continue;
            }
            if let Some(text) = tenant.and_then(|root| tenant_text(root, column)) {
                found.push((column.name.clone(), (text, None)));
                continue;
            }
            if let Some(made) = self.column(column, &birth) {
                found.push((column.name.clone(), made));
            }
        }
        found
    }

    fn column(&mut self, column: &Column, birth: &Birth) -> Option<Made> {
        let name = &column.name;
        if let Some(text) = self.fixed.get(name) {
            return Some((text.clone(), None));
        }
        if column.counted && self.cases.iter().all(|case| !case.columns.contains_key(name)) {
            return Some(("row()".to_owned(), None));
        }
        if self.of_key(name) {
            // Its parent cannot be filled, and it may be NULL: it stays so.
            return None;
        }
        let evidence = self.hints.get(name).map(|hint| hint.evidence.clone());
        if birth.column.as_deref() == Some(name) && !self.unique.contains(name) {
            let text = self.in_cases(column, &birth.text);
            // A row without the moment it came is nobody's, unless something looks for such rows.
            return Some((self.with_nulls_of(column, text, evidence.is_none() || column.required), None));
        }
        if let Some(group) = self.slots.get(name).filter(|group| *group != EACH) {
            return Some((self.slot_text(name, group), None));
        }
        let as_number = family(&column.kind) == Family::Text && self.is_indexed_as_number(name);
        if self.unique.contains(name) {
            let text = if as_number { "row()".to_owned() } else { self.different(column)? };
            let known = self.hints.get(name).is_some_and(|hint| hint.nulls.is_some());
            return Some((self.with_nulls(name, text, column.required || !known), evidence));
        }
        if as_number {
            return Some((self.with_nulls(name, "digits(6)".to_owned(), column.required), None));
        }
        if evidence.is_none() && self.keeps_default(column) {
            // A constant of a type whose other values nobody knows.
            return None;
        }
        self.content(column, birth, evidence)
    }

    fn content(&mut self, column: &Column, birth: &Birth, evidence: Option<Evidence>) -> Option<Made> {
        let name = &column.name;
        if let Some((text, evidence)) = self.owed(column) {
            return Some((self.with_nulls_of(column, self.in_cases(column, &text), column.required), Some(evidence)));
        }
        let start = birth.column.as_deref().map_or("growth(linear)".to_owned(), path);
        let (made, follows) = match self.moment_after(column, &start, birth) {
            Some((text, after)) => (Some(text), Some(after)),
            None => (content_in(self.table, name, &column.kind, &start), None),
        };
        let Some(text) = made else {
            if column.required && column.default.is_none() {
                let reason = format!("nothing is known of the type {}", column.kind.declared);
                self.refuse(name, &reason, &format!("{name} = \"'…'\""));
            }
            return None;
        };
        let by_case = self.cases.iter().any(|c| c.columns.get(name).is_some_and(|d| d.null.is_some()));
        if let Some(agreement) = self.agreement(column).filter(|_| !by_case) {
            let evidence = Some(Evidence::Agrees { column: agreement.0.clone() });
            return Some((self.agreeing(&agreement, &self.in_cases(column, &text)), evidence));
        }
        let text = self.in_cases(column, &text);
        let evidence = evidence.or(follows).or_else(|| is_guess(column).then_some(Evidence::Guess));
        Some((self.with_nulls_of(column, text, column.required), evidence))
    }

    /// NULLs by cases are laid over the content of each case already.
    fn with_nulls_of(&self, column: &Column, text: String, required: bool) -> String {
        let by_case = self.cases.iter().any(|c| c.columns.get(&column.name).is_some_and(|d| d.null == Some(true)));
        if by_case { text } else { self.with_nulls(&column.name, text, required) }
    }

    /// A constant default, of which nothing says that rows have other values too.
    fn keeps_default(&self, column: &Column) -> bool {
        column.default.as_ref().is_some_and(|default| is_constant(default) && !stands_for_nothing(default))
            && !self.is_referenced(&column.name)
            && !matches!(column.kind.kind, TypeKind::Enum(_))
            && family(&column.kind) != Family::Moment
            && self.cases.iter().all(|case| case.columns.keys().all(|name| split(name).0 != column.name))
            && !super::sums::is_solved(&self.solved, &self.cases, &column.name)
    }

    /// Whether an index casts a part of the column to a number: then it must be one.
    pub(super) fn is_indexed_as_number(&self, column: &str) -> bool {
        let casts = ["::integer", "::bigint", "::numeric", "::smallint"];
        self.table.indexed.iter().any(|e| casts.iter().any(|cast| e.contains(cast)) && super::keys::names(e, column))
    }

    /// Whether a foreign key of any table refers to the column: then it must be filled, whatever its default.
    pub(super) fn is_referenced(&self, column: &str) -> bool {
        let all = self.catalog.tables.values().flat_map(|table| &table.references);
        all.filter(|r| r.table == self.name).any(|r| r.targets.iter().any(|target| target == column))
    }

    /// The content under each case; one expression when all are equal.
    fn in_cases(&self, column: &Column, content: &str) -> String {
        let each: Vec<String> = (0..self.cases.len()).map(|index| self.in_case(index, column, content)).collect();
        if each.is_empty() { content.to_owned() } else { self.by_way(&each) }
    }

    fn in_case(&self, index: usize, column: &Column, content: &str) -> String {
        let case = &self.cases[index];
        if let Some(text) = self.solved.get(&(index, column.name.clone())) {
            return text.clone();
        }
        let domain = case.columns.get(&column.name).cloned().unwrap_or_default();
        if matches!(column.kind.name.as_str(), "json" | "jsonb")
            && domain.null != Some(true)
            && let Some(text) = super::json::document(case, &column.name, content, &self.unique)
        {
            return text;
        }
        if domain.null == Some(true) {
            return "null".to_owned();
        }
        let text = self.in_this_case(case, column, &domain, content);
        // Other cases say that it is NULL or not; this one leaves it to what is common.
        let by_case = self.cases.iter().any(|c| c.columns.get(&column.name).is_some_and(|d| d.null == Some(true)));
        match by_case && domain.null.is_none() && !column.required {
            true => self.null_share(&column.name, &text),
            false => text,
        }
    }

    fn in_this_case(&self, case: &Case, column: &Column, domain: &Domain, content: &str) -> String {
        let bounded = self.spread(column, domain, content);
        for (a, operator, b) in &case.relations {
            if *b == column.name && a != b {
                return self.related(a, operator, column, domain, &bounded);
            }
            // What a parent fills cannot follow.
            if *a == column.name && self.of_key(b) && !self.of_key(a) {
                return before(b, operator, column).unwrap_or(bounded);
            }
        }
        bounded
    }

    /// An expression that stands in a relation to another column of the row: `other operator column`.
    fn related(&self, other: &str, operator: &str, column: &Column, domain: &Domain, otherwise: &str) -> String {
        let other = path(other);
        let high = super::bounds::number_bounds(domain, &column.kind).1.filter(|_| domain.high.is_some());
        match (operator, family(&column.kind)) {
            ("=", _) => other,
            ("<>", Family::Whole | Family::Fraction) => format!("{other} + 1"),
            ("<=", Family::Whole | Family::Fraction) => match high {
                Some(high) => format!("{other} + ({high} - {other}) * uniform(0, 1)"),
                None => format!("{other} + uniform(0, 100)"),
            },
            ("<", Family::Whole | Family::Fraction) => match high {
                Some(high) => format!("{other} + ({high} - {other}) * uniform(0.5, 1)"),
                None => format!("{other} + 1 + uniform(0, 100)"),
            },
            ("<>", Family::Text) => match domain.length.1.into_iter().chain(column.kind.length).min() {
                Some(most) => format!("fit({other}, 0, {}) + '~'", most.saturating_sub(1)),
                None => format!("{other} + ' ' + word()"),
            },
            ("<=", Family::Moment) => format!("after({other}, exp(30d))"),
            ("<", Family::Moment) if column.kind.name == "date" => format!("{other} + 1d + uniform(0, 60) * 1d"),
            ("<", Family::Moment) => format!("{other} + {}", self.lasts(column).1),
            _ => otherwise.to_owned(),
        }
    }

    /// The entry of a list that a table of countries, currencies or roles is; of a kind of text with as many as are
    /// needed.
    fn listed_text(&self, column: &Column) -> Option<String> {
        let text = content_in(self.table, &column.name, &column.kind, "now")?;
        let has_few = |list: &str| {
            let entries = crate::seed::lists::List::named(list).map(crate::seed::lists::List::entries);
            self.asked.is_none() || self.asked <= entries
        };
        let is_plain = self.domain(&column.name) == Domain::default() && self.alone(&column.name);
        if !is_plain || family(&column.kind) != Family::Text {
            return None;
        }
        if let Some((list, field)) = super::texts::entry(self.table, &column.name, &column.kind) {
            let most = column.kind.length.unwrap_or(u32::MAX);
            return (has_few(list) && (most >= 60 || field.starts_with("code") && list != "permissions"))
                .then(|| format!("listed({list}, {field})"));
        }
        let kind = text.strip_prefix("phrase(").and_then(|rest| rest.strip_suffix(')'))?;
        crate::seed::phrase::Phrase::named(kind).filter(|phrase| phrase.has_own())?;
        Some(format!("unique_phrase({kind})"))
    }

    /// An expression that is different in every row.
    fn different(&mut self, column: &Column) -> Option<String> {
        let kind = &column.kind;
        let domain = self.domain(&column.name);
        if let Some(text) = self.listed_text(column) {
            return Some(text);
        }
        if let TypeKind::Range(_) | TypeKind::Array(_) = &kind.kind {
            let text = different_parts(kind).or_else(|| content_in(self.table, &column.name, kind, "now"))?;
            if text.contains("row()") {
                return Some(text);
            }
            self.refuse(
                &column.name,
                &format!("no way is known to make values of {} differ", kind.declared),
                &format!("{} = \"…\"", column.name),
            );
            return None;
        }
        let fewest = domain.length.0;
        let most = domain.length.1.into_iter().chain(kind.length).min();
        Some(match kind.name.as_str() {
            "uuid" => "uuid()".to_owned(),
            "int2" | "int4" | "int8" | "oid" | "float4" | "float8" | "numeric" | "money" => {
                let (row, unit) = match domain.multiple {
                    Some((divisor, rest)) => (format!("row() * {divisor} + {rest}"), divisor),
                    None => ("row()".to_owned(), 1.0),
                };
                match super::bounds::number_bounds(&domain, kind) {
                    (Some(low), _) if low > 1.0 => format!("{row} + {}", libm::ceil(low / unit) * unit),
                    (None, Some(high)) if high <= 0.0 => format!("{high} - {row}"),
                    _ => row,
                }
            }
            "date" => "now - row() * 1d".to_owned(),
            // Every row has its own part of the time between the bounds.
            "timestamp" | "timestamptz" => {
                let bounded = within("", &domain, kind);
                if bounded.starts_with("spread(") { bounded } else { "spread('2023-01-01T00:00:00Z', now)".to_owned() }
            }
            "interval" | "time" => "row() * 1s".to_owned(),
            // Its bounds ask for this many bytes; fewer than eight would not do to make rows differ.
            "bytea" if domain.length != (0, None) => within("", &domain, kind),
            "bytea" => "'\\x' + hex(16)".to_owned(),
            "inet" => "unique_pattern('10[.]1[0-9][.]1[0-9][.]1[0-9][0-9]')".to_owned(),
            "macaddr" => "unique_pattern('02(:[0-9a-f][0-9a-f]){5}')".to_owned(),
            "bit" => format!("unique_pattern('[01]{{{}}}')", kind.length.unwrap_or(1)),
            "text" | "varchar" | "bpchar" | "citext" | "name" => {
                if let Some(pattern) = &domain.pattern {
                    let roomy = most.is_none_or(|most| most >= 24);
                    let text = content_in(self.table, &column.name, kind, "now").filter(|_| roomy);
                    let made = text.map(|text| separate(&text, most, column));
                    match made.filter(|made| super::sample::accepts(pattern, made)) {
                        Some(made) => made,
                        None => match most {
                            Some(most) => format!("unique_pattern({}, {fewest}, {most}, mixed)", quoted(pattern)),
                            None => format!("unique_pattern({}, mixed)", quoted(pattern)),
                        },
                    }
                } else if let Some(length) = most.filter(|most| *most < 24).or((fewest > 8).then_some(fewest)) {
                    let letters = if domain.letters == Some(Letters::Upper) { "[A-Z0-9]" } else { "[a-z0-9]" };
                    format!("unique_pattern('{letters}{{{}}}', mixed)", length.min(fewest.max(12)))
                } else {
                    let made = separate(&content_in(self.table, &column.name, kind, "now")?, most, column);
                    match domain.letters {
                        Some(Letters::Upper) => format!("upper({made})"),
                        Some(Letters::Initcap) => format!("initcap({made})"),
                        Some(Letters::Lower) => format!("lower({made})"),
                        None if column.name.contains("email") => format!("lower({made})"),
                        None => made,
                    }
                }
            }
            _ => {
                let reason = format!("no way is known to make values of {} differ", kind.declared);
                self.refuse(&column.name, &reason, &format!("{} = \"…\"", column.name));
                return None;
            }
        })
    }
}

/// An expression that comes before another column of the row: `column operator other`.
fn before(other: &str, operator: &str, column: &Column) -> Option<String> {
    let other = path(other);
    Some(match (operator, family(&column.kind)) {
        ("=", _) => other,
        ("<" | "<=" | "<>", Family::Whole | Family::Fraction) => format!("{other} - 1 - uniform(0, 100)"),
        ("<" | "<=" | "<>", Family::Moment) => format!("{other} - 1d - uniform(0, 60) * 1d"),
        _ => return None,
    })
}

/// The number of a row's class as a value of the column's type.
fn tenant_text(root: &str, column: &Column) -> Option<String> {
    let number = format!("class({})", quoted(root));
    Some(match (family(&column.kind), column.kind.name.as_str()) {
        (Family::Whole | Family::Fraction, _) => number,
        (Family::Text, _) => format!("'tenant-' + {number}"),
        (_, "uuid") => format!("uuid({number})"),
        _ => return None,
    })
}

/// An array whose elements are those of its row alone.
fn different_parts(kind: &crate::postgres::catalog::Type) -> Option<String> {
    let TypeKind::Array(element) = &kind.kind else { return None };
    Some(match family(element) {
        Family::Whole if element.name != "int2" => "array(row() * 10 + uniform(0, 9), 1, 4)".to_owned(),
        Family::Text if element.length.is_none() => "array(base36(row()) + '-' + word(), 1, 4)".to_owned(),
        _ => return None,
    })
}

/// A text that ends in the row's number, and so differs from every other.
fn separate(content: &str, most: Option<u32>, column: &Column) -> String {
    let plain = content
        .strip_prefix("fit(")
        .map_or(content.to_owned(), |inner| inner.rsplitn(3, ',').last().unwrap_or(inner).to_owned());
    // Random digits go on as they are; words end in a number of their own.
    let is_code =
        plain.strip_suffix(')').is_some_and(|text| text.rsplit_once('(').is_some_and(|(f, _)| f.ends_with("hex")));
    let stem = match plain.contains("row()") {
        true => plain,
        false if is_code => format!("{plain} + base36(row())"),
        false => format!("{plain} + '-' + base36(row())"),
    };
    match most {
        // The end is what differs: the stem gives way.
        Some(most) if column.name.contains("email") => {
            let room = most.saturating_sub(21).max(1);
            format!("fit(slug(first_name()), 0, {room}) + '.' + base36(row()) + '@example.com'")
        }
        Some(most) => {
            let room = most.saturating_sub(10).max(1);
            match plain_stem(&stem) {
                // A slug that is cut must not end in its dash.
                "slug(title())" => format!("slug(fit(title(), 0, {room})) + '-' + base36(row())"),
                stem => format!("fit({stem}, 0, {room}) + '-' + base36(row())"),
            }
        }
        None => stem,
    }
}

fn plain_stem(text: &str) -> &str {
    text.split(" + '-' + base36").next().unwrap_or(text)
}

/// Whether nothing but the name says which of a few values are common.
fn is_guess(column: &Column) -> bool {
    family(&column.kind) == Family::Text
        && super::content::content(&column.name, &column.kind, "now").is_some_and(|text| text.contains("weights("))
}

/// A default of '' or 0 is often what an application that always gives a value has; rows that all hold it
/// would say nothing.
fn stands_for_nothing(default: &str) -> bool {
    let value = default.split("::").next().unwrap_or(default).trim_matches(['(', ')']);
    matches!(value, "''" | "0" | "'0'" | "0.0")
}

/// A default that needs no function: a number, a text, true, false.
pub(super) fn is_constant(default: &str) -> bool {
    const VARY: [&str; 6] = ["LOCALTIME", "LOCALTIMESTAMP", "SESSION_USER", "USER", "SYSTEM_USER", "CURRENT"];
    let varies = |word: &str| VARY.contains(&word) || word.starts_with("CURRENT_");
    let words = tokens(default).into_iter().filter(|token| token.kind == Kind::Word);
    !default.contains('(') && !words.into_iter().any(|token| varies(&default[token.span].to_uppercase()))
}
