//! Applies, reverts and applies migrations again on clones of a seeded database, and reads what each statement does.
//! Must leave no clone and no role.

mod actions;
mod fingerprint;
mod plan;
mod rows;
mod staircase;
mod statements;
mod violations;
mod writes;

pub use plan::{Base, Check};
pub use staircase::{check, clean_up, new_roles};
