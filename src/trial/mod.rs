//! The experiment: three sides (clones of one dataset, databases that were given, or one that is migrated and reverted),
//! alternating slices, snapshots around them.
//!
//! Must give no verdict: it hands evidence to whoever asks. Must leave no database behind but templates, and none changed.

pub mod ablate;
mod answer;
mod clones;
pub mod conduct;
pub mod count;
mod counters;
pub mod digest;
mod error;
pub mod event;
mod focus;
mod functions;
mod generic;
mod given;
mod hypothetical;
mod images;
pub mod in_place;
mod lossless;
mod measure;
mod operation;
pub mod order;
mod prepare;
mod resume;
mod role;
mod sequences;
mod sequential;
pub mod settings;
pub mod sides;
mod survey;
mod switch;
pub mod template;
mod ties;
mod trace;
mod updates;
mod wholes;

pub use conduct::prove;
pub use error::TrialError;
pub use event::{Event, Listener};
pub use settings::{Dataset, Given, InPlace, Settings, Subject};
