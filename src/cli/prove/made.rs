//! What a proof is given in place of files. Must be read by the parsers that read files.

use crate::cli::exit::Failure;
use crate::cli::scenarios::Placed;
use crate::diagnostic::SourceFile;
use crate::migrate::Directory;
use crate::scenario::spec::parse_scenario;

/// What another verb made: the steps, and a scenario that is on no disk.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Made {
    pub(super) directory: Directory,
    pub(super) scenario: Placed,
}

impl Made {
    /// Reads the scenario as a file is read.
    ///
    /// # Errors
    /// Every mistake in it, such as an expression that a flag gave.
    pub(in crate::cli) fn read(directory: Directory, scenario: SourceFile) -> Result<Self, Failure> {
        match parse_scenario(&scenario.text) {
            Ok(read) => Ok(Self { directory, scenario: (scenario, read) }),
            Err(problems) => Err(Failure::usage(scenario.problems(problems))),
        }
    }
}
