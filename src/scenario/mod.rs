//! What an application asks of its database: a weighted mix of actions and a load.
//!
//! Must use no connection and no clock: a scenario is a pure function from (seed, slice, number) to
//! an action and its parameters, so that every side of a trial sees the same stream.

pub mod parameter;
pub mod spec;
pub mod statement;
pub mod workload;

pub use spec::{Action, Load, Scenario};
pub use workload::Workload;
