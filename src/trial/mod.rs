//! The experiment: three sides (clones of one dataset, databases that were given, or one that is migrated and reverted),
//! alternating slices, snapshots around them.
//!
//! Must give no verdict: it hands evidence to whoever asks. Must leave no database behind but templates, and none changed.

pub mod conduct;
pub mod digest;
mod error;
pub mod event;
mod isolated;
pub mod load;
mod prepare;
mod resume;
pub mod settings;
pub mod subject;
pub mod work;

pub use conduct::prove;
pub use error::TrialError;
pub use event::{Event, Listener};
pub use settings::{Dataset, Given, InPlace, Settings, Subject};
