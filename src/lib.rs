//! Weighbridge weighs a PostgreSQL schema before and after a migration.
//!
//! This file is the map of the house; it must hold no logic. Data moves one way:
//! `seed` fills a database, `scenario` says what the application asks, `trial` clones, migrates
//! (`migrate`) and drives (`drive`) the sides in alternating slices, what it saw is `evidence`,
//! `compare` turns evidence into verdicts and `report` prints them. `ARCHITECTURE.md` says who
//! may use whom, and `tests/it/tidy.rs` enforces it.

pub mod binding;
pub mod check;
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
pub mod report;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod sql;
pub mod stats;
pub mod trial;
pub mod units;
