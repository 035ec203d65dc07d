//! The user's migrations: which there are, and applying them. Must never choose a migration by itself.

pub mod apply;
pub mod directory;

pub use apply::{Applied, ApplyError, apply, apply_and, in_transaction};
pub use directory::{Directory, DirectoryError, Migration};
