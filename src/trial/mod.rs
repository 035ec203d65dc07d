//! One measurement on one set of sides (clones of one dataset, databases that were given, or one that is migrated and
//! reverted): single operations, alternating slices, snapshots around them.
//!
//! Must give no verdict and not decide how long it goes on: it hands evidence to the experiment. Must leave no database
//! behind but templates, and none changed.

mod clean;
pub mod conduct;
pub mod digest;
mod error;
pub mod event;
mod facts;
mod isolated;
pub mod load;
mod prepare;
pub mod settings;
pub mod subject;
pub mod work;

pub use clean::clean_up;
pub use conduct::Trial;
pub use error::TrialError;
pub use event::{Event, Listener};
pub use settings::{Dataset, Given, InPlace, Settings, Subject};
