//! Why there was no run. Must tell a mistake of the user from a failure of the server.

use crate::binding::BindError;
use crate::diagnostic::{Advice, Message};
use crate::drive::crew::CrewError;
use crate::postgres::Error;

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario does not fit the database.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The server failed or refused.
    #[error(transparent)]
    Server(#[from] Error),
    /// The driver failed.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// Something else about what was asked for.
    #[error(transparent)]
    Asked(Message),
}

impl Advice for RunError {
    fn inner(&self) -> Option<&dyn Advice> {
        Some(match self {
            Self::Bind(error) => error,
            Self::Server(error) => error,
            Self::Crew(error) => error,
            Self::Asked(message) => message,
        })
    }
}

impl RunError {
    /// Whether the user's files or words are at fault, and not the server or the network.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Bind(BindError::File(_)) | Self::Asked(_) => true,
            Self::Crew(CrewError::Drive(error)) => error.is_input(),
            Self::Bind(_) | Self::Server(_) | Self::Crew(_) => false,
        }
    }
}
