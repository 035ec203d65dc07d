//! The policy of a proof and of a search for a rate: which measurements, in which order, when they are examined, when
//! they end, what they go on from, and how often they were tried.
//!
//! The only room that uses `trial` and `compare` both. Must measure nothing itself and print nothing.

mod attempt;
mod conduct;
mod earlier;
mod error;
mod find;
mod length;
mod mark;
mod resume;
mod search;
mod settings;
mod stop;

pub use attempt::attempt;
pub use conduct::prove;
pub use error::ExperimentError;
pub use find::find_rate;
pub use length::{Asked, Length, can_go_on};
pub use mark::Mark;
pub use resume::read as read_resumed;
pub use settings::{Resumed, Settings};
pub use stop::enough;
