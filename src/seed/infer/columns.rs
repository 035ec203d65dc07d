//! The expressions of a table's own columns. Must fill every column the server does not, deterministically.

use super::Draft;
use super::bounds::within;
use super::content::{Family, content, family, quoted};
use super::keys::{EACH, path};
use crate::postgres::catalog::{Column, TypeKind};
use crate::seed::condition::Case;
use crate::sql::{Kind, tokens};

impl Draft<'_> {
    /// Expressions by column, in the order of the table.
    pub(super) fn columns(&mut self, fan_out: &[(String, String)]) -> Vec<(String, String)> {
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
                found.push((column.name.clone(), text));
                continue;
            }
            if let Some(text) = self.column(column, &birth) {
                found.push((column.name.clone(), text));
            }
        }
        found
    }

    fn column(&mut self, column: &Column, birth: &Birth) -> Option<String> {
        if let Some(text) = self.fixed.get(&column.name) {
            return Some(text.clone());
        }
        if column.counted && self.cases.iter().all(|case| !case.columns.contains_key(&column.name)) {
            return Some("row()".to_owned());
        }
        if self.of_key(&column.name) {
            // Its parent cannot be filled, and it may be NULL: it stays so.
            return None;
        }
        if birth.column.as_deref() == Some(&column.name) && !self.unique.contains(&column.name) {
            return Some(self.in_cases(column, &birth.text));
        }
        if let Some(group) = self.slots.get(&column.name).filter(|group| *group != EACH) {
            return Some(self.slot_text(&column.name, group));
        }
        let as_number = family(&column.kind) == Family::Text && self.is_indexed_as_number(&column.name);
        if self.unique.contains(&column.name) {
            let text = if as_number { "row()".to_owned() } else { self.different(column)? };
            return Some(self.with_nulls(&column.name, text, true));
        }
        if as_number {
            return Some(self.with_nulls(&column.name, "digits(6)".to_owned(), column.required));
        }
        if let Some(default) = &column.default
            && is_constant(default)
            && !stands_for_nothing(default)
            && !self.is_referenced(&column.name)
            && !matches!(column.kind.kind, TypeKind::Enum(_))
            && family(&column.kind) != Family::Moment
            && self.cases.iter().all(|case| !case.columns.contains_key(&column.name))
        {
            // A constant default is what most rows of an application have.
            return None;
        }
        let birth = birth.column.as_deref().map_or("growth(linear)".to_owned(), path);
        let made = match self.beginning(column) {
            Some(beginning) => Some(format!("after({}, exp(20d))", path(beginning))),
            None => content(&column.name, &column.kind, &birth),
        };
        match made {
            Some(text) => {
                let text = self.in_cases(column, &text);
                let soft = ["deleted", "closed", "cancel", "archived", "revoked"];
                let rare = soft.iter().any(|word| column.name.to_lowercase().contains(word));
                let by_case =
                    self.cases.iter().any(|c| c.columns.get(&column.name).is_some_and(|d| d.null == Some(true)));
                let text = if by_case { text } else { self.with_nulls(&column.name, text, column.required) };
                Some(if rare { text.replacen("null 10% |", "null 95% |", 1) } else { text })
            }
            None if column.required && column.default.is_none() => {
                let reason = format!("nothing is known of the type {}", column.kind.declared);
                self.refuse(&column.name, &reason, &format!("{} = \"'…'\"", column.name));
                None
            }
            None => None,
        }
    }

    /// Whether an index casts a part of the column to a number: then it must be one.
    fn is_indexed_as_number(&self, column: &str) -> bool {
        let casts = ["::integer", "::bigint", "::numeric", "::smallint"];
        self.table.indexed.iter().any(|e| casts.iter().any(|cast| e.contains(cast)) && super::keys::names(e, column))
    }

    /// Whether a foreign key of any table refers to the column: then it must be filled, whatever its default.
    fn is_referenced(&self, column: &str) -> bool {
        let all = self.catalog.tables.values().flat_map(|table| &table.references);
        all.filter(|r| r.table == self.name).any(|r| r.targets.iter().any(|target| target == column))
    }

    /// The column that holds the beginning of what this column ends: `date_from` for `date_to`.
    fn beginning(&self, column: &Column) -> Option<&str> {
        const PAIRS: [(&str, &str); 9] = [
            ("to", "from"),
            ("until", "from"),
            ("end", "start"),
            ("ends", "starts"),
            ("ended", "started"),
            ("finished", "started"),
            ("closed", "opened"),
            ("updated", "created"),
            ("modified", "created"),
        ];
        if family(&column.kind) != Family::Moment {
            return None;
        }
        let words: Vec<&str> = column.name.split('_').collect();
        let partner = |(end, start): (&str, &str)| {
            words.contains(&end).then(|| {
                let renamed: Vec<&str> = words.iter().map(|word| if *word == end { start } else { word }).collect();
                self.table.column(&renamed.join("_"))
            })?
        };
        let found = PAIRS.into_iter().find_map(partner)?;
        // Without a beginning there is no end, which may only be where there need be none.
        let may = family(&found.kind) == Family::Moment && (found.required || !column.required) && !found.generated;
        may.then_some(found.name.as_str())
    }

    /// The content under each case; one expression when all are alike.
    fn in_cases(&self, column: &Column, content: &str) -> String {
        let each: Vec<String> = self.cases.iter().map(|case| self.in_case(case, column, content)).collect();
        match each.as_slice() {
            [] => content.to_owned(),
            [first, rest @ ..] if rest.iter().all(|text| text == first) => first.clone(),
            _ => format!("cases({})", each.join(", ")),
        }
    }

    fn in_case(&self, case: &Case, column: &Column, content: &str) -> String {
        let domain = case.columns.get(&column.name).cloned().unwrap_or_default();
        let bounded = within(content, &domain, &column.kind);
        for (a, operator, b) in &case.relations {
            if *b == column.name && !self.of_key(a) && a != b {
                return self.related(a, operator, column, &domain, &bounded);
            }
        }
        bounded
    }

    /// An expression that stands in a relation to another column of the row: `other operator column`.
    fn related(
        &self,
        other: &str,
        operator: &str,
        column: &Column,
        domain: &crate::seed::condition::Domain,
        otherwise: &str,
    ) -> String {
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
            ("<", Family::Moment) => format!("{other} + 1m + uniform(0, 60) * 1d"),
            _ => otherwise.to_owned(),
        }
    }

    /// An expression that is different in every row.
    fn different(&mut self, column: &Column) -> Option<String> {
        let kind = &column.kind;
        let domain = self.domain(&column.name);
        if let TypeKind::Range(_) | TypeKind::Array(_) = &kind.kind {
            let text = different_parts(kind).or_else(|| content(&column.name, kind, "now"))?;
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
                match super::bounds::number_bounds(&domain, kind).0 {
                    Some(low) if low > 1.0 => format!("row() + {low}"),
                    _ => "row()".to_owned(),
                }
            }
            "date" => "now - row() * 1d".to_owned(),
            // Every row has its own part of the time between the bounds.
            "timestamp" | "timestamptz" => {
                let bounded = within("", &domain, kind);
                if bounded.starts_with("spread(") { bounded } else { "spread('2023-01-01T00:00:00Z', now)".to_owned() }
            }
            "interval" | "time" => "row() * 1s".to_owned(),
            // Its bounds ask for so many bytes; fewer than eight would not do to make rows differ.
            "bytea" if domain.length != (0, None) => within("", &domain, kind),
            "bytea" => "'\\x' + hex(16)".to_owned(),
            "inet" => "unique_pattern('10[.]1[0-9][.]1[0-9][.]1[0-9][0-9]')".to_owned(),
            "macaddr" => "unique_pattern('02(:[0-9a-f][0-9a-f]){5}')".to_owned(),
            "bit" => format!("unique_pattern('[01]{{{}}}')", kind.length.unwrap_or(1)),
            "text" | "varchar" | "bpchar" | "citext" | "name" => {
                if let Some(pattern) = &domain.pattern {
                    let roomy = most.is_none_or(|most| most >= 24);
                    let text = content(&column.name, kind, "now").filter(|_| roomy);
                    let made = text.map(|text| separate(&text, most, column));
                    match made.filter(|made| super::sample::accepts(pattern, made)) {
                        Some(made) => made,
                        None => match most {
                            Some(most) => format!("unique_pattern({}, {fewest}, {most}, mixed)", quoted(pattern)),
                            None => format!("unique_pattern({}, mixed)", quoted(pattern)),
                        },
                    }
                } else if let Some(length) = most.filter(|most| *most < 24).or((fewest > 8).then_some(fewest)) {
                    let letters = if domain.upper == Some(true) { "[A-Z0-9]" } else { "[a-z0-9]" };
                    format!("unique_pattern('{letters}{{{}}}', mixed)", length.min(fewest.max(12)))
                } else {
                    let made = separate(&content(&column.name, kind, "now")?, most, column);
                    if domain.upper == Some(false) || column.name.contains("email") {
                        format!("lower({made})")
                    } else {
                        made
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

    /// The moment a row comes into being, and the column that holds it.
    fn birth(&self, fan_out: &[(String, String)]) -> Birth {
        let moments = || {
            self.table.columns.iter().filter(|c| {
                matches!(c.kind.name.as_str(), "timestamptz" | "timestamp")
                    && !c.generated
                    && c.required
                    && c.kind.kind == TypeKind::Base
            })
        };
        let named = ["created", "inserted", "occurred", "placed", "added", "recorded", "started", "sent", "time", "ts"];
        let by_name = named.iter().find_map(|word| moments().find(|c| c.name.to_lowercase().contains(word)));
        let column = by_name.or_else(|| moments().find(|c| c.default.is_some())).map(|c| c.name.clone());
        let parents = fan_out.iter().filter_map(|(named, _)| self.birth_of_parent(named));
        let parents: Vec<String> = parents.take(2).collect();
        let text = match parents.as_slice() {
            [] => "growth(linear)".to_owned(),
            _ => format!("latest(growth(linear), {})", parents.join(", ")),
        };
        Birth { column, text }
    }

    /// `user_id.created_at`, when the parent is filled before this table and its birth is plain.
    fn birth_of_parent(&self, column: &str) -> Option<String> {
        let reference = super::super::plan::reference_of(self.table, column)?;
        let order = super::keys::parents_first(self.catalog);
        let place = |name: &str| order.iter().position(|n| *n == name);
        if reference.table == self.name || place(&reference.table)? >= place(self.name)? {
            return None;
        }
        let parent = self.catalog.tables.get(&reference.table)?;
        if parent.has_rows || !parent.partitions.is_empty() {
            return None;
        }
        let born = parent.columns.iter().find(|c| {
            matches!(c.kind.name.as_str(), "timestamptz" | "timestamp")
                && c.required
                && !c.generated
                && c.name.to_lowercase().contains("created")
        })?;
        is_word(column).then(|| is_word(&born.name).then(|| format!("{column}.{}", born.name)))?
    }
}

/// When a row comes into being.
struct Birth {
    column: Option<String>,
    text: String,
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
    let stem = if plain.contains("row()") { plain } else { format!("{plain} + '-' + base36(row())") };
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

fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
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
