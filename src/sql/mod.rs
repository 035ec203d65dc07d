//! SQL as data: where statements end, what each asks for, and what it names. Must send nothing and change no byte.
//!
//! The parser is `squawk-syntax` (ADR 26). Where a statement ends is decided here by tokens alone, so that a statement
//! that the parser cannot read is still sent whole, and is taken for one that may do anything.

mod alter;
mod command;
mod comparison;
mod effect;
mod expression;
mod index;
mod name;
mod object;
mod query;
mod read;
mod relation;
mod shape;
mod split;
mod statement;
mod table;
mod token;

pub use alter::{AlterTable, TableAction};
pub use command::{
    Access as TransactionAccess, Alteration, Command, Copy, CopyPlace, Created, Drop, Grant, IndexAction, Reindexed,
    Setting, Transaction, TypeAction,
};
pub use comparison::{ColumnUse, Compared, Comparison, How, Source, comparisons};
pub use expression::Expression;
pub use index::{CreateIndex, IndexKey};
pub use name::Name;
pub use object::Object;
pub use query::{Query, Write};
pub use relation::{Access, Relation};
pub use shape::{Limit, Shape, Tail};
pub use split::statements;
pub use statement::{PsqlCommand, Script, Statement, SyntaxError, parse_one};
pub use table::{Column, Constraint, CreateTable, Generated, Key, Rule};
pub use token::{Kind, Token, tokens, words};

/// Whether a text may change anything but its own session, as far as it shows: see [`Statement::may_write`].
#[must_use]
pub fn may_write(text: &str) -> bool {
    Script::parse(text).statements.iter().any(Statement::may_write)
}

/// Whether the server refuses a statement of a text inside a transaction block: see [`Statement::forbids_transaction`].
#[must_use]
pub fn forbids_transaction(text: &str) -> bool {
    Script::parse(text).statements.iter().any(Statement::forbids_transaction)
}

/// Whether a text is one statement that only sets parameters for those that follow it: see [`Statement::only_sets`].
#[must_use]
pub fn only_sets(text: &str) -> bool {
    parse_one(text).is_some_and(|statement| statement.only_sets())
}
