//! Files of results: how they are opened, and how they are replaced. Must open nothing but regular files, and must
//! leave no half file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Largest `trial.json` or `run.json` that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 1 << 30;

/// Largest log of histograms or intervals that is read, in bytes.
pub const MAX_LOG_BYTES: u64 = 4 << 30;

/// Reads a regular file of at most `max_bytes`. A named pipe, a device or a folder is refused at once: none of them is
/// a result, and the first two can keep a reader waiting for ever.
///
/// # Errors
/// When it is no regular file, is larger, or cannot be read.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe that nobody writes to would wait for a writer.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits() as i32);
    }
    let file = options.open(path)?;
    let facts = file.metadata()?;
    let refused = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    if !facts.is_file() {
        return refused("it is no regular file".to_owned());
    }
    let too_large = || refused(format!("it is larger than {max_bytes} bytes, which no result is"));
    if facts.len() > max_bytes {
        return too_large();
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or_default());
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { too_large() } else { Ok(bytes) }
}

/// Writes beside the place, flushes to the disk, and renames: a reader sees the old file or the new one. What an
/// earlier attempt left beside the place is replaced.
///
/// # Errors
/// When any of the three fails; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}{PART}"));
    let result = (|| {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    result
}

/// Removes what writers that were killed left half written in a folder.
pub fn remove_parts(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(PART) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The end of the name of a file that is being written.
const PART: &str = ".part";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        assert!(write_atomic(&folder.path().join("missing/a.json"), b"two").is_err());
        // What a killed writer left is replaced by the next write.
        write_atomic(&folder.path().join(".a.json.part"), b"half").unwrap();
        write_atomic(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
        std::fs::create_dir(folder.path().join("b.json")).unwrap();
        assert!(write_atomic(&folder.path().join("b.json"), b"four").is_err(), "a folder is in its place");
        assert!(!folder.path().join(".b.json.part").exists());
        write_atomic(&folder.path().join(".c.json.part"), b"half").unwrap();
        remove_parts(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let refused = |name: &str| read_regular(&at(name), 4).unwrap_err().to_string();
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        write_atomic(&at("large"), b"12345").unwrap();
        write_atomic(&at("small"), b"1234").unwrap();
        std::os::unix::fs::symlink(at("small"), at("known")).unwrap();
        for name in ["pipe", "link", "."] {
            assert_eq!(refused(name), "it is no regular file", "{name}");
        }
        assert!(refused("large").contains("larger than 4 bytes"));
        assert!(
            refused("loop").contains("symbolic link") || refused("loop").contains("symlink"),
            "{}",
            refused("loop")
        );
        assert!(read_regular(&at("socket"), 4).is_err());
        assert_eq!(read_regular(Path::new("/dev/zero"), 4).unwrap_err().to_string(), "it is no regular file");
        assert_eq!(read_regular(&at("known"), 4).unwrap(), b"1234");
    }
}
