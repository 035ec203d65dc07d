//! What an application asks of its database: a weighted mix of actions and a load.
//!
//! Must use no connection and no clock: a scenario is a pure function from (seed, stream, number) to
//! an action and its parameters, so that every side of a trial sees the same stream.

pub mod action;
mod formula;
pub mod gate;
pub mod load;
pub mod parameter;
pub mod program;
pub mod script;
pub mod shape;
pub mod spec;
pub mod statement;
mod text;
pub mod workload;

pub use action::Action;
pub use load::Load;
pub use spec::Scenario;
pub use workload::{Stream, Workload};

/// What scenarios are called together.
#[must_use]
pub fn name_of<'s>(scenarios: impl Iterator<Item = &'s Scenario>) -> String {
    let own = scenarios.filter(|scenario| !scenario.used);
    own.map(|scenario| scenario.name.as_str()).collect::<Vec<_>>().join("+")
}
