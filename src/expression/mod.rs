//! The one small language for values, used by dataset specs and scenario parameters.
//!
//! Grammar, samplers and the counter hash behind every random value. Must use no random number
//! whose stream another crate may change, and no arithmetic that differs between machines:
//! transcendental functions come from `power` or `libm`, never from the platform.

pub mod distribution;
pub mod hash;
mod numeric;
pub mod parse;
pub mod permutation;
pub mod power;
pub mod ranks;
pub mod value;
pub mod weights;
pub mod zipf;

pub use distribution::Distribution;
pub use hash::{CellRng, Key};
pub use parse::{Argument, Expr, Node};
pub use permutation::Permutation;
pub use ranks::Ranks;
pub use value::{SqlType, Value};
pub use weights::Weights;
pub use zipf::Zipf;
