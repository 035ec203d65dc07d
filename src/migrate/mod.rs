//! The user's migrations: which there are, and applying them. Must never choose a migration by itself.

pub mod apply;
pub mod books;
pub mod directory;
pub mod layout;
pub mod locks;
pub mod migration;
mod skipped;
mod steps;

pub use apply::{Applied, ApplyError, Manner, apply, in_transaction};
pub use directory::{Directory, DirectoryError};
pub use layout::Layout;
pub use locks::HeldLock;
pub use migration::Migration;
pub use skipped::Skipped;
pub use steps::Steps;
