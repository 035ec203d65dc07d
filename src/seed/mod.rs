//! Fills a database from the catalog and a dataset spec: text to checked spec, spec and catalog to plan, plan to rows.
//!
//! Every cell is a pure function of (seed, table name, column name, row), so the same spec, seed and
//! scale give the same rows on every machine and for any number of connections. Must never read the
//! wall clock or draw from a generator with a state.

mod births;
pub mod cases;
pub mod cell;
mod compile;
pub mod condition;
pub mod encode;
pub mod fan;
pub mod generate;
pub mod growth;
pub mod guesses;
pub mod heap;
pub mod infer;
mod letters;
pub mod lists;
pub mod load;
pub mod notes;
mod object;
pub mod ordered;
pub mod outline;
pub mod pair;
pub mod pattern;
pub mod phrase;
pub mod place;
pub mod plan;
pub mod pools;
pub mod runs;
pub mod shape;
pub mod slots;
pub mod spec;
pub mod state;
mod sum;

/// Part of every template's key: raised when the same spec would give other rows.
pub const GENERATOR: &str = "weighbridge generator 8";

pub use plan::Plan;
pub use spec::Spec;
