//! One program at a time on the embedded server. Must rely on the kernel's lock, never on a file being there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::ServerError;

/// The right to use the embedded server; given back when dropped, also by a crash.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

impl Lease {
    /// Takes the lock now.
    ///
    /// # Errors
    /// When another program holds it, with its process id, or the file cannot be used.
    pub fn take(home: &Path) -> Result<Self, ServerError> {
        let path = home.join("lock");
        let io = |doing| {
            let path = path.clone();
            move |source| ServerError::Io { doing, path, source }
        };
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(io("write"))?;
                file.rewind().map_err(io("write"))?;
                write!(file, "{}", std::process::id()).map_err(io("write"))?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                Err(ServerError::InUse { owner })
            }
            Err(TryLockError::Error(source)) => Err(io("lock")(source)),
        }
    }

    /// Takes the lock, waiting for its owner to end; `waiting` hears the owner's process id once.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub async fn wait(home: &Path, mut waiting: impl FnMut(&str)) -> Result<Self, ServerError> {
        let mut told = false;
        loop {
            match Self::take(home) {
                Err(ServerError::InUse { owner }) => {
                    if !told {
                        waiting(&owner);
                        told = true;
                    }
                    // The kernel has no asynchronous wait for a file lock; a person does not notice 100 ms.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_holds_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let lease = Lease::take(home.path()).unwrap();
        let refused = Lease::take(home.path()).unwrap_err();
        assert!(matches!(&refused, ServerError::InUse { owner } if *owner == std::process::id().to_string()));
        drop(lease);
        Lease::take(home.path()).unwrap();
    }

    #[test]
    fn a_lock_file_left_by_a_dead_program_is_no_hindrance() {
        let home = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own scratch file")]
        std::fs::write(home.path().join("lock"), "999999").unwrap();
        Lease::take(home.path()).unwrap();
    }
}
