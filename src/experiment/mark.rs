//! The mark of a result that another one goes on from, so that its chunks are not drawn on twice, wherever the new
//! results are kept. Must be made only once it is known that the new one goes on from it.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::ExperimentError;
use crate::evidence::files::remove_parts;

/// The name of the mark in the folder of a result.
const NAME: &str = "resumed-by";

/// A result that is to go on.
#[derive(Debug, Clone)]
pub struct Mark {
    path: PathBuf,
    /// The folder of the new result.
    by: PathBuf,
}

impl Mark {
    /// Of a result that nobody has gone on with; nothing is written yet.
    ///
    /// # Errors
    /// When it is marked already.
    pub fn new(resumed: &Path, by: &Path) -> Result<Self, ExperimentError> {
        let folder = if resumed.is_dir() { resumed } else { resumed.parent().unwrap_or(resumed) };
        let by = std::path::absolute(by).unwrap_or_else(|_| by.to_owned());
        let mark = Self { path: folder.join(NAME), by };
        match mark.path.exists() {
            true => Err(mark.taken()),
            false => Ok(mark),
        }
    }

    fn taken(&self) -> ExperimentError {
        let by = std::fs::read_to_string(&self.path).unwrap_or_default();
        ExperimentError::Marked { by, mark: self.path.clone() }
    }

    /// Marks the result.
    ///
    /// # Errors
    /// When somebody else has by now, or it cannot be written.
    pub fn make(&self) -> Result<(), ExperimentError> {
        let failed = |source: std::io::Error| ExperimentError::Mark { path: self.path.clone(), source };
        let mut file = match std::fs::File::create_new(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(self.taken()),
            Err(error) => return Err(failed(error)),
        };
        file.write_all(self.by.display().to_string().as_bytes()).map_err(failed)?;
        self.path.parent().into_iter().for_each(remove_parts);
        Ok(())
    }

    /// Takes the mark back where nothing was drawn from the result.
    pub fn take_back(&self) {
        if std::fs::read_to_string(&self.path).is_ok_and(|by| Path::new(&by) == self.by) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_goes_on_once_and_is_marked_when_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let new = |by: &str| Mark::new(folder.path(), Path::new(by));
        let (first, second) = (new("/results/a").unwrap(), new("/results/b").unwrap());
        assert!(!folder.path().join(NAME).exists(), "nothing is marked before it is known to go on");
        first.make().unwrap();
        let refused = second.make().unwrap_err();
        assert!(refused.is_input() && refused.to_string().contains("gone on already, in /results/a"), "{refused}");
        assert!(new("/results/c").is_err());
        second.take_back();
        assert!(folder.path().join(NAME).exists(), "it is another's");
        first.take_back();
        assert!(!folder.path().join(NAME).exists());
    }
}
