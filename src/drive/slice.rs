//! What one thread of the load driver has to do in a stretch of time, and with which clients. Must drive nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::client::Client;
use super::timer::Timer;
use crate::diagnostic::Advice;
use crate::scenario::Stream;
use crate::scenario::shape::Shape;

/// What one thread has to do in a stretch of time: a slice of a trial, or a run.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Names the arrivals and parameters; the same stream on every side gives the same ones.
    pub stream: Stream,
    /// When it starts, on the threads' common clock.
    pub start_ns: u64,
    /// How long operations become due.
    pub length_ns: u64,
    /// How long after its end a due operation may still be sent.
    pub grace_ns: u64,
    /// The level over time, of all threads together.
    pub shape: Arc<Shape>,
    /// Most operations of this thread.
    pub most: Option<u64>,
    /// Rules of the load.
    pub rules: Rules,
    /// Set from outside when it should end early: nothing becomes due any more.
    pub stop: Arc<AtomicBool>,
}

/// How a load treats operations that do not go as they should.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Tries beyond the first when the server asks to try again.
    pub more_tries: u32,
    /// Gives operations up that could not be sent for so long.
    pub skip_after_ns: Option<u64>,
    /// Ends the slice when a lost connection could not be made again for so long; without it, at the slice's own end.
    pub reconnect_within_ns: Option<u64>,
    /// Counts answers that took longer as late.
    pub late_after_ns: Option<u64>,
    /// Keeps the slowest of the answers that were served slower than this.
    pub slow_after_ns: Option<u64>,
    /// Keeps every operation.
    pub log: bool,
    /// Waits for the last moment before an arrival awake, where arrivals are few.
    pub awake: bool,
}

/// Why a slice could not be driven to its end; the server's refusals are counted, not raised.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The kernel's timer failed.
    #[error("the timer of the load driver failed: {0}")]
    Timer(#[from] std::io::Error),
    /// A parameter's value does not fit the type the server inferred.
    #[error("action `{action}`: {misfit}")]
    Misfit {
        /// The action.
        action: String,
        /// The value and the type.
        misfit: crate::expression::value::Misfit,
    },
    /// A statement would have let the next one write, where nothing may be written.
    #[error(
        "the action `{0}` turns default_transaction_read_only off, and nothing may be written here: the run was ended \
             before another statement"
    )]
    MayWrite(String),
}

impl Advice for DriveError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::MayWrite(..) => {
                "find the function that does it, or add --allow-writes if it is no production server".to_owned()
            }
            _ => return None,
        })
    }
}

impl DriveError {
    /// Whether the user's files or words are at fault, and not the machine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Timer(_))
    }
}

/// A client and its timer.
pub struct Seat {
    /// Its connections; none where a pool has them.
    pub client: Option<Client>,
    /// Its timer.
    pub timer: Timer,
    /// Its number among the clients of all threads.
    pub number: usize,
}
