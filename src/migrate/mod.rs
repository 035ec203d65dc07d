//! The user's migrations: which there are, and applying them. Must never choose a migration by itself.

pub mod apply;
pub mod base;
pub mod books;
mod command;
pub mod directory;
mod folder;
pub mod layout;
pub mod locks;
pub mod migration;
pub mod part;
mod refusal;
pub mod requirements;
mod skipped;
mod steps;

pub use apply::{Applied, ApplyError, Manner, apply};
pub use directory::{Directory, DirectoryError};
pub use layout::{Layout, Options, Warning};
pub use locks::HeldLock;
pub use migration::Migration;
pub use part::{Part, Sending};
pub use skipped::Skipped;
pub use steps::Steps;
