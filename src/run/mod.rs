//! One load test against one database: warm-up, measurement, gates, checks.
//!
//! Must not touch what it was not asked to: without permission its sessions are read-only.

mod bind;
mod conduct;
mod error;
mod event;
mod judge;
mod lag;
pub mod merge;
mod settings;
mod slowest;
mod tally;
mod watch;

pub use conduct::run;
pub use error::RunError;
pub use event::Event;
pub use settings::{Settings, WarmUp};
