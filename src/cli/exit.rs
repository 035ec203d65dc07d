//! Exit codes: an interface like any other, documented. A number must never change its meaning.

use std::process::ExitCode;

use crate::diagnostic::{Advice, Message};

/// What a run of the program says to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Proven or passed.
    Ok = 0,
    /// A gate failed or a regression was proven.
    Regressed = 1,
    /// Wrong use, or an invalid file.
    Usage = 2,
    /// Inconclusive, or invalid because the harness or the machine was the limit.
    Inconclusive = 3,
    /// The environment: cannot connect, missing privilege, no space.
    Environment = 4,
    /// A bug of this program.
    Bug = 70,
    /// Interrupted by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

/// For `--help`.
pub(super) const HELP: &str = "Exit codes:
  0    proven or passed
  1    a regression was proven, or a gate failed
  2    wrong use, or an invalid file
  3    inconclusive (a gate cannot be evaluated, an action is not decided), or invalid because the harness or the \
  machine was the limit
  4    the environment: cannot connect, missing privilege, no space
  70   a bug of this program
  130  interrupted";

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// An error with the code it ends the program with.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: ExitStatus,
    pub(super) error: Message,
}

impl Failure {
    /// The user's words or files are at fault.
    #[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
    pub(super) fn usage(error: impl Advice) -> Self {
        Self { status: ExitStatus::Usage, error: error.message() }
    }

    /// The server, the disk or the network is at fault.
    #[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
    pub(super) fn environment(error: impl Advice) -> Self {
        Self { status: ExitStatus::Environment, error: error.message() }
    }
}
