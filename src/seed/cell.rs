//! How one cell of a row is made, as data: the small program that `compile` writes and `generate` evaluates. Must not
//! evaluate anything.

use std::sync::Arc;

use super::cases::Cases;
use super::fan::Fan;
use super::growth::Growth;
use super::lists::List;
use super::pattern::Pattern;
use super::phrase::Phrase;
use super::place::Field;
use super::pools::Pool;
use super::shape::Shape;
use super::slots::Slots;
use super::state::{Machine, Want};
use super::sum::Sum;
use crate::expression::{Distribution, Key, Permutation, SqlType, Value, Weights};

/// How one cell is made.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Always the same.
    Const(Value<'static>),
    /// The row's number from 1.
    Row,
    /// Another column of the same row, by position.
    Own(usize),
    /// A column of the row's parent, or of the parent's, recomputed.
    Parent {
        /// Which fan-outs lead there, one after the other.
        way: Box<[usize]>,
        /// The column there, by position.
        column: usize,
        /// Of the parent that would be there, also in a row that has none: a column which must not be NULL, of a key
        /// whose other columns may be.
        always: bool,
    },
    /// The number of the row's class, from 1.
    Class(u64),
    /// A column of a row of another table no foreign key names.
    Pick(Box<Fan>, usize),
    /// What rows of another table add up to.
    Sum(Arc<Sum>),
    /// A state, or a moment set on the way there: the walk, its stream, where it begins, the states.
    State(Arc<Machine>, Key, Box<Cell>, Want),
    /// A number from a distribution.
    Distribution(Key, Distribution),
    /// The moment the row came into being.
    Growth(Growth),
    /// A moment some time after another; never later than the dataset's end.
    After(Box<Cell>, Key, Distribution),
    /// The latest of several moments; missing ones do not count.
    Latest(Vec<Cell>),
    /// The first that is not NULL.
    First(Vec<Cell>),
    /// One of several, by weight.
    Choice(Key, Weights, Vec<Cell>),
    /// By the text of a value; what is not named takes the last.
    By(Box<Cell>, Vec<(String, Cell)>, Box<Cell>),
    /// A text from a list.
    Pool(Key, Pool),
    /// A text from the list of a locale.
    Local(Key, Pool, Box<Cell>),
    /// Rounded to a multiple of a step.
    Step(Box<Cell>, f64),
    /// This many words from the list of words.
    Words(Key, u64, u64),
    /// Texts one after the other; what is NULL counts as none.
    Join(Vec<Cell>),
    /// Texts one after the other; NULL when one of them is.
    Concat(Vec<Cell>),
    /// Lower case; as a slug, with dashes for everything but letters and digits.
    Lower {
        /// The text.
        inner: Box<Cell>,
        /// Whether only letters, digits and dashes may stay.
        slug: bool,
    },
    /// Upper case; only the first letter of each word when the flag is set.
    Upper(Box<Cell>, bool),
    /// Arithmetic, or `+` between texts.
    Binary(char, Box<Cell>, Box<Cell>),
    /// A random uuid (version 4).
    Uuid(Key),
    /// The uuid of a number: the same for the same number in every column.
    UuidOf(Key, Box<Cell>),
    /// By the row's case.
    Cases(Cases, Vec<Cell>),
    /// A text that matches a pattern: any, or each row its own.
    Pattern(Key, Arc<Pattern>, bool),
    /// A text of at least and at most this many characters.
    Fit(Box<Cell>, usize, usize),
    /// A number or a moment within bounds; a bound that is NULL does not bind.
    Clamp(Box<Cell>, Box<Cell>, Box<Cell>),
    /// Rising with the row between two moments.
    Spread(Box<Cell>, Box<Cell>, Growth),
    /// The row's place among the rows of its parent, from 1, by the fan-out in which these stand side by side.
    Nth(usize),
    /// Whole numbers of a combination that stands once, from a first value on.
    Slot(Slots, usize, i64),
    /// One of several by the digit of a combination that stands once.
    SlotOf(Slots, usize, Vec<Value<'static>>),
    /// `{a,b}`: this many of the elements, at least.
    Array(Key, usize, Vec<Cell>),
    /// `[a,b)`
    Range(Box<Cell>, Box<Cell>),
    /// `(a,b)`
    Composite(Vec<Cell>),
    /// A shape around a place: x, y and how far to each side.
    Shape(Arc<Shape>, Box<[Cell; 2]>, f64),
    /// An element, a bound or a field, as its type holds it: there is no column to do it.
    Typed(Box<Cell>, SqlType),
    /// A text of a kind.
    Phrase(Key, &'static Phrase),
    /// A text of a kind that no other row has.
    OwnPhrase(Arc<Permutation>, &'static Phrase),
    /// This many sentences of a kind.
    Prose(Key, &'static Phrase, u64, u64),
    /// A column of the entry of a list with the row's number.
    Listed(&'static List, usize),
    /// A field of the row's place on earth, in the country that an expression names.
    Place(Key, Field, Option<Box<Cell>>),
    /// An address of the fourth version of IP that may be public.
    Ip(Key),
    /// An object of JSON; members that are NULL are left out.
    Object(Vec<(String, Cell)>),
    /// An array of JSON: this many of the elements, at least.
    List(Key, usize, Vec<Cell>),
    /// This many random bytes, in hexadecimal digits.
    Hex(Key, u64),
    /// This many random digits of a base up to 10.
    Digits(Key, u64, u64),
    /// A whole number in base 36.
    Base36(Box<Cell>),
    /// Values a table holds already, by row.
    Held(Arc<Vec<Value<'static>>>),
}

impl Cell {
    /// The same column of the parent that would be there, also where the row has none.
    pub(super) fn of_drawn_parent(self) -> Self {
        match self {
            Self::Parent { way, column, .. } => Self::Parent { way, column, always: true },
            other => other,
        }
    }

    /// Whether it adds rows of another table up.
    #[must_use]
    pub fn holds_sum(&self) -> bool {
        let mut found = false;
        self.visit(&mut |cell| found |= matches!(cell, Self::Sum(_)));
        found
    }

    /// Calls `seen` with this cell and every cell inside it.
    pub fn visit(&self, seen: &mut impl FnMut(&Cell)) {
        seen(self);
        match self {
            Self::After(inner, ..)
            | Self::Lower { inner, .. }
            | Self::Fit(inner, ..)
            | Self::Base36(inner)
            | Self::Local(_, _, inner)
            | Self::Step(inner, _)
            | Self::Typed(inner, _)
            | Self::Upper(inner, _)
            | Self::UuidOf(_, inner)
            | Self::State(_, _, inner, _) => {
                inner.visit(seen);
            }
            Self::Clamp(inner, low, high) => {
                for cell in [inner, low, high] {
                    cell.visit(seen);
                }
            }
            Self::Latest(cells)
            | Self::First(cells)
            | Self::Choice(_, _, cells)
            | Self::Join(cells)
            | Self::Concat(cells)
            | Self::Cases(_, cells)
            | Self::Array(_, _, cells)
            | Self::List(_, _, cells)
            | Self::Composite(cells) => {
                for cell in cells {
                    cell.visit(seen);
                }
            }
            Self::Object(members) => members.iter().for_each(|(_, cell)| cell.visit(seen)),
            Self::Place(_, _, Some(country)) => country.visit(seen),
            Self::By(subject, arms, otherwise) => {
                subject.visit(seen);
                for (_, cell) in arms {
                    cell.visit(seen);
                }
                otherwise.visit(seen);
            }
            Self::Shape(_, place, _) => place.iter().for_each(|cell| cell.visit(seen)),
            Self::Binary(_, left, right) | Self::Range(left, right) | Self::Spread(left, right, _) => {
                left.visit(seen);
                right.visit(seen);
            }
            _ => {}
        }
    }
}
