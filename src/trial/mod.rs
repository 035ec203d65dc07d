//! The experiment: one dataset, three clones, one migration, alternating slices, snapshots around them.
//!
//! Must give no verdict: it hands evidence to whoever asks. Must leave no database behind but templates.

pub mod ablate;
pub mod conduct;
pub mod count;
mod counters;
pub mod error;
pub mod event;
mod focus;
mod measure;
pub mod order;
mod prepare;
mod resume;
pub mod settings;
pub mod sides;
pub mod template;

pub use conduct::prove;
pub use error::TrialError;
pub use event::{Event, Listener};
pub use settings::{Dataset, Settings};
