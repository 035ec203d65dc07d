//! Binds scenarios to a live database: types of their parameters, and values to pick from. Must only read.

mod picks;
mod types;

pub use picks::{check_picks, sample_picks};
pub use types::describe_all;

use crate::diagnostic::{Advice, FileProblems};
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

impl Advice for BindError {
    fn inner(&self) -> Option<&dyn Advice> {
        Some(match self {
            Self::File(problems) => problems.as_ref(),
            Self::Server(error) => error,
        })
    }
}
