//! What a verb prints on stdout. Must end quietly where nobody reads it, and name the failure where it cannot be
//! written.

use std::io::Write;

use super::exit::Failure;
use crate::diagnostic::Message;
use crate::units::printable_lines;

/// Writes text to stdout. A reader that has left (`| head`) is no failure: the exit code still comes from the verdict.
///
/// # Errors
/// When stdout cannot be written for another reason, such as a full disk.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    write(&printable_lines(text))
}

/// The same of a text whose names are printable already.
pub(super) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(Message::new(format!("cannot write to stdout: {error}"))))
        }
        _ => Ok(()),
    }
}
