//! One load test against one database: warm-up, measurement, gates, checks.
//!
//! Must not touch what it was not asked to: without permission its sessions are read-only.

pub mod conduct;
mod judge;
mod lag;
pub mod merge;
mod tally;
mod watch;

pub use conduct::{Event, RunError, Settings, WarmUp, run};
