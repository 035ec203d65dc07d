//! One load test against one database: warm-up, measurement, gates, checks.
//!
//! Must not touch what it was not asked to: without permission its sessions are read-only.

pub mod conduct;
mod judge;
pub mod merge;
pub mod search;
mod tally;

pub use conduct::{Event, RunError, Settings, WarmUp, run};
