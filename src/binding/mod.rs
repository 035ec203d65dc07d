//! Binds scenarios to a live database: types of their parameters, and values to pick from. Must only read.

mod picks;
mod types;

pub use picks::{check_picks, sample_picks};
pub use types::describe_all;

use crate::diagnostic::FileProblems;
use crate::postgres::Error;

/// Why a scenario does not fit a database.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// What the scenario's file asks for is not there, or not so.
    #[error("{0}")]
    File(Box<FileProblems>),
    /// The server failed or refused.
    #[error(transparent)]
    Server(#[from] Error),
}
