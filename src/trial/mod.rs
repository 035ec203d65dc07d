//! The experiment: one dataset, three clones, one migration, alternating slices, snapshots around them.
//!
//! Must give no verdict: it hands evidence to whoever asks. Must leave no database behind but templates.

pub mod ablate;
pub mod conduct;
pub mod count;
pub mod error;
pub mod event;
pub mod order;
pub mod sides;
pub mod template;

pub use conduct::{Settings, prove};
pub use error::TrialError;
pub use event::{Event, Listener};
