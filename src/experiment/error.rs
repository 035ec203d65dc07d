//! Why an experiment could not be held. Must say whose world failed, and what to do next.

use std::path::PathBuf;

use crate::diagnostic::{Advice, Message};
use crate::evidence::store::StoreError;
use crate::trial::TrialError;

/// An experiment that gave no evidence, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The trial could not be held.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The result to go on from cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A failure, and what could not be taken back after it.
    #[error("{error}; {left}")]
    Left {
        /// The failure.
        error: Box<ExperimentError>,
        /// What is left.
        left: TrialError,
    },
    /// More sets of clones than chunks can be spread over.
    #[error("{sets} sets of clones need {fewest} chunks or more to be compared")]
    TooFewForSets {
        /// Sets of clones.
        sets: u32,
        /// Chunks they need.
        fewest: u32,
    },
    /// Its errors are paid for one end.
    #[error("an experiment with --precision or --replicates ends once")]
    EndsOnce,
    /// Its errors are paid for the looks it has had.
    #[error("this experiment has {done} chunks, and its errors are paid for {looks} looks up to {last} chunks")]
    NoLookLeft {
        /// Chunks it has.
        done: u32,
        /// Looks there may be.
        looks: usize,
        /// Chunks at the last of them.
        last: u32,
    },
    /// Nothing was measured.
    #[error("{} holds no chunk to go on from", .0.display())]
    NoChunk(PathBuf),
    /// It had no looks.
    #[error("{} was decided at its end, with nothing left to err", .0.display())]
    DecidedAtItsEnd(PathBuf),
    /// A later result has its chunks.
    #[error("this experiment has gone on already")]
    GoneOn(PathBuf),
    /// Another result goes on from it.
    #[error("this experiment has gone on already, in {by}")]
    Marked {
        /// The folder of the other.
        by: String,
        /// What says so.
        mark: PathBuf,
    },
    /// The result that goes on cannot be marked.
    #[error("cannot mark the result that goes on: {}: {source}", path.display())]
    Mark {
        /// The mark.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that makes it another experiment.
    #[error("this is not the experiment that is resumed: {0} differ")]
    Another(String),
}

impl Advice for ExperimentError {
    fn inner(&self) -> Option<&dyn Advice> {
        match self {
            Self::Trial(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Left { error, .. } => Some(error.as_ref()),
            _ => None,
        }
    }

    fn message(&self) -> Message {
        match self {
            Self::Left { error, left } => error.message().then(left.message()),
            _ => match self.inner() {
                Some(inner) => inner.message(),
                None => self.help().into_iter().fold(Message::new(self.to_string()), Message::help),
            },
        }
    }

    fn help(&self) -> Option<String> {
        const NEW: &str = "begin a new one; it counts as another attempt";
        match self {
            Self::Trial(_) | Self::Store(_) | Self::Left { .. } => self.inner()?.help(),
            Self::TooFewForSets { fewest, .. } => Some(format!("write --chunks {fewest}")),
            Self::EndsOnce | Self::NoLookLeft { .. } => Some(NEW.to_owned()),
            Self::NoChunk(_) | Self::DecidedAtItsEnd(_) => {
                Some("begin a new proof; it counts as another attempt".to_owned())
            }
            Self::GoneOn(later) => Some(format!("prove --resume {}", later.display())),
            Self::Marked { mark, .. } => {
                Some(format!("resume that one; if it measured nothing, remove {}", mark.display()))
            }
            Self::Mark { .. } => Some("copy it to where you may write, and resume the copy".to_owned()),
            Self::Another(_) => Some("give the flags and files it was begun with, or begin a new one".to_owned()),
        }
    }
}

impl ExperimentError {
    /// Whether the user's files or words are at fault, and not the server, the disk or the network.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Trial(error) => error.is_input(),
            Self::Mark { .. } => false,
            Self::Store(_) | Self::Left { .. } | Self::TooFewForSets { .. } | Self::EndsOnce => true,
            Self::NoLookLeft { .. } | Self::NoChunk(_) | Self::DecidedAtItsEnd(_) | Self::GoneOn(_) => true,
            Self::Marked { .. } | Self::Another(_) => true,
        }
    }
}
