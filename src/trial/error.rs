//! Why a trial could not be held, sorted by whose world failed: the file's, or the environment's.

use crate::binding::BindError;
use crate::diagnostic::{Advice, FileProblems, Message, ReadError};
use crate::drive::crew::CrewError;
use crate::migrate::{ApplyError, DirectoryError};
use crate::postgres::Error;
use crate::scenario::workload::MixError;
use crate::seed::load::LoadError;

/// A trial that gave no evidence, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The server failed or refused.
    #[error(transparent)]
    Server(#[from] Error),
    /// The dataset could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A migration was refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The folder of migrations.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A file with mistakes.
    #[error("{0}")]
    File(Box<FileProblems>),
    /// A file that is no text.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Scenarios that do not go together.
    #[error(transparent)]
    Mix(#[from] MixError),
    /// The driver failed.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// Something else about what was asked for.
    #[error(transparent)]
    Asked(Message),
}

impl Advice for TrialError {
    fn inner(&self) -> Option<&dyn Advice> {
        Some(match self {
            Self::Server(error) => error,
            Self::Load(error) => error,
            Self::Apply(error) => error,
            Self::Directory(error) => error,
            Self::File(problems) => problems.as_ref(),
            Self::Read(error) => error,
            Self::Mix(error) => error,
            Self::Crew(error) => error,
            Self::Asked(message) => message,
        })
    }
}

impl From<BindError> for TrialError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::File(problems) => Self::File(problems),
            BindError::Server(error) => Self::Server(error),
        }
    }
}

impl TrialError {
    /// Whether the user's files or words are at fault, and not the server, the disk or the network.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Apply(ApplyError::Refused(_) | ApplyError::Read(_) | ApplyError::Command(_))
            | Self::Directory(_)
            | Self::File(_)
            | Self::Read(_) => true,
            Self::Mix(_) | Self::Asked(_) | Self::Server(Error::Url(_)) => true,
            Self::Load(LoadError::Encode(_) | LoadError::NotEmpty(_) | LoadError::FilledByTrigger(_)) => true,
            Self::Load(LoadError::Server(_) | LoadError::CutShort { .. }) | Self::Server(_) | Self::Apply(_) => false,
            Self::Crew(CrewError::Drive(error)) => error.is_input(),
            Self::Crew(_) => false,
        }
    }
}
