//! Weighbridge measures a PostgreSQL schema before and after a migration.
//!
//! [`prove`] proves a migration from a test or a program of yours; `examples/migration_test.rs` is one. The program of
//! the same name is the feature `cli`, which is on by default.
//!
//! This file is the map of the crate; it must hold no logic. Data moves one way:
//! `seed` fills a database, `scenario` says what the application asks, `trial` clones, migrates
//! (`migrate`) and drives (`drive`) the sides in alternating slices, what it saw is `evidence`,
//! `compare` turns evidence into verdicts and `report` prints them. `ARCHITECTURE.md` says who
//! may use whom, and `tests/it/tidy.rs` enforces it.

pub mod binding;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod compare;
pub mod diagnostic;
pub mod doctor;
pub mod document;
pub mod drive;
pub mod evidence;
pub mod experiment;
pub mod expression;
pub mod host;
pub mod migrate;
pub mod postgres;
pub mod proof;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod sql;
pub mod stats;
pub mod trial;
pub mod units;

pub use compare::Verdict;
pub use diagnostic::{Advice, Message};
pub use experiment::ExperimentError;
pub use proof::{Depth, Proof, Settings, prove};
pub use trial::Event;
