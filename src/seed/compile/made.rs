//! Expressions that make texts, places, entries of lists and JSON. Must draw each member of an object from a stream of
//! its own.

use std::sync::Arc;

use super::Place;
use crate::diagnostic::{Diagnostic, nearest};
use crate::expression::distribution::number;
use crate::expression::{Argument, Expr, Node, Permutation};
use crate::seed::cell::Cell;
use crate::seed::lists::List;
use crate::seed::phrase::Phrase;
use crate::seed::place::Field;
use crate::seed::plan::Planner;

/// Elements that a list of JSON has at most.
const MAX_ELEMENTS: usize = 64;

impl Planner<'_> {
    /// The calls this file knows; `None` for any other.
    pub(super) fn made(
        &self,
        name: &str,
        arguments: &[Argument],
        expr: &Expr,
        place: &mut Place<'_>,
    ) -> Option<Result<Cell, Diagnostic>> {
        Some(match (name, arguments) {
            ("phrase", [kind]) => phrase(kind).map(|phrase| Cell::Phrase(place.next_key(), phrase)),
            ("unique_phrase", [kind]) => phrase(kind).map(|phrase| {
                let order = Permutation::new(place.next_key(), phrase.texts());
                Cell::OwnPhrase(Arc::new(order), phrase)
            }),
            ("prose", [kind, low, high]) => prose(kind, low, high, place),
            ("listed", [list, column]) => listed(list, column),
            ("place", [field, rest @ ..]) => self.place(field, rest, expr, place),
            ("ip", []) => Ok(Cell::Ip(place.next_key())),
            ("json", members) => self.object(members, expr, place),
            ("list", [element, low, high]) => self.list(element, low, high, expr, place),
            _ => return None,
        })
    }

    /// `place(city)`, `place(city, billing)`, `place(city, in country)`.
    fn place(
        &self,
        field: &Argument,
        rest: &[Argument],
        expr: &Expr,
        place: &mut Place<'_>,
    ) -> Result<Cell, Diagnostic> {
        let wanted = name_of(&field.value);
        let Some((_, field)) = Field::NAMES.iter().find(|(name, _)| Some(*name) == wanted.as_deref()) else {
            return Err(unknown("a place has no field", field, &Field::NAMES.map(|(name, _)| name)));
        };
        let (mut group, mut within) = (String::new(), None);
        for argument in rest {
            match (argument.label.as_deref(), name_of(&argument.value)) {
                (Some("in"), _) => within = Some(Box::new(self.compile(&argument.value, place)?)),
                (None, Some(name)) => group = name,
                _ => {
                    let problem = Diagnostic::at(expr.span.clone(), "`place` takes a field, a group and a country");
                    return Err(problem.help("place(city), place(city, billing), place(city, in country)"));
                }
            }
        }
        Ok(Cell::Place(self.place_key(place.table, &group), *field, within))
    }

    /// `json(source weights(web 70, app 30), score -> uniform(0, 1))`
    fn object(&self, members: &[Argument], expr: &Expr, place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
        // Each member keyed by its name, so that another one changes no other.
        let own = place.next_key();
        let mut compiled: Vec<(String, Cell)> = Vec::new();
        for member in members {
            let Some(name) = &member.label else {
                let problem = Diagnostic::at(member.value.span.clone(), "a member of an object has a name");
                return Err(problem.help("json(source weights(web 70, app 30), score -> uniform(0, 1))"));
            };
            if compiled.iter().any(|(known, _)| known == name) {
                return Err(Diagnostic::at(expr.span.clone(), format!("`{name}` stands twice")));
            }
            let mut inside = Place { key: own.named(name), draws: 0, labels: &[], kind: None, ..*place };
            compiled.push((name.clone(), self.compile(&member.value, &mut inside)?));
        }
        Ok(Cell::Object(compiled))
    }

    /// `list(word(), 1, 4)`: an array of JSON.
    fn list(
        &self,
        element: &Argument,
        low: &Argument,
        high: &Argument,
        expr: &Expr,
        place: &mut Place<'_>,
    ) -> Result<Cell, Diagnostic> {
        let (low, high) = (number(&low.value)? as usize, number(&high.value)? as usize);
        if high < low || MAX_ELEMENTS < high {
            let message = format!("`list` takes an element and how many at least and at most, up to {MAX_ELEMENTS}");
            return Err(Diagnostic::at(expr.span.clone(), message));
        }
        let key = place.next_key();
        let cells = (0..high).map(|_| self.compile(&element.value, place));
        Ok(Cell::List(key, low, cells.collect::<Result<_, _>>()?))
    }
}

fn prose(kind: &Argument, low: &Argument, high: &Argument, place: &mut Place<'_>) -> Result<Cell, Diagnostic> {
    let (low, high) = (number(&low.value)?, number(&high.value)?);
    if low < 1.0 || high < low {
        let message = "`prose` takes a kind of text, and how many sentences at least and at most";
        return Err(Diagnostic::at(kind.value.span.clone(), message));
    }
    Ok(Cell::Prose(place.next_key(), phrase(kind)?, low as u64, high as u64))
}

fn phrase(kind: &Argument) -> Result<&'static Phrase, Diagnostic> {
    let found = name_of(&kind.value).and_then(|name| Phrase::named(&name));
    found.ok_or_else(|| unknown("no such kind of text", kind, &Phrase::names()))
}

/// `listed(countries, code)`: row n has the n-th entry.
fn listed(list: &Argument, column: &Argument) -> Result<Cell, Diagnostic> {
    let found = name_of(&list.value).and_then(|name| List::named(&name));
    let Some(found) = found else { return Err(unknown("no such list", list, &List::names())) };
    match name_of(&column.value).and_then(|name| found.column(&name)) {
        Some(at) => Ok(Cell::Listed(found, at)),
        None => Err(unknown("the list has no such column", column, found.columns())),
    }
}

/// How many rows can have an entry of their own.
pub(super) fn capacity(expr: &Expr) -> Option<u64> {
    let Node::Call(name, arguments) = &expr.node else { return None };
    let first = name_of(&arguments.first()?.value)?;
    (name == "listed").then(|| List::named(&first).map(List::entries))?
}

fn name_of(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Path(path) if path.len() == 1 => Some(path[0].clone()),
        _ => None,
    }
}

fn unknown(what: &str, argument: &Argument, known: &[&'static str]) -> Diagnostic {
    let name = name_of(&argument.value);
    let problem = Diagnostic::at(argument.value.span.clone(), what);
    match name.and_then(|name| nearest(&name, known.iter().copied())) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("known: {}", known.join(", "))),
    }
}
